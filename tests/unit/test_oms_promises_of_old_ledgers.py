"""A market order of a ledger whose approvals name no price: its money is promised before anything is traded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.model.codes import OrderState, RecordKind, SessionState, TradingState
from engine.model.instruments import to_e8
from tests.orders_harness import Rig, payload

FIELDS = (
    "kind",
    "seq",
    "cause_seq",
    "wall_ns",
    "venue_id",
    "account_id",
    "strategy_id",
    "instrument_id",
    "position_side",
)


def without_prices(record: Any) -> Any:
    """The record as it was before approvals named their price."""
    fields = {name: getattr(record, name) for name in (*FIELDS, "order_handle", "payload")}
    if record.kind == RecordKind.VERDICT:
        fields["payload"] = payload(RecordKind.VERDICT, approved=1)
    return SimpleNamespace(**fields)


def read_account(rig: Rig, handle: int) -> None:
    """The venue has the order, and nothing of it is filled."""
    rig.session_is(SessionState.READY)
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
    rig.report(handle, RecordKind.ORDER_STATUS, order_state=int(OrderState.NEW), qty_lots=10)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))


@pytest.mark.invariant("R26")
def test_nothing_is_traded_before_such_an_order_is_promised_by_todays_price() -> None:
    before = Rig()
    handle = before.market_order()
    before.accepted(handle)
    rig = Rig(active=False)
    rig.set_market(1, bid_ticks=0, ask_ticks=0, last_ticks=0)
    rig.oms.restore([without_prices(record) for record in parse(before.journal.front_bytes(0))])
    usdt = rig.tables.asset_id("USDT")
    read_account(rig, handle)
    assert rig.register.promised(usdt) == 0
    assert rig.tables.control_state()["trading_state"] == TradingState.HALTED
    rig.set_market(1)
    rig.tick(1)
    assert rig.tables.control_state()["trading_state"] == TradingState.ACTIVE
    assert rig.register.promised(usdt) >= to_e8("1.0001")
