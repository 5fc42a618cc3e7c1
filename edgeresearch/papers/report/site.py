"""The report: one site of plain files, made from the results of a run, that needs no network to be read."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch import notebook_html
from edgeresearch.io import gathered
from edgeresearch.papers.claims.rules import PARTLY, REPRODUCED, UNTESTABLE
from edgeresearch.papers.claims.table import FILE, PAPERS, read_claims
from edgeresearch.papers.report import claims as report_claims
from edgeresearch.papers.report import facts as report_facts
from edgeresearch.papers.report import figures as report_figures
from edgeresearch.papers.report import headlines
from edgeresearch.papers.report import places as report_places
from edgeresearch.papers.report.cells import Printed
from edgeresearch.papers.report.links import Links, notebooks
from edgeresearch.papers.report.minutes import minutes
from edgeresearch.papers.report.places import PLACES, Place
from edgeresearch.papers.report.printed import printed
from edgeresearch.papers.report.rows import claim_row, counted, table_cells, verdict_counts

SITE = Path("reports") / "site"
"""Where the site goes in the project folder."""

TEMPLATES = notebook_html.PAGES / "report"


@dataclass(frozen=True)
class Run:
    """A run whose results are reported.

    Attributes:
        home: The project folder, with `reports/`, `data/raw/sources.csv` and `dvc.yaml`.
        settings: All settings of the run as plain values.
        full: Those of the full run, likewise.
        profile: What the settings are called if they are not those of the full run.
    """

    home: Path
    settings: Mapping[str, Any]
    full: Mapping[str, Any]
    profile: str = "own"

    @property
    def reports(self) -> Path:
        """Folder of the results."""
        return self.home / "reports"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.home / report_figures.FIGURES


def build(run: Run, out: Path | None = None) -> Path:
    """Make the report of a run: `index.html`, its styles and scripts, copies of figures and of notebooks' pages.

    The same results give the same bytes on one machine with the same packages.

    Args:
        run: The run.
        out: Folder of the site; `reports/site` in the run's folder if None.

    Returns:
        The path of the page.

    Raises:
        InputError: The audit is missing, a file is not what it should be, or the folder cannot be written.
    """
    site = out or run.home / SITE
    claims = read_claims(run.reports / FILE)
    traces = {room: report_figures.trace(run.figures, room) for room in ("forecast", "elastic")}
    drawn = _drawings(run.figures, traces, [report_figures.named(path) for path in claims["figure"]])
    links = Links.of(run.home, traces, drawn)
    text = _environment().get_template("index.html.j2").render(_context(run, claims, traces, drawn, links))
    with gathered(site) as draft:
        (draft / "index.html").write_text(text, encoding="utf-8")
        shutil.copyfile(run.reports / FILE, draft / FILE)
        _assets(draft / "assets")
        _copies({f"{each.name}.svg": each.file for several in drawn.values() for each in several}, draft / "figures")
        _pages(links.pages, draft / "notebooks")
    return site / "index.html"


def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _drawings(
    figures: Path, traces: Mapping[str, str], claimed: Sequence[str]
) -> dict[str, list[report_figures.Drawing]]:
    """The figures that are shown: by the anchor of each published one, then by the folder of each further one."""
    found: dict[str, list[report_figures.Drawing]] = {}
    for place in PLACES:
        several = [report_figures.drawing(figures, name) for name in report_places.names(place, traces, claimed)]
        found[place.anchor] = [each for each in several if each is not None]
    shown = [each.name for several in found.values() for each in several]
    rooms = [f"{room}/{name}" for room, name in traces.items() if name]
    for name in report_figures.others(figures, shown, rooms):
        drawing = report_figures.drawing(figures, name)
        assert drawing is not None  # it was just listed
        found.setdefault(str(Path(name).parent), []).append(drawing)
    return found


def _context(
    run: Run,
    claims: pd.DataFrame,
    traces: Mapping[str, str],
    drawn: Mapping[str, Sequence[report_figures.Drawing]],
    links: Links,
) -> dict[str, Any]:
    rows = [claim_row(row, links) for row in claims.to_dict("records")]
    by_id = {row["id"]: row for row in rows}
    counts = report_claims.counts(claims).set_index("paper")
    total = counted(counts.loc[""])
    tables = {each.name: each for each in printed(run.reports, run.settings)}
    told = headlines.headlines(run.reports)
    places = [_place(each, claims, by_id, traces, drawn, tables, links) for each in PLACES]
    series, files = (
        report_facts.series(run.reports / "tables"),
        report_facts.files(run.home / "data" / "raw" / "sources.csv"),
    )
    published = {place.anchor for place in PLACES}
    spent = minutes(run.home)
    return {
        "summary": _summary(counts.loc[""]),
        "total": total,
        "papers": [
            {
                "letter": letter,
                "title": title,
                "citation": report_claims.CITATIONS[letter],
                "count": counted(counts.loc[letter]),
                "headlines": told.get(letter, []),
                "places": [each for each in places if each["paper"] == letter],
            }
            for letter, title in PAPERS.items()
            if letter in counts.index
        ],
        "profile": report_facts.profile(run.settings, run.full, run.profile),
        "provenance": report_facts.provenance(files, series),
        "verdicts": verdict_counts(claims, every=True),
        "verdict_names": [*report_claims.VERDICTS, report_claims.MISSED],
        "kinds": list(dict.fromkeys(claims["kind"])),
        "fits": sorted({word for word in claims["fitted"] if word}),
        "claims": rows,
        "further": [
            {"name": links.room(name), "drawings": [links.shown(each) for each in several]}
            for name, several in drawn.items()
            if name not in published
        ],
        "series": series.to_dict("records"),
        "files": files.to_dict("records"),
        "seeds": report_facts.seeds(run.settings),
        "machine": report_facts.machine(),
        "versions": report_facts.versions(),
        "stages": links.stages,
        "minutes": table_cells(spent) if isinstance(spent, Printed) else None,
        "unmeasured": "" if isinstance(spent, Printed) else spent.reason,
        "notebooks": [{"name": name, "title": notebooks(page)} for name, page in links.pages.items()],
    }


def _place(
    place: Place,
    claims: pd.DataFrame,
    rows: Mapping[str, Mapping[str, Any]],
    traces: Mapping[str, str],
    drawn: Mapping[str, Sequence[report_figures.Drawing]],
    tables: Mapping[str, Any],
    links: Links,
) -> dict[str, Any]:
    """What the page says of one published figure or table."""
    mine = claims[[links.place(row) == place.anchor for row in claims.to_dict("records")]]
    names = report_places.names(place, traces, [report_figures.named(path) for path in mine["figure"]])
    there = drawn[place.anchor]
    gone = [f"Not drawn in this run: {name}." for name in names if name not in {each.name for each in there}]
    made = [tables[name] for name in place.tables]
    gone += [f"Not in this run: {each.name}; {each.reason}." for each in made if not isinstance(each, Printed)]
    return {
        **{"paper": place.paper, "name": place.name, "title": place.title, "text": place.text, "anchor": place.anchor},
        "claims": [rows[each] for each in mine["id"]],
        "tally": verdict_counts(mine),
        "drawings": [links.shown(each) for each in there],
        "tables": [table_cells(each) for each in made if isinstance(each, Printed)],
        "gone": gone,
        "links": links.of_place(place),
    }


def _summary(counts: Any) -> str:
    rest = counts[UNTESTABLE]
    return (
        f"Of {counts['claims']} claims that the papers make, {counts[REPRODUCED]} came out here too, "
        f"{counts[PARTLY]} came out in part, and {counts[report_claims.MISSED]} did not, or are "
        f"contradicted by the paper itself{f'; {rest} cannot be tested here' if rest else ''}."
    )


def _assets(folder: Path) -> None:
    from itables import options

    folder.mkdir()
    for source in (notebook_html.PAGES / "base.css", TEMPLATES / "report.css", TEMPLATES / "report.js"):
        shutil.copyfile(source, folder / source.name)
    # A page that is read from files may not load a module from a file, but may from its own memory.
    module = json.dumps(Path(options.dt_bundle).read_text(encoding="utf-8"))
    loads = f'window.datatables = import(URL.createObjectURL(new Blob([{module}], {{ type: "text/javascript" }})));\n'
    (folder / "datatables.js").write_text(loads, encoding="utf-8")


def _copies(files: Mapping[str, Path], folder: Path) -> None:
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _pages(pages: Mapping[str, Path], folder: Path) -> None:
    """Copy the notebooks' pages, each with a way back to the report."""
    folder.mkdir()
    back = '<nav aria-label="Report"><a href="../index.html">← The report</a></nav>'
    for name, source in pages.items():
        text = source.read_text(encoding="utf-8").replace(notebook_html.BACK, back, 1)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
