/* CRC-32 with the reflected polynomial 0xEDB88320 (ISO-HDLC: zip, PNG, Ethernet), eight bytes a step by eight tables. */
#ifndef TRADEWIND_BOOK_CRC32_H
#define TRADEWIND_BOOK_CRC32_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t tw_crc32_tables[8][256];

/* Once, before the first use. */
static void tw_crc32_prepare(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        tw_crc32_tables[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) {
            uint32_t before = tw_crc32_tables[k - 1][i];
            tw_crc32_tables[k][i] = tw_crc32_tables[0][before & 255] ^ (before >> 8);
        }
}

static uint32_t tw_crc32(const char *data, size_t size, uint32_t crc) {
    const unsigned char *p = (const unsigned char *)data;
    uint32_t c = ~crc;
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        v ^= c;
        c = tw_crc32_tables[7][v & 255] ^ tw_crc32_tables[6][(v >> 8) & 255] ^ tw_crc32_tables[5][(v >> 16) & 255]
          ^ tw_crc32_tables[4][(v >> 24) & 255] ^ tw_crc32_tables[3][(v >> 32) & 255] ^ tw_crc32_tables[2][(v >> 40) & 255]
          ^ tw_crc32_tables[1][(v >> 48) & 255] ^ tw_crc32_tables[0][v >> 56];
    }
    while (size--) c = tw_crc32_tables[0][(c ^ *p++) & 255] ^ (c >> 8);
    return ~c;
}

/* `value` in decimal digits, no leading zeros ("0" for nothing), at the end of a field of 20 bytes; the first digit's place. */
static char *tw_digits_before(char *end, uint64_t value) {
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return end;
}

#endif
