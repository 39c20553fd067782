/* The cold half of the journal: one C thread that carries what was committed from the fronts to the segments and syncs it.
 *
 * It never touches Python. Its rules: a short write is continued; any error is final for its lane (`front->error`, and the sticky
 * `error` both lanes' claims look at); fsync is never tried twice, since after a failed one the kernel may have dropped the pages and
 * the next would report success. The watermark moves only after fdatasync of the data and fsync of the segment's directory. What it
 * writes it binds into the lane's hash chain (chain.h). An order that waits for the disk asks for a sync at once (tw_ask_sync); the
 * loop is told by `alarm_fd` when the ledger's watermark has moved.
 */
#ifndef TRADEWIND_WRITER_H
#define TRADEWIND_WRITER_H

#include "chain.h"
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TW_OP_OPEN = 1, TW_OP_WRITE, TW_OP_SYNC, TW_OP_SYNC_DIRECTORY, TW_OP_MARK, TW_OP_SYNC_MARK, TW_OP_CHAIN, TW_OP_SYNC_CHAIN };
#define TW_EAGER_BYTES 262144
enum { TW_FAULT_NONE, TW_FAULT_ONCE, TW_FAULT_STICKY, TW_FAULT_SHORT };

/* What the disk was asked, in order; tests rebuild from it what a power cut could have left. */
typedef struct {
    int32_t operation, lane;
    uint64_t segment_no, offset, length;
    TwMark mark;
} TwTrace;

typedef struct {
    TwLane *lane;
    int directory_fd, segment_fd, chain_fd, is_chain_unsynced;
    uint64_t next_segment_no, mark_generation, last_seq_written, previous_bytes;
    TwChain chain;
} TwOutlet;

typedef struct {
    TwOutlet outlets[2];
    int mark_fd;
    uint64_t segment_bytes_max, schema_hash, marks;
    uint8_t journal_id[16];
    int64_t sync_interval_ns, tick_ns, block_age_ns; /* block_age_ns 0: a block is closed by its size alone */
    volatile int32_t error;
    /* injected faults: I/O number `fault_at` (counted from 1) fails with `fault_errno`, or writes short */
    uint64_t io_count, fault_at;
    int fault_mode, fault_errno;
    int is_held; /* tests: a disk that keeps every sync but a segment's last for itself until it is let go */
    TwTrace *trace;
    uint64_t trace_capacity, trace_count;
    /* the thread */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    sem_t wake;
    uint64_t flush_wanted, flush_done;
    int running, stopping;
    /* orders that wait: the last sequence that one asked for (hot thread), the last that the loop was told of */
    uint64_t asked_seq, told_seq;
    int alarm_fd;
} TwWriter;

static int tw_fault(TwWriter *w) {
    w->io_count++;
    if (w->fault_mode == TW_FAULT_NONE || w->fault_mode == TW_FAULT_SHORT) return 0;
    if (w->io_count != w->fault_at && !(w->fault_mode == TW_FAULT_STICKY && w->io_count > w->fault_at)) return 0;
    errno = w->fault_errno;
    return 1;
}

static void tw_trace(TwWriter *w, int operation, int lane, uint64_t segment_no, uint64_t offset, uint64_t length, const TwMark *mark) {
    TwTrace *entry;
    if (w->trace == NULL || w->trace_count >= w->trace_capacity) return;
    entry = &w->trace[w->trace_count++];
    memset(entry, 0, sizeof(*entry));
    entry->operation = operation;
    entry->lane = lane;
    entry->segment_no = segment_no;
    entry->offset = offset;
    entry->length = length;
    if (mark) entry->mark = *mark;
}

static ssize_t tw_disk_write(TwWriter *w, int fd, const void *data, size_t size, uint64_t offset) {
    if (tw_fault(w)) return -1;
    if (w->fault_mode == TW_FAULT_SHORT && w->io_count == w->fault_at && size > 1) size /= 2;
    return pwrite(fd, data, size, (off_t)offset);
}

