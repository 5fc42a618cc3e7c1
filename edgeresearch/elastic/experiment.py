"""One trace, all strategies and forecasters (Paper A, Table 3): what a pipeline stage runs and writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.elastic.arena import STAND_IN, described, forecasts, prepare, quality
from edgeresearch.elastic.checks import Floats, Ints
from edgeresearch.elastic.outcome import Outcome
from edgeresearch.elastic.phases import errors_by_phase, from_actions, from_trace
from edgeresearch.elastic.plan import measured, replay
from edgeresearch.elastic.setup import Setup, setup
from edgeresearch.elastic.strategies import strategy
from edgeresearch.files import atomic, write_csv
from edgeresearch.intervals import interval
from edgeresearch.series.trace import Trace

NONE = "none"
"""The forecaster of a strategy that uses none."""

FORECASTING = ("advance", "combined", "quantile")
"""The strategies that read a forecast; the others run once, with none."""

READINGS = ("trace", "actions")
"""What tells the phases: the load, alike for all strategies, or each strategy's own actions."""

KEYS = ["lead", "forecaster", "strategy", "reading", "phase"]


@dataclass(frozen=True)
class Replayed:
    """What came out of one trace.

    Attributes:
        table: One row per lead, forecaster, strategy, reading and phase: means over repeats with 95 % intervals.
        course: The first repeat over time, per decision interval and strategy, with the first forecaster.
    """

    table: pd.DataFrame
    course: pd.DataFrame


def experiment(trace: Trace, section: Mapping[str, Any], *, lstm: Mapping[str, Any], seed: int) -> Replayed:
    """Replay every strategy with every forecaster and repeat on one trace (Paper A, Table 3).

    All see the same arrivals and, in a repeat, start delays of the same seed.

    Args:
        trace: The request trace.
        section: The section `elastic` of the settings as plain values; `traces` is not read.
        lstm: Settings of the project's LSTM.
        seed: Root of all seeds.

    Raises:
        InputError: The trace is too short or empty, or a setting is out of its range.
    """
    bed = setup(section)
    root = [seed, *b"elastic", *trace.name.encode()]
    arena = prepare(trace, section, bed, section["leads"], lstm=lstm, seed=root)
    names = section["forecasters"]
    frames, skill, course = [], [], pd.DataFrame()
    repeats = section["repeats" if trace.name != STAND_IN else "synthetic_repeats"]
    for repeat in range(repeats):
        child = np.random.SeedSequence([*root, 1 + repeat])
        rng = np.random.default_rng(child)
        arrivals = arena.draw(rng)
        made = forecasts(arena, arrivals, bed, names, rng)
        judged = arrivals[arena.cut :]
        for lead in section["leads"]:
            world = bed.delayed(lead)
            now = {name: each[world.horizon] for name, each in made.items()}
            ran = runs(judged, now, world, section["strategies"], child.spawn(1)[0])
            rows = [row for key, outcome in ran.items() for row in _scored(key, outcome, world, lead == 1)]
            frames.append(pd.DataFrame(rows).assign(lead=lead))
            if repeat == 0 and lead == 1:
                course = _course(ran, now, world)
        skill.append(quality(arena, arrivals, made, bed))
    table = _means(pd.concat(frames, ignore_index=True))
    table["forecast_r2"] = table["forecaster"].map(pd.concat(skill, axis=1).mean(axis=1))
    facts = described(trace)
    table.insert(0, "trace", facts["trace"])
    table.insert(1, "real", facts["real"])
    return Replayed(table.assign(repeats=repeats, note=facts["note"]), course)


