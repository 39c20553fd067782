"""What an account sees of its orders: answers, reports, balances."""

from __future__ import annotations

import pytest

from engine.sim.api import BookDelta, CancelResult, ExecutionReport, TopOfBook, Trade
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import (
    ANNE,
    BOB,
    START_NS,
    e8,
    empty_venue,
    free_and_locked,
    kinds,
    last_position,
    limit,
    market,
    reports,
)


def test_a_resting_limit_order_locks_its_cost_and_shows_in_the_book() -> None:
    venue = empty_venue()
    result = venue.place(ANNE, limit("BUY", "99.50", "2", client_order_id="mine"), START_NS)
    assert (result.order.status, result.order.client_order_id, result.fills) == ("NEW", "mine", ())
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9801"), e8("199"))
    assert (e8("99.50"), e8("2")) in venue.depth("AAAUSDT").bids
    events = venue.drain()
    assert kinds(events, ANNE) == [("NEW", "NEW")]
    assert last_position(events, ANNE)["USDT"] == (e8("9801"), e8("199"))
    delta = next(event for event in events if isinstance(event, BookDelta))
    top = next(event for event in events if isinstance(event, TopOfBook))
    assert (delta.price_e8, delta.qty_e8, delta.is_bid) == (e8("99.50"), e8("2"), True)
    assert (top.update_id, top.bid_price_e8, top.bid_qty_e8) == (delta.update_id, e8("99.50"), e8("2"))
    assert venue.open_orders(ANNE) == [venue.order_status(ANNE, "AAAUSDT", orig_client_order_id="mine")]


def test_a_cancel_frees_the_lock_and_names_both_client_ids() -> None:
    venue = empty_venue()
    order_id = venue.place(ANNE, limit("SELL", "100.50", "3", client_order_id="mine"), START_NS).order.order_id
    venue.drain()
    result = venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=order_id, new_client_order_id="away")
    assert (result.order.status, result.order.client_order_id) == ("CANCELED", "mine")
    assert result.cancel_client_order_id == "away"
    (report,) = reports(venue.drain(), ANNE)
    assert (report.client_order_id, report.orig_client_order_id, report.execution_type) == ("away", "mine", "CANCELED")
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100"), 0)
    assert venue.open_orders(ANNE) == []
    with pytest.raises(VenueReject, match="Unknown order sent") as reject:
        venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=order_id)
    assert reject.value.code == -2011


def test_a_taker_pays_the_makers_price_and_gets_the_difference_back() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "100.10", "1"), START_NS)
    venue.place(BOB, limit("SELL", "100.20", "1"), START_NS)
    venue.drain()
    result = venue.place(ANNE, limit("BUY", "100.50", "3"), START_NS)
    assert [(f.price_e8, f.qty_e8, f.commission_e8, f.commission_asset) for f in result.fills] == [
        (e8("100.10"), e8("1"), e8("0.001"), "AAA"),
        (e8("100.20"), e8("1"), e8("0.001"), "AAA"),
    ]
    assert (result.order.status, result.order.executed_e8) == ("PARTIALLY_FILLED", e8("2"))
    assert result.order.cum_quote_e8 == e8("200.30")
    assert free_and_locked(venue, ANNE, "USDT") == (e8("10000") - e8("200.30") - e8("100.50"), e8("100.50"))
    assert free_and_locked(venue, ANNE, "AAA") == (e8("101.998"), 0)
    assert free_and_locked(venue, BOB, "USDT") == (e8("10000") + e8("200.30") - e8("0.2003"), 0)
    events = venue.drain()
    assert kinds(events, ANNE) == [("NEW", "NEW"), ("TRADE", "PARTIALLY_FILLED"), ("TRADE", "PARTIALLY_FILLED")]
    assert kinds(events, BOB) == [("TRADE", "FILLED"), ("TRADE", "FILLED")]
    assert [report.is_maker for report in reports(events, BOB)] == [True, True]
    trades = [event for event in events if isinstance(event, Trade)]
    assert [report.trade_id for report in reports(events, ANNE)[1:]] == [trade.trade_id for trade in trades]
    assert [trade.is_buyer_maker for trade in trades] == [False, False]


