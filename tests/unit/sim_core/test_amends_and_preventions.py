"""Amends that keep their place, and what self-trade prevention takes from whom."""

from __future__ import annotations

import pytest

from engine.sim.api import ListStatus
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import (
    ANNE,
    BOB,
    START_NS,
    e8,
    empty_venue,
    free_and_locked,
    limit,
    reports,
    stop,
    symbol,
)
from tests.unit.sim_core.test_order_lists import buy_pair, oto, statuses


def test_an_amended_order_keeps_its_place_and_frees_the_difference() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, limit("BUY", "99", "5", client_order_id="mine"), START_NS).order
    venue.place(BOB, limit("BUY", "99", "1"), START_NS)
    venue.drain()
    result = venue.amend(ANNE, "AAAUSDT", e8("2"), START_NS, order_id=order.order_id, new_client_order_id="less")
    assert (result.order.qty_e8, result.order.client_order_id, result.orig_client_order_id) == (e8("2"), "less", "mine")
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9802"), e8("198"))
    (report,) = reports(venue.drain(), ANNE)
    assert (report.execution_type, report.status, report.qty_e8) == ("REPLACED", "NEW", e8("2"))
    assert (report.client_order_id, report.orig_client_order_id) == ("less", "mine")
    assert (report.execution_id, result.order_list) == (result.execution_id, None)
    venue.place(BOB, limit("SELL", "99", "2", stp_mode="NONE"), START_NS)
    assert venue.order_status(ANNE, "AAAUSDT", orig_client_order_id="less").status == "FILLED"
    (row,) = venue.amendments(ANNE, "AAAUSDT", order.order_id)
    assert (row.orig_qty_e8, row.new_qty_e8, row.new_client_order_id) == (e8("5"), e8("2"), "less")


def test_an_amended_order_may_keep_its_client_id_or_gets_another() -> None:
    venue = empty_venue()
    venue.place(ANNE, limit("BUY", "99", "5", client_order_id="mine"), START_NS)
    kept = venue.amend(ANNE, "AAAUSDT", e8("4"), START_NS, orig_client_order_id="mine", new_client_order_id="mine")
    assert kept.order.client_order_id == "mine"
    named = venue.amend(ANNE, "AAAUSDT", e8("3"), START_NS, orig_client_order_id="mine").order.client_order_id
    assert len(named) == 22
    assert venue.place(ANNE, limit("BUY", "99", "5", client_order_id="mine"), START_NS).order.status == "NEW"
    with pytest.raises(VenueReject, match="Duplicate order sent") as info:
        venue.amend(ANNE, "AAAUSDT", e8("2"), START_NS, orig_client_order_id="mine", new_client_order_id=named)
    assert info.value.code == -2038


@pytest.mark.parametrize(
    ("qty", "code", "text"),
    [
        ("5.001", -2038, "Order amend (quantity increase) is not supported."),
        ("5", -2038, "The requested action would change no state; rejecting."),
        ("0", -1013, "Filter failure: LOT_SIZE"),
        ("1.0005", -1013, "Filter failure: LOT_SIZE"),
        ("0.05", -1013, "Filter failure: NOTIONAL"),
    ],
)
def test_an_amend_that_may_not_be_is_refused(qty: str, code: int, text: str) -> None:
    venue = empty_venue()
    order = venue.place(ANNE, limit("BUY", "99", "5"), START_NS).order
    before = venue.account(ANNE)
    with pytest.raises(VenueReject) as info:
        venue.amend(ANNE, "AAAUSDT", e8(qty), START_NS, order_id=order.order_id)
    assert (info.value.code, info.value.msg) == (code, text)
    assert (venue.account(ANNE), venue.open_orders(ANNE)) == (before, [order])


def test_unknown_orders_and_too_many_amends_are_refused() -> None:
    venue = empty_venue(symbols=(symbol(max_num_order_amends=2),))
    order = venue.place(ANNE, limit("BUY", "99", "5"), START_NS).order
    with pytest.raises(VenueReject, match="Unknown order sent") as unknown:
        venue.amend(BOB, "AAAUSDT", e8("1"), START_NS, order_id=order.order_id)
    assert unknown.value.code == -2038
    for qty in ("4", "3"):
        venue.amend(ANNE, "AAAUSDT", e8(qty), START_NS, order_id=order.order_id)
    with pytest.raises(VenueReject, match="Filter failure: MAX_NUM_ORDER_AMENDS"):
        venue.amend(ANNE, "AAAUSDT", e8("2"), START_NS, order_id=order.order_id)


