import copy
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import __main__ as command
from bench import detectors
from edgeresearch.anomaly.detectors import HalfSpaceTrees

needs_pyod = pytest.mark.skipif(detectors.pyod_missing() is not None, reason="pyod is not installed: extra 'detectors'")
TINY = detectors.Size(train=120, samples=60, slow=10, epochs=1, repeats=2)


@pytest.fixture(scope="module")
def subjects() -> list[detectors.Subject]:
    return list(detectors.subjects(TINY))


def test_both_models_have_a_stream_of_their_own(subjects: list[detectors.Subject]) -> None:
    assert [subject.name for subject in subjects] == ["LSTM", "autoencoder"]
    assert [subject.rows.shape for subject in subjects] == [(60, 3), (60, 5)]
    assert [len(subject.before) for subject in subjects] == [120, 120]
    for subject in subjects:
        assert np.isfinite(subject.rows).all()
        assert subject.name.lower() == subject.detector.model_.kind


def test_what_is_timed_is_the_same_both_ways(subjects: list[detectors.Subject]) -> None:
    for subject in subjects:
        alarms = subject.detector.predict(subject.rows)
        scores = subject.detector.score_samples(subject.rows)
        before = copy.deepcopy(subject.detector)
        assert detectors.streamed(subject.detector, list(subject.rows)) == alarms.sum()
        assert [before.update(row).score for row in subject.rows] == scores.tolist()


def test_the_trees_are_those_of_the_baseline(subjects: list[detectors.Subject]) -> None:
    for subject in subjects:
        made = detectors.trees(subject.before)
        assert (made.n_trees, made.height, made.window_size) == (25, 8, 250)
        total = detectors.streamed_trees(made, detectors.named(subject.rows))
        ours = HalfSpaceTrees().fit(subject.before).score_samples(subject.rows)
        assert total == pytest.approx(ours.sum())


def test_samples_go_to_river_by_channel() -> None:
    assert detectors.named(np.array([[1.0, 2.0], [3.0, 4.0]])) == [{0: 1.0, 1: 2.0}, {0: 3.0, 1: 4.0}]


@needs_pyod
def test_every_detector_has_its_rows() -> None:
    rows = list(detectors.rows(TINY))
    claimed = {row.what: row.bound for row in rows if row.peer == detectors.TREES}
    assert claimed == {
        "LSTM, sample by sample, scores and alarms": 1 / 5,
        "LSTM, whole array, scores": 1 / 20,
        "LSTM, whole array, scores and alarms": None,
        "autoencoder, sample by sample, scores and alarms": 1 / 4,
        "autoencoder, whole array, scores": 1 / 20,
        "autoencoder, whole array, scores and alarms": None,
    }
    others = [row for row in rows if row.peer == "PyOD's ECOD"]
    assert len(others) == 4
    assert all(row.bound is None for row in others)
    assert [row.size for row in others] == [f"{n} samples, {d} channels" for d in (3, 5) for n in (10, 60)]
    assert all(len(row.ours) == len(row.theirs) == 2 and row.ratio > 0 for row in rows)


def test_without_pyod_its_rows_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyod" else find(name))
    monkeypatch.setattr(detectors, "QUICK", TINY)
    assert detectors.pyod_missing() == "pyod"
    command.main(["--quick", "--only", "detectors", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "ratios.csv")
    assert set(table["peer"]) == {detectors.TREES}
    assert set(table["part"]) == {"detectors"}
    shown = capsys.readouterr().out
    assert "rows of detectors are left out: pyod not installed; pip install 'edgeresearch[detectors]'" in shown
