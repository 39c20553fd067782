"""The core's state as checksums by section: what stands in a STATE_HASH record."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.book.ladder cimport LadderSide
from engine.book.stage cimport BookStage
from engine.execution.stage cimport ExecutionStage
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister
from engine.model.funding cimport FundingBook
from engine.model.tables cimport Tables
from engine.oms.positions cimport PositionBook
from engine.oms.trades cimport TradeSet
from engine.risk.gate cimport RiskGate
from engine.risk.monitor cimport Measure, RiskMonitor
from engine.runtime.timers cimport TimerQueue
from engine.strategy.own_orders cimport OwnOrders
from engine.strategy.runner cimport StrategyRunner

cdef class CoreState:
    cdef Journal journal
    cdef Tables tables
    cdef ApprovalRegister register
    cdef BookStage book
    cdef RiskMonitor monitor
    cdef RiskGate gate
    cdef StrategyRunner strategies
    cdef ExecutionStage execution
    cdef TimerQueue timers
    cdef list lines                   # (venue id, Oms)
    cdef uint32_t crc
    cdef uint64_t byte_count
    cdef void put(self, const void* data, uint64_t size) noexcept nogil
    cdef void number(self, int64_t value) noexcept nogil
    cdef void text(self, bytes text)
    cdef void _ladder(self, const LadderSide* side) noexcept nogil
    cdef void _funding(self, FundingBook book)
    cdef void _trades(self, TradeSet trades)
    cdef void _book_of(self, PositionBook book)
    cdef void _measure(self, const Measure* row) noexcept nogil
    cdef void _own_orders(self, OwnOrders orders)
