from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.api import Report, elastic_file
from edgeresearch.plotting.replay import STRETCH, draw, load, tradeoff


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("own")
    hits = np.random.default_rng(0).poisson(6000 + 4000 * np.sin(np.arange(240) / 4))
    times = pd.date_range("2024-03-01", periods=240, freq="1min")
    pd.DataFrame({"time": times, "hits": hits}).to_csv(folder / "mine.csv", index=False)
    return elastic_file(folder / "mine.csv", folder / "out", forecaster="ridge", repeats=2)


def test_the_course_says_what_it_shows(report: Report) -> None:
    top, middle, bottom = load(report).axes
    assert top.get_title(loc="left") == "mine: where responsive lost most requests"
    assert [axes.get_ylabel() for axes in (top, middle, bottom)] == ["requests per second", "pods", "errors (%)"]
    assert bottom.get_xlabel() == "time (intervals of 15 s between decisions)"
    assert [line.get_label() for line in top.lines] == ["load", "ridge regression, 3 decisions ahead"]
    assert "responsive: ready" in [line.get_label() for line in middle.lines]


def test_the_stretch_is_legible_and_holds_the_worst(report: Report) -> None:
    bottom = load(report).axes[2]
    responsive = report.intervals[report.intervals["strategy"] == "responsive"]
    assert len(responsive) > STRETCH
    drawn = next(line for line in bottom.lines if line.get_label() == "responsive")
    shown = np.asarray(drawn.get_ydata(), dtype=float)
    assert len(shown) == STRETCH
    failed = responsive["failed"].to_numpy()
    sums = [failed[k : k + STRETCH].sum() for k in range(len(failed) - STRETCH + 1)]
    at = int(np.argmax(sums))
    np.testing.assert_array_equal(shown, responsive["error_percent"].to_numpy()[at : at + STRETCH])


def test_the_tradeoff_shows_every_strategy_once(report: Report) -> None:
    figure = tradeoff(report)
    (box,) = figure.legends
    words = [text.get_text() for text in box.get_texts()]
    assert sum(word.endswith("(advised)") for word in words) == 1
    assert len(words) == len(report.table) + 2
    assert "base errors (3 %)" in words


def test_without_a_forecast_the_hpa_stands_beside(report: Report) -> None:
    few = report.table[report.table["forecaster"] == ""]
    short = report.intervals[report.intervals["time"] < "2024-03-01 02:40"]
    advice = replace(report.advice, strategy="responsive", forecaster="")
    top, middle, _ = load(replace(report, table=few, intervals=short, advice=advice)).axes
    assert [line.get_label() for line in top.lines] == ["load"]
    assert "hpa: ready" in [line.get_label() for line in middle.lines]


def test_the_same_bytes_twice(report: Report, tmp_path: Path) -> None:
    assert draw(report, tmp_path / "a") == [tmp_path / "a" / "load.png", tmp_path / "a" / "tradeoff.png"]
    draw(report, tmp_path / "b")
    for name in ("load.png", "load.svg", "tradeoff.png", "tradeoff.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_strategy_of_ones_own_has_a_mark(report: Report) -> None:
    renamed = replace(report, table=report.table.replace({"strategy": {"quantile": "mine"}}))
    (box,) = tradeoff(renamed).legends
    assert any(text.get_text().startswith("mine with ridge") for text in box.get_texts())
