"""Rate budgets over wall-clock aligned windows in venue time.

New orders, replaces and queries use at most `share_percent` (80) of each limit; the rest is the cancels' own. Inside a Retry-After nothing
leaves, cancels neither: a request there lengthens the ban.
"""
from libc.stdint cimport int64_t


cdef inline void _turn(Window* window, int64_t venue_ns) noexcept nogil:
    cdef int64_t index = venue_ns // window.interval_ns
    if index != window.index:
        window.index = index
        window.used = 0


cdef inline bint _holds(Window* window, int64_t venue_ns, int64_t added, int64_t percent) noexcept nogil:
    _turn(window, venue_ns)
    return window.limit == 0 or (window.used + added) * 100 <= window.limit * percent


cdef class RateBudget:
    """Limits as the venue publishes them (rateLimits of exchangeInfo); replies refine counts and limits.

    `orders_long`: the second limit of orders, over `long_interval_ns` (a day unless told).
    """

    def __cinit__(self, *, int64_t orders_10s, int64_t orders_long, int64_t weight_minute, int share_percent=80,
                  int64_t long_interval_ns=86_400_000_000_000):
        if min(orders_10s, orders_long, weight_minute, long_interval_ns) <= 0 or not 0 < share_percent <= 100:
            raise ValueError("rate limits must be positive, the share within 1..100 percent")
        self.orders_short = Window(10_000_000_000, orders_10s, 0, 0)
        self.orders_long = Window(long_interval_ns, orders_long, 0, 0)
        self.weight = Window(60_000_000_000, weight_minute, 0, 0)
        self.share_percent = share_percent

    cdef bint allows_order(self, int64_t venue_ns) noexcept nogil:
        return self.allows_orders(venue_ns, 1)

    cdef bint allows_orders(self, int64_t venue_ns, int64_t orders) noexcept nogil:
        """Of one request: a list is one request of several orders."""
        if (venue_ns >= self.blocked_until_ns and _holds(&self.orders_short, venue_ns, orders, self.share_percent)
                and _holds(&self.orders_long, venue_ns, orders, self.share_percent)
                and _holds(&self.weight, venue_ns, 1, self.share_percent)):
            return True
        self.refused += 1
        return False

    cdef bint allows_cancel(self, int64_t venue_ns) noexcept nogil:
        if venue_ns >= self.blocked_until_ns and _holds(&self.weight, venue_ns, 1, 100):
            return True
        self.refused += 1
        return False

    cdef bint allows_query(self, int64_t venue_ns, int64_t weight) noexcept nogil:
        return venue_ns >= self.blocked_until_ns and _holds(&self.weight, venue_ns, weight, self.share_percent)

    cdef void count(self, int64_t venue_ns, int64_t orders, int64_t weight) noexcept nogil:
        _turn(&self.orders_short, venue_ns)
        _turn(&self.orders_long, venue_ns)
        _turn(&self.weight, venue_ns)
        self.orders_short.used += orders
        self.orders_long.used += orders
        self.weight.used += weight

    cdef void report_orders(self, int64_t venue_ns, int64_t interval_ns, int64_t limit, int64_t used, int64_t in_flight) noexcept nogil:
        cdef Window* window = NULL
        if interval_ns == self.orders_short.interval_ns:
            window = &self.orders_short
        elif interval_ns == self.orders_long.interval_ns:
            window = &self.orders_long
        if window != NULL:
            _turn(window, venue_ns)
            window.limit = limit
            window.used = used + in_flight

    cdef void report_weight(self, int64_t venue_ns, int64_t interval_ns, int64_t limit, int64_t used, int64_t in_flight) noexcept nogil:
        if interval_ns == self.weight.interval_ns:
            _turn(&self.weight, venue_ns)
            self.weight.limit = limit
            self.weight.used = used + in_flight

    cdef void block_until(self, int64_t venue_ns) noexcept nogil:
        if venue_ns > self.blocked_until_ns:
            self.blocked_until_ns = venue_ns

    def usage(self) -> dict:
        """Used and limit of each window, as last counted."""
        return {
            "orders_10s": (self.orders_short.used, self.orders_short.limit),
            "orders_long": (self.orders_long.used, self.orders_long.limit),
            "weight_minute": (self.weight.used, self.weight.limit),
            "blocked_until_ns": self.blocked_until_ns,
        }

    def order(self, int64_t venue_ns) -> bool:
        """Ask for and count one order (tests)."""
        if not self.allows_order(venue_ns):
            return False
        self.count(venue_ns, 1, 1)
        return True

    def cancel(self, int64_t venue_ns) -> bool:
        """Ask for and count one cancel (tests)."""
        if not self.allows_cancel(venue_ns):
            return False
        self.count(venue_ns, 0, 1)
        return True

    def report(self, int64_t venue_ns, *, orders_10s=None, weight_minute=None, int64_t in_flight=0) -> None:
        """Take over the venue's count (tests)."""
        if orders_10s is not None:
            self.report_orders(venue_ns, self.orders_short.interval_ns, self.orders_short.limit, orders_10s, in_flight)
        if weight_minute is not None:
            self.report_weight(venue_ns, self.weight.interval_ns, self.weight.limit, weight_minute, in_flight)

    def block(self, int64_t until_venue_ns) -> None:
        """Nothing leaves before this venue time (tests)."""
        self.block_until(until_venue_ns)
