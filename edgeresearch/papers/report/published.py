"""Every published figure and table of both papers, and the tables that put what was measured beside it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch import io
from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import read_claims
from edgeresearch.papers.report.audit import describe_claim

NONE = "–"
STANDIN = "paper_a"
"""The synthetic trace that stands for the one of Paper A, which was never published."""


@dataclass(frozen=True)
class PaperTable:
    """A table as it is read or pasted: the name of its files, a title, cells of text, and notes that stand under it."""

    name: str
    title: str
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """The names of the columns, each with whether it is one of numbers, which stand at the right."""
        match = re.compile(r"[-–+]?[\d.,]*( (to|\[).*)?$").match
        return [(str(name), all(map(match, cells)) and {*cells} != {NONE}) for name, cells in self.table.items()]

    @property
    def rows(self) -> list[list[str]]:
        """The cells, row by row."""
        return [list(map(str, row)) for row in self.table.to_numpy()]


@dataclass(frozen=True)
class Place:
    """A published figure or table: its paper's letter, its name in the claims, and what a reader must know of it.

    `tables` are names in `TABLES`; figures, notebook and stage are those of the claims on it.
    """

    paper: str
    name: str
    title: str
    text: str = ""
    tables: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Where the report shows it, and what its figure is called among the exports."""
        return re.sub(r"[^a-z0-9]+", "-", f"paper {self.paper} {self.name}".casefold()).strip("-")


PLACES = (
    Place("A", "Fig. 1", "The architecture of the LSTM",
          "Drawn from the shapes that a batch has on its way through the very network that is trained."),
    Place("A", "Table 1", "The clusters",
          "The experiment runs on these settings: a pod takes a core of the edge cluster.", ("a-table1",)),
    Place("A", "Table 2", "Errors of the forecasters",
          "The paper's trace was never published: its values can be compared in order and ratio only. Beside them "
          "stands a synthetic trace calibrated to them, and real ones.", ("a-table2", "a-table2-traces")),
    Place("A", "Fig. 2", "CPU use of the edge service over time",
          "The paper shows a curve without its data; what it says in numbers is its range."),
    Place("A", "Fig. 3", "Memory use of the edge service over time", "As with Fig. 2, the paper gives a range."),
    Place("A", "Table 3", "Error rates of the scaling strategies",
          "In the paper it is captioned “Table 2” a second time. Settings were calibrated to its nine cells together, "
          "with a forecast of the accuracy that the paper states; none has a setting of its own.", ("a-table3",)),
    Place("B", "Table I", "The instances of the testbed", tables=("b-table1",)),
    Place("B", "Fig. 1", "The testbed", "Drawn from the mesh that is emulated."),
    Place("B", "Fig. 2", "A search through neighbourhoods", "One search of a simulated run, as it went."),
    Place("B", "Fig. 3", "The parts of an edge manager", "Drawn from the classes that the emulator runs."),
    Place("B", "Fig. 4", "Latencies while nodes move", "The paper shows an example and states no numbers."),
    Place("B", "Fig. 5", "CPU limits, training times and residuals",
          "Simulated, training by training, under both rules that the paper states."),
    Place("B", "Fig. 6", "How often a training is handed over",
          "Simulated. The paper does not say what its shares are of; the table is of all that looked for a place.",
          ("b-fig6",)),
    Place("B", "Fig. 7", "Dropped trainings",
          "Simulated. Published values that were held out had no part in the choice of settings.",
          ("b-fig7", "b-triggers")),
)  # fmt: skip
"""Every figure and table of both papers, in their order."""


