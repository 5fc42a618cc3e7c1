import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from bench import figure
from bench.timing import Row
from edgeresearch.io import write_csv, write_json

ROWS = [
    ("forecast", Row("a fit", "4838 steps", "torch", [1.0, 2.0, 3.0], [10.0, 10.0, 10.0], 0.5)),
    ("forecast", Row("an error", "1 step", "torch", [3.0], [2.0], 1.0, "mse")),
    ("emulator", Row("per trigger, LOS", "1000 nodes, 1 h", "itself, 100 nodes", [3.0, 3.0], [2.0, 1.0])),
    ("emulator", Row("per trigger, LOS", "10000 nodes, 1 h", "itself, 100 nodes", [6.0, 6.0], [2.0, 2.0], 1.5)),
    ("emulator", Row("peak memory per node", "1000 nodes", "itself, 100 nodes", [6.0], [2.0], 1.5, "bytes")),
    ("scaling", Row("per step, fit", "1000000 steps", "itself, 1000 steps", [1e-6], [2e-6])),
]
MACHINES = {
    "forecast": {"cpu": "Fast", "cores": 2, "python": "3.11.7"},
    "emulator": {"cpu": "Fast", "cores": 2, "python": "3.11.7"},
}


def _table(rows: list[tuple[str, Row]]) -> pd.DataFrame:
    return pd.DataFrame([{**row.record(), "part": part} for part, row in rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(_table(ROWS), tmp_path / "ratios.csv")
    write_json(MACHINES, tmp_path / "machine.json")
    return tmp_path


def test_both_figures_are_drawn_the_same_each_time(folder: Path) -> None:
    assert figure.draw(folder) == [folder / "ratios.png", folder / "scaling.png"]
    files = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".svg"))
    assert [path.name for path in files] == ["ratios.png", "ratios.svg", "scaling.png", "scaling.svg"]
    before = [path.read_bytes() for path in files]
    figure.draw(folder)
    assert [path.read_bytes() for path in files] == before


def test_what_has_no_rows_is_not_drawn(folder: Path) -> None:
    write_csv(_table(ROWS[:2]), folder / "ratios.csv")
    assert figure.draw(folder) == [folder / "ratios.png"]
    write_csv(_table(ROWS[5:]), folder / "ratios.csv")
    assert figure.draw(folder) == [folder / "scaling.png"]


def test_each_row_has_its_ratio_spread_and_bound() -> None:
    table = _table(ROWS[:5])
    (axes,) = figure.ratios(table, "a note").axes
    assert axes.get_xscale() == "log"
    drawn: dict[str, list[Line2D]] = {}
    for line in axes.lines:
        drawn.setdefault(str(line.get_marker()), []).append(line)
    ratios = {marker: [np.ravel(line.get_xdata())[0] for line in drawn[marker]] for marker in ("o", "X", "d", "|")}
    assert ratios["o"] == pytest.approx([0.2])
    assert ratios["X"] == pytest.approx([1.5, 3.0, 3.0])
    assert ratios["d"] == pytest.approx([2.25])
    assert ratios["|"] == pytest.approx([0.5, 1.0, 1.5, 1.5])
    spreads = [np.ravel(line.get_xdata()).tolist() for line in drawn["None"] if len(np.ravel(line.get_ydata())) == 2]
    assert [low for low, _ in spreads[:-1]] == pytest.approx(table["low"].tolist())
    assert [high for _, high in spreads[:-1]] == pytest.approx(table["high"].tolist())
    places = axes.get_yticks()
    assert places[0] - places[1] == pytest.approx(1)
    assert places[1] - places[2] > 1.5  # parts stand apart
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["a fit, 4,838 steps", "an error, 1 step"]


def test_verdicts_differ_in_shape_and_colour() -> None:
    assert len({marker for marker, _ in figure.LOOKS.values()}) == 3
    assert len({to_hex(colour) for _, colour in figure.LOOKS.values()}) == 3
    drawn = figure.ratios(_table(ROWS[:5]), "Measured on Fast.")
    (box,) = drawn.legends
    words = [text.get_text() for text in box.get_texts()]
    assert words == [*figure.LOOKS, "claimed: at most", "95 % of the repeats"]
    assert box.get_title().get_text() == "Measured on Fast."
    assert any("torch" in text.get_text() for text in drawn.axes[0].texts)


def test_curves_have_their_smallest_size_too() -> None:
    found = figure.curves(_table(ROWS))
    assert {unit: list(lines) for unit, lines in found.items()} == {
        "nodes": ["per trigger, LOS"],
        "steps": ["per step, fit"],
    }
    curve = found["nodes"]["per trigger, LOS"]
    assert curve["size"].tolist() == [100, 1000, 10000]
    assert curve["seconds"].tolist() == pytest.approx([1.75, 3.0, 6.0])
    low, high = Row("", "", "", [3.0, 3.0], [2.0, 1.0]).record()["low"], 3.0
    assert curve["low"].tolist() == pytest.approx([1.75, 1.5 * float(str(low)), 6.0])
    assert curve["high"].iloc[2] == pytest.approx(2 * high)


def test_each_unit_has_a_panel() -> None:
    drawn = figure.scaling(figure.curves(_table(ROWS)), "a note")
    assert [axes.get_xlabel() for axes in drawn.axes] == ["nodes", "steps of a trace"]
    for axes in drawn.axes:
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_legend() is not None
    np.testing.assert_allclose(np.ravel(drawn.axes[1].lines[0].get_ydata()), [2e-6, 1e-6])


def test_a_table_without_curves_has_none() -> None:
    assert figure.curves(_table(ROWS[:2])) == {}


def test_each_machine_is_named_once() -> None:
    assert figure.machines(MACHINES) == "Measured on Fast, 2 cores, Python 3.11.7; median and 95 % of the repeats."
    two = {**MACHINES, "leaf": {"cpu": "Slow", "cores": 1, "python": "3.12.1"}}
    assert "on Fast, 2 cores, Python 3.11.7 and on Slow, 1 cores, Python 3.12.1;" in figure.machines(two)


def test_the_table_in_git_can_be_drawn(tmp_path: Path) -> None:
    kept = Path(__file__).parents[1] / "reports" / "bench"
    for name in ("ratios.csv", "machine.json"):
        (tmp_path / name).write_bytes((kept / name).read_bytes())
    assert figure.draw(tmp_path)[0] == tmp_path / "ratios.png"
    assert json.loads((kept / "machine.json").read_text())
