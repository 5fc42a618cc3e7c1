import doctest
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.scheduling.los import best_fit, feasible, schedule
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import JobHistory
from edgeresearch.scheduling.settings import Limits, Rules

Node = Callable[..., Availability]
Known = Callable[..., JobHistory]

LIMITS = Limits(rule="period", floor=50.0)
PERIOD = 240.0
RUN = {"limit": 200.0, "seconds": 100.0, "complete": 105.0, "node": 99}
"""A run that teaches t = 20000 / R on class `edge` and 5 s for the container, and leaves no node known a limit."""
TRAINABLE = 20_000 / (PERIOD - 5)
"""Millicores with which the period is just met, then."""


def near(value: float) -> Any:
    return pytest.approx(value)


def decide(
    here: Availability,
    around: Sequence[Availability],
    known: JobHistory,
    *,
    tried: Sequence[int] = (),
    limit: float | None = None,
    rng: np.random.Generator | None = None,
    **rules: Any,
) -> Decision:
    return schedule(
        Request(0, PERIOD, tuple(tried), limit),
        here,
        lambda: around,
        known,
        rules=Rules(**rules),
        limits=LIMITS,
        rng=rng or np.random.default_rng(0),
    )


@st.composite
def nodes(draw: st.DrawFn, least: int = 0, most: int = 8) -> list[Availability]:
    """Neighbours numbered from 1, some with room, some without; ties are frequent."""
    return [
        Availability(
            node=number + 1,
            time=0.0,
            cpu=(cpu := draw(st.sampled_from([0.0, 40.0, 60.0, 90.0, 120.0, 400.0, 900.0]))),
            memory=draw(st.sampled_from([32.0, 512.0])),
            utilisation=1 - cpu / 1000,
            kind=draw(st.sampled_from(["edge", "fog"])),
            latency=draw(st.sampled_from([0.001, 0.002, 0.01, 0.05])),
            bandwidth=100.0,
        )
        for number in range(draw(st.integers(least, most)))
    ]


any_rules = st.builds(
    Rules,
    hop_limit=st.integers(1, 5),
    infeasible=st.sampled_from(["best_fit", "closest"]),
    skip_visited=st.booleans(),
    weight_utilisation=st.floats(0, 2),
    weight_latency=st.floats(0, 2),
    sender_limit_binds=st.booleans(),
)


# On its own


def test_the_example_of_the_docstring_holds() -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(schedule, "schedule")
    assert doctest.DocTestRunner().run(example).failed == 0 < len(example.examples)


def test_without_a_history_it_is_a_cold_start(make_node: Node) -> None:
    busy, free = make_node(0, cpu=100.0), make_node(1)
    assert schedule(Request(0, PERIOD), busy, [free]) == Decision(Reason.COLD_NEIGHBOUR, 1)
    assert schedule(Request(0, PERIOD), free, [busy]).reason == Reason.COLD_LOCAL


# Local first


def test_what_is_feasible_here_runs_here_and_nobody_is_asked(make_node: Node, make_known: Known) -> None:
    def nobody() -> list[Availability]:
        raise AssertionError("a neighbour was asked")

    decision = schedule(Request(0, PERIOD), make_node(3, cpu=500), nobody, make_known(RUN), limits=LIMITS)
    assert decision[:4] == (Reason.LOCAL, 3, True, near(425))
    assert decision.seconds == near(20_000 / 425 + 5)


def test_the_best_feasible_neighbour_gets_what_is_not(make_node: Node, make_known: Known) -> None:
    around = [make_node(1, cpu=0), make_node(2, cpu=400, latency=0.01), make_node(3, cpu=800, latency=0.01)]
    decision = decide(make_node(0, cpu=0), around, make_known(RUN))
    assert decision[:4] == (Reason.FEASIBLE, 3, False, near(680))
    send = 0.01 + 8 * 0.5 / math.inf
    assert decision.seconds == near(20_000 / 680 + 5 + send)


