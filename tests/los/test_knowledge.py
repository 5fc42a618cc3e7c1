import math
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.los.knowledge import Knowledge
from edgeresearch.los.limits import Limits
from edgeresearch.los.request import Report
from edgeresearch.los.runtime import Fitting

Known = Callable[..., Knowledge]
Make = Callable[..., Report]


def test_a_job_without_a_past_is_cold() -> None:
    known = Knowledge(Limits(), Fitting())
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
    known = make_known(*runs, fitting=Fitting(enough=enough))
    assert known.cold
    known = make_known(*runs, {"kind": "fog"}, fitting=Fitting(enough=enough))
    assert not known.cold
    assert known.curve("edge") is None or enough == 1


def test_node_classes_are_told_apart(make_known: Known) -> None:
    known = make_known({"kind": "edge", "seconds": 200.0}, {"kind": "cloud", "seconds": 50.0})
    slow, fast = known.curve("edge"), known.curve("cloud")
    assert slow is not None and fast is not None
    assert slow.seconds(400) == pytest.approx(4 * fast.seconds(400))
    assert [len(known.models[kind].limits) for kind in ("edge", "cloud")] == [1, 1]


def test_limits_follow_by_node(make_known: Known) -> None:
    known = make_known(
        {"node": 1, "limit": 200.0},
        {"node": 2, "limit": 200.0, "complete": 241.0},
        {"node": 1, "limit": 180.0},
    )
    assert known.limits == pytest.approx({1: 162, 2: 220})


def test_a_run_that_ends_with_the_period_met_it(make_known: Known) -> None:
    assert make_known({"complete": 240.0, "period": 240.0}).limits[0] == pytest.approx(360)
    assert make_known({"complete": 240.1, "period": 240.0}).limits[0] == pytest.approx(440)


def test_the_rule_is_the_one_given(make_known: Known) -> None:
    busy = {"utilisation": 0.95}
    assert make_known(busy, limits=Limits(rule="period")).limits[0] == pytest.approx(360)
    assert make_known(busy, limits=Limits(rule="utilisation")).limits[0] == pytest.approx(440)


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


def test_knowledge_is_all_there_is() -> None:
    with pytest.raises(AttributeError):
        setattr(Knowledge(Limits(), Fitting()), "notes", [])  # noqa: B010


@given(
    runs=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["edge", "fog"]), st.floats(50, 1000), st.floats(1, 600)),
        max_size=20,
    )
)
def test_whatever_ran_the_history_is_sound(make_known: Known, runs: list[tuple[int, str, float, float]]) -> None:
    limits = Limits()
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
    assert known.beyond("fog", 150) == 1
    assert known.beyond("fog", 600) == pytest.approx(3)
    assert known.beyond("edge", 600) is None
    assert make_known({"kind": "fog"}, fitting=Fitting(enough=2)).beyond("fog", 400) is None


MEGABYTES = st.floats(0, 1e5)


@given(st.lists(MEGABYTES, max_size=6))
def test_failed_starts_alone_teach_no_more_than_what_is_needed(tried: list[float]) -> None:
    known = Knowledge(Limits(), Fitting())
    for memory in tried:
        known.fail(memory)
    assert known.need == (math.nextafter(max(tried), math.inf) if tried else 0)
    assert known.cold and known.memory.bound == 0


@given(st.lists(st.tuples(st.booleans(), MEGABYTES), max_size=8), MEGABYTES)
def test_what_is_needed_is_the_worst_case_and_more_than_ever_failed(
    make_report: Make, past: list[tuple[bool, float]], free: float
) -> None:
    known = Knowledge(Limits(), Fitting())
    for failed, memory in past:
        if failed:
            known.fail(memory)
        else:
            known.learn(make_report(memory=memory))
    tried = [memory for failed, memory in past if failed]
    for there in (free, known.memory.bound, *tried, *(math.nextafter(memory, math.inf) for memory in tried)):
        assert (there >= known.need) == (there >= known.memory.bound and there > max(tried, default=-1.0))
