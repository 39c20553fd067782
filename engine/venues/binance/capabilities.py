"""What Binance spot and USD-M futures can do, and their limits as published; replies refine the numbers that counting starts with.

A table says what a kind of venue has at most; each instrument has of it what its own reference data names.

Sources: the exchange's rest-api.md (its engine gives up after 10 s), enums.md, web-socket-api.md and the rateLimits
of its exchangeInfo.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.codes import NativeFeature, OrderType

SECOND_NS = 1_000_000_000
ALL_TYPES = sum(1 << order_type for order_type in OrderType)


@dataclass(frozen=True)
class Capabilities:
    """Times in nanoseconds, limits in requests or weight. `native_order_types`: bits of `OrderType`, and masks of
    `NativeFeature`.

    `orders_long`: of a day (spot), of a minute (USD-M).
    """

    orders_10s: int
    orders_long: int
    weight_minute: int
    recv_window_ms_max: int
    processing_delay_ns_max: int
    connection_life_ns: int
    native_order_types: int
    has_replace: bool
    has_cancel_all_by_symbol: bool
    has_dead_man_switch: bool
    client_order_id_length_max: int


SPOT = Capabilities(
    orders_10s=100,
    orders_long=200_000,
    weight_minute=6_000,
    recv_window_ms_max=60_000,
    # the engine gives up after 10 s (-1007, outcome open); six times that is what we wait before an order counts as absent
    processing_delay_ns_max=60 * SECOND_NS,
    connection_life_ns=24 * 3600 * SECOND_NS,
    # stops and take-profits on the last price, trailing ones by a delta in basis points; lists of two and three
    native_order_types=ALL_TYPES
    | NativeFeature.ICEBERG
    | NativeFeature.OCO
    | NativeFeature.OTO
    | NativeFeature.OTOCO
    | NativeFeature.TRAIL_BPS
    | NativeFeature.AMEND
    | NativeFeature.REPLACE,
    has_replace=True,
    has_cancel_all_by_symbol=True,
    has_dead_man_switch=False,
    client_order_id_length_max=36,
)

USDM = Capabilities(
    orders_10s=300,
    orders_long=1_200,
    weight_minute=2_400,
    recv_window_ms_max=60_000,
    processing_delay_ns_max=60 * SECOND_NS,
    connection_life_ns=24 * 3600 * SECOND_NS,
    # conditional orders by the algo service, on the last or the mark price; no lists, no iceberg, no trailing limit
    native_order_types=ALL_TYPES & ~(1 << OrderType.TRAILING_STOP_LIMIT)
    | NativeFeature.GTD
    | NativeFeature.CLOSE_POSITION
    | NativeFeature.TRIGGER_MARK
    | NativeFeature.TRAIL_BPS
    | NativeFeature.HEDGE
    | NativeFeature.AMEND
    | NativeFeature.REPLACE,
    # order.modify changes an order under its old client id; a replace of ours is a new order with an id of its own
    has_replace=False,
    # the WebSocket order API cancels one order a request; all of a symbol at once is REST's
    has_cancel_all_by_symbol=False,
    has_dead_man_switch=True,
    client_order_id_length_max=36,
)
