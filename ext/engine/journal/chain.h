/* The hash chain of one lane: each block of a segment's bytes is bound by SHA-256 to all that came before it.
 *
 * chain[i] = SHA-256(chain[i-1], lane, epoch, segment, offset, the block's bytes, length, first sequence, last sequence). The entries
 * stand in NNNNNNNN.chain beside the segment. An entry is written only after its block's bytes were synced, so that none ever speaks of
 * bytes that a power cut may take; what follows the last entry is hashed again at the next start (engine/journal/chain.py).
 */
#ifndef TRADEWIND_CHAIN_H
#define TRADEWIND_CHAIN_H

#include "../runtime/crc32c.h"
#include "../runtime/sha256.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TW_CHAIN_MAGIC 0x314E4843U /* "CHN1" */
#define TW_CHAIN_ENTRY_BYTES 128
#define TW_CHAIN_PENDING_MAX 512

typedef struct {
    uint32_t magic, lane, epoch, crc32c; /* crc32c covers bytes 16..128, its start is epoch ^ lane << 24 */
    uint64_t segment_no, offset, length, first_seq, last_seq;
    uint64_t reserved;
    uint8_t previous[32], hash[32];
} TwChainEntry;

_Static_assert(sizeof(TwChainEntry) == TW_CHAIN_ENTRY_BYTES, "chain entry");
_Static_assert(offsetof(TwChainEntry, previous) == 64, "chain entry");

typedef struct {
    uint32_t state[8];
    uint64_t done;
    uint32_t held;
    uint8_t rest[64];
} TwSha;

typedef struct {
    int is_on, is_open;
    uint64_t block_bytes_max, file_bytes;
    int64_t opened_ns;
    tw_sha256_block block;
    TwSha sha;
    TwChainEntry next;  /* the open block */
    uint8_t head[32];
    uint32_t pending_count; /* closed, waiting until their bytes are synced */
    TwChainEntry pending[TW_CHAIN_PENDING_MAX];
} TwChain;

static void tw_sha_begin(TwSha *sha) {
    memcpy(sha->state, TW_SHA_START, 32);
    sha->done = sha->held = 0;
}

static void tw_sha_add(TwSha *sha, tw_sha256_block block, const void *from, uint64_t size) {
    const uint8_t *data = (const uint8_t *)from;
    if (sha->held) {
        uint64_t taken = 64 - sha->held < size ? 64 - sha->held : size;
        memcpy(sha->rest + sha->held, data, taken);
        sha->held += (uint32_t)taken;
        data += taken;
        size -= taken;
        if (sha->held < 64) return;
        block(sha->state, sha->rest);
        sha->done += 64;
        sha->held = 0;
    }
    for (; size >= 64; size -= 64, data += 64, sha->done += 64) block(sha->state, data);
    memcpy(sha->rest, data, size);
    sha->held = (uint32_t)size;
}

static void tw_sha_end(TwSha *sha, tw_sha256_block block, uint8_t digest[32]) {
    tw_sha256_finish(block, sha->state, sha->done, sha->rest, sha->held, digest);
}

/* Begin the block that starts at `offset` of segment `segment_no`. */
static void tw_chain_open(TwChain *chain, uint32_t lane, uint32_t epoch, uint64_t segment_no, uint64_t offset, int64_t now_ns) {
    TwChainEntry *entry = &chain->next;
    memset(entry, 0, sizeof(*entry));
    entry->magic = TW_CHAIN_MAGIC;
    entry->lane = lane;
    entry->epoch = epoch;
    entry->segment_no = segment_no;
    entry->offset = offset;
    memcpy(entry->previous, chain->head, 32);
    tw_sha_begin(&chain->sha);
    tw_sha_add(&chain->sha, chain->block, entry->previous, 32);
    tw_sha_add(&chain->sha, chain->block, &entry->lane, 8); /* lane, epoch */
    tw_sha_add(&chain->sha, chain->block, &entry->segment_no, 16);
    chain->is_open = 1;
    chain->opened_ns = now_ns;
}

static void tw_chain_add(TwChain *chain, const void *data, uint64_t size, uint64_t first_seq, uint64_t last_seq) {
    tw_sha_add(&chain->sha, chain->block, data, size);
    chain->next.length += size;
    if (chain->next.first_seq == 0) chain->next.first_seq = first_seq;
    if (last_seq) chain->next.last_seq = last_seq;
}

/* End the open block: its entry waits for the sync. There must be room among the pending. */
static void tw_chain_close(TwChain *chain) {
    TwChainEntry *entry = &chain->next;
    if (!chain->is_open) return;
    chain->is_open = 0;
    if (entry->length == 0) return;
    tw_sha_add(&chain->sha, chain->block, &entry->length, 24);
    tw_sha_end(&chain->sha, chain->block, entry->hash);
    memcpy(chain->head, entry->hash, 32);
    entry->crc32c = tw_crc((const uint8_t *)entry + 16, TW_CHAIN_ENTRY_BYTES - 16, entry->epoch ^ entry->lane << 24);
    chain->pending[chain->pending_count++] = *entry;
}
#endif
