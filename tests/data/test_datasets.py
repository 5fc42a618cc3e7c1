"""The data sets of both papers: what is known of each file, and how it is read."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from edgeresearch.data import datasets
from edgeresearch.data.datasets import is_real
from edgeresearch.errors import InputError
from edgeresearch.provenance import sha256

Put = Callable[[str, str], Path]
TRAFFIC = "aarhus_traffic/trafficData158324.csv.gz"
POLLUTION = "aarhus_pollution/pollutionData158324.csv.gz"
HEADER = "status,avgMeasuredTime,avgSpeed,extID,medianMeasuredTime,TIMESTAMP,vehicleCount,_id,REPORT_ID"


def _traffic(*rows: tuple[str, int, int, int]) -> str:
    """Build a file from rows of time, count, speed and measured time, with the line ends of the publisher."""
    lines = []
    for number, (at, count, speed, time) in enumerate(rows):
        lines.append(f"OK,{time},{speed},668,{time},2014-08-01T{at}:00,{count},{1000 + number},158324")
    return "\r\n".join([HEADER, *lines]) + "\r\n"


def test_traffic_on_its_grid(put: Put) -> None:
    folder = put(TRAFFIC, _traffic(("07:50", 5, 50, 74), ("07:55", 6, 51, 73), ("08:00", 4, 60, 61)))
    trace = datasets.load_traffic(folder, 158324)
    assert trace.name == "traffic_158324"
    assert list(trace.frame.columns) == ["vehicle_count", "avg_speed", "avg_measured_time"]
    assert trace.frame.iloc[0].tolist() == [5.0, 50.0, 74.0]
    assert trace.frame.index[0] == pd.Timestamp("2014-08-01 07:50")
    assert (trace.step, trace.unit, trace.seasonality) == (pd.Timedelta("5min"), "vehicles per 5 min", 288)
    assert not trace.origin.real
    assert set(trace.repairs.values()) == {0}


def test_rows_are_sorted_and_duplicates_dropped_and_counted(put: Put) -> None:
    rows = [
        ("08:00", 4, 60, 61),
        ("07:50", 5, 50, 74),
        ("07:50", 5, 50, 74),
        ("07:55", 6, 51, 73),
        ("07:55", 7, 51, 73),
    ]
    lines = _traffic(*rows).splitlines()
    lines[3] = lines[2]  # an exact duplicate repeats the ids too
    trace = datasets.load_traffic(put(TRAFFIC, "\r\n".join(lines) + "\r\n"), 158324)
    assert trace.values.tolist() == [5.0, 6.0, 4.0]
    assert trace.repairs["unsorted"] == 1
    assert trace.repairs["exact_duplicates"] == 1
    assert trace.repairs["conflicting_duplicates"] == 1


def test_absent_slots_are_nan_in_every_column(put: Put) -> None:
    trace = datasets.load_traffic(put(TRAFFIC, _traffic(("07:50", 5, 50, 74), ("08:05", 6, 51, 73))), 158324)
    assert trace.frame.isna().all(axis=1).tolist() == [False, True, True, False]
    assert trace.repairs["absent"] == 2


def test_the_speed_that_a_feed_without_vehicles_repeats_is_nan(put: Put) -> None:
    rows = [
        ("07:50", 5, 50, 74),
        ("07:55", 0, 50, 74),
        ("08:00", 0, 50, 74),
        ("08:05", 0, 52, 70),
        ("08:10", 3, 52, 70),
    ]
    trace = datasets.load_traffic(put(TRAFFIC, _traffic(*rows)), 158324)
    assert trace.values.tolist() == [5.0, 0.0, 0.0, 0.0, 3.0]
    assert trace.frame["avg_speed"].isna().tolist() == [False, True, True, False, False]
    assert trace.frame["avg_measured_time"].isna().tolist() == [False, True, True, False, False]
    assert trace.repairs["repeated_speed"] == 2


def test_the_speed_is_repeated_across_an_absent_slot_too(put: Put) -> None:
    trace = datasets.load_traffic(put(TRAFFIC, _traffic(("07:50", 5, 50, 74), ("08:00", 0, 50, 74))), 158324)
    assert trace.repairs["repeated_speed"] == 1


def test_rows_of_zeros_are_no_measurement(put: Put) -> None:
    rows = [("07:50", 5, 50, 74), ("07:55", 0, 0, 0), ("08:00", 0, 0, 0), ("08:05", 2, 50, 74)]
    trace = datasets.load_traffic(put(TRAFFIC, _traffic(*rows)), 158324)
    assert trace.frame.isna().all(axis=1).tolist() == [False, True, True, False]
    assert (trace.repairs["all_zero"], trace.repairs["repeated_speed"]) == (2, 0)


def test_stamps_beside_the_grid_are_counted(put: Put) -> None:
    trace = datasets.load_traffic(
        put(TRAFFIC, _traffic(("07:50", 5, 50, 74), ("07:55", 6, 51, 73), ("08:01", 4, 60, 61))), 158324
    )
    assert len(trace.frame) == 3
    assert trace.repairs["off_grid"] == 1


def test_the_earlier_period_has_its_own_name(put: Put) -> None:
    folder = put("aarhus_traffic/trafficData158355_feb_jun_2014.csv.gz", _traffic(("07:50", 5, 50, 74)))
    assert datasets.load_traffic(folder, 158355, "feb_jun").name == "traffic_158355_feb_jun"


def test_a_bad_stamp_is_an_error(put: Put) -> None:
    with pytest.raises(InputError, match="line 3: no time stamp"):
        datasets.load_traffic(put(TRAFFIC, _traffic(("07:50", 5, 50, 74), ("7:5x", 5, 50, 74))), 158324)


def test_pollution_says_that_it_was_generated(put: Put) -> None:
    text = "ozone,particullate_matter,carbon_monoxide,sulfure_dioxide,nitrogen_dioxide,longitude,latitude,timestamp\r\n"
    text += "101,94,49,44,87,10.1,56.2,2014-08-01 00:05:00\r\n106,97,48,47,86,10.1,56.2,2014-08-01 00:10:00\r\n"
    trace = datasets.load_pollution(put(POLLUTION, text), 158324)
    assert tuple(trace.frame.columns) == datasets.POLLUTANTS
    assert trace.values.tolist() == [101.0, 106.0]
    assert trace.seasonality is None
    assert trace.origin.note.endswith("generated by the publisher, not measured")


@pytest.mark.parametrize(("load", "kind"), [(datasets.load_traffic, "traffic"), (datasets.load_pollution, "pollution")])
def test_an_unknown_sensor_lists_some_known_ones(load: Callable[..., object], kind: str, put: Put) -> None:
    for sensor in range(6):
        folder = put(f"aarhus_{kind}/{kind}Data{sensor}.csv.gz", "")
    with pytest.raises(InputError, match=rf"no {kind} sensor .*7.csv.gz.*: 0, 1, 2, 3, 4, …$"):
        load(folder, 7)


def test_an_unknown_sensor_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sensors in .*: none, fetch the data first"):
        datasets.load_traffic(tmp_path, 7)
    with pytest.raises(InputError, match="no file"):
        datasets.load_traffic(tmp_path, 158324)


def test_sensors_are_listed_ascending_and_without_the_earlier_period(put: Put) -> None:
    for name in ("209774", "158324", "158355_feb_jun_2014"):
        folder = put(f"aarhus_traffic/trafficData{name}.csv.gz", "")
    put(datasets.METADATA, "")
    assert datasets.list_sensors(folder) == [158324, 209774]
    assert datasets.list_sensors(folder, "pollution") == []


@pytest.mark.parametrize("kind", ["traffic", "pollution"])
def test_the_first_sensors_are_those_of_the_lowest_numbers(real: Path, kind: Literal["traffic", "pollution"]) -> None:
    several = datasets.load_sensors(real, kind, 2)
    assert [trace.name for trace in several] == [f"{kind}_{number}" for number in datasets.list_sensors(real, kind)[:2]]


def test_more_sensors_than_there_are_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0 traffic sensors in .*, not 3; fetch the data first"):
        datasets.load_sensors(tmp_path, "traffic", 3)


def test_metadata(put: Put) -> None:
    text = "REPORT_ID,POINT_1_STREET,ROAD_TYPE,DISTANCE_IN_METERS,NDT_IN_KMH,"
    text += "POINT_1_LAT,POINT_1_LNG,POINT_2_LAT,POINT_2_LNG,x\r\n"
    text += "2,Åvej,MAJOR_ROAD,1030,71,56.2,10.1,56.3,10.2,y\r\n1,Bvej,STREET,99,50,56.2,10.1,56.3,10.2,y\r\n"
    table = datasets.load_metadata(put(datasets.METADATA, text))
    assert table.index.tolist() == [1, 2]
    assert table.loc[2, "street"] == "Åvej"
    assert table.loc[2, ["length", "free_flow"]].tolist() == [1030, 71]


def test_the_real_traffic_of_the_first_sensor(real: Path) -> None:
    trace = datasets.load_traffic(real, 158324)
    assert trace.origin.real
    assert len(trace.frame) == 17474
    assert trace.repairs == {
        "unsorted": 1,
        "exact_duplicates": 4,
        "conflicting_duplicates": 0,
        "off_grid": 0,
        "absent": 539,
        "all_zero": 0,
        "repeated_speed": 4396,
    }
    observed = trace.values.dropna()
    assert trace.values.isna().mean() == pytest.approx(0.0308, abs=5e-4)
    assert (observed == 0).mean() == pytest.approx(0.282, abs=1e-3)
    assert observed.mean() == pytest.approx(4.327, abs=1e-2)


@pytest.mark.parametrize("sensor", [203954, 206263])
def test_real_quiet_sensors_have_rows_of_zeros(real: Path, sensor: int) -> None:
    trace = datasets.load_traffic(real, sensor)
    assert trace.repairs["all_zero"] > 100
    assert trace.frame["vehicle_count"].isna().sum() == trace.repairs["absent"] + trace.repairs["all_zero"]
    assert trace.frame["avg_speed"].min() > 0


def test_the_real_earlier_period_has_sixteen_duplicates(real: Path) -> None:
    trace = datasets.load_traffic(real, 158355, "feb_jun")
    assert (trace.repairs["exact_duplicates"], trace.repairs["absent"]) == (16, 1311)


def test_the_real_sensors_and_their_metadata(real: Path) -> None:
    sensors = datasets.list_sensors(real)
    assert len(sensors) == 42
    assert datasets.list_sensors(real, "pollution") == sensors
    table = datasets.load_metadata(real)
    assert len(table) == 449
    assert set(sensors) <= set(table.index)


def test_the_real_pollution_is_a_bounded_random_walk(real: Path) -> None:
    trace = datasets.load_pollution(real, 158324)
    assert trace.origin.real
    assert len(trace.frame) == 17568
    assert set(trace.repairs.values()) == {0}
    assert (trace.frame.min().min(), trace.frame.max().max()) == (15.0, 215.0)
    assert np.abs(np.diff(trace.values)).max() <= 10


NAMES = ["nasa", "worldcup98", "elb", "goog", "wiki_de", "retailrocket", "twitter_second", "twitter_minute"]


def _rows(name: str, stamps: pd.DatetimeIndex, values: list[float]) -> str:
    spec = datasets.REQUEST_TRACES[name]
    lines = [f"{stamp:%Y-%m-%d %H:%M:%S},{value}" for stamp, value in zip(stamps, values, strict=True)]
    return "\n".join([f"{spec.time},{next(iter(spec.columns))}", *lines]) + "\n"


def _seconds(values: list[int]) -> str:
    return "\n".join(["count", *map(str, values)]) + "\n"


def test_the_traces_have_their_names_and_pinned_files() -> None:
    assert sorted(datasets.REQUEST_TRACES) == sorted(NAMES)
    assert {spec.file for spec in datasets.REQUEST_TRACES.values()} <= set(datasets.pins())


@pytest.mark.parametrize(
    ("name", "season"), [("nasa", 1440), ("elb", 288), ("twitter_second", 86400), ("twitter_minute", 1440)]
)
def test_a_season_is_a_day(name: str, season: int) -> None:
    assert datasets.REQUEST_TRACES[name].season == season


def test_short_runs_of_absent_nasa_minutes_are_zeros_and_long_ones_outages(put: Put) -> None:
    grid = pd.date_range("1995-07-01", periods=200, freq="min")
    kept = grid[[0, 1, 3, 64, 126, 127, 199]]  # runs of 1, 60, 61, 0 and 71 absent minutes
    trace = datasets.load_requests("nasa", put(datasets.REQUEST_TRACES["nasa"].file, _rows("nasa", kept, [5] * 7)))
    values = trace.values
    assert values.loc[grid[2]] == 0
    assert (values.loc[grid[4:64]] == 0).all()
    assert values.loc[grid[65:126]].isna().all()
    assert values.loc[grid[128:199]].isna().all()
    assert trace.repairs["absent"] == 193
    assert (trace.repairs["zeros"], trace.repairs["outages"], trace.repairs["outage_slots"]) == (61, 2, 132)


@pytest.mark.parametrize("name", ["worldcup98", "elb", "wiki_de", "retailrocket", "goog"])
def test_absent_slots_elsewhere_are_never_invented(name: str, put: Put) -> None:
    spec = datasets.REQUEST_TRACES[name]
    stamps = pd.date_range("2014-04-10 00:04:53", periods=5, freq=spec.step)
    trace = datasets.load_requests(name, put(spec.file, _rows(name, stamps[[0, 1, 4]], [1, 2, 5])))
    assert trace.values.isna().tolist() == [False, False, True, True, False]
    assert trace.repairs["absent"] == 2
    assert trace.frame.index[0] == stamps[0]
    assert (trace.step, trace.unit, trace.seasonality) == (spec.step, spec.unit, spec.season)
    assert list(trace.frame.columns) == ["requests"]


@pytest.mark.parametrize("name", ["wiki_de", "retailrocket"])
def test_rescaled_traces_say_so(name: str, put: Put) -> None:
    stamps = pd.date_range("2019-07-01", periods=2, freq="5min")
    trace = datasets.load_requests(name, put(datasets.REQUEST_TRACES[name].file, _rows(name, stamps, [1.5, 2.5])))
    assert "rescaled by the publisher" in trace.origin.note
    assert trace.values.tolist() == [1.5, 2.5]


def test_zeros_of_the_twitter_archive_are_gaps(put: Put) -> None:
    trace = datasets.load_requests(
        "twitter_second", put(datasets.REQUEST_TRACES["twitter_second"].file, _seconds([5, 0, 0, 7, 0, 9]))
    )
    assert trace.values.isna().tolist() == [False, True, True, False, True, False]
    assert trace.repairs == {"gaps": 2, "gap_slots": 3}
    assert trace.frame.index[0] == pd.Timestamp("2021-08-01")
    assert trace.step == pd.Timedelta("1s")


def test_minutes_of_twitter_are_sums_of_whole_observed_minutes(put: Put) -> None:
    seconds = [1] * 60 + [2] * 59 + [0] + [3] * 60 + [4] * 59
    trace = datasets.load_requests(
        "twitter_minute", put(datasets.REQUEST_TRACES["twitter_minute"].file, _seconds(seconds))
    )
    np.testing.assert_array_equal(trace.values, [60, np.nan, 180])
    assert trace.repairs == {"gaps": 1, "gap_slots": 1, "partial_dropped": 59, "masked_slots": 1}
    assert trace.step == pd.Timedelta("1min")


def test_an_unknown_trace_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown request trace 'nsa'; choose one of nasa, worldcup98"):
        datasets.load_requests("nsa", tmp_path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file .*fetch the data first"):
        datasets.load_requests("elb", tmp_path)


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
    trace = datasets.load_requests(name, real)
    assert trace.origin.real and trace.label == name
    assert len(trace.frame) == rows
    assert dict(trace.repairs) == repairs
    assert trace.values.mean() == pytest.approx(mean, rel=1e-4)


def test_the_real_outages_of_nasa_are_where_the_publisher_puts_them(real: Path) -> None:
    values = datasets.load_requests("nasa", real).values
    for outage in datasets.REQUEST_TRACES["nasa"].outages:
        first, last = outage.split(" (")[0].split(" to ")
        assert values.loc[first:last].isna().all()
        assert values.loc[[pd.Timestamp(first) - pd.Timedelta("1min")]].notna().all()
        assert values.loc[[pd.Timestamp(last) + pd.Timedelta("1min")]].notna().all()


@pytest.mark.parametrize(("name", "first"), [("elb", "2014-04-10 00:04:00"), ("goog", "2015-02-26 21:42:53")])
def test_the_real_grids_keep_their_offset(real: Path, name: str, first: str) -> None:
    assert datasets.load_requests(name, real).frame.index[0] == pd.Timestamp(first)


NAME = "qps/dsp_wiki_de_5min.csv.gz"


def test_the_packaged_registry_pins_every_file() -> None:
    pins = datasets.pins()
    assert len(pins) == 99
    assert [name for name, pin in pins.items() if not pin.identical] == [
        "qps/twitter_stream_aug_2021_per_second.csv.gz"
    ]
    for name, pin in pins.items():
        assert pin.file == name and name.endswith(".csv.gz")
        assert pin.url.startswith("https://raw.githubusercontent.com/")
        assert re.fullmatch("[0-9a-f]{64}", pin.sha256) and re.fullmatch("[0-9a-f]{64}", pin.sha256_csv)


def test_the_pins_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        datasets.pins()["x"] = datasets.find_pin(NAME)  # type: ignore[index]


def test_an_unknown_file_names_the_nearest() -> None:
    with pytest.raises(InputError, match=f"unknown data file 'qps/wiki_de.csv.gz'; nearest: {re.escape(NAME)}"):
        datasets.find_pin("qps/wiki_de.csv.gz")
    with pytest.raises(InputError, match=r"nearest: aarhus_traffic/trafficData158324\.csv\.gz; see registry\.csv"):
        datasets.find_pin("trafficData158324")


def test_content_decompresses_gz_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"hello"))
    (tmp_path / "a.csv").write_bytes(b"hello")
    assert datasets.read_bytes(tmp_path / "a.gz") == datasets.read_bytes(tmp_path / "a.csv") == b"hello"


@pytest.mark.parametrize("damage", [b"", b"no gzip at all", gzip.compress(b"x" * 99, mtime=0)[:20]])
def test_a_damaged_file_is_an_error_and_not_real(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(damage)
    if damage:
        with pytest.raises(InputError, match="damaged gzip file"):
            datasets.read_bytes(path)
    assert not is_real(path, NAME)


def test_a_corrupt_body_is_damaged(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(bytes(range(256)) * 40))
    data[40:60] = bytes(20)
    (tmp_path / "a.gz").write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged gzip file"):
        datasets.read_bytes(tmp_path / "a.gz")


def test_a_missing_or_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        datasets.read_bytes(tmp_path / "a.gz")
    with pytest.raises(InputError, match="cannot read"):
        datasets.read_bytes(tmp_path)


def test_the_decompressed_bytes_decide_what_is_real(pinned: Callable[..., None], tmp_path: Path) -> None:
    pinned({NAME: b"date,messages\n"})
    path = tmp_path / "x.csv.gz"
    for level in (1, 9):
        path.write_bytes(gzip.compress(b"date,messages\n", compresslevel=level, mtime=level))
        assert is_real(path, NAME)
    path.write_bytes(gzip.compress(b"date,messages\n "))
    assert not is_real(path, NAME)
    assert not is_real(tmp_path / "missing.csv.gz", NAME)


def test_reading_gives_the_origin(pinned: Callable[..., None], put: Callable[[str, str], Path]) -> None:
    text = "date,messages,more\n2019-07-01,5,6\n"
    pinned({NAME: text.encode()})
    table, origin = datasets.read_columns(put(NAME, text), NAME, ["messages", "date"], "a note")
    assert list(table.columns) == ["messages", "date"]
    assert (origin.source, origin.file, origin.real, origin.note) == ("registry", NAME, True, "a note")
    assert origin.sha256 == sha256(text.encode())


def test_a_stand_in_is_marked(put: Callable[[str, str], Path]) -> None:
    _, origin = datasets.read_columns(put(NAME, "date,messages\n2019-07-01,5\n"), NAME, ["messages"])
    assert (origin.source, origin.real, origin.note) == ("synthetic", False, "not the pinned file: a stand-in")


def test_a_file_without_the_column_is_an_error(put: Callable[[str, str], Path]) -> None:
    with pytest.raises(InputError, match="cannot read .*messages"):
        datasets.read_columns(put(NAME, "date,other\n1,2\n"), NAME, ["messages"])


def test_the_files_are_pinned() -> None:
    assert {spec.file for spec in datasets.UTILISATION_TRACES.values()} <= set(datasets.pins())


def test_percent_stays_percent(put: Put) -> None:
    text = "cpu_util_percent,mem_util_percent,net_in,net_out,disk_io_percent\n16.1,87.1,1,2,3\n18.4,86.8,1,2,3\n"
    trace = datasets.load_utilisation("alibaba_day1", put(datasets.UTILISATION_TRACES["alibaba_day1"].file, text))
    assert trace.frame.to_dict("list") == {"cpu_percent": [16.1, 18.4], "memory_percent": [87.1, 86.8]}
    assert trace.frame.index[1] - trace.frame.index[0] == trace.step == pd.Timedelta("10s")
    assert trace.seasonality is None


def test_shares_become_percent(put: Put) -> None:
    text = "avg_cpu,avg_mem,avg_assigned_mem,avg_cycles_per_instruction\n0.25,0.5,0.6,148\n0.5,0.75,0.6,148\n"
    trace = datasets.load_utilisation("google2019", put(datasets.UTILISATION_TRACES["google2019"].file, text))
    assert trace.frame.to_dict("list") == {"cpu_percent": [25.0, 50.0], "memory_percent": [50.0, 75.0]}
    assert (trace.unit, trace.seasonality) == ("percent", 288)


@pytest.mark.parametrize("name", ["ec2_825cc2", "asg_misconfiguration"])
def test_stamped_files_have_no_memory_and_keep_their_gaps(name: str, put: Put) -> None:
    text = "timestamp,value\n2014-04-10 00:04:00,91.9\n2014-04-10 00:14:00,94.7\n"
    trace = datasets.load_utilisation(name, put(datasets.UTILISATION_TRACES[name].file, text))
    assert list(trace.frame.columns) == ["cpu_percent"]
    assert trace.values.isna().tolist() == [False, True, False]
    assert trace.repairs["absent"] == 1


def test_an_unknown_trace_lists_the_known_ones_utilisation(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown utilisation trace 'x'; choose one of alibaba_8days"):
        datasets.load_utilisation("x", tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "absent", "mean"),
    [
        ("alibaba_8days", 2243, 0, 40.176),
        ("alibaba_day1", 8641, 0, 33.329),
        ("google2019", 8064, 0, 47.282),
        ("ec2_825cc2", 4034, 2, 89.791),
        ("asg_misconfiguration", 18050, 0, 38.283),
    ],
)
def test_the_real_traces_utilisation(real: Path, name: str, rows: int, absent: int, mean: float) -> None:
    trace = datasets.load_utilisation(name, real)
    assert trace.origin.real
    assert len(trace.frame) == rows
    assert trace.repairs["absent"] == absent
    assert trace.values.mean() == pytest.approx(mean, abs=1e-2)
    assert trace.frame.min().min() >= 0 and trace.frame.max().max() <= 100


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("elb", ["requests"]),
        ("ec2_825cc2", ["cpu_percent"]),
        ("traffic_158324", ["vehicle_count", "avg_speed", "avg_measured_time"]),
        ("traffic_158355_feb_jun", ["vehicle_count", "avg_speed", "avg_measured_time"]),
        ("pollution_158324", list(datasets.POLLUTANTS)),
    ],
)
def test_a_data_set_that_is_not_here_is_a_stand_in_that_says_so(
    name: str, columns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGERESEARCH_DATA_MIRROR", raising=False)
    trace = datasets.load_dataset(name, seed=1)
    assert (trace.name, list(trace.frame.columns), trace.origin.real) == (name, columns, False)
    assert trace.notes[-1].startswith("SYNTHETIC DATA: ")
    pd.testing.assert_frame_equal(trace.frame, datasets.load_dataset(name, seed=1).frame)
    with pytest.raises(InputError, match="no file .*fetch the data first"):
        datasets.load_dataset(name, tmp_path)


def test_a_data_set_comes_from_the_folder_then_from_the_mirror(
    put: Put, pinned: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "timestamp,value\n2014-04-10 00:04:00,94.0\n2014-04-10 00:09:00,5.0\n"
    name = datasets.REQUEST_TRACES["elb"].file
    folder = put(name, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGERESEARCH_DATA_MIRROR", str(folder))
    assert "is a stand-in" in datasets.load_dataset("elb").notes[-1]
    pinned({name: text.encode()})
    for trace in (datasets.load_dataset("elb"), datasets.load_dataset("elb", mirror=folder)):
        assert trace.origin.real and trace.notes == () and trace.values.tolist() == [94.0, 5.0]
    here = tmp_path / "data" / "raw" / name
    here.parent.mkdir(parents=True)
    here.write_bytes(gzip.compress(text.replace("94", "95").encode()))
    assert datasets.load_dataset("elb").values.iloc[0] == 95


def test_the_stand_in_for_paper_a_is_made_in_memory() -> None:
    first, second = (datasets.load_dataset("paper_a", seed=seed) for seed in (1, 2))
    assert first.label == "paper_a (synthetic)"
    assert not first.values.equals(second.values)


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown data set 'el'; did you mean elb\?; choose one of nasa.*paper_a"):
        datasets.load_dataset("el")
