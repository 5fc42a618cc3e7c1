"""The audit: every claim beside what was measured, with a verdict that follows from its rule."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.io import atomic, write_csv, write_json
from edgeresearch.papers.claims.measures import AbsentError, Results, Settings
from edgeresearch.papers.claims.record import Claim, Fit
from edgeresearch.papers.claims.records import RECORDS
from edgeresearch.papers.claims.rules import Evidence, judge, plain
from edgeresearch.papers.claims.table import COLUMNS, FILE, count_verdicts, render_page


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
