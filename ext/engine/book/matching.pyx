# cython: language_level=3
"""Price-time priority matching for many symbols, the whole of docs/matching.md.

The parts: ``queues`` (orders in queues under a tree of ticks), ``matching_state`` (records and memory), ``matching_continuous``
(new orders, trades, cancels), ``matching_triggers``, ``matching_amend``, ``matching_auction``, ``matching_control`` (whole books),
``matching_image`` (hash, save, restore). This one is what Python and other C parts call.
"""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset
from engine.book.matching_amend cimport apply_amend
from engine.book.matching_continuous cimport apply_cancel, apply_new, apply_run
from engine.book.matching_control cimport apply_control
from engine.book.matching_image cimport (
    first_order, first_price, hash_of, image_of, orders_of, price_behind, restore_into, sizes_of,
)
from engine.book.matching_state cimport (
    OP_AMEND, OP_CANCEL, OP_NEW, PLACE_CALL, PLACE_DARK, PLACE_RISING, PLACES, SIDE_BUY, STP_EXPIRE_MAKER, TIF_GTC, TIF_IOC,
    TRAIT_ICEBERG, TW_ANY, Market, core_close, core_open, find_order, open_qty, position_find,
)
from engine.book.queues cimport QueuedOrder, has_level, level_at, tw_rarely

from operator import index as index_of

import numpy as np

from engine.book.matching_state import (
    BookSide,
    EventKind,
    KindOfOrder,
    OpFlag,
    OpKind,
    Reason,
    StpKind,
    TifKind,
    TradingPhase,
)

__all__ = [
    "ANY", "EVENT_DTYPE", "OP_DTYPE", "ORDER_DTYPE", "PRICE_LIMIT", "BookSide", "EventKind", "KindOfOrder", "MatchingEngine",
    "OpFlag", "OpKind", "Reason", "StpKind", "TifKind", "TradingPhase",
]

PRICE_LIMIT = 1 << 24  # of an engine that was told no price_bits
ANY = TW_ANY

OP_DTYPE = np.dtype(
    [("op", "u1"), ("side", "u1"), ("type", "u1"), ("tif", "u1"), ("flags", "<u2"), ("stp", "u1"), ("pad", "u1"),
     ("symbol", "<u4"), ("owner", "<u4"), ("order_id", "<u8"), ("price", "<i8"), ("qty", "<i8"), ("display", "<i8"),
     ("trigger", "<i8"), ("expire_ns", "<i8")]
)
EVENT_DTYPE = np.dtype(
    [("kind", "u1"), ("side", "u1"), ("reason", "<u2"), ("symbol", "<u4"), ("op_index", "<u8"), ("order_id", "<u8"),
     ("maker_id", "<u8"), ("price", "<i8"), ("qty", "<i8"), ("leaves", "<i8"), ("maker_leaves", "<i8")]
)
ORDER_DTYPE = np.dtype(
    [("order_id", "<u8"), ("price", "<i8"), ("qty", "<i8"), ("owner", "<u4"), ("side", "u1"), ("pad", "u1", (3,))]
)

plain_view = np.ndarray.view  # of whatever class an array is

cdef extern from *:
    """
    typedef unsigned __int128 tw_wide;
    """
    ctypedef unsigned long long wide "tw_wide"  # 128 bits: ticks times lots

cdef uint64_t LOTS_BEYOND = <uint64_t>1 << 63  # no book holds as much
COST_BEYOND = 1 << 94  # nor costs as much

cdef struct Taking:
    wide cost_left
    uint64_t lots_left

cdef packed struct ShownOrder:
    uint64_t order_id
    int64_t price
    int64_t qty
    uint32_t owner
    uint8_t side
    uint8_t pad[3]


