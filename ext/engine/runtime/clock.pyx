"""The clock of the World: see clock.pxd.

A stage's latency is the difference of two readings a microsecond apart. clock_gettime costs 23 ns, and five stages of an order's way
read it; the time-stamp counter costs 10. Where the processor says that its counter is steady ("invariant TSC"), its rate against the
monotonic clock is measured anew every second, and laps of at most a millisecond are told by it.
"""
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #include <cpuid.h>
    /* AMD64 and Intel 64: leaf 0x80000007, EDX bit 8: the counter runs at one rate in every state */
    static int tw_has_steady_cycles(void) {
        unsigned a, b, c, d;
        return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
    }
    static inline unsigned long long tw_scale(long long ns, unsigned long long cycles) {
        unsigned __int128 scaled = (unsigned __int128)ns << 32;
        return cycles ? (unsigned long long)(scaled / cycles) : 0;
    }
    """
    bint tw_has_steady_cycles() noexcept nogil
    unsigned long long tw_scale(long long ns, unsigned long long cycles) noexcept nogil

cdef int64_t FIRST_SCALE_NS = 10_000_000
cdef int64_t SCALE_NS = 1_000_000_000


cdef class Clock:
    """System clock, or - made by `virtual` - one that stands until it is moved. Nanoseconds."""

    def __cinit__(self):
        self._has_steady_cycles = tw_has_steady_cycles()

    @staticmethod
    def virtual(int64_t wall_ns=1_700_000_000_000_000_000, int64_t mono_ns=1_000_000_000) -> "Clock":
        cdef Clock clock = Clock()
        clock.is_virtual = True
        clock._has_steady_cycles = False
        clock.virtual_wall_ns = wall_ns
        clock.virtual_mono_ns = mono_ns
        return clock

    cdef void _measure_scale(self) noexcept nogil:
        """The counter's rate since the last measurement; a rate that no processor has (a counter that was reset) is none."""
        cdef int64_t elapsed_ns = self._begin_mono_ns - self._scale_mono_ns
        cdef bint is_first = self._scale_due_ns == 0
        self._scale = 0 if is_first else tw_scale(elapsed_ns, self._begin_cycles - self._scale_cycles)
        # 0.25 to 16 GHz; a product of the longest lap and the scale stays within 64 bits
        if not 1 << 28 <= self._scale <= <uint64_t> 1 << 34:
            self._scale = 0
        self._scale_cycles = self._begin_cycles
        self._scale_mono_ns = self._begin_mono_ns
        self._scale_due_ns = self._begin_mono_ns + (FIRST_SCALE_NS if self._scale == 0 else SCALE_NS)

    cdef int64_t _look_at_wall(self, int64_t mono_ns) noexcept nogil:
        """The wall clock now; its distance from `mono_ns` is kept where nothing came between the two. Never of a virtual clock."""
        cdef int64_t wall_ns = self.wall_ns()
        self._wall_offset_ns = 0
        if not self.is_virtual and 0 <= self.lap_ns() - mono_ns <= LOOK_NS_MAX:
            self._wall_mono_ns = mono_ns
            self._wall_offset_ns = wall_ns - mono_ns
        return wall_ns

    cdef void stand_at(self, int64_t wall_ns, int64_t mono_ns) noexcept nogil:
        if self.is_virtual:
            self.virtual_wall_ns = wall_ns
            self.virtual_mono_ns = mono_ns

    def monotonic_ns(self) -> int:
        return self.mono_ns()

    def time_ns(self) -> int:
        return self.wall_ns()

    def time_at(self, int64_t mono_ns) -> int:
        """What `wall_at_ns` tells (tests)."""
        return self.wall_at_ns(mono_ns)

    def begin(self) -> int:
        """`monotonic_ns` at the beginning of an input's way through the stages (tests)."""
        return self.begin_ns()

    def lap(self) -> int:
        """What `lap_ns` tells: the monotonic clock by the processor's counter (tests)."""
        return self.lap_ns()

    def advance(self, int64_t delta_ns) -> None:
        """Move a virtual clock forward."""
        if not self.is_virtual or delta_ns < 0:
            raise ValueError("only a virtual clock is moved, and only forward")
        self.virtual_mono_ns += delta_ns
        self.virtual_wall_ns += delta_ns

    def step_wall(self, int64_t delta_ns) -> None:
        """Step the wall clock of a virtual clock (a correction, a leap second); the monotonic one stays."""
        if not self.is_virtual:
            raise ValueError("only a virtual clock is stepped")
        self.virtual_wall_ns += delta_ns
