"""Accounts: the cold half of margin. The sums that the gate compares stand in the tables and move with every fill and order; here,
at most once a second, everything is brought to the present mark prices, liquidation prices are solved, who is near one is told of,
and ACCOUNT records are written: at once when a wallet or a position changed, every ten seconds when only prices did.

Liquidation price: margin balance = maintenance margin, solved for the contract's mark price (Binance, "How to Calculate Liquidation
Price of USD-M Futures Contracts"): a crossed position has the cross wallet and the profit and maintenance margin of all other crossed
contracts, both sides of a hedged contract are solved together, an isolated position has its own wallet alone. Tiers are those that
hold at the solution: solved with the tiers of the present notionals, then of those at the solution, until they agree.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from engine.journal.journal cimport Journal
from engine.model.codes cimport ALARM_CODE_LIQUIDATION_NEAR, RECORD_KIND_ACCOUNT
from engine.model.records cimport AccountPayload, AccountPositionRow, MarginTierRow, MarginTiersPayload, RecordHeader
from engine.model.tables cimport (ASSET_CAPACITY, INSTRUMENT_CAPACITY, MARGIN_TIERS_MAX, POSITION_SIDES, Instrument, MarginAccount,
                                  MarginRow, MarginTier, Tables)
from engine.oms.positions cimport PositionBook
from engine.oms.scribe cimport Scribe
from engine.oms.valuation cimport Valuation

cdef extern from "engine/model/margin.h":
    ctypedef long long tw_wide
    int64_t tw_size_e8(int64_t, int64_t, int64_t, bint) noexcept nogil
    tw_wide tw_slope_e16(int64_t, int64_t, int64_t, bint) noexcept nogil
    int64_t tw_solve_e8(int64_t, int64_t, int64_t, int64_t, tw_wide, bint) noexcept nogil
    int64_t tw_share_down_e8(int64_t, int64_t) noexcept nogil
    int64_t tw_ratio_e8(int64_t, int64_t) noexcept nogil

cdef enum:
    TIER_STEPS_MAX = 24

cdef int64_t LOOK_NS = 1_000_000_000
cdef int64_t TELL_NS = 10_000_000_000
cdef int64_t E8 = 100_000_000


cdef class AccountBook:
    """One account. `near_bps`: an alarm when a position's liquidation price is nearer to the mark price than this."""

    def __init__(self, Journal journal not None, Tables tables not None, PositionBook positions not None, Scribe scribe not None,
                 Valuation valuation not None, *, int account_id=1, int venue_id=1, int64_t near_bps=1000):
        if near_bps < 0:
            raise ValueError(f"near_bps {near_bps} is negative")
        self.journal = journal
        self.tables = tables
        self.positions = positions
        self.scribe = scribe
        self.valuation = valuation
        self.account_id = account_id
        self.venue_id = venue_id
        self.near_bps = near_bps

    cdef void take_terms(self, const RecordHeader* record) noexcept nogil:
        self.put_terms(record.instrument_id, <const MarginTiersPayload*> (record + 1), record.length - sizeof(RecordHeader))

    cdef void put_terms(self, uint32_t instrument_id, const MarginTiersPayload* told, uint32_t size) noexcept nogil:
        cdef const MarginTierRow* rows = <const MarginTierRow*> (told + 1)
        cdef MarginTier tiers[MARGIN_TIERS_MAX]
        cdef uint32_t i, count = (size - <uint32_t> sizeof(MarginTiersPayload)) // <uint32_t> sizeof(MarginTierRow)
        if not 0 < instrument_id <= self.tables.instrument_count or not 1 <= told.leverage <= 125:
            return
        count = min(min(count, told.count), <uint32_t> MARGIN_TIERS_MAX)
        for i in range(count):
            tiers[i] = MarginTier(rows[i].floor_e8, rows[i].cap_e8, rows[i].ratio_e8, rows[i].cum_e8, rows[i].leverage, 0)
        self.tables.put_margin_terms(instrument_id, told.leverage, told.is_isolated != 0, tiers, <int> count)
        self.is_ours[self.tables.instruments[instrument_id].settle_asset_id] = 1

    cdef void take_balance(self, uint16_t asset_id) noexcept nogil:
        self.is_ours[asset_id] = 1
        self.was_read = True
        self.tables.set_wallet(asset_id, self.tables.control.balance_free_e8[asset_id])

    cdef void look(self, int64_t now_mono_ns, uint64_t cause_seq) noexcept nogil:
        cdef uint32_t i
        cdef int side
        cdef uint16_t asset_id
        if now_mono_ns < self.next_look_mono_ns:
            return
        self.next_look_mono_ns = now_mono_ns + LOOK_NS
        self.valuation.revalue()
        for i in range(1, self.tables.instrument_count + 1):
            if self.tables.instruments[i].venue_id != self.venue_id:
                continue
            if self.tables.instruments[i].is_trading:
                self.is_ours[self.tables.instruments[i].settle_asset_id] = 1
            if self.tables.instruments[i].kind != 0:
                self.tables.touch_margin(i)
        if not self.was_read:
            return
        for i in range(1, self.tables.instrument_count + 1):
            if self.tables.instruments[i].kind != 0 and self.tables.instruments[i].venue_id == self.venue_id:
                for side in range(POSITION_SIDES):
                    self._warn(i, side, cause_seq)
        for asset_id in range(1, <uint16_t> max(self.tables.asset_count, <uint16_t> 1)):
            if self.is_ours[asset_id]:
                self._tell(asset_id, now_mono_ns, cause_seq)

    # --- where it ends ---

    cdef int64_t liquidation_e8(self, uint32_t instrument_id, int side) noexcept nogil:
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef const MarginAccount* account = &self.tables.margins[instrument.settle_asset_id]
        cdef const MarginRow* row = &self.tables.margin_rows[side * INSTRUMENT_CAPACITY + instrument_id]
        cdef const MarginRow* each
        cdef int64_t balance_e8, other_e8
        cdef int i
        if self.tables.exposures[side * INSTRUMENT_CAPACITY + instrument_id].position_lots == 0 or not account.is_margin:
            return 0
        if row.is_isolated:
            return self._solve(instrument_id, side, side, False, row.isolated_wallet_e8, 0)
        balance_e8 = account.wallet_e8 - account.isolated_wallets_e8 + account.cross_unrealised_e8
        other_e8 = account.cross_maintenance_e8
        for i in range(POSITION_SIDES):
            each = &self.tables.margin_rows[i * INSTRUMENT_CAPACITY + instrument_id]
            if not each.is_isolated:
                balance_e8 -= each.unrealised_e8
                other_e8 -= each.maintenance_e8
        return self._solve(instrument_id, 0, POSITION_SIDES - 1, True, balance_e8, other_e8)

    cdef int64_t _solve(self, uint32_t instrument_id, int first, int last, bint crossed_only, int64_t balance_e8, int64_t other_e8) noexcept nogil:
        """With the tiers of the present notionals, then of those at the solution, till they agree."""
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef const MarginRow* row
        cdef const MarginTier* tier
        cdef const MarginTier* tiers[POSITION_SIDES]
        cdef int64_t price_e8 = self.tables.mark_of(instrument_id), cum_e8, cost_e8, qty_e8
        cdef tw_wide slope
        cdef int side, step
        cdef bint moved
        tiers[0] = tiers[1] = tiers[2] = NULL
        for step in range(TIER_STEPS_MAX):
            cum_e8 = cost_e8 = 0
            slope = 0
            moved = step == 0
            for side in range(first, last + 1):
                row = &self.tables.margin_rows[side * INSTRUMENT_CAPACITY + instrument_id]
                qty_e8 = self.tables.exposures[side * INSTRUMENT_CAPACITY + instrument_id].position_lots * instrument.lot_size_e8
                if qty_e8 == 0 or (crossed_only and row.is_isolated):
                    continue
                tier = self.tables.tier_of(instrument_id, tw_size_e8(qty_e8 if qty_e8 > 0 else -qty_e8, price_e8, instrument.multiplier_e8,
                                                                     instrument.inverse))
                if tier == NULL:
                    return 0
                moved = moved or tiers[side] != tier
                tiers[side] = tier
                cum_e8 += tier.cum_e8
                cost_e8 += row.cost_e8
                slope = slope + tw_slope_e16(qty_e8, instrument.multiplier_e8, tier.ratio_e8, instrument.inverse)
            if not moved or price_e8 == 0 and step:
                return price_e8
            price_e8 = tw_solve_e8(balance_e8, other_e8, cum_e8, cost_e8, slope, instrument.inverse)
        return price_e8

    cdef void _warn(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil:
        """Once when it comes near, again after it has been a tenth farther away."""
        cdef int place = side * INSTRUMENT_CAPACITY + <int> instrument_id
        cdef int64_t mark_e8 = self.tables.mark_of(instrument_id), liquidation_e8, distance_bps
        if self.tables.exposures[place].position_lots == 0 or mark_e8 <= 0 or self.near_bps == 0:
            self.is_warned[place] = 0
            return
        liquidation_e8 = self.liquidation_e8(instrument_id, side)
        if liquidation_e8 == 0:
            self.is_warned[place] = 0
            return
        distance_bps = tw_ratio_e8(mark_e8 - liquidation_e8 if mark_e8 >= liquidation_e8 else liquidation_e8 - mark_e8, mark_e8) // 10000
        if distance_bps <= self.near_bps and not self.is_warned[place]:
            self.is_warned[place] = 1
            self.scribe.alarm(ALARM_CODE_LIQUIDATION_NEAR, instrument_id, 0, distance_bps,
                              b"a position's liquidation price is near its mark price (detail: basis points)", cause_seq)
        elif distance_bps > self.near_bps + self.near_bps // 10:
            self.is_warned[place] = 0

    # --- records ---

    cdef void _tell(self, uint16_t asset_id, int64_t now_mono_ns, uint64_t cause_seq) noexcept nogil:
        cdef AccountPayload now
        cdef AccountPayload* before = &self.told[asset_id]
        cdef uint64_t lots_mix = 0
        cdef int count
        cdef bint is_urgent
        memset(&now, 0, sizeof(AccountPayload))
        count = self._fill_rows(asset_id, &now, &lots_mix)
        self._fill_sums(asset_id, &now)
        is_urgent = now.wallet_e8 != before.wallet_e8 or now.locked_e8 != before.locked_e8 or lots_mix != self.told_lots[asset_id]
        if memcmp(&now, before, sizeof(AccountPayload)) == 0:
            return
        if not is_urgent and now_mono_ns - self.told_mono_ns[asset_id] < TELL_NS:
            return
        before[0] = now
        self.told_lots[asset_id] = lots_mix
        self.told_mono_ns[asset_id] = now_mono_ns
        self._write(&now, count, cause_seq)

    cdef int _fill_rows(self, uint16_t asset_id, AccountPayload* out, uint64_t* lots_mix) noexcept nogil:
        """Positions settled in the asset, and the sum of what they are in profit; beyond the room the sum goes on without rows."""
        cdef AccountPositionRow row
        cdef uint32_t i
        cdef int side, count = 0
        for i in range(1, self.tables.instrument_count + 1):
            if self.tables.instruments[i].settle_asset_id != asset_id or self.tables.instruments[i].venue_id != self.venue_id:
                continue
            out.funding_e8 += self.funding_e8[i] if self.funding_e8 != NULL else 0
            for side in range(POSITION_SIDES):
                lots_mix[0] = lots_mix[0] * 31 + <uint64_t> self.tables.exposures[side * INSTRUMENT_CAPACITY + <int> i].position_lots
                if self.tables.exposures[side * INSTRUMENT_CAPACITY + <int> i].position_lots == 0:
                    continue
                self._fill_row(i, side, &row)
                out.unrealised_e8 += row.unrealised_e8
                if count < POSITION_ROWS_SHOWN:
                    self.shown[count] = row
                    count += 1
        out.count = <uint32_t> count
        return count

    cdef void _fill_row(self, uint32_t instrument_id, int side, AccountPositionRow* out) noexcept nogil:
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef const MarginRow* row = &self.tables.margin_rows[side * INSTRUMENT_CAPACITY + instrument_id]
        cdef int64_t lots = self.tables.exposures[side * INSTRUMENT_CAPACITY + instrument_id].position_lots, size_e8
        memset(out, 0, sizeof(AccountPositionRow))
        out.instrument_id = instrument_id
        out.position_side = <uint8_t> side
        out.position_lots = lots
        out.mark_e8 = self.tables.mark_of(instrument_id)
        if instrument.kind == 0:
            out.unrealised_e8 = self.positions.unrealised_e8(self.account_id, instrument_id, side, out.mark_e8)
            return
        out.is_isolated = row.is_isolated
        out.leverage = self.tables.margin_terms[instrument_id].leverage
        out.unrealised_e8 = row.unrealised_e8
        out.initial_margin_e8 = row.position_margin_e8
        out.maintenance_e8 = row.maintenance_e8
        out.liquidation_e8 = self.liquidation_e8(instrument_id, side)
        # who is long pays a positive rate; payers round up, receivers down
        size_e8 = tw_size_e8((lots if lots > 0 else -lots) * instrument.lot_size_e8, out.mark_e8, instrument.multiplier_e8, instrument.inverse)
        out.funding_due_e8 = tw_share_down_e8(-size_e8 if lots > 0 else size_e8, self.tables.markets[instrument_id].funding_rate_e8)

    cdef void _fill_sums(self, uint16_t asset_id, AccountPayload* out) noexcept nogil:
        cdef const MarginAccount* account = &self.tables.margins[asset_id]
        out.asset_id = asset_id
        out.reporting_asset_id = self.valuation.reporting_id
        out.rate_e8 = self.tables.rates_e8[asset_id]
        out.wallet_e8 = self.tables.control.balance_free_e8[asset_id] + self.tables.control.balance_locked_e8[asset_id]
        out.locked_e8 = self.tables.control.balance_locked_e8[asset_id]
        out.equity_e8 = out.wallet_e8
        out.available_e8 = self.tables.control.balance_free_e8[asset_id]
        if not account.is_margin:
            return
        out.is_margin = 1
        out.equity_e8 = account.equity_e8
        out.unrealised_e8 = account.unrealised_e8
        out.initial_margin_e8 = account.initial_margin_e8
        out.order_margin_e8 = account.order_margin_e8
        out.maintenance_e8 = account.maintenance_e8
        out.available_e8 = max(account.available_e8, <int64_t> 0)
        out.margin_ratio_e8 = tw_ratio_e8(
            account.cross_maintenance_e8, account.wallet_e8 - account.isolated_wallets_e8 + account.cross_unrealised_e8)

    cdef void _write(self, const AccountPayload* sums, int count, uint64_t cause_seq) noexcept nogil:
        cdef uint32_t size = sizeof(AccountPayload) + <uint32_t> count * sizeof(AccountPositionRow)
        cdef RecordHeader* record = self.scribe._claim(RECORD_KIND_ACCOUNT, size)
        if record == NULL:
            return
        memcpy(record + 1, sums, sizeof(AccountPayload))
        memcpy(<uint8_t*> (record + 1) + sizeof(AccountPayload), self.shown, <uint32_t> count * sizeof(AccountPositionRow))
        record.cause_seq = cause_seq
        record.account_id = self.account_id
        record.venue_id = self.venue_id
        self.journal.commit(record)
        self.records += 1

    def liquidation_price(self, uint32_t instrument_id, int position_side=0) -> int:
        """The mark price in 10^-8 at which the position is liquidated; 0 = none, or tiers not known."""
        self.tables._check(instrument_id)
        if not 0 <= position_side < POSITION_SIDES:
            raise IndexError(position_side)
        return self.liquidation_e8(instrument_id, position_side)
