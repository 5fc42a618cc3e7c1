"""Commands of the pipeline: data, notebooks, stages, tables."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeresearch.cli.base import (
    PARAMS,
    app,
    described,
    pair,
    read_settings,
    show,
    stage_settings,
    warn,
    with_measured_cost,
)
from edgeresearch.errors import InputError

if TYPE_CHECKING:
    from edgeresearch.config import Params, SchedulingStudy

TRACES = Annotated[
    list[str] | None,
    typer.Argument(help="Names of traces, such as elb.", metavar="[TRACE]...", show_default=PARAMS),
]


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
    from edgeresearch.config import parse
    from edgeresearch.data.download import fetch
    from edgeresearch.io import write_csv

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
        "edgeresearch notebook mine/own.ipynb -f own.yaml --out own-run.ipynb --html own-run.html",
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
    html: Annotated[
        Path | None, typer.Option(help="The same as a page that needs no network.", show_default="none")
    ] = None,
) -> None:
    """Run one notebook."""
    from edgeresearch.notebook import run
    from edgeresearch.settings import read_yaml

    values = read_yaml(file) if file else {}
    for words in parameter or []:
        key, value = pair(words)
        values[key] = value
    place = run(name, out or Path("build") / "notebooks" / f"{Path(name).stem}.ipynb", values, html=html)
    print(f"notebook: {place}")
    if html:
        print(f"page: {html}")


@app.command(
    help=described(
        "Run every notebook of the study, several at a time: one of a trace for each trace of the settings.",
        "edgeresearch notebooks",
        "edgeresearch notebooks -p points=500",
    )
)
def notebooks(
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="For the notebooks that declare it; YAML."),
    ] = None,
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path, typer.Option(help="Where the notebooks lie.")] = Path("notebooks"),
    out: Annotated[Path, typer.Option(help="Folder of the executed copies.")] = Path("build/notebooks"),
    html: Annotated[Path, typer.Option(help="Folder of their pages.")] = Path("reports/notebooks"),
) -> None:
    """Run the notebooks of the study."""
    settings = stage_settings(params)
    from edgeresearch import notebook

    traces = {"10-forecasting": settings.forecast.traces, "11-elastic": settings.elastic.traces}
    jobs = notebook.jobs(folder, out, html, dict(map(pair, parameter or [])), traces)
    notebook.run_all(jobs, settings.workers)
    print(f"{len(jobs)} notebooks: {html}")


@app.command(
    help=described(
        "Run the pipeline as far as it is out of date, and say where the results lie.",
        "edgeresearch reproduce",
        "edgeresearch reproduce --profile quick",
        "edgeresearch reproduce --timings data/measured/stage_seconds.csv",
    )
)
def reproduce(
    profile: Annotated[str, typer.Option(help="paper for the full run, or the name of a file in profiles/.")] = "paper",
    timings: Annotated[
        Path | None, typer.Option(help="Write the CPU and wall seconds of each stage that runs into this file.")
    ] = None,
) -> None:
    """Run the pipeline."""
    from edgeresearch import pipeline

    place = pipeline.reproduce(Path(), profile, timings)
    print(f"results: {place}")
    page = place / "site" / "index.html"
    if page.is_file():
        print(f"report: {page}")


@app.command(
    help=described(
        "Fit and judge every forecaster on request traces (Paper A, Table 2), and write scores and forecasts.",
        "edgeresearch compare",
        "edgeresearch compare elb nasa",
        "edgeresearch compare paper_a --params profiles/mine.yaml",
        "edgeresearch compare elb --timings data/measured/fit_seconds.csv",
    )
)
def compare(
    names: TRACES = None,
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
    timings: Annotated[
        Path | None, typer.Option(help="Write the CPU seconds into this file, and nothing else anywhere.")
    ] = None,
) -> None:
    """Compare the forecasters."""
    settings = stage_settings(params)
    from edgeresearch.data.datasets import load_dataset
    from edgeresearch.forecasting import evaluation
    from edgeresearch.papers.paper_a.tables import update_timings, write_comparison

    place = folder or Path(settings.data.folder)
    traces = [load_dataset(name, place, seed=settings.seed) for name in names or settings.forecast.traces]
    for result in evaluation.compare(traces, settings.forecast, seed=settings.seed, workers=settings.workers):
        if timings:
            update_timings(timings, result)
            print(f"timings of {result.trace.name}: {timings}")
            continue
        show(result.table[["horizon", "model", "mse", "mae", "r2", "skill"]], result.trace.label)
        print(f"scores: {write_comparison(result, out)}")


@app.command(
    help=described(
        "Replay every scaling strategy on request traces (Paper A, Table 3), and write error rates and courses.",
        "edgeresearch replay",
        "edgeresearch replay elb nasa",
        "edgeresearch replay paper_a --params profiles/mine.yaml",
    )
)
def replay(
    names: TRACES = None,
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
) -> None:
    """Replay the strategies."""
    settings = stage_settings(params)
    from edgeresearch.autoscaling.experiment import run_experiments
    from edgeresearch.data.datasets import load_dataset
    from edgeresearch.papers.paper_a.tables import write_scaling

    place, config = folder or Path(settings.data.folder), settings.elastic
    traces = [load_dataset(name, place, seed=settings.seed) for name in names or config.traces]
    lstm = settings.forecast.lstm
    results = run_experiments(traces, config, lstm=lstm, seed=settings.seed, workers=settings.workers)
    columns = ["forecaster", "strategy", "phase", "error_percent", "low", "high", "pod_hours"]
    for series, result in zip(traces, results, strict=True):
        rows = result.table[(result.table["lead"] == 1) & (result.table["reading"] == "trace")]
        show(rows[columns].map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell), series.label)
        print(f"errors: {write_scaling(result, out)}")


@app.command(
    help=described(
        "Make tables of the papers from what the stages gave: table2, table3, figure1 (the shapes of Paper A, "
        "Fig. 1), los (Paper B, Table I and Figs. 5 to 7, and what of them is reached) or claims (the audit of both).",
        "edgeresearch table table2",
        "edgeresearch table table3 figure1",
        "edgeresearch table los",
        "edgeresearch table figure1 --params params.yaml",
        "edgeresearch table claims",
    )
)
def table(
    names: Annotated[list[str], typer.Argument(help="table2, table3, figure1, los or claims; one or more.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    reports: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("reports"),
) -> None:
    """Make tables of the papers."""
    settings = stage_settings(params)
    from edgeresearch.papers import tables

    for name in names:
        tables.write(name, reports, settings)
    print(f"{', '.join(names)}: {reports}")


@app.command(
    help=described(
        "Emulate Paper B's testbed: limits (Fig. 5), scheduling (Figs. 6 and 7), sweeps (what the paper lacks), city "
        "(as large as one), or measured (Fig. 7 with the training times that 'edgeresearch calibrate' measured).",
        "edgeresearch emulate limits",
        "edgeresearch emulate scheduling --params profiles/mine.yaml",
        "edgeresearch emulate sweeps --out results",
        "edgeresearch emulate city",
        "edgeresearch emulate measured --truth data/calibration.json",
    )
)
def emulate(
    what: Annotated[str, typer.Argument(help="limits, scheduling, sweeps, city or measured.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Training times as measured in this file of 'calibrate', not as set; measured: of both models.",
            show_default="as the settings say; measured: data/calibration.json",
        ),
    ] = None,
    truth_model: Annotated[
        str | None, typer.Option(help="Whose training times: lstm or autoencoder.", show_default="lstm")
    ] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/ and data/processed/.")] = Path(),
) -> None:
    """Emulate one of Paper B's experiments."""
    from edgeresearch.papers import scheduling

    settings = stage_settings(params)
    if what == "measured":
        from edgeresearch.papers import measured_costs

        if truth_model:
            raise InputError("measured takes the times of every model; leave --truth-model out")
        measured_costs.write(
            settings.los, truth or Path("data/calibration.json"), seed=settings.seed, workers=settings.workers, out=out
        )
        print(f"measured: {out / measured_costs.TABLE}")
        return
    study = with_measured_cost(settings.los, truth, truth_model)
    if what == "city":
        _city(study, settings, out)
        return
    tables = scheduling.write(what, study, seed=settings.seed, workers=settings.workers, out=out)
    print(f"{', '.join(name for name in tables if name != 'rows')}: {out / scheduling.TABLES}")


