"""The command line: thin, each command one call into the package, which is imported only when it is needed."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, TextIO

from typer import Exit, Option

from edgeresearch.cli import report, study, user
from edgeresearch.cli.base import PANELS, app, name_flags, with_examples
from edgeresearch.errors import InputError, RunError

STUDY = ("IPython", "bs4", "dvc", "filelock", "ipykernel", "itables", "jinja2", "jupyter_client", "nbclient",
         "nbconvert", "nbformat", "papermill", "psutil", "tabulate", "traitlets")  # fmt: skip
"""Packages of the extra `study`, by the names they are imported by."""

STREAM_FAULTS = (errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPIPE)
"""Of the standard output: those of files are told as bad input."""

__all__ = ["app", "main", "report", "study", "user"]

app.registered_commands.sort(key=lambda each: PANELS.index(str(each.rich_help_panel)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and leave: 0 done, 1 something failed, 2 bad input, 130 interrupted.

    Args:
        arguments: The words after the program's name; those of this process if None.
    """
    if arguments is None:
        _prepare()
    status, fault = 0, None
    try:
        status = _run(arguments)
    except OSError as error:
        if error.filename or error.errno not in STREAM_FAULTS:
            raise
        fault = error
    fault = _flushed(sys.stdout) or fault
    if isinstance(fault, BrokenPipeError):  # a reader that has seen enough, such as `head`
        status = status or 1
    elif fault:
        status = _tell(f"cannot write the standard output: {fault.strerror}; send it elsewhere", 2)
    _flushed(sys.stderr)
    sys.exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        try:
            app(args=arguments, prog_name="edgeresearch")
        except SystemExit as left:
            if not left.code and os.environ.get("DVC_STAGE"):
                _end_stage(os.environ["DVC_STAGE"])
            return _tell("interrupted", 130) if left.code == 130 else int(left.code or 0)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in STUDY:
            raise
        return _tell(f"this command needs {error.name}; pip install 'edgeresearch[study]'", 2)
    except (InputError, RunError) as error:
        return _tell(error, error.status)
    except KeyboardInterrupt:
        return _tell("interrupted", 130)
    return 0


def _end_stage(stage: str) -> None:
    from edgeresearch.pipeline import TIMINGS, record_metrics, record_seconds

    record_metrics(stage)
    if os.environ.get(TIMINGS):
        record_seconds(os.environ[TIMINGS], stage)


def _prepare() -> None:
    """Make up for what the surroundings lack: streams that are closed, letters they have not, an end that tidies up."""
    while (place := os.open(os.devnull, os.O_RDWR)) <= 2:  # else a file that is opened later would stand for one
        os.set_inheritable(place, True)
    os.close(place)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    os.environ.pop("MPLBACKEND", None)  # figures go to files, whatever a user's windows are
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


def _flushed(stream: TextIO) -> OSError | None:
    """Write out what a stream has left; if it cannot be, tell why, and let Python find nothing to complain of later."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _tell(error: object, status: int) -> int:
    with contextlib.suppress(OSError):
        print("error:", name_flags(" ".join(str(error).split())), file=sys.stderr)
    return status


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
