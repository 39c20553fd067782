"""A level-2 book: see l2.pxd for the structure and what each function promises."""
cimport cython
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport NAN, isnan
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memmove, memset, strcmp

import numpy as np

from engine.book.ladder cimport (
    LADDER_FAULT_BEST, LADDER_FAULT_BITMAP, LADDER_FAULT_COUNT, LADDER_FAULT_PAGE, LADDER_FAULT_QUANTITY, LADDER_OK,
    LADDER_OUT_OF_RANGE, LADDER_PAGES, LADDER_TICKS, LadderSide, PagePool, SidedLevel, pool_free, pool_init, pool_prepare,
    check_base, side_apply, side_best, side_check, side_clear, side_free, side_init, side_qty, side_set, side_truncate, sides_apply,
)
from engine.model.records cimport Level

BID = 0
ASK = 1
LEVEL_ROW = np.dtype([("side", "<i8"), ("price_ticks", "<i8"), ("qty_lots", "<i8")])
FAULTS = {
    LADDER_FAULT_BITMAP: "bids: bitmap", LADDER_FAULT_PAGE: "bids: pages", LADDER_FAULT_QUANTITY: "bids: quantities",
    LADDER_FAULT_COUNT: "bids: level count", LADDER_FAULT_BEST: "bids: best price",
    LADDER_FAULT_BITMAP << 8: "asks: bitmap", LADDER_FAULT_PAGE << 8: "asks: pages",
    LADDER_FAULT_QUANTITY << 8: "asks: quantities", LADDER_FAULT_COUNT << 8: "asks: level count",
    LADDER_FAULT_BEST << 8: "asks: best price",
    L2_FAULT_CROSSED: "crossed", L2_FAULT_LOCKED: "locked", L2_FAULT_OWN_ORDER: "own levels",
}

cdef extern from *:
    """
    #define TW_LOW64(x) ((uint64_t)(x))
    #define TW_HIGH64(x) ((uint64_t)((x) >> 64))
    #define TW_DOUBLE(x) ((double)(x))
    """
    uint64_t TW_LOW64(tw_uwide) noexcept nogil
    uint64_t TW_HIGH64(tw_uwide) noexcept nogil
    double TW_DOUBLE(tw_uwide) noexcept nogil

cdef enum:
    OWN_CAPACITY_FIRST = 16


cdef int l2_init(L2* book, PagePool* pool) except -1:
    memset(book, 0, sizeof(L2))
    side_init(&book.sides[0], pool, True)
    side_init(&book.sides[1], pool, False)
    return 0


cdef void l2_free(L2* book) noexcept:
    cdef int side
    for side in range(2):
        if book.sides[side].slots != NULL:
            side_clear(&book.sides[side], 0)  # the pages are the pool's
        side_free(&book.sides[side])
        free(book.own[side].levels)
    memset(book, 0, sizeof(L2))


cdef void l2_clear(L2* book, int64_t base_ticks) noexcept nogil:
    side_clear(&book.sides[0], base_ticks)
    side_clear(&book.sides[1], base_ticks)
    book.update_id = 0
    book.far_levels = 0


cdef int64_t l2_base_around(int64_t price_ticks) noexcept nogil:
    return price_ticks - LADDER_TICKS / 2 if price_ticks > LADDER_TICKS / 2 else 0


cdef int l2_set(L2* book, int side, int64_t price_ticks, int64_t qty_lots) noexcept nogil:
    return side_set(&book.sides[side], price_ticks, qty_lots)


cdef int64_t l2_apply(L2* book, int side, const Level* levels, uint32_t count) noexcept nogil:
    cdef int64_t far = side_apply(&book.sides[side], levels, count)
    if far > 0:
        book.far_levels += <uint64_t> far
    return far


cdef int64_t l2_apply_rows(L2* book, const SidedLevel* rows, uint32_t count) noexcept nogil:
    cdef int64_t far = sides_apply(&book.sides[0], &book.sides[1], rows, count)
    if far > 0:
        book.far_levels += <uint64_t> far
    return far


# --- own orders --------------------------------------------------------------------------------------------------------


cdef inline bint is_worse(int side, int64_t price_ticks, int64_t other_ticks) noexcept nogil:
    return price_ticks > other_ticks if side else price_ticks < other_ticks


