/* A recorded session beside a core that runs again: both lanes' bytes in one order, what each record was, and whether what the core
 * commits now is what it committed then.
 *
 * Inputs are fed from here. Outputs are made anew and compared, the whole record, its number and its checksum included. Bookkeeping
 * and requests of the sessions' own (clock, log-on, the account's lists) were written by the edges: they are passed over in their
 * place. Requests of the core are compared by who encodes them (engine.gateway.replayed).
 */
#ifndef TRADEWIND_RECORDED_H
#define TRADEWIND_RECORDED_H

#include "front.h"

#include <stdlib.h>

enum {
    TW_IS_INPUT = 1,
    TW_IS_OUTPUT = 2,
    TW_IS_EDGE = 3,
    TW_IS_REQUEST = 4,
    TW_IS_SUCCESSOR = 5 /* the second half of a replace, sent when the first was answered: between two runs */
};

enum {
    TW_UNCLAIMED = -1, /* not a request that the core handed over before */
    TW_SAME = 0,
    TW_DIFFERENT = 1,    /* the core made another record than was recorded at this number */
    TW_NOT_MADE = 2,     /* recorded, and the core came to rest without it */
    TW_NOT_RECORDED = 3, /* made now, where then an input came next */
    TW_OTHER_BYTES = 4,  /* the same request, other bytes */
    TW_NOT_SENT = 5,     /* a recorded request that the core does not make */
    TW_OTHER_TURN = 6,   /* an input's place among the polls of its run is not reached */
    TW_NO_ROOM = 7,      /* a ring that had room is full */
    TW_DAMAGED = 8,
    TW_OTHER_NUMBER = 9  /* a request whose number does not follow the one before */
};

#define TW_TURN_POLL 0x0FFF
#define TW_TURN_PRESSED 0x1000
#define TW_TURN_REFUSED 0x2000
#define TW_TURN_FIRST_OF_RUN 0x4000
#define TW_TURN_FIRST_OF_POLL 0x8000
#define TW_KEPT_BYTES 65536
#define TW_KIND_OWN_FIRST 32
#define TW_KIND_TIMER 40
#define TW_KIND_COMMAND 41
#define TW_KIND_TIME_SYNC 43
#define TW_KIND_INSTRUMENT_UPDATE 60
#define TW_KIND_MARGIN_TIERS 61
#define TW_KIND_VENUE_HEALTH 62
#define TW_KIND_ORDER_BYTES 66
#define TW_KIND_STATE_HASH 81
#define TW_TIMER_TICK 0
#define TW_ACTION_REPLACE 2
#define TW_ACTION_QUERY 3
#define TW_ACTION_LIST_FIRST 5
#define TW_ACTION_LIST_LAST 9
#define TW_ACTION_OWN 101

typedef struct {
    uint8_t *bytes;
    uint64_t size;
} TwStretch;

typedef struct {
    TwStretch *stretches;
    uint64_t count, number, at, last_seq;
    TwRecord *head;
} TwTrack;

typedef struct {
    TwTrack tracks[2];
    TwRecord *head; /* the next record of both lanes; NULL: the session ends here */
    uint32_t epoch;
    uint8_t kinds[256]; /* what a record of a kind is */
    uint64_t first_seq, passed_seq, passed_wall_ns, inputs, outputs, edges, requests, successors, beyond, bytes;
    uint8_t is_off;    /* nothing is compared any more: another strategy went another way */
    uint8_t has_begun; /* an input was applied */
    uint8_t has_hole;
    uint8_t is_held;     /* of a session that was left: its next input waits, others come first */
    uint32_t poll;       /* of the run that is under way, from 0 */
    uint32_t run_inputs; /* fed in it; 0 between two runs */
    uint64_t refusals;   /* inputs before which a claim had been refused: what follows may differ by it */
    uint64_t wanted_handle, touched_seq;
    int32_t finding;     /* the first difference of this run */
    TwRecord *recorded;  /* what was recorded there, NULL: nothing */
    uint8_t *made;       /* what was made: a copy */
    uint32_t made_bytes;
    int64_t offset_ns[16];
    /* judges the bytes of a successor at its place */
    int32_t (*judge)(void *, TwRecord *);
    int32_t (*claim)(void *, TwRecord *); /* of a request that the core handed over earlier; TW_UNCLAIMED: it did not */
    void *judge_of;
} TwRecorded;

