"""One line of an engine: a venue, an account at it, and what is made of its own for them.

What lines share - sequencer, books, strategies, gate - stands in `engine/app.py`, which makes lines and wires them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config_schema import VenueSection
from engine.credentials import Credentials, ed25519_signer
from engine.feed.instruments import InstrumentKeeper
from engine.feed.keeper import MarketKeeper
from engine.feed.polls import PollKeeper
from engine.model.codes import RecordKind
from engine.model.instruments import InstrumentSpec
from engine.model.margin_terms import ContractMargin
from engine.oms.oms import Oms
from engine.runtime.net import NetError, ReconnectPolicy
from engine.runtime.ring import Ring
from engine.venue_access import VenueAccess
from engine.venue_kinds import MarketRoute, OrderKeeping, OrderLine, kind_of
from engine.venues.binance.market_session import BinanceMarketSession
from engine.venues.binance.order_session import BinanceOrderSession
from engine.venues.binance.reference import ReferenceDataError
from engine.venues.binance.rest_market import VenueError
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.statistics import Wanted

if TYPE_CHECKING:
    from engine.app import Engine

RING_SLOTS = 4096
INTENT_SLOTS = 1024
# the exchange's longest processing delay: its engine answers within 10 s or says that it does not know (-1007)
VENUE_DELAY_NS_MAX = 10_000_000_000
NS_PER_MS = 1_000_000
ORDER_SESSION_ID = 1
POLL_SESSION_ID = 90
MARKET_SESSION_FIRST = 100
# as many as the keeper gives out, so that two routes' sessions never look alike to the books
SESSIONS_PER_ROUTE = 32
SESSIONS_PER_LINE = 1000
SNAPSHOT_LEVELS = 1000


@dataclass(frozen=True)
class LineInputs:
    """What one `[venue.NAME]` section brings along: its keys, its symbols' reference data, the venue's own rate limits."""

    name: str
    venue: VenueSection
    credentials: Credentials
    specs: list[InstrumentSpec]
    rate_limits: Mapping[tuple[str, str], int]


class LineRings:
    """The rings that a line has to itself. A single line's are called as in the drawing."""

    def __init__(self, suffix: str = "") -> None:
        self.to_oms = Ring(f"to_oms{suffix}", RING_SLOTS)
        self.approvals = Ring(f"approvals{suffix}", INTENT_SLOTS)
        self.outbound = Ring(f"outbound{suffix}", RING_SLOTS)


class LineBooks:
    """The books of one line's symbols: another line's connection cannot mend them."""

    def __init__(self, engine: Engine, venue_id: int) -> None:
        self._engine = engine
        self._venue_id = venue_id

    def take_resyncs(self) -> list[int]:
        """Those of this line that want a snapshot."""
        return self._engine.take_resyncs(self._venue_id)

    def take_refresh(self) -> bool:
        """Was a change of reference data told."""
        return self._engine.take_refresh(self._venue_id)


class NoBooks:
    """A market connection that carries no depth: none of its sessions mends a book."""

    def take_resyncs(self) -> list[int]:
        """None, ever."""
        return []


