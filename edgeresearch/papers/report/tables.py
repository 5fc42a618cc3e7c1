"""The tables of both papers with what was measured beside what is published, to read, or to paste as LaTeX."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch import io
from edgeresearch.data.registry import STAND_IN
from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import read_claims
from edgeresearch.papers.paper_a.published import FOOTNOTES
from edgeresearch.papers.report.findings import describe_claim

NONE = "–"


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


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of results (see `io.read_table`), with what its traces are called (`named`)."""
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
    units |= {"disk_gb": "disk (GB)"}
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
    return PaperTable("a-table2", title, tabulate(rows, "model", columns), FOOTNOTES[:3])


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
    return table[table["trace"] == (STAND_IN if STAND_IN in names else names[0])]


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "\n": " ",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "°": r"$^\circ$", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$",
    "≈": r"$\approx$", "≠": r"$\neq$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$", "∝": r"$\propto$",
    "∞": r"$\infty$", "√": r"$\sqrt{\,}$", "⌈": r"$\lceil$", "⌉": r"$\rceil$", "−": "$-$", "–": "--", "—": "---",
    "…": r"\ldots{}", "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~", "α": r"$\alpha$", "β": r"$\beta$",
    "σ": r"$\sigma$", "μ": r"$\mu$", "µ": r"$\mu$", "π": r"$\pi$", "Δ": r"$\Delta$", "é": r"\'e", "ä": r'\"a',
    "ö": r'\"o', "ü": r'\"u', "ß": r"{\ss}",
}  # fmt: skip
"""Characters that LaTeX reads as something else, or does not know, and how they are written."""


def latex(text: str) -> str:
    """Return a text that LaTeX sets as it is, in ASCII alone.

    Raises:
        InputError: A character is not known here.
    """
    odd = [letter for letter in text if not _written(letter).isascii()]
    if odd:
        raise InputError(f"no LaTeX is known for {odd[0]!r} in {text!r}; add it to papers/report/tables.py")
    return "".join(map(_written, text))


def _written(letter: str) -> str:
    kind, _, code = unicodedata.decomposition(letter).partition(" ")
    raised = {"<super>": "^", "<sub>": "_"}.get(kind)
    return f"${raised}{{{_written(chr(int(code, 16)))}}}$" if raised else _LATEX.get(letter, letter)


def to_latex(table: PaperTable) -> str:
    """Return a table as LaTeX with booktabs rules; a long one breaks into pages, a wide column into lines."""
    wide = {name for name, _ in table.columns if table.table[name].map(len).max() > 24}
    lines = rf"p{{{min(0.75 / max(len(wide), 1), 0.4):.2f}\linewidth}}"
    columns = "".join(lines if name in wide else "r" if number else "l" for name, number in table.columns)
    long, caption = len(table.table) > 40, latex(table.title)
    text = table.table.map(latex).rename(columns=latex).to_latex(
        index=False, longtable=long, column_format=columns, caption=caption, label=f"tab:{table.name}"
    )  # fmt: skip
    notes = "".join(f"\\par\\smallskip\\footnotesize {latex(note)}\n" for note in table.notes)
    body, end, _ = text.replace(r"\begin{table}", "\\begin{table}[tb]\n\\small").partition("\\end{table}")
    return f"% needs \\usepackage{{booktabs,longtable}}\n{body}{notes}{end}\n"


def to_markdown(table: PaperTable) -> str:
    """Return a table as Markdown, with its title above and its notes below."""
    clean = table.table.map(lambda cell: cell.replace("|", "\\|").replace("\n", " "))
    sides = ["right" if number else "left" for _, number in table.columns]
    body = clean.to_markdown(index=False, disable_numparse=True, colalign=sides)
    return "\n\n".join([f"**{table.title}**", body, *(f"*{note}*" for note in table.notes)]) + "\n"
