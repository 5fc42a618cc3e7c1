import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from edgeresearch import notebook
from edgeresearch.papers.report.notebook_page import BACK, render_page

Writer = Callable[..., Path]


def _png(colour: str = "red") -> str:
    packed = io.BytesIO()
    Image.new("RGB", (40, 20), colour).save(packed, "PNG")
    return base64.b64encode(packed.getvalue()).decode()


def _shown(**data: str) -> NotebookNode:
    kinds = {"html": "text/html", "markdown": "text/markdown", "png": "image/png", "svg": "image/svg+xml"}
    kinds |= {"plain": "text/plain", "script": "application/javascript"}
    return new_output("display_data", {kinds[name]: content for name, content in data.items()})


def _notebook(*cells: NotebookNode) -> NotebookNode:
    return new_notebook(cells=list(cells), metadata={"language_info": {"name": "python"}})


def _code(source: str, *outputs: NotebookNode, **metadata: object) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


def _content(html: str) -> str:
    return html.partition("<main")[2].partition("</main>")[0]


def test_a_page_has_a_title_landmarks_and_a_way_past_what_comes_first() -> None:
    html = render_page(
        _notebook(new_markdown_cell("# Of *this* & that\n\nText."), new_markdown_cell("## More")), "00-x"
    )
    assert html.startswith("<!DOCTYPE html>")
    assert "<title>Of this &amp; that</title>" in html
    assert '<html lang="en">' in html
    assert '<a class="skip" href="#content">' in html
    assert re.search(r"<h1[^>]*>Of <em>this</em> &amp; that</h1>", html)
    assert "¶" not in html
    assert html.count(BACK) == 1


def test_without_a_heading_it_is_called_by_its_name() -> None:
    assert "<title>00-x</title>" in render_page(_notebook(_code("1")), "00-x")


def test_code_is_folded_and_the_parameters_of_the_run_are_open() -> None:
    html = render_page(_notebook(_code("a = 1"), _code("b = 2", tags=["injected-parameters"])), "x")
    assert re.findall(r"<details class=\"code\"( open=\"\")?><summary>([^<]+)", html) == [
        ("", "Code"),
        (' open=""', "Parameters of this run"),
    ]


def test_outputs_are_shown_in_the_richest_form_that_needs_no_script() -> None:
    html = _content(
        render_page(
            _notebook(
                _code(
                    "1",
                    new_output("stream", name="stdout", text="printed <b>\n"),
                    new_output("stream", name="stderr", text="warned\n"),
                    _shown(plain="plain & text"),
                    _shown(markdown="**strong**", plain="no"),
                    _shown(html="<p>rich</p>", plain="no"),
                    _shown(script="alert(1)", plain="instead"),
                    _shown(svg="<svg/>", plain="no"),
                )
            ),
            "x",
        )
    )
    for part in (
        "printed &lt;b&gt;",
        "warned",
        "plain &amp; text",
        "<strong>strong</strong>",
        "<p>rich</p>",
        "instead",
    ):
        assert part in html
    assert "data:image/svg+xml;base64," in html
    assert "alert" not in html
    assert "<pre>no" not in html


def test_what_runs_or_fetches_is_taken_out() -> None:
    evil = (
        '<script src="https://example.org/a.js"></script><style>td {color: red}</style><iframe src="a"></iframe>'
        '<link rel="stylesheet" href="https://example.org/a.css"><img src="https://example.org/a.png" alt="a picture">'
        "<p>kept</p>"
    )
    html = render_page(_notebook(new_markdown_cell(evil), _code("1", _shown(html=evil))), "x")
    content = _content(html)
    for tag in ("<script", "<style", "<iframe", "<link", "<img"):
        assert tag not in content
    assert content.count("<p>kept</p>") == 2
    assert content.count("[a picture]") == 2
    assert "http" not in re.sub(r"https?://www\.w3\.org", "", html)


def test_figures_are_inside_smaller_and_described() -> None:
    cells = [
        new_markdown_cell("# All\n\n## Figure 7: dropped trainings"),
        _code('Image(style.save(draw(x), figures / "figure7"))', _shown(png=_png())),
        _code('Image(style.save(draw(x), figures / "true_predicted"))', _shown(png=_png("blue"))),
    ]
    html = _content(render_page(_notebook(*cells), "x"))
    assert re.findall(r'alt="([^"]*)"', html) == [
        "Figure 7: dropped trainings",
        "Figure 7: dropped trainings",
    ]
    packed = re.findall(r"data:image/webp;base64,([^\"]+)", html)
    with Image.open(io.BytesIO(base64.b64decode(packed[0]))) as picture:
        assert picture.size == (40, 20)
        assert picture.convert("RGB").getpixel((3, 3)) == (255, 0, 0)


