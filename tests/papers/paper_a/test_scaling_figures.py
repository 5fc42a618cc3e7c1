from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.data import synthetic
from edgeresearch.papers.paper_a import scaling_figures as figures
from edgeresearch.papers.paper_a.tables import make_table_3

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


def test_figures_name_stand_ins(make_elastic: Make, course: pd.DataFrame, text_of: Callable[[Figure], str]) -> None:
    replayed = make_elastic("paper_a", real=False)
    table = make_table_3([replayed])
    beside = synthetic.draw_utilisation(np.random.default_rng(0), steps=50)
    usage = [figures.plot_usage(table, course, kind, [beside]) for kind in ("cpu", "memory")]
    others = [figures.plot_table_3(table), figures.plot_scaling(table, course, 40), figures.plot_tradeoff(replayed)]
    for figure in [*usage, *others]:
        assert "paper_a (synthetic)" in text_of(figure)
        assert "Synthetic data, not measured" in text_of(figure)
    assert "synthetic" in usage[0].axes[1].get_title()


def test_figures_leave_out_what_was_not_run(make_elastic: Make, course: pd.DataFrame) -> None:
    table = make_table_3([make_elastic()])
    figure = figures.plot_scaling(table, course[course["strategy"] == "advance"], 40)
    assert len(figure.axes) == 3
    few = figures.plot_table_3(table[table["strategy"] != "responsive"], ("ridge", "lstm"))
    assert len(few.axes[0].lines) == 3 + 2 * 2 * 2
