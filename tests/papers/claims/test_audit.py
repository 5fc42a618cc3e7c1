"""The audit over the results in git, over smaller runs, and beside every other table that judges the same numbers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.papers.claims import rules
from edgeresearch.papers.claims.audit import judge_claims, write_claims
from edgeresearch.papers.claims.measures import Cell
from edgeresearch.papers.claims.record import Claim, Fit
from edgeresearch.papers.claims.records import RECORDS
from edgeresearch.papers.claims.rules import CONTRADICTED, PARTLY, REPRODUCED, UNTESTABLE, VERDICTS
from edgeresearch.papers.claims.table import COLUMNS, FILE, FITTED, HELD_OUT, count_verdicts, read_claims
from edgeresearch.papers.paper_b import tables as tables_b

ROOT = Path(__file__).parents[3]
SETTINGS: dict[str, Any] = Params().model_dump()
TABLES = "reports/tables"
USAGE = "data/processed/elastic/paper_a.parquet"
Audit = dict[str, dict[str, Any]]


def _project(folder: Path) -> Path:
    """A project folder with the results in git, and a made-up course of the service, which is not in git."""
    for name in sorted({str(each.measure.file) for each in RECORDS if hasattr(each.measure, "file")} - {USAGE}):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / USAGE).parent.mkdir(parents=True)
    course = pd.DataFrame({"strategy": ["combined", "combined", "advance"], "cpu": [28.0, 93.0, 1.0], "memory": 50.0})
    course.to_parquet(folder / USAGE)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return _project(tmp_path)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return _by_id(_project(tmp_path_factory.mktemp("project")))


def _by_id(home: Path, settings: dict[str, Any] = SETTINGS) -> Audit:
    return {row["id"]: row for row in judge_claims(RECORDS, home, settings).to_dict("records")}


def _change(home: Path, name: str, keep: Any) -> None:
    table = pd.read_csv(home / name)
    table[keep(table)].to_csv(home / name, index=False)


def test_all_results_give_every_claim_a_verdict_and_a_reason(audited: Audit) -> None:
    assert list(audited) == [each.id for each in RECORDS]
    for name, row in audited.items():
        assert row["verdict"] in VERDICTS
        assert len(row["reason"]) > 10 and "not in this profile" not in row["reason"].lower(), name
        assert row["kind"] != "contradiction" or row["verdict"] == CONTRADICTED, name
        assert (row["verdict"] == UNTESTABLE) == (row["measured"] == "") == (row["data"] == ""), name
    none = {name for name, row in audited.items() if row["verdict"] == UNTESTABLE}
    assert none == {"B-F1-LAYERS", "B-F2-SEARCH", "B-F3-PARTS", "B-F4-LATENCIES"}


def test_the_audit_in_git_follows_from_the_results_in_git(audited: Audit) -> None:
    for row in read_claims(ROOT / "reports" / FILE).to_dict("records"):
        if not row["id"].startswith(("A-F2-", "A-F3-")):  # their course is not in git
            assert row == {name: str(cell) for name, cell in audited[row["id"]].items()}
    counted = json.loads((ROOT / "reports" / "metrics" / "claims.json").read_text())
    assert counted == count_verdicts(read_claims(ROOT / "reports" / FILE))


def test_the_cells_that_table_3_counts_are_those_that_the_audit_reproduces(audited: Audit) -> None:
    table = pd.read_csv(ROOT / TABLES / "table3_verdicts.csv").set_index(["trace", "reading", "forecaster"])
    cells = [audited[f"A-T3-{name}-{phase}"]["verdict"] for name in ("ADVANCE", "RESPONSIVE", "LSTM")
             for phase in ("STABLE", "EXPANSION", "SHRINKAGE")]  # fmt: skip
    assert table.loc[("paper_a", "trace", "published"), "cells"] == cells.count(REPRODUCED)


def test_readings_of_a_hand_over_have_the_numbers_and_tolerances_of_the_audit(audited: Audit) -> None:
    table = tables_b.compare_readings(pd.read_csv(ROOT / TABLES / "los" / "handovers.csv")).set_index("share")
    ours = table[~table["sender"].astype(bool)]
    for streams in (2, 4, 6, 8, 10):
        claim = audited[f"B-F7-{streams:02d}"]
        row = ours.loc[f"{streams} streams, dropped"]
        assert (f"{row['measured']:.6g}", row["within"]) == (claim["measured"], claim["verdict"] == REPRODUCED)


def test_drop_rates_are_fitted_or_held_out_by_the_settings(audited: Audit, home: Path) -> None:
    names = [f"B-F7-{count:02d}" for count in (2, 4, 6, 8, 10)]
    assert [audited[name]["fitted"] for name in names] == [FITTED, HELD_OUT, FITTED, HELD_OUT, FITTED]
    assert "Fitted: settings are fitted on 2, 6, 10 streams" in audited["B-F7-02"]["reason"]
    other = _by_id(home, SETTINGS | {"los": {**SETTINGS["los"], "fitted": [4]}})
    assert [other[name]["fitted"] for name in names] == [HELD_OUT, FITTED, HELD_OUT, HELD_OUT, HELD_OUT]
    assert other["B-F7-04"]["verdict"] == audited["B-F7-04"]["verdict"]


def test_data_says_what_is_real(audited: Audit) -> None:
    assert audited["A-T2-RF-MSE"]["data"] == audited["A-T3-LSTM-STABLE"]["data"] == "paper_a (synthetic)"
    assert audited["A-T2-BEST-MSE"]["data"].endswith("(real)") and "paper_a" not in audited["A-T2-BEST-MSE"]["data"]
    assert audited["A-F2-LOW"]["data"] == "simulated service; paper_a (synthetic)"
    assert audited["B-F7-04"]["data"] == "emulated: Paper B, Table I"
    assert audited["B-3B-BETTER"]["data"].endswith("Aarhus streams (real), anomalies injected, drops emulated")
    assert (audited["B-F7-04"]["seeds"], audited["A-T2-RF-MSE"]["seeds"]) == ("20", "5")


def test_a_row_has_everything_that_a_reader_wants(tmp_path: Path) -> None:
    pd.DataFrame({"drop": [26.6008], "low": [23.7721], "high": [29.4295]}).to_csv(tmp_path / "a.csv")
    claim = Claim(
        id="B-X", paper="B", where="Fig. 7", kind="number", claim="A share is dropped.", published=26.62, unit="%",
        measure=Cell(file="a.csv", value="drop", interval=("low", "high"), describe=lambda rows, results: "emulated"),
        rule=rules.above, fit=Fit(HELD_OUT, "why"), stage="tables-los", caveat="seen",
    )  # fmt: skip
    found = judge_claims([claim], tmp_path, SETTINGS)
    assert tuple(found.columns) == COLUMNS
    assert found.iloc[0].to_dict() == {
        "id": "B-X", "paper": "B", "where": "Fig. 7", "kind": "number", "claim": "A share is dropped.",
        "published": "26.62", "measured": "26.6008", "low": "23.7721", "high": "29.4295", "seeds": "",
        "data": "emulated", "verdict": PARTLY, "stage": "tables-los", "figure": "", "notebook": "", "unit": "%",
        "fitted": HELD_OUT,
        "reason": "26.6 (23.77 to 29.43), against more than 26.62. Held out: why. Seen.",
    }  # fmt: skip


def test_a_smaller_profile_says_what_it_lacks(home: Path) -> None:
    _change(home, f"{TABLES}/table2_forecast.csv", lambda table: table["trace"].isin(["wiki_de"]))
    for name in ("table3_elastic", "table3_verdicts"):
        _change(home, f"{TABLES}/{name}.csv", lambda table: table["trace"] == "wiki_de")
    _change(home, f"{TABLES}/fig7_drop.csv", lambda table: table["streams"].isin([2, 8]) & (table["policy"] == "los"))
    _change(home, f"{TABLES}/los/limits.csv", lambda table: table["iteration"] < 10)
    marks = pd.read_csv(home / TABLES / "los" / "landmarks.csv")
    marks.loc[marks["what"] == "plateau", "value"] = float("nan")
    marks.to_csv(home / TABLES / "los" / "landmarks.csv", index=False)
    series = pd.read_csv(home / TABLES / "data_series.csv")
    series.assign(data="synthetic").to_csv(home / TABLES / "data_series.csv", index=False)
    (home / USAGE).unlink()
    found = _by_id(home, SETTINGS | {"elastic": {**SETTINGS["elastic"], "traces": ["wiki_de"]}})
    reasons = {
        "A-T2-RF-MSE": "table2_forecast.csv has no rows with trace paper_a, horizon 1, model random_forest",
        "A-F2-LOW": "paper_a is not among elastic.traces",
        "B-F7-04": "fig7_drop.csv has no rows with policy los, streams 4",
        "B-F7-RISE": "fig7_drop.csv has no rows with streams 4",
        "B-ABS-INSITU": "fig7_drop.csv has no rows with policy in_situ",
        "B-F5-LEVEL": "limits.csv has no rows with rule utilisation, iteration 32",
        "B-F5-PLATEAU": "landmarks.csv has no value for rule utilisation, what plateau",
        "B-VIA-TRAFFIC": "there are synthetic stand-ins alone, no real data",
    }
    for name, reason in reasons.items():
        assert found[name]["verdict"] == UNTESTABLE
        assert found[name]["reason"].startswith("Not in this profile: ") and reason in found[name]["reason"]
        assert (found[name]["measured"], found[name]["data"]) == ("", "") and found[name]["published"]
    assert found["B-F7-08"]["verdict"] != UNTESTABLE
    assert found["A-CON-ERRORS"]["verdict"] in ("partly", "not reproduced")  # one trace is no proof


def test_the_same_results_give_the_same_bytes(home: Path) -> None:
    names = ("claims.csv", "claims.md", "metrics/claims.json")
    written = []
    for _ in range(2):
        write_claims(home, home / "reports", SETTINGS)
        written.append([(home / "reports" / name).read_bytes() for name in names])
    assert written[0] == written[1]
    assert written[0][1].decode().count("<br>") == len(RECORDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, r"cannot read .*fig7_drop\.csv: No such file"), ("a\n1\n", r"fig7_drop\.csv has not what is measured")],
)
def test_results_that_cannot_be_used_are_one_line_and_nothing_is_written(
    home: Path, text: str | None, message: str
) -> None:
    path = home / TABLES / "fig7_drop.csv"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match=rf"claim B-[\w-]+: .*{message}") as caught:
        write_claims(home, home / "reports", SETTINGS)
    assert "\n" not in str(caught.value)
    assert not (home / "reports" / "claims.csv").exists()