def test_commission_is_rounded_down_to_the_smallest_unit() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "100.01", "0.077"), START_NS)
    fill = venue.place(ANNE, limit("BUY", "100.01", "0.077"), START_NS).fills[0]
    assert fill.commission_e8 == e8("0.077") * 10 // 10_000
    (sold,) = venue.my_trades(BOB, "AAAUSDT")
    assert sold.commission_e8 == sold.quote_e8 * 10 // 10_000
    assert (sold.is_buyer, sold.is_maker, sold.commission_asset) == (False, True, "USDT")


def test_a_market_order_expires_what_the_book_cannot_fill() -> None:
    venue = empty_venue()
    result = venue.place(ANNE, market("SELL", quantity_e8=e8("100")), START_NS)
    assert (result.order.status, result.order.expiry_reason) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert 0 < result.order.executed_e8 < e8("100")
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100") - result.order.executed_e8, 0)
    assert kinds(venue.drain(), ANNE)[-1] == ("EXPIRED", "EXPIRED")


def test_a_market_buy_by_quote_amount_spends_no_more_than_it() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "100.00", "1"), START_NS)
    venue.place(BOB, limit("SELL", "100.10", "5"), START_NS)
    order = venue.place(ANNE, market("BUY", quote_order_qty_e8=e8("250")), START_NS).order
    assert (order.status, order.executed_e8, order.qty_e8) == ("FILLED", e8("2.498"), e8("2.498"))
    assert order.cum_quote_e8 == e8("100") + e8("1.498") * e8("100.10") // e8("1")
    assert order.cum_quote_e8 <= e8("250") == order.quote_order_qty_e8
    assert free_and_locked(venue, ANNE, "USDT") == (e8("10000") - order.cum_quote_e8, 0)


@pytest.mark.parametrize(
    ("time_in_force", "executed", "reason"),
    [("IOC", "1", "UNFILLED_IOC_QUANTITY_EXPIRED"), ("FOK", "0", "UNFILLED_FOK_ORDER_EXPIRED")],
)
def test_what_may_not_rest_expires_with_its_reason(time_in_force: str, executed: str, reason: str) -> None:
    venue = empty_venue()
    venue.place(BOB, limit("BUY", "99.90", "1"), START_NS)
    venue.drain()
    order = venue.place(ANNE, limit("SELL", "99.90", "2", time_in_force=time_in_force), START_NS).order
    assert (order.status, order.executed_e8, order.expiry_reason) == ("EXPIRED", e8(executed), reason)
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100") - e8(executed), 0)
    assert kinds(venue.drain(), ANNE)[-1] == ("EXPIRED", "EXPIRED")


def test_a_limit_maker_that_would_take_is_refused_and_changes_nothing() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "100.10", "1"), START_NS)
    venue.drain()
    before = venue.account(ANNE)
    with pytest.raises(VenueReject) as reject:
        venue.place(ANNE, limit("BUY", "100.10", "1", type="LIMIT_MAKER", time_in_force=None), START_NS)
    assert (reject.value.code, reject.value.msg) == (-2010, "Order would immediately match and take.")
    assert venue.drain() == []
    assert venue.account(ANNE) == before
    assert venue.all_orders(ANNE, "AAAUSDT") == []


@pytest.mark.parametrize(
    "request_", [limit("BUY", "99.00", "102"), limit("SELL", "101", "100.001"), market("BUY", quantity_e8=e8("3000"))]
)
def test_an_order_beyond_the_balance_is_refused(request_: object) -> None:
    venue = empty_venue()
    for price in ("100.10", "100.20"):
        venue.place(BOB, limit("SELL", price, "50"), START_NS)
    with pytest.raises(VenueReject) as reject:
        venue.place(ANNE, request_, START_NS)  # type: ignore[arg-type]
    assert reject.value.code == -2010
    assert reject.value.msg == "Account has insufficient balance for requested action."
    assert free_and_locked(venue, ANNE, "USDT") == (e8("10000"), 0)


