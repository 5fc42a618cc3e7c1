"""Pods for a load, and the pressure test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.elastic.capacity import Capacity, pressure_test
from edgeresearch.elastic.settings import Settings
from edgeresearch.errors import InputError


def test_the_papers_rule() -> None:
    capacity = Capacity(q_max=25)
    assert capacity.q_act == 20
    assert capacity.pods([0, 1, 20, 20.5, 40, 41]).tolist() == [1, 1, 1, 2, 2, 3]


def test_bounds() -> None:
    capacity = Capacity(q_max=10, share=1, minimum=2, maximum=4)
    assert capacity.pods([0, 15, 35, 1000]).tolist() == [2, 2, 4, 4]
    assert capacity.needed([0, 15, 1000]).tolist() == [0, 2, 100]
    assert capacity.needed(15.0) == 2


@given(
    pods=st.integers(1, 10**6),
    q_max=st.floats(1e-3, 1e6),
    share=st.sampled_from([0.8, 0.7, 1 / 3, 1.0]),
)
def test_a_whole_multiple_is_not_rounded_up(pods: int, q_max: float, share: float) -> None:
    capacity = Capacity(q_max=q_max, share=share, maximum=10**7)
    load = pods * capacity.q_act
    for near in (np.nextafter(load, 0), load, np.nextafter(load, np.inf)):
        assert capacity.pods([near]).tolist() == [pods]
    assert capacity.pods([load * (1 + 1e-9)]).tolist() == [pods + 1]


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_more_load_never_needs_fewer_pods(loads: list[float]) -> None:
    capacity = Capacity(minimum=2, maximum=500)
    pods = capacity.pods(sorted(loads))
    assert (np.diff(pods) >= 0).all()
    assert pods.min() >= 2
    assert pods.max() <= 500


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"q_max": 0}, "q_max is 0; give a number above 0"),
        ({"q_max": -3.0}, "q_max is -3"),
        ({"q_max": np.nan}, "q_max is nan"),
        ({"share": 1.5}, "share is 1.5"),
        ({"minimum": 0}, "minimum replicas is 0"),
        ({"minimum": 5, "maximum": 2}, "minimum replicas 5 is above maximum replicas 2"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Capacity(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("load", "message"), [([1, -1.0], "negative"), ([np.nan], "not a finite number")])
def test_loads_out_of_range(load: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Capacity().pods(load)


def test_pressure_test_finds_what_a_pod_can_do() -> None:
    found = pressure_test(Settings(q_max=20), rng=np.random.default_rng(0))
    assert found.q_max == pytest.approx(20, rel=0.05)
    assert len(found.load) == len(found.error)
    assert found.load[-2] == found.q_max
    assert (found.error[:-1] <= 0.05).all()
    assert found.error[-1] > 0.05
    # Far below its capacity only the base error is left.
    assert found.error[5:20] == pytest.approx(0.03, abs=0.01)


def test_pressure_test_goes_on_until_the_bound() -> None:
    settings = Settings(q_max=50, base_error=0.0)
    strict, loose = (
        pressure_test(settings, rng=np.random.default_rng(1), bound=bound, step=1, hold=60) for bound in (0.01, 0.5)
    )
    assert 45 < strict.q_max < 55
    assert 95 < loose.q_max < 105
    again = pressure_test(settings, rng=np.random.default_rng(1), bound=0.01, step=1, hold=60)
    assert again.error.tolist() == strict.error.tolist()


def test_pressure_test_in_finer_steps() -> None:
    found = pressure_test(Settings(q_max=8, dt=0.25), rng=np.random.default_rng(2), hold=120)
    assert found.q_max == pytest.approx(8, rel=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bound": 0.03}, "bound is 0.03; give a number above 0.03"),
        ({"step": 0}, "step is 0"),
        ({"hold": 0.5}, "hold is 0.5"),
        ({"step": 100}, "at 100 requests per second already; use a smaller step"),
        ({"highest": 10}, "up to 16 requests per second; raise `highest`"),
    ],
)
def test_pressure_test_refuses_in_one_line(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pressure_test(Settings(q_max=20), rng=np.random.default_rng(0), **{"hold": 60, **options})  # type: ignore[arg-type]
