"""Positions: exact integers, average cost, half to even (see positions.pxd)."""
from libc.stdint cimport int64_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from engine.model.codes cimport SIDE_BUY
from engine.model.records cimport PositionPayload
from engine.model.tables cimport INSTRUMENT_CAPACITY, Instrument, Tables


cdef inline tw_wide _closed_cost(const Position* row) noexcept nogil:
    if row.closed_lots == 0:
        return 0
    return tw_share_half_even(row.basis_cost_e16, row.closed_lots, row.basis_lots)


cdef inline tw_wide _cost(const Position* row) noexcept nogil:
    return row.basis_cost_e16 - _closed_cost(row)


cdef inline tw_wide _realised(const Position* row) noexcept nogil:
    return row.realised_base_e16 + row.closed_value_e16 - _closed_cost(row)


cdef void _fold(Position* row) noexcept nogil:
    """Make what is open the new basis."""
    cdef tw_wide cost = _cost(row), realised = _realised(row)
    row.realised_base_e16 = realised
    row.basis_cost_e16 = cost
    row.basis_lots = row.basis_lots - row.closed_lots
    row.closed_lots = 0
    row.closed_value_e16 = 0


cdef class PositionBook:
    """Rows for every account and instrument; written by OMS, `tables.exposures.position_lots` follows."""

    def __cinit__(self, Tables tables not None):
        self.tables = tables
        self.rows = <Position*> calloc(ACCOUNT_CAPACITY * INSTRUMENT_CAPACITY, sizeof(Position))
        if self.rows == NULL:
            raise MemoryError("positions")

    def __dealloc__(self):
        free(self.rows)

    cdef Position* row(self, uint16_t account_id, uint32_t instrument_id) noexcept nogil:
        return &self.rows[(account_id % ACCOUNT_CAPACITY) * INSTRUMENT_CAPACITY + instrument_id % INSTRUMENT_CAPACITY]

    cdef void book(self, uint16_t account_id, uint32_t instrument_id, int side, int64_t price_ticks, int64_t qty_lots,
                   uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil:
        """Add one fill. A fee in the base asset is valued at the fill's price; one in a third asset stays in `fees_e8` alone."""
        cdef Position* row = self.row(account_id, instrument_id)
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef int64_t tick_e8 = instrument.tick_size_e8, lot_e8 = instrument.lot_size_e8
        cdef int64_t sign = 1 if side == SIDE_BUY else -1
        cdef int64_t closing_lots = 0, opening_lots
        cdef tw_wide closing_value
        if (row.position_lots > 0 and sign < 0) or (row.position_lots < 0 and sign > 0):
            closing_lots = min(qty_lots, row.basis_lots - row.closed_lots)
        opening_lots = qty_lots - closing_lots
        if closing_lots:
            # cost is signed like the position: a long sells for its value, a short pays its value against a negative cost
            closing_value = tw_value_e16(price_ticks, tick_e8, closing_lots, lot_e8)
            row.closed_value_e16 = row.closed_value_e16 - sign * closing_value
            row.closed_lots += closing_lots
            row.position_lots += sign * closing_lots
        if opening_lots:
            _fold(row)
            row.basis_lots += opening_lots
            row.basis_cost_e16 = row.basis_cost_e16 + sign * tw_value_e16(price_ticks, tick_e8, opening_lots, lot_e8)
            row.position_lots += sign * opening_lots
        if side == SIDE_BUY:
            row.buy_lots += qty_lots
        else:
            row.sell_lots += qty_lots
        row.fills += 1
        self.fees_e8[fee_asset_id % 512] = self.fees_e8[fee_asset_id % 512] + fee_e8
        if fee_asset_id and fee_asset_id == instrument.quote_asset_id:
            row.fees_quote_e16 = row.fees_quote_e16 + tw_value_e16(fee_e8, 1, 100000000, 1)
        elif fee_asset_id and fee_asset_id == instrument.base_asset_id:
            row.fees_quote_e16 = row.fees_quote_e16 + tw_value_e16(price_ticks, tick_e8, fee_e8, 1)
        self.tables.move_position(instrument_id, 0, sign * qty_lots)

    cdef void describe(self, uint16_t account_id, uint32_t instrument_id, PositionPayload* out) noexcept nogil:
        """The row in wire units; cost is signed like the position."""
        cdef const Position* row = self.row(account_id, instrument_id)
        out.position_lots = row.position_lots
        out.position_cost_e8 = tw_e16_to_e8(_cost(row))
        out.realised_pnl_e8 = tw_e16_to_e8(_realised(row))
        out.fees_quote_e8 = tw_e16_to_e8(row.fees_quote_e16)
        out.buy_lots = row.buy_lots
        out.sell_lots = row.sell_lots
        out.fills = row.fills

    cdef void set_row(self, uint16_t account_id, uint32_t instrument_id, const PositionPayload* state) noexcept nogil:
        """Start from a POSITION record (10^-8: what an older snapshot kept); replayed fills give the exact row instead."""
        cdef Position* row = self.row(account_id, instrument_id)
        self.tables.move_position(instrument_id, 0, state.position_lots - row.position_lots)
        memset(row, 0, sizeof(Position))
        row.position_lots = state.position_lots
        row.basis_lots = state.position_lots if state.position_lots >= 0 else -state.position_lots
        row.basis_cost_e16 = tw_value_e16(state.position_cost_e8, 1, 100000000, 1)
        row.realised_base_e16 = tw_value_e16(state.realised_pnl_e8, 1, 100000000, 1)
        row.fees_quote_e16 = tw_value_e16(state.fees_quote_e8, 1, 100000000, 1)
        row.buy_lots = state.buy_lots
        row.sell_lots = state.sell_lots
        row.fills = state.fills

    def wide(self, int account_id, int instrument_id) -> dict:
        """One row, exact: cost, realised P&L and fees in 10^-16 of the quote asset (tests, cold readers)."""
        cdef Position* row = self.row(account_id, instrument_id)
        cdef tw_wide cost = _cost(row), realised = _realised(row)
        return {
            "position_lots": row.position_lots,
            "cost_e16": (<object> tw_wide_high(cost) << 64) + tw_wide_low(cost),
            "realised_e16": (<object> tw_wide_high(realised) << 64) + tw_wide_low(realised),
            "fees_quote_e16": (<object> tw_wide_high(row.fees_quote_e16) << 64) + tw_wide_low(row.fees_quote_e16),
            "buy_lots": row.buy_lots, "sell_lots": row.sell_lots, "fills": row.fills,
        }

    def fees(self) -> dict:
        """Fees paid by asset id, in 10^-8."""
        return {i: self.fees_e8[i] for i in range(512) if self.fees_e8[i]}

    def add_fill(self, int account_id, int instrument_id, int side, int64_t price_ticks, int64_t qty_lots,
                 int fee_asset_id=0, int64_t fee_e8=0) -> None:
        """Book one fill from Python (tests, restore)."""
        self.tables._check(instrument_id)
        if qty_lots <= 0 or price_ticks <= 0 or not 0 <= fee_asset_id < 512:
            raise ValueError(f"no fill: {qty_lots} lots at {price_ticks} ticks, fee asset {fee_asset_id}")
        self.book(account_id, instrument_id, side, price_ticks, qty_lots, fee_asset_id, fee_e8)