static inline uint16_t tw_turn_of(const TwRecord *record) { return record->turn; }

static inline const uint8_t *tw_request_text(const TwRecord *record, uint32_t *size) {
    uint32_t bytes = *(const uint32_t *)((const uint8_t *)record + 92);
    *size = bytes <= record->length - 96 ? bytes : record->length - 96;
    return (const uint8_t *)record + 96;
}

static inline uint8_t tw_request_action(const TwRecord *record) { return ((const uint8_t *)record)[88]; }

static inline uint64_t tw_request_number(const TwRecord *record) { return *(const uint64_t *)((const uint8_t *)record + 80); }

static inline int tw_has_text(const uint8_t *text, uint32_t size, const char *wanted, uint32_t wanted_size) {
    uint32_t at;
    for (at = 0; at + wanted_size <= size; at++)
        if (text[at] == (uint8_t)wanted[0] && memcmp(text + at, wanted, wanted_size) == 0) return (int)at + 1;
    return 0;
}

static inline int tw_class_of_request(const TwRecord *record) {
    static const char PLACE[] = "\"method\":\"order.place\"", PLACE_LATER[] = "\"method\":\"algoOrder.place\"";
    uint8_t action = tw_request_action(record);
    uint32_t size;
    const uint8_t *text;
    if (record->length < 96) return TW_IS_EDGE;
    if (action >= TW_ACTION_OWN || (TW_ACTION_LIST_FIRST <= action && action <= TW_ACTION_LIST_LAST)) return TW_IS_EDGE;
    text = tw_request_text(record, &size);
    if (action == TW_ACTION_QUERY && size > 4 && memcmp(text, "GET ", 4) == 0) return TW_IS_EDGE;
    const uint32_t head = size < 128 ? size : 128;
    if (action == TW_ACTION_REPLACE && (tw_has_text(text, head, PLACE, sizeof(PLACE) - 1)
                                        || tw_has_text(text, head, PLACE_LATER, sizeof(PLACE_LATER) - 1))) return TW_IS_SUCCESSOR;
    return TW_IS_REQUEST;
}

static inline int tw_class_of(const TwRecorded *session, const TwRecord *record) {
    int found = record->kind < 256 ? session->kinds[record->kind] : TW_IS_EDGE;
    if (record->kind == TW_KIND_ORDER_BYTES) return tw_class_of_request(record);
    /* what a stage writes has the input that it answers; before the first input there is none to answer */
    if (found == TW_IS_OUTPUT && record->cause_seq == 0 && session->has_begun) return TW_IS_EDGE;
    return found;
}

/* Stand at the track's next record of the session's epoch. */
static inline void tw_track_next(TwRecorded *session, TwTrack *track) {
    TwStretch *stretch;
    TwRecord *record;
    track->head = NULL;
    while (track->number < track->count) {
        stretch = &track->stretches[track->number];
        if (track->at + TW_RECORD_HEADER_BYTES > stretch->size) {
            track->number++;
            track->at = 0;
            continue;
        }
        record = (TwRecord *)(stretch->bytes + track->at);
        if (record->length < TW_RECORD_HEADER_BYTES || record->length & 7 || record->length > stretch->size - track->at) {
            /* the end that a writer had not finished; what is missing shows by its number */
            track->number++;
            track->at = 0;
            continue;
        }
        track->at += record->length;
        /* a front repeats what had reached the disk already */
        if (record->kind == 0 || record->epoch != session->epoch || record->seq <= track->last_seq) continue;
        track->last_seq = record->seq;
        track->head = record;
        return;
    }
}

