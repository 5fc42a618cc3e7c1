"""Parts of the pages that are made anew at every build: the command line's reference, and the map from claim to figure.

A page says `<!-- made: NAME -->` where a part goes. What is made comes from the package, the pipeline and its results,
so that it cannot be out of date.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import typer
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from edgeresearch.cli import app
from edgeresearch.papers.claims.records import RECORDS
from edgeresearch.papers.claims.rules import VERDICTS
from edgeresearch.papers.claims.table import FILE, PAPERS, read_claims

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"
AUDIT = REPORTS / FILE
UNKNOWN = "not judged yet"
"""Verdict of a claim that the results in `reports/` do not have; `dvc repro claims` judges it."""

MARK = re.compile(r"<!-- made: (\w+) -->")
EXAMPLES = re.compile(r"^Examples:\n((?:  .*\n)+)", re.MULTILINE)
SHOWN = re.compile(r"!\[[^\]]*\]\((figures/[^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the figures of `reports/` that the pages show or link to."""
    shown = {claim.figure.removeprefix("reports/") for claim in RECORDS if claim.figure}
    for page in files.documentation_pages():
        shown |= set(SHOWN.findall(page.content_string))
    for place in sorted(shown):
        if (REPORTS / place).is_file():
            files.append(File.generated(config, place, abs_src_path=str(REPORTS / place)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put what is made in its place."""
    return MARK.sub(lambda mark: MADE[mark[1]](), markdown)


def commands() -> str:
    """Return the reference of the command line, as `--help` has it."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="edgeresearch")
    text = text.partition("\n## ")[2].replace("\b\n", "").replace("[default: (", "[default: ").replace(")]", "]")
    return EXAMPLES.sub(lambda found: f"```sh\n{_dedented(found[1])}```\n", f"## {text}")


def claims() -> str:
    """Return every claim of both papers with its stage, figure, notebook and verdict."""
    verdicts = judged()
    parts = []
    for paper in PAPERS:
        rows = [
            (
                f'<span id="{claim.id.lower()}">{claim.claim}</span> <small>`{claim.id}`</small>',
                claim.where,
                f"[`{claim.stage}`](#stage-{claim.stage})",
                f"[`{Path(claim.figure).stem}`]({claim.figure.removeprefix('reports/')})" if claim.figure else "",
                f"`{claim.notebook}`" if claim.notebook else "",
                verdicts.get(claim.id, UNKNOWN),
            )
            for claim in RECORDS
            if claim.paper == paper
        ]
        heads = ("what the paper says", "where", "stage", "figure", "notebook", "verdict")
        parts.append(f"### Paper {paper}\n\n{_table(heads, rows)}")
    return "\n\n".join(parts)


def counts() -> str:
    """Return how many claims of each paper have which verdict."""
    verdicts = judged()
    pairs = [(verdicts.get(claim.id, UNKNOWN), claim.paper) for claim in RECORDS]
    found = pd.DataFrame(pairs, columns=["verdict", "paper"])
    table = found.value_counts().unstack(fill_value=0).reindex(columns=list(PAPERS), fill_value=0)
    order = [verdict for verdict in (*VERDICTS, UNKNOWN) if verdict in table.index]
    rows = [(verdict, *(str(table.loc[verdict, paper]) for paper in PAPERS)) for verdict in order]
    return _table(("verdict", *(f"paper {paper}" for paper in PAPERS)), rows)


def stages() -> str:
    """Return what each stage of the pipeline does, and what it leaves."""
    found = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    rows = [
        (f'<span id="stage-{name}">`{name}`</span>', stage["desc"], "<br>".join(f"`{path}`" for path in _left(stage)))
        for name, stage in found.items()
    ]
    return _table(("stage", "what it does", "what it leaves"), rows)


MADE: Mapping[str, Callable[[], str]] = {
    **{"commands": commands, "claims": claims},
    **{"counts": counts, "stages": stages},
}
"""The parts by name."""


def judged() -> dict[str, str]:
    """Return the verdicts of the audit in `reports/` by the claims' ids."""
    if not AUDIT.is_file():
        return {}
    table = read_claims(AUDIT)
    return dict(zip(table["id"], table["verdict"], strict=True))


def _dedented(lines: str) -> str:
    return "".join(line.removeprefix("  ") for line in lines.splitlines(keepends=True))


def _left(stage: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files and folders that a stage leaves."""
    for kind in ("metrics", "plots", "outs"):
        for each in stage.get(kind, []):
            path = next(iter(each)) if isinstance(each, Mapping) else each
            yield path.replace("${item.trace}", "TRACE")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    named = list(heads)
    return "\n".join([line(named), line("---" for _ in named), *map(line, rows)])
