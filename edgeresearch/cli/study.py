"""Commands of the study: data, notebooks, the pipeline and its stages, and what is measured and fitted beside it."""

import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from edgeresearch.cli import base

CALIBRATION = Path("data/calibration.json")
SOURCES = base.Words("source", ("auto", "mirror", "download", "synthetic"))
THROTTLES = base.Words("throttle", ("auto", "cgroup", "signals"))
TABLES = base.Words("table", ("table2", "figure1", "table3", "los", "claims"))
EMULATED = base.Words("experiment", ("limits", "scheduling", "sweeps", "city", "measured"))


@base.command("", "--mirror ../data --folder data/raw", "--source synthetic")
def data(
    source: Annotated[str | None, base.option("Where from", base.SET, words=SOURCES)] = None,
    mirror: Annotated[str | None, Option(envvar="EDGERESEARCH_DATA_MIRROR", help="Folder with the files.")] = None,
    folder: base.DataFolder = None,
    params: base.ParamsFile = None,
) -> None:
    """Fetch the data files: from a mirror, else by download, else as synthetic stand-ins."""
    settings = base.read_settings(params, folder)
    chosen = settings.data.replace(**base.given(source=source, mirror=mirror))
    from edgeresearch.data.datasets import fetch
    from edgeresearch.io import write_csv

    place, beside = Path(chosen.folder), Path(chosen.mirror) if chosen.mirror else None
    shown: dict[str, Any] = {"progress": sys.stderr.isatty(), "warn": base.warn}
    table = fetch(place, source=chosen.source, mirror=beside, seed=settings.seed, **shown)
    write_csv(table.drop(columns="source"), place / "sources.csv")  # the same, however a file came
    base.show(table.assign(sha256=table["sha256"].str[:12]), f"{len(table)} files in {place}")


@base.command(
    "00-data",
    "10-forecasting -p trace=elb -p 'horizons=[1, 5]'",
    "mine/own.ipynb -f own.yaml --out own-run.ipynb --html own-run.html",
)
def notebook(
    name: Annotated[str, Argument(help="Path of a notebook, or its name in notebooks/.")],
    parameter: base.Parameters = None,
    file: Annotated[Path | None, Option("-f", "--file", help="YAML file of parameters; -p wins.")] = None,
    out: Annotated[Path | None, base.option("The executed copy.", "build/notebooks/NAME.ipynb")] = None,
    html: Annotated[Path | None, base.option("The same as a page that needs no network.", "none")] = None,
) -> None:
    """Run a notebook with parameters, as a batch job; a parameter that it does not declare is refused."""
    from edgeresearch.notebook import find_texts, run
    from edgeresearch.settings import read_yaml

    text = find_texts(name)
    values = (read_yaml(file, text) if file else {}) | base.pairs(parameter, text)
    place = run(name, out or Path("build") / "notebooks" / f"{Path(name).stem}.ipynb", values, html=html)
    print(f"notebook: {place}", *([f"page: {html}"] if html else []), sep="\n")


@base.command("", "-p points=500")
def notebooks(parameter: base.Parameters = None, params: base.ParamsFile = None) -> None:
    """Run every notebook of the study, several at a time: one of a trace for each trace of the settings.

    A parameter is passed to the notebooks that declare it.
    """
    settings = base.stage_settings(params)
    from edgeresearch import notebook

    traces = {"10-forecasting": settings.forecast.traces, "11-elastic": settings.elastic.traces}
    pages, given = Path("reports/notebooks"), base.pairs(parameter)
    runs = notebook.run_all(Path("notebooks"), Path("build/notebooks"), pages, given, traces, settings.workers)
    print(f"{runs} notebooks: {pages}")


@base.command("", "--profile quick", "--timings data/measured/stage_seconds.csv")
def reproduce(
    profile: Annotated[str, Option(help="paper for the full run, or the name of a file in profiles/.")] = "paper",
    timings: Annotated[Path | None, Option(help="File that gets the seconds of each stage that runs.")] = None,
) -> None:
    """Run the pipeline as far as it is out of date, and say where the results lie."""
    from edgeresearch import pipeline

    place = pipeline.reproduce(Path(), profile, timings)
    print(f"results: {place}")
    page = place / "site" / "index.html"
    if page.is_file():
        print(f"report: {page}")


@base.command("", "elb nasa", "paper_a --params profiles/mine.yaml", "elb --timings data/measured/fit_seconds.csv")
def compare(
    names: base.Traces = None,
    params: base.ParamsFile = None,
    folder: base.DataFolder = None,
    out: base.ProjectFolder = Path(),
    timings: Annotated[Path | None, Option(help="File that gets the CPU seconds, the only result.")] = None,
) -> None:
    """Fit and judge every forecaster on request traces (Paper A, Table 2), and write scores and forecasts."""
    settings = base.stage_settings(params, folder)
    from edgeresearch.data.datasets import load_dataset
    from edgeresearch.forecasting import evaluation
    from edgeresearch.papers.paper_a.tables import update_timings
    from edgeresearch.papers.project import write_comparison

    seed, chosen = settings.seed, names or settings.forecast.traces
    traces = [load_dataset(name, settings.data.folder, seed=seed) for name in chosen]
    for result in evaluation.compare(traces, settings.forecast, seed=seed, workers=settings.workers):
        if timings:
            update_timings(timings, result)
            print(f"timings of {result.trace.name}: {timings}")
        else:
            base.show(result.table[["horizon", "model", "mse", "mae", "r2", "skill"]], result.trace.label)
            print(f"scores: {write_comparison(result, out)}")


