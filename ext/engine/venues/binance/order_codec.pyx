"""The WebSocket order API in both directions (web-socket-api.md, user-data-stream.md of the exchange's spot documentation).

Parameters are written in the order in which they are signed. Numbers arrive as decimal text with 8 places and leave as short decimals:
"excess decimals" is an error of its own there (-1111). Times arrive in milliseconds and become nanoseconds.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset, strlen
from engine.model.approval cimport OUTBOUND_REPLACE, ApprovedOrder
from engine.model.clientid cimport CLIENT_ID_LENGTH, encode_client_id
from engine.model.codes cimport *
from engine.model.records cimport BalanceRow, ExecutionPayload
from engine.model.tables cimport Instrument, Tables
from engine.venues.binance.fields cimport *
from engine.venues.binance.market_codec cimport MarketCodec, SymbolRow
from engine.venues.binance.scan cimport *
from engine.venues.binance.signer cimport SIGNATURE_SIZE, HmacSigner
from engine.venues.binance.words cimport *

cdef enum:
    SIGN_CAPACITY = 4096
    MS_NS = 1000000
    TRADES_PER_PAGE = 1000
    CODE_RATE_LIMIT = -1003
    ASSET_NAME_MAX = 30
    INTERVALS_MAX = 10000        # of a rate limit: longer ones do not fit in nanoseconds

cdef enum Member:
    # keys of a frame's outer object, as bits
    MEMBER_EVENT = 1
    MEMBER_ID = 2
    MEMBER_STATUS = 4
    MEMBER_RESULT = 8
    MEMBER_ERROR = 16
    MEMBER_LIMITS = 32


# what stands in a row of rateLimits, of balances, in an error
cdef struct LimitScratch:
    tw_slice type
    tw_slice interval
    int64_t number
    int64_t limit
    int64_t count

cdef struct BalanceScratch:
    BalanceRow row
    tw_slice asset

cdef struct DeltaScratch:
    int64_t event_ns
    int64_t amount_e8
    tw_slice event
    tw_slice asset

cdef struct BalancesScratch:
    int64_t event_ns
    int64_t update_ns
    tw_slice event
    tw_slice rows

cdef struct ErrorScratch:
    int32_t code
    tw_slice text
    tw_slice data
    tw_slice response
    int64_t retry_at_ms

cdef tw_fields REPORT_FIELDS, ORDER_FIELDS, TRADE_FIELDS, LIMIT_FIELDS, BALANCE_FIELDS, DELTA_FIELDS, BALANCES_FIELDS
cdef tw_fields ERROR_FIELDS, ERROR_DATA_FIELDS, INNER_FIELDS, ACCOUNT_FIELDS
cdef uint64_t ORDER_WHOLE = 0          # of ORDER_FIELDS: what must stand where the order itself was asked for
cdef uint64_t REPORT_OF_TRADE = 0      # of REPORT_FIELDS: what must stand in a fill
cdef uint64_t REPORT_WORKING = 0, ORDER_WORKING = 0
cdef uint64_t TRADE_IS_BUYER = 0, TRADE_IS_MAKER = 0
cdef uint64_t ONE = 1


cdef int lay_report(tw_fields* t) except -1:
    global REPORT_OF_TRADE, REPORT_WORKING
    cdef ReportScratch* o = <ReportScratch*> TW_LAYOUT
    add_field(t, b"e", TW_FIELD_TEXT, &o.event)
    add_field(t, b"E", TW_FIELD_TIME, &o.report.event_ns)
    add_field(t, b"s", TW_FIELD_TEXT, &o.symbol)
    add_field(t, b"c", TW_FIELD_TEXT, &o.client_id)
    add_field(t, b"S", TW_FIELD_TEXT, &o.side)
    add_field(t, b"o", TW_FIELD_TEXT, &o.type)
    add_field(t, b"f", TW_FIELD_TEXT, &o.force)
    add_field(t, b"q", TW_FIELD_DECIMAL, &o.report.qty_lots)
    add_field(t, b"p", TW_FIELD_DECIMAL, &o.report.price_ticks)
    add_field(t, b"C", TW_FIELD_TEXT, &o.orig_id)
    add_field(t, b"x", TW_FIELD_TEXT, &o.exec)
    add_field(t, b"X", TW_FIELD_TEXT, &o.state)
    add_field(t, b"i", TW_FIELD_INT, &o.report.venue_order_id)
    add_field(t, b"l", TW_FIELD_DECIMAL, &o.report.last_qty_lots)
    add_field(t, b"z", TW_FIELD_DECIMAL, &o.report.cum_qty_lots)
    add_field(t, b"L", TW_FIELD_DECIMAL, &o.report.last_price_ticks)
    REPORT_OF_TRADE |= ONE << add_field(t, b"n", TW_FIELD_SIGNED, &o.report.commission_e8, 0, False)
    REPORT_OF_TRADE |= ONE << add_field(t, b"N", TW_FIELD_NAME, &o.asset, 0, False)
    add_field(t, b"T", TW_FIELD_TIME, &o.report.transact_ns)
    add_field(t, b"t", TW_FIELD_INT, &o.report.trade_id)
    add_field(t, b"I", TW_FIELD_INT, &o.report.execution_id, 0, False)
    REPORT_WORKING |= ONE << add_field(t, b"w", TW_FIELD_BOOL, &o.is_working, 0, False)
    REPORT_OF_TRADE |= ONE << add_field(t, b"m", TW_FIELD_BOOL, &o.report.is_maker, 0, False)
    add_field(t, b"Z", TW_FIELD_DECIMAL, &o.report.cum_quote_e8, 0, False)
    add_field(t, b"eR", TW_FIELD_TEXT, &o.cause, 0, False)
    return 0


cdef int lay_orders(tw_fields* orders, tw_fields* trades) except -1:
    """An order and a trade as REST and replies show them; USD-M's userTrades say "buyer" and "maker"."""
    global ORDER_WHOLE, ORDER_WORKING, TRADE_IS_BUYER, TRADE_IS_MAKER
    cdef ReportScratch* o = <ReportScratch*> TW_LAYOUT
    add_field(orders, b"symbol", TW_FIELD_TEXT, &o.symbol)
    add_field(orders, b"orderId", TW_FIELD_INT, &o.report.venue_order_id)
    ORDER_WHOLE |= ONE << add_field(orders, b"clientOrderId", TW_FIELD_TEXT, &o.client_id, 0, False)
    add_field(orders, b"transactTime", TW_FIELD_TIME, &o.report.event_ns, 0, False)
    ORDER_WHOLE |= ONE << add_field(orders, b"price", TW_FIELD_DECIMAL, &o.report.price_ticks, 0, False)
    ORDER_WHOLE |= ONE << add_field(orders, b"origQty", TW_FIELD_DECIMAL, &o.report.qty_lots, 0, False)
    ORDER_WHOLE |= ONE << add_field(orders, b"executedQty", TW_FIELD_DECIMAL, &o.report.cum_qty_lots, 0, False)
    add_field(orders, b"cummulativeQuoteQty", TW_FIELD_SIGNED, &o.report.cum_quote_e8, 0, False)
    ORDER_WHOLE |= ONE << add_field(orders, b"status", TW_FIELD_TEXT, &o.state, 0, False)
    add_field(orders, b"timeInForce", TW_FIELD_TEXT, &o.force, 0, False)
    add_field(orders, b"type", TW_FIELD_TEXT, &o.type, 0, False)
    ORDER_WHOLE |= ONE << add_field(orders, b"side", TW_FIELD_TEXT, &o.side, 0, False)
    add_field(orders, b"updateTime", TW_FIELD_TIME, &o.report.transact_ns, 0, False)
    ORDER_WORKING |= ONE << add_field(orders, b"isWorking", TW_FIELD_BOOL, &o.is_working, 0, False)
    add_field(orders, b"expiryReason", TW_FIELD_TEXT, &o.cause, 0, False)
    add_field(orders, b"positionSide", TW_FIELD_TEXT, &o.position_side, 0, False)
    add_field(orders, b"origClientOrderId", TW_FIELD_TEXT, &o.orig_id, 0, False)
    add_field(trades, b"symbol", TW_FIELD_TEXT, &o.symbol)
    add_field(trades, b"id", TW_FIELD_INT, &o.report.trade_id)
    add_field(trades, b"orderId", TW_FIELD_INT, &o.report.venue_order_id)
    add_field(trades, b"price", TW_FIELD_DECIMAL, &o.report.last_price_ticks)
    add_field(trades, b"qty", TW_FIELD_DECIMAL, &o.report.last_qty_lots)
    add_field(trades, b"commission", TW_FIELD_SIGNED, &o.report.commission_e8)
    add_field(trades, b"commissionAsset", TW_FIELD_NAME, &o.asset)
    add_field(trades, b"time", TW_FIELD_TIME, &o.report.event_ns)
    TRADE_IS_BUYER |= ONE << add_field(trades, b"isBuyer", TW_FIELD_BOOL, &o.report.side, 0, False)
    TRADE_IS_BUYER |= ONE << add_field(trades, b"buyer", TW_FIELD_BOOL, &o.report.side, 0, False)
    TRADE_IS_MAKER |= ONE << add_field(trades, b"isMaker", TW_FIELD_BOOL, &o.report.is_maker, 0, False)
    TRADE_IS_MAKER |= ONE << add_field(trades, b"maker", TW_FIELD_BOOL, &o.report.is_maker, 0, False)
    return 0


