"""The risk gate: intents in, approvals or refusals out. Every check is a method that returns 1 to pass; 0 refuses."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport IntentPayload, RecordHeader
from engine.model.tables cimport Exposure, LimitRow, ScopeState
from engine.risk.recent cimport RecentOrders
from engine.risk.terms cimport Addition, Check, Tightest, TermsCheck
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

@cython.final
cdef class RiskGate(TermsCheck):
    cdef Counters counters
    cdef Clock clock
    cdef Ring intents
    cdef Ring manual_intents
    cdef Ring approvals                  # of the first line
    cdef object _approvals_by_line
    cdef void* _approval_rings[16]       # by venue id, borrowed from _approvals_by_line
    cdef Ring refusals
    cdef Ring child_intents
    cdef Ring child_refusals
    cdef RecentOrders recent
    cdef Tightest[128] tightest          # by instrument and strategy, what was asked for last
    cdef int64_t sample_due_mono_ns
    cdef int64_t tokens_e9
    cdef int64_t refilled_mono_ns
    cdef readonly uint64_t approved_count
    cdef readonly uint64_t refused_count
    cdef void _note_done(self, uint64_t orders) noexcept nogil
    cdef int _drain(self, void* ring, void* refusals, uint8_t is_child) noexcept nogil
    cdef int _decide(self, const Descriptor* item, void* refusals, uint8_t is_child) noexcept nogil
    cdef int _forward_cancel(self, const Descriptor* item) noexcept nogil
    cdef int _decide_amend(self, const Descriptor* item, void* refusals, uint8_t is_child) noexcept nogil
    cdef int _check_amend(self, const Descriptor* item, Check* check, IntentPayload* asked) noexcept nogil
    cdef void _sample_references(self) noexcept nogil
    cdef int _check(self, const Descriptor* item, Check* check) noexcept nogil
    cdef int _check_limits(self, Check* check) noexcept nogil
    cdef int _check_engine(self, const Descriptor* item, Check* check) noexcept nogil
    cdef int _check_halts(self, Check* check) noexcept nogil
    cdef int _check_panic(self, Check* check) noexcept nogil
    cdef void* _approvals_of(self, int venue_id) noexcept nogil
    cdef int _check_strategy(self, Check* check) noexcept nogil
    cdef int _check_instrument(self, const Descriptor* item, Check* check) noexcept nogil
    cdef int _check_scopes(self, Check* check) noexcept nogil
    cdef int _check_scope_state(self, Check* check, int scope, const ScopeState* state) noexcept nogil
    cdef int _tell_scopes(self, Check* check) noexcept nogil
    cdef void _read_rows(self, const Check* check, Tightest* tight) noexcept nogil
    cdef void _read_limits(self, Tightest* tight, int scope, const LimitRow* row) noexcept nogil
    cdef void _read_losses(self, Check* check, int scope, const LimitRow* row, const ScopeState* state) noexcept nogil
    cdef int _check_target(self, const Descriptor* item, Check* check) noexcept nogil
    cdef int _check_reducing(self, Check* check) noexcept nogil
    cdef int _check_position(self, Check* check) noexcept nogil
    cdef int _check_open_orders(self, Check* check) noexcept nogil
    cdef int _check_exposure(self, Check* check) noexcept nogil
    cdef void _value_addition(self, Check* check, const Exposure* row, Addition* quoted, Addition* valued) noexcept nogil
    cdef int _name_exposure(self, Check* check, const Addition* quoted, const Addition* valued, const Addition* own) noexcept nogil
    cdef int _check_worth(self, Check* check, int scope, const Addition* added) noexcept nogil
    cdef int _name_breach(self, Check* check, int scope, const Addition* added, int64_t gross_e8, int64_t net_e8) noexcept nogil
    cdef int _check_balance(self, Check* check) noexcept nogil
    cdef int _check_margin(self, Check* check) noexcept nogil
    cdef void _promise_margin(self, ApprovedOrder* slot, const Check* check) noexcept nogil
    cdef int _check_self_trade(self, Check* check) noexcept nogil
    cdef int _check_duplicate(self, Check* check) noexcept nogil
    cdef int _check_rate(self, Check* check) noexcept nogil
    cdef int _give_back(self, Check* check) noexcept nogil
    cdef void _refill(self, const LimitRow* row, ScopeState* state, int64_t now_ns) noexcept nogil
    cdef void _approve(self, const Descriptor* item, Check* check, RecordHeader* record) noexcept nogil
    cdef void _fill_slot(self, ApprovedOrder* slot, const Descriptor* item, Check* check) noexcept nogil
    cdef void _reject(self, const Descriptor* item, void* refusals) noexcept nogil
    cdef uint64_t _write_verdict(self, RecordHeader* record, const Descriptor* item, uint64_t nonce) noexcept nogil
