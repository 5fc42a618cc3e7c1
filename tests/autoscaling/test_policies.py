"""Autoscaling policies: from what is known at a decision to the pods wanted."""

import math
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.autoscaling.policies import (
    HPA,
    POLICIES,
    BuiltInPolicy,
    Combined,
    Fixed,
    Observation,
    Observations,
    Oracle,
    Quantile,
    ScalingPolicy,
    make_policy,
    policy_name,
    reads_forecast,
)
from edgeresearch.autoscaling.settings import ReplayConfig
from edgeresearch.autoscaling.simulator import Floats
from edgeresearch.errors import InputError

BLIND = [name for name in POLICIES if name != "oracle"]
PLAIN = ReplayConfig(q_max=10.0, target_utilisation=1.0, max_pods=1000)


def see(
    load: list[float] | Floats,
    forecast: list[float] | Floats | None = None,
    horizon: int = 2,
    sync_period: float = 15.0,
) -> Observations:
    forecast = load if forecast is None else forecast
    return Observations(np.asarray(load, float), np.asarray(forecast, float), PLAIN, sync_period, horizon)


def test_the_papers_rule_and_its_bounds() -> None:
    capacity = PLAIN.replace(q_max=25.0, target_utilisation=0.8)
    assert capacity.q_act == 20
    assert capacity.pods_for([0, 1, 20, 20.5, 40, 41]).tolist() == [0, 1, 1, 2, 2, 3]
    assert capacity.pods_for(15.0) == 1
    assert PLAIN.replace(min_pods=2, max_pods=4).bound([0, 2, 100]).tolist() == [2, 2, 4]


@given(pods=st.integers(1, 10**6), q_max=st.floats(1e-3, 1e6), share=st.sampled_from([0.8, 0.7, 1 / 3, 1.0]))
def test_a_whole_multiple_is_not_rounded_up(pods: int, q_max: float, share: float) -> None:
    capacity = PLAIN.replace(q_max=q_max, target_utilisation=share)
    load = pods * capacity.q_act
    for near in (np.nextafter(load, 0), load, np.nextafter(load, np.inf)):
        assert capacity.pods_for(near) == pods
    assert capacity.pods_for(load * (1 + 1e-9)) == pods + 1


def pods(load: list[float], policy: HPA | None = None, min_pods: int = 1, max_pods: int = 1000) -> list[int]:
    seen = replace(see(load), capacity=PLAIN.replace(min_pods=min_pods, max_pods=max_pods))
    answer: list[int] = (policy or HPA()).decide_all(seen).tolist()
    return answer


def control(
    needed: list[int], ratios: list[float], sync_period: int, hpa: HPA, min_pods: int, max_pods: int
) -> list[int]:
    """Follow Kubernetes' controller, function by function: all recommendations and all events, with their times."""
    current = min(max(needed[0], min_pods), max_pods)
    recommendations, events, result = [(0, current)], list[tuple[int, int]](), list[int]()
    for sync, pods in enumerate(needed):
        now = sync * sync_period
        # GetObjectPerPodMetricReplicas
        desired = current if abs(1 - ratios[sync] / current) <= hpa.tolerance else pods
        # stabilizeRecommendationWithBehaviors
        highest = max([desired, *(wanted for at, wanted in recommendations if at > now - hpa.stabilisation)])
        stable = min(max(current, desired), highest)
        recommendations.append((now, desired))
        # convertDesiredReplicasWithBehaviorRate, getReplicasChangePerPeriod
        began = current - sum(change for at, change in events if at > now - hpa.period)
        if stable > current:
            limit = max(began + hpa.up_pods, math.ceil(began * (100 + hpa.up_percent) / 100))
            stable = min(stable, max(limit, current), max_pods)
        elif stable < current:
            limit = math.floor(began * (100 - hpa.down_percent) / 100)
            stable = max(stable, min(limit, current), min_pods)
        events.append((now, stable - current))
        current = stable
        result.append(current)
    return result