static inline void tw_recorded_choose(TwRecorded *session) {
    TwRecord *ledger = session->tracks[0].head, *tape = session->tracks[1].head;
    session->head = tape == NULL || (ledger != NULL && ledger->seq < tape->seq) ? ledger : tape;
    if (session->head != NULL && session->passed_seq != 0 && session->head->seq != session->passed_seq + 1) {
        session->has_hole = 1;
        session->head = NULL;
    }
}

static inline void tw_recorded_open(TwRecorded *session) {
    int lane;
    for (lane = 0; lane < 2; lane++) {
        session->tracks[lane].number = session->tracks[lane].at = session->tracks[lane].last_seq = 0;
        tw_track_next(session, &session->tracks[lane]);
    }
    session->passed_seq = 0;
    tw_recorded_choose(session);
    session->first_seq = session->head == NULL ? 0 : session->head->seq;
}

static inline void tw_recorded_pass(TwRecorded *session) {
    TwRecord *record = session->head;
    session->passed_seq = record->seq;
    session->passed_wall_ns = (uint64_t)record->wall_ns;
    session->bytes += record->length;
    tw_track_next(session, record == session->tracks[0].head ? &session->tracks[0] : &session->tracks[1]);
    tw_recorded_choose(session);
}

static void tw_recorded_find(TwRecorded *session, int finding, TwRecord *recorded, const TwRecord *made) {
    if (session->finding) return;
    session->finding = finding;
    session->recorded = recorded;
    session->made_bytes = 0;
    if (made != NULL && session->made != NULL) {
        session->made_bytes = made->length < TW_KEPT_BYTES ? made->length : TW_KEPT_BYTES;
        memcpy(session->made, made, session->made_bytes);
    }
}

/* Pass over what the edges wrote; `last_seq` follows. */
static inline void tw_recorded_pass_edges(TwRecorded *session, uint64_t *last_seq) {
    int found, verdict;
    while (session->head != NULL) {
        found = tw_class_of(session, session->head);
        if (found == TW_IS_REQUEST && session->claim != NULL && !session->finding && !session->is_off) {
            /* an order that waited for the disk leaves in a later run than the one that handed it over */
            verdict = session->claim(session->judge_of, session->head);
            if (verdict == TW_UNCLAIMED) return;
            if (verdict != TW_SAME) {
                tw_recorded_find(session, verdict, session->head, NULL);
                return;
            }
            session->requests++;
            *last_seq = session->head->seq;
            tw_recorded_pass(session);
            continue;
        }
        if (found != TW_IS_EDGE && found != TW_IS_SUCCESSOR) return;
        /* the state is compared where it was hashed: when all stages are at rest */
        if (session->head->kind == TW_KIND_STATE_HASH && session->run_inputs != 0) return;
        session->successors += found == TW_IS_SUCCESSOR;
        session->edges += found == TW_IS_EDGE;
        if ((session->head->kind == TW_KIND_ORDER_BYTES || session->head->kind == TW_KIND_STATE_HASH) && session->judge != NULL
            && !session->is_off) {
            verdict = session->judge(session->judge_of, session->head);
            if (verdict != TW_SAME) tw_recorded_find(session, verdict, session->head, NULL);
        }
        *last_seq = session->head->seq;
        tw_recorded_pass(session);
    }
}

/* Of a session that another strategy has left: what was the market, the clock and the operator then still holds. */
static inline int tw_is_of_all(const TwRecord *record) {
    switch (record->kind) {
    case TW_KIND_TIMER: return *(const uint16_t *)((const uint8_t *)record + 96) == TW_TIMER_TICK;
    case TW_KIND_COMMAND:
    case TW_KIND_TIME_SYNC:
    case TW_KIND_INSTRUMENT_UPDATE:
    case TW_KIND_MARGIN_TIERS:
    case TW_KIND_VENUE_HEALTH: return 1;
    default: return record->kind < TW_KIND_OWN_FIRST;
    }
}

