from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch.emulator.city import Places, make_city, synthetic_places
from edgeresearch.emulator.settings import CitySettings
from edgeresearch.papers.paper_b import published, tables
from edgeresearch.papers.paper_b import scheduling_figures as draw
from edgeresearch.papers.paper_b.scheduling_figures import DROPS, POLICIES
from edgeresearch.plotting import style
from edgeresearch.scheduling.messages import Reason

Frames = dict[str, pd.DataFrame]
Text = Callable[..., str]
Points = Callable[..., list[list[float]]]
NAN = float("nan")


def test_limits_are_drawn_for_both_rules_and_both_set_ups(
    limits_b: tuple[pd.DataFrame, pd.DataFrame], text_of: Text, points_of: Points
) -> None:
    figure = draw.plot_limits(limits_b[0], "utilisation")
    assert [each.get_title() for each in figure.axes[:2]] == ["a node for each job", "all jobs share 5 nodes"]
    for each in figure.axes:
        assert [line.get_linewidth() for line in each.lines[:2]] == [2.2, 1.4]
        assert all(len(line.get_xdata()) == 55 for line in each.lines[:2])
    assert [points_of(figure.axes[at], "D", of="y") for at in (0, 2, 4)] == [[[400], [130]], [], [[80], [40]]]
    assert "Simulated." in text_of(figure) and "limits rise from 46" in text_of(figure)
    bare = limits_b[0].copy()
    bare.loc[:, [name for name in bare if name.endswith(("_low", "_high"))]] = NAN
    assert len(draw.plot_limits(bare[bare["together"] == 0], "period").axes) == 3


def test_handovers_show_every_reading_beside_what_is_published(scheduled_b: Frames, points_of: Points) -> None:
    figure = draw.plot_handovers(scheduled_b["hops"])
    assert [each.get_title() for each in figure.axes] == ["2 streams", "6 streams", "8 streams", "10 streams"]
    for each in figure.axes:
        assert len([bar for bar in each.patches if bar.get_height() > 0]) == 4 * len(draw.SHARES)
    assert [len(points_of(each, "D")) for each in figure.axes] == [0, 1, 2, 0]


def test_drops_mark_what_was_held_out(scheduled_b: Frames, text_of: Text) -> None:
    drops = tables.compare_drops(scheduled_b["drops"], fitted=(2, 6, 10))
    text = text_of(draw.plot_drops(drops))
    for words in ("published, held out", "published, settings fitted on it", "LOS, simulated", "in-situ only", "69.70"):
        assert words in text
    assert "in-situ only" not in text_of(draw.plot_drops(drops[drops["policy"] == "los"]))


def test_titles_are_read_off_the_numbers(scheduled_b: Frames, swept_b: Frames, text_of: Text) -> None:
    drops = tables.compare_drops(scheduled_b["drops"], fitted=(2, 6, 10))
    moved = drops.assign(drop_percent=drops["published"].fillna(50) + drops["held_out"].map({True: 3.0, False: 1.0}))
    assert "at most 3.0 (held out) and 1.0 (fitted on) points off" in text_of(draw.plot_drops(moved))
    assert "for numbers of streams of one's own" in text_of(draw.plot_drops(drops.assign(published=NAN)))
    reasons = scheduled_b["reasons"]
    busy = reasons.assign(share_percent=(reasons["reason"] == Reason.BUSY) * 42.0)
    title = draw.plot_drop_reasons(busy).get_suptitle()
    assert title == f"With 10 streams LOS drops most for: {Reason.BUSY}, 42 % of triggers"
    assert draw.plot_drop_reasons(reasons.assign(share_percent=0.0)).get_suptitle() == "LOS drops nothing"
    layers = scheduled_b["layers"].fillna({"layer": ""})
    layers = layers.assign(share_percent=layers["layer"].map({"edge": 30.0, "": 70.0}).fillna(0.0))
    assert draw.plot_layers(layers).get_suptitle() == "With 10 streams under LOS 70 % did not run, 30 % ran in the edge"
    sweep = swept_b["gateways"]
    sweep = sweep.assign(drop_percent=sweep["value"].astype(float) * 10)
    values = sorted(set(sweep["drop_percent"]))
    ends = f"{values[0]:.0f} % (at {values[0] / 10:g}) to {values[-1]:.0f} % (at {values[-1] / 10:g})"
    assert draw.plot_sweep(sweep, "gateways").get_suptitle().endswith(f" streams drop {ends}")


