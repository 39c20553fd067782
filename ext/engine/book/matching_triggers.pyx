# cython: language_level=3
"""Orders that wait for a price: stops, if-touched orders, trailing stops."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from engine.book.matching_state cimport (
    EVENT_TRADE, EXTREME_INACTIVE, FLAG_TRAIL_BPS, PHASE_CONTINUOUS, PLACE_DARK, PLACE_FALLING, PLACE_QUEUE, PLACE_RISING,
    PLACE_TRAILING, SIDE_BUY, SIDE_SELL, TYPE_STOP, TYPE_STOP_LIMIT, TYPE_TRAILING_STOP, ColdOrder, Core, Market, leave_place,
    stand_in,
)
from engine.book.queues cimport QueuedOrder, SideBook, level_at


cdef uint8_t waiting_place(uint8_t type, uint8_t side) noexcept nogil:
    if type == TYPE_TRAILING_STOP:
        return PLACE_TRAILING
    if type == TYPE_STOP or type == TYPE_STOP_LIMIT:
        return PLACE_RISING if side == SIDE_BUY else PLACE_FALLING
    return PLACE_FALLING if side == SIDE_BUY else PLACE_RISING


cdef bint meets(const Market* market, uint8_t place, int32_t trigger) noexcept nogil:
    if market.last_price == 0:
        return False
    return market.last_price >= trigger if place == PLACE_RISING else market.last_price <= trigger


cdef void begin_to_wait(Core* core, Market* market, uint32_t link, uint8_t place) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if place == PLACE_TRAILING:
        core.cold[link - 1].extreme = EXTREME_INACTIVE
        if order.price == 0 or (market.last_price and reaches(order, market.last_price)):
            core.cold[link - 1].extreme = market.last_price
    elif market.phase == PHASE_CONTINUOUS and meets(market, place, order.price):
        queue_up(core, link, market.last_price)
        return
    stand_in(core, link, place)


cdef bint reaches(const QueuedOrder* order, int32_t price) noexcept nogil:
    """Whether a price activates a trailing stop."""
    return price >= order.price if order.side == SIDE_SELL else price <= order.price


cdef void queue_up(Core* core, uint32_t link, int32_t price) noexcept nogil:
    """An order that stands nowhere joins the operation's queue; its price field keeps what met it no longer."""
    core.pool.orders[link - 1].place = PLACE_QUEUE
    core.pool.orders[link - 1].after = 0
    core.cold[link - 1].extreme = price
    if core.queue_tail:
        core.pool.orders[core.queue_tail - 1].after = link
    else:
        core.queue_head = link
    core.queue_tail = link


cdef uint32_t queue_pop(Core* core) noexcept nogil:
    """The first of the queue, 0 when it is empty."""
    cdef uint32_t link = core.queue_head
    if link:
        core.queue_head = core.pool.orders[link - 1].after
        if core.queue_head == 0:
            core.queue_tail = 0
    return link


cdef void look_at_trades(Core* core, Market* market, uint64_t first, uint64_t last) noexcept nogil:
    cdef int32_t looked_at = 0  # a price that was looked at a moment ago meets nothing more
    cdef uint64_t index
    for index in range(first, last):
        if core.rows[index].kind == EVENT_TRADE and core.rows[index].price != looked_at:
            looked_at = <int32_t>core.rows[index].price
            look_at(core, market, looked_at)


cdef void look_at(Core* core, Market* market, int32_t price) noexcept nogil:
    cdef SideBook* rising = &market.sides[PLACE_RISING - PLACE_DARK]
    cdef SideBook* falling = &market.sides[PLACE_FALLING - PLACE_DARK]
    cdef uint32_t link, following
    while rising.best <= price:
        link = level_at(&rising.queues, rising.best).head
        leave_place(core, link)
        queue_up(core, link, price)
    while falling.best >= price:
        link = level_at(&falling.queues, falling.best).head
        leave_place(core, link)
        queue_up(core, link, price)
    link = market.trailing_head
    while link:
        following = core.pool.orders[link - 1].after
        if trails(core, link, price):
            leave_place(core, link)
            queue_up(core, link, price)
        link = following


cdef bint trails(Core* core, uint32_t link, int32_t price) noexcept nogil:
    """Show a trailing stop a price: it may become active, take a new extreme in, and be met (True)."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef ColdOrder* cold = &core.cold[link - 1]
    cdef int64_t distance = cold.display
    if cold.extreme == EXTREME_INACTIVE:
        if reaches(order, price):
            cold.extreme = price
        return False
    if cold.extreme == 0 or (price > cold.extreme if order.side == SIDE_SELL else price < cold.extreme):
        cold.extreme = price
    if order.flags & FLAG_TRAIL_BPS:
        distance = cold.extreme * distance // 10000
        if distance < 1:
            distance = 1
    if order.side == SIDE_SELL:
        return price <= cold.extreme - distance
    return price >= cold.extreme + distance
