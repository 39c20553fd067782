"""The risk gate: intents in, approvals or refusals out. Every check is a method that returns 1 to pass; 0 refuses."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.bookreader cimport BookReader
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport IntentPayload, RecordHeader
from engine.model.tables cimport Exposure, Instrument, InstrumentLimits, MarketState, Tables
from engine.runtime.actor cimport Actor
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef struct Check:
    # the intent under test and every row that a check reads
    const IntentPayload* intent
    const Instrument* instrument
    const MarketState* market
    const InstrumentLimits* limits
    Exposure* exposure
    ApprovedOrder* target        # REPLACE: the order that goes, else NULL
    uint64_t handle
    int64_t added_lots           # what `working` grows by: the quantity
    int64_t price_ticks          # worst price: the limit, or the last level a market order reaches
    int64_t notional_e8
    int64_t promise_e8           # what the order may spend, in full
    uint16_t promise_asset_id
    uint16_t strategy_id
    uint8_t is_child             # of the execution stage
    void* refusals               # the ring that a refusal goes to

@cython.final
cdef class RiskGate(Actor):
    cdef Journal journal
    cdef Tables tables
    cdef Counters counters
    cdef ApprovalRegister register
    cdef BookReader books
    cdef Clock clock
    cdef Ring intents
    cdef Ring manual_intents
    cdef Ring approvals
    cdef Ring refusals
    cdef Ring child_intents
    cdef Ring child_refusals
    cdef int64_t tokens_e9
    cdef int64_t refilled_mono_ns
    # outcome of the last check
    cdef uint16_t reason
    cdef int64_t value
    cdef int64_t limit_value
    cdef readonly uint64_t approved_count
    cdef readonly uint64_t refused_count
    cdef int _drain(self, void* ring, void* refusals, uint8_t is_child) noexcept nogil
    cdef int _decide(self, const Descriptor* item, void* refusals, uint8_t is_child) noexcept nogil
    cdef int _forward_cancel(self, const Descriptor* item) noexcept nogil
    cdef int _check(self, const Descriptor* item, Check* check) noexcept nogil
    cdef int _refuse(self, uint16_t reason, int64_t value, int64_t limit_value) noexcept nogil
    cdef int _check_engine(self) noexcept nogil
    cdef int _check_strategy(self, Check* check) noexcept nogil
    cdef int _check_instrument(self, const Descriptor* item, Check* check) noexcept nogil
    cdef int _check_target(self, const Descriptor* item, Check* check) noexcept nogil
    cdef int _check_type(self, Check* check) noexcept nogil
    cdef int _check_size(self, Check* check) noexcept nogil
    cdef int _check_book(self, Check* check) noexcept nogil
    cdef int _check_price(self, Check* check) noexcept nogil
    cdef int _check_market_price(self, Check* check) noexcept nogil
    cdef int _within_collar(self, Check* check, int64_t price_ticks) noexcept nogil
    cdef int _check_notional(self, Check* check) noexcept nogil
    cdef int _check_reducing(self, Check* check) noexcept nogil
    cdef int _check_position(self, Check* check) noexcept nogil
    cdef int _check_open_orders(self, Check* check) noexcept nogil
    cdef int _check_balance(self, Check* check) noexcept nogil
    cdef int _check_rate(self) noexcept nogil
    cdef void _approve(self, const Descriptor* item, Check* check, RecordHeader* record) noexcept nogil
    cdef void _reject(self, const Descriptor* item, void* refusals) noexcept nogil
    cdef uint64_t _write_verdict(self, RecordHeader* record, const Descriptor* item, uint64_t nonce) noexcept nogil
