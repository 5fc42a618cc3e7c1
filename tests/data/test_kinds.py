"""Kinds of files that people have, each with its siblings: read as they are meant, or refused with what decides."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.replay import to_requests_per_second
from edgeresearch.data.reader import Reading, read_stream, read_trace
from edgeresearch.errors import InputError

START = pd.Timestamp("2024-03-05 22:00")
VALUES = [12.5, 15.25, 11.0, 9.5, 14.0, 18.75, 13.0, 10.0, 16.5, 12.0, 15.0, 17.0]


def stamps(start: str | pd.Timestamp = START, step: str = "5min", rows: int = len(VALUES)) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=rows, freq=step)


def table(times: Any, values: Any = VALUES, header: str = "time,hits", separator: str = ",") -> str:
    rows = [f"{time}{separator}{value}" for time, value in zip(times, np.resize(values, len(times)), strict=True)]
    return "\n".join([header.replace(",", separator), *rows]) + "\n"


def read(folder: Path, data: str | bytes, name: str = "mine.csv", **options: Any) -> Any:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_trace(path, **options)


def refusal(folder: Path, data: str | bytes, name: str = "mine.csv", **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, data, name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder / name), "FILE")


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("%d.%m.%y %H:%M", START),
        ("%d/%m/%Y %H:%M", "2024-03-13"),
        ("%m/%d/%Y %I:%M:%S %p", "2024-03-13 11:00"),
        ("%d-%m-%Y", "2024-01-05"),
        ("%Y/%m/%d %H:%M:%S", START),
        ("%Y.%m.%d %H:%M", START),
        ("%Y%m%dT%H%M%SZ", START),
        ("%Y%m%d %H%M%S", START),
        ("%Y%m%d %H:%M:%S", START),
        ("%Y-%m-%d_%H:%M:%S", START),
        ("%Y-%m-%dT%H:%M", START),
        ("%Y-%m-%d %H:%M:%S,000", START),
        ("%Y-%m-%dT%H:%M:%S.%fZ", START),
        ("%Y-%m-%d %H:%M:%S UTC", START),
        ("%Y-%m-%d %H:%M:%S +00:00", START),
        ("%d %b %Y %H:%M", START),
        ("%d-%b-%y", "2024-03-05"),
        ("%b %d, %Y %I:%M %p", START),
        ("%a, %d %b %Y %H:%M:%S +0000", START),
        ("%a %b %d %H:%M:%S %Y", START),
        ("%d/%b/%Y:%H:%M:%S +0000", START),
        ("%Y%m%d%H", "2024-02-28 20:00"),
        ("%Y%m%d%H%M%S", START),
        ("%Y%m%d", "2024-02-25"),
    ],
)
def test_ways_to_write_a_time(form: str, start: str | pd.Timestamp, tmp_path: Path) -> None:
    step = "5min" if "%M" in form else "1h" if "%H" in form else "1D"
    times = stamps(start, step)
    trace = read(tmp_path, table(times.strftime(form), separator=";"))
    assert list(trace.frame.index) == list(times) and trace.values.tolist() == VALUES


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (stamps("2024-03-05").strftime("%d/%m/%y %H:%M"), {}, "may be 05 March 2024 (day first) or 03 May 2024"),
        (stamps("2024-03-13").strftime("%d/%m/%y %H:%M"), {}, "13 March 2024 (day first) or 24 March 2013 (year"),
        (stamps("2024-03-05").strftime("%y-%m-%d %H:%M"), {}, "24 March 2005 (day first) or 05 March 2024 (year"),
        (range(1980, 1992), {}, "1980 is no time that is recognised; say how it is written with `time_format`"),
        (stamps("2024-03-05", "1D").strftime("%y%m%d"), {}, "240305 is no time that is recognised"),
        (stamps().strftime("%y%m%d%H%M%S"), {}, "240305220000 is no time that is recognised"),
        ([739000 + k / 24 for k in range(12)], {}, "may be a day of MATLAB or a second from 0"),
        (range(19700, 19712), {}, "19700 may be a day since 1970 or a second from 0; say which with `time_format` ('d"),
        (range(638423424 * 10**9, 638423460 * 10**9, 3 * 10**9), {}, "a tick of .NET or ns since 1970"),
        (range(3789590400, 3789594000, 300), {}, "a second since 1904 (LabVIEW) or s since 1970"),
        (range(-157766400, -157762800, 300), {}, "-157766400 is no time that is recognised"),
        ([f"{k}/01/2024" for k in range(1, 13)], {}, "may be 02 January 2024 (day first) or 01 February 2024 (mon"),
        ([f"Dec 31 22:{k:02}:00" for k in range(12)], {}, "line 2: the time has no year; write it, too"),
        ([f"Dec 31 22:{k:02}" for k in range(12)], {"time_format": "%b %d %H:%M"}, "the times have no year, nor has"),
        (range(45292, 45304), {}, "45292 may be a day of Excel or a second from 0"),
        (stamps("2020-01-01", "MS").strftime("%b %Y"), {}, "the rows are calendar months or years"),
        (stamps("1980-01-01", "YS"), {}, "the rows are calendar months or years"),
        (stamps().strftime("%Y-%m-%d %H:%M PST"), {"tz": "Europe/Berlin"}, "are of PST, but Europe/Berlin has CE"),
        (["10:00", "10:05", "09:00", *["11:00"] * 9], {}, "line 4: '09:00' is before the one above; write the date"),
        (stamps("2024-03-31 01:00", "30min"), {"tz": "Europe/Berlin"}, "02:00:00 does not exist in Europe/Berlin"),
    ],
)
def test_times_of_which_two_readings_fit(times: Any, options: Any, message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, table(times), **options)


@pytest.mark.parametrize(
    ("times", "options", "first", "step"),
    [
        (stamps("2024-03-13").strftime("%d/%m/%y %H:%M"), {"time_format": "day-first"}, "2024-03-13", "5min"),
        (stamps("2024-03-05").strftime("%y-%m-%d %H:%M"), {"time_format": "%y-%m-%d %H:%M"}, "2024-03-05", "5min"),
        (stamps("2024-03-05", "1D").strftime("%y%m%d"), {"time_format": "%y%m%d"}, "2024-03-05", "1D"),
        (range(45292, 45304), {"time_format": "excel"}, "2024-01-01", "1D"),
        (range(19723, 19735), {"time_format": "days"}, "2024-01-01", "1D"),
        ([739252 + k / 24 for k in range(12)], {"time_format": "matlab"}, "2024-01-01", "1h"),
        (range(3789590400, 3789594000, 300), {"time_format": "labview"}, "2024-02-01", "5min"),
        (range(638423424 * 10**9, 638423460 * 10**9, 3 * 10**9), {"time_format": "ticks"}, "2024-02-01", "5min"),
        (range(-157766400, -157762800, 300), {"time_format": "s"}, "1965-01-01", "5min"),
        ([round(45292 + k / 24, 5) for k in range(12)], {}, "2024-01-01", "1h"),
        ([f"{45292 + k / 24:.6f}".replace(".", ",") for k in range(12)], {}, "2024-01-01", "1h"),
        ([1700000000000000001 + 300 * 10**9 * k for k in range(12)], {}, "2023-11-14 22:13:20.000000001", "5min"),
        (stamps("2024-01-01 23:30").strftime("%H:%M"), {}, "2024-01-01 23:30", "5min"),
        (stamps("2024-01-01 23:30")[::-1].strftime("%H:%M"), {}, "2024-01-01 23:30", "5min"),
        (stamps().strftime("%d-%m-%Y %H:%M"), {"tz": "Europe/Berlin", "time_format": "day-first"},
         "2024-03-05 21:00", "5min"),
    ],
)  # fmt: skip
def test_times_that_are_decided(times: Any, options: Any, first: str, step: str, tmp_path: Path) -> None:
    trace = read(tmp_path, table(times, separator=";"), **options)
    assert trace.frame.index[0] == pd.Timestamp(first) and trace.step == pd.Timedelta(step)
    assert sorted(trace.values) == sorted(VALUES)


@pytest.mark.parametrize(
    ("header", "form", "step"),
    [
        ("minutes,hits", "{k}", "1min"),
        ("elapsed_ms,hits", "{k}", "1ms"),
        ("date,hour,hits", "2024-01-01,{k}", "1h"),
        ("year,month,day,hour,hits", "2024,1,1,{k}", "1h"),
        ("Datum,Uhrzeit,Wert", "01.01.2024,00:{k:02}", "1min"),
        ("Uhrzeit,Datum,Wert", "00:{k:02},01.01.2024", "1min"),
        ("time hits", "2024-01-01 00:{k:02}", "1min"),
        ("date,time,hits", "20240101,00{k:02}00", "1min"),
        ("date,time,hits", "20240101,00{k:02}", "1min"),
        ("date,time,hits", "20240101,0:{k:02}", "1min"),
        ("date,hour,hits", "20240101,{k}", "1h"),
        ("year,doy,hits", "2024,{d}", "1D"),
        ("year,week,hits", "2024,{d}", "7D"),
        ("epoch,value", "{e}.0", "5min"),
    ],
)
def test_times_in_parts(header: str, form: str, step: str, tmp_path: Path) -> None:
    separator = " " if "," not in header else ","
    text = table(
        [form.format(k=k, d=k + 1, e=1704067200 + 300 * k) for k in range(12)],
        header=header.replace(" ", ","),
        separator=separator,
    )
    trace = read(tmp_path, text)
    assert list(trace.frame.index) == list(stamps("2024-01-01", step)) and trace.values.tolist() == VALUES


@pytest.mark.parametrize(
    ("header", "form", "message"),
    [
        ("year,hits", "{y}", "'year' may be the time, or a part of it; write the time in one column, or say the dist"),
        ("year,month,hits", "2024,{k}", "'year' may be the time, or a part of it"),
        ("year,week,hits", "2024,{y}", "'year' and 'week' give 2024-2000-1, which is no date"),
        ("date,time,hits", "20240101,{k}75", "'time' '0175' is no time of day beside 'date'; name one with `time`"),
        ("boot,hits", "{e}", "'boot' may be the time; name it with `time`, or delete it"),
        (";time,hits", "2024011420{k}", "';time' may be the time; name it with `time`, or delete it"),
    ],
)
def test_parts_that_may_be_the_time(header: str, form: str, message: str, tmp_path: Path) -> None:
    cells = [form.format(k=f"{k:02}", y=2000 + k, e=1704067200 + 300 * k + k**2 / 8) for k in range(1, 13)]
    cells[0] = cells[0].replace("2024,2001", "2024,2000")
    text = table(cells, header=header)
    assert message in refusal(tmp_path, text)
    if header == "year,hits":
        assert read(tmp_path, text, step="1min", value="hits").values.tolist() == VALUES


def test_an_index_says_the_time() -> None:
    counted = read_trace(pd.Series(VALUES, index=EPOCHS))
    assert list(counted.frame.index) == list(stamps()) and "times: s since 1970" in counted.notes
    assert list(read_trace(pd.Series(VALUES, index=[float(e) for e in EPOCHS])).frame.index) == list(stamps())
    assert read_trace(pd.Series(VALUES, index=range(5, 17)), step="1h").step == pd.Timedelta("1h")
    frame = pd.DataFrame({"time": VALUES, "cpu": VALUES[::-1]}, index=stamps())
    assert read_trace(frame, value="time").values.tolist() == VALUES
    with pytest.raises(InputError, match="'time', 'cpu' may all be the value"):
        read_trace(frame)
    beside = pd.DataFrame({"time": stamps(), "hits": VALUES}).set_index("time", drop=False)
    assert read_trace(beside).values.tolist() == VALUES


def test_rows_at_any_time_have_the_last_value_known(tmp_path: Path) -> None:
    passed = np.cumsum(np.random.default_rng(0).exponential(200, 100)).round(1)
    times = stamps("2024-01-01", "1D", 1)[0] + pd.to_timedelta(passed, unit="s")
    text = table(times, np.arange(100) % 9)
    assert "no common distance" in refusal(tmp_path, text)
    for step in ("5min", "1min"):
        trace = read(tmp_path, text, step=step)
        told = pd.Series(np.arange(100) % 9, times)
        assert trace.values.tolist() == [told[:time].iloc[-1] for time in trace.frame.index]
        assert any("has the last value known at its start" in note for note in trace.notes)
    assert "give a shorter `step`" in refusal(tmp_path, text, step="30D")
    assert "give a longer `step`" in refusal(tmp_path, text, step="7us")


def test_interleaved_series_when_clocks_are_put_back(tmp_path: Path) -> None:
    for step, rows in (("15min", 60), ("1h", 20)):
        times = pd.date_range("2024-10-26 20:00", periods=rows, freq=step, tz="Europe/Berlin")
        lines = [f"{time.tz_localize(None)},{host},{k % 5}" for k, time in enumerate(times) for host in "ab"]
        text = "\n".join(["time,host,hits", *lines])
        if step == "1h":
            message = refusal(tmp_path, text, tz="Europe/Berlin", sum=True)
            assert "write the offset from UTC beside each time, or keep one series with `where`" in message
            trace, factor = read(tmp_path, text, tz="Europe/Berlin", where="host=a"), 1
        else:
            trace, factor = read(tmp_path, text, tz="Europe/Berlin", sum=True), 2
        assert list(trace.frame.index) == list(times.tz_convert("UTC").tz_localize(None))
        assert trace.values.tolist() == [factor * (k % 5) for k in range(rows)]


def test_labels_that_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("time,sensor,temp\n" + "".join(f"{t},{s},{v + s}\n" for t, v in PAIRS for s in (1, 2)))
    with pytest.raises(InputError, match=r"told apart by sensor \(such as sensor=1\); name .* `columns` \(temp\)"):
        read_stream(path)
    assert read_stream(path, columns=["temp"]).frame["2"].tolist() == [value + 2 for value in VALUES]


@pytest.mark.parametrize("step", ["15min", "1h"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_clocks_put_back_are_named(step: str, zone: str, newest_first: bool, tmp_path: Path) -> None:
    times = pd.date_range("2024-10-20", "2024-11-10", freq=step, tz=zone)
    local = times.tz_localize(None)[:: -1 if newest_first else 1]
    text = table(local, np.arange(len(times)) % 7)
    message = refusal(tmp_path, text)
    assert "00 on stands there twice, as when clocks are put back; name the zone with `tz`" in message
    trace = read(tmp_path, text, tz=zone)
    assert list(trace.frame.index) == list(times.tz_convert("UTC").tz_localize(None))


def test_clocks_put_forward_are_told(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-30", "2024-04-01", freq="15min", tz="Europe/Berlin").tz_localize(None)
    text = table(times, np.arange(len(times)) % 7)
    told = "times: an hour is absent from 2024-03-31 02:00:00 on, as when clocks are put forward; `tz` names the zone"
    assert told in read(tmp_path, text).notes
    trace = read(tmp_path, text, tz="Europe/Berlin")
    assert not any("absent" in note for note in trace.notes) and trace.values.notna().all()


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["-5", "−3", "+2", "0"], [-5, -3, 2, 0]),
        (["12 %", "7 %", "9 %", "8 %"], [12, 7, 9, 8]),
        (["1.5 KiB", "900 B", "2 MiB", "3 KiB"], [1536, 900, 2097152, 3072]),
        (["150 ms", "1.2 s", "900 ms", "2 s"], [0.15, 1.2, 0.9, 2]),
        (["1.5 K req/s", "900 req/s", "2 K req/s", "3 req/s"], [1500, 900, 2000, 3]),
        (["1 234,50", "980,25", "1 100,00", "7,5"], [1234.5, 980.25, 1100, 7.5]),
        (["1'234.5", "980.25", "1'100.0", "7.5"], [1234.5, 980.25, 1100, 7.5]),
        (["1.5e3", "1.2E+3", "9e2", "1"], [1500, 1200, 900, 1]),
        (["12", "(null)", "\\N", "7"], [12, np.nan, np.nan, 7]),
        (["12", "n/a", "k.A.", "7"], [12, np.nan, np.nan, 7]),
        (["1.75k", "1.2k", "1k", "2k"], [1750, 1200, 1000, 2000]),
        (["1.75 K req/s", "1.2 K req/s", "1 K req/s", "2 K req/s"], [1750, 1200, 1000, 2000]),
        (["1.75krps", "1.2krps", "1krps", "2krps"], [1750, 1200, 1000, 2000]),
        (["15 ms", "12 ms", "10 ms", "20 ms"], [15, 12, 10, 20]),
        (["1500 KB", "1.5 MB", "7 KB", "1 GB"], [1.5e6, 1.5e6, 7e3, 1e9]),
        (["17,50,000", "1,50,000.5", "980", "7"], [1750000, 150000.5, 980, 7]),
    ],
)
def test_ways_to_write_a_number(cells: list[str], values: list[float], tmp_path: Path) -> None:
    np.testing.assert_allclose(read(tmp_path, table(stamps(), cells * 3, separator=";")).values, values * 3)


@pytest.mark.parametrize(
    ("cells", "separator", "message"),
    [
        (["4.238", "4.160", "4.392"], ";", "'4.238' may be 4238 or 4.238; say the decimal mark with `decimal`"),
        (["970", "1.030", "980"], "|", "'1.030' may be 1030 or 1.030"),
        (["4,238", "4,160", "4,392"], ";", "'4,238' may be 4238 or 4.238"),
        (["4.238", "4.160", "4.392"], "\t", "'4.238' may be 4238 or 4.238"),
        (['"4,238"', '"4,160"', '"4,392"'], ",", "'4,238' may be 4238 or 4.238"),
        (["1.5", "1,5", "1,234.5"], ";", "do not go together"),
        (["1.5", "12,5", "7"], ";", "'1.5' does not fit the decimal mark ','; write numbers alike"),
        (["12", "13", "-999"], ",", "line 4, column 'hits': -999 may be a value or stand for a missing one"),
        (["57 %", "0.3", "61 %"], ",", "line 3: no unit where others have '%'"),
        (["2 B", "900", "1.5 K"], ",", "unit"),
        (["$12", "$13", "$14"], ",", "has no column of numbers; columns: time, hits; 'hits' holds '$12'"),
        (["1", "#DIV/0!", "#REF!"], ",", "'hits' holds '#DIV/0!'"),
        (["12 # ok", "13 # ok", "7 # ok"], ",", "'hits' holds '12 # ok'"),
        (["12", "<5", "13"], ",", "line 3, column 'hits': '<5' is no finite number (4 such lines); leave"),
        (["12", "0x1f", "13"], ",", "'0x1f' is no finite number"),
    ],
)  # fmt: skip
def test_numbers_in_doubt(cells: list[str], separator: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, table(stamps(), cells * 4, separator=separator))


def test_a_decimal_mark_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    text = table(stamps(), ["12.34", "1.5", "7"], separator=";")
    assert "line 2, column 'hits': '12.34' does not fit the decimal mark ','; say another `decimal`" in refusal(
        tmp_path, text, decimal=","
    )
    assert read(tmp_path, table(stamps(), ["4.238", "1.030", "7"], separator=";"), decimal=",").values.max() == 4238


def test_what_stands_for_a_missing_value_can_be_said(tmp_path: Path) -> None:
    text = table(stamps(), [12, 13, -999, 11])
    assert read(tmp_path, text, missing="-999").values.isna().sum() == 3
    assert read(tmp_path, text, missing="none").values.min() == -999
    assert read(tmp_path, table(stamps(), ["12", "x", "13", "11"]), missing="x").values.isna().sum() == 3
    frame = pd.DataFrame({"hits": [12, 13, -999, 11] * 3}, index=stamps())
    assert read_trace(frame, missing="-999").values.isna().sum() == 3


@pytest.mark.parametrize(
    ("cells", "separator", "numbers"),
    [
        (["5.0", "-999.0", "7.0"], ",", ["-999"]),
        (["5,1", "-999,0", "7,3"], ";", ["-999"]),
        (["5 %", "-999 %", "7 %"], ",", ["-999"]),
        (["5.1", "-9999", "-0.5"], ",", ["-9999"]),
        (["5.1", "-9999", "-999.00", "6"], ",", ["-9999", "-999"]),
        (["-3", "-32768", "4"], ",", ["-32768"]),
        (["21.5", "999.9", "19.5"], ",", ["999.9"]),
        (["21.5", "9999", "-19.5"], ",", ["9999"]),
        (["21.5", "-500", "-19.5"], ",", ["-500"]),
    ],
)
def test_the_advice_on_numbers_that_may_be_missing_works(
    cells: list[str], separator: str, numbers: list[str], tmp_path: Path
) -> None:
    text = table(stamps(), cells, separator=separator)
    message = refusal(tmp_path, text)
    assert f"{' and '.join(numbers)} may be " in message
    assert f"say which with `missing` ({','.join(numbers)} or none)" in message
    for missing in (",".join(numbers), numbers):
        values = read(tmp_path, text, missing=missing).values
        assert values.dropna().nunique() == 2 and values.isna().any()
        channel = read_stream(tmp_path / "mine.csv", missing=missing).frame["hits"]
        assert channel.isna().sum() == (6 if len(numbers) > 1 else 4)
    assert read(tmp_path, text, missing="none").values.notna().all()


def test_several_words_may_stand_for_a_missing_value(tmp_path: Path) -> None:
    text = table(stamps(), ["12", "unknown", "-999.0", "Unavailable"])
    assert "(unknown,unavailable,-999 or unknown,unavailable,none)" in refusal(
        tmp_path, text, missing="unknown,unavailable"
    )
    for missing in ("unknown, unavailable,-999", ["unknown", "unavailable", "-999"]):
        with pytest.raises(InputError, match="constant"):
            read(tmp_path, text, missing=missing)
    assert read(tmp_path, text, missing="unknown,unavailable,none").values.min() == -999


@pytest.mark.parametrize("values", [[-98, 50, -99, 20], [900, 999, 950, 700], [-40, 12, -1, 3], [0, 50, 0, 1, 50]])
def test_numbers_among_the_others_are_values(values: list[int], tmp_path: Path) -> None:
    assert read(tmp_path, table(stamps(), values)).values.tolist() == np.resize(values, 12).tolist()


def test_numbers_that_are_text_elsewhere_are_doubted_as_in_a_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": stamps(), "hits": ["4.238", "4.160", "4.392"] * 4})
    with pytest.raises(InputError, match="'4.238' may be 4238 or 4.238; say the decimal mark with `decimal`"):
        read_trace(frame)
    assert read_trace(frame, decimal=",").values.max() == 4392
    text = json.dumps([{"time": str(time), "hits": f"{k},5"} for k, time in enumerate(stamps())])
    message = "row 0, column 'hits': '0,5' does not fit the decimal mark '.'; say another `decimal`"
    assert message in refusal(tmp_path, text)
    assert read(tmp_path, text, decimal=",", level=True).values.tolist() == [k + 0.5 for k in range(12)]


@pytest.mark.parametrize(
    "cells", [["980 req/s", "1.2 K req/s"], ["1.75 k req/s", "1.2 k req/s"], ["980 req/s", "9 req/s"]]
)
def test_the_unit_of_the_cells_is_that_of_the_series(cells: list[str], tmp_path: Path) -> None:
    trace = read(tmp_path, table(stamps(), cells, header="time,requests"))
    assert trace.unit == "requests (req/s)" and trace.values.max() in (980, 1200, 1750)
    np.testing.assert_array_equal(to_requests_per_second(trace), trace.values)


def test_columns_of_different_units_are_not_added_up(tmp_path: Path) -> None:
    text = table(stamps(), ["1 KB,2 MB", "3 KB,1 MB"], header="time,a,b")
    assert "the columns that are added up have KB and MB; name those of one unit" in refusal(tmp_path, text, sum=True)


@pytest.mark.parametrize(
    ("form", "hours"),
    [
        ("%a %b %d %Y %H:%M:%S GMT+0100", -1),
        ("%a %b %d %Y %H:%M:%S GMT+0100 (Central European Standard Time)", -1),
        ("%d %b %Y %H:%M:%S UTC+1", -1),
        ("%Y-%m-%d %H:%M UTC-5", 5),
        ("%d/%m/%Y %H:%M GMT+05:30", -5.5),
    ],
)
def test_offsets_from_gmt_count_eastwards(form: str, hours: float, tmp_path: Path) -> None:
    times = stamps("2024-02-13")
    trace = read(tmp_path, table(times.strftime(form)))
    assert list(trace.frame.index) == list(times + pd.Timedelta(hours=hours))


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d,{h}", "%d.%m.%Y,{h}", "%Y-%m-%d {h}:00", "%d.%m.%Y {h}:00:00", "%Y-%m-%dT{h}:00Z"]
)
def test_hour_24_is_midnight_of_the_next_day(form: str, tmp_path: Path) -> None:
    times = stamps("2024-01-31 18:00", "1h")
    written = [(time - pd.Timedelta("1h")).strftime(form).format(h=time.hour or 24) for time in times]
    trace = read(tmp_path, table(written, header="date,hour,hits" if "," in form else "time,hits"))
    assert list(trace.frame.index) == list(times) and trace.values.tolist() == VALUES
    assert "times: 24:00 is taken as 00:00 of the next day" in trace.notes


ROWS = table(stamps(), header="")[1:]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("time,200\n" + ROWS, "200"),
        ("2024-01-01,hits\n" + ROWS, "hits"),
        ("time,hits\n" + ROWS.replace("\n", ",\n"), "hits"),
        (",time,hits\n" + "".join(f"{k},{row}\n" for k, row in enumerate(ROWS.splitlines())), "hits"),
        ("time,hits\n" + "".join(f"{k},{row}\n" for k, row in enumerate(ROWS.splitlines(), 1)), "hits"),
        ("id,time,hits\n" + "".join(f"{k}00123,{row}\n" for k, row in enumerate(ROWS.splitlines(), 1)), "hits"),
        ("unix,time,hits\n" + "".join(f"{1.7e9 + 300 * k:.0f},{r}\n" for k, r in enumerate(ROWS.splitlines())), "hits"),
        ("port,time,hits\n" + "".join(f"8080,{row}\n" for row in ROWS.splitlines()), "hits"),
        ("time,hits\n(UTC),(req/s)\n" + ROWS, "hits (req/s)"),
        ("time,hits\n,req/s\n" + ROWS, "hits"),
        ("Report: hits\nFrom: 2024-01-01\n\ntime,hits\n" + ROWS, "hits"),
        ("time,hits\n" + ROWS + "Total,4800\n", "hits"),
        ("time,hits\n" + ROWS + "(12 rows)\n", "hits"),
        ("time,hits\n" + ROWS + "Moyenne,13.7\n", "hits"),
        ("time,hits\n" + ROWS + "Source: DWD\n\nmade by a tool\n", "hits"),
        ("sensor,time,hits\n" + "".join(f"#1,{row}\n" for row in ROWS.splitlines()), "hits"),
        ("| time | hits |\n+---+---+\n" + "".join(f"| {r.replace(',', ' | ')} |\n" for r in ROWS.splitlines())
         + "+---+---+\n12 rows in set (0.00 sec)\n", "hits"),
        ('time,"hits ""x"""\n' + ROWS, 'hits "x"'),
        ("\u6642\u9593,\u8981\u6c42\n" + ROWS, "\u8981\u6c42"),
    ],
)  # fmt: skip
def test_what_stands_around_the_values(text: str, unit: str, tmp_path: Path) -> None:
    trace = read(tmp_path, text)
    assert (trace.unit, trace.values.tolist(), list(trace.frame.index)) == (unit, VALUES, list(stamps()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,hits,hits\n" + ROWS.replace("\n", ",1\n", 5).replace("0\n", "0,3\n"), "FILE"),
        ("time,200,404\n" + "".join(f"{r},{r[-3:]}\n" for r in ROWS.splitlines()), "FILE: '200', '404' may all be the"),
        ("time,hits\n" + ROWS.replace("2024-03-05 22:10", '"2024-03-05 22:10'), "is a quote not closed?"),
        ("time,hits\n" + ROWS + "\nmemory\n" + ROWS, "FILE, line 15: 1 columns where there were 2 before"),
        ("time,hits\n" + ROWS + "2024-03-05 2\n", "FILE, line 14: 1 columns where there were 2 before"),
        ("<html><table></table></html>", "FILE is HTML or XML; export the table as CSV"),
        ('[{"t":"2024-01-01","v":1,"v":2}]', "FILE: an object has 'v' twice"),
        ("[" * 5000, "FILE is JSON, nested too deeply"),
        (json.dumps([{"t": str(t), "v": 10**400} for t in stamps()]), "FILE, row 0, column 'v': 'inf' is no finite"),
        ('{"columns": ["t"], "index": [0], "data": [[1], [2]]}', "FILE is JSON that is not as its tool writes it"),
        ('[{"target": "a", "datapoints": [[1]]}]', "FILE is JSON that is not as its tool writes it"),
        ("Hello world, this is text.\nAnother line, here.\n", "FILE: no column of times is recognised"),
    ],
)
def test_what_is_no_series(text: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize("words", [("timeout", "0"), ("1.2.3-rc", "2.0"), ("warmup", "7")])
@pytest.mark.parametrize("clock", [True, False])
def test_words_beside_good_values_are_no_preamble(words: tuple[str, str], clock: bool, tmp_path: Path) -> None:
    times = stamps() if clock else EPOCHS
    rows = [f"{time},{v},{words[k > 4]}" for k, (time, v) in enumerate(zip(times, VALUES, strict=True))]
    trace = read(tmp_path, "\n".join(["time,hits,note", *rows]), value="hits")
    assert trace.values.tolist() == VALUES and not any("skipped" in note for note in trace.notes)
    if words[0] != "warmup":
        return
    with pytest.raises(InputError, match="line 2, column 'note': 'warmup' is no finite number"):
        read_stream(tmp_path / "mine.csv")
    assert read_stream(tmp_path / "mine.csv", missing="warmup").frame["hits"].tolist() == VALUES


@pytest.mark.parametrize(("head", "rule"), [("hits\n", ""), ("", ""), ("hits\n", "----\n")])
def test_dashes_in_a_single_column_are_missing_values(head: str, rule: str, tmp_path: Path) -> None:
    trace = read(tmp_path, f"{head}{rule}5\n--\n7\n6\n", step="5min")
    np.testing.assert_array_equal(trace.values, [5, np.nan, 7, 6])
    beside = "a\tb\n5\t1\n--\t--\n7\t2\n6\t2\n"
    np.testing.assert_array_equal(read(tmp_path, beside, value="a", step="5min").values, [5, np.nan, 7, 6])


@pytest.mark.parametrize("name", ["uv_index", "hits_per_minute", "power_line", "status"])
def test_a_name_alone_makes_no_label_of_measured_values(name: str, tmp_path: Path) -> None:
    cells = [f"{k % 5 + (0.5 if name == 'status' else 0)},{v}" for k, v in enumerate(VALUES)]
    message = refusal(tmp_path, table(stamps(), cells, header=f"time,{name},battery"))
    assert f"'{name}', 'battery' may all be the value; name one with `value`" in message


def test_a_total_is_not_added_to_its_parts(tmp_path: Path) -> None:
    text = table(stamps(), [f"{v},{k % 3},{v + k % 3}" for k, v in enumerate(VALUES)], header="time,a,b,total")
    assert "'total' is the sum of the others, which would count twice; keep it alone" in refusal(
        tmp_path, text, sum=True
    )
    parts = read(tmp_path, text, sum=True, value="a+b").values.tolist()
    assert parts == read(tmp_path, text, value="total").values.tolist()
    rows = text.replace(",", "=").splitlines()[1:]
    cells = [row.split("=") for row in rows]
    below = "".join(f"{t},{host},{v}\n" for t, *vs in cells for host, v in zip(("a", "b", "all"), vs, strict=True))
    assert "'all' is the sum of the others" in refusal(tmp_path, "time,host,v\n" + below, sum=True)
    assert read(tmp_path, "time,host,v\n" + below, where="host=all").values.tolist() == parts


def long(offset: int = 0, names: tuple[str, ...] = ("a", "b")) -> str:
    rows = [
        f"{time + pd.Timedelta(seconds=offset * k)},{name},{value * (k + 1)}"
        for time, value in zip(stamps(), VALUES, strict=True)
        for k, name in enumerate(names)
    ]
    return "\n".join(["time,host,load", *rows]) + "\n"


@pytest.mark.parametrize("offset", [0, 7])
def test_series_below_each_other_are_never_mixed(offset: int, tmp_path: Path) -> None:
    """Also where each has its own times, as scrapes of several targets have."""
    text = long(offset)
    assert "told apart by host (such as host=a); keep one with `where`, or add them up with `sum`" in refusal(
        tmp_path, text
    )
    assert read(tmp_path, text, where="host=b").values.tolist() == [2 * value for value in VALUES]
    total = read(tmp_path, text, sum=True)
    assert total.values.tolist() == [3 * value for value in VALUES] and list(total.frame.index) == list(stamps())
    path = tmp_path / "mine.csv"
    assert read_stream(path).frame["b"].dropna().tolist() == [2 * value for value in VALUES]


def test_numbers_beside_the_value_tell_no_series_apart(tmp_path: Path) -> None:
    """As in the files of Aarhus: a row stands there twice with another `_id`, and speeds have few values."""
    rows = [
        f"{time},{50 + k % 3},668,{k},{value}" for k, (time, value) in enumerate(zip(stamps(), VALUES, strict=True))
    ]
    again = rows[3].replace(",3,", ",99,")
    text = "\n".join(["TIMESTAMP,avgSpeed,extID,_id,vehicleCount", *rows[6:], *rows[:6], again])
    trace = read(tmp_path, text, value="vehicleCount")
    assert trace.values.tolist() == VALUES and "step 5 min; sorted; 1 exact duplicate dropped" in trace.notes
    path = tmp_path / "mine.csv"
    assert read_stream(path).frame.columns.tolist() == ["avgSpeed", "vehicleCount"]


def test_a_sum_lacks_a_value_where_a_living_series_does(tmp_path: Path) -> None:
    rows = long().splitlines()
    total = read(tmp_path, "\n".join(rows[:8] + rows[9:]), sum=True).values  # host b lacks its fourth value
    assert np.isnan(total.iloc[3]) and total.notna().sum() == len(VALUES) - 1
    later = read(tmp_path, "\n".join([rows[0], rows[1], *rows[3:]]), sum=True).values  # host b begins later
    assert later.tolist() == [VALUES[0], *(3 * value for value in VALUES[1:])]


def test_counters_of_many_courses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.random(200) < 0.05)
    for name in ("errors_total", "errors", "request_count"):
        text = table(stamps(rows=200), slow, f"time,{name}")
        assert f"column {name!r} never falls" in refusal(tmp_path, text)
        assert read(tmp_path, text, rate=True).values.tolist() == np.diff(slow).tolist()
    sawtooth = 20 + 0.5 * (np.arange(400) % 160)
    for name in ("soc", "heap_total"):
        assert "falls 2 times only" in refusal(tmp_path, table(stamps(rows=400), sawtooth, f"time,{name}"))
    few = np.cumsum(np.random.default_rng(1).poisson(20, 200)) % 2500
    assert "falls 1 times only" in refusal(tmp_path, table(stamps(rows=200), few, "time,load"))
    assert read(tmp_path, table(stamps(rows=200), few, "time,load_total")).values.max() < 100
    wrapped = np.cumsum(rng.poisson(20, 200)) % 1000
    assert "falls 4 times only, to less than half" in refusal(tmp_path, table(stamps(rows=200), wrapped, "time,load"))
    assert read(tmp_path, table(stamps(rows=200), rng.poisson(20, 200), "time,requests_total")).values.max() > 20


