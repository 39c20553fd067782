"""The compiled half of a strategy: what it may call, and how the runner calls it.

A Cython strategy subclasses `StrategyBase`, overrides `handle_*` and names them in `wants`; a Python strategy overrides `on_*`.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.journal.journal cimport Journal
from engine.model.tables cimport Tables
from engine.runtime.timers cimport TimerQueue
from engine.strategy.bars cimport BarBook
from engine.strategy.desk cimport OrderDesk
from engine.strategy.views cimport BarView, BookView, FillView, OrderView, TimerView, TradeView, Turn, View

# Bits of `wants`, and the callback numbers of `call`.
cdef enum CallbackCode:
    CALLBACK_START = 0
    CALLBACK_STOP = 1
    CALLBACK_BOOK = 2
    CALLBACK_TRADE = 3
    CALLBACK_BAR = 4
    CALLBACK_ORDER = 5
    CALLBACK_FILL = 6
    CALLBACK_TIMER = 7
    CALLBACK_AGG_TRADE = 8
    CALLBACK_KLINE = 9
    CALLBACK_TICKER = 10
    CALLBACK_MARK_PRICE = 11
    CALLBACK_FUNDING = 12
    CALLBACK_OPEN_INTEREST = 13
    CALLBACK_LONG_SHORT_RATIO = 14
    CALLBACK_LIQUIDATION = 15
    CALLBACK_INSTRUMENT = 16
    CALLBACK_PARENT = 17
    CALLBACK_COUNT = 18

cdef enum StrategyStatusCode:
    STRATEGY_STATUS_CREATED = 0
    STRATEGY_STATUS_RUNNING = 1
    STRATEGY_STATUS_PAUSED = 2
    STRATEGY_STATUS_DISABLED = 3
    STRATEGY_STATUS_STOPPED = 4

cdef class StrategyBase:
    cdef readonly str name
    cdef readonly uint16_t strategy_id
    cdef readonly tuple symbols
    cdef readonly uint16_t status         # StrategyStatusCode
    cdef uint32_t wants
    cdef bint is_in_callback
    cdef OrderDesk _desk
    cdef Turn _turn
    cdef Tables _tables
    cdef Journal _journal
    cdef TimerQueue _timers
    cdef BarBook _bars
    cdef dict _instrument_ids
    cdef dict _timer_data
    cdef list _held_timers                # came due while paused: (timer_id, deadline)
    cdef list _book_views
    cdef list _handlers
    cdef TradeView _trade_view
    cdef OrderView _order_view
    cdef FillView _fill_view
    cdef BarView _bar_view
    cdef TimerView _timer_view
    cdef list _event_views                # by callback: views of market statistics
    cdef int handle_start(self) except -1
    cdef int handle_stop(self) except -1
    cdef int handle_book(self, BookView book) except -1
    cdef int handle_trade(self, TradeView trade) except -1
    cdef int handle_bar(self, BarView bar) except -1
    cdef int handle_order(self, OrderView order) except -1
    cdef int handle_fill(self, FillView fill) except -1
    cdef int handle_timer(self, TimerView timer) except -1
    cdef int handle_event(self, int callback, View event) except -1   # CALLBACK_AGG_TRADE and behind
    cdef uint64_t ask(self, uint32_t instrument_id, uint8_t side, int64_t price_ticks, int64_t qty_lots, uint8_t order_type,
                      uint8_t time_in_force, uint16_t flags) except 0
    # for the runner
    cdef int attach(self, str name, uint16_t strategy_id, dict instrument_ids, OrderDesk desk, Turn turn, Tables tables,
                    Journal journal, TimerQueue timers, BarBook bars) except -1
    cdef int call(self, int callback, View view) except -1
    cdef BookView show_book(self, uint32_t instrument_id)
    cdef void drop_timers(self)
    cdef void write_state(self, uint16_t status, uint16_t reason, bytes text) noexcept
    cdef int _check_turn(self) except -1
    cdef uint32_t _instrument_id(self, object symbol) except 0
