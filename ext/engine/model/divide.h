/* Divisions of 128 bits by 64, as nearly all of money's are, by one instruction of the processor: the library's looks at sizes, signs
 * and normalises first, which costs five times as much. */
#ifndef TRADEWIND_MODEL_DIVIDE_H
#define TRADEWIND_MODEL_DIVIDE_H
#include <stdint.h>

/* Quotient towards minus infinity and what is left, 0 <= rest < denominator; denominator > 0. */
static inline __int128 tw_floor_wide(__int128 numerator, __int128 denominator, __int128 *rest) {
    __int128 quotient;
#ifdef __x86_64__
    unsigned __int128 size = numerator < 0 ? -(unsigned __int128)numerator : (unsigned __int128)numerator;
    uint64_t by = (uint64_t)denominator, whole, left;
    /* the quotient fits where the upper half is below the divisor */
    if (__builtin_expect((denominator >> 64) == 0 && (uint64_t)(size >> 64) < by, 1)) {
        __asm__("divq %4" : "=a"(whole), "=d"(left) : "0"((uint64_t)size), "1"((uint64_t)(size >> 64)), "r"(by) : "cc");
        if (numerator >= 0) { *rest = left; return whole; }
        *rest = left ? by - left : 0;
        return -(__int128)whole - (left != 0);
    }
#endif
    quotient = numerator / denominator;
    *rest = numerator % denominator;
    if (*rest < 0) { *rest += denominator; quotient -= 1; }
    return quotient;
}
#endif
