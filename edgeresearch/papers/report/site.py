"""The report: one site of plain files, made from the results of a run, that needs no network to be read."""

import html
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgeresearch.io import gathered
from edgeresearch.papers.claims.audit import FILE, PAPERS, read_claims
from edgeresearch.papers.report import provenance, templates
from edgeresearch.papers.report.audit import MISSED, describe_claim, tally
from edgeresearch.papers.report.figures import find_figures, read_drawing
from edgeresearch.papers.report.findings import write_findings
from edgeresearch.papers.report.notebook_page import BACK
from edgeresearch.papers.report.published import PLACES, STANDIN, paper_tables, place_claims
from edgeresearch.provenance import machine, versions

SITE = Path("reports") / "site"
"""Where the site goes in the project folder."""

PACKAGES = (
    "edgeresearch numpy scipy pandas scikit-learn torch pytorch-lightning xgboost-cpu xgboost river "
    "networkx matplotlib seaborn papermill nbconvert itables dvc"
)
"""Whose versions are named, where they are installed."""


def build_site(
    home: Path, settings: Mapping[str, Any], full: Mapping[str, Any], profile: str = "own", out: Path | None = None
) -> Path:
    """Make the report of a run, the same bytes from the same results on one machine with the same packages.

    Args:
        home: The project folder, with `reports/`, `data/raw/sources.csv` and `dvc.yaml`.
        settings: All settings of the run as plain values.
        full: Those of the full run, likewise.
        profile: What the settings are called if they are not those of the full run.
        out: Folder of the site; `reports/site` in the project folder if None.

    Returns:
        The path of the page.

    Raises:
        InputError: The audit is missing, a file is not what it should be, or the folder cannot be written.
    """
    reports, site = home / "reports", out or home / SITE
    claims = read_claims(reports / FILE)
    claims["place"], placed = place_claims(claims)
    files = find_figures(reports / "figures")
    shown = [name for name in files if name in placed or _of_shown_trace(name, files)]
    drawings = {name: read_drawing(files[name], name) for name in shown}
    stages = provenance.read_stages(home / "dvc.yaml")
    pages = {file.stem: file for file in sorted((reports / "notebooks").glob("[!.]*.html"))}
    figures = {name: drawing.anchor for name, drawing in drawings.items()}
    text = templates.environment().get_template("index.html.j2").render(
        claims=[describe_claim(row) | _links(row, figures, pages, stages) for row in claims.to_dict("records")],
        missed=MISSED,
        tally=tally,
        papers={letter: title for letter, title in PAPERS.items() if letter in set(claims["paper"])},
        places=PLACES,
        placed=placed,
        drawings=drawings,
        tables=paper_tables(reports, settings),
        findings=write_findings(reports),
        profile=profile,
        changed=provenance.changed_settings(settings, full),
        seeds=provenance.seeds(settings),
        files=provenance.data_files(home),
        series=provenance.data_series(home),
        standin=provenance.STANDIN,
        machine=machine(),
        versions=versions(PACKAGES.split()),
        stages=stages,
        minutes=provenance.stage_minutes(home),
        notebooks={name: _title(file) for name, file in pages.items()},
    )  # fmt: skip
    with gathered(site) as draft:
        (draft / "index.html").write_text(text, encoding="utf-8")
        shutil.copyfile(reports / FILE, draft / FILE)
        _copy_assets(draft / "assets")
        for name, drawing in drawings.items():
            (draft / "figures" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(drawing.file, draft / "figures" / f"{name}.svg")
        _copy_pages(pages, draft / "notebooks")
    return site / "index.html"


def _links(
    row: Mapping[Any, Any], figures: Mapping[str, str], pages: Iterable[str], stages: Iterable[str]
) -> dict[str, dict[str, str]]:
    """Link a claim to its figure, else to the place that shows it, to its notebook and its stage."""
    anchor = figures.get(re.sub(r"^reports/figures/|\.\w+$", "", row["figure"]), row["place"])
    name, stage = row["notebook"], row["stage"]
    runs = [each for each in pages if name and (each == name or each.startswith(f"{name}-"))]
    runs.sort(key=lambda each: not each.endswith(STANDIN))
    links = {"figure": f"#{anchor}" if anchor else "", "notebook": f"notebooks/{runs[0]}.html" if runs else ""}
    return {"links": {**links, "stage": f"#stage-{stage}" if stage in stages else ""}}


def _of_shown_trace(name: str, names: Iterable[str]) -> bool:
    """Whether a figure is not one of another request trace than the one that is shown; notebooks show the others."""
    room, trace, *_ = name.split("/")
    traces = sorted({each.split("/")[1] for each in names if each.startswith(f"{room}/")})
    return room not in ("forecast", "elastic") or trace == (STANDIN if STANDIN in traces else traces[0])


def _title(page: Path) -> str:
    found = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(html.unescape(found[1]).split()) if found else page.stem


def _copy_assets(folder: Path) -> None:
    from itables import options

    folder.mkdir()
    for name in ("style.css", "audit.js"):
        shutil.copyfile(templates.FOLDER / name, folder / name)
    # A page that is read from files may not load a module from a file, but may from its own memory.
    module = json.dumps(Path(options.dt_bundle).read_text(encoding="utf-8"))
    loads = f'window.datatables = import(URL.createObjectURL(new Blob([{module}], {{ type: "text/javascript" }})));\n'
    (folder / "datatables.js").write_text(loads, encoding="utf-8")


def _copy_pages(pages: Mapping[str, Path], folder: Path) -> None:
    """Copy the notebooks' pages, each with a way back to the report."""
    folder.mkdir()
    back = '<nav aria-label="Report"><a href="../index.html">← The report</a></nav>'
    for name, source in pages.items():
        text = source.read_text(encoding="utf-8").replace(BACK, back, 1)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
