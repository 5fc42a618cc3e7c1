from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.style import library

from edgeresearch.errors import InputError
from edgeresearch.plotting import style


@style.styled
def _drawn(note: str = "") -> Figure:
    """A figure with a clip path, a legend and dates: whatever gets random names or dates in a file."""
    figure, (left, right) = style.canvas(1, 2, size=(6, 3), sharey=True)
    left.plot([0, 1e6], [1.5, 2], label="a")
    right.plot([19000.0, 19001.0], [1, 2], label="b")
    style.numbers(left.xaxis)
    style.dates(right)
    style.finish(figure, note=note)
    return figure


def test_the_look_is_seaborns_whitegrid() -> None:
    import seaborn as sns

    own = ("axes.spines.top", "axes.spines.right", "image.cmap")  # every map of colours is named where it is used
    expected = {key: value for key, value in sns.axes_style("whitegrid").items() if key not in own}
    with mpl.rc_context(), style.theme():
        assert {key: mpl.rcParams[key] for key in expected} == expected
        # What matplotlib's copy of it sets beyond that is as if it did not.
        more = {*library["seaborn-v0_8-whitegrid"]} - {*expected, "legend.frameon"}
        assert "axes.linewidth" in more
        assert {key: mpl.rcParams[key] for key in more} == {key: mpl.rcParamsDefault[key] for key in more}


NAMES = ("_a$x_1$", 'b<&>"--', "c\x1b[31m\x00", "[bold]d[/]", "\u202eé😀", "$\\frac{", "漢字", "Z\udcfcrich", "x" * 500)


def test_names_are_shown_as_they_are_and_files_stay_whole(tmp_path: Path) -> None:
    with style.theme():
        figure, (left, right) = style.canvas(1, 2, size=(8, 4))
        for number, name in enumerate(NAMES):
            left.barh(f"{number}{name}", number)
            right.plot([1, 1000], [0, number], label=style.listed(name[:30]))
        right.set(xscale="log", ylabel="$y^2$")
        style.finish(figure, "$a^b$ <&> \x1b \udcfc")
        style.take_names_as_text(figure)
    place = style.save(figure, tmp_path / "figure")
    text = ElementTree.parse(place.with_suffix(".svg")).getroot()
    assert text.tag.endswith("svg")
    ticks = [each.get_text() for each in left.get_yticklabels()]
    assert ticks[:6] == ["0_a$x_1$", '1b<&>"--', "2c\ufffd[31m\ufffd", "3[bold]d[/]", "4\ufffdé😀", "5$\\frac{"]
    assert ticks[7:] == ["7Z\ufffdrich", "8" + "x" * 38 + "…"]
    assert figure.get_suptitle() == "$a^b$ <&> \ufffd \ufffd"
    shown = [right.yaxis.label, *left.get_yticklabels(), *figure.legends[0].get_texts()]
    assert not any(each.get_parse_math() for each in shown)
    assert all(each.get_parse_math() for each in right.get_xticklabels()), "powers of ten are formulas"
    assert len(figure.legends[0].get_texts()) == len(NAMES)


def test_a_figure_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    paths = [style.save(_drawn("a note"), tmp_path / name / "figure") for name in ("a", "b")]
    assert [path.name for path in paths] == ["figure.png", "figure.png"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    drawings = [path.with_suffix(".svg").read_bytes() for path in paths]
    assert drawings[0] == drawings[1]
    assert b"<dc:date>" not in drawings[0]
    assert paths[0].read_bytes().startswith(b"\x89PNG")


def test_nothing_is_left_of_a_figure_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        style.save(_drawn(), tmp_path / "file" / "figure")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_look_ends_with_the_block() -> None:
    before = dict(mpl.rcParams)
    with style.theme():
        assert mpl.rcParams["svg.hashsalt"] == "edgeresearch"
    assert dict(mpl.rcParams) == before


def test_styled_keeps_name_and_arguments() -> None:
    @style.styled
    def draw(a: int, *, b: int) -> float:
        """Doc."""
        return a + b + float(mpl.rcParams["axes.titlesize"])

    assert draw(1, b=2) == 14
    assert (draw.__name__, draw.__doc__) == ("draw", "Doc.")


def test_roles_differ_in_colour_and_marker() -> None:
    for looks in zip(*style.ROLES.values(), strict=True):
        assert len(set(looks)) == len(style.ROLES)


def test_numbers_are_round_and_thousands_apart() -> None:
    figure = _drawn()
    figure.draw_without_rendering()
    labels = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert "1,000,000" in labels
    assert len(labels) <= 8


def test_a_long_note_is_wrapped_and_stands_over_the_legend() -> None:
    figure = _drawn("word " * 60)
    text = figure.legends[0].get_title().get_text()
    assert max(map(len, text.splitlines())) <= 6 * 14
    assert len(text.splitlines()) > 2
    style.finish(figure, note="word " * 60, handles=[])
    assert figure.get_supxlabel() == text


def test_a_legend_without_note_lists_what_is_given() -> None:
    figure = _drawn()
    style.finish(figure, handles=figure.axes[0].lines)
    assert [text.get_text() for text in figure.legends[-1].get_texts()] == ["a"]
    assert figure.legends[-1].get_title().get_text() in ("", "None")


def test_a_synthetic_trace_is_marked() -> None:
    assert style.shown("elb", True) == "elb"
    assert style.shown("elb", False) == "elb (synthetic)"


def test_a_notebook_shows_a_figure_by_itself() -> None:
    assert _drawn()._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
