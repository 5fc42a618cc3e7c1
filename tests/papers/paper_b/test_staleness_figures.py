from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.papers.paper_b import staleness_figures as draw
from edgeresearch.papers.paper_b.labels import POLICIES
from edgeresearch.plotting import style

Text = Callable[..., str]
Points = Callable[..., list[list[float]]]
AGES = {"los": 2000.0, "in_situ": 7000.0, "oracle": 1400.0, "never": 7000.0, "always": 500.0}
NAN = float("nan")


@pytest.fixture
def table() -> pd.DataFrame:
    rows = []
    for data in draw.DATA:
        for policy, age in AGES.items():
            for streams in (0,) if policy in draw.BOUNDS else (2, 10):
                drop = {"always": 0.0, "oracle": 3.0, "los": 4.0 * streams}.get(policy, 100.0)
                f1 = 0.3 - (age / 100_000 if data == "control" else 0)
                rows.append(
                    {
                        **{"data": data, "policy": policy, "streams": streams, "drop_percent": drop, "real": True},
                        **{"mean_age": age + 10 * streams, "mean_age_low": 0.9 * age, "mean_age_high": 1.1 * age},
                        **{"event_f1": f1, "low": f1 - 0.05, "high": f1 + 0.05, "sensors": 10, "seeds": 3},
                    }
                )
    own = pd.DataFrame(rows).assign(threshold="ema")
    return pd.concat([own, own.assign(threshold="quantile", event_f1=0.9)], ignore_index=True)


@pytest.fixture
def course() -> pd.DataFrame:
    rows = [
        {
            **{"data": data, "policy": policy, "streams": streams, "block": block, "real": True},
            **{"mean_age": 500.0 * block, "event_f1": 0.3, "false_alarms_per_day": 1.0 + streams},
        }
        for data in draw.DATA
        for policy, streams in (("never", 0), ("always", 0), ("los", 2), ("los", 10), ("cloud", 10))
        for block in (1, 2, 3)
    ]
    table = pd.DataFrame(rows)
    for metric in draw.COURSE:
        table[f"{metric}_low"], table[f"{metric}_high"] = 0.9 * table[metric], 1.1 * table[metric]
    return table


@pytest.fixture
def pairs() -> pd.DataFrame:
    rows = [
        (*panel, contrast, streams)
        for panel in draw.PANELS
        for contrast, counts in (("always - never", (0,)), ("los - in_situ", (2, 10)))
        for streams in counts
    ]
    table = pd.DataFrame(rows, columns=["data", "threshold", "metric", "contrast", "streams"])
    return table.assign(difference=0.01, low=-0.02, high=0.04, real=True)


def test_age_stands_against_drops_and_f1_against_age(table: pd.DataFrame, text_of: Text, points_of: Points) -> None:
    figure = draw.plot_quality(table)
    ages, *panels = figure.axes
    assert [each.get_title() for each in figure.axes] == [draw.DATA[name] for name in ("traffic", "traffic", "control")]
    marker = POLICIES["los"][2]
    assert (points_of(ages, marker), points_of(ages, marker, of="y")) == ([[8.0, 40.0]], [[2.02, 2.1]])
    assert len(ages.containers) == 3
    for panel, values in zip(panels, ([0.3], [0.295, 0.28, 0.23]), strict=True):
        assert len(panel.containers) == 5, "three policies, never and always; the other threshold is not drawn"
        shown = {round(float(y), 3) for each in panel.containers for y in np.asarray(each.lines[0].get_ydata())}  # type: ignore[attr-defined]
        assert set(values) <= shown and 0.9 not in shown
        assert panel.get_xscale() == "log" and panel.get_ylim()[0] == 0 and panel.get_ylim()[1] > 0.35
    text = text_of(figure)
    for words in ("10 sensors, 3 draws each", "it is no data", "in-situ only", "never retrained"):
        assert words in text
    assert "straight to the cloud" not in text, "it was not run"
    assert "; 1 sensor, 1 draw each." in text_of(draw.plot_quality(table.assign(sensors=1, seeds=1)))
    points = draw.plot_quality(table[table["streams"] != 10]).axes[0].containers
    assert all(each.lines[0].get_linestyle() == "None" for each in points), "no line from a single point"  # type: ignore[attr-defined]


def test_the_course_is_of_never_always_and_los_with_the_most_streams(course: pd.DataFrame, text_of: Text) -> None:
    figure = draw.plot_course(course)
    for panel in figure.axes:
        assert len(panel.lines) == len(panel.collections) == 3
        assert np.asarray(panel.lines[0].get_xdata()).tolist() == [0.5, 1.5, 2.5]
    assert sorted(float(np.asarray(line.get_ydata())[0]) for line in figure.axes[4].lines) == [1.0, 1.0, 11.0]
    assert np.asarray(figure.axes[0].lines[0].get_ydata()).tolist() == [0.5, 1.0, 1.5], "in thousands"
    assert "LOS, 10 streams" in text_of(figure)


