"""Names and routes of the USD-M streams: which name is served where, and what it asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Route = Literal["public", "market", "private"]
StreamKind = Literal[
    "trade", "aggTrade", "bookTicker", "bookTickerAll", "depth", "partialDepth", "markPrice", "markPriceAll",
    "kline", "continuousKline", "miniTicker", "ticker", "miniTickerAll", "tickerAll", "forceOrder", "forceOrderAll",
    "contractInfo", "assetIndex",
]  # fmt: skip
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
DEPTH_SPEEDS_MS = (0, 100, 250, 500)
DEPTH_SPEED_DEFAULT_MS = 250
MARK_SPEED_DEFAULT_MS = 3_000
PLAIN: dict[str, tuple[StreamKind, Route, int]] = {
    "trade": ("trade", "public", 0),
    "bookTicker": ("bookTicker", "public", 0),
    "aggTrade": ("aggTrade", "market", 0),
    "markPrice": ("markPrice", "market", MARK_SPEED_DEFAULT_MS),
    "markPrice@1s": ("markPrice", "market", 1_000),
    "miniTicker": ("miniTicker", "market", 0),
    "ticker": ("ticker", "market", 0),
    "forceOrder": ("forceOrder", "market", 0),
}
ALL_MARKET: dict[str, tuple[StreamKind, Route, int]] = {
    "!bookTicker": ("bookTickerAll", "public", 0),
    "!markPrice@arr": ("markPriceAll", "market", MARK_SPEED_DEFAULT_MS),
    "!markPrice@arr@1s": ("markPriceAll", "market", 1_000),
    "!miniTicker@arr": ("miniTickerAll", "market", 0),
    "!miniTicker@arr@1000ms": ("miniTickerAll", "market", 0),
    "!ticker@arr": ("tickerAll", "market", 0),
    "!forceOrder@arr": ("forceOrderAll", "market", 0),
    "!contractInfo": ("contractInfo", "market", 0),
    "!assetIndex@arr": ("assetIndex", "market", 0),
}
CONTRACTS = ("perpetual",)
_DEPTH = re.compile(r"depth(5|10|20)?(?:@(0|100|250|500)ms)?")
_CANDLE = re.compile(r"kline_([0-9]{1,2}[mhdwM])")
_CONTINUOUS = re.compile(r"([a-z0-9]+)_([a-z_]+)@continuousKline_([0-9]{1,2}[mhdwM])")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a name asks for: ``argument`` is the interval or the level count, ``speed_ms`` the pace (0: at once)."""

    kind: StreamKind
    route: Route
    symbol: str = ""
    argument: str = ""
    speed_ms: int = 0


def parse(name: str, symbols: frozenset[str]) -> StreamSpec | None:
    """Read a stream name; None for one that will never carry anything (the exchange acknowledges those too)."""
    if name in ALL_MARKET:
        kind, route, speed_ms = ALL_MARKET[name]
        return StreamSpec(kind, route, speed_ms=speed_ms)
    if (match := _CONTINUOUS.fullmatch(name)) is not None:
        return _continuous(match, symbols)
    head, _, tail = name.partition("@")
    symbol = head.upper()
    if head != head.lower() or symbol not in symbols:
        return None
    if tail in PLAIN:
        kind, route, speed_ms = PLAIN[tail]
        return StreamSpec(kind, route, symbol, speed_ms=speed_ms)
    return _with_argument(symbol, tail)


def _continuous(match: re.Match[str], symbols: frozenset[str]) -> StreamSpec | None:
    symbol = match[1].upper()
    if symbol not in symbols or match[2] not in CONTRACTS or match[3] not in INTERVALS:
        return None
    return StreamSpec("continuousKline", "market", symbol, match[3])


def _with_argument(symbol: str, tail: str) -> StreamSpec | None:
    if (match := _DEPTH.fullmatch(tail)) is not None:
        kind: StreamKind = "depth" if match[1] is None else "partialDepth"
        speed_ms = DEPTH_SPEED_DEFAULT_MS if match[2] is None else int(match[2])
        return StreamSpec(kind, "public", symbol, match[1] or "", speed_ms)
    if (match := _CANDLE.fullmatch(tail)) is not None and match[1] in INTERVALS:
        return StreamSpec("kline", "market", symbol, match[1])
    return None
