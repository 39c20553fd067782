"""Timers on the monotonic clock: hierarchical wheels, ordered by deadline, then by the order of scheduling.

A wheel has 64 slots of 2^(6 n) ns; a slot holds a ring of timers in the order of scheduling, or a finer wheel. A timer goes into the
coarsest slot that is there for it, so scheduling looks at one slot a level. Only when a slot comes first and more than a few timers
stand in it are they cascaded into a wheel of its own, as fine as it takes to tell their deadlines apart: nothing ticks, and a jump of
virtual time over years costs what one over a millisecond does. In the finest wheel a slot is one nanosecond, so a timer fires at its
deadline exactly, and those of one deadline in the order of scheduling. Wheels are made where deadlines are, not where the clock is: one
that lies in the past, or before one that fired already, has its place like any other.

Ids count up from 1 whatever is popped or cancelled, so that a replay that calls in the same order gets the same ids. A timer is
found by its id in a hash table.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset
from posix.time cimport itimerspec
from posix.unistd cimport close, read

from engine.runtime.fields cimport checked_field

cdef extern from "<sys/timerfd.h>":
    int TFD_NONBLOCK
    int TFD_CLOEXEC
    int TFD_TIMER_ABSTIME
    int timerfd_create(int clock, int flags) nogil
    int timerfd_settime(int fd, int flags, const itimerspec* new_value, itimerspec* old_value) nogil

cdef extern from "<time.h>":
    int CLOCK_MONOTONIC

cdef extern from *:
    """
    #define TW_LOWEST_BIT(word) __builtin_ctzll(word)
    #define TW_HIGHEST_BIT(word) (63 - __builtin_clzll(word))
    """
    int TW_LOWEST_BIT(uint64_t) noexcept nogil
    int TW_HIGHEST_BIT(uint64_t) noexcept nogil

cdef enum:
    WHEEL = 0x80000000         # in a slot: a finer wheel
    NONE = 0xFFFFFFFF
    BITS = 6                   # of a deadline, told apart by one wheel
    CROWD = 8                  # timers of a slot that are looked through one by one
    CAPACITY_MAX = 1 << 28

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF


cdef inline uint64_t key_of(int64_t deadline_mono_ns) noexcept nogil:
    """Unsigned, in the same order."""
    return <uint64_t> deadline_mono_ns ^ (<uint64_t> 1 << 63)


cdef inline uint32_t slot_number(const Wheel* wheel, uint64_t key) noexcept nogil:
    return <uint32_t> (key >> wheel.shift) & 63


cdef inline bint covers(const Wheel* wheel, uint64_t key) noexcept nogil:
    """The wheel spans 2^(shift + 6) ns; in two steps, since the coarsest spans more than a word's bits can be shifted by."""
    return ((key ^ wheel.begin) >> wheel.shift) >> BITS == 0


cdef inline void set_span(Wheel* wheel, uint64_t key, uint32_t shift) noexcept nogil:
    """Let the wheel's slots be of 2^shift ns and one of them hold `key`."""
    wheel.shift = shift
    wheel.begin = key >> shift >> BITS << BITS << shift


cdef inline uint32_t home_of(uint32_t timer_id, int shift) noexcept nogil:
    """Ids stand one behind the other, so they are spread (by the golden ratio)."""
    return (timer_id * <uint32_t> 0x9E3779B9) >> shift


