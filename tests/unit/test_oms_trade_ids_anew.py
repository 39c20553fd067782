"""A venue that begins its trade ids anew under the same ledger, and fills that it counts and never tells."""

from __future__ import annotations

from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.model.codes import (
    AlarmCode,
    CommandKind,
    Counter,
    OrderState,
    RecordKind,
    Side,
    TradingState,
)
from engine.oms.trades import TradeSet
from tests.orders_harness import SECOND_NS, TRADES, Rig, decoded, payload

ADOPT = 1
OLD_ID = 7
NO_TRADE_ID = -1


@pytest.fixture
def rig() -> Rig:
    """Ten lots were bought before the venue was reset, by the trade 7."""
    rig = Rig()
    first = rig.open_order()
    rig.trade(first, 10, 10, trade_id=OLD_ID)
    return rig


def halted_symbols(rig: Rig) -> list[int]:
    return list(rig.register.halts()["instruments"])


def after_the_reset(rig: Rig, *, price_ticks: int = 9_990) -> int:
    """An order of today is filled by 4 under the number of a trade of before."""
    handle = rig.open_order()
    rig.trade(handle, 4, 4, price_ticks, trade_id=OLD_ID)
    return handle


def read_account(rig: Rig, *told: tuple[int, OrderState, int]) -> None:
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
    for handle, state, cum_lots in told:
        rig.report(handle, RecordKind.ORDER_STATUS, order_state=int(state), cum_qty_lots=cum_lots)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))


def restored(rig: Rig) -> Rig:
    later = Rig(active=False)
    later.oms.restore(parse(rig.journal.front_bytes(0)))
    return later


def fetch_in_vain(rig: Rig, turns: int = 8, *, is_answered: bool = True) -> int:
    """Time passes; how often an order's fills were asked for. The answers have been read, and hold none of them."""
    asked = [item for _ in range(turns) for item in asked_at_a_tick(rig, is_answered)]
    return len(asked)


def asked_at_a_tick(rig: Rig, is_answered: bool) -> list[dict[str, int]]:
    rig.tick(2 * SECOND_NS)
    asked = [item for item in rig.drain("outbound") if item["data"] == TRADES]
    for item in asked if is_answered else []:
        rig.reply(0, TRADES, row=item["instrument_id"], venue_order_id=item["cause_seq"])
    return asked


# --- the same id, another trade ---


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("price_ticks", [10_000, 9_990])
def test_a_fill_under_the_id_of_another_orders_trade_is_no_repeat_and_halts_its_symbol(
    rig: Rig, price_ticks: int
) -> None:
    mismatches = rig.counters.get(Counter.RECONCILE_MISMATCHES)
    handle = after_the_reset(rig, price_ticks=price_ticks)
    assert rig.exposure()["position_lots"] == 10
    assert halted_symbols(rig) == [1]
    assert rig.alarms().count(AlarmCode.TRADE_ID_CONFLICT) == 1
    assert rig.counters.get(Counter.RECONCILE_MISMATCHES) == mismatches + 1
    [trade, order] = rig.oms.differences()
    assert (trade["kind"], trade["trade_id"], trade["venue_lots"], trade["is_anew"]) == ("trade", OLD_ID, 4, True)
    assert (order["kind"], order["order_handle"], order["booked_lots"], order["venue_lots"]) == ("order", handle, 0, 4)


@pytest.mark.invariant("R34")
def test_a_repeat_of_a_trade_stays_a_repeat_whoever_tells_it(rig: Rig) -> None:
    handle = rig.open_order()
    for _ in range(2):
        rig.trade(handle, 4, 4, 9_990, trade_id=8)
        rig.trade(handle, 4, 0, 9_990, trade_id=8, kind=RecordKind.OWN_TRADE)
    assert rig.exposure()["position_lots"] == 14
    assert halted_symbols(rig) == []
    assert rig.oms.differences() == []


@pytest.mark.invariant("R34")
def test_a_contradiction_is_told_once_however_often_it_is_reported(rig: Rig) -> None:
    handle = after_the_reset(rig)
    rig.trade(handle, 4, 4, 9_990, trade_id=OLD_ID)
    rig.trade(handle, 4, 0, 9_990, trade_id=OLD_ID, kind=RecordKind.OWN_TRADE)
    assert rig.alarms().count(AlarmCode.TRADE_ID_CONFLICT) == 1
    assert sum(row["kind"] == "trade" for row in rig.oms.differences()) == 1


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("how", [CommandKind.RECONCILE, CommandKind.ARM])
def test_an_adopted_fill_is_booked_under_its_id_and_the_old_ids_are_forgotten(rig: Rig, how: CommandKind) -> None:
    handle = after_the_reset(rig)
    rig.command(how, flags=ADOPT if how == CommandKind.RECONCILE else 0)
    assert rig.exposure()["position_lots"] == 14
    order = rig.oms.order(handle)
    assert order is not None
    assert (order["state"], order["cum_qty_lots"]) == ("PARTIALLY_FILLED", 4)
    assert order["value_e8"] == 4 * 9_990 * 1_000
    assert rig.oms.differences() == []
    # told again it is a repeat now, and the next numbers are taken as they come, whether they were there before or not
    rig.trade(handle, 4, 4, 9_990, trade_id=OLD_ID)
    rig.trade(handle, 3, 7, 9_991, trade_id=3)
    rig.trade(handle, 3, 10, 9_992, trade_id=8)
    assert rig.exposure()["position_lots"] == 20
    assert rig.state(handle) == "FILLED"
    assert (halted_symbols(rig) == []) is (how == CommandKind.ARM)
    assert rig.alarms().count(AlarmCode.POSITION_ADOPTED) == 1


