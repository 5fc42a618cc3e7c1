"""The command line: thin, each command one call into the package, which is imported only when it is needed."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeresearch import __version__
from edgeresearch.errors import InputError, RunError

if TYPE_CHECKING:
    from edgeresearch.params import Params

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

_PARAMS = "as the settings say"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and leave: 0 done, 1 something failed, 2 bad input, 130 interrupted.

    Args:
        arguments: The words after the program's name; those of this process if None.
    """
    try:
        app(args=arguments, prog_name="edgeresearch")
    except InputError as error:
        _leave(error, 2)
    except RunError as error:
        _leave(error, 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(error: Exception, status: int) -> None:
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    sys.exit(status)


def _help(text: str, *examples: str) -> str:
    return "\n".join([text, "", "\b", "Examples:", *(f"  {line}" for line in examples)])


def _warn(message: str) -> None:
    print("warning:", message, file=sys.stderr)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"edgeresearch {__version__}")
        raise typer.Exit


@app.callback(
    help=_help(
        "Two papers on edge computing, re-run: elastic scaling on LSTM forecasts, and scheduling of model training.",
        "edgeresearch reproduce --profile quick",
        "edgeresearch data --source synthetic",
        "edgeresearch notebook 00-data -p seed=7",
    )
)
def _edgeresearch(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None: ...


@app.command(
    help=_help(
        "Fetch the data files: from a local mirror, else by download, else as synthetic stand-ins.",
        "edgeresearch data",
        "edgeresearch data --mirror ../data --folder data/raw",
        "edgeresearch data --source synthetic",
    )
)
def data(
    source: Annotated[
        str | None, typer.Option(help="auto, mirror, download or synthetic.", show_default=_PARAMS)
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(envvar="EDGERESEARCH_DATA_MIRROR", help="Local folder that holds the files."),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where to put the files.", show_default=_PARAMS)] = None,
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
) -> None:
    """Fetch the data files and write down where each comes from."""
    from edgeresearch.files import write_csv
    from edgeresearch.params import parse
    from edgeresearch.series.fetch import fetch

    settings = _settings(params)
    if source:  # by way of parse, so that a wrong word is told as one in the file is
        settings = parse(
            {**settings.model_dump(), "data": {**settings.data.model_dump(), "source": source}}, "--source"
        )
    chosen, place = settings.data, folder or Path(settings.data.folder)
    beside = mirror or (Path(chosen.mirror) if chosen.mirror else None)
    table = fetch(
        place,
        source=chosen.source,
        mirror=beside,
        seed=settings.seed,
        progress=sys.stderr.isatty(),
        warn=_warn,
    )
    write_csv(table, place / "sources.csv")
    _show(table.assign(sha256=table["sha256"].str[:12]), f"{len(table)} files in {place}")


@app.command(
    help=_help(
        "Run a notebook with parameters, as a batch job; a parameter that it does not declare is refused.",
        "edgeresearch notebook 00-data",
        "edgeresearch notebook 10-forecasting -p trace=elb -p 'horizons=[1, 5]'",
        "edgeresearch notebook mine/own.ipynb -f own.yaml --out own-run.ipynb",
    )
)
def notebook(
    name: Annotated[str, typer.Argument(help="Path of a notebook, or its name in notebooks/.")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="A parameter; its value is YAML.")
    ] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="YAML file of parameters; -p wins.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The executed copy.", show_default="build/notebooks/NAME.ipynb")
    ] = None,
) -> None:
    """Run one notebook."""
    from edgeresearch.notebook import run
    from edgeresearch.settings import read_yaml

    values = read_yaml(file) if file else {}
    for words in parameter or []:
        key, value = _pair(words)
        values[key] = value
    place = run(name, out or Path("build") / "notebooks" / f"{Path(name).stem}.ipynb", values)
    print(f"notebook: {place}")


@app.command(
    help=_help(
        "Run the pipeline as far as it is out of date, and say where the results lie.",
        "edgeresearch reproduce",
        "edgeresearch reproduce --profile quick",
    )
)
def reproduce(
    profile: Annotated[str, typer.Option(help="paper for the full run, or the name of a file in profiles/.")] = "paper",
) -> None:
    """Run the pipeline."""
    from edgeresearch import workspace

    print(f"results: {workspace.reproduce(Path(), profile)}")


# The commands that work on a user's own files follow here: forecast, compare.


def _settings(path: Path | None) -> "Params":
    from edgeresearch.params import Params, load

    usual = Path("params.yaml")
    if path is None and not usual.is_file():
        return Params()
    return load(path or usual)


def _pair(words: str) -> tuple[str, Any]:
    import yaml

    key, equals, value = words.partition("=")
    if not key or not equals:
        raise InputError(f"-p {words}: expected KEY=VALUE, such as -p seed=7")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"-p {words}: the value is not YAML: {error}; quote it") from error


def _show(table: Any, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for column in table.columns:
        shown.add_column(str(column))
    for row in table.itertuples(index=False):
        shown.add_row(*map(str, row))
    Console().print(shown)
