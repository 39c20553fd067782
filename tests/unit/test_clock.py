"""The World's clock: the system's, or one that stands until it is moved."""

from __future__ import annotations

import time

import pytest

from engine.runtime.clock import Clock

HOUR_NS = 3600 * 1_000_000_000


def test_the_live_clock_is_the_systems() -> None:
    clock = Clock()
    before, mono, wall, after = time.monotonic_ns(), clock.monotonic_ns(), clock.time_ns(), time.monotonic_ns()
    assert before <= mono <= after
    assert abs(wall - time.time_ns()) < HOUR_NS


def test_the_live_clock_never_goes_back() -> None:
    clock = Clock()
    stamps = [clock.monotonic_ns() for _ in range(1000)]
    assert stamps == sorted(stamps)


def test_the_live_clock_cannot_be_moved() -> None:
    with pytest.raises(ValueError, match="virtual"):
        Clock().advance(1)
    with pytest.raises(ValueError, match="virtual"):
        Clock().step_wall(1)


def test_a_virtual_clock_stands_until_it_is_moved() -> None:
    clock = Clock.virtual(wall_ns=500, mono_ns=100)
    assert [(clock.time_ns(), clock.monotonic_ns()) for _ in range(3)] == [(500, 100)] * 3
    clock.advance(HOUR_NS)
    assert (clock.time_ns(), clock.monotonic_ns()) == (500 + HOUR_NS, 100 + HOUR_NS)


def test_a_virtual_clock_does_not_run_backwards() -> None:
    clock = Clock.virtual()
    before = clock.monotonic_ns()
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
    assert clock.monotonic_ns() == before


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS, -1_000_000_000])
def test_a_stepped_wall_clock_leaves_the_monotonic_one(step_ns: int) -> None:
    clock = Clock.virtual(wall_ns=10 * HOUR_NS, mono_ns=7)
    clock.step_wall(step_ns)
    assert (clock.time_ns(), clock.monotonic_ns()) == (10 * HOUR_NS + step_ns, 7)


def test_a_lap_lies_between_two_readings_of_the_system() -> None:
    clock = Clock()
    slack_ns = 1_000_000  # a lap is at most some milliseconds long, and its rate right to far less than a hundredth
    began_ns = clock.begin()
    while clock.begin() < began_ns + 30_000_000:  # long enough for the counter's rate to be known, where it is steady
        before, lap, after = clock.monotonic_ns(), clock.lap(), clock.monotonic_ns()
        assert before - slack_ns <= lap <= after + slack_ns


def test_a_lap_that_took_long_is_asked_of_the_system() -> None:
    clock = Clock()
    clock.begin()
    time.sleep(0.02)
    clock.begin()
    time.sleep(0.02)
    before, lap, after = clock.monotonic_ns(), clock.lap(), clock.monotonic_ns()
    assert before <= lap <= after


def test_a_virtual_clocks_laps_are_its_time() -> None:
    clock = Clock.virtual(mono_ns=100)
    assert (clock.begin(), clock.lap()) == (100, 100)
    clock.advance(7)
    assert clock.lap() == 107


def test_the_wall_clock_of_what_begins_is_the_systems() -> None:
    clock = Clock()
    for _ in range(1000):
        before = time.time_ns()
        told = clock.time_at(clock.begin())
        # an interruption between the two readings of one look is not kept, but that look tells it
        assert before - 1_000_000 <= told <= time.time_ns() + 1_000_000


def test_the_wall_clock_is_looked_at_again_after_a_millisecond() -> None:
    clock = Clock()
    began_ns = clock.begin()
    clock.time_at(began_ns)
    # an input that is said to begin an hour from now: its wall clock is the system's of now, not an hour from now
    assert abs(clock.time_at(began_ns + HOUR_NS) - time.time_ns()) < HOUR_NS // 2


def test_the_wall_clock_of_a_virtual_clock_follows_each_step() -> None:
    clock = Clock.virtual(wall_ns=500, mono_ns=100)
    assert clock.time_at(100) == 500
    clock.step_wall(7)
    assert clock.time_at(100) == 507