def test_readings_stand_around_what_is_published(points_of: Points) -> None:
    rows = [
        {"sender": sender, "share": share, "published": 20.0, "measured": 21.0 + sender, "low": 20.0, "high": 23.0,
         "tolerance": 2.5}
        for sender in (False, True) for share in ("a", "b")
    ]  # fmt: skip
    (axes,) = draw.plot_readings(pd.DataFrame(rows)).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a (20 %)", "b (20 %)"]
    assert (points_of(axes, "o"), points_of(axes, "s")) == ([[1.0, 1.0]], [[2.0, 2.0]])
    assert [bar.get_width() for bar in axes.patches] == [5.0, 5.0]


def test_reasons_and_layers_fill_their_bars(scheduled_b: Frames, text_of: Text) -> None:
    figure = draw.plot_drop_reasons(scheduled_b["reasons"])
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == pytest.approx(4 * 40.0)
    labels = {each.get_text() for each in figure.legends[0].get_texts()}
    assert labels == {"previous training still running", "cycle"} <= {str(reason) for reason in DROPS}
    odd = scheduled_b["layers"].replace({"layer": {"fog": "roof", "": NAN}})
    figure = draw.plot_layers(odd)
    assert [each.get_title() for each in figure.axes] == [POLICIES[name][0] for name in ("los", "in_situ", "cloud")]
    for each in figure.axes:
        assert sum(bar.get_height() for bar in each.patches) == pytest.approx(4 * 100.0)
    assert "ran in the roof" in text_of(figure) and "did not run" in text_of(figure)


def test_policies_stand_side_by_side_and_what_is_never_sent_has_no_mark(scheduled_b: Frames) -> None:
    figure = draw.plot_policies(scheduled_b["drops"], scheduled_b["traffic"])
    names = [each.get_text() for each in figure.legends[0].get_texts()]
    assert names == [POLICIES[name][0] for name in ("los", "in_situ", "cloud")]
    assert np.asarray(figure.axes[2].lines[0].get_ydata(), float) == pytest.approx([525.0] * 4)
    figure = draw.plot_traffic(scheduled_b["traffic"])
    counts = [[len(np.asarray(line.get_xdata())) for line in each.lines] for each in figure.axes]
    assert counts == [[3, 3, 0, 3, 0, 0], [3, 3, 0, 3, 3, 3]]
    nothing = draw.plot_traffic(scheduled_b["traffic"].assign(messages=0.0, megabytes=0.0))
    assert all(each.get_xlim() == (0.1, 10.0) for each in nothing.axes)


def test_measured_costs_stand_beside_fitted_and_published_rates(
    scheduled_b: Frames, text_of: Text, points_of: Points
) -> None:
    drops = tables.compare_drops(scheduled_b["drops"], fitted=())
    costs = pd.concat([drops.assign(model=name, drop_percent=rate) for name, rate in (("lstm", 5), ("autoencoder", 6))])
    figure = draw.plot_measured_costs(costs, drops)
    drawn = {each.get_label(): np.asarray(each.lines[0].get_ydata())[0] for each in figure.axes[0].containers}  # type: ignore[attr-defined]
    assert drawn == dict(zip((label for label, _, _ in draw.COSTS.values()), (14.0, 6.0, 5.0), strict=True))
    assert points_of(figure.axes[0], "D", of="y") == [[14.37, 43.07, 69.70, 78.26]]
    assert "In-situ training drops 5 to 100 %." in text_of(figure)
    assert "In-situ" not in text_of(draw.plot_measured_costs(costs[costs["policy"] == "los"], drops[:4]))


