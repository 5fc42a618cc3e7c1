"""What runs leave behind, and what they come to: by policy, node, reason, hop and link."""

import itertools
import struct
import tempfile
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.emulator.network import Job, Mesh, Routes
from edgeresearch.emulator.policies import SchedulingPolicy, policy_name
from edgeresearch.errors import RunError
from edgeresearch.scheduling.messages import Decision, Reason, Request
from edgeresearch.stats import interval

LOG_BYTES = 2**18
"""Bytes of entries above which `TriggerLog.settle` moves them to a file."""
FINISHED, DROPPED, LOST = range(3)
ENDS = ("finished", "dropped", "lost")
"""How a trigger can end: a training that ran to its end, one that found no place, one whose node left the mesh."""
REASONS = tuple(Reason)

_CODES = {reason: code for code, reason in enumerate(REASONS)}
_ENTRY = np.dtype("i4, f8, i1, i1, u2, i4, f4, f4, f4")
_ENTRY.names = ("job", "time", "end", "reason", "hops", "node", "limit", "seconds", "complete")
_pack = struct.Struct("=idbbHifff").pack


class TriggerLog:
    """One entry per trigger, in the order of the triggers; 32 bytes each, in memory until they are settled.

    What is settled lies in a temporary file without a name, which stays open as long as the log is there: a long run on
    many nodes keeps only its newest entries in memory, if the folder of temporary files (`TMPDIR`) is on a disk.
    """

    def __init__(self) -> None:
        self._newest = bytearray()
        self._file: IO[bytes] | None = None
        self._settled = 0  # bytes in the file
        self._lost: list[int] = []

    def __len__(self) -> int:
        """Return how many triggers there were."""
        return (self._settled + len(self._newest)) // _ENTRY.itemsize

    def __bytes__(self) -> bytes:
        """Return all entries as they lie one after another."""
        return self.entries().tobytes()

    def settle(self) -> None:
        """Move entries out of memory if there are more than `LOG_BYTES` bytes of them.

        Raises:
            RunError: They cannot be written, as when the disk is full.
        """
        if len(self._newest) <= LOG_BYTES:
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)
                weakref.finalize(self, self._file.close)
            while self._newest:
                written = self._file.write(self._newest)
                self._settled += written
                del self._newest[:written]
        except OSError as error:
            where = tempfile.tempdir or "any folder of temporary files"
            raise RunError(
                f"cannot keep the log of a run in {where}: {error.strerror}; make room, or name another one in TMPDIR"
            ) from error

    def dropped(self, job: int, time: float, reason: Reason, hops: int, node: int) -> None:
        """Note a trigger that found no place; the arguments are described at `frame`."""
        self._newest += _pack(job, time, DROPPED, _CODES[reason], hops, node, 0.0, 0.0, 0.0)

    def placed(
        self, job: int, time: float, reason: Reason, hops: int, node: int, limit: float, seconds: float, complete: float
    ) -> int:
        """Note a trigger whose training runs; returns its place in the log, for `lose`."""
        newest = self._newest
        place = self._settled + len(newest)
        newest += _pack(job, time, FINISHED, _CODES[reason], hops, node, limit, seconds, complete)
        return place

    def lose(self, place: int) -> None:
        """Note that the node left before the training at that place ended."""
        self._lost.append(place // _ENTRY.itemsize)

    def entries(self) -> npt.NDArray[np.void]:
        """Return the log as a structured array with the columns of `frame`, codes in place of words."""
        settled = b""
        if self._file is not None:
            self._file.seek(0)
            settled = self._file.read()
        found = np.frombuffer(bytearray(settled + self._newest), dtype=_ENTRY)
        found["end"][self._lost] = LOST
        return found

    def frame(self) -> pd.DataFrame:
        """Return the log as a table.

        Returns:
            One row per trigger: `job`, whose; `time`, when, in seconds; `end`, one of `ENDS`; `reason`, that of the
            last decision on it; `hops`, how often it was handed over; `node`, where it ran or was dropped; `limit`, in
            millicores, `seconds`, t_job, and `complete`, t_complete: 0 if it did not run.
        """
        entries = self.entries()
        columns = {name: entries[name] for name in _ENTRY.names or ()}
        table = pd.DataFrame({k: each.astype(float if each.dtype.kind == "f" else int) for k, each in columns.items()})
        for name, words in (("end", ENDS), ("reason", [str(reason) for reason in REASONS])):
            table[name] = pd.Categorical.from_codes(table[name], categories=pd.Index(words))
        return table


CALL_BYTES = 256
"""Size taken for a request that is handed over, its token included."""
STATE_BYTES = 128
"""Size taken for an availability that is exchanged."""
MODEL_BYTES = 128
"""Size taken for what is broadcast of a training: eq. 1's parameters, the limit, the worst cases."""
MEGA = 1_000_000
MESSAGES = {"requests": CALL_BYTES, "exchanges": STATE_BYTES, "syncs": STATE_BYTES, "models": MODEL_BYTES}
"""Kinds of messages, and their sizes; what else is sent are models and samples, where a training runs."""
Path = tuple[int, ...]
"""Nodes that a request passed, its source first; each two are neighbours."""


class Step(NamedTuple):
    """One decision on the way of a trigger: when, in seconds, which node decided, on what, and what."""

    time: float
    node: int
    request: Request
    decision: Decision


@dataclass(frozen=True)
class Outcome:
    """One run of one policy.

    Attributes:
        policy: What decided, with all that it learned.
        mesh: Where it ran.
        jobs: Its streams.
        seconds: How long it was, in virtual time.
        interval: Time between two exchanges of availability, in seconds.
        log: What became of each trigger.
        handovers: Requests that each node handed over.
        megabytes: Models and samples that were sent to where trainings ran, by source node.
        synced: Availabilities read with global knowledge.
        paths: Nodes that a request passed, by time and job of its trigger, if they were recorded; triggers that nobody
            decided on are missing.
        steps: Every decision in order, if they were recorded.
    """

    policy: SchedulingPolicy
    mesh: Mesh
    jobs: Sequence[Job]
    seconds: float
    interval: float
    log: TriggerLog
    handovers: Sequence[int]
    megabytes: Sequence[float]
    synced: int = 0
    paths: Mapping[tuple[float, int], Path] = field(default_factory=dict)
    steps: Sequence[Step] = ()

    @property
    def name(self) -> str:
        """What the policy is called."""
        return policy_name(self.policy)

    @property
    def exchanges_states(self) -> bool:
        """Whether nodes exchanged their availability: the policy listens, and states are not fresh by assumption."""
        return bool(getattr(self.policy, "listens", True)) and self.interval > 0

    def triggers(self) -> pd.DataFrame:
        """Return one row per trigger: the log, with `period` and the layer that ran it (empty if none)."""
        table = self.log.frame()
        table["period"] = np.array([job.period for job in self.jobs])[table["job"]]
        layers = np.array([node.layer for node in self.mesh.nodes])[table["node"]]
        table["layer"] = np.where(table["end"] == "finished", layers, "")
        return table

    def finished(self) -> pd.DataFrame:
        """Return the trainings that ran to their end: the log without the rest."""
        log = self.log.frame()
        return log[log["end"] == "finished"]


def decision_records(policy: str, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield every decision of a run in order, as plain values.

    Each has `policy`, `time` (seconds), `job`, `node` (who decides), `tried` (the token), `action` (`run`, `hand over`
    or `drop`) and `reason`; where they are known also `goal` (to whom it is handed over, or who runs it), `limit`
    (millicores), `expected` (t_complete, seconds) and `beyond` (how far eq. 1 was extrapolated for that, a factor). The
    last one on a trigger also has how it ended: `end`, with `complete` (t_complete, seconds) if it ran. A trigger whose
    previous training still runs has one line alone: it is dropped before anybody decides.

    Args:
        policy: Its name.
        outcome: Of a run whose decisions were recorded.
    """
    names = [node.name for node in outcome.mesh.nodes]
    of = defaultdict[tuple[float, int], list[Step]](list)
    for step in outcome.steps:
        of[step.time, step.request.job].append(step)
    columns = ["time", "job", "node", "end", "reason", "complete"]
    for time, job, node, end, reason, complete in outcome.log.frame()[columns].itertuples(index=False, name=None):
        lines = [_step_record(step, names) for step in of[time, job]]
        lines = lines or [{"node": names[node], "tried": [], "action": "drop", "reason": reason}]
        lines[-1]["end"] = end
        if end != "dropped":
            lines[-1]["complete"] = complete
        elif lines[-1]["action"] == "run":  # it could not start there after all
            lines[-1]["dropped"] = reason
        yield from ({"policy": policy, "time": time, "job": job, **line} for line in lines)


def _step_record(step: Step, names: Sequence[str]) -> dict[str, Any]:
    reason, goal, run, limit, seconds, beyond = step.decision
    action = "drop" if goal is None else "run" if run else "hand over"
    tried = [names[node] for node in step.request.tried]
    known = {"goal": None if goal is None else names[goal], "limit": limit, "expected": seconds, "beyond": beyond}
    line = {"node": names[step.node], "tried": tried, "action": action, "reason": str(reason)}
    return {**line, **{key: value for key, value in known.items() if value is not None}}


def outcome_shares(triggers: pd.DataFrame) -> dict[str, float]:
    """Return what became of triggers, one row each, that were not dropped.

    Returns:
        `lost_percent` of all, whose node left; of those that ran: `late_percent`, complete after their period,
        `mean_hops`, and `local_percent`, run at their source.
    """
    ran = triggers[triggers["end"] != "dropped"]
    return {
        "lost_percent": 100 * float(triggers["end"].eq("lost").mean()),
        "late_percent": 100 * float((ran["complete"] > ran["period"]).mean()),
        "mean_hops": float(ran["hops"].mean()),
        "local_percent": 100 * float(ran["hops"].eq(0).mean()),
    }


Reading = Literal["attempts", "triggers", "placed"]
"""What Fig. 6's shares are of: see `hop_shares`."""


def drop_rates(triggers: pd.DataFrame) -> pd.DataFrame:
    """Return the share of triggers that were dropped: `policy`, `streams`, `drop_percent`, `low`, `high` (Fig. 7)."""
    every = triggers.assign(dropped=triggers["end"] == "dropped")
    table = _shares(every[every["dropped"]], every, "dropped", values=[True]).drop(columns="dropped")
    return table.rename(columns={"share_percent": "drop_percent"})


def hop_shares(triggers: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Return how often triggers were handed over: `policy`, `streams`, `hops`, `share_percent`, `low`, `high` (Fig. 6).

    The paper's figure shows "the portion of attempts (indicated by the number of hops) to pass jobs to a neighbor in
    order to find a suitable spot", and its text speaks of trainings that "had to be forwarded two times".

    Args:
        triggers: One row per trigger.
        reading: `attempts`: all triggers that looked for a place, the dropped ones at the depth that they had reached;
            `triggers`: of all triggers, those that ran after so many hops; `placed`: of the trainings that ran.
    """
    if reading == "attempts":
        looked = triggers[triggers["reason"] != Reason.BUSY]
        return _shares(looked, looked, "hops")
    ran = triggers[triggers["end"] != "dropped"]
    return _shares(ran, ran if reading == "placed" else triggers, "hops")


def shares_by(triggers: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the share of all triggers by a column such as `reason` or `layer`, in percent, with 95 % intervals."""
    return _shares(triggers, triggers, column)


def _shares(
    part: pd.DataFrame, whole: pd.DataFrame, column: str, values: Sequence[object] | None = None
) -> pd.DataFrame:
    """Share of rows by a column, where a value that a repeat lacks counts as none, and a repeat without rows not."""
    values = sorted(part[column].unique()) if values is None else values
    rows = []
    for (policy, streams), every in whole.groupby(["policy", "streams"], sort=False):
        mine = part[(part["policy"] == policy) & (part["streams"] == streams)]
        sizes = every.groupby("repeat").size()
        for value in values:
            counts = mine[mine[column] == value].groupby("repeat").size().reindex(sizes.index, fill_value=0)
            rows.append((policy, streams, value, *interval(100 * counts / sizes)))
    return pd.DataFrame(rows, columns=["policy", "streams", column, "share_percent", "low", "high"])


def traffic(outcome: Outcome) -> dict[str, float]:
    """Return how much each node sends per hour, on average over the mesh.

    Requests are those handed over; exchanges are the availabilities that every node publishes to each neighbour in each
    interval, if the policy listens to them and the interval is above 0 (else states are always fresh by assumption);
    syncs are the states that a policy with global knowledge has sent to it, one per node and trigger; models are what
    the nodes that train the same model tell each other of it (see `model_broadcasts`); samples are the models and
    cached samples that went where a training ran.
    """
    mesh = outcome.mesh
    share = 3600 / outcome.seconds / len(mesh.nodes)
    exchanges = 2 * len(mesh.links) * outcome.seconds / outcome.interval if outcome.exchanges_states else 0.0
    models = sum(1 for _ in model_broadcasts(outcome))
    counts = dict(zip(MESSAGES, (sum(outcome.handovers), exchanges, outcome.synced, models), strict=True))
    return {
        **{kind: count * share for kind, count in counts.items()},
        **{f"{kind[:-1]}_megabytes": count * MESSAGES[kind] / MEGA * share for kind, count in counts.items()},
        "sample_megabytes": sum(outcome.megabytes) * share,
    }


def model_broadcasts(outcome: Outcome) -> Iterator[tuple[int, int]]:
    """Yield sender and receiver of what is learned from each training that ran to its end, if the policy learns.

    The runtime model "is broadcasted after each successful execution to corresponding nodes which execute the same ML
    model" (Paper B, section IV.C): to the stream's source, and to every node that has trained for it before.
    """
    if not hasattr(outcome.policy, "learn"):
        return
    log = outcome.finished()
    known = [{job.source} for job in outcome.jobs]
    for job, node in zip(log["job"].tolist(), log["node"].tolist(), strict=True):
        known[job].add(node)
        yield from ((node, other) for other in sorted(known[job]) if other != node)


def by_policy(triggers: pd.DataFrame, sent: pd.DataFrame, *, hours: float) -> pd.DataFrame:
    """Return one row per policy, with the columns of `api.Emulation.table`; what is sent is the mean over the repeats.

    Args:
        triggers: One row per trigger, as `compare_policies` returns them.
        sent: One row per run: what `traffic` and `link_traffic` return, with `policy`.
        hours: Virtual time of each run.
    """
    rates = drop_rates(triggers).drop(columns="streams").set_index("policy").clip(0.0, 100.0)
    rows: list[dict[str, Any]] = []
    for name, mine in triggers.groupby("policy", sort=False):
        ran = int((mine["end"] != "dropped").sum())
        over = sent[sent["policy"] == name]
        rows.append(
            {
                "policy": name,
                "triggers": len(mine),
                **{str(key): value for key, value in rates.loc[str(name)].items()},
                **outcome_shares(mine),
                "trainings": ran / (hours * len(over)),
                "uplink_megabytes": over["uplink_megabytes"].mean(),
                "link_megabytes": over["link_megabytes"].mean(),
                "messages": over[list(MESSAGES)].sum(axis=1).mean(),
            }
        )
    return pd.DataFrame(rows)


def drops_by_node(triggers: pd.DataFrame, mesh: Mesh) -> pd.DataFrame:
    """Return how many triggers were dropped where and why, most first within each policy.

    Returns:
        `policy`, `node`, `layer`, `reason`, `drops` of all repeats, and `percent` of the policy's triggers, the mean
        over its repeats: they add up to its drop rate.
    """
    policies = triggers["policy"].unique().tolist()
    runs = triggers.groupby(["policy", "repeat"])
    size, repeats = runs["end"].transform("size"), triggers.groupby("policy")["repeat"].transform("nunique")
    weighted = triggers.assign(percent=100 / (size * repeats))
    dropped = weighted[weighted["end"] == "dropped"]
    of = dropped.groupby(["policy", "node", "reason"], observed=True)["percent"]
    table = of.agg(drops="size", percent="sum").reset_index()
    table = table.assign(order=table["policy"].map(policies.index))
    table = table.sort_values(["order", "drops", "node"], ascending=[True, False, True], ignore_index=True)
    nodes = [mesh.nodes[number] for number in table["node"]]
    table["node"], table["layer"] = [node.name for node in nodes], [node.layer for node in nodes]
    table["reason"] = table["reason"].astype(str)
    return table[["policy", "node", "layer", "reason", "drops", "percent"]]


def by_node(outcome: Outcome) -> pd.DataFrame:
    """Return what each node did in one run: `node`, `layer`, `trainings` that it finished, `cpu_percent`.

    The last is the share of its CPU that these held on average until the end of the run.
    """
    log = outcome.finished()
    ends = np.minimum(log["time"] + log["complete"], outcome.seconds)
    held = (log["limit"] * (ends - log["time"])).groupby(log["node"]).sum()
    count = log.groupby("node").size()
    nodes, every = outcome.mesh.nodes, range(len(outcome.mesh.nodes))
    cpu = np.array([node.cpu for node in nodes])
    return pd.DataFrame(
        {
            "node": [node.name for node in nodes],
            "layer": [node.layer for node in nodes],
            "trainings": count.reindex(every, fill_value=0).to_numpy(),
            "cpu_percent": 100 * held.reindex(every, fill_value=0.0).to_numpy() / (cpu * outcome.seconds),
        }
    )


def gateway_gains(base: pd.DataFrame, more: Sequence[tuple[str, str, pd.DataFrame]]) -> pd.DataFrame:
    """Return what `more` gateways give, by layer, name and triggers, each repeat against the same one in `base`.

    Returns:
        `layer`, `node`, `drop_percent` and `fewer_points`, by how much the drop rate falls, with its 95 % interval
        `low`, `high` (Student's t).
    """

    def rates(triggers: pd.DataFrame) -> pd.Series:
        return 100 * triggers["end"].eq("dropped").groupby(triggers["repeat"]).mean()

    rows = [
        (layer, node, float(rates(triggers).mean()), *interval(rates(base) - rates(triggers)))
        for layer, node, triggers in more
    ]
    return pd.DataFrame(rows, columns=["layer", "node", "drop_percent", "fewer_points", "low", "high"])


def link_traffic(outcome: Outcome) -> dict[str, float]:
    """Return how much passes over links: each byte counts once for each link that it passes.

    Sizes and what is counted are those of `traffic`. States that are synchronised go from each node to the source of
    the trigger; with churn, those of the nodes in the mesh count as the average of all nodes. They, and what is
    broadcast of a training, take the fastest way, as if every node were in the mesh.

    Returns:
        `link_megabytes` over all links and `uplink_megabytes` over those between layers, each per hour, of a run whose
        paths were recorded.
    """
    mesh = outcome.mesh
    routes = Routes(mesh)
    total = _request_bytes(outcome)
    for way, count in Counter(model_broadcasts(outcome)).items():
        total += count * MODEL_BYTES * _passed(mesh, tuple(routes.path(*way)))
    if outcome.synced:
        sources = Counter(outcome.jobs[job].source for _, job in outcome.paths)
        states = sum(_states(mesh, routes, source) * count for source, count in sorted(sources.items()))
        total += STATE_BYTES * outcome.synced * states / (sources.total() * len(mesh.nodes))
    if outcome.exchanges_states:
        links = sum(_passed(mesh, (link.one, link.other)) for link in mesh.links)
        total += 2 * STATE_BYTES * links * outcome.seconds / outcome.interval
    every, up = (total * 3600 / outcome.seconds / MEGA).tolist()
    return {"link_megabytes": every, "uplink_megabytes": up}


def _request_bytes(outcome: Outcome) -> npt.NDArray[np.float64]:
    """Bytes of the requests that are handed over, and of models and samples that go where a training runs."""
    passed = cache(lambda path: _passed(outcome.mesh, path))
    total = np.zeros(2)
    triggers = outcome.log.frame()
    ran = triggers["end"].ne("dropped").tolist()
    for time, job, placed in zip(triggers["time"].tolist(), triggers["job"].tolist(), ran, strict=True):
        size = CALL_BYTES + (MEGA * outcome.jobs[job].megabytes if placed else 0.0)
        total += size * passed(outcome.paths.get((time, job), ()))
    return total


def _passed(mesh: Mesh, path: Path) -> npt.NDArray[np.int64]:
    """Links of a path, and those of them that are between layers."""
    ups = [mesh.nodes[one].layer != mesh.nodes[other].layer for one, other in itertools.pairwise(path)]
    return np.array([len(ups), sum(ups)])


def _states(mesh: Mesh, routes: Routes, source: int) -> npt.NDArray[np.int64]:
    """Links that the states of all nodes pass on their way to one."""
    every = range(len(mesh.nodes))
    ways = [_passed(mesh, tuple(routes.path(i, source))) for i in every if routes.reaches(i, source)]
    return sum(ways, np.zeros(2, dtype=np.int64))