cdef inline uint32_t shift_that_parts(uint64_t difference) noexcept nogil:
    """Of the finest wheel in which two keys that differ so stand in different slots."""
    return <uint32_t> (TW_HIGHEST_BIT(difference | 1) // BITS * BITS)


cdef class TimerQueue:
    """Waiting timers. At most `capacity`: a strategy that leaks timers is told so instead of eating the memory."""

    def __cinit__(self, uint32_t capacity=65_536):
        if not 1 <= capacity <= CAPACITY_MAX:
            raise ValueError(f"a timer queue has room for at least one timer, and for at most {CAPACITY_MAX}")
        self._capacity = capacity
        self._free_node = self._free_wheel = self._first = NONE
        self._alarm_fd = -1
        self._armed_ns = NEVER

    def __dealloc__(self):
        free(self._nodes)
        free(self._wheels)
        free(self._places)
        # a capacity that is none ends before _alarm_fd is set: then it is 0, and not ours
        if self._capacity and self._alarm_fd >= 0:
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

    def schedule(self, int64_t deadline_mono_ns, object kind, object strategy_id=0, int64_t data=0) -> int:
        """Wait until `deadline_mono_ns`; returns the timer's id. Raises OverflowError when the queue is full, or kind
        or strategy_id are no 16 bits."""
        cdef uint16_t kind_bits = checked_field("kind", kind, 16), strategy_bits = checked_field("strategy_id", strategy_id, 16)
        cdef uint64_t timer_id = self.add(deadline_mono_ns, kind_bits, strategy_bits, data)
        if timer_id == 0:
            raise OverflowError(f"{self._capacity} timers are waiting: cancel timers that are no longer needed")
        return timer_id

    def cancel(self, uint64_t timer_id) -> bool:
        """Take a timer back; False when it has fired, was cancelled, or never was."""
        return self.drop(timer_id)

    @property
    def next_deadline_mono_ns(self) -> int | None:
        """Deadline of the earliest timer; None when none waits."""
        return self.next_deadline() if self._count else None

    def pop_due(self, int64_t now_mono_ns) -> tuple | None:
        """The earliest due timer as (timer_id, deadline_mono_ns, kind, strategy_id, data), or None. Call until None."""
        cdef TimerEntry entry
        if not self.pop(now_mono_ns, &entry):
            return None
        return entry.timer_id, entry.deadline_mono_ns, entry.kind, entry.strategy_id, entry.data

    cdef uint64_t add(self, int64_t deadline_mono_ns, uint16_t kind, uint16_t strategy_id, int64_t data) noexcept nogil:
        cdef uint32_t node
        if self._free_node == NONE and not self._grow():
            return 0
        node = self._free_node
        self._nodes[node].entry = TimerEntry(deadline_mono_ns, self._last_id + 1, data, kind, strategy_id, 0)
        if not self._hang(node):
            return 0
        self._last_id += 1
        self._count += 1
        self._note_place(node)
        # of two with one deadline the older stays the first
        if self._count == 1 or (self._first != NONE and deadline_mono_ns < self._nodes[self._first].entry.deadline_mono_ns):
            self._first = node
        if self._alarm_fd >= 0 and deadline_mono_ns < self._armed_ns:
            self._arm()
        return self._last_id

    cdef void _arm(self) noexcept nogil:
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

    cdef bint drop(self, uint64_t timer_id) noexcept nogil:
        cdef uint32_t place = self._place_of(timer_id)
        if place == NONE:
            return False
        self._remove(self._places[place].node - 1, place)
        return True

    cdef bint pop(self, int64_t now_mono_ns, TimerEntry* out) noexcept nogil:
        cdef uint32_t node = self._earliest()
        if node == NONE or self._nodes[node].entry.deadline_mono_ns > now_mono_ns:
            return False
        out[0] = self._nodes[node].entry
        self._remove(node, self._place_of(out.timer_id))
        return True

    cdef int64_t next_deadline(self) noexcept nogil:
        cdef uint32_t node = self._earliest()
        return NEVER if node == NONE else self._nodes[node].entry.deadline_mono_ns

    cdef void _remove(self, uint32_t node, uint32_t place) noexcept nogil:
        self._forget_place(place)
        self._unhang(node)
        self._nodes[node].next = self._free_node
        self._free_node = node
        self._count -= 1
        if self._first == node:
            self._first = NONE

    # -- the wheels ---------------------------------------------------------------------------------------------------

    cdef uint32_t* _slot_of(self, uint32_t wheel, uint64_t key) noexcept nogil:
        if wheel == NONE:
            return &self._root
        return &self._wheels[wheel].slots[slot_number(&self._wheels[wheel], key)]

    cdef bint _hang(self, uint32_t node) noexcept nogil:
        """Hang a timer, still on the list of free ones, into the finest slot that is there for it. False: no memory, nothing changed."""
        cdef uint64_t key = key_of(self._nodes[node].entry.deadline_mono_ns)
        cdef uint32_t wheel = NONE, finer, slot = self._root
        while slot & WHEEL:
            finer = slot ^ WHEEL
            if not covers(&self._wheels[finer], key):
                wheel = self._part(finer, key)
                if wheel == NONE:
                    return False
                break
            wheel = finer
            slot = self._wheels[wheel].slots[slot_number(&self._wheels[wheel], key)]
        self._free_node = self._nodes[node].next
        self._append(wheel, node)
        return True

    cdef uint32_t _part(self, uint32_t wheel, uint64_t key) noexcept nogil:
        """Put a wheel above `wheel` in which `key`, that it does not cover, has a slot of its own. NONE: no memory."""
        cdef uint64_t begin = self._wheels[wheel].begin
        cdef uint32_t above = self._wheels[wheel].parent
        cdef uint32_t between = self._make_wheel(key, shift_that_parts(key ^ begin), above)
        if between == NONE:
            return NONE
        self._slot_of(above, begin)[0] = between | WHEEL
        self._slot_of(between, begin)[0] = wheel | WHEEL
        self._wheels[between].occupied = <uint64_t> 1 << slot_number(&self._wheels[between], begin)
        self._wheels[wheel].parent = between
        return between

    cdef void _append(self, uint32_t wheel, uint32_t node) noexcept nogil:
        """The newest of its slot: what has one deadline stands in the order of scheduling."""
        cdef TimerNode* timer = &self._nodes[node]
        cdef uint64_t key = key_of(timer.entry.deadline_mono_ns)
        cdef uint32_t* slot = self._slot_of(wheel, key)
        cdef uint32_t head = slot[0] - 1, last
        timer.wheel = wheel
        if slot[0] == 0:
            timer.next = timer.previous = node
            slot[0] = node + 1
            if wheel != NONE:
                self._wheels[wheel].occupied |= <uint64_t> 1 << slot_number(&self._wheels[wheel], key)
            return
        last = self._nodes[head].previous
        timer.next, timer.previous = head, last
        self._nodes[last].next = self._nodes[head].previous = node

    cdef void _unhang(self, uint32_t node) noexcept nogil:
        cdef TimerNode* timer = &self._nodes[node]
        cdef uint64_t key = key_of(timer.entry.deadline_mono_ns)
        cdef uint32_t* slot
        if timer.next == node:
            self._empty_slot(timer.wheel, key)
            return
        self._nodes[timer.next].previous = timer.previous
        self._nodes[timer.previous].next = timer.next
        slot = self._slot_of(timer.wheel, key)
        if slot[0] == node + 1:
            slot[0] = timer.next + 1

    cdef void _empty_slot(self, uint32_t wheel, uint64_t key) noexcept nogil:
        """Nothing is left in the slot; a wheel that has no other goes with it."""
        cdef Wheel* emptied
        while True:
            self._slot_of(wheel, key)[0] = 0
            if wheel == NONE:
                return
            emptied = &self._wheels[wheel]
            emptied.occupied &= ~(<uint64_t> 1 << slot_number(emptied, key))
            if emptied.occupied:
                return
            emptied.slots[0] = self._free_wheel
            self._free_wheel = wheel
            wheel = emptied.parent

    cdef uint32_t _earliest(self) noexcept nogil:
        """Node of the earliest timer, NONE where none waits. Slots that come first are cascaded until few timers stand in them."""
        cdef uint32_t slot = self._root, wheel = NONE, node
        if self._first != NONE or self._count == 0:
            return self._first
        while True:
            while slot & WHEEL:
                wheel = slot ^ WHEEL
                slot = self._wheels[wheel].slots[TW_LOWEST_BIT(self._wheels[wheel].occupied)]
            if wheel != NONE and self._wheels[wheel].shift == 0:
                node = slot - 1
                break
            node = self._earliest_of(slot - 1)
            if node != NONE:
                break
            if not self._cascade(wheel, slot - 1):
                node = self._earliest_of_many(slot - 1)
                break
            slot = self._slot_of(wheel, key_of(self._nodes[slot - 1].entry.deadline_mono_ns))[0]
        self._first = node
        return node

    cdef uint32_t _earliest_of(self, uint32_t head) noexcept nogil:
        """The first in the ring from `head` on with the earliest deadline; NONE where a crowd stands in it."""
        cdef uint32_t best = head, node = self._nodes[head].next, count = 1
        cdef int64_t deadline_ns = self._nodes[head].entry.deadline_mono_ns
        while node != head:
            if count == CROWD:
                return NONE
            if self._nodes[node].entry.deadline_mono_ns < deadline_ns:
                best, deadline_ns = node, self._nodes[node].entry.deadline_mono_ns
            count += 1
            node = self._nodes[node].next
        return best

    cdef uint32_t _earliest_of_many(self, uint32_t head) noexcept nogil:
        """The same, however many they are."""
        cdef uint32_t best = head, node = self._nodes[head].next
        while node != head:
            if self._nodes[node].entry.deadline_mono_ns < self._nodes[best].entry.deadline_mono_ns:
                best = node
            node = self._nodes[node].next
        return best

    cdef bint _cascade(self, uint32_t wheel, uint32_t head) noexcept nogil:
        """Give the slot whose ring begins at `head` a wheel that tells its deadlines apart. False: no memory, it stays a ring."""
        cdef uint64_t key = key_of(self._nodes[head].entry.deadline_mono_ns)
        cdef uint32_t shift, finer
        cdef Wheel* made
        # one level down, and looked through once; only above all wheels is it not known how far apart the deadlines are
        shift = self._wheels[wheel].shift - BITS if wheel != NONE else shift_that_parts(self._difference(head))
        finer = self._make_wheel(key, shift, wheel)
        if finer == NONE:
            return False
        self._slot_of(wheel, key)[0] = finer | WHEEL
        self._spread(finer, head)
        made = &self._wheels[finer]
        if made.occupied & (made.occupied - 1) == 0 and made.shift:
            # they stand in one slot again: down to where they part
            made.slots[slot_number(made, key)] = 0
            made.occupied = 0
            set_span(made, key, shift_that_parts(self._difference(head)))
            self._spread(finer, head)
        return True

    cdef void _spread(self, uint32_t wheel, uint32_t head) noexcept nogil:
        """Hang every timer of the ring from `head` on into the wheel, in their order."""
        cdef uint32_t node = head, last = self._nodes[head].previous, following
        while True:
            following = self._nodes[node].next
            self._append(wheel, node)
            if node == last:
                return
            node = following

    cdef uint64_t _difference(self, uint32_t head) noexcept nogil:
        """The bits in which the deadlines of a ring differ."""
        cdef uint64_t key = key_of(self._nodes[head].entry.deadline_mono_ns), difference = 0
        cdef uint32_t node = self._nodes[head].next
        while node != head:
            difference |= key ^ key_of(self._nodes[node].entry.deadline_mono_ns)
            node = self._nodes[node].next
        return difference

    # -- their memory -------------------------------------------------------------------------------------------------

    cdef uint32_t _make_wheel(self, uint64_t key, uint32_t shift, uint32_t parent) noexcept nogil:
        """An empty wheel that covers `key`; NONE where there is no memory."""
        cdef Wheel* made
        cdef uint32_t index
        if self._free_wheel == NONE and not self._grow_wheels():
            return NONE
        index = self._free_wheel
        made = &self._wheels[index]
        self._free_wheel = made.slots[0]
        memset(made, 0, sizeof(Wheel))
        made.parent = parent
        set_span(made, key, shift)
        return index

    cdef bint _grow_wheels(self) noexcept nogil:
        cdef uint32_t room = self._wheel_room * 2 if self._wheel_room else 16, index
        cdef void* memory = realloc(self._wheels, room * sizeof(Wheel))
        if memory == NULL:
            return False
        self._wheels = <Wheel*> memory
        for index in range(self._wheel_room, room):
            self._wheels[index].slots[0] = index + 1 if index + 1 < room else <uint32_t> NONE
        self._free_wheel = self._wheel_room
        self._wheel_room = room
        return True

    cdef bint _grow(self) noexcept nogil:
        """Room for twice as many timers, up to the capacity; the table of ids is never more than half full."""
        cdef uint32_t room = min(max(self._room * 2, 64), self._capacity), index, before = self._room
        cdef int bits = 7
        cdef void* nodes
        cdef Place* places
        if room <= before:
            return False
        while (<uint64_t> 1 << bits) < <uint64_t> 2 * room:
            bits += 1
        places = <Place*> calloc(<size_t> 1 << bits, sizeof(Place))
        nodes = realloc(self._nodes, room * sizeof(TimerNode))
        if nodes != NULL:
            self._nodes = <TimerNode*> nodes
        if nodes == NULL or places == NULL:
            free(places)
            return False
        free(self._places)
        self._places = places
        self._place_shift = 32 - bits
        # it is called when no room is left: all of them wait
        for index in range(before):
            self._note_place(index)
        for index in range(before, room):
            self._nodes[index].next = index + 1 if index + 1 < room else <uint32_t> NONE
        self._free_node = before
        self._room = room
        return True

    # -- ids ----------------------------------------------------------------------------------------------------------

    cdef uint32_t _place_of(self, uint64_t timer_id) noexcept nogil:
        """Where the table names the timer, or NONE."""
        cdef uint32_t mask, place, node
        if self._count == 0:
            return NONE
        mask = (<uint32_t> 1 << (32 - self._place_shift)) - 1
        place = home_of(<uint32_t> timer_id, self._place_shift)
        while True:
            node = self._places[place].node
            if node == 0:
                return NONE
            # two ids 2^32 apart look alike in the table
            if self._places[place].timer_id == <uint32_t> timer_id and self._nodes[node - 1].entry.timer_id == timer_id:
                return place
            place = (place + 1) & mask

    cdef void _note_place(self, uint32_t node) noexcept nogil:
        cdef uint32_t mask = (<uint32_t> 1 << (32 - self._place_shift)) - 1
        cdef uint32_t timer_id = <uint32_t> self._nodes[node].entry.timer_id
        cdef uint32_t place = home_of(timer_id, self._place_shift)
        while self._places[place].node:
            place = (place + 1) & mask
        self._places[place] = Place(timer_id, node + 1)

    cdef void _forget_place(self, uint32_t place) noexcept nogil:
        """Empty it and move up what stands behind it only because it was taken."""
        cdef uint32_t mask = (<uint32_t> 1 << (32 - self._place_shift)) - 1, behind = place, home
        while True:
            behind = (behind + 1) & mask
            if self._places[behind].node == 0:
                break
            home = home_of(self._places[behind].timer_id, self._place_shift)
            if ((behind - home) & mask) >= ((behind - place) & mask):
                self._places[place] = self._places[behind]
                place = behind
        self._places[place].node = 0
