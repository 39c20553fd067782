"""The stage that runs strategies."""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

from engine.journal.journal cimport Journal
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport OrderStatePayload
from engine.model.tables cimport INSTRUMENT_CAPACITY, Tables
from engine.runtime.actor cimport Actor
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring
from engine.runtime.timers cimport TimerQueue
from engine.runtime.watchdog cimport Watchdog, tw_watchdog
from engine.strategy.bars cimport BarBook, BarBuilder
from engine.strategy.base cimport StrategyBase
from engine.strategy.desk cimport OrderDesk
from engine.strategy.views cimport Turn, View, WorkingOrder

@cython.final
cdef class StrategyRunner(Actor):
    cdef Journal _journal
    cdef Tables _tables
    cdef Counters _counters
    cdef Clock _clock
    cdef Watchdog _watchdog
    cdef tw_watchdog* _hang            # the watchdog's state, or `_no_watchdog`
    cdef tw_watchdog _no_watchdog
    cdef Ring _order_events
    cdef Ring _refusals
    cdef Ring _parent_events           # of the execution stage; empty without one
    cdef Ring _market_events
    cdef Ring _to_strategy
    cdef TimerQueue _timers
    cdef Turn _turn
    cdef OrderDesk _desk
    cdef BarBook _bars
    cdef object _after_hang
    cdef dict _hung_turns              # of a replay: what was said of the callbacks that hung then, by number; None in a live engine
    cdef list _strategies              # by strategy id, None where there is none
    cdef uint16_t _trade_kind
    cdef uint64_t _attached            # bit = strategy id
    cdef uint64_t _unstarted
    cdef uint32_t _rejections_max
    cdef uint32_t[64] _rejections      # by strategy id, since `_rejections_since`
    cdef int64_t[64] _rejections_since
    cdef uint32_t _executions_max
    cdef uint32_t[64] _executions      # by strategy id, since `_executions_since`
    cdef int64_t[64] _executions_since
    cdef uint64_t[512] _subscribers    # by instrument id, bit = strategy id
    cdef uint64_t[32] _wanting         # by callback, bit = strategy id
    cdef uint64_t[32] _by_kind         # by record kind: who subscribed to it for its symbols; bit = strategy id
    cdef uint64_t[32] _all_market      # by record kind: who subscribed to it for every symbol
    cdef uint64_t[4] _by_ratio         # by RatioKind
    cdef dict _by_interval             # candle's interval (bytes) -> strategies
    cdef unsigned char[512] _was_valid # by instrument: its book was VALID when last looked at
    cdef int32_t[512] _books_waiting   # book events of the instrument that stand in the ring
    cdef uint64_t _scanned             # market ring position up to which they are counted
    cdef readonly uint64_t calls
    cdef readonly uint64_t conflated
    cdef int _start_all(self) except -1
    cdef void* _next_ring(self) noexcept nogil
    cdef int _handle(self, void* ring) except -1
    cdef void _set_turn(self, const Descriptor* event) noexcept nogil
    cdef void _scan_market(self) noexcept nogil
    cdef int _handle_market(self, const Descriptor* event) except -1
    cdef int _deliver_book(self, const Descriptor* event) except -1
    cdef int _deliver_trade(self, const Descriptor* event) except -1
    cdef int _deliver_statistics(self, const Descriptor* event) except -1
    cdef int _deliver_tickers(self, const Descriptor* event) except -1
    cdef int _deliver_funding(self, const Descriptor* event, uint64_t wanting) except -1
    cdef int _tell(self, uint64_t wanting, int callback, const void* payload, size_t extra, uint32_t instrument_id) except -1
    cdef int _pull_quotes(self, uint32_t instrument_id) except -1
    cdef int _deliver_instrument(self, const Descriptor* event) except -1
    cdef int _close_bars(self, BarBuilder builder, int64_t wall_ns) except -1
    cdef int _handle_order_event(self, const Descriptor* event) except -1
    cdef int _deliver_order_state(self, const Descriptor* event) except -1
    cdef int _deliver_order(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle,
                            OrderStatePayload* payload) except -1
    cdef int _deliver_fill(self, const Descriptor* event) except -1
    cdef int _deliver_notices(self) except -1
    cdef int _deliver_refusal(self, WorkingOrder order, uint16_t reason) except -1
    cdef int _deliver_refused_change(self, WorkingOrder order, uint16_t reason) except -1
    cdef int _handle_parent_event(self, const Descriptor* event) except -1
    cdef int _handle_refusal(self, const Descriptor* event) except -1
    cdef int _handle_input(self, const Descriptor* event) except -1
    cdef int _handle_timer(self, const Descriptor* event) except -1
    cdef int _deliver_timer(self, StrategyBase strategy, uint64_t timer_id, int64_t deadline_mono_ns) except -1
    cdef int _resume_timers(self, StrategyBase strategy) except -1
    cdef int _handle_command(self, const Descriptor* event) except -1
    cdef int _apply_command(self, StrategyBase strategy, uint16_t command_kind, bint is_named) except -1
    cdef int _start(self, StrategyBase strategy) except -1
    cdef int _stop(self, StrategyBase strategy) except -1
    cdef int _set_status(self, StrategyBase strategy, uint16_t status, uint16_t reason, bytes text) except -1
    cdef bint _hears(self, StrategyBase strategy, int callback) noexcept
    cdef int _call(self, StrategyBase strategy, int callback, View view) except -1
    cdef int _disable(self, StrategyBase strategy, bint hung, bytes text) except -1
    cdef bint _is_live(self, StrategyBase strategy) noexcept
    cdef int _count_execution(self, StrategyBase strategy) except -1
    cdef int _count_rejection(self, StrategyBase strategy, uint16_t reason) except -1
    cdef int _write_alarm(self, StrategyBase strategy, uint16_t code, bytes text) except -1
