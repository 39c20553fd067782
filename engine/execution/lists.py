"""Orders that depend on one another, where the venue has no list of that kind: FIX tag 1385, carried out here.

Of orders that exclude one another at most one is ever at the venue. When the price of another is seen, the one at the venue is
cancelled first, and the other goes out with what is then left, once the cancel is certain: so never both, and never more than the
list's quantity, in whatever order reports come. OCO: the first fill, or the first price, ends the others. OUO: a fill reduces the
others by what was filled. OTO, OTOCO: the others wait until the first is filled; one that ended half filled releases them for its
part. Whoever asks for a cancel of one order cancels the list, as at a venue that keeps it (`stands_together`).
"""

from __future__ import annotations

from typing import Any

from engine.execution.amending import amended, fault_of_change
from engine.execution.fired import was_meant
from engine.execution.hold import Hold, Hurry, is_closed_at_once
from engine.execution.leg import Leg
from engine.execution.parent import Child, FillFact, Parent, is_reducing
from engine.model.codes import (
    AlarmCode,
    Contingency,
    InstructionKind,
    OrderState,
    ParentState,
    Reason,
)
from engine.model.instructions import OrderList


class ListParent(Parent):
    """See the module. The bound is what the list can fill at most: the exclusive quantity once, and every other order's own."""

    kind = InstructionKind.LIST
    ended_saved = 16

    def __init__(self, instruction: OrderList, handle: int, strategy_id: int) -> None:
        super().__init__(instruction, handle, strategy_id)
        self.contingency = instruction.contingency
        self.legs = [Leg(self, number, terms, terms.handle) for number, terms in enumerate(instruction.orders)]
        self.side = instruction.orders[0].side
        self.position_side = instruction.orders[0].position_side
        self.is_released = not self.has_first
        self.is_alarmed = False
        self.hurry = Hurry()
        self.note_purpose()
        self.whole_lots = max(leg.qty_lots for leg in self.dependants)
        self.qty_lots = self.bound_lots()

    @property
    def has_first(self) -> bool:
        """Does one order release the others."""
        return self.contingency in (Contingency.OTO, Contingency.OTOCO)

    @property
    def is_exclusive(self) -> bool:
        """Do orders exclude one another."""
        return self.contingency != Contingency.OTO

    @property
    def first(self) -> Leg:
        """The order that releases the others."""
        return self.legs[0]

    @property
    def dependants(self) -> list[Leg]:
        """The others; of OCO and OUO all."""
        return self.legs[1:] if self.has_first else self.legs

    def note_purpose(self) -> None:
        """Once nothing of it opens any more, and all of it can only close, it is a protection: kill leaves it held."""
        self.is_protective = self.is_released and all(is_reducing(leg.terms.flags) for leg in self.dependants)

    def bound_lots(self) -> int:
        """What all orders together may fill."""
        first = self.legs[0].qty_lots if self.has_first else 0
        sizes = [leg.qty_lots for leg in self.dependants]
        return first + (max(sizes) if self.is_exclusive else sum(sizes))

    def leg_of(self, handle: int) -> Leg | None:
        """The leg by its order's handle."""
        return next((leg for leg in self.legs if handle in (leg.handle, leg.order_handle)), None)

    def child_of(self, leg: Leg) -> Child | None:
        """Its order at the venue, or on its way there."""
        child = self.children.get(leg.order_handle)
        if child is None or (child.is_end_counted and child.is_over):
            return None  # the next takes its place
        return child if child.state != OrderState.REFUSED else None

    def is_open(self, leg: Leg) -> bool:
        """May its order at the venue still be filled."""
        child = self.child_of(leg)
        return child is not None and not child.is_over

    def filled_of(self, leg: Leg) -> int:
        """What it has filled."""
        child = self.child_of(leg)
        return leg.gone_lots + (child.filled_lots if child is not None else 0)

    # --- life ---

    def on_start(self) -> None:
        """Every order has a handle and is told; what may work goes out."""
        for leg in self.legs:
            leg.handle = leg.handle or self.port.next_handle()
        is_met = any(leg.hold.is_met(self.port) for leg in ([self.first] if self.has_first else self.legs))
        if is_met or (self.has_first and is_closed_at_once(self.port, [leg.terms for leg in self.legs])):
            for leg in self.legs:
                self.tell(leg, OrderState.REFUSED, Reason.TRIGGERED_AT_ONCE)
            self.end(ParentState.REJECTED, Reason.TRIGGERED_AT_ONCE)
            return
        self.move_to(ParentState.WORKING)
        for leg in self.legs:
            leg.expiry.start(self.port, leg.terms)
            self.tell(leg)
        self.work()

    def on_resume_run(self) -> None:
        """Take up every leg where it stood; one that was released and never left goes out now: the others have made way for it."""
        for leg in self.legs:
            if not leg.is_dead:
                leg.expiry.start(self.port, leg.terms)
                if self.child_of(leg) is None:
                    self.tell(leg)
        self.work()

    def tell(self, leg: Leg, state: int = OrderState.HELD, reason: int = Reason.NONE) -> None:
        """The owner's view of one order that is not at the venue."""
        self.port.tell_held(leg.hold.news(leg.handle, leg.qty_lots, state, reason))

    def work(self) -> None:
        """Do what is to be done now, whatever came before."""
        if self.status == ParentState.WORKING:
            if self.has_first and not self.is_released:
                self.work_first()
            if self.is_released:
                self.work_dependants()
        self.settle_list()

    def work_first(self) -> None:
        """The first order; its end or its last fill releases the others."""
        leg = self.first
        if not leg.is_dead and self.child_of(leg) is None:
            self.pursue(leg, leg.qty_lots)
            return
        filled_lots = self.filled_of(leg)
        if self.is_open(leg) and filled_lots < leg.qty_lots:
            return
        if filled_lots == 0 and not leg.is_dead and self.child_of(leg) is None:
            return
        self.is_released = True
        leg.is_dead = True
        self.note_purpose()
        if filled_lots == 0:
            self.drop_all(self.dependants, Reason.CANCELED_BY_CONTINGENCY)
            return
        self.whole_lots = self.whole_lots * min(filled_lots, leg.qty_lots) // leg.qty_lots
        for other in self.dependants:
            self.scale(other, filled_lots)

    def scale(self, leg: Leg, filled_lots: int) -> None:
        """A dependant's share of what its first order has filled."""
        lots = leg.qty_lots * min(filled_lots, self.first.qty_lots) // self.first.qty_lots
        if lots != leg.qty_lots:
            leg.qty_lots = lots
            self.is_changed = True
            if lots > 0:
                self.tell(leg)
            else:
                self.drop(leg, Reason.CANCELED_BY_CONTINGENCY)

    def work_dependants(self) -> None:
        """Independent orders each by itself; of exclusive ones the one that is to be at the venue."""
        if not self.is_exclusive:
            for leg in self.dependants:
                if not leg.is_dead and self.child_of(leg) is None:
                    self.pursue(leg, leg.qty_lots)
            return
        self.drop_excluded()
        chosen = self.chosen()
        for leg in self.dependants:
            if leg is chosen or leg.is_dead or self.child_of(leg) is not None:
                continue
            leg.hold.arm(self.port)
        if chosen is not None:
            self.bring_out(chosen)

    def chosen(self) -> Leg | None:
        """Who is to be at the venue: the latest whose price was seen, else the one that rests by nature."""
        waiting = [leg for leg in self.dependants if not leg.is_dead and leg.is_wanted and self.child_of(leg) is None]
        fired = [leg for leg in waiting if leg.hold.is_fired]
        return fired[0] if fired else waiting[0] if waiting else None

    def bring_out(self, chosen: Leg) -> None:
        """First off with whoever is there, then out with what is left."""
        others = [leg for leg in self.dependants if leg is not chosen and self.is_open(leg)]
        for leg in others:
            self.port.cancel(leg.order_handle)
        if others:
            return
        lots = self.left_lots()
        if lots > 0:
            self.pursue(chosen, lots)
        else:
            self.drop(chosen, Reason.CANCELED_BY_CONTINGENCY)

    def left_lots(self) -> int:
        """What of the exclusive quantity nobody has filled."""
        return self.whole_lots - sum(self.filled_of(leg) for leg in self.dependants)

    def drop_excluded(self) -> None:
        """What a fill or a price has ended, by the list's rule."""
        left_lots = self.left_lots()
        touched = [leg for leg in self.dependants if self.filled_of(leg) > 0 or leg.hold.is_fired]
        for leg in self.dependants:
            child = self.child_of(leg)
            if leg.is_dead or leg in touched:
                continue
            if left_lots <= 0 or (touched and self.contingency != Contingency.OUO):
                if child is None:
                    self.drop(leg, Reason.CANCELED_BY_CONTINGENCY)
                elif not child.is_over:
                    self.port.cancel(leg.order_handle)
            elif child is None and leg.qty_lots != left_lots and self.contingency == Contingency.OUO:
                leg.qty_lots = left_lots
                self.is_changed = True
                self.tell(leg)
        if left_lots <= 0:
            self.drop_all([leg for leg in touched if self.child_of(leg) is None], Reason.CANCELED_BY_CONTINGENCY)

    def pursue(self, leg: Leg, lots: int) -> None:
        """Wait for its price, or send it."""
        if leg.firing.is_waiting:
            return
        if not leg.is_wanted:
            if not leg.hold.arm(self.port):
                self.refuse(leg, Reason.HELD_FULL)
            return
        part = lots
        if leg.is_tried_again:
            lots = min(lots, self.port.whole_lots(leg.terms.side))
            part = leg.part_of(self.port, lots)
        if lots <= 0:
            self.drop(leg, Reason.POSITION_SIDE)  # nothing is left to be closed
        elif part > 0:
            self.send(leg, lots, part)

    def send(self, leg: Leg, lots: int, part: int) -> None:
        """Its order, under the leg's handle as long as none of it was at the venue."""
        known = self.children.get(leg.order_handle)
        if known is not None and known.state == OrderState.REFUSED:
            del self.children[leg.order_handle]
        handle = self.port.submit(leg.hold.released(self.port, part, 0 if leg.is_sent else leg.handle, leg.index))
        if not handle:
            leg.firing.back_off()
            return
        leg.sent_handle = handle
        leg.qty_lots = lots + leg.gone_lots

    # --- what comes back ---

    def on_trigger(self, watch_id: int, price: int) -> None:
        """A leg's price was seen."""
        del price
        for leg in self.legs:
            if leg.hold.watch_id == watch_id:
                leg.hold.note_fired()
                leg.is_wanted = True
                self.is_changed = True
        self.work()

    def on_trail(self, watch_id: int, level: int) -> None:
        """A trailing leg's trigger price moved."""
        for leg in self.legs:
            if leg.hold.watch_id == watch_id:
                leg.hold.note_trail(self.port, level)
                self.is_changed = True
                self.tell(leg)

    def on_timer(self, timer_id: int, data: int) -> None:
        """A leg has expired, or is tried again."""
        del data
        for leg in self.legs:
            if leg.expiry.is_due(self.port, timer_id):
                self.take_off(leg, Reason.EXPIRED)
            else:
                leg.firing.take_timer(timer_id)
        self.work()

    def on_child(self, child: Child) -> None:
        """A leg moved at the venue, or was refused on its way."""
        leg = self.leg_of(child.handle)
        if leg is not None and not leg.is_dead:
            self.on_leg(leg, child)
        self.work()

    def on_leg(self, leg: Leg, child: Child) -> None:
        """What became of a leg's order."""
        if child.state != OrderState.REFUSED:
            leg.is_sent = True
        if child.is_resting:
            leg.firing.size.pass_on()
        if child.state == OrderState.REFUSED:
            self.on_refused(leg, child)
        elif child.is_over and not child.is_end_counted and self.is_unfinished(leg, child):
            self.on_unfinished(leg, child)
        elif child.is_over and not child.is_end_counted:
            leg.is_dead = leg is not self.first or not self.has_first

    def is_unfinished(self, leg: Leg, child: Child) -> bool:
        """Has a fired stop more to close though its order has ended: not taken back by anybody, nor by its own terms."""
        if not leg.is_stop or self.status != ParentState.WORKING or child.was_cancel_asked or was_meant(child):
            return False
        return leg.gone_lots + child.filled_lots < leg.qty_lots

    def on_unfinished(self, leg: Leg, child: Child) -> None:
        """Its order is done with; what is left goes out at once after one that was filled, else later."""
        leg.gone_lots += child.filled_lots
        self.is_changed = True
        if child.state == OrderState.FILLED:
            leg.firing.note_alive(child)
        elif leg.firing.has_failed(child):
            self.fail(child)
            leg.firing.answer(child, self.port.closable_lots(leg.terms.side), leg.about_ticks)

    def fail(self, child: Child) -> None:
        """PROTECTION_FAILED, once."""
        if not self.is_alarmed:
            self.is_alarmed = True
            text = f"the release of an order that closes has failed: {OrderState(child.state).name}"
            self.port.alarm(AlarmCode.PROTECTION_FAILED, text)

    def on_fill(self, child: Child, fill: FillFact) -> None:
        """A leg was filled."""
        del fill
        self.on_child(child)

    def on_refused(self, leg: Leg, child: Child) -> None:
        """The gate does not let it out: what only closes is tried again, a person is told once."""
        if not is_reducing(leg.terms.flags):
            self.refuse(leg, child.reason)
            return
        if leg.firing.has_failed(child):
            self.fail(child)
            leg.firing.answer(child, self.port.closable_lots(leg.terms.side), leg.about_ticks)

    def presses(self, child: Child) -> bool:
        """Orders of a stop that has fired."""
        leg = self.leg_of(child.handle)
        return leg is not None and leg.hold.is_fired and is_reducing(child.flags)

    def on_room(self) -> None:
        """What a fired stop waits for may be there."""
        looks = [leg.firing.may_look() for leg in self.legs if leg.firing.is_waiting]
        self.waits_for_room = not all(looks)
        self.work()

    def on_position(self, position_lots: int) -> None:
        """More to be closed, or less."""
        del position_lots
        if self.waits_for_room:
            self.on_room()

    def on_open(self) -> None:
        """What was refused for the moment's sake may pass."""
        if self.hurry.may(self.port.now_ns):
            self.waits_for_market = False
            for leg in self.legs:
                leg.firing.drop()
            self.work()

    def refuse(self, leg: Leg, reason: int) -> None:
        """It will not be sent; what it would exclude, or release, does not go on without it."""
        leg.hold.disarm(self.port)
        leg.is_dead = True
        self.is_changed = True
        self.tell(leg, OrderState.REFUSED, reason)
        if self.is_released and self.is_exclusive:
            for other in self.dependants:
                self.take_off(other, Reason.LIST_INCOMPLETE)

    # --- ends ---

    def drop(self, leg: Leg, reason: int) -> None:
        """It never went out, and never will: its owner is told."""
        if not leg.is_dead:
            leg.hold.disarm(self.port)
            leg.expiry.stop(self.port)
            leg.is_dead = True
            self.is_changed = True
            if self.child_of(leg) is None:
                state = OrderState.EXPIRED if reason == Reason.EXPIRED else OrderState.CANCELED
                self.tell(leg, state, reason)

    def drop_all(self, legs: list[Leg], reason: int) -> None:
        """Several of them."""
        for leg in legs:
            self.drop(leg, reason)

    def take_off(self, leg: Leg, reason: int) -> None:
        """End one order, held or at the venue."""
        if self.is_open(leg):
            self.port.cancel(leg.order_handle)
        elif self.child_of(leg) is None:
            self.drop(leg, reason)

    def settle_list(self) -> None:
        """Over once every leg is dead or ended, and nothing is open."""
        if self.is_over or self.status not in (ParentState.WORKING, ParentState.CANCELING) or self.open_children:
            return
        if any(not leg.is_dead and self.child_of(leg) is None for leg in self.legs):
            return
        if self.has_first and not self.is_released and self.filled_of(self.first) > 0:
            return
        if self.status == ParentState.CANCELING:
            self.settle_cancel()
        elif self.filled_lots > 0:
            self.end(ParentState.DONE)
        else:
            refused = any(child.state in (OrderState.REFUSED, OrderState.REJECTED) for child in self.children.values())
            self.end(ParentState.REJECTED if refused else ParentState.CANCELED, self.reason)

    def cancel(self, reason: int = Reason.NONE) -> None:
        """Every leg ends."""
        for leg in self.legs:
            if self.child_of(leg) is None:
                self.drop(leg, reason)
            leg.expiry.stop(self.port)
        super().cancel(reason)

    @property
    def stands_together(self) -> bool:
        """Does a cancel of one order cancel the list, as where the venue keeps it; not of an OUO or of a released OTO."""
        return self.contingency != Contingency.OUO and (self.is_exclusive or not self.is_released)

    def cancel_order(self, handle: int) -> bool:
        """One leg ends, and the list with it where its orders stand together. One that makes way for another's price goes alone."""
        leg = self.leg_of(handle)
        if leg is None or leg.is_dead:
            return False
        child = self.child_of(leg)
        if not self.stands_together:
            self.take_off(leg, Reason.NONE)
            self.work()
        elif child is None or not child.is_cancel_wanted:
            others = [other for other in self.legs if other is not leg and self.child_of(other) is None]
            self.drop_all(others, Reason.CANCELED_BY_CONTINGENCY)
            self.cancel()
        return True

    def resume(self) -> None:
        """Wait again for every leg's price."""
        super().resume()
        self.work()

    def pause(self) -> None:
        """No leg fires; what is at the venue stays: an exclusive pair is not to lose its place."""
        if self.status == ParentState.WORKING:
            for leg in self.legs:
                leg.hold.disarm(self.port)
            self.move_to(ParentState.PAUSED)

    def amend(self, handle: int, price_ticks: int, qty_lots: int, trigger_ticks: int) -> int:
        """Other prices for a leg that still waits; a leg at the venue is replaced there. Sizes belong to the list."""
        leg = self.leg_of(handle)
        if leg is None or leg.is_dead or qty_lots:
            return Reason.ORDER_NOT_OPEN
        if self.child_of(leg) is not None or fault_of_change(leg.terms, price_ticks, trigger_ticks):
            return Reason.UNSUPPORTED
        terms = amended(leg.terms, price_ticks, 0, trigger_ticks)
        waits = self.is_released or leg is self.first
        if trigger_ticks and waits and not leg.is_wanted and Hold(terms).is_met(self.port):
            self.tell(leg, reason=Reason.TRIGGERED_AT_ONCE)
            return Reason.TRIGGERED_AT_ONCE
        leg.hold.disarm(self.port)
        leg.hold = Hold(terms)
        self.is_changed = True
        self.tell(leg)
        self.work()
        return Reason.NONE

    # --- restart ---

    def state(self) -> Any:
        """The legs."""
        return {
            "legs": [leg.saved() for leg in self.legs],
            "is_released": self.is_released,
            "whole_lots": self.whole_lots,
        }

    def restore(self, saved: Any) -> None:
        """Where they stood."""
        self.is_released, self.whole_lots = saved["is_released"], saved["whole_lots"]
        for leg, row in zip(self.legs, saved["legs"], strict=True):
            leg.restore(row)
        self.note_purpose()
