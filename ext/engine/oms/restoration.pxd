"""Order management's restoration from the ledger of earlier runs."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.records cimport CommandPayload, FillPayload, OrderStatePayload, StatePayload
from engine.oms.commands cimport Commands

cdef class Restoration(Commands):
    cdef uint64_t _youngest_handle # while a ledger is read: of the orders that it has told of so far
    cdef dict _intents             # while a ledger is read: handle -> (INTENT payload, the ticks it was approved by, its sequence)
    cdef ApprovedOrder* _admit(self, object record, const OrderStatePayload* state) except *
    cdef int _restore_intent(self, ApprovedOrder* terms, const OrderStatePayload* state) except -1
    cdef int64_t _price_unrecorded(self, const ApprovedOrder* terms, const OrderStatePayload* state) noexcept nogil
    cdef bint _is_pending(self, const ApprovedOrder* terms) noexcept nogil
    cdef void _restore_replace(self, const ApprovedOrder* terms, const OrderStatePayload* state) noexcept nogil
    cdef int _restore_order(self, object record, const OrderStatePayload* state) except -1
    cdef int _restore_fill(self, object record, const FillPayload* fill) except -1
    cdef bint _note_trade(self, uint32_t instrument_id, const FillPayload* fill, uint64_t order_handle) noexcept
    cdef int _bring_over(self, int account_id, uint32_t instrument_id) except -1
    cdef int _restore_command(self, object record, const CommandPayload* command) except -1
    cdef void _restore_wide(self, uint8_t halt, bint is_whole) noexcept
    cdef int _restore_state(self, object record, const StatePayload* state) except -1
    cdef int _restore_finish(self) except -1
