"""Accounts as they are told: what positions would pay for, where they would be liquidated, what all is worth."""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.records cimport AccountPayload, AccountPositionRow, MarginTiersPayload, RecordHeader
from engine.model.tables cimport MarginAccount, Tables
from engine.oms.positions cimport PositionBook
from engine.oms.scribe cimport Scribe
from engine.oms.valuation cimport Valuation

cdef enum:
    POSITION_ROWS_SHOWN = 128

@cython.final
cdef class AccountBook:
    cdef Journal journal
    cdef Tables tables
    cdef PositionBook positions
    cdef Scribe scribe
    cdef Valuation valuation
    cdef uint16_t account_id
    cdef uint16_t venue_id
    cdef int64_t near_bps               # nearer to liquidation than this is an alarm; 0 = none
    cdef int64_t* funding_e8            # OMS's, by instrument
    cdef int64_t next_look_mono_ns
    cdef bint was_read                  # has the venue told this run any wallet: until then nothing is known, which is not nothing
    cdef uint8_t[512] is_ours           # assets of this account
    cdef uint8_t[1536] is_warned        # by position, parallel to exposures
    cdef int64_t[512] told_mono_ns      # when each asset's record was written
    cdef uint64_t[512] told_lots         # what of it makes the next record urgent
    cdef AccountPayload[512] told
    cdef AccountPositionRow[POSITION_ROWS_SHOWN] shown
    cdef readonly uint64_t records
    # MARGIN_TIERS: leverage, margin type and tiers of one contract.
    cdef void take_terms(self, const RecordHeader* record) noexcept nogil
    cdef void put_terms(self, uint32_t instrument_id, const MarginTiersPayload* told, uint32_t size) noexcept nogil
    # The venue's word for an asset's wallet.
    cdef void take_balance(self, uint16_t asset_id) noexcept nogil
    # At most once a second: revalue, warn, write what has changed.
    cdef void look(self, int64_t now_mono_ns, uint64_t cause_seq) noexcept nogil
    # The mark price at which the position's margin is used up; 0 = none, or not known.
    cdef int64_t liquidation_e8(self, uint32_t instrument_id, int side) noexcept nogil
    cdef int64_t _solve(self, uint32_t instrument_id, int first, int last, bint crossed_only, int64_t balance_e8, int64_t other_e8) noexcept nogil
    cdef void _warn(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil
    cdef void _tell(self, uint16_t asset_id, int64_t now_mono_ns, uint64_t cause_seq) noexcept nogil
    cdef int _fill_rows(self, uint16_t asset_id, AccountPayload* out, uint64_t* lots_mix) noexcept nogil
    cdef void _fill_row(self, uint32_t instrument_id, int side, AccountPositionRow* out) noexcept nogil
    cdef void _fill_sums(self, uint16_t asset_id, AccountPayload* out) noexcept nogil
    cdef void _write(self, const AccountPayload* sums, int count, uint64_t cause_seq) noexcept nogil
