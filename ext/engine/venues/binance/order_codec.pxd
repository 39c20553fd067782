"""Requests of the WebSocket API to bytes, its replies and user events to payloads of journal records; no Python object on the way."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.records cimport BalanceRow, ExecutionPayload
from engine.model.tables cimport Tables
from engine.venues.binance.market_codec cimport MarketCodec
from engine.venues.binance.fields cimport tw_slice
from engine.venues.binance.scan cimport tw_cursor
from engine.venues.binance.signer cimport HmacSigner

cdef extern from "order_text.h" nogil:
    ctypedef struct tw_text:
        char* sign
        char* json
    ctypedef struct tw_order_text:
        const char* symbol
        size_t symbol_size
        const char* client_id
        size_t client_id_size
        const char* target_id
        size_t target_id_size
        int64_t price_ticks
        int64_t tick_size_e8
        int64_t qty_lots
        int64_t lot_size_e8
        uint64_t recv_window_ms
        uint64_t timestamp_ms
        int is_sell
        int is_market
        int is_post_only
        int time_in_force
        int is_futures
        int is_reduce_only

    int tw_put_order(tw_text* t, const tw_order_text* o, int is_replace)
    void tw_put_by_client_id(tw_text* t, const tw_order_text* o)
    void tw_put_timing(tw_text* t, const tw_order_text* o, int with_side, int with_force)
    void tw_put_json(tw_text* t, const char* text, size_t size)
    void tw_param(tw_text* t, const char* name, size_t name_size, const char* value, size_t size, int quoted)
    void tw_number(tw_text* t, const char* name, size_t name_size, uint64_t value)
    char* tw_put_u64(char* out, uint64_t value)

cdef extern from "order_bag.h" nogil:
    ctypedef struct tw_bag:
        int count
        int failed
    void tw_bag_open(tw_bag* bag)
    void tw_bag_text(tw_bag* bag, const char* prefix, const char* name, const char* value, size_t size)
    void tw_bag_word(tw_bag* bag, const char* prefix, const char* name, const char* word)
    void tw_bag_copy(tw_bag* bag, const char* prefix, const char* name, const char* value, size_t size)
    void tw_bag_number(tw_bag* bag, const char* prefix, const char* name, uint64_t value)
    void tw_bag_amount(tw_bag* bag, const char* prefix, const char* name, int64_t count, int64_t size_e8)
    void tw_bag_key(tw_bag* bag, const char* value, size_t size)
    int tw_bag_put(const tw_bag* bag, tw_text* t, char** key_at)

cdef enum:
    LIMITS_MAX = 8
    ASSET_SLOTS = 2048
    BALANCE_ROWS_MAX = 512

cdef enum FrameKind:
    FRAME_MALFORMED = 0
    FRAME_REPLY = 1              # has an id and a status
    FRAME_EXECUTION = 2
    FRAME_BALANCES = 3           # outboundAccountPosition
    FRAME_BALANCE_DELTA = 4      # balanceUpdate
    FRAME_TERMINATED = 5         # eventStreamTerminated
    FRAME_SHUTDOWN = 6           # serverShutdown
    FRAME_OTHER = 7
    FRAME_KEY_EXPIRED = 8        # listenKeyExpired
    FRAME_ACCOUNT = 9            # ACCOUNT_UPDATE
    FRAME_WARNING = 10           # MARGIN_CALL, ACCOUNT_CONFIG_UPDATE: a person must look

cdef struct Limit:
    uint8_t is_orders            # else request weight
    int64_t interval_ns
    int64_t limit
    int64_t count

cdef struct ReportScratch:
    # what an order's report says, before its words are understood
    ExecutionPayload report
    tw_slice event
    tw_slice symbol
    tw_slice client_id
    tw_slice orig_id
    tw_slice side
    tw_slice type
    tw_slice force
    tw_slice exec
    tw_slice state
    tw_slice asset
    tw_slice cause
    tw_slice position_side
    tw_slice actual_id
    uint8_t is_working

cdef struct OwnFrame:
    int kind
    uint16_t fault               # FrameFault: why FRAME_MALFORMED, or why a row of a list was refused
    uint64_t request_id
    int32_t status
    int32_t error_code
    int32_t inner_code           # cancelReplace: why the new order failed
    int64_t retry_at_ms          # venue time
    const char* error_text
    size_t error_size
    tw_cursor result             # p = NULL: none
    uint64_t order_seen          # see `order`
    int limit_count
    Limit[LIMITS_MAX] limits
    # of FRAME_EXECUTION, or of a reply's result that names an order
    ExecutionPayload execution
    uint32_t instrument_id
    uint64_t order_handle
    # of FRAME_BALANCES and FRAME_BALANCE_DELTA
    int64_t event_ns
    int64_t update_ns
    int balance_count
    BalanceRow[BALANCE_ROWS_MAX] balances
    # a result that was read as an order while its end was looked for: `order_seen` of ORDER_FIELDS, 0 where it was not
    ReportScratch order

cdef struct PositionRow:
    uint32_t instrument_id
    int64_t position_lots        # signed
    int64_t entry_price_e8
    int64_t update_ns            # of the venue; 0 = not told
    int64_t isolated_wallet_e8
    uint8_t position_side

cdef struct AssetSlot:
    char name[30]
    uint16_t asset_id
    uint8_t size

cdef inline int own_refusal(OwnFrame* out, int fault) noexcept nogil:
    out.fault = <uint16_t> fault
    return 0

# The words of a report into its payload: 1 good, 0 where one is none that may stand there.
cdef bint take_words(ReportScratch* scratch) noexcept nogil

cdef class OrderCodec:
    cdef Tables tables
    cdef uint16_t venue_id               # whose assets are meant by names
    cdef MarketCodec symbols
    cdef HmacSigner signer
    cdef uint16_t engine_id
    cdef readonly uint64_t recv_window_ms
    cdef readonly bint is_logged_on        # then requests carry neither key nor signature
    cdef bytes api_key
    cdef const char* _key
    cdef uint32_t _key_size
    cdef AssetSlot* assets
    cdef char* sign_text
    # where the API key stands in the last text
    cdef uint32_t key_at
    cdef uint32_t key_size
    # Encode into `out` (4096 bytes); the size, or 0 where it cannot be.
    cdef int place(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t venue_ns) noexcept nogil
    # Parameters gathered in a bag: an order's name, and the request's whole text.
    cdef void put_id(self, tw_bag* bag, const char* prefix, const char* name, uint64_t order_handle) noexcept nogil
    cdef int send_bag(self, tw_bag* bag, char* out, const char* method, uint64_t request_id, uint32_t instrument_id,
                      int64_t venue_ns) noexcept nogil
    cdef int by_client_id(self, char* out, const char* method, uint64_t request_id, uint64_t order_handle, uint32_t instrument_id,
                          int64_t venue_ns) noexcept nogil
    cdef int by_symbol(self, char* out, const char* method, uint64_t request_id, uint32_t instrument_id, int64_t venue_ns) noexcept nogil
    cdef int trades(self, char* out, uint64_t request_id, uint32_t instrument_id, uint64_t from_id, bint by_order,
                    int64_t venue_ns) noexcept nogil
    cdef int account(self, char* out, uint64_t request_id, int64_t venue_ns) noexcept nogil
    cdef int open_orders(self, char* out, uint64_t request_id, int64_t venue_ns) noexcept nogil
    cdef int bare(self, char* out, const char* method, uint64_t request_id) noexcept nogil
    cdef int subscribe(self, char* out, uint64_t request_id, int64_t venue_ns) noexcept nogil
    cdef int _timed(self, char* out, const char* method, uint64_t request_id, int64_t venue_ns) noexcept nogil
    cdef void _begin(self, tw_text* text, char* out, const char* method, uint64_t request_id) noexcept nogil
    cdef int _finish(self, tw_text* text, char* out) noexcept nogil
    cdef void _fill(self, tw_order_text* order, uint32_t instrument_id, int64_t venue_ns) noexcept nogil
    # Read one frame; `out.kind` says what it is, `out.fault` why it is malformed.
    cdef void decode(self, const char* data, Py_ssize_t size, OwnFrame* out) noexcept
    cdef int decode_member(self, tw_cursor* c, const char* key, size_t size, uint64_t* seen, OwnFrame* out) noexcept
    cdef bint is_read_as_order(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int decode_event(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int decode_execution(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int decode_balances(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef int decode_delta(self, tw_cursor* c, OwnFrame* out) noexcept
    # An order object of a reply, a trade of myTrades, an account: 1 good, 0 refused with `out.fault`. `is_whole`: with its terms and
    # state (order.status, openOrders.status), not only an acknowledgement.
    cdef int read_order(self, tw_cursor* c, OwnFrame* out, bint is_whole) noexcept
    cdef int read_trade(self, tw_cursor* c, uint32_t instrument_id, OwnFrame* out) noexcept
    cdef int read_account(self, tw_cursor c, OwnFrame* out) noexcept
    cdef int read_balance_rows(self, tw_cursor* c, OwnFrame* out) noexcept
    cdef bint scale(self, OwnFrame* out, const char* symbol, size_t symbol_size) noexcept nogil
    cdef int name_asset(self, const tw_slice* name, uint16_t* asset_id) noexcept
    cdef int asset(self, const char* name, size_t size) noexcept
    cdef int name_new_asset(self, AssetSlot* slot, const char* name, size_t size) noexcept
