from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.optimise import Choice, Space, Span, Value, search

SPACE: Space = {"x": Span(0.0, 10.0), "y": Span(1.0, 1000.0, log=True), "way": Choice(("left", "right", "up"))}
BUDGET: dict[str, Any] = {
    **{"first": 60, "keep": 6, "rounds": 6, "children": 8},
    **{"step": 0.15, "repeats": (1, 2, 5)},
}


def toy(settings: Mapping[str, Value], repeats: int, stage: int) -> dict[str, float]:
    """Least at x = 7, y = 20, way = up: 0."""
    x, y, way = float(settings["x"]), float(settings["y"]), settings["way"]
    away = {"left": 0.5, "right": 1.0, "up": 0.0}[str(way)]
    loss = ((x - 7) / 10) ** 2 + (np.log(y / 20) / 7) ** 2 + away
    return {"loss": float(loss), "repeats": repeats, "seen": stage, "half": x / 2}


def noisy(settings: Mapping[str, Value], repeats: int, stage: int) -> dict[str, float]:
    """What `toy` gives, and luck that hangs on the settings and the set of seeds and shrinks with repeats."""
    key = [int(1e4 * float(settings["x"])), int(1e4 * float(settings["y"])), stage + 1]
    luck = np.random.default_rng(key).normal() / np.sqrt(repeats)
    return {**toy(settings, repeats, stage), "loss": toy(settings, repeats, stage)["loss"] + 0.2 * luck}


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return search(SPACE, toy, **BUDGET, seed=1)


@given(st.floats(0, 1), st.floats(0.001, 1000), st.floats(1, 100), st.booleans())
def test_a_span_stays_between_its_ends_but_for_rounding(part: float, low: float, factor: float, log: bool) -> None:
    value = float(Span(low, low * factor, log).at(part))
    assert low * (1 - 1e-3) <= value <= low * factor * (1 + 1e-3)
    assert value == float(f"{value:.4g}")


def test_spans_by_hand() -> None:
    assert [Span(2.0, 4.0).at(part) for part in (0, 0.25, 1)] == [2, 2.5, 4]
    assert [Span(1.0, 100.0, log=True).at(part) for part in (0, 0.5, 1)] == [1, 10, 100]
    assert Span(0.0, 1.0).at(1 / 3) == 0.3333


def test_a_choice_gives_each_value_the_same_part() -> None:
    way = Choice(("a", "b", "c", "d"))
    assert [way.at(part) for part in (0, 0.24, 0.25, 0.5, 0.75, 0.99, 1.0)] == ["a", "a", "b", "c", "d", "d", "d"]
    assert Choice((True,)).at(0.7) is True


def test_the_optimum_is_found(found: pd.DataFrame) -> None:
    best = found[found["stage"] == -1].nsmallest(1, "loss").iloc[0]
    assert best["way"] == "up"
    assert best["x"] == pytest.approx(7, abs=0.2)
    assert best["y"] == pytest.approx(20, rel=0.15)
    assert best["loss"] < 1e-3 < found[found["stage"] == 0]["loss"].min()


def test_every_evaluation_is_there(found: pd.DataFrame) -> None:
    assert list(found.columns) == ["stage", "x", "y", "way", "loss", "repeats", "seen", "half"]
    sizes = found.groupby("stage").size().to_dict()
    assert sizes == {-1: 6, 0: 60, **{number: 6 * 9 for number in range(1, 7)}}
    points = found[["x", "y", "way"]].to_dict("records")
    again = [toy({str(name): value for name, value in point.items()}, 1, 0)["loss"] for point in points]
    assert found["loss"].to_numpy() == pytest.approx(np.array(again))
    assert found["half"].to_numpy() == pytest.approx(found["x"].to_numpy() / 2)


def test_stages_have_their_repeats_and_their_seeds(found: pd.DataFrame) -> None:
    assert (found["seen"] == found["stage"]).all()
    repeats = found.groupby("stage")["repeats"].unique().to_dict()
    assert {stage: each.tolist() for stage, each in repeats.items()} == {-1: [5], 0: [1]} | {
        number: [2] for number in range(1, 7)
    }


def test_all_of_the_space_is_searched_at_first(found: pd.DataFrame) -> None:
    first = found[found["stage"] == 0]
    assert np.histogram(first["x"], bins=10, range=(0, 10))[0].tolist() == [6] * 10  # a Latin hypercube
    assert np.histogram(np.log10(first["y"]), bins=6, range=(0, 3))[0].tolist() == [10] * 6
    assert first["way"].value_counts().to_dict() == {"left": 20, "right": 20, "up": 20}


def test_a_round_starts_from_the_best_of_the_one_before(found: pd.DataFrame) -> None:
    names = ["x", "y", "way"]
    for stage, following in [*((number, number + 1) for number in range(6)), (6, -1)]:
        best = found[found["stage"] == stage].nsmallest(6, "loss")[names].values.tolist()
        assert found.loc[found["stage"] == following, names].head(6).values.tolist() == best


def test_a_lucky_draw_does_not_survive_fresh_seeds() -> None:
    table = search(SPACE, noisy, **BUDGET, seed=1)
    kept = table[table["stage"] == BUDGET["rounds"]].nsmallest(BUDGET["keep"], "loss")
    last = table[table["stage"] == -1]
    assert last[["x", "y"]].values.tolist() == kept[["x", "y"]].values.tolist()
    assert kept["loss"].mean() < last["loss"].mean()  # those were chosen for their luck, these are met anew
    assert last["loss"].mean() < table.loc[table["stage"] == 0, "loss"].mean()


def test_results_depend_on_the_seed_and_not_on_the_workers(found: pd.DataFrame) -> None:
    small = BUDGET | {"first": 8, "keep": 2, "rounds": 1, "children": 2, "repeats": (1, 1, 1)}
    one = search(SPACE, toy, **small, seed=1)
    pd.testing.assert_frame_equal(one, search(SPACE, toy, **small, seed=1))
    pd.testing.assert_frame_equal(one, search(SPACE, toy, **small, seed=1, workers=2))
    assert not one["x"].equals(search(SPACE, toy, **small, seed=2)["x"])
