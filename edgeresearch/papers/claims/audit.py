"""The audit of both papers: every claim beside what was measured, with the verdict that follows from its rule."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError, check_known
from edgeresearch.io import atomic, write_csv, write_json
from edgeresearch.papers.claims.measures import AbsentError, Claim, Results, Settings
from edgeresearch.papers.claims.records_a import RECORDS_A
from edgeresearch.papers.claims.records_b import RECORDS_B
from edgeresearch.papers.claims.rules import (
    CONTRADICTED,
    FITTED,
    MEANING,
    NOT,
    RELATIONS,
    REPRODUCED,
    SET,
    VERDICTS,
    Evidence,
    Fit,
    judge,
    plain,
)

RECORDS: tuple[Claim, ...] = (*RECORDS_A, *RECORDS_B)
"""The claims of both papers."""

FILE = "claims.csv"
"""Of the audit, in the folder of the reports."""

COLUMNS = (
    "id", "paper", "where", "kind", "claim", "published", "measured", "low", "high", "seeds", "data", "verdict",
    "reason", "stage", "figure", "notebook", "unit", "fitted",
)  # fmt: skip
"""Of that file."""

MISSED = "not reproduced or contradicted"
"""What the two verdicts that say no are counted as."""

PAPERS: Mapping[str, str] = {
    "A": "Elastic scheduling of micro-modules on LSTM forecasts",
    "B": "Local-optimistic scheduling of periodic model training",
}
"""What the papers are about, by their letters."""


def judge_claims(records: Sequence[Claim], home: Path, settings: Settings) -> pd.DataFrame:
    """Join claims with the results of a run, and judge them.

    Args:
        records: The claims.
        home: The project folder, with `reports/` and `data/`.
        settings: All settings, or those that the claims ask for.

    Returns:
        One row per claim with the columns `COLUMNS`. Values are text with at most 6 significant digits; `measured` is
        of the first reading where there are several, and says in how many places a ranking holds.

    Raises:
        InputError: Results are missing, or have not what a claim names.
    """
    results = Results(home, settings)
    return pd.DataFrame([_row(claim, _find(claim, results), results) for claim in records], columns=COLUMNS)


def write_claims(home: Path, reports: Path, settings: Settings) -> pd.DataFrame:
    """Write the audit of both papers: `claims.csv`, `claims.md`, `metrics/claims.json`.

    Args:
        home: The project folder, from which measures name their files.
        reports: Folder of the reports.
        settings: All settings, or those that the claims ask for.

    Returns:
        The audit.

    Raises:
        InputError: Results are missing, or a file cannot be written.
    """
    table = judge_claims(RECORDS, home, settings)
    write_csv(table, reports / FILE)
    with atomic(reports / "claims.md") as draft:
        draft.write_text(render_page(table), encoding="utf-8")
    write_json(count_verdicts(table), reports / "metrics" / "claims.json")
    return table


def read_claims(path: Path) -> pd.DataFrame:
    """Read the audit; text everywhere, empty where a cell is.

    Args:
        path: `reports/claims.csv`.

    Raises:
        InputError: The file is missing or no CSV, has not the columns `COLUMNS`, or a verdict is unknown.
    """
    again = "run edgeresearch reproduce first"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"cannot read {path}: {reason}; {again}") from error
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise InputError(f"{path} has no column {', '.join(absent)}; {again}")
    odd = sorted(set(table["verdict"]) - set(VERDICTS))
    if odd:
        raise InputError(f"{path}: unknown verdict {odd[0]!r}; known: {', '.join(VERDICTS)}")
    return table


def select_claims(table: pd.DataFrame, paper: str | None = None, verdict: str | None = None) -> pd.DataFrame:
    """Return the claims of one paper, or of one verdict, or of both.

    Raises:
        InputError: There is no such paper or verdict; the message names those that there are.
    """
    for column, value, known in (("paper", paper, tuple(PAPERS)), ("verdict", verdict, VERDICTS)):
        if value is not None:
            check_known(column, value, known)
            table = table[table[column] == value]
    return table


def tally(claims: Sequence[Mapping[Any, Any]]) -> Counter[str]:
    """Count some claims: by verdict, `MISSED`, all (`claims`), and the reproduced ones without help (`unaided`).

    Unaided are those whose value settings were neither fitted on nor set to.
    """
    counts = Counter(row["verdict"] for row in claims)
    counts[MISSED] = counts[NOT] + counts[CONTRADICTED]
    counts["claims"] = len(claims)
    counts["unaided"] = sum(row["verdict"] == REPRODUCED and row["fitted"] not in (FITTED, SET) for row in claims)
    return counts


def count_verdicts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count verdicts by `A`, `B` and `both`: `claims`, each verdict, and `reproduced_unaided` (see `tally`)."""
    parts = {paper: table[table["paper"] == paper] for paper in PAPERS} | {"both": table}
    counts = {name: tally(part.to_dict("records")) for name, part in parts.items()}
    return {
        name: {
            "claims": count["claims"],
            **{verdict.replace(" ", "_"): count[verdict] for verdict in VERDICTS},
            "reproduced_unaided": count["unaided"],
        }
        for name, count in counts.items()
    }


