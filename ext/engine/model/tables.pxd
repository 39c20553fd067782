"""The shared tables: what one stage knows and others read, without importing one another.

Who writes what: `Instrument` rows - reference data at start; `MarketState` - book (state, best, stamps); `Exposure` - the gate adds
on approval, OMS moves and releases; `TradingControl` - the command stage. Everybody reads. Row 0 of each table is "none";
instrument ids count from 1. Memory never moves: rows may be pointed at for the tables' life.
"""
cimport cython
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    INSTRUMENT_CAPACITY = 512
    STRATEGY_CAPACITY = 64
    ASSET_CAPACITY = 512

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

cdef struct Exposure:
    int64_t position_lots     # signed
    int64_t working_buy_lots  # approved, in flight, open and UNKNOWN
    int64_t working_sell_lots
    int32_t open_orders
    int32_t unknown_orders
    int64_t reference_ticks

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

cdef struct TradingControl:
    uint8_t trading_state     # TradingState
    uint8_t halt_reason       # HaltReason
    uint8_t reconciled
    uint8_t gateway_ready
    uint8_t kill              # sticky until arm
    uint8_t stopping
    uint8_t journal_reserve   # front nearly full: only cancels leave
    uint8_t user_stream_ready
    int64_t clock_drift_ns
    uint64_t next_handle      # epoch << 32 | counter
    int64_t balance_free_e8[512]
    int64_t balance_locked_e8[512]

cdef struct StrategyState:
    uint8_t enabled
    uint8_t paused
    uint8_t started
    uint8_t disabled_reason
    int32_t open_orders
    uint64_t orders
    uint64_t fills
    uint64_t refusals

@cython.final
cdef class Tables:
    cdef Instrument* instruments
    cdef MarketState* markets
    cdef Exposure* exposures
    cdef InstrumentLimits* limits
    cdef StrategyState* strategies
    cdef EngineLimits engine_limits
    cdef TradingControl control
    cdef readonly uint32_t instrument_count
    cdef readonly uint16_t asset_count
    cdef dict _ids_by_symbol
    cdef list _assets
    cdef inline uint64_t next_handle(self) noexcept:
        self.control.next_handle += 1
        return self.control.next_handle
    cdef int64_t notional_e8(self, uint32_t instrument_id, int64_t price_ticks, int64_t qty_lots) noexcept nogil
    cdef int _check(self, uint32_t instrument_id) except -1
    cdef int _read_spec(self, Instrument* row, object spec) except -1
