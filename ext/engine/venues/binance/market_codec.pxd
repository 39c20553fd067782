"""Market-data frames of Binance to payloads of journal records, in one pass, without a Python object."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from engine.model.codes cimport FRAME_FAULT_REPEATED_FIELD
from engine.model.tables cimport Tables
from engine.venues.binance.scan cimport tw_cursor, tw_exact_divisor

cdef enum:
    SYMBOL_SLOTS = 2048
    RAW_BYTES_MAX = 4096

cdef enum EventCode:
    EVENT_OTHER = 0
    EVENT_DEPTH = 1
    EVENT_TICKER = 2
    EVENT_TRADE = 3
    EVENT_AGG_TRADE = 4
    EVENT_REFUSED = 5
    # market statistics, for a codec that reads them
    EVENT_KLINE = 6
    EVENT_TICKER_24H = 7
    EVENT_MINI_TICKER = 8
    EVENT_MARK_PRICE = 9
    EVENT_LIQUIDATION = 10
    EVENT_CONTRACT_INFO = 11
    EVENT_ARRAY = 12

cdef struct SymbolRow:
    char symbol[32]
    uint32_t size
    uint32_t instrument_id
    uint32_t version
    uint32_t kind              # of the instrument: 0 spot, 1 perpetual
    int64_t lot_size_e8
    tw_exact_divisor tick
    tw_exact_divisor lot

cdef struct Decoded:
    uint16_t kind              # RecordKind; MALFORMED where fault is not 0
    uint16_t fault             # FrameFault
    uint32_t instrument_id     # 0 = none named or not known
    uint32_t payload_size
    uint32_t rounded           # quantities that were no multiple of the lot

cdef inline int refuse(Decoded* out, int fault) noexcept nogil:
    out.fault = fault
    return 0

cdef inline int mark(uint64_t* seen, uint64_t bit, Decoded* out) noexcept nogil:
    """A key may stand once: twice is not for us to choose between."""
    if seen[0] & bit:
        return refuse(out, FRAME_FAULT_REPEATED_FIELD)
    seen[0] |= bit
    return 1

cdef int skip_or_refuse(tw_cursor* c, Decoded* out) noexcept nogil
cdef int read_id(tw_cursor* c, uint64_t* value, Decoded* out) noexcept nogil
cdef int event_of_name(const char* name, size_t size) noexcept nogil
cdef int read_stamp(tw_cursor* c, int64_t* value_ns, Decoded* out) noexcept nogil
# The whole frame as the payload: of one that was refused behind its reason.
cdef void keep_raw(const char* data, Py_ssize_t size, char* payload, Decoded* out) noexcept nogil
cdef void quarantine(const char* data, Py_ssize_t size, char* payload, Decoded* out) noexcept nogil

cdef class MarketCodec:
    cdef Tables tables
    cdef SymbolRow* rows
    cdef readonly int venue_id
    cdef readonly uint32_t count
    # Payload bytes that a frame of `size` bytes can need at most.
    cdef uint32_t payload_size_max(self, Py_ssize_t size) noexcept nogil
    # Decode one frame into `payload` (`capacity` bytes, at least payload_size_max(size)). Never fails otherwise than by `out.fault`.
    cdef void decode(self, const char* data, Py_ssize_t size, char* payload, uint32_t capacity, Decoded* out) noexcept nogil
    # Decode the body of GET depth for one instrument into a DEPTH_SNAPSHOT payload.
    cdef void decode_snapshot(self, uint32_t instrument_id, const char* data, Py_ssize_t size, char* payload, uint32_t capacity,
                              Decoded* out) noexcept nogil
    cdef SymbolRow* find(self, const char* symbol, size_t size) noexcept nogil
    cdef SymbolRow* refreshed(self, SymbolRow* row) noexcept nogil
    # An event that is no book's: its payload, or 0 with a fault. Here it stays raw; a codec of more events overrides it.
    cdef int decode_event(self, int event, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil
    # The body of a REST answer (a code of the codec that reads it) about one instrument.
    cdef void decode_poll(self, int poll, uint32_t instrument_id, const char* data, Py_ssize_t size, char* payload,
                          uint32_t capacity, Decoded* out) noexcept nogil
    cdef dict fields_of(self, const char* payload, const Decoded* out)
