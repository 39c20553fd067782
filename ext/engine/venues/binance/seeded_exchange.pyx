"""A seeded exchange at C speed that writes depth frames of one symbol and knows its own book: the truth for runs of millions.

Shipped for the tests, beside the slow exchange in Python that says the same with less speed; the engine does not call it. Ticks and
lots are 0.01. `compare` tells whether the engine's table shows the book as it was behind the update that it names.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from engine.model.bookreader cimport BookReader
from engine.model.records cimport Level
from engine.model.tables cimport Tables

cdef enum:
    PRICES = 4096            # the book lives within base_ticks .. base_ticks + PRICES
    DEPTH = 8
    HISTORY = 256
    LEVELS_MAX = 96
    FRAME_BYTES = 16384

cdef struct Change:
    int64_t price_ticks
    int64_t qty_lots

cdef struct Top:
    uint64_t update_id
    Level[2][DEPTH] levels
    int[2] counts


cdef class SeededExchange:
    """One symbol; `futures` chains updates by `pu`. `step` makes the next update, `frame` writes it."""
    cdef uint64_t _state
    cdef bint _is_futures
    cdef bytes _symbol
    cdef int64_t _base_ticks
    cdef int64_t _middle
    cdef int64_t[2][PRICES] _qty
    cdef Change[2][LEVELS_MAX] _changes
    cdef int[2] _counts
    cdef readonly uint64_t first_id
    cdef readonly uint64_t update_id
    cdef readonly uint64_t previous_id
    cdef Top[HISTORY] _tops
    cdef char[FRAME_BYTES] _text

    def __init__(self, uint64_t seed, str symbol="BTCUSDT", *, bint futures=False):
        cdef int i
        self._state = seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL
        self._is_futures = futures
        self._symbol = symbol.encode()
        self._base_ticks = 98_000
        self._middle = PRICES / 2
        for i in range(DEPTH):
            self._set(0, self._middle - 1 - i, 100)
            self._set(1, self._middle + 1 + i, 100)
        self.first_id = self.update_id = 1
        self._remember()

    cdef uint64_t _dice(self, uint64_t sides) noexcept nogil:
        self._state ^= self._state << 13
        self._state ^= self._state >> 7
        self._state ^= self._state << 17
        return (self._state >> 16) % sides

    cdef void _set(self, int side, int64_t place, int64_t qty_lots) noexcept nogil:
        """Set a level and note it for the frame; a place named twice keeps the last."""
        cdef int i
        cdef Change* changes = self._changes[side]
        if place < 0 or place >= PRICES:
            return
        self._qty[side][place] = qty_lots
        for i in range(self._counts[side]):
            if changes[i].price_ticks == self._base_ticks + place:
                changes[i].qty_lots = qty_lots
                return
        if self._counts[side] < LEVELS_MAX:
            changes[self._counts[side]].price_ticks = self._base_ticks + place
            changes[self._counts[side]].qty_lots = qty_lots
            self._counts[side] += 1

    cpdef void step(self):
        """The next update: the middle moves, what it would cross goes, some levels around it change."""
        cdef int64_t place, move = <int64_t> self._dice(5) - 2
        cdef int i
        self._counts[0] = self._counts[1] = 0
        if not 64 < self._middle + move < PRICES - 64:
            move = 0
        for i in range(<int> (move if move > 0 else -move) + 1):
            # bids at or above and asks at or below the new middle
            place = self._middle + i if move > 0 else self._middle - i
            if self._qty[move > 0][place]:
                self._set(move > 0, place, 0)
        self._middle += move
        for i in range(2):
            if self._qty[i][self._middle]:
                self._set(i, self._middle, 0)
        for i in range(1 + <int> self._dice(4)):
            place = 1 + <int64_t> self._dice(30)
            if self._dice(2):
                self._set(0, self._middle - place, <int64_t> (self._dice(3) * self._dice(9999)))
            else:
                self._set(1, self._middle + place, <int64_t> (self._dice(3) * self._dice(9999)))
        self._set(0, self._middle - DEPTH, 1 + <int64_t> self._dice(99))
        self._set(1, self._middle + DEPTH, 1 + <int64_t> self._dice(99))
        self.previous_id = self.update_id
        self.first_id = self.update_id + 1 + (self._dice(6) if self._is_futures else 0)
        self.update_id = self.first_id + self._dice(10)
        self._remember()

    cdef void _remember(self) noexcept nogil:
        cdef Top* top = &self._tops[self.update_id % HISTORY]
        cdef int64_t place
        cdef int side
        top.update_id = self.update_id
        for side in range(2):
            top.counts[side] = 0
            place = self._middle
            while 0 <= place < PRICES and top.counts[side] < DEPTH:
                if self._qty[side][place]:
                    top.levels[side][top.counts[side]].price_ticks = self._base_ticks + place
                    top.levels[side][top.counts[side]].qty_lots = self._qty[side][place]
                    top.counts[side] += 1
                place += 1 if side else -1

    # --- what is sent ----------------------------------------------------------------------------------------------------

    cdef int _write_levels(self, char* text, size_t room, int side) noexcept nogil:
        cdef int i, size = 0
        cdef Change* row
        for i in range(self._counts[side]):
            row = &self._changes[side][i]
            size += snprintf(text + size, room - size, b'%s["%lld.%02lld","%lld.%02lld"]', b"," if i else b"",
                             <long long> (row.price_ticks / 100), <long long> (row.price_ticks % 100),
                             <long long> (row.qty_lots / 100), <long long> (row.qty_lots % 100))
        return size

    def frame(self) -> bytes:
        """The latest update as a depthUpdate."""
        cdef char* text = self._text
        cdef int size = snprintf(text, FRAME_BYTES, b'{"e":"depthUpdate","E":1700000000000,"s":"%s","U":%llu,"u":%llu',
                                 <char*> self._symbol, <unsigned long long> self.first_id, <unsigned long long> self.update_id)
        if self._is_futures:
            size += snprintf(text + size, FRAME_BYTES - size, b',"pu":%llu', <unsigned long long> self.previous_id)
        size += snprintf(text + size, FRAME_BYTES - size, b',"b":[')
        size += self._write_levels(text + size, FRAME_BYTES - size, 0)
        size += snprintf(text + size, FRAME_BYTES - size, b'],"a":[')
        size += self._write_levels(text + size, FRAME_BYTES - size, 1)
        size += snprintf(text + size, FRAME_BYTES - size, b']}')
        return text[:size]

    def ticker(self) -> bytes:
        """A bookTicker at the latest update."""
        cdef Level* bid = &self._tops[self.update_id % HISTORY].levels[0][0]
        cdef Level* ask = &self._tops[self.update_id % HISTORY].levels[1][0]
        return b'{"u":%d,"s":"%s","b":"%d.%02d","B":"%d.%02d","a":"%d.%02d","A":"%d.%02d"}' % (
            self.update_id, self._symbol, bid.price_ticks // 100, bid.price_ticks % 100, bid.qty_lots // 100, bid.qty_lots % 100,
            ask.price_ticks // 100, ask.price_ticks % 100, ask.qty_lots // 100, ask.qty_lots % 100)

    def snapshot(self) -> bytes:
        """GET depth now."""
        cdef list sides = []
        for side in range(2):
            rows = self.levels(side)
            sides.append(b",".join([b'["%d.%02d","%d.%02d"]' % (price // 100, price % 100, qty // 100, qty % 100)
                                    for price, qty in rows]))
        return b'{"lastUpdateId":%d,"bids":[%s],"asks":[%s]}' % (self.update_id, sides[0], sides[1])

    def levels(self, int side) -> list:
        """The whole side, (price_ticks, qty_lots), best first."""
        found = []
        cdef int64_t place = self._middle
        while 0 <= place < PRICES:
            if self._qty[side][place]:
                found.append((self._base_ticks + place, self._qty[side][place]))
            place += 1 if side else -1
        return found

    # --- what is true ----------------------------------------------------------------------------------------------------

    def compare(self, Tables tables not None, BookReader reader not None, uint32_t instrument_id, uint64_t ladder_id) -> int:
        """1: the table's best levels, and the ladders' top behind `ladder_id`, are the exchange's; 0: they are not; -1: the
        updates that they name are forgotten or never were."""
        cdef Top* top = &self._tops[tables.markets[instrument_id].update_id % HISTORY]
        cdef Level[DEPTH] found
        cdef int side, count, i
        if top.update_id != tables.markets[instrument_id].update_id:
            return -1
        if (tables.markets[instrument_id].best_bid_ticks != top.levels[0][0].price_ticks
                or tables.markets[instrument_id].best_bid_lots != top.levels[0][0].qty_lots
                or tables.markets[instrument_id].best_ask_ticks != top.levels[1][0].price_ticks
                or tables.markets[instrument_id].best_ask_lots != top.levels[1][0].qty_lots):
            return 0
        top = &self._tops[ladder_id % HISTORY]
        if top.update_id != ladder_id:
            return -1
        for side in range(2):
            count = reader.read_levels(instrument_id, side, DEPTH, found)
            if count != top.counts[side]:
                return 0
            for i in range(count):
                if found[i].price_ticks != top.levels[side][i].price_ticks or found[i].qty_lots != top.levels[side][i].qty_lots:
                    return 0
        return 1
