"""The testbed in virtual time: events, state, log."""

import gc
import heapq
import math
import os
import resource
import signal
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import results, simulation
from edgeresearch.emulator.network import Job, Link, Mesh, Node, Routes, Transfers
from edgeresearch.emulator.policies import POLICIES, NodeView, make_policy, policy_name
from edgeresearch.emulator.results import ENDS, REASONS, TriggerLog
from edgeresearch.emulator.simulation import SimulationState, TrainingTimes, event_schedule, random_draws, run_events
from edgeresearch.errors import InputError, RunError
from edgeresearch.scheduling.los import LOS
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request, TrainingReport
from edgeresearch.scheduling.runtime_model import Curve
from edgeresearch.scheduling.settings import Fitting, Limits, Rules
from tests.emulator.eager import Twin
from tests.emulator.worlds import Case, cases, foresee, training_times

COLUMNS = ["job", "time", "end", "reason", "hops", "node", "limit", "seconds", "complete"]
EVERY = sorted(POLICIES)


@pytest.mark.parametrize("name", ["los", "random", "in_situ"])
@given(case=cases())
@settings(max_examples=100)
def test_lazy_exchange_decides_as_eager_exchange_does(name: str, case: Case) -> None:
    outcome = case.run(name, "decisions")
    steps, log = outcome.steps, outcome.log.frame()
    eager = Twin(
        case.mesh, case.jobs, case.policy(name), case.truth, seconds=case.seconds, interval=case.interval,
        seed=np.random.SeedSequence(case.seed), loss=case.loss, changes=case.changes, drift=case.drift,
    )  # fmt: skip
    assert steps == eager.steps
    rows = pd.DataFrame(eager.rows, columns=COLUMNS)
    for column in ("limit", "seconds", "complete"):
        rows[column] = rows[column].astype(np.float32).astype(np.float64)
    assert log.astype({"end": str, "reason": str}).to_dict("records") == rows.to_dict("records")


def stays(case: Case, node: int) -> list[tuple[float, float]]:
    spans, since = [], 0.0
    for change in sorted((c for c in case.changes if c.node == node and c.time < case.seconds), key=lambda c: c.time):
        if change.up and since == math.inf:
            since = change.time
        elif not change.up and since < math.inf:
            spans.append((since, change.time))
            since = math.inf
    return [*spans, (since, math.inf)]


@given(case=cases(), name=st.sampled_from(EVERY))
@settings(max_examples=60)
def test_every_trigger_ends_exactly_once(case: Case, name: str) -> None:
    outcome = case.run(name, "decisions")
    steps, log = outcome.steps, outcome.log.frame()
    wanted = []
    for number, job in enumerate(case.jobs):
        times = [job.first + k * job.period for k in range(int(case.seconds / job.period) + 1)]
        there = stays(case, job.source)
        wanted += [(t, number) for t in times if t < case.seconds and any(low <= t < high for low, high in there)]
    assert list(zip(log["time"], log["job"], strict=True)) == sorted(wanted)
    assert log["end"].notna().all()
    last = Counter((s.time, s.request.job) for s in steps if s.decision.run or s.decision.node is None)
    looked = log[log["reason"] != str(Reason.BUSY)]
    assert last == Counter(zip(looked["time"], looked["job"], strict=True))
    ran = looked["end"] != "dropped"
    assert (looked.loc[ran, ["limit", "seconds", "complete"]] > 0).all(axis=None)
    assert (log.loc[log["end"] == "dropped", ["limit", "seconds", "complete"]] == 0).all(axis=None)


@given(case=cases(), name=st.sampled_from(EVERY))
@settings(max_examples=60)
def test_what_leaves_takes_its_trainings_along_and_nothing_else(case: Case, name: str) -> None:
    log = case.run(name).log.frame()
    for row in log[log["end"] != "dropped"].itertuples():
        span = [(low, high) for low, high in stays(case, row.node) if low <= row.time < high]
        assert len(span) == 1
        end = row.time + row.complete
        if abs(span[0][1] - end) > 1e-3:
            assert (row.end == "lost") == (end > span[0][1])


