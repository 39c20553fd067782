"""Counters and latency histograms in a mapped file: the hot side only adds, readers map the file read-only."""
cimport cython
from libc.stdint cimport int64_t, uint64_t
from engine.runtime.ring cimport TwRingBlock

cdef extern from "counters.h" nogil:
    void tw_histogram_record(uint64_t*, int64_t) noexcept

cdef enum:
    COUNTER_CAPACITY = 256
    STAGE_CAPACITY = 32
    HISTOGRAM_SLOTS = 2056
    RING_CAPACITY = 48

# Final and inline: a latency costs its few instructions and no call.
@cython.final
cdef class Counters:
    # index by engine.model.codes.Counter; slots are 8 bytes and only the hot thread writes them
    cdef uint64_t* values
    cdef void* _mapping
    cdef size_t _size
    cdef int _fd
    cdef uint64_t* _histograms
    cdef readonly str path
    cdef const TwRingBlock* _ring_blocks[RING_CAPACITY]
    cdef int _ring_count
    cdef list _rings
    cdef int _open(self, str path) except -2
    cdef int _map(self) except -1
    cdef int _write_header(self) except -1
    cdef int _check_counter(self, int counter) except -1
    # Copy the figures of the rings that were shown (`show_rings`) into the file: at each tick.
    cdef void publish_rings(self) noexcept nogil

    # Record one latency in the log-linear histogram of a `Stage`: below 0 counts as 0, above 137 s as 137 s. A stage out of range is
    # not recorded.
    cdef inline void record(self, int stage, int64_t value_ns) noexcept nogil:
        if 0 <= stage < STAGE_CAPACITY:
            tw_histogram_record(self._histograms + stage * HISTOGRAM_SLOTS, value_ns)
