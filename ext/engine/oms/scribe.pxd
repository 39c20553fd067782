"""What OMS writes: ledger records of its decisions, and the descriptors of them for strategies."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.records cimport BalancesPayload, Conditions, ExecutionPayload, IntentPayload, RecordHeader
from engine.model.tables cimport Tables
from engine.oms.orders cimport Order, OrderPool
from engine.oms.positions cimport PositionBook
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef struct FillFacts:
    # one trade as it is booked
    int64_t trade_id
    int64_t price_ticks
    int64_t qty_lots
    int64_t commission_e8
    uint16_t commission_asset_id
    uint16_t account_id
    uint16_t venue_id
    uint32_t instrument_id
    uint8_t side
    uint8_t is_maker
    uint8_t is_external
    uint8_t position_side
    uint16_t strategy_id

@cython.final
cdef class Scribe:
    cdef Journal journal
    cdef Tables tables
    cdef Counters counters
    cdef OrderPool pool
    cdef uint16_t venue_id
    cdef PositionBook positions
    cdef Ring order_events
    cdef Ring risk_events        # fills and order states again, for the risk monitor; None without one
    cdef bint has_risk
    cdef Ring execution_events   # the same again for the execution stage; None without one
    cdef bint has_execution
    cdef readonly uint64_t lost_records    # the journal took not even the reserve
    cdef RecordHeader* order_state(self, Order* order, uint8_t previous_state, uint64_t cause_seq) noexcept nogil
    cdef void fill(self, const Order* order, const FillFacts* facts, uint64_t cause_seq) noexcept nogil
    cdef void position(self, uint16_t account_id, uint16_t venue_id, uint32_t instrument_id, int position_side, uint64_t cause_seq) noexcept nogil
    cdef void balances(self, const RecordHeader* source) noexcept nogil
    cdef void trading_state(self, uint16_t previous, uint64_t cause_seq) noexcept nogil
    cdef void alarm(self, uint16_t code, uint32_t instrument_id, uint64_t order_handle, int64_t detail,
                    const char* text, uint64_t cause_seq) noexcept nogil
    cdef RecordHeader* intent(self, const IntentPayload* wanted, const Conditions* conditions, uint16_t account_id, uint16_t venue_id,
                              uint32_t instrument_id, uint16_t strategy_id, uint64_t order_handle, uint64_t cause_seq) noexcept nogil
    cdef void refusal(self, const RecordHeader* intent, uint16_t reason) noexcept nogil
    cdef RecordHeader* _claim(self, int kind, uint32_t payload_size) noexcept nogil
    cdef uint16_t _family(self, const Order* order) noexcept nogil
    cdef void _push(self, RecordHeader* record, uint64_t order_handle, uint16_t flags) noexcept nogil
