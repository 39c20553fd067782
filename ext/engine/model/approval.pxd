"""The one door's register: approvals made by the gate, spent by the gateway, and what gate and OMS share about orders.

A slot lives from its approval until its order has long ended (the oldest ended slots are reused). Only the risk gate issues - it
holds the register's issuer mark - and only an order session consumes, once. What is sent is what stands in the slot. No
name of this module lets Python issue, fill, copy or change one.
"""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.model.records cimport Conditions

cdef enum:
    SLOT_NONE = 0xFFFFFFFF
    SLOT_CAPACITY_MAX = 65534

cdef enum SlotState:
    SLOT_FREE = 0
    SLOT_ISSUED = 1       # approved, not sent
    SLOT_SPENT = 2        # consumed by a session, or admitted from an earlier run; its order may be open
    SLOT_CLOSED = 3       # its order has ended; kept for late fills until reused

cdef enum OutboundAction:
    # `data` of a descriptor from OMS to an order session. SUBMIT and REPLACE need an approval: `flags` = slot, `cause_seq` = nonce.
    OUTBOUND_SUBMIT = 0
    OUTBOUND_CANCEL = 1            # order_handle
    OUTBOUND_REPLACE = 2           # order_handle = the new order; the slot names the old one
    OUTBOUND_QUERY = 3             # order_handle
    OUTBOUND_CANCEL_ALL = 4        # instrument_id
    OUTBOUND_RECONCILE_BEGIN = 5
    OUTBOUND_OPEN_ORDERS = 6       # every open order of the account
    OUTBOUND_TRADES = 7            # instrument_id; from trade id `cause_seq`, or - flags = 1 - of venue order `cause_seq`
    OUTBOUND_ACCOUNT = 8
    OUTBOUND_RECONCILE_END = 9
    OUTBOUND_LIST_LEG = 10         # one order of a list, its approval spent; the request leaves with the last one (SUBMIT's fields)
    OUTBOUND_CANCEL_LIST = 11      # order_handle = any order of the list
    OUTBOUND_AMEND = 12            # order_handle; cause_seq = the new quantity in lots, below the present one

cdef struct ApprovedOrder:
    uint64_t nonce            # generation << 32 | mixed counter; 0 = never approved in this run
    uint64_t order_handle
    uint64_t target_handle    # REPLACE: the order that goes
    uint64_t verdict_seq
    int64_t price_ticks
    int64_t qty_lots
    int64_t trigger_ticks
    int64_t expire_ns
    int64_t reserved_lots     # this order's share of working_*_lots
    int64_t promised_e8       # this order's share of promised_e8[promised_asset_id]
    int64_t promise_price_ticks
    uint32_t instrument_id
    uint32_t generation
    uint32_t next_closed
    uint16_t venue_id
    uint16_t account_id
    uint16_t strategy_id
    uint16_t flags
    uint16_t promised_asset_id
    uint8_t action
    uint8_t side
    uint8_t order_type
    uint8_t time_in_force
    uint8_t state
    uint8_t is_busy           # a replace of it is under way
    uint8_t position_side
    uint8_t has_conditions    # conditions[slot] holds
    int64_t valued_e8         # what of it stands in tables.margin_rows: notional of what may still open
    uint8_t is_resting        # among the limit orders that may rest at the venue: `reached` finds it
    uint8_t is_triggered      # conditional: its price came, it is an order like any other now
    uint8_t is_waiting        # conditional: counted and linked among those of its instrument and line
    uint8_t is_iceberg        # counted among those
    uint8_t is_leg            # linked among the legs of its instrument's lists
    uint8_t resting_pad[3]


