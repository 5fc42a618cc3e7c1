"""What is known of a job from its past trainings: runtime models, limits, worst cases."""

import itertools
import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from edgeresearch.scheduling import runtime_model
from edgeresearch.scheduling.messages import TrainingReport
from edgeresearch.scheduling.runtime_model import (
    BOUNDS,
    Curve,
    JobHistory,
    RuntimeModel,
    WorstCase,
    complete,
    fit,
    grid_fit,
    residual,
)
from edgeresearch.scheduling.settings import Fitting, LimitRule, Limits

TRUE = Curve(42459.8, 20.0, 1.2, 13.0)
LIMITS = [400.0, 360.0, 324.0, 292.0, 262.0, 236.0, 212.0, 191.0, 172.0, 155.0, 139.0, 125.0]
ABOVE = st.floats(1, 5000)

curves = st.builds(
    lambda level, b, c, d: Curve(level * (300 + b) ** c, b, c, d),
    level=st.floats(10, 300),
    b=st.floats(0, 200),
    c=st.floats(0.5, 2.0),
    d=st.floats(0, 50),
)


def seen(curve: Curve, limits: Sequence[float], noise: Sequence[float] = ()) -> list[float]:
    return [curve.seconds(r) * factor for r, factor in itertools.zip_longest(limits, noise, fillvalue=1.0)]


def off(found: Curve, true: Curve, limits: Sequence[float]) -> float:
    return max(abs(found.seconds(r) / true.seconds(r) - 1) for r in limits)


def cost(curve: Curve, limits: Sequence[float], seconds: Sequence[float]) -> float:
    return sum((curve.seconds(r) / t - 1) ** 2 for r, t in zip(limits, seconds, strict=True))


def test_eq_1_by_hand() -> None:
    curve = Curve(a=8000.0, b=100.0, c=1.0, d=10.0)
    assert curve.seconds(100) == pytest.approx(50)
    assert curve.limit(50) == pytest.approx(100)
    assert curve.busy(100) == pytest.approx(40)
    assert Curve(9.0e4, 0.0, 2.0, 0.0).seconds(30) == pytest.approx(100)


def test_no_limit_is_enough_for_less_than_d() -> None:
    assert TRUE.limit(13.0) == TRUE.limit(5.0) == math.inf
    assert TRUE.limit(1e9) == 0.0  # b is more than that needs


@given(curve=curves, limit=ABOVE)
def test_a_curves_limit_undoes_its_seconds(curve: Curve, limit: float) -> None:
    assert curve.limit(curve.seconds(limit)) == pytest.approx(limit, rel=1e-4, abs=1e-3)


@given(curve=curves, low=ABOVE, high=ABOVE)
def test_more_cpu_takes_less_time_and_shortens_the_busy_part_alone(curve: Curve, low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert curve.seconds(low) >= curve.seconds(high) >= curve.d
    assert curve.busy(low) >= curve.busy(high) > 0
    assert curve.seconds(low) == curve.busy(low) + curve.d


def test_eq_2_adds_up() -> None:
    assert complete(100, 0, 4 + 1) == 105
    assert complete(100, 2.5, 4 + 1) == 107.5


@settings(max_examples=40)
@given(curve=curves, data=st.data())
def test_a_fit_of_runs_without_noise_predicts_them_all(curve: Curve, data: st.DataObject) -> None:
    limits = data.draw(st.lists(st.integers(50, 1000).map(float), min_size=8, max_size=24, unique=True))
    assert off(fit(limits, seen(curve, limits)), curve, limits) < 0.01


@pytest.mark.parametrize("fitted", [fit, grid_fit])
def test_a_fit_of_noisy_runs_is_nearer_to_the_truth_than_they_are(
    fitted: Callable[[Sequence[float], Sequence[float]], Curve],
) -> None:
    rng = np.random.default_rng(0)
    limits = np.geomspace(100, 800, 24).tolist()
    errors, noises = [], []
    for _ in range(40):
        noise = np.exp(0.2 * rng.standard_normal(24))
        found = fitted(limits, seen(TRUE, limits, noise.tolist()))
        errors += [abs(found.seconds(r) / TRUE.seconds(r) - 1) for r in limits]
        noises += np.abs(noise - 1).tolist()
    assert statistics.mean(errors) < 0.5 * statistics.mean(noises)


@pytest.mark.parametrize("seed", range(3))
def test_a_fit_is_no_worse_than_scipys_curve_fit_from_the_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = list(np.geomspace(60, 900, 20))
    seconds = seen(TRUE, limits, np.exp(0.1 * rng.standard_normal(20)).tolist())

    def eq1(r: np.ndarray, a: float, b: float, c: float, d: float) -> np.ndarray:
        return np.asarray(a * (r + b) ** -c + d)

    low, high = (list(bound) for bound in zip(*BOUNDS.values(), strict=True))
    other, _ = curve_fit(eq1, limits, seconds, p0=TRUE, sigma=seconds, bounds=(low, high), x_scale=[1e4, 50, 0.5, 10])
    assert cost(fit(limits, seconds), limits, seconds) <= 1.02 * cost(Curve(*other), limits, seconds)


@settings(max_examples=60)
@given(runs=st.lists(st.tuples(st.floats(50, 2000), st.floats(1, 2000)), min_size=1, max_size=24))
def test_a_fit_stays_within_its_bounds_whatever_it_is_given(runs: list[tuple[float, float]]) -> None:
    limits, seconds = zip(*runs, strict=True)
    for value, (low, high) in zip(fit(limits, seconds), BOUNDS.values(), strict=True):
        assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)


