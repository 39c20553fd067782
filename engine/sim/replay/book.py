"""One market's recorded book: diffs as published, and the newer best levels that a bookTicker told since the last of them."""

from __future__ import annotations

from engine.sim.replay.frames import Diff, Levels, Ticker

BUY, SELL = 0, 1
Top = tuple[int, int, int, int]  # bid price and quantity, ask price and quantity, units of 1e-8; 0 for an empty side


class RecordedBook:
    """Prices and quantities in units of 1e-8; side 0 are bids, 1 asks.

    ``sides`` is the book at ``update_id``, which snapshots are made of. ``qty`` and ``best`` are of the same book under the
    last bookTicker when that is newer than the last diff: better levels than the ticker's are gone, its own have its quantity.
    """

    __slots__ = ("_best", "gaps", "sides", "top", "top_id", "update_id")

    def __init__(self, update_id: int, bids: Levels, asks: Levels) -> None:
        self.gaps = 0
        self.update_id = update_id
        self.sides: tuple[dict[int, int], dict[int, int]] = (dict(bids), dict(asks))
        self._best: list[int] = [0, 0]  # cached best prices of ``sides``; 0: to be looked for
        self.top: Top | None = None
        self.top_id = update_id

    def copy(self) -> RecordedBook:
        """Another book that stands where this one does."""
        return RecordedBook(self.update_id, list(self.sides[BUY].items()), list(self.sides[SELL].items()))

    # --- recorded events ---

    def apply(self, diff: Diff) -> bool:
        """Take a diff; False for one that holds nothing new. A hole in the recorded sequence is counted, not mended."""
        last_id, known_id = diff.last_id, self.update_id
        if last_id <= known_id:
            return False
        joins = diff.previous_id <= known_id if diff.previous_id >= 0 else diff.first_id <= known_id + 1
        self.gaps += not joins
        self._set_levels(BUY, diff.bids)
        self._set_levels(SELL, diff.asks)
        self.update_id = last_id
        if self.top_id <= last_id:
            self.top = None
        return True

    def _set_levels(self, side: int, rows: Levels) -> None:
        levels = self.sides[side]
        best = self._best[side]
        for price_e8, qty_e8 in rows:
            if qty_e8:
                levels[price_e8] = qty_e8
                if best and (price_e8 > best if side == BUY else price_e8 < best):
                    best = price_e8
            else:
                levels.pop(price_e8, None)
                if price_e8 == best:
                    best = 0
        self._best[side] = best

    def note_ticker(self, ticker: Ticker) -> bool:
        """Take a bookTicker; False when the diffs are ahead of it already."""
        if ticker.update_id <= self.update_id or ticker.update_id < self.top_id:
            return False
        self.top_id = ticker.update_id
        self.top = (ticker.bid_e8, ticker.bid_qty_e8, ticker.ask_e8, ticker.ask_qty_e8)
        return True

    # --- looking ---

    def best(self, side: int) -> int:
        """The best price, 0 for an empty side."""
        top = self.top
        if top is not None:
            return top[2 * side]
        best = self._best[side]
        if not best and self.sides[side]:
            best = self._best[side] = max(self.sides[BUY]) if side == BUY else min(self.sides[SELL])
        return best

    def qty(self, side: int, price_e8: int) -> int:
        """What stands at a price."""
        top = self.top
        if top is not None:
            best_e8 = top[2 * side]
            if price_e8 == best_e8:
                return top[2 * side + 1]
            if not best_e8 or (price_e8 > best_e8 if side == BUY else price_e8 < best_e8):
                return 0
        return self.sides[side].get(price_e8, 0)

    def levels_to(self, side: int, worst_e8: int | None) -> Levels:
        """Levels from the best to ``worst_e8`` (all when None), best first."""
        best_e8 = self.best(side)
        levels = self.sides[side]
        if side == BUY:
            prices = [price for price in levels if price <= best_e8 and (worst_e8 is None or price >= worst_e8)]
        else:
            prices = [price for price in levels if price >= best_e8 and (worst_e8 is None or price <= worst_e8)]
        if self.top is not None and best_e8 and best_e8 not in levels and _is_within(side, best_e8, worst_e8):
            prices.append(best_e8)
        prices.sort(reverse=side == BUY)
        return [(price, self.qty(side, price)) for price in prices]

    def snapshot(self, limit: int) -> tuple[Levels, Levels]:
        """The best ``limit`` levels of both sides at ``update_id``."""
        bids = sorted(self.sides[BUY].items(), reverse=True)[:limit]
        return bids, sorted(self.sides[SELL].items())[:limit]

    def tops(self) -> Top:
        """Best prices and quantities as a bookTicker would tell them."""
        bid_e8, ask_e8 = self.best(BUY), self.best(SELL)
        return bid_e8, self.qty(BUY, bid_e8), ask_e8, self.qty(SELL, ask_e8)


def _is_within(side: int, price_e8: int, worst_e8: int | None) -> bool:
    return worst_e8 is None or (price_e8 >= worst_e8 if side == BUY else price_e8 <= worst_e8)
