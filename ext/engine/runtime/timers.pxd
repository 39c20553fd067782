"""Timers on the monotonic clock, earliest first: a step of the wall clock moves none of them."""
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef struct TimerEntry:
    int64_t deadline_mono_ns
    uint64_t timer_id
    int64_t data
    uint16_t kind
    uint16_t strategy_id
    uint32_t pad

# A waiting timer: its entry, its neighbours in the ring of its slot (or the next free one), and the wheel it hangs on.
cdef struct TimerNode:
    TimerEntry entry
    uint32_t next
    uint32_t previous
    uint32_t wheel
    uint32_t pad

# Where an id is found: its low half, and the node + 1 (0: nothing).
cdef struct Place:
    uint32_t timer_id
    uint32_t node

# 64 slots of 2^shift ns each, from `begin` on. A slot holds 0 (nothing), the oldest timer of a ring + 1, or a finer wheel | WHEEL.
cdef struct Wheel:
    uint64_t occupied
    uint64_t begin
    uint32_t shift
    uint32_t parent
    uint32_t slots[64]

@cython.final
cdef class TimerQueue:
    cdef TimerNode* _nodes
    cdef Wheel* _wheels
    cdef Place* _places           # by the hash of the id
    cdef uint32_t _root
    cdef uint32_t _first          # node of the earliest timer, or NONE where it has to be looked for
    cdef uint32_t _count
    cdef uint32_t _room
    cdef uint32_t _capacity
    cdef uint32_t _free_node
    cdef uint32_t _free_wheel
    cdef uint32_t _wheel_room
    cdef int _place_shift
    cdef uint64_t _last_id
    cdef int _alarm_fd
    cdef int64_t _armed_ns
    # Schedule; the id counts from 1 and is never used twice. 0 = the queue is full (`capacity` timers wait).
    cdef uint64_t add(self, int64_t deadline_mono_ns, uint16_t kind, uint16_t strategy_id, int64_t data) noexcept nogil
    # Take back one timer; False when it is no longer waiting.
    cdef bint drop(self, uint64_t timer_id) noexcept nogil
    # Move the earliest timer with deadline <= now into `out`; False when none is due.
    cdef bint pop(self, int64_t now_mono_ns, TimerEntry* out) noexcept nogil
    # Deadline of the earliest timer, or INT64_MAX.
    cdef int64_t next_deadline(self) noexcept nogil
    cdef void _arm(self) noexcept nogil
    # -- the wheels
    cdef uint32_t* _slot_of(self, uint32_t wheel, uint64_t key) noexcept nogil
    cdef bint _hang(self, uint32_t node) noexcept nogil
    cdef uint32_t _part(self, uint32_t wheel, uint64_t key) noexcept nogil
    cdef void _append(self, uint32_t wheel, uint32_t node) noexcept nogil
    cdef void _unhang(self, uint32_t node) noexcept nogil
    cdef void _empty_slot(self, uint32_t wheel, uint64_t key) noexcept nogil
    cdef uint32_t _earliest(self) noexcept nogil
    cdef uint32_t _earliest_of(self, uint32_t head) noexcept nogil
    cdef uint32_t _earliest_of_many(self, uint32_t head) noexcept nogil
    cdef bint _cascade(self, uint32_t wheel, uint32_t head) noexcept nogil
    cdef void _spread(self, uint32_t wheel, uint32_t head) noexcept nogil
    cdef uint64_t _difference(self, uint32_t head) noexcept nogil
    # -- their memory
    cdef uint32_t _make_wheel(self, uint64_t key, uint32_t shift, uint32_t parent) noexcept nogil
    cdef bint _grow_wheels(self) noexcept nogil
    cdef bint _grow(self) noexcept nogil
    # -- ids
    cdef uint32_t _place_of(self, uint64_t timer_id) noexcept nogil
    cdef void _note_place(self, uint32_t node) noexcept nogil
    cdef void _forget_place(self, uint32_t place) noexcept nogil
    cdef void _remove(self, uint32_t node, uint32_t place) noexcept nogil
