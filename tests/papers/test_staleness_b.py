from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from edgeresearch.papers import staleness
from edgeresearch.papers import staleness_b as module
from edgeresearch.papers.names_b import POLICIES
from edgeresearch.papers.staleness_b import BOUNDS, COSTS, DATA, METRICS, NAMES, PANELS, THRESHOLDS

AGES = {"los": 2000.0, "in_situ": 7000.0, "oracle": 1400.0, "never": 7000.0, "always": 500.0}


def _text(figure: Figure) -> str:
    return " ".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def _table() -> pd.DataFrame:
    rows = []
    for data in DATA:
        for policy, age in AGES.items():
            for streams in (0,) if policy in BOUNDS else (2, 10):
                drop = {"always": 0.0, "oracle": 3.0, "los": 4.0 * streams}.get(policy, 100.0)
                f1 = 0.3 - (age / 100_000 if data == "control" else 0)
                row = {"data": data, "threshold": "ema", "policy": policy, "streams": streams, "drop_percent": drop}
                row |= {"mean_age": age + 10 * streams, "mean_age_low": 0.9 * age, "mean_age_high": 1.1 * age}
                rows.append(
                    row | {"event_f1": f1, "low": f1 - 0.05, "high": f1 + 0.05, "sensors": 10, "seeds": 3, "real": True}
                )
    table = pd.DataFrame(rows)
    return pd.concat([table, table.assign(threshold="quantile", event_f1=0.9)], ignore_index=True)


def _course() -> pd.DataFrame:
    rows = [
        {
            **{"data": data, "threshold": "ema", "policy": policy, "streams": streams, "block": block},
            **{"real": True, "mean_age": 500.0 * block, "event_f1": 0.3, "false_alarms_per_day": 1.0 + streams},
        }
        for data in DATA
        for policy, streams in (("never", 0), ("always", 0), ("los", 2), ("los", 10), ("cloud", 10))
        for block in (1, 2, 3)
    ]
    table = pd.DataFrame(rows)
    for metric in ("mean_age", "event_f1", "false_alarms_per_day"):
        table[f"{metric}_low"], table[f"{metric}_high"] = 0.9 * table[metric], 1.1 * table[metric]
    return table


def _pairs() -> pd.DataFrame:
    rows = []
    for data, threshold, metric in PANELS:
        for contrast, counts in (("always - never", (0,)), ("los - in_situ", (2, 10))):
            for streams in counts:
                row = {"data": data, "threshold": threshold, "contrast": contrast, "streams": streams}
                rows.append(row | {"metric": metric, "difference": 0.01, "low": -0.02, "high": 0.04, "real": True})
    return pd.DataFrame(rows)


def test_bounds_and_metrics_are_those_of_the_experiment() -> None:
    assert set(BOUNDS) == {cell.policy for cell in staleness.BOUNDS}
    assert set(METRICS) <= set(staleness.METRICS)
    assert set(DATA) == {staleness.TRAFFIC, staleness.CONTROL}
    assert module.MAIN == staleness.MAIN
    assert {name for pair in staleness.PAIRS for name in pair} <= set(NAMES)
    assert {(data, threshold) for data, threshold, _ in PANELS} <= {(d, t) for d in DATA for t in THRESHOLDS}


def test_age_stands_against_drops_and_quality_against_age() -> None:
    figure = module.quality(_table())
    ages, traffic, control = figure.axes
    assert [each.get_title() for each in figure.axes] == [DATA["traffic"], DATA["traffic"], DATA["control"]]
    drawn = {container.lines[0].get_marker(): container.lines[0] for container in ages.containers}
    los = drawn[POLICIES["los"][2]]
    assert np.asarray(los.get_xdata()).tolist() == [8.0, 40.0]
    assert np.asarray(los.get_ydata()).tolist() == [2.02, 2.1]
    assert len(ages.containers) == 3
    for panel, values in ((traffic, [0.3]), (control, [0.295, 0.28, 0.23])):
        assert len(panel.containers) == 5, "three policies, never and always"
        shown = {round(float(y), 3) for each in panel.containers for y in np.asarray(each.lines[0].get_ydata())}
        assert set(values) <= shown
        assert 0.9 not in shown, "the other threshold is not drawn"
        assert panel.get_xscale() == "log"
        low, high = panel.get_ylim()
        assert low == 0
        assert high > 0.35
    text = _text(figure)
    for said in (
        "10 sensors, 3 draws each",
        "it is no data",
        "LOS",
        "in-situ only",
        "never retrained",
        "dropped trainings (%)",
    ):
        assert said in text
    assert "straight to the cloud" not in text, "it was not run"
    assert "; 1 sensor, 1 draw each." in _text(module.quality(_table().assign(sensors=1, seeds=1)))


