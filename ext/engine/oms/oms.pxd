"""Order management: the lives of orders, commands, trading state, reconciliation, restoration."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport (CommandPayload, Conditions, FillPayload, FundingPaymentPayload, IntentPayload, OrderStatePayload,
                                   StatePayload)
from engine.oms.accounts cimport AccountBook
from engine.oms.lifecycle cimport OrderLifecycle
from engine.oms.orders cimport Order

cdef enum:
    SETTLEMENTS_KEPT = 4096

cdef enum ReconcilePhase:
    RECONCILE_IDLE = 0
    RECONCILE_COLLECTING = 1    # the session reads the account
    RECONCILE_RESOLVING = 2     # what differs is asked for, order by order

cdef struct VenuePosition:
    # what the venue says of a futures position, and how often it was not what our fills say
    int64_t position_lots
    int64_t entry_price_e8
    int64_t as_of_ns
    uint64_t fills_then          # fills booked when it answered: a reading that a fill overtook says nothing
    uint8_t is_answered          # in the running reconciliation
    uint8_t misses               # answers in a row that disagree
    uint8_t is_disputed          # halted for it: `arm` takes the venue's word over

cdef struct Settlement:
    # what is booked of one funding settlement of one contract
    int64_t hour
    int64_t amount_e8
    uint32_t instrument_id
    uint16_t asset_id

cdef struct Scope:
    # 0 = all
    uint16_t venue_id
    uint16_t account_id
    uint16_t strategy_id
    uint32_t instrument_id
    uint64_t order_handle

@cython.final
cdef class Oms(OrderLifecycle):
    cdef readonly int phase
    cdef AccountBook accounts
    cdef dict _intents             # while a ledger is read: handle -> INTENT payload with Conditions
    cdef bint cancel_on_start
    cdef bint has_started
    cdef bint is_state_told
    cdef bint is_reduced_by_risk   # REDUCING came from the risk monitor and goes with it
    cdef bint is_reread_wanted     # a frame of ours was unreadable: the account is read anew
    cdef bint is_mismatched        # HALTED(mismatch | crash loop): until arm
    cdef uint8_t sticky_reason
    cdef bint has_cancel_all       # the session can cancel a whole symbol in one request
    cdef bint is_recheck_wanted    # a position disagreed: the account is read again soon
    cdef VenuePosition[1536] venue_positions   # parallel to exposures
    cdef int64_t[512] funding_e8   # by instrument: paid and received so far
    cdef Settlement[SETTLEMENTS_KEPT] settlements   # a ring of the latest: a settlement is booked once, whoever tells of it
    cdef uint32_t settlement_count
    cdef int64_t newest_funding_ns
    cdef int64_t phase_mono_ns
    cdef int64_t next_reconcile_mono_ns
    cdef uint32_t sweep_mark
    cdef bint is_sweeping
    cdef uint64_t sweep_cause
    cdef bint _has_room(self) noexcept nogil
    cdef void _handle(self, const Descriptor* item) noexcept nogil
    cdef int _sweep(self) noexcept nogil
    cdef void _start_sweep(self, uint64_t cause_seq) noexcept nogil
    cdef void _on_session(self, const Descriptor* item) noexcept nogil
    cdef void _tell_session_lost(self, uint16_t reason, int64_t halves, uint64_t cause_seq) noexcept nogil
    cdef void _on_malformed(self, const Descriptor* item) noexcept nogil
    cdef void _on_time_sync(self, const Descriptor* item) noexcept nogil
    cdef void _on_balances(self, const Descriptor* item) noexcept nogil
    cdef void _on_venue_position(self, const Descriptor* item) noexcept nogil
    cdef void _on_funding(self, const Descriptor* item) noexcept nogil
    cdef void _book_funding(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil
    cdef Settlement* _settlement(self, uint32_t instrument_id, uint16_t asset_id, int64_t event_ns) noexcept nogil
    cdef int64_t _funding_since_ns(self) noexcept nogil
    cdef void _on_warning(self, const Descriptor* item) noexcept nogil
    cdef bint _positions_agree(self, uint64_t cause_seq) noexcept nogil
    cdef void _adopt_positions(self, uint32_t instrument_id, uint64_t cause_seq) noexcept nogil
    cdef bint _position_agrees(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil
    cdef void _adopt_position(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil
    cdef void _on_tick(self, const Descriptor* item) noexcept nogil
    cdef void _on_command(self, const Descriptor* item) noexcept nogil
    cdef void _kill(self, const Descriptor* item, const Scope* scope) noexcept nogil
    cdef void _arm(self, const Scope* scope, uint64_t cause_seq) noexcept nogil
    cdef void _cancel_scope(self, const Scope* scope) noexcept nogil
    cdef void _arm_instruments(self) noexcept nogil
    cdef bint _is_ours(self, uint32_t instrument_id) noexcept nogil
    cdef bint _is_meant(self, const Scope* scope) noexcept nogil
    cdef void _restore_wide(self, uint8_t halt, bint is_whole) noexcept
    cdef bint _in_scope(self, const Order* order, const Scope* scope) noexcept nogil
    cdef void _hold(self, const Scope* scope, bint is_held) noexcept nogil
    cdef void _flatten(self, const Scope* scope, uint64_t cause_seq) noexcept nogil
    cdef int64_t _closing_lots(self, uint32_t instrument_id, uint8_t position_side, int side) noexcept nogil
    cdef void _flatten_one(self, uint32_t instrument_id, uint8_t position_side, uint64_t cause_seq) noexcept nogil
    cdef void _operator_amend(self, const Descriptor* item, const CommandPayload* command) noexcept nogil
    cdef void _offer(self, const Descriptor* item, const IntentPayload* wanted, const Conditions* conditions, uint64_t order_handle,
                     uint32_t instrument_id, uint16_t strategy_id) noexcept nogil
    cdef void _operator_order(self, const Descriptor* item, const CommandPayload* command) noexcept nogil
    cdef void _start_reconcile(self) noexcept nogil
    cdef void _end_reconcile(self, const Descriptor* item) noexcept nogil
    cdef void _resolve(self, uint64_t cause_seq) noexcept nogil
    cdef void _evaluate(self, uint64_t cause_seq) noexcept nogil
    cdef void _tell_halt(self, uint8_t reason, uint64_t cause_seq) noexcept nogil
    cdef uint8_t _halt_reason(self) noexcept nogil
    cdef ApprovedOrder* _admit(self, object record, const OrderStatePayload* state) except *
    cdef int _restore_conditions(self, ApprovedOrder* terms) except -1
    cdef int _restore_order(self, object record, const OrderStatePayload* state) except -1
    cdef int _restore_fill(self, object record, const FillPayload* fill) except -1
    cdef int _bring_over(self, int account_id, uint32_t instrument_id) except -1
    cdef int _restore_command(self, object record, const CommandPayload* command) except -1
    cdef int _restore_state(self, object record, const StatePayload* state) except -1
    cdef int _restore_finish(self) except -1
