"""General and market data endpoints (REST ``/api/v3`` and the WebSocket API's methods of the same data)."""

from __future__ import annotations

import re

import msgspec

from engine.sim.api import SymbolRules
from engine.sim.wire import errors, market_json
from engine.sim.wire.calls import Call, array
from engine.sim.wire.params import Params
from engine.sim.wire.stream_names import INTERVALS

SECOND_NS = 1_000_000_000
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
_WINDOW = re.compile(r"([0-9]{1,2})([mhd])")
WINDOW_UNITS = {"m": (60, 59), "h": (3_600, 23), "d": (86_400, 7)}
PERMISSION_SETS = [["SPOT", "MARGIN"]]


def ping(_call: Call) -> bytes:
    """An empty object."""
    return b"{}"


def server_time(call: Call) -> bytes:
    """The venue's clock."""
    return b'{"serverTime":%d}' % (call.shell.server_us(call.now_ns) * 1_000 // call.unit_ns)


def exchange_info(call: Call) -> bytes:
    """Limits, and every symbol with its filters."""
    rules = {rule.symbol: rule for rule in call.shell.core.exchange_info()}
    names, _ = call.symbol_list()
    limits = call.shell.limits
    last = (
        ("CONNECTIONS", "MINUTE", 5, limits.config.connections_5m)
        if call.is_socket
        else ("RAW_REQUESTS", "MINUTE", 5, limits.config.raw_5m)
    )
    info = {
        "timezone": "UTC",
        "serverTime": call.shell.server_us(call.now_ns) * 1_000 // call.unit_ns,
        "rateLimits": limits.describe(last),
        "exchangeFilters": [],
        "symbols": [symbol_object(rules[name]) for name in names if _permitted(call) and _in_status(call, rules[name])],
    }
    return msgspec.json.encode(info)


def _permitted(call: Call) -> bool:
    """The permissions filter of exchangeInfo: everything here is SPOT (and may be margin)."""
    asked = call.params.optional("permissions")
    return asked is None or any(name in asked for name in PERMISSION_SETS[0])


def _in_status(call: Call, rules: SymbolRules) -> bool:
    status = call.params.optional("symbolStatus")
    return status is None or status == rules.status


def symbol_object(rules: SymbolRules) -> dict[str, object]:
    """A symbol of exchangeInfo. What the simulated venue has not is said to be not allowed."""
    return {
        "symbol": rules.symbol,
        "status": rules.status,
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(rules.order_types),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": rules.filters(),
        "permissions": [],
        "permissionSets": PERMISSION_SETS,
        "defaultSelfTradePreventionMode": rules.default_stp_mode,
        "allowedSelfTradePreventionModes": list(rules.stp_modes),
    }


def depth_weight(params: Params) -> int:
    """5, 25, 50 or 250 by the number of levels."""
    text = params.values.get("limit", "100")
    limit = int(text) if text.isdigit() else 100
    return next((weight for levels, weight in DEPTH_WEIGHTS if limit <= levels), DEPTH_WEIGHTS[-1][1])


def depth(call: Call) -> bytes:
    """A snapshot of at most 5000 levels a side."""
    return market_json.depth(call.shell.core.depth(call.symbol(), call.params.limit(100, 5_000)))


def trades(call: Call) -> bytes:
    """The newest trades."""
    rows = call.shell.core.recent_trades(call.symbol(), call.params.limit(500, 1_000))
    return array([market_json.trade_row(trade, call.unit_ns) for trade in rows])


def historical_trades(call: Call) -> bytes:
    """Trades from ``fromId`` up, or the newest."""
    symbol, limit, from_id = call.symbol(), call.params.limit(500, 1_000), call.params.integer("fromId")
    return array(
        [market_json.trade_row(trade, call.unit_ns) for trade in call.shell.core.recent_trades(symbol, limit, from_id)]
    )


def agg_trades(call: Call) -> bytes:
    """Aggregate trades by id or time; ``fromId`` excludes times (-1128)."""
    symbol, limit, from_id = call.symbol(), call.params.limit(500, 1_000), call.params.integer("fromId")
    start_ns, end_ns = call.stamp_ns("startTime"), call.end_stamp_ns()
    if from_id is not None and (start_ns is not None or end_ns is not None):
        raise errors.bad_combination()
    rows = call.shell.core.agg_trades(symbol, from_id=from_id, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return array([market_json.agg_trade_row(trade, call.unit_ns) for trade in rows])


def klines(call: Call) -> bytes:
    """Candles."""
    symbol, interval = call.symbol(), call.params.text("interval")
    if interval not in INTERVALS:
        raise errors.ApiError(-1120, "Invalid interval.")
    rows = call.shell.core.klines(
        symbol,
        interval,
        call.now_ns,
        start_ns=call.stamp_ns("startTime"),
        end_ns=call.end_stamp_ns(),
        limit=call.params.limit(500, 1_000),
    )
    return array([market_json.kline_row(row, call.unit_ns) for row in rows])


def avg_price(call: Call) -> bytes:
    """The average price of the last minutes."""
    return market_json.avg_price(call.shell.core.avg_price(call.symbol(), call.now_ns), call.unit_ns).encode()


def _per_symbol(rows: list[str], single: bool) -> bytes:
    """An object for one ``symbol``, else an array."""
    return rows[0].encode() if single else array(rows)


class WeighBySymbols:
    """One for a symbol or up to 20, ``several`` for 21 to 100, ``everything`` without a choice."""

    def __init__(self, one: int, several: int, everything: int) -> None:
        self._one, self._several, self._everything = one, several, everything

    def __call__(self, params: Params) -> int:
        if "symbol" in params.values:
            return self._one
        if "symbols" not in params.values:
            return self._everything
        return self._one if params.values["symbols"].count(",") < 20 else self._several


def many_weight(one: int, several: int, everything: int) -> WeighBySymbols:
    """Weights of an endpoint that takes ``symbol`` or ``symbols``."""
    return WeighBySymbols(one, several, everything)


def ticker_type(call: Call) -> str:
    """FULL (default) or MINI."""
    kind = call.params.optional("type") or "FULL"
    if kind not in ("FULL", "MINI"):
        raise errors.ApiError(-1130, "Data sent for parameter 'type' is not valid.")
    return kind


def ticker_24h(call: Call) -> bytes:
    """Statistics of the last 24 hours."""
    names, single = call.symbol_list()
    write = market_json.ticker_full if ticker_type(call) == "FULL" else market_json.ticker_mini
    rows = [write(call.shell.core.ticker_24h(name, call.now_ns), call.unit_ns) for name in names]
    return _per_symbol(rows, single)


def ticker_window(call: Call) -> bytes:
    """Statistics of a rolling window of minutes, hours or days; needs a symbol."""
    if "symbol" not in call.params.values and "symbols" not in call.params.values:
        raise errors.either("symbol", "symbols")
    names, single = call.symbol_list()
    window_ns = window_length_ns(call.params.optional("windowSize") or "1d")
    write = market_json.ticker_window if ticker_type(call) == "FULL" else market_json.ticker_mini
    rows = [write(call.shell.core.ticker_window(name, window_ns, call.now_ns), call.unit_ns) for name in names]
    return _per_symbol(rows, single)


def window_length_ns(text: str) -> int:
    """``1m``..``59m``, ``1h``..``23h``, ``1d``..``7d`` in nanoseconds; refuses -1130."""
    match = _WINDOW.fullmatch(text)
    if match is not None:
        seconds, most = WINDOW_UNITS[match[2]]
        if 1 <= int(match[1]) <= most:
            return int(match[1]) * seconds * SECOND_NS
    raise errors.ApiError(-1130, "Data sent for parameter 'windowSize' is not valid.")


def ticker_price(call: Call) -> bytes:
    """Last prices."""
    names, single = call.symbol_list()
    rows = [market_json.price_row(call.shell.core.ticker_24h(name, call.now_ns)) for name in names]
    return _per_symbol(rows, single)


def ticker_book(call: Call) -> bytes:
    """Best prices and quantities."""
    names, single = call.symbol_list()
    return _per_symbol([market_json.book_ticker_row(call.shell.core.book_ticker(name)) for name in names], single)
