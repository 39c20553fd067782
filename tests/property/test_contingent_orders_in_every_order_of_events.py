"""Every order of events, up to a depth, through lists, brackets and protection: gate, venue, prices, cancels and strangers.

At every moment: what exclusive orders have filled and may still fill never exceeds the list's quantity; what closes never
exceeds the position; and when all is quiet no order is left behind and no position without its stop.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from engine.execution.lists import ListParent
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

SPOT, FUTURE = 0, 1
HELD_STOP = Held(instrument_id=INSTRUMENT, order=HELD)
BRACKET = Bracket(instrument_id=INSTRUMENT, entry=ENTRY, exits=EXITS)
PROTECTION = Protection(instrument_id=INSTRUMENT, exits=EXITS)


class Begin(NamedTuple):
    """An instruction, the position it finds, what kind of instrument it is, and lots of a strategy's quote that holds of it."""

    wish: Instruction
    position: int = QTY
    kind: int = FUTURE
    quote_lots: int = 0


SCENARIOS: dict[str, Begin] = {
    "held": Begin(HELD_STOP),
    "held on spot beside a quote": Begin(HELD_STOP, kind=SPOT, quote_lots=2),
    "oco": Begin(listed(Contingency.OCO, TARGET, STOP)),
    "oco of held orders": Begin(listed(Contingency.OCO, TOUCH, STOP)),
    "ouo": Begin(listed(Contingency.OUO, TARGET, STOP)),
    "otoco": Begin(listed(Contingency.OTOCO, ENTRY, TARGET, STOP), 0),
    "bracket": Begin(BRACKET, 0),
    "bracket on spot": Begin(BRACKET, 0, SPOT),
    "protection": Begin(PROTECTION),
    "protection beside a quote": Begin(PROTECTION, quote_lots=3),
    "protection on spot": Begin(PROTECTION, kind=SPOT),
    "protection on spot beside a quote": Begin(PROTECTION, kind=SPOT, quote_lots=3),
}
QUOTE = 901


def events(rig: Rig, *, has_strangers: bool) -> Iterator[Event]:
    """What can happen now."""
    for order in rig.orders.values():
        if order.state == OrderState.NONE:
            yield "approve", order.handle
            yield "refuse", order.handle
        elif order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN):
            lots = fillable(rig, order)
            if lots > 0:
                yield "fill all", order.handle
            if lots > 1:
                yield "fill one", order.handle
            if order.is_cancel_asked:
                yield "canceled", order.handle
            if order.state != OrderState.UNKNOWN:
                yield "lost", order.handle
    yield "price", LOW
    yield "price", HIGH
    yield "cancel", 1
    for handle in listed_handles(rig):
        yield "cancel", handle
    yield "crash", 0
    locked = rig.working_lots(INSTRUMENT, 0, Side.SELL) if rig.kind == SPOT else 0
    if has_strangers and rig.position > locked:  # on spot an order's balance is nobody else's
        yield "stranger", -1
    if rig.strangers_asked and QUOTE in rig.strangers:
        yield "quote gone", QUOTE


def listed_handles(rig: Rig) -> list[int]:
    """The orders of a list that have not ended: any of them may be cancelled by itself."""
    parent = rig.parents.parents.get(1)
    return [leg.handle for leg in parent.legs if not leg.is_dead] if isinstance(parent, ListParent) else []


def is_cut(rig: Rig, order: Order) -> bool:
    """Of a future the venue cuts what is reduce-only to the position."""
    return rig.kind == FUTURE and bool(order.terms.flags & OrderFlag.REDUCE_ONLY)


def fillable(rig: Rig, order: Order) -> int:
    """What the venue would fill of it at most."""
    return min(order.leaves_lots, max(rig.position, 0)) if is_cut(rig, order) else order.leaves_lots


def cut(rig: Rig) -> None:
    """The venue ends reduce-only orders that have nothing left to reduce."""
    for order in list(rig.orders.values()):
        if is_cut(rig, order) and rig.position <= 0 and order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED):
            rig.state(order, OrderState.EXPIRED, 0)


def happen(rig: Rig, event: Event) -> None:
    """One event."""
    name, number = event
    if name == "approve":
        gate(rig, rig.orders[number])
    elif name == "refuse":
        rig.refuse(number, Reason.MESSAGE_RATE)
    elif name == "fill all":
        rig.fill(number, fillable(rig, rig.orders[number]))
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
    elif name == "quote gone":
        rig.end_stranger(number)
    else:
        rig.move_position(number)
    cut(rig)


