"""Orders that wait for a price: stops, if-touched orders, trailing stops."""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from engine.book.matching_state cimport Core, Market

# Where an order of a type that waits stands.
cdef uint8_t waiting_place(uint8_t type, uint8_t side) noexcept nogil
# Whether the last price of a symbol meets a trigger of a place (rising, falling).
cdef bint meets(const Market* market, uint8_t place, int32_t trigger) noexcept nogil
# A filled order of a place that waits begins to wait, or joins the operation's queue where the last price meets its trigger.
cdef void begin_to_wait(Core* core, Market* market, uint32_t link, uint8_t place) noexcept nogil
# Look at the trades among the rows [first, last) and put what they meet into the operation's queue.
cdef void look_at_trades(Core* core, Market* market, uint64_t first, uint64_t last) noexcept nogil
cdef uint32_t queue_pop(Core* core) noexcept nogil


cdef inline bint has_waiting(const Market* market) noexcept nogil:
    return market.trailing_head != 0 or market.sides[6].best != market.lit.limit or market.sides[7].best != 0
