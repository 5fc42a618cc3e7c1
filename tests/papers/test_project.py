import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.experiment import ExperimentResult
from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.forecasting.evaluation import Comparison
from edgeresearch.io import write_csv
from edgeresearch.papers.project import write_comparison, write_scaling, write_table

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
        write_table("table2", reports, _settings("elb", "paper_a"))
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
    write_table("table3", reports, _settings("elb"))
    assert {path.name for path in (reports / "tables").glob("*.csv")} == {"table3_elastic.csv", "table3_verdicts.csv"}


def test_figure_1_is_measured(reports: Path) -> None:
    write_table("figure1", reports, _settings("elb"))
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
        write_table(name, reports, _settings("elb", "nasa"))
    assert list(reports.parent.rglob("*")) == before


def test_a_comparison_is_written_with_the_same_bytes_every_time(comparison: Comparison, tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        scores = write_comparison(comparison, tmp_path / name)
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        contents.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        *("reports/tables/forecast/elb.csv", "reports/tables/choices/elb.csv", "data/processed/forecast/elb.parquet")
    }
    assert pd.read_csv(scores)["trace"].unique().tolist() == ["elb"]
    forecasts = pd.read_parquet(tmp_path / "b" / "data" / "processed" / "forecast" / "elb.parquet")
    assert list(forecasts.columns) == ["made", "truth", "forecast", "low", "high", "horizon", "model"]
    assert forecasts["truth"].dtype == "float32"
    assert contents[0]["reports/tables/choices/elb.csv"] == b"model,seed,choice\n"


def test_scaling_is_written_as_a_table_and_a_course(make_elastic: Make, tmp_path: Path) -> None:
    course = pd.DataFrame({"strategy": ["hpa", "hpa"], "seconds": [0.0, 30.0], "load": [1.5, np.nan]})
    found = [write_scaling(ExperimentResult(make_elastic("elb"), course), tmp_path / name) for name in "ab"]
    assert found[0] == tmp_path / "a" / "reports" / "tables" / "elastic" / "elb.csv"
    assert found[0].read_bytes() == found[1].read_bytes()
    first, second = (tmp_path / name / "data" / "processed" / "elastic" / "elb.parquet" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(first), course, check_dtype=False)
