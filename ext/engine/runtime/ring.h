/* A bounded ring of 64-byte slots between one producer and one consumer: threads of a process, or two processes over a mapping.
 *
 * Both indices only grow; a slot is `index & mask`. Each side owns one index and keeps, on its own cache lines, a copy of the other
 * side's as it read it last: while the copy says that there is room (or work), the other side's line is not touched at all. What a
 * side publishes it stores with release, what it reads of the other with acquire order: the C11 model, by the compiler's __atomic
 * built-ins on plain integers, since the layout is also a file's and Cython declares it, which <stdatomic.h>'s _Atomic types forbid.
 *
 * Nothing in the block is trusted for memory: slots and mask stand in the handle, so that an index which another process spoilt
 * names a wrong slot but never one outside.
 */
#ifndef TRADEWIND_RING_H
#define TRADEWIND_RING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TW_RING_MAGIC 0x3130474E49525754ULL /* "TWRING01" */
#define TW_RING_VERSION 1
#define TW_RING_SLOT_BYTES 64
#define TW_RING_NAME_BYTES 32
#define TW_RING_BLOCK_BYTES 512

typedef struct {
    uint64_t word[8];
} TwSlot;

/* Pairs of lines, since processors fetch two at a time. */
typedef struct {
    /* identity, written once */
    uint64_t magic;
    uint32_t version, slot_bytes;
    uint64_t capacity;
    uint32_t crc32c, reserved; /* crc32c covers the identity with this word 0 */
    char name[TW_RING_NAME_BYTES];
    uint8_t pad0[128 - 64];
    /* the producer's: next slot to claim; the consumer's index as read last; the deepest it was; claims refused */
    uint64_t head, tail_seen, high_water, refused;
    uint8_t pad1[128 - 32];
    /* the consumer's: next slot to read; the producer's index as read last */
    uint64_t tail, head_seen;
    uint8_t pad2[256 - 16];
} TwRingBlock;

_Static_assert(sizeof(TwSlot) == TW_RING_SLOT_BYTES && sizeof(TwRingBlock) == TW_RING_BLOCK_BYTES, "ring");
_Static_assert(offsetof(TwRingBlock, head) == 128 && offsetof(TwRingBlock, tail) == 256, "ring");

typedef struct {
    TwRingBlock *block;
    TwSlot *slots;
    uint64_t mask;
} TwRing;

static inline uint64_t tw_ring_depth(const TwRing *ring) {
    /* tail first: it may be old, and then the depth is told too deep, never below 0 */
    uint64_t tail = __atomic_load_n(&ring->block->tail, __ATOMIC_ACQUIRE);
    return __atomic_load_n(&ring->block->head, __ATOMIC_ACQUIRE) - tail;
}

/* --- the producer's --- */

/* Slots that may be claimed; reads the consumer's index only when the copy of it does not leave `wanted`. */
static inline uint64_t tw_ring_room(const TwRing *ring, uint64_t wanted) {
    TwRingBlock *block = ring->block;
    uint64_t room = ring->mask + 1 - (block->head - block->tail_seen);
    if (__builtin_expect(room >= wanted, 1)) return room;
    block->tail_seen = __atomic_load_n(&block->tail, __ATOMIC_ACQUIRE);
    return ring->mask + 1 - (block->head - block->tail_seen);
}

/* The next slot, to be filled in place, or NULL where the ring is full (counted). */
static inline TwSlot *tw_ring_claim(const TwRing *ring) {
    TwRingBlock *block = ring->block;
    if (__builtin_expect(block->head - block->tail_seen > ring->mask, 0) && tw_ring_room(ring, 1) == 0) {
        block->refused++;
        return NULL;
    }
    return &ring->slots[block->head & ring->mask];
}

/* Up to `wanted` slots that stand one behind the other from `*first`; fewer at the ring's end. 0: full (counted). */
static inline uint64_t tw_ring_claim_many(const TwRing *ring, uint64_t wanted, TwSlot **first) {
    TwRingBlock *block = ring->block;
    uint64_t room = tw_ring_room(ring, wanted), offset = block->head & ring->mask, straight = ring->mask + 1 - offset;
    *first = &ring->slots[offset];
    if (__builtin_expect(room == 0, 0)) {
        block->refused += wanted;
        return 0;
    }
    if (wanted > room) wanted = room;
    return wanted > straight ? straight : wanted;
}

/* Everything claimed up to `count` slots on becomes the consumer's. */
static inline void tw_ring_publish_many(const TwRing *ring, uint64_t count) {
    TwRingBlock *block = ring->block;
    uint64_t head = block->head + count;
    __atomic_store_n(&block->head, head, __ATOMIC_RELEASE);
    if (__builtin_expect(head - block->tail_seen > block->high_water, 0)) {
        /* it may only look deep: the copy is old */
        block->tail_seen = __atomic_load_n(&block->tail, __ATOMIC_ACQUIRE);
        if (head - block->tail_seen > block->high_water)
            __atomic_store_n(&block->high_water, head - block->tail_seen, __ATOMIC_RELAXED);
    }
}

/* By words: callers fill a descriptor by stores of a word or less, and a wider load of what was just stored waits for it. */
static inline void tw_ring_copy(TwSlot *slot, const void *item) {
    int at;
#pragma GCC unroll 8
    for (at = 0; at < 8; at++) {
        uint64_t word;
        memcpy(&word, (const char *)item + 8 * at, 8);
        __asm__("" : "+r"(word)); /* else the compiler takes two at once */
        slot->word[at] = word;
    }
}

static inline int tw_ring_push(const TwRing *ring, const void *item) {
    TwSlot *slot = tw_ring_claim(ring);
    if (slot == NULL) return 0;
    tw_ring_copy(slot, item);
    tw_ring_publish_many(ring, 1);
    return 1;
}

/* --- the consumer's --- */

/* The oldest slot that was not released, or NULL. Valid until it is released. */
static inline TwSlot *tw_ring_peek(const TwRing *ring) {
    TwRingBlock *block = ring->block;
    if (block->tail == block->head_seen) {
        block->head_seen = __atomic_load_n(&block->head, __ATOMIC_ACQUIRE);
        if (block->tail == block->head_seen) return NULL;
    }
    return &ring->slots[block->tail & ring->mask];
}

/* Slots that wait one behind the other from `*first`, oldest first, as far as they were seen; fewer at the ring's end. 0: empty. */
static inline uint64_t tw_ring_peek_many(const TwRing *ring, TwSlot **first) {
    TwRingBlock *block = ring->block;
    uint64_t offset = block->tail & ring->mask, straight = ring->mask + 1 - offset, waiting;
    if (block->tail == block->head_seen) block->head_seen = __atomic_load_n(&block->head, __ATOMIC_ACQUIRE);
    waiting = block->head_seen - block->tail;
    *first = &ring->slots[offset];
    return waiting > straight ? straight : waiting;
}

static inline void tw_ring_release_many(const TwRing *ring, uint64_t count) {
    __atomic_store_n(&ring->block->tail, ring->block->tail + count, __ATOMIC_RELEASE);
}
#endif
