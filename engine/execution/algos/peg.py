"""One order that follows the best price, the mid or the opposite price at a distance, at a bounded rate."""

from __future__ import annotations

from engine.execution.algos.core import NOTHING, Algo, Facts, Order, Quote, Wish
from engine.model.algo_terms import Peg


class PegAlgo(Algo[Peg]):
    """Its own order is left out of the price that it follows: alone at the best it would stand there for ever."""

    listens = True

    def __init__(self, terms: Peg, order: Order) -> None:
        super().__init__(terms, order)
        self.duration_ns, self.at_end = terms.duration_ns, terms.at_end
        self._seen: tuple[bool, int, int] | None = None
        self._ours_lots = 0

    def heeds(self, quote: Quote) -> bool:
        """A price has changed, or at the best there is nobody left but our own order."""
        before, self._seen = self._seen, (quote.is_valid, quote.own_ticks, quote.opposite_ticks)
        return self._seen != before or quote.own_lots == self._ours_lots

    @property
    def retry_ns(self) -> int:
        """One placing in this time."""
        return self.terms.replace_ns

    def wish(self, facts: Facts) -> Wish:
        """The order at the price followed; one that stands near enough stays."""
        self._ours_lots = facts.ours_lots
        price_ticks = self.pegged_ticks(facts)
        if price_ticks <= 0:
            return Wish(facts.ours_lots, facts.ours_ticks) if facts.ours_lots else NOTHING
        is_near = facts.ours_lots > 0 and abs(price_ticks - facts.ours_ticks) < self.terms.tolerance_ticks
        is_early = facts.elapsed_ns < self.next_try_ns
        if is_early:
            self.wake_ns = min(self.wake_ns, self.next_try_ns)
        if facts.ours_lots and (is_near or is_early):
            return Wish(facts.ours_lots, facts.ours_ticks)
        if is_early:
            return NOTHING
        lots = min(facts.unfilled_lots, self.terms.display_lots or facts.unfilled_lots)
        return Wish(lots, price_ticks, is_post_only=self.terms.post_only, may_move=True)

    def pegged_ticks(self, facts: Facts) -> int:
        """The price to stand at; 0 where there is none to follow."""
        best, opposite = self.joined_ticks(facts), facts.opposite_ticks
        followed = {"best": best, "opposite": opposite, "mid": self.mid_ticks(best, opposite)}[self.terms.to]
        if not followed:
            return 0
        price_ticks = self.bounded(followed - self.order.sign * self.terms.offset_ticks)
        crosses = opposite and (price_ticks - opposite) * self.order.sign >= 0
        return opposite - self.order.sign if crosses and self.terms.post_only else price_ticks

    def mid_ticks(self, own: int, opposite: int) -> int:
        """Half way, on the grid, on our side of the half; 0 where a side is missing."""
        if not own or not opposite:
            return 0
        return (own + opposite) // 2 if self.order.sign > 0 else -(-(own + opposite) // 2)