def format_value(row: Mapping[Any, str], name: str) -> str:
    """Return a number of a claim with few digits, its unit, and the interval if it is ours; words as they are.

    Args:
        row: The claim's.
        name: `published` or `measured`.
    """
    try:
        text = f"{float(row[name]):.4g}"
    except ValueError:
        return row[name]
    if name == "measured" and row["low"]:
        text += f" ({float(row['low']):.4g} to {float(row['high']):.4g})"
    return f"{text} {row['unit']}".strip()


def render_page(table: pd.DataFrame) -> str:
    """Return the audit as Markdown: counts at the top, then one table per paper, links relative to the reports."""
    lines = ["# Claims audit", "", *_summary(table)]
    for paper, title in PAPERS.items():
        lines += ["", f"## Paper {paper}: {title[:1].lower()}{title[1:]}", "", *_rows(table[table["paper"] == paper])]
    return "\n".join(lines) + "\n"


def _find(claim: Claim, results: Results) -> Evidence:
    try:
        return claim.measure.find(results)
    except AbsentError as absent:
        return Evidence(missing=f"not in this profile: {absent}")
    except InputError as error:
        raise InputError(f"claim {claim.id}: {error}") from error
    except (LookupError, AttributeError, TypeError) as error:
        file = getattr(claim.measure, "file", "the settings")
        raise InputError(f"claim {claim.id}: {file} has not what is measured: {error!r}; run its stage anew") from error


def _row(claim: Claim, evidence: Evidence, results: Results) -> dict[str, Any]:
    judgement = judge(claim.rule, evidence, claim.published)
    fit = claim.fit if isinstance(claim.fit, Fit | None) else claim.fit(results)
    reasons = (judgement.reason, f"{fit.relation}: {fit.why}" if fit else "", claim.caveat)
    first = evidence.readings[0] if evidence.readings else None
    return {
        **{name: getattr(claim, name) for name in COLUMNS if hasattr(claim, name)},
        "published": _format(claim.published),
        "measured": _measured(evidence, claim.published),
        "low": _format(first and first.low),
        "high": _format(first and first.high),
        "seeds": _format(evidence.seeds),
        "data": evidence.data,
        "verdict": judgement.verdict,
        "reason": f"{'. '.join(f'{each[:1].upper()}{each[1:]}'.rstrip('.') for each in reasons if each)}.",
        "fitted": fit.relation if fit else "",
    }


def _measured(evidence: Evidence, published: Any) -> str:
    if evidence.readings:
        return _format(evidence.readings[0].measured)
    if evidence.cells:
        return _format({name: each for name, each in evidence.cells.items() if name in published})
    if evidence.cases and not evidence.follows:
        return f"{sum(each.holds for each in evidence.cases)} of {len(evidence.cases)}"
    return evidence.follows


def _format(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(each)}" for name, each in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _summary(table: pd.DataFrame) -> Iterator[str]:
    counts = count_verdicts(table)
    both = counts["both"]
    yield (
        f"{both['claims']} claims of two papers, each beside what was measured here. Every verdict follows from a rule "
        "that the claim's record names (`edgeresearch/papers/claims/`: `records_a.py`, `records_b.py`, `rules.py`); "
        "none is written by hand."
    )
    yield ""
    yield f"| verdict | A | B | both | {' | '.join(f'of both, {each}' for each in RELATIONS)} | which means |"
    yield f"|---|{'---:|' * (3 + len(RELATIONS))}---|"
    for verdict in VERDICTS:
        part = table[table["verdict"] == verdict]
        numbers = [counts[name][verdict.replace(" ", "_")] for name in counts]
        numbers += [(part["fitted"] == each).sum() for each in RELATIONS]
        yield f"| {verdict} | {' | '.join(map(str, numbers))} | {MEANING[verdict]} |"
    yield ""
    yield (
        f"Of the {both['reproduced']} that are reproduced, {both['reproduced_unaided']} were neither fitted nor set "
        f"(A: {counts['A']['reproduced_unaided']}, B: {counts['B']['reproduced_unaided']}). "
        + " ".join(f"*{name.capitalize()}*: {meaning}." for name, meaning in RELATIONS.items())
    )


def _rows(part: pd.DataFrame) -> Iterator[str]:
    yield "| id | claim | published | measured (95 %) | data | verdict | why |"
    yield "|---|---|---|---|---|---|---|"
    for row in part.to_dict("records"):
        figure = row["figure"]
        place = f"[{row['where']}]({figure.removeprefix('reports/')})" if figure else row["where"]
        cells = (
            f"{row['id']}<br>{place}",
            row["claim"],
            format_value(row, "published"),
            format_value(row, "measured"),
            row["data"] + (f"; {row['seeds']} seeds" if row["seeds"] not in ("", "1") else ""),
            f"**{row['verdict']}**" + (f" ({row['fitted']})" if row["fitted"] else ""),
            row["reason"],
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