cdef int lay_balances(tw_fields* rows, tw_fields* balances, tw_fields* delta, tw_fields* account) except -1:
    """Of the stream: a, f, l; of account.status: asset, free, locked."""
    cdef BalanceScratch* b = <BalanceScratch*> TW_LAYOUT
    cdef BalancesScratch* l = <BalancesScratch*> TW_LAYOUT
    cdef DeltaScratch* d = <DeltaScratch*> TW_LAYOUT
    for key, long_key in ((b"a", b"asset"), (b"f", b"free"), (b"l", b"locked")):
        for name in (key, long_key):
            if key == b"a":
                add_field(rows, name, TW_FIELD_TEXT, &b.asset, 0, False)
            elif key == b"f":
                add_field(rows, name, TW_FIELD_DECIMAL, &b.row.free_e8, 0, False)
            else:
                add_field(rows, name, TW_FIELD_DECIMAL, &b.row.locked_e8, 0, False)
    add_field(balances, b"e", TW_FIELD_TEXT, &l.event)
    add_field(balances, b"E", TW_FIELD_TIME, &l.event_ns)
    add_field(balances, b"u", TW_FIELD_TIME, &l.update_ns)
    add_field(balances, b"B", TW_FIELD_VALUE, &l.rows)
    add_field(account, b"balances", TW_FIELD_VALUE, &l.rows)
    add_field(account, b"updateTime", TW_FIELD_TIME, &l.update_ns, 0, False)
    add_field(delta, b"e", TW_FIELD_TEXT, &d.event)
    add_field(delta, b"E", TW_FIELD_TIME, &d.event_ns)
    add_field(delta, b"a", TW_FIELD_TEXT, &d.asset)
    add_field(delta, b"d", TW_FIELD_SIGNED, &d.amount_e8)
    return 0


