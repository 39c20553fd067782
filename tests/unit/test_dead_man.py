"""The venue's dead-man switch is fed by progress, and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from engine.gateway.dead_man import DeadManSwitch
from engine.model.dead_man_cost import SHARE_PERCENT_MAX, countdown_ms_min, feeding_fault, feeding_weight
from engine.runtime.clock import Clock

MS = 1_000_000


class Venue:
    """Remembers what it was told; `fault` is raised, `gate` is waited for."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.fault: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.told.append((symbol, countdown_ms))


def run(scene: Callable[[Venue, DeadManSwitch, Clock], Coroutine[Any, Any, None]]) -> Venue:
    """Play a scene with a switch of 900 ms on two symbols."""
    venue, clock = Venue(), Clock.virtual()

    async def play() -> None:
        switch = DeadManSwitch(venue, ("BTCUSDT", "ETHUSDT"), 900, clock)
        await scene(venue, switch, clock)
        await switch.leave()

    asyncio.run(play())
    return venue


async def settle() -> None:
    """Let tasks run."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.invariant("R16")
def test_it_is_fed_three_times_in_a_countdown_while_there_is_progress_and_not_at_all_without() -> None:
    async def scene(venue: Venue, switch: DeadManSwitch, clock: Clock) -> None:
        for _ in range(18):
            switch.feed()
            await settle()
            clock.advance(50 * MS)
        assert venue.told == [("BTCUSDT", 900), ("ETHUSDT", 900)] * 3
        assert (switch.is_fed, switch.feeds) == (True, 3)
        clock.advance(10_000 * MS)
        await settle()
        assert len(venue.told) == 6

    run(scene)


def test_a_feed_that_fails_is_told_and_the_next_one_is_tried() -> None:
    async def scene(venue: Venue, switch: DeadManSwitch, clock: Clock) -> None:
        venue.fault = RuntimeError("-1003")
        switch.feed()
        await settle()
        assert (switch.is_fed, switch.last_error) == (False, "-1003")
        venue.fault = None
        clock.advance(300 * MS)
        switch.feed()
        await settle()
        assert (switch.is_fed, switch.last_error) == (True, "")

    run(scene)


def test_a_feed_under_way_is_not_joined_by_another() -> None:
    async def scene(venue: Venue, switch: DeadManSwitch, clock: Clock) -> None:
        venue.gate = asyncio.Event()
        for _ in range(5):
            switch.feed()
            await settle()
            clock.advance(400 * MS)
        venue.gate.set()
        await settle()
        assert len(venue.told) == 2

    run(scene)


def test_a_stop_that_left_nothing_open_stops_the_countdown_and_any_other_lets_it_run() -> None:
    async def scene(venue: Venue, switch: DeadManSwitch, clock: Clock) -> None:
        await switch.disarm()
        clock.advance(10_000 * MS)
        switch.feed()
        await settle()

    assert run(scene).told == [("BTCUSDT", 0), ("ETHUSDT", 0)]

    async def other(venue: Venue, switch: DeadManSwitch, clock: Clock) -> None:
        await switch.leave()
        switch.feed()
        await settle()

    assert run(other).told == []


def test_a_venue_that_is_away_does_not_keep_a_stop_from_ending() -> None:
    async def scene(venue: Venue, switch: DeadManSwitch, clock: Clock) -> None:
        venue.fault = RuntimeError("down")
        await switch.disarm()
        assert switch.last_error == "down"

    assert run(scene).told == []


@pytest.mark.invariant("R16")
def test_a_countdown_that_runs_out_unfed_is_a_fall_counted_once_until_it_is_fed_again() -> None:
    async def scene(venue: Venue, switch: DeadManSwitch, clock: Clock) -> None:
        switch.feed()
        await settle()
        venue.fault = RuntimeError("-1003")
        for _ in range(2):
            clock.advance(300 * MS)
            switch.feed()
            await settle()
        assert (switch.is_fed, switch.falls) == (False, 0)
        for _ in range(4):
            clock.advance(300 * MS)
            switch.feed()
            await settle()
        assert (switch.falls, switch.last_error) == (1, "-1003")
        venue.fault = None
        clock.advance(300 * MS)
        switch.feed()
        await settle()
        assert (switch.is_fed, switch.falls) == (True, 1)
        # nothing of ours ran for longer than a countdown, as after SIGSTOP
        clock.advance(2_000 * MS)
        switch.feed()
        assert (switch.falls, switch.last_error) == (2, "not fed for 900 ms")
        await settle()
        await switch.leave()
        clock.advance(2_000 * MS)
        switch.feed()
        assert switch.falls == 2

    run(scene)


@pytest.mark.parametrize(("symbols", "limit", "least_ms"), [(1, 2_400, 2_500), (3, 2_400, 7_500), (3, 1_000_000, 18)])
def test_the_least_countdown_is_the_one_that_takes_no_more_than_its_share_of_the_venues_limit(
    symbols: int, limit: int, least_ms: int
) -> None:
    assert countdown_ms_min(symbols, limit) == least_ms
    assert feeding_fault(least_ms, symbols, limit) == ""
    assert f"{least_ms} is the least" in feeding_fault(least_ms - 1, symbols, limit)
    assert feeding_weight(least_ms, symbols) * 100 <= limit * SHARE_PERCENT_MAX


def test_so_many_symbols_that_no_countdown_is_long_enough_are_told_to_leave_it_out() -> None:
    assert "leave it out" in feeding_fault(600_000, 500, 2_400)
