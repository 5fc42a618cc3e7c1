"""The settings in `params.yaml` and its profiles, typed, checked and frozen; read once, at the edge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.data.settings import DataSettings
from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.parallel import cores
from edgeresearch.settings import (
    Counts,
    Fraction,
    Section,
    Share,
    each_once,
    merge,
    parsed,
    read_yaml,
    refuse_unknown,
)

PolicyName = Literal["los", "in_situ", "random", "cloud", "least_loaded", "oracle"]


Policies = Annotated[tuple[PolicyName, ...], AfterValidator(each_once)]
Workers = Annotated[PositiveInt, BeforeValidator(lambda value: cores() if value == "auto" else value)]
"""Processes inside one stage; `auto` is the number of cores. Results do not depend on it."""


def find(start: str | Path = ".") -> Path:
    """Return the nearest folder with a `params.yaml`, from `start` upwards.

    Raises:
        InputError: There is none.
    """
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return folder
    raise InputError(f"no params.yaml in {start} or above; start in the folder of a checkout")


class District(Section):
    """Nodes of a district of a city: Paper B, Table I."""

    edge: PositiveInt = 5
    fog: PositiveInt = 4
    cloud: PositiveInt = 6


class City(Section):
    """A testbed as large as a city, and how far it grows."""

    places: str | None = "data/raw/aarhus_traffic/trafficMetaData.csv.gz"
    nodes: PositiveInt = 1347
    district: District = District()
    neighbours: PositiveInt = 4
    share: Annotated[float, Field(gt=0, le=1)] = 0.6
    sizes: Counts = (15, 45, 150, 450, 1347, 10000, 100000)
    policies: Policies = get_args(PolicyName)
    most: dict[PolicyName, PositiveInt] = {"cloud": 10000, "least_loaded": 10000, "oracle": 10000}
    hours: PositiveFloat = 1.0
    repeats: PositiveInt = 8
    nodes_in_all: PositiveInt = 20000
    refine: bool = False


DetectorName = Literal[
    "iftm_lstm_ema",
    "iftm_lstm_quantile",
    "iftm_autoencoder_ema",
    "iftm_autoencoder_quantile",
    "robust_z",
    "last_value",
    "half_space_trees",
    "ecod",
]


Detectors = Annotated[tuple[DetectorName, ...], AfterValidator(each_once)]


class Truth(Section):
    """How long trainings take in truth: eq. 1 of Paper B and the container's times; the scheduler never sees it."""

    a: PositiveFloat = 11410.0
    b: NonNegativeFloat = 0.0
    c: PositiveFloat = 1.014
    d: NonNegativeFloat = 17.38
    noise: NonNegativeFloat = 0.3608
    monitor: NonNegativeFloat = 0.2674
    start: NonNegativeFloat = 4.0
    stop: NonNegativeFloat = 1.0


class Rules(Section):
    """Where Paper B's Algorithm 1 leaves a choice."""

    hop_limit: PositiveInt = 3
    infeasible: Literal["best_fit", "closest"] = "best_fit"
    avoid: bool = False
    weight_utilisation: NonNegativeFloat = 1.0
    weight_latency: NonNegativeFloat = 1.0
    crowded: Fraction = 0.85
    sender: bool = False


class Limits(Section):
    """How the CPU limit of a training follows from its last run."""

    rule: Literal["period", "utilisation"] = "utilisation"
    first: Fraction = 0.85
    down: Fraction = 0.9
    up: Annotated[float, Field(gt=1)] = 1.1
    target: Fraction = 0.9
    floor: PositiveFloat = 81.67
    ceiling: PositiveFloat = 1000.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.floor > self.ceiling:
            raise ValueError(f"floor is {self.floor:g}, above ceiling, {self.ceiling:g}; give a smaller floor")
        return self


class Fitting(Section):
    """When eq. 1 is fitted to the runs of a job."""

    enough: PositiveInt = 1
    kept: PositiveInt = 24
    tolerance: PositiveFloat = 0.1
    refine: bool = True


class Adaptation(Section):
    """Paper B's Fig. 5: how limits move."""

    jobs: PositiveInt = 26
    iterations: PositiveInt = 55
    repeats: PositiveInt = 20
    free: PositiveFloat = 470.0
    drift_from: PositiveInt = 46
    drift: NonNegativeFloat = 0.1


