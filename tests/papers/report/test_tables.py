import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import read_claims
from edgeresearch.papers.report.site import write_exports
from edgeresearch.papers.report.tables import (
    _LATEX,
    NONE,
    TABLES,
    PaperTable,
    claims_table,
    latex,
    paper_tables,
    read_table,
    tabulate,
    to_latex,
    to_markdown,
)

SETTINGS = {
    "elastic": {"clusters": {"edge": {"nodes": 9, "cores": 4, "memory_gb": 8, "network_gbps": 1, "disk_gb": 128}}}
}
ROOT = Path(__file__).parents[3]
REAL = ROOT / "reports"
SPECIAL = re.compile(r"(?<!\\)[&%$#_^~<>|]")


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    """The tables of this project."""
    made = paper_tables(ROOT / "reports", SETTINGS)
    return {name: each.table for name, each in made.items() if isinstance(each, PaperTable)}


def test_formats_make_lines_and_columns() -> None:
    rows = pd.DataFrame({"n": [2, 2, 4], "who": ["a", "b", "a"], "x": [1.26, 2.0, float("nan")], "y": float("nan")})
    table = tabulate(rows, "n", {"N": "{n}", "{who}": "{x:.1f}", "{who}, gone": "{y:g}"})
    assert table.to_dict("list") == {"N": ["2", "4"], "a": ["1.3", NONE], "b": ["2.0", NONE]}


def test_numbers_stand_at_the_right() -> None:
    frame = pd.DataFrame({"a": ["1.0", NONE], "b": ["1.0 to 2", "3 [1, 4]"], "c": [NONE, NONE], "d": ["1 of 9", "2"]})
    assert PaperTable("x", "X", frame).columns == [("a", True), ("b", True), ("c", False), ("d", False)]
    assert PaperTable("x", "X", frame).rows[1] == [NONE, "3 [1, 4]", NONE, "2"]


def test_table_1_is_that_of_the_settings(tables: dict[str, pd.DataFrame]) -> None:
    assert tables["a-table1"].iloc[0].tolist() == ["Marginal cluster", "9", "4", "8", "1", "128"]


def test_table_2_is_of_the_stand_in_published_beside_measured(tables: dict[str, pd.DataFrame]) -> None:
    scores = read_table(ROOT / "reports" / "tables" / "table2_forecast.csv").query(
        "trace == 'paper_a' and horizon == 1"
    )
    ridge = scores.set_index("model").loc["ridge"]
    row = tables["a-table2"].set_index("Method").loc["ridge regression"]
    assert (row["MSE published"], row["R² published"]) == ("14.3", "0.895")
    assert row["MSE measured"] == f"{ridge['mse']:.1f}"
    assert row["MSE 95 %"] == f"{ridge['mse_low']:.1f} to {ridge['mse_high']:.1f}"
    assert tables["a-table2"].set_index("Method").loc["last value", "MSE published"] == NONE


def test_every_trace_has_its_ratios_and_the_place_of_the_papers_lstm(tables: dict[str, pd.DataFrame]) -> None:
    scores = read_table(ROOT / "reports" / "tables" / "table2_forecast.csv").query("trace == 'nasa' and horizon == 1")
    mse = scores.set_index("model")["mse"]
    five = mse[["random_forest", "ridge", "logistic", "xgboost", "lstm_paper"]].sort_values()
    row = tables["a-table2-traces"].set_index("Trace").loc["nasa"]
    assert row["Best of the paper's five"] == scores.set_index("model").loc[five.index[0], "label"]
    assert row["Place of its LSTM"] == str(list(five.index).index("lstm_paper") + 1)
    assert row["Ridge, MSE / last value"] == f"{mse['ridge'] / mse['last_value']:.3f}"
    baselines = mse.drop(["lstm", "lstm_huber", "lstm_paper"])
    assert row["LSTM (project), MSE / best baseline"] == f"{mse['lstm'] / baselines.min():.3f}"
    assert "paper_a (synthetic)" in set(tables["a-table2-traces"]["Trace"])


def test_a_model_that_was_not_run_leaves_a_gap(project: Path) -> None:
    path = project / "reports" / "tables" / "table2_forecast.csv"
    scores = pd.read_csv(path)
    scores[(scores["trace"] != "elb") | (scores["model"] == "lstm")].to_csv(path, index=False)
    made = paper_tables(project / "reports", SETTINGS)["a-table2-traces"]
    assert isinstance(made, PaperTable)
    assert made.table.set_index("Trace").loc["elb"].iloc[:3].tolist() == [NONE, NONE, NONE]


