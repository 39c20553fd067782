"""What the risk monitor measures with: trades to profit and round trips, price moves within a window, volatility, circuit breakers.

Structs and functions without memory of their own; `rehearsal` classes show them to tests. Money of one instrument is 10^-16 of its
settle asset in 128 bits, exact; times are nanoseconds that the caller gives.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    /* 128 bit inside, clamped to 64 at the edge; divisions say which way they round */
    #include <stdint.h>
    #include "engine/oms/money.h"

    static inline int64_t tw_risk_clamp(tw_wide value) {
        if (value > INT64_MAX) return INT64_MAX;
        if (value < -INT64_MAX) return -INT64_MAX;
        return (int64_t)value;
    }

    /* denominator > 0; towards minus infinity */
    static inline tw_wide tw_risk_floor(tw_wide numerator, tw_wide denominator) {
        tw_wide rest;
        return tw_floor_wide(numerator, denominator, &rest);
    }

    static inline int64_t tw_risk_e8(tw_wide value_e16) { return tw_risk_clamp(tw_risk_floor(value_e16, 100000000)); }

    static inline int64_t tw_risk_scale(int64_t value, int64_t numerator, int64_t denominator) {
        if (denominator <= 0) return 0;
        if (numerator == denominator) return tw_risk_clamp(value);
        return tw_risk_clamp(tw_risk_floor((tw_wide)value * numerator, denominator));
    }

    static inline int64_t tw_risk_scale_up(int64_t value, int64_t numerator, int64_t denominator) {
        if (denominator <= 0) return 0;
        return tw_risk_clamp(-tw_risk_floor(-((tw_wide)value * numerator), denominator));
    }

    static inline int64_t tw_risk_sum(int64_t a, int64_t b) { return tw_risk_clamp((tw_wide)a + b); }

    static inline tw_wide tw_risk_product(int64_t a, int64_t b) { return (tw_wide)a * b; }

    /* value * part / whole towards minus infinity, without a product above 128 bits; 0 <= part <= whole, whole > 0 */
    static inline tw_wide tw_risk_share(tw_wide value, int64_t part, int64_t whole) {
        tw_wide quotient = tw_risk_floor(value, whole), rest = value - quotient * whole;
        return quotient * part + rest * part / whole;
    }

    /* largest root whose square is not above value */
    static inline uint64_t tw_risk_root(uint64_t value) {
        uint64_t root = 0, bit = (uint64_t)1 << 62;
        while (bit > value) bit >>= 2;
        while (bit) {
            if (value >= root + bit) { value -= root + bit; root = (root >> 1) + bit; }
            else root >>= 1;
            bit >>= 2;
        }
        return root;
    }
    """
    ctypedef long long tw_wide
    int64_t tw_risk_e8(tw_wide value_e16) noexcept nogil
    int64_t tw_risk_scale(int64_t value, int64_t numerator, int64_t denominator) noexcept nogil
    int64_t tw_risk_scale_up(int64_t value, int64_t numerator, int64_t denominator) noexcept nogil
    int64_t tw_risk_sum(int64_t a, int64_t b) noexcept nogil
    uint64_t tw_risk_root(uint64_t value) noexcept nogil
    tw_wide tw_risk_product(int64_t a, int64_t b) noexcept nogil
    tw_wide tw_risk_share(tw_wide value, int64_t part, int64_t whole) noexcept nogil
    # The books' own: what a contract is worth as it enters profit, and quotients half to even.
    tw_wide tw_contract_value_e16(tw_wide price_e8, tw_wide qty_e8, int64_t multiplier_e8, bint inverse) noexcept nogil
    tw_wide tw_divide_half_even(tw_wide, tw_wide) noexcept nogil
    int64_t tw_wide_high(tw_wide) noexcept nogil
    uint64_t tw_wide_low(tw_wide) noexcept nogil

cdef enum:
    PRICE_BUCKETS = 32
    LOSS_SAMPLES = 61

cdef struct TradeRow:
    # one instrument's trades (of a position side, or of a strategy): profit is cash plus what the open lots are worth
    tw_wide cash_e16            # sells less buys less fees in assets of the pair, plus funding
    tw_wide trip_start_e16      # cash when the position was flat last
    tw_wide trip_fees_e16       # fees in a third asset since then, valued when they were paid
    int64_t lots                # signed
    int64_t last_price_e8       # of the latest trade: what stands for a mark before the market is known
    int64_t fee_e8              # fees paid in a third asset so far
    uint16_t fee_asset_id
    uint8_t is_used
    uint8_t pad[5]

cdef struct Trade:
    # one fill
    int64_t price_e8
    int64_t lots                # signed: bought above 0
    int64_t lot_e8
    int64_t multiplier_e8
    tw_wide fee_e16             # in the settle asset
    int64_t other_fee_e8        # in a third asset
    int64_t other_fee_settle_e8 # the same in the settle asset; 0 where no rate is known
    uint16_t other_fee_asset_id
    uint8_t inverse

cdef struct PriceWindow:
    # lows and highs of the doubled mid by bucket of time; the buckets span the window and up to one bucket more
    int64_t low[PRICE_BUCKETS]  # 0 = nothing seen
    int64_t high[PRICE_BUCKETS]
    int64_t bucket              # number of the newest
    int64_t window_ns
    int64_t width_ns

cdef struct Volatility:
    int64_t last_mid            # doubled ticks; 0 = none
    int64_t last_ns
    int64_t variance_e16        # exponentially weighted, of moves within a second, relative

cdef struct LossWindow:
    int64_t samples[LOSS_SAMPLES]
    int64_t next_ns
    int64_t step_ns
    uint32_t count
    uint32_t head               # place of the next

cdef struct BreakerTerms:
    int64_t window_ns
    int64_t cooldown_ns
    uint32_t failures
    uint32_t probes

cdef struct Breaker:
    # failures as time stamps in a ring: the window slides
    int64_t stamps[64]
    int64_t opened_ns
    uint32_t count
    uint32_t head
    uint32_t good
    uint8_t state               # BreakerState
    uint8_t is_probing          # HALF_OPEN: one request is under way
    uint8_t pad[2]

cdef int trade_book(TradeRow* row, const Trade* trade) noexcept nogil
cdef tw_wide trade_profit(const TradeRow* row, int64_t mark_e8, int64_t lot_e8, int64_t multiplier_e8, bint inverse) noexcept nogil
cdef int64_t price_move(PriceWindow* window, int64_t window_ns, int64_t now_ns, int64_t mid) noexcept nogil
cdef void price_forget(PriceWindow* window) noexcept nogil
cdef void volatility_add(Volatility* row, int64_t halflife_s, int64_t now_ns, int64_t mid) noexcept nogil
cdef int64_t volatility_bps(const Volatility* row) noexcept nogil
cdef int64_t loss_add(LossWindow* window, int64_t window_ns, int64_t now_ns, int64_t pnl_e8) noexcept nogil
cdef void loss_forget(LossWindow* window) noexcept nogil
cdef void breaker_fail(Breaker* breaker, const BreakerTerms* terms, int64_t now_ns) noexcept nogil
cdef void breaker_succeed(Breaker* breaker, const BreakerTerms* terms) noexcept nogil
cdef void breaker_tick(Breaker* breaker, const BreakerTerms* terms, int64_t now_ns) noexcept nogil
cdef bint breaker_allows(const Breaker* breaker) noexcept nogil
cdef void breaker_begin(Breaker* breaker) noexcept nogil

cdef class CircuitBreaker:
    """One endpoint's breaker for cold code."""
    cdef Breaker breaker
    cdef BreakerTerms terms