def test_feasible_neighbours_come_before_better_ranked_infeasible_ones(make_node: Node, make_known: Known) -> None:
    close = make_node(1, cpu=800, memory=1, latency=0.001)  # no memory
    far = make_node(2, cpu=110, latency=0.1)
    decision = decide(make_node(0, cpu=0), [close, far], make_known(RUN))
    assert (decision.reason, decision.node) == (Reason.FEASIBLE, 2)


def test_else_the_best_infeasible_one_looks_on_without_a_plan(make_node: Node, make_known: Known) -> None:
    around = [make_node(1, cpu=0, latency=0.001), make_node(2, cpu=45, latency=0.001), make_node(3, cpu=45)]
    decision = decide(make_node(0, cpu=0), around, make_known(RUN))
    assert decision == Decision(Reason.INFEASIBLE, 3)


def test_the_infeasible_one_is_the_best_fit_or_the_closest(make_node: Node, make_known: Known) -> None:
    around = [
        make_node(1, cpu=0, latency=0.001),
        make_node(2, cpu=45, latency=0.002),
        make_node(3, cpu=40, latency=0.003),
        make_node(4, cpu=20, latency=0.004),
    ]
    here, known = make_node(0, cpu=0), make_known(RUN)
    assert decide(here, around, known).node == 2  # indices 0 + 1, against 3 + 0 of the closest
    assert decide(here, around, known, infeasible="closest").node == 1


# What ends a search


@pytest.mark.parametrize("hop_limit", [1, 3, 4])
def test_the_hop_limit_ends_a_search(make_node: Node, make_known: Known, hop_limit: int) -> None:
    here, around, known = make_node(9, cpu=0), [make_node(8)], make_known(RUN)
    tried = tuple(range(hop_limit))
    assert decide(here, around, known, tried=tried, hop_limit=hop_limit) == Decision(Reason.HOPS)
    assert decide(here, around, known, tried=tried[1:], hop_limit=hop_limit).reason == Reason.FEASIBLE


def test_a_cycle_ends_a_search(make_node: Node, make_known: Known) -> None:
    here, back, other = make_node(1, cpu=0), make_node(0, cpu=40), make_node(2, cpu=0, latency=0.01)
    known = make_known(RUN)
    assert decide(here, [back, other], known, tried=(0,)) == Decision(Reason.CYCLE)
    assert decide(here, [back, other], known, tried=(0,), skip_visited=True).node == 2
    assert decide(here, [back], known, tried=(0,), skip_visited=True) == Decision(Reason.CYCLE)


def test_a_stale_view_that_calls_a_tried_node_feasible_makes_a_cycle(make_node: Node, make_known: Known) -> None:
    here, back, other = make_node(1, cpu=0), make_node(0, cpu=800), make_node(2, cpu=700, latency=0.01)
    known = make_known(RUN)
    assert decide(here, [back, other], known, tried=(0,)) == Decision(Reason.CYCLE)
    assert decide(here, [back, other], known, tried=(0,), skip_visited=True)[:2] == (Reason.FEASIBLE, 2)


# Cold start


def test_a_cold_start_is_here_up_to_85_percent(make_node: Node, make_known: Known) -> None:
    around = [make_node(1, cpu=900)]
    decision = decide(make_node(0, cpu=150.0, utilisation=0.85), around, make_known())
    assert decision == Decision(Reason.COLD_LOCAL, 0, True, near(127.5))
    decision = decide(make_node(0, cpu=149.0, utilisation=0.851), around, make_known())
    assert decision == Decision(Reason.COLD_NEIGHBOUR, 1)
    assert decide(make_node(0, cpu=149.0), around, make_known(), cold_start_threshold=0.9).reason == Reason.COLD_LOCAL


def test_a_cold_start_goes_to_every_neighbour_alike(make_node: Node, make_known: Known) -> None:
    rng = np.random.default_rng(1)
    around = [make_node(number, cpu=100 * number) for number in range(1, 5)]
    went = [decide(make_node(0, cpu=0), around, make_known(), rng=rng).node for _ in range(2000)]
    counts = [went.count(number) for number in range(1, 5)]
    assert sum(counts) == 2000
    assert all(abs(count - 500) < 5 * math.sqrt(2000 * 0.25 * 0.75) for count in counts)


