"""Figures of a run: their files, and titles and descriptions read off the drawings."""

import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeresearch.errors import InputError

ROOMS = {
    "data": "The data", "forecast": "Forecasting on {}", "elastic": "Scaling on {}", "anomaly": "Anomaly detection",
    "table2": "Forecasting on every trace", "los": "Local-optimistic scheduling: {}", "staleness": "Stale models",
}  # fmt: skip
"""What the figures of a folder are of."""

_SCALE = re.compile(r"scale\(([\d.]+)")
_PARTS = {"figure": "figure", "axes": "axes", "matplotlib.axis": "axis", "legend": "legend"}


@dataclass(frozen=True)
class Drawing:
    """A figure: its file, its name below the folder of the figures, title, description, and size in points."""

    file: Path
    name: str
    title: str
    alt: str
    width: int
    height: int

    @property
    def anchor(self) -> str:
        """Where the report shows it."""
        return f"figure-{re.sub(r'[^A-Za-z0-9]+', '-', self.name)}"

    @property
    def room(self) -> str:
        """What the figures of its folder are of."""
        first, *inner = self.name.split("/")[:-1]
        return ROOMS.get(first, first).format(", ".join(inner))


def find_figures(folder: Path) -> dict[str, Path]:
    """Return the file of every figure of a folder, by its name below it without suffix."""
    return {str(file.relative_to(folder).with_suffix("")): file for file in sorted(folder.rglob("[!.]*.svg"))}


def read_drawing(file: Path, name: str) -> Drawing:
    """Read a figure.

    Raises:
        InputError: The file is no SVG.
    """
    try:
        keeping = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
        root = ElementTree.parse(file, keeping).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"cannot read {file}: {error}; draw it again with edgeresearch reproduce") from error
    title, alt = (text or re.sub("[/_]", " ", name) for text in describe(root))
    width, height = (round(float(side)) for side in str(root.get("viewBox", "0 0 640 480")).split()[2:])
    return Drawing(file, name, title, alt, width, height)


def describe(root: ElementTree.Element) -> tuple[str, str]:
    """Read off a drawing its title and what it shows: its panels, axes and legend.

    matplotlib draws text as shapes and leaves the text itself in a comment; `root` is the SVG with its comments.
    """
    texts = list(_texts(root, ""))
    headings = [each for each in texts if each[0] == "figure"] or [each for each in texts if each[0] == "axes"][:1]
    title = max(headings, key=lambda each: each[1])[2] if headings else ""  # the largest is the title, not a note
    parts: dict[str, list[str]] = {"": [title] if title else []}
    for part, _, text in texts:
        words = text != title and re.search(r"[^\W\d_]{2}", text) if part == "axes" else not text[:1].isdigit()
        if part in ("axes", "axis", "legend") and words:  # else a number in a panel, or the common part of dates
            parts.setdefault({"axes": "Panels: ", "axis": "Axes: ", "legend": "Shown: "}[part], []).append(text)
    return title, " ".join(f"{head}{_join(several)}" for head, several in parts.items() if several)


def _texts(element: ElementTree.Element, part: str) -> Iterator[tuple[str, float, str]]:
    """Yield the texts below an element: the part of the drawing they are in, the size of their letters, the words."""
    comment: Any = ElementTree.Comment  # comments have this function for a tag
    words = [html.unescape(str(each.text)).strip() for each in element if each.tag is comment]
    if words:
        sizes = [float(size) for each in element for size in _SCALE.findall(each.get("transform", ""))]
        yield part, max(sizes, default=0.0), " ".join(words)
    for each in element:
        kind = str(each.get("id", "")).rpartition("_")[0]
        yield from _texts(each, "tick" if "tick" in kind else _PARTS.get(kind, part))


def _join(texts: list[str]) -> str:
    several = list(dict.fromkeys(text.rstrip(".") for text in texts))
    words = "; ".join(several[:12]) + ("; …" if len(several) > 12 else "")
    return words if words.endswith(("?", "!", "…")) else f"{words}."
