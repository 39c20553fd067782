"""What a strategy is shown: reused views that read the engine's memory and die with the callback."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.model.bookreader cimport BookReader
from engine.model.records cimport Conditions, FillPayload, OrderStatePayload, RecordHeader, TradePayload
from engine.model.tables cimport MarketState, Tables

cdef enum:
    VIEW_DEPTH_MAX = 1024

# One turn = one callback. `number` grows with every callback; a view given out in another turn is stale.
cdef class Turn:
    cdef uint64_t number
    cdef uint64_t seq            # record that the callback is about; cause of what the strategy does in it
    cdef int64_t wall_ns
    cdef int64_t mono_ns
    cdef Tables tables
    cdef BookReader reader
    cdef list symbols
    cdef str symbol(self, uint32_t instrument_id)
    cdef object price(self, uint32_t instrument_id, int64_t price_ticks)
    cdef object quantity(self, uint32_t instrument_id, int64_t qty_lots)

cdef class View:
    cdef Turn _turn
    cdef uint64_t _number
    cdef uint32_t _instrument_id
    cdef uint64_t _seq
    cdef int64_t _wall_ns
    cdef void show(self, uint32_t instrument_id) noexcept
    cdef int _check(self) except -1

@cython.final
cdef class BookView(View):
    cdef MarketState* _market(self) except NULL
    cdef list _levels(self, int side, int depth)

@cython.final
cdef class TradeView(View):
    cdef TradePayload* _trade
    cdef TradePayload* _read(self) except NULL

@cython.final
cdef class OrderView(View):
    cdef OrderStatePayload* _order
    cdef OrderStatePayload* _read(self) except NULL
    cdef uint64_t _handle

@cython.final
cdef class FillView(View):
    cdef FillPayload* _fill
    cdef FillPayload* _read(self) except NULL
    cdef uint64_t _handle

cdef struct Bar:
    int64_t open_wall_ns
    int64_t close_wall_ns
    int64_t open_ticks
    int64_t high_ticks
    int64_t low_ticks
    int64_t close_ticks
    int64_t volume_lots
    int64_t buy_volume_lots
    int64_t quote_value_e8
    int64_t count

@cython.final
cdef class BarView(View):
    cdef Bar* _bar
    cdef Bar* _read(self) except NULL
    cdef int64_t _interval_ns

@cython.final
cdef class TimerView(View):
    cdef uint64_t _timer_id
    cdef int64_t _deadline_mono_ns
    cdef object _data

# One order of a strategy as the runner keeps it: not a view, it stays readable after the callback and is updated in place.
cdef class WorkingOrder:
    cdef readonly uint64_t handle
    cdef readonly uint32_t instrument_id
    cdef readonly str symbol
    cdef readonly uint8_t side
    cdef readonly uint8_t order_type
    cdef readonly uint8_t time_in_force
    cdef readonly uint8_t state
    cdef readonly bint cancel_requested
    cdef readonly bint is_ended
    cdef readonly int64_t price_ticks
    cdef readonly int64_t qty_lots
    cdef readonly int64_t cum_qty_lots
    cdef readonly uint64_t replaces
    cdef readonly uint16_t strategy_id
    cdef readonly uint16_t flags
    cdef readonly bint is_staged          # the execution stage's: changes go through it
    cdef readonly bint is_child           # of an instruction: a cancel of everything leaves it to its parent
    cdef readonly int64_t trigger_ticks
    cdef readonly int64_t expire_ns
    cdef readonly uint8_t position_side
    cdef readonly bint is_triggered
    cdef readonly uint64_t list_handle
    cdef readonly uint8_t list_size
    cdef bint has_conditions
    cdef Conditions conditions
    cdef void* before                     # neighbours in `OwnOrders`, borrowed
    cdef void* behind
