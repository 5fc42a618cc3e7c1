"""Settings of the service."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.elastic.settings import Settings
from edgeresearch.errors import InputError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"q_max": 0}, "q_max is 0; give a number above 0"),
        ({"q_max": np.inf}, "q_max is inf"),
        ({"dt": 2}, "dt is 2; give a number above 0 and at most 1"),
        ({"start_delay": -1}, "start_delay is -1"),
        ({"start_spread": 40}, "start_spread 40 is above start_delay 30"),
        ({"base_error": 1.1}, "base_error is 1.1"),
        ({"timeout": np.nan}, "timeout is nan"),
        ({"grace": -1}, "grace is -1"),
        ({"service_time": 0}, "service_time is 0"),
        ({"cpu_idle": 101}, "cpu_idle is 101"),
        ({"memory_idle": 90}, "add up to more than 100 percent"),
    ],
)
def test_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Settings(**settings)
    assert "\n" not in str(caught.value)


@given(st.floats(0.01, 500), st.sampled_from([1.0, 0.5, 0.1]), st.integers(1, 400))
def test_fractions_of_a_request_are_not_lost(q_max: float, dt: float, steps: int) -> None:
    per = Settings(q_max=q_max, dt=dt).per_step(steps)
    assert per.dtype == np.int64
    assert len(per) == steps
    assert abs(per.sum() - q_max * dt * steps) <= 1 + 1e-6 * steps
    assert per.max() - per.min() <= 1


def test_whole_capacities_are_constant() -> None:
    assert Settings(q_max=20).per_step(3).tolist() == [20, 20, 20]
    assert Settings(q_max=20, dt=0.1).per_step(3).tolist() == [2, 2, 2]
    assert Settings(q_max=2.5).per_step(4).tolist() == [2, 3, 2, 3]


def test_what_is_derived() -> None:
    settings = Settings(q_max=10, timeout=0.3, start_delay=5, start_spread=2, grace=1, service_time=1)
    assert settings.room == 3
    assert settings.longest_start == 7
    assert settings.drain_loss == pytest.approx(np.exp(-1))
    assert Settings(grace=0).drain_loss == 1


def test_a_start_must_be_shorter_than_the_trace() -> None:
    settings = Settings(start_delay=8, start_spread=2, dt=0.5)
    settings.check_length(21)
    with pytest.raises(InputError, match="up to 10 s to start, the trace lasts 10 s; use a longer trace"):
        settings.check_length(20)
