"""The README's results, made from the tables: what stands between its markers is never written by hand."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.io import atomic
from edgeresearch.papers.claims.rules import PARTLY, REPRODUCED, VERDICTS
from edgeresearch.papers.claims.table import FILE, PAPERS, read_claims
from edgeresearch.papers.report import claims as report_claims
from edgeresearch.papers.report import headlines
from edgeresearch.papers.report.cells import NONE, Printed
from edgeresearch.papers.report.exports import markdown
from edgeresearch.papers.report.printed import printed

_COLUMNS = {"b-fig7": ("Streams", "LOS, published", "LOS, simulated", "95 %", "Published value was")}

BEGIN, END = "<!-- results -->", "<!-- /results -->"

TABLES = {"A": ("a-table2", "a-table3"), "B": ("b-fig7",)}
"""Tables that are shown of each paper, in short."""

FIGURES = {
    "A": ("table2/relative_mse_1", "Error of each forecaster relative to the last value, trace by trace"),
    "B": ("los/scheduling/figure7", "Dropped trainings under LOS: published beside simulated"),
}
"""The figure that is shown of each paper, below the folder of the figures."""


def write(readme: Path, reports: Path, settings: Mapping[str, Any]) -> Path:
    """Put the results between the markers of a README; all else in it stays.

    Args:
        readme: The file, with the lines `BEGIN` and `END`.
        reports: Folder of the reports.
        settings: All settings as plain values.

    Returns:
        The file.

    Raises:
        InputError: The file has not both markers in this order, or results are missing.
    """
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {readme}: {error.strerror}; name another file") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{readme} has no lines {BEGIN} and {END}, one after the other; put them where results belong")
    folder = Path(os.path.relpath(reports.absolute(), readme.absolute().parent))
    made = results(reports, settings, folder)
    with atomic(readme) as draft:
        draft.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")
    return readme


def results(reports: Path, settings: Mapping[str, Any], folder: Path = Path("reports")) -> str:
    """Return the results as Markdown: the audit's counts, sentences, short tables and a figure of each paper.

    Args:
        reports: Folder of the reports.
        settings: All settings as plain values.
        folder: The same folder as the README's links name it.

    Raises:
        InputError: The audit is missing.
    """
    counts = report_claims.counts(read_claims(reports / FILE)).set_index("paper")
    tables = {each.name: each for each in printed(reports, settings) if isinstance(each, Printed)}
    told = headlines.headlines(reports)
    parts = [_counted(counts, folder)]
    for letter, title in PAPERS.items():
        parts.append(f"### Paper {letter}: {title[:1].lower()}{title[1:]}")
        name, alt = FIGURES[letter]
        if (reports / "figures" / f"{name}.png").is_file():
            parts.append(f"![{alt}]({(folder / 'figures' / name).as_posix()}.png)")
        parts.append("\n".join(f"- {sentence}" for sentence in told[letter]))
        parts += [markdown(_short(tables[each])).rstrip() for each in TABLES[letter] if each in tables]
    return "\n\n".join(parts)


def _counted(counts: pd.DataFrame, folder: Path) -> str:
    rows = {
        name: {
            "claims": str(row["claims"]),
            **{verdict: str(row[verdict]) for verdict in VERDICTS},
            "reproduced, neither fitted nor set": str(row["unaided"]),
        }
        for name, row in counts.iterrows()
    }
    names = {letter: f"Paper {letter}" for letter in PAPERS} | {"": "both"}
    table = pd.DataFrame(
        {"": [names[str(letter)] for letter in rows], **pd.DataFrame(rows).T.reset_index(drop=True)}
    ).to_markdown(index=False, disable_numparse=True, colalign=["left", *["right"] * (len(VERDICTS) + 2)])
    total = rows[""]
    first = (
        f"**Of {total['claims']} claims that the two papers make, {total[REPRODUCED]} came out here too, "
        f"{total[PARTLY]} in part.** Every verdict follows from a rule: "
        f"[the audit]({(folder / 'claims.md').as_posix()}), or `edgeresearch report --open`."
    )
    return f"{first}\n\n{table}"


def _short(table: Printed) -> Printed:
    """Leave out what the README has no room for: notes, and rows without a published value."""
    frame = table.table
    published = [name for name in frame if "published" in str(name)]
    stated = frame[(frame[published] != NONE).any(axis=1)] if published else frame
    keep = [name for name in frame if str(name) in _COLUMNS.get(table.name, tuple(map(str, frame)))]
    return Printed(table.name, table.title, stated[keep].reset_index(drop=True))
