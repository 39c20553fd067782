"""Encode into `out` (4096 bytes); the size, or 0 where it cannot be. `conditions` NULL = none."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.records cimport Conditions
from engine.venues.binance.order_codec cimport OrderCodec, tw_bag

cdef int place_terms(OrderCodec codec, char* out, uint64_t request_id, const ApprovedOrder* terms, const Conditions* conditions,
                     int64_t venue_ns) noexcept nogil
cdef void put_leg(OrderCodec codec, tw_bag* bag, const char* prefix, const ApprovedOrder* terms, const Conditions* conditions,
                  bint is_maker_only) noexcept nogil
# Two or three orders of one list, by their index in it.
cdef int place_list(OrderCodec codec, char* out, uint64_t request_id, const ApprovedOrder** terms, const Conditions** conditions, int count,
                    int64_t venue_ns) noexcept nogil
cdef int cancel_list(OrderCodec codec, char* out, uint64_t request_id, uint64_t list_handle, uint32_t instrument_id,
                     int64_t venue_ns) noexcept nogil
cdef int amend_in_place(OrderCodec codec, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t lots,
                        int64_t venue_ns) noexcept nogil
cdef const char* spot_type(const ApprovedOrder* terms, const Conditions* conditions) noexcept nogil
