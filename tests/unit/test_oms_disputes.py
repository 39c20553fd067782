"""Order management: what the venue says against what we hold - overfills, ended orders that are open, late counts."""

from __future__ import annotations

from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.journal.decode import payload as fields_of
from engine.model.codes import (
    AlarmCode,
    CommandKind,
    Counter,
    OrderState,
    Reason,
    RecordKind,
    SessionState,
    Side,
    TradingState,
)
from tests.orders_harness import (
    CANCEL,
    CANCEL_ALL,
    QUERY,
    SECOND_NS,
    SUBMIT,
    TRADES,
    Rig,
    payload,
)

CLOSED_SUMS = ("working_buy_lots", "working_sell_lots", "open_orders", "unknown_orders")


@pytest.fixture
def rig() -> Rig:
    return Rig()


def status(rig: Rig, handle: int, state: OrderState, cum_lots: int = 0, **fields: Any) -> None:
    rig.report(handle, RecordKind.ORDER_STATUS, order_state=int(state), cum_qty_lots=cum_lots, **fields)


def restored(rig: Rig) -> Rig:
    later = Rig(active=False)
    later.oms.restore(parse(rig.journal.front_bytes(0)))
    return later


def begin(rig: Rig) -> None:
    rig.tick(SECOND_NS)
    rig.command(CommandKind.RECONCILE)
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))


def end(rig: Rig) -> None:
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))


def halted_symbols(rig: Rig) -> list[int]:
    return list(rig.register.halts()["instruments"])


# --- trades whose order has no number yet ---


def listed_before_its_answer(rig: Rig) -> tuple[int, int]:
    """An order in flight, and a list of trades that holds its fill under a number that nobody has told us: (handle, number)."""
    begin(rig)
    handle = rig.intend()
    number = 900 + (handle & 0xFFFF)
    rig.trade(0, 10, 0, trade_id=70, kind=RecordKind.OWN_TRADE, venue_order_id=number)
    end(rig)
    return handle, number


def booked(rig: Rig) -> list[tuple[int, int, int]]:
    """Trade, lots and whether it is another's, of each FILL."""
    fills = [fields_of(record) for record in rig.records(RecordKind.FILL)]
    return [(fill["trade_id"], fill["qty_lots"], fill["is_external"]) for fill in fills]


@pytest.mark.invariant("R11")
@pytest.mark.invariant("R34")
@pytest.mark.parametrize("how", ["answer", "status"])
def test_a_listed_trade_waits_for_the_number_of_an_order_in_flight_and_is_booked_once(rig: Rig, how: str) -> None:
    handle, number = listed_before_its_answer(rig)
    assert booked(rig) == []
    if how == "answer":
        rig.reply(handle, SUBMIT, venue_order_id=number)
    else:
        status(rig, handle, OrderState.FILLED, 10, venue_order_id=number)
    rig.tick()
    rig.trade(handle, 10, 10, trade_id=70, order_state=int(OrderState.FILLED), venue_order_id=number)
    rig.command(CommandKind.ARM)
    assert booked(rig) == [(70, 10, 0)]
    assert rig.exposure()["position_lots"] == 10
    assert halted_symbols(rig) == []


@pytest.mark.invariant("R13")
def test_a_listed_trade_of_nobodys_order_is_anothers_once_the_order_in_flight_has_its_number(rig: Rig) -> None:
    handle, number = listed_before_its_answer(rig)
    rig.reply(handle, SUBMIT, venue_order_id=number + 1)
    assert booked(rig) == [(70, 10, 1)]


@pytest.mark.invariant("R13")
def test_orders_that_are_sent_after_the_list_do_not_hold_it_up(rig: Rig) -> None:
    begin(rig)
    rig.trade(0, 10, 0, trade_id=70, kind=RecordKind.OWN_TRADE, venue_order_id=5)
    end(rig)
    assert booked(rig) == [(70, 10, 1)]
    handle, _ = listed_before_its_answer(rig)
    rig.intend()
    rig.reply(handle, SUBMIT, venue_order_id=4)
    assert not rig.oms.is_reading()


