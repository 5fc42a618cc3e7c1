"""The search for the settings of Table 3."""

import pandas as pd
import pytest

from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.errors import InputError
from edgeresearch.papers.fit_a import CHOICES, Fit, format_fit, make_neutral_start, measure_error_rates, search_settings
from edgeresearch.papers.paper_a.tables import published_cells as cells

STUDY = ExperimentConfig()


def test_the_search_keeps_only_what_is_better_and_holds_draws_out() -> None:
    start = STUDY.replace(base_error=0.06)
    choices = {"base_error": (0.03, 0.06), "start_share": (0.5, 0.75)}
    fit = search_settings(start, seed=1, trials=6, draws=2, seconds=14400, choices=choices)
    before = measure_error_rates(start, range(2), seed=1, seconds=14400)
    assert fit.config.base_error == 0.03
    assert (fit.fitted - cells()).abs().max().max() < (before - cells()).abs().max().max()
    assert not fit.held_out.equals(fit.fitted)
    assert fit.tried == 7
    again = measure_error_rates(fit.config, range(2), seed=1, seconds=14400)
    pd.testing.assert_frame_equal(again, fit.fitted)


def test_a_fit_as_text() -> None:
    published = cells()
    fit = Fit(STUDY, STUDY.replace(sync_period=60.0), published + 0.25, published - 0.5, 7)
    lines = format_fit(fit).splitlines()
    assert lines[:2] == ["tried: 7 settings", f"sync_period: {STUDY.sync_period:g} -> 60"]
    assert lines[2].startswith(f"found: mean_qps {STUDY.mean_qps:g}, sync_period 60, start_delay ")
    assert f"start_spread {STUDY.start_spread:g}" in lines[2]
    assert "draws that were searched on: at most 0.25 points from the published cells, 0.25 on average" in lines
    assert "draws held out: at most 0.50 points from the published cells, 0.50 on average" in lines
    assert any(line.split() == ["advance", "3.65", "3.45", "6.95"] for line in lines)
    still = Fit(STUDY, STUDY, published, published, 1)
    assert format_fit(still).splitlines()[1] == "moved: none; nothing that was tried came nearer"


def test_the_neutral_start_is_the_middle_of_what_is_searched() -> None:
    start = make_neutral_start(STUDY)
    assert (start.sync_period, start.smooth, start.base_error) == (30.0, 120.0, 0.0305)
    assert start.start_spread == 0.75 * start.start_delay
    assert {name for name, value in start if value != getattr(STUDY, name)} <= {*CHOICES, "start_spread"}


@pytest.mark.parametrize(("trials", "draws", "message"), [(-1, 1, "trials is -1"), (0, 0, "draws is 0")])
def test_too_few_trials_or_draws_are_refused(trials: int, draws: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        search_settings(STUDY, seed=1, trials=trials, draws=draws)
