"""What a node sees when it decides, and what a policy is."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeresearch.emulator.ahead import Ahead
from edgeresearch.emulator.board import Board
from edgeresearch.emulator.chance import uniform
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.node import Host
from edgeresearch.emulator.routes import Routes
from edgeresearch.los.availability import Availability
from edgeresearch.los.request import Decision, Report, Request
from edgeresearch.los.runtime import complete

LOST_IN_A_ROW = 8
"""Lost exchanges after which a reader has the one before them, come what may."""

_INFINITE = math.inf
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor


class View:
    """The world as the node sees it that has a request now.

    Exchanges are lazy: what a neighbour last published is computed when it is read, and no exchange is an event. At one
    and the same moment trainings end first, then nodes join, then they exchange, then streams trigger.

    Attributes:
        time: Now, in seconds.
        node: Who looks.
        synced: Availabilities that were read with global knowledge.
        board: What `survey` returns, which whoever changes a host has to tell; None until it is asked for.
    """

    __slots__ = (
        "_ahead",
        "_around",
        "_hosts",
        "_interval",
        "_loss",
        "_mesh",
        "_routes",
        "_seed",
        "_still",
        "board",
        "node",
        "synced",
        "time",
    )

    def __init__(
        self,
        mesh: Mesh,
        hosts: Sequence[Host],
        routes: Routes,
        *,
        interval: float,
        loss: float = 0.0,
        seed: int = 0,
        ahead: Callable[[], Ahead] | None = None,
    ) -> None:
        self._mesh = mesh
        self._around = mesh.neighbours
        self._hosts = hosts
        self._routes = routes
        self._interval = interval
        self._loss = loss
        self._seed = seed
        self._still = mesh.still
        self._ahead = ahead
        self.board: Board | None = None
        self.time = 0.0
        self.node = 0
        self.synced = 0

    @property
    def mesh(self) -> Mesh:
        """Nodes and links."""
        return self._mesh

    def here(self) -> Availability:
        """Return the state of the node itself, true now."""
        node, time = self.node, self.time
        host = self._hosts[node]
        cpu, memory = host.free(time)
        return _new(Availability, (node, time, cpu, memory, 1 - cpu / host.capacity, host.kind, 0.0, _INFINITE))

    def true(self, node: int) -> Availability:
        """Return the true state of any node, as only an observer with global knowledge has it."""
        host, time = self._hosts[node], self.time
        cpu, memory = host.free(time)
        return _new(Availability, (node, time, cpu, memory, 1 - cpu / host.capacity, host.kind, 0.0, _INFINITE))

    def neighbours(self) -> list[Availability]:
        """Return what the neighbours that are in the mesh last published, in ascending order."""
        return list(self.around())

    def around(self) -> Iterator[Availability]:
        """Yield what `neighbours` returns, one by one: for those who need not ask them all."""
        time, interval, hosts, still, loss = self.time, self._interval, self._hosts, self._still, self._loss
        for number, link in self._around[self.node].items():
            host = hosts[number]
            if not host.up:
                continue
            if interval <= 0:
                seen = time
                cpu, memory = host.free(seen)
            else:
                phase = host.phase
                count = (time - phase) // interval
                if loss > 0:
                    count = self._received(number, int(count))
                seen = phase + count * interval
                if seen < host.since:
                    seen = host.since
                cpu, memory = host.published(seen) if host.runs else (host.cpu, host.memory)
            far = link.latency if still else self._mesh.latency(link, time)
            yield _new(
                Availability,
                (number, seen, cpu, memory, 1 - cpu / host.capacity, host.kind, far, link.bandwidth),
            )

    def _received(self, neighbour: int, count: int) -> int:
        for _ in range(LOST_IN_A_ROW):
            if uniform(self._seed, self.node, neighbour, count) >= self._loss:
                break
            count -= 1
        return count

    def reaches(self, node: int) -> bool:
        """Return whether there is a way from here to a node on which every node is in the mesh."""
        return self._routes.reaches(self.node, node)

    def reached(self) -> npt.NDArray[np.bool_]:
        """Return of every node whether `reaches` is so, `(nodes,)`."""
        return self._routes.reached(self.node)

    def within(self, layer: str) -> Sequence[int]:
        """Return the nodes of a layer that `reaches` is so of, in ascending order."""
        return self._routes.within(self.node, layer)

    def next_hop(self, node: int) -> int | None:
        """Return the neighbour on the fastest way from here to a node; None if there is none."""
        return self._routes.next_hop(self.node, node)

    def everyone(self) -> list[Availability]:
        """Return the true state of every node in the mesh; each one read counts as synchronised."""
        found = [self.true(host.number) for host in self._hosts if host.up]
        self.synced += len(found)
        return found

    def survey(self) -> Board:
        """Return what `everyone` does as arrays, and count it likewise; it is what they are until the next decision."""
        if self.board is None:
            self.board = Board(self._hosts, self.time)
        board = self.board.at(self.time)
        self.synced += board.count
        return board

    def foresee(self, node: int, limit: float) -> float:
        """Return t_complete of the training that is looked a place for, in seconds, as only an oracle knows it.

        Args:
            node: Where it would run, handed over from here; `reaches` it.
            limit: In millicores.

        Returns:
            The time; infinite where there is no memory for it.
        """
        ahead, host = self.ahead(), self._hosts[node]
        if ahead.memory > host.free(self.time)[1]:
            return math.inf
        return complete(ahead.job(host.kind, limit), ahead.send(node), ahead.overhead)

    def ahead(self) -> Ahead:
        """Return what `foresee` builds on, for those who ask about many nodes and limits."""
        if self._ahead is None:
            raise ValueError("nothing is known of the future here")
        return self._ahead()


class Policy(Protocol):
    """What decides where trainings run; LOS is one (`edgeresearch.emulator.policies`).

    Attributes:
        name: What it is called in tables.
        listens: Whether its nodes exchange their availability; that is traffic.
        learns: Whether it learns from trainings: only then it hears of them, and its nodes tell each other; that is
            traffic too.
    """

    name: str
    listens: bool
    learns: bool

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now.

        To run the training here, to hand it over to a node that the view `reaches` and that the token has not yet, or
        to drop it.
        """
        ...

    def learn(self, report: Report) -> None:
        """Take the report of a run that ended, if it `learns`: at its job's next trigger, before it decides on that."""
        ...

    def fail(self, job: int, memory: float) -> None:
        """Take the news that a training did not start, as the node had no more than so many megabytes free."""
        ...
