"""The results in words: verdicts counted, what stands out, and the part of the README that is made from the audit."""

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgeresearch.data.registry import STAND_IN
from edgeresearch.errors import InputError
from edgeresearch.io import atomic, read_table
from edgeresearch.papers.claims.audit import FILE, PAPERS, format_value, read_claims, tally
from edgeresearch.papers.claims.rules import VERDICTS
from edgeresearch.papers.paper_a.published import CELL_TOLERANCE, POD_BUDGET
from edgeresearch.papers.paper_b import published as paper_b
from edgeresearch.papers.report.templates import environment

BEGIN, END = "<!-- results -->", "<!-- /results -->"
"""Between these lines of the README stands what is made."""

ROWS = (
    "A-T2-BEST-MSE", "A-T2-TEXT-BEST", "A-T3-CELLS", "A-T3-EXPANSION", "A-CON-PODS",
    "B-F7-04", "B-F7-08", "B-F6-08-2", "B-F5-LEVEL", "B-CON-MOST",
)  # fmt: skip
"""The claims that the README shows."""


def describe_claim(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of the audit with its values and interval as they are read, and what they are sorted by."""
    ends = [f"{float(row[end]):.4g}" for end in ("low", "high") if row[end]]
    seeds = f"{row['seeds']} seed{'s' if row['seeds'] != '1' else ''}" if row["seeds"] else ""
    return {
        **row,
        "published": format_value(row, "published"),
        "measured": format_value({**row, "low": ""}, "measured"),
        "interval": " to ".join(ends) if len(set(ends)) == 2 else "",
        "order": [_order(row["published"]), _order(row["measured"])],
        "basis": "; ".join(filter(None, [row["data"], seeds])),
        "rank": VERDICTS.index(row["verdict"]),
    }


def _order(text: str) -> float:
    """What a cell is sorted by: texts stand behind all numbers."""
    try:
        return float(text) if math.isfinite(float(text)) else 1e99
    except ValueError:
        return 1e99


def write_readme(readme: Path, reports: Path) -> Path:
    """Put the results between the markers of a README, with links from its folder; all else in it stays.

    Raises:
        InputError: The file has not both markers in this order, or the audit is missing.
    """
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {readme}: {error.strerror}; name another file") from error
    between = re.compile(f"(?<={BEGIN}\n).*?(?={END})", re.DOTALL)
    if not between.search(text):
        raise InputError(f"{readme} has no lines {BEGIN} and {END}, one after the other; put them where results belong")
    results = render_results(reports, Path(os.path.relpath(reports.absolute(), readme.absolute().parent)))
    with atomic(readme) as draft:
        draft.write_text(between.sub(lambda _: results, text, count=1), encoding="utf-8")
    return readme


def render_results(reports: Path, folder: Path = Path("reports")) -> str:
    """Return the results as Markdown: the audit's counts, and ten of its rows; links name the reports by `folder`."""
    claims = [describe_claim(row) for row in read_claims(reports / FILE).to_dict("records")]
    papers = {letter: tally([row for row in claims if row["paper"] == letter]) for letter in PAPERS}
    shown = [row for name in ROWS for row in claims if row["id"] == name]
    template = environment().get_template("readme.md.j2")
    return template.render(total=tally(claims), papers=papers, rows=shown, folder=folder.as_posix())


def write_findings(reports: Path) -> dict[str, list[str]]:
    """Return what stands out of each paper, as sentences in Markdown; where a run lacks the table for one, it says so.

    `templates/findings.md.j2` has a macro for each, which the function in `FINDINGS` of the same name gives its values.
    """
    macros, findings = environment().get_template("findings.md.j2").module, {}
    for paper, several in FINDINGS.items():
        findings[paper] = list[str]()
        for compute in several:
            try:
                text = getattr(macros, compute.__name__[1:])(compute(reports))
            except InputError as error:
                text = f"Not in this run: {error}."
            findings[paper].append(" ".join(text.split()))
    return findings


def _forecasts(reports: Path) -> Any:
    path = reports / "metrics" / "forecast.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _contradictions(reports: Path) -> dict[str, Any]:
    table = read_table(reports / "tables" / "table2_contradictions.csv")
    table = table[~table["check"].str.contains("Gaussian")]  # nothing says that errors are Gaussian
    return {"against": table[~table["agrees"].astype(bool)].to_dict("records"), "total": len(table)}


def _scaling(reports: Path) -> dict[str, Any]:
    verdicts = read_table(reports / "tables" / "table3_verdicts.csv").query("reading == 'trace'")
    cells = verdicts[verdicts["trace"] == STAND_IN].set_index("forecaster")["cells"]
    if not {"published", "lstm"} <= set(cells.index):
        raise InputError(f"{STAND_IN} was not replayed with the forecasts of Table 3")
    table = read_table(reports / "tables" / "table3_elastic.csv").dropna(subset=["published"])
    published = table.drop_duplicates(["strategy", "phase"])["published"]
    near = max(int(published.between(least, least + 2 * CELL_TOLERANCE).sum()) for least in published)
    real = verdicts[(verdicts["forecaster"] == "lstm") & verdicts["real"].astype(bool)]
    best = real["best_expansion"] & real["best_shrinkage"] & (real["pod_ratio"] <= POD_BUDGET)
    counts = {"published": cells["published"], "lstm": cells["lstm"], "near": near, "real": len(real)}
    return counts | {"goal": CELL_TOLERANCE, "budget": POD_BUDGET, "refusing": real[~best].to_dict("records")}


def _drops(reports: Path) -> dict[str, Any]:
    rows = read_table(reports / "tables" / "fig7_drop.csv").query("policy == 'los'").dropna(subset="published")
    if rows.empty:
        raise InputError("LOS was not run with a number of streams that the paper has")
    apart = (rows["drop_percent"] - rows["published"]).abs()
    groups = rows.assign(apart=apart).groupby(rows["held_out"].map({True: "held out", False: "fitted on"}))
    return {str(name): (list(part["streams"]), part["apart"].max()) for name, part in reversed(list(groups))}


def _limits(reports: Path) -> dict[str, Any]:
    marks = read_table(reports / "tables" / "los" / "landmarks.csv").query("together == 0")
    rules = marks.pivot(index="rule", columns="what", values="value").rename({"period": "IV.D", "utilisation": "VI.B"})
    rules = rules.reindex(columns=["level", "plateau", "level_residual"]).dropna()
    if rules.empty:
        raise InputError("there were too few iterations to see a plateau")
    level, residual = paper_b.LIMIT_MILLICORES[paper_b.PLATEAU_ITERATION], paper_b.RESIDUAL_PERCENT[1]
    gaps = (rules["level"] / level - 1).abs() + (rules["level_residual"] / residual - 1).abs()
    return {"rules": rules.to_dict("index"), "paper": paper_b, "closer": gaps.idxmin()}


def _cloud(reports: Path) -> dict[str, tuple[float, float]]:
    rates = read_table(reports / "tables" / "fig7_drop.csv").groupby("policy")["drop_percent"]
    spans = {str(name): (part.min(), part.max()) for name, part in rates}
    if not {"los", "cloud"} <= set(spans):
        raise InputError("los or cloud was not run")
    return spans


FINDINGS: dict[str, tuple[Callable[[Path], Any], ...]] = {
    "A": (_forecasts, _contradictions, _scaling),
    "B": (_drops, _limits, _cloud),
}
"""What computes the values of each sentence, by paper."""
