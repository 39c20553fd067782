"""An entry, and the exits of exactly what it has filled - from its first fill on, never more than the position holds.

A cancel, by whomever, ends the entry and leaves the exits of what was filled; once no entry is left a person can end them too.
When the stop fires the rest of the entry is cancelled.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.execution.amending import amended
from engine.execution.exit_state import ROLE_ENTRY, ROLE_STOP, ExitState
from engine.execution.exits import Exits
from engine.execution.hold import Expiry, Hold, is_reached
from engine.execution.parent import Child, ChildTerms, Watch, opposite
from engine.execution.protection import Guarding
from engine.model.codes import InstructionKind, OrderState, OrderType, ParentState, Reason, Side
from engine.model.instructions import Bracket, ExitPlan, OrderTerms, is_stop_beyond


class BracketParent(Guarding):
    """See the module."""

    kind = InstructionKind.BRACKET

    def __init__(self, instruction: Bracket, handle: int, strategy_id: int) -> None:
        super().__init__(instruction, handle, strategy_id)
        self.entry_handle = instruction.entry.handle
        self.hold = Hold(instruction.entry)
        self.expiry = Expiry()
        self.side, self.qty_lots = instruction.entry.side, instruction.entry.qty_lots
        self.position_side = instruction.entry.position_side
        self.is_entry_over = self.is_entry_sent = False
        self.exit_filled = 0
        self.exits = Exits(self, self, instruction.exits, opposite(self.side))

    # --- the entry ---

    def on_start(self) -> None:
        """The entry waits for its price, or goes out."""
        self.entry_handle = self.entry_handle or self.port.next_handle()
        if self.hold.is_met(self.port) or self.is_stop_met():
            self.tell_entry(OrderState.REFUSED, Reason.TRIGGERED_AT_ONCE)
            self.end(ParentState.REJECTED, Reason.TRIGGERED_AT_ONCE)
            return
        self.move_to(ParentState.WORKING)
        self.expiry.start(self.port, self.hold.terms)
        self.tell_entry(OrderState.HELD)
        self.work()

    def on_resume_run(self) -> None:
        """Take up where it stood; an entry that never left waits for its price again, one at the market is not sent so late."""
        self.resume_exits()
        entry = self.entry()
        if entry is not None and entry.never_left and entry.order_type != OrderType.MARKET and not self.is_entry_over:
            del self.children[self.entry_handle]
            self.hold.rewind()
            self.is_entry_sent = False
        if not self.is_entry_over:
            self.expiry.start(self.port, self.hold.terms)
            if not self.is_entry_sent:
                self.tell_entry(OrderState.HELD)
        self.work()

    def is_stop_met(self) -> bool:
        """Would the stop close at once what an entry that goes out now opens."""
        stop = self.exits.plan.stop
        if stop is None or self.hold.terms.is_conditional:
            return False
        is_above = self.exits.side == Side.BUY
        watch = Watch(
            instrument_id=0,
            side=self.exits.side,
            is_above=is_above,
            trigger_source=stop.trigger_source,
            level_ticks=stop.trigger_ticks,
        )
        return is_reached(self.port, watch)

    def tell_entry(self, state: int, reason: int = Reason.NONE) -> None:
        """The owner's view of an entry that is not at the venue."""
        self.port.tell_held(self.hold.news(self.entry_handle, self.qty_lots, state, reason))

    def entry(self) -> Child | None:
        """The entry's order, once it was sent."""
        return self.children.get(self.entry_handle)

    def work_entry(self) -> None:
        """Out with it when its time has come; note its end."""
        entry = self.entry()
        if self.is_entry_over:
            return
        if self.is_entry_sent:
            if entry is None or entry.is_over:
                self.end_entry()
            elif self.exits.state.is_stopping or self.status == ParentState.CANCELING:
                self.port.cancel(self.entry_handle)
            return
        if self.status == ParentState.CANCELING or self.exits.state.is_stopping:
            self.refuse_entry(OrderState.CANCELED, self.reason)
        elif self.hold.terms.is_conditional and not self.hold.is_fired:
            if not self.hold.arm(self.port):
                self.refuse_entry(OrderState.REFUSED, Reason.HELD_FULL)
        elif self.port.submit(self.hold.released(self.port, self.qty_lots, self.entry_handle, ROLE_ENTRY)):
            self.is_entry_sent = True
        else:
            self.refuse_entry(OrderState.REFUSED, Reason.RING_FULL)

    def refuse_entry(self, state: int, reason: int) -> None:
        """It never went out."""
        self.tell_entry(state, reason)
        self.reason = reason
        self.end_entry()

    def end_entry(self) -> None:
        """Nothing more is opened."""
        self.is_entry_over = True
        self.is_changed = True
        self.hold.disarm(self.port)
        self.expiry.stop(self.port)

    # --- what the exits ask ---

    def counts(self, child: Child) -> bool:
        """The bracket's quantity is the entry's."""
        return child.role == ROLE_ENTRY

    @property
    def can_grow(self) -> bool:
        """Is the entry still to be filled."""
        return not self.is_entry_over

    def guarded_lots(self) -> int:
        """What the entry has filled and no exit has taken, as far as the position holds it."""
        self.count_exits()
        direction = 1 if self.side == Side.BUY else -1
        position_lots = self.port.position_lots() * direction
        return max(min(self.filled_lots - self.exit_filled, position_lots), 0)

    def count_exits(self) -> None:
        """Fills of exits since they were counted last."""
        for child in self.children.values():
            if child.role != ROLE_ENTRY:
                self.exit_filled += child.filled_lots - child.booked_lots
                child.booked_lots = child.filled_lots

    def reference_ticks(self) -> int:
        """The entry's average price."""
        return (2 * self.filled_value + self.valued_lots) // (2 * self.valued_lots) if self.valued_lots else 0

    def room_for(self, terms: ChildTerms) -> int:
        """The entry once; exits for no more than what is protected, less the exits that work."""
        if terms.role == ROLE_ENTRY:
            return 0 if self.is_entry_sent else self.qty_lots
        if terms.role == ROLE_STOP:
            return self.exits.room_for_stop(terms.order_type)
        working = sum(child.leaves_lots for child in self.exits.open_exits)
        return min(self.guarded_lots() - working, self.port.closable_lots(terms.side))

    # --- life ---

    def work(self) -> None:
        """Entry and exits as they should be; over when nothing can be opened and nothing is left to close."""
        if self.is_over:
            return
        self.work_entry()
        if not self.is_ended_by_person:
            self.exits.work()
        is_settled = self.guarded_lots() == 0 or self.is_ended_by_person or self.exits.dust.is_final
        if self.exits.dust.is_final:
            self.reason = Reason.QTY_BELOW_MIN
        if self.is_entry_over and self.exits.is_idle and is_settled:
            status = ParentState.DONE if self.filled_lots else ParentState.CANCELED
            entry = self.entry()
            if not self.filled_lots and entry is not None and entry.state in (OrderState.REFUSED, OrderState.REJECTED):
                status = ParentState.REJECTED
            elif self.reason == Reason.EXPIRED and not self.filled_lots:
                status = ParentState.EXPIRED
            self.end(status, self.reason)

    is_ended_by_person = False

    def on_child(self, child: Child) -> None:
        """An order moved; an entry that the gate refuses is not tried again."""
        if child.role == ROLE_ENTRY and child.state == OrderState.REFUSED and not self.is_entry_over:
            self.refuse_entry(OrderState.REFUSED, child.reason)
        super().on_child(child)

    def on_trigger(self, watch_id: int, price: int) -> None:
        """The entry's price, or an exit's."""
        if watch_id == self.hold.watch_id:
            self.hold.note_fired()
            self.is_changed = True
            self.work()
        else:
            super().on_trigger(watch_id, price)

    def on_trail(self, watch_id: int, level: int) -> None:
        """The entry's trigger, or the stop, trailed."""
        if watch_id == self.hold.watch_id:
            self.hold.note_trail(self.port, level)
            self.is_changed = True
            self.tell_entry(OrderState.HELD)
        else:
            super().on_trail(watch_id, level)

    def on_timer(self, timer_id: int, data: int) -> None:
        """The entry has expired, or something is to be tried again."""
        if self.expiry.is_due(self.port, timer_id):
            self.cancel_entry(Reason.EXPIRED)
        super().on_timer(timer_id, data)

    def on_late_fill(self) -> bool:
        """The entry was filled after its end: what it opened is protected all the same."""
        if self.is_ended_by_person or self.filled_lots <= self.exit_filled:
            return False
        self.status = ParentState.WORKING
        self.is_changed = True
        return True

    def cancel_entry(self, reason: int) -> None:
        """Nothing more is opened."""
        if self.is_entry_over:
            return
        self.reason = reason
        if self.is_entry_sent:
            self.port.cancel(self.entry_handle)
        else:
            self.refuse_entry(OrderState.EXPIRED if reason == Reason.EXPIRED else OrderState.CANCELED, reason)

    def cancel_by(self, *, by_person: bool) -> None:
        """First the entry; what is protected already only by a person, and only once there is no entry any more."""
        if self.is_entry_over and by_person:
            self.is_ended_by_person = True
            self.exits.rest()
        self.cancel()

    def cancel(self, reason: int = Reason.NONE) -> None:
        """The entry ends, the exits of what it filled stay."""
        self.cancel_entry(reason)
        self.work()

    def cancel_order(self, handle: int) -> bool:
        """The entry by its own handle, or a take-profit, which stays away then."""
        if self.exits.targets.take_away(handle):
            return True
        if handle != self.entry_handle or self.is_entry_over:
            return False
        self.cancel()
        return True

    def on_sweep(self, *, is_kill: bool) -> None:
        """The entry ends; take-profits too where a person cancels everything; the stop stands."""
        self.cancel_entry(Reason.HALTED if is_kill else Reason.NONE)
        if not is_kill:
            self.exits.targets.drop()
        self.is_changed = True
        self.work()

    def settle_cancel(self) -> None:
        """It ends by `work` alone."""

    def amend(self, handle: int, price_ticks: int, qty_lots: int, trigger_ticks: int) -> int:
        """Other prices for an entry that still waits."""
        if handle not in (self.handle, self.entry_handle) or self.is_entry_sent or self.is_entry_over:
            return Reason.ORDER_NOT_OPEN
        terms = amended(self.hold.terms, price_ticks, qty_lots, trigger_ticks)
        if Hold(terms).is_met(self.port) or is_stop_beyond(terms, self.exits.plan):
            self.tell_entry(OrderState.HELD, Reason.TRIGGERED_AT_ONCE)
            return Reason.TRIGGERED_AT_ONCE
        self.hold.disarm(self.port)
        self.hold = Hold(terms)
        self.qty_lots = self.hold.terms.qty_lots
        self.is_changed = True
        self.tell_entry(OrderState.HELD)
        self.work()
        return Reason.NONE

    # --- restart ---

    def state(self) -> Any:
        """Entry and exits."""
        return {
            "entry_handle": self.entry_handle,
            "terms": self.hold.terms,
            "trigger_ticks": self.hold.trigger_ticks,
            "extreme": self.hold.extreme,
            "is_fired": self.hold.is_fired,
            "expire_ns": self.expiry.at_ns,
            "is_entry_sent": self.is_entry_sent,
            "is_entry_over": self.is_entry_over,
            "exit_filled": self.exit_filled,
            "is_ended_by_person": self.is_ended_by_person,
            "exits": self.exits.state,
            "plan": self.exits.plan,
        }

    def restore(self, saved: Any) -> None:
        """Where it stood."""
        self.entry_handle = saved["entry_handle"]
        self.hold = Hold(msgspec.convert(saved["terms"], OrderTerms))
        self.hold.trigger_ticks, self.hold.extreme = saved["trigger_ticks"], saved["extreme"]
        self.hold.is_fired, self.expiry.at_ns = saved["is_fired"], saved["expire_ns"]
        self.is_entry_sent, self.is_entry_over = saved["is_entry_sent"], saved["is_entry_over"]
        self.exit_filled, self.is_ended_by_person = saved["exit_filled"], saved["is_ended_by_person"]
        self.exits = Exits(self, self, msgspec.convert(saved["plan"], ExitPlan), opposite(self.side))
        self.exits.restore(msgspec.convert(saved["exits"], ExitState))
