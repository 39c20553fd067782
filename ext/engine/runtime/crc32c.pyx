"""CRC-32C (Castagnoli, RFC 3720) by the SSE 4.2 instruction; crc32c.h says how long ranges are done."""
from libc.stdint cimport uint32_t, uint64_t

cdef extern from "engine/runtime/crc32c.h":
    uint32_t tw_crc(const void*, uint64_t, uint32_t) noexcept nogil


cdef uint32_t crc32c_bytes(const void* data, size_t size, uint32_t crc) noexcept nogil:
    return tw_crc(data, size, crc)


def crc32c(const unsigned char[::1] data, unsigned int crc=0) -> int:
    """CRC-32C of a bytes-like object, continued from `crc`."""
    if data.shape[0] == 0:
        return crc
    return tw_crc(&data[0], data.shape[0], crc)
