"""Every order of events, up to a depth, through lists, brackets and protection: gate, venue, prices, cancels and strangers.

At every moment: what exclusive orders have filled and may still fill never exceeds the list's quantity; what closes never
exceeds the position; and when all is quiet no order is left behind and no position without its stop.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from engine.model.codes import Contingency, OrderFlag, OrderState, OrderType, ParentState, Reason, Side
from engine.model.instructions import (
    Bracket,
    Change,
    ExitPlan,
    Held,
    Instruction,
    OrderList,
    OrderTerms,
    Protection,
    StopPlan,
    TargetPlan,
)
from tests.execution_rig import INSTRUMENT, PRICE, Order, Rig

IS_LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
DEPTH, WALKS, STEPS = (6, 3000, 20) if IS_LONG else (3, 60, 14)
QTY = 4
LOW, HIGH = PRICE - 100, PRICE + 100
OVER = (ParentState.DONE, ParentState.CANCELED, ParentState.REJECTED, ParentState.EXPIRED)

Event = tuple[str, int]
Check = Callable[[Rig], None]

ENTRY = OrderTerms(side=Side.BUY, qty_lots=QTY, price_ticks=PRICE, handle=10)
TARGET = OrderTerms(side=Side.SELL, qty_lots=QTY, price_ticks=HIGH, handle=11)
STOP = OrderTerms(side=Side.SELL, order_type=OrderType.STOP, qty_lots=QTY, trigger_ticks=LOW, handle=12)
TOUCH = OrderTerms(
    side=Side.SELL, order_type=OrderType.LIMIT_IF_TOUCHED, qty_lots=QTY, price_ticks=HIGH, trigger_ticks=HIGH, handle=13
)
EXITS = ExitPlan(
    stop=StopPlan(trigger_ticks=LOW),
    targets=(TargetPlan(price_ticks=HIGH, share_bps=5000), TargetPlan(price_ticks=HIGH + 50, share_bps=5000)),
)


def listed(contingency: int, *orders: OrderTerms) -> Instruction:
    return OrderList(instrument_id=INSTRUMENT, contingency=contingency, orders=orders)


HELD = OrderTerms(
    side=Side.SELL, order_type=OrderType.STOP, qty_lots=QTY, trigger_ticks=LOW, flags=OrderFlag.REDUCE_ONLY
)

SCENARIOS: dict[str, tuple[Instruction, int]] = {
    "held": (Held(instrument_id=INSTRUMENT, order=HELD), QTY),
    "oco": (listed(Contingency.OCO, TARGET, STOP), QTY),
    "oco of held orders": (listed(Contingency.OCO, TOUCH, STOP), QTY),
    "ouo": (listed(Contingency.OUO, TARGET, STOP), QTY),
    "otoco": (listed(Contingency.OTOCO, ENTRY, TARGET, STOP), 0),
    "bracket": (Bracket(instrument_id=INSTRUMENT, entry=ENTRY, exits=EXITS), 0),
    "protection": (Protection(instrument_id=INSTRUMENT, exits=EXITS), QTY),
}


def events(rig: Rig, *, has_strangers: bool) -> Iterator[Event]:
    """What can happen now."""
    for order in rig.orders.values():
        if order.state == OrderState.NONE:
            yield "approve", order.handle
            yield "refuse", order.handle
        elif order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN):
            yield "fill all", order.handle
            if order.leaves_lots > 1:
                yield "fill one", order.handle
            if order.is_cancel_asked:
                yield "canceled", order.handle
            if order.state != OrderState.UNKNOWN:
                yield "lost", order.handle
    yield "price", LOW
    yield "price", HIGH
    yield "cancel", 1
    yield "crash", 0
    if has_strangers and rig.position > 0:
        yield "stranger", -1


def happen(rig: Rig, event: Event) -> None:
    """One event."""
    name, number = event
    if name == "approve":
        gate(rig, rig.orders[number])
    elif name == "refuse":
        rig.refuse(number, Reason.MESSAGE_RATE)
    elif name == "fill all":
        rig.fill(number, rig.orders[number].leaves_lots)
    elif name == "fill one":
        rig.fill(number, 1, fill_first=True)
    elif name == "canceled":
        rig.confirm_cancel(number)
    elif name == "lost":
        rig.state(rig.orders[number], OrderState.UNKNOWN)
    elif name == "price":
        rig.price(number)
    elif name == "crash":
        rig.crash()
    elif name == "cancel":
        rig.parents.change(Change(handle=number, action="cancel"), 7)
    else:
        rig.move_position(number)


def gate(rig: Rig, order: Order) -> None:
    """What the gate says: a reduce-only order may close the position with all that works already, not turn it."""
    is_reducing = order.terms.flags & OrderFlag.REDUCE_ONLY
    if is_reducing and rig.working_lots(INSTRUMENT, 0, order.terms.side) + order.terms.qty_lots > rig.position:
        rig.refuse(order.handle, Reason.REDUCING_ONLY)
    else:
        rig.approve(order.handle)


def fingerprint(rig: Rig) -> bytes:
    """Two rigs with the same one go on alike."""
    orders = [(o.handle, o.state, o.filled_lots, o.is_cancel_asked, o.terms.qty_lots) for o in rig.orders.values()]
    last: dict[int, Any] = {news.handle: news.text for news in rig.told}
    return msgspec.json.encode((orders, rig.position, rig.table.count, list(last.values()), len(rig.timers)))


def begun(wish: Instruction, position: int, path: tuple[Event, ...]) -> Rig:
    """The scenario after a path of events."""
    rig = Rig(position=position)
    rig.begin(wish)
    for event in path:
        happen(rig, event)
    return rig


def sold(rig: Rig) -> int:
    """Lots sold by our orders so far."""
    return sum(o.filled_lots for o in rig.orders.values() if o.terms.side == Side.SELL)


def bought(rig: Rig) -> int:
    """Lots bought by our orders so far."""
    return sum(o.filled_lots for o in rig.orders.values() if o.terms.side == Side.BUY)


def check_list(rig: Rig) -> None:
    """Never both legs: sold and still to be sold is the list's quantity at most."""
    assert sold(rig) + rig.closing_lots() <= QTY
    # nothing is sold that the first order has not bought
    assert rig.position >= 0


