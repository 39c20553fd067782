"""Order management's commands and trading state."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport CommandPayload, Conditions, IntentPayload
from engine.oms.orders cimport Order
from engine.oms.reconciliation cimport Reconciliation

cdef struct Scope:
    # 0 = all
    uint16_t venue_id
    uint16_t account_id
    uint16_t strategy_id
    uint32_t instrument_id
    uint64_t order_handle

cdef class Commands(Reconciliation):
    cdef bint has_cancel_all       # the session can cancel a whole symbol in one request
    cdef bint is_state_told
    cdef bint is_reduced_by_risk   # REDUCING came from the risk monitor and goes with it
    cdef bint is_mismatched        # HALTED(mismatch | crash loop): until arm
    cdef uint8_t sticky_reason
    cdef void _on_command(self, const Descriptor* item) noexcept nogil
    cdef void _kill(self, const Descriptor* item, const Scope* scope) noexcept nogil
    cdef void _arm(self, const Scope* scope, uint64_t cause_seq) noexcept nogil
    cdef void _arm_instruments(self) noexcept nogil
    cdef bint _is_meant(self, const Scope* scope) noexcept nogil
    cdef bint _in_scope(self, const Order* order, const Scope* scope) noexcept nogil
    cdef void _cancel_scope(self, const Scope* scope, bint keeps_protection=*, bint spares_others=*) noexcept nogil
    cdef void _stop(self, uint64_t cause_seq) noexcept nogil
    cdef int64_t _bare_lots(self, uint32_t instrument_id, int side) noexcept nogil
    cdef bint _is_settled(self) noexcept nogil
    cdef void _cancel_externals(self, const Scope* scope, bint whole_symbols, uint8_t* by_symbol) noexcept nogil
    cdef void _operator_order(self, const Descriptor* item, const CommandPayload* command) noexcept nogil
    cdef void _operator_amend(self, const Descriptor* item, const CommandPayload* command) noexcept nogil
    cdef void _offer(self, const Descriptor* item, const IntentPayload* wanted, const Conditions* conditions, uint64_t order_handle,
                     uint32_t instrument_id, uint16_t strategy_id) noexcept nogil
    cdef void _hold(self, const Scope* scope, bint is_held) noexcept nogil
    cdef uint8_t _halt_reason(self) noexcept nogil
    cdef bint _needs_equity(self) noexcept nogil
    cdef void _evaluate(self, uint64_t cause_seq) noexcept nogil
    cdef void _tell_halt(self, uint8_t reason, uint64_t cause_seq) noexcept nogil
