"""HMAC-SHA256 request signatures with the keyed pads, and the constant start of every message, hashed beforehand."""
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "../../runtime/sha256.h" nogil:
    ctypedef void (*tw_sha256_block)(uint32_t* state, const uint8_t* data)

cdef enum:
    SIGNATURE_SIZE = 64
    PREFIX_ROOM = 1024

@cython.final
cdef class HmacSigner:
    cdef tw_sha256_block _block
    cdef uint32_t[8] _inner        # state after the inner pad
    cdef uint32_t[8] _outer        # state after the outer pad
    cdef uint32_t[8] _prefixed     # inner state after the whole blocks of the prefix
    cdef uint64_t _prefixed_bytes  # hashed by _prefixed, inner pad included
    cdef uint32_t _rest_size       # of the prefix, not yet hashed; callers keep room for it before their text
    cdef char[64] _rest
    # Hex signature of data[0..size).
    cdef void sign(self, const char* data, size_t size, char* out) noexcept nogil
    # Hex signature of the prefix followed by data[PREFIX_REST.. : `data` starts with `rest_size()` bytes of room, which are overwritten.
    cdef void sign_after_prefix(self, char* data, size_t size, char* out) noexcept nogil
