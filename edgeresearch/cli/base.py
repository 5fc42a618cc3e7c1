"""What the commands share: the app, the options that several of them have, reading settings, showing results."""

import inspect
import os
import re
import sys
from collections.abc import Callable, Container, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from typer import Argument, Option, Typer

from edgeresearch.errors import InputError, check_known
from edgeresearch.io import readable

if TYPE_CHECKING:
    from rich.status import Status

    from edgeresearch.config import Params, SchedulingStudy

app = Typer(no_args_is_help=True, pretty_exceptions_enable=False)
"""The command line; `command` adds to it."""
OWN, READ, MAKE = "Your own data", "Results of the study", "The study and its pipeline"
PANELS = (OWN, READ, MAKE)
"""Groups of commands, in the order in which the help shows them."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SAMPLE = "examples/synthetic_requests.csv"
"""What examples in the help read: it lies in a clone."""
SET = "as the settings say"
"""Shown as the default of an option that stands in the settings."""
GUESSED = "guessed"


class Words(NamedTuple):
    """Words that an option takes: what one is, and a mark by which any other passes, with what such words are."""

    what: str
    known: tuple[str, ...]
    mark: str = ""
    other: str = ""

    def or_own(self) -> "Words":
        """Return these, or an object of a user's own."""
        return self._replace(mark=":", other="module:Name of your own")

    def added_to(self, made: Any) -> Any:
        """Let help and completion of an option or argument tell the words, and a wrong one get the nearest named."""
        *most, last = filter(None, (*self.known, self.other))
        made.help = f"{made.help}: {', '.join(most)} or {last}".rstrip(".") + "."
        made.callback, made.autocompletion = self._check, self._complete
        return made

    def _check(self, given: Any) -> Any:
        for each in [given] if isinstance(given, str) else given or ():
            if not self.mark or self.mark not in each:
                check_known(self.what, each, self.known)
        return given

    def _complete(self, incomplete: str) -> list[str]:
        return [each for each in self.known if each.startswith(incomplete)]


def option(text: str, default: str | bool, *names: str, panel: str | None = None, words: Words | None = None) -> Any:
    """Make an option that is None where it is not given, and whose default and words the help tells."""
    made = Option(*names, help=text, show_default=default, rich_help_panel=panel)
    return words.added_to(made) if words else made


def word(text: str, words: Words, **more: Any) -> Any:
    """Make an argument that takes some words."""
    return words.added_to(Argument(help=text, **more))


def own_file(text: str, name: str) -> Any:
    """Make an argument that is a file; one that is not there is told before anything heavy is imported."""
    return Argument(help=text, metavar=name, callback=_there)


def _there(path: Path) -> Path:
    from edgeresearch.io import check_file

    if str(path) != "-":
        check_file(path)
    return path


MODELS = Words("model", (
    "random_forest", "ridge", "logistic", "xgboost", "lstm_paper", "last_value", "seasonal_naive", "ridge_calendar",
    "xgboost_calendar", "lstm", "lstm_huber",
))  # fmt: skip
STRATEGIES = Words("strategy", ("advance", "responsive", "combined", "fixed", "hpa", "quantile", "oracle"))
POLICIES = Words("policy", ("los", "in_situ", "random", "cloud", "least_loaded", "oracle"))
TRACES = Words("trace", (
    "nasa", "worldcup98", "elb", "goog", "wiki_de", "retailrocket", "twitter_second", "twitter_minute", "paper_a"
))  # fmt: skip
TIME_FORMATS = Words(
    "time format",
    ("day-first", "month-first", "s", "ms", "us", "ns", "excel", "days", "matlab", "labview", "ticks"),
    "%",
    "a pattern such as %d/%m/%Y",
)
COSTED = Words("model", ("lstm", "autoencoder"))
"""What the rooms know; it stands here, too, as no help or completion waits for a room."""
COST = "Training times"

ParamsFile = Annotated[Path | None, option("Settings.", "params.yaml, if it is here", "--params")]
DataFolder = Annotated[Path | None, option("Where the data lies.", SET, "--folder")]
Traces = Annotated[list[str] | None, word("Traces", TRACES, metavar="[TRACE]...", show_default=SET)]
ProjectFolder = Annotated[Path, Option("--out", help="Project folder, which gets reports/ and data/processed/.")]
ReportsFolder = Annotated[Path, Option("--reports", help="Folder of the results.")]
TruthFile = Annotated[Path | None, option("Those that 'calibrate' measured, in its file.", SET, panel=COST)]
TruthModel = Annotated[str | None, option("Whose", "lstm", "--truth-model", panel=COST, words=COSTED)]

ResultFolder = Annotated[Path, Option("--out", help="Folder of the results.")]
TraceFile = Annotated[Path, own_file("File with times and values, in any usual shape; - for standard input.", "TRACE")]
Parameters = Annotated[
    list[str] | None, Option("-p", "--parameter", metavar="KEY=VALUE", help="A parameter; its value is YAML.")
]
Seed = Annotated[int | None, option("Root of everything random.", "0", "--seed")]

