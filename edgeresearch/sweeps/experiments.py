"""Experiments that can be swept."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Protocol, Self, get_args

import numpy as np
from pydantic import AfterValidator, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from threadpoolctl import threadpool_limits

from edgeresearch.autoscaling.replay import PHASES, parse_unit
from edgeresearch.autoscaling.settings import ExperimentConfig, ForecasterName, StrategyName
from edgeresearch.config import Params
from edgeresearch.data.reader import Reading, check_options, read_trace
from edgeresearch.data.registry import REQUEST_TRACES, TraceName
from edgeresearch.data.trace import Trace
from edgeresearch.emulator.settings import PolicyName
from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.settings import STUDY, ForecastSettings, LSTMSettings, ModelName
from edgeresearch.settings import Section, load_object, merge, parsed

Scalar = bool | int | float | str | None
Settings = Mapping[str, Any]
"""Settings of a cell as plain values: those of the experiment's own, and the sections of the settings that it reads."""


@dataclass(frozen=True)
class Places:
    """Where a cell finds files.

    Attributes:
        data: Folder of the data.
        root: Folder where the sweep was started.
        beside: Folder of the sweep's file, where paths in it and modules of one's own are looked for first.
    """

    data: Path
    root: Path
    beside: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where paths and modules are looked for, in this order."""
        return (self.root,) if self.beside is None else (self.beside, self.root)

    def find(self, name: str) -> Path:
        """Return the path of a file that the settings name: beside the sweep's file, or else from where it started."""
        return next((place / name for place in self.folders if (place / name).exists()), self.folders[0] / name)


class Experiment(Protocol):
    """An experiment. It goes to other processes, so it must be picklable; what `run` needs is best imported there.

    Each cell has one core: `threadpool_limits(1)` keeps numeric libraries to one thread, and sums in their order.

    Attributes:
        name: How a spec calls it.
        own: Its own settings: names, types and defaults.
        reads: Parts of `Params` that a cell reads, as dotted keys such as `los`; they are settings, too.
        unread: Parts of those that a cell does not read.
        measures: Columns of results with what they are and their units; the first is drawn if the spec names none.
        units: Units of settings, for figures.
    """

    name: str
    own: type[Section]
    reads: Sequence[str]
    unread: Sequence[str] = ()
    measures: Mapping[str, str]
    units: Mapping[str, str] = {}

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the files that a cell with these settings reads."""
        ...

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Run one cell.

        Args:
            settings: Its settings.
            seed: Root of everything random in it.
            places: Where files lie.

        Returns:
            One value per column; what it raises is recorded as the cell's error.
        """
        ...


CITY = "city"
"""What `los.testbed` says where the testbed is grown to a city."""


def _is_file(name: str) -> bool:
    return bool(Path(name).suffix) or "/" in name


def _one_of(names: Any, other: Callable[[str], bool]) -> AfterValidator:
    """Check for a name that is known, or for what another kind of name looks like."""

    def check(name: str) -> str:
        known = get_args(names)
        if name not in known and not other(name):
            raise ValueError(f"{nearest(name, known)}; known: {', '.join(known)}".removeprefix("; "))
        return name

    return AfterValidator(check)


def _own(names: Any) -> AfterValidator:
    return _one_of(names, lambda name: ":" in name)


def _check_reading(options: dict[str, Any]) -> dict[str, Any]:
    check_options(options)
    return options


def _check_unit(unit: str | None) -> str | None:
    parse_unit(unit)
    return unit


class LosCell(Section):
    """What a cell of `los` has beside the section `los`; the policy may be `module:Name` of one's own."""

    policy: Annotated[str, _own(PolicyName)] = "los"
    streams: PositiveInt | None = None


class TraceCell(Section):
    """What is read: a trace of the study by its name, or a file of one's own, with options of `Reading`."""

    trace: Annotated[str, _one_of(TraceName, _is_file)] = "elb"
    reading: Annotated[dict[str, bool | str | tuple[str, ...]], AfterValidator(_check_reading)] = {}

    @model_validator(mode="after")
    def _read_at_all(self) -> Self:
        if self.reading and not _is_file(self.trace):
            raise ValueError(f"reading says how a file is read; leave it out beside {self.trace}")
        return self


class ElasticCell(TraceCell):
    """What a cell of `elastic` has beside the section `elastic` and the LSTM's; the strategy may be one's own."""

    strategy: Annotated[str, _own(StrategyName)] = "combined"
    forecaster: ForecasterName = "ridge"