def test_the_hpa_has_the_documented_defaults_and_checks_changes() -> None:
    hpa = HPA()
    assert (hpa.tolerance, hpa.stabilisation, hpa.period) == (0.1, 300, 15)
    assert (hpa.up_percent, hpa.up_pods, hpa.down_percent) == (100, 4, 100)
    for wrong in ({"tolerance": -0.1}, {"up_pods": -4}, {"down_percent": 120}, {"period": 0}, {"windw": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            HPA(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("load", "policy", "bounds", "expected"),
    [
        pytest.param(
            [100, 109.9, 110, 110.1, 91], HPA(), {}, [10, 10, 10, 12, 12], id="small deviations are tolerated"
        ),
        pytest.param([10] + [1000] * 7, HPA(), {}, [1, 5, 10, 20, 40, 80, 100, 100], id="up by four pods or double"),
        pytest.param([100] * 2 + [10] * 25, HPA(), {}, [10] * 21 + [1] * 6, id="down after the window"),
        pytest.param([100, 10, 10], HPA(stabilisation=0), {}, [10, 1, 1], id="down at once without a window"),
        pytest.param(
            *([100.0] + [10] * 15 + [60] + [10] * 25, HPA(), {}, [10] * 20 + [6] * 16 + [1] * 6),
            id="a short peak starts the window anew",
        ),
        pytest.param(
            *([100] + [10] * 5, HPA(stabilisation=0, down_percent=50), {}, [10, 5, 2, 1, 1, 1]), id="down by a share"
        ),
        pytest.param(
            *([10] + [1000] * 6, HPA(period=30), {}, [1, 5, 5, 10, 10, 20, 20]), id="a period limits several syncs"
        ),
        pytest.param([0, 500, 500, 500], HPA(), {"min_pods": 2, "max_pods": 7}, [2, 6, 7, 7], id="bounds"),
        pytest.param([0, 0, 0], HPA(), {}, [1, 1, 1], id="no load needs the minimum"),
    ],
)
def test_the_hpa_scales_as_kubernetes_does(
    load: list[float], policy: HPA, bounds: dict[str, int], expected: list[int]
) -> None:
    assert pods(load, policy, **bounds) == expected


LOADS = st.lists(
    st.tuples(st.integers(0, 400) | st.sampled_from([0, 10, 200]), st.integers(1, 30)), min_size=1, max_size=20
).map(lambda runs: [float(load) for load, syncs in runs for _ in range(syncs)])
"""Loads that stay for some syncs: only then does a window of many syncs matter."""


@given(
    LOADS,
    st.integers(1, 130),
    st.sampled_from([(1, 1000), (2, 20)]),
    st.just({})
    | st.fixed_dictionaries(
        {
            "stabilisation": st.sampled_from([0, 1, 45, 300]) | st.integers(0, 3600),
            "period": st.sampled_from([15, 60]) | st.integers(1, 1800),
            "down_percent": st.sampled_from([100, 30, 0]),
            "up_percent": st.sampled_from([100, 10, 0]),
            "up_pods": st.sampled_from([4, 0]),
        }
    ),
)
@settings(max_examples=400)
def test_the_hpa_equals_kubernetes_controller_at_every_sync_period(
    load: list[float], sync_period: int, bounds: tuple[int, int], changes: dict[str, Any]
) -> None:
    hpa = HPA(tolerance=0.125, **changes)  # which is exact in binary, as loads are: nothing hangs on the last bit
    capacity = PLAIN.replace(q_max=8.0, min_pods=bounds[0], max_pods=bounds[1])
    seen = replace(see(load, sync_period=sync_period), capacity=capacity)
    needed, ratios = [math.ceil(each / 8) for each in load], [each / 8 for each in load]
    expected = control(needed, ratios, sync_period, hpa, *bounds)
    assert hpa.decide_all(seen).tolist() == expected


@pytest.mark.parametrize(
    ("sync_period", "last"),
    [(7, 42), (9, 33), (13, 23), (15, 19), (90, 3), (100, 2), (120, 2), (130, 2), (299, 1), (300, 0), (0.1, 2999)],
)
def test_what_is_younger_than_five_minutes_holds_against_scaling_down(sync_period: float, last: int) -> None:
    seen = see([200.0] + [10.0] * (last + 2), sync_period=sync_period)
    assert HPA().decide_all(seen).tolist() == [20] * (last + 1) + [1] * 2


def test_a_limit_takes_nothing_back() -> None:
    """Four more than the 1 of a minute ago are allowed: no reason to remove 15 of 20 where 30 are needed."""
    hpa = HPA(stabilisation=0, period=60)
    assert pods([400, 10, 10, 200, 200, 300], hpa) == [40, 1, 1, 20, 20, 20]
    hpa = HPA(stabilisation=0, period=60, up_percent=1000, down_percent=50)  # half of 40 is no reason to add 15
    assert pods([50, 400, 50, 50, 50, 20], hpa) == [5, 40, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (make_policy("advance"), [4, 4, 2, 1]),
        (make_policy("responsive"), [2, 4, 4, 2]),
        (make_policy("combined"), [4, 4, 4, 2]),
        (make_policy("quantile"), [4, 4, 4, 2]),
        (make_policy("fixed"), [2, 2, 2, 2]),
        (Fixed(pods=7), [7, 7, 7, 7]),
    ],
)
def test_the_policies_on_a_hill(policy: BuiltInPolicy, expected: list[int]) -> None:
    assert policy.decide_all(see([15, 35, 40, 15], [35, 40, 15, 5])).tolist() == expected


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=30))
def test_combined_expands_for_either_and_shrinks_for_both(loads: list[tuple[float, float]]) -> None:
    seen = see(*(list(column) for column in zip(*loads, strict=True)))
    each = np.stack([POLICIES[name]().decide_all(seen) for name in ("advance", "responsive")])
    np.testing.assert_array_equal(Combined().decide_all(seen), each.max(axis=0))


