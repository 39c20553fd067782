"""Order management's restoration from the ledger of earlier runs."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.records cimport (CommandPayload, Conditions, FillPayload, IntentPayload, OrderStatePayload, RecordHeader, StatePayload,
                                   VerdictPayload)
from engine.oms.commands cimport Commands
from engine.oms.orders cimport Order

cdef struct PendingIntent:
    # an intent whose order has not been met in the ledger yet
    uint64_t order_handle
    uint64_t seq
    int64_t approved_ticks        # 0 = no verdict yet, or one that names no price
    uint64_t has_conditions
    IntentPayload intent
    Conditions conditions

cdef class Restoration(Commands):
    cdef uint64_t _youngest_handle # while a ledger is read: of the orders that it has told of so far
    cdef PendingIntent* _pending
    cdef uint32_t _pending_count
    cdef uint32_t _pending_room
    cdef list _peers               # while a ledger is read: the lines whose orders share the register with ours
    # One record of an earlier run, in sequence order: 1 where it was used.
    cdef int fold(self, const RecordHeader* record) except -1
    cdef int finish_fold(self) except -1
    cdef int _remember_intent(self, const RecordHeader* record) except -1
    cdef int _apply_verdict(self, const RecordHeader* record) noexcept
    cdef PendingIntent* _intent_of(self, uint64_t order_handle) noexcept
    cdef PendingIntent* _push_pending(self) except NULL
    cdef void _drop_pending(self, PendingIntent* row) noexcept
    cdef ApprovedOrder* _admit(self, const RecordHeader* record, const OrderStatePayload* state) except NULL
    cdef int _restore_intent(self, ApprovedOrder* terms, const OrderStatePayload* state) except -1
    cdef int64_t _price_unrecorded(self, const ApprovedOrder* terms, const OrderStatePayload* state) noexcept nogil
    cdef bint _is_pending(self, const ApprovedOrder* terms) noexcept nogil
    cdef void _restore_replace(self, const ApprovedOrder* terms, const OrderStatePayload* state) noexcept nogil
    cdef void _retire_restored(self) noexcept
    cdef int _restore_order(self, const RecordHeader* record, const OrderStatePayload* state) except -1
    cdef int _restore_fill(self, const RecordHeader* record, const FillPayload* fill) except -1
    cdef void _restore_dispute(self, Order* order, int64_t missing_lots) noexcept
    cdef bint _note_trade(self, uint32_t instrument_id, const FillPayload* fill, uint64_t order_handle) noexcept
    cdef int _bring_over(self, int account_id, uint32_t instrument_id) except -1
    cdef int _restore_command(self, const RecordHeader* record, const CommandPayload* command) except -1
    cdef void _restore_wide(self, uint8_t halt, bint is_whole) noexcept
    cdef int _restore_state(self, const RecordHeader* record, const StatePayload* state) except -1
