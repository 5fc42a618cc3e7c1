"""Paper B's scheduling experiment: streams x policies x repeats, so many hours each (section VI.C)."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.emulator.policies import Maker, maker
from edgeresearch.emulator.results import Outcome, traffic
from edgeresearch.emulator.simulation import Step, emulate
from edgeresearch.emulator.testbed import Testbed
from edgeresearch.emulator.workload import Truth, children
from edgeresearch.scheduling.job_history import Limits
from edgeresearch.scheduling.los import Rules
from edgeresearch.scheduling.runtime_model import Curve, Fitting


@dataclass(frozen=True)
class Setup:
    """What is the same for every policy, number of streams and repeat.

    Attributes:
        testbed: Topology and streams.
        curve: Eq. 1 as it is in truth on a node class of speed 1.
        truth: Noise, and the container's start and stop; its curves follow from `curve` and the testbed's speeds.
        rules: Of Algorithm 1.
        limits: Of the CPU.
        fitting: Of the runtime models.
        interval: Time between two exchanges of availability, in seconds.
        loss: Share of exchanges that get lost.
    """

    testbed: Testbed
    curve: Curve
    truth: Truth
    rules: Rules
    limits: Limits
    fitting: Fitting
    interval: float
    loss: float = 0.0

    def __post_init__(self) -> None:
        """Give each node class its curve."""
        curves = self.testbed.curves(self.curve)
        if self.truth.curves != curves:
            object.__setattr__(self, "truth", replace(self.truth, curves=curves))


def setup(section: Mapping[str, Any], testbed: Testbed) -> Setup:
    """Make the objects from the section `los` of the settings as plain values, and a testbed."""
    times = section["truth"]
    curve = Curve(times["a"], times["b"], times["c"], times["d"])
    truth = Truth({}, times["noise"], times["monitor"], times["start"], times["stop"])
    rules, limits = Rules(**section["rules"]), Limits(**section["limits"])
    return Setup(
        testbed, curve, truth, rules, limits, Fitting(**section["fitting"]), section["interval"], section["loss"]
    )


def run(
    setup: Setup,
    *,
    policy: str | Maker,
    hours: float,
    seed: np.random.SeedSequence,
    streams: int | None = None,
    watch: Callable[[Step], None] | None = None,
) -> Outcome:
    """Run one policy once.

    Args:
        setup: What is the same for all.
        policy: One of `POLICIES` by name, or what makes one, for a policy of your own: each run gets a fresh one.
        hours: Virtual time.
        seed: Root of all randomness: the same seed gives every policy the same mesh, streams and noise. It is left as
            it is, so that one object serves them all.
        streams: How many; as the testbed says if None.
        watch: Called with every decision.

    Raises:
        InputError: The policy is unknown, or the streams do not fit the testbed.
    """
    places, triggers, going, chance = children(seed, 4)
    mesh = setup.testbed.mesh(np.random.default_rng(places))
    jobs = setup.testbed.jobs(mesh, np.random.default_rng(triggers), streams=streams)
    changes = setup.testbed.changes(mesh, np.random.default_rng(going), seconds=3600 * hours)
    made = maker(policy)(setup.rules, setup.limits, setup.fitting)
    result = emulate(
        mesh,
        jobs,
        made,
        setup.truth,
        seconds=3600 * hours,
        interval=setup.interval,
        loss=setup.loss,
        seed=chance,
        changes=changes,
        watch=watch,
    )
    return Outcome(made.name, mesh, jobs, result, 3600 * hours, made.listens, made.learns)


def scheduling(
    setup: Setup,
    *,
    streams: Sequence[int],
    policies: Sequence[str | Maker],
    repeats: int,
    hours: float,
    seed: int,
    workers: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run every number of streams with every policy, again and again.

    Args:
        setup: What is the same for all.
        streams: Numbers of streams.
        policies: See `run`; one of your own is called by its `name`.
        repeats: How often; a repeat has its own mesh, streams and noise, the same for all policies.
        hours: Virtual time of each.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per trigger, and one row per run with its traffic; both with `streams`, `policy`, `repeat`.
    """
    cells = list(itertools.product(streams, policies, range(repeats)))
    tasks = (
        delayed(_cell)(setup, streams=count, policy=name, repeat=repeat, hours=hours, seed=seed)
        for count, name, repeat in cells
    )
    done = parallel.run(tasks, workers)
    triggers, sent = zip(*done, strict=True)
    return pd.concat(triggers, ignore_index=True), pd.DataFrame(list(sent))


def _cell(
    setup: Setup, *, streams: int, policy: str | Maker, repeat: int, hours: float, seed: int
) -> tuple[pd.DataFrame, dict[str, object]]:
    root = np.random.SeedSequence([seed, streams, repeat])
    outcome = run(setup, policy=policy, hours=hours, seed=root, streams=streams)
    about: dict[str, Any] = {"streams": streams, "policy": outcome.policy, "repeat": repeat}
    return outcome.triggers().assign(**about), {**about, **traffic(outcome, interval=setup.interval)}
