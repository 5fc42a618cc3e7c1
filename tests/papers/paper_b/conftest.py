"""What the tests of Paper B's figures share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure


@pytest.fixture(scope="session")
def text_of() -> Callable[[Figure], str]:
    """Return all text of a figure, on one line."""

    def read(figure: Figure) -> str:
        texts: list[Any] = figure.findobj(lambda artist: hasattr(artist, "get_text"))
        return " ".join(each.get_text() for each in texts).replace("\n", " ")

    return read


@pytest.fixture(scope="session")
def points_of() -> Callable[..., list[list[float]]]:
    """Return the x or y values of every line of some axes that has a marker, line by line."""

    def read(axes: Axes, marker: str, *, of: str = "x") -> list[list[float]]:
        lines = [line for line in axes.lines if line.get_marker() == marker]
        return [np.asarray(getattr(line, f"get_{of}data")(), float).tolist() for line in lines]

    return read
