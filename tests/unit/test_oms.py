"""Order management: states, races, unknown orders, replaces - each promise once."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import (
    AlarmCode,
    CommandKind,
    Counter,
    HaltReason,
    IntentAction,
    LimitScope,
    OrderState,
    Reason,
    RecordKind,
    Side,
    TradingState,
)
from engine.model.instruments import to_e8
from engine.oms.orders import TRANSITIONS, legal
from tests.orders_harness import (
    CANCEL,
    QUERY,
    REPLACE,
    SECOND_NS,
    SUBMIT,
    TRADES,
    Rig,
    decoded,
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def control(rig: Rig) -> tuple[int, int]:
    state = rig.tables.control_state()
    return state["trading_state"], state["halt_reason"]


def status(rig: Rig, handle: int, state: OrderState, cum_lots: int = 0, **fields: Any) -> None:
    rig.report(handle, RecordKind.ORDER_STATUS, order_state=int(state), cum_qty_lots=cum_lots, **fields)


@pytest.mark.parametrize(("scope", "number"), [(LimitScope.ENGINE, 0), (LimitScope.ACCOUNT, 1), (LimitScope.VENUE, 1)])
def test_where_leverage_is_limited_the_line_trades_once_its_equity_is_known(scope: LimitScope, number: int) -> None:
    rig = Rig(active=False)
    rig.tables.set_limit_row(scope, number, max_leverage_e4=20_000)
    rig.go_active()
    assert control(rig) == (TradingState.HALTED, HaltReason.STARTING)
    rig.tick()
    assert control(rig) == (TradingState.HALTED, HaltReason.STARTING)
    rig.tables.set_control(1, is_valued=1)
    rig.tick()
    assert control(rig) == (TradingState.ACTIVE, HaltReason.NONE), "also of an account that holds nothing"


def test_where_leverage_is_not_limited_nobody_waits_for_the_equity() -> None:
    rig = Rig(active=False)
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, max_gross_exposure_e8=10**15)
    rig.go_active()
    assert control(rig) == (TradingState.ACTIVE, HaltReason.NONE)


# --- states ---


def test_an_order_lives_from_pending_to_filled(rig: Rig) -> None:
    handle = rig.intend()
    rig.reply(handle, SUBMIT, venue_order_id=5)
    rig.accepted(handle)
    rig.trade(handle, 4, 4)
    rig.trade(handle, 6, 10)
    assert rig.states(handle) == ["PENDING_NEW", "NEW", "PARTIALLY_FILLED", "FILLED"]
    assert rig.oms.orders() == []
    exposure = rig.exposure()
    assert exposure["position_lots"] == 10
    assert [exposure[name] for name in ("working_buy_lots", "working_sell_lots", "open_orders", "unknown_orders")] == [
        0
    ] * 4


def test_the_count_of_open_orders_goes_up_and_down(rig: Rig) -> None:
    first, second = rig.open_order(), rig.open_order()
    assert rig.counters.get(Counter.OPEN_ORDERS) == 2
    rig.canceled(first)
    assert rig.counters.get(Counter.OPEN_ORDERS) == 1
    rig.canceled(second)
    assert rig.counters.get(Counter.OPEN_ORDERS) == 0


def test_on_order_comes_before_on_fill_and_the_position_is_updated_before_both(rig: Rig) -> None:
    handle = rig.open_order()
    rig.drain("events")
    rig.trade(handle, 4, 4)
    kinds = [event["kind"] for event in rig.drain("events")]
    assert kinds == [RecordKind.ORDER_STATE, RecordKind.FILL]
    fill = [decoded(r) for r in rig.records(RecordKind.FILL)][-1]
    assert fill["position_lots"] == 4
    assert fill["position_cost_e8"] == to_e8("0.4")


def test_every_effect_names_the_input_that_caused_it(rig: Rig) -> None:
    handle = rig.open_order()
    rig.trade(handle, 4, 4)
    report = list(rig.records(RecordKind.EXECUTION_REPORT))[-1]
    kinds = (RecordKind.ORDER_STATE, RecordKind.FILL, RecordKind.POSITION)
    effects = [r for r in rig.records(*kinds) if r.seq > report.seq]
    assert [r.cause_seq for r in effects] == [report.seq] * 3


def test_the_transition_table_is_the_whole_of_what_is_legal() -> None:
    named = {(int(a), int(b)) for moves in TRANSITIONS.values() for a, b in moves}
    assert all(legal(a, b) == ((a, b) in named) for a in range(14) for b in range(14))
    for state in (OrderState.FILLED, OrderState.REJECTED):
        assert not any(legal(int(state), other) for other in range(14))


def test_an_order_ends_once_and_a_second_end_is_counted(rig: Rig) -> None:
    handle = rig.open_order()
    rig.canceled(handle)
    rig.report(handle, order_state=int(OrderState.EXPIRED), exec_type=5)
    assert rig.state(handle) == "CANCELED"
    assert rig.oms.illegal_transitions == 1


def test_a_late_new_report_does_not_wake_an_ended_order(rig: Rig) -> None:
    handle = rig.open_order()
    rig.canceled(handle)
    rig.accepted(handle)
    assert rig.state(handle) == "CANCELED"
    assert rig.oms.orders() == []


def test_a_venue_reject_ends_the_order_with_its_code(rig: Rig) -> None:
    handle = rig.intend()
    rig.reply(handle, SUBMIT, status=400, error_code=-2010)
    order = rig.oms.order(handle)
    assert order is not None
    assert (order["state"], order["reason"], order["venue_code"]) == ("REJECTED", Reason.VENUE_REJECT, -2010)
    assert rig.exposure()["working_buy_lots"] == rig.exposure()["open_orders"] == 0


def test_what_our_own_session_refused_is_rejected_with_its_reason(rig: Rig) -> None:
    handle = rig.intend()
    rig.reply(handle, SUBMIT, status=0, error_code=int(Reason.RATE_BUDGET))
    order = rig.oms.order(handle)
    assert order is not None
    assert (order["state"], order["reason"]) == ("REJECTED", Reason.RATE_BUDGET)


# --- races ---


@pytest.mark.invariant("R12")
def test_a_fill_after_the_cancel_is_booked(rig: Rig) -> None:
    handle = rig.open_order()
    rig.cancel(handle)
    rig.canceled(handle, cum_lots=0)
    rig.trade(handle, 3, 3)
    assert rig.state(handle) == "CANCELED"
    assert rig.exposure()["position_lots"] == 3
    order = rig.oms.order(handle)
    assert order is not None
    assert order["cum_qty_lots"] == 3


@pytest.mark.invariant("R12")
def test_a_cancel_that_counts_an_unreported_fill_keeps_it_reserved_until_it_is_booked(rig: Rig) -> None:
    handle = rig.open_order()
    rig.canceled(handle, cum_lots=4)
    assert rig.state(handle) == "CANCELED"
    assert rig.exposure()["working_buy_lots"] == 4
    rig.trade(handle, 4, 4)
    assert rig.exposure()["working_buy_lots"] == 0
    assert rig.exposure()["position_lots"] == 4


@pytest.mark.invariant("R12")
def test_fills_that_never_come_are_fetched(rig: Rig) -> None:
    handle = rig.open_order()
    rig.canceled(handle, cum_lots=4)
    rig.sent()
    rig.tick(SECOND_NS)
    assert [action for action, _ in rig.sent()] == [TRADES]
    rig.trade(handle, 4, 0, kind=RecordKind.OWN_TRADE)
    assert rig.exposure()["working_buy_lots"] == 0
    assert rig.exposure()["position_lots"] == 4


@pytest.mark.invariant("R12")
def test_unknown_order_sent_is_asked_for_and_never_placed_again(rig: Rig) -> None:
    handle = rig.open_order()
    rig.cancel(handle)
    rig.sent()
    rig.reply(handle, CANCEL, status=400, error_code=-2011)
    assert rig.state(handle) == "PENDING_CANCEL", "called open again, its strategy would cancel it again and again"
    rig.tick(SECOND_NS // 8)
    assert (QUERY, handle) in rig.sent()
    status(rig, handle, OrderState.FILLED, 10)
    rig.trade(handle, 10, 10)
    assert rig.state(handle) == "FILLED"
    for _ in range(5):
        rig.tick(SECOND_NS)
    assert not [a for a, _ in rig.sent() if a in (SUBMIT, REPLACE)]


@pytest.mark.invariant("R12")
def test_a_refused_cancel_of_an_order_that_is_open_after_all_makes_it_open_again(rig: Rig) -> None:
    handle = rig.open_order()
    rig.cancel(handle)
    rig.reply(handle, CANCEL, status=400, error_code=-2011)
    rig.tick(SECOND_NS // 8)
    status(rig, handle, OrderState.NEW, 0)
    assert rig.state(handle) == "NEW"


@pytest.mark.invariant("R14")
def test_cancels_of_an_unknown_order_never_put_off_the_question_that_settles_it(rig: Rig) -> None:
    handle = rig.intend()
    for _ in range(400):
        rig.tick(SECOND_NS // 4)
        for action, asked in rig.sent():
            if action == QUERY and asked == handle:
                rig.reply(handle, QUERY, status=400, error_code=-2013)
            elif action == CANCEL and asked == handle:
                rig.reply(handle, CANCEL, status=400, error_code=-2011)
        if rig.state(handle) == "UNKNOWN":
            rig.cancel(handle)
        if rig.state(handle) == "ABSENT":
            break
    assert rig.state(handle) == "ABSENT"


@pytest.mark.invariant("R11")
def test_a_trade_is_booked_once_however_often_and_wherever_it_is_reported(rig: Rig) -> None:
    handle = rig.open_order()
    for kind in (RecordKind.EXECUTION_REPORT, RecordKind.EXECUTION_REPORT, RecordKind.OWN_TRADE):
        rig.trade(handle, 4, 4, trade_id=555, kind=kind)
    assert rig.exposure()["position_lots"] == 4
    assert len(list(rig.records(RecordKind.FILL))) == 1


@pytest.mark.invariant("R13")
def test_an_overfill_is_booked_as_external_and_halts_the_symbol(rig: Rig) -> None:
    handle = rig.open_order()
    rig.trade(handle, 8, 8)
    rig.trade(handle, 3, 11)
    assert rig.exposure()["position_lots"] == 11
    assert [decoded(r)["is_external"] for r in rig.records(RecordKind.FILL)] == [0, 1]
    assert AlarmCode.OVERFILL in rig.alarms()
    rig.intend()
    assert rig.verdict()["reason"] == Reason.HALTED
    rig.intend(instrument_id=2)
    assert rig.verdict()["reason"] == Reason.NONE


@pytest.mark.invariant("R13")
def test_a_fill_for_an_unknown_order_is_booked_as_external_and_halts_the_symbol(rig: Rig) -> None:
    rig.trade(0, 5, 5, side=int(Side.SELL), venue_order_id=1)
    assert rig.exposure()["position_lots"] == -5
    assert AlarmCode.UNKNOWN_FILL in rig.alarms()
    rig.intend()
    assert rig.verdict()["reason"] == Reason.HALTED
    rig.command(CommandKind.ARM, instrument_id=1)
    rig.intend()
    assert rig.verdict()["reason"] == Reason.NONE


# --- UNKNOWN ---


@pytest.mark.invariant("R14")
@pytest.mark.parametrize(("http", "code"), [(500, 0), (503, -1008), (400, -1006), (400, -1007), (200 + 202, -1001)])
def test_an_ambiguous_answer_makes_the_order_unknown_at_full_size(rig: Rig, http: int, code: int) -> None:
    handle = rig.intend()
    rig.reply(handle, SUBMIT, status=http, error_code=code)
    assert rig.state(handle) == "UNKNOWN"
    assert rig.exposure()["working_buy_lots"] == 10
    assert AlarmCode.ORDER_UNKNOWN in rig.alarms()


@pytest.mark.invariant("R14")
def test_no_answer_in_time_makes_the_order_unknown_and_asks_by_client_id(rig: Rig) -> None:
    handle = rig.intend()
    rig.sent()
    rig.tick(SECOND_NS - 1)
    assert rig.state(handle) == "PENDING_NEW"
    rig.tick(1)
    assert rig.state(handle) == "UNKNOWN"
    assert (QUERY, handle) in rig.sent()


@pytest.mark.invariant("R14")
def test_absent_only_when_not_found_twice_the_second_time_after_the_venues_longest_delay(rig: Rig) -> None:
    handle = rig.intend()
    rig.tick(SECOND_NS)
    for _ in range(13):
        if (QUERY, handle) in rig.sent():
            rig.reply(handle, QUERY, status=400, error_code=-2013)
        assert rig.state(handle) == "UNKNOWN"
        assert rig.exposure()["working_buy_lots"] == 10
        rig.tick(SECOND_NS)
    rig.tick(SECOND_NS)
    assert (QUERY, handle) in rig.sent()
    rig.reply(handle, QUERY, status=400, error_code=-2013)
    assert rig.state(handle) == "ABSENT"
    assert rig.exposure()["working_buy_lots"] == rig.exposure()["unknown_orders"] == 0


@pytest.mark.invariant("R14")
def test_a_fill_of_an_absent_order_is_booked_all_the_same(rig: Rig) -> None:
    handle = rig.intend()
    rig.tick(SECOND_NS)
    rig.reply(handle, QUERY, status=400, error_code=-2013)
    rig.tick(15 * SECOND_NS)
    rig.reply(handle, QUERY, status=400, error_code=-2013)
    assert rig.state(handle) == "ABSENT"
    rig.trade(handle, 10, 10)
    assert rig.state(handle) == "FILLED"
    assert rig.exposure()["position_lots"] == 10


@pytest.mark.invariant("R14")
def test_an_unknown_order_that_is_found_goes_on_living(rig: Rig) -> None:
    handle = rig.intend()
    rig.tick(SECOND_NS)
    status(rig, handle, OrderState.NEW)
    assert rig.state(handle) == "NEW"
    assert rig.exposure()["unknown_orders"] == 0
    assert not [a for a, _ in rig.sent() if a == SUBMIT][1:]


@pytest.mark.invariant("R30")
def test_an_unknown_status_is_asked_for_not_guessed(rig: Rig) -> None:
    handle = rig.open_order()
    rig.report(handle, order_state=int(OrderState.UNKNOWN), exec_type=7)
    rig.tick(1)
    assert (QUERY, handle) in rig.sent()


# --- replaces ---


def start_replace(rig: Rig, old_lots: int, new_lots: int) -> tuple[int, int]:
    old = rig.open_order(qty_lots=old_lots)
    new = rig.intend(action=int(IntentAction.REPLACE), target_handle=old, qty_lots=new_lots, price_ticks=9_990)
    assert rig.state(old) == "PENDING_REPLACE"
    return old, new


def test_a_replace_hands_the_exposure_over(rig: Rig) -> None:
    old, new = start_replace(rig, 10, 15)
    assert rig.exposure()["working_buy_lots"] == 25  # the old one may still fill, and the new one then fills as well
    assert rig.register.promised(rig.tables.asset_id("USDT")) == 15 * 9_990 * 1_000  # money counts once
    rig.reply(new, REPLACE, venue_order_id=8)
    rig.canceled(old)
    assert (rig.state(old), rig.state(new)) == ("CANCELED", "NEW")
    assert rig.exposure()["working_buy_lots"] == 15
    rig.canceled(new)
    assert rig.exposure()["working_buy_lots"] == 0
    assert rig.register.promised(rig.tables.asset_id("USDT")) == 0


def test_a_smaller_replace_frees_the_rest_only_when_the_old_order_is_gone(rig: Rig) -> None:
    old, new = start_replace(rig, 15, 10)
    assert rig.exposure()["working_buy_lots"] == 25
    rig.reply(new, REPLACE)
    rig.canceled(old)
    assert rig.exposure()["working_buy_lots"] == 10


def test_a_fill_of_the_old_order_during_a_replace_is_counted_beside_the_new_one(rig: Rig) -> None:
    old, new = start_replace(rig, 10, 10)
    rig.trade(old, 4, 4)
    assert rig.exposure()["position_lots"] == 4
    assert rig.exposure()["working_buy_lots"] == 16
    rig.canceled(old, cum_lots=4)
    assert rig.exposure()["working_buy_lots"] == 10
    rig.reply(new, REPLACE)
    assert rig.exposure()["working_buy_lots"] == 10


@pytest.mark.parametrize(("code", "old_state"), [(-2022, "NEW"), (-1015, "NEW"), (-2021, "PENDING_REPLACE")])
def test_a_refused_replace_ends_the_new_order_and_leaves_the_old_as_the_venue_says(
    rig: Rig, code: int, old_state: str
) -> None:
    old, new = start_replace(rig, 10, 10)
    rig.reply(new, REPLACE, status=400 if code != -2021 else 409, error_code=code)
    assert rig.state(new) == "REJECTED"
    assert rig.state(old) == old_state
    assert rig.exposure()["working_buy_lots"] == 10


def test_an_ambiguous_replace_makes_both_unknown(rig: Rig) -> None:
    old, new = start_replace(rig, 10, 10)
    rig.reply(new, REPLACE, status=400, error_code=-1007)
    assert (rig.state(old), rig.state(new)) == ("UNKNOWN", "UNKNOWN")
