"""The report: one site of plain files, made from the results of a run, that needs no network; and what one pastes."""

import html
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.data.registry import STAND_IN
from edgeresearch.errors import InputError
from edgeresearch.io import gathered
from edgeresearch.papers.claims.audit import FILE, MISSED, PAPERS, read_claims, tally
from edgeresearch.papers.report import templates
from edgeresearch.papers.report.figures import PLACES, find_figures, name_figures, place_claims, read_drawing
from edgeresearch.papers.report.findings import describe_claim, write_findings
from edgeresearch.papers.report.notebook_page import BACK
from edgeresearch.papers.report.tables import PaperTable, claims_table, paper_tables, to_latex, to_markdown
from edgeresearch.provenance import machine, versions
from edgeresearch.settings import read_yaml

PACKAGES = (
    "edgeresearch numpy scipy pandas scikit-learn torch pytorch-lightning xgboost-cpu xgboost river "
    "networkx matplotlib seaborn papermill nbconvert itables dvc"
)
"""Whose versions are named, where they are installed."""

SYNTHETIC = "synthetic stand-in"
"""What the values of a file are that is not the real one."""

SEEDS: Mapping[str, str] = {
    "seed": "root of every random number", "forecast.seeds": "fits of each forecaster that has something random",
    "elastic.repeats": "draws of arrivals and start delays", "los.repeats": "runs of each number of streams and policy",
    "los.adaptation.repeats": "runs of the limits of Fig. 5", "anomaly.seeds": "draws of anomalies and first weights",
}  # fmt: skip
"""Settings that say how often something was done, and what."""


