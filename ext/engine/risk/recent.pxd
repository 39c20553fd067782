"""What the gate remembers of the past: orders that it has approved, for duplicates, and reference prices, for the collar per period."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.records cimport IntentPayload

cdef extern from *:
    void __builtin_prefetch(const void*, int) noexcept nogil

cdef enum:
    ORDERS_KEPT = 2048        # a power of two; older ones are forgotten
    BUCKETS = 1024            # a power of two
    SAMPLES = 8               # of a period

cdef struct RecentOrder:
    int64_t price_ticks
    int64_t trigger_ticks
    int64_t qty_lots
    int64_t mono_ns
    uint64_t previous         # number of the bucket's order before it; 0 = none
    uint32_t instrument_id
    uint16_t strategy_id
    uint8_t side
    uint8_t order_type

cdef struct LatestOrder:
    # of one bucket
    uint64_t number
    int64_t mono_ns           # the order's: no look at it is needed where it is too old

@cython.final
cdef class RecentOrders:
    """Orders by what they ask for, newest first. Numbers count from 1: an order whose number is `ORDERS_KEPT` back is overwritten."""
    cdef RecentOrder[2048] orders
    cdef LatestOrder[1024] latest
    cdef uint64_t count

    cdef inline uint32_t bucket(self, const IntentPayload* intent, uint32_t instrument_id, uint16_t strategy_id) noexcept nogil:
        cdef uint64_t mixed = <uint64_t> intent.price_ticks * <uint64_t> 0x9E3779B97F4A7C15
        mixed ^= <uint64_t> intent.qty_lots * <uint64_t> 0xC2B2AE3D27D4EB4F
        mixed ^= (<uint64_t> instrument_id << 32 | <uint64_t> strategy_id << 8 | intent.side) * <uint64_t> 0x165667B19E3779F9
        return <uint32_t> (mixed >> 40) & (BUCKETS - 1)

    cdef inline void fetch(self, uint32_t bucket) noexcept nogil:
        """Ask for the bucket early: it lies wherever the hash says."""
        __builtin_prefetch(&self.latest[bucket & (BUCKETS - 1)], 1)

    cdef inline int64_t age_ns(self, uint32_t bucket, const IntentPayload* intent, uint32_t instrument_id, uint16_t strategy_id,
                               int64_t now_mono_ns, int64_t window_ns) noexcept nogil:
        """How long ago the same was approved; -1: not within the window."""
        cdef const LatestOrder* latest = &self.latest[bucket & (BUCKETS - 1)]
        cdef uint64_t number = latest.number
        cdef const RecentOrder* order
        if now_mono_ns - latest.mono_ns >= window_ns:
            return -1
        while number and self.count - number < ORDERS_KEPT:
            order = &self.orders[number & (ORDERS_KEPT - 1)]
            if now_mono_ns - order.mono_ns >= window_ns:
                return -1  # those before it are older still
            if (order.price_ticks == intent.price_ticks and order.qty_lots == intent.qty_lots and order.side == intent.side
                    and order.trigger_ticks == intent.trigger_ticks and order.order_type == intent.order_type
                    and order.instrument_id == instrument_id and order.strategy_id == strategy_id):
                return now_mono_ns - order.mono_ns
            number = order.previous
        return -1

    cdef inline void note(self, uint32_t bucket, const IntentPayload* intent, uint32_t instrument_id, uint16_t strategy_id,
                          int64_t now_mono_ns) noexcept nogil:
        """`bucket`: of what the intent asks for."""
        cdef LatestOrder* latest = &self.latest[bucket & (BUCKETS - 1)]
        cdef RecentOrder* order
        self.count += 1
        order = &self.orders[self.count & (ORDERS_KEPT - 1)]
        order.price_ticks = intent.price_ticks
        order.trigger_ticks = intent.trigger_ticks
        order.qty_lots = intent.qty_lots
        order.mono_ns = now_mono_ns
        order.previous = latest.number
        order.instrument_id = instrument_id
        order.strategy_id = strategy_id
        order.side = intent.side
        order.order_type = intent.order_type
        latest.number = self.count
        latest.mono_ns = now_mono_ns

cdef struct PriceHistory:
    # a ring of references, an eighth of the period apart
    int64_t[8] price_ticks
    int64_t period_ns
    int64_t due_mono_ns
    uint32_t count
    uint32_t pad

@cython.final
cdef class ReferencePrices:
    """By instrument, the reference price of one period ago; a new period begins an empty history."""
    cdef PriceHistory[512] rows

    cdef inline void sample(self, uint32_t instrument_id, int64_t price_ticks, int64_t period_ns, int64_t now_mono_ns) noexcept nogil:
        cdef PriceHistory* row = &self.rows[instrument_id & 511]
        if row.period_ns != period_ns:
            row.period_ns = period_ns
            row.count = 0
            row.due_mono_ns = now_mono_ns
        if price_ticks <= 0 or now_mono_ns < row.due_mono_ns:
            return
        row.price_ticks[row.count & (SAMPLES - 1)] = price_ticks
        row.count += 1
        row.due_mono_ns = now_mono_ns + period_ns // SAMPLES

    cdef inline int64_t period_ago(self, uint32_t instrument_id) noexcept nogil:
        """The oldest of the samples; 0: none yet."""
        cdef const PriceHistory* row = &self.rows[instrument_id & 511]
        if row.count == 0:
            return 0
        return row.price_ticks[row.count & (SAMPLES - 1)] if row.count >= SAMPLES else row.price_ticks[0]
