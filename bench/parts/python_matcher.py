"""A price-time matcher in plain Python, as one would write it for speed: the yardstick of one Python call an operation."""

from __future__ import annotations

from bisect import insort
from collections import deque

MASK = 0xFFFFFFFFFFFFFFFF


class PriceTimeBook:
    """One book. An order is [order_id, open quantity]; cancelled ones are cleared away when their level is reached."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        self._levels: tuple[dict[int, deque[list[int]]], dict[int, deque[list[int]]]] = ({}, {})
        # Sorted so that the best price of either side is the last: bids as they are, asks negated.
        self._prices: tuple[list[int], list[int]] = ([], [])
        self.trades = self.qty = self.value = self.hash = 0

    def add(self, side: int, order_id: int, price: int, qty: int) -> None:
        """A limit order that rests with what is left of it."""
        left = self.take(side, price, qty)
        if left:
            levels = self._levels[side]
            queue = levels.get(price)
            if queue is None:
                queue = levels[price] = deque()
                insort(self._prices[side], price if side == 0 else -price)
            order = self.orders[order_id] = [order_id, left]
            queue.append(order)

    def cancel(self, order_id: int) -> None:
        """Take an order away; it leaves its queue later."""
        order = self.orders.pop(order_id, None)
        if order is not None:
            order[1] = 0

    def take(self, side: int, price: int, qty: int) -> int:
        """Trade up to `qty` within `price`; what is left."""
        other = 1 - side
        prices, levels, sign = self._prices[other], self._levels[other], -1 if other else 1
        while qty and prices:
            best = sign * prices[-1]
            if best > price if other else best < price:
                break
            queue = levels[best]
            while qty and queue:
                qty = self._trade(queue, best, qty)
            if not queue:
                prices.pop()
                del levels[best]
        return qty

    def _trade(self, queue: deque[list[int]], price: int, qty: int) -> int:
        maker = queue[0]
        order_id, open_qty = maker
        if not open_qty:
            queue.popleft()
            return qty
        traded = min(open_qty, qty)
        self.trades += 1
        self.qty += traded
        self.value += traded * price
        self.hash = (self.hash * 1000003 + order_id * 31 + traded * 7 + price) & MASK
        maker[1] = open_qty - traded
        if traded == open_qty:
            queue.popleft()
            del self.orders[order_id]
        return qty - traded

    def count_anew(self) -> None:
        """Forget the trades counted so far."""
        self.trades = self.qty = self.value = self.hash = 0
