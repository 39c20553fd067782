"""A slow futures account: fractions, no brackets' "cum", no formula for the liquidation price, only definitions."""

from __future__ import annotations

from fractions import Fraction

E8 = 10**8


class SlowPosition:
    """Average-cost position in exact fractions of the quote asset; ``qty`` is negative when short."""

    def __init__(self) -> None:
        self.qty = Fraction(0)
        self.entry = Fraction(0)
        self.realized = Fraction(0)
        self.closings = 0

    def fill(self, delta: Fraction, price: Fraction) -> None:
        """Take a fill unit by unit of meaning: first what closes, then what opens."""
        if delta * self.qty < 0:
            closing = min(abs(delta), abs(self.qty))
            direction = 1 if self.qty > 0 else -1
            self.realized += direction * closing * (price - self.entry)
            self.qty -= direction * closing
            delta += direction * closing
            self.closings += 1
        if delta:
            total = self.qty + delta
            self.entry = (self.qty * self.entry + delta * price) / total
            self.qty = total

    def profit(self, mark: Fraction) -> Fraction:
        return self.qty * (mark - self.entry)


def maintenance(rows: list[tuple[Fraction, Fraction]], notional: Fraction) -> Fraction:
    """Maintenance margin as what each slice of the notional needs; ``rows`` are (cap, ratio) from the smallest up."""
    total = floor = Fraction(0)
    for index, (cap, ratio) in enumerate(rows):
        top = notional if index == len(rows) - 1 else min(notional, cap)
        total += max(Fraction(0), top - floor) * ratio
        floor = cap
    return total


def initial_margin(qty: Fraction, mark: Fraction, bids: Fraction, asks: Fraction, leverage: int) -> Fraction:
    """Margin of a position with open orders: the largest position that may come of them."""
    now = qty * mark
    return max(abs(now), abs(now + bids), abs(now - asks)) / leverage


def dies_between(
    positions: list[SlowPosition],
    wallet: Fraction,
    rows: list[tuple[Fraction, Fraction]],
    low: Fraction,
    high: Fraction,
) -> tuple[bool, bool]:
    """Whether the margin of positions in one contract is used up at each of two mark prices."""

    def is_dead(mark: Fraction) -> bool:
        need = sum((maintenance(rows, abs(p.qty) * mark) for p in positions), Fraction(0))
        return wallet + sum((p.profit(mark) for p in positions), Fraction(0)) <= need

    return is_dead(low), is_dead(high)
