"""What one unit of each asset is worth in the reporting currency: `tables.rates_e8`, along the shortest path of instruments."""
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t
from engine.model.tables cimport Tables

@cython.final
cdef class Valuation:
    cdef Tables tables
    cdef readonly str currency
    cdef int named_assets               # assets whose names have been looked at
    cdef readonly uint16_t reporting_id # the first asset of that name; 0 = none is known yet
    cdef int64_t[512] rates_e8
    cdef uint16_t[512] hops             # instruments on the path, plus one; 0 = no path
    cdef uint16_t[512] twin             # the first asset of the same name: several lines name the same asset apart
    # Work all rates out anew from the present prices.
    cdef void revalue(self) noexcept nogil
    cdef void _name_assets(self) noexcept nogil
    cdef int64_t price_of(self, uint32_t instrument_id) noexcept nogil
    cdef bint _step(self, int hop, bint is_spot) noexcept nogil
    cdef bint _reach(self, uint16_t asset_id, uint16_t from_id, int64_t price_e8, bint is_inverse, int hop) noexcept nogil
