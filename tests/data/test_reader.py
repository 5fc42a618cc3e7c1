"""One reader for the shapes that people's files have: the same numbers come back, or a reason why not."""

import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeresearch.data.reader import Reading, read_stream, read_trace
from edgeresearch.data.trace import Origin
from edgeresearch.errors import InputError
from edgeresearch.provenance import sha256

STEP = pd.Timedelta("5min")
Pairs = list[tuple[pd.Timestamp, float]]


class Shape(NamedTuple):
    """How a series is written, and what has to be said to read it."""

    write: Callable[[Pairs], str | bytes]
    options: Reading = {}
    suffix: str = ".csv"


def lines(row: str, header: str = "time,hits\n", footer: str = "") -> Callable[[Pairs], str]:
    """Return a writer of one line per value."""
    return lambda pairs: header + "".join(row.format(t=t, v=v, e=int(t.timestamp())) for t, v in pairs) + footer


def comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def to_parquet(pairs: Pairs) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(pairs, columns=["time", "hits"]).to_parquet(buffer)
    return buffer.getvalue()


def local(time: pd.Timestamp) -> str:
    return (time + pd.Timedelta("2h")).isoformat()


def to_pandas(pairs: Pairs) -> str:
    return str(pd.DataFrame(pairs, columns=["time", "hits"]).to_json(orient="split", date_format="iso"))


def to_prometheus(pairs: Pairs) -> str:
    values = [[int(t.timestamp()), str(v)] for t, v in pairs]
    result = [{"metric": {"__name__": "hits", "job": "api"}, "values": values}]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def to_cloudwatch(pairs: Pairs) -> str:
    times = [t.isoformat() + "+00:00" for t, _ in pairs]
    return json.dumps(
        {"MetricDataResults": [{"Id": "m1", "Label": "Hits", "Timestamps": times, "Values": [v for _, v in pairs]}]}
    )


def to_influx(pairs: Pairs) -> str:
    kinds = "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double\n"
    head = f"#group,false,false,true,true,false,false\n{kinds}#default,_result,,,,,\n"
    begin, end = f"{pairs[0][0]:%Y-%m-%dT%H:%M:%SZ}", f"{pairs[-1][0]:%Y-%m-%dT%H:%M:%SZ}"
    rows = "".join(f",,0,{begin},{end},{t:%Y-%m-%dT%H:%M:%SZ},{v}\n" for t, v in pairs)
    return head + ",result,table,_start,_stop,_time,_value\n" + rows


def to_long(pairs: Pairs) -> str:
    rows = "".join(f"{t},{name},{v * k}\n" for t, v in pairs for k, name in ((1, "api-1"), (3, "api-2")))
    return "time,instance,hits\n" + rows


