"""Participation of volume: a share of what is traded, not below a least and never above a most."""

from __future__ import annotations

from engine.execution.algos.core import Algo, Facts, Order, Quote, Wish
from engine.model.algo_terms import WHOLE_BPS, Pov


class PovAlgo(Algo[Pov]):
    """Filled lots stay within max_bps of the volume seen: our trades are part of it, so that a fill moves both by the same."""

    listens = True
    wants_trades = True

    def __init__(self, terms: Pov, order: Order) -> None:
        super().__init__(terms, order)
        self.duration_ns, self.at_end = terms.duration_ns, terms.at_end
        self._seen: tuple[bool, int, int] | None = None

    def heeds(self, quote: Quote) -> bool:
        """Something was traded, or a price has changed."""
        before, self._seen = self._seen, (quote.is_valid, quote.own_ticks, quote.opposite_ticks)
        return quote.trade_lots > 0 or self._seen != before

    def wish(self, facts: Facts) -> Wish:
        """Behind the least: take what lacks. Else rest or take up to the share."""
        terms, volume = self.terms, facts.traded_lots
        ending_lots = self.order.qty_lots - facts.filled_lots - facts.unfilled_lots
        done_lots = facts.filled_lots + ending_lots
        lacking = volume * terms.min_bps // WHOLE_BPS - done_lots
        if lacking >= max(1, terms.child_lots_min, self.order.least_lots):
            return self.take(facts, self._sized(lacking, facts), may_grow=False)
        lots = self._sized(volume * terms.participation_bps // WHOLE_BPS - done_lots, facts)
        if facts.ours_lots and terms.style == "join":
            lots = max(
                lots, facts.ours_lots
            )  # one that rests is not cut: the volume that it was made for has been seen
        if terms.style == "join":
            return self.join(facts, lots, may_grow=False)
        return self.take(facts, lots, may_grow=False)

    def _sized(self, lots: int, facts: Facts) -> int:
        """Not above the most that a child may have, nothing below the least, nothing that could pass `max_bps`."""
        terms = self.terms
        most_bps = terms.max_bps or terms.participation_bps
        ending_lots = self.order.qty_lots - facts.filled_lots - facts.unfilled_lots
        allowed = facts.traded_lots * most_bps // WHOLE_BPS - facts.filled_lots - ending_lots
        lots = min(lots, allowed, facts.unfilled_lots, terms.child_lots_max or lots)
        is_rest = lots == facts.unfilled_lots
        return lots if is_rest or lots >= max(1, terms.child_lots_min) else 0
