"""The life of orders: approvals and cancels out to the session, reports and replies back into evidence, fills and positions."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport ExecutionPayload, OrderReplyPayload, RecordHeader
from engine.model.tables cimport LineState, Tables
from engine.oms.orders cimport Order, OrderPool
from engine.oms.positions cimport PositionBook
from engine.oms.scribe cimport FillFacts, Scribe
from engine.oms.trades cimport TradeSet
from engine.runtime.actor cimport Actor
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef enum:
    EXTERNAL_CAPACITY = 256
    DEFERRED_CAPACITY = 1024

cdef struct ExternalOrder:
    # open at the venue, not ours
    int64_t venue_order_id
    int64_t price_ticks
    int64_t qty_lots
    uint64_t order_handle         # where it bears our mark, else 0
    int64_t counted_lots          # what of it stands in the working sums; only where it bears our mark
    int64_t seen_mono_ns          # when the venue told last that it is open
    uint32_t instrument_id
    uint16_t strategy_id
    uint8_t side
    uint8_t position_side
    char client_order_id[24]

cdef struct DeferredTrade:
    # a trade of a venue order whose number we do not know yet
    int64_t venue_order_id
    FillFacts facts

cdef class OrderLifecycle(Actor):
    cdef Journal journal
    cdef Tables tables
    cdef Counters counters
    cdef ApprovalRegister register
    cdef OrderPool pool
    cdef PositionBook book_of_positions
    cdef PositionBook book_of_strategies   # the same fills by strategy id; 0: operators, and what no order of ours explains
    cdef TradeSet trades
    cdef Scribe scribe
    cdef Ring to_oms
    cdef Ring approvals
    cdef Ring outbound
    cdef Ring order_events
    cdef Ring risk_events
    cdef bint has_risk
    cdef Ring execution_events
    cdef bint has_execution
    cdef Ring manual_intents
    cdef int64_t order_timeout_ns
    cdef int64_t recv_window_ns
    cdef int64_t venue_delay_ns_max
    cdef uint16_t account_id
    cdef uint16_t venue_id
    cdef int64_t first_fill_ns        # wall time of the first fill ever booked; 0 = none
    cdef LineState* line                # this line's row of the tables
    cdef readonly uint64_t misrouted    # approvals and inputs of another line that came here, and were left alone
    cdef bint session_ready
    cdef ExternalOrder[EXTERNAL_CAPACITY] external_orders
    cdef readonly uint32_t external_count
    cdef bint is_external_full          # more were open than have room here, since the latest reading was begun
    cdef DeferredTrade[DEFERRED_CAPACITY] deferred
    cdef uint32_t deferred_count
    cdef uint64_t deferred_before_handle  # an order of ours that one of them may be of is older than this
    cdef bint is_collecting           # a reconciliation is reading the account
    cdef int64_t listing_mono_ns      # when the latest one was begun
    cdef uint32_t sweep_mark
    cdef bint is_sweeping
    cdef uint64_t sweep_cause
    cdef readonly uint64_t cancels_ignored
    cdef readonly uint64_t amends_ignored

    cdef void on_approval(self, const Descriptor* item) noexcept nogil
    cdef void on_cancel_intent(self, const Descriptor* item) noexcept nogil
    cdef void on_amend_intent(self, const Descriptor* item, int64_t lots) noexcept nogil
    cdef void on_report(self, const Descriptor* item) noexcept nogil
    cdef void on_reply(self, const Descriptor* item) noexcept nogil
    cdef void apply(self, Order* order, uint64_t cause_seq, bint is_forced) noexcept nogil
    cdef void tell_open_orders(self) noexcept nogil
    cdef void want_cancel(self, Order* order, int64_t due_mono_ns) noexcept nogil
    cdef void tend(self, Order* order, uint64_t cause_seq) noexcept nogil
    cdef bint send(self, const Order* order, int action) noexcept nogil
    cdef bint send_bare(self, int action, uint32_t instrument_id, uint64_t detail, uint16_t flags) noexcept nogil
    cdef void halt_instrument(self, uint32_t instrument_id, uint8_t reason) noexcept nogil
    cdef void settle_deferred(self, uint64_t cause_seq) noexcept nogil
    cdef void _begin_replace(self, Order* order, ApprovedOrder* terms, uint64_t cause_seq) noexcept nogil
    cdef void _await_list(self, Order* order, uint64_t cause_seq) noexcept nogil
    cdef void _reject_list(self, Order* order, uint16_t reason, uint64_t cause_seq) noexcept nogil
    cdef void _take_numbers(self, Order* order, const ExecutionPayload* report) noexcept nogil
    cdef void _take_quantity(self, Order* order, const ExecutionPayload* report) noexcept nogil
    cdef bint _take_trigger(self, Order* order, const ExecutionPayload* report) noexcept nogil
    cdef void _on_amend_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil
    cdef Order* _by_triggered_number(self, const Descriptor* item, const ExecutionPayload* report) noexcept nogil
    cdef void _reject(self, Order* order, uint16_t reason, int venue_code, uint64_t cause_seq) noexcept nogil
    cdef void _lose_sight(self, Order* order, uint64_t cause_seq) noexcept nogil
    cdef void _try_cancel(self, Order* order, uint64_t cause_seq) noexcept nogil
    cdef void _query(self, Order* order) noexcept nogil
    cdef bint _take_evidence(self, Order* order, const ExecutionPayload* report, bint is_status) noexcept nogil
    cdef void _end(self, Order* order, uint8_t state) noexcept nogil
    # What the venue counts and nobody told, and what cannot be booked without a person: see `Disputes`.
    cdef void fetch_fills(self, Order* order, uint64_t cause_seq) noexcept nogil
    cdef void dispute_trade(self, Order* order, const FillFacts* facts, uint64_t order_handle, int64_t venue_order_id,
                            uint64_t cause_seq) noexcept nogil
    cdef void book_whole(self, Order* order, const FillFacts* facts, uint64_t cause_seq) noexcept nogil
    cdef bint _book_trade(self, Order* order, const FillFacts* facts, uint64_t cause_seq) noexcept nogil
    cdef void _book_on_order(self, Order* order, const FillFacts* facts, int64_t lots) noexcept nogil
    cdef void _book_external(self, Order* order, FillFacts* facts, uint16_t alarm, uint64_t cause_seq) noexcept nogil
    cdef void _move_position(self, const FillFacts* facts) noexcept nogil
    cdef void _on_foreign(self, const Descriptor* item, const ExecutionPayload* report) noexcept nogil
    cdef int _book_foreign(self, FillFacts* facts, int64_t venue_order_id, int64_t cum_lots, uint64_t order_handle,
                           uint64_t cause_seq) noexcept nogil
    cdef bint _is_open_after_end(self, const Order* order, const ExecutionPayload* report) noexcept nogil
    cdef void _list_external(self, Order* order, const Descriptor* item, const ExecutionPayload* report, bint is_news) noexcept nogil
    cdef void drop_external(self, uint32_t place) noexcept nogil
    cdef void _count_external(self, ExternalOrder* row, int64_t lots) noexcept nogil
    cdef ExternalOrder* external_by_handle(self, uint64_t order_handle) noexcept nogil
    cdef void cancel_external(self, const ExternalOrder* row) noexcept nogil
    cdef void _on_submit_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil
    cdef void _on_cancel_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil
    cdef void _on_replace_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil
    cdef void _end_unbegun_replace(self, Order* order, Order* old, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil
    cdef void _on_query_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil
    cdef void _on_cancel_all_reply(self, uint32_t instrument_id, const OrderReplyPayload* reply) noexcept nogil
    cdef bint _has_room(self) noexcept nogil
    cdef void _start_sweep(self, uint64_t cause_seq) noexcept nogil
    cdef int _sweep(self) noexcept nogil
