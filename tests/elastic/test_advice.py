import pandas as pd
import pytest

from edgeresearch.elastic.advice import Advice, advise, label


def told(*rows: tuple[str, str, float, float]) -> Advice:
    return advise(pd.DataFrame(rows, columns=["strategy", "forecaster", "error_percent", "pod_hours"]))


RESPONSIVE = ("responsive", "", 11.2, 109.6)
HPA = ("hpa", "", 3.4, 124.0)


def test_the_fewest_pod_hours_near_the_lowest_error_rate() -> None:
    advice = told(RESPONSIVE, HPA, ("combined", "lstm", 3.1, 114.0), ("combined", "last_value", 5.0, 110.0))
    assert (advice.strategy, advice.forecaster) == ("combined", "lstm")
    assert advice.line == (
        "combined with lstm: 3.1 % errors at 114.0 pod-hours, 4.0 % more pod-hours than responsive (11.2 % errors), "
        "8.1 % fewer than hpa (3.4 %); with the last value instead: 5.0 % at 110.0; rule: fewest pod-hours (simplest "
        "within 1 %) at most 0.5 points above the lowest error rate of a strategy that scales"
    )


def test_the_oracle_is_neither_advised_nor_the_measure() -> None:
    advice = told(RESPONSIVE, HPA, ("oracle", "", 0.0, 50.0))
    assert advice.strategy == "hpa"
    assert advice.line.startswith("hpa: 3.4 % errors at 124.0 pod-hours, 13 % more pod-hours than responsive (11.2")
    assert "forecast" not in advice.line


@pytest.mark.parametrize(("hours", "strategy"), [(99.5, "responsive"), (98.5, "advance")])
def test_a_forecast_must_save_what_it_is_worth(hours: float, strategy: str) -> None:
    rows = [("advance", "ridge", 3.0, hours), ("advance", "last_value", 3.0, 100.0), ("responsive", "", 3.0, 100.0)]
    advice = told(*rows, ("hpa", "", 3.0, 100.0))
    assert advice.strategy == strategy
    if strategy == "responsive":
        assert ", as many pod-hours as hpa (3.0 % errors); the best on a model's forecast, advance with" in advice.line


def test_fixed_is_advised_only_where_it_is_cheap() -> None:
    assert told(RESPONSIVE, HPA, ("fixed", "", 3.0, 500.0), ("quantile", "lstm", 3.6, 130.0)).strategy == "hpa"
    assert told(RESPONSIVE, HPA, ("fixed", "", 3.0, 500.0)).strategy == "hpa"
    assert told(RESPONSIVE, HPA, ("fixed", "", 3.8, 100.0)).strategy == "fixed"


def test_a_label_says_the_forecaster() -> None:
    assert label("quantile", "last_value") == "quantile with last value"
    assert label("hpa", "") == "hpa"
