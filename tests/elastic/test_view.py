"""What a strategy is and sees."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.checks import Ints
from edgeresearch.elastic.strategies import STRATEGIES
from edgeresearch.elastic.view import Strategy, View


class Twice:
    """What a user might plug in: no base class, one method."""

    def decide(self, view: View) -> Ints:
        return 2 * view.capacity.needed(view.present)


def test_any_class_that_decides_is_a_strategy() -> None:
    assert isinstance(Twice(), Strategy)
    assert not isinstance(object(), Strategy)
    for make in STRATEGIES.values():
        assert isinstance(make(), Strategy)


def test_a_view_shows_no_future_unless_told() -> None:
    view = View(np.ones(3), np.ones(3), Capacity(), 15.0, 3)
    assert view.peak is None
    assert [field.name for field in fields(view)] == ["present", "forecast", "capacity", "every", "horizon", "peak"]
    assert Twice().decide(view).tolist() == [2, 2, 2]
    with pytest.raises(FrozenInstanceError):
        view.horizon = 2  # type: ignore[misc]
