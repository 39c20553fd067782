"""One USD-M account: order connection, private stream and REST as one order session.

The order connection carries order.place, .cancel and .status and their replies. It knows no clock, no lists and no user events: those
come from the private stream (`UsdmUserSession`) and from REST, which the keeper carries (`take_wish`, `put_reply`). Every frame and every
REST body becomes one record, in one ring, so that a replay sees what the engine saw. Halves of the session: orders are READY when the
order connection is logged on, the user stream when the private connection stands and its key lives.

A replace is two requests: the old order's cancel, and only after the venue has confirmed it the new order, with the time stamp of the
first, so that the window in which it can reach the venue is that of the replace. The approval is spent once, before the first.

Sources: Binance USD-M futures documentation, "Websocket API", "User Data Streams", REST "Account" and "Trade".
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from engine.gateway.budget cimport RateBudget
from engine.gateway.order_session cimport COLD_CAPACITY, REQUEST_CAPACITY, ColdRequest, OrderSession, Request
from engine.gateway.withheld cimport withheld
from engine.journal.journal cimport Journal
from engine.model.approval cimport *
from engine.model.codes cimport *
from engine.model.native cimport is_conditional
from engine.model.records cimport *
from engine.model.tables cimport INSTRUMENT_CAPACITY, POSITION_SIDES
from engine.runtime.crc32c cimport crc32c_bytes
from engine.venues.binance.order_codec cimport *
from engine.venues.binance.order_session cimport *
from engine.venues.binance.scan cimport tw_cursor

import json

from engine.model.clientid import encode
from engine.model.instruments import to_e8

cdef enum:
    ORDERS_HALF = 1
    USER_HALF = 2
    RAW_BYTES_KEPT = 4096
    OK = 200
    CANCEL_REFUSED = -2011
    OPEN_ORDERS_WEIGHT = 40
    LIST_WEIGHT = 5
    TRADES_PER_PAGE = 1000
    INCOME_WEIGHT = 30
    INCOME_ROWS_MAX = 1000
    HOUR_MS = 3600000
    FIRST_HALF = 0
    SECOND_HALF = 1
    NS_OF_MS = 1000000

cdef str NO_ROOM_LEFT = "the journal takes no more own-order frames"
cdef int64_t MINUTE_NS = 60_000_000_000
cdef int64_t DEAD_AFTER_NS = 5_000_000_000   # of a request that no frame of this connection follows


cdef class UsdmOrderSession(BinanceOrderSession):
    """`codec` must be a UsdmOrderCodec. `replace_patience_s`: how long a replace waits for the old order's cancel."""

    def __init__(self, *args, double replace_patience_s=1.0, **options):
        BinanceOrderSession.__init__(self, *args, **options)
        self.usdm = <UsdmOrderCodec?> self.codec
        self.halves = ORDERS_HALF
        self.frame_session_id = self.session_id
        self.replace_patience_ns = <int64_t> (replace_patience_s * 1e9)

    def on_wish(self, wake) -> None:
        """`wake` is called whenever `take_wish` has something."""
        self.wake = wake

    # --- life of the order connection ---

    cdef int ask_time(self) except -1:
        """REST has the clock; the answer comes by `put_time`."""
        self.time_wanted = False
        self.time_in_flight = True
        self.is_time_wished = True
        self.asked_after_id = self.next_request_id
        self.asked_mono_ns = self.clock.mono_ns()
        self.next_time_mono_ns = self.asked_mono_ns + self.time_interval_ns
        if self.wake is not None:
            self.wake()
        return 0

    cdef int subscribe(self) except -1:
        """Nothing to subscribe here: with the clock known, and logged on where the key logs on, orders may leave."""
        self.step = STEP_READY
        self.is_ready = True
        self.is_key_refused = False
        return self.emit_state(SESSION_STATE_READY, self.halves, 0, 0, self.clock.mono_ns(), self.clock.wall_ns())

    cdef int find_silence(self) except -1:
        """The clock is asked elsewhere: here a request that nothing follows for long is enough."""
        if self.journal.now_mono_ns - self.unanswered_mono_ns > DEAD_AFTER_NS:
            return self.lose("no frame follows a request: the connection is dead")
        return 0

    cdef RecordHeader* claim_input(self, int kind, uint32_t payload_size) noexcept nogil:
        cdef RecordHeader* record = OrderSession.claim_input(self, kind, payload_size)
        if record != NULL:
            record.session_id = self.frame_session_id
        return record

    cdef void _clear_cold(self) noexcept nogil:
        """What a reconciliation still wanted to read belongs to an account state that nobody waits for any more."""
        self.cold_tail = self.cold_head
        self.cold_request_id = 0
        self.list_kind = LIST_NONE

    # --- requests ---

    cdef int encode_order(self, const ApprovedOrder* terms, uint64_t request_id) noexcept nogil:
        cdef int size
        if terms.action == INTENT_ACTION_REPLACE:
            return self.encode_cancel(terms.target_handle, terms.instrument_id, request_id)
        return self.encode_place(terms, request_id, self.venue_ns())

    cdef int encode_place(self, const ApprovedOrder* terms, uint64_t request_id, int64_t venue_ns) noexcept nogil:
        if self.is_plain(terms):
            return self.keep_key(self.usdm.place(self.text, request_id, terms, venue_ns))
        return self.keep_key(self.usdm.place_terms(self.text, request_id, terms, self.conditions_of(terms), venue_ns))

    cdef bint waits_for_price(self, uint64_t order_handle) noexcept nogil:
        """Then it is known to the service for conditional orders only."""
        cdef const ApprovedOrder* terms = self.register.find(order_handle)
        return terms != NULL and is_conditional(terms.order_type) and not terms.is_triggered

    cdef int encode_cancel(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        if self.waits_for_price(order_handle):
            return self.keep_key(self.usdm.cancel_algo(self.text, request_id, order_handle, self.venue_ns()))
        return BinanceOrderSession.encode_cancel(self, order_handle, instrument_id, request_id)

    cdef bint asks_slowly(self, uint64_t order_handle) noexcept nogil:
        """This API does not tell of conditional orders: REST does."""
        return self.waits_for_price(order_handle)

    cdef int encode_amend(self, uint64_t order_handle, uint32_t instrument_id, int64_t lots, uint64_t request_id) noexcept nogil:
        cdef const ApprovedOrder* terms = self.register.find(order_handle)
        return self.keep_key(self.usdm.amend(self.text, request_id, terms, lots, self.venue_ns())) if terms != NULL else 0

    cdef int encode_list(self, const uint32_t* slots, int count, uint64_t request_id) noexcept nogil:
        """The venue has no lists."""
        return 0

    cdef int read_acknowledgement(self, int action) noexcept:
        """An order's number, or a conditional one's."""
        cdef tw_cursor c = self.frame.result, again = self.frame.result
        if not self.codec.read_order(&c, &self.frame, False) and not self.usdm.read_algo(&again, &self.frame, False):
            self.malformed_frames += 1
            self.faults[self.frame.fault & 15] += 1
        return 0

    cdef int encode_cancel_all(self, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        """This API cancels one order a request."""
        return 0

    cdef int on_reply(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef const Request* slot = &self.requests[self.frame.request_id % REQUEST_CAPACITY]
        cdef Request request
        if slot.request_id != self.frame.request_id or slot.action != OUTBOUND_REPLACE:
            return BinanceOrderSession.on_reply(self, data, size, mono_ns, wall_ns)
        self.take_limits()
        if self.frame.status != OK:
            self.heed_refusal(self.frame.request_id)
        request = self.take(self.frame.request_id)[0]
        self.counters.record(STAGE_ORDER_ROUND_TRIP, mono_ns - request.sent_mono_ns)
        if request.flags == FIRST_HALF:
            return self.on_replace_cancelled(&request, data, size, crc32c_bytes(data, size, 0), mono_ns, wall_ns)
        return self.answer_replace(&request, self.frame.status, self.frame.error_code, REPLACE_OLD_GONE, size,
                                   crc32c_bytes(data, size, 0), mono_ns, wall_ns)

    cdef int on_replace_cancelled(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                                  int64_t wall_ns) except -1:
        """The old order's cancel is answered: confirmed, the new order follows at once unless it must not any more."""
        cdef const ApprovedOrder* terms = self.register.find(request.order_handle)
        cdef int reason
        if self.frame.status != OK:
            return self.answer_replace(request, self.frame.status, self.frame.error_code, REPLACE_NOT_BEGUN, size, crc, mono_ns, wall_ns)
        if terms == NULL or terms.state != SLOT_SPENT:
            return self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)
        if mono_ns - request.sent_mono_ns > self.replace_patience_ns:
            reason = REASON_VENUE_TIMEOUT
        else:
            reason = withheld(self.tables, self.register, self.journal, terms, mono_ns)
            if reason == REASON_NONE:
                reason = self.send_successor(request, terms)
        if reason != REASON_NONE:
            return self.answer_replace(request, 0, reason, REPLACE_OLD_GONE, size, crc, mono_ns, wall_ns)
        return self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)

    cdef int send_successor(self, const Request* request, const ApprovedOrder* terms) noexcept:
        """The second half: what stands in the approved slot. Returns why it did not leave."""
        cdef Request following = request[0]
        following.request_id = self.next_request_id + 1
        following.flags = SECOND_HALF
        self.expire(following.request_id)
        if self.requests[following.request_id % REQUEST_CAPACITY].request_id != 0 or not self.budget.allows_order(self.steady_ns()):
            return REASON_RATE_BUDGET
        self.text_size = <uint32_t> self.encode_place(terms, following.request_id, request.sent_wall_ns + self.venue_offset_ns)
        if self.text_size == 0:
            return REASON_INTERNAL
        return REASON_NONE if self.transmit(&following, terms.verdict_seq, True) else REASON_SESSION_DOWN

    cdef int answer_replace(self, const Request* request, int status, int error_code, int part, Py_ssize_t size, uint32_t crc,
                            int64_t mono_ns, int64_t wall_ns) except -1:
        """ORDER_REPLY of a replace, with how far it came; status 0: a reason of our own."""
        cdef uint32_t text_size = <uint32_t> min(self.frame.error_size, <size_t> 512)
        cdef OrderReplyPayload* reply
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_ORDER_REPLY, sizeof(OrderReplyPayload) + ((text_size + 7) & ~<uint32_t> 7))
        if record == NULL:
            return self.give_up("the journal takes no more own-order frames")
        reply = <OrderReplyPayload*> (record + 1)
        reply.request_id = request.request_id
        reply.status = status
        reply.error_code = error_code
        reply.action = OUTBOUND_REPLACE
        reply.replace_part = <uint8_t> part
        if status == OK and self.frame.result.p != NULL:
            self.read_acknowledgement(OUTBOUND_REPLACE)
            reply.is_conditional = self.frame.execution.is_conditional
            reply.venue_order_id = self.frame.execution.venue_order_id
            reply.transact_ns = self.frame.execution.transact_ns
            reply.order_state = self.frame.execution.order_state
            memcpy(reply.client_order_id, self.frame.execution.client_order_id, 24)
        if text_size:
            memcpy(reply + 1, self.frame.error_text, text_size)
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, request.instrument_id, request.order_handle, wall_ns, mono_ns)
        return 0

    # --- the private stream ---

    cdef int on_user_frame(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef OwnFrame* frame = &self.user_frame
        cdef uint32_t crc = crc32c_bytes(data, size, 0)
        cdef RecordHeader* record
        self.counters.values[<int> COUNTER_OWN_FRAMES] = self.counters.values[<int> COUNTER_OWN_FRAMES] + 1
        self.usdm.decode_user(data, size, frame)
        if frame.kind == FRAME_EXECUTION and frame.instrument_id:
            record = self.claim_input(RECORD_KIND_EXECUTION_REPORT, sizeof(ExecutionPayload))
            if record == NULL:
                return self.give_up("the journal takes no more own-order frames")
            memcpy(record + 1, &frame.execution, sizeof(ExecutionPayload))
            record.frame_length = <uint32_t> size
            record.frame_crc32c = crc
            self.push_input(record, frame.instrument_id, frame.order_handle, wall_ns, mono_ns)
            return 0
        if frame.kind == FRAME_ACCOUNT:
            return self.on_account_update(size, crc, mono_ns, wall_ns)
        if frame.kind == FRAME_KEY_EXPIRED:
            # the stream is dead though the connection stands: no new orders until it is back
            self.is_user_ready = False
            self._clear_cold()
            return self.emit_state(SESSION_STATE_DOWN, USER_HALF, size, crc, mono_ns, wall_ns)
        if frame.kind == FRAME_WARNING:
            return self.emit_warning(data, size, crc, mono_ns, wall_ns)
        if frame.kind == FRAME_MALFORMED:
            return self.emit_refused(frame.fault, data, size, crc, mono_ns, wall_ns)
        return self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)

    cdef int on_account_update(self, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1:
        """One record for the frame and its balances; positions and a funding payment follow without a frame."""
        cdef OwnFrame* frame = &self.user_frame
        cdef int i
        if self.usdm.change.is_funding:
            for i in range(frame.balance_count):
                self.emit_funding(i)
        self.drop_stale(frame, 0)
        memcpy(self.frame.balances, frame.balances, frame.balance_count * sizeof(BalanceRow))
        self.frame.balance_count = frame.balance_count
        self.frame.event_ns = self.frame.update_ns = frame.event_ns
        self.emit_balances(False, size, crc, mono_ns, wall_ns, RECORD_KIND_ACCOUNT_POSITION)
        for i in range(self.usdm.change.position_count):
            self.emit_position(&self.usdm.change.positions[i], frame.event_ns, False)
        return 0

    cdef bint drop_stale(self, OwnFrame* frame, int64_t as_of_ns) noexcept nogil:
        """Leave out balances that the stream has told of later than these rows can know. `as_of_ns` 0: rows of the stream itself."""
        cdef int i, kept = 0
        cdef int64_t* known
        cdef int64_t update_ns
        for i in range(frame.balance_count):
            known = &self.balance_event_ns[frame.balances[i].asset_id % ASSETS]
            update_ns = self.usdm.change.update_ns[i]
            if max(as_of_ns, update_ns) < known[0]:
                continue
            if as_of_ns == 0:
                known[0] = update_ns
            frame.balances[kept] = frame.balances[i]
            kept += 1
        frame.balance_count = kept
        return True

    # --- REST, carried by the keeper ---

    cdef int next_cold(self) except -1:
        """Cold requests go one after the other, so that a reconciliation's records stand in its order."""
        cdef ColdRequest* item = &self.cold[self.cold_tail % COLD_CAPACITY]
        if item.action == OUTBOUND_RECONCILE_BEGIN or item.action == OUTBOUND_RECONCILE_END:
            return BinanceOrderSession.next_cold(self)
        if not self.budget.allows_query(self.steady_ns(), OPEN_ORDERS_WEIGHT if item.action == OUTBOUND_OPEN_ORDERS else 1 if item.action == OUTBOUND_QUERY else LIST_WEIGHT):
            return 0
        self.cold_now = item[0]
        self.cold_tail += 1
        self.account_part = PART_POSITIONS
        self.order_part = PART_ORDERS
        return self.begin_wish()

    cdef int begin_wish(self) except -1:
        """Give the request a number, write it down without its key and signature, and have the keeper send it."""
        cdef Request request
        cdef bytes text = ("GET " + self._path()).encode()
        memset(&request, 0, sizeof(Request))
        request.request_id = self.next_request_id + 1
        request.action = self.cold_now.action
        request.order_handle = self.cold_now.detail if self.cold_now.action == OUTBOUND_QUERY else 0
        request.instrument_id = self.cold_now.instrument_id
        self.next_request_id = request.request_id
        memcpy(self.text, <const char*> text, len(text))
        self.text_size = <uint32_t> len(text)
        self.key_size = 0
        self.write_bytes(&request, self.journal.input_seq, False)
        self.cold_request_id = request.request_id
        self.cold_sent_mono_ns = self.journal.now_mono_ns
        self.is_wish_taken = False
        self.budget.count(self.steady_ns(), 0, self._cold_weight())
        if self.wake is not None:
            self.wake()
        return 1

    cdef int _cold_weight(self) noexcept nogil:
        if self.cold_now.action == OUTBOUND_OPEN_ORDERS:
            return OPEN_ORDERS_WEIGHT
        if self.cold_now.action == OUTBOUND_QUERY:
            return 1
        return INCOME_WEIGHT if self.cold_now.action == OUTBOUND_ACCOUNT and self.account_part == PART_INCOME else LIST_WEIGHT

    def _path(self) -> str:
        if self.cold_now.action == OUTBOUND_OPEN_ORDERS:
            return "/fapi/v1/openOrders" if self.order_part == PART_ORDERS else "/fapi/v1/openAlgoOrders"
        if self.cold_now.action == OUTBOUND_QUERY:
            return "/fapi/v1/algoOrder"
        if self.cold_now.action == OUTBOUND_TRADES:
            return "/fapi/v1/userTrades"
        return ("/fapi/v3/positionRisk", "/fapi/v3/balance", "/fapi/v1/income")[self.account_part]

    def take_wish(self) -> tuple | None:
        """(token, path, parameters) of the next GET, or None; token 0 is the unsigned question for the time."""
        if self.is_time_wished:
            self.is_time_wished = False
            return 0, "/fapi/v1/time", {}
        if self.cold_request_id == 0 or self.is_wish_taken or self.list_kind != LIST_NONE:
            return None
        self.is_wish_taken = True
        params = {}
        if self.cold_now.action == OUTBOUND_TRADES:
            params["symbol"] = self.tables.symbol(self.cold_now.instrument_id)
            params["orderId" if self.cold_now.flags & 1 else "fromId"] = self.cold_now.detail
            params["limit"] = TRADES_PER_PAGE
        elif self.cold_now.action == OUTBOUND_ACCOUNT and self.account_part == PART_INCOME:
            params = {"incomeType": "FUNDING_FEE", "startTime": self.cold_now.detail // NS_OF_MS, "limit": INCOME_ROWS_MAX}
        elif self.cold_now.action == OUTBOUND_QUERY:
            params["clientAlgoId"] = encode(self.codec.engine_id, self.cold_now.detail)
        return self.cold_request_id, self._path(), params

    def wish_time_again(self) -> None:
        """The question for the time found no answer: it is put once more where the session waits for it."""
        self.time_in_flight = False
        if self.step == STEP_TIME:
            self.ask_time()

    def put_time(self, bytes body not None, int status, int64_t sent_mono_ns) -> None:
        """The venue's answer to the question for its time."""
        cdef Request request
        cdef const char* data = body
        memset(&request, 0, sizeof(Request))
        memset(&self.frame, 0, <char*> &self.frame.balances - <char*> &self.frame)
        request.sent_mono_ns = sent_mono_ns
        self.frame.status = status
        self.frame.request_id = self.asked_after_id
        self.frame.result.p = data
        self.frame.result.end = data + len(body)
        self.frame_session_id = self.session_id + REST_OFFSET
        try:
            self.on_time(&request, data, len(body), crc32c_bytes(data, len(body), 0), self.clock.mono_ns(), self.clock.wall_ns())
        finally:
            self.frame_session_id = self.session_id

    def put_reply(self, uint64_t token, int status, bytes body not None, int64_t sent_mono_ns, *, int64_t used_weight=-1,
                  double retry_after_s=0.0) -> None:
        """The answer to a wish. `status` 0: there was none. `used_weight`: the venue's own count of this minute, -1 = not told."""
        cdef const char* data = body
        cdef Py_ssize_t size = len(body)
        cdef uint32_t crc = crc32c_bytes(data, size, 0)
        cdef int64_t now_ns = self.steady_now_ns()
        memset(&self.frame, 0, <char*> &self.frame.balances - <char*> &self.frame)
        self.frame.status = status
        if used_weight >= 0:
            self.budget.report_weight(now_ns, MINUTE_NS, self.budget.weight.limit, used_weight, self.in_flight)
            self.counters.values[<int> COUNTER_RATE_WEIGHT_USED] = <uint64_t> used_weight
        if status != OK:
            self.frame.error_code = _code_of(body)
            if retry_after_s > 0:
                self.frame.retry_at_ms = now_ns // NS_OF_MS + <int64_t> (retry_after_s * 1000)
            self.heed_refusal(token)
            if self.is_key_refused and self.step == STEP_READY:
                self.lose("the venue refuses the key")
        self.frame_session_id = self.session_id + REST_OFFSET
        try:
            # by the monotonic clock: between two measurements of the venue's clock ours may be set
            self._put_rows(token, status, data, size, crc, sent_mono_ns + self.venue_less_mono_ns)
        finally:
            self.frame_session_id = self.session_id

    def _put_rows(self, uint64_t token, int status, const char* data, Py_ssize_t size, uint32_t crc, int64_t as_of_ns) -> None:
        cdef Request request
        if token != 0 and token == self.cold_request_id and self.cold_now.action == OUTBOUND_QUERY:
            self.cold_request_id = 0
            if status:
                self.on_algo_status(token, status, data, size, crc)
            return
        if token == 0 or token != self.cold_request_id or status != OK:
            if size:
                self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, self.clock.mono_ns(), self.clock.wall_ns())
            if token != 0 and token == self.cold_request_id:
                self.cold_done(False)
            return
        if self.cold_now.action != OUTBOUND_ACCOUNT:
            memset(&request, 0, sizeof(Request))
            request.action = self.cold_now.action
            self.frame.result.p = data
            self.frame.result.end = data + size
            self.on_list(&request, data, size, crc, self.clock.mono_ns(), self.clock.wall_ns())
        elif self.account_part == PART_POSITIONS:
            self.on_positions(data, size, crc, as_of_ns)
        elif self.account_part == PART_BALANCES:
            self.on_wallets(data, size, crc, as_of_ns)
        else:
            self.on_income(data[:size], crc)

    cdef int on_algo_status(self, uint64_t token, int status, const char* data, Py_ssize_t size, uint32_t crc) except -1:
        """GET algoOrder: the conditional order, or an error that OMS weighs (-2013: not found)."""
        cdef Request request
        cdef RecordHeader* record
        cdef tw_cursor c
        memset(&request, 0, sizeof(Request))
        request.request_id = token
        request.action = OUTBOUND_QUERY
        request.order_handle = self.cold_now.detail
        request.instrument_id = self.cold_now.instrument_id
        c.p = data
        c.end = data + size
        if status != OK:
            return 0 if self.on_order_reply(&request, size, crc, self.clock.mono_ns(), self.clock.wall_ns()) else self.give_up(NO_ROOM_LEFT)
        self.frame.fault = FRAME_FAULT_MISSING_FIELD
        if not self.usdm.read_algo(&c, &self.frame, True) or self.frame.instrument_id == 0:
            return self.emit_refused(self.frame.fault, data, size, crc, self.clock.mono_ns(), self.clock.wall_ns())
        record = self.claim_input(RECORD_KIND_ORDER_STATUS, sizeof(ExecutionPayload))
        if record == NULL:
            return self.give_up(NO_ROOM_LEFT)
        memcpy(record + 1, &self.frame.execution, sizeof(ExecutionPayload))
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, self.frame.instrument_id, request.order_handle, self.clock.wall_ns(), self.clock.mono_ns())
        return 0

    cdef int read_row(self) noexcept:
        if self.list_kind == LIST_ORDERS and self.order_part == PART_CONDITIONAL:
            return self.usdm.read_algo(&self.list_at, &self.frame, True)
        return BinanceOrderSession.read_row(self)

    cdef int next_row(self) except -1:
        """Open orders stand in two lists: those of the book, then those that wait for a price."""
        cdef bint was_orders = self.list_kind == LIST_ORDERS
        cdef int done = BinanceOrderSession.next_row(self)
        if was_orders and self.list_kind == LIST_NONE and self.order_part == PART_ORDERS and not self.reconcile_failed:
            self.order_part = PART_CONDITIONAL
            self.begin_wish()
        return done

    cdef int on_positions(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t as_of_ns) except -1:
        """GET positionRisk names only what is open: our other contracts are flat. The balances are asked for next."""
        cdef tw_cursor c
        cdef uint32_t instrument_id
        cdef int side
        c.p = data
        c.end = data + size
        if not self.usdm.read_positions(&c, &self.frame):
            self.cold_done(False)
            return self.emit_refused(self.frame.fault, data, size, crc, self.clock.mono_ns(), self.clock.wall_ns())
        self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, self.clock.mono_ns(), self.clock.wall_ns())
        for instrument_id in range(1, self.tables.instrument_count + 1):
            if self.tables.instruments[instrument_id].venue_id != self.venue_id or not self.tables.instruments[instrument_id].is_trading:
                continue
            for side in range(POSITION_SIDES):
                self._answer_position(instrument_id, side, as_of_ns)
        self.account_part = PART_BALANCES
        return self.begin_wish()

    cdef int _answer_position(self, uint32_t instrument_id, int side, int64_t as_of_ns) except -1:
        """What the list says of one position side; of LONG and SHORT only where there is something there or in our books."""
        cdef PositionRow row
        cdef int i
        memset(&row, 0, sizeof(PositionRow))
        row.instrument_id = instrument_id
        row.position_side = <uint8_t> side
        for i in range(self.usdm.change.position_count):
            if self.usdm.change.positions[i].instrument_id == instrument_id and self.usdm.change.positions[i].position_side == side:
                row = self.usdm.change.positions[i]
        if side == 0 or row.position_lots != 0 or self.tables.exposures[side * INSTRUMENT_CAPACITY + <int> instrument_id].position_lots != 0:
            return self.emit_position(&row, as_of_ns, True)
        return 0

    cdef int on_wallets(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t as_of_ns) except -1:
        cdef tw_cursor c
        c.p = data
        c.end = data + size
        if not self.usdm.read_wallets(&c, &self.frame):
            self.cold_done(False)
            return self.emit_refused(self.frame.fault, data, size, crc, self.clock.mono_ns(), self.clock.wall_ns())
        self.drop_stale(&self.frame, as_of_ns)
        self.frame.event_ns = self.frame.update_ns = as_of_ns
        self.emit_balances(False, size, crc, self.clock.mono_ns(), self.clock.wall_ns(), RECORD_KIND_ACCOUNT_POSITION)
        if self.cold_now.detail == 0:
            # no fill of ours yet: no funding of ours can have been missed
            self.cold_done(True)
            return 0
        self.account_part = PART_INCOME
        return self.begin_wish()

    def on_income(self, bytes body, uint32_t crc) -> None:
        """GET income, FUNDING_FEE: what each settlement of each contract has paid, and how often each amount."""
        cdef const char* data = body
        now = self.clock.mono_ns(), self.clock.wall_ns()
        try:
            settled = funding_settled(json.loads(body))
        except (ValueError, KeyError, TypeError):
            self.cold_done(False)
            self.emit_refused(FRAME_FAULT_SYNTAX, data, len(body), crc, now[0], now[1])
            return
        self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, len(body), crc, now[0], now[1])
        for (symbol, asset, hour_ms, amount_e8), payments in settled.items():
            instrument_id = self.tables.instrument_id(self.venue_id, symbol)
            if instrument_id:
                self.emit_settlement(instrument_id, self.tables.give_asset(asset, self.venue_id), hour_ms * NS_OF_MS, amount_e8, payments)
        self.cold_done(True)

    # --- records ---

    cdef int emit_position(self, const PositionRow* row, int64_t as_of_ns, bint is_answer) except -1:
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_VENUE_POSITION, sizeof(VenuePositionPayload))
        cdef VenuePositionPayload* out
        if record == NULL:
            return self.give_up("the journal takes no more own-order records")
        out = <VenuePositionPayload*> (record + 1)
        out.position_lots = row.position_lots
        out.entry_price_e8 = row.entry_price_e8
        out.as_of_ns = as_of_ns
        out.is_answer = is_answer
        out.isolated_wallet_e8 = row.isolated_wallet_e8
        record.position_side = row.position_side
        self.push_input(record, row.instrument_id, 0, self.clock.wall_ns(), self.clock.mono_ns())
        return 0

    cdef int emit_funding(self, int row) except -1:
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_FUNDING_PAYMENT, sizeof(FundingPaymentPayload))
        cdef FundingPaymentPayload* out
        if record == NULL:
            return self.give_up("the journal takes no more own-order records")
        out = <FundingPaymentPayload*> (record + 1)
        out.amount_e8 = self.usdm.change.change_e8[row]
        out.event_ns = self.user_frame.event_ns
        out.asset_id = self.user_frame.balances[row].asset_id
        self.push_input(record, self.usdm.change.funding_instrument_id, 0, self.clock.wall_ns(), self.clock.mono_ns())
        return 0

    cdef int emit_settlement(self, uint32_t instrument_id, uint16_t asset_id, int64_t event_ns, int64_t amount_e8,
                             int payments) except -1:
        """FUNDING_PAYMENT as the answer to a question: OMS books what of it is not booked yet."""
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_FUNDING_PAYMENT, sizeof(FundingPaymentPayload))
        cdef FundingPaymentPayload* out
        if record == NULL:
            return self.give_up("the journal takes no more own-order records")
        out = <FundingPaymentPayload*> (record + 1)
        out.amount_e8 = amount_e8
        out.event_ns = event_ns
        out.asset_id = asset_id
        out.is_answer = 1
        out.payments = <uint8_t> min(payments, 255)
        self.push_input(record, instrument_id, 0, self.clock.wall_ns(), self.clock.mono_ns())
        return 0

    cdef int emit_warning(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1:
        """MARGIN_CALL, ACCOUNT_CONFIG_UPDATE: the alarm's code and the frame's text."""
        cdef uint32_t kept = <uint32_t> min(size, <Py_ssize_t> RAW_BYTES_KEPT)
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_ACCOUNT_WARNING, sizeof(StatePayload) + ((kept + 7) & ~<uint32_t> 7))
        cdef StatePayload* out
        if record == NULL:
            return self.give_up("the journal takes no more own-order frames")
        out = <StatePayload*> (record + 1)
        out.state = out.reason = <uint16_t> self.user_frame.status
        memcpy(out + 1, data, kept)
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, 0, 0, wall_ns, mono_ns)
        return 0


