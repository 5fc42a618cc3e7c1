"""The search for the settings of Table 3."""

from typing import Any

import pandas as pd

from edgeresearch.elastic.calibrate import calibrate, errors
from edgeresearch.params import Params

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
