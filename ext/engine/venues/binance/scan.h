/* Scanning of JSON text and decimal numbers straight from a receive buffer: no allocation, no terminating NUL expected, no room
 * behind the text: a load of 8 bytes is done only where 8 bytes are left.
 *
 * Every reader takes a cursor [p, end), moves it only over what it accepted and returns 1; on refusal it returns 0 and the
 * cursor is worth nothing. Nothing is read at or beyond `end`. Grammar: RFC 8259; numbers and decimals are narrower on purpose
 * (no exponent, no plus sign, no needless zero before, no fraction beyond 10^-8 that is not zero): what an exchange does not send
 * is refused. Strings are UTF-8 without control characters, escapes are checked and left as they stand.
 */
#ifndef TRADEWIND_BINANCE_SCAN_H
#define TRADEWIND_BINANCE_SCAN_H

#include <smmintrin.h>
#include <stdint.h>
#include <string.h>

#define TW_COLD __attribute__((noinline, cold))
#define TW_INLINE static inline __attribute__((always_inline))

/* A reader gets the cursor's address and is inlined, so that the caller's cursor lives in registers; what is called seldom is not,
 * and works on a copy. */
typedef struct { const char *p; const char *end; } tw_cursor;

enum { TW_NESTING_MAX = 32 };

/* Why a frame is refused: the numbers of FrameFault in engine/model/codes.py (a style test compares). */
enum {
    TW_FAULT_NONE = 0,
    TW_FAULT_SYNTAX = 1,
    TW_FAULT_NUMBER = 2,
    TW_FAULT_OFF_TICK = 3,
    TW_FAULT_OVERFLOW = 4,
    TW_FAULT_MISSING_FIELD = 5,
    TW_FAULT_REPEATED_FIELD = 6,
    TW_FAULT_TOO_MANY_ROWS = 7,
    TW_FAULT_TRAILING_BYTES = 8,
    TW_FAULT_TRUNCATED = 9,
    TW_FAULT_NESTING = 10,
    TW_FAULT_TEXT = 11,
    TW_FAULT_WORD = 12,
    TW_FAULT_CONTRADICTION = 13,
};

#define TW_IS_DIGIT(ch) ((unsigned char)((ch) - '0') < 10)

TW_INLINE uint64_t tw_load8(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }

TW_INLINE void tw_skip_space(tw_cursor *c) {
    while (c->p < c->end && (unsigned char)*c->p <= ' ' && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t')) c->p++;
}

/* The next byte that is no space, or 0 at the end. */
TW_INLINE char tw_peek(tw_cursor *c) {
    tw_skip_space(c);
    return c->p < c->end ? *c->p : 0;
}

TW_INLINE int tw_take(tw_cursor *c, char wanted) {
    if (c->p < c->end && *c->p == wanted) { c->p++; return 1; }
    tw_skip_space(c);
    if (c->p < c->end && *c->p == wanted) { c->p++; return 1; }
    return 0;
}

/* How many of the 8 bytes of `v`, lowest address first, are decimal digits; `*digits` gets their values. */
TW_INLINE int tw_digit_run(uint64_t v, uint64_t *digits) {
    uint64_t t = v ^ 0x3030303030303030ULL;
    uint64_t bad = ((t + 0x7676767676767676ULL) | t) & 0x8080808080808080ULL;
    *digits = t;
    return bad ? __builtin_ctzll(bad) >> 3 : 8;
}

/* Eight digit values, most significant at the lowest address, as a number. */
TW_INLINE uint64_t tw_eight_digits(uint64_t t) {
    t = (t * 10) + (t >> 8);
    return (((t & 0x000000FF000000FFULL) * 0x000F424000000064ULL) + (((t >> 16) & 0x000000FF000000FFULL) * 0x0000271000000001ULL)) >> 32;
}

static const uint64_t TW_POWER_OF_TEN[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* value * 10^n + part; 0 where it would exceed `limit`. */
TW_INLINE int tw_append_digits(uint64_t *value, int n, uint64_t part, uint64_t limit) {
    uint64_t grown;
    if (__builtin_mul_overflow(*value, TW_POWER_OF_TEN[n], &grown) || __builtin_add_overflow(grown, part, &grown)) return 0;
    *value = grown;
    return grown <= limit;
}

static TW_COLD int tw_digits_slowly(tw_cursor *c, uint64_t limit, uint64_t *out) {
    uint64_t value = 0;
    const char *start = c->p;
    for (; c->p < c->end && TW_IS_DIGIT(*c->p); c->p++)
        if (!tw_append_digits(&value, 1, (uint64_t)(*c->p - '0'), limit)) return 0;
    *out = value;
    return c->p != start;
}

/* A run of at least one digit that fits `limit`, without a needless zero before it. */
TW_INLINE int tw_digits(tw_cursor *c, uint64_t limit, uint64_t *out) {
    uint64_t value, low;
    const char *p = c->p;
    int n;
    if (c->end - p >= 2 && p[0] == '0' && TW_IS_DIGIT(p[1])) return 0;
    if (__builtin_expect(c->end - p < 16, 0)) goto slowly;
    n = tw_digit_run(tw_load8(p), &value);
    if (n == 0) return 0;
    if (n < 8) {
        value = tw_eight_digits(value << (8 * (8 - n)));
    } else {
        value = tw_eight_digits(value);
        n = tw_digit_run(tw_load8(p + 8), &low);
        if (n == 8) goto slowly;
        if (n) value = value * TW_POWER_OF_TEN[n] + tw_eight_digits(low << (8 * (8 - n)));
        n += 8;
    }
    c->p = p + n;
    *out = value;
    return value <= limit;
slowly: {
        tw_cursor copy = *c;
        n = tw_digits_slowly(&copy, limit, &low);
        c->p = copy.p;
        *out = low;
        return n;
    }
}

/* A JSON integer >= 0. A fraction or an exponent behind it is refused. */
TW_INLINE int tw_read_uint64(tw_cursor *c, uint64_t *out) {
    tw_skip_space(c);
    if (!tw_digits(c, UINT64_MAX, out)) return 0;
    return c->p >= c->end || (*c->p != '.' && *c->p != 'e' && *c->p != 'E');
}

/* A JSON integer of either sign. */
TW_INLINE int tw_read_int64(tw_cursor *c, int64_t *out) {
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
TW_INLINE long tw_predicted(long n, long *guess) {
    long g = *guess;
    if (__builtin_expect(n == g, 1)) {
        __asm__("" : "+r"(g));
        return g;
    }
    *guess = n;
    return n;
}

/* Where each of 16 digits - 8 before the point, 8 behind it - of a decimal with n and m of them stands in its text; 0x80: nowhere, 0. */
#define TW_WHOLE(i, n) ((i) + (n) < 8 ? 0x80 : (i) + (n) - 8)
#define TW_PART(i, n, m) ((i) < (m) ? (n) + 1 + (i) : 0x80)
#define TW_PLACES(n, m) { TW_WHOLE(0, n), TW_WHOLE(1, n), TW_WHOLE(2, n), TW_WHOLE(3, n), TW_WHOLE(4, n), TW_WHOLE(5, n), \
    TW_WHOLE(6, n), TW_WHOLE(7, n), TW_PART(0, n, m), TW_PART(1, n, m), TW_PART(2, n, m), TW_PART(3, n, m), TW_PART(4, n, m), \
    TW_PART(5, n, m), TW_PART(6, n, m), TW_PART(7, n, m) }
#define TW_PLACES_OF(n) { TW_PLACES(n, 0), TW_PLACES(n, 1), TW_PLACES(n, 2), TW_PLACES(n, 3), TW_PLACES(n, 4), TW_PLACES(n, 5), \
    TW_PLACES(n, 6), TW_PLACES(n, 7), TW_PLACES(n, 8) }
static const uint8_t TW_DIGIT_PLACES[8][9][16] __attribute__((aligned(16))) = {
    TW_PLACES_OF(0), TW_PLACES_OF(1), TW_PLACES_OF(2), TW_PLACES_OF(3), TW_PLACES_OF(4), TW_PLACES_OF(5), TW_PLACES_OF(6), TW_PLACES_OF(7)};

/* Sixteen digit values as two numbers of eight, joined: the first * 10^8 + the second. */
TW_INLINE int64_t tw_sixteen_digits(__m128i digits) {
    const __m128i tens = _mm_set1_epi16(0x010A), hundreds = _mm_set1_epi32(0x00010064), myriads = _mm_set1_epi32(0x00012710);
    __m128i v = _mm_madd_epi16(_mm_maddubs_epi16(digits, tens), hundreds);
    uint64_t pair = (uint64_t)_mm_cvtsi128_si64(_mm_madd_epi16(_mm_packus_epi32(v, v), myriads));
    return (int64_t)((pair & 0xFFFFFFFFu) * TW_E8 + (pair >> 32));
}

/* The usual decimal, 1 to 7 digits and perhaps a point and 1 to 8 more, of which `text` holds the first 16 bytes and `left` bytes may be
 * read; returns its end, which is within them, NULL where it is not usual, which says nothing. What stands at the end is the
 * caller's to look at: it may be a digit. */
TW_INLINE const char *tw_usual_decimal(const char *p, __m128i text, long left, int64_t *out, tw_decimal_shape *shape) {
    __m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    uint32_t others = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits));
    long n = __builtin_ctz(others), m = 0, size;
    if (shape) n = tw_predicted(n, &shape->whole);
    if (n == 0 || n > 7 || n >= left || (n > 1 && p[0] == '0')) return NULL;
    size = n;
    if (p[n] == '.') {
        m = __builtin_ctz(others >> (n + 1));
        if (shape) m = tw_predicted(m, &shape->fraction);
        if (m == 0 || m > 8) return NULL;
        size = n + 1 + m;
    }
    *out = tw_sixteen_digits(_mm_shuffle_epi8(digits, _mm_load_si128((const __m128i *)TW_DIGIT_PLACES[n][m])));
    return size < left ? p + size : NULL;
}

