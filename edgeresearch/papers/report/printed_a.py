"""Paper A's Tables 1 to 3 as text: published beside measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.autoscaling.replay import setup
from edgeresearch.papers import elastic_a, paper_a
from edgeresearch.papers.report.cells import NONE, Printed, fixed, ratio, spans, with_span
from edgeresearch.papers.report.figures import STANDIN
from edgeresearch.plotting.style import shown as named


def table1(_: Path, settings: Mapping[str, Any]) -> Printed:
    """Return Paper A, Table 1, from the clusters that are set.

    Args:
        _: Not read.
        settings: All settings as plain values.
    """
    table = elastic_a.table1(setup(settings["elastic"]).clusters)
    return Printed("a-table1", "Paper A, Table 1: the clusters that the experiment runs on", table.astype(str))


def table2(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return Paper A, Table 2, on the trace that stands for the paper's own.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: The table has not been made.
    """
    everything = paper_a.read(tables / "table2_forecast.csv")
    name = _standing(everything["trace"])
    rows = everything[(everything["trace"] == name) & (everything["horizon"] == everything["horizon"].min())]
    columns: dict[str, Any] = {"Method": rows["label"]}
    for metric, words in paper_a.METRICS.items():
        columns[f"{words.label} published"] = fixed(rows[f"published_{metric}"], words.decimals)
        columns[f"{words.label} measured"] = fixed(rows[metric], words.decimals)
        if metric == "mse":
            columns["MSE 95 %"] = spans(rows["mse_low"], rows["mse_high"], words.decimals)
    label = named(name, bool(rows["real"].iloc[0]))
    title = f"Paper A, Table 2: errors of the next step on {label}, in {rows['unit'].iloc[0]}"
    return Printed("a-table2", title, pd.DataFrame(columns).reset_index(drop=True), paper_a.FOOTNOTES[:3])


def traces(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return how Paper A's five models and the project's LSTM fare on every trace.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: Table 2 has not been made.
    """
    everything = paper_a.read(tables / "table2_forecast.csv")
    first = everything[everything["horizon"] == everything["horizon"].min()]
    parts: Any = first.groupby("trace", sort=False)
    rows = [_traced(named(str(trace), bool(part["real"].iloc[0])), part) for trace, part in parts]
    note = "A ratio below 1 is better. The last value is the forecast that nothing changes. Baselines: no LSTM."
    return Printed("a-table2-traces", "Paper A, Table 2 on every trace, next step", pd.DataFrame(rows), (note,))


def _traced(label: str, part: pd.DataFrame) -> dict[str, str]:
    scores: Any = part.set_index("model")
    mse = scores["mse"]
    five = list(scores[scores.index.isin(paper_a.PUBLISHED)].sort_values("mse").index)
    last = mse.get("last_value")
    best = scores[scores["role"].isin(paper_a.BASELINES)]["mse"].min()
    return {
        "Trace": label,
        "Best of the paper's five": scores["label"][five[0]] if five else NONE,
        "Place of its LSTM": str(five.index(paper_a.OURS) + 1) if paper_a.OURS in five else NONE,
        "Ridge, MSE / last value": ratio(mse.get("ridge"), last),
        "LSTM (paper), MSE / last value": ratio(mse.get(paper_a.OURS), last),
        "LSTM (project), MSE / last value": ratio(mse.get(paper_a.PROJECT), last),
        "LSTM (project), MSE / best baseline": ratio(mse.get(paper_a.PROJECT), best),
    }


def table3(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return Paper A, Table 3, on the trace that stands for the paper's own, by whose forecasts strategies act on.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: The table has not been made.
    """
    everything = paper_a.read(tables / "table3_elastic.csv")
    name = _standing(everything["trace"])
    rows = everything[(everything["trace"] == name) & (everything["reading"] == "trace")]
    makers = {"published": "of the published accuracy", "lstm": "this project's LSTM", "none": "none"}
    lines = []
    for strategy, cells in elastic_a.PUBLISHED.items():
        for maker, words in makers.items():
            part: Any = rows[(rows["strategy"] == strategy) & (rows["forecaster"] == maker)].set_index("phase")
            if part.empty:
                continue
            line = {"Strategy": "Combined (LSTM)" if strategy == "combined" else strategy.title(), "Forecast": words}
            for phase in elastic_a.PHASES:
                line[f"{phase.title()}, published"] = f"{cells[phase]:.1f}"
                found = part.reindex([phase]).iloc[0]
                line[f"{phase.title()}, measured"] = with_span(found["error_percent"], found["low"], found["high"])
            lines.append(line)
    label = named(name, bool(rows["real"].iloc[0]))
    notes = (
        "Measured: the mean, and in brackets its 95 % interval over repeats. Phases are told by the load.",
        "A forecast of the published accuracy knows the future up to an error of the R² that Table 2 states.",
    )
    return Printed("a-table3", f"Paper A, Table 3: error rates in % on {label}", pd.DataFrame(lines), notes)


def _standing(names: "pd.Series[str]") -> str:
    """The trace that stands for the paper's own: the stand-in where it was run, else the first."""
    several = list(dict.fromkeys(names))
    return STANDIN if STANDIN in several else str(several[0])
