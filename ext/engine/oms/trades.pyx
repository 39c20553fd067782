"""The set of booked trades: open addressing over a bounded queue.

A venue's trade ids grow per symbol, so once the oldest are dropped every id at or below the highest dropped one is taken as seen.
Fills without an id of the venue's (engine.model.unnamed) are kept apart, bounded too; no id is below or above them.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from engine.model.unnamed cimport is_unnamed, order_tag, unnamed_cum_lots, unnamed_order_tag, unnamed_trade_id


cdef inline uint32_t _home(uint32_t instrument_id, int64_t trade_id, uint32_t mask) noexcept nogil:
    return <uint32_t> (((<uint64_t> trade_id * 31 + instrument_id) * <uint64_t> 0x9E3779B97F4A7C15) >> 32) & mask


cdef class TradeSet:
    """Remembers the last `capacity` trades (a power of two)."""

    def __cinit__(self, uint32_t capacity=65536):
        if capacity < 2 or capacity & (capacity - 1):
            raise ValueError(f"trade set: capacity {capacity} is not a power of two above 1")
        self.capacity = capacity
        self.mask = capacity * 2 - 1
        self.table = <TradeKey*> calloc(capacity * 2, sizeof(TradeKey))
        self.queue = <TradeKey*> calloc(capacity, sizeof(TradeKey))
        if not (self.table and self.queue):
            raise MemoryError("trade set")

    def __dealloc__(self):
        free(self.table)
        free(self.queue)

    cdef bint add(self, uint32_t instrument_id, int64_t trade_id, int64_t qty_lots) noexcept nogil:
        """False where it was there already."""
        cdef TradeKey key
        if self.has(instrument_id, trade_id):
            return False
        if is_unnamed(trade_id):
            self._note(instrument_id, unnamed_order_tag(trade_id), trade_id, qty_lots, unnamed_cum_lots(trade_id))
            return True
        if self.head - self.tail == self.capacity:
            self._drop(&self.queue[self.tail & (self.capacity - 1)])
            self.tail += 1
        key.trade_id = trade_id
        key.instrument_id = instrument_id
        key.is_used = 1
        self.table[self._place(instrument_id, trade_id)] = key
        self.queue[self.head & (self.capacity - 1)] = key
        self.head += 1
        if trade_id > self.newest[instrument_id % 512]:
            self.newest[instrument_id % 512] = trade_id
        return True

    cdef bint add_foreign(self, uint32_t instrument_id, int64_t venue_order_id, int64_t trade_id, int64_t qty_lots,
                          int64_t cum_lots) noexcept nogil:
        """`add` for an order that is not ours: False too where the fill was booked under another id, once without and once with one.

        `cum_lots`: the order's filled quantity after it, 0 where a list tells of it. It decides where one of the order's fills had no id:
        no more is booked than the venue has counted.
        """
        cdef uint32_t tag = order_tag(venue_order_id)
        if self.has(instrument_id, trade_id):
            return False
        if cum_lots == 0 and self._is_named_again(instrument_id, tag, trade_id, qty_lots):
            return False
        if self._is_covered(instrument_id, tag, qty_lots, cum_lots, is_unnamed(trade_id)):
            return False
        self.add(instrument_id, trade_id, qty_lots)
        if not is_unnamed(trade_id):
            self._note(instrument_id, tag, trade_id, qty_lots, cum_lots)
        return True

    cdef bint _is_named_again(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots) noexcept nogil:
        """A list names a fill that came without an id: one of the order's, as large, that no other id has been found for."""
        cdef uint64_t i
        cdef ForeignFill* fill
        cdef ForeignFill* match = NULL
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            fill = &self.foreign[i]
            if fill.instrument_id != instrument_id or fill.order_tag != tag or not is_unnamed(fill.trade_id):
                continue
            if fill.named_id == trade_id and trade_id > 0:
                return True
            if match == NULL and fill.named_id == 0 and fill.qty_lots == qty_lots:
                match = fill
        if match == NULL:
            return False
        match.named_id = trade_id
        return True

    cdef bint _is_covered(self, uint32_t instrument_id, uint32_t tag, int64_t qty_lots, int64_t cum_lots, bint has_unnamed) noexcept nogil:
        """All that the venue has counted of the order is booked; only of orders with a fill without an id."""
        cdef uint64_t i
        cdef const ForeignFill* fill
        cdef int64_t booked_lots = 0
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            fill = &self.foreign[i]
            if fill.instrument_id != instrument_id or fill.order_tag != tag:
                continue
            booked_lots += fill.qty_lots
            cum_lots = max(cum_lots, fill.cum_lots)
            has_unnamed = has_unnamed or is_unnamed(fill.trade_id)
        return has_unnamed and booked_lots > 0 and booked_lots + qty_lots > cum_lots

    cdef bint _has_unnamed(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil:
        cdef uint64_t i
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            if self.foreign[i].trade_id == trade_id and self.foreign[i].instrument_id == instrument_id:
                return True
        return False

    cdef void _note(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots, int64_t cum_lots) noexcept nogil:
        cdef ForeignFill* fill = &self.foreign[self.foreign_count & (FOREIGN_CAPACITY - 1)]
        fill.trade_id = trade_id
        fill.qty_lots = qty_lots
        fill.cum_lots = cum_lots
        fill.named_id = 0
        fill.instrument_id = instrument_id
        fill.order_tag = tag
        self.foreign_count += 1

    cdef bint has(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil:
        if is_unnamed(trade_id):
            return self._has_unnamed(instrument_id, trade_id)
        if trade_id <= self.forgotten_max[instrument_id % 512] and self.tail > 0:
            return True
        return self.table[self._place(instrument_id, trade_id)].is_used

    cdef uint32_t _place(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil:
        cdef uint32_t place = _home(instrument_id, trade_id, self.mask)
        while self.table[place].is_used and not (
                self.table[place].trade_id == trade_id and self.table[place].instrument_id == instrument_id):
            place = (place + 1) & self.mask
        return place

    cdef void _drop(self, const TradeKey* key) noexcept nogil:
        cdef uint32_t hole = self._place(key.instrument_id, key.trade_id), place = hole, home
        cdef uint32_t row = key.instrument_id % 512
        if key.trade_id > self.forgotten_max[row]:
            self.forgotten_max[row] = key.trade_id
        while True:
            place = (place + 1) & self.mask
            if not self.table[place].is_used:
                break
            home = _home(self.table[place].instrument_id, self.table[place].trade_id, self.mask)
            if ((place - home) & self.mask) >= ((place - hole) & self.mask):
                self.table[hole] = self.table[place]
                hole = place
        self.table[hole].is_used = 0

    def book(self, int instrument_id, int64_t trade_id, int64_t qty_lots=1) -> bool:
        """Add one from Python (tests): False where it was there."""
        return self.add(instrument_id, trade_id, qty_lots)

    def book_foreign(self, int instrument_id, int64_t venue_order_id, int64_t qty_lots, *, trade_id=None, cum_qty_lots=0) -> bool:
        """Add one of an order that is not ours (tests); without `trade_id` the venue gave none, `cum_qty_lots` 0: a list's."""
        cdef int64_t number = unnamed_trade_id(venue_order_id, cum_qty_lots) if trade_id is None else trade_id
        return self.add_foreign(instrument_id, venue_order_id, number, qty_lots, cum_qty_lots)