_ANCHOR = re.compile(r'\bid="([^"]+)"')


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

    Raises:
        InputError: The audit is missing, a file is not what it should be, or the folder cannot be written.
    """
    reports, site = home / "reports", out or home / "reports" / "site"
    claims = read_claims(reports / FILE)
    claims["place"], placed = place_claims(claims)
    files = find_figures(reports / "figures")
    shown = [name for name in files if name in placed or _of_shown_trace(name, files)]
    drawings = {name: read_drawing(files[name], name) for name in shown}
    stages = read_stages(home / "dvc.yaml")
    pages = {file.stem: file for file in sorted((reports / "notebooks").glob("[!.]*.html"))}
    figures = {name: drawing.anchor for name, drawing in drawings.items()}
    texts = _render_pages(
        claims=[describe_claim(row) | _links(row, figures, pages, stages) for row in claims.to_dict("records")],
        papers={letter: title for letter, title in PAPERS.items() if letter in set(claims["paper"])},
        missed=MISSED, tally=tally, findings=write_findings(reports), places=PLACES, placed=placed, drawings=drawings,
        tables=paper_tables(reports, settings), profile=profile, changed=changed_settings(settings, full),
        seeds=describe_seeds(settings), files=read_data_files(home), series=read_data_series(home), standin=SYNTHETIC,
        machine=machine(), versions=versions(PACKAGES.split()), stages=stages, minutes=sum_minutes(home),
        notebooks={name: _title(file) for name, file in pages.items()},
    )  # fmt: skip
    with gathered(site) as draft:
        for page, text in texts.items():
            (draft / f"{page}.html").write_text(text, encoding="utf-8")
        shutil.copyfile(reports / FILE, draft / FILE)
        _copy_assets(draft / "assets")
        for name, drawing in drawings.items():
            (draft / "figures" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(drawing.file, draft / "figures" / f"{name}.svg")
        _copy_pages(pages, draft / "notebooks")
    return site / "index.html"


def _render_pages(papers: Mapping[str, str], **values: Any) -> dict[str, str]:
    """Return the pages of the report by name; the first one is told what stands on the others, for links of old."""
    pages = {"index": ("Claims", "Two papers on edge computing, re-run", "")}
    pages |= {
        f"paper-{letter.lower()}": (f"Paper {letter}", f"Paper {letter}: {papers[letter]}", letter) for letter in papers
    }
    pages |= {"beyond": ("Beyond", "Beyond the papers", ""), "run": ("Data and run", "Data, run and notebooks", "")}
    template = templates.environment().get_template("report.html.j2")
    texts: dict[str, str] = {}
    for page, (_, title, letter) in reversed(pages.items()):
        moved = {anchor: other for other, text in texts.items() for anchor in _ANCHOR.findall(text)}
        here: Any = {"page": page, "title": title, "letter": letter, "moved": moved}
        texts[page] = template.render(pages=pages, papers=papers, **here, **values)
    return link_pages(texts)


def link_pages(texts: Mapping[str, str]) -> dict[str, str]:
    """Return pages whose links to an anchor that stands on another one lead there."""
    anchors = {page: set(_ANCHOR.findall(text)) for page, text in texts.items()}
    where = {anchor: page for page, several in anchors.items() for anchor in several}

    def link(page: str, found: re.Match[str]) -> str:
        away = found[1] not in anchors[page]
        return f'href="{where[found[1]]}.html#{found[1]}"' if away else found[0]

    return {page: re.sub('href="#([^"]+)"', partial(link, page), text) for page, text in texts.items()}


def _links(
    row: Mapping[Any, Any], figures: Mapping[str, str], pages: Iterable[str], stages: Iterable[str]
) -> dict[str, dict[str, str]]:
    """Link a claim to its figure, else to the place that shows it, to its notebook and its stage."""
    anchor = figures.get(re.sub(r"^reports/figures/|\.\w+$", "", row["figure"]), row["place"])
    name, stage = row["notebook"], row["stage"]
    runs = [each for each in pages if name and (each == name or each.startswith(f"{name}-"))]
    runs.sort(key=lambda each: not each.endswith(STAND_IN))
    links = {"figure": f"#{anchor}" if anchor else "", "notebook": f"notebooks/{runs[0]}.html" if runs else ""}
    return {"links": links | {"stage": f"#stage-{stage}" if stage in stages else ""}}


def _of_shown_trace(name: str, names: Iterable[str]) -> bool:
    """Whether a figure is not one of another request trace than the one that is shown; notebooks show the others."""
    room, trace, *_ = name.split("/")
    traces = sorted({each.split("/")[1] for each in names if each.startswith(f"{room}/")})
    return room not in ("forecast", "elastic") or trace == (STAND_IN if STAND_IN in traces else traces[0])


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


def flatten_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of all sections by their full names, such as `forecast.seeds`, as text."""
    (values,) = pd.json_normalize(dict(settings)).astype(object).to_dict("records")
    return {str(key): str(value).strip("[()]").replace("'", "") for key, value in values.items()}