@base.command("", "elb nasa", "paper_a --params profiles/mine.yaml")
def replay(
    names: base.Traces = None,
    params: base.ParamsFile = None,
    folder: base.DataFolder = None,
    out: base.ProjectFolder = Path(),
) -> None:
    """Replay every scaling strategy on request traces (Paper A, Table 3), and write error rates and courses."""
    settings = base.stage_settings(params, folder)
    from edgeresearch.autoscaling.experiment import run_experiments
    from edgeresearch.data.datasets import load_dataset
    from edgeresearch.papers.project import write_scaling

    seed, config = settings.seed, settings.elastic
    traces = [load_dataset(name, settings.data.folder, seed=seed) for name in names or config.traces]
    run: dict[str, Any] = {"lstm": settings.forecast.lstm, "seed": seed, "workers": settings.workers}
    columns = ["forecaster", "strategy", "phase", "error_percent", "low", "high", "pod_hours"]
    for trace, result in zip(traces, run_experiments(traces, config, **run), strict=True):
        base.show(result.table.query("lead == 1 and reading == 'trace'")[columns], trace.label)
        print(f"errors: {write_scaling(result, out)}")


@base.command("table2", "table3 figure1", "los", "figure1 --params params.yaml", "claims")
def table(
    names: Annotated[list[str], base.word("One or more", TABLES)],
    params: base.ParamsFile = None,
    reports: base.ReportsFolder = Path("reports"),
) -> None:
    """Make tables of the papers from what the stages gave.

    They are table2, table3, figure1 (the shapes of Paper A, Fig. 1), los (Paper B, Table I and Figs. 5 to 7) and claims
    (the audit of both).
    """
    settings = base.stage_settings(params)
    from edgeresearch.papers.project import write_table

    for name in names:
        write_table(name, reports, settings)
    print(f"{', '.join(names)}: {reports}")


@base.command("limits", "scheduling --params profiles/mine.yaml", "sweeps --out results", "city", "measured")
def emulate(
    what: Annotated[str, base.word("What is emulated", EMULATED)],
    params: base.ParamsFile = None,
    truth: base.TruthFile = None,
    truth_model: base.TruthModel = None,
    out: base.ProjectFolder = Path(),
) -> None:
    """Emulate Paper B's testbed.

    What is emulated: limits (Fig. 5), scheduling (Figs. 6 and 7), sweeps (what the paper lacks), city (as large as
    one), or measured (Fig. 7 with the training times of both models, of data/calibration.json if --truth is not given).
    """
    one = {"truth_model": truth_model}  # measured takes the times of every model
    base.refuse_others(what, dict.fromkeys(EMULATED.known, one) | {"measured": {}})
    settings = base.stage_settings(params)
    from edgeresearch.papers import city_growth, scheduling

    run: dict[str, Any] = {"seed": settings.seed, "workers": settings.workers, "out": out}
    if what == "measured":
        scheduling.write(what, settings.los, **run, truth=truth or CALIBRATION)
        print(f"measured: {out / scheduling.TABLES / 'measured.csv'}")
        return
    study = base.with_measured_cost(settings.los, truth, truth_model)
    if what == "city":
        costs = city_growth.write(study, **run, warn=base.warn).costs
        sums = costs.groupby(["nodes", "policy"], sort=False)[["triggers", "cpu_seconds"]].sum().reset_index()
        base.show(sums.assign(microseconds=1e6 * sums["cpu_seconds"] / sums["triggers"]), "what it took")
        print(f"city, city_meshes: {out / city_growth.TABLES}")
        return
    made = scheduling.write(what, study, **run)
    print(f"{', '.join(name for name in made if name != 'rows')}: {out / scheduling.TABLES}")


