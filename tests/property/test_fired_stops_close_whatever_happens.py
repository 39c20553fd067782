"""R12: a stop that has fired closes its position in the end, whatever happens meanwhile, and never in a storm.

Dice decide what becomes of every order - refused for one of several reasons, rejected, ended unfilled, filled in part, UNKNOWN -,
who else rests orders, and when time passes. The rig asserts that no parent asks for more than a few orders in one instant. Then
all is well again, and nothing may be left.
"""

from __future__ import annotations

import os
import random

import pytest

from engine.model.codes import Contingency, OrderFlag, OrderState, OrderType, ParentState, Reason, Side
from engine.model.instructions import Bracket, ExitPlan, Held, OrderList, OrderTerms, Protection, StopPlan, TargetPlan
from tests.execution_rig import INSTRUMENT, PRICE, Order, Rig

SECOND = 1_000_000_000
ROUNDS = 1500 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 25
REFUSALS = (
    Reason.QTY_ABOVE_MAX,
    Reason.NOTIONAL_ABOVE_MAX,
    Reason.PRICE_COLLAR,
    Reason.SLIPPAGE,
    Reason.STALE,
    Reason.HALTED,
    Reason.POSITION_LIMIT,
    Reason.MESSAGE_RATE,
)
ENDS = (OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELED, OrderState.ABSENT)
LOTS = 60
LOT_VALUE_E8 = PRICE * 10**4


def protect(rig: Rig, dice: random.Random) -> None:
    targets = (TargetPlan(price_ticks=PRICE + 50, share_bps=dice.choice((3000, 10_000))),)
    stop = StopPlan(trigger_ticks=PRICE - 100, limit_offset_ticks=dice.choice((0, 20)))
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=stop, targets=targets)))


def bracket(rig: Rig, dice: random.Random) -> None:
    rig.position = 0
    entry = OrderTerms(side=Side.BUY, qty_lots=LOTS, price_ticks=PRICE, handle=10)
    stop = StopPlan(trigger_ticks=PRICE - 100, limit_offset_ticks=dice.choice((0, 20)))
    targets = (TargetPlan(price_ticks=PRICE + 50, share_bps=5000),)
    rig.begin(Bracket(instrument_id=INSTRUMENT, entry=entry, exits=ExitPlan(stop=stop, targets=targets)))
    rig.approve()
    rig.fill(10, LOTS)


def hold(rig: Rig, dice: random.Random) -> None:
    del dice
    stop = OrderTerms(
        side=Side.SELL,
        qty_lots=LOTS,
        order_type=OrderType.STOP,
        trigger_ticks=PRICE - 100,
        flags=OrderFlag.REDUCE_ONLY,
    )
    rig.begin(Held(instrument_id=INSTRUMENT, order=stop))


def list_pair(rig: Rig, dice: random.Random) -> None:
    del dice
    common = {"side": Side.SELL, "qty_lots": LOTS, "flags": OrderFlag.REDUCE_ONLY}
    high = OrderTerms(order_type=OrderType.LIMIT, price_ticks=PRICE + 50, handle=11, **common)
    stop = OrderTerms(order_type=OrderType.STOP, trigger_ticks=PRICE - 100, handle=12, **common)
    rig.begin(OrderList(instrument_id=INSTRUMENT, contingency=Contingency.OCO, orders=(high, stop)))


def least_lots(rig: Rig) -> int:
    """What the gate takes at least: the venue's least value, of futures nothing of the kind for what closes."""
    return 0 if rig.kind else rig.min_notional_e8 // LOT_VALUE_E8


