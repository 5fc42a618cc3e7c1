"""What stands out: the values of the sentences in `templates/findings.md.j2`, computed from the tables of a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeresearch.errors import InputError
from edgeresearch.papers.paper_a.published import CELL_TOLERANCE, POD_BUDGET
from edgeresearch.papers.paper_b import published as paper_b
from edgeresearch.papers.report.published import STANDIN, read_table
from edgeresearch.papers.report.templates import environment


def write_findings(reports: Path) -> dict[str, list[str]]:
    """Return the sentences of each paper as Markdown; where a run lacks the table for one, it says so."""
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
    cells = verdicts[verdicts["trace"] == STANDIN].set_index("forecaster")["cells"]
    if not {"published", "lstm"} <= set(cells.index):
        raise InputError(f"{STANDIN} was not replayed with the forecasts of Table 3")
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