@given(case=cases(), name=st.sampled_from(EVERY))
@settings(max_examples=60)
def test_nothing_is_ever_over_committed(case: Case, name: str) -> None:
    log = case.run(name).log.frame()
    ran = log[log["end"] != "dropped"]
    memory = np.array([job.training_memory for job in case.jobs])
    for number, node in enumerate(case.mesh.nodes):
        runs = ran[ran["node"] == number]
        own = [job for job in case.jobs if job.source == number]
        leaves = [high for _, high in stays(case, number)]
        ends = [min(t + c, *(h for h in leaves if h > t)) for t, c in zip(runs["time"], runs["complete"], strict=True)]
        for i, time in enumerate(runs["time"]):
            held = (np.arange(len(runs)) <= i) & (np.array(ends) > time + 1e-3)
            assert runs["limit"][held].sum() + sum(job.cpu for job in own) <= node.cpu * (1 + 1e-6)
            assert memory[runs["job"][held]].sum() + sum(job.memory for job in own) <= node.memory


@given(case=cases(), name=st.sampled_from(EVERY))
@settings(max_examples=60)
def test_tokens_hops_and_messages(case: Case, name: str) -> None:
    result = case.run(name, "decisions")
    steps, log = result.steps, result.log.frame()
    for step in steps:
        assert step.node not in step.request.tried
        assert len(set(step.request.tried)) == step.request.hops
    if name in ("los", "random"):
        assert log["hops"].max() <= case.rules.hop_limit
    assert sum(result.handovers) == log["hops"].sum()
    handed = Counter(step.node for step in steps if not step.decision.run and step.decision.node is not None)
    assert all(result.handovers[node] >= count for node, count in handed.items())
    sent = [0.0] * len(case.mesh.nodes)
    for row in log[(log["end"] != "dropped") & (log["hops"] > 0)].itertuples():
        sent[case.jobs[row.job].source] += case.jobs[row.job].megabytes
    assert result.megabytes == sent
    assert (result.synced > 0) == (name in ("least_loaded", "oracle") and (log["reason"] != str(Reason.BUSY)).any())


@given(case=cases())
@settings(max_examples=20)
def test_one_seed_gives_one_log_and_the_same_noise_to_every_policy(case: Case) -> None:
    seed = np.random.SeedSequence(case.seed)
    noise: dict[tuple[int, float], float] = {}
    for name in EVERY:
        logs = [
            run_events(
                case.mesh, case.jobs, case.policy(name), case.truth, seconds=case.seconds, interval=case.interval,
                seed=seed, loss=case.loss, changes=case.changes, drift=case.drift,
            ).log
            for _ in range(2)
        ]  # fmt: skip
        assert bytes(logs[0]) == bytes(logs[1])
        table = logs[0].frame()
        for row in table[table["end"] != "dropped"].itertuples():
            work = case.jobs[row.job].work * (case.drift(row.time) if case.drift else 1)
            plain, _ = case.truth.seconds(case.mesh.nodes[row.node].kind, row.limit, work)
            factor = noise.setdefault((row.job, row.time), row.seconds / plain)
            assert row.seconds / plain == pytest.approx(factor, rel=1e-5)
    assert seed.n_children_spawned == 0


@given(case=cases(), seconds=st.sampled_from([100.0, 250.0]))
@settings(max_examples=25)
def test_a_longer_run_begins_as_a_shorter_one(case: Case, seconds: float) -> None:
    long, short = case.run("los").log.frame(), case.run("los", seconds=seconds).log.frame()
    begin = long[long["time"] < seconds]
    pd.testing.assert_frame_equal(begin.drop(columns="end"), short.drop(columns="end"))


@given(case=cases())
@settings(max_examples=50)
def test_an_idle_neighbour_never_raises_in_situ_drops(case: Case) -> None:
    nodes = [*case.mesh.nodes, Node("idle", "edge", "fast", 1000.0, 1000.0)]
    link = Link(case.jobs[0].source, len(case.mesh.nodes), 0.001, 100.0)
    alone = case.run("in_situ").log
    beside = case.run("in_situ", mesh=Mesh(nodes, [*case.mesh.links, link])).log
    assert bytes(beside) == bytes(alone)


PAIR = Mesh([Node(f"n{i}", "edge", "fast", 1000.0, 500.0) for i in range(2)], [Link(0, 1, 0.5, 8.0)])
FLAT = training_times({"fast": Curve(0.0, 0.0, 1.0, 50.0)}, noise=0.0, monitor=0.0, start=6.0, stop=4.0)


