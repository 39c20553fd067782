/* What lots are worth: products of three in 64 bits, which is what they are but for the absurd, else in 128. */
#ifndef TW_MODEL_WORTH_H
#define TW_MODEL_WORTH_H

#include <stdint.h>

/* The most that one row can be worth in the sums, 1.4 * 10^9 units: a sum of hundreds of rows stays within 64 bits. */
#define TW_WORTH_MAX_E8 ((int64_t)1 << 57)

/* amount * rate / 10^8 of what is not negative, rounded down. Whole units and the rest apart: 64 bits hold both */
static inline int64_t tw_converted(int64_t amount_e8, int64_t rate_e8) {
    int64_t whole, part;
    if (rate_e8 == 100000000) return amount_e8;
    if (!__builtin_mul_overflow(amount_e8 / 100000000, rate_e8, &whole) && !__builtin_mul_overflow(amount_e8 % 100000000, rate_e8, &part)
        && !__builtin_add_overflow(whole, part / 100000000, &whole))
        return whole;
    __int128 value = (__int128)amount_e8 * rate_e8 / 100000000;
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* price * lots * numerator / denominator of what is not negative, at most TW_WORTH_MAX_E8 */
static inline int64_t tw_worth(int64_t price, int64_t lots, int64_t numerator, int64_t denominator) {
    int64_t product;
    __int128 wide;
    if (!__builtin_mul_overflow(price, lots, &product) && !__builtin_mul_overflow(product, numerator, &product)) {
        if (denominator != 1) product = denominator > 0 ? product / denominator : TW_WORTH_MAX_E8;
        return product < TW_WORTH_MAX_E8 ? product : TW_WORTH_MAX_E8;
    }
    if (denominator <= 0 || __builtin_mul_overflow((__int128)price * lots, (__int128)numerator, &wide)) return TW_WORTH_MAX_E8;
    wide /= denominator;
    return wide < TW_WORTH_MAX_E8 ? (int64_t)wide : TW_WORTH_MAX_E8;
}

/* signed lots in the quote asset and in the reporting currency, rounded toward 0; a rate that is not known makes the latter 0 */
static inline void tw_value_lots(int64_t price, int64_t lots, int64_t numerator, int64_t denominator, int64_t rate_e8, int64_t *quoted_e8,
                                 int64_t *valued_e8) {
    int64_t sign = lots < 0 ? -1 : 1, quoted = tw_worth(price, lots * sign, numerator, denominator);
    int64_t valued = rate_e8 == 100000000 ? quoted : tw_converted(quoted, rate_e8);
    *quoted_e8 = quoted * sign;
    *valued_e8 = (valued < TW_WORTH_MAX_E8 ? valued : TW_WORTH_MAX_E8) * sign;
}

static inline int64_t tw_magnitude(int64_t value) { return value < 0 ? -value : value; }

#endif
