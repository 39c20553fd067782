from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.desk.events import EventLog, event_line
from engine.desk.ledger import LedgerFold
from engine.model.codes import AlarmCode, CommandKind, HaltReason, OrderState, RecordKind, TradingState
from tests.ledger_harness import Ledger, body


def folded(ledger: Ledger) -> LedgerFold:
    ledger.journal.flush()
    fold = LedgerFold(ledger.data_dir, ledger.runtime_dir)
    fold.refresh()
    return fold


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    yield made
    made.journal.close(reason="test")


def test_an_order_is_listed_by_name_and_in_decimals_until_it_ends(ledger: Ledger) -> None:
    ledger.order(1, OrderState.NEW)
    ledger.order(2, OrderState.NEW)
    seq = ledger.order(1, OrderState.PARTIALLY_FILLED, filled=20_000)
    ledger.order(2, OrderState.CANCELED)
    fold = folded(ledger)
    [order] = fold.state.open_orders()
    assert (order["symbol"], order["strategy"], order["venue"], order["side"]) == ("BTCUSDT", "maker", "sim", "SELL")
    assert (order["price"], order["qty"], order["filled"], order["leaves"]) == ("30000.01", "0.5", "0.2", "0.3")
    assert (order["client_order_id"], order["state"], order["seq"]) == ("07c1", "PARTIALLY_FILLED", seq)
    assert len(fold.state.orders) == 2


def test_the_fold_goes_on_where_it_was_and_tells_how_far_behind_it_is(ledger: Ledger) -> None:
    fold = folded(ledger)
    seq = ledger.order(1, OrderState.NEW)
    ledger.journal.flush()
    assert fold.lag_records() == seq - fold.state.as_of > 0
    assert fold.refresh().as_of == seq
    assert fold.lag_records() == 0
    assert len(fold.state.open_orders()) == 1


def test_positions_and_balances_are_the_latest_ones(ledger: Ledger) -> None:
    for lots in (10_000, -20_000):
        payload = body(
            RecordKind.POSITION,
            position_lots=lots,
            position_cost_e8=lots * 30_000 * 1_000,
            realised_pnl_e8=-150_000_000,
            fees_quote_e8=25_000_000,
            buy_lots=30_000,
            fills=3,
        )
        ledger.add(RecordKind.POSITION, payload, instrument_id=1, venue_id=1, account_id=1)
    rows = struct.pack("<H6xqq", 1, 150_000_000, 50_000_000)
    ledger.add(RecordKind.BALANCE, body(RecordKind.BALANCE, count=1) + rows, account_id=1, venue_id=1)
    state = folded(ledger).state
    [position] = state.positions.values()
    assert (position["symbol"], position["position"], position["average_price"]) == ("BTCUSDT", "-0.2", "30000")
    assert (position["realised_pnl"], position["fees"], position["money"]) == ("-1.5", "0.25", "USDT")
    [balance] = state.balances.values()
    assert (balance["asset"], balance["free"], balance["locked"], balance["total"]) == ("BTC", "1.5", "0.5", "2")


def test_an_order_of_a_former_run_is_open_until_this_run_has_reconciled(ledger: Ledger) -> None:
    ledger.order(1, OrderState.NEW)
    ledger.order(2, OrderState.NEW)
    ledger.restart()
    assert len(folded(ledger).state.open_orders()) == 2
    ledger.order(2, OrderState.NEW)
    ledger.add(RecordKind.RECONCILE_END, body(RecordKind.RECONCILE_END))
    assert [order["handle"] for order in folded(ledger).state.open_orders()] == [2]


def test_a_number_without_a_name_is_shown_as_a_number(ledger: Ledger) -> None:
    payload = body(RecordKind.ORDER_STATE, price_ticks=5, qty_lots=6, state=OrderState.NEW)
    ledger.add(RecordKind.ORDER_STATE, payload, order_handle=9, instrument_id=44, strategy_id=3)
    [order] = folded(ledger).state.open_orders()
    assert (order["symbol"], order["strategy"], order["price"]) == ("#44", "#3", "5 ticks")


def test_an_asset_that_came_after_the_catalog_is_named_by_the_registry(ledger: Ledger) -> None:
    rows = struct.pack("<H6xqq", 3, 100_000_000, 0)
    ledger.add(RecordKind.BALANCE, body(RecordKind.BALANCE, count=1) + rows, account_id=1, venue_id=1)
    assert [row["asset"] for row in folded(ledger).state.balances.values()] == ["#3"]
    (ledger.data_dir / "names.json").write_text('{"assets": ["BTC", "USDT", "BNB"], "venues": ["sim"]}')
    assert [row["asset"] for row in folded(ledger).state.balances.values()] == ["BNB"]


def test_a_command_is_told_with_its_caller_and_an_order_in_decimals(ledger: Ledger) -> None:
    kill = body(RecordKind.COMMAND, command_kind=CommandKind.KILL, uid=0, scope_kind=4) + b"drill\0\0\0"
    ledger.add(RecordKind.COMMAND, kill, strategy_id=1)
    order = body(RecordKind.COMMAND, command_kind=CommandKind.ORDER, uid=1000, side=1, price_ticks=5, qty_lots=7)
    ledger.add(RecordKind.COMMAND, order, instrument_id=1, order_handle=9)
    ledger.journal.flush()
    kill_event, order_event = EventLog(ledger.data_dir).last(2)
    assert event_line(kill_event).endswith("COMMAND strategy=maker command=KILL uid=0 reason=drill")
    told = "symbol=BTCUSDT order_handle=9 command=ORDER uid=1000 side=SELL type=LIMIT time_in_force=GTC price=0.05 qty=0.00007"
    assert told in event_line(order_event)


def test_events_are_told_by_name_in_order_and_go_on(ledger: Ledger) -> None:
    state = body(RecordKind.TRADING_STATE, state=TradingState.ACTIVE, reason=HaltReason.NONE)
    ledger.add(RecordKind.TRADING_STATE, state)
    ledger.order(1, OrderState.NEW)
    ledger.journal.flush()
    log = EventLog(ledger.data_dir)
    first = log.last(100)
    assert [event["kind"] for event in first] == ["START", "TRADING_STATE"]
    assert log.last(100) == []
    alarm = body(RecordKind.ALARM, state=AlarmCode.STRATEGY_RAISED) + b"division by zero\0\0"
    ledger.add(RecordKind.ALARM, alarm, strategy_id=1, instrument_id=1)
    strategy = body(RecordKind.STRATEGY_STATE, state=3, previous_state=1, reason=AlarmCode.STRATEGY_RAISED)
    ledger.add(RecordKind.STRATEGY_STATE, strategy, strategy_id=1)
    ledger.journal.flush()
    alarm_event, strategy_event = log.wait(1.0)
    assert (alarm_event["state"], alarm_event["strategy"]) == ("STRATEGY_RAISED", "maker")
    assert 'text="division by zero"' in event_line(alarm_event)
    assert (strategy_event["state"], strategy_event["reason"]) == ("DISABLED", "STRATEGY_RAISED")