def test_intervals_of_few_sensors_do_not_stretch_the_axis() -> None:
    table = _table().assign(low=-3.0, high=4.0)
    assert module.quality(table).axes[1].get_ylim() == (0, 1)
    course = _course().assign(event_f1_high=9.0)
    assert module.course(course).axes[2].get_ylim() == (0, 1)
    pairs = _pairs().assign(low=-3.0, high=3.0)
    assert module.contrasts(pairs).axes[0].get_xlim() == pytest.approx((-0.044, 0.044))


def test_one_sensor_without_intervals_can_be_drawn() -> None:
    nothing = float("nan")
    assert module.quality(_table().assign(low=nothing, high=nothing, mean_age_low=nothing, mean_age_high=nothing)).axes
    course = _course()
    course[[name for name in course if name.endswith(("_low", "_high"))]] = nothing
    assert module.course(course).axes[2].get_ylim()[1] == pytest.approx(0.324)
    figure = module.contrasts(_pairs().assign(low=nothing, high=nothing))
    assert figure.axes[0].get_xlim() == pytest.approx((-0.011, 0.011))
    assert not [
        line for line in figure.axes[0].lines if len(np.asarray(line.get_xdata())) == 2 and line.get_lw() == 1.4
    ]


def test_the_course_is_of_never_always_and_los_with_the_most_streams() -> None:
    figure = module.course(_course())
    assert len(figure.axes) == 6
    for panel in figure.axes:
        assert len(panel.lines) == len(panel.collections) == 3
        assert np.asarray(panel.lines[0].get_xdata()).tolist() == [0.5, 1.5, 2.5]
    false = figure.axes[4]
    assert sorted(float(np.asarray(line.get_ydata())[0]) for line in false.lines) == [1.0, 1.0, 11.0]
    assert np.asarray(figure.axes[0].lines[0].get_ydata()).tolist() == [0.5, 1.0, 1.5], "in thousands"
    text = _text(figure)
    assert "LOS, 10 streams" in text
    assert "Bands: 95 % over sensors." in text


def test_differences_stand_one_below_the_other() -> None:
    figure = module.contrasts(_pairs())
    assert len(figure.axes) == len(PANELS)
    first = figure.axes[0]
    assert [each.get_text() for each in first.get_yticklabels()] == [
        "every model at once\n− never retrained",
        "LOS\n− in-situ only",
    ]
    marks = [line for line in first.lines if line.get_marker() == "o"]
    assert len(marks) == 3
    assert len({line.get_color() for line in marks}) == 3
    heights = [float(np.asarray(line.get_ydata())[0]) for line in marks]
    assert heights == sorted(heights, reverse=True)
    assert [panel.get_xlabel().split("\n")[1] for panel in figure.axes] == [METRICS[metric] for _, _, metric in PANELS]
    text = _text(figure)
    for said in ("whatever the number of streams", "2 streams", "10 streams", "quantile threshold", "by chance alone"):
        assert said in text


@pytest.mark.parametrize("draw", ["quality", "course", "contrasts"])
def test_stand_ins_are_named(draw: str) -> None:
    table = {"quality": _table, "course": _course, "contrasts": _pairs}[draw]()
    real, made = (_text(getattr(module, draw)(table.assign(real=flag))) for flag in (True, False))
    assert "Real traffic streams" in real
    assert "synthetic" not in real.lower()
    assert "(synthetic)" in made
    assert "Synthetic stand-ins of traffic streams" in made


def test_what_was_not_run_leaves_its_panel_empty() -> None:
    pairs = _pairs()
    figure = module.contrasts(pairs[pairs["data"] == "traffic"])
    control = figure.axes[[data for data, _, _ in PANELS].index("control")]
    assert not [line for line in control.lines if line.get_marker() == "o"]


def _costs(**changes: Any) -> pd.DataFrame:
    rows = [
        {"model": model, "policy": policy, "streams": streams, "drop_percent": rate, "low": rate - 1, "high": rate + 1}
        for model, rates in (("lstm", (0.0, 50.0)), ("autoencoder", (1.0, 60.0)))
        for policy in ("los", "in_situ")
        for streams, rate in zip((2, 10), rates if policy == "los" else (100.0, 100.0), strict=True)
    ]
    return pd.DataFrame(rows).assign(seconds=5.0, **changes)


