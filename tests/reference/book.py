"""Slow, obvious twins of the ladder and of the synchronised book: dicts and the exchange's rule word by word."""

from __future__ import annotations

from dataclasses import dataclass, field

Levels = list[tuple[int, int]]


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
