"""The report in a real browser, from files: what a reader sees, hears and types, on this project's own results."""

import colorsys
import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from edgeresearch.config import Params
from edgeresearch.papers.claims.audit import FILE, MISSED, read_claims
from edgeresearch.papers.report.notebook_page import render_page
from edgeresearch.papers.report.site import build_site
from edgeresearch.papers.report.templates import FOLDER

pytest.importorskip("selenium", reason="selenium is not installed: pip install edgeresearch[dev]")

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

ROOT = Path(__file__).parents[3]
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
)
WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
VIEWS = [(width, scheme) for width in WIDTHS for scheme in SCHEMES]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here: Debian's have these names"
    ),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of this project's results, with a notebook's page; the data's origins are made up."""
    home = tmp_path_factory.mktemp("report")
    (home / "reports" / "notebooks").mkdir(parents=True)
    for name in ("claims.csv", "figures", "metrics", "tables"):
        (home / "reports" / name).symlink_to(ROOT / "reports" / name)
    (home / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    (home / "data" / "raw").mkdir(parents=True)
    (home / "data" / "raw" / "sources.csv").write_text(f"file,sha256,real\na.csv,{'0' * 64},False\n")
    table = "<table border='1' class='dataframe'><thead><tr><th></th><th>column</th></tr></thead><tbody>"
    table += f"<tr><th>0</th><td>{'wide ' * 40}</td></tr></tbody></table>"
    shown = [new_output("stream", text="printed\n"), new_output("display_data", {"text/html": table})]
    cells = [new_markdown_cell("# Limits\n\nText."), new_code_cell("x = 1  # one\nprint('a', x)", outputs=shown)]
    made = nbformat.from_dict(new_notebook(cells=cells))
    page = home / "reports" / "notebooks" / "22-limits.html"
    page.write_text(render_page(made, "22-limits"), encoding="utf-8")
    settings = Params().model_dump()
    return build_site(home, settings, settings)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for word in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    browser.set_script_timeout(120)
    yield browser
    browser.quit()


@pytest.fixture
def opened(browser: webdriver.Chrome, page: Path) -> webdriver.Chrome:
    """The report at the width of a desk, as it first stands."""
    return _open(browser, page.as_uri())


def _addresses(page: Path) -> list[str]:
    """Every page of the report, and a notebook's."""
    pages = sorted(page.parent.glob("*.html"))
    assert len(pages) == 5
    return [file.as_uri() for file in (*pages, page.parent / "notebooks" / "22-limits.html")]


def _open(browser: webdriver.Chrome, address: str, width: int = 1280, scheme: str = "light") -> webdriver.Chrome:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")
    browser.get(address)
    if "index.html" in address:
        WebDriverWait(browser, 30).until(
            lambda here: here.execute_script("return document.documentElement.dataset.ready")
        )
    return browser


def _rows(browser: webdriver.Chrome) -> list[str]:
    script = "return [...document.querySelectorAll('#claims tbody tr[id]')].map(row => row.id)"
    return list(browser.execute_script(script))


def _told(browser: webdriver.Chrome) -> str:
    return str(browser.find_element(By.CSS_SELECTOR, ".dt-info").text)


def _choose(browser: webdriver.Chrome, name: str, value: str) -> None:
    Select(browser.find_element(By.ID, name)).select_by_visible_text(value)


def test_it_loads_without_complaint_from_files_alone(opened: webdriver.Chrome) -> None:
    opened.get_log("performance")
    opened.get_log("browser")
    opened.refresh()
    WebDriverWait(opened, 30).until(lambda here: here.execute_script("return document.documentElement.dataset.ready"))
    assert opened.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [
        each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"
    ] + opened.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(asked) >= 5
    assert {address.partition(":")[0] for address in asked} <= {"file", "data", "blob"}


def test_every_picture_is_there(browser: webdriver.Chrome, page: Path) -> None:
    seen = 0
    for address in _addresses(page):
        _open(browser, address)
        browser.execute_script("document.querySelectorAll('img').forEach(each => { each.loading = 'eager' })")
        WebDriverWait(browser, 60).until(
            lambda here: here.execute_script("return [...document.images].every(each => each.complete)")
        )
        script = "return [...document.images].filter(each => !each.naturalWidth).map(each => each.src)"
        assert browser.execute_script(script) == []
        seen += browser.execute_script("return document.images.length")
    assert seen >= 40


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_it_is_as_wide_as_the_window_and_no_wider(
    browser: webdriver.Chrome, page: Path, width: int, scheme: str
) -> None:
    for address in _addresses(page):
        _open(browser, address, width, scheme)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_axe_finds_nothing_serious(browser: webdriver.Chrome, page: Path, width: int, scheme: str) -> None:
    for address in _addresses(page):
        _open(browser, address, width, scheme)
        found: dict[str, Any] = Axe().run(browser, options={"resultTypes": ["violations"]})
        assert len(found["passes"]) > 20
        serious = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_colours_follow_the_reader(browser: webdriver.Chrome, page: Path) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    light, dark = (_open(browser, page.as_uri(), 1280, scheme).execute_script(ground) for scheme in SCHEMES)
    assert light != dark


def test_figures_are_no_white_slabs_in_the_dark_and_keep_their_hues(browser: webdriver.Chrome, tmp_path: Path) -> None:
    colours = {"white": "#ffffff", "ink": "#222222", "blue": "#0173b2", "orange": "#de8f05", "green": "#029e73"}
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    look = "position: fixed; top: 0; width: 20px"
    drawn = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="{}"/></svg>'
    pictures = []
    for at, (name, colour) in enumerate(colours.items()):
        (tmp_path / f"{name}.svg").write_text(drawn.format(colour), encoding="utf-8")
        pictures.append(f'<img src="{name}.svg" alt="" style="{look}; left: {20 * at}px">')
    (tmp_path / "a.html").write_text(f"<style>{style}</style>{''.join(pictures)}", encoding="utf-8")
    seen = {}
    for scheme in SCHEMES:
        _open(browser, (tmp_path / "a.html").as_uri(), scheme=scheme)
        shot = Image.open(BytesIO(browser.get_screenshot_as_png())).convert("RGB")
        seen[scheme] = {name: shot.getpixel((20 * at + 10, 10)) for at, name in enumerate(colours)}
    assert seen["light"]["white"] == (255, 255, 255)
    dark = seen["dark"]
    assert max(dark["white"]) < 40
    assert min(dark["ink"]) > 190
    for name in ("blue", "orange", "green"):
        hues = [colorsys.rgb_to_hsv(*(each / 255 for each in seen[scheme][name]))[0] for scheme in SCHEMES]
        assert hues[0] == pytest.approx(hues[1], abs=0.05), name


def test_the_first_screen_of_a_phone_holds_the_four_numbers(browser: webdriver.Chrome, page: Path) -> None:
    _open(browser, page.as_uri(), 390)
    tiles = browser.find_elements(By.CSS_SELECTOR, ".hero > .scores a")
    assert len(tiles) == 4
    assert all(tile.rect["y"] + tile.rect["height"] < 844 for tile in tiles)


def test_claims_are_filtered_by_choice_and_by_text(opened: webdriver.Chrome) -> None:
    claims = read_claims(ROOT / "reports" / FILE)
    assert _told(opened) == f"Showing 1 to 25 of {len(claims)} claims"
    _choose(opened, "paper", "B")
    mine = claims[claims["paper"] == "B"]
    assert _told(opened) == f"Showing 1 to 25 of {len(mine)} claims (filtered from {len(claims)} total claims)"
    _choose(opened, "verdict", "contradicted by the paper itself")
    mine = mine[mine["verdict"] == "contradicted by the paper itself"]
    assert _rows(opened) == [f"claim-{name}" for name in mine["id"]]
    opened.find_element(By.ID, "text").send_keys("no such words")
    assert _rows(opened) == []
    assert "No claim is like this." in opened.find_element(By.ID, "claims").text
    opened.find_element(By.CSS_SELECTOR, "#filter button").click()
    WebDriverWait(opened, 10).until(lambda here: _told(here) == f"Showing 1 to 25 of {len(claims)} claims")
    opened.find_element(By.ID, "text").send_keys("Fig. 7")
    named = claims[
        claims.drop(columns=["id", "stage", "figure", "notebook"])
        .agg(" ".join, axis=1)
        .str.contains("Fig. 7", regex=False)
    ]
    assert set(_rows(opened)) == {f"claim-{name}" for name in named["id"]}


def test_kinds_and_settings_filter_too(opened: webdriver.Chrome) -> None:
    claims = read_claims(ROOT / "reports" / FILE)
    _choose(opened, "kind", "ranking")
    _choose(opened, "fitted", "held out")
    mine = claims[(claims["kind"] == "ranking") & (claims["fitted"] == "held out")]
    assert _rows(opened) == [f"claim-{name}" for name in mine["id"]][:25]


def test_claims_are_sorted_by_their_numbers_also_by_keyboard(opened: webdriver.Chrome) -> None:
    _choose(opened, "kind", "number")
    head = opened.find_element(By.XPATH, "//table[@id='claims']//th[contains(., 'Measured')]")
    for wanted, press in (("ascending", Keys.ENTER), ("descending", Keys.ENTER)):
        opened.execute_script("arguments[0].focus()", head.find_element(By.CSS_SELECTOR, "[tabindex='0']"))
        opened.switch_to.active_element.send_keys(press)
        WebDriverWait(opened, 10).until(lambda _, wanted=wanted: head.get_attribute("aria-sort") == wanted)
        cells = "document.querySelectorAll('#claims td[data-label=Measured]')"
        values = opened.execute_script(f"return [...{cells}].map(cell => +cell.dataset.order)")
        assert len(values) > 5
        assert values == sorted(values, reverse=wanted == "descending")


def test_a_phone_sorts_by_a_list(browser: webdriver.Chrome, page: Path) -> None:
    _open(browser, page.as_uri(), 390)
    _choose(browser, "sort", "verdict")
    script = "return [...document.querySelectorAll('#claims tbody td.verdict')].map(c => +c.dataset.order)"
    ranks = browser.execute_script(script)
    assert len(ranks) == 10
    assert ranks == sorted(ranks)
    assert ranks[0] == 0


def test_a_number_of_the_first_screen_leads_to_its_claims(opened: webdriver.Chrome) -> None:
    claims = read_claims(ROOT / "reports" / FILE)
    against = claims[claims["verdict"].isin(["not reproduced", "contradicted by the paper itself"])]
    opened.find_element(By.CSS_SELECTOR, f".hero > .scores a[data-verdict='{MISSED}']").click()
    WebDriverWait(opened, 10).until(lambda here: "filtered" in _told(here))
    assert _rows(opened) == [f"claim-{name}" for name in against["id"]][:25]
    opened.find_element(By.CSS_SELECTOR, ".paper a[data-paper='A'][data-fitted='fitted or set']").click()
    mine = claims[
        (claims["paper"] == "A") & (claims["verdict"] == "reproduced") & claims["fitted"].isin(["fitted", "set"])
    ]
    WebDriverWait(opened, 10).until(lambda here: f"of {len(mine)} claims" in _told(here))


def test_the_first_number_leads_to_what_was_neither_fitted_nor_set(opened: webdriver.Chrome) -> None:
    claims = read_claims(ROOT / "reports" / FILE)
    mine = claims[(claims["verdict"] == "reproduced") & claims["fitted"].isin(["", "held out"])]
    tile = opened.find_element(By.CSS_SELECTOR, ".hero > .scores a")
    assert tile.find_element(By.TAG_NAME, "strong").text == str(len(mine))
    tile.click()
    WebDriverWait(opened, 10).until(lambda here: f"of {len(mine)} claims" in _told(here))
    assert _rows(opened) == [f"claim-{name}" for name in mine["id"]][:25]


@pytest.mark.parametrize(
    ("anchor", "leads"),
    [("paper-b-fig-7", "paper-b.html"), ("figure-data-requests", "beyond.html"), ("stage-compare", "run.html")],
)
def test_a_link_of_old_goes_on_to_its_page(browser: webdriver.Chrome, page: Path, anchor: str, leads: str) -> None:
    browser.get("about:blank")
    browser.get(f"{page.as_uri()}#{anchor}")
    WebDriverWait(browser, 10).until(lambda here: here.current_url.endswith(f"{leads}#{anchor}"))
    assert browser.execute_script("return document.querySelector(':target').id") == anchor


def test_a_claim_is_reached_from_its_figure_and_back(browser: webdriver.Chrome, page: Path) -> None:
    _open(browser, (page.parent / "paper-b.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, "#paper-b-fig-7 a[href='index.html#claim-B-F7-08']").click()
    WebDriverWait(browser, 10).until(lambda here: "claim-B-F7-08" in _rows(here))
    browser.find_element(By.CSS_SELECTOR, "#claim-B-F7-08 .see a").click()
    WebDriverWait(browser, 10).until(lambda here: "paper-b.html#figure-los-scheduling-figure7" in here.current_url)


def test_on_paper_stand_all_claims(opened: webdriver.Chrome) -> None:
    count = len(read_claims(ROOT / "reports" / FILE))
    assert len(_rows(opened)) == 25
    opened.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(_rows(opened)) == count
    opened.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert len(_rows(opened)) == 25
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not opened.find_element(By.ID, "filter").is_displayed()
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_link_to_a_claim_shows_its_row_whatever_is_filtered(opened: webdriver.Chrome) -> None:
    last = read_claims(ROOT / "reports" / FILE)["id"].iloc[-1]
    assert f"claim-{last}" not in _rows(opened)
    _choose(opened, "paper", "A")
    opened.execute_script("location.hash = arguments[0]", f"claim-{last}")
    WebDriverWait(opened, 10).until(lambda here: f"claim-{last}" in _rows(here))
    assert opened.switch_to.active_element.get_attribute("id") == f"claim-{last}"


def test_the_keyboard_comes_first_to_the_way_past_the_menu(opened: webdriver.Chrome) -> None:
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    first = opened.switch_to.active_element
    assert first.text == "Skip to the content"
    assert first.rect["x"] >= 0
    assert opened.execute_script("return getComputedStyle(arguments[0]).outlineStyle", first) == "solid"


def test_without_scripts_every_claim_is_on_the_page(browser: webdriver.Chrome, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        rows = browser.find_elements(By.CSS_SELECTOR, "#claims tbody tr")
        assert len(rows) == len(read_claims(ROOT / "reports" / FILE))
        assert not browser.find_element(By.ID, "filter").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
