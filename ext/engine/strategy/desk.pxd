"""The order desk of a runner: writes intents, keeps every strategy's own orders, answers local refusals a turn later."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.journal.journal cimport Journal
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport Conditions, IntentPayload, OrderStatePayload, RecordHeader
from engine.model.tables cimport Tables
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring
from engine.strategy.own_orders cimport OwnOrders
from engine.strategy.views cimport Turn, WorkingOrder

@cython.final
cdef class OrderDesk:
    cdef Journal _journal
    cdef Tables _tables
    cdef Counters _counters
    cdef Ring _intents
    cdef Ring _instructions        # to the execution stage; None without one
    cdef list parents              # by strategy id: dict handle -> True, instructions that are not over
    cdef Turn _turn
    cdef uint16_t _account_id
    cdef list orders               # by strategy id: OwnOrders
    cdef list notices              # local refusals that wait for the next turn: (WorkingOrder, reason, cause_seq)
    cdef dict waiting_cancels      # cancels that found the ring or the journal full: retried each turn, never lost
    cdef uint64_t submit(self, uint16_t strategy_id, const IntentPayload* wish, uint32_t instrument_id) except 0
    # An order with all its terms (`conditions` NULL = none): to the gate where its venue carries it out, else held by the engine.
    cdef uint64_t place(self, uint16_t strategy_id, const IntentPayload* wish, const Conditions* conditions, uint32_t instrument_id) except 0
    # Two or three orders of one list; the handle of the first, the others' follow it one by one.
    cdef uint64_t place_list(self, uint16_t strategy_id, const IntentPayload* wishes, Conditions* conditions, int count,
                             uint32_t instrument_id) except 0
    cdef uint64_t hold(self, uint16_t strategy_id, const IntentPayload* wish, const Conditions* conditions, uint32_t instrument_id) except 0
    cdef uint64_t hold_list(self, uint16_t strategy_id, const IntentPayload* wishes, const Conditions* conditions, int count,
                            uint32_t instrument_id) except 0
    # Less of an open order, in its place.
    cdef bint amend(self, uint16_t strategy_id, uint64_t handle, int64_t qty_lots) except -1
    # An order of a list was refused: none of the others may leave.
    cdef int drop_list(self, WorkingOrder order) except -1
    cdef int _submit_as(self, uint64_t handle, uint16_t strategy_id, const IntentPayload* wish, const Conditions* conditions,
                        uint32_t instrument_id) except -1
    cdef bint cancel(self, uint16_t strategy_id, uint64_t handle) except -1
    cdef int cancel_quotes(self, uint16_t strategy_id, uint32_t instrument_id) except -1
    cdef int cancel_all(self, uint16_t strategy_id) except -1
    cdef int flush(self) except -1
    # INSTRUCTION (JSON) to the execution stage; a Reason where it cannot go.
    cdef uint16_t instruct(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle, bytes text, bint is_safe) except? 0xFFFF
    # An order that the stage holds: tracked under its handle.
    cdef WorkingOrder track_staged(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle, object terms)
    cdef int note_parent(self, const Descriptor* event) except -1
    cdef WorkingOrder find(self, uint16_t strategy_id, uint64_t handle)
    cdef WorkingOrder apply(self, const Descriptor* event)
    cdef int end(self, WorkingOrder order, uint8_t state) except -1
    cdef WorkingOrder _track(self, uint16_t strategy_id, uint64_t handle, uint32_t instrument_id)
    cdef WorkingOrder _adopt(self, const Descriptor* event, const OrderStatePayload* payload)
    cdef uint16_t _reason_against(self, uint16_t strategy_id) noexcept
    cdef uint64_t _write_intent(self, WorkingOrder order, const IntentPayload* wish, const Conditions* conditions, bint reserve) noexcept
    cdef void _push(self, Descriptor* slot, WorkingOrder order, uint8_t action, uint64_t intent_seq) noexcept
    cdef int _refuse(self, WorkingOrder order, uint16_t reason, uint64_t intent_seq) except -1
    cdef bint _send_cancel(self, WorkingOrder order) noexcept
    cdef bint _send_stage_cancel(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle)
    cdef bint _send_change(self, WorkingOrder order, uint8_t action, int64_t qty_lots) noexcept
    cdef bint _is_runaway(self, uint16_t strategy_id) noexcept
    cdef RecordHeader* _last_record
    cdef uint64_t[64] _counted_seq        # by strategy id: the input whose orders are counted, and how many there were
    cdef uint32_t[64] _counted
    cdef uint64_t runaways                # bit = strategy id: asked for more than `_orders_per_input_max` in one input
    cdef uint32_t _orders_per_input_max
