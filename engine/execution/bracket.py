"""An entry, and the exits of exactly what it has filled - from its first fill on, never more than the position holds.

A cancel, by whomever, ends the entry and leaves the exits of what was filled; once no entry is left a person can end them too.
When the stop fires the rest of the entry is cancelled.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.execution.amending import REFUSED, amended, fault_of_change
from engine.execution.exit_changes import is_stop_met
from engine.execution.exit_state import ROLE_ENTRY, ROLE_STOP, ExitState
from engine.execution.exits import Exits
from engine.execution.hold import Expiry, Hold, is_reached, seen_price
from engine.execution.parent import Child, ChildTerms, Watch, opposite
from engine.execution.protection import Guarding
from engine.model.codes import (
    AlarmCode,
    InstructionKind,
    OrderState,
    OrderType,
    ParentState,
    Reason,
    Side,
    TriggerSource,
)
from engine.model.instructions import Bracket, ExitPlan, OrderTerms, is_exit_met, is_target_behind

AGAINST = "a bracket's entry is not sent: the account's position is on the other side, which it would close"
OFFSET = (
    "what a bracket has opened is offset by the account's position on the other side: its exits have nothing to close"
)


class BracketParent(Guarding):
    """See the module."""

    kind = InstructionKind.BRACKET
    # a flatten begins as a cancel of its scope; what is closed from then on, for so long, does not come back
    FLATTEN_NS = 60_000_000_000
    NETTED = (
        "others have traded away the position that a bracket opened: it waits for that to come back, a cancel ends it"
    )
    swept_until_ns = 0
    is_netting_told = False

    def __init__(self, instruction: Bracket, handle: int, strategy_id: int) -> None:
        super().__init__(instruction, handle, strategy_id)
        self.entry_handle = instruction.entry.handle
        self.hold = Hold(instruction.entry)
        self.expiry = Expiry()
        self.side, self.qty_lots = instruction.entry.side, instruction.entry.qty_lots
        self.position_side = instruction.entry.position_side
        self.is_entry_over = self.is_entry_sent = False
        # the entry's numbers to go back to, where it is refused with those that it was given at the venue
        self.former: OrderTerms | None = None
        self.exit_filled = 0
        self.exits = Exits(self, self, instruction.exits, opposite(self.side))

    # --- the entry ---

    def on_start(self) -> None:
        """The entry waits for its price, or goes out."""
        self.entry_handle = self.entry_handle or self.port.next_handle()
        if reason := self.reason_to_refuse():
            self.tell_entry(OrderState.REFUSED, reason)
            self.end(ParentState.REJECTED, reason)
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

    def reason_to_refuse(self) -> int:
        """Why the bracket would not do what it was asked for; of an entry that waits the position counts when it goes out."""
        if self.hold.is_met(self.port) or self.is_stop_met() or self.is_target_met():
            return Reason.TRIGGERED_AT_ONCE
        return Reason.POSITION_SIDE if self.is_against and not self.hold.terms.is_conditional else Reason.NONE

    @property
    def is_against(self) -> bool:
        """Is the account's position on the other side: the entry closes it, and nothing is left that exits could close."""
        lots = self.port.position_lots()
        return lots < 0 if self.side == Side.BUY else lots > 0

    def is_target_met(self) -> bool:
        """Would a target close at once what an entry at the market opens."""
        ticks = seen_price(self.port, TriggerSource.BID_ASK, self.side)
        is_market = self.hold.terms.order_type == OrderType.MARKET
        return is_market and ticks > 0 and is_target_behind(self.side, ticks, self.exits.plan)

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
                if not self.is_moving or not self.resend_entry():
                    self.end_entry()
            elif self.exits.state.is_stopping or self.status == ParentState.CANCELING or self.is_moving:
                self.port.cancel(self.entry_handle)
            return
        if self.status == ParentState.CANCELING or self.exits.state.is_stopping:
            self.refuse_entry(OrderState.CANCELED, self.reason)
        elif self.hold.terms.is_conditional and not self.hold.is_fired:
            if not self.hold.arm(self.port):
                self.refuse_entry(OrderState.REFUSED, Reason.HELD_FULL)
        elif self.is_against:
            self.port.alarm(AlarmCode.PARENT_FAILED, AGAINST)
            self.refuse_entry(OrderState.REFUSED, Reason.POSITION_SIDE)
        elif self.port.submit(self.hold.released(self.port, self.left_lots, self.entry_handle, ROLE_ENTRY)):
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
        self.is_moving, self.former = False, None
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

    def is_netted(self) -> bool:
        """Do others' trades on the other side hide what its owner still has open: it may be bare again with their next trade. Where
        an account holds both sides nothing is netted; soon after a flatten the position is gone for good."""
        is_swept = self.port.now_ns < self.swept_until_ns
        if self.is_ended_by_person or self.exits.dust.is_final or self.position_side or is_swept or self.guarded_lots():
            return False
        direction = 1 if self.side == Side.BUY else -1
        return min(self.filled_lots - self.exit_filled, self.port.strategy_lots() * direction) > 0

    def is_waiting(self) -> bool:
        """It stays, with nothing to close, until the position is back; its owner hears of that once."""
        is_netted = self.is_netted()
        if is_netted and not self.is_netting_told:
            self.is_netting_told = True
            self.port.warn(self.NETTED)
        return is_netted

    def reference_ticks(self) -> int:
        """The entry's average price."""
        return (2 * self.filled_value + self.valued_lots) // (2 * self.valued_lots) if self.valued_lots else 0

    def room_for(self, terms: ChildTerms) -> int:
        """The entry once; exits for no more than what is protected, less the exits that work."""
        if terms.role == ROLE_ENTRY:
            entry = self.entry()
            is_out = self.is_entry_sent and (entry is None or not entry.is_over)
            return 0 if is_out else self.left_lots
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
        self.tell_offset()
        is_settled = self.guarded_lots() == 0 or self.is_ended_by_person or self.exits.dust.is_final
        if self.exits.dust.is_final:
            self.reason = Reason.QTY_BELOW_MIN
        if self.is_entry_over and self.exits.is_idle and is_settled and not self.is_waiting():
            status = ParentState.DONE if self.filled_lots else ParentState.CANCELED
            entry = self.entry()
            is_refused = entry is not None and entry.state in (OrderState.REFUSED, OrderState.REJECTED)
            if not self.filled_lots and (is_refused or self.reason == Reason.POSITION_SIDE):
                status = ParentState.REJECTED
            elif self.reason == Reason.EXPIRED and not self.filled_lots:
                status = ParentState.EXPIRED
            self.end(status, self.reason)

    is_ended_by_person = False
    is_offset_told = False

    def tell_offset(self) -> None:
        """Others have turned the account's one position: a person hears once that this part of it stands without exits."""
        if self.is_ended_by_person or self.filled_lots <= self.exit_filled or not self.is_against:
            if self.is_offset_told and self.reason == Reason.POSITION_SIDE:
                self.reason, self.is_changed = Reason.NONE, True
            self.is_offset_told = False
        elif not self.is_offset_told:
            self.is_offset_told = self.is_changed = True
            self.reason = Reason.POSITION_SIDE
            if not self.is_netting_told:
                self.is_netting_told = True
                self.port.warn(self.NETTED if self.is_netted() else OFFSET)

    def on_child(self, child: Child) -> None:
        """An order moved; an entry that the gate refuses is not tried again."""
        if child.handle == self.entry_handle and not self.is_entry_over and not self.is_moving:
            self.note_entry(child)
        if child.handle == self.entry_handle and child.state == OrderState.REFUSED and not self.is_entry_over:
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
        self.is_moving = False
        if self.is_entry_sent:
            self.port.cancel(self.entry_handle)
        else:
            self.refuse_entry(OrderState.EXPIRED if reason == Reason.EXPIRED else OrderState.CANCELED, reason)

    def cancel_by(self, *, by_person: bool) -> None:
        """First the entry; what is protected already only by a person, and only once there is no entry any more. Where the position
        holds nothing of it its owner may end it too."""
        if self.is_entry_over and (by_person or self.is_netted()):
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
        if not self.is_entry(handle) or self.is_entry_over:
            return False
        self.cancel()
        return True

    def on_sweep(self, *, is_kill: bool) -> None:
        """The entry ends; take-profits too where a person cancels everything; the stop stands."""
        self.cancel_entry(Reason.HALTED if is_kill else Reason.NONE)
        if not is_kill:
            self.swept_until_ns = self.port.now_ns + self.FLATTEN_NS
            self.exits.targets.drop()
        self.is_changed = True
        self.work()

    def settle_cancel(self) -> None:
        """It ends by `work` alone."""

    # --- changes ---

    def is_entry(self, handle: int) -> bool:
        """The entry, by the handle that it was given first, or that of an order of it."""
        child = self.children.get(handle)
        names = (self.entry_handle, self.instruction.entry.handle)  # type: ignore[union-attr]
        return handle in names or (child is not None and child.role == ROLE_ENTRY)

    def terms_of(self, handle: int) -> OrderTerms | None:
        """The entry, as long as something of it can be opened."""
        return self.hold.terms if self.is_entry(handle) and not self.is_entry_over else None

    def amend_exits(self, exits: ExitPlan) -> int:
        """Another plan; not one whose stop would close at once what is protected, or is to be opened."""
        is_beyond = not self.is_entry_over and is_exit_met(self.hold.terms, exits)
        if is_beyond or (self.guarded_lots() > 0 and is_stop_met(self.exits, exits)):
            return Reason.TRIGGERED_AT_ONCE
        return super().amend_exits(exits)

    def amend(self, handle: int, price_ticks: int, qty_lots: int, trigger_ticks: int) -> int:
        """Of the entry; of a take-profit, by its handle; of the stop, by the bracket's once no entry waits for a price."""
        is_waiting = not self.is_entry_sent and not self.is_entry_over
        is_stop = handle == self.handle and bool(trigger_ticks) and not (is_waiting and self.hold.terms.is_conditional)
        if is_stop or not (handle == self.handle or self.is_entry(handle)):
            return super().amend(handle, price_ticks, qty_lots, trigger_ticks)
        if self.is_entry_over:
            return Reason.ORDER_NOT_OPEN
        if fault_of_change(self.hold.terms, price_ticks, trigger_ticks):
            return Reason.UNSUPPORTED
        terms = amended(self.hold.terms, price_ticks, qty_lots, trigger_ticks)
        if (is_waiting and Hold(terms).is_met(self.port)) or is_exit_met(terms, self.exits.plan):
            if is_waiting:
                self.tell_entry(OrderState.HELD, Reason.TRIGGERED_AT_ONCE)
            return Reason.TRIGGERED_AT_ONCE
        if not is_waiting:
            return self.amend_sent(terms)
        self.hold.disarm(self.port)
        self.hold = Hold(terms)
        self.qty_lots = self.hold.terms.qty_lots
        self.is_changed = True
        self.tell_entry(OrderState.HELD)
        self.work()
        return Reason.NONE

    def amend_sent(self, terms: OrderTerms) -> int:
        """The entry works at the venue: it is taken back, and sent again for what it has not filled once that is certain."""
        entry = self.entry()
        if entry is None or entry.order_type == OrderType.MARKET or self.exits.state.is_stopping:
            return Reason.ORDER_NOT_OPEN
        if terms.trigger_ticks != self.hold.terms.trigger_ticks:
            return Reason.ORDER_NOT_OPEN
        if terms.qty_lots <= self.filled_lots:
            return Reason.QTY_BELOW_MIN
        if reason := self.port.reason_against():
            return reason  # it stays where it is until an order can leave
        self.former = self.former or self.hold.terms
        self.take_numbers(terms)
        self.is_moving = True
        self.work()
        return Reason.NONE

    def take_numbers(self, terms: OrderTerms) -> None:
        """Other numbers for an entry that has been released."""
        self.hold.terms, self.qty_lots = terms, terms.qty_lots
        self.is_changed = True

    @property
    def left_lots(self) -> int:
        """What of the entry is not filled."""
        return max(self.qty_lots - self.filled_lots, 0)

    def resend_entry(self) -> bool:
        """The entry's order has ended: the rest of it goes out under a new handle. False: there is none, or no room."""
        entry = self.entry()
        self.is_moving = False
        if self.exits.state.is_stopping or self.status == ParentState.CANCELING or not self.left_lots:
            self.qty_lots = max(self.qty_lots, self.filled_lots)
            return False
        if entry is not None and entry.state in REFUSED:
            return False
        handle = self.port.submit(self.hold.released(self.port, self.left_lots, 0, ROLE_ENTRY))
        if handle:
            self.entry_handle, self.is_changed = handle, True
        return bool(handle)

    def note_entry(self, child: Child) -> None:
        """The venue has taken the new numbers, or they were refused: then it goes out with the old ones again."""
        if self.former is None:
            return
        if child.is_resting or child.filled_lots:
            self.former, self.is_changed = None, True
        elif child.state in REFUSED:
            terms, self.former = self.former, None
            self.take_numbers(terms)
            self.reason = child.reason
            text = f"the entry with other numbers is refused ({Reason(child.reason).name}): it is sent with the old ones again"
            self.port.alarm(AlarmCode.PARENT_FAILED, text)
            handle = self.port.submit(self.hold.released(self.port, self.left_lots, 0, ROLE_ENTRY))
            self.entry_handle = handle or self.entry_handle

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
            "is_moving": self.is_moving,
            "former": self.former,
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
        self.is_moving = saved.get("is_moving", False)
        self.former = msgspec.convert(saved.get("former"), OrderTerms | None)
