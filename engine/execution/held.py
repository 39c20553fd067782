"""One order that the venue has not: held until its price is seen, then a plain order under the same handle.

Held as well: a limit order that shows a part of itself (slices, each an order of its own), and one that ends at a date where the
venue knows none. What is reduce-only is tried again where the gate refuses its release; anything else ends REFUSED.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.execution.hold import Expiry, Hold, retry_delay_ns
from engine.execution.parent import Child, FillFact, HeldNews, Parent, is_reducing
from engine.model.codes import AlarmCode, InstructionKind, OrderFlag, OrderState, OrderType, ParentState, Reason
from engine.model.instructions import Held, OrderTerms

# the venue has ended it, or never had it: what the owner's order ends as
END_BY_STATE = {
    OrderState.FILLED: ParentState.DONE,
    OrderState.REFUSED: ParentState.REJECTED,
    OrderState.REJECTED: ParentState.REJECTED,
    OrderState.EXPIRED: ParentState.EXPIRED,
}


class HeldOrder(Parent):
    """See the module. A close-position order has no size until it is released: then it has the position's."""

    kind = InstructionKind.HELD
    ended_saved = 2

    def __init__(self, instruction: Held, handle: int, strategy_id: int) -> None:
        super().__init__(instruction, handle, strategy_id)
        self.take_terms(instruction.order)
        self.expiry = Expiry()
        self.attempts = 0
        self.retry_timer = 0
        self.is_alarmed = False
        self.sliced_lots = 0

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
        if own is not None and own.is_over and not own.never_left:
            self.on_over(own)  # it ended without our hearing of it
            return
        self.expiry.start(self.port, self.terms)
        if not self.children or self.is_sliced:
            self.tell()
        self.work()

    def tell(self, state: int = OrderState.HELD, reason: int = Reason.NONE) -> None:
        """The owner's view of it."""
        self.port.tell_held(self.hold.news(self.handle, self.qty_lots, state, reason, self.filled_lots))

    def work(self) -> None:
        """Do what is to be done now."""
        if self.status != ParentState.WORKING or self.retry_timer:
            return
        if self.terms.is_conditional and not self.hold.is_fired:
            if not self.hold.arm(self.port):
                self.finish(OrderState.REFUSED, ParentState.REJECTED, Reason.HELD_FULL)
            return
        if not self.open_children and not self.is_complete():
            self.release()

    def is_complete(self) -> bool:
        """Nothing is left to be sent."""
        if self.is_sliced:
            return self.filled_lots >= self.qty_lots
        return any(child.state != OrderState.REFUSED for child in self.children.values())

    def release(self) -> None:
        """Send it, or its next slice."""
        lots = self.size_lots()
        if lots <= 0:
            self.finish(OrderState.CANCELED, ParentState.CANCELED, Reason.POSITION_SIDE)
            return
        handle = 0 if self.is_sliced else self.handle
        self.children.pop(self.handle, None)
        if not self.port.submit(self.hold.released(self.port, lots, handle)):
            self.retry()

    def size_lots(self) -> int:
        """How much goes out now."""
        if self.terms.flags & OrderFlag.CLOSE_POSITION:
            self.qty_lots = self.port.closable_lots(self.side)
        if self.is_sliced:
            return min(self.terms.display_lots, self.remaining_lots)
        return self.remaining_lots

    def retry(self) -> None:
        """Later again, and longer each time."""
        self.retry_timer = self.port.set_timer(retry_delay_ns(self.attempts))
        self.attempts += 1
        self.is_changed = True

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
        elif timer_id == self.retry_timer:
            self.retry_timer = 0
            self.work()

    def on_child(self, child: Child) -> None:
        """The released order, or a slice, moved."""
        if child.state == OrderState.REFUSED:
            self.on_refused(child)
        elif child.is_over:
            self.on_over(child)

    def on_fill(self, child: Child, fill: FillFact) -> None:
        """A slice that is full makes room for the next."""
        del fill
        if self.is_sliced and not self.is_over:
            self.tell()
        if child.is_over:
            self.on_over(child)

    def on_refused(self, child: Child) -> None:
        """The gate does not let it out: what only closes is tried again, and a person is told once."""
        if self.status == ParentState.CANCELING:
            self.settle_cancel()
        elif self.is_protective and not self.is_over:
            if not self.is_alarmed:
                self.is_alarmed = True
                self.port.alarm(AlarmCode.PROTECTION_FAILED, "the gate refuses the release of an order that closes")
            self.reason = child.reason
            self.retry()
        else:
            self.finish(OrderState.REFUSED, ParentState.REJECTED, child.reason)

    def on_over(self, child: Child) -> None:
        """An order of ours has ended at the venue."""
        if self.is_over:
            return
        if self.is_sliced:
            self.on_slice_over(child)
            return
        if self.status == ParentState.CANCELING and child.state != OrderState.FILLED:
            self.settle_cancel()
            return
        self.close(END_BY_STATE.get(OrderState(child.state), ParentState.CANCELED), child.reason)

    def on_slice_over(self, child: Child) -> None:
        """The next slice, or the end of all."""
        if self.filled_lots >= self.qty_lots:
            self.finish(OrderState.FILLED, ParentState.DONE)
        elif self.status == ParentState.CANCELING:
            self.settle_cancel()
        elif child.state == OrderState.FILLED:
            self.work()
        else:
            self.finish(
                OrderState.CANCELED, END_BY_STATE.get(OrderState(child.state), ParentState.CANCELED), child.reason
            )

    # --- ends ---

    def expire(self) -> None:
        """Its time is over: at the venue, too."""
        if not self.is_over:
            self.cancel(Reason.EXPIRED)

    def cancel(self, reason: int = Reason.NONE) -> None:
        """Off the watch, off the venue."""
        self.hold.disarm(self.port)
        if self.retry_timer:
            self.port.drop_timer(self.retry_timer)
            self.retry_timer = 0
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
        if was_released and not self.is_sliced:
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

    def amend(self, handle: int, price_ticks: int, qty_lots: int, trigger_ticks: int) -> int:
        """Other numbers for an order that still waits; a released one is replaced at the venue like any other."""
        if handle != self.handle or self.is_over or self.status == ParentState.CANCELING:
            return Reason.ORDER_NOT_OPEN
        if self.children and not self.is_sliced:
            return Reason.NONE if self.port.replace(handle, price_ticks, qty_lots) else Reason.ORDER_NOT_OPEN
        if qty_lots and qty_lots < self.filled_lots + self.working_lots:
            return Reason.QTY_BELOW_MIN
        terms = amended(self.hold.terms, price_ticks, qty_lots, trigger_ticks)
        was_fired = self.hold.is_fired
        if trigger_ticks and not was_fired and Hold(terms).is_met(self.port):
            self.tell(reason=Reason.TRIGGERED_AT_ONCE)
            return Reason.TRIGGERED_AT_ONCE
        self.hold.disarm(self.port)
        extreme = self.hold.extreme
        self.take_terms(terms)
        self.hold.is_fired, self.hold.extreme = was_fired, 0 if trigger_ticks else extreme
        self.is_changed = True
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
        }

    def restore(self, saved: Any) -> None:
        """Where it stood."""
        self.take_terms(msgspec.convert(saved["terms"], OrderTerms))
        self.hold.trigger_ticks, self.hold.extreme = saved["trigger_ticks"], saved["extreme"]
        self.hold.is_fired, self.expiry.at_ns = saved["is_fired"], saved["expire_ns"]
        self.qty_lots = saved["qty_lots"]


def amended(terms: OrderTerms, price_ticks: int, qty_lots: int, trigger_ticks: int) -> OrderTerms:
    """The order with other numbers; 0 leaves one as it is."""
    import msgspec

    return msgspec.structs.replace(
        terms,
        price_ticks=price_ticks or terms.price_ticks,
        qty_lots=qty_lots or terms.qty_lots,
        trigger_ticks=trigger_ticks or terms.trigger_ticks,
    )


def news_of(terms: OrderTerms, handle: int, state: int, reason: int = Reason.NONE) -> HeldNews:
    """An order that never was: how its owner hears of the refusal."""
    return Hold(terms).news(handle, terms.qty_lots, state, reason)


def is_native(terms: OrderTerms, native_order_types: int) -> bool:
    """Does the venue take the order as it is."""
    if terms.flags & OrderFlag.EMULATED or not native_order_types >> terms.order_type & 1:
        return False
    return terms.order_type != OrderType.LIMIT or not terms.display_lots
