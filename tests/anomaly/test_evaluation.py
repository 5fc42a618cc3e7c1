"""Injected anomalies, and how well detectors find them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import f1_score

from edgeresearch.anomaly.evaluation import (
    KINDS,
    LENGTHS,
    LONGEST_EVENT,
    Injected,
    Injection,
    auc_pr,
    best_event_f1,
    count_false_alarms,
    detection_delays,
    event_f1,
    find_spans,
    inject,
    point_adjusted_f1,
    point_f1,
    score,
)
from edgeresearch.errors import InputError


def _stream(rows: int, channels: int = 2, seed: int = 0, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = 50 + np.cumsum(rng.normal(size=(rows, channels)), axis=0)
    values[rng.random(values.shape) < missing] = np.nan
    return np.asarray(values)


def _inject(values: np.ndarray, seed: int = 0, **options: object) -> Injected:
    spread = np.ones(values.shape[1])
    return inject(values, np.random.default_rng(seed), spread=spread, **options)  # type: ignore[arg-type]


@given(
    st.integers(60, 700),
    st.integers(1, 4),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(50, 200),
)
def test_only_labelled_samples_are_touched(rows: int, channels: int, seed: int, missing: float, spacing: int) -> None:
    values, plan = _stream(rows, channels, seed, missing), Injection(spacing=spacing)
    before = values.copy()
    if rows < spacing:
        with pytest.raises(InputError, match=f"{rows} samples; with an event each {spacing}, give at least {spacing}"):
            _inject(values, seed, plan=plan)
        return
    injected = _inject(values, seed, plan=plan)
    assert_array_equal(values, before)
    assert_array_equal(injected.values[~injected.labels], before[~injected.labels])
    assert [(event.begin, event.end) for event in injected.events] == list(find_spans(injected.labels))
    for event in injected.events:
        rest = [each for each in range(channels) if each not in event.channels]
        part = slice(event.begin, event.end)
        assert_array_equal(injected.values[part][:, rest], before[part][:, rest])
        for end in (event.begin, event.end - 1):
            assert not np.array_equal(injected.values[end], before[end], equal_nan=True)
        assert event.end - event.begin <= LENGTHS[event.kind][1] <= LONGEST_EVENT


@given(st.integers(0, 1000))
def test_the_same_seed_gives_the_same_whatever_comes_later(seed: int) -> None:
    values = _stream(900)
    changed = values.copy()
    changed[600:] += 7
    first, again, other, later = (
        _inject(each, number) for each, number in ((values, seed), (values, seed), (values, seed + 1), (changed, seed))
    )
    assert_array_equal(first.values, again.values)
    assert first.events == again.events != other.events
    assert_array_equal(first.labels[:600], later.labels[:600])
    assert_array_equal(first.values[:600], later.values[:600])


def test_every_kind_takes_its_turn() -> None:
    events = _inject(_stream(150 * 20)).events
    assert len(events) == 20
    for turn in range(4):
        assert {event.kind for event in events[5 * turn : 5 * turn + 5]} == set(KINDS)
    for slot, event in enumerate(events):
        assert 150 * slot < event.begin < event.end < 150 * (slot + 1)


def _of_kind(kind: str, values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Values before an event, in it, and as they were, of the channels of each event of a kind."""
    injected = _inject(values)
    parts = [
        (
            values[: event.begin][:, event.channels],
            injected.values[event.begin : event.end][:, event.channels],
            values[event.begin : event.end][:, event.channels],
        )
        for event in injected.events
        if event.kind == kind
    ]
    assert len(parts) == 4
    return parts


