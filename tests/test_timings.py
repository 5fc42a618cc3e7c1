import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch import timings
from edgeresearch.errors import InputError
from edgeresearch.timings import COLUMNS, REST, measure, read, recorded, update

BUSY = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"


def _log(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("code", [BUSY, NESTED])
def test_a_command_is_measured_with_all_that_it_starts(tmp_path: Path, code: str) -> None:
    log = tmp_path / "log.csv"
    assert measure(log, "compare@elb", [sys.executable, "-c", code]) == 0
    ((stage, cpu, wall),) = _log(log)
    assert stage == "compare@elb"
    assert float(cpu) >= 0.2
    assert float(wall) > 0


def test_waiting_costs_no_cpu(tmp_path: Path) -> None:
    measure(tmp_path / "log.csv", "a", ["sleep", "0.3"])
    ((_, cpu, wall),) = _log(tmp_path / "log.csv")
    assert float(wall) >= 0.3 > float(cpu)


@pytest.mark.parametrize(
    ("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 15)", 128 + 15)]
)
def test_a_command_that_fails_is_not_written_down_and_its_status_stays(tmp_path: Path, code: str, status: int) -> None:
    assert measure(tmp_path / "log.csv", "a", [sys.executable, "-c", code]) == status
    assert not (tmp_path / "log.csv").exists()


def test_stages_started_as_python_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "new" / "seconds.csv"
    with recorded(path, "M, 2 cores") as (folder,):
        for stage, code in (("a b", "import sys; print(sys.argv[1:])"), ("c@d", BUSY), ("bad", "raise SystemExit(1)")):
            words = [str(Path(folder) / "python"), "-c", code, "it's", "$HOME"]
            done = subprocess.run(words, env={"DVC_STAGE": stage}, capture_output=True, text=True, check=False)
            if stage == "a b":
                assert done.stdout == "[\"it's\", '$HOME']\n"
            assert done.returncode == (stage == "bad")
    assert not Path(folder).exists()
    table = read(path)
    assert table["stage"].tolist() == ["a b", "c@d", REST]
    assert table.set_index("stage").loc["c@d", "cpu_seconds"] >= 0.2
    assert set(table["machine"]) == {"M, 2 cores"}


def test_what_ran_before_a_failure_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    with pytest.raises(RuntimeError, match="stopped"), recorded(path) as (folder,):
        subprocess.run([str(Path(folder) / "python"), "-c", ""], env={"DVC_STAGE": "a"}, check=True)
        raise RuntimeError("stopped")
    assert read(path)["stage"].tolist() == ["a", REST]


def test_nothing_is_measured_without_a_file() -> None:
    with recorded(None) as first:
        assert first == []


def test_a_run_without_stages_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    with recorded(path):
        pass
    assert not path.exists()
    assert read(path).empty


def test_a_stage_that_ran_again_gets_its_new_seconds_in_its_old_place(tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    update(path, [("a", 1.0, 2.0), ("b", 3.0, 4.0)], [5.0, 7.0])
    table = update(path, [("c", 8.0, 9.0), ("a", 1.23456, 2.5)], [9.5, 12.0])
    assert table["stage"].tolist() == ["a", "b", "c", REST]
    assert table["cpu_seconds"].tolist() == pytest.approx([1.23456, 3.0, 8.0, 0.26544])
    written = read(path)
    assert list(written.columns) == COLUMNS
    assert written["cpu_seconds"].tolist() == [1.23, 3.0, 8.0, 0.265]
    assert written["wall_seconds"].tolist() == [2.5, 4.0, 9.0, 0.5]


def test_stages_side_by_side_leave_no_time_below_zero(tmp_path: Path) -> None:
    table = update(tmp_path / "seconds.csv", [("a", 2.0, 5.0), ("b", 2.0, 5.0)], [5.0, 6.0])
    assert table.set_index("stage").loc[REST, ["cpu_seconds", "wall_seconds"]].tolist() == [1.0, 0.0]


def test_a_stage_that_ran_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a,1.0,2.0\nb,1.0,1.0\na,3.0,4.0\n")
    assert timings._rows(tmp_path / "log") == [("a", 3.0, 4.0), ("b", 1.0, 1.0)]


@pytest.mark.parametrize(
    "text", ["", "stage,cpu_seconds\na,1\n", "stage,cpu_seconds,wall_seconds,machine\na,much,1,m\n"]
)
def test_another_file_is_refused_before_anything_runs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seconds.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"seconds\.csv has not the columns stage, cpu_seconds"), recorded(path):
        raise AssertionError("the block must not run")
    assert path.read_text() == text


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has not the columns"):
        read(tmp_path)


def test_it_can_be_run_without_what_the_package_needs() -> None:
    code = f"import runpy, sys; runpy.run_path({timings.__file__!r}); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "numpy", "edgeresearch"} & set(found)


def test_the_measured_seconds_of_the_pipeline_are_such_a_table() -> None:
    table = read(Path(__file__).parents[1] / "data" / "measured" / "stage_seconds.csv")
    assert isinstance(table, pd.DataFrame)
    assert table["stage"].is_unique
    assert (table[["cpu_seconds", "wall_seconds"]] >= 0).all(axis=None)
