"""Order management: what the venue says against what we hold - overfills, ended orders that are open, late counts."""

from __future__ import annotations

from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.model.codes import (
    CommandKind,
    OrderState,
    RecordKind,
    Side,
)
from tests.orders_harness import (
    SECOND_NS,
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


def overfill(rig: Rig, fills: list[int]) -> int:
    handle = rig.open_order()
    cum_lots = 0
    for lots in fills:
        cum_lots += lots
        rig.trade(handle, lots, cum_lots)
    return handle


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
