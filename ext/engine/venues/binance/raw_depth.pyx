"""Depth frames and snapshots of Binance, as they came from the socket, straight into level-2 books.

A frame is read whole by the market codec (bounds, format, ticks and lots) before the book is touched: what is malformed leaves the
book as it was. Diffs are linked by the exchange's own rule ("How to manage a local order book correctly"): spot chains `U` to
the last `u`, USD-M chains `pu`; the first diff behind a snapshot reaches over it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from engine.book.l2 cimport L2Book, l2_apply, l2_base_around, l2_clear
from engine.model.codes import FrameFault
from engine.model.codes cimport FRAME_FAULT_NUMBER, RECORD_KIND_DEPTH_DIFF, RECORD_KIND_DEPTH_SNAPSHOT
from engine.model.records cimport DepthPayload, Level
from engine.model.tables cimport INSTRUMENT_CAPACITY
from engine.venues.binance.market_codec cimport MarketCodec

APPLIED = RAW_APPLIED
OTHER = RAW_OTHER
OLD = RAW_OLD
NO_SNAPSHOT = RAW_NO_SNAPSHOT
GAP = RAW_GAP
REFUSED = RAW_REFUSED
POOL_EMPTY = RAW_POOL_EMPTY

cdef enum:
    FAULT_NO_MEMORY = 100
    CAPACITY_FIRST = 65536

# why a frame was refused: FrameFault by name, and what no frame is to blame for
REASONS = {int(fault): fault.name for fault in FrameFault} | {int(FrameFault.NONE): "", FAULT_NO_MEMORY: "NO_MEMORY"}


cdef inline const Level* levels_of(const DepthPayload* depth) noexcept nogil:
    return <const Level*> (<const char*> depth + sizeof(DepthPayload))


cdef bint prices_are_positive(const DepthPayload* depth) noexcept nogil:
    cdef const Level* levels = levels_of(depth)
    cdef int64_t bad = 0
    cdef uint32_t i
    for i in range(depth.bid_count + depth.ask_count):
        bad |= levels[i].price_ticks - 1
    return bad >= 0


cdef inline bint is_old(const RawBook* raw, const DepthPayload* depth) noexcept nogil:
    """Nothing in it that the book does not hold. USD-M wants the diff that contains the snapshot's id itself."""
    if raw.counts_previous_id and raw.phase == RAW_LINKING:
        return depth.last_update_id < raw.book.update_id
    return depth.last_update_id <= raw.book.update_id


cdef inline bint links(const RawBook* raw, const DepthPayload* depth) noexcept nogil:
    if not raw.counts_previous_id:
        return depth.first_update_id <= raw.book.update_id + 1
    if raw.phase == RAW_LINKING and depth.first_update_id <= raw.book.update_id:
        return True
    return depth.previous_update_id <= raw.book.update_id


cdef int apply_levels(RawBook* raw, const DepthPayload* depth) noexcept nogil:
    cdef const Level* levels = levels_of(depth)
    if (l2_apply(raw.book, 0, levels, depth.bid_count) < 0
            or l2_apply(raw.book, 1, levels + depth.bid_count, depth.ask_count) < 0):
        raw.phase = RAW_WAITING
        return RAW_POOL_EMPTY
    raw.book.update_id = depth.last_update_id
    return RAW_APPLIED


