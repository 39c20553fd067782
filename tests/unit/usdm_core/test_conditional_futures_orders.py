"""The algo service: conditional orders wait outside the book, trigger once, and tell every step."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.usdm.api import AlgoUpdate
from tests.unit.usdm_core.stage import (
    ANNE,
    BOB,
    CAROL,
    SECOND_NS,
    SYMBOL,
    Stage,
    algo_states,
    e8,
    kinds,
    updates,
)


def quoted() -> Stage:
    """A book of bob's around 100, last price 100, anne long 5."""
    stage = Stage(wallet="100000")
    stage.trade(ANNE, CAROL, "100.0", "5")
    for price in ("98.0", "97.0", "90.0"):
        stage.limit(BOB, "BUY", price, "10")
    for price in ("102.0", "103.0", "110.0"):
        stage.limit(BOB, "SELL", price, "10")
    stage.core.drain()
    return stage


def test_a_stop_at_the_mark_price_triggers_once_and_finishes_with_its_order() -> None:
    stage = quoted()
    algo = stage.algo(ANNE, "SELL", "STOP_MARKET", "95.0", quantity="5", working_type="MARK_PRICE", reduce_only=True)
    assert (algo.status, algo.actual_order_id) == ("NEW", 0)
    stage.mark("95.1")
    assert stage.qty(ANNE) == e8("5")
    stage.mark("95.0")
    assert stage.qty(ANNE) == 0
    events = stage.core.drain()
    assert algo_states(events, ANNE) == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    done = stage.core.algo_order(ANNE, algo_id=algo.algo_id)
    assert (done.actual_price_e8, done.actual_qty_e8, done.actual_type) == (e8("98"), e8("5"), "MARKET")
    placed = updates(events, ANNE)[0].order
    assert (placed.order_id, placed.orig_type, placed.algo_id) == (done.actual_order_id, "STOP_MARKET", algo.algo_id)
    assert (placed.stop_price_e8, placed.working_type) == (e8("95"), "MARK_PRICE")
    assert stage.core.open_algo_orders(ANNE) == []


def test_a_reduce_only_stop_larger_than_the_position_does_not_turn_it() -> None:
    stage = quoted()
    stage.algo(ANNE, "SELL", "STOP_MARKET", "95.0", quantity="9", working_type="MARK_PRICE", reduce_only=True)
    stage.mark("95.0")
    assert stage.qty(ANNE) == 0


def test_a_close_position_order_of_hedge_mode_closes_its_own_side_only() -> None:
    stage = Stage(wallet="100000", hedge_accounts=("anne",))
    stage.quote(BOB, "99.0", "101.0", "50")
    stage.market(ANNE, "BUY", "3", position_side="LONG")
    stage.market(ANNE, "SELL", "2", position_side="SHORT")
    stage.algo(
        ANNE, "BUY", "STOP_MARKET", "105.0", close_position=True, position_side="SHORT", working_type="MARK_PRICE"
    )
    stage.mark("105.0")
    assert (stage.qty(ANNE, "LONG"), stage.qty(ANNE, "SHORT")) == (e8("3"), 0)


def test_a_trigger_by_the_last_price_comes_before_the_next_operation() -> None:
    stage = quoted()
    stage.algo(ANNE, "SELL", "STOP", "98.0", quantity="5", price="97.0", time_in_force="GTC")
    stage.core.drain()
    stage.limit(CAROL, "SELL", "98.0", "1", time_in_force="IOC")
    assert stage.qty(ANNE) == 0
    assert algo_states(stage.core.drain(), ANNE) == ["TRIGGERING", "TRIGGERED", "FINISHED"]


@pytest.mark.parametrize(
    ("side", "kind", "trigger"),
    [
        ("BUY", "STOP_MARKET", "100.0"),
        ("SELL", "STOP_MARKET", "100.0"),
        ("BUY", "TAKE_PROFIT_MARKET", "100.0"),
        ("SELL", "TAKE_PROFIT_MARKET", "100.0"),
        ("SELL", "STOP", "101.0"),
        ("BUY", "TAKE_PROFIT", "100.0"),
    ],
)
def test_a_condition_that_holds_already_is_refused(side: str, kind: str, trigger: str) -> None:
    stage = quoted()
    extra = {"price": "100.0"} if kind in ("STOP", "TAKE_PROFIT") else {}
    stage.refuses(-2021, stage.algo, ANNE, side, kind, trigger, quantity="1", **extra)
    stage.refuses(-2021, stage.algo, ANNE, side, kind, trigger, quantity="1", working_type="MARK_PRICE", **extra)


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "price"),
    [
        ("BUY", "STOP_MARKET", "101.0", "101.0"),
        ("SELL", "STOP_MARKET", "99.0", "99.0"),
        ("BUY", "TAKE_PROFIT_MARKET", "99.0", "98.9"),
        ("SELL", "TAKE_PROFIT_MARKET", "101.0", "101.1"),
    ],
)
def test_each_kind_triggers_on_its_own_side(side: str, kind: str, trigger: str, price: str) -> None:
    stage = quoted()
    stage.algo(ANNE, side, kind, trigger, quantity="1", working_type="MARK_PRICE")
    stage.mark(price)
    assert algo_states(stage.core.drain(), ANNE)[-1] == "FINISHED"
    assert stage.qty(ANNE) == e8("6" if side == "BUY" else "4")


