"""Objects read by a table of their keys: see fields.h."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.venues.binance.scan cimport tw_cursor

cdef extern from "fields.h" nogil:
    ctypedef struct tw_slice:
        const char* p
        size_t size
    enum:
        TW_FIELD_ID
        TW_FIELD_INT
        TW_FIELD_INT32
        TW_FIELD_TIME
        TW_FIELD_DECIMAL
        TW_FIELD_SIGNED
        TW_FIELD_OPTIONAL
        TW_FIELD_NULLABLE
        TW_FIELD_AMOUNT
        TW_FIELD_BOOL
        TW_FIELD_WORD
        TW_FIELD_TEXT
        TW_FIELD_NAME
        TW_FIELD_RAW
        TW_FIELD_VALUE
        TW_FIELD_CUT
    ctypedef struct tw_fields:
        uint64_t required
        uint32_t count
    char* TW_LAYOUT
    int tw_add_field(tw_fields* table, const char* key, int type, size_t offset, size_t extra, int is_required) noexcept
    bint tw_time_ns(uint64_t stamp, int64_t* out) noexcept
    bint tw_read_time(tw_cursor* c, int64_t* out) noexcept
    int tw_read_fields(tw_cursor* c, const tw_fields* table, char* base, uint64_t* seen) noexcept
    int tw_read_whole(tw_cursor* c, const tw_fields* table, char* base) noexcept


cdef inline int add_field(tw_fields* table, bytes key, int type, void* member, size_t extra=0, bint required=True) except -1:
    """One key more, at import; returns its number. `member` stands in a struct at TW_LAYOUT, that of 10^-8 of an amount too."""
    cdef size_t base = <size_t> TW_LAYOUT
    cdef int number = tw_add_field(table, key, type, <size_t> member - base, extra - base if type == TW_FIELD_AMOUNT else extra, required)
    if number < 0:
        raise ImportError(f"field {key!r}: too many, or too long")
    return number
