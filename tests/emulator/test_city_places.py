import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator import city_places
from edgeresearch.emulator.city_places import Places, metres, places, sized, standin
from edgeresearch.errors import InputError
from edgeresearch.series import registry
from edgeresearch.series.aarhus import METADATA
from edgeresearch.series.fetch import fetch

REAL = Path(os.environ.get("EDGERESEARCH_DATA_MIRROR") or Path(__file__).parents[2] / "data" / "raw") / METADATA


def _write(path: Path, **columns: list[float]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def _haversine(one: np.ndarray, other: np.ndarray) -> float:
    (a, b), (c, d) = np.radians(one), np.radians(other)
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return float(2 * city_places.EARTH * np.arcsin(np.sqrt(half)))


@given(st.lists(st.tuples(st.floats(56.05, 56.25), st.floats(10.05, 10.3)), min_size=2, max_size=8))
def test_metres_are_those_on_the_globe_to_a_few_thousandths(at: list[tuple[float, float]]) -> None:
    degrees = np.array(at)
    found = metres(degrees)
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=1e-3)
    truth = _haversine(degrees[0], degrees[1])
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(truth, rel=5e-3, abs=0.1)


@pytest.mark.skipif(not registry.is_real(REAL, METADATA), reason="the published file is not here")
def test_the_sensors_of_aarhus_are_the_spread_of_the_stand_in() -> None:
    found = places(REAL, seed=0)
    assert found.real and found.said.startswith("Aarhus")
    spread = city_places.Spread()
    assert len(found.metres) == spread.sensors
    assert len(np.unique(found.metres.round(3), axis=0)) == spread.points
    assert found.metres.std(axis=0).round() == pytest.approx([spread.east, spread.north], abs=1)


def test_a_missing_file_is_a_stand_in_that_says_so(tmp_path: Path) -> None:
    for file in (None, tmp_path / "none.csv", tmp_path):
        found = places(file, seed=3)
        assert not found.real and "SYNTHETIC" in found.said
        assert (found.metres == standin(3).metres).all()
    assert (standin(3).metres != standin(4).metres).any()
    assert len(np.unique(standin(3).metres, axis=0)) == city_places.Spread().points


def test_the_stand_in_that_is_fetched_is_no_city(tmp_path: Path) -> None:
    fetch(tmp_path, source="synthetic", files=[METADATA], seed=1, warn=lambda _: None)
    found = places(tmp_path / METADATA, seed=1)
    assert not found.real and len(found.metres) == city_places.Spread().sensors


def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    file = _write(tmp_path / "mine.csv", name=[1, 2], longitude=[10.0, 10.0], latitude=[56.0, 56.01])
    found = places(str(file), seed=0)
    assert found.real and found.said == "mine.csv"
    assert found.metres == pytest.approx(np.array([[0, -556], [0, 556]]), abs=1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"latitude": [56.0], "east": [1.0]}, "lacks the columns latitude and longitude"),
        ({"latitude": [], "longitude": []}, "no row"),
        ({"latitude": [96.0], "longitude": [1.0]}, "out of range"),
        ({"latitude": [float("nan")], "longitude": [1.0]}, "missing"),
        ({"latitude": ["north"], "longitude": [1.0]}, "cannot read"),
    ],
)
def test_what_is_no_file_of_places_is_refused(tmp_path: Path, columns: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        places(_write(tmp_path / "bad.csv", **columns), seed=0)
    assert "bad.csv" in str(raised.value) and "\n" not in str(raised.value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(b"latitude,longitude\n" * 99)[:20])
    with pytest.raises(InputError, match="cannot read"):
        places(tmp_path / "bad.csv.gz", seed=0)


def test_a_smaller_city_is_the_middle_of_it() -> None:
    whole = Places(np.array([[float(x), 0.0] for x in (-40, -3, 0, 1, 2, 50)]), "here", True)
    assert sized(whole, 6) is whole
    part = sized(whole, 3)
    assert sorted(part.metres[:, 0]) == [0, 1, 2]
    assert part.real and part.said == "here; the 3 in the middle"


@given(st.integers(1, 60), st.integers(2, 7))
def test_a_city_of_any_size_has_as_many_places_and_is_as_dense(count: int, seed: int) -> None:
    whole = Places(np.random.default_rng(seed).uniform(0, 1000, (20, 2)), "here", True)
    found = sized(whole, count)
    assert found.metres.shape == (count, 2)
    assert len(np.unique(found.metres, axis=0)) == count
    assert found.real == (count <= 20)
    assert ("mirrored" in found.said) == (count > 20)
    assert (found.metres == sized(whole, count).metres).all()


def test_copies_are_mirrored_so_that_the_city_goes_on_at_its_border() -> None:
    whole = Places(np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 2.0]]), "here", True)
    found = sized(whole, 27)
    east = sorted(set(found.metres[:, 0].round(9)))
    margin = 4 / (2 * 3**0.5)
    gaps = [3, 1, 2 * margin, 1, 3, 2 * margin, 3, 1]
    assert np.diff(east) == pytest.approx(gaps)
    assert set(map(tuple, whole.metres)) <= set(map(tuple, found.metres.round(9)))
