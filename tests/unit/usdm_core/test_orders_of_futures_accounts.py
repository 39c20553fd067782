"""Limit and market orders of futures accounts: what the book does with them and what the user stream tells."""

from __future__ import annotations

import pytest

from engine.sim.usdm.api import Refusal, UsdmOrder, UsdmOrderRequest
from tests.unit.usdm_core.stage import (
    ANNE,
    BOB,
    SECOND_NS,
    START_NS,
    SYMBOL,
    Stage,
    account_reasons,
    e8,
    kinds,
    updates,
)


def test_a_resting_order_is_new_and_a_fill_of_it_reports_account_and_trade() -> None:
    stage = Stage()
    order = stage.limit(ANNE, "BUY", "99.0", "2")
    assert (order.status, order.executed_e8) == ("NEW", 0)
    taken = stage.market(BOB, "SELL", "1")
    events = stage.core.drain()
    assert taken.status == "FILLED"
    assert kinds(events, ANNE) == [("NEW", "NEW", "0"), ("TRADE", "PARTIALLY_FILLED", "0")]
    assert account_reasons(events, ANNE) == ["ORDER"]
    fill = updates(events, ANNE)[-1]
    assert (fill.is_maker, fill.last_price_e8, fill.last_qty_e8) == (True, e8("99"), e8("1"))
    assert fill.commission_e8 == e8("0.0198")  # 0.02 % of 99
    assert fill.bid_notional_e8 == e8("99")  # what is still open
    assert stage.core.order_status(ANNE, SYMBOL, order_id=order.order_id).avg_price_e8 == e8("99")


def test_a_cancel_answers_with_the_orders_own_client_id_and_frees_it() -> None:
    stage = Stage()
    stage.limit(ANNE, "BUY", "99.0", "1", client_order_id="mine")
    stage.refuses(-4116, stage.limit, ANNE, "BUY", "98.0", "1", client_order_id="mine")
    gone = stage.core.cancel(ANNE, SYMBOL, stage.now_ns, orig_client_order_id="mine")
    assert (gone.status, gone.client_order_id) == ("CANCELED", "mine")
    stage.refuses(-2011, stage.core.cancel, ANNE, SYMBOL, stage.now_ns, order_id=gone.order_id)
    assert stage.limit(ANNE, "BUY", "98.0", "1", client_order_id="mine").status == "NEW"


def test_post_only_that_would_take_and_fok_that_cannot_fill_leave_no_record() -> None:
    stage = Stage()
    stage.limit(BOB, "SELL", "100.0", "1")
    stage.core.drain()
    stage.refuses(-5022, stage.limit, ANNE, "BUY", "100.0", "1", time_in_force="GTX")
    stage.refuses(-5021, stage.limit, ANNE, "BUY", "100.0", "2", time_in_force="FOK")
    assert stage.core.drain() == []
    assert stage.core.all_orders(ANNE, SYMBOL) == []
    assert stage.limit(ANNE, "BUY", "100.0", "1", time_in_force="FOK").status == "FILLED"
    assert kinds(stage.core.drain(), ANNE) == [("NEW", "NEW", "0"), ("TRADE", "FILLED", "0")]


def test_the_rest_of_an_ioc_expires_with_reason_2_and_of_a_market_order_with_9() -> None:
    stage = Stage()
    stage.limit(BOB, "SELL", "100.0", "1")
    order = stage.limit(ANNE, "BUY", "100.0", "2", time_in_force="IOC")
    assert (order.status, order.executed_e8, order.expiry_reason) == ("EXPIRED", e8("1"), "2")
    stage.limit(BOB, "SELL", "100.0", "1")
    order = stage.market(ANNE, "BUY", "2")
    assert (order.status, order.executed_e8, order.expiry_reason) == ("EXPIRED", e8("1"), "9")


def test_a_market_order_stops_at_the_take_bound() -> None:
    stage = Stage()
    stage.limit(BOB, "SELL", "105.0", "1")
    stage.limit(BOB, "SELL", "105.1", "1")
    assert stage.market(ANNE, "BUY", "2").executed_e8 == e8("1")


