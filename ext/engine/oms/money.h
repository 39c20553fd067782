/* Exact money: values in 10^-16 of the quote asset (price 10^-8 times quantity 10^-8), 128 bit; divisions round half to even. */
#ifndef TRADEWIND_OMS_MONEY_H
#define TRADEWIND_OMS_MONEY_H
#include <stdint.h>
#include "engine/model/contract.h"

static inline tw_wide tw_value_e16(int64_t price_ticks, int64_t tick_size_e8, int64_t qty_lots, int64_t lot_size_e8) {
    return ((tw_wide)price_ticks * tick_size_e8) * ((tw_wide)qty_lots * lot_size_e8);
}

/* numerator / denominator, half to even; denominator > 0 */
static inline tw_wide tw_divide_half_even(tw_wide numerator, tw_wide denominator) {
    tw_wide rest, quotient = tw_floor_wide(numerator, denominator, &rest), twice = 2 * rest;
    if (twice > denominator || (twice == denominator && (quotient & 1))) quotient += 1;
    return quotient;
}

/* value * part / whole, half to even, without a product above 128 bits; 0 <= part <= whole, whole > 0 */
static inline tw_wide tw_share_half_even(tw_wide value, int64_t part, int64_t whole) {
    tw_wide rest, quotient = tw_floor_wide(value, whole, &rest);
    /* the parity that decides a tie is the whole result's, so the exact part goes in first */
    tw_wide left, base = quotient * part, more = tw_floor_wide(rest * part, whole, &left);
    tw_wide result = base + more;
    if (2 * left > whole || (2 * left == whole && (result & 1))) result += 1;
    return result;
}

static inline int64_t tw_e16_to_e8(tw_wide value_e16) {
    tw_wide value = tw_divide_half_even(value_e16, 100000000);
    if (value > INT64_MAX) return INT64_MAX;
    if (value < -INT64_MAX) return -INT64_MAX;
    return (int64_t)value;
}

/* rounded down, clamped */
static inline int64_t tw_e16_down_e8(tw_wide value_e16) {
    tw_wide rest, value = tw_floor_wide(value_e16, 100000000, &rest);
    return value > INT64_MAX ? INT64_MAX : value < -INT64_MAX ? -INT64_MAX : (int64_t)value;
}

/* what one order spends for `qty_lots`, in 10^-8, rounded up, clamped */
static inline int64_t tw_cost_up_e8(tw_wide value_e16) {
    tw_wide rest, value = tw_floor_wide(value_e16 + 99999999, 100000000, &rest);
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static inline tw_wide tw_wide_of(int64_t high, uint64_t low) { return ((tw_wide)high << 64) | low; }
static inline int64_t tw_wide_high(tw_wide value) { return (int64_t)(value >> 64); }
static inline uint64_t tw_wide_low(tw_wide value) { return (uint64_t)value; }
#endif