def gate(rig: Rig, order: Order) -> None:
    """What the gate says: a reduce-only order may close the position with all that works already, not turn it; a future's that
    takes at the market is measured alone. All of these together stay within the position by the engine's own doing."""
    is_reducing = order.terms.flags & OrderFlag.REDUCE_ONLY
    takes = is_cut(rig, order) and order.terms.order_type == OrderType.MARKET
    beside = 0 if takes else rig.working_lots(INSTRUMENT, 0, order.terms.side)
    if is_reducing and beside + order.terms.qty_lots > rig.position:
        rig.refuse(order.handle, Reason.REDUCING_ONLY)
    else:
        rig.approve(order.handle)


def fingerprint(rig: Rig) -> bytes:
    """Two rigs with the same one go on alike."""
    orders = [(o.handle, o.state, o.filled_lots, o.is_cancel_asked, o.terms.qty_lots) for o in rig.orders.values()]
    last: dict[int, Any] = {news.handle: news.text for news in rig.told}
    return msgspec.json.encode((orders, rig.position, rig.table.count, list(last.values()), len(rig.timers)))


def begun(scenario: Begin, path: tuple[Event, ...]) -> Rig:
    """The scenario after a path of events."""
    rig = Rig(position=scenario.position, kind=scenario.kind)
    if scenario.quote_lots:
        rig.add_stranger(QUOTE, scenario.quote_lots, HIGH + 900)
    rig.begin(scenario.wish)
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
    """Never more than the position: whatever works, UNKNOWN in full, could not turn it. Of a future what rests and what takes count
    each by itself, since the venue cuts them."""
    exits = [o for o in rig.orders.values() if o.terms.side == Side.SELL]
    takes = [o for o in exits if o.terms.order_type == OrderType.MARKET]
    rests = [o for o in exits if o.terms.order_type != OrderType.MARKET]
    for group in (takes, rests) if rig.kind == FUTURE else (exits,):
        assert sum(o.leaves_lots for o in group if o.state != OrderState.NONE) <= max(
            rig.position, 0
        ) or is_on_its_way_out(rig, group)
    assert rig.position >= 0
    assert sold(rig) <= max(bought(rig), QTY)


def is_on_its_way_out(rig: Rig, exits: list[Order]) -> bool:
    """Somebody else closed what our orders at the venue were there to close: they are cancelled, or the venue cuts them."""
    excess = sum(o.leaves_lots for o in exits if o.state != OrderState.NONE) - max(rig.position, 0)
    leaving = sum(o.leaves_lots for o in exits if o.is_cancel_asked)
    return leaving >= excess or all(is_cut(rig, o) and o.terms.order_type == OrderType.MARKET for o in exits)


def check_together(rig: Rig, event: Event) -> None:
    """After a cancel of one order of a pair, or of an OTO's that still waits, nothing is left that is not on its way out."""
    name, handle = event
    parent = rig.parents.parents.get(1) or rig.parents.over.get(1)
    if name != "cancel" or handle == 1 or not isinstance(parent, ListParent) or parent.contingency == Contingency.OUO:
        return
    is_making_way = any(leg.hold.is_fired and not leg.is_dead for leg in parent.legs)
    left = [o for o in rig.orders.values() if o.leaves_lots and not o.is_cancel_asked]
    waiting = [leg for leg in parent.legs if not leg.is_dead and parent.child_of(leg) is None]
    assert is_making_way or not (left or waiting)


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
            elif order.terms.order_type == OrderType.MARKET and fillable(rig, order):
                rig.fill(order.handle, fillable(rig, order))
        cut(rig)
        if rig.strangers_asked and QUOTE in rig.strangers:
            rig.end_stranger(QUOTE)
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
    scenario = SCENARIOS[name]
    wish = scenario.wish
    has_exits = isinstance(wish, Bracket | Protection)
    check: Check = check_exits if has_exits else check_list
    seen: set[bytes] = set()
    layer: list[tuple[Event, ...]] = [()]
    for _ in range(DEPTH):
        following: list[tuple[Event, ...]] = []
        for path in layer:
            for event in list(events(begun(scenario, path), has_strangers=has_exits)):
                longer = (*path, event)
                rig = begun(scenario, longer)
                try:
                    check(rig)
                    check_together(rig, event)
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
    scenario = SCENARIOS[name]
    wish = scenario.wish
    has_exits = isinstance(wish, Bracket | Protection)
    check: Check = check_exits if has_exits else check_list
    dice = random.Random(name)
    for _ in range(WALKS):
        rig, path = begun(scenario, ()), []
        for _ in range(STEPS):
            path.append(dice.choice(list(events(rig, has_strangers=has_exits))))
            happen(rig, path[-1])
            try:
                check(rig)
                check_together(rig, path[-1])
            except AssertionError as error:
                raise AssertionError(f"after {path}") from error
        try:
            check_rest(rig, wish)
        except AssertionError as error:
            raise AssertionError(f"at rest after {path}") from error
