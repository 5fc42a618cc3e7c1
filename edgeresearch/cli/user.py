"""Commands that work on a user's own files: each is one call of the front door.

Their parameters are called as those of the function, so that all of them are handed over as they are.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

from typer import Exit, Option

from edgeresearch.cli import base
from edgeresearch.errors import InputError, RunError

SHOWN = 30
"""Settings of a sweep that are shown; the summary has all."""
IDENTITIES = base.Words("identity", ("lstm", "autoencoder")).or_own()
THRESHOLDS = base.Words("threshold", ("ema", "quantile")).or_own()
BACKENDS = base.Words("backend", ("loky", "dask", "ray"))
UNITS = base.Words("unit", ("per-second", "per-minute", "per-hour", "per-day", "per-step"), "per-", "per-5min")
of_model, of_service, of_load, of_detector, of_mesh, of_runs, of_place = (
    partial(base.option, panel=title)
    for title in ("The model", "The service", "The load", "The detector", "The mesh", "The runs", "Where it runs")
)


@base.command(
    f"{base.SAMPLE} --out results",
    "requests.csv --horizon 12 --seasonality 1d --out out",
    "requests.csv --time when --value hits --out results",
    "newer.csv --load results --out newer-results",
    panel=base.OWN,
)
@base.with_reading()
def forecast(
    trace: base.TraceFile,
    out: base.ResultFolder,
    model: Annotated[str | None, of_model("The forecaster", "lstm", words=base.MODELS.or_own())] = None,
    horizon: Annotated[int | None, of_model("Steps ahead, from 1 to this.", "1")] = None,
    seasonality: Annotated[
        str | None, of_model("Steps (288), a duration (1d) or none.", "a day, if the trace spans three")
    ] = None,
    window: Annotated[int | None, of_model("Past steps that a model sees.", "60")] = None,
    load: Annotated[Path | None, of_model("Use this saved model again; nothing is fitted.", "none")] = None,
    seed: base.Seed = None,
    **reading: Any,
) -> None:
    """Forecast a trace of your own.

    A model is judged on the end of the trace, fitted on all of it and saved, and states the coming steps.
    """
    given = base.given(**locals())
    if load:
        if fit := [name for name in ("model", "horizon", "seasonality", "window", "seed") if name in given]:
            raise InputError(f"--{fit[0]} is a setting of the saved model; leave it out beside --load")
        result = base.ask("apply_forecaster", folder=given.pop("load"), **given, progress=None)
    else:
        result = base.ask("forecast", **given | {"model": base.own_objects(model)})
    columns = ["horizon", "model", "points", "mse", "mae", "r2", "skill"]
    base.answer(result, result.table[columns], result.trace.label, out)


@base.command(
    f"{base.SAMPLE} --qmax 1 --out results",
    "requests.csv --qmax 50 --start-delay 90 --out results",
    "requests.csv --strategy mine:Policy --out results",
    "hits.csv --value hits --unit per-minute --out results",
    panel=base.OWN,
)
@base.with_reading()
def elastic(
    trace: base.TraceFile,
    out: base.ResultFolder,
    policies: Annotated[
        list[str] | None,
        of_runs("One, beside responsive and hpa", "all", "--strategy", words=base.STRATEGIES.or_own()),
    ] = None,
    forecaster: Annotated[str | None, of_runs("The forecaster", "lstm", words=base.MODELS)] = None,
    q_max: Annotated[float | None, of_service("Requests per second of a pod.", "20", "--qmax")] = None,
    start_delay: Annotated[float | None, of_service("Seconds until a pod is ready.", "30")] = None,
    start_spread: Annotated[float | None, of_service("Seconds around it, uniform.", "0")] = None,
    sync_period: Annotated[float | None, of_service("Seconds between two decisions.", "15", "--every")] = None,
    min_pods: Annotated[int | None, of_service("Fewest pods.", "1", "--min")] = None,
    max_pods: Annotated[int | None, of_service("Most pods.", "1000", "--max")] = None,
    scale: Annotated[float | None, of_load("Scale to this mean, in requests per second.", "as it is")] = None,
    unit: Annotated[str | None, of_load("What the values count", "by its column", words=UNITS)] = None,
    fill: Annotated[int | None, of_load("Longest gap to interpolate, in steps.", "0, gaps do not count")] = None,
    repeats: Annotated[int | None, of_runs("Draws of what is random.", "5")] = None,
    seed: base.Seed = None,
    **reading: Any,
) -> None:
    """Ask whether predictive scaling would pay on a trace of your own.

    Every strategy sees the same requests. The defaults are those of a web service on Kubernetes, not the study's, which
    were fitted to Paper A's Table 3.
    """
    given = locals() | {"policies": base.own_objects(policies)}
    result = base.ask("replay", **given)
    heads = {"error_percent": "errors %", "overload_percent": "overload %", "expansion_error_percent": "in expansion %"}
    heads["pod_hours"] = "pod-hours"
    table = result.table[["strategy", "forecaster", *heads]].rename(columns=heads)
    base.answer(result, table, result.trace.label, out, ",.2f")


def _show_testbed(wanted: bool) -> None:
    if wanted:
        from edgeresearch.emulator.testbed import PAPER_B

        print(PAPER_B.read_text(encoding="utf-8"), end="")
        raise Exit


@base.command(
    "--testbed examples/testbed.yaml --out results",
    "--show-testbed > mine.yaml",
    "--testbed mine.yaml --policy mine:Policy --out results",
    "--testbed city --nodes 450 --hours 1 --out results",
    "--truth data/calibration.json --out results",
    panel=base.OWN,
)
def los(
    out: base.ResultFolder,
    testbed: Annotated[Path | None, of_mesh("YAML file of the mesh, or city.", "Paper B's testbed")] = None,
    nodes: Annotated[int | None, of_mesh("Of the testbed city, in all its layers.", base.SET)] = None,
    show_testbed: Annotated[
        bool, Option("--show-testbed", callback=_show_testbed, is_eager=True, help="Show Paper B's file and leave.")
    ] = False,
    streams: Annotated[int | None, of_runs("How many.", "as the testbed says")] = None,
    policies: Annotated[
        list[str] | None, of_runs("One, beside los", "all quick ones", "--policy", words=base.POLICIES.or_own())
    ] = None,
    hours: Annotated[float | None, of_runs("Virtual time of each run.", "4")] = None,
    repeats: Annotated[int | None, of_runs("Draws of what is random; the study has 20.", "5")] = None,
    interval: Annotated[float | None, of_runs("Seconds between exchanges of availability.", base.SET)] = None,
    trace: Annotated[bool, Option("--trace-decisions", help="Write why each decision was taken.")] = False,
    truth: base.TruthFile = None,
    truth_model: base.TruthModel = None,
    seed: base.Seed = None,
    params: base.ParamsFile = None,
) -> None:
    """Ask what local-optimistic scheduling would give on a mesh of your own.

    LOS and other policies place the same trainings, in virtual time.
    """
    settings = base.read_settings(params)
    from edgeresearch.settings import read_yaml

    if testbed and testbed.suffix:
        read_yaml(testbed)  # before the emulator is imported, which takes a second
    study = base.with_measured_cost(settings.los, truth, truth_model)
    kept = {name: getattr(study, name) for name in ("loss", "training_cost", "rules", "limits", "fitting", "city")}
    kept |= {"testbed": testbed or study.testbed, "interval": study.interval if interval is None else interval}
    asked = {"streams": streams, "nodes": nodes, "hours": hours, "repeats": repeats, "seed": seed}
    asked["policies"] = base.own_objects(policies)
    result = base.ask("emulate", out, **kept, **asked, trace=trace, workers=settings.workers)
    link = "uplink" if len(result.testbed.layers) > 1 else "link"
    heads = {"drop_percent": "drop %", "late_percent": "late %", "lost_percent": "lost %", "mean_hops": "hops"}
    heads[f"{link}_megabytes"] = f"{link}s MB/h"
    table = result.table[["policy", *heads]].rename(columns=heads)
    table.insert(2, "95 %", base.join_bounds(result.table["low"], result.table["high"], ".1f"))
    title = f"{result.facts['testbed']}: {result.facts['repeats']} × {result.facts['hours']:g} h"
    base.answer(result, table, title, out, ",.1f")


@base.command(
    f"{base.SAMPLE} --out results",
    "stream.csv --identity autoencoder --out results",
    "stream.csv --column speed --train 500 --k 5 --out out",
    panel=base.OWN,
)
@base.with_reading("value", "sum")
def detect(
    stream: Annotated[
        Path,
        base.own_file("File with times and one or more channels, in any usual shape; - for standard input.", "STREAM"),
    ],
    out: base.ResultFolder,
    identity: Annotated[str | None, of_detector("What reconstructs", "lstm", words=IDENTITIES)] = None,
    threshold: Annotated[str | None, of_detector("What tells an alarm", "ema", words=THRESHOLDS)] = None,
    train: Annotated[int | None, of_detector("Samples of a training.", "1000")] = None,
    every: Annotated[int | None, of_detector("Samples until the next training; 0 for none.", "1000")] = None,
    k: Annotated[float | None, of_detector("Standard deviations, of ema.", "4")] = None,
    quantile: Annotated[float | None, of_detector("Share, of quantile.", "0.99")] = None,
    columns: Annotated[list[str] | None, base.of_reading("A channel.", "all columns of values", "--column")] = None,
    seed: base.Seed = None,
    **reading: Any,
) -> None:
    """Look for anomalies in a stream of your own.

    IFTM learns from its first samples and judges the rest.
    """
    given = locals() | {"identity": base.own_objects(identity), "threshold": base.own_objects(threshold)}
    result = base.ask("detect", **given)
    base.answer(result, result.highest_alarms(), f"{result.name}: the highest of {len(result.table)} alarms", out)


@base.command(
    "examples/sweep.yaml --out results",
    "sweep.yaml --workers 8 --out results",
    "sweep.yaml --backend dask --address tcp://hub:8786 --out o",
    "sweep.yaml --backend ray --address auto --retry --out out",
    panel=base.OWN,
)
def sweep(
    spec: Annotated[Path, base.own_file("YAML file, the spec: what is varied.", "SPEC.yaml")],
    out: Annotated[Path, Option(help="Folder of the results; a stopped sweep continues there.")],
    retry: Annotated[bool, Option("--retry", help="Run cells that failed again.")] = False,
    backend: Annotated[
        str | None, of_place("What runs the cells", "loky, this machine's cores", words=BACKENDS)
    ] = None,
    workers: Annotated[int | None, of_place("Processes that are started.", "all cores")] = None,
    address: Annotated[str | None, of_place("Of a running cluster of Dask or Ray.", "one is started")] = None,
    folder: base.DataFolder = None,
    params: base.ParamsFile = None,
) -> None:
    """Run an experiment over many settings, with many seeds each.

    The experiment is los, elastic or forecast; the settings are a grid or a Latin hypercube.
    """
    settings = base.read_settings(params, folder)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    import edgeresearch as er

    told: list[str] = []

    def tell(lines: str) -> None:
        told.extend(lines.splitlines())
        print(lines)

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "left:", TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("sweep", total=None)
        result = er.sweep(
            spec,
            out,
            workers=workers,
            backend=backend or "loky",
            address=address,
            retry=retry,
            base=settings,
            progress=tell,
            watch=lambda finished, total: progress.update(bar, completed=finished, total=total),
        )
    table, measure = result.table.head(SHOWN), result.measure
    shown = table.reindex(columns=[*result.spec.varied, "cells", measure])
    if f"{measure}_low" in table and table[f"{measure}_low"].notna().any():
        shown["95 %"] = base.join_bounds(table[f"{measure}_low"], table[f"{measure}_high"])
    ends = {name: name.rpartition(".")[2] for name in result.spec.varied}
    shown = shown.rename(columns=ends if len({*ends.values()}) == len(ends) else {})  # eighty columns are few
    more = f"; the first {SHOWN} settings" if len(result.table) > SHOWN else ""
    try:
        base.show(shown, f"{result.labels[measure]}, means over the seeds{more}")
    finally:
        place = result.save(out)
    print(*(note for note in result.notes if note not in told), f"results: {place}", sep="\n")
    if len(result.failures):
        failed = f"{len(result.failures)} of {len(result.cells)} cells failed"
        raise RunError(f"{failed}; {out / 'failed.csv'} tells which and why")
