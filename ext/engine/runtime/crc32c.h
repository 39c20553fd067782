/* CRC-32C (Castagnoli, RFC 3720) by the SSE 4.2 instruction. Its latency (3 cycles a word) bounds one stream, so long ranges are
 * taken as three at once and joined: feeding n zero bytes multiplies a state by x^(8n) mod P, which is one carry-less multiplication
 * by a constant. */
#ifndef TRADEWIND_CRC32C_H
#define TRADEWIND_CRC32C_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define TW_CRC_WIDE_BYTES 192
#define TW_CRC_LANE_WORDS 128
static uint64_t tw_crc_shift[2 * TW_CRC_LANE_WORDS + 1]; /* [i]: x^(64 i - 33) mod P, reflected; [0] != 0: the CPU multiplies */

__attribute__((constructor)) static void tw_crc_prepare(void) {
    uint32_t power = 0x80000000U; /* 1 */
    int exponent = 0, word;
    for (word = 1; word <= 2 * TW_CRC_LANE_WORDS; word++) {
        for (; exponent < 64 * word - 33; exponent++) power = (power >> 1) ^ (power & 1 ? 0x82F63B78U : 0);
        tw_crc_shift[word] = power;
    }
    __builtin_cpu_init();
    tw_crc_shift[0] = __builtin_cpu_supports("pclmul") ? 1 : 0;
}

static inline uint64_t tw_load(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t tw_crc_skip(uint64_t crc, uint64_t words) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)tw_crc_shift[words]), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t tw_crc_three(const uint8_t *p, uint64_t words, uint64_t first) {
    const uint8_t *q = p + 8 * words, *r = q + 8 * words, *end = q;
    uint64_t second = 0, third = 0;
    for (; p < end; p += 8, q += 8, r += 8) {
        first = _mm_crc32_u64(first, tw_load(p));
        second = _mm_crc32_u64(second, tw_load(q));
        third = _mm_crc32_u64(third, tw_load(r));
    }
    return tw_crc_skip(first, 2 * words) ^ tw_crc_skip(second, words) ^ third;
}

static inline uint32_t tw_crc(const void *data, uint64_t size, uint32_t seed) {
    const uint8_t *p = (const uint8_t *)data;
    uint64_t crc = (uint32_t)~seed;
    while (size >= TW_CRC_WIDE_BYTES && tw_crc_shift[0]) {
        uint64_t words = size / 24 < TW_CRC_LANE_WORDS ? size / 24 : TW_CRC_LANE_WORDS;
        crc = tw_crc_three(p, words, crc);
        p += 24 * words;
        size -= 24 * words;
    }
    for (; size >= 8; p += 8, size -= 8) crc = _mm_crc32_u64(crc, tw_load(p));
    for (; size; size--) crc = _mm_crc32_u8((uint32_t)crc, *p++);
    return ~(uint32_t)crc;
}
#endif
