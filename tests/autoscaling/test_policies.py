"""Policies that turn present load and forecast into pods."""

import math
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.autoscaling.policies import (
    HPA,
    STRATEGIES,
    Capacity,
    Combined,
    Fixed,
    Oracle,
    Quantile,
    Strategy,
    View,
    pressure_test,
    strategy,
)
from edgeresearch.autoscaling.simulator import Floats, Ints, Settings
from edgeresearch.errors import InputError


def test_the_papers_rule() -> None:
    capacity = Capacity(q_max=25)
    assert capacity.q_act == 20
    assert capacity.pods([0, 1, 20, 20.5, 40, 41]).tolist() == [1, 1, 1, 2, 2, 3]


def test_bounds() -> None:
    capacity = Capacity(q_max=10, share=1, minimum=2, maximum=4)
    assert capacity.pods([0, 15, 35, 1000]).tolist() == [2, 2, 4, 4]
    assert capacity.needed([0, 15, 1000]).tolist() == [0, 2, 100]
    assert capacity.needed(15.0) == 2


@given(
    pods=st.integers(1, 10**6),
    q_max=st.floats(1e-3, 1e6),
    share=st.sampled_from([0.8, 0.7, 1 / 3, 1.0]),
)
def test_a_whole_multiple_is_not_rounded_up(pods: int, q_max: float, share: float) -> None:
    capacity = Capacity(q_max=q_max, share=share, maximum=10**7)
    load = pods * capacity.q_act
    for near in (np.nextafter(load, 0), load, np.nextafter(load, np.inf)):
        assert capacity.pods([near]).tolist() == [pods]
    assert capacity.pods([load * (1 + 1e-9)]).tolist() == [pods + 1]


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_more_load_never_needs_fewer_pods(loads: list[float]) -> None:
    capacity = Capacity(minimum=2, maximum=500)
    pods = capacity.pods(sorted(loads))
    assert (np.diff(pods) >= 0).all()
    assert pods.min() >= 2
    assert pods.max() <= 500


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"q_max": 0}, "q_max is 0; give a number above 0"),
        ({"q_max": -3.0}, "q_max is -3"),
        ({"q_max": np.nan}, "q_max is nan"),
        ({"share": 1.5}, "share is 1.5"),
        ({"minimum": 0}, "minimum replicas is 0"),
        ({"minimum": 5, "maximum": 2}, "minimum replicas 5 is above maximum replicas 2"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Capacity(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("load", "message"), [([1, -1.0], "negative"), ([np.nan], "not a finite number")])
def test_loads_out_of_range(load: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Capacity().pods(load)


def test_pressure_test_finds_what_a_pod_can_do() -> None:
    found = pressure_test(Settings(q_max=20), rng=np.random.default_rng(0))
    assert found.q_max == pytest.approx(20, rel=0.05)
    assert len(found.load) == len(found.error)
    assert found.load[-2] == found.q_max
    assert (found.error[:-1] <= 0.05).all()
    assert found.error[-1] > 0.05
    # Far below its capacity only the base error is left.
    assert found.error[5:20] == pytest.approx(0.03, abs=0.01)


def test_pressure_test_goes_on_until_the_bound() -> None:
    settings = Settings(q_max=50, base_error=0.0)
    strict, loose = (
        pressure_test(settings, rng=np.random.default_rng(1), bound=bound, step=1, hold=60) for bound in (0.01, 0.5)
    )
    assert 45 < strict.q_max < 55
    assert 95 < loose.q_max < 105
    again = pressure_test(settings, rng=np.random.default_rng(1), bound=0.01, step=1, hold=60)
    assert again.error.tolist() == strict.error.tolist()


def test_pressure_test_in_finer_steps() -> None:
    found = pressure_test(Settings(q_max=8, dt=0.25), rng=np.random.default_rng(2), hold=120)
    assert found.q_max == pytest.approx(8, rel=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bound": 0.03}, "bound is 0.03; give a number above 0.03"),
        ({"step": 0}, "step is 0"),
        ({"hold": 0.5}, "hold is 0.5"),
        ({"step": 100}, "at 100 requests per second already; use a smaller step"),
        ({"highest": 10}, "up to 16 requests per second; raise `highest`"),
    ],
)
def test_pressure_test_refuses_in_one_line(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pressure_test(Settings(q_max=20), rng=np.random.default_rng(0), **{"hold": 60, **options})  # type: ignore[arg-type]


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


def test_bounds_hpa() -> None:
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
def test_settings_out_of_range_hpa(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HPA(**settings)  # type: ignore[arg-type]


BLIND = [name for name in STRATEGIES if name != "oracle"]


def see_strategies(
    present: list[float] | Floats, forecast: list[float] | Floats, horizon: int = 2, **bounds: int
) -> View:
    capacity = Capacity(q_max=10, share=1, **bounds)  # type: ignore[arg-type]
    return View(np.asarray(present, float), np.asarray(forecast, float), capacity, 15.0, horizon)


@pytest.mark.parametrize(
    ("name", "pods"),
    [
        ("advance", [4, 4, 2, 1]),
        ("responsive", [2, 4, 4, 2]),
        ("combined", [4, 4, 4, 2]),
        ("fixed", [2, 2, 2, 2]),
        ("quantile", [4, 4, 4, 2]),
    ],
)
def test_the_rules_on_a_hill(name: str, pods: list[int]) -> None:
    assert strategy(name).decide(see_strategies([15, 35, 40, 15], [35, 40, 15, 5])).tolist() == pods


def test_an_unknown_strategy_lists_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"unknown strategy 'respnsive'; did you mean responsive\?; known: advance, resp"
    ):
        strategy("respnsive")


def test_fixed() -> None:
    assert Fixed(7).decide(see_strategies([1, 99], [1, 99])).tolist() == [7, 7]


def test_the_oracle_needs_the_future() -> None:
    with pytest.raises(InputError, match="let `plan` make the view"):
        Oracle().decide(see_strategies([1], [1]))


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=30))
def test_combined_expands_for_either_and_shrinks_for_both(loads: list[tuple[float, float]]) -> None:
    view = see_strategies(*(list(column) for column in zip(*loads, strict=True)))
    each = np.stack([strategy(name).decide(view) for name in ("advance", "responsive")])
    np.testing.assert_array_equal(Combined().decide(view), each.max(axis=0))


