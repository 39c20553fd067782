"""Bytes of a state, field by field and little-endian: what a snapshot's sections are written with and read by."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef class ImageWriter:
    cdef uint8_t* _data
    cdef size_t _size
    cdef size_t _room
    cdef int raw(self, const void* data, size_t size) except -1
    cdef int put8(self, uint8_t value) except -1
    cdef int put16(self, uint16_t value) except -1
    cdef int put32(self, uint32_t value) except -1
    cdef int put64(self, uint64_t value) except -1
    cdef int put_text(self, bytes text) except -1
    # A count that is known only at the end: where it stands, and what it is.
    cdef size_t hold32(self) except? 0
    cdef int fill32(self, size_t place, uint32_t value) except -1

cdef class ImageReader:
    cdef bytes _data
    cdef size_t _at
    cdef size_t _size
    cdef int raw(self, void* data, size_t size) except -1
    cdef uint8_t get8(self) except? 255
    cdef uint16_t get16(self) except? 65535
    cdef uint32_t get32(self) except? 4294967295
    cdef uint64_t get64(self) except? 18446744073709551615ULL
    cdef int64_t get_signed(self) except? -1
    # A count that must not be above `most`.
    cdef uint32_t count(self, uint32_t most) except? 4294967295
    cdef bytes get_text(self)
