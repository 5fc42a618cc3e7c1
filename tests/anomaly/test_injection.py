import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.anomaly.injection import KINDS, LENGTHS, Injected, Injection, inject
from edgeresearch.anomaly.scoring import runs
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