@pytest.mark.parametrize("name", ["staleness", "gateways", "churn"])
def test_a_sweep_has_a_line_for_each_number_of_streams(swept_b: Frames, name: str, text_of: Text) -> None:
    about, table = draw.SWEEPS[name], swept_b[name]
    figure = draw.plot_sweep(table, name)
    assert len(figure.axes) == 2 + (name == "churn")
    assert about[0] in text_of(figure)
    for each in figure.axes:
        assert each.get_xlabel() == about[1]
        assert len(each.containers) == 2
        assert [tick.get_text() for tick in each.get_xticklabels()] == list(dict.fromkeys(table["value"]))
    far: Any = figure.axes[1].containers[0]
    assert np.asarray(far.lines[0].get_ydata(), float) == pytest.approx([19.0] * (len(table) // 2))


def test_settings_without_effect_are_named_and_not_drawn(swept_b: Frames, text_of: Text) -> None:
    figure = draw.plot_setting_effects(swept_b["choices"])
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["hop limit 3", "noise × 0.7"]
    assert "Nothing changes by: hop limit 4" in text_of(figure)
    moving = swept_b["choices"][swept_b["choices"]["value"] != "hop limit 4"]
    assert "Nothing changes" not in text_of(draw.plot_setting_effects(moving))


def test_the_spread_of_the_fit_marks_held_out_points(fit_b: pd.DataFrame, points_of: Points, text_of: Text) -> None:
    figure = draw.plot_fit_spread(fit_b, (2, 6, 10))
    assert points_of(figure.axes[0], "D", of="y") == [[value] for value in published.DROP_PERCENT.values()]
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [face == "white" for face in faces] == [True, False, True, False, True]
    assert "2 candidates, run again" in text_of(figure)
    alone = draw.plot_fit_spread(fit_b[fit_b["loss"] <= 2].drop(columns=["hops_6_2", "hops_8_2", "hops_8_3"]), (2,))
    assert not alone.axes[1].lines


# ---- cities


def _row(nodes: int, policy: str, drop: float, **more: float) -> dict[str, object]:
    row: dict[str, object] = {"nodes": nodes, "real": nodes < 2000, "policy": policy, "hours": 1.0, "reads": 0.0}
    for name, value in (("hops", 1.5), ("messages", 400.0), ("carried", 2.0)):
        row |= {name: value, f"{name}_low": value, f"{name}_high": value}
    return row | {"drop_percent": drop, "low": drop - 1, "high": drop + 1} | more


@pytest.fixture
def city_table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            _row(15, "los", 46.0),
            _row(10_003, "los", 50.0, hops=1.6, messages=500.0, carried=3.0, low=NAN, high=NAN),
            _row(15, "in_situ", 100.0, hops=NAN, messages=0.0, carried=0.0),
            _row(10_003, "in_situ", 100.0, hops=NAN, messages=0.0, carried=0.0),
            _row(15, "cloud", 8.0),
            _row(1349, "cloud", 7.0, hops=10.0),
            _row(15, "least_loaded", 6.0, reads=15.0),
        ]
    )


def test_every_policy_is_a_line_in_each_panel_that_it_has_numbers_in(city_table: pd.DataFrame) -> None:
    axes = draw.plot_growth(city_table).axes
    assert [len(each.containers) for each in axes] == [4, 3, 3, 3]
    assert [each.get_xscale() for each in axes] == ["log"] * 4
    assert [each.get_yscale() for each in axes] == ["linear", "linear", "log", "linear"]
    line = axes[0].containers[0].lines[0]  # type: ignore[attr-defined]
    assert np.asarray(line.get_xydata()).tolist() == [[15, 46], [10_003, 50]]


def test_what_is_not_real_or_was_not_run_is_said(city_table: pd.DataFrame, text_of: Text) -> None:
    figure = draw.plot_growth(city_table)
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    assert {"white", style.ORANGE} <= set(faces)
    text = text_of(figure)
    assert "Open: they do not" in text and "Sends nothing: in-situ only." in text
    quadratic = "nodes: the cost is quadratic, as it"
    assert f"Not run on larger cities: straight to the cloud up to 1,349 {quadratic} looks for the ways" in text
    assert f"{quadratic} reads the state of every node at every decision (15 states per trigger)." in text
    few = draw.plot_growth(city_table[(city_table["policy"] != "los") | (city_table["nodes"] == 15)])
    assert "Not run on larger cities: LOS up to 15 nodes: its settings say so;" in text_of(few)
    whole = text_of(draw.plot_growth(city_table[city_table["nodes"] == 15]))
    assert "Open" not in whole and "Not run" not in whole


@pytest.mark.parametrize("real", [True, False])
def test_the_map_shows_every_node_link_and_gateway(real: bool, text_of: Text) -> None:
    places = Places(synthetic_places(0).metres, "Somewhere", real)
    city = make_city(places, CitySettings(nodes=150, neighbours=4))
    figure = draw.plot_map(city)
    (axes,) = figure.axes
    assert [len(np.atleast_1d(line.get_xdata())) for line in axes.lines] == [40, 10, 10]  # type: ignore[arg-type]
    assert len(axes.collections) == 2 and axes.get_aspect() == 1.0
    text = text_of(figure)
    assert ("(synthetic)" in text) != real
    assert "50 edge nodes in 10 districts" in text and "Somewhere" in text
