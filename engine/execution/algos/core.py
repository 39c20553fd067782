"""What every algorithm is: facts in, a wish out. `engine.execution.algos.parent` makes children of wishes and keeps the hard bound.

An algorithm keeps at most one child working that it wants; others may still be ending (a cancel under way, an answer missing).
`decide` is asked after everything that happens and must give the same wish for the same facts, however often it is asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from engine.model.algo_terms import AlgoTerms, AtEnd
from engine.model.codes import Side, TimeInForce

NEVER_NS = 1 << 62
CROSSING_TRIES = 10
CROSSING_NS_LEAST = 1_000_000_000

TermsT = TypeVar("TermsT", bound=AlgoTerms)


@dataclass(frozen=True)
class Order:
    """What the algorithm is asked to do. `least_lots` is the smallest quantity that the venue takes."""

    seed: int
    side: Side
    qty_lots: int
    least_lots: int = 1

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sale: a price times this is better the smaller it is."""
        return 1 if self.side == Side.BUY else -1


@dataclass(frozen=True)
class Facts:
    """Now. `room_lots` is what neither has filled nor could still fill; levels are (ticks, lots), best first.

    `ours_lots` is what the working child has left at `ours_ticks`; both 0 where none works. `traded_lots`: all public trades since
    the start.
    """

    elapsed_ns: int
    filled_lots: int
    room_lots: int
    ours_lots: int = 0
    ours_ticks: int = 0
    own_levels: Sequence[tuple[int, int]] = ()
    opposite_levels: Sequence[tuple[int, int]] = ()
    traded_lots: int = 0

    @property
    def own_ticks(self) -> int:
        """Best price of our side; 0 = none."""
        return self.own_levels[0][0] if self.own_levels else 0

    @property
    def opposite_ticks(self) -> int:
        """Best price of the other side; 0 = none."""
        return self.opposite_levels[0][0] if self.opposite_levels else 0

    @property
    def unfilled_lots(self) -> int:
        """What may still come to be filled by a new child or the working one."""
        return self.room_lots + self.ours_lots


@dataclass(frozen=True)
class Wish:
    """The child that should work: so many lots left at this price. No lots: none should.

    `may_move`: another price or a larger size is worth a new child. `may_grow`: rather a larger child than a rest too small to be
    sent.
    """

    lots: int = 0
    price_ticks: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    may_move: bool = False
    may_grow: bool = True


NOTHING = Wish()


class Quote(NamedTuple):
    """A market event in short: best price and quantity of our side, the other side's best price, the trade's quantity, if any."""

    is_valid: bool
    own_ticks: int
    own_lots: int
    opposite_ticks: int
    trade_lots: int


