# cython: language_level=3
"""Mass cancel, clock, phases, bands, busts: operations that look through whole books."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.book.matching_auction cimport has_call, uncross
from engine.book.matching_continuous cimport finish, is_outside_band
from engine.book.matching_state cimport (
    EVENT_BUSTED, EVENT_CONTROL, EVENT_EXPIRED, FLAG_REDUCE_ONLY, OP_ADVANCE, OP_BAND, OP_BUST, OP_MASS_CANCEL, OP_PHASE,
    PHASE_AUCTION, PHASE_CLOSED, PHASE_CONTINUOUS, PLACE_CALL, PLACE_CALL_DARK, PLACE_DARK, PLACE_FALLING, PLACE_LIT,
    PLACE_RISING, REASON_AUCTION, REASON_BAD_BAND, REASON_BAD_PHASE, REASON_CLOCK_BACKWARDS, REASON_END_OF_DAY,
    REASON_LEVELS_FULL, REASON_NONE, REASON_NOTHING_CHANGED, REASON_NOTHING_TO_CANCEL, REASON_PRICE_BAND, REASON_TIME_EXPIRED,
    REASON_UNKNOWN_SYMBOL, REASON_UNKNOWN_TRADE, REASON_UNSUPPORTED, SIDE_BUY, SIDE_SELL, TIF_DAY, TRAIT_MARKET_IN_CALL, TW_ANY,
    Core, KeptTrade, Market, Op, cancel_order, emit, expire_order, expire_reducing, give_slot, leave_place, move_position,
    refuse, room_at, stand_in,
)
from engine.book.queues cimport QueuedOrder, Queues, has_level, level_at, next_above, next_below

cdef enum Sought:             # whom a sweep of the books takes out
    SOUGHT_OWNER = 0          # CANCELED, all others EXPIRED
    SOUGHT_REDUCING = 1
    SOUGHT_DAY = 2
    SOUGHT_OUTSIDE = 3

cdef struct Sweep:
    Sought sought
    uint32_t owner


cdef void apply_control(Core* core, const Op* op) noexcept nogil:
    if op.op == OP_MASS_CANCEL:
        mass_cancel(core, op)
    elif op.op == OP_ADVANCE:
        advance_clock(core, op)
    elif op.op > OP_BUST:
        refuse(core, op, REASON_UNSUPPORTED)
    elif op.symbol >= core.symbol_count:
        refuse(core, op, REASON_UNKNOWN_SYMBOL)
    elif op.op == OP_PHASE:
        change_phase(core, &core.markets[op.symbol], op)
    elif op.op == OP_BAND:
        change_band(core, &core.markets[op.symbol], op)
    else:
        bust(core, op)


# --- sweeps ----------------------------------------------------------------------------------------------------------

cdef void sweep_order(Core* core, Market* market, uint32_t link, const Sweep* sweep) noexcept nogil:
    """Take an order out if it is sought."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if sweep.sought == SOUGHT_OWNER:
        if sweep.owner == TW_ANY or order.owner == sweep.owner:
            cancel_order(core, link)
    elif sweep.sought == SOUGHT_REDUCING:
        if order.flags & FLAG_REDUCE_ONLY:
            expire_order(core, link, REASON_AUCTION, 0)
    elif sweep.sought == SOUGHT_DAY:
        if order.tif == TIF_DAY:
            expire_order(core, link, REASON_END_OF_DAY, 0)
    elif is_outside_band(market, order.price) and not order.flags & TRAIT_MARKET_IN_CALL:
        expire_order(core, link, REASON_PRICE_BAND, 0)


cdef void sweep_queue(Core* core, Market* market, uint32_t link, const Sweep* sweep) noexcept nogil:
    cdef uint32_t following
    while link:
        following = core.pool.orders[link - 1].after
        sweep_order(core, market, link, sweep)
        link = following


cdef Queues* queues_at(Market* market, uint8_t place) noexcept nogil:
    return &market.lit if place <= 1 else &market.sides[place - PLACE_DARK].queues


cdef int32_t best_at(const Market* market, uint8_t place) noexcept nogil:
    if place <= 1:
        return market.best_ask if place == SIDE_SELL else market.best_bid
    return market.sides[place - PLACE_DARK].best


cdef bint falls(uint8_t place) noexcept nogil:
    """Whether a place's priority goes from high to low prices."""
    return place == PLACE_FALLING or (place < PLACE_RISING and place % 2 == SIDE_BUY)