cdef int lay_replies(tw_fields* limits, tw_fields* error, tw_fields* data, tw_fields* inner) except -1:
    cdef LimitScratch* i = <LimitScratch*> TW_LAYOUT
    cdef ErrorScratch* e = <ErrorScratch*> TW_LAYOUT
    add_field(limits, b"rateLimitType", TW_FIELD_TEXT, &i.type)
    add_field(limits, b"interval", TW_FIELD_TEXT, &i.interval)
    add_field(limits, b"intervalNum", TW_FIELD_INT, &i.number)
    add_field(limits, b"limit", TW_FIELD_INT, &i.limit)
    add_field(limits, b"count", TW_FIELD_INT, &i.count)
    add_field(error, b"code", TW_FIELD_INT32, &e.code)
    add_field(error, b"msg", TW_FIELD_RAW, &e.text, 0, False)
    add_field(error, b"data", TW_FIELD_VALUE, &e.data, 0, False)
    add_field(data, b"retryAfter", TW_FIELD_INT, &e.retry_at_ms, 0, False)
    add_field(data, b"newOrderResponse", TW_FIELD_VALUE, &e.response, 0, False)
    add_field(inner, b"code", TW_FIELD_INT32, &e.code, 0, False)
    return 0


lay_report(&REPORT_FIELDS)
lay_orders(&ORDER_FIELDS, &TRADE_FIELDS)
lay_balances(&BALANCE_FIELDS, &BALANCES_FIELDS, &DELTA_FIELDS, &ACCOUNT_FIELDS)
lay_replies(&LIMIT_FIELDS, &ERROR_FIELDS, &ERROR_DATA_FIELDS, &INNER_FIELDS)