class Algo(ABC, Generic[TermsT]):
    """Base of the algorithms. `over`: no further child will ever be wished for; `wake_ns`: when to ask again without any event."""

    duration_ns: int = 0
    at_end: AtEnd = "cancel"
    # hears every price, or looks when a timer is due
    listens: ClassVar[bool] = False
    # counts the public trades
    wants_trades: ClassVar[bool] = False

    def __init__(self, terms: TermsT, order: Order) -> None:
        self.terms = terms
        self.order = order
        self.over = False
        self.wake_ns = NEVER_NS
        self.next_try_ns = 0
        # children that took nothing, in a row
        self.misses = 0

    def decide(self, facts: Facts) -> Wish:
        """The wish now: what `wish` says while there is time, then the end's."""
        self.wake_ns = self.duration_ns or NEVER_NS
        if not self.duration_ns or facts.elapsed_ns < self.duration_ns:
            return self.wish(facts)
        return self.last_wish(facts)

    @abstractmethod
    def wish(self, facts: Facts) -> Wish:
        """The wish while there is time."""

    def last_wish(self, facts: Facts) -> Wish:
        """Time is over: nothing more, or the rest at the opposite price in some tries."""
        until_ns = self.duration_ns + max(CROSSING_NS_LEAST, CROSSING_TRIES * self.retry_ns)
        if self.at_end == "cancel" or facts.elapsed_ns >= until_ns or not facts.unfilled_lots:
            self.over = True
            return NOTHING
        self.wake_ns = until_ns
        return self.take(facts, facts.unfilled_lots)

    @property
    def retry_ns(self) -> int:
        """How long what did not succeed waits."""
        return int(getattr(self.terms, "retry_ns", 0))

    def take(self, facts: Facts, lots: int, *, may_grow: bool = True) -> Wish:
        """`lots` of what the other side shows within the limit, at the price of the last level needed; nothing is waited for.

        No more is asked for than stands there (but the least that the venue takes): a part filled could leave a rest too small.
        After a miss - the quote was gone - it reaches a level further.
        """
        levels = [level for level in facts.opposite_levels if self.is_within(level[0])]
        if lots <= 0 or not levels:
            return NOTHING
        if facts.elapsed_ns < self.next_try_ns:
            self.wake_ns = min(self.wake_ns, self.next_try_ns)
            return Wish(facts.ours_lots, facts.ours_ticks, TimeInForce.IOC) if facts.ours_lots else NOTHING
        there = needed = 0
        while needed < len(levels) and there < lots:
            there += levels[needed][1]
            needed += 1
        price_ticks = levels[min(needed - 1 + self.misses, len(levels) - 1)][0]
        return Wish(min(lots, max(there, self.order.least_lots)), price_ticks, TimeInForce.IOC, may_grow=may_grow)

    def join(self, facts: Facts, lots: int, *, may_grow: bool = True) -> Wish:
        """`lots` at the best price of our side, within the limit; moved no sooner than `retry_ns` after it was placed."""
        if lots <= 0 or not facts.own_ticks:
            return NOTHING
        may_move = facts.elapsed_ns >= self.next_try_ns
        if not may_move:
            self.wake_ns = min(self.wake_ns, self.next_try_ns)
        return Wish(lots, self.bounded(self.joined_ticks(facts)), may_move=may_move, may_grow=may_grow)

    def joined_ticks(self, facts: Facts) -> int:
        """Best price of our side but for our own child: an order that stands alone at the best follows the others.

        Alone is one whose level holds exactly its quantity: on paper the market does not show our orders at all, and a feed is a
        little behind.
        """
        for price_ticks, lots in facts.own_levels:
            if price_ticks != facts.ours_ticks or lots != facts.ours_lots:
                return price_ticks
        return facts.own_ticks

    def is_within(self, price_ticks: int) -> bool:
        """Is the price no worse than the limit."""
        limit = self.terms.limit_ticks
        return not limit or (price_ticks - limit) * self.order.sign <= 0

    def bounded(self, price_ticks: int) -> int:
        """The price, or the limit where it is worse."""
        return price_ticks if self.is_within(price_ticks) else self.terms.limit_ticks

    def heeds(self, quote: Quote) -> bool:  # noqa: ARG002 - of those that listen
        """Can a market event change the wish; most events of a busy market cannot."""
        return True

    def submitted(self, facts: Facts) -> None:
        """A child was sent."""
        self.next_try_ns = facts.elapsed_ns + self.retry_ns

    def ended(self, elapsed_ns: int, *, is_filled: bool, is_taker: bool) -> None:  # noqa: ARG002 - of those that wait
        """The working child has ended, whatever way."""
        if is_taker:
            self.misses = 0 if is_filled else self.misses + 1

    def planned_lots(self, elapsed_ns: int) -> int | None:  # noqa: ARG002 - of those that have a plan
        """What should be filled by now; None where there is no plan."""
        return None

    def memory(self) -> dict[str, Any]:
        """What a restart needs beyond the terms and the fills: whole numbers by name."""
        return {"next_try_ns": self.next_try_ns}

    def remember(self, memory: dict[str, Any]) -> None:
        """Continue from `memory()`."""
        self.next_try_ns = int(memory.get("next_try_ns", 0))
