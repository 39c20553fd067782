"""C contract of the order-by-order book: operations and outcomes as packed records, and a nogil call that applies one."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.book.queues cimport IdTable, OrderPool, Pages, QueuedOrder, SideBook


cpdef enum L3Op:
    L3_ADD = 0
    L3_REDUCE = 1       # by `qty`
    L3_SET_QTY = 2      # to `qty`, 0 removes; more than before loses the place
    L3_REPLACE = 3      # new price, quantity and number, at the end of the queue
    L3_DELETE = 4
    L3_EXECUTE = 5      # `qty` of the order that is named
    L3_EXECUTE_AT = 6   # `qty` of the oldest order at `side` and `price`
    L3_CLEAR = 7        # `side` 0, 1 or 2 = both
    L3_TRIM = 8         # every level worse than `price`


cpdef enum L3Reason:    # those that the matching engine has too have its numbers
    L3_NONE = 0
    L3_UNSUPPORTED = 1
    L3_UNKNOWN_SYMBOL = 2
    L3_UNKNOWN_ORDER = 3
    L3_DUPLICATE_ORDER_ID = 4
    L3_BAD_SIDE = 5
    L3_BAD_PRICE = 6
    L3_BAD_QTY = 7
    L3_ORDERS_FULL = 13
    L3_LEVELS_FULL = 14
    L3_ABOVE_OPEN = 64
    L3_NO_ORDER_THERE = 65


cpdef enum L3Place:
    L3_OLDEST = 1       # no order of its price was ahead of it
    L3_BEST = 2         # no price of its side was better


cdef packed struct BookOp:       # 48 bytes
    uint8_t op
    uint8_t side
    uint16_t pad
    uint32_t symbol
    uint32_t owner
    uint32_t pad2
    uint64_t order_id
    uint64_t new_id
    int64_t price
    int64_t qty


cdef packed struct BookOutcome:  # 40 bytes
    uint8_t op
    uint8_t side
    uint8_t reason
    uint8_t place
    uint32_t symbol
    uint64_t order_id
    int64_t price
    int64_t qty
    int64_t leaves


@cython.final
cdef class L3Book:
    cdef OrderPool pool
    cdef Pages pages
    cdef IdTable table
    cdef SideBook* sides          # two of each symbol: bids, asks
    cdef uint64_t* ids            # by slot; with own handles 0 while the slot is free
    cdef uint32_t* generations    # only with own handles
    cdef BookOutcome last
    cdef readonly uint32_t symbol_count
    cdef readonly int price_bits
    cdef readonly bint own_handles
    cdef readonly int64_t qty_max

    # Applies one operation and fills in its outcome, done or refused; a refusal changes nothing.
    cdef void apply(self, const BookOp* op, BookOutcome* outcome) noexcept nogil
    # The order's link, 0 when the symbol has no such order; `symbol` must be there.
    cdef uint32_t find(self, uint32_t symbol, uint64_t order_id) noexcept nogil
    # Up to `depth` levels as (price, qty) pairs from the best on; returns how many. An owner other than 0 is left out.
    cdef Py_ssize_t read_levels(self, const SideBook* side, Py_ssize_t depth, uint32_t without, int64_t* out) noexcept nogil

    # private
    cdef int open_memory(self) except -1
    cdef SideBook* side_of(self, uint32_t symbol, uint8_t side) noexcept nogil
    cdef uint8_t place_of(self, const SideBook* side, uint32_t link) noexcept nogil
    cdef void name(self, uint32_t link, uint32_t symbol, uint64_t order_id) noexcept nogil
    cdef void unname(self, uint32_t link) noexcept nogil
    cdef void remove(self, uint32_t link) noexcept nogil
    cdef int64_t remove_beyond(self, SideBook* side, int32_t stop) noexcept nogil
    cdef uint8_t refusal_of_add(self, const BookOp* op) noexcept nogil
    cdef uint8_t refusal_of_replace(self, const BookOp* op, uint32_t link) noexcept nogil
    cdef uint8_t apply_add(self, const BookOp* op, BookOutcome* outcome) noexcept nogil
    cdef uint8_t apply_reduce(self, const BookOp* op, BookOutcome* outcome, uint32_t link) noexcept nogil
    cdef uint8_t apply_set(self, const BookOp* op, BookOutcome* outcome, uint32_t link) noexcept nogil
    cdef uint8_t apply_replace(self, const BookOp* op, BookOutcome* outcome, uint32_t link) noexcept nogil
    cdef uint8_t apply_execute_at(self, const BookOp* op, BookOutcome* outcome) noexcept nogil
    cdef uint8_t apply_to_levels(self, const BookOp* op, BookOutcome* outcome) noexcept nogil
    cdef uint8_t apply_to_order(self, const BookOp* op, BookOutcome* outcome) noexcept nogil
    cdef void tell(self, BookOutcome* outcome, const SideBook* side, uint32_t link) noexcept nogil
    cdef int64_t filtered_qty(self, const SideBook* side, int32_t price, uint32_t without) noexcept nogil
    cdef int64_t order_count(self, const SideBook* side) noexcept nogil
    cdef void copy_orders(self, const SideBook* side, uint8_t* out) noexcept nogil
    cdef SideBook* checked_side(self, uint32_t symbol, uint8_t side) except NULL
    cdef int run(self, BookOp op) noexcept
    cdef uint32_t check_side(self, uint32_t symbol, uint8_t side, list found) except? 0xFFFFFFFF