def test_a_client_id_is_unique_among_open_orders_only_and_finds_the_newest() -> None:
    venue = empty_venue()
    first = venue.place(ANNE, limit("BUY", "99.50", "1", client_order_id="x"), START_NS).order
    with pytest.raises(VenueReject, match="Duplicate order sent") as reject:
        venue.place(ANNE, limit("BUY", "99.40", "1", client_order_id="x"), START_NS)
    assert reject.value.code == -2010
    venue.place(BOB, limit("BUY", "99.40", "1", client_order_id="x"), START_NS)
    venue.cancel(ANNE, "AAAUSDT", START_NS, orig_client_order_id="x")
    second = venue.place(ANNE, limit("BUY", "99.40", "1", client_order_id="x"), START_NS).order
    assert venue.order_status(ANNE, "AAAUSDT", orig_client_order_id="x").order_id == second.order_id
    assert venue.order_status(ANNE, "AAAUSDT", order_id=first.order_id).status == "CANCELED"


def test_orders_without_a_client_id_get_one() -> None:
    venue = empty_venue()
    ids = {venue.place(ANNE, limit("BUY", "99.50", "1"), START_NS).order.client_order_id for _ in range(5)}
    assert len(ids) == 5
    assert all(len(client_id) == 22 and client_id.isalnum() for client_id in ids)


def test_cancel_all_takes_every_order_of_the_symbol_and_refuses_when_there_is_none() -> None:
    venue = empty_venue()
    for price in ("99.10", "99.20", "99.30"):
        venue.place(ANNE, limit("BUY", price, "1"), START_NS)
    venue.place(BOB, limit("BUY", "99.10", "1"), START_NS)
    results = venue.cancel_all(ANNE, "AAAUSDT", START_NS)
    assert [result.order.status for result in results if isinstance(result, CancelResult)] == ["CANCELED"] * 3
    assert venue.open_orders(ANNE) == []
    assert len(venue.open_orders(BOB)) == 1
    with pytest.raises(VenueReject) as reject:
        venue.cancel_all(ANNE, "AAAUSDT", START_NS)
    assert reject.value.code == -2011


def test_a_cancel_must_name_its_order_rightly() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, limit("BUY", "99.10", "1", client_order_id="a"), START_NS).order
    with pytest.raises(VenueReject) as neither:
        venue.cancel(ANNE, "AAAUSDT", START_NS)
    with pytest.raises(VenueReject) as mismatch:
        venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=order.order_id, orig_client_order_id="b")
    with pytest.raises(VenueReject) as foreign:
        venue.cancel(BOB, "AAAUSDT", START_NS, order_id=order.order_id)
    with pytest.raises(VenueReject) as restricted:
        venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=order.order_id, restriction="ONLY_PARTIALLY_FILLED")
    with pytest.raises(VenueReject) as unknown:
        venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=order.order_id, restriction="NEVER")
    codes = [info.value.code for info in (neither, mismatch, foreign, restricted, unknown)]
    assert codes == [-1102, -2039, -2011, -2011, -1145]
    assert restricted.value.msg == "Order was not canceled due to cancel restrictions."
    assert len(venue.open_orders(ANNE)) == 1


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        ("EXPIRE_MAKER", ("TRADE_PREVENTION", "EXPIRED_IN_MATCH"), None),
        ("EXPIRE_TAKER", None, ("TRADE_PREVENTION", "EXPIRED_IN_MATCH")),
        (
            "EXPIRE_BOTH",
            ("TRADE_PREVENTION", "EXPIRED_IN_MATCH"),
            ("TRADE_PREVENTION", "EXPIRED_IN_MATCH"),
        ),
        ("NONE", ("TRADE", "FILLED"), ("TRADE", "FILLED")),
    ],
)
def test_self_trade_prevention_follows_the_takers_mode(
    mode: str, maker: tuple[str, str] | None, taker: tuple[str, str] | None
) -> None:
    venue = empty_venue()
    resting = venue.place(ANNE, limit("SELL", "100.10", "1"), START_NS).order
    venue.drain()
    taking = venue.place(ANNE, limit("BUY", "100.10", "1", stp_mode=mode), START_NS).order
    found = {
        report.order_id: (report.execution_type, report.status)
        for report in reports(venue.drain(), ANNE)
        if report.execution_type != "NEW"
    }
    assert (found.get(resting.order_id), found.get(taking.order_id)) == (maker, taker)
    open_ids = {order.order_id for order in venue.open_orders(ANNE)}
    assert (resting.order_id in open_ids, taking.order_id in open_ids) == (maker is None, taker is None)


