"""A protective order whose price was seen: when its next order may be asked for, and how large that may be.

One `Firing` for each: of exits, of a held order, of a list's leg. What became of an order is told to it, and it answers:

- refused as too large: at once again in smaller pieces, as few tries as it takes;
- refused for the moment's sake (no valid book, halted ...): when that has passed, see `Hurry`;
- refused beside other orders: at once again without what they hold, once;
- refused otherwise, rejected, or ended by the venue unfilled: a failure. Later again, longer each time, and never given up.

What holds a part of the position is waited for apart from failures: when somebody's order ends the stop looks again at once, but
while it waits after a failure no more than once in as long as that wait is. So nothing spins, whoever disagrees with whom.
"""

from __future__ import annotations

from engine.execution.hold import PASSING_REASONS, RETRY_NS, Hurry, retry_delay_ns
from engine.execution.parent import Child, Parent
from engine.model.codes import OrderState, OrderType, Reason, TimeInForce

# orders of one firing that are open at once, where one may not be as large as all
PIECES_AT_ONCE = 8
# what smaller orders cure; of a market order also what the book does not hold
TOO_LARGE = frozenset({Reason.QTY_ABOVE_MAX, Reason.NOTIONAL_ABOVE_MAX})
TOO_DEEP = frozenset({Reason.PRICE_COLLAR, Reason.SLIPPAGE})
# the size is halved so often, then quartered, and after so many refusals in a row the next try has to wait
HALVINGS = 2
CUTS_IN_A_ROW = 6
# so many orders may be asked for in a row without a fill, in as long as the first wait is: whatever else goes wrong, no storm
ASKS_IN_A_ROW = 14
UNFILLED = frozenset({OrderState.CANCELED, OrderState.EXPIRED, OrderState.ABSENT})
FAILED = frozenset({OrderState.REFUSED, OrderState.REJECTED})


def is_too_large(child: Child) -> bool:
    """Was it refused for its size."""
    if child.state != OrderState.REFUSED:
        return False
    return child.reason in TOO_LARGE or (child.reason in TOO_DEEP and child.order_type == OrderType.MARKET)


def was_meant(child: Child) -> bool:
    """Was it taken back by anybody here, or has it ended by its own terms: then it has not failed."""
    is_short = child.order_type != OrderType.MARKET and child.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    return child.was_cancel_sent or (is_short and child.state == OrderState.EXPIRED)


