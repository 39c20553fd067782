from libc.stdint cimport uint32_t
cdef uint32_t crc32c_bytes(const void* data, size_t size, uint32_t crc) noexcept nogil
