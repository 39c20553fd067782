"""Texts of the busiest spot stream frames, written in C: what a lively market sends by the ten thousand a second.

Prices and quantities are units of 1e-8 and leave with eight decimals; times arrive in nanoseconds and leave in `unit_ns`
(1_000_000 milliseconds, 1_000 microseconds). Meaning of the fields: `engine.sim.wire.market_json`, which calls this.
"""
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef enum:
    FRAME_BYTES_MAX = 512     # fixed frames: at most eight numbers of 21 characters, a symbol and the keys
    SYMBOL_BYTES_MAX = 64
    LEVEL_BYTES_MAX = 64      # two numbers of 21 characters, quotes, brackets, comma
    E8 = 100_000_000


cdef void put(Text* out, const char* text, size_t size) noexcept nogil:
    memcpy(out.at, text, size)
    out.at += size


cdef void put_int(Text* out, int64_t value) noexcept nogil:
    cdef char digits[20]
    cdef int count = 0
    cdef uint64_t rest = <uint64_t> value
    if value < 0:
        out.at[0] = c"-"
        out.at += 1
        rest = <uint64_t> -value
    while True:
        digits[count] = <char> (48 + rest % 10)
        count += 1
        rest //= 10
        if not rest:
            break
    while count:
        count -= 1
        out.at[0] = digits[count]
        out.at += 1


