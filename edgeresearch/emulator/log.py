"""What became of each trigger, compactly."""

import os
import struct
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.errors import RunError
from edgeresearch.los.request import Reason

KEPT = 2**18
"""Bytes of entries above which `Log.settle` moves them to a file."""

FINISHED, DROPPED, LOST = 0, 1, 2
ENDS = ("finished", "dropped", "lost")
"""How a trigger can end: a training that ran to its end, one that found no place, one whose node left the mesh."""
REASONS = tuple(Reason)

_NUMBER = {reason: number for number, reason in enumerate(REASONS)}
_FIELDS = {
    "job": "i4", "time": "f8", "end": "i1", "reason": "i1", "hops": "u2", "node": "i4",
    "limit": "f4", "seconds": "f4", "complete": "f4",
}  # fmt: skip
_ENTRY = np.dtype(list(_FIELDS.items()))
_pack = struct.Struct("=idbbHifff").pack
_job = struct.Struct("=i").unpack_from
_END = int(_ENTRY.fields["end"][1])  # type: ignore[index]


class Log:
    """One entry per trigger, in the order of the triggers; 32 bytes each, in memory until they are settled.

    What is settled lies in a temporary file without a name, which stays open as long as the log is there: a long run on
    many nodes keeps only its newest entries in memory, if the folder of temporary files (`TMPDIR`) is on a disk.
    """

    __slots__ = ("__weakref__", "_entries", "_file", "_settled")

    def __init__(self, entries: bytes = b"") -> None:
        """Begin with what another log held, or with nothing."""
        self._entries = bytearray(entries)
        self._settled = 0  # bytes in the file
        self._file = -1

    def __len__(self) -> int:
        """Return how many triggers there were."""
        return (self._settled + len(self._entries)) // _ENTRY.itemsize

    def __bytes__(self) -> bytes:
        """Return all entries as they lie one after another."""
        return b"".join([*self._read(), self._entries])

    def __reduce__(self) -> "tuple[type[Log], tuple[bytes]]":
        """Copy or pickle all entries: a copy has its own file."""
        return Log, (bytes(self),)

    def settle(self) -> None:
        """Move entries out of memory if there are more than `KEPT` bytes of them.

        Raises:
            RunError: They cannot be written, as when the disk is full.
        """
        if len(self._entries) <= KEPT:
            return
        with _told():
            if self._file < 0:
                file = tempfile.TemporaryFile(buffering=0)
                weakref.finalize(self, file.close)
                self._file = file.fileno()
            end = self._settled
            with memoryview(self._entries) as entries:
                while end < self._settled + len(entries):
                    end += os.pwrite(self._file, entries[end - self._settled :], end)
        self._entries, self._settled = bytearray(), end

    def _read(self) -> list[bytes]:
        """What is settled, in pieces."""
        found, at = [], 0
        while at < self._settled:
            found.append(os.pread(self._file, self._settled - at, at))
            at += len(found[-1])
        return found

    def dropped(self, job: int, time: float, reason: Reason, hops: int, node: int) -> None:
        """Note a trigger that found no place; the arguments are described at `frame`."""
        self._entries += _pack(job, time, DROPPED, _NUMBER[reason], hops, node, 0.0, 0.0, 0.0)

    def placed(
        self, job: int, time: float, reason: Reason, hops: int, node: int, limit: float, seconds: float, complete: float
    ) -> int:
        """Note a trigger whose training runs; returns its place in the log, for `lose`."""
        entries = self._entries
        place = self._settled + len(entries)
        entries += _pack(job, time, FINISHED, _NUMBER[reason], hops, node, limit, seconds, complete)
        return place

    def lose(self, place: int) -> int:
        """Note that the node left before the training at that place ended; returns its job."""
        at = place - self._settled
        if at < 0:
            with _told():
                os.pwrite(self._file, bytes([LOST]), place + _END)
            entry: bytes | bytearray = os.pread(self._file, _ENTRY.itemsize, place)
            at = 0
        else:
            entry = self._entries
            entry[at + _END] = LOST
        job: int = _job(entry, at)[0]
        return job

    def entries(self) -> npt.NDArray[np.void]:
        """Return the log as a structured array with the columns of `frame`, codes in place of words."""
        return np.frombuffer(bytes(self), dtype=_ENTRY)

    def frame(self) -> pd.DataFrame:
        """Return the log as a table.

        Returns:
            One row per trigger: `job`, whose; `time`, when, in seconds; `end`, one of `ENDS`; `reason`, that of the
            last decision on it; `hops`, how often it was handed over; `node`, where it ran or was dropped; `limit`, in
            millicores, `seconds`, t_job, and `complete`, t_complete: 0 if it did not run.
        """
        entries = self.entries()
        wide = {"i": np.int64, "u": np.int64, "f": np.float64}
        table = pd.DataFrame({name: entries[name].astype(wide[_ENTRY[name].kind]) for name in _FIELDS})
        table["end"] = _words(entries["end"], ENDS)
        table["reason"] = _words(entries["reason"], [str(reason) for reason in REASONS])
        return table


@contextmanager
def _told() -> Iterator[None]:
    """Tell in a line that the temporary file fails."""
    try:
        yield
    except OSError as error:
        where = tempfile.tempdir or "any folder of temporary files"
        raise RunError(
            f"cannot keep the log of a run in {where}: {error.strerror}; make room, or name another folder in TMPDIR"
        ) from error


def _words(codes: npt.NDArray[np.int8], words: Sequence[str]) -> "pd.Categorical[str]":
    return pd.Categorical.from_codes(codes.astype(np.int64), categories=pd.Index(words))
