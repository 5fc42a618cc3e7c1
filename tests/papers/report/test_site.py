import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edgeresearch import notebook_html
from edgeresearch.config import Params, load
from edgeresearch.errors import InputError
from edgeresearch.papers.report.site import TEMPLATES, Run, build

ROOT = Path(__file__).parents[3]
FULL = Params().model_dump()
QUICK = load(ROOT / "params.yaml", "quick").model_dump()


class _Page(HTMLParser):
    """Ids, addresses and pictures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [each for name, each in attrs if name == "id" and each]
        self.addresses += [each for name, each in attrs if name in ("href", "src") and each]
        if tag == "img":
            self.pictures.append(found)


def _run(home: Path, settings: dict[str, Any] = FULL) -> Run:
    return Run(home, settings, FULL, "quick")


def _files(site: Path) -> dict[str, bytes]:
    return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}


@pytest.fixture
def text(project: Path) -> str:
    return build(_run(project)).read_text(encoding="utf-8")


def test_the_site_holds_all_that_it_needs(project: Path) -> None:
    page = build(_run(project))
    assert page == project / "reports" / "site" / "index.html"
    found = set(_files(page.parent))
    assert {
        "index.html",
        "claims.csv",
        "assets/base.css",
        "assets/report.css",
        "assets/report.js",
        "assets/datatables.js",
        "notebooks/11-elastic-paper_a.html",
        "figures/los/scheduling/figure7.svg",
        "figures/elastic/elb/table3.svg",
    } <= found
    assert "figures/forecast/elb/table2.svg" not in found  # of another trace, and no claim rests on it
    (page.parent / "figures" / "stale.svg").write_text("")
    build(_run(project))
    assert set(_files(page.parent)) == found


def test_every_address_leads_somewhere_inside_the_site(project: Path) -> None:
    page = build(_run(project))
    parsed = _Page(page.read_text(encoding="utf-8"))
    assert len(parsed.ids) == len(set(parsed.ids))
    for address in parsed.addresses:
        if address.startswith("#"):
            assert address[1:] in parsed.ids, address
        elif address != "data:,":
            assert (page.parent / address).is_file(), address


def test_every_picture_has_words_and_a_size(text: str) -> None:
    pictures = _Page(text).pictures
    assert len(pictures) == 10
    assert all(picture["alt"] and picture["width"] and picture["height"] for picture in pictures)


def test_two_reports_of_the_same_results_have_the_same_bytes(project: Path, tmp_path: Path) -> None:
    first = _files(build(_run(project), tmp_path / "one").parent)
    assert _files(build(_run(project), tmp_path / "two").parent) == first
    assert str(project).encode() not in b"".join(first.values())


def test_the_first_screen_counts_what_reproduced(text: str) -> None:
    hero = text.partition('class="hero"')[2].partition("</section>")[0]
    assert "Of 7 claims that the papers make, 3 came out here too, 1 came out in part, and 2 did not" in hero
    assert re.findall(r"<strong>(\d+)</strong> <span>([^<]+)</span>", hero)[:3] == [
        ("3", "reproduced"),
        ("1", "partly"),
        ("2", "not reproduced or contradicted"),
    ]
    assert "1 of them neither fitted nor set" in hero
    assert "and 1 not testable here" in hero
    assert "All 2 data files are the real ones" in hero
    assert "This is not the full run" not in text


def test_a_claim_is_a_row_with_its_links_and_its_text_is_no_markup(text: str) -> None:
    row = text.partition('<tr role="row" id="claim-A-2"')[2].partition("</tr>")[0]
    assert "LSTM is best &lt;everywhere&gt;." in row
    assert "It is not, &amp; far from it." in row
    assert 'href="#paper-a-table-2"' in row
    assert 'href="#stage-table2"' in row
    assert "synthetic data" not in row
    assert "synthetic data" in text.partition('<tr role="row" id="claim-A-1"')[2].partition("</tr>")[0]


def test_a_figure_stands_beside_what_is_published_and_the_verdicts(text: str) -> None:
    place = text.partition('id="paper-b-fig-7"')[2].partition("</article>")[0]
    assert 'src="figures/los/scheduling/figure7.svg"' in place
    assert 'href="#claim-B-1"' in place
    assert "26.62 %" in place
    assert "26.60 %" in place
    assert "95 %: 23.77 to 29.43" in place
    assert "Paper B, Fig. 7: dropped trainings, in %" in place
    assert "held out" in place


def test_a_trace_that_a_claim_rests_on_stands_beside_the_shown_one(text: str) -> None:
    place = text.partition('id="paper-a-table-3"')[2].partition("</article>")[0]
    assert "figures/elastic/paper_a/table3.svg" in place
    assert "figures/elastic/elb/table3.svg" in place
    assert 'href="#claim-A-4"' in place


def test_what_was_not_made_is_said_at_its_place(project: Path) -> None:
    (project / "reports" / "tables" / "fig6_hops.csv").unlink()
    (project / "reports" / "figures" / "los" / "limits" / "figure5.svg").unlink()
    text = build(_run(project)).read_text(encoding="utf-8")
    assert "Not drawn in this run: los/scheduling/figure6." in text
    assert "Not drawn in this run: los/limits/figure5." in text
    assert "Not in this run: b-fig6; cannot read" in text


def test_a_bare_audit_is_enough_for_a_page(tmp_path: Path, project: Path) -> None:
    home = tmp_path / "bare"
    (home / "reports").mkdir(parents=True)
    for name in ("reports/claims.csv", "dvc.yaml"):
        (home / name).write_bytes((project / name).read_bytes())
    text = build(_run(home)).read_text(encoding="utf-8")
    assert "Not drawn in this run: forecast/" in text
    assert "Where the data came from is not known" in text
    assert "No pages of notebooks lie in" in text
    assert "No table of the series lies in" in text
    assert 'id="further"' not in text


def test_claims_of_one_paper_give_no_section_of_the_other(project: Path) -> None:
    file = project / "reports" / "claims.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("A-")))
    text = build(_run(project)).read_text(encoding="utf-8")
    assert 'id="paper-b"' in text
    assert 'id="figures-A"' not in text


def test_a_profile_is_named_loudly_with_what_differs(project: Path) -> None:
    text = build(_run(project, QUICK)).read_text(encoding="utf-8")
    assert "This is not the full run." in text
    assert "profile <code>quick</code>" in text
    assert "<code>forecast.seeds</code></dt><dd>2 <span" in text
    assert "(full run: 5)" in text


def test_stand_ins_are_named_loudly(project: Path) -> None:
    (project / "data" / "raw" / "sources.csv").write_text("file,sha256,real\na.csv,1,False\nb.csv,2,True\n")
    text = build(_run(project)).read_text(encoding="utf-8")
    assert text.count('<div class="notice loud" role="note">') == 2
    assert "1 of 2 data files are synthetic stand-ins, not the real ones (a.csv)" in text
    assert text.count("synthetic stand-in</strong>") == 1


def test_data_seeds_versions_machine_and_stages_are_named(text: str) -> None:
    for words in ("<code>abcd</code>", "<code>los.repeats</code>", "torch ", "processor", 'id="stage-compare"'):
        assert words in text
    assert "edgeresearch compare TRACE --folder data/raw" in text
    assert '<strong class="tag loud">synthetic</strong>' in text


def test_the_minutes_of_the_stages_are_told_where_they_were_measured(project: Path) -> None:
    place = project / "data" / "measured" / "stage_seconds.csv"
    place.unlink(missing_ok=True)
    assert "Not measured: no stage was measured" in build(_run(project)).read_text(encoding="utf-8")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("stage,cpu_seconds,wall_seconds,machine\ncompare@elb,120,66,M\n")
    page = build(_run(project)).read_text(encoding="utf-8")
    assert '<th scope="row">compare</th><td class="number">1</td><td class="number">2.0</td>' in page


def test_notebooks_are_named_by_their_titles_and_lead_back(project: Path) -> None:
    page = build(_run(project))
    assert "About &amp; 22-limits" in page.read_text(encoding="utf-8")
    copy = (page.parent / "notebooks" / "22-limits.html").read_text(encoding="utf-8")
    assert '<a href="../index.html">' in copy
    assert notebook_html.BACK not in copy


def test_without_an_audit_it_is_one_line_and_nothing_is_written(project: Path) -> None:
    (project / "reports" / "claims.csv").unlink()
    with pytest.raises(InputError, match=r"cannot read .*claims\.csv"):
        build(_run(project))
    assert not (project / "reports" / "site").exists()


def test_a_fault_on_the_way_leaves_the_earlier_site(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _files(build(_run(project)).parent)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgeresearch.papers.report.site._pages", fail)
    with pytest.raises(InputError, match="cannot write .*site: No space left on device"):
        build(_run(project))
    assert _files(project / "reports" / "site") == before
    assert [path.name for path in (project / "reports").iterdir() if path.name.startswith(".")] == []


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _colours(name: str, dark: bool) -> dict[str, str]:
    css = (TEMPLATES.parent / name).read_text(encoding="utf-8")
    light, _, rest = css.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", rest)) if dark else found


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(dark: bool) -> None:
    colours = _colours("base.css", dark) | _colours("report/report.css", dark)
    pairs = [(ink, ground) for ink in ("ink", "soft", "link") for ground in ("ground", "raised", "code")]
    pairs += [(f"code-{kind}", "code") for kind in ("word", "text", "number", "note")]
    pairs += [(name, f"{name}-ground") for name in ("good", "part", "missed", "against", "open", "loud")]
    for ink, ground in pairs:
        assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for name in ("focus", "good-solid", "part-solid", "missed-solid", "against-solid", "open-solid"):
        assert _contrast(colours[name], colours["raised"]) >= 3, name


def test_dark_colours_are_others() -> None:
    light, dark = _colours("base.css", False), _colours("base.css", True)
    assert set(light) == set(dark)
    assert all(light[name] != dark[name] for name in light)
