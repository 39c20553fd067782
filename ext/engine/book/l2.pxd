"""A level-2 book: two ladders over a pool of pages, own resting quantity beside them, and what strategies ask of it.

Side 0 is the bids, 1 the asks. Prices are ticks, quantities lots; sums and values (ticks x lots) are exact in 128 bit. Ratios
(imbalance, microprice, mid) are doubles, NaN where they are not defined; each is within 4 units of its last place.
`net` asks for the book without own orders: their quantity is taken from each level, and a level that is ours alone is passed over.
Nothing here takes a lock or allocates, but `l2_set` (a page, where the pool has none ready) and `l2_set_own`.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.book.ladder cimport LadderCursor, LadderSide, PagePool, SidedLevel, cursor_next, cursor_open
from engine.model.records cimport Level

cdef extern from *:
    """
    typedef unsigned __int128 tw_uwide;
    """
    ctypedef unsigned long long tw_uwide     # 128 bit in C; never let Cython make a Python int of it

# What l2_check finds: the bids' LadderFault bits, the asks' from bit 8 on, and these.
cdef enum L2Fault:
    L2_FAULT_CROSSED = 65536       # best bid above best ask
    L2_FAULT_LOCKED = 131072       # equal
    L2_FAULT_OWN_ORDER = 262144    # own levels out of order, twice, or not positive

# Own resting quantity by price, best first.
cdef struct OwnLevels:
    Level* levels
    uint32_t count
    uint32_t capacity

cdef struct L2:
    LadderSide[2] sides
    OwnLevels[2] own
    uint64_t update_id             # of the last update, as who applies it says
    uint64_t far_levels            # levels that lay outside the ladders since the last clear, not kept

# What taking a quantity from one side would do.
cdef struct Sweep:
    int64_t filled_lots            # less than was asked where the side holds less
    int64_t worst_ticks            # the limit that is needed: worst price touched, -1 where none
    uint32_t levels                # prices touched
    tw_uwide value                 # sum of ticks x lots

cdef struct L2Cursor:
    LadderCursor levels
    const OwnLevels* own           # NULL: nothing is taken away
    uint32_t own_at

cdef int l2_init(L2* book, PagePool* pool) except -1
cdef void l2_free(L2* book) noexcept
# No levels; own quantities stay. `base_ticks` as for side_clear, for both sides.
cdef void l2_clear(L2* book, int64_t base_ticks) noexcept nogil
# The base that has `price_ticks` in the middle of the ladders.
cdef int64_t l2_base_around(int64_t price_ticks) noexcept nogil
# Set one level; a LadderVerdict.
cdef int l2_set(L2* book, int side, int64_t price_ticks, int64_t qty_lots) noexcept nogil
# Set the levels of a side, or rows of both; how many were outside the ladders, -1 when the pool is empty (the rest is not applied).
cdef int64_t l2_apply(L2* book, int side, const Level* levels, uint32_t count) noexcept nogil
cdef int64_t l2_apply_rows(L2* book, const SidedLevel* rows, uint32_t count) noexcept nogil
# Own resting quantity at a price, 0 for none more; False without memory.
cdef bint l2_set_own(L2* book, int side, int64_t price_ticks, int64_t qty_lots) noexcept nogil
cdef int64_t l2_qty(const L2* book, int side, int64_t price_ticks, bint net) noexcept nogil
cdef bint l2_best(const L2* book, int side, bint net, Level* out) noexcept nogil
# Up to `depth` levels from the best on; returns how many.
cdef int l2_read(const L2* book, int side, int depth, bint net, Level* out) noexcept nogil
# The same with the quantity of all levels so far; -1 where that passes 2^63 - 1.
cdef int l2_cumulative(const L2* book, int side, int depth, bint net, Level* out) noexcept nogil
cdef void l2_sweep(const L2* book, int side, int64_t qty_lots, bint net, Sweep* out) noexcept nogil
# value / filled_lots, in ticks; NaN where nothing is filled.
cdef double l2_average(const Sweep* sweep) noexcept nogil
# Quantity of the best `depth` levels.
cdef tw_uwide l2_lots(const L2* book, int side, int depth, bint net) noexcept nogil
# (bids - asks) / (bids + asks) over the best `depth` levels of each side: -1 .. 1; NaN where both are empty.
cdef double l2_imbalance(const L2* book, int depth, bint net) noexcept nogil
# Best prices weighted with the opposite best quantities, in ticks; NaN where a side is empty.
cdef double l2_microprice(const L2* book, bint net) noexcept nogil
# Best bid + best ask: twice the mid, in ticks; -1 where a side is empty.
cdef int64_t l2_doubled_mid(const L2* book, bint net) noexcept nogil
cdef uint32_t l2_check(const L2* book) noexcept nogil

cdef inline void l2_open(L2Cursor* cursor, const L2* book, int side, bint net) noexcept nogil:
    """Before the best level of a side. The book must not change during the walk."""
    cursor_open(&cursor.levels, &book.sides[side])
    cursor.own = NULL
    if net and book.own[side].count:
        cursor.own = <const OwnLevels*> &book.own[side]
    cursor.own_at = 0

cdef inline bint l2_next(L2Cursor* cursor, Level* out) noexcept nogil:
    """The next level; False behind the last."""
    while cursor_next(&cursor.levels, out):
        if cursor.own == NULL:
            return True
        l2_take_own(cursor, out)
        if out.qty_lots > 0:
            return True
    return False

cdef inline void l2_take_own(L2Cursor* cursor, Level* level) noexcept nogil:
    """Subtract what is ours; own levels better than this one rest where the book shows nothing."""
    cdef const Level* own
    while cursor.own_at < cursor.own.count:
        own = &cursor.own.levels[cursor.own_at]
        if own.price_ticks == level.price_ticks:
            level.qty_lots -= own.qty_lots
            cursor.own_at += 1
            return
        if own.price_ticks < level.price_ticks if cursor.levels.side.is_bid else own.price_ticks > level.price_ticks:
            return
        cursor.own_at += 1

cdef class LevelPool:
    cdef PagePool pool

cdef class L2Book:
    cdef L2 book
    cdef readonly LevelPool pool
    cdef int _refuse_level(self, int side, int64_t qty_lots) except -1
    cdef int _raise_verdict(self, int verdict, int64_t price_ticks) except -1
    cdef int64_t _apply_view(self, const Py_buffer* view) except -2
    cdef object _array(self, int side, int depth, bint net, bint is_cumulative)
    cdef int _fill(self, int side, int depth, bint net, bint is_cumulative, Level* out) except -1
