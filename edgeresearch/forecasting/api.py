"""Forecast a trace: judge a model on its end, fit it on all of it, and state the coming steps."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from edgeresearch.data.reader import Reading, TraceLike, read_trace
from edgeresearch.data.trace import (
    PERIODS,
    SEASONS_BACK,
    Origin,
    Trace,
    describe_gaps,
    fill_gaps,
    find_whole_windows,
    format_duration,
    make_features,
    make_targets,
)
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import CONTEXT, MODELS, Array, Forecaster, build, model_info, model_name
from edgeresearch.forecasting.evaluation import (
    MEMORY,
    TAILS,
    Comparison,
    check_forecast,
    enclose,
    evaluate,
    find_floor,
    metrics,
    past_error_interval,
    split,
)
from edgeresearch.forecasting.settings import STUDY, ForecastSettings
from edgeresearch.result import Result
from edgeresearch.settings import check_seed

PERFECT = 0.99995
"""From this R² on, which is 1 to four digits, a forecast is too good to be one of a measurement."""
BASELINES = ("last_value", "seasonal_naive", "ridge")
"""What a model is judged beside."""
LONG_LSTM, LSTM_ROWS = 50_000, 1_000_000
"""Rows beyond which an LSTM trains less, and rows that it then passes over, at least twice each.

Measured on four traces of requests per second and per minute, with one seed: one network, 10 passes and twice the step
had 0.99 to 1.001 times the MSE of the study's settings in a quarter of the time. Fewer passes than 10, which more than
100,000 rows get, were not compared.
"""
SAVED = {"model", "horizon", "window", "season", "columns", "rows", "data"}
"""Facts without which a saved model cannot be applied."""


@dataclass(frozen=True, repr=False)
class Forecast(Result):
    """The forecasts of a trace.

    Attributes:
        table: One row per model and horizon: errors on the end of the trace.
        trace: The trace.
        model: Name of the chosen model.
        forecaster: That model, fitted on all rows.
        backtest: Its forecasts where the truth is known: time, horizon, truth, forecast, low, high.
        future: Its forecasts of the steps after the trace's end: time, horizon, forecast, low, high.
        notes: One line for each thing that was guessed.
        facts: Settings and data, and the verdict.
    """

    table: pd.DataFrame
    trace: Trace
    model: str
    forecaster: Forecaster
    backtest: pd.DataFrame
    future: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """How the models compare with the last value, in one line."""
        return str(self.facts["verdict"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return `scores` and `forecast`, the coming steps."""
        return {"scores": self.table, "forecast": self.future}

    def _save_more(self, folder: Path) -> None:
        """Save the model, unless it came from a folder; one of a user's own only if it can be stored."""
        if "fitted_on" in self.facts:
            return
        from edgeresearch.forecasting import persistence

        with nullcontext() if self.model in MODELS else suppress(InputError):
            persistence.save(self.forecaster, folder / "model", about=self.facts)


