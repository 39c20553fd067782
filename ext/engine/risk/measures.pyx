"""What the risk monitor measures with (see measures.pxd)."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from libc.string cimport memset
from engine.model.codes cimport BREAKER_STATE_CLOSED, BREAKER_STATE_HALF_OPEN, BREAKER_STATE_OPEN

from engine.model.codes import BreakerState

cdef enum:
    BPS = 10000
    FAILURES_MAX = 64
    SECONDS_A_MINUTE = 60

cdef int64_t NS_PER_S = 1_000_000_000
cdef int64_t E8 = 100_000_000
# a move of its own size in a second and above counts as that: its square fits
cdef int64_t MOVE_E8_MAX = 100_000_000
# 1 - 2^(-1/n) for a half-life of n seconds, n = 10 and above, is ln 2 / n but for 3 %: the half-life is told as that
cdef int64_t LN2_E9 = 693_147_181


# --- trades: profit and round trips

cdef inline int64_t _size(int64_t lots) noexcept nogil:
    return lots if lots >= 0 else -lots


cdef inline tw_wide _cash_of(const Trade* trade, int64_t lots) noexcept nogil:
    """What `lots` of the trade (signed) bring in; buying costs."""
    return -tw_contract_value_e16(trade.price_e8, <tw_wide> lots * trade.lot_e8, trade.multiplier_e8, trade.inverse)


cdef int trade_book(TradeRow* row, const Trade* trade) noexcept nogil:
    """Book one fill. -1: it ended a losing round trip, 1: a winning one, 0: none, or one that ended even.

    A round trip goes from flat to flat; its result is all that was paid and received between, fees included. A fill that turns the
    position ends one trip and begins the next; its fee belongs to the one that it ends.
    """
    cdef int64_t closing = 0
    cdef tw_wide result
    cdef bint was_open = row.lots != 0
    row.is_used = 1
    row.last_price_e8 = trade.price_e8
    row.cash_e16 = row.cash_e16 - trade.fee_e16
    if trade.other_fee_e8:
        if row.fee_asset_id == 0 or row.fee_asset_id == trade.other_fee_asset_id:
            row.fee_asset_id = trade.other_fee_asset_id
            row.fee_e8 = tw_risk_sum(row.fee_e8, trade.other_fee_e8)
            row.trip_fees_e16 = row.trip_fees_e16 + tw_risk_product(trade.other_fee_settle_e8, E8)
        else:
            # a second such asset: its worth of the moment stands
            row.cash_e16 = row.cash_e16 - tw_risk_product(trade.other_fee_settle_e8, E8)
    if (row.lots > 0) != (trade.lots > 0) and was_open:
        # opposite signs: what is smaller in size closes
        closing = -row.lots if _size(trade.lots) >= _size(row.lots) else trade.lots
    row.cash_e16 = row.cash_e16 + _cash_of(trade, closing)
    row.lots += closing
    if not was_open or row.lots != 0:
        row.cash_e16 = row.cash_e16 + _cash_of(trade, trade.lots - closing)
        row.lots += trade.lots - closing
        return 0
    result = row.cash_e16 - row.trip_start_e16 - row.trip_fees_e16
    row.trip_start_e16 = row.cash_e16
    row.trip_fees_e16 = 0
    row.cash_e16 = row.cash_e16 + _cash_of(trade, trade.lots - closing)
    row.lots += trade.lots - closing
    return -1 if result < 0 else 1 if result > 0 else 0


cdef tw_wide trade_profit(const TradeRow* row, int64_t mark_e8, int64_t lot_e8, int64_t multiplier_e8, bint inverse) noexcept nogil:
    """Everything earned and lost so far, open lots at `mark_e8`; without the fees in a third asset."""
    return row.cash_e16 + tw_contract_value_e16(mark_e8, <tw_wide> row.lots * lot_e8, multiplier_e8, inverse)


# --- price moves

cdef void price_forget(PriceWindow* window) noexcept nogil:
    """Measure anew from the next price on."""
    memset(window.low, 0, sizeof(window.low))
    memset(window.high, 0, sizeof(window.high))


cdef int64_t price_move(PriceWindow* window, int64_t window_ns, int64_t now_ns, int64_t mid) noexcept nogil:
    """The farthest that the mid is now from any mid of the window, in basis points of that one, rounded up.

    The window is kept in 32 buckets: a price is forgotten between one window and one window and a 31st after it was seen.
    """
    cdef int64_t bucket, low, high, place, down, up
    cdef int i
    if mid <= 0 or window_ns <= 0:
        return 0
    if window.window_ns != window_ns:
        window.window_ns = window_ns
        window.width_ns = (window_ns + PRICE_BUCKETS - 2) // (PRICE_BUCKETS - 1)
        window.bucket = now_ns // window.width_ns
        price_forget(window)
    bucket = now_ns // window.width_ns
    if bucket - window.bucket >= PRICE_BUCKETS:
        price_forget(window)
        window.bucket = bucket
    while window.bucket < bucket:
        window.bucket += 1
        window.low[window.bucket % PRICE_BUCKETS] = 0
        window.high[window.bucket % PRICE_BUCKETS] = 0
    place = bucket % PRICE_BUCKETS
    if window.low[place] == 0 or mid < window.low[place]:
        window.low[place] = mid
    if mid > window.high[place]:
        window.high[place] = mid
    low = mid
    high = mid
    for i in range(PRICE_BUCKETS):
        if window.low[i] != 0 and window.low[i] < low:
            low = window.low[i]
        if window.high[i] > high:
            high = window.high[i]
    up = tw_risk_scale_up(mid - low, BPS, low)
    down = tw_risk_scale_up(high - mid, BPS, high)
    return up if up > down else down


# --- volatility

cdef void volatility_add(Volatility* row, int64_t halflife_s, int64_t now_ns, int64_t mid) noexcept nogil:
    """One reading a second: the squared relative move, scaled to a second, moves the variance by its weight."""
    cdef int64_t elapsed_ns = now_ns - row.last_ns, move_e8, square, weight_e9
    if mid <= 0:
        row.last_mid = 0
        return
    if row.last_mid > 0 and elapsed_ns > 0:
        move_e8 = tw_risk_scale(mid - row.last_mid, E8, row.last_mid)
        move_e8 = min(max(move_e8, -MOVE_E8_MAX), MOVE_E8_MAX)
        square = tw_risk_scale(move_e8 * move_e8, NS_PER_S, elapsed_ns)
        weight_e9 = min(LN2_E9 // halflife_s * max(elapsed_ns // NS_PER_S, <int64_t> 1), NS_PER_S)
        row.variance_e16 = row.variance_e16 + tw_risk_scale(square - row.variance_e16, weight_e9, NS_PER_S)
    row.last_mid = mid
    row.last_ns = now_ns


cdef int64_t volatility_bps(const Volatility* row) noexcept nogil:
    """The standard deviation of one-minute moves, in basis points, rounded down."""
    cdef int64_t minute_e16 = tw_risk_scale(row.variance_e16, SECONDS_A_MINUTE, 1)
    return <int64_t> tw_risk_root(<uint64_t> minute_e16) // 10000 if minute_e16 > 0 else 0


# --- losses within a window

cdef void loss_forget(LossWindow* window) noexcept nogil:
    window.count = 0
    window.head = 0
    window.next_ns = 0


cdef int64_t loss_add(LossWindow* window, int64_t window_ns, int64_t now_ns, int64_t pnl_e8) noexcept nogil:
    """The profit of one window ago less the profit now, 0 for a gain; 60 samples a window, until then from the first one on."""
    cdef int64_t oldest
    window.step_ns = window_ns // (LOSS_SAMPLES - 1)
    if window.count == 0 or now_ns >= window.next_ns:
        window.samples[window.head] = pnl_e8
        window.head = (window.head + 1) % LOSS_SAMPLES
        window.count = min(window.count + 1, <uint32_t> LOSS_SAMPLES)
        window.next_ns = now_ns + window.step_ns
    oldest = window.samples[(window.head + LOSS_SAMPLES - window.count) % LOSS_SAMPLES]
    return max(tw_risk_sum(oldest, -pnl_e8), <int64_t> 0)


# --- circuit breakers

cdef void breaker_fail(Breaker* breaker, const BreakerTerms* terms, int64_t now_ns) noexcept nogil:
    """A request failed. CLOSED opens at `failures` within the window; HALF_OPEN opens at once."""
    cdef uint32_t i, recent = 0, kept = min(breaker.count, <uint32_t> FAILURES_MAX)
    breaker.is_probing = 0
    breaker.good = 0
    if breaker.state == BREAKER_STATE_OPEN:
        return
    breaker.stamps[breaker.head] = now_ns
    breaker.head = (breaker.head + 1) % FAILURES_MAX
    kept = min(kept + 1, <uint32_t> FAILURES_MAX)
    breaker.count = kept
    for i in range(kept):
        if now_ns - breaker.stamps[(breaker.head + FAILURES_MAX - 1 - i) % FAILURES_MAX] <= terms.window_ns:
            recent += 1
    if breaker.state == BREAKER_STATE_HALF_OPEN or recent >= min(terms.failures, <uint32_t> FAILURES_MAX):
        breaker.state = BREAKER_STATE_OPEN
        breaker.opened_ns = now_ns
        breaker.count = 0


cdef void breaker_succeed(Breaker* breaker, const BreakerTerms* terms) noexcept nogil:
    """A request was answered. HALF_OPEN closes after `probes` in a row; an answer to an older request opens nothing."""
    breaker.is_probing = 0
    if breaker.state != BREAKER_STATE_HALF_OPEN:
        return
    breaker.good += 1
    if breaker.good >= terms.probes:
        breaker.state = BREAKER_STATE_CLOSED
        breaker.good = 0
        breaker.count = 0


cdef void breaker_tick(Breaker* breaker, const BreakerTerms* terms, int64_t now_ns) noexcept nogil:
    """OPEN becomes HALF_OPEN when the cool-down is over."""
    if breaker.state == BREAKER_STATE_OPEN and now_ns - breaker.opened_ns >= terms.cooldown_ns:
        breaker.state = BREAKER_STATE_HALF_OPEN
        breaker.good = 0
        breaker.is_probing = 0


cdef bint breaker_allows(const Breaker* breaker) noexcept nogil:
    """May a request go out: always, never, or one at a time."""
    if breaker.state == BREAKER_STATE_HALF_OPEN:
        return not breaker.is_probing
    return breaker.state == BREAKER_STATE_CLOSED


cdef void breaker_begin(Breaker* breaker) noexcept nogil:
    """A request goes out; HALF_OPEN waits for its end."""
    if breaker.state == BREAKER_STATE_HALF_OPEN:
        breaker.is_probing = 1


cdef class CircuitBreaker:
    """One endpoint's breaker: CLOSED, OPEN after `failures` within `window_ns`, HALF_OPEN after `cooldown_ns`, CLOSED after `probes`."""

    def __init__(self, *, uint32_t failures, int64_t window_ns, int64_t cooldown_ns, uint32_t probes):
        if not 1 <= failures <= FAILURES_MAX or window_ns <= 0 or cooldown_ns <= 0 or probes < 1:
            raise ValueError(f"failures 1 to {FAILURES_MAX}, times and probes above 0")
        self.terms = BreakerTerms(window_ns, cooldown_ns, failures, probes)
        memset(&self.breaker, 0, sizeof(Breaker))

    @property
    def state(self) -> object:
        return BreakerState(self.breaker.state)

    def allows(self, int64_t now_ns) -> bool:
        """May a request go out now."""
        breaker_tick(&self.breaker, &self.terms, now_ns)
        return breaker_allows(&self.breaker)

    def begin(self) -> None:
        """A request goes out."""
        breaker_begin(&self.breaker)

    def succeed(self) -> None:
        """It was answered."""
        breaker_succeed(&self.breaker, &self.terms)

    def fail(self, int64_t now_ns) -> None:
        """It was not, or with the venue's own fault."""
        breaker_fail(&self.breaker, &self.terms, now_ns)

    def left_ns(self, int64_t now_ns) -> int:
        """How long it stays OPEN yet."""
        return max(self.breaker.opened_ns + self.terms.cooldown_ns - now_ns, 0) if self.breaker.state == BREAKER_STATE_OPEN else 0


