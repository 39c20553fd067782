"""One side of an order book: int64 quantities in pages of 64 ticks under a bitmap tree over 2^24 ticks, best price cached.

A page comes from a pool shared by all ladders when its first level is set and goes back when its last level goes, so that
memory follows the levels that stand, wherever they stand: no window, no re-centring, gaps of any width cost four bitmap words.
Prices are ticks above `base_ticks` (a multiple of 64); a price outside base .. base + 2^24 - 1 is refused.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.model.records cimport Level

cdef enum:
    PAGE_TICKS = 64
    LADDER_TICKS = 16777216      # 2^24
    LADDER_PAGES = 262144        # 2^18

cdef enum LadderVerdict:
    LADDER_OK = 0
    LADDER_OUT_OF_RANGE = 1
    LADDER_POOL_EMPTY = 2

cdef struct Page:
    int64_t qty_lots[64]

cdef struct PageSlot:
    uint64_t occupied            # bit i: tick i of the page holds a quantity
    Page* page

cdef struct PagePool:
    Page** chunks
    uint32_t chunk_count
    uint32_t chunk_capacity
    uint32_t pages_used
    uint32_t pages_max
    Page* free_list              # linked by the first quantity of each free page

cdef struct LadderSide:
    PageSlot* slots              # LADDER_PAGES, mapped lazily
    uint64_t* branches           # bit: page not empty        (2^18 bits)
    uint64_t twigs[64]           # bit: branch word not 0     (2^12 bits)
    uint64_t root                # bit: twig word not 0       (64 bits)
    PagePool* pool
    int64_t base_ticks
    int64_t best_index           # -1 = empty
    uint32_t level_count
    bint is_bid

cdef int pool_init(PagePool* pool, uint32_t pages_max) except -1
cdef void pool_free(PagePool* pool) noexcept
cdef int side_init(LadderSide* side, PagePool* pool, bint is_bid) except -1
cdef void side_free(LadderSide* side) noexcept
# Remove every level; `base_ticks` (rounded down to a page, at least 0) becomes the lowest price that can be held.
cdef void side_clear(LadderSide* side, int64_t base_ticks) noexcept nogil
# Set the quantity of a price; 0 removes the level (removing none is no error). Returns a LadderVerdict.
cdef int side_set(LadderSide* side, int64_t price_ticks, int64_t qty_lots) noexcept nogil
# Quantity at a price, 0 where there is none.
cdef int64_t side_qty(const LadderSide* side, int64_t price_ticks) noexcept nogil
# Best price, -1 where the side is empty.
cdef int64_t side_best(const LadderSide* side) noexcept nogil
# The next price worse than `price_ticks`, -1 where there is none.
cdef int64_t side_next(const LadderSide* side, int64_t price_ticks) noexcept nogil
# Set `count` levels; returns how many were refused as out of range, or -1 when the pool is empty (the rest is not applied).
cdef int64_t side_apply(LadderSide* side, const Level* levels, uint32_t count) noexcept nogil
# Up to `depth` levels from the best on; returns how many.
cdef int side_read(const LadderSide* side, int depth, Level* out) noexcept nogil

cdef class Ladder:
    cdef PagePool pool
    cdef LadderSide side
    cdef int _set(self, int64_t price_ticks, int64_t qty_lots) except -1