TW_INLINE __m128i tw_load16(const char *p) { return _mm_loadu_si128((const __m128i *)p); }

/* The 8 to 16 bytes that are left, zeros behind them. */
TW_INLINE __m128i tw_load_last(const char *p, long left) {
    uint64_t rest = left == 8 ? 0 : tw_load8(p + left - 8) >> (8 * (16 - left));
    return _mm_set_epi64x((long long)rest, (long long)tw_load8(p));
}

static TW_COLD int tw_decimal_long(tw_cursor *c, int64_t *out) {
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

/* What follows the opening quote of a decimal, up to and over the closing one. */
TW_INLINE int tw_rest_of_decimal(tw_cursor *c, int64_t *out, tw_decimal_shape *shape) {
    const char *p = NULL;
    long left = c->end - c->p;
    /* said, since the compiler takes all of it for as rare as what follows */
    if (__builtin_expect(left >= 17, 1)) p = tw_usual_decimal(c->p, tw_load16(c->p), 17, out, shape);
    else if (left >= 8) p = tw_usual_decimal(c->p, tw_load_last(c->p, left), left, out, shape);
    if (__builtin_expect(p && *p == '"', 1)) { c->p = p + 1; return 1; }
    {
        tw_cursor copy = *c;
        int64_t value = 0;
        int ok = tw_decimal_long(&copy, &value) && copy.p < copy.end && *copy.p++ == '"';
        c->p = copy.p;
        *out = value;
        return ok;
    }
}

/* One of a column of quoted decimals, not negative: as tw_read_decimal_e8, and quicker. */
TW_INLINE int tw_read_decimal_of_column(tw_cursor *c, int64_t *out, tw_decimal_shape *shape) {
    return tw_take(c, '"') && tw_rest_of_decimal(c, out, shape);
}

static TW_COLD int tw_read_pair_slowly(tw_cursor *c, int64_t *a, int64_t *b) {
    return tw_take(c, '[') && tw_take(c, '"') && tw_rest_of_decimal(c, a, NULL) && tw_take(c, ',') && tw_take(c, '"')
        && tw_rest_of_decimal(c, b, NULL) && tw_take(c, ']');
}

/* ["price","qty"] of a column of such pairs. With 48 bytes left all loads of the usual pair, which has 39 at most, are within them. */
TW_INLINE int tw_read_pair_of_column(tw_cursor *c, int64_t *a, int64_t *b, tw_decimal_shape *shape_a, tw_decimal_shape *shape_b) {
    const char *p = c->p;
    if (__builtin_expect(c->end - p >= 48 && p[0] == '[' && p[1] == '"', 1)) {
        p = tw_usual_decimal(p + 2, tw_load16(p + 2), 17, a, shape_a);
        if (p && p[0] == '"' && p[1] == ',' && p[2] == '"') {
            p = tw_usual_decimal(p + 3, tw_load16(p + 3), 17, b, shape_b);
            if (p && p[0] == '"' && p[1] == ']') { c->p = p + 2; return 1; }
        }
    }
    {
        tw_cursor copy = *c;
        int64_t first = 0, second = 0;
        int ok = tw_read_pair_slowly(&copy, &first, &second);
        c->p = copy.p;
        *a = first;
        *b = second;
        return ok;
    }
}

/* "0.00000000", which stands in half the places of an order that has not been filled: over it, where it stands here. */
TW_INLINE int tw_pass_zero(tw_cursor *c) {
    static const char zero[] = "\"0.00000000\"";
    uint32_t rest, wanted;
    if (c->end - c->p < 12 || tw_load8(c->p) != tw_load8(zero)) return 0;
    memcpy(&rest, c->p + 8, 4);
    memcpy(&wanted, zero + 8, 4);
    if (rest != wanted) return 0;
    c->p += 12;
    return 1;
}

/* A quoted decimal, not negative, to an integer of 10^-8. */
TW_INLINE int tw_read_decimal_e8(tw_cursor *c, int64_t *out) {
    return tw_take(c, '"') && tw_rest_of_decimal(c, out, NULL);
}

/* A quoted decimal of either sign (amounts of money), to an integer of 10^-8. */
TW_INLINE int tw_read_signed_decimal_e8(tw_cursor *c, int64_t *out) {
    int negative;
    if (!tw_take(c, '"')) return 0;
    negative = c->p < c->end && *c->p == '-';
    if (negative) c->p++;
    if (!tw_rest_of_decimal(c, out, NULL)) return 0;
    if (negative) *out = -*out;
    return 1;
}

/* A quoted decimal, not negative, of any size: whole units up to 2^63 - 1 and the 10^-8 beside them. `""` is 0 where `may_be_empty`. */
static int tw_read_amount(tw_cursor *c, uint64_t *whole, uint32_t *part_e8, int may_be_empty) {
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

/* Bit 7 of each byte that ends the plain part of a string: a quote, a backslash, a control character or the start of what is not
 * ASCII. The lowest one is right; those above it may be the borrow of one below. */
TW_INLINE uint64_t tw_string_stops(uint64_t v) {
    const uint64_t ones = 0x0101010101010101ULL, high = 0x8080808080808080ULL;
    uint64_t quote = v ^ (ones * '"'), backslash = v ^ (ones * '\\');
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((v - ones * ' ') & ~v) | v) & high;
}

/* The end of the plain part of a string from `p` on. */
TW_INLINE const char *tw_plain_end(const char *p, const char *end) {
    while (end - p >= 16) {
        /* compared with signs, what is not ASCII is below a blank too */
        const __m128i v = _mm_loadu_si128((const __m128i *)p);
        const __m128i quoted = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        const uint32_t stops = (uint32_t)_mm_movemask_epi8(_mm_or_si128(quoted, _mm_cmplt_epi8(v, _mm_set1_epi8(' '))));
        if (stops) return p + __builtin_ctz(stops);
        p += 16;
    }
    while (end - p >= 8) {
        uint64_t stops = tw_string_stops(tw_load8(p));
        if (stops) return p + (__builtin_ctzll(stops) >> 3);
        p += 8;
    }
    while (p < end && (unsigned char)*p >= ' ' && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\') p++;
    return p;
}

static inline int tw_is_hex(char ch) { return TW_IS_DIGIT(ch) || (unsigned char)((ch | 0x20) - 'a') < 6; }

/* Over an escape: the cursor stands on its backslash. Cut short, the cursor is left at the end. */
static int tw_pass_escape(tw_cursor *c) {
    int i;
    if (++c->p >= c->end) return 0;
    if (*c->p != 'u') return *c->p && strchr("\"\\/bfnrt", *c->p) ? (c->p++, 1) : 0;
    for (i = 0, c->p++; i < 4; i++, c->p++)
        if (c->p >= c->end || !tw_is_hex(*c->p)) return 0;
    return 1;
}

/* Over one character of UTF-8 beyond ASCII: shortest form, no surrogates, at most U+10FFFF (RFC 3629). */
static int tw_pass_character(tw_cursor *c) {
    unsigned char lead = (unsigned char)*c->p++, low = 0x80, high = 0xBF;
    int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4) { c->p--; return 0; }
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    for (; more; more--, c->p++) {
        if (c->p >= c->end || (unsigned char)*c->p < low || (unsigned char)*c->p > high) return 0;
        low = 0x80;
        high = 0xBF;
    }
    return 1;
}

/* The rest of a string that has more in it than plain ASCII: up to and over its closing quote. */
static TW_COLD int tw_pass_rest_of_string(tw_cursor *c, int *escaped) {
    for (;;) {
        c->p = tw_plain_end(c->p, c->end);
        if (c->p >= c->end) return 0;
        if (*c->p == '"') { c->p++; return 1; }
        if (*c->p == '\\') {
            *escaped = 1;
            if (!tw_pass_escape(c)) return 0;
        } else if ((unsigned char)*c->p < ' ' || !tw_pass_character(c)) {
            return 0;
        }
    }
}

/* A string: [*text, *text + *size) between the quotes as it stands, escapes not undone (`*escaped` says that there are some). */
TW_INLINE int tw_read_string_raw(tw_cursor *c, const char **text, size_t *size, int *escaped) {
    *escaped = 0;
    if (!tw_take(c, '"')) return 0;
    *text = c->p;
    c->p = tw_plain_end(c->p, c->end);
    if (__builtin_expect(c->p < c->end && *c->p == '"', 1)) { *size = (size_t)(c->p++ - *text); return 1; }
    {
        tw_cursor copy = *c;
        int has_escapes = 0, ok = tw_pass_rest_of_string(&copy, &has_escapes);
        c->p = copy.p;
        *escaped = has_escapes;
        *size = (size_t)(c->p - *text) - 1;
        return ok;
    }
}

/* A string without escapes: symbols, ids, enumerations. */
TW_INLINE int tw_read_string(tw_cursor *c, const char **text, size_t *size) {
    int escaped;
    return tw_read_string_raw(c, text, size, &escaped) && !escaped;
}

/* `word` as it stands. Cut short, the cursor is left at the end. */
TW_INLINE int tw_take_word(tw_cursor *c, const char *word, size_t size) {
    size_t left = (size_t)(c->end - c->p);
    if (left >= size && memcmp(c->p, word, size) == 0) { c->p += size; return 1; }
    if (left < size && memcmp(c->p, word, left) == 0) c->p = c->end;
    return 0;
}

TW_INLINE int tw_read_bool(tw_cursor *c, int *out) {
    tw_skip_space(c);
    if (tw_take_word(c, "true", 4)) { *out = 1; return 1; }
    *out = 0;
    return tw_take_word(c, "false", 5);
}

/* Over a run of digits; how many there were. */
TW_INLINE long tw_pass_digits(tw_cursor *c) {
    const char *start = c->p;
    uint64_t digits;
    while (c->end - c->p >= 8) {
        int n = tw_digit_run(tw_load8(c->p), &digits);
        c->p += n;
        if (n < 8) return c->p - start;
    }
    while (c->p < c->end && TW_IS_DIGIT(*c->p)) c->p++;
    return c->p - start;
}

TW_INLINE int tw_skip_number(tw_cursor *c) {
    long n;
    if (c->p < c->end && *c->p == '-') c->p++;
    if (c->p >= c->end) return 0;
    n = *c->p == '0' ? (c->p++, 1) : tw_pass_digits(c);
    if (!n) return 0;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!tw_pass_digits(c)) return 0;
    }
    if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
        c->p++;
        if (c->p < c->end && (*c->p == '-' || *c->p == '+')) c->p++;
        if (!tw_pass_digits(c)) return 0;
    }
    return 1;
}

