"""The audit over the results in git and over smaller runs, and `reports/claims.csv` as readers get it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.papers.claims import rules
from edgeresearch.papers.claims.audit import (
    COLUMNS,
    FILE,
    MISSED,
    RECORDS,
    count_verdicts,
    format_value,
    judge_claims,
    read_claims,
    render_page,
    select_claims,
    tally,
    write_claims,
)
from edgeresearch.papers.claims.measures import Cell, Claim
from edgeresearch.papers.claims.rules import (
    CONTRADICTED,
    FITTED,
    HELD_OUT,
    NOT,
    PARTLY,
    REPRODUCED,
    UNTESTABLE,
    VERDICTS,
    Fit,
)
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


def _row(name: str, verdict: str, **more: str) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS, "")
    row |= {"id": name, "paper": name[0], "where": "Fig. 7", "kind": "number", "claim": "It drops.", "stage": "los"}
    return row | {"published": "26.62", "measured": "26.6008", "verdict": verdict, "reason": "Near.", **more}


@pytest.fixture
def table() -> pd.DataFrame:
    seen = {"low": "23.7721", "high": "29.4295", "unit": "%", "seeds": "20", "data": "emulated"}
    rows = [
        _row("A-1", REPRODUCED, fitted="fitted"),
        _row("A-2", NOT),
        _row("B-1", REPRODUCED, fitted="held out", **seen),
        _row("B-2", REPRODUCED, fitted="set", seeds="1", figure="reports/figures/los/a.png"),
        _row("B-3", REPRODUCED),
        _row("B-4", CONTRADICTED, measured="7,200 to 12,000", unit="triggers", claim="A | B."),
        _row("B-5", UNTESTABLE, measured="", published=""),
        _row("B-6", PARTLY),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_verdicts_are_counted_by_paper_and_apart_if_fitted_or_set(table: pd.DataFrame) -> None:
    found = count_verdicts(table)
    assert found["A"] == {
        "claims": 2, "reproduced": 1, "partly": 0, "not_reproduced": 1, "contradicted_by_the_paper_itself": 0,
        "not_testable_here": 0, "reproduced_unaided": 0,
    }  # fmt: skip
    assert (found["B"]["reproduced"], found["B"]["reproduced_unaided"]) == (3, 2)
    for key, count in found["both"].items():
        assert count == found["A"][key] + found["B"][key]
    assert sum(found["both"][name.replace(" ", "_")] for name in VERDICTS) == found["both"]["claims"] == 8
    assert set(count_verdicts(table.iloc[:0])["both"].values()) == {0}


def test_verdicts_are_counted_with_those_that_say_no_together(table: pd.DataFrame) -> None:
    count = tally(table.to_dict("records"))
    assert [count[verdict] for verdict in VERDICTS] == [4, 1, 1, 1, 1]
    assert (count["claims"], count[MISSED], count["unaided"]) == (8, 2, 2)
    assert tally([])["claims"] == 0


def test_the_page_has_counts_then_a_table_per_paper(table: pd.DataFrame) -> None:
    text = render_page(table)
    lines = text.splitlines()
    assert lines[2].startswith("8 claims of two papers")
    assert "| reproduced | 1 | 3 | 4 | 1 | 1 | 1 |" in text
    assert "Of the 4 that are reproduced, 2 were neither fitted nor set (A: 0, B: 2)." in text
    assert [line for line in lines if line.startswith("## ")] == [
        "## Paper A: elastic scheduling of micro-modules on LSTM forecasts",
        "## Paper B: local-optimistic scheduling of periodic model training",
    ]
    rows = {line.split("<br>")[0].removeprefix("| "): line for line in lines if "<br>" in line}
    assert rows["B-1"] == (
        "| B-1<br>Fig. 7 | It drops. | 26.62 % | 26.6 (23.77 to 29.43) % | emulated; 20 seeds "
        "| **reproduced** (held out) | Near. |"
    )
    assert "B-2<br>[Fig. 7](figures/los/a.png)" in rows["B-2"] and "seeds" not in rows["B-2"]
    assert "| A \\| B. | 26.62 triggers | 7,200 to 12,000 |" in rows["B-4"]
    assert "|  |  |  | **not testable here** |" in rows["B-5"]


@pytest.mark.parametrize(
    ("cells", "name", "expected"),
    [
        ({"published": "0.268926"}, "published", "0.2689"),
        ({"published": "3 to 5", "unit": "minutes"}, "published", "3 to 5"),
        (
            {"measured": "1430", "low": "1430", "high": "1430", "unit": "trainings"},
            "measured",
            "1430 (1430 to 1430) trainings",
        ),
        ({"published": "1430", "low": "1", "high": "2"}, "published", "1430"),
        ({"published": ""}, "published", ""),
    ],
)
def test_numbers_have_few_digits_and_words_stay(cells: dict[str, str], name: str, expected: str) -> None:
    assert format_value(_row("A-1", REPRODUCED, **cells), name) == expected


@pytest.mark.parametrize("verdict", [None, *VERDICTS])
@pytest.mark.parametrize("paper", [None, "A", "B"])
def test_claims_are_selected_by_paper_and_verdict(table: pd.DataFrame, paper: str | None, verdict: str | None) -> None:
    part = select_claims(table, paper, verdict)
    assert set(part["paper"]) <= {paper or "A", paper or "B"}
    assert set(part["verdict"]) <= ({verdict} if verdict else set(VERDICTS))
    assert len(part) == count_verdicts(table)[paper or "both"][(verdict or "claims").replace(" ", "_")]


def test_unknown_choices_name_those_that_there_are(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="unknown paper 'C'; known: A, B"):
        select_claims(table, "C")
    with pytest.raises(InputError, match="unknown verdict 'reproducd'; did you mean reproduced"):
        select_claims(table, verdict="reproducd")


def test_what_was_written_is_read_as_text(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / FILE, index=False)
    pd.testing.assert_frame_equal(read_claims(tmp_path / FILE), table, check_dtype=False)
    own = read_claims(ROOT / "reports" / FILE)
    assert 0 < count_verdicts(own)["both"]["reproduced_unaided"] < (own["verdict"] == REPRODUCED).sum()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot read .*claims\.csv: No such file or directory; run edgeresearch reproduce first"),
        ("", r"cannot read .*claims\.csv: No columns to parse from file; run edgeresearch"),
        ("id,paper\n1,A\n", r"claims\.csv has no column where, kind, .*; run edgeresearch"),
        (
            ",".join(COLUMNS) + "\n" + ",".join("splendid" if name == "verdict" else "x" for name in COLUMNS) + "\n",
            r"claims\.csv: unknown verdict 'splendid'; known: reproduced, partly",
        ),
    ],
)
def test_an_audit_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_claims(tmp_path / FILE)
    assert "\n" not in str(caught.value)