class Told:
    """Decides as it was told, one decision after another, and keeps what it hears."""

    name = "told"
    listens = False

    def __init__(self, *decisions: Decision | None) -> None:
        self.decisions = list(decisions)
        self.seen: list[list[Availability]] = []
        self.reports: list[TrainingReport] = []
        self.failures: list[tuple[int, float]] = []

    def decide(self, request: Request, view: NodeView) -> Decision:
        self.seen.append(view.neighbours())
        told = self.decisions.pop(0) if self.decisions else None
        return told or Decision(Reason.CHOSEN, view.node, True, 400.0)

    def learn(self, report: TrainingReport) -> None:
        self.reports.append(report)

    def start_failed(self, job: int, memory: float) -> None:
        self.failures.append((job, memory))


def tell(policy: Told, *jobs: Job, mesh: Mesh = PAIR, truth: TrainingTimes = FLAT, **more: Any) -> pd.DataFrame:
    given_ = {"seconds": 1000.0, "interval": 5.0, "seed": np.random.SeedSequence(0), **more}
    return run_events(mesh, jobs, policy, truth, **given_).log.frame()


def test_a_training_is_learned_of_at_the_next_trigger_and_its_end_is_exclusive() -> None:
    policy = Told()
    log = tell(policy, Job(0, 60.0, 10.0, training_memory=20.0, megabytes=2.0), seconds=140.0)
    assert log["time"].tolist() == [10.0, 70.0, 130.0]
    assert log["end"].tolist() == ["finished"] * 3
    assert (log["seconds"] == 50).all()
    assert (log["complete"] == 60).all()
    first = TrainingReport(0, 0, "fast", 60.0, 400.0, 50.0, 60.0, 0.0, 20.0, 2.0, 10.0)
    assert policy.reports == [first, first]


@pytest.mark.parametrize("monitor", [-1e6, 1e6])
def test_the_monitored_utilisation_is_a_share(monitor: float) -> None:
    policy = Told()
    tell(policy, *[Job(i % 2, 100.0, 0.0, training_memory=1.0) for i in range(4)], truth=replace(FLAT, monitor=monitor))
    assert {report.utilisation for report in policy.reports} == {0.0, 1.0}


def test_what_was_decided_is_seen_after_the_next_exchange_and_what_ended_is_not() -> None:
    policy = Told(*[None] * 40)
    jobs = [
        Job(0, 1000.0, 100.0),
        *(Job(1, 1000.0, 100.0 + wait, training_memory=1.0) for wait in (0.0, 5.0, 59.9, 65.1)),
    ]
    jobs[1:] = [replace(job, period=2000.0) for job in jobs[1:]]
    decisions = [None, *[Decision(Reason.NO_CAPACITY)] * 4]
    policy = Told(*decisions)
    tell(policy, *jobs)
    assert [seen[0].cpu for seen in policy.seen[1:]] == [1000, 600, 600, 1000]
    assert all(seen[0].time <= 200 for seen in policy.seen)


def test_a_training_without_memory_does_not_start() -> None:
    policy = Told()
    log = tell(policy, Job(0, 200.0, 0.0, memory=450.0, training_memory=50.0), Job(0, 200.0, 1.0), seconds=100.0)
    assert log["end"].tolist() == ["finished", "dropped"]
    assert log["reason"].tolist() == [str(Reason.CHOSEN), str(Reason.NO_CAPACITY)]
    assert policy.failures == [(1, 0.0)]


def test_los_does_not_try_again_where_memory_was_short() -> None:
    small = Mesh([replace(PAIR.nodes[0], memory=30.0), PAIR.nodes[1]], PAIR.links)
    made = LOS()
    jobs = [Job(0, 200.0, 10.0, training_memory=40.0)]
    log = run_events(small, jobs, made, FLAT, seconds=800.0, interval=0.0, seed=np.random.SeedSequence(0)).log.frame()
    assert log["reason"].tolist() == [str(Reason.NO_CAPACITY)] + [str(Reason.COLD_LOCAL)] + [str(Reason.LOCAL)] * 2
    assert log["node"].tolist() == [0, 1, 1, 1]


