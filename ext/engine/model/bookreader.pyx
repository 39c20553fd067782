"""How other stages read depth."""


cdef class BookReader:
    """Depth of every instrument; an empty one until the book stage overrides it."""

    cdef int read_levels(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept nogil:
        return 0

    cdef tw_wide_sum walk(self, uint32_t instrument_id, int side, int64_t* lots, int64_t* worst_ticks) noexcept nogil:
        """By the levels read: for readers that have nothing quicker."""
        cdef Level[LEVELS_WALKED] levels
        cdef int i, count = self.read_levels(instrument_id, side, LEVELS_WALKED, levels)
        cdef int64_t taken
        cdef tw_wide_sum value = 0
        worst_ticks[0] = 0
        for i in range(count):
            if lots[0] == 0:
                break
            taken = min(lots[0], levels[i].qty_lots)
            value += (<tw_wide_sum> taken) * levels[i].price_ticks
            lots[0] -= taken
            worst_ticks[0] = levels[i].price_ticks
        return value
