"""Orders over Binance's WebSocket API: one connection for requests, replies and the user data stream."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.gateway.order_session cimport ColdRequest, OrderSession, Request
from engine.model.approval cimport ApprovedOrder
from engine.model.records cimport Conditions
from engine.venues.binance.order_codec cimport OrderCodec, OwnFrame
from engine.venues.binance.scan cimport tw_cursor

cdef enum SessionStep:
    STEP_DOWN = 0
    STEP_TIME = 1            # the venue's clock is asked first: every signed request needs it
    STEP_LOG_ON = 2
    STEP_SUBSCRIBE = 3
    STEP_READY = 4
    STEP_BANNED = 5          # 418: nothing leaves until the ban is over

cdef enum ListKind:
    LIST_NONE = 0
    LIST_ORDERS = 1
    LIST_TRADES = 2

cdef class BinanceOrderSession(OrderSession):
    cdef OrderCodec codec
    cdef OwnFrame frame
    cdef uint32_t frame_crc32c           # of the frame that is being read
    cdef OwnFrame list_frame             # rows of an answer, read while the frame stands
    cdef object log_on_signer            # callable bytes -> bytes (Ed25519), or None: HMAC per request
    cdef readonly int step
    cdef readonly int64_t time_error_ns  # half the round trip of the last time request
    cdef readonly uint64_t malformed_frames
    cdef uint64_t[16] faults             # of them, by FrameFault
    cdef readonly bint shutdown_announced
    cdef readonly uint64_t time_syncs
    cdef int halves                      # of the session, which this connection carries: orders 1, user stream 2
    cdef int64_t time_interval_ns
    cdef int64_t next_time_mono_ns
    cdef bint time_in_flight
    cdef int64_t asked_mono_ns           # when the session's own last request left
    cdef bint time_wanted
    cdef uint64_t synced_request_id      # the last answered time request
    cdef uint64_t cold_request_id        # the cold request in flight, 0 = none
    cdef int64_t cold_sent_mono_ns
    cdef ColdRequest cold_now
    cdef bint reconcile_failed
    # a reply with many rows, read one record at a time
    cdef char* list_text
    cdef size_t list_capacity
    cdef tw_cursor list_at
    cdef int list_kind
    cdef int list_first
    cdef int64_t list_last_trade_id
    cdef uint32_t list_count

    cdef int on_reply(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1
    cdef bint on_execution(self, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) noexcept nogil
    cdef bint on_order_reply(self, const Request* request, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) noexcept
    # Answers to the orders of a list, one record each; the first carries the frame.
    cdef bint on_list_reply(self, const Request* request, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) noexcept
    cdef int64_t list_number(self, uint64_t order_handle) noexcept
    cdef bint is_plain(self, const ApprovedOrder* terms) noexcept nogil
    cdef const Conditions* conditions_of(self, const ApprovedOrder* terms) noexcept nogil
    cdef int keep_key(self, int size) noexcept nogil
    cdef int on_status(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                       int64_t wall_ns) except -1
    cdef int on_list(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                     int64_t wall_ns) except -1
    cdef int on_account(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int on_time(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                     int64_t wall_ns) except -1
    cdef int on_step_reply(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int emit_balances(self, bint is_complete, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns, int kind) except -1
    # A frame that was refused, behind its reason; counted.
    cdef int emit_refused(self, int fault, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int emit_raw(self, int kind, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int emit_state(self, int state, int halves, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int next_row(self) except -1
    cdef int read_row(self) noexcept
    cdef void take_limits(self) noexcept nogil
    cdef void heed_refusal(self, uint64_t request_id) noexcept nogil
    cdef void begin_ban(self) noexcept nogil
    cdef int find_silence(self) except -1
    cdef int lose(self, str reason) except -1
    cdef int next_cold(self) except -1
    cdef void cold_done(self, bint is_good) noexcept nogil
    cdef bint request_bare(self, int action, int size, uint64_t request_id) noexcept
    cdef readonly str failure
    cdef readonly bint is_key_refused      # the venue refused the key or its signature at the first steps
    cdef int read_acknowledgement(self, int action) noexcept
    cdef int ask_time(self) except -1
    cdef int log_on(self) except -1
    cdef int subscribe(self) except -1
