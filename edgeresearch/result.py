"""What a call of the front door returns: a table, notes, a figure, and a folder to keep them in."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import pandas as pd

from edgeresearch import __version__
from edgeresearch.io import gathered, write_csv, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Result:
    """Base of all results: subclasses are frozen dataclasses with at least these three fields.

    Attributes:
        table: The answer, one row per thing compared.
        notes: One line for each thing that a reader may not expect: guesses, repairs, what was left out.
        facts: What the answer rests on: data, settings, seed; plain values.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return every table of the result by the name of its file."""
        return {"table": self.table}

    def plot(self) -> "Figure":
        """Draw the result, in the way the study draws its own.

        Raises:
            TypeError: There is no figure for what the result holds.
        """
        from edgeresearch import plotting

        drawn = list(plotting.figures(self).values())
        if not drawn:
            raise TypeError("there is no figure for this result; its table has everything")
        return drawn[0]

    def save(self, folder: str | Path, *, figures: bool = True) -> Path:
        """Write the tables (CSV, all digits), `report.json` and the figures (PNG, SVG) into a folder, all or nothing.

        Args:
            folder: Made where missing; files of the same names are replaced.
            figures: Whether to draw.

        Returns:
            The folder.

        Raises:
            InputError: The folder cannot be written.
        """
        with gathered(folder) as draft:
            for name, table in self.tables().items():
                write_csv(table, draft / f"{name}.csv", digits=None)
            write_json({**self.facts, "edgeresearch": __version__, "notes": list(self.notes)}, draft / "report.json")
            self._save_more(draft)
            if figures:
                from edgeresearch import plotting
                from edgeresearch.plotting import style

                for name, figure in plotting.figures(self).items():
                    style.save(figure, draft / name)
        return Path(folder)

    def _save_more(self, folder: Path) -> None:
        """Write what only this kind of result has, such as a fitted model."""

    @property
    def summary(self) -> str:
        """What the result says in a line, if it says anything: its `advice` or `verdict`."""
        return str(getattr(self, "advice", "") or getattr(self, "verdict", ""))

    def __repr__(self) -> str:
        """Show what a reader asks first: the line, the table's head, wrapped to the terminal's width, its size."""
        rows, columns = self.table.shape
        width = get_terminal_size().columns
        head = self.table.to_string(index=False, max_rows=8, line_width=width, float_format=_short)
        size = f"[table: {rows} rows x {columns} columns; {len(self.notes)} notes]"
        return f"{type(self).__name__}: {self.summary}".rstrip(": ") + f"\n{head}\n{size}"

    def _repr_html_(self) -> str:
        # Names may hold `$`, which Jupyter would read as a formula.
        summary = f"<p>{escape(self.summary, quote=False)}</p>" if self.summary else ""
        notes = "".join(f"<li>{escape(note, quote=False)}</li>" for note in self.notes)
        page = f"{summary}{self.table.to_html(index=False, max_rows=30, float_format=_short)}<ul>{notes}</ul>"
        return f'<div class="tex2jax_ignore mathjax_ignore">{page}</div>'


def _short(value: float) -> str:
    return f"{value:.4g}"
