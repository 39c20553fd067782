"""exchangeInfo to instruments: exact sizes, switched-off filters, clear refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.model.instruments import INT64_MAX
from engine.venues.binance.reference import ReferenceDataError, decode_exchange_info

FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00000000"},
]


def body(filters: list[dict[str, Any]], **fields: Any) -> bytes:
    row: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "filters": filters,
    }
    row = {**row, "orderTypes": ["LIMIT", "MARKET", "STOP_LOSS_LIMIT", "SOMETHING_NEW"], "unknown": [1]}
    return json.dumps({"timezone": "UTC", "serverTime": 1, "symbols": [row | fields]}).encode()


def changed(number: int, **fields: str) -> list[dict[str, Any]]:
    return [entry | fields if i == number else entry for i, entry in enumerate(FILTERS)]


def test_sizes_and_limits_are_exact() -> None:
    (spec,) = decode_exchange_info(body(FILTERS), 3, ["BTCUSDT"])
    assert (spec.venue_id, spec.symbol, spec.base_asset, spec.quote_asset) == (3, "BTCUSDT", "BTC", "USDT")
    assert (spec.tick_size_e8, spec.lot_size_e8) == (1_000_000, 1_000)
    assert (spec.min_qty_lots, spec.max_qty_lots) == (1, 900_000_000)
    assert (spec.min_price_ticks, spec.max_price_ticks) == (1, 100_000_000)
    assert (spec.min_notional_e8, spec.max_notional_e8) == (500_000_000, 900_000_000_000_000)
    assert spec.native_order_types == 0b1011
    assert spec.is_trading


def test_a_zero_switches_a_check_off() -> None:
    (spec,) = decode_exchange_info(body(changed(0, maxPrice="0", minPrice="0.00000000")), 1)
    assert (spec.min_price_ticks, spec.max_price_ticks) == (1, INT64_MAX)
    (spec,) = decode_exchange_info(body(changed(1, stepSize="0"), baseAssetPrecision=5), 1)
    assert spec.lot_size_e8 == 1_000


def test_a_minimum_between_lots_is_rounded_up() -> None:
    (spec,) = decode_exchange_info(body(changed(1, minQty="0.00001500")), 1)
    assert spec.min_qty_lots == 2


@pytest.mark.parametrize("status", ["BREAK", "HALT", "CANCEL_ONLY", "END_OF_DAY"])
def test_only_trading_is_trading(status: str) -> None:
    (spec,) = decode_exchange_info(body(FILTERS, status=status), 1)
    assert not spec.is_trading


def test_the_older_notional_filter_is_read() -> None:
    filters = [*FILTERS[:2], {"filterType": "MIN_NOTIONAL", "minNotional": "10.00000000"}]
    (spec,) = decode_exchange_info(body(filters), 1)
    assert (spec.min_notional_e8, spec.max_notional_e8) == (1_000_000_000, INT64_MAX)


def test_a_symbol_that_the_exchange_does_not_list_is_named() -> None:
    with pytest.raises(ReferenceDataError, match="does not list NOSUCH"):
        decode_exchange_info(body(FILTERS), 1, ["BTCUSDT", "NOSUCH"])


@pytest.mark.parametrize("tick", ["abc", "NaN", "-0.01", "0.000000001", "Infinity"])
def test_a_size_that_is_no_decimal_is_named(tick: str) -> None:
    with pytest.raises(ReferenceDataError, match=r"BTCUSDT: PRICE_FILTER\.tickSize"):
        decode_exchange_info(body(changed(0, tickSize=tick)), 1)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"symbols":[{}]}', b"[]", b"<html>"])
def test_what_is_no_exchange_information_is_refused(text: bytes) -> None:
    with pytest.raises(ReferenceDataError, match="cannot be read"):
        decode_exchange_info(text, 1)


def test_market_orders_have_sizes_of_their_own_where_the_filter_names_them() -> None:
    market = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "120.5", "stepSize": "0.001"}
    (spec,) = decode_exchange_info(body([*FILTERS, market]), 1)
    assert (spec.market_min_qty_lots, spec.market_max_qty_lots, spec.market_qty_step_lots) == (0, 12_050_000, 100)
    (spec,) = decode_exchange_info(body(FILTERS), 1)
    assert (spec.market_min_qty_lots, spec.market_max_qty_lots, spec.market_qty_step_lots) == (0, 0, 0)


def test_how_many_orders_may_be_open_is_what_the_filters_name() -> None:
    counts = [
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 10},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
    ]
    (spec,) = decode_exchange_info(body([*FILTERS, *counts]), 1)
    assert (spec.max_orders, spec.max_conditional_orders, spec.max_iceberg_orders, spec.max_order_lists) == (
        200,
        5,
        10,
        20,
    )
    assert spec.max_account_conditional_orders == 0
    (spec,) = decode_exchange_info(body(FILTERS), 1)
    assert (spec.max_orders, spec.max_conditional_orders, spec.max_iceberg_orders, spec.max_order_lists) == (0, 0, 0, 0)


@pytest.mark.parametrize("count", ["5", 5.0, -1, True, None, 1 << 31])
def test_a_number_of_orders_that_is_none_is_named(count: object) -> None:
    algo = {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": count}
    with pytest.raises(ReferenceDataError, match=r"BTCUSDT: MAX_NUM_ALGO_ORDERS\.maxNumAlgoOrders"):
        decode_exchange_info(body([*FILTERS, algo]), 1)
