/* The journal's shapes in memory and on disk, and the hot half of a lane: claim, shrink, abandon, commit.
 *
 * A lane's front is one header page and a ring of bytes in a mapped file. Positions count bytes since the front was made and
 * only grow; the ring's size is a power of two, so `position & mask` is the offset. A record never straddles the ring's end: the
 * fill before it starts with a marker (length 0) and is not written to disk. Three positions follow one another:
 *   synced <= written <= committed (published to the writer and to readers) <= head (claimed by the hot thread, private).
 * One thread claims and commits; one thread writes. They share `committed`, `wrap_position` (hot) and `written`, `error` (writer).
 */
#ifndef TRADEWIND_FRONT_H
#define TRADEWIND_FRONT_H

#include "../runtime/crc32c.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TW_FRONT_MAGIC 0x31544E4F52465754ULL   /* "TWFRONT1" */
#define TW_SEGMENT_MAGIC 0x31544D4745535754ULL /* "TWSEGMT1" */
#define TW_MARK_MAGIC 0x4B52414DU              /* "MARK" */
#define TW_FILL_MAGIC 0x4C4C4946U              /* "FILL" */
#define TW_BYPASS_MAGIC 0x535341505942ULL      /* "BYPASS", upper 48 bits of a bypassed claim's sequence */
#define TW_FORMAT_VERSION 1
#define TW_FRONT_HEADER_BYTES 4096
#define TW_SEGMENT_HEADER_BYTES 128
#define TW_RECORD_HEADER_BYTES 80
#define TW_MARK_SLOT_BYTES 512
/* A claim is zeroed so far (every kind's fixed part lies within) and in its last word: fields and padding that nobody sets must not
 * carry what an older record left there, or two runs of one input would differ. */
#define TW_CLEARED_BYTES 256

/* The 80-byte header of records.pxd. */
typedef struct {
    uint32_t length, crc32c;
    uint64_t seq, cause_seq;
    int64_t wall_ns, mono_ns;
    uint16_t kind, venue_id, account_id, strategy_id;
    uint32_t instrument_id;
    uint8_t position_side, lane;
    uint16_t engine_id;
    uint64_t order_handle;
    uint32_t epoch, frame_length, frame_crc32c;
    uint16_t session_id, turn;
} TwRecord;

/* Everything of the lane up to `segment_offset` of segment `segment_no` is on the platter. */
typedef struct {
    uint32_t magic, lane, epoch, crc32c; /* crc32c covers bytes 16..64 and epoch, lane by seed */
    uint64_t generation, segment_no, segment_offset, seq, position, reserved;
} TwMark;

typedef struct {
    /* identity, written once */
    uint64_t magic;
    uint32_t version, lane;
    uint64_t schema_hash;
    uint32_t engine_id, epoch;
    uint64_t ring_bytes;
    uint8_t boot_id[16], journal_id[16];
    uint32_t identity_crc32c, pad0;
    uint8_t pad1[128 - 80];
    /* the hot thread's line */
    uint64_t committed, last_seq, wrap_position, records;
    uint8_t pad2[64 - 32];
    /* the writer's line */
    uint64_t written, synced, synced_seq, segment_no, segment_bytes, syncs;
    int32_t error, error_operation;
    uint64_t bytes_written;
    TwMark mark;
} TwFront;

typedef struct {
    uint64_t magic;
    uint32_t version, header_bytes;
    uint32_t engine_id, epoch;
    uint32_t lane, record_version;
    uint64_t segment_no, first_seq;
    int64_t created_wall_ns;
    uint64_t schema_hash;
    uint8_t journal_id[16];
    uint64_t previous_bytes; /* size of the segment before; 0 = there is none: one that lost its end shows, even at a record's end */
    uint8_t reserved[36];
    uint32_t crc32c; /* covers everything before it */
} TwSegmentHeader;

_Static_assert(sizeof(TwRecord) == TW_RECORD_HEADER_BYTES, "record header");
_Static_assert(offsetof(TwRecord, kind) == 40 && offsetof(TwRecord, lane) == 53 && offsetof(TwRecord, epoch) == 64, "words");
_Static_assert(offsetof(TwRecord, engine_id) == 54 && offsetof(TwRecord, frame_length) == 68 && offsetof(TwRecord, turn) == 78, "words that tw_clear sets");
_Static_assert(sizeof(TwMark) == 64, "mark");
_Static_assert(sizeof(TwSegmentHeader) == TW_SEGMENT_HEADER_BYTES, "segment header");
_Static_assert(offsetof(TwFront, identity_crc32c) == 72 && offsetof(TwFront, committed) == 128, "front");
_Static_assert(offsetof(TwFront, written) == 192 && offsetof(TwFront, mark) == 256, "front");
_Static_assert(sizeof(TwFront) <= TW_FRONT_HEADER_BYTES, "front header");

