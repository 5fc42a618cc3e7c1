import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edgeresearch.config import Params, load
from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import PAPERS
from edgeresearch.papers.claims.rules import VERDICTS
from edgeresearch.papers.report import site
from edgeresearch.papers.report.notebook_page import BACK
from edgeresearch.papers.report.site import build_site
from edgeresearch.papers.report.templates import FOLDER

ROOT = Path(__file__).parents[3]
FULL = Params().model_dump()
PAGES = ("index", "paper-a", "paper-b", "beyond", "run")
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


def _build(home: Path, settings: dict[str, Any] = FULL, out: Path | None = None) -> Path:
    return build_site(home, settings, FULL, "quick", out)


def _pages(home: Path, settings: dict[str, Any] = FULL) -> dict[str, str]:
    site = _build(home, settings).parent
    return {
        name: (site / f"{name}.html").read_text(encoding="utf-8") for name in PAGES if (site / f"{name}.html").exists()
    }


def _text(home: Path) -> str:
    return "".join(_pages(home).values())


def _files(site: Path) -> dict[str, bytes]:
    return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_the_site_holds_all_that_it_needs_and_nothing_stale(project: Path) -> None:
    page = _build(project)
    assert page == project / "reports" / "site" / "index.html"
    found = set(_files(page.parent))
    assert found == {
        *(f"{name}.html" for name in PAGES),
        *("claims.csv", "assets/style.css", "assets/audit.js", "assets/datatables.js"),
        *(f"notebooks/{name}.html" for name in ("11-elastic-elb", "11-elastic-paper_a", "22-limits")),
        *("figures/forecast/paper_a/cost.svg", "figures/table2/relative_mse_1.svg", "figures/data/requests.svg"),
        *("figures/elastic/paper_a/table3.svg", "figures/elastic/elb/table3.svg"),  # not forecast/elb: no claim on it
        *("figures/los/scheduling/figure7.svg", "figures/los/scheduling/reasons.svg"),
    }
    (page.parent / "figures" / "stale.svg").write_text("")
    _build(project)
    assert set(_files(page.parent)) == found


