"""Texts of stream frames for compiled code: pieces that append to a buffer which the caller made large enough."""
from libc.stdint cimport int64_t

cdef struct Text:
    char* at

cdef void put(Text* out, const char* text, size_t size) noexcept nogil
cdef void put_int(Text* out, int64_t value) noexcept nogil
# with eight decimals
cdef void put_e8(Text* out, int64_t value) noexcept nogil
