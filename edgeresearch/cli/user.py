"""Commands that work on a user's own files, and the measuring of the machine."""

from pathlib import Path
from typing import Annotated, Any

import typer

from edgeresearch.cli.base import PARAMS, app, described, read_settings, show, with_measured_cost
from edgeresearch.errors import InputError
from edgeresearch.io import check


@app.command(
    help=described(
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

    from edgeresearch.forecasting import api

    fit = {"model": model, "horizon": horizon, "seasonality": seasonality, "window": window, "seed": seed}
    given: dict[str, Any] = {name: option for name, option in fit.items() if option is not None}
    if load and given:
        raise InputError(f"--{next(iter(given))} is a setting of the saved model; leave it out beside --load")
    check(out)
    with Console(stderr=True).status("reading the trace") as status:  # drawn on a terminal only
        if load:
            result = api.apply_forecaster(load, trace, time=time, value=value, step=step)
        else:
            result = api.forecast(trace, **given, time=time, value=value, step=step, progress=status.update)
    print(*result.notes, sep="\n")
    show(result.table[["horizon", "model", "points", "mse", "mae", "r2", "skill"]], result.trace.label)
    print(result.verdict)
    print(f"results: {result.save(out)}")


@app.command(
    help=described(
        "Ask of a trace of your own whether predictive scaling would pay: every strategy sees the same requests. The "
        "defaults are those of a web service on Kubernetes, not the study's, which were fitted to Paper A's Table 3.",
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

    from edgeresearch.autoscaling.api import replay

    options = {
        **{"policies": strategy, "forecaster": forecaster, "q_max": qmax, "start_delay": start_delay, "seed": seed},
        **{"start_spread": start_spread, "sync_period": every, "min_pods": minimum, "max_pods": maximum},
        **{"scale": scale, "unit": unit, "repeats": repeats, "time": time, "value": value, "step": step, "fill": fill},
    }
    given: dict[str, Any] = {name: option for name, option in options.items() if option is not None}
    check(out)
    with Console(stderr=True).status("reading the trace") as status:  # drawn on a terminal only
        result = replay(trace, **given, progress=status.update)
    print(*result.notes, sep="\n")
    heads = {"error_percent": "errors %", "overload_percent": "overload %", "expansion_error_percent": "in expansion %"}
    table = result.table.rename(columns={**heads, "pod_hours": "pod-hours"})
    show(table[["strategy", "forecaster", *heads.values(), "pod-hours"]], result.trace.label, ",.2f")
    print(result.advice)
    print(f"results: {result.save(out)}")


def _show_testbed(wanted: bool) -> None:
    if wanted:
        from edgeresearch.emulator.testbed import PAPER_B

        print(PAPER_B.read_text(encoding="utf-8"), end="")
        raise typer.Exit


@app.command(
    help=described(
        "Ask of a mesh of your own what local-optimistic scheduling would give: LOS and other policies, virtual time.",
        "edgeresearch los --out results",
        "edgeresearch los --show-testbed > mine.yaml",
        "edgeresearch los --testbed mine.yaml --streams 6 --hours 8 --out results",
        "edgeresearch los --testbed mine.yaml --policy cloud --repeats 20 --trace-decisions --out results",
        "edgeresearch los --testbed city --nodes 450 --hours 1 --out results",
        "edgeresearch los --truth data/calibration.json --out results",
    )
)
def los(
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    testbed: Annotated[
        Path | None,
        typer.Option(help="YAML file of nodes, links and streams, or city.", show_default="Paper B's testbed"),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(help="Of the testbed city, in all its layers.", show_default=PARAMS)
    ] = None,
    streams: Annotated[int | None, typer.Option(help="How many.", show_default="as the testbed says")] = None,
    hours: Annotated[float | None, typer.Option(help="Virtual time of each run.", show_default="4")] = None,
    repeats: Annotated[
        int | None, typer.Option(help="Draws of what is random; the study has 20.", show_default="5")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="A policy; los is always run.", show_default="all that fit the mesh and are quick on it"),
    ] = None,
    interval: Annotated[
        float | None, typer.Option(help="Seconds between exchanges of availability.", show_default=PARAMS)
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Training times as measured in this file of 'calibrate', not as set.", show_default=PARAMS),
    ] = None,
    truth_model: Annotated[
        str | None, typer.Option(help="Whose training times: lstm or autoencoder.", show_default="lstm")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Root of everything random.", show_default="0")] = None,
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
    trace_decisions: Annotated[
        bool, typer.Option("--trace-decisions", help="Write each decision of the first repeat, and why it was taken.")
    ] = False,
    show_testbed: Annotated[
        bool,
        typer.Option(
            "--show-testbed", callback=_show_testbed, is_eager=True, help="Show Paper B's testbed file and leave."
        ),
    ] = False,
) -> None:
    """Run LOS and other policies on a testbed of one's own."""
    from rich.console import Console

    from edgeresearch import emulate, io

    settings = read_settings(params)
    study = with_measured_cost(settings.los, truth, truth_model)
    io.check(out)
    named = ("interval", "loss", "training_cost", "rules", "limits", "fitting", "city")
    options = {
        **{"policies": policy, "streams": streams, "hours": hours, "repeats": repeats, "interval": interval},
        **{"seed": seed, "nodes": nodes},
    }
    given: dict[str, Any] = {name: getattr(study, name) for name in named} | {"workers": settings.workers}
    given |= {name: option for name, option in options.items() if option is not None}
    place = testbed or study.testbed or "paper_b"
    with Console(stderr=True).status("reading the testbed") as status:  # drawn on a terminal only
        result = emulate(place, **given, trace=trace_decisions, progress=status.update)
    result.save(out)
    for line in result.notes:
        print(line)
    up = ("uplink", "uplinks") if len(result.testbed.layers) > 1 else ("link", "links")
    heads = {"drop_percent": "drop %", "late_percent": "late %", "lost_percent": "lost %", "mean_hops": "hops"}
    heads[f"{up[0]}_megabytes"] = f"{up[1]} MB/h"
    shown = result.table[["policy", *heads]].rename(columns=heads)
    shown.insert(2, "95 %", result.table[["low", "high"]].map("{:.1f}".format).agg(" to ".join, axis=1))
    cells = shown.map(lambda cell: f"{cell:,.1f}" if isinstance(cell, float) else cell).replace("nan.*", "", regex=True)
    show(cells, f"{result.facts['testbed']}: {result.facts['repeats']} × {result.facts['hours']:g} h")
    print(result.advice)
    print(f"results: {out}")


@app.command(
    help=described(
        "Measure how long trainings take on this machine under CPU limits, and fit Paper B's eq. 1 to that.",
        "edgeresearch calibrate",
        "edgeresearch calibrate --limit 200 --limit 400 --limit 600 --limit 800 --repeats 5",
        "edgeresearch calibrate --throttle signals --out mine.json",
    )
)
def calibrate(
    limit: Annotated[list[int] | None, typer.Option(help="Millicores, four or more.", show_default=PARAMS)] = None,
    repeats: Annotated[int | None, typer.Option(help="Trainings under each limit.", show_default=PARAMS)] = None,
    samples: Annotated[int | None, typer.Option(help="Cached samples of a training.", show_default=PARAMS)] = None,
    throttle: Annotated[str, typer.Option(help="How limits are kept: auto, cgroup or signals.")] = "auto",
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    out: Annotated[Path, typer.Option(help="The file that is written.")] = Path("data/calibration.json"),
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
) -> None:
    """Measure training times."""
    from rich.console import Console

    from edgeresearch import io
    from edgeresearch.profiling.settings import CalibrationPlan
    from edgeresearch.profiling.training_cost import calibrate as measure
    from edgeresearch.settings import parsed

    settings = read_settings(params)
    io.check(out.parent)  # before minutes of trainings
    study = settings.anomaly
    options = {"limits": tuple(sorted(set(limit or ()))) or None, "repeats": repeats, "samples": samples}
    given = {name: option for name, option in options.items() if option is not None}
    plan = parsed({**study.calibration.model_dump(), **given}, CalibrationPlan, "calibrate")
    with Console(stderr=True).status("starting") as status:  # drawn on a terminal only
        result = measure(
            folder or Path(settings.data.folder),
            out,
            plan=plan,
            throttle=throttle,
            seed=settings.seed,
            lstm=study.lstm,
            autoencoder=study.autoencoder,
            progress=status.update,
        )
    show(result.table(), result.throttle)
    for line in result.notes():
        print(line)
    print(f"calibration: {out}")


@app.command(
    help=described(
        "Look for anomalies in a stream of your own: IFTM learns from its first samples and judges the rest.",
        "edgeresearch detect stream.csv --out results",
        "edgeresearch detect stream.csv --identity autoencoder --threshold quantile --out results",
        "edgeresearch detect stream.csv --column speed --column count --train 500 --every 250 --k 5 --out results",
    )
)
def detect(
    stream: Annotated[
        Path, typer.Argument(help="CSV with a time column and one or more channels.", metavar="STREAM.csv")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    identity: Annotated[str | None, typer.Option(help="lstm or autoencoder.", show_default="lstm")] = None,
    threshold: Annotated[str | None, typer.Option(help="ema or quantile.", show_default="ema")] = None,
    train: Annotated[int | None, typer.Option(help="Samples of a training.", show_default="1000")] = None,
    every: Annotated[
        int | None, typer.Option(help="Samples after which the model is retrained; 0 for never.", show_default="1000")
    ] = None,
    k: Annotated[float | None, typer.Option(help="Standard deviations, of ema.", show_default="4")] = None,
    quantile: Annotated[float | None, typer.Option(help="Share, of quantile.", show_default="0.99")] = None,
    column: Annotated[list[str] | None, typer.Option(help="A channel.", show_default="all numeric columns")] = None,
    time: Annotated[str | None, typer.Option(help="Time column.", show_default="guessed")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of everything random.", show_default="0")] = None,
) -> None:
    """Look for anomalies in a stream of one's own."""
    from rich.console import Console

    import edgeresearch as er
    from edgeresearch import io

    io.check(out)  # before minutes of trainings
    options = {
        **{"identity": identity, "threshold": threshold, "train": train, "every": every, "k": k},
        **{"quantile": quantile, "columns": column or None, "time": time, "seed": seed},
    }
    given: dict[str, Any] = {name: option for name, option in options.items() if option is not None}
    with Console(stderr=True).status("reading the stream") as status:  # drawn on a terminal only
        detection = er.detect(stream, **given, progress=status.update)
    for line in detection.notes:
        print(line)
    if len(detection.table):
        show(detection.highest_alarms(), f"{detection.name}: the highest of {len(detection.table)} alarms")
    print(detection.verdict)
    print(f"results: {detection.save(out)}")