def test_a_trailing_stop_follows_the_best_price_and_tells_its_activation() -> None:
    stage = quoted()
    stage.algo(
        ANNE,
        "SELL",
        "TRAILING_STOP_MARKET",
        None,
        quantity="5",
        callback_rate="2",
        activate_price="105.0",
        working_type="MARK_PRICE",
        reduce_only=True,
    )
    for price in ("101", "104.9", "102"):
        stage.mark(price)
    assert not stage.core.open_algo_orders(ANNE)[0].is_activated
    for price in ("105", "110", "108"):
        stage.mark(price)
    algo = stage.core.open_algo_orders(ANNE)[0]
    assert (algo.is_activated, algo.trigger_price_e8) == (True, e8("107.8"))
    events = stage.core.drain()
    assert [e.algo.is_activated for e in events if isinstance(e, AlgoUpdate)] == [False, True]
    stage.mark("107.8")
    assert algo_states(stage.core.drain(), ANNE) == ["TRIGGERING", "TRIGGERED", "FINISHED"]
    stage.refuses(-2007, stage.algo, ANNE, "SELL", "TRAILING_STOP_MARKET", None, quantity="1", callback_rate="20.1")
    stage.refuses(
        -2021,
        stage.algo,
        ANNE,
        "SELL",
        "TRAILING_STOP_MARKET",
        None,
        quantity="1",
        callback_rate="1",
        activate_price="90.0",
    )


def test_close_position_closes_what_is_there_then_and_never_opens() -> None:
    stage = quoted()
    stage.algo(ANNE, "SELL", "STOP_MARKET", "95.0", close_position=True, working_type="MARK_PRICE")
    stage.refuses(-4130, stage.algo, ANNE, "SELL", "STOP_MARKET", "94.0", close_position=True)
    stage.refuses(-1106, stage.algo, ANNE, "SELL", "TAKE_PROFIT_MARKET", "120.0", close_position=True, quantity="1")
    stage.refuses(-1106, stage.algo, ANNE, "SELL", "TAKE_PROFIT_MARKET", "120.0", close_position=True, reduce_only=True)
    stage.refuses(-1106, stage.algo, ANNE, "SELL", "STOP", "94.0", close_position=True, price="94.0")
    stage.trade(ANNE, CAROL, "100.0", "2")
    stage.mark("95.0")
    assert stage.qty(ANNE) == 0
    placed = stage.core.all_orders(ANNE, SYMBOL)[-1]
    assert (placed.close_position, placed.qty_e8, placed.status) == (True, e8("7"), "FILLED")


def test_close_position_needs_something_to_close_and_expires_with_the_position() -> None:
    stage = Stage(wallet="100000")
    stage.refuses(-4509, stage.algo, ANNE, "SELL", "STOP_MARKET", "95.0", close_position=True)
    stage = quoted()
    stage.algo(ANNE, "SELL", "STOP_MARKET", "95.0", close_position=True, working_type="MARK_PRICE")
    stage.core.drain()
    stage.market(ANNE, "SELL", "5", reduce_only=True)
    assert algo_states(stage.core.drain(), ANNE) == ["EXPIRED"]
    stage.mark("90.0")
    assert stage.qty(ANNE) == 0


def test_a_wrong_sided_close_position_expires_at_the_trigger() -> None:
    stage = quoted()
    stage.algo(ANNE, "BUY", "STOP_MARKET", "105.0", close_position=True, working_type="MARK_PRICE")
    stage.mark("105.0")
    assert algo_states(stage.core.drain(), ANNE)[-1] == "EXPIRED"
    assert stage.qty(ANNE) == e8("5")


def test_price_protect_waits_till_mark_and_last_price_are_near() -> None:
    stage = quoted()
    stage.algo(ANNE, "SELL", "STOP_MARKET", "90.0", quantity="5", working_type="MARK_PRICE", price_protect=True)
    stage.mark("90.0")  # the last price is 100
    assert len(stage.core.open_algo_orders(ANNE)) == 1
    stage.core.cancel_all(BOB, SYMBOL, stage.now_ns)
    stage.trade(BOB, CAROL, "94.0", "1")
    stage.mark("90.0")
    assert stage.core.open_algo_orders(ANNE) == []


