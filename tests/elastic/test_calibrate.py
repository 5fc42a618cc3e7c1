"""The search for the settings of Table 3."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgeresearch.elastic.calibrate import Fit, calibrate, errors, told
from edgeresearch.paper.elastic_a import published as cells
from edgeresearch.params import Params

ROOT = Path(__file__).parents[2]
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
    assert "draws that were searched on: at most 0.25 points from the published cells, 0.25 on average" in lines
    assert "draws held out: at most 0.50 points from the published cells, 0.50 on average" in lines
    assert any(line.split() == ["advance", "3.65", "3.45", "6.95"] for line in lines)
    still = Fit(dict(SMALL), published, published, 1)
    assert told(still, SMALL, published).splitlines()[1] == "moved: none; nothing that was tried came nearer"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_target_searches_from_the_settings_and_writes_nothing() -> None:
    before = (ROOT / "params.yaml").read_bytes()
    words = ["make", "-o", ".venv/.installed", "calibrate-elastic", f"PY={sys.executable}", "TRIALS=1", "DRAWS=1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tried: 2 settings\n")
    assert "draws held out: at most " in done.stdout
    assert (ROOT / "params.yaml").read_bytes() == before
