"""One look for all figures, and files with the same bytes on every run."""

import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryFormatter
from matplotlib.colors import to_rgb
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.style import library
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter, LogFormatter, LogLocator, MaxNLocator, NullLocator

from edgeresearch.io import atomic

BLUE, ORANGE, GREEN, RED, PINK = "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"
BROWN, GREY, SKY, INK = "#ca9161", "#949494", "#56b4e9", "#222222"
"""Seaborn's palette for colour-blind readers, and ink."""

Box = tuple[float, float, float, float]
"""Left, bottom, width and height, as an axes counts."""

ROLES: Mapping[str, tuple[str, str, str]] = {
    "paper": ("the paper's baselines", BLUE, "o"),
    "paper's LSTM": ("the paper's LSTM", ORANGE, "D"),
    "naive": ("naive", GREY, "s"),
    "strong": ("stronger baselines", GREEN, "^"),
    "project": ("this project's LSTM", PINK, "P"),
    "own": ("your own", RED, "X"),
}
"""Label, colour and marker of a forecaster's role."""

_SETTINGS: Any = {
    **library["seaborn-v0_8-whitegrid"],
    # As seaborn itself has it, or leaves it.
    "axes.linewidth": 0.8,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "image.cmap": "viridis",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    **{"xtick.bottom": False, "xtick.major.size": 3.5, "xtick.minor.size": 2.0},
    **{"ytick.left": False, "ytick.major.size": 3.5, "ytick.minor.size": 2.0},
    # This project's.
    "figure.dpi": 110,
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.titlesize": 11,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.4,
    "svg.hashsalt": "edgeresearch",
    "svg.fonttype": "path",
}


@contextmanager
def theme() -> Iterator[None]:
    """Apply the look inside the block only; what a user set outside stays."""
    with mpl.rc_context(_SETTINGS):
        yield


@contextmanager
def _any_letters() -> Iterator[None]:
    """Let letters that the font lacks be boxes, and say nothing of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
        yield


styled = theme()
"""Makes a function draw under `theme`."""


class Drawing(Figure):
    """A figure that a notebook shows by itself, whatever matplotlib's backend is."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG."""
    draft = BytesIO()
    with theme(), _any_letters():
        figure.savefig(draft, format="png")
    return draft.getvalue()


def canvas(rows: int = 1, columns: int = 1, *, size: tuple[float, float], **options: bool) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes, row by row; the figure belongs to no window and is freed with its last reference.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        size: Width and height in inches.
        **options: `sharex` and `sharey`, as matplotlib's `Figure.subplots` takes them.
    """
    engine = ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.05, wspace=0.04, hspace=0.03)
    figure = Drawing(figsize=size, layout=engine)
    axes = figure.subplots(rows, columns, squeeze=False, **options)  # type: ignore[call-overload]
    return figure, list(axes.ravel())


def take_names_as_text(figure: Figure) -> None:
    """Let a figure show names as they are: no formula between two `$`, no letter that no font has, none endless."""
    for each in figure.findobj(Text):
        each.set_parse_math(False)
        each.set_text(legible(each.get_text(), 300))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), FixedFormatter | StrCategoryFormatter):
            axis.set_ticks(axis.get_ticklocs(), [legible(each.get_text(), 40) for each in axis.get_ticklabels()])
        for each in axis.get_ticklabels():
            each.set_parse_math(isinstance(axis.get_major_formatter(), LogFormatter))


def legible(text: str, most: int) -> str:
    """Return a text with a box for each letter that cannot be shown, its lines cut to so many letters."""
    letters = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
    return "\n".join(line if len(line) <= most else f"{line[: most - 1]}…" for line in letters.split("\n"))


def listed(name: str) -> str:
    """Return a name as a legend lists it: matplotlib leaves out what begins with `_`."""
    return f"\u200b{name}" if name.startswith("_") else name


def shown(name: str, real: bool) -> str:
    """Return a trace's name for a title: with a mark where its values are not real data (see `Trace.label`)."""
    return name if real else f"{name} (synthetic)"


