"""The settings in `params.yaml` and its profiles, typed, checked and frozen.

They are read once, at the edge (a command, a notebook, a stage); the library gets plain values as arguments. To add a
setting, add a field here with the value of the full run, and the same key to `params.yaml`: a test holds them equal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from edgeresearch.errors import InputError, nearest
from edgeresearch.settings import Section, merge, parsed, read_yaml, refuse_unknown

__all__ = ["PAPER", "Params", "load", "merge", "merged", "parse"]

PAPER = "paper"
"""The profile that is `params.yaml` itself."""

TraceName = Literal[
    "nasa", "worldcup98", "elb", "goog", "wiki_de", "retailrocket", "twitter_second", "twitter_minute", "paper_a"
]
ModelName = Literal[
    "random_forest",
    "ridge",
    "logistic",
    "xgboost",
    "lstm_paper",
    "last_value",
    "seasonal_naive",
    "ridge_calendar",
    "xgboost_calendar",
    "lstm",
    "lstm_huber",
]
StrategyName = Literal["advance", "responsive", "combined", "fixed", "hpa", "quantile", "oracle"]
ForecasterName = Literal["lstm", "ridge", "last_value", "published"]
SourceName = Literal["auto", "mirror", "download", "synthetic"]


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len(set(values)) < len(values):
        raise ValueError("name at least one, and each only once")
    return values


def _ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    if not values or list(values) != sorted(set(values)):
        raise ValueError("name at least one, in ascending order, each only once")
    return values


def _with_one(values: tuple[float, ...]) -> tuple[float, ...]:
    if 1.0 not in values or list(values) != sorted(set(values)):
        raise ValueError("name 1.0 among them, in ascending order, each only once")
    return values


Fraction = Annotated[float, Field(gt=0, lt=1)]
Traces = Annotated[tuple[TraceName, ...], AfterValidator(_each_once)]
Models = Annotated[tuple[ModelName, ...], AfterValidator(_each_once)]
Strategies = Annotated[tuple[StrategyName, ...], AfterValidator(_each_once)]
Forecasters = Annotated[tuple[ForecasterName, ...], AfterValidator(_each_once)]
Leads = Annotated[tuple[PositiveFloat, ...], AfterValidator(_with_one)]
Horizons = Annotated[tuple[PositiveInt, ...], AfterValidator(_ascending)]


class Data(Section):
    """Where the data comes from and where it lies."""

    source: SourceName = "auto"
    mirror: str | None = None
    folder: str = "data/raw"


class Bootstrap(Section):
    """The moving-block bootstrap behind the intervals."""

    resamples: PositiveInt = 1000
    block: PositiveInt = 60


class PaperLSTM(Section):
    """The paper's LSTM."""

    hidden: PositiveInt = 32
    epochs: PositiveInt = 10
    batch: PositiveInt = 128
    learning_rate: PositiveFloat = 0.003
    max_windows: PositiveInt = 20000


class LSTM(Section):
    """The project's LSTM."""

    hidden: PositiveInt = 32
    epochs: PositiveInt = 30
    patience: PositiveInt = 8
    chunk: PositiveInt = 64
    batch: PositiveInt = 16
    learning_rate: PositiveFloat = 0.005
    members: PositiveInt = 3


class Forest(Section):
    """The random forest."""

    trees: PositiveInt = 100


class Forecast(Section):
    """Paper A's forecasts: what is run on which traces, and how it is judged."""

    traces: Traces = get_args(TraceName)
    horizons: Horizons = (1, 5)
    window: PositiveInt = 60
    fill_limit: NonNegativeInt = 5
    max_steps: PositiveInt = 130000
    test_fraction: Fraction = 0.2
    validation_fraction: Fraction = 0.1
    seeds: PositiveInt = 5
    workers: PositiveInt = 2
    models: Models = get_args(ModelName)
    bootstrap: Bootstrap = Bootstrap()
    lstm_paper: PaperLSTM = PaperLSTM()
    lstm: LSTM = LSTM()
    forest: Forest = Forest()

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        if self.test_fraction + self.validation_fraction >= 1:
            raise ValueError(
                "test_fraction and validation_fraction must add up to less than 1: the rest is for training"
            )
        return self