class OwnElasticCell(ElasticCell):
    """What a cell of `elastic` has on a file of one's own: the options of `er.replay`."""

    forecaster: ModelName = "ridge"  # type: ignore[assignment]
    scale: PositiveFloat | None = None
    unit: Annotated[str | None, AfterValidator(_check_unit)] = None
    fill: NonNegativeInt = 0

    @model_validator(mode="after")
    def _of_a_file(self) -> Self:
        if not _is_file(self.trace):
            raise ValueError(f"{self.trace} is no file; sweep files of your own and traces of the study apart")
        return self


class ForecastCell(TraceCell):
    """What a cell of `forecast` has beside the section `forecast`; the model may be `module:Name` of one's own."""

    model: Annotated[str, _own(ModelName)] = "ridge"
    horizon: PositiveInt = 1


class Los(Experiment):
    """One policy on one testbed (Paper B, section VI.C)."""

    name = "los"
    own = LosCell
    reads = ("los",)
    unread = (
        "los.streams", "los.fitted", "los.policies", "los.repeats", "los.adaptation", "los.sweeps", "los.fit",
        "los.city.sizes", "los.city.policies", "los.city.most", "los.city.hours", "los.city.repeats",
        "los.city.nodes_in_all", "los.city.refine",
    )  # fmt: skip
    measures = {
        "drop_percent": "triggers that were dropped (%)",
        "lost_percent": "trainings that were lost (% of the triggers)",
        "late_percent": "trainings that were late (% of those that ran)",
        "local_percent": "trainings at their source (% of those that ran)",
        "mean_hops": "hops of a training",
        "trainings": "trainings (per hour)",
        "uplink_megabytes": "sent over the uplinks (MB per hour)",
        "link_megabytes": "sent over all links (MB per hour)",
        "messages": "messages of a node (per hour)",
    }
    units = {
        **{"los.interval": "s", "los.hours": "h", "los.training_cost.b": "millicores"},
        **{f"los.training_cost.{name}": "s" for name in ("a", "d", "start", "stop")},
        **{"los.limits.floor": "millicores", "los.limits.ceiling": "millicores"},
    }

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the testbed's file, or of a city that of its places, and that of a policy of one's own."""
        section = settings["los"]
        named = section["city"]["places"] if section["testbed"] == CITY else section["testbed"]
        return (*(() if named is None else (places.find(named),)), *_own_files(settings["policy"], places))

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Emulate the testbed once; the columns are those of `emulator.results.by_policy`."""
        from edgeresearch.emulator.api import Scenario, simulate
        from edgeresearch.emulator.results import MESSAGES, link_traffic, outcome_shares, traffic

        section, streams = settings["los"], settings["streams"]
        if section["testbed"] == CITY and section["city"]["places"] is not None:
            section = merge(section, {"city": {"places": str(places.find(section["city"]["places"]))}})
        elif section["testbed"] not in (None, CITY):
            section = merge(section, {"testbed": str(places.find(section["testbed"]))})
        study = Params.of({"los": section}).los
        scenario, hours = Scenario.of(study), study.hours
        if streams is not None and scenario.testbed.stream_rule is not None:
            scenario = replace(scenario, testbed=scenario.testbed.with_rule(count=streams))
        with threadpool_limits(1):
            policy = _load_own(settings["policy"], places)
            outcome = simulate(scenario, policy, hours=hours, seed=seed, streams=streams, record="paths")
        triggers = outcome.triggers()
        if not len(triggers):
            raise InputError(f"no stream triggers a training within {hours:g} h; give more hours")
        dropped = int(triggers["end"].eq("dropped").sum())
        sent = {**traffic(outcome), **link_traffic(outcome)}
        return {
            "triggers": len(triggers),
            "drop_percent": 100 * dropped / len(triggers),
            **outcome_shares(triggers),
            "trainings": (len(triggers) - dropped) / hours,
            "uplink_megabytes": sent["uplink_megabytes"],
            "link_megabytes": sent["link_megabytes"],
            "messages": sum(sent[name] for name in MESSAGES),
        }


