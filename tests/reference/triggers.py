"""The slow twin of the trigger table: every price since the beginning is looked at again, in exact fractions, each time.

A stop (sell: fires at or below; buy: at or above). Trailing: from the first price at or beyond the activation on, the best price;
the level stands a distance from the best price of all until now, so it never moves back.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor


class SlowTrigger:
    """One trigger. `kind`: "none", "units" or "bps"."""

    def __init__(
        self, *, is_above: bool, is_ask: bool, source: int, level: int, kind: str, amount: int, activation: int
    ) -> None:
        self.is_above, self.is_ask, self.source = is_above, is_ask, source
        self.level, self.kind, self.amount, self.activation = level, kind, amount, activation
        self.prices: list[int] = []

    def heard(self, source: int, bid: int, ask: int) -> int | None:
        """The price that it hears in an event, or None."""
        price = ask if self.is_ask else bid
        return price if source == self.source and price > 0 else None

    def active(self) -> list[int]:
        """The prices that count for the trail."""
        for index, price in enumerate(self.prices):
            if self.activation == 0 or (price <= self.activation if self.is_above else price >= self.activation):
                return self.prices[index:]
        return []

    def trail_level(self) -> int | None:
        """Where the trail stands now."""
        seen = self.active()
        if self.kind == "none" or not seen:
            return None
        best = min(seen) if self.is_above else max(seen)
        sign = 1 if self.is_above else -1
        if self.kind == "units":
            return best + sign * self.amount
        exact = Fraction(best) * (1 + sign * Fraction(self.amount, 10_000))
        return ceil(exact) if self.is_above else floor(exact)

    def firing_level(self) -> int | None:
        """Where it fires: the level that is met sooner."""
        levels = [level for level in (self.level or None, self.trail_level()) if level]
        if not levels:
            return None
        return min(levels) if self.is_above else max(levels)

    def sees(self, source: int, bid: int, ask: int) -> bool:
        """Take an event in; does it fire."""
        price = self.heard(source, bid, ask)
        if price is None:
            return False
        self.prices.append(price)
        level = self.firing_level()
        return level is not None and (price >= level if self.is_above else price <= level)
