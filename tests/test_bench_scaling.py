from collections.abc import Callable

import numpy as np
import pytest

from bench import elastic, scaling
from bench.timing import Row
from edgeresearch.emulator.api import simulate

TINY = scaling.Size(steps=(300, 600), fits=(150, 300), epochs=1, streams=(2, 12), hours=0.5, triggers=10, repeats=2)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(scaling.rows(TINY))


def test_each_curve_starts_from_its_smallest_size(rows: list[Row]) -> None:
    assert [(row.what, row.size, row.peer) for row in rows] == [
        ("per step, service under combined", "600 steps", "itself, 300 steps"),
        ("per step, service under hpa", "600 steps", "itself, 300 steps"),
        ("per step, fit of the project's LSTM, 1 epochs", "300 steps", "itself, 150 steps"),
        ("per trigger, LOS, 0.5 h of paper B's testbed", "12 streams", "itself, 2 streams"),
    ]
    assert all(row.ratio > 0 and len(row.ours) == len(row.theirs) == 2 for row in rows)
    assert {(row.bound, row.unit) for row in rows} == {(None, "s")}


def test_sizes_are_measured_in_turn() -> None:
    calls: list[int] = []

    def of(size: int) -> Callable[[], float]:
        def cost() -> float:
            calls.append(size)
            return float(len(calls))

        return cost

    found = list(scaling._curve("a", "steps", {size: of(size) for size in (1, 10, 100)}, 2))
    assert calls == [1, 1, 10, 100, 1, 10, 100]  # the first call warms up
    assert [row.size for row in found] == ["10 steps", "100 steps"]
    assert [list(row.ours) for row in found] == [[3.0, 6.0], [4.0, 7.0]]
    assert [list(row.theirs) for row in found] == [[2.0, 5.0]] * 2


@pytest.mark.parametrize("streams", [2, 10])
def test_the_testbed_is_paper_bs_where_it_has_room(streams: int) -> None:
    made = scaling.scenario(streams)
    rule = made.testbed.stream_rule
    assert rule is not None
    assert (rule.count, rule.per_node, rule.cpu, rule.memory) == (10, 2, 470.0, 100.0)
    outcome = simulate(made, "los", hours=0.2, seed=np.random.SeedSequence(0), streams=streams)
    assert len(outcome.jobs) == streams


@pytest.mark.parametrize(("streams", "each"), [(11, 3), (20, 4), (100, 20)])
def test_more_streams_share_what_two_take(streams: int, each: int) -> None:
    made = scaling.scenario(streams)
    rule = made.testbed.stream_rule
    assert rule is not None
    assert rule.per_node == each
    assert rule.per_node * rule.cpu == pytest.approx(940)
    assert rule.per_node * rule.memory == pytest.approx(200)
    outcome = simulate(made, "los", hours=0.2, seed=np.random.SeedSequence(0), streams=streams)
    assert len(outcome.jobs) == streams
    assert {outcome.mesh.nodes[job.source].layer for job in outcome.jobs} == {"edge"}


def test_costs_are_per_step_and_per_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def a_second(call: Callable[[], object], number: int = 1) -> float:
        asked.append(number)
        return 1.0

    monkeypatch.setattr(scaling, "seconds", a_second)
    assert scaling._service("hpa", *elastic.world(500)) == 1 / 500
    assert scaling._fit(200, 1)() == 1 / 200
    cost = scaling._emulation(2, 1.0, 100)
    triggers = round(1 / cost)
    assert 2 * 12 <= triggers <= 2 * 20  # every 3 to 5 minutes
    assert asked == [50, 1, -(-100 // triggers)]