SHAPES: dict[str, Shape] = {
    "plain": Shape(lines("{t},{v}\n")),
    "no header": Shape(lines("{t},{v}\n", "")),
    "header of numbers": Shape(lines("{t},{v}\n", ",200\n")),
    "index column": Shape(lambda pairs: "" + pd.DataFrame(pairs, columns=["time", "hits"]).to_csv()),
    "semicolons": Shape(lines("{t};{v}\n", "time;hits\n")),
    "tabs": Shape(lines("{t}\t{v}\n", "time\thits\n")),
    "bars": Shape(lines("{t}|{v}\n", "time|hits\n")),
    "spaces": Shape(lines("{t} {v}\n", "date clock hits\n")),
    "a table of psql": Shape(lines(" {t} | {v}\n", " time | hits\n------+------\n", "(30 rows)\n")),
    "sep=": Shape(lines("{t};{v}\n", "sep=;\ntime;hits\n")),
    "byte order mark": Shape(lambda pairs: b"\xef\xbb\xbf" + lines("{t},{v}\r\n", "time,hits\r\n")(pairs).encode()),
    "UTF-16": Shape(lambda pairs: lines("{t}\t{v}\n", "time\thits\n")(pairs).encode("utf-16")),
    "Latin-1": Shape(lambda pairs: lines("{t},{v}\n", "Zeit,größe\n")(pairs).encode("latin1")),
    "comments": Shape(lines("{t},{v}\n", "# made by hand\n# twice\ntime,hits\n")),
    "comment as header": Shape(lines("{t},{v}\n", "# time,hits\n")),
    "preamble": Shape(lines("{t},{v}\n", "Export of 2024\n\nPeriod,300\ntime,hits\n")),
    "CloudWatch's console": Shape(lines("{t:%Y/%m/%d %H:%M:%S},{v}\n", "Label,hits\nPeriod,300\nRegion,eu-west-1\n")),
    "total": Shape(lines("{t},{v}\n", footer="Total,123456.5\n")),
    "header again": Shape(lambda pairs: lines("{t},{v}\n")(pairs[:9]) + lines("{t},{v}\n")(pairs[9:])),
    "trailing separator": Shape(lines("{t},{v},\n", "time,hits,\n")),
    "quotes": Shape(lines('"{t}","{v}"\n', '"time","hits"\n')),
    "decimal commas": Shape(lambda pairs: "Zeit;y\n" + "".join(f"{t:%d.%m.%Y %H:%M};{comma(v)}\n" for t, v in pairs)),
    "German thousands": Shape(lambda pairs: "Zeit;Wert\n" + "".join(f"{t};{german(v)}\n" for t, v in pairs)),
    "English thousands": Shape(lines('"{t}","{v:,.2f}"\n')),
    "units": Shape(lines('"{t}","{v} req/s"\n')),
    "percent": Shape(lines("{t},{v} %\n")),
    "seconds": Shape(lines("{e},{v}\n")),
    "milliseconds": Shape(lines("{e}000,{v}\n")),
    "nanoseconds": Shape(lines("{e}000000000,{v}\n")),
    "seconds as floats": Shape(lines("{e}.0,{v}\n")),
    "ISO with Z": Shape(lines("{t:%Y-%m-%dT%H:%M:%SZ},{v}\n")),
    "ISO with an offset": Shape(lambda pairs: "time,hits\n" + "".join(f"{local(t)}+02:00,{v}\n" for t, v in pairs)),
    "slashes": Shape(lines("{t:%Y/%m/%d %H:%M},{v}\n")),
    "American": Shape(lines("{t:%m/%d/%Y %I:%M %p},{v}\n")),
    "day first": Shape(lines("{t:%d/%m/%Y %H:%M},{v}\n"), {"time_format": "day-first"}),
    "dots": Shape(lines("{t:%d.%m.%y %H:%M:%S},{v}\n")),
    "compact": Shape(lines("{t:%Y%m%d%H%M},{v}\n")),
    "compact ISO": Shape(lines("{t:%Y%m%dT%H%M%S},{v}\n")),
    "months by name": Shape(lines("{t:%d %b %Y %H:%M},{v}\n")),
    "date and clock": Shape(lines("{t:%Y-%m-%d},{t:%H:%M:%S},{v}\n", "date,clock,hits\n")),
    "a format of one's own": Shape(lines("{t:%H.%M@%d-%Y-%m},{v}\n"), {"time_format": "%H.%M@%d-%Y-%m"}),
    "wide": Shape(lines("{t},{v},{v}\n", "time,api-1,api-2\n"), {"value": "api-1"}),
    "long": Shape(to_long, {"where": "instance=api-1"}),
    "newest first": Shape(lambda pairs: lines("{t},{v}\n")(pairs[::-1])),
    "an exact duplicate": Shape(lambda pairs: lines("{t},{v}\n")([*pairs[:5], pairs[4], *pairs[5:]])),
    "Parquet": Shape(to_parquet, {}, ".parquet"),
    "NDJSON": Shape(lines('{{"ts": "{t:%Y-%m-%dT%H:%M:%SZ}", "hits": {v}}}\n', ""), {}, ".ndjson"),
    "JSON of pandas": Shape(to_pandas, {}, ".json"),
    "Prometheus": Shape(to_prometheus, {}, ".json"),
    "CloudWatch": Shape(to_cloudwatch, {}, ".json"),
    "InfluxDB": Shape(to_influx),
    "promtool": Shape(lines("{v} @[{e}]\n", 'hits{job="api"} =>\n'), {}, ".txt"),
}  # fmt: skip


