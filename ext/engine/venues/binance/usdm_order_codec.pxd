"""USD-M futures: orders to the WebSocket order API, events of the private stream, and account lists of REST; no Python object on the way."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.records cimport BalanceRow, Conditions
from engine.venues.binance.order_codec cimport BALANCE_ROWS_MAX, OrderCodec, OwnFrame, PositionRow, ReportScratch
from engine.venues.binance.fields cimport tw_slice
from engine.venues.binance.scan cimport tw_cursor

cdef enum:
    POSITION_ROWS_MAX = 1536    # INSTRUMENT_CAPACITY * POSITION_SIDES

cdef struct AccountChange:
    # of ACCOUNT_UPDATE, or of a REST list; balances stand in the OwnFrame, their venue times here
    int position_count
    bint is_funding
    uint32_t funding_instrument_id       # 0 = the venue does not say
    int64_t[BALANCE_ROWS_MAX] change_e8  # balance change without profit and fees, by balance row
    int64_t[BALANCE_ROWS_MAX] update_ns
    PositionRow[POSITION_ROWS_MAX] positions

cdef class UsdmOrderCodec(OrderCodec):
    cdef AccountChange* change
    # One frame of the private stream; `out.kind` says what it is, `change` holds what ACCOUNT_UPDATE said.
    cdef int decode_user(self, const char* data, Py_ssize_t size, OwnFrame* out) noexcept
    # Rows of GET balance and GET positionRisk: 1 good, 0 refused with `out.fault`.
    cdef int read_wallets(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int read_positions(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int cancel_target(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t venue_ns) noexcept nogil
    cdef int _decode_user(self, const char* data, Py_ssize_t size, OwnFrame* out) noexcept
    cdef int place_terms(self, char* out, uint64_t request_id, const ApprovedOrder* terms, const Conditions* conditions,
                         int64_t venue_ns) noexcept nogil
    cdef int amend(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t lots, int64_t venue_ns) noexcept nogil
    cdef int cancel_algo(self, char* out, uint64_t request_id, uint64_t order_handle, int64_t venue_ns) noexcept nogil
    # A conditional order of a reply or a list: 1 good, 0 refused with `out.fault`.
    cdef int read_algo(self, tw_cursor* c, OwnFrame* out, bint is_whole) noexcept
    cdef int _decode_algo_update(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int _take_algo(self, ReportScratch* scratch, OwnFrame* out) noexcept
    cdef int _decode_other(self, const tw_slice* name, const tw_slice* account, const tw_slice* order, OwnFrame* out) noexcept
    cdef int _decode_trade_update(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int _decode_account(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int _read_wallet(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int _read_position(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef dict _changes(self, const OwnFrame* out)
