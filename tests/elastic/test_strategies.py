"""The strategies' rules, and that none but the oracle sees the future."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.checks import Floats
from edgeresearch.elastic.strategies import STRATEGIES, Combined, Fixed, Oracle, Quantile, strategy
from edgeresearch.elastic.view import View
from edgeresearch.errors import InputError

BLIND = [name for name in STRATEGIES if name != "oracle"]


def see(present: list[float] | Floats, forecast: list[float] | Floats, horizon: int = 2, **bounds: int) -> View:
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
    assert strategy(name).decide(see([15, 35, 40, 15], [35, 40, 15, 5])).tolist() == pods


def test_an_unknown_strategy_lists_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"unknown strategy 'respnsive'; did you mean responsive\?; known: advance, resp"
    ):
        strategy("respnsive")


def test_fixed() -> None:
    assert Fixed(7).decide(see([1, 99], [1, 99])).tolist() == [7, 7]


def test_the_oracle_needs_the_future() -> None:
    with pytest.raises(InputError, match="let `plan` make the view"):
        Oracle().decide(see([1], [1]))


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=30))
def test_combined_expands_for_either_and_shrinks_for_both(loads: list[tuple[float, float]]) -> None:
    view = see(*(list(column) for column in zip(*loads, strict=True)))
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
    before = rule.decide(see(present, forecast))
    present[now + 1 :], forecast[now + 1 :] = rng.gamma(2, 90, (2, decisions - now - 1))
    after = rule.decide(see(present, forecast))
    np.testing.assert_array_equal(before[: now + 1], after[: now + 1])


def test_the_margin_is_a_quantile_of_the_known_errors() -> None:
    rng = np.random.default_rng(5)
    present, horizon, memory = rng.gamma(2, 30, 300), 3, 50
    forecast = np.roll(present, 1)
    margin = Quantile(0.1, memory).margin(see(present, forecast, horizon))
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
    np.testing.assert_array_equal(Quantile(target, memory).margin(see(present, forecast, horizon)), expected)


@pytest.mark.parametrize("target", [0.02, 0.1, 0.3])
def test_the_target_error_is_met_where_errors_repeat(target: float) -> None:
    rng = np.random.default_rng(1)
    horizon = 3
    present = 200 + rng.normal(0, 20, 20_000)
    forecast = np.full(len(present), 200.0)
    bound = forecast + Quantile(target, memory=2000).margin(see(present, forecast, horizon))
    exceeded = present[5000 + horizon :] > bound[5000:-horizon]
    assert exceeded.mean() == pytest.approx(target, rel=0.15)


def test_a_lower_target_never_wants_fewer_pods() -> None:
    rng = np.random.default_rng(2)
    view = see(rng.gamma(4, 30, 500), rng.gamma(4, 30, 500))
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
    view = see([10, 20], [10, 20], horizon=5)
    assert Quantile().margin(view).tolist() == [0, 0]
    assert pd.notna(Quantile().margin(view)).all()
