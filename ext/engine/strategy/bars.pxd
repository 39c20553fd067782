"""Time bars from trades."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from engine.model.records cimport TradePayload
from engine.model.tables cimport Tables
from engine.runtime.timers cimport TimerQueue
from engine.strategy.views cimport Bar

cdef extern from *:
    """
    #ifndef TW_INT128
    #define TW_INT128
    typedef __int128 tw_int128;
    #endif
    """
    ctypedef long long tw_int128

cdef enum:
    BAR_GAP_MAX = 1440

cdef class BarBuilder:
    cdef readonly uint32_t instrument_id
    cdef readonly int64_t interval_ns
    cdef readonly uint64_t late_trades     # trades of a bar that was closed already: left out, counted
    cdef readonly uint64_t skipped_bars    # empty bars beyond BAR_GAP_MAX in one gap: left out, counted
    cdef uint64_t subscribers              # bit = strategy id
    cdef int64_t origin_ns                 # bars that begin before it were not seen whole
    cdef bint is_open                      # `current` holds a bar
    cdef Bar current
    cdef Bar closed
    cdef tw_int128 _ticks_lots
    cdef Tables _tables
    # Would a trade at, or a close as of, `wall_ns` close a bar? Then call `close_next` until it returns False.
    cdef bint close_next(self, int64_t wall_ns) noexcept
    cdef void add(self, int64_t trade_ns, int64_t price_ticks, int64_t qty_lots, int aggressor_side) noexcept
    cdef void _open(self, int64_t open_wall_ns, int64_t price_ticks) noexcept
    cdef int64_t _quote_value_e8(self) noexcept

# All builders of a runner; their BAR timers carry the builder's place in `builders` as data.
cdef class BarBook:
    cdef readonly list builders
    cdef readonly int64_t delay_ns
    cdef list _by_instrument
    cdef Tables _tables
    cdef TimerQueue _timers
    cdef list of(self, uint32_t instrument_id)
    cdef int schedule(self, int place, int64_t wall_ns, int64_t mono_ns) except -1
    cdef int subscribe(self, uint16_t strategy_id, uint32_t instrument_id, int64_t interval_ns, int64_t wall_ns,
                       int64_t mono_ns) except -1
    cdef void forget(self, uint16_t strategy_id) noexcept
