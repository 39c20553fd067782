"""The USD-M side of the order codec: what differs from spot in words and shapes.

Post-only is the time in force GTX there, reduce-only a parameter; a replace is a cancel followed by a new order (the session's work),
since order.modify would keep the old order's client id. Events of the private stream carry no wrapper; balances are wallet balances
and stand in `free_e8` with nothing locked. Sources: Binance USD-M futures documentation, "Websocket API" and "User Data Streams".
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset, strlen
from engine.model.approval cimport ApprovedOrder
from engine.model.clientid cimport CLIENT_ID_LENGTH, encode_client_id
from engine.model.codes cimport *
from engine.model.native cimport is_conditional, is_priced, is_trailing
from engine.model.records cimport BalanceRow, Conditions, ExecutionPayload
from engine.model.tables cimport Instrument
from engine.model.unnamed cimport NO_TRADE_ID, unnamed_trade_id
from engine.venues.binance.fields cimport *
from engine.venues.binance.market_codec cimport SymbolRow
from engine.venues.binance.order_codec cimport *
from engine.venues.binance.scan cimport *
from engine.venues.binance.words cimport *

cdef enum:
    TEXT_ROOM = 4096

cdef enum Member:
    # keys of an event's outer object, as bits
    MEMBER_NAME = 1
    MEMBER_TIME = 2
    MEMBER_ORDER = 4
    MEMBER_ACCOUNT = 8

# rows of ACCOUNT_UPDATE and of REST lists; balances and positions say the same in short and in long
cdef struct WalletScratch:
    int64_t wallet_e8
    int64_t change_e8
    int64_t update_ns
    tw_slice asset

cdef struct PositionScratch:
    int64_t qty_e8
    int64_t entry_e8
    int64_t update_ns
    int64_t isolated_wallet_e8
    tw_slice symbol
    tw_slice side

cdef struct AccountScratch:
    tw_slice cause
    tw_slice balances
    tw_slice positions
    tw_slice symbol

cdef tw_fields ALGO_FIELDS, ALGO_EVENT_FIELDS
cdef tw_fields UPDATE_FIELDS, WALLET_FIELDS, POSITION_FIELDS, ACCOUNT_CHANGE_FIELDS
cdef uint64_t UPDATE_OF_TRADE = 0
cdef uint64_t ALGO_WHOLE = 0


cdef int lay_update(tw_fields* t) except -1:
    """The order of ORDER_TRADE_UPDATE; `n` and `N` stand only where there is a commission."""
    global UPDATE_OF_TRADE
    cdef ReportScratch* o = <ReportScratch*> TW_LAYOUT
    add_field(t, b"s", TW_FIELD_TEXT, &o.symbol)
    add_field(t, b"c", TW_FIELD_TEXT, &o.client_id)
    add_field(t, b"S", TW_FIELD_TEXT, &o.side)
    add_field(t, b"o", TW_FIELD_TEXT, &o.type)
    add_field(t, b"f", TW_FIELD_TEXT, &o.force)
    add_field(t, b"q", TW_FIELD_DECIMAL, &o.report.qty_lots)
    add_field(t, b"p", TW_FIELD_DECIMAL, &o.report.price_ticks)
    add_field(t, b"x", TW_FIELD_TEXT, &o.exec)
    add_field(t, b"X", TW_FIELD_TEXT, &o.state)
    add_field(t, b"i", TW_FIELD_INT, &o.report.venue_order_id)
    add_field(t, b"l", TW_FIELD_DECIMAL, &o.report.last_qty_lots)
    add_field(t, b"z", TW_FIELD_DECIMAL, &o.report.cum_qty_lots)
    add_field(t, b"L", TW_FIELD_DECIMAL, &o.report.last_price_ticks)
    add_field(t, b"n", TW_FIELD_NULLABLE, &o.report.commission_e8, 0, False)
    add_field(t, b"N", TW_FIELD_NAME, &o.asset, 0, False)
    add_field(t, b"T", TW_FIELD_TIME, &o.report.transact_ns)
    add_field(t, b"t", TW_FIELD_INT, &o.report.trade_id)
    UPDATE_OF_TRADE |= <uint64_t> 1 << add_field(t, b"m", TW_FIELD_BOOL, &o.report.is_maker, 0, False)
    add_field(t, b"ps", TW_FIELD_TEXT, &o.position_side, 0, False)
    add_field(t, b"er", TW_FIELD_TEXT, &o.cause, 0, False)
    return 0


cdef int lay_algo(tw_fields* rows, tw_fields* events) except -1:
    """A conditional order: as replies and lists show it, and the order of ALGO_UPDATE."""
    global ALGO_WHOLE
    cdef ReportScratch* o = <ReportScratch*> TW_LAYOUT
    add_field(rows, b"algoId", TW_FIELD_INT, &o.report.venue_order_id)
    add_field(rows, b"clientAlgoId", TW_FIELD_TEXT, &o.client_id)
    ALGO_WHOLE |= <uint64_t> 1 << add_field(rows, b"orderType", TW_FIELD_TEXT, &o.type, 0, False)
    ALGO_WHOLE |= <uint64_t> 1 << add_field(rows, b"symbol", TW_FIELD_TEXT, &o.symbol, 0, False)
    ALGO_WHOLE |= <uint64_t> 1 << add_field(rows, b"side", TW_FIELD_TEXT, &o.side, 0, False)
    add_field(rows, b"positionSide", TW_FIELD_TEXT, &o.position_side, 0, False)
    add_field(rows, b"timeInForce", TW_FIELD_TEXT, &o.force, 0, False)
    ALGO_WHOLE |= <uint64_t> 1 << add_field(rows, b"quantity", TW_FIELD_DECIMAL, &o.report.qty_lots, 0, False)
    ALGO_WHOLE |= <uint64_t> 1 << add_field(rows, b"algoStatus", TW_FIELD_TEXT, &o.state, 0, False)
    add_field(rows, b"price", TW_FIELD_DECIMAL, &o.report.price_ticks, 0, False)
    add_field(rows, b"updateTime", TW_FIELD_TIME, &o.report.event_ns, 0, False)
    add_field(rows, b"actualOrderId", TW_FIELD_TEXT, &o.actual_id, 0, False)
    add_field(rows, b"actualQty", TW_FIELD_OPTIONAL, &o.report.cum_qty_lots, 0, False)
    add_field(events, b"caid", TW_FIELD_TEXT, &o.client_id)
    add_field(events, b"aid", TW_FIELD_INT, &o.report.venue_order_id)
    add_field(events, b"o", TW_FIELD_TEXT, &o.type)
    add_field(events, b"s", TW_FIELD_TEXT, &o.symbol)
    add_field(events, b"S", TW_FIELD_TEXT, &o.side)
    add_field(events, b"ps", TW_FIELD_TEXT, &o.position_side, 0, False)
    add_field(events, b"f", TW_FIELD_TEXT, &o.force, 0, False)
    add_field(events, b"q", TW_FIELD_DECIMAL, &o.report.qty_lots)
    add_field(events, b"X", TW_FIELD_TEXT, &o.state)
    add_field(events, b"ai", TW_FIELD_TEXT, &o.actual_id, 0, False)
    add_field(events, b"aq", TW_FIELD_OPTIONAL, &o.report.cum_qty_lots, 0, False)
    add_field(events, b"p", TW_FIELD_DECIMAL, &o.report.price_ticks, 0, False)
    return 0


cdef int lay_account(tw_fields* wallets, tw_fields* positions, tw_fields* change) except -1:
    cdef WalletScratch* w = <WalletScratch*> TW_LAYOUT
    cdef PositionScratch* p = <PositionScratch*> TW_LAYOUT
    cdef AccountScratch* a = <AccountScratch*> TW_LAYOUT
    add_field(wallets, b"a", TW_FIELD_TEXT, &w.asset, 0, False)
    add_field(wallets, b"asset", TW_FIELD_TEXT, &w.asset, 0, False)
    add_field(wallets, b"wb", TW_FIELD_SIGNED, &w.wallet_e8, 0, False)
    add_field(wallets, b"balance", TW_FIELD_SIGNED, &w.wallet_e8, 0, False)
    add_field(wallets, b"bc", TW_FIELD_SIGNED, &w.change_e8, 0, False)
    add_field(wallets, b"updateTime", TW_FIELD_TIME, &w.update_ns, 0, False)
    add_field(positions, b"s", TW_FIELD_TEXT, &p.symbol, 0, False)
    add_field(positions, b"symbol", TW_FIELD_TEXT, &p.symbol, 0, False)
    add_field(positions, b"pa", TW_FIELD_SIGNED, &p.qty_e8, 0, False)
    add_field(positions, b"positionAmt", TW_FIELD_SIGNED, &p.qty_e8, 0, False)
    add_field(positions, b"ep", TW_FIELD_CUT, &p.entry_e8, 0, False)
    add_field(positions, b"entryPrice", TW_FIELD_CUT, &p.entry_e8, 0, False)
    add_field(positions, b"ps", TW_FIELD_TEXT, &p.side, 0, False)
    add_field(positions, b"positionSide", TW_FIELD_TEXT, &p.side, 0, False)
    add_field(positions, b"updateTime", TW_FIELD_TIME, &p.update_ns, 0, False)
    add_field(positions, b"iw", TW_FIELD_SIGNED, &p.isolated_wallet_e8, 0, False)
    add_field(positions, b"isolatedWallet", TW_FIELD_SIGNED, &p.isolated_wallet_e8, 0, False)
    add_field(change, b"m", TW_FIELD_TEXT, &a.cause)
    add_field(change, b"B", TW_FIELD_VALUE, &a.balances, 0, False)
    add_field(change, b"P", TW_FIELD_VALUE, &a.positions, 0, False)
    add_field(change, b"S", TW_FIELD_TEXT, &a.symbol, 0, False)
    return 0


lay_update(&UPDATE_FIELDS)
lay_algo(&ALGO_FIELDS, &ALGO_EVENT_FIELDS)
lay_account(&WALLET_FIELDS, &POSITION_FIELDS, &ACCOUNT_CHANGE_FIELDS)


cdef inline tw_cursor cursor_of(const tw_slice* value) noexcept nogil:
    cdef tw_cursor c
    c.p = value.p
    c.end = value.p + value.size
    return c


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

    cdef int place_terms(self, char* out, uint64_t request_id, const ApprovedOrder* terms, const Conditions* conditions,
                         int64_t venue_ns) noexcept nogil:
        """What is more than a plain order: algoOrder.place where it waits for a price, else order.place with a side or an end."""
        cdef tw_bag bag
        cdef const Instrument* instrument = &self.tables.instruments[terms.instrument_id]
        cdef bint waits = is_conditional(terms.order_type)
        tw_bag_open(&bag)
        self.put_id(&bag, b"", b"clientAlgoId" if waits else b"newClientOrderId", terms.order_handle)
        tw_bag_word(&bag, b"", b"type", futures_type(terms.order_type))
        tw_bag_word(&bag, b"", b"side", b"SELL" if terms.side == SIDE_SELL else b"BUY")
        if terms.position_side:
            # there the side says what closes; reduce-only is not a word of hedge mode
            tw_bag_word(&bag, b"", b"positionSide", b"LONG" if terms.position_side == POSITION_SIDE_LONG else b"SHORT")
        elif terms.flags & ORDER_FLAG_REDUCE_ONLY and not terms.flags & ORDER_FLAG_CLOSE_POSITION:
            tw_bag_word(&bag, b"", b"reduceOnly", b"true")
        if terms.flags & ORDER_FLAG_CLOSE_POSITION:
            tw_bag_word(&bag, b"", b"closePosition", b"true")
        else:
            tw_bag_amount(&bag, b"", b"quantity", terms.qty_lots, instrument.lot_size_e8)
        if is_priced(terms.order_type):
            tw_bag_amount(&bag, b"", b"price", terms.price_ticks, instrument.tick_size_e8)
            tw_bag_word(&bag, b"", b"timeInForce", futures_force(terms))
            if terms.time_in_force == TIME_IN_FORCE_GTD:
                tw_bag_number(&bag, b"", b"goodTillDate", <uint64_t> (terms.expire_ns // 1000000000 * 1000))
        if not waits:
            tw_bag_word(&bag, b"", b"newOrderRespType", b"ACK")
            return self.send_bag(&bag, out, b"order.place", request_id, terms.instrument_id, venue_ns)
        tw_bag_word(&bag, b"", b"algoType", b"CONDITIONAL")
        if conditions != NULL and conditions.trigger_source == TRIGGER_SOURCE_MARK:
            tw_bag_word(&bag, b"", b"workingType", b"MARK_PRICE")
        if is_trailing(terms.order_type) and conditions != NULL:
            # basis points are hundredths of a percent
            tw_bag_amount(&bag, b"", b"callbackRate", conditions.trail_amount, 1000000)
            if conditions.activation_ticks > 0:
                tw_bag_amount(&bag, b"", b"activatePrice", conditions.activation_ticks, instrument.tick_size_e8)
        else:
            tw_bag_amount(&bag, b"", b"triggerPrice", terms.trigger_ticks, instrument.tick_size_e8)
        return self.send_bag(&bag, out, b"algoOrder.place", request_id, terms.instrument_id, venue_ns)

    cdef int cancel_algo(self, char* out, uint64_t request_id, uint64_t order_handle, int64_t venue_ns) noexcept nogil:
        """algoOrder.cancel of an order that still waits for its price."""
        cdef tw_bag bag
        tw_bag_open(&bag)
        self.put_id(&bag, b"", b"clientAlgoId", order_handle)
        return self.send_bag(&bag, out, b"algoOrder.cancel", request_id, 0, venue_ns)

    cdef int amend(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t lots, int64_t venue_ns) noexcept nogil:
        """order.modify with the same price and less: it keeps the order's name, not its place in the queue."""
        cdef tw_bag bag
        cdef const Instrument* instrument = &self.tables.instruments[terms.instrument_id]
        tw_bag_open(&bag)
        self.put_id(&bag, b"", b"origClientOrderId", terms.order_handle)
        tw_bag_word(&bag, b"", b"side", b"SELL" if terms.side == SIDE_SELL else b"BUY")
        tw_bag_amount(&bag, b"", b"quantity", lots, instrument.lot_size_e8)
        tw_bag_amount(&bag, b"", b"price", terms.price_ticks, instrument.tick_size_e8)
        return self.send_bag(&bag, out, b"order.modify", request_id, terms.instrument_id, venue_ns)

    cdef int cancel_target(self, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t venue_ns) noexcept nogil:
        """The first half of a replace: order.cancel of the order that goes."""
        return self.by_client_id(out, b"order.cancel", request_id, terms.target_handle, terms.instrument_id, venue_ns)

    # --- the private stream ---

    cdef int decode_user(self, const char* data, Py_ssize_t size, OwnFrame* out) noexcept:
        """{"e","E","T","o":{} | "a":{}}: a body that stands before its event's name is read after the walk."""
        cdef int fault
        memset(out, 0, <char*> &out.balances - <char*> out)
        out.execution.trade_id = -1
        if self._decode_user(data, size, out):
            out.fault = FRAME_FAULT_NONE
            return 1
        out.kind = FRAME_MALFORMED
        fault = tw_fault_of_text(data, <size_t> size)
        if fault:
            out.fault = <uint16_t> fault
        return 1

    cdef int _decode_user(self, const char* data, Py_ssize_t size, OwnFrame* out) noexcept:
        cdef tw_cursor c, start
        cdef tw_slice name, order, account
        cdef int first = 1, step
        cdef const char* key
        cdef size_t key_size
        cdef uint64_t seen = 0, member
        cdef int64_t event_ns = 0
        cdef bint is_update = False
        c.p = data
        c.end = data + size
        name.p = order.p = account.p = NULL
        name.size = order.size = account.size = 0
        out.fault = FRAME_FAULT_SYNTAX
        if not tw_take(&c, c'{'):
            return 0
        while True:
            step = tw_next_key(&c, &first, &key, &key_size)
            if step <= 0:
                break
            member = _member_of(key[0]) if key_size == 1 else 0
            if seen & member:
                return own_refusal(out, FRAME_FAULT_REPEATED_FIELD)
            seen |= member
            tw_skip_space(&c)
            start = c
            if member == MEMBER_NAME:
                if not tw_read_string(&c, &name.p, &name.size):
                    return own_refusal(out, FRAME_FAULT_TEXT)
                is_update = is_word(name.p, name.size, b"ORDER_TRADE_UPDATE")
            elif member == MEMBER_TIME:
                if not tw_read_time(&c, &event_ns):
                    return own_refusal(out, tw_fault_of_number(start, False, False))
            elif member == MEMBER_ORDER and is_update:
                # the venue's own order of keys: read on the way
                if not self._decode_trade_update(&c, out):
                    return 0
            elif not tw_skip_value(&c):
                return 0
            elif member == MEMBER_ORDER:
                order.p = start.p
                order.size = <size_t> (c.p - start.p)
            elif member == MEMBER_ACCOUNT:
                account.p = start.p
                account.size = <size_t> (c.p - start.p)
        if step != 0 or not tw_at_end(&c):
            return 0
        out.event_ns = event_ns
        if name.p != NULL and not (seen & MEMBER_TIME):
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        if is_update:
            if not seen & MEMBER_ORDER:
                return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
            c = cursor_of(&order)
            if order.p != NULL and not self._decode_trade_update(&c, out):
                return 0
            out.execution.event_ns = event_ns
            out.kind = FRAME_EXECUTION
            return 1
        return self._decode_other(&name, &account, &order, out)

    cdef int _decode_other(self, const tw_slice* name, const tw_slice* account, const tw_slice* order, OwnFrame* out) noexcept:
        """Every event but an order's."""
        cdef tw_cursor c = cursor_of(account)
        out.kind = FRAME_OTHER
        if is_word(name.p, name.size, b"ACCOUNT_UPDATE"):
            out.kind = FRAME_ACCOUNT
            return self._decode_account(&c, out) if account.p != NULL else own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        if is_word(name.p, name.size, b"ALGO_UPDATE"):
            c = cursor_of(order)
            out.kind = FRAME_EXECUTION
            return self._decode_algo_update(&c, out) if order.p != NULL else own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        if is_word(name.p, name.size, b"listenKeyExpired"):
            out.kind = FRAME_KEY_EXPIRED
        elif is_word(name.p, name.size, b"MARGIN_CALL"):
            out.kind = FRAME_WARNING
            out.status = ALARM_CODE_MARGIN_CALL
        elif is_word(name.p, name.size, b"ACCOUNT_CONFIG_UPDATE"):
            out.kind = FRAME_WARNING
            out.status = ALARM_CODE_ACCOUNT_CHANGED
        return 1

    cdef int _decode_trade_update(self, tw_cursor* c, OwnFrame* out) noexcept:
        """The order of ORDER_TRADE_UPDATE. `t` is 0 where there was no trade of the book; `c` stays the order's own id in a cancel too."""
        cdef ReportScratch scratch
        cdef ExecutionPayload* report = &scratch.report
        cdef uint64_t seen = 0
        cdef int fault
        memset(&scratch, 0, sizeof(ReportScratch))
        fault = tw_read_fields(c, &UPDATE_FIELDS, <char*> &scratch, &seen)
        if fault:
            return own_refusal(out, fault)
        if (seen & UPDATE_FIELDS.required) != UPDATE_FIELDS.required:
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        if not take_words(&scratch):
            return own_refusal(out, FRAME_FAULT_WORD)
        if report.exec_type != EXEC_TYPE_TRADE or report.last_qty_lots == 0:
            report.trade_id = NO_TRADE_ID
        elif report.last_price_ticks <= 0:
            return own_refusal(out, FRAME_FAULT_CONTRADICTION)
        elif (seen & UPDATE_OF_TRADE) != UPDATE_OF_TRADE:
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        self.name_asset(&scratch.asset, &report.commission_asset_id)
        out.execution = scratch.report
        if not self.scale(out, scratch.symbol.p, scratch.symbol.size):
            return own_refusal(out, FRAME_FAULT_OFF_TICK)
        report = &out.execution
        if report.trade_id != NO_TRADE_ID and report.trade_id <= 0:
            # closed by the venue: no trade of the book, but a fill as real as any
            report.trade_id = unnamed_trade_id(report.venue_order_id, report.cum_qty_lots)
        out.order_handle = own_handle(self.engine_id, report)
        return 1

    cdef int _decode_algo_update(self, tw_cursor* c, OwnFrame* out) noexcept:
        """The order of ALGO_UPDATE."""
        cdef ReportScratch scratch
        cdef uint64_t seen = 0
        cdef int fault
        memset(&scratch, 0, sizeof(ReportScratch))
        fault = tw_read_fields(c, &ALGO_EVENT_FIELDS, <char*> &scratch, &seen)
        if fault:
            return own_refusal(out, fault)
        if (seen & ALGO_EVENT_FIELDS.required) != ALGO_EVENT_FIELDS.required:
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        scratch.report.event_ns = out.event_ns
        return self._take_algo(&scratch, out)

    cdef int read_algo(self, tw_cursor* c, OwnFrame* out, bint is_whole) noexcept:
        """A conditional order as replies and lists show it; `is_whole`: with its terms and state."""
        cdef ReportScratch scratch
        cdef uint64_t seen = 0, required = ALGO_FIELDS.required | (ALGO_WHOLE if is_whole else 0)
        cdef int fault
        memset(&scratch, 0, sizeof(ReportScratch))
        out.instrument_id = 0
        fault = tw_read_fields(c, &ALGO_FIELDS, <char*> &scratch, &seen)
        if fault:
            return own_refusal(out, fault)
        if (seen & required) != required:
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        return self._take_algo(&scratch, out)

    cdef int _take_algo(self, ReportScratch* scratch, OwnFrame* out) noexcept:
        """Its number is the service's; that of the order it became stands in `execution_id`, and only then it does not wait."""
        cdef ExecutionPayload* report = &scratch.report
        cdef tw_slice state = scratch.state
        cdef tw_cursor number
        scratch.state.p = NULL
        if not take_words(scratch):
            return own_refusal(out, FRAME_FAULT_WORD)
        report.trade_id = NO_TRADE_ID
        report.is_conditional = 1
        report.exec_type = EXEC_TYPE_UNKNOWN
        report.transact_ns = report.event_ns
        report.order_state = algo_state(&state)
        report.is_waiting = not (is_word(state.p, state.size, b"TRIGGERED") or is_word(state.p, state.size, b"FINISHED"))
        if scratch.actual_id.p != NULL and scratch.actual_id.size > 0:
            number.p = scratch.actual_id.p
            number.end = number.p + scratch.actual_id.size
            if not tw_read_int64(&number, &report.execution_id):
                return own_refusal(out, FRAME_FAULT_WORD)
        out.execution = report[0]
        if scratch.symbol.p != NULL and not self.scale(out, scratch.symbol.p, scratch.symbol.size):
            return own_refusal(out, FRAME_FAULT_OFF_TICK)
        out.order_handle = own_handle(self.engine_id, &out.execution)
        return 1

    cdef int _decode_account(self, tw_cursor* c, OwnFrame* out) noexcept:
        """{"m","B":[],"P":[],"S"}: only what changed."""
        cdef AccountChange* change = self.change
        cdef AccountScratch scratch
        cdef tw_cursor rows
        cdef SymbolRow* row
        cdef int fault, i
        memset(&scratch, 0, sizeof(AccountScratch))
        change.position_count = 0
        change.is_funding = False
        change.funding_instrument_id = 0
        out.balance_count = 0
        fault = tw_read_whole(c, &ACCOUNT_CHANGE_FIELDS, <char*> &scratch)
        if fault:
            return own_refusal(out, fault)
        change.is_funding = is_word(scratch.cause.p, scratch.cause.size, b"FUNDING_FEE")
        if scratch.symbol.p != NULL:
            row = self.symbols.find(scratch.symbol.p, scratch.symbol.size)
            change.funding_instrument_id = self.symbols.refreshed(row).instrument_id if row != NULL else 0
        rows = cursor_of(&scratch.balances)
        if rows.p != NULL and not self.read_wallets(&rows, out):
            return 0
        rows = cursor_of(&scratch.positions)
        if rows.p != NULL and not self.read_positions(&rows, out):
            return 0
        out.update_ns = out.event_ns
        for i in range(out.balance_count):
            change.update_ns[i] = out.event_ns
        for i in range(change.position_count):
            change.positions[i].update_ns = out.event_ns
        return 1

    # --- balances and positions, of the stream and of REST ---

    cdef int read_wallets(self, tw_cursor* c, OwnFrame* out) noexcept:
        """[{"a"|"asset", "wb"|"balance", "bc", "updateTime"}]"""
        cdef int first = 1, step
        out.balance_count = 0
        if not tw_take(c, c'['):
            return own_refusal(out, FRAME_FAULT_SYNTAX)
        while True:
            step = tw_next_item(c, &first)
            if step <= 0:
                return 1 if step == 0 else own_refusal(out, FRAME_FAULT_SYNTAX)
            if not self._read_wallet(c, out):
                return 0

    cdef int _read_wallet(self, tw_cursor* c, OwnFrame* out) noexcept:
        cdef WalletScratch scratch
        cdef BalanceRow row
        cdef uint64_t seen = 0
        cdef int fault
        memset(&scratch, 0, sizeof(WalletScratch))
        memset(&row, 0, sizeof(BalanceRow))
        fault = tw_read_fields(c, &WALLET_FIELDS, <char*> &scratch, &seen)
        if fault:
            return own_refusal(out, fault)
        if not (seen & 3 and seen & 12):
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        self.name_asset(&scratch.asset, &row.asset_id)
        if row.asset_id and out.balance_count < BALANCE_ROWS_MAX:
            row.free_e8 = scratch.wallet_e8
            out.balances[out.balance_count] = row
            self.change.change_e8[out.balance_count] = scratch.change_e8
            self.change.update_ns[out.balance_count] = scratch.update_ns
            out.balance_count += 1
        return 1

    cdef int read_positions(self, tw_cursor* c, OwnFrame* out) noexcept:
        """[{"s"|"symbol", "pa"|"positionAmt", "ep"|"entryPrice", "ps"|"positionSide", "updateTime"}]: rows of our symbols, each position side its own."""
        cdef int first = 1, step
        self.change.position_count = 0
        if not tw_take(c, c'['):
            return own_refusal(out, FRAME_FAULT_SYNTAX)
        while True:
            step = tw_next_item(c, &first)
            if step <= 0:
                return 1 if step == 0 else own_refusal(out, FRAME_FAULT_SYNTAX)
            if not self._read_position(c, out):
                return 0

    cdef int _read_position(self, tw_cursor* c, OwnFrame* out) noexcept:
        cdef PositionScratch scratch
        cdef uint64_t seen = 0
        cdef int fault
        cdef SymbolRow* known
        cdef PositionRow row
        memset(&scratch, 0, sizeof(PositionScratch))
        memset(&row, 0, sizeof(PositionRow))
        fault = tw_read_fields(c, &POSITION_FIELDS, <char*> &scratch, &seen)
        if fault:
            return own_refusal(out, fault)
        if not (seen & 3 and seen & 12 and seen & 48):
            return own_refusal(out, FRAME_FAULT_MISSING_FIELD)
        known = self.symbols.find(scratch.symbol.p, scratch.symbol.size)
        if known == NULL or self.change.position_count >= POSITION_ROWS_MAX:
            return 1
        if scratch.side.p != NULL and not position_side_of(scratch.side.p, scratch.side.size, &row.position_side):
            return own_refusal(out, FRAME_FAULT_WORD)
        known = self.symbols.refreshed(known)
        if not tw_divide_exact(&known.lot, -scratch.qty_e8 if scratch.qty_e8 < 0 else scratch.qty_e8, &row.position_lots):
            return own_refusal(out, FRAME_FAULT_OFF_TICK)
        if scratch.qty_e8 < 0:
            row.position_lots = -row.position_lots
        row.instrument_id = known.instrument_id
        row.update_ns = scratch.update_ns
        row.entry_price_e8 = scratch.entry_e8
        row.isolated_wallet_e8 = scratch.isolated_wallet_e8
        self.change.positions[self.change.position_count] = row
        self.change.position_count += 1
        return 1

    # --- cold views of the same code ---

    def read_user(self, bytes frame not None) -> dict:
        """What a frame of the private stream is, and what stands in it."""
        cdef OwnFrame out
        self.decode_user(<const char*> frame, len(frame), &out)
        fields = {"kind": out.kind, "fault": out.fault, "event_ns": out.event_ns}
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
        if not self.read_positions(&c, &out):
            raise ValueError("positions cannot be read")
        return self._changes(&out)

    cdef dict _changes(self, const OwnFrame* out):
        return {
            "balances": [(out.balances[i].asset_id, out.balances[i].free_e8, self.change.change_e8[i]) for i in range(out.balance_count)],
            "positions": [dict(self.change.positions[i]) for i in range(self.change.position_count)],
        }


