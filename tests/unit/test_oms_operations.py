"""Order management: kills, stops, sessions, reconciliation, restarts - each promise once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.model.codes import (
    AlarmCode,
    CommandKind,
    HaltReason,
    OrderState,
    Reason,
    RecordKind,
    SessionState,
    TradingState,
)
from engine.model.instruments import to_e8
from tests.orders_harness import (
    ACCOUNT,
    CANCEL,
    CANCEL_ALL,
    OPEN_ORDERS,
    QUERY,
    RECONCILE_BEGIN,
    RECONCILE_END,
    SECOND_NS,
    SUBMIT,
    TRADES,
    Rig,
    decoded,
    payload,
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def control(rig: Rig) -> tuple[int, int]:
    state = rig.tables.control_state()
    return state["trading_state"], state["halt_reason"]


def status(rig: Rig, handle: int, state: OrderState, cum_lots: int = 0, **fields: Any) -> None:
    rig.report(handle, RecordKind.ORDER_STATUS, order_state=int(state), cum_qty_lots=cum_lots, **fields)


# --- kill, stop, flatten ---


@pytest.mark.invariant("R25")
def test_kill_cancels_per_symbol_first_then_singles_and_is_sticky_until_arm(rig: Rig) -> None:
    first = rig.open_order()
    second = rig.open_order(instrument_id=2)
    rig.command(CommandKind.KILL)
    assert rig.sent() == [(CANCEL_ALL, 1), (CANCEL_ALL, 2)]
    assert control(rig) == (TradingState.HALTED, HaltReason.KILL)
    rig.canceled(first)
    rig.tick(SECOND_NS)
    assert rig.sent() == [(CANCEL, second)]
    rig.session_is(SessionState.DOWN)
    rig.go_active()
    assert control(rig) == (TradingState.HALTED, HaltReason.KILL)
    rig.command(CommandKind.ARM)
    assert control(rig)[0] == TradingState.HALTED
    rig.finish_reconcile()
    rig.canceled(second, row=2)
    assert control(rig) == (TradingState.ACTIVE, HaltReason.NONE)


@pytest.mark.invariant("R25")
def test_a_refused_cancel_all_is_followed_by_singles_at_once(rig: Rig) -> None:
    handles = [rig.open_order() for _ in range(3)]
    rig.command(CommandKind.KILL)
    rig.sent()
    rig.reply(0, CANCEL_ALL, status=429, error_code=-1003)
    rig.tick(1)
    assert rig.sent() == [(CANCEL, handle) for handle in handles]


@pytest.mark.invariant("R25")
def test_kill_by_strategy_cancels_and_refuses_that_strategy_only(rig: Rig) -> None:
    mine, others = rig.open_order(), rig.open_order(strategy_id=2)
    rig.command(CommandKind.KILL, strategy_id=1)
    assert rig.sent() == [(CANCEL, mine)]
    assert rig.state(others) == "NEW"
    assert control(rig)[0] == TradingState.ACTIVE
    rig.intend()
    assert rig.verdict()["reason"] == Reason.STRATEGY_DISABLED


@pytest.mark.invariant("R25")
def test_500_resting_orders_are_all_asked_to_cancel_whatever_the_rings_hold() -> None:
    rig = Rig(capacity=600)
    rig.tables.set_limits(
        1,
        max_order_qty_lots=100_000,
        max_order_notional_e8=to_e8("20000"),
        max_position_lots=500_000,
        price_collar_bps=500,
        max_open_orders=600,
    )
    handles = set()
    for _ in range(500):
        handles.add(rig.open_order())
        rig.drain("events")
    rig.command(CommandKind.KILL, strategy_id=1)
    asked: set[int] = set()
    for _ in range(20):
        asked |= {handle for action, handle in rig.sent() if action == CANCEL}
        rig.drain("events")
        rig.pipeline.run_to_completion()
    assert asked == handles


def test_stop_cancels_everything_and_is_quiet_when_nothing_is_open(rig: Rig) -> None:
    handle = rig.open_order()
    rig.command(CommandKind.STOP)
    assert control(rig) == (TradingState.HALTED, HaltReason.STOPPING)
    assert rig.sent() == [(CANCEL_ALL, 1)]
    assert not rig.oms.quiet
    rig.canceled(handle)
    assert rig.oms.quiet


def test_cancel_by_handle_and_by_symbol(rig: Rig) -> None:
    handle, other = rig.open_order(), rig.open_order(instrument_id=2)
    rig.command(CommandKind.CANCEL, order_handle=handle)
    assert rig.sent() == [(CANCEL, handle)]
    rig.command(CommandKind.CANCEL, instrument_id=2)
    assert rig.sent() == [(CANCEL_ALL, 2)]
    assert rig.state(other) == "NEW"


def test_a_strategy_cannot_cancel_anothers_order(rig: Rig) -> None:
    handle = rig.open_order(strategy_id=2)
    rig.cancel(handle, strategy_id=1)
    assert rig.state(handle) == "NEW"
    assert rig.oms.cancels_ignored == 1


@pytest.mark.invariant("R24")
def test_an_operators_order_goes_through_the_gate(rig: Rig) -> None:
    rig.command(CommandKind.ORDER, instrument_id=1, price_ticks=10_000, qty_lots=10)
    assert [action for action, _ in rig.sent()] == [SUBMIT]
    assert rig.register.issued == 1
    rig.command(CommandKind.ORDER, instrument_id=1, price_ticks=99_000, qty_lots=10)
    assert rig.verdict()["reason"] == Reason.PRICE_COLLAR
    assert rig.sent() == []


def test_a_flatten_of_an_early_version_does_nothing_where_one_step_by_step_holds(rig: Rig) -> None:
    """It closed by itself, at once; what closes today sends HOLD, orders and RELEASE."""
    handle = rig.open_order(qty_lots=30)
    rig.trade(handle, 30, 30)
    rig.command(CommandKind.FLATTEN, instrument_id=1)
    assert (rig.oms.orders(), rig.register.issued) == ([], 1)
    rig.intend()
    assert rig.verdict()["approved"]


@pytest.mark.invariant("R26")
def test_the_first_trading_state_of_a_run_is_written_even_when_nothing_changed() -> None:
    rig = Rig(active=False)
    rig.tick(SECOND_NS)
    assert [record.kind for record in rig.records(RecordKind.TRADING_STATE)] == [RecordKind.TRADING_STATE]


# --- session and trading state ---


def test_nothing_is_active_before_the_account_was_reconciled() -> None:
    rig = Rig(active=False)
    assert control(rig) == (TradingState.HALTED, HaltReason.STARTING)
    rig.session_is(SessionState.READY)
    assert [a for a, _ in rig.sent()] == [RECONCILE_BEGIN, OPEN_ORDERS, ACCOUNT, RECONCILE_END]
    assert control(rig) == (TradingState.HALTED, HaltReason.STARTING)
    rig.finish_reconcile()
    assert control(rig) == (TradingState.ACTIVE, HaltReason.NONE)
    assert [decoded(r)["state"] for r in rig.records(RecordKind.TRADING_STATE)] == [
        TradingState.HALTED,
        TradingState.ACTIVE,
    ]


def test_a_failed_reconciliation_is_tried_again(rig: Rig) -> None:
    rig = Rig(active=False)
    rig.session_is(SessionState.READY)
    rig.finish_reconcile(state=1)
    assert control(rig)[0] == TradingState.HALTED
    rig.tick(SECOND_NS)
    assert RECONCILE_BEGIN in [a for a, _ in rig.sent()]
    rig.finish_reconcile()
    assert control(rig)[0] == TradingState.ACTIVE


@pytest.mark.invariant("R15")
@pytest.mark.parametrize("halves", [1, 2, 3])
def test_a_lost_session_or_user_stream_halts_in_the_same_turn(rig: Rig, halves: int) -> None:
    in_flight = rig.intend()
    rig.session_is(SessionState.DOWN, halves)
    assert control(rig) == (TradingState.HALTED, HaltReason.VENUE)
    rig.intend()
    assert rig.verdict()["reason"] == Reason.HALTED
    if halves & 1:
        assert rig.state(in_flight) == "UNKNOWN"
    rig.session_is(SessionState.READY, halves)
    assert control(rig)[0] == TradingState.HALTED
    status(rig, in_flight, OrderState.NEW)
    rig.finish_reconcile()
    assert control(rig)[0] == TradingState.ACTIVE


@pytest.mark.invariant("R07")
def test_clock_drift_above_its_limit_halts_and_below_it_resumes(rig: Rig) -> None:
    for drift_ns, expected in ((SECOND_NS + 1, 0), (-SECOND_NS, 2), (-SECOND_NS - 1, 0), (0, 2)):
        rig.give(RecordKind.TIME_SYNC, payload(RecordKind.SESSION_STATE, detail=drift_ns))
        assert control(rig)[0] == expected
    assert HaltReason.CLOCK in [decoded(r)["reason"] for r in rig.records(RecordKind.TRADING_STATE)]


# --- reconciliation ---


def lose_and_return(rig: Rig) -> None:
    rig.session_is(SessionState.DOWN)
    rig.session_is(SessionState.READY)
    rig.sent()
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))


def end(rig: Rig) -> None:
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))


@pytest.mark.invariant("R34")
def test_fills_missed_while_away_are_booked_once(rig: Rig) -> None:
    handle = rig.open_order()
    rig.trade(handle, 2, 2, trade_id=1000)
    lose_and_return(rig)
    status(rig, handle, OrderState.PARTIALLY_FILLED, 5)
    for _ in range(2):
        rig.trade(handle, 3, 0, trade_id=1001, kind=RecordKind.OWN_TRADE)
    end(rig)
    assert control(rig)[0] == TradingState.ACTIVE
    assert rig.exposure()["position_lots"] == 5
    assert rig.exposure()["working_buy_lots"] == 5


@pytest.mark.invariant("R34")
def test_trades_are_asked_for_from_the_last_one_known(rig: Rig) -> None:
    handle = rig.open_order()
    rig.trade(handle, 2, 2, trade_id=1000)
    rig.command(CommandKind.RECONCILE)
    asked = [i for i in rig.drain("outbound") if i["data"] == TRADES]
    assert [(i["instrument_id"], i["cause_seq"], i["flags"]) for i in asked] == [(1, 1000, 0)]


@pytest.mark.invariant("R34")
def test_ours_that_the_venue_does_not_name_is_asked_for_before_trading_goes_on(rig: Rig) -> None:
    handle = rig.open_order()
    lose_and_return(rig)
    end(rig)
    assert (QUERY, handle) in rig.sent()
    assert control(rig)[0] == TradingState.HALTED
    status(rig, handle, OrderState.CANCELED)
    assert control(rig)[0] == TradingState.ACTIVE
    assert rig.state(handle) == "CANCELED"


@pytest.mark.invariant("R34")
def test_an_open_order_that_is_not_ours_is_listed_and_told(rig: Rig) -> None:
    lose_and_return(rig)
    status(rig, 0, OrderState.NEW, venue_order_id=777, client_order_id=b"web_1", qty_lots=5, price_ticks=9_000)
    end(rig)
    assert [o["venue_order_id"] for o in rig.oms.external_open_orders()] == [777]
    assert AlarmCode.RECONCILE_MISMATCH in rig.alarms()
    assert control(rig)[0] == TradingState.ACTIVE
    status(rig, 0, OrderState.CANCELED, venue_order_id=777)
    assert rig.oms.external_open_orders() == []


@pytest.mark.invariant("R34")
def test_an_open_order_with_our_mark_that_we_do_not_know_halts_its_symbol(rig: Rig) -> None:
    lose_and_return(rig)
    status(rig, 3 << 32 | 999_999, OrderState.NEW)
    end(rig)
    rig.intend()
    assert rig.verdict()["reason"] == Reason.HALTED


@pytest.mark.invariant("R34")
def test_a_trade_of_an_order_whose_venue_number_comes_later_is_ours(rig: Rig) -> None:
    handle = rig.intend()
    lose_and_return(rig)
    number = 900 + (handle & 0xFFFF)
    rig.trade(0, 10, 0, trade_id=70, kind=RecordKind.OWN_TRADE, venue_order_id=number)
    end(rig)
    assert rig.exposure()["position_lots"] == 0
    status(rig, handle, OrderState.FILLED, 10)
    rig.tick(SECOND_NS)
    rig.trade(handle, 10, 0, trade_id=70, kind=RecordKind.OWN_TRADE, venue_order_id=number)
    assert rig.exposure()["position_lots"] == 10
    assert rig.state(handle) == "FILLED"
    assert control(rig)[0] == TradingState.ACTIVE


def test_balances_are_the_venues(rig: Rig) -> None:
    import struct

    row = struct.pack("<H6xqq", rig.tables.asset_id("BTC"), 5, 7)
    data = payload(RecordKind.ACCOUNT_POSITION, count=1, is_complete=1) + row
    rig.give(RecordKind.ACCOUNT_POSITION, data)
    assert rig.oms.balances() == [
        {"asset": "BTC", "asset_id": rig.tables.asset_id("BTC"), "free_e8": 5, "locked_e8": 7}
    ]
    assert len(list(rig.records(RecordKind.BALANCE))) == 1


# --- restoration ---


def ledger_of(rig: Rig) -> list[Any]:
    return parse(rig.journal.front_bytes(0))


def restored(rig: Rig, **options: Any) -> Rig:
    later = Rig(active=False, **options)
    later.oms.restore(ledger_of(rig))
    return later


@pytest.mark.invariant("R26")
def test_a_restart_knows_orders_positions_and_fees_and_trades_only_when_reconciled(rig: Rig) -> None:
    done, resting = rig.open_order(), rig.open_order()
    rig.trade(done, 10, 10, commission_e8=5, commission_asset_id=rig.tables.asset_id("USDT"))
    rig.trade(resting, 4, 4)
    in_flight = rig.intend()
    later = restored(rig)
    assert later.oms.positions() == rig.oms.positions()
    assert later.oms.positions_book.fees() == rig.oms.positions_book.fees()
    assert later.exposure()["working_buy_lots"] == rig.exposure()["working_buy_lots"] == 16
    assert [o["order_handle"] for o in later.oms.orders()] == [resting, in_flight]
    assert control(later)[0] == TradingState.HALTED
    later.session_is(SessionState.READY)
    status(later, resting, OrderState.PARTIALLY_FILLED, 4)
    later.finish_reconcile()
    later.tick(1)
    assert control(later)[0] == TradingState.HALTED
    later.reply(in_flight, QUERY, status=400, error_code=-2013)
    assert later.state(in_flight) == "UNKNOWN"
    assert control(later)[0] == TradingState.ACTIVE
    assert later.exposure()["working_buy_lots"] == 16


@pytest.mark.invariant("R26")
def test_a_kill_survives_a_restart(rig: Rig) -> None:
    rig.command(CommandKind.KILL)
    later = restored(rig)
    later.go_active()
    assert control(later) == (TradingState.HALTED, HaltReason.KILL)
    rig.command(CommandKind.ARM)
    later = restored(rig)
    later.go_active()
    assert control(later)[0] == TradingState.ACTIVE


def test_a_trade_booked_before_the_restart_is_not_booked_again(rig: Rig) -> None:
    handle = rig.open_order()
    rig.trade(handle, 4, 4, trade_id=1234)
    later = restored(rig)
    later.go_active()
    later.trade(handle, 4, 4, trade_id=1234)
    assert later.exposure()["position_lots"] == 4


def test_leftover_orders_are_cancelled_at_start_where_asked_for(rig: Rig) -> None:
    handle = rig.open_order()
    later = restored(rig, cancel_on_start=True)
    later.session_is(SessionState.READY)
    status(later, handle, OrderState.NEW)
    end(later)
    assert (CANCEL, handle) in later.sent()
    assert control(later)[0] == TradingState.HALTED
    later.canceled(handle)
    assert control(later)[0] == TradingState.ACTIVE


@pytest.mark.invariant("R26")
def test_a_ledger_of_more_orders_than_there_are_slots_is_restored(rig: Rig) -> None:
    resting, gone, done = rig.open_order(), rig.open_order(), rig.open_order()
    rig.canceled(gone)
    rig.trade(done, 10, 10, trade_id=1)
    records = [record for record in ledger_of(rig) if record.kind in (RecordKind.ORDER_STATE, RecordKind.FILL)]
    names = (
        "kind",
        "seq",
        "wall_ns",
        "venue_id",
        "account_id",
        "strategy_id",
        "instrument_id",
        "position_side",
        "order_handle",
        "payload",
    )
    facts = [{name: getattr(record, name) for name in names} for record in records]
    often = [fact for fact in facts if fact["order_handle"] != resting]
    many = [shifted(fact, number) for number in range(5000) for fact in often]
    later = Rig(active=False)
    later.oms.restore([*[SimpleNamespace(**fact) for fact in facts if fact["order_handle"] == resting], *many])
    assert resting in [order["order_handle"] for order in later.oms.orders()]
    canceled_open = [order for order in later.oms.orders() if order["state"] == "CANCELED"]
    assert canceled_open == []
    assert later.exposure()["position_lots"] == 10 * 5000


def shifted(fact: dict[str, Any], number: int) -> SimpleNamespace:
    """A record as of another order; a fill as of another trade, or it would not be booked again."""
    handle, payload = fact["order_handle"] + 1000 * number, fact["payload"]
    if fact["kind"] == RecordKind.FILL:
        # client_order_id[24], then trade_id
        payload = payload[:24] + (1 + number).to_bytes(8, "little") + payload[32:]
    return SimpleNamespace(**(fact | {"order_handle": handle, "payload": payload}))


def test_restoring_a_short_record_says_which() -> None:
    rig = Rig(active=False)

    class Short:
        kind, seq, payload = int(RecordKind.FILL), 17, b"\0" * 8

    with pytest.raises(ValueError, match="ledger record 17"):
        rig.oms.restore([Short()])
