/* One latency into a log-linear histogram; docs/metrics.md describes the buckets, counters.pyx the file. */
#ifndef TRADEWIND_COUNTERS_H
#define TRADEWIND_COUNTERS_H

#include <stdint.h>
#include <string.h>

#define TW_SUB_BUCKET_BITS 6
#define TW_HISTOGRAM_HEAD 8
#define TW_LATENCY_MAX ((UINT64_C(1) << 37) - 1)

/* A double's exponent and the first six bits of its mantissa, taken as one number, count exactly such buckets (values here are far
 * below 2^53, so the conversion is exact). Cheaper than counting leading zeroes where the processor has only the old instruction. */
static inline uint64_t tw_bucket(uint64_t value) {
    double exact = (double)(int64_t)value;
    uint64_t bits;
    memcpy(&bits, &exact, 8);
    bits = (bits >> (52 - TW_SUB_BUCKET_BITS)) - ((UINT64_C(1023) + TW_SUB_BUCKET_BITS - 1) << TW_SUB_BUCKET_BITS);
    return value < (UINT64_C(1) << TW_SUB_BUCKET_BITS) ? value : bits;
}

/* `histogram`: sum, maximum, 6 reserved, buckets. One thread writes it. */
static inline void tw_histogram_record(uint64_t *histogram, int64_t latency) {
    uint64_t value = (uint64_t)latency;
    if (__builtin_expect(value > TW_LATENCY_MAX, 0)) value = latency < 0 ? 0 : TW_LATENCY_MAX;
    histogram[TW_HISTOGRAM_HEAD + tw_bucket(value)]++;
    histogram[0] += value;
    if (__builtin_expect(value > histogram[1], 0)) histogram[1] = value;
}
#endif
