from pathlib import Path
from typing import Any

import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.report.figures import drawing
from edgeresearch.papers.report.links import Links, notebooks
from edgeresearch.papers.report.places import PLACES

TRACES = {"forecast": "paper_a", "elastic": "paper_a"}


@pytest.fixture
def links(project: Path) -> Links:
    figures = project / "reports" / "figures"
    rooms = {
        "paper-b-fig-7": ["los/scheduling/figure7"],
        "paper-a-table-3": ["elastic/paper_a/table3", "elastic/elb/table3"],
        "los/scheduling": ["los/scheduling/reasons"],
    }
    drawn = {room: [found for name in names if (found := drawing(figures, name))] for room, names in rooms.items()}
    return Links.of(project, TRACES, drawn)


def _row(**cells: str) -> dict[str, Any]:
    return {"paper": "B", "where": "", "figure": "", "notebook": "", "stage": "", **cells}


@pytest.mark.parametrize(
    ("path", "anchor"),
    [
        ("reports/figures/los/scheduling/figure7.png", "paper-b-fig-7"),
        ("reports/figures/los/scheduling/reasons.svg", "figure-los-scheduling-reasons"),
        ("reports/figures/elastic/elb/table3.png", "paper-a-table-3"),
        ("reports/figures/los/scheduling", "paper-b-fig-7"),
        ("reports/figures/los/sched", ""),
        ("reports/figures/los/none.png", ""),
        ("", ""),
    ],
)
def test_a_figure_is_found_where_it_stands(links: Links, path: str, anchor: str) -> None:
    assert links.figure(path) == anchor


@pytest.mark.parametrize(
    ("paper", "where", "figure", "anchor"),
    [
        ("A", 'Table 3 (captioned "Table 2")', "", "paper-a-table-3"),
        ("A", "section 4.2 beside Table 2", "", "paper-a-table-2"),
        ("B", "Fig. 5a beside Fig. 7", "", "paper-b-fig-5"),
        ("B", "abstract, from Fig. 5c", "", "paper-b-fig-5"),
        ("B", "Table I and section VI", "", "paper-b-table-i"),
        ("A", "Table I", "", ""),
        ("B", "Fig. 70", "", ""),
        ("B", "Table II", "", ""),
        ("B", "section VI.C", "reports/figures/los/scheduling/figure7.png", "paper-b-fig-7"),
        ("A", "section VI.C", "reports/figures/los/scheduling/figure7.png", ""),
        ("B", "section VI.C", "reports/figures/los/scheduling/reasons.png", ""),
    ],
)
def test_a_claim_stands_at_the_first_place_it_names_or_at_its_figures(
    links: Links, paper: str, where: str, figure: str, anchor: str
) -> None:
    assert links.place(_row(paper=paper, where=where, figure=figure)) == anchor


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("22-limits", "notebooks/22-limits.html"),
        ("11-elastic", "notebooks/11-elastic-paper_a.html"),
        ("11-elastic-elb", "notebooks/11-elastic-elb.html"),
        ("10-forecasting", ""),
        ("", ""),
    ],
)
def test_a_notebook_is_that_of_the_shown_trace(links: Links, name: str, address: str) -> None:
    assert links.page(name) == address


def test_without_the_shown_trace_the_first_notebook_is_taken(project: Path) -> None:
    (project / "reports" / "notebooks" / "11-elastic-paper_a.html").unlink()
    assert Links.of(project, TRACES, {}).page("11-elastic") == "notebooks/11-elastic-elb.html"


def test_a_draft_of_a_run_that_was_killed_is_no_page(project: Path) -> None:
    before = Links.of(project, TRACES, {}).pages
    (project / "reports" / "notebooks" / ".draft-00-data-x.html").write_text("<html")
    assert Links.of(project, TRACES, {}).pages == before


def test_a_claim_is_linked_to_what_is_there(links: Links) -> None:
    full = _row(figure="reports/figures/los/scheduling/reasons.png", notebook="22-limits", stage="scheduling")
    assert links.of_claim(full) == [
        {"words": "figure", "href": "#figure-los-scheduling-reasons"},
        {"words": "notebook", "href": "notebooks/22-limits.html"},
        {"words": "stage", "href": "#stage-scheduling"},
    ]
    assert links.of_claim(_row(where="Fig. 7", stage="none")) == [{"words": "figure", "href": "#paper-b-fig-7"}]
    assert links.of_claim(_row()) == []


def test_a_place_is_linked_to_its_notebook_and_stage(links: Links) -> None:
    table3 = next(place for place in PLACES if place.anchor == "paper-a-table-3")
    assert [each["words"] for each in links.of_place(table3)] == ["Notebook 11-elastic-paper_a", "Stage table3"]
    figure7 = next(place for place in PLACES if place.anchor == "paper-b-fig-7")
    assert [each["words"] for each in links.of_place(figure7)] == ["Stage scheduling"]  # its notebook was not run


def test_a_figure_is_shown_with_its_words(links: Links, project: Path) -> None:
    found = drawing(project / "reports" / "figures", "los/scheduling/reasons")
    assert found is not None
    assert links.shown(found) == {
        "anchor": "figure-los-scheduling-reasons",
        "href": "figures/los/scheduling/reasons.svg",
        "alt": "On los/scheduling/reasons.",
        "title": "On los/scheduling/reasons",
        "width": 320,
        "height": 200,
    }


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("data", "The data"),
        ("forecast/paper_a", "Forecasting on paper_a"),
        ("los/scheduling", "Local-optimistic scheduling: scheduling"),
        ("anomaly", "Anomaly detection"),
        ("new/things", "new/things"),
        ("new", "new"),
    ],
)
def test_folders_of_figures_have_names(links: Links, folder: str, words: str) -> None:
    assert links.room(folder) == words


def test_a_page_is_called_by_its_title(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<html><head><title>\n Of a &amp; b \n</title></head></html>")
    (tmp_path / "b.html").write_text("<html></html>")
    assert notebooks(tmp_path / "a.html") == "Of a & b"
    assert notebooks(tmp_path / "b.html") == "b"


def test_without_a_pipeline_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*dvc\.yaml"):
        Links.of(tmp_path, TRACES, {})
