"""The clock of the World: the only place that asks the system what time it is."""
from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec


cdef class Clock:
    """System clock, or - made by `virtual` - one that stands until it is moved. Nanoseconds."""

    @staticmethod
    def virtual(int64_t wall_ns=1_700_000_000_000_000_000, int64_t mono_ns=1_000_000_000) -> "Clock":
        cdef Clock clock = Clock()
        clock.is_virtual = True
        clock.virtual_wall_ns = wall_ns
        clock.virtual_mono_ns = mono_ns
        return clock

    cdef int64_t mono_ns(self) noexcept nogil:
        cdef timespec now
        if self.is_virtual:
            return self.virtual_mono_ns
        clock_gettime(CLOCK_MONOTONIC, &now)
        return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec

    cdef int64_t wall_ns(self) noexcept nogil:
        cdef timespec now
        if self.is_virtual:
            return self.virtual_wall_ns
        clock_gettime(CLOCK_REALTIME, &now)
        return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec

    def monotonic_ns(self) -> int:
        return self.mono_ns()

    def time_ns(self) -> int:
        return self.wall_ns()

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
