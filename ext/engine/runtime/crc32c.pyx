"""CRC-32C (Castagnoli, RFC 3720) by the SSE 4.2 instruction."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <nmmintrin.h>
    #include <string.h>
    static uint32_t tw_crc32c(const void *data, size_t size, uint32_t crc) {
        const unsigned char *p = (const unsigned char *)data;
        uint64_t c = ~crc;
        while (size >= 8) { uint64_t v; memcpy(&v, p, 8); c = _mm_crc32_u64(c, v); p += 8; size -= 8; }
        while (size--) { c = _mm_crc32_u8((uint32_t)c, *p++); }
        return ~(uint32_t)c;
    }
    """
    uint32_t tw_crc32c(const void*, size_t, uint32_t) noexcept nogil


cdef uint32_t crc32c_bytes(const void* data, size_t size, uint32_t crc) noexcept nogil:
    return tw_crc32c(data, size, crc)


def crc32c(const unsigned char[::1] data, unsigned int crc=0) -> int:
    """CRC-32C of a bytes-like object, continued from `crc`."""
    if data.shape[0] == 0:
        return crc
    return tw_crc32c(&data[0], data.shape[0], crc)
