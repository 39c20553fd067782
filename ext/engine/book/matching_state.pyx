# cython: language_level=3
"""The matching engine's memory, and what happens rarely to an order: other places than lit, icebergs, expiry, positions."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset
from engine.book.queues cimport (
    SideBook, has_room, pages_close, pages_open, pool_close, pool_open, queues_close, queues_open, side_append, side_unlink,
    table_close, table_open, touched,
)

cdef enum:
    OWN_ROWS = 1024
    EXPIRIES_FIRST = 1024


# --- memory ----------------------------------------------------------------------------------------------------------

cdef int core_open(Core* core) noexcept nogil:
    """Make everything for the sizes that stand in the core: 0, or -1 without memory."""
    cdef uint64_t table_size = 16
    cdef uint32_t index
    core.price_limit = 1 << core.price_bits
    core.qty_max = <int64_t>0x7FFFFFFFFFFFFFFF // core.pool.orders_max
    while table_size < 2 * <uint64_t>core.positions_max:
        table_size *= 2
    core.position_mask = table_size - 1
    core.own_max = OWN_ROWS
    core.expiry_max = EXPIRIES_FIRST
    if pool_open(&core.pool, core.pool.orders_max) < 0 or pages_open(&core.pages, core.pages.pages_max) < 0:
        return -1
    if not core.own_handles and table_open(&core.table, core.pool.orders_max) < 0:
        return -1
    core.ids = <uint64_t*>touched(<size_t>core.pool.orders_max * sizeof(uint64_t))
    core.cold = <ColdOrder*>touched(<size_t>core.pool.orders_max * sizeof(ColdOrder))
    core.hidden = <int64_t*>touched(<size_t>core.pool.orders_max * sizeof(int64_t))
    core.positions = <Position*>touched(<size_t>core.positions_max * sizeof(Position))
    core.position_table = <uint32_t*>touched(table_size * sizeof(uint32_t))
    core.trades = <KeptTrade*>touched(<size_t>core.trades_kept * sizeof(KeptTrade))
    core.expiries = <Expiry*>touched(core.expiry_max * sizeof(Expiry))
    core.own_rows = <Event*>touched(core.own_max * sizeof(Event))
    core.markets = <Market*>calloc(core.symbol_count, sizeof(Market))
    if (core.ids == NULL or core.cold == NULL or core.hidden == NULL or core.positions == NULL or core.position_table == NULL
            or core.trades == NULL or core.expiries == NULL or core.own_rows == NULL or core.markets == NULL):
        return -1
    for index in range(core.pool.orders_max):
        core.pool.orders[index].place = PLACE_FREE
        core.ids[index] = <uint64_t>core.own_handles << 32 | index
    core.rows = core.own_rows
    core.row_max = core.own_max
    return markets_open(core)


cdef int markets_open(Core* core) noexcept nogil:
    cdef uint32_t index, place
    cdef Market* market
    for index in range(core.symbol_count):
        market = &core.markets[index]
        if queues_open(&market.lit, <int>core.price_bits) < 0:
            return -1
        market.best_ask = core.price_limit
        market.is_plain = 1
        for place in range(PLACE_DARK, PLACE_TRAILING):
            market.sides[place - 2].is_bid = place == PLACE_FALLING or (place < PLACE_RISING and place % 2 == 0)
            market.sides[place - 2].queues.limit = core.price_limit
            market.sides[place - 2].best = 0 if market.sides[place - 2].is_bid else core.price_limit
    return 0


cdef void core_close(Core* core) noexcept nogil:
    cdef uint32_t index, place
    if core.markets != NULL:
        for index in range(core.symbol_count):
            queues_close(&core.markets[index].lit)
            for place in range(8):
                queues_close(&core.markets[index].sides[place].queues)
    free(core.markets)
    pool_close(&core.pool)
    pages_close(&core.pages)
    table_close(&core.table)
    free(core.ids)
    free(core.cold)
    free(core.hidden)
    free(core.positions)
    free(core.position_table)
    free(core.trades)
    free(core.expiries)
    free(core.own_rows)
    free(core.spilt_rows)
    memset(core, 0, sizeof(Core))


cdef bint side_open(Core* core, SideBook* side) noexcept nogil:
    """Make the tree of a side that is used for the first time; False without memory."""
    if side.queues.slots != NULL:
        return True
    return queues_open(&side.queues, <int>core.price_bits) == 0


cdef void more_rows(Core* core) noexcept nogil:
    """Room for more rows: the own array grows, a borrowed one is left for a spilt copy. Without memory the engine is spoilt."""
    cdef uint64_t wanted = 2 * core.row_max if core.row_max > 32 else 64
    cdef Event* grown
    if core.rows == core.own_rows:
        grown = <Event*>realloc(core.own_rows, wanted * sizeof(Event))
        if grown != NULL:
            core.own_rows = grown
            core.own_max = wanted
    else:
        grown = <Event*>realloc(core.spilt_rows, wanted * sizeof(Event))
        if grown != NULL:
            if core.spilt_rows == NULL:
                memcpy(grown, core.rows, core.row_count * sizeof(Event))
            core.spilt_rows = grown
    if grown == NULL:
        core.is_spoilt = 1
        core.row_count = 0
        grown = core.own_rows
        wanted = core.own_max
    core.rows = grown
    core.row_max = wanted


cdef void refuse(Core* core, const Op* op, uint16_t reason) noexcept nogil:
    emit(core, EVENT_REJECTED, reason, op.symbol, op.side, op.order_id, op.price, op.qty, 0)


# --- places beside lit -----------------------------------------------------------------------------------------------

cdef bint room_elsewhere(Core* core, Market* market, uint8_t place, int32_t price) noexcept nogil:
    cdef SideBook* side
    if place == PLACE_TRAILING:
        return True
    side = &market.sides[place - 2]
    return side_open(core, side) and has_room(&core.pages, &side.queues, price)


cdef void trailing_append(Core* core, uint32_t link) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef Market* market = &core.markets[order.symbol]
    order.before = market.trailing_tail
    order.after = 0
    if market.trailing_tail:
        core.pool.orders[market.trailing_tail - 1].after = link
    else:
        market.trailing_head = link
    market.trailing_tail = link


cdef void trailing_unlink(Core* core, uint32_t link) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef Market* market = &core.markets[order.symbol]
    if order.before:
        core.pool.orders[order.before - 1].after = order.after
    else:
        market.trailing_head = order.after
    if order.after:
        core.pool.orders[order.after - 1].before = order.before
    else:
        market.trailing_tail = order.before


cdef void stand_in_other(Core* core, uint32_t link, uint8_t place) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    order.place = place
    if place == PLACE_TRAILING:
        trailing_append(core, link)
        return
    side_append(&core.pages, &core.markets[order.symbol].sides[place - 2], core.pool.orders, link)
    if place < PLACE_CALL and order.flags & FLAG_REDUCE_ONLY:
        reduce_append(core, link)


cdef void leave_other_place(Core* core, uint32_t link) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if order.place == PLACE_TRAILING:
        trailing_unlink(core, link)
        return
    if order.place < PLACE_CALL and order.flags & FLAG_REDUCE_ONLY:
        reduce_unlink(core, link)
    side_unlink(&core.pages, &core.markets[order.symbol].sides[order.place - 2], core.pool.orders, link)


# --- icebergs --------------------------------------------------------------------------------------------------------

cdef void hide_parts(Core* core, uint32_t link) noexcept nogil:
    """Let an iceberg whose ``leaves`` are all that is open, and which stands nowhere, show its first part."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef int64_t shown = core.cold[link - 1].display
    if order.leaves < shown:
        shown = order.leaves
    core.hidden[link - 1] = order.leaves - shown
    order.leaves = shown


