"""Timers on the monotonic clock: a binary heap ordered by deadline, then by the order of scheduling.

Ids count up from 1 whatever is popped or cancelled, so that a replay that calls in the same order gets the same ids.
Cancelling searches the heap: timers are few (strategies' refreshes, bars), and a search of 1,000 entries costs under 1 us.
"""
from libc.stdlib cimport free, realloc
from posix.time cimport itimerspec
from posix.unistd cimport close, read

cdef extern from "<sys/timerfd.h>":
    int TFD_NONBLOCK
    int TFD_CLOEXEC
    int TFD_TIMER_ABSTIME
    int timerfd_create(int clock, int flags) nogil
    int timerfd_settime(int fd, int flags, const itimerspec* new_value, itimerspec* old_value) nogil

cdef extern from "<time.h>":
    int CLOCK_MONOTONIC

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF


cdef inline bint earlier(const TimerEntry* left, const TimerEntry* right) noexcept nogil:
    if left.deadline_mono_ns != right.deadline_mono_ns:
        return left.deadline_mono_ns < right.deadline_mono_ns
    return left.timer_id < right.timer_id


cdef class TimerQueue:
    """Waiting timers. At most `capacity`: a strategy that leaks timers is told so instead of eating the memory."""

    def __cinit__(self, uint32_t capacity=65_536):
        if capacity == 0:
            raise ValueError("a timer queue has room for at least one timer")
        self._capacity = capacity
        self._alarm_fd = -1
        self._armed_ns = NEVER

    def __dealloc__(self):
        free(self._heap)
        if self._alarm_fd >= 0:
            close(self._alarm_fd)

    def open_alarm(self) -> int:
        """A descriptor that becomes readable when the earliest timer is due (timerfd, monotonic clock). For the live loop."""
        if self._alarm_fd < 0:
            self._alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
            if self._alarm_fd < 0:
                raise OSError("no timer descriptor: the process has too many open files")
            self._arm()
        return self._alarm_fd

    def acknowledge(self) -> None:
        """Take the alarm; pop what is due, then call `rearm`."""
        cdef uint64_t expirations
        self._armed_ns = NEVER
        if self._alarm_fd >= 0:
            read(self._alarm_fd, &expirations, sizeof(expirations))

    def rearm(self) -> None:
        """Set the alarm to the earliest timer that waits."""
        self._arm()

    def __len__(self) -> int:
        return self._count

    def schedule(self, int64_t deadline_mono_ns, int kind, int strategy_id=0, int64_t data=0) -> int:
        """Wait until `deadline_mono_ns`; returns the timer's id. Raises OverflowError when the queue is full."""
        cdef uint64_t timer_id = self.add(deadline_mono_ns, kind, strategy_id, data)
        if timer_id == 0:
            raise OverflowError(f"{self._capacity} timers are waiting: cancel timers that are no longer needed")
        return timer_id

    def cancel(self, uint64_t timer_id) -> bool:
        """Take a timer back; False when it has fired, was cancelled, or never was."""
        return self.drop(timer_id)

    @property
    def next_deadline_mono_ns(self) -> int | None:
        """Deadline of the earliest timer; None when none waits."""
        return self._heap[0].deadline_mono_ns if self._count else None

    def pop_due(self, int64_t now_mono_ns) -> tuple | None:
        """The earliest due timer as (timer_id, deadline_mono_ns, kind, strategy_id, data), or None. Call until None."""
        cdef TimerEntry entry
        if not self.pop(now_mono_ns, &entry):
            return None
        return entry.timer_id, entry.deadline_mono_ns, entry.kind, entry.strategy_id, entry.data

    cdef uint64_t add(self, int64_t deadline_mono_ns, uint16_t kind, uint16_t strategy_id, int64_t data) noexcept:
        if self._count == self._room and not self._grow():
            return 0
        self._last_id += 1
        self._heap[self._count] = TimerEntry(deadline_mono_ns, self._last_id, data, kind, strategy_id, 0)
        self._count += 1
        self._sift_up(self._count - 1)
        if self._alarm_fd >= 0 and self._heap[0].deadline_mono_ns < self._armed_ns:
            self._arm()
        return self._last_id

    cdef void _arm(self) noexcept:
        """A system call, so only when the earliest deadline moved forward; an alarm for a dropped timer wakes for nothing."""
        cdef itimerspec when
        cdef int64_t deadline_ns = self.next_deadline()
        if self._alarm_fd < 0 or deadline_ns == NEVER:
            return
        self._armed_ns = deadline_ns
        when.it_interval.tv_sec = when.it_interval.tv_nsec = 0
        # an absolute time of 0 would disarm it
        when.it_value.tv_sec = max(deadline_ns, 1) // 1_000_000_000
        when.it_value.tv_nsec = max(deadline_ns, 1) % 1_000_000_000
        timerfd_settime(self._alarm_fd, TFD_TIMER_ABSTIME, &when, NULL)

    cdef bint drop(self, uint64_t timer_id) noexcept:
        cdef uint32_t place
        for place in range(self._count):
            if self._heap[place].timer_id == timer_id:
                self._remove(place)
                return True
        return False

    cdef bint pop(self, int64_t now_mono_ns, TimerEntry* out) noexcept:
        if self._count == 0 or self._heap[0].deadline_mono_ns > now_mono_ns:
            return False
        out[0] = self._heap[0]
        self._remove(0)
        return True

    cdef int64_t next_deadline(self) noexcept:
        return self._heap[0].deadline_mono_ns if self._count else NEVER

    cdef bint _grow(self) noexcept:
        cdef uint32_t room = min(max(self._room * 2, 64), self._capacity)
        cdef void* memory
        if room <= self._room:
            return False
        memory = realloc(self._heap, room * sizeof(TimerEntry))
        if memory == NULL:
            return False
        self._heap = <TimerEntry*> memory
        self._room = room
        return True

    cdef void _sift_up(self, uint32_t place) noexcept:
        cdef TimerEntry entry = self._heap[place]
        cdef uint32_t parent
        while place > 0:
            parent = (place - 1) // 2
            if not earlier(&entry, &self._heap[parent]):
                break
            self._heap[place] = self._heap[parent]
            place = parent
        self._heap[place] = entry

    cdef void _sift_down(self, uint32_t place) noexcept:
        cdef TimerEntry entry = self._heap[place]
        cdef uint32_t child
        while True:
            child = 2 * place + 1
            if child >= self._count:
                break
            if child + 1 < self._count and earlier(&self._heap[child + 1], &self._heap[child]):
                child += 1
            if not earlier(&self._heap[child], &entry):
                break
            self._heap[place] = self._heap[child]
            place = child
        self._heap[place] = entry

    cdef void _remove(self, uint32_t place) noexcept:
        self._count -= 1
        if place == self._count:
            return
        self._heap[place] = self._heap[self._count]
        self._sift_down(place)
        self._sift_up(place)
