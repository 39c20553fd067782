"""All parents of an engine: who they are, whose a child is, and what each event means to them.

Pure like a parent: what is written, sent and waited for goes through an `Outside`, which is the compiled stage, or a test. Every
event runs to completion: the parent's callback, then - where something changed - its PARENT_STATE with the whole of what a restart
needs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import msgspec

from engine.execution.algos import make as make_algo
from engine.execution.bracket import BracketParent
from engine.execution.held import HeldOrder, news_of
from engine.execution.lists import ListParent
from engine.execution.parent import (
    ENDED_KEPT,
    Child,
    ChildTerms,
    FillFact,
    HeldNews,
    InstrumentFacts,
    MarketView,
    Parent,
    Port,
    Watch,
)
from engine.execution.protection import ProtectionParent
from engine.model.codes import (
    AlarmCode,
    IntentAction,
    OrderState,
    ParentState,
    Reason,
    Side,
    TrailKind,
    TriggerSource,
)
from engine.model.instructions import Algo, Bracket, Change, Held, Instruction, OrderList, Protection, fault_of

Maker = Callable[[Any, int, int], Parent]
# over, but remembered: a fill that nobody expected any more may come
OVER_KEPT = 256
NS_PER_DAY = 86_400 * 10**9
TICK_SOURCES = (TriggerSource.LAST, TriggerSource.BID_ASK)


class WatchRow(msgspec.Struct, kw_only=True, frozen=True):
    """A watch as the trigger table keeps it: prices and the distance in the source's units, a distance in basis points as such."""

    instrument_id: int
    is_above: bool
    is_ask: bool
    trigger_source: int
    level: int
    trail_kind: int
    trail_amount: int
    activation: int
    extreme: int


class ParentNews(msgspec.Struct, kw_only=True, frozen=True):
    """What PARENT_STATE says."""

    handle: int
    strategy_id: int
    instrument_id: int
    qty_lots: int
    filled_lots: int
    working_lots: int
    filled_value: int
    valued_lots: int
    children: int
    reason: int
    kind: int
    status: int
    previous_status: int
    side: int
    position_side: int
    text: bytes


class Outside(Protocol):
    """The engine around it."""

    @property
    def now_wall_ns(self) -> int: ...
    @property
    def now_mono_ns(self) -> int: ...
    def next_handle(self) -> int: ...
    def write_intent(self, action: int, parent: Parent, handle: int, target_handle: int, terms: ChildTerms) -> bool: ...
    def write_instruction(self, handle: int, strategy_id: int, instrument_id: int, text: bytes) -> None: ...
    def write_parent(self, news: ParentNews) -> None: ...
    def write_held(self, strategy_id: int, instrument_id: int, parent_handle: int, news: HeldNews) -> None: ...
    def write_alarm(self, code: int, instrument_id: int, handle: int, text: bytes) -> None: ...
    def add_watch(self, row: WatchRow) -> int: ...
    def drop_watch(self, watch_id: int) -> None: ...
    def watch_extreme(self, watch_id: int) -> int: ...
    def set_holding(self, instrument_id: int, holds: bool) -> None: ...
    def set_listening(self, instrument_id: int, listens: bool) -> None: ...
    def schedule(self, deadline_mono_ns: int, data: int) -> int: ...
    def drop_timer(self, timer_id: int) -> None: ...
    def market(self, instrument_id: int) -> MarketView: ...
    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]: ...
    def position_lots(self, instrument_id: int, position_side: int) -> int: ...
    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int: ...
    def working_lots(self, instrument_id: int, position_side: int, side: int) -> int: ...
    def held_lots(self, instrument_id: int) -> int: ...
    def instrument(self, instrument_id: int) -> InstrumentFacts: ...


