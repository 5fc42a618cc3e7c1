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
    write_csv(table.drop(columns="source"), place / "sources.csv")  # the same, however a file came
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


@app.command(
    help=_help(
        "Fit and judge every forecaster on one request trace (Paper A, Table 2), and write scores and forecasts.",
        "edgeresearch compare elb",
        "edgeresearch compare paper_a --params profiles/mine.yaml",
        "edgeresearch compare elb --timings data/measured/fit_seconds.csv",
    )
)
def compare(
    trace: Annotated[str, typer.Argument(help="Name of a trace, such as elb.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=_PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
    timings: Annotated[
        Path | None, typer.Option(help="Write the CPU seconds into this file, and nothing else anywhere.")
    ] = None,
) -> None:
    """Compare the forecasters on one trace."""
    from edgeresearch.forecast import compare as work

    settings = _settings(params)
    series = work.trace(trace, folder or Path(settings.data.folder), settings.seed)
    found = work.compare(series, settings.forecast.model_dump(), seed=settings.seed)
    if timings:
        work.update_timings(timings, trace, found.seconds)
        print(f"timings: {timings}")
        return
    columns = ["horizon", "model", "mse", "mae", "r2", "skill"]
    _show(found.scores[columns].map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell), series.label)
    print(f"scores: {work.write(series, found, out).scores}")


@app.command(
    help=_help(
        "Replay every scaling strategy on one request trace (Paper A, Table 3), and write error rates and courses.",
        "edgeresearch replay elb",
        "edgeresearch replay paper_a --params profiles/mine.yaml",
    )
)
def replay(
    trace: Annotated[str, typer.Argument(help="Name of a trace, such as elb.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=_PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
) -> None:
    """Replay the strategies on one trace."""
    from edgeresearch.elastic import experiment as work
    from edgeresearch.forecast.compare import trace as load

    settings = _settings(params)
    series = load(trace, folder or Path(settings.data.folder), settings.seed)
    lstm = settings.forecast.lstm.model_dump()
    found = work.experiment(series, settings.elastic.model_dump(), lstm=lstm, seed=settings.seed)
    rows = found.table[(found.table["lead"] == 1) & (found.table["reading"] == "trace")]
    columns = ["forecaster", "strategy", "phase", "error_percent", "low", "high", "pod_hours"]
    _show(rows[columns].map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell), series.label)
    print(f"errors: {work.write(found, out)}")


@app.command(
    help=_help(
        "Make a table of the paper from what the traces gave: table2, table3, or figure1 (the shapes of Fig. 1).",
        "edgeresearch table table2",
        "edgeresearch table table3",
        "edgeresearch table figure1 --params params.yaml",
    )
)
def table(
    name: Annotated[str, typer.Argument(help="table2, table3 or figure1.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    reports: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("reports"),
) -> None:
    """Make one table of the paper."""
    from edgeresearch.paper import tables

    tables.write(name, reports, _settings(params).model_dump()[tables.SECTIONS.get(name, "forecast")])
    print(f"{name}: {reports}")


@app.command(
    help=_help(
        "Forecast a trace of your own: judge a model on its end, fit it on all of it, save it, state the coming steps.",
        "edgeresearch forecast requests.csv --out results",
        "edgeresearch forecast requests.csv --horizon 12 --seasonality 1d --out results",
        "edgeresearch forecast requests.csv --time when --value hits --step 5min --model ridge --out results",
        "edgeresearch forecast newer.csv --load results --out newer-results",
    )
)
def forecast(
    trace: Annotated[Path, typer.Argument(help="CSV with a time and a value column.", metavar="TRACE.csv")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    model: Annotated[str | None, typer.Option(help="The forecaster.", show_default="lstm")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps ahead, from 1 to this.", show_default="1")] = None,
    seasonality: Annotated[
        str | None,
        typer.Option(
            help="A season: steps (288), a duration (1d), or none.", show_default="a day, if the trace spans three"
        ),
    ] = None,
    window: Annotated[int | None, typer.Option(help="Past steps that a model sees.", show_default="60")] = None,
    time: Annotated[str | None, typer.Option(help="Time column.", show_default="guessed")] = None,
    value: Annotated[str | None, typer.Option(help="Value column.", show_default="guessed")] = None,
    step: Annotated[str | None, typer.Option(help="Distance of two rows, as 5min.", show_default="guessed")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of everything random.", show_default="0")] = None,
    load: Annotated[Path | None, typer.Option(help="Use this saved model again; nothing is fitted.")] = None,
) -> None:
    """Forecast a trace of one's own."""
    from rich.console import Console

    from edgeresearch.forecast.own import apply_file, forecast_file
    from edgeresearch.paper.own_trace import draw

    fit = {"model": model, "horizon": horizon, "seasonality": seasonality, "window": window, "seed": seed}
    given: dict[str, Any] = {name: option for name, option in fit.items() if option is not None}
    columns: dict[str, Any] = {"time": time, "value": value, "step": step, "draw": draw}
    if load and given:
        raise InputError(f"--{next(iter(given))} is a setting of the saved model; leave it out beside --load")
    with Console(stderr=True).status("reading the trace") as status:  # drawn on a terminal only
        if load:
            report = apply_file(trace, out, load=load, **columns)
        else:
            report = forecast_file(trace, out, **given, **columns, tell=status.update)
    for line in report.said:
        print(line)
    shown = report.scores[["horizon", "model", "points", "mse", "mae", "r2", "skill"]]
    _show(shown.map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell), report.trace.label)
    print(report.verdict)
    print(f"results: {out}")


@app.command(
    help=_help(
        "Ask of a trace of your own whether predictive scaling would pay: every strategy sees the same requests.",
        "edgeresearch elastic requests.csv --out results",
        "edgeresearch elastic requests.csv --qmax 50 --start-delay 90 --every 30 --out results",
        "edgeresearch elastic requests.csv --strategy combined --forecaster ridge --scale 400 --out results",
        "edgeresearch elastic hits.csv --time when --value hits --unit per-minute --max 40 --out results",
    )
)
def elastic(
    trace: Annotated[Path, typer.Argument(help="CSV with a time and a value column.", metavar="TRACE.csv")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="A strategy; responsive and hpa are always replayed.", show_default="all of them"),
    ] = None,
    forecaster: Annotated[str | None, typer.Option(help="The forecaster.", show_default="lstm")] = None,
    qmax: Annotated[float | None, typer.Option(help="Requests per second of a pod.", show_default="20")] = None,
    start_delay: Annotated[float | None, typer.Option(help="Seconds until a pod is ready.", show_default="30")] = None,
    start_spread: Annotated[float | None, typer.Option(help="Seconds around it, uniform.", show_default="0")] = None,
    every: Annotated[float | None, typer.Option(help="Seconds between two decisions.", show_default="15")] = None,
    minimum: Annotated[int | None, typer.Option("--min", help="Fewest pods.", show_default="1")] = None,
    maximum: Annotated[int | None, typer.Option("--max", help="Most pods.", show_default="1000")] = None,
    scale: Annotated[
        float | None, typer.Option(help="Scale to this mean, in requests per second.", show_default="as it is")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="per-second, per-minute, per-hour or per-step.", show_default="by the column's name"),
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Draws of what is random.", show_default="5")] = None,
    time: Annotated[str | None, typer.Option(help="Time column.", show_default="guessed")] = None,
    value: Annotated[str | None, typer.Option(help="Value column.", show_default="guessed")] = None,
    step: Annotated[str | None, typer.Option(help="Distance of two rows, as 5min.", show_default="guessed")] = None,
    fill: Annotated[
        int | None, typer.Option(help="Longest gap to interpolate, in steps.", show_default="0, gaps are refused")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Root of everything random.", show_default="0")] = None,
) -> None:
    """Replay scaling strategies on a trace of one's own."""
    from rich.console import Console

    from edgeresearch.elastic.own import elastic_file
    from edgeresearch.paper.own_elastic import draw

    options = {
        **{"strategies": strategy, "forecaster": forecaster, "q_max": qmax, "start_delay": start_delay},
        **{"start_spread": start_spread, "every": every, "minimum": minimum, "maximum": maximum, "scale": scale},
        **{"unit": unit, "repeats": repeats, "time": time, "value": value, "step": step, "fill": fill, "seed": seed},
    }
    given: dict[str, Any] = {name: option for name, option in options.items() if option is not None}
    with Console(stderr=True).status("reading the trace") as status:  # drawn on a terminal only
        report = elastic_file(trace, out, **given, draw=draw, tell=status.update)
    for line in report.said:
        print(line)
    heads = {"error_percent": "errors %", "overload_percent": "overload %", "expansion_error_percent": "in expansion %"}
    heads["pod_hours"] = "pod-hours"
    shown = report.table[["strategy", "forecaster", *heads]].rename(columns=heads)
    _show(shown.map(lambda cell: f"{cell:,.2f}" if isinstance(cell, float) else cell), report.trace.label)
    print(report.advice.line)
    print(f"results: {out}")


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
