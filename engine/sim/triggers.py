"""Orders that wait for the last price: stop losses, take profits and trailing stops of one symbol.

A stop waits until a trade is at or past its price. A trailing order first waits so for its stop price, when it has
one, and then follows the best price since; it is due when a trade comes back from there by its delta in basis points
(Binance spot, trailing stop FAQ). Prices are ticks.
"""

from __future__ import annotations

import heapq

from engine.sim.accounts import Working

BPS = 10_000


def sits_above(order_type: str, side: str) -> bool:
    """Whether an order of the type is due when the price rises to its stop, not when it falls."""
    return order_type.startswith("STOP_LOSS") == (side == "BUY")


class TriggerBook:
    """The waiting orders of one symbol. A removed order's place in a heap is dropped when it comes up."""

    def __init__(self) -> None:
        self.waiting: dict[int, Working] = {}
        self._above: list[tuple[int, int]] = []
        self._below: list[tuple[int, int]] = []
        self._best_ticks: dict[int, int] = {}

    def add(self, working: Working, last_ticks: int, now_ns: int) -> None:
        """Let an order wait; a trailing one without a stop price follows from the last price on."""
        order = working.order
        self.waiting[order.order_id] = working
        if not working.stop_ticks:
            self._follow(working, last_ticks, now_ns)
        elif sits_above(order.type, order.side):
            heapq.heappush(self._above, (working.stop_ticks, order.order_id))
        else:
            heapq.heappush(self._below, (-working.stop_ticks, order.order_id))

    def _follow(self, working: Working, price_ticks: int, now_ns: int) -> None:
        self._best_ticks[working.order.order_id] = price_ticks
        working.order.trailing_ns = now_ns

    def remove(self, order_id: int) -> None:
        """Forget an order; one that does not wait is ignored."""
        self.waiting.pop(order_id, None)
        self._best_ticks.pop(order_id, None)

    def on_price(self, price_ticks: int, now_ns: int) -> list[Working]:
        """Take the orders that a trade at ``price_ticks`` makes due: trailing ones, then stops, the nearest first."""
        due = self._returned(price_ticks)
        due += self._reached(self._above, price_ticks, price_ticks, now_ns)
        due += self._reached(self._below, -price_ticks, price_ticks, now_ns)
        return due

    def _reached(self, heap: list[tuple[int, int]], bound: int, price_ticks: int, now_ns: int) -> list[Working]:
        due = []
        while heap and heap[0][0] <= bound:
            working = self.waiting.get(heapq.heappop(heap)[1])
            if working is None:
                continue
            if working.order.trailing_delta is not None:
                self._follow(working, price_ticks, now_ns)
            else:
                del self.waiting[working.order.order_id]
                due.append(working)
        return due

    def _returned(self, price_ticks: int) -> list[Working]:
        due = []
        for order_id, best_ticks in list(self._best_ticks.items()):
            working = self.waiting[order_id]
            delta = working.order.trailing_delta or 0
            is_buy = working.order.side == "BUY"
            if price_ticks < best_ticks if is_buy else price_ticks > best_ticks:
                self._best_ticks[order_id] = price_ticks
            elif _has_returned(is_buy, price_ticks, best_ticks, delta):
                due.append(working)
        for working in due:
            self.remove(working.order.order_id)
        return due


def _has_returned(is_buy: bool, price_ticks: int, best_ticks: int, delta_bps: int) -> bool:
    """Whether a price lies the delta or more on the bad side of the best one."""
    if is_buy:
        return price_ticks * BPS >= best_ticks * (BPS + delta_bps)
    return price_ticks * BPS <= best_ticks * (BPS - delta_bps)
