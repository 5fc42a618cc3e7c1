from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.los.limits import Limits, Rule, residual

RULES: Sequence[Rule] = ("period", "utilisation")
SHARES = st.floats(0, 1)


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    floor = draw(st.floats(1, 200))
    return Limits(
        rule=draw(st.sampled_from(RULES)),
        first=draw(st.floats(0.05, 1)),
        down=draw(st.floats(0.5, 0.99)),
        up=draw(st.floats(1.01, 2)),
        target=draw(SHARES),
        floor=floor,
        ceiling=floor * draw(st.floats(1, 20)),
    )


def test_the_first_run_gets_85_percent_of_what_is_free() -> None:
    limits = Limits()
    assert limits.initial(470) == pytest.approx(399.5)  # the paper's first 400 millicores
    assert limits.initial(530) == pytest.approx(450.5)


def test_the_first_limit_keeps_floor_ceiling_and_what_is_free() -> None:
    limits = Limits(floor=50, ceiling=1000)
    assert limits.initial(55) == 50
    assert limits.initial(4000) == 1000
    assert limits.initial(30) == 30  # below the floor: no room for a training


@pytest.mark.parametrize(
    ("rule", "met", "utilisation", "following"),
    [
        ("period", True, 0.5, 180),
        ("period", True, 1.0, 180),
        ("period", False, 0.5, 220),
        ("utilisation", True, 0.89, 180),
        ("utilisation", True, 0.90, 220),
        ("utilisation", True, 1.0, 220),
        ("utilisation", False, 0.5, 220),
        ("utilisation", False, 1.0, 220),
    ],
)
def test_both_rules(rule: Rule, met: bool, utilisation: float, following: float) -> None:
    limits = Limits(rule=rule)
    assert limits.following(200, met=met, utilisation=utilisation) == pytest.approx(following)


def test_floor_and_ceiling_hold() -> None:
    limits = Limits(floor=80, ceiling=500)
    assert limits.following(85, met=True, utilisation=0) == 80
    assert limits.following(80, met=True, utilisation=0) == 80
    assert limits.following(490, met=False, utilisation=1) == 500
    assert limits.following(20, met=False, utilisation=1) == 80


@given(limits=any_limits(), free=st.floats(0, 10_000))
def test_a_first_limit_never_exceeds_what_is_free_or_the_ceiling(limits: Limits, free: float) -> None:
    limit = limits.initial(free)
    assert 0 <= limit <= min(free, limits.ceiling)
    assert limit >= limits.floor or limit == free


@given(limits=any_limits(), last=st.floats(1, 10_000), met=st.booleans(), used=SHARES)
def test_a_following_limit_lies_between_floor_and_ceiling(limits: Limits, last: float, met: bool, used: float) -> None:
    following = limits.following(last, met=met, utilisation=used)
    assert limits.floor <= following <= limits.ceiling
    if limits.floor < following < limits.ceiling:
        assert following in (last * limits.down, last * limits.up)


@given(limits=any_limits(), last=st.floats(1, 10_000), used=SHARES)
def test_who_misses_the_period_never_gets_less_than_who_meets_it(limits: Limits, last: float, used: float) -> None:
    assert limits.following(last, met=False, utilisation=used) >= limits.following(last, met=True, utilisation=used)


def test_the_rule_of_section_4d_ends_where_the_period_is_just_missed() -> None:
    limits, limit, complete = Limits(rule="period"), 400.0, []
    for _ in range(100):
        complete.append(24_000 / limit)
        limit = limits.following(limit, met=complete[-1] <= 240, utilisation=0.5)
    late = [seconds > 240 for seconds in complete[50:]]
    assert 0.4 < sum(late) / len(late) < 0.6
    assert all(0.85 * 240 < seconds < 1.15 * 240 for seconds in complete[50:])


def test_the_rule_of_section_6b_ends_where_the_limit_is_used_up() -> None:
    limits, limit, used = Limits(rule="utilisation"), 400.0, []
    for _ in range(100):
        work = 24_000 / limit
        used.append(work / (work + 20))
        limit = limits.following(limit, met=True, utilisation=used[-1])
    assert used[0] < 0.8
    assert all(0.88 < share < 0.92 for share in used[50:])


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_residual_is_the_distance_to_the_period(complete: float, period: float) -> None:
    assert residual(complete, period) == residual(period, complete) >= 0
    assert min(complete, period) + residual(complete, period) == pytest.approx(max(complete, period))


def test_a_residual_by_hand() -> None:
    assert (residual(48, 240), residual(240, 240), residual(300, 240)) == (192, 0, 60)
