"""What a file holds, as a table of cells, in the shapes that people have: delimited text, JSON, Parquet, logs.

Nothing is understood here yet: what is a time or a number says `cells`, which column is which says `reader`.
"""

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from edgeresearch.data.cells import MISSING, Kind, is_missing, kind_of
from edgeresearch.errors import InputError
from edgeresearch.io import decompress, read_bytes, readable
from edgeresearch.provenance import sha256

Source: TypeAlias = str | Path | pd.DataFrame | pd.Series
"""A file's path, `-` for standard input, or values in memory."""

SAMPLE = 400
"""Rows at the beginning of a text that decide how it is read."""
_DELIMITERS = (",", ";", "\t", "|", " ")
_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl", ".parquet", ".log")
_TOTALS = re.compile(
    r"(?i)\W*(grand )?(totals?|sum|average|avg|mean|max|min|maximum|minimum|count|summe|gesamt|mittelwert|durchschnitt|"
    r"somme|moyenne|media|promedio)\b.*"
)
_FOOTER = re.compile(r"[^\W\d].{3,}")
"""What alone in a line after the last row says something about the table; half a row begins with a digit."""
_RULE = re.compile(r"[-=+:|\s]*[-=]{2}[-=+:|\s]*")
_BINARY: Mapping[bytes, str] = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; export the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; export the sheet as CSV",
    b"SQLite format 3": "an SQLite database; export the rows as CSV",
    b"ARROW1": "an Arrow file; write it as Parquet",
    b"\x93NUMPY": "a NumPy array; write it as CSV, with times",
    b"%PDF": "a PDF; export the data itself",
}
_CONTROL = re.compile("[\0-\b\x0e-\x19]")
_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?")
_PLAIN_MISSING = ["", "nan", "NaN", "NA", "null", "NULL", "None", "-", "undefined"]
_LOG_LINE = re.compile(r'(?:[\w.-]+:\d+ )?(\S+) \S+ \S+ \[([^\]]+)\] "(?:([A-Z]+) )?(\S*)[^"]*" (\d{3}) (\d+|-)')
_PROMTOOL_SERIES = re.compile(r"(?P<name>[\w:]*)(?:\{(?P<labels>.*)\})?\s*=>\s*(?P<rest>\S.*)?")
_PROMTOOL_VALUE = re.compile(r"(?P<value>\S+) @\[(?P<time>[\d.]+)\]")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Table:
    """Cells, before anything is understood.

    Attributes:
        name: Of the file, without folder and suffixes.
        where: What messages call the source.
        cells: One column per name; text, or typed where the source has types. The index counts the lines of the file,
            from 1, or the rows, from 0.
        row: What messages call a row: `line` or `row`.
        file: Name of the file; empty where there is none.
        sha256: Checksum of its decompressed bytes; empty where there is no file.
        delimiter: What separates the cells; empty where nothing does.
        decimal: The decimal mark of numbers that are text; None where it is not known.
        events: Whether each row is known to be one event, as in an access log.
        notes: One line for each thing that a reader may not expect.
    """

    name: str
    where: str
    cells: pd.DataFrame
    row: str = "row"
    file: str = ""
    sha256: str = ""
    delimiter: str = ""
    decimal: str | None = None
    events: bool = False
    notes: tuple[str, ...] = ()