def test_differences_stand_one_below_the_other(pairs: pd.DataFrame, text_of: Text, points_of: Points) -> None:
    figure = draw.plot_paired_differences(pairs)
    first = figure.axes[0]
    labels = [each.get_text() for each in first.get_yticklabels()]
    assert labels == ["every model at once\n− never retrained", "LOS\n− in-situ only"]
    heights = [height for (height,) in points_of(first, "o", of="y")]
    assert len(heights) == 3 and heights == sorted(heights, reverse=True)
    assert [each.get_xlabel().split("\n")[1] for each in figure.axes] == [
        draw.METRICS[name] for *_, name in draw.PANELS
    ]
    assert "by chance alone" in text_of(figure)
    traffic = draw.plot_paired_differences(pairs[pairs["data"] == "traffic"])
    assert [len(points_of(each, "o")) for each in traffic.axes] == [3, 3, 0, 3, 3], "nothing of the control"


def test_intervals_of_few_sensors_do_not_stretch_the_axis_and_can_be_missing(
    table: pd.DataFrame, course: pd.DataFrame, pairs: pd.DataFrame
) -> None:
    assert draw.plot_quality(table.assign(low=-3.0, high=4.0)).axes[1].get_ylim() == (0, 1)
    assert draw.plot_course(course.assign(event_f1_high=9.0)).axes[2].get_ylim() == (0, 1)
    wide = draw.plot_paired_differences(pairs.assign(low=-3.0, high=3.0))
    assert wide.axes[0].get_xlim() == pytest.approx((-0.044, 0.044))
    assert draw.plot_quality(table.assign(low=NAN, high=NAN, mean_age_low=NAN, mean_age_high=NAN)).axes
    course[[name for name in course if name.endswith(("_low", "_high"))]] = NAN
    assert draw.plot_course(course).axes[2].get_ylim()[1] == pytest.approx(0.324)
    bare = draw.plot_paired_differences(pairs.assign(low=NAN, high=NAN)).axes[0]
    assert bare.get_xlim() == pytest.approx((-0.011, 0.011))


def test_stand_ins_are_named(table: pd.DataFrame, course: pd.DataFrame, pairs: pd.DataFrame, text_of: Text) -> None:
    plots = ((draw.plot_quality, table), (draw.plot_course, course), (draw.plot_paired_differences, pairs))
    for plot, rows in plots:
        real, synthetic = (text_of(plot(rows.assign(real=flag))) for flag in (True, False))
        assert "Real traffic streams" in real and "synthetic" not in real.lower()
        assert "(synthetic)" in synthetic and "Synthetic stand-ins of traffic streams" in synthetic


value = st.floats(-1, 1).filter(lambda number: abs(number) > 1e-6)


@given(st.lists(st.tuples(value, st.floats(0, 5)), min_size=1, max_size=8))
def test_limits_around_zero_show_every_difference(rows: list[tuple[float, float]]) -> None:
    part = pd.DataFrame([(middle, middle - half, middle + half) for middle, half in rows])
    part.columns = pd.Index(["difference", "low", "high"])
    low, high = draw._around_zero(part)
    largest = part["difference"].abs().max()
    assert low == -high and largest < high <= 4.5 * largest
    assert high == pytest.approx(1.1 * min(4 * largest, part[["low", "high"]].abs().max().max()))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 3)), min_size=1, max_size=8))
def test_limits_of_a_share_show_every_value_and_end_at_one(rows: list[tuple[float, float]]) -> None:
    part = pd.DataFrame([(middle, middle + half) for middle, half in rows])
    part.columns = pd.Index(["f1", "f1_high"])
    assert part["f1"].max() <= draw._top(part, "f1", ceiling=1.0) <= 1.08


def test_error_bars_end_at_what_a_value_can_be() -> None:
    part = pd.DataFrame({"x": [1.0, 99.0, 50.0], "low": [-3.0, 97.0, NAN], "high": [5.0, 105.0, NAN]})
    assert style.error_bars(part, "x", within=(0, 100)).tolist() == [[1.0, 2.0, 0.0], [4.0, 1.0, 0.0]]
    own = part.assign(x_low=0.0, x_high=100.0)
    assert style.error_bars(own, "x", scale=10.0)[0] == pytest.approx([0.1, 9.9, 5.0])
