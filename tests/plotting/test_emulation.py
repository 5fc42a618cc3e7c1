from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import edgeresearch as er
from edgeresearch.emulator.api import Emulation
from edgeresearch.emulator.city import make_city, synthetic_places
from edgeresearch.emulator.settings import CitySettings
from edgeresearch.plotting import emulation
from edgeresearch.plotting.emulation import DEEP, PLACES, draw_places, draw_policies

DATA = Path(__file__).parents[1] / "emulator" / "data"


@pytest.fixture(scope="module")
def report() -> Emulation:
    return er.emulate(policies=["in_situ", "random", "cloud"], hours=1.0, repeats=2, workers=1)


@pytest.fixture(scope="module")
def islands() -> Emulation:
    return er.emulate(DATA / "islands.yaml", policies=["los"], hours=1.0, repeats=1, workers=1)


def _lengths(axes: Axes) -> list[float]:
    """How long the stacked bars are together, from top to bottom."""
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    ends: dict[float, float] = {}
    for bar in bars:
        middle = round(bar.get_y() + bar.get_height() / 2, 6)
        ends[middle] = ends.get(middle, 0.0) + bar.get_width()
    return [ends[key] for key in sorted(ends)]


def _words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_every_policy_side_by_side(report: Emulation) -> None:
    figure = draw_policies(report)
    left, middle, right = figure.axes
    rates = report.table.set_index("policy")["drop_percent"]
    assert figure.get_suptitle() == f"Paper B, 10 streams, 2 × 1 h: dropped los {rates['los']:.1f} %, " + (
        f"{rates.idxmin()} {rates.min():.1f} %, {rates.idxmax()} {rates.max():.1f} %"
    )
    assert [label.get_text() for label in left.get_yticklabels()] == ["los", "in_situ", "random", "cloud"]
    rates = report.table["drop_percent"].tolist()
    assert _lengths(left) == pytest.approx(rates)
    assert _lengths(middle) == pytest.approx(report.table["uplink_megabytes"].tolist())
    assert middle.get_xlabel() == "sent over the uplinks (MB per hour)"
    assert _words(middle) == [f"{value:,.1f}" for value in report.table["uplink_megabytes"]]
    assert _lengths(right) == pytest.approx([100 - rate for rate in rates])


def test_many_hops_are_one(report: Emulation) -> None:
    far = report.triggers.assign(hops=report.triggers["hops"] + DEEP)
    (box,) = draw_policies(replace(report, triggers=far)).legends
    words = [text.get_text() for text in box.get_texts()]
    assert [word for word in words if word.endswith("hops")] == [f"{DEEP} or more hops"]


def test_a_mesh_of_one_layer_has_links_alone(islands: Emulation) -> None:
    _, middle, _ = draw_policies(islands).axes
    assert middle.get_xlabel() == "sent over the links (MB per hour)"
    assert _lengths(middle) == pytest.approx(islands.table["link_megabytes"].tolist())
    left = draw_places(islands).axes[0]
    legend = left.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["has streams", "link"]


def test_the_mesh_has_every_node_and_link(report: Emulation) -> None:
    left, right, bar = draw_places(report).axes
    assert _words(left) == [node.name for node in report.mesh.nodes]
    inside, upward, circles, squares = left.collections
    links = [len(each.get_segments()) for each in (inside, upward)]  # type: ignore[attr-defined]
    assert links == [len(report.mesh.links) - 2, 2]
    assert [len(each.get_offsets()) for each in (circles, squares)] == [len(report.mesh.nodes) - 3, 3]
    assert bar.get_ylabel() == "% of the node's CPU"
    assert right.get_title(loc="left") == "where los drops, and why"
    mine = report.drops[report.drops["policy"] == "los"].groupby("node")["percent"].sum()
    assert _lengths(right) == pytest.approx(sorted(mine, reverse=True))
    assert right.get_yticklabels()[0].get_text() == mine.idxmax()


def test_a_large_mesh_is_drawn_without_names(report: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulation, "ROUND", 5)
    left = draw_places(report).axes[0]
    assert _words(left) == []
    assert sum(len(each.get_offsets()) for each in left.collections[2:]) == len(report.mesh.nodes)
    assert all(each.get_rasterized() for each in left.collections)


def test_a_city_is_drawn_where_it_stands(report: Emulation) -> None:
    made = make_city(synthetic_places(0), CitySettings(nodes=90))
    mesh = made.mesh(np.random.default_rng(0))
    jobs = made.jobs(mesh, np.random.default_rng(0))
    nodes = pd.DataFrame({"policy": "los", "node": [node.name for node in mesh.nodes], "cpu_percent": 1.0})
    left = draw_places(replace(report, testbed=made, mesh=mesh, jobs=jobs, nodes=nodes)).axes[0]
    at = np.concatenate([np.asarray(each.get_offsets()) for each in left.collections[2:]])
    assert np.array(sorted(at.tolist())) == pytest.approx(np.array(sorted(made.positions().tolist())))


def test_only_the_worst_nodes_are_drawn(report: Emulation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PLACES == 12
    monkeypatch.setattr(emulation, "PLACES", 2)
    right = draw_places(report).axes[1]
    count = report.drops.loc[report.drops["policy"] == "los", "node"].nunique() - 2
    assert right.get_title(loc="left") == f"where los drops, and why; {count} more nodes drop some"
    assert len(right.get_yticklabels()) == 2


def test_no_drop_is_said(report: Emulation) -> None:
    right = draw_places(replace(report, drops=report.drops.iloc[:0])).axes[1]
    assert _words(right) == ["los drops nothing"]
    nothing = report.triggers.assign(end="dropped")
    assert _lengths(draw_policies(replace(report, triggers=nothing)).axes[2]) == []


def test_the_same_bytes_twice(report: Emulation, tmp_path: Path) -> None:
    for name in "ab":
        report.save(tmp_path / name)
    for name in ("policies.png", "policies.svg", "places.png", "places.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert report.plot().get_suptitle() == draw_policies(report).get_suptitle()
