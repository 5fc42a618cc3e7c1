import gc
import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator.emulation import Change, Step, emulate
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.policies import POLICIES, Los
from edgeresearch.emulator.view import View
from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.errors import InputError
from edgeresearch.los.availability import Availability
from edgeresearch.los.limits import Limits
from edgeresearch.los.request import Decision, Reason, Report, Request
from edgeresearch.los.runtime import Curve, Fitting
from edgeresearch.los.schedule import Rules
from tests.emulator.eager import Twin
from tests.emulator.worlds import Case, cases

COLUMNS = ["job", "time", "end", "reason", "hops", "node", "limit", "seconds", "complete"]
EVERY = sorted(POLICIES)


@pytest.mark.parametrize("name", ["los", "random", "in_situ"])
@given(case=cases())
@settings(max_examples=100)
def test_lazy_exchange_decides_as_eager_exchange_does(name: str, case: Case) -> None:
    steps: list[Step] = []
    log = case.run(name, watch=steps.append).log.frame()
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
    steps: list[Step] = []
    log = case.run(name, watch=steps.append).log.frame()
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
    steps: list[Step] = []
    result = case.run(name, watch=steps.append)
    log = result.log.frame()
    for step in steps:
        assert step.node not in step.request.tried
        assert len(set(step.request.tried)) == step.request.hops
    if name in ("los", "random"):
        assert log["hops"].max() <= case.rules.hop_limit
    assert sum(result.handed) == log["hops"].sum()
    handed = Counter(step.node for step in steps if not step.decision.run and step.decision.node is not None)
    assert all(result.handed[node] >= count for node, count in handed.items())
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
            emulate(
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
FLAT = Truth({"fast": Curve(0.0, 0.0, 1.0, 50.0)}, noise=0.0, monitor=0.0, start=6.0, stop=4.0)


class Told:
    """Decides as it was told, one decision after another, and keeps what it hears."""

    name = "told"
    listens = False
    learns = True

    def __init__(self, *decisions: Decision | None) -> None:
        self.decisions = list(decisions)
        self.seen: list[list[Availability]] = []
        self.reports: list[Report] = []
        self.failures: list[tuple[int, float]] = []

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        self.seen.append(view.neighbours())
        told = self.decisions.pop(0) if self.decisions else None
        return told or Decision(Reason.CHOSEN, view.node, True, 400.0)

    def learn(self, report: Report) -> None:
        self.reports.append(report)

    def fail(self, job: int, memory: float) -> None:
        self.failures.append((job, memory))


def tell(policy: Told, *jobs: Job, mesh: Mesh = PAIR, truth: Truth = FLAT, **more: Any) -> pd.DataFrame:
    given_ = {"seconds": 1000.0, "interval": 5.0, "seed": np.random.SeedSequence(0), **more}
    return emulate(mesh, jobs, policy, truth, **given_).log.frame()


def test_a_training_is_learned_of_at_the_next_trigger_and_its_end_is_exclusive() -> None:
    policy = Told()
    log = tell(policy, Job(0, 60.0, 10.0, training_memory=20.0, megabytes=2.0), seconds=140.0)
    assert log["time"].tolist() == [10.0, 70.0, 130.0]
    assert log["end"].tolist() == ["finished"] * 3
    assert (log["seconds"] == 50).all()
    assert (log["complete"] == 60).all()
    first = Report(0, 0, "fast", 60.0, 400.0, 50.0, 60.0, 0.0, 20.0, 2.0, 10.0)
    assert policy.reports == [first, first]


def test_a_trigger_is_dropped_while_the_training_before_it_runs() -> None:
    policy = Told()
    log = tell(policy, Job(0, 59.0, 0.0), seconds=120.0)
    assert log["end"].tolist() == ["finished", "dropped", "finished"]
    assert log["reason"].tolist()[1] == "previous training still running"
    assert len(policy.seen) == 2


def test_sending_takes_time_and_its_bandwidth_is_shared() -> None:
    mesh = Mesh(PAIR.nodes, [Link(0, 1, 0.5, 8.0, True)])
    over, here = Decision(Reason.FEASIBLE, 1), None
    log = tell(
        Told(over, here, over, here, here),
        *(Job(0, 500.0, t, megabytes=2.0) for t in (0.0, 1.0, 2.0)),
        mesh=mesh,
        seconds=9.0,
    )
    assert log["complete"].tolist() == [60 + 0.5 + 2, 60 + 0.5 + 4, 60]
    assert log["hops"].tolist() == [1, 1, 0]


def test_drift_and_work_act_on_the_cpu_time_alone() -> None:
    truth = Truth({"fast": Curve(4000.0, 0.0, 1.0, 5.0)}, noise=0.0, monitor=0.0, start=0.0, stop=0.0)
    policy = Told()
    log = tell(policy, Job(0, 100.0, 100.0, work=2.0), truth=truth, seconds=250.0, drift=lambda time: time / 100)
    assert log["seconds"].tolist() == [5 + 10 * 2 * 1, 5 + 10 * 2 * 2]
    assert policy.reports[0].utilisation == pytest.approx(20 / 25)


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
    decisions = [None, *[Decision(Reason.FULL)] * 4]
    policy = Told(*decisions)
    tell(policy, *jobs)
    assert [seen[0].cpu for seen in policy.seen[1:]] == [1000, 600, 600, 1000]
    assert all(seen[0].time <= 200 for seen in policy.seen)


def test_fresh_views_see_at_once() -> None:
    policy = Told(None, Decision(Reason.FULL))
    tell(policy, Job(0, 1000.0, 100.0), Job(1, 1000.0, 100.0), interval=0.0)
    assert policy.seen[1][0][:3] == (0, 100.0, 600.0)


def test_a_node_leaves_with_its_training_and_returns_empty() -> None:
    policy = Told(Decision(Reason.FEASIBLE, 1))
    changes = [Change(30.0, 1, False), Change(20.0, 1, True), Change(40.0, 1, False), Change(100.0, 1, True)]
    log = tell(policy, Job(0, 50.0, 0.0), changes=changes, seconds=160.0)
    assert log["end"].tolist() == ["lost", "finished", "dropped", "finished"]
    assert [len(seen) for seen in policy.seen] == [1, 1, 0, 1]
    assert policy.seen[-1][0].cpu == 1000
    assert len(policy.reports) == 1


def test_a_node_that_is_away_has_no_triggers_but_its_stream_goes_on() -> None:
    changes = [Change(0.0, 0, False), Change(130.0, 0, True)]
    assert tell(Told(), Job(0, 70.0, 20.0), changes=changes, seconds=300.0)["time"].tolist() == [160.0, 230.0]


def test_a_training_without_memory_does_not_start() -> None:
    policy = Told()
    log = tell(policy, Job(0, 200.0, 0.0, memory=450.0, training_memory=50.0), Job(0, 200.0, 1.0), seconds=100.0)
    assert log["end"].tolist() == ["finished", "dropped"]
    assert log["reason"].tolist() == [str(Reason.CHOSEN), str(Reason.FULL)]
    assert policy.failures == [(1, 0.0)]


def test_los_does_not_try_again_where_memory_was_short() -> None:
    small = Mesh([replace(PAIR.nodes[0], memory=30.0), PAIR.nodes[1]], PAIR.links)
    made = Los(Rules(), Limits(), Fitting())
    jobs = [Job(0, 200.0, 10.0, training_memory=40.0)]
    log = emulate(small, jobs, made, FLAT, seconds=800.0, interval=0.0, seed=np.random.SeedSequence(0)).log.frame()
    assert log["reason"].tolist() == [str(Reason.FULL)] + [str(Reason.COLD_LOCAL)] + [str(Reason.LOCAL)] * 2
    assert log["node"].tolist() == [0, 1, 1, 1]


def test_a_request_is_handed_over_hop_by_hop_to_what_is_no_neighbour() -> None:
    chain = Mesh([*PAIR.nodes, replace(PAIR.nodes[0], name="n2")], [Link(0, 1, 0.5, 8.0), Link(1, 2, 0.25, 8.0)])
    policy = Told(Decision(Reason.CHOSEN, 2))
    steps: list[Step] = []
    result = emulate(
        chain, [Job(0, 100.0, 0.0, megabytes=1.0)], policy, FLAT, seconds=50.0, interval=5.0,
        seed=np.random.SeedSequence(0), watch=steps.append,
    )  # fmt: skip
    assert result.handed == [1, 1, 0]
    assert result.megabytes == [1.0, 0.0, 0.0]
    assert steps[1].request.tried == (0, 1)
    assert result.log.frame()["complete"].tolist() == [60 + 0.75 + 2]


def test_an_oracle_foresees_what_comes() -> None:
    class Prophet(Told):
        def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
            if view.node == 1:
                return Decision(Reason.CHOSEN, 1, True, request.limit)
            return Decision(Reason.CHOSEN, 1, False, 300.0, view.foresee(1, 300.0))

    steps: list[Step] = []
    mesh = Mesh(PAIR.nodes, [Link(0, 1, 0.5, 8.0, True)])
    truth = Truth({"fast": Curve(4000.0, 0.0, 1.0, 5.0)})
    log = tell(Prophet(), Job(0, 1.0, 0.0), Job(0, 1.0, 0.01), mesh=mesh, truth=truth, seconds=0.5, watch=steps.append)
    promised = [step.decision.seconds for step in steps if not step.decision.run]
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
    ],
)
def test_a_policy_that_decides_what_cannot_be_done_is_told(decisions: list[Decision]) -> None:
    mesh = Mesh([*PAIR.nodes, replace(PAIR.nodes[0], name="far")], PAIR.links)
    with pytest.raises(ValueError, match=r"told: node \d (cannot|has 1000 millicores)"):
        tell(Told(*decisions), Job(0, 100.0, 0.0), mesh=mesh)


