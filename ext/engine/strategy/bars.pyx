"""Time bars from trades, aligned to wall time: bar k covers [k x interval, (k + 1) x interval) of the venue's trade time.

A bar closes when the first trade of a later interval arrives, or when the engine's clock has passed its end (a BAR timer).
An interval without trades gives a bar of count 0 whose four prices are the close before it; there is none before the first
trade, and a silence of more than 1,440 intervals is skipped and counted. A trade of a bar that is closed already is left
out and counted: a closed bar is never rewritten.
"""
from engine.model.codes cimport TIMER_KIND_BAR
from engine.model.tables cimport INSTRUMENT_CAPACITY
from engine.strategy.views cimport Bar

cdef extern from *:
    """
    static tw_int128 tw_saturating_add_product(tw_int128 sum, long long left, long long right) {
        tw_int128 total;
        if (__builtin_add_overflow(sum, (tw_int128)left * right, &total)) return sum;
        return total;
    }
    /* sum * numerator / denominator in 64 bits, INT64_MAX where it does not fit */
    static long long tw_ratio_clamped(tw_int128 sum, long long numerator, long long denominator) {
        tw_int128 whole;
        if (__builtin_mul_overflow(sum / denominator, (tw_int128)numerator, &whole)) return INT64_MAX;
        whole += sum % denominator * numerator / denominator;
        return whole < INT64_MAX ? (long long)whole : INT64_MAX;
    }
    """
    tw_int128 tw_saturating_add_product(tw_int128, int64_t, int64_t) noexcept nogil
    int64_t tw_ratio_clamped(tw_int128, int64_t, int64_t) noexcept nogil

cdef int64_t INT64_LIMIT = 0x7FFFFFFFFFFFFFFF


cdef inline int64_t floor_to(int64_t wall_ns, int64_t interval_ns) noexcept nogil:
    cdef int64_t rest = wall_ns % interval_ns
    return wall_ns - rest - (interval_ns if rest < 0 else 0)


cdef class BarBuilder:
    """Makes the bars of one instrument and interval."""

    def __init__(self, Tables tables not None, uint32_t instrument_id, int64_t interval_ns):
        if interval_ns <= 0:
            raise ValueError(f"a bar of {interval_ns} ns is no interval")
        self._tables = tables
        self.instrument_id = instrument_id
        self.interval_ns = interval_ns
        self.origin_ns = -INT64_LIMIT

    cdef bint close_next(self, int64_t wall_ns) noexcept:
        """Close one bar that ends at or before `wall_ns` into `closed` and open the next; False when none ends by then."""
        cdef int64_t next_open, missing
        if not self.is_open or wall_ns < self.current.close_wall_ns:
            return False
        self.closed = self.current
        self.closed.quote_value_e8 = self._quote_value_e8()
        next_open = self.current.close_wall_ns
        missing = (floor_to(wall_ns, self.interval_ns) - next_open) // self.interval_ns
        if missing > BAR_GAP_MAX:
            self.skipped_bars += missing
            next_open += missing * self.interval_ns
        self._open(next_open, self.closed.close_ticks)
        return True

    cdef void add(self, int64_t trade_ns, int64_t price_ticks, int64_t qty_lots, int aggressor_side) noexcept:
        """Count a trade in; bars that it ends must have been closed by `close_next` before."""
        cdef Bar* bar = &self.current
        if not self.is_open:
            self._open(floor_to(trade_ns, self.interval_ns), price_ticks)
            self.is_open = True
        if trade_ns < bar.open_wall_ns:
            self.late_trades += 1
            return
        if bar.count == 0:
            bar.open_ticks = bar.high_ticks = bar.low_ticks = price_ticks
        bar.high_ticks = max(bar.high_ticks, price_ticks)
        bar.low_ticks = min(bar.low_ticks, price_ticks)
        bar.close_ticks = price_ticks
        bar.volume_lots += qty_lots
        if aggressor_side == 0:
            bar.buy_volume_lots += qty_lots
        bar.count += 1
        # an inverse contract's lot is worth the same at any price
        self._ticks_lots = tw_saturating_add_product(
            self._ticks_lots, 1 if self._tables.instruments[self.instrument_id].inverse else price_ticks, qty_lots)

    cdef void _open(self, int64_t open_wall_ns, int64_t price_ticks) noexcept:
        self.current = Bar(open_wall_ns, open_wall_ns + self.interval_ns, price_ticks, price_ticks, price_ticks, price_ticks,
                           0, 0, 0, 0)
        self._ticks_lots = 0

    cdef int64_t _quote_value_e8(self) noexcept:
        cdef int64_t numerator = self._tables.instruments[self.instrument_id].tick_lot_value_numerator
        cdef int64_t denominator = self._tables.instruments[self.instrument_id].tick_lot_value_denominator
        if denominator <= 0 or numerator <= 0:
            return 0
        return tw_ratio_clamped(self._ticks_lots, numerator, denominator)

    def push(self, int64_t trade_ns, int64_t price_ticks, int64_t qty_lots, int aggressor_side=0) -> list:
        """Count one trade in from Python; returns the bars that it closed, as dicts."""
        bars = self.close_until(trade_ns)
        self.add(trade_ns, price_ticks, qty_lots, aggressor_side)
        return bars

    def close_until(self, int64_t wall_ns) -> list:
        """Close every bar that ends at or before `wall_ns`; returns them, as dicts."""
        bars = []
        while self.close_next(wall_ns):
            bars.append(dict(self.closed))
        return bars


