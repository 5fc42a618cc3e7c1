"""Bringing the public files into a data folder: from a mirror, by download, or as seeded stand-ins."""

import gzip
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pandas as pd
import pooch

from edgeresearch.data import datasets, synthetic
from edgeresearch.data.datasets import find_pin, is_real, read_bytes
from edgeresearch.data.settings import Source
from edgeresearch.errors import InputError
from edgeresearch.io import atomic
from edgeresearch.provenance import sha256

TIMEOUT = (5.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""


class _NetworkError(Exception):
    """The network or the server failed."""


def fetch(
    folder: Path,
    *,
    source: Source,
    mirror: Path | None = None,
    files: Sequence[str] | None = None,
    seed: int,
    progress: bool = False,
    base_url: str | None = None,
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
        base_url: Replaces scheme and host of every address, for a server of one's own.
        warn: Receives each warning, one line.

    Returns:
        One row per file, in the order asked for: file; source (`kept`, `mirror`, `download` or `synthetic`); sha256 of
        the decompressed bytes; real, which follows from that checksum alone.

    Raises:
        InputError: An unknown source or file; a file that the mirror lacks or holds with a wrong checksum (`mirror`); a
            failed download (`download`), or one with a wrong checksum; a folder that cannot be written.
    """
    if source not in ("auto", "mirror", "download", "synthetic"):
        raise InputError(f"unknown source {source!r}; choose auto, mirror, download or synthetic")
    folder = Path(folder)
    wanted = list(dict.fromkeys(datasets.pins() if files is None else files))
    how = {name: "kept" for name in wanted if source != "synthetic" and is_real(folder / name, name)}
    if source in ("auto", "mirror"):
        left = [name for name in wanted if name not in how]
        how |= dict.fromkeys(_from_mirror(folder, mirror, left, source == "mirror", warn), "mirror")
    if source in ("auto", "download"):
        left = [name for name in wanted if name not in how]
        how |= dict.fromkeys(_by_download(folder, left, progress, base_url, source == "download", warn), "download")
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
    return table.assign(real=[digest == find_pin(name).sha256_csv for name, _, digest in rows])


def _from_mirror(
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
        data = path.read_bytes() if path.is_file() else b""
        if sha256(data) == find_pin(name).sha256 or is_real(path, name):
            with atomic(folder / name) as draft:
                draft.write_bytes(data)
            copied.append(name)
            continue
        fault = "has another checksum than the pinned one" if path.is_file() else "is missing"
        if strict:
            raise InputError(f"{name} {fault} in the mirror {mirror}; complete the mirror or use source 'download'")
        bad.append(f"{name} {fault}")
    if bad:
        warn(f"mirror {mirror}: {len(bad)} of {len(names)} files cannot be used ({bad[0]}); trying to download them")
    return copied


def _by_download(
    folder: Path, names: Sequence[str], progress: bool, base_url: str | None, strict: bool, warn: Callable[[str], None]
) -> list[str]:
    """Download files until the network fails once, and return the names that came."""
    downloader = pooch.HTTPDownloader(progressbar=progress, chunk_size=1 << 16, timeout=TIMEOUT)
    stored: list[str] = []
    for name in names:
        pin = find_pin(name)
        try:
            data = _download(downloader, _address(pin.url, base_url))
        except _NetworkError as error:
            if strict:
                raise InputError(f"cannot download {name}: {error}; try again later or use a mirror") from error
            warn(f"cannot download {name}: {error}; no other file is tried")
            break
        data = data if pin.identical else _repacked(data, name)
        digest = sha256(data)
        if digest != pin.sha256_csv:
            raise InputError(
                f"{name}: the download has another checksum (expected sha256 {pin.sha256_csv}, found {digest}) "
                "and was not kept; use a mirror or source 'synthetic'"
            )
        _store(data, folder / name)
        stored.append(name)
    return stored


def _address(url: str, base_url: str | None) -> str:
    if base_url is None:
        return url
    return base_url.rstrip("/") + urlunsplit(("", "", *urlsplit(url)[2:]))


def _download(downloader: pooch.HTTPDownloader, url: str) -> bytes:
    buffer = io.BytesIO()
    try:
        downloader(url, buffer, None)
    except OSError as error:  # every error of requests is one
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _NetworkError(reason) from error
    return buffer.getvalue()


def _repacked(data: bytes, name: str) -> bytes:
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
