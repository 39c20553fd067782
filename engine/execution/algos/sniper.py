"""A sniper waits out of sight until its price stands in the book, and takes it at once."""

from __future__ import annotations

from engine.execution.algos.core import NOTHING, Algo, Facts, Order, Quote, Wish
from engine.model.algo_terms import Sniper
from engine.model.codes import TimeInForce

SAME_QUOTE_NS = 1_000_000_000


class SniperAlgo(Algo[Sniper]):
    """One shot a quote: a quote that a shot did not get (it was gone already) is not shot at again for a second."""

    listens = True

    def __init__(self, terms: Sniper, order: Order) -> None:
        super().__init__(terms, order)
        self.duration_ns = terms.duration_ns
        self._shot_at: tuple[int, int] = (0, 0)
        self._shot_ns = -SAME_QUOTE_NS

    def heeds(self, quote: Quote) -> bool:
        """Its price stands in the book."""
        return quote.is_valid and quote.opposite_ticks > 0 and self.is_within(quote.opposite_ticks)

    def wish(self, facts: Facts) -> Wish:
        """All that is left at the limit price, when enough stands there."""
        if facts.ours_lots:
            return Wish(facts.ours_lots, facts.ours_ticks, TimeInForce.IOC)
        if self._reachable_lots(facts) < max(1, min(self.terms.take_lots_min, facts.unfilled_lots)):
            return NOTHING
        ready_ns = self.next_try_ns
        if facts.opposite_levels[0] == self._shot_at:
            ready_ns = max(ready_ns, self._shot_ns + SAME_QUOTE_NS)
        if facts.elapsed_ns < ready_ns:
            self.wake_ns = min(self.wake_ns, ready_ns)
            return NOTHING
        return Wish(facts.unfilled_lots, self.terms.limit_ticks, TimeInForce.IOC)

    def _reachable_lots(self, facts: Facts) -> int:
        return sum(lots for price_ticks, lots in facts.opposite_levels if self.is_within(price_ticks))

    def submitted(self, facts: Facts) -> None:
        """Remember the quote."""
        super().submitted(facts)
        self._shot_at, self._shot_ns = tuple(facts.opposite_levels[0]), facts.elapsed_ns  # type: ignore[assignment]
