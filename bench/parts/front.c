/* Yardsticks of bench/journal.py: a record appended in the other ways there are. Each paces itself as ours is paced and notes ticks
 * the same way: `each` append, or whole bursts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

typedef struct {
    uint64_t pause_ticks, count, burst, bytes;
    uint64_t *ticks;
    int each;
} Run;

typedef struct {
    uint8_t *ring;
    uint64_t mask, head;
    int fd;
} Place;

static inline uint64_t now(void) {
    unsigned int core;
    return __rdtscp(&core);
}

static inline uint32_t checksum(const uint64_t *word, uint64_t words) {
    uint64_t crc = 0xFFFFFFFFU;
    for (uint64_t at = 1; at < words; at++) crc = _mm_crc32_u64(crc, word[at]);
    return ~(uint32_t)crc;
}

static inline void fill(uint64_t *word, uint64_t words, uint64_t number) {
    word[0] = words * 8;
    for (uint64_t at = 1; at < words; at++) word[at] = 0;
    word[1] = number;
    word[0] |= (uint64_t)checksum(word, words) << 32;
}

/* a ring of memory (a front, or a mapped file of the disk): filled in place, then the head is published */
static inline void append_ring(Place *place, uint64_t bytes, uint64_t number) {
    uint64_t start = place->head;
    if ((start & place->mask) + bytes > place->mask + 1) start = (start | place->mask) + 1;
    fill((uint64_t *)(place->ring + (start & place->mask)), bytes / 8, number);
    __atomic_store_n(&place->head, start + bytes, __ATOMIC_RELEASE);
}

static inline void append_write(Place *place, uint64_t bytes, uint64_t number) {
    uint64_t record[512];
    fill(record, bytes / 8, number);
    if (write(place->fd, record, bytes) != (ssize_t)bytes) abort();
}

#define PACED(NAME, APPEND)                                                              \
    void NAME(Place *place, Run *run) {                                                  \
        uint64_t number = 0, step, began, until;                                         \
        while (number < run->count) {                                                    \
            until = now() + run->pause_ticks;                                            \
            while (now() < until) {}                                                     \
            began = now();                                                               \
            for (step = 0; step < run->burst; step++) {                                  \
                APPEND(place, run->bytes, number + step);                                \
                if (run->each && number < run->count) {                                  \
                    run->ticks[number++] = now() - began;                                \
                    began = now();                                                       \
                }                                                                        \
            }                                                                            \
            if (!run->each) run->ticks[number++] = now() - began;                        \
        }                                                                                \
    }
PACED(paced_ring, append_ring)
PACED(paced_write, append_write)

/* `path` NULL: memory; else a file, which is mapped where `bytes` is not 0 */
Place *place_open(const char *path, uint64_t bytes) {
    Place *place = calloc(1, sizeof(Place));
    int flags = path ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
    place->fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    if (path && place->fd < 0) return NULL;
    if (bytes == 0) return place;
    if (path && ftruncate(place->fd, (off_t)bytes) < 0) return NULL;
    place->ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, place->fd, 0);
    place->mask = bytes - 1;
    return place->ring == MAP_FAILED ? NULL : place;
}

void place_close(Place *place) {
    if (place->ring) munmap(place->ring, place->mask + 1);
    if (place->fd >= 0) close(place->fd);
    free(place);
}
