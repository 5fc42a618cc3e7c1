"""What the tests of Paper B's figures share."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes


@pytest.fixture(scope="session")
def points_of() -> Callable[..., list[list[float]]]:
    """Return the x or y values of every line of some axes that has a marker, line by line."""

    def read(axes: Axes, marker: str, *, of: str = "x") -> list[list[float]]:
        lines = [line for line in axes.lines if line.get_marker() == marker]
        return [np.asarray(getattr(line, f"get_{of}data")(), float).tolist() for line in lines]

    return read
