"""Executed notebooks as pages that need no network and have the same bytes on every run."""

import base64
import io
import re
from typing import TYPE_CHECKING, Any

from edgeresearch.papers.report import templates

if TYPE_CHECKING:
    from nbformat import NotebookNode

BACK = "<!-- back -->"
"""Where a page can be given a link to what it belongs to."""

SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain"]
"""Kinds of output that are shown, the first one of an output that is there; scripts and widgets are not."""

NO_ALT = "No description has been provided for this image"
"""What nbconvert says of a figure that has no words of its own."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_RANDOM = re.compile(r"T_[0-9a-f]{5}(?![0-9a-f])|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?$|nan$|NaN$")
_ACTIVE = ["script", "iframe", "object", "embed", "link", "meta", "style", "base"]


def render_page(notebook: "NotebookNode", name: str) -> str:
    """Return an executed notebook as HTML: figures inside and described, code folded, no script, light and dark.

    Memory addresses and random ids, which differ between two runs of the same notebook, are replaced.
    """
    from bs4 import BeautifulSoup
    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        config=Config({"NbConvertBase": {"display_data_priority": SHOWN}}),
        template_name="classic",
        template_file=str(templates.FOLDER / "notebook.html.j2"),
        exclude_anchor_links=True,
    )
    style = (templates.FOLDER / "style.css").read_text(encoding="utf-8").strip()
    body, _ = exporter.from_notebook_node(notebook, {"page": {"name": name, "style": style}})
    soup: Any = BeautifulSoup(body, "html.parser")
    heading = soup.main.find(["h1", "h2", "h3"])
    soup.title.string = heading.get_text() if heading else name
    _clean(soup)
    ids: dict[str, str] = {}
    text = _ADDRESS.sub(" at 0x…", str(soup))
    return _RANDOM.sub(lambda found: ids.setdefault(found[0], f"id-{len(ids) + 1}"), text)


def _clean(soup: Any) -> None:
    """Take out whatever runs, fetches or is random; describe figures, and let wide tables scroll by themselves."""
    for element in soup.main(_ACTIVE):
        element.decompose()
    for cell in soup.main(class_="cell"):
        del cell["id"]
    for image in soup.main("img"):
        heading = image.find_previous(["h1", "h2", "h3", "h4"])
        if image.get("alt", NO_ALT) in ("", NO_ALT):
            image["alt"] = heading.get_text() if heading else "figure"
        if str(image.get("src")).startswith("data:image/png;base64,"):
            _shrink(image)
        elif not str(image.get("src")).startswith("data:"):
            image.replace_with(f"[{image['alt']}]")
    for number, table in enumerate(soup.main("table"), start=1):
        for element in [table, *table(["tr", "th", "td"])]:
            element.attrs = {name: text for name, text in element.attrs.items() if name not in ("border", "style")}
        for cell in table("td"):
            text = cell.get_text().strip()
            if text and not _NUMBER.match(text):
                cell["class"] = "text long" if len(text) > 30 else "text"
        region = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": f"Table {number}"}
        table.wrap(soup.new_tag("div", attrs=region))


def _shrink(image: Any) -> None:
    """Turn a PNG into lossless WebP, which takes less than half of the place."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as picture:
        image["width"], image["height"] = picture.size
        packed = io.BytesIO()
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        picture.convert(mode).save(packed, "WEBP", lossless=True, quality=80)
    image["src"] = f"data:image/webp;base64,{base64.b64encode(packed.getvalue()).decode()}"