@pytest.mark.parametrize("name", BLIND)
@given(data=st.data())
def test_no_future_value_reaches_a_decision(name: str, data: st.DataObject) -> None:
    decisions = data.draw(st.integers(2, 80))
    now = data.draw(st.integers(0, decisions - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    rule = Quantile(0.1, memory=20) if name == "quantile" else strategy(name)
    present, forecast = rng.gamma(2, 40, (2, decisions))
    before = rule.decide(see_strategies(present, forecast))
    present[now + 1 :], forecast[now + 1 :] = rng.gamma(2, 90, (2, decisions - now - 1))
    after = rule.decide(see_strategies(present, forecast))
    np.testing.assert_array_equal(before[: now + 1], after[: now + 1])


def test_the_margin_is_a_quantile_of_the_known_errors() -> None:
    rng = np.random.default_rng(5)
    present, horizon, memory = rng.gamma(2, 30, 300), 3, 50
    forecast = np.roll(present, 1)
    margin = Quantile(0.1, memory).margin(see_strategies(present, forecast, horizon))
    known = 120
    errors = [present[k] - forecast[k - horizon] for k in range(known - memory + 1, known + 1)]
    assert margin[known] == np.quantile(errors, 0.9, method="higher")
    assert (margin[: horizon + memory // 10 - 1] == 0).all()
    assert margin[horizon + memory // 10 - 1] != 0


@given(
    st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 12), st.integers(10, 150), st.sampled_from([0, 0.05, 1])
)
def test_the_margin_is_the_rolling_quantile_to_the_last_bit(
    seed: int, decisions: int, horizon: int, memory: int, target: float
) -> None:
    present, forecast = np.random.default_rng(seed).gamma(2, 30, (2, decisions)).round(1)
    errors = np.full(decisions, np.nan)
    errors[horizon:] = present[horizon:] - forecast[:-horizon]
    rolling = pd.Series(errors).rolling(memory, min_periods=memory // 10)
    expected = rolling.quantile(1 - target, interpolation="higher").fillna(0.0)
    np.testing.assert_array_equal(Quantile(target, memory).margin(see_strategies(present, forecast, horizon)), expected)


@pytest.mark.parametrize("target", [0.02, 0.1, 0.3])
def test_the_target_error_is_met_where_errors_repeat(target: float) -> None:
    rng = np.random.default_rng(1)
    horizon = 3
    present = 200 + rng.normal(0, 20, 20_000)
    forecast = np.full(len(present), 200.0)
    bound = forecast + Quantile(target, memory=2000).margin(see_strategies(present, forecast, horizon))
    exceeded = present[5000 + horizon :] > bound[5000:-horizon]
    assert exceeded.mean() == pytest.approx(target, rel=0.15)


def test_a_lower_target_never_wants_fewer_pods() -> None:
    rng = np.random.default_rng(2)
    view = see_strategies(rng.gamma(4, 30, 500), rng.gamma(4, 30, 500))
    loose, strict = (Quantile(target, 100).decide(view) for target in (0.3, 0.01))
    assert (strict >= loose).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [((1.5, 100), "target error is 1.5"), ((0.1, 5), "memory is 5; give a number at least 10")],
)
def test_quantile_settings_out_of_range(settings: tuple[float, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Quantile(*settings)


def test_few_decisions_leave_no_margin() -> None:
    view = see_strategies([10, 20], [10, 20], horizon=5)
    assert Quantile().margin(view).tolist() == [0, 0]
    assert pd.notna(Quantile().margin(view)).all()


class Twice:
    """What a user might plug in: no base class, one method."""

    def decide(self, view: View) -> Ints:
        return 2 * view.capacity.needed(view.present)


def test_any_class_that_decides_is_a_strategy() -> None:
    assert isinstance(Twice(), Strategy)
    assert not isinstance(object(), Strategy)
    for make in STRATEGIES.values():
        assert isinstance(make(), Strategy)


def test_a_view_shows_no_future_unless_told() -> None:
    view = View(np.ones(3), np.ones(3), Capacity(), 15.0, 3)
    assert view.peak is None
    assert [field.name for field in fields(view)] == ["present", "forecast", "capacity", "every", "horizon", "peak"]
    assert Twice().decide(view).tolist() == [2, 2, 2]
    with pytest.raises(FrozenInstanceError):
        view.horizon = 2  # type: ignore[misc]