def write(folder: Path, shape: Shape, pairs: Pairs) -> Path:
    data = shape.write(pairs)
    path = folder / f"series{shape.suffix}"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def make_pairs(values: list[float], start: str = "2024-01-14 20:00") -> Pairs:
    return [(pd.Timestamp(start) + k * STEP, value) for k, value in enumerate(values)]


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 10**7), min_size=30, max_size=60, unique=True), st.integers(0, 10**6))
def test_the_same_numbers_come_back_from_every_shape(name: str, tmp_path: Path, cents: list[int], seed: int) -> None:
    """A series that is no counter, written in a shape, is read as it was, or is refused with a reason."""
    random.Random(seed).shuffle(cents)
    pairs, shape = make_pairs([cent / 100 for cent in cents]), SHAPES[name]
    path = write(tmp_path, shape, pairs)
    try:
        trace = read_trace(path, **shape.options)
    except InputError as error:
        assert "`" in str(error), error  # an option decides
        return
    assert trace.step == STEP
    assert list(trace.frame.index) == [time for time, _ in pairs]
    np.testing.assert_allclose(trace.values, [value for _, value in pairs], rtol=1e-12)
    options = dict(shape.options)
    columns = [options.pop("value")] if "value" in options else None
    stream = read_stream(path, columns=columns, **options)  # type: ignore[arg-type]
    assert stream.frame.shape[0] == len(pairs)


@pytest.mark.parametrize("name", SHAPES)
def test_an_ordinary_series_is_read_in_every_shape(name: str, tmp_path: Path) -> None:
    values = np.round(np.random.default_rng(0).normal(1200, 300, 60), 2).tolist()
    shape = SHAPES[name]
    trace = read_trace(write(tmp_path, shape, make_pairs(values)), **shape.options)
    np.testing.assert_allclose(trace.values, values)
    assert trace.frame.index[0] == pd.Timestamp("2024-01-14 20:00")


def _mutate(data: bytes, rng: random.Random) -> bytes:
    """Damage a line or up to three bytes of a file."""
    if rng.random() < 0.5:
        rows = data.split(b"\n")
        k = rng.randrange(len(rows))
        row = rows[k]
        at, mark = (
            rng.randrange(len(row) + 1),
            rng.choice([b",", b";", b" ", b"\t", b"\r", b"x", b'"', b"#", b"0", b"-"]),
        )
        inside, other = row[:at] + mark + row[at:], rows[rng.randrange(len(rows))]
        changed = rng.choice(
            [[], [row, row], [row[:at]], [b"# comment", row], [b"", row], [row + mark], [inside], [other]]
        )
        return b"\n".join([*rows[:k], *changed, *rows[k + 1 :]])
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 3])):
        k, byte = rng.randrange(len(damaged)), rng.choice(b"abcXYZ,;.:\"'\n\t -+eE\x00\xff#0123456789{}[]%")
        damaged[k : k + rng.randrange(2)] = bytes([byte]) * rng.randrange(2)
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_read_right_or_refused_in_one_line(seed: int, tmp_path: Path) -> None:
    """No traceback; and what is read differs from the truth in the damaged rows at most."""
    rng = random.Random(seed)
    pairs = make_pairs(np.round(np.random.default_rng(1).normal(1200, 300, 40), 2).tolist())
    truth, names = dict(pairs), list(SHAPES)
    for _ in range(60):
        name = rng.choice(names)
        path = write(tmp_path, SHAPES[name], pairs)
        path.write_bytes(_mutate(path.read_bytes(), rng))
        try:
            trace = read_trace(path, **SHAPES[name].options)
        except InputError as error:
            assert "\n" not in str(error)
            continue
        known = trace.values.dropna()
        wrong = [time for time, value in known.items() if not np.isclose(value, truth.get(time, np.nan))]
        assert len(wrong) <= 3 and len(known) >= len(pairs) - 3, (name, path.read_bytes())