cdef void sweep_place(Core* core, Market* market, uint8_t place, const Sweep* sweep) noexcept nogil:
    """All orders of one place, in priority."""
    cdef int32_t price = best_at(market, place)
    cdef int32_t following
    while 0 < price < market.lit.limit:
        following = next_below(queues_at(market, place), price) if falls(place) else next_above(queues_at(market, place), price)
        sweep_queue(core, market, level_at(queues_at(market, place), price).head, sweep)
        price = following


cdef void sweep_call(Core* core, Market* market, uint8_t side, const Sweep* sweep) noexcept nogil:
    """The call's orders of a side: at each price the dark ones behind the others."""
    cdef uint8_t lit = PLACE_CALL + side
    cdef uint8_t dark = PLACE_CALL_DARK + side
    cdef int32_t price = nearer(best_at(market, lit), best_at(market, dark), side)
    while 0 < price < market.lit.limit:
        if has_level(queues_at(market, lit), price):
            sweep_queue(core, market, level_at(queues_at(market, lit), price).head, sweep)
        if has_level(queues_at(market, dark), price):
            sweep_queue(core, market, level_at(queues_at(market, dark), price).head, sweep)
        price = nearer(behind(market, lit, price), behind(market, dark, price), side)


cdef int32_t nearer(int32_t one, int32_t other, uint8_t side) noexcept nogil:
    """The price that comes first on a side."""
    return one if (one > other) == (side == SIDE_BUY) else other


cdef int32_t behind(Market* market, uint8_t place, int32_t price) noexcept nogil:
    """The next price of a place behind one; its end where the place was never used."""
    if queues_at(market, place).slots == NULL:
        return best_at(market, place)
    return next_below(queues_at(market, place), price) if falls(place) else next_above(queues_at(market, place), price)


cdef void sweep_books(Core* core, Market* market, const Sweep* sweep) noexcept nogil:
    """Lit, dark, then the call."""
    cdef uint8_t place
    for place in range(PLACE_LIT, PLACE_CALL):
        sweep_place(core, market, place, sweep)
    sweep_call(core, market, SIDE_BUY, sweep)
    sweep_call(core, market, SIDE_SELL, sweep)


cdef void sweep_all(Core* core, Market* market, const Sweep* sweep) noexcept nogil:
    """Everything, in the order of MASS_CANCEL."""
    sweep_books(core, market, sweep)
    sweep_place(core, market, PLACE_RISING, sweep)
    sweep_place(core, market, PLACE_FALLING, sweep)
    sweep_queue(core, market, market.trailing_head, sweep)


cdef void mass_cancel(Core* core, const Op* op) noexcept nogil:
    cdef uint64_t first_row = core.row_count
    cdef uint32_t symbol
    cdef Sweep sweep
    sweep.sought = SOUGHT_OWNER
    sweep.owner = op.owner
    if op.symbol == TW_ANY:
        for symbol in range(core.symbol_count):
            sweep_all(core, &core.markets[symbol], &sweep)
    elif op.symbol < core.symbol_count:
        sweep_all(core, &core.markets[op.symbol], &sweep)
    else:
        refuse(core, op, REASON_UNKNOWN_SYMBOL)
        return
    if core.row_count == first_row:
        refuse(core, op, REASON_NOTHING_TO_CANCEL)


# --- clock, phases, bands, busts -------------------------------------------------------------------------------------

cdef void confirm(Core* core, const Op* op, uint32_t symbol, int64_t price, int64_t qty) noexcept nogil:
    emit(core, EVENT_CONTROL, REASON_NONE, symbol, 0, op.op, price, qty, 0)


cdef void advance_clock(Core* core, const Op* op) noexcept nogil:
    if op.expire_ns < core.now_ns:
        refuse(core, op, REASON_CLOCK_BACKWARDS)
        return
    core.now_ns = op.expire_ns
    while core.expiry_count and core.expiries[0].expire_ns <= core.now_ns:
        expire_order(core, core.expiries[0].link, REASON_TIME_EXPIRED, 0)
    confirm(core, op, 0, 0, core.now_ns)


cdef void expire_in_lit_and_dark(Core* core, Market* market) noexcept nogil:
    """REDUCE_ONLY orders before a call: bids, then asks."""
    cdef uint8_t side
    cdef Sweep sweep
    sweep.sought = SOUGHT_REDUCING
    for side in range(2):
        sweep_place(core, market, PLACE_LIT + side, &sweep)
        sweep_place(core, market, PLACE_DARK + side, &sweep)


