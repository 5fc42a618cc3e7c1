import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.papers.claims.table import FILE, read_claims
from edgeresearch.papers.report import exports
from edgeresearch.papers.report.cells import Missing, Printed
from edgeresearch.papers.report.exports import _LATEX, audit, latex, markdown, tex, vectors, write
from edgeresearch.papers.report.printed import TABLES, printed

SETTINGS = Params().model_dump()
REAL = Path(__file__).parents[3] / "reports"
SPECIAL = re.compile(r"(?<!\\)[&%$#_^~<>|]")


def _sound(text: str) -> None:
    """Check what LaTeX would check: known letters, balanced braces and maths, rows as wide as the head."""
    assert text.isascii()
    plain = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert plain.count("{") == plain.count("}")
    depth = 0
    for letter in plain:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert plain.count("$") % 2 == 0
    begun, ended = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
    assert sorted(begun) == sorted(ended)
    for rule in ("toprule", "midrule", "bottomrule"):
        assert rf"\{rule}" in text
    assert r"\hline" not in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and not re.match(r"\\(caption|multicol)", line)]
    widths = {len(re.findall(r"(?<!\\)&", line)) for line in rows}
    assert len(widths) == 1
    aligned = re.search(r"\\begin\{(?:tabular|longtable)\}\{((?:[lr]|p\{[^}]*\})*)\}", text)
    assert aligned is not None
    assert len(re.sub(r"p\{[^}]*\}", "l", aligned[1])) == widths.pop() + 1


@given(st.text(st.sampled_from([*_LATEX, "a", "Z", "7", " ", "."])))
def test_latex_leaves_nothing_that_it_would_read_as_a_command(text: str) -> None:
    written = latex(text)
    assert written.isascii()
    left = written
    for made in sorted(set(_LATEX.values()), key=len, reverse=True):
        left = left.replace(made, "") if made.strip() else left
    assert not SPECIAL.search(left)
    assert "\\" not in left


def test_a_letter_without_latex_is_named() -> None:
    with pytest.raises(InputError, match="no LaTeX is known for '☃' in 'a ☃'; add it"):
        latex("a ☃")


def test_a_table_is_a_float_with_booktabs_rules() -> None:
    frame = pd.DataFrame({"Wörd_1": ["a & b", "50 %"], "R²": ["0.5", "–"]})
    text = tex(Printed("x-1", "Of {x}_1", frame, ("At ≥ 95 %.",)))
    _sound(text)
    assert r"\caption{Of \{x\}\_1}" in text
    assert r"\label{tab:x-1}" in text
    assert r"W\"ord\_1 & R$^{2}$ \\" in text
    assert r"a \& b & 0.5 \\" in text
    assert r"\begin{tabular}{lr}" in text
    assert r"At $\geq$ 95 \%." in text


def test_a_bracket_at_the_head_of_a_row_is_no_length_of_the_row_before() -> None:
    assert tex(Printed("x", "x", pd.DataFrame({"a": ["[1, 2]"]}), ())).count("{[}1, 2{]}") == 1


def test_a_long_table_breaks_over_pages_and_wide_cells_over_lines() -> None:
    frame = pd.DataFrame({"n": [str(at) for at in range(60)], "words": ["word " * 9] * 60})
    text = tex(Printed("x", "Long", frame))
    _sound(text)
    assert r"\begin{longtable}" in text
    assert r"\begin{table}" not in text
    assert r"p{0.40\linewidth}" in text
    assert text.index(r"\caption{Long}") < text.index(r"\toprule")


def test_markdown_keeps_bars_in_their_cells_and_digits_as_they_are() -> None:
    frame = pd.DataFrame({"what": ["a | b", "c\nd"], "n": ["10.0", "–"]})
    lines = markdown(Printed("x", "Title", frame, ("Note.",))).splitlines()
    assert lines[0] == "**Title**"
    assert [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[4:6]] == [
        [r" a \| b ", " 10.0 "],
        [" c d    ", "    – "],
    ]
    assert lines[3].endswith("----:|")
    assert lines[-1] == "*Note.*"


def test_the_audit_is_a_table_with_units_and_intervals(project: Path) -> None:
    table = audit(read_claims(project / "reports" / FILE)).table
    rows = table.set_index("Claim")
    assert rows.loc["Trainings are dropped.", ["Published", "Measured", "95 %"]].tolist() == [
        "26.62 %",
        "26.60 %",
        "23.77 to 29.43",
    ]
    assert rows.loc["LSTM is best <everywhere>.", "Measured"] == "1 of 9"


@pytest.mark.parametrize("real", [False, True])
def test_everything_is_written_and_what_is_missing_is_named(project: Path, tmp_path: Path, real: bool) -> None:
    reports = REAL if real else project / "reports"
    tables = [*printed(reports, SETTINGS), audit(read_claims(reports / FILE)), Missing("x", "it rained")]
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    assert write(tables, reports / "figures", out) == [tables[-1]]
    assert {path.name for path in (out / "tables").iterdir()} == {
        f"{name}.{kind}" for name in (*TABLES, "claims") for kind in ("tex", "md")
    }
    for path in (out / "tables").glob("*.tex"):
        _sound(path.read_text(encoding="utf-8"))
    for path in (out / "tables").glob("*.md"):
        rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert len(list((out / "figures").iterdir())) == len(list((reports / "figures").rglob("*.svg")))
    assert (out / "mine").is_dir()


def test_two_exports_have_the_same_bytes(project: Path, tmp_path: Path) -> None:
    reports = project / "reports"
    for name in ("a", "b"):
        write(printed(reports, SETTINGS), reports / "figures", tmp_path / name)
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in ("a", "b"))
    assert first == second


def test_figures_are_named_as_they_are_published_or_by_their_place(project: Path) -> None:
    figures = project / "reports" / "figures"
    found = {name: str(path.relative_to(figures)) for name, path in vectors(figures).items()}
    assert found["paper-b-fig-7"] == "los/scheduling/figure7.svg"
    assert found["paper-a-table-2"] == "forecast/paper_a/table2.svg"
    assert found["paper-a-table-2-2"] == "table2/relative_mse_1.svg"
    assert found["forecast-elb-table2"] == "forecast/elb/table2.svg"
    assert found["data-requests"] == "data/requests.svg"
    assert len(found) == len(set(found.values())) == 11
    (figures / "data" / ".draft-requests-x.svg").write_text("<svg")  # of a run that was killed
    assert vectors(figures).keys() == found.keys()


def test_a_character_without_latex_leaves_nothing_half_written(tmp_path: Path) -> None:
    table = Printed("x", "☃", pd.DataFrame({"a": ["1"]}))
    with pytest.raises(InputError, match="no LaTeX"):
        write([table], tmp_path / "figures", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_figures_the_tables_are_still_written(tmp_path: Path) -> None:
    exports.write([Printed("x", "X", pd.DataFrame({"a": ["1"]}))], tmp_path / "none", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["x.md", "x.tex"]
