import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.transfer import Transfers


def chain(*, shared: bool = False, sway: float = 0.0) -> Transfers:
    nodes = [Node(f"n{i}", "edge", "fast", 1000.0, 512.0, sway, 100.0) for i in range(3)]
    return Transfers(Mesh(nodes, [Link(0, 1, 0.5, 8.0, shared), Link(1, 2, 0.25, 16.0)]))


def test_a_path_takes_the_sum_of_its_links() -> None:
    transfers = chain()
    assert transfers.seconds([0, 1], 2.0, 0.0) == 0.5 + 2
    assert transfers.seconds((0, 1, 2), 2.0, 0.0) == 0.5 + 2 + 0.25 + 1
    assert transfers.seconds((2, 1, 0), 2.0, 0.0) == 0.5 + 2 + 0.25 + 1
    assert transfers.seconds([1], 2.0, 0.0) == 0.0


def test_nothing_to_send_takes_the_latency() -> None:
    assert chain().seconds([0, 1], 0.0, 0.0) == 0.5


def test_nodes_that_move_are_farther() -> None:
    assert chain(sway=0.1).seconds([0, 1], 2.0, 50.0) == pytest.approx(2.5 + 0.2)
    assert chain(sway=0.1).seconds([0, 1], 2.0, 100.0) == pytest.approx(2.5)


def test_a_shared_link_is_divided_by_those_that_are_on_it() -> None:
    transfers = chain(shared=True)
    assert transfers.seconds([0, 1], 2.0, 0.0) == 2.5
    assert transfers.seconds([1, 0], 2.0, 1.0) == 0.5 + 4  # both ways share it
    assert transfers.ahead([0, 1, 2], 2.0, 2.0) == 0.5 + 6 + 0.25 + 1
    assert transfers.ahead([0, 1], 2.0, 2.5) == 0.5 + 4  # the first ended at 2.5
    assert transfers.ahead([0, 1], 2.0, 5.5) == 2.5


def test_looking_ahead_begins_nothing() -> None:
    transfers = chain(shared=True)
    assert [transfers.ahead([0, 1], 2.0, 0.0) for _ in range(3)] == [2.5] * 3
    assert transfers.ahead([0, 1], 4.0, 0.0) == 4.5
    assert transfers.ahead([1], 2.0, 0.0) == 0.0


def test_what_began_at_the_same_moment_is_met() -> None:
    transfers = chain(shared=True)
    assert transfers.ahead([0, 1], 2.0, 0.0) == 2.5
    transfers.seconds([0, 1], 2.0, 0.0)
    assert transfers.ahead([0, 1], 2.0, 0.0) == 4.5


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.sampled_from([(0, 1), (1, 0), (0, 1, 2), (2, 1), (1,)]), st.floats(0, 2)),
        max_size=20,
    ),
    megabytes=st.sampled_from([0.5, 2.0]),
)
def test_looking_ahead_tells_what_beginning_would_take(
    steps: list[tuple[bool, tuple[int, ...], float]], megabytes: float
) -> None:
    """To the last bit, and whatever was looked at before: a copy that begins it is the judge."""
    transfers, time = chain(shared=True, sway=0.1), 0.0
    for begin, path, later in steps:
        time += later
        seen = transfers.ahead(path, megabytes, time)
        assert seen == copy.deepcopy(transfers).seconds(path, megabytes, time)
        if begin:
            assert transfers.seconds(path, megabytes, time) == seen


def test_other_links_are_not_shared() -> None:
    transfers = chain()
    assert [transfers.seconds([0, 1], 2.0, 0.0) for _ in range(3)] == [2.5] * 3


@given(starts=st.lists(st.floats(0, 100), max_size=20), megabytes=st.floats(0, 10))
def test_a_transfer_is_as_slow_as_the_others_make_it(starts: list[float], megabytes: float) -> None:
    transfers, ends = chain(shared=True), []
    for time in sorted(starts):
        sharing = 1 + sum(end > time for end in ends)
        took = transfers.seconds([0, 1], megabytes, time)
        assert took == pytest.approx(0.5 + megabytes * sharing)
        ends.append(time + took)
