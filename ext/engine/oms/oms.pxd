"""Order management: the stage that keeps orders, positions and balances."""
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint64_t
from engine.model.descriptor cimport Descriptor
from engine.oms.restoration cimport Restoration

@cython.final
cdef class Oms(Restoration):
    cdef bint is_reread_wanted     # a frame of ours was unreadable: the account is read anew
    cdef void _handle(self, const Descriptor* item) noexcept nogil
    cdef void _on_session(self, const Descriptor* item) noexcept nogil
    cdef void _tell_session_lost(self, uint16_t reason, int64_t halves, uint64_t cause_seq) noexcept nogil
    cdef void _on_malformed(self, const Descriptor* item) noexcept nogil
    cdef void _on_time_sync(self, const Descriptor* item) noexcept nogil
    cdef void _on_balances(self, const Descriptor* item) noexcept nogil
    cdef void _on_warning(self, const Descriptor* item) noexcept nogil
    cdef void _on_tick(self, const Descriptor* item) noexcept nogil
