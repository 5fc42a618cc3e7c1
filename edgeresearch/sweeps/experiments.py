"""Experiments that can be swept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import PositiveInt
from threadpoolctl import threadpool_limits

from edgeresearch.autoscaling.replay import PHASES
from edgeresearch.autoscaling.settings import ExperimentConfig, ForecasterName, StrategyName
from edgeresearch.config import Params
from edgeresearch.data.registry import REQUEST_TRACES, TraceName
from edgeresearch.emulator.settings import PolicyName
from edgeresearch.errors import InputError
from edgeresearch.forecasting.settings import ForecastSettings, LSTMSettings, ModelName
from edgeresearch.settings import Section, merge, parsed

Scalar = bool | int | float | str | None
Settings = Mapping[str, Any]
"""Settings of a cell as plain values: those of the experiment's own, and the sections of the settings that it reads."""


@dataclass(frozen=True)
class Places:
    """Where a cell finds files: the folder of the data, and what relative paths in the settings are relative to."""

    data: Path
    root: Path


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
        """Return the testbed, unless it ships with the package; of a city the places of its edge nodes."""
        section = settings["los"]
        named = section["city"]["places"] if section["testbed"] == CITY else section["testbed"]
        return () if named is None else (places.root / named,)

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
        with threadpool_limits(1):
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


class Elastic(Experiment):
    """One strategy with one forecaster on one trace (Paper A, Table 3)."""

    name = "elastic"
    own = ElasticCell
    reads = ("elastic", "forecast.lstm")
    unread = (
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
        with threadpool_limits(1):
            table = run_experiment(series, config, lstm=lstm, seed=root).table
        of = {row["phase"]: row for row in table[table["reading"] == "trace"].to_dict("records")}
        return {
            "error_percent": float(of["all"]["error_percent"]),
            **{f"{phase}_error_percent": float(of[phase]["error_percent"]) for phase in PHASES},
            "pod_hours": float(of["all"]["pod_hours"]),
            "forecast_r2": float(of["all"]["forecast_r2"]),
            "real": series.origin.real,
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
        with threadpool_limits(1):
            scores = compare([series], parsed(section, ForecastSettings, "forecast"), seed=root)[0].table.iloc[0]
        found: dict[str, Scalar] = {name: float(scores[name]) for name in ("skill", "mse", "mae", "r2")}
        return {**found, "points": int(scores["points"]), "real": series.origin.real}


BUILTIN: Mapping[str, Experiment] = {each.name: each for each in (Los(), Elastic(), Forecast())}
"""The experiments by name."""


def _root(seed: np.random.SeedSequence) -> int:
    return int(seed.generate_state(1, np.uint32)[0])


def _trace_files(name: str, places: Places) -> Sequence[Path]:
    return (places.data / REQUEST_TRACES[name].file,) if name in REQUEST_TRACES else ()
