"""What came out, in a handful of sentences computed from the tables: for the report's first screen and the README."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgeresearch.errors import InputError
from edgeresearch.papers import contradictions, elastic_words_a, paper_a, words_b
from edgeresearch.papers.elastic_a import GOAL, PUBLISHED
from edgeresearch.papers.report.figures import STANDIN


def headlines(reports: Path) -> dict[str, list[str]]:
    """Return the sentences by paper; where a run has not the table for one, it says so.

    Args:
        reports: Folder of the reports.
    """
    return {paper: [_told(make, reports) for make in makers] for paper, makers in _MAKERS.items()}


def _told(make: Callable[[Path], str], reports: Path) -> str:
    try:
        return make(reports)
    except InputError as error:
        return f"Not told in this run: {error}."


def _forecasts(reports: Path) -> str:
    found = _json(reports / "metrics" / "forecast.json")
    total, real = found["traces"], found["real_traces"]
    return (
        f"Of its five forecasters the paper's LSTM has the lowest MSE on {found['paper_lstm_first_mse']} of {total} "
        f"traces ({real} of them real), the next step ahead. This project's LSTM has a lower one than the paper's four "
        f"baselines on {found['project_first_mse_of_paper']}, and than every baseline here on "
        f"{found['project_first_mse_of_all']}."
    )


def _contradictions(reports: Path) -> str:
    found = paper_a.read(reports / "tables" / "table2_contradictions.csv")
    table = found[found["check"] != contradictions.TAILS]  # nothing says that errors are Gaussian
    against = table[~table["agrees"].astype(bool)]
    first = f": {against['check'].iloc[0]}, but {against['says'].iloc[0]}" if len(against) else ""
    return (
        f"The published Table 2 contradicts its text or itself in {len(against)} of {len(table)} checks that need no "
        f"measurement{first}."
    )


def _scaling(reports: Path) -> str:
    verdicts = paper_a.read(reports / "tables" / "table3_verdicts.csv")
    rows = verdicts[(verdicts["trace"] == STANDIN) & (verdicts["reading"] == "trace")].set_index("forecaster")["cells"]
    parts = [
        f"{rows[name]} with {elastic_words_a.MAKERS[name]}" for name in ("published", "lstm") if name in rows.index
    ]
    if not parts:
        raise InputError(f"{STANDIN} was not replayed")
    return (
        f"Of the nine error rates of Table 3, on the synthetic trace that stands for the paper's own, within {GOAL:g} "
        f"points are {' and '.join(parts)}; one number for all nine would be so near to {_nearest_constant()} of them. "
        f"{elastic_words_a.ordering(verdicts)}"
    )


def _nearest_constant() -> int:
    """Return how many published error rates of Table 3 a single number can come within `GOAL` of."""
    cells = [cell for row in PUBLISHED.values() for cell in row.values()]
    return max(sum(least <= cell <= least + 2 * GOAL for cell in cells) for least in cells)


def _drops(reports: Path) -> str:
    table = paper_a.read(reports / "tables" / "fig7_drop.csv")
    rows = table[(table["policy"] == "los") & table["published"].notna()]
    away = (rows["drop_percent"] - rows["published"]).abs()
    held = rows["held_out"].astype(bool)
    parts = [
        f"{words}, {', '.join(map(str, rows.loc[mask, 'streams']))} streams, at most {away[mask].max():.1f} points off"
        for words, mask in (("held out", held), ("fitted on", ~held))
        if mask.any()
    ]
    if not parts:
        raise InputError("LOS was not run with a number of streams that the paper has")
    return f"Dropped trainings (Fig. 7), simulated against published: {'; '.join(parts)}."


def _limits(reports: Path) -> str:
    return f"CPU limits (Fig. 5). {words_b.rules(paper_a.read(reports / 'tables' / 'los' / 'landmarks.csv'))}"


def _cloud(reports: Path) -> str:
    table: Any = paper_a.read(reports / "tables" / "fig7_drop.csv")
    rates = table.groupby("policy")["drop_percent"].agg(["min", "max"])
    if not {"los", "cloud"} <= set(rates.index):
        raise InputError("los or cloud was not run")
    spans = {name: f"{rates['min'][name]:.0f} to {rates['max'][name]:.0f} %" for name in ("los", "cloud")}
    return (
        "The paper compares LOS with training at the source alone, which drops everything. Sending every training "
        f"straight to the cloud drops {spans['cloud']} in the same simulation, LOS {spans['los']}."
    )


_MAKERS: Mapping[str, tuple[Callable[[Path], str], ...]] = {
    "A": (_forecasts, _contradictions, _scaling),
    "B": (_drops, _limits, _cloud),
}


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
