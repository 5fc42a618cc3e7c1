"""Figures as the report shows them: their files, and the words that stand for them, read off the drawings."""

import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeresearch.errors import InputError

FIGURES = Path("reports") / "figures"
"""Where figures lie in the project folder."""

STANDIN = "paper_a"
"""The synthetic trace that stands for the one of Paper A, which was never published."""

MOST = 12
"""Labels of a drawing that are told."""

_SCALE = re.compile(r"scale\(([\d.]+)")


@dataclass(frozen=True)
class Drawing:
    """A figure's file and its words.

    Attributes:
        file: The SVG.
        name: Its path below the folder of the figures, without suffix.
        title: What it is headed.
        alt: What it shows, for those who do not see it.
        width: In points.
        height: In points.
    """

    file: Path
    name: str
    title: str
    alt: str
    width: int
    height: int


def trace(figures: Path, room: str) -> str:
    """Return the trace whose figures are shown: the stand-in of the paper's own, else the first; empty without any.

    Args:
        figures: Folder of the figures.
        room: `forecast` or `elastic`.
    """
    names = sorted(each.name for each in (figures / room).glob("*") if each.is_dir())
    return STANDIN if STANDIN in names else next(iter(names), "")


def named(path: str) -> str:
    """Return the name below the folder of the figures, of a figure or a folder by its path in the project folder."""
    below = path.removeprefix(f"{FIGURES.as_posix()}/").rstrip("/")
    return below.removesuffix(".png").removesuffix(".svg")


def drawing(figures: Path, name: str) -> Drawing | None:
    """Return a figure by its name below the folder of the figures, or None if it was not drawn.

    Raises:
        InputError: The file is no SVG.
    """
    file = figures / f"{name}.svg"
    if not file.is_file():
        return None
    root = _parsed(file)
    title, alt = words(root)
    plain = " ".join(Path(name).parts).replace("_", " ")
    width, height = (round(float(side)) for side in str(root.get("viewBox", "0 0 640 480")).split()[2:])
    return Drawing(file, name, title or plain, alt or plain, width, height)


def _parsed(svg: Path) -> ElementTree.Element:
    try:
        keeping = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
        return ElementTree.parse(svg, keeping).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"cannot read {svg}: {error}; draw it again with edgeresearch reproduce") from error


def words(root: ElementTree.Element) -> tuple[str, str]:
    """Read off a drawing what it is headed and what it shows: its panels, axes and legend.

    matplotlib draws text as shapes and leaves the text itself in a comment.

    Args:
        root: The SVG, parsed with its comments.
    """
    found: dict[str, list[tuple[float, str]]] = {"figure": [], "axes": [], "axis": [], "legend": []}
    _collect(root, "", found)
    texts = {room: [text for _, text in several] for room, several in found.items()}
    headings = found["figure"] or found["axes"][:1]
    title = max(headings, key=lambda each: each[0])[1] if headings else ""  # the largest is the heading, not a note
    panels = [text for text in texts["axes"] if re.search(r"[^\W\d_]{2}", text) and text != title]
    axes = [text for text in texts["axis"] if not text[:1].isdigit()]  # else a date's common part
    parts = (("", [title]), ("Panels: ", panels), ("Axes: ", axes), ("Shown: ", texts["legend"]))
    return title, " ".join(f"{head}{_listed(several)}" for head, several in parts if any(several))


def _collect(element: ElementTree.Element, room: str, found: dict[str, list[tuple[float, str]]]) -> None:
    """Gather the texts below an element, each with the size of its letters, by what they belong to."""
    comment: Any = ElementTree.Comment  # comments have this function for a tag
    texts = [html.unescape(str(each.text)).strip() for each in element if each.tag is comment]
    if texts and room in found:
        sizes = [float(size) for each in element for size in _SCALE.findall(each.get("transform", ""))]
        found[room].append((max(sizes, default=0.0), " ".join(texts)))
    for each in element:
        kind = str(each.get("id", "")).rpartition("_")[0]
        inner = {"figure": "figure", "axes": "axes", "matplotlib.axis": "axis", "legend": "legend"}.get(kind, room)
        _collect(each, "tick" if "tick" in kind else inner, found)


def _listed(texts: Sequence[str]) -> str:
    several = list(dict.fromkeys(text.rstrip(".") for text in texts))
    told = "; ".join(several[:MOST]) + ("; …" if len(several) > MOST else "")
    return told if told.endswith(("?", "!", "…")) else f"{told}."


def others(figures: Path, shown: Sequence[str], traces: Sequence[str]) -> list[str]:
    """Return the names of the figures that no published one stands beside.

    Args:
        figures: Folder of the figures.
        shown: Names that are shown already.
        traces: Folders of the traces that are shown; figures of other traces are left to the notebooks' pages.
    """
    names = sorted(str(file.relative_to(figures).with_suffix("")) for file in figures.rglob("[!.]*.svg"))
    rooms = {str(Path(each).parent) for each in traces}
    left = [name for name in names if not any(name.startswith(f"{room}/") for room in rooms)]
    left += [name for name in names if any(name.startswith(f"{each}/") for each in traces)]
    return [name for name in left if name not in shown]
