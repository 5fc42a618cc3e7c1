import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.report.figures import describe, find_figures, read_drawing
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
    style.legend(figure, "Bars: 95 %.")
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
    style.mark(figure, "Line: the mean; band: lowest to highest.")
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