cdef void refresh(Core* core, uint32_t link) noexcept nogil:
    """Show the next part of an iceberg, at the end of its level."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef Market* market = &core.markets[order.symbol]
    cdef int64_t shown = core.cold[link - 1].display
    if core.hidden[link - 1] < shown:
        shown = core.hidden[link - 1]
    lit_unlink(core, market, link)
    order.leaves = shown
    core.hidden[link - 1] -= shown
    lit_append(core, market, link)
    emit(core, EVENT_REFRESHED, REASON_NONE, order.symbol, order.side, core.ids[link - 1], order.price, shown,
         shown + core.hidden[link - 1])


# --- the end of an order ---------------------------------------------------------------------------------------------

cdef void expire_order(Core* core, uint32_t link, uint16_t reason, uint64_t other_id) noexcept nogil:
    """EXPIRED, and out."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef Event* event = emit(core, EVENT_EXPIRED, reason, order.symbol, order.side, core.ids[link - 1], row_price(core, link),
                             open_qty(core, link), 0)
    event.maker_id = other_id
    remove_order(core, link)


cdef void cancel_order(Core* core, uint32_t link) noexcept nogil:
    """CANCELED, and out."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    emit(core, EVENT_CANCELED, REASON_NONE, order.symbol, order.side, core.ids[link - 1], row_price(core, link),
         open_qty(core, link), 0)
    remove_order(core, link)


# --- positions -------------------------------------------------------------------------------------------------------

cdef inline uint64_t position_home(const Core* core, uint32_t owner, uint32_t symbol) noexcept nogil:
    cdef uint64_t key = (<uint64_t>symbol << 32 | owner) * <uint64_t>0x9E3779B97F4A7C15
    return (key >> 31) & core.position_mask


cdef uint32_t position_find(const Core* core, uint32_t owner, uint32_t symbol) noexcept nogil:
    """Index + 1 of an owner's record in a symbol, 0 when there is none."""
    cdef uint64_t at = position_home(core, owner, symbol)
    cdef uint32_t index = core.position_table[at]
    while index:
        if core.positions[index - 1].owner == owner and core.positions[index - 1].symbol == symbol:
            return index
        at = (at + 1) & core.position_mask
        index = core.position_table[at]
    return 0


