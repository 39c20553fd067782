"""The venue's dead-man switch is fed by progress, and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from engine.gateway.dead_man import DeadManSwitch
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
