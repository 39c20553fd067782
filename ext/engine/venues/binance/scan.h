/* Scanning of JSON text and decimal numbers straight from a receive buffer: no allocation, no terminating NUL expected.
 *
 * Every reader takes a cursor [p, end), moves it only over what it accepted and returns 1; on refusal it returns 0 and the
 * cursor is worth nothing. Nothing is read at or beyond `end`. Grammar: RFC 8259; numbers and decimals are narrower on purpose
 * (no exponent, no plus sign, no fraction beyond 10^-8 that is not zero): what an exchange does not send is refused.
 */
#ifndef TRADEWIND_BINANCE_SCAN_H
#define TRADEWIND_BINANCE_SCAN_H

#include <stdint.h>
#include <string.h>

typedef struct { const char *p; const char *end; } tw_cursor;

enum { TW_NESTING_MAX = 32 };

static inline uint64_t tw_load8(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }

static inline void tw_skip_space(tw_cursor *c) {
    while (c->p < c->end && (unsigned char)*c->p <= ' ' && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t')) c->p++;
}

/* The next byte that is no space, or 0 at the end. */
static inline char tw_peek(tw_cursor *c) {
    tw_skip_space(c);
    return c->p < c->end ? *c->p : 0;
}

static inline int tw_take(tw_cursor *c, char wanted) {
    if (c->p < c->end && *c->p == wanted) { c->p++; return 1; }
    tw_skip_space(c);
    if (c->p < c->end && *c->p == wanted) { c->p++; return 1; }
    return 0;
}

/* How many of the 8 bytes of `v`, lowest address first, are decimal digits; `*digits` gets their values. */
static inline int tw_digit_run(uint64_t v, uint64_t *digits) {
    uint64_t t = v ^ 0x3030303030303030ULL;
    uint64_t bad = ((t + 0x7676767676767676ULL) | t) & 0x8080808080808080ULL;
    *digits = t;
    return bad ? __builtin_ctzll(bad) >> 3 : 8;
}

/* Eight digit values, most significant at the lowest address, as a number. */
static inline uint64_t tw_eight_digits(uint64_t t) {
    t = (t * 10) + (t >> 8);
    return (((t & 0x000000FF000000FFULL) * 0x000F424000000064ULL) + (((t >> 16) & 0x000000FF000000FFULL) * 0x0000271000000001ULL)) >> 32;
}

static const uint64_t TW_POWER_OF_TEN[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* value * 10^n + part; 0 where it would exceed `limit`. */
static inline int tw_append_digits(uint64_t *value, int n, uint64_t part, uint64_t limit) {
    uint64_t grown;
    if (__builtin_mul_overflow(*value, TW_POWER_OF_TEN[n], &grown) || __builtin_add_overflow(grown, part, &grown)) return 0;
    *value = grown;
    return grown <= limit;
}

/* A run of at least one digit that fits `limit`. */
static inline int tw_digits(tw_cursor *c, uint64_t limit, uint64_t *out) {
    uint64_t value = 0, digits;
    const char *start = c->p;
    int n;
    while (c->end - c->p >= 8) {
        n = tw_digit_run(tw_load8(c->p), &digits);
        if (n == 0) { *out = value; return c->p != start; }
        if (!tw_append_digits(&value, n, tw_eight_digits(n == 8 ? digits : digits << (8 * (8 - n))), limit)) return 0;
        c->p += n;
        if (n < 8) { *out = value; return 1; }
    }
    for (; c->p < c->end && (unsigned char)(*c->p - '0') < 10; c->p++)
        if (!tw_append_digits(&value, 1, (uint64_t)(*c->p - '0'), limit)) return 0;
    *out = value;
    return c->p != start;
}

/* A JSON integer >= 0. A fraction or an exponent behind it is refused. */
static inline int tw_read_uint64(tw_cursor *c, uint64_t *out) {
    tw_skip_space(c);
    if (!tw_digits(c, UINT64_MAX, out)) return 0;
    return c->p >= c->end || (*c->p != '.' && *c->p != 'e' && *c->p != 'E');
}

/* A JSON integer of either sign. */
static inline int tw_read_int64(tw_cursor *c, int64_t *out) {
    uint64_t value;
    int negative;
    tw_skip_space(c);
    negative = c->p < c->end && *c->p == '-';
    if (negative) c->p++;
    if (!tw_digits(c, INT64_MAX, &value)) return 0;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return c->p >= c->end || (*c->p != '.' && *c->p != 'e' && *c->p != 'E');
}

enum { TW_E8 = 100000000 };

/* Lengths of the decimal before: numbers of one column are alike, and a length that the processor may predict does not make the
 * next load wait for the count of digits. */
typedef struct { long whole; long fraction; } tw_decimal_shape;

/* `n`, as a value that is predicted to be `*guess`. */
static inline long tw_predicted(long n, long *guess) {
    long g = *guess;
    if (__builtin_expect(n == g, 1)) {
        __asm__("" : "+r"(g));
        return g;
    }
    *guess = n;
    return n;
}

/* The usual decimal, at most 7 digits, a point, 1 to 8 digits, with 17 readable bytes: two loads. 0 = not usual, nothing is said. */
static inline int tw_decimal_short(tw_cursor *c, int64_t *out, tw_decimal_shape *shape) {
    uint64_t whole, fraction;
    const char *p = c->p;
    long n, m;
    if (c->end - p < 17) return 0;
    n = tw_predicted(tw_digit_run(tw_load8(p), &whole), &shape->whole);
    if (n == 0 || n == 8 || p[n] != '.') return 0;
    whole = tw_eight_digits(whole << (8 * (8 - n)));
    p += n + 1;
    m = tw_predicted(tw_digit_run(tw_load8(p), &fraction), &shape->fraction);
    if (m == 0) return 0;
    if (m < 8) fraction &= ((uint64_t)1 << (8 * m)) - 1;
    else if ((unsigned char)(p[8] - '0') < 10) return 0;
    *out = (int64_t)(whole * TW_E8 + tw_eight_digits(fraction));
    c->p = p + m;
    return 1;
}

static int tw_decimal_long(tw_cursor *c, int64_t *out) {
    uint64_t whole, fraction = 0;
    int n = 0;
    if (!tw_digits(c, (uint64_t)INT64_MAX / TW_E8, &whole)) return 0;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        for (; n < 8 && c->p < c->end && (unsigned char)(*c->p - '0') < 10; n++) fraction = fraction * 10 + (uint64_t)(*c->p++ - '0');
        if (n == 0) return 0;
        fraction *= TW_POWER_OF_TEN[8 - n];
        if (n == 8) while (c->p < c->end && *c->p == '0') c->p++;
    }
    if (c->p < c->end && (unsigned char)(*c->p - '0') < 10) return 0;
    if (whole == (uint64_t)INT64_MAX / TW_E8 && fraction > (uint64_t)INT64_MAX % TW_E8) return 0;
    *out = (int64_t)(whole * TW_E8 + fraction);
    return 1;
}

/* Unsigned decimal text, not quoted, to an integer of 10^-8: "61737.63000000". */
static inline int tw_decimal_body(tw_cursor *c, int64_t *out) {
    tw_decimal_shape shape = {5, 8};
    return tw_decimal_short(c, out, &shape) || tw_decimal_long(c, out);
}

/* One of a column of quoted decimals, not negative: as tw_read_decimal_e8, and quicker. */
static inline int tw_read_decimal_of_column(tw_cursor *c, int64_t *out, tw_decimal_shape *shape) {
    return tw_take(c, '"') && (tw_decimal_short(c, out, shape) || tw_decimal_long(c, out)) && c->p < c->end && *c->p++ == '"';
}

/* A quoted decimal, not negative, to an integer of 10^-8. */
static inline int tw_read_decimal_e8(tw_cursor *c, int64_t *out) {
    return tw_take(c, '"') && tw_decimal_body(c, out) && c->p < c->end && *c->p++ == '"';
}

/* A quoted decimal of either sign (amounts of money), to an integer of 10^-8. */
static inline int tw_read_signed_decimal_e8(tw_cursor *c, int64_t *out) {
    int negative;
    if (!tw_take(c, '"')) return 0;
    negative = c->p < c->end && *c->p == '-';
    if (negative) c->p++;
    if (!tw_decimal_body(c, out) || c->p >= c->end || *c->p++ != '"') return 0;
    if (negative) *out = -*out;
    return 1;
}

/* A quoted decimal, not negative, of any size: whole units up to 2^63 - 1 and the 10^-8 beside them. `""` is 0 where `may_be_empty`. */
static inline int tw_read_amount(tw_cursor *c, uint64_t *whole, uint32_t *part_e8, int may_be_empty) {
    uint32_t part = 0;
    int n = 0;
    *whole = 0;
    *part_e8 = 0;
    if (!tw_take(c, '"')) return 0;
    if (may_be_empty && c->p < c->end && *c->p == '"') { c->p++; return 1; }
    if (!tw_digits(c, INT64_MAX, whole)) return 0;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        for (; n < 8 && c->p < c->end && (unsigned char)(*c->p - '0') < 10; n++) part = part * 10 + (uint32_t)(*c->p++ - '0');
        if (n == 0) return 0;
        part *= (uint32_t)TW_POWER_OF_TEN[8 - n];
        if (n == 8) while (c->p < c->end && *c->p == '0') c->p++;
    }
    *part_e8 = part;
    return c->p < c->end && *c->p++ == '"';
}

