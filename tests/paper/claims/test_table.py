import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from edgeresearch.errors import InputError
from edgeresearch.paper import paper_b
from edgeresearch.paper.claims import table as claims
from edgeresearch.paper.claims.audit import COLUMNS, CONTRADICTED, FITTED, HELD_OUT, SET, UNTESTABLE, VERDICTS
from edgeresearch.paper.claims.formulas import FORMULAS
from edgeresearch.paper.claims.models import Cell, Claim, Count, Fit, Order, Pairs, Paper, Selection, Setting
from edgeresearch.paper.claims.results import DERIVED, Results
from edgeresearch.paper.claims.table import audit, load, relation, write
from edgeresearch.params import Params

ROOT = Path(__file__).parents[3]
ALL = load()
Audit = dict[Any, dict[Any, Any]]
USAGE = "data/processed/elastic/paper_a.parquet"
ENTRY: dict[str, Any] = {
    "id": "B-X",
    "paper": "B",
    "where": "Fig. 7",
    "kind": "number",
    "claim": "A share is dropped.",
    "published": "paper_b.DROP_PERCENT.4",
    "unit": "%",
    "source": {"take": "cell", "table": "reports/a.csv", "value": "drop", "interval": ["low", "high"],
               "seeds": "los.repeats", "data": "emulated"},
    "rule": {"name": "within", "points": 2.5},
    "stage": "tables-los",
}  # fmt: skip


def _paths() -> set[str]:
    """Files that the claims are made from."""
    return {str(getattr(each.source, key)) for each in ALL for key in ("table", "file") if hasattr(each.source, key)}


