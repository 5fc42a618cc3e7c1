from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.sweep.builtin import BUILTIN
from edgeresearch.sweep.experiments import Places, find


def test_an_experiment_is_found_by_its_name() -> None:
    assert find("los", BUILTIN) is BUILTIN["los"]


def test_an_unknown_one_is_told() -> None:
    with pytest.raises(InputError, match=r"unknown experiment 'lso'; did you mean los\?; known: los, el"):
        find("lso", BUILTIN)


def test_paths_are_relative_to_where_the_sweep_was_started(tmp_path: Path) -> None:
    places = Places(tmp_path / "data", tmp_path)
    assert places.file("mine.yaml") == tmp_path / "mine.yaml"
    assert places.file("/elsewhere/mine.yaml") == Path("/elsewhere/mine.yaml")
