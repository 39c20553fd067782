/* Objects read by a table: which key goes where, as what, and which keys must stand. Keys may come in any order, the exchange's own
 * (the table's) is the fastest; one that stands twice is refused, one that is not in the table is passed over.
 */
#ifndef TRADEWIND_BINANCE_FIELDS_H
#define TRADEWIND_BINANCE_FIELDS_H

#include <stddef.h>

#include "scan.h"

typedef struct { const char *p; size_t size; } tw_slice;

enum {
    TW_FIELD_ID,         /* unsigned integer */
    TW_FIELD_INT,        /* integer of either sign */
    TW_FIELD_INT32,
    TW_FIELD_TIME,       /* milliseconds or microseconds, also quoted, to ns */
    TW_FIELD_DECIMAL,    /* quoted decimal, not negative, to 10^-8 */
    TW_FIELD_SIGNED,     /* quoted decimal of either sign */
    TW_FIELD_OPTIONAL,   /* the same; "" is 0 */
    TW_FIELD_NULLABLE,   /* the same; null is 0 */
    TW_FIELD_AMOUNT,     /* whole units at `offset`, 10^-8 at `extra`; "" is 0 */
    TW_FIELD_BOOL,       /* one byte */
    TW_FIELD_WORD,       /* text of at most `extra` bytes, copied: its place was zeroed before */
    TW_FIELD_TEXT,       /* text without escapes, as a tw_slice into the frame */
    TW_FIELD_NAME,       /* the same, or null: then p is NULL */
    TW_FIELD_RAW,        /* text with its escapes, as a tw_slice */
    TW_FIELD_VALUE,      /* any value, checked and passed over, as a tw_slice */
    TW_FIELD_CUT,        /* quoted decimal of either sign with any number of places, those behind the eighth cut off */
};

enum { TW_FIELDS_MAX = 32, TW_KEY_MAX = 24, TW_NO_FIELD = 255 };

typedef struct {
    char text[TW_KEY_MAX + 4]; /* ,"key": as it stands behind another's value */
    uint8_t text_size, key_size;
    uint8_t text_room;         /* bytes that must be left to compare it: 8 at least */
    uint8_t text_shift;        /* of 8 bytes those behind a shorter text, in bits */
    uint8_t type;
    uint16_t offset;
    uint16_t extra;
    uint64_t bit;              /* in the sets of fields that were seen, that are required */
} tw_field;

typedef struct {
    uint64_t required;         /* bit = number of the field */
    uint32_t count;
    uint8_t by_letter[128];    /* number of the field whose key is this one letter */
    tw_field rows[TW_FIELDS_MAX];
} tw_fields;

/* Where a struct stands whose members' addresses tell their offsets: an object that is one, unlike NULL. */
static char TW_LAYOUT[1024] __attribute__((aligned(16)));

/* One key more; its number, or -1 where there is no room. At start only. */
static inline int tw_add_field(tw_fields *t, const char *key, int type, size_t offset, size_t extra, int is_required) {
    uint32_t number = t->count;
    tw_field *row = &t->rows[number];
    size_t size = strlen(key);
    if (number == 0) memset(t->by_letter, TW_NO_FIELD, sizeof t->by_letter);
    if (number >= TW_FIELDS_MAX || size > TW_KEY_MAX || offset > UINT16_MAX || extra > UINT16_MAX) return -1;
    row->text[0] = ',';
    row->text[1] = row->text[size + 2] = '"';
    row->text[size + 3] = ':';
    memcpy(row->text + 2, key, size);
    row->key_size = (uint8_t)size;
    row->text_size = (uint8_t)(size + 4);
    row->text_room = row->text_size < 8 ? 8 : row->text_size;
    row->text_shift = (uint8_t)(64 - 8 * (row->text_room > 8 ? 8 : row->text_size));
    row->bit = (uint64_t)1 << number;
    row->type = (uint8_t)type;
    row->offset = (uint16_t)offset;
    row->extra = (uint16_t)extra;
    if (size == 1) t->by_letter[key[0] & 127] = (uint8_t)number;
    if (is_required) t->required |= row->bit;
    t->count++;
    return (int)number;
}

/* Milliseconds, or microseconds where the connection was opened with timeUnit=MICROSECOND, to nanoseconds; 0 = out of range. */
TW_INLINE int tw_time_ns(uint64_t stamp, int64_t *out) {
    if (stamp >= 100000000000000ULL) {
        *out = (int64_t)(stamp * 1000);
        return stamp < 9000000000000000ULL;
    }
    *out = (int64_t)(stamp * 1000000);
    return stamp < 9000000000000ULL;
}

