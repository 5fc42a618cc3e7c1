from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.series import qps, registry

Put = Callable[[str, str], Path]
NAMES = ["nasa", "worldcup98", "elb", "goog", "wiki_de", "retailrocket", "twitter_second", "twitter_minute"]


def _rows(name: str, stamps: pd.DatetimeIndex, values: list[float]) -> str:
    spec = qps.TRACES[name]
    lines = [f"{stamp:%Y-%m-%d %H:%M:%S},{value}" for stamp, value in zip(stamps, values, strict=True)]
    return "\n".join([f"{spec.time},{spec.value}", *lines]) + "\n"


def _seconds(values: list[int]) -> str:
    return "\n".join(["count", *map(str, values)]) + "\n"


def test_the_traces_have_their_names_and_pinned_files() -> None:
    assert sorted(qps.TRACES) == sorted(NAMES)
    assert {spec.file for spec in qps.TRACES.values()} <= set(registry.pins())


@pytest.mark.parametrize(
    ("name", "season"), [("nasa", 1440), ("elb", 288), ("twitter_second", 86400), ("twitter_minute", 1440)]
)
def test_a_season_is_a_day(name: str, season: int) -> None:
    assert qps.TRACES[name].season == season


def test_short_runs_of_absent_nasa_minutes_are_zeros_and_long_ones_outages(put: Put) -> None:
    grid = pd.date_range("1995-07-01", periods=200, freq="min")
    kept = grid[[0, 1, 3, 64, 126, 127, 199]]  # runs of 1, 60, 61, 0 and 71 absent minutes
    trace = qps.load("nasa", put(qps.TRACES["nasa"].file, _rows("nasa", kept, [5] * 7)))
    values = trace.values
    assert values.loc[grid[2]] == 0
    assert (values.loc[grid[4:64]] == 0).all()
    assert values.loc[grid[65:126]].isna().all()
    assert values.loc[grid[128:199]].isna().all()
    assert trace.repairs["absent"] == 193
    assert (trace.repairs["zeros"], trace.repairs["outages"], trace.repairs["outage_slots"]) == (61, 2, 132)


@pytest.mark.parametrize("name", ["worldcup98", "elb", "wiki_de", "retailrocket", "goog"])
def test_absent_slots_elsewhere_are_never_invented(name: str, put: Put) -> None:
    spec = qps.TRACES[name]
    stamps = pd.date_range("2014-04-10 00:04:53", periods=5, freq=spec.step)
    trace = qps.load(name, put(spec.file, _rows(name, stamps[[0, 1, 4]], [1, 2, 5])))
    assert trace.values.isna().tolist() == [False, False, True, True, False]
    assert trace.repairs["absent"] == 2
    assert trace.frame.index[0] == stamps[0]
    assert (trace.step, trace.unit, trace.seasonality) == (spec.step, spec.unit, spec.season)
    assert list(trace.frame.columns) == ["requests"]


@pytest.mark.parametrize("name", ["wiki_de", "retailrocket"])
def test_rescaled_traces_say_so(name: str, put: Put) -> None:
    stamps = pd.date_range("2019-07-01", periods=2, freq="5min")
    trace = qps.load(name, put(qps.TRACES[name].file, _rows(name, stamps, [1.5, 2.5])))
    assert "rescaled by the publisher" in trace.origin.note
    assert trace.values.tolist() == [1.5, 2.5]


def test_zeros_of_the_twitter_archive_are_gaps(put: Put) -> None:
    trace = qps.load("twitter_second", put(qps.TRACES["twitter_second"].file, _seconds([5, 0, 0, 7, 0, 9])))
    assert trace.values.isna().tolist() == [False, True, True, False, True, False]
    assert trace.repairs == {"gaps": 2, "gap_slots": 3}
    assert trace.frame.index[0] == pd.Timestamp("2021-08-01")
    assert trace.step == pd.Timedelta("1s")


def test_minutes_of_twitter_are_sums_of_whole_observed_minutes(put: Put) -> None:
    seconds = [1] * 60 + [2] * 59 + [0] + [3] * 60 + [4] * 59
    trace = qps.load("twitter_minute", put(qps.TRACES["twitter_minute"].file, _seconds(seconds)))
    np.testing.assert_array_equal(trace.values, [60, np.nan, 180])
    assert trace.repairs == {"gaps": 1, "gap_slots": 1, "partial_dropped": 59, "masked_slots": 1}
    assert trace.step == pd.Timedelta("1min")


def test_an_unknown_trace_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown request trace 'nsa'; choose one of nasa, worldcup98"):
        qps.load("nsa", tmp_path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file .*fetch the data first"):
        qps.load("elb", tmp_path)


REGULAR = {"unsorted": 0, "exact_duplicates": 0, "conflicting_duplicates": 0, "off_grid": 0}


@pytest.mark.parametrize(
    ("name", "rows", "repairs", "mean"),
    [
        ("nasa", 89280, {**REGULAR, "absent": 7884, "zeros": 674, "outages": 2, "outage_slots": 7210}, 42.179),
        ("worldcup98", 125310, {**REGULAR, "absent": 10}, 10796.5),
        ("elb", 4040, {**REGULAR, "absent": 8}, 61.837),
        ("goog", 15842, {**REGULAR, "absent": 0}, 20.736),
        ("wiki_de", 6048, {**REGULAR, "absent": 0}, 112089),
        ("retailrocket", 6048, {**REGULAR, "absent": 0}, 112061),
        ("twitter_second", 1899061, {"gaps": 63, "gap_slots": 37899}, 64.892),
        (
            "twitter_minute",
            31651,
            {"gaps": 63, "gap_slots": 37899, "partial_dropped": 1, "masked_slots": 675},
            3894.4,
        ),
    ],
)
def test_the_real_traces(real: Path, name: str, rows: int, repairs: dict[str, int], mean: float) -> None:
    trace = qps.load(name, real)
    assert trace.origin.real and trace.label == name
    assert len(trace.frame) == rows
    assert dict(trace.repairs) == repairs
    assert trace.values.mean() == pytest.approx(mean, rel=1e-4)


def test_the_real_outages_of_nasa_are_where_the_publisher_puts_them(real: Path) -> None:
    values = qps.load("nasa", real).values
    for outage in qps.TRACES["nasa"].outages:
        first, last = outage.split(" (")[0].split(" to ")
        assert values.loc[first:last].isna().all()
        assert values.loc[[pd.Timestamp(first) - pd.Timedelta("1min")]].notna().all()
        assert values.loc[[pd.Timestamp(last) + pd.Timedelta("1min")]].notna().all()


@pytest.mark.parametrize(("name", "first"), [("elb", "2014-04-10 00:04:00"), ("goog", "2015-02-26 21:42:53")])
def test_the_real_grids_keep_their_offset(real: Path, name: str, first: str) -> None:
    assert qps.load(name, real).frame.index[0] == pd.Timestamp(first)
