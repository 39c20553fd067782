# cython: language_level=3
"""AMEND: in place where priority allows, else out of its place and in again as a taker."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.book.matching_continuous cimport (
    crosses, finish, is_bad_price, is_outside_band, named_order, passive_price, stand_in_book, stand_in_call, step, taker_of_order,
)
from engine.book.matching_state cimport (
    EVENT_AMENDED, EVENT_EXPIRED, FLAG_AMEND_LOSES_PLACE, FLAG_HIDDEN, FLAG_POST_ONLY, FLAG_POST_ONLY_REPRICE, FLAG_REDUCE_ONLY,
    ICEBERG_PARTS_MAX, PHASE_AUCTION, PHASE_CLOSED, PHASE_CONTINUOUS, PHASE_HALTED, PLACE_CALL, PLACE_CALL_DARK, PLACE_FALLING,
    PLACE_RISING, PLACE_TRAILING, REASON_BAD_DISPLAY, REASON_BAD_PRICE, REASON_BAD_QTY, REASON_BAD_TRIGGER, REASON_CLOSED,
    REASON_HALTED, REASON_LEVELS_FULL, REASON_NONE, REASON_PRICE_BAND, REASON_REDUCE_ONLY, REASON_REPRICED, REASON_UNSUPPORTED,
    REASON_WOULD_CROSS, TRAIT_ICEBERG, TRAIT_MARKET_IN_CALL, TYPE_LIMIT, TYPE_TRAILING_STOP, Core, Market, Op, Taker, emit,
    give_slot, leave_place, open_qty, reducible, refuse, room_at, row_price, stand_in,
)
from engine.book.matching_triggers cimport meets
from engine.book.queues cimport QueuedOrder, level_change

cdef struct Wish:              # what an amend asks for, once it is understood
    int64_t qty
    int64_t display
    int32_t price              # the limit, 0 has none
    int32_t trigger
    bint waits
    bint keeps_place
    bint is_repriced


cdef uint16_t refusal_of_form(const Core* core, const Op* op, uint32_t link, const Wish* wish) noexcept nogil:
    """AMEND 1 to 4."""
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    cdef bint is_iceberg = order.flags & TRAIT_ICEBERG
    if op.flags & ~<uint16_t>(FLAG_AMEND_LOSES_PLACE | FLAG_POST_ONLY) or order.flags & TRAIT_MARKET_IN_CALL:
        return REASON_UNSUPPORTED
    if (op.display and not is_iceberg) or (op.trigger and (not wish.waits or order.place == PLACE_TRAILING)):
        return REASON_UNSUPPORTED
    if op.qty < 1 or op.qty > core.qty_max:
        return REASON_BAD_QTY
    if is_bad_price(core, order.type, op.price):
        return REASON_BAD_PRICE
    if order.type == TYPE_TRAILING_STOP and (op.price == 0) != (row_price(core, link) == 0):
        return REASON_BAD_PRICE
    if is_iceberg and (wish.display < 0 or (op.qty - 1) // wish.display >= ICEBERG_PARTS_MAX):
        return REASON_BAD_DISPLAY
    if op.trigger < 0 or op.trigger >= core.price_limit:
        return REASON_BAD_TRIGGER
    return REASON_NONE


cdef void understand(const Core* core, const Op* op, uint32_t link, Wish* wish) noexcept nogil:
    """Fill in what stays the order's own; prices and triggers count only once their form is seen to be good."""
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    wish.waits = order.place >= PLACE_RISING
    wish.qty = op.qty
    wish.display = op.display if op.display else core.cold[link - 1].display
    wish.price = <int32_t>op.price if row_price(core, link) else 0
    wish.trigger = <int32_t>op.trigger if op.trigger else order.price
    wish.is_repriced = False


cdef void see_place(const Core* core, const Op* op, uint32_t link, Wish* wish) noexcept nogil:
    """Whether the order keeps its place."""
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    wish.keeps_place = not op.flags & FLAG_AMEND_LOSES_PLACE
    if wish.waits:
        wish.keeps_place = wish.keeps_place and wish.trigger == order.price
    else:
        wish.keeps_place = wish.keeps_place and wish.price == order.price and wish.qty <= open_qty(core, link)


cdef uint8_t next_place(const Market* market, const QueuedOrder* order) noexcept nogil:
    """Where an order that does not wait stands when it loses its place."""
    if market.phase == PHASE_AUCTION:
        return (PLACE_CALL_DARK if order.flags & FLAG_HIDDEN else PLACE_CALL) + order.side
    return (2 if order.flags & FLAG_HIDDEN else 0) + order.side


