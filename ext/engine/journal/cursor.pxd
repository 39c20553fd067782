"""Journal records as Python objects, for compiled cold code: `header` points at the 80-byte header, the payload follows it."""
from libc.stdint cimport uint64_t
from engine.model.records cimport RecordHeader

cdef class Record:
    # Valid as long as the Record lives.
    cdef const RecordHeader* header
    cdef bytes _chunk

cdef Record record_at(bytes chunk, const void* record)

# A record as packed bytes: one of ours as it stands in its chunk, any other object by its attributes (what it lacks is 0).
cdef const RecordHeader* header_of(object record, list kept) except NULL

cdef class RecordSink:
    # Takes records one after the other, each valid during the call alone and of today's layout. 1: it was used.
    cdef int take(self, const RecordHeader* record) except -1

cdef class Cursor:
    cdef int _fd
    cdef bytes _chunk
    cdef uint64_t _base
    cdef uint64_t _at
    cdef readonly uint64_t padding
    cdef int _damage
    cdef uint64_t last_at                 # offset at which the latest record began
    cdef readonly uint64_t given_at       # the same of the latest that `pour` gave
    cdef readonly bint is_stopped         # `pour` ended before a record that it was not to take
    cdef bint _refill(self) except -1
    cdef const RecordHeader* next_header(self) except? NULL
