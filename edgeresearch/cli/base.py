"""What the commands share: the app, the options that several of them have, reading settings, showing results."""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from typer import Argument, Option, Typer

from edgeresearch.errors import InputError, check_known

if TYPE_CHECKING:
    from rich.status import Status

    from edgeresearch.config import Params, SchedulingStudy

app = Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
"""The command line; `command` adds to it."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SET = "as the settings say"
"""Shown as the default of an option that stands in the settings."""
GUESSED = "guessed"


def option(text: str, default: str, *names: str, panel: str | None = None) -> Any:
    """Make an option that is None where it is not given, and whose default the help tells."""
    return Option(*names, help=text, show_default=default, rich_help_panel=panel)


def reading(text: str, name: str, default: str | bool = GUESSED) -> Any:
    """Make an option that says how a user's file is read."""
    return Option(name, help=text, show_default=default, rich_help_panel="How the file is read")


def own_file(text: str, name: str) -> Any:
    """Make an argument that is a file; one that is not there is told before anything heavy is imported."""
    return Argument(help=text, metavar=name, callback=_there)


def _there(path: Path) -> Path:
    from edgeresearch.io import check_file

    if str(path) != "-":
        check_file(path)
    return path


ParamsFile = Annotated[Path | None, option("Settings.", "params.yaml, if it is here", "--params")]
DataFolder = Annotated[Path | None, option("Where the data lies.", SET, "--folder")]
Traces = Annotated[
    list[str] | None, Argument(help="Names of traces, such as elb.", metavar="[TRACE]...", show_default=SET)
]
ProjectFolder = Annotated[Path, Option("--out", help="Project folder, which gets reports/ and data/processed/.")]
ReportsFolder = Annotated[Path, Option("--reports", help="Folder of the results.")]
TruthFile = Annotated[Path | None, option("Training times as measured in this file of 'calibrate', not as set.", SET)]
TruthModel = Annotated[str | None, option("Whose training times: lstm or autoencoder.", "lstm")]

ResultFolder = Annotated[Path, Option("--out", help="Folder of the results.")]
TraceFile = Annotated[Path, own_file("File with times and values, in any usual shape; - for standard input.", "TRACE")]
TimeColumn = Annotated[str | None, reading("Time column; date+clock if in two.", "--time")]
ValueColumn = Annotated[str | None, reading("Value column.", "--value")]
Step = Annotated[str | None, reading("Distance of two rows, as 5min.", "--step")]
Where = Annotated[list[str] | None, reading("Rows to keep, as instance=api-1.", "--where", "all")]
Sum = Annotated[bool | None, reading("Add up several series.", "--sum", False)]
Count = Annotated[bool | None, reading("Each row is an event: count them per step.", "--count", False)]
Rate = Annotated[bool | None, reading("The values are a counter: take its differences.", "--rate", GUESSED)]
Level = Annotated[bool | None, reading("The values are no counter, though they rise.", "--level", GUESSED)]
Decimal = Annotated[str | None, reading("Decimal mark, . or ,", "--decimal")]
TimeFormat = Annotated[
    str | None, reading("day-first, month-first, s, ms, us, ns, excel, or such as %d/%m/%Y.", "--time-format")
]
Zone = Annotated[str | None, reading("Zone of times that name none, as Europe/Berlin.", "--tz", "UTC")]
Parameters = Annotated[
    list[str] | None, Option("-p", "--parameter", metavar="KEY=VALUE", help="A parameter; its value is YAML.")
]
Seed = Annotated[int | None, option("Root of everything random.", "0", "--seed")]

FLAGS = {"q_max": "qmax", "sync_period": "every", "policies": "strategy", "columns": "column"}
"""Options that are not called as the arguments that they fill."""

F = TypeVar("F", bound=Callable[..., None])


def with_examples(text: str, *examples: str) -> str:
    """Return the help of a command: what it does, and examples of what can follow `edgeresearch`."""
    return "\n".join([text, "", "\b", "Examples:", *(f"  edgeresearch {words}".rstrip() for words in examples)])


def command(*examples: str) -> Callable[[F], F]:
    """Make a command of a function: its docstring is the help; the examples are what can follow its name."""

    def add(function: F) -> F:
        parts = (inspect.getdoc(function) or "").split("\n\n")
        text = "\n\n".join(" ".join(part.split()) for part in parts)
        return app.command(help=with_examples(text, *(f"{function.__name__} {words}" for words in examples)))(function)

    return add


