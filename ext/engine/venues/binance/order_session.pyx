"""One connection to ws-api: the clock first, then log-on (Ed25519) or signed requests (HMAC), the user data stream, then READY.

Every data frame becomes exactly one record with its CRC32C. A reply that lists many orders or trades is recorded raw (first 4 KiB), and its
rows follow as records of their own without a frame, one at a time, each applied before the next is made.

Sources: the exchange's web-socket-api.md and user-data-stream.md (spot); error codes by errors.md. -1021 (timestamp outside the
window) resyncs the clock once and sends nothing again. 429 and 418 carry `retryAfter`: nothing leaves before it. A connection that
follows a request with no frame at all, not even the clock's answer, is dead: it is left, and does not keep orders UNKNOWN.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset, strlen
from engine.gateway.budget cimport RateBudget
from engine.gateway.order_session cimport COLD_CAPACITY, ColdRequest, OrderSession, Request
from engine.journal.journal cimport Journal
from engine.model.approval cimport *
from engine.model.codes cimport *
from engine.model.records cimport (
    BalanceRow, BalancesPayload, ExecutionPayload, OrderReplyPayload, RecordHeader, RefusedFramePayload, StatePayload,
)
from engine.model.tables cimport Tables
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.crc32c cimport crc32c_bytes
from engine.runtime.ring cimport Ring
from engine.venues.binance.order_codec cimport *
from engine.venues.binance.scan cimport *
from engine.venues.binance.spot_forms cimport amend_in_place, cancel_list, place_list, place_terms

import base64
import json

cdef enum:
    RAW_KEPT = 4096
    MS_NS = 1000000
    HTTP_OK = 200
    HTTP_BANNED = 418
    HTTP_TOO_MANY = 429
    CODE_TIMESTAMP = -1021
    CODE_TOO_MUCH_WEIGHT = -1003
    BOTH_HALVES = 3
    USER_STREAM_HALF = 2
    WEIGHT_CONNECT = 2
    WEIGHT_OPEN_ORDERS = 80
    WEIGHT_ROWS = 20
    TRADES_PAGE = 1000
    # actions of the session's own
    ASK_TIME = 101
    LOG_ON = 102
    SUBSCRIBE = 103

# "errors": -1002 UNAUTHORIZED, -1022 INVALID_SIGNATURE, -2008 BAD_API_ID, -2014 BAD_API_KEY_FMT, -2015 REJECTED_MBX_KEY
cdef inline bint is_key_refusal(int code) noexcept nogil:
    return code == -1002 or code == -1022 or code == -2008 or code == -2014 or code == -2015


cdef inline bint find_member(tw_cursor* c, const char* name, size_t length) noexcept nogil:
    """Moves to the value of an object's member; False where `c` is no object, or has no such member."""
    cdef int first = 1
    cdef const char* key
    cdef size_t size
    if c.p == NULL or not tw_take(c, c'{'):
        return False
    while tw_next_key(c, &first, &key, &size) > 0:
        if size == length and memcmp(key, name, length) == 0:
            return True
        if not tw_skip_value(c):
            return False
    return False


cdef str NO_ROOM = "the journal takes no more own-order frames"
cdef str QUIET_WANTED = "the venue has asked for quiet"
cdef int64_t COLD_PATIENCE_NS = 12_000_000_000  # the venue gives up after 10 s (-1007)
cdef int64_t PROBE_AFTER_NS = 1_000_000_000     # a request that nothing followed: the clock, which is never slow, is asked
cdef int64_t SILENCE_NS = 4_000_000_000         # nor did anything follow that: the connection is dead
cdef int64_t MINUTE_NS = 60_000_000_000
cdef int64_t BAN_UNTOLD_NS = 120_000_000_000    # the shortest ban, where a 418 names no end


