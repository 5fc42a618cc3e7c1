import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.io import write_csv
from edgeresearch.papers import contradictions, elastic_a, paper_a
from edgeresearch.papers.report.headlines import headlines

REAL = Path(__file__).parents[3] / "reports"


@pytest.fixture
def reports(project: Path) -> Path:
    return project / "reports"


def test_forecasts_are_told_from_the_counts(reports: Path) -> None:
    found = json.loads((reports / "metrics" / "forecast.json").read_text())
    text = headlines(reports)["A"][0]
    assert f"on {found['paper_lstm_first_mse']} of 2 traces (1 of them real)" in text
    assert text.endswith("baselines on 2, and than every baseline here on 2.")


def test_contradictions_are_counted_and_the_first_is_told(reports: Path) -> None:
    every = paper_a.read(reports / "tables" / "table2_contradictions.csv")
    table = every[every["check"] != contradictions.TAILS]
    assert 0 < len(table) < len(every)
    text = headlines(reports)["A"][1]
    assert f"in {int((~table['agrees']).sum())} of {len(table)} checks" in text
    assert "LSTM best on all indicators, but best by MAE: XGBoost (0.85); LSTM: 0.9." in text
    write_csv(table[table["agrees"]], reports / "tables" / "table2_contradictions.csv")
    assert "in 0 of" in headlines(reports)["A"][1]


def test_scaling_is_told_by_whose_forecasts_were_used(reports: Path) -> None:
    text = headlines(reports)["A"][2]
    assert (
        "within 0.5 points are 9 with a forecast of the published accuracy and 7 with this project's LSTM; one " in text
    )
    assert "one number for all nine would be so near to 7 of them." in text


def test_no_constant_comes_near_more_error_rates_than_is_told() -> None:
    cells = [cell for row in elastic_a.PUBLISHED.values() for cell in row.values()]
    near = [sum(abs(cell - at / 100) <= elastic_a.GOAL + 1e-9 for cell in cells) for at in range(1000)]
    assert max(near) == 7


def test_drop_rates_are_told_apart_by_whether_they_were_fitted(reports: Path) -> None:
    text = headlines(reports)["B"][0]
    assert "held out, 8 streams, at most 0.7 points off" in text
    assert "fitted on, 2, 6, 10 streams, at most 11.7 points off." in text
    table = paper_a.read(reports / "tables" / "fig7_drop.csv")
    write_csv(table[table["streams"] != 8], reports / "tables" / "fig7_drop.csv")
    assert "held out" not in headlines(reports)["B"][0]


def test_the_cloud_is_told_beside_los(reports: Path) -> None:
    assert headlines(reports)["B"][2].endswith("drops 0 to 0 % in the same simulation, LOS 14 to 90 %.")


@pytest.mark.parametrize(
    ("place", "policies", "words"),
    [
        (0, ["cloud"], "Not told in this run: LOS was not run with a number of streams that the paper has."),
        (2, ["los", "random"], "Not told in this run: los or cloud was not run."),
    ],
)
def test_policies_that_were_not_run_are_told(reports: Path, place: int, policies: list[str], words: str) -> None:
    table = paper_a.read(reports / "tables" / "fig7_drop.csv")
    write_csv(table[table["policy"].isin(policies)], reports / "tables" / "fig7_drop.csv")
    assert headlines(reports)["B"][place] == words


def test_without_the_stand_in_scaling_is_not_told(reports: Path, make_elastic: Callable[..., pd.DataFrame]) -> None:
    table = elastic_a.compare_strategies(elastic_a.table3([make_elastic("elb")]))
    write_csv(table, reports / "tables" / "table3_verdicts.csv")
    assert headlines(reports)["A"][2] == "Not told in this run: paper_a was not replayed."


def test_a_run_without_tables_says_so_in_each_sentence(tmp_path: Path) -> None:
    found = headlines(tmp_path)
    assert [len(found[paper]) for paper in "AB"] == [3, 3]
    assert all(text.startswith("Not told in this run: cannot read ") for texts in found.values() for text in texts)


def test_broken_counts_are_told(reports: Path) -> None:
    (reports / "metrics" / "forecast.json").write_text("{")
    assert headlines(reports)["A"][0].startswith("Not told in this run: cannot read ")


def test_everything_is_told_of_this_projects_results() -> None:
    texts = [text for several in headlines(REAL).values() for text in several]
    assert len(texts) == 6
    assert not any(text.startswith("Not told") for text in texts)
    assert all(text.endswith(".") and ".." not in text for text in texts)
