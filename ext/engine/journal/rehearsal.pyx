"""Appends to a journal one by one with the time that each took: for benchmarks."""
from libc.stdint cimport uint32_t, uint64_t

from engine.journal.journal cimport Journal
from engine.model.records cimport RecordHeader

cdef extern from *:
    """
    #include <x86intrin.h>
    static inline uint64_t tw_ticks(void) { unsigned int core; return __rdtscp(&core); }
    """
    uint64_t tw_ticks() noexcept nogil

cdef enum:
    HEADER_BYTES = 80


def read_ticks() -> int:
    """The processor's counter."""
    return tw_ticks()


def append_paced(Journal journal not None, int lane, int kind, uint32_t payload_bytes, uint64_t pause_ticks, uint32_t burst,
                 uint64_t[::1] ticks, bint each) -> int:
    """Append records in bursts with a pause between, so that the writer keeps up; returns how many found no room.

    `each`: ticks[i] is what append i took, with the reading of the counter in it. Else ticks[i] is what burst i took as a whole.
    """
    cdef uint64_t count = ticks.shape[0], number = 0, refused = 0, began, until
    cdef uint32_t step
    cdef RecordHeader* record
    with nogil:
        while number < count:
            until = tw_ticks() + pause_ticks
            while tw_ticks() < until:
                pass
            began = tw_ticks()
            for step in range(burst):
                record = journal.claim(lane, kind, HEADER_BYTES + payload_bytes, False)
                if record == NULL:
                    refused += 1
                else:
                    record.cause_seq = number + step
                    journal.commit(record)
                if each and number < count:
                    ticks[number] = tw_ticks() - began
                    number += 1
                    began = tw_ticks()
            if not each:
                ticks[number] = tw_ticks() - began
                number += 1
    return refused


def empty_ticks(uint64_t[::1] ticks) -> None:
    """What reading the counter twice costs, with nothing between."""
    cdef uint64_t number, began
    with nogil:
        for number in range(<uint64_t> ticks.shape[0]):
            began = tw_ticks()
            ticks[number] = tw_ticks() - began
