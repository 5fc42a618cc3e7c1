"""Commands of the pipeline: data, notebooks, stages, tables."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeresearch.cli.base import PARAMS, app, described, pair, read_settings, show, warn
from edgeresearch.errors import InputError


@app.command(
    help=described(
        "Fetch the data files: from a local mirror, else by download, else as synthetic stand-ins.",
        "edgeresearch data",
        "edgeresearch data --mirror ../data --folder data/raw",
        "edgeresearch data --source synthetic",
    )
)
def data(
    source: Annotated[
        str | None, typer.Option(help="auto, mirror, download or synthetic.", show_default=PARAMS)
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(envvar="EDGERESEARCH_DATA_MIRROR", help="Local folder that holds the files."),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where to put the files.", show_default=PARAMS)] = None,
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
) -> None:
    """Fetch the data files and write down where each comes from."""
    from edgeresearch.files import write_csv
    from edgeresearch.params import parse
    from edgeresearch.series.fetch import fetch

    settings = read_settings(params)
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
        warn=warn,
    )
    write_csv(table.drop(columns="source"), place / "sources.csv")  # the same, however a file came
    show(table.assign(sha256=table["sha256"].str[:12]), f"{len(table)} files in {place}")


@app.command(
    help=described(
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
        key, value = pair(words)
        values[key] = value
    place = run(name, out or Path("build") / "notebooks" / f"{Path(name).stem}.ipynb", values)
    print(f"notebook: {place}")


@app.command(
    help=described(
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


@app.command(
    help=described(
        "Fit and judge every forecaster on one request trace (Paper A, Table 2), and write scores and forecasts.",
        "edgeresearch compare elb",
        "edgeresearch compare paper_a --params profiles/mine.yaml",
        "edgeresearch compare elb --timings data/measured/fit_seconds.csv",
    )
)
def compare(
    trace: Annotated[str, typer.Argument(help="Name of a trace, such as elb.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
    timings: Annotated[
        Path | None, typer.Option(help="Write the CPU seconds into this file, and nothing else anywhere.")
    ] = None,
) -> None:
    """Compare the forecasters on one trace."""
    from edgeresearch.forecast import compare as work

    settings = read_settings(params)
    series = work.trace(trace, folder or Path(settings.data.folder), settings.seed)
    found = work.compare(series, settings.forecast.model_dump(), seed=settings.seed)
    if timings:
        work.update_timings(timings, trace, found.seconds)
        print(f"timings: {timings}")
        return
    columns = ["horizon", "model", "mse", "mae", "r2", "skill"]
    show(found.scores[columns].map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell), series.label)
    print(f"scores: {work.write(series, found, out).scores}")


@app.command(
    help=described(
        "Replay every scaling strategy on one request trace (Paper A, Table 3), and write error rates and courses.",
        "edgeresearch replay elb",
        "edgeresearch replay paper_a --params profiles/mine.yaml",
    )
)
def replay(
    trace: Annotated[str, typer.Argument(help="Name of a trace, such as elb.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
) -> None:
    """Replay the strategies on one trace."""
    from edgeresearch.elastic import experiment as work
    from edgeresearch.forecast.compare import trace as load

    settings = read_settings(params)
    series = load(trace, folder or Path(settings.data.folder), settings.seed)
    lstm = settings.forecast.lstm.model_dump()
    found = work.experiment(series, settings.elastic.model_dump(), lstm=lstm, seed=settings.seed)
    rows = found.table[(found.table["lead"] == 1) & (found.table["reading"] == "trace")]
    columns = ["forecaster", "strategy", "phase", "error_percent", "low", "high", "pod_hours"]
    show(rows[columns].map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell), series.label)
    print(f"errors: {work.write(found, out)}")


@app.command(
    help=described(
        "Make a table of the papers from what the stages gave: table2, table3, figure1 (the shapes of Paper A, Fig. 1) "
        "or los (Paper B, Table I and Figs. 5 to 7, and what of them is reached).",
        "edgeresearch table table2",
        "edgeresearch table table3",
        "edgeresearch table los",
        "edgeresearch table figure1 --params params.yaml",
    )
)
def table(
    name: Annotated[str, typer.Argument(help="table2, table3, figure1 or los.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    reports: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("reports"),
) -> None:
    """Make one table of the paper."""
    from edgeresearch.paper import tables

    tables.write(name, reports, read_settings(params).model_dump()[tables.SECTIONS.get(name, "forecast")])
    print(f"{name}: {reports}")


@app.command(
    help=described(
        "Emulate Paper B's testbed: limits (Fig. 5), scheduling (Figs. 6 and 7), or sweeps (what the paper lacks).",
        "edgeresearch emulate limits",
        "edgeresearch emulate scheduling --params profiles/mine.yaml",
        "edgeresearch emulate sweeps --out results",
    )
)
def emulate(
    what: Annotated[str, typer.Argument(help="limits, scheduling or sweeps.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
) -> None:
    """Emulate one of Paper B's experiments."""
    from edgeresearch.emulator import stages

    settings = read_settings(params)
    found = stages.write(what, settings.los.model_dump(), seed=settings.seed, out=out)
    print(f"{', '.join(name for name in found if name != 'rows')}: {out / stages.TABLES}")


@app.command(
    help=described(
        "Search the emulator's settings that come nearest to some of Paper B's numbers; many minutes, nothing is set.",
        "edgeresearch fit",
        "edgeresearch fit --out data/measured/los_fit.csv",
    )
)
def fit(
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    out: Annotated[Path, typer.Option(help="File of every evaluation.")] = Path("data/measured/los_fit.csv"),
) -> None:
    """Fit the emulator to Paper B."""
    from rich.console import Console

    from edgeresearch.emulator import calibrate
    from edgeresearch.files import write_csv
    from edgeresearch.paper.paper_b import FITTED

    settings = read_settings(params)
    with Console(stderr=True).status("searching"):  # drawn on a terminal only
        found = calibrate.fitted(settings.los.model_dump(), FITTED, seed=settings.seed)
    write_csv(found, out)
    best = found[found["stage"] == calibrate.LAST].sort_values("loss").head(5)
    show(best.map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell).T.reset_index(), "the five best")
    print(f"evaluations: {out}")


@app.command(
    help=described(
        "Run the detectors on Aarhus sensors with injected anomalies: sensors.",
        "edgeresearch anomaly sensors",
        "edgeresearch anomaly sensors --params profiles/mine.yaml --out results",
    )
)
def anomaly(
    what: Annotated[str, typer.Argument(help="sensors.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/.")] = Path(),
) -> None:
    """Run the experiments on anomaly detection."""
    from edgeresearch.anomaly import experiment

    if what != "sensors":
        raise InputError(f"there is no experiment {what!r}; known: sensors")
    settings = read_settings(params)
    section = settings.anomaly.model_dump()
    found = experiment.write(folder or Path(settings.data.folder), section, seed=settings.seed, out=out)
    for name in found.absent:
        warn(f"{name} is left out, as {experiment.PACKAGES[name]} is not installed; take edgeresearch[detectors]")
    columns = ["kind", "detector", "point_f1", "event_f1", "auc_pr", "delay", "false_alarms_per_day"]
    rows = found.table.loc[found.table["sensor"] == experiment.POOLED, columns]
    show(rows.map(lambda cell: f"{cell:.3g}" if isinstance(cell, float) else cell), "all sensors together")
    print(f"tables: {out / experiment.TABLES}")
