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
    FRAME_FAULT_MISSING_FIELD, FRAME_FAULT_SYNTAX, FRAME_FAULT_TEXT, FRAME_FAULT_TOO_MANY_ROWS, FRAME_FAULT_TRAILING_BYTES,
    FRAME_FAULT_WORD, RECORD_KIND_CONTRACT_INFO, RECORD_KIND_FUNDING_RATE, RECORD_KIND_KLINE, RECORD_KIND_LIQUIDATION,
    RECORD_KIND_LONG_SHORT_RATIO, RECORD_KIND_MARKET_FRAME_OTHER, RECORD_KIND_MARK_PRICE, RECORD_KIND_MINI_TICKER,
    RECORD_KIND_OPEN_INTEREST, RECORD_KIND_TICKER_24H, SIDE_BUY, SIDE_SELL,
)
from engine.model.records cimport (
    ContractInfoPayload, FundingRatePayload, FundingRow, KlinePayload, LiquidationPayload, LongShortRatioPayload, MarkPricePayload,
    MiniTickerRow, OpenInterestPayload, Ticker24hRow, TickersPayload,
)
from engine.venues.binance.fields cimport *
from engine.venues.binance.market_codec cimport *
from engine.venues.binance.scan cimport *

# what an event says besides its payload: words, and quantities that are not lots yet
cdef struct TickerScratch:
    Ticker24hRow row
    uint64_t market            # USD-M's `st`: 1 = USD-M, 2 = COIN-M; 0 = not said
    tw_slice event
    tw_slice symbol

cdef struct MarkPriceScratch:
    MarkPricePayload payload
    tw_slice event
    tw_slice symbol

cdef struct LiquidationScratch:
    LiquidationPayload payload
    int64_t qty_e8
    int64_t last_qty_e8
    int64_t cum_qty_e8
    tw_slice symbol
    tw_slice side

cdef struct ContractScratch:
    ContractInfoPayload payload
    tw_slice event
    tw_slice symbol

cdef tw_fields KLINE_FIELDS, TICKER_FIELDS, MARK_PRICE_FIELDS, LIQUIDATION_FIELDS, CONTRACT_FIELDS
cdef tw_fields OPEN_INTEREST_FIELDS, FUNDING_FIELDS, RATIO_FIELDS, TAKER_FIELDS
cdef uint64_t MINI_TICKER_REQUIRED = 0
cdef uint64_t ONE = 1


# --- tables ------------------------------------------------------------------------------------------------------------

cdef int lay_kline(tw_fields* table) except -1:
    cdef KlinePayload* k = <KlinePayload*> TW_LAYOUT
    add_field(table, b"t", TW_FIELD_TIME, &k.open_ns)
    add_field(table, b"T", TW_FIELD_TIME, &k.close_ns)
    add_field(table, b"i", TW_FIELD_WORD, &k.interval, 7)
    add_field(table, b"f", TW_FIELD_INT, &k.first_trade_id)
    add_field(table, b"L", TW_FIELD_INT, &k.last_trade_id)
    add_field(table, b"o", TW_FIELD_DECIMAL, &k.open_e8)
    add_field(table, b"c", TW_FIELD_DECIMAL, &k.close_e8)
    add_field(table, b"h", TW_FIELD_DECIMAL, &k.high_e8)
    add_field(table, b"l", TW_FIELD_DECIMAL, &k.low_e8)
    add_field(table, b"v", TW_FIELD_AMOUNT, &k.volume_whole, <size_t> &k.volume_part_e8)
    add_field(table, b"n", TW_FIELD_ID, &k.trade_count)
    add_field(table, b"x", TW_FIELD_BOOL, &k.is_closed)
    add_field(table, b"q", TW_FIELD_AMOUNT, &k.quote_volume_whole, <size_t> &k.quote_volume_part_e8)
    add_field(table, b"V", TW_FIELD_AMOUNT, &k.taker_volume_whole, <size_t> &k.taker_volume_part_e8)
    add_field(table, b"Q", TW_FIELD_AMOUNT, &k.taker_quote_volume_whole, <size_t> &k.taker_quote_volume_part_e8)
    return 0


