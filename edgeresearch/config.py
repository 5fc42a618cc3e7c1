"""The settings in `params.yaml` and its profiles, typed, checked and frozen; read once, at the edge.

Most sections are the rooms' own settings; those that say what the study runs, and how often, stand here.
"""

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

from edgeresearch.anomaly.evaluation import Injection, Schedule
from edgeresearch.anomaly.identity import AutoencoderIdentity, LSTMIdentity
from edgeresearch.anomaly.thresholds import MovingThreshold, QuantileThreshold
from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.data.registry import DataSettings
from edgeresearch.emulator.settings import CitySettings, EmulatorSettings, Policies, PolicyName
from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.parallel import cores
from edgeresearch.profiling.cpu_limit import CalibrationPlan
from edgeresearch.settings import Counts, Fraction, Section, each_once, merge, parsed, read_yaml, refuse_unknown

PAPER = "paper"
"""The profile that is `params.yaml` itself."""


class LimitAdaptation(Section):
    """Paper B's Fig. 5: how limits move.

    Attributes:
        jobs: Prediction jobs; each trains at its source.
        iterations: Trainings of each.
        repeats: Of the whole experiment.
        free: What a training finds free at its source, in millicores.
        drift_from: Iteration from which the machine slows down, of a job with the mean period: the machine ages by
            time, so that jobs with longer periods meet it earlier.
        drift: Relative growth of the CPU time with each such iteration after it.
    """

    jobs: PositiveInt = 26
    iterations: PositiveInt = 55
    repeats: PositiveInt = 20
    free: PositiveFloat = 470.0
    drift_from: PositiveInt = 46
    drift: NonNegativeFloat = 0.1


class SearchBudget(Section):
    """How long the settings of the emulator are searched for (see `fit_b.search`).

    Attributes:
        first: Points of the Latin hypercube.
        keep: Best ones that the next round starts from.
        rounds: Rounds of steps.
        children: Steps from each in a round.
        step: Standard deviation of a step in the first round, as a part of each span; it halves every second round.
        repeats: Of a point of the hypercube and of a step, and of the final evaluation.
    """

    first: PositiveInt = 240
    keep: PositiveInt = 8
    rounds: PositiveInt = 5
    children: PositiveInt = 6
    step: Fraction = 0.15
    repeats: tuple[PositiveInt, PositiveInt, PositiveInt] = (2, 4, 30)


class SchedulingSweeps(Section):
    """What is varied beyond the paper, and where."""

    streams: Counts = (4, 8)
    intervals: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = (0.0, 5.0, 30.0, 120.0, 600.0)
    gateways: Counts = (1, 2, 3, 5)
    stays: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (900.0, 3600.0, 14400.0)
    away: PositiveFloat = 300.0


class CityGrowth(CitySettings):
    """How far the testbed grows to a city, and what is run on each size.

    Attributes:
        sizes: Nodes of all layers.
        policies: What is run.
        most: Nodes up to which a policy is run; one that is not named: any.
        hours: Virtual time of each repeat.
        repeats: Of each size, at most.
        nodes_in_all: Nodes of all repeats of a size together, unless one repeat alone has more.
        refine: In place of `fitting.refine`.
    """

    sizes: Counts = (15, 45, 150, 450, 1347, 10000, 100000)
    policies: Policies = get_args(PolicyName)
    most: dict[PolicyName, PositiveInt] = {"cloud": 10000, "least_loaded": 10000, "oracle": 10000}
    hours: PositiveFloat = 1.0
    repeats: PositiveInt = 8
    nodes_in_all: PositiveInt = 20000
    refine: bool = False


class SchedulingStudy(EmulatorSettings):
    """Paper B's scheduling experiment: the same settings for Figs. 5, 6 and 7.

    Attributes:
        streams: Numbers of streams.
        fitted: Those of them whose published drop rates the settings were fitted on.
        policies: What is run.
        repeats: Of each.
        hours: Virtual time of each repeat.
        adaptation: Fig. 5.
        sweeps: Beyond the paper.
        city: Beyond the paper, too.
        fit: The search behind the settings.
    """

    streams: Counts = (2, 4, 6, 8, 10)
    fitted: Counts = (2, 6, 10)
    policies: Policies = get_args(PolicyName)
    repeats: PositiveInt = 20
    hours: PositiveFloat = 4.0
    adaptation: LimitAdaptation = LimitAdaptation()
    sweeps: SchedulingSweeps = SchedulingSweeps()
    city: CityGrowth = CityGrowth()
    fit: SearchBudget = SearchBudget()


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