def test_a_figures_own_words_win_and_magics_do_no_harm() -> None:
    own = new_output("display_data", {"image/png": _png()}, metadata={"image/png": {"alt": "my words"}})
    html = render_page(_notebook(_code("x", own), _code("%matplotlib inline\nplot()", _shown(png=_png()))), "x")
    assert re.findall(r'alt="([^"]*)"', html) == ["my words", "figure"]


def test_transparent_figures_stay_transparent() -> None:
    packed = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(packed, "PNG")
    html = render_page(_notebook(_code("x", _shown(png=base64.b64encode(packed.getvalue()).decode()))), "x")
    found = re.search(r"data:image/webp;base64,([^\"]+)", html)
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        assert picture.convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_tables_scroll_by_themselves_and_keep_no_looks_of_their_own() -> None:
    table = (
        '<div><table border="1" class="dataframe"><thead><tr style="text-align: right;"><th></th><th>a</th></tr>'
        f"</thead><tbody><tr><th>0</th><td>-1.5e+03</td><td>words</td><td>{'long ' * 9}</td><td></td></tr></tbody>"
        "</table></div>"
    )
    html = _content(render_page(_notebook(_code("x", _shown(html=table)), _code("y", _shown(html=table))), "x"))
    regions = re.findall(r'<div [^>]*class="scroll"[^>]*>(?=<table)', html)
    assert [re.findall(r'aria-label="(.*?)"', each) for each in regions] == [["Table 1"], ["Table 2"]]
    assert all('role="region"' in each and 'tabindex="0"' in each for each in regions)
    assert "border=" not in html
    assert "style=" not in html
    assert '<td class="text">words</td>' in html
    assert '<td class="text long">' in html
    assert "<td>-1.5e+03</td>" in html


def test_what_differs_between_runs_is_replaced() -> None:
    first, second = "T_a1b2c", "T_ff00e"
    token = "123e4567-e89b-12d3-a456-426614174000"
    texts = [f"<object at 0x7f{n}aa> {one} {one}_row0 {two} {token}" for n, (one, two) in
             enumerate([(first, second), (second, first)])]  # fmt: skip
    pages = [
        render_page(_notebook(_code("1", _shown(plain=text), new_output("stream", text=text))), "x") for text in texts
    ]
    assert pages[0] == pages[1]
    assert "id-1 id-1_row0 id-2 id-3" in pages[0]
    assert " at 0x…" in pages[0]
    assert "T_abcdef0" in render_page(_notebook(_code("1", _shown(plain="T_abcdef0 stays"))), "x")


def test_the_notebook_itself_stays_as_it_is() -> None:
    given = _notebook(new_markdown_cell("# A"), _code("x", _shown(png=_png()), _shown(plain=" at 0x1f")))
    before = nbformat.writes(given)
    render_page(given, "x")
    assert nbformat.writes(given) == before


def test_two_runs_of_a_real_kernel_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_notebook: Writer
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_notebook(
        tmp_path / "a.ipynb",
        "n = 2",
        "import pandas as pd\nfrom IPython.display import Image, display\nfrom matplotlib.figure import Figure",
        "frame = pd.DataFrame({'a': range(n)})\ndisplay(frame)\ndisplay(frame.style.format(precision=1))",
        "figure = Figure(figsize=(2, 1))\nfigure.subplots().plot([1, 2])\nfigure.savefig('f.png')\nImage('f.png')",
        "print(object())\nobject()",
    )
    for name in ("one", "two"):
        notebook.run(path, tmp_path / f"{name}.ipynb", {"n": 3}, html=tmp_path / name / "a.html")
    first, second = ((tmp_path / name / "a.html").read_bytes() for name in ("one", "two"))
    assert first == second
    assert (tmp_path / "one.ipynb").read_bytes() != (tmp_path / "two.ipynb").read_bytes()
    html = first.decode()
    assert "Parameters of this run" in html
    assert "data:image/webp" in html
    assert html.count('class="scroll"') == 2
    assert not re.search(r"0x[0-9a-f]{4}|20\d\d-\d\d-\d\dT", html)
    assert str(tmp_path) not in html
