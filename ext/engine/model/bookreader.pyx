"""How other stages read depth."""


cdef class BookReader:
    """Depth of every instrument; an empty one until the book stage overrides it."""

    cdef int read_levels(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept nogil:
        return 0
