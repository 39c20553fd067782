"""The 64-byte descriptor that rings carry. `record` points into the journal's front and is valid until the lane's
ring wraps: a stage that needs payload bytes later than the turn in which it got the descriptor copies them."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from engine.model.records cimport RecordHeader

cdef struct Descriptor:
    uint16_t kind
    uint16_t venue_id
    uint16_t account_id
    uint16_t strategy_id
    uint32_t instrument_id
    uint16_t flags
    uint16_t data
    uint64_t seq
    uint64_t cause_seq
    int64_t wall_ns
    int64_t mono_ns
    uint64_t order_handle
    RecordHeader* record
