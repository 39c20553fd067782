/* Margin arithmetic in 10^-8 with products of 128 bits; every rounding is against the account. */
#ifndef TRADEWIND_MODEL_MARGIN_H
#define TRADEWIND_MODEL_MARGIN_H
#include <stdint.h>
#include "engine/model/contract.h"
#define TW_E8 100000000

static inline tw_wide tw_floor_divide(tw_wide value, tw_wide by) {
    tw_wide quotient = value / by;
    return value % by && (value < 0) != (by < 0) ? quotient - 1 : quotient;
}

/* numerator / denominator > 0, half to even */
static inline tw_wide tw_even_divide(tw_wide numerator, tw_wide denominator) {
    tw_wide quotient = tw_floor_divide(numerator, denominator), twice = 2 * (numerator - quotient * denominator);
    return twice > denominator || (twice == denominator && (quotient & 1)) ? quotient + 1 : quotient;
}

static inline int64_t tw_clamp_e8(tw_wide value);

/* the rate of an asset from the other one's along a price, half to even: times the price, or divided by it */
static inline int64_t tw_convert_e8(int64_t rate_e8, int64_t price_e8, int inverse) {
    if (inverse) return tw_clamp_e8(tw_even_divide((tw_wide)rate_e8 * TW_E8, price_e8));
    return tw_clamp_e8(tw_even_divide((tw_wide)rate_e8 * price_e8, TW_E8));
}

static inline tw_wide tw_ceil_divide(tw_wide value, tw_wide by) {
    tw_wide quotient = value / by;
    return value % by && (value < 0) == (by < 0) ? quotient + 1 : quotient;
}

static inline int64_t tw_clamp_e8(tw_wide value) {
    return value > INT64_MAX ? INT64_MAX : value < -INT64_MAX ? -INT64_MAX : (int64_t)value;
}

/* what a position adds to the slope of `tw_solve_e8`, 10^-16: its units less (inverse: plus) the share of its size that is kept */
static inline tw_wide tw_slope_e16(int64_t qty_e8, int64_t multiplier_e8, int64_t ratio_e8, int inverse) {
    tw_wide units = (tw_wide)qty_e8 * multiplier_e8, size = units < 0 ? -units : units, most = (tw_wide)1 << 126, kept;
    /* whole parts and the rest apart: the product of three would not fit; a ratio far beyond 1 is saturated, not wrapped */
    if (__builtin_mul_overflow(size / TW_E8, (tw_wide)ratio_e8, &kept) || kept > most) kept = most;
    else kept += size % TW_E8 * ratio_e8 / TW_E8;
    return units + (inverse ? kept : -kept);
}

/* what a position of qty_e8 >= 0 is worth in the settle asset, rounded up */
static inline int64_t tw_size_e8(int64_t qty_e8, int64_t mark_e8, int64_t multiplier_e8, int inverse) {
    return tw_clamp_e8(tw_contract_size_e8(mark_e8, qty_e8, multiplier_e8, inverse));
}

/* profit at the mark, rounded down; cost as it enters profit (an inverse contract's against the position) */
static inline int64_t tw_profit_e8(int64_t qty_e8, int64_t mark_e8, int64_t multiplier_e8, int inverse, int64_t cost_e8) {
    if (qty_e8 == 0 || mark_e8 <= 0) return 0;
    return tw_clamp_e8(tw_contract_down_e8(mark_e8, qty_e8, multiplier_e8, inverse) - cost_e8);
}

/* the share of a notional that a leverage asks for, rounded up */
static inline int64_t tw_margin_e8(int64_t notional_e8, int64_t leverage) {
    return leverage > 0 ? tw_clamp_e8(tw_ceil_divide(notional_e8, leverage)) : notional_e8;
}

static inline int64_t tw_maintenance_e8(int64_t notional_e8, int64_t ratio_e8, int64_t cum_e8) {
    tw_wide value = tw_ceil_divide((tw_wide)notional_e8 * ratio_e8, TW_E8) - cum_e8;
    return value > 0 ? tw_clamp_e8(value) : 0;
}

/* a share of 10^-8 parts, rounded down: what is paid is rounded up, what is received down */
static inline int64_t tw_share_down_e8(int64_t value_e8, int64_t share_e8) {
    return tw_clamp_e8(tw_floor_divide((tw_wide)value_e8 * share_e8, TW_E8));
}

/* part / whole in 10^-8, rounded up; without a whole above 0 the largest number */
static inline int64_t tw_ratio_e8(int64_t part_e8, int64_t whole_e8) {
    if (whole_e8 <= 0) return part_e8 > 0 ? INT64_MAX : 0;
    return tw_clamp_e8(tw_ceil_divide((tw_wide)part_e8 * TW_E8, whole_e8));
}

/*
 * The mark price at which margin balance equals maintenance margin, rounded down; 0 where no price above 0 solves it.
 * `balance_e8`: wallet and the profit of all else; `other_e8`: maintenance margin of all else; `cum_e8`, `cost_e8`: sums over this
 * contract's positions; `slope_e16`: sum of quantity (signed) less abs(quantity) * ratio, in 10^-16.
 * Linear:  balance + price * qty - cost = other + price * abs(qty) * ratio - cum.
 * Inverse: balance - qty / price - cost = other + abs(qty) / price * ratio - cum, whose `slope_e16` is of qty plus abs(qty) * ratio.
 */
static inline int64_t tw_solve_e8(int64_t balance_e8, int64_t other_e8, int64_t cum_e8, int64_t cost_e8, tw_wide slope_e16, int inverse) {
    tw_wide over = (tw_wide)other_e8 - cum_e8 - balance_e8 + cost_e8, price;
    if (inverse) {
        if (over == 0) return 0;
        price = tw_floor_divide(-slope_e16, over);
    } else {
        if (slope_e16 == 0) return 0;
        price = tw_floor_divide(over * TW_E8 * TW_E8, slope_e16);
    }
    return price > 0 ? tw_clamp_e8(price) : 0;
}
#endif
