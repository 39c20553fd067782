"""Journal records as Python objects, for compiled cold code: `header` points at the 80-byte header, the payload follows it."""
from libc.stdint cimport uint64_t
from engine.model.records cimport RecordHeader

cdef class Record:
    # Valid as long as the Record lives.
    cdef const RecordHeader* header
    cdef bytes _chunk

cdef Record record_at(bytes chunk, const void* record)

cdef class Cursor:
    cdef int _fd
    cdef bytes _chunk
    cdef uint64_t _base
    cdef uint64_t _at
    cdef readonly uint64_t padding
    cdef int _damage
    cdef bint _refill(self) except -1