def test_an_order_that_meets_its_own_account_expires_by_its_mode() -> None:
    stage = Stage()
    stage.limit(ANNE, "SELL", "100.0", "1")
    taker = stage.limit(ANNE, "BUY", "100.0", "1", stp_mode="EXPIRE_TAKER")
    assert (taker.status, taker.expiry_reason) == ("EXPIRED_IN_MATCH", "1")
    stage.core.drain()
    rested = stage.limit(ANNE, "BUY", "100.0", "1", stp_mode="EXPIRE_MAKER")
    assert rested.status == "NEW"
    assert ("EXPIRED", "EXPIRED_IN_MATCH", "1") in kinds(stage.core.drain(), ANNE)
    both = stage.limit(ANNE, "SELL", "100.0", "1", stp_mode="EXPIRE_BOTH")
    assert both.status == "EXPIRED_IN_MATCH"
    assert stage.core.open_orders(ANNE) == []
    stage.limit(ANNE, "BUY", "100.0", "1")
    assert stage.limit(ANNE, "SELL", "100.0", "1", stp_mode="NONE").status == "FILLED"


def test_a_gtd_order_expires_at_its_whole_second() -> None:
    stage = Stage()
    deadline_ns = START_NS + 700 * SECOND_NS + 123
    order = stage.limit(ANNE, "BUY", "99.0", "1", time_in_force="GTD", good_till_ns=deadline_ns)
    assert order.good_till_ns == START_NS + 700 * SECOND_NS
    stage.wait(699)
    assert len(stage.core.open_orders(ANNE)) == 1
    stage.wait(1)
    assert stage.core.order_status(ANNE, SYMBOL, order_id=order.order_id).status == "EXPIRED"
    stage.refuses(-5040, stage.limit, ANNE, "BUY", "99.0", "1", time_in_force="GTD", good_till_ns=stage.now_ns)


def test_price_match_takes_the_price_from_the_book() -> None:
    stage = Stage()
    stage.limit(BOB, "SELL", "101.0", "1")
    stage.limit(BOB, "BUY", "99.0", "1")
    queued = stage.limit(ANNE, "BUY", "", "1", price_match="QUEUE")
    assert (queued.price_e8, queued.price_match) == (e8("99"), "QUEUE")
    assert stage.limit(ANNE, "BUY", "", "1", price_match="OPPONENT").status == "FILLED"
    stage.refuses(-5041, stage.limit, ANNE, "BUY", "", "1", price_match="OPPONENT_20")
    stage.refuses(-1106, stage.limit, ANNE, "BUY", "99.0", "1", price_match="QUEUE")


def test_less_quantity_keeps_the_place_in_the_queue_and_more_loses_it() -> None:
    stage = Stage()
    first = stage.limit(ANNE, "BUY", "99.0", "2")
    stage.limit(BOB, "BUY", "99.0", "1")
    stage.modify(ANNE, "BUY", "99.0", "1", order_id=first.order_id)
    stage.limit(3, "SELL", "99.0", "1", time_in_force="IOC")
    assert stage.qty(ANNE) == e8("1")
    second = stage.limit(ANNE, "BUY", "99.0", "1")
    stage.limit(BOB, "BUY", "99.0", "1")
    changed = stage.modify(ANNE, "BUY", "99.0", "2", order_id=second.order_id, modify_id=77)
    assert (changed.status, changed.qty_e8) == ("NEW", e8("2"))
    stage.limit(3, "SELL", "99.0", "2", time_in_force="IOC")
    assert stage.qty(ANNE) == e8("1")
    assert stage.qty(BOB) == e8("2")
    assert [row.count for row in stage.core.amendments(ANNE, SYMBOL)] == [1, 1]
    assert [row.modify_id for row in updates(stage.core.drain(), ANNE) if row.modify_id] == [77]


def test_a_modified_price_may_trade_at_once_and_reports_the_amendment_first() -> None:
    stage = Stage()
    order = stage.limit(ANNE, "BUY", "99.0", "1")
    stage.limit(BOB, "SELL", "100.0", "1")
    stage.core.drain()
    assert stage.modify(ANNE, "BUY", "100.0", "1", order_id=order.order_id).status == "FILLED"
    assert kinds(stage.core.drain(), ANNE) == [("AMENDMENT", "NEW", "0"), ("TRADE", "FILLED", "0")]


