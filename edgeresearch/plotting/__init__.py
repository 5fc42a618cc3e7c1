"""Figures: one style, one function per kind of result."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODULES = {
    "Comparison": "series",
    "Detection": "series",
    "Emulation": "emulation",
    "Forecast": "series",
    "Replay": "replay",
    "SweepResult": "sweep",
}
"""The module here that draws a kind of result, by its function `figures`."""


def figures(result: Any) -> "dict[str, Figure]":
    """Draw a result.

    Args:
        result: What a call of the front door returned.

    Returns:
        Figures by the name of their file, the most telling one first; none where there is nothing to see.
    """
    name = type(result).__name__
    if name not in MODULES:
        raise TypeError(f"there is no figure for a {name}; known: {', '.join(MODULES)}")
    drawn: dict[str, Figure] = import_module(f"{__name__}.{MODULES[name]}").figures(result)
    for figure in drawn.values():
        import_module(f"{__name__}.style").take_names_as_text(figure)
    return drawn
