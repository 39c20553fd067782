"""Views of market statistics and reference data: candles, tickers, mark prices, funding, interest, ratios, liquidations."""
cimport cython
from engine.model.records cimport (
    FundingRow, InstrumentUpdatePayload, KlinePayload, LiquidationPayload, LongShortRatioPayload, MarkPricePayload,
    OpenInterestPayload, ParentStatePayload, Ticker24hRow,
)
from engine.strategy.views cimport View

@cython.final
cdef class KlineView(View):
    cdef const KlinePayload* _kline
    cdef const KlinePayload* _read(self) except NULL

@cython.final
cdef class TickerView(View):
    cdef const Ticker24hRow* _row      # of a small ticker only the part that both have may be read
    cdef bint _is_full
    cdef const Ticker24hRow* _read(self) except NULL
    cdef const Ticker24hRow* _read_full(self) except? NULL

@cython.final
cdef class MarkPriceView(View):
    cdef const MarkPricePayload* _mark
    cdef const MarkPricePayload* _read(self) except NULL

@cython.final
cdef class FundingView(View):
    cdef const FundingRow* _row
    cdef const FundingRow* _read(self) except NULL

@cython.final
cdef class OpenInterestView(View):
    cdef const OpenInterestPayload* _interest
    cdef const OpenInterestPayload* _read(self) except NULL

@cython.final
cdef class LongShortRatioView(View):
    cdef const LongShortRatioPayload* _ratio
    cdef const LongShortRatioPayload* _read(self) except NULL

@cython.final
cdef class LiquidationView(View):
    cdef const LiquidationPayload* _liquidation
    cdef const LiquidationPayload* _read(self) except NULL

@cython.final
cdef class ParentView(View):
    cdef const ParentStatePayload* _parent
    cdef const ParentStatePayload* _read(self) except NULL

@cython.final
cdef class InstrumentView(View):
    cdef const InstrumentUpdatePayload* _update
    cdef size_t _text_bytes
    cdef const InstrumentUpdatePayload* _read(self) except NULL
