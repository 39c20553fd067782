"""Client order ids: 14 characters of [0-9A-Za-z] = engine (2), epoch (5), counter (6), check (1)."""
from libc.stdint cimport uint16_t, uint64_t

cdef enum:
    CLIENT_ID_LENGTH = 14
    ENGINE_ID_MAX = 3843
    EPOCH_MAX = 916132831

# Writes CLIENT_ID_LENGTH characters, no terminator. 1, or 0 where engine, epoch or counter do not fit (then nothing is written).
cdef int encode_client_id(uint16_t engine_id, uint64_t order_handle, char* out) noexcept nogil
# The order handle of an id made by any engine, or 0; `engine_id` (may be NULL) receives whose it is.
cdef uint64_t decode_client_id(const char* text, Py_ssize_t length, uint16_t* engine_id) noexcept nogil