@base.command("elastic", "elastic --neutral --trials 400", "elastic --trials 0 --draws 150", "los --out found.csv")
def fit(
    what: Annotated[str, base.word("Whose settings", base.Words("experiment", ("elastic", "los")))],
    params: base.ParamsFile = None,
    trials: Annotated[int | None, base.option("elastic: settings to try; 0 judges those set.", "200")] = None,
    draws: Annotated[int | None, base.option("elastic: traces to search on, and as many held out.", "20")] = None,
    neutral: Annotated[bool, Option("--neutral", help="elastic: start from the middle of what is searched.")] = False,
    out: Annotated[Path | None, base.option("los: all evaluations.", "data/measured/los_fit.csv")] = None,
) -> None:
    """Search the settings that come nearest to published numbers; nothing is set.

    They are those of elastic (Paper A, Table 3) or of los (some of Paper B's, by the emulator). It takes many minutes.
    """
    budget = base.given(trials=trials, draws=draws)
    base.refuse_others(what, {"elastic": {**budget, "neutral": neutral or None}, "los": {"out": out}})
    settings = base.read_settings(params)
    if what == "elastic":
        from edgeresearch.papers import fit_a

        start = fit_a.make_neutral_start(settings.elastic) if neutral else settings.elastic
        with base.status("searching"):
            found = fit_a.search_settings(start, seed=settings.seed, **budget)
        print(fit_a.format_fit(found))
        return
    from edgeresearch.io import write_csv
    from edgeresearch.papers import fit_b
    from edgeresearch.papers.paper_b.published import FITTED

    with base.status("searching"):
        points = fit_b.fit(settings.los, FITTED, seed=settings.seed, workers=settings.workers)
    place = out or Path("data/measured/los_fit.csv")
    write_csv(points, place)
    base.show(points[points["stage"] == fit_b.LAST].nsmallest(5, "loss").T.reset_index(), "the five best")
    print(f"evaluations: {place}")


@base.command("sensors", "sensors --params profiles/mine.yaml --out results", "staleness --triggers triggers.parquet")
def anomaly(
    what: Annotated[str, base.word("What is run", base.Words("experiment", ("sensors", "staleness")))],
    params: base.ParamsFile = None,
    folder: base.DataFolder = None,
    triggers: Annotated[
        Path | None,
        base.option("staleness: what 'emulate scheduling' wrote.", "data/processed/los/triggers.parquet"),
    ] = None,
    out: base.ProjectFolder = Path(),
) -> None:
    """Run experiments on Aarhus sensors with injected anomalies.

    They are sensors (every detector), or staleness (what the trainings that the emulator dropped do to detection).
    """
    base.refuse_others(what, {"sensors": {}, "staleness": {"triggers": triggers}})
    settings = base.stage_settings(params, folder)
    from edgeresearch.papers import detection, staleness
    from edgeresearch.papers.scheduling import TRIGGERS

    place, run = settings.data.folder, base.given(seed=settings.seed, workers=settings.workers)
    if what == "sensors":
        tables = detection.compare_detectors(place, settings.anomaly, **run)
        detection.write_tables(tables, "anomaly", out)
        columns = ["detector", "point_f1", "event_f1", "auc_pr", "delay", "false_alarms_per_day"]
        for kind, rows in tables.table[tables.table["sensor"] == detection.POOLED].groupby("kind", sort=False):
            narrow = rows[columns].rename(columns={"false_alarms_per_day": "false/day"})  # eighty columns are few
            base.show(narrow, f"{kind}: all sensors together", ".3g")
    else:
        emulated = staleness.read_triggers(triggers or out / TRIGGERS)
        found = staleness.measure_staleness(place, settings.anomaly, emulated, **run)
        detection.write_tables(found, "staleness", out)
        columns = ["data", "policy", "streams", "drop_percent", "mean_age", "event_f1", "low", "high", "auc_pr"]
        rows = found.table.loc[found.table["threshold"] == staleness.MAIN, columns]
        base.show(rows, "all sensors together", ".3g")
    print(f"tables: {out / detection.TABLES}")


@base.command("", "--limit 200 --limit 400 --limit 600 --limit 800 --repeats 5", "--throttle signals --out mine.json")
def calibrate(
    limit: Annotated[list[int] | None, base.option("Millicores, four or more.", base.SET)] = None,
    repeats: Annotated[int | None, base.option("Trainings under each limit.", base.SET)] = None,
    samples: Annotated[int | None, base.option("Cached samples of a training.", base.SET)] = None,
    throttle: Annotated[str | None, base.option("How limits are kept", "auto", words=THROTTLES)] = None,
    folder: base.DataFolder = None,
    out: Annotated[Path, Option(help="The file that is written.")] = CALIBRATION,
    params: base.ParamsFile = None,
) -> None:
    """Measure how long trainings take on this machine under CPU limits, and fit Paper B's eq. 1 to that."""
    settings = base.read_settings(params, folder)
    from edgeresearch.io import check
    from edgeresearch.profiling import training_cost

    check(out.parent)  # before minutes of trainings
    study, limits = settings.anomaly, sorted(set(limit or ())) or None
    plan = study.calibration.replace(**base.given(limits=limits, repeats=repeats, samples=samples))
    identities = {"lstm": study.lstm, "autoencoder": study.autoencoder}
    run: dict[str, Any] = {"plan": plan, "seed": settings.seed, "identities": identities}
    with base.status("starting") as status:
        result = training_cost.calibrate(
            settings.data.folder, out, throttle=throttle or "auto", progress=status.update, **run
        )
    base.show(result.table(), result.throttle)
    print(*result.notes(), f"calibration: {out}", sep="\n")
