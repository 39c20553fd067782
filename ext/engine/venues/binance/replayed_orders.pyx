"""The order session of a replay: the line's real codec, and in the place of the connection the requests that left then.

What the core hands over is encoded again, with the number, the clock offset and the stamps of the recorded request, and must be the same
text. Where nothing was recorded it did not leave (no connection, no budget): then its answer, a notice, is among the recorded inputs.
A signature is left out of the comparison unless the credential is given; the key's masked characters are those of the journal.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset
from engine.journal.replayed cimport *
from engine.model.approval cimport *
from engine.model.codes cimport RECORD_KIND_STATE_HASH
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport RecordHeader
from engine.venues.binance.order_session cimport BinanceOrderSession
from engine.venues.binance.usdm_order_session cimport UsdmOrderSession

cdef enum:
    ITEMS_PER_DRAIN = 64
    SIGNATURE_SIZE = 64

cdef char* SIGNATURE = b'"signature":"'


cdef class ReplayGateway(Actor):
    """`session` encodes; it is never connected. `has_key`: its credential is the one that was used then."""

    def __init__(self, str name, BinanceOrderSession session not None, RecordedSession recorded not None, *, bint has_key=False):
        super().__init__(name)
        self.session = session
        self.is_usdm = isinstance(session, UsdmOrderSession)
        self.usdm = session if self.is_usdm else None
        self.recorded = recorded
        self.has_key = has_key
        self.last_number = <uint64_t> session.journal.epoch << 32
        if session.log_on_signer is not None:
            session.codec.log_on(True)

    cdef int do_work(self) except -1:
        cdef Descriptor* item
        cdef int done = 0
        if self.recorded.state.is_off:
            return self._work_live()
        if self.recorded.state.finding and self.recorded.state.is_held:
            # another strategy's first other requests: they leave on paper
            return 0
        while done < ITEMS_PER_DRAIN:
            item = self.session.outbound.peek()
            if item == NULL:
                break
            self._take(item)
            self.session.outbound.release()
            done += 1
        return done

    cdef int _work_live(self) except -1:
        """The session was left: requests go over the connection that the session has by now."""
        cdef BinanceOrderSession session = self.session
        cdef int done = 0
        if session.is_ready:
            self.has_connected = True
        if self.has_connected:
            done = session.drain()
        if session.is_input_lost and 2 * session.inbound.depth() < session.inbound.capacity:
            session.is_input_lost = False
            session.recover_inputs()
            done += 1
        return done + session.work_of_own()

    cdef int _take(self, const Descriptor* item) noexcept:
        """As the live session does it, without what only a connection has: budget, numbers, the transport."""
        cdef int action = item.data
        if action == OUTBOUND_LIST_LEG:
            return self._take_leg(item)
        if OUTBOUND_RECONCILE_BEGIN <= action <= OUTBOUND_RECONCILE_END:
            return 0
        if action == OUTBOUND_QUERY and self.session.asks_slowly(item.order_handle):
            return 0
        if action == OUTBOUND_SUBMIT or action == OUTBOUND_REPLACE:
            if not self.session._spend(item):
                return 0
        elif action == OUTBOUND_AMEND and not self.session.lessens(item):
            return 0
        return self._ask(item, action, item.order_handle)

    cdef bint _take_leg(self, const Descriptor* item) noexcept:
        cdef BinanceOrderSession session = self.session
        cdef uint64_t first
        cdef int count
        if not session._spend(item):
            return False
        first = session.register.conditions[item.flags].list_handle
        count = session.register.conditions[item.flags].list_size
        if session.list_count and session.register.conditions[session.list_slots[0]].list_handle != first:
            session.list_count = 0
        session.list_slots[session.list_count] = item.flags
        session.list_count += 1
        if session.list_count < count and session.list_count < 3:
            return True
        self._ask(item, OUTBOUND_LIST_LEG, first)
        session.list_count = 0
        return True

    cdef int _ask(self, const Descriptor* item, int action, uint64_t order_handle) noexcept:
        """Did it leave then, and as the same text?"""
        cdef TwRecorded* state = &self.recorded.state
        cdef TwRecord* record
        cdef RecordHeader* header
        cdef int verdict
        tw_recorded_pass_edges(state, &self.session.journal.last_seq)
        record = state.head
        header = <RecordHeader*> record
        if (state.finding or record == NULL or tw_class_of(state, record) != TW_IS_REQUEST or header.venue_id != self.session.venue_id
                or tw_request_action(record) != action or header.order_handle != order_handle
                or header.instrument_id != item.instrument_id):
            self.withheld += 1
            self._keep(item, action, order_handle)
            return 0
        tw_recorded_touch(state, record)
        self.session.venue_offset_ns = state.offset_ns[self.session.venue_id & 15]
        verdict = self._number(record)
        if verdict == TW_SAME:
            verdict = self._compare(record, self._encode(item, action, tw_request_number(record)))
        if verdict == TW_SAME and header.cause_seq != item.seq:
            verdict = TW_DIFFERENT
        self.last_verdict = verdict
        if verdict != TW_SAME:
            tw_recorded_find(state, verdict, record, NULL)
            return 0
        if action == OUTBOUND_REPLACE and self.is_usdm:
            self.replaces[self.replace_at % REPLACES_KEPT] = ReplaceStamp(order_handle, header.wall_ns)
            self.replace_at += 1
        self.compared += 1
        state.requests += 1
        self.session.journal.last_seq = header.seq
        tw_recorded_pass(state)
        return 1

    cdef void _keep(self, const Descriptor* item, int action, uint64_t order_handle) noexcept nogil:
        cdef HandedOver* row = &self.handed[self.handed_at % HANDED_KEPT]
        cdef int leg
        if action != OUTBOUND_SUBMIT and action != OUTBOUND_REPLACE and action != OUTBOUND_LIST_LEG:
            return
        row.item = item[0]
        row.action = action
        row.order_handle = order_handle
        row.count = self.session.list_count if action == OUTBOUND_LIST_LEG else 0
        for leg in range(row.count):
            row.slots[leg] = self.session.list_slots[leg]
        self.handed_at += 1

    cdef int claim(self, TwRecord* record) noexcept:
        """A request that left later than it was handed over (level `order`): it is the core's where it is that order's, byte for byte."""
        cdef RecordHeader* header = <RecordHeader*> record
        cdef HandedOver* row
        cdef int verdict
        cdef uint32_t back
        for back in range(1, min(self.handed_at, <uint32_t> HANDED_KEPT) + 1):
            row = &self.handed[(self.handed_at - back) % HANDED_KEPT]
            if row.item.seq == header.cause_seq and row.action == tw_request_action(record) and row.order_handle == header.order_handle:
                verdict = self._claimed(row, record)
                row.item.seq = 0
                return verdict
        return TW_UNCLAIMED

    cdef int _claimed(self, const HandedOver* row, TwRecord* record) noexcept:
        cdef BinanceOrderSession session = self.session
        cdef int verdict = self._number(record), gathered = session.list_count, leg
        cdef uint32_t[LIST_LEGS_MAX] slots
        if row.action != OUTBOUND_LIST_LEG and session.register.slots[row.item.flags].order_handle != row.order_handle:
            verdict = TW_NOT_SENT
        if verdict == TW_SAME:
            session.venue_offset_ns = self.recorded.state.offset_ns[session.venue_id & 15]
            for leg in range(LIST_LEGS_MAX):
                slots[leg] = session.list_slots[leg]
                session.list_slots[leg] = row.slots[leg] if row.count else slots[leg]
            session.list_count = row.count or gathered
            verdict = self._compare(record, self._encode(&row.item, row.action, tw_request_number(record)))
            for leg in range(LIST_LEGS_MAX):
                session.list_slots[leg] = slots[leg]
            session.list_count = gathered
        self.last_verdict = verdict
        if verdict == TW_SAME:
            if row.action == OUTBOUND_REPLACE and self.is_usdm:
                self.replaces[self.replace_at % REPLACES_KEPT] = ReplaceStamp(row.order_handle, (<RecordHeader*> record).wall_ns)
                self.replace_at += 1
            self.compared += 1
            self.withheld -= 1
        return verdict

    cdef int _encode(self, const Descriptor* item, int action, uint64_t number) noexcept:
        cdef BinanceOrderSession session = self.session
        if action == OUTBOUND_SUBMIT or action == OUTBOUND_REPLACE:
            return session.encode_order(&session.register.slots[item.flags], number)
        if action == OUTBOUND_LIST_LEG:
            return session.encode_list(session.list_slots, session.list_count, number)
        if action == OUTBOUND_QUERY:
            return session.encode_query(item.order_handle, item.instrument_id, number)
        if action == OUTBOUND_CANCEL:
            return session.encode_cancel(item.order_handle, item.instrument_id, number)
        if action == OUTBOUND_CANCEL_LIST:
            return session.encode_cancel_list(item.order_handle, item.instrument_id, number)
        if action == OUTBOUND_AMEND:
            return session.encode_amend(item.order_handle, item.instrument_id, <int64_t> item.cause_seq, number)
        return session.encode_cancel_all(item.instrument_id, number)

    cdef int _compare(self, const TwRecord* record, int size) noexcept nogil:
        """`size` bytes of `session.text` with the recorded ones."""
        cdef uint32_t recorded_size
        cdef const uint8_t* recorded = tw_request_text(record, &recorded_size)
        cdef uint8_t* text = <uint8_t*> self.session.text
        cdef int at
        self.last_size = max(size, 0)
        if size <= 0 or <uint32_t> size != recorded_size:
            return TW_OTHER_BYTES
        if self.session.key_size > 4:
            memset(text + self.session.key_at + 4, c'*', self.session.key_size - 4)
        at = -1 if self.has_key else tw_has_text(recorded, recorded_size, SIGNATURE, 13) - 1
        if at < 0:
            return TW_SAME if memcmp(text, recorded, recorded_size) == 0 else TW_OTHER_BYTES
        at += 13
        if memcmp(text, recorded, at) or at + SIGNATURE_SIZE > <int> recorded_size:
            return TW_OTHER_BYTES
        at += SIGNATURE_SIZE
        return TW_SAME if memcmp(text + at, recorded + at, recorded_size - at) == 0 else TW_OTHER_BYTES

    cdef int _number(self, const TwRecord* record) noexcept nogil:
        """Every request of a line has the number after the one before it, whoever asked."""
        cdef uint64_t number = tw_request_number(record)
        cdef bint follows = number == self.last_number + 1
        self.last_number = number
        return TW_SAME if follows else TW_OTHER_NUMBER

    cdef int judge(self, TwRecord* record) noexcept:
        """A request that was not the core's: its number; and of a replace's second half the bytes too."""
        cdef RecordHeader* header = <RecordHeader*> record
        cdef const ApprovedOrder* terms
        cdef uint32_t back
        cdef int verdict = self._number(record)
        if verdict != TW_SAME or not self.is_usdm or tw_class_of(&self.recorded.state, record) != TW_IS_SUCCESSOR:
            return verdict
        terms = self.session.register.find(header.order_handle)
        for back in range(1, min(self.replace_at, <uint32_t> REPLACES_KEPT) + 1):
            if self.replaces[(self.replace_at - back) % REPLACES_KEPT].order_handle == header.order_handle:
                if terms == NULL or terms.state != SLOT_SPENT:
                    return TW_NOT_SENT
                self.session.venue_offset_ns = self.recorded.state.offset_ns[self.session.venue_id & 15]
                self.compared += 1
                self.last_verdict = self._compare(record, self.usdm.encode_place(
                    terms, tw_request_number(record),
                    self.replaces[(self.replace_at - back) % REPLACES_KEPT].wall_ns + self.session.venue_offset_ns))
                return self.last_verdict
        return TW_NOT_SENT


cdef int32_t judge_request(void* context, TwRecord* record) noexcept:
    cdef ReplayGateways all_lines = <ReplayGateways> context
    cdef void* gateway
    if (<RecordHeader*> record).kind == RECORD_KIND_STATE_HASH:
        return all_lines.judge_state(record)
    gateway = all_lines.by_venue[(<RecordHeader*> record).venue_id & 15]
    return TW_SAME if gateway == NULL else (<ReplayGateway> gateway).judge(record)


cdef int32_t claim_request(void* context, TwRecord* record) noexcept:
    cdef void* gateway = (<ReplayGateways> context).by_venue[(<RecordHeader*> record).venue_id & 15]
    return TW_UNCLAIMED if gateway == NULL else (<ReplayGateway> gateway).claim(record)


cdef class ReplayGateways:
    """The gateways of all lines, so that a request of the sessions' own finds its line."""

    def __init__(self, RecordedSession recorded not None):
        self.recorded = recorded
        self._gateways = []
        self.state_differences = []

    def __dealloc__(self):
        if self.recorded is not None and self.recorded.state.judge_of == <void*> self:
            self.recorded.state.judge = NULL
            self.recorded.state.claim = NULL

    cdef int judge_state(self, TwRecord* record) noexcept:
        """A hash of the core's state: `on_state` names the sections that have another one now."""
        if self.on_state is None:
            return TW_SAME
        try:
            self.state_differences = self.on_state((<const char*> record)[:record.length])
        except Exception as error:  # whatever it is, the state was not found to be the same
            self.state_differences = [repr(error)]
        self.states += 1
        return TW_DIFFERENT if self.state_differences else TW_SAME

    def add(self, ReplayGateway gateway not None) -> None:
        """One line's; from the first on, requests are judged."""
        self._gateways.append(gateway)
        self.by_venue[gateway.session.venue_id & 15] = <void*> gateway
        self.recorded.state.judge_of = <void*> self
        self.recorded.state.judge = judge_request
        self.recorded.state.claim = claim_request

    def text(self) -> bytes:
        """What was encoded last, of whichever line the difference is."""
        cdef ReplayGateway gateway
        for gateway in self._gateways:
            if gateway.last_verdict == TW_OTHER_BYTES:
                return gateway.session.text[:gateway.last_size]
        return b""

    @property
    def has_all_keys(self) -> bool:
        """Are signatures compared too."""
        cdef ReplayGateway gateway
        for gateway in self._gateways:
            if not gateway.has_key:
                return False
        return True

    def counts(self) -> dict:
        """By line: (requests compared, handed over and not sent then)."""
        return {gateway.name: (gateway.compared, gateway.withheld) for gateway in self._gateways}
