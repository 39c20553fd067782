"""Positions: exact integers, average cost, half to even (see positions.pxd)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from engine.model.codes cimport SIDE_BUY
from engine.model.records cimport PositionPayload
from engine.model.tables cimport INSTRUMENT_CAPACITY, POSITION_SIDES, Instrument, Tables


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


cdef inline tw_wide _value(const Instrument* instrument, int64_t price_ticks, int64_t qty_lots) noexcept nogil:
    if instrument.inverse == 0 and instrument.multiplier_e8 == 100000000:
        return tw_value_e16(price_ticks, instrument.tick_size_e8, qty_lots, instrument.lot_size_e8)
    return tw_contract_value_e16(<tw_wide> price_ticks * instrument.tick_size_e8, <tw_wide> qty_lots * instrument.lot_size_e8,
                                 instrument.multiplier_e8, instrument.inverse)


cdef object _whole(tw_wide value):
    return (<object> tw_wide_high(value) << 64) + tw_wide_low(value)


cdef class PositionBook:
    """Rows for every owner, instrument and position side.

    `moves_exposure`: the book of accounts, of which `tables.exposures.position_lots` and the cost in `tables.margin_rows` follow.
    """

    def __cinit__(self, Tables tables not None, int owners=ACCOUNT_CAPACITY, bint moves_exposure=True):
        if owners <= 0:
            raise ValueError(f"{owners} owners")
        self.tables = tables
        self.owners = owners
        self.moves_exposure = moves_exposure
        self.rows = <Position*> calloc(owners * POSITION_SIDES * INSTRUMENT_CAPACITY, sizeof(Position))
        if self.rows == NULL:
            raise MemoryError("positions")

    def __dealloc__(self):
        cdef int i
        if self.rows != NULL:
            for i in range(self.owners * POSITION_SIDES * INSTRUMENT_CAPACITY):
                free(self.rows[i].more_fees_e8)
        free(self.rows)

    cdef Position* row(self, uint16_t owner, uint32_t instrument_id, int position_side) noexcept nogil:
        return &self.rows[((owner % self.owners) * POSITION_SIDES + position_side % POSITION_SIDES) * INSTRUMENT_CAPACITY
                          + instrument_id % INSTRUMENT_CAPACITY]

    cdef void book(self, uint16_t owner, uint32_t instrument_id, int position_side, int side, int64_t price_ticks, int64_t qty_lots,
                   uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil:
        """Add one fill. Reports may come in any order, so a close may stand below an opening that is still to be told."""
        cdef Position* row = self.row(owner, instrument_id, position_side)
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef int64_t sign = 1 if side == SIDE_BUY else -1
        cdef int64_t closing_lots = 0, opening_lots
        if (row.position_lots > 0 and sign < 0) or (row.position_lots < 0 and sign > 0):
            closing_lots = min(qty_lots, row.basis_lots - row.closed_lots)
        opening_lots = qty_lots - closing_lots
        if closing_lots:
            # cost is signed like the position: a long sells for its value, a short pays its value against a negative cost
            row.closed_value_e16 = row.closed_value_e16 - sign * _value(instrument, price_ticks, closing_lots)
            row.closed_lots += closing_lots
            row.position_lots += sign * closing_lots
        if opening_lots:
            _fold(row)
            row.basis_lots += opening_lots
            row.basis_cost_e16 = row.basis_cost_e16 + sign * _value(instrument, price_ticks, opening_lots)
            row.position_lots += sign * opening_lots
        if side == SIDE_BUY:
            row.buy_lots += qty_lots
        else:
            row.sell_lots += qty_lots
        row.fills += 1
        if fee_e8 != 0:
            self._book_fee(row, instrument, price_ticks, fee_asset_id, fee_e8)
        if self.moves_exposure:
            self._follow(instrument_id, position_side, sign * qty_lots, row)

    cdef void _book_fee(self, Position* row, const Instrument* instrument, int64_t price_ticks, uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil:
        """In the settle asset as it is; in the other asset of the pair at the fill's price; in a third by itself."""
        cdef tw_wide price_e8 = <tw_wide> price_ticks * instrument.tick_size_e8
        cdef int i
        self.fees_e8[fee_asset_id % FEE_ASSETS] = self.fees_e8[fee_asset_id % FEE_ASSETS] + fee_e8
        if fee_asset_id == 0:
            return
        if fee_asset_id == instrument.settle_asset_id:
            row.fees_quote_e16 = row.fees_quote_e16 + tw_value_e16(fee_e8, 1, 100000000, 1)
        elif fee_asset_id == instrument.base_asset_id:
            row.fees_quote_e16 = row.fees_quote_e16 + price_e8 * fee_e8
        elif fee_asset_id == instrument.quote_asset_id:
            # an inverse contract, settled in its base
            row.fees_quote_e16 = row.fees_quote_e16 + tw_divide_half_even(<tw_wide> fee_e8 * 100000000 * 100000000, price_e8)
        else:
            for i in range(OTHER_FEES_MAX):
                if row.other_fee_asset_id[i] == fee_asset_id or row.other_fee_asset_id[i] == 0:
                    row.other_fee_asset_id[i] = fee_asset_id
                    row.other_fee_e8[i] += fee_e8
                    return
            self._book_more_fee(row, fee_asset_id, fee_e8)

    cdef void _book_more_fee(self, Position* row, uint16_t fee_asset_id, int64_t fee_e8) noexcept nogil:
        """A fourth asset and on: rare, so its room is taken when it is met."""
        if row.more_fees_e8 == NULL:
            row.more_fees_e8 = <int64_t*> calloc(FEE_ASSETS, sizeof(int64_t))
        if row.more_fees_e8 == NULL:
            row.fees_incomplete = 1
            return
        row.more_fees_e8[fee_asset_id % FEE_ASSETS] += fee_e8

    cdef void _follow(self, uint32_t instrument_id, int position_side, int64_t moved_lots, const Position* row) noexcept nogil:
        cdef int place = position_side * INSTRUMENT_CAPACITY + <int> instrument_id
        self.tables.move_position(instrument_id, <uint8_t> position_side, moved_lots)
        if self.tables.instruments[instrument_id].kind != 0:
            self.tables.margin_rows[place].cost_e8 = tw_e16_to_e8(_cost(row))
            self.tables.touch_margin(instrument_id)

    cdef int64_t cost_e8(self, uint16_t owner, uint32_t instrument_id, int position_side) noexcept nogil:
        return tw_e16_to_e8(_cost(self.row(owner, instrument_id, position_side)))

    cdef int64_t unrealised_e8(self, uint16_t owner, uint32_t instrument_id, int position_side, int64_t price_e8) noexcept nogil:
        cdef const Position* row = self.row(owner, instrument_id, position_side)
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef int64_t lots = row.position_lots
        cdef tw_wide value
        if lots == 0 or price_e8 <= 0:
            return 0
        value = tw_contract_value_e16(price_e8, <tw_wide> (lots if lots > 0 else -lots) * instrument.lot_size_e8, instrument.multiplier_e8,
                                      instrument.inverse)
        return tw_e16_down_e8((value if lots > 0 else -value) - _cost(row))

    cdef void describe(self, uint16_t owner, uint32_t instrument_id, int position_side, PositionPayload* out) noexcept nogil:
        """The row in wire units; cost is signed like the position."""
        cdef const Position* row = self.row(owner, instrument_id, position_side)
        out.position_lots = row.position_lots
        out.position_cost_e8 = tw_e16_to_e8(_cost(row))
        out.realised_pnl_e8 = tw_e16_to_e8(_realised(row))
        out.fees_quote_e8 = tw_e16_to_e8(row.fees_quote_e16)
        out.buy_lots = row.buy_lots
        out.sell_lots = row.sell_lots
        out.fills = row.fills

    cdef void set_row(self, uint16_t owner, uint32_t instrument_id, int position_side, const PositionPayload* state) noexcept nogil:
        """Start from a POSITION record (10^-8: what an older snapshot kept); replayed fills give the exact row instead."""
        cdef Position* row = self.row(owner, instrument_id, position_side)
        cdef int64_t moved_lots = state.position_lots - row.position_lots
        free(row.more_fees_e8)
        memset(row, 0, sizeof(Position))
        row.position_lots = state.position_lots
        row.basis_lots = state.position_lots if state.position_lots >= 0 else -state.position_lots
        row.basis_cost_e16 = tw_value_e16(state.position_cost_e8, 1, 100000000, 1)
        row.realised_base_e16 = tw_value_e16(state.realised_pnl_e8, 1, 100000000, 1)
        row.fees_quote_e16 = tw_value_e16(state.fees_quote_e8, 1, 100000000, 1)
        row.buy_lots = state.buy_lots
        row.sell_lots = state.sell_lots
        row.fills = state.fills
        if self.moves_exposure:
            self._follow(instrument_id, position_side, moved_lots, row)

    def carry(self, uint32_t old_id, uint32_t new_id) -> bool:
        """Move every position of a row whose tick or lot has changed to the symbol's new row; money stays what it is to the last unit.

        False, and nothing is moved, where a quantity is no whole number of the new lots or the new row has fills already.
        """
        cdef int64_t old_lot_e8, new_lot_e8
        cdef int owner, side
        self.tables._check(old_id)
        self.tables._check(new_id)
        old_lot_e8, new_lot_e8 = self.tables.instruments[old_id].lot_size_e8, self.tables.instruments[new_id].lot_size_e8
        for owner in range(self.owners):
            for side in range(POSITION_SIDES):
                if self.row(owner, new_id, side).fills or not _is_scalable(self.row(owner, old_id, side), old_lot_e8, new_lot_e8):
                    return False
        for owner in range(self.owners):
            for side in range(POSITION_SIDES):
                self._carry_row(owner, old_id, new_id, side)
        return True

    def _carry_row(self, int owner, uint32_t old_id, uint32_t new_id, int side) -> None:
        cdef Position* old = self.row(owner, old_id, side)
        cdef Position* new = self.row(owner, new_id, side)
        cdef int64_t old_lot_e8 = self.tables.instruments[old_id].lot_size_e8, new_lot_e8 = self.tables.instruments[new_id].lot_size_e8
        cdef int64_t old_lots = old.position_lots
        if old.fills == 0:
            return
        free(new.more_fees_e8)
        new[0] = old[0]
        new.position_lots = old.position_lots * old_lot_e8 // new_lot_e8
        new.basis_lots = old.basis_lots * old_lot_e8 // new_lot_e8
        new.closed_lots = old.closed_lots * old_lot_e8 // new_lot_e8
        new.buy_lots = old.buy_lots * <uint64_t> old_lot_e8 // <uint64_t> new_lot_e8
        new.sell_lots = old.sell_lots * <uint64_t> old_lot_e8 // <uint64_t> new_lot_e8
        memset(old, 0, sizeof(Position))
        if self.moves_exposure:
            self._follow(old_id, side, -old_lots, old)
            self._follow(new_id, side, new.position_lots, new)
        elif owner != 0:
            self.tables.move_strategy_position(old_id, <uint8_t> side, <uint16_t> owner, -old_lots)
            self.tables.move_strategy_position(new_id, <uint8_t> side, <uint16_t> owner, new.position_lots)

    def wide(self, int owner, int instrument_id, int position_side=0) -> dict:
        """One row, exact: cost, realised P&L and fees in 10^-16 of the settle asset (tests, cold readers)."""
        cdef Position* row = self.row(owner, instrument_id, position_side)
        return {
            "position_lots": row.position_lots, "cost_e16": _whole(_cost(row)), "realised_e16": _whole(_realised(row)),
            "fees_quote_e16": _whole(row.fees_quote_e16), "buy_lots": row.buy_lots, "sell_lots": row.sell_lots, "fills": row.fills,
            "other_fees_e8": self._other_fees(row), "fees_incomplete": bool(row.fees_incomplete),
        }

    cdef dict _other_fees(self, const Position* row):
        cdef dict fees = {row.other_fee_asset_id[i]: row.other_fee_e8[i] for i in range(OTHER_FEES_MAX) if row.other_fee_asset_id[i]}
        if row.more_fees_e8 != NULL:
            fees.update({i: row.more_fees_e8[i] for i in range(FEE_ASSETS) if row.more_fees_e8[i]})
        return fees

    def unrealised(self, int owner, int instrument_id, int64_t price_e8, int position_side=0) -> int:
        """Profit of what is open at a price, in 10^-8 of the settle asset, rounded down."""
        return self.unrealised_e8(owner, instrument_id, position_side, price_e8)

    def fees(self) -> dict:
        """Fees paid by asset id, in 10^-8."""
        return {i: self.fees_e8[i] for i in range(FEE_ASSETS) if self.fees_e8[i]}

    def add_fill(self, int owner, int instrument_id, int side, int64_t price_ticks, int64_t qty_lots, int fee_asset_id=0,
                 int64_t fee_e8=0, int position_side=0) -> None:
        """Book one fill from Python (tests, restore)."""
        self.tables._check(instrument_id)
        if qty_lots <= 0 or price_ticks <= 0 or not 0 <= fee_asset_id < FEE_ASSETS or not 0 <= position_side < POSITION_SIDES:
            raise ValueError(f"no fill: {qty_lots} lots at {price_ticks} ticks, fee asset {fee_asset_id}, position side {position_side}")
        self.book(owner, instrument_id, position_side, side, price_ticks, qty_lots, fee_asset_id, fee_e8)


cdef bint _is_scalable(const Position* row, int64_t old_lot_e8, int64_t new_lot_e8) noexcept nogil:
    return (row.basis_lots * old_lot_e8 % new_lot_e8 == 0 and row.closed_lots * old_lot_e8 % new_lot_e8 == 0
            and <int64_t> row.buy_lots * old_lot_e8 % new_lot_e8 == 0 and <int64_t> row.sell_lots * old_lot_e8 % new_lot_e8 == 0)
