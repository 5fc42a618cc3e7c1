import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.papers import los_b, paper_b, scheduling_b
from edgeresearch.papers.names_b import DROPS, POLICIES, READINGS

Frames = dict[str, pd.DataFrame]


def _text(figure: Figure) -> str:
    return " ".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_figure6_shows_every_reading_beside_what_is_published(scheduled_b: Frames) -> None:
    hops = scheduled_b["hops"]
    figure = scheduling_b.figure6(hops, paper_b.published_shares(hops))
    assert [each.get_title() for each in figure.axes] == ["2 streams", "6 streams", "8 streams", "10 streams"]
    for each in figure.axes:
        assert len([bar for bar in each.patches if bar.get_height() > 0]) == 4 * len(READINGS)
    diamonds = [sum(line.get_marker() == "D" for line in each.lines) for each in figure.axes]
    assert diamonds == [0, 1, 2, 0]
    assert "Simulated." in _text(figure)


def test_figure7_marks_what_was_held_out(scheduled_b: Frames) -> None:
    drops = los_b.figure7(scheduled_b["drops"], fitted=(2, 6, 10))
    figure = scheduling_b.figure7(drops)
    text = _text(figure)
    for said in (
        "published, held out",
        "published, settings fitted on it",
        "LOS, simulated",
        "in-situ only, simulated",
    ):
        assert said in text
    for value in ("14.37", "43.07", "69.70", "78.26"):
        assert value in text
    alone = scheduling_b.figure7(drops[drops["policy"] == "los"])
    assert "in-situ only" not in _text(alone)


def test_reasons_add_up_to_what_was_dropped(scheduled_b: Frames) -> None:
    figure = scheduling_b.reasons(scheduled_b["reasons"])
    (axes,) = figure.axes
    tops: dict[float, float] = {}
    for bar in axes.patches:
        tops[bar.get_x()] = tops.get(bar.get_x(), 0.0) + bar.get_height()
    assert list(tops.values()) == pytest.approx([40.0] * 4)
    labels = {each.get_text() for each in figure.legends[0].get_texts()}
    assert labels == {"previous training still running", "cycle"}
    assert labels <= {str(reason) for reason in DROPS}


def test_layers_fill_every_bar_for_every_policy(scheduled_b: Frames) -> None:
    odd = scheduled_b["layers"].replace({"layer": {"fog": "roof"}})
    for table in (scheduled_b["layers"], odd):
        figure = scheduling_b.layers(table)
        assert [each.get_title() for each in figure.axes] == [POLICIES[name][0] for name in ("los", "in_situ", "cloud")]
        for each in figure.axes:
            assert sum(bar.get_height() for bar in each.patches) == pytest.approx(4 * 100.0)
    assert "ran in the roof" in _text(scheduling_b.layers(odd))
    assert "did not run" in _text(scheduling_b.layers(odd))


def test_policies_stand_side_by_side(scheduled_b: Frames) -> None:
    figure = scheduling_b.policies(scheduled_b["drops"], scheduled_b["traffic"])
    assert len(figure.axes) == 3
    names = [each.get_text() for each in figure.legends[0].get_texts()]
    assert names == [POLICIES[name][0] for name in ("los", "in_situ", "cloud")]
    said = np.asarray(figure.axes[2].containers[0].lines[0].get_ydata(), float)  # type: ignore[attr-defined]
    assert said == pytest.approx([525.0] * 4)


def test_traffic_leaves_out_what_is_never_sent(scheduled_b: Frames) -> None:
    figure = scheduling_b.traffic(scheduled_b["traffic"])
    counts = [[len(np.asarray(line.get_xdata())) for line in each.lines] for each in figure.axes]
    assert counts == [[3, 3, 0, 3, 0, 0], [3, 3, 0, 3, 3, 3]]
    assert "10 streams" in _text(figure)
    nothing = scheduling_b.traffic(scheduled_b["traffic"].assign(messages=0.0, megabytes=0.0))
    assert all(each.get_xlim() == (0.1, 10.0) for each in nothing.axes)


def test_intervals_end_at_what_a_share_can_be() -> None:
    part = pd.DataFrame({"x": [1.0, 99.0, 50.0], "low": [-3.0, 97.0, np.nan], "high": [5.0, 105.0, np.nan]})
    assert scheduling_b._errors(part, "x").tolist() == [[1.0, 2.0, 0.0], [4.0, 1.0, 0.0]]
