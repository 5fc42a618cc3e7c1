"""Where things stand in the report: figures, stages, notebooks' pages, and the links of a claim to them."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeresearch.papers.report import figures as report_figures
from edgeresearch.papers.report import stages as report_stages
from edgeresearch.papers.report.figures import Drawing
from edgeresearch.papers.report.places import PLACES, Place

_ROOMS = {
    "data": "The data",
    "forecast": "Forecasting on {}",
    "elastic": "Scaling on {}",
    "table2": "Forecasting on every trace",
    "los": "Local-optimistic scheduling: {}",
    "anomaly": "Anomaly detection",
}


@dataclass(frozen=True)
class Links:
    """What can be linked to.

    Attributes:
        figures: By a figure's name the anchor of what it stands under.
        stages: The stages of the pipeline.
        pages: Notebooks' pages by name.
        traces: The trace that is shown, by room.
    """

    figures: Mapping[str, str]
    stages: list[report_stages.Stage]
    pages: Mapping[str, Path]
    traces: Mapping[str, str]

    @classmethod
    def of(cls, home: Path, traces: Mapping[str, str], drawn: Mapping[str, Sequence[Drawing]]) -> "Links":
        """Gather what there is to link to.

        Args:
            home: The project folder.
            traces: The trace that is shown, by room.
            drawn: The figures that are shown, by the anchor of the published one or by their folder.

        Raises:
            InputError: There is no pipeline.
        """
        published = {place.anchor for place in PLACES}
        figures = {
            each.name: room if room in published else _anchor(each.name)
            for room, several in drawn.items()
            for each in several
        }
        pages = {file.stem: file for file in sorted((home / "reports" / "notebooks").glob("[!.]*.html"))}
        return cls(figures, report_stages.stages(home / "dvc.yaml"), pages, traces)

    def figure(self, path: str) -> str:
        """Return the anchor of a figure, or of the first one in a folder; empty where it is not shown."""
        name = report_figures.named(path)
        inside = (anchor for each, anchor in self.figures.items() if name and each.startswith(f"{name}/"))
        return self.figures.get(name) or next(inside, "")

    def place(self, row: Mapping[Any, Any]) -> str:
        """Return the anchor of the published figure or table that a claim is on: the first named, or its figure's."""
        found = [
            (match.start(), place.anchor)
            for place in PLACES
            if place.paper == row["paper"]
            and (match := re.search(rf"\b{re.escape(place.name)}(?![0-9IVX])", str(row["where"])))
        ]
        published = {place.anchor for place in PLACES if place.paper == row["paper"]}
        drawn = self.figure(row["figure"])
        return min(found)[1] if found else drawn if drawn in published else ""

    def page(self, name: str) -> str:
        """Return the address of a notebook's page: of that name, else of the shown trace, else the first one's."""
        several = [f"{name}-{trace}" for trace in self.traces.values()]
        several += [each for each in self.pages if each.startswith(f"{name}-")]
        found = next((each for each in [name, *several] if name and each in self.pages), "")
        return f"notebooks/{found}.html" if found else ""

    def stage(self, name: str) -> str:
        """Return the anchor of a stage; empty where there is none."""
        return next((each.anchor for each in self.stages if each.name == name), "")

    def of_claim(self, row: Mapping[Any, Any]) -> list[dict[str, str]]:
        """Return the links of a claim: to its figure, its notebook and its stage, as far as they are there."""
        figure, stage = self.figure(row["figure"]) or self.place(row), self.stage(row["stage"])
        return _told(
            ("figure", f"#{figure}" if figure else ""),
            ("notebook", self.page(row["notebook"])),
            ("stage", f"#{stage}" if stage else ""),
        )

    def of_place(self, place: Place) -> list[dict[str, str]]:
        """Return the links of a published figure or table: to its notebook and its stage."""
        (notebook,) = _formatted([place.notebook], self.traces)
        stage = self.stage(place.stage)
        return _told(
            (f"Notebook {notebook}", self.page(notebook)), (f"Stage {place.stage}", f"#{stage}" if stage else "")
        )

    def shown(self, drawing: Drawing) -> dict[str, Any]:
        """Return what the page says of a figure."""
        return {
            "anchor": _anchor(drawing.name),
            "href": f"figures/{drawing.name}.svg",
            "alt": drawing.alt,
            "title": drawing.title,
            "width": drawing.width,
            "height": drawing.height,
        }

    def room(self, folder: str) -> str:
        """Return what the figures of a folder are of."""
        first, _, rest = folder.partition("/")
        return _ROOMS.get(first, folder).format(rest.replace("/", ", "))


def notebooks(page: Path) -> str:
    """Return the title of a notebook's page."""
    found = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(html.unescape(found[1]).split()) if found else page.stem


def _anchor(name: str) -> str:
    return f"figure-{re.sub(r'[^A-Za-z0-9]+', '-', name)}"


def _formatted(names: Iterable[str], traces: Mapping[str, str]) -> list[str]:
    return [name.format(**traces) for name in names]


def _told(*links: tuple[str, str]) -> list[dict[str, str]]:
    return [{"words": words, "href": href} for words, href in links if href]
