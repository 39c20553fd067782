"""A running venue and plain clients for the contract tests: real sockets, the tests' own signing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from engine.runtime.clock import Clock
from engine.sim.config import VenueConfig
from engine.sim.core import VenueCore
from engine.sim.wire.config import VenueFile, WireConfig, load
from engine.sim.wire.frame_log import FrameLog
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.server import Ports, VenueServer
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.tls import server_context

REPOSITORY = Path(__file__).parents[1]
CONFIG = REPOSITORY / "config" / "venue.toml"
KEY = "qT7sim0KeyForDocsOnly00000000000000000000000000000000000000000001"
SECRET = "wZ9simSecretForDocsOnly0000000000000000000000000000000000000002"
ED_KEY = "demoEd25519KeyForTestsOnly00000000000000000000000000000000000001"
ED_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SECOND_KEY = "secondHmacKeyForTestsOnly000000000000000000000000000000000000002"
SECOND_SECRET = "secondHmacSecretForTestsOnly00000000000000000000000000000000002"
LIMIT_BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
FAR_BUY = {**LIMIT_BUY, "quantity": "0.01", "price": "60000.00"}

Json = dict[str, Any]


def data_folder() -> Path | None:
    """The recorded venue messages, or None on a machine that has none."""
    named = os.environ.get("TRADEWIND_DATA")
    places = [Path(named)] if named else [parent / "shared" / "data" for parent in REPOSITORY.parents]
    return next((place for place in places if (place / "fixtures").is_dir()), None)


def hmac_hex(text: str, secret: str = SECRET) -> str:
    """The signature of ``text``."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass
class RunningVenue:
    """A venue on free loopback ports, and a REST client."""

    shell: VenueShell
    server: VenueServer
    http: aiohttp.ClientSession
    clock: Clock = field(default_factory=Clock)

    @property
    def rest_url(self) -> str:
        """Base of the REST interface."""
        return f"http://127.0.0.1:{self.server.addresses['rest']}/api/v3"

    @property
    def ws_url(self) -> str:
        """Base of the WebSocket interfaces."""
        return f"ws://127.0.0.1:{self.server.addresses['ws']}"

    def now_ms(self) -> int:
        """Now."""
        return int(self.clock.time_ns()) // 1_000_000

    async def get(self, path: str, **params: object) -> tuple[int, Any]:
        """An unsigned GET: status and JSON."""
        status, body, _ = await self.raw("GET", path, urlencode(params), key=None)
        return status, body

    async def signed(
        self, method: str, path: str, params: Json | None = None, in_body: bool = False, key: str = KEY
    ) -> tuple[int, Any, dict[str, str]]:
        """A signed request: status, JSON, headers."""
        secret = SECRET if key == KEY else SECOND_SECRET
        text = urlencode({**(params or {}), "timestamp": self.now_ms()})
        text += "&signature=" + hmac_hex(text, secret)
        return await self.raw(method, path, "" if in_body else text, text if in_body else None, key)

    async def raw(
        self, method: str, path: str, query: str, body: str | None = None, key: str | None = KEY
    ) -> tuple[int, Any, dict[str, str]]:
        """A request with exactly this query and body."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        if key is not None:
            headers["X-MBX-APIKEY"] = key
        url = f"{self.rest_url}/{path}" + (f"?{query}" if query else "")
        async with self.http.request(method, URL(url, encoded=True), data=body, headers=headers) as reply:
            return reply.status, await reply.json(), {name.lower(): value for name, value in reply.headers.items()}


class Api:
    """A WebSocket API client: replies by id, events collected."""

    def __init__(self, venue: RunningVenue, socket: websockets.ClientConnection) -> None:
        self._venue = venue
        self.socket = socket
        self.events: list[Json] = []
        self._number = 0

    async def call(self, method: str, params: Json | None = None) -> Json:
        """Send a request and wait for its reply; events that come before it are kept."""
        self._number += 1
        await self.socket.send(json.dumps({"id": self._number, "method": method, "params": params or {}}))
        while True:
            message: Json = json.loads(await asyncio.wait_for(self.socket.recv(), 5))
            if message.get("id") == self._number:
                return message
            self.events.append(message)

    async def signed(self, method: str, params: Json | None = None, key: str = KEY) -> Json:
        """Send a request signed with an HMAC key."""
        full = {**(params or {}), "apiKey": key, "timestamp": self._venue.now_ms()}
        text = "&".join(f"{name}={full[name]}" for name in sorted(full))
        return await self.call(method, {**full, "signature": hmac_hex(text, SECRET if key == KEY else SECOND_SECRET)})

    async def log_on(self) -> Json:
        """Log on with the Ed25519 key."""
        return await self.call("session.logon", ed25519_params({"timestamp": self._venue.now_ms()}))

    async def event(self) -> Json:
        """The next event."""
        if self.events:
            return self.events.pop(0)
        message: Json = json.loads(await asyncio.wait_for(self.socket.recv(), 5))
        return message


def ed25519_params(params: Json) -> Json:
    """``params`` with the Ed25519 key and its signature."""
    full = {**params, "apiKey": ED_KEY}
    text = "&".join(f"{name}={full[name]}" for name in sorted(full))
    return {**full, "signature": base64.b64encode(ED_PRIVATE.sign(text.encode())).decode()}


@asynccontextmanager
async def api(venue: RunningVenue, options: str = "") -> AsyncIterator[Api]:
    """A WebSocket API connection."""
    async with websockets.connect(f"{venue.ws_url}/ws-api/v3{options}") as socket:
        yield Api(venue, socket)


async def receive(socket: websockets.ClientConnection, count: int, timeout_s: float = 10.0) -> list[Any]:
    """The next ``count`` messages, decoded."""
    return [json.loads(await asyncio.wait_for(socket.recv(), timeout_s)) for _ in range(count)]


def venue_file() -> VenueFile:
    """The shipped configuration."""
    return load(CONFIG)


def make_shell(
    activity: float = 0.0,
    limits: LimitsConfig | None = None,
    wire: WireConfig | None = None,
    start_ns: int | None = None,
    frame_log: Path | None = None,
) -> VenueShell:
    """A shell of the shipped accounts; the market stands still unless ``activity`` is given."""
    begin_ns = int(Clock().time_ns()) if start_ns is None else start_ns
    config = VenueConfig(accounts=venue_file().venue.accounts, activity=activity, backfill_minutes=10)
    core = VenueCore(config, 7, begin_ns)
    roomy = LimitsConfig(connections_5m=10_000, stream_messages_s=50)
    return VenueShell(core, wire or WireConfig(), limits or roomy, begin_ns, FrameLog(frame_log))


def play(
    scenario: Callable[[RunningVenue], Awaitable[None]], shell: VenueShell | None = None, tls_dir: Path | None = None
) -> None:
    """Run ``scenario`` against a venue on loopback sockets; with ``tls_dir`` also under the authority made there."""
    asyncio.run(_play(scenario, shell or make_shell(), tls_dir))


async def _play(
    scenario: Callable[[RunningVenue], Awaitable[None]], shell: VenueShell, tls_dir: Path | None = None
) -> None:
    clock = Clock()
    server = VenueServer(shell, clock)
    context = server_context(tls_dir, int(clock.time_ns())) if tls_dir else None
    secure_port = 0 if tls_dir else None
    await server.start("127.0.0.1", Ports(rest_tls=secure_port, ws_tls=secure_port), context, None)
    try:
        async with aiohttp.ClientSession() as http:
            await scenario(RunningVenue(shell, server, http))
    finally:
        await server.stop()