def write_text(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def stamped(values: Sequence[object], step: str = "5min", header: str = "ts,load") -> str:
    stamps = pd.date_range("2024-01-01", periods=len(values), freq=step)
    return "\n".join([header, *(f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=True))]) + "\n"


def refusal(read: Callable[..., object], path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


def test_what_is_not_stated_is_guessed_and_told(tmp_path: Path) -> None:
    values = [float(k % 7) for k in range(900)]
    path = write_text(tmp_path, stamped(values))
    trace = read_trace(path)
    assert trace.notes == (
        "time column: 'ts'",
        "times: 2024-01-01 00:00:00 to 2024-01-04 02:55:00",
        "step 5 min",
        "season: a day (288 steps)",
    )
    assert trace.values.tolist() == values
    assert (trace.name, trace.unit, trace.step, trace.seasonality) == ("mine", "load", STEP, 288)
    assert trace.origin == Origin("file", "mine.csv", sha256(path.read_bytes()), real=True)


@pytest.mark.parametrize(
    ("text", "options", "values", "note"),
    [
        ("host,when,cpu,mem\na,2024-01-01,1,5\nb,2024-01-02,2,6\n", {"value": "cpu"}, [1, 2], "time column: 'when'"),
        ("x,y\nJan 5 2024,1\nJan 6 2024,2\n", {}, [1, 2], "time column: 'x'"),
        ("load\n1\n2\n4\n", {"step": "10 s"}, [1, 2, 4], "step 10 s"),
        ("load\n1\n\n2\n", {}, [1, np.nan, 2], "step 1 s; 1 value missing"),
        ("2024-01-01,5\n2024-01-02,6\n", {}, [5, 6], "header: none, so columns are named column1, column2"),
        ("\ufeff\r\n ts , load \r\n2024-01-01, 1\r\n\r\n2024-01-02, 2\r\n\r\n", {}, [1, 2], "time column: 'ts'"),
        ('time,"b, c"\n2024-01-01,1\n2024-01-02,"4"\n', {}, [1, 4], "time column: 'time'"),
        ("time,hits\n2024-01-03,3\n2024-01-01,1\n2024-01-02,2\n", {}, [1, 2, 3], "step 1 d; sorted"),
        ("time,status,hits\n2024-01-01,200,4\n2024-01-02,200,2\n2024-01-03,200,7\n", {}, [4, 2, 7], "value column"),
        ("minute,hits\n0,4\n1,2\n2,7\n3,1\n", {}, [4, 2, 7, 1], "times: min from 2024-01-01"),
        ("time,a,b\n2024-01-01,1,5\n2024-01-02,2,7\n2024-01-03,4,6\n", {"sum": True}, [6, 9, 10], "sum: of a, b"),
        ("t,p,v\n2024-01-01,x,1\n2024-01-01,y,5\n2024-01-02,x,2\n2024-01-02,y,7\n", {"sum": True}, [6, 9], "sum: of"),
        ("45292.0,3\n45292.25,5\n45292.5,4\n", {"time": "column1"}, [3, 5, 4], "times: Excel's days"),
        ("t,v\n01.02.2024 00:00,1\n02.02.2024 00:00,2\n", {}, [1, 2], "times: day first, as dates with dots are"),
        ("t,v\n1/12/2024,1\n1/13/2024,2\n", {}, [1, 2], "times: month first, as a part is above 12"),
        ("t,v\n11/01/2024,1\n12/01/2024,5\n13/01/2024,3\n", {}, [1, 5, 3], "times: day first, as a part is above 12"),
        ("t,v\n11/01/2024,1\n11/01/2024 12:00,5\n12/01/2024,3\n", {}, [1, 5, 3], "times: day first, as the other"),
        ("t,v\n2024-01-01,1.2 K\n2024-01-02,980\n", {}, [1200, 980], "numbers: K, plain brought to plain numbers"),
    ],
)  # fmt: skip
def test_files_of_many_shapes(text: str, options: Any, values: list[float], note: str, tmp_path: Path) -> None:
    trace = read_trace(write_text(tmp_path, text), **options)
    np.testing.assert_allclose(trace.values, values)
    assert any(line.startswith(note) for line in trace.notes), trace.notes


ACCESS_LOG = "".join(
    f'10.0.0.1 - - [05/Mar/2024:10:{k // 6:02}:{k % 6 * 10:02} +0100] "GET /a HTTP/1.1" 200 {k}\n'
    for k in range(40)
    if k not in (7, 20)
)


def test_events_are_counted_per_step(tmp_path: Path) -> None:
    trace = read_trace(write_text(tmp_path, ACCESS_LOG, "access.log"), count=True)
    assert trace.values.tolist() == [5, 6, 5, 6, 6] and trace.frame.index[0] == pd.Timestamp("2024-03-05 09:01")
    assert "count them per step with `count`" in refusal(read_trace, write_text(tmp_path, ACCESS_LOG))
    rows = "time,path\n" + "".join(f"2024-01-01 00:{k // 3:02}:{k % 3 * 20:02},/a\n" for k in range(30) if k != 7)
    assert "if each row is an event, `count` them" in refusal(read_trace, write_text(tmp_path, rows))
    assert read_trace(write_text(tmp_path, rows), count=True, step="2min").values.tolist() == [5, 6, 6]


def test_a_counter_becomes_its_differences(tmp_path: Path) -> None:
    counts = np.cumsum([5, 7, 6, 5, 9, 5, 6, 8, 5, 7]).tolist()
    reset = [*counts, *counts]
    path = write_text(tmp_path, stamped(reset, header="ts,http_requests_total"))
    trace = read_trace(path)
    assert trace.values.tolist() == [*np.diff(counts), 5, *np.diff(counts)]
    assert any("is a counter (1 resets)" in note for note in trace.notes)
    assert read_trace(path, level=True).values.tolist() == reset
    rising = write_text(tmp_path, stamped(counts))
    assert "never falls: it may be a counter, whose differences are meant (`rate`)" in refusal(read_trace, rising)
    assert read_trace(rising, rate=True).values.tolist() == np.diff(counts).tolist()
    rows = stamped(reset, header="ts,http_requests_total").splitlines()
    gap = read_trace(write_text(tmp_path, "\n".join(rows[:5] + rows[8:])))
    assert gap.values.isna().sum() == 4, "what was counted over a gap belongs to no single step"


def test_a_clock_change_is_named_and_a_zone_mends_it(tmp_path: Path) -> None:
    local = pd.date_range("2024-10-26 20:00", "2024-10-27 08:00", freq="30min", tz="Europe/Berlin").tz_localize(None)
    path = write_text(tmp_path, "time,hits\n" + "".join(f"{t},{k % 5}\n" for k, t in enumerate(local)))
    message = refusal(read_trace, path)
    assert message.startswith("FILE: the hour from 2024-10-27 02:00:00 on stands there twice") and "`tz`" in message
    trace = read_trace(path, tz="Europe/Berlin")
    assert trace.frame.index[0] == pd.Timestamp("2024-10-26 18:00") and trace.values.notna().all()
    assert refusal(read_trace, path, tz="Europe/Berln").startswith("unknown zone 'Europe/Berln'")


def test_jitter_goes_to_the_median_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=200, freq="5min") + pd.to_timedelta(
        rng.integers(-20, 20, 200), unit="s"
    )
    values = rng.normal(100, 10, 200).round(2)
    rows = "".join(f"{t},{v}\n" for t, v in zip(times, values, strict=True))
    trace = read_trace(write_text(tmp_path, "t,v\n" + rows))
    assert trace.step == STEP and trace.values.tolist() == values.tolist()
    assert "times: they jitter around a step of 5 min" in trace.notes


