"""Several policies on one trace, compared."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.arrivals import spread, without_gaps
from edgeresearch.autoscaling.policies import Strategy, strategy
from edgeresearch.autoscaling.replay import (
    PHASES,
    Phases,
    Setup,
    errors_by_phase,
    from_actions,
    from_trace,
    measured,
    replay,
    setup,
)
from edgeresearch.autoscaling.simulator import Floats, Ints, Outcome
from edgeresearch.data import synthetic
from edgeresearch.data.features import make_targets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Forecaster
from edgeresearch.forecasting.models import build
from edgeresearch.io import atomic, write_csv
from edgeresearch.stats import interval

WITHIN = 0.5
"""Percentage points above the lowest error rate that still count as good enough."""
WORTH = 1.0
"""Percent of the pod-hours that something less simple must save."""


@dataclass(frozen=True)
class Advice:
    """What is advised.

    Attributes:
        strategy: Name of the strategy.
        forecaster: Name of its forecaster; empty where it uses none.
        line: The advice with its numbers.
    """

    strategy: str
    forecaster: str
    line: str


def label(strategy: str, forecaster: str) -> str:
    """Return what a replay is called: `combined with lstm`."""
    return f"{strategy} with {forecaster.replace('_', ' ')}" if forecaster else strategy


def advise(table: pd.DataFrame, within: float = WITHIN) -> Advice:
    """Advise the strategy of fewest pod-hours among those whose error rate is near the lowest.

    The lowest is that of the strategies that scale and can be had: not of the oracle, which is never advised, and not
    of Fixed, which buys few errors with any number of pods, and is advised only where it is cheap. Where the pod-hours
    are within `WORTH` percent of the fewest, the simplest is advised: one without a forecast before one with the last
    value, and that before one with a model.

    Args:
        table: One row per strategy and forecaster with `error_percent` and `pod_hours`; Responsive and the HPA, where
            they are among them, are what the advice is compared with.
        within: How far above the lowest error rate counts as near, in percentage points.
    """
    real = table[table["strategy"] != "oracle"]
    rank = real["forecaster"].map(lambda name: ["", "last_value"].index(name) if name in ("", "last_value") else 2)
    real = real.assign(rank=rank)
    best = _cheapest(real[real["error_percent"] <= lowest(table) + within])
    parts = [f"{_label(best)}: {best['error_percent']:.1f} % errors at {best['pod_hours']:,.1f} pod-hours"]
    for name in ("responsive", "hpa"):
        for _, other in real[real["strategy"] == name].iterrows():
            if best["strategy"] != name:
                parts.append(_than(best, other, "pod-hours " if len(parts) == 1 else ""))
    line = ", ".join(parts) + _beside(best, real, within)
    line += f"; rule: fewest pod-hours (simplest within {WORTH:g} %) at most {within:g} points above the lowest error "
    line += "rate of a strategy that scales"
    return Advice(str(best["strategy"]), str(best["forecaster"]), line)


def lowest(table: pd.DataFrame) -> float:
    """Return the lowest error rate of the strategies that scale and can be had."""
    return float(table.loc[~table["strategy"].isin(["oracle", "fixed"]), "error_percent"].min())


def _cheapest(near: pd.DataFrame) -> pd.Series:
    cheap = near[near["pod_hours"] <= near["pod_hours"].min() * (1 + WORTH / 100)]
    row: pd.Series = cheap.sort_values(["rank", "pod_hours"], kind="stable").iloc[0]
    return row


def _label(row: pd.Series) -> str:
    return label(str(row["strategy"]), str(row["forecaster"]))


def _than(best: pd.Series, other: pd.Series, noun: str) -> str:
    change = 100 * (best["pod_hours"] / other["pod_hours"] - 1)
    size = f"{abs(change):.1f}" if abs(change) < 10 else f"{abs(change):.0f}"
    errors = f"{_label(other)} ({other['error_percent']:.1f} %{' errors' if noun else ''})"
    if size == "0.0":
        return f"as many {noun}as {errors}"
    return f"{size} % {'more' if change > 0 else 'fewer'} {noun}than {errors}"


def _beside(best: pd.Series, real: pd.DataFrame, within: float) -> str:
    """Say what the forecast gives: the same rule on the last value, or the best with a model if none is advised."""
    if best["rank"] == 2:
        other = real[(real["strategy"] == best["strategy"]) & (real["rank"] == 1)]
        words = "with the last value instead"
    else:
        models = real[real["rank"] == 2]
        near = models[models["error_percent"] <= models["error_percent"].min() + within]
        other = _cheapest(near).to_frame().T if len(models) else models
        words = f"the best on a model's forecast, {_label(other.iloc[0])}" if len(models) else ""
    if other.empty:
        return ""
    return f"; {words}: {other['error_percent'].iloc[0]:.1f} % at {other['pod_hours'].iloc[0]:,.1f}"


PUBLISHED = "published"
"""The forecaster that is none: the true load with an error of a stated accuracy."""


STAND_IN = "paper_a"
"""The synthetic trace that stands in for Paper A's; each repeat draws a new one."""


