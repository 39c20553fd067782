"""Paper trading: the venue's live market, and an order half that never leaves this process.

The market half of the engine keeps its connections to the venue, through a network that can do nothing else: it opens the market
streams and sends public GETs, and refuses everything that could carry an order, a key or a signature. The order half - sessions,
REST, signatures and all - talks over `engine.sim.inprocess.net` to a venue in this process (`engine.sim.paper`), whose books are
those that the market half receives and whose fills follow the model of the replay venue.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from engine.config import LoadedConfig
from engine.config_schema import Config, PaperSection, VenueSection
from engine.credentials import Credentials
from engine.exit_codes import CommandError, ExitCode
from engine.model.instruments import InstrumentSpec
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.net import Connection, HttpClient, HttpResponse, NetError
from engine.runtime.session import Session
from engine.runtime.world import World
from engine.sim.inprocess.net import MemoryNet
from engine.sim.inprocess.ways import Latency
from engine.sim.paper.feed import LiveFeed
from engine.sim.paper.keeping import PaperBooks
from engine.sim.paper.terms import PaperTerms
from engine.sim.paper.venue import PaperVenue, build_paper
from engine.sim.replay.frames import read_snapshot
from engine.venue_access import VenueAccess, refusal
from engine.venues.binance.rest_market import VenueError

BALANCE_DEFAULT = "100000"
FEES_BPS = {"binance-spot": (10, 10), "binance-usdm": (2, 5)}
ACCOUNT_FILE = "paper-account.jsonl"
MARKET_ROUTES = ("/stream", "/public/stream", "/market/stream")
KEY_HEADER = "x-mbx-apikey"
# of a snapshot only the best prices are wanted before the market's own arrives
PRICE_LEVELS = 5
ADDRESSES = {"rest_url": "http://paper", "stream_url": "ws://paper", "ws_api_url": "ws://paper"}


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
    ) -> HttpResponse:
        """A public GET. Raises NetError; OrdersStayHere for anything that changes or names an account."""
        require_public(method, target, headers or {}, body)
        response = await self._client.request(method, target, timeout_s=timeout_s)
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


@dataclass(frozen=True)
class Paper:
    """The paper half of a running engine: its venue, and the file in which its account outlives the process."""

    venue: PaperVenue
    net: MemoryNet
    books: PaperBooks

    def close(self) -> None:
        """The end of a run."""
        self.venue.host.stop()
        self.books.close()


async def open_paper(
    loaded: LoadedConfig,
    world: World,
    access: VenueAccess,
    specs: list[InstrumentSpec],
    credentials: Credentials,
    line: str = "",
) -> Paper:
    """Make the paper venue and let `access.orders` lead to it; on the running loop. Raises CommandError.

    `world` has the market-only network of the line; of several lines each has an account file by its name.
    """
    file_name = ACCOUNT_FILE if len(loaded.config.venue) == 1 else f"paper-account-{line}.jsonl"
    section = loaded.config.paper
    prices_e8 = dict(
        zip(
            (spec.symbol for spec in specs),
            await asyncio.gather(*(_price(access, spec) for spec in specs)),
            strict=True,
        )
    )
    terms = paper_terms(section, access.venue.kind, specs, credentials)
    is_usdm = access.venue.kind == "binance-usdm"
    try:
        venue = build_paper(
            specs, prices_e8, terms, access.rest.rate_limits, world.clock, is_usdm=is_usdm, seed=world.seed
        )
        books = PaperBooks(loaded.data_dir / file_name, venue.core, world.clock.time_ns())
    except ValueError as error:
        raise CommandError(ExitCode.CONFIG, f"{loaded.path}: paper: {error}") from None
    venue.shell.before_publish = books.note
    latency = Latency(section.to_venue_us, section.from_venue_us, section.jitter_us)
    net = MemoryNet(venue.host, world.clock, latency, world.rng.getrandbits(63))
    order_world = in_process_world(world, net)
    access.orders = VenueAccess(order_world, msgspec.structs.replace(access.venue, tls_ca=None, **ADDRESSES))
    venue.host.start(asyncio.get_running_loop())
    world.net.feed = venue.feed
    return Paper(venue, net, books)


def in_process_world(world: World, net: MemoryNet | MarketOnlyNet) -> World:
    """The same World with another network."""
    return World(world.clock, world.disk, world.seed, world.rng, net, world.is_virtual)


def paper_terms(section: PaperSection, kind: str, specs: list[InstrumentSpec], credentials: Credentials) -> PaperTerms:
    """The configured terms, with the defaults of the kind."""
    maker_bps, taker_bps = FEES_BPS[kind]
    paid_in = dict.fromkeys(spec.settle_asset or spec.quote_asset for spec in specs)
    return PaperTerms(
        api_key=credentials.api_key,
        secret=credentials.secret.decode(),
        balances=dict(section.balances) or dict.fromkeys(paid_in, BALANCE_DEFAULT),
        maker_bps=maker_bps if section.maker_bps is None else section.maker_bps,
        taker_bps=taker_bps if section.taker_bps is None else section.taker_bps,
        fills=section.fills,
    )


async def _price(access: VenueAccess, spec: InstrumentSpec) -> int:
    """The middle of a symbol's book now, in 1e-8."""
    try:
        book = read_snapshot(await access.rest.depth(spec.symbol, PRICE_LEVELS))
    except NetError as error:
        raise CommandError(ExitCode.UNAVAILABLE, str(error)) from None
    except VenueError as error:
        raise refusal(error, f"the book of {spec.symbol}") from None
    best = [side[0][0] for side in (book.bids, book.asks) if side]
    if not best:
        raise CommandError(
            ExitCode.UNAVAILABLE, f"{spec.symbol}: the venue's book is empty: paper has no price to begin with"
        )
    return sum(best) // len(best)
