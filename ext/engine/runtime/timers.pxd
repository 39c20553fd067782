"""Timers on the monotonic clock, earliest first: a step of the wall clock moves none of them."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef struct TimerEntry:
    int64_t deadline_mono_ns
    uint64_t timer_id
    int64_t data
    uint16_t kind
    uint16_t strategy_id
    uint32_t pad

cdef class TimerQueue:
    cdef TimerEntry* _heap
    cdef uint32_t _count
    cdef uint32_t _room
    cdef uint32_t _capacity
    cdef uint64_t _last_id
    cdef int _alarm_fd
    cdef int64_t _armed_ns
    # Schedule; the id counts from 1 and is never used twice. 0 = the queue is full (`capacity` timers wait).
    cdef uint64_t add(self, int64_t deadline_mono_ns, uint16_t kind, uint16_t strategy_id, int64_t data) noexcept
    # Take back one timer; False when it is no longer waiting.
    cdef bint drop(self, uint64_t timer_id) noexcept
    # Move the earliest timer with deadline <= now into `out`; False when none is due.
    cdef bint pop(self, int64_t now_mono_ns, TimerEntry* out) noexcept
    # Deadline of the earliest timer, or INT64_MAX.
    cdef int64_t next_deadline(self) noexcept
    cdef void _arm(self) noexcept
    cdef bint _grow(self) noexcept
    cdef void _sift_up(self, uint32_t place) noexcept
    cdef void _sift_down(self, uint32_t place) noexcept
    cdef void _remove(self, uint32_t place) noexcept