def test_a_prevented_trade_is_reported_with_its_counter_order() -> None:
    venue = empty_venue()
    resting = venue.place(ANNE, limit("SELL", "100.10", "1.5"), START_NS).order
    venue.drain()
    taking = venue.place(ANNE, limit("BUY", "100.20", "1"), START_NS).order
    report = next(row for row in reports(venue.drain(), ANNE) if row.order_id == resting.order_id)
    assert (report.counter_order_id, report.last_prevented_qty_e8) == (taking.order_id, e8("1.5"))
    assert (report.prevented_price_e8, report.counter_symbol) == (e8("100.10"), "AAAUSDT")
    assert report.prevented_match_id >= 0
    assert venue.order_status(ANNE, "AAAUSDT", order_id=resting.order_id).prevented_e8 == e8("1.5")


def test_both_sides_of_a_prevented_trade_name_the_makers_price() -> None:
    venue = empty_venue()
    venue.place(ANNE, limit("SELL", "100.10", "1"), START_NS)
    venue.place(ANNE, limit("BUY", "100.20", "1", stp_mode="EXPIRE_BOTH"), START_NS)
    prevented = [row for row in reports(venue.drain(), ANNE) if row.execution_type == "TRADE_PREVENTION"]
    assert [row.prevented_price_e8 for row in prevented] == [e8("100.10")] * 2
    assert [row.counter_order_id for row in prevented] == [row.order_id for row in prevented[::-1]]


def test_an_order_test_checks_and_changes_nothing() -> None:
    venue = empty_venue()
    venue.check(ANNE, limit("BUY", "99.50", "1"), START_NS)
    with pytest.raises(VenueReject, match="Filter failure: LOT_SIZE"):
        venue.check(ANNE, limit("BUY", "99.50", "0.0005"), START_NS)
    assert venue.drain() == []
    assert venue.all_orders(ANNE, "AAAUSDT") == []


def test_queries_select_by_id_time_and_limit() -> None:
    venue = empty_venue()
    orders = [venue.place(ANNE, limit("BUY", "99.50", "1"), START_NS + i).order for i in range(6)]
    for _ in orders:
        venue.place(BOB, limit("SELL", "99.50", "1"), START_NS + 10)
    ids = [order.order_id for order in orders]
    assert [o.order_id for o in venue.all_orders(ANNE, "AAAUSDT", limit=2)] == ids[-2:]
    assert [o.order_id for o in venue.all_orders(ANNE, "AAAUSDT", order_id=ids[1], limit=2)] == ids[1:3]
    assert [o.order_id for o in venue.all_orders(ANNE, "AAAUSDT", start_ns=START_NS + 3)] == ids[3:]
    assert [o.order_id for o in venue.all_orders(ANNE, "AAAUSDT", end_ns=START_NS + 1)] == ids[:2]
    trades = venue.my_trades(ANNE, "AAAUSDT")
    assert [trade.order_id for trade in trades] == ids
    assert venue.my_trades(ANNE, "AAAUSDT", order_id=ids[2]) == [trades[2]]
    assert venue.my_trades(ANNE, "AAAUSDT", from_id=trades[3].trade_id, limit=1) == [trades[3]]
    assert venue.my_trades(ANNE, "AAAUSDT", limit=2) == trades[-2:]
    with pytest.raises(VenueReject, match="Order does not exist"):
        venue.order_status(ANNE, "AAAUSDT", order_id=10**9)


