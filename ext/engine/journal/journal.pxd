"""The journal as stages see it: claim space in a lane's front, fill it, commit it. One sequence over both lanes."""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.records cimport RecordHeader

cdef enum:
    # engine/journal/turn.py has the same
    TURN_FIRST_OF_POLL = 0x8000
    TURN_FIRST_OF_RUN = 0x4000
    TURN_REFUSED_CLAIM = 0x2000
    TURN_PRESSED = 0x1000
    TURN_POLL_MAX = 0x0FFF

cdef enum:
    CLEARED_BYTES = 256          # front.h has the same number
    DURABLE_OS = 0
    DURABLE_GROUP = 1
    DURABLE_ORDER = 2

cdef extern from "front.h" nogil:
    ctypedef struct TwRecord:
        uint32_t length
        uint32_t crc32c
        uint64_t seq
        uint64_t cause_seq
        int64_t wall_ns
        int64_t mono_ns
        uint16_t kind
        uint16_t venue_id
        uint16_t account_id
        uint16_t strategy_id
        uint32_t instrument_id
        uint64_t order_handle
        uint32_t epoch
        uint32_t frame_length
        uint32_t frame_crc32c
        uint16_t session_id
        uint16_t turn
    ctypedef struct TwFront:
        uint64_t magic
        uint32_t version
        uint32_t lane
        uint64_t schema_hash
        uint32_t engine_id
        uint32_t epoch
        uint64_t ring_bytes
        uint8_t boot_id[16]
        uint8_t journal_id[16]
        uint32_t identity_crc32c
        uint64_t committed
        uint64_t last_seq
        uint64_t records
        uint64_t written
        uint64_t synced
        uint64_t synced_seq
        uint64_t segment_no
        uint64_t segment_bytes
        uint64_t syncs
        int32_t error
        int32_t error_operation
        uint64_t bytes_written
    ctypedef struct TwLane:
        uint8_t* ring
        uint64_t mask
        uint64_t head
        uint64_t committed
        uint64_t limit
        uint64_t reserve_bytes
        uint64_t claim_bytes_max
        TwFront* front
        int32_t* error
        uint64_t refused
        uint64_t bypassed
        uint32_t epoch
        uint16_t engine_id
        uint8_t lane
        uint8_t discards
    uint64_t tw_used(TwLane*) noexcept
    TwRecord* tw_claim(TwLane*, int, uint32_t, int) noexcept
    void tw_abandon(TwLane*, TwRecord*) noexcept
    void tw_set_turn(TwRecord*, uint16_t) noexcept
    uint64_t tw_commit(TwLane*, TwRecord*, uint64_t*, int64_t, int64_t) noexcept

cdef class Lane:
    """One lane: a front (mapped, fixed size) and its segments on disk, written by a C thread. Fields are the journal's own."""
    cdef void* state
    cdef void* _mapping
    cdef size_t _mapping_bytes
    cdef readonly str path

