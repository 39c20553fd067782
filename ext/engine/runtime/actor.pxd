"""What every stage is, and what runs them."""
cimport cython
from libc.stdint cimport uint64_t

cdef class Actor:
    """`do_work` does a bounded piece of work and returns how much; 0 means idle. It never blocks and never calls another actor."""
    cdef readonly str name
    cdef readonly uint64_t polls
    cdef readonly uint64_t work
    cdef int do_work(self) except -1

@cython.final
cdef class Pipeline:
    """Runs its actors in order, again and again, until a whole round does nothing (run to completion)."""
    cdef list _actors
    cdef void** _places          # the same, borrowed from the list: a poll counts no references
    cdef int _count
    cdef bint running
    cdef readonly uint64_t rounds
    cdef readonly uint64_t runs          # begun
    cdef readonly uint64_t round_now     # of the present run, from 0
    cdef int run(self) except -1
