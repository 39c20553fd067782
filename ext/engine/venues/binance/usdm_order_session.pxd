"""USD-M orders over the WebSocket order API, the user's events over the private stream, the rest by REST through the keeper."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from engine.gateway.order_session cimport Request
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovedOrder
from engine.model.records cimport RecordHeader
from engine.runtime.session cimport Session
from engine.venues.binance.order_codec cimport PositionRow, OwnFrame
from engine.venues.binance.order_session cimport BinanceOrderSession
from engine.venues.binance.usdm_order_codec cimport UsdmOrderCodec

cdef enum:
    ASSETS = 512
    # session ids of what is no WebSocket of orders: record.session_id = the session's own plus these
    USER_STREAM_OFFSET = 1
    REST_OFFSET = 2

cdef enum OrderPart:
    # open orders stand in two lists
    PART_ORDERS = 0
    PART_CONDITIONAL = 1

cdef enum AccountPart:
    PART_POSITIONS = 0
    PART_BALANCES = 1
    PART_INCOME = 2

cdef class UsdmOrderSession(BinanceOrderSession):
    cdef UsdmOrderCodec usdm
    cdef OwnFrame user_frame
    cdef uint32_t frame_session_id       # stands in the records of the frame at hand
    cdef object wake                     # called when REST has something to do
    cdef UsdmUserSession user            # the private connection that counts; None while there is none
    cdef readonly bint is_user_ready
    cdef bint is_time_wished
    cdef uint64_t asked_after_id         # the last request that had left when the clock was asked
    cdef bint is_wish_taken
    cdef int account_part
    cdef int order_part
    cdef int64_t replace_patience_ns     # an old order's cancel that takes longer is not followed by the new order
    cdef int64_t[ASSETS] balance_event_ns  # venue time of the latest word of the stream, by asset
    cdef int encode_place(self, const ApprovedOrder* terms, uint64_t request_id, int64_t venue_ns) noexcept nogil
    cdef bint waits_for_price(self, uint64_t order_handle) noexcept nogil
    cdef int on_algo_status(self, uint64_t token, int status, const char* data, Py_ssize_t size, uint32_t crc) except -1
    cdef int on_user_frame(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int on_account_update(self, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int on_replace_cancelled(self, const Request* request, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns,
                                  int64_t wall_ns) except -1
    cdef int send_successor(self, const Request* request, const ApprovedOrder* terms) noexcept
    cdef int answer_replace(self, const Request* request, int status, int error_code, int part, Py_ssize_t size, uint32_t crc,
                            int64_t mono_ns, int64_t wall_ns) except -1
    cdef int on_positions(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t as_of_ns) except -1
    cdef int on_wallets(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t as_of_ns) except -1
    cdef int emit_position(self, const PositionRow* row, int64_t as_of_ns, bint is_answer) except -1
    cdef int _answer_position(self, uint32_t instrument_id, int side, int64_t as_of_ns) except -1
    cdef int _cold_weight(self) noexcept nogil
    cdef int emit_settlement(self, uint32_t instrument_id, uint16_t asset_id, int64_t event_ns, int64_t amount_e8, int payments) except -1
    cdef int emit_funding(self, int row) except -1
    cdef int emit_warning(self, const char* data, Py_ssize_t size, uint32_t crc, int64_t mono_ns, int64_t wall_ns) except -1
    cdef int begin_wish(self) except -1
    cdef bint drop_stale(self, OwnFrame* frame, int64_t as_of_ns) noexcept nogil
    cdef void _clear_cold(self) noexcept nogil

cdef class UsdmUserSession(Session):
    cdef UsdmOrderSession orders
    cdef readonly bint is_expired        # the venue said that the key is dead; the connection may still stand
