"""What is known of a job from its past trainings: runtime models, limits, worst cases."""

import math
import statistics
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.scheduling.messages import TrainingReport
from edgeresearch.scheduling.runtime_model import JobHistory, residual
from edgeresearch.scheduling.settings import Fitting, LimitRule, Limits

Known = Callable[..., JobHistory]
Make = Callable[..., TrainingReport]


def test_a_job_without_a_past_is_cold() -> None:
    known = JobHistory(Limits(), Fitting())
    assert known.cold
    assert known.curve("edge") is None
    assert (known.models, known.limits) == ({}, {})
    assert (known.memory.bound, known.megabytes.bound, known.overhead.bound) == (0, 0, 0)


def test_the_first_run_ends_the_cold_start_of_its_node_class(make_known: Known) -> None:
    known = make_known({"kind": "fog"})
    assert not known.cold
    assert known.curve("edge") is None
    curve = known.curve("fog")
    assert curve is not None
    assert curve.seconds(400) == pytest.approx(100)


@pytest.mark.parametrize("enough", [1, 2, 5])
def test_the_cold_start_lasts_until_one_class_has_enough_runs(make_known: Known, enough: int) -> None:
    runs = [{"kind": kind} for kind in ("edge", "fog") for _ in range(enough - 1)]
    known = make_known(*runs, fitting=Fitting(min_runs=enough))
    assert known.cold
    known = make_known(*runs, {"kind": "fog"}, fitting=Fitting(min_runs=enough))
    assert not known.cold
    assert known.curve("edge") is None or enough == 1


def test_limits_follow_by_node(make_known: Known) -> None:
    known = make_known(
        {"node": 1, "limit": 200.0}, {"node": 2, "limit": 200.0, "complete": 241.0}, {"node": 1, "limit": 180.0}
    )
    assert known.limits == pytest.approx({1: 162, 2: 220})


def test_a_run_that_ends_with_the_period_met_it(make_known: Known) -> None:
    assert make_known({"complete": 240.0, "period": 240.0}).limits[0] == pytest.approx(360)
    assert make_known({"complete": 240.1, "period": 240.0}).limits[0] == pytest.approx(440)


def test_a_run_that_was_squeezed_sets_the_limit_that_the_next_one_starts_from(make_known: Known) -> None:
    # 300 millicores were planned, 100 were free: the paper adapts what the previous training had.
    known = make_known({"limit": 300.0 / 0.9}, {"limit": 100.0})
    assert known.limits[0] == pytest.approx(90)


def test_worst_cases_cover_all_nodes(make_known: Known) -> None:
    sent = [0.5, 0.7, 0.6]
    runs = [{"node": i, "memory": 60.0 + i, "megabytes": m, "overhead": 5.0} for i, m in enumerate(sent)]
    known = make_known(*runs)
    assert known.megabytes.bound == pytest.approx(statistics.mean(sent) + 2 * statistics.stdev(sent))
    assert known.memory.bound == pytest.approx(61 + 2)
    assert known.overhead.bound == 5


@given(
    runs=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["edge", "fog"]), st.floats(50, 1000), st.floats(1, 600)),
        max_size=20,
    )
)
def test_whatever_ran_the_history_is_sound(make_known: Known, runs: list[tuple[int, str, float, float]]) -> None:
    limits = Limits(floor=50)
    known = make_known(
        *({"node": n, "kind": k, "limit": r, "seconds": t, "complete": t + 5} for n, k, r, t in runs), limits=limits
    )
    assert known.cold == (not runs)
    assert set(known.limits) == {run[0] for run in runs}
    assert all(limits.floor <= limit <= limits.ceiling for limit in known.limits.values())
    assert sum(len(model.limits) for model in known.models.values()) == len(runs)
    for kind in known.models:
        curve = known.curve(kind)
        assert curve is not None
        assert all(part >= 0 and math.isfinite(part) for part in curve)


def test_it_says_how_far_a_class_extrapolates(make_known: Known) -> None:
    known = make_known({"kind": "fog", "limit": 200.0}, {"kind": "fog", "limit": 100.0})
    assert known.extrapolation("fog", 150) == 1
    assert known.extrapolation("fog", 600) == pytest.approx(3)
    assert known.extrapolation("edge", 600) is None
    assert make_known({"kind": "fog"}, fitting=Fitting(min_runs=2)).extrapolation("fog", 400) is None


MEGABYTES = st.floats(0, 1e5)


@given(st.lists(st.tuples(st.booleans(), MEGABYTES), max_size=8), MEGABYTES)
def test_what_is_needed_is_the_worst_case_and_more_than_ever_failed(
    make_report: Make, past: list[tuple[bool, float]], free: float
) -> None:
    known = JobHistory(Limits(), Fitting())
    for failed, memory in past:
        if failed:
            known.start_failed(memory)
        else:
            known.learn(make_report(memory=memory))
    tried = [memory for failed, memory in past if failed]
    for there in (free, known.memory.bound, *tried, *(math.nextafter(memory, math.inf) for memory in tried)):
        assert (there >= known.memory_needed) == (there >= known.memory.bound and there > max(tried, default=-1.0))


RULES: Sequence[LimitRule] = ("period", "utilisation")
SHARES = st.floats(0, 1)


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    floor = draw(st.floats(1, 200))
    return Limits(
        rule=draw(st.sampled_from(RULES)),
        first=draw(st.floats(0.05, 0.99)),
        down=draw(st.floats(0.5, 0.99)),
        up=draw(st.floats(1.01, 2)),
        target=draw(st.floats(0.01, 0.99)),
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
def test_both_rules(rule: LimitRule, met: bool, utilisation: float, following: float) -> None:
    limits = Limits(rule=rule)
    assert limits.following(200, met=met, utilisation=utilisation) == pytest.approx(following)


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


def test_a_residual_by_hand() -> None:
    assert (residual(48, 240), residual(240, 240), residual(300, 240)) == (192, 0, 60)
