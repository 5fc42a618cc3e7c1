"""The figures around Table 3."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgeresearch.data import synthetic
from edgeresearch.papers import elastic_a, elastic_figures_a

Make = Callable[..., pd.DataFrame]


@pytest.fixture
def course() -> pd.DataFrame:
    load = np.r_[np.full(60, 20.0), np.full(60, 40.0)]
    frame = pd.DataFrame({"seconds": 30.0 * np.arange(120), "load": load, "failed": 0.03 * load})
    frame = frame.assign(wanted=np.ceil(load / 16), ready=2.0, cpu=60.0, memory=70.0, forecast=load, known=load)
    return pd.concat(
        [frame.assign(strategy=name, forecaster="lstm") for name in ("advance", "responsive", "combined")],
        ignore_index=True,
    )


def test_figures_name_stand_ins(make_elastic: Make, course: pd.DataFrame) -> None:
    found = make_elastic("paper_a", real=False)
    table = elastic_a.table3([found])
    beside = synthetic.draw_utilisation(np.random.default_rng(0), steps=50)
    figures = [
        elastic_figures_a.table3_figure(table),
        elastic_figures_a.usage(table, course, "cpu", [beside]),
        elastic_figures_a.usage(table, course, "memory", [beside]),
        elastic_figures_a.scaling(table, course, 40),
        elastic_figures_a.tradeoff(found),
    ]
    for figure in figures:
        text = " ".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))
        assert "paper_a (synthetic)" in text
        assert "Synthetic data, not measured" in text
    assert "synthetic" in figures[1].axes[1].get_title()


def test_figures_leave_out_what_was_not_run(make_elastic: Make, course: pd.DataFrame) -> None:
    table = elastic_a.table3([make_elastic()])
    figure = elastic_figures_a.scaling(table, course[course["strategy"] == "advance"], 40)
    assert len(figure.axes) == 3
    few = elastic_figures_a.table3_figure(table[table["strategy"] != "responsive"], ("ridge", "lstm"))
    assert len(few.axes[0].lines) == 3 + 2 * 2 * 2