def to_json(data: Any) -> str:
    return json.dumps(data, default=str)


EPOCHS = [int(time.timestamp()) for time in stamps()]
PAIRS = list(zip(EPOCHS, VALUES, strict=True))
TIMES = [time.isoformat() + "Z" for time in stamps()]
LOG = "".join(
    f'10.0.0.{k % 9} - bob [05/Mar/2024:10:{k // 60:02}:{k % 60:02} +0000] "GET /a HTTP/1.1" 200 {k}\n'
    for k in range(600)
    if k % 7
)


def prometheus(*metrics: dict[str, str]) -> str:
    result = [{"metric": m, "values": [[e, str(v * (k + 1))] for e, v in PAIRS]} for k, m in enumerate(metrics)]
    return to_json({"status": "success", "data": {"resultType": "matrix", "result": result}})


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (prometheus({}), {}),
        (prometheus({"__name__": "a", "pod": "x"}, {"__name__": "a", "pod": "y"}), {"where": "pod=x"}),
        (prometheus({"__name__": "a"}, {"__name__": "b"}), {"value": "a"}),
        (to_json({"Label": "x", "Datapoints": [{"Timestamp": t, "Sum": v, "Unit": "Count"} for t, v in
                                               zip(TIMES, VALUES, strict=True)][::-1]}), {}),
        (to_json({"MetricDataResults": [{"Id": "m", "Timestamps": TIMES, "Values": VALUES}], "Messages": []}), {}),
        (to_json([{"target": "a", "datapoints": [[v, e * 1000] for e, v in PAIRS]}]), {}),
        (to_json({"results": [{"series": [{"name": "c", "columns": ["time", "mean"], "values": PAIRS}]}]}), {}),
        (to_json({"hits": {"hits": [{"_source": {"@timestamp": t, "cpu": v}} for t, v in
                                    zip(TIMES, VALUES, strict=True)]}}), {}),
        (to_json({t: v for t, v in zip(TIMES, VALUES, strict=True)}), {}),
        (to_json({"hits": {str(e * 1000): v for e, v in PAIRS}}), {}),
        (to_json([[e * 1000, v] for e, v in PAIRS]), {}),
        (to_json([["time", "v"], *([t, v] for t, v in zip(TIMES, VALUES, strict=True))]), {}),
        ("".join(to_json({"@timestamp": t, "metric": {"cpu": v}}) + "\n" for t, v in
                 zip(TIMES, VALUES, strict=True)), {}),
        ("name: cpu\ntime mean\n---- ----\n" + "".join(f"{e}000000000 {v}\n" for e, v in PAIRS), {}),
        ('up{job="a"} => ' + "\n".join(f"{v} @[{e}]" for e, v in PAIRS), {}),
        ("Series;Time;Value\n" + "".join(f"hits;{t};{v}\n" for t, v in zip(TIMES, VALUES, strict=True)), {}),
    ],
)  # fmt: skip
def test_what_tools_write(text: str, options: Reading, tmp_path: Path) -> None:
    trace = read(tmp_path, text, "mine.txt", **options)
    assert trace.values.tolist() == VALUES and list(trace.frame.index) == list(stamps())