static int tw_write_all(TwWriter *w, int fd, const uint8_t *data, uint64_t size, uint64_t offset) {
    while (size) {
        ssize_t written = tw_disk_write(w, fd, data, size, offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -1;
        if (written == 0) { errno = EIO; return -1; }
        data += written;
        size -= (uint64_t)written;
        offset += (uint64_t)written;
    }
    return 0;
}

static int tw_fail(TwWriter *w, TwOutlet *o, int operation) {
    TwFront *front = o->lane->front;
    int32_t code = errno ? errno : EIO;
    front->error_operation = operation;
    __atomic_store_n(&front->error, code, __ATOMIC_RELEASE);
    if (w->error == 0) w->error = code;
    return -1;
}

static int tw_put_mark(TwWriter *w, TwOutlet *o) {
    TwFront *front = o->lane->front;
    TwMark mark;
    uint64_t slot = (uint64_t)o->lane->lane * 2 + (++o->mark_generation & 1);
    memset(&mark, 0, sizeof(mark));
    mark.magic = TW_MARK_MAGIC;
    mark.lane = o->lane->lane;
    mark.epoch = o->lane->epoch;
    mark.generation = o->mark_generation;
    mark.segment_no = front->segment_no;
    mark.segment_offset = front->segment_bytes;
    mark.seq = front->synced_seq;
    mark.position = front->synced;
    mark.crc32c = tw_mark_crc(&mark);
    front->mark = mark;
    tw_trace(w, TW_OP_MARK, o->lane->lane, mark.segment_no, slot * TW_MARK_SLOT_BYTES, sizeof(mark), &mark);
    if (tw_write_all(w, w->mark_fd, (const uint8_t *)&mark, sizeof(mark), slot * TW_MARK_SLOT_BYTES) < 0)
        return tw_fail(w, o, TW_OP_MARK);
    return 0;
}

static int64_t tw_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- the chain --- */

/* Write the entries of blocks that are closed and synced. */
static int tw_store_entries(TwWriter *w, TwOutlet *o) {
    TwChain *chain = &o->chain;
    uint64_t size = (uint64_t)chain->pending_count * TW_CHAIN_ENTRY_BYTES;
    if (size == 0 || o->lane->front->error) return 0;
    tw_trace(w, TW_OP_CHAIN, o->lane->lane, o->lane->front->segment_no, chain->file_bytes, size, NULL);
    if (tw_write_all(w, o->chain_fd, (const uint8_t *)chain->pending, size, chain->file_bytes) < 0) return tw_fail(w, o, TW_OP_CHAIN);
    chain->file_bytes += size;
    chain->pending_count = 0;
    o->is_chain_unsynced = 1;
    return 0;
}

static int tw_sync_chain(TwWriter *w, TwOutlet *o) {
    if (!o->is_chain_unsynced || o->lane->front->error) return 0;
    tw_trace(w, TW_OP_SYNC_CHAIN, o->lane->lane, o->lane->front->segment_no, 0, o->chain.file_bytes, NULL);
    if (tw_fault(w) || fdatasync(o->chain_fd) < 0) return tw_fail(w, o, TW_OP_SYNC_CHAIN);
    o->is_chain_unsynced = 0;
    return 0;
}

static void tw_close_if_aged(TwWriter *w, TwOutlet *o) {
    TwChain *chain = &o->chain;
    if (!chain->is_open || w->block_age_ns == 0 || chain->pending_count >= TW_CHAIN_PENDING_MAX - 1) return;
    if (tw_monotonic_ns() - chain->opened_ns >= w->block_age_ns) tw_chain_close(chain);
}

/* First and last sequence of the true records in [from, until) of the ring, 0 where there is none. */
static void tw_span(TwLane *lane, uint64_t from, uint64_t until, uint64_t *first, uint64_t *last) {
    *first = *last = 0;
    while (from < until) {
        const TwRecord *record = (const TwRecord *)(lane->ring + (from & lane->mask));
        if (record->kind != 0) {
            *last = record->seq;
            if (*first == 0) *first = record->seq;
        }
        from += record->length;
    }
}

static int tw_sync_now(TwWriter *w, TwOutlet *o) {
    TwFront *front = o->lane->front;
    if (front->error) return 0;
    tw_close_if_aged(w, o);
    if (front->written == front->synced) return tw_store_entries(w, o);
    tw_trace(w, TW_OP_SYNC, o->lane->lane, front->segment_no, 0, front->segment_bytes, NULL);
    if (tw_fault(w) || fdatasync(o->segment_fd) < 0) return tw_fail(w, o, TW_OP_SYNC);
    front->syncs++;
    __atomic_store_n(&front->synced_seq, o->last_seq_written, __ATOMIC_RELEASE);
    __atomic_store_n(&front->synced, front->written, __ATOMIC_RELEASE);
    if (tw_store_entries(w, o) < 0) return -1;
    return tw_put_mark(w, o);
}

static int tw_sync(TwWriter *w, TwOutlet *o) { return w->is_held ? 0 : tw_sync_now(w, o); }

static void tw_fill_segment_header(TwWriter *w, TwOutlet *o, TwSegmentHeader *header) {
    const TwRecord *first = (const TwRecord *)(o->lane->ring + (o->lane->front->written & o->lane->mask));
    memset(header, 0, sizeof(*header));
    header->magic = TW_SEGMENT_MAGIC;
    header->version = TW_FORMAT_VERSION;
    header->header_bytes = TW_SEGMENT_HEADER_BYTES;
    header->engine_id = o->lane->engine_id;
    header->epoch = o->lane->epoch;
    header->lane = o->lane->lane;
    header->record_version = 1;
    header->segment_no = o->next_segment_no;
    header->first_seq = first->kind ? first->seq : 0;
    header->created_wall_ns = first->wall_ns;
    header->schema_hash = w->schema_hash;
    memcpy(header->journal_id, w->journal_id, 16);
    header->previous_bytes = o->previous_bytes;
    header->crc32c = tw_crc(header, TW_SEGMENT_HEADER_BYTES - 4, 0);
}

/* The file of a new segment's entries; its first block begins with the segment's header. What stood there belongs to no segment. */
static int tw_begin_chain_file(TwWriter *w, TwOutlet *o, const TwSegmentHeader *header) {
    char name[32];
    snprintf(name, sizeof(name), "%08llu.chain", (unsigned long long)o->next_segment_no);
    tw_trace(w, TW_OP_OPEN, o->lane->lane, o->next_segment_no, 0, 1, NULL);
    if (tw_fault(w)) return tw_fail(w, o, TW_OP_OPEN);
    o->chain_fd = openat(o->directory_fd, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0640);
    if (o->chain_fd < 0) return tw_fail(w, o, TW_OP_OPEN);
    o->chain.file_bytes = 0;
    tw_chain_open(&o->chain, o->lane->lane, o->lane->epoch, o->next_segment_no, 0, tw_monotonic_ns());
    tw_chain_add(&o->chain, header, sizeof(*header), 0, 0);
    return 0;
}

/* End the current segment (synced, marked) and begin the next. */
static int tw_rotate(TwWriter *w, TwOutlet *o) {
    TwFront *front = o->lane->front;
    TwSegmentHeader header;
    char name[32];
    if (o->segment_fd >= 0) {
        tw_chain_close(&o->chain);
        /* no disk, however slow, lets a segment end whose entries are not in its own file */
        if (tw_sync_now(w, o) < 0 || tw_sync_chain(w, o) < 0) return -1;
        close(o->segment_fd);
        if (o->chain_fd >= 0) close(o->chain_fd);
        o->segment_fd = o->chain_fd = -1;
        o->previous_bytes = front->segment_bytes;
    }
    tw_fill_segment_header(w, o, &header);
    snprintf(name, sizeof(name), "%08llu.seg", (unsigned long long)o->next_segment_no);
    tw_trace(w, TW_OP_OPEN, o->lane->lane, o->next_segment_no, 0, 0, NULL);
    if (tw_fault(w)) return tw_fail(w, o, TW_OP_OPEN);
    o->segment_fd = openat(o->directory_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
    if (o->segment_fd < 0) return tw_fail(w, o, TW_OP_OPEN);
    tw_trace(w, TW_OP_WRITE, o->lane->lane, o->next_segment_no, 0, sizeof(header), NULL);
    if (tw_write_all(w, o->segment_fd, (const uint8_t *)&header, sizeof(header), 0) < 0) return tw_fail(w, o, TW_OP_WRITE);
    if (o->chain.is_on && tw_begin_chain_file(w, o, &header) < 0) return -1;
    tw_trace(w, TW_OP_SYNC_DIRECTORY, o->lane->lane, o->next_segment_no, 0, 0, NULL);
    if (tw_fault(w) || fsync(o->directory_fd) < 0) return tw_fail(w, o, TW_OP_SYNC_DIRECTORY);
    front->segment_no = o->next_segment_no++;
    front->segment_bytes = sizeof(header);
    return 0;
}

/* The end of the longest run of whole records from `from` that fits into `room`; at least one record. */
static uint64_t tw_fitting(TwLane *lane, uint64_t from, uint64_t until, uint64_t room) {
    uint64_t end = from;
    while (end < until) {
        uint64_t length = ((const TwRecord *)(lane->ring + (end & lane->mask)))->length;
        if (end > from && end + length - from > room) break;
        end += length;
    }
    return end;
}

/* Bind what was written, [from, until) of the ring at byte `offset` of the segment, into the chain: before the ring's place is given back. */
static void tw_chain_run(TwOutlet *o, uint64_t from, uint64_t until, uint64_t offset) {
    TwLane *lane = o->lane;
    TwChain *chain = &o->chain;
    while (from < until) {
        uint64_t end = until, first, last, room;
        if (chain->is_on) {
            if (!chain->is_open) tw_chain_open(chain, lane->lane, lane->epoch, lane->front->segment_no, offset, tw_monotonic_ns());
            room = chain->block_bytes_max > chain->next.length ? chain->block_bytes_max - chain->next.length : 0;
            if (until - from > room) end = tw_fitting(lane, from, until, room);
        }
        tw_span(lane, from, end, &first, &last);
        if (last) o->last_seq_written = last;
        if (chain->is_on) {
            tw_chain_add(chain, lane->ring + (from & lane->mask), end - from, first, last);
            if (chain->next.length >= chain->block_bytes_max && chain->pending_count < TW_CHAIN_PENDING_MAX - 1) tw_chain_close(chain);
        }
        offset += end - from;
        from = end;
    }
}

static int tw_write_run(TwWriter *w, TwOutlet *o, uint64_t until) {
    TwLane *lane = o->lane;
    TwFront *front = lane->front;
    uint64_t from = front->written, room;
    const TwRecord *next = (const TwRecord *)(lane->ring + (from & lane->mask));
    if (o->segment_fd < 0 || (front->segment_bytes > TW_SEGMENT_HEADER_BYTES && front->segment_bytes + next->length > w->segment_bytes_max))
        if (tw_rotate(w, o) < 0) return -1;
    room = w->segment_bytes_max > front->segment_bytes ? w->segment_bytes_max - front->segment_bytes : 0;
    if (until - from > room) until = tw_fitting(lane, from, until, room);
    tw_trace(w, TW_OP_WRITE, lane->lane, front->segment_no, front->segment_bytes, until - from, NULL);
    if (tw_write_all(w, o->segment_fd, lane->ring + (from & lane->mask), until - from, front->segment_bytes) < 0)
        return tw_fail(w, o, TW_OP_WRITE);
    /* let the disk begin while the bytes are hashed; whether it succeeds fdatasync says */
    if (until - from >= TW_EAGER_BYTES) (void)sync_file_range(o->segment_fd, (off64_t)front->segment_bytes, (off64_t)(until - from), SYNC_FILE_RANGE_WRITE);
    tw_chain_run(o, from, until, front->segment_bytes);
    front->segment_bytes += until - from;
    front->bytes_written += until - from;
    __atomic_store_n(&front->written, until, __ATOMIC_RELEASE);
    return 0;
}

/* Carry everything that is committed to the segments. */
static int tw_drain(TwWriter *w, TwOutlet *o) {
    TwLane *lane = o->lane;
    TwFront *front = lane->front;
    uint64_t committed = __atomic_load_n(&front->committed, __ATOMIC_ACQUIRE);
    if (front->error) return -1;
    while (front->written < committed) {
        uint64_t boundary = (front->written | lane->mask) + 1, until = committed;
        if (committed > boundary) {
            until = front->wrap_position;
            if (until == front->written) {
                __atomic_store_n(&front->written, boundary, __ATOMIC_RELEASE);
                continue;
            }
        }
        if (tw_write_run(w, o, until) < 0) return -1;
    }
    return 0;
}

static void tw_drain_all(TwWriter *w) {
    tw_drain(w, &w->outlets[0]);
    tw_drain(w, &w->outlets[1]);
}

static void tw_sync_all(TwWriter *w, int with_mark) {
    tw_sync(w, &w->outlets[0]);
    tw_sync(w, &w->outlets[1]);
    if (!with_mark) return;
    tw_sync_chain(w, &w->outlets[0]);
    tw_sync_chain(w, &w->outlets[1]);
    if (w->error) return;
    tw_trace(w, TW_OP_SYNC_MARK, 0, 0, 0, 0, NULL);
    if (tw_fault(w) || fdatasync(w->mark_fd) < 0) tw_fail(w, &w->outlets[0], TW_OP_SYNC_MARK);
}

/* --- orders that wait for the disk --- */

/* Has an order asked for a sequence that is not on the platter yet. */
static int tw_is_asked(TwWriter *w) {
    TwFront *ledger = w->outlets[0].lane->front;
    return !ledger->error && __atomic_load_n(&w->asked_seq, __ATOMIC_ACQUIRE) > ledger->synced_seq;
}

/* Let the loop look again: the ledger's watermark has moved past what it knew, or will not move any more. */
static void tw_tell(TwWriter *w) {
    TwFront *ledger = w->outlets[0].lane->front;
    uint64_t asked = __atomic_load_n(&w->asked_seq, __ATOMIC_ACQUIRE), one = 1;
    if (w->alarm_fd < 0 || asked <= w->told_seq || (ledger->synced_seq <= w->told_seq && !w->error)) return;
    w->told_seq = w->error ? asked : ledger->synced_seq;
    while (write(w->alarm_fd, &one, sizeof(one)) < 0 && errno == EINTR) continue;
}

static void tw_serve_asked(TwWriter *w) {
    if (tw_is_asked(w)) {
        tw_drain(w, &w->outlets[0]);
        tw_sync(w, &w->outlets[0]);
    }
    tw_tell(w);
}

/* The hot thread: `seq` is committed and an order waits for it. Without a thread the caller's own turn syncs. */
static void tw_ask_sync(TwWriter *w, uint64_t seq) {
    if (seq > w->asked_seq) __atomic_store_n(&w->asked_seq, seq, __ATOMIC_RELEASE);
    if (w->running) sem_post(&w->wake);
    else tw_serve_asked(w);
}

/* --- the thread --- */

static void tw_wait(TwWriter *w, int64_t until_ns) {
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    if (!tw_is_asked(w) || w->is_held)
        while (sem_clockwait(&w->wake, CLOCK_MONOTONIC, &until) < 0 && errno == EINTR) continue;
    while (sem_trywait(&w->wake) == 0) continue;
}

static void *tw_writer_main(void *argument) {
    TwWriter *w = (TwWriter *)argument;
    int64_t next_sync_ns = tw_monotonic_ns() + w->sync_interval_ns, next_mark_ns = next_sync_ns + 1000000000, now_ns;
    uint64_t wanted;
    while (!__atomic_load_n(&w->stopping, __ATOMIC_ACQUIRE)) {
        tw_wait(w, tw_monotonic_ns() + w->tick_ns);
        pthread_mutex_lock(&w->mutex);
        wanted = w->flush_wanted;
        pthread_mutex_unlock(&w->mutex);
        tw_serve_asked(w);
        now_ns = tw_monotonic_ns();
        tw_drain_all(w);
        if (now_ns >= next_sync_ns || wanted != w->flush_done) {
            tw_sync_all(w, now_ns >= next_mark_ns);
            next_sync_ns = now_ns + w->sync_interval_ns;
            if (now_ns >= next_mark_ns) next_mark_ns = now_ns + 1000000000;
        }
        tw_tell(w);
        if (wanted == w->flush_done) continue;
        pthread_mutex_lock(&w->mutex);
        w->flush_done = wanted;
        pthread_cond_broadcast(&w->done);
        pthread_mutex_unlock(&w->mutex);
    }
    return NULL;
}

static int tw_writer_start(TwWriter *w) {
    sigset_t all, before;
    int status;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->done, NULL);
    sem_init(&w->wake, 0, 0);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&w->thread, NULL, tw_writer_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == 0) {
        pthread_setname_np(w->thread, "journal-writer");
        w->running = 1;
    }
    return status;
}

/* Write and sync everything that was committed before the call. Without a thread the caller does it. */
static void tw_flush(TwWriter *w) {
    uint64_t wanted;
    if (!w->running) {
        tw_drain_all(w);
        tw_sync_all(w, 0);
        return;
    }
    pthread_mutex_lock(&w->mutex);
    wanted = ++w->flush_wanted;
    sem_post(&w->wake);
    while (w->flush_done < wanted) pthread_cond_wait(&w->done, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

/* End the thread, without writing what it has not written. */
static void tw_writer_abandon(TwWriter *w) {
    if (!w->running) return;
    __atomic_store_n(&w->stopping, 1, __ATOMIC_RELEASE);
    sem_post(&w->wake);
    pthread_join(w->thread, NULL);
    w->running = 0;
}

static void tw_writer_stop(TwWriter *w) {
    tw_writer_abandon(w);
    tw_drain_all(w);
    tw_chain_close(&w->outlets[0].chain);
    tw_chain_close(&w->outlets[1].chain);
    tw_sync_all(w, 1);
}
#endif