cdef class OrderCodec:
    """Encodes with `signer` and `api_key` (HMAC), or - once `log_on` was called - without either.

    `symbols`: a MarketCodec of the same venue that knows the symbols traded.
    """

    def __cinit__(self, Tables tables not None, MarketCodec symbols not None, *, int engine_id, str api_key not None,
                  HmacSigner signer=None, uint64_t recv_window_ms=5000):
        if not api_key or not api_key.isascii() or len(api_key) > 128 or '"' in api_key or "\\" in api_key:
            raise ValueError("the API key must be 1 to 128 ASCII characters without quotes")
        if not 0 < recv_window_ms <= 60_000:
            raise ValueError(f"recv_window_ms {recv_window_ms} is not within 1..60000")
        self.tables = tables
        self.symbols = symbols
        self.venue_id = symbols.venue_id
        self.engine_id = engine_id
        self.api_key = api_key.encode()
        self._key = self.api_key
        self._key_size = <uint32_t> len(self.api_key)
        self.signer = signer
        self.recv_window_ms = recv_window_ms
        if signer is not None:
            signer.set_prefix(b"apiKey=" + self.api_key + b"&")
        self.assets = <AssetSlot*> calloc(ASSET_SLOTS, sizeof(AssetSlot))
        self.sign_text = <char*> calloc(1, SIGN_CAPACITY)
        if not (self.assets and self.sign_text):
            raise MemoryError("order codec")

    def __dealloc__(self):
        free(self.assets)
        free(self.sign_text)

    def __reduce__(self):
        raise TypeError("an order codec holds a key: it is neither pickled nor copied")

    def log_on(self, bint is_logged_on=True) -> None:
        """The connection is authenticated: requests need neither key nor signature."""
        self.is_logged_on = is_logged_on

    # --- requests ---

    cdef void _begin(self, tw_text* text, char* out, const char* method, uint64_t request_id) noexcept nogil:
        """Id, method and - where the request is signed - the key; `text.sign` starts behind the prefix's room."""
        cdef char* start = out
        text.json = out
        tw_put_json(text, b'{"id":', 6)
        text.json = tw_put_u64(text.json, request_id)
        tw_put_json(text, b',"method":"', 11)
        tw_put_json(text, method, strlen(method))
        tw_put_json(text, b'","params":{', 12)
        self.key_size = 0
        text.sign = NULL
        if self.signer is not None and not self.is_logged_on:
            tw_put_json(text, b'"apiKey":"', 10)
            self.key_at = <uint32_t> (text.json - start)
            self.key_size = self._key_size
            tw_put_json(text, self._key, self.key_size)
            tw_put_json(text, b'",', 2)
            text.sign = self.sign_text + self.signer._rest_size

    cdef int _finish(self, tw_text* text, char* out) noexcept nogil:
        """The signature last; the size of the whole text."""
        if text.sign != NULL:
            tw_put_json(text, b'"signature":"', 13)
            # the last '&' is not part of the message
            self.signer.sign_after_prefix(self.sign_text, <size_t> (text.sign - self.sign_text) - 1, text.json)
            text.json += SIGNATURE_SIZE
            tw_put_json(text, b'"}}', 3)
        else:
            text.json -= 1
            tw_put_json(text, b'}}', 2)
        return <int> (text.json - out)

    cdef void _fill(self, tw_order_text* order, uint32_t instrument_id, int64_t venue_ns) noexcept nogil:
        cdef Instrument* instrument = &self.tables.instruments[instrument_id]
        memset(order, 0, sizeof(tw_order_text))
        order.symbol = instrument.symbol
        order.symbol_size = strlen(instrument.symbol)
        order.tick_size_e8 = instrument.tick_size_e8
        order.lot_size_e8 = instrument.lot_size_e8
        order.recv_window_ms = self.recv_window_ms
        order.timestamp_ms = <uint64_t> (venue_ns // MS_NS)

    cdef int place(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t venue_ns) noexcept nogil:
        """order.place, or order.cancelReplace where the approval names a target."""
        cdef tw_text text
        cdef tw_order_text order
        cdef char[CLIENT_ID_LENGTH] client_id
        cdef char[CLIENT_ID_LENGTH] target_id
        cdef bint is_replace = terms.action == INTENT_ACTION_REPLACE
        if not encode_client_id(self.engine_id, terms.order_handle, client_id):
            return 0
        if is_replace and not encode_client_id(self.engine_id, terms.target_handle, target_id):
            return 0
        self._fill(&order, terms.instrument_id, venue_ns)
        order.client_id = client_id
        order.client_id_size = CLIENT_ID_LENGTH
        order.target_id = target_id
        order.target_id_size = CLIENT_ID_LENGTH
        order.price_ticks = terms.price_ticks
        order.qty_lots = terms.qty_lots
        order.is_sell = terms.side == SIDE_SELL
        order.is_market = terms.order_type == ORDER_TYPE_MARKET
        order.is_post_only = (terms.flags & ORDER_FLAG_POST_ONLY) != 0
        order.time_in_force = terms.time_in_force
        self._begin(&text, out, b"order.cancelReplace" if is_replace else b"order.place", request_id)
        if not tw_put_order(&text, &order, is_replace):
            return 0
        return self._finish(&text, out)

    cdef void put_id(self, tw_bag* bag, const char* prefix, const char* name, uint64_t order_handle) noexcept nogil:
        cdef char[CLIENT_ID_LENGTH] text
        if encode_client_id(self.engine_id, order_handle, text):
            tw_bag_copy(bag, prefix, name, text, CLIENT_ID_LENGTH)
        else:
            bag.failed = 1

    cdef int send_bag(self, tw_bag* bag, char* out, const char* method, uint64_t request_id, uint32_t instrument_id,
                      int64_t venue_ns) noexcept nogil:
        """The request's text: everything gathered, symbol and timing, sorted and - where it is signed - the signature."""
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef bint is_signed = self.signer is not None and not self.is_logged_on
        cdef tw_text text
        cdef char* key_at = NULL
        if instrument_id:
            tw_bag_text(bag, b"", b"symbol", instrument.symbol, strlen(instrument.symbol))
        tw_bag_number(bag, b"", b"recvWindow", self.recv_window_ms)
        tw_bag_number(bag, b"", b"timestamp", <uint64_t> (venue_ns // MS_NS))
        if is_signed:
            tw_bag_key(bag, self._key, self._key_size)
        text.json = out
        text.sign = self.sign_text if is_signed else NULL
        self.key_size = 0
        tw_put_json(&text, b'{"id":', 6)
        text.json = tw_put_u64(text.json, request_id)
        tw_put_json(&text, b',"method":"', 11)
        tw_put_json(&text, method, strlen(method))
        tw_put_json(&text, b'","params":{', 12)
        if not tw_bag_put(bag, &text, &key_at):
            return 0
        if not is_signed:
            text.json -= 1
            tw_put_json(&text, b'}}', 2)
            return <int> (text.json - out)
        self.key_at = <uint32_t> (key_at - out)
        self.key_size = self._key_size
        tw_put_json(&text, b'"signature":"', 13)
        self.signer.sign(self.sign_text, <size_t> (text.sign - self.sign_text) - 1, text.json)
        text.json += SIGNATURE_SIZE
        tw_put_json(&text, b'"}}', 3)
        return <int> (text.json - out)

    cdef int by_client_id(self, char* out, const char* method, uint64_t request_id, uint64_t order_handle, uint32_t instrument_id,
                          int64_t venue_ns) noexcept nogil:
        """order.cancel, order.status."""
        cdef tw_text text
        cdef tw_order_text order
        cdef char[CLIENT_ID_LENGTH] client_id
        if not encode_client_id(self.engine_id, order_handle, client_id):
            return 0
        self._fill(&order, instrument_id, venue_ns)
        order.client_id = client_id
        order.client_id_size = CLIENT_ID_LENGTH
        self._begin(&text, out, method, request_id)
        tw_put_by_client_id(&text, &order)
        return self._finish(&text, out)

    cdef int by_symbol(self, char* out, const char* method, uint64_t request_id, uint32_t instrument_id, int64_t venue_ns) noexcept nogil:
        """openOrders.cancelAll."""
        cdef tw_text text
        cdef tw_order_text order
        self._fill(&order, instrument_id, venue_ns)
        self._begin(&text, out, method, request_id)
        tw_put_timing(&text, &order, 0, 0)
        return self._finish(&text, out)

    cdef int trades(self, char* out, uint64_t request_id, uint32_t instrument_id, uint64_t from_id, bint by_order,
                    int64_t venue_ns) noexcept nogil:
        """myTrades of one symbol from a trade id on, or of one venue order."""
        cdef tw_text text
        cdef tw_order_text order
        self._fill(&order, instrument_id, venue_ns)
        self._begin(&text, out, b"myTrades", request_id)
        if by_order:
            tw_number(&text, b"orderId", 7, from_id)
        else:
            tw_number(&text, b"fromId", 6, from_id)
            tw_number(&text, b"limit", 5, TRADES_PER_PAGE)
        tw_put_timing(&text, &order, 0, 0)
        return self._finish(&text, out)

    cdef int account(self, char* out, uint64_t request_id, int64_t venue_ns) noexcept nogil:
        cdef tw_text text
        self._begin(&text, out, b"account.status", request_id)
        tw_param(&text, b"omitZeroBalances", 16, b"true", 4, 0)
        tw_number(&text, b"recvWindow", 10, self.recv_window_ms)
        tw_number(&text, b"timestamp", 9, <uint64_t> (venue_ns // MS_NS))
        return self._finish(&text, out)

    cdef int open_orders(self, char* out, uint64_t request_id, int64_t venue_ns) noexcept nogil:
        return self._timed(out, b"openOrders.status", request_id, venue_ns)

    cdef int subscribe(self, char* out, uint64_t request_id, int64_t venue_ns) noexcept nogil:
        return self._timed(out, b"userDataStream.subscribe.signature", request_id, venue_ns)

    cdef int _timed(self, char* out, const char* method, uint64_t request_id, int64_t venue_ns) noexcept nogil:
        """A signed request without parameters of its own."""
        cdef tw_text text
        self._begin(&text, out, method, request_id)
        tw_number(&text, b"recvWindow", 10, self.recv_window_ms)
        tw_number(&text, b"timestamp", 9, <uint64_t> (venue_ns // MS_NS))
        return self._finish(&text, out)

    cdef int bare(self, char* out, const char* method, uint64_t request_id) noexcept nogil:
        """A request without parameters: time, userDataStream.subscribe after log-on."""
        cdef tw_text text
        text.json = out
        self.key_size = 0
        tw_put_json(&text, b'{"id":', 6)
        text.json = tw_put_u64(text.json, request_id)
        tw_put_json(&text, b',"method":"', 11)
        tw_put_json(&text, method, strlen(method))
        tw_put_json(&text, b'"}', 2)
        return <int> (text.json - out)

    # --- frames ---

    cdef void decode(self, const char* data, Py_ssize_t size, OwnFrame* out) noexcept:
        cdef tw_cursor c
        cdef int first = 1, step, good = 0
        cdef const char* key
        cdef size_t key_size
        cdef uint64_t seen = 0
        c.p = data
        c.end = data + size
        memset(out, 0, <char*> &out.balances - <char*> out)
        out.execution.trade_id = -1
        out.fault = FRAME_FAULT_SYNTAX
        if tw_take(&c, c'{'):
            while True:
                step = tw_next_key(&c, &first, &key, &key_size)
                if step <= 0:
                    good = step == 0 and tw_at_end(&c)
                    break
                if not self.decode_member(&c, key, key_size, &seen, out):
                    break
        if good:
            out.fault = FRAME_FAULT_NONE
            if out.kind == FRAME_MALFORMED:
                out.kind = FRAME_REPLY if seen & MEMBER_STATUS else FRAME_OTHER
            return
        out.kind = FRAME_MALFORMED
        step = tw_fault_of_text(data, <size_t> size)
        if step:
            out.fault = <uint16_t> step

    cdef int decode_member(self, tw_cursor* c, const char* key, size_t size, uint64_t* seen, OwnFrame* out) noexcept:
        """One key's value of the outer object."""
        cdef tw_cursor start
        cdef int64_t number = 0
        cdef uint64_t member = 0
        if is_word(key, size, b"event"):
            member = MEMBER_EVENT
        elif is_word(key, size, b"id"):
            member = MEMBER_ID
        elif is_word(key, size, b"status"):
            member = MEMBER_STATUS
        elif is_word(key, size, b"result"):
            member = MEMBER_RESULT
        elif is_word(key, size, b"error"):
            member = MEMBER_ERROR
        elif is_word(key, size, b"rateLimits"):
            member = MEMBER_LIMITS
        if seen[0] & member:
            return own_refusal(out, FRAME_FAULT_REPEATED_FIELD)
        seen[0] |= member
        tw_skip_space(c)
        start = c[0]
        if member == MEMBER_EVENT:
            return self.decode_event(c, out)
        if member == MEMBER_ID and c.p < c.end and c'0' <= c.p[0] <= c'9':
            # ours are numbers; what is none is a reply to nobody
            return tw_read_uint64(c, &out.request_id) or own_refusal(out, tw_fault_of_number(start, False, False))
        if member == MEMBER_STATUS:
            if not tw_read_int64(c, &number):
                return own_refusal(out, tw_fault_of_number(start, False, True))
            out.status = <int32_t> number
            return 1 if out.status == number else own_refusal(out, FRAME_FAULT_OVERFLOW)
        if member == MEMBER_ERROR:
            return _read_error(c, out)
        if member == MEMBER_LIMITS:
            return _read_limits(c, out)
        if member == MEMBER_RESULT and self.is_read_as_order(c, out):
            return 1
        if not tw_skip_value(c):
            return own_refusal(out, FRAME_FAULT_SYNTAX)
        if member == MEMBER_RESULT:
            out.result.p = start.p
            out.result.end = c.p
        return 1

    cdef bint is_read_as_order(self, tw_cursor* c, OwnFrame* out) noexcept:
        """The end of a result that looks like an order is found by reading it: `read_order` finds it read. False: whatever it is."""
        cdef tw_cursor start = c[0]
        if c.end - c.p < 9 or memcmp(c.p, b'{"symbol"', 9) != 0:
            return False
        memset(&out.order, 0, sizeof(ReportScratch))
        if tw_read_fields(c, &ORDER_FIELDS, <char*> &out.order, &out.order_seen):
            out.order_seen = 0
            c[0] = start
            return False
        out.result.p = start.p
        out.result.end = c.p
        return True

    cdef int decode_event(self, tw_cursor* c, OwnFrame* out) noexcept:
        """An event of the user data stream; its type `e` stands first, or is looked for."""
        cdef tw_cursor k = c[0]
        cdef int first = 1, step
        cdef const char* key
        cdef tw_slice name
        cdef size_t size
        name.size = 0
        if not tw_take(&k, c'{'):
            return own_refusal(out, FRAME_FAULT_SYNTAX)
        while True:
            step = tw_next_key(&k, &first, &key, &size)
            if step < 0:
                return own_refusal(out, FRAME_FAULT_SYNTAX)
            if step == 0:
                break
            if size == 1 and key[0] == c'e':
                if not tw_read_string(&k, &name.p, &name.size):
                    return own_refusal(out, FRAME_FAULT_TEXT)
                break
            if not tw_skip_value(&k):
                return own_refusal(out, FRAME_FAULT_SYNTAX)
        out.kind = FRAME_OTHER
        if is_word(name.p, name.size, b"executionReport"):
            out.kind = FRAME_EXECUTION
            return self.decode_execution(c, out)
        if is_word(name.p, name.size, b"outboundAccountPosition"):
            out.kind = FRAME_BALANCES
            return self.decode_balances(c, out)
        if is_word(name.p, name.size, b"balanceUpdate"):
            out.kind = FRAME_BALANCE_DELTA
            return self.decode_delta(c, out)
        if is_word(name.p, name.size, b"eventStreamTerminated"):
            out.kind = FRAME_TERMINATED
        elif is_word(name.p, name.size, b"serverShutdown"):
            out.kind = FRAME_SHUTDOWN
        return tw_skip_value(c) or own_refusal(out, FRAME_FAULT_SYNTAX)

    cdef int decode_execution(self, tw_cursor* c, OwnFrame* out) noexcept:
        """executionReport. `C` names the order where `c` names its cancel."""
        cdef ReportScratch scratch
        cdef ExecutionPayload* report = &scratch.report
        cdef uint64_t seen = 0
        cdef int fault
        memset(&scratch, 0, sizeof(ReportScratch))
        fault = tw_read_fields(c, &REPORT_FIELDS, <char*> &scratch, &seen)
        if fault:
            return own_refusal(out, fault)
        if (seen & REPORT_FIELDS.required) != REPORT_FIELDS.required:
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        if not take_words(&scratch):
            return own_refusal(out, FRAME_FAULT_WORD)
        report.is_waiting = seen & REPORT_WORKING and not scratch.is_working
        if report.exec_type != EXEC_TYPE_TRADE:
            report.trade_id = -1
        elif (seen & REPORT_OF_TRADE) != REPORT_OF_TRADE:
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        elif report.last_qty_lots > 0 and report.last_price_ticks <= 0:
            return own_refusal(out, FRAME_FAULT_CONTRADICTION)
        self.name_asset(&scratch.asset, &report.commission_asset_id)
        out.execution = scratch.report
        if not self.scale(out, scratch.symbol.p, scratch.symbol.size):
            return own_refusal(out, FRAME_FAULT_OFF_TICK)
        out.order_handle = own_handle(self.engine_id, &out.execution)
        return 1

    cdef bint scale(self, OwnFrame* out, const char* symbol, size_t symbol_size) noexcept nogil:
        """Prices and quantities from 10^-8 to ticks and lots; a symbol that is not ours keeps instrument 0. False: off tick or lot."""
        cdef ExecutionPayload* report = &out.execution
        cdef SymbolRow* row = self.symbols.find(symbol, symbol_size)
        if row == NULL:
            return True
        row = self.symbols.refreshed(row)
        out.instrument_id = row.instrument_id
        return (tw_divide_exact(&row.tick, report.price_ticks, &report.price_ticks)
                and tw_divide_exact(&row.tick, report.last_price_ticks, &report.last_price_ticks)
                and tw_divide_exact(&row.lot, report.qty_lots, &report.qty_lots)
                and tw_divide_exact(&row.lot, report.last_qty_lots, &report.last_qty_lots)
                and tw_divide_exact(&row.lot, report.cum_qty_lots, &report.cum_qty_lots))

    cdef int decode_balances(self, tw_cursor* c, OwnFrame* out) noexcept:
        cdef BalancesScratch scratch
        cdef tw_cursor rows
        cdef int fault = tw_read_whole(c, &BALANCES_FIELDS, <char*> &scratch)
        if fault:
            return own_refusal(out, fault)
        out.event_ns = scratch.event_ns
        out.update_ns = scratch.update_ns
        rows.p = scratch.rows.p
        rows.end = rows.p + scratch.rows.size
        return self.read_balance_rows(&rows, out)

    cdef int read_balance_rows(self, tw_cursor* c, OwnFrame* out) noexcept:
        """[{"a"|"asset", "f"|"free", "l"|"locked"}]: assets beyond the table's room are left out, none of ours is."""
        cdef int first = 1, step, fault
        cdef uint64_t seen = 0
        cdef BalanceScratch scratch
        if not tw_take(c, c'['):
            return own_refusal(out, FRAME_FAULT_SYNTAX)
        while True:
            step = tw_next_item(c, &first)
            if step <= 0:
                return 1 if step == 0 else own_refusal(out, FRAME_FAULT_SYNTAX)
            memset(&scratch, 0, sizeof(BalanceScratch))
            fault = tw_read_fields(c, &BALANCE_FIELDS, <char*> &scratch, &seen)
            if fault:
                return own_refusal(out, fault)
            if not (seen & 3 and seen & 12 and seen & 48):
                return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
            self.name_asset(&scratch.asset, &scratch.row.asset_id)
            if scratch.row.asset_id and out.balance_count < BALANCE_ROWS_MAX:
                out.balances[out.balance_count] = scratch.row
                out.balance_count += 1

    cdef int decode_delta(self, tw_cursor* c, OwnFrame* out) noexcept:
        """balanceUpdate: the change of one asset stands in `free_e8`."""
        cdef DeltaScratch scratch
        cdef int fault = tw_read_whole(c, &DELTA_FIELDS, <char*> &scratch)
        if fault:
            return own_refusal(out, fault)
        memset(&out.balances[0], 0, sizeof(BalanceRow))
        self.name_asset(&scratch.asset, &out.balances[0].asset_id)
        out.balances[0].free_e8 = scratch.amount_e8
        out.event_ns = scratch.event_ns
        out.balance_count = 1
        return 1

    cdef int read_order(self, tw_cursor* c, OwnFrame* out, bint is_whole) noexcept:
        """An order as REST shows it: {"symbol","orderId","clientOrderId","price","origQty","executedQty",...,"status",...}."""
        cdef ReportScratch scratch
        cdef uint64_t seen = 0, required = ORDER_FIELDS.required | (ORDER_WHOLE if is_whole else 0)
        cdef int fault
        out.instrument_id = 0
        if out.order_seen and c.p == out.result.p:
            c.p = out.result.end
            scratch = out.order
            seen = out.order_seen
            out.order_seen = 0
        else:
            memset(&scratch, 0, sizeof(ReportScratch))
            fault = tw_read_fields(c, &ORDER_FIELDS, <char*> &scratch, &seen)
            if fault:
                return own_refusal(out, fault)
        scratch.report.trade_id = -1
        if (seen & required) != required:
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        if not take_words(&scratch):
            return own_refusal(out, FRAME_FAULT_WORD)
        scratch.report.is_waiting = seen & ORDER_WORKING and not scratch.is_working
        out.execution = scratch.report
        out.execution.exec_type = EXEC_TYPE_UNKNOWN
        # transactTime of an answer, updateTime of a row
        if out.execution.event_ns == 0:
            out.execution.event_ns = out.execution.transact_ns
        out.execution.transact_ns = out.execution.event_ns
        if not self.scale(out, scratch.symbol.p, scratch.symbol.size):
            return own_refusal(out, FRAME_FAULT_OFF_TICK)
        out.order_handle = own_handle(self.engine_id, &out.execution)
        return 1

    cdef int read_trade(self, tw_cursor* c, uint32_t instrument_id, OwnFrame* out) noexcept:
        """A trade of myTrades: {"symbol","id","orderId","price","qty","commission","commissionAsset","time","isBuyer","isMaker"};
        USD-M's userTrades say "buyer" and "maker"."""
        cdef ReportScratch scratch
        cdef ExecutionPayload* report = &scratch.report
        cdef uint64_t seen = 0
        cdef int fault
        memset(&scratch, 0, sizeof(ReportScratch))
        out.order_handle = 0
        fault = tw_read_fields(c, &TRADE_FIELDS, <char*> &scratch, &seen)
        if fault:
            return own_refusal(out, fault)
        if (seen & TRADE_FIELDS.required) != TRADE_FIELDS.required or not (seen & TRADE_IS_BUYER and seen & TRADE_IS_MAKER):
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        if report.trade_id < 0 or report.last_qty_lots <= 0 or report.last_price_ticks <= 0:
            return own_refusal(out, FRAME_FAULT_CONTRADICTION)
        report.exec_type = EXEC_TYPE_TRADE
        report.side = SIDE_BUY if report.side else SIDE_SELL
        report.transact_ns = report.event_ns
        self.name_asset(&scratch.asset, &report.commission_asset_id)
        out.execution = scratch.report
        return self.scale(out, scratch.symbol.p, scratch.symbol.size) or own_refusal(out, FRAME_FAULT_OFF_TICK)

    cdef int read_account(self, tw_cursor c, OwnFrame* out) noexcept:
        """account.status: its balances; updateTime may be 0."""
        cdef BalancesScratch scratch
        cdef tw_cursor rows
        cdef int fault
        memset(&scratch, 0, sizeof(BalancesScratch))
        out.balance_count = 0
        fault = tw_read_whole(&c, &ACCOUNT_FIELDS, <char*> &scratch)
        if fault:
            return own_refusal(out, fault)
        out.update_ns = scratch.update_ns
        rows.p = scratch.rows.p
        rows.end = rows.p + scratch.rows.size
        return self.read_balance_rows(&rows, out)

    cdef int name_asset(self, const tw_slice* name, uint16_t* asset_id) noexcept:
        """The tables' id of an asset's name; 0 where there is none."""
        asset_id[0] = 0
        if name.p != NULL:
            asset_id[0] = <uint16_t> self.asset(name.p, name.size)
        return 1

    cdef int asset(self, const char* name, size_t size) noexcept:
        """The tables' id of an asset; a name seen for the first time is looked up there once. 0 where the tables are full."""
        cdef uint64_t mark = 14695981039346656037u
        cdef size_t i
        cdef uint32_t place
        cdef AssetSlot* slot
        if size == 0 or size > ASSET_NAME_MAX:
            return 0
        for i in range(size):
            mark = (mark ^ <uint8_t> name[i]) * 1099511628211u
        place = <uint32_t> (mark ^ (mark >> 32)) & (ASSET_SLOTS - 1)
        while True:
            slot = &self.assets[place]
            if slot.size == 0:
                break
            if slot.size == size and memcmp(slot.name, name, size) == 0:
                return slot.asset_id
            place = (place + 1) & (ASSET_SLOTS - 1)
        return self.name_new_asset(slot, name, size)

    cdef int name_new_asset(self, AssetSlot* slot, const char* name, size_t size) noexcept:
        """Give a name that was never seen a number, in a free slot."""
        if self.tables.assets_given >= BALANCE_ROWS_MAX:
            return 0
        try:
            text = name[:size].decode()
        except UnicodeDecodeError:
            return 0  # no name of an asset: nothing of ours
        memcpy(slot.name, name, size)
        slot.asset_id = self.tables.give_asset(text, self.venue_id)
        slot.size = <uint8_t> size
        return slot.asset_id

    # --- cold views of the same code ---
    def encode(self, str method, *, uint64_t request_id=1, uint64_t order_handle=0, uint32_t instrument_id=0, uint64_t detail=0,
               int64_t venue_ns=0) -> bytes:
        """The text of a request without an order in it."""
        cdef char[SIGN_CAPACITY] out
        cdef bytes name = method.encode()
        cdef int size
        if method in ("order.cancel", "order.status"):
            size = self.by_client_id(out, name, request_id, order_handle, instrument_id, venue_ns)
        elif method == "openOrders.cancelAll":
            size = self.by_symbol(out, name, request_id, instrument_id, venue_ns)
        elif method == "myTrades":
            size = self.trades(out, request_id, instrument_id, detail, False, venue_ns)
        elif method == "account.status":
            size = self.account(out, request_id, venue_ns)
        elif method == "openOrders.status":
            size = self.open_orders(out, request_id, venue_ns)
        elif method == "userDataStream.subscribe.signature":
            size = self.subscribe(out, request_id, venue_ns)
        else:
            size = self.bare(out, name, request_id)
        return out[:size]

    def encode_order(self, *, uint64_t order_handle, uint32_t instrument_id, int side, int64_t price_ticks, int64_t qty_lots,
                     int order_type=0, int time_in_force=0, int flags=0, uint64_t target_handle=0, uint64_t request_id=1,
                     int64_t venue_ns=0) -> bytes:
        """The text of order.place or - with a target - order.cancelReplace; b"" where a number does not fit. It sends nothing."""
        cdef char[SIGN_CAPACITY] out
        cdef ApprovedOrder terms
        memset(&terms, 0, sizeof(ApprovedOrder))
        terms.order_handle = order_handle
        terms.target_handle = target_handle
        terms.action = INTENT_ACTION_REPLACE if target_handle else INTENT_ACTION_SUBMIT
        terms.instrument_id = instrument_id
        terms.side = side
        terms.price_ticks = price_ticks
        terms.qty_lots = qty_lots
        terms.order_type = order_type
        terms.time_in_force = time_in_force
        terms.flags = flags
        return out[:self.place(out, request_id, &terms, venue_ns)]

    def read(self, bytes frame not None) -> dict:
        """What a frame is, and what stands in it."""
        cdef OwnFrame out
        cdef tw_cursor result
        self.decode(<const char*> frame, len(frame), &out)
        fields = {"kind": out.kind, "fault": out.fault, "request_id": out.request_id, "status": out.status, "error_code": out.error_code,
                  "inner_code": out.inner_code, "retry_at_ms": out.retry_at_ms,
                  "error_text": out.error_text[:out.error_size].decode("utf-8", "replace") if out.error_text != NULL else "",
                  "limits": [dict(out.limits[i]) for i in range(out.limit_count)]}
        if out.kind == FRAME_EXECUTION:
            fields |= {"execution": dict(out.execution), "instrument_id": out.instrument_id, "order_handle": out.order_handle}
        if out.kind == FRAME_REPLY and out.result.p != NULL:
            result = out.result
            if self.read_order(&result, &out, False):
                fields |= {"execution": dict(out.execution), "instrument_id": out.instrument_id, "order_handle": out.order_handle}
            else:
                fields["result_fault"] = out.fault
        if out.kind == FRAME_BALANCES or out.kind == FRAME_BALANCE_DELTA:
            fields["balances"] = [(out.balances[i].asset_id, out.balances[i].free_e8, out.balances[i].locked_e8)
                                  for i in range(out.balance_count)]
        return fields


cdef bint take_words(ReportScratch* scratch) noexcept nogil:
    """The words of a report into its payload; absent ones leave 0. Of a side there are two, of the others more than we know."""
    cdef ExecutionPayload* report = &scratch.report
    if scratch.side.p != NULL and not side_of(scratch.side.p, scratch.side.size, &report.side):
        return False
    if scratch.client_id.p != NULL:
        copy_client_id(report.client_order_id, scratch.client_id.p, scratch.client_id.size)
    if scratch.orig_id.p != NULL:
        copy_client_id(report.orig_client_order_id, scratch.orig_id.p, scratch.orig_id.size)
    if scratch.type.p != NULL:
        report.order_type = type_of(scratch.type.p, scratch.type.size)
    if scratch.force.p != NULL:
        report.time_in_force = force_of(scratch.force.p, scratch.force.size)
    if scratch.exec.p != NULL:
        report.exec_type = exec_of(scratch.exec.p, scratch.exec.size)
    if scratch.state.p != NULL:
        report.order_state = state_of(scratch.state.p, scratch.state.size)
    if scratch.cause.p != NULL:
        report.expiry_cause = cause_of(scratch.cause.p, scratch.cause.size)
    if scratch.position_side.p != NULL:
        return position_side_of(scratch.position_side.p, scratch.position_side.size, &report.position_side)
    return True


cdef int _read_error(tw_cursor* c, OwnFrame* out) noexcept nogil:
    """{"code","msg","data":{"serverTime","retryAfter" | "cancelResult",...,"newOrderResponse":{"code",...}}}"""
    cdef ErrorScratch scratch
    cdef tw_cursor inner
    cdef int32_t outer_code
    cdef int fault
    memset(&scratch, 0, sizeof(ErrorScratch))
    fault = tw_read_whole(c, &ERROR_FIELDS, <char*> &scratch)
    outer_code = scratch.code
    if not fault and scratch.data.p != NULL and scratch.data.p[0] == c'{':
        inner.p = scratch.data.p
        inner.end = inner.p + scratch.data.size
        fault = tw_read_whole(&inner, &ERROR_DATA_FIELDS, <char*> &scratch)
        scratch.code = 0
        if not fault and scratch.response.p != NULL and scratch.response.p[0] == c'{':
            inner.p = scratch.response.p
            inner.end = inner.p + scratch.response.size
            fault = tw_read_whole(&inner, &INNER_FIELDS, <char*> &scratch)
        out.inner_code = scratch.code
    if fault:
        return own_refusal(out, fault)
    out.error_code = outer_code
    out.error_text = scratch.text.p
    out.error_size = scratch.text.size
    out.retry_at_ms = scratch.retry_at_ms
    return 1


cdef int _read_limits(tw_cursor* c, OwnFrame* out) noexcept nogil:
    """[{"rateLimitType","interval","intervalNum","limit","count"}]: beyond eight they are passed over."""
    cdef int first = 1, step, fault
    cdef int64_t unit_ns
    cdef LimitScratch scratch
    cdef Limit* item
    if not tw_take(c, c'['):
        return own_refusal(out, FRAME_FAULT_SYNTAX)
    while True:
        step = tw_next_item(c, &first)
        if step <= 0:
            return 1 if step == 0 else own_refusal(out, FRAME_FAULT_SYNTAX)
        fault = tw_read_whole(c, &LIMIT_FIELDS, <char*> &scratch)
        if fault:
            return own_refusal(out, fault)
        if not 0 < scratch.number <= INTERVALS_MAX:
            return own_refusal(out, FRAME_FAULT_OVERFLOW)
        unit_ns = 1000000000 if is_word(scratch.interval.p, scratch.interval.size, b"SECOND") else 86400000000000
        if is_word(scratch.interval.p, scratch.interval.size, b"MINUTE"):
            unit_ns = 60000000000
        if out.limit_count == LIMITS_MAX:
            continue
        item = &out.limits[out.limit_count]
        if is_word(scratch.type.p, scratch.type.size, b"ORDERS"):
            item.is_orders = 1
        elif is_word(scratch.type.p, scratch.type.size, b"REQUEST_WEIGHT"):
            item.is_orders = 0
        else:
            continue
        item.interval_ns = unit_ns * scratch.number
        item.limit = scratch.limit
        item.count = scratch.count
        out.limit_count += 1
