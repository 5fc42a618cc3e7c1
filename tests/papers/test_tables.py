import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import tables

SETTINGS = {"traces": ["elb", "paper_a"], "horizons": [1, 5], "window": 12, "lstm_paper": {"hidden": 8, "batch": 4}}


@pytest.fixture
def reports(tmp_path: Path, make_scores: Callable[..., pd.DataFrame]) -> Path:
    folder = tmp_path / "reports"
    for name in ("elb", "paper_a", "left_over"):
        write_csv(make_scores(name, name != "paper_a"), folder / "tables" / "forecast" / f"{name}.csv")
    return folder


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_table2_is_written_with_the_same_bytes_every_time(reports: Path) -> None:
    tables.write("table2", reports, SETTINGS)
    first = _bytes(reports)
    tables.write("table2", reports, SETTINGS)
    assert _bytes(reports) == first
    made = {name for name in first if not name.startswith("tables/forecast/")}
    assert made == {
        "tables/table2_forecast.csv",
        "tables/table2_contradictions.csv",
        "tables/table2_rankings.csv",
        "metrics/forecast.json",
        *(f"figures/table2/relative_mse_{horizon}.{kind}" for horizon in (1, 5) for kind in ("png", "svg")),
    }
    table = pd.read_csv(reports / "tables" / "table2_forecast.csv")
    assert list(dict.fromkeys(table["trace"])) == ["elb", "paper_a"]
    assert table["fit_seconds"].isna().all()
    assert json.loads(first["metrics/forecast.json"])["traces"] == 2


def test_measured_seconds_are_read_from_the_project_folder(reports: Path) -> None:
    measured = reports.parent / "data" / "measured"
    measured.mkdir(parents=True)
    (measured / "fit_seconds.csv").write_text("trace,model,fit_seconds,predict_seconds,machine\nelb,ridge,1.5,0.1,x\n")
    tables.write("table2", reports, SETTINGS)
    table = pd.read_csv(reports / "tables" / "table2_forecast.csv")
    assert set(table["fit_seconds"].dropna()) == {1.5}


def test_a_missing_trace_is_told_and_nothing_is_written(reports: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nasa\.csv"):
        tables.write("table2", reports, SETTINGS | {"traces": ["elb", "nasa"]})
    assert not (reports / "metrics").exists()


def test_figure1_is_measured(reports: Path) -> None:
    tables.write("figure1", reports, SETTINGS)
    found = json.loads((reports / "tables" / "figure1_architecture.json").read_text())
    assert found["tensors"]["states"] == [4, 12, 8]
    assert found["tensors"]["forecast"] == [4, 2]


def test_each_table_gets_its_part_of_the_settings() -> None:
    settings = {"forecast": {"window": 1}, "elastic": {"every": 2}, "los": {"hours": 3}}
    assert tables.part("table2", settings) == tables.part("figure1", settings) == {"window": 1}
    assert tables.part("table3", settings) == {"every": 2}
    assert tables.part("los", settings) == {"hours": 3}
    assert tables.part("claims", settings) is settings


def test_claims_are_made_from_the_project_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"cannot read {tmp_path}/reports/tables/table3_elastic\.csv"):
        tables.write("claims", tmp_path / "reports", Params().model_dump())
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_table_names_the_nearest(reports: Path) -> None:
    with pytest.raises(InputError, match="unknown table 'tabel2'; did you mean table2"):
        tables.write("tabel2", reports, SETTINGS)
