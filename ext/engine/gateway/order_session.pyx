"""The order session's venue-blind half.

A new order or a risk-adding replace leaves only if its approval can be spent in the register: what is encoded is what stands in the
approved slot, not what a descriptor says. At the durability level `order` it then waits until the ledger is on the platter up to its
records (`put_waiting`); cancels, questions and what closes a position in a panic never wait. The request's bytes are in the journal before they are given to the link. What cannot leave is
answered by a notice: a reply of our own (status 0), an input like any other, so that a replay sees it too.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from engine.gateway.budget cimport RateBudget
from engine.gateway.durable_wait cimport LIST_LEGS_MAX, DurableWait, WaitingOrder
from engine.gateway.withheld cimport is_cancel_wanted, withheld
from engine.journal.journal cimport CLEARED_BYTES, Journal
from engine.model.approval cimport *
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport AssetPayload, OrderBytesPayload, OrderReplyPayload, RecordHeader, StatePayload
from engine.model.tables cimport Tables
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef enum:
    HTTP_OK = 200
    CANCEL_PAUSE_NS = 20_000_000
    ITEMS_PER_DRAIN = 64
    TEXT_CAPACITY = 4096

cdef int64_t ANSWER_PATIENCE_NS = 60_000_000_000
cdef int64_t WAIT_NS = 500_000_000


cdef class OrderSession(Session):
    """One order connection. The venue's subclass encodes, decodes and logs on."""

    def __cinit__(self):
        self.requests = <Request*> calloc(REQUEST_CAPACITY, sizeof(Request))
        self.notices = <Notice*> calloc(NOTICE_CAPACITY, sizeof(Notice))
        self.cold = <ColdRequest*> calloc(COLD_CAPACITY, sizeof(ColdRequest))
        self.text = <char*> calloc(1, TEXT_CAPACITY)
        if not (self.requests and self.notices and self.cold and self.text):
            raise MemoryError("order session")

    def __init__(self, str name, uint32_t session_id, Journal journal not None, Tables tables not None, Counters counters not None,
                 ApprovalRegister register not None, Clock clock not None, RateBudget budget not None, *, Ring outbound not None,
                 Ring inbound not None, int venue_id=1, int account_id=1):
        super().__init__(name, session_id)
        self.journal = journal
        self.tables = tables
        self.counters = counters
        self.register = register
        self.clock = clock
        self.budget = budget
        self.outbound = outbound
        self.inbound = inbound
        self.venue_id = venue_id
        self.account_id = account_id
        self.next_request_id = <uint64_t> journal.epoch << 32
        self.waiting = DurableWait()
        self.wait_ns_max = WAIT_NS
        self.venue_less_mono_ns = clock.wall_ns() - clock.mono_ns()
        self.assets_told = max(tables.assets_given, <uint16_t> 1)

    def set_wait_max(self, int64_t wait_ns) -> None:
        """How long an order may wait for the disk before it is refused: well below the time after which it would be UNKNOWN."""
        if wait_ns <= 0:
            raise ValueError("the wait for the disk must be longer than nothing")
        self.wait_ns_max = wait_ns

    @property
    def orders_waiting(self) -> int:
        """Orders that wait for the disk."""
        return self.waiting.count()

    def __dealloc__(self):
        free(self.requests)
        free(self.notices)
        free(self.cold)
        free(self.text)

    cdef int64_t venue_ns(self) noexcept nogil:
        """The venue's time as we reckon it, at this turn."""
        return self.journal.now_wall_ns + self.venue_offset_ns

    cdef int64_t steady_ns(self) noexcept nogil:
        """The same by the monotonic clock, for limits and waits: a wall clock that is set makes none of them longer or shorter."""
        return self.journal.now_mono_ns + self.venue_less_mono_ns

    cdef int64_t steady_now_ns(self) noexcept nogil:
        """The same between turns."""
        return self.clock.mono_ns() + self.venue_less_mono_ns

    # --- requests ---

    cdef int drain(self) noexcept:
        """Bounded work: own replies one at a time behind what the sequencer still has, then requests."""
        cdef int done = 0
        cdef Descriptor* item
        if (self.notice_head != self.notice_tail and self.inbound.depth() == 0
                and self.notices[self.notice_tail % NOTICE_CAPACITY].due_mono_ns <= self.journal.now_mono_ns):
            done += self.emit_notice()
        while done < ITEMS_PER_DRAIN:
            item = self.outbound.peek()
            if item == NULL or self.notice_head - self.notice_tail >= NOTICE_CAPACITY - 2:
                break
            self.send_item(item)
            self.outbound.release()
            done += 1
        if self.waiting.count():
            # behind the requests: a cancel among them takes back what it is about before it would leave
            done += self.release_waiting()
        return done

    cdef bint send_item(self, const Descriptor* item) noexcept:
        cdef int action = item.data
        cdef bint is_order = action == OUTBOUND_SUBMIT or action == OUTBOUND_REPLACE
        cdef uint32_t slot = item.flags
        if action == OUTBOUND_LIST_LEG:
            return self.send_leg(item)
        if OUTBOUND_RECONCILE_BEGIN <= action <= OUTBOUND_RECONCILE_END or (action == OUTBOUND_QUERY and self.asks_slowly(item.order_handle)):
            self.cold[self.cold_head % COLD_CAPACITY] = ColdRequest(item.order_handle if action == OUTBOUND_QUERY else item.cause_seq, item.instrument_id,
                                                                    <uint16_t> action, item.flags)
            self.cold_head += 1
            return True
        if is_order:
            if not self._spend(item):
                return False
            # behind those that wait already, so that orders leave as they came
            if (self.waiting.count() or self.journal.must_wait(item.seq)) and self.put_waiting(action, &slot, 1, item.instrument_id, item.seq):
                return True
            return self.send_request(action, item.order_handle, item.instrument_id, item.seq, &self.register.slots[slot], 0)
        if action == OUTBOUND_AMEND and not self.lessens(item):
            self.refused_approvals += 1
            return False
        if self.waiting.count() and (action == OUTBOUND_CANCEL or action == OUTBOUND_CANCEL_LIST) and self.take_back(item.order_handle, 0):
            # it never left: nothing is to be cancelled at the venue
            return self.notice(RECORD_KIND_ORDER_REPLY, action, item.order_handle, item.instrument_id, REASON_ORDER_NOT_OPEN, 0)
        if self.waiting.count() and action == OUTBOUND_CANCEL_ALL:
            self.take_back(0, item.instrument_id)
        return self.send_request(action, item.order_handle, item.instrument_id, item.seq, NULL, <int64_t> item.cause_seq)

    cdef bint send_request(self, int action, uint64_t order_handle, uint32_t instrument_id, uint64_t seq, const ApprovedOrder* terms,
                           int64_t amend_lots) noexcept:
        """Encode and transmit now, or answer by a notice why not. `terms`: of a new order, its spent slot."""
        cdef Request request
        cdef int size = 0, reason = REASON_NONE
        cdef bint is_order = terms != NULL
        memset(&request, 0, sizeof(Request))
        request.request_id = self.next_request_id + 1
        self.expire(request.request_id)
        request.order_handle = order_handle
        request.instrument_id = instrument_id
        request.action = <uint16_t> action
        if not self.is_ready:
            reason = REASON_SESSION_DOWN
        elif self.requests[request.request_id % REQUEST_CAPACITY].request_id != 0:
            reason = REASON_RATE_BUDGET
        elif is_order:
            if self.budget.allows_order(self.steady_ns()):
                size = self.encode_order(terms, request.request_id)
            else:
                reason = REASON_RATE_BUDGET
        elif action == OUTBOUND_QUERY:
            if self.budget.allows_query(self.steady_ns(), 4):
                size = self.encode_query(order_handle, instrument_id, request.request_id)
            else:
                reason = REASON_RATE_BUDGET
        elif not self.budget.allows_cancel(self.steady_ns()):
            reason = REASON_RATE_BUDGET
        elif action == OUTBOUND_CANCEL:
            size = self.encode_cancel(order_handle, instrument_id, request.request_id)
        elif action == OUTBOUND_CANCEL_LIST:
            size = self.encode_cancel_list(order_handle, instrument_id, request.request_id)
        elif action == OUTBOUND_AMEND:
            size = self.encode_amend(order_handle, instrument_id, amend_lots, request.request_id)
        else:
            size = self.encode_cancel_all(instrument_id, request.request_id)
        if reason == REASON_NONE and size <= 0:
            reason = REASON_INTERNAL
        if reason == REASON_NONE:
            self.text_size = <uint32_t> size
            if self.transmit(&request, seq, is_order):
                return True
            reason = REASON_SESSION_DOWN if not self.journal.nearly_full() else REASON_JOURNAL_FULL
        if reason == REASON_RATE_BUDGET:
            self.counters.values[<int> COUNTER_RATE_LIMITED] = self.counters.values[<int> COUNTER_RATE_LIMITED] + 1
        return self.notice(RECORD_KIND_ORDER_REPLY, action, order_handle, instrument_id, reason, 0)

    # --- orders that wait for the disk ---

    cdef bint put_waiting(self, int action, const uint32_t* slots, int count, uint32_t instrument_id, uint64_t seq) noexcept nogil:
        """Let an order whose approval is spent wait until the ledger is on the platter up to `seq`. False: it leaves at once."""
        cdef const ApprovedOrder* terms = &self.register.slots[slots[0]]
        cdef WaitingOrder* row
        cdef int i
        if terms.flags & ORDER_FLAG_PANIC:
            # what closes a position in a panic must not hang on a slow disk; after a power cut the venue's word has it
            return False
        row = NULL if self.journal.has_failed() else self.waiting.push()
        if row == NULL:
            self.counters.values[<int> COUNTER_DURABLE_REFUSED] = self.counters.values[<int> COUNTER_DURABLE_REFUSED] + <uint64_t> count
            if action == OUTBOUND_LIST_LEG:
                self.refuse_legs(slots, count, REASON_NOT_DURABLE)
            else:
                self.notice(RECORD_KIND_ORDER_REPLY, action, terms.order_handle, instrument_id, REASON_NOT_DURABLE, 0)
            return True
        row.seq = seq
        row.action = <uint16_t> action
        row.count = <uint16_t> count
        row.instrument_id = instrument_id
        row.order_handle = terms.order_handle
        for i in range(count):
            row.slots[i] = slots[i]
            row.nonces[i] = self.register.slots[slots[i]].nonce
        row.turn_mono_ns = self.journal.now_mono_ns
        row.began_mono_ns = self.clock.lap_ns()
        self.counters.values[<int> COUNTER_DURABLE_WAITS] = self.counters.values[<int> COUNTER_DURABLE_WAITS] + 1
        self.counters.values[<int> COUNTER_DURABLE_WAITING] = self.counters.values[<int> COUNTER_DURABLE_WAITING] + 1
        self.journal.ask_sync(seq)
        return True

    cdef int release_waiting(self) noexcept:
        """Those leave, in the order in which they came, whose records are on the platter; those that may not leave are answered.

        When that is, is no decision of the core: a replay sees it by the place of ORDER_BYTES, and a refusal as a notice."""
        cdef uint32_t place = self.waiting.tail, head = self.waiting.head
        cdef WaitingOrder* row
        cdef WaitingOrder going
        cdef int reason, done = 0
        while place != head and self.notice_head - self.notice_tail < NOTICE_CAPACITY - LIST_LEGS_MAX - 2:
            row = self.waiting.at(place)
            place += 1
            if row.count == 0:
                continue
            reason = self._why_not(row)
            if reason == REASON_NONE and self.journal.must_wait(row.seq):
                continue
            done += 1
            if reason != REASON_NONE:
                self._answer_waiting(row, reason)
                continue
            going = row[0]
            self._leave_waiting(row)
            self.counters.record(STAGE_DURABLE_WAIT, self.clock.lap_ns() - going.began_mono_ns)
            self.released = &going
            if going.action == OUTBOUND_LIST_LEG:
                self.send_list(going.slots, going.count, going.instrument_id, going.seq)
            else:
                self.send_request(going.action, going.order_handle, going.instrument_id, going.seq, &self.register.slots[going.slots[0]], 0)
            self.released = NULL
        self.waiting.settle()
        return done

    cdef int _why_not(self, const WaitingOrder* row) noexcept nogil:
        """Why an order must not leave the wait for the venue, now or ever."""
        cdef const ApprovedOrder* terms = &self.register.slots[row.slots[0]]
        cdef int i, reason = REASON_NONE
        if not self._is_its_own(row):
            return REASON_APPROVAL_INVALID
        if self.journal.has_failed() or self.clock.lap_ns() - row.began_mono_ns > self.wait_ns_max:
            return REASON_NOT_DURABLE
        if not self.is_ready:
            return REASON_SESSION_DOWN
        for i in range(row.count):
            if is_cancel_wanted(self.register, &self.register.slots[row.slots[i]]):
                return REASON_ORDER_NOT_OPEN
        if not self.journal.must_wait(row.seq):
            for i in range(row.count):
                reason = reason or withheld(self.tables, self.register, self.journal, &self.register.slots[row.slots[i]], self.clock.lap_ns())
        return reason

    cdef bint _is_its_own(self, const WaitingOrder* row) noexcept nogil:
        """Do the slots still hold what was approved: an order that ended meanwhile has given its slot back."""
        cdef int i
        for i in range(row.count):
            if self.register.slots[row.slots[i]].nonce != row.nonces[i] or self.register.slots[row.slots[i]].state != SLOT_SPENT:
                return False
        return True

    cdef void _answer_waiting(self, WaitingOrder* row, int reason) noexcept nogil:
        """It does not leave: each order is told, but one whose slot is another's by now."""
        if reason == REASON_NOT_DURABLE:
            self.counters.values[<int> COUNTER_DURABLE_REFUSED] = self.counters.values[<int> COUNTER_DURABLE_REFUSED] + row.count
        if reason == REASON_APPROVAL_INVALID:
            self.refused_approvals += 1
        elif row.action == OUTBOUND_LIST_LEG:
            self.refuse_legs(row.slots, row.count, reason)
        else:
            self.notice(RECORD_KIND_ORDER_REPLY, row.action, row.order_handle, row.instrument_id, reason, 0)
        self._leave_waiting(row)

    cdef void _leave_waiting(self, WaitingOrder* row) noexcept nogil:
        row.count = 0
        self.counters.values[<int> COUNTER_DURABLE_WAITING] = self.counters.values[<int> COUNTER_DURABLE_WAITING] - 1

    cdef int take_back(self, uint64_t order_handle, uint32_t instrument_id) noexcept nogil:
        cdef uint32_t place = self.waiting.tail
        cdef WaitingOrder* row
        cdef int i, taken = 0
        cdef bint is_meant
        while place != self.waiting.head:
            row = self.waiting.at(place)
            place += 1
            is_meant = instrument_id != 0 and row.instrument_id == instrument_id
            for i in range(row.count):
                is_meant = is_meant or (order_handle != 0 and self.register.slots[row.slots[i]].order_handle == order_handle)
            if is_meant and row.count and self._is_its_own(row):
                self._answer_waiting(row, REASON_ORDER_NOT_OPEN)
                taken += 1
        self.waiting.settle()
        return taken

    cdef int64_t began_mono_ns(self) noexcept nogil:
        """The turn that the request on its way belongs to."""
        return self.released.turn_mono_ns if self.released != NULL else self.journal.now_mono_ns

    cdef bint lessens(self, const Descriptor* item) noexcept nogil:
        """Nothing approves an amend, so it may only take away from what was approved."""
        cdef const ApprovedOrder* terms = self.register.find(item.order_handle)
        return terms != NULL and terms.state == SLOT_SPENT and 0 < <int64_t> item.cause_seq < terms.qty_lots

    cdef bint _spend(self, const Descriptor* item) noexcept nogil:
        """Spend an approval of this line, once. Not answered: a forged or repeated descriptor must not touch the order that it names."""
        if item.flags < self.register.capacity and self.register.slots[item.flags].state == SLOT_ISSUED and (
                self.register.slots[item.flags].venue_id != self.venue_id):
            # approved for another line: its account is not ours to trade with
            self.refused_approvals += 1
            return False
        if not self.register.consume(item.flags, item.cause_seq, item.order_handle):
            self.refused_approvals += 1
            return False
        return True

    cdef bint send_leg(self, const Descriptor* item) noexcept:
        """One order of a list, its approval spent; with the last one the whole list leaves in one request."""
        cdef int count
        cdef uint64_t first
        if not self._spend(item):
            return False
        first = self.register.conditions[item.flags].list_handle
        count = self.register.conditions[item.flags].list_size
        if self.list_count and self.register.conditions[self.list_slots[0]].list_handle != first:
            self.refuse_legs(self.list_slots, self.list_count, REASON_LIST_INCOMPLETE)
            self.list_count = 0
        self.list_slots[self.list_count] = item.flags
        self.list_count += 1
        if self.list_count < count and self.list_count < LIST_LEGS_MAX:
            return True
        count = self.list_count
        self.list_count = 0
        if (self.waiting.count() or self.journal.must_wait(item.seq)) and self.put_waiting(
                OUTBOUND_LIST_LEG, self.list_slots, count, item.instrument_id, item.seq):
            return True
        return self.send_list(self.list_slots, count, item.instrument_id, item.seq)

    cdef bint send_list(self, const uint32_t* slots, int count, uint32_t instrument_id, uint64_t seq) noexcept:
        """All orders of a list in one request, or a notice for each."""
        cdef Request request
        cdef int size = 0
        memset(&request, 0, sizeof(Request))
        request.request_id = self.next_request_id + 1
        self.expire(request.request_id)
        request.order_handle = self.register.conditions[slots[0]].list_handle
        request.instrument_id = instrument_id
        request.action = OUTBOUND_LIST_LEG
        request.detail = <uint64_t> count
        if not self.is_ready:
            self.refuse_legs(slots, count, REASON_SESSION_DOWN)
        elif self.requests[request.request_id % REQUEST_CAPACITY].request_id != 0 or not self.budget.allows_orders(self.steady_ns(), count):
            self.counters.values[<int> COUNTER_RATE_LIMITED] = self.counters.values[<int> COUNTER_RATE_LIMITED] + 1
            self.refuse_legs(slots, count, REASON_RATE_BUDGET)
        else:
            size = self.encode_list(slots, count, request.request_id)
            self.text_size = <uint32_t> max(size, 0)
            if size <= 0:
                self.refuse_legs(slots, count, REASON_INTERNAL)
            elif not self.transmit(&request, seq, True):
                self.refuse_legs(slots, count, REASON_SESSION_DOWN if not self.journal.nearly_full() else REASON_JOURNAL_FULL)
            else:
                self.budget.count(self.steady_ns(), count - 1, 0)
                return True
        return False

    cdef void refuse_legs(self, const uint32_t* slots, int count, int reason) noexcept nogil:
        """None of the list leaves: each of its orders is answered."""
        cdef int i
        for i in range(count):
            self.notice(RECORD_KIND_ORDER_REPLY, OUTBOUND_LIST_LEG, self.register.slots[slots[i]].order_handle,
                        self.register.slots[slots[i]].instrument_id, reason, 0)

    cdef bint transmit(self, const Request* request, uint64_t cause_seq, bint is_order) noexcept:
        """Bytes to the journal, then to the link; True when they left."""
        cdef Request* slot = &self.requests[request.request_id % REQUEST_CAPACITY]
        cdef int64_t mono_ns
        if not self.write_bytes(request, cause_seq, is_order):
            return False
        slot[0] = request[0]
        mono_ns = self.clock.lap_ns()
        # the turn's, not the lap's: a second half is signed by it, and must be the same when it is played again
        slot.sent_wall_ns = self.journal.now_wall_ns
        slot.sent_mono_ns = mono_ns
        self.next_request_id = request.request_id
        self.in_flight += 1
        self.orders_in_flight += is_order
        if self.unanswered_mono_ns == 0:
            self.unanswered_mono_ns = mono_ns
        if is_order:
            self.counters.record(STAGE_BYTES_READY, mono_ns - self.began_mono_ns())
        if not self.hand_over():
            self.take(request.request_id)
            return False
        if is_order:
            self.counters.record(STAGE_SENT, self.clock.lap_ns() - self.began_mono_ns())
        self.budget.count(self.steady_ns(), 1 if is_order else 0, 1)
        self.orders_sent += 1 if is_order else 0
        if request.action == OUTBOUND_SUBMIT:
            self.counters.values[<int> COUNTER_ORDERS_SENT] = self.counters.values[<int> COUNTER_ORDERS_SENT] + 1
        elif request.action == OUTBOUND_REPLACE:
            self.counters.values[<int> COUNTER_REPLACES_SENT] = self.counters.values[<int> COUNTER_REPLACES_SENT] + 1
        elif request.action == OUTBOUND_LIST_LEG:
            self.counters.values[<int> COUNTER_ORDERS_SENT] = self.counters.values[<int> COUNTER_ORDERS_SENT] + request.detail
        elif request.action == OUTBOUND_CANCEL or request.action == OUTBOUND_CANCEL_ALL or request.action == OUTBOUND_CANCEL_LIST:
            self.counters.values[<int> COUNTER_CANCELS_SENT] = self.counters.values[<int> COUNTER_CANCELS_SENT] + 1
            self.counters.record(STAGE_CANCEL_SENT, self.clock.lap_ns() - self.journal.now_mono_ns)
        return True

    cdef bint hand_over(self) noexcept:
        """The text to the transport: where the hot path ends, since a transport is a Python object."""
        try:
            return self.link is not None and self.link.send(self.text, self.text_size)
        except Exception as error:  # whatever a transport raises, the bytes may have left: the order's fate is then UNKNOWN, not refused
            self.on_send_error(error)
            return True

    def on_send_error(self, error) -> None:
        """The link raised while sending: close it, so that everything in flight is reconciled."""
        if self.link is not None:
            self.link.close()

    cdef bint write_bytes(self, const Request* request, uint64_t cause_seq, bint is_order) noexcept nogil:
        """ORDER_BYTES, the API key masked. Without room a new order does not leave; a cancel or query does."""
        cdef OrderBytesPayload* out
        cdef char* copy
        cdef RecordHeader* record = self.journal.claim(
            LANE_LEDGER, RECORD_KIND_ORDER_BYTES, sizeof(RecordHeader) + sizeof(OrderBytesPayload) + ((self.text_size + 7) & ~<uint32_t> 7),
            not is_order)
        if record == NULL:
            return not is_order
        # the claim is zeroed so far
        out = <OrderBytesPayload*> (record + 1)
        out.request_id = request.request_id
        out.action = <uint8_t> request.action
        out.byte_count = self.text_size
        copy = <char*> (out + 1)
        # the last word is zeroed first, so that the padding is
        memset(copy + ((self.text_size - 1) & ~<uint32_t> 7), 0, 8)
        memcpy(copy, self.text, self.text_size)
        if self.key_size > 4:
            memset(copy + self.key_at + 4, c'*', self.key_size - 4)
        if self.released != NULL:
            # long after its turn: the record says when
            record.mono_ns = self.clock.lap_ns()
            record.wall_ns = self.journal.now_wall_ns + (record.mono_ns - self.journal.now_mono_ns)
        record.cause_seq = cause_seq
        record.venue_id = self.venue_id
        record.account_id = self.account_id
        record.instrument_id = request.instrument_id
        record.order_handle = request.order_handle
        record.session_id = self.session_id
        self.journal.commit(record)
        return True

    cdef Request* take(self, uint64_t request_id) noexcept nogil:
        """The request that a reply answers, its slot freed (valid until the next request); NULL where there is none."""
        cdef Request* slot = &self.requests[request_id % REQUEST_CAPACITY]
        if request_id == 0 or slot.request_id != request_id:
            return NULL
        slot.request_id = 0
        self.in_flight -= 1
        if slot.action == OUTBOUND_SUBMIT or slot.action == OUTBOUND_REPLACE or slot.action == OUTBOUND_LIST_LEG:
            self.orders_in_flight -= 1
        return slot

    cdef void expire(self, uint64_t request_id) noexcept nogil:
        """Free the slot that this id needs from a request of long ago whose answer never came."""
        cdef const Request* slot = &self.requests[request_id % REQUEST_CAPACITY]
        if slot.request_id != 0 and self.journal.now_mono_ns - slot.sent_mono_ns > ANSWER_PATIENCE_NS:
            self.take(slot.request_id)

    cdef void forget_requests(self) noexcept nogil:
        """The connection is gone, and with it the answers."""
        memset(self.requests, 0, REQUEST_CAPACITY * sizeof(Request))
        self.in_flight = 0
        self.orders_in_flight = 0
        self.unanswered_mono_ns = 0
        self.cold_head = self.cold_tail = 0

    # --- what other connections to this venue share with us ---

    def quiet_ns(self) -> int:
        """How long the venue wants to hear nothing from us, whatever the connection (429, 418); 0 = it may be asked."""
        return max(0, self.budget.blocked_until_ns - self.steady_now_ns())

    def keep_quiet(self, int64_t duration_ns, int status) -> None:
        """Another connection was told 429 or 418: it holds for this one too."""
        self.budget.block_until(self.steady_now_ns() + duration_ns)

    def take_weight(self, int64_t weight) -> bool:
        """Room for a request of another connection within our share of the weight? Then it is counted."""
        cdef int64_t venue_ns = self.steady_now_ns()
        if not self.budget.allows_query(venue_ns, weight):
            return False
        self.budget.count(venue_ns, 0, weight)
        return True

    # --- inputs ---

    cdef bint notice(self, int kind, int action, uint64_t order_handle, uint32_t instrument_id, int reason, int detail) noexcept nogil:
        cdef Notice* slot = &self.notices[self.notice_head % NOTICE_CAPACITY]
        if self.notice_head - self.notice_tail >= NOTICE_CAPACITY:
            self.dropped_inputs += 1
            return False
        slot.kind = <uint16_t> kind
        slot.action = <uint16_t> action
        slot.order_handle = order_handle
        slot.instrument_id = instrument_id
        slot.reason = <uint16_t> reason
        slot.detail = <uint16_t> detail
        slot.due_mono_ns = self.journal.now_mono_ns
        if kind == RECORD_KIND_ORDER_REPLY and (action == OUTBOUND_CANCEL or action == OUTBOUND_CANCEL_ALL or action == OUTBOUND_CANCEL_LIST):
            slot.due_mono_ns += CANCEL_PAUSE_NS
        self.notice_head += 1
        return True

    cdef bint emit_notice(self) noexcept nogil:
        cdef const Notice* slot = &self.notices[self.notice_tail % NOTICE_CAPACITY]
        cdef OrderReplyPayload* reply
        cdef StatePayload* state
        cdef bint is_reply = slot.kind == RECORD_KIND_ORDER_REPLY
        cdef RecordHeader* record = self.claim_input(slot.kind, sizeof(OrderReplyPayload) if is_reply else sizeof(StatePayload))
        if record == NULL:
            return False
        if is_reply:
            reply = <OrderReplyPayload*> (record + 1)
            reply.action = <uint8_t> slot.action
            reply.error_code = slot.reason
            if slot.action == OUTBOUND_TRADES:
                # an order's fills have been listed: the venue's number of the order, not ours
                reply.status = HTTP_OK
                reply.venue_order_id = <int64_t> slot.order_handle
        else:
            state = <StatePayload*> (record + 1)
            state.state = slot.action
            state.reason = slot.reason
            state.detail = slot.detail
        if not self.push_input(record, slot.instrument_id, 0 if is_reply and slot.action == OUTBOUND_TRADES else slot.order_handle,
                               self.clock.wall_ns(), self.clock.mono_ns()):
            return False
        self.notice_tail += 1
        return True

    cdef RecordHeader* claim_input(self, int kind, uint32_t payload_size) noexcept nogil:
        """A ledger record of an own-order input, payload zeroed; own inputs may use the reserve."""
        cdef RecordHeader* record
        if self.tables.assets_given > self.assets_told:
            self.tell_assets()
        record = self.journal.claim(LANE_LEDGER, kind, sizeof(RecordHeader) + payload_size, False)
        if record == NULL:
            record = self.journal.claim(LANE_LEDGER, kind, sizeof(RecordHeader) + payload_size, True)
        if record == NULL:
            self.dropped_inputs += 1
            return NULL
        if payload_size > CLEARED_BYTES - sizeof(RecordHeader):
            memset(record + 1, 0, payload_size)
        record.venue_id = self.venue_id
        record.account_id = self.account_id
        record.session_id = self.session_id
        return record

    cdef void tell_assets(self) noexcept with gil:
        """Assets that a codec has met for the first time: their numbers are kept on disk, then told, then used.

        What cannot be kept or told now is tried again with the next input; a disk that refuses ends the engine by its own door.
        """
        cdef RecordHeader* record
        cdef bytes text
        try:
            if self.tables.keep_assets is not None:
                self.tables.keep_assets()
        except Exception:
            return
        while self.tables.assets_given > self.assets_told:
            name, line = self.tables.given_asset(self.assets_told)
            if line == self.venue_id and self.tables.find_asset(name, line) == 0:
                text = name.encode()
                record = self.journal.claim(LANE_LEDGER, RECORD_KIND_ASSET, <uint32_t> (sizeof(RecordHeader) + sizeof(AssetPayload) + len(text)), True)
                if record == NULL:
                    return
                record.venue_id = self.venue_id
                record.account_id = self.account_id
                record.session_id = self.session_id
                (<AssetPayload*> (record + 1)).asset_id = self.assets_told
                memcpy(<char*> (record + 1) + sizeof(AssetPayload), <const char*> text, len(text))
                if not self.push_input(record, 0, 0, self.clock.wall_ns(), self.clock.mono_ns()):
                    return
            self.assets_told += 1

    cdef bint push_input(self, RecordHeader* record, uint32_t instrument_id, uint64_t order_handle, int64_t wall_ns,
                         int64_t mono_ns) noexcept nogil:
        cdef Descriptor item
        memset(&item, 0, sizeof(Descriptor))
        record.instrument_id = instrument_id
        record.order_handle = order_handle
        record.wall_ns = wall_ns
        record.mono_ns = mono_ns
        item.kind = record.kind
        item.venue_id = self.venue_id
        item.account_id = self.account_id
        item.instrument_id = instrument_id
        item.wall_ns = wall_ns
        item.mono_ns = mono_ns
        item.order_handle = order_handle
        item.record = record
        if self.inbound.push(&item):
            return True
        self.journal.abandon(record)
        self.dropped_inputs += 1
        # it may have been a fill: it is not lost but read again (`recover_inputs`)
        self.is_input_lost = True
        return False

    # --- for the venue ---

    cdef int encode_order(self, const ApprovedOrder* terms, uint64_t request_id) noexcept nogil:
        return 0

    cdef int encode_cancel(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        return 0

    cdef int encode_query(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        return 0

    cdef int encode_cancel_all(self, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        return 0

    cdef int encode_list(self, const uint32_t* slots, int count, uint64_t request_id) noexcept nogil:
        return 0

    cdef int encode_cancel_list(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        return 0

    cdef int encode_amend(self, uint64_t order_handle, uint32_t instrument_id, int64_t lots, uint64_t request_id) noexcept nogil:
        return 0

    cdef bint asks_slowly(self, uint64_t order_handle) noexcept nogil:
        return False

    cdef int work_of_own(self) except -1:
        return 0

    cdef int recover_inputs(self) except -1:
        return 0


cdef class GatewayActor(Actor):
    """Polls one order session; last in the pipeline."""

    def __init__(self, str name, OrderSession session not None):
        super().__init__(name)
        self.session = session

    cdef int do_work(self) except -1:
        cdef OrderSession session = self.session
        cdef int done = session.drain()
        if session.is_input_lost and 2 * session.inbound.depth() < session.inbound.capacity:
            session.is_input_lost = False
            session.recover_inputs()
            done += 1
        return done + session.work_of_own()