@settings(max_examples=40)
@given(curve=curves, first=st.integers(100, 1000), runs=st.integers(4, 20))
def test_a_grid_fit_is_close_where_runs_were(curve: Curve, first: int, runs: int) -> None:
    limits = [first * 0.9**k for k in range(runs)]  # as limits move in truth
    assert off(grid_fit(limits, seen(curve, limits)), curve, limits) < 0.15


@pytest.mark.parametrize("seed", range(4))
def test_refining_a_grid_fit_never_makes_it_worse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds = seen(TRUE, LIMITS, np.exp(0.15 * rng.standard_normal(len(LIMITS))).tolist())
    assert cost(fit(LIMITS, seconds), LIMITS, seconds) <= cost(grid_fit(LIMITS, seconds), LIMITS, seconds) + 1e-6


@pytest.mark.parametrize("fitted", [fit, grid_fit])
def test_less_than_three_limits_give_time_that_falls_as_they_grow(
    fitted: Callable[[Sequence[float], Sequence[float]], Curve],
) -> None:
    assert fitted([400.0], [60.0]) == pytest.approx(Curve(24_000, 0, 1, 0))
    a, b, c, d = fitted([100.0, 400.0, 400.0], [200.0, 60.0, 60.0])
    assert (b, c, d) == (0, 1, 0)
    assert a == pytest.approx(statistics.geometric_mean([20_000, 24_000, 24_000]))


def test_time_that_grows_with_the_limit_is_still_fitted_by_a_falling_curve() -> None:
    curve = grid_fit([100.0, 200.0, 400.0], [50.0, 100.0, 200.0])
    assert curve.d == 0
    assert curve.seconds(100) > curve.seconds(400) > 0


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [([], []), ([100.0], []), ([100.0, 200.0], [5.0]), ([0.0], [5.0]), ([100.0], [0.0]), ([math.nan], [1.0])],
)
def test_a_fit_needs_runs(limits: list[float], seconds: list[float]) -> None:
    with pytest.raises(ValueError, match="equally many and above 0"):
        fit(limits, seconds)


def model_of(limits: Sequence[float], fitting: Fitting | None = None, curve: Curve = TRUE) -> RuntimeModel:
    model = RuntimeModel(fitting or Fitting())
    for limit in limits:
        model.add(limit, curve.seconds(limit))
    return model


def test_a_model_waits_for_enough_runs() -> None:
    model = model_of(LIMITS[:2], Fitting(min_runs=3))
    assert (model.curve, model.error) == (None, math.inf)
    model.add(LIMITS[2], TRUE.seconds(LIMITS[2]))
    assert model.curve is not None and model.error < math.inf


def test_a_model_learns_online() -> None:
    model = RuntimeModel(Fitting())
    errors = []
    for limit in LIMITS * 3:
        if model.curve is not None:
            errors.append(abs(model.curve.seconds(limit) / TRUE.seconds(limit) - 1))
        model.add(limit, TRUE.seconds(limit))
    assert max(errors[:3]) > 0.01
    assert max(errors[-12:]) < 0.1
    assert model.error < 0.05