def test_a_cold_start_ends_as_any_search_does(make_node: Node, make_known: Known) -> None:
    here, known = make_node(0, cpu=0), make_known()
    assert decide(here, [], known) == Decision(Reason.NO_NEIGHBOUR)
    assert decide(here, [make_node(9)], known, tried=(1, 2, 3, 4)) == Decision(Reason.HOPS)
    assert decide(here, [make_node(1)], known, tried=(1,)) == Decision(Reason.CYCLE)
    assert decide(here, [make_node(1)], known, tried=(1,), skip_visited=True) == Decision(Reason.CYCLE)
    around = [make_node(1), make_node(2)]
    assert {decide(here, around, known, tried=(1,), skip_visited=True).node for _ in range(20)} == {2}


def test_a_cold_start_without_room_at_a_node_that_is_not_crowded_looks_on(make_node: Node, make_known: Known) -> None:
    here = make_node(0, cpu=40, utilisation=0.2)  # a small node: idle, yet below the smallest limit
    decision = decide(here, [make_node(1, cpu=800)], make_known())
    assert decision == Decision(Reason.FEASIBLE, 1, False, near(680))


def test_a_plan_says_how_far_it_extrapolates(make_node: Node, make_known: Known) -> None:
    known = make_known(RUN)
    assert decide(make_node(0, cpu=1000), [], known).extrapolation == near(850 / 200)
    assert decide(make_node(0, cpu=0), [make_node(1, cpu=800)], known).extrapolation == near(680 / 200)
    assert decide(make_node(0, cpu=0), [make_node(1, cpu=800, kind="fog")], known).extrapolation is None


# Feasibility


def check(node: Availability, known: JobHistory, planned: float | None = None) -> tuple[float, float | None]:
    return feasible(Request(0, PERIOD), node, known, LIMITS, planned)


def test_a_training_is_feasible_if_eq_2_meets_the_period(make_node: Node, make_known: Known) -> None:
    known = make_known(RUN, RUN | {"node": 1, "limit": 100.0, "seconds": 200.0, "complete": 241.0})
    assert known.limits[1] == near(110)
    limit, seconds = check(make_node(1, cpu=1000), known)
    assert (limit, seconds) == (near(110), near(20_000 / 110 + 5))
    assert check(make_node(1, cpu=TRAINABLE + 0.1), known)[0] == near(TRAINABLE + 0.1)
    limit, seconds = check(make_node(1, cpu=TRAINABLE - 0.1), known)
    assert limit == 0 and seconds is not None and seconds > PERIOD


def test_a_limit_below_what_the_period_asks_for_is_raised_to_that_if_it_is_free(
    make_node: Node, make_known: Known
) -> None:
    known = make_known(RUN | {"node": 1, "limit": 90.0, "seconds": 20_000 / 90, "complete": 230.0})
    assert known.limits[1] == near(81)
    limit, seconds = check(make_node(1, cpu=500), known)
    assert (limit, seconds) == (near(TRAINABLE), PERIOD)
    assert 20_000 / limit + 5 <= PERIOD
    assert check(make_node(1, cpu=TRAINABLE - 0.1), known)[0] == 0
    assert check(make_node(1, cpu=500), known, 81.0)[0] == 0  # a sender's plan is taken as it is


def test_what_is_sent_and_the_container_count(make_node: Node, make_known: Known) -> None:
    known = make_known(RUN | {"megabytes": 10.0, "overhead": 20.0})
    node = make_node(1, cpu=200 / 0.85, latency=0.5, bandwidth=8.0)
    assert check(node, known)[1] == near(100 + 20 + 0.5 + 10)
    assert check(node._replace(bandwidth=0.5), known) == (0, near(100 + 20 + 0.5 + 160))
    assert check(node._replace(latency=0.0, bandwidth=math.inf), known)[1] == near(120)


def test_a_known_limit_is_squeezed_to_what_is_free_but_not_below_the_floor(make_node: Node, make_known: Known) -> None:
    known = make_known(RUN | {"node": 1, "seconds": 20.0})
    assert check(make_node(1, cpu=500), known)[0] == near(180)
    assert check(make_node(1, cpu=120), known)[0] == 120
    assert check(make_node(1, cpu=50), known)[0] == 50
    assert check(make_node(1, cpu=49.9), known) == (0, None)
    assert check(make_node(1, cpu=-5), known) == (0, None)


