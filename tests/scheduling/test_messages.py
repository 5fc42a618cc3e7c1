"""What nodes tell each other: availability, requests, decisions, reports."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.scheduling.messages import Availability, Decision, Reason, Report, Request

Make = Callable[..., Availability]


def test_a_node_stands_next_to_itself() -> None:
    here = Availability(node=3, time=60.0, cpu=530.0, memory=924.0, utilisation=0.47, kind="edge")
    assert (here.latency, here.bandwidth) == (0.0, math.inf)
    # so that nothing takes time to be sent to it (eq. 2)
    assert here.latency + 8 * 0.5 / here.bandwidth == 0


def test_a_state_is_plain_and_cannot_change(make_node: Make) -> None:
    state = make_node(2, latency=0.01)
    assert state == tuple(state)
    assert state._replace(time=5.0).time == 5.0
    with pytest.raises(AttributeError):
        setattr(state, "cpu", 1000.0)  # noqa: B010


@given(published=st.integers(0, 10**6), later=st.integers(0, 10**6))
def test_age_is_the_time_since_it_was_true(make_node: Make, published: int, later: int) -> None:
    state = make_node(time=float(published))
    assert state.age(float(published + later)) == later
    assert state.age(state.time) == 0


def test_of_two_versions_the_later_one_is_younger(make_node: Make) -> None:
    old, new = make_node(time=30.0), make_node(time=60.0, cpu=100.0)
    assert new.age(75.0) == 15 < old.age(75.0) == 45


Make_request = Callable[..., Report]
PLACED = {Reason.LOCAL, Reason.COLD_LOCAL}
PASSED = {Reason.FEASIBLE, Reason.INFEASIBLE, Reason.COLD_NEIGHBOUR}
DROPPED = {Reason.BUSY, Reason.CYCLE, Reason.HOPS, Reason.ALONE, Reason.FULL}


def test_a_fresh_request_was_handed_over_never() -> None:
    request = Request(job=4, period=240.0)
    assert (request.tried, request.limit, request.hops) == ((), None, 0)


@given(st.lists(st.integers(0, 20), unique=True, max_size=6))
def test_hops_are_the_nodes_in_the_token(tried: list[int]) -> None:
    request = Request(0, 240.0, tuple(tried))
    assert request.hops == len(tried)
    assert request._replace(tried=(*tried, 99)).hops == request.hops + 1


def test_a_request_is_its_fields_in_order() -> None:
    # the emulator makes named tuples by position, for speed
    assert Request._fields == ("job", "period", "tried", "limit")
    assert Decision._fields == ("reason", "node", "run", "limit", "seconds", "beyond")
    assert tuple(Request(1, 200.0, (0, 3), 80.0)) == (1, 200.0, (0, 3), 80.0)
    assert tuple.__new__(Request, (1, 200.0, (0, 3), 80.0)).hops == 2


def test_a_decision_without_a_node_is_a_drop() -> None:
    decision = Decision(Reason.HOPS)
    assert decision[1:] == (None, False, None, None, None)


def test_every_reason_is_one_of_three_kinds_or_a_policys_own() -> None:
    assert PLACED | PASSED | DROPPED | {Reason.CHOSEN} == set(Reason)
    assert len(PLACED) + len(PASSED) + len(DROPPED) + 1 == len(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_reads_as_its_words(reason: Reason) -> None:
    assert str(reason) == reason.value == f"{reason}"
    assert Reason(reason.value) is reason
    assert reason.value == reason.value.strip()
    assert reason == reason.value  # so that tables can be asked by it


def test_no_two_reasons_share_their_words() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason)


def test_a_report_holds_what_section_4c_lists(make_report: Make_request) -> None:
    report = make_report(complete=105.0, seconds=100.0)
    named = {"job", "period", "seconds", "limit", "utilisation"}
    assert named <= set(report._fields)
    assert report.complete >= report.seconds
    with pytest.raises(AttributeError):
        setattr(report, "limit", 1.0)  # noqa: B010


def test_a_request_and_a_decision_cannot_change() -> None:
    with pytest.raises(AttributeError):
        setattr(Request(0, 240.0), "tried", (1,))  # noqa: B010
    with pytest.raises(AttributeError):
        setattr(Decision(Reason.LOCAL, 0, True), "node", 1)  # noqa: B010


@given(
    job=st.integers(0, 2**31 - 1),
    period=st.floats(1, 1e5),
    tried=st.lists(st.integers(0, 10**6), unique=True, max_size=8),
    limit=st.none() | st.floats(1, 1e4),
)
def test_equal_requests_are_equal_and_can_be_told_apart(
    job: int, period: float, tried: list[int], limit: float | None
) -> None:
    request = Request(job, period, tuple(tried), limit)
    assert request == Request(job, period, tuple(tried), limit)
    assert hash(request) == hash(Request(job, period, tuple(tried), limit))
    assert request != request._replace(job=job + 1)


@given(st.sampled_from(sorted(DROPPED)), st.integers(0, 9))
def test_a_drop_and_a_hand_over_differ_in_their_node(reason: Reason, node: int) -> None:
    dropped, handed = Decision(reason), Decision(Reason.FEASIBLE, node)
    assert dropped.node is None and handed.node == node
    assert not dropped.run and not handed.run
