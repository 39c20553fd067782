"""The shared tables: what one stage knows and others read, without importing one another.

Who writes what: `Instrument` rows - reference data at start; `MarketState` - book (state, best, stamps); `Exposure` - the gate adds
on approval, OMS moves and releases; `LineState` - the line's OMS; `TradingControl` - the command stage. Everybody reads. Row 0 of
each table is "none", of `lines` what all of them are together; instrument ids count from 1. Memory never moves: rows may be pointed at for the tables' life.
"""
cimport cython
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    INSTRUMENT_CAPACITY = 512
    STRATEGY_CAPACITY = 64
    ASSET_CAPACITY = 512
    ACCOUNT_LIMIT_ROWS = 16
    VENUE_LIMIT_ROWS = 16
    POSITION_SIDES = 3
    MARGIN_TIERS_MAX = 16
    LINE_CAPACITY = 16            # lines are numbered from 1

cdef struct Instrument:
    uint32_t instrument_id
    uint16_t venue_id
    uint16_t base_asset_id
    uint16_t quote_asset_id
    uint16_t settle_asset_id
    uint8_t kind              # 0 spot, 1 perpetual, 2 future, 3 option
    uint8_t inverse
    uint8_t is_trading
    uint8_t pad0
    uint32_t version
    uint32_t pad1
    char symbol[32]           # the venue's own spelling, upper case, zero padded
    int64_t tick_size_e8      # price of one tick in 10^-8
    int64_t lot_size_e8       # quantity of one lot in 10^-8
    int64_t tick_lot_value_numerator     # quote value of 1 tick x 1 lot in 10^-8, as a ratio
    int64_t tick_lot_value_denominator
    int64_t min_qty_lots
    int64_t max_qty_lots
    int64_t min_price_ticks
    int64_t max_price_ticks
    int64_t min_notional_e8
    int64_t max_notional_e8
    int64_t multiplier_e8
    int64_t expiry_ns
    int64_t strike_ticks
    uint32_t underlying_id
    uint32_t native_order_types  # bit = OrderType
    # what the venue asks for beyond tick and lot: multiples of them, and rules of its own for market orders
    int64_t price_step_ticks
    int64_t qty_step_lots
    int64_t market_min_qty_lots
    int64_t market_max_qty_lots
    int64_t market_qty_step_lots
    # how many orders the venue lets be open at once; 0 = it says nothing
    int32_t max_orders                     # of the symbol; on spot the conditional ones are among them
    int32_t max_conditional_orders         # of the symbol
    int32_t max_account_conditional_orders # of all symbols of the account
    int32_t max_iceberg_orders
    int32_t max_order_lists
    int32_t max_pad

cdef struct MarketState:
    uint8_t book_state        # BookState
    uint8_t pad[7]
    uint64_t update_id
    uint64_t last_seq         # sequence of the record that changed it last
    int64_t last_mono_ns      # when the last market record of this instrument was applied
    int64_t last_venue_event_ns
    int64_t best_bid_ticks    # 0 = none
    int64_t best_bid_lots
    int64_t best_ask_ticks
    int64_t best_ask_lots
    int64_t last_trade_ticks
    int64_t last_trade_lots
    uint64_t generation       # counts changes; views compare it
    int64_t mark_e8           # futures; 0 = never told
    int64_t index_e8
    int64_t funding_rate_e8
    int64_t next_funding_ns
    uint8_t is_watched        # the execution stage holds something here: it gets every trade, ticker and mark price, in order
    uint8_t watched_pad[7]

cdef struct Worth:
    # lots valued at the reference price, 10^-8; signed but for gross
    int64_t gross_e8          # the larger of the two worst cases, without sign
    int64_t net_e8            # the position
    int64_t net_if_bought_e8  # the position if every working buy filled
    int64_t net_if_sold_e8    # the position if every working sell filled

cdef struct Exposure:
    # moved by Tables.move_*: nobody else writes it
    int64_t position_lots     # signed
    int64_t working_buy_lots  # approved, in flight, open and UNKNOWN
    int64_t working_sell_lots
    int32_t open_orders
    int32_t unknown_orders
    int64_t reference_ticks   # the price by which it was valued last
    int64_t is_counted        # 1: among the scopes' positions
    int64_t rate_e8           # of the quote asset, by which it was valued last; below 0 = value all of it anew
    Worth worth               # in the reporting currency, as it stands in the scopes' sums
    Worth quoted              # in the quote asset

