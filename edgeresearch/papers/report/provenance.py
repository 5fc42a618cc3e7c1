"""What a reader must know of a run besides its results: its data, settings, seeds, stages and minutes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.papers.report.published import PaperTable
from edgeresearch.settings import read_yaml

STANDIN = "synthetic stand-in"

SEEDS: Mapping[str, str] = {
    "seed": "root of every random number",
    "forecast.seeds": "fits of each forecaster that has something random",
    "elastic.repeats": "draws of arrivals and start delays",
    "los.repeats": "runs of each number of streams and policy",
    "los.adaptation.repeats": "runs of the limits of Fig. 5",
    "anomaly.seeds": "draws of anomalies and first weights",
}
"""Settings that say how often something was done, and what."""


def flatten_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of all sections by their full names, such as `forecast.seeds`, as text."""
    (values,) = pd.json_normalize(dict(settings)).astype(object).to_dict("records")
    return {str(key): str(value).strip("[()]").replace("'", "") for key, value in values.items()}


def changed_settings(settings: Mapping[str, Any], full: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that differ from those of the full run and could change a result."""
    theirs = flatten_settings(full)
    return {
        key: f"{value} (full run: {theirs.get(key)})"
        for key, value in flatten_settings(settings).items()
        if value != theirs.get(key) and not key.startswith("data.") and not key.endswith("workers")
    }


def seeds(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that say how often something random was done, with their meaning."""
    values = flatten_settings(settings)
    return {name: f"{values[name]}: {words}" for name, words in SEEDS.items() if name in values}


def data_files(home: Path) -> PaperTable:
    """Return the data files of a run with their checksums, empty if nothing was fetched."""
    table = _read(home / "data" / "raw" / "sources.csv", {"file": "File", "real": "Values", "sha256": "sha256"})
    table["Values"] = table["Values"].map({"True": "real"}).fillna(STANDIN)
    return PaperTable("data-files", "The data files and their sha256", table)


def data_series(home: Path) -> PaperTable:
    """Return what the series are and whether their values were measured, empty if that was not written."""
    columns = {"trace": "Series", "data": "Values", "unit": "Unit", "steps": "Steps"}
    columns |= {"first": "From", "last": "To", "note": "What it is"}
    table = _read(home / "reports" / "tables" / "data_series.csv", columns)
    table[["From", "To"]] = table[["From", "To"]].apply(lambda times: times.str[:10])
    return PaperTable("data-series", "The series, and whether their values were measured", table)


def _read(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(columns.values()), dtype=str)
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[list(columns)].rename(columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} has not the columns {', '.join(columns)}; make it again with dvc repro") from error


def read_stages(pipeline: Path) -> dict[str, dict[str, Any]]:
    """Read what each stage of `dvc.yaml` does, its command, and what it makes.

    Raises:
        InputError: The file is missing or has no stages.
    """
    stages = read_yaml(pipeline).get("stages")
    if not isinstance(stages, dict):
        raise InputError(f"{pipeline} has no stages; run this in the folder of a checkout")
    return {str(name): _stage(entry) for name, entry in stages.items()}


def _stage(entry: Mapping[str, Any]) -> dict[str, Any]:
    outs = [each for kind in ("outs", "metrics", "plots") for each in entry.get(kind, [])]
    makes = [next(iter(each)) if isinstance(each, dict) else each for each in outs]
    command = " ".join(str(entry.get("cmd", "")).split()).removeprefix("python -m ")
    return {"does": entry.get("desc", ""), "command": command, "makes": makes}


def stage_minutes(home: Path) -> PaperTable | None:
    """Return where the minutes of the pipeline went, the items of a stage together; None where none were measured."""
    columns = {"stage": "stage", "cpu_seconds": "CPU minutes", "wall_seconds": "wall minutes", "machine": "machine"}
    table = _read(home / "data" / "measured" / "stage_seconds.csv", columns)
    if table.empty:
        return None
    table["stage"] = table["stage"].str.partition("@")[0].replace("dvc", "DVC itself")
    minutes: Any = table[["CPU minutes", "wall minutes"]].astype(float) / 60
    sums: Any = minutes.assign(parts=1).groupby(table["stage"]).sum().sort_values("CPU minutes", ascending=False)
    sums.loc["all"] = sums.sum()
    sums["% of CPU"] = 100 * sums["CPU minutes"] / sums.loc["all", "CPU minutes"]
    formats = {"parts": "{:.0f}", "CPU minutes": "{:.1f}", "wall minutes": "{:.1f}", "% of CPU": "{:.0f}"}
    cells = {"stage": list(sums.index)} | {name: list(sums[name].map(form.format)) for name, form in formats.items()}
    machines = "; ".join(dict.fromkeys(filter(None, table["machine"])))
    note = f"Measured on: {machines}; `make stage-timings` measures the stages that run. Items of a stage are one row."
    return PaperTable("minutes", "Where the minutes of the pipeline go", pd.DataFrame(cells), (note,))
