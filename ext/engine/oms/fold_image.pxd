"""What order management has folded of a ledger, as bytes: one section for what lines share, one for each line."""
from engine.journal.image cimport ImageReader, ImageWriter
from engine.model.approval cimport ApprovalRegister
from engine.model.tables cimport Tables
from engine.oms.restoration cimport Restoration

# Kills, halts and margin terms.
cdef int write_control(ImageWriter out, Tables tables, ApprovalRegister register) except -1
cdef int read_control(ImageReader source, Tables tables, ApprovalRegister register, list lines) except -1
# Orders: those that are over, oldest end first, then the open ones of each line. `lines`: of Restoration, by number.
cdef int write_orders(ImageWriter out, ApprovalRegister register, list lines) except -1
cdef int read_orders(ImageReader source, ApprovalRegister register, list lines) except -1
cdef int write_line(ImageWriter out, Restoration line) except -1
cdef int read_line(ImageReader source, Restoration line) except -1
# The orders of a fold in the slots that they would have after their image was read: whatever it began with, the rest is the same.
cdef int arrange_orders(ApprovalRegister register, list lines) except -1
