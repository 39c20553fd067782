"""Slow, obvious twin of the level-2 book: two dicts of prices, own quantities beside, every view from sorted lists."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

Rows = list[tuple[int, int]]


@dataclass
class SlowL2:
    """Side 0 is the bids, 1 the asks."""

    base_ticks: int = 0
    range_ticks: int = 256**3
    far_levels: int = 0
    quantities: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    own: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))

    def holds(self, price: int) -> bool:
        """Can this price stand in the book?"""
        return self.base_ticks <= price < self.base_ticks + self.range_ticks

    def set(self, side: int, price: int, qty: int) -> None:
        """One level; OverflowError outside."""
        if not self.holds(price):
            raise OverflowError(price)
        _put(self.quantities[side], price, qty)

    def apply(self, rows: Iterable[tuple[int, int, int]]) -> int:
        """Rows (side, price, qty); how many were outside."""
        far = 0
        for side, price, qty in rows:
            if self.holds(price):
                _put(self.quantities[side], price, qty)
            else:
                far += 1
        self.far_levels += far
        return far

    def set_own(self, side: int, price: int, qty: int) -> None:
        """Own resting quantity."""
        _put(self.own[side], price, qty)

    def clear(self, base: int) -> None:
        """No levels; own quantities stay."""
        for side in self.quantities:
            side.clear()
        self.base_ticks = max(0, base) // 64 * 64
        self.far_levels = 0

    def truncate(self, depth: int) -> int:
        """Only the best `depth` levels of each side stay."""
        dropped = 0
        for side, held in enumerate(self.quantities):
            for price, _ in self.levels(side)[depth:]:
                del held[price]
                dropped += 1
        return dropped

    def levels(self, side: int, net: bool = False) -> Rows:
        """Best first."""
        rows = sorted(self.quantities[side].items(), reverse=side == 0)
        if net:
            rows = [(price, qty - self.own[side].get(price, 0)) for price, qty in rows]
        return [(price, qty) for price, qty in rows if qty > 0]

    def cumulative(self, side: int, depth: int, net: bool = False) -> Rows:
        """Price and the quantity down to it."""
        total, rows = 0, []
        for price, qty in self.levels(side, net)[:depth]:
            total += qty
            rows.append((price, total))
        return rows

    def sweep(self, side: int, wanted: int, net: bool = False) -> tuple[int, int, int | None, int]:
        """Filled, value, worst price, levels."""
        filled = value = touched = 0
        worst = None
        for price, qty in self.levels(side, net):
            part = min(qty, wanted - filled)
            if part <= 0:
                break
            filled, value, worst, touched = filled + part, value + price * part, price, touched + 1
        return filled, value, worst, touched

    def average(self, side: int, wanted: int, net: bool = False) -> Fraction | None:
        """Exact."""
        filled, value, _, _ = self.sweep(side, wanted, net)
        return Fraction(value, filled) if filled and filled == wanted else None

    def lots(self, side: int, depth: int, net: bool = False) -> int:
        """Of the best levels."""
        return sum(qty for _, qty in self.levels(side, net)[:depth])

    def imbalance(self, depth: int, net: bool = False) -> Fraction | None:
        """Exact."""
        bids, asks = self.lots(0, depth, net), self.lots(1, depth, net)
        return Fraction(bids - asks, bids + asks) if bids + asks else None

    def tops(self, net: bool = False) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Best of both sides, where both have one."""
        bids, asks = self.levels(0, net), self.levels(1, net)
        return (bids[0], asks[0]) if bids and asks else None

    def microprice(self, net: bool = False) -> Fraction | None:
        """Exact."""
        tops = self.tops(net)
        if tops is None:
            return None
        (bid, bid_qty), (ask, ask_qty) = tops
        return Fraction(bid * ask_qty + ask * bid_qty, bid_qty + ask_qty)


def _put(held: dict[int, int], price: int, qty: int) -> None:
    held.pop(price, None)
    if qty:
        held[price] = qty


def sent_text(number: int, decimals: int, keeps_zeros: bool = True) -> str:
    """An integer of 10^-decimals as an exchange sends it."""
    text = f"{Decimal(number).scaleb(-decimals):f}"
    if "." in text and not keeps_zeros:
        text = text.rstrip("0").rstrip(".")
    return text


def kraken_checksum(
    book: SlowL2, price_decimals: int, qty_decimals: int, price_unit: int = 1, qty_unit: int = 1
) -> int:
    """Asks then bids, ten levels, points and leading zeros taken out of what was sent."""
    text = ""
    for side in (1, 0):
        for price, qty in book.levels(side)[:10]:
            for sent in (sent_text(price * price_unit, price_decimals), sent_text(qty * qty_unit, qty_decimals)):
                text += sent.replace(".", "").lstrip("0")
    return zlib.crc32(text.encode())


def okx_checksum(
    book: SlowL2,
    price_decimals: int,
    qty_decimals: int,
    price_unit: int = 1,
    qty_unit: int = 1,
    keeps_zeros: bool = False,
) -> int:
    """25 levels, bid and ask by turns while both last; signed."""
    bids, asks = book.levels(0)[:25], book.levels(1)[:25]
    words = []
    for depth in range(25):
        for rows in (bids, asks):
            for price, qty in rows[depth : depth + 1]:
                words.append(sent_text(price * price_unit, price_decimals, keeps_zeros))
                words.append(sent_text(qty * qty_unit, qty_decimals, keeps_zeros))
    crc = zlib.crc32(":".join(words).encode())
    return crc - (1 << 32) if crc >> 31 else crc
