"""The figures of a replay."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.api import Replay
from edgeresearch.autoscaling.api import replay as replay_policies
from edgeresearch.plotting.replay import POINTS, draw_tradeoff, figures


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    path = tmp_path_factory.mktemp("own") / "mine.csv"
    hits = np.random.default_rng(0).poisson(6000 + 4000 * np.sin(np.arange(240) / 4))
    times = pd.date_range("2024-03-01", periods=240, freq="1min")
    pd.DataFrame({"time": times, "hits": hits}).to_csv(path, index=False)
    return replay_policies(path, forecaster="ridge", repeats=2)


def _with_own_policy(result: Replay) -> Replay:
    table, course = (frame.replace({"strategy": {"quantile": "mine"}}) for frame in (result.table, result.course))
    return replace(result, table=table, course=course)


def test_scaling_shows_load_forecast_pods_and_errors_where_responsive_failed_most(result: Replay) -> None:
    figure = figures(result)["load"]
    top, advised, responsive, bottom = figure.axes
    assert re.fullmatch(
        r"mine, requests that fail in this stretch: combined with ridge \d\.\d %, responsive \d\.\d %",
        figure.get_suptitle(),
    )
    assert "3 decisions after it was made" in figure.get_supxlabel()
    assert [line.get_label() for line in top.lines] == ["load", "forecast by ridge regression"]
    assert advised.get_ylabel().endswith("with ridge\npods")
    assert responsive.get_ylabel() == "responsive\npods"
    rows = result.course[result.course["strategy"] == "responsive"]
    assert len(rows) > POINTS
    shown = np.asarray(next(line for line in bottom.lines if line.get_label() == "responsive").get_ydata(), dtype=float)
    assert len(shown) == POINTS
    percent, failed = (
        (100 * rows["failed"] / rows["load"]).to_numpy(),
        (rows["failed"] - 0.03 * rows["load"]).to_numpy(),
    )
    sums = [failed[k : k + POINTS].sum() for k in range(len(failed) - POINTS + 1)]
    at = next(k for k in range(len(sums)) if np.allclose(percent[k : k + POINTS], shown))
    assert sums[at] == pytest.approx(max(sums))


def test_without_a_forecast_the_hpa_stands_beside(result: Replay) -> None:
    few = result.table[result.table["forecaster"] == ""]
    short = result.course[result.course["time"] < "2024-03-01 02:40"]
    advised = ("responsive", "")
    top, first, *_ = figures(replace(result, table=few, course=short, advised=advised))["load"].axes
    assert [line.get_label() for line in top.lines] == ["load"]
    assert first.get_ylabel() == "hpa\npods"
    assert "forecast" not in figures(replace(result, table=few, course=short, advised=advised))["load"].get_supxlabel()


def test_a_policy_of_ones_own_is_always_drawn(result: Replay) -> None:
    labels = [axes.get_ylabel() for axes in figures(_with_own_policy(result))["load"].axes]
    assert "mine with ridge\npods" in labels
    assert len(labels) == len(set(labels)) == 5


def test_the_tradeoff_has_every_strategy_and_what_is_advised(result: Replay) -> None:
    own = _with_own_policy(result)
    figure = figures(own)["tradeoff"]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(own.table["strategy"]) <= set(words)
    assert sum(word.endswith(", advised") for word in words) == 1
    assert {"ridge regression", "last value", "no forecast", "base errors (3 %)"} <= set(words)


def test_the_tradeoff_of_several_leads_leaves_out_what_is_far() -> None:
    rows = [(lead, "fixed", "none", 50.0, 9.0) for lead in (1, 2)]
    rows += [(lead, "combined", "lstm", 3.0 + lead, 8.0 + 30 * lead) for lead in (1, 2)]
    rows += [(lead, "hpa", "none", 3.0 + lead, 8.0) for lead in (1, 2)]
    table = pd.DataFrame(rows, columns=["lead", "strategy", "forecaster", "error_percent", "pod_hours"])
    figure = draw_tradeoff(table.assign(low=table["error_percent"], high=table["error_percent"]), title="two")
    assert [axes.get_title() for axes in figure.axes] == ["start delay × 1", "start delay × 2"]
    assert figure.axes[0].get_xscale() == "log"
    assert figure.legends[0].get_title().get_text() == "Not drawn: Fixed, 50.0 % at 9.0 pod-hours."


def test_saving_twice_gives_the_same_bytes(result: Replay, tmp_path: Path) -> None:
    for name in "ab":
        result.save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["load.png", "load.svg", "report.json", "table.csv", "tradeoff.png", "tradeoff.svg"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
