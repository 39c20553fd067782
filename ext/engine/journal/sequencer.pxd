"""Gives every input its number in the order in which it is applied, and routes it."""
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.journal.replayed cimport RecordedSession
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport RecordHeader
from engine.model.tables cimport Tables
from engine.runtime.actor cimport Actor, Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

@cython.final
cdef class Sequencer(Actor):
    cdef Journal journal
    cdef Counters counters
    cdef Tables _tables
    cdef uint64_t _handles       # the first of those that were given last
    cdef Clock clock
    cdef Ring inbound_own
    cdef Ring inbound_control
    cdef Ring inbound_market
    cdef Ring to_book
    cdef Ring to_oms                     # of the first line
    cdef void* _line_rings[16]           # by venue id, borrowed from _lines
    cdef void* _rings_in_use[16]
    cdef int _line_count
    cdef object _lines
    cdef Ring to_strategy
    cdef Ring to_risk            # None where there is no risk monitor
    cdef bint has_risk
    cdef Ring to_execution       # None where there is no execution stage
    cdef bint has_execution
    cdef Pipeline _pipeline
    cdef RecordedSession source          # a replay's inputs; None: the inbound rings
    cdef bint _has_pipeline
    cdef uint64_t _run           # of the pipeline, as last seen
    cdef int _turn               # TURN_* bits that the next input gets
    cdef uint64_t _submitted
    cdef uint64_t _command_seq
    cdef readonly uint64_t inputs        # applied
    cdef readonly uint64_t lost          # records that were no longer the journal's when their turn came
    cdef readonly uint64_t waits         # turns in which an input had to wait for room downstream
    cdef int _routes(self, const Descriptor* item) noexcept nogil
    cdef bint _has_room(self, const Descriptor* item, int routes) noexcept nogil
    cdef void* _line_of(self, const Descriptor* item) noexcept nogil
    cdef bint _push_to_lines(self, const Descriptor* item) noexcept nogil
    cdef int _feed(self) noexcept
    cdef bint _deliver(self, RecordHeader* record) noexcept nogil
    cdef bint _gives_same_handles(self, RecordHeader* record) noexcept nogil
    cdef void _push(self, const Descriptor* item, int routes) noexcept nogil
    cdef bint _apply(self, void* ring, Descriptor* item) noexcept nogil
    cdef void _show_asset(self, const RecordHeader* record) noexcept with gil
    cdef void _give_handles(self, RecordHeader* record) noexcept nogil
    cdef void _count(self, int counter) noexcept nogil
    cdef void _publish_counts(self) noexcept nogil
    cdef RecordHeader* _claim_control(self, int kind, uint32_t size, int lane=*) except NULL
    cdef int _push_control(self, RecordHeader* record) except -1