@cython.final
cdef class MatchingEngine:
    """The books of ``symbol_count`` symbols over one pool of orders and one of level pages (64 prices each)."""

    def __cinit__(self, uint32_t symbol_count, uint32_t orders_max=65536, uint32_t pages_max=8192, *, uint32_t price_bits=24,
                  uint32_t positions_max=65536, uint32_t trades_kept=65536, bint own_handles=False):
        if symbol_count < 1 or symbol_count > 65536:
            raise ValueError("symbol_count must be 1..65536")
        if orders_max < 1 or orders_max > (1 << 26) or pages_max < 1 or pages_max > (1 << 24):
            raise ValueError("orders_max must be 1..2^26 and pages_max 1..2^24")
        if price_bits < 18 or price_bits > 30:
            raise ValueError("price_bits must be 18..30")
        if positions_max < 1 or positions_max > (1 << 26) or trades_kept < 1 or trades_kept > (1 << 26):
            raise ValueError("positions_max and trades_kept must be 1..2^26")
        self.core.symbol_count = symbol_count
        self.core.pool.orders_max = orders_max
        self.core.pages.pages_max = pages_max
        self.core.price_bits = price_bits
        self.core.positions_max = positions_max
        self.core.trades_kept = trades_kept
        self.core.own_handles = own_handles
        self.open()

    cdef int open(self) except -1:
        if core_open(&self.core) < 0:
            raise MemoryError("no memory for the matching engine")
        self.out = self.core.own_rows
        return 0

    def __dealloc__(self):
        core_close(&self.core)

    # --- operations ----------------------------------------------------------------------------------------------

    cdef inline int begin(self) noexcept nogil:
        self.core.rows = self.core.own_rows
        self.core.row_max = self.core.own_max
        self.core.row_count = 0
        return -1 if tw_rarely(self.core.is_spoilt) else 0

    cdef inline void apply(self, const Op* op) noexcept nogil:
        if op.op == OP_NEW:
            apply_new(&self.core, op)
        elif op.op == OP_CANCEL:
            apply_cancel(&self.core, op)
        elif op.op == OP_AMEND:
            apply_amend(&self.core, op)
        else:
            apply_control(&self.core, op)
        self.core.op_index += 1

    cdef void apply_all(self, const Op* ops, Py_ssize_t count) noexcept nogil:
        cdef Py_ssize_t index = 0
        while True:
            index += apply_run(&self.core, ops + index, count - index)
            if index == count:
                return
            self.apply(&ops[index])
            index += 1

    cdef inline int end(self) noexcept nogil:
        self.out = self.core.rows
        self.out_count = self.core.row_count
        return -1 if tw_rarely(self.core.is_spoilt) else 0

    cdef int apply_one(self, const Op* op) except -1:
        if self.begin() == 0:
            self.apply(op)
        return self.tell_spoilt() if self.end() < 0 else 0

    @cython.binding(False)
    def submit(self, uint8_t op, uint8_t side, uint8_t order_type, uint8_t tif, uint32_t symbol, uint32_t owner,
               uint64_t order_id, int64_t price, int64_t qty, uint16_t flags=0, uint8_t stp=STP_EXPIRE_MAKER,
               int64_t display=0, int64_t trigger=0, int64_t expire_ns=0):
        """Apply one operation; returns how many rows it gave, which ``events()`` then shows."""
        cdef Op record
        record.op = op
        record.side = side
        record.type = order_type
        record.tif = tif
        record.flags = flags
        record.stp = stp
        record.pad = 0
        record.symbol = symbol
        record.owner = owner
        record.order_id = order_id
        record.price = price
        record.qty = qty
        record.display = display
        record.trigger = trigger
        record.expire_ns = expire_ns
        self.apply_one(&record)
        return self.out_count

    cdef inline int apply_limit(self, uint8_t tif, uint8_t side, uint32_t symbol, uint32_t owner, uint64_t order_id,
                                int64_t price, int64_t qty) except -1:
        cdef Op record
        memset(&record, 0, sizeof(Op))
        # op, side, type, tif, flags and stp at once: they are soon read as one word, which waits for stores of its bytes
        (<uint64_t*>&record)[0] = OP_NEW | <uint64_t>side << 8 | <uint64_t>tif << 24 | <uint64_t>STP_EXPIRE_MAKER << 48
        record.symbol = symbol
        record.owner = owner
        record.order_id = order_id
        record.price = price
        record.qty = qty
        if self.begin() == 0:
            apply_new(&self.core, &record)
            self.core.op_index += 1
        return self.tell_spoilt() if self.end() < 0 else 0

    cdef int tell_spoilt(self) except -1:
        raise MemoryError("the engine is spoilt: there was no memory for the rows that what follows is found from; restore a saved state")

    cdef int check_whole(self) except -1:
        return self.tell_spoilt() if self.core.is_spoilt else 0

    @cython.binding(False)
    def limit(self, uint32_t symbol, uint8_t side, uint64_t order_id, int64_t price, int64_t qty, uint32_t owner=0):
        """A limit order, good till cancelled; returns how many rows it gave."""
        self.apply_limit(TIF_GTC, side, symbol, owner, order_id, price, qty)
        return self.out_count

    @cython.binding(False)
    def ioc(self, uint32_t symbol, uint8_t side, uint64_t order_id, int64_t price, int64_t qty, uint32_t owner=0):
        """A limit order that trades at once or not; returns how many rows it gave."""
        self.apply_limit(TIF_IOC, side, symbol, owner, order_id, price, qty)
        return self.out_count

    @cython.binding(False)
    def cancel(self, uint32_t symbol, uint64_t order_id, uint32_t owner=0):
        """Cancel an order; returns how many rows it gave."""
        cdef Op record
        memset(&record, 0, sizeof(Op))
        record.op = OP_CANCEL
        record.symbol = symbol
        record.owner = owner
        record.order_id = order_id
        if self.begin() == 0:
            apply_cancel(&self.core, &record)
            self.core.op_index += 1
        if self.end() < 0:
            self.tell_spoilt()
        return self.out_count

    def events(self):
        """The last operation's rows as tuples in the order of EVENT_DTYPE; none after a batch, which returned its own."""
        cdef uint64_t index
        cdef Event* e
        cdef list rows = []
        self.check_whole()
        for index in range(self.out_count):
            e = &self.out[index]
            rows.append((e.kind, e.side, e.reason, e.symbol, e.op_index, e.order_id, e.maker_id, e.price, e.qty,
                         e.leaves, e.maker_leaves))
        return rows

    def submit_batch(self, ops, out=None):
        """Apply an array of OP_DTYPE in order; returns all rows as an array of EVENT_DTYPE.

        With ``out``, an array of EVENT_DTYPE that the caller uses again and again, the result is a slice of it, or of a new
        array where it is too small. TypeError: another dtype; ValueError: ``out`` cannot be written in one piece; MemoryError:
        no room for rows, ``op_count`` tells whether the operations were applied.
        """
        ops = np.asarray(ops)  # of its true type: what an object says of itself is not believed
        if ops.dtype != OP_DTYPE:
            raise TypeError(f"operations must be an array of OP_DTYPE, not {ops.dtype}")
        ops = np.ascontiguousarray(ops).reshape(-1)
        cdef Py_ssize_t count = ops.shape[0]
        cdef const uint8_t[::1] raw
        cdef uint8_t[::1] room
        cdef const Op* records
        self.check_whole()
        events = rows_wanted(ops, out)
        self.forget_rows()
        if count:
            raw = ops.view(np.uint8)
            records = <const Op*>&raw[0]
            self.core.row_max = <uint64_t>events.shape[0]
            if self.core.row_max:
                room = events.view(np.uint8)
                self.core.rows = <Event*>&room[0]
            else:
                self.begin()
            self.apply_all(records, count)
        try:
            return self.rows_made(events)
        finally:
            self.forget_rows()

    cdef object rows_made(self, object events):
        """The rows of a batch as a slice of where they were meant to go, or as a new array where that was too small."""
        cdef uint64_t count = self.core.row_count
        cdef Event* rows = self.core.rows
        cdef bint is_elsewhere = rows == self.core.own_rows or rows == self.core.spilt_rows
        cdef uint8_t[::1] room
        self.check_whole()
        if is_elsewhere:
            events = np.empty(count, EVENT_DTYPE)
            if count:
                room = events.view(np.uint8)
                memcpy(&room[0], rows, count * sizeof(Event))
        return events[:count]

    cdef void forget_rows(self) noexcept nogil:
        """No rows, and none of a batch before, whether or not it could show them."""
        free(self.core.spilt_rows)
        self.core.spilt_rows = NULL
        self.begin()
        self.end()

    # --- views ---------------------------------------------------------------------------------------------------

    cdef int check_symbol(self, uint32_t symbol) except -1:
        if symbol >= self.core.symbol_count:
            raise IndexError(f"symbol {symbol} is not one of {self.core.symbol_count}")
        return self.check_whole()

    cdef int check_side(self, uint32_t symbol, uint8_t side) except -1:
        if side > 1:
            raise ValueError(f"side {side} is neither 0 (buy) nor 1 (sell)")
        return self.check_symbol(symbol)

    cdef inline uint32_t find(self, uint64_t order_id) noexcept nogil:
        return find_order(&self.core, order_id)

    cdef int64_t level_total(self, uint32_t symbol, uint8_t side, int64_t price) noexcept nogil:
        cdef const Market* market = &self.core.markets[symbol]
        cdef int64_t total = 0
        if price < 1 or price >= self.core.price_limit or side > 1:
            return 0
        if has_level(&market.lit, <int32_t>price) and (price <= market.best_bid) == (side == SIDE_BUY):
            total = level_at(&market.lit, <int32_t>price).qty
        if has_level(&market.sides[PLACE_CALL - PLACE_DARK + side].queues, <int32_t>price):
            total += level_at(&market.sides[PLACE_CALL - PLACE_DARK + side].queues, <int32_t>price).qty
        return total

    def best(self, uint32_t symbol, uint8_t side):
        """(price, quantity) of the best level that is shown; (0, 0) for an empty side."""
        self.check_side(symbol, side)
        cdef int32_t price = shown_price(&self.core, symbol, side, 0)
        return price, self.level_total(symbol, side, price)

    def level_qty(self, uint32_t symbol, uint8_t side, int64_t price):
        """What one level shows, 0 when there is none on that side."""
        self.check_side(symbol, side)
        return self.level_total(symbol, side, price)

    def depth(self, uint32_t symbol, uint8_t side, uint32_t limit):
        """The best ``limit`` levels as (price, quantity), best first."""
        self.check_side(symbol, side)
        cdef int32_t price = shown_price(&self.core, symbol, side, 0)
        cdef list rows = []
        while price and limit:
            rows.append((price, self.level_total(symbol, side, price)))
            price = shown_price(&self.core, symbol, side, price)
            limit -= 1
        return rows

    def queue(self, uint32_t symbol, uint8_t side):
        """Every order of a side that is shown, as (price, order_id, shown lots, owner), in priority."""
        return [(row[1], row[0], row[2], row[3]) for row in self.shown(symbol, side).tolist()]

    def shown(self, uint32_t symbol, uint8_t side):
        """The orders of a side that are shown, in priority, as an array of ORDER_DTYPE."""
        self.check_side(symbol, side)
        cdef uint8_t[::1] room
        cdef uint64_t count = fill_shown(&self.core, symbol, side, NULL)
        rows = np.zeros(count, ORDER_DTYPE)
        if count:
            room = rows.view(np.uint8)
            fill_shown(&self.core, symbol, side, <ShownOrder*>&room[0])
        return rows

    def orders_in(self, uint32_t symbol, uint8_t container):
        """Every order of a container in priority: its words of the state hash, the packed one taken apart."""
        self.check_symbol(symbol)
        if container >= PLACES:
            raise IndexError(f"container {container} is not one of {<int>PLACES}")
        return orders_of(&self.core, symbol, container)

    def order(self, uint64_t order_id):
        """(symbol, side, price, shown lots, owner) of a live order, or None."""
        self.check_whole()
        cdef uint32_t link = find_order(&self.core, order_id)
        if not link:
            return None
        cdef QueuedOrder* order = &self.core.pool.orders[link - 1]
        price = order.price if order.place < PLACE_RISING else self.core.cold[link - 1].limit_price
        return order.symbol, order.side, price, order.leaves, order.owner

    def hidden(self, uint64_t order_id):
        """What an iceberg has beyond what it shows; 0 for any other order and for none."""
        self.check_whole()
        cdef uint32_t link = find_order(&self.core, order_id)
        if not link or self.core.pool.orders[link - 1].place >= PLACE_RISING:
            return 0
        return open_qty(&self.core, link) - self.core.pool.orders[link - 1].leaves

    def takeable(self, uint32_t symbol, uint8_t side, int64_t qty, uint32_t owner):
        """What a market order of ``qty`` lots on ``side`` would take past ``owner``'s own orders: (lots, cost).

        The cost is in ticks times lots, without bound. All that is open counts, REDUCE_ONLY orders whole; a band is not looked at.
        ValueError: a side that is none, a negative quantity.
        """
        self.check_side(symbol, side)
        if qty < 0:
            raise ValueError(f"quantity {qty} is negative")
        cdef Taking taking
        taking.cost_left = ~<wide>0
        taking.lots_left = qty
        take_from(&self.core, symbol, 1 - side, owner, &taking)
        return qty - taking.lots_left, int_of(~<wide>0 - taking.cost_left)

    def lots_for_cost(self, uint32_t symbol, uint8_t side, cost, uint32_t owner):
        """How many lots a market order on ``side`` takes until it has moved ``cost`` (ticks times lots); counts as ``takeable``.

        ValueError: a side that is none, a negative cost.
        """
        self.check_side(symbol, side)
        cost = min(index_of(cost), COST_BEYOND)
        if cost < 0:
            raise ValueError(f"cost {cost} is negative")
        cdef Taking taking
        taking.cost_left = <wide><uint64_t>(cost >> 64) << 64 | <uint64_t>(cost & 0xFFFFFFFFFFFFFFFF)
        taking.lots_left = LOTS_BEYOND
        take_from(&self.core, symbol, 1 - side, owner, &taking)
        return LOTS_BEYOND - taking.lots_left

    def free_pages_left(self):
        """How many more pages of 64 prices the books may touch."""
        return self.core.pages.free_count

    def snapshot_l1(self, uint32_t symbol):
        """(bid, bid lots, ask, ask lots); zeros for an empty side."""
        return self.best(symbol, 0) + self.best(symbol, 1)

    def snapshot_l2(self, uint32_t symbol, uint32_t limit):
        """The best ``limit`` levels of bids and of asks: two int64 arrays of (price, lots), shape (n, 2)."""
        return (np.array(self.depth(symbol, 0, limit), np.int64).reshape(-1, 2),
                np.array(self.depth(symbol, 1, limit), np.int64).reshape(-1, 2))

    def snapshot_l3(self, uint32_t symbol):
        """Every order that is shown, bids in priority, then asks, as an array of ORDER_DTYPE."""
        return np.concatenate((self.shown(symbol, 0), self.shown(symbol, 1)))

    def position(self, uint32_t owner, uint32_t symbol):
        """What an owner bought less what it sold, in lots."""
        self.check_symbol(symbol)
        cdef uint32_t index = position_find(&self.core, owner, symbol)
        return self.core.positions[index - 1].lots if index else 0

    def last_price(self, uint32_t symbol):
        """The price of the last trade, 0 before the first."""
        self.check_symbol(symbol)
        return self.core.markets[symbol].last_price

    def phase(self, uint32_t symbol):
        """A member of TradingPhase, as an int."""
        self.check_symbol(symbol)
        return self.core.markets[symbol].phase

    def band(self, uint32_t symbol):
        """(lowest, highest) price allowed; (0, 0): no band."""
        self.check_symbol(symbol)
        return self.core.markets[symbol].band_low, self.core.markets[symbol].band_high

    @property
    def symbol_count(self):
        """How many books there are."""
        return self.core.symbol_count

    @property
    def orders_max(self):
        """How many orders can live at once."""
        return self.core.pool.orders_max

    @property
    def pages_max(self):
        """How many pages of 64 prices all books share."""
        return self.core.pages.pages_max

    @property
    def price_limit(self):
        """Prices are below it."""
        return self.core.price_limit

    @property
    def qty_max(self):
        """The greatest quantity of an order."""
        return self.core.qty_max

    @property
    def live_orders(self):
        """How many orders live, waiting ones too."""
        return self.core.pool.live_count

    @property
    def now_ns(self):
        """The engine's time."""
        return self.core.now_ns

    @property
    def trade_count(self):
        """How many trades there were: the number of the last one."""
        return self.core.trade_count

    @property
    def op_count(self):
        """How many operations there were."""
        return self.core.op_index

    # --- the whole -----------------------------------------------------------------------------------------------

    def state_hash(self):
        """64 bits of what stands in the books, the positions, the phases and the counts.

        Not in it: capacities, kept trades, the age of REDUCE_ONLY orders, acceptance order of GTD orders, generations and the
        order of free slots, the count of orders without a slot. ``save`` has all of it.
        """
        self.check_whole()
        return hash_of(&self.core)

    def save(self):
        """The whole state; ``restore`` makes an engine of it that goes on alike."""
        self.check_whole()
        return image_of(&self.core)

    @staticmethod
    def restore(data):
        """An engine from what ``save`` gave; ValueError names what is wrong with the data."""
        cdef bytes image = bytes(data)
        symbols, orders_max, pages_max, price_bits, positions_max, trades_kept, own_handles = sizes_of(image)
        cdef MatchingEngine engine = MatchingEngine(
            symbols, orders_max, pages_max, price_bits=price_bits, positions_max=positions_max, trades_kept=trades_kept,
            own_handles=own_handles,
        )
        restore_into(&engine.core, image)
        return engine


