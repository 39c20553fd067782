"""A recorded session that feeds a core again and compares what it writes: see replayed.pyx and recorded.h."""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal, TwLane, TwRecord
from engine.model.records cimport RecordHeader
from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.timers cimport TimerQueue

cdef extern from "engine/journal/recorded.h" nogil:
    enum:
        TW_IS_INPUT
        TW_IS_OUTPUT
        TW_IS_EDGE
        TW_IS_REQUEST
        TW_IS_SUCCESSOR
        TW_UNCLAIMED
        TW_SAME
        TW_DIFFERENT
        TW_NOT_MADE
        TW_NOT_RECORDED
        TW_OTHER_BYTES
        TW_NOT_SENT
        TW_OTHER_TURN
        TW_NO_ROOM
        TW_DAMAGED
        TW_OTHER_NUMBER
        TW_TURN_POLL
        TW_TURN_PRESSED
        TW_TURN_REFUSED
        TW_TURN_FIRST_OF_RUN
        TW_TURN_FIRST_OF_POLL
        TW_KEPT_BYTES
    ctypedef struct TwStretch:
        uint8_t* bytes
        uint64_t size
    ctypedef struct TwTrack:
        TwStretch* stretches
        uint64_t count
    ctypedef struct TwRecorded:
        TwTrack tracks[2]
        TwRecord* head
        uint32_t epoch
        uint8_t kinds[256]
        uint64_t first_seq
        uint64_t passed_seq
        uint64_t passed_wall_ns
        uint64_t inputs
        uint64_t outputs
        uint64_t edges
        uint64_t requests
        uint64_t successors
        uint64_t beyond
        uint64_t bytes
        uint8_t is_off
        uint8_t has_begun
        uint8_t has_hole
        uint8_t is_held
        uint64_t wanted_handle
        uint64_t touched_seq
        uint32_t poll
        uint32_t run_inputs
        uint64_t refusals
        int32_t finding
        TwRecord* recorded
        uint8_t* made
        uint32_t made_bytes
        int64_t offset_ns[16]
        int32_t (*judge)(void*, TwRecord*) noexcept
        int32_t (*claim)(void*, TwRecord*) noexcept
        void* judge_of
    uint16_t tw_turn_of(const TwRecord*) noexcept
    const uint8_t* tw_request_text(const TwRecord*, uint32_t*) noexcept
    uint8_t tw_request_action(const TwRecord*) noexcept
    uint64_t tw_request_number(const TwRecord*) noexcept
    int tw_has_text(const uint8_t*, uint32_t, const char*, uint32_t) noexcept
    int tw_class_of(const TwRecorded*, const TwRecord*) noexcept
    void tw_recorded_open(TwRecorded*) noexcept
    void tw_recorded_pass(TwRecorded*) noexcept
    void tw_recorded_find(TwRecorded*, int, TwRecord*, const TwRecord*) noexcept
    void tw_recorded_pass_edges(TwRecorded*, uint64_t*) noexcept
    void tw_recorded_resume(TwRecorded*, uint64_t*) noexcept
    void tw_recorded_touch(TwRecorded*, const TwRecord*) noexcept
    int tw_recorded_next(TwRecorded*, uint64_t*) noexcept
    int tw_recorded_next_left(TwRecorded*) noexcept
    uint32_t tw_record_crc(const TwRecord*) noexcept

@cython.final
cdef class RecordedSession:
    cdef TwRecorded state
    cdef list _stretches             # keeps the bytes
    cdef Journal journal
    cdef Pipeline pipeline
    cdef readonly TimerQueue timers
    cdef Clock clock
    cdef readonly uint64_t runs
    cdef int _run(self) except -1
