"""The traders of the generated market as compiled classes; see `engine.sim.agents`."""
from libc.stdint cimport int64_t, uint64_t
from engine.book.matching cimport MatchingEngine
from engine.sim.seeded cimport SeededRandom

cdef class Regime:
    cdef tuple states
    cdef SeededRandom dice
    cdef int64_t until_ns
    cdef readonly double multiplier
    cpdef step(self, int64_t now_ns)

cdef class Scene:
    cdef readonly object floor
    cdef readonly object listing
    cdef readonly double home
    cdef public double fair
    cdef public double anchor
    cdef readonly double half_spread
    cdef readonly double mean_lots
    cdef readonly double rate
    cdef readonly Regime mood
    cdef readonly Regime volatility
    cdef readonly int64_t ticks_max
    cdef MatchingEngine engine
    cdef int64_t index
    cdef double mid(self) except? -1
    cdef int64_t tick(self, double price) noexcept

cdef class Agent:
    cdef readonly Scene scene
    cdef readonly int64_t owner
    cdef readonly SeededRandom dice
    cdef double per_second
    cpdef act(self, int64_t now_ns)
    cpdef int64_t delay_ns(self) except? -1
    cdef tuple place(self, int side, double price, double lots, int64_t now_ns)
    cdef int operate(self, int kind, int side, int tif, uint64_t order_id, int64_t price, int64_t lots, int64_t now_ns) except -1
    cdef int withdraw(self, object order_id, int64_t now_ns) except -1
    cdef bint is_resting(self, uint64_t order_id) noexcept
    cdef int take(self, int side, double lots, int64_t now_ns) except -1
