"""Fig. 7 of Paper B on measured training costs: eq. 1 as `edgeresearch calibrate` found it, not as it was fitted.

The fitted curve is what Paper B's published numbers ask for; the measured one is what this project's own trainings take
on one machine.
"""

from pathlib import Path

import pandas as pd
from pydantic import PositiveFloat

from edgeresearch.config import SchedulingStudy
from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, compare_policies
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import write_csv
from edgeresearch.profiling import training_cost
from edgeresearch.scheduling.settings import Limits

TABLE = Path("reports") / "tables" / "los" / "measured.csv"
POLICIES = ("los", "in_situ", "cloud")
"""What is run on measured costs."""


class MeasuredCost(TrainingCost):
    """A training cost whose a, b, c, d and noise were measured.

    Attributes:
        measured: Which model, and in which file.
        sampled: Smallest and largest limit that was measured, in millicores.
    """

    measured: str
    sampled: tuple[PositiveFloat, PositiveFloat]

    def describe(self, limits: Limits) -> str:
        """Return in a line what was measured, and whether limits go beyond it."""
        low, high = self.sampled
        line = (
            f"training cost: {self.measured}, t = {self.a:.4g} (R + {self.b:.4g})^-{self.c:.4g} + {self.d:.3g} s, "
            f"noise {self.noise:.2g}, from {low:g} to {high:g} millicores"
        )
        if limits.floor < low or limits.ceiling > high:
            line += f"; limits go from {limits.floor:g} to {limits.ceiling:g}, where it extrapolates"
        return line


def measured_cost(path: str | Path, model: str = "lstm", base: TrainingCost | None = None) -> MeasuredCost:
    """Read eq. 1 and the noise around it from a measurement; container and monitoring stay as they are set.

    Args:
        path: A file such as `data/calibration.json`.
        model: Whose trainings all streams have: `lstm` or `autoencoder`.
        base: What stays; the study's if None.

    Raises:
        InputError: The file is missing or no calibration, or has no such model.
    """
    models = training_cost.read(path).models
    if model not in models:
        raise InputError(f"{path} has no model {model!r}{nearest(model, models)}; known: {', '.join(models)}")
    fit = models[model]
    kept = {name: getattr(base or TrainingCost(), name) for name in ("monitor", "start", "stop")}
    sampled = fit.sampled.low, fit.sampled.high
    where = f"{model} as measured in {path}"
    return MeasuredCost(**fit.curve.model_dump(), noise=fit.noise, **kept, measured=where, sampled=sampled)


def drop_rates(study: SchedulingStudy, path: str | Path, *, seed: int, workers: int = 1) -> pd.DataFrame:
    """Return Fig. 7 as it would be with the measured trainings of each model.

    Args:
        study: All that stays.
        path: A file such as `data/calibration.json`.
        seed: Root of all randomness; meshes, streams and noise are those of the stage `scheduling`.
        workers: Processes; results do not depend on them.

    Returns:
        `model`, `policy`, `streams`, `drop_percent`, `low`, `high`, and `seconds`: t_job of those that ran, on average.

    Raises:
        InputError: The file is missing or no calibration, or the settings do not fit the testbed.
    """
    tables = []
    for model in training_cost.read(path).models:
        scenario = Scenario.of(study.replace(training_cost=measured_cost(path, model, study.training_cost)))
        rows, _ = compare_policies(
            scenario,
            streams=study.streams,
            policies=POLICIES,
            repeats=study.repeats,
            hours=study.hours,
            seed=seed,
            workers=workers,
        )
        ran = rows[rows["end"] == "finished"].groupby(["policy", "streams"])["seconds"].mean().rename("seconds")
        rates = results.drop_rates(rows).merge(ran, how="left", left_on=["policy", "streams"], right_index=True)
        rates.insert(0, "model", model)
        tables.append(rates)
    return pd.concat(tables, ignore_index=True)


def write(
    study: SchedulingStudy, path: str | Path, *, seed: int, workers: int = 1, out: str | Path = "."
) -> pd.DataFrame:
    """Run `drop_rates` and write `reports/tables/los/measured.csv`; the same settings and file give the same bytes.

    Raises:
        InputError: As `drop_rates`, or the table cannot be written.
    """
    table = drop_rates(study, path, seed=seed, workers=workers)
    write_csv(table, Path(out) / TABLE)
    return table
