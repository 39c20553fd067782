# cython: language_level=3
"""Price-time priority matching for many symbols: pooled orders in intrusive queues under a bitmap tree of ticks.

An operation is a 64-byte ``Op`` record, every outcome a 64-byte ``Event`` record; nothing is dropped silently and
every limit of capacity refuses with a reason. Prices are ticks in 1 .. PRICE_LIMIT - 1, quantities lots.

Meaning of the fields
- ``qty`` of OP_NEW is the order's quantity, of OP_AMEND the quantity that shall then be open.
- OP_AMEND at the same price and for less keeps its place; anything else loses it, and may trade.
- OP_MASS_CANCEL takes ``owner`` (ANY: all owners) on ``symbol`` (ANY: all); bids from the best down, then asks from
  the best up, each level in time order.
- ``stp`` of the taker decides what happens when it meets an order of its own owner; owner 0 is nobody.
- In a trade ``order_id`` is the taker and ``side`` the taker's side. EVENT_EXPIRED for REASON_SELF_TRADE names the
  expired order in ``order_id`` and the other one in ``maker_id``; ``qty`` is what was taken away.
- STP_DECREMENT takes the smaller of both quantities from both orders: EVENT_PREVENTED has the fields of a trade, and
  who has nothing left then leaves the book without a further event.
- ``display`` of OP_NEW (limit, GTC) makes an iceberg: it shows that much, and each time that is taken the next part
  goes to the end of its level (EVENT_REFRESHED: ``qty`` is shown, ``leaves`` is open in all). ``leaves`` of events count
  what is hidden, levels and queues do not. More than ICEBERG_PARTS_MAX parts are refused as REASON_BAD_QTY.
- Types, tifs, flags and modes beyond limit, market, GTC, IOC, FOK, post-only are refused as REASON_UNSUPPORTED.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

import numpy as np

cdef extern from *:
    """
    static inline int tw_ctz(unsigned long long word) { return __builtin_ctzll(word); }
    static inline int tw_clz(unsigned long long word) { return __builtin_clzll(word); }
    #define TW_ANY 0xFFFFFFFFu
    """
    int tw_ctz(uint64_t word) noexcept nogil
    int tw_clz(uint64_t word) noexcept nogil
    const uint32_t TW_ANY

cdef enum:
    TIERS = 4
    PRICE_BITS = 24
    LIMIT = 1 << 24
    PAGES = 1 << 18
    ICEBERG_PARTS_MAX = 1024

PRICE_LIMIT = LIMIT
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


# --- bitmap tree -------------------------------------------------------------------------------------------------

cdef inline void mark(Book* book, uint32_t tick) noexcept nogil:
    cdef int tier
    cdef uint64_t word
    for tier in range(TIERS):
        word = book.tier[tier][tick >> 6]
        book.tier[tier][tick >> 6] = word | (<uint64_t>1 << (tick & 63))
        if word:
            return
        tick >>= 6


cdef inline void unmark(Book* book, uint32_t tick) noexcept nogil:
    cdef int tier
    for tier in range(TIERS):
        book.tier[tier][tick >> 6] &= ~(<uint64_t>1 << (tick & 63))
        if book.tier[tier][tick >> 6]:
            return
        tick >>= 6


cdef inline int32_t next_above(const Book* book, uint32_t tick) noexcept nogil:
    """The lowest marked tick above ``tick``, LIMIT when there is none."""
    cdef int tier
    cdef uint64_t word
    for tier in range(TIERS):
        if (tick & 63) != 63:
            word = book.tier[tier][tick >> 6] & (~<uint64_t>0 << ((tick & 63) + 1))
            if word:
                tick = (tick & ~<uint32_t>63) | <uint32_t>tw_ctz(word)
                while tier:
                    tier -= 1
                    tick = (tick << 6) | <uint32_t>tw_ctz(book.tier[tier][tick])
                return <int32_t>tick
        tick >>= 6
    return LIMIT


cdef inline int32_t next_below(const Book* book, uint32_t tick) noexcept nogil:
    """The highest marked tick below ``tick``, 0 when there is none (0 is never a price)."""
    cdef int tier
    cdef uint64_t word
    for tier in range(TIERS):
        word = book.tier[tier][tick >> 6] & ((<uint64_t>1 << (tick & 63)) - 1)
        if word:
            tick = (tick & ~<uint32_t>63) | <uint32_t>(63 - tw_clz(word))
            while tier:
                tier -= 1
                tick = (tick << 6) | <uint32_t>(63 - tw_clz(book.tier[tier][tick]))
            return <int32_t>tick
        tick >>= 6
    return 0


cdef inline uint64_t spread(uint64_t order_id) noexcept nogil:
    """Mix an id's bits, for ids may be dense or strided."""
    order_id ^= order_id >> 32
    order_id *= <uint64_t>0x9E3779B97F4A7C15
    return order_id ^ (order_id >> 29)