class Fit(Section):
    """How long the settings above are searched for."""

    first: PositiveInt = 240
    keep: PositiveInt = 8
    rounds: PositiveInt = 5
    children: PositiveInt = 6
    step: Fraction = 0.15
    repeats: tuple[PositiveInt, PositiveInt, PositiveInt] = (2, 4, 30)


class Sweeps(Section):
    """What is varied beyond the paper, and where."""

    streams: Counts = (4, 8)
    intervals: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = (0.0, 5.0, 30.0, 120.0, 600.0)
    gateways: Counts = (1, 2, 3, 5)
    stays: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (900.0, 3600.0, 14400.0)
    away: PositiveFloat = 300.0


class Los(Section):
    """Paper B's scheduling experiment: the same settings for Figs. 5, 6 and 7."""

    testbed: str | None = None
    streams: Counts = (2, 4, 6, 8, 10)
    fitted: Counts = (2, 6, 10)
    policies: Policies = get_args(PolicyName)
    repeats: PositiveInt = 20
    hours: PositiveFloat = 4.0
    interval: NonNegativeFloat = 46.2
    loss: Share = 0.0
    truth: Truth = Truth()
    rules: Rules = Rules()
    limits: Limits = Limits()
    fitting: Fitting = Fitting()
    adaptation: Adaptation = Adaptation()
    sweeps: Sweeps = Sweeps()
    city: City = City()
    fit: Fit = Fit()


class IdentityLSTM(Section):
    """IFTM's LSTM."""

    hidden: PositiveInt = 16
    epochs: PositiveInt = 20
    stretch: PositiveInt = 50
    batch: PositiveInt = 4
    warm_up: NonNegativeInt = 5
    learning_rate: PositiveFloat = 0.01


class IdentityAutoencoder(Section):
    """IFTM's autoencoder."""

    hidden: PositiveInt | None = None
    epochs: PositiveInt = 20
    batch: PositiveInt = 64
    learning_rate: PositiveFloat = 0.01


class MovingThreshold(Section):
    """The threshold `ema`: exponential moving mean + k standard deviations."""

    k: NonNegativeFloat = 4.0
    memory: Annotated[float, Field(ge=1)] = 300.0
    warm_up: PositiveInt = 30


class QuantileThreshold(Section):
    """The threshold `quantile`: factor x a high quantile of the past errors."""

    quantile: Fraction = 0.99
    factor: PositiveFloat = 1.5
    window: PositiveInt = 1000
    warm_up: Annotated[int, Field(ge=5)] = 100


class Injection(Section):
    """Anomalies put into the streams."""

    every: PositiveInt = 150
    smallest: PositiveFloat = 2.0
    largest: PositiveFloat = 5.0


class Staleness(Section):
    """What dropped trainings do to detection."""

    sensors: PositiveInt = 10
    seeds: PositiveInt = 3
    samples: PositiveInt | None = None
    block: PositiveInt = 1000
    gain: PositiveFloat = 5.0
    control_seeds: NonNegativeInt = 1
    warm_seeds: NonNegativeInt = 1


class Calibration(Section):
    """Training times measured under CPU limits."""

    limits: Counts = (100, 150, 250, 400, 600, 850)
    repeats: PositiveInt = 3
    samples: PositiveInt = 1000


class Anomaly(Section):
    """Anomaly detection on the Aarhus streams: the same settings for every sensor and detector."""

    sensors: PositiveInt = 10
    train: PositiveInt = 1000
    every: PositiveInt = 1000
    samples: PositiveInt = 3000
    seeds: PositiveInt = 3
    detectors: Detectors = tuple(name for name in get_args(DetectorName) if name != "ecod")  # it needs an extra
    lstm: IdentityLSTM = IdentityLSTM()
    autoencoder: IdentityAutoencoder = IdentityAutoencoder()
    ema: MovingThreshold = MovingThreshold()
    quantile: QuantileThreshold = QuantileThreshold()
    injection: Injection = Injection()
    staleness: Staleness = Staleness()
    calibration: Calibration = Calibration()


PAPER = "paper"
"""The profile that is `params.yaml` itself."""


class Params(Section):
    """All settings."""

    seed: NonNegativeInt = 20240917
    workers: Workers = Field(default_factory=cores)
    data: DataSettings = DataSettings()
    forecast: ForecastSettings = ForecastSettings()
    elastic: ExperimentConfig = ExperimentConfig()
    los: Los = Los()
    anomaly: Anomaly = Anomaly()


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
