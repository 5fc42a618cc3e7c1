import itertools
from typing import get_args

import pytest

from edgeresearch.anomaly.evaluation import KINDS as INJECTED
from edgeresearch.emulator import policies
from edgeresearch.emulator.results import Reading
from edgeresearch.papers import detection, staleness
from edgeresearch.papers.paper_b import detection_figures, published, scheduling_figures
from edgeresearch.scheduling.messages import Reason


def test_numbers_are_those_of_the_text() -> None:
    assert published.DROP_PERCENT == {2: 14.37, 4: 26.62, 6: 43.07, 8: 69.70, 10: 78.26}
    assert published.HOPS_PERCENT == {(6, 2): 31.13, (8, 2): 36.63, (8, 3): 16.7}
    assert published.LIMIT_MILLICORES == {1: 400, 32: 130} and published.RESIDUALS == {1: 80, 32: 40}
    assert (published.PLATEAU_ITERATION, published.DRIFT_ITERATION, published.TRAININGS) == (32, 46, 1430)
    assert len(published.DROP_PERCENT) * published.REPEATS * published.HOURS == 100


def test_the_gain_that_the_paper_claims_leaves_out_its_own_case_of_two_streams() -> None:
    # "increase the relative amount of executed training jobs by between 21.74% and 73.38%" (section VII)
    gains = {count: round(100 - dropped, 2) for count, dropped in published.DROP_PERCENT.items()}
    assert (gains[10], gains[4], gains[2]) == (21.74, 73.38, 85.63)


def test_the_limit_falls_as_far_as_the_residual_says() -> None:
    # if t is a / R, 400 -> 130 millicores and 20 % -> 60 % of the period are one statement
    first, last = published.LIMIT_MILLICORES.values()
    used = [100 - residual for residual in published.RESIDUALS.values()]
    assert first / last == pytest.approx(used[1] / used[0], abs=0.1)


def test_nothing_is_fitted_on_what_is_held_out() -> None:
    fitted = published.FITTED
    assert {name for name in fitted if name.startswith(("drop", "hops"))} == {"drop_2", "drop_6", "drop_10", "hops_6_2"}
    assert [fitted[name][0] for name in ("drop_2", "hops_6_2", "limit_32", "plateau", "residual_45")] == [
        14.37, 31.13, 130, 32, 40,
    ]  # fmt: skip
    assert all(tolerance > 0 for _, tolerance in fitted.values())


def test_everything_that_is_drawn_has_a_name_and_a_look_of_its_own() -> None:
    assert set(scheduling_figures.POLICIES) == set(policies.POLICIES)
    assert set(scheduling_figures.SHARES) == set(get_args(Reading))
    assert tuple(detection_figures.DETECTORS) == detection.DETECTORS
    assert set(detection_figures.ANOMALIES) == set(INJECTED)
    assert set(detection_figures.BOUNDS) == {cell.policy for cell in staleness.BOUNDS}
    assert {name for pair in staleness.PAIRS for name in pair} <= set(detection_figures.LOOKS)
    dropping = (Reason.BUSY, Reason.CYCLE, Reason.HOPS, Reason.NO_CAPACITY, Reason.NO_NEIGHBOUR)
    assert set(scheduling_figures.DROPS) == set(dropping)
    together = {**scheduling_figures.POLICIES, **dict(itertools.islice(detection_figures.BOUNDS.items(), 2))}
    for looks in (together, detection_figures.DETECTORS, scheduling_figures.COSTS, scheduling_figures.SENT):
        assert len({look[1:] for look in looks.values()}) == len(looks)
    for colours in (scheduling_figures.LAYERS, scheduling_figures.DROPS, detection_figures.ANOMALIES):
        assert len(set(colours.values())) == len(colours)
