"""The command line: thin, each command one call into the package, which is imported only when it is needed."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from edgeresearch.cli import audit, pipeline, report, sweep, user
from edgeresearch.cli.base import app, described
from edgeresearch.errors import InputError, RunError

__all__ = ["app", "audit", "main", "pipeline", "report", "sweep", "user"]


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


def _show_version(wanted: bool) -> None:
    if wanted:
        from edgeresearch import __version__

        print(f"edgeresearch {__version__}")
        raise typer.Exit


@app.callback(
    help=described(
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
