"""A node in virtual time: what it has, and what is reserved on it."""

import math

Run = tuple[float, float, float, float, int]
"""What a training holds: start (its decision; the reservation holds from then on) and end (everything done, container
removed), in seconds; millicores; megabytes; its place in the log."""


class Host:
    """State of one node.

    Attributes:
        number: The node's.
        kind: Node class.
        capacity: CPU, in millicores.
        cpu: CPU that prediction jobs leave, in millicores.
        memory: Memory that they leave, in megabytes.
        phase: Time of an exchange, in seconds; the others follow in intervals.
        up: Whether it is in the mesh.
        since: When it joined, in seconds.
        runs: Reservations by their starts, those of the recent past among them.
        idle: When the last of all reservations so far ends, in seconds: from then on all is free.
    """

    __slots__ = ("capacity", "cpu", "idle", "kind", "memory", "number", "phase", "runs", "since", "up")

    def __init__(self, number: int, kind: str, capacity: float, memory: float, phase: float) -> None:
        self.number = number
        self.kind = kind
        self.capacity = capacity
        self.cpu = capacity
        self.memory = memory
        self.phase = phase
        self.up = True
        self.since = 0.0
        self.runs: tuple[Run, ...] = ()
        self.idle = -math.inf

    def free(self, now: float) -> tuple[float, float]:
        """Return free CPU and memory now, after all that was decided: millicores, megabytes."""
        cpu, memory = self.cpu, self.memory
        if self.idle <= now:
            return cpu, memory
        for _, end, millicores, megabytes, _ in self.runs:
            if end > now:
                cpu -= millicores
                memory -= megabytes
        return cpu, memory

    def published(self, time: float) -> tuple[float, float]:
        """Return free CPU and memory at an exchange of the recent past: millicores, megabytes.

        What ended at that very moment is free again; what was decided at that very moment is not yet in it.
        """
        cpu, memory = self.cpu, self.memory
        for start, end, millicores, megabytes, _ in self.runs:
            if start < time < end:
                cpu -= millicores
                memory -= megabytes
        return cpu, memory

    def reserve(self, run: Run, forget: float) -> None:
        """Take a run, for which there must be room, and forget those that ended before `forget`, in seconds."""
        if self.idle <= forget:
            self.runs, self.idle = (run,), run[1]
            return
        runs = self.runs
        while runs and runs[0][1] <= forget:
            runs = runs[1:]
        if len(runs) > 3:
            runs = tuple(old for old in runs if old[1] > forget)
        self.runs = (*runs, run)
        if run[1] > self.idle:
            self.idle = run[1]
