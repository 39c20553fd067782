"""Market statistics of Binance to payloads of journal records: candles, 24 h tickers, mark prices, liquidations, contract news, and
the bodies of REST polls (open interest, funding, long/short ratios).

Each event is a table: which key goes where, as what, and which keys must be there. Keys may come in any order; one that stands twice, a
number that does not fit, a missing key: the frame is malformed, as for the books. A malformed one names no instrument in its
record: no book lost an update by it. Symbols that are not configured: a frame of its own stays raw, a row of an array of all symbols
is read (its instrument is 0). Source: Binance "WebSocket Streams" of spot and USD-M, "Market Data" endpoints of USD-M.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from engine.model.codes cimport (
    RECORD_KIND_CONTRACT_INFO, RECORD_KIND_FUNDING_RATE, RECORD_KIND_KLINE, RECORD_KIND_LIQUIDATION, RECORD_KIND_LONG_SHORT_RATIO,
    RECORD_KIND_MARKET_FRAME_MALFORMED, RECORD_KIND_MARKET_FRAME_OTHER, RECORD_KIND_MARK_PRICE, RECORD_KIND_MINI_TICKER,
    RECORD_KIND_OPEN_INTEREST, RECORD_KIND_TICKER_24H, SIDE_BUY, SIDE_SELL,
)
from engine.model.records cimport (
    ContractInfoPayload, FundingRatePayload, FundingRow, KlinePayload, LiquidationPayload, LongShortRatioPayload, MarkPricePayload,
    MiniTickerRow, OpenInterestPayload, Ticker24hRow, TickersPayload,
)
from engine.venues.binance.market_codec cimport *
from engine.venues.binance.scan cimport *

cdef enum FieldType:
    FIELD_ID = 0           # unsigned integer
    FIELD_INT = 1          # integer of either sign
    FIELD_TIME = 2         # milliseconds, also quoted, to ns
    FIELD_PRICE = 3        # quoted decimal to 10^-8
    FIELD_SIGNED = 4       # quoted decimal of either sign; "" is 0
    FIELD_AMOUNT = 5       # whole units at `offset`, 10^-8 at `extra`; "" is 0
    FIELD_BOOL = 6
    FIELD_WORD = 7         # text of at most `extra` bytes, zero padded
    FIELD_SIDE = 8
    FIELD_SYMBOL = 9       # the instrument, into `Decoded`; the text too where `extra` is not 0
    FIELD_EVENT = 10       # the event's name as an EventCode

cdef enum:
    FIELDS_MAX = 24
    KEY_BYTES_MAX = 16
    NO_FIELD = 255

cdef struct Field:
    char key[KEY_BYTES_MAX]
    uint8_t key_size
    uint8_t type
    uint16_t offset
    uint16_t extra

cdef struct Fields:
    uint64_t required          # bit = number of the field
    uint32_t count
    uint8_t by_letter[128]     # number of the field whose key is this one letter
    Field rows[FIELDS_MAX]

cdef struct TickerScratch:
    Ticker24hRow row
    uint64_t market            # USD-M's `st`: 1 = USD-M, 2 = COIN-M; 0 = not said
    int64_t event

cdef struct LiquidationScratch:
    LiquidationPayload payload
    int64_t qty_e8
    int64_t last_qty_e8
    int64_t cum_qty_e8

cdef Fields KLINE_FIELDS, TICKER_FIELDS, MARK_PRICE_FIELDS, LIQUIDATION_FIELDS, CONTRACT_FIELDS
cdef Fields OPEN_INTEREST_FIELDS, FUNDING_FIELDS, RATIO_FIELDS, TAKER_FIELDS
cdef uint64_t MINI_TICKER_REQUIRED = 0
cdef uint64_t ONE = 1


# --- tables ------------------------------------------------------------------------------------------------------------

cdef int add(Fields* fields, bytes key, int type, size_t offset, size_t extra=0, bint required=True) except -1:
    """One key more; returns its number."""
    cdef uint32_t i, number = fields.count
    cdef Field* row = &fields.rows[number]
    if number == 0:
        memset(fields.by_letter, NO_FIELD, 128)
    if number >= FIELDS_MAX or len(key) > KEY_BYTES_MAX:
        raise ValueError(f"field {key!r}: too many, or too long")
    memcpy(row.key, <const char*> key, len(key))
    row.key_size = len(key)
    row.type = type
    row.offset = offset
    row.extra = extra
    if len(key) == 1:
        fields.by_letter[key[0] & 127] = number
    if required:
        fields.required |= ONE << number
    fields.count += 1
    return number


cdef int lay_kline(Fields* table) except -1:
    cdef KlinePayload* k = NULL
    add(table, b"t", FIELD_TIME, <size_t> &k.open_ns)
    add(table, b"T", FIELD_TIME, <size_t> &k.close_ns)
    add(table, b"i", FIELD_WORD, <size_t> &k.interval, 7)
    add(table, b"f", FIELD_INT, <size_t> &k.first_trade_id)
    add(table, b"L", FIELD_INT, <size_t> &k.last_trade_id)
    add(table, b"o", FIELD_PRICE, <size_t> &k.open_e8)
    add(table, b"c", FIELD_PRICE, <size_t> &k.close_e8)
    add(table, b"h", FIELD_PRICE, <size_t> &k.high_e8)
    add(table, b"l", FIELD_PRICE, <size_t> &k.low_e8)
    add(table, b"v", FIELD_AMOUNT, <size_t> &k.volume_whole, <size_t> &k.volume_part_e8)
    add(table, b"n", FIELD_ID, <size_t> &k.trade_count)
    add(table, b"x", FIELD_BOOL, <size_t> &k.is_closed)
    add(table, b"q", FIELD_AMOUNT, <size_t> &k.quote_volume_whole, <size_t> &k.quote_volume_part_e8)
    add(table, b"V", FIELD_AMOUNT, <size_t> &k.taker_volume_whole, <size_t> &k.taker_volume_part_e8)
    add(table, b"Q", FIELD_AMOUNT, <size_t> &k.taker_quote_volume_whole, <size_t> &k.taker_quote_volume_part_e8)
    return 0


cdef int lay_tickers(Fields* table) except -1:
    """Both tickers: what the small one has first."""
    global MINI_TICKER_REQUIRED
    cdef TickerScratch* t = NULL
    add(table, b"e", FIELD_EVENT, <size_t> &t.event)
    add(table, b"E", FIELD_TIME, <size_t> &t.row.event_ns)
    add(table, b"s", FIELD_SYMBOL, <size_t> &t.row.symbol, 31)
    add(table, b"c", FIELD_PRICE, <size_t> &t.row.last_e8)
    add(table, b"o", FIELD_PRICE, <size_t> &t.row.open_e8)
    add(table, b"h", FIELD_PRICE, <size_t> &t.row.high_e8)
    add(table, b"l", FIELD_PRICE, <size_t> &t.row.low_e8)
    add(table, b"v", FIELD_AMOUNT, <size_t> &t.row.volume_whole, <size_t> &t.row.volume_part_e8)
    add(table, b"q", FIELD_AMOUNT, <size_t> &t.row.quote_volume_whole, <size_t> &t.row.quote_volume_part_e8)
    MINI_TICKER_REQUIRED = table.required
    add(table, b"p", FIELD_SIGNED, <size_t> &t.row.change_e8)
    add(table, b"P", FIELD_SIGNED, <size_t> &t.row.change_percent_e8)
    add(table, b"w", FIELD_PRICE, <size_t> &t.row.average_e8)
    add(table, b"Q", FIELD_AMOUNT, <size_t> &t.row.last_qty_whole, <size_t> &t.row.last_qty_part_e8)
    add(table, b"O", FIELD_TIME, <size_t> &t.row.open_ns)
    add(table, b"C", FIELD_TIME, <size_t> &t.row.close_ns)
    add(table, b"F", FIELD_INT, <size_t> &t.row.first_trade_id)
    add(table, b"L", FIELD_INT, <size_t> &t.row.last_trade_id)
    add(table, b"n", FIELD_ID, <size_t> &t.row.trade_count)
    add(table, b"st", FIELD_ID, <size_t> &t.market, 0, False)
    return 0


cdef int lay_derivatives(Fields* marks, Fields* liquidations, Fields* contracts) except -1:
    cdef MarkPricePayload* m = NULL
    cdef LiquidationScratch* o = NULL
    cdef ContractInfoPayload* i = NULL
    add(marks, b"E", FIELD_TIME, <size_t> &m.event_ns)
    add(marks, b"s", FIELD_SYMBOL, 0)
    add(marks, b"p", FIELD_PRICE, <size_t> &m.mark_e8)
    add(marks, b"ap", FIELD_SIGNED, <size_t> &m.average_e8, 0, False)
    add(marks, b"i", FIELD_SIGNED, <size_t> &m.index_e8, 0, False)
    add(marks, b"P", FIELD_SIGNED, <size_t> &m.settle_e8, 0, False)
    add(marks, b"r", FIELD_SIGNED, <size_t> &m.funding_rate_e8)
    add(marks, b"T", FIELD_TIME, <size_t> &m.next_funding_ns)
    add(liquidations, b"s", FIELD_SYMBOL, 0)
    add(liquidations, b"S", FIELD_SIDE, <size_t> &o.payload.side)
    add(liquidations, b"p", FIELD_PRICE, <size_t> &o.payload.price_e8)
    add(liquidations, b"ap", FIELD_SIGNED, <size_t> &o.payload.average_price_e8)
    add(liquidations, b"q", FIELD_PRICE, <size_t> &o.qty_e8)
    add(liquidations, b"l", FIELD_PRICE, <size_t> &o.last_qty_e8)
    add(liquidations, b"z", FIELD_PRICE, <size_t> &o.cum_qty_e8)
    add(liquidations, b"T", FIELD_TIME, <size_t> &o.payload.trade_ns)
    add(contracts, b"E", FIELD_TIME, <size_t> &i.event_ns)
    add(contracts, b"s", FIELD_SYMBOL, 0)
    add(contracts, b"ct", FIELD_WORD, <size_t> &i.contract_type, 23)
    add(contracts, b"dt", FIELD_TIME, <size_t> &i.delivery_ns)
    add(contracts, b"ot", FIELD_TIME, <size_t> &i.onboard_ns)
    add(contracts, b"cs", FIELD_WORD, <size_t> &i.status, 23)
    return 0


cdef int lay_polls(Fields* interest, Fields* funding, Fields* ratio, Fields* taker) except -1:
    cdef OpenInterestPayload* i = NULL
    cdef FundingRow* f = NULL
    cdef LongShortRatioPayload* r = NULL
    add(interest, b"openInterest", FIELD_AMOUNT, <size_t> &i.open_interest_whole, <size_t> &i.open_interest_part_e8)
    add(interest, b"time", FIELD_TIME, <size_t> &i.event_ns)
    add(funding, b"fundingRate", FIELD_SIGNED, <size_t> &f.rate_e8)
    add(funding, b"fundingTime", FIELD_TIME, <size_t> &f.funding_ns)
    add(funding, b"markPrice", FIELD_SIGNED, <size_t> &f.mark_e8, 0, False)
    add(ratio, b"longShortRatio", FIELD_SIGNED, <size_t> &r.ratio_e8)
    add(ratio, b"longAccount", FIELD_AMOUNT, <size_t> &r.long_whole, <size_t> &r.long_part_e8)
    add(ratio, b"shortAccount", FIELD_AMOUNT, <size_t> &r.short_whole, <size_t> &r.short_part_e8)
    add(ratio, b"timestamp", FIELD_TIME, <size_t> &r.event_ns)
    add(taker, b"buySellRatio", FIELD_SIGNED, <size_t> &r.ratio_e8)
    add(taker, b"buyVol", FIELD_AMOUNT, <size_t> &r.long_whole, <size_t> &r.long_part_e8)
    add(taker, b"sellVol", FIELD_AMOUNT, <size_t> &r.short_whole, <size_t> &r.short_part_e8)
    add(taker, b"timestamp", FIELD_TIME, <size_t> &r.event_ns)
    return 0


lay_kline(&KLINE_FIELDS)
lay_tickers(&TICKER_FIELDS)
lay_derivatives(&MARK_PRICE_FIELDS, &LIQUIDATION_FIELDS, &CONTRACT_FIELDS)
lay_polls(&OPEN_INTEREST_FIELDS, &FUNDING_FIELDS, &RATIO_FIELDS, &TAKER_FIELDS)


# --- reading by a table ------------------------------------------------------------------------------------------------

cdef int number_of(const Fields* fields, const char* key, size_t size) noexcept nogil:
    """Which field a key is; -1 where it is none of ours."""
    cdef uint32_t i
    if size == 1:
        i = fields.by_letter[key[0] & 127]
        return <int> i if i != NO_FIELD and fields.rows[i].key[0] == key[0] else -1
    for i in range(fields.count):
        if fields.rows[i].key_size == size and memcmp(fields.rows[i].key, key, size) == 0:
            return <int> i
    return -1


cdef bint is_empty_text(tw_cursor* c) noexcept nogil:
    """Pass over `""`, which the venue writes where a number does not apply."""
    if tw_peek(c) == b'"' and c.end - c.p >= 2 and c.p[1] == b'"':
        c.p += 2
        return True
    return False


cdef int read_time(tw_cursor* c, int64_t* target, Decoded* out) noexcept nogil:
    cdef uint64_t stamp
    cdef bint quoted = tw_peek(c) == b'"'
    if quoted:
        c.p += 1
    if not tw_read_uint64(c, &stamp) or (quoted and not tw_take(c, b'"')):
        return refuse(out, FAULT_NUMBER)
    target[0] = time_ns(stamp)
    return 1


cdef int read_word(tw_cursor* c, char* target, size_t room, Decoded* out) noexcept nogil:
    cdef const char* text
    cdef size_t size
    if not tw_read_string(c, &text, &size) or size > room:
        return refuse(out, FAULT_SYNTAX)
    memcpy(target, text, size)
    return 1


cdef int read_side_word(tw_cursor* c, uint8_t* side, Decoded* out) noexcept nogil:
    cdef const char* text
    cdef size_t size
    if not tw_read_string(c, &text, &size):
        return refuse(out, FAULT_SYNTAX)
    if size == 3 and memcmp(text, b"BUY", 3) == 0:
        side[0] = SIDE_BUY
    elif size == 4 and memcmp(text, b"SELL", 4) == 0:
        side[0] = SIDE_SELL
    else:
        return refuse(out, FAULT_SYNTAX)
    return 1


cdef int read_symbol_word(MarketCodec codec, tw_cursor* c, char* target, size_t room, Decoded* out) noexcept nogil:
    """Whose event it is; the text itself too where there is `room` for it."""
    cdef const char* text
    cdef size_t size
    cdef SymbolRow* row
    if not tw_read_string(c, &text, &size) or (room and size > room):
        return refuse(out, FAULT_SYNTAX)
    row = codec.find(text, size)
    out.instrument_id = row.instrument_id if row != NULL else 0
    if room:
        memcpy(target, text, size)
    return 1


cdef int read_event(tw_cursor* c, int64_t* event, Decoded* out) noexcept nogil:
    cdef const char* text
    cdef size_t size
    if not tw_read_string(c, &text, &size):
        return refuse(out, FAULT_SYNTAX)
    event[0] = event_of_name(text, size)
    return 1


cdef int read_field(MarketCodec codec, tw_cursor* c, const Field* field, char* base, Decoded* out) noexcept nogil:
    cdef char* target = base + field.offset
    cdef int flag, ok
    if field.type == FIELD_ID:
        ok = tw_read_uint64(c, <uint64_t*> target)
    elif field.type == FIELD_INT:
        ok = tw_read_int64(c, <int64_t*> target)
    elif field.type == FIELD_PRICE:
        ok = tw_read_decimal_e8(c, <int64_t*> target)
    elif field.type == FIELD_SIGNED:
        ok = is_empty_text(c) or tw_read_signed_decimal_e8(c, <int64_t*> target)
    elif field.type == FIELD_AMOUNT:
        ok = tw_read_amount(c, <uint64_t*> target, <uint32_t*> (base + field.extra), True)
    elif field.type == FIELD_BOOL:
        ok = tw_read_bool(c, &flag)
        target[0] = <char> flag
    elif field.type == FIELD_TIME:
        return read_time(c, <int64_t*> target, out)
    elif field.type == FIELD_SYMBOL:
        return read_symbol_word(codec, c, target, field.extra, out)
    elif field.type == FIELD_EVENT:
        return read_event(c, <int64_t*> target, out)
    elif field.type == FIELD_SIDE:
        return read_side_word(c, <uint8_t*> target, out)
    else:
        return read_word(c, target, field.extra, out)
    return 1 if ok else refuse(out, FAULT_NUMBER)


cdef int read_fields(MarketCodec codec, tw_cursor* c, const Fields* fields, char* base, uint64_t* seen, Decoded* out) noexcept nogil:
    """One object into the struct at `base`; `seen` says which fields it had."""
    cdef int first = 1, more, number
    cdef const char* key
    cdef size_t size
    seen[0] = 0
    if not tw_take(c, b'{'):
        return refuse(out, FAULT_SYNTAX)
    while True:
        more = tw_next_key(c, &first, &key, &size)
        if more < 0:
            return refuse(out, FAULT_SYNTAX)
        if more == 0:
            return 1
        number = number_of(fields, key, size)
        if number < 0:
            if not skip_or_refuse(c, out):
                return 0
        elif not mark(seen, ONE << number, out) or not read_field(codec, c, &fields.rows[number], base, out):
            return 0


cdef int read_whole(MarketCodec codec, tw_cursor* c, const Fields* fields, char* base, Decoded* out) noexcept nogil:
    """One object that must have everything required."""
    cdef uint64_t seen
    if not read_fields(codec, c, fields, base, &seen, out):
        return 0
    return 1 if (seen & fields.required) == fields.required else refuse(out, FAULT_MISSING_FIELD)


cdef int read_nested(MarketCodec codec, tw_cursor* c, char inner_key, const Fields* inner, char* base, int64_t* event_ns,
                     Decoded* out) noexcept nogil:
    """{"e":...,"E":time,"s":symbol,inner_key:{...}}: the inner object by its table, the time and symbol from around it."""
    cdef int first = 1, more, ok
    cdef const char* key
    cdef size_t size
    cdef uint64_t seen = 0
    if not tw_take(c, b'{'):
        return refuse(out, FAULT_SYNTAX)
    while True:
        more = tw_next_key(c, &first, &key, &size)
        if more < 0:
            return refuse(out, FAULT_SYNTAX)
        if more == 0:
            break
        if size == 1 and key[0] == b'E':
            ok = mark(&seen, 1, out) and read_time(c, event_ns, out)
        elif size == 1 and key[0] == b's':
            ok = mark(&seen, 4, out) and read_symbol_word(codec, c, NULL, 0, out)
        elif size == 1 and key[0] == inner_key:
            ok = mark(&seen, 2, out) and read_whole(codec, c, inner, base, out)
        else:
            ok = skip_or_refuse(c, out)
        if not ok:
            return 0
    return 1 if (seen & 3) == 3 else refuse(out, FAULT_MISSING_FIELD)


cdef int finish(int kind, size_t size, Decoded* out) noexcept nogil:
    """The event was read: ours where its symbol is, raw otherwise."""
    out.kind = kind if out.instrument_id else RECORD_KIND_MARKET_FRAME_OTHER
    out.payload_size = <uint32_t> size
    return 1


cdef int first_event(tw_cursor c) noexcept nogil:
    """The event of an array's first object (`c` is a copy): EVENT_OTHER where it names none."""
    cdef int first = 1
    cdef int64_t event = EVENT_OTHER
    cdef const char* key
    cdef size_t size
    cdef Decoded scratch
    if not tw_take(&c, b'[') or not tw_take(&c, b'{'):
        return EVENT_OTHER
    while tw_next_key(&c, &first, &key, &size) > 0:
        if size == 1 and key[0] == b'e':
            read_event(&c, &event, &scratch)
            return <int> event
        if not tw_skip_value(&c):
            return EVENT_OTHER
    return EVENT_OTHER