cdef class BarBook:
    """The builders of one runner, found by instrument, and the timers that close bars when no trade does.

    `delay_ns`: how long after a bar's end its timer fires, so that trades under way at the boundary still get in.
    """

    def __init__(self, Tables tables not None, TimerQueue timers not None, int64_t delay_ns):
        if delay_ns < 0:
            raise ValueError("a bar cannot be closed before its end")
        self._tables = tables
        self._timers = timers
        self.delay_ns = delay_ns
        self.builders = []
        self._by_instrument = [None] * INSTRUMENT_CAPACITY

    cdef list of(self, uint32_t instrument_id):
        """Builders of one instrument, or None."""
        return <list> self._by_instrument[instrument_id]

    cdef int schedule(self, int place, int64_t wall_ns, int64_t mono_ns) except -1:
        """Arm the timer for the end of the bar that `wall_ns` stands in. The deadline is monotonic: a step of the wall clock
        changes when the next one is armed for, never this one."""
        cdef BarBuilder builder = self.builders[place]
        cdef int64_t due_wall_ns = floor_to(wall_ns - self.delay_ns, builder.interval_ns) + builder.interval_ns + self.delay_ns
        self._timers.schedule(mono_ns + (due_wall_ns - wall_ns), TIMER_KIND_BAR, 0, place)
        return 0

    cdef int subscribe(self, uint16_t strategy_id, uint32_t instrument_id, int64_t interval_ns, int64_t wall_ns,
                       int64_t mono_ns) except -1:
        cdef BarBuilder builder
        cdef list builders = self.of(instrument_id)
        for item in builders or ():
            builder = <BarBuilder> item
            if builder.interval_ns == interval_ns:
                builder.subscribers |= <uint64_t> 1 << strategy_id
                return 0
        builder = BarBuilder(self._tables, instrument_id, interval_ns)
        builder.origin_ns = wall_ns
        builder.subscribers = <uint64_t> 1 << strategy_id
        self.builders.append(builder)
        self._by_instrument[instrument_id] = (builders or []) + [builder]
        return self.schedule(len(self.builders) - 1, wall_ns, mono_ns)

    cdef void forget(self, uint16_t strategy_id) noexcept:
        """The strategy gets no more bars (its builders go on: another start finds them whole)."""
        for item in self.builders:
            (<BarBuilder> item).subscribers &= ~(<uint64_t> 1 << strategy_id)