TW_INLINE int tw_skip_scalar(tw_cursor *c) {
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

static inline int tw_skip_key(tw_cursor *c) {
    const char *text;
    size_t size;
    int escaped;
    return tw_read_string_raw(c, &text, &size, &escaped) && tw_take(c, ':');
}

/* An object or array, nested at most TW_NESTING_MAX deep; `*too_deep` where it is refused for that. */
static __attribute__((noinline)) int tw_skip_nested(tw_cursor *c, int *too_deep) {
    char closing[TW_NESTING_MAX];
    int depth = 0;
    for (;;) {
        char ch = tw_peek(c);
        if (ch == '{' || ch == '[') {
            if (depth == TW_NESTING_MAX) { *too_deep = 1; return 0; }
            closing[depth++] = ch == '{' ? '}' : ']';
            c->p++;
            if (tw_peek(c) != closing[depth - 1]) {
                if (ch == '{' && !tw_skip_key(c)) return 0;
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
        if (closing[depth - 1] == '}' && !tw_skip_key(c)) return 0;
    }
}

/* Any JSON value. */
TW_INLINE int tw_skip_value(tw_cursor *c) {
    char ch = tw_peek(c);
    if (ch == '{' || ch == '[') {
        tw_cursor copy = *c;
        int too_deep, ok = tw_skip_nested(&copy, &too_deep);
        c->p = copy.p;
        return ok;
    }
    return tw_skip_scalar(c);
}

/* What makes a whole text no JSON, TW_FAULT_NONE where it is: for a frame that was refused, so that its reason says whether it came
 * whole. Where the walk ends at the text's end something was to follow. */
static TW_COLD int tw_fault_of_text(const char *data, size_t size) {
    tw_cursor c = {data, data + size};
    int too_deep = 0, escaped;
    const char *p, *text;
    size_t text_size;
    if (tw_skip_nested(&c, &too_deep)) {
        tw_skip_space(&c);
        return c.p == c.end ? TW_FAULT_NONE : TW_FAULT_TRAILING_BYTES;
    }
    if (too_deep) return TW_FAULT_NESTING;
    if (c.p >= c.end) return TW_FAULT_TRUNCATED;
    for (p = data; p < c.p;) {
        tw_cursor string = {p, c.end};
        if (*p++ != '"') continue;
        if (!tw_read_string_raw(&string, &text, &text_size, &escaped)) return string.p >= c.end ? TW_FAULT_TRUNCATED : TW_FAULT_TEXT;
        p = string.p;
    }
    return TW_FAULT_SYNTAX;
}

/* Why a number was refused that should stand at the cursor (`quoted`, or `allow_sign`): it is too great, or it is none. */
static TW_COLD int tw_fault_of_number(tw_cursor c, int quoted, int allow_sign) {
    long n;
    tw_skip_space(&c);
    if (quoted && !(c.p < c.end && *c.p++ == '"')) return TW_FAULT_NUMBER;
    if (allow_sign && c.p < c.end && *c.p == '-') c.p++;
    if (c.p >= c.end || *c.p < '1' || *c.p > '9') return TW_FAULT_NUMBER;
    n = tw_pass_digits(&c);
    if (quoted && c.p < c.end && *c.p == '.') {
        c.p++;
        if (!tw_pass_digits(&c)) return TW_FAULT_NUMBER;
    }
    if (c.p < c.end && (quoted ? *c.p != '"' : *c.p == '.' || *c.p == 'e' || *c.p == 'E')) return TW_FAULT_NUMBER;
    return n > (quoted ? 10 : 18) ? TW_FAULT_OVERFLOW : TW_FAULT_NUMBER;
}

/* Walk an object: after '{' call tw_next_key until it returns 0 (the object is closed) or -1 (refused); each 1 gives a key, and the
 * caller reads or skips its value. `*first` starts as 1. A key with an escape in it is refused: it could be another's name. */
TW_INLINE int tw_next_key(tw_cursor *c, int *first, const char **key, size_t *size) {
    if (c->end - c->p >= 8) {
        /* ,"k": as an exchange writes it, the comma not before the first */
        uint64_t v = tw_load8(c->p);
        if (*first) v = v << 8 | ',';
        if ((v & 0xFFFF00FFFFULL) == 0x3A2200222CULL && (unsigned char)(((char)(v >> 16) | 0x20) - 'a') < 26) {
            *key = c->p + 2 - *first;
            *size = 1;
            c->p += 5 - *first;
            *first = 0;
            return 1;
        }
    }
    if (tw_take(c, '}')) { *first = 0; return 0; }
    if (!*first && !tw_take(c, ',')) return -1;
    *first = 0;
    return tw_read_string(c, key, size) && tw_take(c, ':') ? 1 : -1;
}

/* Walk an array: after '[' call tw_next_item until 0 (closed) or -1 (refused). */
TW_INLINE int tw_next_item(tw_cursor *c, int *first) {
    if (tw_take(c, ']')) return 0;
    if (*first) { *first = 0; return 1; }
    return tw_take(c, ',') ? 1 : -1;
}

TW_INLINE int tw_at_end(tw_cursor *c) { tw_skip_space(c); return c->p == c->end; }

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

TW_INLINE int tw_divide_exact(const tw_exact_divisor *d, int64_t value, int64_t *quotient) {
    uint64_t q = (uint64_t)value * d->inverse;
    if (d->shift) q = (q >> d->shift) | (q << (64 - d->shift));
    *quotient = (int64_t)q;
    return q <= d->quotient_max;
}

#endif
