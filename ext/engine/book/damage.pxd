"""Break a book on purpose, and mend it: what shows that `L2Book.check` sees each fault."""
from libc.stdint cimport int64_t, uint64_t
from engine.book.ladder cimport LadderSide, Page, PageSlot
from engine.book.l2 cimport L2Book
from engine.model.records cimport Level

cdef class Damage:
    # the side as it was
    cdef L2Book book
    cdef int side
    cdef LadderSide ladder
    cdef PageSlot slot
    cdef Page page
    cdef uint64_t branch
    cdef Level own
    cdef int damage_quantity(self, str kind, PageSlot* slot, int64_t best) except -1
