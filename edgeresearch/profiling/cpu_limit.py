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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, PositiveInt

from edgeresearch.errors import InputError, check_known
from edgeresearch.settings import Section, ascending

PERIOD = 0.1
"""Seconds in which a limit is kept, as the kernel and containers have it."""
METHODS = ("auto", "cgroup", "signals")
Millicores = Annotated[int, Field(ge=10, le=1000)]
"""Below 10 the kernel takes no quota; above 1000 one thread has no use for them."""


class CalibrationPlan(Section):
    """What `edgeresearch calibrate` measures.

    Attributes:
        limits: CPU limits in ascending order, four or more: one is held out, three identify the parameters of eq. 1.
        repeats: Trainings of each model under each limit.
        samples: Cached samples of a training.
    """

    limits: Annotated[tuple[Millicores, ...], Field(min_length=4), AfterValidator(ascending)] = (
        100,
        150,
        250,
        400,
        600,
        850,
    )
    repeats: PositiveInt = 3
    samples: Annotated[int, Field(ge=2)] = 1000


@dataclass(frozen=True)
class CgroupQuota:
    """A cgroup with a CPU quota, made for each limit and removed afterwards.

    The group has the largest weight, so that on a busy machine the quota binds and not what else runs there.

    Attributes:
        name: Of the method, in results.
        parent, home: Folder in which groups are made, and that of the group to which processes go back.
        settings: Files of a group and what is written into them, in order; `{quota}` and `{period}` in microseconds.
    """

    name: str
    parent: Path
    home: Path
    settings: Mapping[str, str]

    @contextmanager
    def limit(self, pid: int, millicores: float) -> Iterator[None]:
        """Limit a process of this user inside the block; it is free again behind it."""
        period = round(1e6 * PERIOD)
        group = self.parent / f"edgeresearch-{os.getpid()}-{pid}"
        group.mkdir()
        try:
            for name, text in self.settings.items():
                (group / name).write_text(text.format(quota=round(period * millicores / 1000), period=period))
            (group / "cgroup.procs").write_text(str(pid))
            yield
        finally:
            for member in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    (self.home / "cgroup.procs").write_text(member)
            group.rmdir()


@dataclass(frozen=True)
class DutyCycle:
    """SIGCONT for a part of every period, SIGSTOP for the rest."""

    name: str = field(default="SIGSTOP and SIGCONT duty cycles", init=False)

    @contextmanager
    def limit(self, pid: int, millicores: float) -> Iterator[None]:
        """Limit a process as `CgroupQuota.limit` does."""
        over, running = threading.Event(), PERIOD * millicores / 1000

        def cycle() -> None:
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

        thread = threading.Thread(target=cycle, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


Throttle: TypeAlias = CgroupQuota | DutyCycle
"""A way to limit the CPU of a process."""


def choose_throttle(method: str = "auto", process: str | Path = "/proc/self") -> Throttle:
    """Return the best way to limit a process on this machine; groups are tried out on one that does nothing.

    Args:
        method: `cgroup` or `signals` for that alone; `auto` for the first of them that works.
        process: Folder in which the kernel describes this process.

    Raises:
        InputError: `cgroup` is asked for and none works, or the method is unknown.
    """
    check_known("throttle", method, METHODS)
    quota = next(filter(_works, find_quotas(Path(process))), None) if method != "signals" else None
    if method == "cgroup" and quota is None:
        raise InputError("no cgroup with a CPU quota can be made here; run as root, or take the throttle 'signals'")
    return quota or DutyCycle()


def find_quotas(process: Path) -> list[CgroupQuota]:
    """Return where the kernel's tables of a process (`/proc/self`) say that a quota could be set, version 1 before 2.

    Of version 2 it is the nearest group above the process that hands the cpu controller down; none is changed to do so.
    """
    try:
        mounts, lines = ((process / name).read_text().splitlines() for name in ("mountinfo", "cgroup"))
    except OSError:  # no Linux
        return []
    controlled = [line.split(":", 2)[1:] for line in lines]  # the group of version 2 has no controller
    groups = {name: inside for names, inside in controlled for name in names.split(",")}
    found = []
    for left, _, right in (line.partition(" - ") for line in mounts if " - cgroup" in line):
        kind, _, options = right.split()[:3]
        key = "cpu" if kind == "cgroup" else ""
        if key not in groups or key not in [*options.split(","), ""]:
            continue
        root, place = map(Path, left.split()[3:5])
        inside = Path("/", groups[key])
        home = place / inside.relative_to(root) if inside.is_relative_to(root) else place
        if kind == "cgroup":
            settings = {"cpu.shares": "262144", "cpu.cfs_period_us": "{period}", "cpu.cfs_quota_us": "{quota}"}
            found.append(CgroupQuota("cgroup v1, cpu.cfs_quota_us", home, home, settings))
            continue
        above = [parent for parent in (home, *home.parents) if parent.is_relative_to(place) and _delegates_cpu(parent)]
        settings = {"cpu.weight": "10000", "cpu.max": "{quota} {period}"}
        found += [CgroupQuota("cgroup v2, cpu.max", parent, home, settings) for parent in above[:1]]
    return sorted(found, key=lambda quota: quota.name)


def _delegates_cpu(group: Path) -> bool:
    try:
        return "cpu" in (group / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False


def _works(quota: CgroupQuota) -> bool:
    idle = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        with quota.limit(idle.pid, 1000):
            return True
    except OSError:
        return False
    finally:
        idle.kill()
        idle.communicate()