def _file(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": list(entries)}, allow_unicode=True))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project folder with the results in git, and a made-up course of the service, which is not in git."""
    return _project(tmp_path)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The audit of the results in git, by id."""
    return _audited(_project(tmp_path_factory.mktemp("project")), _settings())


def _project(folder: Path) -> Path:
    for name in sorted(_paths() - {USAGE}):
        if not (ROOT / name).is_file():
            pytest.skip(f"{name} does not lie here")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / USAGE).parent.mkdir(parents=True)
    course = pd.DataFrame({"strategy": ["combined", "combined", "advance"], "cpu": [28.0, 93.0, 1.0], "memory": 50.0})
    course.to_parquet(folder / USAGE)
    return folder


def _settings() -> dict[str, Any]:
    return Params().model_dump()


def _audited(home: Path, settings: dict[str, Any]) -> Audit:
    return {row["id"]: row for row in audit(ALL, home, settings).to_dict("records")}


def _change(home: Path, name: str, keep: Any) -> None:
    table = pd.read_csv(home / name)
    table[keep(table)].to_csv(home / name, index=False)


def test_there_are_many_claims_of_both_papers_and_each_has_an_id_of_its_own() -> None:
    assert len(ALL) >= 60
    assert len({each.id for each in ALL}) == len(ALL)
    assert len({each.claim + each.where for each in ALL}) == len(ALL)
    assert {each.paper for each in ALL} == {"A", "B"}
    assert {each.kind for each in ALL} == {"number", "ranking", "statement", "contradiction"}
    for each in ALL:
        assert each.claim.endswith(".") and not each.caveat.endswith("."), each.id


def test_no_verdict_is_written_by_hand() -> None:
    data = yaml.safe_load(claims.CLAIMS.read_text(encoding="utf-8"))
    fields = set(Claim.model_fields)
    for entry in data["claims"]:
        assert set(entry) <= fields
        assert entry["source"]
        assert not {"verdict", "reason", "measured"} & {*entry, *entry["source"], *entry["rule"]}
    for name in (CONTRADICTED, UNTESTABLE, "not reproduced"):
        assert name not in claims.CLAIMS.read_text(encoding="utf-8")
    assert set(data) == {"shared", "claims"}


def test_published_numbers_are_not_written_twice() -> None:
    """A number that the package holds is named, so that there is one copy of it."""
    held = [*paper_b.DROP_PERCENT.values(), *paper_b.HOPS_PERCENT.values(), paper_b.TRAININGS, paper_b.TRIGGERS]
    for each in ALL:
        assert each.published not in held, each.id
    cells = [each for each in ALL if each.id.startswith(("A-T2-", "A-T3-", "B-F6-", "B-F7-")) and each.kind == "number"]
    named = [each for each in cells if isinstance(each.published, str)]
    assert len(named) >= 15 + 9 + 3 + 6


def test_every_number_of_the_tables_is_a_claim() -> None:
    named = {each.published for each in ALL if isinstance(each.published, str)}
    models, metrics = ("random_forest", "ridge", "logistic", "xgboost", "lstm_paper"), ("mse", "mae", "r2")
    assert {f"paper_a.PUBLISHED.{model}.{metric}" for model in models for metric in metrics} <= named
    strategies, phases = ("advance", "responsive", "combined"), ("stable", "expansion", "shrinkage")
    assert {f"elastic_a.PUBLISHED.{name}.{phase}" for name in strategies for phase in phases} <= named
    assert {f"paper_b.DROP_PERCENT.{count}" for count in paper_b.DROP_PERCENT} <= named
    assert {f"paper_b.HOPS_PERCENT.{count},{hops}" for count, hops in paper_b.HOPS_PERCENT} <= named


def test_sources_name_columns_that_the_results_have() -> None:
    for each in ALL:
        source = each.source
        if not isinstance(source, Selection | Pairs) or not (ROOT / source.table).is_file():
            continue
        table = pd.read_parquet(ROOT / source.table) if source.table == USAGE else pd.read_csv(ROOT / source.table)
        columns = {*table.columns, *DERIVED}
        wanted = set(source.rows)
        if isinstance(source, Pairs):
            wanted |= {*source.columns, *(f"published {name}" for name in source.columns)}
        else:
            wanted |= {source.value, *(source.interval or ())}
            wanted |= {source.seeds} if source.seeds and "." not in source.seeds else set()
        if isinstance(source, Cell):
            wanted |= {key for rows in (source.minus or {}, *source.readings.values()) for key in rows}
        if isinstance(source, Order):
            wanted |= {key for rows in source.sequence for key in rows}
        if isinstance(source, Order | Count):
            wanted |= {source.each} if source.each else set()
        assert wanted <= columns, (each.id, wanted - columns)


def test_every_formula_is_used() -> None:
    assert {each.source.formula for each in ALL if isinstance(each.source, Paper)} == set(FORMULAS)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{**ENTRY, "verdict": "reproduced"}], "claim B-X: unknown key verdict"),
        ([{**ENTRY, "source": {**ENTRY["source"], "tabel": 1}}], "claim B-X: source.cell.tabel is 1"),
        ([{"paper": "B"}], "claim 1: id is"),
        (["so"], "claim 1: expected keys and values"),
        ([ENTRY, ENTRY], "claim B-X: the id is taken"),
        ([{**ENTRY, "published": "paper_b.DROP_PERCENT.5"}], "claim B-X: there is no value 'paper_b.DROP_PERCENT.5'"),
        ([{**ENTRY, "published": "3 to 5"}], "claim B-X: the rule within needs a number as published, not '3 to 5'"),
        ([{**ENTRY, "rule": {"name": "within", "points": "verdicts_b.NOT"}}], "claim B-X: 'verdicts_b.NOT' is not a"),
        ([{**ENTRY, "source": {"take": "nothing", "lacks": "time"}, "rule": {"name": "untestable"}}],
         "claim B-X: unknown lack 'time'; known: drawing, numbers"),
        ([{**ENTRY, "source": {"take": "paper", "formula": "luck"}, "rule": {"name": "consistent"}}],
         "claim B-X: unknown formula 'luck'; known: best_of_all"),
        ([{**ENTRY, "source": {"take": "paper", "formula": "product", "given": {"factor": 2}},
           "rule": {"name": "consistent"}}], "claim B-X: product: "),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_one_line_with_file_and_id(tmp_path: Path, entries: list[Any], message: str) -> None:
    path = _file(tmp_path, *entries)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}, {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "claims: []", "claims: 3", "other: 1"])
def test_a_file_without_claims_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="has no list called claims"):
        load(path)
    with pytest.raises(InputError, match=r"cannot read .*none\.yaml"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("fit", "word", "why"),
    [
        (None, "", ""),
        (Fit(streams=2), FITTED, "fitted: settings are fitted on 2, 6, 10 streams"),
        (Fit(streams=4), HELD_OUT, "held out: settings are fitted on 2, 6, 10 streams"),
        (Fit(target="limit_32"), FITTED, "fitted: settings were searched that bring limit_32 close to the paper's"),
        (Fit(target="residual"), FITTED, "residual_1, residual_45"),
        (Fit(target="hops_8_3"), HELD_OUT, "hops_8_3 is not among"),
        (Fit(target="hops_1"), HELD_OUT, "hops_1 is not among"),
        (Fit(fitted="so"), FITTED, "fitted: so"),
        (Fit(held_out="so"), HELD_OUT, "held out: so"),
        (Fit(set="so"), SET, "set: so"),
    ],
)
def test_whether_a_value_was_fitted_follows_from_the_settings(fit: Fit | None, word: str, why: str) -> None:
    found = relation(fit, Results(Path(), {"los": {"fitted": [2, 6, 10]}}))
    assert found[0] == word
    assert why in found[1]


def test_other_settings_fit_other_streams() -> None:
    assert relation(Fit(streams=4), Results(Path(), {"los": {"fitted": [4]}}))[0] == FITTED


def test_drop_rates_that_are_fitted_or_held_out_are_said_to_be(audited: Audit) -> None:
    words = [audited[f"B-F7-{count:02d}"]["fitted"] for count in (2, 4, 6, 8, 10)]
    assert words == [FITTED, HELD_OUT, FITTED, HELD_OUT, FITTED]
    for count in (2, 6, 10):
        assert "Fitted: settings are fitted on 2, 6, 10 streams" in audited[f"B-F7-{count:02d}"]["reason"]
    assert {audited[f"A-T3-{name}-STABLE"]["fitted"] for name in ("ADVANCE", "RESPONSIVE", "LSTM")} == {FITTED}


def test_a_row_has_everything_that_a_reader_wants(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    table = pd.DataFrame({"drop": [26.6008], "low": [23.7721], "high": [29.4295]})
    table.to_csv(tmp_path / "reports" / "a.csv", index=False)
    found = audit(load(_file(tmp_path, {**ENTRY, "fit": {"streams": 4}, "caveat": "seen"})), tmp_path, _settings())
    assert tuple(found.columns) == COLUMNS
    row = found.iloc[0].to_dict()
    assert (row["measured"], row["low"], row["high"]) == ("26.6008", "23.7721", "29.4295")
    assert (row["published"], row["seeds"], row["data"]) == ("26.62", "20", "emulated: Paper B, Table I")
    assert (row["verdict"], row["fitted"], row["figure"]) == ("reproduced", HELD_OUT, "")
    assert row["reason"] == (
        "26.6 (23.77 to 29.43) is 0.0192 off 26.62 (tolerance 2.5). Held out: settings are fitted on 2, 6, 10 streams. "
        "Seen."
    )


def test_all_results_give_every_claim_a_verdict_and_a_reason(audited: Audit) -> None:
    assert list(audited) == [each.id for each in ALL]
    for name, row in audited.items():
        assert row["verdict"] in VERDICTS
        assert len(row["reason"]) > 10 and "not in this profile" not in row["reason"].lower(), name
        if row["kind"] == "contradiction":
            assert row["verdict"] == CONTRADICTED, name
        assert (row["verdict"] == UNTESTABLE) == (row["measured"] == "") == (row["data"] == ""), name
    none = {name for name, row in audited.items() if row["verdict"] == UNTESTABLE}
    assert none == {"B-F1-LAYERS", "B-F2-SEARCH", "B-F3-PARTS", "B-F4-LATENCIES"}
    assert audited["A-F2-LOW"]["measured"] == "28"
    assert audited["A-F2-HIGH"]["verdict"] == "reproduced"


def test_data_tells_the_stand_in_from_real_traces(audited: Audit) -> None:
    assert audited["A-T2-RF-MSE"]["data"] == audited["A-T3-LSTM-STABLE"]["data"] == "paper_a (synthetic)"
    assert audited["A-T2-BEST-MSE"]["data"].endswith("(real)") and "paper_a" not in audited["A-T2-BEST-MSE"]["data"]
    assert audited["A-F2-LOW"]["data"] == "simulated service; paper_a (synthetic)"


def test_without_real_data_it_says_so(home: Path) -> None:
    for name in ("table2_forecast", "table3_elastic", "table3_verdicts", "staleness_pairs"):
        path = home / "reports" / "tables" / f"{name}.csv"
        pd.read_csv(path).assign(real=False).to_csv(path, index=False)
    series = home / "reports" / "tables" / "data_series.csv"
    pd.read_csv(series).assign(data="synthetic").to_csv(series, index=False)
    found = _audited(home, _settings())
    assert found["A-T2-BEST-MSE"]["data"].endswith("(synthetic)")
    assert not any("(real)" in row["data"] for row in found.values())
    for name in ("B-VIA-TRAFFIC", "B-VIA-POLLUTION"):
        assert found[name]["verdict"] == UNTESTABLE
        assert "synthetic stand-ins alone, no real data" in found[name]["reason"]


def test_a_smaller_profile_says_what_it_lacks(home: Path) -> None:
    tables = "reports/tables"
    _change(home, f"{tables}/table2_forecast.csv", lambda table: table["trace"].isin(["wiki_de"]))
    for name in ("table3_elastic", "table3_verdicts"):
        _change(home, f"{tables}/{name}.csv", lambda table: table["trace"] == "wiki_de")
    _change(home, f"{tables}/fig7_drop.csv", lambda table: table["streams"].isin([2, 8]) & (table["policy"] == "los"))
    _change(home, f"{tables}/los/gateways.csv", lambda table: table["value"].isin([1, 5]))
    _change(home, f"{tables}/los/limits.csv", lambda table: table["iteration"] < 10)
    marks = pd.read_csv(home / tables / "los" / "landmarks.csv")
    marks.loc[marks["what"] == "plateau", "value"] = float("nan")
    marks.to_csv(home / tables / "los" / "landmarks.csv", index=False)
    (home / USAGE).unlink()
    found = _audited(home, _settings() | {"elastic": {**_settings()["elastic"], "traces": ["wiki_de"]}})
    reasons = {
        "A-T2-RF-MSE": "table2_forecast.csv has no rows with trace paper_a, horizon 1, model random_forest",
        "A-T3-LSTM-STABLE": "table3_elastic.csv has no rows with trace paper_a",
        "A-F2-LOW": "paper_a is not among elastic.traces",
        "B-F7-04": "fig7_drop.csv has no rows with policy los, streams 4",
        "B-F7-RISE": "fig7_drop.csv has no rows with streams 4",
        "B-ABS-INSITU": "fig7_drop.csv has no rows with policy in_situ",
        "B-F7-GATEWAYS": "gateways.csv has no rows with value 2",
        "B-F5-LEVEL": "limits.csv has no rows with rule utilisation, iteration 32",
        "B-F5-PLATEAU": "landmarks.csv has no value for rule utilisation, what plateau",
    }
    for name, reason in reasons.items():
        assert found[name]["verdict"] == UNTESTABLE
        assert found[name]["reason"].startswith("Not in this profile: ")
        assert reason in found[name]["reason"]
        assert (found[name]["measured"], found[name]["data"]) == ("", "")
        assert found[name]["published"] != ""
    assert found["B-F7-08"]["verdict"] != UNTESTABLE
    assert found["A-CON-ERRORS"]["measured"] in ("0 of 1", "1 of 1")
    assert found["A-CON-ERRORS"]["verdict"] in ("partly", "not reproduced")  # one trace is no proof


def test_the_same_results_give_the_same_bytes(home: Path) -> None:
    names = ("claims.csv", "claims.md", "metrics/claims.json")
    found = []
    for _ in range(2):
        write(home, home / "reports", _settings())
        found.append([(home / "reports" / name).read_bytes() for name in names])
    assert found[0] == found[1]
    assert json.loads(found[0][2])["both"]["claims"] == len(ALL)
    assert found[0][1].decode().count("<br>") == len(ALL)


def test_missing_results_are_told_and_nothing_is_written(home: Path) -> None:
    (home / "reports" / "tables" / "fig7_drop.csv").unlink()
    with pytest.raises(InputError, match=r"claim B-[\w-]+: cannot read .*fig7_drop\.csv: No such file"):
        write(home, home / "reports", _settings())
    assert not (home / "reports" / "claims.csv").exists()
    assert not (home / "reports" / "metrics").exists()


def test_settings_that_claims_name_exist() -> None:
    results = Results(Path(), _settings())
    keys = {each.source.key for each in ALL if isinstance(each.source, Setting)}
    seeds = {each.source.seeds or "" for each in ALL if isinstance(each.source, Selection)}
    keys |= {name for name in seeds if "." in name}
    assert len(keys) >= 5
    for key in keys:
        results.setting(key)