def test_a_returned_order_does_not_change_when_the_order_does() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, limit("BUY", "99.50", "1"), START_NS).order
    venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=order.order_id)
    assert order.status == "NEW"


def test_a_deposit_is_told_as_a_balance_update() -> None:
    venue = empty_venue()
    venue.deposit(ANNE, "USDT", e8("5"), START_NS)
    kinds_of_events = [type(event).__name__ for event in venue.drain()]
    assert kinds_of_events == ["BalanceUpdate", "AccountPosition"]
    assert free_and_locked(venue, ANNE, "USDT") == (e8("10005"), 0)
    with pytest.raises(VenueReject, match=r"has 10005\.00000000 USDT free, not 10006\.25000000 to withdraw"):
        venue.deposit(ANNE, "USDT", -e8("10006.25"), START_NS)
    with pytest.raises(VenueReject, match="no asset NOPE"):
        venue.deposit(ANNE, "NOPE", e8("1"), START_NS)


def test_history_forgets_the_oldest_closed_orders_and_never_an_open_one() -> None:
    venue = empty_venue(history_orders_max=4)
    kept = venue.place(ANNE, limit("BUY", "99.10", "1", client_order_id="kept"), START_NS).order
    for number in range(8):
        venue.place(ANNE, limit("BUY", "99.50", "1", client_order_id=f"o{number}"), START_NS)
        venue.cancel(ANNE, "AAAUSDT", START_NS, orig_client_order_id=f"o{number}")
    names = [order.client_order_id for order in venue.all_orders(ANNE, "AAAUSDT")]
    assert names == ["kept", "o5", "o6", "o7"]
    assert venue.order_status(ANNE, "AAAUSDT", orig_client_order_id="kept").order_id == kept.order_id
    with pytest.raises(VenueReject):
        venue.order_status(ANNE, "AAAUSDT", orig_client_order_id="o1")


def test_every_report_has_its_own_execution_id_in_order() -> None:
    venue = empty_venue()
    for _ in range(3):
        venue.place(BOB, limit("SELL", "100.10", "1"), START_NS)
        venue.place(ANNE, limit("BUY", "100.10", "1"), START_NS)
    ids = [event.execution_id for event in venue.drain() if isinstance(event, ExecutionReport)]
    assert ids == sorted(set(ids))
    assert len(ids) == 12


def test_a_reused_client_id_outlives_the_forgetting_of_its_first_order() -> None:
    venue = empty_venue(history_orders_max=2)
    for _ in range(3):
        newest = venue.place(ANNE, limit("BUY", "99.50", "1", client_order_id="again"), START_NS).order
        venue.cancel(ANNE, "AAAUSDT", START_NS, orig_client_order_id="again")
    assert venue.order_status(ANNE, "AAAUSDT", orig_client_order_id="again").order_id == newest.order_id


def test_times_of_trade_queries_include_their_ends() -> None:
    venue = empty_venue()
    for step in range(3):
        venue.place(BOB, limit("SELL", "100.10", "1"), START_NS + step)
        venue.place(ANNE, limit("BUY", "100.10", "1"), START_NS + step)
    trades = venue.my_trades(ANNE, "AAAUSDT")
    assert venue.my_trades(ANNE, "AAAUSDT", start_ns=START_NS + 1, end_ns=START_NS + 1) == [trades[1]]
    assert venue.my_trades(ANNE, "AAAUSDT", end_ns=START_NS + 1) == trades[:2]


def test_order_ids_count_up_without_reuse() -> None:
    venue = empty_venue()
    ids = [venue.place(ANNE, limit("BUY", "99.50", "1"), START_NS).order.order_id for _ in range(4)]
    assert ids == list(range(ids[0], ids[0] + 4))
