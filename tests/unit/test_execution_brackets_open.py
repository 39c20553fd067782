"""A bracket guards what its entry opens: one that would only close is refused with a reason, before it leaves, or is told of."""

from __future__ import annotations

import pytest

from engine.model.codes import AlarmCode, OrderFlag, OrderState, OrderType, ParentState, PositionSide, Reason, Side
from engine.model.instructions import Bracket, Distance, ExitPlan, OrderTerms, StopPlan, TargetPlan, fault_of
from tests.execution_rig import INSTRUMENT, PRICE, Rig

AWAY = Distance(unit=2, amount=100)
EXITS = ExitPlan(stop=StopPlan(distance=AWAY), targets=(TargetPlan(distance=AWAY),))


def bracket(**entry: int) -> Bracket:
    terms = OrderTerms(**{"side": Side.BUY, "qty_lots": 10, "price_ticks": PRICE, "handle": 10, **entry})
    return Bracket(instrument_id=INSTRUMENT, entry=terms, exits=EXITS)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(("side", "position"), [(Side.BUY, -3), (Side.BUY, -30), (Side.SELL, 3)])
def test_a_bracket_against_the_accounts_position_is_refused_before_its_entry_leaves(
    kind: int, side: int, position: int
) -> None:
    rig = Rig(kind=kind, market_ticks=PRICE, position=position, balance_lots=1_000)
    rig.begin(bracket(side=side))
    assert rig.ends(10) == [OrderState.REFUSED]
    assert rig.held[-1].reason == Reason.POSITION_SIDE
    assert (rig.last_status(), rig.told[-1].reason) == (ParentState.REJECTED, Reason.POSITION_SIDE)
    assert not rig.orders


@pytest.mark.parametrize("position", [0, 5])
def test_a_bracket_with_the_accounts_position_or_none_goes_out(position: int) -> None:
    rig = Rig(market_ticks=PRICE, position=position)
    rig.begin(bracket())
    assert [order.handle for order in rig.asked()] == [10]


def test_an_entry_that_waited_is_refused_aloud_when_the_position_has_turned_by_then() -> None:
    rig = Rig(market_ticks=PRICE)
    rig.begin(bracket(order_type=OrderType.STOP, trigger_ticks=PRICE + 50, price_ticks=0))
    rig.position = -3
    assert rig.price(PRICE + 50) == 1
    assert rig.ends(10)[-1] == OrderState.REFUSED
    assert (rig.last_status(), rig.told[-1].reason) == (ParentState.REJECTED, Reason.POSITION_SIDE)
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]
    assert not rig.orders


def test_an_entry_may_wait_while_the_position_is_still_on_the_other_side() -> None:
    rig = Rig(market_ticks=PRICE, position=-3)
    rig.begin(bracket(order_type=OrderType.STOP, trigger_ticks=PRICE + 50, price_ticks=0))
    rig.position = 0
    assert rig.price(PRICE + 50) == 1
    assert [order.handle for order in rig.asked()] == [10]
    assert not rig.alarms


def test_a_position_that_others_turn_after_the_entry_left_is_told_once_with_its_reason() -> None:
    rig = Rig(market_ticks=PRICE)
    rig.begin(bracket())
    rig.approve()
    rig.position = -20
    rig.fill(10, 4)
    rig.fill(10, 4)
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]
    assert rig.told[-1].reason == Reason.POSITION_SIDE
    assert [order.handle for order in rig.open_orders()] == [10]


@pytest.mark.parametrize(
    ("entry", "is_wrong"),
    [
        ({"position_side": PositionSide.SHORT}, True),
        ({"position_side": PositionSide.LONG}, False),
        ({"side": Side.SELL, "position_side": PositionSide.LONG}, True),
        ({"side": Side.SELL, "position_side": PositionSide.SHORT}, False),
        ({"flags": OrderFlag.REDUCE_ONLY}, True),
        ({"flags": OrderFlag.POST_ONLY}, False),
    ],
)
def test_an_entry_that_closes_has_no_exits(entry: dict[str, int], is_wrong: bool) -> None:
    assert ("entry opens a position" in fault_of(bracket(**entry))) is is_wrong