def place_claims(claims: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Return the anchor of the place that each claim is on, and of the place beside which each claimed figure stands.

    A claim is on the first place that it names, else on that of its figure; figures go by their name below
    `reports/figures` without suffix.
    """
    figures = claims["figure"].str.removeprefix("reports/figures/").str.replace(r"\.\w+$", "", regex=True)
    named = [_named(paper, where) for paper, where in zip(claims["paper"], claims["where"], strict=True)]
    placed: dict[str, str] = {}
    for figure, anchor in zip(figures, named, strict=True):
        if figure and anchor:
            placed.setdefault(figure, anchor)
    placed = dict(sorted(placed.items(), key=lambda pair: STANDIN not in pair[0].split("/")))
    return [anchor or placed.get(figure, "") for figure, anchor in zip(figures, named, strict=True)], placed


def _named(paper: str, where: str) -> str:
    found = [
        (match.start(), place.anchor)
        for place in PLACES
        if place.paper == paper and (match := re.search(rf"\b{re.escape(place.name)}(?![0-9IVX])", where))
    ]
    return min(found)[1] if found else ""


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of results, with what its traces are called (`named`).

    Raises:
        InputError: It is missing or no CSV.
    """
    table = io.read_table(path)
    if {"trace", "real"} <= set(table):
        table["named"] = table["trace"].where(table["real"].astype(bool), table["trace"] + " (synthetic)")
    return table


def tabulate(rows: pd.DataFrame, by: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return a table of text; names and cells of its columns are formats, filled from the rows.

    Args:
        rows: Results; a name such as `{phase}, measured` makes a column of each phase.
        by: Rows with the same value here are one line.
        columns: Cells by name; one with a missing value is `NONE`, and a column of these is left out.
    """
    if rows.empty:
        raise InputError("nothing of it was run")
    lines: dict[Any, dict[str, str]] = {}
    records: Any = rows.to_dict("records")
    for row in records:
        cells = {name.format(**row): cell.format(**row) for name, cell in columns.items()}
        known = {name: NONE if re.search(r"\bnan\b|^$", text) else text for name, text in cells.items()}
        lines[row[by]] = lines.get(row[by], {}) | known
    table = pd.DataFrame(lines.values()).fillna(NONE)
    return table.loc[:, (table != NONE).any()]


def _table1_a(_: Path, settings: Mapping[str, Any]) -> PaperTable:
    names = {"cloud": "Central host cluster", "edge": "Marginal cluster"}
    units = {"nodes": "nodes", "cores": "CPU cores", "memory_gb": "memory (GB)", "network_gbps": "network (Gb/s)"}
    units["disk_gb"] = "disk (GB)"
    clusters = pd.DataFrame(settings["elastic"]["clusters"]).T[list(units)].rename(index=names, columns=units)
    table = clusters.map("{:g}".format).rename_axis("cluster").reset_index()
    return PaperTable("a-table1", "Paper A, Table 1: the clusters that the experiment runs on", table)


def _table2(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    rows = _of_standin(read_table(tables / "table2_forecast.csv").query("horizon == horizon.min()"))
    columns = {
        "Method": "{label}",
        "MSE published": "{published_mse:.1f}", "MSE measured": "{mse:.1f}",
        "MSE 95 %": "{mse_low:.1f} to {mse_high:.1f}", "MAE published": "{published_mae:.2f}",
        "MAE measured": "{mae:.2f}", "R² published": "{published_r2:.3f}", "R² measured": "{r2:.3f}",
    }  # fmt: skip
    title = f"Paper A, Table 2: errors of the next step on {rows['named'].iloc[0]}, in {rows['unit'].iloc[0]}"
    notes = (
        "Published values are of the paper's own trace, which was never published: only their order and ratios can be "
        "compared. The paper forecasts the next step.",
        "Logistic regression is a classifier. It is read as multinomial logistic regression over quantile bins of the "
        "target, whose forecast is the mean of the bins weighted by their probabilities.",
        "Intervals are 95 %, by a moving-block bootstrap over time and seeds.",
    )
    return PaperTable("a-table2", title, tabulate(rows, "model", columns), notes)


def _table2_traces(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    lines = []
    scores = read_table(tables / "table2_forecast.csv").query("horizon == horizon.min()")
    for named, part in scores.groupby("named", sort=False):
        mse: Any = part.set_index("model")["mse"].reindex(["last_value", "ridge", "lstm_paper", "lstm"])
        five = part[part["role"].str.startswith("paper")].sort_values("mse").reset_index()
        best = part.loc[part["role"].isin(["paper", "naive", "strong"]), "mse"].min()
        place = five.index[five["model"] == "lstm_paper"].min() + 1.0
        lines.append({"named": named, "first": five["label"].get(0, NONE), "place": place, "best": mse["lstm"] / best})
        lines[-1] |= (mse / mse["last_value"]).to_dict()
    columns = {
        "Trace": "{named}", "Best of the paper's five": "{first}", "Place of its LSTM": "{place:.0f}",
        "Ridge, MSE / last value": "{ridge:.3f}", "LSTM (paper), MSE / last value": "{lstm_paper:.3f}",
        "LSTM (project), MSE / last value": "{lstm:.3f}", "LSTM (project), MSE / best baseline": "{best:.3f}",
    }  # fmt: skip
    table = tabulate(pd.DataFrame(lines), "named", columns)
    note = "A ratio below 1 is better. The last value is the forecast that nothing changes. Baselines: no LSTM."
    return PaperTable("a-table2-traces", "Paper A, Table 2 on every trace, next step", table, (note,))


def _table3(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    rows = _of_standin(read_table(tables / "table3_elastic.csv")).dropna(subset="published").query("reading == 'trace'")
    makers = {"published": "of the published accuracy", "lstm": "this project's LSTM", "none": "none"}
    rows = rows[rows["forecaster"].isin(makers)].sort_values(["strategy", "forecaster"], kind="stable")
    rows = rows.assign(line=rows["strategy"] + rows["forecaster"], forecast=rows["forecaster"].map(makers))
    rows[["strategy", "phase"]] = rows[["strategy", "phase"]].apply(lambda names: names.str.title())
    columns = {"Strategy": "{strategy}", "Forecast": "{forecast}", "{phase}, published": "{published:.1f}"}
    columns["{phase}, measured"] = "{error_percent:.1f} [{low:.1f}, {high:.1f}]"
    notes = (
        "Measured: the mean, and in brackets its 95 % interval over repeats. Combined is what the paper calls LSTM.",
        "A forecast of the published accuracy knows the future up to an error of the R² that Table 2 states.",
    )
    title = f"Paper A, Table 3: error rates in % on {rows['named'].iloc[0]}"
    return PaperTable("a-table3", title, tabulate(rows, "line", columns), notes)


def _table1_b(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    table = read_table(tables / "testbed.csv").astype(object).fillna(NONE).astype(str)
    return PaperTable("b-table1", "Paper B, Table I: the instances of the testbed", table)


def _figure5(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    claims = read_claims(tables.parent / "claims.csv")
    claims = claims[(claims["paper"] == "B") & claims["where"].str.contains("Fig. 5") & (claims["kind"] == "number")]
    return PaperTable("b-fig5", "Paper B, Fig. 5: CPU limits and residuals", claims_table(claims, "Simulated"))


def claims_table(claims: pd.DataFrame, measured: str = "Measured") -> pd.DataFrame:
    """Return some audited claims as a table to paste."""
    rows = pd.DataFrame([describe_claim(row) for row in claims.to_dict("records")])
    columns = {"Paper": "{paper}", "Where": "{where}", "Claim": "{claim}", "Published": "{published}"}
    columns |= {measured: "{measured}", "95 %": "{interval}", "Verdict": "{verdict}", "Why": "{reason}"}
    return tabulate(rows, "id", columns)


def _figure6(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    rows = read_table(tables / "fig6_hops.csv").query("hops > 0")
    rows["name"] = [f"{hops} hop{'s' if hops != 1 else ''}" for hops in rows["hops"]]
    columns = {"Streams": "{streams}", "{name}": "{share_percent:.1f} [{low:.1f}, {high:.1f}]"}
    table = tabulate(rows, "streams", {**columns, "{name}, published": "{published:g}"})
    note = "Simulated: mean and 95 % interval over repeats, of all trainings that looked for a place."
    return PaperTable("b-fig6", "Paper B, Fig. 6: shares of hand-overs under LOS, in %", table, (note,))


def _figure7(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    rows = read_table(tables / "fig7_drop.csv")
    names = {"los": "LOS, simulated", "in_situ": "In-situ only", "random": "Random neighbour", "oracle": "Oracle"}
    names |= {"cloud": "Straight to the cloud", "least_loaded": "Least loaded, all known"}
    rows = rows.assign(name=rows["policy"].map(names), los=rows["policy"] == "los").dropna(subset="name")
    rows["was"] = rows["held_out"].map({True: "held out", False: "fitted on"}).where(rows["published"].notna())
    columns = {"Streams": "{streams}", "{name}": "{drop_percent:.1f}"}
    more = {"95 %": "{low:.1f} to {high:.1f}", "LOS, published": "{published:.2f}", "Published value was": "{was}"}
    table = tabulate(rows[rows["los"]], "streams", columns | more)
    table = table.merge(tabulate(rows[~rows["los"]], "streams", columns), how="left")
    note = "Simulated. The paper states 100 % for trainings that can only run at their source (in-situ)."
    return PaperTable("b-fig7", "Paper B, Fig. 7: dropped trainings, in %", table, (note,))


def _triggers(tables: Path, _: Mapping[str, Any]) -> PaperTable:
    rows = read_table(tables / "los_triggers.csv")
    words = {"period": "every 3 to 5 minutes", "samples": "after 1,000 samples at 200 to 800 ms"}
    rows["name"] = rows["trigger"].map(words)
    columns = {"A training": "{name}", "Published": "more than {published:,.0f}", "Simulated": "{triggers:,.0f}"}
    table = tabulate(rows, "trigger", {**columns, "95 %": "{low:,.0f} to {high:,.0f}", "Ratio": "{ratio:.2f}"})
    title = "Paper B, section VI.C: trainings triggered in an experiment of the paper's size"
    return PaperTable("b-triggers", title, table)


TABLES: dict[str, Callable[[Path, Mapping[str, Any]], PaperTable]] = {
    "a-table1": _table1_a, "a-table2": _table2, "a-table2-traces": _table2_traces, "a-table3": _table3,
    "b-table1": _table1_b, "b-fig5": _figure5, "b-fig6": _figure6, "b-fig7": _figure7, "b-triggers": _triggers,
}  # fmt: skip
"""What makes each table, by its name, from the folder of the tables and all settings as plain values."""


def paper_tables(reports: Path, settings: Mapping[str, Any]) -> dict[str, PaperTable | InputError]:
    """Return every table of the papers by its name; in place of one that cannot be made stands why."""
    tables: dict[str, PaperTable | InputError] = {}
    for name, make in TABLES.items():
        try:
            tables[name] = make(reports / "tables", settings)
        except InputError as error:
            tables[name] = error
    return tables


def _of_standin(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the trace that stands for Paper A's own where it was run, else of the first."""
    names = list(table["trace"])
    return table[table["trace"] == (STANDIN if STANDIN in names else names[0])]