def test_a_request_is_handed_over_hop_by_hop_to_what_is_no_neighbour() -> None:
    chain = Mesh([*PAIR.nodes, replace(PAIR.nodes[0], name="n2")], [Link(0, 1, 0.5, 8.0), Link(1, 2, 0.25, 8.0)])
    policy = Told(Decision(Reason.CHOSEN, 2))
    result = run_events(
        chain, [Job(0, 100.0, 0.0, megabytes=1.0)], policy, FLAT, seconds=50.0, interval=5.0,
        seed=np.random.SeedSequence(0), record="decisions",
    )  # fmt: skip
    assert result.handovers == [1, 1, 0]
    assert result.megabytes == [1.0, 0.0, 0.0]
    assert result.steps[1].request.tried == (0, 1)
    assert result.log.frame()["complete"].tolist() == [60 + 0.75 + 2]


def test_an_oracle_foresees_what_comes() -> None:
    class Prophet(Told):
        def decide(self, request: Request, view: NodeView) -> Decision:
            if view.node == 1:
                return Decision(Reason.CHOSEN, 1, True, request.limit)
            promised.append(foresee(view, 1, 300.0))
            return Decision(Reason.CHOSEN, 1, False, 300.0)

    promised: list[float] = []
    mesh = Mesh(PAIR.nodes, [Link(0, 1, 0.5, 8.0, True)])
    truth = training_times({"fast": Curve(4000.0, 0.0, 1.0, 5.0)})
    log = tell(Prophet(), Job(0, 1.0, 0.0), Job(0, 1.0, 0.01), mesh=mesh, truth=truth, seconds=0.5)
    assert log["complete"].tolist() == pytest.approx(promised, rel=1e-7)
    assert len(promised) == 2


@pytest.mark.parametrize(
    "decisions",
    [
        [Decision(Reason.CHOSEN, 1, True, 400.0)],
        [Decision(Reason.CHOSEN, 0, True, None)],
        [Decision(Reason.CHOSEN, 0, True, 1000.1)],
        [Decision(Reason.CHOSEN, 0, True, 0.0)],
        [Decision(Reason.CHOSEN, 0)],
        [Decision(Reason.CHOSEN, 1), Decision(Reason.CHOSEN, 0)],
        [Decision(Reason.CHOSEN, 2)],
        [Decision.hand_over(99)],
        [Decision.hand_over(-1)],
        [Decision.hand_over(1.0)],  # type: ignore[arg-type]
        [Decision.run_at(0, "200")],  # type: ignore[arg-type]
        ["drop"],
        [Decision.drop("full")],  # type: ignore[arg-type]
    ],
)
def test_a_policy_that_decides_what_cannot_be_done_is_told(decisions: list[Any]) -> None:
    mesh = Mesh([*PAIR.nodes, replace(PAIR.nodes[0], name="far")], PAIR.links)
    with pytest.raises(InputError, match=r"told(: node \d (cannot|has 1000 millicores)| returned .*; return Decision)"):
        tell(Told(*decisions), Job(0, 100.0, 0.0), mesh=mesh)


@pytest.mark.parametrize(
    "jobs", [[Job(0, 60.0, 0.0, cpu=600.0), Job(0, 60.0, 0.0, cpu=600.0)], [Job(0, 60.0, 0.0, memory=501.0)]]
)
def test_prediction_jobs_that_do_not_fit_are_told(jobs: list[Job]) -> None:
    with pytest.raises(InputError, match="n0 has no room"):
        tell(Told(), *jobs)


def test_an_error_within_a_policy_names_the_policy() -> None:
    class Broken(Told):
        def decide(self, request: Request, view: NodeView) -> Decision:
            return Decision.run_at(view.node, 1 / len(request.tried))

    with pytest.raises(ZeroDivisionError) as caught:
        tell(Broken(), Job(0, 100.0, 10.0))
    assert caught.value.__notes__ == ["raised in the scheduling policy 'told', for job 0 at 10 s"]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_pauses_for_the_run_alone(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[bool] = []

    class Noting(Told):
        def decide(self, request: Request, view: NodeView) -> Decision:
            during.append(gc.isenabled())
            return super().decide(request, view)

    def fail(self: Told, report: TrainingReport) -> None:
        raise RuntimeError("on purpose")

    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        tell(Noting(), Job(0, 60.0, 0.0))
        assert gc.isenabled() == enabled
        monkeypatch.setattr(Noting, "learn", fail)
        with pytest.raises(RuntimeError, match="on purpose"):
            tell(Noting(), Job(0, 60.0, 0.0))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert set(during) == {False}


@pytest.mark.parametrize("name", EVERY)
def test_a_run_leaves_nothing_behind_that_only_the_garbage_collector_finds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Any]] = []

    def noted(kind: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **options: Any) -> Any:
            one = kind(*args, **options)
            made.append(weakref.ref(one))
            return one

        return make

    for kind in (SimulationState, Routes, Transfers):
        monkeypatch.setattr(simulation, kind.__name__, noted(kind))
    nodes = [Node(f"n{i}", "cloud" if i == 2 else "edge", "fast", 1000.0, 500.0) for i in range(3)]
    mesh = Mesh(nodes, [Link(0, 1, 0.01, 10.0), Link(1, 2, 0.01, 10.0, shared=True)])
    jobs, changes = [Job(0, 60.0, 0.0), Job(0, 70.0, 5.0), Job(0, 50.0, 7.0)], [simulation.Change(300.0, 1, False)]
    policy = make_policy(name, Rules(), Limits(), Fitting())
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        outcome = run_events(
            mesh, jobs, policy, TRUTH, seconds=600.0, interval=5.0, seed=np.random.SeedSequence(0), loss=0.1,
            changes=changes, record="decisions",
        )  # fmt: skip
        assert len(outcome.log) > 20
        assert len(made) == 3
        assert [ref() for ref in made] == [None] * 3
    finally:
        if collects:
            gc.enable()


