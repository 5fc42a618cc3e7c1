from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.anomaly import api
from edgeresearch.anomaly.api import Report, detect_file
from edgeresearch.anomaly.identity import Autoencoder
from edgeresearch.plotting.detection import BINS, CHANNELS, draw, figure


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    values = 50 + 5 * np.sin(np.arange(400) / 10) + rng.normal(0, 0.3, 400)
    values[300:304] += 40
    times = pd.date_range("2024-03-01", periods=400, freq="1min")
    table = pd.DataFrame({"time": times, "speed": values, "count": rng.normal(size=400)})
    table.loc[350:360, ["speed", "count"]] = np.nan
    table.to_csv(folder / "mine.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "IDENTITIES", {"autoencoder": Autoencoder(epochs=5)})
        return detect_file(folder / "mine.csv", folder / "out", identity="autoencoder", train=100, every=100)


def test_every_channel_and_the_scores(report: Report) -> None:
    drawn = figure(report)
    assert [axes.get_ylabel() for axes in drawn.axes] == ["speed", "count", "score"]
    assert drawn.get_suptitle() == f"mine: {report.verdict}"
    (box,) = drawn.legends
    assert [text.get_text() for text in box.get_texts()] == ["score", "threshold", "alarm", "first training"]


def _drawn(report: Report, label: str) -> tuple[np.ndarray, np.ndarray]:
    line = next(line for line in figure(report).axes[-1].lines if line.get_label() == label)
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata(), dtype=float)


def test_alarms_are_marked_where_they_are(report: Report) -> None:
    over = report.samples[report.samples["alarm"]]
    assert len(over)
    _, marked = _drawn(report, "alarm")
    np.testing.assert_array_equal(marked, over["score"])
    speed = figure(report).axes[0]
    dots = next(line for line in speed.lines if line.get_marker() == ".")
    np.testing.assert_array_equal(np.asarray(dots.get_ydata()), report.values["speed"].to_numpy()[over.index])


def test_a_short_stream_is_drawn_whole(report: Report) -> None:
    _, score = _drawn(report, "score")
    np.testing.assert_array_equal(score, report.samples["score"])
    _, level = _drawn(report, "threshold")
    assert np.isnan(level[:30]).all(), "there is no threshold in the warm-up"
    assert np.isfinite(level[30:]).all()


def test_a_long_stream_keeps_its_alarms(report: Report) -> None:
    rows = 3 * BINS + 7
    score, alarm = np.ones(rows), np.zeros(rows, dtype=bool)
    score[1000], alarm[1000] = 9.0, True
    times = pd.date_range("2024-03-01", periods=rows, freq="1min")
    samples = pd.DataFrame({"time": times, "score": score, "threshold": 2.0, "alarm": alarm, "training": 1})
    samples.loc[:99, "training"] = 0
    values = pd.DataFrame({"speed": np.arange(rows, dtype=float)}, index=times)
    long = replace(report, values=values, samples=samples)
    _, shown = _drawn(long, "score")
    assert len(shown) <= BINS
    assert shown.max() == 9.0


def test_of_many_channels_the_first_are_drawn(report: Report) -> None:
    many = pd.DataFrame({f"channel {i}": report.values["speed"] for i in range(CHANNELS + 2)})
    drawn = figure(replace(report, values=many))
    assert len(drawn.axes) == CHANNELS + 1
    assert drawn.get_suptitle().endswith(f"; {CHANNELS} of {CHANNELS + 2} channels")


def test_scores_of_zero_can_be_drawn(report: Report) -> None:
    still = report.samples.assign(score=0.0, threshold=0.0, alarm=False)
    assert len(figure(replace(report, samples=still)).axes) == 3


def test_the_files_are_the_same_twice(report: Report, tmp_path: Path) -> None:
    assert draw(report, tmp_path / "one") == tmp_path / "one" / "detect.png"
    draw(report, tmp_path / "two")
    for name in ("detect.png", "detect.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
