"""The emulator on measured training costs: eq. 1 as `calibrate` found it in place of the fitted one.

The fitted curve is what Paper B's published numbers ask for; the measured one is what this project's own trainings take
on one machine. Both can be the truth that the scheduler never sees.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from edgeresearch.emulator import experiment, results
from edgeresearch.emulator.city import city_from_settings
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import write_csv
from edgeresearch.profiling import training_cost

TABLE = Path("reports") / "tables" / "los" / "measured.csv"
POLICIES = ("los", "in_situ", "cloud")
"""What is run on measured costs."""


class Ground(NamedTuple):
    """Settings whose truth was measured.

    Attributes:
        section: `los` of the settings, where a, b, c, d and noise of `truth` are the measured ones, as `measured`
            there says.
        said: Which they are, and where they extrapolate, in a line.
    """

    section: dict[str, Any]
    said: str


def ground(section: Mapping[str, Any], path: str | Path, model: str = "lstm") -> Ground:
    """Take eq. 1 and the noise around it from a measurement; container and monitoring stay as they are set.

    Args:
        section: `los` of the settings as plain values.
        path: A file such as `data/calibration.json`.
        model: Whose trainings all streams have: `lstm` or `autoencoder`.

    Raises:
        InputError: The file is missing or no calibration, or has no such model.
    """
    models = training_cost.read(path).models
    if model not in models:
        raise InputError(f"{path} has no model {model!r}{nearest(model, models)}; known: {', '.join(models)}")
    found = models[model]
    truth = {**section["truth"], **found.curve.model_dump(), "noise": found.noise, "measured": f"{model} of {path}"}
    low, high = found.sampled.low, found.sampled.high
    floor, ceiling = section["limits"]["floor"], section["limits"]["ceiling"]
    beyond = f"; limits go from {floor:g} to {ceiling:g}, where it extrapolates"
    said = (
        f"truth: {model} as measured in {path}, t = {truth['a']:.4g} (R + {truth['b']:.4g})^-{truth['c']:.4g} + "
        f"{truth['d']:.3g} s, noise {truth['noise']:.2g}, from {low:g} to {high:g} millicores"
    )
    return Ground({**section, "truth": truth}, said + (beyond if floor < low or ceiling > high else ""))


def drop_rates(section: Mapping[str, Any], path: str | Path, *, seed: int, workers: int = 1) -> pd.DataFrame:
    """Return Fig. 7 as it would be with the measured trainings of each model.

    Args:
        section: `los` of the settings as plain values.
        path: A file such as `data/calibration.json`.
        seed: Root of all randomness; meshes, streams and noise are those of the stage `scheduling`.
        workers: Processes; results do not depend on them.

    Returns:
        `model`, `policy`, `streams`, `drop_percent`, `low`, `high`, and `seconds`: t_job of those that ran, on average.

    Raises:
        InputError: The file is missing or no calibration, or the settings do not fit the testbed.
    """
    fixed = {key: section[key] for key in ("streams", "repeats", "hours")}
    tables = []
    for model in training_cost.read(path).models:
        setup = experiment.setup(ground(section, path, model).section, city_from_settings(section))
        rows, _ = experiment.scheduling(setup, policies=POLICIES, seed=seed, workers=workers, **fixed)
        ran = rows[rows["end"] == "finished"].groupby(["policy", "streams"])["seconds"].mean().rename("seconds")
        rates = results.drop_rates(rows).merge(ran, how="left", left_on=["policy", "streams"], right_index=True)
        rates.insert(0, "model", model)
        tables.append(rates)
    return pd.concat(tables, ignore_index=True)


def write(
    section: Mapping[str, Any], path: str | Path, *, seed: int, workers: int = 1, out: str | Path = "."
) -> pd.DataFrame:
    """Run `drop_rates` and write `reports/tables/los/measured.csv`; the same settings and file give the same bytes.

    Args:
        section: `los` of the settings as plain values.
        path: A file such as `data/calibration.json`.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.
        out: Project folder.

    Raises:
        InputError: As `drop_rates`, or the table cannot be written.
    """
    found = drop_rates(section, path, seed=seed, workers=workers)
    write_csv(found, Path(out) / TABLE)
    return found
