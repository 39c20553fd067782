"""Books of single orders, as order-by-order feeds tell of them, for many symbols over one pool.

Every symbol has two sides that know nothing of one another: a feed's book may be locked or crossed for moments, and nothing ever
trades here. Prices are ticks, quantities lots. Every operation has one outcome: done, or refused with a reason and no change.
docs/book.md tells the rules.
"""

import zlib

cimport cython
import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from engine.book.queues cimport (
    Level,
    has_level,
    has_room,
    level_at,
    level_change,
    id_hash,
    pages_close,
    pages_open,
    pool_close,
    pool_give,
    pool_open,
    pool_take,
    queues_close,
    queues_open,
    side_append,
    side_is_empty,
    side_unlink,
    side_worse,
    table_add,
    table_close,
    table_open,
    table_remove,
)

plain_view = np.ndarray.view  # the same memory without what a subclass says of it; TypeError for what is no array
L3_OP_DTYPE = np.dtype(
    [("op", "u1"), ("side", "u1"), ("pad", "<u2"), ("symbol", "<u4"), ("owner", "<u4"), ("pad2", "<u4"), ("order_id", "<u8"),
     ("new_id", "<u8"), ("price", "<i8"), ("qty", "<i8")]
)
L3_OUTCOME_DTYPE = np.dtype(
    [("op", "u1"), ("side", "u1"), ("reason", "u1"), ("place", "u1"), ("symbol", "<u4"), ("order_id", "<u8"), ("price", "<i8"),
     ("qty", "<i8"), ("leaves", "<i8")]
)
L3_ORDER_DTYPE = np.dtype(
    [("order_id", "<u8"), ("price", "<i8"), ("qty", "<i8"), ("owner", "<u4"), ("slot", "<u4"), ("symbol", "<u4"), ("side", "<u4")]
)
HEADER_DTYPE = np.dtype(
    [("magic", "S8"), ("symbol_count", "<u4"), ("orders_max", "<u4"), ("pages_max", "<u4"), ("price_bits", "<u4"),
     ("own_handles", "<u4"), ("live", "<u4")]
)
MAGIC = b"TWL3v1"
SYMBOLS_MAX = 65536

cdef packed struct OrderRow:  # L3_ORDER_DTYPE
    uint64_t order_id
    int64_t price
    int64_t qty
    uint32_t owner
    uint32_t slot
    uint32_t symbol
    uint32_t side


cdef inline uint64_t key_of(uint32_t symbol, uint64_t order_id) noexcept nogil:
    """What is hashed: numbers are a symbol's own, and feeds number each symbol from 1."""
    return order_id + symbol * <uint64_t>0xD1B54A32D192ED03


cdef inline bint is_beyond(const SideBook* side, int32_t price, int32_t stop) noexcept nogil:
    """Whether a price is worse than `stop`."""
    return price < stop if side.is_bid else price > stop


cdef inline int32_t nothing(const SideBook* side) noexcept nogil:
    """What `best` and `side_worse` say where there is no level."""
    return 0 if side.is_bid else side.queues.limit


