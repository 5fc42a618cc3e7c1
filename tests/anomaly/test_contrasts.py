from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.anomaly.contrasts import UNIT, WHO, differences, means
from edgeresearch.intervals import interval

BOUNDS = ("never", "always")


def _rows(policy: str, streams: int, values: dict[tuple[str, int], float], **more: Any) -> pd.DataFrame:
    """Rows of one policy, by sensor and seed."""
    about = {"data": "traffic", "threshold": "ema", "policy": policy, "streams": streams, **more}
    return pd.DataFrame(
        [{**about, "sensor": sensor, "seed": seed, "f1": value} for (sensor, seed), value in values.items()]
    )


GRID = [(sensor, seed) for sensor in "abc" for seed in range(2)]


def _values(*numbers: float) -> dict[tuple[str, int], float]:
    return dict(zip(GRID, numbers, strict=True))


def test_a_sensors_value_is_the_mean_of_its_repeats() -> None:
    rows = _rows("los", 2, _values(0.1, 0.3, 0.5, 0.7, 0.2, 0.2))
    (row,) = means(rows, ["f1"]).to_dict("records")
    mean, low, high = interval([0.2, 0.6, 0.2])
    assert {name: row[name] for name in WHO} == {"data": "traffic", "threshold": "ema", "policy": "los", "streams": 2}
    assert (row["f1"], row["f1_low"], row["f1_high"]) == pytest.approx((mean, low, high))
    assert (row["sensors"], row["seeds"]) == (3, 2)


def test_repeats_without_a_value_are_left_out() -> None:
    nothing = float("nan")
    rows = _rows("los", 2, _values(0.1, nothing, 0.5, 0.7, nothing, nothing))
    (row,) = means(rows, ["f1"]).to_dict("records")
    assert (row["f1"], row["f1_low"], row["f1_high"]) == pytest.approx(interval([0.1, 0.6]))


def test_rows_are_told_apart_and_keep_their_order() -> None:
    parts = [
        _rows("random", 8, _values(*[0.1] * 6)),
        _rows("los", 4, _values(*[0.2] * 6)),
        _rows("los", 4, _values(*[0.3] * 6), threshold="quantile"),
        _rows("los", 4, _values(*[0.4] * 6), data="control"),
    ]
    table = means(pd.concat(parts), ["f1"])
    assert table["f1"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert table["policy"].tolist() == ["random", "los", "los", "los"]
    blocks = pd.concat([parts[0].assign(block=number, f1=number / 10) for number in (2, 1)])
    course = means(blocks, ["f1"], ["block"])
    assert course["block"].tolist() == [2, 1]
    assert course["f1"].tolist() == pytest.approx([0.2, 0.1])


def _differences(*parts: pd.DataFrame, pairs: Any) -> pd.DataFrame:
    return differences(pd.concat(parts), pairs, ["f1"], BOUNDS)


def test_differences_are_of_the_same_stream() -> None:
    always = _rows("always", 0, _values(0.5, 0.7, 0.2, 0.2, 0.9, 0.5))
    never = _rows("never", 0, _values(0.4, 0.4, 0.3, 0.3, 0.9, 0.9)).sample(frac=1.0, random_state=3)
    (row,) = _differences(always, never, pairs=[("always", "never")]).to_dict("records")
    mean, low, high = interval([0.2, -0.1, -0.2])
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((mean, low, high))
    assert (row["contrast"], row["metric"], row["streams"]) == ("always - never", "f1", 0)
    assert (row["sensors"], row["pairs"]) == (3, 6)


def test_a_repeat_that_one_of_them_lacks_is_no_pair() -> None:
    always = _rows("always", 0, _values(0.5, 0.7, 0.2, 0.2, 0.9, 0.5))
    warm = _rows("warm", 0, {(sensor, 0): 0.4 for sensor in "abc"})
    (row,) = differences(pd.concat([always, warm]), [("warm", "always")], ["f1"], ["warm", "always"]).to_dict("records")
    assert row["difference"] == pytest.approx(np.mean([-0.1, 0.2, -0.5]))
    assert (row["sensors"], row["pairs"]) == (3, 3)


def test_policies_are_compared_with_as_many_streams_each() -> None:
    los = [_rows("los", streams, _values(*[streams / 10] * 6)) for streams in (2, 4)]
    cloud = [_rows("cloud", streams, _values(*[streams / 100] * 6)) for streams in (4, 2, 6)]
    table = _differences(*los, *cloud, pairs=[("los", "cloud")])
    assert table["streams"].tolist() == [2, 4]
    assert table["difference"].tolist() == pytest.approx([0.18, 0.36])


@pytest.mark.parametrize("pair", [("los", "never"), ("never", "los")])
def test_a_bound_is_compared_with_every_number_of_streams(pair: tuple[str, str]) -> None:
    los = [_rows("los", streams, _values(*[streams / 10] * 6)) for streams in (2, 4)]
    never = _rows("never", 0, _values(*[0.1] * 6))
    table = _differences(*los, never, pairs=[pair])
    sign = 1 if pair[0] == "los" else -1
    assert table["streams"].tolist() == [2, 4]
    assert table["difference"].tolist() == pytest.approx([0.1 * sign, 0.3 * sign])


def test_what_was_not_run_is_left_out_and_data_and_thresholds_are_not_mixed() -> None:
    parts = [
        _rows(policy, 0, _values(*[value] * 6), data=data, threshold=threshold)
        for policy, value in (("always", 0.5), ("never", 0.1))
        for data in ("traffic", "control")
        for threshold in ("ema", "quantile")
        if (policy, data, threshold) != ("never", "control", "quantile")
    ]
    table = _differences(*parts, pairs=[("always", "never"), ("los", "never")])
    said = list(table[["data", "threshold"]].itertuples(index=False, name=None))
    assert said == [("traffic", "ema"), ("traffic", "quantile"), ("control", "ema")]
    assert table["difference"].tolist() == pytest.approx([0.4] * 3)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=6, max_size=6),
    st.floats(-1, 1),
)
def test_a_difference_is_that_of_the_means_and_turns_round(pairs: list[tuple[float, float]], shift: float) -> None:
    ones, others = (_values(*column) for column in zip(*pairs, strict=True))
    always, never = _rows("always", 0, ones), _rows("never", 0, others)
    there, back = (
        _differences(always, never, pairs=[pair]).iloc[0] for pair in (("always", "never"), ("never", "always"))
    )
    assert there["difference"] == pytest.approx(np.mean(list(ones.values())) - np.mean(list(others.values())))
    assert there["difference"] == pytest.approx(-back["difference"])
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))
    moved = _rows("always", 0, {key: value + shift for key, value in ones.items()})
    (further,) = _differences(moved, never, pairs=[("always", "never")])["difference"]
    assert further == pytest.approx(there["difference"] + shift)


def test_units_are_sensor_and_seed() -> None:
    assert UNIT == ["sensor", "seed"]
