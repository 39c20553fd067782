"""A venue's rate limits: what may still leave in this window, and when nothing may."""
from libc.stdint cimport int64_t, uint64_t

cdef struct Window:
    int64_t interval_ns
    int64_t limit           # of the venue; 0 = not limited
    int64_t used            # in the window `index`, by the venue's last word plus what has left since
    int64_t index           # venue time // interval

cdef class RateBudget:
    cdef Window orders_short
    cdef Window orders_long         # of a day (spot) or a minute (USD-M)
    cdef Window weight
    cdef readonly int share_percent          # of each limit that all but cancels may use
    cdef readonly int64_t blocked_until_ns   # venue time: nothing leaves before (Retry-After)
    cdef readonly uint64_t refused
    cdef bint allows_order(self, int64_t venue_ns) noexcept nogil
    cdef bint allows_orders(self, int64_t venue_ns, int64_t orders) noexcept nogil
    cdef bint allows_cancel(self, int64_t venue_ns) noexcept nogil
    cdef bint allows_query(self, int64_t venue_ns, int64_t weight) noexcept nogil
    cdef void count(self, int64_t venue_ns, int64_t orders, int64_t weight) noexcept nogil
    # The venue's own count, with `in_flight` requests it may not have counted yet.
    cdef void report_orders(self, int64_t venue_ns, int64_t interval_ns, int64_t limit, int64_t used, int64_t in_flight) noexcept nogil
    cdef void report_weight(self, int64_t venue_ns, int64_t interval_ns, int64_t limit, int64_t used, int64_t in_flight) noexcept nogil
    cdef void block_until(self, int64_t venue_ns) noexcept nogil