cdef uint16_t refusal_of_change(Core* core, Market* market, const Op* op, uint32_t link, Wish* wish) noexcept nogil:
    """AMEND 5 to 9; POST_ONLY_REPRICE may move the price."""
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    see_place(core, op, link, wish)
    if wish.waits:
        if wish.trigger != order.price and meets(market, order.place, wish.trigger):
            return REASON_BAD_TRIGGER
        return REASON_NONE if wish.keeps_place or room_at(core, market, order.place, wish.trigger) else REASON_LEVELS_FULL
    if not wish.keeps_place and (market.phase == PHASE_HALTED or market.phase == PHASE_CLOSED):
        return REASON_HALTED if market.phase == PHASE_HALTED else REASON_CLOSED
    if is_outside_band(market, wish.price):
        return REASON_PRICE_BAND
    if market.phase == PHASE_CONTINUOUS and crosses(market, order.side, wish.price):
        if (op.flags | order.flags) & FLAG_POST_ONLY:
            return REASON_WOULD_CROSS
        if order.flags & FLAG_POST_ONLY_REPRICE:
            wish.price = passive_price(market, order.side)
            wish.is_repriced = True
            if wish.price == 0:
                return REASON_WOULD_CROSS
            see_place(core, op, link, wish)
    if not wish.keeps_place and not room_at(core, market, next_place(market, order), wish.price):
        return REASON_LEVELS_FULL
    return REASON_NONE


cdef void apply_amend(Core* core, const Op* op) noexcept nogil:
    cdef uint32_t link = named_order(core, op)
    cdef Market* market
    cdef Wish wish
    cdef uint16_t reason
    if not link:
        return
    market = &core.markets[op.symbol]
    understand(core, op, link, &wish)
    reason = refusal_of_form(core, op, link, &wish)
    if reason == REASON_NONE:
        reason = refusal_of_change(core, market, op, link, &wish)
    if reason != REASON_NONE:
        refuse(core, op, reason)
        return
    if core.pool.orders[link - 1].flags & TRAIT_ICEBERG:
        core.cold[link - 1].display = wish.display
    if wish.waits:
        change_waiting(core, link, &wish)
    elif wish.keeps_place:
        tell_amended(core, link, &wish, wish.qty)
        shrink(core, link, wish.qty)
    else:
        enter_again(core, market, link, &wish)


cdef void tell_amended(Core* core, uint32_t link, const Wish* wish, int64_t qty) noexcept nogil:
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    emit(core, EVENT_AMENDED, REASON_REPRICED if wish.is_repriced else REASON_NONE, order.symbol, order.side, core.ids[link - 1],
         wish.price, qty, qty)


cdef void change_waiting(Core* core, uint32_t link, const Wish* wish) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    tell_amended(core, link, wish, wish.qty)
    core.cold[link - 1].limit_price = wish.price
    if not wish.keeps_place:
        leave_place(core, link)
        order.leaves = wish.qty
        order.price = wish.trigger
        stand_in(core, link, order.place)
    elif order.place == PLACE_TRAILING:
        order.leaves = wish.qty
    else:
        level_change(&core.markets[order.symbol].sides[order.place - 2].queues, order, wish.qty)


cdef void shrink(Core* core, uint32_t link, int64_t qty) noexcept nogil:
    """Leave ``qty`` open of an order, in its place: what is hidden goes first."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef Market* market = &core.markets[order.symbol]
    cdef int64_t shown = order.leaves if order.leaves < qty else qty
    level_change(&market.lit if order.place <= 1 else &market.sides[order.place - 2].queues, order, shown)
    if order.flags & TRAIT_ICEBERG:
        core.hidden[link - 1] = qty - shown


cdef void enter_again(Core* core, Market* market, uint32_t link, const Wish* wish) noexcept nogil:
    """Out of its place, and in again."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef uint64_t allowed = <uint64_t>wish.qty
    cdef uint64_t first_row
    cdef Taker taker
    leave_place(core, link)
    if order.flags & FLAG_REDUCE_ONLY and market.phase == PHASE_CONTINUOUS:
        allowed = reducible(core, core.cold[link - 1].position, order.side)
    if allowed == 0:
        tell_amended(core, link, wish, wish.qty)
        emit(core, EVENT_EXPIRED, REASON_REDUCE_ONLY, order.symbol, order.side, core.ids[link - 1], wish.price, wish.qty, 0)
        give_slot(core, link)
        return
    order.leaves = <int64_t>allowed if allowed < <uint64_t>wish.qty else wish.qty
    order.price = wish.price
    tell_amended(core, link, wish, order.leaves)
    if market.phase == PHASE_AUCTION:
        stand_in_call(core, link)
        return
    first_row = core.row_count
    taker_of_order(core, market, link, TYPE_LIMIT, wish.price, order.leaves, &taker)
    step(core, market, &taker)
    finish(core, market, first_row)
