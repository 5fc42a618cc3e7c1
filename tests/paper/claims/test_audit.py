from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.paper.claims.audit import COLUMNS, FILE, FITTED, HELD_OUT, RELATIONS, SET, VERDICTS, read, unaided
from edgeresearch.paper.verdicts_b import PARTLY, REPRODUCED


def test_words_are_told_apart() -> None:
    assert len(set(VERDICTS)) == 5 and len(set(RELATIONS)) == 3 and len(set(COLUMNS)) == len(COLUMNS)


def test_unaided_is_what_is_reproduced_and_no_setting_was_chosen_for() -> None:
    rows = [(REPRODUCED, ""), (REPRODUCED, HELD_OUT), (REPRODUCED, FITTED), (REPRODUCED, SET), (PARTLY, "")]
    assert unaided(pd.DataFrame(rows, columns=["verdict", "fitted"])) == 2


def test_the_audit_is_read_as_text(project: Path) -> None:
    table = read(project / "reports" / FILE)
    assert tuple(table.columns) == COLUMNS
    assert table.set_index("id").loc["B-2", "published"] == "400"
    assert table.set_index("id").loc["A-3", "published"] == ""
    assert table.map(lambda cell: isinstance(cell, str)).all().all()


def test_the_audit_of_this_project_is_readable() -> None:
    table = read(Path(__file__).parents[3] / "reports" / FILE)
    assert len(table) >= 60
    assert 0 < unaided(table) < (table["verdict"] == REPRODUCED).sum()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no .*claims\.csv; run edgeresearch table claims or edgeresearch reproduce first"),
        (
            "",
            r"cannot read .*claims\.csv: No columns to parse from file; run edgeresearch table claims or",
        ),
        (
            "id,paper\n1,A\n",
            r"claims\.csv has no column where, kind, .*; run edgeresearch table claims or edgeresearch reproduce",
        ),
        (
            ",".join(COLUMNS) + "\n" + ",".join("splendid" if name == "verdict" else "x" for name in COLUMNS) + "\n",
            r"claims\.csv: unknown verdict 'splendid'; known: reproduced, partly",
        ),
    ],
)
def test_an_audit_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "claims.csv").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / FILE)
    assert "\n" not in str(caught.value)


def test_an_audit_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "claims.csv").mkdir()
    with pytest.raises(InputError, match="cannot read .*: Is a directory"):
        read(tmp_path / FILE)
