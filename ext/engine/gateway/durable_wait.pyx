"""Orders whose approval is spent and whose records are not on the platter yet: a bounded ring in order of arrival."""
from libc.stdlib cimport calloc, free
from libc.string cimport memset


cdef class DurableWait:
    """At most 256 orders; a list counts as one."""

    def __cinit__(self):
        self.rows = <WaitingOrder*> calloc(DURABLE_WAIT_CAPACITY, sizeof(WaitingOrder))
        if self.rows == NULL:
            raise MemoryError("durable wait")

    def __dealloc__(self):
        free(self.rows)

    @property
    def depth(self) -> int:
        """Rows in use."""
        return self.count()

    cdef WaitingOrder* push(self) noexcept nogil:
        cdef WaitingOrder* row
        if self.count() >= DURABLE_WAIT_CAPACITY:
            return NULL
        row = self.at(self.head)
        memset(row, 0, sizeof(WaitingOrder))
        self.head += 1
        return row

    cdef void settle(self) noexcept nogil:
        while self.tail != self.head and self.at(self.tail).count == 0:
            self.tail += 1