def changed_settings(settings: Mapping[str, Any], full: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that differ from those of the full run and could change a result."""
    theirs = flatten_settings(full)
    return {
        key: f"{value} (full run: {theirs.get(key)})"
        for key, value in flatten_settings(settings).items()
        if value != theirs.get(key) and not key.startswith("data.") and not key.endswith("workers")
    }


def describe_seeds(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that say how often something random was done, with their meaning."""
    values = flatten_settings(settings)
    return {name: f"{values[name]}: {words}" for name, words in SEEDS.items() if name in values}


def read_data_files(home: Path) -> PaperTable:
    """Return the data files of a run with their checksums, empty if nothing was fetched."""
    table = _read(home / "data" / "raw" / "sources.csv", {"file": "File", "real": "Values", "sha256": "sha256"})
    table["Values"] = table["Values"].map({"True": "real"}).fillna(SYNTHETIC)
    return PaperTable("data-files", "The data files and their sha256", table)


def read_data_series(home: Path) -> PaperTable:
    """Return what the series are and whether their values were measured, empty if that was not written."""
    columns = {"trace": "Series", "data": "Values", "unit": "Unit", "steps": "Steps"}
    columns |= {"first": "From", "last": "To", "note": "What it is"}
    table = _read(home / "reports" / "tables" / "data_series.csv", columns)
    table[["From", "To"]] = table[["From", "To"]].apply(lambda times: times.str[:10])
    return PaperTable("data-series", "The series, and whether their values were measured", table)


def _read(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(columns.values()), dtype=str)
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[list(columns)].rename(columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} has not the columns {', '.join(columns)}; make it again with dvc repro") from error


def read_stages(pipeline: Path) -> dict[str, dict[str, Any]]:
    """Read what each stage of `dvc.yaml` does, its command, and what it makes.

    Raises:
        InputError: The file is missing or has no stages.
    """
    stages = read_yaml(pipeline).get("stages")
    if not isinstance(stages, dict):
        raise InputError(f"{pipeline} has no stages; run this in the folder of a checkout")
    found = {}
    for name, stage in stages.items():
        outs = [each for kind in ("outs", "metrics", "plots") for each in stage.get(kind, [])]
        makes = [next(iter(each)) if isinstance(each, dict) else each for each in outs]
        command = " ".join(stage["cmd"].split()).removeprefix("python -m ")
        found[str(name)] = {"does": stage.get("desc", ""), "command": command, "makes": makes}
    return found


def sum_minutes(home: Path) -> PaperTable | None:
    """Return where the minutes of the pipeline went, the items of a stage together; None where none were measured."""
    columns = {"stage": "stage", "cpu_seconds": "CPU minutes", "wall_seconds": "wall minutes", "machine": "machine"}
    table = _read(home / "data" / "measured" / "stage_seconds.csv", columns)
    if table.empty:
        return None
    table["stage"] = table["stage"].str.partition("@")[0].replace("dvc", "DVC itself")
    minutes: Any = table[["CPU minutes", "wall minutes"]].astype(float) / 60
    sums: Any = minutes.assign(parts=1).groupby(table["stage"]).sum().sort_values("CPU minutes", ascending=False)
    sums.loc["all"] = sums.sum()
    sums["% of CPU"] = 100 * sums["CPU minutes"] / sums.loc["all", "CPU minutes"]
    formats = {"parts": "{:.0f}", "CPU minutes": "{:.1f}", "wall minutes": "{:.1f}", "% of CPU": "{:.0f}"}
    cells = {"stage": list(sums.index)} | {name: list(sums[name].map(form.format)) for name, form in formats.items()}
    machines = "; ".join(dict.fromkeys(filter(None, table["machine"])))
    note = f"Measured on: {machines}; `make stage-timings` measures the stages that run. Items of a stage are one row."
    return PaperTable("minutes", "Where the minutes of the pipeline go", pd.DataFrame(cells), (note,))


def write_exports(reports: Path, settings: Mapping[str, Any], out: Path) -> dict[str, InputError]:
    """Write every table of the papers, and the audit, as `.tex` and `.md`, and every figure as SVG, by names that stay.

    Args:
        reports: Folder of the results.
        settings: All settings of the run as plain values.
        out: Folder that gets `tables/` and `figures/`; what else lies there stays.

    Returns:
        Why a table could not be made, by its name.

    Raises:
        InputError: The folder cannot be written, or a character has no LaTeX.
    """
    claims = read_claims(reports / FILE)
    tables = paper_tables(reports, settings)
    tables["claims"] = PaperTable("claims", "Claims of both papers, audited", claims_table(claims))
    with gathered(out) as draft:
        for name in ("tables", "figures"):
            (draft / name).mkdir()
        for name, table in tables.items():
            if isinstance(table, PaperTable):
                (draft / "tables" / f"{name}.tex").write_text(to_latex(table), encoding="utf-8")
                (draft / "tables" / f"{name}.md").write_text(to_markdown(table), encoding="utf-8")
        for name, source in name_figures(claims, reports / "figures").items():
            shutil.copyfile(source, draft / "figures" / f"{name}.svg")
    return {name: table for name, table in tables.items() if isinstance(table, InputError)}
