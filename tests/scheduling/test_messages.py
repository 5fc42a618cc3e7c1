"""What nodes tell each other: availability, requests, decisions, reports."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request

Make = Callable[..., Availability]


def test_a_node_stands_next_to_itself() -> None:
    here = Availability(node=3, time=60.0, cpu=530.0, memory=924.0, utilisation=0.47, kind="edge")
    assert (here.latency, here.bandwidth) == (0.0, math.inf)
    assert here.latency + 8 * 0.5 / here.bandwidth == 0  # nothing takes time to be sent to it (eq. 2)


@given(published=st.integers(0, 10**6), later=st.integers(0, 10**6))
def test_age_is_the_time_since_it_was_true(make_node: Make, published: int, later: int) -> None:
    assert make_node(time=float(published)).age(float(published + later)) == later


def test_messages_are_plain_tuples_that_cannot_change(make_node: Make) -> None:
    for message, name in (
        (make_node(2), "cpu"),
        (Request(0, 240.0), "tried"),
        (Decision(Reason.LOCAL, 0, True), "node"),
    ):
        assert message == tuple(message)
        with pytest.raises(AttributeError):
            setattr(message, name, 1)


def test_a_request_is_its_fields_in_order_and_its_hops_are_the_nodes_in_its_token() -> None:
    # the emulator makes named tuples by position, for speed
    assert Request._fields == ("job", "period", "tried", "limit")
    assert Decision._fields == ("reason", "node", "run", "limit", "seconds", "extrapolation")
    assert tuple.__new__(Request, (1, 200.0, (0, 3), 80.0)).hops == 2
    assert Request(4, 240.0).hops == 0


def test_a_decision_in_plain_words() -> None:
    assert Decision.run_at(3, 200.0) == Decision(Reason.CHOSEN, 3, True, 200.0)
    assert Decision.hand_over(4)[:3] == (Reason.CHOSEN, 4, False)
    assert Decision.drop() == (Reason.NO_CAPACITY, None, False, None, None, None)
    assert Decision.drop(Reason.CYCLE).reason == Reason.CYCLE


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_reads_as_its_words(reason: Reason) -> None:
    assert str(reason) == reason.value == f"{reason}" == reason.value.strip()
    assert Reason(reason.value) is reason
