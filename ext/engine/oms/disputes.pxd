"""Order management's disputes: fills that the venue tells or counts and that cannot be booked without a person."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.oms.lifecycle cimport OrderLifecycle
from engine.oms.orders cimport Order
from engine.oms.scribe cimport FillFacts

cdef enum:
    DISPUTED_CAPACITY = 256

cdef struct DisputedTrade:
    FillFacts facts
    uint64_t order_handle      # 0 = not known to be of an order of ours
    int64_t venue_order_id

cdef class Disputes(OrderLifecycle):
    cdef DisputedTrade[DISPUTED_CAPACITY] disputed_trades  # in the order in which they were told
    cdef uint32_t disputed_count
    cdef readonly uint64_t disputes_lost     # there was no room: their orders' counts show them all the same
    cdef void _dispute_order(self, Order* order, uint64_t cause_seq) noexcept nogil
    cdef bint _is_disputed(self, const FillFacts* facts, uint64_t order_handle, int64_t venue_order_id) noexcept nogil
    cdef void adopt_trades(self, uint32_t instrument_id, uint64_t cause_seq) noexcept nogil
    cdef void _adopt_trade(self, DisputedTrade* trade, uint64_t cause_seq) noexcept nogil
    # `is_told`: a person says so of these fills, not only that the symbol is to trade again.
    cdef void adopt_orders(self, uint32_t instrument_id, bint is_told, uint64_t cause_seq) noexcept nogil
    cdef void _adopt_order(self, Order* order, bint is_told, uint64_t cause_seq) noexcept nogil
    cdef void _book_untold(self, Order* order, uint64_t cause_seq) noexcept nogil
    cdef void _stay_disputed(self, const Order* order, const char* text, uint64_t cause_seq) noexcept nogil
    cdef void _take_back_others(self, const Order* order, uint64_t cause_seq) noexcept nogil
    cdef void _take_back(self, FillFacts* facts, uint64_t order_handle, uint64_t cause_seq) noexcept nogil
    cdef int64_t _untold_price_ticks(self, const Order* order) noexcept nogil