def test_nothing_can_be_handed_to_a_node_that_is_away() -> None:
    with pytest.raises(ValueError, match="cannot hand over to node 1"):
        tell(Told(Decision(Reason.CHOSEN, 1)), Job(0, 100.0, 10.0), changes=[Change(5.0, 1, False)])


@pytest.mark.parametrize(
    ("jobs", "more", "message"),
    [
        ([Job(2, 60.0, 0.0)], {}, "job 0 needs a source"),
        ([Job(0, 60.0, 0.0), Job(0, 0.0, 0.0)], {}, "job 1 needs"),
        ([Job(0, math.nan, 0.0)], {}, "job 0 needs"),
        ([Job(0, 60.0, -1.0)], {}, "a first trigger"),
        ([Job(0, 60.0, 0.0, cpu=600.0), Job(0, 60.0, 0.0, cpu=600.0)], {}, "n0 has no room"),
        ([Job(0, 60.0, 0.0, memory=501.0)], {}, "n0 has no room"),
        ([], {"seconds": math.inf}, "seconds and interval"),
        ([], {"interval": -1.0}, "seconds and interval"),
        ([], {"loss": 1.5}, "loss a share"),
        ([], {"changes": [Change(1.0, 2, True)]}, "a change needs a node"),
        ([], {"changes": [Change(-1.0, 1, True)]}, "a change needs"),
    ],
)
def test_numbers_that_make_no_sense_are_told(jobs: list[Job], more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tell(Told(), *jobs, **more)


@pytest.mark.parametrize("seconds", [0.0, 500.0])
def test_nothing_happens_without_triggers(seconds: float) -> None:
    log = tell(Told(), Job(0, 60.0, 500.0), seconds=seconds)
    assert list(log.columns) == COLUMNS
    assert log.empty


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_pauses_for_the_run_alone(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[bool] = []

    class Noting(Told):
        def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
            during.append(gc.isenabled())
            return super().decide(request, view, rng)

    def fail(self: Told, report: Report) -> None:
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