cdef struct SideWorth:
    # what a row and the strategy's share of it are worth with everything that works on one side filled, 10^-8
    int64_t quoted_e8
    int64_t valued_e8
    int64_t own_quoted_e8
    int64_t own_valued_e8
    int64_t is_alone          # 1: both rows hold the same lots, valued by the same price and rate

cdef struct LimitRow:
    # one a scope (engine, account, venue, strategy, instrument); INT64_MAX where the scope is not limited in it. Money in 10^-8: of
    # the instrument's quote asset in instrument rows, of the reporting currency in all others.
    int64_t max_order_qty_lots            # instrument rows only
    int64_t max_order_notional_e8
    int64_t max_position_lots             # instrument rows only
    int64_t max_position_notional_e8
    int64_t max_gross_exposure_e8
    int64_t max_net_exposure_e8
    int64_t max_leverage_e4               # gross exposure / equity
    int64_t max_positions                 # positions that are not flat, working ones included
    int64_t max_open_orders
    int64_t message_rate_per_s
    int64_t message_burst
    int64_t price_collar_bps
    int64_t price_collar_period_bps       # against the reference of one period ago
    int64_t price_collar_period_ns
    int64_t max_slippage_bps              # market orders: average of the levels walked against the mid
    int64_t max_daily_loss_e8
    int64_t max_drawdown_e8
    int64_t max_drawdown_bps
    int64_t max_loss_streak
    int64_t loss_cooldown_ns
    int64_t max_executions                # within the window, then disabled until armed
    int64_t executions_window_ns
    int64_t max_price_move_bps            # within the window; refused until the pause is over
    int64_t price_move_window_ns
    int64_t price_move_pause_ns
    int64_t capital_budget_e8             # strategy rows: gross exposure of its own positions and orders
    uint32_t permissions                  # LimitPermission bits that are taken away
    uint32_t is_set                       # 0: nothing in this row is limited, the gate passes it over
    int64_t duplicate_window_ns           # 0 = equal orders may follow one another

cdef enum LimitPermission:
    PERMISSION_NO_BUY = 1
    PERMISSION_NO_SELL = 2
    PERMISSION_NO_SHORT = 4
    PERMISSION_RESTRICTED = 8             # nothing but what reduces
    PERMISSION_NO_SELF_TRADE = 16         # nothing that would meet an own resting order

cdef struct ScopeState:
    # what is measured, one a scope: exposure by the gate and OMS at once, profit and moves by the risk monitor
    int64_t gross_e8
    int64_t net_e8
    int64_t positions
    int64_t open_orders
    int64_t equity_e8
    int64_t day_pnl_e8
    int64_t drawdown_e8
    int64_t drawdown_bps
    int64_t loss_streak
    int64_t cooldown_until_mono_ns
    int64_t price_move_bps
    int64_t pause_until_mono_ns
    int64_t tokens_e9
    int64_t refilled_mono_ns
    uint8_t trading_state                 # TradingState that the monitor wants at most; ACTIVE = free
    uint8_t risk_mode                     # RiskMode
    uint8_t reason                        # Reason of trading_state
    uint8_t tripped                       # the execution throttle has tripped; until armed
    uint8_t pad[4]
    int64_t net_if_bought_e8              # sums like net_e8, with everything that works on one side filled
    int64_t net_if_sold_e8

cdef struct InstrumentLimits:
    # every field must be set by config: there are no defaults
    int64_t max_order_qty_lots
    int64_t max_order_notional_e8
    int64_t max_position_lots
    int64_t price_collar_bps
    int32_t max_open_orders
    int32_t is_set

cdef struct EngineLimits:
    int32_t max_open_orders
    int32_t message_burst
    int64_t message_rate_per_s
    int64_t stale_after_ns
    int64_t clock_drift_ns_max