cdef int lay_tickers(tw_fields* table) except -1:
    """Both tickers: what the small one has first."""
    global MINI_TICKER_REQUIRED
    cdef TickerScratch* t = <TickerScratch*> TW_LAYOUT
    add_field(table, b"e", TW_FIELD_TEXT, &t.event)
    add_field(table, b"E", TW_FIELD_TIME, &t.row.event_ns)
    add_field(table, b"s", TW_FIELD_TEXT, &t.symbol)
    add_field(table, b"c", TW_FIELD_DECIMAL, &t.row.last_e8)
    add_field(table, b"o", TW_FIELD_DECIMAL, &t.row.open_e8)
    add_field(table, b"h", TW_FIELD_DECIMAL, &t.row.high_e8)
    add_field(table, b"l", TW_FIELD_DECIMAL, &t.row.low_e8)
    add_field(table, b"v", TW_FIELD_AMOUNT, &t.row.volume_whole, <size_t> &t.row.volume_part_e8)
    add_field(table, b"q", TW_FIELD_AMOUNT, &t.row.quote_volume_whole, <size_t> &t.row.quote_volume_part_e8)
    MINI_TICKER_REQUIRED = table.required
    add_field(table, b"p", TW_FIELD_OPTIONAL, &t.row.change_e8)
    add_field(table, b"P", TW_FIELD_OPTIONAL, &t.row.change_percent_e8)
    add_field(table, b"w", TW_FIELD_DECIMAL, &t.row.average_e8)
    add_field(table, b"Q", TW_FIELD_AMOUNT, &t.row.last_qty_whole, <size_t> &t.row.last_qty_part_e8)
    add_field(table, b"O", TW_FIELD_TIME, &t.row.open_ns)
    add_field(table, b"C", TW_FIELD_TIME, &t.row.close_ns)
    add_field(table, b"F", TW_FIELD_INT, &t.row.first_trade_id)
    add_field(table, b"L", TW_FIELD_INT, &t.row.last_trade_id)
    add_field(table, b"n", TW_FIELD_ID, &t.row.trade_count)
    add_field(table, b"st", TW_FIELD_ID, &t.market, 0, False)
    return 0


cdef int lay_derivatives(tw_fields* marks, tw_fields* liquidations, tw_fields* contracts) except -1:
    cdef MarkPriceScratch* m = <MarkPriceScratch*> TW_LAYOUT
    cdef LiquidationScratch* o = <LiquidationScratch*> TW_LAYOUT
    cdef ContractScratch* i = <ContractScratch*> TW_LAYOUT
    add_field(marks, b"e", TW_FIELD_TEXT, &m.event)
    add_field(marks, b"E", TW_FIELD_TIME, &m.payload.event_ns)
    add_field(marks, b"s", TW_FIELD_TEXT, &m.symbol)
    add_field(marks, b"p", TW_FIELD_DECIMAL, &m.payload.mark_e8)
    add_field(marks, b"ap", TW_FIELD_OPTIONAL, &m.payload.average_e8, 0, False)
    add_field(marks, b"i", TW_FIELD_OPTIONAL, &m.payload.index_e8, 0, False)
    add_field(marks, b"P", TW_FIELD_OPTIONAL, &m.payload.settle_e8, 0, False)
    add_field(marks, b"r", TW_FIELD_OPTIONAL, &m.payload.funding_rate_e8)
    add_field(marks, b"T", TW_FIELD_TIME, &m.payload.next_funding_ns)
    add_field(liquidations, b"s", TW_FIELD_TEXT, &o.symbol)
    add_field(liquidations, b"S", TW_FIELD_TEXT, &o.side)
    add_field(liquidations, b"p", TW_FIELD_DECIMAL, &o.payload.price_e8)
    add_field(liquidations, b"ap", TW_FIELD_OPTIONAL, &o.payload.average_price_e8)
    add_field(liquidations, b"q", TW_FIELD_DECIMAL, &o.qty_e8)
    add_field(liquidations, b"l", TW_FIELD_DECIMAL, &o.last_qty_e8)
    add_field(liquidations, b"z", TW_FIELD_DECIMAL, &o.cum_qty_e8)
    add_field(liquidations, b"T", TW_FIELD_TIME, &o.payload.trade_ns)
    add_field(contracts, b"e", TW_FIELD_TEXT, &i.event)
    add_field(contracts, b"E", TW_FIELD_TIME, &i.payload.event_ns)
    add_field(contracts, b"s", TW_FIELD_TEXT, &i.symbol)
    add_field(contracts, b"ct", TW_FIELD_WORD, &i.payload.contract_type, 23)
    add_field(contracts, b"dt", TW_FIELD_TIME, &i.payload.delivery_ns)
    add_field(contracts, b"ot", TW_FIELD_TIME, &i.payload.onboard_ns)
    add_field(contracts, b"cs", TW_FIELD_WORD, &i.payload.status, 23)
    return 0