def test_an_amend_below_what_is_filled_ends_the_order() -> None:
    venue = empty_venue()
    order = venue.place(ANNE, limit("BUY", "99", "5"), START_NS).order
    venue.place(BOB, limit("SELL", "99", "2"), START_NS)
    result = venue.amend(ANNE, "AAAUSDT", e8("1"), START_NS, order_id=order.order_id)
    assert (result.order.status, result.order.qty_e8, result.order.executed_e8) == ("EXPIRED", e8("2"), e8("2"))
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9802"), 0)
    assert venue.open_orders(ANNE) == []


def test_both_legs_of_an_oco_are_amended_together_and_their_lock_with_them() -> None:
    venue = empty_venue()
    legs = venue.place_list(ANNE, buy_pair(), START_NS)
    venue.drain()
    result = venue.amend(ANNE, "AAAUSDT", e8("0.5"), START_NS, order_id=legs.reports[1].order.order_id)
    assert {order.qty_e8 for order in venue.open_orders(ANNE)} == {e8("0.5")}
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9948.5"), e8("51.5"))
    events = venue.drain()
    assert [report.execution_type for report in reports(events, ANNE)] == ["REPLACED", "REPLACED"]
    told = [event.order_list.list_status_type for event in events if isinstance(event, ListStatus)]
    assert told == ["UPDATED"]
    assert result.order_list is not None
    assert result.order.client_order_id in {order.client_order_id for order in result.order_list.orders}
    venue.place(BOB, limit("SELL", "98", "0.2"), START_NS)
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9951"), e8("29.4"))
    venue.place(BOB, limit("SELL", "98", "0.3"), START_NS)
    assert statuses(venue, legs) == ["EXPIRED/OCO_TRIGGER", "FILLED"]
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9951"), 0)


def test_a_pending_order_is_amended_by_itself_but_not_while_an_opo_is_unfilled() -> None:
    venue = empty_venue()
    maker = limit("SELL", "102", "1", type="LIMIT_MAKER", time_in_force=None)
    legs = venue.place_list(ANNE, oto(limit("BUY", "99", "1"), maker), START_NS)
    venue.amend(ANNE, "AAAUSDT", e8("0.5"), START_NS, order_id=legs.reports[1].order.order_id)
    venue.place(BOB, limit("SELL", "99", "1"), START_NS)
    assert free_and_locked(venue, ANNE, "AAA")[1] == e8("0.5")
    sized = limit("SELL", "102", "1", type="LIMIT_MAKER", time_in_force=None, quantity_e8=None)
    legs = venue.place_list(ANNE, oto(limit("BUY", "99", "1"), sized, kind="OPO"), START_NS)
    with pytest.raises(VenueReject, match="A pending OPO order may not be amended") as info:
        venue.amend(ANNE, "AAAUSDT", e8("0.5"), START_NS, order_id=legs.reports[1].order.order_id)
    assert info.value.code == -2038


def test_a_waiting_stop_and_an_iceberg_can_be_amended() -> None:
    venue = empty_venue()
    waiting = venue.place(ANNE, stop("STOP_LOSS", "BUY", "101"), START_NS).order
    venue.amend(ANNE, "AAAUSDT", e8("0.5"), START_NS, order_id=waiting.order_id)
    assert free_and_locked(venue, ANNE, "USDT")[1] == e8("50.5")
    iceberg = venue.place(ANNE, limit("SELL", "100.50", "5", iceberg_qty_e8=e8("2")), START_NS).order
    venue.amend(ANNE, "AAAUSDT", e8("3"), START_NS, order_id=iceberg.order_id)
    assert (e8("100.50"), e8("2")) in venue.depth("AAAUSDT").asks
    venue.amend(ANNE, "AAAUSDT", e8("1"), START_NS, order_id=iceberg.order_id)
    assert (e8("100.50"), e8("1")) in venue.depth("AAAUSDT").asks
    assert free_and_locked(venue, ANNE, "AAA")[1] == e8("1")