def name_flags(message: str) -> str:
    """Return a message of the library with its arguments, in backticks, as the options that one types."""
    return re.sub(r"`([a-z]\w*)`", lambda name: "--" + FLAGS.get(name[1], name[1]).replace("_", "-"), message)


def warn(message: str) -> None:
    """Say what may be wrong, on the error stream."""
    print("warning:", message, file=sys.stderr)


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given; a function has its own defaults for the others."""
    return {name: value for name, value in options.items() if value is not None}


def refuse_others(what: str, known: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a word that is not known, or an option that only other words take (`known`: by word, as given)."""
    check_known("experiment", what, known)
    others = [name for options in known.values() for name in given(**options) if name not in known[what]]
    if others:
        raise InputError(f"{what} takes no --{others[0].replace('_', '-')}; leave it out")


def read_settings(params: Path | None, folder: Path | None = None) -> "Params":
    """Read the settings: a file, `params.yaml` if it is here, or the defaults; another data folder may be given."""
    from edgeresearch.config import Params, load

    usual = Path("params.yaml")
    settings = Params() if params is None and not usual.is_file() else load(params or usual)
    return settings if folder is None else settings.replace(data=settings.data.replace(folder=str(folder)))


def stage_settings(params: Path | None, folder: Path | None = None) -> "Params":
    """Read the settings of a stage, and let it and what it starts compute with one thread each: the same sums anywhere.

    The numeric libraries ask for their number of threads when they are imported, which is later.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    return read_settings(params, folder)


def check_early(policies: Iterable[str] | None, testbed: Path | None) -> None:
    """Refuse a policy or a testbed's file that cannot be, before the emulator is imported, which takes a second."""
    from edgeresearch.config import SchedulingStudy
    from edgeresearch.settings import read_yaml

    for name in policies or ():
        check_known("policy", name, SchedulingStudy().policies)
    if testbed and testbed.suffix:
        read_yaml(testbed)


def with_measured_cost(study: "SchedulingStudy", path: Path | None, model: str | None) -> "SchedulingStudy":
    """Return the settings with the training cost that `calibrate` measured, if a file of it is named, and print it."""
    if path is None and model:
        raise InputError("--truth-model says whose times of --truth are taken; give --truth, too")
    if path is None:
        return study
    from edgeresearch.papers.scheduling import measured_cost

    cost = measured_cost(path, model or "lstm", study.training_cost)
    print(cost.describe(study.limits))
    return study.replace(training_cost=cost)


def pairs(parameters: list[str] | None) -> dict[str, Any]:
    """Return keys and values of several `KEY=VALUE`; a value is YAML."""
    import yaml

    found = {}
    for words in parameters or ():
        key, equals, value = words.partition("=")
        if not key or not equals:
            raise InputError(f"-p {words}: expected KEY=VALUE, such as -p seed=7")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"-p {words}: the value is not YAML: {error}; quote it") from error
    return found


def status(message: str) -> "Status":
    """Say what is under way, on the error stream of a terminal."""
    from rich.console import Console

    return Console(stderr=True).status(message)


def ask(function: str, out: Path, **options: Any) -> Any:
    """Call a function of the front door with the options that were given, and print the notes of its result."""
    import edgeresearch
    from edgeresearch.io import check

    check(out)  # before long work
    with status("reading the input") as shown:
        result = getattr(edgeresearch, function)(**given(**{"progress": shown.update, **options}))
    print(*map(name_flags, result.notes), sep="\n")
    return result


def answer(result: Any, table: Any, title: str, out: Path, form: str = ".4g") -> None:
    """Print a table of a result and what follows from it, and save it."""
    if len(table):
        show(table, title, form)
    print(name_flags(result.summary))
    print(f"results: {result.save(out)}")


def show(table: Any, title: str, form: str = ".4g") -> None:
    """Print a table; numbers that are no whole numbers in this form, nothing where there is none."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for column in table.columns:
        shown.add_column(str(column))
    for row in table.astype(object).where(table.notna(), "").itertuples(index=False):
        shown.add_row(*(format(cell, form) if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(shown)


def join_bounds(low: Any, high: Any, form: str = ".4g") -> Any:
    """Return the ends of intervals as text, empty where there is none."""
    return (low.map(f"{{:{form}}}".format) + " to " + high.map(f"{{:{form}}}".format)).where(low.notna(), "")