def test_table_3_says_whose_forecasts_a_strategy_acts_on(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["a-table3"].set_index(["Strategy", "Forecast"])
    assert len(table) == 5
    row = table.loc[("Advance", "of the published accuracy")]
    assert row["Shrinkage, published"] == "6.7"
    assert re.fullmatch(r"\d\.\d \[\d\.\d, \d\.\d\]", row["Shrinkage, measured"])


def test_paper_bs_tables_hold_published_beside_simulated(tables: dict[str, pd.DataFrame]) -> None:
    fig7 = tables["b-fig7"].set_index("Streams")
    assert fig7.loc[["2", "4"], "LOS, published"].tolist() == ["14.37", "26.62"]
    assert fig7.loc[["2", "4"], "Published value was"].tolist() == ["fitted on", "held out"]
    assert (fig7["In-situ only"] == "100.0").all()
    fig6 = tables["b-fig6"].set_index("Streams")
    assert fig6.loc["8", ["2 hops, published", "3 hops, published"]].tolist() == ["36.63", "16.7"]
    assert "1 hop, published" not in fig6
    assert "More than" not in tables["b-triggers"]["Published"].iloc[0]
    assert tables["b-triggers"]["Published"].iloc[0] == "more than 3,800"
    assert len(tables["b-fig5"]) > 5
    assert tables["b-table1"]["Layer"].tolist() == ["Cloud", "Fog", "Edge"]


def test_what_cannot_be_made_says_why(tmp_path: Path) -> None:
    made = paper_tables(tmp_path, SETTINGS)
    assert [name for name, each in made.items() if isinstance(each, PaperTable)] == ["a-table1"]
    assert re.match(r"cannot read .*fig7_drop\.csv: No such file", str(made["b-fig7"]))
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(InputError, match=r"cannot read .*x\.csv: No columns to parse from file; run the pipeline"):
        read_table(tmp_path / "x.csv")


def _sound(text: str) -> None:
    """Check what LaTeX would check: known letters, balanced braces and maths, rows as wide as the head."""
    assert text.isascii()
    plain = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    begun, ended = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
    assert sorted(begun) == sorted(ended)
    assert all(rf"\{rule}" in text for rule in ("toprule", "midrule", "bottomrule"))
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and not re.match(r"\\(caption|multicol)", line)]
    (width,) = {len(re.findall(r"(?<!\\)&", line)) for line in rows}
    aligned = re.search(r"\\begin\{(?:tabular|longtable)\}\{((?:[lr]|p\{[^}]*\})*)\}", text)
    assert aligned is not None
    assert len(re.sub(r"p\{[^}]*\}", "l", aligned[1])) == width + 1


@given(st.text(st.sampled_from([*_LATEX, "a", "Z", "7", " ", "."])))
def test_latex_leaves_nothing_that_it_would_read_as_a_command(text: str) -> None:
    left = latex(text)
    assert left.isascii()
    for made in sorted(set(_LATEX.values()), key=len, reverse=True):
        left = left.replace(made, "") if made.strip() else left
    assert not SPECIAL.search(left)
    assert "\\" not in left


def test_a_table_is_a_float_with_booktabs_rules_and_notes() -> None:
    frame = pd.DataFrame({"Wörd_1": ["a & b", "[50] %"], "R²": ["0.5", "–"]})
    text = to_latex(PaperTable("x-1", "Of {x}_1", frame, ("At ≥ 95 %.",)))
    _sound(text)
    for part in (r"\caption{Of \{x\}\_1}", r"\label{tab:x-1}", r"W\"ord\_1 & R$^{2}$ \\", r"a \& b & 0.5 \\",
                 r"\begin{tabular}{lr}", r"At $\geq$ 95 \%.", r"{[}50{]} \%"):  # fmt: skip
        assert part in text
    assert text.index("At $") < text.index(r"\end{table}")


def test_a_long_table_breaks_over_pages_and_wide_cells_over_lines() -> None:
    frame = pd.DataFrame({"n": [str(at) for at in range(60)], "words": ["word " * 9] * 60})
    text = to_latex(PaperTable("x", "Long", frame, ("A note.",)))
    _sound(text)
    assert r"\begin{table}" not in text
    assert r"p{0.40\linewidth}" in text
    assert text.index(r"\caption{Long}") < text.index(r"\toprule")
    assert text.index(r"\end{longtable}") < text.index("A note.")


def test_markdown_keeps_bars_in_their_cells_and_digits_as_they_are() -> None:
    frame = pd.DataFrame({"what": ["a | b", "c\nd"], "n": ["10.0", "–"]})
    lines = to_markdown(PaperTable("x", "Title", frame, ("Note.",))).splitlines()
    assert (lines[0], lines[-1]) == ("**Title**", "*Note.*")
    assert [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[4:6]] == [
        [r" a \| b ", " 10.0 "],
        [" c d    ", "    – "],
    ]
    assert lines[3].endswith("----:|")


def test_the_audit_is_a_table_with_units_and_intervals(project: Path) -> None:
    rows = claims_table(read_claims(project / "reports" / "claims.csv")).set_index("Claim")
    assert rows.loc["Trainings are dropped.", ["Published", "Measured", "95 %", "Verdict"]].tolist() == [
        *("26.62 %", "26.6 %"),
        *("23.77 to 29.43", "reproduced"),
    ]


def test_everything_is_written_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    assert write_exports(REAL, SETTINGS, out) == {}
    expected = {f"{name}.{kind}" for name in (*TABLES, "claims") for kind in ("tex", "md")}
    assert {path.name for path in (out / "tables").iterdir()} == expected
    for path in (out / "tables").glob("*.tex"):
        _sound(path.read_text(encoding="utf-8"))
    for path in (out / "tables").glob("*.md"):
        rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert len(list((out / "figures").iterdir())) == len(list((REAL / "figures").rglob("*.svg")))
    assert (out / "mine").is_dir()


def test_what_is_missing_is_left_out_and_told(project: Path, tmp_path: Path) -> None:
    (project / "reports" / "tables" / "fig7_drop.csv").unlink()
    missing = write_exports(project / "reports", SETTINGS, tmp_path / "out")
    assert set(missing) == {"b-fig5", "b-fig7"} and "cannot read" in str(missing["b-fig7"])
    written = {path.stem for path in (tmp_path / "out" / "tables").iterdir()}
    assert written == {*TABLES, "claims"} - set(missing)


def test_a_character_without_latex_is_named_and_nothing_is_left_half_written(project: Path, tmp_path: Path) -> None:
    claims = project / "reports" / "claims.csv"
    claims.write_text(claims.read_text().replace("Handed over.", "a ☃"))
    with pytest.raises(InputError, match="no LaTeX is known for '☃' in 'a ☃'; add it"):
        write_exports(project / "reports", SETTINGS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
