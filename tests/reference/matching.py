"""A slow, obvious matching book: lists and sorting only, no code or constants in common with the compiled one.

Events are tuples in the order of the public EVENT record; ``queue`` and ``depth`` answer like the compiled views.
"""

from __future__ import annotations

from dataclasses import dataclass

NEW, CANCEL, AMEND, MASS_CANCEL = 0, 1, 2, 3
BUY, SELL = 0, 1
LIMIT, MARKET = 0, 1
GTC, IOC, FOK = 0, 1, 2
POST_ONLY, LOSES_PLACE = 1, 16
STP_NONE, STP_MAKER, STP_TAKER, STP_BOTH, STP_DECREMENT = 0, 1, 2, 3, 4
ACCEPTED, TRADE, CANCELED, REJECTED, AMENDED, EXPIRED, REFRESHED, PREVENTED = 0, 1, 2, 3, 4, 6, 7, 9
PARTS_MAX = 1024
EVERYTHING = 2**32 - 1
TOP_PRICE = 2**24 - 1

Event = tuple[int, int, int, int, int, int, int, int, int, int, int]


@dataclass
class Operation:
    """One operation, by the names of the public OP record."""

    op: int = NEW
    side: int = BUY
    type: int = LIMIT
    tif: int = GTC
    flags: int = 0
    stp: int = STP_NONE
    symbol: int = 0
    owner: int = 0
    order_id: int = 0
    price: int = 0
    qty: int = 0
    display: int = 0
    trigger: int = 0
    expire_ns: int = 0


@dataclass
class Waiting:
    """An order in the book; ``arrival`` orders those of one price. An iceberg shows ``leaves`` of ``leaves + hidden``."""

    order_id: int
    symbol: int
    side: int
    price: int
    leaves: int
    owner: int
    arrival: int
    peak: int = 0
    hidden: int = 0

    @property
    def open(self) -> int:
        return self.leaves + self.hidden


