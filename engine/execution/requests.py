"""What the ports of all parents ask for, carried out: orders, timers, watches, and looks at the market."""

from __future__ import annotations

import msgspec

from engine.execution.outside import Outside, WatchRow, child_of
from engine.execution.parent import ENDED_KEPT, Parent
from engine.execution.terms import (
    Child,
    ChildTerms,
    ClosingOrder,
    HeldNews,
    InstrumentFacts,
    MarketView,
    Watch,
    takes_to_close,
)
from engine.model.codes import AlarmCode, IntentAction, OrderState, OrderType, Side, TrailKind, TriggerSource

NS_PER_DAY = 86_400 * 10**9
TICK_SOURCES = (TriggerSource.LAST, TriggerSource.BID_ASK)


class Requests:
    """The half of `Parents` that ports talk to. `day_end_ns`: when the session of DAY orders ends, after midnight UTC."""

    def __init__(self, outside: Outside, day_end_ns: int) -> None:
        self.outside = outside
        self.day_end_ns = day_end_ns
        self.parents: dict[int, Parent] = {}
        self.parent_of: dict[int, Parent] = {}
        self.timers: dict[int, tuple[Parent, int]] = {}
        self.watches: dict[int, Parent] = {}
        self.listeners: dict[int, list[Parent]] = {}
        # orders that were asked to make way for a fired stop, and have not ended
        self.clearing: set[int] = set()
        self.told_cleared: set[int] = set()
        # false while the account of an earlier run has not been read again: what was restored waits
        self.is_running = True
        self.is_stopping = False

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

    def is_open(self, instrument_id: int) -> bool:
        """Would neither book, session nor trading state refuse an order now."""
        return self.outside.is_open(instrument_id)

    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]:
        """Levels of the book."""
        return self.outside.levels(instrument_id, side, depth)

    def position_lots(self, instrument_id: int, position_side: int) -> int:
        """The account's position."""
        return self.outside.position_lots(instrument_id, position_side)

    def strategy_lots(self, strategy_id: int, instrument_id: int, position_side: int) -> int:
        """A strategy's own part of it."""
        return self.outside.strategy_lots(strategy_id, instrument_id, position_side)

    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int:
        """Its average price."""
        return self.outside.entry_price_ticks(instrument_id, position_side)

    def closable_lots(self, instrument_id: int, position_side: int, side: int) -> int:
        """What of the position nothing closes yet: orders at work and orders just asked for count in full."""
        open_lots = self.whole_lots(instrument_id, position_side, side)
        open_lots -= self.outside.working_lots(instrument_id, position_side, side)
        return max(open_lots - self.asked_lots(instrument_id, position_side, side), 0)

    def whole_lots(self, instrument_id: int, position_side: int, side: int) -> int:
        """What orders of a side could close if there were no others."""
        position_lots = self.outside.position_lots(instrument_id, position_side)
        open_lots = position_lots if side == Side.SELL else -position_lots
        if side == Side.SELL and self.outside.instrument(instrument_id).kind == 0:
            # fees in the base asset leave less than the fills make
            open_lots = min(open_lots, self.outside.held_lots(instrument_id))
        return max(open_lots, 0)

    def asked_lots(self, instrument_id: int, position_side: int, side: int) -> int:
        """Orders of all parents that the gate has not answered yet."""
        return sum(
            child.qty_lots
            for parent in self.parents.values()
            if parent.instrument_id == instrument_id
            for child in parent.children.values()
            if child.state == OrderState.NONE and child.side == side and child.position_side == position_side
        )

    def urgent_lots(self, instrument_id: int, position_side: int, side: int, order_type: int) -> int:
        """What a fired stop may send at once: see the port."""
        if order_type != OrderType.MARKET or self.outside.instrument(instrument_id).kind == 0:
            return self.closable_lots(instrument_id, position_side, side)
        pressing = sum(
            child.leaves_lots
            for parent in self.parents.values()
            if parent.instrument_id == instrument_id
            for child in parent.children.values()
            if child.side == side and child.position_side == position_side and takes_to_close(child)
        )
        return max(self.whole_lots(instrument_id, position_side, side) - pressing, 0)

    def make_room(self, parent: Parent, side: int, lots: int) -> int:
        """Cancel in this order until it is enough: the same strategy's orders, then others'; of each what rests farthest from
        the market first, what waits for a price last. Never what carries out another stop that has fired."""
        rows = self.outside.closing_orders(parent.instrument_id, parent.position_side, side)
        rows = [row for row in rows if row.is_resting and not self.is_pressing(row.handle)]
        own = [row for row in rows if row.handle in parent.children]
        rows = [row for row in rows if row.handle not in parent.children]
        coming = sum(row.lots for row in own if parent.children[row.handle].is_cancel_wanted)
        coming += sum(row.lots for row in rows if row.handle in self.clearing)
        taken: list[ClosingOrder] = []
        for row in sorted(rows, key=lambda row: rank(row, parent.strategy_id, side)):
            if coming < lots and row.handle not in self.clearing and self.clear(parent, row, side):
                coming += row.lots
                taken += [row] if row.handle not in self.told_cleared else []
        if taken:
            self.told_cleared.update(row.handle for row in taken)
            text = f"{len(taken)} resting orders of {sum(row.lots for row in taken)} lots are cancelled: a fired stop needs them"
            self.alarm(parent, AlarmCode.PROTECTION_FAILED, text)
        return coming

    def is_pressing(self, handle: int) -> bool:
        """Does an order carry out a stop that has fired."""
        owner = self.parent_of.get(handle)
        child = owner.children.get(handle) if owner is not None else None
        return owner is not None and child is not None and owner.presses(child)

    def clear(self, parent: Parent, row: ClosingOrder, side: int) -> bool:
        """The cancel of somebody else's order, in the name of the parent whose stop has fired."""
        terms = ChildTerms(side=side, qty_lots=row.lots, position_side=parent.position_side)
        if not self.outside.write_intent(IntentAction.CANCEL, parent, row.handle, row.handle, terms):
            return False
        self.clearing.add(row.handle)
        return True

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


def rank(row: ClosingOrder, strategy_id: int, side: int) -> tuple[bool, bool, int]:
    """In which order resting orders make way for a fired stop."""
    is_waiting = row.order_type != OrderType.LIMIT
    return row.strategy_id != strategy_id, is_waiting, -row.price_ticks if side == Side.SELL else row.price_ticks