class Line:
    """A line's own stages: order management and the order session, with the market and order codecs."""

    def __init__(self, engine: Engine, inputs: LineInputs, venue_id: int, rings: LineRings) -> None:
        self.engine, self.name, self.venue_id, self.rings = engine, inputs.name, venue_id, rings
        self.venue, self.kind, self.specs = inputs.venue, kind_of(inputs.venue.kind), inputs.specs
        self.wanted = Wanted({}, ())
        self.codec = self.kind.market_codec(engine.tables, venue_id, self.venue.symbols)
        self.oms = self._oms()
        self.session = self._order_session(inputs.credentials, inputs.rate_limits)

    def tell_margin(self, terms: Iterable[ContractMargin]) -> None:
        """How the account stands in each contract, as inputs: a replay has them too."""
        tables = self.engine.tables
        for row in terms:
            self.engine.sequencer.submit_record(
                int(RecordKind.MARGIN_TIERS), row.payload(), venue_id=self.venue_id, account_id=self.venue_id,
                instrument_id=tables.instrument_id(self.venue_id, row.symbol),
            )  # fmt: skip

    def _oms(self) -> Oms:
        engine, rings = self.engine, self.engine.rings
        return Oms(
            "oms" + self.suffix, engine.journal, engine.tables, engine.counters, engine.register,
            to_oms=self.rings.to_oms, approvals=self.rings.approvals, outbound=self.rings.outbound,
            order_events=rings.order_events, manual_intents=rings.manual_intents,
            order_timeout_ns=self.venue.order_timeout_ms * NS_PER_MS, recv_window_ns=self.venue.recv_window_ms * NS_PER_MS,
            venue_delay_ns_max=VENUE_DELAY_NS_MAX, account_id=self.venue_id, venue_id=self.venue_id,
            cancel_on_start=engine.loaded.config.reconcile.cancel_on_start,
            stop_keeps_protection=engine.loaded.config.engine.stop_keeps_protection,
            has_cancel_all=self.kind.capabilities.has_cancel_all_by_symbol, risk_events=rings.risk_events,
            execution_events=rings.execution_events, reporting_currency=engine.loaded.config.portfolio.currency,
            liquidation_near_bps=engine.loaded.config.portfolio.liquidation_near_bps,
        )  # fmt: skip

    def _order_session(
        self, credentials: Credentials, rate_limits: Mapping[tuple[str, str], int]
    ) -> BinanceOrderSession:
        """The venue's order protocol: an Ed25519 key logs the session on, an HMAC key signs each request."""
        engine = self.engine
        is_hmac = credentials.key_type == "hmac"
        codec = self.kind.order_codec(
            engine.tables, self.codec, engine_id=engine.loaded.config.engine.id, api_key=credentials.api_key,
            signer=HmacSigner(credentials.secret) if is_hmac else None, recv_window_ms=self.venue.recv_window_ms,
        )  # fmt: skip
        session = self.kind.order_session(
            "orders" + self.suffix, self.session_base + ORDER_SESSION_ID, engine.journal, engine.tables, engine.counters,
            engine.register, engine.world.clock, self.kind.budget(rate_limits), codec, outbound=self.rings.outbound,
            inbound=engine.rings.inbound_own, venue_id=self.venue_id, account_id=self.venue_id,
            log_on_signer=None if is_hmac else ed25519_signer(credentials.secret),
        )  # fmt: skip
        # an order that the disk has kept must be refused before OMS would call it UNKNOWN and ask the venue for it
        wait_ms = min(engine.loaded.config.journal.order_wait_ms_max, self.venue.order_timeout_ms // 2)
        session.set_wait_max(wait_ms * NS_PER_MS)
        return session

    @property
    def suffix(self) -> str:
        """What tells this line's parts from another's; nothing where there is one line."""
        return self.engine.suffix_of(self.name)

    @property
    def session_base(self) -> int:
        """Numbers of sessions are the engine's: each line has a range of its own."""
        return self.engine.line_number(self.name) * SESSIONS_PER_LINE

    @property
    def instrument_ids(self) -> list[int]:
        """The rows of its symbols."""
        return [self.engine.tables.instrument_id(self.venue_id, symbol) for symbol in self.venue.symbols]

    # --- who keeps its connections ---

    def order_keeper(self, access: VenueAccess, on_fatal: Callable[[BaseException], None]) -> OrderKeeping:
        """Who keeps the order connections; `access` is the order half's."""
        return self.kind.order_keeper(
            OrderLine(
                world=access.world, pipeline=self.engine.pipeline, session=self.session, access=access, on_fatal=on_fatal,
                order_url=self.kind.order_url(access.venue.ws_api_url), stream_url=access.venue.stream_url,
            )
        )  # fmt: skip

    def market_keepers(self, access: VenueAccess, on_fatal: Callable[[BaseException], None]) -> list[MarketKeeper]:
        """Who keeps the market connections: one for each route of the venue's kind."""
        for instrument_id in self.instrument_ids:
            self.engine.book.prepare(instrument_id)
        return [
            self._market_keeper(access, on_fatal, route, number)
            for number, route in enumerate(self.kind.market_routes)
            if route.has_books or self.wanted.streams.get(route.path)
        ]

    def _market_keeper(
        self, access: VenueAccess, on_fatal: Callable[[BaseException], None], route: MarketRoute, number: int
    ) -> MarketKeeper:
        """One market connection; the route with the books fetches depth snapshots too."""
        engine, world, venue = self.engine, access.world, self.venue

        def make_session(session_id: int) -> object:
            return route.session(
                f"market-{session_id}", session_id, self.codec, engine.journal, engine.rings.inbound_market, engine.counters,
                world.clock, venue.symbols, stream_kinds=route.stream_kinds, streams=self.wanted.streams.get(route.path, ()),
                feeds_books=route.has_books,
            )  # fmt: skip

        async def fetch_snapshot(instrument_id: int) -> bytes:
            return await access.rest.depth(engine.tables.symbol(instrument_id), SNAPSHOT_LEVELS)

        return MarketKeeper(
            net=world.net, clock=world.clock, counters=engine.counters, pipeline=engine.pipeline,
            books=LineBooks(engine, self.venue_id) if route.has_books else NoBooks(), policy=ReconnectPolicy(world.rng),
            url=f"{venue.stream_url}{route.path}", make_session=make_session, fetch_snapshot=fetch_snapshot,
            connect_options={**access.options(venue.stream_url), "on_fatal": on_fatal},
            first_session_id=self.session_base + MARKET_SESSION_FIRST + number * SESSIONS_PER_ROUTE,
        )  # fmt: skip

    def poll_keeper(self, access: VenueAccess) -> PollKeeper:
        """Who asks for what the venue gives only over REST."""
        engine = self.engine
        session = BinanceMarketSession(
            "polls" + self.suffix, self.session_base + POLL_SESSION_ID, self.codec, engine.journal, engine.rings.inbound_market,
            engine.counters, engine.world.clock, self.venue.symbols, stream_kinds=(), feeds_books=False,
        )  # fmt: skip
        polls = [(poll, name, engine.tables.instrument_id(self.venue_id, name)) for poll, name in self.wanted.polls]
        return PollKeeper(
            clock=engine.world.clock, pipeline=engine.pipeline, session=session, polls=polls, fetch=access.rest.poll,
            expected=(NetError, VenueError),
        )  # fmt: skip

    def instrument_keeper(self, access: VenueAccess) -> InstrumentKeeper:
        """Who asks now and then what the venue's symbols are."""
        engine = self.engine

        async def fetch(symbols: list[str]) -> dict[str, InstrumentSpec]:
            return await access.rest.listed(self.venue_id, symbols)

        return InstrumentKeeper(
            sequencer=engine.sequencer, pipeline=engine.pipeline, tables=engine.tables,
            books=LineBooks(engine, self.venue_id), specs=self.specs, fetch=fetch,
            interval_s=self.venue.instrument_refresh_s, expected=(NetError, VenueError, ReferenceDataError),
        )  # fmt: skip


def of_each(lines: Iterable[Line], ring: str) -> dict[int, Ring]:
    """One ring of every line, by venue id: what a stage that serves all of them is wired to."""
    return {line.venue_id: getattr(line.rings, ring) for line in lines}
