import re
from pathlib import Path

import pytest

from edgeresearch.config import Params, load
from edgeresearch.errors import InputError
from edgeresearch.papers.report.readme_results import BEGIN, END, results, write

ROOT = Path(__file__).parents[3]
SETTINGS = Params().model_dump()


def test_the_readme_of_this_project_tells_its_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    between = text.partition(BEGIN)[2].partition(END)[0].strip("\n")
    made = results(ROOT / "reports", load(ROOT / "params.yaml").model_dump())
    assert between == made, "run: edgeresearch report --readme README.md"


def test_its_pictures_and_links_are_there() -> None:
    made = results(ROOT / "reports", SETTINGS)
    paths = re.findall(r"\]\(([^)]+)\)", made)
    assert len(paths) == 3
    for path in paths:
        assert (ROOT / path).is_file()
    assert all(alt for alt in re.findall(r"!\[(.*?)\]", made))


def test_counts_sentences_and_short_tables_stand_in_the_readme(project: Path) -> None:
    made = results(project / "reports", SETTINGS)
    assert made.startswith("**Of 7 claims that the two papers make, 3 came out here too, 1 in part.**")
    row = next(line for line in made.splitlines() if line.startswith("| Paper A"))
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["Paper A", "4", "1", "1", "1", "0", "1", "0"]
    assert "### Paper A: elastic scheduling of micro-modules on LSTM forecasts" in made
    assert "- Dropped trainings (Fig. 7), simulated against published:" in made
    assert "**Paper A, Table 2: errors of the next step on paper_a (synthetic)" in made
    assert "last value" not in made.partition("Table 2:")[2].partition("Table 3:")[0]  # no published value
    fig7 = made.partition("Paper B, Fig. 7: dropped trainings, in %")[2].splitlines()[2]
    assert [cell.strip() for cell in fig7.split("|")[1:-1]] == [
        "Streams",
        "LOS, published",
        "LOS, simulated",
        "95 %",
        "Published value was",
    ]
    assert "![" not in made  # no picture was drawn


def test_a_picture_that_was_drawn_is_shown(project: Path) -> None:
    (project / "reports" / "figures" / "los" / "scheduling" / "figure7.png").write_bytes(b"")
    made = results(project / "reports", SETTINGS, Path("there"))
    assert (
        "![Dropped trainings under LOS: published beside simulated](there/figures/los/scheduling/figure7.png)" in made
    )


def test_a_table_that_is_missing_is_left_out_and_its_sentence_says_so(project: Path) -> None:
    (project / "reports" / "tables" / "fig7_drop.csv").unlink()
    made = results(project / "reports", SETTINGS)
    assert "**Paper B, Fig. 7" not in made
    assert "- Not told in this run: cannot read" in made


def test_only_what_stands_between_the_markers_is_written(project: Path) -> None:
    readme = project / "README.md"
    readme.write_text(f"# Own\n\n{BEGIN}\nold\n{END}\n\n## More\n{END} is quoted\n", encoding="utf-8")
    assert write(readme, project / "reports", SETTINGS) == readme
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"# Own\n\n{BEGIN}\n**Of 7 claims")
    assert text.endswith(f"\n{END}\n\n## More\n{END} is quoted\n")
    assert "old" not in text.partition(END)[0]
    assert "](reports/claims.md)" in text
    write(readme, project / "reports", SETTINGS)
    assert readme.read_text(encoding="utf-8") == text


def test_links_follow_the_readmes_folder(project: Path) -> None:
    (project / "docs").mkdir()
    readme = project / "docs" / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    write(readme, project / "reports", SETTINGS)
    assert "](../reports/claims.md)" in readme.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_without_both_markers_nothing_is_written(project: Path, text: str) -> None:
    readme = project / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="has no lines <!-- results --> and <!-- /results -->"):
        write(readme, project / "reports", SETTINGS)
    assert readme.read_text(encoding="utf-8") == text


def test_a_missing_readme_or_audit_is_told(project: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*README.md: No such file"):
        write(project / "README.md", project / "reports", SETTINGS)
    with pytest.raises(InputError, match=r"cannot read .*claims\.csv"):
        results(project / "none", SETTINGS)