cdef void put_e8(Text* out, int64_t value) noexcept nogil:
    """A number of units of 1e-8 with eight decimals."""
    cdef int place
    cdef uint64_t size = <uint64_t> value
    cdef uint64_t fraction
    if value < 0:
        out.at[0] = c"-"
        out.at += 1
        size = <uint64_t> -value
    fraction = size % E8
    put_int(out, <int64_t> (size // E8))
    out.at[0] = c"."
    for place in range(8, 0, -1):
        out.at[place] = <char> (48 + fraction % 10)
        fraction //= 10
    out.at += 9


cdef int put_symbol(Text* out, str symbol) except -1:
    cdef Py_ssize_t size
    cdef const char* text = PyUnicode_AsUTF8AndSize(symbol, &size)
    if size > SYMBOL_BYTES_MAX:
        raise ValueError(f"symbol {symbol!r} is longer than {SYMBOL_BYTES_MAX} bytes")
    put(out, text, size)
    return 0


cdef inline void put_flags(Text* out, bint is_buyer_maker) noexcept nogil:
    if is_buyer_maker:
        put(out, b',"m":true,"M":true}', 19)
    else:
        put(out, b',"m":false,"M":true}', 20)


def book_ticker_event(object top not None) -> bytes:
    """A TopOfBook or BookTicker as the bookTicker stream's payload."""
    cdef char buffer[FRAME_BYTES_MAX]
    cdef Text out
    out.at = buffer
    put(&out, b'{"u":', 5)
    put_int(&out, top.update_id)
    put(&out, b',"s":"', 6)
    put_symbol(&out, top.symbol)
    put(&out, b'","b":"', 7)
    put_e8(&out, top.bid_price_e8)
    put(&out, b'","B":"', 7)
    put_e8(&out, top.bid_qty_e8)
    put(&out, b'","a":"', 7)
    put_e8(&out, top.ask_price_e8)
    put(&out, b'","A":"', 7)
    put_e8(&out, top.ask_qty_e8)
    put(&out, b'"}', 2)
    return PyBytes_FromStringAndSize(buffer, out.at - buffer)


def trade_event(object trade not None, int64_t unit_ns) -> bytes:
    """A Trade as the trade stream's payload."""
    cdef char buffer[FRAME_BYTES_MAX]
    cdef Text out
    cdef int64_t stamp = <int64_t> trade.time_ns // unit_ns
    out.at = buffer
    put(&out, b'{"e":"trade","E":', 17)
    put_int(&out, stamp)
    put(&out, b',"s":"', 6)
    put_symbol(&out, trade.symbol)
    put(&out, b'","t":', 6)
    put_int(&out, trade.trade_id)
    put(&out, b',"p":"', 6)
    put_e8(&out, trade.price_e8)
    put(&out, b'","q":"', 7)
    put_e8(&out, trade.qty_e8)
    put(&out, b'","T":', 6)
    put_int(&out, stamp)
    put_flags(&out, trade.is_buyer_maker)
    return PyBytes_FromStringAndSize(buffer, out.at - buffer)


def agg_trade_event(object trade not None, int64_t unit_ns) -> bytes:
    """An AggTrade as the aggTrade stream's payload."""
    cdef char buffer[FRAME_BYTES_MAX]
    cdef Text out
    cdef int64_t stamp = <int64_t> trade.time_ns // unit_ns
    out.at = buffer
    put(&out, b'{"e":"aggTrade","E":', 20)
    put_int(&out, stamp)
    put(&out, b',"s":"', 6)
    put_symbol(&out, trade.symbol)
    put(&out, b'","a":', 6)
    put_int(&out, trade.agg_id)
    put(&out, b',"p":"', 6)
    put_e8(&out, trade.price_e8)
    put(&out, b'","q":"', 7)
    put_e8(&out, trade.qty_e8)
    put(&out, b'","f":', 6)
    put_int(&out, trade.first_trade_id)
    put(&out, b',"l":', 5)
    put_int(&out, trade.last_trade_id)
    put(&out, b',"T":', 5)
    put_int(&out, stamp)
    put_flags(&out, trade.is_buyer_maker)
    return PyBytes_FromStringAndSize(buffer, out.at - buffer)


cdef int put_levels(Text* out, dict rows) except -1:
    cdef object price, qty
    cdef bint is_first = True
    for price, qty in rows.items():
        if not is_first:
            put(out, b",", 1)
        is_first = False
        put(out, b'["', 2)
        put_e8(out, price)
        put(out, b'","', 3)
        put_e8(out, qty)
        put(out, b'"]', 2)
    return 0


def depth_update(str symbol not None, int64_t first_id, int64_t last_id, dict bids not None, dict asks not None,
                 int64_t event_ns, int64_t unit_ns) -> bytes:
    """A diff depth event: levels (price_e8 to qty_e8) changed in the update ids `first_id` to `last_id`."""
    cdef char* buffer = <char*> malloc(FRAME_BYTES_MAX + LEVEL_BYTES_MAX * (len(bids) + len(asks)))
    cdef Text out
    if buffer == NULL:
        raise MemoryError("no room for a depth frame")
    out.at = buffer
    try:
        put(&out, b'{"e":"depthUpdate","E":', 23)
        put_int(&out, event_ns // unit_ns)
        put(&out, b',"s":"', 6)
        put_symbol(&out, symbol)
        put(&out, b'","U":', 6)
        put_int(&out, first_id)
        put(&out, b',"u":', 5)
        put_int(&out, last_id)
        put(&out, b',"b":[', 6)
        put_levels(&out, bids)
        put(&out, b'],"a":[', 7)
        put_levels(&out, asks)
        put(&out, b"]}", 2)
        return PyBytes_FromStringAndSize(buffer, out.at - buffer)
    finally:
        free(buffer)


def append_text_frame(bytearray out not None, bytes payload not None) -> None:
    """Append `payload` as one unmasked WebSocket text frame of a server (RFC 6455, 5.2)."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
    cdef Py_ssize_t start = PyByteArray_GET_SIZE(out)
    cdef int head = 2 if size < 126 else 4 if size < 65536 else 10
    cdef int place
    cdef unsigned char* at
    PyByteArray_Resize(out, start + head + size)
    at = <unsigned char*> PyByteArray_AS_STRING(out) + start
    at[0] = 0x81                                        # final, text
    at[1] = <unsigned char> (size if head == 2 else 126 if head == 4 else 127)
    for place in range(2, head):                        # the length, big-endian
        at[place] = <unsigned char> (size >> 8 * (head - 1 - place))
    memcpy(at + head, PyBytes_AS_STRING(payload), size)
