"""Injected anomalies, and how well detectors find them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from edgeresearch.anomaly.evaluation import (
    KINDS,
    LENGTHS,
    Injected,
    Injection,
    Scores,
    auc_pr,
    best_event_f1,
    delays,
    event_f1,
    false_alarms,
    inject,
    point_adjusted_f1,
    point_f1,
    runs,
    score,
)
from edgeresearch.errors import InputError


def _stream(rows: int, channels: int = 2, seed: int = 0, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = 50 + np.cumsum(rng.normal(size=(rows, channels)), axis=0)
    values[rng.random(values.shape) < missing] = np.nan
    return np.asarray(values)


def _injected(values: np.ndarray, seed: int = 0, **options: object) -> Injected:
    spread = np.ones(values.shape[1])
    return inject(values, np.random.default_rng(seed), spread=spread, **options)  # type: ignore[arg-type]


@given(
    st.integers(60, 700),
    st.integers(1, 4),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(50, 200),
)
def test_only_labelled_samples_are_touched(rows: int, channels: int, seed: int, missing: float, every: int) -> None:
    values = _stream(rows, channels, seed, missing)
    before = values.copy()
    if rows < every:
        with pytest.raises(InputError, match="give at least"):
            _injected(values, seed, plan=Injection(every))
        return
    found = _injected(values, seed, plan=Injection(every))
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(found.values[~found.labels], before[~found.labels])
    assert [(event.begin, event.end) for event in found.events] == list(runs(found.labels))
    for event in found.events:
        rest = [each for each in range(channels) if each not in event.channels]
        rows_of = slice(event.begin, event.end)
        np.testing.assert_array_equal(found.values[rows_of][:, rest], before[rows_of][:, rest])
        for end in (event.begin, event.end - 1):
            assert not np.array_equal(found.values[end], before[end], equal_nan=True)
        assert event.end - event.begin <= LENGTHS[event.kind][1]


@given(st.integers(0, 1000))
def test_the_same_seed_gives_the_same_and_another_something_else(seed: int) -> None:
    values = _stream(600)
    first, again, other = (_injected(values, each) for each in (seed, seed, seed + 1))
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.events == again.events
    assert first.events != other.events


def test_labels_do_not_hang_on_what_comes_later() -> None:
    values = _stream(900)
    changed = values.copy()
    changed[600:] += 7
    first, second = _injected(values), _injected(changed)
    np.testing.assert_array_equal(first.labels[:600], second.labels[:600])
    np.testing.assert_array_equal(first.values[:600], second.values[:600])


def test_every_kind_takes_its_turn() -> None:
    events = _injected(_stream(150 * 20)).events
    assert len(events) == 20
    for turn in range(4):
        assert {event.kind for event in events[5 * turn : 5 * turn + 5]} == set(KINDS)
    for slot, event in enumerate(events):
        assert 150 * slot < event.begin < event.end < 150 * (slot + 1)


def _of(kind: str, values: np.ndarray, **options: object) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Values before an event, in it, and as they were, of the channels of each event of a kind."""
    found = _injected(values, **options)
    return [
        (
            values[: event.begin][:, event.channels],
            found.values[event.begin : event.end][:, event.channels],
            values[event.begin : event.end][:, event.channels],
        )
        for event in found.events
        if event.kind == kind
    ]


def test_spikes_and_shifts_are_off_by_one_size() -> None:
    for kind in ("spike", "shift"):
        events = _of(kind, _stream(3000))
        assert len(events) == 4
        for _, after, before in events:
            offset = after - before
            np.testing.assert_allclose(offset, np.broadcast_to(offset[0], offset.shape))
            assert ((np.abs(offset) >= 2.0) & (np.abs(offset) <= 5.0)).all()


def test_a_drift_grows_linearly() -> None:
    for _, after, before in _of("drift", _stream(3000)):
        offset = after - before
        length = len(offset)
        np.testing.assert_allclose(offset, np.arange(1, length + 1)[:, None] * offset[0], rtol=1e-6)
        assert ((np.abs(offset[-1]) >= 2.0) & (np.abs(offset[-1]) <= 5.0)).all()


def test_a_stuck_sensor_repeats_its_last_value() -> None:
    events = _of("stuck", _stream(3000))
    assert len(events) == 4
    for past, after, _ in events:
        np.testing.assert_array_equal(after, np.broadcast_to(past[-1], after.shape))


def test_a_stuck_sensor_repeats_the_last_value_that_it_had() -> None:
    values = _stream(3000)
    values[1::2] = np.nan
    for past, after, _ in _of("stuck", values):
        np.testing.assert_array_equal(after, np.broadcast_to(past[np.isfinite(past).all(axis=1)][-1], after.shape))


def test_a_missing_burst_takes_every_channel() -> None:
    events = _of("missing", _stream(3000, 3))
    assert len(events) == 4
    for _, after, _ in events:
        assert after.shape[1] == 3
        assert np.isnan(after).all()


def test_sizes_are_in_spreads_of_the_channel() -> None:
    values = _stream(3000)
    found = inject(values, np.random.default_rng(0), spread=np.array([1.0, 1000.0]))
    off = np.abs(found.values - values)
    kinds = [event for event in found.events if event.kind in ("spike", "shift")]
    for event in kinds:
        for channel in event.channels:
            low, high = (2.0, 5.0) if channel == 0 else (2000.0, 5000.0)
            assert low - 1e-6 <= off[event.begin, channel] <= high + 1e-6


def test_nothing_falls_below_the_floor() -> None:
    values = np.abs(_stream(3000)) / 50
    found = _injected(values, floor=0.0)
    assert np.nanmin(found.values) >= 0
    assert np.nanmin(_injected(values).values) < 0


def test_an_event_that_changes_nothing_is_none() -> None:
    found = _injected(np.ones((3000, 1)))
    assert "stuck" not in {event.kind for event in found.events}
    assert len(found.events) == 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 49}, "every is 49; the longest event takes 50"),
        ({"smallest": 0.0}, "sizes are 0"),
        ({"smallest": 6.0}, "sizes are 6"),
        ({"largest": float("inf")}, "to inf"),
    ],
)
def test_settings_without_meaning(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Injection(**options)  # type: ignore[arg-type]


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