cdef class MatchingEngine:
    """The books of ``symbol_count`` symbols over one pool of orders and one of level pages (64 ticks each)."""

    def __cinit__(self, uint32_t symbol_count, uint32_t orders_max=65536, uint32_t pages_max=16384):
        if symbol_count < 1 or symbol_count > 65536:
            raise ValueError("symbol_count must be 1..65536")
        if orders_max < 1 or orders_max > (1 << 26) or pages_max < 1 or pages_max > (1 << 24):
            raise ValueError("orders_max must be 1..2^26 and pages_max 1..2^24")
        self.symbol_count = symbol_count
        self.orders_max = orders_max
        self.pages_max = pages_max
        self.qty_max = (<int64_t>0x7FFFFFFFFFFFFFFF) // orders_max
        self.allocate()

    cdef int allocate(self) except -1:
        cdef uint32_t index
        cdef uint64_t table_size = 16
        while table_size < 2 * <uint64_t>self.orders_max:
            table_size *= 2
        self.table_mask = table_size - 1
        self.out_max = <uint64_t>self.orders_max + 64
        self.books = <Book*>calloc(self.symbol_count, sizeof(Book))
        self.orders = <Resting*>calloc(self.orders_max, sizeof(Resting))
        self.icebergs = <Iceberg*>calloc(self.orders_max, sizeof(Iceberg))
        self.ids = <uint64_t*>calloc(self.orders_max, sizeof(uint64_t))
        self.table = <uint32_t*>calloc(table_size, sizeof(uint32_t))
        self.levels = <Level*>calloc(<size_t>self.pages_max * 64, sizeof(Level))
        self.free_pages = <uint32_t*>calloc(self.pages_max, sizeof(uint32_t))
        self.out = <Event*>calloc(self.out_max, sizeof(Event))
        if not (self.books and self.orders and self.icebergs and self.ids and self.table and self.levels and self.free_pages
                and self.out):
            raise MemoryError("no memory for the matching engine")
        for index in range(self.symbol_count):
            self.open_book(&self.books[index])
        for index in range(self.pages_max):
            self.free_pages[index] = self.pages_max - 1 - index
        self.free_page_count = self.pages_max
        for index in range(self.orders_max - 1):
            self.orders[index].after = index + 2
        self.free_order = 1
        return 0

    cdef int open_book(self, Book* book) except -1:
        cdef int tier
        for tier in range(TIERS):
            book.tier[tier] = <uint64_t*>calloc(<size_t>1 << (PRICE_BITS - 6 * (tier + 1)), sizeof(uint64_t))
            if not book.tier[tier]:
                raise MemoryError("no memory for a book")
        book.page_of = <uint32_t*>calloc(PAGES, sizeof(uint32_t))
        if not book.page_of:
            raise MemoryError("no memory for a book")
        book.best_bid = 0
        book.best_ask = LIMIT
        return 0

    def __dealloc__(self):
        cdef uint32_t index
        cdef int tier
        if self.books:
            for index in range(self.symbol_count):
                for tier in range(TIERS):
                    free(self.books[index].tier[tier])
                free(self.books[index].page_of)
        free(self.books)
        free(self.orders)
        free(self.icebergs)
        free(self.ids)
        free(self.table)
        free(self.levels)
        free(self.free_pages)
        free(self.out)

    # --- ids -----------------------------------------------------------------------------------------------------

    cdef inline uint32_t find(self, uint64_t order_id) noexcept nogil:
        """Slot + 1 of a live order, 0 when there is none."""
        cdef uint64_t at = spread(order_id) & self.table_mask
        cdef uint32_t link = self.table[at]
        while link:
            if self.ids[link - 1] == order_id:
                return link
            at = (at + 1) & self.table_mask
            link = self.table[at]
        return 0

    cdef inline void remember(self, uint64_t order_id, uint32_t link) noexcept nogil:
        cdef uint64_t at = spread(order_id) & self.table_mask
        while self.table[at]:
            at = (at + 1) & self.table_mask
        self.table[at] = link
        self.ids[link - 1] = order_id

    cdef inline void forget(self, uint32_t link) noexcept nogil:
        """Take a link out and shift the cluster behind it back, so that probing needs no tombstones."""
        cdef uint64_t mask = self.table_mask
        cdef uint64_t hole = spread(self.ids[link - 1]) & mask
        cdef uint64_t at
        cdef uint64_t home
        while self.table[hole] != link:
            hole = (hole + 1) & mask
        at = hole
        while True:
            at = (at + 1) & mask
            if not self.table[at]:
                break
            home = spread(self.ids[self.table[at] - 1]) & mask
            if ((at - home) & mask) >= ((at - hole) & mask):
                self.table[hole] = self.table[at]
                hole = at
        self.table[hole] = 0

    # --- levels and queues ---------------------------------------------------------------------------------------

    cdef inline Level* level_at(self, Book* book, int32_t price) noexcept nogil:
        """The level of a marked tick, or of one whose page is there."""
        return &self.levels[<size_t>(book.page_of[price >> 6] - 1) * 64 + (price & 63)]

    cdef inline void append(self, uint32_t link) noexcept nogil:
        """Put an order at the end of its level's queue; the caller checked that there is room for the level."""
        cdef Resting* order = &self.orders[link - 1]
        cdef Book* book = &self.books[order.symbol]
        cdef Level* level
        if not book.page_of[order.price >> 6]:
            self.free_page_count -= 1
            book.page_of[order.price >> 6] = self.free_pages[self.free_page_count] + 1
        level = self.level_at(book, order.price)
        order.before = level.tail
        order.after = 0
        if level.tail:
            self.orders[level.tail - 1].after = link
        else:
            level.head = link
            mark(book, <uint32_t>order.price)
            if order.side == SIDE_BUY and order.price > book.best_bid:
                book.best_bid = order.price
            elif order.side == SIDE_SELL and order.price < book.best_ask:
                book.best_ask = order.price
        level.tail = link
        level.qty += order.leaves

    cdef inline void unlink(self, uint32_t link) noexcept nogil:
        """Take an order out of its queue, and its level and page out of the book when they are empty."""
        cdef Resting* order = &self.orders[link - 1]
        cdef Book* book = &self.books[order.symbol]
        cdef Level* level = self.level_at(book, order.price)
        level.qty -= order.leaves
        if order.before:
            self.orders[order.before - 1].after = order.after
        else:
            level.head = order.after
        if order.after:
            self.orders[order.after - 1].before = order.before
        else:
            level.tail = order.before
        if not level.head:
            self.drop_level(book, order.price)

    cdef inline void drop_level(self, Book* book, int32_t price) noexcept nogil:
        unmark(book, <uint32_t>price)
        if price == book.best_bid:
            book.best_bid = next_below(book, <uint32_t>price)
        elif price == book.best_ask:
            book.best_ask = next_above(book, <uint32_t>price)
        if not book.tier[0][price >> 6]:
            self.free_pages[self.free_page_count] = book.page_of[price >> 6] - 1
            self.free_page_count += 1
            book.page_of[price >> 6] = 0

    cdef inline void remove(self, uint32_t link) noexcept nogil:
        """Take an order out of the book and give its slot back."""
        if self.orders[link - 1].is_iceberg:
            self.set_hidden(link, 0)
        self.unlink(link)
        self.forget(link)
        self.orders[link - 1].after = self.free_order
        self.free_order = link
        self.live_orders -= 1

    # --- icebergs ------------------------------------------------------------------------------------------------

    cdef inline int64_t open_qty(self, uint32_t link) noexcept nogil:
        """What is open of an order, shown and hidden."""
        if self.orders[link - 1].is_iceberg:
            return self.orders[link - 1].leaves + self.icebergs[link - 1].hidden
        return self.orders[link - 1].leaves

    cdef void hide(self, uint32_t link, int64_t peak) noexcept nogil:
        """Let a new order, not yet in its queue, show no more than ``peak``."""
        cdef Resting* order = &self.orders[link - 1]
        cdef int64_t shown = peak if peak < order.leaves else order.leaves
        order.is_iceberg = 1
        self.icebergs[link - 1].peak = peak
        self.icebergs[link - 1].hidden = 0
        self.set_hidden(link, order.leaves - shown)
        order.leaves = shown

    cdef void set_hidden(self, uint32_t link, int64_t hidden) noexcept nogil:
        """Change what an iceberg hides; its parts are counted, for each may give two events to an operation."""
        cdef Iceberg* iceberg = &self.icebergs[link - 1]
        self.hidden_parts -= <uint64_t>((iceberg.hidden + iceberg.peak - 1) // iceberg.peak)
        self.hidden_parts += <uint64_t>((hidden + iceberg.peak - 1) // iceberg.peak)
        iceberg.hidden = hidden

    cdef void refresh(self, uint32_t link) noexcept nogil:
        """Show the next part of an iceberg, at the end of its level."""
        cdef Resting* order = &self.orders[link - 1]
        cdef Iceberg* iceberg = &self.icebergs[link - 1]
        cdef int64_t shown = iceberg.peak if iceberg.peak < iceberg.hidden else iceberg.hidden
        self.unlink(link)
        order.leaves = shown
        self.set_hidden(link, iceberg.hidden - shown)
        self.append(link)
        self.emit(EVENT_REFRESHED, REASON_NONE, order.symbol, order.side, self.ids[link - 1], order.price, shown,
                  self.open_qty(link))

    cdef inline void take(self, Level* level, uint32_t link, int64_t qty) noexcept nogil:
        """Reduce what a resting order shows; an order with nothing left leaves the book."""
        cdef Resting* order = &self.orders[link - 1]
        if qty < order.leaves:
            order.leaves -= qty
            level.qty -= qty
        elif order.is_iceberg and self.icebergs[link - 1].hidden:
            self.refresh(link)
        else:
            self.remove(link)

    cdef inline bint has_room(self, uint32_t symbol, int32_t price) noexcept nogil:
        return self.free_page_count > 0 or self.books[symbol].page_of[price >> 6] != 0

    # --- events --------------------------------------------------------------------------------------------------

    cdef inline Event* emit(self, uint8_t kind, uint16_t reason, uint32_t symbol, uint8_t side, uint64_t order_id,
                            int64_t price, int64_t qty, int64_t leaves) noexcept nogil:
        cdef Event* event = &self.out[self.out_count]
        self.out_count += 1
        event.kind = kind
        event.side = side
        event.reason = reason
        event.symbol = symbol
        event.op_index = self.op_index
        event.order_id = order_id
        event.maker_id = 0
        event.price = price
        event.qty = qty
        event.leaves = leaves
        event.maker_leaves = 0
        return event

    cdef inline void refuse(self, const Op* op, uint16_t reason) noexcept nogil:
        self.emit(EVENT_REJECTED, reason, op.symbol, op.side, op.order_id, op.price, op.qty, 0)

    cdef inline void expire_resting(self, uint32_t link, uint64_t other_id) noexcept nogil:
        cdef Resting* order = &self.orders[link - 1]
        cdef Event* event = self.emit(EVENT_EXPIRED, REASON_SELF_TRADE, order.symbol, order.side, self.ids[link - 1],
                                      order.price, self.open_qty(link), 0)
        event.maker_id = other_id
        self.remove(link)

    cdef int reserve(self) noexcept nogil:
        cdef uint64_t wanted = self.out_count + self.live_orders + 2 * self.hidden_parts + 4
        cdef Event* grown
        if wanted <= self.out_max:
            return 0
        grown = <Event*>realloc(self.out, 2 * wanted * sizeof(Event))
        if not grown:
            return -1
        self.out = grown
        self.out_max = 2 * wanted
        return 0

    # --- operations ----------------------------------------------------------------------------------------------

    cdef void apply(self, const Op* op) noexcept nogil:
        if op.op == OP_NEW:
            self.apply_new(op)
        elif op.op == OP_CANCEL:
            self.apply_cancel(op)
        elif op.op == OP_AMEND:
            self.apply_amend(op)
        elif op.op == OP_MASS_CANCEL:
            self.apply_mass_cancel(op)
        else:
            self.refuse(op, REASON_UNSUPPORTED)

    cdef uint16_t refusal_of_new(self, const Op* op) noexcept nogil:
        """Why a new order cannot be taken, REASON_NONE when it can."""
        if op.symbol >= self.symbol_count:
            return REASON_UNKNOWN_SYMBOL
        if (op.type > TYPE_MARKET or op.tif > TIF_FOK or op.stp > STP_DECREMENT
                or (op.flags & ~<uint16_t>FLAG_POST_ONLY) or op.trigger or op.expire_ns):
            return REASON_UNSUPPORTED
        if (op.flags & FLAG_POST_ONLY) and (op.type != TYPE_LIMIT or op.tif != TIF_GTC):
            return REASON_UNSUPPORTED
        if op.display and (op.type != TYPE_LIMIT or op.tif != TIF_GTC):
            return REASON_UNSUPPORTED
        if op.side > SIDE_SELL:
            return REASON_BAD_SIDE
        if op.display < 0 or (op.display and (op.qty - 1) // op.display >= ICEBERG_PARTS_MAX):
            return REASON_BAD_QTY
        if op.qty < 1 or op.qty > self.qty_max:
            return REASON_BAD_QTY
        if op.type == TYPE_LIMIT and (op.price < 1 or op.price >= LIMIT):
            return REASON_BAD_PRICE
        if self.find(op.order_id):
            return REASON_DUPLICATE_ORDER_ID
        if op.type == TYPE_LIMIT and op.tif == TIF_GTC:
            if self.live_orders == self.orders_max:
                return REASON_ORDERS_FULL
            if not self.has_room(op.symbol, <int32_t>op.price):
                return REASON_LEVELS_FULL
        return REASON_NONE

    cdef inline int32_t worst_price(self, const Op* op) noexcept nogil:
        """The price up to which (buy) or down to which (sell) the operation may trade."""
        if op.type == TYPE_LIMIT:
            return <int32_t>op.price
        return LIMIT - 1 if op.side == SIDE_BUY else 1

    cdef inline bint crosses(self, uint32_t symbol, uint8_t side, int32_t price) noexcept nogil:
        if side == SIDE_BUY:
            return self.books[symbol].best_ask <= price
        return self.books[symbol].best_bid >= price and self.books[symbol].best_bid != 0

    cdef void apply_new(self, const Op* op) noexcept nogil:
        cdef uint16_t reason = self.refusal_of_new(op)
        cdef int32_t worst
        cdef int64_t leaves
        if reason != REASON_NONE:
            self.refuse(op, reason)
            return
        worst = self.worst_price(op)
        if (op.flags & FLAG_POST_ONLY) and self.crosses(op.symbol, op.side, worst):
            self.refuse(op, REASON_WOULD_CROSS)
            return
        self.emit(EVENT_ACCEPTED, REASON_NONE, op.symbol, op.side, op.order_id, op.price, op.qty, op.qty)
        if op.tif == TIF_FOK and not self.fills_whole(op, worst):
            self.emit(EVENT_EXPIRED, REASON_FOK_UNFILLED, op.symbol, op.side, op.order_id, op.price, op.qty, 0)
            return
        leaves = self.match(op, worst, op.qty)
        if leaves == 0:
            return
        if op.type == TYPE_MARKET:
            self.emit(EVENT_EXPIRED, REASON_NO_LIQUIDITY, op.symbol, op.side, op.order_id, op.price, leaves, 0)
        elif op.tif == TIF_IOC:
            self.emit(EVENT_EXPIRED, REASON_IOC_REMAINDER, op.symbol, op.side, op.order_id, op.price, leaves, 0)
        else:
            self.rest(op, leaves)

    cdef void rest(self, const Op* op, int64_t leaves) noexcept nogil:
        cdef uint32_t link = self.free_order
        cdef Resting* order = &self.orders[link - 1]
        self.free_order = order.after
        self.live_orders += 1
        order.leaves = leaves
        order.price = <int32_t>op.price
        order.owner = op.owner
        order.symbol = op.symbol
        order.side = op.side
        order.is_iceberg = 0
        if op.display:
            self.hide(link, op.display)
        self.remember(op.order_id, link)
        self.append(link)

    cdef int64_t match(self, const Op* op, int32_t worst, int64_t leaves) noexcept nogil:
        """Trade against the other side up to ``worst``; returns what is left, 0 also when the taker expired."""
        cdef Book* book = &self.books[op.symbol]
        cdef bint guards_self = op.stp != STP_NONE and op.owner != 0
        cdef Level* level
        cdef uint32_t link
        while leaves and self.crosses(op.symbol, op.side, worst):
            level = self.level_at(book, book.best_ask if op.side == SIDE_BUY else book.best_bid)
            link = level.head
            if guards_self and self.orders[link - 1].owner == op.owner:
                leaves = self.meet_own(op, level, link, leaves)
            else:
                leaves = self.trade(op, level, link, leaves)
        return leaves

    cdef inline int64_t trade(self, const Op* op, Level* level, uint32_t link, int64_t leaves) noexcept nogil:
        cdef Resting* maker = &self.orders[link - 1]
        cdef int64_t qty = maker.leaves if maker.leaves < leaves else leaves
        cdef Event* event = self.emit(EVENT_TRADE, REASON_NONE, op.symbol, op.side, op.order_id, maker.price, qty,
                                      leaves - qty)
        event.maker_id = self.ids[link - 1]
        event.maker_leaves = self.open_qty(link) - qty
        self.take(level, link, qty)
        return leaves - qty

    cdef int64_t meet_own(self, const Op* op, Level* level, uint32_t link, int64_t leaves) noexcept nogil:
        """Self-trade prevention by the taker's mode; returns the taker's leaves."""
        cdef uint64_t own_id = self.ids[link - 1]
        cdef Event* event
        if op.stp == STP_DECREMENT:
            return self.decrement(op, level, link, leaves)
        if op.stp == STP_EXPIRE_MAKER or op.stp == STP_EXPIRE_BOTH:
            self.expire_resting(link, op.order_id)
        if op.stp == STP_EXPIRE_MAKER:
            return leaves
        event = self.emit(EVENT_EXPIRED, REASON_SELF_TRADE, op.symbol, op.side, op.order_id, op.price, leaves, 0)
        event.maker_id = own_id
        return 0

    cdef int64_t decrement(self, const Op* op, Level* level, uint32_t link, int64_t leaves) noexcept nogil:
        """Take what would have traded from both orders of one owner."""
        cdef Resting* maker = &self.orders[link - 1]
        cdef int64_t qty = maker.leaves if maker.leaves < leaves else leaves
        cdef Event* event = self.emit(EVENT_PREVENTED, REASON_SELF_TRADE, op.symbol, op.side, op.order_id, maker.price,
                                      qty, leaves - qty)
        event.maker_id = self.ids[link - 1]
        event.maker_leaves = self.open_qty(link) - qty
        self.take(level, link, qty)
        return leaves - qty

    cdef bint fills_whole(self, const Op* op, int32_t worst) noexcept nogil:
        """Whether ``op.qty`` can trade at once within ``worst``, self-trade prevention considered."""
        cdef Book* book = &self.books[op.symbol]
        cdef int64_t need = op.qty
        cdef int32_t price = book.best_ask if op.side == SIDE_BUY else book.best_bid
        cdef uint32_t link
        while price != 0 and price != LIMIT and (price <= worst if op.side == SIDE_BUY else price >= worst):
            link = self.level_at(book, price).head
            while link:
                if op.stp == STP_NONE or op.owner == 0 or self.orders[link - 1].owner != op.owner:
                    need -= self.open_qty(link)
                elif op.stp != STP_EXPIRE_MAKER:
                    return False
                if need <= 0:
                    return True
                link = self.orders[link - 1].after
            price = next_above(book, <uint32_t>price) if op.side == SIDE_BUY else next_below(book, <uint32_t>price)
        return False

    cdef uint32_t own_order(self, const Op* op) noexcept nogil:
        """The link of the order that an operation names; 0 after refusing it."""
        cdef uint32_t link
        if op.symbol >= self.symbol_count:
            self.refuse(op, REASON_UNKNOWN_SYMBOL)
            return 0
        link = self.find(op.order_id)
        if not link or self.orders[link - 1].symbol != op.symbol:
            self.refuse(op, REASON_UNKNOWN_ORDER)
            return 0
        if self.orders[link - 1].owner != op.owner:
            self.refuse(op, REASON_NOT_OWNER)
            return 0
        return link

    cdef void apply_cancel(self, const Op* op) noexcept nogil:
        cdef uint32_t link = self.own_order(op)
        if link:
            self.cancel_resting(link)

    cdef inline void cancel_resting(self, uint32_t link) noexcept nogil:
        cdef Resting* order = &self.orders[link - 1]
        self.emit(EVENT_CANCELED, REASON_NONE, order.symbol, order.side, self.ids[link - 1], order.price,
                  self.open_qty(link), 0)
        self.remove(link)

    cdef uint16_t refusal_of_amend(self, const Op* op, const Resting* order) noexcept nogil:
        cdef uint32_t old_page = <uint32_t>order.price >> 6
        if (op.type != TYPE_LIMIT or op.tif != TIF_GTC or op.stp > STP_DECREMENT
                or (op.flags & ~<uint16_t>(FLAG_POST_ONLY | FLAG_AMEND_LOSES_PLACE))
                or op.display or op.trigger or op.expire_ns):
            return REASON_UNSUPPORTED
        if op.qty < 1 or op.qty > self.qty_max:
            return REASON_BAD_QTY
        if order.is_iceberg and (op.qty - 1) // self.icebergs[self.find(op.order_id) - 1].peak >= ICEBERG_PARTS_MAX:
            return REASON_BAD_QTY
        if op.price < 1 or op.price >= LIMIT:
            return REASON_BAD_PRICE
        if (op.flags & FLAG_POST_ONLY) and self.crosses(op.symbol, order.side, <int32_t>op.price):
            return REASON_WOULD_CROSS
        if not self.has_room(op.symbol, <int32_t>op.price):
            return REASON_LEVELS_FULL
        return REASON_NONE

    cdef void apply_amend(self, const Op* op) noexcept nogil:
        cdef uint32_t link = self.own_order(op)
        cdef Resting* order
        cdef uint16_t reason
        cdef Op again
        if not link:
            return
        order = &self.orders[link - 1]
        reason = self.refusal_of_amend(op, order)
        if reason != REASON_NONE:
            self.refuse(op, reason)
            return
        again = op[0]
        again.side = order.side  # an order never changes sides, whatever the operation says
        again.display = self.icebergs[link - 1].peak if order.is_iceberg else 0
        self.emit(EVENT_AMENDED, REASON_NONE, op.symbol, order.side, op.order_id, op.price, op.qty, op.qty)
        if op.price == order.price and op.qty <= self.open_qty(link) and not (op.flags & FLAG_AMEND_LOSES_PLACE):
            self.shrink(link, op.qty)
            return
        self.remove(link)
        again.qty = self.match(&again, <int32_t>op.price, op.qty)
        if again.qty:
            self.rest(&again, again.qty)

    cdef void shrink(self, uint32_t link, int64_t qty) noexcept nogil:
        """Leave ``qty`` open of an order, in its place: what is hidden goes first."""
        cdef Resting* order = &self.orders[link - 1]
        cdef int64_t shown = order.leaves if order.leaves < qty else qty
        self.level_at(&self.books[order.symbol], order.price).qty -= order.leaves - shown
        order.leaves = shown
        if order.is_iceberg:
            self.set_hidden(link, qty - shown)

    cdef void apply_mass_cancel(self, const Op* op) noexcept nogil:
        cdef uint64_t count_before = self.out_count
        cdef uint32_t symbol
        if op.symbol == TW_ANY:
            for symbol in range(self.symbol_count):
                self.cancel_book(symbol, op.owner)
        elif op.symbol < self.symbol_count:
            self.cancel_book(op.symbol, op.owner)
        else:
            self.refuse(op, REASON_UNKNOWN_SYMBOL)
            return
        if self.out_count == count_before:
            self.refuse(op, REASON_NOTHING_TO_CANCEL)

    cdef void cancel_book(self, uint32_t symbol, uint32_t owner) noexcept nogil:
        cdef Book* book = &self.books[symbol]
        cdef int32_t price = book.best_bid
        cdef int32_t following
        while price != 0:
            following = next_below(book, <uint32_t>price)
            self.cancel_level(self.level_at(book, price), owner)
            price = following
        price = book.best_ask
        while price != LIMIT:
            following = next_above(book, <uint32_t>price)
            self.cancel_level(self.level_at(book, price), owner)
            price = following

    cdef void cancel_level(self, Level* level, uint32_t owner) noexcept nogil:
        cdef uint32_t link = level.head
        cdef uint32_t following
        while link:
            following = self.orders[link - 1].after
            if owner == TW_ANY or self.orders[link - 1].owner == owner:
                self.cancel_resting(link)
            link = following

    cdef int64_t level_total(self, uint32_t symbol, uint8_t side, int64_t price) noexcept nogil:
        cdef Book* book = &self.books[symbol]
        if price < 1 or price >= LIMIT or not book.page_of[price >> 6]:
            return 0
        if price > book.best_bid if side == SIDE_BUY else price < book.best_ask:
            return 0
        return self.level_at(book, <int32_t>price).qty

    # --- Python calls --------------------------------------------------------------------------------------------

    def submit(self, uint8_t op, uint8_t side, uint8_t order_type, uint8_t tif, uint32_t symbol, uint32_t owner,
               uint64_t order_id, int64_t price, int64_t qty, uint16_t flags=0, uint8_t stp=STP_EXPIRE_MAKER,
               int64_t display=0, int64_t trigger=0, int64_t expire_ns=0):
        """Apply one operation; returns how many events it gave, which ``events()`` then shows."""
        cdef Op record
        memset(&record, 0, sizeof(Op))
        record.op = op
        record.side = side
        record.type = order_type
        record.tif = tif
        record.flags = flags
        record.stp = stp
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

    cdef int apply_one(self, const Op* op) except -1:
        self.out_count = 0
        if self.reserve() < 0:
            raise MemoryError("no memory for the events of an operation")
        self.apply(op)
        self.op_index += 1
        return 0

    def events(self):
        """The last operation's events as tuples in the order of EVENT_DTYPE."""
        cdef uint64_t index
        cdef Event* e
        cdef list rows = []
        for index in range(self.out_count):
            e = &self.out[index]
            rows.append((e.kind, e.side, e.reason, e.symbol, e.op_index, e.order_id, e.maker_id, e.price, e.qty,
                         e.leaves, e.maker_leaves))
        return rows

    def submit_batch(self, ops):
        """Apply an array of OP_DTYPE in order; returns all events as an array of EVENT_DTYPE (op_index is global)."""
        if ops.dtype != OP_DTYPE:
            raise TypeError(f"operations must have dtype OP_DTYPE, not {ops.dtype}")
        ops = np.ascontiguousarray(ops).reshape(-1)
        cdef Py_ssize_t count = ops.shape[0]
        cdef const uint8_t[::1] raw
        cdef const Op* records
        cdef Py_ssize_t index
        cdef int short_of_memory = 0
        self.out_count = 0
        if count:
            raw = ops.view(np.uint8)
            records = <const Op*>&raw[0]
            with nogil:
                for index in range(count):
                    if self.reserve() < 0:
                        short_of_memory = 1
                        break
                    self.apply(&records[index])
                    self.op_index += 1
        if short_of_memory:
            raise MemoryError(f"no memory for events; {index} of {count} operations were applied")
        return self.event_array()

    cdef object event_array(self):
        events = np.empty(self.out_count, EVENT_DTYPE)
        cdef uint8_t[::1] raw
        if self.out_count:
            raw = events.view(np.uint8)
            memcpy(&raw[0], self.out, self.out_count * sizeof(Event))
        return events

    cdef int check_symbol(self, uint32_t symbol) except -1:
        if symbol >= self.symbol_count:
            raise IndexError(f"symbol {symbol} is not one of {self.symbol_count}")
        return 0

    def best(self, uint32_t symbol, uint8_t side):
        """(price, quantity) of the best level; (0, 0) for an empty side."""
        self.check_symbol(symbol)
        cdef Book* book = &self.books[symbol]
        cdef int32_t price = book.best_bid if side == SIDE_BUY else book.best_ask
        if price == 0 or price == LIMIT:
            return 0, 0
        return price, self.level_at(book, price).qty

    def level_qty(self, uint32_t symbol, uint8_t side, int64_t price):
        """The total quantity of one level, 0 when there is none on that side."""
        self.check_symbol(symbol)
        return self.level_total(symbol, side, price)

    def depth(self, uint32_t symbol, uint8_t side, uint32_t limit):
        """The best ``limit`` levels as (price, quantity), best first."""
        self.check_symbol(symbol)
        cdef Book* book = &self.books[symbol]
        cdef int32_t price = book.best_bid if side == SIDE_BUY else book.best_ask
        cdef list rows = []
        while price != 0 and price != LIMIT and limit:
            rows.append((price, self.level_at(book, price).qty))
            price = next_below(book, <uint32_t>price) if side == SIDE_BUY else next_above(book, <uint32_t>price)
            limit -= 1
        return rows

    def queue(self, uint32_t symbol, uint8_t side):
        """Every order of a side as (price, order_id, leaves, owner) in priority."""
        self.check_symbol(symbol)
        cdef Book* book = &self.books[symbol]
        cdef uint32_t link
        cdef list rows = []
        for price, _ in self.depth(symbol, side, TW_ANY):
            link = self.level_at(book, price).head
            while link:
                rows.append((price, self.ids[link - 1], self.orders[link - 1].leaves, self.orders[link - 1].owner))
                link = self.orders[link - 1].after
        return rows

    def order(self, uint64_t order_id):
        """(symbol, side, price, leaves, owner) of a resting order, or None."""
        cdef uint32_t link = self.find(order_id)
        if not link:
            return None
        cdef Resting* order = &self.orders[link - 1]
        return order.symbol, order.side, order.price, order.leaves, order.owner

    def hidden(self, uint64_t order_id):
        """What an iceberg has beyond what it shows; 0 for any other order and for none."""
        cdef uint32_t link = self.find(order_id)
        return self.open_qty(link) - self.orders[link - 1].leaves if link else 0

    def takeable(self, uint32_t symbol, uint8_t side, int64_t qty, uint32_t owner):
        """What a market order of ``qty`` lots on ``side`` would take past ``owner``'s own orders: (lots, cost).

        The cost is in ticks times lots, without bound.
        """
        lots, cost = 0, 0
        for price, order_id, leaves, maker in self.queue(symbol, 1 - side):
            if lots == qty:
                break
            leaves += self.hidden(order_id)
            if owner == 0 or maker != owner:
                taken = min(leaves, qty - lots)
                lots += taken
                cost += price * taken
        return lots, cost

    def lots_for_cost(self, uint32_t symbol, uint8_t side, cost, uint32_t owner):
        """How many lots a market order on ``side`` takes until it has moved ``cost`` (ticks times lots)."""
        lots = 0
        for price, order_id, leaves, maker in self.queue(symbol, 1 - side):
            leaves += self.hidden(order_id)
            if owner == 0 or maker != owner:
                taken = min(leaves, cost // price)
                lots += taken
                cost -= price * taken
                if taken < leaves:
                    break
        return lots

    def free_pages_left(self):
        """How many more pages of 64 ticks the books may touch."""
        return self.free_page_count