@pytest.mark.invariant("R34")
def test_adopting_one_symbol_leaves_the_others_fills_in_dispute(rig: Rig) -> None:
    rig.trade(rig.open_order(instrument_id=2), 10, 10, trade_id=OLD_ID, row=2)
    after_the_reset(rig)
    other = rig.open_order(instrument_id=2)
    rig.trade(other, 2, 2, trade_id=OLD_ID, row=2)
    rig.command(CommandKind.RECONCILE, flags=ADOPT, instrument_id=2)
    assert rig.exposure(2)["position_lots"] == 12
    assert rig.exposure(1)["position_lots"] == 10
    assert [row["instrument_id"] for row in rig.oms.differences()] == [1, 1]


@pytest.mark.invariant("R34")
def test_a_restart_books_what_was_adopted_and_knows_the_new_numbers(rig: Rig) -> None:
    handle = after_the_reset(rig)
    rig.command(CommandKind.RECONCILE, flags=ADOPT)
    rig.trade(handle, 3, 7, 9_991, trade_id=3)
    later = restored(rig)
    assert later.exposure()["position_lots"] == 17
    assert later.exposure() == {**rig.exposure(), "unknown_orders": later.exposure()["unknown_orders"]}
    later.go_active()
    later.trade(handle, 3, 7, 9_991, trade_id=3)
    later.trade(handle, 4, 7, 9_990, trade_id=OLD_ID)
    assert later.exposure()["position_lots"] == 17
    assert later.oms.differences() == []
    assert halted_symbols(later) == [1]  # until it is armed


@pytest.mark.invariant("R34")
def test_a_foreign_fill_under_a_booked_id_is_disputed_and_adopted_as_external(rig: Rig) -> None:
    rig.trade(0, 5, 5, 10_200, trade_id=OLD_ID, venue_order_id=77, side=int(Side.BUY))
    assert rig.exposure()["position_lots"] == 10
    assert halted_symbols(rig) == [1]
    rig.command(CommandKind.RECONCILE, flags=ADOPT)
    assert rig.exposure()["position_lots"] == 15
    assert rig.oms.differences() == []


def test_an_adoption_without_a_dispute_books_nothing(rig: Rig) -> None:
    rig.command(CommandKind.RECONCILE, flags=ADOPT)
    assert rig.exposure()["position_lots"] == 10
    assert AlarmCode.POSITION_ADOPTED not in rig.alarms()


# --- what the venue counts and does not tell ---


@pytest.mark.invariant("R34")
def test_fills_that_are_counted_and_cannot_be_had_halt_the_symbol_by_name(rig: Rig) -> None:
    handle = rig.open_order()
    rig.report(handle, order_state=int(OrderState.PARTIALLY_FILLED), cum_qty_lots=4)
    assert 0 < fetch_in_vain(rig) < 8
    assert rig.alarms().count(AlarmCode.FILL_MISSING) == 1
    assert halted_symbols(rig) == [1]
    [row] = rig.oms.differences()
    assert (row["kind"], row["booked_lots"], row["venue_lots"]) == ("order", 0, 4)
    assert rig.exposure()["working_buy_lots"] == 10  # all of it may be ours


@pytest.mark.invariant("R34")
def test_questions_whose_answers_are_lost_prove_nothing_of_fills(rig: Rig) -> None:
    handle = rig.open_order()
    rig.report(handle, order_state=int(OrderState.PARTIALLY_FILLED), cum_qty_lots=4)
    assert fetch_in_vain(rig, 16, is_answered=False) == 16
    assert halted_symbols(rig) == []
    rig.trade(handle, 4, 4, trade_id=OLD_ID + 1)
    assert rig.exposure()["position_lots"] == 14
    assert fetch_in_vain(rig) == 0
    assert halted_symbols(rig) == []


def test_a_venue_that_never_answers_about_fills_is_told_of_in_the_end(rig: Rig) -> None:
    handle = rig.open_order()
    rig.report(handle, order_state=int(OrderState.PARTIALLY_FILLED), cum_qty_lots=4)
    fetch_in_vain(rig, 40, is_answered=False)
    assert halted_symbols(rig) == [1]


