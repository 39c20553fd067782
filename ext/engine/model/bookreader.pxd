"""How other stages read depth: the book stage implements it, app.py hands it over."""
from libc.stdint cimport int64_t, uint32_t
from engine.model.records cimport Level

cdef extern from *:
    """
    typedef __int128 tw_wide_sum;
    """
    ctypedef long long tw_wide_sum       # 128 bit in C; never let Cython make a Python int of it

cdef enum:
    LEVELS_WALKED = 10

cdef class BookReader:
    # Fill `out` with up to `depth` levels of `side` (0 bid, 1 ask), best first; returns how many.
    cdef int read_levels(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept nogil
    # What `lots[0]` (at least 1) would cost on the best LEVELS_WALKED levels of `side`, in ticks x lots, exactly. `lots[0]` becomes what
    # they do not hold, `worst_ticks[0]` the price of the last level reached, 0 where the side is empty.
    cdef tw_wide_sum walk(self, uint32_t instrument_id, int side, int64_t* lots, int64_t* worst_ticks) noexcept nogil