def forecast(
    trace: TraceLike,
    model: str | Forecaster = "lstm",
    horizon: int = 1,
    *,
    seasonality: str | int | None = None,
    window: int = STUDY.window,
    baselines: Sequence[str | Forecaster] = BASELINES,
    settings: ForecastSettings | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    **reading: Unpack[Reading],
) -> Forecast:
    """Judge a model and baselines on the last fifth of a trace, fit the model on all rows, and forecast what comes.

    Args:
        trace: A file's path, a Series or DataFrame with times, or a trace (see `read_trace`).
        model: `random_forest`, `ridge`, `logistic`, `xgboost`, `lstm_paper`, `last_value`,
            `seasonal_naive`, `ridge_calendar`, `xgboost_calendar`, `lstm` or `lstm_huber`; or an object with
            `fit` and `predict` (see `Forecaster`).
        horizon: Steps ahead; all from 1 to it are forecast.
        seasonality: Steps in a season, a duration such as `1d`, or `none`; where None, a day if the trace spans three.
        window: Past values that a model reads.
        baselines: Models that are judged beside it.
        settings: What the models are made of, the study's if None; horizons, window, models and seeds are those of
            this call. Where None, an LSTM trains less on more than `LONG_LSTM` rows, and a note says so.
        seed: Root of everything random.
        progress: Receives a line at the start of each long step.
        **reading: How the trace is read, where it leaves that open: see `Reading`.

    Raises:
        InputError: The trace or a setting is not usable; the message says why.
    """
    models = list(dict.fromkeys([model, *baselines]))
    times = any([model_info(each).reads_times for each in models])  # a list, as each of them is checked
    seed = check_seed(seed)
    series = read_trace(trace, window=window, horizon=horizon, seasonality=seasonality, **reading)
    horizons = tuple(range(1, horizon + 1))
    fixed = {"horizons": horizons, "window": window, "max_steps": len(series.frame), "seeds": 1}
    short = settings is None and len(series.frame) > LONG_LSTM and model in ("lstm", "lstm_huber")
    if short:
        series, settings = _shorten_training(series)
    settings = (settings or STUDY).replace(**fixed)
    parts = replace(split(series, settings, times=times), floor=find_floor(series))
    if model == "seasonal_naive" and "season_lag_1" not in parts.features:
        raise InputError(f"model seasonal_naive needs a season, and {series.name} has none; say one with `seasonality`")
    tell, names, rows = progress or (lambda line: None), [model_name(each) for each in models], len(parts.features)
    tell(f"judging {', '.join(names)} on the last {rows - parts.test_start} rows")
    judged = evaluate([parts], settings, models=models, seed=seed, keep=names[:1] if short else ())[0]
    tell(f"fitting {names[0]} on all {rows} rows")
    features, feature_names = parts.features.to_numpy(), list(parts.features.columns)
    fitted = judged.fitted.get(names[0]) or build(model, columns=feature_names, rows=rows, settings=settings, seed=seed)
    fitted = getattr(fitted, "refit" if judged.fitted else "fit")(features, parts.targets)
    ours = judged.forecasts[judged.forecasts["model"] == names[0]]
    truth, forecasts = (ours[column].to_numpy().reshape(horizon, -1).T for column in ("truth", "forecast"))
    facts = {
        **{"model": names[0], "horizon": horizon, "window": window, "season": series.seasonality, "seed": seed},
        **{"fill_limit": settings.fill_limit, "columns": feature_names, "rows": rows, "baselines": names[1:]},
        **{"choice": "; ".join(judged.choices["choice"]), "data": series.describe()},
        "reading": dict(series.reading),
    }
    if "rate" in series.reading:
        facts["largest"] = float(series.values.max())
    return _assemble(series, facts, judged.table, fitted, parts.features, truth, forecasts)


