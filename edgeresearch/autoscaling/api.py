"""A user's own trace: learn to forecast on its beginning, replay every strategy on the rest, say what would pay."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch import __version__
from edgeresearch.autoscaling.arrivals import filled, qps, spread
from edgeresearch.autoscaling.compare import FORECASTING, WITHIN, Advice, advise, pairs, shadow, summary
from edgeresearch.autoscaling.policies import STRATEGIES, Capacity, Fixed, Strategy, strategy
from edgeresearch.autoscaling.replay import EVERY, Setup, measured
from edgeresearch.autoscaling.simulator import Floats, Ints, Settings
from edgeresearch.data import trace as grid
from edgeresearch.data.csv import choose_season, format_duration, read_trace
from edgeresearch.data.features import find_whole_windows, make_features, make_targets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Forecaster
from edgeresearch.forecasting.evaluation import CONTEXT, Problem
from edgeresearch.forecasting.models import build, described
from edgeresearch.io import check, gathered, write_csv, write_json

LEARNT = 0.6
"""Share of the trace, its beginning, on which the forecaster is fitted; the rest is replayed."""
WINDOW = 60
"""Decisions that a forecaster reads."""
VALIDATION = 0.125
"""Share of what is learnt from, its end, that validates."""
LONGEST = 3_000_000
"""Steps that are used at most, the newest ones: memory is linear in them."""
SMOOTH = 60.0
"""Length of the mean that tells the phases, in seconds."""
REACH = 1.0
"""How far phases look either way, in longest start delays plus an interval."""
COMPARED = ("responsive", "hpa")
"""Strategies that are always replayed, as the advice compares with them."""
UNITS = ("per-second", "per-minute", "per-hour", "per-step")


@dataclass(frozen=True)
class Report:
    """What a shadow replay showed.

    Attributes:
        trace: The trace, as long as it was used.
        terms: What was the same for every strategy; no clusters, as nothing is known of the machines.
        table: One row per strategy and forecaster: means over the repeats.
        intervals: One row per strategy, forecaster and interval between decisions, of the first repeat: time, load,
            what was forecast for it (NaN without a forecaster), wanted, ready, failed, error_percent.
        advice: What is advised.
        said: One line for each thing that was guessed.
        facts: What is written to `report.json`.
    """

    trace: Trace
    terms: Setup
    table: pd.DataFrame
    intervals: pd.DataFrame
    advice: Advice
    said: tuple[str, ...]
    facts: Mapping[str, Any]


Draw = Callable[[Report, Path], object]
"""Draws a report into a folder."""


def _quiet(_: str) -> None:
    pass


def elastic_file(
    path: str | Path,
    out: str | Path,
    *,
    strategies: Sequence[str] = tuple(STRATEGIES),
    forecaster: str = "lstm",
    q_max: float = 20.0,
    start_delay: float = 30.0,
    start_spread: float = 0.0,
    every: float = EVERY,
    minimum: int = 1,
    maximum: int = 1000,
    scale: float | None = None,
    unit: str | None = None,
    repeats: int = 5,
    seed: int = 0,
    time: str | None = None,
    value: str | None = None,
    step: str | None = None,
    fill: int = 0,
    rules: Mapping[str, Strategy] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    draw: Draw | None = None,
    tell: Callable[[str], None] = _quiet,
) -> Report:
    """Replay scaling strategies on a CSV of request rates, and advise one.

    The first 60 % of the trace train the forecaster, the rest is replayed. `out` gets `table.csv`, `report.json`, and
    what `draw` adds, all or nothing.

    Args:
        path: A CSV that `series.table.read` reads.
        out: Folder of the results; made where missing, files of the same names are replaced.
        strategies: Names in `STRATEGIES`; those of `COMPARED` are added.
        forecaster: Name of the forecaster, a key of `MODELS`; the last value is replayed beside it.
        q_max: Requests that a pod serves per second.
        start_delay: Mean time from wanting a pod to its readiness, in seconds.
        start_spread: Half the width of the distribution around it, in seconds.
        every: Time between two decisions, in seconds.
        minimum: Fewest pods.
        maximum: Most pods.
        scale: Mean load to scale the trace to, in requests per second; None keeps it.
        unit: What the values count, one of `UNITS`; where None, the column's name says it, or they are per step.
        repeats: Draws of how requests fall within a step of the trace, and of start delays.
        seed: Root of everything random.
        time: Name of the time column; guessed where None.
        value: Name of the value column; guessed where None.
        step: Distance of two rows, such as `5min`; guessed where None.
        fill: Longest gap that is interpolated, in steps (see `gaps.filled`); longer ones are refused.
        rules: Strategies of your own by name; they are replayed beside the others, with the forecaster and with the
            last value. `report.json` keeps their names alone.
        models: Keyword arguments `lstm_paper`, `lstm`, `forest` of `models.build`.
        draw: Draws the report into the folder.
        tell: Receives a line at the start of each long step.

    Raises:
        InputError: The file, a setting or the folder is not usable; the message says why.
    """
    names = list(dict.fromkeys([*strategies, *COMPARED]))
    for name in names:
        strategy(name)
    yours = dict(rules or {})
    for name in yours:
        if name in STRATEGIES:
            raise InputError(f"rule {name!r} has the name of a strategy that is there; give it another")
    names += yours
    described(forecaster)
    for what, number, least in (("repeats", repeats, 1), ("seed", seed, 0)):
        if number < least:
            raise InputError(f"{what} {number} is below {least}; use {least} or more")
    capacity = Capacity(q_max, minimum=minimum, maximum=maximum)
    settings = Settings(q_max, start_delay, start_spread)
    check(out)
    trace, said = _read(path, unit, fill, dict[str, Any](time=time, value=value, step=step))
    slot = trace.step.total_seconds()
    settings = replace(settings, dt=slot / math.ceil(slot - 1e-9))
    trace = _newest(trace, settings.dt, said)
    terms = Setup(settings, capacity, every, _mean(trace) if scale is None else scale, SMOOTH, REACH, {})
    ahead, cut = _cut(trace, terms)
    replays = pairs(names, forecaster, {*FORECASTING, *yours})
    runs, shown, fixed, fitted = [], pd.DataFrame(), Fixed(), None
    if slot <= 1 and not start_spread and repeats > 1:
        said.append(f"repeats: 1, not {repeats}, as nothing is random; a spread of the start delays would be")
        repeats = 1
    for repeat, (problem, arrivals, delays) in enumerate(_repeats(trace, terms, ahead, cut, seed, repeats)):
        if not repeat:
            fixed = Fixed(int(capacity.needed(problem.table["value"].iloc[:cut].max())))
            _say(trace, arrivals, problem, terms, fixed, said)
            if any(maker == forecaster for _, maker in replays):
                tell(f"fitting {forecaster} on {cut} decisions")
                fitted = _fitted(forecaster, problem, seed, models or {})
        tell(f"replaying {len(names)} strategies, repeat {repeat + 1} of {repeats}")
        made = {} if fitted is None else {forecaster: _forecast(fitted, problem)}
        totals, intervals = shadow(arrivals, made, replays, terms, seed=delays, rules={**yours, "fixed": fixed})
        runs.append(totals)
        if not repeat:
            shown = _timed(intervals, pd.DatetimeIndex(problem.table.index[cut:]), made, ahead)
    result = summary(pd.concat(runs, ignore_index=True))
    facts = {
        **{"strategies": names, "forecaster": forecaster, "seed": seed, "repeats": repeats, "every": every},
        **{"horizon": ahead, "window": WINDOW, "scale": scale, "fill": fill, "within": WITHIN},
        **{"fixed_pods": fixed.pods},
        **{"settings": asdict(terms.settings), "capacity": asdict(capacity), "data": trace.describe()},
        **{"learnt_decisions": cut, "replayed_from": str(shown["time"].iloc[0])},
    }
    report = Report(trace, terms, result, shown, advise(result), tuple(said), facts)
    write(report, Path(out), draw)
    return report


def write(report: Report, out: Path, draw: Draw | None = None) -> None:
    """Write `table.csv`, `report.json` and what `draw` adds, all or nothing.

    Raises:
        InputError: The folder cannot be written.
    """
    facts = {**report.facts, "edgeresearch": __version__, "said": list(report.said), "advice": report.advice.line}
    with gathered(out) as folder:
        write_csv(report.table, folder / "table.csv")
        write_json(facts, folder / "report.json")
        if draw is not None:
            draw(report, folder)


def _read(path: str | Path, unit: str | None, fill: int, columns: Mapping[str, Any]) -> tuple[Trace, list[str]]:
    if unit is not None and unit not in UNITS:
        raise InputError(f"unknown unit {unit!r}; known: {', '.join(UNITS)}")
    trace = read_trace(path, **columns)
    said = [line for line in trace.notes if not line.startswith("season:")]
    trace, line = filled(trace, fill, path)
    said += line
    if unit is None:
        per_step = float(trace.values.mean()) / trace.step.total_seconds()
        named = not np.isclose(qps(trace).mean(), per_step)
        said.append(
            f"unit: {trace.unit!r} " + ("says it" if named else f"counts requests per {format_duration(trace.step)}")
        )
        return trace, said
    return replace(trace, unit="requests" if unit == "per-step" else "requests " + unit.replace("-", " ")), said


def _newest(trace: Trace, dt: float, said: list[str]) -> Trace:
    rows = int(LONGEST * dt / trace.step.total_seconds())
    if len(trace.frame) <= rows:
        return trace
    frame: pd.DataFrame = trace.frame.iloc[-rows:]
    said.append(f"trace: the newest {rows} of {len(trace.frame)} rows are used, from {frame.index[0]} on")
    return replace(trace, frame=frame)


def _mean(trace: Trace) -> float:
    """Return the trace's own mean load; scaled to it, the trace is as it was, to the last bit."""
    mean = float(qps(trace).mean())
    if not mean:
        raise InputError(f"the {len(trace.frame)} rows that are used, the newest, have no request; cut the file")
    return mean