/* A string: [*text, *text + *size) between the quotes as it stands, escapes not undone (`*escaped` says that there are some). */
static inline int tw_read_string_raw(tw_cursor *c, const char **text, size_t *size, int *escaped) {
    *escaped = 0;
    if (!tw_take(c, '"')) return 0;
    *text = c->p;
    while (c->p < c->end) {
        unsigned char ch = (unsigned char)*c->p;
        if (ch == '"') { *size = (size_t)(c->p - *text); c->p++; return 1; }
        if (ch < ' ') return 0;
        if (ch == '\\') {
            *escaped = 1;
            if (++c->p >= c->end) return 0;
        }
        c->p++;
    }
    return 0;
}

/* A string without escapes: symbols, ids, enumerations. */
static inline int tw_read_string(tw_cursor *c, const char **text, size_t *size) {
    int escaped;
    return tw_read_string_raw(c, text, size, &escaped) && !escaped;
}

static inline int tw_take_word(tw_cursor *c, const char *word, size_t size) {
    if ((size_t)(c->end - c->p) < size || memcmp(c->p, word, size)) return 0;
    c->p += size;
    return 1;
}

static inline int tw_read_bool(tw_cursor *c, int *out) {
    tw_skip_space(c);
    if (tw_take_word(c, "true", 4)) { *out = 1; return 1; }
    *out = 0;
    return tw_take_word(c, "false", 5);
}

