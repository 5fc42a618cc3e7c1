"""Experiments that can be swept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from pydantic import PositiveInt
from threadpoolctl import threadpool_limits

from edgeresearch.autoscaling.settings import ExperimentConfig, ForecasterName, StrategyName
from edgeresearch.config import Params
from edgeresearch.data.registry import TraceName
from edgeresearch.emulator.settings import PolicyName
from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.settings import ForecastSettings, LSTMSettings, ModelName
from edgeresearch.settings import Section, merge, parsed

Scalar = bool | int | float | str | None
Settings = Mapping[str, Any]
"""Settings of a cell as plain values: those of the experiment's own, and the sections of the settings that it reads."""


@dataclass(frozen=True)
class Places:
    """Where a cell finds files.

    Attributes:
        data: The data folder that `fetch` filled.
        root: What relative paths in the settings are relative to.
    """

    data: Path
    root: Path

    def file(self, path: str | Path) -> Path:
        """Return where a file of the settings lies."""
        return self.root / path


class Experiment(Protocol):
    """An experiment. It goes to other processes, so it must be picklable; what `run` needs is best imported there."""

    @property
    def name(self) -> str:
        """How a spec calls it."""
        ...

    @property
    def own(self) -> type[Section]:
        """Its own settings: names, types and defaults."""
        ...

    @property
    def reads(self) -> Sequence[str]:
        """Parts of `params.Params` that a cell reads, as dotted keys such as `los`; they are settings, too."""
        ...

    @property
    def unread(self) -> Sequence[str]:
        """Parts of those that a cell does not read."""
        ...

    @property
    def measures(self) -> Mapping[str, str]:
        """Columns of results with what they are and their units; the first is drawn if the spec names none."""
        ...

    @property
    def units(self) -> Mapping[str, str]:
        """Units of settings, for figures."""
        ...

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


def find(name: str, known: Mapping[str, Experiment]) -> Experiment:
    """Return an experiment by its name.

    Raises:
        InputError: There is none.
    """
    if name not in known:
        raise InputError(f"unknown experiment {name!r}{nearest(name, known)}; known: {', '.join(known)}")
    return known[name]


ERRORS = ("stable", "expansion", "shrinkage")
"""Phases whose errors are told (Paper A, section 4)."""
CITY = "city"
"""What `los.testbed` says where the testbed is grown to a city."""


class LosCell(Section):
    """What a cell of `los` has beside the section `los`."""

    policy: PolicyName = "los"
    streams: PositiveInt | None = None


class ElasticCell(Section):
    """What a cell of `elastic` has beside the section `elastic` and the LSTM's."""

    trace: TraceName = "elb"
    strategy: StrategyName = "combined"
    forecaster: ForecasterName = "ridge"


class ForecastCell(Section):
    """What a cell of `forecast` has beside the section `forecast`."""

    trace: TraceName = "elb"
    model: ModelName = "ridge"
    horizon: PositiveInt = 1


