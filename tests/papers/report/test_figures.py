import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import RECORDS, read_claims
from edgeresearch.papers.report.figures import PLACES, describe, find_figures, name_figures, place_claims, read_drawing
from edgeresearch.papers.report.tables import TABLES
from edgeresearch.plotting import style

REAL = Path(__file__).parents[3] / "reports" / "figures"


def _drawn(path: Path, many: int = 2) -> Path:
    figure, (left, right) = style.canvas(1, 2, size=(6.0, 3.0))
    for number in range(many):
        left.plot([0, 1], [number, 1], label=f"model {number}")
    left.set(xlabel="hours (of a day)", ylabel="errors & more", title="first panel")
    left.annotate("14.37", (0, 0))
    right.set(xlabel="hours (of a day)", title="second panel")
    figure.suptitle("Errors <by> hour")
    style.finish(figure, note="Bars: 95 %.")
    style.save(figure, path)
    return path


def test_a_drawing_says_its_title_and_what_it_shows(tmp_path: Path) -> None:
    found = read_drawing(_drawn(tmp_path / "errors.svg"), "los/limits/errors")
    assert found.title == "Errors <by> hour"
    assert found.alt.startswith("Errors <by> hour. ")
    for part in ("Panels: first panel; second panel.", "Axes: hours (of a day); errors & more.",
                 "Shown: Bars: 95 %; model 0; model 1."):  # fmt: skip
        assert part in found.alt
    assert "14.37" not in found.alt
    assert (found.width, found.height, found.anchor) == (432, 216, "figure-los-limits-errors")
    assert found.room == "Local-optimistic scheduling: limits"


def test_the_title_is_the_largest_text_even_where_a_note_comes_last(tmp_path: Path) -> None:
    figure, _ = style.canvas(size=(5.0, 3.0))
    figure.suptitle("Request rates")
    style.finish(figure, note="Line: the mean; band: lowest to highest.", handles=[])
    style.save(figure, tmp_path / "a.svg")
    assert read_drawing(tmp_path / "a.svg", "a").title == "Request rates"


def test_without_a_title_the_first_panel_gives_it_and_without_text_the_name(tmp_path: Path) -> None:
    figure, (axes,) = style.canvas(size=(5.0, 3.0))
    axes.set_title("the only panel")
    style.save(figure, tmp_path / "a.svg")
    assert read_drawing(tmp_path / "a.svg", "a").title == "the only panel"
    (tmp_path / "c_d.svg").write_text("<svg/>")
    found = read_drawing(tmp_path / "c_d.svg", "b/c_d")
    assert (found.title, found.alt, found.width, found.height, found.room) == ("b c d", "b c d", 640, 480, "b")


def test_many_labels_are_cut_and_questions_keep_their_mark(tmp_path: Path) -> None:
    assert "model 9; model 10; …" in read_drawing(_drawn(tmp_path / "a.svg", many=30), "a").alt
    root = ElementTree.Element("svg")
    group = ElementTree.SubElement(ElementTree.SubElement(root, "g", id="figure_1"), "g", id="text_1")
    group.append(ElementTree.Comment(" Does it pay? "))
    assert describe(root) == ("Does it pay?", "Does it pay?")


def test_every_figure_of_this_project_has_words() -> None:
    figures = find_figures(REAL)
    assert len(figures) > 50
    for name, file in figures.items():
        found = read_drawing(file, name)
        assert len(found.title) > 8, name
        assert found.alt.startswith(found.title)


def test_drafts_are_no_figures_and_broken_ones_are_told(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    for name in (".draft-a", "a"):
        (tmp_path / "room" / f"{name}.svg").write_text("<svg")
    assert list(find_figures(tmp_path)) == ["room/a"]
    assert find_figures(tmp_path / "none") == {}
    with pytest.raises(InputError, match=r"cannot read .*a\.svg: .*; draw it again"):
        read_drawing(tmp_path / "room" / "a.svg", "room/a")


def test_every_figure_and_table_of_both_papers_has_a_place_and_no_two_the_same() -> None:
    assert [(place.paper, place.name) for place in PLACES] == [
        *(("A", name) for name in ("Fig. 1", "Table 1", "Table 2", "Fig. 2", "Fig. 3", "Table 3")),
        *(("B", name) for name in ("Table I", *(f"Fig. {number}" for number in range(1, 8)))),
    ]
    assert len({place.anchor for place in PLACES}) == len(PLACES)
    assert {name for place in PLACES for name in place.tables} <= set(TABLES)
    assert PLACES[-1].anchor == "paper-b-fig-7"


def test_every_place_has_claims_and_all_but_tables_of_settings_a_figure() -> None:
    claims = pd.DataFrame([{"paper": each.paper, "where": each.where, "figure": each.figure} for each in RECORDS])
    anchors, placed = place_claims(claims.fillna(""))
    assert {place.anchor for place in PLACES} <= set(anchors)
    bare = {place.anchor for place in PLACES} - set(placed.values())
    assert bare <= {"paper-a-table-1", "paper-b-table-i"}


def test_a_claim_is_on_the_first_place_that_it_names_else_on_that_of_its_figure(project: Path) -> None:
    claims = read_claims(project / "reports" / "claims.csv")
    anchors, placed = place_claims(claims)
    assert dict(zip(claims["id"], anchors, strict=True)) == {
        **{"A-1": "paper-a-table-3", "A-2": "paper-a-table-2", "A-3": "", "A-4": "paper-a-table-3"},
        **{"B-F7-04": "paper-b-fig-7", "B-2": "paper-b-fig-5", "B-3": "paper-b-fig-7", "B-4": "paper-b-fig-6"},
    }
    assert list(placed)[0] == "elastic/paper_a/table3"  # of the stand-in, before other traces
    assert placed["los/scheduling/figure7"] == "paper-b-fig-7"


def test_table_i_is_not_table_1_nor_figure_1_figure_10() -> None:
    claims = pd.DataFrame({"paper": "B", "where": ["Table II", "Table I", "Fig. 10", "Fig. 1a"], "figure": ""})
    assert place_claims(claims)[0] == ["", "paper-b-table-i", "", "paper-b-fig-1"]


def test_figures_are_named_as_they_are_published_or_by_their_place(project: Path) -> None:
    figures = project / "reports" / "figures"
    (figures / "data" / ".draft-requests-x.svg").write_text("<svg")  # of a run that was killed
    claims = read_claims(project / "reports" / "claims.csv")
    found = {name: str(path.relative_to(figures)) for name, path in name_figures(claims, figures).items()}
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