def test_modifications_that_make_no_sense_are_refused_or_cancel() -> None:
    stage = Stage()
    order = stage.limit(ANNE, "BUY", "99.0", "2", time_in_force="GTX")
    stage.refuses(-5027, stage.modify, ANNE, "BUY", "99.0", "2", order_id=order.order_id)
    stage.refuses(-4014, stage.modify, ANNE, "BUY", "99.05", "2", order_id=order.order_id)
    stage.refuses(-2013, stage.modify, ANNE, "BUY", "98.0", "2", order_id=order.order_id + 1)
    stage.refuses(-1117, stage.modify, ANNE, "SELL", "98.0", "2", order_id=order.order_id)
    stage.limit(BOB, "SELL", "100.0", "1")
    assert stage.modify(ANNE, "BUY", "100.0", "2", order_id=order.order_id).status == "CANCELED"
    order = stage.limit(ANNE, "BUY", "99.0", "2")
    stage.market(BOB, "SELL", "1")
    assert stage.modify(ANNE, "BUY", "99.0", "1", order_id=order.order_id).status == "CANCELED"


def test_an_order_can_be_modified_so_often_and_no_oftener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.sim.usdm.amend.MODIFICATIONS_MAX", 2)
    stage = Stage()
    order = stage.limit(ANNE, "BUY", "99.0", "1")
    for price in ("98.0", "97.0"):
        stage.modify(ANNE, "BUY", price, "1", order_id=order.order_id)
    stage.refuses(-5026, stage.modify, ANNE, "BUY", "96.0", "1", order_id=order.order_id)


def test_a_batch_answers_each_on_its_own() -> None:
    stage = Stage()
    good = UsdmOrderRequest(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", price_e8=e8("99"), quantity_e8=e8("1")
    )
    bad = UsdmOrderRequest(symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity_e8=e8("1"))
    answers = stage.core.place_batch(ANNE, [good, bad, good], stage.now_ns)
    assert [isinstance(answer, UsdmOrder) for answer in answers] == [True, False, True]
    assert isinstance(answers[1], Refusal)
    assert answers[1].code == -1102
    ids = [answer.order_id for answer in answers if isinstance(answer, UsdmOrder)]
    done = stage.core.cancel_batch(ANNE, SYMBOL, stage.now_ns, order_ids=[ids[0], 99_999_999, ids[1]])
    assert [row.status if isinstance(row, UsdmOrder) else row.code for row in done] == ["CANCELED", -2011, "CANCELED"]


def test_the_countdown_cancels_all_unless_it_is_renewed_or_stopped() -> None:
    stage = Stage()
    stage.limit(ANNE, "BUY", "99.0", "1")
    stage.core.countdown_cancel_all(ANNE, SYMBOL, 5 * SECOND_NS, stage.now_ns)
    stage.wait(4)
    stage.core.countdown_cancel_all(ANNE, SYMBOL, 5 * SECOND_NS, stage.now_ns)
    stage.wait(4)
    assert len(stage.core.open_orders(ANNE)) == 1
    assert stage.core.next_wake_ns() <= stage.now_ns + SECOND_NS
    stage.wait(1)
    assert stage.core.open_orders(ANNE) == []
    stage.limit(ANNE, "BUY", "99.0", "1")
    stage.core.countdown_cancel_all(ANNE, SYMBOL, 5 * SECOND_NS, stage.now_ns)
    stage.core.countdown_cancel_all(ANNE, SYMBOL, 0, stage.now_ns)
    stage.wait(60)
    assert len(stage.core.open_orders(ANNE)) == 1


def test_cancel_all_takes_every_order_and_none_is_no_error() -> None:
    stage = Stage()
    stage.limit(ANNE, "BUY", "99.0", "1")
    stage.limit(ANNE, "BUY", "98.0", "1")
    assert [row.status for row in stage.core.cancel_all(ANNE, SYMBOL, stage.now_ns)] == ["CANCELED", "CANCELED"]
    assert stage.core.cancel_all(ANNE, SYMBOL, stage.now_ns) == []