class Cluster(Section):
    """One cluster of Paper A, Table 1: how many nodes it has, and what one of them has."""

    nodes: PositiveInt
    cores: PositiveInt
    memory_gb: PositiveInt
    network_gbps: PositiveInt
    disk_gb: PositiveInt


class Clusters(Section):
    """The clusters of Paper A, Table 1. A pod takes one core: those of the edge bound the number of pods."""

    cloud: Cluster = Cluster(nodes=3, cores=8, memory_gb=16, network_gbps=1, disk_gb=200)
    edge: Cluster = Cluster(nodes=9, cores=4, memory_gb=8, network_gbps=1, disk_gb=128)


class Elastic(Section):
    """Paper A's elastic scaling: few settings, the same for every trace, strategy and phase."""

    traces: Traces = ("elb", "wiki_de", "nasa", "worldcup98", "twitter_second", "paper_a")
    seconds: PositiveInt = 172800
    learn: Fraction = 0.5
    repeats: PositiveInt = 20
    forecasters: Forecasters = ("lstm", "ridge", "last_value", "published")
    strategies: Strategies = get_args(StrategyName)
    leads: Leads = (0.5, 1.0, 2.0)
    window: PositiveInt = 60
    accuracy: Fraction = 0.931
    mean_qps: PositiveFloat = 30.0
    q_max: PositiveFloat = 20.0
    share: Fraction = 0.8
    every: PositiveFloat = 30.0
    start_delay: NonNegativeFloat = 120.0
    start_spread: NonNegativeFloat = 90.0
    base_error: Fraction = 0.031
    timeout: NonNegativeFloat = 0.0
    grace: NonNegativeFloat = 30.0
    service_time: PositiveFloat = 0.2
    smooth: PositiveFloat = 120.0
    reach: PositiveFloat = 0.5
    clusters: Clusters = Clusters()


class Params(Section):
    """All settings."""

    seed: NonNegativeInt = 20240917
    data: Data = Data()
    forecast: Forecast = Forecast()
    elastic: Elastic = Elastic()


def load(path: str | Path, profile: str | None = None) -> Params:
    """Read a settings file, laid over by a profile.

    Args:
        path: A file such as `params.yaml`; keys that it leaves out have the values of the full run.
        profile: Name of `profiles/NAME.yaml` beside the file; None or `paper` for the file alone.

    Raises:
        InputError: A file is missing or not YAML, a key is unknown, or a value is not what its key takes.
    """
    return parse(merged(path, profile), str(path) if profile in (None, PAPER) else f"{path} with profile {profile}")


def merged(path: str | Path, profile: str | None = None) -> dict[str, Any]:
    """The plain mapping behind `load`: the file's keys with those of the profile laid over them, all of them known.

    Raises:
        InputError: A file is missing or not YAML, or a key is unknown.
    """
    path = Path(path)
    data = _read(path)
    if profile in (None, PAPER):
        return data
    folder = path.parent / "profiles"
    overlay = folder / f"{profile}.yaml"
    if not overlay.is_file():
        known = [PAPER, *sorted(each.stem for each in folder.glob("*.yaml"))]
        hint = nearest(str(profile), known)
        raise InputError(f"no profile {profile!r} beside {path}{hint}; known: {', '.join(known)}")
    return merge(data, _read(overlay))


def parse(data: Mapping[str, Any], where: str = "params") -> Params:
    """Turn a plain mapping into settings.

    Args:
        data: Keys and values as YAML gives them.
        where: Name of the place they come from, for messages.

    Raises:
        InputError: A key is unknown, or a value is not what its key takes.
    """
    return parsed(data, Params, where)


def _read(path: Path) -> dict[str, Any]:
    data = read_yaml(path)
    refuse_unknown(data, Params, str(path))
    return data