def open_table(source: Source) -> Table:
    """Read a file, standard input (`-`) or a data frame as a table of cells.

    Raises:
        InputError: The file cannot be read, is of a kind that is not known, or is damaged.
    """
    if isinstance(source, pd.DataFrame | pd.Series):
        return _from_memory(source)
    if not isinstance(source, str | Path):
        what = f"a {type(source).__name__} is no series of values over time"
        raise InputError(f"{what}; give the path of a file, a pandas Series or DataFrame, or a Trace")
    content, name, where = _read(source)
    for magic, what in _BINARY.items():
        if content.startswith(magic):
            raise InputError(f"{where} is {what}")
    notes: list[str] = []
    facts: dict[str, Any] = {"file": "" if str(source) == "-" else readable(name), "sha256": sha256(content)}
    if content.startswith(b"PAR1"):
        cells = _from_parquet(content, where)
    else:
        text = _decode(content, where, notes)
        if not text.strip():
            raise InputError(f"{where} is empty; give a file with a value in each row")
        if text.lstrip().startswith("<"):
            raise InputError(f"{where} is HTML or XML; export the table as CSV")
        if _is_promtool(text):
            cells = _from_promtool(text)
            facts["decimal"] = "."
        elif text.lstrip()[0] in "{[":
            facts["decimal"] = "."
            cells = _from_json(text, where).map(
                lambda cell: json.dumps(cell) if isinstance(cell, list | dict) else cell
            )
        elif (log := _from_log(text)) is not None:
            cells = log
            facts |= {"row": "line", "events": True}
        else:
            cells, delimiter = _from_delimited(text, where, notes)
            facts |= {"row": "line", "delimiter": delimiter}
    if not len(cells) or not len(cells.columns):
        raise InputError(f"{where} has no rows; give a file with a value in each row")
    return Table(_plain(name), where, cells, notes=tuple(notes), **facts)


def _plain(name: str) -> str:
    """Return a file's name without suffixes."""
    short = next((name.removesuffix(end) for end in _SUFFIXES if name.lower().endswith(end) and name != end), name)
    return _plain(short) if short != name else readable(name)


def _read(source: str | Path) -> tuple[bytes, str, str]:
    """Return the decompressed bytes, the name, and what messages call the file."""
    if str(source) == "-":
        where = name = "standard input"
        content = decompress(sys.stdin.buffer.read(), where)
    else:
        path = Path(source)
        where, name = readable(str(path)), path.name
        content = read_bytes(path)
    if not content.strip():
        raise InputError(f"{where} is empty; give a file with a value in each row")
    return content, name, where


def _decode(content: bytes, where: str, notes: list[str]) -> str:
    """Decode text: by its byte order mark, as UTF-8, or else as Windows' Latin-1, which is told."""
    head = content[:200]
    odd, even = (head[side::2].count(0) / len(head) for side in (1, 0))
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    found = next((encoding for mark, encoding in marks.items() if content.startswith(mark)), "utf-8")
    encoding = "utf-16-le" if odd > 0.4 and not even else "utf-16-be" if even > 0.4 and not odd else found
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise InputError(f"{where} is damaged {encoding.upper()} text: {error.reason}; export it anew") from error
        text = content.decode("cp1252", "replace")
        notes.append("text: read as Latin-1 (Windows-1252), as it is not UTF-8")
    if _CONTROL.search(text, 0, 10_000):
        raise InputError(f"{where} is no text and no kind of file that is known; export it as CSV")
    return text


# ---------------------------------------------------------------------------------------------- values with types


