"""Orders whose approval is spent and whose records are not on the platter yet: a bounded ring in order of arrival."""
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef enum:
    DURABLE_WAIT_CAPACITY = 256
    LIST_LEGS_MAX = 3

cdef struct WaitingOrder:
    uint64_t seq                 # the last of its records: nothing leaves before the ledger is synced up to it
    uint64_t order_handle        # of a list: of its first leg's
    uint64_t nonces[LIST_LEGS_MAX]
    int64_t turn_mono_ns         # the turn that approved it
    int64_t began_mono_ns
    uint32_t slots[LIST_LEGS_MAX]
    uint32_t instrument_id
    uint16_t action              # OutboundAction
    uint16_t count               # slots; 0 = it has left or was taken back

@cython.final
cdef class DurableWait:
    cdef WaitingOrder* rows
    cdef readonly uint32_t head
    cdef readonly uint32_t tail
    # A zeroed row at the end; NULL when the ring is full.
    cdef WaitingOrder* push(self) noexcept nogil
    # Give back the rows at the front that are done.
    cdef void settle(self) noexcept nogil
    cdef inline uint32_t count(self) noexcept nogil:
        return self.head - self.tail
    cdef inline WaitingOrder* at(self, uint32_t place) noexcept nogil:
        return &self.rows[place % DURABLE_WAIT_CAPACITY]