TW_INLINE int tw_read_time(tw_cursor *c, int64_t *out) {
    uint64_t stamp;
    int quoted = tw_peek(c) == '"';
    if (quoted && (++c->p >= c->end || !TW_IS_DIGIT(*c->p))) return 0;
    if (!tw_read_uint64(c, &stamp) || !tw_time_ns(stamp, out)) return 0;
    return !quoted || (c->p < c->end && *c->p++ == '"');
}

/* A quoted decimal of either sign; what stands behind the eighth place is cut off: average prices have as many places as they like. */
static int tw_read_cut_decimal(tw_cursor *c, int64_t *out) {
    uint64_t whole, fraction = 0;
    int negative, n = 0;
    if (!tw_take(c, '"')) return 0;
    negative = c->p < c->end && *c->p == '-';
    if (negative) c->p++;
    if (!tw_digits(c, (uint64_t)INT64_MAX / TW_E8 - 1, &whole)) return 0;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        for (; n < 8 && c->p < c->end && TW_IS_DIGIT(*c->p); n++) fraction = fraction * 10 + (uint64_t)(*c->p++ - '0');
        if (n == 0) return 0;
        fraction *= TW_POWER_OF_TEN[8 - n];
        tw_pass_digits(c);
    }
    *out = (int64_t)(whole * TW_E8 + fraction);
    if (negative) *out = -*out;
    return c->p < c->end && *c->p++ == '"';
}

TW_INLINE int tw_is_empty_text(tw_cursor *c) {
    if (tw_peek(c) != '"' || c->end - c->p < 2 || c->p[1] != '"') return 0;
    c->p += 2;
    return 1;
}

TW_INLINE int tw_key_is(const tw_field *row, const char *key, size_t size) {
    const char *own = row->text + 2;
    if (row->key_size != size) return 0;
    if (size < 8) return memcmp(own, key, size) == 0;
    if (tw_load8(own) != tw_load8(key) || tw_load8(own + size - 8) != tw_load8(key + size - 8)) return 0;
    return size <= 16 || tw_load8(own + 8) == tw_load8(key + 8);
}

/* Does ,"key": stand at the cursor: the exchange's own order of keys is told by one comparison or two, not key by key. */
TW_INLINE int tw_is_next(const tw_field *row, const tw_cursor *c) {
    const char *p = c->p;
    uint64_t difference;
    if (c->end - p < row->text_room) return 0;
    difference = tw_load8(p) ^ tw_load8(row->text);
    if (row->text_shift) return difference << row->text_shift == 0;
    if (difference || tw_load8(p + row->text_size - 8) != tw_load8(row->text + row->text_size - 8)) return 0;
    return row->text_size <= 16
        || (tw_load8(p + 8) == tw_load8(row->text + 8) && (row->text_size <= 24 || tw_load8(p + 16) == tw_load8(row->text + 16)));
}

/* Which field a key is, -1 for none. `expected`: the one behind the last that was found. */
TW_INLINE int tw_field_number(const tw_fields *t, const char *key, size_t size, uint32_t expected) {
    uint32_t i;
    if (size == 1) {
        i = t->by_letter[key[0] & 127];
        return i != TW_NO_FIELD && t->rows[i].text[2] == key[0] ? (int)i : -1;
    }
    if (expected < t->count && tw_key_is(&t->rows[expected], key, size)) return (int)expected;
    for (i = 0; i < t->count; i++)
        if (tw_key_is(&t->rows[i], key, size)) return (int)i;
    return -1;
}

TW_INLINE int tw_read_text(tw_cursor *c, int type, tw_slice *out) {
    int escaped;
    if (type == TW_FIELD_NAME && tw_peek(c) == 'n') {
        out->p = NULL;
        out->size = 0;
        return tw_take_word(c, "null", 4);
    }
    return tw_read_string_raw(c, &out->p, &out->size, &escaped) && (!escaped || type == TW_FIELD_RAW);
}