@cython.final
cdef class Journal:
    cdef readonly Lane ledger
    cdef readonly Lane tape
    # The turn: stamps and sequence of the input that is being applied. `now` for every stage. Set by the sequencer.
    cdef int64_t now_wall_ns
    cdef int64_t now_mono_ns
    cdef uint64_t input_seq
    cdef uint64_t last_seq
    # The front was under pressure when the input of this turn was taken. Stages decide by this, not by `nearly_full`, which may change
    # within a turn: it stands in the input's record, so that the turn can be played again.
    cdef readonly bint is_pressed
    cdef uint64_t _refused_before        # claims refused up to the latest input
    cdef readonly uint16_t engine_id
    cdef readonly uint32_t epoch
    cdef void* _lanes[2]
    cdef void* _writer
    cdef object _world
    cdef object _recovery
    cdef bint _open
    cdef int durability
    cdef void* _oracle                   # a TwRecorded that every commit is compared with (a replay); else NULL

    # Claim `size_max` bytes (header included; rounded up to 8) in `lane` (Lane code). The first CLEARED_BYTES and the last word are
    # zeroed, kind, lane, engine and epoch are set; a longer payload is NOT zeroed in between. NULL = no room (or a claim larger than an eighth of the front). Several claims of a lane
    # may be open; they are committed in the order in which they were claimed. `reserve`: may use the reserve (cancels, kill, stop record).
    cdef inline RecordHeader* claim(self, int lane, int kind, uint32_t size_max, bint reserve) noexcept nogil:
        return <RecordHeader*> tw_claim(<TwLane*> self._lanes[lane & 1], kind, size_max, reserve)

    # Give back the unused end of the LATEST claim of its lane: `length` bytes stay (header + payload; rounded up, padding zeroed).
    cdef void shrink(self, RecordHeader* record, uint32_t length) noexcept nogil
    # Drop the LATEST claim of its lane.
    cdef inline void abandon(self, RecordHeader* record) noexcept nogil:
        if record != NULL:
            tw_abandon(<TwLane*> self._lanes[record.lane & 1], <TwRecord*> record)

    # Give the record the next sequence number, stamp it with the turn if wall_ns is 0, checksum it and publish it. Returns the sequence.
    # 0 = it is not the journal's any more: a later claim of its lane was committed first (see `renew`), or it was abandoned.
    cdef inline uint64_t commit(self, RecordHeader* record) noexcept nogil:
        if record == NULL:
            return 0
        if self._oracle != NULL:
            return self._commit_compared(record)
        return tw_commit(<TwLane*> self._lanes[record.lane & 1], <TwRecord*> record, &self.last_seq, self.now_wall_ns, self.now_mono_ns)

    cdef uint64_t _commit_compared(self, RecordHeader* record) noexcept nogil

    # Front of the ledger so full that new orders must not leave (the reserve is still there), or the disk failed.
    cdef inline bint nearly_full(self) noexcept nogil:
        cdef TwLane* lane = <TwLane*> self._lanes[0]
        if lane.error[0] != 0:
            return True
        # where the oldest bytes give way there is always room
        return not lane.discards and tw_used(lane) > (lane.mask + 1) - 2 * lane.reserve_bytes

    # Level `order`: is the ledger not on the platter yet up to `seq`.
    cdef inline bint must_wait(self, uint64_t seq) noexcept nogil:
        return self.durability == DURABLE_ORDER and (<TwLane*> self._lanes[0]).front.synced_seq < seq

    # Let the writer sync the ledger at once, up to `seq` at least; the alarm tells when.
    cdef void ask_sync(self, uint64_t seq) noexcept nogil
    cdef inline bint has_failed(self) noexcept nogil:
        return (<TwLane*> self._lanes[0]).error[0] != 0

    # Commit an input: as `commit`, and before it the turn mark (TURN_* bits and the number of its poll) with what the front says.
    cdef inline uint64_t commit_input(self, RecordHeader* record, int turn) noexcept nogil:
        cdef uint64_t refused = (<TwLane*> self._lanes[0]).refused + (<TwLane*> self._lanes[1]).refused
        if record == NULL or record.kind == 0:
            # passed over by a later claim: it is padding with a checksum by now, and nobody's to write into
            return 0
        self.is_pressed = self.nearly_full()
        if self.is_pressed:
            turn |= TURN_PRESSED
        if refused != self._refused_before:
            self._refused_before = refused
            turn |= TURN_REFUSED_CLAIM
        tw_set_turn(<TwRecord*> record, <uint16_t> turn)
        return self.commit(record)

    # A fresh claim with the content of a record whose claim was passed over by a later commit; NULL where it is none or there is no room.
    cdef RecordHeader* renew(self, RecordHeader* record) noexcept nogil
    # Totals for the counters file.
    cdef void publish_counts(self, uint64_t* records, uint64_t* size, uint64_t* synced_seq, uint64_t* refused) noexcept nogil
    cdef uint64_t _synced_seq(self) noexcept nogil
    cdef int _begin(self, config, world, recovery) except -1
    cdef int _begin_chain(self, void* place, int code, config, bytes head) except -1

cdef class Claim:
    """A claim held by cold code."""
    cdef Journal journal
    cdef RecordHeader* record
