import re
from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import RECORDS
from edgeresearch.papers.report.readme import BEGIN, END, ROWS, render_results, write_readme

ROOT = Path(__file__).parents[3]


def test_the_readme_of_this_project_tells_its_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    between = text.partition(f"{BEGIN}\n")[2].partition(END)[0]
    assert between == render_results(ROOT / "reports"), "run: edgeresearch report --readme README.md"


def test_ten_claims_are_shown_with_links_that_lead_somewhere() -> None:
    assert set(ROWS) <= {record.id for record in RECORDS}
    made = render_results(ROOT / "reports")
    assert len([line for line in made.splitlines() if line.startswith("| ")]) == 11
    paths = re.findall(r"\]\(([^)]+)\)", made)
    assert paths
    assert all((ROOT / path).is_file() for path in paths)


def test_counts_and_rows_are_those_of_the_audit(project: Path) -> None:
    made = render_results(project / "reports")
    assert made.startswith("**Of 8 claims that the two papers make, 3 came out here too, 2 in part**")
    assert "(paper A: 1 and 1 of 4; paper B: 2 and 1 of 4)" in made
    row = "| Trainings are dropped. (paper B, Fig. 7 and section VI.C) | 26.62 % | 26.6 % | "
    assert f"{row}[reproduced](reports/figures/los/scheduling/figure7.png), held out |" in made


def test_only_what_stands_between_the_markers_is_written(project: Path) -> None:
    (project / "docs").mkdir()
    readme = project / "docs" / "README.md"
    readme.write_text(f"# Own\n\n{BEGIN}\nold\n{END}\n\n## More\n{END} is quoted\n", encoding="utf-8")
    assert write_readme(readme, project / "reports") == readme
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"# Own\n\n{BEGIN}\n**Of 8 claims")
    assert text.endswith(f"|\n{END}\n\n## More\n{END} is quoted\n")
    assert "old" not in text.partition(END)[0]
    assert "](../reports/claims.md)" in text
    write_readme(readme, project / "reports")
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_without_both_markers_nothing_is_written(project: Path, text: str) -> None:
    readme = project / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="has no lines <!-- results --> and <!-- /results -->"):
        write_readme(readme, project / "reports")
    assert readme.read_text(encoding="utf-8") == text


def test_a_missing_readme_or_audit_is_told(project: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*README.md: No such file"):
        write_readme(project / "README.md", project / "reports")
    with pytest.raises(InputError, match="edgeresearch reproduce"):
        render_results(project / "none")
