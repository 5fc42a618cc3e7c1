import pandas as pd
import pytest

from edgeresearch.series.trace import Origin, Trace


def _trace(real: bool) -> Trace:
    frame = pd.DataFrame({"requests": [1.0, 2.0], "other": [3.0, 4.0]})
    return Trace("elb", frame, pd.Timedelta("5min"), "requests", Origin("registry", real=real))


def test_the_values_are_the_first_column() -> None:
    assert _trace(True).values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("real", "label"), [(True, "elb"), (False, "elb (synthetic)")])
def test_the_label_marks_what_is_not_real(real: bool, label: str) -> None:
    assert _trace(real).label == label


def test_a_trace_has_no_repairs_and_no_season_unless_told() -> None:
    trace = _trace(True)
    assert dict(trace.repairs) == {}
    assert trace.seasonality is None
