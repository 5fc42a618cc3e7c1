import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.papers import paper_b, sweeps_b

Frames = dict[str, pd.DataFrame]


def _text(figure: Figure) -> str:
    return " ".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.mark.parametrize("about", [sweeps_b.STALENESS, sweeps_b.GATEWAYS, sweeps_b.CHURN])
def test_a_sweep_has_a_line_for_each_number_of_streams(swept_b: Frames, about: tuple[str, str, str]) -> None:
    table = swept_b[about[0]]
    figure = sweeps_b.sweep(table, about, "More is said.")
    assert len(figure.axes) == 2 + (about[0] == "churn")
    assert about[1] in _text(figure)
    assert "More is said." in _text(figure)
    for each in figure.axes:
        assert each.get_xlabel() == about[2]
        assert len(each.containers) == 2
        assert [tick.get_text() for tick in each.get_xticklabels()] == list(dict.fromkeys(table["value"]))
        assert each.get_ylim()[0] == 0
    far = np.asarray(figure.axes[1].containers[0].lines[0].get_ydata(), float)  # type: ignore[attr-defined]
    assert far == pytest.approx([19.0] * len(far))


def test_changes_are_against_what_was_chosen(swept_b: Frames) -> None:
    moved = sweeps_b.changes(swept_b["choices"])
    assert list(moved.index) == ["hop limit 3", "noise x 0.7", "hop limit 4"]
    assert moved.loc["hop limit 3"].to_dict() == {4: -1.5, 8: -3.0}
    assert (moved.loc["hop limit 4"] == 0).all()


def test_choices_without_effect_are_named_and_not_drawn(swept_b: Frames) -> None:
    figure = sweeps_b.choices(swept_b["choices"])
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ["hop limit 3", "noise × 0.7"]
    assert "Nothing changes by: hop limit 4" in figure.legends[0].get_title().get_text().replace("\n", " ")
    all_move = sweeps_b.choices(swept_b["choices"][swept_b["choices"]["value"] != "hop limit 4"])
    assert "Nothing changes" not in _text(all_move)


def test_finalists_are_sorted_and_near(fit_b: pd.DataFrame) -> None:
    last = sweeps_b.finalists(fit_b)
    assert list(last["loss"]) == [2.0, 3.0]


def test_the_spread_marks_held_out_points(fit_b: pd.DataFrame) -> None:
    figure = sweeps_b.fit_spread(fit_b, paper_b.DROP_PERCENT, paper_b.HOPS_PERCENT, (2, 6, 10))
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [line.get_markerfacecolor() == "white" for line in marks] == [True, False, True, False, True]
    assert [float(np.asarray(line.get_ydata())[0]) for line in marks] == list(paper_b.DROP_PERCENT.values())
    assert "2 candidates, run again with fresh seeds." in _text(figure)
    one = sweeps_b.fit_spread(fit_b[fit_b["loss"] <= 2], paper_b.DROP_PERCENT, {(6, 4): 1.0}, (2,))
    assert "1 candidates" in _text(one)
    assert not one.axes[1].lines