/* One value into its place: TW_FAULT_NONE, or why it is refused. */
TW_INLINE int tw_read_field(tw_cursor *c, const tw_field *field, char *base) {
    char *target = base + field->offset;
    tw_cursor start = *c;
    tw_slice text;
    int flag;
    switch (field->type) {
    case TW_FIELD_ID: return tw_read_uint64(c, (uint64_t *)target) ? TW_FAULT_NONE : tw_fault_of_number(start, 0, 0);
    case TW_FIELD_INT: return tw_read_int64(c, (int64_t *)target) ? TW_FAULT_NONE : tw_fault_of_number(start, 0, 1);
    case TW_FIELD_INT32: {
        int64_t value;
        if (!tw_read_int64(c, &value)) return tw_fault_of_number(start, 0, 1);
        if (value < INT32_MIN || value > INT32_MAX) return TW_FAULT_OVERFLOW;
        *(int32_t *)target = (int32_t)value;
        return TW_FAULT_NONE;
    }
    case TW_FIELD_TIME: return tw_read_time(c, (int64_t *)target) ? TW_FAULT_NONE : tw_fault_of_number(start, 0, 0);
    case TW_FIELD_DECIMAL:
        if (tw_pass_zero(c)) { *(int64_t *)target = 0; return TW_FAULT_NONE; }
        return tw_read_decimal_e8(c, (int64_t *)target) ? TW_FAULT_NONE : tw_fault_of_number(start, 1, 0);
    case TW_FIELD_OPTIONAL:
        if (tw_is_empty_text(c)) return TW_FAULT_NONE;
        return tw_read_signed_decimal_e8(c, (int64_t *)target) ? TW_FAULT_NONE : tw_fault_of_number(start, 1, 1);
    case TW_FIELD_NULLABLE:
        if (tw_peek(c) == 'n') return tw_take_word(c, "null", 4) ? TW_FAULT_NONE : TW_FAULT_SYNTAX;
        /* fall through */
    case TW_FIELD_SIGNED: return tw_read_signed_decimal_e8(c, (int64_t *)target) ? TW_FAULT_NONE : tw_fault_of_number(start, 1, 1);
    case TW_FIELD_AMOUNT:
    {
        tw_cursor copy = *c;
        if (!tw_read_amount(&copy, (uint64_t *)target, (uint32_t *)(base + field->extra), 1)) return tw_fault_of_number(*c, 1, 0);
        c->p = copy.p;
        return TW_FAULT_NONE;
    }
    case TW_FIELD_BOOL:
        if (!tw_read_bool(c, &flag)) return TW_FAULT_WORD;
        *target = (char)flag;
        return TW_FAULT_NONE;
    case TW_FIELD_WORD:
        if (!tw_read_text(c, TW_FIELD_TEXT, &text)) return TW_FAULT_TEXT;
        if (text.size > field->extra) return TW_FAULT_WORD;
        memcpy(target, text.p, text.size);
        return TW_FAULT_NONE;
    case TW_FIELD_VALUE:
        tw_skip_space(c);
        start = *c;
        if (!tw_skip_value(c)) return TW_FAULT_SYNTAX;
        ((tw_slice *)target)->p = start.p;
        ((tw_slice *)target)->size = (size_t)(c->p - start.p);
        return TW_FAULT_NONE;
    case TW_FIELD_CUT: {
        tw_cursor copy = *c;
        if (!tw_read_cut_decimal(&copy, (int64_t *)target)) return tw_fault_of_number(*c, 1, 1);
        c->p = copy.p;
        return TW_FAULT_NONE;
    }
    default: return tw_read_text(c, field->type, (tw_slice *)target) ? TW_FAULT_NONE : TW_FAULT_TEXT;
    }
}

/* One object into the struct at `base`; `*seen` says which fields it had. TW_FAULT_NONE, or why it is refused. */
static __attribute__((noinline)) int tw_read_fields(tw_cursor *cursor, const tw_fields *t, char *base, uint64_t *seen_out) {
    tw_cursor c = *cursor;
    uint64_t seen = 0;
    int first = 1, more, number, fault;
    const tw_field *row, *next = t->rows, *behind = next + t->count; /* next: behind the last that was found */
    const char *key;
    size_t size;
    if (!tw_take(&c, '{')) return TW_FAULT_SYNTAX;
    for (;;) {
        if (!first && next != behind && tw_is_next(next, &c)) {
            row = next;
            c.p += row->text_size;
        } else {
            more = tw_next_key(&c, &first, &key, &size);
            if (more <= 0) break;
            number = tw_field_number(t, key, size, (uint32_t)(next - t->rows));
            if (number < 0) {
                if (!tw_pass_zero(&c) && !tw_skip_value(&c)) return TW_FAULT_SYNTAX;
                continue;
            }
            row = &t->rows[number];
        }
        if (seen & row->bit) return TW_FAULT_REPEATED_FIELD;
        seen |= row->bit;
        next = row + 1;
        fault = tw_read_field(&c, row, base);
        if (fault) return fault;
    }
    *cursor = c;
    *seen_out = seen;
    return more < 0 ? TW_FAULT_SYNTAX : TW_FAULT_NONE;
}

/* The same for an object that must have everything required. */
TW_INLINE int tw_read_whole(tw_cursor *c, const tw_fields *t, char *base) {
    uint64_t seen;
    int fault = tw_read_fields(c, t, base, &seen);
    return fault ? fault : (seen & t->required) == t->required ? TW_FAULT_NONE : TW_FAULT_MISSING_FIELD;
}

#endif
