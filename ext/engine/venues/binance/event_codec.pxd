"""Market statistics of Binance to payloads of journal records: candles, tickers, mark prices, liquidations, and REST polls."""
from libc.stdint cimport uint32_t
from engine.venues.binance.market_codec cimport Decoded, MarketCodec, SymbolRow
from engine.venues.binance.scan cimport tw_cursor

cdef enum PollCode:
    POLL_NONE = 0
    POLL_OPEN_INTEREST = 1
    POLL_FUNDING = 2
    POLL_RATIO_FIRST = 3       # + RatioKind

cdef class EventCodec(MarketCodec):
    # codes of `decode_poll`: PollCode, or POLL_RATIO_FIRST + RatioKind
    cdef int decode_kline(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil
    cdef int decode_tickers(self, int event, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil
    cdef int decode_array(self, tw_cursor* c, char* payload, uint32_t capacity, Decoded* out) noexcept nogil
    cdef int decode_mark_price(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil
    cdef int decode_liquidation(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil
    cdef int decode_contract_info(self, tw_cursor* c, char* payload, Decoded* out) noexcept nogil
