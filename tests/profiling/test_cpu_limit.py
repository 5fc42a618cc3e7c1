"""Limits on real processes; quotas where this machine lets them be set, else on folders that look like cgroups."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.profiling.cpu_limit import (
    CalibrationPlan,
    CgroupQuota,
    DutyCycle,
    Throttle,
    choose_throttle,
    find_quotas,
)

BUSY = "import time\nwhile True: pass"
STAT = Path("/proc/self/stat").exists()
procfs = pytest.mark.skipif(not STAT, reason="this system has no /proc that tells a process's CPU time")


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-S", "-c", BUSY])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def quota() -> CgroupQuota:
    """A quota that works; skip where neither root nor cgroups are there."""
    found = choose_throttle("auto")
    if not isinstance(found, CgroupQuota):
        pytest.skip("no cgroup with a CPU quota can be made here: neither root nor a delegated group")
    return found


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _share(keeper: Throttle, pid: int, millicores: float, seconds: float = 1.0) -> float:
    """CPU time that a busy process gets under a limit, per time that passes."""
    with keeper.limit(pid, millicores):
        begin, used = time.monotonic(), _used(pid)
        time.sleep(seconds)
        return (_used(pid) - used) / (time.monotonic() - begin)


@procfs
def test_a_quota_is_kept(quota: CgroupQuota, busy: subprocess.Popen[bytes]) -> None:
    # The kernel's clock ticks are 10 ms, a period's quota 10 to 20 ms.
    assert _share(quota, busy.pid, 100) < 0.1 + 0.06
    assert _share(quota, busy.pid, 200) < 0.2 + 0.06


def test_the_group_is_gone_and_the_process_back_where_it_was(quota: CgroupQuota, busy: subprocess.Popen[bytes]) -> None:
    before = Path(f"/proc/{busy.pid}/cgroup").read_text()
    with quota.limit(busy.pid, 500):
        (group,) = quota.parent.glob(f"edgeresearch-{os.getpid()}-{busy.pid}")
        assert (group / "cgroup.procs").read_text().split() == [str(busy.pid)]
        assert Path(f"/proc/{busy.pid}/cgroup").read_text() != before
    assert not group.exists()
    assert Path(f"/proc/{busy.pid}/cgroup").read_text() == before


def test_the_group_goes_even_if_the_block_fails_or_the_process_ends(
    quota: CgroupQuota, busy: subprocess.Popen[bytes]
) -> None:
    with pytest.raises(RuntimeError, match="mine"), quota.limit(busy.pid, 500):
        busy.kill()
        busy.wait()
        raise RuntimeError("mine")
    assert not list(quota.parent.glob(f"edgeresearch-{os.getpid()}-*"))


@procfs
def test_duty_cycles_slow_a_process_down(busy: subprocess.Popen[bytes]) -> None:
    assert _share(DutyCycle(), busy.pid, 100) < 0.35  # a busy machine may stop it late, but not for long


@procfs
def test_after_duty_cycles_a_process_runs_on(busy: subprocess.Popen[bytes]) -> None:
    with DutyCycle().limit(busy.pid, 10):
        time.sleep(0.15)
    deadline = time.monotonic() + 30
    state = ""
    while state != "R" and time.monotonic() < deadline:
        state = Path(f"/proc/{busy.pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state == "R"


@pytest.mark.parametrize(
    ("millicores", "signals"), [(500, [signal.SIGCONT, signal.SIGSTOP, signal.SIGCONT]), (1000, [signal.SIGCONT] * 3)]
)
def test_duty_cycles_send_both_signals(millicores: float, signals: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    with DutyCycle().limit(1, millicores):
        while len(sent) < 3:
            time.sleep(0.01)
    assert sent[:3] == signals, "the whole CPU is never stopped"
    assert sent[-1] == signal.SIGCONT


def test_a_process_that_ends_ends_its_duty_cycles(busy: subprocess.Popen[bytes]) -> None:
    with DutyCycle().limit(busy.pid, 900):
        busy.kill()
        busy.wait()
        time.sleep(0.15)


@pytest.mark.parametrize("millicores", [9, 1001, 0, -5])
def test_a_limit_out_of_range(millicores: int) -> None:
    with pytest.raises(InputError, match=rf"limits\[3\] is {millicores}; input should be .* or equal to 10"):
        CalibrationPlan(limits=(100, 200, 300, millicores))


def test_signals_are_taken_where_no_group_can_be_made(tmp_path: Path) -> None:
    assert choose_throttle("auto", tmp_path) == DutyCycle()
    assert "SIGSTOP" in choose_throttle("auto", tmp_path).name
    assert choose_throttle("signals") == DutyCycle()
    with pytest.raises(InputError, match="run as root, or take the throttle 'signals'"):
        choose_throttle("cgroup", tmp_path)
    with pytest.raises(InputError, match="unknown throttle 'docker'; known: auto, cgroup, signals"):
        choose_throttle("docker")


def _process(folder: Path, mounts: str, groups: str) -> Path:
    (folder / "process").mkdir()
    (folder / "process" / "mountinfo").write_text(mounts)
    (folder / "process" / "cgroup").write_text(groups)
    return folder / "process"


def _tree(folder: Path, *inside: str) -> Path:
    place = folder / "fs"
    (place / Path(*inside)).mkdir(parents=True)
    return place


def test_version_1_is_found_where_the_process_is(tmp_path: Path) -> None:
    place = _tree(tmp_path, "a")
    mounts = (
        f"1 0 0:1 / {tmp_path}/other rw - tmpfs tmpfs rw\n"
        f"2 1 0:2 / {tmp_path}/memory rw shared:3 - cgroup cgroup rw,memory\n"
        f"3 1 0:3 / {place} rw - cgroup cgroup rw,cpu,cpuacct\n"
    )
    (found,) = find_quotas(_process(tmp_path, mounts, "5:cpu,cpuacct:/a\n4:memory:/b\n"))
    assert found.parent == found.home == place / "a"
    assert found.settings["cpu.cfs_quota_us"] == "{quota}"
    assert "v1" in found.name


def test_version_1_in_a_container_whose_root_is_a_group(tmp_path: Path) -> None:
    place = _tree(tmp_path)
    mounts = f"3 1 0:3 /docker/x {place} rw - cgroup cgroup rw,cpu\n"
    process = _process(tmp_path, mounts, "5:cpu:/docker/x/y\n")
    assert find_quotas(process)[0].home == place / "y"
    (process / "cgroup").write_text("5:cpu:/elsewhere\n")
    assert find_quotas(process)[0].home == place


def test_version_2_takes_the_nearest_group_that_hands_the_controller_down(tmp_path: Path) -> None:
    place = _tree(tmp_path, "user", "mine", "shell")
    (place / "cgroup.subtree_control").write_text("cpu memory\n")
    (place / "user" / "cgroup.subtree_control").write_text("cpu\n")
    (place / "user" / "mine" / "cgroup.subtree_control").write_text("memory\n")
    process = _process(tmp_path, f"3 1 0:3 / {place} rw - cgroup2 cgroup2 rw\n", "0::/user/mine/shell\n")
    (found,) = find_quotas(process)
    assert (found.parent, found.home) == (place / "user", place / "user" / "mine" / "shell")
    assert found.settings["cpu.max"] == "{quota} {period}"


def test_version_2_without_the_controller_gives_nothing(tmp_path: Path) -> None:
    place = _tree(tmp_path, "user")
    (place / "cgroup.subtree_control").write_text("\n")
    assert find_quotas(_process(tmp_path, f"3 1 0:3 / {place} rw - cgroup2 cgroup2 rw\n", "0::/user\n")) == []


def test_what_is_written_into_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On folders alone: a real group's files are the kernel's."""
    written: list[tuple[str, str]] = []

    def write(path: Path, text: str) -> None:
        written.append((f"{path.parent.name}/{path.name}", text))
        if path.name == "cgroup.procs" and path.parent != tmp_path:
            path.write_bytes(text.encode())

    monkeypatch.setattr(Path, "write_text", write)
    monkeypatch.setattr(Path, "rmdir", lambda path: [each.unlink() for each in path.iterdir()] and os.rmdir(path))
    settings = {"cpu.weight": "10000", "cpu.max": "{quota} {period}"}
    with CgroupQuota("v2", tmp_path, tmp_path, settings).limit(77, 250):
        group = f"edgeresearch-{os.getpid()}-77"
        assert written == [
            (f"{group}/cpu.weight", "10000"),
            (f"{group}/cpu.max", "25000 100000"),
            (f"{group}/cgroup.procs", "77"),
        ]
    assert written[-1] == (f"{tmp_path.name}/cgroup.procs", "77")
    assert not list(tmp_path.iterdir())


def test_a_group_that_cannot_be_made_is_not_taken(tmp_path: Path) -> None:
    place = tmp_path / "gone"
    process = _process(tmp_path, f"3 1 0:3 / {place} ro - cgroup cgroup rw,cpu\n", "5:cpu:/\n")
    assert len(find_quotas(process)) == 1
    assert choose_throttle("auto", process) == DutyCycle()
