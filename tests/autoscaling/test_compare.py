"""Several policies on one trace: replayed alike, compared, advised."""

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.api import OWN_TRACE, advise, label
from edgeresearch.autoscaling.policies import Advance, Fixed, Responsive, ScalingPolicy
from edgeresearch.autoscaling.replay import (
    GAP,
    PolicyRun,
    average_periods,
    mark_load_phases,
    replay_policies,
    total_errors,
)
from edgeresearch.autoscaling.simulator import simulate


def advise_on(*rows: tuple[str, str, float, float]) -> tuple[tuple[str, str], str]:
    return advise(pd.DataFrame(rows, columns=["strategy", "forecaster", "error_percent", "pod_hours"]))


RESPONSIVE = ("responsive", "", 11.2, 109.6)
HPA = ("hpa", "", 3.4, 124.0)


def test_the_fewest_pod_hours_near_the_lowest_error_rate() -> None:
    pair, line = advise_on(RESPONSIVE, HPA, ("combined", "lstm", 3.1, 114.0), ("combined", "last_value", 5.0, 110.0))
    assert pair == ("combined", "lstm")
    assert line == (
        "combined with lstm: 3.1 % errors at 114.0 pod-hours, 4.0 % more pod-hours than responsive (11.2 % errors), "
        "8.1 % fewer than hpa (3.4 %); with the last value instead: 5.0 % at 110.0; rule: fewest pod-hours (simplest "
        "within 1 %) at most 0.5 points above the lowest error rate of a strategy that scales"
    )


def test_the_oracle_is_neither_advised_nor_the_measure() -> None:
    pair, line = advise_on(RESPONSIVE, HPA, ("oracle", "", 0.0, 50.0))
    assert pair == ("hpa", "")
    assert line.startswith("hpa: 3.4 % errors at 124.0 pod-hours, 13 % more pod-hours than responsive (11.2")
    assert "forecast" not in line


@pytest.mark.parametrize(("hours", "strategy"), [(99.5, "responsive"), (98.5, "advance")])
def test_a_forecast_must_save_what_it_is_worth(hours: float, strategy: str) -> None:
    rows = [("advance", "ridge", 3.0, hours), ("advance", "last_value", 3.0, 100.0), ("responsive", "", 3.0, 100.0)]
    (advised, _), line = advise_on(*rows, ("hpa", "", 3.0, 100.0))
    assert advised == strategy
    if strategy == "responsive":
        assert ", as many pod-hours as hpa (3.0 % errors); the best on a model's forecast, advance with" in line


def test_fixed_is_advised_only_where_it_is_cheap() -> None:
    assert advise_on(RESPONSIVE, HPA, ("fixed", "", 3.0, 500.0), ("quantile", "lstm", 3.6, 130.0))[0] == ("hpa", "")
    assert advise_on(RESPONSIVE, HPA, ("fixed", "", 3.0, 500.0))[0] == ("hpa", "")
    assert advise_on(RESPONSIVE, HPA, ("fixed", "", 3.8, 100.0))[0] == ("fixed", "")


def test_a_label_says_the_forecaster() -> None:
    assert label("quantile", "last_value") == "quantile with last value"
    assert label("hpa", "") == "hpa"


CONFIG = OWN_TRACE.replace(start_spread=10.0)
ARRIVALS = np.random.default_rng(0).poisson(100 + 80 * np.sin(np.arange(3610) / 200))


def replayed(policies: dict[str, ScalingPolicy], **forecasts: None) -> list[PolicyRun]:
    return list(replay_policies(policies, ARRIVALS, forecasts, CONFIG, seed=np.random.SeedSequence(1)))


def test_a_policy_that_reads_forecasts_runs_with_each_any_other_once_and_all_with_the_same_seed() -> None:
    runs = replayed({"advance": Advance(), "responsive": Responsive()}, ridge=None, last_value=None)
    assert [(run.strategy, run.forecaster) for run in runs] == [
        *(("advance", "ridge"), ("advance", "last_value"), ("responsive", "")),
    ]
    for run in runs[1:]:  # the last value makes advance responsive
        np.testing.assert_array_equal(run.result.ready, runs[0].result.ready)
        assert run.result.error_percent == runs[0].result.error_percent


def test_totals_split_errors_by_cause_and_phase_and_periods_are_means() -> None:
    (run,) = replayed({"responsive": Responsive()})
    totals = total_errors(run.result, mark_load_phases(ARRIVALS, CONFIG))
    causes = totals["overload_percent"] + totals["base_percent"] + totals["drain_percent"]
    assert causes == pytest.approx(totals["error_percent"])
    assert totals["expansion_error_percent"] > totals["stable_error_percent"]
    periods = average_periods(run.result, CONFIG)
    assert len(periods) == 241
    assert periods["load"].iloc[[0, -1]].tolist() == [ARRIVALS[:15].mean(), ARRIVALS[-10:].mean()]
    assert periods["ready"].iloc[0] == periods["wanted"].iloc[0]
    failed = (periods["failed"] * np.r_[np.full(240, 15), 10]).sum()
    assert failed == pytest.approx(totals["error_percent"] / 100 * ARRIVALS.sum())
    assert periods["cpu"].between(0, 100).all()


def test_what_is_in_gaps_does_not_count() -> None:
    (run,) = replayed({"responsive": Responsive()})
    phases = mark_load_phases(ARRIVALS, CONFIG)
    whole = total_errors(run.result, phases)
    assert (whole["error_percent"], whole["pod_hours"]) == (run.result.error_percent, run.result.pod_hours)
    late = np.arange(len(ARRIVALS)) >= 1000
    part, rest = (total_errors(run.result, np.where(gone, GAP, phases).astype(np.int8)) for gone in (late, ~late))
    failed = part["error_percent"] * ARRIVALS[:1000].sum() + rest["error_percent"] * ARRIVALS[1000:].sum()
    assert failed / ARRIVALS.sum() == pytest.approx(whole["error_percent"])
    assert part["pod_hours"] + rest["pod_hours"] == pytest.approx(whole["pod_hours"])


def test_where_nothing_arrived_nothing_failed() -> None:
    result = simulate(np.zeros(100), np.ones(100), CONFIG, rng=np.random.default_rng(0))
    totals = total_errors(result, mark_load_phases(result.arrived, CONFIG))
    assert [totals[f"{cause}_percent"] for cause in ("error", "overload", "base", "drain")] == [0, 0, 0, 0]
    assert np.isnan(totals["stable_error_percent"]) and totals["pod_hours"] == 100 / 3600


def test_fixed_pods_cost_their_hours() -> None:
    (run,) = replayed({"fixed": Fixed(pods=40)})
    assert set(average_periods(run.result, CONFIG)["wanted"]) == {40}
    assert run.result.pod_hours == pytest.approx(40 * 3610 / 3600)
