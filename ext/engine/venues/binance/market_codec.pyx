"""Market-data frames of Binance to payloads of journal records, in one pass, without a Python object.

Read are depthUpdate (spot, and USD-M with `pu`), bookTicker, trade, aggTrade, raw or in the combined wrapper
{"stream":...,"data":{...}}, and the body of GET depth. Keys may come in any order; the exchange's own is the fastest. What else is
well formed is MARKET_FRAME_OTHER (`EventCodec` reads more of it), what is not is MARKET_FRAME_MALFORMED with a FrameFault; both keep the raw bytes (at most
RAW_BYTES_MAX). A price that is no multiple of the tick is refused; a quantity that is none of the lot is rounded down and
counted (`rounded_lots`). Source: Binance
"WebSocket Streams" and "Market data endpoints" of the spot documentation.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from engine.model.codes cimport (
    FRAME_FAULT_CONTRADICTION, FRAME_FAULT_MISSING_FIELD, FRAME_FAULT_NUMBER, FRAME_FAULT_OFF_TICK, FRAME_FAULT_REPEATED_FIELD,
    FRAME_FAULT_SYNTAX, FRAME_FAULT_TEXT, FRAME_FAULT_TOO_MANY_ROWS, FRAME_FAULT_TRAILING_BYTES,
    RECORD_KIND_AGG_TRADE, RECORD_KIND_BOOK_TICKER, RECORD_KIND_DEPTH_DIFF, RECORD_KIND_DEPTH_SNAPSHOT,
    RECORD_KIND_MARKET_FRAME_MALFORMED, RECORD_KIND_MARKET_FRAME_OTHER, RECORD_KIND_TRADE, SIDE_BUY, SIDE_SELL,
    TRADE_CLASS_INSURANCE_FUND, TRADE_CLASS_MARKET, TRADE_CLASS_NONE,
)
from engine.model.records cimport DepthPayload, Level, RefusedFramePayload, TickerPayload, TradePayload
from engine.model.tables cimport Instrument, Tables
from engine.venues.binance.fields cimport *
from engine.venues.binance.scan cimport *

cdef enum:
    # a level takes at least ["1","1"], on the wire
    LEVEL_BYTES_MIN = 9
    # room for the fixed part of any event, however short its frame
    PAYLOAD_BYTES_MIN = 256


cdef inline uint32_t slot_of(const char* symbol, size_t size) noexcept nogil:
    cdef uint64_t head = 0, tail = 0
    if size >= 8:
        memcpy(&head, symbol, 8)
        memcpy(&tail, symbol + size - 8, 8)
    else:
        memcpy(&head, symbol, size)
    return <uint32_t> (((head ^ (tail * 0x9E3779B97F4A7C15ULL) ^ size) * 0xD6E8FEB86659FD93ULL) >> 40) & (SYMBOL_SLOTS - 1)


cdef int64_t rounded_lots(const SymbolRow* row, int64_t qty_e8, Decoded* out) noexcept nogil:
    """A quantity that is no multiple of the lot, rounded down, but never to nothing: the level is there.

    Spot books do hold such levels (dust of orders that were partly filled by quote amount; 7 in 6,500 recorded messages).
    """
    cdef int64_t lots = qty_e8 / row.lot_size_e8
    out.rounded += 1
    return lots if lots > 0 else 1


cdef int fault_of_level(tw_cursor c) noexcept nogil:
    """Why ["price","qty"] was refused (`c` is a copy, from its bracket on)."""
    cdef int64_t price_e8
    cdef tw_cursor at
    if not tw_take(&c, b'['):
        return FRAME_FAULT_SYNTAX
    at = c
    if not tw_read_decimal_e8(&c, &price_e8):
        return tw_fault_of_number(at, True, False)
    if not tw_take(&c, b','):
        return FRAME_FAULT_NUMBER
    return tw_fault_of_number(c, True, False)


cdef int read_levels(tw_cursor* cursor, const SymbolRow* row, Level* levels, uint64_t room, uint32_t* count,
                     Decoded* out) noexcept nogil:
    """[["price","qty"],...] to ticks and lots. The cursor is copied so that it lives in registers."""
    cdef tw_cursor start, c = cursor[0]
    cdef int64_t price_e8, qty_e8
    cdef uint64_t done = 0
    cdef tw_decimal_shape price_shape, qty_shape
    price_shape.whole = 5
    price_shape.fraction = 8
    qty_shape.whole = 1
    qty_shape.fraction = 8
    count[0] = 0
    if not tw_take(&c, b'['):
        return refuse(out, FRAME_FAULT_SYNTAX)
    if tw_take(&c, b']'):
        cursor[0] = c
        return 1
    while True:
        if done >= room:
            return refuse(out, FRAME_FAULT_TOO_MANY_ROWS)
        start = c
        if not tw_read_pair_of_column(&c, &price_e8, &qty_e8, &price_shape, &qty_shape):
            return refuse(out, fault_of_level(start))
        if not tw_divide_exact(&row.tick, price_e8, &levels[done].price_ticks):
            return refuse(out, FRAME_FAULT_OFF_TICK)
        if not tw_divide_exact(&row.lot, qty_e8, &levels[done].qty_lots):
            levels[done].qty_lots = rounded_lots(row, qty_e8, out)
        done += 1
        if tw_take(&c, b','):
            continue
        if not tw_take(&c, b']'):
            return refuse(out, FRAME_FAULT_SYNTAX)
        count[0] = <uint32_t> done
        cursor[0] = c
        return 1


cdef int read_side(tw_cursor* at, const SymbolRow* row, char* payload, uint32_t capacity, bint is_ask, Decoded* out) noexcept nogil:
    """One side of a depth payload; asks stand behind the bids, which are therefore read first."""
    cdef DepthPayload* depth = <DepthPayload*> payload
    cdef Level* levels = <Level*> (payload + sizeof(DepthPayload))
    cdef uint64_t room = (capacity - sizeof(DepthPayload)) / sizeof(Level)
    if is_ask:
        return read_levels(at, row, levels + depth.bid_count, room - depth.bid_count, &depth.ask_count, out)
    return read_levels(at, row, levels, room, &depth.bid_count, out)


cdef int skip_or_refuse(tw_cursor* c, Decoded* out) noexcept nogil:
    if not tw_skip_value(c):
        return refuse(out, FRAME_FAULT_SYNTAX)
    return 1


cdef int defer_side(tw_cursor* c, tw_cursor* deferred, Decoded* out) noexcept nogil:
    """Remember where a side stands that cannot be read yet (symbol or bids still to come)."""
    deferred[0] = c[0]
    return skip_or_refuse(c, out)


cdef int read_id(tw_cursor* c, uint64_t* value, Decoded* out) noexcept nogil:
    cdef tw_cursor start = c[0]
    if not tw_read_uint64(c, value):
        return refuse(out, tw_fault_of_number(start, False, False))
    return 1


cdef int read_stamp(tw_cursor* c, int64_t* value_ns, Decoded* out) noexcept nogil:
    """A time in milliseconds or microseconds, perhaps quoted."""
    cdef tw_cursor start = c[0]
    if not tw_read_time(c, value_ns):
        return refuse(out, tw_fault_of_number(start, False, False))
    return 1


cdef int read_symbol(MarketCodec codec, tw_cursor* c, SymbolRow** row, Decoded* out) noexcept nogil:
    """The row of the symbol; NULL in `row` where it is not one of ours (the frame is then OTHER)."""
    cdef const char* text
    cdef size_t size
    if not tw_read_string(c, &text, &size):
        return refuse(out, FRAME_FAULT_TEXT)
    row[0] = codec.find(text, size)
    if row[0] != NULL:
        out.instrument_id = row[0].instrument_id
    return 1


cdef int find_symbol(MarketCodec codec, tw_cursor c, SymbolRow** row, Decoded* out) noexcept nogil:
    """Look ahead for "s" from the object's brace (`c` is a copy): for frames whose prices stand before their symbol."""
    cdef int first = 1, more
    cdef const char* key
    cdef size_t size
    if not tw_take(&c, b'{'):
        return refuse(out, FRAME_FAULT_SYNTAX)
    while True:
        more = tw_next_key(&c, &first, &key, &size)
        if more < 0:
            return refuse(out, FRAME_FAULT_SYNTAX)
        if more == 0:
            return refuse(out, FRAME_FAULT_MISSING_FIELD)
        if size == 1 and key[0] == b's':
            return read_symbol(codec, &c, row, out)
        if not skip_or_refuse(&c, out):
            return 0


