"""The state as a whole: walked in priority, hashed, saved and restored."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from engine.book.matching_state cimport Core

cdef uint64_t hash_of(Core* core) except? 0
cdef list orders_of(Core* core, uint32_t symbol, uint8_t container)
cdef bytes image_of(Core* core)
# The sizes that an image was saved with (ValueError names what is wrong with it), for a core to be opened with them; then the rest.
cdef tuple sizes_of(bytes image)
cdef int restore_into(Core* core, bytes image) except -1

# Prices of a place in priority: 0 at the end.
cdef int32_t first_price(const Core* core, uint32_t symbol, uint8_t place) noexcept nogil
cdef int32_t price_behind(const Core* core, uint32_t symbol, uint8_t place, int32_t price) noexcept nogil
# The first order at a price of a place, 0 when there is none.
cdef uint32_t first_order(const Core* core, uint32_t symbol, uint8_t place, int32_t price) noexcept nogil
