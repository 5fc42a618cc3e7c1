"""Files and folders written whole or not at all."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeresearch.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


DRAFT = ".draft-"
"""How names begin that are not yet whole; they are no results, and DVC looks past them."""


def readable(name: str | os.PathLike[str]) -> str:
    """Return a name in which bytes that are no UTF-8, of an old archive's file say, are replaced."""
    return str(name).encode("utf-8", "replace").decode("utf-8")


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` if the block succeeds.

    The folder is made where it is missing. If the block raises, the temporary file and new folders go, and what
    stood at `path` stays.

    Raises:
        InputError: The folder cannot be made or written, or the disk is full.
    """
    with _drafted(path, folder=False) as draft:
        yield draft
        draft.chmod(0o644)
        draft.replace(path)


def check_file(path: Path) -> None:
    """Look whether a file is there, before anything heavy is imported to read it; if not, the nearest is named."""
    if path.is_dir():
        raise InputError(f"{path} is a directory; name a file in it")
    if path.is_char_device() or path.is_block_device():
        raise InputError(f"{path} is a device; name a file, or - for standard input")
    if not path.exists():
        near = get_close_matches(path.name, [item.name for item in path.parent.glob("*")], n=1)
        raise InputError(f"no file {path}; " + (f"nearest: {near[0]}" if near else "check the path"))


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file, decompressed where it is an archive of gzip, bzip2, xz or Zstandard.

    Raises:
        InputError: The file is missing, cannot be read, or is a damaged archive.
    """
    check_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; name a readable file") from error
    return decompress(content, str(path))


def decompress(content: bytes, where: str) -> bytes:
    """Return bytes decompressed, whatever their archive; bytes that are no archive as they are.

    Raises:
        InputError: The archive is damaged.
    """
    try:
        if content.startswith(b"\x1f\x8b"):
            return gzip.decompress(content)
        if content.startswith(b"BZh"):
            return bz2.decompress(content)
        if content.startswith(b"\xfd7zXZ\x00"):
            return lzma.decompress(content)
        if content.startswith(b"\x28\xb5\x2f\xfd"):
            import pyarrow as pa

            with pa.input_stream(pa.py_buffer(content), compression="zstd") as stream:
                return bytes(stream.read())
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{where} is a damaged archive: {error}; make or fetch it anew") from error
    return content


@contextmanager
def gathered(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder beside `path`; its files and folders move to `path` if the block succeeds.

    Of what stood at `path`, only things of the same names are replaced. If the block raises, nothing is left behind and
    what stood at `path` stays as it was.

    Raises:
        InputError: The folder cannot be made or written.
    """
    check(path)
    with _drafted(path, folder=True) as draft:
        yield draft
        draft.chmod(0o755)
        _move(draft, Path(path))


@contextmanager
def _drafted(path: str | os.PathLike[str], *, folder: bool) -> Iterator[Path]:
    """Yield a new file or folder for what is to stand at `path`; afterwards it is gone, if it has not been moved."""
    target = Path(path).absolute()
    made = [parent for parent in target.parents if not parent.exists()]
    draft = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target if target.is_mount() else target.parent  # a move from one disk to another takes its time
        prefix = f"{DRAFT}{target.stem}-"
        if folder:
            draft = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
        else:
            handle, name = tempfile.mkstemp(prefix=prefix, suffix=target.suffix, dir=beside)
            os.close(handle)
            draft = Path(name)
        yield draft
    except InputError as error:  # of a file in the draft, which nobody knows by that name
        raise InputError(str(error).replace(str(draft), str(path))) from error
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True) if folder else draft.unlink(missing_ok=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _move(draft: Path, target: Path) -> None:
    if not target.exists():
        draft.replace(target)
        return
    for item in sorted(draft.iterdir()):
        old = target / item.name
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        item.replace(old)


def write_csv(table: "pd.DataFrame", path: str | os.PathLike[str], digits: int | None = 6) -> None:
    """Write a table as CSV with the same bytes on every machine: `digits` significant digits, LF line ends.

    The index is left out. Where `digits` is None, numbers are written with as many as tell them from any other.
    """
    form = None if digits is None else f"%.{digits}g"
    with atomic(path) as draft:
        table.to_csv(draft, index=False, float_format=form, lineterminator="\n", errors="replace")


def read_table(path: str | os.PathLike[str]) -> "pd.DataFrame":
    """Read a CSV of results.

    Raises:
        InputError: The file is missing or no CSV.
    """
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"cannot read {path}: {reason}; run the pipeline, or what makes it, first") from error


def write_text(text: str, path: str | os.PathLike[str]) -> None:
    """Write text as UTF-8."""
    with atomic(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace")


def write_json(data: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON with sorted keys and a final newline."""
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(text + "\n", path)


def check(path: str | os.PathLike[str]) -> None:
    """Look whether a folder could be written, before long work starts; nothing is made.

    Raises:
        InputError: It is a file, lies below one, or is not to be written.
    """
    place = Path(path).absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise InputError(f"cannot write {path}: {place} is a file; choose another folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}: {place} is not writable; choose another folder")
