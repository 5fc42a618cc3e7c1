from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.params import Params
from edgeresearch.sections import Los
from edgeresearch.sweep.builtin import BUILTIN
from edgeresearch.sweep.cells import Cell, cells, grid, hypercube, key
from edgeresearch.sweep.experiments import Experiment
from edgeresearch.sweep.spec import LatinHypercube, Span, Spec

KINDS = {"a": float, "n": int, "w": str}


def _los(**changes: object) -> list[Cell]:
    spec = Spec.model_validate({"experiment": "los", "seeds": 2, **changes})
    return cells(spec, BUILTIN["los"], Params(), "f.yaml")


def test_a_grid_has_every_combination_and_seed_once() -> None:
    found = _los(grid={"streams": (2, 4), "los.interval": (5, 50.5, 600)})
    assert [(cell.varied["streams"], cell.varied["los.interval"], cell.seed) for cell in found][:4] == [
        (2, 5.0, 0), (2, 5.0, 1), (2, 50.5, 0), (2, 50.5, 1),
    ]  # fmt: skip
    assert len({cell.key for cell in found}) == len(found) == 12
    assert found[0].settings["los"]["interval"] == 5.0
    assert list(grid({"a": (1, 2), "b": ("x",)})) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


def test_the_key_says_what_a_cell_is_and_nothing_else() -> None:
    one = _los(grid={"streams": (2, 4)})
    other = _los(grid={"streams": (4, 2), "los.interval": (Params().los.interval, 1)}, seeds=3)
    assert {cell.key for cell in one} < {cell.key for cell in other}
    apart = _los(settings={"streams": 2}, grid={"los.loss": (0,)})
    apart += _los(settings={"streams": 4}, grid={"los.loss": (0.0,)})
    assert {cell.key for cell in one} == {cell.key for cell in apart}
    assert not {cell.key for cell in one} & {cell.key for cell in _los(grid={"streams": (2, 4)}, seed=1)}
    changed = cells(Spec(experiment="los", grid={"streams": (2, 4)}), BUILTIN["los"], Params(los=Los(hours=3.0)))
    assert not {cell.key for cell in one} & {cell.key for cell in changed}


def test_a_cells_randomness_follows_from_its_key() -> None:
    (first, second), again = _los(grid={"streams": (2,)}), _los(grid={"streams": (4, 2)})[2]
    assert first.key == again.key
    assert first.root().generate_state(4).tolist() == again.root().generate_state(4).tolist()
    assert first.root().generate_state(4).tolist() != second.root().generate_state(4).tolist()
    assert first.root().entropy == int(first.key, 16)


@given(
    st.dictionaries(st.text(max_size=3), st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    st.integers(0, 99),
)
def test_the_order_of_settings_does_not_change_the_key(settings: dict[str, float], seed: int) -> None:
    turned = dict(reversed(settings.items()))
    assert key("e", settings, 0, seed) == key("e", turned, 0, seed)
    assert len(key("e", settings, 0, seed)) == 32
    assert key("e", settings, 0, seed) != key("f", settings, 0, seed) != key("f", settings, 0, seed + 1)


@given(st.integers(2, 40), st.integers(0, 5))
def test_each_part_of_a_range_has_one_point(points: int, seed: int) -> None:
    spans: dict[str, Any] = {"a": Span(low=2.0, high=3.0), "n": Span(low=1, high=points), "w": ("x", "y")}
    found = list(hypercube(LatinHypercube(points=points, settings=spans), seed, KINDS))
    parts = sorted(min(int((point["a"] - 2.0) * points), points - 1) for point in found)
    assert len(set(parts)) >= points - 2  # six digits may put one beside an edge
    assert sorted(point["n"] for point in found) == list(range(1, points + 1))
    counted = [point["w"] for point in found].count("x")
    assert abs(counted - points / 2) <= 1
    assert [point["a"] for point in found] == sorted(point["a"] for point in found)


@given(st.floats(1e-3, 1.0), st.floats(2.0, 1e4))
def test_a_log_scale_stays_within_its_ends(low: float, high: float) -> None:
    cube = LatinHypercube(points=50, settings={"a": Span(low=low, high=high, scale="log")})
    values = np.array([point["a"] for point in hypercube(cube, 0, KINDS)])
    assert low * (1 - 1e-5) <= values.min() < values.max() <= high * (1 + 1e-5)
    assert abs((values < np.sqrt(low * high)).sum() - 25) <= 1


def test_whole_numbers_stay_within_their_ends() -> None:
    cube = LatinHypercube(points=40, settings={"n": Span(low=1.5, high=4.5)})
    assert {point["n"] for point in hypercube(cube, 0, KINDS)} == {2, 3, 4}


def test_a_hypercube_depends_on_the_seed_alone() -> None:
    cube = LatinHypercube(points=5, settings={"a": Span(low=0.0, high=1.0)})
    assert list(hypercube(cube, 3, KINDS)) == list(hypercube(cube, 3, KINDS))
    assert list(hypercube(cube, 3, KINDS)) != list(hypercube(cube, 4, KINDS))


def test_points_of_a_hypercube_that_meet_are_run_once() -> None:
    found = _los(latin_hypercube={"points": 9, "settings": {"streams": {"low": 2, "high": 3}}})
    assert [(cell.varied["streams"], cell.seed) for cell in found] == [(2, 0), (2, 1), (3, 0), (3, 1)]


def test_lists_are_values_too(toy: Callable[..., Experiment]) -> None:
    spec = Spec(experiment="toy", seeds=1, grid={"los.streams": ([1, 2], [3])})
    assert [cell.varied["los.streams"] for cell in cells(spec, toy(), Params())] == ["[1, 2]", "[3]"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {"streems": (2,)}}, r"f.yaml: grid: unknown setting streems; did you mean streams\?"),
        ({"grid": {"streams": (2,)}, "settings": {"hours": 1}}, r"f.yaml: settings: .* did you mean los.hours\?"),
        ({"grid": {"streams": (2, "x")}}, "f.yaml: streams is 'x'"),
        ({"grid": {"los.interval": (2, 2.0)}}, "f.yaml: grid: los.interval 2.0 comes twice; name each value once"),
        (
            {"latin_hypercube": {"points": 2, "settings": {"los.intervals": ({"low": 1.0, "high": 2.0})}}},
            r"f.yaml: latin_hypercube.settings: unknown setting los.intervals; did you mean los.interval\?",
        ),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _los(**changes)