@cython.final
cdef class L3Book:
    """Order-by-order books of `symbol_count` symbols.

    `orders_max` orders and `pages_max` pages of 64 prices are shared by all of them and touched at once; prices are 1 .. 2^price_bits - 1
    (18 to 30 bits). With `own_handles` orders are named by what `add` gave (`handle`), else by the feed's numbers, each symbol's own.
    """

    def __cinit__(self, symbol_count, orders_max=65536, pages_max=16384, *, price_bits=24, own_handles=False):
        for name, value, low, high in (
            ("symbol_count", symbol_count, 1, SYMBOLS_MAX),
            ("orders_max", orders_max, 1, 1 << 31),
            ("pages_max", pages_max, 1, 1 << 26),
            ("price_bits", price_bits, 18, 30),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, not {low} .. {high}")
        self.symbol_count = symbol_count
        self.price_bits = price_bits
        self.own_handles = own_handles
        self.qty_max = 0x7FFFFFFFFFFFFFFF // <int64_t>orders_max
        self.pool.orders_max = orders_max
        self.pages.pages_max = pages_max
        self.open_memory()

    def __dealloc__(self):
        cdef uint32_t index
        if self.sides != NULL:
            for index in range(2 * self.symbol_count):
                queues_close(&self.sides[index].queues)
        free(self.sides)
        free(self.ids)
        free(self.generations)
        table_close(&self.table)
        pages_close(&self.pages)
        pool_close(&self.pool)

    cdef int open_memory(self) except -1:
        cdef uint32_t index
        cdef uint32_t orders_max = self.pool.orders_max
        self.sides = <SideBook*>calloc(2 * self.symbol_count, sizeof(SideBook))
        self.ids = <uint64_t*>malloc(orders_max * sizeof(uint64_t))
        self.generations = <uint32_t*>malloc((orders_max if self.own_handles else 1) * sizeof(uint32_t))
        if self.sides == NULL or self.ids == NULL or self.generations == NULL:
            raise MemoryError("books")
        memset(self.ids, 0, orders_max * sizeof(uint64_t))
        if pool_open(&self.pool, orders_max) or pages_open(&self.pages, self.pages.pages_max):
            raise MemoryError("orders")
        if table_open(&self.table, 1 if self.own_handles else orders_max):
            raise MemoryError("numbers")
        for index in range(orders_max if self.own_handles else 0):
            self.generations[index] = 1
        for index in range(2 * self.symbol_count):
            if queues_open(&self.sides[index].queues, self.price_bits):
                raise MemoryError("prices")
            self.sides[index].is_bid = index & 1 == 0
            self.sides[index].best = nothing(&self.sides[index])
        return 0

    # --- orders and their names ---------------------------------------------------------------------------------------

    cdef SideBook* side_of(self, uint32_t symbol, uint8_t side) noexcept nogil:
        return &self.sides[2 * symbol + side]

    cdef uint32_t find(self, uint32_t symbol, uint64_t order_id) noexcept nogil:
        cdef uint64_t tag, at, entry
        cdef uint32_t slot
        if self.own_handles:
            slot = <uint32_t>order_id
            if order_id == 0 or slot >= self.pool.orders_max or self.ids[slot] != order_id:
                return 0
            return slot + 1 if self.pool.orders[slot].symbol == symbol else 0
        tag = id_hash(key_of(symbol, order_id))
        at = tag & self.table.mask
        entry = self.table.slots[at]
        while entry:
            slot = <uint32_t>entry - 1
            if entry >> 32 == tag and self.ids[slot] == order_id and self.pool.orders[slot].symbol == symbol:
                return <uint32_t>entry
            at = (at + 1) & self.table.mask
            entry = self.table.slots[at]
        return 0

    cdef void name(self, uint32_t link, uint32_t symbol, uint64_t order_id) noexcept nogil:
        if self.own_handles:
            self.ids[link - 1] = <uint64_t>self.generations[link - 1] << 32 | (link - 1)
            return
        self.ids[link - 1] = order_id
        table_add(&self.table, key_of(symbol, order_id), link)

    cdef void unname(self, uint32_t link) noexcept nogil:
        if self.own_handles:
            self.generations[link - 1] += 1
            self.ids[link - 1] = 0
            return
        table_remove(&self.table, key_of(self.pool.orders[link - 1].symbol, self.ids[link - 1]), link)

    cdef void remove(self, uint32_t link) noexcept nogil:
        """Take an order out of everything."""
        cdef QueuedOrder* order = &self.pool.orders[link - 1]
        side_unlink(&self.pages, self.side_of(order.symbol, order.side), self.pool.orders, link)
        self.unname(link)
        pool_give(&self.pool, link)

    cdef uint8_t place_of(self, const SideBook* side, uint32_t link) noexcept nogil:
        cdef const QueuedOrder* order = &self.pool.orders[link - 1]
        return (L3_OLDEST if order.before == 0 else 0) | (L3_BEST if order.price == side.best else 0)

    cdef void tell(self, BookOutcome* outcome, const SideBook* side, uint32_t link) noexcept nogil:
        """Fill in what the outcome says of an order as it stands."""
        cdef const QueuedOrder* order = &self.pool.orders[link - 1]
        outcome.side = order.side
        outcome.place = self.place_of(side, link)
        outcome.order_id = self.ids[link - 1]
        outcome.price = order.price

    # --- operations ---------------------------------------------------------------------------------------------------

    cdef void apply(self, const BookOp* op, BookOutcome* outcome) noexcept nogil:
        cdef uint8_t reason
        outcome.op = op.op
        outcome.side = op.side
        outcome.place = 0
        outcome.symbol = op.symbol
        outcome.order_id = op.order_id
        outcome.price = op.price
        outcome.qty = op.qty
        outcome.leaves = 0
        if op.op > L3_TRIM:
            reason = L3_UNSUPPORTED
        elif op.symbol >= self.symbol_count:
            reason = L3_UNKNOWN_SYMBOL
        elif op.op == L3_ADD:
            reason = self.apply_add(op, outcome)
        elif op.op == L3_EXECUTE_AT:
            reason = self.apply_execute_at(op, outcome)
        elif op.op >= L3_CLEAR:
            reason = self.apply_to_levels(op, outcome)
        else:
            reason = self.apply_to_order(op, outcome)
        outcome.reason = reason

    cdef uint8_t refusal_of_add(self, const BookOp* op) noexcept nogil:
        if op.side > 1:
            return L3_BAD_SIDE
        if op.price < 1 or op.price >= <int64_t>1 << self.price_bits:
            return L3_BAD_PRICE
        if op.qty < 1 or op.qty > self.qty_max:
            return L3_BAD_QTY
        if not self.own_handles and self.find(op.symbol, op.order_id):
            return L3_DUPLICATE_ORDER_ID
        if self.pool.first_free == 0:
            return L3_ORDERS_FULL
        if not has_room(&self.pages, &self.side_of(op.symbol, op.side).queues, <int32_t>op.price):
            return L3_LEVELS_FULL
        return L3_NONE

    cdef uint8_t apply_add(self, const BookOp* op, BookOutcome* outcome) noexcept nogil:
        cdef uint8_t reason = self.refusal_of_add(op)
        cdef SideBook* side
        cdef QueuedOrder* order
        cdef uint32_t link
        if reason:
            return reason
        side = self.side_of(op.symbol, op.side)
        link = pool_take(&self.pool)
        order = &self.pool.orders[link - 1]
        order.leaves = op.qty
        order.price = <int32_t>op.price
        order.owner = op.owner
        order.symbol = <uint16_t>op.symbol
        order.side = op.side
        self.name(link, op.symbol, op.order_id)
        side_append(&self.pages, side, self.pool.orders, link)
        self.tell(outcome, side, link)
        outcome.leaves = op.qty
        return L3_NONE

    cdef uint8_t apply_to_order(self, const BookOp* op, BookOutcome* outcome) noexcept nogil:
        cdef uint32_t link = self.find(op.symbol, op.order_id)
        if link == 0:
            return L3_UNKNOWN_ORDER
        if op.op == L3_SET_QTY:
            return self.apply_set(op, outcome, link)
        if op.op == L3_REPLACE:
            return self.apply_replace(op, outcome, link)
        if op.op != L3_DELETE:
            return self.apply_reduce(op, outcome, link)
        self.tell(outcome, self.side_of(op.symbol, self.pool.orders[link - 1].side), link)
        outcome.qty = self.pool.orders[link - 1].leaves
        self.remove(link)
        return L3_NONE

    cdef uint8_t apply_reduce(self, const BookOp* op, BookOutcome* outcome, uint32_t link) noexcept nogil:
        cdef QueuedOrder* order = &self.pool.orders[link - 1]
        cdef SideBook* side = self.side_of(op.symbol, order.side)
        if op.qty < 1:
            return L3_BAD_QTY
        if op.qty > order.leaves:
            return L3_ABOVE_OPEN
        self.tell(outcome, side, link)
        outcome.leaves = order.leaves - op.qty
        if outcome.leaves:
            level_change(&side.queues, order, outcome.leaves)
        else:
            self.remove(link)
        return L3_NONE

    cdef uint8_t apply_execute_at(self, const BookOp* op, BookOutcome* outcome) noexcept nogil:
        cdef SideBook* side
        if op.side > 1:
            return L3_BAD_SIDE
        side = self.side_of(op.symbol, op.side)
        if op.price < 1 or op.price >= side.queues.limit:
            return L3_BAD_PRICE
        if not has_level(&side.queues, <int32_t>op.price):
            return L3_NO_ORDER_THERE
        return self.apply_reduce(op, outcome, level_at(&side.queues, <int32_t>op.price).head)

    cdef uint8_t apply_set(self, const BookOp* op, BookOutcome* outcome, uint32_t link) noexcept nogil:
        cdef QueuedOrder* order = &self.pool.orders[link - 1]
        cdef SideBook* side = self.side_of(op.symbol, order.side)
        if op.qty < 0 or op.qty > self.qty_max:
            return L3_BAD_QTY
        self.tell(outcome, side, link)
        outcome.leaves = op.qty
        if op.qty == 0:
            self.remove(link)
        elif op.qty <= order.leaves or order.after == 0:
            level_change(&side.queues, order, op.qty)
        else:  # others stand behind it: the level stays while the order goes to its end
            side_unlink(&self.pages, side, self.pool.orders, link)
            order.leaves = op.qty
            side_append(&self.pages, side, self.pool.orders, link)
        return L3_NONE

    cdef uint8_t refusal_of_replace(self, const BookOp* op, uint32_t link) noexcept nogil:
        cdef uint32_t other
        if op.price < 1 or op.price >= <int64_t>1 << self.price_bits:
            return L3_BAD_PRICE
        if op.qty < 1 or op.qty > self.qty_max:
            return L3_BAD_QTY
        other = 0 if self.own_handles else self.find(op.symbol, op.new_id)
        if other and other != link:
            return L3_DUPLICATE_ORDER_ID
        if not has_room(&self.pages, &self.side_of(op.symbol, self.pool.orders[link - 1].side).queues, <int32_t>op.price):
            return L3_LEVELS_FULL
        return L3_NONE

    cdef uint8_t apply_replace(self, const BookOp* op, BookOutcome* outcome, uint32_t link) noexcept nogil:
        cdef QueuedOrder* order = &self.pool.orders[link - 1]
        cdef SideBook* side = self.side_of(op.symbol, order.side)
        cdef uint8_t reason = self.refusal_of_replace(op, link)
        if reason:
            return reason
        outcome.place = self.place_of(side, link)
        side_unlink(&self.pages, side, self.pool.orders, link)
        order.price = <int32_t>op.price
        order.leaves = op.qty
        side_append(&self.pages, side, self.pool.orders, link)
        if not self.own_handles and op.new_id != op.order_id:
            self.unname(link)
            self.name(link, op.symbol, op.new_id)
        outcome.side = order.side
        outcome.order_id = self.ids[link - 1]
        outcome.leaves = op.qty
        return L3_NONE

    cdef uint8_t apply_to_levels(self, const BookOp* op, BookOutcome* outcome) noexcept nogil:
        cdef int32_t limit = <int32_t>1 << self.price_bits
        if op.side > (2 if op.op == L3_CLEAR else 1):
            return L3_BAD_SIDE
        if op.op == L3_TRIM and (op.price < 1 or op.price >= limit):
            return L3_BAD_PRICE
        outcome.order_id = 0
        outcome.qty = 0
        if op.op == L3_TRIM:
            outcome.qty = self.remove_beyond(self.side_of(op.symbol, op.side), <int32_t>op.price)
            return L3_NONE
        outcome.price = 0
        if op.side != 1:
            outcome.qty += self.remove_beyond(self.side_of(op.symbol, 0), limit)
        if op.side != 0:
            outcome.qty += self.remove_beyond(self.side_of(op.symbol, 1), 0)
        return L3_NONE

    cdef int64_t remove_beyond(self, SideBook* side, int32_t stop) noexcept nogil:
        """Remove the orders of all levels worse than `stop`, the best first; returns how many."""
        cdef int64_t gone = 0
        cdef int32_t price = side.best, next_price
        if price != nothing(side) and not is_beyond(side, price, stop):
            price = side_worse(side, stop)
        while price != nothing(side):
            next_price = side_worse(side, price)
            while has_level(&side.queues, price):
                self.remove(level_at(&side.queues, price).head)
                gone += 1
            price = next_price
        return gone

    # --- calls from Python --------------------------------------------------------------------------------------------

    cdef int run(self, BookOp op) noexcept:
        self.apply(&op, &self.last)
        return self.last.reason

    def add(self, uint32_t symbol, uint8_t side, uint64_t order_id, int64_t price, int64_t qty, uint32_t owner=0) -> int:
        """A new order at the end of its price's queue. Returns a reason, like every operation."""
        return self.run(BookOp(L3_ADD, side, 0, symbol, owner, 0, order_id, 0, price, qty))

    def reduce(self, uint32_t symbol, uint64_t order_id, int64_t qty) -> int:
        """Take `qty` from an order, which keeps its place; with all of it the order goes."""
        return self.run(BookOp(L3_REDUCE, 0, 0, symbol, 0, 0, order_id, 0, 0, qty))

    def set_qty(self, uint32_t symbol, uint64_t order_id, int64_t qty) -> int:
        """Set what an order has open: 0 removes it, more than before moves it to the end of its queue."""
        return self.run(BookOp(L3_SET_QTY, 0, 0, symbol, 0, 0, order_id, 0, 0, qty))

    def replace(self, uint32_t symbol, uint64_t order_id, uint64_t new_id, int64_t price, int64_t qty) -> int:
        """Give an order another number, price and quantity; it goes to the end of the queue. With own handles it keeps its handle."""
        return self.run(BookOp(L3_REPLACE, 0, 0, symbol, 0, 0, order_id, new_id, price, qty))

    def delete(self, uint32_t symbol, uint64_t order_id) -> int:
        return self.run(BookOp(L3_DELETE, 0, 0, symbol, 0, 0, order_id, 0, 0, 0))

    def execute(self, uint32_t symbol, uint64_t order_id, int64_t qty) -> int:
        """A trade of the order that the feed names; `place` then tells whether it was the oldest of the best price."""
        return self.run(BookOp(L3_EXECUTE, 0, 0, symbol, 0, 0, order_id, 0, 0, qty))

    def execute_at(self, uint32_t symbol, uint8_t side, int64_t price, int64_t qty) -> int:
        """A trade of the oldest order at a price; `outcome()` tells which that was."""
        return self.run(BookOp(L3_EXECUTE_AT, side, 0, symbol, 0, 0, 0, 0, price, qty))

    def clear(self, uint32_t symbol, uint8_t side=2) -> int:
        """Remove the orders of a side, or of both (2)."""
        return self.run(BookOp(L3_CLEAR, side, 0, symbol, 0, 0, 0, 0, 0, 0))

    def trim(self, uint32_t symbol, uint8_t side, int64_t price) -> int:
        """Remove what is worse than a price: feeds of a limited depth say nothing of what leaves it."""
        return self.run(BookOp(L3_TRIM, side, 0, symbol, 0, 0, 0, 0, price, 0))

    def outcome(self) -> tuple:
        """The outcome of the last single operation, in the order of L3_OUTCOME_DTYPE."""
        return (self.last.op, self.last.side, self.last.reason, self.last.place, self.last.symbol, self.last.order_id,
                self.last.price, self.last.qty, self.last.leaves)

    @property
    def place(self) -> int:
        """L3Place bits of the last single operation: where the order stood before it (a new one: where it stands)."""
        return self.last.place

    @property
    def handle(self) -> int:
        """The order of the last single operation; after `add` with own handles its handle."""
        return self.last.order_id

    def apply_batch(self, ops, out=None):
        """Apply an array of L3_OP_DTYPE; returns an L3_OUTCOME_DTYPE row for each, in `out` where it is given and long enough."""
        ops = np.asarray(ops)  # of its true type: what an object says of itself is not believed
        if ops.dtype != L3_OP_DTYPE:
            raise TypeError(f"operations must have dtype L3_OP_DTYPE, not {ops.dtype}")
        out = None if out is None else plain_view(out, np.ndarray)
        if out is not None and (out.dtype != L3_OUTCOME_DTYPE or out.ndim != 1 or not out.flags.c_contiguous):
            raise TypeError("out must be a contiguous array of L3_OUTCOME_DTYPE")
        ops = np.ascontiguousarray(ops).reshape(-1)
        cdef Py_ssize_t count = ops.shape[0], index
        outcomes = out[:count] if out is not None and len(out) >= count else np.empty(count, L3_OUTCOME_DTYPE)
        if count == 0:
            return outcomes
        cdef const uint8_t[::1] raw = ops.view(np.uint8)
        cdef uint8_t[::1] raw_out = outcomes.view(np.uint8)
        cdef const BookOp* records = <const BookOp*>&raw[0]
        cdef BookOutcome* results = <BookOutcome*>&raw_out[0]
        with nogil:
            for index in range(count):
                self.apply(&records[index], &results[index])
        return outcomes

    # --- views --------------------------------------------------------------------------------------------------------

    cdef SideBook* checked_side(self, uint32_t symbol, uint8_t side) except NULL:
        if symbol >= self.symbol_count:
            raise IndexError(f"symbol {symbol} is not one of {self.symbol_count}")
        if side > 1:
            raise ValueError(f"side {side} is neither 0 (bids) nor 1 (asks)")
        return self.side_of(symbol, side)

    cdef int64_t filtered_qty(self, const SideBook* side, int32_t price, uint32_t without) noexcept nogil:
        """What a level holds but for one owner's orders."""
        cdef const Level* level = level_at(&side.queues, price)
        cdef uint32_t link = level.head
        cdef int64_t qty = level.qty
        while link and without:
            if self.pool.orders[link - 1].owner == without:
                qty -= self.pool.orders[link - 1].leaves
            link = self.pool.orders[link - 1].after
        return qty

    cdef Py_ssize_t read_levels(self, const SideBook* side, Py_ssize_t depth, uint32_t without, int64_t* out) noexcept nogil:
        cdef int32_t price = side.best
        cdef Py_ssize_t count = 0
        while count < depth and price != nothing(side):
            out[2 * count] = price
            out[2 * count + 1] = self.filtered_qty(side, price, without)
            count += out[2 * count + 1] != 0
            price = side_worse(side, price)
        return count

    def best(self, uint32_t symbol, uint8_t side) -> tuple:
        """(price, quantity) of the best level; (0, 0) for an empty side."""
        cdef SideBook* book = self.checked_side(symbol, side)
        if side_is_empty(book):
            return 0, 0
        return book.best, level_at(&book.queues, book.best).qty

    def level_qty(self, uint32_t symbol, uint8_t side, int64_t price) -> int:
        """What is open at a price, 0 where nothing is."""
        cdef SideBook* book = self.checked_side(symbol, side)
        if price < 1 or price >= book.queues.limit or not has_level(&book.queues, <int32_t>price):
            return 0
        return level_at(&book.queues, <int32_t>price).qty

    def snapshot_l1(self, uint32_t symbol) -> tuple:
        """(bid, bid quantity, ask, ask quantity); zeros for an empty side."""
        return self.best(symbol, 0) + self.best(symbol, 1)

    def depth(self, uint32_t symbol, uint8_t side, Py_ssize_t limit, uint32_t without=0):
        """Up to `limit` levels, best first, as int64 rows (price, quantity); the orders of the owner `without` are left out."""
        cdef SideBook* book = self.checked_side(symbol, side)
        cdef Py_ssize_t room = min(max(limit, 0), <Py_ssize_t>self.pool.live_count)
        rows = np.empty((room, 2), np.int64)
        cdef int64_t[:, ::1] view = rows
        return rows[: self.read_levels(book, room, without, &view[0, 0])] if room else rows

    def snapshot_l2(self, uint32_t symbol, Py_ssize_t limit, uint32_t without=0) -> tuple:
        """Bids and asks of `depth`."""
        return self.depth(symbol, 0, limit, without), self.depth(symbol, 1, limit, without)

    def read_l2(self, uint32_t symbol, int64_t[:, ::1] out) -> int:
        """Write the best levels into the rows of `out` (ask, quantity, bid, quantity; zeros where there is none); returns how many
        levels the longer side has there."""
        cdef SideBook* bids = self.checked_side(symbol, 0)
        cdef SideBook* asks = self.side_of(symbol, 1)
        cdef int32_t ask = asks.best, bid = bids.best
        cdef Py_ssize_t row, used = 0
        if out.shape[1] != 4:
            raise ValueError("a row is ask, quantity, bid, quantity")
        for row in range(out.shape[0]):
            out[row, 0] = out[row, 1] = out[row, 2] = out[row, 3] = 0
            if ask != asks.queues.limit:
                out[row, 0], out[row, 1] = ask, level_at(&asks.queues, ask).qty
                ask = side_worse(asks, ask)
                used = row + 1
            if bid != 0:
                out[row, 2], out[row, 3] = bid, level_at(&bids.queues, bid).qty
                bid = side_worse(bids, bid)
                used = row + 1
        return used

    cdef int64_t order_count(self, const SideBook* side) noexcept nogil:
        cdef int32_t price = side.best
        cdef uint32_t link
        cdef int64_t count = 0
        while price != nothing(side):
            link = level_at(&side.queues, price).head
            while link:
                count += 1
                link = self.pool.orders[link - 1].after
            price = side_worse(side, price)
        return count

    cdef void copy_orders(self, const SideBook* side, uint8_t* out) noexcept nogil:
        """The orders of a side in priority, as rows of L3_ORDER_DTYPE."""
        cdef int32_t price = side.best
        cdef OrderRow* row = <OrderRow*>out
        cdef const QueuedOrder* order
        cdef uint32_t link
        while price != nothing(side):
            link = level_at(&side.queues, price).head
            while link:
                order = &self.pool.orders[link - 1]
                row[0] = OrderRow(self.ids[link - 1], price, order.leaves, order.owner, link - 1, order.symbol, order.side)
                row += 1
                link = order.after
            price = side_worse(side, price)

    def orders(self, uint32_t symbol, uint8_t side):
        """All orders of a side in priority (best price first, the oldest first), as rows of L3_ORDER_DTYPE."""
        cdef SideBook* book = self.checked_side(symbol, side)
        rows = np.empty(self.order_count(book), L3_ORDER_DTYPE)
        cdef uint8_t[::1] raw
        if len(rows):
            raw = rows.view(np.uint8)
            self.copy_orders(book, &raw[0])
        return rows

    def snapshot_l3(self, uint32_t symbol):
        """The orders of bids, then asks."""
        return np.concatenate((self.orders(symbol, 0), self.orders(symbol, 1)))

    def order(self, uint32_t symbol, uint64_t order_id) -> tuple | None:
        """(side, price, quantity, owner) of an order, or None."""
        cdef uint32_t link = self.find(symbol, order_id) if symbol < self.symbol_count else 0
        if link == 0:
            return None
        cdef QueuedOrder* order = &self.pool.orders[link - 1]
        return order.side, order.price, order.leaves, order.owner

    def ahead(self, uint32_t symbol, uint64_t order_id) -> tuple | None:
        """(orders, quantity) that stand before an order at its price, or None where there is no such order."""
        cdef uint32_t link = self.find(symbol, order_id) if symbol < self.symbol_count else 0
        cdef int64_t count = 0, qty = 0
        if link == 0:
            return None
        link = self.pool.orders[link - 1].before
        while link:
            count += 1
            qty += self.pool.orders[link - 1].leaves
            link = self.pool.orders[link - 1].before
        return count, qty

    @property
    def live_orders(self) -> int:
        return self.pool.live_count

    @property
    def orders_max(self) -> int:
        return self.pool.orders_max

    @property
    def pages_max(self) -> int:
        return self.pages.pages_max

    @property
    def free_pages(self) -> int:
        """Pages of 64 prices that no side uses."""
        return self.pages.free_count

    # --- state --------------------------------------------------------------------------------------------------------

    def state_hash(self) -> int:
        """64 bits over every order in priority: the same books have the same hash, however they came about (docs/book.md)."""
        cdef uint64_t total = 0x9E3779B97F4A7C15
        cdef uint32_t index, link
        cdef int32_t price
        cdef const SideBook* side
        for index in range(2 * self.symbol_count):
            side = &self.sides[index]
            total = folded(total, <uint64_t>self.order_count(side))
            price = side.best
            while price != nothing(side):
                link = level_at(&side.queues, price).head
                while link:
                    total = folded(total, self.ids[link - 1])
                    total = folded(total, <uint64_t>price)
                    total = folded(total, <uint64_t>self.pool.orders[link - 1].leaves)
                    total = folded(total, self.pool.orders[link - 1].owner)
                    link = self.pool.orders[link - 1].after
                price = side_worse(side, price)
        return total

    def save(self) -> bytes:
        """The whole state, for `restore`: the same books, and with own handles the same handles from then on."""
        header = np.zeros(1, HEADER_DTYPE)
        header[0] = (MAGIC, self.symbol_count, self.orders_max, self.pages_max, self.price_bits, self.own_handles, self.live_orders)
        parts = [header.tobytes()]
        for symbol in range(self.symbol_count):
            parts.append(self.snapshot_l3(symbol).tobytes())
        if self.own_handles:
            parts += [np.array(self._free_slots(), np.uint32).tobytes(), np.array(self._generations(), np.uint32).tobytes()]
        body = b"".join(parts)
        return body + zlib.crc32(body).to_bytes(4, "little")

    def _free_slots(self) -> list:
        """Free slots in the order in which they will be given."""
        cdef uint32_t link = self.pool.first_free
        found = []
        while link:
            found.append(link - 1)
            link = self.pool.orders[link - 1].after
        return found

    def _generations(self) -> list:
        cdef uint32_t slot
        return [self.generations[slot] for slot in range(self.pool.orders_max)]

    @staticmethod
    def restore(bytes data not None) -> L3Book:
        """The book that `save` wrote. ValueError names what is wrong with the data."""
        cdef Py_ssize_t end = len(data) - 4
        if end < HEADER_DTYPE.itemsize or zlib.crc32(data[:end]) != int.from_bytes(data[end:], "little"):
            raise ValueError("the state is cut short or damaged")
        header = np.frombuffer(data, HEADER_DTYPE, 1)[0]
        if header["magic"] != MAGIC:
            raise ValueError(f"the state begins with {bytes(header['magic'])!r}, not {MAGIC!r}")
        sizes = {name: int(header[name]) for name in ("symbol_count", "orders_max", "pages_max", "price_bits")}
        own_handles, live = bool(header["own_handles"]), int(header["live"])
        tail = 4 * (2 * sizes["orders_max"] - live) if own_handles else 0
        if live > sizes["orders_max"] or len(data) != HEADER_DTYPE.itemsize + live * L3_ORDER_DTYPE.itemsize + tail + 4:
            raise ValueError("the state's length is not what its header says")
        book = L3Book(**sizes, own_handles=own_handles)
        rows = np.frombuffer(data, L3_ORDER_DTYPE, live, HEADER_DTYPE.itemsize)
        if own_handles:
            words = np.frombuffer(data[:end], np.uint32, offset=HEADER_DTYPE.itemsize + live * L3_ORDER_DTYPE.itemsize)
            book._arrange_slots(rows, words[: sizes["orders_max"] - live], words[sizes["orders_max"] - live :])
        if live and rows["side"].max() > 1:
            raise ValueError("an order of the state has no side")
        ops = np.zeros(live, L3_OP_DTYPE)
        for name in ("side", "symbol", "owner", "order_id", "price", "qty"):
            ops[name] = rows[name]
        reasons = book.apply_batch(ops)["reason"]
        if reasons.any():
            first = int(np.flatnonzero(reasons)[0])
            raise ValueError(f"order {rows['order_id'][first]} of the state is refused: {L3Reason(reasons[first]).name}")
        return book

    def _arrange_slots(self, rows, free_slots, generations) -> None:
        """Line up the free list so that adding `rows` in order gives each its slot and leaves the free ones in theirs."""
        order = np.concatenate((rows["slot"], free_slots)).astype(np.uint32)
        if not np.array_equal(np.sort(order), np.arange(self.orders_max)):
            raise ValueError("the slots of the state are not each one order's or free")
        if not np.array_equal(rows["order_id"], generations[rows["slot"]].astype(np.uint64) << 32 | rows["slot"]):
            raise ValueError("the handles of the state are not those of its slots")
        cdef const uint32_t[::1] slots = order
        cdef const uint32_t[::1] numbers = np.ascontiguousarray(generations)
        cdef Py_ssize_t index, count = len(order)
        self.pool.first_free = slots[0] + 1
        for index in range(count):
            self.pool.orders[slots[index]].after = slots[index + 1] + 1 if index + 1 < count else 0
            self.generations[index] = numbers[index]

    def check(self) -> list:
        """Walk everything; returns what is wrong, in words: nothing, unless memory was damaged."""
        found = []
        total = sum(self.check_side(symbol, side, found) for symbol in range(self.symbol_count) for side in (0, 1))
        if total != self.live_orders:
            found.append(f"{total} orders stand in queues, {self.live_orders} are counted")
        if len(self._free_slots()) + self.live_orders != self.orders_max:
            found.append("free and live orders are not all orders")
        return found

    cdef uint32_t check_side(self, uint32_t symbol, uint8_t side, list found) except? 0xFFFFFFFF:
        """Orders of one side; what does not fit is appended to `found`."""
        cdef const SideBook* book = self.side_of(symbol, side)
        cdef const Level* level
        cdef const QueuedOrder* order
        cdef int32_t price = book.best
        cdef uint32_t link, before, count = 0
        cdef int64_t qty
        while price != nothing(book):
            level = level_at(&book.queues, price)
            link, before, qty = level.head, 0, 0
            while link:
                order = &self.pool.orders[link - 1]
                if order.before != before or order.price != price or order.symbol != symbol or order.side != side:
                    found.append(f"order {self.ids[link - 1]} stands at a wrong place")
                if order.leaves < 1 or self.find(symbol, self.ids[link - 1]) != link:
                    found.append(f"order {self.ids[link - 1]} is empty or not found by its number")
                qty += order.leaves
                count += 1
                before, link = link, order.after
            if qty != level.qty or before != level.tail or count > self.pool.live_count:
                found.append(f"level {price} of symbol {symbol}, side {side} does not fit its orders")
                break
            price = side_worse(book, price)
        return count


cdef inline uint64_t folded(uint64_t total, uint64_t word) noexcept nogil:
    total = (total ^ word) * <uint64_t>0x100000001B3
    return total ^ (total >> 29)
