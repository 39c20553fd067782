/* SHA-256 (FIPS 180-4), one 64-byte block at a time: with the processor's SHA instructions where it has them, else plain C.
 * For HMAC (RFC 2104) over short messages states are copied, so that keyed pads are hashed once; the journal's chain hashes as it writes. */
#ifndef TRADEWIND_SHA256_H
#define TRADEWIND_SHA256_H
#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

static const uint32_t TW_SHA_ROUND[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static const uint32_t TW_SHA_START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline uint32_t tw_turn_right(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void tw_sha256_block_plain(uint32_t state[8], const uint8_t *data) {
    uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    int i;
    for (i = 0; i < 16; i++) { memcpy(&w[i], data + 4 * i, 4); w[i] = __builtin_bswap32(w[i]); }
    for (i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (tw_turn_right(x, 7) ^ tw_turn_right(x, 18) ^ x >> 3) + (tw_turn_right(y, 17) ^ tw_turn_right(y, 19) ^ y >> 10);
    }
#pragma GCC unroll 8
    for (i = 0; i < 64; i++) {
        uint32_t t = h + (tw_turn_right(e, 6) ^ tw_turn_right(e, 11) ^ tw_turn_right(e, 25)) + ((e & f) ^ (~e & g)) + TW_SHA_ROUND[i] + w[i];
        uint32_t u = (tw_turn_right(a, 2) ^ tw_turn_right(a, 13) ^ tw_turn_right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g; g = f; f = e; e = d + t;
        d = c; c = b; b = a; a = t + u;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
    state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

/* Intel's SHA extensions keep the state as {A,B,E,F} and {C,D,G,H}; each sha256rnds2 does two rounds. */
__attribute__((target("sha,sse4.1,ssse3")))
static void tw_sha256_block_native(uint32_t state[8], const uint8_t *data) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i w[16], low = _mm_loadu_si128((const __m128i *)state), high = _mm_loadu_si128((const __m128i *)(state + 4));
    __m128i abef, cdgh, abef_before, cdgh_before, sum;
    int i;
    low = _mm_shuffle_epi32(low, 0xB1);
    high = _mm_shuffle_epi32(high, 0x1B);
    abef = abef_before = _mm_alignr_epi8(low, high, 8);
    cdgh = cdgh_before = _mm_blend_epi16(high, low, 0xF0);
    for (i = 0; i < 4; i++) w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), big_endian);
#pragma GCC unroll 16
    for (i = 0; i < 16; i++) {
        if (i >= 4) {
            sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i - 4], w[i - 3]), _mm_alignr_epi8(w[i - 1], w[i - 2], 4));
            w[i] = _mm_sha256msg2_epu32(sum, w[i - 1]);
        }
        sum = _mm_add_epi32(w[i], _mm_load_si128((const __m128i *)(TW_SHA_ROUND + 4 * i)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
    low = _mm_shuffle_epi32(abef, 0x1B);
    high = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

typedef void (*tw_sha256_block)(uint32_t state[8], const uint8_t *data);

static int tw_has_sha(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & (1u << 29))) return 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 19)) && (c & (1u << 9));
}

static inline tw_sha256_block tw_sha256_best(int is_plain) {
    return !is_plain && tw_has_sha() ? tw_sha256_block_native : tw_sha256_block_plain;
}

/* The digest of `done` bytes (a multiple of 64, already in `state`) followed by data[0..size). */
static void tw_sha256_finish(tw_sha256_block block, uint32_t state[8], uint64_t done, const uint8_t *data, size_t size, uint8_t digest[32]) {
    uint8_t last[128];
    uint64_t bits = __builtin_bswap64((done + size) * 8);
    size_t rest, padded;
    int i;
    for (; size >= 64; size -= 64, data += 64) block(state, data);
    rest = size;
    padded = rest < 56 ? 64 : 128;
    memcpy(last, data, rest);
    last[rest] = 0x80;
    memset(last + rest + 1, 0, padded - rest - 9);
    memcpy(last + padded - 8, &bits, 8);
    block(state, last);
    if (padded == 128) block(state, last + 64);
    for (i = 0; i < 8; i++) { uint32_t word = __builtin_bswap32(state[i]); memcpy(digest + 4 * i, &word, 4); }
}

/* Sixteen bytes a turn: the halves of each byte side by side, then as digits. */
__attribute__((target("ssse3")))
static inline void tw_hex(const uint8_t digest[32], char *out) {
    const __m128i digits = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f');
    const __m128i low_half = _mm_set1_epi8(15);
    int i;
    for (i = 0; i < 32; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(digest + i));
        __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_half), low = _mm_and_si128(bytes, low_half);
        _mm_storeu_si128((__m128i *)(out + 2 * i), _mm_shuffle_epi8(digits, _mm_unpacklo_epi8(high, low)));
        _mm_storeu_si128((__m128i *)(out + 2 * i + 16), _mm_shuffle_epi8(digits, _mm_unpackhi_epi8(high, low)));
    }
}
#endif
