"""A record's descriptor: what every stage that pushes one fills in the same way."""
from libc.string cimport memset
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport RecordHeader

cdef inline void describe(Descriptor* item, RecordHeader* record) noexcept nogil:
    """Whom `record` concerns and its stamps; `flags`, `data` and the sequences are left 0 for who knows them."""
    memset(item, 0, sizeof(Descriptor))
    item.kind = record.kind
    item.venue_id = record.venue_id
    item.account_id = record.account_id
    item.strategy_id = record.strategy_id
    item.instrument_id = record.instrument_id
    item.order_handle = record.order_handle
    item.wall_ns = record.wall_ns
    item.mono_ns = record.mono_ns
    item.record = record