def apply_forecaster(
    folder: str | Path,
    trace: TraceLike,
    **reading: Unpack[Reading],
) -> Forecast:
    """Forecast a trace with a model that `Forecast.save` wrote; nothing is fitted.

    The scores are over the whole trace, beside those of the naive models. The trace is read as the one was that the
    model was fitted on (the value column, unless it is a Series, `where`, a counter's differences, …), except for what
    is said anew; its step has to be the same. `folder` is what was saved into, or `model` in it.

    Raises:
        InputError: The model was not saved by a `Forecast`, or the trace does not fit it.
    """
    facts, fitted = _open(folder)
    horizon, window, data = int(facts["horizon"]), int(facts["window"]), facts["data"]
    kept = _read_again(facts, trace, reading)
    again: Reading = {**kept, **reading}
    words = [f"{name} {' '.join(map(str, said if isinstance(said, list) else [said]))}" for name, said in kept.items()]
    told = f"read as what the model was fitted on: {', '.join(sorted(words)).replace(' True', '')}"
    try:
        series = read_trace(trace, seasonality="none", **again)
    except InputError as error:
        hint = f" ({told}{'; `where` none keeps all rows' * ('where' in kept)})" if kept else ""
        raise InputError(f"{error}{hint}") from error
    notes = ((told,) if kept else ()) + series.notes
    series = replace(series, seasonality=facts["season"], notes=notes)
    _check_kind(facts, series, reading)
    if series.step.total_seconds() != data["step_seconds"]:
        now, was = format_duration(series.step), format_duration(pd.Timedelta(seconds=data["step_seconds"]))
        raise InputError(f"{series.name} has a step of {now}, the model was fitted on {was}; resample the series")
    if series.origin.sha256 and series.origin.sha256 == data["sha256"]:
        note = "note: the model was fitted on this very file, so the scores are no test"
        series = replace(series, notes=(*series.notes, note))
    if len(series.frame) < (needed := _rows_needed(facts)):
        season = f" and a season of {series.seasonality}" if needed > window else ""
        what = f"{len(series.frame)} rows, the saved model reads a window of {window}{season}"
        raise InputError(f"{series.name} has {what}; give at least {needed} rows")
    horizons = range(1, horizon + 1)
    features = _make_columns(series, facts)
    truth = make_targets(series.values.to_numpy(dtype=float), horizons)
    truth[~find_whole_windows(features["value"].to_numpy(), window)] = np.nan
    if np.isnan(truth).all(axis=0).any():
        lacks = f"no row with a whole window of {window} and a value after it"
        raise InputError(f"{series.name} has {lacks}; give a longer series")
    forecasts = np.maximum(fitted.predict(features.to_numpy()), find_floor(series)).reshape(len(features), horizon)
    check_forecast(facts["model"], forecasts[~np.isnan(truth)])
    naive = {"last_value": np.repeat(features[["value"]].to_numpy(), horizon, axis=1)}
    if "season_lag_1" in features:
        naive["seasonal_naive"] = features[[f"season_lag_{ahead}" for ahead in horizons]].to_numpy()
    scores = _score(truth, {facts["model"]: forecasts, **naive})
    facts = {**facts, "fitted_on": data, "data": series.describe()}
    return _assemble(series, facts, scores, fitted, features, truth, forecasts)


