from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgeresearch.emulator.city import Places, make_city, synthetic_places
from edgeresearch.emulator.settings import CitySettings
from edgeresearch.papers.paper_b import city_figures as draw
from edgeresearch.plotting import style

Text = Callable[..., str]
NAN = float("nan")


def _row(nodes: int, policy: str, drop: float, **more: float) -> dict[str, object]:
    row: dict[str, object] = {"nodes": nodes, "real": nodes < 2000, "policy": policy, "hours": 1.0, "reads": 0.0}
    for name, value in (("hops", 1.5), ("messages", 400.0), ("carried", 2.0)):
        row |= {name: value, f"{name}_low": value, f"{name}_high": value}
    return row | {"drop_percent": drop, "low": drop - 1, "high": drop + 1} | more


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
    axes = draw.plot_growth(table).axes
    assert [len(each.containers) for each in axes] == [4, 3, 3, 3]
    assert [each.get_xscale() for each in axes] == ["log"] * 4
    assert [each.get_yscale() for each in axes] == ["linear", "linear", "log", "linear"]
    line = axes[0].containers[0].lines[0]  # type: ignore[attr-defined]
    assert np.asarray(line.get_xydata()).tolist() == [[15, 46], [10_003, 50]]


def test_what_is_not_real_or_was_not_run_is_said(table: pd.DataFrame, text_of: Text) -> None:
    figure = draw.plot_growth(table)
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    assert {"white", style.ORANGE} <= set(faces)
    text = text_of(figure)
    assert "Open: they do not" in text and "Sends nothing: in-situ only." in text
    assert "straight to the cloud up to 1,349 nodes: it looks for the ways to every cloud node;" in text
    assert "at every decision (15 states per trigger)." in text
    whole = text_of(draw.plot_growth(table[table["nodes"] == 15]))
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
