"""The settings in `params.yaml` and its profiles, typed, checked and frozen; read once, at the edge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.data.settings import DataSettings
from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.papers.settings import SchedulingStudy
from edgeresearch.parallel import cores
from edgeresearch.settings import (
    Counts,
    Fraction,
    Section,
    each_once,
    merge,
    parsed,
    read_yaml,
    refuse_unknown,
)

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
    los: SchedulingStudy = SchedulingStudy()
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
