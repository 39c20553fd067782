"""What stands at the end of a replayed pipeline: it takes a line's requests and compares them with those that left then."""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from engine.gateway.durable_wait cimport LIST_LEGS_MAX
from engine.journal.replayed cimport RecordedSession, TwRecord
from engine.model.descriptor cimport Descriptor
from engine.runtime.actor cimport Actor
from engine.venues.binance.order_session cimport BinanceOrderSession
from engine.venues.binance.usdm_order_session cimport UsdmOrderSession

cdef enum:
    REPLACES_KEPT = 64
    HANDED_KEPT = 512

cdef struct ReplaceStamp:
    uint64_t order_handle
    int64_t wall_ns

cdef struct HandedOver:
    # what the core handed over and has not left yet: it waits for the disk, or never leaves
    Descriptor item
    int action
    uint64_t order_handle
    uint32_t[LIST_LEGS_MAX] slots
    int count

@cython.final
cdef class ReplayGateway(Actor):
    cdef BinanceOrderSession session
    cdef UsdmOrderSession usdm           # the same, where the line is one of USD-M; else None
    cdef bint is_usdm
    cdef RecordedSession recorded
    cdef bint has_connected              # to a venue of its own, behind a session that was left
    cdef bint has_key                    # the real one: signatures are compared too
    cdef uint64_t last_number
    cdef int last_size                   # of the text that was encoded last
    cdef int last_verdict
    cdef ReplaceStamp[REPLACES_KEPT] replaces
    cdef uint32_t replace_at
    cdef HandedOver[HANDED_KEPT] handed
    cdef uint32_t handed_at
    cdef readonly uint64_t compared
    cdef readonly uint64_t withheld      # what the core handed over and was not sent then: no connection, no budget, refused
    cdef int _work_live(self) except -1
    cdef int _take(self, const Descriptor* item) noexcept
    cdef bint _take_leg(self, const Descriptor* item) noexcept
    cdef int _ask(self, const Descriptor* item, int action, uint64_t order_handle) noexcept
    cdef int _encode(self, const Descriptor* item, int action, uint64_t number) noexcept
    cdef int _compare(self, const TwRecord* record, int size) noexcept nogil
    cdef int _number(self, const TwRecord* record) noexcept nogil
    cdef int judge(self, TwRecord* record) noexcept
    cdef void _keep(self, const Descriptor* item, int action, uint64_t order_handle) noexcept nogil
    cdef int claim(self, TwRecord* record) noexcept
    cdef int _claimed(self, const HandedOver* row, TwRecord* record) noexcept

@cython.final
cdef class ReplayGateways:
    cdef RecordedSession recorded
    cdef list _gateways
    cdef void* by_venue[16]
    cdef public object on_state          # bytes of a STATE_HASH record -> names of the sections that differ
    cdef readonly list state_differences
    cdef readonly uint64_t states        # compared
    cdef int judge_state(self, TwRecord* record) noexcept