static inline void tw_recorded_touch(TwRecorded *session, const TwRecord *record) {
    if (session->wanted_handle != 0 && record->order_handle == session->wanted_handle) session->touched_seq = record->seq;
}

/* What stands in the place of a commit while a session is compared. */
static uint64_t tw_recorded_commit(TwRecorded *session, TwLane *lane, TwRecord *record, uint64_t *last_seq, int64_t wall_ns,
                                   int64_t mono_ns) {
    TwRecord *then;
    uint64_t seq;
    int found;
    if (record->kind < 256 && session->kinds[record->kind] == TW_IS_EDGE) {
        /* names and the like are taken from the recording, not made again */
        tw_abandon(lane, record);
        return *last_seq ? *last_seq : 1;
    }
    if (session->is_off) {
        seq = tw_commit(lane, record, last_seq, wall_ns, mono_ns);
        tw_recorded_touch(session, record);
        return seq;
    }
    tw_recorded_pass_edges(session, last_seq);
    seq = tw_commit(lane, record, last_seq, wall_ns, mono_ns);
    if (seq == 0) return 0;
    tw_recorded_touch(session, record);
    then = session->head;
    if (then == NULL) {
        session->beyond++;
        return seq;
    }
    if (session->finding) return seq;
    found = tw_class_of(session, then);
    if (found == TW_IS_INPUT) {
        tw_recorded_find(session, TW_NOT_RECORDED, then, record);
    } else if (found == TW_IS_REQUEST) {
        tw_recorded_find(session, TW_NOT_SENT, then, record);
    } else if (then->length != record->length || memcmp(then, record, then->length) != 0) {
        tw_recorded_find(session, TW_DIFFERENT, then, record);
    } else {
        session->outputs++;
        tw_recorded_pass(session);
    }
    return seq;
}

/* The same of a session that was left: one run for each input, numbers are given anew. */
static inline int tw_recorded_next_left(TwRecorded *session) {
    while (session->head != NULL && (tw_class_of(session, session->head) != TW_IS_INPUT || !tw_is_of_all(session->head)))
        tw_recorded_pass(session);
    return session->head != NULL && session->run_inputs == 0 && !session->is_held;
}

/* May the session's next record be applied in this poll? 1: it is an input of this poll. 0: nothing more now, -1: nothing more now, but an
 * input of a later poll of this run is to come: the run must go on until then. */
static inline int tw_recorded_next(TwRecorded *session, uint64_t *last_seq) {
    TwRecord *record;
    uint16_t turn;
    if (session->is_off) return tw_recorded_next_left(session);
    tw_recorded_pass_edges(session, last_seq);
    record = session->head;
    if (record == NULL || session->finding || tw_class_of(session, record) != TW_IS_INPUT) return 0;
    turn = tw_turn_of(record);
    if ((turn & TW_TURN_FIRST_OF_RUN) != 0 && session->run_inputs != 0) return 0;
    if ((turn & TW_TURN_POLL) > session->poll) return -1;
    if ((turn & TW_TURN_POLL) < session->poll || ((turn & TW_TURN_FIRST_OF_RUN) == 0 && session->run_inputs == 0)) {
        tw_recorded_find(session, TW_OTHER_TURN, record, NULL);
        return 0;
    }
    if (tw_record_crc(record) != record->crc32c) {
        tw_recorded_find(session, TW_DAMAGED, record, NULL);
        return 0;
    }
    return 1;
}

/* After a difference: on with the next input, as if what came before it had been the same. */
static inline void tw_recorded_resume(TwRecorded *session, uint64_t *last_seq) {
    while (session->head != NULL && tw_class_of(session, session->head) != TW_IS_INPUT) {
        *last_seq = session->head->seq;
        tw_recorded_pass(session);
    }
    if (session->passed_seq) *last_seq = session->passed_seq;
    session->finding = 0;
}
#endif
