"""C contract of the matching book: operations and events as 64-byte records, and nogil calls to apply them."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cpdef enum OpKind:
    OP_NEW = 0
    OP_CANCEL = 1
    OP_AMEND = 2
    OP_MASS_CANCEL = 3


cpdef enum BookSide:
    SIDE_BUY = 0
    SIDE_SELL = 1


cpdef enum KindOfOrder:
    TYPE_LIMIT = 0
    TYPE_MARKET = 1
    TYPE_STOP = 2
    TYPE_STOP_LIMIT = 3
    TYPE_MARKET_IF_TOUCHED = 4
    TYPE_LIMIT_IF_TOUCHED = 5
    TYPE_TRAILING_STOP = 6


cpdef enum TifKind:
    TIF_GTC = 0
    TIF_IOC = 1
    TIF_FOK = 2
    TIF_GTD = 3
    TIF_DAY = 4


cpdef enum OpFlag:
    FLAG_POST_ONLY = 1
    FLAG_POST_ONLY_REPRICE = 2
    FLAG_HIDDEN = 4
    FLAG_REDUCE_ONLY = 8
    FLAG_AMEND_LOSES_PLACE = 16


cpdef enum StpKind:
    STP_NONE = 0
    STP_EXPIRE_MAKER = 1
    STP_EXPIRE_TAKER = 2
    STP_EXPIRE_BOTH = 3
    STP_DECREMENT = 4


cpdef enum EventKind:
    EVENT_ACCEPTED = 0
    EVENT_TRADE = 1
    EVENT_CANCELED = 2
    EVENT_REJECTED = 3
    EVENT_AMENDED = 4
    EVENT_TRIGGERED = 5
    EVENT_EXPIRED = 6
    EVENT_REFRESHED = 7
    EVENT_BUSTED = 8
    EVENT_PREVENTED = 9


cpdef enum Reason:
    REASON_NONE = 0
    REASON_UNSUPPORTED = 1
    REASON_UNKNOWN_SYMBOL = 2
    REASON_UNKNOWN_ORDER = 3
    REASON_DUPLICATE_ORDER_ID = 4
    REASON_BAD_SIDE = 5
    REASON_BAD_PRICE = 6
    REASON_BAD_QTY = 7
    REASON_WOULD_CROSS = 8
    REASON_FOK_UNFILLED = 9
    REASON_IOC_REMAINDER = 10
    REASON_NO_LIQUIDITY = 11
    REASON_SELF_TRADE = 12
    REASON_ORDERS_FULL = 13
    REASON_LEVELS_FULL = 14
    REASON_NOT_OWNER = 15
    REASON_NOTHING_TO_CANCEL = 16


cdef packed struct Op:
    uint8_t op
    uint8_t side
    uint8_t type
    uint8_t tif
    uint16_t flags
    uint8_t stp
    uint8_t pad
    uint32_t symbol
    uint32_t owner
    uint64_t order_id
    int64_t price
    int64_t qty
    int64_t display
    int64_t trigger
    int64_t expire_ns


cdef packed struct Event:
    uint8_t kind
    uint8_t side
    uint16_t reason
    uint32_t symbol
    uint64_t op_index
    uint64_t order_id
    uint64_t maker_id
    int64_t price
    int64_t qty
    int64_t leaves
    int64_t maker_leaves


cdef struct Resting:  # 32 bytes; links are slot + 1, 0 is none
    int64_t leaves
    uint32_t before
    uint32_t after
    int32_t price
    uint32_t owner
    uint32_t symbol
    uint8_t side
    uint8_t is_iceberg
    uint8_t pad[2]


cdef struct Iceberg:  # what an order shows at a time and what it still hides; used where is_iceberg says so
    int64_t peak
    int64_t hidden


cdef struct Level:  # 16 bytes; head and tail are slot + 1
    int64_t qty
    uint32_t head
    uint32_t tail


cdef struct Book:  # one bitmap for both sides: every level up to best_bid is a bid, from best_ask up an ask
    uint64_t* tier[4]
    uint32_t* page_of
    int32_t best_bid
    int32_t best_ask


cdef class MatchingEngine:
    cdef Book* books
    cdef Resting* orders
    cdef Iceberg* icebergs
    cdef uint64_t* ids
    cdef uint32_t* table
    cdef Level* levels
    cdef uint32_t* free_pages
    cdef Event* out
    cdef readonly uint32_t symbol_count
    cdef readonly uint32_t orders_max
    cdef readonly uint32_t pages_max
    cdef readonly uint32_t live_orders
    cdef readonly int64_t qty_max
    cdef uint32_t free_page_count
    cdef uint32_t free_order
    cdef uint64_t table_mask
    cdef uint64_t out_count
    cdef uint64_t out_max
    cdef uint64_t op_index
    cdef uint64_t hidden_parts

    # nogil: reserve() makes room for the next operation's events (0, or -1 when memory is short and nothing was
    # applied), apply() then applies one operation and appends its events to `out`, level_total() reads a level.
    cdef int reserve(self) noexcept nogil
    cdef void apply(self, const Op* op) noexcept nogil
    # apply_one() is the two of them for a single operation, whose events alone stand in `out` then.
    cdef int apply_one(self, const Op* op) except -1
    cdef int64_t level_total(self, uint32_t symbol, uint8_t side, int64_t price) noexcept nogil

    # private
    cdef int allocate(self) except -1
    cdef int open_book(self, Book* book) except -1
    cdef uint32_t find(self, uint64_t order_id) noexcept nogil
    cdef void remember(self, uint64_t order_id, uint32_t link) noexcept nogil
    cdef void forget(self, uint32_t link) noexcept nogil
    cdef Level* level_at(self, Book* book, int32_t price) noexcept nogil
    cdef void append(self, uint32_t link) noexcept nogil
    cdef void unlink(self, uint32_t link) noexcept nogil
    cdef void drop_level(self, Book* book, int32_t price) noexcept nogil
    cdef void remove(self, uint32_t link) noexcept nogil
    cdef int64_t open_qty(self, uint32_t link) noexcept nogil
    cdef void hide(self, uint32_t link, int64_t peak) noexcept nogil
    cdef void set_hidden(self, uint32_t link, int64_t hidden) noexcept nogil
    cdef void refresh(self, uint32_t link) noexcept nogil
    cdef void take(self, Level* level, uint32_t link, int64_t qty) noexcept nogil
    cdef bint has_room(self, uint32_t symbol, int32_t price) noexcept nogil
    cdef Event* emit(self, uint8_t kind, uint16_t reason, uint32_t symbol, uint8_t side, uint64_t order_id, int64_t price, int64_t qty, int64_t leaves) noexcept nogil
    cdef void refuse(self, const Op* op, uint16_t reason) noexcept nogil
    cdef void expire_resting(self, uint32_t link, uint64_t other_id) noexcept nogil
    cdef uint16_t refusal_of_new(self, const Op* op) noexcept nogil
    cdef int32_t worst_price(self, const Op* op) noexcept nogil
    cdef bint crosses(self, uint32_t symbol, uint8_t side, int32_t price) noexcept nogil
    cdef void apply_new(self, const Op* op) noexcept nogil
    cdef void rest(self, const Op* op, int64_t leaves) noexcept nogil
    cdef int64_t match(self, const Op* op, int32_t worst, int64_t leaves) noexcept nogil
    cdef int64_t trade(self, const Op* op, Level* level, uint32_t link, int64_t leaves) noexcept nogil
    cdef int64_t meet_own(self, const Op* op, Level* level, uint32_t link, int64_t leaves) noexcept nogil
    cdef int64_t decrement(self, const Op* op, Level* level, uint32_t link, int64_t leaves) noexcept nogil
    cdef void shrink(self, uint32_t link, int64_t qty) noexcept nogil
    cdef bint fills_whole(self, const Op* op, int32_t worst) noexcept nogil
    cdef uint32_t own_order(self, const Op* op) noexcept nogil
    cdef void apply_cancel(self, const Op* op) noexcept nogil
    cdef void cancel_resting(self, uint32_t link) noexcept nogil
    cdef uint16_t refusal_of_amend(self, const Op* op, const Resting* order) noexcept nogil
    cdef void apply_amend(self, const Op* op) noexcept nogil
    cdef void apply_mass_cancel(self, const Op* op) noexcept nogil
    cdef void cancel_book(self, uint32_t symbol, uint32_t owner) noexcept nogil
    cdef void cancel_level(self, Level* level, uint32_t owner) noexcept nogil
    cdef object event_array(self)
    cdef int check_symbol(self, uint32_t symbol) except -1