def test_what_each_kind_of_anomaly_is() -> None:
    values = _stream(3000, 3)
    for kind in ("spike", "shift", "drift"):
        for _, after, before in _of_kind(kind, values):
            offset = after - before
            ramp = np.arange(1, len(offset) + 1)[:, None] if kind == "drift" else 1.0
            assert_allclose(offset, np.broadcast_to(ramp * offset[0], offset.shape), rtol=1e-6, atol=1e-9)
            assert ((np.abs(offset[-1]) >= 2.0) & (np.abs(offset[-1]) <= 5.0)).all()
    for _, after, _ in _of_kind("missing", values):
        assert after.shape[1] == 3, "every channel"
        assert np.isnan(after).all()
    for past, after, _ in _of_kind("stuck", values):
        assert_array_equal(after, np.broadcast_to(past[-1], after.shape))
    values[1::2] = np.nan
    for past, after, _ in _of_kind("stuck", values):
        known = past[np.isfinite(past).all(axis=1)]
        assert_array_equal(after, np.broadcast_to(known[-1], after.shape))


def test_sizes_are_in_spreads_of_the_channel() -> None:
    values = _stream(3000)
    injected = inject(values, np.random.default_rng(0), spread=np.array([1.0, 1000.0]))
    off = np.abs(injected.values - values)
    for event in [event for event in injected.events if event.kind in ("spike", "shift")]:
        for channel in event.channels:
            low, high = (2.0, 5.0) if channel == 0 else (2000.0, 5000.0)
            assert low - 1e-6 <= off[event.begin, channel] <= high + 1e-6


