"""Loops over rings and timers without Python between their steps: for benchmarks and for tests of two processes at full speed."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from engine.model.descriptor cimport Descriptor
from engine.runtime.ring cimport Ring, TwSlot, tw_ring_copy
from engine.runtime.timers cimport TimerEntry, TimerQueue

cdef extern from *:
    """
    #include <immintrin.h>
    #include <sched.h>
    /* a short spin keeps the other side's line quiet; then the core is given away, which a machine with fewer cores than sides needs */
    static inline int tw_wait_turn(int spins) {
        if (spins < 1000) _mm_pause(); else sched_yield();
        return spins + 1;
    }
    """
    int tw_wait_turn(int) noexcept nogil

cdef enum:
    SPINS_MAX = 2_000_000_000   # some minutes: the other side is dead


cdef inline uint64_t mixed(uint64_t number) noexcept nogil:
    """A word that follows from its number (splitmix64)."""
    number += <uint64_t> 0x9E3779B97F4A7C15
    number = (number ^ (number >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    number = (number ^ (number >> 27)) * <uint64_t> 0x94D049BB133111EB
    return number ^ (number >> 31)


# --- rings --------------------------------------------------------------------------------------------------------------------


def ring_copied(Ring ring not None, uint64_t count) -> int:
    """Push and take `count` descriptors one by one, copied in and out, in one thread; returns the sum of their numbers."""
    cdef Descriptor item, taken
    cdef Descriptor* slot
    cdef uint64_t number, total = 0
    memset(&item, 0, sizeof(Descriptor))
    with nogil:
        for number in range(count):
            item.seq = number
            ring.push(&item)
            slot = ring.peek()
            if slot != NULL:
                tw_ring_copy(<TwSlot*> &taken, slot)
                ring.release()
                total += taken.seq
    return total


def ring_claimed(Ring ring not None, uint64_t count, uint64_t batch) -> int:
    """The same in batches: claimed and filled in place (number and kind), read in place. `batch` must fit into the ring."""
    cdef Descriptor* slots
    cdef uint64_t number = 0, granted, place, total = 0
    if not 1 <= batch <= ring.capacity:
        raise ValueError(f"a batch of {batch} does not fit into {ring.capacity} slots")
    with nogil:
        while number < count:
            granted = ring.claim_many(min(batch, count - number), &slots)
            for place in range(granted):
                slots[place].seq = number + place
                slots[place].kind = 1
            ring.publish_many(granted)
            number += granted
            granted = ring.peek_many(&slots)
            for place in range(granted):
                total += slots[place].seq
            ring.release_many(granted)
    return total


def ring_send(Ring ring not None, uint64_t first, uint64_t count) -> int:
    """Publish slots of eight words that follow from their number, from `first` on, waiting for room; returns how many were published."""
    cdef Descriptor* slots
    cdef uint64_t sent = 0, granted, place
    cdef uint32_t word
    cdef int spins
    with nogil:
        while sent < count:
            spins = 0
            granted = ring.claim_many(min(count - sent, 32), &slots)
            while granted == 0 and spins < SPINS_MAX:
                spins = tw_wait_turn(spins)
                granted = ring.claim_many(min(count - sent, 32), &slots)
            if granted == 0:
                break
            for place in range(granted):
                for word in range(8):
                    (<TwSlot*> slots)[place].word[word] = mixed((first + sent + place) * 8 + word)
            ring.publish_many(granted)
            sent += granted
    return sent


def ring_receive(Ring ring not None, uint64_t first, uint64_t count) -> int:
    """Take `count` slots of `ring_send`, waiting for them; returns how many came whole and in order (the first that is not ends it)."""
    cdef Descriptor* slots
    cdef uint64_t taken = 0, waiting, place
    cdef uint32_t word
    cdef int spins
    cdef bint whole = True
    with nogil:
        while taken < count and whole:
            spins = 0
            waiting = ring.peek_many(&slots)
            while waiting == 0 and spins < SPINS_MAX:
                spins = tw_wait_turn(spins)
                waiting = ring.peek_many(&slots)
            waiting = min(waiting, count - taken)
            if waiting == 0:
                break
            for place in range(waiting):
                for word in range(8):
                    whole = whole and (<TwSlot*> slots)[place].word[word] == mixed((first + taken + place) * 8 + word)
                if not whole:
                    waiting = place
                    break
            ring.release_many(waiting)
            taken += waiting
    return taken


def ring_stream(Ring ring not None, uint64_t count) -> None:
    """Publish `count` descriptors one by one, copied, waiting for room (the other side of `ring_drain`)."""
    cdef Descriptor item
    cdef uint64_t number
    cdef int spins
    memset(&item, 0, sizeof(Descriptor))
    with nogil:
        for number in range(count):
            item.seq = number
            spins = 0
            while not ring.push(&item) and spins < SPINS_MAX:
                spins = tw_wait_turn(spins)


def ring_drain(Ring ring not None, uint64_t count) -> int:
    """Take `count` descriptors as they come, in batches as they wait; returns the sum of their numbers."""
    cdef Descriptor* slots
    cdef uint64_t taken = 0, waiting, place, total = 0
    cdef int spins
    with nogil:
        while taken < count:
            spins = 0
            waiting = ring.peek_many(&slots)
            while waiting == 0 and spins < SPINS_MAX:
                spins = tw_wait_turn(spins)
                waiting = ring.peek_many(&slots)
            if waiting == 0:
                break
            for place in range(waiting):
                total += slots[place].seq
            ring.release_many(waiting)
            taken += waiting
    return total


# --- timers -------------------------------------------------------------------------------------------------------------------


def timers_canceled(TimerQueue queue not None, int64_t now_ns, int64_t span_ns, uint64_t count) -> int:
    """Schedule a timer within `span_ns` from now and take it back, `count` times; returns how many were there to be taken back."""
    cdef uint64_t number, timer_id, dropped = 0
    with nogil:
        for number in range(count):
            timer_id = queue.add(now_ns + <int64_t> (mixed(number) % <uint64_t> span_ns), 1, 0, 0)
            dropped += queue.drop(timer_id)
    return dropped


def timers_fired(TimerQueue queue not None, int64_t now_ns, int64_t span_ns, uint64_t count) -> int:
    """Let the earliest fire and schedule another within `span_ns` from then, `count` times; returns the time it is then."""
    cdef uint64_t number
    cdef TimerEntry due
    with nogil:
        for number in range(count):
            if not queue.pop(queue.next_deadline(), &due):
                break
            now_ns = due.deadline_mono_ns
            queue.add(now_ns + 1 + <int64_t> (mixed(number ^ <uint64_t> now_ns) % <uint64_t> span_ns), 1, 0, 0)
    return now_ns


def timers_filled(TimerQueue queue not None, int64_t now_ns, int64_t span_ns, uint64_t count) -> None:
    """Schedule `count` timers within `span_ns` from now."""
    cdef uint64_t number
    with nogil:
        for number in range(count):
            queue.add(now_ns + <int64_t> (mixed(number) % <uint64_t> span_ns), 1, 0, 0)
