"""What may stand in the way of an approved order between its approval and its bytes: the gate's questions about state, asked again."""
from libc.stdint cimport int64_t

from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.tables cimport Tables

# Why an approved new order may not follow any more; REASON_NONE = it may.
cdef int withheld(Tables tables, ApprovalRegister register, Journal journal, const ApprovedOrder* terms, int64_t mono_ns) noexcept nogil
# Is somebody waiting for the order, or for the one that it replaces, to go.
cdef bint is_cancel_wanted(ApprovalRegister register, const ApprovedOrder* terms) noexcept nogil