def _length(terms: Setup) -> int:
    """Return the steps between two decisions."""
    return round(terms.every / terms.settings.dt)


def _cut(trace: Trace, terms: Setup) -> tuple[int, int]:
    """Return how many decisions a forecast looks ahead, and the first decision that is replayed."""
    ahead = terms.horizon
    steps = len(trace.frame) * round(trace.step.total_seconds() / terms.settings.dt)
    terms.settings.check_length(steps)
    decisions = -(-steps // _length(terms))
    cut = int(LEARNT * decisions)
    if cut < 2 * WINDOW + ahead or decisions - cut <= ahead:
        need = math.ceil(max((2 * WINDOW + ahead) / LEARNT, (ahead + 1) / (1 - LEARNT))) * terms.every
        raise InputError(
            f"{trace.name} lasts {steps * terms.settings.dt:g} s; to learn on {LEARNT:.0%} of it with decisions every "
            f"{terms.every:g} s and forecasts {ahead} ahead takes {need:g} s; use a longer trace or decide more often"
        )
    return ahead, cut


def _repeats(
    trace: Trace, terms: Setup, ahead: int, cut: int, seed: int, repeats: int
) -> Iterator[tuple[Problem, Ints, np.random.SeedSequence]]:
    """Yield what a forecaster sees, the arrivals that are replayed, and the seed of the start delays."""
    for repeat in range(repeats):
        placing, delays = np.random.SeedSequence(seed, spawn_key=(repeat,)).spawn(2)
        arrivals = spread(trace, np.random.default_rng(placing), dt=terms.settings.dt, mean=terms.mean)
        yield _problem(trace, arrivals, terms, ahead, cut), arrivals[cut * _length(terms) :], delays


def _problem(trace: Trace, arrivals: Ints, terms: Setup, ahead: int, cut: int) -> Problem:
    """Pose the forecast: the load at each decision, and what it will be when a pod that is started now is ready."""
    load = measured(arrivals, settings=terms.settings, every=terms.every)
    gap = pd.Timedelta(seconds=terms.every)
    frame = pd.DataFrame({"load": load}, index=grid.regular_index(trace.frame.index[0], len(load), gap))
    seen = replace(trace, frame=frame, step=gap)
    # A period that the training part does not span is not learnt, whatever the rest would show.
    period = choose_season(None, replace(seen, frame=frame.iloc[:cut]), ahead)
    known = make_features(seen, horizons=[ahead], season=period, fill_limit=0, span=cut)
    return Problem(known, make_targets(load, [ahead]), find_whole_windows(load, WINDOW), cut, (ahead,), VALIDATION)


def _fitted(name: str, problem: Problem, seed: int, models: Mapping[str, Mapping[str, Any]]) -> Forecaster:
    import torch

    torch.set_num_threads(1)
    columns = list(problem.table.columns)
    if name == "seasonal_naive" and not any(column.startswith("season_lag_") for column in columns):
        raise InputError("forecaster seasonal_naive needs a season; the part that is learnt from spans no three days")
    model = build(
        name, columns=columns, rows=problem.test, window=WINDOW, fraction=problem.fraction, seed=seed, **models
    )
    return model.fit(problem.table.to_numpy()[: problem.test], problem.learnt)


def _forecast(model: Forecaster, problem: Problem) -> Floats:
    """Return what is forecast at each replayed decision; the model reads the decisions before, as it would live."""
    begin = max(problem.test - CONTEXT, 0)
    made = model.predict(problem.table.to_numpy()[begin:])
    return np.asarray(made.reshape(len(made), -1)[problem.test - begin :, 0], dtype=np.float64)


def _say(trace: Trace, arrivals: Ints, problem: Problem, terms: Setup, fixed: Fixed, said: list[str]) -> None:
    if not arrivals.any():
        raise InputError(f"the last {1 - LEARNT:.0%} of the trace, which is replayed, has no request; cut the file")
    load = measured(arrivals, settings=terms.settings, every=terms.every)
    needed = terms.capacity.needed(load)
    said.append(f"replayed: from {problem.table.index[problem.test]} on; what is before trains the forecaster")
    said.append(
        f"load: {load.mean():,.4g} requests per second on average, {load.max():,.4g} at most; at Q_max "
        f"{terms.capacity.q_max:g} this takes {needed.min()} to {needed.max()} pods"
    )
    if needed.max() <= 2:
        said.append("note: so few pods leave nothing to scale; lower 'qmax' or raise the load by 'scale'")
    if needed.max() > terms.capacity.maximum:
        said.append(f"note: that is above the maximum of {terms.capacity.maximum} replicas, so overload is certain")
    if trace.step.total_seconds() > terms.every:
        said.append(
            f"note: within a step of {format_duration(trace.step)} the load is interpolated, easier to forecast "
            "than real load; a finer trace is a harder test"
        )
    said.append(f"fixed: {fixed.pods} pods, the most that the load of the training part needed")


def _timed(intervals: pd.DataFrame, times: pd.DatetimeIndex, made: Mapping[str, Floats], ahead: int) -> pd.DataFrame:
    """Add the time of each interval, and what was forecast for it when a pod could still be started."""
    intervals.insert(0, "time", times[intervals.pop("interval").to_numpy()])
    intervals["forecast"] = np.nan
    for maker, forecast in made.items():
        # The forecast of decision k is of the interval before decision k + ahead.
        early = np.concatenate([np.full(ahead - 1, np.nan), forecast[: len(forecast) - ahead + 1]])
        at = intervals["forecaster"] == maker
        intervals.loc[at, "forecast"] = np.tile(early, int(at.sum()) // len(early))
    return intervals