def runs(
    arrivals: Ints,
    made: Mapping[str, Floats],
    world: Setup,
    strategies: Sequence[str],
    seed: np.random.SeedSequence,
) -> dict[tuple[str, str], Outcome]:
    """Replay strategies on the same arrivals and seed.

    Args:
        arrivals: Requests of each step.
        made: Forecasts at the decisions, by forecaster.
        world: Service, capacity and decision interval.
        strategies: Names in `STRATEGIES`.
        seed: Of the start delays.

    Returns:
        Outcomes by forecaster and strategy; strategies that read no forecast stand once, with `NONE`.
    """
    pairs = [(maker, name) for name in strategies for maker in (made if name in FORECASTING else (NONE,))]
    return {
        (maker, name): replay(
            strategy(name),
            arrivals,
            made.get(maker),
            capacity=world.capacity,
            settings=world.settings,
            rng=np.random.default_rng(seed),
            every=world.every,
        )
        for maker, name in pairs
    }


def _scored(key: tuple[str, str], outcome: Outcome, world: Setup, phases: bool) -> list[dict[str, Any]]:
    base = {"forecaster": key[0], "strategy": key[1], "pod_hours": outcome.pod_hours}
    rows = [{**base, "reading": "trace", "phase": "all", "error_percent": outcome.error_percent, "share": 100.0}]
    if not phases:
        return rows
    marks = {
        "trace": from_trace(
            outcome.arrived, capacity=world.capacity, settings=world.settings, window=world.window, smooth=world.smooth
        ),
        "actions": from_actions(outcome.wanted, settings=world.settings, window=world.window),
    }
    for reading, marked in marks.items():
        numbers = {"stable": 0, "expansion": 1, "shrinkage": -1}
        for phase, error in errors_by_phase(outcome, marked).items():
            share = 100 * float((marked == numbers[phase]).mean())
            rows.append({**base, "reading": reading, "phase": phase, "error_percent": error, "share": share})
    return rows


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over repeats, with Student's 95 % interval of the mean error; empty where there is one repeat only."""
    groups: Any = rows.groupby(KEYS, sort=False)
    table: pd.DataFrame = groups[["error_percent", "pod_hours", "share"]].mean()
    bounds = [interval(part["error_percent"])[1:] for _, part in groups]
    table[["low", "high"]] = np.array(bounds)
    return table.reset_index()


def _course(ran: Mapping[tuple[str, str], Outcome], made: Mapping[str, Floats], world: Setup) -> pd.DataFrame:
    """Return means per decision interval of the strategies with no forecaster or the first one."""
    frames = []
    length = round(world.every / world.settings.dt)
    for (maker, name), outcome in ran.items():
        if maker not in (NONE, next(iter(made), NONE)):
            continue
        columns = {"load": outcome.arrived, "failed": outcome.failed, "wanted": outcome.wanted, "ready": outcome.ready,
                   "cpu": outcome.cpu, "memory": outcome.memory}  # fmt: skip
        starts = np.arange(0, len(outcome.arrived), length)
        counts = np.diff(np.append(starts, len(outcome.arrived)))
        means = {key: np.add.reduceat(np.asarray(each, float), starts) / counts for key, each in columns.items()}
        present = measured(outcome.arrived, settings=world.settings, every=world.every)
        aimed = np.full(len(starts), np.nan)
        if maker in made:
            aimed[world.horizon :] = made[maker][: -world.horizon]
        frames.append(
            pd.DataFrame(
                {"forecaster": maker, "strategy": name, "seconds": starts * world.settings.dt, **means}
            ).assign(forecast=aimed, known=present)
        )
    return pd.concat(frames, ignore_index=True)


def places(name: str, root: str | Path = ".") -> tuple[Path, Path]:
    """Return where table and course of a trace lie in a project folder."""
    base = Path(root)
    return base / "reports/tables/elastic" / f"{name}.csv", base / "data/processed/elastic" / f"{name}.parquet"


def write(found: Replayed, root: str | Path = ".") -> Path:
    """Write table and course; the same results give the same bytes.

    Raises:
        InputError: A folder cannot be written.
    """
    table, course = places(str(found.table["trace"].iloc[0]), root)
    write_csv(found.table, table)
    floats = found.course.select_dtypes("float").columns
    with atomic(course) as draft:
        found.course.astype(dict.fromkeys(floats, "float32")).to_parquet(draft, index=False, compression="zstd")
    return table