def test_the_oracle_needs_the_future() -> None:
    with pytest.raises(InputError, match="let `replay` make the observations"):
        Oracle().decide_all(see([1]))


@pytest.mark.parametrize("name", POLICIES)
def test_one_decision_is_the_last_of_all_and_no_future_value_reaches_it(name: str) -> None:
    rng = np.random.default_rng(3)
    load, forecast = rng.gamma(2, 40, (2, 80))
    policy = Quantile(target=0.1, memory=20) if name == "quantile" else make_policy(name)
    seen = replace(see(load, forecast), peak=load + 5)
    whole = policy.decide_all(seen)
    for decision in (0, 1, 17, 79):
        assert policy.decide(Observation(seen.until(decision), 1)) == whole[decision]
    changed = see(np.r_[load[:40], rng.gamma(2, 90, 40)], np.r_[forecast[:40], rng.gamma(2, 90, 40)])
    np.testing.assert_array_equal(policy.decide_all(replace(changed, peak=seen.peak))[:40], whole[:40])


@pytest.mark.parametrize("name", POLICIES)
def test_policies_say_whether_they_read_a_forecast(name: str) -> None:
    load = np.random.default_rng(0).gamma(2, 40, 80)
    plain, doubled = (make_policy(name).decide_all(replace(see(load, each), peak=load)) for each in (load, 2 * load))
    assert reads_forecast(make_policy(name)) == bool((plain != doubled).any())


@given(
    st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 12), st.integers(10, 150), st.sampled_from([0, 0.05, 1])
)
def test_the_margin_is_the_rolling_quantile_to_the_last_bit(
    seed: int, decisions: int, horizon: int, memory: int, target: float
) -> None:
    load, forecast = np.random.default_rng(seed).gamma(2, 30, (2, decisions)).round(1)
    errors = np.full(decisions, np.nan)
    errors[horizon:] = load[horizon:] - forecast[:-horizon]
    rolling = pd.Series(errors).rolling(memory, min_periods=memory // 10)
    expected = rolling.quantile(1 - target, interpolation="higher").fillna(0.0)
    margin = Quantile(target=target, memory=memory).margin(see(load, forecast, horizon))
    np.testing.assert_array_equal(margin, expected)


@pytest.mark.parametrize("target", [0.02, 0.1, 0.3])
def test_the_target_error_is_met_where_errors_repeat(target: float) -> None:
    horizon = 3
    load = 200 + np.random.default_rng(1).normal(0, 20, 20_000)
    forecast = np.full(len(load), 200.0)
    bound = forecast + Quantile(target=target, memory=2000).margin(see(load, forecast, horizon))
    assert (load[5000 + horizon :] > bound[5000:-horizon]).mean() == pytest.approx(target, rel=0.15)


class Twice:
    """A user's own policy: no base class, one method."""

    def decide(self, observation: Observation) -> int:
        return 2 * observation.pods_for(observation.load)


def test_what_one_observation_tells() -> None:
    seen = see([15, 35, 40], [35, 40, 15])
    now = Observation(seen.until(1), pods=3)
    assert (now.load, now.forecast, now.time, now.pods, now.pods_for(41)) == (35, 40, 15, 3, 5)
    assert now.history.load.tolist() == [15, 35]
    assert seen.peak is None
    with pytest.raises(FrozenInstanceError):
        now.pods = 2  # type: ignore[misc]


def test_policies_by_name_and_names_of_policies() -> None:
    assert isinstance(Twice(), ScalingPolicy)
    assert not isinstance(object(), ScalingPolicy)
    assert reads_forecast(Twice())
    message = r"unknown strategy 'respnsive'; did you mean responsive\?; known: advance, resp"
    with pytest.raises(InputError, match=message):
        make_policy("respnsive")
    for name in POLICIES:
        assert policy_name(make_policy(name)) == name
    own = Twice()
    assert policy_name(own) == "twice"
    own.name = "double"  # type: ignore[attr-defined]
    assert policy_name(own) == "double"
    assert policy_name(HPA(stabilisation=60)) == "hpa(stabilisation=60.0)"
