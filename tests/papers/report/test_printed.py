from pathlib import Path

import pytest

from edgeresearch.config import Params
from edgeresearch.papers.report.cells import Missing, Printed
from edgeresearch.papers.report.printed import TABLES, printed

SETTINGS = Params().model_dump()
REAL = Path(__file__).parents[3] / "reports"


@pytest.fixture(params=["made up", "real"])
def reports(request: pytest.FixtureRequest, project: Path) -> Path:
    return REAL if request.param == "real" else project / "reports"


def test_every_table_is_made_of_text_without_gaps(reports: Path) -> None:
    tables = printed(reports, SETTINGS)
    assert [each.name for each in tables] == list(TABLES)
    for each in tables:
        assert isinstance(each, Printed), each
        assert len(each.table)
        assert each.table.map(lambda cell: isinstance(cell, str) and cell not in ("", "nan", "None")).all().all()
        assert all(isinstance(column, str) for column in each.table)


def test_what_a_run_has_not_is_named_with_its_reason(tmp_path: Path) -> None:
    found = {each.name: each for each in printed(tmp_path, SETTINGS)}
    assert isinstance(found.pop("a-table1"), Printed)  # from the settings alone
    assert set(found) == set(TABLES) - {"a-table1"}
    for each in found.values():
        assert isinstance(each, Missing)
        assert each.reason.startswith("cannot read ")


def test_one_table_that_is_broken_leaves_the_others(project: Path) -> None:
    (project / "reports" / "tables" / "fig6_hops.csv").write_text("")
    found = {each.name: each for each in printed(project / "reports", SETTINGS)}
    assert [name for name, each in found.items() if isinstance(each, Missing)] == ["b-fig6"]
