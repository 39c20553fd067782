/* The least that a ring of 64-byte records can be in C: two indices on lines of their own, each side with a copy of the other's.
 * No counts, no checks, a capacity known to the compiler. The yardstick of bench/ring.py. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 4096

typedef struct {
    uint64_t word[8];
} Record;

typedef struct {
    _Alignas(128) _Atomic uint64_t head;
    uint64_t tail_seen;
    _Alignas(128) _Atomic uint64_t tail;
    uint64_t head_seen;
    _Alignas(128) Record slots[SLOTS];
} Ring;

Ring *ring_new(void) {
    Ring *ring = mmap(NULL, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return ring == MAP_FAILED ? NULL : ring;
}

void ring_free(Ring *ring) { munmap(ring, sizeof(Ring)); }

/* word by word, since the record was just written so: wider loads would wait for the stores */
static inline void copy(Record *to, const Record *from) {
#pragma GCC unroll 8
    for (int at = 0; at < 8; at++) {
        uint64_t word = from->word[at];
        __asm__("" : "+r"(word));
        to->word[at] = word;
    }
}

static inline Record *claim(Ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head - ring->tail_seen == SLOTS) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head - ring->tail_seen == SLOTS) return NULL;
    }
    return &ring->slots[head % SLOTS];
}

static inline void publish(Ring *ring, uint64_t count) {
    atomic_store_explicit(&ring->head, atomic_load_explicit(&ring->head, memory_order_relaxed) + count, memory_order_release);
}

static inline Record *peek(Ring *ring) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail == ring->head_seen) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail == ring->head_seen) return NULL;
    }
    return &ring->slots[tail % SLOTS];
}

static inline void release(Ring *ring, uint64_t count) {
    atomic_store_explicit(&ring->tail, atomic_load_explicit(&ring->tail, memory_order_relaxed) + count, memory_order_release);
}

uint64_t ring_copied(Ring *ring, uint64_t count) {
    Record item = {{0}}, taken, *slot;
    uint64_t number, total = 0;
    for (number = 0; number < count; number++) {
        item.word[2] = number;
        if ((slot = claim(ring))) {
            copy(slot, &item);
            publish(ring, 1);
        }
        if ((slot = peek(ring))) {
            copy(&taken, slot);
            release(ring, 1);
            total += taken.word[2];
        }
    }
    return total;
}

uint64_t ring_claimed(Ring *ring, uint64_t count, uint64_t batch) {
    uint64_t number, place, head, total = 0;
    for (number = 0; number < count; number += batch) {
        head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        for (place = 0; place < batch; place++) {
            ring->slots[(head + place) % SLOTS].word[2] = number + place;
            ring->slots[(head + place) % SLOTS].word[0] = 1;
        }
        publish(ring, batch);
        for (place = 0; place < batch; place++) total += ring->slots[(head + place) % SLOTS].word[2];
        release(ring, batch);
    }
    return total;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void produce(Ring *ring, uint64_t count) {
    Record item = {{0}}, *slot;
    uint64_t number;
    for (number = 0; number < count; number++) {
        int spins = 0;
        item.word[2] = number;
        while (!(slot = claim(ring))) {
            if (spins++ < 1000) _mm_pause(); else sched_yield();
        }
        copy(slot, &item);
        publish(ring, 1);
    }
}

/* A forked child produces, we consume; nanoseconds of the whole. -1: no child. */
int64_t ring_between(uint64_t count) {
    Ring *ring = ring_new();
    uint64_t taken = 0, total = 0;
    int64_t began_ns;
    pid_t child = ring ? fork() : -1;
    if (child < 0) return -1;
    if (child == 0) {
        produce(ring, count);
        _exit(0);
    }
    while (!peek(ring)) sched_yield();
    began_ns = now_ns();
    while (taken < count) {
        Record *slot;
        int spins = 0;
        while (!(slot = peek(ring))) {
            if (spins++ < 1000) _mm_pause(); else sched_yield();
        }
        total += slot->word[2];
        release(ring, 1);
        taken++;
    }
    began_ns = now_ns() - began_ns;
    waitpid(child, NULL, 0);
    ring_free(ring);
    return total == count * (count - 1) / 2 ? began_ns : -1;
}