cdef object rows_wanted(object ops, object out):
    """Where the rows of a batch go: ``out``, or a new array that is nearly always large enough."""
    if out is None:
        return np.empty(2 * ops.shape[0] + 64, EVENT_DTYPE)
    out = plain_view(out, np.ndarray)  # TypeError for what is no array; the same memory without what a subclass says of it
    if out.dtype != EVENT_DTYPE:
        raise TypeError(f"out must be an array of EVENT_DTYPE, not {out.dtype}")
    if out.ndim != 1 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError("out must be one writable row of events in one piece")
    if np.may_share_memory(ops, out):
        raise ValueError("out must not lie over the operations")
    return out


cdef int32_t shown_price(const Core* core, uint32_t symbol, uint8_t side, int32_t price) noexcept nogil:
    """The price behind ``price`` (0: the best) at which orders of a side are shown, lit or in a call; 0 at the end."""
    cdef int32_t lit = price_beyond(core, symbol, side, price)
    cdef int32_t call = price_beyond(core, symbol, PLACE_CALL + side, price)
    if lit == 0 or call == 0:
        return lit + call
    return (lit if lit > call else call) if side == SIDE_BUY else (lit if lit < call else call)


cdef int32_t price_beyond(const Core* core, uint32_t symbol, uint8_t place, int32_t price) noexcept nogil:
    """The first price of a place that is worse than ``price`` (0: its best); 0 when there is none."""
    cdef int32_t best = first_price(core, symbol, place)
    if price == 0 or best == 0 or (best < price if place % 2 == SIDE_BUY else best > price):
        return best
    return price_behind(core, symbol, place, price)


