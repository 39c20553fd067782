"""The kinds of venue and what each is made of: one row a kind, so that `engine/app.py` wires all of them alike.

A row has two halves. The market half: codec, session and the routes below `stream_url`. The order half: REST access, codec, session
and the keeper of its connections. What differs between two kinds stands here or behind what is named here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from engine.config_schema import VenueSection
from engine.credentials import Credentials
from engine.exit_codes import CommandError, ExitCode
from engine.gateway.budget import RateBudget
from engine.gateway.keeper import OrderKeeper
from engine.model.margin_terms import ContractMargin
from engine.model.subscriptions import Subscription
from engine.runtime.actor import Pipeline
from engine.runtime.net import ReconnectPolicy
from engine.runtime.world import World
from engine.venues.binance import account_number, usdm_account
from engine.venues.binance.capabilities import SPOT, USDM, Capabilities
from engine.venues.binance.event_codec import EventCodec
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.market_session import FUTURES_STREAM_KINDS, STREAM_KINDS, BinanceMarketSession
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.order_session import BinanceOrderSession
from engine.venues.binance.rest_market import RestMarket
from engine.venues.binance.signed_rest import SignedRest
from engine.venues.binance.statistics import MARKET_ROUTE, SPOT_ROUTE, Source, futures_source, spot_source
from engine.venues.binance.usdm_keeper import UsdmKeeper
from engine.venues.binance.usdm_order_codec import UsdmOrderCodec
from engine.venues.binance.usdm_order_session import UsdmOrderSession
from engine.venues.binance.usdm_rest import UsdmRest

if TYPE_CHECKING:
    from engine.venue_access import VenueAccess

MINUTE_NS = 60_000_000_000
DAY_NS = 86_400_000_000_000


class Keeper(Protocol):
    """Who keeps connections: runs until cancelled."""

    async def run(self) -> None: ...


class OrderKeeping(Keeper, Protocol):
    """Who keeps the order connections: `last_error` says why the latest attempt failed."""

    @property
    def last_error(self) -> str: ...


@dataclass(frozen=True)
class MarketRoute:
    """One market connection: its path below `stream_url` and what is subscribed there for each symbol.

    `has_books`: depth comes here, and so the snapshots that mend a book go into this route's session. A route without them
    is opened only where a strategy subscribes to something on it.
    """

    path: str
    stream_kinds: tuple[str, ...]
    has_books: bool = True
    session: Callable[..., Any] = BinanceMarketSession


@dataclass(frozen=True)
class OrderLine:
    """What the keeper of a venue's order connections is made from."""

    world: World
    pipeline: Pipeline
    session: Any
    access: VenueAccess
    order_url: str
    stream_url: str
    on_fatal: Callable[[BaseException], None]

    def options(self, url: str) -> dict[str, Any]:
        """What a connection to `url` needs beside its address."""
        return {**self.access.options(url), "on_fatal": self.on_fatal}


@dataclass(frozen=True)
class VenueKind:
    """One row of the table."""

    name: str
    capabilities: Capabilities
    # market half
    market_codec: Callable[..., MarketCodec]
    market_routes: tuple[MarketRoute, ...]
    source_of: Callable[[Subscription], Source | None]
    # order half
    rest: Callable[..., SignedRest]
    account_number: Callable[[SignedRest], Awaitable[str]]
    settle_account: Callable[[RestMarket, VenueSection, Credentials], Awaitable[tuple[ContractMargin, ...]]]
    order_api_path: str
    order_codec: Callable[..., OrderCodec]
    order_session: Callable[..., BinanceOrderSession]
    order_keeper: Callable[[OrderLine], OrderKeeping]

    def order_url(self, address: str) -> str:
        """The order API's address with its path; this kind's own where the configuration gives none."""
        return address if urlsplit(address).path.strip("/") else address.rstrip("/") + self.order_api_path

    def budget(self, limits: Mapping[tuple[str, str], int]) -> RateBudget:
        """The rate budget by the venue's own limits: orders of ten seconds, and of a minute or a day, weight of a minute."""
        is_by_day = ("ORDERS", "DAY") in limits
        return RateBudget(
            orders_10s=limits["ORDERS", "SECOND"],
            orders_long=limits["ORDERS", "DAY" if is_by_day else "MINUTE"],
            long_interval_ns=DAY_NS if is_by_day else MINUTE_NS,
            weight_minute=limits["REQUEST_WEIGHT", "MINUTE"],
        )


def keep_spot(line: OrderLine) -> OrderKeeping:
    """Spot has one order connection, which carries the user's events too."""
    return OrderKeeper(
        net=line.world.net, clock=line.world.clock, pipeline=line.pipeline, policy=ReconnectPolicy(line.world.rng),
        url=line.order_url, session=line.session, connect_options=line.options(line.order_url),
    )  # fmt: skip


def keep_futures(line: OrderLine) -> OrderKeeping:
    """USD-M has an order connection, a private stream and REST."""
    return UsdmKeeper(
        net=line.world.net, clock=line.world.clock, pipeline=line.pipeline, session=line.session,
        policies=(ReconnectPolicy(line.world.rng), ReconnectPolicy(line.world.rng)), rest=cast(UsdmRest, line.access.rest),
        order_url=line.order_url, stream_url=line.stream_url,
        order_options=line.options(line.order_url), stream_options=line.options(line.stream_url),
    )  # fmt: skip


async def leave_account(
    rest: RestMarket,  # noqa: ARG001 - the signature of the table's row
    venue: VenueSection,  # noqa: ARG001
    credentials: Credentials,  # noqa: ARG001
) -> tuple[ContractMargin, ...]:
    """A spot account has no settings of ours and no margin; its order session logs on by itself."""
    return ()


async def settle_futures(rest: RestMarket, venue: VenueSection, credentials: Credentials) -> tuple[ContractMargin, ...]:
    """Position mode, margin type and leverage as configured; returns how each contract stands then, with its tiers."""
    futures = cast(UsdmRest, rest)
    futures.authorize(credentials, venue.recv_window_ms)
    await usdm_account.settle_account(futures, venue)
    return await usdm_account.margin_terms(futures, venue)


BINANCE_SPOT = VenueKind(
    name="binance-spot",
    capabilities=SPOT,
    market_codec=EventCodec,
    market_routes=(MarketRoute(SPOT_ROUTE, STREAM_KINDS),),
    source_of=spot_source,
    rest=SignedRest,
    account_number=account_number.of_spot,
    settle_account=leave_account,
    order_api_path="/ws-api/v3",
    order_codec=OrderCodec,
    order_session=BinanceOrderSession,
    order_keeper=keep_spot,
)

BINANCE_USDM = VenueKind(
    name="binance-usdm",
    capabilities=USDM,
    market_codec=EventCodec,
    market_routes=(
        MarketRoute("/public/stream", FUTURES_STREAM_KINDS),
        MarketRoute(MARKET_ROUTE, (), has_books=False),
    ),
    source_of=futures_source,
    rest=UsdmRest,
    account_number=account_number.of_usdm,
    settle_account=settle_futures,
    order_api_path="/ws-fapi/v1",
    order_codec=UsdmOrderCodec,
    order_session=UsdmOrderSession,
    order_keeper=keep_futures,
)

KINDS: Mapping[str, VenueKind] = {kind.name: kind for kind in (BINANCE_SPOT, BINANCE_USDM)}


def kind_of(name: str) -> VenueKind:
    """The row of a configured `kind`."""
    if name not in KINDS:
        raise CommandError(ExitCode.CONFIG, f'venue.kind: "{name}" is none of {", ".join(KINDS)}')
    return KINDS[name]