# Final and inline where every order asks.
@cython.final
cdef class ApprovalRegister:
    cdef ApprovedOrder* slots
    cdef Conditions* conditions              # beside the slots; of those whose has_conditions is set
    cdef readonly uint32_t capacity
    cdef readonly int32_t open_orders        # engine wide: gate adds, OMS takes off
    cdef readonly uint64_t issued
    cdef readonly uint64_t consumed
    cdef readonly uint64_t refused
    cdef int64_t promised_e8[512]            # by asset: what approved orders may still spend
    cdef uint8_t instrument_halts[512]       # HaltReason; cleared by arm
    cdef uint8_t strategy_halts[64]
    # what venues count, from the approval to the order's end: in flight, open and UNKNOWN alike
    cdef int32_t[512] conditional_orders     # by instrument: what waits for its price
    cdef int32_t[16] line_conditional_orders # by venue id: the same
    cdef int32_t[512] iceberg_orders         # by instrument
    cdef int32_t[512] order_lists            # by instrument: lists of which any order is open
    cdef uint64_t _counter
    cdef uint64_t _seed
    cdef uint32_t* _free
    cdef uint32_t _free_count
    cdef uint32_t _closed_head
    cdef uint32_t _closed_tail
    # Orders by handle, as chains that begin at its low bits: handles of a run follow one another, so their chains lie side by side in
    # memory and hold one order each. Slot + 1; 0 = none.
    cdef uint32_t* _first_alike              # by `_place`
    cdef uint32_t* _next_alike               # by slot
    cdef uint32_t _place_mask
    cdef bint _issuer_taken
    # Own limit orders that may rest, linked by instrument and side [instrument_id * 2 + side], and a price that none of them betters.
    cdef uint32_t* _next_resting
    cdef uint32_t* _previous_resting
    cdef uint32_t[1024] _first_resting
    cdef int64_t[1024] _best_resting
    # Conditional orders never rest: the same links chain them by instrument.
    cdef uint32_t[512] _first_waiting
    cdef uint32_t* _next_leg
    cdef uint32_t* _previous_leg
    cdef uint32_t[512] _first_leg
    # Before the first order of a run: no order is known any more. What is promised and halted stays.
    cdef void empty(self) noexcept
    # Count the order in a filled slot (its conditions too) among what is open; `close` takes it off.
    cdef void enter(self, uint32_t slot) noexcept nogil
    # A conditional order's price came: it waits no longer. Not for venues that count it until its end.
    cdef void trigger(self, uint32_t slot) noexcept nogil
    # An own conditional order that closes the whole position likewise: same side, position side and type; NULL where none waits.
    cdef const ApprovedOrder* closing_like(self, uint32_t instrument_id, int side, int position_side, int order_type) noexcept nogil
    # Is any order of the list open on the instrument.
    cdef bint has_list(self, uint32_t instrument_id, uint64_t list_handle) noexcept nogil
    # The best own order that one of `side` at `price_ticks` would meet, or NULL.
    cdef const ApprovedOrder* reached(self, uint32_t instrument_id, int side, int64_t price_ticks) noexcept nogil
    cdef const ApprovedOrder* _find_best(self, uint32_t row) noexcept nogil
    cdef void _rest(self, uint32_t slot) noexcept nogil
    cdef void _wait(self, uint32_t slot) noexcept nogil
    cdef void _join(self, uint32_t slot) noexcept nogil
    cdef void _leave(self, uint32_t slot) noexcept nogil
    cdef void _leave_waiting(self, uint32_t slot) noexcept nogil
    cdef void _leave_list(self, uint32_t slot) noexcept nogil
    # Mark the caller as the only issuer; raises where there is one.
    cdef int take_issuer(self) except -1
    cdef inline bint has_room(self) noexcept nogil:
        return self._free_count > 0 or self._closed_head != SLOT_NONE

    # A slot for `order_handle`, zeroed but for handle, generation and nonce; NULL when full or the handle is known.
    cdef ApprovedOrder* issue(self, uint64_t order_handle) noexcept nogil
    # A slot for an order of an earlier run: it can never be sent.
    cdef ApprovedOrder* admit(self, uint64_t order_handle) noexcept nogil
    # Spend an approval: 1 once for the slot, nonce and handle that were issued, else 0.
    cdef int consume(self, uint32_t slot, uint64_t nonce, uint64_t order_handle) noexcept nogil
    cdef inline ApprovedOrder* find(self, uint64_t order_handle) noexcept nogil:
        cdef uint32_t link = self._first_alike[self._place(order_handle)]
        while link and self.slots[link - 1].order_handle != order_handle:
            link = self._next_alike[link - 1]
        return &self.slots[link - 1] if link else NULL

    cdef inline uint32_t index_of(self, const ApprovedOrder* item) noexcept nogil:
        return <uint32_t> (item - self.slots)

    # The slot that the next approval takes, or SLOT_NONE: who keeps an array beside the slots may fetch its row early.
    cdef inline uint32_t next_slot(self) noexcept nogil:
        return self._free[self._free_count - 1] if self._free_count else self._closed_head

    # Where the handle's chain begins. Runs are kept apart: the upper half of a handle is the run's.
    cdef inline uint32_t _place(self, uint64_t order_handle) noexcept nogil:
        return (<uint32_t> order_handle + <uint32_t> (order_handle >> 32) * <uint32_t> 0x9E3779B1) & self._place_mask

    # The order has ended: the slot may be reused, oldest first.
    cdef void close(self, uint32_t slot) noexcept nogil
    cdef ApprovedOrder* _take(self, uint64_t order_handle) noexcept nogil
    cdef void _fetch_next(self) noexcept nogil
    cdef void _forget(self, uint32_t slot) noexcept nogil
