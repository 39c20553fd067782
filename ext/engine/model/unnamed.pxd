"""Numbers for fills to which the venue gave none: what it closes by force at USD-M is no trade of the book and comes with trade id 0.

Below -1 (-1: no trade), made of the order and its filled quantity after the fill, so that a report told twice has one number, two fills of
an order have two, and a ledger read again after a restart still says which order it was and how far it had come.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    NO_TRADE_ID = -1


cdef inline uint32_t order_tag(int64_t venue_order_id) noexcept nogil:
    """30 bits of the venue's order number."""
    return <uint32_t> ((<uint64_t> venue_order_id * <uint64_t> 0x9E3779B97F4A7C15) >> 34)


cdef inline int64_t unnamed_trade_id(int64_t venue_order_id, int64_t cum_qty_lots) noexcept nogil:
    """`cum_qty_lots` below 2^32: more is told apart by its low bits only."""
    cdef uint64_t high = <uint64_t> order_tag(venue_order_id) << 32, low = <uint32_t> cum_qty_lots
    return -<int64_t> (high | low) - 2


cdef inline bint is_unnamed(int64_t trade_id) noexcept nogil:
    return trade_id < NO_TRADE_ID


cdef inline uint32_t unnamed_order_tag(int64_t trade_id) noexcept nogil:
    return <uint32_t> (<uint64_t> (-trade_id - 2) >> 32)


cdef inline int64_t unnamed_cum_lots(int64_t trade_id) noexcept nogil:
    return <int64_t> <uint32_t> (-trade_id - 2)