# --- for tests: one of each

cdef class MeasuredTrades:
    """A `TradeRow` from Python, of a contract with this lot, multiplier and kind."""
    cdef TradeRow row
    cdef Trade trade

    def __init__(self, int64_t lot_e8, *, int64_t multiplier_e8=100_000_000, bint inverse=False):
        self.trade.lot_e8, self.trade.multiplier_e8, self.trade.inverse = lot_e8, multiplier_e8, inverse

    def book(self, int64_t lots, int64_t price_e8, *, object fee_e16=0, int64_t other_fee_e8=0, int64_t other_fee_settle_e8=0,
             int other_fee_asset_id=0) -> int:
        """One fill (signed lots); -1, 0 or 1 as `trade_book`."""
        self.trade.price_e8, self.trade.lots = price_e8, lots
        self.trade.fee_e16 = tw_risk_product(<int64_t> (fee_e16 // 10**8), E8) + <int64_t> (fee_e16 % 10**8)
        self.trade.other_fee_e8, self.trade.other_fee_settle_e8 = other_fee_e8, other_fee_settle_e8
        self.trade.other_fee_asset_id = other_fee_asset_id
        return trade_book(&self.row, &self.trade)

    def profit_e16(self, int64_t mark_e8) -> int:
        cdef tw_wide profit = trade_profit(&self.row, mark_e8, self.trade.lot_e8, self.trade.multiplier_e8, self.trade.inverse)
        return (<object> tw_wide_high(profit) << 64) + tw_wide_low(profit)

    @property
    def lots(self) -> int:
        return self.row.lots


cdef class MeasuredPrices:
    """A `PriceWindow` and a `Volatility` from Python; mids are doubled ticks."""
    cdef PriceWindow window
    cdef Volatility volatility

    def move_bps(self, int64_t window_ns, int64_t now_ns, int64_t mid) -> int:
        return price_move(&self.window, window_ns, now_ns, mid)

    def forget(self) -> None:
        price_forget(&self.window)

    def sample(self, int64_t halflife_s, int64_t now_ns, int64_t mid) -> int:
        volatility_add(&self.volatility, halflife_s, now_ns, mid)
        return volatility_bps(&self.volatility)


cdef class MeasuredLosses:
    """A `LossWindow` from Python."""
    cdef LossWindow window

    def add(self, int64_t window_ns, int64_t now_ns, int64_t pnl_e8) -> int:
        return loss_add(&self.window, window_ns, now_ns, pnl_e8)
