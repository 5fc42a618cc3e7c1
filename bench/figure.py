"""`ratios` and `scaling`, drawn from what `ratios.csv` has; `python -m bench.figure [FOLDER]` draws them again."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from edgeresearch.plotting.style import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    RED,
    SKY,
    canvas,
    finish,
    save,
    styled,
)

LOOKS: Mapping[str, tuple[str, str]] = {"met": ("o", BLUE), "not met": ("X", RED), "no claim": ("d", GREY)}
"""Marker and colour of a verdict."""
ITSELF = "itself, "
"""How the peer of a row begins that belongs to a curve."""
UNITS = {"steps": "steps of a trace", "streams": "streams", "nodes": "nodes"}
_COUNT = re.compile(r"(\d+) ([a-z]+)")
_MARKS = "os^DvPX*<>"
_COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, BROWN, GREY, SKY)


def draw(folder: Path) -> list[Path]:
    """Draw what is in a folder of results.

    Args:
        folder: Of `ratios.csv` and `machine.json`; the figures go there too.

    Returns:
        The figures' paths; a figure for which there are no rows is not drawn.
    """
    table = pd.read_csv(folder / "ratios.csv")
    note = machines(json.loads((folder / "machine.json").read_text(encoding="utf-8")))
    done = []
    if len(compared := table[table["part"] != "scaling"]):
        done.append(save(ratios(compared, note), folder / "ratios"))
    if found := curves(table):
        done.append(save(scaling(found, note), folder / "scaling"))
    return done


def machines(entries: Mapping[str, Mapping[str, object]]) -> str:
    """Say on what was measured: each machine once."""
    said = dict.fromkeys(
        f"{entry.get('cpu')}, {entry.get('cores')} cores, Python {entry.get('python')}" for entry in entries.values()
    )
    return f"Measured on {' and on '.join(said)}; median and 95 % of the repeats."


@styled
def ratios(table: pd.DataFrame, note: str) -> Figure:
    """Draw ours / peer of each row, by part, with the claim's bound."""
    figure, (axes,) = canvas(size=(12.5, 1.6 + 0.205 * (len(table) + 1.6 * table["part"].nunique())))
    places, names, place = [], [], 0.0
    for part, rows in table.groupby("part", sort=False):
        place -= 0.6
        axes.annotate(
            str(part), (-0.01, place), xycoords=("axes fraction", "data"), ha="right", va="center", weight="bold"
        )
        for row in rows.to_dict("records"):
            place -= 1
            _ratio(axes, place, {str(key): value for key, value in row.items()})
            places.append(place)
            names.append(_counted(f"{row['what']}, {row['size']}"))
        place -= 1
    axes.set_xscale("log")
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set(ylim=(place + 0.4, 0.2), xlabel="ours / peer (log scale): left of 1 is less")
    axes.set_yticks(places, names, fontsize=8)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    return finish(figure, note=note, handles=_handles())


def _ratio(axes: Axes, place: float, row: Mapping[str, object]) -> None:
    marker, colour = LOOKS[str(row["verdict"])]
    ratio, low, high, bound = (float(str(row[name])) for name in ("ratio", "low", "high", "bound"))
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6, alpha=0.7, solid_capstyle="butt")
    axes.plot(ratio, place, marker, color=colour, markersize=6, markerfacecolor="none" if marker == "d" else colour)
    if bound == bound:
        axes.plot(bound, place, "|", color=INK, markersize=10, markeredgewidth=1.8)
    axes.annotate(
        f"{ratio:.2g}  {_counted(str(row['peer']))}",
        (1.01, place),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8,
    )


def _counted(text: str) -> str:
    """Thousands apart."""
    return re.sub(r"\d{4,}", lambda found: f"{int(found[0]):,}", text)


def _handles() -> Sequence[Artist]:
    shown = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=verdict, markersize=7,
               markerfacecolor="none" if marker == "d" else colour)
        for verdict, (marker, colour) in LOOKS.items()
    ]  # fmt: skip
    return [
        *shown,
        Line2D(
            [], [], linestyle="", marker="|", color=INK, markersize=11, markeredgewidth=1.8, label="claimed: at most"
        ),
        Line2D([], [], color=GREY, linewidth=1.6, label="95 % of the repeats"),
    ]


def curves(table: pd.DataFrame) -> dict[str, dict[str, pd.DataFrame]]:
    """Return cost by size, of the rows whose peer is the same thing at another size.

    Returns:
        By unit of the size and what was measured: columns `size`, `seconds`, `low`, `high`.
    """
    mine = table[table["peer"].str.startswith(ITSELF) & table["seconds_ours"].notna()]
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for what, rows in mine.groupby("what", sort=False):
        points = pd.DataFrame(_points(rows), columns=["unit", "size", "seconds", "low", "high"])
        for unit, some in points.groupby("unit", sort=False):
            curve = some.drop(columns="unit").groupby("size", as_index=False).median()
            found.setdefault(str(unit), {})[str(what)] = curve
    return found


def _points(rows: pd.DataFrame) -> Iterator[tuple[str, int, float, float, float]]:
    numbers = rows[["seconds_ours", "seconds_peer", "low", "high"]].to_numpy(dtype=float).tolist()
    for size, peer, (ours, base, low, high) in zip(rows["size"], rows["peer"], numbers, strict=True):
        for text, values in ((peer, (base, base, base)), (size, (ours, low * base, high * base))):
            count = _COUNT.search(str(text))
            if count is not None:
                yield count[2], int(count[1]), *values


@styled
def scaling(found: Mapping[str, Mapping[str, pd.DataFrame]], note: str) -> Figure:
    """Draw cost by size, a panel for each unit of size; level is linear growth of the whole."""
    figure, panels = canvas(1, len(found), size=(5.2 * len(found), 5.0))
    for axes, (unit, lines) in zip(panels, found.items(), strict=True):
        for index, (what, curve) in enumerate(lines.items()):
            marker, colour = _MARKS[index % len(_MARKS)], _COLOURS[index % len(_COLOURS)]
            axes.plot(curve["size"], curve["seconds"], marker=marker, color=colour, label=what, markersize=5)
            axes.vlines(curve["size"], curve["low"], curve["high"], color=colour, alpha=0.6, linewidth=2.5)
        axes.set(xscale="log", yscale="log", xlabel=UNITS.get(unit, unit), ylabel="CPU seconds, of one step or trigger")
        low, high = axes.get_ylim()
        axes.set_ylim(low / 2, high * 2)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=8)
    return finish(figure, note=f"{note} A level line: the whole grows as its size does.", handles=[])


if __name__ == "__main__":
    for path in draw(Path(sys.argv[1] if len(sys.argv) > 1 else "reports/bench")):
        print(path)
