"""The uncross at the end of a call."""
from engine.book.matching_state cimport Core, Market

# Trade at the price of the greatest volume, then let what is left of the call join the book.
cdef void uncross(Core* core, Market* market) noexcept nogil
# Whether an order stands in the call.
cdef bint has_call(const Market* market) noexcept nogil