# --- more filled than was asked for ---


def overfill(rig: Rig, fills: list[int]) -> int:
    handle = rig.open_order()
    cum_lots = 0
    for lots in fills:
        cum_lots += lots
        rig.trade(handle, lots, cum_lots)
    return handle


@pytest.mark.invariant("R13")
@pytest.mark.parametrize("fills", [[8, 3], [15], [10, 1], [8, 2, 4]])
def test_an_overfilled_order_is_filled_and_every_lot_is_booked_once(rig: Rig, fills: list[int]) -> None:
    handle = overfill(rig, fills)
    order = rig.oms.order(handle)
    assert order is not None
    assert (order["state"], order["cum_qty_lots"], order["leaves_qty_lots"]) == ("FILLED", 10, 0)
    assert order["value_e8"] == rig.tables.notional(1, 10_000, 10)
    assert rig.exposure()["position_lots"] == sum(fills)
    assert [rig.exposure()[name] for name in CLOSED_SUMS] == [0] * 4
    assert rig.alarms().count(AlarmCode.OVERFILL) == 1
    rig.intend()
    assert rig.verdict()["reason"] == Reason.HALTED


@pytest.mark.invariant("R13")
def test_a_line_with_an_overfilled_order_reconciles_once_its_symbol_is_armed_and_stops_quietly(rig: Rig) -> None:
    overfill(rig, [8, 3])
    rig.command(CommandKind.ARM, instrument_id=1)
    rig.session_is(SessionState.DOWN)
    rig.session_is(SessionState.READY)
    rig.finish_reconcile()
    assert rig.tables.control_state()["trading_state"] == TradingState.ACTIVE
    for _ in range(5):
        rig.tick(2 * SECOND_NS)
    assert TRADES not in [action for action, _ in rig.sent()]
    rig.command(CommandKind.STOP)
    assert rig.oms.quiet


@pytest.mark.invariant("R26")
@pytest.mark.parametrize("fills", [[8, 3], [15]])
def test_a_restart_finds_an_overfilled_order_filled(rig: Rig, fills: list[int]) -> None:
    handle = overfill(rig, fills)
    later = restored(rig)
    assert later.state(handle) == "FILLED"
    assert later.oms.orders() == []
    assert later.oms.positions() == rig.oms.positions()
    assert [later.exposure()[name] for name in CLOSED_SUMS] == [0] * 4
    assert halted_symbols(later) == [1]
    later.go_active()
    assert later.tables.control_state()["trading_state"] == TradingState.ACTIVE
    later.command(CommandKind.ARM, instrument_id=1)
    assert halted_symbols(later) == []


# --- the strategies' positions ---


def positions_agree(rig: Rig) -> bool:
    return all(
        rig.tables.strategy_exposure(row["strategy_id"], row["instrument_id"])["position_lots"] == row["position_lots"]
        for row in rig.oms.strategy_positions()
    )


@pytest.mark.invariant("R13")
def test_external_fills_count_against_the_limits_of_whom_the_book_gives_them(rig: Rig) -> None:
    overfill(rig, [8, 3])
    rig.trade(0, 5, 5, side=int(Side.SELL), venue_order_id=1)
    held = {row["strategy_id"]: row["position_lots"] for row in rig.oms.strategy_positions()}
    assert held == {0: -5, 1: 11}
    assert positions_agree(rig)
    later = restored(rig)
    assert {row["strategy_id"]: row["position_lots"] for row in later.oms.strategy_positions()} == held
    assert positions_agree(later)


# --- ended for us, open at the venue ---