cdef uint64_t fill_shown(const Core* core, uint32_t symbol, uint8_t side, ShownOrder* rows) noexcept nogil:
    """Every order of a side that is shown; returns how many there are (``rows`` NULL: only that)."""
    cdef const Market* market = &core.markets[symbol]
    cdef int32_t price = shown_price(core, symbol, side, 0)
    cdef uint64_t count = 0
    while price:
        if has_level(&market.lit, price) and (price <= market.best_bid) == (side == SIDE_BUY):
            count = fill_queue(core, first_order(core, symbol, side, price), rows, count)
        if has_level(&core.markets[symbol].sides[PLACE_CALL - PLACE_DARK + side].queues, price):
            count = fill_queue(core, first_order(core, symbol, PLACE_CALL + side, price), rows, count)
        price = shown_price(core, symbol, side, price)
    return count


cdef uint64_t fill_queue(const Core* core, uint32_t link, ShownOrder* rows, uint64_t count) noexcept nogil:
    while link:
        if rows != NULL:
            rows[count].order_id = core.ids[link - 1]
            rows[count].price = core.pool.orders[link - 1].price
            rows[count].qty = core.pool.orders[link - 1].leaves
            rows[count].owner = core.pool.orders[link - 1].owner
            rows[count].side = core.pool.orders[link - 1].side
        count += 1
        link = core.pool.orders[link - 1].after
    return count


