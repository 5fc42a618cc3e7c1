"""The claims audit: every claim of both papers beside what was measured, with a verdict that follows from a rule."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.files import atomic, write_csv, write_json
from edgeresearch.paper import paper_b
from edgeresearch.paper.claims import pages as claim_pages
from edgeresearch.paper.claims.audit import COLUMNS, FITTED, HELD_OUT, SET
from edgeresearch.paper.claims.formulas import FORMULAS
from edgeresearch.paper.claims.models import Claim, Fit, Nothing, Paper
from edgeresearch.paper.claims.results import LACKS, Results
from edgeresearch.paper.claims.rules import judge, tolerance
from edgeresearch.paper.claims.sources import Finding, find
from edgeresearch.paper.claims.values import filled, plain
from edgeresearch.settings import parsed, read_yaml

CLAIMS = Path(__file__).with_name("claims.yaml")
"""The claims of both papers."""


def load(path: str | Path = CLAIMS) -> list[Claim]:
    """Read claims.

    Args:
        path: YAML file with the key `claims`, a list; the key `shared` may hold what entries have in common.

    Raises:
        InputError: The file or an entry is wrong; the message names the file and the claim's id.
    """
    path = Path(path)
    entries = read_yaml(path).get("claims")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path} has no list called claims; name another file")
    claims: list[Claim] = []
    for at, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise InputError(f"{path}, claim {at}: expected keys and values")
        where = f"{path}, claim {entry.get('id', at)}"
        claim = parsed(entry, Claim, where)
        try:
            _check(claim)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if claim.id in {each.id for each in claims}:
            raise InputError(f"{where}: the id is taken; give it another one")
        claims.append(claim)
    return claims


def _check(claim: Claim) -> None:
    """Raise unless everything that a claim names is there."""
    value = filled(claim.published)
    if claim.rule.name in ("within", "above") and not isinstance(value, int | float):
        raise InputError(f"the rule {claim.rule.name} needs a number as published, not {value!r}")
    if claim.rule.name == "within":
        tolerance(claim.rule, value)
    if isinstance(claim.source, Nothing) and claim.source.lacks not in LACKS:
        raise InputError(f"unknown lack {claim.source.lacks!r}; known: {', '.join(LACKS)}")
    if isinstance(claim.source, Paper):
        if claim.source.formula not in FORMULAS:
            raise InputError(f"unknown formula {claim.source.formula!r}; known: {', '.join(FORMULAS)}")
        try:
            inspect.signature(FORMULAS[claim.source.formula]).bind(**filled(claim.source.given))
        except TypeError as error:
            raise InputError(f"{claim.source.formula}: {error}") from None


def audit(claims: Sequence[Claim], home: Path, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Join claims with the results of a run, and judge them.

    Args:
        claims: The claims.
        home: The project folder, with `reports/` and `data/`.
        settings: All settings as plain values.

    Returns:
        One row per claim with the columns `COLUMNS`. Values are text with at most 6 significant digits; `measured` is
        of the first reading where there are several, and says in how many places a ranking holds.

    Raises:
        InputError: Results are missing, or have not what a claim names.
    """
    results = Results(home, settings)
    return pd.DataFrame([_row(claim, find(claim, results), results) for claim in claims], columns=COLUMNS)


def _row(claim: Claim, finding: Finding, results: Results) -> dict[str, Any]:
    published = filled(claim.published)
    judgement = judge(claim.rule, published, finding)
    fitted, why = relation(claim.fit, results)
    first = finding.values[0] if finding.values else None
    reason = ". ".join(_sentence(each) for each in (judgement.reason, why, claim.caveat) if each)
    return {
        **claim.model_dump(include={"id", "paper", "where", "kind", "claim", "stage", "unit"}),
        "figure": claim.figure or "",
        "notebook": claim.notebook or "",
        "published": _shown(finding.published or published),
        "measured": _measured(finding, published),
        "low": _shown(None if first is None else first.low),
        "high": _shown(None if first is None else first.high),
        "seeds": _shown(finding.seeds),
        "data": finding.data,
        "verdict": judgement.verdict,
        "reason": f"{reason}.",
        "fitted": fitted,
    }


def relation(fit: Fit | None, results: Results) -> tuple[str, str]:
    """Return how the settings and a published value are related, and why; two empty words where they are not."""
    if fit is None:
        return "", ""
    if fit.streams is not None:
        among = results.setting("los.fitted")
        word = FITTED if fit.streams in among else HELD_OUT
        return word, f"{word}: settings are fitted on {', '.join(map(str, among))} streams"
    if fit.target is not None:
        among = [name for name in paper_b.FITTED if name == fit.target or name.startswith(f"{fit.target}_")]
        if among:
            return FITTED, f"{FITTED}: settings were searched that bring {', '.join(among)} close to the paper's"
        return HELD_OUT, f"{HELD_OUT}: {fit.target} is not among what settings were searched for"
    word, why = next(each for each in ((FITTED, fit.fitted), (HELD_OUT, fit.held_out), (SET, fit.set)) if each[1])
    return word, f"{word}: {why}"


def _measured(finding: Finding, published: Any) -> str:
    if finding.values:
        return _shown(finding.values[0].measured)
    if finding.outcomes:
        return f"{sum(each.holds for each in finding.outcomes)} of {len(finding.outcomes)}"
    if finding.check is not None:
        return finding.check.follows
    return _shown({name: each for name, each in finding.cells.items() if name in (finding.published or published)})


def _shown(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(each)}" for name, each in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")


def write(home: Path, reports: Path, settings: Mapping[str, Any], path: str | Path = CLAIMS) -> pd.DataFrame:
    """Write the audit: `claims.csv`, `claims.md`, `metrics/claims.json`.

    Args:
        home: The project folder, from which the claims name their tables.
        reports: Folder of the reports.
        settings: All settings as plain values.
        path: The claims.

    Returns:
        The audit.

    Raises:
        InputError: The claims are wrong, results are missing, or a file cannot be written.
    """
    table = audit(load(path), home, settings)
    text = claim_pages.page(table)
    write_csv(table, reports / "claims.csv")
    with atomic(reports / "claims.md") as draft:
        draft.write_text(text, encoding="utf-8")
    write_json(claim_pages.counts(table), reports / "metrics" / "claims.json")
    return table
