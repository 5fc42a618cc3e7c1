import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from edgeresearch.anomaly.injection import Injection
from edgeresearch.anomaly.subject import Subject, drifted, seeds, subject
from edgeresearch.anomaly.walk import Schedule
from edgeresearch.errors import InputError
from edgeresearch.series.trace import Origin, Trace

SCHEDULE, PLAN = Schedule(100, 100), Injection(every=60)


def _trace(sensor: int = 7, rows: int = 500) -> Trace:
    rng = np.random.default_rng(sensor)
    frame = pd.DataFrame(
        20 + 5 * np.sin(np.arange(rows) / 20)[:, None] + rng.normal(0, 0.5, (rows, 3)),
        index=pd.date_range("2014-08-01", periods=rows, freq="5min"),
    )
    frame.iloc[[5, 300]] = np.nan
    return Trace(
        f"traffic_{sensor}", frame, pd.Timedelta("5min"), "", Origin("synthetic", "a.csv", "0" * 64, False), {}
    )


def _made(gain: float = 1.0, samples: int | None = None, seed: int = 3) -> Subject:
    return subject(_trace(), np.random.default_rng(seed), schedule=SCHEDULE, plan=PLAN, samples=samples, gain=gain)


def test_anomalies_are_throughout_and_labelled() -> None:
    made = _made()
    assert made.step == 300
    assert len(made.rows) == len(made.clean) == len(made.labels) == 500
    cut = SCHEDULE.cuts(made.clean)[0]
    assert made.labels[:cut].any(), "the first training's samples have some, too"
    assert made.labels[cut:].any()
    assert_array_equal(made.rows[~made.labels], made.clean[~made.labels])
    assert_array_equal(made.clean, _trace().frame.to_numpy())
    changed = (made.rows != made.clean) & ~(np.isnan(made.rows) & np.isnan(made.clean))
    assert changed.any(axis=1).sum() > 0.5 * made.labels.sum()


def test_the_same_draw_gives_the_same_stream() -> None:
    assert_array_equal(_made().rows, _made().rows)
    assert not np.array_equal(_made().rows, _made(seed=4).rows, equal_nan=True)


@pytest.mark.parametrize("samples", [60, 399])
def test_so_many_rows_behind_the_first_training_are_taken(samples: int) -> None:
    made = _made(samples=samples)
    assert len(made.rows) == SCHEDULE.cuts(made.clean)[0] + samples
    assert_array_equal(made.clean, _trace().frame.to_numpy()[: len(made.clean)])


def test_a_shorter_stream_is_told() -> None:
    with pytest.raises(InputError, match="traffic_7 has 399 samples behind the training, not 400"):
        _made(samples=400)


def test_the_control_is_the_same_stream_with_a_gain() -> None:
    stream, control = _made(), _made(gain=3.0)
    assert_array_equal(stream.labels, control.labels)
    assert_array_equal(stream.clean, control.clean)
    cut = SCHEDULE.cuts(stream.clean)[0]
    assert_array_equal(control.rows, drifted(stream.rows, 3.0, begin=cut))
    assert_array_equal(control.rows[:cut], stream.rows[:cut])
    there = np.isfinite(stream.rows[-1])
    assert control.rows[-1][there] == pytest.approx(3 * stream.rows[-1][there])


@given(st.floats(0.1, 10), st.integers(0, 40))
def test_a_gain_ramps_in_a_straight_line(gain: float, begin: int) -> None:
    rows = np.ones((50, 2))
    found = drifted(rows, gain, begin=begin)
    assert (found[: begin + 1] == 1).all()
    assert found[-1] == pytest.approx(gain)
    assert np.diff(found[begin:, 0]) == pytest.approx((gain - 1) / (49 - begin))
    assert (rows == 1).all(), "what was given stays"


def test_no_gain_changes_nothing() -> None:
    rows = np.random.default_rng(1).normal(size=(30, 2))
    rows[4] = np.nan
    assert_array_equal(drifted(rows, 1.0, begin=10), rows)


@given(st.integers(0, 10_000))
def test_what_is_not_labelled_is_as_it_was_recorded_but_for_the_gain(seed: int) -> None:
    made = _made(gain=2.0, seed=seed)
    whole = drifted(made.clean, 2.0, begin=SCHEDULE.cuts(made.clean)[0])
    assert_array_equal(made.rows[~made.labels], whole[~made.labels])


def _drawn(trace: Trace, repeat: int, seed: int) -> list[float]:
    return [float(np.random.default_rng(each).random()) for each in seeds(trace, repeat, seed)]


def test_seeds_are_the_same_at_every_call_and_differ_in_all_else() -> None:
    one = _trace(101)
    assert _drawn(one, 0, 1) == _drawn(one, 0, 1)
    others = [_drawn(_trace(102), 0, 1), _drawn(one, 1, 1), _drawn(one, 0, 2), _drawn(one, 0, 1)]
    assert len({value for each in others for value in each}) == 12