cdef int lay_polls(tw_fields* interest, tw_fields* funding, tw_fields* ratio, tw_fields* taker) except -1:
    cdef OpenInterestPayload* i = <OpenInterestPayload*> TW_LAYOUT
    cdef FundingRow* f = <FundingRow*> TW_LAYOUT
    cdef LongShortRatioPayload* r = <LongShortRatioPayload*> TW_LAYOUT
    add_field(interest, b"openInterest", TW_FIELD_AMOUNT, &i.open_interest_whole, <size_t> &i.open_interest_part_e8)
    add_field(interest, b"time", TW_FIELD_TIME, &i.event_ns)
    add_field(funding, b"fundingRate", TW_FIELD_OPTIONAL, &f.rate_e8)
    add_field(funding, b"fundingTime", TW_FIELD_TIME, &f.funding_ns)
    add_field(funding, b"markPrice", TW_FIELD_OPTIONAL, &f.mark_e8, 0, False)
    add_field(ratio, b"longShortRatio", TW_FIELD_OPTIONAL, &r.ratio_e8)
    add_field(ratio, b"longAccount", TW_FIELD_AMOUNT, &r.long_whole, <size_t> &r.long_part_e8)
    add_field(ratio, b"shortAccount", TW_FIELD_AMOUNT, &r.short_whole, <size_t> &r.short_part_e8)
    add_field(ratio, b"timestamp", TW_FIELD_TIME, &r.event_ns)
    add_field(taker, b"buySellRatio", TW_FIELD_OPTIONAL, &r.ratio_e8)
    add_field(taker, b"buyVol", TW_FIELD_AMOUNT, &r.long_whole, <size_t> &r.long_part_e8)
    add_field(taker, b"sellVol", TW_FIELD_AMOUNT, &r.short_whole, <size_t> &r.short_part_e8)
    add_field(taker, b"timestamp", TW_FIELD_TIME, &r.event_ns)
    return 0


lay_kline(&KLINE_FIELDS)
lay_tickers(&TICKER_FIELDS)
lay_derivatives(&MARK_PRICE_FIELDS, &LIQUIDATION_FIELDS, &CONTRACT_FIELDS)
lay_polls(&OPEN_INTEREST_FIELDS, &FUNDING_FIELDS, &RATIO_FIELDS, &TAKER_FIELDS)


# --- reading by a table ------------------------------------------------------------------------------------------------

cdef int read_whole(tw_cursor* c, const tw_fields* fields, char* base, Decoded* out) noexcept nogil:
    """One object that must have everything required."""
    cdef int fault = tw_read_whole(c, fields, base)
    return refuse(out, fault) if fault else 1


cdef void name_symbol(MarketCodec codec, const tw_slice* symbol, Decoded* out) noexcept nogil:
    """Whose event it is; 0 where it is not one of ours."""
    cdef SymbolRow* row = codec.find(symbol.p, symbol.size)
    out.instrument_id = row.instrument_id if row != NULL else 0


cdef int read_symbol_word(MarketCodec codec, tw_cursor* c, Decoded* out) noexcept nogil:
    cdef tw_slice symbol
    if not tw_read_string(c, &symbol.p, &symbol.size):
        return refuse(out, FRAME_FAULT_TEXT)
    name_symbol(codec, &symbol, out)
    return 1


