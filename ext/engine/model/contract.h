/*
 * What a contract is worth in its settle asset, as it enters profit: the one place that says it. Buying costs the value, selling brings it.
 *
 *     linear   price * quantity * multiplier
 *     inverse  minus quantity * multiplier / price, so that a long gains when the price rises by the same rule
 *
 * Prices, quantities and multipliers are 10^-8, values 10^-16 in 128 bits; who rounds says which way.
 */
#ifndef TRADEWIND_MODEL_CONTRACT_H
#define TRADEWIND_MODEL_CONTRACT_H
#include <stdint.h>
#include "engine/model/divide.h"
typedef __int128 tw_wide;
#define TW_ONE_E8 100000000

/* value = whole_e16 + rest / of, 0 <= rest < of */
typedef struct { tw_wide whole_e16, rest, of; } tw_worth_exact;

/* towards minus infinity; by > 0 */
static inline tw_wide tw_wide_floor(tw_wide value, tw_wide by) {
    tw_wide rest;
    return tw_floor_wide(value, by, &rest);
}

static inline tw_worth_exact tw_contract_exact(tw_wide price_e8, tw_wide qty_e8, int64_t multiplier_e8, int inverse) {
    tw_worth_exact worth = {0, 0, 1};
    tw_wide product, whole;
    if (!inverse && multiplier_e8 == TW_ONE_E8) {
        worth.whole_e16 = price_e8 * qty_e8;
    } else if (!inverse) {
        /* whole parts and the rest apart: the product of three would not fit */
        product = price_e8 * qty_e8;
        whole = tw_floor_wide(product, TW_ONE_E8, &worth.rest);
        product = worth.rest * multiplier_e8;
        worth.whole_e16 = whole * multiplier_e8 + product / TW_ONE_E8;
        worth.rest = product % TW_ONE_E8;
        worth.of = TW_ONE_E8;
    } else if (price_e8 > 0) {
        /* quantities beyond 10^22 contracts of 10^-8 have no value that 128 bits hold: saturated, not wrapped */
        if (__builtin_mul_overflow(-qty_e8 * multiplier_e8, (tw_wide)TW_ONE_E8, &product)) {
            worth.whole_e16 = (tw_wide)(qty_e8 > 0 ? -1 : 1) * ((tw_wide)1 << 126);
            return worth;
        }
        worth.whole_e16 = tw_floor_wide(product, price_e8, &worth.rest);
        worth.of = price_e8;
    }
    return worth;
}

/* half to even in 10^-16: what books count */
static inline tw_wide tw_contract_value_e16(tw_wide price_e8, tw_wide qty_e8, int64_t multiplier_e8, int inverse) {
    tw_worth_exact worth = tw_contract_exact(price_e8, qty_e8, multiplier_e8, inverse);
    tw_wide twice = 2 * worth.rest;
    return worth.whole_e16 + (twice > worth.of || (twice == worth.of && (worth.whole_e16 & 1)));
}

/* in 10^-8, towards minus infinity, not clamped */
static inline tw_wide tw_contract_down_e8(tw_wide price_e8, tw_wide qty_e8, int64_t multiplier_e8, int inverse) {
    return tw_wide_floor(tw_contract_exact(price_e8, qty_e8, multiplier_e8, inverse).whole_e16, TW_ONE_E8);
}

/* the size of a position of either kind in 10^-8, qty_e8 >= 0, rounded up, not clamped */
static inline tw_wide tw_contract_size_e8(tw_wide price_e8, tw_wide qty_e8, int64_t multiplier_e8, int inverse) {
    /* what is towards minus infinity of the opposite is up */
    return -tw_contract_down_e8(price_e8, inverse ? qty_e8 : -qty_e8, multiplier_e8, inverse);
}
#endif
