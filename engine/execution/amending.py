"""Other numbers for an order of a parent: which its type has, and how one that works at the venue is sent anew.

An order at the venue is taken back and, once that is certain, sent again for what it has not filled: never two of it at once, so
that a fill on the way cannot make it larger than it is. The new order has a handle of its own; the owner's stays. Where the new
numbers are refused it goes back to the old ones.
"""

from __future__ import annotations

from abc import abstractmethod

import msgspec

from engine.execution.hold import PASSING_REASONS, Hold
from engine.execution.parent import Child, Parent
from engine.model.codes import AlarmCode, OrderState, OrderType, ParentState, Reason
from engine.model.instructions import LIMITED_TYPES, OrderTerms

REFUSED = (OrderState.REFUSED, OrderState.REJECTED)


def amended(terms: OrderTerms, price_ticks: int, qty_lots: int, trigger_ticks: int) -> OrderTerms:
    """The order with other numbers; 0 leaves one as it is."""
    return msgspec.structs.replace(
        terms,
        price_ticks=price_ticks or terms.price_ticks,
        qty_lots=qty_lots or terms.qty_lots,
        trigger_ticks=trigger_ticks or terms.trigger_ticks,
    )


def fault_of_change(terms: OrderTerms, price_ticks: int, trigger_ticks: int) -> str:
    """Which of the numbers an order of this type has not, in words; empty where it has them."""
    if price_ticks and terms.order_type not in LIMITED_TYPES:
        return f"a {OrderType(terms.order_type).name} order has no limit price"
    if trigger_ticks and not terms.is_conditional:
        return f"a {OrderType(terms.order_type).name} order has no trigger price"
    return ""


class Amending(Parent):
    """A parent of one order. `is_resent`: its orders at the venue have handles of their own since it was changed there;
    `is_moving`: what works is taken back to be sent anew; `former`: the numbers to go back to."""

    hold: Hold
    is_resent = False
    former: OrderTerms | None = None

    @abstractmethod
    def take_terms(self, terms: OrderTerms) -> None:
        """What the order is from now on."""

    @abstractmethod
    def tell(self, state: int = OrderState.HELD, reason: int = Reason.NONE) -> None:
        """The owner's view of it."""

    @abstractmethod
    def work(self) -> None:
        """Do what is to be done now."""

    @abstractmethod
    def retry(self) -> None:
        """Later again."""

    def take_back(self, terms: OrderTerms) -> None:
        """Other numbers for what works at the venue: off with it, the rest follows its end."""
        self.former = self.former or self.hold.terms
        self.take_fired(terms)
        self.is_resent = self.is_moving = True
        self.tell()
        self.work()

    def take_fired(self, terms: OrderTerms) -> None:
        """Other numbers, as far along as it was."""
        was_fired, extreme, trigger_ticks = self.hold.is_fired, self.hold.extreme, self.hold.trigger_ticks
        self.take_terms(terms)
        self.hold.is_fired, self.hold.extreme, self.hold.trigger_ticks = was_fired, extreme, trigger_ticks
        self.is_changed = True

    def is_taken_back(self) -> bool:
        """Is nothing at the venue (any more) that is to be sent anew; else it is asked for."""
        if self.is_moving and self.open_children:
            self.cancel_children()
            return False
        if self.is_moving:
            self.is_moving, self.is_changed = False, True
        return True

    def note_sent(self, child: Child) -> None:
        """The venue has taken the new numbers: there is no way back any more."""
        if self.former is not None and not self.is_moving and (child.is_resting or child.filled_lots):
            self.former, self.is_changed = None, True

    def goes_back(self, child: Child) -> bool:
        """The order with the new numbers was refused: again with the old ones, or - for the moment's sake - later as it is."""
        if not self.is_resent or self.is_moving or child.state not in REFUSED or self.open_children:
            return False
        if self.status != ParentState.WORKING:
            return False
        if child.reason in PASSING_REASONS and self.is_protective:
            return False
        if child.reason in PASSING_REASONS:
            self.reason, self.waits_for_market = child.reason, True
            self.retry()
            return True
        if self.former is None:
            return False
        terms, self.former = self.former, None
        self.take_fired(terms)
        self.reason = child.reason
        text = (
            f"the order with other numbers is refused ({Reason(child.reason).name}): it is sent with the old ones again"
        )
        self.port.alarm(AlarmCode.PARENT_FAILED, text)
        self.tell(reason=child.reason)
        self.work()
        return True