def error_bars(
    rows: pd.DataFrame, column: str, *, within: tuple[float, float] = (-math.inf, math.inf), scale: float = 1.0
) -> np.ndarray:
    """Return how far the ends of intervals are from their values, as matplotlib's `errorbar` takes it; 0 where unknown.

    Args:
        rows: Holds the interval in `<column>_low` and `<column>_high`, else in `low` and `high`.
        column: Name of the values.
        within: What values can be; intervals end there.
        scale: What everything is divided by.
    """
    ends = [f"{column}_{end}" if f"{column}_{end}" in rows else end for end in ("low", "high")]
    value, low, high = (rows[name].astype(float) / scale for name in (column, *ends))
    off = (value - low.clip(lower=within[0])), (high.clip(upper=within[1]) - value)
    return np.array([each.clip(lower=0).fillna(0) for each in off])


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a panel whose things stand at the heights 0, -1, -2 and so on."""
    axes.set_yticks(-np.arange(len(labels)), labels)
    axes.set_ylim(0.5 - len(labels), 0.5)
    axes.grid(axis="y", visible=False)


def box(axes: Axes, place: Box, colour: str, alpha: float) -> None:
    """Draw a box with round corners, filled with its colour as strongly as `alpha` says."""
    left, bottom, width, height = place
    look: Any = {"boxstyle": "round,pad=0,rounding_size=1.2", "linewidth": 1.3, "edgecolor": colour}
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, facecolor=(*to_rgb(colour), alpha), **look))


def key(label: str, colour: str = INK, marker: str = "", line: str = "", **looks: Any) -> Line2D:
    """Return an entry of a legend: a marker, a line, or both, in looks that matplotlib's lines have."""
    return Line2D([], [], **{"color": colour, "marker": marker, "ls": line, **looks}, label=label)


def finish(
    figure: Figure, title: str = "", note: str = "", *, handles: Sequence[Artist] | None = None, columns: int = 5
) -> Figure:
    """Give a figure its title, and below it a legend with a note, or where nothing is listed the note alone.

    Args:
        figure: What is returned.
        title: Over the whole figure: what is seen in it, from its own numbers.
        note: What a reader must know.
        handles: What is listed; the figure's labelled artists if None.
        columns: Entries side by side.
    """
    if title:
        figure.suptitle(textwrap.fill(title, int(figure.get_figwidth() * 10.8)), x=0.01, ha="left")
    note, look = textwrap.fill(note, int(figure.get_figwidth() * 14)), {"fontsize": 8.5, "color": INK}
    if handles is None or handles:
        listed = {} if handles is None else {"handles": handles}
        box = figure.legend(loc="outside lower left", ncols=columns, alignment="left", **listed)
        box.set_title(note)
        box.get_title().set(**look, style="italic")
    else:
        figure.supxlabel(note, x=0.01, ha="left", style="italic", **look)
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG and as SVG, without dates and random names.

    Args:
        figure: What is written.
        path: Where to; its suffix is replaced.

    Returns:
        The path of the PNG.

    Raises:
        InputError: The folder cannot be written.
    """
    for suffix, metadata in ((".svg", {"Date": None, "Creator": None}), (".png", {"Software": None})):
        target = Path(path).with_suffix(suffix)
        with theme(), _any_letters(), atomic(target) as draft:
            figure.savefig(draft, format=suffix[1:], metadata=metadata)
    return target


def dates(axes: Axes) -> None:
    """Label a time axis without overlap, the date once."""
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def numbers(axis: Axis, log: Sequence[float] = ()) -> None:
    """Label an axis with few round numbers, thousands apart.

    Args:
        axis: Linear, unless
        log: says which multiples of powers of ten a logarithmic one has.
    """
    axis.set_major_locator(LogLocator(subs=log) if log else MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
