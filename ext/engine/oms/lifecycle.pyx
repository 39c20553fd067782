"""Orders from approval to their end.

What a reply or report says is taken as evidence; nothing that the venue left open is guessed: no answer in time, a 5xx, or codes -1006
and -1007 ("execution status unknown") make the order UNKNOWN, and it is asked for by its client order id. A trade is booked
once, by its id, however often and in whatever order it is reported.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from engine.journal.journal cimport Journal
from engine.model.approval cimport *
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.native cimport is_conditional
from engine.model.records cimport (Conditions, ExecutionPayload, IntentPayload, OrderReplyPayload, RecordHeader, REPLACE_NOT_BEGUN,
                                   REPLACE_OLD_GONE)
from engine.model.tables cimport LINE_CAPACITY, POSITION_SIDES, STRATEGY_CAPACITY, Instrument, Tables
from engine.model.unnamed cimport NO_TRADE_ID
from engine.oms.orders cimport Order, OrderPool
from engine.oms.positions cimport PositionBook, tw_cost_up_e8, tw_value_e16
from engine.oms.scribe cimport FillFacts, Scribe
from engine.oms.trades cimport TRADE_CONTRADICTED, TRADE_NEW, TRADE_REPEATED, TradeSet
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef enum:
    # codes of the venue that leave the outcome open (errors.md: UNEXPECTED_RESP, TIMEOUT, DISCONNECTED)
    VENUE_UNEXPECTED_RESPONSE = -1006
    VENUE_TIMEOUT = -1007
    VENUE_DISCONNECTED = -1001
    VENUE_CANCEL_REJECTED = -2011
    VENUE_NO_SUCH_ORDER = -2013
    VENUE_REPLACE_PARTIAL = -2021
    VENUE_REPLACE_FAILED = -2022
    HTTP_OK = 200
    HTTP_TIMEOUT = 408          # USD-M: the engine gave up, the outcome is open
    SWEEP_PER_POLL = 64
    ROOM_NEEDED = 8             # events or requests that one input or one swept order may cause
    CANCEL_WANTED = 2           # in ApprovedOrder.is_busy, beside 1 = not to be replaced in its state


cdef inline bint _is_ambiguous(const OrderReplyPayload* reply) noexcept nogil:
    return (reply.status >= 500 or reply.status == HTTP_TIMEOUT or reply.error_code == VENUE_UNEXPECTED_RESPONSE or reply.error_code == VENUE_TIMEOUT
            or reply.error_code == VENUE_DISCONNECTED)


cdef class OrderLifecycle(Actor):
    """What every order goes through; built upon it are `Reconciliation`, `Commands`, `Restoration` and, the stage itself, `Oms`."""

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None,
                 ApprovalRegister register not None, *, Ring to_oms not None, Ring approvals not None, Ring outbound not None,
                 Ring order_events not None, Ring manual_intents not None, int64_t order_timeout_ns, int64_t recv_window_ns,
                 int64_t venue_delay_ns_max, uint16_t account_id=1, uint16_t venue_id=1, uint32_t trade_capacity=65536,
                 Ring risk_events=None, Ring execution_events=None):
        super().__init__(name)
        if order_timeout_ns <= 0 or recv_window_ns <= 0 or venue_delay_ns_max < 0:
            raise ValueError("order_timeout_ns and recv_window_ns must be positive, venue_delay_ns_max not negative")
        self.journal = journal
        self.tables = tables
        self.counters = counters
        self.register = register
        self.pool = OrderPool(tables, register)
        self.book_of_positions = PositionBook(tables)
        self.book_of_strategies = PositionBook(tables, STRATEGY_CAPACITY, False)
        self.trades = TradeSet(trade_capacity)
        if not 0 < venue_id < LINE_CAPACITY:
            raise ValueError(f"line {venue_id} is outside 1..{LINE_CAPACITY - 1}")
        self.line = &tables.lines[venue_id]
        self.line.is_used = 1
        self.scribe = Scribe(journal, tables, counters, self.pool, self.book_of_positions, order_events, risk_events, venue_id,
                             execution_events)
        self.to_oms = to_oms
        self.approvals = approvals
        self.outbound = outbound
        self.order_events = order_events
        self.risk_events = risk_events
        self.has_risk = risk_events is not None
        self.execution_events = execution_events
        self.has_execution = execution_events is not None
        self.manual_intents = manual_intents
        self.order_timeout_ns = order_timeout_ns
        self.recv_window_ns = recv_window_ns
        self.venue_delay_ns_max = venue_delay_ns_max
        self.account_id = account_id
        self.venue_id = venue_id

    # --- out: approvals, cancels, queries ---

    cdef void on_approval(self, const Descriptor* item) noexcept nogil:
        cdef uint32_t slot = <uint32_t> item.data - 1
        cdef ApprovedOrder* terms
        cdef Order* order
        if slot >= self.register.capacity:
            return
        terms = &self.register.slots[slot]
        if terms.order_handle != item.order_handle or terms.state != SLOT_ISSUED:
            return
        if terms.venue_id != self.venue_id:
            # another line's: its account must not pay for a fault of routing
            self.misrouted += 1
            return
        order = self.pool.begin(slot)
        order.submit_mono_ns = self.journal.now_mono_ns
        order.deadline_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
        terms.is_busy = 1
        if not self.session_ready:
            self._reject(order, REASON_SESSION_DOWN, 0, item.seq)
        elif self.outbound.depth() >= self.outbound.capacity:
            self._reject(order, REASON_RING_FULL, 0, item.seq)
        elif terms.action == INTENT_ACTION_REPLACE:
            self._begin_replace(order, terms, item.seq)
        elif terms.has_conditions and self.register.conditions[slot].list_size > 1:
            self._await_list(order, item.seq)
        else:
            self.apply(order, item.seq, False)
            self.send(order, OUTBOUND_SUBMIT)

    cdef void _await_list(self, Order* order, uint64_t cause_seq) noexcept nogil:
        """An order of a list leaves with all the others or not at all: their handles stand one after the other."""
        cdef const Conditions* conditions = self.pool.conditions(order)
        cdef Order* other
        cdef int i
        order.is_list_waiting = 1
        for i in range(conditions.list_size):
            other = self.pool.find(conditions.list_handle + i)
            if other == NULL or not other.is_list_waiting:
                return
        if self.outbound.depth() + conditions.list_size > self.outbound.capacity:
            self._reject_list(order, REASON_RING_FULL, cause_seq)
            return
        for i in range(conditions.list_size):
            other = self.pool.find(conditions.list_handle + i)
            other.is_list_waiting = 0
            other.deadline_mono_ns = order.deadline_mono_ns
            self.apply(other, cause_seq, False)
        for i in range(conditions.list_size):
            self.send(self.pool.find(conditions.list_handle + i), OUTBOUND_LIST_LEG)

    cdef void _reject_list(self, Order* order, uint16_t reason, uint64_t cause_seq) noexcept nogil:
        """One order of it cannot go, so none does."""
        cdef const Conditions* conditions = self.pool.conditions(order)
        cdef uint64_t first = conditions.list_handle
        cdef int i, count = conditions.list_size
        cdef Order* other
        for i in range(count):
            other = self.pool.find(first + i)
            if other != NULL and other.is_list_waiting:
                other.is_list_waiting = 0
                self._reject(other, reason, 0, cause_seq)

    cdef void _begin_replace(self, Order* order, ApprovedOrder* terms, uint64_t cause_seq) noexcept nogil:
        cdef Order* old = self.pool.find(terms.target_handle)
        if old == NULL or (old.state != ORDER_STATE_NEW and old.state != ORDER_STATE_PARTIALLY_FILLED) or self.pool.is_listed_with_others(old):
            self._reject(order, REASON_ORDER_NOT_OPEN, 0, cause_seq)
            return
        old.replace_in_flight = 1
        old.successor_handle = order.order_handle
        old.deadline_mono_ns = order.deadline_mono_ns
        self.apply(old, cause_seq, False)
        self.apply(order, cause_seq, False)
        self.send(order, OUTBOUND_REPLACE)

    cdef void on_cancel_intent(self, const Descriptor* item) noexcept nogil:
        cdef Order* order = self.pool.find(item.order_handle)
        cdef const ExternalOrder* external = self.external_by_handle(item.order_handle)
        if external != NULL and self.session_ready and (item.strategy_id == 0 or item.strategy_id == external.strategy_id):
            self.cancel_external(external)
            return
        if order == NULL or not order.is_listed or order.ended or (
                item.strategy_id != 0 and item.strategy_id != self.pool.terms(order).strategy_id):
            self.cancels_ignored += 1
            return
        if order.is_list_waiting:
            self._reject_list(order, REASON_LIST_INCOMPLETE, item.seq)
            return
        if order.cancel_wanted and self.journal.now_mono_ns < order.cancel_due_mono_ns:
            return  # it is on its way, or did not get through a moment ago: it is tried again when it is due
        self.want_cancel(order, 0)
        self._try_cancel(order, item.seq)

    cdef void on_amend_intent(self, const Descriptor* item, int64_t lots) noexcept nogil:
        """Less of an open order, in its place: the gate has let it pass and approves nothing. What cannot be by now is passed over."""
        cdef Order* order = self.pool.find(item.order_handle)
        if (order == NULL or (order.state != ORDER_STATE_NEW and order.state != ORDER_STATE_PARTIALLY_FILLED) or order.cancel_wanted
                or lots <= order.booked_lots or lots >= self.pool.terms(order).qty_lots or self.pool.is_listed_with_others(order)
                or (is_conditional(self.pool.terms(order).order_type) and not order.is_triggered)
                or (item.strategy_id != 0 and item.strategy_id != self.pool.terms(order).strategy_id)
                or not self.session_ready or self.outbound.depth() >= self.outbound.capacity):
            self.amends_ignored += 1
            return
        order.amend_in_flight = 1
        order.amend_lots = lots
        order.deadline_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
        self.apply(order, item.seq, False)
        self.send(order, OUTBOUND_AMEND)

    cdef void want_cancel(self, Order* order, int64_t due_mono_ns) noexcept nogil:
        # the slot says so too: the session reads it before the second half of a replace, the gate before it lets the order be replaced
        self.pool.terms(order).is_busy |= CANCEL_WANTED
        order.cancel_wanted = 1
        order.cancel_due_mono_ns = due_mono_ns

    cdef void _try_cancel(self, Order* order, uint64_t cause_seq) noexcept nogil:
        """Send the cancel, unless one is on its way; what cannot leave now leaves at a later tick."""
        if order.cancel_in_flight or order.replace_in_flight or order.amend_in_flight or order.ended or not self.session_ready:
            return
        if self.outbound.depth() >= self.outbound.capacity:
            return
        order.cancel_in_flight = 1
        order.cancel_due_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
        if not order.is_unknown:
            # of an UNKNOWN order the deadline is that of the next question, which no cancel may put off
            order.deadline_mono_ns = order.cancel_due_mono_ns
        self.apply(order, cause_seq, False)
        self.send(order, OUTBOUND_CANCEL_LIST if self.pool.is_listed_with_others(order) else OUTBOUND_CANCEL)

    cdef void _query(self, Order* order) noexcept nogil:
        if not self.session_ready or not self.send(order, OUTBOUND_QUERY):
            return
        order.query_wanted = 0
        order.query_in_flight = 1
        order.query_mono_ns = self.journal.now_mono_ns
        order.deadline_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns

    cdef bint send(self, const Order* order, int action) noexcept nogil:
        cdef Descriptor out
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        memset(&out, 0, sizeof(Descriptor))
        out.kind = RECORD_KIND_ORDER_STATE
        out.data = <uint16_t> action
        out.venue_id = terms.venue_id
        out.account_id = terms.account_id
        out.strategy_id = terms.strategy_id
        out.instrument_id = terms.instrument_id
        out.seq = order.last_seq
        out.wall_ns = self.journal.now_wall_ns
        out.mono_ns = self.journal.now_mono_ns
        out.order_handle = order.order_handle
        if action == OUTBOUND_SUBMIT or action == OUTBOUND_REPLACE or action == OUTBOUND_LIST_LEG:
            out.flags = <uint16_t> self.pool.slot_of(order)
            out.cause_seq = terms.nonce
        elif action == OUTBOUND_AMEND:
            out.cause_seq = <uint64_t> order.amend_lots
        return self.outbound.push(&out)

    cdef bint send_bare(self, int action, uint32_t instrument_id, uint64_t detail, uint16_t flags) noexcept nogil:
        cdef Descriptor out
        memset(&out, 0, sizeof(Descriptor))
        out.data = <uint16_t> action
        out.flags = flags
        out.venue_id = self.venue_id
        out.account_id = self.account_id
        out.instrument_id = instrument_id
        out.seq = self.journal.input_seq
        out.cause_seq = detail
        out.wall_ns = self.journal.now_wall_ns
        out.mono_ns = self.journal.now_mono_ns
        return self.outbound.push(&out)

    # --- evidence ---

    cdef void apply(self, Order* order, uint64_t cause_seq, bint is_forced) noexcept nogil:
        """Settle the state, make exposure follow, write it down."""
        cdef uint8_t previous = order.state
        cdef ApprovedOrder* terms = self.pool.terms(order)
        cdef int moved = self.pool.settle(order)
        if moved < 0:
            self.counters.values[<int> COUNTER_ILLEGAL_TRANSITIONS] = self.counters.values[<int> COUNTER_ILLEGAL_TRANSITIONS] + 1
        if moved > 0:
            if order.state == ORDER_STATE_UNKNOWN:
                self.pool.exposure(terms).unknown_orders += 1
            elif previous == ORDER_STATE_UNKNOWN:
                self.pool.exposure(terms).unknown_orders -= 1
        terms.is_busy = 0 if order.state == ORDER_STATE_NEW or order.state == ORDER_STATE_PARTIALLY_FILLED else 1
        if order.cancel_wanted:
            terms.is_busy |= CANCEL_WANTED
        self.pool.reserve(order)
        if moved > 0 or is_forced:
            self.scribe.order_state(order, previous, cause_seq)
        self.tell_open_orders()

    cdef void tell_open_orders(self) noexcept nogil:
        """This line's share of the engine's open orders follows."""
        self.counters.values[<int> COUNTER_OPEN_ORDERS] = self.counters.values[<int> COUNTER_OPEN_ORDERS] + (
            <uint64_t> (<int64_t> self.pool.open_count - self.line.open_orders))
        self.line.open_orders = self.pool.open_count

    cdef void _end(self, Order* order, uint8_t state) noexcept nogil:
        if order.ended and order.ended != state:
            # an order ends once; the first word stands
            self.pool.illegal_transitions = self.pool.illegal_transitions + 1
            self.counters.values[<int> COUNTER_ILLEGAL_TRANSITIONS] = self.counters.values[<int> COUNTER_ILLEGAL_TRANSITIONS] + 1
            return
        if not order.ended:
            order.ended_mono_ns = self.journal.now_mono_ns
        order.ended = state
        # fills that the venue has counted may still be on their way; after this they are fetched
        order.deadline_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns // 8
        order.cancel_in_flight = 0
        order.replace_in_flight = 0
        order.amend_in_flight = 0
        order.is_list_waiting = 0

    cdef void _reject(self, Order* order, uint16_t reason, int venue_code, uint64_t cause_seq) noexcept nogil:
        order.reason = reason
        order.venue_code = venue_code
        self._end(order, ORDER_STATE_REJECTED)
        self.apply(order, cause_seq, False)

    cdef void _lose_sight(self, Order* order, uint64_t cause_seq) noexcept nogil:
        """UNKNOWN: full size stays in the limits until the venue has told."""
        if order.is_unknown or order.ended:
            return
        order.is_unknown = 1
        order.cancel_in_flight = order.replace_in_flight = order.amend_in_flight = order.query_in_flight = 0
        order.reason = REASON_VENUE_TIMEOUT
        order.deadline_mono_ns = self.journal.now_mono_ns
        self.counters.values[<int> COUNTER_UNKNOWN_ORDERS] = self.counters.values[<int> COUNTER_UNKNOWN_ORDERS] + 1
        self.apply(order, cause_seq, False)
        self.scribe.alarm(ALARM_CODE_ORDER_UNKNOWN, self.pool.terms(order).instrument_id, order.order_handle, 0,
                          b"no answer for an order: it counts in full until the venue tells", cause_seq)

    cdef bint _take_evidence(self, Order* order, const ExecutionPayload* report, bint is_status) noexcept nogil:
        """What a report says besides its trade; True where it said something new."""
        cdef bint is_new = report.venue_order_id > 0 and (order.venue_algo_id if report.is_conditional else order.venue_order_id) == 0
        self._take_numbers(order, report)
        self._take_quantity(order, report)
        if report.cum_qty_lots > order.venue_cum_lots:
            order.venue_cum_lots = min(report.cum_qty_lots, self.pool.terms(order).qty_lots)
            order.venue_value_e8 = report.cum_quote_e8
            order.fetches = 0
            is_new = True
        elif report.cum_qty_lots == order.venue_cum_lots and order.venue_value_e8 == 0:
            order.venue_value_e8 = report.cum_quote_e8  # counted in an earlier run, and what it cost was not known yet
        if report.order_state == ORDER_STATE_UNKNOWN or report.order_state == ORDER_STATE_NONE:
            # a status we do not know: ask, do not guess
            order.query_wanted = 0 if is_status else 1
            return True
        if order.is_unknown:
            order.is_unknown = 0
            is_new = True
        order.misses = 0
        is_new = self._take_trigger(order, report) or is_new
        if report.order_state == ORDER_STATE_REJECTED:
            order.reason = REASON_VENUE_REJECT
            order.venue_code = report.reject_code
        elif not order.is_acked:
            order.is_acked = 1
            is_new = True
        if (report.order_state == ORDER_STATE_CANCELED or report.order_state == ORDER_STATE_EXPIRED
                or report.order_state == ORDER_STATE_REJECTED):
            is_new = is_new or order.ended != report.order_state
            if order.reason == REASON_NONE and not order.cancel_wanted and (report.expiry_cause == EXPIRY_CAUSE_CONTINGENCY or (
                    report.order_state == ORDER_STATE_CANCELED and self.pool.is_listed_with_others(order))):
                order.reason = REASON_CANCELED_BY_CONTINGENCY
            self._end(order, report.order_state)
        return is_new

    cdef void _take_numbers(self, Order* order, const ExecutionPayload* report) noexcept nogil:
        """The venue's number of the order; what a service for conditional orders tells has that service's, and once its price
        came the number of the order that it placed, which is ours all the same."""
        if report.is_conditional:
            if report.venue_order_id > 0:
                order.venue_algo_id = report.venue_order_id
            if order.venue_order_id == 0 and report.execution_id > 0:
                order.venue_order_id = report.execution_id
        elif order.venue_order_id == 0 and report.venue_order_id > 0:
            order.venue_order_id = report.venue_order_id

    cdef void _take_quantity(self, Order* order, const ExecutionPayload* report) noexcept nogil:
        """What closes a position has its quantity from the venue, when its price comes; an amended order has less of it."""
        cdef ApprovedOrder* terms = self.pool.terms(order)
        if report.qty_lots <= 0 or report.qty_lots == terms.qty_lots:
            return
        if (terms.flags & ORDER_FLAG_CLOSE_POSITION and terms.qty_lots == 0 and not report.is_conditional) or (
                report.qty_lots == order.amend_lots and report.qty_lots >= order.booked_lots):
            terms.qty_lots = report.qty_lots
            order.amend_in_flight = 0

    cdef bint _take_trigger(self, Order* order, const ExecutionPayload* report) noexcept nogil:
        """A conditional order that is not waiting any more is an order like any other; True where that is new."""
        cdef ApprovedOrder* terms = self.pool.terms(order)
        if order.is_triggered or not is_conditional(terms.order_type):
            return False
        if report.cum_qty_lots == 0 and (report.is_waiting or (
                report.order_state != ORDER_STATE_NEW and report.order_state != ORDER_STATE_PARTIALLY_FILLED)):
            return False
        order.is_triggered = 1
        terms.is_triggered = 1
        if self.tables.instruments[terms.instrument_id].kind != 0:
            self.register.trigger(self.pool.slot_of(order))  # spot counts it among those that wait until it ends
        return True

    cdef Order* _by_triggered_number(self, const Descriptor* item, const ExecutionPayload* report) noexcept nogil:
        """An order that a conditional one of ours became under another name: known by the number that the service told."""
        cdef uint32_t slot = self.pool.first_open
        if report.venue_order_id <= 0 or report.is_conditional:
            return NULL
        while slot != SLOT_NONE:
            if (self.pool.orders[slot].venue_algo_id > 0 and self.pool.orders[slot].venue_order_id == report.venue_order_id
                    and self.register.slots[slot].instrument_id == item.instrument_id):
                return &self.pool.orders[slot]
            slot = self.pool.orders[slot].next_open
        return NULL

    cdef void on_report(self, const Descriptor* item) noexcept nogil:
        """EXECUTION_REPORT, ORDER_STATUS and OWN_TRADE."""
        cdef const ExecutionPayload* report = <const ExecutionPayload*> (item.record + 1)
        cdef Order* order = self.pool.find(item.order_handle)
        cdef FillFacts facts
        cdef int64_t known_lots
        cdef bint was_asked_before, is_counted, was_triggered, is_new = False, is_trade = report.trade_id != NO_TRADE_ID and report.last_qty_lots > 0
        if order == NULL and item.kind == RECORD_KIND_OWN_TRADE:
            order = self.pool.by_venue_id(item.instrument_id, report.venue_order_id)
        if order == NULL and item.order_handle == 0 and item.kind != RECORD_KIND_OWN_TRADE:
            order = self._by_triggered_number(item, report)
        if order == NULL or self.pool.terms(order).instrument_id != item.instrument_id:
            self._on_foreign(item, report)
            return
        was_triggered = order.is_triggered
        is_counted = order.is_listed and order.ended != 0
        # a question that an ambiguous answer overtook is not in flight any more; its answer comes all the same
        was_asked_before = order.query_mono_ns <= order.ended_mono_ns and (
            order.query_in_flight or (order.query_mono_ns != 0 and order.misses == 0 and not self.is_collecting))
        known_lots = order.venue_cum_lots
        if item.kind == RECORD_KIND_ORDER_STATUS and order.cancel_refused:
            order.cancel_refused = 0
            order.cancel_in_flight = 0
            order.cancel_due_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns // 4
        if item.kind == RECORD_KIND_ORDER_STATUS:
            order.query_in_flight = 0
            if order.is_seen == 0:
                order.is_seen = 1
            order.deadline_mono_ns = self.journal.now_mono_ns
            is_trade = False
        if item.kind != RECORD_KIND_OWN_TRADE:
            is_new = self._take_evidence(order, report, item.kind == RECORD_KIND_ORDER_STATUS)
        # more of an ended order was filled than we knew: what that reserves stands in the ledger too
        is_counted = is_counted and order.venue_cum_lots > known_lots
        if is_trade:
            _facts_of(item, report, &facts)
            facts.side = self.pool.terms(order).side
            facts.position_side = self.pool.terms(order).position_side
            facts.strategy_id = self.pool.terms(order).strategy_id
            if self._book_trade(order, &facts, item.seq):
                is_new = True
            elif is_counted:
                self.apply(order, item.seq, True)
        else:
            if item.kind == RECORD_KIND_ORDER_STATUS and report.is_conditional and order.is_triggered and not order.ended:
                # its price came: what became of it then is asked elsewhere
                order.query_wanted = 1
            # a restored order is told of again, so that its strategy knows it, and one whose price came
            self.apply(order, item.seq, is_counted or order.is_restored or order.is_triggered != was_triggered)
            order.is_restored = 0
        if order.ended and item.kind != RECORD_KIND_OWN_TRADE:
            self._list_external(order, item, report, item.kind == RECORD_KIND_ORDER_STATUS and not was_asked_before
                                and self._is_open_after_end(order, report))
        if not is_new:
            self.counters.values[<int> COUNTER_DUPLICATE_REPORTS] = self.counters.values[<int> COUNTER_DUPLICATE_REPORTS] + 1

    cdef bint _book_trade(self, Order* order, const FillFacts* facts, uint64_t cause_seq) noexcept nogil:
        """False for a trade that was booked before, or whose id stands for another one."""
        cdef int verdict = self.trades.add(facts, order.order_handle, self.tables.control.next_handle)
        if verdict == TRADE_CONTRADICTED:
            self.dispute_trade(order, facts, order.order_handle, order.venue_order_id, cause_seq)
        if verdict != TRADE_NEW:
            self.apply(order, cause_seq, False)
            return False
        self.book_whole(order, facts, cause_seq)
        return True

    cdef void book_whole(self, Order* order, const FillFacts* facts, uint64_t cause_seq) noexcept nogil:
        """Position first, then the order, then the fill."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef FillFacts external
        if facts.qty_lots > terms.qty_lots - order.booked_lots and not (terms.qty_lots == 0 and terms.flags & ORDER_FLAG_CLOSE_POSITION):
            # the order is full by it; beyond that no order explains the trade, so it is external as a whole
            external = facts[0]
            self._book_on_order(order, facts, max(terms.qty_lots - order.booked_lots, <int64_t> 0))
            self._book_external(order, &external, ALARM_CODE_OVERFILL, cause_seq)
            return
        self._move_position(facts)
        self.tables.note_execution(terms.instrument_id, terms.strategy_id, self.journal.now_mono_ns)
        self._book_on_order(order, facts, facts.qty_lots)
        self.apply(order, cause_seq, True)
        self.scribe.fill(order, facts, cause_seq)
        self.scribe.position(facts.account_id, facts.venue_id, facts.instrument_id, facts.position_side, cause_seq)

    cdef void _book_on_order(self, Order* order, const FillFacts* facts, int64_t lots) noexcept nogil:
        """So many of the trade's lots are the order's."""
        cdef const Instrument* instrument = &self.tables.instruments[facts.instrument_id]
        order.booked_lots += lots
        order.filled_value_e16 = order.filled_value_e16 + tw_value_e16(
            facts.price_ticks, instrument.tick_size_e8, lots, instrument.lot_size_e8)
        if order.booked_lots >= order.venue_cum_lots:
            order.venue_cum_lots = order.booked_lots
            order.dispute = 0

    cdef void _book_external(self, Order* order, FillFacts* facts, uint16_t alarm, uint64_t cause_seq) noexcept nogil:
        """A fill that no order of ours explains: it is real, so it is booked; then the symbol stands still until a person has looked."""
        facts.is_external = 1
        self._move_position(facts)
        self.halt_instrument(facts.instrument_id, HALT_REASON_MISMATCH)
        if order != NULL:
            self.apply(order, cause_seq, False)
        self.scribe.fill(order, facts, cause_seq)
        self.scribe.position(facts.account_id, facts.venue_id, facts.instrument_id, facts.position_side, cause_seq)
        self.scribe.alarm(alarm, facts.instrument_id, order.order_handle if order != NULL else 0, facts.trade_id,
                          b"a fill beyond what our orders explain: booked as external, symbol halted", cause_seq)

    cdef void _move_position(self, const FillFacts* facts) noexcept nogil:
        """Book the trade; on spot what it spent leaves the free balance at once, what it brought waits for the venue's word."""
        cdef const Instrument* instrument = &self.tables.instruments[facts.instrument_id]
        self.book_of_positions.book(facts.account_id, facts.instrument_id, facts.position_side, facts.side, facts.price_ticks,
                                    facts.qty_lots, facts.commission_asset_id, facts.commission_e8)
        if self.first_fill_ns == 0:
            self.first_fill_ns = self.journal.now_wall_ns
        self.book_of_strategies.book(facts.strategy_id, facts.instrument_id, facts.position_side, facts.side, facts.price_ticks,
                                     facts.qty_lots, facts.commission_asset_id, facts.commission_e8)
        self.tables.move_strategy_position(facts.instrument_id, facts.position_side, facts.strategy_id,
                                           facts.qty_lots if facts.side == SIDE_BUY else -facts.qty_lots)
        if instrument.kind != 0:
            return  # a futures trade moves margin: the wallet waits for the venue's word
        if facts.side == SIDE_BUY:
            self.tables.control.balance_free_e8[instrument.quote_asset_id] = self.tables.control.balance_free_e8[instrument.quote_asset_id] - tw_cost_up_e8(tw_value_e16(
                facts.price_ticks, instrument.tick_size_e8, facts.qty_lots, instrument.lot_size_e8))
        else:
            self.tables.control.balance_free_e8[instrument.base_asset_id] = self.tables.control.balance_free_e8[instrument.base_asset_id] - (facts.qty_lots * instrument.lot_size_e8)

    cdef void halt_instrument(self, uint32_t instrument_id, uint8_t reason) noexcept nogil:
        if instrument_id < 512 and not self.register.instrument_halts[instrument_id]:
            self.register.instrument_halts[instrument_id] = reason

    # --- what is not ours ---

    cdef void _on_foreign(self, const Descriptor* item, const ExecutionPayload* report) noexcept nogil:
        cdef FillFacts facts
        cdef int verdict
        if item.instrument_id == 0 or item.instrument_id > self.tables.instrument_count:
            return
        if item.kind != RECORD_KIND_ORDER_STATUS and report.trade_id != NO_TRADE_ID and report.last_qty_lots > 0:
            _facts_of(item, report, &facts)
            if (item.kind == RECORD_KIND_OWN_TRADE and self.deferred_count < DEFERRED_CAPACITY
                    and self.trades.judge(&facts, item.order_handle) != TRADE_REPEATED):
                # it may be of an order of ours whose venue number is still to come
                self.deferred[self.deferred_count].venue_order_id = report.venue_order_id
                self.deferred[self.deferred_count].facts = facts
                self.deferred_count += 1
            elif self._book_foreign(&facts, report.venue_order_id, report.cum_qty_lots, item.order_handle, item.seq) == TRADE_REPEATED:
                self.counters.values[<int> COUNTER_DUPLICATE_REPORTS] = self.counters.values[<int> COUNTER_DUPLICATE_REPORTS] + 1
        if item.kind != RECORD_KIND_OWN_TRADE:
            self._list_external(NULL, item, report, True)

    cdef int _book_foreign(self, FillFacts* facts, int64_t venue_order_id, int64_t cum_lots, uint64_t order_handle, uint64_t cause_seq) noexcept nogil:
        cdef int verdict = self.trades.add_foreign(facts, venue_order_id, cum_lots, order_handle, self.tables.control.next_handle)
        if verdict == TRADE_NEW:
            self._book_external(NULL, facts, ALARM_CODE_UNKNOWN_FILL, cause_seq)
        elif verdict == TRADE_CONTRADICTED:
            self.dispute_trade(NULL, facts, order_handle, venue_order_id, cause_seq)
        return verdict

    cdef bint _is_open_after_end(self, const Order* order, const ExecutionPayload* report) noexcept nogil:
        """Does the venue, asked after the end that we know of, hold the order as open? A list that was asked for before does not say so,
        nor does a conditional order's service once the price came."""
        if order.state == ORDER_STATE_FILLED or (report.is_conditional and not report.is_waiting):
            return False
        return not self.is_collecting or self.listing_mono_ns > order.ended_mono_ns

    cdef void _list_external(self, Order* order, const Descriptor* item, const ExecutionPayload* report, bint is_news) noexcept nogil:
        """What is open at the venue and should not be: told when it is news, followed until its end. `order`: NULL, or ours that ended."""
        cdef uint32_t i
        cdef ExternalOrder* row
        cdef bint is_open = report.order_state in (ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_NEW)
        for i in range(self.external_count):
            row = &self.external_orders[i]
            if row.venue_order_id != report.venue_order_id or row.instrument_id != item.instrument_id:
                continue
            if not is_open:
                self.drop_external(i)
                return
            row.seen_mono_ns = self.journal.now_mono_ns
            self._count_external(row, min(row.counted_lots, max(row.qty_lots - report.cum_qty_lots, <int64_t> 0)))
            return
        if not is_open or not is_news:
            return
        self.is_external_full = self.is_external_full or self.external_count == EXTERNAL_CAPACITY
        if self.external_count < EXTERNAL_CAPACITY:
            row = &self.external_orders[self.external_count]
            self.external_count += 1
            memset(row, 0, sizeof(ExternalOrder))
            row.seen_mono_ns = self.journal.now_mono_ns
            row.venue_order_id = report.venue_order_id
            row.price_ticks = report.price_ticks
            row.qty_lots = report.qty_lots
            row.instrument_id = item.instrument_id
            row.side = report.side if order == NULL else self.pool.terms(order).side
            row.position_side = report.position_side if report.position_side < POSITION_SIDES else 0
            row.order_handle = item.order_handle
            memcpy(row.client_order_id, report.client_order_id, 24)
            if order != NULL:
                row.position_side = self.pool.terms(order).position_side
                row.strategy_id = self.pool.terms(order).strategy_id
            if item.order_handle != 0:
                self._count_external(row, max(report.qty_lots - report.cum_qty_lots, <int64_t> 0))
        self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] = self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] + 1
        if item.order_handle != 0:
            # it bears our mark, and we know nothing of it or of its end only: that cannot be explained
            self.halt_instrument(item.instrument_id, HALT_REASON_MISMATCH)
        self.scribe.alarm(ALARM_CODE_RECONCILE_MISMATCH, item.instrument_id, item.order_handle, report.venue_order_id,
                          b"an open order at the venue is not ours: listed as external" if order == NULL
                          else b"an order that had ended is open at the venue: listed as external, symbol halted", item.seq)

    cdef void drop_external(self, uint32_t place) noexcept nogil:
        """It is open no more."""
        self._count_external(&self.external_orders[place], 0)
        self.external_count -= 1
        self.external_orders[place] = self.external_orders[self.external_count]

    cdef void _count_external(self, ExternalOrder* row, int64_t lots) noexcept nogil:
        """What may still fill stands in the limits, like any order's; a late report of less filled gives nothing back."""
        if lots != row.counted_lots:
            self.tables.move_working(row.instrument_id, row.position_side, row.strategy_id, row.side, lots - row.counted_lots)
        row.counted_lots = lots

    cdef ExternalOrder* external_by_handle(self, uint64_t order_handle) noexcept nogil:
        cdef uint32_t i
        for i in range(self.external_count if order_handle else 0):
            if self.external_orders[i].order_handle == order_handle:
                return &self.external_orders[i]
        return NULL

    cdef void cancel_external(self, const ExternalOrder* row) noexcept nogil:
        """By the client order id: the venue knows it by that, whatever we hold."""
        cdef Descriptor out
        memset(&out, 0, sizeof(Descriptor))
        out.kind = RECORD_KIND_ORDER_STATE
        out.data = OUTBOUND_CANCEL
        out.venue_id = self.venue_id
        out.account_id = self.account_id
        out.strategy_id = row.strategy_id
        out.instrument_id = row.instrument_id
        out.seq = self.journal.input_seq
        out.wall_ns = self.journal.now_wall_ns
        out.mono_ns = self.journal.now_mono_ns
        out.order_handle = row.order_handle
        self.outbound.push(&out)

    cdef void settle_deferred(self, uint64_t cause_seq) noexcept nogil:
        """Book the trades that waited for their order's venue number; those still without an order are external."""
        cdef uint32_t i
        cdef Order* order
        cdef DeferredTrade* trade
        for i in range(self.deferred_count):
            trade = &self.deferred[i]
            order = self.pool.by_venue_id(trade.facts.instrument_id, trade.venue_order_id)
            if order != NULL:
                trade.facts.position_side = self.pool.terms(order).position_side
                trade.facts.strategy_id = self.pool.terms(order).strategy_id
                self._book_trade(order, &trade.facts, cause_seq)
            else:
                self._book_foreign(&trade.facts, trade.venue_order_id, 0, 0, cause_seq)
        self.deferred_count = 0

    # --- replies to our requests ---

    cdef void on_reply(self, const Descriptor* item) noexcept nogil:
        cdef const OrderReplyPayload* reply = <const OrderReplyPayload*> (item.record + 1)
        cdef Order* order
        if reply.action == OUTBOUND_CANCEL_ALL:
            self._on_cancel_all_reply(item.instrument_id, reply)
            return
        order = self.pool.find(item.order_handle)
        if order == NULL:
            return
        if reply.action == OUTBOUND_SUBMIT or reply.action == OUTBOUND_LIST_LEG:
            self._on_submit_reply(order, reply, item.seq)
        elif reply.action == OUTBOUND_AMEND:
            self._on_amend_reply(order, reply, item.seq)
        elif reply.action == OUTBOUND_CANCEL or reply.action == OUTBOUND_CANCEL_LIST:
            self._on_cancel_reply(order, reply, item.seq)
        elif reply.action == OUTBOUND_REPLACE:
            self._on_replace_reply(order, reply, item.seq)
        elif reply.action == OUTBOUND_QUERY:
            self._on_query_reply(order, reply, item.seq)

    cdef void _on_submit_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil:
        if reply.status == HTTP_OK:
            if reply.is_conditional:
                order.venue_algo_id = reply.venue_order_id
            elif reply.venue_order_id > 0 and order.venue_order_id == 0:
                order.venue_order_id = reply.venue_order_id
            if not order.is_acked:
                order.is_acked = 1
                self.counters.values[<int> COUNTER_ORDERS_ACKED] = self.counters.values[<int> COUNTER_ORDERS_ACKED] + 1
            order.is_unknown = 0
            order.misses = 0
            self.apply(order, cause_seq, False)
        elif order.is_acked or order.ended:
            # the venue has taken it already by another message: the truth is asked for
            order.query_wanted = 1
        elif reply.status == 0:
            # refused in our own session, before the wire
            self._reject(order, <uint16_t> reply.error_code, 0, cause_seq)
        elif _is_ambiguous(reply):
            order.venue_code = reply.error_code
            self._lose_sight(order, cause_seq)
        else:
            self.counters.values[<int> COUNTER_VENUE_REJECTS] = self.counters.values[<int> COUNTER_VENUE_REJECTS] + 1
            order.is_unknown = 0
            self._reject(order, REASON_RATE_BUDGET if reply.status == 429 or reply.status == 418 else REASON_VENUE_REJECT,
                         reply.error_code, cause_seq)

    cdef void _on_cancel_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil:
        if reply.status == HTTP_OK or order.ended or not order.cancel_in_flight:
            return  # the execution report brings the end and how much was filled
        if reply.status != 0 and _is_ambiguous(reply):
            self._lose_sight(order, cause_seq)
            return
        if reply.status != 0:
            order.venue_code = reply.error_code
        if reply.error_code == VENUE_CANCEL_REJECTED and order.is_acked:
            # filled, cancelled or gone: asked for, and not called open meanwhile, or its strategy would cancel it again and again
            order.query_wanted = 1
            order.cancel_refused = 1
            return
        order.cancel_in_flight = 0
        order.cancel_due_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns // 4
        self.apply(order, cause_seq, False)

    cdef void _on_amend_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil:
        """Accepted: the report, or this, says that there is less of it now. Refused: it is what it was."""
        if order.ended or not order.amend_in_flight:
            return
        if reply.status != HTTP_OK and reply.status != 0 and _is_ambiguous(reply):
            self._lose_sight(order, cause_seq)
            return
        order.amend_in_flight = 0
        if reply.status == HTTP_OK:
            self.pool.terms(order).qty_lots = max(order.amend_lots, order.booked_lots)
        else:
            order.amend_lots = 0
            order.venue_code = reply.error_code if reply.status != 0 else 0
            order.query_wanted = 1 if reply.status != 0 else 0
        self.apply(order, cause_seq, True)

    cdef void _on_replace_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil:
        """`order` is the new one. -2022: the old was not cancelled, the new not tried; -2021: the old is gone, the new refused."""
        cdef Order* old = self.pool.find(self.pool.terms(order).target_handle)
        if reply.replace_part == REPLACE_NOT_BEGUN:
            self._end_unbegun_replace(order, old, reply, cause_seq)
            return
        if reply.status != HTTP_OK and reply.status != 0 and _is_ambiguous(reply):
            self._on_submit_reply(order, reply, cause_seq)
            if old != NULL:
                self._lose_sight(old, cause_seq)
            return
        if old != NULL and not old.ended and old.replace_in_flight:
            if reply.status == HTTP_OK or reply.replace_part == REPLACE_OLD_GONE or reply.error_code == VENUE_REPLACE_PARTIAL:
                # its end and its last fills come by execution report
                old.deadline_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
            else:
                old.replace_in_flight = 0
                old.query_wanted = 1 if reply.error_code == VENUE_REPLACE_FAILED else 0
                self.apply(old, cause_seq, False)
        self._on_submit_reply(order, reply, cause_seq)

    cdef void _end_unbegun_replace(self, Order* order, Order* old, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil:
        """The old order's cancel was refused or is open: the new order never left, whatever became of the old one."""
        if old != NULL and not old.ended and old.replace_in_flight:
            if reply.status != 0 and _is_ambiguous(reply):
                self._lose_sight(old, cause_seq)
            else:
                old.replace_in_flight = 0
                old.query_wanted = 1 if reply.error_code == VENUE_CANCEL_REJECTED else 0
                self.apply(old, cause_seq, False)
        if not order.is_acked and not order.ended:
            order.is_unknown = 0
            self._reject(order, REASON_VENUE_REJECT, reply.error_code, cause_seq)

    cdef void _on_query_reply(self, Order* order, const OrderReplyPayload* reply, uint64_t cause_seq) noexcept nogil:
        """An answer other than the order itself. Absent only when not found twice, the second time asked after the latest moment
        at which the venue can still take it: send + recvWindow + its longest delay."""
        cdef int64_t latest_mono_ns = order.submit_mono_ns + self.recv_window_ns + self.venue_delay_ns_max
        order.query_in_flight = 0
        order.deadline_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
        if reply.error_code != VENUE_NO_SUCH_ORDER or reply.status == 0 or order.ended or order.state == ORDER_STATE_FILLED:
            return
        self._lose_sight(order, cause_seq)
        if order.misses == 0 or order.query_mono_ns < latest_mono_ns:
            order.misses = 1
            order.deadline_mono_ns = max(order.deadline_mono_ns, latest_mono_ns)
            return
        if order.is_acked:
            self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] = self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] + 1
            self.halt_instrument(self.pool.terms(order).instrument_id, HALT_REASON_MISMATCH)
            self.scribe.alarm(ALARM_CODE_RECONCILE_MISMATCH, self.pool.terms(order).instrument_id, order.order_handle,
                              order.venue_order_id, b"the venue took this order and no longer knows it", cause_seq)
        order.reason = REASON_NOT_FOUND
        order.misses = 2
        self._end(order, ORDER_STATE_ABSENT)
        self.apply(order, cause_seq, False)

    cdef void _on_cancel_all_reply(self, uint32_t instrument_id, const OrderReplyPayload* reply) noexcept nogil:
        """Refused or not: what is still open goes one by one, at once after a refusal, else when its own time is due."""
        cdef uint32_t slot = self.pool.first_open, i
        if reply.status == HTTP_OK:
            return
        while slot != SLOT_NONE:
            if self.register.slots[slot].instrument_id == instrument_id and self.pool.orders[slot].cancel_wanted:
                self.pool.orders[slot].cancel_due_mono_ns = 0
            slot = self.pool.orders[slot].next_open
        for i in range(self.external_count):
            if self.external_orders[i].instrument_id == instrument_id and self.external_orders[i].order_handle != 0:
                self.cancel_external(&self.external_orders[i])

    # --- time ---

    cdef void tend(self, Order* order, uint64_t cause_seq) noexcept nogil:
        """What time asks of one open order: at most one request leaves."""
        cdef int64_t now_mono_ns = self.journal.now_mono_ns
        cdef bint awaits = order.cancel_in_flight or order.replace_in_flight or order.amend_in_flight or (not order.is_acked and not order.ended)
        if order.is_list_waiting:
            if not self.session_ready or now_mono_ns >= order.deadline_mono_ns:
                self._reject_list(order, REASON_LIST_INCOMPLETE if self.session_ready else REASON_SESSION_DOWN, cause_seq)
            return
        if awaits and not order.is_unknown and (not self.session_ready or now_mono_ns >= order.deadline_mono_ns):
            self._lose_sight(order, cause_seq)
        if order.is_unknown and order.cancel_in_flight and now_mono_ns >= order.cancel_due_mono_ns:
            order.cancel_in_flight = 0
        if not self.session_ready:
            order.query_in_flight = 0
            return
        if order.ended:
            if self.pool.leaves_lots(order) > 0 and now_mono_ns >= order.deadline_mono_ns and order.venue_order_id > 0:
                # it ended with fills that were never reported: they are fetched
                self.fetch_fills(order, cause_seq)
            return
        if order.is_unknown and not order.query_in_flight and now_mono_ns >= order.deadline_mono_ns:
            # the venue is asked first: a cancel that it does not know, sent again and again, would keep the question from being put
            self._query(order)
        elif (order.cancel_wanted and not order.cancel_in_flight and now_mono_ns >= order.cancel_due_mono_ns
                and order.venue_cum_lots < self.pool.terms(order).qty_lots):  # all of it filled: what is missing is its fills
            self._try_cancel(order, cause_seq)
        elif order.query_in_flight:
            if now_mono_ns >= order.deadline_mono_ns:
                self._query(order)
        elif order.query_wanted or (order.is_unknown and now_mono_ns >= order.deadline_mono_ns):
            self._query(order)
        elif (order.venue_cum_lots > order.booked_lots and now_mono_ns >= order.deadline_mono_ns and order.venue_order_id > 0):
            self.fetch_fills(order, cause_seq)

    cdef void fetch_fills(self, Order* order, uint64_t cause_seq) noexcept nogil:
        pass

    cdef void dispute_trade(self, Order* order, const FillFacts* facts, uint64_t order_handle, int64_t number, uint64_t cause_seq) noexcept nogil:
        pass

    # --- sweeps: what time, kill and lost sessions ask of many orders ---

    cdef bint _has_room(self) noexcept nogil:
        return (self.order_events.depth() + ROOM_NEEDED <= self.order_events.capacity
                and self.outbound.depth() + ROOM_NEEDED <= self.outbound.capacity
                and not (self.has_risk and self.risk_events.depth() + ROOM_NEEDED > self.risk_events.capacity)
                and not (self.has_execution and self.execution_events.depth() + ROOM_NEEDED > self.execution_events.capacity))

    cdef void _start_sweep(self, uint64_t cause_seq) noexcept nogil:
        if not self.is_sweeping:
            self.is_sweeping = True
            self.sweep_mark += 1
        self.sweep_cause = cause_seq

    cdef int _sweep(self) noexcept nogil:
        cdef int done = 0
        cdef uint32_t slot = self.pool.first_open, following
        while slot != SLOT_NONE:
            following = self.pool.orders[slot].next_open
            if self.pool.orders[slot].sweep_mark != self.sweep_mark:
                if done >= SWEEP_PER_POLL or not self._has_room():
                    return done
                self.pool.orders[slot].sweep_mark = self.sweep_mark
                self.tend(&self.pool.orders[slot], self.sweep_cause)
                done += 1
            slot = following
        self.is_sweeping = False
        return done


cdef void _facts_of(const Descriptor* item, const ExecutionPayload* report, FillFacts* out) noexcept nogil:
    memset(out, 0, sizeof(FillFacts))
    out.trade_id = report.trade_id
    out.price_ticks = report.last_price_ticks
    out.qty_lots = report.last_qty_lots
    out.commission_e8 = report.commission_e8
    out.commission_asset_id = report.commission_asset_id
    out.account_id = item.account_id
    out.venue_id = item.venue_id
    out.instrument_id = item.instrument_id
    out.side = report.side
    out.is_maker = report.is_maker
    out.position_side = report.position_side if report.position_side < POSITION_SIDES else 0
