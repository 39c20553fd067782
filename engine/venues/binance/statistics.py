"""Where the venue has what a strategy can subscribe to: which stream on which route, or which REST endpoint to poll.

A stream costs nothing where nobody asks for it: only what some strategy subscribes to is subscribed. Polls are paced; each says
its interval and weight. Source: Binance "WebSocket Streams" of spot and USD-M, "Market Data" endpoints of USD-M (open interest 1,
`/futures/data/` 0 of weight and 1,000 in five minutes, fundingRate 500 in five minutes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.model.codes import RatioKind, RecordKind
from engine.model.subscriptions import Subscription

MARKET_ROUTE = "/market/stream"
SPOT_ROUTE = "/stream"
POLL_OPEN_INTEREST = 1
POLL_FUNDING = 2
POLL_RATIO_FIRST = 3
RATIO_PERIOD = "5m"
FUNDING_HISTORY_ROWS = 100


@dataclass(frozen=True)
class StreamSource:
    """A stream: `name` with {symbol} and {interval} to be filled in; without {symbol} it is the whole market's."""

    route: str
    name: str


@dataclass(frozen=True)
class PollSource:
    """A REST endpoint, asked for each symbol every `interval_s`. `code` is the codec's; `is_history`: from `startTime` on."""

    code: int
    path: str
    query: tuple[tuple[str, str], ...]
    interval_s: float
    weight: int
    is_history: bool = False


Source = StreamSource | PollSource

_COMMON_STREAMS = {
    "ticker": "{symbol}@ticker",
    "mini_ticker": "{symbol}@miniTicker",
    "agg_trade": "{symbol}@aggTrade",
    "all_mini_tickers": "!miniTicker@arr",
}
_FUTURES_STREAMS = {
    **_COMMON_STREAMS,
    "all_tickers": "!ticker@arr",
    "mark_price": "{symbol}@markPrice@1s",
    "liquidations": "{symbol}@forceOrder",
    "contract_info": "!contractInfo",
}
_LATEST = (("period", RATIO_PERIOD), ("limit", "1"))
_RATIO_PATHS = {
    RatioKind.GLOBAL_ACCOUNTS: "/futures/data/globalLongShortAccountRatio",
    RatioKind.TOP_ACCOUNTS: "/futures/data/topLongShortAccountRatio",
    RatioKind.TOP_POSITIONS: "/futures/data/topLongShortPositionRatio",
    RatioKind.TAKER_VOLUME: "/futures/data/takerlongshortRatio",
}


def spot_source(subscription: Subscription) -> Source | None:
    """Spot's source of a subscription; None where spot has none (the array of full tickers ended in March 2026)."""
    if subscription.kind == RecordKind.KLINE:
        return StreamSource(SPOT_ROUTE, "{symbol}@kline_{interval}")
    name = _COMMON_STREAMS.get(subscription.name)
    return StreamSource(SPOT_ROUTE, name) if name else None


def futures_source(subscription: Subscription) -> Source | None:
    """USD-M's source of a subscription; None for candles of a second, which it has not."""
    if subscription.kind == RecordKind.KLINE:
        return None if subscription.interval == "1s" else StreamSource(MARKET_ROUTE, "{symbol}@kline_{interval}")
    if subscription.kind == RecordKind.OPEN_INTEREST:
        return PollSource(POLL_OPEN_INTEREST, "/fapi/v1/openInterest", (), 10.0, 1)
    if subscription.kind == RecordKind.FUNDING_RATE:
        rows = (("limit", str(FUNDING_HISTORY_ROWS)),)
        return PollSource(POLL_FUNDING, "/fapi/v1/fundingRate", rows, 60.0, 1, is_history=True)
    if subscription.kind == RecordKind.LONG_SHORT_RATIO:
        kind = RatioKind(subscription.ratio_kind)
        return PollSource(POLL_RATIO_FIRST + kind, _RATIO_PATHS[kind], _LATEST, 60.0, 0)
    name = _FUTURES_STREAMS.get(subscription.name)
    return StreamSource(MARKET_ROUTE, name) if name else None


@dataclass(frozen=True)
class Wanted:
    """What all strategies together ask the venue for: streams by route, and what to poll for which symbol."""

    streams: Mapping[str, tuple[str, ...]]
    polls: tuple[tuple[PollSource, str], ...]


def wanted_of(asked: Iterable[tuple[Source, Subscription, Iterable[str]]]) -> Wanted:
    """Each stream and each poll once, in the order of asking."""
    streams: dict[str, dict[str, None]] = {}
    polls: dict[tuple[PollSource, str], None] = {}
    for source, subscription, symbols in asked:
        for symbol in symbols:
            if isinstance(source, PollSource):
                polls[(source, symbol)] = None
                continue
            name = source.name.format(symbol=symbol.lower(), interval=subscription.interval)
            streams.setdefault(source.route, {})[name] = None
    return Wanted({route: tuple(names) for route, names in streams.items()}, tuple(polls))