cdef uint32_t own_place(const L2* book, int side, int64_t price_ticks) noexcept nogil:
    """Where a price stands among the own levels, or would stand. They are few: from the front, where most orders are."""
    cdef const OwnLevels* own = &book.own[side]
    cdef uint32_t i = 0
    while i < own.count and is_worse(side, price_ticks, own.levels[i].price_ticks):
        i += 1
    return i


cdef bint own_reserve(OwnLevels* own) noexcept nogil:
    cdef uint32_t capacity = own.capacity * 2 if own.capacity else OWN_CAPACITY_FIRST
    cdef Level* grown
    if own.count < own.capacity:
        return True
    grown = <Level*> realloc(own.levels, capacity * sizeof(Level))
    if grown == NULL:
        return False
    own.levels = grown
    own.capacity = capacity
    return True


cdef bint l2_set_own(L2* book, int side, int64_t price_ticks, int64_t qty_lots) noexcept nogil:
    cdef OwnLevels* own = &book.own[side]
    cdef uint32_t at = own_place(book, side, price_ticks)
    cdef bint is_there = at < own.count and own.levels[at].price_ticks == price_ticks
    if qty_lots == 0:
        if is_there:
            own.count -= 1
            memmove(&own.levels[at], &own.levels[at + 1], (own.count - at) * sizeof(Level))
        return True
    if not is_there:
        if not own_reserve(own):
            return False
        memmove(&own.levels[at + 1], &own.levels[at], (own.count - at) * sizeof(Level))
        own.count += 1
        own.levels[at].price_ticks = price_ticks
    own.levels[at].qty_lots = qty_lots
    return True


cdef int64_t own_qty(const L2* book, int side, int64_t price_ticks) noexcept nogil:
    cdef uint32_t at = own_place(book, side, price_ticks)
    if at < book.own[side].count and book.own[side].levels[at].price_ticks == price_ticks:
        return book.own[side].levels[at].qty_lots
    return 0


cdef bint own_is_sorted(const L2* book, int side) noexcept nogil:
    cdef const OwnLevels* own = &book.own[side]
    cdef uint32_t i
    for i in range(own.count):
        if own.levels[i].qty_lots <= 0:
            return False
        if i and not is_worse(side, own.levels[i].price_ticks, own.levels[i - 1].price_ticks):
            return False
    return True


# --- views -------------------------------------------------------------------------------------------------------------


cdef int64_t l2_qty(const L2* book, int side, int64_t price_ticks, bint net) noexcept nogil:
    cdef int64_t qty_lots = side_qty(&book.sides[side], price_ticks)
    if net:
        qty_lots -= own_qty(book, side, price_ticks)
    return qty_lots if qty_lots > 0 else 0


cdef bint l2_best(const L2* book, int side, bint net, Level* out) noexcept nogil:
    cdef L2Cursor cursor
    l2_open(&cursor, book, side, net)
    return l2_next(&cursor, out)


cdef int l2_read(const L2* book, int side, int depth, bint net, Level* out) noexcept nogil:
    cdef L2Cursor cursor
    cdef int done = 0
    l2_open(&cursor, book, side, net)
    while done < depth and l2_next(&cursor, &out[done]):
        done += 1
    return done


cdef int l2_cumulative(const L2* book, int side, int depth, bint net, Level* out) noexcept nogil:
    cdef uint64_t sum_lots = 0
    cdef int i, count = l2_read(book, side, depth, net, out)
    for i in range(count):
        sum_lots += <uint64_t> out[i].qty_lots  # two positive int64 cannot wrap, and beyond one we stop
        if sum_lots > <uint64_t> 0x7FFFFFFFFFFFFFFF:
            return -1
        out[i].qty_lots = <int64_t> sum_lots
    return count


cdef void l2_sweep(const L2* book, int side, int64_t qty_lots, bint net, Sweep* out) noexcept nogil:
    cdef L2Cursor cursor
    cdef Level level
    cdef int64_t left = qty_lots, taken
    out.worst_ticks = -1
    out.levels = 0
    out.value = 0
    l2_open(&cursor, book, side, net)
    while left > 0 and l2_next(&cursor, &level):
        taken = level.qty_lots if level.qty_lots < left else left
        out.value += (<tw_uwide> level.price_ticks) * (<tw_uwide> taken)
        out.worst_ticks = level.price_ticks
        out.levels += 1
        left -= taken
    out.filled_lots = qty_lots - left if qty_lots > 0 else 0


