"""Mass cancel, clock, phases, bands, busts."""
from engine.book.matching_state cimport Core, Op

# Any operation but NEW, CANCEL and AMEND.
cdef void apply_control(Core* core, const Op* op) noexcept nogil
