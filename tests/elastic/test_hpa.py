"""The autoscaler's rule, clause by clause, and against a plain twin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.hpa import HPA
from edgeresearch.elastic.view import View
from edgeresearch.errors import InputError


def see(present: list[float], every: float = 15.0, minimum: int = 1, maximum: int = 1000) -> View:
    load = np.array(present, dtype=float)
    return View(load, load, Capacity(q_max=10, share=1, minimum=minimum, maximum=maximum), every, 3)


def pods(present: list[float], rule: HPA | None = None, **options: float) -> list[int]:
    return (rule or HPA()).decide(see(present, **options)).tolist()  # type: ignore[arg-type]


def plain(view: View, rule: HPA) -> list[int]:
    """Read the documentation word for word: lists of all recommendations and all changes, with their times."""
    current = int(view.capacity.bounded(view.capacity.needed(view.present[0])))
    recommendations: list[tuple[float, int]] = []
    changes: list[tuple[float, int]] = []
    result = []
    for k, load in enumerate(view.present.tolist()):
        now = k * view.every
        desired = int(view.capacity.needed(load))
        ratio = load / (view.capacity.q_act * current)
        if 1 - rule.tolerance <= ratio <= 1 + rule.tolerance:
            desired = current
        recommendations.append((now, desired))
        if desired < current:
            recent = [wanted for at, wanted in recommendations if at > now - rule.stabilisation or at == now]
            desired = min(max(recent), current)
        started = current - sum(change for at, change in changes if at > now - rule.period)
        if desired > started:
            desired = min(desired, max(started + rule.up_pods, math.ceil(started * (1 + rule.up_percent / 100))))
        else:
            desired = max(desired, math.floor(started * (1 - rule.down_percent / 100)))
        desired = min(max(desired, view.capacity.minimum), view.capacity.maximum)
        changes.append((now, desired - current))
        current = desired
        result.append(current)
    return result


def test_the_documented_defaults() -> None:
    rule = HPA()
    assert (rule.tolerance, rule.stabilisation, rule.period) == (0.1, 300, 15)
    assert (rule.up_percent, rule.up_pods, rule.down_percent) == (100, 4, 100)


def test_small_deviations_are_tolerated() -> None:
    assert pods([100, 109.9, 110, 110.1, 91]) == [10, 10, 10, 12, 12]


def test_scaling_up_by_four_pods_or_double() -> None:
    assert pods([10] + [1000] * 7) == [1, 5, 10, 20, 40, 80, 100, 100]


def test_scaling_down_waits_for_the_window() -> None:
    assert pods([100] * 2 + [10] * 25) == [10] * 21 + [1] * 6
    assert pods([100, 10, 10], HPA(stabilisation=0)) == [10, 1, 1]


def test_a_short_peak_starts_the_window_anew() -> None:
    load = [100.0] + [10] * 15 + [60] + [10] * 25
    assert pods(load) == [10] * 20 + [6] * 16 + [1] * 6


def test_scaling_down_by_a_share() -> None:
    assert pods([100] + [10] * 5, HPA(stabilisation=0, down_percent=50)) == [10, 5, 2, 1, 1, 1]


def test_a_period_of_several_syncs_limits_their_sum() -> None:
    assert pods([10] + [1000] * 6, HPA(period=30)) == [1, 5, 5, 10, 10, 20, 20]


def test_bounds() -> None:
    assert pods([0, 500, 500, 500], minimum=2, maximum=7) == [2, 6, 7, 7]


def test_no_load_needs_the_minimum() -> None:
    assert pods([0, 0, 0]) == [1, 1, 1]


@given(
    st.lists(st.floats(0, 400), min_size=1, max_size=60),
    st.sampled_from([5.0, 15.0, 30.0]),
    st.sampled_from([(1, 1000), (2, 20)]),
    st.sampled_from([0, 45.0, 300.0]),
    st.sampled_from([15.0, 60.0]),
    st.sampled_from([100.0, 30.0]),
)
def test_any_load_equals_the_plain_twin(
    load: list[float], every: float, bounds: tuple[int, int], window: float, period: float, down: float
) -> None:
    rule = HPA(tolerance=0.125, stabilisation=window, period=period, down_percent=down)
    view = see(load, every, *bounds)
    assert rule.decide(view).tolist() == plain(view, rule)


@pytest.mark.parametrize(("window", "period", "down"), [(0, 15, 100), (300, 15, 100), (300, 60, 10), (3600, 45, 30)])
def test_a_long_walk_equals_the_plain_twin(window: float, period: float, down: float) -> None:
    rng = np.random.default_rng(9)
    load = np.abs(200 + np.cumsum(rng.normal(0, 15, 600))) * rng.gamma(40, 1 / 40, 600)
    rule = HPA(stabilisation=window, period=period, down_percent=down)
    view = see(load.tolist())
    assert rule.decide(view).tolist() == plain(view, rule)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": -0.1}, "tolerance is -0.1"),
        ({"stabilisation": -1}, "stabilisation is -1"),
        ({"up_pods": -4}, "up_pods is -4"),
        ({"down_percent": 120}, "down_percent is 120"),
        ({"period": 0}, "period is 0"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HPA(**settings)  # type: ignore[arg-type]
