"""Beside an engine that lives the guard takes no more than a quarter of a venue's request weight, by each venue's own answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs

import pytest

from engine.guard import sweep
from engine.guard.hold import ScopedKills
from engine.guard.kills import KillOrder, Kills
from engine.guard.process import Guard, GuardedVenue
from engine.guard.relay import KillRelay
from engine.guard.sweep import Progress, Sweep
from engine.guard.watch import EngineWatch, Look, Sight
from engine.runtime.clock import Clock
from engine.runtime.net import HttpClient, HttpResponse
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import SPOT_ROUTES, USDM_ROUTES, CancelRoutes, RestCancel

UNKNOWN = HttpResponse(400, {}, b'{"code":-2011,"msg":"Unknown order sent."}')
DONE = HttpResponse(200, {}, b'{"code":200,"msg":"The operation of cancel all open order is done."}')
MINUTE_NS = 60_000_000_000
TURN_NS = 100_000_000
# (routes, weight of a minute, of a look at one symbol, of a look at all)
SPOT, USDM = (SPOT_ROUTES, 6000, 6, 80), (USDM_ROUTES, 2400, 1, 40)


class Http:
    """A venue that answers and weighs as the exchange does. `is_quoting`: in every symbol something is open at each look."""

    def __init__(self, weights: tuple[CancelRoutes, int, int, int]) -> None:
        self.routes, self.limit, self._one, self._all = weights
        self.symbols: tuple[str, ...] = ()
        self.is_quoting = False
        self.weight = 0
        self.cancels: list[str] = []

    async def request(self, method: str, target: str, **_options: Any) -> HttpResponse:
        query = parse_qs(target.partition("?")[2])
        if method == "DELETE":
            self.weight += 1
            self.cancels += query["symbol"]
            return DONE if self.routes is USDM_ROUTES or self.is_quoting else UNKNOWN
        self.weight += self._one if "symbol" in query else self._all
        rows = ",".join(f'{{"symbol":"{name}"}}' for name in query.get("symbol", self.symbols))
        return HttpResponse(200, {}, f"[{rows if self.is_quoting else ''}]".encode())


def canceller(http: Http, clock: Clock) -> RestCancel:
    """A session at it."""
    return RestCancel(cast(HttpClient, http), clock, http.routes, "key", lambda _message: "signed", 5000)


class Scene:
    """A guard, a deaf engine that trades on, and one line of so many symbols."""

    def __init__(self, data_dir: Path, http: Http, count: int) -> None:
        self.http, self.clock, self.events = http, Clock.virtual(), list[str]()
        http.symbols = tuple(f"S{number}USDT" for number in range(count))
        relay = cast(KillRelay, SimpleNamespace(tell=bool, ask=bool, reply=lambda: None, close=bool))
        lines = {"line": SimpleNamespace(symbols=http.symbols)}
        venue = GuardedVenue("line", http.symbols, canceller(http, self.clock), 600.0)
        parts = cast(EngineWatch, None), Kills(data_dir), relay, cast(Supervisor, None), self.clock

        def note(event: str, **_facts: Any) -> None:
            self.events.append(event)

        scoped = ScopedKills(relay, lines, note)
        self.guard = Guard([venue], *parts, note, heartbeat_ms_max=100, keep_alive_s=5.0, scoped=scoped)
        self.guard.look = Look(Sight.ALIVE, 7, is_halted=False)

    async def kill(self) -> None:
        """And its first sweep."""
        self.guard.kill(KillOrder("", 1000, "drill", 1, "line"))
        while self.guard.is_sweeping:
            await asyncio.sleep(0)

    async def minutes(self, count: int) -> None:
        """So long it is held."""
        for _ in range(count * MINUTE_NS // TURN_NS):
            self.clock.advance(TURN_NS)
            self.guard._hold_killed()
            async with asyncio.timeout(30):
                while self.guard.is_sweeping:
                    await asyncio.sleep(0)


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("weights", "count", "interval_s"),
    [(SPOT, 1, 1), (SPOT, 20, 1), (SPOT, 500, 4), (USDM, 1, 1), (USDM, 4, 1), (USDM, 20, 5), (USDM, 500, 9)],
)
def test_repeats_that_find_nothing_spend_a_quarter_at_most_and_log_nothing(
    tmp_path: Path, weights: tuple[CancelRoutes, int, int, int], count: int, interval_s: int
) -> None:
    http = Http(weights)
    scene = Scene(tmp_path, http, count)

    async def play() -> None:
        await scene.kill()
        # until its first sweep is paid for, and the repeats were told of once
        await scene.minutes(4)
        assert scene.events.count("sweep") == 2
        scene.events.clear()
        http.weight, before = 0, scene.guard.sweeps
        await scene.minutes(2)
        assert http.weight <= 2 * http.limit // 4 + 2 * 80
        assert scene.guard.sweeps - before >= 2 * 60 // interval_s - 1
        assert scene.events == []

    asyncio.run(play())


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("weights", [SPOT, USDM])
@pytest.mark.parametrize("count", [1, 100])
def test_a_repeat_cancels_what_is_open_and_nothing_else(
    tmp_path: Path, weights: tuple[CancelRoutes, int, int, int], count: int
) -> None:
    http = Http(weights)
    http.symbols = tuple(f"S{number}USDT" for number in range(count))
    http.is_quoting = True

    async def play() -> None:
        progress = Progress("repeat", http.symbols, 0, is_repeat=True)
        events: list[str] = []

        def note(event: str, **_facts: Any) -> None:
            events.append(event)
            http.is_quoting = False

        await Sweep("line", canceller(http, Clock.virtual()), Clock.virtual(), note).run(progress)
        assert set(http.cancels) == set(http.symbols)
        assert progress.found
        assert events.count("cancelled") >= 1

    asyncio.run(play())


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("weights", [SPOT, USDM])
@pytest.mark.parametrize("is_repeat", [True, False])
def test_rounds_beside_an_engine_that_quotes_on_spend_a_quarter_at_most(
    monkeypatch: pytest.MonkeyPatch, weights: tuple[CancelRoutes, int, int, int], is_repeat: bool
) -> None:
    http, clock = Http(weights), Clock.virtual()
    http.symbols, http.is_quoting = tuple(f"S{number}USDT" for number in range(20)), True
    began_ns = clock.monotonic_ns()

    async def sleep(seconds: float) -> None:
        clock.advance(int(seconds * 1e9) + 1)
        http.is_quoting = clock.monotonic_ns() < began_ns + 10 * MINUTE_NS

    monkeypatch.setattr(sweep, "asyncio", SimpleNamespace(sleep=sleep, gather=asyncio.gather))
    venue = canceller(http, clock)
    progress = Progress("killed", http.symbols, began_ns, is_repeat=is_repeat)
    asyncio.run(Sweep("line", venue, clock, lambda _event, **_facts: None, lambda: venue.rest_s).run(progress))
    minutes = (clock.monotonic_ns() - began_ns) / MINUTE_NS
    assert http.weight <= minutes * http.limit / 4 + 200
    assert progress.rounds > 20


def test_what_is_lost_is_swept_with_all_of_the_weight(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Http(USDM), 20)

    async def play() -> None:
        await scene.kill()
        [venue] = scene.guard.venues
        assert scene.guard._rest_s(venue) > 1
        scene.guard.look = Look(Sight.HUNG, 7)
        assert scene.guard._rest_s(venue) == 0

    asyncio.run(play())
