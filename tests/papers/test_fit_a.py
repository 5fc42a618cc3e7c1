"""The search for the settings of Table 3."""

from typing import Any

import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.papers.elastic_a import published as cells
from edgeresearch.papers.fit_a import CHOICES, Fit, calibrate, errors, neutral, told

SMALL: dict[str, Any] = Params().elastic.model_dump()


def test_the_search_keeps_only_what_is_better_and_holds_draws_out() -> None:
    published = pd.DataFrame(
        [[3.4, 3.2, 6.7], [3.5, 5.2, 3.6], [3.6, 3.2, 3.1]],
        index=["advance", "responsive", "combined"],
        columns=["stable", "expansion", "shrinkage"],
    )
    start = {**SMALL, "base_error": 0.06}
    choices = {"base_error": (0.03, 0.06), "start_share": (0.5, 0.75)}
    fit = calibrate(start, published, seed=1, trials=6, draws=2, seconds=14400, choices=choices)
    before = errors(start, range(2), seed=1, seconds=14400)
    assert fit.chosen["base_error"] == 0.03
    assert "start_share" not in fit.chosen
    assert (fit.fitted - published).abs().max().max() < (before - published).abs().max().max()
    assert not fit.held_out.equals(fit.fitted)
    assert fit.tried == 7
    again = errors(fit.chosen, range(2), seed=1, seconds=14400)
    pd.testing.assert_frame_equal(again, fit.fitted)


def test_what_was_found_is_told() -> None:
    published = cells()
    fit = Fit({**SMALL, "every": 60.0}, published + 0.25, published - 0.5, 7)
    lines = told(fit, SMALL, published).splitlines()
    assert lines[:2] == ["tried: 7 settings", f"every: {SMALL['every']:g} -> 60"]
    assert lines[2].startswith(f"found: mean_qps {SMALL['mean_qps']:g}, every 60, start_delay ")
    assert f"start_spread {SMALL['start_spread']:g}" in lines[2]
    assert "draws that were searched on: at most 0.25 points from the published cells, 0.25 on average" in lines
    assert "draws held out: at most 0.50 points from the published cells, 0.50 on average" in lines
    assert any(line.split() == ["advance", "3.65", "3.45", "6.95"] for line in lines)
    still = Fit(dict(SMALL), published, published, 1)
    assert told(still, SMALL, published).splitlines()[1] == "moved: none; nothing that was tried came nearer"


def test_the_neutral_start_is_the_middle_of_what_is_searched() -> None:
    start = neutral(SMALL)
    assert (start["every"], start["smooth"], start["base_error"]) == (30.0, 120.0, 0.0305)
    assert start["start_spread"] == 0.75 * start["start_delay"]
    assert "start_share" not in start
    assert {name for name in SMALL if start[name] != SMALL[name]} <= {*CHOICES, "start_spread"}
    assert neutral(SMALL, {"reach": (1.0, 2.0)}) == {**SMALL, "reach": 2.0}


@pytest.mark.parametrize(("trials", "draws", "message"), [(-1, 1, "trials is -1"), (0, 0, "draws is 0")])
def test_too_few_trials_or_draws_are_refused(trials: int, draws: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        calibrate(SMALL, cells(), seed=1, trials=trials, draws=draws)
