"""Figures: one style, one function per kind of result."""

from functools import singledispatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@singledispatch
def figures(result: Any) -> "dict[str, Figure]":
    """Draw a result.

    Args:
        result: What a call of the front door returned.

    Returns:
        Figures by the name of their file, the most telling one first.
    """
    raise TypeError(f"there is no figure for a {type(result).__name__}")