cdef double l2_average(const Sweep* sweep) noexcept nogil:
    return TW_DOUBLE(sweep.value) / <double> sweep.filled_lots if sweep.filled_lots > 0 else NAN


cdef tw_uwide l2_lots(const L2* book, int side, int depth, bint net) noexcept nogil:
    cdef L2Cursor cursor
    cdef Level level
    cdef tw_uwide sum_lots = 0
    cdef int done = 0
    l2_open(&cursor, book, side, net)
    while done < depth and l2_next(&cursor, &level):
        sum_lots += <tw_uwide> level.qty_lots
        done += 1
    return sum_lots


cdef double l2_imbalance(const L2* book, int depth, bint net) noexcept nogil:
    cdef tw_uwide bids = l2_lots(book, 0, depth, net), asks = l2_lots(book, 1, depth, net), total = bids + asks
    if total == 0:
        return NAN
    if bids >= asks:
        return TW_DOUBLE(bids - asks) / TW_DOUBLE(total)
    return -(TW_DOUBLE(asks - bids) / TW_DOUBLE(total))


cdef double l2_microprice(const L2* book, bint net) noexcept nogil:
    cdef Level bid, ask
    cdef tw_uwide value
    if not (l2_best(book, 0, net, &bid) and l2_best(book, 1, net, &ask)):
        return NAN
    value = ((<tw_uwide> bid.price_ticks) * (<tw_uwide> ask.qty_lots)
             + (<tw_uwide> ask.price_ticks) * (<tw_uwide> bid.qty_lots))
    return TW_DOUBLE(value) / TW_DOUBLE((<tw_uwide> bid.qty_lots) + (<tw_uwide> ask.qty_lots))


cdef int64_t l2_doubled_mid(const L2* book, bint net) noexcept nogil:
    cdef Level bid, ask
    if not (l2_best(book, 0, net, &bid) and l2_best(book, 1, net, &ask)):
        return -1
    return bid.price_ticks + ask.price_ticks


cdef uint32_t l2_check(const L2* book) noexcept nogil:
    cdef uint32_t faults = side_check(&book.sides[0]) | (side_check(&book.sides[1]) << 8)
    cdef int64_t bid = side_best(&book.sides[0]), ask = side_best(&book.sides[1])
    if bid >= 0 and ask >= 0 and bid >= ask:
        faults |= L2_FAULT_LOCKED if bid == ask else L2_FAULT_CROSSED
    if not (own_is_sorted(book, 0) and own_is_sorted(book, 1)):
        faults |= L2_FAULT_OWN_ORDER
    return faults


# --- for Python --------------------------------------------------------------------------------------------------------


cdef object wide_int(tw_uwide value):
    cdef uint64_t high = TW_HIGH64(value), low = TW_LOW64(value)
    return low if high == 0 else (<object> high << 64) | low


cdef inline object number_or_none(double value):
    return None if isnan(value) else value


cdef inline int checked_side(long side) except -1:
    if side != 0 and side != 1:
        raise ValueError(f"side {side} is neither 0 (bid) nor 1 (ask)")
    return <int> side


cdef inline int checked_depth(Py_ssize_t depth) except -1:
    if depth < 0:
        raise ValueError(f"depth {depth} is negative")
    return <int> (depth if depth < LADDER_TICKS else LADDER_TICKS)


cdef class LevelPool:
    """Pages of levels that several books share: 512 bytes for each 64 ticks that hold a level, `pages_max` of them at most.

    `pages_ready` are made at once; the rest when they are needed, 256 at a time.
    """

    def __cinit__(self, uint32_t pages_max=LADDER_PAGES, uint32_t pages_ready=0):
        pool_init(&self.pool, pages_max)
        if pool_prepare(&self.pool, pages_ready) < min(pages_ready, pages_max):
            raise MemoryError("pages")

    def __dealloc__(self):
        pool_free(&self.pool)

    @property
    def pages_used(self) -> int:
        return self.pool.pages_used

    @property
    def pages_max(self) -> int:
        return self.pool.pages_max


