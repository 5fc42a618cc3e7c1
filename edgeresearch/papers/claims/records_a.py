"""The claims of Paper A, one record each, in the order of the paper.

A record is laid out by hand: its name and its place in the paper; what the paper says; the published value and the
measure of ours; and, by name, what differs from the other claims of the same table or figure.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from edgeresearch.data.registry import STAND_IN
from edgeresearch.papers.claims.measures import (
    Cell,
    Claim,
    Count,
    Except,
    Json,
    Known,
    Order,
    Rows,
    Setting,
    check,
    compare_places,
)
from edgeresearch.papers.claims.rules import FITTED, HELD_OUT, SET, Fit, consistent, near, on_traces, same, within
from edgeresearch.papers.paper_a import published as paper_a

TABLE2, TABLE3, TABLE3_VERDICTS = (
    f"reports/tables/{name}.csv" for name in ("table2_forecast", "table3_elastic", "table3_verdicts")
)

OTHER_TRACES = Except((STAND_IN, "twitter_minute"))
"""All traces but the stand-in. Each is taken as a data set of its own, and `twitter_minute` counts the hours of
`twitter_second` once more."""

number = partial(Claim, paper="A", kind="number")
ranking = partial(Claim, paper="A", kind="ranking", rule=on_traces, stage="tables")
contradiction = partial(Claim, paper="A", kind="contradiction", rule=consistent, stage="claims")

# Table 1, which is settings, and Figs. 2 and 3: the simulated service on the stand-in, all decision intervals
table_1 = partial(
    number,
    rule=same,
    fit=Fit(SET, "the simulated service runs on what Table 1 says"),
    stage="notebooks",
    notebook="11-elastic",
)
usage = partial(
    number,
    unit="%",
    rule=near(5),
    stage="replay",
    notebook="11-elastic",
    fit=Fit(FITTED, "the model of a pod's usage was chosen to stay within these ranges at ordinary loads"),
)
COURSE = Cell(
    file=f"data/processed/elastic/{STAND_IN}.parquet",
    value="",
    rows={"strategy": "combined"},
    describe=lambda rows, results: f"simulated service; {STAND_IN} (synthetic)",
)

# Table 2 on the stand-in for the paper's unpublished trace, and what section 4.2 says of it on all other traces
table_2 = partial(
    number, stage="tables", figure=f"reports/figures/forecast/{STAND_IN}/table2.png", notebook="10-forecasting"
)
forecasts = partial(ranking, figure="reports/figures/table2/relative_mse_1.png", notebook="10-forecasting")
RF, RIDGE, LOGISTIC, XGBOOST, LSTM = "random_forest", "ridge", "logistic", "xgboost", paper_a.PAPER_LSTM
FORECASTERS = {
    RF: ("RF", "A random forest"),
    RIDGE: ("RIDGE", "Ridge regression"),
    LOGISTIC: ("LOGISTIC", "Logistic regression (over bins of the target)"),
    XGBOOST: ("XGBOOST", "XGBoost"),
    LSTM: ("LSTM", "The LSTM"),
}
METRICS = {
    "mse": ("QPS²", "forecasts the next value with this mean squared error"),
    "mae": ("QPS", "forecasts the next value with this mean absolute error"),
    "r2": ("", "explains this share of the variance"),
}
INTERVALS: dict[str, Any] = {
    "mse": ("mse_low", "mse_high"),
    # R² is 1 - MSE / variance, and the variance is known
    "r2": tuple(
        lambda table, end=end: 1 - (1 - table["r2"]) * table[f"mse_{end}"] / table["mse"] for end in ("high", "low")
    ),
}
CALIBRATED = Fit(FITTED, "the stand-in is calibrated to this row, for the paper's trace was never published")
UNCALIBRATED = Fit(
    HELD_OUT, "the stand-in is calibrated to the LSTM's row alone, for the paper's trace was never published"
)
NEXT_STEP = {"horizon": 1, "trace": OTHER_TRACES}


def scores(metric: str, *models: str, **ways: Any) -> Order:
    """Return whether forecasters are in order by a metric, the lowest first, on each trace (see `Order` for `ways`)."""
    return Order(
        file=TABLE2,
        rows=NEXT_STEP,
        each="trace",
        value=metric,
        seeds="seeds",
        interval=INTERVALS["mse"] if metric == "mse" else None,
        sequence=tuple({"model": name} for name in models),
        **ways,
    )


# Table 3 on the stand-in, with a forecast of the published accuracy and phases by load, and what the text says of it
# on all other traces with the forecasts of this package's LSTM
TABLE3_FIGURE = "reports/figures/elastic/{}/table3.png"
table_3 = partial(number, stage="tables", figure=TABLE3_FIGURE.format(STAND_IN), notebook="11-elastic")
replayed = partial(
    ranking,
    figure=TABLE3_FIGURE.format("wiki_de"),
    notebook="11-elastic",
    fit=Fit(HELD_OUT, "the settings were searched on draws of the stand-in, none of these traces"),
)
SEARCHED = Fit(
    FITTED,
    "few global settings were searched on draws of this stand-in for all nine cells at once (edgeresearch fit elastic),"
    " with a forecast that knows the future up to an error of the published R²",
)
OURS = {"strategy": "combined", "forecaster": "lstm"}
ADVANCE = {"strategy": "advance", "forecaster": "lstm"}
RESPONSIVE = {"strategy": "responsive", "forecaster": "none"}
LARGER = Fit(
    SET,
    "the joined strategy is read as asking for the larger of what the forecast and the present load ask for, so it can "
    "hardly fail more requests than either alone",
)


def errors(*sequence: Rows, phase: Any = "all", **ways: Any) -> Order:
    """Return whether strategies are in order by their error rates, the lowest first, on each trace."""
    rows = {"reading": "trace", "phase": phase, "trace": OTHER_TRACES}
    return Order(
        file=TABLE3,
        rows=rows,
        each="trace",
        value="error_percent",
        interval=("low", "high"),
        seeds="repeats",
        sequence=sequence,
        **ways,
    )


def count(value: str, holds: Any = bool, forecaster: str = "lstm") -> Count:
    """Return on which traces a column of the verdicts on Table 3 has a value that the claim holds for."""
    rows = {"forecaster": forecaster, "reading": "trace", "trace": OTHER_TRACES}
    return Count(file=TABLE3_VERDICTS, rows=rows, each="trace", value=value, holds=holds)


# The paper's own numbers
_CHECKS: Any = paper_a.find_contradictions().set_index(["check", "item"])
_BEST_MAE = _CHECKS.loc[("LSTM best on all indicators", "MAE")]
_VARIANCES = _CHECKS.loc["one variance of the test set"]
_TAILS = paper_a.TABLE_2[LSTM].mae / paper_a.TABLE_2[LSTM].mse ** 0.5
_ODD = int((~_VARIANCES["agrees"].astype(bool)).sum())
_STRATEGY, _PHASE, _STATED = paper_a.SWAPPED_CELL
_CELLS = paper_a.TABLE_3[_STRATEGY]


def _compare_mae(first: tuple[str, ...], second: tuple[str, ...]) -> Known:
    """Return whether every one of some methods has a lower MAE in Table 2 than every one of others."""
    mae = {name: paper_a.TABLE_2[name].mae for name in (*first, *second)}
    agrees = max(mae[name] for name in first) < min(mae[name] for name in second)
    shown = ", ".join(f"{paper_a.TABLE_2[name].method} {value:g}" for name, value in mae.items())
    return check(agrees, shown, f"MAE of Table 2: {shown}; lower is better")


RECORDS_A: tuple[Claim, ...] = (
    # Abstract and conclusion
    replayed("A-ABS-ERRORS", "abstract and section 5",
        "With LSTM forecasts fewer requests fail than with the forecasts of the regression methods.",
        "lowest", errors(OURS, OURS | {"forecaster": "ridge"}),
        caveat="Of the four methods, ridge regression alone was replayed; the paper replays none, its Table 3 compares "
        "strategies"),
    replayed("A-CON-ERRORS", "Table 3 and section 4.2",
        "Joining active and passive scaling lowers the share of failed requests below that of either alone.",
        "lowest", errors(OURS, ADVANCE, RESPONSIVE, first=True), fit=LARGER),
    replayed("A-CON-PODS", "abstract and section 5",
        "Joining active and passive scaling raises the utilisation of resources, so that fewer pod-hours are used.",
        "fewer", count("pod_ratio", lambda ratio: ratio < 1),
        caveat="The paper has no number for this; it is read as pod-hours relative to those of passive scaling alone. "
        "Where the joined strategy asks for the larger of two numbers of pods, as it is read here, it can hardly use "
        "fewer"),

    # Sections 3 and 4.1
    number("A-F1-GATES", "Fig. 1 and section 3",
        "The network is an LSTM cell with an input, a forget and an output gate and a candidate state.",
        4, Json(
            "reports/tables/figure1_architecture.json",
            lambda network: {"": network["weights"]["lstm.weight_ih_l0"][0] / network["tensors"]["last"][1]},
            "the network that is trained",
        ), unit="blocks of weights", rule=within, fit=Fit(SET, "the network is built so"),
        stage="figure1", figure=f"reports/figures/forecast/{STAND_IN}/figure1.png", notebook="10-forecasting"),
    table_1("A-T1-CLOUD", "Table 1 and section 4.1",
        "The cloud cluster has three virtual machines of 8 cores, 16 GB of memory, 1 Gb/s and 200 GB of disk.",
        {"nodes": 3, "cores": 8, "memory_gb": 16, "network_gbps": 1, "disk_gb": 200}, Setting("elastic.clusters.cloud"),
        caveat="Table 1 prints memory, network and disk without units"),
    table_1("A-T1-EDGE", "Table 1 and section 4.1",
        "The edge cluster has three times three small computers of 4 cores, 8 GB of memory, 1 Gb/s and 128 GB of disk.",
        {"nodes": 9, "cores": 4, "memory_gb": 8, "network_gbps": 1, "disk_gb": 128}, Setting("elastic.clusters.edge"),
        caveat='Table 1 prints memory, network and disk without units; "three embedded computers, and each composed of '
        'three small embedded computers" is read as nine'),
    number("A-3-SHARE", "section 3",
        "A module instance is planned with 0.8 of the request rate that it bears in a pressure test.",
        0.8, Setting("elastic.target_utilisation"), unit="of Q_max", rule=within,
        fit=Fit(SET, "it is a setting, elastic.target_utilisation"), stage="replay", notebook="11-elastic"),
    contradiction("A-REF", "section 4.1",
        "The edge computer is shown in Figure 5-1, and Table 5-1 lists the hardware.",
        "Figure 5-1, Table 5-1", check(
            {"Figure 5-1", "Table 5-1"} <= {"Figure 1", "Figure 2", "Figure 3", "Table 1", "Table 2"},
            "Figure 1, Figure 2, Figure 3, Table 1, Table 2",
            "the paper has Figure 1, Figure 2, Figure 3, Table 1, Table 2; the text names Figure 5-1, Table 5-1",
        )),
    *(
        usage(f"A-F{figure}-{end}", f"Fig. {figure} and section 4.2",
            f"The {title} usage of the edge service {words} {published:g} % at times.",
            published, replace(COURSE, value=column, combine=combine),
            figure=f"reports/figures/elastic/{STAND_IN}/figure{figure}_{column}.png")
        for figure, column, title in ((2, "cpu", "CPU"), (3, "memory", "memory"))
        for end, combine, words, published in zip(
            ("LOW", "HIGH"), ("min", "max"), ("falls to", "rises to"), paper_a.USAGE_RANGES[column], strict=True
        )
    ),

    # Table 2; the tolerance is a tenth of an error, or of what R² leaves to 1
    *(
        table_2(f"A-T2-{name}-{metric.upper()}", "Table 2",
            f"{subject} {words}{', about 93.1 % of it' if (name, metric) == ('LSTM', 'r2') else ''}.",
            published, Cell(
                file=TABLE2, rows={"trace": STAND_IN, "horizon": 1, "model": model}, value=metric,
                interval=INTERVALS.get(metric), seeds="seeds",
            ),
            unit=unit, rule=near(abs((metric == "r2") - published) / 10),
            fit=CALIBRATED if model == LSTM else UNCALIBRATED)
        for model, (name, subject) in FORECASTERS.items()
        for metric, (unit, words) in METRICS.items()
        for published in [getattr(paper_a.TABLE_2[model], metric)]
    ),
    table_2("A-T2-TAILS", "Table 2",
        "The LSTM's mean absolute error is this part of its root mean squared error (.80 for Gaussian errors).",
        _TAILS, Cell(
            file=TABLE2, rows=NEXT_STEP | {"model": LSTM}, combine="min", seeds="seeds",
            value=lambda table: table["mae"] / table["mse"] ** 0.5,
        ), rule=near(_TAILS / 10),
        caveat="Shown is the lowest of these traces. So low a ratio needs small errors and rare, large bursts"),

    # Section 4.2 on Table 2
    forecasts("A-T2-BEST-MSE", "Table 2 and section 4.2",
        "The LSTM has the lowest mean squared error of the five methods.",
        "lowest", scores("mse", LSTM, RF, RIDGE, LOGISTIC, XGBOOST, first=True)),
    forecasts("A-T2-BEST-MAE", "section 4.2 on Table 2",
        "The LSTM has the lowest mean absolute error of the five methods.",
        "lowest", scores("mae", LSTM, RF, RIDGE, LOGISTIC, XGBOOST, first=True)),
    forecasts("A-T2-BEST-R2", "Table 2 and section 4.2",
        "The LSTM has the highest R² of the five methods.",
        "highest", scores("r2", LSTM, RF, RIDGE, LOGISTIC, XGBOOST, first=True, descending=True)),
    forecasts("A-T2-XGBOOST", "Table 2 and section 4.2",
        "XGBoost has a higher mean squared error than the LSTM, if only slightly.",
        "LSTM < XGBoost", scores("mse", LSTM, XGBOOST)),
    forecasts("A-T2-BEHIND", "Table 2 and section 4.2",
        "Random forest and ridge regression do not reach the LSTM's mean squared error.",
        "LSTM < random forest, ridge", scores("mse", LSTM, RF, RIDGE, first=True)),
    forecasts("A-T2-RF-RIDGE", "Table 2",
        "A random forest has a lower mean squared error than ridge regression.",
        "random forest < ridge", scores("mse", RF, RIDGE)),
    forecasts("A-T2-LAST-MSE", "Table 2 and section 4.2",
        "Logistic regression has the highest mean squared error of the five methods.",
        "highest", scores("mse", LOGISTIC, RF, RIDGE, XGBOOST, LSTM, first=True, descending=True)),
    forecasts("A-T2-LAST-MAE", "Table 2 and section 4.2",
        "Logistic regression has the highest mean absolute error of the five methods.",
        "highest", scores("mae", LOGISTIC, RF, RIDGE, XGBOOST, LSTM, first=True, descending=True)),
    forecasts("A-T2-LAST-R2", "Table 2 and section 4.2",
        "Logistic regression has the lowest R² of the five methods.",
        "lowest", scores("r2", LOGISTIC, RF, RIDGE, XGBOOST, LSTM, first=True)),
    forecasts("A-T2-ORDER-MSE", "Table 2",
        "By mean squared error the order is LSTM, XGBoost, random forest, ridge, logistic regression.",
        "LSTM < XGBoost < random forest < ridge < logistic", scores("mse", LSTM, XGBOOST, RF, RIDGE, LOGISTIC)),
    forecasts("A-T2-ORDER-MAE", "Table 2",
        "By mean absolute error the order is XGBoost, LSTM, random forest, ridge, logistic regression.",
        "XGBoost < LSTM < random forest < ridge < logistic", scores("mae", XGBOOST, LSTM, RF, RIDGE, LOGISTIC)),
    contradiction("A-T2-TEXT-BEST", "section 4.2 beside Table 2",
        "The LSTM performs best on all indicators, the mean absolute error among them.",
        paper_a.TABLE_2[LSTM].mae, check(_BEST_MAE["agrees"], f"{_BEST_MAE['expected']:g}", _BEST_MAE["says"]),
        unit="QPS", stage="tables"),
    contradiction("A-T2-TEXT-XGBOOST", "section 4.2 beside Table 2",
        "XGBoost's mean absolute error falls short of the LSTM's.",
        paper_a.TABLE_2[XGBOOST].mae, _compare_mae((LSTM,), (XGBOOST,)), unit="QPS"),
    contradiction("A-T2-TEXT-LOW", "section 4.2 beside Table 2",
        "Random forest and ridge regression have low mean absolute errors, a sign of their limited accuracy.",
        paper_a.TABLE_2[RF].mae, _compare_mae((RF, RIDGE), (LSTM,)), unit="QPS"),
    contradiction("A-T2-VARIANCE", "Table 2",
        "All five methods were judged on the same test data, so MSE / (1 - R²) is one variance.",
        "one number", check(
            _ODD == 0,
            f"{_VARIANCES['value'].min():.0f} to {_VARIANCES['value'].max():.0f}",
            f"MSE / (1 - R²) is {', '.join(f'{each:.0f} ({name})' for name, each in _VARIANCES['value'].items())}: "
            f"{_ODD} of {len(_VARIANCES)} rows are off the others by more than rounding allows",
        ), unit="QPS²", stage="tables"),

    # Table 3, and section 4.2 on it
    *(
        table_3(f"A-T3-{name}-{phase.upper()}", "Table 3",
            f"{words}, this share of requests fails under {title}.",
            paper_a.TABLE_3[strategy][phase], Cell(
                file=TABLE3, value="error_percent", interval=("low", "high"), seeds="repeats", rows={
                    "trace": STAND_IN, "reading": "trace", "forecaster": forecaster, "strategy": strategy,
                    "phase": phase,
                },
            ), unit="%", rule=near(paper_a.CELL_TOLERANCE), fit=SEARCHED)
        for name, strategy, forecaster, title in (
            ("ADVANCE", "advance", "published", "advance expansion"),
            ("RESPONSIVE", "responsive", "none", "responsive reduction"),
            ("LSTM", "combined", "published", "the LSTM strategy"),
        )
        for phase, words in {
            "stable": "While the number of modules is stable",
            "expansion": "When an expansion is triggered",
            "shrinkage": "When a shrinkage is triggered",
        }.items()
    ),
    table_3("A-T3-CELLS", "Table 3",
        "All nine cells come about with a forecaster that knows only the past.",
        9, Cell(
            file=TABLE3_VERDICTS, rows={"trace": STAND_IN, "reading": "trace", "forecaster": "lstm"}, value="cells"
        ), unit="cells within half a point", rule=within,
        fit=Fit(HELD_OUT, "the search used a forecast of the published accuracy, not this package's LSTM")),
    replayed("A-T3-EXPANSION", "Table 3 and section 4.2",
        "In expansions, the LSTM strategy has the lowest error rate of the three, or ties.",
        "lowest, or tied", count("best_expansion"), fit=LARGER),
    replayed("A-T3-SHRINKAGE", "Table 3 and section 4.2",
        "In shrinkages, the LSTM strategy has the lowest error rate of the three.",
        "lowest", count("best_shrinkage"), fit=LARGER, caveat="A tie within its interval counts as lowest"),
    replayed("A-T3-STABLE", "Table 3",
        "While nothing is scaled, the LSTM strategy has the highest error rate of the three.",
        "highest", errors(OURS, ADVANCE, RESPONSIVE, phase="stable", first=True, descending=True)),
    replayed("A-T3-STEADY", "Table 3 and section 4.2",
        "The LSTM strategy has the steadiest error rate, the one that differs least between the phases.",
        "least difference",
        errors(OURS, ADVANCE, RESPONSIVE, phase=list(paper_a.PHASES), first=True, combine="spread")),
    replayed("A-T3-RESPONSIVE", "section 4.2 on Table 3",
        "Over all phases, responsive scaling fails slightly fewer requests than advance scaling.",
        "responsive < advance", errors(RESPONSIVE, ADVANCE)),
    replayed("A-T3-WORST-ACCURATE", "Table 3",
        "Advance scaling errs most in shrinkages, with forecasts of the published accuracy.",
        "shrinkage", count("worst_advance", lambda phase: phase == "shrinkage", forecaster="published"),
        caveat="Such forecasts know the future up to an error of the published R²"),
    replayed("A-T3-WORST", "Table 3",
        "Advance scaling errs most in shrinkages, with the forecasts of an LSTM that knows only the past.",
        "shrinkage", count("worst_advance", lambda phase: phase == "shrinkage")),
    replayed("A-T3-WORST-TEXT", "section 4.2 on Table 3",
        "Advance scaling errs most in expansions, with the forecasts of an LSTM that knows only the past.",
        "expansion", count("worst_advance", lambda phase: phase == "expansion")),
    contradiction("A-T3-TEXT-CELL", "section 4.2 beside Table 3",
        "Advance scaling fails 6.7 % of the requests when an expansion is triggered.",
        _STATED, check(
            _CELLS[_PHASE] == _STATED,
            f"{_CELLS[_PHASE]:g}",
            f"the text has {_STATED:g} % on {_PHASE}, where the table has {_CELLS[_PHASE]:g} %; it has {_STATED:g} % "
            f"on {' and '.join(name for name, cell in _CELLS.items() if cell == _STATED)}",
        ), unit="%"),
    contradiction("A-T3-STRATEGY", "section 3 beside abstract, section 5 and Table 3",
        "The paper's own strategy scales by the forecast alone.",
        "by the forecast alone", compare_places({
            "section 3": "by the forecast alone",
            "abstract and section 5": "active and passive scaling combined",
            "Table 3, which has scaling in advance as another strategy": "not by the forecast alone",
        })),
    contradiction("A-T3-CAPTION", "caption of Table 3",
        "The table of error rates is Table 2.",
        "Table 2", compare_places({"its caption": "Table 2", "the text": "Table 3"})),
)  # fmt: skip
