"""Tables as LaTeX and Markdown, figures as SVG, under names that stay: what a researcher pastes into a paper."""

import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.io import gathered
from edgeresearch.papers.report.figures import find_figures
from edgeresearch.papers.report.published import PaperTable, claims_table, place_claims

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
    written = [_written(letter) for letter in text]
    for letter, each in zip(text, written, strict=True):
        if not each.isascii():
            raise InputError(f"no LaTeX is known for {letter!r} in {text!r}; add it to papers/report/export.py")
    return "".join(written)


def _written(letter: str) -> str:
    kind, _, code = unicodedata.decomposition(letter).partition(" ")
    raised = {"<super>": "^", "<sub>": "_"}.get(kind)
    return f"${raised}{{{_written(chr(int(code, 16)))}}}$" if raised else _LATEX.get(letter, letter)


def to_latex(table: PaperTable) -> str:
    """Return a table as LaTeX with booktabs rules; a long one breaks into pages, a wide column into lines.

    Raises:
        InputError: A character has no LaTeX.
    """
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


def write_exports(
    tables: Mapping[str, PaperTable | InputError], claims: pd.DataFrame, figures: Path, out: Path
) -> None:
    """Write the tables that could be made as `.tex` and `.md`, and copy every figure as SVG.

    Args:
        tables: What `published.paper_tables` returned.
        claims: The audit.
        figures: Folder of the figures, which may be missing.
        out: Folder that gets `tables/` and `figures/`; what else lies there stays.

    Raises:
        InputError: The folder cannot be written, or a character has no LaTeX.
    """
    with gathered(out) as draft:
        for name in ("tables", "figures"):
            (draft / name).mkdir()
        audit = PaperTable("claims", "Claims of both papers, audited", claims_table(claims))
        for table in [*tables.values(), audit]:
            if isinstance(table, PaperTable):
                (draft / "tables" / f"{table.name}.tex").write_text(to_latex(table), encoding="utf-8")
                (draft / "tables" / f"{table.name}.md").write_text(to_markdown(table), encoding="utf-8")
        for name, source in named_figures(claims, figures).items():
            shutil.copyfile(source, draft / "figures" / f"{name}.svg")


def named_figures(claims: pd.DataFrame, folder: Path) -> dict[str, Path]:
    """Return every figure by the name of its export: published ones as `paper-b-fig-7`, others by their place."""
    files = find_figures(folder)
    names = {name: name.replace("/", "-") for name in files}
    for name, anchor in place_claims(claims)[1].items():
        if name in files and anchor not in names.values():
            names[name] = anchor
    return {names[name]: file for name, file in files.items()}