cdef int side_of_word(const tw_slice* word, uint8_t* side, Decoded* out) noexcept nogil:
    side[0] = SIDE_SELL if word.size == 4 else SIDE_BUY
    if (word.size == 3 and memcmp(word.p, b"BUY", 3) == 0) or (word.size == 4 and memcmp(word.p, b"SELL", 4) == 0):
        return 1
    return refuse(out, FRAME_FAULT_WORD)


cdef int read_nested(MarketCodec codec, tw_cursor* c, char inner_key, const tw_fields* inner, char* base, int64_t* event_ns,
                     uint64_t needed, Decoded* out) noexcept nogil:
    """{"e":...,"E":time,"s":symbol,inner_key:{...}}: the inner object by its table, the time and symbol from around it. `needed`:
    bits of what must stand: 1 the time, 2 the inner object, 4 the symbol."""
    cdef int first = 1, more, ok
    cdef const char* key
    cdef size_t size
    cdef uint64_t seen = 0
    if not tw_take(c, b'{'):
        return refuse(out, FRAME_FAULT_SYNTAX)
    while True:
        more = tw_next_key(c, &first, &key, &size)
        if more < 0:
            return refuse(out, FRAME_FAULT_SYNTAX)
        if more == 0:
            break
        if size == 1 and key[0] == b'E':
            ok = mark(&seen, 1, out) and read_stamp(c, event_ns, out)
        elif size == 1 and key[0] == b's':
            ok = mark(&seen, 4, out) and read_symbol_word(codec, c, out)
        elif size == 1 and key[0] == inner_key:
            ok = mark(&seen, 2, out) and read_whole(c, inner, base, out)
        elif size == 1 and key[0] == b'e':
            ok = mark(&seen, 8, out) and skip_or_refuse(c, out)
        else:
            ok = skip_or_refuse(c, out)
        if not ok:
            return 0
    return 1 if (seen & needed) == needed else refuse(out, FRAME_FAULT_MISSING_FIELD)


cdef int finish(int kind, size_t size, Decoded* out) noexcept nogil:
    """The event was read: ours where its symbol is, raw otherwise."""
    out.kind = kind if out.instrument_id else RECORD_KIND_MARKET_FRAME_OTHER
    out.payload_size = <uint32_t> size
    return 1


