import re
from pathlib import Path

import pytest
import yaml

from edgeresearch.papers.report.places import PLACES, Place, names
from edgeresearch.papers.report.printed import TABLES

ROOT = Path(__file__).parents[3]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
TRACES = {"forecast": "paper_a", "elastic": "paper_a"}


def test_every_published_figure_and_table_has_a_place() -> None:
    here = {(place.paper, place.name) for place in PLACES}
    assert here == {("A", f"Fig. {n}") for n in (1, 2, 3)} | {("A", f"Table {n}") for n in (1, 2, 3)} | {
        ("B", f"Fig. {n}") for n in range(1, 8)
    } | {("B", "Table I")}
    assert len({place.anchor for place in PLACES}) == len(PLACES)
    assert [place.anchor for place in PLACES if place.name == "Table I"] == ["paper-b-table-i"]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.anchor)
def test_a_place_shows_what_some_stage_makes(place: Place) -> None:
    assert place.drawings or place.tables
    assert place.stage in STAGES
    assert set(place.tables) <= set(TABLES)
    for name in place.drawings:
        assert (ROOT / "reports" / "figures" / f"{name.format(**TRACES)}.svg").is_file()
    assert (ROOT / "notebooks" / f"{re.sub('-{.*', '', place.notebook)}.ipynb").is_file()


def test_every_table_stands_at_some_place() -> None:
    assert {name for place in PLACES for name in place.tables} == set(TABLES)


def test_figures_of_other_traces_that_claims_rest_on_stand_beside_the_shown_one() -> None:
    place = next(place for place in PLACES if place.name == "Table 3")
    claimed = ["elastic/nasa/table3", "elastic/nasa/table3", "elastic/nasa/scaling", "elastic/paper_a/table3", ""]
    assert names(place, TRACES, claimed) == ["elastic/paper_a/table3", "elastic/nasa/table3"]
    assert names(place, TRACES, []) == ["elastic/paper_a/table3"]


def test_a_place_without_drawings_has_none() -> None:
    place = next(place for place in PLACES if place.name == "Table I")
    assert names(place, TRACES, ["los/testbed/figure1"]) == []
