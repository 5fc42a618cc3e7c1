"""Commands that work on a user's own files: each is one call of the front door.

Their parameters are called as those of the function, so that all of them are handed over as they are.
"""

from pathlib import Path
from typing import Annotated

from typer import Exit, Option

from edgeresearch.cli import base
from edgeresearch.errors import InputError, RunError

SHOWN = 30
"""Settings of a sweep that are shown; the summary has all."""


IDENTITIES, THRESHOLDS, BACKENDS = ("lstm", "autoencoder"), ("ema", "quantile"), ("loky", "dask", "ray")
UNITS = ("per-second", "per-minute", "per-hour", "per-step")
"""As the rooms call them, which load slowly."""
MODEL, SERVICE, LOAD, DETECTOR = "The model", "The service", "The load", "The detector"
MESH, RUNS, PLACE = "The mesh", "The runs", "Where it runs"
"""Groups of options."""


@base.command(
    f"{base.SAMPLE} --out results",
    "requests.csv --horizon 12 --seasonality 1d --out out",
    "requests.csv --time when --value hits --out results",
    "newer.csv --load results --out newer-results",
    panel=base.OWN,
)
def forecast(
    trace: base.TraceFile,
    out: base.ResultFolder,
    model: Annotated[
        str | None,
        base.choice("model", "The forecaster", "lstm", base.MODELS, other=base.OWN_OBJECT, panel=MODEL),
    ] = None,
    horizon: Annotated[int | None, base.option("Steps ahead, from 1 to this.", "1", panel=MODEL)] = None,
    seasonality: Annotated[
        str | None,
        base.option("A season: steps (288), a duration (1d), or none.", "a day, if the trace spans three", panel=MODEL),
    ] = None,
    window: Annotated[int | None, base.option("Past steps that a model sees.", "60", panel=MODEL)] = None,
    load: Annotated[
        Path | None, Option(help="Use this saved model again; nothing is fitted.", rich_help_panel=MODEL)
    ] = None,
    seed: base.Seed = None,
    time: base.TimeColumn = None,
    value: base.ValueColumn = None,
    step: base.Step = None,
    where: base.Where = None,
    sum: base.Sum = None,
    count: base.Count = None,
    rate: base.Rate = None,
    level: base.Level = None,
    missing: base.Missing = None,
    decimal: base.Decimal = None,
    time_format: base.TimeFormat = None,
    tz: base.Zone = None,
) -> None:
    """Forecast a trace of your own.

    A model is judged on the end of the trace, fitted on all of it and saved, and states the coming steps.
    """
    given = base.given(**locals())
    if load:
        if fit := [name for name in ("model", "horizon", "seasonality", "window", "seed") if name in given]:
            raise InputError(f"--{fit[0]} is a setting of the saved model; leave it out beside --load")
        result = base.ask("apply_forecaster", **given, folder=given.pop("load"), progress=None)
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
def elastic(
    trace: base.TraceFile,
    out: base.ResultFolder,
    policies: Annotated[
        list[str] | None,
        base.choice(
            "strategy",
            "A strategy, beside responsive and hpa",
            "all of them",
            base.STRATEGIES,
            "--strategy",
            other=base.OWN_OBJECT,
            panel=RUNS,
        ),  # fmt: skip
    ] = None,
    forecaster: Annotated[str | None, base.choice("model", "The forecaster", "lstm", base.MODELS, panel=RUNS)] = None,
    q_max: Annotated[float | None, base.option("Requests per second of a pod.", "20", "--qmax", panel=SERVICE)] = None,
    start_delay: Annotated[float | None, base.option("Seconds until a pod is ready.", "30", panel=SERVICE)] = None,
    start_spread: Annotated[float | None, base.option("Seconds around it, uniform.", "0", panel=SERVICE)] = None,
    sync_period: Annotated[
        float | None, base.option("Seconds between two decisions.", "15", "--every", panel=SERVICE)
    ] = None,
    min_pods: Annotated[int | None, base.option("Fewest pods.", "1", "--min", panel=SERVICE)] = None,
    max_pods: Annotated[int | None, base.option("Most pods.", "1000", "--max", panel=SERVICE)] = None,
    scale: Annotated[
        float | None, base.option("Scale to this mean, in requests per second.", "as it is", panel=LOAD)
    ] = None,
    unit: Annotated[
        str | None, base.choice("unit", "What the values count", "by its column", UNITS, panel=LOAD)
    ] = None,
    fill: Annotated[
        int | None, base.option("Longest gap to interpolate, in steps.", "0, gaps are refused", panel=LOAD)
    ] = None,
    repeats: Annotated[int | None, base.option("Draws of what is random.", "5", panel=RUNS)] = None,
    seed: base.Seed = None,
    time: base.TimeColumn = None,
    value: base.ValueColumn = None,
    step: base.Step = None,
    where: base.Where = None,
    sum: base.Sum = None,
    count: base.Count = None,
    rate: base.Rate = None,
    level: base.Level = None,
    missing: base.Missing = None,
    decimal: base.Decimal = None,
    time_format: base.TimeFormat = None,
    tz: base.Zone = None,
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
    testbed: Annotated[
        Path | None, base.option("YAML file of the mesh, or city.", "Paper B's testbed", panel=MESH)
    ] = None,
    nodes: Annotated[int | None, base.option("Of the testbed city, in all its layers.", base.SET, panel=MESH)] = None,
    show_testbed: Annotated[
        bool,
        Option(
            "--show-testbed",
            callback=_show_testbed,
            is_eager=True,
            rich_help_panel=MESH,
            help="Show Paper B's testbed file and leave.",
        ),  # fmt: skip
    ] = False,
    streams: Annotated[int | None, base.option("How many.", "as the testbed says", panel=RUNS)] = None,
    policies: Annotated[
        list[str] | None,
        base.choice(
            "policy",
            "A policy, beside los",
            "all quick ones",
            base.POLICIES,
            "--policy",
            other=base.OWN_OBJECT,
            panel=RUNS,
        ),  # fmt: skip
    ] = None,
    hours: Annotated[float | None, base.option("Virtual time of each run.", "4", panel=RUNS)] = None,
    repeats: Annotated[int | None, base.option("Draws of what is random; the study has 20.", "5", panel=RUNS)] = None,
    interval: Annotated[
        float | None, base.option("Seconds between exchanges of availability.", base.SET, panel=RUNS)
    ] = None,
    trace: Annotated[
        bool, Option("--trace-decisions", help="Write why each decision was taken.", rich_help_panel=RUNS)
    ] = False,
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
    asked = {
        "policies": base.own_objects(policies),
        "streams": streams,
        "nodes": nodes,
        "hours": hours,
        "repeats": repeats,
        "seed": seed,
    }
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
def detect(
    stream: Annotated[
        Path,
        base.own_file("File with times and one or more channels, in any usual shape; - for standard input.", "STREAM"),
    ],
    out: base.ResultFolder,
    identity: Annotated[
        str | None,
        base.choice(
            "identity", "What reconstructs a sample", "lstm", IDENTITIES, other=base.OWN_OBJECT, panel=DETECTOR
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        base.choice("threshold", "What tells an alarm", "ema", THRESHOLDS, other=base.OWN_OBJECT, panel=DETECTOR),
    ] = None,
    train: Annotated[int | None, base.option("Samples of a training.", "1000", panel=DETECTOR)] = None,
    every: Annotated[
        int | None, base.option("Samples until the next training; 0 for none.", "1000", panel=DETECTOR)
    ] = None,
    k: Annotated[float | None, base.option("Standard deviations, of ema.", "4", panel=DETECTOR)] = None,
    quantile: Annotated[float | None, base.option("Share, of quantile.", "0.99", panel=DETECTOR)] = None,
    columns: Annotated[
        list[str] | None, base.option("A channel.", "all columns of values", "--column", panel=base.READING)
    ] = None,
    seed: base.Seed = None,
    time: base.TimeColumn = None,
    step: base.Step = None,
    where: base.Where = None,
    count: base.Count = None,
    rate: base.Rate = None,
    level: base.Level = None,
    missing: base.Missing = None,
    decimal: base.Decimal = None,
    time_format: base.TimeFormat = None,
    tz: base.Zone = None,
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
        str | None, base.choice("backend", "What runs the cells", "loky, this machine's cores", BACKENDS, panel=PLACE)
    ] = None,
    workers: Annotated[int | None, base.option("Processes that are started.", "all cores", panel=PLACE)] = None,
    address: Annotated[
        str | None, base.option("Of a running cluster of Dask or Ray.", "one is started", panel=PLACE)
    ] = None,
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
    base.show(shown, f"{result.labels[measure]}, means over the seeds{more}")
    print(*(note for note in result.notes if note not in told), f"results: {result.save(out)}", sep="\n")
    if len(result.failures):
        failed = f"{len(result.failures)} of {len(result.cells)} cells failed"
        raise RunError(f"{failed}; {out / 'failed.csv'} tells which and why")
