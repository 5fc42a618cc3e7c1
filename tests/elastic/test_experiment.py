"""The Table 3 experiment on one trace, its forecasts, and the search for its settings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeresearch.elastic import experiment
from edgeresearch.elastic.setup import setup
from edgeresearch.params import Params
from edgeresearch.series import synthetic
from edgeresearch.series.trace import Trace

SMALL: dict[str, Any] = {
    **Params().elastic.model_dump(),
    "seconds": 14400,
    "repeats": 3,
    "synthetic_repeats": 2,
    "window": 10,
    "forecasters": ("ridge", "last_value", "published"),
    "leads": (1.0, 2.0),
}
LSTM = {"hidden": 4, "epochs": 1, "members": 1}


@pytest.fixture(scope="module")
def stand_in() -> Trace:
    return synthetic.qps(np.random.default_rng(1), steps=300)


@pytest.fixture(scope="module")
def found(stand_in: Trace) -> experiment.Replayed:
    return experiment.experiment(stand_in, SMALL, lstm=LSTM, seed=3)


def test_every_strategy_runs_with_every_forecaster_that_it_reads(found: experiment.Replayed) -> None:
    pairs = set(zip(found.table["strategy"], found.table["forecaster"], strict=True))
    reading = {(name, maker) for name in experiment.FORECASTING for maker in SMALL["forecasters"]}
    assert pairs == reading | {(name, "none") for name in ("responsive", "fixed", "hpa", "oracle")}
    assert set(found.table["reading"]) == set(experiment.READINGS)
    whole = found.table[found.table["phase"] == "all"]
    assert len(whole) == len(pairs) * len(SMALL["leads"])
    assert (whole["low"] <= whole["error_percent"]).all()
    assert (whole["error_percent"] <= whole["high"]).all()
    assert not found.table["real"].any()


def test_the_last_value_gives_advance_nothing_over_responsive(found: experiment.Replayed) -> None:
    rows = found.table[found.table["phase"] == "all"].set_index(["lead", "strategy", "forecaster"])
    for lead in SMALL["leads"]:
        for column in ("error_percent", "pod_hours"):
            assert rows[column][lead, "advance", "last_value"] == rows[column][lead, "responsive", "none"]


def test_phases_share_the_steps(found: experiment.Replayed) -> None:
    rows = found.table[(found.table["phase"] != "all") & (found.table["lead"] == 1)]
    shares = rows.groupby(["reading", "strategy", "forecaster"])["share"].sum()
    assert np.allclose(shares, 100)


def test_the_same_seed_gives_the_same_bytes(stand_in: Trace, found: experiment.Replayed, tmp_path: Path) -> None:
    again = experiment.experiment(stand_in, SMALL, lstm=LSTM, seed=3)
    for name, each in (("a", found), ("b", again)):
        experiment.write(each, tmp_path / name)
    for one, two in zip(*(experiment.places("paper_a", tmp_path / name) for name in "ab"), strict=True):
        assert one.read_bytes() == two.read_bytes()
    other = experiment.experiment(stand_in, SMALL, lstm=LSTM, seed=4)
    assert not other.table["error_percent"].equals(found.table["error_percent"])


def test_the_course_is_of_the_first_forecaster(found: experiment.Replayed) -> None:
    assert set(found.course["forecaster"]) == {"none", "ridge"}
    rows = found.course[found.course["strategy"] == "combined"]
    assert len(rows) == 7200 // SMALL["every"]
    world = setup(SMALL)
    assert rows["forecast"].isna().sum() == world.horizon
    assert ((rows["cpu"] > 0) & (rows["cpu"] <= 100)).all()


def test_the_stand_in_which_is_drawn_anew_has_repeats_of_its_own(stand_in: Trace, found: experiment.Replayed) -> None:
    assert (found.table["repeats"] == SMALL["synthetic_repeats"]).all()
    section = {**SMALL, "forecasters": ("last_value",), "strategies": ("responsive",), "leads": (1.0,)}
    other = experiment.experiment(replace(stand_in, name="mine"), section, lstm=LSTM, seed=3)
    assert (other.table["repeats"] == SMALL["repeats"]).all()


def test_one_repeat_has_no_interval(stand_in: Trace) -> None:
    once = experiment.experiment(stand_in, {**SMALL, "synthetic_repeats": 1, "leads": (1.0,)}, lstm=LSTM, seed=3)
    assert once.table["low"].isna().all()


def test_the_lstm_is_fitted_on_the_first_part_alone(stand_in: Trace) -> None:
    section = {**SMALL, "forecasters": ("lstm",), "strategies": ("advance",), "leads": (1.0,), "synthetic_repeats": 1}
    found = experiment.experiment(stand_in, section, lstm=LSTM, seed=3)
    assert np.isfinite(found.table["forecast_r2"]).all()
