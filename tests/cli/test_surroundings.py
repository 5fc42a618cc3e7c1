"""The command line as a process: streams that are closed or full, signals, and variables that libraries read."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import edgeresearch

TESTBED = """
layers:
  - {name: "[/site]", nodes: 2, vcpu: 1, memory: 1024}
  - {name: cloud, nodes: 1, vcpu: 4, memory: 4096}
streams:
  - {node: "[/site]-1", period: 200}
"""


def _command(words: str) -> list[str]:
    return [sys.executable, "-m", "edgeresearch", *words.split()]


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(edgeresearch.__file__).parents[1]), **more}


def _run(words: str, folder: Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": _environment(), **options}
    return subprocess.run(_command(words), cwd=folder, text=True, check=False, **options)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_standard_output_that_is_full_or_closed(tmp_path: Path, unbuffered: str) -> None:
    env = _environment(PYTHONUNBUFFERED=unbuffered)
    with open("/dev/full", "w") as full:
        done = _run("--version", tmp_path, stdout=full, env=env)
    told = "error: cannot write the standard output: No space left on device; send it elsewhere\n"
    assert (done.returncode, done.stderr) == (2, told)
    read, write = os.pipe()
    os.close(read)
    done = _run("--help", tmp_path, stdout=write, env=env)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_no_streams_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,hits\n")
    words = " ".join(_command("forecast - --out out"))
    done = subprocess.run(
        ["sh", "-c", f"{words} <&- >&-"], cwd=tmp_path, env=_environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: standard input is empty")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_one_line_and_nothing_half_written(tmp_path: Path, number: int, status: int) -> None:
    words = _command("los --hours 50 --repeats 8 --out out")
    run = subprocess.Popen(words, cwd=tmp_path, env=_environment(), stderr=subprocess.PIPE, start_new_session=True)
    time.sleep(3)
    run.send_signal(number)
    told = run.communicate(timeout=60)[1]
    assert run.returncode == status
    assert told == (b"error: interrupted\n" if number == signal.SIGINT else b"")
    assert os.listdir(tmp_path) == []


def test_names_and_variables_of_the_surroundings_change_nothing(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"Z\xfcrich.yaml")).write_text(TESTBED)
    words = "los --testbed Z\udcfcrich.yaml --hours 0.2 --repeats 1 --policy los --out out"
    env = _environment(MPLBACKEND="nonsense", PYTHONHASHSEED="7", COLUMNS="40", TERM="dumb", PYTHONIOENCODING="ascii")
    done = _run(words, tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 [/site], 1 cloud" in done.stdout
    assert "Z?rich.yaml" in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")
    first = (tmp_path / "out" / "nodes.csv").read_bytes()
    assert _run(words, tmp_path, env=_environment(PYTHONHASHSEED="8")).returncode == 0
    assert (tmp_path / "out" / "nodes.csv").read_bytes() == first
