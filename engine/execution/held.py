"""One order that the venue has not: held until its price is seen, then a plain order under the same handle.

Held as well: a limit order that shows a part of itself (slices, each an order of its own), and one that ends at a date where the
venue knows none. What is reduce-only is tried again where the gate refuses its release, and goes out in parts where only a part of
it can close something now, each an order of its own; a stop takes back what holds the rest. Anything else ends REFUSED.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.execution.amending import REFUSED, Amending, amended, fault_of_change
from engine.execution.fired import FAILED, Firing, is_too_large, was_meant
from engine.execution.hold import PASSING_REASONS, Expiry, Hold
from engine.execution.parent import Child, FillFact, HeldNews, is_reducing
from engine.model.codes import AlarmCode, InstructionKind, OrderFlag, OrderState, OrderType, ParentState, Reason
from engine.model.instructions import TOUCHED_TYPES, Held, OrderTerms

# the venue has ended it, or never had it: what the owner's order ends as
END_BY_STATE = {
    OrderState.FILLED: ParentState.DONE,
    OrderState.REFUSED: ParentState.REJECTED,
    OrderState.REJECTED: ParentState.REJECTED,
    OrderState.EXPIRED: ParentState.EXPIRED,
}


class HeldOrder(Amending):
    """See the module. A close-position order has no size until it is released: then it has the position's."""

    kind = InstructionKind.HELD
    ended_saved = 2

    def __init__(self, instruction: Held, handle: int, strategy_id: int) -> None:
        super().__init__(instruction, handle, strategy_id)
        self.take_terms(instruction.order)
        self.expiry = Expiry()
        self.is_alarmed = False
        self.firing = Firing(self)
        # what only closes could not go out whole: its parts are orders of their own from then on
        self.is_parted = False
        # its next slice is not asked for until the engine trades (again)
        self.is_held_up = False

    def take_terms(self, terms: OrderTerms) -> None:
        """What the order is from now on."""
        self.hold = Hold(terms)
        self.side, self.qty_lots, self.position_side = terms.side, terms.qty_lots, terms.position_side
        self.is_protective = is_reducing(terms.flags)

    @property
    def terms(self) -> OrderTerms:
        """The order as it is now."""
        return self.hold.terms

    @property
    def is_sliced(self) -> bool:
        """Shown part by part."""
        return self.terms.display_lots > 0

    @property
    def is_in_parts(self) -> bool:
        """Carried out by several orders, told as one."""
        return self.is_sliced or self.is_parted or self.is_resent

    @property
    def is_stop(self) -> bool:
        """A stop that protects, and has fired: resting orders make way for it."""
        return self.is_protective and self.hold.is_fired and self.terms.order_type not in TOUCHED_TYPES

    def presses(self, child: Child) -> bool:
        """A released stop's orders."""
        del child
        return self.is_stop

    def on_start(self) -> None:
        """Wait, or go out at once where only the date or the display is ours; refused where its price is met already."""
        if self.hold.is_met(self.port):
            self.finish(OrderState.REFUSED, ParentState.REJECTED, Reason.TRIGGERED_AT_ONCE)
            return
        self.move_to(ParentState.WORKING)
        self.expiry.start(self.port, self.terms)
        if self.terms.is_conditional or self.is_sliced:
            self.tell()
        self.work()

    def on_resume_run(self) -> None:
        """Take up the wait where it stood; what was released and never left waits for its price again."""
        own = self.children.get(self.handle)
        if own is not None and own.never_left:
            del self.children[self.handle]
            self.hold.rewind()
        if self.is_resent:
            own = next(reversed(self.children.values()), None)
        if own is not None and own.is_over and not (own.never_left or self.is_moving or own.is_end_counted):
            self.on_over(own)  # it ended without our hearing of it
            return
        self.expiry.start(self.port, self.terms)
        if not self.children or self.is_in_parts:
            self.tell()
        if self.is_sliced:
            self.hold_up()  # nothing has been read but the account
        self.work()

    def hold_up(self) -> None:
        """Its next slice waits until book, session and trading state let orders pass."""
        self.is_held_up = self.waits_for_market = True

    def tell(self, state: int = OrderState.HELD, reason: int = Reason.NONE) -> None:
        """The owner's view of it."""
        self.port.tell_held(self.hold.news(self.handle, self.qty_lots, state, reason, self.filled_lots))

    def work(self) -> None:
        """Do what is to be done now."""
        if self.status != ParentState.WORKING or not self.is_taken_back() or self.firing.is_waiting:
            return
        if self.terms.is_conditional and not self.hold.is_fired:
            if not self.hold.arm(self.port):
                self.finish(OrderState.REFUSED, ParentState.REJECTED, Reason.HELD_FULL)
            return
        if (self.is_parted or not self.open_children) and not self.is_complete() and not self.is_held_up:
            self.release()

    def is_complete(self) -> bool:
        """Nothing is left to be sent."""
        if self.is_in_parts:
            return self.filled_lots >= self.qty_lots
        return any(child.state != OrderState.REFUSED for child in self.children.values())

    def release(self) -> None:
        """Send it, or its next slice, or what of it can close something now."""
        self.waits_for_room = False
        lots = self.size_lots()
        if lots <= 0 or (self.is_parted and not self.port.whole_lots(self.side)):
            if not self.open_children:  # nothing is left to be closed
                self.finish(OrderState.CANCELED, ParentState.CANCELED, Reason.POSITION_SIDE)
            return
        part = self.part_of(lots) if self.is_protective else lots
        if part > 0 and not self.send(part):
            self.firing.back_off()
        elif part < lots and not (self.is_sliced and part > 0):
            self.clear_way(lots - part)

    def send(self, lots: int) -> bool:
        """So many lots, in pieces where one order may not be so large; False where one found no room."""
        if not self.is_protective or self.is_sliced:
            return self.send_one(min(lots, self.firing.size.lots or lots))
        plain = self.hold.released(self.port, lots, 0)
        price = plain.price_ticks or self.hold.trigger_ticks
        sizes = self.firing.pieces(lots, plain.order_type, price, self.open_children)
        if sizes and sizes[0] < lots:
            self.part()
        return all(self.send_one(size) for size in sizes)

    def send_one(self, lots: int) -> bool:
        """One order."""
        own = self.children.get(self.handle)
        if own is not None and own.state == OrderState.REFUSED and not self.is_resent:
            del self.children[self.handle]
        handle = 0 if self.is_in_parts else self.handle
        return bool(self.port.submit(self.hold.released(self.port, lots, handle)))

    def part(self) -> None:
        """From now on it is carried out by orders with handles of their own."""
        if not (self.is_parted or self.is_sliced):
            self.is_parted = True
            self.tell()

    def retry(self) -> None:
        """Later again, and longer each time."""
        self.firing.back_off()

    def part_of(self, lots: int) -> int:
        """What of so many lots can close something now. Where there is no position at all the gate has the word."""
        terms = self.hold.released(self.port, lots, 0)
        facts = self.port.instrument()
        free = self.port.urgent_lots(self.side, terms.order_type)
        if self.firing.is_crowded:
            free = self.port.closable_lots(self.side)
        if free >= lots or not self.port.whole_lots(self.side):
            return lots
        price = terms.price_ticks or self.hold.trigger_ticks
        if price > 0 and not facts.is_sendable(price, free, reduces=True):
            free = 0  # too small a part waits for more
        if free > 0:
            self.part()
        return free

    def clear_way(self, lots: int) -> None:
        """Something holds the rest: a stop takes it back; what ends is heard of at once."""
        lots = min(lots, self.port.whole_lots(self.side) - self.working_lots)
        if self.is_stop and lots > 0 and self.port.make_room(self.side, lots) < lots and not self.open_children:
            self.fail("other orders hold what the stop has to close")
        self.firing.wait_for_room()

    def fail(self, text: str) -> None:
        """PROTECTION_FAILED, once."""
        if not self.is_alarmed:
            self.is_alarmed = True
            self.port.alarm(AlarmCode.PROTECTION_FAILED, text)

    def size_lots(self) -> int:
        """How much is to go out now."""
        if self.terms.flags & OrderFlag.CLOSE_POSITION and not self.is_parted:
            self.qty_lots = self.filled_lots + self.port.whole_lots(self.side)
        if self.is_sliced:
            return min(self.terms.display_lots, self.remaining_lots)
        return self.remaining_lots

    def on_room(self) -> None:
        """An order has ended that may have held what it closes."""
        if self.firing.may_look():
            self.waits_for_room = False
            self.work()

    def on_position(self, position_lots: int) -> None:
        """More to be closed, or less."""
        del position_lots
        if self.waits_for_room:
            self.on_room()

    def on_open(self) -> None:
        """What was refused for the moment's sake may pass."""
        if self.firing.may_pass():
            self.waits_for_market = self.is_held_up = False
            self.work()

    # --- what comes back ---

    def on_trigger(self, watch_id: int, price: int) -> None:
        """The price was seen: once is enough, however far it went through."""
        del price
        if watch_id == self.hold.watch_id:
            self.hold.note_fired()
            self.is_changed = True
            self.work()

    def on_trail(self, watch_id: int, level: int) -> None:
        """The trigger price of a trailing order moved."""
        if watch_id == self.hold.watch_id:
            self.hold.note_trail(self.port, level)
            self.is_changed = True
            self.tell()

    def on_timer(self, timer_id: int, data: int) -> None:
        """Expired, or to be tried again."""
        del data
        if self.expiry.is_due(self.port, timer_id):
            self.expire()
        elif self.firing.take_timer(timer_id):
            self.work()

    def on_child(self, child: Child) -> None:
        """The released order, or a slice, moved."""
        self.note_sent(child)
        if self.goes_back(child):
            return
        self.firing.note_alive(child)
        if child.state == OrderState.REFUSED:
            self.on_refused(child)
        elif child.is_over:
            self.on_over(child)
        elif self.is_moving or self.is_parted:
            self.work()  # it has passed: others may follow

    def on_fill(self, child: Child, fill: FillFact) -> None:
        """A slice that is full makes room for the next."""
        del fill
        self.firing.note_alive(child)
        if self.is_in_parts and not self.is_over:
            self.tell()
        if child.is_over:
            self.on_over(child)

    def on_refused(self, child: Child) -> None:
        """The gate does not let it out: what only closes is tried again, and a person is told once."""
        if self.status == ParentState.CANCELING:
            self.settle_cancel()
        elif self.is_protective and not self.is_over:
            if self.firing.has_failed(child):
                self.on_failed(child)
        elif self.is_sliced and self.child_count > 1 and child.reason in PASSING_REASONS:
            self.hold_up()  # not the first slice: the order was taken long ago
        else:
            self.finish(OrderState.REFUSED, ParentState.REJECTED, child.reason)

    def on_failed(self, child: Child) -> None:
        """An order that closes was refused, rejected, or has ended unfilled: what is left is tried again."""
        if child.state in FAILED or not child.filled_lots:
            self.fail(f"the release of an order that closes has failed: {OrderState(child.state).name}")
        self.reason, self.is_changed = child.reason, True
        if child.state != OrderState.REFUSED or (is_too_large(child) and not self.is_sliced):
            self.part()
        price = child.price_ticks or self.hold.trigger_ticks
        if self.firing.answer(child, self.port.closable_lots(self.side), price):
            self.work()

    def is_lost(self, child: Child) -> bool:
        """Has the venue ended what closes after its price was seen; neither its owner nor a person, nor its own terms."""
        is_due = self.is_protective and self.hold.is_fired and self.status == ParentState.WORKING
        if not is_due or was_meant(child):
            return False
        return self.firing.has_failed(child)

    def on_over(self, child: Child) -> None:
        """An order of ours has ended at the venue."""
        if self.is_over:
            return
        if child.state != OrderState.FILLED and child.is_end_counted:
            self.on_end_seen(child)
        elif self.filled_lots < self.qty_lots and self.is_lost(child):
            self.on_failed(child)
        elif self.is_in_parts:
            self.on_slice_over(child)
        elif self.status == ParentState.CANCELING and child.state != OrderState.FILLED:
            self.settle_cancel()
        else:
            self.close(END_BY_STATE.get(OrderState(child.state), ParentState.CANCELED), child.reason)

    def on_end_seen(self, child: Child) -> None:
        """Fills of one whose end was answered already."""
        if self.filled_lots >= self.qty_lots:
            self.on_slice_over(child)
        else:
            self.settle_cancel()

    def on_slice_over(self, child: Child) -> None:
        """The next slice, or the end of all."""
        if self.filled_lots >= self.qty_lots:
            self.qty_lots = self.filled_lots  # less was asked for too late
            self.finish(OrderState.FILLED, ParentState.DONE)
        elif self.status == ParentState.CANCELING:
            self.settle_cancel()
        elif self.is_moving and child.state not in REFUSED:
            self.tell()
            self.work()
        elif child.state == OrderState.FILLED:
            self.work()
        elif self.is_parted and (child.state != OrderState.CANCELED or self.open_children):
            self.retry_parts(child)
        else:
            self.finish(
                OrderState.CANCELED, END_BY_STATE.get(OrderState(child.state), ParentState.CANCELED), child.reason
            )

    def retry_parts(self, child: Child) -> None:
        """A part was cut or refused by the venue, or a person took it: the others go on, and what is left is looked at again."""
        if child.state == OrderState.CANCELED:
            self.cancel()
        else:
            self.firing.back_off()

    # --- ends ---

    def expire(self) -> None:
        """Its time is over: at the venue, too."""
        if not self.is_over:
            self.cancel(Reason.EXPIRED)

    def cancel(self, reason: int = Reason.NONE) -> None:
        """Off the watch, off the venue."""
        self.hold.disarm(self.port)
        self.firing.drop()
        super().cancel(reason)

    def settle_cancel(self) -> None:
        """Once nothing is open: EXPIRED where its time was over, else CANCELED."""
        if self.status != ParentState.CANCELING or self.open_children:
            return
        is_expired = self.reason == Reason.EXPIRED
        is_done = 0 < self.qty_lots <= self.filled_lots
        status = ParentState.DONE if is_done else ParentState.EXPIRED if is_expired else ParentState.CANCELED
        ended = OrderState.FILLED if is_done else OrderState.EXPIRED if is_expired else OrderState.CANCELED
        was_released = any(child.state != OrderState.REFUSED for child in self.children.values())
        if was_released and not self.is_in_parts:
            self.close(status, self.reason)
        else:
            self.finish(ended, status, self.reason)

    def finish(self, state: int, status: int, reason: int = Reason.NONE) -> None:
        """It ended without the venue saying so: the owner is told by us."""
        self.tell(state, reason)
        self.close(status, reason)

    def close(self, status: int, reason: int = Reason.NONE) -> None:
        """No more waiting for anything."""
        self.hold.disarm(self.port)
        self.expiry.stop(self.port)
        self.waits_for_room = self.waits_for_market = self.is_held_up = False
        self.end(status, reason)

    def pause(self) -> None:
        """A held order does not fire while it is paused; one at the venue is cancelled, as an operator's pause means it."""
        if self.status == ParentState.WORKING:
            self.hold.disarm(self.port)
            self.move_to(ParentState.PAUSED)

    def resume(self) -> None:
        """Wait again, from where it stood."""
        super().resume()
        self.work()

    def terms_of(self, handle: int) -> OrderTerms | None:
        """The order, by its own handle or that of a part which works."""
        child = self.children.get(handle)
        return self.terms if handle == self.handle or (child is not None and not child.is_ended) else None

    def amend(self, handle: int, price_ticks: int, qty_lots: int, trigger_ticks: int) -> int:
        """Other numbers: in place while it waits; what works at the venue is taken back and sent anew."""
        if self.terms_of(handle) is None or self.is_over or self.status == ParentState.CANCELING:
            return Reason.ORDER_NOT_OPEN
        if qty_lots and handle != self.handle:
            return Reason.UNSUPPORTED  # a part's size is not the order's
        if fault_of_change(self.terms, price_ticks, trigger_ticks):
            if not self.children:
                self.tell(reason=Reason.UNSUPPORTED)
            return Reason.UNSUPPORTED
        terms = amended(self.terms, price_ticks, qty_lots, trigger_ticks)
        if qty_lots and qty_lots <= self.filled_lots:
            return Reason.QTY_BELOW_MIN
        if self.open_children:
            return self.amend_sent(terms)
        if trigger_ticks and not self.hold.is_fired and Hold(terms).is_met(self.port):
            self.tell(reason=Reason.TRIGGERED_AT_ONCE)
            return Reason.TRIGGERED_AT_ONCE
        self.hold.disarm(self.port)
        was_fired, extreme = self.hold.is_fired, self.hold.extreme
        self.take_terms(terms)
        self.hold.is_fired, self.hold.extreme = was_fired, 0 if trigger_ticks else extreme
        self.is_changed = True
        self.tell()
        self.work()
        return Reason.NONE

    def amend_sent(self, terms: OrderTerms) -> int:
        """Other numbers for what was released; of an order in parts more than works changes nothing at the venue."""
        if terms.trigger_ticks != self.terms.trigger_ticks or self.open_children[0].order_type == OrderType.MARKET:
            return Reason.ORDER_NOT_OPEN
        if reason := self.port.reason_against():
            return reason  # it stays where it is until an order can leave
        is_larger = terms.qty_lots >= self.filled_lots + self.working_lots
        if terms.price_ticks != self.terms.price_ticks or not is_larger or not (self.is_sliced or self.is_parted):
            self.take_back(terms)
            return Reason.NONE
        self.take_fired(terms)
        self.tell()
        self.work()
        return Reason.NONE

    # --- restart ---

    def state(self) -> Any:
        """Trigger, extreme and expiry."""
        return {
            "trigger_ticks": self.hold.trigger_ticks,
            "extreme": self.hold.extreme,
            "is_fired": self.hold.is_fired,
            "expire_ns": self.expiry.at_ns,
            "terms": self.hold.terms,
            "qty_lots": self.qty_lots,
            "is_parted": self.is_parted,
            "is_resent": self.is_resent,
            "is_moving": self.is_moving,
            "former": self.former,
        }

    def restore(self, saved: Any) -> None:
        """Where it stood."""
        self.take_terms(msgspec.convert(saved["terms"], OrderTerms))
        self.hold.trigger_ticks, self.hold.extreme = saved["trigger_ticks"], saved["extreme"]
        self.hold.is_fired, self.expiry.at_ns = saved["is_fired"], saved["expire_ns"]
        self.qty_lots, self.is_parted = saved["qty_lots"], saved.get("is_parted", False)
        self.is_resent, self.is_moving = saved.get("is_resent", False), saved.get("is_moving", False)
        self.former = msgspec.convert(saved.get("former"), OrderTerms | None)


def news_of(terms: OrderTerms, handle: int, state: int, reason: int = Reason.NONE) -> HeldNews:
    """An order that never was: how its owner hears of the refusal."""
    return Hold(terms).news(handle, terms.qty_lots, state, reason)


def is_native(terms: OrderTerms, native_order_types: int) -> bool:
    """Does the venue take the order as it is."""
    if terms.flags & OrderFlag.EMULATED or not native_order_types >> terms.order_type & 1:
        return False
    return terms.order_type != OrderType.LIMIT or not terms.display_lots