def test_a_model_keeps_the_newest_runs() -> None:
    model = model_of([float(r) for r in range(100, 110)], Fitting(max_runs=4))
    assert list(model.limits) == [106, 107, 108, 109]
    assert list(model.seconds) == [TRUE.seconds(r) for r in model.limits]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which fits were made, by the real functions."""
    made: list[str] = []
    for name, real in (("grid_fit", grid_fit), ("fit", fit)):

        def noted(
            limits: Sequence[float],
            seconds: Sequence[float],
            name: str = name,
            real: Callable[[Sequence[float], Sequence[float]], Curve] = real,
        ) -> Curve:
            made.append(name)
            return real(limits, seconds)

        monkeypatch.setattr(runtime_model, name, noted)
    return made


def test_a_model_is_fitted_anew_only_as_the_runs_double_if_it_predicts_well(fits: list[str]) -> None:
    model = RuntimeModel(Fitting())
    counts = []
    for _ in range(64):
        model.add(200.0, 100.0)
        counts.append(len(fits))
    assert [i + 1 for i, count in enumerate(counts) if count > (counts[i - 1] if i else 0)] == [1, 2, 4, 8, 16, 32, 64]
    assert set(fits) == {"grid_fit"}


def test_a_bad_prediction_makes_a_new_fit(fits: list[str]) -> None:
    model = RuntimeModel(Fitting(tolerance=0.1))
    for _ in range(5):
        model.add(200.0, 100.0)
    before = len(fits)
    model.add(200.0, 109.0)
    assert len(fits) == before
    model.add(200.0, 150.0)
    assert len(fits) == before + 1
    assert model.curve is not None
    assert model.curve.seconds(200.0) == pytest.approx((100**5 * 109 * 150) ** (1 / 7))


def test_scipy_refines_only_as_the_runs_double(fits: list[str]) -> None:
    rng = np.random.default_rng(0)
    model = RuntimeModel(Fitting(tolerance=0.05))
    refined = []
    for number in range(1, 33):
        before = fits.count("fit")
        limit = float(rng.uniform(100, 900))
        model.add(limit, TRUE.seconds(limit) * float(np.exp(0.3 * rng.standard_normal())))
        if fits.count("fit") > before:
            refined.append(number)
    assert refined == [4, 8, 16, 32]
    assert fits.count("grid_fit") > 10


def test_the_error_is_the_root_mean_square_of_the_relative_errors() -> None:
    model = RuntimeModel(Fitting())
    model.add(100.0, 100.0)
    model.add(100.0, 106.0)
    middle = math.sqrt(100 * 106)
    assert model.error == pytest.approx(math.sqrt(((middle / 100 - 1) ** 2 + (middle / 106 - 1) ** 2) / 2))


@pytest.mark.parametrize(
    ("limit", "beyond"), [(200, 1.0), (100, 1.0), (400, 1.0), (800, 2.0), (50, 2.0), (25, 4.0), (440, 1.1)]
)
def test_a_model_says_how_far_it_extrapolates(limit: float, beyond: float) -> None:
    assert model_of([100.0, 250.0, 400.0]).extrapolation(limit) == pytest.approx(beyond)


@given(
    limits=st.lists(st.floats(50, 1000) | st.sampled_from([100.0, 200.0]), min_size=1, max_size=30),
    max_runs=st.integers(1, 6),
    limit=ABOVE,
)
@settings(max_examples=60)
def test_extrapolation_is_told_from_the_extremes(limits: list[float], max_runs: int, limit: float) -> None:
    model = RuntimeModel(Fitting(max_runs=max_runs, min_runs=100))
    for number, each in enumerate(limits):
        model.add(each, 1.0 + number)
    last = limits[-max_runs:]
    assert model.limits == last
    assert model.seconds == [1.0 + number for number in range(len(limits))][-max_runs:]
    assert model.extrapolation(limit) == max(1.0, limit / max(last), min(last) / limit)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_the_worst_case_is_the_mean_and_two_standard_deviations(values: list[float]) -> None:
    case = WorstCase()
    for value in values:
        case.add(value)
    assert case.count == len(values)
    expected = statistics.mean(values) + 2 * statistics.stdev(values)
    assert case.bound == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_worst_case_covers_nearly_all_that_is_gaussian(seed: int) -> None:
    values = np.random.default_rng(seed).normal(64, 4, 400)
    case = WorstCase()
    for value in values:
        case.add(float(value))
    assert 0.93 < np.mean(values <= case.bound) < 1


Known = Callable[..., JobHistory]
Make = Callable[..., TrainingReport]


def test_a_job_without_a_past_is_cold() -> None:
    known = JobHistory(Limits(), Fitting())
    assert known.cold
    assert known.curve("edge") is None
    assert (known.models, known.limits) == ({}, {})
    assert (known.memory.bound, known.megabytes.bound, known.overhead.bound) == (0, 0, 0)


def test_the_first_run_ends_the_cold_start_of_its_node_class(make_known: Known) -> None:
    known = make_known({"kind": "fog"})
    assert not known.cold
    assert known.curve("edge") is None
    curve = known.curve("fog")
    assert curve is not None
    assert curve.seconds(400) == pytest.approx(100)


@pytest.mark.parametrize("enough", [1, 2, 5])
def test_the_cold_start_lasts_until_one_class_has_enough_runs(make_known: Known, enough: int) -> None:
    runs = [{"kind": kind} for kind in ("edge", "fog") for _ in range(enough - 1)]
    known = make_known(*runs, fitting=Fitting(min_runs=enough))
    assert known.cold
    known = make_known(*runs, {"kind": "fog"}, fitting=Fitting(min_runs=enough))
    assert not known.cold
    assert known.curve("edge") is None or enough == 1


def test_limits_follow_by_node(make_known: Known) -> None:
    known = make_known(
        {"node": 1, "limit": 200.0}, {"node": 2, "limit": 200.0, "complete": 241.0}, {"node": 1, "limit": 180.0}
    )
    assert known.limits == pytest.approx({1: 162, 2: 220})


def test_a_run_that_ends_with_the_period_met_it(make_known: Known) -> None:
    assert make_known({"complete": 240.0, "period": 240.0}).limits[0] == pytest.approx(360)
    assert make_known({"complete": 240.1, "period": 240.0}).limits[0] == pytest.approx(440)


def test_a_run_that_was_squeezed_sets_the_limit_that_the_next_one_starts_from(make_known: Known) -> None:
    # 300 millicores were planned, 100 were free: the paper adapts what the previous training had.
    known = make_known({"limit": 300.0 / 0.9}, {"limit": 100.0})
    assert known.limits[0] == pytest.approx(90)


def test_worst_cases_cover_all_nodes(make_known: Known) -> None:
    sent = [0.5, 0.7, 0.6]
    runs = [{"node": i, "memory": 60.0 + i, "megabytes": m, "overhead": 5.0} for i, m in enumerate(sent)]
    known = make_known(*runs)
    assert known.megabytes.bound == pytest.approx(statistics.mean(sent) + 2 * statistics.stdev(sent))
    assert known.memory.bound == pytest.approx(61 + 2)
    assert known.overhead.bound == 5


@given(
    runs=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["edge", "fog"]), st.floats(50, 1000), st.floats(1, 600)),
        max_size=20,
    )
)
def test_whatever_ran_the_history_is_sound(make_known: Known, runs: list[tuple[int, str, float, float]]) -> None:
    limits = Limits(floor=50)
    known = make_known(
        *({"node": n, "kind": k, "limit": r, "seconds": t, "complete": t + 5} for n, k, r, t in runs), limits=limits
    )
    assert known.cold == (not runs)
    assert set(known.limits) == {run[0] for run in runs}
    assert all(limits.floor <= limit <= limits.ceiling for limit in known.limits.values())
    assert sum(len(model.limits) for model in known.models.values()) == len(runs)
    for kind in known.models:
        curve = known.curve(kind)
        assert curve is not None
        assert all(part >= 0 and math.isfinite(part) for part in curve)


def test_it_says_how_far_a_class_extrapolates(make_known: Known) -> None:
    known = make_known({"kind": "fog", "limit": 200.0}, {"kind": "fog", "limit": 100.0})
    assert known.extrapolation("fog", 150) == 1
    assert known.extrapolation("fog", 600) == pytest.approx(3)
    assert known.extrapolation("edge", 600) is None
    assert make_known({"kind": "fog"}, fitting=Fitting(min_runs=2)).extrapolation("fog", 400) is None


MEGABYTES = st.floats(0, 1e5)


@given(st.lists(st.tuples(st.booleans(), MEGABYTES), max_size=8), MEGABYTES)
def test_what_is_needed_is_the_worst_case_and_more_than_ever_failed(
    make_report: Make, past: list[tuple[bool, float]], free: float
) -> None:
    known = JobHistory(Limits(), Fitting())
    for failed, memory in past:
        if failed:
            known.start_failed(memory)
        else:
            known.learn(make_report(memory=memory))
    tried = [memory for failed, memory in past if failed]
    for there in (free, known.memory.bound, *tried, *(math.nextafter(memory, math.inf) for memory in tried)):
        assert (there >= known.memory_needed) == (there >= known.memory.bound and there > max(tried, default=-1.0))


RULES: Sequence[LimitRule] = ("period", "utilisation")
SHARES = st.floats(0, 1)


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    floor = draw(st.floats(1, 200))
    return Limits(
        rule=draw(st.sampled_from(RULES)),
        first=draw(st.floats(0.05, 0.99)),
        down=draw(st.floats(0.5, 0.99)),
        up=draw(st.floats(1.01, 2)),
        target=draw(st.floats(0.01, 0.99)),
        floor=floor,
        ceiling=floor * draw(st.floats(1, 20)),
    )


def test_the_first_run_gets_85_percent_of_what_is_free() -> None:
    limits = Limits()
    assert limits.initial(470) == pytest.approx(399.5)  # the paper's first 400 millicores
    assert limits.initial(530) == pytest.approx(450.5)


def test_the_first_limit_keeps_floor_ceiling_and_what_is_free() -> None:
    limits = Limits(floor=50, ceiling=1000)
    assert limits.initial(55) == 50
    assert limits.initial(4000) == 1000
    assert limits.initial(30) == 30  # below the floor: no room for a training


@pytest.mark.parametrize(
    ("rule", "met", "utilisation", "following"),
    [
        ("period", True, 0.5, 180),
        ("period", True, 1.0, 180),
        ("period", False, 0.5, 220),
        ("utilisation", True, 0.89, 180),
        ("utilisation", True, 0.90, 220),
        ("utilisation", True, 1.0, 220),
        ("utilisation", False, 0.5, 220),
        ("utilisation", False, 1.0, 220),
    ],
)
def test_both_rules(rule: LimitRule, met: bool, utilisation: float, following: float) -> None:
    limits = Limits(rule=rule)
    assert limits.following(200, met=met, utilisation=utilisation) == pytest.approx(following)


@given(limits=any_limits(), free=st.floats(0, 10_000))
def test_a_first_limit_never_exceeds_what_is_free_or_the_ceiling(limits: Limits, free: float) -> None:
    limit = limits.initial(free)
    assert 0 <= limit <= min(free, limits.ceiling)
    assert limit >= limits.floor or limit == free


@given(limits=any_limits(), last=st.floats(1, 10_000), met=st.booleans(), used=SHARES)
def test_a_following_limit_lies_between_floor_and_ceiling(limits: Limits, last: float, met: bool, used: float) -> None:
    following = limits.following(last, met=met, utilisation=used)
    assert limits.floor <= following <= limits.ceiling
    if limits.floor < following < limits.ceiling:
        assert following in (last * limits.down, last * limits.up)


def test_the_rule_of_section_4d_ends_where_the_period_is_just_missed() -> None:
    limits, limit, complete = Limits(rule="period"), 400.0, []
    for _ in range(100):
        complete.append(24_000 / limit)
        limit = limits.following(limit, met=complete[-1] <= 240, utilisation=0.5)
    late = [seconds > 240 for seconds in complete[50:]]
    assert 0.4 < sum(late) / len(late) < 0.6
    assert all(0.85 * 240 < seconds < 1.15 * 240 for seconds in complete[50:])


def test_the_rule_of_section_6b_ends_where_the_limit_is_used_up() -> None:
    limits, limit, used = Limits(rule="utilisation"), 400.0, []
    for _ in range(100):
        work = 24_000 / limit
        used.append(work / (work + 20))
        limit = limits.following(limit, met=True, utilisation=used[-1])
    assert used[0] < 0.8
    assert all(0.88 < share < 0.92 for share in used[50:])


def test_a_residual_by_hand() -> None:
    assert (residual(48, 240), residual(240, 240), residual(300, 240)) == (192, 0, 60)
