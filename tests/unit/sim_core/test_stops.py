"""Stop losses, take profits and trailing stops: hidden until the last price calls them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.accounts import Working
from engine.sim.api import BookDelta
from engine.sim.core import VenueCore
from engine.sim.triggers import TriggerBook
from tests.unit.sim_core.stage import (
    ANNE,
    BOB,
    SECOND_NS,
    START_NS,
    e8,
    empty_venue,
    free_and_locked,
    kinds,
    limit,
    reports,
    stop,
    symbol,
)


def trade_at(venue: VenueCore, price: str, now_ns: int = START_NS) -> None:
    """Bob trades with himself at a price, so that it becomes the last one; nothing of his stays."""
    venue.place(BOB, limit("SELL", price, "0.1", stp_mode="NONE"), now_ns)
    venue.place(BOB, limit("BUY", price, "0.1", stp_mode="NONE"), now_ns)


def test_a_waiting_stop_shows_in_no_book_and_locks_its_cost() -> None:
    venue = empty_venue()
    request = stop("STOP_LOSS_LIMIT", "BUY", "101", price_e8=e8("102"), time_in_force="GTC", client_order_id="s")
    order = venue.place(ANNE, request, START_NS).order
    assert (order.status, order.is_working, order.working_ns, order.stop_price_e8) == ("NEW", False, -1, e8("101"))
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9898"), e8("102"))
    events = venue.drain()
    assert not [event for event in events if isinstance(event, BookDelta)]
    (report,) = reports(events, ANNE)
    assert (report.execution_type, report.is_working, report.stop_price_e8) == ("NEW", False, e8("101"))
    assert venue.open_orders(ANNE) == [order]
    canceled = venue.cancel(ANNE, "AAAUSDT", START_NS, orig_client_order_id="s", new_client_order_id="c")
    assert canceled.order.status == "CANCELED"
    assert free_and_locked(venue, ANNE, "USDT") == (e8("10000"), 0)
    (report,) = reports(venue.drain(), ANNE)
    assert (report.execution_type, report.client_order_id, report.orig_client_order_id) == ("CANCELED", "c", "s")
    assert not venue._orders.triggers[0].waiting


@pytest.mark.parametrize(
    ("kind", "side", "stop_price", "short_of", "at"),
    [
        ("STOP_LOSS", "BUY", "101", "100.99", "101"),
        ("STOP_LOSS", "SELL", "99", "99.01", "99"),
        ("TAKE_PROFIT", "BUY", "99", "99.01", "98.90"),
        ("TAKE_PROFIT", "SELL", "101", "100.99", "101.10"),
    ],
)
def test_a_stop_works_from_the_trade_that_reaches_it(
    kind: str, side: str, stop_price: str, short_of: str, at: str
) -> None:
    venue = empty_venue()
    order = venue.place(ANNE, stop(kind, side, stop_price), START_NS).order
    trade_at(venue, short_of)
    assert [row.order_id for row in venue.open_orders(ANNE)] == [order.order_id]
    venue.drain()
    later_ns = START_NS + SECOND_NS
    trade_at(venue, at, later_ns)
    done = venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id)
    assert (done.status, done.executed_e8, done.working_ns) == ("FILLED", e8("1"), later_ns)
    told = [(row.execution_type, row.status, row.is_working) for row in reports(venue.drain(), ANNE)]
    assert told[0] == ("NEW", "NEW", True)
    assert told[-1] == ("TRADE", "FILLED", False)
    assert venue.open_orders(ANNE) == []
    assert (free_and_locked(venue, ANNE, "USDT")[1], free_and_locked(venue, ANNE, "AAA")[1]) == (0, 0)


def test_a_stop_hears_the_trades_of_the_generated_market() -> None:
    """One on each side of the last price, a tick away: the market's own next moves call both."""
    venue = empty_venue(activity=5.0, symbols=(symbol(half_spread_bps=1.0, volatility_bps_minute=50.0, levels=50),))
    last_e8 = venue.ticker_24h("AAAUSDT", START_NS).last_e8
    placed = [
        venue.place(ANNE, stop("STOP_LOSS", side, None, stop_price_e8=last_e8 + ticks * e8("0.01")), START_NS).order
        for side, ticks in (("BUY", 1), ("SELL", -1))
    ]
    for second in range(1, 121):
        venue.advance(START_NS + second * SECOND_NS)
    found = [venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id) for order in placed]
    assert [order.status for order in found] == ["FILLED", "FILLED"]
    assert all(order.working_ns > START_NS for order in found)


def test_a_removed_order_is_not_kept_by_the_trigger_book() -> None:
    def waiting(order_id: int, **changes: Any) -> Working:
        request = stop("STOP_LOSS", "SELL", "99", **changes)
        order = empty_venue().place(ANNE, request, START_NS).order
        order.order_id = order_id
        working = Working(order, request, 0, "AAA")
        working.stop_ticks = 9_900 if request.stop_price_e8 else 0
        return working

    book = TriggerBook()
    for order_id in (1, 2):
        book.add(waiting(order_id), 10_000, START_NS)
    trailing = waiting(3, stop_price_e8=None, trailing_delta=100)
    book.add(trailing, 10_000, START_NS)
    book.remove(1)
    book.remove(3)
    assert [row.order.order_id for row in book.on_price(9_000, START_NS)] == [2]
    assert book.waiting == {}


