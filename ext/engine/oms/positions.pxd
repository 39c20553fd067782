"""Positions by (owner, instrument, position side): lots, exact average cost, realised P&L, fees by asset.

The owner is an account in the book of accounts and a strategy in the book of strategies; the arithmetic is the same.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.records cimport PositionPayload
from engine.model.tables cimport Instrument, Tables

cdef extern from "money.h":
    ctypedef long long tw_wide
    tw_wide tw_value_e16(int64_t, int64_t, int64_t, int64_t) noexcept nogil
    tw_wide tw_contract_value_e16(tw_wide, tw_wide, int64_t, bint) noexcept nogil
    tw_wide tw_share_half_even(tw_wide, int64_t, int64_t) noexcept nogil
    tw_wide tw_divide_half_even(tw_wide, tw_wide) noexcept nogil
    int64_t tw_e16_to_e8(tw_wide) noexcept nogil
    int64_t tw_e16_down_e8(tw_wide) noexcept nogil
    int64_t tw_cost_up_e8(tw_wide) noexcept nogil
    int64_t tw_wide_high(tw_wide) noexcept nogil
    uint64_t tw_wide_low(tw_wide) noexcept nogil

cdef enum:
    ACCOUNT_CAPACITY = 16
    OTHER_FEES_MAX = 3
    FEE_ASSETS = 512

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
    # fees in assets that are not of the pair, in the asset's own 10^-8: the first three here, further ones in more_fees_e8 by asset
    int64_t[OTHER_FEES_MAX] other_fee_e8
    uint16_t[OTHER_FEES_MAX] other_fee_asset_id
    uint16_t fees_incomplete   # there was no memory for more_fees_e8: the book's totals alone are whole
    int64_t* more_fees_e8      # FEE_ASSETS of them, the row's own; NULL until a fourth asset is met

cdef class PositionBook:
    cdef Tables tables
    cdef Position* rows
    cdef readonly int owners
    cdef bint moves_exposure          # the book of accounts: exposures and margin follow
    cdef int64_t[FEE_ASSETS] fees_e8         # by asset, paid (negative: rebates)
    cdef Position* row(self, uint16_t owner, uint32_t instrument_id, int position_side) noexcept nogil
    cdef void book(self, uint16_t owner, uint32_t instrument_id, int position_side, int side, int64_t price_ticks, int64_t qty_lots,
                   uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil
    cdef void describe(self, uint16_t owner, uint32_t instrument_id, int position_side, PositionPayload* out) noexcept nogil
    cdef void set_row(self, uint16_t owner, uint32_t instrument_id, int position_side, const PositionPayload* state) noexcept nogil
    cdef int64_t cost_e8(self, uint16_t owner, uint32_t instrument_id, int position_side) noexcept nogil
    # What is open at a price of 10^-8, less what it cost: in 10^-8 of the settle asset, rounded down.
    cdef int64_t unrealised_e8(self, uint16_t owner, uint32_t instrument_id, int position_side, int64_t price_e8) noexcept nogil
    cdef void _book_fee(self, Position* row, const Instrument* instrument, int64_t price_ticks, uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil
    cdef void _book_more_fee(self, Position* row, uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil
    cdef dict _other_fees(self, const Position* row)
    cdef void _follow(self, uint32_t instrument_id, int position_side, int64_t moved_lots, const Position* row) noexcept nogil
