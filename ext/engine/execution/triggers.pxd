"""The table of prices that the execution stage waits for: compared in C, for every event of an instrument that is watched."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef enum:
    TRIGGER_CAPACITY = 4096
    TRIGGER_INSTRUMENTS = 512

cdef struct Trigger:
    # prices in the units of the source: ticks, of mark and index 10^-8
    int64_t level             # fixed; 0 = none
    int64_t trail_level       # follows the extreme; 0 = none yet
    int64_t trail_amount
    int64_t activation        # 0 = at once
    int64_t extreme           # the best price since it is active; 0 = none yet
    uint32_t generation
    uint32_t instrument_id
    uint32_t next             # of the same instrument, or the next free one; index + 1
    uint8_t is_used
    uint8_t source            # TriggerSource
    uint8_t is_above          # fires at or above its level, else at or below
    uint8_t is_ask            # BID_ASK: compared with the ask
    uint8_t trail_kind        # TrailKind
    uint8_t pad[3]

cdef struct Happening:
    # what one event did to one trigger
    int64_t price             # that fired it, or the level to which it moved
    uint32_t trigger_id
    uint32_t has_fired

cdef class TriggerTable:
    cdef Trigger* rows
    cdef uint32_t[512] first               # by instrument; index + 1
    cdef readonly uint32_t count
    cdef uint32_t free_first
    cdef Happening* happenings             # of the last `see`
    cdef readonly uint32_t happened
    cdef uint32_t add_row(self, const Trigger* terms) noexcept nogil
    cdef bint drop_row(self, uint32_t trigger_id) noexcept nogil
    cdef Trigger* find(self, uint32_t trigger_id) noexcept nogil
    # An event's price of one source; bid and ask alike but for BID_ASK. Fired triggers are gone. Adds to `happenings`.
    cdef void see(self, uint32_t instrument_id, int source, int64_t bid, int64_t ask) noexcept nogil
    cdef void clear_happenings(self) noexcept nogil
    cdef void _note(self, uint32_t trigger_id, int64_t price, uint32_t has_fired) noexcept nogil