cdef int lots_of(const SymbolRow* row, int64_t qty_e8, int64_t* lots, Decoded* out) noexcept nogil:
    if not tw_divide_exact(&row.lot, qty_e8, lots):
        lots[0] = qty_e8 / row.lot_size_e8
        out.rounded += 1
    return 1


cdef class EventCodec(MarketCodec):
    """A MarketCodec that reads market statistics too."""

    cdef int decode_event(self, int event, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
        if event == EVENT_KLINE:
            return self.decode_kline(c, payload, out)
        if event == EVENT_TICKER_24H or event == EVENT_MINI_TICKER:
            return self.decode_tickers(event, c, payload, capacity, out)
        if event == EVENT_ARRAY:
            return self.decode_array(c, payload, capacity, out)
        if event == EVENT_MARK_PRICE:
            return self.decode_mark_price(c, payload, out)
        if event == EVENT_LIQUIDATION:
            return self.decode_liquidation(c, payload, out)
        if event == EVENT_CONTRACT_INFO:
            return self.decode_contract_info(c, payload, out)
        return MarketCodec.decode_event(self, event, c, payload, capacity, out)

    cdef int decode_kline(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
        cdef KlinePayload* kline = <KlinePayload*> payload
        cdef int64_t event_ns = 0
        memset(kline, 0, sizeof(KlinePayload))
        if not read_nested(self, c, b'k', &KLINE_FIELDS, payload, &event_ns, out):
            return 0
        kline.event_ns = event_ns
        return finish(RECORD_KIND_KLINE, sizeof(KlinePayload), out)

    cdef int decode_mark_price(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
        memset(payload, 0, sizeof(MarkPricePayload))
        if not read_whole(self, c, &MARK_PRICE_FIELDS, payload, out):
            return 0
        return finish(RECORD_KIND_MARK_PRICE, sizeof(MarkPricePayload), out)

    cdef int decode_contract_info(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
        memset(payload, 0, sizeof(ContractInfoPayload))
        if not read_whole(self, c, &CONTRACT_FIELDS, payload, out):
            return 0
        return finish(RECORD_KIND_CONTRACT_INFO, sizeof(ContractInfoPayload), out)

    cdef int decode_liquidation(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
        cdef LiquidationScratch scratch
        cdef SymbolRow* row = NULL
        cdef const char* symbol = NULL
        cdef size_t size = 0
        cdef int64_t event_ns = 0
        memset(&scratch, 0, sizeof(LiquidationScratch))
        if not read_nested(self, c, b'o', &LIQUIDATION_FIELDS, <char*> &scratch, &event_ns, out):
            return 0
        if out.instrument_id:
            symbol = self.tables.instruments[out.instrument_id].symbol
            while size < 31 and symbol[size]:
                size += 1
            row = self.find(symbol, size)
            lots_of(row, scratch.qty_e8, &scratch.payload.qty_lots, out)
            lots_of(row, scratch.last_qty_e8, &scratch.payload.last_qty_lots, out)
            lots_of(row, scratch.cum_qty_e8, &scratch.payload.cum_qty_lots, out)
        scratch.payload.event_ns = event_ns
        memcpy(payload, &scratch.payload, sizeof(LiquidationPayload))
        return finish(RECORD_KIND_LIQUIDATION, sizeof(LiquidationPayload), out)

    # --- tickers -------------------------------------------------------------------------------------------------------

    cdef int decode_tickers(self, int event, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
        """One symbol's ticker: a list of one row."""
        if not read_row(self, event, c, payload, capacity, out):
            return 0
        return finish(record_kind_of(event), sizeof(TickersPayload) + row_bytes_of(event), out)

    cdef int decode_array(self, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
        """[{...},...] of all symbols: every row of our market; the record names no instrument."""
        cdef int event = first_event(c[0]), first = 1, more
        cdef TickersPayload* tickers = <TickersPayload*> payload
        if event != EVENT_TICKER_24H and event != EVENT_MINI_TICKER:
            return MarketCodec.decode_event(self, event, c, payload, capacity, out)
        memset(tickers, 0, sizeof(TickersPayload))
        tw_take(c, b'[')
        while True:
            more = tw_next_item(c, &first)
            if more < 0:
                return refuse(out, FAULT_SYNTAX)
            if more == 0:
                break
            if not append_row(self, event, c, payload, capacity, out):
                return 0
        out.instrument_id = 0
        out.kind = record_kind_of(event)
        out.payload_size = <uint32_t> (sizeof(TickersPayload) + tickers.count * row_bytes_of(event))
        return 1

    # --- REST ----------------------------------------------------------------------------------------------------------

    cdef void decode_poll(self, int poll, uint32_t instrument_id, const char* data, Py_ssize_t size, char* payload,
                          uint32_t capacity, Decoded* out) noexcept nogil:
        cdef tw_cursor c
        cdef int ok
        memset(out, 0, sizeof(Decoded))
        c.p = data
        c.end = data + size
        if poll == POLL_OPEN_INTEREST:
            ok = decode_open_interest(self, &c, payload, out)
        elif poll == POLL_FUNDING:
            ok = decode_funding(self, &c, payload, capacity, out)
        else:
            ok = decode_ratio(self, poll - POLL_RATIO_FIRST, &c, payload, out)
        if ok and not tw_at_end(&c):
            ok = refuse(out, FAULT_TRAILING_BYTES)
        # the body is the answer about this instrument, whatever it says; a malformed one costs no book an update
        out.instrument_id = instrument_id if ok else 0
        if not ok:
            keep_raw(data, size, payload, RECORD_KIND_MARKET_FRAME_MALFORMED, out)
        elif out.kind == RECORD_KIND_MARKET_FRAME_OTHER:
            keep_raw(data, size, payload, RECORD_KIND_MARKET_FRAME_OTHER, out)

    def decode_poll_bytes(self, int poll, uint32_t instrument_id, bytes data) -> dict:
        """Decode the body of a poll from Python: tests."""
        cdef Decoded out
        cdef bytearray payload = bytearray(self.payload_size_max(len(data)))
        cdef char* target = payload
        self.decode_poll(poll, instrument_id, data, len(data), target, len(payload), &out)
        return self.fields_of(target, &out)

    cdef dict fields_of(self, const char* payload, const Decoded* out):
        if out.fault or not RECORD_KIND_KLINE <= out.kind <= RECORD_KIND_CONTRACT_INFO:
            return MarketCodec.fields_of(self, payload, out)
        fields = {"kind": out.kind, "fault": out.fault, "instrument_id": out.instrument_id, "rounded": out.rounded}
        fields.update(event_fields(payload, out.kind))
        fields.pop("pad", None)
        return fields


cdef int record_kind_of(int event) noexcept nogil:
    return RECORD_KIND_TICKER_24H if event == EVENT_TICKER_24H else RECORD_KIND_MINI_TICKER


cdef size_t row_bytes_of(int event) noexcept nogil:
    return sizeof(Ticker24hRow) if event == EVENT_TICKER_24H else sizeof(MiniTickerRow)


cdef int read_row(MarketCodec codec, int event, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
    memset(payload, 0, sizeof(TickersPayload))
    return append_row(codec, event, c, payload, capacity, out)


cdef int append_row(MarketCodec codec, int event, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
    """Read one ticker behind the rows that are there; one of another market is counted and left out."""
    cdef TickersPayload* tickers = <TickersPayload*> payload
    cdef size_t size = row_bytes_of(event), at = sizeof(TickersPayload) + tickers.count * size
    cdef uint64_t seen, required = TICKER_FIELDS.required if event == EVENT_TICKER_24H else MINI_TICKER_REQUIRED
    cdef TickerScratch scratch
    memset(&scratch, 0, sizeof(TickerScratch))
    if not read_fields(codec, c, &TICKER_FIELDS, <char*> &scratch, &seen, out):
        return 0
    if (seen & required) != required:
        return refuse(out, FAULT_MISSING_FIELD)
    if scratch.event != event:
        return refuse(out, FAULT_SYNTAX)
    if scratch.market > 1:
        tickers.left_out += 1
        return 1
    if at + size > capacity:
        return refuse(out, FAULT_TOO_MANY_LEVELS)
    scratch.row.instrument_id = out.instrument_id
    memcpy(payload + at, &scratch.row, size)
    if event == EVENT_MINI_TICKER:
        (<MiniTickerRow*> (payload + at)).pad = 0
    tickers.count += 1
    return 1


cdef int decode_open_interest(MarketCodec codec, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
    memset(payload, 0, sizeof(OpenInterestPayload))
    if not read_whole(codec, c, &OPEN_INTEREST_FIELDS, payload, out):
        return 0
    out.kind = RECORD_KIND_OPEN_INTEREST
    out.payload_size = sizeof(OpenInterestPayload)
    return 1


cdef int decode_funding(MarketCodec codec, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
    """[{fundingTime, fundingRate, markPrice},...], oldest first; without a row there is no news."""
    cdef FundingRatePayload* funding = <FundingRatePayload*> payload
    cdef FundingRow* rows = <FundingRow*> (payload + sizeof(FundingRatePayload))
    cdef uint64_t room = (capacity - sizeof(FundingRatePayload)) / sizeof(FundingRow)
    cdef int first = 1, more
    memset(funding, 0, sizeof(FundingRatePayload))
    if not tw_take(c, b'['):
        return refuse(out, FAULT_SYNTAX)
    while True:
        more = tw_next_item(c, &first)
        if more < 0:
            return refuse(out, FAULT_SYNTAX)
        if more == 0:
            break
        if funding.count >= room:
            return refuse(out, FAULT_TOO_MANY_LEVELS)
        memset(&rows[funding.count], 0, sizeof(FundingRow))
        if not read_whole(codec, c, &FUNDING_FIELDS, <char*> &rows[funding.count], out):
            return 0
        funding.count += 1
    out.kind = RECORD_KIND_FUNDING_RATE if funding.count else RECORD_KIND_MARKET_FRAME_OTHER
    out.payload_size = <uint32_t> (sizeof(FundingRatePayload) + funding.count * sizeof(FundingRow))
    return 1


cdef int decode_ratio(MarketCodec codec, int ratio_kind, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
    """[{...},...], oldest first: the latest is told."""
    cdef LongShortRatioPayload* ratio = <LongShortRatioPayload*> payload
    cdef const Fields* fields = &TAKER_FIELDS if ratio_kind == 3 else &RATIO_FIELDS
    cdef int first = 1, more
    memset(ratio, 0, sizeof(LongShortRatioPayload))
    out.kind = RECORD_KIND_MARKET_FRAME_OTHER
    if not tw_take(c, b'['):
        return refuse(out, FAULT_SYNTAX)
    while True:
        more = tw_next_item(c, &first)
        if more < 0:
            return refuse(out, FAULT_SYNTAX)
        if more == 0:
            break
        memset(ratio, 0, sizeof(LongShortRatioPayload))
        if not read_whole(codec, c, fields, payload, out):
            return 0
        out.kind = RECORD_KIND_LONG_SHORT_RATIO
    ratio.ratio_kind = <uint8_t> ratio_kind
    out.payload_size = sizeof(LongShortRatioPayload)
    return 1


cdef object event_fields(const char* payload, int kind):
    """An event's payload by the names of its struct, rows as a list of them."""
    cdef const char* rows = payload + sizeof(TickersPayload)
    cdef uint32_t i, count = (<const TickersPayload*> payload).count
    if kind == RECORD_KIND_KLINE:
        return (<const KlinePayload*> payload)[0]
    if kind == RECORD_KIND_MARK_PRICE:
        return (<const MarkPricePayload*> payload)[0]
    if kind == RECORD_KIND_LIQUIDATION:
        return (<const LiquidationPayload*> payload)[0]
    if kind == RECORD_KIND_CONTRACT_INFO:
        return (<const ContractInfoPayload*> payload)[0]
    if kind == RECORD_KIND_OPEN_INTEREST:
        return (<const OpenInterestPayload*> payload)[0]
    if kind == RECORD_KIND_LONG_SHORT_RATIO:
        return (<const LongShortRatioPayload*> payload)[0]
    if kind == RECORD_KIND_TICKER_24H:
        return {"left_out": (<const TickersPayload*> payload).left_out,
                "rows": [dict((<const Ticker24hRow*> rows)[i]) for i in range(count)]}
    if kind == RECORD_KIND_MINI_TICKER:
        return {"left_out": (<const TickersPayload*> payload).left_out,
                "rows": [dict((<const MiniTickerRow*> rows)[i]) for i in range(count)]}
    return {"rows": [dict((<const FundingRow*> rows)[i]) for i in range(count)]}
