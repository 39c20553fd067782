"""Every refusal of a new order has the exchange's code and text."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.api import OrderRequest
from engine.sim.decimals import parse_e8
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import ANNE, START_NS, e8, empty_venue, limit, market, stop, symbol


def maker(**changes: Any) -> OrderRequest:
    return limit("BUY", "99.00", "1", **{"type": "LIMIT_MAKER", "time_in_force": None, **changes})


def refusal(request: OrderRequest, **venue_changes: Any) -> tuple[int, str]:
    venue = empty_venue(**venue_changes)
    with pytest.raises(VenueReject) as info:
        venue.place(ANNE, request, START_NS)
    assert venue.drain() == []
    return info.value.code, info.value.msg


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (limit("BUY", "99", "1", symbol="NONE"), -1121, "Invalid symbol."),
        (limit("HOLD", "99", "1"), -1117, "Invalid side."),
        (limit("BUY", "99", "1", type="ICEBERG"), -1116, "Invalid orderType."),
        (limit("BUY", "99", "1", time_in_force="GTX"), -1115, "Invalid timeInForce."),
        (
            limit("BUY", "99", "1", time_in_force=None),
            -1102,
            "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
        ),
        (
            limit("BUY", "99", "1", quantity_e8=None),
            -1102,
            "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed.",
        ),
        (
            limit("BUY", "99", "1", price_e8=None),
            -1102,
            "Mandatory parameter 'price' was not sent, was empty/null, or malformed.",
        ),
        (limit("BUY", "99", "1", quote_order_qty_e8=5), -1106, "Parameter 'quoteOrderQty' sent when not required."),
        (limit("BUY", "99", "1", stop_price_e8=5), -1106, "Parameter 'stopPrice' sent when not required."),
        (limit("BUY", "99", "1", trailing_delta=5), -1106, "Parameter 'trailingDelta' sent when not required."),
        (maker(time_in_force="GTC"), -1106, "Parameter 'timeInForce' sent when not required."),
        (
            market("BUY"),
            -1102,
            "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
        ),
        (
            market("BUY", quantity_e8=e8("1"), price_e8=5),
            -1106,
            "Parameter 'price' sent when not required.",
        ),
        (
            market("BUY", quantity_e8=e8("1"), time_in_force="IOC"),
            -1106,
            "Parameter 'timeInForce' sent when not required.",
        ),
        (
            market("BUY", quantity_e8=e8("1"), quote_order_qty_e8=5),
            -1106,
            "Parameter 'quoteOrderQty' sent when not required.",
        ),
        (limit("BUY", "99", "1", type="STOP_LOSS"), -1106, "Parameter 'price' sent when not required."),
        (
            stop("STOP_LOSS", "BUY", "110", time_in_force="GTC"),
            -1106,
            "Parameter 'timeInForce' sent when not required.",
        ),
        (stop("TAKE_PROFIT", "SELL", "110", iceberg_qty_e8=5), -1106, "Parameter 'icebergQty' sent when not required."),
        (
            stop("STOP_LOSS_LIMIT", "BUY", "110", time_in_force="GTC"),
            -1102,
            "Mandatory parameter 'price' was not sent, was empty/null, or malformed.",
        ),
        (
            stop("STOP_LOSS_LIMIT", "BUY", "110", price_e8=e8("110")),
            -1102,
            "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
        ),
        (
            stop("STOP_LOSS", "BUY", "110", stop_price_e8=None),
            -1102,
            "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
        ),
        (
            stop("STOP_LOSS", "BUY", "110", quote_order_qty_e8=5),
            -1106,
            "Parameter 'quoteOrderQty' sent when not required.",
        ),
        (limit("BUY", "99", "1", iceberg_qty_e8=e8("1.001")), -2010, "IcebergQty exceeds QTY."),
        (
            limit("BUY", "99", "1", iceberg_qty_e8=e8("0.5"), time_in_force="IOC"),
            -1014,
            "Unsupported order combination.",
        ),
        *(
            (stop(kind, side, price), -2010, "Order would trigger immediately.")
            for kind, side, price in (
                ("STOP_LOSS", "BUY", "100.00"),
                ("STOP_LOSS", "SELL", "100.00"),
                ("TAKE_PROFIT", "BUY", "100.00"),
                ("TAKE_PROFIT", "SELL", "100.00"),
            )
        ),
        (
            limit("BUY", "99", "1", client_order_id="a b"),
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
        ),
        (
            limit("BUY", "99", "1", stp_mode="EXPIRE_BOTH"),
            -1013,
            "This symbol does not allow the specified self-trade prevention mode.",
        ),
        (
            limit("BUY", "99", "1", stp_mode="SOMETIMES"),
            -1130,
            "Data sent for parameter 'selfTradePreventionMode' is not valid.",
        ),
    ],
)
def test_a_malformed_request_is_refused(request_: OrderRequest, code: int, text: str) -> None:
    listed = symbol(stp_modes=("NONE", "EXPIRE_MAKER"))
    assert refusal(request_, symbols=(listed,)) == (code, text)


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (limit("BUY", "99.005", "1"), "PRICE_FILTER"),
        (limit("BUY", "0", "1"), "PRICE_FILTER"),
        (limit("BUY", "1000.01", "1"), "PRICE_FILTER"),
        (limit("BUY", "130.01", "1"), "PERCENT_PRICE_BY_SIDE"),
        (limit("BUY", "19.99", "1"), "PERCENT_PRICE_BY_SIDE"),
        (limit("SELL", "500.01", "1"), "PERCENT_PRICE_BY_SIDE"),
        (limit("SELL", "79.99", "1"), "PERCENT_PRICE_BY_SIDE"),
        (limit("BUY", "99", "0"), "LOT_SIZE"),
        (limit("BUY", "99", "0.0015"), "LOT_SIZE"),
        (limit("BUY", "99", "10000.001"), "LOT_SIZE"),
        (market("BUY", quantity_e8=e8("0.0005")), "LOT_SIZE"),
        (market("BUY", quantity_e8=e8("5000.001")), "MARKET_LOT_SIZE"),
        (limit("BUY", "99", "0.050"), "NOTIONAL"),
        (limit("SELL", "499", "10000"), "NOTIONAL"),
        (market("BUY", quantity_e8=e8("0.049")), "NOTIONAL"),
        (market("BUY", quote_order_qty_e8=e8("4.99")), "NOTIONAL"),
        (stop("STOP_LOSS", "BUY", "110.005"), "PRICE_FILTER"),
        (stop("STOP_LOSS", "BUY", "1000.01"), "PRICE_FILTER"),
        (stop("STOP_LOSS", "BUY", "110", quantity_e8=e8("0.045")), "NOTIONAL"),
        (stop("STOP_LOSS", "BUY", "110", quantity_e8=e8("5000.001")), "MARKET_LOT_SIZE"),
        (stop("STOP_LOSS", "BUY", None, trailing_delta=9), "TRAILING_DELTA"),
        (stop("STOP_LOSS", "BUY", None, trailing_delta=501), "TRAILING_DELTA"),
        (stop("TAKE_PROFIT", "SELL", None, trailing_delta=501), "TRAILING_DELTA"),
        (stop("STOP_LOSS", "SELL", None, trailing_delta=19), "TRAILING_DELTA"),
        (stop("TAKE_PROFIT", "BUY", None, trailing_delta=601), "TRAILING_DELTA"),
        (limit("BUY", "99", "1", iceberg_qty_e8=e8("0.0005")), "LOT_SIZE"),
        (limit("BUY", "99", "1", iceberg_qty_e8=e8("0.009")), "ICEBERG_PARTS"),
    ],
)
def test_a_violated_filter_is_named(request_: OrderRequest, name: str) -> None:
    bounds = {"trailing_above_max_bps": 500, "trailing_below_min_bps": 20, "trailing_below_max_bps": 600}
    venue = {"symbols": (symbol(max_notional="4000000", **bounds),)}
    assert refusal(request_, **venue) == (-1013, f"Filter failure: {name}")


@pytest.mark.parametrize(
    "request_",
    [
        limit("BUY", "130.00", "1", time_in_force="IOC"),
        limit("BUY", "20.00", "1"),
        limit("SELL", "500.00", "1"),
        limit("SELL", "80.00", "1", time_in_force="IOC"),
        limit("BUY", "99.00", "0.051"),
        market("BUY", quantity_e8=e8("0.050")),
        stop("STOP_LOSS", "BUY", "100.01"),
        stop("STOP_LOSS", "SELL", "99.99"),
        stop("TAKE_PROFIT", "BUY", "99.99"),
        stop("TAKE_PROFIT", "SELL", "100.01"),
        stop("STOP_LOSS", "BUY", None, trailing_delta=10),
        stop("STOP_LOSS", "SELL", None, trailing_delta=2000),
        limit("BUY", "99", "1", iceberg_qty_e8=e8("0.010")),
        limit("BUY", "99", "1", iceberg_qty_e8=e8("1")),
    ],
)
def test_the_edge_of_a_filter_is_inside(request_: OrderRequest) -> None:
    venue = empty_venue()
    assert venue.place(ANNE, request_, START_NS).order.order_id > 0


def test_open_orders_are_bounded_per_symbol() -> None:
    venue = empty_venue(symbols=(symbol(max_num_orders=3),))
    for _ in range(3):
        venue.place(ANNE, limit("BUY", "99.00", "1"), START_NS)
    with pytest.raises(VenueReject, match="Filter failure: MAX_NUM_ORDERS"):
        venue.place(ANNE, limit("BUY", "99.00", "1"), START_NS)
    venue.cancel_all(ANNE, "AAAUSDT", START_NS)
    assert venue.place(ANNE, limit("BUY", "99.00", "1"), START_NS).order.status == "NEW"


@pytest.mark.parametrize(
    ("name", "bound", "request_"),
    [
        ("MAX_NUM_ALGO_ORDERS", {"max_num_algo_orders": 2}, stop("STOP_LOSS", "BUY", "110")),
        ("MAX_NUM_ICEBERG_ORDERS", {"max_num_iceberg_orders": 2}, limit("BUY", "99", "1", iceberg_qty_e8=e8("0.5"))),
    ],
)
def test_open_orders_of_a_special_kind_are_bounded(name: str, bound: dict[str, int], request_: OrderRequest) -> None:
    venue = empty_venue(symbols=(symbol(**bound),))
    for _ in range(2):
        venue.place(ANNE, request_, START_NS)
    with pytest.raises(VenueReject, match=f"Filter failure: {name}"):
        venue.place(ANNE, request_, START_NS)
    assert venue.place(ANNE, limit("BUY", "99.00", "1"), START_NS).order.status == "NEW"


def test_a_full_book_refuses_and_returns_the_funds() -> None:
    venue = empty_venue(orders_resting_max=25)
    before = venue.account(ANNE).balances

    def place_more_than_there_is_room_for() -> None:
        for _ in range(26):
            venue.place(ANNE, limit("BUY", "50.00", "1"), START_NS)

    with pytest.raises(VenueReject, match="overloaded") as info:
        place_more_than_there_is_room_for()
    assert info.value.code == -1008
    venue.cancel_all(ANNE, "AAAUSDT", START_NS)
    assert venue.account(ANNE).balances == before


@pytest.mark.parametrize(
    ("text", "code"), [("1.123456789", -1111), ("-1", -1100), ("1e5", -1100), ("", -1100), ("NaN", -1100)]
)
def test_numbers_are_read_strictly(text: str, code: int) -> None:
    with pytest.raises(VenueReject) as info:
        parse_e8(text, "price")
    assert info.value.code == code
    assert "'price'" in info.value.msg


def test_numbers_with_trailing_zeros_below_the_scale_are_read() -> None:
    assert parse_e8("1.1234567800", "price") == 112_345_678
    assert parse_e8("7", "price") == 700_000_000


@pytest.mark.parametrize(
    ("price", "qty", "name"),
    [
        ("0.01", "1", None),
        ("0.00", "1", "PRICE_FILTER"),
        ("1000.00", "1", None),
        ("1000.01", "1", "PRICE_FILTER"),
        ("90.00", "0.001", None),
        ("90.00", "0.000", "LOT_SIZE"),
        ("90.00", "10.000", None),
        ("90.00", "10.001", "LOT_SIZE"),
    ],
)
def test_price_and_lot_filters_include_their_ends(price: str, qty: str, name: str | None) -> None:
    wide = symbol(
        bid_multiplier_up="100", bid_multiplier_down="0", min_notional="0", max_qty="10", ask_multiplier_up="100"
    )
    venue = empty_venue(symbols=(wide,))
    request = limit("BUY", price, qty, time_in_force="FOK")
    if name is None:
        assert venue.place(ANNE, request, START_NS).order.order_id > 0
    else:
        with pytest.raises(VenueReject, match=f"Filter failure: {name}"):
            venue.place(ANNE, request, START_NS)