Event = tuple[float, int, int]


def heap(first: list[float], every: list[float], until: float) -> list[Event]:
    found, waiting = [], [(time, number, 0) for number, time in enumerate(first)]
    heapq.heapify(waiting)
    while waiting:
        time, number, count = heapq.heappop(waiting)
        if time >= until:
            break
        found.append((time, number, count))
        if math.isfinite(every[number]):
            heapq.heappush(waiting, (first[number] + (count + 1) * every[number], number, count + 1))
    return found


def flat(first: list[float], every: list[float], until: float, size: int = 8192) -> list[Event]:
    return [
        event
        for block in event_schedule(first, every, until, size=size)
        for event in zip(*(each.tolist() for each in block), strict=True)
    ]


TIMES = st.one_of(st.integers(0, 60).map(float), st.floats(0, 60))
STEPS = st.one_of(st.integers(1, 30).map(float), st.floats(0.5, 30), st.just(math.inf), st.just(0.1))


@given(
    events=st.lists(st.tuples(TIMES, STEPS), max_size=8),
    until=st.one_of(st.integers(0, 50).map(float), st.floats(0, 50)),
    size=st.sampled_from([1, 7, 100, 8192]),
)
@settings(max_examples=200)
def test_blocks_are_what_a_heap_gives(events: list[tuple[float, float]], until: float, size: int) -> None:
    first, every = [time for time, _ in events], [step for _, step in events]
    assert flat(first, every, until, size) == heap(first, every, until)


def test_times_do_not_drift() -> None:
    times = [time for time, _, _ in flat([0.0], [0.1], 1000.0)]
    assert len(times) == 10_000
    assert times[-1] == 9999 * 0.1
    added = 0.0
    for _ in range(9999):
        added += 0.1
    assert times[-1] != added


def test_blocks_have_about_the_size_asked_for() -> None:
    rng = np.random.default_rng(0)
    sizes = [
        len(block[0]) for block in event_schedule(rng.uniform(0, 240, 500).tolist(), [240.0] * 500, 14_400.0, size=300)
    ]
    assert sum(sizes) == 500 * 60
    assert max(sizes) < 500


def some() -> tuple[TriggerLog, int]:
    log = TriggerLog()
    log.dropped(7, 1.25, Reason.CYCLE, 3, 2)
    place = log.placed(1, 2.5, Reason.LOCAL, 0, 5, 400.0, 60.5, 66.5)
    log.placed(2, 2.75, Reason.FEASIBLE, 1, 6, 300.0, 10.0, 20.0)
    return log, place


def test_the_table_holds_what_was_noted() -> None:
    table = some()[0].frame()
    assert table.to_dict("list") == {
        "job": [7, 1, 2],
        "time": [1.25, 2.5, 2.75],
        "end": ["dropped", "finished", "finished"],
        "reason": ["cycle", "feasible here", "feasible at the neighbour"],
        "hops": [3, 0, 1],
        "node": [2, 5, 6],
        "limit": [0.0, 400.0, 300.0],
        "seconds": [0.0, 60.5, 10.0],
        "complete": [0.0, 66.5, 20.0],
    }
    assert list(table["end"].cat.categories) == list(ENDS)
    assert list(table["reason"].cat.categories) == [str(reason) for reason in REASONS]
    assert [str(table[name].dtype) for name in ("job", "hops", "node", "time", "limit")] == ["int64"] * 3 + [
        "float64"
    ] * 2


