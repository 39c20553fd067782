"""Reference data of USD-M futures: GET /fapi/v1/exchangeInfo to InstrumentSpec, exact.

Source: Binance USD-M futures documentation, "Exchange Information" and "Filters". `pricePrecision` is not the tick: the tick is the
PRICE_FILTER's. One contract is one unit of the base asset, so the multiplier is 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from engine.model.codes import NativeFeature, OrderType
from engine.model.instruments import InstrumentSpec
from engine.venues.binance.capabilities import USDM
from engine.venues.binance.reference import (
    ReferenceDataError,
    UnknownSymbolError,
    market_rules,
    precision_unit,
    upper_limit,
    wire_count,
    wire_size,
)

PERPETUAL, FUTURE = 1, 2
NS_PER_MS = 1_000_000
# Conditional orders that an account may have open; no filter tells it any more.
CONDITIONAL_ORDERS_MAX = 200
ORDER_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_MARKET": OrderType.STOP,
    "STOP": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.MARKET_IF_TOUCHED,
    "TAKE_PROFIT": OrderType.LIMIT_IF_TOUCHED,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP,
}
# What the exchange publishes today, for one that publishes none.
PUBLISHED_LIMITS = {("REQUEST_WEIGHT", "MINUTE"): 2_400, ("ORDERS", "SECOND"): 300, ("ORDERS", "MINUTE"): 1_200}


class ContractInfo(msgspec.Struct):
    """The part of a symbol object that is used."""

    symbol: str
    status: str
    contractType: str  # noqa: N815 - the venue's spelling
    baseAsset: str  # noqa: N815
    quoteAsset: str  # noqa: N815
    marginAsset: str  # noqa: N815
    filters: list[dict[str, Any]]
    deliveryDate: int = 0  # noqa: N815
    orderTypes: list[str] = []  # noqa: N815
    timeInForce: list[str] = []  # noqa: N815
    pricePrecision: int = 8  # noqa: N815
    quantityPrecision: int = 8  # noqa: N815


class FuturesInfo(msgspec.Struct):
    """The part of exchangeInfo that is used."""

    symbols: list[ContractInfo]


def decode_futures_info(body: bytes, venue_id: int, symbols: Iterable[str] | None = None) -> list[InstrumentSpec]:
    """InstrumentSpecs of `symbols` (all where None), in the order asked for; ReferenceDataError where one is missing."""
    try:
        info = msgspec.json.decode(body, type=FuturesInfo)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReferenceDataError(f"exchangeInfo cannot be read: {error}") from error
    found = {row.symbol: row for row in info.symbols}
    wanted = list(found) if symbols is None else list(symbols)
    missing = [symbol for symbol in wanted if symbol not in found]
    if missing:
        raise UnknownSymbolError(missing)
    return [contract_spec(found[symbol], venue_id) for symbol in wanted]


def contract_spec(row: ContractInfo, venue_id: int) -> InstrumentSpec:
    """One contract. Settled in its margin asset; only dated contracts have an expiry."""
    filters = {str(entry.get("filterType")): entry for entry in row.filters}
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    tick_size_e8 = wire_size(row.symbol, price, "tickSize") or precision_unit(row.pricePrecision)
    lot_size_e8 = wire_size(row.symbol, lot, "stepSize") or precision_unit(row.quantityPrecision)
    is_perpetual = row.contractType.endswith("PERPETUAL")
    return InstrumentSpec(
        venue_id=venue_id,
        symbol=row.symbol,
        base_asset=row.baseAsset,
        quote_asset=row.quoteAsset,
        settle_asset=row.marginAsset,
        kind=PERPETUAL if is_perpetual else FUTURE,
        expiry_ns=0 if is_perpetual else row.deliveryDate * NS_PER_MS,
        tick_size_e8=tick_size_e8,
        lot_size_e8=lot_size_e8,
        is_trading=row.status == "TRADING",
        status=row.status,
        min_qty_lots=max(1, -(-wire_size(row.symbol, lot, "minQty") // lot_size_e8)),
        max_qty_lots=upper_limit(wire_size(row.symbol, lot, "maxQty"), lot_size_e8),
        **market_rules(row.symbol, filters.get("MARKET_LOT_SIZE", {}), lot_size_e8),
        max_orders=wire_count(row.symbol, filters, "MAX_NUM_ORDERS", "limit"),
        max_conditional_orders=wire_count(row.symbol, filters, "MAX_NUM_ALGO_ORDERS", "limit"),
        max_account_conditional_orders=CONDITIONAL_ORDERS_MAX,
        min_price_ticks=max(1, -(-wire_size(row.symbol, price, "minPrice") // tick_size_e8)),
        max_price_ticks=upper_limit(wire_size(row.symbol, price, "maxPrice"), tick_size_e8),
        min_notional_e8=wire_size(row.symbol, filters.get("MIN_NOTIONAL", {}), "notional"),
        native_order_types=native_bits(row),
    )


def native_bits(row: ContractInfo) -> int:
    """Order types and features of this contract; what belongs to conditional orders only where it has one."""
    bits = sum(1 << ORDER_TYPES[name] for name in set(row.orderTypes) & set(ORDER_TYPES)) or 0b11
    bits |= (
        NativeFeature.GTD * ("GTD" in row.timeInForce)
        | NativeFeature.HEDGE
        | NativeFeature.AMEND
        | NativeFeature.REPLACE
    )
    if bits >> OrderType.STOP & 0b1111:
        bits |= NativeFeature.TRIGGER_MARK | NativeFeature.CLOSE_POSITION
    bits |= NativeFeature.TRAIL_BPS * (bits >> OrderType.TRAILING_STOP & 1)
    return bits & USDM.native_order_types
