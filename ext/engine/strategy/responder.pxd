"""A compiled strategy that answers book events with orders: what `bench/` measures the path with."""
from libc.stdint cimport uint8_t, int64_t, uint32_t, uint64_t

from engine.strategy.base cimport StrategyBase

cdef class Responder(StrategyBase):
    cdef readonly int64_t qty_lots
    cdef readonly int64_t behind_ticks
    cdef readonly uint32_t every
    cdef readonly uint8_t time_in_force
    cdef readonly uint64_t answered
    cdef uint64_t _events
    cdef uint64_t _handle