# --- self-trade prevention ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["DECREMENT", "TRANSFER"])
@pytest.mark.parametrize(
    ("taker_qty", "left", "taken"),
    [("2", "4", "NEW EXPIRED_IN_MATCH"), ("6", "0", "EXPIRED_IN_MATCH EXPIRED_IN_MATCH")],
)
def test_decrement_takes_the_prevented_quantity_from_both(mode: str, taker_qty: str, left: str, taken: str) -> None:
    venue = empty_venue()
    resting = venue.place(ANNE, limit("BUY", "100", "6"), START_NS).order
    venue.drain()
    taking = venue.place(ANNE, limit("SELL", "99.90", taker_qty, stp_mode=mode), START_NS).order
    rows = [venue.order_status(ANNE, "AAAUSDT", order_id=row.order_id) for row in (resting, taking)]
    assert " ".join(row.status for row in rows) == taken
    assert [row.prevented_e8 for row in rows] == [e8(taker_qty)] * 2
    assert rows[0].prevented_match_id == rows[1].prevented_match_id >= 0
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100"), 0)
    assert free_and_locked(venue, ANNE, "USDT")[1] == e8(left) * 100
    told = [row for row in reports(venue.drain(), ANNE) if row.execution_type == "TRADE_PREVENTION"]
    assert [row.last_prevented_qty_e8 for row in told] == [e8(taker_qty)] * 2
    (match,) = venue.prevented_matches(ANNE, "AAAUSDT", order_id=taking.order_id)
    assert (match.taker_order_id, match.maker_order_id, match.stp_mode) == (taking.order_id, resting.order_id, mode)
    assert (match.price_e8, match.taker_prevented_e8, match.maker_prevented_e8) == (
        e8("100"),
        e8(taker_qty),
        e8(taker_qty),
    )


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [("EXPIRE_TAKER", "2", None), ("EXPIRE_MAKER", None, "6"), ("EXPIRE_BOTH", "2", "6")],
)
def test_a_prevented_match_has_one_record(mode: str, taker: str | None, maker: str | None) -> None:
    venue = empty_venue()
    resting = venue.place(ANNE, limit("BUY", "100", "6"), START_NS).order
    venue.place(ANNE, limit("SELL", "100", "2", stp_mode=mode), START_NS)
    (match,) = venue.prevented_matches(ANNE, "AAAUSDT", order_id=resting.order_id)
    wanted = tuple(None if qty is None else e8(qty) for qty in (taker, maker))
    assert (match.taker_prevented_e8, match.maker_prevented_e8) == wanted
    assert venue.prevented_matches(ANNE, "AAAUSDT", match_id=match.prevented_match_id) == [match]
    assert venue.prevented_matches(ANNE, "AAAUSDT", from_match_id=match.prevented_match_id + 1) == []
    assert venue.prevented_matches(BOB, "AAAUSDT") == []


def test_a_stop_that_works_late_is_the_taker_though_its_number_is_lower() -> None:
    venue = empty_venue()
    waiting = venue.place(ANNE, stop("STOP_LOSS", "SELL", "99"), START_NS).order
    resting = venue.place(ANNE, limit("BUY", "98.90", "1"), START_NS).order
    venue.place(BOB, limit("BUY", "99", "1"), START_NS)
    venue.place(BOB, limit("SELL", "99", "1", stp_mode="NONE"), START_NS)
    (match,) = venue.prevented_matches(ANNE, "AAAUSDT")
    assert (match.taker_order_id, match.maker_order_id) == (waiting.order_id, resting.order_id)
    assert match.price_e8 == e8("98.90")


def test_a_symbol_has_a_default_mode_of_its_own() -> None:
    venue = empty_venue(symbols=(symbol(default_stp_mode="NONE"),))
    venue.place(ANNE, limit("BUY", "100", "1"), START_NS)
    taken = venue.place(ANNE, limit("SELL", "100", "1"), START_NS).order
    assert (taken.stp_mode, taken.status) == ("NONE", "FILLED")
    with pytest.raises(ValueError, match="default_stp_mode"):
        empty_venue(symbols=(symbol(default_stp_mode="TRANSFER", stp_modes=("NONE",)),))
