"""AMEND: in place where priority allows, else out of its place and in again as a taker."""
from engine.book.matching_state cimport Core, Op

cdef void apply_amend(Core* core, const Op* op) noexcept nogil