def test_every_address_leads_somewhere_inside_the_site(project: Path) -> None:
    site = _build(project).parent
    pages = {file: _Page(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")}
    for file, parsed in pages.items():
        assert len(parsed.ids) == len(set(parsed.ids))
        for address in set(parsed.addresses) - {"data:,"}:
            path, _, anchor = address.partition("#")
            leads = (file.parent / path).resolve() if path else file
            assert leads.is_file(), address
            assert not anchor or anchor in pages[leads].ids, address
    pictures = [picture for parsed in pages.values() for picture in parsed.pictures]
    assert len(pictures) == 7
    assert all(picture["alt"] and picture["width"] and picture["height"] for picture in pictures)


def test_every_page_leads_to_every_other_and_says_which_it_is(project: Path) -> None:
    for page, text in _pages(project).items():
        addresses = _Page(text).addresses
        assert {f"{name}.html" for name in PAGES} <= set(addresses)
        assert text.count(f'<a href="{page}.html" aria-current="page">') == 2
        assert text.count("aria-current") == 2
        assert ("assets/audit.js" in addresses) == (page == "index")


def test_what_once_stood_on_the_first_page_is_found_from_it(project: Path) -> None:
    pages = _pages(project)
    moved = json.loads(pages["index"].partition('id="moved">')[2].partition("</script>")[0])
    known = {
        "paper-a": "paper-a",
        "paper-b-fig-7": "paper-b",
        "further": "beyond",
        "data": "run",
        "stage-compare": "run",
    }
    known |= {"figure-los-scheduling-reasons": "beyond", "settings": "run", "notebooks": "run", "paper-b": "paper-b"}
    assert known.items() <= moved.items()
    assert all(f'id="{anchor}"' in pages[page] for anchor, page in moved.items())


def test_two_reports_of_the_same_results_have_the_same_bytes(project: Path, tmp_path: Path) -> None:
    first = _files(_build(project, out=tmp_path / "one").parent)
    assert _files(_build(project, out=tmp_path / "two").parent) == first
    assert str(project).encode() not in b"".join(first.values())


def test_the_first_screen_counts_what_reproduced(project: Path) -> None:
    text = _pages(project)["index"]
    hero = text.partition('class="hero"')[2].partition("</section>")[0]
    told = (
        "Of 8 claims that the papers make, 1 came out here too without any setting fitted on the value or set to it, "
    )
    assert f"{told}and 2 more with one; 2 came out in part, and 2 did not" in re.sub("</?strong>", "", hero)
    assert "1 cannot be tested here." in hero
    assert re.findall(r"<strong>(\d+)</strong> <span>([^<]+)</span>", hero)[:4] == [
        *(("1", "reproduced, neither fitted nor set"), ("2", "more, fitted on the value or set to it")),
        *(("2", "partly"), ("2", "not reproduced or contradicted")),
    ]
    assert "All 2 data files are the real ones" in hero
    assert "This is not the full run" not in text
    assert all(title in hero for title in PAPERS.values())


def test_every_verdict_has_its_looks_and_every_paper_its_source() -> None:
    template = (FOLDER / "report.html.j2").read_text(encoding="utf-8")
    looks = template.partition("{%- set looks")[2].partition("} -%}")[0]
    assert re.findall(r'"([^"]+)": \(', looks) == list(VERDICTS)
    assert len(set(re.findall(r'"(\w+)", "(.)"', looks))) == len(VERDICTS)
    assert re.findall(r'^  "(\w)": "', template, re.MULTILINE) == list(PAPERS)


def test_a_claim_is_a_row_with_its_links_and_its_text_is_no_markup(project: Path) -> None:
    text = _text(project)
    row = text.partition('<tr role="row" id="claim-A-2"')[2].partition("</tr>")[0]
    for part in ("LSTM is best &lt;everywhere&gt;.", "It is not, &amp; far from it.", 'href="run.html#stage-tables"',
                 'href="paper-a.html#figure-table2-relative-mse-1"', "Data: elb (real); 5 seeds."):  # fmt: skip
        assert part in row
    assert "synthetic data" not in row
    first = text.partition('<tr role="row" id="claim-A-1"')[2].partition("</tr>")[0]
    assert "synthetic data" in first
    assert 'href="notebooks/11-elastic-paper_a.html"' in first
    assert (
        'href="paper-b.html#paper-b-fig-6"' in text.partition('<tr role="row" id="claim-B-4"')[2].partition("</tr>")[0]
    )


def test_a_figure_stands_beside_what_is_published_and_the_verdicts(project: Path) -> None:
    text = _text(project)
    place = text.partition('id="paper-b-fig-7"')[2].partition("</article>")[0]
    for part in ('src="figures/los/scheduling/figure7.svg"', 'href="index.html#claim-B-F7-04"', "26.62 %", "26.6 %",
                 "95 %: 23.77 to 29.43", "Paper B, Fig. 7: dropped trainings, in %", "held out"):  # fmt: skip
        assert part in place
    place = text.partition('id="paper-a-table-3"')[2].partition("</article>")[0]
    assert place.index("figures/elastic/paper_a/table3.svg") < place.index("figures/elastic/elb/table3.svg")


def test_what_was_not_made_is_said_at_its_place(project: Path) -> None:
    (project / "reports" / "tables" / "fig6_hops.csv").unlink()
    text = _text(project)
    assert "Not drawn in this run: los/none." in text
    assert "Not in this run: b-fig6; cannot read" in text
    assert "The paper states no numbers here, and no claim of the audit rests on it." in text


def test_a_bare_audit_is_enough_for_a_page(tmp_path: Path, project: Path) -> None:
    home = tmp_path / "bare"
    (home / "reports").mkdir(parents=True)
    lines = (project / "reports" / "claims.csv").read_text().splitlines(keepends=True)
    (home / "reports" / "claims.csv").write_text("".join(line for line in lines if not line.startswith("A-")))
    (home / "dvc.yaml").write_bytes((project / "dvc.yaml").read_bytes())
    text = _text(home)
    for part in ("Not drawn in this run: los/scheduling/figure7.", "Where the data came from is not known",
                 "No pages of notebooks lie in", "No table of the series lies in", "No further figures lie in",
                 "Not measured: make stage-timings", "Not in this run: cannot read"):  # fmt: skip
        assert part in text
    assert 'id="paper-b"' in text
    assert 'id="paper-a"' not in text


def test_a_profile_and_stand_ins_are_named_loudly(project: Path) -> None:
    (project / "data" / "raw" / "sources.csv").write_text("file,sha256,real\na.csv,1,False\nb.csv,2,True\n")
    pages = _pages(project, QUICK)
    for page, text in pages.items():
        assert ("This is not the full run." in text) == (page != "run")
        assert "profile <code>quick</code>" in text or page == "run"
        assert text.count('<div class="notice loud" role="note">') == (1 if page == "run" else 2)
        assert "1 of 2 data files are synthetic stand-ins, not the real ones (a.csv)" in text
    assert "<dt>forecast.seeds</dt><dd>2 (full run: 5)</dd>" in pages["run"]
    assert pages["run"].count("synthetic stand-in</strong>") == 1
    first = pages["index"]
    assert first.index("</ul>", first.index('class="scores"')) < first.index("notice loud")  # verdicts, then warnings


def test_data_seeds_versions_machine_stages_and_minutes_are_named(project: Path) -> None:
    (project / "data" / "measured").mkdir()
    lines = "stage,cpu_seconds,wall_seconds,machine\ncompare@elb,120,66,M\n"
    (project / "data" / "measured" / "stage_seconds.csv").write_text(lines)
    text = _text(project)
    for words in ("abcd", "<dt>los.repeats</dt>", "torch ", "processor", 'id="stage-compare"', "edgeresearch compare",
                  '<strong class="tag loud">synthetic</strong>', "About &amp; 22-limits"):  # fmt: skip
        assert words in text
    assert '<th scope="row" class="">compare</th><td class="number">1</td><td class="number">2.0</td>' in text


def test_notebooks_lead_back(project: Path) -> None:
    copy = (_build(project).parent / "notebooks" / "22-limits.html").read_text(encoding="utf-8")
    assert '<a href="../index.html">' in copy
    assert BACK not in copy


def test_without_an_audit_it_is_one_line_and_nothing_is_written(project: Path) -> None:
    (project / "reports" / "claims.csv").unlink()
    with pytest.raises(InputError, match=r"claims\.csv: .*; run edgeresearch reproduce first"):
        _build(project)
    assert not (project / "reports" / "site").exists()


def test_a_fault_on_the_way_leaves_the_earlier_site(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _files(_build(project).parent)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgeresearch.papers.report.site._copy_pages", fail)
    with pytest.raises(InputError, match="cannot write .*site: No space left on device"):
        _build(project)
    assert _files(project / "reports" / "site") == before
    assert [path.name for path in (project / "reports").iterdir() if path.name.startswith(".")] == []


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: int) -> None:
    css = (FOLDER / "style.css").read_text(encoding="utf-8")
    pattern = r"--(\w+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)"
    base = {name: pair[scheme] for name, *pair in re.findall(pattern, css.partition("}")[0])}
    pairs = [(base[ink], base[ground]) for ink in ("ink", "soft", "link") for ground in ("ground", "raised", "code")]
    pairs += [(base[kind], base["code"]) for kind in ("word", "text", "number", "note")]
    verdicts = re.findall(r"^\.(\w+) \{ (--mine.*) \}", css, re.MULTILINE)
    assert len(verdicts) == 7
    for _, line in verdicts:
        colours = {name: pair[scheme] for name, *pair in re.findall(pattern, line)}
        pairs.append((colours["mine"], colours["under"]))
        assert _contrast(colours["solid"], base["raised"]) >= 2.5
    assert all(_contrast(ink, ground) >= 4.5 for ink, ground in pairs)
    assert _contrast(base["focus"], base["raised"]) >= 3


def test_settings_are_named_with_their_sections() -> None:
    names = site.flatten_settings({"a": 1, "b": {"c": (1, 2), "d": {"e": None}, "f": ["x", "y"]}})
    assert names == {"a": "1", "b.c": "1, 2", "b.d.e": "None", "b.f": "x, y"}


def test_what_differs_from_the_full_run_is_said_if_it_could_change_a_result() -> None:
    assert site.changed_settings(FULL, FULL) == {}
    other = Params.model_validate({"data": {"mirror": "there"}, "workers": 1}).model_dump()
    assert site.changed_settings(other, FULL) == {}
    changed = site.changed_settings(load(ROOT / "params.yaml", "quick").model_dump(), FULL)
    assert changed["forecast.seeds"] == "2 (full run: 5)"
    assert changed["forecast.bootstrap.resamples"] == "200 (full run: 1000)"


def test_the_seeds_that_are_named_are_settings() -> None:
    found = site.describe_seeds(FULL)
    assert list(found) == list(site.SEEDS)
    assert found["seed"] == f"{FULL['seed']}: root of every random number"
    assert list(site.describe_seeds({"seed": 3})) == ["seed"]


def test_files_and_series_may_be_missing_but_not_broken(tmp_path: Path) -> None:
    assert site.read_data_files(tmp_path).rows == site.read_data_series(tmp_path).rows == []
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "sources.csv").write_text("file,sha\na,b\n")
    with pytest.raises(InputError, match="has not the columns file, real, sha256"):
        site.read_data_files(tmp_path)
    (tmp_path / "reports" / "tables").mkdir(parents=True)
    (tmp_path / "reports" / "tables" / "data_series.csv").write_text("")
    with pytest.raises(InputError, match="has not the columns trace"):
        site.read_data_series(tmp_path)


def test_stages_are_read_with_what_they_do_and_make(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n"
        "  a: {desc: Does it, cmd: python -m edgeresearch compare  elb, metrics: [m.json: {cache: false}], outs: [d]}\n"
        "  b: {cmd: echo b}\n"
    )
    stages = site.read_stages(tmp_path / "dvc.yaml")
    assert stages["a"] == {"does": "Does it", "command": "edgeresearch compare elb", "makes": ["d", "m.json"]}
    assert stages["b"] == {"does": "", "command": "echo b", "makes": []}


def test_the_stages_of_this_project_are_read_and_a_file_without_any_is_refused(tmp_path: Path) -> None:
    stages = site.read_stages(ROOT / "dvc.yaml")
    assert all(stage["does"] and stage["command"] and stage["makes"] for stage in stages.values())
    (tmp_path / "dvc.yaml").write_text("vars: []\n")
    with pytest.raises(InputError, match=r"dvc\.yaml has no stages; run this in the folder of a checkout"):
        site.read_stages(tmp_path / "dvc.yaml")


def test_minutes_are_summed_by_stage_the_longest_first(tmp_path: Path) -> None:
    assert site.sum_minutes(tmp_path) is None
    path = tmp_path / "data" / "measured" / "stage_seconds.csv"
    path.parent.mkdir(parents=True)
    path.write_text("stage,cpu_seconds,wall_seconds,machine\na@x,60,30,M\na@y,60,30,M\nb,360,60,N\ndvc,0,6,\n")
    made = site.sum_minutes(tmp_path)
    assert made is not None
    assert made.rows == [
        ["b", "1", "6.0", "1.0", "75"],
        ["a", "2", "2.0", "1.0", "25"],
        ["DVC itself", "1", "0.0", "0.1", "0"],
        ["all", "4", "8.0", "2.1", "100"],
    ]
    assert made.notes[0].startswith("Measured on: M; N; ")
