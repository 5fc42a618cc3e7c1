from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.report.cells import Missing, Printed
from edgeresearch.papers.report.minutes import HOW, SECONDS, minutes

HEAD = "stage,cpu_seconds,wall_seconds,machine\n"


def _home(tmp_path: Path, text: str) -> Path:
    (tmp_path / SECONDS).parent.mkdir(parents=True)
    (tmp_path / SECONDS).write_text(text)
    return tmp_path


def test_the_items_of_a_stage_are_one_row_and_the_longest_stands_first(tmp_path: Path) -> None:
    rows = "fetch,6,12,M\ncompare@elb,120,60,M\ncompare@goog,180,100,M\nnotebook-data,90,90,M\ndvc,24,30,M\n"
    found = minutes(_home(tmp_path, HEAD + rows))
    assert isinstance(found, Printed)
    assert found.table.to_dict("list") == {
        "stage": ["compare", "notebook-data", "DVC itself", "fetch", "all"],
        "parts": ["2", "1", "1", "1", "5"],
        "CPU minutes": ["5.0", "1.5", "0.4", "0.1", "7.0"],
        "wall minutes": ["2.7", "1.5", "0.5", "0.2", "4.9"],
        "% of CPU": ["71", "21", "6", "1", "100"],
    }


def test_the_machine_and_how_it_was_measured_are_told(tmp_path: Path) -> None:
    found = minutes(_home(tmp_path, HEAD + 'a,1,1,"M, 2 cores"\nb,1,1,"M, 2 cores"\nc,1,1,N\n'))
    assert isinstance(found, Printed)
    assert f"Measured on: M, 2 cores; N; {HOW} measures" in found.notes[0]


def test_stages_that_took_no_time_have_no_share(tmp_path: Path) -> None:
    found = minutes(_home(tmp_path, HEAD + "a,0,0,M\n"))
    assert isinstance(found, Printed)
    assert found.table["% of CPU"].tolist() == ["0", "0"]


@pytest.mark.parametrize("text", [HEAD, None])
def test_where_nothing_was_measured_the_reader_is_told_how(tmp_path: Path, text: str | None) -> None:
    home = tmp_path if text is None else _home(tmp_path, text)
    found = minutes(home)
    assert found == Missing("minutes", f"no stage was measured; {HOW} measures those that run")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has not the columns"):
        minutes(_home(tmp_path, "a,b\n1,2\n"))
