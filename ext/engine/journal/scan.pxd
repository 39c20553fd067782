"""Walking the bytes of a segment."""
from libc.stdint cimport uint64_t

cdef class Scan:
    cdef readonly uint64_t end
    cdef readonly uint64_t records
    cdef readonly uint64_t first_seq
    cdef readonly uint64_t last_seq
    cdef readonly int last_kind
    cdef readonly int code
