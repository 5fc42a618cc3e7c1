import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from edgeresearch.emulator.network import Job, Link, Mesh, Node
from edgeresearch.emulator.policies import NodeView, SchedulingPolicy, make_policy
from edgeresearch.emulator.results import Outcome
from edgeresearch.emulator.simulation import Change, Record, TrainingTimes, run_events
from edgeresearch.scheduling.runtime_model import Curve, complete
from edgeresearch.scheduling.settings import Fitting, Limits, Rules

Maker = Callable[[Rules, Limits, Fitting], SchedulingPolicy]
LIMITS = Limits(rule="period", floor=40.0)
CURVES = {"fast": Curve(9000.0, 10.0, 0.9, 4.0), "slow": Curve(90_000.0, 0.0, 1.1, 10.0)}


def training_times(
    curves: Mapping[str, Curve], noise: float = 0.1, monitor: float = 0.05, start: float = 5.0, stop: float = 1.0
) -> TrainingTimes:
    return TrainingTimes(curves, noise, monitor, start, stop)


EVEN = training_times({"fast": Curve(0.0, 0.0, 1.0, 30.0), "slow": Curve(0.0, 0.0, 1.0, 70.0)}, noise=0.0, start=2.0)
"""Trainings end at whole seconds, where they run at the source."""


def foresee(view: NodeView, node: int, limit: float) -> float:
    """t_complete of the training that looks for a node, as only an oracle knows it; infinite where memory is short."""
    ahead, there = view.foresight(), view.true_state(node)
    if ahead.memory > there.memory:
        return math.inf
    return complete(ahead.job(there.kind, limit), ahead.send(node), ahead.overhead)


@dataclass(frozen=True)
class Case:
    """All that an emulation is given, but for the policy."""

    mesh: Mesh
    jobs: tuple[Job, ...]
    truth: TrainingTimes
    rules: Rules
    seconds: float
    interval: float
    loss: float
    changes: tuple[Change, ...]
    drift: Callable[[float], float] | None
    seed: int

    def policy(self, name: str | Maker) -> SchedulingPolicy:
        settings = self.rules, LIMITS, Fitting(refine=False)
        return make_policy(name, *settings) if isinstance(name, str) else name(*settings)

    def run(self, name: str | Maker, record: Record = "triggers", **changed: object) -> Outcome:
        case = replace(self, **changed)  # type: ignore[arg-type]
        return run_events(
            case.mesh, case.jobs, case.policy(name), case.truth, seconds=case.seconds, interval=case.interval,
            seed=np.random.SeedSequence(case.seed), loss=case.loss, changes=case.changes, drift=case.drift,
            record=record,
        )  # fmt: skip


def _grow(time: float) -> float:
    return 1 + time / 2000


@st.composite
def meshes(draw: st.DrawFn, *, most: int = 7, clouds: int = 1) -> Mesh:
    count = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sway = draw(st.sampled_from([0.0, 0.02]))
    nodes = [
        Node(
            f"n{i}", "cloud" if i >= count - clouds else "edge", "slow" if rng.random() < 0.3 else "fast",
            float(rng.choice([300.0, 1000.0])), float(rng.choice([150.0, 1000.0])),
            sway, 300.0, float(rng.random()),
        )
        for i in range(count)
    ]  # fmt: skip
    chance = draw(st.sampled_from([0.4, 0.7, 1.0]))
    links = [
        Link(one, other, float(rng.uniform(0.001, 0.05)), float(rng.choice([1.0, 100.0])), bool(rng.random() < 0.4))
        for one, other in itertools.combinations(range(count), 2)
        if rng.random() < chance
    ]
    return Mesh(nodes, links)


@st.composite
def cases(draw: st.DrawFn, *, churn: bool = True, most: int = 7, clouds: int = 1) -> Case:
    mesh = draw(meshes(most=most, clouds=clouds))
    count = len(mesh.nodes)
    seconds = draw(st.sampled_from([400.0, 1500.0]))
    whole = draw(st.booleans())  # times that meet at one moment
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def time(low: float, high: float) -> float:
        return float(rng.integers(low, high)) if whole else float(rng.uniform(low, high))

    jobs = [
        Job(
            int(rng.integers(count)), time(20, 120), time(0, 60), float(rng.choice([0.0, 20.0])),
            float(rng.choice([0.0, 15.0])), float(rng.choice([10.0, 60.0])), float(rng.choice([0.0, 0.5, 5.0])),
            float(rng.uniform(0.5, 2)),
        )
        for _ in range(draw(st.integers(1, most + 1)))
    ]  # fmt: skip
    changes = [
        Change(time(0, seconds), int(rng.integers(count)), bool(rng.random() < 0.5))
        for _ in range(draw(st.integers(0, 8)) if churn else 0)
    ]
    if churn and changes:  # many that leave come back
        changes += [Change(change.time + time(1, 200), change.node, True) for change in changes if not change.up]
    return Case(
        mesh,
        tuple(jobs),
        EVEN if whole and draw(st.booleans()) else training_times(CURVES, noise=0.3, start=1.5),
        Rules(
            hop_limit=draw(st.integers(0, 4)),
            infeasible=draw(st.sampled_from(["best_fit", "closest"])),
            skip_visited=draw(st.booleans()),
            sender_limit_binds=draw(st.booleans()),
        ),
        seconds,
        draw(st.sampled_from([0.0, 1.0, 7.5, 40.0])),
        draw(st.sampled_from([0.0, 0.0, 0.3, 0.9, 1.0])),
        tuple(changes),
        draw(st.sampled_from([None, _grow])),
        draw(st.integers(0, 2**32)),
    )