def _drops() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "policy": ["los", "los", "in_situ"],
            "streams": [2, 10, 10],
            "drop_percent": [15.0, 79.0, 100.0],
            "low": [14.0, 78.0, 100.0],
            "high": [16.0, 80.0, 100.0],
            "published": [14.37, 78.26, np.nan],
        }
    )


def test_three_truths_stand_beside_the_published_rates() -> None:
    figure = module.measured(_costs(), _drops())
    (axes,) = figure.axes
    drawn = {each.get_label(): np.asarray(each.lines[0].get_ydata()).tolist() for each in axes.containers}
    assert drawn == {
        COSTS["fitted"][0]: [15.0, 79.0],
        COSTS["autoencoder"][0]: [1.0, 60.0],
        COSTS["lstm"][0]: [0.0, 50.0],
    }
    (published,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert np.asarray(published.get_ydata()).tolist() == [14.37, 78.26]
    assert "In-situ training drops 100 %." in _text(figure)
    without = module.measured(_costs()[_costs()["policy"] == "los"], _drops()[:2])
    assert "In-situ" not in _text(without)


def test_the_other_threshold_changes_nothing_but_the_contrasts() -> None:
    table = _table()
    alone = table[table["threshold"] == "ema"]
    for one, other in zip(module.quality(table).axes, module.quality(alone).axes, strict=True):
        assert one.get_ylim() == other.get_ylim()
        assert len(one.lines) == len(other.lines)
    pairs = _pairs()
    figure = module.contrasts(pairs[pairs["threshold"] == "ema"])
    marks = [len([line for line in panel.lines if line.get_marker() == "o"]) for panel in figure.axes]
    assert marks == [3 * (threshold == "ema") for _, threshold, _ in PANELS]


def test_colours_and_markers_of_what_is_drawn_together_differ() -> None:
    together = {**POLICIES, **{name: BOUNDS[name] for name in ("never", "always")}}
    assert len({colour for _, colour, _ in together.values()}) == len(together)
    assert len({marker for _, _, marker in together.values()}) == len(together)
    assert len({colour for _, colour, _ in COSTS.values()}) == len(COSTS)


value = st.floats(-1, 1).filter(lambda number: abs(number) > 1e-6)


@given(st.lists(st.tuples(value, st.floats(0, 5)), min_size=1, max_size=8))
def test_limits_around_zero_show_every_difference(rows: list[tuple[float, float]]) -> None:
    part = pd.DataFrame(
        {
            "difference": [middle for middle, _ in rows],
            "low": [middle - half for middle, half in rows],
            "high": [middle + half for middle, half in rows],
        }
    )
    low, high = module._around(part)
    largest = part["difference"].abs().max()
    assert low == -high
    assert largest < high <= 4.5 * largest
    assert high == pytest.approx(1.1 * min(4 * largest, part[["low", "high"]].abs().max().max()))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 3)), min_size=1, max_size=8))
def test_limits_of_a_share_show_every_value_and_end_at_one(rows: list[tuple[float, float]]) -> None:
    part = pd.DataFrame({"f1": [middle for middle, _ in rows], "f1_high": [middle + half for middle, half in rows]})
    part["f1_low"] = 0.0
    low, high = module._span(part, "f1", floor=0.0, ceiling=1.0)
    assert low == 0.0
    assert high >= part["f1"].max()
    assert high <= 1.08


def test_a_policy_of_ones_own_number_of_streams_is_one_point_each() -> None:
    table = _table()
    alone = table[(table["streams"] != 10) & (table["threshold"] == "ema")]
    ages = module.quality(alone).axes[0]
    assert all(len(np.asarray(each.lines[0].get_xdata())) == 1 for each in ages.containers)
    assert all(each.lines[0].get_linestyle() == "None" for each in ages.containers), "no line to anywhere"


def test_errors_are_distances_to_the_ends_of_the_interval() -> None:
    part = pd.DataFrame({"age": [2000.0, 3000.0], "age_low": [1500.0, np.nan], "age_high": [2200.0, np.nan]})
    assert module._errors(part, "age", 1000.0) == pytest.approx(np.array([[0.5, 0.0], [0.2, 0.0]]))
    f1 = pd.DataFrame({"event_f1": [0.3], "low": [0.1], "high": [0.4]})
    assert module._errors(f1, "event_f1") == pytest.approx(np.array([[0.2], [0.1]]))
