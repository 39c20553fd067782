/* Exact money: values in 10^-16 of the quote asset (price 10^-8 times quantity 10^-8), 128 bit; divisions round half to even. */
#ifndef TRADEWIND_OMS_MONEY_H
#define TRADEWIND_OMS_MONEY_H
#include <stdint.h>
#include "../model/divide.h"
typedef __int128 tw_wide;

static inline tw_wide tw_value_e16(int64_t price_ticks, int64_t tick_size_e8, int64_t qty_lots, int64_t lot_size_e8) {
    return ((tw_wide)price_ticks * tick_size_e8) * ((tw_wide)qty_lots * lot_size_e8);
}

static inline tw_wide tw_share_half_even(tw_wide value, int64_t part, int64_t whole);
static inline tw_wide tw_divide_half_even(tw_wide numerator, tw_wide denominator);

/*
 * What a fill of a contract is worth in the settle asset, as it enters profit: buying costs it, selling brings it. A linear contract's
 * value rises with the price: price * quantity * multiplier. An inverse one's is minus quantity * multiplier / price, so that a long
 * gains when the price rises by the same rule. Half to even in 10^-16.
 */
static inline tw_wide tw_contract_value_e16(tw_wide price_e8, tw_wide qty_e8, int64_t multiplier_e8, int inverse) {
    tw_wide scaled;
    if (!inverse) return multiplier_e8 == 100000000 ? price_e8 * qty_e8 : tw_share_half_even(price_e8 * qty_e8, multiplier_e8, 100000000);
    /* quantities beyond 10^22 contracts of 10^-8 have no value that 128 bits hold: saturated, not wrapped */
    if (__builtin_mul_overflow(qty_e8 * multiplier_e8, (tw_wide)100000000, &scaled)) return -((tw_wide)1 << 126);
    return -tw_divide_half_even(scaled, price_e8);
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