class Elastic(Experiment):
    """One strategy with one forecaster on one trace (Paper A, Table 3)."""

    name = "elastic"
    own: type[Section] = ElasticCell
    reads = ("elastic", "forecast.lstm")
    unread: Sequence[str] = (
        "elastic.traces", "elastic.repeats", "elastic.synthetic_repeats", "elastic.forecasters", "elastic.strategies",
        "elastic.leads",
    )  # fmt: skip
    measures = {
        "error_percent": "requests that failed (%)",
        **{f"{phase}_error_percent": f"requests that failed in {phase} (%)" for phase in PHASES},
        "pod_hours": "use of pods (pod-hours)",
        "forecast_r2": "R² of the forecast",
    }
    units = {
        **{f"elastic.{name}": "s" for name in ("seconds", "sync_period", "start_delay", "start_spread", "timeout")},
        **{f"elastic.{name}": "s" for name in ("grace", "service_time", "smooth", "dt")},
        **{f"elastic.{name}": "requests per s" for name in ("mean_qps", "q_max")},
        "elastic.window": "sync periods",
    }

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the trace's file, and that of a strategy of one's own."""
        return (*_trace_files(settings["trace"], places), *_own_files(settings["strategy"], places))

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Replay the trace once; errors by phase are those that the load tells (see `mark_load_phases`)."""
        from edgeresearch.autoscaling.experiment import PUBLISHED, run_experiment
        from edgeresearch.autoscaling.policies import name_policies, reads_forecast
        from edgeresearch.data.datasets import load_dataset

        policy, root = _load_own(settings["strategy"], places), _root(seed)
        # A strategy without a forecast needs no fitted model: the published accuracy costs nothing.
        maker = settings["forecaster"] if reads_forecast(next(iter(name_policies([policy]).values()))) else PUBLISHED
        once = {"forecasters": (maker,), "leads": (1.0,), "repeats": 1}
        config = parsed({**settings["elastic"], **once, "synthetic_repeats": 1}, ExperimentConfig, "elastic")
        series = load_dataset(settings["trace"], places.data, seed=root)
        lstm = parsed(settings["forecast"]["lstm"], LSTMSettings, "forecast.lstm")
        with threadpool_limits(1):
            table = run_experiment(series, config, lstm=lstm, seed=root, policies=[policy]).table
        of = {row["phase"]: row for row in table[table["reading"] == "trace"].to_dict("records")}
        return {
            "error_percent": float(of["all"]["error_percent"]),
            **{f"{phase}_error_percent": float(of[phase]["error_percent"]) for phase in PHASES},
            "pod_hours": float(of["all"]["pod_hours"]),
            "forecast_r2": float(of["all"]["forecast_r2"]),
            "real": series.origin.real,
        }


MOST = "most_pods"
"""What a load needs at most: where it is one, there is nothing to scale."""


class OwnElastic(Elastic):
    """The same on a file of one's own, as `er.replay` does it: its settings are of a service, not of the study."""

    own = OwnElasticCell
    measures = Elastic.measures | {MOST: "pods that the load needs at most"}
    taken = ("q_max", "start_delay", "start_spread", "sync_period", "min_pods", "max_pods")
    unread = tuple(f"elastic.{name}" for name in sorted({*ExperimentConfig.model_fields} - {*taken}))
    units = {f"elastic.{name}": "s" for name in ("start_delay", "start_spread", "sync_period")} | {
        "elastic.q_max": "requests per s",
        "scale": "requests per s",
        "fill": "steps",
    }

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Replay the file's trace once."""
        from edgeresearch.autoscaling.api import replay
        from edgeresearch.autoscaling.policies import name_policies

        policy, forecaster = _load_own(settings["strategy"], places), settings["forecaster"]
        lstm = parsed(settings["forecast"]["lstm"], LSTMSettings, "forecast.lstm")
        with threadpool_limits(1):
            found = replay(
                read_own(settings, places), policies=[policy], forecaster=forecaster, repeats=1, seed=_root(seed),
                models=STUDY.replace(lstm=lstm), **{name: settings["elastic"][name] for name in self.taken},
                **{name: settings[name] for name in ("scale", "unit", "fill")},
            )  # fmt: skip
        (name,) = name_policies([policy])
        row, course = (
            table[(table["strategy"] == name) & table["forecaster"].isin([forecaster, ""])]
            for table in (found.table, found.course)
        )
        off, load = course["forecast"] - course["load"], course["load"]
        return {
            **{each: float(row[each].iloc[0]) for each in self.measures if each in row},
            "forecast_r2": float(1 - (off**2).mean() / max(load[off.notna()].var(ddof=0), 1e-12)),
            MOST: int(found.config.pods_for(load.max())),
            "real": True,
        }


