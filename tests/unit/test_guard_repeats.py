"""While a kill stands that a live engine has not taken, what it stops is cancelled again and again, by real sweeps."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from engine.guard import process
from engine.guard.hold import ScopedKills
from engine.guard.kills import KillOrder, Kills
from engine.guard.process import Guard, GuardedVenue
from engine.guard.relay import KillRelay
from engine.guard.watch import EngineWatch, Look, Sight
from engine.runtime.clock import Clock
from engine.runtime.net import NetError
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import RestCancel

LINES = {
    "spot": SimpleNamespace(symbols=("BTCUSDT", "ETHUSDT")),
    "futures": SimpleNamespace(symbols=("BTCUSDT",)),
}
WHOLE, SPOT, FUTURES = (KillOrder("", 1000, "drill", 1, line) for line in ("", "spot", "futures"))
# longer than any test: a sweep that is finished owes it all the time
SECOND_LOOK_S = 600.0
REPEATS = 5


class Deaf:
    """An engine that answers nothing."""

    def ask(self, request: object) -> None: ...
    def reply(self) -> None: ...
    def close(self) -> None: ...


class Venue:
    """Counts what it was told to cancel. `away`: symbols of which it answers nothing useful; `stuck`: nothing at all."""

    rest_s, symbols_to_look = 0.0, 100

    def __init__(self, away: tuple[str, ...] = (), stuck: tuple[str, ...] = ()) -> None:
        self.cancelled: list[str] = []
        self.looked: list[str] = []
        self._away, self._stuck = away, stuck

    async def cancel_all(self, symbol: str) -> int:
        self.cancelled.append(symbol)
        if symbol in self._stuck:
            await asyncio.sleep(SECOND_LOOK_S)
        if symbol in self._away:
            raise NetError("away")
        return 0

    async def cancel_open(self, symbol: str) -> int:
        return await self.cancel_all(symbol)

    async def open_orders(self, symbol: str) -> int:
        self.looked.append(symbol)
        return 0


def ignore(_event: str, **_facts: object) -> None:
    """A log that nobody reads."""


class Scene:
    """A guard of two lines beside a live engine that trades on, whose turns look at nothing but the kills."""

    def __init__(self, data_dir: Path, spot: Venue, futures: Venue) -> None:
        self.spot, self.futures = spot, futures
        named = {"spot": spot, "futures": futures}
        venues = [
            GuardedVenue(name, row.symbols, cast(RestCancel, named[name]), SECOND_LOOK_S) for name, row in LINES.items()
        ]
        relay = cast(KillRelay, Deaf())
        parts = cast(EngineWatch, None), Kills(data_dir), relay, cast(Supervisor, None)
        scoped = ScopedKills(relay, LINES, ignore)
        self.guard = Guard(venues, *parts, Clock(), ignore, heartbeat_ms_max=100, keep_alive_s=5.0, scoped=scoped)
        self.guard.look = Look(Sight.ALIVE, 7, is_halted=False)

    def run(self, kill: KillOrder, *symbols: tuple[Venue, str]) -> None:
        """Turns until each of these has been cancelled again and again."""

        async def scene() -> None:
            self.guard.kill(kill)
            async with asyncio.timeout(30):
                while any(venue.cancelled.count(symbol) < REPEATS for venue, symbol in symbols):
                    self.guard._hold_killed()
                    await asyncio.sleep(0.005)

        asyncio.run(scene())


@pytest.fixture(autouse=True)
def short_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of the guard's is shorter here."""
    monkeypatch.setattr(process, "KILLED_SWEEP_INTERVAL_S", 0.05)


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("kill", [WHOLE, SPOT])
def test_a_part_is_cancelled_again_while_its_sweep_owes_its_second_look(tmp_path: Path, kill: KillOrder) -> None:
    scene = Scene(tmp_path, Venue(), Venue())
    scene.run(kill, (scene.spot, "BTCUSDT"), (scene.spot, "ETHUSDT"))
    # a cancel that finds nothing is asked no further
    assert sorted(scene.spot.looked) == ["BTCUSDT", "ETHUSDT"]
    assert len(scene.futures.cancelled) == 0 or kill is WHOLE


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("kill", [WHOLE, SPOT])
@pytest.mark.parametrize("bad", [{"away": ("BTCUSDT",)}, {"stuck": ("BTCUSDT",)}])
def test_a_line_is_cancelled_again_while_the_sweep_of_another_never_ends(
    tmp_path: Path, kill: KillOrder, bad: dict[str, tuple[str, ...]]
) -> None:
    scene = Scene(tmp_path, Venue(), Venue(**bad))
    scene.guard.kills.add(FUTURES)
    scene.run(kill, (scene.spot, "BTCUSDT"), (scene.spot, "ETHUSDT"))
    # what is under way there goes on by itself
    assert scene.futures.cancelled.count("BTCUSDT") == 1 or "away" in bad


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("kill", [WHOLE, SPOT])
def test_a_symbol_is_cancelled_again_while_its_venue_never_answers_for_another(tmp_path: Path, kill: KillOrder) -> None:
    scene = Scene(tmp_path, Venue(stuck=("BTCUSDT",)), Venue())
    scene.run(kill, (scene.spot, "ETHUSDT"))
    assert scene.spot.cancelled.count("BTCUSDT") == 1


@pytest.mark.invariant("R25")
def test_a_new_kill_takes_over_what_a_repeated_sweep_has_not_finished(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Venue(), Venue(stuck=("BTCUSDT",)))

    kill = partial(scene.guard.kill, FUTURES)

    async def run() -> None:
        for count, begin in enumerate((partial(scene.guard.sweep, "repeated", again=True), kill), start=1):
            begin()
            async with asyncio.timeout(30):
                while len(scene.futures.cancelled) < count:
                    await asyncio.sleep(0.005)
        assert [item.progress.cause for item in scene.guard._unfinished("futures")] == ["killed: drill"]

    asyncio.run(run())