def test_tools_that_write_several_series(tmp_path: Path) -> None:
    for text, names in (
        (prometheus({"__name__": "a"}, {"__name__": "b"}), ["a", "b"]),
        (prometheus({"__name__": "a", "pod": "x"}, {"__name__": "a"}), ["x", "-"]),
    ):
        path = tmp_path / "mine.json"
        path.write_text(text)
        frame = read_stream(path).frame
        assert sorted(frame.columns) == sorted(names)
        assert sorted(frame.iloc[0]) == [VALUES[0], 2 * VALUES[0]]


@pytest.mark.parametrize("prefix", ["", "example.com:80 "])
def test_access_logs_are_counted(prefix: str, tmp_path: Path) -> None:
    text = "".join(prefix + line + "\n" for line in LOG.splitlines())
    trace = read(tmp_path, text, "access.log", count=True)
    truth = [sum(1 for k in range(60 * m, 60 * m + 60) if k % 7) for m in range(1, 9)]
    assert trace.values.tolist() == truth
    path = tmp_path / "access.log"
    assert read_stream(path, count=True).frame["requests"].tolist() == truth
    with pytest.raises(InputError, match="each line is a request; count them per step with `count` and `step`"):
        read_stream(path)
    with pytest.raises(InputError, match="`sum` is for one series; name channels with `columns`"):
        read_stream(path, sum=True)


