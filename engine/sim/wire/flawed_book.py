"""Published levels that no sound book has: crossed, locked, zero, negative, or far from everything.

The venue's own book stays as it is. What was shown and is not true is put right by the first emission after the fault, level
by level, as an exchange's feed would heal. Prices and quantities are units of 1e-8.
"""

from __future__ import annotations

import msgspec

from engine.sim.events import TopOfBook

E8 = 100_000_000
QTY_E8 = 5 * E8
JUMP_NUMERATOR, JUMP_DENOMINATOR = 3, 2  # half as much again
Levels = dict[int, int]
Side = list[tuple[int, int]]  # (price, quantity), best first


def flawed(flaw: str, bids: Side, asks: Side) -> tuple[Levels, Levels]:
    """The levels (bids, asks) that a flaw adds to an emission, given the true book."""
    if flaw == "jump":
        return _jumped(bids), _jumped(asks)
    if not bids or not asks:
        return {}, {}
    best_bid, best_ask = bids[0][0], asks[0][0]
    if flaw == "crossed":
        return {best_ask + (best_ask - best_bid): QTY_E8}, {}
    if flaw == "locked":
        return {best_ask: QTY_E8}, {}
    if flaw == "zero-price":
        return {0: QTY_E8}, {}
    if flaw == "negative-price":
        return {-(best_bid // E8 + 1) * E8: QTY_E8}, {}
    return {best_bid: -QTY_E8}, {}


def _jumped(side: Side) -> Levels:
    """Every level gone, and the same ones half as much again away."""
    moved = {price * JUMP_NUMERATOR // JUMP_DENOMINATOR: qty for price, qty in side}
    return {price: 0 for price, _ in side} | moved


def flawed_top(flaw: str, top: TopOfBook) -> TopOfBook:
    """A best price that shows the flaw."""
    bid, ask = top.bid_price_e8, top.ask_price_e8
    if flaw == "crossed":
        return msgspec.structs.replace(top, bid_price_e8=2 * ask - bid)
    if flaw == "locked":
        return msgspec.structs.replace(top, bid_price_e8=ask)
    if flaw == "zero-price":
        return msgspec.structs.replace(top, bid_price_e8=0)
    if flaw == "negative-price":
        return msgspec.structs.replace(
            top, bid_price_e8=-(bid // E8) * E8
        )  # whole units, as the writer of texts wants them
    if flaw == "negative-qty":
        return msgspec.structs.replace(top, bid_qty_e8=-QTY_E8)
    return msgspec.structs.replace(
        top,
        bid_price_e8=bid * JUMP_NUMERATOR // JUMP_DENOMINATOR,
        ask_price_e8=ask * JUMP_NUMERATOR // JUMP_DENOMINATOR,
    )


class Untruths:
    """What one diff stream was shown that is not so."""

    __slots__ = ("_asks", "_bids")

    def __init__(self) -> None:
        self._bids: set[int] = set()
        self._asks: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._bids or self._asks)

    def remember(self, bids: Levels, asks: Levels) -> None:
        """These levels were sent."""
        self._bids |= bids.keys()
        self._asks |= asks.keys()

    def heal(self, bids: Side, asks: Side) -> tuple[Levels, Levels]:
        """The levels that put a client right again, given the true book; nothing is remembered afterwards."""
        healed = _true_levels(self._bids, bids), _true_levels(self._asks, asks)
        self._bids, self._asks = set(), set()
        return healed


def _true_levels(prices: set[int], side: Side) -> Levels:
    held = dict(side)
    return {price: held.get(price, 0) for price in prices}
