import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.los.availability import Availability

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