cdef struct LineState:
    # one venue and account: what is true of it and of no other. Row 0: of all together (`sum_lines`)
    uint8_t trading_state     # TradingState; row 0: the freest of all lines
    uint8_t halt_reason       # HaltReason; row 0: of the first line that is halted
    uint8_t reconciled
    uint8_t gateway_ready
    uint8_t user_stream_ready
    uint8_t is_killed         # this line alone; sticky until arm
    uint8_t is_used
    uint8_t is_valued         # the risk monitor has valued its balances: its scopes' equity is known
    int32_t open_orders
    int32_t pad1
    int64_t clock_drift_ns    # row 0: the largest
    uint64_t reconciles       # done so far

cdef struct TradingControl:
    # what holds for the whole engine
    uint8_t kill              # sticky until arm
    uint8_t stopping
    uint8_t journal_reserve   # front nearly full: only cancels leave
    uint8_t pad[5]
    uint64_t next_handle      # epoch << 32 | counter
    int64_t balance_free_e8[512]   # by asset, and an asset is of one line
    int64_t balance_locked_e8[512]

cdef struct MarginTier:
    int64_t floor_e8
    int64_t cap_e8
    int64_t ratio_e8          # maintenance margin = notional * ratio - cum
    int64_t cum_e8
    int32_t leverage          # the highest in this tier
    int32_t pad

cdef struct MarginTerms:
    # what an account chose for one contract, and the venue's tiers of it; leverage 0 = never told
    int32_t leverage
    uint8_t is_isolated
    uint8_t tier_count
    uint8_t pad[2]
    int64_t notional_cap_e8   # the most that position and orders may be worth at this leverage
    MarginTier[16] tiers

cdef struct MarginRow:
    # parallel to exposures; money in 10^-8 of the settle asset. The shares are what of it stands in the asset's MarginAccount.
    int64_t cost_e8           # of what is open, signed as it enters profit: linear contracts like the position, inverse against it
    int64_t buy_e8            # notional of working orders that may open
    int64_t sell_e8
    int64_t isolated_wallet_e8
    int64_t unrealised_e8
    int64_t position_margin_e8
    int64_t order_margin_e8
    int64_t maintenance_e8
    int64_t wallet_share_e8   # of isolated_wallet_e8
    uint8_t is_isolated       # how the shares were counted
    uint8_t pad[7]

cdef struct MarginAccount:
    # one settle asset, which is of one account
    int64_t wallet_e8
    int64_t equity_e8         # wallet + unrealised
    int64_t unrealised_e8
    int64_t initial_margin_e8 # of positions and orders
    int64_t order_margin_e8
    int64_t maintenance_e8
    int64_t available_e8      # for new orders; below 0 = none
    int64_t isolated_wallets_e8
    int64_t cross_unrealised_e8
    int64_t cross_margin_e8   # initial margin of crossed positions
    int64_t cross_maintenance_e8
    uint8_t is_margin
    uint8_t pad[7]

cdef struct StrategyState:
    uint8_t enabled
    uint8_t paused
    uint8_t started
    uint8_t disabled_reason
    int32_t open_orders
    uint64_t orders
    uint64_t fills
    uint64_t refusals

cdef extern from "worth.h" nogil:
    int64_t TW_WORTH_MAX_E8
    # An amount in the reporting currency, rounded down.
    int64_t tw_converted(int64_t amount_e8, int64_t rate_e8) noexcept
    # Signed lots in the quote asset and the reporting currency, rounded toward 0; 0 of the latter where the rate is not known.
    void tw_value_lots(int64_t price, int64_t lots, int64_t numerator, int64_t denominator, int64_t rate_e8, int64_t* quoted_e8,
                       int64_t* valued_e8) noexcept
    int64_t tw_magnitude(int64_t value) noexcept

cdef enum:
    # first rows of the scopes in limit_rows and scopes
    ENGINE_ROW = 0
    ACCOUNT_ROWS = 1
    VENUE_ROWS = 17
    STRATEGY_ROWS = 33
    INSTRUMENT_ROWS = 97
    LIMIT_ROW_COUNT = 609

cdef struct ExecutionTimes:
    # the latest executions of a scope that limits them, as a ring; made at the first
    int64_t* mono_ns
    uint64_t count
    uint32_t capacity
    uint32_t pad