typedef struct {
    uint8_t *ring;
    uint64_t mask, head, committed, limit; /* limit: the position that head may reach, as last read */
    uint64_t reserve_bytes, claim_bytes_max, wrap_boundary;
    TwFront *front;
    volatile int32_t *error; /* the writer's sticky error, any lane */
    uint64_t refused, bypassed;
    uint32_t epoch;
    uint16_t engine_id;
    uint8_t lane, discards; /* discards: no writer behind; the oldest bytes are dropped when room is needed */
} TwLane;

static inline uint32_t tw_record_crc(const TwRecord *record) {
    return tw_crc((const uint8_t *)record + 8, record->length - 8, 0);
}

/* The same of a record that is being committed: its length is a multiple of 8. Written out, since a loop's end that is guessed wrong
 * costs as much as the whole checksum of a bare header. */
static inline uint32_t tw_fresh_crc(const TwRecord *record) {
    const uint64_t *word = (const uint64_t *)record, *end = word + record->length / 8;
    uint64_t crc = 0xFFFFFFFFU;
    if (__builtin_expect(record->length >= TW_CRC_WIDE_BYTES, 0)) return tw_record_crc(record);
    crc = _mm_crc32_u64(crc, word[1]);
    crc = _mm_crc32_u64(crc, word[2]);
    crc = _mm_crc32_u64(crc, word[3]);
    crc = _mm_crc32_u64(crc, word[4]);
    crc = _mm_crc32_u64(crc, word[5]);
    crc = _mm_crc32_u64(crc, word[6]);
    crc = _mm_crc32_u64(crc, word[7]);
    crc = _mm_crc32_u64(crc, word[8]);
    crc = _mm_crc32_u64(crc, word[9]);
    for (word += TW_RECORD_HEADER_BYTES / 8; word + 4 <= end; word += 4) {
        crc = _mm_crc32_u64(crc, word[0]);
        crc = _mm_crc32_u64(crc, word[1]);
        crc = _mm_crc32_u64(crc, word[2]);
        crc = _mm_crc32_u64(crc, word[3]);
    }
    for (; word < end; word++) crc = _mm_crc32_u64(crc, *word);
    return ~(uint32_t)crc;
}

static inline uint32_t tw_mark_crc(const TwMark *mark) {
    return tw_crc((const uint8_t *)mark + 16, 48, mark->epoch ^ (mark->lane << 24));
}

/* Say of an input how it was taken. By a whole word, as in tw_clear: the checksum reads words. */
static inline void tw_set_turn(TwRecord *record, uint16_t turn) {
    uint64_t *word = (uint64_t *)record + 9;
    *word = (*word & 0xFFFFFFFFFFFFULL) | (uint64_t)turn << 48;
}

static inline uint64_t tw_room_limit(TwLane *lane) {
    if (lane->discards) __atomic_store_n(&lane->front->written, lane->committed, __ATOMIC_RELEASE);
    return __atomic_load_n(&lane->front->written, __ATOMIC_ACQUIRE) + lane->mask + 1;
}

static inline uint64_t tw_used(TwLane *lane) {
    return lane->head - __atomic_load_n(&lane->front->written, __ATOMIC_RELAXED);
}

/* Mark the fill before the ring's end, or - where a record ended exactly there - that there is none. */
static inline void tw_note_wrap(TwLane *lane, uint64_t start) {
    if (lane->wrap_boundary == start) return;
    lane->wrap_boundary = start;
    lane->front->wrap_position = lane->head;
    if (lane->head != start) {
        uint32_t *fill = (uint32_t *)(lane->ring + (lane->head & lane->mask));
        fill[0] = 0;
        fill[1] = TW_FILL_MAGIC;
    }
}

/* The header as it begins, and zeroes behind it. By whole words: the checksum reads words, and a word put together from smaller
 * stores is late in coming back. Not by memset: its call costs more than the ten stores of a bare header. */
static inline void tw_clear(const TwLane *lane, TwRecord *record, int kind, uint64_t size) {
    uint64_t *word = (uint64_t *)record, *end = word + (size < TW_CLEARED_BYTES ? size : TW_CLEARED_BYTES) / 8;
    const __m128i zero = _mm_setzero_si128();
    word[size / 8 - 1] = 0;
    word[0] = size;
    word[1] = word[2] = word[3] = word[4] = word[7] = word[9] = 0;
    word[5] = (uint16_t)kind;
    word[6] = (uint64_t)lane->lane << 40 | (uint64_t)lane->engine_id << 48;
    word[8] = lane->epoch;
    word += TW_RECORD_HEADER_BYTES / 8;
    for (; word + 8 <= end; word += 8) {
        _mm_storeu_si128((__m128i *)word, zero);
        _mm_storeu_si128((__m128i *)word + 1, zero);
        _mm_storeu_si128((__m128i *)word + 2, zero);
        _mm_storeu_si128((__m128i *)word + 3, zero);
        __asm__ volatile("" ::: "memory"); /* else the compiler makes a call of memset of it */
    }
    for (; word < end; word++) {
        *word = 0;
        __asm__ volatile("" ::: "memory");
    }
}

