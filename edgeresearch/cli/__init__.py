"""The command line: thin, each command one call into the package, which is imported only when it is needed."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

from typer import Exit, Option

from edgeresearch.cli import report, study, user
from edgeresearch.cli.base import PANELS, app, name_flags, with_examples
from edgeresearch.errors import InputError, RunError

STUDY = ("IPython", "bs4", "dvc", "filelock", "ipykernel", "itables", "jinja2", "jupyter_client", "nbclient",
         "nbconvert", "nbformat", "papermill", "psutil", "tabulate", "traitlets")  # fmt: skip
"""Packages of the extra `study`, by the names they are imported by."""

__all__ = ["app", "main", "report", "study", "user"]

app.registered_commands.sort(key=lambda each: PANELS.index(str(each.rich_help_panel)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and leave: 0 done, 1 something failed, 2 bad input, 130 interrupted.

    Args:
        arguments: The words after the program's name; those of this process if None.
    """
    try:
        try:
            app(args=arguments, prog_name="edgeresearch")
        except SystemExit as left:
            if not left.code and os.environ.get("DVC_STAGE"):
                _end_stage(os.environ["DVC_STAGE"])
            raise
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in STUDY:
            raise
        _leave(f"this command needs {error.name}; pip install 'edgeresearch[study]'", 2)
    except (InputError, RunError) as error:
        _leave(error, error.status)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_stage(stage: str) -> None:
    from edgeresearch.pipeline import TIMINGS, record_metrics, record_seconds

    record_metrics(stage)
    if os.environ.get(TIMINGS):
        record_seconds(os.environ[TIMINGS], stage)


def _leave(error: object, status: int) -> None:
    print("error:", name_flags(" ".join(str(error).split())), file=sys.stderr)
    sys.exit(status)


def _show_version(wanted: bool) -> None:
    if wanted:
        from edgeresearch import __version__

        print(f"edgeresearch {__version__}")
        raise Exit


@app.callback(
    help=with_examples(
        "Two papers on edge computing, re-run: elastic scaling on LSTM forecasts, and scheduling of model training.",
        "forecast examples/synthetic_requests.csv --model ridge --out results",
        "reproduce --profile quick",
        "claims --paper A",
    )
)
def _edgeresearch(
    version: Annotated[
        bool, Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None: ...