@dataclass(frozen=True)
class Arena:
    """One trace, ready to be replayed.

    Attributes:
        name: The trace.
        draw: Makes the arrivals of a repeat, learning part included, from its generator.
        cut: First step that is replayed; forecasters learn from those before it.
        fitted: Fitted forecasters by name.
        horizons: Intervals ahead that they forecast, ascending.
        accuracy: R² of the forecaster `published`, over the part that is replayed.
    """

    name: str
    draw: Callable[[np.random.Generator], Ints]
    cut: int
    fitted: Mapping[str, Forecaster]
    horizons: tuple[int, ...]
    accuracy: float


def newest(trace: Trace, seconds: int) -> Trace:
    """Return the newest seconds of a trace's longest stretch without gaps, in whole steps of the trace.

    Raises:
        InputError: The trace has no observed value.
    """
    whole = without_gaps(trace)
    slots = max(int(seconds / whole.step.total_seconds()), 2)
    return replace(whole, frame=whole.frame.iloc[-slots:])


def source(trace: Trace, setup: Setup, seconds: int) -> Callable[[np.random.Generator], Ints]:
    """Return what draws arrivals: the same trace spread anew, or, for `paper_a`, a new synthetic trace each time.

    Args:
        trace: The trace.
        setup: Tells the mean load.
        seconds: How much of the trace, its newest part.
    """
    if trace.name == STAND_IN:
        steps = int(seconds / trace.step.total_seconds())
        return lambda rng: spread(synthetic.draw_qps(rng, steps=steps), rng, mean=setup.mean)
    cut = newest(trace, seconds)
    return lambda rng: spread(cut, rng, mean=setup.mean)


def prepare(
    trace: Trace,
    section: Mapping[str, Any],
    setup: Setup,
    leads: Sequence[float],
    *,
    lstm: Mapping[str, Any],
    seed: Sequence[int],
) -> Arena:
    """Fit the forecasters once, on the first part of a draw of their own.

    They see the load of each decision interval and forecast as far ahead as each of the lead times asks for.

    Args:
        trace: The trace.
        section: The section `elastic` of the settings as plain values.
        setup: The same as objects.
        leads: Multiples of the start delay.
        lstm: Settings of the project's LSTM.
        seed: Root of what is random, as entropy of a `SeedSequence`.

    Raises:
        InputError: The trace is too short to learn from.
    """
    draw = source(trace, setup, section["seconds"])
    arrivals = draw(np.random.default_rng(np.random.SeedSequence([*seed, 0])))
    length = round(setup.every / setup.settings.dt)
    cut = round(len(arrivals) * section["learn"] / length) * length
    past = measured(arrivals[:cut], settings=setup.settings, every=setup.every)
    horizons = tuple(sorted({setup.delayed(lead).horizon for lead in leads}))
    if len(past) < 2 * (section["window"] + max(horizons)):
        raise InputError(
            f"{trace.name}: {len(past)} decision intervals to learn from; window {section['window']} and horizon "
            f"{max(horizons)} need {2 * (section['window'] + max(horizons))}; use more seconds or a shorter window"
        )
    fitted = {
        name: build(name, columns=["value"], rows=len(past), window=section["window"], seed=seed[0] % 2**31, lstm=lstm)
        .fit(past[:, None], make_targets(past, horizons))
        for name in section["forecasters"]
        if name != PUBLISHED
    }  # fmt: skip
    return Arena(trace.name, draw, cut, fitted, horizons, section["accuracy"])


def forecasts(
    arena: Arena, arrivals: Ints, setup: Setup, names: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[int, Floats]]:
    """Return the forecasts at the replayed decisions, by forecaster and horizon, in requests per second.

    Those of `published` are of the truth plus Gaussian errors with (1 - R²) of its variance; NaN where the truth is not
    known any more.

    Args:
        arena: The trace.
        arrivals: Those of the repeat, learning part included.
        setup: Tells the decision interval.
        names: Forecasters.
        rng: Draws the errors of `published`.
    """
    load = measured(arrivals, settings=setup.settings, every=setup.every)
    first = arena.cut // round(setup.every / setup.settings.dt)
    ahead = make_targets(load, arena.horizons)
    made = {}
    for name in names:
        if name == PUBLISHED:
            sigma = np.sqrt(1 - arena.accuracy) * load[first:].std()
            values = ahead + sigma * rng.standard_normal((len(load), 1))
        else:
            values = arena.fitted[name].predict(load[:, None]).reshape(len(load), len(arena.horizons))
        made[name] = {horizon: values[first:, at] for at, horizon in enumerate(arena.horizons)}
    return made