def test_an_order_without_margin_is_rejected_at_the_trigger_not_before() -> None:
    stage = quoted()
    algo = stage.algo(ANNE, "BUY", "STOP_MARKET", "101.0", quantity="500", working_type="MARK_PRICE")
    stage.core.deposit(ANNE, -stage.core.account(ANNE).max_withdraw_e8, stage.now_ns)
    stage.mark("101.0")
    assert algo_states(stage.core.drain(), ANNE) == ["NEW", "TRIGGERING", "REJECTED"]
    assert stage.core.algo_order(ANNE, algo_id=algo.algo_id).reject_reason == "Margin is insufficient."


def test_conditional_orders_are_cancelled_by_either_id_all_at_once_or_by_time() -> None:
    stage = quoted()
    for trigger in ("95.0", "94.0", "93.0"):
        stage.algo(ANNE, "SELL", "STOP_MARKET", trigger, quantity="1", client_algo_id=f"stop-{trigger}")
    stage.refuses(-4116, stage.algo, ANNE, "SELL", "STOP_MARKET", "92.0", quantity="1", client_algo_id="stop-95.0")
    gone = stage.core.cancel_algo(ANNE, stage.now_ns, client_algo_id="stop-95.0")
    assert gone.status == "CANCELED"
    stage.refuses(-2011, stage.core.cancel_algo, ANNE, stage.now_ns, algo_id=gone.algo_id)
    assert len(stage.core.cancel_all_algos(ANNE, SYMBOL, stage.now_ns)) == 2
    deadline_ns = stage.now_ns + 700 * SECOND_NS
    stage.algo(ANNE, "SELL", "STOP", "95.0", quantity="1", price="95.0", time_in_force="GTD", good_till_ns=deadline_ns)
    stage.wait(701)
    assert stage.core.all_algo_orders(ANNE, SYMBOL)[-1].status == "EXPIRED"
    stage.refuses(-2013, stage.core.algo_order, ANNE, algo_id=99)


def test_at_most_200_conditional_orders_wait() -> None:
    stage = quoted()
    for _ in range(200):
        stage.algo(ANNE, "SELL", "STOP_MARKET", "95.0", quantity="1")
    stage.refuses(-4045, stage.algo, ANNE, "SELL", "STOP_MARKET", "95.0", quantity="1")


@pytest.mark.parametrize(
    ("kind", "trigger", "changes", "code"),
    [
        ("LIMIT", "95.0", {"quantity": "1"}, -1116),
        ("STOP_MARKET", None, {"quantity": "1"}, -1102),
        ("STOP_MARKET", "95.0", {}, -1102),
        ("STOP", "95.0", {"quantity": "1"}, -1102),
        ("STOP_MARKET", "95.0", {"quantity": "1", "price": "95.0"}, -1106),
        ("STOP_MARKET", "95.05", {"quantity": "1"}, -4014),
        ("STOP_MARKET", "95.0", {"quantity": "0.015"}, -4023),
        ("STOP_MARKET", "95.0", {"quantity": "1", "working_type": "INDEX"}, -1130),
        ("STOP_MARKET", "95.0", {"quantity": "1", "algo_type": "VP"}, -1130),
        ("STOP_MARKET", "95.0", {"quantity": "1", "position_side": "LONG"}, -4061),
        ("TRAILING_STOP_MARKET", None, {"quantity": "1"}, -1102),
    ],
)
def test_a_malformed_conditional_order_is_refused(
    kind: str, trigger: str | None, changes: dict[str, Any], code: int
) -> None:
    stage = quoted()
    stage.refuses(code, stage.algo, ANNE, "SELL", kind, trigger, **changes)
    assert stage.core.open_algo_orders(ANNE) == []


def test_a_triggered_limit_order_rests_and_the_algo_finishes_when_it_is_done() -> None:
    stage = quoted()
    algo = stage.algo(ANNE, "SELL", "TAKE_PROFIT", "101.0", quantity="5", price="101.5", working_type="MARK_PRICE")
    stage.mark("101.0")
    assert stage.core.algo_order(ANNE, algo_id=algo.algo_id).status == "TRIGGERED"
    stage.core.drain()
    stage.market(CAROL, "BUY", "5")
    events = stage.core.drain()
    assert algo_states(events, ANNE) == ["FINISHED"]
    assert kinds(events, ANNE) == [("TRADE", "FILLED", "0")]
