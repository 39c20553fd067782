"""Checksums that exchanges put beside their depth updates: Kraken's and OKX's CRC-32, over an L2 book.

Both are taken over decimal text, so the book's integers are written as the exchange writes them. `unit` is what a tick (or lot) is
in units of the last decimal that the exchange writes: 10,000 for a tick of 0.1 written with 5 decimals.

Kraken (WebSocket v1 and v2, "book checksum"): the 10 best asks, then the 10 best bids, each price and quantity without its point and
without leading zeros, back to back; unsigned. It writes each pair's numbers with a fixed count of decimals, so the digits are
value x unit.

OKX (v5 `books`, "checksum"): 25 levels, bid and ask by turns, `price:quantity` of each, all joined with `:`; where a side is
shorter the other goes on alone; signed. It is taken over the numbers as they were sent, which is the shortest decimal ("5.16", "30236");
`keeps_zeros` is for a feed that pads its numbers to the decimals of the instrument.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from engine.book.l2 cimport L2, L2Book, L2Cursor, l2_next, l2_open
from engine.model.records cimport Level

cdef extern from "engine/book/crc32.h" nogil:
    void tw_crc32_prepare() noexcept
    uint32_t tw_crc32(const char* data, size_t size, uint32_t crc) noexcept
    char* tw_digits_before(char* end, uint64_t value) noexcept

cdef extern from *:
    """
    #define TW_TIMES(a, b, out) __builtin_mul_overflow((uint64_t)(a), (uint64_t)(b), (out))
    """
    bint TW_TIMES(uint64_t a, uint64_t b, uint64_t* out) noexcept nogil

tw_crc32_prepare()


cdef uint32_t crc32_bytes(const char* data, size_t size, uint32_t crc) noexcept nogil:
    return tw_crc32(data, size, crc)


cdef inline char* put_digits(char* out, uint64_t value) noexcept nogil:
    """No leading zeros: nothing at all for 0."""
    cdef char[20] digits
    cdef char* first
    cdef size_t size
    if value == 0:
        return out
    first = tw_digits_before(&digits[0] + 20, value)
    size = <size_t> (&digits[0] + 20 - first)
    memcpy(out, first, size)
    return out + size


cdef inline char* put_level(char* out, const Level* level, uint64_t price_unit, uint64_t qty_unit) noexcept nogil:
    """Digits of price and quantity; NULL where one is too large."""
    cdef uint64_t price, qty
    if TW_TIMES(<uint64_t> level.price_ticks, price_unit, &price) or TW_TIMES(<uint64_t> level.qty_lots, qty_unit, &qty):
        return NULL
    return put_digits(put_digits(out, price), qty)


cdef int kraken_write(const L2* book, uint64_t price_unit, uint64_t qty_unit, char* out) noexcept nogil:
    cdef L2Cursor cursor
    cdef Level level
    cdef char* at = out
    cdef int side, done
    for side in range(1, -1, -1):
        done = 0
        l2_open(&cursor, book, side, False)
        while done < KRAKEN_DEPTH and l2_next(&cursor, &level):
            at = put_level(at, &level, price_unit, qty_unit)
            if at == NULL:
                return -1
            done += 1
    return <int> (at - out)


cdef char* put_decimal(char* out, int64_t value, const DecimalForm* form) noexcept nogil:
    """A decimal as OKX writes it, with ':' behind; NULL where it is too large."""
    cdef char[48] digits
    cdef char* end = &digits[0] + 48
    cdef char* first
    cdef uint64_t number
    cdef uint32_t decimals = form.decimals
    if TW_TIMES(<uint64_t> value, form.unit, &number):
        return NULL
    while decimals and not form.keeps_zeros and number % 10 == 0:
        number /= 10
        decimals -= 1
    while decimals:
        end -= 1
        end[0] = <char> (48 + number % 10)
        number /= 10
        decimals -= 1
    if end != &digits[0] + 48:
        end -= 1
        end[0] = b'.'
    first = tw_digits_before(end, number)
    number = <uint64_t> (&digits[0] + 48 - first)
    memcpy(out, first, number)
    out[number] = b':'
    return out + number + 1


cdef inline char* put_pair(char* out, const Level* level, const DecimalForm* price, const DecimalForm* qty) noexcept nogil:
    cdef char* at = put_decimal(out, level.price_ticks, price)
    return NULL if at == NULL else put_decimal(at, level.qty_lots, qty)


cdef int okx_write(const L2* book, const DecimalForm* price, const DecimalForm* qty, char* out) noexcept nogil:
    cdef L2Cursor[2] cursors
    cdef Level level
    cdef char* at = out
    cdef int depth, side
    l2_open(&cursors[0], book, 0, False)
    l2_open(&cursors[1], book, 1, False)
    for depth in range(OKX_DEPTH):
        for side in range(2):
            if l2_next(&cursors[side], &level):
                at = put_pair(at, &level, price, qty)
                if at == NULL:
                    return -1
    return <int> (at - out) - (at != out)  # without the last ':'


cdef int checked(int size) except -1:
    if size < 0:
        raise OverflowError("a number times its unit exceeds 2^64 - 1")
    return size


cdef int take_form(DecimalForm* form, uint64_t unit, uint32_t decimals, bint keeps_zeros) except -1:
    if decimals > DECIMALS_MAX or unit == 0:
        raise ValueError(f"{decimals} decimals of {unit}: at most {DECIMALS_MAX}, of 1 or more")
    form.unit = unit
    form.decimals = decimals
    form.keeps_zeros = keeps_zeros
    return 0


def crc32(bytes data not None, uint32_t crc=0) -> int:
    """CRC-32 of `data`, continued from `crc`: what zlib.crc32 gives."""
    return tw_crc32(data, len(data), crc)


cdef int kraken_bytes(L2Book book, uint64_t price_unit, uint64_t qty_unit, char* out) except -1:
    if price_unit == 0 or qty_unit == 0:
        raise ValueError("a unit is 1 or more")
    return checked(kraken_write(&book.book, price_unit, qty_unit, out))


def kraken_text(L2Book book not None, uint64_t price_unit=1, uint64_t qty_unit=1) -> bytes:
    """The text that Kraken's checksum is taken over. OverflowError where a number times its unit exceeds 2^64 - 1."""
    cdef char[KRAKEN_BYTES_MAX] text
    return text[:kraken_bytes(book, price_unit, qty_unit, text)]


