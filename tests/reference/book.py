"""Slow, obvious twins of the ladder and of the synchronised book: dicts and the exchange's rule word by word."""

from __future__ import annotations

from dataclasses import dataclass, field

Levels = list[tuple[int, int]]


def walked(levels: Levels, qty_lots: int) -> tuple[int, int, int]:
    """Take lots from levels, best first: (ticks x lots, lots not held, last price reached or 0)."""
    value, worst_ticks = 0, 0
    for price_ticks, held_lots in levels:
        if not qty_lots:
            break
        taken_lots = min(qty_lots, held_lots)
        value, qty_lots, worst_ticks = value + taken_lots * price_ticks, qty_lots - taken_lots, price_ticks
    return value, qty_lots, worst_ticks


@dataclass
class SlowLadder:
    """One side: price to quantity."""

    is_bid: bool
    base_ticks: int = 0
    range_ticks: int = 1 << 24
    qty_lots: dict[int, int] = field(default_factory=dict)

    def set(self, price_ticks: int, qty_lots: int) -> None:
        if not 0 <= price_ticks - self.base_ticks < self.range_ticks:
            raise OverflowError(price_ticks)
        if qty_lots:
            self.qty_lots[price_ticks] = qty_lots
        else:
            self.qty_lots.pop(price_ticks, None)

    def levels(self) -> Levels:
        return sorted(self.qty_lots.items(), reverse=self.is_bid)

    def next_worse(self, price_ticks: int) -> int | None:
        worse = [price for price in self.qty_lots if (price < price_ticks if self.is_bid else price > price_ticks)]
        if not worse:
            return None
        return max(worse) if self.is_bid else min(worse)

    def walk(self, qty_lots: int, depth: int) -> tuple[int, int, int]:
        """What the lots cost on the best `depth` levels, what those do not hold, the last price reached."""
        return walked(self.levels()[:depth], qty_lots)


@dataclass(frozen=True)
class Update:
    """A spot depth diff."""

    first_id: int
    last_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


@dataclass
class SlowBook:
    """The truth at the exchange: every update in order, none lost."""

    bids: SlowLadder = field(default_factory=lambda: SlowLadder(True))
    asks: SlowLadder = field(default_factory=lambda: SlowLadder(False))
    update_id: int = 0

    def apply(self, update: Update) -> None:
        for price, qty in update.bids:
            self.bids.set(price, qty)
        for price, qty in update.asks:
            self.asks.set(price, qty)
        self.update_id = update.last_id
