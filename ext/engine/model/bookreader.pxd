"""How other stages read depth: the book stage implements it, app.py hands it over."""
from libc.stdint cimport uint32_t
from engine.model.records cimport Level

cdef class BookReader:
    # Fill `out` with up to `depth` levels of `side` (0 bid, 1 ask), best first; returns how many.
    cdef int read_levels(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept nogil