@pytest.mark.parametrize("name", ["big.csv", "quoted.csv", "epochs.csv", "total.csv", "preamble.csv", "odd.csv"])
def test_a_long_file_is_read_at_once_and_alike(name: str, tmp_path: Path) -> None:
    """What is read at once must be what is read line by line, also with a line that is not plain near the end."""
    rows = 30_000
    values = np.random.default_rng(0).normal(500, 50, rows).round(2)
    times = stamps("2024-01-01", "1s", rows)
    text = table(times.strftime("%Y-%m-%dT%H:%M:%SZ") if name != "epochs.csv" else times.asi8 // 10**9, values)
    if name == "epochs.csv":
        text = table([int(time.timestamp()) for time in times], values)
    lines = text.splitlines()
    lines[9] = lines[9].split(",")[0] + ","
    if name == "quoted.csv":
        lines = [",".join(f'"{cell}"' for cell in line.split(",")) for line in lines]
    if name == "total.csv":
        lines.append("Total,123")
    if name == "preamble.csv":
        lines = ["# from the web", "Report of January", "", *lines]
    if name == "odd.csv":
        lines[-5] = lines[-5].split(",")[0] + ",x"
        assert f"line {rows - 3}, column 'hits': 'x' is no finite number" in refusal(tmp_path, "\n".join(lines))
        return
    values[8] = np.nan
    trace = read(tmp_path, "\n".join(lines))
    np.testing.assert_array_equal(trace.values, values)
    assert trace.frame.index[-1] == times[-1] and "step 1 s; 1 value missing" in trace.notes
    skipped = ["skipped: 2 lines before the table", "skipped: 1 comment line"] if name == "preamble.csv" else []
    skipped = ["skipped: 1 line of totals"] if name == "total.csv" else skipped
    assert [note for note in trace.notes if note.startswith("skipped")] == skipped


@pytest.mark.parametrize("damage", ["", "# a comment\n", "Summe;1,5\n", "time;hits\n", "32.01.2024 00:00:00;1,5\n"])
def test_a_long_german_file_is_read_by_days(damage: str, tmp_path: Path) -> None:
    times = stamps("2024-01-01", "2s", 50_000)
    values = np.random.default_rng(0).normal(500, 50, len(times)).round(2)
    text = table(times.strftime("%d.%m.%Y %H:%M:%S"), [f"{v:.2f}".replace(".", ",") for v in values], separator=";")
    lines = text.splitlines(keepends=True)
    text = "".join([*lines[:-3], damage, *lines[-3:]])
    if damage.startswith(("32", "Summe")):
        assert f"line {len(lines) - 2}: '{damage.partition(';')[0].partition(' ')[0]}' is no time" in refusal(
            tmp_path, text
        )
        return
    trace = read(tmp_path, text)
    assert list(trace.frame.index) == list(times) and "times: day first, as dates with dots are" in trace.notes
    np.testing.assert_array_equal(trace.values, values)


def test_parquet_of_many_types(tmp_path: Path) -> None:
    for frame, first in (
        (pd.DataFrame({"hits": VALUES}, index=stamps().tz_localize("Europe/Berlin")), START - pd.Timedelta(hours=1)),
        (pd.DataFrame({"ts": EPOCHS, "hits": VALUES}), START),
        (pd.DataFrame({"d": [time.date() for time in stamps("2024-01-01", "1D")], "hits": VALUES}), "2024-01-01"),
    ):
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        trace = read(tmp_path, buffer.getvalue(), "mine.parquet")
        assert trace.values.tolist() == VALUES and trace.frame.index[0] == pd.Timestamp(first)
