"""One fill booked: the engine's positions, called from Python, against the same rules in plain Python integers.

    python bench/positions.py

The yardstick keeps lots and cost in unbounded integers and does what a desk's script would: average cost, a rounding at each close.
Both get the same fills, with flips, in interleaved rounds; numbers are nanoseconds a fill, Python's call included in both.
"""

from __future__ import annotations

import random
import time
from statistics import median

from parts.history import arguments
from parts.rows import Row, report

from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.oms.positions import PositionBook

ROUNDS = 15
FILLS = 20_000
TICK_E8, LOT_E8 = 1_000_000, 100_000


class PlainPosition:
    """A position in Python integers of 10^-16."""

    def __init__(self) -> None:
        self.lots = self.cost_e16 = self.realised_e16 = self.fees_e16 = 0

    def fill(self, side: int, price_ticks: int, qty_lots: int, fee_e8: int) -> None:
        """Close first, then open."""
        sign = -1 if side else 1
        unit_e16 = price_ticks * TICK_E8 * LOT_E8
        closing = min(qty_lots, abs(self.lots)) if self.lots * sign < 0 else 0
        if closing:
            share, rest = divmod(self.cost_e16 * closing, abs(self.lots))
            if 2 * rest > abs(self.lots) or (2 * rest == abs(self.lots) and share & 1):
                share += 1
            self.realised_e16 -= sign * unit_e16 * closing + share
            self.cost_e16 -= share
            self.lots += sign * closing
        opening = qty_lots - closing
        self.cost_e16 += sign * unit_e16 * opening
        self.lots += sign * opening
        self.fees_e16 += fee_e8 * 10**8


def fills() -> list[tuple[int, int, int, int]]:
    """Side, price, lots and fee of a random walk that turns now and then."""
    rng = random.Random(7)
    price, made = 6_000_000, []
    for _ in range(FILLS):
        price += rng.randrange(-50, 51)
        made.append((rng.randrange(2), price, rng.randrange(1, 500), rng.randrange(0, 10_000)))
    return made


def ours(walk: list[tuple[int, int, int, int]]) -> float:
    """Nanoseconds a fill."""
    tables = Tables()
    spec = InstrumentSpec(
        venue_id=1,
        symbol="BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        tick_size_e8=TICK_E8,
        lot_size_e8=LOT_E8,
        kind=1,
    )
    row = tables.add_instrument(spec)
    add, asset = PositionBook(tables).add_fill, tables.asset_id("USDT")
    began_ns = time.perf_counter_ns()
    for side, price, lots, fee in walk:
        add(1, row, side, price, lots, asset, fee)
    return (time.perf_counter_ns() - began_ns) / len(walk)


def theirs(walk: list[tuple[int, int, int, int]]) -> float:
    """The same of the yardstick."""
    fill = PlainPosition().fill
    began_ns = time.perf_counter_ns()
    for side, price, lots, fee in walk:
        fill(side, price, lots, fee)
    return (time.perf_counter_ns() - began_ns) / len(walk)


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    walk = fills()
    pairs = [(ours(walk), theirs(walk)) for _ in range(ROUNDS)]
    own, yardstick = (median(column) for column in zip(*pairs, strict=True))
    report(
        "positions", [Row("a fill booked", "ns", own, "plain Python", yardstick, 1.0, target_is_ratio=True)], options
    )


if __name__ == "__main__":
    main()
