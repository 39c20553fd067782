"""JSON and decimal scanning in C for the venue's codecs: see scan.h for what each reader accepts and refuses."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "scan.h" nogil:
    ctypedef struct tw_cursor:
        const char* p
        const char* end
    ctypedef struct tw_exact_divisor:
        uint64_t inverse
        uint64_t quotient_max
        int shift
    ctypedef struct tw_decimal_shape:
        long whole
        long fraction
    enum:
        TW_NESTING_MAX
        TW_E8
    void tw_skip_space(tw_cursor* c) noexcept
    char tw_peek(tw_cursor* c) noexcept
    bint tw_take(tw_cursor* c, char wanted) noexcept
    bint tw_read_uint64(tw_cursor* c, uint64_t* out) noexcept
    bint tw_read_int64(tw_cursor* c, int64_t* out) noexcept
    bint tw_read_decimal_e8(tw_cursor* c, int64_t* out) noexcept
    bint tw_read_pair_of_column(tw_cursor* c, int64_t* a, int64_t* b, tw_decimal_shape* shape_a, tw_decimal_shape* shape_b) noexcept
    int tw_fault_of_text(const char* data, size_t size) noexcept
    int tw_fault_of_number(tw_cursor c, bint quoted, bint allow_sign) noexcept
    bint tw_read_decimal_of_column(tw_cursor* c, int64_t* out, tw_decimal_shape* shape) noexcept
    bint tw_read_signed_decimal_e8(tw_cursor* c, int64_t* out) noexcept
    bint tw_read_amount(tw_cursor* c, uint64_t* whole, uint32_t* part_e8, bint may_be_empty) noexcept
    bint tw_read_string(tw_cursor* c, const char** text, size_t* size) noexcept
    bint tw_read_string_raw(tw_cursor* c, const char** text, size_t* size, int* escaped) noexcept
    bint tw_read_bool(tw_cursor* c, int* out) noexcept
    bint tw_skip_value(tw_cursor* c) noexcept
    int tw_next_key(tw_cursor* c, int* first, const char** key, size_t* size) noexcept
    int tw_next_item(tw_cursor* c, int* first) noexcept
    bint tw_at_end(tw_cursor* c) noexcept
    tw_exact_divisor tw_make_divisor(uint64_t divisor) noexcept
    bint tw_divide_exact(const tw_exact_divisor* d, int64_t value, int64_t* quotient) noexcept