cdef void change_phase(Core* core, Market* market, const Op* op) noexcept nogil:
    cdef uint8_t old = market.phase
    cdef uint64_t first_row = core.row_count
    cdef Sweep sweep
    if op.side > PHASE_CLOSED:
        refuse(core, op, REASON_BAD_PHASE)
        return
    if op.side == old:
        refuse(core, op, REASON_NOTHING_CHANGED)
        return
    market.phase = op.side
    market.is_plain = market.phase == PHASE_CONTINUOUS and market.band_high == 0
    if market.phase == PHASE_AUCTION:
        expire_in_lit_and_dark(core, market)
    if (market.phase == PHASE_CONTINUOUS or market.phase == PHASE_CLOSED) and has_call(market):
        uncross(core, market)
        expire_reducing(core)
    if market.phase == PHASE_CLOSED:
        sweep.sought = SOUGHT_DAY
        sweep_all(core, market, &sweep)
    if market.phase == PHASE_CONTINUOUS:
        finish(core, market, first_row)
    confirm(core, op, op.symbol, old, op.side)


cdef int32_t edge(const Market* market, uint8_t side) noexcept nogil:
    if side == SIDE_BUY:
        return market.band_high if market.band_high else market.lit.limit - 1
    return market.band_low if market.band_low else 1


cdef void change_band(Core* core, Market* market, const Op* op) noexcept nogil:
    cdef int32_t bid_edge = edge(market, SIDE_BUY)
    cdef int32_t ask_edge = edge(market, SIDE_SELL)
    cdef Sweep sweep
    if (op.price or op.trigger) and not (1 <= op.price <= op.trigger < core.price_limit):
        refuse(core, op, REASON_BAD_BAND)
        return
    market.band_low = <int32_t>op.price
    market.band_high = <int32_t>op.trigger
    market.is_plain = market.phase == PHASE_CONTINUOUS and market.band_high == 0
    sweep.sought = SOUGHT_OUTSIDE
    sweep_books(core, market, &sweep)
    move_market_orders(core, market, PLACE_CALL + SIDE_BUY, bid_edge, edge(market, SIDE_BUY))
    move_market_orders(core, market, PLACE_CALL + SIDE_SELL, ask_edge, edge(market, SIDE_SELL))
    confirm(core, op, op.symbol, op.price, op.trigger)


cdef void move_market_orders(Core* core, Market* market, uint8_t place, int32_t old_edge, int32_t new_edge) noexcept nogil:
    """The call's market orders stand at the band's edge; where no page is left there, they expire."""
    cdef uint32_t link, following
    cdef QueuedOrder* order
    if old_edge == new_edge or not has_level(queues_at(market, place), old_edge):
        return
    link = level_at(queues_at(market, place), old_edge).head
    while link:
        order = &core.pool.orders[link - 1]
        following = order.after
        if order.flags & TRAIT_MARKET_IN_CALL:
            leave_place(core, link)
            order.price = new_edge
            if room_at(core, market, place, new_edge):
                stand_in(core, link, place)
            else:
                emit(core, EVENT_EXPIRED, REASON_LEVELS_FULL, order.symbol, order.side, core.ids[link - 1], 0, order.leaves, 0)
                give_slot(core, link)
        link = following


cdef KeptTrade* kept_trade(Core* core, uint64_t number) noexcept nogil:
    """A trade that is still kept, or NULL."""
    cdef uint64_t age = core.trade_count - number
    if number < 1 or number > core.trade_count or age >= core.trades_kept:
        return NULL
    return &core.trades[(core.trade_at + core.trades_kept - 1 - <uint32_t>age) % core.trades_kept]


cdef void bust(Core* core, const Op* op) noexcept nogil:
    cdef KeptTrade* trade = kept_trade(core, op.order_id)
    cdef uint64_t lots
    if trade == NULL or trade.symbol != op.symbol or trade.is_busted:
        refuse(core, op, REASON_UNKNOWN_TRADE)
        return
    trade.is_busted = 1
    emit(core, EVENT_BUSTED, REASON_NONE, op.symbol, trade.side, trade.order_id, trade.price, trade.qty, 0).maker_id = trade.maker_id
    lots = -<uint64_t>trade.qty if trade.side == SIDE_BUY else <uint64_t>trade.qty
    if trade.order_position != trade.maker_position:
        if trade.order_position:
            move_position(core, trade.order_position, lots)
        if trade.maker_position:
            move_position(core, trade.maker_position, -lots)
    expire_reducing(core)