class Trouble:
    """What happens to orders, by dice."""

    def __init__(self, rig: Rig, dice: random.Random) -> None:
        self.rig, self.dice = rig, dice
        self.strangers = 5000
        self.most_lots = dice.choice((12, 25, 1000) if rig.min_notional_e8 else (2, 9, 1000))

    def step(self) -> None:
        """One thing."""
        asked, open_orders = self.rig.asked(), self.rig.open_orders()
        draw = self.dice.random()
        if asked and draw < 0.5:
            self.answer(self.dice.choice(asked))
        elif open_orders and draw < 0.75:
            self.move(self.dice.choice(open_orders))
        elif draw < 0.85:
            self.churn()
        elif draw < 0.95:
            self.rig.advance(self.dice.choice((1, 10**6, SECOND // 10, SECOND)))
        else:
            self.rig.parents.on_tick()

    def answer(self, order: Order) -> None:
        """The gate's word, and perhaps the venue's."""
        if order.terms.qty_lots > self.most_lots:
            self.rig.refuse(order.handle, Reason.QTY_ABOVE_MAX)
        elif order.terms.qty_lots < least_lots(self.rig):
            self.rig.refuse(order.handle, Reason.NOTIONAL_BELOW_MIN)
        elif self.dice.random() < 0.4:
            self.rig.refuse(order.handle, self.dice.choice(REFUSALS))
        else:
            self.rig.state(order, OrderState.PENDING_NEW)

    def move(self, order: Order) -> None:
        """The venue's."""
        draw = self.dice.random()
        if order.is_cancel_asked and draw < 0.6:
            self.rig.confirm_cancel(order.handle)
        elif draw < 0.3 and not order.is_cancel_asked:
            self.rig.state(order, self.dice.choice(ENDS))
        elif draw < 0.5:
            lots = min(self.dice.randint(1, 20), order.leaves_lots, self.rig.position)
            if lots > 0:
                self.rig.fill(order.handle, lots)
        elif draw < 0.6:
            self.rig.state(order, OrderState.UNKNOWN)
        elif order.state == OrderState.PENDING_NEW:
            self.rig.state(order, OrderState.NEW)

    def churn(self) -> None:
        """Somebody else's order comes, or goes."""
        if self.rig.strangers and self.dice.random() < 0.6:
            self.rig.end_stranger(self.dice.choice(list(self.rig.strangers)))
        else:
            self.strangers += 1
            self.rig.add_stranger(self.strangers, self.dice.choice((0, 3, 30)), PRICE + 90)


def calm(rig: Rig) -> None:
    """Everybody else is gone, gate and venue take what comes."""
    for handle in list(rig.strangers):
        rig.end_stranger(handle)
    for _ in range(200):
        for order in rig.open_orders():
            if order.is_cancel_asked:
                rig.confirm_cancel(order.handle)
            elif order.leaves_lots:
                rig.fill(order.handle, min(order.leaves_lots, rig.position)) if rig.position else None
                if order.leaves_lots:
                    rig.confirm_cancel(order.handle)
        for order in rig.asked():
            if order.terms.qty_lots < least_lots(rig):
                rig.refuse(order.handle, Reason.NOTIONAL_BELOW_MIN)
            else:
                rig.approve(order.handle)
        rig.parents.on_tick()
        if rig.position == 0 and not rig.open_orders():
            return
        rig.advance(SECOND)


@pytest.mark.invariant("R12")
@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("begin", [protect, bracket, hold, list_pair])
def test_what_has_fired_closes_all_in_the_end_and_never_in_a_storm(begin: object, kind: int) -> None:
    for seed in range(ROUNDS):
        dice = random.Random(seed)
        least = dice.choice((0, 5 * LOT_VALUE_E8))
        rig = Rig(kind=kind, position=LOTS, market_ticks=PRICE, min_notional_e8=least)
        begin(rig, dice)  # type: ignore[operator]
        rig.approve()
        rig.price(PRICE - 100)
        trouble = Trouble(rig, dice)
        for _ in range(dice.randint(10, 120)):
            trouble.step()
            assert rig.position >= 0, seed
        calm(rig)
        rig.advance(60 * SECOND)
        assert rig.position == 0 or rig.position < least_lots(rig), (seed, rig.alarms)
        if rig.position == 0:
            assert rig.last_status() not in (ParentState.WORKING, ParentState.CANCELING), seed
            assert not rig.timers, seed