def test_an_empty_log_is_a_table_too() -> None:
    table = TriggerLog().frame()
    assert len(TriggerLog()) == len(table) == 0
    pd.testing.assert_index_equal(table.columns, some()[0].frame().columns)
    assert (table.dtypes == some()[0].frame().dtypes).all()


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2**31 - 1), st.floats(0, 1e9), st.sampled_from(REASONS), st.integers(0, 2**16 - 1),
            st.integers(0, 2**31 - 1), *[st.floats(0, 1e6, width=32)] * 3,
        )
    )
)  # fmt: skip
def test_every_number_comes_back(rows: list[tuple[int, float, Reason, int, int, float, float, float]]) -> None:
    log = TriggerLog()
    places = [log.placed(*row) for row in rows]
    assert len(set(places)) == len(log) == len(rows)
    table = log.frame()
    assert table["reason"].tolist() == [str(row[2]) for row in rows]
    for at, name in ((0, "job"), (1, "time"), (3, "hops"), (4, "node"), (5, "limit"), (6, "seconds"), (7, "complete")):
        np.testing.assert_array_equal(table[name], [row[at] for row in rows])


ENTRY = st.tuples(st.integers(0, 99), st.floats(0, 1e9), st.sampled_from(REASONS), st.booleans(), st.booleans())


@given(rows=st.lists(ENTRY), kept=st.integers(0, 100))
def test_what_is_settled_reads_as_what_is_not(rows: list[tuple[int, float, Reason, bool, bool]], kept: int) -> None:
    """Whatever is settled when: the same entries, and a training of any age can be lost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "LOG_BYTES", kept)
        plain, settling, places = TriggerLog(), TriggerLog(), []
        for job, time, reason, settle, lose in rows:
            for log in (plain, settling):
                places.append(log.placed(job, time, reason, 1, 2, 3.0, 4.0, 5.0))
            assert places[-1] == places[-2]
            if settle:
                settling.settle()
            if lose:
                for log in (plain, settling):
                    log.lose(places[0])
        assert bytes(settling) == bytes(plain)
        assert len(settling) == len(plain) == len(rows)
        pd.testing.assert_frame_equal(settling.frame(), plain.frame())


def settled(count: int = 20_000) -> TriggerLog:
    log = TriggerLog()
    for number in range(count):
        log.dropped(number, float(number), Reason.NO_CAPACITY, 0, 0)
    log.settle()
    return log


def files(folder: Path) -> int:
    """Open files of this process in a folder, those without a name among them."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += os.readlink(each).startswith(f"{folder}/")
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no procfs to see open files in")
def test_settled_entries_leave_memory_and_their_file_goes_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = settled()
    assert len(log) == 20_000
    assert len(log._newest) == 0
    assert list(tmp_path.iterdir()) == [], "the file has no name: not even a kill leaves it behind"
    assert files(tmp_path) == 1
    log.dropped(5, 1.0, Reason.NO_CAPACITY, 0, 0)
    assert log.frame()["job"].tolist() == [*range(20_000), 5]
    del log
    gc.collect()
    assert files(tmp_path) == 0


