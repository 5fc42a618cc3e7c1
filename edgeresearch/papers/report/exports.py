"""Tables as LaTeX and Markdown, figures as SVG, all under names that stay: what a researcher pastes into a paper."""

import shutil
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.io import atomic, gathered
from edgeresearch.papers.report import claims as report_claims
from edgeresearch.papers.report import figures as report_figures
from edgeresearch.papers.report.cells import Missing, Printed, numeric
from edgeresearch.papers.report.places import PLACES
from edgeresearch.papers.report.rows import interval, measured

_LATEX: Mapping[str, str] = MappingProxyType(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", "\n": " ", "[": "{[}", "]": "{]}", "°": r"$^\circ$", "±": r"$\pm$", "×": r"$\times$",
        "·": r"$\cdot$", "≈": r"$\approx$", "≠": r"$\neq$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$",
        "∝": r"$\propto$", "∞": r"$\infty$", "√": r"$\sqrt{\,}$", "⌈": r"$\lceil$", "⌉": r"$\rceil$",
        "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}", "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~",
        "α": r"$\alpha$", "β": r"$\beta$", "σ": r"$\sigma$", "μ": r"$\mu$", "µ": r"$\mu$", "π": r"$\pi$",
        "Δ": r"$\Delta$", "é": r"\'e", "ä": r'\"a', "ö": r'\"o', "ü": r'\"u', "ß": r"{\ss}",
    }
)  # fmt: skip
"""Characters that LaTeX reads as something else, or does not know, and how they are written."""

PAGE = 40
"""Rows of a table from which on it is broken into pages."""

WIDE = 24
"""Characters of a column's longest cell from which on it is broken into lines."""


def latex(text: str) -> str:
    """Return a text that LaTeX sets as it is, in ASCII alone.

    Raises:
        InputError: A character is not known here.
    """
    written = [_written(letter) for letter in text]
    for letter, each in zip(text, written, strict=True):
        if not each.isascii():
            raise InputError(f"no LaTeX is known for {letter!r} in {text!r}; add it to paper/report/exports.py")
    return "".join(written)


def _written(letter: str) -> str:
    kind, _, code = unicodedata.decomposition(letter).partition(" ")
    raised = {"<super>": "^", "<sub>": "_"}.get(kind)
    return f"${raised}{{{_written(chr(int(code, 16)))}}}$" if raised else _LATEX.get(letter, letter)


def tex(table: Printed) -> str:
    """Return a table as a LaTeX float with booktabs rules, or over several pages; its notes stand under it.

    Raises:
        InputError: A character has no LaTeX.
    """
    frame = table.table.map(latex).rename(columns=latex)
    columns = "".join(_aligned(table.table))
    notes = [rf"\par\smallskip\footnotesize {latex(note)}" for note in table.notes]
    caption, label = latex(table.title), f"tab:{table.name}"
    if len(frame) > PAGE:
        long = frame.to_latex(
            index=False, escape=False, longtable=True, column_format=columns, caption=caption, label=label
        )
        return "\n".join([r"% needs \usepackage{booktabs,longtable}", long.rstrip(), *notes, ""])
    body = frame.to_latex(index=False, escape=False, column_format=columns)
    head = [r"% needs \usepackage{booktabs}", r"\begin{table}[tb]", r"\centering", r"\small"]
    head += [rf"\caption{{{caption}}}", rf"\label{{{label}}}"]
    return "\n".join([*head, body.rstrip(), *notes, r"\end{table}", ""])


def _aligned(frame: pd.DataFrame) -> list[str]:
    """How LaTeX aligns each column: numbers right, text left, and long text in lines."""
    wide = {name for name in frame if frame[name].map(len).max() > WIDE}
    lines = rf"p{{{min(0.75 / max(len(wide), 1), 0.4):.2f}\linewidth}}"
    return [lines if name in wide else "r" if numeric(frame[name]) else "l" for name in frame]


def markdown(table: Printed) -> str:
    """Return a table as Markdown, with its title above and its notes below."""
    clean = table.table.map(lambda cell: cell.replace("|", "\\|").replace("\n", " "))
    sides = ["right" if numeric(table.table[name]) else "left" for name in table.table]
    body = clean.to_markdown(index=False, disable_numparse=True, colalign=sides)
    return "\n\n".join([f"**{table.title}**", body, *(f"*{note}*" for note in table.notes)]) + "\n"


def audit(claims: pd.DataFrame) -> Printed:
    """Return the audited claims as a table to print.

    Args:
        claims: What `audit.read` returned.
    """
    rows = claims.to_dict("records")
    columns = {
        "Paper": claims["paper"],
        "Where": claims["where"],
        "Claim": claims["claim"],
        "Published": [report_claims.value(row["published"], row["unit"]) for row in rows],
        "Measured": [measured(row) for row in rows],
        "95 %": [interval(row) for row in rows],
        "Verdict": claims["verdict"],
        "Why": claims["reason"],
    }
    return Printed("claims", "Claims of both papers, audited", pd.DataFrame(columns).reset_index(drop=True))


def write(tables: Iterable[Printed | Missing], figures: Path, out: Path) -> list[Missing]:
    """Write tables as `.tex` and `.md`, and copy every figure as SVG.

    Args:
        tables: What `printed.printed` returned, and `audit`.
        figures: Folder of the figures, which may be missing.
        out: Folder that gets `tables/` and `figures/`; what else lies there stays.

    Returns:
        The tables that could not be made.

    Raises:
        InputError: The folder cannot be written, or a character has no LaTeX.
    """
    several = list(tables)
    with gathered(out) as draft:
        (draft / "tables").mkdir()
        (draft / "figures").mkdir()
        for table in several:
            if isinstance(table, Printed):
                _write(draft / "tables" / f"{table.name}.tex", tex(table))
                _write(draft / "tables" / f"{table.name}.md", markdown(table))
        for name, source in vectors(figures).items():
            shutil.copyfile(source, draft / "figures" / f"{name}.svg")
    return [table for table in several if isinstance(table, Missing)]


def _write(path: Path, text: str) -> None:
    with atomic(path) as draft:
        draft.write_text(text, encoding="utf-8")


def vectors(figures: Path) -> dict[str, Path]:
    """Return every figure by the name of its export: published ones as `paper-b-fig-7`, others by their place.

    Args:
        figures: Folder of the figures.
    """
    shown = {room: report_figures.trace(figures, room) for room in ("forecast", "elastic")}
    found = {}
    for place in PLACES:
        for number, name in enumerate(place.drawings):
            file = figures / f"{name.format(**shown)}.svg"
            if file.is_file():
                found[f"{place.anchor}{f'-{number + 1}' if number else ''}"] = file
    for file in sorted(figures.rglob("[!.]*.svg")):
        if file not in found.values():
            found["-".join(file.relative_to(figures).with_suffix("").parts)] = file
    return found
