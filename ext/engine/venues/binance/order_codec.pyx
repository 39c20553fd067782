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

    cdef void decode(self, const char* data, Py_ssize_t size, OwnFrame* out):
        cdef tw_cursor c
        cdef int first = 1, step, good = 1
        cdef const char* key
        cdef size_t key_size
        cdef int64_t number
        cdef bint has_status = False
        c.p = data
        c.end = data + size
        memset(out, 0, sizeof(OwnFrame) - sizeof(out.balances))
        out.execution.trade_id = -1
        if not tw_take(&c, c'{'):
            return
        while True:
            step = tw_next_key(&c, &first, &key, &key_size)
            if step <= 0:
                break
            if is_word(key, key_size, b"event"):
                good = self.decode_event(&c, out)
            elif is_word(key, key_size, b"id"):
                # ours are numbers; what is none is a reply to nobody
                if tw_peek(&c) == c'"' or tw_peek(&c) == c'n' or tw_peek(&c) == c'-':
                    good = tw_skip_value(&c)
                else:
                    good = tw_read_uint64(&c, &out.request_id)
            elif is_word(key, key_size, b"status"):
                good = tw_read_int64(&c, &number)
                out.status = <int32_t> number
                has_status = True
            elif is_word(key, key_size, b"result"):
                tw_skip_space(&c)
                out.result.p = c.p
                good = tw_skip_value(&c)
                out.result.end = c.p
            elif is_word(key, key_size, b"error"):
                good = _read_error(&c, out)
            elif is_word(key, key_size, b"rateLimits"):
                good = _read_limits(&c, out)
            else:
                good = tw_skip_value(&c)
            if not good:
                break
        if step != 0 or not good or not tw_at_end(&c):
            out.kind = FRAME_MALFORMED
        elif out.kind == FRAME_MALFORMED:
            out.kind = FRAME_REPLY if has_status else FRAME_OTHER

    cdef int decode_event(self, tw_cursor* c, OwnFrame* out) except -1:
        """An event of the user data stream; its type `e` stands first."""
        cdef tw_cursor start
        cdef int first = 1
        cdef const char* key
        cdef const char* text
        cdef size_t size, text_size
        tw_skip_space(c)
        start = c[0]
        if not tw_take(c, c'{'):
            return 0
        while tw_next_key(c, &first, &key, &size) > 0:
            if size == 1 and key[0] == c'e':
                if not tw_read_string(c, &text, &text_size):
                    return 0
                if start.p + 1 != key - 1:
                    c[0] = start  # not first: read the object from its beginning
                    first = 1
                    tw_take(c, c'{')
                if is_word(text, text_size, b"executionReport"):
                    out.kind = FRAME_EXECUTION
                    return self.decode_execution(c, out, first)
                if is_word(text, text_size, b"outboundAccountPosition"):
                    out.kind = FRAME_BALANCES
                    return self.decode_balances(c, out, first)
                if is_word(text, text_size, b"balanceUpdate"):
                    out.kind = FRAME_BALANCE_DELTA
                    return self.decode_delta(c, out, first)
                out.kind = FRAME_OTHER
                if is_word(text, text_size, b"eventStreamTerminated"):
                    out.kind = FRAME_TERMINATED
                elif is_word(text, text_size, b"serverShutdown"):
                    out.kind = FRAME_SHUTDOWN
                c[0] = start
                return tw_skip_value(c)
            if not tw_skip_value(c):
                return 0
        c[0] = start
        out.kind = FRAME_OTHER
        return tw_skip_value(c)

    cdef int decode_execution(self, tw_cursor* c, OwnFrame* out, int first) except -1:
        """executionReport. `C` names the order where `c` names its cancel."""
        cdef ExecutionPayload* report = &out.execution
        cdef int step, flag = 0
        cdef bint good = True
        cdef const char* key
        cdef const char* symbol = NULL
        cdef size_t size, symbol_size = 0
        cdef int64_t number = 0
        cdef uint16_t asset_id = 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if size != 1:
                good = tw_skip_value(c)
                continue
            if key[0] == c's':
                good = tw_read_string(c, &symbol, &symbol_size)
            elif _is_word_key(key[0]):
                good = _read_word(c, key[0], report)
            elif key[0] == c'q':
                good = tw_read_decimal_e8(c, &report.qty_lots)
            elif key[0] == c'p':
                good = tw_read_decimal_e8(c, &report.price_ticks)
            elif key[0] == c'l':
                good = tw_read_decimal_e8(c, &report.last_qty_lots)
            elif key[0] == c'L':
                good = tw_read_decimal_e8(c, &report.last_price_ticks)
            elif key[0] == c'z':
                good = tw_read_decimal_e8(c, &report.cum_qty_lots)
            elif key[0] == c'Z':
                good = tw_read_decimal_e8(c, &report.cum_quote_e8)
            elif key[0] == c'n':
                good = tw_read_signed_decimal_e8(c, &report.commission_e8)
            elif key[0] == c'N':
                good = self.read_asset(c, &asset_id)
                report.commission_asset_id = asset_id
            elif key[0] == c'i':
                good = tw_read_int64(c, &report.venue_order_id)
            elif key[0] == c't':
                good = tw_read_int64(c, &report.trade_id)
            elif key[0] == c'I':
                good = tw_read_int64(c, &report.execution_id)
            elif key[0] == c'E':
                good = tw_read_int64(c, &number)
                report.event_ns = number * MS_NS
            elif key[0] == c'T':
                good = tw_read_int64(c, &number)
                report.transact_ns = number * MS_NS
            elif key[0] == c'm':
                good = tw_read_bool(c, &flag)
                report.is_maker = <uint8_t> flag
            else:
                good = tw_skip_value(c)
        if step != 0 or not good or symbol == NULL or not self.scale(out, symbol, symbol_size):
            return 0
        if report.last_qty_lots > 0 and report.exec_type == EXEC_TYPE_TRADE and report.last_price_ticks <= 0:
            return 0
        if report.exec_type != EXEC_TYPE_TRADE:
            report.trade_id = -1
        out.order_handle = own_handle(self.engine_id, report)
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

    cdef int decode_balances(self, tw_cursor* c, OwnFrame* out, int first) except -1:
        cdef int step
        cdef bint good = True
        cdef const char* key
        cdef size_t size
        cdef int64_t number = 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if size == 1 and key[0] == c'B':
                good = self.read_balance_rows(c, out)
            elif size == 1 and (key[0] == c'E' or key[0] == c'u'):
                good = tw_read_int64(c, &number)
                if key[0] == c'E':
                    out.event_ns = number * MS_NS
                else:
                    out.update_ns = number * MS_NS
            else:
                good = tw_skip_value(c)
        return step == 0 and good

    cdef int read_balance_rows(self, tw_cursor* c, OwnFrame* out) except -1:
        """[{"a"|"asset", "f"|"free", "l"|"locked"}]: assets beyond the table's room are left out, none of ours is."""
        cdef int first = 1, first_key, step, step_key
        cdef bint good = True
        cdef const char* key
        cdef size_t size
        cdef BalanceRow row
        if not tw_take(c, c'['):
            return 0
        while True:
            step = tw_next_item(c, &first)
            if step <= 0:
                return step == 0
            if not tw_take(c, c'{'):
                return 0
            memset(&row, 0, sizeof(BalanceRow))
            first_key = 1
            while True:
                step_key = tw_next_key(c, &first_key, &key, &size)
                if step_key <= 0 or not good:
                    break
                if is_word(key, size, b"a") or is_word(key, size, b"asset"):
                    good = self.read_asset(c, &row.asset_id)
                elif is_word(key, size, b"f") or is_word(key, size, b"free"):
                    good = tw_read_decimal_e8(c, &row.free_e8)
                elif is_word(key, size, b"l") or is_word(key, size, b"locked"):
                    good = tw_read_decimal_e8(c, &row.locked_e8)
                else:
                    good = tw_skip_value(c)
            if step_key != 0 or not good:
                return 0
            if row.asset_id and out.balance_count < BALANCE_ROWS_MAX:
                out.balances[out.balance_count] = row
                out.balance_count += 1

    cdef int decode_delta(self, tw_cursor* c, OwnFrame* out, int first) except -1:
        """balanceUpdate: the change of one asset stands in `free_e8`."""
        cdef int step
        cdef bint good = True
        cdef const char* key
        cdef size_t size
        cdef int64_t number = 0
        memset(&out.balances[0], 0, sizeof(BalanceRow))
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if size == 1 and key[0] == c'a':
                good = self.read_asset(c, &out.balances[0].asset_id)
            elif size == 1 and key[0] == c'd':
                good = tw_read_signed_decimal_e8(c, &out.balances[0].free_e8)
            elif size == 1 and key[0] == c'E':
                good = tw_read_int64(c, &number)
                out.event_ns = number * MS_NS
            else:
                good = tw_skip_value(c)
        out.balance_count = 1
        return step == 0 and good

    cdef int read_order(self, tw_cursor* c, OwnFrame* out) except -1:
        """An order as REST shows it: {"symbol","orderId","clientOrderId","price","origQty","executedQty",...,"status",...}."""
        cdef ExecutionPayload* report = &out.execution
        cdef int first = 1, step
        cdef bint good = True
        cdef const char* key
        cdef const char* text
        cdef const char* symbol = NULL
        cdef size_t size, text_size = 0, symbol_size = 0
        cdef int64_t number = 0
        memset(report, 0, sizeof(ExecutionPayload))
        report.trade_id = -1
        report.exec_type = EXEC_TYPE_UNKNOWN
        out.instrument_id = 0
        if not tw_take(c, c'{'):
            return 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if is_word(key, size, b"symbol"):
                good = tw_read_string(c, &symbol, &symbol_size)
            elif is_word(key, size, b"orderId"):
                good = tw_read_int64(c, &report.venue_order_id)
            elif is_word(key, size, b"clientOrderId"):
                good = tw_read_string(c, &text, &text_size) and copy_client_id(report.client_order_id, text, text_size)
            elif is_word(key, size, b"origClientOrderId"):
                good = tw_read_string(c, &text, &text_size) and copy_client_id(report.orig_client_order_id, text, text_size)
            elif is_word(key, size, b"price"):
                good = tw_read_decimal_e8(c, &report.price_ticks)
            elif is_word(key, size, b"origQty"):
                good = tw_read_decimal_e8(c, &report.qty_lots)
            elif is_word(key, size, b"executedQty"):
                good = tw_read_decimal_e8(c, &report.cum_qty_lots)
            elif is_word(key, size, b"cummulativeQuoteQty"):
                good = tw_read_signed_decimal_e8(c, &report.cum_quote_e8)
            elif is_word(key, size, b"status"):
                good = tw_read_string(c, &text, &text_size)
                if good:
                    report.order_state = state_of(text, text_size)
            elif is_word(key, size, b"side"):
                good = tw_read_string(c, &text, &text_size) and side_of(text, text_size, &report.side)
            elif is_word(key, size, b"type"):
                good = tw_read_string(c, &text, &text_size)
                if good:
                    report.order_type = type_of(text, text_size)
            elif is_word(key, size, b"timeInForce"):
                good = tw_read_string(c, &text, &text_size)
                if good:
                    report.time_in_force = force_of(text, text_size)
            elif is_word(key, size, b"updateTime") or is_word(key, size, b"transactTime"):
                good = tw_read_int64(c, &number)
                report.transact_ns = report.event_ns = number * MS_NS
            else:
                good = tw_skip_value(c)
        if step != 0 or not good or symbol == NULL or not self.scale(out, symbol, symbol_size):
            return 0
        out.order_handle = own_handle(self.engine_id, report)
        return 1

    cdef int read_trade(self, tw_cursor* c, uint32_t instrument_id, OwnFrame* out) except -1:
        """A trade of myTrades: {"symbol","id","orderId","price","qty","commission","commissionAsset","time","isBuyer","isMaker"};
        USD-M's userTrades say "buyer" and "maker"."""
        cdef ExecutionPayload* report = &out.execution
        cdef int first = 1, step, flag = 0
        cdef bint good = True
        cdef const char* key
        cdef const char* symbol = NULL
        cdef size_t size, symbol_size = 0
        cdef int64_t number = 0
        memset(report, 0, sizeof(ExecutionPayload))
        report.exec_type = EXEC_TYPE_TRADE
        report.trade_id = -1
        out.order_handle = 0
        if not tw_take(c, c'{'):
            return 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if is_word(key, size, b"symbol"):
                good = tw_read_string(c, &symbol, &symbol_size)
            elif is_word(key, size, b"id"):
                good = tw_read_int64(c, &report.trade_id)
            elif is_word(key, size, b"orderId"):
                good = tw_read_int64(c, &report.venue_order_id)
            elif is_word(key, size, b"price"):
                good = tw_read_decimal_e8(c, &report.last_price_ticks)
            elif is_word(key, size, b"qty"):
                good = tw_read_decimal_e8(c, &report.last_qty_lots)
            elif is_word(key, size, b"commission"):
                good = tw_read_signed_decimal_e8(c, &report.commission_e8)
            elif is_word(key, size, b"commissionAsset"):
                good = self.read_asset(c, &report.commission_asset_id)
            elif is_word(key, size, b"time"):
                good = tw_read_int64(c, &number)
                report.transact_ns = report.event_ns = number * MS_NS
            elif is_word(key, size, b"isBuyer") or is_word(key, size, b"buyer"):
                good = tw_read_bool(c, &flag)
                report.side = SIDE_BUY if flag else SIDE_SELL
            elif is_word(key, size, b"isMaker") or is_word(key, size, b"maker"):
                good = tw_read_bool(c, &flag)
                report.is_maker = <uint8_t> flag
            else:
                good = tw_skip_value(c)
        if step != 0 or not good or symbol == NULL or not self.scale(out, symbol, symbol_size):
            return 0
        return report.trade_id >= 0 and report.last_qty_lots > 0 and report.last_price_ticks > 0

    cdef int read_account(self, tw_cursor c, OwnFrame* out) except -1:
        """account.status: its balances; updateTime may be 0."""
        cdef int first = 1, step
        cdef bint good = True, has_balances = False
        cdef const char* key
        cdef size_t size
        cdef int64_t number = 0
        out.balance_count = 0
        if not tw_take(&c, c'{'):
            return 0
        while True:
            step = tw_next_key(&c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if is_word(key, size, b"balances"):
                has_balances = True
                good = self.read_balance_rows(&c, out)
            elif is_word(key, size, b"updateTime"):
                good = tw_read_int64(&c, &number)
                out.update_ns = number * MS_NS
            else:
                good = tw_skip_value(&c)
        return step == 0 and good and has_balances

    cdef int read_asset(self, tw_cursor* c, uint16_t* asset_id) except -1:
        """An asset's name, or null: 0."""
        cdef const char* text
        cdef size_t size
        asset_id[0] = 0
        if tw_peek(c) == c'n':
            return tw_skip_value(c)
        if not tw_read_string(c, &text, &size):
            return 0
        asset_id[0] = <uint16_t> self.asset(text, size)
        return 1

    cdef int asset(self, const char* name, size_t size) except -1:
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
        if self.tables.asset_count >= BALANCE_ROWS_MAX:
            return 0
        try:
            text = name[:size].decode()
        except UnicodeDecodeError:
            return 0  # no name of an asset: nothing of ours
        memcpy(slot.name, name, size)
        slot.asset_id = self.tables.asset_id(text)
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
        self.decode(<const char*> frame, len(frame), &out)
        fields = {"kind": out.kind, "request_id": out.request_id, "status": out.status, "error_code": out.error_code,
                  "inner_code": out.inner_code, "retry_at_ms": out.retry_at_ms,
                  "error_text": out.error_text[:out.error_size].decode("utf-8", "replace") if out.error_text != NULL else "",
                  "limits": [dict(out.limits[i]) for i in range(out.limit_count)]}
        if out.kind == FRAME_EXECUTION:
            fields |= {"execution": dict(out.execution), "instrument_id": out.instrument_id, "order_handle": out.order_handle}
        if out.kind == FRAME_BALANCES or out.kind == FRAME_BALANCE_DELTA:
            fields["balances"] = [(out.balances[i].asset_id, out.balances[i].free_e8, out.balances[i].locked_e8)
                                  for i in range(out.balance_count)]
        return fields


cdef inline bint _is_word_key(char key) noexcept nogil:
    return key == c'c' or key == c'C' or key == c'S' or key == c'o' or key == c'f' or key == c'x' or key == c'X'


cdef inline bint _read_word(tw_cursor* c, char key, ExecutionPayload* report) noexcept nogil:
    """One of executionReport's ids and enumerations."""
    cdef const char* text
    cdef size_t size = 0
    if not tw_read_string(c, &text, &size):
        return False
    if key == c'c':
        return copy_client_id(report.client_order_id, text, size)
    if key == c'C':
        return copy_client_id(report.orig_client_order_id, text, size)
    if key == c'S':
        return side_of(text, size, &report.side)
    if key == c'o':
        report.order_type = type_of(text, size)
    elif key == c'f':
        report.time_in_force = force_of(text, size)
    elif key == c'x':
        report.exec_type = exec_of(text, size)
    else:
        report.order_state = state_of(text, size)
    return True


cdef int _read_error(tw_cursor* c, OwnFrame* out) noexcept nogil:
    """{"code","msg","data":{"serverTime","retryAfter" | "cancelResult",...,"newOrderResponse":{"code",...}}}"""
    cdef int first = 1, step, first_data, step_data, escaped
    cdef bint good = True
    cdef const char* key
    cdef size_t size
    cdef int64_t number = 0
    if not tw_take(c, c'{'):
        return 0
    while True:
        step = tw_next_key(c, &first, &key, &size)
        if step <= 0 or not good:
            return step == 0 and good
        if is_word(key, size, b"code"):
            good = tw_read_int64(c, &number)
            out.error_code = <int32_t> number
        elif is_word(key, size, b"msg"):
            good = tw_read_string_raw(c, &out.error_text, &out.error_size, &escaped)
        elif is_word(key, size, b"data") and tw_peek(c) == c'{':
            tw_take(c, c'{')
            first_data = 1
            while True:
                step_data = tw_next_key(c, &first_data, &key, &size)
                if step_data <= 0 or not good:
                    break
                if is_word(key, size, b"retryAfter"):
                    good = tw_read_int64(c, &out.retry_at_ms)
                elif is_word(key, size, b"newOrderResponse"):
                    good = _read_inner_code(c, out)
                else:
                    good = tw_skip_value(c)
            good = good and step_data == 0
        else:
            good = tw_skip_value(c)


cdef int _read_inner_code(tw_cursor* c, OwnFrame* out) noexcept nogil:
    cdef int first = 1, step
    cdef bint good = True
    cdef const char* key
    cdef size_t size
    cdef int64_t number = 0
    if tw_peek(c) != c'{':
        return tw_skip_value(c)
    tw_take(c, c'{')
    while True:
        step = tw_next_key(c, &first, &key, &size)
        if step <= 0 or not good:
            return step == 0 and good
        if is_word(key, size, b"code"):
            good = tw_read_int64(c, &number)
            out.inner_code = <int32_t> number
        else:
            good = tw_skip_value(c)


cdef int _read_limits(tw_cursor* c, OwnFrame* out) noexcept nogil:
    """[{"rateLimitType","interval","intervalNum","limit","count"}]: beyond eight they are passed over."""
    cdef int first = 1, step, first_key, step_key
    cdef bint good = True
    cdef const char* key
    cdef const char* text
    cdef size_t size, text_size = 0
    cdef int64_t number = 1, unit_ns
    cdef Limit item
    if not tw_take(c, c'['):
        return 0
    while True:
        step = tw_next_item(c, &first)
        if step <= 0:
            return step == 0
        if not tw_take(c, c'{'):
            return 0
        memset(&item, 0, sizeof(Limit))
        unit_ns = 0
        number = 1
        first_key = 1
        while True:
            step_key = tw_next_key(c, &first_key, &key, &size)
            if step_key <= 0 or not good:
                break
            if is_word(key, size, b"rateLimitType"):
                good = tw_read_string(c, &text, &text_size)
                if not good:
                    return 0  # the text's end was not found: nothing of it may be looked at
                item.is_orders = 1 if is_word(text, text_size, b"ORDERS") else 0 if is_word(text, text_size, b"REQUEST_WEIGHT") else 2
            elif is_word(key, size, b"interval"):
                good = tw_read_string(c, &text, &text_size)
                if not good:
                    return 0
                unit_ns = (1000000000 if is_word(text, text_size, b"SECOND") else 60000000000 if is_word(text, text_size, b"MINUTE")
                           else 86400000000000)
            elif is_word(key, size, b"intervalNum"):
                good = tw_read_int64(c, &number)
            elif is_word(key, size, b"limit"):
                good = tw_read_int64(c, &item.limit)
            elif is_word(key, size, b"count"):
                good = tw_read_int64(c, &item.count)
            else:
                good = tw_skip_value(c)
        if step_key != 0 or not good:
            return 0
        item.interval_ns = unit_ns * number
        if item.is_orders < 2 and out.limit_count < LIMITS_MAX:
            out.limits[out.limit_count] = item
            out.limit_count += 1
