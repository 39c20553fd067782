"""What the guard ends or does not begin: sweeps of what was armed, a kill told in the moment of an `arm`, two sweeps for one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.guard import process
from engine.guard.hold import ScopedKills
from engine.guard.kills import KillOrder, Kills
from engine.guard.process import Guard, GuardedVenue
from engine.guard.relay import KillRelay
from engine.guard.watch import EngineWatch, Look, Sight
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import RestCancel

SYMBOLS = ("BTCUSDT", "ETHUSDT")
LINES = {"spot": SimpleNamespace(symbols=SYMBOLS), "futures": SimpleNamespace(symbols=SYMBOLS)}
WHOLE, SPOT, BITCOIN = (
    KillOrder(symbol, 1000, "drill", 1, line) for line, symbol in (("", ""), ("spot", ""), ("spot", "BTCUSDT"))
)
TRADES = Look(Sight.ALIVE, 7, is_halted=False)
HALTED = Look(Sight.ALIVE, 7, is_halted=True)
TURN_S = 0.005


class Relay:
    """To an engine that answers nothing; counts what it was told."""

    def __init__(self) -> None:
        self.told = 0

    def ask(self, _request: object) -> None:
        self.told += 1

    def reply(self) -> None: ...
    def close(self) -> None: ...


class Quoting:
    """A venue at which something is open whenever it is looked at, in these symbols."""

    rest_s, symbols_to_look = 0.0, 100

    def __init__(self, *symbols: str) -> None:
        self.cancelled: list[str] = []
        self.symbols = symbols
        self.looked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def cancel_all(self, symbol: str) -> int:
        self.cancelled.append(symbol)
        await self.answers.wait()
        return int(symbol in self.symbols)

    async def cancel_open(self, symbol: str) -> int:
        return await self.cancel_all(symbol)

    async def open_orders(self, symbol: str) -> int:
        self.looked.append(symbol)
        return int(symbol in self.symbols)


class Scene:
    """A guard of two lines and an engine, whose turns look at nothing but the kills."""

    def __init__(self, data_dir: Path, *quoted: str) -> None:
        self.spot, self.futures, self.relay = Quoting(*quoted), Quoting(), Relay()
        self.events: list[tuple[str, dict[str, Any]]] = []
        named = {"spot": self.spot, "futures": self.futures}
        venues = [GuardedVenue(name, SYMBOLS, cast(RestCancel, venue), 600.0) for name, venue in named.items()]
        relay = cast(KillRelay, self.relay)
        parts = cast(EngineWatch, None), Kills(data_dir), relay, cast(Supervisor, None)
        scoped = ScopedKills(relay, LINES, self.note)
        self.guard = Guard(venues, *parts, Clock(), self.note, heartbeat_ms_max=100, keep_alive_s=5.0, scoped=scoped)
        self.guard.look = TRADES

    def note(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    async def turns(self, count: int) -> None:
        for _ in range(count):
            self.guard._hold_killed()
            await asyncio.sleep(TURN_S)

    async def until_waiting(self) -> None:
        """The sweep has found something left, and more than once."""
        async with asyncio.timeout(30):
            while self.spot.cancelled.count("BTCUSDT") < 2:
                await self.turns(1)

    async def until_ended(self) -> None:
        async with asyncio.timeout(30):
            while self.guard.is_sweeping:
                await self.turns(1)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """BTCUSDT is quoted on; a second of the guard's is shorter here."""
    monkeypatch.setattr(process, "KILLED_SWEEP_INTERVAL_S", 0.05)
    return Scene(tmp_path, "BTCUSDT")


def run(job: Coroutine[Any, Any, None]) -> None:
    """To its end."""
    asyncio.run(job)


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("by_guard", [True, False])
def test_the_sweep_of_a_kill_that_was_armed_leaves_the_armed_engines_orders(scene: Scene, by_guard: bool) -> None:
    async def play() -> None:
        scene.guard.kill(SPOT)
        await scene.until_waiting()
        if by_guard:
            scene.guard.arm("", "spot", 1000, "")
        else:
            scene.guard.kills.path.unlink()
        await scene.until_ended()
        count = len(scene.spot.cancelled)
        await scene.turns(30)
        assert len(scene.spot.cancelled) == count
        assert scene.guard.fatal is None

    run(play())
    ended = [facts["symbols"] for event, facts in scene.events if event == "sweep_ended"]
    assert sorted(symbol for symbols in ended for symbol in symbols) in (["BTCUSDT", "ETHUSDT"], ["BTCUSDT"])