def ended(rig: Rig, how: str) -> int:
    handle = rig.intend()
    if how == "REJECTED":
        rig.reply(handle, SUBMIT, status=400, error_code=-1013)
    elif how == "CANCELED":
        rig.accepted(handle)
        rig.canceled(handle)
    else:
        rig.reply(handle, SUBMIT, status=503, error_code=-1007)
        while rig.state(handle) != "ABSENT":
            rig.tick(SECOND_NS)
            for action, _ in rig.sent():
                if action == QUERY:
                    rig.reply(handle, QUERY, status=400, error_code=-2013)
    assert rig.state(handle) == how
    rig.tick()
    rig.sent()
    rig.forget()
    return handle


@pytest.mark.invariant("R34")
@pytest.mark.invariant("R12")
@pytest.mark.parametrize("how", ["REJECTED", "CANCELED", "ABSENT"])
@pytest.mark.parametrize("in_reconciliation", [True, False])
def test_an_ended_order_that_the_venue_holds_open_is_told_listed_counted_and_halts_its_symbol(
    rig: Rig, how: str, in_reconciliation: bool
) -> None:
    handle = ended(rig, how)
    if in_reconciliation:
        begin(rig)
    status(rig, handle, OrderState.NEW, qty_lots=10)
    if in_reconciliation:
        end(rig)
    assert rig.alarms() == [AlarmCode.RECONCILE_MISMATCH]
    assert halted_symbols(rig) == [1]
    assert [o["venue_order_id"] for o in rig.oms.external_open_orders()] == [900 + (handle & 0xFFFF)]
    assert rig.exposure()["working_buy_lots"] == 10
    rig.trade(handle, 4, 4)
    assert (rig.exposure()["working_buy_lots"], rig.exposure()["position_lots"]) == (6, 4)
    begin(rig)
    status(rig, handle, OrderState.PARTIALLY_FILLED, 4, qty_lots=10)
    end(rig)
    assert rig.alarms() == [AlarmCode.RECONCILE_MISMATCH]
    rig.canceled(handle, cum_lots=4, qty_lots=10)
    assert rig.oms.external_open_orders() == []
    assert rig.exposure()["working_buy_lots"] == 0
    rig.accepted(handle, qty_lots=10)
    assert rig.oms.external_open_orders() == []


@pytest.mark.invariant("R25")
def test_such_an_order_can_be_cancelled_by_kill_by_symbol_and_alone(rig: Rig) -> None:
    handle = ended(rig, "ABSENT")
    status(rig, handle, OrderState.NEW, qty_lots=10)
    rig.sent()
    rig.cancel(handle)
    assert rig.sent() == [(CANCEL, handle)]
    rig.cancel(handle, strategy_id=2)
    assert rig.sent() == []
    rig.command(CommandKind.CANCEL, order_handle=handle)
    assert rig.sent() == [(CANCEL, handle)]
    rig.command(CommandKind.CANCEL, instrument_id=2)
    assert rig.sent() == []
    rig.command(CommandKind.CANCEL, instrument_id=1)
    assert rig.sent() == [(CANCEL_ALL, 1)]
    rig.reply(0, CANCEL_ALL, status=400, error_code=-2011)
    assert rig.sent() == [(CANCEL, handle)]
    rig.command(CommandKind.KILL)
    assert rig.sent() == [(CANCEL_ALL, 1)]


@pytest.mark.invariant("R25")
def test_a_venue_without_cancel_all_is_asked_for_such_an_order_alone() -> None:
    rig = Rig(has_cancel_all=False)
    handle = ended(rig, "CANCELED")
    status(rig, handle, OrderState.NEW, qty_lots=10)
    rig.command(CommandKind.KILL)
    assert rig.sent() == [(CANCEL, handle)]