of_reading = partial(option, panel="How the file is read")
READING_OPTIONS: Mapping[str, Any] = {
    "time": Annotated[str | None, of_reading("Time column; date+clock if in two.", GUESSED)],
    "value": Annotated[str | None, of_reading("Value column.", GUESSED)],
    "step": Annotated[str | None, of_reading("Distance of two rows, as 5min.", GUESSED)],
    "where": Annotated[list[str] | None, of_reading("Rows to keep, as instance=api-1.", "all")],
    "sum": Annotated[bool | None, of_reading("Add up several series.", False, "--sum")],
    "count": Annotated[bool | None, of_reading("Each row is an event: count them per step.", False, "--count")],
    "rate": Annotated[bool | None, of_reading("The values are a counter: take its differences.", GUESSED, "--rate")],
    "level": Annotated[bool | None, of_reading("The values are no counter, though they rise.", GUESSED, "--level")],
    "missing": Annotated[str | None, of_reading("What stands for a missing value, as -999,NV.", GUESSED)],
    "decimal": Annotated[str | None, of_reading("Decimal mark", GUESSED, words=Words("decimal mark", (",", ".")))],
    "time_format": Annotated[str | None, of_reading("How times are written", GUESSED, words=TIME_FORMATS)],
    "tz": Annotated[str | None, of_reading("Zone of times that name none, as Europe/Berlin.", "UTC")],
}
"""How a user's file is read: the arguments of `Reading`, each None where it is not given."""

FLAGS = {"q_max": "qmax", "sync_period": "every", "policies": "strategy", "columns": "column"}
"""Options that are not called as the arguments that they fill."""

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that move a terminal's cursor, colour it or turn the direction of writing."""

F = TypeVar("F", bound=Callable[..., None])


def with_examples(text: str, *examples: str) -> str:
    """Return the help of a command: what it does, and examples of what can follow `edgeresearch`."""
    return "\n".join([text, "", "\b", "Examples:", *(f"  edgeresearch {words}".rstrip() for words in examples)])


def command(*examples: str, panel: str = MAKE) -> Callable[[F], F]:
    """Make a command of a function: its docstring is the help; the examples are what can follow its name."""

    def add(function: F) -> F:
        parts = (inspect.getdoc(function) or "").split("\n\n")
        text = "\n\n".join(" ".join(part.split()) for part in parts)
        shown = with_examples(text, *(f"{function.__name__} {words}" for words in examples))
        return app.command(help=shown, rich_help_panel=panel)(function)

    return add


def with_reading(*but: str) -> Callable[[F], F]:
    """Give a function that ends in `**reading` the options of `READING_OPTIONS`, but some, for typer to find."""

    def add(function: F) -> F:
        written = inspect.signature(function)
        *own, rest = written.parameters.values()
        more = [
            rest.replace(name=name, kind=rest.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in READING_OPTIONS.items()
            if name not in but
        ]
        function.__signature__ = written.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return function

    return add


def name_flags(message: str) -> str:
    """Return a message of the library as one line, its arguments, in backticks, as the options that one types."""
    flag = re.sub(r"`([a-z]\w*)`", lambda name: "--" + FLAGS.get(name[1], name[1]).replace("_", "-"), message)
    return as_text(" ".join(flag.splitlines()))


def as_text(words: object) -> str:
    """Return words that a terminal shows and does not obey: what is no letter is written as a code."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], readable(str(words)))


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


def own_objects(given: Any) -> Any:
    """Return a word, or several, with an object for each `module:Name`; its module lies here or is installed."""
    if given is None or isinstance(given, str):
        from edgeresearch.settings import load_object

        return load_object(given, Path.cwd()) if given and ":" in given else given
    return [own_objects(each) for each in given]


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


def pairs(parameters: list[str] | None, text: Container[str] = ()) -> dict[str, Any]:
    """Return keys and values of several `KEY=VALUE`; a value is YAML, or for the keys in `text` what is written."""
    from edgeresearch.settings import parse_yaml

    found = {}
    for words in parameters or ():
        key, equals, value = words.partition("=")
        if not key or not equals:
            raise InputError(f"-p {words}: expected KEY=VALUE, such as -p seed=7")
        found[key] = parse_yaml(value, f"-p {words}", {""} if key in text else ())
    return found


def status(message: str) -> "Status":
    """Say what is under way, on the error stream of a terminal."""
    from rich.console import Console
    from rich.text import Text

    return Console(stderr=True).status(Text(as_text(message)))


def ask(function: str, out: Path, **options: Any) -> Any:
    """Call a function of the front door with the options that were given, and those in `reading` (`with_reading`)."""
    from rich.text import Text

    import edgeresearch
    from edgeresearch.io import check

    check(out)  # before long work
    reading = options.pop("reading", {})
    with status("reading the input") as shown:
        progress = {"progress": lambda line: shown.update(Text(as_text(line)))}
        return getattr(edgeresearch, function)(**given(**progress | options | reading))


def answer(result: Any, table: Any, title: str, out: Path, form: str = ".4g") -> None:
    """Print a result's notes, a table of it and what follows, and save it, also where nobody reads what is printed."""
    try:
        print(*map(name_flags, result.notes), sep="\n")
        if len(table):
            show(table, title, form)
        print(name_flags(result.summary))
    finally:
        place = result.save(out)
    print(f"results: {place}")


def show(table: Any, title: str, form: str = ".4g") -> None:
    """Print a table; numbers that are no whole numbers in this form, nothing where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table()
    for column in table.columns:
        shown.add_column(Text(as_text(column)))
    for row in table.astype(object).where(table.notna(), "").itertuples(index=False):
        shown.add_row(*(Text(format(cell, form) if isinstance(cell, float) else as_text(cell)) for cell in row))
    Console().print(Text(as_text(title)), shown, sep="\n")


def join_bounds(low: Any, high: Any, form: str = ".4g") -> Any:
    """Return the ends of intervals as text, empty where there is none."""
    return (low.map(f"{{:{form}}}".format) + " to " + high.map(f"{{:{form}}}".format)).where(low.notna(), "")
