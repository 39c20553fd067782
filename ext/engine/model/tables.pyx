"""Shared tables of the engine: see tables.pxd for who writes what."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset
from engine.model.worths cimport is_open, less, less_side, move_side, shift, shift_side

cdef extern from *:
    """
    #include <stdint.h>
    typedef __int128 tw_int128;
    /* price * qty * value in 64 bits, which is what prices and quantities are but for the absurd; 0 where it does not fit */
    static inline int tw_notional_fits(int64_t price, int64_t qty, int64_t value, int64_t *product) {
        int64_t lots;
        return !__builtin_mul_overflow(price, qty, &lots) && !__builtin_mul_overflow(lots, value, product);
    }
    """
    ctypedef long long tw_int128
    bint tw_notional_fits(int64_t price, int64_t qty, int64_t value, int64_t* product) noexcept nogil

cdef extern from "engine/model/margin.h":
    int64_t tw_size_e8(int64_t, int64_t, int64_t, bint) noexcept nogil
    int64_t tw_profit_e8(int64_t, int64_t, int64_t, bint, int64_t) noexcept nogil
    int64_t tw_margin_e8(int64_t, int64_t) noexcept nogil
    int64_t tw_maintenance_e8(int64_t, int64_t, int64_t) noexcept nogil

cdef int64_t INT64_MAX_VALUE = 0x7FFFFFFFFFFFFFFF

cdef enum:
    EXECUTIONS_KEPT_MAX = 65536
    SIDE_OF_BUYS = 0
    # an inverse contract is worth a fixed amount of its quote asset whatever its price: one tick's worth is a lot's
    PRICE_OF_INVERSE = 1


cdef inline int64_t _sum(int64_t a, int64_t b) noexcept nogil:
    """a + b, at most what 64 bits hold with either sign."""
    cdef int64_t total = a + b
    if (a ^ total) & (b ^ total) < 0 or total < -INT64_MAX_VALUE:
        return INT64_MAX_VALUE if a > 0 else -INT64_MAX_VALUE
    return total


cdef class Tables:
    """Instruments, markets, exposures, limits, strategies: fixed C arrays, allocated once, zeroed."""

    def __cinit__(self):
        self.instruments = <Instrument*> calloc(INSTRUMENT_CAPACITY, sizeof(Instrument))
        self.markets = <MarketState*> calloc(INSTRUMENT_CAPACITY, sizeof(MarketState))
        self.exposures = <Exposure*> calloc(POSITION_SIDES * INSTRUMENT_CAPACITY, sizeof(Exposure))
        self.strategy_exposures = <Exposure*> calloc(POSITION_SIDES * STRATEGY_CAPACITY * INSTRUMENT_CAPACITY, sizeof(Exposure))
        self.limits = <InstrumentLimits*> calloc(INSTRUMENT_CAPACITY, sizeof(InstrumentLimits))
        self.limit_rows = <LimitRow*> calloc(LIMIT_ROW_COUNT, sizeof(LimitRow))
        self.scopes = <ScopeState*> calloc(LIMIT_ROW_COUNT, sizeof(ScopeState))
        self.strategies = <StrategyState*> calloc(STRATEGY_CAPACITY, sizeof(StrategyState))
        self.margin_terms = <MarginTerms*> calloc(INSTRUMENT_CAPACITY, sizeof(MarginTerms))
        self.margin_rows = <MarginRow*> calloc(POSITION_SIDES * INSTRUMENT_CAPACITY, sizeof(MarginRow))
        self.margins = <MarginAccount*> calloc(ASSET_CAPACITY, sizeof(MarginAccount))
        self.executions = <ExecutionTimes*> calloc(LIMIT_ROW_COUNT, sizeof(ExecutionTimes))
        if not (self.instruments and self.markets and self.exposures and self.strategy_exposures and self.limits and self.strategies
                and self.limit_rows and self.scopes and self.executions):
            raise MemoryError("tables")
        if not (self.margin_terms and self.margin_rows and self.margins):
            raise MemoryError("margins")
        self.limits_generation = 1
        self._lift_all_limits()
        self._ids_by_symbol = {}
        self._assets = [""]
        self._given = [("", 0)]

    def __dealloc__(self):
        cdef int row
        for row in range(LIMIT_ROW_COUNT if self.executions != NULL else 0):
            free(self.executions[row].mono_ns)
        free(self.executions)
        free(self.instruments)
        free(self.markets)
        free(self.exposures)
        free(self.strategy_exposures)
        free(self.limits)
        free(self.limit_rows)
        free(self.scopes)
        free(self.strategies)
        free(self.margin_terms)
        free(self.margin_rows)
        free(self.margins)

    cdef void _lift_all_limits(self) noexcept:
        """Every scope unlimited and free; permissions and windows are 0."""
        cdef int row
        cdef LimitRow* limits
        for row in range(LIMIT_ROW_COUNT):
            limits = &self.limit_rows[row]
            limits.max_order_qty_lots = limits.max_order_notional_e8 = limits.max_position_lots = INT64_MAX_VALUE
            limits.max_position_notional_e8 = limits.max_gross_exposure_e8 = limits.max_net_exposure_e8 = INT64_MAX_VALUE
            limits.max_leverage_e4 = limits.max_positions = limits.max_open_orders = INT64_MAX_VALUE
            limits.message_rate_per_s = limits.message_burst = limits.price_collar_bps = INT64_MAX_VALUE
            limits.price_collar_period_bps = limits.max_slippage_bps = limits.max_daily_loss_e8 = INT64_MAX_VALUE
            limits.max_drawdown_e8 = limits.max_drawdown_bps = limits.max_loss_streak = INT64_MAX_VALUE
            limits.max_executions = limits.max_price_move_bps = limits.capital_budget_e8 = INT64_MAX_VALUE
            self.scopes[row].trading_state = 2  # ACTIVE

    cdef int64_t notional_e8(self, uint32_t instrument_id, int64_t price_ticks, int64_t qty_lots) noexcept nogil:
        """Quote value in 10^-8, computed in 128 bits; INT64_MAX when it does not fit, so that a limit refuses."""
        cdef Instrument* row = &self.instruments[instrument_id]
        cdef tw_int128 value
        cdef int64_t product
        if row.tick_lot_value_denominator <= 0:
            return INT64_MAX_VALUE
        if row.inverse:
            price_ticks = PRICE_OF_INVERSE
        if tw_notional_fits(price_ticks, qty_lots, row.tick_lot_value_numerator, &product):
            # a division of 64 bits costs a fifth of one of 128; the smallest number alone would not be refused by it
            product = product / row.tick_lot_value_denominator
            return product if product >= -INT64_MAX_VALUE else INT64_MAX_VALUE
        value = <tw_int128> price_ticks * qty_lots * row.tick_lot_value_numerator
        # 128 bits hold 2^63 * 2^63 only once: a product of three is checked by division
        if price_ticks != 0 and qty_lots != 0 and row.tick_lot_value_numerator != 0:
            if value / row.tick_lot_value_numerator != <tw_int128> price_ticks * qty_lots:
                return INT64_MAX_VALUE
        value = value / row.tick_lot_value_denominator
        if value > INT64_MAX_VALUE or value < -INT64_MAX_VALUE:
            return INT64_MAX_VALUE
        return <int64_t> value

    # --- margin: what positions and orders of a contract need, added up by settle asset ---

    cdef int64_t mark_of(self, uint32_t instrument_id) noexcept nogil:
        cdef const MarketState* market = &self.markets[instrument_id]
        cdef int64_t tick_e8 = self.instruments[instrument_id].tick_size_e8
        if market.mark_e8 > 0:
            return market.mark_e8
        if market.best_bid_ticks > 0 and market.best_ask_ticks > 0:
            return (market.best_bid_ticks + market.best_ask_ticks) * tick_e8 // 2
        return market.last_trade_ticks * tick_e8

    cdef int64_t settle_value_e8(self, uint32_t instrument_id, int64_t price_ticks, int64_t qty_lots) noexcept nogil:
        cdef const Instrument* row = &self.instruments[instrument_id]
        return tw_size_e8(qty_lots * row.lot_size_e8, price_ticks * row.tick_size_e8, row.multiplier_e8, row.inverse)

    cdef const MarginTier* tier_of(self, uint32_t instrument_id, int64_t notional_e8) noexcept nogil:
        """The tier that holds an absolute notional; beyond the last cap the last; NULL where none was told."""
        cdef const MarginTerms* terms = &self.margin_terms[instrument_id]
        cdef int i
        if terms.tier_count == 0:
            return NULL
        for i in range(terms.tier_count):
            if notional_e8 <= terms.tiers[i].cap_e8:
                return &terms.tiers[i]
        return &terms.tiers[terms.tier_count - 1]

    cdef void value_order(self, uint32_t instrument_id, int position_side, int side, int64_t* valued_e8, int64_t value_e8) noexcept nogil:
        cdef MarginRow* row = &self.margin_rows[position_side * INSTRUMENT_CAPACITY + instrument_id]
        if side == 0:
            row.buy_e8 += value_e8 - valued_e8[0]
        else:
            row.sell_e8 += value_e8 - valued_e8[0]
        valued_e8[0] = value_e8

    cdef void touch_margin(self, uint32_t instrument_id) noexcept nogil:
        """Recompute this contract's shares at the present mark price; what is free for new orders follows."""
        cdef const Instrument* instrument = &self.instruments[instrument_id]
        cdef MarginAccount* account = &self.margins[instrument.settle_asset_id]
        cdef int64_t mark_e8
        cdef int side
        if instrument.kind == 0 or not account.is_margin:
            return
        mark_e8 = self.mark_of(instrument_id)
        for side in range(POSITION_SIDES):
            self._touch_side(instrument_id, side, mark_e8)
        account.equity_e8 = account.wallet_e8 + account.unrealised_e8
        account.available_e8 = (account.wallet_e8 - account.isolated_wallets_e8 + account.cross_unrealised_e8
                                - account.cross_margin_e8 - account.order_margin_e8)

    cdef void _touch_side(self, uint32_t instrument_id, int side, int64_t mark_e8) noexcept nogil:
        cdef const Instrument* instrument = &self.instruments[instrument_id]
        cdef const MarginTerms* terms = &self.margin_terms[instrument_id]
        cdef MarginRow* row = &self.margin_rows[side * INSTRUMENT_CAPACITY + instrument_id]
        cdef MarginAccount* account = &self.margins[instrument.settle_asset_id]
        cdef int64_t qty_e8 = self.exposures[side * INSTRUMENT_CAPACITY + instrument_id].position_lots * instrument.lot_size_e8
        cdef int64_t size_e8, signed_e8, largest_e8
        cdef const MarginTier* tier
        if qty_e8 == 0 and row.buy_e8 == 0 and row.sell_e8 == 0 and row.position_margin_e8 == 0 and row.order_margin_e8 == 0:
            if row.wallet_share_e8 == 0 and row.isolated_wallet_e8 == 0 and row.unrealised_e8 == 0:
                return
        self._move_share(account, row, -1)
        size_e8 = tw_size_e8(qty_e8 if qty_e8 >= 0 else -qty_e8, mark_e8, instrument.multiplier_e8, instrument.inverse)
        if qty_e8 != 0 and mark_e8 == 0:
            # nothing was ever told of its price: what it cost is the best that is known
            size_e8 = row.cost_e8 if row.cost_e8 >= 0 else -row.cost_e8
        signed_e8 = size_e8 if qty_e8 > 0 else -size_e8
        largest_e8 = max(size_e8, tw_magnitude(signed_e8 + row.buy_e8), tw_magnitude(signed_e8 - row.sell_e8))
        tier = self.tier_of(instrument_id, size_e8)
        row.unrealised_e8 = tw_profit_e8(qty_e8, mark_e8, instrument.multiplier_e8, instrument.inverse, row.cost_e8)
        row.position_margin_e8 = tw_margin_e8(size_e8, terms.leverage)
        row.order_margin_e8 = tw_margin_e8(largest_e8, terms.leverage) - row.position_margin_e8
        row.maintenance_e8 = tw_maintenance_e8(size_e8, tier.ratio_e8, tier.cum_e8) if tier != NULL else 0
        row.is_isolated = terms.is_isolated
        row.wallet_share_e8 = row.isolated_wallet_e8 if terms.is_isolated else 0
        self._move_share(account, row, 1)

    cdef void _move_share(self, MarginAccount* account, const MarginRow* row, int sign) noexcept nogil:
        account.unrealised_e8 += sign * row.unrealised_e8
        account.initial_margin_e8 += sign * (row.position_margin_e8 + row.order_margin_e8)
        account.order_margin_e8 += sign * row.order_margin_e8
        account.maintenance_e8 += sign * row.maintenance_e8
        account.isolated_wallets_e8 += sign * row.wallet_share_e8
        if not row.is_isolated:
            account.cross_unrealised_e8 += sign * row.unrealised_e8
            account.cross_margin_e8 += sign * row.position_margin_e8
            account.cross_maintenance_e8 += sign * row.maintenance_e8

    cdef void set_wallet(self, uint16_t asset_id, int64_t wallet_e8) noexcept nogil:
        """The venue's word for the wallet of a margin asset; other assets have none."""
        cdef MarginAccount* account = &self.margins[asset_id]
        account.wallet_e8 = wallet_e8
        account.equity_e8 = wallet_e8 + account.unrealised_e8
        account.available_e8 = (wallet_e8 - account.isolated_wallets_e8 + account.cross_unrealised_e8
                                - account.cross_margin_e8 - account.order_margin_e8)

    def set_margin_terms(self, uint32_t instrument_id, *, int leverage, bint is_isolated, list tiers) -> None:
        """`tiers`: (floor_e8, cap_e8, ratio_e8, cum_e8, leverage) from the smallest up. ValueError where they are none."""
        cdef MarginTier rows[MARGIN_TIERS_MAX]
        self._check(instrument_id)
        if not 1 <= leverage <= 125 or len(tiers) > MARGIN_TIERS_MAX:
            raise ValueError(f"leverage {leverage}, {len(tiers)} tiers")
        for i, tier in enumerate(tiers):
            rows[<int> i] = MarginTier(tier[0], tier[1], tier[2], tier[3], tier[4], 0)
        self.put_margin_terms(instrument_id, leverage, is_isolated, rows, len(tiers))

    cdef void put_margin_terms(self, uint32_t instrument_id, int leverage, bint is_isolated, const MarginTier* tiers, int count) noexcept nogil:
        """From now on; what is open and working is counted anew."""
        cdef MarginTerms* terms = &self.margin_terms[instrument_id]
        cdef int i
        memset(terms, 0, sizeof(MarginTerms))
        terms.leverage = leverage
        terms.is_isolated = is_isolated
        terms.tier_count = <uint8_t> count
        terms.notional_cap_e8 = 0 if count else INT64_MAX_VALUE
        for i in range(count):
            terms.tiers[i] = tiers[i]
            if tiers[i].leverage >= leverage:
                terms.notional_cap_e8 = max(terms.notional_cap_e8, tiers[i].cap_e8)
        self.margins[self.instruments[instrument_id].settle_asset_id].is_margin = 1
        self.touch_margin(instrument_id)

    def set_margin_wallet(self, int asset_id, int64_t wallet_e8) -> None:
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        self.set_wallet(asset_id, wallet_e8)

    def set_isolated_wallet(self, uint32_t instrument_id, int position_side, int64_t wallet_e8) -> None:
        self._check(instrument_id)
        self.margin_rows[position_side * INSTRUMENT_CAPACITY + instrument_id].isolated_wallet_e8 = wallet_e8
        self.touch_margin(instrument_id)

    def set_mark(self, uint32_t instrument_id, int64_t mark_e8, int64_t funding_rate_e8=0, int64_t next_funding_ns=0) -> None:
        """Mark price and coming funding (wiring and tests; the book stage writes the struct)."""
        self._check(instrument_id)
        self.markets[instrument_id].mark_e8 = mark_e8
        self.markets[instrument_id].funding_rate_e8 = funding_rate_e8
        self.markets[instrument_id].next_funding_ns = next_funding_ns
        self.touch_margin(instrument_id)

    def margin_terms_of(self, uint32_t instrument_id) -> dict:
        self._check(instrument_id)
        found = dict(self.margin_terms[instrument_id])
        found["tiers"] = found["tiers"][: found["tier_count"]]
        return found

    def margin_row(self, uint32_t instrument_id, int position_side=0) -> dict:
        self._check(instrument_id)
        return dict(self.margin_rows[position_side * INSTRUMENT_CAPACITY + instrument_id])

    def margin_account(self, int asset_id) -> dict:
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        return dict(self.margins[asset_id])

    cdef void _value_row(self, Exposure* row, uint32_t instrument_id, Worth* change, Worth* quoted_change) noexcept nogil:
        """Value a row at the present price and tell by how much it has changed."""
        cdef const Instrument* instrument = &self.instruments[instrument_id]
        cdef Worth* worth = &row.worth
        cdef Worth* quoted = &row.quoted
        cdef int64_t price_ticks = self.reference_ticks(instrument_id)
        cdef int64_t rate_e8 = self.rates_e8[instrument.quote_asset_id]
        cdef int64_t numerator = instrument.tick_lot_value_numerator, denominator = instrument.tick_lot_value_denominator
        change[0] = worth[0]
        quoted_change[0] = quoted[0]
        row.rate_e8 = rate_e8
        if instrument.inverse:
            row.reference_ticks = PRICE_OF_INVERSE
        elif price_ticks > 0:
            row.reference_ticks = price_ticks
        # a market that is empty for a moment does not make a position worth nothing
        price_ticks = row.reference_ticks
        tw_value_lots(price_ticks, row.position_lots, numerator, denominator, rate_e8, &quoted.net_e8, &worth.net_e8)
        quoted.net_if_bought_e8 = quoted.net_if_sold_e8 = quoted.net_e8
        worth.net_if_bought_e8 = worth.net_if_sold_e8 = worth.net_e8
        if row.working_buy_lots:
            tw_value_lots(price_ticks, _sum(row.position_lots, row.working_buy_lots), numerator, denominator, rate_e8,
                          &quoted.net_if_bought_e8, &worth.net_if_bought_e8)
        if row.working_sell_lots:
            tw_value_lots(price_ticks, _sum(row.position_lots, -row.working_sell_lots), numerator, denominator, rate_e8,
                          &quoted.net_if_sold_e8, &worth.net_if_sold_e8)
        worth.gross_e8 = max(tw_magnitude(worth.net_if_bought_e8), tw_magnitude(worth.net_if_sold_e8))
        quoted.gross_e8 = max(tw_magnitude(quoted.net_if_bought_e8), tw_magnitude(quoted.net_if_sold_e8))
        less(change, worth)
        less(quoted_change, quoted)

    cdef void touch_exposure(self, uint32_t instrument_id, uint8_t position_side) noexcept nogil:
        cdef Exposure* row = self.exposure_row(instrument_id, position_side)
        cdef uint16_t line = self.instruments[instrument_id].venue_id & 15
        cdef Worth change, quoted_change
        cdef int64_t positions = (1 if is_open(row) else 0) - row.is_counted
        self._value_row(row, instrument_id, &change, &quoted_change)
        row.is_counted += positions
        shift(&self.scopes[ENGINE_ROW], &change, positions)
        shift(&self.scopes[ACCOUNT_ROWS + line], &change, positions)
        shift(&self.scopes[VENUE_ROWS + line], &change, positions)
        shift(&self.scopes[INSTRUMENT_ROWS + instrument_id], &quoted_change, positions)

    cdef void touch_strategy(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id) noexcept nogil:
        cdef Exposure* row = self.strategy_row(instrument_id, position_side, strategy_id)
        cdef Worth change, quoted_change
        cdef int64_t positions = (1 if is_open(row) else 0) - row.is_counted
        self._value_row(row, instrument_id, &change, &quoted_change)
        row.is_counted += positions
        shift(&self.scopes[STRATEGY_ROWS + (strategy_id & 63)], &change, positions)

    cdef void revalue_all(self) noexcept nogil:
        cdef uint32_t instrument_id
        cdef uint16_t strategy_id
        cdef uint8_t side
        for side in range(POSITION_SIDES):
            for instrument_id in range(1, self.instrument_count + 1):
                if self.exposure_row(instrument_id, side).is_counted:
                    self.touch_exposure(instrument_id, side)
            # strategies may hold against one another what sums up to nothing
            for strategy_id in range(STRATEGY_CAPACITY):
                if self.scopes[STRATEGY_ROWS + strategy_id].positions == 0:
                    continue
                for instrument_id in range(1, self.instrument_count + 1):
                    if self.strategy_row(instrument_id, side, strategy_id).is_counted:
                        self.touch_strategy(instrument_id, side, strategy_id)

    def revalue(self) -> None:
        """Every exposure that is not flat at its present price and rate; the scopes' sums follow."""
        self.revalue_all()

    cdef void move_working(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, uint8_t order_side, int64_t lots) noexcept nogil:
        self.move_order(instrument_id, position_side, strategy_id, order_side, lots, 0)

    cdef void move_order(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, uint8_t order_side, int64_t lots, int count) noexcept nogil:
        """Where neither price nor rate has moved, only what works on the side is valued anew."""
        cdef Exposure* row = self.exposure_row(instrument_id, position_side)
        cdef Exposure* own = self.strategy_row(instrument_id, position_side, strategy_id)
        cdef int64_t price_ticks = self.reference_ticks(instrument_id)
        cdef int64_t rate_e8 = self.rates_e8[self.instruments[instrument_id].quote_asset_id]
        if (row.reference_ticks == price_ticks and own.reference_ticks == price_ticks and row.rate_e8 == rate_e8 and own.rate_e8 == rate_e8):
            self._move_side(row, own, instrument_id, strategy_id, order_side == SIDE_OF_BUYS, lots, count)
            return
        if order_side == SIDE_OF_BUYS:
            row.working_buy_lots += lots
            own.working_buy_lots += lots
        else:
            row.working_sell_lots += lots
            own.working_sell_lots += lots
        self.touch_exposure(instrument_id, position_side)
        self.touch_strategy(instrument_id, position_side, strategy_id)
        if count:
            self.move_open_orders(instrument_id, position_side, strategy_id, count)

    cdef void _move_side(self, Exposure* row, Exposure* own, uint32_t instrument_id, uint16_t strategy_id, bint is_buy, int64_t lots, int count) noexcept nogil:
        """Value one side of both rows by the price and the rate that they have; the scopes' sums follow."""
        cdef const Instrument* instrument = &self.instruments[instrument_id]
        cdef int64_t numerator = instrument.tick_lot_value_numerator, denominator = instrument.tick_lot_value_denominator
        cdef int64_t side_lots = _sum(row.position_lots, row.working_buy_lots + lots if is_buy else -(row.working_sell_lots + lots))
        cdef int64_t own_lots = _sum(own.position_lots, own.working_buy_lots + lots if is_buy else -(own.working_sell_lots + lots))
        cdef SideWorth after
        tw_value_lots(row.reference_ticks, side_lots, numerator, denominator, row.rate_e8, &after.quoted_e8, &after.valued_e8)
        after.own_quoted_e8, after.own_valued_e8, after.is_alone = after.quoted_e8, after.valued_e8, 0
        if own_lots != side_lots:  # else the strategy is alone on this side
            tw_value_lots(row.reference_ticks, own_lots, numerator, denominator, row.rate_e8, &after.own_quoted_e8, &after.own_valued_e8)
        self.put_order(row, own, instrument_id, strategy_id, is_buy, lots, &after, count)

    cdef void put_order(self, Exposure* row, Exposure* own, uint32_t instrument_id, uint16_t strategy_id, bint is_buy, int64_t lots,
                        const SideWorth* after, int count) noexcept nogil:
        """One side of both rows, and the scopes' sums."""
        cdef ScopeState* scopes = self.scopes
        cdef uint16_t line = self.instruments[instrument_id].venue_id & 15
        cdef int64_t positions, gross_e8, side_e8, quoted_gross_e8, quoted_side_e8
        if is_buy:
            row.working_buy_lots += lots
            own.working_buy_lots += lots
        else:
            row.working_sell_lots += lots
            own.working_sell_lots += lots
        positions = (1 if is_open(row) else 0) - row.is_counted
        less_side(&row.worth, is_buy, after.valued_e8, &gross_e8, &side_e8)
        less_side(&row.quoted, is_buy, after.quoted_e8, &quoted_gross_e8, &quoted_side_e8)
        row.is_counted += positions
        row.open_orders += count
        own.open_orders += count
        shift_side(&scopes[ENGINE_ROW], is_buy, gross_e8, side_e8, positions, count)
        shift_side(&scopes[ACCOUNT_ROWS + line], is_buy, gross_e8, side_e8, positions, count)
        shift_side(&scopes[VENUE_ROWS + line], is_buy, gross_e8, side_e8, positions, count)
        shift_side(&scopes[INSTRUMENT_ROWS + instrument_id], is_buy, quoted_gross_e8, quoted_side_e8, positions, count)
        if after.is_alone:
            # alike until now, so it moves alike; a copy of what was just written would wait for it
            move_side(&own.worth, is_buy, gross_e8, side_e8)
            move_side(&own.quoted, is_buy, quoted_gross_e8, quoted_side_e8)
            own.is_counted = row.is_counted
        else:
            positions = (1 if is_open(own) else 0) - own.is_counted
            less_side(&own.worth, is_buy, after.own_valued_e8, &gross_e8, &side_e8)
            less_side(&own.quoted, is_buy, after.own_quoted_e8, &quoted_gross_e8, &quoted_side_e8)
            own.is_counted += positions
        shift_side(&scopes[STRATEGY_ROWS + (strategy_id & 63)], is_buy, gross_e8, side_e8, positions, count)

    cdef void move_position(self, uint32_t instrument_id, uint8_t position_side, int64_t lots) noexcept nogil:
        self.exposure_row(instrument_id, position_side).position_lots += lots
        self.touch_exposure(instrument_id, position_side)

    cdef void move_strategy_position(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, int64_t lots) noexcept nogil:
        self.strategy_row(instrument_id, position_side, strategy_id).position_lots += lots
        self.touch_strategy(instrument_id, position_side, strategy_id)

    cdef void move_open_orders(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, int count) noexcept nogil:
        cdef uint16_t line = self.instruments[instrument_id].venue_id & 15
        self.exposure_row(instrument_id, position_side).open_orders += count
        self.strategy_row(instrument_id, position_side, strategy_id).open_orders += count
        self.scopes[ENGINE_ROW].open_orders += count
        self.scopes[ACCOUNT_ROWS + line].open_orders += count
        self.scopes[VENUE_ROWS + line].open_orders += count
        self.scopes[STRATEGY_ROWS + (strategy_id & 63)].open_orders += count
        self.scopes[INSTRUMENT_ROWS + instrument_id].open_orders += count

    cdef void note_execution(self, uint32_t instrument_id, uint16_t strategy_id, int64_t now_mono_ns) noexcept nogil:
        cdef uint16_t line = self.instruments[instrument_id].venue_id & 15
        self._note_row(ENGINE_ROW, now_mono_ns)
        self._note_row(ACCOUNT_ROWS + line, now_mono_ns)
        self._note_row(VENUE_ROWS + line, now_mono_ns)
        self._note_row(STRATEGY_ROWS + (strategy_id & 63), now_mono_ns)
        self._note_row(INSTRUMENT_ROWS + <int> instrument_id, now_mono_ns)

    cdef void _note_row(self, int row, int64_t now_mono_ns) noexcept nogil:
        """Trips where this execution is the last of as many as are allowed, all within the window."""
        cdef const LimitRow* limits = &self.limit_rows[row]
        cdef ExecutionTimes* times = &self.executions[row]
        cdef uint32_t most
        if limits.max_executions == INT64_MAX_VALUE:
            return
        most = <uint32_t> min(max(limits.max_executions, <int64_t> 1), <int64_t> EXECUTIONS_KEPT_MAX)
        if times.capacity < most and not self._keep_times(times, most):
            self.scopes[row].tripped = 1  # what cannot be counted is not allowed
            return
        times.count += 1
        times.mono_ns[(times.count - 1) % times.capacity] = now_mono_ns
        if times.count >= most and now_mono_ns - times.mono_ns[(times.count - most) % times.capacity] < limits.executions_window_ns:
            self.scopes[row].tripped = 1

    cdef bint _keep_times(self, ExecutionTimes* times, uint32_t count) noexcept nogil:
        """Room for so many; the count begins anew where there was less."""
        cdef int64_t* mono_ns = <int64_t*> realloc(times.mono_ns, count * sizeof(int64_t))
        if mono_ns == NULL:
            return False
        times.mono_ns = mono_ns
        times.capacity = count
        times.count = 0
        return True

    cdef void rearm(self, int row) noexcept nogil:
        if 0 <= row < LIMIT_ROW_COUNT:
            self.scopes[row].tripped = 0
            self.executions[row].count = 0

    cdef void rearm_all(self) noexcept nogil:
        cdef int row
        for row in range(LIMIT_ROW_COUNT):
            self.rearm(row)

    def arm_scope(self, int row) -> None:
        """Let a scope whose execution throttle has tripped trade again; its count begins anew."""
        self.rearm(row)

    def move(self, uint32_t instrument_id, *, uint8_t position_side=0, uint16_t strategy_id=1, int64_t position_lots=0,
             int64_t buy_lots=0, int64_t sell_lots=0, int open_orders=0) -> None:
        """Change one exposure as fills and orders would (tests, restore)."""
        self._check(instrument_id)
        if position_side >= POSITION_SIDES or strategy_id >= STRATEGY_CAPACITY:
            raise IndexError((position_side, strategy_id))
        self.move_working(instrument_id, position_side, strategy_id, 0, buy_lots)
        self.move_working(instrument_id, position_side, strategy_id, 1, sell_lots)
        self.move_position(instrument_id, position_side, position_lots)
        self.move_strategy_position(instrument_id, position_side, strategy_id, position_lots)
        self.move_open_orders(instrument_id, position_side, strategy_id, open_orders)

    def set_hedge(self, int account_id, bint hedge) -> None:
        """Positions of an account are kept by side (LONG and SHORT) or netted."""
        if not 0 <= account_id < 16:
            raise IndexError(account_id)
        self.hedges[account_id] = hedge

    def is_hedged(self, int account_id) -> bool:
        """Are an account's positions kept by side."""
        if not 0 <= account_id < 16:
            raise IndexError(account_id)
        return self.hedges[account_id] != 0

    def notional(self, uint32_t instrument_id, int64_t price_ticks, int64_t qty_lots) -> int:
        """Quote value of `qty_lots` at `price_ticks`, in 10^-8 of the quote asset."""
        self._check(instrument_id)
        return self.notional_e8(instrument_id, price_ticks, qty_lots)

    def asset_id(self, str name, int venue_id=1) -> int:
        """The id of an asset in a line's account, given out on first sight; ids count from 1. Two lines' USDT are two assets.

        At once known to the stages: for the wiring, before a run begins. A session takes `give_asset`."""
        cdef int number = self.give_asset(name, venue_id)
        self.show_asset(number, name, venue_id)
        return number

    def give_asset(self, str name, int venue_id) -> int:
        """The same for what reads a venue's frames: the stages know a new number when its ASSET record is applied (`show_asset`)."""
        cdef int number
        if not 0 < venue_id < LINE_CAPACITY:
            raise IndexError(f"no line {venue_id}")
        try:
            return self._given.index((name, venue_id))
        except ValueError:
            pass
        if len(self._given) >= ASSET_CAPACITY:
            raise ValueError(f"more than {ASSET_CAPACITY - 1} assets")
        self._given.append((name, venue_id))
        self.assets_given = len(self._given)
        return len(self._given) - 1

    def given_asset(self, int asset_id) -> tuple:
        """(name, line) of a number that was given, whether the stages know it yet or not."""
        return self._given[asset_id]

    def find_asset(self, str name, int venue_id) -> int:
        """The id of an asset that the stages know; 0 = none."""
        cdef int number
        for number in range(1, self.asset_count):
            if self.asset_lines[number] == venue_id and self._assets[number] == name:
                return number
        return 0

    def show_asset(self, int asset_id, str name, int venue_id) -> None:
        """From now on the stages know the number. Its ASSET record is applied, here or where the journal is played again."""
        if not (0 < asset_id < ASSET_CAPACITY and 0 < venue_id < LINE_CAPACITY):
            raise IndexError(f"asset {asset_id} of line {venue_id}")
        while len(self._given) <= asset_id:
            self._given.append(("", 0))
        while len(self._assets) <= asset_id:
            self._assets.append("")
        self._given[asset_id] = (name, venue_id)
        self._assets[asset_id] = name
        self.asset_lines[asset_id] = venue_id
        self.assets_given = len(self._given)
        self.asset_count = len(self._assets)

    def asset_line(self, int asset_id) -> int:
        """The line (venue id) in whose account an asset lies."""
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        return self.asset_lines[asset_id]

    def asset_name(self, int asset_id) -> str:
        return self._assets[asset_id]

    def assets(self) -> tuple:
        """Every asset's name, in the order of ids from 1."""
        return tuple(self._assets[1:])

    def append_instrument(self, object spec) -> int:
        """A new row for the spec even where its symbol is known (its tick or lot changed); the symbol means the new row.

        Returns the row's id, 0 when the table is full.
        """
        cdef uint32_t row_id = self.instrument_count + 1
        if row_id >= INSTRUMENT_CAPACITY:
            return 0
        # the symbol means the row only once the row is whole: a refused spec leaves what the symbol meant
        self._fill_row(row_id, spec)
        if spec.is_trading or (spec.venue_id, spec.symbol) not in self._ids_by_symbol:
            self._ids_by_symbol[(spec.venue_id, spec.symbol)] = row_id
        return row_id

    def add_instrument(self, object spec) -> int:
        """Add or update a row from an `engine.model.instruments.InstrumentSpec`; returns its id."""
        cdef uint32_t row_id
        key = (spec.venue_id, spec.symbol)
        row_id = self._ids_by_symbol.get(key, self.instrument_count + 1)
        if row_id >= INSTRUMENT_CAPACITY:
            raise ValueError(f"more than {INSTRUMENT_CAPACITY - 1} instruments")
        self._fill_row(row_id, spec)
        self._ids_by_symbol[key] = row_id
        return row_id

    def _fill_row(self, uint32_t row_id, object spec) -> int:
        cdef bytes symbol = spec.symbol.encode()
        if len(symbol) > 31:
            raise ValueError(f"symbol {spec.symbol!r} is longer than 31 bytes")
        if spec.tick_size_e8 <= 0 or spec.lot_size_e8 <= 0:
            raise ValueError(f"{spec.symbol}: tick size and lot size must be positive")
        cdef Instrument row
        memset(&row, 0, sizeof(Instrument))
        self._read_spec(&row, spec)
        memcpy(row.symbol, <const char*> symbol, len(symbol))
        # assets last: they are the one thing that a refusal would leave behind
        self._require_asset_room({spec.base_asset, spec.quote_asset, spec.settle_asset or spec.quote_asset}, spec.venue_id)
        row.base_asset_id = self.asset_id(spec.base_asset, spec.venue_id)
        row.quote_asset_id = self.asset_id(spec.quote_asset, spec.venue_id)
        row.settle_asset_id = self.asset_id(spec.settle_asset or spec.quote_asset, spec.venue_id)
        row.instrument_id = row_id
        row.version = self.instruments[row_id].version + 1
        self.instruments[row_id] = row
        self._forget_values(row_id)
        self.instrument_count = max(self.instrument_count, row_id)
        return row_id

    def _require_asset_room(self, set names, int venue_id) -> None:
        """Raises ValueError where the table has no room for the new ones among `names`."""
        known = {name for name, line in self._given if line == venue_id}
        if len(self._given) + len(names - known) > ASSET_CAPACITY:
            raise ValueError(f"more than {ASSET_CAPACITY - 1} assets")

    cdef void _forget_values(self, uint32_t instrument_id) noexcept:
        """What was valued by the instrument's former terms is valued anew at its next movement."""
        cdef int place
        self.limits_generation += 1
        for place in range(POSITION_SIDES):
            self.exposures[place * INSTRUMENT_CAPACITY + instrument_id].rate_e8 = -1
        for place in range(POSITION_SIDES * STRATEGY_CAPACITY):
            self.strategy_exposures[place * INSTRUMENT_CAPACITY + instrument_id].rate_e8 = -1

    cdef int _read_spec(self, Instrument* row, object spec) except -1:
        """Every number of the spec into a row that nobody sees yet; OverflowError where one does not fit its field."""
        numerator, denominator = spec.tick_lot_value
        row.venue_id = spec.venue_id
        row.kind = spec.kind
        row.inverse = spec.inverse
        row.is_trading = spec.is_trading
        row.tick_size_e8 = spec.tick_size_e8
        row.lot_size_e8 = spec.lot_size_e8
        row.tick_lot_value_numerator = numerator
        row.tick_lot_value_denominator = denominator
        row.min_qty_lots = spec.min_qty_lots
        row.max_qty_lots = spec.max_qty_lots
        row.min_price_ticks = spec.min_price_ticks
        row.max_price_ticks = spec.max_price_ticks
        row.min_notional_e8 = spec.min_notional_e8
        row.max_notional_e8 = spec.max_notional_e8
        row.multiplier_e8 = spec.multiplier_e8
        row.expiry_ns = spec.expiry_ns
        row.strike_ticks = spec.strike_ticks
        row.underlying_id = spec.underlying_id
        row.native_order_types = spec.native_order_types
        row.price_step_ticks = spec.price_step_ticks
        row.qty_step_lots = spec.qty_step_lots
        row.market_min_qty_lots = spec.market_min_qty_lots
        row.market_max_qty_lots = spec.market_max_qty_lots
        row.market_qty_step_lots = spec.market_qty_step_lots
        row.max_orders = spec.max_orders
        row.max_conditional_orders = spec.max_conditional_orders
        row.max_account_conditional_orders = spec.max_account_conditional_orders
        row.max_iceberg_orders = spec.max_iceberg_orders
        row.max_order_lists = spec.max_order_lists
        return 0

    def instrument_id(self, int venue_id, str symbol) -> int:
        """The id of a symbol at a venue; 0 where it is not known."""
        return self._ids_by_symbol.get((venue_id, symbol), 0)

    def symbol(self, uint32_t instrument_id) -> str:
        self._check(instrument_id)
        return (<bytes> self.instruments[instrument_id].symbol).decode()

    def instrument(self, uint32_t instrument_id) -> dict:
        """One row of reference data as a dict of its C fields."""
        self._check(instrument_id)
        return dict(self.instruments[instrument_id])

    def market(self, uint32_t instrument_id) -> dict:
        self._check(instrument_id)
        return dict(self.markets[instrument_id])

    def exposure(self, uint32_t instrument_id, int position_side=0) -> dict:
        """One row: `worth` in the reporting currency and `quoted` in the quote asset are dicts."""
        self._check(instrument_id)
        if not 0 <= position_side < POSITION_SIDES:
            raise IndexError(position_side)
        return dict(self.exposure_row(instrument_id, position_side)[0])

    def largest_position(self, int scope, int scope_id) -> int:
        """The worth of a scope's largest position with all that works on its larger side, 10^-8 (LimitScope; an instrument's in its quote asset)."""
        cdef int row = self._row_of(scope, scope_id)
        cdef const Exposure* ours
        cdef int64_t most_e8 = 0
        cdef uint32_t i
        cdef uint8_t side
        for side in range(POSITION_SIDES):
            for i in range(1, self.instrument_count + 1):
                if (row >= INSTRUMENT_ROWS and row != INSTRUMENT_ROWS + <int> i) or (
                        ENGINE_ROW < row < STRATEGY_ROWS and self.instruments[i].venue_id != (row - ACCOUNT_ROWS) % VENUE_LIMIT_ROWS):
                    continue
                ours = self.exposure_row(i, side)
                if STRATEGY_ROWS <= row < INSTRUMENT_ROWS:
                    ours = self.strategy_row(i, side, <uint16_t> (row - STRATEGY_ROWS))
                most_e8 = max(most_e8, ours.quoted.gross_e8 if row >= INSTRUMENT_ROWS else ours.worth.gross_e8)
        return most_e8

    def strategy_exposure(self, int strategy_id, uint32_t instrument_id, int position_side=0) -> dict:
        """A strategy's own share of an exposure."""
        self._check(instrument_id)
        if not 0 <= position_side < POSITION_SIDES or not 0 <= strategy_id < STRATEGY_CAPACITY:
            raise IndexError((strategy_id, position_side))
        return dict(self.strategy_row(instrument_id, position_side, strategy_id)[0])

    def strategy(self, uint16_t strategy_id) -> dict:
        if strategy_id >= STRATEGY_CAPACITY:
            raise IndexError(strategy_id)
        return dict(self.strategies[strategy_id])

    def set_limits(self, uint32_t instrument_id, *, int64_t max_order_qty_lots, int64_t max_order_notional_e8,
                   int64_t max_position_lots, int64_t price_collar_bps, int max_open_orders) -> None:
        self._check(instrument_id)
        cdef InstrumentLimits* row = &self.limits[instrument_id]
        row.max_order_qty_lots = max_order_qty_lots
        row.max_order_notional_e8 = max_order_notional_e8
        row.max_position_lots = max_position_lots
        row.price_collar_bps = price_collar_bps
        row.max_open_orders = max_open_orders
        row.is_set = 1
        self.limits_generation += 1

    def set_engine_limits(self, *, int max_open_orders, int message_burst, int64_t message_rate_per_s,
                          int64_t stale_after_ns, int64_t clock_drift_ns_max) -> None:
        self.engine_limits.max_open_orders = max_open_orders
        self.engine_limits.message_burst = message_burst
        self.engine_limits.message_rate_per_s = message_rate_per_s
        self.engine_limits.stale_after_ns = stale_after_ns
        self.engine_limits.clock_drift_ns_max = clock_drift_ns_max

    def set_epoch(self, uint32_t epoch) -> None:
        """Order handles of this run start above `epoch << 32`."""
        self.control.next_handle = <uint64_t> epoch << 32

    # --- lines

    cdef void sum_lines(self) noexcept nogil:
        """What all lines are together: as free as the freest, ready only where every one is."""
        cdef int i
        cdef LineState whole
        cdef const LineState* line
        memset(&whole, 0, sizeof(LineState))
        whole.reconciled = whole.gateway_ready = whole.user_stream_ready = whole.is_killed = 1
        for i in range(1, LINE_CAPACITY):
            line = &self.lines[i]
            if not line.is_used:
                continue
            whole.is_used = 1
            whole.trading_state = max(whole.trading_state, line.trading_state)
            whole.halt_reason = whole.halt_reason if whole.halt_reason else line.halt_reason
            whole.reconciled &= line.reconciled
            whole.gateway_ready &= line.gateway_ready
            whole.user_stream_ready &= line.user_stream_ready
            whole.is_killed &= line.is_killed
            whole.open_orders += line.open_orders
            whole.reconciles += line.reconciles
            if (line.clock_drift_ns if line.clock_drift_ns >= 0 else -line.clock_drift_ns) > (
                    whole.clock_drift_ns if whole.clock_drift_ns >= 0 else -whole.clock_drift_ns):
                whole.clock_drift_ns = line.clock_drift_ns
        whole.halt_reason = 0 if whole.trading_state else whole.halt_reason  # where one trades each line tells of its own
        if whole.is_used:
            self.lines[0] = whole

    def use_line(self, int venue_id) -> None:
        """Say that a line is traded: it counts in what all are together. Its OMS does the same."""
        if not 0 < venue_id < LINE_CAPACITY:
            raise IndexError(f"no line {venue_id}")
        self.lines[venue_id].is_used = 1
        self.sum_lines()

    def used_lines(self) -> list:
        """The numbers (venue ids) of the lines that are traded."""
        return [i for i in range(1, LINE_CAPACITY) if self.lines[i].is_used]

    def line_state(self, int venue_id) -> dict:
        """One line's row; 0: all together."""
        if not 0 <= venue_id < LINE_CAPACITY:
            raise IndexError(f"no line {venue_id}")
        self.sum_lines()
        row = dict(self.lines[venue_id])
        flags = ("reconciled", "gateway_ready", "user_stream_ready", "is_killed", "is_used", "is_valued")
        return {name: bool(value) if name in flags else value for name, value in row.items() if not name.startswith("pad")}

    def set_control(self, int venue_id=0, **fields) -> None:
        """Set fields of the trading control, or of one line (0: every line), by name (wiring and tests; the hot path: the structs)."""
        for name, value in fields.items():
            if name == "kill": self.control.kill = value
            elif name == "stopping": self.control.stopping = value
            elif name == "journal_reserve": self.control.journal_reserve = value
            elif venue_id: self._set_line(venue_id, name, value)
            else:
                for number in range(LINE_CAPACITY):
                    self._set_line(number, name, value)
        self.sum_lines()

    def _set_line(self, int venue_id, str name, value) -> None:
        cdef LineState* line = &self.lines[venue_id]
        if name == "trading_state": line.trading_state = value
        elif name == "halt_reason": line.halt_reason = value
        elif name == "reconciled": line.reconciled = value
        elif name == "gateway_ready": line.gateway_ready = value
        elif name == "user_stream_ready": line.user_stream_ready = value
        elif name == "is_killed": line.is_killed = value
        elif name == "is_valued": line.is_valued = value
        elif name == "clock_drift_ns": line.clock_drift_ns = value
        elif name == "reconciles": line.reconciles = value
        else: raise KeyError(name)

    def control_state(self) -> dict:
        """The whole engine: its own switches, and what its lines are together."""
        cdef const LineState* line = &self.lines[0]
        self.sum_lines()
        return {
            "trading_state": line.trading_state, "halt_reason": line.halt_reason,
            "reconciled": bool(line.reconciled), "gateway_ready": bool(line.gateway_ready),
            "user_stream_ready": bool(line.user_stream_ready), "kill": bool(self.control.kill or line.is_killed),
            "stopping": bool(self.control.stopping), "journal_reserve": bool(self.control.journal_reserve),
            "clock_drift_ns": line.clock_drift_ns,
        }

    def set_balance(self, int asset_id, int64_t free_e8, int64_t locked_e8) -> None:
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        self.control.balance_free_e8[asset_id] = free_e8
        self.control.balance_locked_e8[asset_id] = locked_e8

    def balance(self, int asset_id) -> tuple:
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        return self.control.balance_free_e8[asset_id], self.control.balance_locked_e8[asset_id]

    # --- limits and measures by scope

    cdef int _row_of(self, int scope, int scope_id) except -1:
        cdef int last = (0, ACCOUNT_LIMIT_ROWS - 1, VENUE_LIMIT_ROWS - 1, STRATEGY_CAPACITY - 1, INSTRUMENT_CAPACITY - 1)[scope] if 0 <= scope <= 4 else -1
        if not 0 <= scope_id <= last:
            raise IndexError(f"scope {scope} has no {scope_id}")
        return self.limit_row_of(scope, <uint32_t> scope_id)

    def set_limit_row(self, int scope, int scope_id, **fields) -> None:
        """Set limits of one scope (LimitScope) by name, in the row's units; None lifts a limit. What is not named stays."""
        cdef LimitRow* row = &self.limit_rows[self._row_of(scope, scope_id)]
        values = dict(row[0])
        if unknown := set(fields) - set(values):
            raise KeyError(f"no limits {', '.join(sorted(unknown))}")
        values.update({name: INT64_MAX_VALUE if value is None else value for name, value in fields.items()})
        values["is_set"] = 1
        row[0] = values
        self.limits_generation += 1

    def limit_row(self, int scope, int scope_id) -> dict:
        """The limits of one scope as they apply now; INT64_MAX: not limited."""
        return dict(self.limit_rows[self._row_of(scope, scope_id)])

    def set_scope(self, int scope, int scope_id, **fields) -> None:
        """Set measures of one scope by name (tests; stages write the struct)."""
        cdef ScopeState* row = &self.scopes[self._row_of(scope, scope_id)]
        values = dict(row[0])
        if unknown := set(fields) - set(values):
            raise KeyError(f"no measures {', '.join(sorted(unknown))}")
        row[0] = values | {"pad": bytes(4)} | fields  # padding reads as an empty text

    def scope(self, int scope, int scope_id) -> dict:
        """What is measured of one scope."""
        return dict(self.scopes[self._row_of(scope, scope_id)])

    def set_rate(self, int asset_id, int64_t rate_e8) -> None:
        """The value of one unit of an asset in the reporting currency; 0 = not known."""
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        self.rates_e8[asset_id] = rate_e8

    def rate(self, int asset_id) -> int:
        if not 0 < asset_id < ASSET_CAPACITY:
            raise IndexError(asset_id)
        return self.rates_e8[asset_id]

    cdef int _check(self, uint32_t instrument_id) except -1:
        if not 0 < instrument_id <= self.instrument_count:
            raise IndexError(f"no instrument {instrument_id}")
        return 0
