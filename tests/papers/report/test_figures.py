import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.report import figures as report_figures
from edgeresearch.papers.report.figures import drawing, named, others, trace, words
from edgeresearch.plotting import style

REAL = Path(__file__).parents[3] / "reports" / "figures"


def _drawn(path: Path, many: int = 2) -> None:
    figure, (left, right) = style.canvas(1, 2, size=(6.0, 3.0))
    for number in range(many):
        left.plot([0, 1], [number, 1], label=f"model {number}")
    left.set(xlabel="hours (of a day)", ylabel="errors & more", title="first panel")
    left.annotate("14.37", (0, 0))
    right.set(xlabel="hours (of a day)", title="second panel")
    figure.suptitle("Errors <by> hour")
    style.legend(figure, "Bars: 95 %.")
    style.save(figure, path)


def test_a_drawing_says_what_it_is_headed_and_what_it_shows(tmp_path: Path) -> None:
    _drawn(tmp_path / "room" / "errors.svg")
    found = drawing(tmp_path, "room/errors")
    assert found is not None
    assert (found.file, found.name) == (tmp_path / "room" / "errors.svg", "room/errors")
    assert found.title == "Errors <by> hour"
    assert found.alt == (
        "Errors <by> hour. Panels: first panel; second panel. Axes: hours (of a day); errors & more. "
        "Shown: Bars: 95 %; model 0; model 1."
    )
    assert (found.width, found.height) == (432, 216)


def test_the_heading_is_the_largest_text_even_where_a_note_comes_last(tmp_path: Path) -> None:
    figure, _ = style.canvas(size=(5.0, 3.0))
    figure.suptitle("Request rates")
    style.mark(figure, "Line: the mean; band: lowest to highest.")
    style.save(figure, tmp_path / "a.svg")
    found = drawing(tmp_path, "a")
    assert found is not None
    assert found.title == "Request rates"


def test_without_a_heading_the_first_panel_gives_it_and_without_text_the_name(tmp_path: Path) -> None:
    figure, (axes,) = style.canvas(size=(5.0, 3.0))
    axes.set_title("the only panel")
    style.save(figure, tmp_path / "a.svg")
    assert drawing(tmp_path, "a").title == "the only panel"  # type: ignore[union-attr]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c_d.svg").write_text("<svg/>")
    found = drawing(tmp_path, "b/c_d")
    assert found is not None
    assert (found.title, found.alt, found.width, found.height) == ("b c d", "b c d", 640, 480)


def test_many_labels_are_cut(tmp_path: Path) -> None:
    _drawn(tmp_path / "a.svg", many=30)
    found = drawing(tmp_path, "a")
    assert found is not None
    assert found.alt.endswith("model 9; model 10; …")


def test_questions_keep_their_mark() -> None:
    root = ElementTree.Element("svg")
    group = ElementTree.SubElement(ElementTree.SubElement(root, "g", id="figure_1"), "g", id="text_1")
    group.append(ElementTree.Comment(" Does it pay? "))
    assert words(root) == ("Does it pay?", "Does it pay?")


@pytest.mark.parametrize("path", sorted(REAL.rglob("*.svg")), ids=lambda path: str(path.relative_to(REAL)))
def test_every_figure_of_this_project_has_words(path: Path) -> None:
    found = drawing(REAL, str(path.relative_to(REAL).with_suffix("")))
    assert found is not None
    assert len(found.title) > 8
    assert found.alt.startswith(found.title)
    assert found.width > found.height / 4 > 0


def test_a_figure_that_was_not_drawn_is_none_and_a_broken_one_is_told(tmp_path: Path) -> None:
    assert drawing(tmp_path, "none") is None
    (tmp_path / "a.svg").write_text("<svg")
    with pytest.raises(InputError, match=r"cannot read .*a\.svg: .*; draw it again"):
        drawing(tmp_path, "a")


def test_the_stand_ins_figures_are_shown_else_those_of_the_first_trace(tmp_path: Path) -> None:
    assert trace(tmp_path, "forecast") == ""
    (tmp_path / "forecast" / "nasa").mkdir(parents=True)
    (tmp_path / "forecast" / "elb").mkdir()
    (tmp_path / "forecast" / "notes.txt").write_text("")
    assert trace(tmp_path, "forecast") == "elb"
    (tmp_path / "forecast" / "paper_a").mkdir()
    assert trace(tmp_path, "forecast") == report_figures.STANDIN


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("reports/figures/los/scheduling/figure7.png", "los/scheduling/figure7"),
        ("reports/figures/los/scheduling/figure7.svg", "los/scheduling/figure7"),
        ("reports/figures/los/limits/", "los/limits"),
        ("reports/figures/v1.5/a", "v1.5/a"),
        ("", ""),
    ],
)
def test_paths_become_names(path: str, name: str) -> None:
    assert named(path) == name


def test_other_figures_are_listed_of_one_trace_only(project: Path) -> None:
    figures = project / "reports" / "figures"
    shown = ["forecast/paper_a/figure1", "los/limits/figure5", "table2/relative_mse_1"]
    assert others(figures, shown, ["forecast/paper_a", "elastic/paper_a"]) == [
        "data/requests",
        "los/scheduling/figure7",
        "los/scheduling/reasons",
        "elastic/paper_a/table3",
        "forecast/paper_a/cost",
        "forecast/paper_a/table2",
    ]
    assert "forecast/elb/table2" in others(figures, [], [])
    (figures / "data" / ".draft-requests-x.svg").write_text("<svg")  # of a run that was killed
    assert "data/.draft-requests-x" not in others(figures, [], [])
