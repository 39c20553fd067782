"""The USD-M side of the order codec: what differs from spot in words and shapes.

Post-only is the time in force GTX there, reduce-only a parameter; a replace is a cancel followed by a new order (the session's work),
since order.modify would keep the old order's client id. Events of the private stream carry no wrapper; balances are wallet balances
and stand in `free_e8` with nothing locked. Sources: Binance USD-M futures documentation, "Websocket API" and "User Data Streams".
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset, strlen
from engine.model.approval cimport ApprovedOrder
from engine.model.clientid cimport CLIENT_ID_LENGTH, encode_client_id
from engine.model.codes cimport *
from engine.model.records cimport BalanceRow, ExecutionPayload
from engine.model.unnamed cimport NO_TRADE_ID, unnamed_trade_id
from engine.venues.binance.market_codec cimport SymbolRow
from engine.venues.binance.order_codec cimport *
from engine.venues.binance.scan cimport *
from engine.venues.binance.words cimport *

cdef enum:
    TEXT_ROOM = 4096
    NS_OF_MS = 1000000
    DECIMALS = 8

cdef int64_t TENTH_OF_ROOM = 900_000_000_000_000_000


cdef bint read_cut_decimal(tw_cursor* c, int64_t* value_e8) noexcept nogil:
    """Decimal text to 10^-8, what stands behind the eighth place cut off: average prices have as many places as they like."""
    cdef const char* text
    cdef size_t size = 0, at = 0
    cdef int64_t value = 0
    cdef int places = -1
    if not tw_read_string(c, &text, &size) or size == 0:
        return False
    if text[0] == c'-':
        at = 1
    while at < size:
        if text[at] == c'.' and places < 0:
            places = 0
        elif text[at] < c'0' or text[at] > c'9' or value > TENTH_OF_ROOM:
            return False
        elif places < DECIMALS:
            value = value * 10 + (text[at] - c'0')
            if places >= 0:
                places += 1
        at += 1
    for _ in range(DECIMALS - (places if places > 0 else 0)):
        if value > TENTH_OF_ROOM:
            return False
        value *= 10
    value_e8[0] = -value if text[0] == c'-' else value
    return True


cdef class UsdmOrderCodec(OrderCodec):
    """Encodes as OrderCodec does; reads the private stream and account lists besides."""

    def __cinit__(self, *args, **kwargs):
        self.change = <AccountChange*> calloc(1, sizeof(AccountChange))
        if self.change == NULL:
            raise MemoryError("account changes")

    def __dealloc__(self):
        free(self.change)

    # --- requests ---

    cdef int place(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t venue_ns) noexcept nogil:
        """order.place with the terms of an approval, of a replace too."""
        cdef tw_text text
        cdef tw_order_text order
        cdef char[CLIENT_ID_LENGTH] client_id
        if not encode_client_id(self.engine_id, terms.order_handle, client_id):
            return 0
        self._fill(&order, terms.instrument_id, venue_ns)
        order.client_id = client_id
        order.client_id_size = CLIENT_ID_LENGTH
        order.price_ticks = terms.price_ticks
        order.qty_lots = terms.qty_lots
        order.is_futures = 1
        order.is_sell = terms.side == SIDE_SELL
        order.is_market = terms.order_type == ORDER_TYPE_MARKET
        order.is_post_only = (terms.flags & ORDER_FLAG_POST_ONLY) != 0
        order.is_reduce_only = (terms.flags & ORDER_FLAG_REDUCE_ONLY) != 0
        order.time_in_force = terms.time_in_force
        self._begin(&text, out, b"order.place", request_id)
        if not tw_put_order(&text, &order, 0):
            return 0
        return self._finish(&text, out)

    cdef int cancel_target(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t venue_ns) noexcept nogil:
        """The first half of a replace: order.cancel of the order that goes."""
        return self.by_client_id(out, b"order.cancel", request_id, terms.target_handle, terms.instrument_id, venue_ns)

    # --- the private stream ---

    cdef int decode_user(self, const char* data, Py_ssize_t size, OwnFrame* out) except -1:
        """{"e","E","T","o":{} | "a":{}}: the keys may stand in any order, so bodies are read after the walk."""
        cdef tw_cursor c, order, account
        cdef int first = 1, step
        cdef bint good = True
        cdef const char* key
        cdef const char* kind = NULL
        cdef size_t key_size, kind_size = 0
        cdef int64_t event_ms = 0
        c.p = data
        c.end = data + size
        memset(out, 0, sizeof(OwnFrame) - sizeof(out.balances))
        out.execution.trade_id = -1
        order.p = account.p = NULL
        if not tw_take(&c, c'{'):
            return 0
        while True:
            step = tw_next_key(&c, &first, &key, &key_size)
            if step <= 0 or not good:
                break
            if key_size == 1 and key[0] == c'e':
                good = tw_read_string(&c, &kind, &kind_size)
            elif key_size == 1 and key[0] == c'E':
                good = tw_read_int64(&c, &event_ms)
            elif key_size == 1 and (key[0] == c'o' or key[0] == c'a'):
                tw_skip_space(&c)
                if key[0] == c'o':
                    order = c
                else:
                    account = c
                good = tw_skip_value(&c)
            else:
                good = tw_skip_value(&c)
        if step != 0 or not good or not tw_at_end(&c):
            return 0
        out.event_ns = out.execution.event_ns = event_ms * NS_OF_MS
        if kind == NULL:
            out.kind = FRAME_OTHER
            return 1
        if not self._decode_body(out, kind, kind_size, &order, &account):
            out.kind = FRAME_MALFORMED
        return 1

    cdef int _decode_body(self, OwnFrame* out, const char* kind, size_t kind_size, tw_cursor* order, tw_cursor* account) except -1:
        out.kind = FRAME_OTHER
        if is_word(kind, kind_size, b"ORDER_TRADE_UPDATE"):
            out.kind = FRAME_EXECUTION
            return order.p != NULL and self._decode_trade_update(order, out)
        if is_word(kind, kind_size, b"ACCOUNT_UPDATE"):
            out.kind = FRAME_ACCOUNT
            return account.p != NULL and self._decode_account(account, out)
        if is_word(kind, kind_size, b"listenKeyExpired"):
            out.kind = FRAME_KEY_EXPIRED
        elif is_word(kind, kind_size, b"MARGIN_CALL"):
            out.kind = FRAME_WARNING
            out.status = ALARM_CODE_MARGIN_CALL
        elif is_word(kind, kind_size, b"ACCOUNT_CONFIG_UPDATE"):
            out.kind = FRAME_WARNING
            out.status = ALARM_CODE_ACCOUNT_CHANGED
        return 1

    cdef int _decode_trade_update(self, tw_cursor* c, OwnFrame* out) except -1:
        """The order of ORDER_TRADE_UPDATE. `t` is 0 where there was no trade of the book; `c` stays the order's own id in a cancel too."""
        cdef ExecutionPayload* report = &out.execution
        cdef int first = 1, step, flag = 0
        cdef bint good = True
        cdef const char* key
        cdef const char* text
        cdef const char* symbol = NULL
        cdef size_t size, text_size = 0, symbol_size = 0
        cdef int64_t number = 0
        if not tw_take(c, c'{'):
            return 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if size != 1:
                good = tw_skip_value(c)
            elif key[0] == c's':
                good = tw_read_string(c, &symbol, &symbol_size)
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
            elif key[0] == c'n':
                # null where nothing was traded
                good = tw_skip_value(c) if tw_peek(c) == c'n' else tw_read_signed_decimal_e8(c, &report.commission_e8)
            elif key[0] == c'N':
                good = self.read_asset(c, &report.commission_asset_id)
            elif key[0] == c'i':
                good = tw_read_int64(c, &report.venue_order_id)
            elif key[0] == c't':
                good = tw_read_int64(c, &report.trade_id)
            elif key[0] == c'T':
                good = tw_read_int64(c, &number)
                report.transact_ns = number * NS_OF_MS
            elif key[0] == c'm':
                good = tw_read_bool(c, &flag)
                report.is_maker = <uint8_t> flag
            elif key[0] == c'c' or key[0] == c'S' or key[0] == c'o' or key[0] == c'f' or key[0] == c'x' or key[0] == c'X':
                good = tw_read_string(c, &text, &text_size) and _take_word(key[0], text, text_size, report)
            else:
                good = tw_skip_value(c)
        if step != 0 or not good or symbol == NULL or not self.scale(out, symbol, symbol_size):
            return 0
        if report.exec_type != EXEC_TYPE_TRADE or report.last_qty_lots == 0:
            report.trade_id = NO_TRADE_ID
        elif report.last_price_ticks <= 0:
            return 0
        elif report.trade_id <= 0:
            # closed by the venue: no trade of the book, but a fill as real as any
            report.trade_id = unnamed_trade_id(report.venue_order_id, report.cum_qty_lots)
        out.order_handle = own_handle(self.engine_id, report)
        return 1

    cdef int _decode_account(self, tw_cursor* c, OwnFrame* out) except -1:
        """{"m","B":[],"P":[],"S"}: only what changed."""
        cdef AccountChange* change = self.change
        cdef int first = 1, step, i
        cdef bint good = True
        cdef const char* key
        cdef const char* text
        cdef size_t size, text_size = 0
        cdef SymbolRow* row
        change.position_count = 0
        change.is_funding = False
        change.funding_instrument_id = 0
        if not tw_take(c, c'{'):
            return 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if size == 1 and key[0] == c'm':
                good = tw_read_string(c, &text, &text_size)
                change.is_funding = good and is_word(text, text_size, b"FUNDING_FEE")
            elif size == 1 and key[0] == c'B':
                good = self.read_wallets(c, out)
            elif size == 1 and key[0] == c'P':
                good = self.read_positions(c)
            elif size == 1 and key[0] == c'S':
                good = tw_read_string(c, &text, &text_size)
                row = self.symbols.find(text, text_size) if good else NULL
                change.funding_instrument_id = self.symbols.refreshed(row).instrument_id if row != NULL else 0
            else:
                good = tw_skip_value(c)
        out.update_ns = out.event_ns
        for i in range(out.balance_count):
            change.update_ns[i] = out.event_ns
        for i in range(change.position_count):
            change.positions[i].update_ns = out.event_ns
        return step == 0 and good

    # --- balances and positions, of the stream and of REST ---

    cdef int read_wallets(self, tw_cursor* c, OwnFrame* out) except -1:
        """[{"a"|"asset", "wb"|"balance", "bc", "updateTime"}]"""
        cdef int first = 1, step
        out.balance_count = 0
        if not tw_take(c, c'['):
            return 0
        while True:
            step = tw_next_item(c, &first)
            if step <= 0:
                return step == 0
            if not self._read_wallet(c, out):
                return 0

    cdef int _read_wallet(self, tw_cursor* c, OwnFrame* out) except -1:
        cdef int first = 1, step
        cdef bint good = True
        cdef const char* key
        cdef size_t size
        cdef BalanceRow row
        cdef int64_t change_e8 = 0, update_ms = 0
        memset(&row, 0, sizeof(BalanceRow))
        if not tw_take(c, c'{'):
            return 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if is_word(key, size, b"a") or is_word(key, size, b"asset"):
                good = self.read_asset(c, &row.asset_id)
            elif is_word(key, size, b"wb") or is_word(key, size, b"balance"):
                good = tw_read_signed_decimal_e8(c, &row.free_e8)
            elif is_word(key, size, b"bc"):
                good = tw_read_signed_decimal_e8(c, &change_e8)
            elif is_word(key, size, b"updateTime"):
                good = tw_read_int64(c, &update_ms)
            else:
                good = tw_skip_value(c)
        if row.asset_id and out.balance_count < BALANCE_ROWS_MAX:
            out.balances[out.balance_count] = row
            self.change.change_e8[out.balance_count] = change_e8
            self.change.update_ns[out.balance_count] = update_ms * NS_OF_MS
            out.balance_count += 1
        return step == 0 and good

    cdef int read_positions(self, tw_cursor* c) except -1:
        """[{"s"|"symbol", "pa"|"positionAmt", "ep"|"entryPrice", "ps"|"positionSide", "updateTime"}]: one-way rows of our symbols."""
        cdef int first = 1, step
        self.change.position_count = 0
        if not tw_take(c, c'['):
            return 0
        while True:
            step = tw_next_item(c, &first)
            if step <= 0:
                return step == 0
            if not self._read_position(c):
                return 0

    cdef int _read_position(self, tw_cursor* c) except -1:
        cdef int first = 1, step
        cdef bint good = True, is_one_way = True
        cdef const char* key
        cdef const char* text
        cdef const char* symbol = NULL
        cdef size_t size, text_size = 0, symbol_size = 0
        cdef int64_t qty_e8 = 0, update_ms = 0
        cdef SymbolRow* known
        cdef PositionRow row
        memset(&row, 0, sizeof(PositionRow))
        if not tw_take(c, c'{'):
            return 0
        while True:
            step = tw_next_key(c, &first, &key, &size)
            if step <= 0 or not good:
                break
            if is_word(key, size, b"s") or is_word(key, size, b"symbol"):
                good = tw_read_string(c, &symbol, &symbol_size)
            elif is_word(key, size, b"pa") or is_word(key, size, b"positionAmt"):
                good = tw_read_signed_decimal_e8(c, &qty_e8)
            elif is_word(key, size, b"ep") or is_word(key, size, b"entryPrice"):
                good = read_cut_decimal(c, &row.entry_price_e8)
            elif is_word(key, size, b"ps") or is_word(key, size, b"positionSide"):
                good = tw_read_string(c, &text, &text_size)
                is_one_way = good and is_word(text, text_size, b"BOTH")
            elif is_word(key, size, b"updateTime"):
                good = tw_read_int64(c, &update_ms)
            else:
                good = tw_skip_value(c)
        if step != 0 or not good or symbol == NULL:
            return 0
        known = self.symbols.find(symbol, symbol_size)
        if known == NULL or not is_one_way or self.change.position_count >= INSTRUMENT_CAPACITY:
            return 1
        known = self.symbols.refreshed(known)
        row.instrument_id = known.instrument_id
        row.update_ns = update_ms * NS_OF_MS
        good = tw_divide_exact(&known.lot, -qty_e8 if qty_e8 < 0 else qty_e8, &row.position_lots)
        if qty_e8 < 0:
            row.position_lots = -row.position_lots
        self.change.positions[self.change.position_count] = row
        self.change.position_count += 1
        return good

    # --- cold views of the same code ---

    def read_user(self, bytes frame not None) -> dict:
        """What a frame of the private stream is, and what stands in it."""
        cdef OwnFrame out
        self.decode_user(<const char*> frame, len(frame), &out)
        fields = {"kind": out.kind, "event_ns": out.event_ns}
        if out.kind == FRAME_EXECUTION:
            fields |= {"execution": dict(out.execution), "instrument_id": out.instrument_id, "order_handle": out.order_handle}
        if out.kind == FRAME_ACCOUNT:
            fields |= self._changes(&out)
            fields |= {"is_funding": bool(self.change.is_funding), "funding_instrument_id": self.change.funding_instrument_id}
        if out.kind == FRAME_WARNING:
            fields["alarm_code"] = out.status
        return fields

    def read_account_lists(self, bytes wallets not None, bytes positions not None) -> dict:
        """Rows of GET balance and GET positionRisk; ValueError where one cannot be read."""
        cdef OwnFrame out
        cdef tw_cursor c
        memset(&out, 0, sizeof(OwnFrame))
        c.p = <const char*> wallets
        c.end = c.p + len(wallets)
        if not self.read_wallets(&c, &out):
            raise ValueError("balances cannot be read")
        c.p = <const char*> positions
        c.end = c.p + len(positions)
        if not self.read_positions(&c):
            raise ValueError("positions cannot be read")
        return self._changes(&out)

    cdef dict _changes(self, const OwnFrame* out):
        return {
            "balances": [(out.balances[i].asset_id, out.balances[i].free_e8, self.change.change_e8[i]) for i in range(out.balance_count)],
            "positions": [dict(self.change.positions[i]) for i in range(self.change.position_count)],
        }


cdef inline bint _take_word(char key, const char* text, size_t size, ExecutionPayload* report) noexcept nogil:
    if key == c'c':
        return copy_client_id(report.client_order_id, text, size)
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
