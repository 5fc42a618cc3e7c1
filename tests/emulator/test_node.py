import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator.node import Host, Run


@pytest.fixture
def host() -> Host:
    return Host(3, "fast", 1000.0, 512.0, -2.0)


def booked(start: float, end: float, cpu: float = 100.0, memory: float = 10.0, job: int = 0) -> Run:
    return start, end, cpu, memory, job


def test_a_new_host_is_free_and_in_the_mesh(host: Host) -> None:
    assert host.free(0.0) == (1000.0, 512.0)
    assert host.published(-2.0) == (1000.0, 512.0)
    assert (host.number, host.kind, host.capacity, host.phase, host.up, host.since) == (3, "fast", 1000, -2, True, 0)


@pytest.mark.parametrize(("now", "cpu"), [(5.0, 900), (9.999, 900), (10.0, 1000), (50.0, 1000)])
def test_a_reservation_holds_from_its_start_until_before_its_end(host: Host, now: float, cpu: float) -> None:
    host.reserve(booked(5.0, 10.0), 0.0)
    assert host.free(now)[0] == cpu


@pytest.mark.parametrize(("time", "cpu"), [(4.0, 1000), (5.0, 1000), (5.001, 900), (9.999, 900), (10.0, 1000)])
def test_an_exchange_comes_after_ends_and_before_decisions_of_its_moment(host: Host, time: float, cpu: float) -> None:
    host.reserve(booked(5.0, 10.0), 0.0)
    assert host.published(time)[0] == cpu


def test_a_host_is_idle_from_the_end_of_its_longest_reservation(host: Host) -> None:
    assert host.idle == -math.inf
    host.reserve(booked(0.0, 10.0), 0.0)
    host.reserve(booked(1.0, 5.0), 0.0)
    assert host.idle == 10.0
    assert [host.free(now)[0] for now in (1.0, 5.0, 9.999, 10.0)] == [800.0, 900.0, 900.0, 1000.0]
    host.runs = ()
    assert host.free(2.0) == (1000.0, 512.0)


def test_reservations_add_up(host: Host) -> None:
    host.cpu, host.memory = 600.0, 300.0
    host.reserve(booked(0.0, 10.0, 100.0, 50.0), 0.0)
    host.reserve(booked(1.0, 5.0, 200.0, 60.0), 0.0)
    assert host.free(2.0) == (300.0, 190.0)
    assert host.published(0.5) == (500.0, 250.0)
    assert host.free(7.0) == (500.0, 250.0)


def test_what_ended_before_the_horizon_is_forgotten(host: Host) -> None:
    host.reserve(booked(0.0, 10.0), 0.0)
    host.reserve(booked(20.0, 30.0), 10.0)
    assert [run[0] for run in host.runs] == [20.0]
    host.reserve(booked(31.0, 40.0), 29.9)
    assert [run[0] for run in host.runs] == [20.0, 31.0]


def test_short_ones_behind_a_long_one_are_forgotten_too(host: Host) -> None:
    host.reserve(booked(0.0, 1000.0, 1.0), 0.0)
    for start in range(1, 100):
        host.reserve(booked(start, start + 0.5, 1.0), start - 2)
    assert len(host.runs) <= 5
    assert host.runs[0][1] == 1000.0
    assert host.free(99.2)[0] == 998.0


@given(
    runs=st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 50)), max_size=20),
    back=st.floats(0, 30),
)
def test_forgetting_changes_nothing_within_the_horizon(runs: list[tuple[float, float]], back: float) -> None:
    host, all_ = Host(0, "fast", 1000.0, 512.0, 0.0), []
    for start, took in sorted(runs):
        run = booked(start, start + took, 10.0, 1.0)
        host.reserve(run, start - back)
        all_.append(run)
        for time in (start - back + 1e-6, start - back / 2, start):
            held = sum(begin < time < end for begin, end, *_ in all_)
            assert host.published(time) == (1000 - 10 * held, 512 - held)
        assert host.free(start)[0] == 1000 - 10 * sum(end > start for _, end, *_ in all_)


def test_the_memory_of_a_host_does_not_grow_with_time(host: Host) -> None:
    for start in range(0, 100_000, 60):
        host.reserve(booked(float(start), start + 50.0), start - 5.0)
    assert len(host.runs) == 1
    assert not math.isnan(host.free(1e9)[0])


def test_forgetting_leaves_what_others_hold_as_it_was(host: Host) -> None:
    host.reserve(booked(0.0, 1.0), 0.0)
    before = host.runs
    host.reserve(booked(5.0, 6.0), 2.0)
    assert len(before) == 1
    assert before[0][0] == 0.0


def test_a_long_training_is_kept_however_old_it_is(host: Host) -> None:
    host.reserve(booked(0.0, 1e6), 0.0)
    for start in range(10, 1000, 10):
        host.reserve(booked(float(start), start + 5.0), start - 5.0)
    assert host.free(1000.0)[0] == 900.0
    assert host.published(999.0)[0] == 900.0
