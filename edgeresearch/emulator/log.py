"""What became of each trigger, compactly."""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.los.request import Reason

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
    """One entry per trigger, in the order of the triggers; 32 bytes each."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries = bytearray()

    def __len__(self) -> int:
        """Return how many triggers there were."""
        return len(self._entries) // _ENTRY.itemsize

    def __bytes__(self) -> bytes:
        """Return the entries as they lie in memory."""
        return bytes(self._entries)

    def dropped(self, job: int, time: float, reason: Reason, hops: int, node: int) -> None:
        """Note a trigger that found no place; the arguments are described at `frame`."""
        self._entries += _pack(job, time, DROPPED, _NUMBER[reason], hops, node, 0.0, 0.0, 0.0)

    def placed(
        self, job: int, time: float, reason: Reason, hops: int, node: int, limit: float, seconds: float, complete: float
    ) -> int:
        """Note a trigger whose training runs; returns its place in the log, for `lose`."""
        entries = self._entries
        place = len(entries)
        entries += _pack(job, time, FINISHED, _NUMBER[reason], hops, node, limit, seconds, complete)
        return place

    def lose(self, place: int) -> int:
        """Note that the node left before the training at that place ended; returns its job."""
        self._entries[place + _END] = LOST
        job: int = _job(self._entries, place)[0]
        return job

    def entries(self) -> npt.NDArray[np.void]:
        """Return the log as a structured array with the columns of `frame`, codes in place of words."""
        return np.frombuffer(bytes(self._entries), dtype=_ENTRY)

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


def _words(codes: npt.NDArray[np.int8], words: Sequence[str]) -> "pd.Categorical[str]":
    return pd.Categorical.from_codes(codes.astype(np.int64), categories=pd.Index(words))
