"""A running venue with USD-M futures for the contract tests, and shapes of replies: keys and types in one line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import websockets

from engine.runtime.clock import Clock
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.server import Ports, VenueServer
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.tls import server_context
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from tests.venue_harness import KEY, Api, Json, RunningVenue, make_shell, venue_file

SYMBOL = "BTCUSDT"
LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
FAR_BUY = {**LIMIT, "price": "62000.00"}
MARKET_BUY = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "0.010"}
MARKET_SELL = {**MARKET_BUY, "side": "SELL"}
KINDS: dict[str, tuple[type, ...]] = {
    "s": (str,),
    "n": (int,),
    "f": (int, float),
    "b": (bool,),
    "l": (list,),
    "d": (dict,),
    "z": (type(None),),
}


class RunningUsdm(RunningVenue):
    """A running venue whose paths begin at the root: ``fapi/v1/ping``, ``futures/data/basis``."""

    @property
    def rest_url(self) -> str:
        """Root of the REST port."""
        return f"http://127.0.0.1:{self.server.addresses['rest']}"

    async def done(self, method: str, path: str, params: Json | None = None, key: str = KEY) -> Any:
        """A signed request that must succeed: its JSON."""
        status, body, _ = await self.signed(method, f"fapi/{path}", params, key=key)
        assert status == 200, body
        return body

    async def refused(self, method: str, path: str, params: Json | None = None) -> tuple[int, int]:
        """A signed request that must be refused: HTTP status and code."""
        status, body, _ = await self.signed(method, f"fapi/{path}", params)
        assert status != 200, body
        return status, body["code"]

    async def seen(self, path: str, **params: object) -> Any:
        """A public request that must succeed: its JSON."""
        status, body = await self.get(path, **params)
        assert status == 200, body
        return body

    async def rows(self, path: str, at_least: int = 1, **params: object) -> list[Any]:
        """A public list, asked for until it has so many rows (the market has just begun)."""
        async with asyncio.timeout(20):
            while len(found := await self.seen(path, **params)) < at_least:
                await asyncio.sleep(0.05)
        return list(found)

    async def listen_key(self, method: str = "POST", key: str = KEY) -> tuple[int, Any]:
        """A listen key request: the key in the header, nothing signed, no body."""
        status, body, _ = await self.raw(method, "fapi/v1/listenKey", "", key=key)
        return status, body


def make_usdm_shell(
    activity: float = 0.0,
    config: UsdmConfig | None = None,
    limits: UsdmLimitsConfig | None = None,
    wire: UsdmWireConfig | None = None,
    spot_activity: float = 0.0,
) -> VenueShell:
    """A shell of both markets with the shipped accounts; each stands still unless its activity is given."""
    shell, start_ns = make_shell(spot_activity), int(Clock().time_ns())
    usual = UsdmConfig(wallets={"demo": "100000", "second": "50000"}, activity=activity, backfill_minutes=10)
    core = UsdmCore(config or usual, venue_file().venue.accounts, 7, start_ns)
    shell.add_usdm(core, limits or UsdmLimitsConfig(stream_messages_s=50), wire or UsdmWireConfig(), start_ns)
    return shell


def play_usdm(
    scenario: Callable[[RunningUsdm], Awaitable[None]], shell: VenueShell | None = None, tls_dir: Path | None = None
) -> None:
    """Run ``scenario`` against a venue on loopback sockets; with ``tls_dir`` also under the authority made there."""
    asyncio.run(_play(scenario, shell or make_usdm_shell(), tls_dir))


async def _play(scenario: Callable[[RunningUsdm], Awaitable[None]], shell: VenueShell, tls_dir: Path | None) -> None:
    clock = Clock()
    server = VenueServer(shell, clock)
    context = server_context(tls_dir, int(clock.time_ns())) if tls_dir else None
    secure_port = 0 if tls_dir else None
    await server.start("127.0.0.1", Ports(rest_tls=secure_port, ws_tls=secure_port), context, None)
    try:
        async with aiohttp.ClientSession() as http:
            await scenario(RunningUsdm(shell, server, http))
    finally:
        await server.stop()


@asynccontextmanager
async def fapi(venue: RunningUsdm, options: str = "") -> AsyncIterator[Api]:
    """A ws-fapi connection."""
    async with websockets.connect(f"{venue.ws_url}/ws-fapi/v1{options}") as socket:
        yield Api(venue, socket)


@asynccontextmanager
async def own_events(
    venue: RunningUsdm, options: str = "", key: str = KEY
) -> AsyncIterator[websockets.ClientConnection]:
    """A private connection with the account's listen key."""
    listen_key = (await venue.listen_key(key=key))[1]["listenKey"]
    async with websockets.connect(f"{venue.ws_url}/private/ws?listenKey={listen_key}{options}") as socket:
        yield socket


async def until(socket: websockets.ClientConnection, name: str, timeout_s: float = 15.0) -> Json:
    """The next event of a kind; others are passed over."""
    async with asyncio.timeout(timeout_s):
        while True:
            event: Json = json.loads(await socket.recv())
            if event["e"] == name:
                return event


def shaped(row: Json, text: str) -> None:
    """Check a row's keys and types: ``symbol:s time:n`` (s text, n integer, f number, b boolean, l d z)."""
    wanted = dict(part.split(":") for part in text.split())
    assert set(row) == set(wanted), f"keys: missing {set(wanted) - set(row)}, unknown {set(row) - set(wanted)}"
    for name, kind in wanted.items():
        value = row[name]
        is_right = isinstance(value, KINDS[kind]) and (kind == "b" or not isinstance(value, bool))
        assert is_right, f"{name}: {value!r} is no {kind}"
