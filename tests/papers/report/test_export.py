import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import read_claims
from edgeresearch.papers.report.export import (
    _LATEX,
    latex,
    named_figures,
    to_latex,
    to_markdown,
    write_exports,
)
from edgeresearch.papers.report.published import TABLES, PaperTable, claims_table, paper_tables

REAL = Path(__file__).parents[3] / "reports"
SETTINGS = {
    "elastic": {"clusters": {"edge": {"nodes": 9, "cores": 4, "memory_gb": 8, "network_gbps": 1, "disk_gb": 128}}}
}
SPECIAL = re.compile(r"(?<!\\)[&%$#_^~<>|]")


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


def test_everything_is_written_whole_and_what_is_missing_left_out(tmp_path: Path) -> None:
    tables = paper_tables(REAL, SETTINGS) | {"x": InputError("it rained")}
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    write_exports(tables, read_claims(REAL / "claims.csv"), REAL / "figures", out)
    expected = {f"{name}.{kind}" for name in (*TABLES, "claims") for kind in ("tex", "md")}
    assert {path.name for path in (out / "tables").iterdir()} == expected
    for path in (out / "tables").glob("*.tex"):
        _sound(path.read_text(encoding="utf-8"))
    for path in (out / "tables").glob("*.md"):
        rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert len(list((out / "figures").iterdir())) == len(list((REAL / "figures").rglob("*.svg")))
    assert (out / "mine").is_dir()


def test_figures_are_named_as_they_are_published_or_by_their_place(project: Path) -> None:
    figures = project / "reports" / "figures"
    (figures / "data" / ".draft-requests-x.svg").write_text("<svg")  # of a run that was killed
    claims = read_claims(project / "reports" / "claims.csv")
    found = {name: str(path.relative_to(figures)) for name, path in named_figures(claims, figures).items()}
    assert found == {
        "paper-b-fig-7": "los/scheduling/figure7.svg",
        "paper-a-table-2": "table2/relative_mse_1.svg",
        "paper-a-table-3": "elastic/paper_a/table3.svg",
        "elastic-elb-table3": "elastic/elb/table3.svg",
        "forecast-elb-table2": "forecast/elb/table2.svg",
        "forecast-paper_a-cost": "forecast/paper_a/cost.svg",
        "los-scheduling-reasons": "los/scheduling/reasons.svg",
        "data-requests": "data/requests.svg",
    }


def test_a_character_without_latex_is_named_and_nothing_is_left_half_written(project: Path, tmp_path: Path) -> None:
    table = PaperTable("x", "a ☃", pd.DataFrame({"a": ["1"]}))
    claims = read_claims(project / "reports" / "claims.csv")
    with pytest.raises(InputError, match="no LaTeX is known for '☃' in 'a ☃'; add it"):
        write_exports({"x": table}, claims, tmp_path / "figures", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write_exports({}, claims, tmp_path / "none", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["claims.md", "claims.tex"]
