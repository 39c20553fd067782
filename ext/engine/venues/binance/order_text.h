/* Requests of the WebSocket API as text: every parameter goes twice, to the message that is signed (sorted by name, name=value&...)
 * and to the JSON that is sent. Where nothing is signed `sign` is NULL. The caller's buffers hold the longest request. */
#ifndef TRADEWIND_ORDER_TEXT_H
#define TRADEWIND_ORDER_TEXT_H
#include <stdint.h>
#include <string.h>

typedef struct { char *sign; char *json; } tw_text;

static const char TW_TWO_DIGITS[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/* A short text by two overlapping words: a call of memcpy for a size that is not known costs more than the copy. */
static inline __attribute__((always_inline)) char *tw_put_short(char *out, const char *text, size_t size) {
    if (size > 16) memcpy(out, text, size);
    else if (size >= 8) { memcpy(out, text, 8); memcpy(out + size - 8, text + size - 8, 8); }
    else if (size >= 4) { memcpy(out, text, 4); memcpy(out + size - 4, text + size - 4, 4); }
    else for (size_t i = 0; i < size; i++) out[i] = text[i];
    return out + size;
}

/* eight digits, zeros in front */
static inline void tw_put_eight(char *out, uint32_t value) {
    uint32_t high = value / 10000, low = value % 10000;
    memcpy(out, TW_TWO_DIGITS + 2 * (high / 100), 2);
    memcpy(out + 2, TW_TWO_DIGITS + 2 * (high % 100), 2);
    memcpy(out + 4, TW_TWO_DIGITS + 2 * (low / 100), 2);
    memcpy(out + 6, TW_TWO_DIGITS + 2 * (low % 100), 2);
}

static inline char *tw_put_u64(char *out, uint64_t value) {
    char digits[24];
    int at = 0;
    if (value < 10) { *out = (char)('0' + value); return out + 1; }
    if (value < 100) { memcpy(out, TW_TWO_DIGITS + 2 * value, 2); return out + 2; }
    if (value < 10000) {
        at = value >= 1000;
        out[0] = (char)('0' + value / 1000);
        out[at] = (char)('0' + value / 100 % 10);
        memcpy(out + at + 1, TW_TWO_DIGITS + 2 * (value % 100), 2);
        return out + at + 3;
    }
    if (value < 100000000u) {
        tw_put_eight(digits, (uint32_t)value);
        while (digits[at] == '0') at++;
        return tw_put_short(out, digits + at, (size_t)(8 - at));
    }
    out = tw_put_u64(out, value / 100000000u);
    tw_put_eight(out, (uint32_t)(value % 100000000u));
    return out + 8;
}

/* count * size_e8 as a decimal without needless zeros: "61737.63"; NULL where it does not fit or is negative. */
static inline char *tw_put_amount(char *out, int64_t count, int64_t size_e8) {
    int64_t value;
    uint64_t fraction;
    int i;
    if (count < 0 || size_e8 <= 0 || __builtin_mul_overflow(count, size_e8, &value)) return 0;
    out = tw_put_u64(out, (uint64_t)value / 100000000u);
    fraction = (uint64_t)value % 100000000u;
    if (fraction == 0) return out;
    *out = '.';
    for (i = 7; i > 0; i -= 2) { memcpy(out + i, TW_TWO_DIGITS + 2 * (fraction % 100), 2); fraction /= 100; }
    for (i = 8; out[i] == '0'; i--) {}
    return out + i + 1;
}

static inline __attribute__((always_inline)) void tw_put_json(tw_text *t, const char *text, size_t size) {
    memcpy(t->json, text, size);
    t->json += size;
}

static inline __attribute__((always_inline)) void tw_param(
        tw_text *t, const char *name, size_t name_size, const char *value, size_t size, int quoted) {
    if (t->sign) {
        memcpy(t->sign, name, name_size); t->sign += name_size;
        *t->sign++ = '=';
        t->sign = tw_put_short(t->sign, value, size);
        *t->sign++ = '&';
    }
    *t->json++ = '"';
    memcpy(t->json, name, name_size); t->json += name_size;
    *t->json++ = '"'; *t->json++ = ':';
    if (quoted) *t->json++ = '"';
    t->json = tw_put_short(t->json, value, size);
    if (quoted) *t->json++ = '"';
    *t->json++ = ',';
}
#define TW_TEXT(t, name, value, size) tw_param((t), name, sizeof(name) - 1, (value), (size), 1)
#define TW_WORD(t, name, word) tw_param((t), name, sizeof(name) - 1, word, sizeof(word) - 1, 1)

static inline void tw_number(tw_text *t, const char *name, size_t name_size, uint64_t value) {
    char digits[20];
    tw_param(t, name, name_size, digits, (size_t)(tw_put_u64(digits, value) - digits), 0);
}

static inline int tw_amount(tw_text *t, const char *name, size_t name_size, int64_t count, int64_t size_e8) {
    char digits[32], *end = tw_put_amount(digits, count, size_e8);
    if (!end) return 0;
    tw_param(t, name, name_size, digits, (size_t)(end - digits), 1);
    return 1;
}

typedef struct {
    const char *symbol; size_t symbol_size;
    const char *client_id; size_t client_id_size;      /* of the order that is made, cancelled or asked for */
    const char *target_id; size_t target_id_size;      /* replace: of the order that goes */
    int64_t price_ticks, tick_size_e8, qty_lots, lot_size_e8;
    uint64_t recv_window_ms, timestamp_ms;
    int is_sell, is_market, is_post_only, time_in_force;
    int is_futures, is_reduce_only;                    /* futures: post-only is a time in force, reduce-only a parameter */
} tw_order_text;

static inline void tw_put_timing(tw_text *t, const tw_order_text *o, int with_side, int with_force) {
    tw_number(t, "recvWindow", 10, o->recv_window_ms);
    if (o->is_reduce_only) TW_WORD(t, "reduceOnly", "true");
    if (with_side) { if (o->is_sell) TW_WORD(t, "side", "SELL"); else TW_WORD(t, "side", "BUY"); }
    TW_TEXT(t, "symbol", o->symbol, o->symbol_size);
    if (with_force) {
        if (o->is_post_only) TW_WORD(t, "timeInForce", "GTX");
        else if (o->time_in_force == 1) TW_WORD(t, "timeInForce", "IOC");
        else if (o->time_in_force == 2) TW_WORD(t, "timeInForce", "FOK");
        else TW_WORD(t, "timeInForce", "GTC");
    }
    tw_number(t, "timestamp", 9, o->timestamp_ms);
}

/* order.place and order.cancelReplace: 0 where price or quantity does not fit. Parameters in byte order of their names. */
static inline int tw_put_order(tw_text *t, const tw_order_text *o, int is_replace) {
    if (is_replace) {
        TW_TEXT(t, "cancelOrigClientOrderId", o->target_id, o->target_id_size);
        TW_WORD(t, "cancelReplaceMode", "STOP_ON_FAILURE");
    }
    TW_TEXT(t, "newClientOrderId", o->client_id, o->client_id_size);
    TW_WORD(t, "newOrderRespType", "ACK");
    if (!o->is_market && !tw_amount(t, "price", 5, o->price_ticks, o->tick_size_e8)) return 0;
    if (!tw_amount(t, "quantity", 8, o->qty_lots, o->lot_size_e8)) return 0;
    tw_put_timing(t, o, 1, !o->is_market && (o->is_futures || !o->is_post_only));
    if (o->is_market) TW_WORD(t, "type", "MARKET");
    else if (o->is_post_only && !o->is_futures) TW_WORD(t, "type", "LIMIT_MAKER");
    else TW_WORD(t, "type", "LIMIT");
    return 1;
}

static inline void tw_put_by_client_id(tw_text *t, const tw_order_text *o) {
    TW_TEXT(t, "origClientOrderId", o->client_id, o->client_id_size);
    tw_put_timing(t, o, 0, 0);
}
#endif