cdef class BinanceOrderSession(OrderSession):
    """`codec` encodes and reads; `log_on_signer` signs the log-on text with an Ed25519 key (then requests go unsigned).

    `time_interval_s`: how often the venue's clock is asked.
    """

    def __init__(self, str name, uint32_t session_id, Journal journal not None, Tables tables not None, Counters counters not None,
                 ApprovalRegister register not None, Clock clock not None, RateBudget budget not None, OrderCodec codec not None, *,
                 Ring outbound not None, Ring inbound not None, int venue_id=1, int account_id=1, log_on_signer=None,
                 double time_interval_s=30.0):
        OrderSession.__init__(self, name, session_id, journal, tables, counters, register, clock, budget, outbound=outbound,
                              inbound=inbound, venue_id=venue_id, account_id=account_id)
        if codec.signer is None and log_on_signer is None:
            raise ValueError(f"session {name}: neither an HMAC secret nor an Ed25519 key signs its requests")
        self.codec = codec
        self.log_on_signer = log_on_signer
        self.failure = ""
        self.halves = BOTH_HALVES
        self.time_interval_ns = <int64_t> (time_interval_s * 1e9)

    def __dealloc__(self):
        free(self.list_text)

    # --- life of the connection ---

    cpdef on_open(self):
        """Connected: ask the clock; the rest follows its answer."""
        self.forget_requests()
        self.is_dead = False
        self.step = STEP_TIME
        self.is_ready = False
        self.shutdown_announced = False
        self.cold_request_id = 0
        self.time_in_flight = False
        self.list_kind = LIST_NONE
        self.reconcile_failed = False
        self.codec.is_logged_on = False
        self.budget.count(self.steady_now_ns(), 0, WEIGHT_CONNECT)
        self.ask_time()

    cpdef on_close(self, str reason):
        """Gone: what is in flight is unknown from now on; OMS is told."""
        cdef bint was_down = self.step == STEP_DOWN
        self.step = STEP_DOWN
        self.is_ready = False
        self.forget_requests()
        self.list_kind = LIST_NONE
        self.cold_request_id = 0
        if not was_down:
            self.counters.values[<int> COUNTER_RECONNECTS] = self.counters.values[<int> COUNTER_RECONNECTS] + 1
            self.emit_state(SESSION_STATE_DOWN, self.halves, 0, 0, self.clock.mono_ns(), self.clock.wall_ns())

    cdef int ask_time(self) except -1:
        cdef uint64_t request_id = self.next_request_id + 1
        self.time_wanted = False
        if self.request_bare(ASK_TIME, self.codec.bare(self.text, b"time", request_id), request_id):
            self.time_in_flight = True
            self.next_time_mono_ns = self.clock.mono_ns() + self.time_interval_ns
        return 0

    cdef int log_on(self) except -1:
        """session.logon: the parameters sorted and joined are signed, base64 (request security: Ed25519)."""
        cdef uint64_t request_id = self.next_request_id + 1
        cdef int64_t venue_ms = (self.clock.wall_ns() + self.venue_offset_ns) // MS_NS
        cdef bytes text
        if self.steady_now_ns() < self.budget.blocked_until_ns:
            return self.give_up(QUIET_WANTED)
        key = self.codec.api_key.decode()
        message = f"apiKey={key}&recvWindow={self.codec.recv_window_ms}&timestamp={venue_ms}"
        signature = base64.b64encode(self.log_on_signer(message.encode())).decode()
        params = {"apiKey": key, "recvWindow": self.codec.recv_window_ms, "timestamp": venue_ms, "signature": signature}
        text = json.dumps({"id": request_id, "method": "session.logon", "params": params}, separators=(",", ":")).encode()
        memcpy(self.text, <const char*> text, len(text))
        self.step = STEP_LOG_ON
        self.codec.key_at = <uint32_t> text.index(key.encode())
        self.codec.key_size = <uint32_t> len(key)
        self.request_bare(LOG_ON, <int> len(text), request_id)
        return 0

    cdef int subscribe(self) except -1:
        cdef uint64_t request_id = self.next_request_id + 1
        cdef int64_t venue_ns = self.clock.wall_ns() + self.venue_offset_ns
        cdef int size
        if self.steady_now_ns() < self.budget.blocked_until_ns:
            return self.give_up(QUIET_WANTED)
        self.step = STEP_SUBSCRIBE
        if self.codec.is_logged_on:
            size = self.codec.bare(self.text, b"userDataStream.subscribe", request_id)
        else:
            size = self.codec.subscribe(self.text, request_id, venue_ns)
        self.request_bare(SUBSCRIBE, size, request_id)
        return 0

    cdef bint request_bare(self, int action, int size, uint64_t request_id) noexcept:
        """A request of the session's own."""
        cdef Request request
        memset(&request, 0, sizeof(Request))
        request.request_id = request_id
        request.action = <uint16_t> action
        self.expire(request_id)
        self.text_size = <uint32_t> size
        self.key_at = self.codec.key_at
        self.key_size = self.codec.key_size
        if action >= ASK_TIME:
            self.asked_mono_ns = self.clock.mono_ns()
        return size > 0 and self.transmit(&request, self.journal.input_seq, False)

    # --- requests of OMS ---

    cdef int encode_order(self, const ApprovedOrder* terms, uint64_t request_id) noexcept nogil:
        cdef int size
        if self.is_plain(terms):
            size = self.codec.place(self.text, request_id, terms, self.venue_ns())
        else:
            size = place_terms(self.codec, self.text, request_id, terms, self.conditions_of(terms), self.venue_ns())
        return self.keep_key(size)

    cdef bint is_plain(self, const ApprovedOrder* terms) noexcept nogil:
        """Limit or market, all of it shown, ended by nobody's clock: the fixed form."""
        return (terms.order_type <= ORDER_TYPE_MARKET and terms.time_in_force <= TIME_IN_FORCE_FOK and terms.position_side == 0 and not (
            terms.has_conditions and self.register.conditions[self.register.index_of(terms)].display_lots))

    cdef const Conditions* conditions_of(self, const ApprovedOrder* terms) noexcept nogil:
        return &self.register.conditions[self.register.index_of(terms)] if terms.has_conditions else NULL

    cdef int keep_key(self, int size) noexcept nogil:
        """Where the key stands in the text, for its mask in the journal."""
        self.key_at = self.codec.key_at
        self.key_size = self.codec.key_size
        return size

    cdef int encode_list(self, const uint32_t* slots, int count, uint64_t request_id) noexcept nogil:
        cdef const ApprovedOrder* terms[3]
        cdef const Conditions* conditions[3]
        cdef int i, index
        memset(terms, 0, sizeof(terms))
        for i in range(count):
            index = self.register.conditions[slots[i]].list_index
            if index >= count or terms[index] != NULL:
                return 0
            terms[index] = &self.register.slots[slots[i]]
            conditions[index] = &self.register.conditions[slots[i]]
        return self.keep_key(place_list(self.codec, self.text, request_id, terms, conditions, count, self.venue_ns()))

    cdef int encode_cancel_list(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        cdef const ApprovedOrder* terms = self.register.find(order_handle)
        if terms == NULL or not terms.has_conditions:
            return 0
        return self.keep_key(cancel_list(self.codec, self.text, request_id, self.conditions_of(terms).list_handle, instrument_id, self.venue_ns()))

    cdef int encode_amend(self, uint64_t order_handle, uint32_t instrument_id, int64_t lots, uint64_t request_id) noexcept nogil:
        cdef const ApprovedOrder* terms = self.register.find(order_handle)
        return self.keep_key(amend_in_place(self.codec, self.text, request_id, terms, lots, self.venue_ns())) if terms != NULL else 0

    cdef int encode_cancel(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        cdef int size = self.codec.by_client_id(self.text, b"order.cancel", request_id, order_handle, instrument_id, self.venue_ns())
        self.key_at = self.codec.key_at
        self.key_size = self.codec.key_size
        return size

    cdef int encode_query(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        cdef int size = self.codec.by_client_id(self.text, b"order.status", request_id, order_handle, instrument_id, self.venue_ns())
        self.key_at = self.codec.key_at
        self.key_size = self.codec.key_size
        return size

    cdef int encode_cancel_all(self, uint32_t instrument_id, uint64_t request_id) noexcept nogil:
        cdef int size = self.codec.by_symbol(self.text, b"openOrders.cancelAll", request_id, instrument_id, self.venue_ns())
        self.key_at = self.codec.key_at
        self.key_size = self.codec.key_size
        return size

    cdef int work_of_own(self) except -1:
        """Rows of a list, the next cold request, the clock."""
        cdef int done = 0
        if self.step == STEP_BANNED and self.steady_ns() >= self.budget.blocked_until_ns:
            self.step = STEP_READY
            self.is_ready = True
            self.notice(RECORD_KIND_SESSION_STATE, SESSION_STATE_READY, 0, 0, 0, self.halves)
            return 1
        if STEP_TIME <= self.step <= STEP_SUBSCRIBE and self.journal.now_mono_ns - self.asked_mono_ns > COLD_PATIENCE_NS:
            self.asked_mono_ns = self.journal.now_mono_ns
            return self.give_up("the venue does not answer time, log-on or subscription")
        if self.time_in_flight and self.journal.now_mono_ns - self.asked_mono_ns > COLD_PATIENCE_NS:
            self.time_in_flight = False
        if self.step != STEP_READY:
            return 0
        if self.unanswered_mono_ns != 0 and self.find_silence():
            return 1
        if self.list_kind != LIST_NONE:
            return self.next_row() if self.inbound.depth() == 0 else 0
        if self.cold_request_id != 0 and self.journal.now_mono_ns - self.cold_sent_mono_ns > COLD_PATIENCE_NS:
            self.take(self.cold_request_id)
            self.cold_done(False)
        if self.cold_request_id == 0 and self.cold_head != self.cold_tail:
            done = self.next_cold()
        if (not self.time_in_flight and (self.time_wanted or self.journal.now_mono_ns >= self.next_time_mono_ns)
                and self.budget.allows_query(self.steady_ns(), 1)):
            self.ask_time()
            done += 1
        return done

    cdef int find_silence(self) except -1:
        """Nothing followed a request: first the clock is asked, then the connection is left. True when it was."""
        cdef int64_t now_mono_ns = self.journal.now_mono_ns
        if self.time_in_flight:
            if now_mono_ns - self.asked_mono_ns > SILENCE_NS:
                return self.lose("no frame follows a request, not even the clock's answer: the connection is dead")
        elif now_mono_ns - self.unanswered_mono_ns > PROBE_AFTER_NS:
            self.time_wanted = True
        return 0

    cdef int lose(self, str reason) except -1:
        """Down from now on; the keeper drops the connection, whose closing handshake nobody may ever answer."""
        self.failure = reason
        self.on_close(reason)
        self.is_dead = True
        return 1

    cdef int next_cold(self) except -1:
        """Cold requests go one after the other, so that a reconciliation's records stand in its order."""
        cdef ColdRequest* item = &self.cold[self.cold_tail % COLD_CAPACITY]
        cdef uint64_t request_id = self.next_request_id + 1
        cdef int size = 0
        cdef int64_t weight = WEIGHT_OPEN_ORDERS if item.action == OUTBOUND_OPEN_ORDERS else WEIGHT_ROWS
        if item.action == OUTBOUND_RECONCILE_BEGIN or item.action == OUTBOUND_RECONCILE_END:
            if item.action == OUTBOUND_RECONCILE_BEGIN:
                self.reconcile_failed = False
                self.notice(RECORD_KIND_RECONCILE_BEGIN, 0, 0, 0, 0, 0)
            else:
                self.notice(RECORD_KIND_RECONCILE_END, 1 if self.reconcile_failed else 0, 0, 0, 0, 0)
            self.cold_tail += 1
            return 1
        if not self.budget.allows_query(self.steady_ns(), weight):
            return 0
        self.cold_now = item[0]
        self.cold_tail += 1
        if item.action == OUTBOUND_OPEN_ORDERS:
            size = self.codec.open_orders(self.text, request_id, self.venue_ns())
        elif item.action == OUTBOUND_TRADES:
            size = self.codec.trades(self.text, request_id, item.instrument_id, item.detail, item.flags & 1, self.venue_ns())
        else:
            size = self.codec.account(self.text, request_id, self.venue_ns())
        if not self.request_bare(item.action, size, request_id):
            self.cold_done(False)
            return 1
        self.budget.count(self.steady_ns(), 0, weight - 1)
        self.cold_request_id = request_id
        self.cold_sent_mono_ns = self.journal.now_mono_ns
        return 1

    cdef void cold_done(self, bint is_good) noexcept nogil:
        self.cold_request_id = 0
        if not is_good:
            self.reconcile_failed = True

    # --- frames ---

    cdef int on_frame(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef uint32_t crc = crc32c_bytes(data, size, 0)
        cdef int kind
        self.frame_crc32c = crc
        self.counters.values[<int> COUNTER_OWN_FRAMES] = self.counters.values[<int> COUNTER_OWN_FRAMES] + 1
        self.unanswered_mono_ns = 0
        self.codec.decode(data, size, &self.frame)
        kind = self.frame.kind
        if kind == FRAME_REPLY:
            self.on_reply(data, size, mono_ns, wall_ns)
            return self.lose("the venue refuses the key") if self.is_key_refused and self.step == STEP_READY else 0
        if kind == FRAME_EXECUTION:
            if self.frame.instrument_id:
                return 0 if self.on_execution(size, crc, mono_ns, wall_ns) else self.give_up(NO_ROOM)
            kind = FRAME_OTHER  # of a symbol that is not configured
        if kind == FRAME_BALANCES:
            return self.emit_balances(False, size, crc, mono_ns, wall_ns, RECORD_KIND_ACCOUNT_POSITION)
        if kind == FRAME_BALANCE_DELTA:
            return self.emit_balances(False, size, crc, mono_ns, wall_ns, RECORD_KIND_BALANCE_UPDATE)
        if kind == FRAME_TERMINATED:
            # the stream ended and the connection did not: no new orders until it is back
            self.emit_state(SESSION_STATE_DOWN, USER_STREAM_HALF, size, crc, mono_ns, wall_ns)
            if self.step == STEP_READY:
                self.subscribe()
            return 0
        if kind == FRAME_SHUTDOWN:
            self.shutdown_announced = True
        if kind == FRAME_MALFORMED:
            return self.emit_refused(self.frame.fault, data, size, crc, mono_ns, wall_ns)
        return self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)

    cdef int on_reply(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef uint32_t crc = self.frame_crc32c
        cdef Request* found = self.take(self.frame.request_id)
        cdef Request request
        self.take_limits()
        if self.frame.status != HTTP_OK:
            self.heed_refusal(self.frame.request_id)
        if found == NULL:
            return self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)
        request = found[0]
        if request.action == OUTBOUND_LIST_LEG:
            self.counters.record(STAGE_ORDER_ROUND_TRIP, mono_ns - request.sent_mono_ns)
            return 0 if self.on_list_reply(&request, size, crc, mono_ns, wall_ns) else self.give_up(NO_ROOM)
        if (request.action <= OUTBOUND_REPLACE or request.action == OUTBOUND_CANCEL_ALL or request.action == OUTBOUND_CANCEL_LIST
                or request.action == OUTBOUND_AMEND):
            self.counters.record(STAGE_CANCEL_ROUND_TRIP if request.action == OUTBOUND_CANCEL or request.action == OUTBOUND_CANCEL_ALL
                                 else STAGE_ORDER_ROUND_TRIP, mono_ns - request.sent_mono_ns)
            return 0 if self.on_order_reply(&request, size, crc, mono_ns, wall_ns) else self.give_up(NO_ROOM)
        if request.action == OUTBOUND_QUERY:
            return self.on_status(&request, data, size, crc, mono_ns, wall_ns)
        if request.action == OUTBOUND_OPEN_ORDERS or request.action == OUTBOUND_TRADES:
            return self.on_list(&request, data, size, crc, mono_ns, wall_ns)
        if request.action == OUTBOUND_ACCOUNT:
            return self.on_account(data, size, crc, mono_ns, wall_ns)
        if request.action == ASK_TIME:
            return self.on_time(&request, data, size, crc, mono_ns, wall_ns)
        return self.on_step_reply(data, size, crc, mono_ns, wall_ns)

    cdef void take_limits(self) noexcept nogil:
        cdef int i
        cdef Limit* item
        cdef int64_t now_ns
        if self.frame.limit_count == 0:
            return
        now_ns = self.steady_now_ns()
        for i in range(self.frame.limit_count):
            item = &self.frame.limits[i]
            if item.is_orders:
                self.budget.report_orders(now_ns, item.interval_ns, item.limit, item.count, self.orders_in_flight)
                if item.interval_ns == self.budget.orders_short.interval_ns:
                    self.counters.values[<int> COUNTER_RATE_ORDERS_USED] = <uint64_t> item.count
            else:
                self.budget.report_weight(now_ns, item.interval_ns, item.limit, item.count, self.in_flight)
                self.counters.values[<int> COUNTER_RATE_WEIGHT_USED] = <uint64_t> item.count

    cdef void heed_refusal(self, uint64_t request_id) noexcept nogil:
        """What a refusal asks of the session itself: a better clock, silence, or - banned - a halt."""
        cdef int64_t now_ns = self.steady_now_ns()
        if self.frame.error_code == CODE_TIMESTAMP and not self.time_in_flight and request_id > self.synced_request_id:
            # one that left before the clock was last asked says nothing new
            self.time_wanted = True
        if is_key_refusal(self.frame.error_code):
            self.is_key_refused = True
        if self.frame.status != HTTP_TOO_MANY and self.frame.status != HTTP_BANNED:
            return
        self.counters.values[<int> COUNTER_RATE_LIMITED] = self.counters.values[<int> COUNTER_RATE_LIMITED] + 1
        if self.frame.retry_at_ms > 0:
            self.budget.block_until(self.frame.retry_at_ms * MS_NS)
        elif self.frame.status == HTTP_BANNED:
            self.budget.block_until(now_ns + BAN_UNTOLD_NS)
        elif self.frame.error_code == CODE_TOO_MUCH_WEIGHT:
            # no time is named: the weight's window ends with the minute
            self.budget.block_until((now_ns // MINUTE_NS + 1) * MINUTE_NS)
        if self.frame.status == HTTP_BANNED:
            self.begin_ban()

    cdef void begin_ban(self) noexcept nogil:
        """Halt until it is over, and tell a person."""
        if self.step != STEP_READY:
            return
        self.step = STEP_BANNED
        self.is_ready = False
        self.unanswered_mono_ns = 0
        self.notice(RECORD_KIND_SESSION_STATE, SESSION_STATE_DOWN, 0, 0, REASON_RATE_BUDGET, self.halves)

    def keep_quiet(self, int64_t duration_ns, int status) -> None:
        """Another connection was told 429 or 418: it holds for this one too, and a ban halts."""
        OrderSession.keep_quiet(self, duration_ns, status)
        if status == HTTP_BANNED:
            self.begin_ban()

    cdef bint on_execution(self, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) noexcept nogil:
        """False: the journal has no room for it."""
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_EXECUTION_REPORT, sizeof(ExecutionPayload))
        if record == NULL:
            return False
        memcpy(record + 1, &self.frame.execution, sizeof(ExecutionPayload))
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, self.frame.instrument_id, self.frame.order_handle, wall_ns, mono_ns)
        return True

    cdef bint on_order_reply(self, const Request* request, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) noexcept:
        """Answer to place, cancel, cancelReplace or cancelAll; error text follows the payload. False: the journal has no room for it."""
        cdef uint32_t text_size = <uint32_t> min(self.frame.error_size, <size_t> 512)
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_ORDER_REPLY, sizeof(OrderReplyPayload) + ((text_size + 7) & ~<uint32_t> 7))
        cdef OrderReplyPayload* reply
        cdef int i
        if record == NULL:
            return False
        reply = <OrderReplyPayload*> (record + 1)
        reply.request_id = request.request_id
        reply.status = self.frame.status
        reply.error_code = self.frame.error_code
        reply.action = <uint8_t> request.action
        for i in range(self.frame.limit_count):
            if not self.frame.limits[i].is_orders:
                reply.weight_used = <int> self.frame.limits[i].count
            elif self.frame.limits[i].interval_ns == self.budget.orders_short.interval_ns:
                reply.orders_used_10s = <int> self.frame.limits[i].count
        if self.frame.status == HTTP_OK and self.frame.result.p != NULL and request.action <= OUTBOUND_REPLACE:
            self.read_acknowledgement(<int> request.action)
            reply.venue_order_id = self.frame.execution.venue_order_id
            reply.transact_ns = self.frame.execution.transact_ns
            reply.order_state = self.frame.execution.order_state
            reply.is_conditional = self.frame.execution.is_conditional
            memcpy(reply.client_order_id, self.frame.execution.client_order_id, 24)
        if self.frame.retry_at_ms > 0:
            reply.retry_after_ms = self.frame.retry_at_ms
        if text_size:
            memcpy(reply + 1, self.frame.error_text, text_size)
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, request.instrument_id, request.order_handle, wall_ns, mono_ns)
        return True

    cdef bint on_list_reply(self, const Request* request, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) noexcept:
        """Answer to a list: its orders share it, and have numbers of their own where it was taken. False: no room in the journal."""
        cdef uint32_t text_size = <uint32_t> min(self.frame.error_size, <size_t> 512)
        cdef RecordHeader* record
        cdef OrderReplyPayload* reply
        cdef uint64_t handle
        cdef int i
        for i in range(<int> request.detail):
            handle = request.order_handle + i
            record = self.claim_input(RECORD_KIND_ORDER_REPLY, sizeof(OrderReplyPayload) + ((text_size + 7) & ~<uint32_t> 7))
            if record == NULL:
                return False
            reply = <OrderReplyPayload*> (record + 1)
            reply.request_id = request.request_id
            reply.status = self.frame.status
            reply.error_code = self.frame.error_code
            reply.action = OUTBOUND_LIST_LEG
            if self.frame.status == HTTP_OK:
                reply.venue_order_id = self.list_number(handle)
            if text_size:
                memcpy(reply + 1, self.frame.error_text, text_size)
            if i == 0:
                record.frame_length = <uint32_t> size
                record.frame_crc32c = crc
            self.push_input(record, request.instrument_id, handle, wall_ns, mono_ns)
        return True

    cdef int64_t list_number(self, uint64_t order_handle) noexcept:
        """The venue's number of one order in the answer to its list; 0 where it does not stand there: its report tells it."""
        cdef tw_cursor c = self.frame.result
        cdef int first = 1
        if not find_member(&c, b"orderReports", 12) or not tw_take(&c, c'['):
            return 0
        while tw_next_item(&c, &first) > 0:
            if not self.codec.read_order(&c, &self.list_frame, False):
                return 0
            if self.list_frame.order_handle == order_handle:
                return self.list_frame.execution.venue_order_id
        return 0

    cdef int read_acknowledgement(self, int action) noexcept:
        """orderId and transactTime of a result; of cancelReplace those of its newOrderResponse."""
        cdef tw_cursor c = self.frame.result
        if action == OUTBOUND_REPLACE and not find_member(&c, b"newOrderResponse", 16):
            return 0
        # one that cannot be read acknowledges all the same: what it did not say stays 0
        if not self.codec.read_order(&c, &self.frame, False):
            self.malformed_frames += 1
            self.faults[self.frame.fault & 15] += 1
        return 0

    cdef int on_status(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                       int64_t wall_ns) except -1:
        """order.status: the order, or an error that OMS weighs (-2013: not found)."""
        cdef RecordHeader* record
        cdef tw_cursor c = self.frame.result
        if self.frame.status != HTTP_OK:
            return 0 if self.on_order_reply(request, size, crc, mono_ns, wall_ns) else self.give_up(NO_ROOM)
        self.frame.fault = FRAME_FAULT_MISSING_FIELD
        if c.p == NULL or not self.codec.read_order(&c, &self.frame, True) or self.frame.instrument_id == 0:
            return self.emit_refused(self.frame.fault, data, size, crc, mono_ns, wall_ns)
        record = self.claim_input(RECORD_KIND_ORDER_STATUS, sizeof(ExecutionPayload))
        if record == NULL:
            return self.give_up(NO_ROOM)
        memcpy(record + 1, &self.frame.execution, sizeof(ExecutionPayload))
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        # asked for by its handle: the answer is about it
        self.push_input(record, self.frame.instrument_id, request.order_handle, wall_ns, mono_ns)
        return 0

    cdef int on_list(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                     int64_t wall_ns) except -1:
        """Keep the rows: they become records one by one, behind the frame's own."""
        cdef size_t length
        cdef char* room
        self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)
        if self.frame.status != HTTP_OK or self.frame.result.p == NULL:
            self.cold_done(False)
            return 0
        length = <size_t> (self.frame.result.end - self.frame.result.p)
        if length > self.list_capacity:
            room = <char*> realloc(self.list_text, length)
            if room == NULL:
                raise MemoryError("rows of a reply")
            self.list_text = room
            self.list_capacity = length
        memcpy(self.list_text, self.frame.result.p, length)
        self.list_at.p = self.list_text
        self.list_at.end = self.list_text + length
        self.list_first = 1
        self.list_count = 0
        self.list_last_trade_id = -1
        if not tw_take(&self.list_at, c'['):
            self.cold_done(False)
            return 0
        self.list_kind = LIST_ORDERS if request.action == OUTBOUND_OPEN_ORDERS else LIST_TRADES
        return 0

    cdef int next_row(self) except -1:
        """The next row of a list as an ORDER_STATUS or OWN_TRADE record without a frame."""
        cdef int step = tw_next_item(&self.list_at, &self.list_first), good
        cdef RecordHeader* record
        if step <= 0:
            self.list_kind = LIST_NONE
            if step == 0 and self.cold_now.action == OUTBOUND_TRADES and self.list_count == TRADES_PAGE and not self.cold_now.flags & 1:
                # a full page: ask for the next one before anything else, from the last trade on, whose other side may not be on it
                self.cold_tail -= 1
                self.cold[self.cold_tail % COLD_CAPACITY] = self.cold_now
                self.cold[self.cold_tail % COLD_CAPACITY].detail = max(<uint64_t> self.list_last_trade_id, self.cold_now.detail + 1)
            if step == 0 and self.cold_now.action == OUTBOUND_TRADES and self.cold_now.flags & 1:
                self.notice(RECORD_KIND_ORDER_REPLY, OUTBOUND_TRADES, self.cold_now.detail, self.cold_now.instrument_id, 0, 0)
            self.cold_done(step == 0)
            return 1
        good = self.read_row()
        if not good:
            self.malformed_frames += 1
            self.faults[self.frame.fault & 15] += 1
            self.list_kind = LIST_NONE
            self.cold_done(False)
            return 1
        self.list_count += 1
        self.list_last_trade_id = max(self.list_last_trade_id, self.frame.execution.trade_id)
        if self.frame.instrument_id == 0:
            return 1  # of a symbol that is not configured
        record = self.claim_input(RECORD_KIND_ORDER_STATUS if self.list_kind == LIST_ORDERS else RECORD_KIND_OWN_TRADE,
                                  sizeof(ExecutionPayload))
        if record == NULL:
            return self.give_up("the journal takes no more own-order records")
        memcpy(record + 1, &self.frame.execution, sizeof(ExecutionPayload))
        self.push_input(record, self.frame.instrument_id, self.frame.order_handle, self.clock.wall_ns(), self.clock.mono_ns())
        return 1

    cdef int read_row(self) noexcept:
        """The row at which the list stands, into `frame`."""
        self.frame.order_seen = 0
        if self.list_kind == LIST_ORDERS:
            return self.codec.read_order(&self.list_at, &self.frame, True)
        return self.codec.read_trade(&self.list_at, self.cold_now.instrument_id, &self.frame)

    cdef int on_account(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1:
        if self.frame.status != HTTP_OK or self.frame.result.p == NULL:
            self.cold_done(False)
            return self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)
        if not self.codec.read_account(self.frame.result, &self.frame):
            self.cold_done(False)
            return self.emit_refused(self.frame.fault, data, size, crc, mono_ns, wall_ns)
        self.cold_done(True)
        return self.emit_balances(True, size, crc, mono_ns, wall_ns, RECORD_KIND_ACCOUNT_POSITION)

    cdef int on_time(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                     int64_t wall_ns) except -1:
        """serverTime against the middle of our wait; half the round trip is the error. TIME_SYNC: detail = offset in ns, state = error in us."""
        cdef tw_cursor c = self.frame.result
        cdef int first = 1
        cdef const char* key
        cdef size_t key_size
        cdef int64_t server_ms = 0
        cdef RecordHeader* record
        cdef StatePayload* state
        self.time_in_flight = False
        if (self.frame.status != HTTP_OK or c.p == NULL or not tw_take(&c, c'{') or tw_next_key(&c, &first, &key, &key_size) <= 0
                or not tw_read_int64(&c, &server_ms)):
            self.next_time_mono_ns = mono_ns + 1000 * MS_NS
            return self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)
        self.synced_request_id = self.frame.request_id
        self.time_error_ns = (mono_ns - request.sent_mono_ns) // 2
        # the venue cuts to whole milliseconds: half of one is added back
        self.venue_offset_ns = server_ms * MS_NS + MS_NS // 2 - (wall_ns - self.time_error_ns)
        self.venue_less_mono_ns = server_ms * MS_NS + MS_NS // 2 - (mono_ns - self.time_error_ns)
        self.time_syncs += 1
        record = self.claim_input(RECORD_KIND_TIME_SYNC, sizeof(StatePayload))
        if record == NULL:
            return self.give_up(NO_ROOM)
        state = <StatePayload*> (record + 1)
        state.state = <uint16_t> min(self.time_error_ns // 1000, <int64_t> 65535)
        state.detail = self.venue_offset_ns
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, 0, 0, wall_ns, mono_ns)
        if self.step == STEP_TIME:
            if self.log_on_signer is not None:
                self.log_on()
            else:
                self.subscribe()
        return 0

    cdef int on_step_reply(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1:
        """Log-on and subscription: each answer starts the next step; a refusal closes the connection with the venue's words."""
        if self.frame.status != HTTP_OK:
            self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)
            text = self.frame.error_text[:self.frame.error_size].decode("utf-8", "replace") if self.frame.error_text != NULL else ""
            if self.frame.error_code == CODE_TIMESTAMP and self.time_syncs < 2:
                self.step = STEP_TIME
                return self.ask_time()
            return self.give_up(f"{'log-on' if self.step == STEP_LOG_ON else 'subscription'} refused: "
                                f"{self.frame.error_code} {text}")
        if self.step == STEP_LOG_ON:
            self.codec.is_logged_on = True
            self.emit_raw(RECORD_KIND_OWN_FRAME_OTHER, data, size, crc, mono_ns, wall_ns)
            return self.subscribe()
        self.step = STEP_READY
        self.is_ready = True
        self.is_key_refused = False
        return self.emit_state(SESSION_STATE_READY, self.halves, size, crc, mono_ns, wall_ns)

    def give_up(self, str reason) -> int:
        """Close the connection: what was missed is reconciled after the next. `failure` keeps the last reason."""
        self.failure = reason
        if self.link is not None:
            self.link.close()
        return 0

    cdef int recover_inputs(self) except -1:
        """An execution, or that the connection is down, found no room: a connection made anew begins with a reconciliation."""
        if self.step == STEP_DOWN:
            return self.emit_state(SESSION_STATE_DOWN, self.halves, 0, 0, self.clock.mono_ns(), self.clock.wall_ns())
        return self.give_up("own-order frames found no room in their ring: the account is read again")

    # --- records ---

    cdef int emit_balances(self, bint is_complete, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns, int kind) except -1:
        cdef uint32_t rows_size = <uint32_t> (self.frame.balance_count * sizeof(BalanceRow))
        cdef RecordHeader* record = self.claim_input(kind, sizeof(BalancesPayload) + rows_size)
        cdef BalancesPayload* balances
        if record == NULL:
            return self.give_up(NO_ROOM)
        balances = <BalancesPayload*> (record + 1)
        balances.event_ns = self.frame.event_ns
        balances.update_ns = self.frame.update_ns
        balances.count = <uint32_t> self.frame.balance_count
        balances.is_complete = is_complete
        memcpy(balances + 1, self.frame.balances, rows_size)
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, 0, 0, wall_ns, mono_ns)
        return 0

    cdef int emit_raw(self, int kind, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef uint32_t kept = <uint32_t> min(size, <Py_ssize_t> RAW_KEPT)
        cdef RecordHeader* record = self.claim_input(kind, (kept + 7) & ~<uint32_t> 7)
        if record == NULL:
            return self.give_up(NO_ROOM)
        memcpy(record + 1, data, kept)
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, 0, 0, wall_ns, mono_ns)
        return 0

    cdef int emit_refused(self, int fault, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef uint32_t kept = <uint32_t> min(size, <Py_ssize_t> RAW_KEPT)
        cdef RecordHeader* record
        cdef RefusedFramePayload* payload
        self.malformed_frames += 1
        self.faults[fault & 15] += 1
        self.counters.values[<int> COUNTER_MALFORMED_FRAMES] = self.counters.values[<int> COUNTER_MALFORMED_FRAMES] + 1
        record = self.claim_input(RECORD_KIND_OWN_FRAME_MALFORMED, sizeof(RefusedFramePayload) + ((kept + 7) & ~<uint32_t> 7))
        if record == NULL:
            return self.give_up(NO_ROOM)
        payload = <RefusedFramePayload*> (record + 1)
        memset(payload, 0, sizeof(RefusedFramePayload))
        payload.fault = <uint16_t> fault
        memcpy(payload + 1, data, kept)
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, 0, 0, wall_ns, mono_ns)
        return 0

    cdef int emit_state(self, int state, int halves, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef RecordHeader* record = self.claim_input(RECORD_KIND_SESSION_STATE, sizeof(StatePayload))
        cdef StatePayload* out
        if record == NULL:
            return self.give_up("the journal takes no more own-order records")
        out = <StatePayload*> (record + 1)
        out.state = <uint16_t> state
        out.detail = halves
        out.reason = REASON_KEY_REFUSED if self.is_key_refused and state == SESSION_STATE_DOWN else REASON_NONE
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc
        self.push_input(record, 0, 0, wall_ns, mono_ns)
        return 0

    def fault_counts(self) -> dict:
        """How many frames and rows were refused, by FrameFault."""
        return {i: self.faults[i] for i in range(16) if self.faults[i]}

    def usage(self) -> dict:
        """The rate budget as last counted."""
        return self.budget.usage()

    @property
    def offset_ns(self) -> int:
        """Venue time minus ours, as last measured."""
        return self.venue_offset_ns
