"""The market half of a paper engine: a network that opens market streams and sends public GETs, and nothing else.

It lets every market frame and every depth snapshot be heard by the paper venue (`engine.paper`), after the engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from engine.config import LoadedConfig
from engine.config_schema import Config, VenueSection
from engine.credentials import Credentials
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.net import Connection, HttpClient, HttpResponse
from engine.runtime.session import Session
from engine.runtime.world import World

if TYPE_CHECKING:
    # the simulated venue is loaded only where paper is asked for
    from engine.sim.paper.feed import LiveFeed

MARKET_ROUTES = ("/stream", "/public/stream", "/market/stream")
KEY_HEADER = "x-mbx-apikey"


class OrdersStayHere(RuntimeError):
    """Something tried to reach the venue's order side in paper mode: a fault of ours, which ends the process."""


def is_paper(config: Config) -> bool:
    """Whether the configuration asks for paper trading."""
    return config.engine.mode == "paper"


def paper_credentials(loaded: LoadedConfig, world: World) -> Credentials:
    """The key of the paper account: its name is the data directory's, its secret lives as long as the process."""
    name = hashlib.sha256(str(loaded.data_dir).encode()).hexdigest()
    return Credentials("hmac", f"paper{name}"[:64], world.random_bytes(32).hex().encode())


class MarketOnlyNet:
    """A network for the market half. `feed` hears every market frame and every depth snapshot, after the engine."""

    def __init__(self, net: Any, venue: VenueSection) -> None:
        self._net = net
        self._stream_url = venue.stream_url.rstrip("/")
        self.feed: LiveFeed | None = None

    @property
    def is_connecting(self) -> bool:
        """Is any connection being made."""
        return bool(self._net.is_connecting)

    def tls_context(self, ca_file: str | Path | None = None) -> Any:
        """As the network below."""
        return self._net.tls_context(ca_file)

    def http_client(self, base_url: str, **options: Any) -> HttpClient:
        """A client that sends public GETs."""
        return MarketOnlyClient(self._net.http_client(base_url, **options), self.on_snapshot)

    async def connect_websocket(
        self, session: Session, pipeline: Pipeline, clock: Clock, url: str, **options: Any
    ) -> Connection:
        """Connect to a market stream. Raises NetError; OrdersStayHere for any other address."""
        require_market_stream(url, self._stream_url)
        connection: Connection = await self._net.connect_websocket(
            session, pipeline, clock, url, **options, tap=self.on_frame
        )
        return connection

    def on_frame(self, frame: bytes) -> None:
        """A market frame, which the engine's session has had."""
        if self.feed is not None:
            self.feed.on_frame(frame)

    def on_snapshot(self, symbol: str, body: bytes) -> None:
        """A depth snapshot on its way to the engine's book."""
        if self.feed is not None:
            self.feed.on_snapshot(symbol, body)


class MarketOnlyClient(HttpClient):
    """Public GETs through a client of the network below."""

    def __init__(self, client: HttpClient, on_snapshot: Callable[[str, bytes], None]) -> None:
        self._client = client
        self._on_snapshot = on_snapshot

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_s: float | None = None,
        before_send: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """A public GET. Raises NetError; OrdersStayHere for anything that changes or names an account."""
        require_public(method, target, headers or {}, body)
        response = await self._client.request(method, target, timeout_s=timeout_s, before_send=before_send)
        parts = urlsplit(target)
        if response.status == 200 and parts.path.endswith("/depth"):
            for symbol in parse_qs(parts.query).get("symbol", ()):
                self._on_snapshot(symbol, response.body)
        return response

    async def close(self) -> None:
        """Close what is idle."""
        await self._client.close()


def require_market_stream(url: str, stream_url: str) -> None:
    """Refuse every WebSocket but a market stream below the configured address. Raises OrdersStayHere."""
    route = url.removeprefix(stream_url)
    if not url.startswith(stream_url) or route not in MARKET_ROUTES:
        raise OrdersStayHere(
            f"paper trading opens market streams only, not {urlsplit(url)._replace(query='').geturl()}"
        )


def require_public(method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
    """Refuse every request but a GET without key, signature or body. Raises OrdersStayHere."""
    is_keyed = any(name.lower() == KEY_HEADER for name in headers)
    if method != "GET" or is_keyed or body or "signature=" in target or "timestamp=" in target:
        raise OrdersStayHere(f"paper trading sends public GETs only, not {method} {urlsplit(target).path}")


def in_process_world(world: World, net: Any | MarketOnlyNet) -> World:
    """The same World with another network."""
    return World(world.clock, world.disk, world.seed, world.rng, net, world.is_virtual)
