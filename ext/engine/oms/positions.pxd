"""Positions by (account, instrument, side BOTH): lots, exact average cost, realised P&L, fees by asset."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from engine.model.records cimport PositionPayload
from engine.model.tables cimport Instrument, Tables

cdef extern from "money.h":
    ctypedef long long tw_wide
    tw_wide tw_value_e16(int64_t, int64_t, int64_t, int64_t) noexcept nogil
    tw_wide tw_share_half_even(tw_wide, int64_t, int64_t) noexcept nogil
    tw_wide tw_divide_half_even(tw_wide, tw_wide) noexcept nogil
    int64_t tw_e16_to_e8(tw_wide) noexcept nogil
    int64_t tw_cost_up_e8(tw_wide) noexcept nogil
    int64_t tw_wide_high(tw_wide) noexcept nogil
    uint64_t tw_wide_low(tw_wide) noexcept nogil

cdef enum:
    ACCOUNT_CAPACITY = 16

cdef struct Position:
    # Average cost as a ratio: the open lots cost basis_cost * (basis - closed) / basis, so closing fills commute exactly.
    tw_wide basis_cost_e16
    tw_wide closed_value_e16
    tw_wide realised_base_e16
    tw_wide fees_quote_e16
    int64_t position_lots
    int64_t basis_lots
    int64_t closed_lots
    uint64_t buy_lots
    uint64_t sell_lots
    uint64_t fills

cdef class PositionBook:
    cdef Tables tables
    cdef Position* rows
    cdef int64_t[512] fees_e8         # by asset, paid (negative: rebates)
    cdef Position* row(self, uint16_t account_id, uint32_t instrument_id) noexcept nogil
    cdef void book(self, uint16_t account_id, uint32_t instrument_id, int side, int64_t price_ticks, int64_t qty_lots,
                   uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil
    cdef void describe(self, uint16_t account_id, uint32_t instrument_id, PositionPayload* out) noexcept nogil
    cdef void set_row(self, uint16_t account_id, uint32_t instrument_id, const PositionPayload* state) noexcept nogil