def _city(study: "SchedulingStudy", settings: "Params", out: Path) -> None:
    from edgeresearch.papers import city_growth

    found = city_growth.write(study, seed=settings.seed, workers=settings.workers, out=out, warn=warn)
    sums = found.costs.groupby(["nodes", "policy"], sort=False)[["triggers", "cpu_seconds"]].sum().reset_index()
    each = 1e6 * sums["cpu_seconds"] / sums["triggers"]
    show(sums.assign(cpu_seconds=sums["cpu_seconds"].map("{:.2f}".format), microseconds=each.map("{:.0f}".format)), "")
    print(f"city, city_meshes: {out / city_growth.TABLES}")


@app.command(
    help=described(
        "Search the settings that come nearest to published numbers: elastic (Paper A, Table 3) or los (some of Paper "
        "B's, by the emulator). Many minutes; nothing is set.",
        "edgeresearch fit elastic",
        "edgeresearch fit elastic --neutral --trials 400",
        "edgeresearch fit elastic --trials 0 --draws 150",
        "edgeresearch fit los --out data/measured/los_fit.csv",
    )
)
def fit(
    what: Annotated[str, typer.Argument(help="elastic or los.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    trials: Annotated[
        int | None, typer.Option(help="elastic: settings to try; 0 only judges those set.", show_default="200")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(help="elastic: synthetic traces to search on, and as many held out.", show_default="20"),
    ] = None,
    neutral: Annotated[
        bool, typer.Option("--neutral", help="elastic: start from the middle of what is searched, not from those set.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="los: file of every evaluation.", show_default="data/measured/los_fit.csv")
    ] = None,
) -> None:
    """Fit one of the models to its paper."""
    given = {"--trials": trials is not None, "--draws": draws is not None, "--neutral": neutral, "--out": out}
    known = {"elastic": ("--trials", "--draws", "--neutral"), "los": ("--out",)}
    if what not in known:
        raise InputError(f"there is nothing {what!r} to fit; known: {', '.join(known)}")
    for name in given:
        if given[name] and name not in known[what]:
            raise InputError(f"fit {what} takes no {name}; leave it out")
    settings = read_settings(params)
    if what == "elastic":
        _fit_elastic(settings, 200 if trials is None else trials, 20 if draws is None else draws, neutral)
    else:
        _fit_los(settings, out or Path("data/measured/los_fit.csv"))


def _fit_elastic(settings: "Params", trials: int, draws: int, neutral: bool) -> None:
    from rich.console import Console

    from edgeresearch.papers.fit_a import format_fit, make_neutral_start, search_settings
    from edgeresearch.papers.paper_a.tables import published_cells

    start, cells = make_neutral_start(settings.elastic) if neutral else settings.elastic, published_cells()
    with Console(stderr=True).status("searching"):  # drawn on a terminal only
        fit = search_settings(start, cells, seed=settings.seed, trials=trials, draws=draws)
    print(format_fit(fit, start, cells))


def _fit_los(settings: "Params", out: Path) -> None:
    from rich.console import Console

    from edgeresearch.io import write_csv
    from edgeresearch.papers import fit_b
    from edgeresearch.papers.paper_b.published import FITTED

    with Console(stderr=True).status("searching"):
        found = fit_b.fit(settings.los, FITTED, seed=settings.seed, workers=settings.workers)
    write_csv(found, out)
    best = found[found["stage"] == fit_b.LAST].sort_values("loss").head(5)
    show(best.map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell).T.reset_index(), "the five best")
    print(f"evaluations: {out}")


@app.command(
    help=described(
        "Experiments on Aarhus sensors with injected anomalies: sensors (every detector), or staleness (what the "
        "trainings that the emulator dropped do to detection).",
        "edgeresearch anomaly sensors",
        "edgeresearch anomaly sensors --params profiles/mine.yaml --out results",
        "edgeresearch anomaly staleness --triggers data/processed/los/triggers.parquet",
    )
)
def anomaly(
    what: Annotated[str, typer.Argument(help="sensors or staleness.")],
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    triggers: Annotated[
        Path | None,
        typer.Option(
            help="staleness: what 'emulate scheduling' wrote.", show_default="data/processed/los/triggers.parquet"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Project folder, which gets reports/.")] = Path(),
) -> None:
    """Run the experiments on anomaly detection."""
    known = {"sensors": _sensors, "staleness": _staleness}
    if what not in known:
        raise InputError(f"there is no experiment {what!r}; known: {', '.join(known)}")
    if triggers and what != "staleness":
        raise InputError(f"{what} takes no --triggers; leave it out")
    settings = stage_settings(params)
    known[what](settings, folder or Path(settings.data.folder), triggers, out)


def _sensors(settings: "Params", folder: Path, _: Path | None, out: Path) -> None:
    from edgeresearch.papers import detection

    tables = detection.compare_detectors(folder, settings.anomaly, seed=settings.seed, workers=settings.workers)
    detection.write_tables(tables, "anomaly", out)
    columns = ["detector", "point_f1", "event_f1", "auc_pr", "delay", "false_alarms_per_day"]
    pooled = tables.table[tables.table["sensor"] == detection.POOLED]
    for kind, rows in pooled.groupby("kind", sort=False):
        narrow = rows[columns].rename(columns={"false_alarms_per_day": "false/day"})  # eighty columns are few
        show(narrow, f"{kind}: all sensors together", ".3g")
    print(f"tables: {out / detection.TABLES}")


def _staleness(settings: "Params", folder: Path, triggers: Path | None, out: Path) -> None:
    from edgeresearch.papers import detection, staleness
    from edgeresearch.papers.scheduling import TRIGGERS

    emulated = staleness.read_triggers(triggers or out / TRIGGERS)
    tables = staleness.measure_staleness(
        folder, settings.anomaly, emulated, seed=settings.seed, workers=settings.workers
    )
    detection.write_tables(tables, "staleness", out)
    columns = ["data", "policy", "streams", "drop_percent", "mean_age", "event_f1", "low", "high", "auc_pr"]
    rows = tables.table.loc[tables.table["threshold"] == staleness.MAIN, columns]
    show(rows, "all sensors together", ".3g")
    print(f"tables: {out / detection.TABLES}")
