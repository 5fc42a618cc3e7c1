from pathlib import Path

import pytest

from edgeresearch import project
from edgeresearch.errors import InputError


def test_the_project_is_found_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("")
    (tmp_path / "notebooks").mkdir()
    assert project.find(tmp_path) == tmp_path.resolve()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert project.find() == tmp_path.resolve()


def test_the_nearest_one_counts(tmp_path: Path) -> None:
    inner = tmp_path / "build" / "quick"
    inner.mkdir(parents=True)
    for folder in (tmp_path, inner):
        (folder / "params.yaml").write_text("")
    assert project.find(inner) == inner.resolve()


def test_outside_of_a_project_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no params\.yaml in .* or above; start in the folder of a checkout"):
        project.find(tmp_path)
