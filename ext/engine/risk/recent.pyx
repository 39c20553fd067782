"""The gate's memory of orders and prices: see recent.pxd. Everything hot is inline there."""


cdef class RecentOrders:
    pass


cdef class ReferencePrices:
    pass
