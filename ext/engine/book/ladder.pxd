"""One side of an order book: int64 quantities in pages of 64 ticks under a bitmap tree over 2^24 ticks, best price cached.

A page comes from a pool shared by all ladders when its first level is set and goes back when its last level goes, so that
memory follows the levels that stand, wherever they stand: no window, no re-centring, gaps of any width cost four bitmap words.
Prices are ticks above `base_ticks` (a multiple of 64); a price outside base .. base + 2^24 - 1 is refused.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.model.bookreader cimport tw_wide_sum
from engine.model.records cimport Level

cdef extern from *:
    """
    #define TW_LOWEST(x) ((int64_t)__builtin_ctzll(x))
    #define TW_HIGHEST(x) ((int64_t)(63 - __builtin_clzll(x)))

    static inline int tw_times_overflows(int64_t a, int64_t b) {
        int64_t product;
        return __builtin_mul_overflow(a, b, &product);
    }

    /* Take `*left` lots from the levels of one page, at most `*depth` of them (both at least 1, `word` not 0): the sum of ticks within the
       page x lots. How many levels there are is counted before: then each costs one test of that and one of what is left. */
    static inline __attribute__((always_inline)) int64_t tw_walk_page(const int64_t *lots, uint64_t word, int is_bid, int64_t *depth,
                                                                      int64_t *left, int64_t *tick) {
        int64_t value = 0, rest = *left, levels = __builtin_popcountll(word), held;
        uint64_t at;
        if (levels > *depth) levels = *depth;
        *depth -= levels;
        do {
            at = is_bid ? 63u ^ (unsigned)__builtin_clzll(word) : (unsigned)__builtin_ctzll(word);
            held = lots[at];
            rest -= held;
            if (rest <= 0) {
                value += (rest + held) * (int64_t)at;
                rest = 0;
                break;
            }
            value += held * (int64_t)at;
            word = is_bid ? word ^ (uint64_t)1 << at : word & (word - 1);
        } while (--levels);
        *left = rest;
        *tick = (int64_t)at;
        return value;
    }
    """
    int64_t TW_LOWEST(uint64_t) noexcept nogil
    int64_t TW_HIGHEST(uint64_t) noexcept nogil
    bint tw_times_overflows(int64_t, int64_t) noexcept nogil
    int64_t tw_walk_page(const int64_t*, uint64_t, bint, int64_t*, int64_t*, int64_t*) noexcept nogil

cdef enum:
    PAGE_TICKS = 64
    LADDER_TICKS = 16777216      # 2^24
    LADDER_PAGES = 262144        # 2^18

cdef enum LadderVerdict:
    LADDER_OK = 0
    LADDER_OUT_OF_RANGE = 1
    LADDER_POOL_EMPTY = 2

cdef enum:
    LADDER_BASE_MAX = 0x7FFFFFFFFF000000    # 2^63 - 2^24: above it the highest price would not be an int64

# What side_check finds, one bit each.
cdef enum LadderFault:
    LADDER_FAULT_BITMAP = 1      # branches, twigs or root do not tell which pages hold levels
    LADDER_FAULT_PAGE = 2        # levels marked without a page, or a page kept without levels
    LADDER_FAULT_QUANTITY = 4    # a mark without a quantity, a quantity without a mark, a negative quantity
    LADDER_FAULT_COUNT = 8       # level_count
    LADDER_FAULT_BEST = 16       # the cached best price

cdef struct SidedLevel:
    int64_t side                 # 0 bid, 1 ask
    int64_t price_ticks
    int64_t qty_lots

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

# A walk from the best level to the worst. The side must not change meanwhile.
cdef struct LadderCursor:
    const LadderSide* side
    const PageSlot* slot
    uint64_t word                # ticks of the page that are still to come
    int64_t page                 # -1: no page holds a level

cdef int pool_init(PagePool* pool, uint32_t pages_max) except -1
cdef void pool_free(PagePool* pool) noexcept
# Make pages now that are not to be made while trading; returns how many stand ready, at most pages_max.
cdef uint32_t pool_prepare(PagePool* pool, uint32_t pages) noexcept nogil
cdef int side_init(LadderSide* side, PagePool* pool, bint is_bid) except -1
cdef void side_free(LadderSide* side) noexcept
# Remove every level; `base_ticks` (rounded down to a page, at least 0, at most LADDER_BASE_MAX) becomes the lowest price that
# can be held.
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
# The same for rows of both sides; `side` of a row is 0 or 1.
cdef int64_t sides_apply(LadderSide* bids, LadderSide* asks, const SidedLevel* rows, uint32_t count) noexcept nogil
# Drop the worst levels until at most `levels_max` stand; returns how many went.
cdef uint32_t side_truncate(LadderSide* side, uint32_t levels_max) noexcept nogil
# Compare marks, pages, quantities, count and best price with one another: LadderFault bits, 0 = all agree. Reads everything.
cdef uint32_t side_check(const LadderSide* side) noexcept nogil
# The page behind the one that the cursor has used up; False at the end.
cdef bint cursor_turn(LadderCursor* cursor) noexcept nogil

cdef inline void cursor_open(LadderCursor* cursor, const LadderSide* side) noexcept nogil:
    """Before the best level."""
    cursor.side = side
    cursor.page = -1
    cursor.word = 0
    if side.best_index >= 0:
        cursor.page = side.best_index >> 6
        cursor.slot = &side.slots[cursor.page]
        cursor.word = cursor.slot.occupied

cdef inline bint cursor_next(LadderCursor* cursor, Level* out) noexcept nogil:
    """The next level; False behind the last."""
    cdef int64_t tick
    if cursor.word == 0 and not cursor_turn(cursor):
        return False
    tick = TW_HIGHEST(cursor.word) if cursor.side.is_bid else TW_LOWEST(cursor.word)
    cursor.word ^= (<uint64_t> 1) << tick
    out.price_ticks = cursor.side.base_ticks + (cursor.page << 6) + tick
    out.qty_lots = cursor.slot.page.qty_lots[tick]
    return True

# ValueError where no ladder can lie from `base_ticks` on.
cdef int check_base(int64_t base_ticks) except -1
# Up to `depth` levels from the best on; returns how many.
cdef int side_read(const LadderSide* side, int depth, Level* out) noexcept nogil
# The next page behind `page` that holds a level, or -1.
cdef int64_t page_worse(const LadderSide* side, int64_t page) noexcept nogil
# side_walk where 64 bits may not hold a sum.
cdef tw_wide_sum side_walk_wide(const LadderSide* side, int depth, int64_t* lots, int64_t* worst_ticks) noexcept nogil

cdef inline tw_wide_sum side_walk(const LadderSide* side, int depth, int64_t* lots, int64_t* worst_ticks) noexcept nogil:
    """BookReader.walk over up to `depth` levels, which are summed as they are met: none is written down to be read again."""
    cdef const PageSlot* slot
    cdef int64_t page = side.best_index >> 6, first_ticks = 0, tick = 0, value = 0, left = lots[0], before, levels = depth
    if tw_times_overflows(left, side.base_ticks + (LADDER_TICKS - 1)):
        return side_walk_wide(side, depth, lots, worst_ticks)
    # no part of it is more than all lots at the highest price there can be: 64 bits hold every sum
    while page >= 0 and left > 0 and levels > 0:
        slot = &side.slots[page]
        first_ticks = side.base_ticks + (page << 6)
        before = left
        if side.is_bid:
            value += tw_walk_page(slot.page.qty_lots, slot.occupied, True, &levels, &left, &tick)
        else:
            value += tw_walk_page(slot.page.qty_lots, slot.occupied, False, &levels, &left, &tick)
        value += first_ticks * (before - left)
        if left == 0:
            break
        page = page_worse(side, page)
    lots[0] = left
    worst_ticks[0] = first_ticks + tick
    return value

cdef class Ladder:
    cdef PagePool pool
    cdef LadderSide side
    cdef int _set(self, int64_t price_ticks, int64_t qty_lots) except -1