static inline TwRecord *tw_claim(TwLane *lane, int kind, uint32_t size_max, int reserve) {
    uint64_t size = ((uint64_t)size_max + 7) & ~7ULL, start = lane->head, kept = reserve ? 0 : lane->reserve_bytes;
    TwRecord *record;
    if (size < TW_RECORD_HEADER_BYTES) size = TW_RECORD_HEADER_BYTES;
    if ((start & lane->mask) + size > lane->mask + 1) start = (start | lane->mask) + 1;
    if (__builtin_expect(size > lane->claim_bytes_max || (kept && *lane->error), 0)) goto refuse;
    if (__builtin_expect(start + size + kept > lane->limit, 0)) {
        lane->limit = tw_room_limit(lane);
        if (start + size + kept > lane->limit) goto refuse;
    }
    if (__builtin_expect((start & lane->mask) == 0 && start != 0, 0)) tw_note_wrap(lane, start);
    lane->head = start + size;
    record = (TwRecord *)(lane->ring + (start & lane->mask));
    tw_clear(lane, record, kind, size);
    return record;
refuse:
    lane->refused++;
    return NULL;
}

static inline int tw_is_latest(TwLane *lane, TwRecord *record) {
    return ((lane->head - record->length) & lane->mask) == (uint64_t)((uint8_t *)record - lane->ring);
}

static inline void tw_shrink(TwLane *lane, TwRecord *record, uint32_t length) {
    uint32_t kept = (length + 7) & ~7U;
    if (length < TW_RECORD_HEADER_BYTES) length = kept = TW_RECORD_HEADER_BYTES;
    if (kept > record->length || record->kind == 0) return; /* kind 0: passed over, it is padding on disk by now */
    if (!tw_is_latest(lane, record)) kept = record->length; /* a later claim stands behind: the end stays, zeroed */
    memset((uint8_t *)record + length, 0, kept - length);
    lane->head -= record->length - kept;
    record->length = kept;
}

static inline void tw_abandon(TwLane *lane, TwRecord *record) {
    if (record->kind == 0) return;
    if (tw_is_latest(lane, record)) {
        lane->head -= record->length;
        return;
    }
    record->kind = 0;
    record->seq = 0;
}

/* A later claim is committed first: what lies open before it becomes padding on disk. The open record keeps its bytes, and its
 * kind in `seq`, so that tw_recommit can give it a place of its own when its turn comes. */
static void tw_bypass(TwLane *lane, uint64_t until) {
    uint64_t position = lane->committed;
    while (position < until) {
        TwRecord *open = (TwRecord *)(lane->ring + (position & lane->mask));
        if (open->length == 0) {
            position = (position | lane->mask) + 1;
            continue;
        }
        if (open->kind != 0) {
            open->seq = TW_BYPASS_MAGIC << 16 | open->kind;
            lane->bypassed++;
        }
        open->kind = 0;
        open->crc32c = tw_record_crc(open);
        position += open->length;
    }
}

static inline uint64_t tw_commit(TwLane *lane, TwRecord *record, uint64_t *last_seq, int64_t wall_ns, int64_t mono_ns) {
    uint64_t offset = (uint64_t)((uint8_t *)record - lane->ring);
    uint64_t position = lane->committed + ((offset - lane->committed) & lane->mask);
    uint64_t end = position + record->length;
    if (__builtin_expect(end > lane->head || record->kind == 0, 0)) return 0; /* bypassed, abandoned or never claimed */
    if (__builtin_expect(position != lane->committed, 0)) tw_bypass(lane, position);
    if (record->wall_ns == 0) {
        record->wall_ns = wall_ns;
        record->mono_ns = mono_ns;
    }
    record->seq = ++*last_seq;
    record->crc32c = tw_fresh_crc(record);
    lane->committed = end;
    lane->front->last_seq = record->seq;
    lane->front->records++;
    __atomic_store_n(&lane->front->committed, end, __ATOMIC_RELEASE);
    return record->seq;
}

/* A fresh copy of a record that was bypassed, or NULL where it is no such record or there is no room. */
static TwRecord *tw_reclaim(TwLane *lane, TwRecord *bypassed) {
    uint16_t kind = (uint16_t)bypassed->seq;
    TwRecord *copy;
    if (bypassed->kind != 0 || bypassed->seq >> 16 != TW_BYPASS_MAGIC) return NULL;
    copy = tw_claim(lane, kind, bypassed->length, 1);
    if (copy == NULL) return NULL;
    memcpy(copy, bypassed, bypassed->length);
    copy->kind = kind;
    copy->seq = 0;
    return copy;
}
#endif
