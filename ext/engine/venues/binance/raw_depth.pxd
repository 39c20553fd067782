"""Depth frames and snapshots of Binance, as they came from the socket, straight into level-2 books."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from engine.book.l2 cimport L2, L2Book
from engine.venues.binance.market_codec cimport Decoded, MarketCodec

cdef enum RawVerdict:
    RAW_APPLIED = 0
    RAW_OTHER = 1          # well formed, and no depth update of an attached book
    RAW_OLD = 2            # nothing in it that the book does not hold
    RAW_NO_SNAPSHOT = 3    # the book waits for a snapshot: keep the frame and give it again behind that
    RAW_GAP = 4            # an update before it is missing; the book stays as it was and waits for a snapshot
    RAW_REFUSED = 5        # malformed: `decoded.fault` says why; the book is as it was
    RAW_POOL_EMPTY = 6     # no page left: the book holds a part of the update and waits for a snapshot

cdef enum RawPhase:
    RAW_WAITING = 0        # for a snapshot
    RAW_LINKING = 1        # the snapshot stands, the first diff behind it has not come
    RAW_LIVE = 2

cdef struct RawBook:
    L2* book               # NULL: not attached
    uint8_t phase
    uint8_t counts_previous_id

cdef class RawDepth:
    cdef readonly MarketCodec codec
    cdef dict attached                   # instrument id -> L2Book: keeps the books alive
    cdef RawBook* books                  # by instrument id
    cdef char* payload
    cdef uint32_t capacity
    cdef Decoded decoded                 # of the last frame
    cdef readonly uint64_t applied
    cdef readonly uint64_t levels
    cdef readonly uint64_t old
    cdef readonly uint64_t gaps
    cdef readonly uint64_t refused
    # One frame of the socket; a RawVerdict. Nothing is read beyond `size` bytes.
    cdef int apply_bytes(self, const char* data, Py_ssize_t size) noexcept nogil
    # The body of GET depth for an attached instrument.
    cdef int snapshot_bytes(self, uint32_t instrument_id, const char* data, Py_ssize_t size) noexcept nogil
    cdef bint reserve(self, Py_ssize_t size) noexcept nogil
    cdef int apply_diff(self, RawBook* raw) noexcept nogil
    cdef int refuse_frame(self) noexcept nogil
