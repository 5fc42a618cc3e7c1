"""The pinned public files: their addresses, their checksums, and reading them with their origin."""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series.trace import Origin

REGISTRY = Path(__file__).with_name("registry.csv")
"""The packaged table of pinned files: file, url, sha256, sha256_csv, identical_to_upstream."""


@dataclass(frozen=True)
class Pin:
    """One public file and what its bytes must be.

    Attributes:
        file: Path within a data folder, such as `qps/dsp_wiki_de_5min.csv.gz`.
        url: Where the publisher's bytes are.
        sha256: Checksum of the `.csv.gz` in a mirror.
        sha256_csv: Checksum of the decompressed CSV.
        identical: Whether the CSV is byte for byte what `url` serves; if not, what it serves is repacked.
    """

    file: str
    url: str
    sha256: str
    sha256_csv: str
    identical: bool


@cache
def pins() -> Mapping[str, Pin]:
    """Return the pinned files by their path within a data folder."""
    table = pd.read_csv(REGISTRY, dtype=str, keep_default_na=False)
    return MappingProxyType(
        {
            name: Pin(name, url, sha256, sha256_csv, identical == "yes")
            for name, url, sha256, sha256_csv, identical in table.to_numpy().tolist()
        }
    )


def registry_from_manifest(path: str | Path) -> pd.DataFrame:
    """Make the table of pinned files from a mirror's manifest.

    To remake the packaged table: `write_csv(registry_from_manifest("MANIFEST.csv"), REGISTRY)`.

    Args:
        path: CSV with at least the columns file, url, sha256_gz, sha256_csv, identical_to_upstream.

    Returns:
        One row per file, sorted by file, with the columns of `REGISTRY`.

    Raises:
        InputError: The manifest is missing or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the manifest {path}: {error}; give the MANIFEST.csv of a mirror") from error
    table = table.rename(columns={"sha256_gz": "sha256"})
    columns = ["file", "url", "sha256", "sha256_csv", "identical_to_upstream"]
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise InputError(f"the manifest {path} lacks the columns {', '.join(lacking)}; give that of a mirror")
    return table[columns].sort_values("file", ignore_index=True)


def pin(name: str) -> Pin:
    """Return the pin of a file.

    Raises:
        InputError: No such file is pinned; the message names the nearest.
    """
    known = pins()
    if name not in known:
        near = max(known, key=lambda other: _likeness(name, other))
        raise InputError(f"unknown data file {name!r}; nearest: {near}; see {REGISTRY.name} for all {len(known)}")
    return known[name]


def _likeness(name: str, other: str) -> tuple[int, float]:
    """Compare names by their common words, then by their letters."""
    words = set(re.split(r"[\W_]", name)) & set(re.split(r"[\W_]", other))
    return len(words), SequenceMatcher(None, name, other).ratio()


def content(path: Path) -> bytes:
    """Return the decompressed bytes of a file (`.gz`) or its bytes (any other).

    Raises:
        InputError: The file is missing, is unreadable, or is a damaged archive.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError as error:
        raise InputError(f"no file {path}; fetch the data first or name another file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a damaged gzip file: {error}; delete it and fetch it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; name a readable file") from error


def sha256(data: bytes) -> str:
    """Return the checksum of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def is_real(path: Path, name: str) -> bool:
    """Tell whether the file at `path` holds the pinned bytes of the public file `name`.

    The decompressed bytes decide, so the compressor does not matter. A missing or damaged file is not real.

    Raises:
        InputError: No file `name` is pinned.
    """
    wanted = pin(name).sha256_csv
    try:
        return sha256(content(path)) == wanted
    except InputError:
        return False


def read(folder: Path, name: str, columns: Sequence[str], note: str = "") -> tuple[pd.DataFrame, Origin]:
    """Read a pinned file, or its stand-in, from a data folder.

    Args:
        folder: The data folder that `fetch` filled.
        name: Path of the file within it.
        columns: The columns wanted, in this order.
        note: What a reader of a figure must know.

    Returns:
        The wanted columns as stored and their origin. The origin's checksum is that of the decompressed bytes; `real`
        follows from that checksum alone.

    Raises:
        InputError: The file is missing, damaged, no CSV, or lacks a column.
    """
    pinned = pin(name)
    data = content(Path(folder) / name)
    digest = sha256(data)
    real = digest == pinned.sha256_csv
    try:
        table = pd.read_csv(io.BytesIO(data), usecols=list(columns))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot read {Path(folder) / name}: {reason}; delete it and fetch it again") from error
    if not real:
        note = "; ".join(filter(None, ["not the pinned file: a stand-in", note]))
    return table[list(columns)], Origin("registry" if real else "synthetic", name, digest, real, note)
