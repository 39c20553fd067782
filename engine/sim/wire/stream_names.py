"""Names of the market streams (spot ``web-socket-streams.md``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

StreamKind = Literal[
    "trade", "aggTrade", "bookTicker", "depth", "partialDepth", "kline", "miniTicker", "ticker", "windowTicker",
    "avgPrice", "miniTickerAll", "windowTickerAll",
]  # fmt: skip
INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
WINDOW_SECONDS = {"1h": 3_600, "4h": 14_400, "1d": 86_400}
PLAIN: dict[str, StreamKind] = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "bookTicker": "bookTicker",
    "miniTicker": "miniTicker",
    "ticker": "ticker",
    "avgPrice": "avgPrice",
}
_DEPTH = re.compile(r"depth(5|10|20)?(?:@(100|1000)ms)?")
_KLINE = re.compile(r"kline_([0-9]{1,2}[smhdwM])")
_WINDOW = re.compile(r"ticker_(1h|4h|1d)")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a stream name asks for. ``argument`` is the interval, window or level count; ``fast`` the 100 ms speed."""

    kind: StreamKind
    symbol: str = ""
    argument: str = ""
    fast: bool = False


def parse(name: str, symbols: frozenset[str]) -> StreamSpec | None:
    """Read a stream name; None for one that will never carry anything (the exchange acknowledges those too)."""
    if name.startswith("!"):
        return _all_market(name)
    head, _, tail = name.partition("@")
    symbol = head.upper()
    if head != head.lower() or symbol not in symbols:
        return None
    if tail in PLAIN:
        return StreamSpec(PLAIN[tail], symbol)
    return _with_argument(symbol, tail)


def _all_market(name: str) -> StreamSpec | None:
    # python-binance asks for "!miniTicker@arr@1000ms", an old name of the same stream.
    if name in ("!miniTicker@arr", "!miniTicker@arr@1000ms", "!miniTicker@arr@3000ms"):
        return StreamSpec("miniTickerAll")
    match = re.fullmatch(r"!ticker_(1h|4h|1d)@arr", name)
    return None if match is None else StreamSpec("windowTickerAll", argument=match[1])


def _with_argument(symbol: str, tail: str) -> StreamSpec | None:
    if (match := _DEPTH.fullmatch(tail)) is not None:
        kind: StreamKind = "depth" if match[1] is None else "partialDepth"
        return StreamSpec(kind, symbol, match[1] or "", match[2] == "100")
    if (match := _KLINE.fullmatch(tail)) is not None and match[1] in INTERVALS:
        return StreamSpec("kline", symbol, match[1])
    if (match := _WINDOW.fullmatch(tail)) is not None:
        return StreamSpec("windowTicker", symbol, match[1])
    return None