def check_exits(rig: Rig) -> None:
    """Never more than the position: whatever works, UNKNOWN in full, could not turn it."""
    assert at_venue(rig) <= max(rig.position, 0) or has_stranger_raced(rig)
    assert sold(rig) <= max(bought(rig), QTY)


def at_venue(rig: Rig) -> int:
    """Lots of approved exits, UNKNOWN in full."""
    return rig.working_lots(INSTRUMENT, 0, Side.SELL)


def has_stranger_raced(rig: Rig) -> bool:
    """Somebody else closed what our orders, already at the venue, were there to close: they must be on their way out."""
    excess = at_venue(rig) - max(rig.position, 0)
    leaving = sum(o.leaves_lots for o in rig.orders.values() if o.terms.side == Side.SELL and o.is_cancel_asked)
    return leaving >= excess


def settle(rig: Rig) -> None:
    """Let everything come to rest: the venue answers all, refusals are over, a second passes now and then."""
    for _ in range(60):
        for order in list(rig.orders.values()):
            if order.state == OrderState.NONE:
                gate(rig, order)
            elif order.state == OrderState.UNKNOWN:
                rig.state(order, OrderState.NEW)
            elif order.is_cancel_asked and order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED):
                rig.confirm_cancel(order.handle)
            elif order.terms.order_type == OrderType.MARKET and order.leaves_lots:
                rig.fill(order.handle, order.leaves_lots)
        rig.advance(11_000_000_000)


def check_rest(rig: Rig, wish: Instruction) -> None:
    """At rest: over with nothing open, or still at work - and then a position has its stop."""
    settle(rig)
    is_over = rig.last_status() in OVER
    if is_over:
        assert not [o for o in rig.orders.values() if o.leaves_lots]
        assert rig.table.count == 0
        assert not rig.timers
    if isinstance(wish, Bracket | Protection):
        entry: Order | None = rig.orders.get(10)
        guarded = rig.position if entry is None else min(rig.position, entry.filled_lots - sold(rig))
        if guarded > 0:
            rig.price(LOW)
            settle(rig)
            assert rig.position == 0 or entry is not None
            assert entry is None or entry.filled_lots == sold(rig) or rig.position == 0


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_never_both_legs_never_more_than_the_position_never_orphaned(name: str) -> None:
    wish, position = SCENARIOS[name]
    has_exits = isinstance(wish, Bracket | Protection)
    check: Check = check_exits if has_exits else check_list
    seen: set[bytes] = set()
    layer: list[tuple[Event, ...]] = [()]
    for _ in range(DEPTH):
        following: list[tuple[Event, ...]] = []
        for path in layer:
            for event in list(events(begun(wish, position, path), has_strangers=has_exits)):
                longer = (*path, event)
                rig = begun(wish, position, longer)
                try:
                    check(rig)
                except AssertionError as error:
                    raise AssertionError(f"after {longer}") from error
                mark = fingerprint(rig)
                if mark in seen:
                    continue
                seen.add(mark)
                following.append(longer)
                try:
                    check_rest(rig, wish)
                except AssertionError as error:
                    raise AssertionError(f"at rest after {longer}") from error
        layer = following
    assert len(seen) > 10


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_long_walks_keep_the_same_promises(name: str) -> None:
    wish, position = SCENARIOS[name]
    has_exits = isinstance(wish, Bracket | Protection)
    check: Check = check_exits if has_exits else check_list
    dice = random.Random(name)
    for _ in range(WALKS):
        rig, path = begun(wish, position, ()), []
        for _ in range(STEPS):
            path.append(dice.choice(list(events(rig, has_strangers=has_exits))))
            happen(rig, path[-1])
            try:
                check(rig)
            except AssertionError as error:
                raise AssertionError(f"after {path}") from error
        try:
            check_rest(rig, wish)
        except AssertionError as error:
            raise AssertionError(f"at rest after {path}") from error
