/* Sums, products and ratios of the gate, exact where 64 bits do not hold them. */
#ifndef TW_RISK_ARITHMETIC_H
#define TW_RISK_ARITHMETIC_H

#include <stdint.h>

typedef __int128 tw_wide_sum;

/* a | b, made now: else a compiler keeps many such in memory and joins them at the end */
static inline int64_t tw_either(int64_t a, int64_t b) {
    a |= b;
    __asm__("" : "+r"(a));
    return a;
}

/* a + b + c compared with a limit, exactly */
static inline int tw_sum_above(int64_t a, int64_t b, int64_t c, int64_t limit) {
    return (tw_wide_sum)a + b + c > (tw_wide_sum)limit;
}

static inline int64_t tw_sum_clamped(int64_t a, int64_t b, int64_t c) {
    tw_wide_sum sum = (tw_wide_sum)a + b + c;
    if (sum > INT64_MAX) return INT64_MAX;
    if (sum < -INT64_MAX) return -INT64_MAX;
    return (int64_t)sum;
}

/* |2 price - (bid + ask)| in basis points of (bid + ask), rounded up, clamped */
static inline int64_t tw_distance_bps(int64_t price, int64_t bid, int64_t ask) {
    tw_wide_sum twice = (tw_wide_sum)bid + ask, gap = 2 * (tw_wide_sum)price - twice, bps;
    if (twice <= 0) return INT64_MAX;
    if (gap < 0) gap = -gap;
    if (twice < (int64_t)1 << 62 && gap < (int64_t)1 << 48) return ((int64_t)gap * 10000 + (int64_t)twice - 1) / (int64_t)twice;
    bps = (gap * 10000 + twice - 1) / twice;
    return bps > INT64_MAX ? INT64_MAX : (int64_t)bps;
}

/* 1: the distance is at most so many basis points, told without a division. 0: it may be more, or the numbers are large - look */
static inline int tw_within_bps(int64_t price, int64_t bid, int64_t ask, int64_t most) {
    int64_t twice, gap, scaled;
    if (__builtin_add_overflow(bid, ask, &twice) || __builtin_mul_overflow(price, (int64_t)2, &gap) || __builtin_sub_overflow(gap, twice, &gap))
        return 0;
    if (twice <= 0 || gap == INT64_MIN || __builtin_mul_overflow(gap < 0 ? -gap : gap, (int64_t)10000, &scaled)) return 0;
    return (tw_wide_sum)scaled <= (tw_wide_sum)most * twice;
}

static inline int64_t tw_scaled(int64_t count, int64_t size) {
    tw_wide_sum product = (tw_wide_sum)count * size;
    return product > INT64_MAX ? INT64_MAX : (int64_t)product;
}

/* more than 64 bits hold: nobody owns that */
static inline int tw_is_beyond(int64_t count, int64_t size) {
    return (tw_wide_sum)count * size > INT64_MAX;
}

/* value * value_weight compared with limit * limit_weight, exactly: a ratio without a division */
static inline int tw_product_above(int64_t value, int64_t value_weight, int64_t limit, int64_t limit_weight) {
    return (tw_wide_sum)value * value_weight > (tw_wide_sum)limit * limit_weight;
}

/* The largest gross exposure that is not above `leverage_e4` / 10^4 times the equity, so that comparing with it is comparing products;
   without equity less than anything. At most half of what 64 bits hold: the exact comparison follows there. */
static inline int64_t tw_leverage_room(int64_t leverage_e4, int64_t equity_e8) {
    tw_wide_sum room = (tw_wide_sum)leverage_e4 * equity_e8 / 10000;
    if (equity_e8 <= 0) return -1;
    return room > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)room;
}

/* tokens (x 10^9) after dt nanoseconds at `rate` a second, at most `burst` whole ones */
static inline int64_t tw_refill(int64_t tokens_e9, int64_t dt_ns, int64_t rate_per_s, int64_t burst) {
    int64_t brought, full_e9;
    if (!__builtin_mul_overflow(dt_ns, rate_per_s, &brought) && !__builtin_mul_overflow(burst, (int64_t)1000000000, &full_e9)
        && !__builtin_add_overflow(tokens_e9, brought, &brought))
        return brought < full_e9 ? brought : full_e9;
    tw_wide_sum sum = (tw_wide_sum)tokens_e9 + (tw_wide_sum)dt_ns * rate_per_s, most = (tw_wide_sum)burst * 1000000000;
    if (sum > most) sum = most;
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

/* 1: the average is at most so many basis points off, told without a division. 0: it may be more, or the numbers are large - look */
static inline int tw_within_slippage(tw_wide_sum value, int64_t lots, int64_t bid, int64_t ask, int is_buy, int64_t most_bps) {
    int64_t twice, gap, sum;
    if (value > INT64_MAX / 2 || __builtin_add_overflow(bid, ask, &sum) || __builtin_mul_overflow(sum, lots, &twice) || twice <= 0) return 0;
    if (__builtin_sub_overflow(2 * (int64_t)value, twice, &gap) || gap == INT64_MIN) return 0;
    return __builtin_mul_overflow(is_buy ? gap : -gap, (int64_t)10000, &gap) ? 0 : gap <= (tw_wide_sum)most_bps * twice;
}

/* The average price paid for `lots`, whose value is `value` tick lots, beside the mid: how far on the losing side in basis points of
   the mid, rounded up; 0 on the other side. Clamped. */
static inline int64_t tw_slippage_bps(tw_wide_sum value, int64_t lots, int64_t bid, int64_t ask, int is_buy) {
    tw_wide_sum twice = ((tw_wide_sum)bid + ask) * lots, gap = is_buy ? 2 * value - twice : twice - 2 * value, bps;
    if (twice <= 0) return INT64_MAX;
    if (gap <= 0) return 0;
    if (twice <= INT64_MAX && gap <= INT64_MAX / 10000) return ((int64_t)gap * 10000 + (int64_t)twice - 1) / (int64_t)twice;
    if (gap > ((tw_wide_sum)1 << 112)) return INT64_MAX;
    bps = (gap * 10000 + twice - 1) / twice;
    return bps > INT64_MAX ? INT64_MAX : (int64_t)bps;
}

#endif