@pytest.mark.parametrize("word", ["", "NaN", "na", "NULL", "None", "-", "undefined", " "])
def test_words_for_a_missing_value(word: str, tmp_path: Path) -> None:
    path = write_text(tmp_path, f"time,a\n2024-01-01,1\n2024-01-02,{word}\n2024-01-03,2\n")
    assert read_trace(path).values.isna().tolist() == [False, True, False]
    assert read_stream(path).frame["a"].isna().tolist() == [False, True, False]


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=7).filter(lambda v: len(set(v)) > 1))
def test_memory_is_as_good_as_a_file(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    trace = read_trace(write_text(tmp_path_factory.mktemp("t"), stamped([repr(value) for value in values])))
    np.testing.assert_array_equal(trace.values, values)
    series = pd.Series(values, index=pd.DatetimeIndex(trace.frame.index), name="load")
    frame = series.rename_axis("ts").reset_index()
    for data in (series, frame, frame.astype({"ts": str}), trace):
        pd.testing.assert_frame_equal(read_trace(data).frame, trace.frame, check_exact=True)


def test_a_series_in_memory() -> None:
    index = pd.date_range("2024-01-01", periods=6, freq="1h", tz="Europe/Berlin")
    trace = read_trace(pd.Series([1, 2, np.nan, 4, 5, 6], index=index), seasonality="none")
    assert (trace.name, trace.unit, trace.origin.source, trace.origin.real) == ("series", "value", "memory", True)
    assert trace.frame.index[0] == pd.Timestamp("2023-12-31 23:00")
    assert trace.repairs["missing"] == 1 and np.isnan(trace.values.iloc[2])
    assert read_trace(pd.Series([1.0, 2.0, 4.0])).step == pd.Timedelta("1s")
    assert read_trace(trace, seasonality=2).seasonality == 2


def test_channels_stand_side_by_side(tmp_path: Path) -> None:
    text = "time,speed,count,name\n2024-01-01 00:00,50,3,a\n2024-01-01 00:05,51.5,4,b\n2024-01-01 00:20,49,,c\n"
    path = write_text(tmp_path, text)
    found = read_stream(path)
    assert found.frame.columns.tolist() == ["speed", "count"] and found.sha256 == sha256(text.encode())
    np.testing.assert_array_equal(found.frame["count"], [3, 4, np.nan])
    assert {"channels: speed, count", "1 value missing"} <= set(found.notes)
    assert read_stream(path, columns=["count", "speed"]).frame.columns.tolist() == ["count", "speed"]
    rows = "".join(f"2024-01-0{d},{pod},{d * k}\n" for d in range(1, 5) for k, pod in ((2, "x"), (3, "y")))
    assert read_stream(write_text(tmp_path, "time,pod,v\n" + rows)).frame["y"].tolist() == [3, 6, 9, 12]


@pytest.mark.parametrize("read", [read_trace, read_stream])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "FILE is empty; give a file with a value in each row"),
        (b"  \r\n\n", "FILE is empty"),
        (b"ts,load\n", "FILE has a header but no rows"),
        (b"PK\x03\x04rest", "FILE is a zip archive or an Excel workbook; export the sheet as CSV"),
        (b"PAR1rest", "FILE is damaged Parquet"),
        (b"\x1f\x8bsomething", "FILE is a damaged archive"),
        (b"\x00\x01\x02" * 30, "FILE is"),
        (b"ts,a\n2024-01-01,1\n2024-01-02,1,2\n", "FILE, line 3: 3 columns where there were 2 before"),
        (b"ts,a,b\n\n2024-01-01,1,2\n2024-01-02,1\n", "FILE, line 4: 2 columns where there were 3 before"),
        (b"time,hits\n2024-01-01,1,234\n2024-01-02,1,235\n", "FILE: 2 names in the header, 3 cells in the rows; quote"),
        (b"ts,a\n2024-01-01,%b\n" % (b"x" * 200_000), "FILE is no CSV: field larger"),
        (b"a,b\nx,y\nu,v\n", "FILE"),
        (b"ts,a\n2024-01-01,1\n2024-01-01,2\n", "FILE: 1 times stand there twice with different values"),
        (b"ts,a\n2024-01-01,1\nlater,2\n2024-01-03,2\n", "FILE, line 3: 'later' is no time"),
        (b"\n\nts,b\n2024-01-01,1\n\n2024-01-02,3\n2024-01-03,x\n", "FILE, line 7, column 'b': 'x' is no finite"),
        (b"ts,a\n2024-01-01,1\n2024-01-02,inf\n2024-01-03,-inf\n", "FILE, line 3, column 'a': 'inf' is no finite"),
        (b"ts,a\n2024-01-01,1\n2024-01-02,1e300\n2024-01-03,2\n", "FILE, line 3, column 'a': '1e300' is too large"),
        (b"ts;a\n2024-01-01;970\n2024-01-02;1.030\n2024-01-03;980\n", "FILE, column 'a': '1.030' may be 1030 or 1.030"),
        (b"ts;a\n2024-01-01;1.230\n2024-01-02;1.031\n", "FILE, column 'a': '1.230' may be 1230 or 1.230"),
        (b"ts,a\n03/04/2024 00:00,1\n03/04/2024 01:00,2\n", "FILE, line 2: '03/04/2024 00:00' may be 03 April 2024"),
        (b"ts,a\n2024-01-01 10:00 CET,1\n2024-01-01 11:00 CET,2\n", "FILE: the times are of CET; name the zone"),
        (b"ts,a\n2024-01-01 10:00Z,1\n2024-01-01 11:00,2\n", "FILE, line"),
        (b'{"status": "error", "error": "timeout"}', "FILE is an error of Prometheus: timeout"),
        (b'{"a": 1}', "FILE is JSON with a, in no shape that is known"),
        (b'{"a": 1', "FILE, line 1: no JSON"),
        (b'{"t": 1, "v": 2}\n{"t": 2, "v": }\n', "FILE, line 2: no JSON"),
    ],
)
def test_files_that_are_refused(read: Callable[..., object], content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    assert refusal(read, path).startswith(message)


LONG = "time,pod,v\n2024-01-01,x,1\n2024-01-01,y,5\n2024-01-02,x,2\n2024-01-02,y,7\n"


@pytest.mark.parametrize(
    ("read", "text", "options", "message"),
    [
        (read_trace, stamped([1, 2]), {"time": "tsx"}, "FILE has no column 'tsx'; did you mean ts?"),
        (read_trace, stamped([1, 2]), {"value": "laod"}, "FILE has no column 'laod'; did you mean load?"),
        (read_trace, stamped([7, 7, 7]), {}, "FILE: column 'load' is constant (7); there is nothing to learn"),
        (read_trace, "time,a,b\n2024-01-01,3,5\n2024-01-02,2,4\n", {}, "FILE: 'a', 'b' may all be the value"),
        (read_trace, "time,n\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n", {}, "FILE has no column that looks like"),
        (read_trace, "start,end,v\n2024-01-01,2024-01-02,1\n2024-01-02,2024-01-03,2\n", {}, "FILE: 'start' and 'end'"),
        (read_trace, LONG, {}, "FILE: several series stand below each other, told apart by pod (such as pod=x)"),
        (read_trace, LONG, {"where": "pod=z"}, "FILE: no row has pod = 'z'; there are x, y"),
        (read_trace, stamped([1, 2]), {"where": "pod"}, "`where` 'pod' is no condition"),
        (read_trace, stamped([1, 2]), {"decimal": ";"}, "`decimal` is ';'; it is '.' or ','"),
        (read_trace, stamped([1, 2]), {"rate": True, "level": True}, "`rate` and `level` exclude each other"),
        (read_trace, stamped([1, 2, 3.5]), {"window": 3}, "FILE has 3 values, window 3 and horizon 1 need 4"),
        (read_trace, stamped([1, 2, 3.5]), {"window": 0}, "window 0 and horizon 1 must be at least 1"),
        (read_trace, stamped([1, 2, 3.5]), {"step": "1h"}, "FILE: 2024-01-01 00:00:00 and 2024-01-01 00:05:00 are"),
        (read_trace, stamped([1, 2, 3.5]), {"step": "1ms"}, "FILE: 3 rows on 600001 slots of 1 ms"),
        (read_trace, "ts,v\n2024-01-01,1\n", {}, "FILE has one row, so no step; give more rows"),
        (read_stream, stamped([1, 2]), {"columns": ["laod"]}, "FILE has no column 'laod'; did you mean load?"),
        (read_stream, stamped([1, 2]), {"columns": ["load", "load"]}, "FILE: name each channel once"),
        (read_stream, stamped([1, 2]), {"columns": ["ts"]}, "FILE: name each channel once, and not the time column"),
        (read_stream, "time,a,b\n2024-01-01,1,\n", {"columns": ["b"]}, "FILE, column 'b' has no value"),
    ],
)
def test_what_is_asked_for_and_cannot_be(
    read: Callable[..., object], text: str, options: Any, message: str, tmp_path: Path
) -> None:
    assert refusal(read, write_text(tmp_path, text), **options).startswith(message)


def test_other_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(stamped([1, 2, 5]).encode()))))
    trace = read_trace("-")
    assert (trace.name, trace.values.tolist(), trace.origin.file) == ("standard input", [1, 2, 5], "")
    with pytest.raises(InputError, match="a list is no series of values over time"):
        read_trace([1.0])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the series has no rows"):
        read_trace(pd.Series([], dtype=float))
    assert refusal(read_trace, tmp_path) == "FILE is a directory; name a file in it"