static inline int tw_skip_number(tw_cursor *c) {
    uint64_t n = 0;
    if (c->p < c->end && *c->p == '-') c->p++;
    while (c->p < c->end && (unsigned char)(*c->p - '0') < 10) { c->p++; n++; }
    if (!n) return 0;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        for (n = 0; c->p < c->end && (unsigned char)(*c->p - '0') < 10; n++) c->p++;
        if (!n) return 0;
    }
    if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
        c->p++;
        if (c->p < c->end && (*c->p == '-' || *c->p == '+')) c->p++;
        for (n = 0; c->p < c->end && (unsigned char)(*c->p - '0') < 10; n++) c->p++;
        if (!n) return 0;
    }
    return 1;
}

static inline int tw_skip_scalar(tw_cursor *c) {
    const char *text;
    size_t size;
    int escaped;
    switch (tw_peek(c)) {
    case '"': return tw_read_string_raw(c, &text, &size, &escaped);
    case 't': return tw_take_word(c, "true", 4);
    case 'f': return tw_take_word(c, "false", 5);
    case 'n': return tw_take_word(c, "null", 4);
    default: return tw_skip_number(c);
    }
}

/* Any JSON value, nested at most TW_NESTING_MAX deep. */
static int tw_skip_value(tw_cursor *c) {
    char closing[TW_NESTING_MAX];
    const char *text;
    size_t size;
    int depth = 0, escaped;
    for (;;) {
        char ch = tw_peek(c);
        if (ch == '{' || ch == '[') {
            if (depth == TW_NESTING_MAX) return 0;
            closing[depth++] = ch == '{' ? '}' : ']';
            c->p++;
            if (tw_peek(c) != closing[depth - 1]) {
                if (ch == '{' && !(tw_read_string_raw(c, &text, &size, &escaped) && tw_take(c, ':'))) return 0;
                continue;
            }
            c->p++;
            depth--;
        } else if (!tw_skip_scalar(c)) {
            return 0;
        }
        for (;;) {
            if (depth == 0) return 1;
            ch = tw_peek(c);
            if (ch == ',') { c->p++; break; }
            if (ch != closing[depth - 1]) return 0;
            c->p++;
            depth--;
        }
        if (closing[depth - 1] == '}' && !(tw_read_string_raw(c, &text, &size, &escaped) && tw_take(c, ':'))) return 0;
    }
}

