import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import tables

Make = Callable[..., pd.DataFrame]


def _settings(*traces: str) -> Params:
    forecast = {"traces": traces, "horizons": [1, 5], "window": 12, "lstm_paper": {"hidden": 8, "batch": 4}}
    return Params.of({"forecast": forecast, "elastic": {"traces": traces}})


@pytest.fixture
def reports(tmp_path: Path, make_scores: Make, make_elastic: Make) -> Path:
    folder = tmp_path / "reports"
    for name in ("elb", "paper_a", "goog"):
        write_csv(make_scores(name, name != "paper_a"), folder / "tables" / "forecast" / f"{name}.csv")
    write_csv(make_elastic(), folder / "tables" / "elastic" / "elb.csv")
    return folder


def test_table_2_is_written_with_the_same_bytes_every_time(reports: Path) -> None:
    measured = reports.parent / "data" / "measured"
    measured.mkdir(parents=True)
    (measured / "fit_seconds.csv").write_text("trace,model,fit_seconds,predict_seconds,machine\nelb,ridge,1.5,0.1,x\n")
    contents = []
    for _ in range(2):
        tables.write("table2", reports, _settings("elb", "paper_a"))
        files = [path for path in reports.rglob("*") if path.is_file() and path.parent.parent.name != "tables"]
        contents.append({str(path.relative_to(reports)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        *(f"tables/table2_{name}.csv" for name in ("forecast", "contradictions", "rankings")),
        *(f"figures/table2/relative_mse_{horizon}.{kind}" for horizon in (1, 5) for kind in ("png", "svg")),
        "metrics/forecast.json",
    }
    table = pd.read_csv(reports / "tables" / "table2_forecast.csv")
    assert list(dict.fromkeys(table["trace"])) == ["elb", "paper_a"]
    assert set(table["fit_seconds"].dropna()) == {1.5}
    assert json.loads(contents[0]["metrics/forecast.json"])["traces"] == 2


def test_table_3_is_joined_by_name(reports: Path) -> None:
    tables.write("table3", reports, _settings("elb"))
    assert {path.name for path in (reports / "tables").glob("*.csv")} == {"table3_elastic.csv", "table3_verdicts.csv"}


def test_figure_1_is_measured(reports: Path) -> None:
    tables.write("figure1", reports, _settings("elb"))
    network = json.loads((reports / "tables" / "figure1_architecture.json").read_text())
    assert network["tensors"]["states"] == [4, 12, 8]
    assert network["tensors"]["forecast"] == [4, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("table2", r"cannot read .*forecast/nasa\.csv"),
        ("table3", r"cannot read .*elastic/nasa\.csv"),
        ("los", r"cannot read .*tables/los/"),
        ("claims", r"cannot read .*/reports/tables/table3_elastic\.csv"),
        ("tabel2", "unknown table 'tabel2'; did you mean table2"),
    ],
)
def test_what_is_missing_or_unknown_is_refused_and_nothing_is_written(reports: Path, name: str, message: str) -> None:
    before = list(reports.parent.rglob("*"))
    with pytest.raises(InputError, match=message):
        tables.write(name, reports, _settings("elb", "nasa"))
    assert list(reports.parent.rglob("*")) == before
