"""Parts of the pages that are made anew at every build: the command line's reference, and the map from claim to figure.

A page says `<!-- made: NAME -->` where a part goes. What is made comes from the package, the pipeline and its results,
so that it cannot be out of date.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from edgeresearch.cli import app
from edgeresearch.papers.claims.audit import PAPERS, read_claims
from edgeresearch.papers.claims.rules import VERDICTS
from edgeresearch.papers.report.findings import write_findings
from edgeresearch.papers.report.site import read_stages

ROOT = Path(__file__).parents[1]
CLAIMS, FINDINGS = read_claims(ROOT / "reports" / "claims.csv"), write_findings(ROOT / "reports")

MARK = re.compile(r"<!-- made: (\w+) -->")
EXAMPLES = re.compile(r"^Examples:\n((?:  .*\n)+)", re.MULTILINE)
SHOWN = re.compile(r"!\[[^\]]*\]\(((?:figures|bench)/[^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the figures of `reports/` that the pages show or link to."""
    shown = set(CLAIMS["figure"].str.removeprefix("reports/"))
    for page in files.documentation_pages():
        shown |= set(SHOWN.findall(page.content_string))
    for place in sorted(shown):
        if (ROOT / "reports" / place).is_file():
            files.append(File.generated(config, place, abs_src_path=str(ROOT / "reports" / place)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put what is made in its place."""
    return MARK.sub(lambda mark: MADE[mark[1]](), markdown)


def results() -> str:
    """Return what stands out of the results in `reports/`, paper by paper."""
    parts = ((f"**Paper {letter}: {PAPERS[letter]}**\n", each) for letter, each in FINDINGS.items())
    return "\n\n".join("\n- ".join([head, *sentences]) for head, sentences in parts)


def commands() -> str:
    """Return the reference of the command line, as `--help` has it."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="edgeresearch")
    text = text.partition("\n## ")[2].replace("\b\n", "").replace("[default: (", "[default: ").replace(")]", "]")
    return EXAMPLES.sub(lambda found: f"```sh\n{re.sub('^  ', '', found[1], flags=re.MULTILINE)}```\n", f"## {text}")


def claims() -> str:
    """Return every claim of both papers with its stage, figure, notebook and verdict."""
    rows = CLAIMS.assign(anchor=CLAIMS["id"].str.lower(), path=CLAIMS["figure"].str.removeprefix("reports/"))
    heads = ("what the paper says", "where", "stage", "figure", "notebook", "verdict")
    cells = ('<span id="{anchor}">{claim}</span> <small>`{id}`</small>', "{where}", "[`{stage}`](#stage-{stage})")
    cells += ("[`{path}`]({path})", "`{notebook}`", "{verdict}")
    lines = [[cell.format(**row) for cell in cells] for row in rows.to_dict("records")]
    table = pd.DataFrame(lines, columns=heads).replace({"[``]()": "", "``": ""})
    return "\n\n".join(f"### Paper {paper}\n\n{_table(table[rows['paper'] == paper])}" for paper in ("A", "B"))


def counts() -> str:
    """Return how many claims of each paper have which verdict."""
    table = pd.crosstab(CLAIMS["verdict"], "paper " + CLAIMS["paper"]).reindex(VERDICTS, fill_value=0)
    return _table(table.reset_index().astype(str))


def stages() -> str:
    """Return what each stage of the pipeline does, and what it leaves."""
    rows = [
        (f'<span id="stage-{name}">`{name}`</span>', stage["does"], "<br>".join(f"`{path}`" for path in stage["makes"]))
        for name, stage in read_stages(ROOT / "dvc.yaml").items()
    ]
    return _table(pd.DataFrame(rows, columns=["stage", "what it does", "what it leaves"]))


MADE: Mapping[str, Callable[[], str]] = {
    **{"results": results, "commands": commands, "claims": claims, "counts": counts, "stages": stages}
}
"""The parts by name."""


def _table(table: pd.DataFrame) -> str:
    return table.map(lambda cell: cell.replace("|", "\\|")).to_markdown(index=False, disable_numparse=True)
