"""Checks of what users hand in."""

import numpy as np
import pytest

from edgeresearch.elastic import checks
from edgeresearch.errors import InputError


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_within_takes_its_bounds(value: float) -> None:
    checks.within("share", value, 0, 1)


@pytest.mark.parametrize(
    ("value", "low", "high", "above", "message"),
    [
        (-1, 0, np.inf, False, "share is -1; give a number at least 0"),
        (0, 0, np.inf, True, "share is 0; give a number above 0"),
        (2, 0, 1, True, "share is 2; give a number above 0 and at most 1"),
        (np.nan, 0, 1, False, "share is nan; give a number at least 0 and at most 1"),
        (np.inf, 0, np.inf, False, "share is inf; give a number at least 0"),
    ],
)
def test_within_tells_the_bounds(value: float, low: float, high: float, above: bool, message: str) -> None:
    with pytest.raises(InputError) as caught:
        checks.within("share", value, low, high, above=above)
    assert str(caught.value) == message


def test_counts_takes_whole_numbers_of_any_type() -> None:
    given = np.array([1, 2, 3])
    assert checks.counts("n", given) is given
    for values in ([1, 2, 3], [1.0, 2.0, 3.0], given.astype(np.uint8)):
        taken = checks.counts("n", values)
        assert taken.dtype == np.int64
        assert taken.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "low", "message"),
    [
        ([1, -2], 0, "arrivals: -2 at step 1 is below 0"),
        ([1, 1, 0], 1, "arrivals: 0 at step 2 is below 1"),
        ([1.0, 2.5], 0, "arrivals: 2.5 at step 1 is not a whole number"),
        ([1.0, np.nan], 0, "arrivals: nan at step 1 is not a finite number"),
        ([np.inf], 0, "arrivals: inf at step 0 is not a finite number"),
        ([], 0, "arrivals: expected one number per step"),
        ([[1, 2]], 0, "arrivals: expected one number per step"),
        (["a"], 0, "arrivals: expected one number per step"),
    ],
)
def test_counts_refuses_in_one_line(values: object, low: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        checks.counts("arrivals", values, low)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_load_takes_floats_and_whole_numbers() -> None:
    assert checks.load("load", [0, 2]).dtype == np.float64
    assert checks.load("load", [0.5]).tolist() == [0.5]


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0, -0.5], "load: -0.5 at step 1 is negative"), ([np.nan], "load: nan at step 0 is not a finite number")],
)
def test_load_refuses_in_one_line(values: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checks.load("load", values)
