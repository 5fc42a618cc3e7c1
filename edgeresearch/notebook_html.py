"""Executed notebooks as pages that need no network and have the same bytes on every run."""

import ast
import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeresearch.io import atomic

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from nbformat import NotebookNode

PAGES = Path(__file__).parent / "pages"
"""Templates and styles, with the one of notebooks in a folder that nbconvert finds by its name."""

BACK = "<!-- back -->"
"""Where a page can be given a link to what it belongs to."""

SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain"]
"""Kinds of output that are shown, the first one of an output that is there; scripts and widgets are not."""

LONG = 30
"""Characters of a table's cell from which on it is broken into lines."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_RANDOM = re.compile(r"T_[0-9a-f]{5}(?![0-9a-f])|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?$|nan$|NaN$")
_ACTIVE = ["script", "iframe", "object", "embed", "link", "meta", "style", "base"]


def write(notebook: "NotebookNode", name: str, out: str | Path) -> Path:
    """Write an executed notebook as one page.

    Args:
        notebook: As it was executed, outputs included.
        name: What it is called.
        out: Where the page goes.

    Returns:
        The path of the page.

    Raises:
        InputError: The page cannot be written.
    """
    text = page(notebook, name)
    with atomic(out) as draft:
        draft.write_text(text, encoding="utf-8")
    return Path(out)


def page(notebook: "NotebookNode", name: str) -> str:
    """Return an executed notebook as HTML: figures inside and described, code folded, no script, light and dark.

    Memory addresses, random ids and other things that differ between two runs of the same notebook are replaced.

    Args:
        notebook: As it was executed; it is left as it is.
        name: What it is called.
    """
    import copy

    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    shown = copy.deepcopy(notebook)
    _steady(shown)
    _described(shown)
    style = "\n".join((PAGES / file).read_text(encoding="utf-8") for file in ("base.css", "notebook/notebook.css"))
    about = {"name": name, "title": next(_headings(shown), name), "style": style.strip()}
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        config=Config({"NbConvertBase": {"display_data_priority": SHOWN}}),
        template_name="notebook",
        extra_template_basedirs=[str(PAGES)],
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_notebook_node(shown, {"page": about})
    return _quiet(body)


def _outputs(notebook: "NotebookNode") -> Iterator[tuple["NotebookNode", "NotebookNode"]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield cell, output


def _headings(notebook: "NotebookNode") -> Iterator[str]:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from _HEADING.findall(cell.source)


def _steady(notebook: "NotebookNode") -> None:
    """Replace what differs from run to run in texts: memory addresses by dots, random ids by their order."""
    seen: dict[str, str] = {}

    def steady(text: str) -> str:
        text = _ADDRESS.sub(" at 0x…", text)
        return _RANDOM.sub(lambda found: seen.setdefault(found[0], f"id-{len(seen) + 1}"), text)

    for _, output in _outputs(notebook):
        if "text" in output:
            output["text"] = steady(output["text"])
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/"):
                output["data"][kind] = steady(content)


def _described(notebook: "NotebookNode") -> None:
    """Give each figure its words, and keep it as lossless WebP, which takes less than half of its PNG."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (_HEADING.findall(cell.source) or [heading])[-1]
            continue
        pictures = [each for each in cell.get("outputs", []) if any("image/" in kind for kind in each.get("data", {}))]
        names = _saved(cell.source)
        for at, output in enumerate(pictures):
            stated = next((each["alt"] for each in output.metadata.values() if "alt" in each), "")
            output.metadata["alt"] = stated or _words(heading, names[at] if at < len(names) else "")
            if "image/png" in output.data:
                output.metadata["picture"] = _smaller(base64.b64decode(output.data["image/png"]))


def _words(heading: str, name: str) -> str:
    """A figure's words: the heading that it stands under, and its name where that says something else."""
    known = name.replace(" ", "").casefold() in heading.replace(" ", "").casefold()
    return ": ".join(each for each in (heading, "" if known else name) if each) or "figure"


def _saved(source: str) -> list[str]:
    """The names under which a cell saves figures, in their order, as words."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) > 1]
    places = [call.args[1] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "save"]
    texts = [[each.value for each in ast.walk(place) if isinstance(each, ast.Constant)] for place in places]
    return [str(each[-1]).replace("_", " ") for each in texts if each]


def _smaller(png: bytes) -> dict[str, Any]:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
        packed = io.BytesIO()
        picture.convert("RGBA" if picture.has_transparency_data else "RGB").save(
            packed, "WEBP", lossless=True, quality=80
        )
    content = base64.b64encode(packed.getvalue()).decode()
    return {"kind": "image/webp", "content": content, "width": width, "height": height}


def _quiet(html: str) -> str:
    """Take out of the content whatever runs or fetches, and let wide tables scroll by themselves."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    main = soup.main
    assert main is not None  # the template has one
    for element in main(_ACTIVE):
        element.decompose()
    for image in main("img"):
        if not str(image.get("src", "")).startswith("data:"):
            image.replace_with(f"[{image.get('alt') or 'image'}]")
    for table in main("table"):
        _reachable(soup, table)
    return str(soup)


def _reachable(soup: "BeautifulSoup", table: Any) -> None:
    """Put a table into a region that scrolls, also by keyboard; text in it stands left, numbers right."""
    for element in [table, *table(["tr", "th", "td"])]:
        element.attrs.pop("border", None)
        element.attrs.pop("style", None)
    for cell in table("td"):
        text = cell.get_text().strip()
        if text and not _NUMBER.match(text):
            cell["class"] = "text long" if len(text) > LONG else "text"
    number = 1 + len(soup.select("div.scroll"))
    region = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": f"Table {number}"}
    table.wrap(soup.new_tag("div", attrs=region))