def test_memory_must_hold_the_worst_case(make_node: Node, make_known: Known) -> None:
    known = make_known(RUN | {"memory": 60.0}, RUN | {"memory": 64.0})
    bound = known.memory.bound
    assert bound == near(62 + 2 * math.sqrt(8))
    assert check(make_node(1, memory=bound), known)[0] > 0
    assert check(make_node(1, memory=math.nextafter(bound, 0)), known) == (0, None)


def test_a_node_class_without_a_model_is_taken_to_be_fast_enough(make_node: Node, make_known: Known) -> None:
    known = make_known(RUN | {"seconds": 10_000.0})  # hopeless on class edge
    assert check(make_node(1, cpu=1000), known)[0] == 0
    assert check(make_node(1, cpu=1000, kind="cloud"), known) == (850, None)
    assert check(make_node(1, cpu=1000), make_known()) == (850, None)


def test_a_plan_is_kept_or_refused(make_node: Node, make_known: Known) -> None:
    known = make_known(RUN)
    assert check(make_node(1, cpu=300), known, 300.0)[0] == 300
    assert check(make_node(1, cpu=299), known, 300.0) == (0, None)
    assert check(make_node(1, cpu=300), known, 20.0) == (0, None)


def test_the_senders_limit_binds_if_the_rules_say_so(make_node: Node, make_known: Known) -> None:
    here, around, known = make_node(1, cpu=300), [make_node(2, cpu=800)], make_known(RUN)
    binds = {"tried": (0,), "sender_limit_binds": True}
    assert decide(here, around, known, limit=400.0, **binds)[:2] == (Reason.FEASIBLE, 2)
    assert decide(here, around, known, limit=200.0, **binds)[:4] == (Reason.LOCAL, 1, True, 200)
    assert decide(here, around, known, limit=400.0, tried=(0,))[:4] == (Reason.LOCAL, 1, True, near(255))
    assert decide(here, around, known, **binds)[3] == near(255)  # the sender had no plan


@given(around=nodes(least=1), seconds=st.floats(5, 400), planned=st.none() | st.floats(1, 1000))
def test_a_feasible_limit_is_free_above_the_floor_and_in_time(
    make_known: Known, around: list[Availability], seconds: float, planned: float | None
) -> None:
    known = make_known(RUN | {"seconds": seconds})
    for node in around:
        limit, expected = check(node, known, planned)
        if limit == 0:
            continue
        assert LIMITS.floor <= limit <= min(node.cpu, LIMITS.ceiling)
        assert node.memory >= known.memory.bound
        assert expected is None or expected <= PERIOD
        assert (expected is None) == (node.kind == "fog")
        assert planned is None or limit == planned


# Eq. 4


def ranked(*values: tuple[float, float], **rules: Any) -> int:
    """Which of some nodes, given by utilisation and latency, is the best fit."""
    around = [Availability(i, 0.0, 500.0, 512.0, used, "edge", far) for i, (used, far) in enumerate(values)]
    return best_fit(around, Rules(**rules)).node


def test_eq_4_by_hand() -> None:
    # indices by utilisation 2, 0, 1; by latency 0, 2, 1: sums 2, 2, 2; the closest is taken
    assert ranked((0.9, 0.001), (0.1, 0.009), (0.5, 0.005)) == 0
    # utilisation 1, 0, 2, 3; latency 0, 2, 1, 3: sums 1, 2, 3, 6
    assert ranked((0.2, 0.001), (0.1, 0.004), (0.3, 0.002), (0.9, 0.1)) == 0
    # utilisation 3, 1, 0, 2; latency 0, 1, 3, 2: sums 3, 2, 3, 4
    assert ranked((0.9, 0.001), (0.4, 0.002), (0.2, 0.1), (0.5, 0.05)) == 1


