"""Market-data frames of Binance to payloads of journal records, in one pass, without a Python object."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from engine.model.tables cimport Tables
from engine.venues.binance.scan cimport tw_exact_divisor

cdef enum:
    SYMBOL_SLOTS = 2048
    RAW_BYTES_MAX = 4096

cdef enum FaultCode:
    FAULT_NONE = 0
    FAULT_SYNTAX = 1
    FAULT_NUMBER = 2
    FAULT_OFF_TICK = 3
    FAULT_MISSING_FIELD = 5
    FAULT_REPEATED_FIELD = 6
    FAULT_TOO_MANY_LEVELS = 7
    FAULT_TRAILING_BYTES = 8

cdef struct SymbolRow:
    char symbol[32]
    uint32_t size
    uint32_t instrument_id
    uint32_t version
    uint32_t pad
    int64_t lot_size_e8
    tw_exact_divisor tick
    tw_exact_divisor lot

cdef struct Decoded:
    uint16_t kind              # RecordKind; MALFORMED where fault is not 0
    uint16_t fault             # FaultCode
    uint32_t instrument_id     # 0 = none named or not known
    uint32_t payload_size
    uint32_t rounded           # quantities that were no multiple of the lot

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
