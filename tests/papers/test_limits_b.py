import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from edgeresearch.papers import limits_b as module

Frames = tuple[pd.DataFrame, pd.DataFrame]


def _text(figure: Figure) -> str:
    return " ".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_both_rules_and_both_set_ups_are_drawn(limits_b: Frames) -> None:
    figure = module.figure5(limits_b[0], "utilisation")
    assert len(figure.axes) == 6
    assert [each.get_title() for each in figure.axes[:2]] == ["a node for each job", "all jobs share 5 nodes"]
    for each in figure.axes:
        widths = [line.get_linewidth() for line in each.lines[:2]]
        assert widths == [2.2, 1.4]
        assert all(len(line.get_xdata()) == 55 for line in each.lines[:2])


def test_published_values_and_that_it_is_simulated_are_said(limits_b: Frames) -> None:
    figure = module.figure5(limits_b[0], "period")
    text = _text(figure)
    assert "Simulated." in text
    for said in ("400", "130", "80", "40", "limits rise from 46", "(millicores)", "(seconds)", "(% of the period)"):
        assert said in text
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [float(np.asarray(line.get_ydata())[0]) for line in marks] == [400.0, 130.0]
    assert not [line for line in figure.axes[2].lines if line.get_marker() == "D"]


def test_one_repeat_without_intervals_can_be_drawn(limits_b: Frames) -> None:
    bare = limits_b[0].copy()
    bare.loc[:, [name for name in bare if name.endswith(("_low", "_high"))]] = np.nan
    figure = module.figure5(bare[bare["together"] == 0], "period")
    assert len(figure.axes) == 3
    assert figure.axes[0].get_ylim()[1] > 400