class StalenessStudy(Section):
    """What dropped trainings do to detection on traffic.

    Attributes:
        sensors: The first ones.
        seeds: Draws of anomalies, first weights and emulated streams.
        samples: Samples behind the first training; all of them where None.
        block: Samples of a point of the course over time.
        gain: Of the control: factor on a drifting sensor's last sample.
        control_seeds: Draws that are run with the control, too.
        warm_seeds: Draws that are run with a warm start, too.
    """

    sensors: PositiveInt = 10
    seeds: PositiveInt = 3
    samples: PositiveInt | None = None
    block: PositiveInt = 1000
    gain: PositiveFloat = 5.0
    control_seeds: NonNegativeInt = 1
    warm_seeds: NonNegativeInt = 1


class AnomalyStudy(Schedule):
    """Anomaly detection on the Aarhus streams, with the same settings and schedule for every sensor and detector.

    Attributes:
        sensors: The first ones of each kind, traffic and pollution.
        samples: Samples behind the first training, into which anomalies are injected.
        seeds: Draws of anomalies and first weights.
    """

    sensors: PositiveInt = 10
    samples: PositiveInt = 3000
    seeds: PositiveInt = 3
    detectors: Detectors = tuple(name for name in get_args(DetectorName) if name != "ecod")  # it needs an extra
    lstm: LSTMIdentity = LSTMIdentity()
    autoencoder: AutoencoderIdentity = AutoencoderIdentity()
    ema: MovingThreshold = MovingThreshold()
    quantile: QuantileThreshold = QuantileThreshold()
    injection: Injection = Injection()
    staleness: StalenessStudy = StalenessStudy()
    calibration: CalibrationPlan = CalibrationPlan()


Workers = Annotated[PositiveInt, BeforeValidator(lambda value: cores() if value == "auto" else value)]
"""Processes inside one stage; `auto` is the number of cores. Results do not depend on it."""


class Params(Section):
    """All settings."""

    seed: NonNegativeInt = 20240917
    workers: Workers = Field(default_factory=cores)
    data: DataSettings = DataSettings()
    forecast: ForecastSettings = ForecastSettings()
    elastic: ExperimentConfig = ExperimentConfig()
    los: SchedulingStudy = SchedulingStudy()
    anomaly: AnomalyStudy = AnomalyStudy()


def find(start: str | Path = ".") -> Path:
    """Return the nearest folder with a `params.yaml`, from `start` upwards."""
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return folder
    raise InputError(f"no params.yaml in {start} or above; start in the folder of a checkout")


def load(path: str | Path, profile: str | None = None) -> Params:
    """Read a settings file, laid over by a profile.

    Args:
        path: A file such as `params.yaml`; keys that it leaves out have the values of the full run.
        profile: Name of `profiles/NAME.yaml` beside the file; None or `paper` for the file alone.

    Raises:
        InputError: A file is missing or not YAML, a key is unknown, or a value is not what its key takes.
    """
    where = str(path) if profile in (None, PAPER) else f"{path} with profile {profile}"
    return parsed(merged(path, profile), Params, where)


def merged(path: str | Path, profile: str | None = None) -> dict[str, Any]:
    """Return the plain mapping behind `load`: the file's keys and those of the profile laid over them, all known."""
    files = [Path(path)]
    if profile not in (None, PAPER):
        folder = files[0].parent / "profiles"
        files.append(folder / f"{profile}.yaml")
        if not files[1].is_file():
            known = [PAPER, *sorted(each.stem for each in folder.glob("*.yaml"))]
            hint = nearest(str(profile), known)
            raise InputError(f"no profile {profile!r} beside {path}{hint}; known: {', '.join(known)}")
    result: dict[str, Any] = {}
    for file in files:
        data = read_yaml(file)
        refuse_unknown(data, Params, str(file))
        result = merge(result, data)
    return result
