from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from edgeresearch.plotting import sweep
from edgeresearch.sweeps.api import Spec, SweepResult

LABELS = {"a": "a (s)", "b": "b", "v": "the value (s)"}
CUBE = {"points": 4, "settings": {"a": {"low": 1.0, "high": 9.0}, "b": {"low": 1.0, "high": 9.0}}}


def _report(rows: Sequence[dict[str, Any]], *, seeds: int = 3, cube: bool = False, **more: Any) -> SweepResult:
    summary = pd.DataFrame(rows)
    names = [name for name in ("a", "b") if name in summary]
    varied: dict[str, Any] = {"latin_hypercube": CUBE} if cube else {"grid": {name: (1,) for name in names}}
    spec = Spec.model_validate({"experiment": "toy", "seeds": seeds, **varied})
    failed = more.pop("failed", 0)
    rows_ = [{"key": "k", "seed": 0, **dict.fromkeys(names, 1), "error": "no luck" if failed else None}]
    cells = more.pop("cells", pd.DataFrame(rows_))
    return SweepResult(summary, (), {}, cells, spec, "mine.yaml", "v", LABELS, pa.table({}))


def _row(value: float, half: float = 0.5, **settings: Any) -> dict[str, Any]:
    return {**settings, "v": value, "v_low": value - half, "v_high": value + half}


def _drawn(report: SweepResult) -> Any:
    return sweep.draw_sweep(report)


def _words(figure: Any) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")))


def test_one_setting_is_a_line_with_its_intervals() -> None:
    figure = _drawn(_report([_row(2.0, a=30), _row(1.0, a=10), _row(4.0, a=20)]))
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[10, 1], [20, 4], [30, 2]]
    (bars,) = axes.collections
    assert [path.vertices[:, 1].tolist() for path in bars.get_paths()] == [[0.5, 1.5], [3.5, 4.5], [1.5, 2.5]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a (s)", "the value (s)")
    assert (axes.get_xscale(), axes.get_title()) == ("linear", "")
    assert "mine.yaml: the value (s) from 1 (a 10) to 4 (a 20)" in _words(figure)
    assert "mean of 3 seeds, and its 95 % interval" in _words(figure)


def test_many_points_have_a_band_and_far_ones_a_logarithmic_axis() -> None:
    figure = _drawn(_report([_row(1.0, a=float(at)) for at in np.geomspace(1, 1000, 20)]))
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    (band,) = axes.collections
    assert len(band.get_paths()[0].vertices) > 20


def test_words_stand_side_by_side() -> None:
    figure = _drawn(_report([_row(1.0, a="los"), _row(3.0, a="cloud")]))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["los", "cloud"]
    assert axes.lines[0].get_linestyle() == "None"


def test_two_settings_are_a_heat_map() -> None:
    rows = [_row(10.0 * a + b, a=float(a), b=f"w{b}") for a in (2, 1) for b in (1, 2, 3) if (a, b) != (2, 3)]
    figure = _drawn(_report(rows))
    axes, bar = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["w1", "w2", "w3"]
    values = axes.collections[0].get_array()
    assert np.ma.filled(values, np.nan).ravel().tolist()[:5] == [11, 12, 13, 21, 22]
    assert bar.get_ylabel() == "the value (s)"
    written = [text.get_text() for text in axes.texts]
    assert written[0] == "11\n± 0.5"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("b", "a (s)")


def test_a_large_heat_map_has_no_numbers() -> None:
    rows = [_row(1.0, a=a, b=b) for a in range(10) for b in range(10)]
    figure = _drawn(_report(rows))
    assert not figure.axes[0].texts
    assert "the intervals stand in summary.csv" in _words(figure)


def test_one_seed_and_failed_settings_are_drawn_as_what_they_are() -> None:
    rows = [_row(1.0, np.nan, a=1, b=1), _row(np.nan, a=2, b=1)]
    figure = _drawn(_report(rows, seeds=1, failed=1))
    assert [text.get_text() for text in figure.axes[0].texts] == ["1"]
    assert "mean of 1 seeds; 1 of 1 cells failed and are left out" in _words(figure)
    line = _drawn(_report([_row(1.0, a=1), _row(np.nan, a=2)], failed=1))
    assert line.axes[0].lines[0].get_xydata().tolist() == [[1, 1]]


def test_points_of_a_hypercube_are_drawn_where_they_are() -> None:
    rows = [_row(5.0, a=1.5, b=2.5), _row(6.0, a=2.5, b=90.0), _row(np.nan, a=3.0, b=3.0)]
    figure = _drawn(_report(rows, cube=True))
    axes, _ = figure.axes
    points = axes.collections[0]
    assert np.asarray(points.get_offsets()).tolist() == [[2.5, 1.5], [90, 2.5]]
    assert np.asarray(points.get_array()).tolist() == [5, 6]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


def test_words_in_a_hypercube_make_it_a_heat_map() -> None:
    rows = [_row(5.0, a="x", b=2.5), _row(6.0, a="y", b=3.5)]
    assert [text.get_text() for text in sweep.draw_sweep(_report(rows, cube=True)).axes[0].texts] == [
        "5\n± 0.5",
        "6\n± 0.5",
    ]


@pytest.mark.parametrize(("real", "told"), [([True, True], False), ([True, False], True), ([None, True], False)])
def test_synthetic_data_are_told(real: list[bool | None], told: bool) -> None:
    report = _report(
        [_row(1.0, a=1)], cells=pd.DataFrame({"key": ["k", "l"], "a": 1, "seed": 0, "real": real, "error": None})
    )
    assert ("the data are synthetic" in _words(sweep.draw_sweep(report))) == told


def test_files_have_the_same_bytes_each_time(tmp_path: Path) -> None:
    report = _report([_row(1.0, a=1, b=2), _row(2.0, a=2, b=2)])
    for place in ("one", "two"):
        report.save(tmp_path / place)
    for name in ("v.png", "v.svg", "summary.csv", "report.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_three_settings_and_nothing_at_all_are_not_drawn() -> None:
    spec = Spec.model_validate({"experiment": "toy", "grid": {"a": (1,), "b": (1,), "c": (1,)}})
    many = replace(_report([_row(1.0, a=1, b=1, c=1)]), spec=spec)
    assert sweep.figures(many) == {}
    with pytest.raises(TypeError, match="no figure"):
        many.plot()
    assert sweep.figures(_report([{"a": 1, "cells": 0, "failed": 3}])) == {}
