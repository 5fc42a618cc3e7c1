"""What the commands share: the app itself, reading settings, showing tables."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgeresearch.errors import InputError

if TYPE_CHECKING:
    from edgeresearch.config import Params, SchedulingStudy

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
"""The command line; the commands add themselves to it."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
PARAMS = "as the settings say"
"""Shown as the default of an option that stands in the settings."""


def described(text: str, *examples: str) -> str:
    """Return the help of a command: what it does, and examples."""
    return "\n".join([text, "", "\b", "Examples:", *(f"  {line}" for line in examples)])


def warn(message: str) -> None:
    """Say what may be wrong, on the error stream."""
    print("warning:", message, file=sys.stderr)


def read_settings(path: Path | None) -> "Params":
    """Read the settings: from a file, or `params.yaml` if it is here, or as they are by themselves."""
    from edgeresearch.config import Params, load

    usual = Path("params.yaml")
    if path is None and not usual.is_file():
        return Params()
    return load(path or usual)


def stage_settings(path: Path | None) -> "Params":
    """Read the settings of a stage, and let it and what it starts compute with one thread each: the same sums anywhere.

    The numeric libraries ask for their number of threads when they are imported, which is later.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    return read_settings(path)


def with_measured_cost(study: "SchedulingStudy", path: Path | None, model: str | None) -> "SchedulingStudy":
    """Return the settings with the training cost that `calibrate` measured, if a file of it is named, and tell of it.

    Raises:
        InputError: A model is named without a file, or the file is none of `calibrate`.
    """
    if path is None:
        if model:
            raise InputError("--truth-model says whose times of --truth are taken; give --truth, too")
        return study
    from edgeresearch.papers.measured_costs import measured_cost

    cost = measured_cost(path, model or "lstm", study.training_cost)
    print(cost.describe(study.limits))
    return study.replace(training_cost=cost)


def pair(words: str) -> tuple[str, Any]:
    """Return key and value of `KEY=VALUE`; the value is YAML.

    Raises:
        InputError: It is none.
    """
    import yaml

    key, equals, value = words.partition("=")
    if not key or not equals:
        raise InputError(f"-p {words}: expected KEY=VALUE, such as -p seed=7")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"-p {words}: the value is not YAML: {error}; quote it") from error


def show(table: Any, title: str, form: str = ".4g") -> None:
    """Print a table; numbers that are no whole numbers in this form."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for column in table.columns:
        shown.add_column(str(column))
    for row in table.itertuples(index=False):
        shown.add_row(*(format(cell, form) if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(shown)