cdef class UsdmUserSession(Session):
    """One connection to the private stream of `orders`; the newest that was opened is the one that counts."""

    def __init__(self, str name, UsdmOrderSession orders not None):
        Session.__init__(self, name, orders.session_id + USER_STREAM_OFFSET)
        self.orders = orders

    cdef int on_frame(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1:
        self.orders.frame_session_id = self.session_id
        try:
            self.orders.on_user_frame(data, size, mono_ns, wall_ns)
        finally:
            self.orders.frame_session_id = self.orders.session_id
        if self.orders.user_frame.kind == FRAME_KEY_EXPIRED:
            self.is_expired = True
        return 1

    cpdef on_open(self):
        """The stream delivers from here on."""
        self.orders.user = self
        self._tell(SESSION_STATE_READY)

    cpdef on_close(self, str reason):
        """Gone: what happens at the venue is no longer heard."""
        if self.orders.user is self and self.orders.is_user_ready:
            self._tell(SESSION_STATE_DOWN)

    def _tell(self, int state) -> None:
        cdef UsdmOrderSession orders = self.orders
        orders.is_user_ready = state == SESSION_STATE_READY
        orders._clear_cold()
        orders.frame_session_id = self.session_id
        try:
            orders.emit_state(state, USER_HALF, 0, 0, orders.clock.mono_ns(), orders.clock.wall_ns())
        finally:
            orders.frame_session_id = orders.session_id


def funding_settled(list rows) -> dict:
    """(symbol, asset, hour in ms, amount in 10^-8) to how many such payments there are. Of a full page the last hour is left out: its rows may go on behind it."""
    settled = {}
    for row in rows:
        hour_ms = (row["time"] + HOUR_MS // 2) // HOUR_MS * HOUR_MS
        key = row["symbol"], row["asset"], hour_ms, to_e8(row["income"])
        settled[key] = settled.get(key, 0) + 1
    if len(rows) >= INCOME_ROWS_MAX:
        last_ms = max(hour_ms for _, _, hour_ms, _ in settled)
        settled = {key: payments for key, payments in settled.items() if key[2] < last_ms}
    return settled


def _code_of(bytes body) -> int:
    """The code of a refusal's body, 0 where it has none."""
    try:
        found = json.loads(body)
    except ValueError:
        return 0
    code = found.get("code", 0) if isinstance(found, dict) else 0
    return code if isinstance(code, int) and -100_000 < code < 100_000 else 0
