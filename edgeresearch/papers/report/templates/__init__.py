"""The templates of the report and of the notebooks' pages, with their styles and script."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent


def environment() -> "Environment":
    """Return the environment that fills the templates; values in HTML are escaped, inline Markdown is a filter."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    options: Any = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=lambda name: ".html" in str(name), **options)
    made.filters["markdown"] = lambda text: Markup(MarkdownIt("commonmark", {"html": False}).renderInline(text))
    return made