cdef const char* futures_type(int order_type) noexcept nogil:
    if order_type == ORDER_TYPE_LIMIT:
        return b"LIMIT"
    if order_type == ORDER_TYPE_MARKET:
        return b"MARKET"
    if order_type == ORDER_TYPE_STOP:
        return b"STOP_MARKET"
    if order_type == ORDER_TYPE_STOP_LIMIT:
        return b"STOP"
    if order_type == ORDER_TYPE_MARKET_IF_TOUCHED:
        return b"TAKE_PROFIT_MARKET"
    return b"TAKE_PROFIT" if order_type == ORDER_TYPE_LIMIT_IF_TOUCHED else b"TRAILING_STOP_MARKET"


cdef const char* futures_force(const ApprovedOrder* terms) noexcept nogil:
    if terms.flags & ORDER_FLAG_POST_ONLY and terms.time_in_force == TIME_IN_FORCE_GTC:
        return b"GTX"
    if terms.time_in_force == TIME_IN_FORCE_IOC:
        return b"IOC"
    if terms.time_in_force == TIME_IN_FORCE_FOK:
        return b"FOK"
    return b"GTD" if terms.time_in_force == TIME_IN_FORCE_GTD else b"GTC"


cdef uint8_t algo_state(const tw_slice* state) noexcept nogil:
    """An order that its condition placed is reported as itself: until then, and after, the condition's own end counts."""
    if state.p == NULL:
        return ORDER_STATE_NONE
    if is_word(state.p, state.size, b"CANCELED"):
        return ORDER_STATE_CANCELED
    if is_word(state.p, state.size, b"EXPIRED"):
        return ORDER_STATE_EXPIRED
    if is_word(state.p, state.size, b"REJECTED"):
        return ORDER_STATE_REJECTED
    if (is_word(state.p, state.size, b"NEW") or is_word(state.p, state.size, b"TRIGGERING") or is_word(state.p, state.size, b"TRIGGERED")
            or is_word(state.p, state.size, b"FINISHED")):
        return ORDER_STATE_NEW
    return ORDER_STATE_UNKNOWN


cdef inline uint64_t _member_of(char key) noexcept nogil:
    if key == c'e':
        return MEMBER_NAME
    if key == c'E':
        return MEMBER_TIME
    if key == c'o':
        return MEMBER_ORDER
    return MEMBER_ACCOUNT if key == c'a' else 0
