"""One side of an order book: see ladder.pxd for the structure and what each function promises."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

from engine.model.records cimport Level

cdef extern from *:
    """
    #define TW_BIT(i) ((uint64_t)1 << (i))
    #define TW_COUNT(x) __builtin_popcountll(x)
    #define TW_LOW_HALF(x) ((uint64_t)(x))
    #define TW_HIGH_HALF(x) ((int64_t)((x) >> 64))
    """
    uint64_t TW_LOW_HALF(tw_wide_sum) noexcept nogil
    int64_t TW_HIGH_HALF(tw_wide_sum) noexcept nogil
    uint64_t TW_BIT(int64_t) noexcept nogil
    int TW_COUNT(uint64_t) noexcept nogil

cdef enum:
    CHUNK_PAGES = 256
    # a page with more levels is zeroed as a whole
    SPARSE_LEVELS_MAX = 8


cdef int pool_init(PagePool* pool, uint32_t pages_max) except -1:
    memset(pool, 0, sizeof(PagePool))
    if pages_max < 1:
        raise ValueError("a pool holds at least one page")
    pool.pages_max = pages_max
    pool.chunk_capacity = (pages_max + CHUNK_PAGES - 1) / CHUNK_PAGES
    pool.chunks = <Page**> calloc(pool.chunk_capacity, sizeof(Page*))
    if pool.chunks == NULL:
        raise MemoryError("page pool")
    return 0


cdef void pool_free(PagePool* pool) noexcept:
    cdef uint32_t i
    for i in range(pool.chunk_count):
        free(pool.chunks[i])
    free(pool.chunks)
    memset(pool, 0, sizeof(PagePool))


cdef int pool_grow(PagePool* pool) noexcept nogil:
    """One more chunk of zeroed pages on the free list; 0 where the pool may not grow. Happens while books warm up."""
    cdef Page* chunk
    cdef uint32_t i
    if pool.chunk_count >= pool.chunk_capacity:
        return 0
    chunk = <Page*> calloc(CHUNK_PAGES, sizeof(Page))
    if chunk == NULL:
        return 0
    pool.chunks[pool.chunk_count] = chunk
    pool.chunk_count += 1
    for i in range(CHUNK_PAGES):
        (<Page**> &chunk[i])[0] = pool.free_list
        pool.free_list = &chunk[i]
    return 1


cdef uint32_t pool_prepare(PagePool* pool, uint32_t pages) noexcept nogil:
    while pool.chunk_count * CHUNK_PAGES < pages and pool_grow(pool):
        pass
    return min(pool.chunk_count * CHUNK_PAGES, pool.pages_max)


cdef inline Page* pool_take(PagePool* pool) noexcept nogil:
    """A page of zeros, or NULL."""
    cdef Page* page
    if pool.pages_used >= pool.pages_max or (pool.free_list == NULL and not pool_grow(pool)):
        return NULL
    page = pool.free_list
    pool.free_list = (<Page**> page)[0]
    page.qty_lots[0] = 0
    pool.pages_used += 1
    return page


cdef inline void pool_give(PagePool* pool, Page* page) noexcept nogil:
    """Take back a page whose quantities are all zero."""
    (<Page**> page)[0] = pool.free_list
    pool.free_list = page
    pool.pages_used -= 1


cdef void* map_zeros(size_t size) except NULL:
    """Lazily backed zeros: only what is touched takes memory."""
    cdef void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if memory == MAP_FAILED:
        raise MemoryError("ladder")
    return memory


cdef int side_init(LadderSide* side, PagePool* pool, bint is_bid) except -1:
    memset(side, 0, sizeof(LadderSide))
    side.slots = <PageSlot*> map_zeros(LADDER_PAGES * sizeof(PageSlot))
    side.branches = <uint64_t*> map_zeros(LADDER_PAGES / 8)
    side.pool = pool
    side.is_bid = is_bid
    side.best_index = -1
    return 0


cdef void side_free(LadderSide* side) noexcept:
    if side.slots != NULL:
        munmap(side.slots, LADDER_PAGES * sizeof(PageSlot))
    if side.branches != NULL:
        munmap(side.branches, LADDER_PAGES / 8)
    memset(side, 0, sizeof(LadderSide))


cdef inline void mark_page(LadderSide* side, int64_t page) noexcept nogil:
    side.branches[page >> 6] |= TW_BIT(page & 63)
    side.twigs[page >> 12] |= TW_BIT((page >> 6) & 63)
    side.root |= TW_BIT(page >> 12)


cdef inline void unmark_page(LadderSide* side, int64_t page) noexcept nogil:
    """Without a branch: in a gapped book nobody can predict which word runs empty."""
    cdef uint64_t word = side.branches[page >> 6] & ~TW_BIT(page & 63)
    cdef uint64_t empty = word == 0
    side.branches[page >> 6] = word
    word = side.twigs[page >> 12] & ~(empty << ((page >> 6) & 63))
    side.twigs[page >> 12] = word
    empty = word == 0
    side.root &= ~(empty << (page >> 12))


cdef inline uint64_t bits_above(uint64_t word, int64_t position) noexcept nogil:
    return word & ~TW_BIT(position) & ~(TW_BIT(position) - 1)


cdef inline uint64_t bits_below(uint64_t word, int64_t position) noexcept nogil:
    return word & (TW_BIT(position) - 1)


cdef int64_t page_above(const LadderSide* side, int64_t page) noexcept nogil:
    """The lowest page above `page` that holds a level, or -1."""
    cdef uint64_t word = bits_above(side.branches[page >> 6], page & 63)
    cdef int64_t branch = page >> 6, twig = page >> 12
    if word:
        return (branch << 6) | TW_LOWEST(word)
    word = bits_above(side.twigs[twig], branch & 63)
    if not word:
        word = bits_above(side.root, twig)
        if not word:
            return -1
        twig = TW_LOWEST(word)
        word = side.twigs[twig]
    branch = (twig << 6) | TW_LOWEST(word)
    return (branch << 6) | TW_LOWEST(side.branches[branch])


cdef int64_t page_below(const LadderSide* side, int64_t page) noexcept nogil:
    """The highest page below `page` that holds a level, or -1."""
    cdef uint64_t word = bits_below(side.branches[page >> 6], page & 63)
    cdef int64_t branch = page >> 6, twig = page >> 12
    if word:
        return (branch << 6) | TW_HIGHEST(word)
    word = bits_below(side.twigs[twig], branch & 63)
    if not word:
        word = bits_below(side.root, twig)
        if not word:
            return -1
        twig = TW_HIGHEST(word)
        word = side.twigs[twig]
    branch = (twig << 6) | TW_HIGHEST(word)
    return (branch << 6) | TW_HIGHEST(side.branches[branch])


cdef int64_t page_worse(const LadderSide* side, int64_t page) noexcept nogil:
    return page_below(side, page) if side.is_bid else page_above(side, page)


cdef inline int64_t worse_index(const LadderSide* side, int64_t index) noexcept nogil:
    """The next occupied tick worse than `index` (0 .. 2^24 - 1), or -1."""
    cdef uint64_t word = side.slots[index >> 6].occupied
    cdef int64_t page
    if side.is_bid:
        word = bits_below(word, index & 63)
        if word:
            return (index & ~63) | TW_HIGHEST(word)
        page = page_below(side, index >> 6)
        return -1 if page < 0 else (page << 6) | TW_HIGHEST(side.slots[page].occupied)
    word = bits_above(word, index & 63)
    if word:
        return (index & ~63) | TW_LOWEST(word)
    page = page_above(side, index >> 6)
    return -1 if page < 0 else (page << 6) | TW_LOWEST(side.slots[page].occupied)


cdef inline bint is_better(const LadderSide* side, int64_t index, int64_t other) noexcept nogil:
    return index > other if side.is_bid else index < other


cdef inline bint is_best_or_better(const LadderSide* side, int64_t index) noexcept nogil:
    """Of an empty side every price is."""
    if side.is_bid:
        return index >= side.best_index
    return <uint64_t> index <= <uint64_t> side.best_index


cdef inline bint open_page(LadderSide* side, PageSlot* slot, int64_t page) noexcept nogil:
    slot.page = pool_take(side.pool)
    if slot.page == NULL:
        return False
    mark_page(side, page)
    return True


cdef inline void close_page(LadderSide* side, PageSlot* slot, int64_t page) noexcept nogil:
    unmark_page(side, page)
    pool_give(side.pool, slot.page)
    slot.page = NULL


cdef inline int put_level(LadderSide* side, int64_t index, int64_t qty_lots) noexcept nogil:
    """Set or remove. Which of the two it is nobody can predict, so that the usual way through has no branch on it."""
    cdef PageSlot* slot = &side.slots[index >> 6]
    cdef uint64_t was, now = qty_lots != 0
    if slot.page == NULL:
        if not now:
            return LADDER_OK
        if not open_page(side, slot, index >> 6):
            return LADDER_POOL_EMPTY
    was = (slot.occupied >> (index & 63)) & 1
    slot.page.qty_lots[index & 63] = qty_lots
    slot.occupied ^= (was ^ now) << (index & 63)
    side.level_count += <uint32_t> (now - was)
    if is_best_or_better(side, index):
        if now:
            side.best_index = index
        elif was:
            side.best_index = worse_index(side, index)
    if slot.occupied == 0:
        close_page(side, slot, index >> 6)
    return LADDER_OK


cdef int side_set(LadderSide* side, int64_t price_ticks, int64_t qty_lots) noexcept nogil:
    cdef uint64_t index = <uint64_t> price_ticks - <uint64_t> side.base_ticks
    if index >= LADDER_TICKS:
        return LADDER_OUT_OF_RANGE
    return put_level(side, index, qty_lots)


cdef int64_t side_apply(LadderSide* side, const Level* levels, uint32_t count) noexcept nogil:
    cdef uint32_t i
    cdef int64_t refused = 0
    cdef int verdict
    for i in range(count):
        verdict = side_set(side, levels[i].price_ticks, levels[i].qty_lots)
        if verdict == LADDER_OK:
            continue
        if verdict == LADDER_POOL_EMPTY:
            return -1
        refused += 1
    return refused


cdef int64_t sides_apply(LadderSide* bids, LadderSide* asks, const SidedLevel* rows, uint32_t count) noexcept nogil:
    cdef uint32_t i
    cdef int64_t refused = 0
    cdef int verdict
    for i in range(count):
        verdict = side_set(asks if rows[i].side else bids, rows[i].price_ticks, rows[i].qty_lots)
        if verdict == LADDER_OK:
            continue
        if verdict == LADDER_POOL_EMPTY:
            return -1
        refused += 1
    return refused


cdef int64_t side_qty(const LadderSide* side, int64_t price_ticks) noexcept nogil:
    cdef uint64_t index = <uint64_t> price_ticks - <uint64_t> side.base_ticks
    if index >= LADDER_TICKS or side.slots[index >> 6].page == NULL:
        return 0
    return side.slots[index >> 6].page.qty_lots[index & 63]


cdef int64_t side_best(const LadderSide* side) noexcept nogil:
    return -1 if side.best_index < 0 else side.base_ticks + side.best_index


cdef int64_t side_next(const LadderSide* side, int64_t price_ticks) noexcept nogil:
    """`price_ticks` need not hold a level; a price outside the ladder counts as its nearer end."""
    cdef int64_t index = price_ticks - side.base_ticks
    if side.best_index < 0:
        return -1
    if is_better(side, index, side.best_index):
        return side.base_ticks + side.best_index
    if index < 0 or index >= LADDER_TICKS:
        return -1
    index = worse_index(side, index)
    return -1 if index < 0 else side.base_ticks + index


cdef bint cursor_turn(LadderCursor* cursor) noexcept nogil:
    if cursor.page < 0:
        return False
    cursor.page = page_worse(cursor.side, cursor.page)
    if cursor.page < 0:
        return False
    cursor.slot = &cursor.side.slots[cursor.page]
    cursor.word = cursor.slot.occupied
    return True


cdef int side_read(const LadderSide* side, int depth, Level* out) noexcept nogil:
    """Page by page: within one only the tick changes."""
    cdef LadderCursor cursor
    cdef const int64_t* qty_lots
    cdef int64_t first_ticks
    cdef uint64_t word, tick
    cdef Level* level = out
    cdef const Level* end = out + max(depth, 0)
    cursor_open(&cursor, side)
    while level < end and (cursor.word or cursor_turn(&cursor)):
        qty_lots = cursor.slot.page.qty_lots
        first_ticks = side.base_ticks + (cursor.page << 6)
        word, cursor.word = cursor.word, 0
        if side.is_bid:
            while word and level < end:
                tick = <uint32_t> TW_HIGHEST(word)
                word ^= (<uint64_t> 1) << tick
                level.price_ticks = first_ticks + <int64_t> tick
                level.qty_lots = qty_lots[tick]
                level += 1
        else:
            while word and level < end:
                tick = <uint32_t> TW_LOWEST(word)
                word &= word - 1
                level.price_ticks = first_ticks + <int64_t> tick
                level.qty_lots = qty_lots[tick]
                level += 1
    return <int> (level - out)


cdef tw_wide_sum side_walk_wide(const LadderSide* side, int depth, int64_t* lots, int64_t* worst_ticks) noexcept nogil:
    """Level by level in 128 bits."""
    cdef LadderCursor cursor
    cdef Level level
    cdef int64_t taken
    cdef tw_wide_sum value = 0
    worst_ticks[0] = 0
    cursor_open(&cursor, side)
    while lots[0] > 0 and depth > 0 and cursor_next(&cursor, &level):
        taken = min(lots[0], level.qty_lots)
        value += (<tw_wide_sum> taken) * level.price_ticks
        lots[0] -= taken
        worst_ticks[0] = level.price_ticks
        depth -= 1
    return value


cdef inline int64_t worst_index(const LadderSide* side) noexcept nogil:
    """The worst level of a side that has one."""
    cdef int64_t twig, branch, page
    if side.is_bid:
        twig = TW_LOWEST(side.root)
        branch = (twig << 6) | TW_LOWEST(side.twigs[twig])
        page = (branch << 6) | TW_LOWEST(side.branches[branch])
        return (page << 6) | TW_LOWEST(side.slots[page].occupied)
    twig = TW_HIGHEST(side.root)
    branch = (twig << 6) | TW_HIGHEST(side.twigs[twig])
    page = (branch << 6) | TW_HIGHEST(side.branches[branch])
    return (page << 6) | TW_HIGHEST(side.slots[page].occupied)


cdef uint32_t side_truncate(LadderSide* side, uint32_t levels_max) noexcept nogil:
    cdef uint32_t dropped = 0
    while side.level_count > levels_max:
        put_level(side, worst_index(side), 0)
        dropped += 1
    return dropped


cdef uint32_t slot_check(const PageSlot* slot) noexcept nogil:
    cdef uint64_t found = 0
    cdef int64_t i
    if slot.page == NULL:
        return LADDER_FAULT_PAGE if slot.occupied else 0
    for i in range(PAGE_TICKS):
        if slot.page.qty_lots[i] < 0:
            return LADDER_FAULT_QUANTITY
        if slot.page.qty_lots[i]:
            found |= TW_BIT(i)
    return (LADDER_FAULT_PAGE if slot.occupied == 0 else 0) | (LADDER_FAULT_QUANTITY if found != slot.occupied else 0)


cdef uint32_t tree_check(const LadderSide* side) noexcept nogil:
    """Each word of the tree against the words below it."""
    cdef int64_t i
    for i in range(LADDER_PAGES):
        if (side.branches[i >> 6] >> (i & 63)) & 1 != (side.slots[i].occupied != 0):
            return LADDER_FAULT_BITMAP
    for i in range(LADDER_PAGES >> 6):
        if (side.twigs[i >> 6] >> (i & 63)) & 1 != (side.branches[i] != 0):
            return LADDER_FAULT_BITMAP
    for i in range(64):
        if (side.root >> i) & 1 != (side.twigs[i] != 0):
            return LADDER_FAULT_BITMAP
    return 0


cdef uint32_t side_check(const LadderSide* side) noexcept nogil:
    cdef uint32_t faults = tree_check(side), levels = 0
    cdef int64_t page, lowest = -1, highest = -1
    for page in range(LADDER_PAGES):
        if side.slots[page].page == NULL and side.slots[page].occupied == 0:
            continue
        faults |= slot_check(&side.slots[page])
        if side.slots[page].occupied == 0:
            continue
        levels += <uint32_t> TW_COUNT(side.slots[page].occupied)
        highest = (page << 6) | TW_HIGHEST(side.slots[page].occupied)
        if lowest < 0:
            lowest = (page << 6) | TW_LOWEST(side.slots[page].occupied)
    if levels != side.level_count:
        faults |= LADDER_FAULT_COUNT
    if side.best_index != (highest if side.is_bid else lowest):
        faults |= LADDER_FAULT_BEST
    return faults


cdef void clear_page(LadderSide* side, int64_t page) noexcept nogil:
    """A page far from the best price holds a level or two: those are zeroed, and the rest of its 512 bytes is not fetched."""
    cdef PageSlot* slot = &side.slots[page]
    cdef uint64_t word = slot.occupied
    if TW_COUNT(word) > SPARSE_LEVELS_MAX:
        memset(slot.page, 0, sizeof(Page))
    else:
        while word:
            slot.page.qty_lots[TW_LOWEST(word)] = 0
            word &= word - 1
    pool_give(side.pool, slot.page)
    slot.page = NULL
    slot.occupied = 0
    unmark_page(side, page)


cdef void side_clear(LadderSide* side, int64_t base_ticks) noexcept nogil:
    cdef int64_t twig, branch
    while side.root:
        twig = TW_LOWEST(side.root)
        branch = (twig << 6) | TW_LOWEST(side.twigs[twig])
        clear_page(side, (branch << 6) | TW_LOWEST(side.branches[branch]))
    side.best_index = -1
    side.level_count = 0
    side.base_ticks = min(base_ticks, <int64_t> LADDER_BASE_MAX) & ~(<int64_t> 63) if base_ticks > 0 else 0


cdef int check_base(int64_t base_ticks) except -1:
    if base_ticks < 0:
        raise ValueError("base_ticks is negative")
    if base_ticks > <int64_t> LADDER_BASE_MAX:
        raise ValueError(f"base_ticks {base_ticks} is above {<int64_t> LADDER_BASE_MAX}: the highest price would not be an int64")
    return 0


cdef class Ladder:
    """One side of a book for Python: prices in ticks, quantities in lots.

    `base_ticks` is the lowest price that can be held (rounded down to a multiple of 64); the highest is 2^24 - 1 above it.
    `pages_max` bounds the memory: 512 bytes for each page of 64 ticks that holds a level.
    """

    def __cinit__(self, bint is_bid, int64_t base_ticks=0, uint32_t pages_max=LADDER_PAGES):
        check_base(base_ticks)
        pool_init(&self.pool, pages_max)
        side_init(&self.side, &self.pool, is_bid)
        side_clear(&self.side, base_ticks)

    def __dealloc__(self):
        side_free(&self.side)
        pool_free(&self.pool)

    def set(self, int64_t price_ticks, int64_t qty_lots) -> None:
        """Set the quantity at a price, 0 removes it. OverflowError outside the ladder, MemoryError when the pool is used up."""
        cdef int verdict = self._set(price_ticks, qty_lots)
        if verdict == LADDER_OUT_OF_RANGE:
            raise OverflowError(
                f"price {price_ticks} is outside {self.side.base_ticks}..{self.side.base_ticks + LADDER_TICKS - 1}")
        if verdict == LADDER_POOL_EMPTY:
            raise MemoryError(f"all {self.pool.pages_max} pages hold levels")

    cdef int _set(self, int64_t price_ticks, int64_t qty_lots) except -1:
        if qty_lots < 0:
            raise ValueError(f"quantity {qty_lots} is negative")
        return side_set(&self.side, price_ticks, qty_lots)

    def apply(self, levels) -> None:
        """Set many levels, each (price_ticks, qty_lots)."""
        for price_ticks, qty_lots in levels:
            self.set(price_ticks, qty_lots)

    def apply_array(self, const int64_t[:, ::1] levels) -> int:
        """Set the rows (price_ticks, qty_lots) of an int64 array in one call; returns how many were outside the ladder."""
        if levels.shape[1] != 2:
            raise ValueError("a level is price_ticks, qty_lots")
        if levels.shape[0] == 0:
            return 0
        for i in range(levels.shape[0]):
            if levels[i, 1] < 0:
                raise ValueError(f"quantity {levels[i, 1]} is negative")
        cdef int64_t refused = side_apply(&self.side, <const Level*> &levels[0, 0], <uint32_t> levels.shape[0])
        if refused < 0:
            raise MemoryError(f"all {self.pool.pages_max} pages hold levels")
        return refused

    def clear(self, int64_t base_ticks=0) -> None:
        """Remove every level; `base_ticks` as for a new one. ValueError where it is negative or above 2^63 - 2^24."""
        check_base(base_ticks)
        side_clear(&self.side, base_ticks)

    @property
    def best(self) -> tuple | None:
        """(price_ticks, qty_lots) of the best level, or None."""
        cdef int64_t price_ticks = side_best(&self.side)
        return None if price_ticks < 0 else (price_ticks, side_qty(&self.side, price_ticks))

    def qty(self, int64_t price_ticks) -> int:
        return side_qty(&self.side, price_ticks)

    def next_worse(self, int64_t price_ticks) -> int | None:
        """The nearest occupied price worse than `price_ticks`, or None."""
        cdef int64_t found = side_next(&self.side, price_ticks)
        return None if found < 0 else found

    def levels(self, int depth=LADDER_TICKS) -> list:
        """Up to `depth` levels (price_ticks, qty_lots), best first."""
        cdef list found = []
        cdef int64_t price_ticks = side_best(&self.side)
        while price_ticks >= 0 and len(found) < depth:
            found.append((price_ticks, side_qty(&self.side, price_ticks)))
            price_ticks = side_next(&self.side, price_ticks)
        return found

    def walk(self, int64_t qty_lots, int depth) -> tuple:
        """Take `qty_lots` (at least 1) from the best `depth` levels: (ticks x lots, lots that they do not hold, last price reached or 0)."""
        cdef int64_t worst_ticks = 0
        cdef tw_wide_sum value
        if qty_lots < 1:
            raise ValueError(f"quantity {qty_lots} is not positive")
        value = side_walk(&self.side, depth, &qty_lots, &worst_ticks)
        return ((<object> TW_HIGH_HALF(value)) << 64) | TW_LOW_HALF(value), qty_lots, worst_ticks

    @property
    def pages_used(self) -> int:
        return self.pool.pages_used

    @property
    def base_ticks(self) -> int:
        return self.side.base_ticks

    def __len__(self) -> int:
        return self.side.level_count