@cython.final
cdef class Tables:
    cdef Instrument* instruments
    cdef MarketState* markets
    cdef Exposure* exposures             # [position_side * INSTRUMENT_CAPACITY + instrument_id]; side 0 is the netted position
    cdef Exposure* strategy_exposures    # [(position_side * STRATEGY_CAPACITY + strategy_id) * INSTRUMENT_CAPACITY + instrument_id]
    cdef InstrumentLimits* limits
    cdef StrategyState* strategies
    cdef EngineLimits engine_limits
    cdef LimitRow* limit_rows            # by `limit_row`
    cdef ScopeState* scopes              # parallel to limit_rows
    cdef MarginTerms* margin_terms       # by instrument
    cdef MarginRow* margin_rows          # parallel to exposures
    cdef MarginAccount* margins          # by settle asset
    cdef uint64_t[8] changed_markets     # a bit for each instrument whose prices moved since the risk monitor looked; set by the book
    cdef int64_t[512] rates_e8           # by asset: value of one unit in the reporting currency, 10^-8; 0 = not known
    cdef ExecutionTimes* executions      # by row of limit_rows
    cdef uint8_t[16] hedges              # by account: positions are kept by side
    cdef uint64_t limits_generation      # counts changes of limit_rows, limits and instruments; who keeps what it read compares it
    cdef TradingControl control
    cdef LineState[16] lines              # by venue id
    cdef uint8_t[512] asset_lines         # by asset: the line whose account holds it
    cdef readonly uint32_t instrument_count
    cdef readonly uint16_t asset_count    # known to the stages: applied
    cdef readonly uint16_t assets_given   # numbers given, those included whose ASSET record is still to be applied
    cdef dict _ids_by_symbol
    cdef list _assets
    cdef list _given                      # (name, line) of each number given
    cdef public object keep_assets        # called before a new number is used: makes it durable; None = nobody to be told
    cdef inline int limit_row_of(self, int scope, uint32_t scope_id) noexcept nogil:
        """The row of a scope (LimitScope) in `limit_rows` and `scopes`; an id that has none is the engine's row."""
        if scope == 1:
            return ACCOUNT_ROWS + <int> scope_id if scope_id < ACCOUNT_LIMIT_ROWS else ENGINE_ROW
        if scope == 2:
            return VENUE_ROWS + <int> scope_id if scope_id < VENUE_LIMIT_ROWS else ENGINE_ROW
        if scope == 3:
            return STRATEGY_ROWS + <int> scope_id if scope_id < STRATEGY_CAPACITY else ENGINE_ROW
        if scope == 4:
            return INSTRUMENT_ROWS + <int> scope_id if scope_id < INSTRUMENT_CAPACITY else ENGINE_ROW
        return ENGINE_ROW
    cdef inline void note_market(self, uint32_t instrument_id) noexcept nogil:
        self.changed_markets[(instrument_id >> 6) & 7] |= <uint64_t> 1 << (instrument_id & 63)
    cdef int _row_of(self, int scope, int scope_id) except -1
    cdef inline uint64_t next_handle(self) noexcept:
        self.control.next_handle += 1
        return self.control.next_handle
    cdef int64_t notional_e8(self, uint32_t instrument_id, int64_t price_ticks, int64_t qty_lots) noexcept nogil
    # What a quantity is worth in the settle asset at a price, 10^-8, rounded up.
    cdef int64_t settle_value_e8(self, uint32_t instrument_id, int64_t price_ticks, int64_t qty_lots) noexcept nogil
    # The price that positions are valued at: mark, else the middle of the book, else the last trade; 0 = nothing known.
    cdef int64_t mark_of(self, uint32_t instrument_id) noexcept nogil
    # Make a working order's notional in margin_rows what it is now; `valued_e8` is what stands there of it.
    cdef void value_order(self, uint32_t instrument_id, int position_side, int side, int64_t* valued_e8, int64_t value_e8) noexcept nogil
    # Recompute what one contract's positions and orders need, and move its account's sums.
    cdef void touch_margin(self, uint32_t instrument_id) noexcept nogil
    cdef void put_margin_terms(self, uint32_t instrument_id, int leverage, bint is_isolated, const MarginTier* tiers, int count) noexcept nogil
    cdef void set_wallet(self, uint16_t asset_id, int64_t wallet_e8) noexcept nogil
    cdef const MarginTier* tier_of(self, uint32_t instrument_id, int64_t notional_e8) noexcept nogil
    cdef void _touch_side(self, uint32_t instrument_id, int side, int64_t mark_e8) noexcept nogil
    cdef void _move_share(self, MarginAccount* account, const MarginRow* row, int sign) noexcept nogil
    cdef void sum_lines(self) noexcept nogil
    cdef void _lift_all_limits(self) noexcept
    # The change of what works, of a position, of the open orders: rows, rows by strategy and the scopes' sums follow at once.
    cdef void move_working(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, uint8_t order_side, int64_t lots) noexcept nogil
    # A working order comes (count 1), changes (0) or goes (-1): lots and open orders at once.
    cdef void move_order(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, uint8_t order_side, int64_t lots, int count) noexcept nogil
    cdef void move_position(self, uint32_t instrument_id, uint8_t position_side, int64_t lots) noexcept nogil
    cdef void move_strategy_position(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, int64_t lots) noexcept nogil
    cdef void move_open_orders(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id, int count) noexcept nogil
    # Value one instrument anew at its present price; all that are not flat.
    cdef void touch_exposure(self, uint32_t instrument_id, uint8_t position_side) noexcept nogil
    cdef void touch_strategy(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id) noexcept nogil
    cdef void revalue_all(self) noexcept nogil
    # The same where it is known already what the side is worth afterwards, by the price and rate that both rows are valued by.
    cdef void put_order(self, Exposure* row, Exposure* own, uint32_t instrument_id, uint16_t strategy_id, bint is_buy, int64_t lots,
                        const SideWorth* after, int count) noexcept nogil
    cdef void _move_side(self, Exposure* row, Exposure* own, uint32_t instrument_id, uint16_t strategy_id, bint is_buy, int64_t lots, int count) noexcept nogil
    cdef void _value_row(self, Exposure* row, uint32_t instrument_id, Worth* change, Worth* quoted_change) noexcept nogil
    cdef inline int64_t reference_ticks(self, uint32_t instrument_id) noexcept nogil:
        """The price that positions are valued by: the mid rounded down, the last trade where a side is empty, then the mark; else 0."""
        cdef const MarketState* market = &self.markets[instrument_id]
        if market.best_bid_ticks > 0 and market.best_ask_ticks > 0:
            return market.best_bid_ticks + ((market.best_ask_ticks - market.best_bid_ticks) >> 1)
        if market.last_trade_ticks > 0:
            return market.last_trade_ticks
        return market.mark_e8 // self.instruments[instrument_id].tick_size_e8 if market.mark_e8 > 0 else 0
    # An own fill, for the throttle of repeated executions; arming a scope lets it trade again.
    cdef void note_execution(self, uint32_t instrument_id, uint16_t strategy_id, int64_t now_mono_ns) noexcept nogil
    cdef void _note_row(self, int row, int64_t now_mono_ns) noexcept nogil
    cdef bint _keep_times(self, ExecutionTimes* times, uint32_t count) noexcept nogil
    cdef void rearm(self, int row) noexcept nogil
    cdef void rearm_all(self) noexcept nogil
    cdef inline Exposure* exposure_row(self, uint32_t instrument_id, uint8_t position_side) noexcept nogil:
        return &self.exposures[(position_side % POSITION_SIDES) * INSTRUMENT_CAPACITY + instrument_id]
    cdef inline Exposure* strategy_row(self, uint32_t instrument_id, uint8_t position_side, uint16_t strategy_id) noexcept nogil:
        return &self.strategy_exposures[((position_side % POSITION_SIDES) * STRATEGY_CAPACITY + (strategy_id & 63)) * INSTRUMENT_CAPACITY + instrument_id]
    cdef int _check(self, uint32_t instrument_id) except -1
    cdef void _forget_values(self, uint32_t instrument_id) noexcept
    cdef int _read_spec(self, Instrument* row, object spec) except -1
