"""Counters and latency histograms in a mapped file: the hot side only adds, readers map the file read-only."""
cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    COUNTER_CAPACITY = 256
    STAGE_CAPACITY = 32

@cython.final
cdef class Counters:
    # index by engine.model.codes.Counter; slots are 8 bytes and only the hot thread writes them
    cdef uint64_t* values
    # record one latency in the log-linear histogram of a `Stage`
    cdef void record(self, int stage, int64_t value_ns) noexcept nogil
    cdef void* _mapping
    cdef size_t _size
    cdef int _fd
    cdef uint64_t* _histograms
    cdef readonly str path
    cdef int _open(self, str path) except -2
    cdef int _map(self) except -1
    cdef int _write_header(self) except -1
    cdef int _check_counter(self, int counter) except -1