cdef uint32_t position_make(Core* core, uint32_t owner, uint32_t symbol) noexcept nogil:
    """The same, and makes it; 0 when none is left."""
    cdef uint32_t index = position_find(core, owner, symbol)
    cdef uint64_t at
    if index or core.position_count == core.positions_max:
        return index
    core.position_count += 1
    index = core.position_count
    core.positions[index - 1].owner = owner
    core.positions[index - 1].symbol = symbol
    at = position_home(core, owner, symbol)
    while core.position_table[at]:
        at = (at + 1) & core.position_mask
    core.position_table[at] = index
    return index


cdef void reduce_append(Core* core, uint32_t link) noexcept nogil:
    """Note that a REDUCE_ONLY order came to rest."""
    cdef Position* position = &core.positions[core.cold[link - 1].position - 1]
    core.cold[link - 1].reduce_before = position.reduce_tail
    core.cold[link - 1].reduce_after = 0
    if position.reduce_tail:
        core.cold[position.reduce_tail - 1].reduce_after = link
    else:
        position.reduce_head = link
    position.reduce_tail = link


cdef void reduce_unlink(Core* core, uint32_t link) noexcept nogil:
    cdef ColdOrder* cold = &core.cold[link - 1]
    cdef Position* position = &core.positions[cold.position - 1]
    if cold.reduce_before:
        core.cold[cold.reduce_before - 1].reduce_after = cold.reduce_after
    else:
        position.reduce_head = cold.reduce_after
    if cold.reduce_after:
        core.cold[cold.reduce_after - 1].reduce_before = cold.reduce_before
    else:
        position.reduce_tail = cold.reduce_before


cdef void expire_reducing(Core* core) noexcept nogil:
    """Of the positions that a step changed: expire the resting orders that could reduce them no more."""
    cdef uint32_t index = core.changed_head
    cdef uint32_t link, following
    cdef Position* position
    while index:
        position = &core.positions[index - 1]
        position.is_changed = 0
        link = position.reduce_head
        while link:
            following = core.cold[link - 1].reduce_after
            if reducible(core, index, core.pool.orders[link - 1].side) == 0:
                expire_order(core, link, REASON_REDUCE_ONLY, 0)
            link = following
        index = position.changed_next
    core.changed_head = 0
    core.changed_tail = 0


# --- orders with an end in time: a heap by time, then by acceptance --------------------------------------------------

cdef bint expiry_room(Core* core) noexcept nogil:
    """Whether one more order with an end in time can be noted."""
    cdef Expiry* grown
    if core.expiry_count < core.expiry_max:
        return True
    grown = <Expiry*>realloc(core.expiries, 2 * <size_t>core.expiry_max * sizeof(Expiry))
    if grown == NULL:
        return False
    core.expiries = grown
    core.expiry_max *= 2
    return True


cdef inline bint is_earlier(const Expiry* one, const Expiry* other) noexcept nogil:
    if one.expire_ns != other.expire_ns:
        return one.expire_ns < other.expire_ns
    return one.accepted < other.accepted


cdef void expiry_put(Core* core, uint32_t at, const Expiry* entry) noexcept nogil:
    core.expiries[at] = entry[0]
    core.cold[entry.link - 1].expiry_at = at


cdef void expiry_sift(Core* core, uint32_t at, const Expiry* entry) noexcept nogil:
    """Put an entry where it belongs, from the hole at ``at`` up or down."""
    cdef uint32_t child
    while at and is_earlier(entry, &core.expiries[(at - 1) // 2]):
        expiry_put(core, at, &core.expiries[(at - 1) // 2])
        at = (at - 1) // 2
    while True:
        child = 2 * at + 1
        if child >= core.expiry_count:
            break
        if child + 1 < core.expiry_count and is_earlier(&core.expiries[child + 1], &core.expiries[child]):
            child += 1
        if not is_earlier(&core.expiries[child], entry):
            break
        expiry_put(core, at, &core.expiries[child])
        at = child
    expiry_put(core, at, entry)


cdef void expiry_add(Core* core, uint32_t link, int64_t expire_ns, uint64_t accepted) noexcept nogil:
    """The caller asked ``expiry_room``."""
    cdef Expiry entry
    entry.expire_ns = expire_ns
    entry.accepted = accepted
    entry.link = link
    core.expiry_count += 1
    expiry_sift(core, core.expiry_count - 1, &entry)


cdef void expiry_remove(Core* core, uint32_t link) noexcept nogil:
    cdef uint32_t at = core.cold[link - 1].expiry_at
    cdef Expiry last
    core.expiry_count -= 1
    last = core.expiries[core.expiry_count]
    if at < core.expiry_count:
        expiry_sift(core, at, &last)