def test_nothing_falls_below_the_floor_and_what_changes_nothing_is_no_event() -> None:
    values = np.abs(_stream(3000)) / 50
    assert np.nanmin(_inject(values, floor=0.0).values) >= 0 > np.nanmin(_inject(values).values)
    constant = _inject(np.ones((3000, 1)))
    assert "stuck" not in {event.kind for event in constant.events}
    assert len(constant.events) == 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing": 49}, "greater than or equal to 50"),
        ({"smallest": 0.0}, "greater than 0"),
        ({"smallest": 6.0}, "smallest is 6, above largest, 5; give a larger one"),
        ({"largest": float("inf")}, "finite"),
    ],
)
def test_settings_without_meaning(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Injection(**options)  # type: ignore[arg-type]


def _mask(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


Masks = arrays(bool, st.shared(st.integers(1, 40), key="length"))
LABELS = _mask("..xxxx....xx....xxx.")
ALARMS = _mask("x...xx......x.......")


def test_a_known_example_by_hand() -> None:
    assert list(find_spans(LABELS)) == [(2, 6), (10, 12), (16, 19)]
    # 2 samples found, 2 false (one at 0, one at 12), 7 missed.
    assert point_f1(LABELS, ALARMS) == pytest.approx(2 * 2 / (2 * 2 + 2 + 7))
    # Of 3 events one is found; the alarms at 0 and at 12 touch none.
    assert event_f1(LABELS, ALARMS) == pytest.approx(2 * 1 / (2 * 1 + 2 + 2))
    # The first event counts whole: 4 samples found, 5 missed.
    assert point_adjusted_f1(LABELS, ALARMS) == pytest.approx(2 * 4 / (2 * 4 + 2 + 5))
    assert_array_equal(detection_delays(LABELS, ALARMS), [2, np.nan, np.nan])
    assert count_false_alarms(LABELS, ALARMS) == 2
    scores = score(LABELS, np.where(ALARMS, 2.0, 1.0), ALARMS, interval=300.0)
    assert scores._asdict() == pytest.approx(
        {
            "point_f1": point_f1(LABELS, ALARMS),
            "event_f1": event_f1(LABELS, ALARMS),
            "point_adjusted_f1_inflated": point_adjusted_f1(LABELS, ALARMS),
            "auc_pr": auc_pr(LABELS, np.where(ALARMS, 2.0, 1.0)),
            "delay": 600.0,
            "detected": 1 / 3,
            "false_alarms_per_day": 2 / (20 * 300 / 86400),
            "events": 3,
        }
    )


@pytest.mark.parametrize(
    ("labels", "alarms", "f1", "false", "delays"),
    [
        ("...xx...", "..xxxxx.", 1.0, 0, [0.0]),  # a run of alarms that touches an event is no false alarm
        (".xxxx.xx", ".x.x....", 2 / 3, 0, [0.0, np.nan]),  # two runs in an event find it once
    ],
)
def test_hundmans_events(labels: str, alarms: str, f1: float, false: int, delays: list[float]) -> None:
    assert event_f1(_mask(labels), _mask(alarms)) == pytest.approx(f1)
    assert count_false_alarms(_mask(labels), _mask(alarms)) == false
    assert_array_equal(detection_delays(_mask(labels), _mask(alarms)), delays)


def test_the_best_level_for_event_f1() -> None:
    scores = np.linspace(0.0, 1.0, 20)  # false alarms before anything is found, whatever the level
    scores[[3, 11, 17]] = [5.0, 4.0, 3.0]
    assert best_event_f1(LABELS, scores) == 1.0
    scores[0] = 3.5  # one false alarm, or one event missed
    assert best_event_f1(LABELS, scores) == pytest.approx(2 * 3 / (2 * 3 + 1))
    scores[0] = np.nan
    assert best_event_f1(LABELS, scores) == 1.0
    assert np.isnan(best_event_f1(np.zeros(5, dtype=bool), np.arange(5.0)))
    assert np.isnan(best_event_f1(LABELS, np.full(len(LABELS), np.nan)))


def test_point_adjustment_inflates() -> None:
    labels, alarms = np.zeros(1000, dtype=bool), np.zeros(1000, dtype=bool)
    labels[100:300] = True
    alarms[np.random.default_rng(0).permutation(1000)[:20]] = True
    assert point_f1(labels, alarms) < 0.1
    assert point_adjusted_f1(labels, alarms) > 0.9


@pytest.mark.parametrize(
    ("scores", "area"),
    [
        ([4.0, 3.0, 2.0, 1.0], 0.5 * 1 + 0.5 * 2 / 3),
        ([1.0, 0.0, 1.0, 0.0], 1.0),
        ([4.0, 3.0, np.nan, 1.0], 0.5 * 1 + 0.5 * 2 / 4),  # a sample without score ranks lowest
        ([np.nan] * 4, 0.5),
    ],
)
def test_average_precision_of_a_known_ranking(scores: list[float], area: float) -> None:
    assert auc_pr(_mask("x.x."), np.array(scores)) == pytest.approx(area)
    for labels in ("....", "xxxx"):
        assert np.isnan(auc_pr(_mask(labels), np.array(scores)))


def test_without_detections_or_events() -> None:
    silent = score(LABELS, np.zeros(20), np.zeros(20, dtype=bool), interval=1.0)
    assert np.isnan(silent.delay)
    assert (silent.detected, silent.event_f1, silent.point_f1, silent.false_alarms_per_day) == (0, 0, 0, 0)
    calm = score(np.zeros(20, dtype=bool), np.zeros(20), ALARMS, interval=4320.0)
    assert np.isnan([calm.point_f1, calm.event_f1, calm.point_adjusted_f1_inflated, calm.detected, calm.auc_pr]).all()
    assert calm.false_alarms_per_day == 3.0


@given(Masks, Masks)
def test_bounds_and_order(labels: np.ndarray, alarms: np.ndarray) -> None:
    again = np.zeros(len(labels), dtype=bool)
    for begin, end in find_spans(labels):
        assert begin < end
        again[begin:end] = True
    assert_array_equal(again, labels)
    if not labels.any():
        assert np.isnan(point_f1(labels, alarms))
        return
    raw, adjusted, event = point_f1(labels, alarms), point_adjusted_f1(labels, alarms), event_f1(labels, alarms)
    assert 0 <= raw <= adjusted <= 1
    assert 0 <= event <= 1
    assert (raw == 0) == (event == 0) == (not (labels & alarms).any())
    assert raw == pytest.approx(f1_score(labels, alarms, zero_division=0.0))
    assert point_f1(labels, labels) == event_f1(labels, labels) == 1.0
