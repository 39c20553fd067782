"""The clock of the World: live, or virtual. The only place that asks the system what time it is."""
cimport cython
from libc.stdint cimport int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

cdef extern from "<x86intrin.h>":
    uint64_t __rdtsc() noexcept nogil

cdef enum:
    LAP_CYCLES_MAX = 1 << 22     # a lap longer than that (a millisecond or two) is asked of the system
    WALL_KEPT_NS = 1000000       # for so long the wall clock stands off the monotonic one as it was found
    LOOK_NS_MAX = 2000           # a look at both that took longer was interrupted and tells nothing of their distance

@cython.final
cdef class Clock:
    cdef bint is_virtual
    cdef int64_t virtual_mono_ns
    cdef int64_t virtual_wall_ns
    # Laps: the processor's counter beside the last `begin_ns`. `_scale`: nanoseconds per 2^32 cycles, 0 = not known (yet).
    cdef uint64_t _scale
    cdef uint64_t _begin_cycles
    cdef int64_t _begin_mono_ns
    # where the measurement of `_scale` that is under way began, and when it is due
    cdef uint64_t _scale_cycles
    cdef int64_t _scale_mono_ns
    cdef int64_t _scale_due_ns
    cdef bint _has_steady_cycles
    # the wall clock's distance from the monotonic one, and when it was looked at
    cdef int64_t _wall_offset_ns
    cdef int64_t _wall_mono_ns

    cdef inline int64_t mono_ns(self) noexcept nogil:
        cdef timespec now
        if self.is_virtual:
            return self.virtual_mono_ns
        clock_gettime(CLOCK_MONOTONIC, &now)
        return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec

    cdef inline int64_t wall_ns(self) noexcept nogil:
        cdef timespec now
        if self.is_virtual:
            return self.virtual_wall_ns
        clock_gettime(CLOCK_REALTIME, &now)
        return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec

    # `wall_ns` of what begins now, at `mono_ns`: asked of the system once a millisecond. In that time a clock that is steered moves half a
    # nanosecond at most, and one that is set is seen with the next look.
    cdef inline int64_t wall_at_ns(self, int64_t mono_ns) noexcept nogil:
        if self._wall_offset_ns == 0 or not 0 <= mono_ns - self._wall_mono_ns < WALL_KEPT_NS:
            return self._look_at_wall(mono_ns)
        return mono_ns + self._wall_offset_ns

    # `mono_ns` for what begins an input's way through the stages; its laps are read more cheaply.
    cdef inline int64_t begin_ns(self) noexcept nogil:
        cdef int64_t now_ns = self.mono_ns()
        if self._has_steady_cycles:
            self._begin_cycles = __rdtsc()
            self._begin_mono_ns = now_ns
            if now_ns >= self._scale_due_ns:
                self._measure_scale()
        return now_ns

    # `mono_ns` while an input is under way, from the processor's counter: a third of the price, right to a few nanoseconds.
    cdef inline int64_t lap_ns(self) noexcept nogil:
        cdef uint64_t cycles
        if self._scale != 0:
            cycles = __rdtsc() - self._begin_cycles
            if cycles < LAP_CYCLES_MAX:
                return self._begin_mono_ns + <int64_t> (cycles * self._scale >> 32)
        return self.mono_ns()

    cdef void _measure_scale(self) noexcept nogil
    cdef int64_t _look_at_wall(self, int64_t mono_ns) noexcept nogil
    # A virtual clock, put where a recorded one stood; the wall may go back.
    cdef void stand_at(self, int64_t wall_ns, int64_t mono_ns) noexcept nogil