def _from_memory(data: pd.DataFrame | pd.Series) -> Table:
    frame = data.to_frame("value" if data.name is None else str(data.name)) if isinstance(data, pd.Series) else data
    if isinstance(frame.columns, pd.MultiIndex):
        frame = frame.set_axis(["_".join(map(str, name)) for name in frame.columns], axis=1)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if len(twice := frame.columns[frame.columns.duplicated()]):
        raise InputError(f"the series has two columns {twice[0]!r}; give each column a name of its own")
    if not len(frame) or not len(frame.columns):
        raise InputError("the series has no rows; give one value per time")
    return Table("series", "the series", _with_index(frame))


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Make the index a column where it says something: times, or names."""
    index = frame.index
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    unnamed = index.nlevels == 1 and index.name is None and index.dtype.kind in "iuf"
    numbers = index.to_numpy(dtype=np.float64) if unnamed and len(index) else np.zeros(1)
    counts_time = bool((numbers % 1 != 0).any() or numbers.min() > 19_000_000)
    if isinstance(index, pd.RangeIndex) and not counts_time or unnamed and not counts_time:
        return frame.reset_index(drop=True)
    if isinstance(index, pd.DatetimeIndex) or counts_time:
        if index.name in frame and frame[index.name].equals(pd.Series(index, index)):
            frame = frame.drop(columns=index.name)
        name = next(name for name in (index.name, "time", "_time", "index") if name and name not in frame)
        frame = frame.set_axis(index, axis=0).rename_axis(str(name))
    return frame.reset_index()


def _from_parquet(content: bytes, where: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _with_index(pq.read_table(pa.BufferReader(content)).to_pandas())
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where} is damaged Parquet: {str(error).splitlines()[0]}; write it anew") from error


def _from_json(text: str, where: str) -> pd.DataFrame:
    """Read a JSON document of a shape that is known, or one object per line."""
    try:
        return _tabulate_known(_parse_json(text, where), where)
    except json.JSONDecodeError as error:
        if "\n" not in text.strip() or error.msg not in ("Extra data", "Expecting value"):
            raise InputError(f"{where}, line {error.lineno}: no JSON: {error.msg}; export it anew") from error
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(_parse_json(line, where))
            except json.JSONDecodeError as error:
                raise InputError(f"{where}, line {number}: no JSON: {error.msg}; give one object per line") from error
    return _tabulate_known(rows, where)


def _tabulate_known(data: Any, where: str) -> pd.DataFrame:
    try:
        return _tabulate(data, where)
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        what = f"is JSON that is not as its tool writes it ({str(error).splitlines()[0]})"
        raise InputError(f"{where} {what}; export it anew") from error


def _parse_json(text: str, where: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            name = next(name for k, (name, _) in enumerate(pairs) if name in dict(pairs[:k]))
            raise InputError(f"{where}: an object has {name!r} twice; keep one of them")
        return found

    try:
        return json.loads(
            text, object_pairs_hook=unique, parse_int=lambda digits: float(digits) if len(digits) > 19 else int(digits)
        )
    except RecursionError as error:
        raise InputError(f"{where} is JSON, nested too deeply to be a series; export it anew") from error


def _tabulate(data: Any, where: str) -> pd.DataFrame:
    """Return what a JSON document of Prometheus, CloudWatch, InfluxDB, Grafana or pandas holds."""
    if isinstance(data, dict):
        if data.get("status") == "error":
            raise InputError(f"{where} is an error of Prometheus: {data.get('error', 'unknown')}; query again")
        for key in ("MetricDataResults", "Datapoints", "results", "frames", "data", "result"):
            if isinstance(data.get(key), list | dict) and not ("columns" in data and key == "data"):
                return _known_shape(key, data[key], where)
        if {"columns", "data"} <= data.keys():
            return _with_index(pd.DataFrame(data["data"], data.get("index"), [str(name) for name in data["columns"]]))
        if data and all(isinstance(each, list) for each in data.values()):
            if len({len(each) for each in data.values()}) == 1 and not isinstance(next(iter(data.values()))[0], dict):
                return pd.DataFrame(data)
        plain = not any(
            isinstance(cell, list | dict) for each in data.values() if isinstance(each, dict) for cell in each.values()
        )
        if data and plain and all(isinstance(each, dict) for each in data.values()):
            frame = pd.DataFrame(data)
            return frame.reset_index(names="time" if "time" not in frame else "index")
        nested = [each for each in data.values() if isinstance(each, list | dict) and each]
        if len(nested) == 1:
            return _tabulate(nested[0], where)
        if len(data) > 1 and not nested and all(kind_of(str(key)) in (Kind.TIME, Kind.NUMBER) for key in data):
            return pd.DataFrame({"time": [*data], "value": [*data.values()]})
    if isinstance(data, list) and data:
        first = data[0]
        if isinstance(first, dict) and ({"metric", "values"} <= first.keys() or {"metric", "value"} <= first.keys()):
            return _known_shape("result", data, where)
        if isinstance(first, dict) and {"target", "datapoints"} <= first.keys():  # Grafana, and Graphite
            rows = [{"time": at, "series": each["target"], "value": v} for each in data for v, at in each["datapoints"]]
            return pd.DataFrame(rows)
        if all(isinstance(row, dict) for row in data):
            return pd.json_normalize(data)
        if all(isinstance(row, list) for row in data):
            texts = all(isinstance(cell, str) for cell in first) and len(data) > 1
            if texts and not all(isinstance(cell, str) for cell in data[1]):
                return pd.DataFrame(data[1:], columns=first)
            return pd.DataFrame(data, columns=[f"column{k + 1}" for k in range(len(first))])
        if all(isinstance(cell, int | float | None) for cell in data):
            return pd.DataFrame({"value": data})
    keys = f" with {', '.join(map(str, list(data)[:6]))}" if isinstance(data, dict) and data else ""
    raise InputError(f"{where} is JSON{keys}, in no shape that is known; give a list of objects with time and value")


def _known_shape(key: str, data: Any, where: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    if key == "MetricDataResults":  # aws cloudwatch get-metric-data
        for each in data:
            label = each.get("Label") or each.get("Id")
            pairs = zip(each["Timestamps"], each["Values"], strict=True)
            rows += [{"time": at, "label": label, "value": value} for at, value in pairs]
    elif key == "Datapoints":  # aws cloudwatch get-metric-statistics
        rows = data
    elif key == "results" and isinstance(data, list):  # InfluxDB 1
        for series in chain.from_iterable(result.get("series", ()) for result in data):
            rows += [
                {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))} for row in series["values"]
            ]
    elif key == "results":  # Grafana's own interface
        return pd.concat([_tabulate(result, where) for result in data.values()], ignore_index=True)
    elif key == "frames":
        for frame in data:
            names = [field["name"] for field in frame["schema"]["fields"]]
            rows += [dict(zip(names, row, strict=True)) for row in zip(*frame["data"]["values"], strict=True)]
    elif key == "result":  # Prometheus' query_range
        for series in data:
            if "values" not in series:
                raise InputError(f"{where} holds one instant of each series; ask for a range (query_range)")
            labels = dict(series["metric"])
            name = labels.pop("__name__", "value")
            rows += [{"time": at, **labels, name: value} for at, value in series["values"]]
    else:
        return _tabulate(data, where)
    if not rows:
        raise InputError(f"{where} holds no values: {key!r} is empty; query again")
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------------------------------ text


def _is_promtool(text: str) -> bool:
    head = [line for line in text[:20_000].splitlines() if line.strip()][:2]
    match = _PROMTOOL_SERIES.fullmatch(head[0].strip())
    return bool(match and _PROMTOOL_VALUE.fullmatch((match["rest"] or (head[1:] or [""])[0]).strip()))


def _from_promtool(text: str) -> pd.DataFrame:
    """Read what `promtool query range` prints: a series, then a value and its time per line."""
    rows, labels, name = [], dict[str, str](), "value"
    for line in text.splitlines():
        if match := _PROMTOOL_SERIES.fullmatch(line.strip()):
            labels, name = dict(_LABEL.findall(match["labels"] or "")), match["name"] or "value"
            line = match["rest"] or ""
        if value := _PROMTOOL_VALUE.fullmatch(line.strip()):
            rows.append({"time": value["time"], **labels, name: value["value"]})
    return pd.DataFrame(rows)


def _from_log(text: str) -> pd.DataFrame | None:
    """Read an access log in the common or the combined format; None if it is none."""
    head = text[:100_000].splitlines()[:20]
    if sum(_LOG_LINE.match(line) is not None for line in head) < 0.9 * len(head):
        return None
    lines = [
        (number, match.groups()) for number, line in enumerate(text.splitlines(), 1) if (match := _LOG_LINE.match(line))
    ]
    names = ["host", "time", "method", "path", "status", "bytes"]
    return pd.DataFrame([cells for _, cells in lines], index=[number for number, _ in lines], columns=names)


def _from_delimited(text: str, where: str, notes: list[str]) -> tuple[pd.DataFrame, str]:
    """Read delimited text; return its cells, without comments, preamble, rules, repeated headers and totals."""
    text, delimiter = text.rstrip(" \t\r\n\x1a"), ""
    if match := re.match(r"sep=(.)\r?\n", text):
        delimiter = match[1]
    sample = text[: 1 + text.find("\n", 200_000)] if len(text) > 200_000 else text
    delimiter = delimiter or _choose_delimiter(sample, where)
    if delimiter != ",":
        notes.append(f"separator: {'spaces' if delimiter == ' ' else repr(delimiter)}")
    skipped, comments = Counter[str](), list[list[str]]()
    records = _split(text, delimiter, where, comments)
    head = list(islice(records, SAMPLE))
    if len(head) < 1:
        raise InputError(f"{where} has no rows; give a file with a value in each row")
    names, begin = _find_header([cells for _, cells in head], where)
    if begin == len(head):
        raise InputError(f"{where} has a header but no rows; give a file with a value in each row")
    width = len(head[begin][1])
    if names is None and comments and len(comments[-1]) == width:
        names = comments.pop()
    if begin > (names is not None):
        skipped["lines before the table"] += begin - (names is not None)
    if (typed := _read_plain(text, delimiter, head[begin:])) is not None:
        skipped["comment lines"] = len(comments)
        _tell_skipped(skipped, notes)
        return _with_names(typed, names, notes), delimiter
    rows, lines, footers = list[list[str]](), list[int](), list[tuple[int, list[str]]]()
    for number, cells in chain(head[begin:], records):
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            if _TOTALS.fullmatch(cells[0]) or re.fullmatch(r"\(?\d+ rows?\b.*", cells[0]):
                skipped["lines of totals"] += 1
                continue
            if len(cells) == 1 and rows and _FOOTER.fullmatch(cells[0]):
                footers.append((number, cells))
                continue
        if len(cells) != width or footers:  # a text in a line of its own is a footer only after the last row
            number, cells = (footers or [(number, cells)])[0]
            what = f"{len(cells)} columns where there were {width} before"
            raise InputError(f"{where}, line {number}: {what}; give each line the same")
        if cells == names:
            skipped["repeated headers"] += 1
            continue
        rows.append(cells)
        lines.append(number)
    skipped["comment lines"] = len(comments)
    skipped["lines after the table"] = len(footers)
    while len(rows) > 1 and _TOTALS.fullmatch(rows[-1][0]):
        skipped["lines of totals"] += 1
        del rows[-1], lines[-1]
    _tell_skipped(skipped, notes)
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    table = pd.DataFrame({k: pd.Series(column, dtype="str") for k, column in enumerate(columns)})
    table.index = pd.Index(lines)
    return _with_names(table, names, notes), delimiter


def _tell_skipped(skipped: Mapping[str, int], notes: list[str]) -> None:
    for what, count in skipped.items():
        words = what if count > 1 else re.sub("(line|header)s", r"\1", what, count=1)
        notes += [f"skipped: {count} {words}"] if count else []


def _with_names(table: pd.DataFrame, names: Sequence[str] | None, notes: list[str]) -> pd.DataFrame:
    """Name the columns, and drop those that have neither name nor value."""
    if names is None:
        names = [f"column{k + 1}" for k in range(len(table.columns))]
        notes.append(f"header: none, so columns are named {', '.join(names)}")
    table.columns = pd.Index(_name_columns(names, notes))
    blank = [name for name in map(str, table) if name.startswith("column") and is_missing(table[name]).all()]
    return table.drop(columns=blank) if len(blank) < len(table.columns) else table


def _read_plain(text: str, delimiter: str, head: Sequence[tuple[int, list[str]]]) -> pd.DataFrame | None:
    """Read a long text at once; numbers and times of ISO 8601 are typed where the first rows leave no doubt.

    None where a later row is not: then each line is read for itself, which tells what is wrong, and where.
    """
    first, cells = head[0]
    if len(text) < 500_000 or delimiter == " " or text.count("\r") != text.count("\r\n") or not cells[0][:1].isdigit():
        return None
    if any(len(each) != len(cells) for _, each in head):
        return None
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as plain

    kinds: dict[str, pa.DataType] = {}
    for k, column in enumerate(zip(*(each for _, each in head), strict=True)):
        known = [cell for cell in column if cell.lower() not in MISSING]
        if known and all(_PLAIN_TIME.fullmatch(cell) for cell in known):
            kinds[str(k)] = pa.timestamp("ns", "UTC" if known[0].endswith("Z") else None)
        elif known and all(re.fullmatch(r"[-+]?\d{1,18}", cell) for cell in known):
            kinds[str(k)] = pa.int64()
        elif any(re.fullmatch(r"[-+]?\d+\.\d+", cell) and len(cell.partition(".")[2]) != 3 for cell in known):
            kinds[str(k)] = pa.float64()
        else:
            kinds[str(k)] = pa.string()
    try:
        table = plain.read_csv(
            pa.BufferReader(text.encode()),
            plain.ReadOptions(use_threads=False, skip_rows=first - 1, column_names=list(kinds), block_size=1 << 22),
            plain.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            plain.ConvertOptions(column_types=kinds, null_values=_PLAIN_MISSING, timestamp_parsers=[plain.ISO8601]),
        )
    except pa.ArrowInvalid:
        return None
    for k, kind in enumerate(kinds.values()):
        if pa.types.is_string(kind):
            table = table.set_column(k, str(k), pc.utf8_trim_whitespace(table[k]))
    if pa.types.is_string(table[0].type) and not pc.all(pc.match_substring_regex(table[0], r"^\d")).as_py():
        return None  # a comment, a header, a total or a rule
    frame = table.to_pandas(self_destruct=True, split_blocks=True)
    if any(frame[name].isna().any() for name, kind in kinds.items() if pa.types.is_timestamp(kind)):
        return None
    frame.index = pd.RangeIndex(first, first + len(frame))
    return pd.DataFrame(frame)


def _split(text: str, delimiter: str, where: str, comments: list[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield each record's last line and cells, without rules and empty lines; comments go to a list of their own."""
    stream = io.StringIO(text, newline=None)  # whatever ends a line in the file ends one here
    if delimiter == " ":
        records: Iterable[tuple[int, list[str]]] = ((k, line.split()) for k, line in enumerate(stream, 1))
    else:
        reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
        records = ((reader.line_num, [cell.strip() for cell in cells]) for cells in reader)
    single, before = True, ""
    some = [line for line in text[:20_000].splitlines() if line.strip()]
    labelled = sum(re.match(r"#\d", line) is not None for line in some) > len(some) / 2
    try:
        for number, cells in records:
            if len(cells) > 1:
                single = False
            if any(cell.count("\n") > 1 for cell in cells):
                raise InputError(f"{where}, line {number}: a cell spans several lines; is a quote not closed?")
            if number == 1 and cells and re.fullmatch("sep=.?", cells[0]):
                continue
            if cells and cells[0].startswith(("#", "//")) and not (labelled and re.match(r"#\d", cells[0])):
                comments.append([cells[0].lstrip("#/ "), *cells[1:]])
                continue
            if not any(cells):  # in a single column an empty line is a missing value
                if single and number > 1:
                    yield number, [""]
                continue
            missing = all(kind_of(cell) is Kind.MISSING for cell in cells) and kind_of(before) is not Kind.TEXT
            before = cells[0]
            if _RULE.fullmatch(delimiter.join(cells)) and not missing:
                continue
            yield number, cells
    except csv.Error as error:
        raise InputError(f"{where} is no CSV: {error}; give a file with one line per row") from error


