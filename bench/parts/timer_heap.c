/* What the wheels replaced: a binary heap by deadline, then by the order of scheduling, that a cancel searches from the front.
 * The yardstick of bench/timers.py, beside Python's heapq. */
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    int64_t deadline, data;
    uint64_t id;
    uint64_t kind;
} Timer;

typedef struct {
    Timer *heap;
    uint64_t count, last_id;
} Heap;

Heap *heap_new(uint64_t capacity) {
    Heap *heap = calloc(1, sizeof(Heap));
    heap->heap = calloc(capacity, sizeof(Timer));
    return heap;
}

void heap_free(Heap *heap) {
    free(heap->heap);
    free(heap);
}

static int earlier(const Timer *left, const Timer *right) {
    return left->deadline != right->deadline ? left->deadline < right->deadline : left->id < right->id;
}

static void up(Heap *h, uint64_t place) {
    Timer timer = h->heap[place];
    for (; place && earlier(&timer, &h->heap[(place - 1) / 2]); place = (place - 1) / 2) h->heap[place] = h->heap[(place - 1) / 2];
    h->heap[place] = timer;
}

static void down(Heap *h, uint64_t place) {
    Timer timer = h->heap[place];
    for (;;) {
        uint64_t child = 2 * place + 1;
        if (child >= h->count) break;
        if (child + 1 < h->count && earlier(&h->heap[child + 1], &h->heap[child])) child++;
        if (!earlier(&h->heap[child], &timer)) break;
        h->heap[place] = h->heap[child];
        place = child;
    }
    h->heap[place] = timer;
}

static uint64_t add(Heap *h, int64_t deadline) {
    h->heap[h->count] = (Timer){deadline, 0, ++h->last_id, 0};
    up(h, h->count++);
    return h->last_id;
}

static void take_out(Heap *h, uint64_t place) {
    if (place == --h->count) return;
    h->heap[place] = h->heap[h->count];
    down(h, place);
    up(h, place);
}

static int drop(Heap *h, uint64_t id) {
    for (uint64_t place = 0; place < h->count; place++)
        if (h->heap[place].id == id) {
            take_out(h, place);
            return 1;
        }
    return 0;
}

static uint64_t mixed(uint64_t number) {
    number += 0x9E3779B97F4A7C15ULL;
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9ULL;
    number = (number ^ (number >> 27)) * 0x94D049BB133111EBULL;
    return number ^ (number >> 31);
}

void heap_filled(Heap *h, int64_t now, int64_t span, uint64_t count) {
    for (uint64_t number = 0; number < count; number++) add(h, now + (int64_t)(mixed(number) % (uint64_t)span));
}

uint64_t heap_canceled(Heap *h, int64_t now, int64_t span, uint64_t count) {
    uint64_t dropped = 0;
    for (uint64_t number = 0; number < count; number++) dropped += drop(h, add(h, now + (int64_t)(mixed(number) % (uint64_t)span)));
    return dropped;
}

int64_t heap_fired(Heap *h, int64_t now, int64_t span, uint64_t count) {
    for (uint64_t number = 0; number < count && h->count; number++) {
        now = h->heap[0].deadline;
        take_out(h, 0);
        add(h, now + 1 + (int64_t)(mixed(number ^ (uint64_t)now) % (uint64_t)span));
    }
    return now;
}
