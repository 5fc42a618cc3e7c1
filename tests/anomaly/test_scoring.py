import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from edgeresearch.anomaly.scoring import (
    Scores,
    auc_pr,
    best_event_f1,
    delays,
    event_f1,
    false_alarms,
    point_adjusted_f1,
    point_f1,
    runs,
    score,
)

Masks = arrays(bool, st.shared(st.integers(1, 40), key="length"))


def _mask(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


LABELS = _mask("..xxxx....xx....xxx.")
ALARMS = _mask("x...xx......x.......")


def test_runs_of_true_values() -> None:
    assert list(runs(LABELS)) == [(2, 6), (10, 12), (16, 19)]
    assert list(runs(_mask("x"))) == [(0, 1)]
    assert list(runs(_mask("xx.x"))) == [(0, 2), (3, 4)]
    assert list(runs(_mask("...."))) == []


def test_a_known_example_by_hand() -> None:
    # 2 samples found, 2 false (one at 0, one at 12), 7 missed.
    assert point_f1(LABELS, ALARMS) == pytest.approx(2 * 2 / (2 * 2 + 2 + 7))
    # Of 3 events one is found; the alarms at 0 and at 12 touch none.
    assert event_f1(LABELS, ALARMS) == pytest.approx(2 * 1 / (2 * 1 + 2 + 2))
    # The first event counts whole: 4 samples found, 5 missed.
    assert point_adjusted_f1(LABELS, ALARMS) == pytest.approx(2 * 4 / (2 * 4 + 2 + 5))
    np.testing.assert_array_equal(delays(LABELS, ALARMS), [2, np.nan, np.nan])
    assert false_alarms(LABELS, ALARMS) == 2


def test_hundmans_events_count_an_alarm_run_that_touches_an_event_as_no_false_alarm() -> None:
    labels, alarms = _mask("...xx..."), _mask("..xxxxx.")
    assert event_f1(labels, alarms) == 1.0
    assert false_alarms(labels, alarms) == 0
    assert point_f1(labels, alarms) == pytest.approx(4 / 7)


def test_two_alarm_runs_in_one_event_find_it_once() -> None:
    labels, alarms = _mask(".xxxx.xx"), _mask(".x.x....")
    assert event_f1(labels, alarms) == pytest.approx(2 / 3)
    np.testing.assert_array_equal(delays(labels, alarms), [0, np.nan])


def test_the_best_level_for_event_f1() -> None:
    scores = np.linspace(0.0, 1.0, 20)  # false alarms before anything is found, whatever the level
    scores[[3, 11, 17]] = [5.0, 4.0, 3.0]
    assert best_event_f1(LABELS, scores) == 1.0
    scores[0] = 3.5  # one false alarm, or one event missed
    assert best_event_f1(LABELS, scores) == pytest.approx(2 * 3 / (2 * 3 + 1))
    scores[0] = np.nan
    assert best_event_f1(LABELS, scores) == 1.0


@given(st.integers(0, 50))
def test_no_level_that_is_tried_is_better_than_the_best(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=len(LABELS)) + 2 * LABELS
    best = best_event_f1(LABELS, scores, levels=40)
    assert 0 <= best <= 1
    assert best >= event_f1(LABELS, scores > np.quantile(scores, 0.8))
    assert best >= event_f1(LABELS, scores > np.sort(scores)[-2])


def test_without_events_or_scores_there_is_no_best_level() -> None:
    assert np.isnan(best_event_f1(np.zeros(5, dtype=bool), np.arange(5.0)))
    assert np.isnan(best_event_f1(LABELS, np.full(len(LABELS), np.nan)))


def test_point_adjustment_inflates() -> None:
    labels, alarms = np.zeros(1000, dtype=bool), np.zeros(1000, dtype=bool)
    labels[100:300] = True
    alarms[np.random.default_rng(0).permutation(1000)[:20]] = True
    assert point_f1(labels, alarms) < 0.1
    assert point_adjusted_f1(labels, alarms) > 0.9


def test_average_precision_of_a_known_ranking() -> None:
    labels, scores = np.array([True, False, True, False]), np.array([4.0, 3.0, 2.0, 1.0])
    assert auc_pr(labels, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert auc_pr(labels, labels.astype(float)) == 1.0


def test_a_sample_without_score_ranks_lowest() -> None:
    labels = np.array([True, False, True, False])
    assert auc_pr(labels, np.array([4.0, 3.0, np.nan, 1.0])) == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    assert auc_pr(labels, np.full(4, np.nan)) == 0.5


@pytest.mark.parametrize("labels", ["....", "xxxx"])
def test_average_precision_takes_both_kinds_of_samples(labels: str) -> None:
    assert np.isnan(auc_pr(_mask(labels), np.arange(4.0)))


def test_everything_at_once_with_units() -> None:
    found = score(LABELS, np.where(ALARMS, 2.0, 1.0), ALARMS, interval=300.0)
    assert isinstance(found, Scores)
    assert found.point_f1 == point_f1(LABELS, ALARMS)
    assert found.event_f1 == event_f1(LABELS, ALARMS)
    assert found.point_adjusted_f1_inflated == point_adjusted_f1(LABELS, ALARMS)
    assert found.delay == 600.0
    assert found.detected == pytest.approx(1 / 3)
    assert found.false_alarms_per_day == pytest.approx(2 / (20 * 300 / 86400))
    assert found.events == 3


def test_nothing_found_has_no_delay() -> None:
    found = score(LABELS, np.zeros(20), np.zeros(20, dtype=bool), interval=1.0)
    assert np.isnan(found.delay)
    assert (found.detected, found.event_f1, found.point_f1, found.false_alarms_per_day) == (0, 0, 0, 0)


def test_without_events_there_is_no_f1_but_a_rate_of_false_alarms() -> None:
    found = score(np.zeros(20, dtype=bool), np.zeros(20), ALARMS, interval=4320.0)
    assert np.isnan(
        [found.point_f1, found.event_f1, found.point_adjusted_f1_inflated, found.detected, found.auc_pr]
    ).all()
    assert found.false_alarms_per_day == 3.0


@pytest.mark.parametrize(
    ("labels", "scores", "alarms"), [([True], [1.0, 2.0], [True]), ([], [], []), ([[True]], [[1.0]], [[True]])]
)
def test_unequal_or_empty_input_is_refused(labels: list[bool], scores: list[float], alarms: list[bool]) -> None:
    with pytest.raises(ValueError, match="equally many samples"):
        score(labels, scores, alarms, interval=1.0)


@given(Masks, Masks)
def test_bounds_and_order(labels: np.ndarray, alarms: np.ndarray) -> None:
    if not labels.any():
        assert np.isnan(point_f1(labels, alarms))
        return
    raw, adjusted, event = point_f1(labels, alarms), point_adjusted_f1(labels, alarms), event_f1(labels, alarms)
    assert 0 <= raw <= adjusted <= 1
    assert 0 <= event <= 1
    assert (raw == 0) == (event == 0) == (not (labels & alarms).any())
    assert raw == pytest.approx(f1_score(labels, alarms, zero_division=0.0))
    assert point_f1(labels, labels) == event_f1(labels, labels) == 1.0


@given(Masks)
def test_runs_give_the_mask_back(mask: np.ndarray) -> None:
    again = np.zeros(len(mask), dtype=bool)
    for begin, end in runs(mask):
        assert begin < end
        again[begin:end] = True
    np.testing.assert_array_equal(again, mask)