class SlowMatching:
    """Applies one operation at a time and returns its events."""

    def __init__(self, symbols: int, orders_max: int, pages_max: int) -> None:
        self.symbols = symbols
        self.orders_max = orders_max
        self.pages_max = pages_max
        self.qty_max = (2**63 - 1) // orders_max
        self.waiting: dict[int, Waiting] = {}
        self.arrivals = 0
        self.op_index = 0
        self.events: list[Event] = []

    # views

    def side_orders(self, symbol: int, side: int) -> list[Waiting]:
        rows = [w for w in self.waiting.values() if w.symbol == symbol and w.side == side]
        return sorted(rows, key=lambda w: (w.price if side == SELL else -w.price, w.arrival))

    def queue(self, symbol: int, side: int) -> list[tuple[int, int, int, int]]:
        return [(w.price, w.order_id, w.leaves, w.owner) for w in self.side_orders(symbol, side)]

    def depth(self, symbol: int, side: int) -> list[tuple[int, int]]:
        totals: dict[int, int] = {}
        for w in self.side_orders(symbol, side):
            totals[w.price] = totals.get(w.price, 0) + w.leaves
        return list(totals.items())

    def pages(self) -> set[tuple[int, int]]:
        return {(w.symbol, w.price // 64) for w in self.waiting.values()}

    # operations

    def apply(self, op: Operation) -> list[Event]:
        self.events = []
        if op.op == NEW:
            self.new(op)
        elif op.op == CANCEL:
            self.cancel(op)
        elif op.op == AMEND:
            self.amend(op)
        elif op.op == MASS_CANCEL:
            self.mass_cancel(op)
        else:
            self.reject(op, 1)
        self.op_index += 1
        return self.events

    def say(
        self,
        kind: int,
        reason: int,
        symbol: int,
        side: int,
        order_id: int,
        price: int,
        qty: int,
        leaves: int,
        maker_id: int = 0,
        maker_leaves: int = 0,
    ) -> None:
        self.events.append(
            (kind, side, reason, symbol, self.op_index, order_id, maker_id, price, qty, leaves, maker_leaves)
        )

    def reject(self, op: Operation, reason: int) -> None:
        self.say(REJECTED, reason, op.symbol, op.side, op.order_id, op.price, op.qty, 0)

    def no_page(self, symbol: int, price: int) -> bool:
        pages = self.pages()
        return (symbol, price // 64) not in pages and len(pages) == self.pages_max

    def new_refusal(self, op: Operation) -> int:
        post_only = bool(op.flags & POST_ONLY)
        if op.symbol >= self.symbols:
            return 2
        if op.type > 1 or op.tif > 2 or op.stp > 4 or op.flags not in (0, POST_ONLY):
            return 1
        if op.trigger or op.expire_ns:
            return 1
        if post_only and (op.type, op.tif) != (LIMIT, GTC):
            return 1
        if op.display and (op.type, op.tif) != (LIMIT, GTC):
            return 1
        if op.side not in (BUY, SELL):
            return 5
        if op.display < 0 or (op.display and -(-op.qty // op.display) > PARTS_MAX):
            return 7
        if not 1 <= op.qty <= self.qty_max:
            return 7
        if op.type == LIMIT and not 1 <= op.price <= TOP_PRICE:
            return 6
        if op.order_id in self.waiting:
            return 4
        if (op.type, op.tif) == (LIMIT, GTC):
            if len(self.waiting) == self.orders_max:
                return 13
            if self.no_page(op.symbol, op.price):
                return 14
        return 0

    def takes(self, op: Operation, side: int, maker: Waiting) -> bool:
        if op.type == MARKET:
            return True
        return maker.price <= op.price if side == BUY else maker.price >= op.price

    def opposite(self, op: Operation, side: int) -> list[Waiting]:
        return [w for w in self.side_orders(op.symbol, 1 - side) if self.takes(op, side, w)]

    def new(self, op: Operation) -> None:
        reason = self.new_refusal(op)
        if reason:
            return self.reject(op, reason)
        if op.flags & POST_ONLY and self.opposite(op, op.side):
            return self.reject(op, 8)
        self.say(ACCEPTED, 0, op.symbol, op.side, op.order_id, op.price, op.qty, op.qty)
        if op.tif == FOK and not self.whole(op):
            return self.say(EXPIRED, 9, op.symbol, op.side, op.order_id, op.price, op.qty, 0)
        leaves = self.match(op, op.side)
        if not leaves:
            return None
        if op.type == MARKET:
            return self.say(EXPIRED, 11, op.symbol, op.side, op.order_id, op.price, leaves, 0)
        if op.tif == IOC:
            return self.say(EXPIRED, 10, op.symbol, op.side, op.order_id, op.price, leaves, 0)
        return self.rest(op, op.side, leaves, op.display)

    def rest(self, op: Operation, side: int, leaves: int, peak: int) -> None:
        self.arrivals += 1
        shown = min(leaves, peak) if peak else leaves
        self.waiting[op.order_id] = Waiting(
            op.order_id, op.symbol, side, op.price, shown, op.owner, self.arrivals, peak, leaves - shown
        )

    def take(self, maker: Waiting, qty: int) -> None:
        maker.leaves -= qty
        if maker.leaves:
            return
        if not maker.hidden:
            del self.waiting[maker.order_id]
            return
        self.arrivals += 1
        maker.arrival = self.arrivals
        maker.leaves = min(maker.peak, maker.hidden)
        maker.hidden -= maker.leaves
        self.say(REFRESHED, 0, maker.symbol, maker.side, maker.order_id, maker.price, maker.leaves, maker.open)

    def is_own(self, op: Operation, maker: Waiting) -> bool:
        return op.stp != STP_NONE and op.owner != 0 and maker.owner == op.owner

    def whole(self, op: Operation) -> bool:
        need = op.qty
        for maker in self.opposite(op, op.side):
            if self.is_own(op, maker):
                if op.stp != STP_MAKER:
                    return False
                continue
            need -= maker.open
            if need <= 0:
                return True
        return False

    def match(self, op: Operation, side: int) -> int:
        leaves = op.qty
        while leaves and (facing := self.opposite(op, side)):
            maker = facing[0]
            is_own = self.is_own(op, maker)
            if is_own and op.stp != STP_DECREMENT:
                if op.stp in (STP_MAKER, STP_BOTH):
                    del self.waiting[maker.order_id]
                    self.say(
                        EXPIRED, 12, op.symbol, maker.side, maker.order_id, maker.price, maker.open, 0, op.order_id
                    )
                if op.stp in (STP_TAKER, STP_BOTH):
                    self.say(EXPIRED, 12, op.symbol, side, op.order_id, op.price, leaves, 0, maker.order_id)
                    return 0
                continue
            qty = min(leaves, maker.leaves)
            leaves -= qty
            kind, reason = (PREVENTED, 12) if is_own else (TRADE, 0)
            left = maker.open - qty
            self.say(kind, reason, op.symbol, side, op.order_id, maker.price, qty, leaves, maker.order_id, left)
            self.take(maker, qty)
        return leaves

    def named(self, op: Operation) -> Waiting | None:
        if op.symbol >= self.symbols:
            self.reject(op, 2)
            return None
        order = self.waiting.get(op.order_id)
        if order is None or order.symbol != op.symbol:
            self.reject(op, 3)
            return None
        if order.owner != op.owner:
            self.reject(op, 15)
            return None
        return order

    def remove(self, order: Waiting) -> None:
        del self.waiting[order.order_id]
        self.say(CANCELED, 0, order.symbol, order.side, order.order_id, order.price, order.open, 0)

    def cancel(self, op: Operation) -> None:
        order = self.named(op)
        if order:
            self.remove(order)

    def amend_refusal(self, op: Operation, order: Waiting) -> int:
        if (op.type, op.tif) != (LIMIT, GTC) or op.stp > 4 or op.flags & ~(POST_ONLY | LOSES_PLACE):
            return 1
        if op.display or op.trigger or op.expire_ns:
            return 1
        if not 1 <= op.qty <= self.qty_max or (order.peak and -(-op.qty // order.peak) > PARTS_MAX):
            return 7
        if not 1 <= op.price <= TOP_PRICE:
            return 6
        if op.flags & POST_ONLY and self.opposite(op, order.side):
            return 8
        if self.no_page(op.symbol, op.price):
            return 14
        return 0

    def amend(self, op: Operation) -> None:
        order = self.named(op)
        if order is None:
            return None
        reason = self.amend_refusal(op, order)
        if reason:
            return self.reject(op, reason)
        self.say(AMENDED, 0, op.symbol, order.side, op.order_id, op.price, op.qty, op.qty)
        if op.price == order.price and op.qty <= order.open and not op.flags & LOSES_PLACE:
            order.leaves = min(order.leaves, op.qty)
            order.hidden = op.qty - order.leaves
            return None
        del self.waiting[op.order_id]
        leaves = self.match(op, order.side)
        return self.rest(op, order.side, leaves, order.peak) if leaves else None

    def mass_cancel(self, op: Operation) -> None:
        if op.symbol != EVERYTHING and op.symbol >= self.symbols:
            return self.reject(op, 2)
        symbols = range(self.symbols) if op.symbol == EVERYTHING else [op.symbol]
        rows = [w for s in symbols for side in (BUY, SELL) for w in self.side_orders(s, side)]
        rows = [w for w in rows if op.owner in (EVERYTHING, w.owner)]
        for order in rows:
            self.remove(order)
        return None if rows else self.reject(op, 16)