@pytest.mark.invariant("R34")
def test_a_line_with_missing_fills_comes_to_an_end_of_its_reconciliation(rig: Rig) -> None:
    handle = rig.open_order()
    rig.command(CommandKind.RECONCILE)
    read_account(rig, (handle, OrderState.PARTIALLY_FILLED, 4))
    fetch_in_vain(rig)
    assert rig.oms.phase == 0
    assert rig.tables.control_state()["trading_state"] == TradingState.ACTIVE
    rig.sent()
    rig.command(CommandKind.RECONCILE)
    assert rig.oms.phase == 1


@pytest.mark.invariant("R34")
@pytest.mark.parametrize(("quote_e8", "price_ticks"), [(4 * 9_980 * 1_000, 9_980), (0, 10_000)])
def test_missing_fills_are_adopted_once_at_the_venues_average_price(rig: Rig, quote_e8: int, price_ticks: int) -> None:
    handle = rig.open_order()
    rig.report(handle, order_state=int(OrderState.PARTIALLY_FILLED), cum_qty_lots=4, cum_quote_e8=quote_e8)
    fetch_in_vain(rig)
    for _ in range(2):
        rig.command(CommandKind.ARM, instrument_id=1)
    [*_, fill] = [decoded(record) for record in rig.records(RecordKind.FILL)]
    assert (fill["trade_id"], fill["qty_lots"], fill["price_ticks"]) == (NO_TRADE_ID, 4, price_ticks)
    assert rig.exposure()["position_lots"] == 14
    assert halted_symbols(rig) == []
    assert restored(rig).exposure()["position_lots"] == 14


@pytest.mark.invariant("R34")
def test_a_fill_that_turns_up_late_ends_the_dispute(rig: Rig) -> None:
    handle = rig.open_order()
    rig.report(handle, order_state=int(OrderState.PARTIALLY_FILLED), cum_qty_lots=4)
    fetch_in_vain(rig)
    rig.trade(handle, 4, 0, trade_id=50, kind=RecordKind.OWN_TRADE)
    assert rig.oms.differences() == []
    assert rig.exposure()["position_lots"] == 14
    rig.command(CommandKind.ARM, instrument_id=1)
    assert rig.exposure()["position_lots"] == 14


@pytest.mark.invariant("R34")
def test_an_order_that_the_reset_venue_filled_to_its_end_keeps_what_is_disputed_reserved(rig: Rig) -> None:
    handle = rig.open_order()
    rig.trade(handle, 6, 6, 9_990, trade_id=OLD_ID)
    rig.canceled(handle, 6)
    assert rig.exposure()["working_buy_lots"] == 6
    rig.command(CommandKind.ARM, instrument_id=1)
    assert rig.exposure()["position_lots"] == 16
    assert rig.exposure()["working_buy_lots"] == 0


# --- the set of trades ---


def told(trades: TradeSet, trade_id: int, **fields: Any) -> str:
    try:
        return "new" if trades.book(1, trade_id, **fields) else "again"
    except ValueError:
        return "another"


def test_only_what_contradicts_itself_is_another_trade() -> None:
    trades = TradeSet()
    first = {"qty_lots": 5, "price_ticks": 100, "side": 0, "order_handle": 10, "youngest_handle": 10}
    assert told(trades, 9, **first) == "new"
    assert told(trades, 9, **first) == "again"
    assert told(trades, 9, **(first | {"order_handle": 0})) == "again"  # a list that names no order of ours
    for differs in ({"qty_lots": 6}, {"price_ticks": 101}, {"side": 1}, {"order_handle": 11}):
        assert told(trades, 9, **(first | differs)) == "another"


def test_an_id_too_old_to_be_remembered_counts_as_seen_unless_its_order_is_younger() -> None:
    trades = TradeSet(4)
    for trade_id in range(1, 9):
        assert told(trades, trade_id, order_handle=10, youngest_handle=20) == "new"
    assert told(trades, 2, order_handle=20) == "again"
    assert told(trades, 2, order_handle=21) == "another"


def test_numbers_begin_anew_only_for_an_order_that_was_not_there_before() -> None:
    trades = TradeSet(8)
    for trade_id in (5, 6, 7):
        trades.book(1, trade_id, order_handle=10, youngest_handle=20)
    trades.book(2, 7, order_handle=10, youngest_handle=20)
    assert not trades.rebook(1, 5, 2, order_handle=20, youngest_handle=20)
    assert told(trades, 6, order_handle=10) == "again"
    assert told(trades, 5, qty_lots=2, order_handle=20) == "again"
    assert trades.rebook(1, 5, 3, order_handle=21, youngest_handle=21)
    assert told(trades, 6, qty_lots=3, order_handle=21, youngest_handle=21) == "new"
    assert not trades.book(2, 7, order_handle=10)


def test_a_trade_that_took_anothers_place_keeps_it_when_another_symbols_numbers_begin_anew() -> None:
    trades = TradeSet(8)
    trades.book(1, 5, order_handle=10, youngest_handle=20)
    trades.book(2, 5, order_handle=10, youngest_handle=20)
    trades.rebook(2, 5, 2, order_handle=15, youngest_handle=20)
    assert trades.rebook(1, 5, 3, order_handle=21, youngest_handle=21)
    assert not trades.book(2, 5, 2, order_handle=15)
