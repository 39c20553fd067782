"""One connection of Binance market streams, without a socket: frames in, tape records and descriptors out.

Subscribed are <symbol>@depth@100ms, @bookTicker and @trade of each symbol (or what the venue's kind says), and whole stream names
beside them, by SUBSCRIBE messages on a combined connection; READY when every one was acknowledged. One inbound record per data frame, whatever it holds. A frame that finds no room in the ring or in
the tape's front is a gap: its book is told by a FEED_STATE record that names the instrument, before any later frame.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import msgspec

from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport FeedStatePayload, RecordHeader
from engine.runtime.crc32c cimport crc32c_bytes

STREAMS_PER_REQUEST = 100
STREAMS_MAX = 1024
STREAM_KINDS = ("depth@100ms", "bookTicker", "trade")
# every change at once, which the exchange serves beside its documented 100, 250 and 500 ms
FUTURES_STREAM_KINDS = ("depth@0ms", "bookTicker", "trade")


class Reply(msgspec.Struct):
    """Answer to SUBSCRIBE: {"result":null,"id":1}, or {"code":2,"msg":"Invalid request: ...","id":1}, or with "error"."""

    id: int | str | None = None
    code: int | None = None
    msg: str = ""
    error: object = None


cdef class BinanceMarketSession(Session):
    """A market connection; give it a Link and call `on_open`.

    `codec` decodes the venue's instruments; `symbols` are those of this connection, each with `stream_kinds`; `streams` are further
    names in full. Without `feeds_books` no book depends on the connection: what is lost of it is counted. `subscriptions()` gives the messages to send,
    at most five a second (the exchange's limit on inbound messages).
    """

    def __init__(self, str name, uint32_t session_id, MarketCodec codec not None, Journal journal not None, Ring inbound not None,
                 Counters counters not None, Clock clock not None, object symbols, *, object stream_kinds=STREAM_KINDS,
                 object streams=(), bint feeds_books=True):
        Session.__init__(self, name, session_id)
        self.codec = codec
        self.journal = journal
        self.inbound = inbound
        self.counters = counters
        self.counts = counters.values
        self.clock = clock
        self.venue_id = codec.venue_id
        self.streams = tuple(f"{symbol.lower()}@{kind}" for symbol in symbols for kind in stream_kinds) + tuple(streams)
        self.feeds_books = feeds_books
        if len(self.streams) > STREAMS_MAX:
            raise ValueError(f"{len(self.streams)} streams: a connection carries at most {STREAMS_MAX}")
        self.unanswered = {}
        self.instrument_ids = tuple(codec.add(symbol) for symbol in symbols)

    # --- frames --------------------------------------------------------------------------------------------------------

    cdef int on_frame(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1:
        cdef int kind
        self.last_frame_mono_ns = mono_ns
        if self.owes_gap and not self.tell_gaps(mono_ns, wall_ns):
            self.lost += 1
            return 0
        kind = self.put(0, 0, data, size, mono_ns, wall_ns)
        self.counters.record(STAGE_DECODED, self.clock.lap_ns() - mono_ns)
        if kind == RECORD_KIND_MARKET_FRAME_OTHER:
            self.on_reply(data, size)
        return 1

    cdef int put(self, uint32_t about, int poll, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) noexcept nogil:
        """Decode into claimed space and hand on; returns the record's kind, 0 where there was no room. `about`: the body of a
        REST answer about this instrument, a snapshot or, with its code, a poll."""
        cdef Decoded out
        cdef uint32_t capacity = self.codec.payload_size_max(size)
        cdef RecordHeader* record = NULL
        if not about:
            self.frames += 1
            self.counts[<int> COUNTER_MARKET_FRAMES] += 1
            self.counts[<int> COUNTER_MARKET_BYTES] += <uint64_t> size
        if self.inbound.depth() < self.inbound.capacity:
            record = self.journal.claim(
                LANE_TAPE, RECORD_KIND_MARKET_FRAME_OTHER, <uint32_t> sizeof(RecordHeader) + capacity, False)
        if record == NULL:
            if not about:
                self.note_gap()
            return 0
        if poll:
            self.codec.decode_poll(poll, about, data, size, <char*> record + sizeof(RecordHeader), capacity, &out)
        elif about:
            self.codec.decode_snapshot(about, data, size, <char*> record + sizeof(RecordHeader), capacity, &out)
        else:
            self.codec.decode(data, size, <char*> record + sizeof(RecordHeader), capacity, &out)
        record.wall_ns = wall_ns
        record.mono_ns = mono_ns
        record.frame_length = <uint32_t> size
        record.frame_crc32c = crc32c_bytes(data, size, 0)
        if out.fault != FRAME_FAULT_NONE:
            self.counts[<int> COUNTER_MALFORMED_FRAMES] += 1
            self.faults[out.fault & 15] += 1
        self.rounded += out.rounded
        self.publish(record, &out)
        return out.kind

    cdef void publish(self, RecordHeader* record, const Decoded* out) noexcept nogil:
        cdef Descriptor* slot = self.inbound.claim()
        record.kind = out.kind
        record.venue_id = self.venue_id
        record.instrument_id = out.instrument_id
        record.session_id = self.session_id
        self.journal.shrink(record, <uint32_t> sizeof(RecordHeader) + out.payload_size)
        memset(slot, 0, sizeof(Descriptor))
        slot.kind = out.kind
        slot.venue_id = self.venue_id
        slot.instrument_id = out.instrument_id
        slot.data = out.fault
        slot.wall_ns = record.wall_ns
        slot.mono_ns = record.mono_ns
        slot.record = record
        self.inbound.publish()

    cdef void note_gap(self) noexcept nogil:
        """Whose update was lost is not looked up: every book of the venue is told."""
        cdef uint32_t i
        self.lost += 1
        if not self.feeds_books:
            return
        self.owes_gap = True
        for i in range(1, INSTRUMENT_CAPACITY):
            self.gap_instruments[i] = self.codec.tables.instruments[i].venue_id == self.venue_id

    cdef bint tell_gaps(self, int64_t mono_ns, int64_t wall_ns) noexcept nogil:
        """FEED_STATE for each instrument that lost an update; False while there is no room for all."""
        cdef uint32_t i
        cdef const char* text = b"no room for a frame"
        for i in range(1, INSTRUMENT_CAPACITY):
            if not self.gap_instruments[i]:
                continue
            if not self.put_feed_state(self.state, REASON_RING_FULL, i, <int64_t> self.lost, text, 19, mono_ns, wall_ns):
                return False
            self.gap_instruments[i] = 0
        self.owes_gap = False
        return True

    # --- subscriptions -------------------------------------------------------------------------------------------------

    def subscriptions(self) -> list:
        """The SUBSCRIBE messages of this connection, as bytes; each is awaited."""
        messages = []
        self.unanswered = {}
        for start in range(0, len(self.streams), STREAMS_PER_REQUEST):
            part = self.streams[start:start + STREAMS_PER_REQUEST]
            self.next_request += 1
            self.unanswered[self.next_request] = part
            messages.append(msgspec.json.encode({"method": "SUBSCRIBE", "params": part, "id": self.next_request}))
        return messages

    cdef int on_reply(self, const char* data, Py_ssize_t size) except -1:
        """An acknowledgement makes the session READY when it was the last; a refusal loses the connection, with its reason; a notice
        that the server goes away asks for another connection."""
        if b"serverShutdown" in data[:min(size, 128)]:
            self.wants_rotation = True
            return 0
        if not self.unanswered:
            return 0
        try:
            reply = msgspec.json.decode(data[:size], type=Reply)
        except msgspec.DecodeError:
            return 0
        code, text = reply.code, reply.msg
        if isinstance(reply.error, dict):
            code, text = reply.error.get("code", -1), str(reply.error.get("msg", ""))
        if code is not None:
            self.feed_state(SESSION_STATE_CONNECTED, REASON_VENUE_REJECT, code, f"subscription refused: {text}")
            if self.link is not None:
                self.link.close()
            return 0
        if self.unanswered.pop(reply.id, None) is not None and not self.unanswered:
            self.on_subscribed()
        return 0

    def on_subscribed(self) -> None:
        """READY: record it, and for each instrument that it is fed by this connection from now on, so that another that ends may go
        without its book being lost."""
        cdef bytes text = b"subscribed"
        self.feed_state(SESSION_STATE_READY, REASON_NONE, len(self.streams), "subscribed")
        for instrument_id in self.instrument_ids if self.feeds_books else ():
            self.put_feed_state(SESSION_STATE_READY, REASON_NONE, instrument_id, 0, text, len(text), self.clock.mono_ns(),
                                self.clock.wall_ns())

    # --- life of the connection ----------------------------------------------------------------------------------------

    cpdef on_open(self):
        """The connection stands: record it. Subscriptions are sent by whoever paces them."""
        self.last_frame_mono_ns = self.clock.mono_ns()
        self.feed_state(SESSION_STATE_CONNECTED, REASON_NONE, 0, "connected")

    cpdef on_close(self, str reason):
        if self.state != SESSION_STATE_DOWN:
            self.owed_reason = reason
            self.settle()

    def settle(self) -> bool:
        """Record that the connection is lost where `on_close` found no room for it; False while there is still none."""
        if self.owed_reason is not None and self.feed_state(SESSION_STATE_DOWN, REASON_SESSION_DOWN, 0, self.owed_reason):
            self.owed_reason = None
        return self.owed_reason is None

    def feed_state(self, int state, int reason, int64_t detail, str text) -> bool:
        """Record a change of this connection. False where the tape has no room for it."""
        cdef bytes encoded = text.encode()[:512]
        if state == SESSION_STATE_READY and self.state != SESSION_STATE_READY:
            self.counts[<int> COUNTER_FEED_SESSIONS_READY] += 1
        elif state != SESSION_STATE_READY and self.state == SESSION_STATE_READY:
            self.counts[<int> COUNTER_FEED_SESSIONS_READY] -= 1
        self.state = state
        return self.put_feed_state(state, reason, 0, detail, encoded, len(encoded), self.clock.mono_ns(), self.clock.wall_ns())

    cdef bint put_feed_state(self, int state, int reason, uint32_t instrument_id, int64_t detail, const char* text, size_t size,
                             int64_t mono_ns, int64_t wall_ns) noexcept nogil:
        cdef Decoded out
        cdef FeedStatePayload* payload
        cdef RecordHeader* record
        cdef uint32_t payload_size = <uint32_t> (sizeof(FeedStatePayload) + size)
        if self.inbound.depth() >= self.inbound.capacity:
            return False
        record = self.journal.claim(LANE_TAPE, RECORD_KIND_FEED_STATE, <uint32_t> sizeof(RecordHeader) + payload_size, False)
        if record == NULL:
            return False
        payload = <FeedStatePayload*> (<char*> record + sizeof(RecordHeader))
        memset(payload, 0, sizeof(FeedStatePayload))
        payload.session_state = state
        payload.reason = reason
        payload.detail = detail
        memcpy(<char*> payload + sizeof(FeedStatePayload), text, size)
        record.wall_ns = wall_ns
        record.mono_ns = mono_ns
        memset(&out, 0, sizeof(Decoded))
        out.kind = RECORD_KIND_FEED_STATE
        out.instrument_id = instrument_id
        out.payload_size = payload_size
        self.publish(record, &out)
        return True

    # --- snapshots -----------------------------------------------------------------------------------------------------

    def put_snapshot(self, uint32_t instrument_id, bytes body) -> bool:
        """The body of GET depth as a record; the caller runs the pipeline. False where there was no room: ask again later."""
        cdef const char* data = body
        return self.put(instrument_id, 0, data, len(body), self.clock.mono_ns(), self.clock.wall_ns()) != 0

    def put_poll(self, int poll, uint32_t instrument_id, bytes body) -> bool:
        """The body of a REST poll (its code is the codec's) as a record; the caller runs the pipeline. False without room."""
        cdef const char* data = body
        return self.put(instrument_id, poll, data, len(body), self.clock.mono_ns(), self.clock.wall_ns()) != 0

    def fault_counts(self) -> dict:
        """How many frames were refused, by FrameFault."""
        return {i: self.faults[i] for i in range(16) if self.faults[i]}
