"""CPU limits on a running process: a cgroup quota where the machine allows it, else stop-and-go duty cycles.

A quota is what containers have: the kernel stops the process until the next period once its share of this one is used.
Duty cycles imitate that from outside with SIGSTOP and SIGCONT; they need no rights, and hold roughly.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgeresearch.errors import InputError

PERIOD = 0.1
"""Seconds in which a limit is kept, as the kernel and containers have it."""
SMALLEST, LARGEST = 10.0, 1000.0
"""Millicores: below, the kernel takes no quota; above, one thread has no use for them."""

METHODS = ("auto", "cgroup", "signals")
"""How limits can be kept."""


class Throttle(Protocol):
    """A way to limit the CPU of a process."""

    @property
    def name(self) -> str:
        """Of the method, in results."""
        ...

    def limit(self, pid: int, millicores: float) -> AbstractContextManager[None]:
        """Limit a process of this user inside the block; it is free again behind it.

        Raises:
            InputError: The limit is out of range.
        """
        ...


@dataclass(frozen=True)
class CgroupQuota:
    """A cgroup with a CPU quota, made for each limit and removed afterwards.

    The group has the largest weight, so that on a busy machine the quota binds and not what else runs there.

    Attributes:
        name: Of the method, in results.
        parent: Folder in which groups are made.
        home: Folder of the group to which processes go back.
        settings: Files of a group and what is written into them, in order; `{quota}` and `{period}` in microseconds.
    """

    name: str
    parent: Path
    home: Path
    settings: Mapping[str, str]

    @contextmanager
    def limit(self, pid: int, millicores: float) -> Iterator[None]:
        """Limit a process inside the block."""
        _check(millicores)
        period = round(1e6 * PERIOD)
        group = self.parent / f"edgeresearch-{os.getpid()}-{pid}"
        group.mkdir()
        try:
            for name, text in self.settings.items():
                _write(group / name, text.format(quota=round(period * millicores / 1000), period=period))
            _write(group / "cgroup.procs", str(pid))
            yield
        finally:
            for member in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    _write(self.home / "cgroup.procs", member)
            group.rmdir()


@dataclass(frozen=True)
class DutyCycle:
    """SIGCONT for a part of every period, SIGSTOP for the rest."""

    name: str = field(default="SIGSTOP and SIGCONT duty cycles", init=False)

    @contextmanager
    def limit(self, pid: int, millicores: float) -> Iterator[None]:
        """Limit a process inside the block."""
        _check(millicores)
        over = threading.Event()
        thread = threading.Thread(target=_cycle, args=(pid, PERIOD * millicores / 1000, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def choose_throttle(method: str = "auto", process: str | Path = "/proc/self") -> Throttle:
    """Return the best way to limit a process on this machine; groups are tried out on one that does nothing.

    Args:
        method: `cgroup` or `signals` for that alone; `auto` for the first of them that works.
        process: Folder in which the kernel describes this process.

    Raises:
        InputError: `cgroup` is asked for and none works, or the method is unknown.
    """
    if method not in METHODS:
        raise InputError(f"unknown throttle {method!r}; known: {', '.join(METHODS)}")
    for quota in [] if method == "signals" else find_quotas(Path(process)):
        if _works(quota):
            return quota
    if method == "cgroup":
        raise InputError("no cgroup with a CPU quota can be made here; run as root, or take the throttle 'signals'")
    return DutyCycle()


def find_quotas(process: Path) -> list[CgroupQuota]:
    """Return where the kernel's tables say that a quota could be set, version 1 before version 2.

    Of version 2 it is the nearest group above the process that hands the cpu controller down; none is changed to do so.

    Args:
        process: Folder in which the kernel describes a process, such as `/proc/self`.
    """
    try:
        mounts, groups = _mounts(process / "mountinfo"), _groups(process / "cgroup")
    except OSError:  # no Linux
        return []
    found = []
    for kind, root, place, options in mounts:
        key = "cpu" if kind == "cgroup" else ""
        if key not in groups or key not in [*options, ""]:
            continue
        inside = Path("/") / groups[key]
        home = place / inside.relative_to(root) if inside.is_relative_to(root) else place
        if kind == "cgroup":
            settings = {"cpu.shares": "262144", "cpu.cfs_period_us": "{period}", "cpu.cfs_quota_us": "{quota}"}
            found.append(CgroupQuota("cgroup v1, cpu.cfs_quota_us", home, home, settings))
            continue
        for parent in [home, *home.parents]:
            if not parent.is_relative_to(place):
                break
            if _delegates_cpu(parent):
                settings = {"cpu.weight": "10000", "cpu.max": "{quota} {period}"}
                found.append(CgroupQuota("cgroup v2, cpu.max", parent, home, settings))
                break
    return sorted(found, key=lambda quota: quota.name)


def _mounts(path: Path) -> list[tuple[str, Path, Path, Sequence[str]]]:
    """Return type, root, mount point and options of each cgroup file system."""
    found: list[tuple[str, Path, Path, Sequence[str]]] = []
    for line in path.read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup"):
            fields, (kind, _, options) = left.split(), right.split()[:3]
            found.append((kind, Path(fields[3]), Path(fields[4]), options.split(",")))
    return found


def _groups(path: Path) -> dict[str, str]:
    """Return the path of the process's group by controller; that of version 2 has none."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        _, controllers, inside = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), inside)
    return found


def _delegates_cpu(group: Path) -> bool:
    try:
        return "cpu" in (group / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False


def _works(quota: CgroupQuota) -> bool:
    idle = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        with quota.limit(idle.pid, LARGEST):
            return True
    except OSError:
        return False
    finally:
        idle.kill()
        idle.communicate()


def _cycle(pid: int, running: float, over: threading.Event) -> None:
    with contextlib.suppress(ProcessLookupError):
        try:
            while not over.is_set():
                os.kill(pid, signal.SIGCONT)
                over.wait(running)
                if running < PERIOD:
                    os.kill(pid, signal.SIGSTOP)
                    over.wait(PERIOD - running)
        finally:
            os.kill(pid, signal.SIGCONT)


def _check(millicores: float) -> None:
    if not SMALLEST <= millicores <= LARGEST:
        raise InputError(f"a CPU limit of {millicores:g} millicores; give {SMALLEST:g} to {LARGEST:g}")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
