"""A slow, obvious order-by-order book: dicts and lists only, no code or constants in common with the compiled one.

It was written from the paragraph on the L3 book in ``docs/book.md``. An outcome is a tuple in the order of the public record:
op, side, reason, place, symbol, order_id, price, qty, leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

ADD, REDUCE, SET_QTY, REPLACE, DELETE, EXECUTE, EXECUTE_AT, CLEAR, TRIM = range(9)
WELL, UNSUPPORTED, NO_SYMBOL, NO_ORDER, DUPLICATE, BAD_SIDE, BAD_PRICE, BAD_QTY = range(8)
ORDERS_FULL, LEVELS_FULL, ABOVE_OPEN, NOBODY_THERE = 13, 14, 64, 65
FIRST_OF_LEVEL, BEST_OF_SIDE = 1, 2

Outcome = tuple[int, int, int, int, int, int, int, int, int]


@dataclass
class Step:
    """One operation, by the names of the public OP record."""

    op: int = ADD
    side: int = 0
    symbol: int = 0
    owner: int = 0
    order_id: int = 0
    new_id: int = 0
    price: int = 0
    qty: int = 0


@dataclass
class Resting:
    """An order of the book."""

    order_id: int
    side: int
    price: int
    qty: int
    owner: int
    slot: int = 0


class SlowL3Book:
    """Applies one operation at a time and returns its outcome."""

    def __init__(
        self, symbols: int, orders_max: int, pages_max: int, *, price_bits: int = 24, own_handles: bool = False
    ) -> None:
        self.price_limit = 2**price_bits
        self.orders_max = orders_max
        self.pages_max = pages_max
        self.own_handles = own_handles
        self.qty_max = (2**63 - 1) // orders_max
        self.orders: list[dict[int, Resting]] = [{} for _ in range(symbols)]
        self.levels: list[tuple[dict[int, list[Resting]], dict[int, list[Resting]]]] = [
            ({}, {}) for _ in range(symbols)
        ]
        self.free_slots = list(range(orders_max))[::-1]
        self.generation = [1] * orders_max

    # views

    def prices(self, symbol: int, side: int) -> list[int]:
        return sorted(self.levels[symbol][side], reverse=side == 0)

    def depth(self, symbol: int, side: int, limit: int = 10**9, without: int = 0) -> list[tuple[int, int]]:
        rows: list[tuple[int, int]] = []
        for price in self.prices(symbol, side):
            qty = sum(o.qty for o in self.levels[symbol][side][price] if without == 0 or o.owner != without)
            if qty and len(rows) < limit:
                rows.append((price, qty))
        return rows

    def queue(self, symbol: int, side: int) -> list[tuple[int, int, int, int]]:
        side_levels = self.levels[symbol][side]
        return [(o.order_id, o.price, o.qty, o.owner) for p in self.prices(symbol, side) for o in side_levels[p]]

    def ahead(self, symbol: int, order_id: int) -> tuple[int, int] | None:
        order = self.orders[symbol].get(order_id)
        if order is None:
            return None
        line = self.levels[symbol][order.side][order.price]
        before = line[: line.index(order)]
        return len(before), sum(o.qty for o in before)

    def pages(self) -> int:
        return len(
            {
                (symbol, side, price // 64)
                for symbol, sides in enumerate(self.levels)
                for side in (0, 1)
                for price in sides[side]
            }
        )

    def live(self) -> int:
        return sum(len(orders) for orders in self.orders)

    def state_hash(self) -> int:
        words = []
        for symbol in range(len(self.orders)):
            for side in (0, 1):
                rows = self.queue(symbol, side)
                words += [len(rows), *(word for row in rows for word in row)]
        total = 0x9E3779B97F4A7C15
        for word in words:
            total = (total ^ word) * 0x100000001B3 % 2**64
            total ^= total >> 29
        return total

    # operations

    def apply(self, step: Step) -> Outcome:
        if step.op > TRIM:
            return self.refused(step, UNSUPPORTED)
        if step.symbol >= len(self.orders):
            return self.refused(step, NO_SYMBOL)
        if step.op in (CLEAR, TRIM):
            return self.apply_to_levels(step)
        if step.op == ADD:
            return self.apply_add(step)
        if step.op == EXECUTE_AT:
            return self.apply_execute_at(step)
        order = self.orders[step.symbol].get(step.order_id)
        if order is None:
            return self.refused(step, NO_ORDER)
        return self.apply_to_order(step, order)

    def refused(self, step: Step, reason: int) -> Outcome:
        return step.op, step.side, reason, 0, step.symbol, step.order_id, step.price, step.qty, 0

    def done(self, step: Step, order: Resting, place: int, qty: int, leaves: int) -> Outcome:
        return step.op, order.side, WELL, place, step.symbol, order.order_id, order.price, qty, leaves

    def apply_add(self, step: Step) -> Outcome:
        reason = self.refusal_of_add(step)
        if reason:
            return self.refused(step, reason)
        slot = self.free_slots.pop()
        order_id = self.generation[slot] * 2**32 + slot if self.own_handles else step.order_id
        order = Resting(order_id, step.side, step.price, step.qty, step.owner, slot)
        self.join(step.symbol, order)
        return self.done(step, order, self.place_of(step.symbol, order), step.qty, step.qty)

    def refusal_of_add(self, step: Step) -> int:
        if step.side > 1:
            return BAD_SIDE
        if not 1 <= step.price < self.price_limit:
            return BAD_PRICE
        if not 1 <= step.qty <= self.qty_max:
            return BAD_QTY
        if not self.own_handles and step.order_id in self.orders[step.symbol]:
            return DUPLICATE
        if not self.free_slots:
            return ORDERS_FULL
        return WELL if self.has_page(step.symbol, step.side, step.price) else LEVELS_FULL

    def has_page(self, symbol: int, side: int, price: int) -> bool:
        return self.pages() < self.pages_max or any(p // 64 == price // 64 for p in self.levels[symbol][side])

    def apply_execute_at(self, step: Step) -> Outcome:
        if step.side > 1:
            return self.refused(step, BAD_SIDE)
        if not 1 <= step.price < self.price_limit:
            return self.refused(step, BAD_PRICE)
        line = self.levels[step.symbol][step.side].get(step.price)
        if not line:
            return self.refused(step, NOBODY_THERE)
        return self.apply_reduce(step, line[0])

    def apply_to_order(self, step: Step, order: Resting) -> Outcome:
        if step.op in (REDUCE, EXECUTE):
            return self.apply_reduce(step, order)
        if step.op == SET_QTY:
            return self.apply_set(step, order)
        if step.op == REPLACE:
            return self.apply_replace(step, order)
        place = self.place_of(step.symbol, order)
        self.leave(step.symbol, order)
        return self.done(step, order, place, order.qty, 0)

    def apply_reduce(self, step: Step, order: Resting) -> Outcome:
        if step.qty < 1:
            return self.refused(step, BAD_QTY)
        if step.qty > order.qty:
            return self.refused(step, ABOVE_OPEN)
        place = self.place_of(step.symbol, order)
        order.qty -= step.qty
        if order.qty == 0:
            self.leave(step.symbol, order)
        return self.done(step, order, place, step.qty, order.qty)

    def apply_set(self, step: Step, order: Resting) -> Outcome:
        if not 0 <= step.qty <= self.qty_max:
            return self.refused(step, BAD_QTY)
        place = self.place_of(step.symbol, order)
        if step.qty == 0:
            self.leave(step.symbol, order)
        elif step.qty > order.qty:
            line = self.levels[step.symbol][order.side][order.price]
            line.append(line.pop(line.index(order)))
        order.qty = step.qty
        return self.done(step, order, place, step.qty, step.qty)

    def apply_replace(self, step: Step, order: Resting) -> Outcome:
        if not 1 <= step.price < self.price_limit:
            return self.refused(step, BAD_PRICE)
        if not 1 <= step.qty <= self.qty_max:
            return self.refused(step, BAD_QTY)
        new_id = order.order_id if self.own_handles else step.new_id
        if new_id != order.order_id and new_id in self.orders[step.symbol]:
            return self.refused(step, DUPLICATE)
        if not self.has_page(step.symbol, order.side, step.price):
            return self.refused(step, LEVELS_FULL)
        place = self.place_of(step.symbol, order)
        slot = order.slot
        self.leave(step.symbol, order, gives_slot=False)
        order = Resting(new_id, order.side, step.price, step.qty, order.owner, slot)
        self.join(step.symbol, order)
        return self.done(step, order, place, step.qty, step.qty)

    def apply_to_levels(self, step: Step) -> Outcome:
        if step.side > (2 if step.op == CLEAR else 1):
            return self.refused(step, BAD_SIDE)
        if step.op == TRIM and not 1 <= step.price < self.price_limit:
            return self.refused(step, BAD_PRICE)
        gone = 0
        for side in (0, 1) if step.side == 2 else (step.side,):
            gone += self.remove_levels(step, side)
        price = step.price if step.op == TRIM else 0
        return step.op, step.side, WELL, 0, step.symbol, 0, price, gone, 0

    def remove_levels(self, step: Step, side: int) -> int:
        """All levels of a side, or those worse than a price, from the best on; in each the oldest order goes first."""
        gone = 0
        for price in self.prices(step.symbol, side):
            if step.op == TRIM and (price >= step.price if side == 0 else price <= step.price):
                continue
            for order in list(self.levels[step.symbol][side][price]):
                self.leave(step.symbol, order)
                gone += 1
        return gone

    def place_of(self, symbol: int, order: Resting) -> int:
        is_first = self.levels[symbol][order.side][order.price][0] is order
        is_best = self.prices(symbol, order.side)[0] == order.price
        return FIRST_OF_LEVEL * is_first + BEST_OF_SIDE * is_best

    def join(self, symbol: int, order: Resting) -> None:
        self.orders[symbol][order.order_id] = order
        self.levels[symbol][order.side].setdefault(order.price, []).append(order)

    def leave(self, symbol: int, order: Resting, *, gives_slot: bool = True) -> None:
        del self.orders[symbol][order.order_id]
        line = self.levels[symbol][order.side][order.price]
        line[:] = [other for other in line if other is not order]
        if not line:
            del self.levels[symbol][order.side][order.price]
        if gives_slot:
            self.free_slots.append(order.slot)
            self.generation[order.slot] += 1
