"""Checksums that exchanges put beside their depth updates, over an L2 book. Texts are written into the caller's buffer."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.book.l2 cimport L2

cdef enum:
    KRAKEN_DEPTH = 10
    OKX_DEPTH = 25
    NUMBER_BYTES_MAX = 64           # of one price or quantity with what stands behind it
    KRAKEN_BYTES_MAX = 2560         # 2 sides x 10 levels x 2 numbers x 64
    OKX_BYTES_MAX = 6400
    DECIMALS_MAX = 18

# How a number is written: value x unit, with its last `decimals` digits behind the point.
cdef struct DecimalForm:
    uint64_t unit
    uint32_t decimals
    bint keeps_zeros                # at the end of the fraction

# CRC-32 (ISO-HDLC, the one of zlib), continued from `crc`.
cdef uint32_t crc32_bytes(const char* data, size_t size, uint32_t crc) noexcept nogil
# The text that the checksum is taken over; how many bytes, or -1 where a number times its unit exceeds 2^64 - 1.
cdef int kraken_write(const L2* book, uint64_t price_unit, uint64_t qty_unit, char* out) noexcept nogil
cdef int okx_write(const L2* book, const DecimalForm* price, const DecimalForm* qty, char* out) noexcept nogil