@cython.no_gc_clear  # the levels go back to the pool when the book goes, so the pool must be there still
cdef class L2Book:
    """A book of one instrument: prices in ticks, quantities in lots, side 0 (BID) or 1 (ASK).

    Prices from `base_ticks` (rounded down to a multiple of 64) to 2^24 - 1 above it can be held. Where a method takes `net`, true
    asks for the book without own orders (`set_own`). ValueError for a side, depth or quantity that makes no sense.
    """

    def __cinit__(self, LevelPool pool=None, int64_t base_ticks=0):
        check_base(base_ticks)
        self.pool = LevelPool() if pool is None else pool
        l2_init(&self.book, &self.pool.pool)
        l2_clear(&self.book, base_ticks)

    def __dealloc__(self):
        l2_free(&self.book)

    # --- what changes it ---------------------------------------------------------------------------------------------

    def set(self, int side, int64_t price_ticks, int64_t qty_lots) -> None:
        """Set the quantity at a price, 0 removes it. OverflowError outside the ladders, MemoryError when the pool is used up."""
        if (side | 1) != 1 or qty_lots < 0:
            self._refuse_level(side, qty_lots)
        cdef int verdict = side_set(&self.book.sides[side], price_ticks, qty_lots)
        if verdict != LADDER_OK:
            self._raise_verdict(verdict, price_ticks)

    cdef int _refuse_level(self, int side, int64_t qty_lots) except -1:
        checked_side(side)
        raise ValueError(f"quantity {qty_lots} is negative")

    cdef int _raise_verdict(self, int verdict, int64_t price_ticks) except -1:
        cdef int64_t base_ticks = self.book.sides[0].base_ticks
        if verdict == LADDER_OUT_OF_RANGE:
            raise OverflowError(f"price {price_ticks} is outside {base_ticks}..{base_ticks + LADDER_TICKS - 1}")
        raise MemoryError(f"all {self.pool.pool.pages_max} pages hold levels")

    def apply(self, rows) -> int:
        """Set the rows (side, price_ticks, qty_lots) of a C-contiguous array: int64 of shape (n, 3), or (n,) of LEVEL_ROW.

        Returns how many lay outside the ladders; those are left out and counted in `far_levels`. A row that makes no sense refuses
        the whole array (ValueError). MemoryError when the pool is used up; what stands behind is then not applied.
        """
        cdef Py_buffer view
        cdef int64_t far
        PyObject_GetBuffer(rows, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        try:
            far = self._apply_view(&view)
        finally:
            PyBuffer_Release(&view)
        return far

    cdef int64_t _apply_view(self, const Py_buffer* view) except -2:
        cdef const SidedLevel* rows = <const SidedLevel*> view.buf
        cdef int64_t count = rows_of(view), i, bad = 0
        for i in range(count):
            bad |= (rows[i].side & ~(<int64_t> 1)) | (rows[i].qty_lots & (<int64_t> 1 << 63))
        if bad:
            raise ValueError("a row has a side that is neither 0 nor 1, or a negative quantity")
        cdef int64_t far = l2_apply_rows(&self.book, rows, <uint32_t> count)
        if far < 0:
            raise MemoryError(f"all {self.pool.pool.pages_max} pages hold levels")
        return far

    def apply_side(self, int side, const int64_t[:, ::1] levels) -> int:
        """As `apply`, for rows (price_ticks, qty_lots) of one side, int64 of shape (n, 2)."""
        cdef Py_ssize_t i
        cdef int64_t far
        checked_side(side)
        if levels.shape[1] != 2:
            raise ValueError("a level is price_ticks, qty_lots")
        for i in range(levels.shape[0]):
            if levels[i, 1] < 0:
                raise ValueError(f"quantity {levels[i, 1]} is negative")
        if levels.shape[0] == 0:
            return 0
        far = l2_apply(&self.book, side, <const Level*> &levels[0, 0], <uint32_t> levels.shape[0])
        if far < 0:
            raise MemoryError(f"all {self.pool.pool.pages_max} pages hold levels")
        return far

    def clear(self, int64_t base_ticks=0) -> None:
        """Remove every level, not the own quantities; lay the ladders from `base_ticks` on. ValueError where it is negative or
        above 2^63 - 2^24, where the highest price would not be an int64."""
        check_base(base_ticks)
        l2_clear(&self.book, base_ticks)

    def clear_around(self, int64_t price_ticks) -> None:
        """`clear` with `price_ticks` in the middle of the ladders."""
        l2_clear(&self.book, l2_base_around(price_ticks))

    def truncate(self, Py_ssize_t depth) -> int:
        """Drop what lies deeper than `depth` levels on either side: for feeds that tell no more of it. Returns how many went."""
        cdef int levels_max = checked_depth(depth)
        return side_truncate(&self.book.sides[0], levels_max) + side_truncate(&self.book.sides[1], levels_max)

    def set_own(self, int side, int64_t price_ticks, int64_t qty_lots) -> None:
        """Own resting quantity at a price, 0 for none more."""
        checked_side(side)
        if qty_lots < 0:
            raise ValueError(f"quantity {qty_lots} is negative")
        if not l2_set_own(&self.book, side, price_ticks, qty_lots):
            raise MemoryError("own levels")

    def own_levels(self, int side) -> list:
        """Own levels (price_ticks, qty_lots), best first."""
        cdef const OwnLevels* own = &self.book.own[checked_side(side)]
        return [(own.levels[i].price_ticks, own.levels[i].qty_lots) for i in range(own.count)]

    # --- what it tells -----------------------------------------------------------------------------------------------

    def best(self, int side, bint net=False) -> tuple | None:
        """(price_ticks, qty_lots) of the best level, or None."""
        cdef Level level
        if not l2_best(&self.book, checked_side(side), net, &level):
            return None
        return level.price_ticks, level.qty_lots

    def qty(self, int side, int64_t price_ticks, bint net=False) -> int:
        """Quantity at a price, 0 where there is none."""
        return l2_qty(&self.book, checked_side(side), price_ticks, net)

    def depth(self, int side, Py_ssize_t depth, bint net=False) -> object:
        """Up to `depth` levels, best first: int64 of shape (k, 2), rows (price_ticks, qty_lots)."""
        return self._array(checked_side(side), checked_depth(depth), net, False)

    def cumulative(self, int side, Py_ssize_t depth, bint net=False) -> object:
        """As `depth`, with the quantity of all levels so far. OverflowError where that passes 2^63 - 1."""
        return self._array(checked_side(side), checked_depth(depth), net, True)

    cdef object _array(self, int side, int depth, bint net, bint is_cumulative):
        cdef int room = min(<uint32_t> depth, self.book.sides[side].level_count), count
        cdef object found = np.empty((room, 2), np.int64)
        cdef int64_t[:, ::1] rows = found
        if room == 0:
            return found
        count = self._fill(side, room, net, is_cumulative, <Level*> &rows[0, 0])
        return found if count == room else found[:count]

    cdef int _fill(self, int side, int depth, bint net, bint is_cumulative, Level* out) except -1:
        cdef int count
        if is_cumulative:
            count = l2_cumulative(&self.book, side, depth, net, out)
        else:
            count = l2_read(&self.book, side, depth, net, out)
        if count < 0:
            raise OverflowError("the quantities sum up to more than 2^63 - 1 lots")
        return count

    def depth_into(self, int side, int64_t[:, ::1] out, bint net=False) -> int:
        """`depth` into the rows of an int64 array of shape (n, 2); returns how many rows are filled. No allocation."""
        if out.shape[1] != 2:
            raise ValueError("a level is price_ticks, qty_lots")
        if out.shape[0] == 0:
            return 0
        return l2_read(&self.book, checked_side(side), checked_depth(out.shape[0]), net, <Level*> &out[0, 0])

    def cumulative_into(self, int side, int64_t[:, ::1] out, bint net=False) -> int:
        """`cumulative` into the rows of an int64 array, as `depth_into`."""
        if out.shape[1] != 2:
            raise ValueError("a level is price_ticks, qty_lots")
        if out.shape[0] == 0:
            return 0
        return self._fill(checked_side(side), checked_depth(out.shape[0]), net, True, <Level*> &out[0, 0])

    def levels(self, int side, Py_ssize_t depth=LADDER_TICKS, bint net=False) -> list:
        """`depth` as a list of tuples (price_ticks, qty_lots)."""
        cdef L2Cursor cursor
        cdef Level level
        cdef list found = []
        cdef int left = checked_depth(depth)
        l2_open(&cursor, &self.book, checked_side(side), net)
        while left > 0 and l2_next(&cursor, &level):
            found.append((level.price_ticks, level.qty_lots))
            left -= 1
        return found

    def sweep(self, int side, int64_t qty_lots, bint net=False) -> tuple:
        """Taking `qty_lots` from a side: (filled_lots, value in ticks x lots, worst price or None, prices touched). Exact."""
        cdef Sweep found
        if qty_lots < 0:
            raise ValueError(f"quantity {qty_lots} is negative")
        l2_sweep(&self.book, checked_side(side), qty_lots, net, &found)
        return (found.filled_lots, wide_int(found.value), None if found.worst_ticks < 0 else found.worst_ticks, found.levels)

    def average_price(self, int side, int64_t qty_lots, bint net=False) -> float | None:
        """Volume-weighted price in ticks of taking `qty_lots`; None where the side does not hold as much. `sweep` has it exactly."""
        cdef Sweep found
        l2_sweep(&self.book, checked_side(side), qty_lots, net, &found)
        return number_or_none(l2_average(&found)) if found.filled_lots == qty_lots else None

    def price_for(self, int side, int64_t qty_lots, bint net=False) -> int | None:
        """The limit that taking `qty_lots` needs: the worst price touched, in ticks. None where the side does not hold as much."""
        cdef Sweep found
        l2_sweep(&self.book, checked_side(side), qty_lots, net, &found)
        return found.worst_ticks if found.filled_lots == qty_lots and found.worst_ticks >= 0 else None

    def lots(self, int side, Py_ssize_t depth, bint net=False) -> int:
        """Quantity of the best `depth` levels. Exact, may pass 2^63."""
        return wide_int(l2_lots(&self.book, checked_side(side), checked_depth(depth), net))

    def imbalance(self, Py_ssize_t depth=1, bint net=False) -> float | None:
        """(bids - asks) / (bids + asks) over the best `depth` levels, -1 to 1; None where both sides are empty."""
        return number_or_none(l2_imbalance(&self.book, checked_depth(depth), net))

    def microprice(self, bint net=False) -> float | None:
        """Best prices weighted with the opposite best quantities, in ticks; None where a side is empty."""
        return number_or_none(l2_microprice(&self.book, net))

    def spread(self, bint net=False) -> int | None:
        """Best ask less best bid, in ticks; negative where the book is crossed, None where a side is empty."""
        cdef Level bid, ask
        if not (l2_best(&self.book, 0, net, &bid) and l2_best(&self.book, 1, net, &ask)):
            return None
        return ask.price_ticks - bid.price_ticks

    def doubled_mid(self, bint net=False) -> int | None:
        """Best bid plus best ask, in ticks: twice the mid, exactly. None where a side is empty."""
        cdef int64_t found = l2_doubled_mid(&self.book, net)
        return None if found < 0 else found

    def mid(self, bint net=False) -> float | None:
        """The middle between the best prices, in ticks; None where a side is empty."""
        cdef int64_t found = l2_doubled_mid(&self.book, net)
        return None if found < 0 else found * 0.5

    def check(self) -> tuple:
        """What is wrong with the book: the FAULTS found, in words; empty where all is well. Reads everything, some milliseconds."""
        cdef uint32_t faults = l2_check(&self.book)
        return tuple(text for bit, text in FAULTS.items() if faults & <uint32_t> bit)

    def level_count(self, int side) -> int:
        return self.book.sides[checked_side(side)].level_count

    @property
    def base_ticks(self) -> int:
        return self.book.sides[0].base_ticks

    @property
    def far_levels(self) -> int:
        """Levels that lay outside the ladders since the last clear, and are not kept."""
        return self.book.far_levels

    @property
    def update_id(self) -> int:
        return self.book.update_id

    @update_id.setter
    def update_id(self, uint64_t value):
        self.book.update_id = value


cdef int64_t rows_of(const Py_buffer* view) except -1:
    """How many rows a buffer holds, where its items are those of `apply`."""
    if view.ndim == 2 and view.shape[1] == 3 and view.itemsize == 8 and (
            strcmp(view.format, b"l") == 0 or strcmp(view.format, b"q") == 0):
        return view.shape[0]
    if view.ndim == 1 and view.itemsize == 24 and (
            strcmp(view.format, b"T{l:side:l:price_ticks:l:qty_lots:}") == 0
            or strcmp(view.format, b"T{q:side:q:price_ticks:q:qty_lots:}") == 0):
        return view.shape[0]
    raise ValueError("rows are int64 of shape (n, 3): side, price_ticks, qty_lots; or LEVEL_ROW of shape (n,)")