cdef int decode_depth(MarketCodec codec, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
    """depthUpdate: e E [T] s U u [pu] b a."""
    cdef DepthPayload* depth = <DepthPayload*> payload
    cdef tw_cursor bids, asks, start = c[0]
    cdef SymbolRow* row = NULL
    cdef uint64_t seen = 0
    cdef int first = 1, more, ok
    cdef const char* key
    cdef size_t size
    cdef bint bids_wait = False, asks_wait = False
    memset(depth, 0, sizeof(DepthPayload))
    tw_take(c, b'{')
    while True:
        more = tw_next_key(c, &first, &key, &size)
        if more < 0:
            return refuse(out, FRAME_FAULT_SYNTAX)
        if more == 0:
            break
        if size == 2 and key[0] == b'p' and key[1] == b'u':
            ok = mark(&seen, 1, out) and read_id(c, &depth.previous_update_id, out)
        elif size != 1:
            ok = skip_or_refuse(c, out)
        elif key[0] == b'U':
            ok = mark(&seen, 2, out) and read_id(c, &depth.first_update_id, out)
        elif key[0] == b'u':
            ok = mark(&seen, 4, out) and read_id(c, &depth.last_update_id, out)
        elif key[0] == b'E':
            ok = mark(&seen, 8, out) and read_stamp(c, &depth.event_ns, out)
        elif key[0] == b's':
            ok = mark(&seen, 16, out) and read_symbol(codec, c, &row, out)
        elif key[0] == b'b':
            ok = mark(&seen, 32, out)
            if ok and row != NULL:
                ok = read_side(c, row, payload, capacity, False, out)
            elif ok:
                bids_wait = True
                ok = defer_side(c, &bids, out)
        elif key[0] == b'a':
            ok = mark(&seen, 64, out)
            if ok and row != NULL and seen & 32 and not bids_wait:
                ok = read_side(c, row, payload, capacity, True, out)
            elif ok:
                asks_wait = True
                ok = defer_side(c, &asks, out)
        elif key[0] == b'e':
            ok = mark(&seen, 128, out) and skip_or_refuse(c, out)
        else:
            ok = skip_or_refuse(c, out)
        if not ok:
            if row == NULL:
                name_instrument(codec, start, out)
            return 0
    if (seen & 126) != 126:
        return refuse(out, FRAME_FAULT_MISSING_FIELD)
    if row == NULL:
        out.kind = RECORD_KIND_MARKET_FRAME_OTHER
        return 1
    if row.kind != 0 and not seen & 1:
        # a derivative's updates are chained by it: without it the chain is broken
        return refuse(out, FRAME_FAULT_MISSING_FIELD)
    if bids_wait and not read_side(&bids, row, payload, capacity, False, out):
        return 0
    if asks_wait and not read_side(&asks, row, payload, capacity, True, out):
        return 0
    if depth.first_update_id > depth.last_update_id:
        return refuse(out, FRAME_FAULT_CONTRADICTION)
    out.kind = RECORD_KIND_DEPTH_DIFF
    out.payload_size = <uint32_t> (sizeof(DepthPayload) + (depth.bid_count + depth.ask_count) * sizeof(Level))
    return 1


cdef void name_instrument(MarketCodec codec, tw_cursor start, Decoded* out) noexcept nogil:
    """Whose book lost an update: tell it where a refused frame still names its symbol."""
    cdef SymbolRow* row = NULL
    cdef Decoded scratch
    memset(&scratch, 0, sizeof(Decoded))
    if find_symbol(codec, start, &row, &scratch) and row != NULL:
        out.instrument_id = row.instrument_id


# what a best price and a trade say, before it is in ticks and lots
cdef struct QuoteScratch:
    uint64_t update_id
    int64_t event_ns
    int64_t bid_price_e8
    int64_t bid_qty_e8
    int64_t ask_price_e8
    int64_t ask_qty_e8
    tw_slice symbol
    tw_slice event

cdef struct TradeScratch:
    uint64_t trade_id
    int64_t event_ns
    int64_t trade_ns
    int64_t price_e8
    int64_t qty_e8
    tw_slice symbol
    tw_slice event
    tw_slice trade_class
    uint8_t buyer_is_maker

cdef tw_fields QUOTE_FIELDS, TRADE_FIELDS, AGG_TRADE_FIELDS


cdef int lay_quotes(tw_fields* t) except -1:
    """bookTicker: u s b B a A, on USD-M with e T E."""
    cdef QuoteScratch* q = <QuoteScratch*> TW_LAYOUT
    add_field(t, b"u", TW_FIELD_ID, &q.update_id)
    add_field(t, b"s", TW_FIELD_TEXT, &q.symbol)
    add_field(t, b"b", TW_FIELD_DECIMAL, &q.bid_price_e8)
    add_field(t, b"B", TW_FIELD_DECIMAL, &q.bid_qty_e8)
    add_field(t, b"a", TW_FIELD_DECIMAL, &q.ask_price_e8)
    add_field(t, b"A", TW_FIELD_DECIMAL, &q.ask_qty_e8)
    add_field(t, b"e", TW_FIELD_VALUE, &q.event, 0, False)
    add_field(t, b"E", TW_FIELD_TIME, &q.event_ns, 0, False)
    return 0


cdef int lay_trades(tw_fields* t, bytes id_key) except -1:
    """trade: e E s t p q T m, on USD-M with X; aggTrade: e E s a p q f l T m."""
    cdef TradeScratch* d = <TradeScratch*> TW_LAYOUT
    add_field(t, b"e", TW_FIELD_TEXT, &d.event)
    add_field(t, b"E", TW_FIELD_TIME, &d.event_ns)
    add_field(t, b"s", TW_FIELD_TEXT, &d.symbol)
    add_field(t, id_key, TW_FIELD_ID, &d.trade_id)
    add_field(t, b"p", TW_FIELD_DECIMAL, &d.price_e8)
    add_field(t, b"q", TW_FIELD_DECIMAL, &d.qty_e8)
    add_field(t, b"T", TW_FIELD_TIME, &d.trade_ns)
    add_field(t, b"m", TW_FIELD_BOOL, &d.buyer_is_maker)
    add_field(t, b"X", TW_FIELD_TEXT, &d.trade_class, 0, False)
    return 0


lay_quotes(&QUOTE_FIELDS)
lay_trades(&TRADE_FIELDS, b"t")
lay_trades(&AGG_TRADE_FIELDS, b"a")


cdef SymbolRow* take_symbol(MarketCodec codec, const tw_slice* symbol, Decoded* out) noexcept nogil:
    """Whose event it is; NULL for a symbol that is not ours: then it stays raw."""
    cdef SymbolRow* row = codec.find(symbol.p, symbol.size)
    if row == NULL:
        out.kind = RECORD_KIND_MARKET_FRAME_OTHER
    else:
        out.instrument_id = row.instrument_id
    return row


cdef inline int64_t lots_of(const SymbolRow* row, int64_t qty_e8, Decoded* out) noexcept nogil:
    cdef int64_t lots
    return lots if tw_divide_exact(&row.lot, qty_e8, &lots) else rounded_lots(row, qty_e8, out)


cdef int decode_ticker(MarketCodec codec, tw_cursor* c, char* payload, Decoded* out) noexcept nogil:
    cdef TickerPayload* ticker = <TickerPayload*> payload
    cdef QuoteScratch scratch
    cdef SymbolRow* row
    cdef int fault
    scratch.event_ns = 0
    fault = tw_read_whole(c, &QUOTE_FIELDS, <char*> &scratch)
    if fault:
        return refuse(out, fault)
    row = take_symbol(codec, &scratch.symbol, out)
    if row == NULL:
        return 1
    memset(ticker, 0, sizeof(TickerPayload))
    ticker.update_id = scratch.update_id
    ticker.event_ns = scratch.event_ns
    ticker.bid_qty_lots = lots_of(row, scratch.bid_qty_e8, out)
    ticker.ask_qty_lots = lots_of(row, scratch.ask_qty_e8, out)
    if not (tw_divide_exact(&row.tick, scratch.bid_price_e8, &ticker.bid_price_ticks)
            and tw_divide_exact(&row.tick, scratch.ask_price_e8, &ticker.ask_price_ticks)):
        return refuse(out, FRAME_FAULT_OFF_TICK)
    out.kind = RECORD_KIND_BOOK_TICKER
    out.payload_size = sizeof(TickerPayload)
    return 1


cdef inline uint8_t class_of(const tw_slice* word) noexcept nogil:
    """USD-M's `X`: MARKET is a trade of the book, INSURANCE_FUND and NA are none."""
    if word.size == 6 and memcmp(word.p, b"MARKET", 6) == 0:
        return TRADE_CLASS_MARKET
    if word.size == 14 and memcmp(word.p, b"INSURANCE_FUND", 14) == 0:
        return TRADE_CLASS_INSURANCE_FUND
    return TRADE_CLASS_NONE


cdef int decode_trade(MarketCodec codec, tw_cursor* c, char* payload, bint is_aggregate, Decoded* out) noexcept nogil:
    """`m`: the buyer was the maker, so the seller took."""
    cdef TradePayload* trade = <TradePayload*> payload
    cdef TradeScratch scratch
    cdef SymbolRow* row
    cdef int fault
    scratch.trade_class.p = NULL
    fault = tw_read_whole(c, &AGG_TRADE_FIELDS if is_aggregate else &TRADE_FIELDS, <char*> &scratch)
    if fault:
        return refuse(out, fault)
    row = take_symbol(codec, &scratch.symbol, out)
    if row == NULL:
        return 1
    memset(trade, 0, sizeof(TradePayload))
    trade.trade_id = scratch.trade_id
    trade.event_ns = scratch.event_ns
    trade.trade_ns = scratch.trade_ns
    trade.qty_lots = lots_of(row, scratch.qty_e8, out)
    if not tw_divide_exact(&row.tick, scratch.price_e8, &trade.price_ticks):
        return refuse(out, FRAME_FAULT_OFF_TICK)
    trade.aggressor_side = SIDE_SELL if scratch.buyer_is_maker else SIDE_BUY
    if scratch.trade_class.p != NULL:
        trade.trade_class = class_of(&scratch.trade_class)
    out.kind = RECORD_KIND_AGG_TRADE if is_aggregate else RECORD_KIND_TRADE
    out.payload_size = sizeof(TradePayload)
    return 1


cdef int event_of_name(const char* name, size_t size) noexcept nogil:
    if size == 11 and memcmp(name, b"depthUpdate", 11) == 0:
        return EVENT_DEPTH
    if size == 10 and memcmp(name, b"bookTicker", 10) == 0:
        return EVENT_TICKER
    if size == 5 and memcmp(name, b"trade", 5) == 0:
        return EVENT_TRADE
    if size == 8 and memcmp(name, b"aggTrade", 8) == 0:
        return EVENT_AGG_TRADE
    if size == 5 and memcmp(name, b"kline", 5) == 0:
        return EVENT_KLINE
    if size == 15 and memcmp(name, b"markPriceUpdate", 15) == 0:
        return EVENT_MARK_PRICE
    if size == 10 and memcmp(name, b"24hrTicker", 10) == 0:
        return EVENT_TICKER_24H
    if size == 14 and memcmp(name, b"24hrMiniTicker", 14) == 0:
        return EVENT_MINI_TICKER
    if size == 10 and memcmp(name, b"forceOrder", 10) == 0:
        return EVENT_LIQUIDATION
    if size == 12 and memcmp(name, b"contractInfo", 12) == 0:
        return EVENT_CONTRACT_INFO
    return EVENT_OTHER


cdef int classify_slowly(tw_cursor c) noexcept nogil:
    """Which event an object is whose first key tells nothing: by "e" anywhere, or by having all keys of a bookTicker."""
    cdef int first = 1, more
    cdef uint32_t keys = 0
    cdef const char* key
    cdef const char* name
    cdef size_t size, name_size
    tw_take(&c, b'{')
    while True:
        more = tw_next_key(&c, &first, &key, &size)
        if more < 0:
            return EVENT_REFUSED
        if more == 0:
            return EVENT_TICKER if keys == 63 else EVENT_OTHER
        if size == 1 and key[0] == b'e':
            if tw_peek(&c) == b'"':
                return event_of_name(name, name_size) if tw_read_string(&c, &name, &name_size) else EVENT_REFUSED
        elif size == 1:
            if key[0] == b'u': keys |= 1
            elif key[0] == b's': keys |= 2
            elif key[0] == b'b': keys |= 4
            elif key[0] == b'B': keys |= 8
            elif key[0] == b'a': keys |= 16
            elif key[0] == b'A': keys |= 32
        if not tw_skip_value(&c):
            return EVENT_REFUSED


cdef bint is_spot_ticker(tw_cursor c) noexcept nogil:
    """{"u":400900217,"s":"BNBUSDT","b":" is how the exchange begins one."""
    cdef uint64_t update_id
    cdef const char* symbol
    cdef size_t size
    c.p += 5
    if not tw_read_uint64(&c, &update_id) or c.end - c.p < 5 or memcmp(c.p, b',"s":', 5) != 0:
        return False
    c.p += 5
    return tw_read_string(&c, &symbol, &size) and c.end - c.p >= 6 and memcmp(c.p, b',"b":"', 6) == 0


cdef int classify(tw_cursor* at) noexcept nogil:
    """Which event the object at the cursor is. The exchange puts "e" first, and "u" first in a spot bookTicker."""
    cdef tw_cursor c = at[0]
    cdef const char* name
    cdef size_t size
    if tw_peek(&c) != b'{':
        return EVENT_ARRAY if c.p < c.end and c.p[0] == b'[' else EVENT_OTHER
    if c.end - c.p >= 6 and memcmp(c.p, b'{"e":"', 6) == 0:
        c.p += 5
        return event_of_name(name, size) if tw_read_string(&c, &name, &size) else EVENT_REFUSED
    if c.end - c.p >= 5 and memcmp(c.p, b'{"u":', 5) == 0 and is_spot_ticker(c):
        return EVENT_TICKER
    return classify_slowly(c)


cdef bint names_partial_depth(const char* stream, size_t size) noexcept nogil:
    """<symbol>@depth5, 10, 20: on USD-M its payload looks like a diff and is none."""
    cdef size_t i
    for i in range(size):
        if stream[i] == b'@':
            return size - i > 6 and memcmp(stream + i, b"@depth", 6) == 0 and b'0' <= stream[i + 6] <= b'9'
    return False


cdef int unwrap(tw_cursor* c, int* wrapped, bint* partial, Decoded* out) noexcept nogil:
    """Step into {"stream":...,"data":...}; on return the cursor stands on the value to decode. 0 = refused."""
    cdef tw_cursor k = c[0], data
    cdef int first = 1, more
    cdef const char* key
    cdef const char* stream = NULL
    cdef size_t size, stream_size = 0
    cdef bint has_data = False, repeated = False
    wrapped[0] = 0
    partial[0] = False
    out.fault = FRAME_FAULT_SYNTAX  # of every refusal here but one
    if tw_peek(&k) != b'{':
        return 1
    if k.end - k.p >= 11 and memcmp(k.p, b'{"stream":"', 11) == 0:
        k.p += 10
        if not tw_read_string(&k, &stream, &stream_size):
            return 0
        if k.end - k.p >= 8 and memcmp(k.p, b',"data":', 8) == 0:
            k.p += 8
            c[0] = k
            wrapped[0] = 1
            partial[0] = names_partial_depth(stream, stream_size)
            return 1
    elif k.end - k.p >= 8 and (memcmp(k.p, b'{"e":', 5) == 0 or memcmp(k.p, b'{"u":', 5) == 0):
        return 1  # an event itself, whatever else stands in it
    k = c[0]
    stream = NULL
    tw_take(&k, b'{')
    while True:
        more = tw_next_key(&k, &first, &key, &size)
        if more < 0:
            return 0
        if more == 0:
            break
        if size == 6 and memcmp(key, b"stream", 6) == 0 and tw_peek(&k) == b'"':
            repeated |= stream != NULL
            if not tw_read_string(&k, &stream, &stream_size):
                return 0
            continue
        if size == 4 and memcmp(key, b"data", 4) == 0:
            repeated |= has_data
            data = k
            has_data = True
        if not tw_skip_value(&k):
            return 0
    if stream != NULL and has_data:
        # the whole wrapper was read already: what stands behind it was not
        if repeated:
            return refuse(out, FRAME_FAULT_REPEATED_FIELD)
        if not tw_at_end(&k):
            return 0
        c[0] = data
        partial[0] = names_partial_depth(stream, stream_size)
        wrapped[0] = 2
    return 1


cdef class MarketCodec:
    """Decoder for one venue's instruments as they stand in the tables; a new tick or lot size is seen at the next frame.

    `add` (or the constructor) names the instruments whose frames are wanted; frames of others are OTHER.
    """

    def __cinit__(self, Tables tables, int venue_id, object symbols=()):
        self.tables = tables
        self.venue_id = venue_id
        self.rows = <SymbolRow*> calloc(SYMBOL_SLOTS, sizeof(SymbolRow))
        if self.rows == NULL:
            raise MemoryError("symbols")
        for symbol in symbols:
            self.add(symbol)

    def __dealloc__(self):
        free(self.rows)

    def add(self, str symbol) -> int:
        """Decode frames of this symbol from now on; returns its instrument id. KeyError where the tables do not have it."""
        cdef uint32_t instrument_id = self.tables.instrument_id(self.venue_id, symbol)
        cdef bytes name = symbol.encode()
        if instrument_id == 0:
            raise KeyError(f"no instrument {symbol!r} at venue {self.venue_id}")
        if self.find(name, len(name)) != NULL:
            return instrument_id
        if self.count >= SYMBOL_SLOTS // 2:
            raise ValueError(f"more than {SYMBOL_SLOTS // 2} symbols")
        cdef uint32_t slot = slot_of(name, len(name))
        while self.rows[slot].instrument_id:
            slot = (slot + 1) & (SYMBOL_SLOTS - 1)
        cdef SymbolRow* row = &self.rows[slot]
        memcpy(row.symbol, <const char*> name, len(name))
        row.size = len(name)
        row.instrument_id = instrument_id
        self.refreshed(row)
        self.count += 1
        return instrument_id

    cdef SymbolRow* refreshed(self, SymbolRow* row) noexcept nogil:
        """The row with divisors of the instrument's present version."""
        cdef Instrument* instrument = &self.tables.instruments[row.instrument_id]
        if row.version != instrument.version:
            row.tick = tw_make_divisor(<uint64_t> instrument.tick_size_e8)
            row.lot = tw_make_divisor(<uint64_t> instrument.lot_size_e8)
            row.lot_size_e8 = instrument.lot_size_e8
            row.kind = instrument.kind
            row.version = instrument.version
        return row

    cdef SymbolRow* find(self, const char* symbol, size_t size) noexcept nogil:
        cdef uint32_t slot
        cdef SymbolRow* row
        if size == 0 or size > 31:
            return NULL
        slot = slot_of(symbol, size)
        while True:
            row = &self.rows[slot]
            if row.instrument_id == 0:
                return NULL
            if row.size == size and memcmp(row.symbol, symbol, size) == 0:
                return self.refreshed(row)
            slot = (slot + 1) & (SYMBOL_SLOTS - 1)

    cdef uint32_t payload_size_max(self, Py_ssize_t size) noexcept nogil:
        cdef uint64_t levels = <uint64_t> size / LEVEL_BYTES_MIN + 2
        cdef uint64_t need = sizeof(DepthPayload) + levels * sizeof(Level)
        cdef uint64_t raw = (<uint64_t> size if size < RAW_BYTES_MAX else RAW_BYTES_MAX) + sizeof(RefusedFramePayload)
        return <uint32_t> max(max(need, raw), <uint64_t> PAYLOAD_BYTES_MIN)

    cdef void decode(self, const char* data, Py_ssize_t size, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
        cdef tw_cursor c
        cdef int wrapped
        cdef bint partial
        cdef int event, ok
        memset(out, 0, sizeof(Decoded))
        c.p = data
        c.end = data + size
        if not unwrap(&c, &wrapped, &partial, out):
            quarantine(data, size, payload, out)
            return
        out.fault = 0
        event = EVENT_OTHER if partial else classify(&c)
        if event == EVENT_DEPTH:
            ok = decode_depth(self, &c, payload, capacity, out)
        elif event == EVENT_TICKER:
            ok = decode_ticker(self, &c, payload, out)
        elif event == EVENT_TRADE or event == EVENT_AGG_TRADE:
            ok = decode_trade(self, &c, payload, event == EVENT_AGG_TRADE, out)
        elif event == EVENT_REFUSED:
            ok = refuse(out, FRAME_FAULT_SYNTAX)
        elif event == EVENT_OTHER:
            out.kind = RECORD_KIND_MARKET_FRAME_OTHER
            ok = skip_or_refuse(&c, out)
        else:
            ok = self.decode_event(event, &c, payload, capacity, out)
        if ok and wrapped == 1:
            ok = skip_rest_of_wrapper(&c, out)
        if ok and wrapped != 2 and not tw_at_end(&c):
            ok = refuse(out, FRAME_FAULT_TRAILING_BYTES)
        if not ok:
            if event >= EVENT_KLINE:
                out.instrument_id = 0  # no book lost anything by it
            quarantine(data, size, payload, out)
        elif out.kind == RECORD_KIND_MARKET_FRAME_OTHER:
            keep_raw(data, size, payload, out)

    cdef void decode_snapshot(self, uint32_t instrument_id, const char* data, Py_ssize_t size, char* payload, uint32_t capacity,
                              Decoded* out) noexcept nogil:
        cdef SymbolRow* row
        cdef tw_cursor c
        cdef Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef size_t length = 0
        memset(out, 0, sizeof(Decoded))
        out.instrument_id = instrument_id
        while length < 31 and instrument.symbol[length]:
            length += 1
        row = self.find(instrument.symbol, length)
        c.p = data
        c.end = data + size
        if row == NULL or not decode_depth_body(&c, row, payload, capacity, out):
            if row == NULL:
                refuse(out, FRAME_FAULT_MISSING_FIELD)
            quarantine(data, size, payload, out)

    cdef int decode_event(self, int event, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
        out.kind = RECORD_KIND_MARKET_FRAME_OTHER
        return skip_or_refuse(c, out)

    cdef void decode_poll(self, int poll, uint32_t instrument_id, const char* data, Py_ssize_t size, char* payload,
                          uint32_t capacity, Decoded* out) noexcept nogil:
        memset(out, 0, sizeof(Decoded))
        keep_raw(data, size, payload, out)

    cdef dict fields_of(self, const char* payload, const Decoded* out):
        """A payload by the names of its struct: tests."""
        return decoded_fields(payload, out)

    def decode_bytes(self, bytes data, snapshot_of=0) -> dict:
        """Decode a frame (or a GET depth body of instrument `snapshot_of`) from Python: tests, replay of raw captures."""
        cdef Decoded out
        cdef uint32_t capacity = self.payload_size_max(len(data))
        cdef char* payload = <char*> calloc(1, capacity)
        if payload == NULL:
            raise MemoryError("payload")
        try:
            if snapshot_of:
                self.decode_snapshot(snapshot_of, data, len(data), payload, capacity, &out)
            else:
                self.decode(data, len(data), payload, capacity, &out)
            return self.fields_of(payload, &out)
        finally:
            free(payload)


cdef int skip_rest_of_wrapper(tw_cursor* c, Decoded* out) noexcept nogil:
    """Behind the value of "data": nothing, or keys that we do not know."""
    cdef int first = 0, more
    cdef const char* key
    cdef size_t size
    while True:
        more = tw_next_key(c, &first, &key, &size)
        if more < 0:
            return refuse(out, FRAME_FAULT_SYNTAX)
        if more == 0:
            return 1
        if (size == 6 and memcmp(key, b"stream", 6) == 0) or (size == 4 and memcmp(key, b"data", 4) == 0):
            return refuse(out, FRAME_FAULT_REPEATED_FIELD)
        if not skip_or_refuse(c, out):
            return 0


cdef void keep_raw(const char* data, Py_ssize_t size, char* payload, Decoded* out) noexcept nogil:
    out.kind = RECORD_KIND_MARKET_FRAME_OTHER
    out.payload_size = <uint32_t> (size if size < RAW_BYTES_MAX else RAW_BYTES_MAX)
    memcpy(payload, data, out.payload_size)


cdef void quarantine(const char* data, Py_ssize_t size, char* payload, Decoded* out) noexcept nogil:
    """A refused frame behind its reason; that it is no JSON at all goes before what else was found."""
    cdef int fault = tw_fault_of_text(data, <size_t> size)
    cdef size_t head = sizeof(RefusedFramePayload)
    if fault:
        out.fault = fault
    keep_raw(data, size, payload + head, out)
    memset(payload, 0, head)
    (<RefusedFramePayload*> payload).fault = out.fault
    out.kind = RECORD_KIND_MARKET_FRAME_MALFORMED
    out.payload_size += <uint32_t> head


cdef int decode_depth_body(tw_cursor* c, const SymbolRow* row, char* payload, uint32_t capacity, Decoded* out) noexcept nogil:
    """GET depth: lastUpdateId bids asks, on USD-M with E T."""
    cdef DepthPayload* depth = <DepthPayload*> payload
    cdef uint64_t seen = 0
    cdef tw_cursor asks
    cdef bint asks_wait = False
    cdef int first = 1, more, ok
    cdef const char* key
    cdef size_t size
    memset(depth, 0, sizeof(DepthPayload))
    if not tw_take(c, b'{'):
        return refuse(out, FRAME_FAULT_SYNTAX)
    while True:
        more = tw_next_key(c, &first, &key, &size)
        if more < 0:
            return refuse(out, FRAME_FAULT_SYNTAX)
        if more == 0:
            break
        if size == 12 and memcmp(key, b"lastUpdateId", 12) == 0:
            ok = mark(&seen, 1, out) and read_id(c, &depth.last_update_id, out)
        elif size == 4 and memcmp(key, b"bids", 4) == 0:
            ok = mark(&seen, 2, out) and read_side(c, row, payload, capacity, False, out)
        elif size == 4 and memcmp(key, b"asks", 4) == 0:
            ok = mark(&seen, 4, out)
            if ok and seen & 2:
                ok = read_side(c, row, payload, capacity, True, out)
            elif ok:
                asks_wait = True
                ok = defer_side(c, &asks, out)
        elif size == 1 and key[0] == b'E':
            ok = mark(&seen, 8, out) and read_stamp(c, &depth.event_ns, out)
        else:
            ok = skip_or_refuse(c, out)
        if not ok:
            return 0
    if (seen & 7) != 7:
        return refuse(out, FRAME_FAULT_MISSING_FIELD)
    if not tw_at_end(c):
        return refuse(out, FRAME_FAULT_TRAILING_BYTES)
    if asks_wait and not read_side(&asks, row, payload, capacity, True, out):
        return 0
    depth.first_update_id = depth.last_update_id
    out.kind = RECORD_KIND_DEPTH_SNAPSHOT
    out.payload_size = <uint32_t> (sizeof(DepthPayload) + (depth.bid_count + depth.ask_count) * sizeof(Level))
    return 1


cdef dict decoded_fields(const char* payload, const Decoded* out):
    cdef dict fields = {"kind": out.kind, "fault": out.fault, "instrument_id": out.instrument_id, "rounded": out.rounded}
    cdef const DepthPayload* depth = <const DepthPayload*> payload
    cdef const Level* levels = <const Level*> (payload + sizeof(DepthPayload))
    if out.kind == RECORD_KIND_DEPTH_DIFF or out.kind == RECORD_KIND_DEPTH_SNAPSHOT:
        fields.update(
            first_update_id=depth.first_update_id, last_update_id=depth.last_update_id,
            previous_update_id=depth.previous_update_id, event_ns=depth.event_ns,
            bids=[(levels[i].price_ticks, levels[i].qty_lots) for i in range(depth.bid_count)],
            asks=[(levels[depth.bid_count + i].price_ticks, levels[depth.bid_count + i].qty_lots)
                  for i in range(depth.ask_count)],
        )
    elif out.kind == RECORD_KIND_BOOK_TICKER:
        fields.update((<const TickerPayload*> payload)[0])
    elif out.kind == RECORD_KIND_TRADE or out.kind == RECORD_KIND_AGG_TRADE:
        fields.update((<const TradePayload*> payload)[0])
        fields.pop("pad")
    elif out.fault:
        fields["raw"] = (payload + sizeof(RefusedFramePayload))[:out.payload_size - sizeof(RefusedFramePayload)]
    else:
        fields["raw"] = payload[:out.payload_size]
    return fields
