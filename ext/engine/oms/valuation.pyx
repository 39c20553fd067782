"""Conversion paths.

An asset of the reporting currency's name is worth 1. From there, hop by hop, each instrument with a price whose one asset is valued
values the other: spot before futures within a hop, the lower instrument number first, and the first word stands, so that the same
prices give the same rates. A spot instrument's price is the middle of its book, else its last trade; a contract's is its index price,
else its mark price. What no path reaches stays 0: unvalued, never guessed, and no stable coin is taken for 1 of another.
A rate has 8 decimals: of a coin worth less than 0.0001 fewer than five digits are known.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset
from engine.model.tables cimport ASSET_CAPACITY, Instrument, MarketState, Tables

cdef extern from "engine/model/margin.h":
    int64_t tw_convert_e8(int64_t, int64_t, bint) noexcept nogil

cdef enum:
    HOPS_MAX = 4

cdef int64_t E8 = 100_000_000


def bare_name(str name) -> str:
    """The asset itself of a name that says of which line it is, as "binance:USDT"."""
    return name.rpartition(":")[2]


cdef class Valuation:
    """Rates into one currency. `revalue` is called at a bounded rate by whoever keeps accounts."""

    def __init__(self, Tables tables not None, str currency="USDT"):
        self.tables = tables
        self.currency = currency
        self.named_assets = 1

    cdef void _name_assets(self) noexcept nogil:
        with gil:
            self._compare_names()

    def _compare_names(self) -> None:
        """Assets met since the last time: which is whose twin, and which are the currency itself."""
        first = {bare_name(self.tables.asset_name(i)): i for i in reversed(range(1, self.named_assets))}
        while self.named_assets < self.tables.asset_count:
            name = bare_name(self.tables.asset_name(self.named_assets))
            self.twin[self.named_assets] = first.setdefault(name, self.named_assets)
            self.named_assets += 1
        self.reporting_id = first.get(self.currency, 0)

    cdef int64_t price_of(self, uint32_t instrument_id) noexcept nogil:
        cdef const Instrument* row = &self.tables.instruments[instrument_id]
        cdef const MarketState* market = &self.tables.markets[instrument_id]
        if row.kind != 0 and market.index_e8 > 0:
            return market.index_e8
        return self.tables.mark_of(instrument_id)

    cdef void revalue(self) noexcept nogil:
        cdef uint16_t asset_id, twin
        cdef int hop
        if self.named_assets < self.tables.asset_count:
            self._name_assets()
        memset(self.rates_e8, 0, sizeof(self.rates_e8))
        memset(self.hops, 0, sizeof(self.hops))
        if self.reporting_id:
            self.rates_e8[self.reporting_id] = E8
            self.hops[self.reporting_id] = 1
            for hop in range(1, HOPS_MAX + 1):
                if not (self._step(hop, True) | self._step(hop, False)):
                    break
        for asset_id in range(1, <uint16_t> self.named_assets):
            twin = self.twin[asset_id]
            self.rates_e8[asset_id] = self.rates_e8[twin]
            self.hops[asset_id] = self.hops[twin]
        memcpy(self.tables.rates_e8, self.rates_e8, sizeof(self.rates_e8))

    cdef bint _step(self, int hop, bint is_spot) noexcept nogil:
        """Value what is one instrument farther away; True where something was."""
        cdef uint32_t i
        cdef uint16_t base, quote
        cdef int64_t price_e8
        cdef bint moved = False
        for i in range(1, self.tables.instrument_count + 1):
            if (self.tables.instruments[i].kind == 0) != is_spot:
                continue
            base = self.twin[self.tables.instruments[i].base_asset_id % ASSET_CAPACITY]
            quote = self.twin[self.tables.instruments[i].quote_asset_id % ASSET_CAPACITY]
            if self.hops[base] != hop and self.hops[quote] != hop:
                continue
            price_e8 = self.price_of(i)
            if price_e8 > 0:
                moved |= self._reach(base, quote, price_e8, False, hop)
                moved |= self._reach(quote, base, price_e8, True, hop)
        return moved

    cdef bint _reach(self, uint16_t asset_id, uint16_t from_id, int64_t price_e8, bint is_inverse, int hop) noexcept nogil:
        if self.hops[from_id] != hop or self.hops[asset_id] != 0:
            return False
        self.rates_e8[asset_id] = tw_convert_e8(self.rates_e8[from_id], price_e8, is_inverse)
        self.hops[asset_id] = <uint16_t> (hop + 1)
        return True

    def refresh(self) -> None:
        """Work all rates out anew (tests, wiring)."""
        self.revalue()

    def rate(self, int asset_id) -> int:
        """Value of one unit in 10^-8 of the currency; 0 where no path leads to it."""
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        return self.tables.rates_e8[asset_id]

    def unvalued(self) -> tuple:
        """Assets that no path reaches."""
        return tuple(self.tables.asset_name(i) for i in range(1, self.named_assets) if self.hops[i] == 0)
