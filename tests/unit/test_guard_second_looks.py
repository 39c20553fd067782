"""A sweep's second look, for what was still under way to the venue, whatever is killed in the meantime."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from engine.guard.kills import KillOrder, Kills
from engine.guard.process import Guard, GuardedVenue
from engine.guard.relay import KillRelay
from engine.guard.watch import EngineWatch, Look, Sight
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import RestCancel

SECOND_LOOK_S = 0.3


class Venue:
    """Has nothing open; notes which symbols it was told to cancel."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    async def cancel_all(self, symbol: str) -> int:
        self.cancelled.append(symbol)
        return 0

    async def open_orders(self, symbol: str) -> int:
        return 0


def ignore(_event: str, **_facts: object) -> None:
    """A log that nobody reads."""


def guard_of(venue: Venue, data_dir: Path) -> Guard:
    """A guard of a dead engine with two symbols, whose turns are not run."""
    guarded = GuardedVenue("sim", ("BTCUSDT", "ETHUSDT"), cast(RestCancel, venue), SECOND_LOOK_S)
    parts = cast(EngineWatch, None), Kills(data_dir), cast(KillRelay, None), cast(Supervisor, None)
    guard = Guard([guarded], *parts, Clock(), ignore, heartbeat_ms_max=100, keep_alive_s=5.0)
    guard.look = Look(Sight.GONE, 1)
    return guard


async def until(venue: Venue, count: int) -> None:
    """So many cancels have been sent."""
    async with asyncio.timeout(20):
        while len(venue.cancelled) < count:
            await asyncio.sleep(0.005)


@pytest.mark.invariant("R16")
@pytest.mark.invariant("R25")
def test_a_narrower_kill_leaves_the_other_symbols_their_second_look(tmp_path: Path) -> None:
    venue = Venue()

    async def scene() -> None:
        guard = guard_of(venue, tmp_path)
        guard.sweep("the engine's process is gone")
        await until(venue, 2)
        while guard.is_sweeping:
            await asyncio.sleep(0)
        guard.kill(KillOrder("BTCUSDT", 1000, "drill", 1))
        await until(venue, 6)
        await asyncio.sleep(2 * SECOND_LOOK_S)
        assert guard.fatal is None

    asyncio.run(scene())
    assert venue.cancelled[:3] == ["BTCUSDT", "ETHUSDT", "BTCUSDT"]
    # the second look of the sweep, and that of the kill
    assert sorted(venue.cancelled[3:]) == ["BTCUSDT", "BTCUSDT", "ETHUSDT"]