def _shorten_training(series: Trace) -> tuple[Trace, ForecastSettings]:
    """Return the settings of an LSTM for a long trace, and the trace with a note that says so."""
    passes = min(max(LSTM_ROWS // len(series.frame), 2), 10)
    few = STUDY.lstm.replace(members=1, epochs=passes, learning_rate=2 * STUDY.lstm.learning_rate)
    what = f"1 network and {passes} passes over the rows, not {STUDY.lstm.members} and {STUDY.lstm.epochs}"
    note = f"lstm: {what}, as there are {len(series.frame)}; er.forecast(settings=…) changes it"
    return replace(series, notes=(*series.notes, note)), STUDY.replace(lstm=few)


def _open(folder: str | Path) -> tuple[dict[str, Any], Forecaster]:
    """Return the facts and the model that `Forecast.save` wrote into a folder."""
    from edgeresearch.forecasting import persistence  # it imports torch, for which bad input need not wait

    place = Path(folder) / "model" if (Path(folder) / "model").is_dir() else Path(folder)
    facts, fitted = persistence.about(place), persistence.load(place)
    if not set(facts) >= SAVED:
        raise InputError(f"{folder} was not saved by 'edgeresearch forecast'; give the folder 'model' of its results")
    return facts, fitted


def _read_again(facts: Mapping[str, Any], trace: TraceLike, reading: Reading) -> Reading:
    """Return how newer rows are read where nothing is said: as the rows were that the model was fitted on."""
    said: set[str] = set(reading)
    for some in ({"value", "sum", "count"}, {"rate", "level"}):
        said |= some if some & said else set()
    if isinstance(trace, pd.Series):
        said |= {"value", "where", "sum"}
    kept = {} if isinstance(trace, Trace) else facts.get("reading", {})
    return {name: each for name, each in kept.items() if name not in said}  # type: ignore[return-value]


def _check_kind(facts: Mapping[str, Any], series: Trace, reading: Reading) -> None:
    """Refuse a trace of another unit, or one that was read as a level where the model's was a counter's increments."""
    now, was = series.reading, facts.get("reading", {})
    kinds = [(*({"rate", "level"} & each.keys()), "")[0] for each in (now, was)]
    if all(kinds) and kinds[0] != kinds[1] and not {"rate", "level"} & reading.keys():
        what = f"was read with `{kinds[0]}`, what the model was fitted on with `{kinds[1]}`"
        raise InputError(f"{series.name} {what}; read the trace with `{kinds[1]}`")
    given, fitted = _cell_unit(series.unit, now), _cell_unit(facts["data"]["column"], was)
    if given != fitted and given and fitted:
        raise InputError(f"{series.name} has {given}, the model was fitted on {fitted}; convert the values")


def _cell_unit(column: str, reading: Mapping[str, Any]) -> str:
    """Return the unit that the cells had: `GB` of a column `used (GB)` that was read as `used`; empty if unknown."""
    value = reading.get("value")
    if value is None or not column.startswith(value):
        return ""
    return column.removeprefix(value).strip(" ()") or "no unit"


def _rows_needed(facts: Mapping[str, Any]) -> int:
    """Return the fewest rows of which the last has a whole window and a season before it."""
    return int(facts["window"]) + (int(facts["season"]) if "season_lag_1" in facts["columns"] else 0)


def _make_columns(series: Trace, facts: Mapping[str, Any], newest: int | None = None) -> pd.DataFrame:
    """Return the features that a saved model was fitted on; the number of its rows then decides which they are."""
    horizons, fill_limit = range(1, int(facts["horizon"]) + 1), facts.get("fill_limit", STUDY.fill_limit)
    season, span = facts["season"], int(facts["rows"])
    times = any(name.startswith(tuple(PERIODS)) for name in facts["columns"])
    features = make_features(
        series, horizons=horizons, season=season, fill_limit=fill_limit, span=span, newest=newest, times=times
    )
    if list(features.columns) != facts["columns"]:
        lacks = ", ".join(name for name in facts["columns"] if name not in features) or "none"
        raise InputError(f"{series.name} does not yield the model's columns (it lacks {lacks}); fit the model anew")
    return features


class LiveModel:
    """A saved forecaster at work on a live series: a value in, forecasts of the next steps out.

        model = er.load_model("results")
        model.update(value, time)
        model.forecast()

    After the same values, the newest among them, `forecast` gives the very numbers of `apply_forecaster(...).future`.
    Where the model was fitted on a counter, the values are its increments, what was counted in a step: not the
    counter itself. Over a short gap the last value is carried; after a longer one, and at the start, `wait` says how
    many values are needed.

    Attributes:
        horizon: Steps ahead that are forecast.
        step: Distance of two values.
        time: Of the newest value; None before the first.
        wait: Steps with a value until the next forecast; 0 if there is one now.
    """

    def __init__(self, facts: Mapping[str, Any], fitted: Forecaster) -> None:
        """Start without a past."""
        self._facts, self._fitted = facts, fitted
        self.horizon, self._window = int(facts["horizon"]), int(facts["window"])
        self.step = pd.Timedelta(seconds=facts["data"]["step_seconds"])
        self._limit, self._rows = int(facts.get("fill_limit", STUDY.fill_limit)), max(CONTEXT, self._window)
        past = SEASONS_BACK * int(facts["season"]) if "season_lag_1" in facts["columns"] else 0
        self._values = np.full(past + self._rows + self._limit + 1, np.nan)
        self._reads_times = any(name.startswith(tuple(PERIODS)) for name in facts["columns"])
        self._seen, self._floor = 0, 0.0
        self._largest = float(facts["largest"]) if "largest" in facts else None
        self.time: pd.Timestamp | None = None

    def __repr__(self) -> str:
        """Say what is forecast, and since when."""
        steps = f"{self.horizon} step{'s' * (self.horizon > 1)} of {format_duration(self.step)}"
        of = "" if self._largest is None else " of a counter's increments"
        return f"LiveModel({self._facts['model']}, {steps} ahead{of}; time {self.time}, wait {self.wait})"

    def update(self, value: float | None, time: Any = None) -> None:
        """Take the newest value, None or NaN if it is missing.

        Args:
            value: The value; a counter's increment.
            time: Its time, whole steps after the last one (up to a tenth of a step beside); steps in between are
                missing. Where None, one step after the last one.

        Raises:
            InputError: The value is infinite or no increment of the model's counter, the time is not later than the
                last or between two steps, or the first one lacks a time that the model reads.
        """
        number = np.nan if value is None else float(value)
        if np.isinf(number):
            raise InputError(f"{number} is no value; give a finite number, or None if it is missing")
        if self._largest is not None:
            first = [*self._values[~np.isnan(self._values)][:5], number]
            if number < 0 or len(first) == 5 and first[1] > self._largest and (np.diff(first) >= 0).all():
                what = f"{number:g} is no increment: the model was fitted on those of a counter, up to"
                raise InputError(f"{what} {self._largest:g}; give the differences of the counter's values")
        steps = 1
        if time is not None:
            stamp = pd.Timestamp(time)
            stamp = (stamp.tz_convert(None) if stamp.tz else stamp).as_unit("ns")
            if self.time is None:
                self.time = stamp - self.step
            apart = (stamp - self.time) / self.step
            if (steps := round(apart)) < 1 or abs(apart - steps) > 0.1:
                hint = f"; {'give a later one' if steps < 1 else 'round it to the step'}"
                raise InputError(f"{stamp} is no step of {format_duration(self.step)} after {self.time}{hint}")
        elif self.time is None and self._reads_times:
            raise InputError("the model reads the time of day; give the first value's `time`, too")
        if self.time is not None:
            self.time += steps * self.step
        moved = min(steps, len(self._values))
        self._values[:-moved] = self._values[moved:]
        self._values[-moved:] = np.nan
        self._values[-1] = number
        if number < 0:  # as `find_floor` has it
            self._floor = -np.inf
        self._seen += steps if self._seen or not np.isnan(number) else 0

    @property
    def wait(self) -> int:
        """Steps with a value until the next forecast; 0 if there is one now."""
        filled = fill_gaps(self._values[-self._window - self._limit - 1 :], self._limit)
        missing = np.flatnonzero(np.isnan(filled[-self._window :]))
        return max(int(missing[-1]) + 1 if len(missing) else 0, _rows_needed(self._facts) - self._seen)

    def forecast(self) -> pd.Series:
        """Return the forecasts of the next steps by their times, or by steps ahead where no time was given.

        Raises:
            InputError: `wait` is not 0: the model has not seen enough values, or not since the last gap.
        """
        if self.wait:
            what = f"{self.wait} more values are needed for a forecast, as at the start or after a gap"
            raise InputError(f"{what}; call update until wait is 0")
        end = self.time or pd.Timestamp(0)
        index = pd.date_range(end=end, periods=len(self._values), freq=self.step, unit="ns")
        series = Trace("live", pd.DataFrame({"value": self._values}, index=index), self.step, "", Origin("memory"))
        features = _make_columns(series, self._facts, self._rows)
        coming = _forecast_newest(features, self._fitted, self._facts, self._floor)
        ahead: pd.Index = pd.RangeIndex(1, self.horizon + 1, name="horizon")
        if self.time is not None:
            ahead = pd.date_range(end + self.step, periods=self.horizon, freq=self.step, unit="ns", name="time")
        return pd.Series(coming, index=ahead, name="forecast")


def load_model(folder: str | Path) -> LiveModel:
    """Load a model that `Forecast.save` wrote, to forecast a live series with it (see `LiveModel`).

        model = er.load_model("results")
        for time, value in recent.items():
            model.update(value, time)

    `folder` is what was saved into, or `model` in it. The model starts without a past: it needs a window and a season
    of values first, and `model.wait` says how many are missing.

    Raises:
        InputError: The model was not saved by a `Forecast`.
    """
    return LiveModel(*_open(folder))


def compare_forecasters(
    trace: TraceLike,
    models: Sequence[str | Forecaster] | None = None,
    horizons: Sequence[int] = STUDY.horizons,
    *,
    seasonality: str | int | None = None,
    window: int = STUDY.window,
    settings: ForecastSettings | None = None,
    seed: int = 0,
    workers: int = 1,
    **reading: Unpack[Reading],
) -> Comparison:
    """Compare forecasters on the last fifth of a trace, as the study does for Paper A, Table 2.

    The trace, how it is read, seasonality, window and seed are as for `forecast`. The `models` are names or objects;
    where None, all that the study compares. `settings`: what the models are made of, how often random ones are fitted,
    and how intervals are drawn; the study's if None. Results do not depend on the number of processes, `workers`.

    Raises:
        InputError: The trace or a setting is not usable; the message says why.
    """
    for each in models or ():
        model_info(each)
    seed = check_seed(seed)
    ahead = tuple(sorted(set(horizons)))
    series = read_trace(trace, window=window, horizon=max(ahead, default=0), seasonality=seasonality, **reading)
    settings = (settings or STUDY).replace(horizons=ahead, window=window)
    floor = find_floor(series)
    parts = replace(split(series, settings), floor=floor)
    judged = evaluate([parts], settings, models=models, seed=seed, workers=workers)[0]
    table = judged.forecasts
    low, high = enclose(table["forecast"].to_numpy(), table["low"].to_numpy(), table["high"].to_numpy(), floor)
    return replace(judged, forecasts=table.assign(low=low, high=high))


def _assemble(
    trace: Trace,
    facts: Mapping[str, Any],
    scores: pd.DataFrame,
    fitted: Forecaster,
    features: pd.DataFrame,
    truth: Array,
    forecasts: Array,
) -> Forecast:
    """Add intervals and the coming steps.

    An interval holds the middle 95 % of the model's own past errors, and its forecast; forecasts and bounds go below 0
    only where the trace does. `truth` and `forecasts` are `(rows, horizon)`, of the last rows of `features`; NaN is not
    judged.
    """
    floor = find_floor(trace)
    index, model = pd.DatetimeIndex(features.index), str(facts["model"])
    newest = _forecast_newest(features.iloc[-max(CONTEXT, int(facts["window"])) :], fitted, facts, floor)
    past, future = [], []
    for column in range(truth.shape[1]):
        ahead, known = (column + 1) * trace.step, ~np.isnan(truth[:, column])
        memory = max(2, min(MEMORY, int(known.sum()) // 2))
        true, made, coming = truth[:, column], forecasts[:, column], newest[column : column + 1]
        low, high = enclose(made, *past_error_interval(true, made, column + 1, memory), floor)
        values = {"truth": true, "forecast": made, "low": low, "high": high}
        past.append(pd.DataFrame({"time": index[-len(truth) :] + ahead, "horizon": column + 1, **values})[known])
        tails = np.quantile((true - made)[known][-MEMORY:], TAILS)
        bounds = enclose(coming, coming + tails[0], coming + tails[1], floor)
        future.append((index[-1] + ahead, column + 1, *coming, *bounds[0], *bounds[1]))
    notes, backtest = trace.notes, pd.concat(past, ignore_index=True)
    if trace.values.isna().any():
        notes += _tell_gaps(trace, features.iloc[:, 0], int(facts["window"]), int(facts.get("fill_limit", 0)))
        notes += (f"judged: what is known from {backtest['time'].min()} to {backtest['time'].max()}",)
    return Forecast(
        table=scores,
        trace=trace,
        model=model,
        forecaster=fitted,
        backtest=backtest,
        future=pd.DataFrame(future, columns=["time", "horizon", "forecast", "low", "high"]),
        notes=notes,
        facts={**facts, "verdict": write_verdict(scores, model)},
    )


def _forecast_newest(features: pd.DataFrame, fitted: Forecaster, facts: Mapping[str, Any], floor: float) -> Array:
    """Return the forecasts of the steps after the last row, `(horizon,)`; NaN where that row is in a gap."""
    newest: Array = np.maximum(fitted.predict(features.to_numpy()).reshape(len(features), -1)[-1], floor)
    if features.iloc[:, 0].notna().iloc[-1]:
        check_forecast(str(facts["model"]), newest)
    return newest


def _tell_gaps(trace: Trace, filled: pd.Series, window: int, limit: int) -> tuple[str, ...]:
    """Say what gaps there are and what becomes of them; `filled` is NaN in those that are longer than the limit."""
    ways = ["none is learnt from or judged"]
    long, gone = filled.isna(), trace.values.isna()
    if (gone & ~long).any():
        ways.append(f"models read the last value in gaps of at most {limit}")
    if not long.any():
        return (f"gaps: {describe_gaps(trace.values)}; {'; '.join(ways)}",)
    notes = [
        f"gaps: {describe_gaps(trace.values)}; {'; '.join([*ways, 'windows that touch a longer one are left out'])}"
    ]
    since = len(filled) - 1 - int(np.flatnonzero(long)[-1])
    if since < window:
        whole = filled.index[-1] + (window - since) * trace.step
        what = f"the forecast reads {since} values since the last gap, fewer than the window of {window}"
        notes.append(f"note: {what}; it can be trusted again from {whole} on")
    return tuple(notes)


def write_verdict(scores: pd.DataFrame, chosen: str) -> str:
    """Say in one line which model won by the mean MSE, and how it and the chosen one compare with the last value.

    Where a model is too good to be true, say why nothing follows from that instead.
    """
    mean = scores.groupby("model", sort=False, observed=True)["mse"].mean()
    if doubt := _doubt(scores, str(mean.idxmin())):
        return doubt
    naive, best = float(mean["last_value"]) if "last_value" in mean else np.nan, str(mean.idxmin())
    last = int(scores["horizon"].max())
    span = "1 step ahead" if last == 1 else f"the mean of 1 to {last} steps ahead"

    def compare_with_naive(name: str) -> str:
        if not naive > 0:
            return f"MSE {mean[name]:.4g}"
        share = 100 * (1 - mean[name] / naive)
        return f"{abs(share):.1f} % {'below' if share >= 0 else 'above'} the last value"

    rest = "" if best == chosen else f"; {chosen}: {compare_with_naive(chosen)}"
    if best == "last_value":
        return f"no model beats the last value by MSE, {span}{rest}"
    return f"{best} has the lowest MSE, {span}: {compare_with_naive(best)}{rest}"


def _doubt(scores: pd.DataFrame, best: str) -> str:
    """Return why no verdict follows: what is judged never changes, or is forecast without error; else nothing."""
    ours = scores[scores["model"] == best]
    if "r2" in ours and ours["r2"].isna().all():
        return "no verdict: what is judged, the end of the trace, never changes"
    if ours["mse"].max() > 0 and not ("r2" in ours and ours["r2"].mean() >= PERFECT):
        return ""
    share = f"an R² of {ours['r2'].mean():.6g}" if "r2" in ours else "no error"
    return (
        f"no verdict: {best} has {share}, which no measurement allows; is the column a row number, a time, a total "
        "that only rises (`rate` takes its differences) or computed? If so, name another with `value`"
    )


def _score(truth: Array, forecasts: Mapping[str, Array]) -> pd.DataFrame:
    rows = []
    for column in range(truth.shape[1]):
        known = ~np.isnan(truth[:, column])
        true = truth[known, column]
        naive = metrics(true, forecasts["last_value"][known, column])["mse"]
        for name, each in forecasts.items():
            score = metrics(true, each[known, column])
            skill = 1 - score["mse"] / naive if naive > 0 else np.nan
            rows.append({"horizon": column + 1, "model": name, "points": len(true), **score, "skill": skill})
    return pd.DataFrame(rows)
