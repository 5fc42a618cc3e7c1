"""The figures of a run: where in a paper each one is published, and titles and descriptions read off the drawings."""

import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.data.registry import STAND_IN
from edgeresearch.errors import InputError


@dataclass(frozen=True)
class Place:
    """A published figure or table: its paper's letter, its name in the claims, and what a reader must know of it.

    `tables` are names in `TABLES`; figures, notebook and stage are those of the claims on it.
    """

    paper: str
    name: str
    title: str
    text: str = ""
    tables: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Where the report shows it, and what its figure is called among the exports."""
        return re.sub(r"[^a-z0-9]+", "-", f"paper {self.paper} {self.name}".casefold()).strip("-")


PLACES = (
    Place("A", "Fig. 1", "The architecture of the LSTM",
          "Drawn from the shapes that a batch has on its way through the very network that is trained."),
    Place("A", "Table 1", "The clusters",
          "The experiment runs on these settings: a pod takes a core of the edge cluster.", ("a-table1",)),
    Place("A", "Table 2", "Errors of the forecasters",
          "The paper's trace was never published: its values can be compared in order and ratio only. Beside them "
          "stands a synthetic trace calibrated to them, and real ones.", ("a-table2", "a-table2-traces")),
    Place("A", "Fig. 2", "CPU use of the edge service over time",
          "The paper shows a curve without its data; what it says in numbers is its range."),
    Place("A", "Fig. 3", "Memory use of the edge service over time", "As with Fig. 2, the paper gives a range."),
    Place("A", "Table 3", "Error rates of the scaling strategies",
          "In the paper it is captioned “Table 2” a second time. Settings were calibrated to its nine cells together, "
          "with a forecast of the accuracy that the paper states; none has a setting of its own.", ("a-table3",)),
    Place("B", "Table I", "The instances of the testbed", tables=("b-table1",)),
    Place("B", "Fig. 1", "The testbed", "Drawn from the mesh that is emulated."),
    Place("B", "Fig. 2", "A search through neighbourhoods", "One search of a simulated run, as it went."),
    Place("B", "Fig. 3", "The parts of an edge manager", "Drawn from the classes that the emulator runs."),
    Place("B", "Fig. 4", "Latencies while nodes move", "The paper shows an example and states no numbers."),
    Place("B", "Fig. 5", "CPU limits, training times and residuals",
          "Simulated, training by training, under both rules that the paper states."),
    Place("B", "Fig. 6", "How often a training is handed over",
          "Simulated. The paper does not say what its shares are of; the table is of all that looked for a place.",
          ("b-fig6",)),
    Place("B", "Fig. 7", "Dropped trainings",
          "Simulated. Published values that were held out had no part in the choice of settings.",
          ("b-fig7", "b-triggers")),
)  # fmt: skip
"""Every figure and table of both papers, in their order."""


def place_claims(claims: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Return the anchor of the place that each claim is on, and of the place beside which each claimed figure stands.

    A claim is on the first place that it names, else on that of its figure; figures go by their name below
    `reports/figures` without suffix.
    """
    figures = claims["figure"].str.removeprefix("reports/figures/").str.replace(r"\.\w+$", "", regex=True)
    named = [_named(paper, where) for paper, where in zip(claims["paper"], claims["where"], strict=True)]
    placed: dict[str, str] = {}
    for figure, anchor in zip(figures, named, strict=True):
        if figure and anchor:
            placed.setdefault(figure, anchor)
    placed = dict(sorted(placed.items(), key=lambda pair: STAND_IN not in pair[0].split("/")))
    return [anchor or placed.get(figure, "") for figure, anchor in zip(figures, named, strict=True)], placed


def _named(paper: str, where: str) -> str:
    found = [
        (match.start(), place.anchor)
        for place in PLACES
        if place.paper == paper and (match := re.search(rf"\b{re.escape(place.name)}(?![0-9IVX])", where))
    ]
    return min(found)[1] if found else ""


def name_figures(claims: pd.DataFrame, folder: Path) -> dict[str, Path]:
    """Return every figure by the name of its export: published ones as `paper-b-fig-7`, others by their place."""
    files = find_figures(folder)
    names = {name: name.replace("/", "-") for name in files}
    for name, anchor in place_claims(claims)[1].items():
        if name in files and anchor not in names.values():
            names[name] = anchor
    return {names[name]: file for name, file in files.items()}


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
