"""What keeps back the second half of a futures replace, and what the old order fills before it is cancelled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.model.codes import BookState, CommandKind, Reason, Side, TradingState
from engine.risk.rehearsal import set_strategy, set_trading
from tests.orders_harness import SECOND_NS
from tests.unit.test_usdm_session import replaced
from tests.usdm_rig import REDUCE_ONLY, UsdmRig


@pytest.fixture
def rig() -> UsdmRig:
    return UsdmRig()


@pytest.mark.invariant("R21")
def test_a_fill_of_the_old_order_while_it_is_cancelled_does_not_break_the_limit(rig: UsdmRig) -> None:
    limit_position(rig, 29)
    old, new = replaced(rig)
    assert rig.verdict()["reason"] == Reason.POSITION_LIMIT
    assert rig.requests("order.cancel") == []
    assert rig.state(old) == "NEW"
    limit_position(rig, 30)
    new = rig.intend(action=2, target_handle=old, price_ticks=9_980, qty_lots=20)
    rig.fill(old, 8_000, "0.009", "0.009", state="PARTIALLY_FILLED", p="99.90")
    rig.answer(
        rig.requests("order.cancel")[0], {"symbol": "BTCUSDT", "orderId": rig.venue_number(old), "status": "CANCELED"}
    )
    rig.update(old, x="CANCELED", X="CANCELED", p="99.90", z="0.009")
    rig.ack(new, p="99.80", q="0.020")
    exposure = rig.exposure()
    assert (exposure["position_lots"], exposure["working_buy_lots"]) == (9, 20)


def limit_position(rig: UsdmRig, max_position_lots: int) -> None:
    rig.tables.set_limits(
        1,
        max_order_qty_lots=100,
        max_order_notional_e8=10**12,
        max_position_lots=max_position_lots,
        price_collar_bps=500,
        max_open_orders=50,
    )


def test_a_reduce_only_order_that_covers_the_position_can_be_replaced(rig: UsdmRig) -> None:
    rig.open_position("0.010")
    old = rig.intend(flags=REDUCE_ONLY, side=int(Side.SELL), qty_lots=10, price_ticks=10_010)
    rig.ack(old, p="100.10", S="SELL")
    wanted = {"action": 2, "target_handle": old, "flags": REDUCE_ONLY, "side": int(Side.SELL), "price_ticks": 10_005}
    rig.intend(qty_lots=11, **wanted)
    assert rig.verdict()["reason"] == Reason.REDUCING_ONLY
    rig.intend(qty_lots=10, **wanted)
    assert rig.verdict()["approved"]


def reducing(rig: UsdmRig) -> None:
    rig.tables.set_control(trading_state=int(TradingState.REDUCING))


WITHHOLDING: dict[str, tuple[Reason, Callable[[UsdmRig, int, int], object]]] = {
    "symbol killed": (Reason.HALTED, lambda rig, _old, _new: rig.command(CommandKind.KILL, instrument_id=1)),
    "symbol halted": (Reason.HALTED, lambda rig, _old, _new: rig.fill(77, 8_100, "0.001", "0.001")),
    "strategy killed": (
        Reason.STRATEGY_DISABLED,
        lambda rig, _old, _new: rig.command(CommandKind.KILL, strategy_id=1),
    ),
    "strategy disabled": (
        Reason.STRATEGY_DISABLED,
        lambda rig, _old, _new: set_strategy(rig.tables, 1, enabled=False),
    ),
    "strategy paused": (Reason.STRATEGY_PAUSED, lambda rig, _old, _new: set_strategy(rig.tables, 1, paused=True)),
    "all cancelled": (Reason.ORDER_NOT_OPEN, lambda rig, _old, _new: rig.command(CommandKind.CANCEL)),
    "symbol cancelled": (
        Reason.ORDER_NOT_OPEN,
        lambda rig, _old, _new: rig.command(CommandKind.CANCEL, instrument_id=1),
    ),
    "new order cancelled": (Reason.ORDER_NOT_OPEN, lambda rig, _old, new: rig.cancel(new)),
    "old order cancelled": (Reason.ORDER_NOT_OPEN, lambda rig, old, _new: rig.cancel(old)),
    "no trading": (Reason.INSTRUMENT_NOT_TRADING, lambda rig, _old, _new: set_trading(rig.tables, 1, False)),
    "book invalid": (
        Reason.BOOK_INVALID,
        lambda rig, _old, _new: rig.set_market(1, book_state=int(BookState.INVALID)),
    ),
    "book stale": (Reason.STALE, lambda rig, _old, _new: rig.set_market(1, book_state=int(BookState.STALE))),
    "book old": (
        Reason.STALE,
        lambda rig, _old, _new: rig.set_market(1, last_mono_ns=rig.clock.monotonic_ns() - SECOND_NS - 1),
    ),
    "journal": (Reason.JOURNAL_FULL, lambda rig, _old, _new: rig.tables.set_control(journal_reserve=1)),
    "reducing": (Reason.REDUCING_ONLY, lambda rig, _old, _new: reducing(rig)),
}


@pytest.mark.parametrize("cause", WITHHOLDING)
def test_what_refuses_a_new_order_keeps_back_that_of_a_replace_already_begun(rig: UsdmRig, cause: str) -> None:
    reason, happen = WITHHOLDING[cause]
    old, new = replaced(rig)
    happen(rig, old, new)
    rig.answer(
        rig.requests("order.cancel")[0], {"symbol": "BTCUSDT", "orderId": rig.venue_number(old), "status": "CANCELED"}
    )
    rig.update(old, x="CANCELED", X="CANCELED", p="99.90")
    assert len(rig.requests("order.place")) == 1
    assert (rig.state(old), rig.state(new)) == ("CANCELED", "REJECTED")
    assert rig.exposure()["working_buy_lots"] == 0
    order = rig.oms.order(new)
    assert order is not None
    assert Reason(order["reason"]) is reason
    rig.tick(SECOND_NS)
    assert len(rig.requests("order.place")) == 1


def test_what_is_wanted_cancelled_is_not_replaced(rig: UsdmRig) -> None:
    old = rig.intend(price_ticks=9_990)
    rig.ack(old, p="99.90")
    rig.cancel(old)
    rig.refuse(rig.requests("order.cancel")[0], 429, -1003, "Too many requests.")
    assert rig.state(old) == "NEW"
    rig.intend(action=2, target_handle=old, price_ticks=9_980, qty_lots=20)
    assert rig.verdict()["reason"] == Reason.ORDER_NOT_OPEN