def kraken_crc32(L2Book book not None, uint64_t price_unit=1, uint64_t qty_unit=1) -> int:
    """Kraken's book checksum, 0 to 2^32 - 1. Errors as `kraken_text`."""
    cdef char[KRAKEN_BYTES_MAX] text
    return tw_crc32(text, kraken_bytes(book, price_unit, qty_unit, text), 0)


cdef int okx_bytes(L2Book book, uint32_t price_decimals, uint32_t qty_decimals, uint64_t price_unit, uint64_t qty_unit,
                   bint keeps_zeros, char* out) except -1:
    cdef DecimalForm price, qty
    take_form(&price, price_unit, price_decimals, keeps_zeros)
    take_form(&qty, qty_unit, qty_decimals, keeps_zeros)
    return checked(okx_write(&book.book, &price, &qty, out))


def okx_text(L2Book book not None, uint32_t price_decimals, uint32_t qty_decimals, uint64_t price_unit=1, uint64_t qty_unit=1,
             bint keeps_zeros=False) -> bytes:
    """The text that OKX's checksum is taken over. OverflowError where a number times its unit exceeds 2^64 - 1."""
    cdef char[OKX_BYTES_MAX] text
    return text[:okx_bytes(book, price_decimals, qty_decimals, price_unit, qty_unit, keeps_zeros, text)]


def okx_crc32(L2Book book not None, uint32_t price_decimals, uint32_t qty_decimals, uint64_t price_unit=1, uint64_t qty_unit=1,
              bint keeps_zeros=False) -> int:
    """OKX's book checksum, -2^31 to 2^31 - 1. Errors as `okx_text`."""
    cdef char[OKX_BYTES_MAX] text
    return <int32_t> tw_crc32(text, okx_bytes(book, price_decimals, qty_decimals, price_unit, qty_unit, keeps_zeros, text), 0)