def test_frames_whose_names_and_index_are_of_many_kinds() -> None:
    values = [3.0, 1.0, 4.0, 1.5, 5.0]
    times = pd.date_range("2024-01-01", periods=5, freq="15min")
    frame = pd.DataFrame({"hits": values}, index=times)
    whole = read_trace(frame)
    pd.testing.assert_frame_equal(read_trace(frame.to_period("15min")).frame, whole.frame)
    months = pd.Series(values, index=pd.period_range("2024-01", periods=5, freq="W-MON"))
    assert read_trace(months).frame.index[0] == months.index[0].start_time, "a period begins at its start"
    levels = pd.concat({"api": frame, "web": frame * 2}, axis=1)
    assert read_stream(levels).frame.columns.tolist() == ["api_hits", "web_hits"]
    assert read_trace(levels, value="web_hits").values.tolist() == [2 * value for value in values]
    twice = pd.concat([frame, frame], axis=1)
    for read in (read_trace, read_stream):
        with pytest.raises(InputError, match="the series has two columns 'hits'; give each column a name of its own"):
            read(twice)


@pytest.mark.parametrize("call", [read_trace, read_stream])
def test_an_option_that_does_not_exist_is_refused(call: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="unknown option 'vaule'; did you mean value"):
        call(pd.Series([1.0, 2.0]), vaule="hits")
