"""Reference data of Binance spot: GET exchangeInfo to InstrumentSpec, exact.

Source: Binance spot documentation, "Exchange information" and "Filters". A filter field of "0" switches that check off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from engine.model.codes import NativeFeature, OrderType
from engine.model.instruments import E8, INT64_MAX, InstrumentSpec, to_e8
from engine.venues.binance.capabilities import SPOT

COUNT_MAX = (1 << 31) - 1
ORDER_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.MARKET_IF_TOUCHED,
    "TAKE_PROFIT_LIMIT": OrderType.LIMIT_IF_TOUCHED,
}


class ReferenceDataError(ValueError):
    """exchangeInfo without something that trading needs: the message names the symbol and the field."""


class UnknownSymbolError(ReferenceDataError):
    """The exchange does not list symbols that were asked for: `missing`."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"the exchange does not list {', '.join(missing)}: check the configured symbols")
        self.missing = missing


class SymbolInfo(msgspec.Struct):
    """The part of a symbol object that is used."""

    symbol: str
    status: str
    baseAsset: str  # noqa: N815 - the venue's spelling
    quoteAsset: str  # noqa: N815
    filters: list[dict[str, Any]]
    orderTypes: list[str] = []  # noqa: N815
    baseAssetPrecision: int = 8  # noqa: N815
    quotePrecision: int = 8  # noqa: N815
    icebergAllowed: bool = False  # noqa: N815
    ocoAllowed: bool = False  # noqa: N815
    otoAllowed: bool = False  # noqa: N815
    allowTrailingStop: bool = False  # noqa: N815
    cancelReplaceAllowed: bool = False  # noqa: N815
    amendAllowed: bool = False  # noqa: N815


class RateLimit(msgspec.Struct, frozen=True):
    """One of the venue's limits: so many of a kind in so many intervals."""

    rateLimitType: str  # noqa: N815 - the venue's spelling
    interval: str
    intervalNum: int  # noqa: N815
    limit: int


class ExchangeInfo(msgspec.Struct):
    """The part of exchangeInfo that is used."""

    symbols: list[SymbolInfo]
    rateLimits: list[RateLimit] = []  # noqa: N815
    serverTime: int = 0  # noqa: N815


class _Limits(msgspec.Struct):
    """The other part, of spot and of futures."""

    rateLimits: list[RateLimit] = []  # noqa: N815


# a body that is no JSON, or not what was to come; bytes that are no UTF-8 are an error of their own
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
# What the exchange publishes today, for one that publishes none: REQUEST_WEIGHT 6000 a minute, ORDERS 100 in 10 s, 200,000 a day.
PUBLISHED_LIMITS = {("REQUEST_WEIGHT", "MINUTE"): 6_000, ("ORDERS", "SECOND"): 100, ("ORDERS", "DAY"): 200_000}


def decode_rate_limits(
    body: bytes, published: Mapping[tuple[str, str], int] = PUBLISHED_LIMITS
) -> dict[tuple[str, str], int]:
    """(kind, interval) -> limit, for those of `published`: weight of one minute, orders of ten seconds and of a day or minute."""
    limits = dict(published)
    try:
        rows = msgspec.json.decode(body, type=_Limits).rateLimits
    except UNREADABLE as error:
        raise ReferenceDataError(f"exchangeInfo cannot be read: {error}") from error
    for row in rows:
        span = {"MINUTE": 1, "SECOND": 10, "DAY": 1}.get(row.interval)
        if (row.rateLimitType, row.interval) in limits and row.intervalNum == span and row.limit > 0:
            limits[(row.rateLimitType, row.interval)] = row.limit
    return limits


def decode_exchange_info(body: bytes, venue_id: int, symbols: Iterable[str] | None = None) -> list[InstrumentSpec]:
    """InstrumentSpecs of `symbols` (all where None), in the order asked for; ReferenceDataError where one is missing."""
    try:
        info = msgspec.json.decode(body, type=ExchangeInfo)
    except UNREADABLE as error:
        raise ReferenceDataError(f"exchangeInfo cannot be read: {error}") from error
    found = {row.symbol: row for row in info.symbols}
    wanted = list(found) if symbols is None else list(symbols)
    missing = [symbol for symbol in wanted if symbol not in found]
    if missing:
        raise UnknownSymbolError(missing)
    return [instrument_spec(found[symbol], venue_id) for symbol in wanted]


