import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator.board import Board
from edgeresearch.emulator.node import Host


def hosts() -> list[Host]:
    return [Host(i, "slow" if i == 1 else "fast", 1000.0 + 500 * i, 512.0, 0.0) for i in range(3)]


def start(board: Board, host: Host, time: float, took: float, cpu: float = 100.3) -> None:
    host.reserve((time, time + took, cpu, 12.1, 0), time)
    board.start(host.number, time + took, time)


def test_it_shows_what_is_free() -> None:
    nodes = hosts()
    nodes[2].cpu = 1500.0
    board = Board(nodes, 0.0)
    assert board.cpu.tolist() == [1000, 1500, 1500]
    assert board.utilisation.tolist() == [0, 0, 0.25]
    assert board.memory.tolist() == [512] * 3
    assert board.kinds == ["fast", "slow"]
    assert board.kind.tolist() == [0, 1, 0]
    assert board.count == 3


def test_what_ends_is_free_again_at_that_moment() -> None:
    nodes = hosts()
    board = Board(nodes, 0.0)
    start(board, nodes[1], 5.0, 10.0, 300.0)
    start(board, nodes[1], 6.0, 2.0, 500.0)
    assert board.at(7.9).cpu[1] == 700
    assert board.at(8.0).cpu[1] == 1200
    assert board.at(14.9).utilisation[1] == 1 - 1200 / 1500
    assert board.at(15.0).cpu[1] == 1500


def test_what_began_before_it_was_asked_for_ends_too() -> None:
    nodes = hosts()
    nodes[0].reserve((1.0, 9.0, 400.0, 12.0, 0), 0.0)
    board = Board(nodes, 3.0)
    assert board.cpu[0] == 600
    assert board.at(9.0).cpu[0] == 1000


def test_who_is_away_has_nothing() -> None:
    nodes = hosts()
    nodes[0].up = False
    board = Board(nodes, 0.0)
    assert board.count == 2
    assert (board.cpu[0], board.memory[0], board.utilisation[0]) == (-math.inf, -math.inf, math.inf)
    nodes[0].up = True
    board.change(0, 4.0, up=True)
    assert (board.count, board.cpu[0]) == (3, 1000)


def test_what_ended_with_its_node_does_not_end_again() -> None:
    nodes = hosts()
    board = Board(nodes, 0.0)
    start(board, nodes[0], 1.0, 10.0, 400.0)
    nodes[0].up, nodes[0].runs = False, ()
    board.change(0, 5.0, up=False)
    nodes[0].up = True
    board.change(0, 6.0, up=True)
    start(board, nodes[0], 7.0, 10.0, 300.0)
    assert board.at(11.0).cpu[0] == 700
    assert board.at(17.0).cpu[0] == 1000


@given(st.data())
@settings(max_examples=100)
def test_it_always_shows_what_the_hosts_say_to_the_bit(data: st.DataObject) -> None:
    nodes = hosts()
    board, time = Board(nodes, 0.0), 0.0
    for _ in range(data.draw(st.integers(1, 30))):
        time += data.draw(st.sampled_from([0.0, 0.5, 1.0, 2.5]))
        host = nodes[data.draw(st.integers(0, 2))]
        what = data.draw(st.sampled_from(["start", "start", "change", "look"]))
        if what == "start" and host.up:
            start(board, host, time, data.draw(st.sampled_from([1.0, 2.0, 3.5])), data.draw(st.floats(1, 300)))
        elif what == "change":
            host.up, host.runs = not host.up, ()
            board.change(host.number, time, up=host.up)
        elif what == "look":
            board.at(time)
    board.at(time)
    here = [host for host in nodes if host.up]
    assert board.count == len(here)
    for host in here:
        cpu, memory = host.free(time)
        assert (board.cpu[host.number], board.memory[host.number]) == (cpu, memory)
        assert board.utilisation[host.number] == 1 - cpu / host.capacity
    assert np.isinf(board.utilisation).sum() == 3 - len(here)
