"""The pages are built strictly, ask no network, and say what is true; so do the files that a newcomer opens first."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from contextlib import redirect_stdout
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest
import typer
import yaml
from pydantic import BaseModel

from edgeresearch.cli import app
from edgeresearch.config import Params
from edgeresearch.emulator.testbed import Testbed
from edgeresearch.papers.claims.audit import RECORDS, read_claims

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FIRST = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "DATA_LICENSES.md")]
ASKS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
"""What a browser fetches by itself."""


class _Page(HTMLParser):
    """Ids, links and what else is fetched, of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.asked: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {str(found[key]) for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.add(str(found["href"]))
        if tag == "img":
            self.images.append(found)
        if found.get(ASKS.get(tag, "")):
            self.asked.add(str(found[ASKS[tag]]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built once: warnings are errors."""
    place = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    silenced = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=silenced, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return place


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    import importlib.util

    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    for page in PAGES:
        assert (site / page.relative_to(DOCS).with_suffix(".html")).is_file()
    home = _Page((site / "index.html").read_text(encoding="utf-8"))
    for page in PAGES:
        assert page.relative_to(DOCS).with_suffix(".html").as_posix() in home.links
    assert not (site / "hooks.py").exists()


def test_links_lead_somewhere(pages: dict[Path, _Page]) -> None:
    lost = []
    for path, page in pages.items():
        for link in page.links | page.asked:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if path.name == "404.html":
                goal = path.parent / unquote(parts.path).lstrip("/")
            if not goal.is_file() or (parts.fragment and goal in pages and parts.fragment not in pages[goal].ids):
                lost.append(f"{path.name}: {link}")
    assert lost == []


def test_no_page_asks_the_network(site: Path, pages: dict[Path, _Page]) -> None:
    for page in pages.values():
        assert [link for link in page.asked if urlsplit(link).netloc] == []
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", sheet.read_text(encoding="utf-8")) == []
    whole = "".join(path.read_text(encoding="utf-8") for path in pages)
    assert 'class="mermaid"' not in whole, "the theme would fetch a drawing library"
    assert "data-md-component=source" not in whole.replace('"', ""), "the theme would ask for the repository's stars"


def test_images_have_text(pages: dict[Path, _Page]) -> None:
    images = [image for page in pages.values() for image in page.images]
    assert images
    assert all(image.get("alt") for image in images)


def _settings(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield the dotted names of a section's settings, those of lists of sections too."""
    for name, field in model.model_fields.items():
        yield path + name
        for kind in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _settings(kind, f"{path}{name}.")


def test_the_settings_that_the_pages_name_exist() -> None:
    known = set(_settings(Params))
    sections = {name.split(".")[0] for name in known if "." in name}
    of_testbeds = {f"testbed:{name}" for name in _settings(Testbed)}
    texts = [page.read_text(encoding="utf-8") for page in PAGES if "api" not in page.parts]
    named = {word for text in texts for word in re.findall(r"`([a-z]\w*(?:[.:]\w+)+)`(?!\])", text)}
    settings = {word for word in named if word.split(".")[0] in sections}
    settings -= {word for word in settings if word.endswith((".yaml", ".csv", ".png", ".svg"))}
    assert len(settings) > 50
    assert settings <= known
    assert {word for word in named if word.startswith("testbed:")} <= of_testbeds


def test_the_files_that_the_pages_name_exist() -> None:
    texts = [page.read_text(encoding="utf-8") for page in [*PAGES, *FIRST]]
    named = {word for text in texts for word in re.findall(r"`((?:edgeresearch|examples|reports/\w+)/[\w./-]+)`", text)}
    assert len(named) > 10
    kept = [name for name in sorted(named) if not name.startswith(("reports/site", "reports/notebooks"))]  # not in git
    assert [name for name in kept if not (ROOT / name).exists()] == []


def test_the_commands_that_the_pages_name_exist() -> None:
    command = typer.main.get_command(app)
    context = typer.Context(command)
    assert isinstance(command, typer.core.TyperGroup)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    texts = [page.read_text(encoding="utf-8") for page in [*PAGES, *FIRST]]
    lines = [line for text in texts for line in re.findall(r"^(?: {4})?(?:\S+/)?edgeresearch ([a-z].*)", text, re.M)]
    lines += [line for text in texts for line in re.findall(r"`edgeresearch ([a-z][^`]*)`", text)]
    assert len(lines) > 15
    for line in lines:
        name, *words = line.split()
        found = command.get_command(context, name)
        assert found is not None, line
        options = {option for param in found.params for option in (*param.opts, *param.secondary_opts)} | {"--help"}
        assert {word.split("=")[0] for word in words if word.startswith("-")} <= options, line
    for text in texts:
        assert set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.M)) <= targets


def test_the_command_line_is_whole(site: Path) -> None:
    shown = _Page((site / "commands.html").read_text(encoding="utf-8"))
    text = (site / "commands.html").read_text(encoding="utf-8")
    command = typer.main.get_command(app)
    context = typer.Context(command)
    assert isinstance(command, typer.core.TyperGroup)
    for name in command.list_commands(context):
        assert f"edgeresearch-{name}" in shown.ids
        found = command.get_command(context, name)
        assert found is not None
        for param in found.params:
            assert param.opts[0] in text
    assert "\b" not in text


def test_the_map_holds_every_claim_and_stage(site: Path, hooks: ModuleType) -> None:
    page = _Page((site / "claims.html").read_text(encoding="utf-8"))
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {f"stage-{name}" for name in stages} <= page.ids
    claims = RECORDS
    assert {claim.id.lower() for claim in claims} <= page.ids
    figures = {claim.figure.removeprefix("reports/") for claim in claims if claim.figure}
    assert figures <= page.links
    assert all((site / figure).is_file() for figure in figures)
    counted = [line.split("|")[2:4] for line in hooks.counts().splitlines()[2:]]
    assert [sum(int(row[at]) for row in counted) for at in (0, 1)] == [
        sum(claim.paper == paper for claim in claims) for paper in ("A", "B")
    ]


def test_verdicts_come_from_the_audit(hooks: ModuleType) -> None:
    rows = [line for line in hooks.claims().splitlines() if line.startswith("| <span")]
    table = read_claims(ROOT / "reports" / "claims.csv").set_index("id")
    assert len(rows) == len(table)
    for row in rows:
        (name,) = re.findall(r"<small>`([^`]+)`</small>", row)
        assert row.rstrip(" |").endswith(f"| {table.loc[name, 'verdict']}")
    assert r"b \| c" in hooks._table(pd.DataFrame({"a": ["b | c"]}))


def test_everything_public_is_in_the_reference(pages: dict[Path, _Page]) -> None:
    ids = {each for page in pages.values() for each in page.ids}
    lacking = []
    for path in sorted((ROOT / "edgeresearch").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "cli" in parts or parts[-1].startswith("__"):
            continue
        module = ".".join(parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        wanted = [module, *(f"{module}.{name}" for name in public if not name.startswith("_"))]
        lacking += [name for name in wanted if name not in ids]
    assert lacking == []


def test_code_on_the_pages_runs_and_prints_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.read_csv(ROOT / "examples" / "synthetic_requests.csv")
    table.head(300).to_csv(tmp_path / "requests.csv", index=False)
    (tmp_path / "examples").mkdir()
    table.to_csv(tmp_path / "examples" / "synthetic_requests.csv", index=False)
    monkeypatch.chdir(tmp_path)

    for page in PAGES:
        names: dict[str, object] = {"__name__": "page"}
        for code, shown in re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", page.read_text(), re.DOTALL):
            if "--8<--" not in code:
                with redirect_stdout(StringIO()) as printed:
                    exec(compile(code, str(page), "exec"), names)
                if shown:
                    _compare(printed.getvalue(), shown)
    assert "unhurried" in set(pd.read_csv("results/table.csv")["strategy"])


def _compare(printed: str, shown: str) -> None:
    """Hold what was printed to what a page shows; numbers may differ by a fiftieth, as machines round differently."""
    number = r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w.:-])"
    assert re.sub(rf"\s*{number}", " #", printed).strip() == re.sub(rf"\s*{number}", " #", shown).strip()
    numbers = [[float(each) for each in re.findall(number, text)] for text in (printed, shown)]
    assert numbers[0] == pytest.approx(numbers[1], rel=0.02, abs=0.02)


def test_the_citation_is_valid_and_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(cited)
    assert cited["version"] == project["version"]
    assert cited["license"] == project["license"]
    assert cited["authors"] == project["authors"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    flat = re.sub(r"\s+", " ", readme)
    assert len(cited["references"]) == 2
    for reference in cited["references"]:
        assert {"type", "title", "authors"} <= set(reference)
        assert reference["title"] in flat
        for author in reference["authors"]:
            assert f"{author['given-names'][0]}. {author['family-names']}" in flat


def test_the_changelog_knows_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert project["version"] in text
    assert re.findall(r"^## (.*)", text, re.M)[0] == "Unreleased"
    assert set(re.findall(r"^### (.*)", text, re.M)) <= {
        *("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    }


@pytest.mark.parametrize("path", FIRST, ids=lambda path: path.name)
def test_links_of_the_first_files_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not urlsplit(link).scheme]
    assert [link for link in links if not (ROOT / link.split("#")[0]).exists()] == []
    if path.name != "README.md":
        assert links == [], "a page shows this file from another folder: name files without linking"