cdef class RawDepth:
    """Feed raw bytes to the books of the instruments that `codec` knows; `attach` names a book for each.

    `apply` and `snapshot` return a verdict: APPLIED, OTHER, OLD, NO_SNAPSHOT, GAP, REFUSED (see `reason`) or POOL_EMPTY.
    """

    def __cinit__(self, MarketCodec codec not None):
        self.codec = codec
        self.attached = {}
        self.books = <RawBook*> calloc(INSTRUMENT_CAPACITY, sizeof(RawBook))
        if self.books == NULL or not self.reserve(CAPACITY_FIRST):
            raise MemoryError("raw depth")

    def __dealloc__(self):
        free(self.books)
        free(self.payload)

    def attach(self, str symbol, L2Book book not None) -> int:
        """Keep `book` by the frames of this symbol from its next snapshot on; returns the instrument id. KeyError: not of the tables."""
        cdef uint32_t instrument_id = self.codec.add(symbol)
        cdef RawBook* raw = &self.books[instrument_id]
        raw.counts_previous_id = self.codec.tables.instruments[instrument_id].kind != 0
        raw.phase = RAW_WAITING
        raw.book = &book.book
        self.attached[instrument_id] = book
        return instrument_id

    def apply(self, bytes frame not None) -> int:
        """One frame of the socket, alone or in the combined wrapper. A frame that is not APPLIED leaves its book as it was, but for
        POOL_EMPTY, behind which the book waits for a snapshot."""
        return self.apply_bytes(frame, len(frame))

    def snapshot(self, uint32_t instrument_id, bytes body not None) -> int:
        """The body of GET depth: the book becomes this, its ladders laid around the best bid. OLD where the book is newer."""
        if instrument_id not in self.attached:
            raise KeyError(instrument_id)
        return self.snapshot_bytes(instrument_id, body, len(body))

    cdef bint reserve(self, Py_ssize_t size) noexcept nogil:
        """Room for what a frame of this size can hold."""
        cdef uint32_t need = self.codec.payload_size_max(size)
        cdef char* grown
        if need <= self.capacity:
            return True
        grown = <char*> realloc(self.payload, need)
        if grown == NULL:
            return False
        self.payload = grown
        self.capacity = need
        return True

    cdef int refuse_frame(self) noexcept nogil:
        self.refused += 1
        return RAW_REFUSED

    cdef int apply_bytes(self, const char* data, Py_ssize_t size) noexcept nogil:
        cdef RawBook* raw
        if not self.reserve(size):
            self.decoded.fault = FAULT_NO_MEMORY
            return self.refuse_frame()
        self.codec.decode(data, size, self.payload, self.capacity, &self.decoded)
        if self.decoded.fault:
            return self.refuse_frame()
        raw = &self.books[self.decoded.instrument_id]
        if self.decoded.kind != RECORD_KIND_DEPTH_DIFF or raw.book == NULL:
            return RAW_OTHER
        if not prices_are_positive(<const DepthPayload*> self.payload):
            self.decoded.fault = FRAME_FAULT_NUMBER
            return self.refuse_frame()
        return self.apply_diff(raw)

    cdef int apply_diff(self, RawBook* raw) noexcept nogil:
        cdef const DepthPayload* depth = <const DepthPayload*> self.payload
        cdef int verdict
        if raw.phase == RAW_WAITING:
            return RAW_NO_SNAPSHOT
        if is_old(raw, depth):
            self.old += 1
            return RAW_OLD
        if not links(raw, depth):
            self.gaps += 1
            raw.phase = RAW_WAITING
            return RAW_GAP
        verdict = apply_levels(raw, depth)
        if verdict == RAW_APPLIED:
            raw.phase = RAW_LIVE
            self.applied += 1
            self.levels += depth.bid_count + depth.ask_count
        return verdict

    cdef int snapshot_bytes(self, uint32_t instrument_id, const char* data, Py_ssize_t size) noexcept nogil:
        cdef RawBook* raw = &self.books[instrument_id]
        cdef const DepthPayload* depth
        cdef int verdict
        if not self.reserve(size):
            self.decoded.fault = FAULT_NO_MEMORY
            return self.refuse_frame()
        self.codec.decode_snapshot(instrument_id, data, size, self.payload, self.capacity, &self.decoded)
        depth = <const DepthPayload*> self.payload
        if self.decoded.kind != RECORD_KIND_DEPTH_SNAPSHOT:
            return self.refuse_frame()
        if not prices_are_positive(depth):
            self.decoded.fault = FRAME_FAULT_NUMBER
            return self.refuse_frame()
        if raw.phase != RAW_WAITING and depth.last_update_id <= raw.book.update_id:
            return RAW_OLD
        l2_clear(raw.book, l2_base_around(levels_of(depth)[0].price_ticks) if depth.bid_count + depth.ask_count else 0)
        verdict = apply_levels(raw, depth)
        if verdict == RAW_APPLIED:
            raw.phase = RAW_LINKING
        return verdict

    def is_live(self, uint32_t instrument_id) -> bool:
        """Does a diff link to the book's snapshot, and every one since to the one before it?"""
        return instrument_id < INSTRUMENT_CAPACITY and self.books[instrument_id].phase == RAW_LIVE

    @property
    def reason(self) -> str:
        """Why the last frame was REFUSED; empty for any other."""
        return REASONS.get(self.decoded.fault, "malformed")

    @property
    def rounded(self) -> int:
        """Quantities of the last frame that were no multiple of the lot: rounded down, never to nothing."""
        return self.decoded.rounded