def instrument_spec(row: SymbolInfo, venue_id: int) -> InstrumentSpec:
    """One symbol; sizes that a filter leaves open come from the asset precisions."""
    filters = {str(entry.get("filterType")): entry for entry in row.filters}
    price = filters.get("PRICE_FILTER", {})
    lot = filters.get("LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    tick_size_e8 = wire_size(row.symbol, price, "tickSize") or precision_unit(row.quotePrecision)
    lot_size_e8 = wire_size(row.symbol, lot, "stepSize") or precision_unit(row.baseAssetPrecision)
    return InstrumentSpec(
        venue_id=venue_id,
        symbol=row.symbol,
        base_asset=row.baseAsset,
        quote_asset=row.quoteAsset,
        tick_size_e8=tick_size_e8,
        lot_size_e8=lot_size_e8,
        is_trading=row.status == "TRADING",
        status=row.status,
        min_qty_lots=max(1, -(-wire_size(row.symbol, lot, "minQty") // lot_size_e8)),
        max_qty_lots=upper_limit(wire_size(row.symbol, lot, "maxQty"), lot_size_e8),
        **market_rules(row.symbol, filters.get("MARKET_LOT_SIZE", {}), lot_size_e8),
        max_orders=wire_count(row.symbol, filters, "MAX_NUM_ORDERS", "maxNumOrders"),
        max_conditional_orders=wire_count(row.symbol, filters, "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders"),
        max_iceberg_orders=wire_count(row.symbol, filters, "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders"),
        max_order_lists=wire_count(row.symbol, filters, "MAX_NUM_ORDER_LISTS", "maxNumOrderLists"),
        min_price_ticks=max(1, -(-wire_size(row.symbol, price, "minPrice") // tick_size_e8)),
        max_price_ticks=upper_limit(wire_size(row.symbol, price, "maxPrice"), tick_size_e8),
        min_notional_e8=wire_size(row.symbol, notional, "minNotional"),
        max_notional_e8=upper_limit(wire_size(row.symbol, notional, "maxNotional"), 1),
        native_order_types=native_bits(row),
    )


def native_bits(row: SymbolInfo) -> int:
    """Order types and features of this symbol, as `Instrument.native_order_types` holds them."""
    bits = sum(1 << ORDER_TYPES[name] for name in set(row.orderTypes) & set(ORDER_TYPES)) or 0b11
    if row.allowTrailingStop:
        bits |= NativeFeature.TRAIL_BPS
        bits |= (1 << OrderType.TRAILING_STOP) * (bits >> OrderType.STOP & 1)
        bits |= (1 << OrderType.TRAILING_STOP_LIMIT) * (bits >> OrderType.STOP_LIMIT & 1)
    bits |= NativeFeature.ICEBERG * row.icebergAllowed | NativeFeature.OCO * row.ocoAllowed
    bits |= NativeFeature.OTO * row.otoAllowed | NativeFeature.OTOCO * (row.otoAllowed and row.ocoAllowed)
    bits |= NativeFeature.REPLACE * row.cancelReplaceAllowed | NativeFeature.AMEND * row.amendAllowed
    return bits & SPOT.native_order_types


def market_rules(symbol: str, entry: dict[str, Any], lot_size_e8: int) -> dict[str, Any]:
    """What a venue asks of market orders alone, in lots: least, most and step; 0 where the filter says nothing."""
    return {
        "market_min_qty_lots": -(-wire_size(symbol, entry, "minQty") // lot_size_e8),
        "market_max_qty_lots": wire_size(symbol, entry, "maxQty") // lot_size_e8,
        "market_qty_step_lots": wire_size(symbol, entry, "stepSize") // lot_size_e8,
    }


def wire_count(symbol: str, filters: dict[str, dict[str, Any]], kind: str, name: str) -> int:
    """How many orders a filter lets be open; 0 where it is absent. ReferenceDataError for what is no such number."""
    count = filters.get(kind, {}).get(name, 0)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= COUNT_MAX:
        raise ReferenceDataError(f"{symbol}: {kind}.{name} is {count!r}")
    return count


def wire_size(symbol: str, entry: dict[str, Any], name: str) -> int:
    """A filter's decimal in 10^-8; 0 where it is absent."""
    text = entry.get(name, "0")
    try:
        value = to_e8(str(text))
    except (ValueError, ArithmeticError) as error:
        raise ReferenceDataError(f"{symbol}: {entry.get('filterType')}.{name} = {text!r}: {error}") from error
    if value < 0:
        raise ReferenceDataError(f"{symbol}: {entry.get('filterType')}.{name} = {text!r} is negative")
    return value


def precision_unit(precision: int) -> int:
    """The smallest step of so many decimals, in 10^-8."""
    return int(E8 // 10 ** min(max(precision, 0), 8))


def upper_limit(value_e8: int, unit_e8: int) -> int:
    """An upper limit in units; 0 (switched off) and what does not fit is no limit."""
    return min(value_e8 // unit_e8, INT64_MAX) if value_e8 else INT64_MAX