/* Walk an object: after '{' call tw_next_key until it returns 0 (the object is closed) or -1 (refused); each 1 gives a key, and the
 * caller reads or skips its value. `*first` starts as 1. */
static inline int tw_next_key(tw_cursor *c, int *first, const char **key, size_t *size) {
    int escaped;
    if (*first) {
        *first = 0;
        if (tw_take(c, '}')) return 0;
    } else {
        if (tw_take(c, '}')) return 0;
        if (!tw_take(c, ',')) return -1;
    }
    if (c->end - c->p >= 4 && c->p[0] == '"' && c->p[1] != '\\' && c->p[1] != '"' && c->p[2] == '"' && c->p[3] == ':') {
        *key = c->p + 1;
        *size = 1;
        c->p += 4;
        return 1;
    }
    if (!tw_read_string_raw(c, key, size, &escaped) || !tw_take(c, ':')) return -1;
    return 1;
}

/* Walk an array: after '[' call tw_next_item until 0 (closed) or -1 (refused). */
static inline int tw_next_item(tw_cursor *c, int *first) {
    if (tw_take(c, ']')) return 0;
    if (*first) { *first = 0; return 1; }
    return tw_take(c, ',') ? 1 : -1;
}

static inline int tw_at_end(tw_cursor *c) { tw_skip_space(c); return c->p == c->end; }

/* Division of 10^-8 integers by a tick or lot that must go in exactly: multiply by the inverse of the odd part modulo 2^64 and
 * rotate; the quotient is right, and the division exact, where it does not exceed the greatest possible one. */
typedef struct { uint64_t inverse; uint64_t quotient_max; int shift; } tw_exact_divisor;

static inline tw_exact_divisor tw_make_divisor(uint64_t divisor) {
    tw_exact_divisor d;
    uint64_t odd, inverse;
    int i;
    d.shift = __builtin_ctzll(divisor);
    odd = divisor >> d.shift;
    inverse = odd;
    for (i = 0; i < 6; i++) inverse *= 2 - odd * inverse;
    d.inverse = inverse;
    d.quotient_max = UINT64_MAX / divisor;
    return d;
}

static inline int tw_divide_exact(const tw_exact_divisor *d, int64_t value, int64_t *quotient) {
    uint64_t q = (uint64_t)value * d->inverse;
    if (d->shift) q = (q >> d->shift) | (q << (64 - d->shift));
    *quotient = (int64_t)q;
    return q <= d->quotient_max;
}

#endif