class PieceSize:
    """How large one order may be, as refusals have told. 0 lots: nothing is known.

    After a cut one order goes out alone until one has passed: so few are refused. What has been filled makes the next twice as
    large, below what a limit has refused; a book may hold more by now.
    """

    __slots__ = ("cuts", "is_probing", "lots", "refused_lots")

    def __init__(self) -> None:
        self.lots = self.refused_lots = self.cuts = 0
        self.is_probing = False

    def cut(self, child: Child, least_lots: int, step_lots: int) -> bool:
        """A smaller size than the one refused; False where there is none, or none that may be tried at once."""
        if self.lots and child.qty_lots > self.lots:
            return True  # larger than what is known by now
        self.cuts += 1
        part = child.qty_lots // (2 if self.cuts <= HALVINGS else 4)
        smaller = max(part // step_lots * step_lots, least_lots)
        self.refused_lots = child.qty_lots if child.reason in TOO_LARGE else 0
        self.is_probing = True
        if smaller >= child.qty_lots:
            return False
        self.lots = smaller
        return self.cuts < CUTS_IN_A_ROW

    def pass_on(self) -> None:
        """One was let out: the others may follow."""
        self.is_probing = False
        self.cuts = 0

    def grow(self, child: Child) -> None:
        """A whole piece was filled."""
        if 0 < self.lots <= child.qty_lots and (not self.refused_lots or 2 * self.lots < self.refused_lots):
            self.lots *= 2

    def next_lots(self, lots: int, most_lots: int, least_lots: int) -> int:
        """The next piece of so many lots: what it leaves over can be sent, too."""
        piece = min(lots, self.lots or most_lots, most_lots)
        rest = lots - piece
        if 0 < rest < least_lots and lots - least_lots >= least_lots:
            return lots - least_lots
        return piece

    def slots(self, working: list[Child]) -> int:
        """How many more orders may be asked for beside these."""
        free = PIECES_AT_ONCE - len(working)
        if self.is_probing:
            free = min(free, 1 - sum(child.state == OrderState.NONE for child in working))
        return max(free, 0)


class Firing:
    """See the module. `data`: what its timer carries."""

    __slots__ = (
        "asked_ns",
        "asks",
        "data",
        "early_ns",
        "failures",
        "filled_lots",
        "hurry",
        "is_backing_off",
        "is_crowded",
        "parent",
        "room_waits",
        "size",
        "timer_id",
    )

    def __init__(self, parent: Parent, data: int = 0) -> None:
        self.parent, self.data = parent, data
        self.hurry = Hurry()
        self.timer_id = 0
        self.is_backing_off = False
        self.asks = self.asked_ns = self.filled_lots = 0
        self.forget()

    def forget(self) -> None:
        """Nothing is known, nothing is waited for."""
        self.drop()
        self.hurry.forget()
        self.size = PieceSize()
        self.failures = self.room_waits = self.early_ns = 0
        # an order that goes out beside others was refused: only what nothing else closes goes out
        self.is_crowded = False

    # --- waits ---

    @property
    def is_waiting(self) -> bool:
        """Not now."""
        return self.timer_id != 0

    def drop(self) -> None:
        """Wait no longer."""
        if self.timer_id:
            self.parent.port.drop_timer(self.timer_id)
        self.timer_id = 0
        self.is_backing_off = False

    def take_timer(self, timer_id: int) -> bool:
        """Was it ours: then the wait is over."""
        if not self.timer_id or timer_id != self.timer_id:
            return False
        self.timer_id = 0
        self.is_backing_off = False
        return True

    def back_off(self) -> None:
        """A failure: later again, and longer each time. Orders that fail while it waits already are one failure."""
        if self.is_backing_off:
            return
        self.drop()
        self.timer_id = self.parent.port.set_timer(retry_delay_ns(self.failures), self.data)
        self.failures += 1
        self.is_backing_off = True

    def wait_for_room(self) -> None:
        """Something holds what is to be closed: look when something has ended, and now and then."""
        self.parent.waits_for_room = True
        if not self.timer_id:
            self.timer_id = self.parent.port.set_timer(retry_delay_ns(self.room_waits), self.data)
            self.room_waits += 1

    def may_look(self) -> bool:
        """Somebody's order has ended: is it time to look again. Then nothing is waited for any more."""
        if self.is_backing_off and not self.may_go_early():
            return False
        self.drop()
        return True

    def may_go_early(self) -> bool:
        """Before a wait is over, or without one: no more often than waits end by themselves."""
        now_ns = self.parent.port.now_ns
        if now_ns < self.early_ns:
            return False
        self.early_ns = now_ns + retry_delay_ns(self.failures)
        return True

    def may_pass(self) -> bool:
        """Book and session let orders pass: is it time to look again."""
        if not self.hurry.may(self.parent.port.now_ns):
            return False
        self.drop()
        return True

    # --- what became of its orders ---

    def note_alive(self, child: Child) -> None:
        """It is on its way, rests, or was filled."""
        if child.state not in FAILED and child.state != OrderState.NONE:
            self.size.pass_on()
        if child.is_resting or child.filled_lots:
            self.hurry.forget()
        if child.state == OrderState.FILLED and not child.is_end_counted:
            child.is_end_counted = True
            self.size.grow(child)
            self.failures = self.room_waits = 0

    def has_failed(self, child: Child) -> bool:
        """Did it just end without what it was for, and not because it was taken back; told once for each order."""
        is_unfilled = child.state in UNFILLED and not child.was_cancel_asked
        if child.is_end_counted or not (is_unfilled or child.state in FAILED):
            return False
        child.is_end_counted = True
        return True

    def answer(self, child: Child, closable_lots: int, price_ticks: int) -> bool:
        """It has failed: what follows; True where the next one may go at once. `closable_lots`: what nothing else closes now."""
        if is_too_large(child):
            return self.cut(child, price_ticks)
        is_passing = child.state == OrderState.REFUSED and child.reason in PASSING_REASONS
        self.parent.waits_for_market |= is_passing
        is_beside = child.state in FAILED and not self.is_crowded and child.qty_lots > closable_lots
        self.is_crowded |= child.state in FAILED and not is_passing
        if is_beside and not is_passing:
            return True
        if child.filled_lots:
            self.failures = 0  # it has come forward
            if self.may_go_early():
                return True
        self.back_off()
        return False

    def cut(self, child: Child, price_ticks: int) -> bool:
        """Smaller pieces; False: not at once."""
        facts = self.parent.port.instrument()
        step, least = facts.step_of(child.order_type), facts.least_of(child.order_type, price_ticks)
        if self.size.cut(child, least, step):
            return True
        self.size.cuts = 0
        self.back_off()
        return False

    def pieces(self, lots: int, order_type: int, price_ticks: int, working: list[Child]) -> list[int]:
        """Sizes of the orders that may be asked for now beside those at work, for so many lots."""
        facts, sizes = self.parent.port.instrument(), []
        most, least, step = (
            facts.most_of(order_type),
            facts.least_of(order_type, price_ticks),
            facts.step_of(order_type),
        )
        lots -= lots % step if lots > step else 0
        asks = self.asks_left()
        if lots > 0 and asks <= 0:
            self.back_off()
        for _ in range(min(self.size.slots(working), asks)):
            if lots <= 0:
                break
            sizes.append(self.size.next_lots(lots, most, least))
            lots -= sizes[-1]
        self.asks += len(sizes)
        return sizes

    def asks_left(self) -> int:
        """How many orders may be asked for until one is filled or time passes."""
        now_ns = self.parent.port.now_ns
        filled_lots = sum(child.filled_lots for child in self.parent.children.values())
        if now_ns - self.asked_ns >= RETRY_NS or filled_lots > self.filled_lots:
            self.asks, self.asked_ns = 0, now_ns
        self.filled_lots = filled_lots
        return ASKS_IN_A_ROW - self.asks