class Los:
    """One policy on one testbed (Paper B, section VI.C)."""

    name = "los"
    own = LosCell
    reads = ("los",)
    unread = tuple(
        f"los.{name}"
        for name in (
            "streams", "fitted", "policies", "repeats", "adaptation", "sweeps", "fit", "city.sizes",
            "city.policies", "city.most", "city.hours", "city.repeats", "city.nodes_in_all", "city.refine",
        )
    )  # fmt: skip
    measures = MappingProxyType(
        {
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
    )
    units = MappingProxyType(
        {
            **{"los.interval": "s", "los.hours": "h", "los.training_cost.a": "s"},
            "los.training_cost.b": "millicores",
            **{f"los.training_cost.{name}": "s" for name in ("d", "start", "stop")},
            **{"los.limits.floor": "millicores", "los.limits.ceiling": "millicores"},
        }
    )

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the testbed, unless it ships with the package; of a city the places of its edge nodes."""
        section = settings["los"]
        named = section["city"]["places"] if section["testbed"] == CITY else section["testbed"]
        return () if named is None else (places.file(named),)

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Emulate the testbed once; the columns are those of `emulator.results.by_policy`."""
        from edgeresearch.emulator.api import Scenario, simulate
        from edgeresearch.emulator.results import MESSAGES, link_traffic, outcome_shares, traffic

        section, streams = settings["los"], settings["streams"]
        for path in self.files(settings, places):
            found = {"city": {"places": str(path)}} if section["testbed"] == CITY else {"testbed": str(path)}
            section = merge(section, found)
        study = Params.of({"los": section}).los
        scenario, hours = Scenario.of(study), study.hours
        if streams is not None and scenario.testbed.stream_rule is not None:
            scenario = replace(scenario, testbed=scenario.testbed.with_rule(count=streams))
        with one_thread():
            outcome = simulate(scenario, settings["policy"], hours=hours, seed=seed, streams=streams, record="paths")
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


class Elastic:
    """One strategy with one forecaster on one trace (Paper A, Table 3)."""

    name = "elastic"
    own = ElasticCell
    reads = ("elastic", "forecast.lstm")
    unread = tuple(
        f"elastic.{name}"
        for name in ("traces", "repeats", "synthetic_repeats", "forecasters", "strategies", "leads")
    )  # fmt: skip
    measures = MappingProxyType(
        {
            "error_percent": "requests that failed (%)",
            **{f"{phase}_error_percent": f"requests that failed in {phase} (%)" for phase in ERRORS},
            "pod_hours": "use of pods (pod-hours)",
            "forecast_r2": "R² of the forecast",
        }
    )
    units = MappingProxyType(
        {
            **{f"elastic.{name}": "s" for name in ("seconds", "sync_period", "start_delay", "start_spread", "timeout")},
            **{f"elastic.{name}": "s" for name in ("grace", "service_time", "smooth", "dt")},
            **{f"elastic.{name}": "requests per s" for name in ("mean_qps", "q_max")},
            "elastic.window": "sync periods",
        }
    )

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the trace's file."""
        return _trace_files(settings["trace"], places)

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Replay the trace once; errors by phase are those that the load tells (see `mark_load_phases`)."""
        from edgeresearch.autoscaling.experiment import PUBLISHED, run_experiment
        from edgeresearch.autoscaling.policies import POLICIES
        from edgeresearch.data.datasets import load_dataset

        strategy, root = settings["strategy"], _root(seed)
        # A strategy without a forecast needs no fitted model: the published accuracy costs nothing.
        maker = settings["forecaster"] if POLICIES[strategy].reads_forecast else PUBLISHED
        once = {"forecasters": (maker,), "strategies": (strategy,), "leads": (1.0,), "repeats": 1}
        config = parsed({**settings["elastic"], **once, "synthetic_repeats": 1}, ExperimentConfig, "elastic")
        series = load_dataset(settings["trace"], places.data, seed=root)
        lstm = parsed(settings["forecast"]["lstm"], LSTMSettings, "forecast.lstm")
        with one_thread():
            table = run_experiment(series, config, lstm=lstm, seed=root).table
        of = {row["phase"]: row for row in table[table["reading"] == "trace"].to_dict("records")}
        return {
            "error_percent": float(of["all"]["error_percent"]),
            **{f"{phase}_error_percent": float(of[phase]["error_percent"]) for phase in ERRORS},
            "pod_hours": float(of["all"]["pod_hours"]),
            "forecast_r2": float(of["all"]["forecast_r2"]),
            "real": series.origin.real,
        }


class Forecast:
    """One model on one trace (Paper A, Table 2)."""

    name = "forecast"
    own = ForecastCell
    reads = ("forecast",)
    unread = tuple(f"forecast.{name}" for name in ("traces", "horizons", "seeds", "models", "bootstrap"))
    measures = MappingProxyType(
        {
            "skill": "skill over the last value (1 is perfect)",
            "mse": "mean squared error (the trace's unit, squared)",
            "mae": "mean absolute error (the trace's unit)",
            "r2": "R² of the forecast",
        }
    )
    units = MappingProxyType(
        {
            **{name: "steps" for name in ("horizon", "forecast.window", "forecast.fill_limit", "forecast.max_steps")},
            **{f"forecast.{name}.hidden": "units" for name in ("lstm", "lstm_paper")},
            "forecast.forest.trees": "trees",
        }
    )

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the trace's file."""
        return _trace_files(settings["trace"], places)

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Fit the model once and judge it on the end of the trace."""
        from edgeresearch.data.datasets import load_dataset
        from edgeresearch.forecasting.evaluation import compare, split

        root = _root(seed)
        series = load_dataset(settings["trace"], places.data, seed=root)
        if settings["model"] == "seasonal_naive":
            known = split(series, ForecastSettings(window=1, max_steps=settings["forecast"]["max_steps"])).features
            if "season_lag_1" not in known:
                raise InputError(f"model seasonal_naive needs a season, and what is used of {series.name} has none")
        section = {
            **{**settings["forecast"], "models": (settings["model"],), "horizons": (settings["horizon"],)},
            **{"seeds": 1, "bootstrap": {"resamples": 1, "block": 1}},
        }
        with one_thread():
            scores = compare([series], parsed(section, ForecastSettings, "forecast"), seed=root)[0].table.iloc[0]
        found: dict[str, Scalar] = {name: float(scores[name]) for name in ("skill", "mse", "mae", "r2")}
        return {**found, "points": int(scores["points"]), "real": series.origin.real}


BUILTIN: Mapping[str, Experiment] = MappingProxyType({each.name: each for each in (Los(), Elastic(), Forecast())})
"""The experiments by name."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the numeric libraries that are loaded to one thread: a cell has one core, and sums keep their order."""
    with threadpool_limits(1):
        yield


def _root(seed: np.random.SeedSequence) -> int:
    return int(seed.generate_state(1, np.uint32)[0])


def _trace_files(name: str, places: Places) -> Sequence[Path]:
    from edgeresearch.data.registry import REQUEST_TRACES

    return (places.data / REQUEST_TRACES[name].file,) if name in REQUEST_TRACES else ()
