"""All parents of an engine: who they are, whose a child is, and what each event means to them.

Pure like a parent: what is written, sent and waited for goes through an `Outside`, which is the compiled stage, or a test. Every
event runs to completion: the parent's callback, then - where something changed - its PARENT_STATE with the whole of what a restart
needs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from engine.execution.algos import make as make_algo
from engine.execution.bracket import BracketParent
from engine.execution.held import HeldOrder, news_of
from engine.execution.lists import ListParent
from engine.execution.outside import (
    OrderNews,
    Outside,
    ParentNews,
    SavedParent,
    WatchRow,
    orders_of,
    saved_of,
)
from engine.execution.parent import (
    ENDED_STATES,
    Child,
    FillFact,
    MarketView,
    Parent,
    Port,
)
from engine.execution.protection import ProtectionParent
from engine.execution.requests import Requests
from engine.model.codes import (
    AlarmCode,
    OrderState,
    ParentState,
    Reason,
)
from engine.model.instructions import Algo, Bracket, Change, Held, Instruction, OrderList, Protection, fault_of

Maker = Callable[[Any, int, int], Parent]
# over, but remembered: a fill that nobody expected any more may come
OVER_KEPT = 256


__all__ = ["MAKERS", "Maker", "OrderNews", "Outside", "ParentNews", "Parents", "SavedParent", "WatchRow", "saved_of"]

MAKERS: dict[type, Maker] = {
    Held: HeldOrder,
    OrderList: ListParent,
    Bracket: BracketParent,
    Protection: ProtectionParent,
    Algo: make_algo,
}


class Parents(Requests):
    """See the module. `makers`: the kinds of parents, by type of instruction."""

    def __init__(self, outside: Outside, makers: dict[type, Maker] | None = None, day_end_ns: int = 0) -> None:
        super().__init__(outside, day_end_ns)
        self.makers = dict(MAKERS if makers is None else makers)
        self.over: OrderedDict[int, Parent] = OrderedDict()
        self.told: dict[int, int] = {}
        # those that wait for room or for the market
        self.waiting: dict[int, Parent] = {}
        self.order_seq = 0
        # while one event calls several parents, or one of them several times: whose state is written at its end
        self.is_in_turn = False
        self.unwritten: dict[int, Parent] = {}

    # --- instructions and changes ---

    def begin(self, wish: Instruction, handle: int, strategy_id: int) -> Parent:
        """A new instruction. One that makes no sense ends REJECTED at once, and its orders with it."""
        parent = self.make(wish, handle, strategy_id)
        fault = fault_of(wish)
        if fault or self.is_stopping:
            self.reject(parent, fault)
        else:
            self.add(parent)
            self.run(parent, parent.on_start)
        return parent

    def make(self, wish: Instruction, handle: int, strategy_id: int) -> Parent:
        """The parent of an instruction, not yet known to anybody."""
        parent = self.makers[type(wish)](wish, handle, strategy_id)
        parent.port = Port(self, parent)
        return parent

    def add(self, parent: Parent) -> None:
        """Its instrument is watched from now on."""
        self.parents[parent.handle] = parent
        self.outside.set_holding(parent.instrument_id, True)

    def reject(self, parent: Parent, fault: str) -> None:
        """REJECTED without anything begun."""
        for order in orders_of(parent.instruction):
            handle = order.handle or (parent.handle if isinstance(parent.instruction, Held) else 0)
            if handle:
                self.tell_held(parent, news_of(order, handle, OrderState.REFUSED, Reason.UNSUPPORTED))
        if fault:
            self.alarm(parent, AlarmCode.PARENT_FAILED, fault)
        parent.end(ParentState.REJECTED, Reason.UNSUPPORTED if fault else Reason.HALTED)
        self.write(parent)

    def change(self, wish: Change, strategy_id: int) -> int:
        """Something is asked of a parent or one of its orders; a Reason where it cannot be. Strategy 0 is a person."""
        parent = self.find(wish.handle)
        if parent is None or parent.is_over:
            return Reason.UNKNOWN_ORDER
        if strategy_id not in (0, parent.strategy_id):
            return Reason.UNKNOWN_ORDER
        return self.apply_change(parent, wish, by_person=strategy_id == 0)

    def apply_change(self, parent: Parent, wish: Change, *, by_person: bool) -> int:
        """The change itself."""
        # what is not begun because the engine stops, or has not read the account yet
        reason: list[int] = [Reason.HALTED]

        def work() -> None:
            reason[0] = Reason.NONE
            if wish.action == "cancel" and wish.handle == parent.handle:
                parent.cancel_by(by_person=by_person)
            elif wish.action == "cancel":
                reason[0] = Reason.NONE if parent.cancel_order(wish.handle) else Reason.ORDER_NOT_OPEN
            elif wish.action in ("pause", "resume"):
                reason[0] = paused_or_resumed(parent, wish.action)
            elif wish.exits is not None:
                reason[0] = parent.amend_exits(wish.exits)
            else:
                reason[0] = parent.amend(wish.handle, wish.price_ticks, wish.qty_lots, wish.trigger_ticks)

        self.run(parent, work)
        return reason[0]

    def find(self, handle: int) -> Parent | None:
        """The parent by its handle, or by one of its orders'."""
        return self.parents.get(handle) or self.parent_of.get(handle) or self.leg_owner(handle)

    def leg_owner(self, handle: int) -> Parent | None:
        """The parent one of whose orders, not yet sent, has the handle."""
        for parent in self.parents.values():
            if any(order.handle == handle for order in orders_of(parent.instruction)):
                return parent
        return None

    def in_scope(self, *, venue_instruments: set[int] | None, strategy_id: int, instrument_id: int) -> Iterator[Parent]:
        """Parents of a scope; 0 and None = all."""
        for parent in list(self.parents.values()):
            if parent.is_over or (strategy_id and parent.strategy_id != strategy_id):
                continue
            if instrument_id and parent.instrument_id != instrument_id:
                continue
            if venue_instruments is not None and parent.instrument_id not in venue_instruments:
                continue
            yield parent

    def sweep(
        self,
        *,
        is_kill: bool,
        venue_instruments: set[int] | None = None,
        strategy_id: int = 0,
        instrument_id: int = 0,
    ) -> None:
        """Kill, a scope's cancel, flatten: what could add to a position ends, what closes one stays held, and its owner is told."""
        for parent in self.in_scope(
            venue_instruments=venue_instruments, strategy_id=strategy_id, instrument_id=instrument_id
        ):
            self.run(parent, partial(parent.on_sweep, is_kill=is_kill))

    def stop(self) -> None:
        """The engine stops in order: nothing new is sent; what is held goes on after the restart."""
        self.is_stopping = True

    # --- events ---

    def on_order_state(self, handle: int, news: OrderNews, instrument_id: int = 0) -> None:
        """ORDER_STATE of any order. Where one has ended, fired stops that wait for room go before whoever it was."""
        with self.turn():
            self.take_order_state(handle, news, instrument_id)

    def take_order_state(self, handle: int, news: OrderNews, instrument_id: int) -> None:
        """What it means, and to whom."""
        parent = self.parent_of.get(handle)
        child = parent.children.get(handle) if parent is not None else None
        if parent is not None and child is not None:
            self.note_state(parent, child, news)
        if news.state in ENDED_STATES or news.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED):
            self.clearing.discard(handle)  # it ended, or its cancel was refused
        if news.state in ENDED_STATES:
            self.tell_room(parent.instrument_id if parent is not None else instrument_id, parent)
        if parent is not None and child is not None:
            self.run(parent, lambda: parent.on_child(child))
            if parent.waits_for_room and news.state in ENDED_STATES and not parent.presses(child):
                self.run(parent, parent.on_room)  # one of its own that rested; the stop's own orders hold nothing up

    def tell_room(self, instrument_id: int, ended: Parent | None) -> None:
        """Orders of an instrument have ended: what waits for that is told, but for their own parent."""
        for parent in list(self.waiting.values()):
            if parent.waits_for_room and parent.instrument_id == instrument_id and parent is not ended:
                self.run(parent, parent.on_room)

    def on_tick(self) -> None:
        """Time to see whether what was refused for the market's or the session's sake may pass now."""
        for parent in list(self.waiting.values()):
            if parent.waits_for_market and self.outside.is_open(parent.instrument_id):
                self.run(parent, parent.on_open)

    def note_state(self, parent: Parent, child: Child, news: OrderNews) -> None:
        """What the order's own books say."""
        child.state, child.reason = news.state, news.reason
        child.was_cancel_sent |= news.state == OrderState.PENDING_CANCEL
        child.price_ticks, child.qty_lots = news.price_ticks, news.qty_lots or child.qty_lots
        child.late_lots = news.leaves_lots if child.is_ended else 0
        if child.is_resting:
            child.is_cancel_wanted = False  # a cancel that was refused or overtaken may be asked for anew
        self.note_filled(parent, child, news.cum_lots)

    def note_filled(self, parent: Parent, child: Child, filled_lots: int) -> None:
        """Fills are told twice, by order and by trade; they count once."""
        if filled_lots > child.filled_lots:
            if parent.counts(child):
                parent.filled_lots += filled_lots - child.filled_lots
            child.filled_lots = filled_lots
        parent.is_changed = True

    def on_fill(self, handle: int, fill: FillFact, instrument_id: int, position_side: int) -> None:
        """FILL of any order, ours or not: the position has moved."""
        parent = self.parent_of.get(handle)
        child = parent.children.get(handle) if parent is not None else None
        with self.turn():
            if parent is not None and child is not None:
                self.note_fill(parent, child, fill)
                self.run(parent, lambda: parent.on_fill(child, fill))
            self.tell_position(instrument_id, position_side)

    def note_fill(self, parent: Parent, child: Child, fill: FillFact) -> None:
        """Count one fill."""
        child.seen_lots += fill.qty_lots
        # what the order's own books have told of this fill already is no longer late
        child.late_lots = max(child.late_lots - max(child.seen_lots - child.filled_lots, 0), 0)
        if parent.counts(child):
            parent.filled_value += fill.price_ticks * fill.qty_lots
            parent.valued_lots += fill.qty_lots
        self.note_filled(parent, child, child.seen_lots)
        if parent.is_over:
            self.revive(parent)

    def revive(self, parent: Parent) -> None:
        """A fill after the end: a parent that protects what was filled must look again."""
        if parent.on_late_fill() and parent.handle in self.over:
            del self.over[parent.handle]
            self.add(parent)

    def tell_position(self, instrument_id: int, position_side: int) -> None:
        """The position changed, by whomever: those that follow it are told."""
        for parent in list(self.parents.values()):
            if parent.instrument_id != instrument_id or parent.is_over or not self.is_running:
                continue
            if parent.position_side == position_side:
                lots = self.outside.position_lots(instrument_id, position_side)
                self.run(parent, partial(parent.on_position, lots))

    def on_refusal(self, handle: int, reason: int) -> None:
        """The gate has refused a child."""
        parent = self.parent_of.get(handle)
        child = parent.children.get(handle) if parent is not None else None
        if parent is not None and child is not None and child.state == OrderState.NONE:
            child.state, child.reason = OrderState.REFUSED, reason
            with self.turn():
                self.tell_room(parent.instrument_id, parent)
                self.run(parent, lambda: parent.on_child(child))

    def on_timer(self, timer_id: int) -> None:
        """A timer of ours came due."""
        found = self.timers.pop(timer_id, None)
        if found is not None and not found[0].is_over:
            parent, data = found
            self.run(parent, lambda: parent.on_timer(timer_id, data))

    def on_trigger(self, watch_id: int, price: int) -> None:
        """A watch fired, and is gone."""
        parent = self.watches.pop(watch_id, None)
        if parent is not None and not parent.is_over:
            self.run(parent, lambda: parent.on_trigger(watch_id, price))

    def on_trail(self, watch_id: int, level: int) -> None:
        """A trailing watch moved its level."""
        parent = self.watches.get(watch_id)
        if parent is not None and not parent.is_over:
            self.run(parent, lambda: parent.on_trail(watch_id, level))

    def on_market(self, view: MarketView) -> None:
        """A market event of an instrument that somebody listens to."""
        for parent in list(self.listeners.get(view.instrument_id, ())):
            if not parent.is_over:
                self.run(parent, partial(parent.on_market, view))

    def on_armed(self) -> None:
        """A person armed the engine: what was refused in the meantime is tried again at once."""
        for parent in list(self.parents.values()):
            if not parent.is_over:
                self.run(parent, parent.on_armed)

    # --- after every event ---

    def run(self, parent: Parent, work: Callable[[], None]) -> None:
        """One callback, then what it left to be written down."""
        if self.is_running and not self.is_stopping:
            work()
            parent.settle_cancel()
            self.note_waiting(parent)
        if self.is_in_turn:
            self.unwritten[parent.handle] = parent
        else:
            self.settle(parent)

    def settle(self, parent: Parent) -> None:
        """What a callback left to be written down."""
        if parent.is_changed:
            self.write(parent)
        if parent.is_over:
            self.forget(parent)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One event that calls back more than once: each parent is written down once, in the same breath as its orders."""
        self.is_in_turn = True
        try:
            yield
        finally:
            self.is_in_turn = False
        while self.unwritten:
            self.settle(self.unwritten.pop(next(iter(self.unwritten))))

    def note_waiting(self, parent: Parent) -> None:
        """Whom the end of somebody's order, or a tick, concerns."""
        if parent.waits_for_room or parent.waits_for_market:
            self.waiting[parent.handle] = parent
        else:
            self.waiting.pop(parent.handle, None)

    def write(self, parent: Parent) -> None:
        """PARENT_STATE."""
        parent.is_changed = False
        previous = self.told.get(parent.handle, ParentState.NONE)
        self.told[parent.handle] = parent.status
        self.outside.write_parent(
            ParentNews(
                handle=parent.handle,
                strategy_id=parent.strategy_id,
                instrument_id=parent.instrument_id,
                qty_lots=parent.qty_lots,
                filled_lots=parent.filled_lots,
                working_lots=parent.working_lots,
                filled_value=parent.filled_value,
                valued_lots=parent.valued_lots,
                children=parent.child_count,
                reason=parent.reason,
                kind=parent.kind,
                status=parent.status,
                previous_status=previous,
                side=parent.side,
                position_side=parent.position_side,
                text=msgspec.json.encode(saved_of(parent, self.order_seq)),
            )
        )

    def forget(self, parent: Parent) -> None:
        """It is over: nothing waits for it, late fills still find it."""
        self.told.pop(parent.handle, None)
        self.waiting.pop(parent.handle, None)
        if self.parents.pop(parent.handle, None) is None:
            return
        for watch_id in [key for key, owner in self.watches.items() if owner is parent]:
            self.disarm(watch_id)
        for timer_id in [key for key, (owner, _) in self.timers.items() if owner is parent]:
            self.drop_timer(timer_id)
        if parent in self.listeners.get(parent.instrument_id, ()):
            self.listen(parent, wanted=False)
        if not any(other.instrument_id == parent.instrument_id for other in self.parents.values()):
            self.outside.set_holding(parent.instrument_id, False)
        self.over[parent.handle] = parent
        while len(self.over) > OVER_KEPT:
            _, oldest = self.over.popitem(last=False)
            for handle in oldest.children:
                self.parent_of.pop(handle, None)

    # --- restart ---

    def take_up(self) -> None:
        """The account has been read again: what was restored goes on."""
        self.is_running = True
        for parent in list(self.parents.values()):
            parent.is_changed = True
            self.run(parent, parent.on_start if parent.status == ParentState.NONE else parent.on_resume_run)


def paused_or_resumed(parent: Parent, action: str) -> int:
    """Pause or resume; a Reason where that changed nothing: it stood so already, or - working - is of a kind that is not paused."""
    before = parent.status
    if action == "pause":
        parent.pause()
    else:
        parent.resume()
    if parent.status != before or parent.is_over:
        return Reason.NONE
    return Reason.UNSUPPORTED if action == "pause" and before == ParentState.WORKING else Reason.ORDER_NOT_OPEN