def described(trace: Trace) -> dict[str, Any]:
    """Return what a row of results must say of its data: name, real, note."""
    return {"trace": trace.name, "real": trace.origin.real, "note": trace.origin.note}


def quality(arena: Arena, arrivals: Ints, made: Mapping[str, Mapping[int, Floats]], setup: Setup) -> pd.Series:
    """Return R² of the forecasts for the setup's horizon, by forecaster."""
    load = measured(arrivals, settings=setup.settings, every=setup.every)
    truth = make_targets(load, [setup.horizon])[arena.cut // round(setup.every / setup.settings.dt) :, 0]
    known = ~np.isnan(truth)
    return pd.Series(
        {
            name: 1 - float(np.mean((each[setup.horizon][known] - truth[known]) ** 2) / max(truth[known].var(), 1e-12))
            for name, each in made.items()
        },
        dtype=float,
    )


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


def pairs(strategies: Sequence[str], forecaster: str, reading: Collection[str] = FORECASTING) -> list[tuple[str, str]]:
    """Return strategy and forecaster of every replay.

    A strategy that uses a forecast is replayed with the forecaster and with the last value, which separates what the
    forecast gives from what the rule gives; any other once, with none (`""`).

    Args:
        strategies: Names of the strategies.
        forecaster: Name of the forecaster.
        reading: Those that use a forecast.
    """
    both = tuple(dict.fromkeys([forecaster, "last_value"]))
    return [(name, maker) for name in strategies for maker in (both if name in reading else ("",))]


def shadow(
    arrivals: Ints,
    forecasts: Mapping[str, Floats],
    replays: Sequence[tuple[str, str]],
    setup: Setup,
    *,
    seed: np.random.SeedSequence,
    rules: Mapping[str, Strategy] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Replay every pair of strategy and forecaster on the same arrivals.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        forecasts: By forecaster, the load forecast at each decision (see `plan.view`), `(decisions,)`. The last value
            needs none.
        replays: Pairs of strategy and forecaster.
        setup: What is the same for all; its mean and clusters are not read.
        seed: Seed of the start delays, the same for all.
        rules: Strategies by name, before those of `STRATEGIES`.

    Returns:
        One row per replay (errors in percent, pod-hours), and one row per replay and interval between decisions.
    """
    phases = from_trace(
        arrivals, capacity=setup.capacity, settings=setup.settings, window=setup.window, smooth=setup.smooth
    )
    length = round(setup.every / setup.settings.dt)
    rows, intervals = [], []
    for name, maker in replays:
        outcome = replay(
            (rules or {}).get(name) or strategy(name),
            arrivals,
            forecasts.get(maker),
            capacity=setup.capacity,
            settings=setup.settings,
            rng=np.random.default_rng(seed),
            every=setup.every,
        )
        rows.append({"strategy": name, "forecaster": maker, **_totals(outcome, phases)})
        intervals.append(_intervals(outcome, length).assign(strategy=name, forecaster=maker))
    return pd.DataFrame(rows), pd.concat(intervals, ignore_index=True)


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per strategy and forecaster: means over the repeats, and the lowest and highest of them."""
    groups = runs.groupby(["strategy", "forecaster"], sort=False)
    table = groups.mean()
    for name in ("error_percent", "pod_hours"):
        at = list(table.columns).index(name)
        table.insert(at + 1, f"{name}_low", groups[name].min())
        table.insert(at + 2, f"{name}_high", groups[name].max())
    table.insert(0, "repeats", groups.size())
    return table.reset_index()


def _totals(outcome: Outcome, phases: Phases) -> dict[str, float]:
    arrived = int(outcome.arrived.sum())
    causes = {"overload": outcome.overload, "base": outcome.base, "drain": outcome.drain}
    by_phase = errors_by_phase(outcome, phases)
    return {
        "error_percent": outcome.error_percent,
        **{f"{cause}_percent": 100 * int(failed.sum()) / arrived for cause, failed in causes.items()},
        "pod_hours": outcome.pod_hours,
        **{f"{phase}_error_percent": by_phase[phase] for phase in PHASES},
    }


def _intervals(outcome: Outcome, length: int) -> pd.DataFrame:
    starts = np.arange(0, len(outcome.arrived), length)
    sizes = np.diff(starts, append=len(outcome.arrived))
    arrived, failed, ready = (
        np.add.reduceat(part, starts) for part in (outcome.arrived, outcome.failed, outcome.ready)
    )
    return pd.DataFrame(
        {
            "interval": np.arange(len(starts)),
            "load": arrived / (sizes * outcome.settings.dt),
            "wanted": outcome.wanted[starts],
            "ready": ready / sizes,
            "failed": failed,
            "error_percent": 100 * failed / np.maximum(arrived, 1),
        }
    )
