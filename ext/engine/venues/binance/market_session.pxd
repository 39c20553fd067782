"""One connection of market streams: frames become tape records and descriptors for the sequencer."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.records cimport RecordHeader
from engine.model.tables cimport INSTRUMENT_CAPACITY
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring
from engine.runtime.session cimport Session
from engine.venues.binance.market_codec cimport Decoded, MarketCodec

cdef class BinanceMarketSession(Session):
    cdef readonly MarketCodec codec
    cdef Journal journal
    cdef Ring inbound
    cdef Counters counters
    cdef uint64_t* counts
    cdef Clock clock
    cdef readonly uint16_t venue_id
    cdef readonly int state                  # SessionState
    cdef readonly int64_t last_frame_mono_ns
    cdef readonly uint64_t frames
    cdef readonly uint64_t lost              # frames that found no room, told to the book as gaps
    cdef readonly uint64_t rounded           # quantities that were no multiple of the lot
    cdef uint64_t faults[16]
    cdef tuple streams
    cdef readonly tuple instrument_ids
    cdef readonly bint feeds_books           # depth comes here: a lost frame or connection is a gap of its books
    cdef dict unanswered                     # request id -> streams
    cdef uint64_t next_request
    cdef readonly bint wants_rotation        # the server said that it will go away
    cdef bint owes_gap
    cdef str owed_reason                     # why the connection was lost, while that has no record
    cdef uint32_t gap_instruments[512]
    cdef int put(self, uint32_t about, int poll, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) noexcept nogil
    cdef void publish(self, RecordHeader* record, const Decoded* out) noexcept nogil
    cdef int on_reply(self, const char* data, Py_ssize_t size) except -1
    cdef void note_gap(self) noexcept nogil
    cdef bint tell_gaps(self, int64_t mono_ns, int64_t wall_ns) noexcept nogil
    cdef bint put_feed_state(self, int state, int reason, uint32_t instrument_id, int64_t detail, const char* text, size_t size,
                             int64_t mono_ns, int64_t wall_ns) noexcept nogil