class Forecast(Experiment):
    """One model on one trace (Paper A, Table 2)."""

    name = "forecast"
    own = ForecastCell
    reads = ("forecast",)
    unread = tuple(f"forecast.{name}" for name in ("traces", "horizons", "seeds", "models", "bootstrap"))
    measures = {
        "skill": "skill over the last value (1 is perfect)",
        "mse": "mean squared error (the trace's unit, squared)",
        "mae": "mean absolute error (the trace's unit)",
        "r2": "R² of the forecast",
    }
    units = {
        **{name: "steps" for name in ("horizon", "forecast.window", "forecast.fill_limit", "forecast.max_steps")},
        **{f"forecast.{name}.hidden": "units" for name in ("lstm", "lstm_paper")},
        "forecast.forest.trees": "trees",
    }

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the trace's file, and that of a model of one's own."""
        return (*_trace_files(settings["trace"], places), *_own_files(settings["model"], places))

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Fit the model once and judge it on the end of the trace."""
        from edgeresearch.data.datasets import load_dataset
        from edgeresearch.forecasting.evaluation import compare, split

        root, model, own = _root(seed), _load_own(settings["model"], places), _is_file(settings["trace"])
        series = read_own(settings, places) if own else load_dataset(settings["trace"], places.data, seed=root)
        if settings["model"] == "seasonal_naive":
            known = split(series, ForecastSettings(window=1, max_steps=settings["forecast"]["max_steps"])).features
            if "season_lag_1" not in known:
                raise InputError(f"model seasonal_naive needs a season, and what is used of {series.name} has none")
        section = {
            **{**settings["forecast"], "horizons": (settings["horizon"],)},
            **{"seeds": 1, "bootstrap": {"resamples": 1, "block": 1}},
        }
        with threadpool_limits(1):
            chosen = parsed(section, ForecastSettings, "forecast")
            scores = compare([series], chosen, models=[model], seed=root)[0].table.iloc[0]
        found: dict[str, Scalar] = {name: float(scores[name]) for name in ("skill", "mse", "mae", "r2")}
        return {**found, "points": int(scores["points"]), "real": series.origin.real}


BUILTIN: Mapping[str, Experiment] = {each.name: each for each in (Los(), Elastic(), Forecast())}
"""The experiments by name."""


def _root(seed: np.random.SeedSequence) -> int:
    return int(seed.generate_state(1, np.uint32)[0])


def read_own(settings: Settings, places: Places) -> Trace:
    """Read the file of one's own that a cell names; a process reads it once."""
    path = places.find(settings["trace"])
    changed = path.stat().st_mtime_ns if path.exists() else 0
    try:
        return _read_once(path, changed, json.dumps(settings["reading"], sort_keys=True))
    except InputError as error:
        raise InputError(_name_options(str(error))) from error


def _name_options(message: str) -> str:
    """Say where in a sweep's file the options stand that a message names."""
    under = dict.fromkeys(Reading.__annotations__, " (under reading)")
    return re.sub(r"`(\w+)`", lambda name: name[1] + under.get(name[1], ""), message)


@lru_cache(maxsize=4)
def _read_once(path: Path, changed: int, reading: str) -> Trace:
    return read_trace(path, **json.loads(reading))


def fit_to_files(experiment: Experiment, base: Params, traces: Iterable[Any]) -> tuple[Experiment, Params]:
    """Return the experiment and the settings under it that suit the traces: `elastic` on files is `OwnElastic`."""
    from edgeresearch.autoscaling.api import OWN_TRACE

    if experiment is BUILTIN["elastic"] and any(_is_file(str(name)) for name in traces):
        return OwnElastic(), base.replace(elastic=OWN_TRACE)
    return experiment, base


def tell_files(cells: Iterable[Settings], places: Places) -> list[str]:
    """Return what was guessed of each file of one's own, read once as the cells will.

    Raises:
        InputError: A file cannot be read.
    """
    from edgeresearch.autoscaling.api import read_load

    own = {
        json.dumps([cell["trace"], cell["reading"], cell.get("unit"), cell.get("fill")]): cell
        for cell in cells
        if _is_file(str(cell.get("trace", "")))
    }
    notes = dict[str, None]()
    for cell in own.values():
        trace = read_own(cell, places)
        try:
            trace = read_load(trace, cell["unit"], cell["fill"]) if "unit" in cell else trace
        except InputError as error:
            raise InputError(f"{cell['trace']}: {_name_options(str(error))}") from error
        notes |= dict.fromkeys(f"{cell['trace']}: {_name_options(line)}" for line in trace.notes)
    return [*notes]


def _load_own(name: str, places: Places) -> Any:
    return load_object(name, *places.folders) if ":" in name else name


def _own_files(name: str, places: Places) -> Sequence[Path]:
    """Return the file of what `module:Name` names, which must be there; nothing for other names."""
    if ":" not in name:
        return ()
    file = getattr(inspect.getmodule(type(_load_own(name, places))), "__file__", None)
    return (Path(file),) if file else ()


def _trace_files(name: str, places: Places) -> Sequence[Path]:
    if _is_file(name):
        return (places.find(name),)
    return (places.data / REQUEST_TRACES[name].file,) if name in REQUEST_TRACES else ()