class SavedParent(msgspec.Struct, kw_only=True):
    """The JSON of PARENT_STATE: everything that a restart begins with."""

    instruction: Instruction
    strategy_id: int
    status: int
    reason: int
    qty_lots: int
    filled_lots: int
    filled_value: int
    valued_lots: int
    child_count: int
    children: list[Child]
    # order events up to this record are worked off in it
    upto_seq: int = 0
    own: Any = None


MAKERS: dict[type, Maker] = {
    Held: HeldOrder,
    OrderList: ListParent,
    Bracket: BracketParent,
    Protection: ProtectionParent,
    Algo: make_algo,
}


class Parents:
    """See the module. `day_end_ns`: when the session of DAY orders ends, after midnight UTC."""

    def __init__(self, outside: Outside, makers: dict[type, Maker] | None = None, day_end_ns: int = 0) -> None:
        self.outside = outside
        self.makers = dict(MAKERS if makers is None else makers)
        self.day_end_ns = day_end_ns
        self.parents: dict[int, Parent] = {}
        self.over: OrderedDict[int, Parent] = OrderedDict()
        self.parent_of: dict[int, Parent] = {}
        self.timers: dict[int, tuple[Parent, int]] = {}
        self.watches: dict[int, Parent] = {}
        self.listeners: dict[int, list[Parent]] = {}
        self.told: dict[int, int] = {}
        self.order_seq = 0
        # false while the account of an earlier run has not been read again: what was restored waits
        self.is_running = True
        self.is_stopping = False

    # --- what a parent's port asks for ---

    @property
    def now_wall_ns(self) -> int:
        """The event's stamp."""
        return self.outside.now_wall_ns

    @property
    def now_mono_ns(self) -> int:
        """The event's stamp."""
        return self.outside.now_mono_ns

    def submit(self, parent: Parent, terms: ChildTerms) -> int:
        """An order of a parent, to the gate; 0 where there is no room or the engine stops."""
        if self.is_stopping or not self.is_running:
            return 0
        handle = terms.handle or self.outside.next_handle()
        if not self.outside.write_intent(IntentAction.SUBMIT, parent, handle, 0, terms):
            return 0
        self.adopt(parent, child_of(terms, handle))
        return handle

    def adopt(self, parent: Parent, child: Child) -> None:
        """From now on the child's reports are the parent's."""
        known = self.parent_of.get(child.handle) is parent and child.handle in parent.children
        parent.children[child.handle] = child
        parent.child_count += not known
        self.parent_of[child.handle] = parent
        parent.is_changed = True
        ended = [item.handle for item in parent.children.values() if item.is_over]
        for handle in ended[: max(len(ended) - ENDED_KEPT, 0)]:
            del parent.children[handle]
            self.parent_of.pop(handle, None)

    def cancel(self, parent: Parent, child: Child) -> bool:
        """A child's cancel, to the gate, which never refuses one."""
        terms = ChildTerms(side=child.side, qty_lots=child.qty_lots, position_side=child.position_side)
        return self.outside.write_intent(IntentAction.CANCEL, parent, child.handle, child.handle, terms)

    def replace(self, parent: Parent, child: Child, price_ticks: int, qty_lots: int) -> int:
        """A child's replace, to the gate; the handle of the order that takes the place, or 0."""
        handle = self.outside.next_handle()
        terms = ChildTerms(
            side=child.side,
            qty_lots=qty_lots or child.qty_lots,
            order_type=child.order_type,
            price_ticks=price_ticks or child.price_ticks,
            time_in_force=child.time_in_force,
            flags=child.flags,
            role=child.role,
            position_side=child.position_side,
        )
        if self.is_stopping or not self.outside.write_intent(IntentAction.REPLACE, parent, handle, child.handle, terms):
            return 0
        self.adopt(parent, msgspec.structs.replace(child_of(terms, handle), replaces=child.handle))
        return handle

    def set_timer(self, parent: Parent, delay_ns: int, data: int) -> int:
        """A timer of a parent."""
        timer_id = self.outside.schedule(self.outside.now_mono_ns + delay_ns, data)
        self.timers[timer_id] = (parent, data)
        return timer_id

    def drop_timer(self, timer_id: int) -> None:
        """Take it back."""
        if self.timers.pop(timer_id, None) is not None:
            self.outside.drop_timer(timer_id)

    def arm(self, parent: Parent, watch: Watch) -> int:
        """A watch of a parent, in the trigger table; 0 where it is full."""
        watch_id = self.outside.add_watch(self.row_of(parent, watch))
        if watch_id:
            self.watches[watch_id] = parent
        return watch_id

    def row_of(self, parent: Parent, watch: Watch) -> WatchRow:
        """The watch in the units of its source."""
        instrument_id = watch.instrument_id or parent.instrument_id
        size = 1 if watch.trigger_source in TICK_SOURCES else self.outside.instrument(instrument_id).tick_size_e8
        return WatchRow(
            instrument_id=instrument_id,
            is_above=watch.is_above,
            is_ask=watch.side == Side.BUY,
            trigger_source=watch.trigger_source,
            level=watch.level_ticks * size,
            trail_kind=watch.trail_kind,
            trail_amount=watch.trail_amount * (size if watch.trail_kind == TrailKind.TICKS else 1),
            activation=watch.activation_ticks * size,
            extreme=watch.extreme,
        )

    def disarm(self, watch_id: int) -> None:
        """The watch is not wanted any more."""
        if self.watches.pop(watch_id, None) is not None:
            self.outside.drop_watch(watch_id)

    def trail_extreme(self, watch_id: int) -> int:
        """The best price of a trailing watch."""
        return self.outside.watch_extreme(watch_id)

    def listen(self, parent: Parent, wanted: bool) -> None:
        """Tell the parent the whole market of its instrument, or no longer."""
        rows = self.listeners.setdefault(parent.instrument_id, [])
        if wanted and parent not in rows:
            rows.append(parent)
        elif not wanted and parent in rows:
            rows.remove(parent)
        self.outside.set_listening(parent.instrument_id, bool(rows))

    def market(self, instrument_id: int) -> MarketView:
        """The market as it stands."""
        return self.outside.market(instrument_id)

    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]:
        """Levels of the book."""
        return self.outside.levels(instrument_id, side, depth)

    def position_lots(self, instrument_id: int, position_side: int) -> int:
        """The account's position."""
        return self.outside.position_lots(instrument_id, position_side)

    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int:
        """Its average price."""
        return self.outside.entry_price_ticks(instrument_id, position_side)

    def closable_lots(self, instrument_id: int, position_side: int, side: int) -> int:
        """What of the position nothing closes yet: orders at work and orders just asked for count in full."""
        position_lots = self.outside.position_lots(instrument_id, position_side)
        open_lots = position_lots if side == Side.SELL else -position_lots
        if side == Side.SELL and self.outside.instrument(instrument_id).kind == 0:
            # fees in the base asset leave less than the fills make
            open_lots = min(open_lots, self.outside.held_lots(instrument_id))
        open_lots -= self.outside.working_lots(instrument_id, position_side, side)
        return max(open_lots - self.asked_lots(instrument_id, position_side, side), 0)

    def asked_lots(self, instrument_id: int, position_side: int, side: int) -> int:
        """Orders of all parents that the gate has not answered yet."""
        return sum(
            child.qty_lots
            for parent in self.parents.values()
            if parent.instrument_id == instrument_id
            for child in parent.children.values()
            if child.state == OrderState.NONE and child.side == side and child.position_side == position_side
        )

    def instrument(self, instrument_id: int) -> InstrumentFacts:
        """Reference data."""
        return self.outside.instrument(instrument_id)

    def next_handle(self) -> int:
        """A handle that nobody has."""
        return self.outside.next_handle()

    def session_end_ns(self) -> int:
        """The next end of a session by the wall clock."""
        now_ns = self.outside.now_wall_ns
        end_ns = now_ns - now_ns % NS_PER_DAY + self.day_end_ns
        return end_ns if end_ns > now_ns else end_ns + NS_PER_DAY

    def tell_held(self, parent: Parent, news: HeldNews) -> None:
        """HELD_ORDER."""
        self.outside.write_held(parent.strategy_id, parent.instrument_id, parent.handle, news)

    def alarm(self, parent: Parent, code: int, text: str) -> None:
        """ALARM."""
        self.outside.write_alarm(code, parent.instrument_id, parent.handle, text.encode())

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
        reason: list[int] = [Reason.NONE]

        def work() -> None:
            if wish.action == "cancel" and wish.handle == parent.handle:
                parent.cancel_by(by_person=by_person)
            elif wish.action == "cancel":
                reason[0] = Reason.NONE if parent.cancel_order(wish.handle) else Reason.ORDER_NOT_OPEN
            elif wish.action == "pause":
                parent.pause()
            elif wish.action == "resume":
                parent.resume()
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

    def on_order_state(self, handle: int, news: OrderNews) -> None:
        """ORDER_STATE of any order."""
        parent = self.parent_of.get(handle)
        child = parent.children.get(handle) if parent is not None else None
        if parent is None or child is None:
            return
        self.note_state(parent, child, news)
        self.run(parent, lambda: parent.on_child(child))

    def note_state(self, parent: Parent, child: Child, news: OrderNews) -> None:
        """What the order's own books say."""
        child.state, child.reason = news.state, news.reason
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
        if parent is not None and child is not None:
            self.note_fill(parent, child, fill)
            self.run(parent, lambda: parent.on_fill(child, fill))
        self.tell_position(instrument_id, position_side)

    def note_fill(self, parent: Parent, child: Child, fill: FillFact) -> None:
        """Count one fill."""
        child.seen_lots += fill.qty_lots
        child.late_lots = max(child.late_lots - fill.qty_lots, 0)
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
        if parent.is_changed:
            self.write(parent)
        if parent.is_over:
            self.forget(parent)

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