def test_few_entries_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    log = settled(results.LOG_BYTES // 32)
    assert len(log._newest) == results.LOG_BYTES


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A disk that is full once a file has so many bytes."""
    limits, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)


def test_no_room_for_the_file_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of the log is gone: with more room it goes on."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = TriggerLog()
    for number in range(20_000):
        log.dropped(number, float(number), Reason.NO_CAPACITY, 0, 0)
    with no_file_above(100_000), pytest.raises(RunError, match=r"log of a run .*: File too large; make room") as told:
        log.settle()
    log.dropped(20_000, 0.0, Reason.NO_CAPACITY, 0, 0)
    assert told.value.__cause__ is not None
    log.settle()
    assert len(log._newest) == 0
    assert log.frame()["job"].tolist() == list(range(20_001))


@pytest.mark.parametrize("chosen", [True, False], ids=["a folder that is gone", "no folder at all"])
def test_no_folder_for_the_file_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    missing = str(tmp_path / "missing")
    monkeypatch.setattr(tempfile, "tempdir", missing if chosen else None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [missing])
    where = missing if chosen else "any folder of temporary files"
    with pytest.raises(RunError, match=rf"cannot keep the log of a run in {where}: No "):
        settled()


MESH = Mesh([Node(f"n{i}", "edge", "fast", 1000.0, 500.0) for i in range(3)], [Link(0, 1, 0.5, 8.0)])
TRUTH = training_times({"fast": Curve(16_000.0, 0.0, 1.0, 10.0)}, start=2.0, stop=1.0)
SEED = np.random.SeedSequence(0)
Decide = Callable[[Request, NodeView], Decision]


class Policy:
    name = "own"

    def __init__(self, decide: Decide) -> None:
        self.say = decide
        self.reports: list[TrainingReport] = []

    def decide(self, request: Request, view: NodeView) -> Decision:
        return self.say(request, view)

    def learn(self, report: TrainingReport) -> None:
        self.reports.append(report)


def here(request: Request, view: NodeView) -> Decision:
    return Decision(Reason.LOCAL, view.node, True, 400.0)


def over(request: Request, view: NodeView) -> Decision:
    return here(request, view) if request.tried else Decision(Reason.FEASIBLE, 1, False, 300.0, 50.0)


def world(decide: Decide = here, *jobs: Job, **more: Any) -> tuple[SimulationState, Policy]:
    policy = Policy(decide)
    given_ = {"interval": 5.0, "loss": 0.0, "drift": None, "watch": None, **more}
    given_["draws"] = random_draws(np.random.SeedSequence(0), 3, 5.0)
    return SimulationState(MESH, jobs or [Job(0, 60.0, 0.0)], policy, TRUTH, **given_), policy


def test_prediction_jobs_take_their_part_for_good() -> None:
    made, _ = world(here, Job(1, 60.0, 0.0, cpu=300.0, memory=100.0), Job(1, 60.0, 0.0, cpu=700.0, memory=400.0))
    assert made.view.true_state(1)[2:5] == (0.0, 0.0, 1.0)
    with pytest.raises(InputError, match="n1 has no room for its prediction jobs: -1 millicores, 500 MB"):
        world(here, Job(1, 60.0, 0.0, cpu=1001.0))


def test_a_policy_needs_one_method_and_no_name() -> None:
    class Bare:
        def decide(self, request: Request, view: NodeView) -> Decision:
            return here(request, view)

    log = run_events(MESH, [Job(0, 60.0, 0.0)], Bare(), TRUTH, seconds=90.0, interval=5.0, seed=SEED).log.frame()
    assert log["end"].tolist() == ["finished", "finished"]
    assert policy_name(Bare()) == "Bare"


def test_whoever_knows_all_nodes_is_told_of_what_changes() -> None:
    seen: list[list[float]] = []

    def decide(request: Request, view: NodeView) -> Decision:
        seen.append(view.true_states().cpu.tolist())
        return over(request, view)

    made, _ = world(decide, Job(0, 60.0, 0.0), Job(0, 60.0, 0.0))
    made.trigger([(5.0, 0, 1.0, 0.0), (6.0, 1, 1.0, 0.0)])
    made.change(7.0, 2, up=False)
    made.trigger([(70.0, 0, 1.0, 0.0)])
    made.change(80.0, 1, up=False)
    made.change(81.0, 1, up=False)
    made.change(90.0, 1, up=True)
    made.trigger([(100.0, 1, 1.0, 0.0)])
    idle, away = 1000.0, -np.inf
    each = [[idle] * 3, [idle, 600.0, idle], [idle, idle, away], [idle, idle, away]]
    assert seen == [state for state in each for _ in range(2)]
    assert made.view.synced == 2 * (3 + 3 + 2 + 2)


def test_what_lies_ahead_is_what_then_comes() -> None:
    told: list[tuple[float, float]] = []

    def decide(request: Request, view: NodeView) -> Decision:
        if not request.tried:
            told.append((foresee(view, 0, 400.0), foresee(view, 1, 400.0)))
            assert view.foresight().path == (0,) and view.foresight().overhead == 3.0
        return over(request, view)

    made, _ = world(decide, drift=lambda time: 1 + time)
    made.trigger([(1.0, 0, 1.5, 0.0)])
    assert told == [(1.5 * 90 + 3, 1.5 * 90 + 1 + 3)]
    assert made.log.frame()["complete"].tolist() == [1.5 * 90 + 1 + 3]
