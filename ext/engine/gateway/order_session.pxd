"""What every order session does, whatever its venue: spend approvals, count the budget, write down the bytes, match replies."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.gateway.budget cimport RateBudget
from engine.gateway.durable_wait cimport DurableWait, WaitingOrder
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport RecordHeader
from engine.model.tables cimport Tables
from engine.runtime.actor cimport Actor
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring
from engine.runtime.session cimport Session

cdef enum:
    REQUEST_CAPACITY = 8192
    NOTICE_CAPACITY = 4096
    COLD_CAPACITY = 2048

cdef struct Request:
    uint64_t request_id          # 0 = free
    uint64_t order_handle
    int64_t sent_mono_ns
    int64_t sent_wall_ns
    uint32_t instrument_id
    uint16_t action              # OutboundAction, or the session's own above 100
    uint16_t flags
    uint64_t detail

cdef struct Notice:
    # a reply of our own, for what never reached the wire; or a change of the session's state
    uint64_t order_handle
    uint32_t instrument_id
    uint16_t kind                # RecordKind
    uint16_t action              # OutboundAction; SessionState for SESSION_STATE; state for RECONCILE_*
    uint16_t reason
    uint16_t detail
    int64_t due_mono_ns          # a cancel that could not leave is answered a moment later, so that asking again cannot spin

cdef struct ColdRequest:
    uint64_t detail
    uint32_t instrument_id
    uint16_t action
    uint16_t flags

cdef class OrderSession(Session):
    cdef Journal journal
    cdef Tables tables
    cdef uint16_t assets_told    # numbers below it were told to the stages, or are another line's
    cdef Counters counters
    cdef ApprovalRegister register
    cdef Clock clock
    cdef Ring outbound
    cdef Ring inbound
    cdef RateBudget budget
    cdef uint16_t venue_id
    cdef uint16_t account_id
    cdef readonly bint is_ready
    cdef readonly uint64_t refused_approvals
    cdef readonly uint64_t dropped_inputs
    cdef readonly uint64_t orders_sent   # new orders and replaces of this run
    cdef bint is_input_lost
    cdef uint64_t next_request_id
    cdef readonly uint32_t in_flight
    cdef uint32_t orders_in_flight
    cdef Request* requests
    cdef Notice* notices
    cdef uint32_t notice_head
    cdef uint32_t notice_tail
    cdef ColdRequest* cold
    cdef uint32_t cold_head
    cdef uint32_t cold_tail
    # the orders of a list that is being put together: their slots, spent
    cdef uint32_t[3] list_slots
    cdef int list_count
    # the encoder's last request: bytes, and where the API key stands in them (masked in the journal)
    cdef char* text
    cdef uint32_t text_size
    cdef uint32_t key_at
    cdef uint32_t key_size
    cdef int64_t venue_offset_ns
    cdef int64_t venue_less_mono_ns      # the venue's time less the monotonic clock, as of the latest measurement
    cdef int64_t unanswered_mono_ns      # when the first request left that no frame has followed; 0 = the connection has spoken since
    cdef DurableWait waiting
    cdef int64_t wait_ns_max
    cdef const WaitingOrder* released    # what is leaving the wait at this moment; NULL = nothing does
    cdef readonly bint is_dead           # given up without waiting for the transport: the keeper drops it

    cdef int drain(self) noexcept
    cdef int64_t steady_ns(self) noexcept nogil
    cdef int64_t steady_now_ns(self) noexcept nogil
    cdef bint send_item(self, const Descriptor* item) noexcept
    cdef bint send_request(self, int action, uint64_t order_handle, uint32_t instrument_id, uint64_t seq, const ApprovedOrder* terms,
                           int64_t amend_lots) noexcept
    cdef bint lessens(self, const Descriptor* item) noexcept nogil
    cdef bint send_leg(self, const Descriptor* item) noexcept
    cdef bint send_list(self, const uint32_t* slots, int count, uint32_t instrument_id, uint64_t seq) noexcept
    cdef void refuse_legs(self, const uint32_t* slots, int count, int reason) noexcept nogil
    # Orders that wait for the disk (level `order`). An approval that is spent may have to wait: True where it does, or was refused.
    cdef bint put_waiting(self, int action, const uint32_t* slots, int count, uint32_t instrument_id, uint64_t seq) noexcept nogil
    cdef int release_waiting(self) noexcept
    cdef int _why_not(self, const WaitingOrder* row) noexcept nogil
    cdef bint _is_its_own(self, const WaitingOrder* row) noexcept nogil
    cdef void _answer_waiting(self, WaitingOrder* row, int reason) noexcept nogil
    cdef void _leave_waiting(self, WaitingOrder* row) noexcept nogil
    # Take back what waits of an order (its list too), or of an instrument; how many.
    cdef int take_back(self, uint64_t order_handle, uint32_t instrument_id) noexcept nogil
    cdef int64_t began_mono_ns(self) noexcept nogil
    cdef bint _spend(self, const Descriptor* item) noexcept nogil
    cdef bint transmit(self, const Request* request, uint64_t cause_seq, bint is_order) noexcept
    # the bytes to the transport; True: they left, or may have
    cdef bint hand_over(self) noexcept
    cdef Request* take(self, uint64_t request_id) noexcept nogil
    cdef void expire(self, uint64_t request_id) noexcept nogil
    cdef void forget_requests(self) noexcept nogil
    cdef bint notice(self, int kind, int action, uint64_t order_handle, uint32_t instrument_id, int reason, int detail) noexcept nogil
    cdef bint emit_notice(self) noexcept nogil
    cdef RecordHeader* claim_input(self, int kind, uint32_t payload_size) noexcept nogil
    cdef void tell_assets(self) noexcept with gil
    cdef bint push_input(self, RecordHeader* record, uint32_t instrument_id, uint64_t order_handle, int64_t wall_ns,
                         int64_t mono_ns) noexcept nogil
    cdef bint write_bytes(self, const Request* request, uint64_t cause_seq, bint is_order) noexcept nogil
    cdef int64_t venue_ns(self) noexcept nogil
    # For the venue's session: encode into `text`, 0 = cannot; work of its own (lists, log-on, time).
    cdef int encode_order(self, const ApprovedOrder* terms, uint64_t request_id) noexcept nogil
    cdef int encode_cancel(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil
    cdef int encode_query(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil
    cdef int encode_list(self, const uint32_t* slots, int count, uint64_t request_id) noexcept nogil
    cdef int encode_cancel_list(self, uint64_t order_handle, uint32_t instrument_id, uint64_t request_id) noexcept nogil
    cdef int encode_amend(self, uint64_t order_handle, uint32_t instrument_id, int64_t lots, uint64_t request_id) noexcept nogil
    # Does a question about this order go among the cold requests.
    cdef bint asks_slowly(self, uint64_t order_handle) noexcept nogil
    cdef int encode_cancel_all(self, uint32_t instrument_id, uint64_t request_id) noexcept nogil
    cdef int work_of_own(self) except -1
    # An own-order input found no room: let everything that it may have told be read again. Called once there is room.
    cdef int recover_inputs(self) except -1

cdef class GatewayActor(Actor):
    cdef OrderSession session