@pytest.mark.invariant("R25")
def test_what_another_kill_still_names_is_swept_on(scene: Scene) -> None:
    async def play() -> None:
        scene.guard.kill(BITCOIN)
        scene.guard.kill(KillOrder("ETHUSDT", 1000, "drill", 1, "spot"))
        scene.spot.symbols = SYMBOLS
        await scene.until_waiting()
        scene.guard.arm("ETHUSDT", "spot", 1000, "")
        await scene.turns(30)
        assert [item.progress.symbols for item in scene.guard._unfinished("spot")] == [("BTCUSDT",)]

    run(play())


@pytest.mark.invariant("R25")
def test_the_sweep_of_a_hung_engine_ends_when_it_goes_on_and_that_of_a_dead_one_does_not(scene: Scene) -> None:
    async def play(sight: Sight) -> None:
        scene.spot.cancelled.clear()
        scene.guard.look = Look(sight, 7)
        scene.guard.sweep(sight.value)
        await scene.until_waiting()
        assert scene.guard.is_sweeping
        scene.guard.look = TRADES
        await scene.turns(100)
        assert scene.guard.is_sweeping == (sight == Sight.GONE)

    run(play(Sight.HUNG))
    run(play(Sight.GONE))


@pytest.mark.invariant("R25")
def test_a_round_that_has_begun_when_a_hung_engine_goes_on_is_finished(scene: Scene) -> None:
    async def play() -> None:
        scene.spot.answers.clear()
        scene.guard.look = Look(Sight.HUNG, 7)
        scene.guard.sweep(Sight.HUNG.value)
        await scene.turns(3)
        scene.guard.look = TRADES
        await scene.turns(3)
        scene.spot.answers.set()
        await scene.until_ended()

    run(play())
    assert (sorted(scene.spot.cancelled), sorted(scene.spot.looked)) == (list(SYMBOLS), list(SYMBOLS))


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("kill", [WHOLE, SPOT])
def test_an_engine_that_was_just_armed_is_given_time_to_clear_the_file(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, kill: KillOrder
) -> None:
    monkeypatch.setattr(process, "ARM_WAIT_NS", 200_000_000)

    async def play() -> None:
        scene.guard.kills.add(WHOLE, kill)
        assert scene.guard.kills.settle()
        scene.guard.look = HALTED
        await scene.turns(3)
        told, scene.guard.look = scene.relay.told, TRADES
        await scene.turns(10)
        assert (scene.relay.told, scene.spot.cancelled, scene.guard.sweeps) == (told, [], 0)
        # nobody clears it: it is told and cancelled after all
        async with asyncio.timeout(30):
            while scene.relay.told == told or not scene.spot.cancelled:
                await scene.turns(1)

    run(play())


@pytest.mark.invariant("R25")
def test_a_kill_of_everything_and_one_of_a_part_are_swept_and_told_as_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "KILLED_SWEEP_INTERVAL_S", 0.1)
    scene.spot.symbols = ()

    async def play() -> None:
        scene.guard.kill(SPOT)
        async with asyncio.timeout(30):
            while scene.guard.sweeps < 2:
                await scene.turns(1)
        scene.guard.kill(WHOLE)
        for noted in (scene.events, scene.spot.cancelled, scene.futures.cancelled):
            noted.clear()
        before = scene.guard.sweeps
        async with asyncio.timeout(30):
            while scene.guard.sweeps < before + 5:
                await scene.turns(1)

    run(play())
    causes = [facts["cause"] for event, facts in scene.events if event == "sweep"]
    assert causes == ["a kill stands and the engine is not HALTED"]
    assert len(scene.spot.cancelled) == len(scene.futures.cancelled)
