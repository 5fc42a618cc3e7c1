"""Paper B's scheduling experiment: streams x policies x repeats, so many hours each (section VI.C)."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.emulator.city import load_testbed
from edgeresearch.emulator.policies import make_policy
from edgeresearch.emulator.results import Outcome, Path, traffic
from edgeresearch.emulator.settings import EmulatorSettings, TrainingCost
from edgeresearch.emulator.simulation import Step, run_events
from edgeresearch.emulator.testbed import Testbed
from edgeresearch.emulator.view import SchedulingPolicy
from edgeresearch.emulator.workload import TrainingTimes, spawn_seeds
from edgeresearch.scheduling.settings import Fitting, Limits, Rules


@dataclass(frozen=True)
class Scenario:
    """What is the same for every policy, number of streams and repeat; the defaults are those of the study.

    Attributes:
        testbed: Topology and streams.
        interval: Time between two exchanges of availability, in seconds.
        loss: Share of exchanges that get lost.
        training_cost: How long trainings really take.
        rules: Of Algorithm 1.
        limits: Of the CPU.
        fitting: Of the runtime models.
    """

    testbed: Testbed
    interval: float = EmulatorSettings().interval
    loss: float = EmulatorSettings().loss
    training_cost: TrainingCost = TrainingCost()
    rules: Rules = Rules()
    limits: Limits = Limits()
    fitting: Fitting = Fitting()

    @classmethod
    def of(cls, settings: EmulatorSettings, testbed: Testbed | None = None, *, seed: int = 0) -> "Scenario":
        """Return the scenario of settings, on the testbed that they name or on another one."""
        if testbed is None:
            start = settings.training_cost.start
            testbed = load_testbed(settings.testbed, settings.city, start=start, seed=seed)
        own = ("interval", "loss", "training_cost", "rules", "limits", "fitting")
        return cls(testbed, **{name: getattr(settings, name) for name in own})

    def policy(self, policy: str | SchedulingPolicy) -> SchedulingPolicy:
        """Return a policy for one run (see `make_policy`); one that is named gets the scenario's settings."""
        return make_policy(policy, self.rules, self.limits, self.fitting)

    def times(self) -> TrainingTimes:
        """Return how long trainings really take on the testbed's node classes."""
        return TrainingTimes.of(self.training_cost, self.testbed.speeds())


def simulate(
    scenario: Scenario,
    policy: str | SchedulingPolicy,
    *,
    hours: float,
    seed: np.random.SeedSequence,
    streams: int | None = None,
    record: Literal["triggers", "paths", "decisions"] = "triggers",
) -> Outcome:
    """Run one policy once.

    Args:
        scenario: What is the same for all.
        policy: One of `POLICIES` by name, or an object, of which this run gets a copy.
        hours: Virtual time.
        seed: Root of all randomness: the same seed gives every policy the same mesh, streams and noise. It is left as
            it is, so that one object serves them all.
        streams: How many; as the testbed says if None.
        record: What is kept beside one entry per trigger: the `paths` of requests, or every one of the `decisions`,
            too.

    Raises:
        InputError: The policy is unknown, or the streams do not fit the testbed.
    """
    places, triggers, going, chance = spawn_seeds(seed, 4)
    testbed, seconds = scenario.testbed, 3600 * hours
    mesh = testbed.mesh(np.random.default_rng(places))
    jobs = testbed.jobs(mesh, np.random.default_rng(triggers), streams=streams)
    changes = testbed.changes(mesh, np.random.default_rng(going), seconds=seconds)
    chosen = scenario.policy(policy)
    paths: dict[tuple[float, int], Path] = {}
    steps: list[Step] = []

    def watch(step: Step) -> None:
        paths[step.time, step.request.job] = (*step.request.tried, step.node)
        if record == "decisions":
            steps.append(step)

    result = run_events(
        mesh,
        jobs,
        chosen,
        scenario.times(),
        seconds=seconds,
        interval=scenario.interval,
        loss=scenario.loss,
        seed=chance,
        changes=changes,
        watch=None if record == "triggers" else watch,
    )
    return Outcome(chosen, mesh, jobs, result, seconds, scenario.interval, paths, steps)


def compare_policies(
    scenario: Scenario,
    *,
    streams: Sequence[int],
    policies: Sequence[str | SchedulingPolicy],
    repeats: int,
    hours: float,
    seed: int,
    workers: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run every number of streams with every policy, again and again.

    Args:
        scenario: What is the same for all.
        streams: Numbers of streams.
        policies: See `simulate`; one of your own is called by its `name`.
        repeats: How often; a repeat has its own mesh, streams and noise, the same for all policies.
        hours: Virtual time of each.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per trigger, and one row per run with its traffic; both with `streams`, `policy`, `repeat`.
    """
    tasks = (
        delayed(_run_cell)(scenario, streams=count, policy=policy, repeat=repeat, hours=hours, seed=seed)
        for count, policy, repeat in itertools.product(streams, policies, range(repeats))
    )
    triggers, sent = zip(*parallel.run(tasks, workers), strict=True)
    return pd.concat(triggers, ignore_index=True), pd.DataFrame(list(sent))


def run_seed(seed: int, streams: int, repeat: int) -> np.random.SeedSequence:
    """Return the root of everything random in one repeat: the same for every policy."""
    return np.random.SeedSequence([seed, streams, repeat])


def _run_cell(
    scenario: Scenario, *, streams: int, policy: str | SchedulingPolicy, repeat: int, hours: float, seed: int
) -> tuple[pd.DataFrame, dict[str, object]]:
    outcome = simulate(scenario, policy, hours=hours, seed=run_seed(seed, streams, repeat), streams=streams)
    about: dict[str, Any] = {"streams": streams, "policy": outcome.name, "repeat": repeat}
    return outcome.triggers().assign(**about), {**about, **traffic(outcome)}