cdef int first_event(tw_cursor c) noexcept nogil:
    """The event of an array's first object (`c` is a copy): EVENT_OTHER where it names none."""
    cdef int first = 1
    cdef const char* key
    cdef const char* name
    cdef size_t size, name_size
    if not tw_take(&c, b'[') or not tw_take(&c, b'{'):
        return EVENT_OTHER
    while tw_next_key(&c, &first, &key, &size) > 0:
        if size == 1 and key[0] == b'e':
            return event_of_name(name, name_size) if tw_read_string(&c, &name, &name_size) else EVENT_OTHER
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
        if not read_nested(self, c, b'k', &KLINE_FIELDS, payload, &event_ns, 7, out):
            return 0
        kline.event_ns = event_ns
        return finish(RECORD_KIND_KLINE, sizeof(KlinePayload), out)

    cdef int decode_mark_price(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
        cdef MarkPriceScratch scratch
        memset(&scratch, 0, sizeof(MarkPriceScratch))
        if not read_whole(c, &MARK_PRICE_FIELDS, <char*> &scratch, out):
            return 0
        name_symbol(self, &scratch.symbol, out)
        memcpy(payload, &scratch.payload, sizeof(MarkPricePayload))
        return finish(RECORD_KIND_MARK_PRICE, sizeof(MarkPricePayload), out)

    cdef int decode_contract_info(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
        cdef ContractScratch scratch
        memset(&scratch, 0, sizeof(ContractScratch))
        if not read_whole(c, &CONTRACT_FIELDS, <char*> &scratch, out):
            return 0
        name_symbol(self, &scratch.symbol, out)
        memcpy(payload, &scratch.payload, sizeof(ContractInfoPayload))
        return finish(RECORD_KIND_CONTRACT_INFO, sizeof(ContractInfoPayload), out)

    cdef int decode_liquidation(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
        cdef LiquidationScratch scratch
        cdef SymbolRow* row
        cdef int64_t event_ns = 0
        memset(&scratch, 0, sizeof(LiquidationScratch))
        if not read_nested(self, c, b'o', &LIQUIDATION_FIELDS, <char*> &scratch, &event_ns, 3, out):
            return 0
        if not side_of_word(&scratch.side, &scratch.payload.side, out):
            return 0
        row = self.find(scratch.symbol.p, scratch.symbol.size)
        out.instrument_id = row.instrument_id if row != NULL else 0
        if row != NULL:
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
                return refuse(out, FRAME_FAULT_SYNTAX)
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
            ok = refuse(out, FRAME_FAULT_TRAILING_BYTES)
        # the body is the answer about this instrument, whatever it says; a malformed one costs no book an update
        out.instrument_id = instrument_id if ok else 0
        if not ok:
            quarantine(data, size, payload, out)
        elif out.kind == RECORD_KIND_MARKET_FRAME_OTHER:
            keep_raw(data, size, payload, out)

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
    cdef int fault
    memset(&scratch, 0, sizeof(TickerScratch))
    fault = tw_read_fields(c, &TICKER_FIELDS, <char*> &scratch, &seen)
    if fault:
        return refuse(out, fault)
    if (seen & required) != required:
        return refuse(out, FRAME_FAULT_MISSING_FIELD)
    if event_of_name(scratch.event.p, scratch.event.size) != event or scratch.symbol.size > 31:
        return refuse(out, FRAME_FAULT_WORD)
    memcpy(scratch.row.symbol, scratch.symbol.p, scratch.symbol.size)
    name_symbol(codec, &scratch.symbol, out)
    if scratch.market > 1:
        tickers.left_out += 1
        return 1
    if at + size > capacity:
        return refuse(out, FRAME_FAULT_TOO_MANY_ROWS)
    scratch.row.instrument_id = out.instrument_id
    memcpy(payload + at, &scratch.row, size)
    if event == EVENT_MINI_TICKER:
        (<MiniTickerRow*> (payload + at)).pad = 0
    tickers.count += 1
    return 1


cdef int decode_open_interest(MarketCodec codec, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
    memset(payload, 0, sizeof(OpenInterestPayload))
    if not read_whole(c, &OPEN_INTEREST_FIELDS, payload, out):
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
        return refuse(out, FRAME_FAULT_SYNTAX)
    while True:
        more = tw_next_item(c, &first)
        if more < 0:
            return refuse(out, FRAME_FAULT_SYNTAX)
        if more == 0:
            break
        if funding.count >= room:
            return refuse(out, FRAME_FAULT_TOO_MANY_ROWS)
        memset(&rows[funding.count], 0, sizeof(FundingRow))
        if not read_whole(c, &FUNDING_FIELDS, <char*> &rows[funding.count], out):
            return 0
        funding.count += 1
    out.kind = RECORD_KIND_FUNDING_RATE if funding.count else RECORD_KIND_MARKET_FRAME_OTHER
    out.payload_size = <uint32_t> (sizeof(FundingRatePayload) + funding.count * sizeof(FundingRow))
    return 1


cdef int decode_ratio(MarketCodec codec, int ratio_kind, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
    """[{...},...], oldest first: the latest is told."""
    cdef LongShortRatioPayload* ratio = <LongShortRatioPayload*> payload
    cdef const tw_fields* fields = &TAKER_FIELDS if ratio_kind == 3 else &RATIO_FIELDS
    cdef int first = 1, more
    memset(ratio, 0, sizeof(LongShortRatioPayload))
    out.kind = RECORD_KIND_MARKET_FRAME_OTHER
    if not tw_take(c, b'['):
        return refuse(out, FRAME_FAULT_SYNTAX)
    while True:
        more = tw_next_item(c, &first)
        if more < 0:
            return refuse(out, FRAME_FAULT_SYNTAX)
        if more == 0:
            break
        memset(ratio, 0, sizeof(LongShortRatioPayload))
        if not read_whole(c, fields, payload, out):
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