def test_a_limit_kind_goes_to_the_book_at_its_price() -> None:
    venue = empty_venue()
    request = stop("TAKE_PROFIT_LIMIT", "SELL", "101", price_e8=e8("103"), time_in_force="GTC")
    order = venue.place(ANNE, request, START_NS).order
    trade_at(venue, "101")
    assert (e8("103"), e8("1")) in venue.depth("AAAUSDT").asks
    assert venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id).is_working
    assert free_and_locked(venue, ANNE, "AAA") == (e8("99"), e8("1"))
    venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=order.order_id)
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100"), 0)


def test_the_reply_to_the_order_that_calls_a_stop_is_made_before_the_stop_works() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "101", "1"), START_NS)
    venue.place(BOB, stop("TAKE_PROFIT_LIMIT", "SELL", "101", price_e8=e8("101"), time_in_force="GTC"), START_NS)
    result = venue.place(ANNE, limit("BUY", "101", "2"), START_NS)
    assert (result.order.status, result.order.executed_e8) == ("PARTIALLY_FILLED", e8("1"))
    assert venue.order_status(ANNE, "AAAUSDT", order_id=result.order.order_id).status == "FILLED"


def test_a_stop_can_call_another() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("BUY", "98", "1"), START_NS)
    venue.place(BOB, limit("BUY", "97", "1"), START_NS)
    first = venue.place(ANNE, stop("STOP_LOSS", "SELL", "99"), START_NS).order
    second = venue.place(ANNE, stop("STOP_LOSS", "SELL", "98"), START_NS).order
    trade_at(venue, "99")
    found = [venue.order_status(ANNE, "AAAUSDT", order_id=row.order_id) for row in (first, second)]
    assert [row.cum_quote_e8 for row in found] == [e8("98"), e8("97")]


def test_a_market_buy_that_became_dearer_than_its_lock_takes_the_rest_from_what_is_free() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, stop("STOP_LOSS", "BUY", "101"), START_NS).order
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9899"), e8("101"))
    venue.place(BOB, limit("SELL", "102", "1"), START_NS)
    trade_at(venue, "101")
    done = venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id)
    assert done.cum_quote_e8 == e8("102")
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9898"), 0)


def test_a_stop_that_cannot_be_paid_when_it_is_reached_expires_as_rejected() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, stop("STOP_LOSS", "BUY", "101"), START_NS).order
    venue.place(ANNE, limit("BUY", "50", "197.98"), START_NS)
    venue.place(BOB, limit("SELL", "102", "1"), START_NS)
    venue.drain()
    trade_at(venue, "101")
    done = venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id)
    assert (done.status, done.expiry_reason, done.executed_e8) == ("EXPIRED", "REJECTED", 0)
    assert free_and_locked(venue, ANNE, "USDT") == (e8("101"), e8("9899"))
    assert kinds(venue.drain(), ANNE) == [("EXPIRED", "EXPIRED")]


def test_a_trailing_sell_follows_the_highest_price_and_sells_below_it() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, stop("STOP_LOSS", "SELL", None, trailing_delta=100), START_NS).order
    assert (order.trailing_delta, order.trailing_ns, order.stop_price_e8) == (100, START_NS, 0)
    for price in ("100.50", "102.00", "101.00", "100.99"):
        trade_at(venue, price)
        assert len(venue.open_orders(ANNE)) == 1
    trade_at(venue, "100.98")
    assert venue.open_orders(ANNE) == []
    report = reports(venue.drain(), ANNE)[-1]
    assert (report.trailing_delta, report.trailing_ns, report.status) == (100, START_NS, "FILLED")


def test_a_trailing_buy_follows_the_lowest_price_only_after_its_stop_price() -> None:
    venue = empty_venue()
    request = stop("TAKE_PROFIT", "BUY", "99", trailing_delta=100)
    order = venue.place(ANNE, request, START_NS).order
    assert order.trailing_ns == -1
    trade_at(venue, "102")
    later_ns = START_NS + SECOND_NS
    trade_at(venue, "98.80", later_ns)
    assert venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id).trailing_ns == later_ns
    for price in ("98.00", "98.97"):
        trade_at(venue, price, later_ns)
        assert len(venue.open_orders(ANNE)) == 1
    trade_at(venue, "98.98", later_ns)
    assert venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id).status == "FILLED"


def test_a_stop_does_not_hear_another_symbols_trades() -> None:
    venue = empty_venue(symbols=(symbol(), symbol(symbol="BBBUSDT", base="BBB")))
    order = venue.place(ANNE, stop("STOP_LOSS", "SELL", "99", symbol="AAAUSDT"), START_NS).order
    venue.deposit(BOB, "BBB", e8("1"), START_NS)
    for side in ("SELL", "BUY"):
        venue.place(BOB, limit(side, "99", "0.1", symbol="BBBUSDT", stp_mode="NONE"), START_NS)
    assert venue.open_orders(ANNE) == [order]
    trade_at(venue, "99")
    assert venue.open_orders(ANNE) == []


def test_an_iceberg_shows_only_its_part() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, limit("SELL", "100.50", "5", iceberg_qty_e8=e8("2")), START_NS).order
    assert order.iceberg_e8 == e8("2")
    assert (e8("100.50"), e8("2")) in venue.depth("AAAUSDT").asks
    assert free_and_locked(venue, ANNE, "AAA") == (e8("95"), e8("5"))
    result = venue.place(BOB, limit("BUY", "100.50", "4.5"), START_NS)
    assert (result.order.status, len(result.fills)) == ("FILLED", 3)
    assert (e8("100.50"), e8("0.5")) in venue.depth("AAAUSDT").asks
    done = venue.order_status(ANNE, "AAAUSDT", order_id=order.order_id)
    assert (done.status, done.executed_e8) == ("PARTIALLY_FILLED", e8("4.5"))
    assert free_and_locked(venue, ANNE, "AAA") == (e8("95"), e8("0.5"))