cdef object int_of(wide value):
    return <object><uint64_t>(value >> 64) << 64 | <uint64_t>value


cdef void take_from(const Core* core, uint32_t symbol, uint8_t side, uint32_t without, Taking* taking) noexcept nogil:
    """Take a side's lit and dark orders as they would trade, but for one owner's, until lots or cost are used up."""
    cdef int32_t price = makers_behind(core, symbol, side, 0)
    cdef bint more = taking.lots_left != 0
    while price and more:
        if stands_at(core, symbol, side, price):
            more = take_queue(core, first_order(core, symbol, side, price), without, taking)
        if more and stands_at(core, symbol, PLACE_DARK + side, price):
            more = take_queue(core, first_order(core, symbol, PLACE_DARK + side, price), without, taking)
        price = makers_behind(core, symbol, side, price)


@cython.cdivision(True)
cdef bint take_queue(const Core* core, uint32_t link, uint32_t without, Taking* taking) noexcept nogil:
    """The same for the orders of one queue; False when the taking ends."""
    cdef const QueuedOrder* order
    cdef uint64_t leaves, taken
    while link:
        order = &core.pool.orders[link - 1]
        if without == 0 or order.owner != without:
            leaves = <uint64_t>open_qty(core, link)
            taken = leaves if leaves < taking.lots_left else taking.lots_left
            if <wide>taken * <uint64_t>order.price > taking.cost_left:
                taken = <uint64_t>(taking.cost_left // <uint64_t>order.price)
            taking.lots_left -= taken
            taking.cost_left -= <wide>taken * <uint64_t>order.price
            if taken < leaves or taking.lots_left == 0:
                return False
        link = order.after
    return True


cdef int32_t makers_behind(const Core* core, uint32_t symbol, uint8_t side, int32_t price) noexcept nogil:
    """The price behind ``price`` (0: the best) at which lit or dark orders of a side stand; 0 at the end."""
    cdef int32_t lit = price_beyond(core, symbol, side, price)
    cdef int32_t dark = price_beyond(core, symbol, PLACE_DARK + side, price)
    if lit == 0 or dark == 0:
        return lit + dark
    return (lit if lit > dark else dark) if side == SIDE_BUY else (lit if lit < dark else dark)


cdef bint stands_at(const Core* core, uint32_t symbol, uint8_t place, int32_t price) noexcept nogil:
    """Whether lit or dark orders of a side stand at a price."""
    cdef const Market* market = &core.markets[symbol]
    if place >= PLACE_DARK:
        return has_level(&market.sides[place - PLACE_DARK].queues, price)
    return has_level(&market.lit, price) and (price <= market.best_bid) == (place == SIDE_BUY)
