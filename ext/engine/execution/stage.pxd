"""The execution stage: orders that wait, lists, protection and algorithms, between strategies and the gate."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.execution.triggers cimport TriggerTable
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister
from engine.model.bookreader cimport BookReader
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport RecordHeader
from engine.model.tables cimport MarketState, Tables
from engine.runtime.actor cimport Actor
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring
from engine.runtime.timers cimport TimerQueue

cdef class ExecutionStage(Actor):
    cdef Journal journal
    cdef Tables tables
    cdef Counters counters
    cdef BookReader reader
    cdef ApprovalRegister register
    cdef TimerQueue timers
    cdef readonly TriggerTable triggers
    cdef Ring instructions
    cdef Ring watched
    cdef Ring execution_events
    cdef Ring to_execution
    cdef Ring child_intents
    cdef Ring child_refusals
    cdef Ring parent_events
    cdef readonly object parents
    cdef object _entry_price
    cdef uint16_t _account_id
    cdef uint64_t _cause_seq
    cdef bint _waits_for_account           # of an earlier run something was restored: it goes on once the account has been read
    cdef uint8_t[512] _holds               # by instrument: a parent is there, its prices are looked at
    cdef uint8_t[512] _knows               # by instrument: there was a parent in this run: order events are looked at, late fills too
    cdef uint8_t[512] _listens             # by instrument: a parent wants the whole market
    cdef readonly uint64_t answered_seq    # of the latest command about one order or parent, and why nothing could be done (Reason)
    cdef readonly uint16_t answered_reason
    cdef readonly uint64_t triggered
    cdef readonly uint64_t events_seen     # market events of watched instruments
    cdef int _drain_order_events(self) except -1
    cdef int _drain_refusals(self) except -1
    cdef int _drain_watched(self) except -1
    cdef int _drain_instructions(self) except -1
    cdef int _drain_inputs(self) except -1
    cdef bint _is_fresh(self, const MarketState* market) noexcept nogil
    cdef bint _see(self, const Descriptor* event) noexcept nogil
    cdef int _tell_happenings(self) except -1
    cdef int _tell_market(self, const Descriptor* event) except -1
    cdef int _on_order_event(self, const Descriptor* event) except -1
    cdef int _on_command(self, const Descriptor* event) except -1
    cdef void _answer(self, uint64_t command_seq, int reason) noexcept
    cdef int _instruct(self, bytes text, uint64_t handle, uint16_t strategy_id, bint is_written) except -1
    cdef void _update_watch(self, uint32_t instrument_id) noexcept nogil
    cdef RecordHeader* _claim(self, int kind, uint32_t payload_size, bint reserve) noexcept nogil
    cdef void _commit(self, RecordHeader* record, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle) noexcept nogil
    cdef void _push(self, Ring ring, RecordHeader* record, uint16_t data) noexcept
