"""Entering, trading and cancelling: what every operation of continuous trading runs through."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.book.matching_state cimport Core, Market, Op, Taker

cdef void apply_new(Core* core, const Op* op) noexcept nogil
cdef void apply_cancel(Core* core, const Op* op) noexcept nogil
# Both, for the operations from the first on up to one of another kind, which is not applied; returns its index, or count.
cdef Py_ssize_t apply_run(Core* core, const Op* ops, Py_ssize_t count) noexcept nogil
# The order that CANCEL or AMEND names; 0 after refusing it.
cdef uint32_t named_order(Core* core, const Op* op) noexcept nogil
# One taker's own step: FOK, trades, then rest or expiry. `finish` then does all that follows from the rows since `first_row`.
cdef void step(Core* core, Market* market, Taker* taker) noexcept nogil
cdef void finish(Core* core, Market* market, uint64_t first_row) noexcept nogil
# Whether an order would trade at a price, and the price that would not (0: there is none that could be taken).
cdef bint crosses(const Market* market, uint8_t side, int64_t price) noexcept nogil
cdef int32_t passive_price(const Market* market, uint8_t side) noexcept nogil
cdef bint is_outside_band(const Market* market, int64_t price) noexcept nogil
# An order that stands nowhere becomes a taker of `type` at `price` with what it has left in all.
cdef void taker_of_order(Core* core, Market* market, uint32_t link, uint8_t type, int32_t price, int64_t leaves, Taker* taker) noexcept nogil
# Price form by type (NEW 6).
cdef bint is_bad_price(const Core* core, uint8_t type, int64_t price) noexcept nogil
# An order that stands nowhere, with all that is open in its leaves, joins the call; or lit and dark.
cdef void stand_in_call(Core* core, uint32_t link) noexcept nogil
cdef void stand_in_book(Core* core, uint32_t link) noexcept nogil
