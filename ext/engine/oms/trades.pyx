"""The set of booked trades: open addressing over a bounded queue.

A venue's trade ids grow per symbol, so once the oldest are dropped every id at or below the highest dropped one is taken as seen.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free


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

    cdef bint add(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil:
        """False where it was there already."""
        cdef TradeKey key
        if self.has(instrument_id, trade_id):
            return False
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

    cdef bint has(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil:
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

    def book(self, int instrument_id, int64_t trade_id) -> bool:
        """Add one from Python (tests): False where it was there."""
        return self.add(instrument_id, trade_id)