class OrderNews(msgspec.Struct, kw_only=True, frozen=True):
    """What ORDER_STATE says of a child."""

    state: int
    reason: int
    price_ticks: int
    qty_lots: int
    cum_lots: int
    leaves_lots: int


def child_of(terms: ChildTerms, handle: int) -> Child:
    """The child that was just asked for."""
    return Child(
        handle=handle,
        role=terms.role,
        side=terms.side,
        order_type=terms.order_type,
        time_in_force=terms.time_in_force,
        flags=terms.flags,
        price_ticks=terms.price_ticks,
        qty_lots=terms.qty_lots,
        position_side=terms.position_side,
    )


def orders_of(wish: Instruction) -> tuple[Any, ...]:
    """The orders that an instruction names."""
    if isinstance(wish, Held):
        return (wish.order,)
    if isinstance(wish, OrderList):
        return wish.orders
    return (wish.entry,) if isinstance(wish, Bracket) else ()


def saved_of(parent: Parent, upto_seq: int) -> SavedParent:
    """Everything that a restart needs; of ended children only those whose fills have not all come."""
    return SavedParent(
        instruction=parent.instruction,
        strategy_id=parent.strategy_id,
        status=parent.status,
        reason=parent.reason,
        qty_lots=parent.qty_lots,
        filled_lots=parent.filled_lots,
        filled_value=parent.filled_value,
        valued_lots=parent.valued_lots,
        child_count=parent.child_count,
        children=saved_children(parent),
        upto_seq=upto_seq,
        own=parent.state(),
    )


def saved_children(parent: Parent) -> list[Child]:
    """Those that may still be filled, and as many ended ones as its kind needs to know of."""
    ended = [child.handle for child in parent.children.values() if child.is_over]
    left_out = set(ended[: len(ended) - parent.ended_saved] if parent.ended_saved else ended)
    return [child for child in parent.children.values() if child.handle not in left_out]
