from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.emulator.city import Places, city, standin
from edgeresearch.papers import city_b
from edgeresearch.plotting import style

NAN = float("nan")


def _text(figure: Figure) -> str:
    found: list[Any] = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return " ".join(each.get_text() for each in found).replace("\n", " ")


def _row(nodes: int, policy: str, drop: float, **more: float) -> dict[str, object]:
    row: dict[str, object] = {
        **{"nodes": nodes, "real": nodes < 2000, "policy": policy, "hours": 1.0},
        **{"drop_percent": drop, "low": drop - 1, "high": drop + 1, "reads": 0.0},
    }
    for name, value in (("hops", 1.5), ("messages", 400.0), ("carried", 2.0)):
        row |= {name: value, f"{name}_low": value, f"{name}_high": value}
    return row | more


@pytest.fixture
def table() -> pd.DataFrame:
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


def test_every_policy_is_a_line_in_each_panel_that_it_has_numbers_in(table: pd.DataFrame) -> None:
    figure = city_b.growth(table)
    drops, hops, messages, carried = figure.axes
    assert [len(each.containers) for each in figure.axes] == [4, 3, 3, 3]
    assert [each.get_xscale() for each in figure.axes] == ["log"] * 4
    assert messages.get_yscale() == "log"
    assert drops.get_ylabel() == "dropped trainings (%)"
    assert "(MB per node and hour)" in carried.get_ylabel()
    assert drops.get_ylim()[0] == hops.get_ylim()[0] == 0
    assert messages.get_xlabel() == carried.get_xlabel() == "nodes of the city, all layers"
    line = drops.containers[0].lines[0]  # type: ignore[attr-defined]
    assert np.asarray(line.get_xydata()).tolist() == [[15, 46], [10_003, 50]]


def test_what_is_not_real_is_drawn_open_and_said(table: pd.DataFrame) -> None:
    figure = city_b.growth(table)
    markers = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    fills = {float(x): line.get_markerfacecolor() for line in markers for x in np.atleast_1d(line.get_xdata())}
    assert fills[10_003.0] == "white"
    assert fills[15.0] == style.ORANGE
    assert "Open: they do not" in _text(figure)
    assert "Open" not in _text(city_b.growth(table[table["real"]]))


def test_who_sends_nothing_and_who_was_left_out_is_said(table: pd.DataFrame) -> None:
    text = _text(city_b.growth(table))
    assert "Sends nothing: in-situ only." in text
    assert "Not run on larger cities, as the cost is quadratic: straight to the cloud up to 1,349 nodes" in text
    loud = table[table["policy"] == "los"]
    assert "Sends nothing" not in _text(city_b.growth(loud))
    assert city_b.left_out(loud) == ""


def test_global_knowledge_is_told_by_what_it_reads(table: pd.DataFrame) -> None:
    text = city_b.left_out(table)
    assert "least loaded, all known up to 15 nodes: it reads the state of every node at every decision (15 " in text
    short = table.assign(nodes=table["nodes"].where(table["policy"] != "los", 10**6))
    assert "in-situ only up to 10,003 nodes: its settings say so" in city_b.left_out(short)


def test_growth_is_told_from_the_smallest_to_the_largest(table: pd.DataFrame) -> None:
    text = city_b.grown(table.iloc[::-1])
    assert text == (
        "LOS, from 15 to 10,003 nodes: it drops 46.0 (45.0 to 47.0) to 50.0 % of the trainings; one that runs is "
        "handed over 1.50 to 1.60 times; a node sends 400 to 500 messages and 2.0 to 3.0 MB of models and samples per "
        "hour."
    )
    assert "handed over" not in city_b.grown(table, "in_situ")
    assert city_b.grown(table, "least_loaded") == "Least loaded, all known was not run on cities of several sizes."


def test_where_nodes_stand_is_told_of_real_and_other_places() -> None:
    row = {"degree": 5.2, "link_metres": 19.0, "longest_metres": 12_800.0, "places": "Aarhus"}
    rows = pd.DataFrame(
        [
            {"nodes": 15, "edge": 5, "real": True, **row},
            {"nodes": 1349, "edge": 449, "real": True, **row},
            {"nodes": 9000, "edge": 3000, "real": False, **row, "places": "copies"},
        ]
    )
    text = city_b.stand(rows)
    assert text.startswith(
        "Up to 1,349 nodes, 449 of them in the edge, edge nodes stand where real sensors do (Aarhus)"
    )
    assert "19 m" in text and "12.8 km" in text
    assert text.endswith("NOT REAL: with 9,000 nodes, 3,000 in the edge, places are copies.")
    assert city_b.stand(rows[~rows["real"]]).startswith("NOT REAL")


@pytest.mark.parametrize("real", [True, False])
def test_the_mesh_shows_every_node_link_and_gateway(real: bool) -> None:
    places = Places(standin(0).metres, "Somewhere", real)
    made = city(places, nodes=150, district={"edge": 5, "fog": 4, "cloud": 6}, neighbours=4, share=0.6)
    figure = city_b.mesh(made)
    (axes,) = figure.axes
    nodes, gateways, sites = (len(np.atleast_1d(line.get_xdata())) for line in axes.lines)
    assert (nodes, gateways, sites) == (40, 10, 10)
    assert len(axes.collections) == 2
    assert axes.get_aspect() == 1.0
    text = _text(figure)
    assert ("(synthetic)" in text) != real
    assert "50 edge nodes in 10 districts" in text and "Somewhere; the 50 in the middle." in text