def _choose_delimiter(sample: str, where: str) -> str:
    """Return what separates cells: the one that leaves most of them numbers, times or nothing, in rows of one width."""
    best, chosen, broken = 0.0, ",", None
    for delimiter in _DELIMITERS:
        try:
            rows = [cells for _, cells in islice(_split(sample, delimiter, where, []), SAMPLE)]
        except InputError as error:
            broken = broken or error
            continue
        rows = rows[len(rows) // 2 :]
        width, often = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
        if not often or width == 1 and delimiter != ",":
            continue
        clean = [kind_of(cell) is not Kind.TEXT for row in rows if len(row) == width for cell in row]
        score = often / len(rows) * (sum(clean) / len(clean) + 0.01)
        if score > best + (0.2 if delimiter == " " else 0):
            best, chosen = score, delimiter
    if broken and chosen == " ":  # the only one for which quotes mean nothing
        raise broken
    return chosen


def _find_header(rows: Sequence[Sequence[str]], where: str) -> tuple[list[str] | None, int]:
    """Return the names of the columns, None where there are none, and the first row of the body.

    The body begins with the first row whose cells are of the kinds that the later rows have; the header is the row of
    text before it, or else the first row of text of that width above.
    """
    width = Counter(len(row) for row in rows[len(rows) // 2 :]).most_common(1)[0][0]
    later = [[kind_of(cell) for cell in row] for row in rows[len(rows) // 2 :] if len(row) == width]
    common = [
        Counter(kind for kind in column if kind is not Kind.MISSING).most_common(1)
        for column in zip(*later, strict=True)
    ]
    kinds = [each[0][0] if each else Kind.MISSING for each in common]

    def is_body(row: Sequence[str]) -> bool:
        return len(row) == width and all(
            wanted in (Kind.TEXT, Kind.MISSING) or kind is wanted or kind is Kind.MISSING and wanted is Kind.NUMBER
            for wanted, kind in zip(kinds, map(kind_of, row), strict=True)
        )

    if not {Kind.NUMBER, Kind.TIME} & set(kinds):
        return [*rows[0]], 1

    def is_good(row: Sequence[str]) -> bool:
        """Tell whether the time and a number are there, whatever words stand beside them."""
        found = [kind_of(cell) is wanted for wanted, cell in zip(kinds, row, strict=False)]
        times, numbers = (
            [fits for fits, kind in zip(found, kinds, strict=False) if kind is which] for which in measured
        )
        return len(row) == width and all(times) and any(numbers) and (bool(times) or numbers[0] and sum(numbers) > 1)

    measured = (Kind.TIME, Kind.NUMBER)
    begin = next((k for k, row in enumerate(rows) if is_body(row) or is_good(row)), 0)
    if begin == 0:
        return None, 0
    above = [row for row in rows[:begin] if len(row) == width]
    texts = [row for row in above if all(kind_of(cell) is Kind.TEXT for cell in row)]
    nearest_row = _match_header(list(rows[begin - 1]), rows[begin], later)
    if nearest_row not in above and len(nearest_row) == width:
        return nearest_row, begin
    if len(nearest_row) < width:
        what = f"{len(nearest_row)} names in the header, {width} cells in the rows"
        raise InputError(f'{where}: {what}; quote numbers that hold the separator, such as "1,234"')
    if len(nearest_row) > width and any(nearest_row[width:]):
        what = f"{len(nearest_row)} names in the header, {width} cells in the rows"
        raise InputError(f"{where}: {what}; give each line the same")
    if (
        len(texts) > 1
        and nearest_row == texts[-1]
        and all(re.fullmatch(r"\(.*\)|\[.*\]", name) for name in nearest_row)
    ):
        return [f"{name} {unit}" for name, unit in zip(texts[-2], nearest_row, strict=True)], begin
    label = [row for row in texts if row[0].lower() == "label"]  # CloudWatch's console writes what is shown first
    if label or nearest_row not in texts:
        return list((label or texts or [nearest_row[:width]])[0]), begin
    return list(nearest_row), begin


def _match_header(names: list[str], row: Sequence[str], later: Sequence[Sequence[Kind]]) -> list[str]:
    """Complete a header that lacks one name: of R's row names, of an empty last cell, of a clock beside its date."""
    if len(names) != len(row) - 1:
        return names
    if all(kinds[-1] is Kind.MISSING for kinds in later):
        return [*names, ""]
    if row[0] in ("0", "1"):
        return ["", *names]
    pairs = [
        k
        for k in range(len(names))
        if re.fullmatch(r"\d+[-/.]\d+[-/.]\d+", row[k]) and re.fullmatch(r"\d+:\d\d\S{0,9}", row[k + 1])
    ]
    return [*names[: pairs[0] + 1], f"{names[pairs[0]]} (clock)", *names[pairs[0] + 1 :]] if len(pairs) == 1 else names


def _name_columns(names: Sequence[str], notes: list[str]) -> list[str]:
    """Give each column a name of its own."""
    named: list[str] = []
    for k, name in enumerate(names):
        name = name.strip()
        name = name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name
        name = name.lstrip("#").strip() or f"column{k + 1}"
        if name in named:
            again = next(f"{name}.{n}" for n in range(2, len(names) + 2) if f"{name}.{n}" not in names)
            notes.append(f"two columns are called {name!r}; the later one is {again!r} here")
            name = again
        named.append(name)
    return named