@pytest.mark.invariant("R11")
@pytest.mark.invariant("R25")
def test_under_a_kill_the_fills_of_a_filled_order_are_fetched_and_no_cancel_is_sent_again() -> None:
    rig = Rig(has_cancel_all=False)
    handle = rig.open_order()
    rig.command(CommandKind.KILL)
    assert rig.sent() == [(CANCEL, handle)]
    rig.reply(handle, CANCEL, status=400, error_code=-2011)
    rig.tick()
    assert (QUERY, handle) in rig.sent()
    status(rig, handle, OrderState.FILLED, 10)
    asked = []
    for _ in range(4):
        rig.tick(SECOND_NS)
        asked += rig.sent()
    assert CANCEL not in [action for action, _ in asked]
    assert TRADES in [action for action, _ in asked]
    rig.trade(handle, 10, 10, kind=RecordKind.OWN_TRADE)
    assert rig.state(handle) == "FILLED"
    assert rig.exposure()["position_lots"] == 10


@pytest.mark.invariant("R11")
def test_news_from_before_the_end_do_not_make_an_ended_order_open(rig: Rig) -> None:
    handle = ended(rig, "CANCELED")
    rig.accepted(handle)  # a report that comes late
    asked = rig.open_order()
    rig.trade(asked, 1, 1, order_state=int(OrderState.UNKNOWN))
    rig.tick()
    assert (QUERY, asked) in rig.sent()
    rig.canceled(asked, cum_lots=1)
    status(rig, asked, OrderState.NEW, 1)  # the answer to a question from before the end
    listed = rig.open_order()
    begin(rig)
    rig.canceled(listed)
    status(rig, listed, OrderState.NEW, qty_lots=10)  # a list that was asked for before the end
    end(rig)
    assert rig.alarms() == []
    assert rig.oms.external_open_orders() == []
    assert halted_symbols(rig) == []
    assert rig.exposure()["working_buy_lots"] == 0


@pytest.mark.invariant("R26")
@pytest.mark.invariant("R12")
def test_an_answer_that_an_ambiguous_cancel_overtook_does_not_make_an_ended_order_open(rig: Rig) -> None:
    """Asked for, then lost sight of, then ended: what the question's answer shows is from before the end."""
    handle = rig.open_order()
    rig.cancel(handle)
    rig.reply(handle, SUBMIT, status=503, error_code=-1007)
    rig.tick(1)
    assert (QUERY, handle) in rig.sent()
    rig.reply(handle, CANCEL, status=503, error_code=-1007)
    assert rig.state(handle) == "UNKNOWN"
    rig.canceled(handle)
    status(rig, handle, OrderState.NEW)
    assert rig.state(handle) == "CANCELED"
    assert rig.register.halts()["instruments"] == {}
    assert rig.oms.external_open_orders() == []


def test_an_order_that_an_earlier_run_ended_and_the_venue_lists_as_open_is_told(rig: Rig) -> None:
    handle = ended(rig, "CANCELED")
    later = restored(rig)
    later.session_is(SessionState.READY)
    status(later, handle, OrderState.NEW, qty_lots=10)
    end(later)
    assert AlarmCode.RECONCILE_MISMATCH in later.alarms()
    assert halted_symbols(later) == [1]
    assert later.exposure()["working_buy_lots"] == 10


# --- a count that grows after the end ---


@pytest.mark.invariant("R26")
@pytest.mark.parametrize("told_by_a_trade_known_already", [False, True])
def test_what_a_later_count_reserves_of_an_ended_order_survives_a_restart(
    rig: Rig, told_by_a_trade_known_already: bool
) -> None:
    handle = rig.open_order()
    rig.trade(handle, 2, 2, trade_id=70)
    rig.canceled(handle, cum_lots=4)
    if told_by_a_trade_known_already:
        rig.trade(handle, 2, 7, trade_id=70)
    else:
        rig.canceled(handle, cum_lots=7)
    assert rig.exposure()["working_buy_lots"] == 5
    assert restored(rig).exposure()["working_buy_lots"] == 5
    written = len(rig.states(handle))
    rig.canceled(handle, cum_lots=7)
    assert len(rig.states(handle)) == written
    assert rig.counters.get(Counter.DUPLICATE_REPORTS) >= 1