def test_equal_values_share_the_index_of_the_first() -> None:
    # utilisation 0, 0, 0, 3; latency 3, 1, 1, 0: sums 3, 1, 1, 3; of the two the earlier one
    assert ranked((0.5, 0.9), (0.5, 0.2), (0.5, 0.2), (0.6, 0.1)) == 1
    assert ranked((0.5, 0.2), (0.5, 0.2)) == 0
    # utilisation 0, 0, 2; latency 2, 1, 0: sums 2, 1, 2; were the index after a tie 1, the last would have 1 as well
    # and be taken, for it is closer
    assert ranked((0.1, 0.3), (0.1, 0.2), (0.9, 0.1)) == 1


def test_weights_shift_the_balance() -> None:
    spread = ((0.9, 0.001), (0.1, 0.009), (0.5, 0.005))
    assert ranked(*spread, weight_utilisation=2) == 1
    assert ranked(*spread, weight_latency=2) == 0
    assert ranked(*spread, weight_utilisation=0) == 0
    assert ranked(*spread, weight_latency=0) == 1
    assert ranked((0.5, 0.005), (0.1, 0.009), weight_utilisation=0, weight_latency=0) == 0  # all equal: the closer


@given(around=nodes(least=1), rules=any_rules)
def test_no_other_node_has_a_smaller_sum_of_indices(around: list[Availability], rules: Rules) -> None:
    def total(node: Availability) -> float:
        used = sum(other.utilisation < node.utilisation for other in around)
        far = sum(other.latency < node.latency for other in around)
        return rules.weight_utilisation * used + rules.weight_latency * far

    best = best_fit(around, rules)
    assert total(best) == min(map(total, around))
    assert all((total(node), node.latency) >= (total(best), best.latency) for node in around)


@given(around=nodes(least=1, most=6), rules=any_rules, seed=st.integers(0, 99))
def test_the_order_of_neighbours_matters_only_among_equals(around: list[Availability], rules: Rules, seed: int) -> None:
    mixed = [around[i] for i in np.random.default_rng(seed).permutation(len(around))]
    one, other = best_fit(around, rules), best_fit(mixed, rules)
    assert (one.latency, one.utilisation) == (other.latency, other.utilisation) or (
        one.latency == other.latency and rules.weight_utilisation == 0
    )


# Algorithm 1 as a whole


@given(
    free=st.sampled_from([0.0, 60.0, 200.0]),
    around=nodes(),
    tried=st.lists(st.integers(1, 8), unique=True, max_size=5),
    limit=st.none() | st.floats(50, 900),
    runs=st.integers(0, 2),
    rules=any_rules,
    seed=st.integers(0, 3),
)
def test_every_decision_is_one_that_can_be_carried_out(
    make_node: Node,
    make_known: Known,
    free: float,
    around: list[Availability],
    tried: list[int],
    limit: float | None,
    runs: int,
    rules: Rules,
    seed: int,
) -> None:
    here, known = make_node(0, cpu=free), make_known(*[RUN] * runs)
    request = Request(0, PERIOD, tuple(tried), limit)

    def once() -> Decision:
        rng = np.random.default_rng(seed)
        return schedule(request, here, lambda: around, known, rules=rules, limits=LIMITS, rng=rng)

    decision = once()
    assert decision == once()
    if decision.node is None:
        assert decision[1:] == (None, False, None, None, None)
        assert (decision.reason == Reason.NO_NEIGHBOUR) == (not around)
        assert decision.reason != Reason.HOPS or len(tried) >= rules.hop_limit
        assert decision.reason != Reason.CYCLE or tried
    elif decision.run:
        assert decision.node == 0
        assert decision.limit is not None and LIMITS.floor <= decision.limit <= free
        assert decision.reason == (Reason.LOCAL if runs else Reason.COLD_LOCAL)
    else:
        assert decision.node in {node.node for node in around} - set(tried)
        assert len(tried) < rules.hop_limit
        good = {node.node for node in around if check(node, known)[0] > 0}
        if decision.reason == Reason.FEASIBLE:
            assert decision.node in good and decision.limit is not None
        elif decision.reason == Reason.INFEASIBLE:
            assert not good - (set(tried) if rules.skip_visited else set()) and decision.limit is None
        else:
            assert decision.reason == Reason.COLD_NEIGHBOUR and not runs
