"""The data sets of both papers: brought into a data folder, and read from it as traces."""

import gzip
import io
import os
import re
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np
import pandas as pd

from edgeresearch.data.registry import (
    POLLUTANTS,
    REQUEST_TRACES,
    STAND_IN,
    UTILISATION_TRACES,
    DataSettings,
    Kind,
    Source,
    TraceSpec,
    find_pin,
    list_sensors,
    pins,
)
from edgeresearch.data.times import parse_times
from edgeresearch.data.trace import Origin, Trace, find_runs, put_on_grid, regular_index, steps_per_day
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import atomic, read_bytes
from edgeresearch.provenance import sha256
from edgeresearch.settings import check_seed

STEP = pd.Timedelta(minutes=5)
"""Of the sensors of Aarhus."""
OUTAGE_MINUTES = 60
"""NASA lists only minutes with requests: up to this many absent minutes in a row are true zeros, more are an outage."""
TIMEOUT = (5.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""

Period = Literal["aug_sep", "feb_jun"]


def load_dataset(
    name: str, folder: str | Path | None = None, *, mirror: str | Path | None = None, seed: int = 0
) -> Trace:
    """Load a data set of the papers by its name.

    Args:
        name: A request trace (`elb`, `nasa`, …, or `paper_a`, the synthetic stand-in for Paper A's own), a utilisation
            trace (`google2019`, …), or a sensor of Aarhus (`traffic_158324`, `pollution_158324`).
        folder: The data folder that `edgeresearch data` filled. Where None, the file is looked for in `data/raw` of the
            present folder, then in the mirror; if neither has it, a synthetic stand-in is made, and a note says so.
        mirror: A folder that holds the files; where None, what EDGERESEARCH_DATA_MIRROR names.
        seed: Root of a stand-in's randomness.

    Raises:
        InputError: The name is unknown, or the file is damaged or missing in the folder that was named.
    """
    from edgeresearch.data import synthetic  # it imports scipy

    seed = check_seed(seed)
    if name == STAND_IN:
        child = np.random.SeedSequence([seed, *name.encode()])
        return synthetic.draw_qps(np.random.default_rng(child))
    file, load = _find_loader(name)
    if folder is not None:
        return load(Path(folder))
    beside = mirror or os.environ.get("EDGERESEARCH_DATA_MIRROR")
    for place in (Path(DataSettings().folder), *([Path(beside)] if beside else [])):
        if (place / file).is_file():
            trace = load(place)
            note = "" if trace.origin.real else f"SYNTHETIC DATA: {place / file} is a stand-in"
            return replace(trace, notes=(*trace.notes, note)) if note else trace
    with TemporaryDirectory() as draft:
        _store(synthetic.make_file(file, seed), Path(draft) / file)
        trace = load(Path(draft))
    made = f"{file} is not here, so this is a seeded stand-in; `edgeresearch data` fetches the real files"
    return replace(trace, notes=(*trace.notes, f"SYNTHETIC DATA: {made}"))


def _find_loader(name: str) -> tuple[str, Callable[[Path], Trace]]:
    """Return the file of a data set, and what loads it from a data folder."""
    if name in REQUEST_TRACES:
        return REQUEST_TRACES[name].file, partial(load_requests, name)
    if name in UTILISATION_TRACES:
        return UTILISATION_TRACES[name].file, partial(load_utilisation, name)
    sensor = re.fullmatch(r"(traffic|pollution)_(\d+)(_feb_jun)?", name)
    if sensor is None:
        known = [*REQUEST_TRACES, STAND_IN, *UTILISATION_TRACES]
        some = f"{', '.join(known)}, traffic_NUMBER, pollution_NUMBER"
        raise InputError(f"unknown data set {name!r}{nearest(name, known)}; choose one of {some}")
    number = int(sensor[2])
    if sensor[1] == "pollution":
        return _sensor_file("pollution", number), partial(load_pollution, sensor=number)
    period: Period = "feb_jun" if sensor[3] else "aug_sep"
    return _sensor_file("traffic", number, period), partial(load_traffic, sensor=number, period=period)


def load_requests(name: str, folder: str | Path) -> Trace:
    """Load a request trace: one column, `requests`, in the unit of its spec, with what was repaired as counts.

    Absent slots are NaN, with two exceptions that the files ask for. `nasa` has no row for a minute without requests:
    up to `OUTAGE_MINUTES` absent minutes in a row are zeros, longer runs are outages and NaN. The Twitter file writes 0
    where its archive has a gap (every night from 23:31, and 42 short ones): every zero there is NaN, and a minute of
    `twitter_minute` with a masked second is NaN.

    Raises:
        InputError: The file is missing in the data folder, or damaged.
    """
    spec = REQUEST_TRACES[name]
    note = "; ".join(filter(None, [spec.description, spec.scale]))
    table, origin = _read_columns(folder, spec.file, spec.time, spec.columns, note)
    if spec.time is None:
        frame, repairs = _sum_seconds(table, spec)
    else:
        frame, repairs = put_on_grid(table, pd.Timedelta(seconds=spec.seconds))
        if name == "nasa":
            frame, repairs = _fill_zeros(frame, repairs)
    return Trace(name, frame, pd.Timedelta(seconds=spec.seconds * spec.every), spec.unit, origin, repairs, spec.season)


def load_utilisation(name: str, folder: str | Path) -> Trace:
    """Load a utilisation trace: columns cpu_percent and, where there is one, memory_percent; absent slots are NaN.

    Raises:
        InputError: The file is missing in the data folder, or damaged.
    """
    spec = UTILISATION_TRACES[name]
    table, origin = _read_columns(folder, spec.file, spec.time, spec.columns, spec.description)
    step = pd.Timedelta(seconds=spec.seconds)
    if spec.time is None:
        table.index = regular_index(spec.start, len(table), step)
    frame, repairs = put_on_grid(table * spec.factor, step)
    return Trace(name, frame, step, spec.unit, origin, repairs, spec.season)


def load_traffic(folder: str | Path, sensor: int, period: Period = "aug_sep") -> Trace:
    """Load one traffic sensor on the common 5-minute grid (stamps at full five minutes).

    Stamps have no zone; the rush hours say UTC, and UTC is assumed. Sensors start and end at slightly different times:
    join traces by their index. The ids, the status (always OK) and the median time (always equal to the average) are
    dropped. Two sensors have a period `feb_jun` besides `aug_sep` 2014.

    NaN marks absent slots, rows whose count, speed and time are all 0 (no measurement), and, where no vehicle passed
    and the feed repeats the speed and time of the row before, that speed and time.

    Returns:
        Columns vehicle_count (vehicles per 5 min), avg_speed (km/h), avg_measured_time (s). The repairs count, besides
        those of `put_on_grid`, `all_zero` rows and `repeated_speed` rows.

    Raises:
        InputError: There is no such sensor, or its file is missing or damaged.
    """
    measured = {"avgSpeed": "avg_speed", "avgMeasuredTime": "avg_measured_time"}
    columns = {"vehicleCount": "vehicle_count", **measured}
    frame, origin, repairs = _load_sensor(folder, _sensor_file("traffic", sensor, period), "TIMESTAMP", columns)
    seen, courses = frame.dropna(), list(measured.values())
    empty = (seen == 0).all(axis=1)
    repeated = (seen["vehicle_count"] == 0) & ~empty & (seen[courses] == seen[courses].shift()).all(axis=1)
    frame.loc[empty.index[empty]] = float("nan")
    frame.loc[repeated.index[repeated], courses] = float("nan")
    repairs |= {"all_zero": int(empty.sum()), "repeated_speed": int(repeated.sum())}
    name = f"traffic_{sensor}" if period == "aug_sep" else f"traffic_{sensor}_{period}"
    return Trace(name, frame, STEP, "vehicles per 5 min", origin, repairs, steps_per_day(STEP))


def load_pollution(folder: str | Path, sensor: int) -> Trace:
    """Load one pollution series on the 5-minute grid; it was generated by its publisher, not measured.

    Each column, one per pollutant of `POLLUTANTS`, is an integer random walk within [15, 215] without a unit or a daily
    cycle: the trace has no season. Stamps have no zone; UTC is assumed as for traffic. The constant longitude and
    latitude are dropped. The origin is real where the file is the published one; its note says that it was generated.

    Raises:
        InputError: There is no such sensor, or its file is missing or damaged.
    """
    file, note = _sensor_file("pollution", sensor), "generated by the publisher, not measured"
    frame, origin, repairs = _load_sensor(folder, file, "timestamp", {name: name for name in POLLUTANTS}, note)
    return Trace(f"pollution_{sensor}", frame, STEP, "index without unit", origin, repairs)


def load_sensors(folder: str | Path | None, kind: Kind, count: int) -> list[Trace]:
    """Load the streams of so many sensors, those of the lowest numbers; as `load_dataset` finds them without a folder.

    Raises:
        InputError: There are fewer, or a file is damaged.
    """
    known = list_sensors(folder, kind)
    if len(known) < count:
        if folder is None:
            raise InputError(f"there are {len(known)} {kind} sensors, not {count}; ask for fewer")
        raise InputError(f"{len(known)} {kind} sensors in {folder}, not {count}; fetch the data first")
    if folder is None:
        return [load_dataset(f"{kind}_{sensor}") for sensor in known[:count]]
    load = load_traffic if kind == "traffic" else load_pollution
    return [load(folder, sensor) for sensor in known[:count]]


def _sensor_file(kind: Kind, sensor: int, period: Period = "aug_sep") -> str:
    return f"aarhus_{kind}/{kind}Data{sensor}{'' if period == 'aug_sep' else '_feb_jun_2014'}.csv.gz"


def _load_sensor(
    folder: str | Path, file: str, time: str, columns: Mapping[str, str], note: str = ""
) -> tuple[pd.DataFrame, Origin, dict[str, int]]:
    if file not in pins():
        kind: Kind = "traffic" if file.startswith("aarhus_traffic") else "pollution"
        known = list_sensors(folder, kind)
        some = ", ".join(map(str, known[:5])) + (", …" if len(known) > 5 else "") or "none, fetch the data first"
        raise InputError(f"no {kind} sensor ({file}); sensors in {folder}: {some}")
    table, origin = _read_columns(folder, file, time, columns, note)
    frame, repairs = put_on_grid(table, STEP)
    return frame, origin, repairs


def _read_columns(
    folder: str | Path, file: str, time: str | None, columns: Mapping[str, str], note: str
) -> tuple[pd.DataFrame, Origin]:
    """Read columns of a pinned file, or of its stand-in, over its stamps; the checksum says whether it is real."""
    path, pinned = Path(folder) / file, find_pin(file)
    if not path.exists():
        raise InputError(f"no file {path}; fetch the data first")
    data = read_bytes(path)
    digest = sha256(data)
    real = digest == pinned.sha256
    wanted = [*([] if time is None else [time]), *columns]
    try:
        table = pd.read_csv(io.BytesIO(data), usecols=wanted, dtype=dict.fromkeys(columns, float))[wanted]
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot read {path}: {reason}; delete it and fetch it again") from error
    if time is not None:
        table.index += 2  # lines of the file
        table.index = parse_times(table.pop(time), file, [], row="line")
    if not real:
        note = "; ".join(filter(None, ["not the pinned file: a stand-in", note]))
    return table.rename(columns=dict(columns)), Origin("registry" if real else "synthetic", file, digest, real, note)


def _fill_zeros(frame: pd.DataFrame, repairs: dict[str, int]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Write zeros into the short runs of absent minutes and count both kinds."""
    values = frame["requests"].to_numpy(copy=True)
    starts, lengths = find_runs(np.isnan(values))
    short = lengths <= OUTAGE_MINUTES
    for start, length in zip(starts[short], lengths[short], strict=True):
        values[start : start + length] = 0.0
    counts = {"zeros": int(lengths[short].sum()), "outages": int((~short).sum())}
    return frame.assign(requests=values), {**repairs, **counts, "outage_slots": int(lengths[~short].sum())}


def _sum_seconds(table: pd.DataFrame, spec: TraceSpec) -> tuple[pd.DataFrame, dict[str, int]]:
    """Mask the zeros of a series of seconds, and sum it over full minutes where asked."""
    seconds = table["requests"].to_numpy(dtype=float, copy=True)
    starts, lengths = find_runs(seconds == 0)
    seconds[seconds == 0] = np.nan
    repairs = {"gaps": len(starts), "gap_slots": int(lengths.sum())}
    if spec.every > 1:
        rest = len(seconds) % spec.every
        seconds = seconds[: len(seconds) - rest].reshape(-1, spec.every).sum(axis=1)
        repairs |= {"partial_dropped": rest, "masked_slots": int(np.isnan(seconds).sum())}
    stamps = regular_index(spec.start, len(seconds), pd.Timedelta(seconds=spec.seconds * spec.every))
    return pd.DataFrame({"requests": seconds}, index=stamps), repairs


def is_real(path: Path, file: str) -> bool:
    """Tell whether the file at `path` holds the pinned bytes of the public file `file`.

    The decompressed bytes decide, so the compressor does not matter. A missing or damaged file is not real.

    Raises:
        InputError: No such file is pinned.
    """
    wanted = find_pin(file).sha256
    try:
        return sha256(read_bytes(path)) == wanted
    except InputError:
        return False


def fetch(
    folder: Path,
    *,
    source: Source,
    mirror: Path | None = None,
    files: Sequence[str] | None = None,
    seed: int,
    progress: bool = False,
    warn: Callable[[str], None],
) -> pd.DataFrame:
    """Fill a data folder with the public files or their stand-ins.

    A file that is there with the pinned checksum is kept. The others come, with `auto`, from the mirror, then by
    download, then, after the first failure of the network, as synthetic stand-ins. The other sources stop with an error
    where a file cannot be had that way; `synthetic` replaces real files too, so that its result does not depend on what
    was there. What was complete when an error or an interrupt came stays; nothing is left half-written.

    Args:
        folder: The data folder; made where missing.
        source: Where files may come from.
        mirror: A folder with the files under the same names.
        files: Names within the folder; all of the registry where None.
        seed: Seed of the stand-ins.
        progress: Whether to draw progress bars on standard error.
        warn: Receives each warning, one line.

    Returns:
        One row per file, in the order asked for: file; source (`kept`, `mirror`, `download` or `synthetic`); sha256 of
        the decompressed bytes; real, which follows from that checksum alone.

    Raises:
        InputError: An unknown source or file; a file that the mirror lacks or holds with a wrong checksum (`mirror`); a
            failed download (`download`), or one with a wrong checksum; a folder that cannot be written.
    """
    from edgeresearch.data import synthetic  # it imports scipy

    if source not in get_args(Source):
        raise InputError(f"unknown source {source!r}; choose auto, mirror, download or synthetic")
    folder = Path(folder)
    wanted = list(dict.fromkeys(pins() if files is None else files))
    how = {name: "kept" for name in wanted if source != "synthetic" and is_real(folder / name, name)}
    if source in ("auto", "mirror"):
        left = [name for name in wanted if name not in how]
        how |= dict.fromkeys(_copy_from_mirror(folder, mirror, left, source == "mirror", warn), "mirror")
    if source in ("auto", "download"):
        left = [name for name in wanted if name not in how]
        how |= dict.fromkeys(_download_all(folder, left, progress, source == "download", warn), "download")
    left = [name for name in wanted if name not in how]
    for name in left:
        _store(synthetic.make_file(name, seed), folder / name, level=1)
    how |= dict.fromkeys(left, "synthetic")
    if left:
        warn(
            f"SYNTHETIC DATA: {len(left)} of {len(wanted)} files in {folder} are seeded stand-ins, not real data; "
            "for the real files fetch with source 'download' (needs a network) or 'mirror' (needs a folder with them)"
        )
    rows = [(name, how[name], sha256(read_bytes(folder / name))) for name in wanted]
    table = pd.DataFrame(rows, columns=["file", "source", "sha256"])
    return table.assign(real=[digest == find_pin(name).sha256 for name, _, digest in rows])


def _copy_from_mirror(
    folder: Path, mirror: Path | None, names: Sequence[str], strict: bool, warn: Callable[[str], None]
) -> list[str]:
    """Copy what the mirror holds with the right checksum, and return those names."""
    if not names or (mirror is None and not strict):
        return []
    if mirror is None:
        raise InputError("source 'mirror' needs a mirror folder; name one or use source 'download'")
    copied, bad = [], []
    for name in names:
        path = Path(mirror) / name
        if is_real(path, name):
            with atomic(folder / name) as draft:
                draft.write_bytes(path.read_bytes())
            copied.append(name)
            continue
        fault = "has another checksum than the pinned one" if path.is_file() else "is missing"
        if strict:
            raise InputError(f"{name} {fault} in the mirror {mirror}; complete the mirror or use source 'download'")
        bad.append(f"{name} {fault}")
    if bad:
        warn(f"mirror {mirror}: {len(bad)} of {len(names)} files cannot be used ({bad[0]}); trying to download them")
    return copied


def _download_all(
    folder: Path, names: Sequence[str], progress: bool, strict: bool, warn: Callable[[str], None]
) -> list[str]:
    """Download files until the network fails once, and return the names that came."""
    stored: list[str] = []
    for name in names:
        pin = find_pin(name)
        try:
            data = _download(pin.url, progress)
        except OSError as error:  # every error of requests is one
            reason = str(error).partition("\n")[0] or type(error).__name__
            if strict:
                raise InputError(f"cannot download {name}: {reason}; try again later or use a mirror") from error
            warn(f"cannot download {name}: {reason}; no other file is tried")
            break
        data = data if pin.identical else _repack(data, name)
        digest = sha256(data)
        if digest != pin.sha256:
            raise InputError(
                f"{name}: the download has another checksum (expected sha256 {pin.sha256}, found {digest}) "
                "and was not kept; use a mirror or source 'synthetic'"
            )
        _store(data, folder / name)
        stored.append(name)
    return stored


def _download(url: str, progress: bool) -> bytes:
    import pooch

    buffer = io.BytesIO()
    pooch.HTTPDownloader(progressbar=progress, chunk_size=1 << 16, timeout=TIMEOUT)(url, buffer, None)
    return buffer.getvalue()


def _repack(data: bytes, name: str) -> bytes:
    """Turn the archive's space-separated counts into a CSV with one count per line under the header `count`."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:bz2") as archive:
            member = next(item for item in archive if item.isfile())
            stream = archive.extractfile(member)
            text = stream.read() if stream else b""
    except (tarfile.TarError, OSError, EOFError, StopIteration) as error:
        raise InputError(f"{name}: the download is no tar.bz2 archive and was not kept; use a mirror") from error
    return b"\n".join([b"count", *text.split()]) + b"\n"


def _store(data: bytes, path: Path, level: int = 9) -> None:
    """Write bytes as gzip without name and time, so that equal data are equal files."""
    with atomic(path) as draft, draft.open("wb") as raw, gzip.GzipFile("", "wb", level, raw, mtime=0) as packed:
        packed.write(data)
