# cython: language_level=3
"""The uncross at the end of a call: one price, trades in priority, what is left joins the book."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from engine.book.matching_continuous cimport is_outside_band
from engine.book.matching_state cimport (
    EVENT_EXPIRED, EVENT_TRADE, FLAG_HIDDEN, PLACE_CALL, PLACE_CALL_DARK, PLACE_DARK, PLACE_LIT, REASON_AUCTION, REASON_LEVELS_FULL,
    REASON_NO_LIQUIDITY, SIDE_BUY, SIDE_SELL, TRAIT_ICEBERG, TRAIT_MARKET_IN_CALL, Core, Event, Market, emit, expire_order,
    give_slot, leave_place, open_qty, remove_order, room_at, settle, stand_in,
)
from engine.book.queues cimport (
    QueuedOrder, Queues, has_level, level_at, level_change, next_above, next_below, side_is_empty,
)

cdef struct Best:               # the price found so far, with all that ties with it
    int64_t volume
    int64_t imbalance           # of either sign away
    int32_t lowest
    int32_t highest
    int32_t nearest
    bint all_bid
    bint all_ask

cdef struct Walk:               # one side in the call's priority
    uint32_t link
    int32_t price
    int step                    # 0 market orders, 1 lit, 2 dark, 3 call, 4 dark call


cdef bint has_call(const Market* market) noexcept nogil:
    cdef int side
    for side in range(PLACE_CALL - PLACE_DARK, PLACE_CALL_DARK - PLACE_DARK + 2):
        if not side_is_empty(&market.sides[side]):
            return True
    return False


cdef const Queues* queues_at(const Market* market, uint8_t place) noexcept nogil:
    return &market.lit if place <= 1 else &market.sides[place - PLACE_DARK].queues


# --- the price -------------------------------------------------------------------------------------------------------

cdef int64_t open_at(const Core* core, const Market* market, uint8_t side, int32_t price) noexcept nogil:
    """What the orders of a side, market orders left out, have open at one price."""
    cdef int64_t total = 0
    cdef uint8_t place
    cdef uint32_t link
    for place in range(side, PLACE_CALL_DARK + 2, 2):
        if place <= 1 and (price > market.best_bid if side == SIDE_BUY else price < market.best_ask):
            continue
        if not has_level(queues_at(market, place), price):
            continue
        link = level_at(queues_at(market, place), price).head
        while link:
            if not core.pool.orders[link - 1].flags & TRAIT_MARKET_IN_CALL:
                total += open_qty(core, link)
            link = core.pool.orders[link - 1].after
    return total


cdef int64_t market_orders(const Core* core, const Market* market, uint8_t side) noexcept nogil:
    """What the market orders of a side have open; all of them stand at its edge."""
    cdef int64_t total = 0
    cdef uint32_t link = first_at(market, PLACE_CALL + side, edge_of(market, side))
    while link:
        if core.pool.orders[link - 1].flags & TRAIT_MARKET_IN_CALL:
            total += core.pool.orders[link - 1].leaves
        link = core.pool.orders[link - 1].after
    return total


cdef int32_t edge_of(const Market* market, uint8_t side) noexcept nogil:
    if side == SIDE_BUY:
        return market.band_high if market.band_high else market.lit.limit - 1
    return market.band_low if market.band_low else 1


cdef uint32_t first_at(const Market* market, uint8_t place, int32_t price) noexcept nogil:
    """The first order at a price of a place, 0 when there is none."""
    if place <= 1 and (price > market.best_bid if place == SIDE_BUY else price < market.best_ask):
        return 0
    if not has_level(queues_at(market, place), price):
        return 0
    return level_at(queues_at(market, place), price).head


cdef int32_t next_price(const Market* market, int32_t price) noexcept nogil:
    """The lowest price above ``price`` at which an order stands, or the last price; limit when there is none."""
    cdef int32_t found = next_above(&market.lit, price)
    cdef int32_t other
    cdef int side
    for side in range(PLACE_CALL_DARK - PLACE_DARK + 2):
        if market.sides[side].queues.slots != NULL:
            other = next_above(&market.sides[side].queues, price)
            if other < found:
                found = other
    if price < market.last_price < found and not is_outside_band(market, market.last_price):
        found = market.last_price
    return found


cdef int32_t uncross_price(const Core* core, const Market* market, int64_t* volume) noexcept nogil:
    """The price of the greatest volume and that volume; 0 where nothing can trade."""
    cdef int64_t sells = market_orders(core, market, SIDE_SELL)
    cdef int64_t buys = market_orders(core, market, SIDE_BUY)
    cdef int64_t buys_here, sells_here
    cdef int32_t price = next_price(market, 0)
    cdef Best best
    best.volume = 0
    best.lowest = 0
    while price != market.lit.limit:
        buys += open_at(core, market, SIDE_BUY, price)
        price = next_price(market, price)
    price = next_price(market, 0)
    while price != market.lit.limit:
        buys_here = open_at(core, market, SIDE_BUY, price)
        sells_here = open_at(core, market, SIDE_SELL, price)
        sells += sells_here
        if buys_here or sells_here or price == market.last_price:
            weigh(market, &best, price, buys, sells)
        buys -= buys_here
        price = next_price(market, price)
    volume[0] = best.volume
    return chosen(market, &best)


cdef void weigh(const Market* market, Best* best, int32_t price, int64_t buys, int64_t sells) noexcept nogil:
    """Take a candidate in: better, as good, or not."""
    cdef int64_t volume = buys if buys < sells else sells
    cdef int64_t imbalance = buys - sells if buys > sells else sells - buys
    if volume == 0 or volume < best.volume or (volume == best.volume and imbalance > best.imbalance):
        return
    if volume > best.volume or imbalance < best.imbalance:
        best.volume = volume
        best.imbalance = imbalance
        best.lowest = best.nearest = price
        best.all_bid = best.all_ask = True
    best.highest = price
    best.all_bid = best.all_bid and buys > sells
    best.all_ask = best.all_ask and sells > buys
    if distance(market, price) <= distance(market, best.nearest):
        best.nearest = price


cdef int32_t distance(const Market* market, int32_t price) noexcept nogil:
    return price - market.last_price if price > market.last_price else market.last_price - price


cdef int32_t chosen(const Market* market, const Best* best) noexcept nogil:
    if best.volume == 0:
        return 0
    if best.all_bid:
        return best.highest
    if best.all_ask or market.last_price == 0:
        return best.lowest
    return best.nearest


# --- the trades ------------------------------------------------------------------------------------------------------

cdef void begin(const Core* core, const Market* market, uint8_t side, Walk* walk) noexcept nogil:
    """Stand on the first order of a side."""
    walk.step = 0
    walk.price = edge_of(market, side)
    walk.link = first_at(market, PLACE_CALL + side, walk.price)
    settle_on(core, market, side, walk)


cdef void settle_on(const Core* core, const Market* market, uint8_t side, Walk* walk) noexcept nogil:
    """From a candidate go on to an order that belongs to the walk's step; link 0 at the end."""
    while True:
        while walk.link and ((core.pool.orders[walk.link - 1].flags & TRAIT_MARKET_IN_CALL) != 0) != (walk.step == 0):
            walk.link = core.pool.orders[walk.link - 1].after
        if walk.link or not next_step(market, side, walk):
            return


cdef bint next_step(const Market* market, uint8_t side, Walk* walk) noexcept nogil:
    """The next container of the price, or the first of the next price; False at the end."""
    if walk.step == 0 or walk.step == 4:
        walk.price = next_of_side(market, side, 0 if walk.step == 0 else walk.price)
        if walk.price == 0:
            return False
        walk.step = 1
    else:
        walk.step += 1
    walk.link = first_at(market, <uint8_t>(2 * (walk.step - 1) + side), walk.price)
    return True


cdef int32_t next_of_side(const Market* market, uint8_t side, int32_t price) noexcept nogil:
    """The best price of a side behind ``price`` (0: of all) over its four containers; 0 when there is none."""
    cdef int32_t found = market.best_bid if side == SIDE_BUY else market.best_ask
    cdef int32_t other
    cdef uint8_t place
    if price and found:
        if side == SIDE_SELL:
            found = next_above(&market.lit, price) if price >= market.best_ask else market.best_ask
        elif market.best_bid >= price:
            found = next_below(&market.lit, price)
    for place in range(PLACE_DARK + side, PLACE_CALL_DARK + 2, 2):
        other = market.sides[place - PLACE_DARK].best
        if price and market.sides[place - PLACE_DARK].queues.slots != NULL:
            other = (next_below(&market.sides[place - PLACE_DARK].queues, price) if side == SIDE_BUY
                     else next_above(&market.sides[place - PLACE_DARK].queues, price))
        if other > found if side == SIDE_BUY else other < found:
            found = other
    return 0 if found == market.lit.limit else found


cdef void advance(const Core* core, const Market* market, uint8_t side, Walk* walk) noexcept nogil:
    """Stand on the order behind the walk's."""
    walk.link = core.pool.orders[walk.link - 1].after
    settle_on(core, market, side, walk)


cdef void trade_all(Core* core, Market* market, int32_t price, int64_t volume) noexcept nogil:
    """Trades at one price until the volume is done."""
    cdef Walk buys, sells
    cdef uint32_t buyer, seller
    cdef int64_t buyer_open, seller_open, qty
    begin(core, market, SIDE_BUY, &buys)
    begin(core, market, SIDE_SELL, &sells)
    while volume:
        buyer = buys.link
        seller = sells.link
        buyer_open = open_qty(core, buyer)
        seller_open = open_qty(core, seller)
        qty = buyer_open if buyer_open < seller_open else seller_open
        volume -= qty
        if buyer_open == qty and volume:
            advance(core, market, SIDE_BUY, &buys)
        if seller_open == qty and volume:
            advance(core, market, SIDE_SELL, &sells)
        trade(core, market, buyer, seller, price, qty)


cdef void trade(Core* core, Market* market, uint32_t buyer, uint32_t seller, int32_t price, int64_t qty) noexcept nogil:
    cdef uint64_t buyer_id = core.ids[buyer - 1]
    cdef uint64_t seller_id = core.ids[seller - 1]
    cdef uint32_t symbol = core.pool.orders[buyer - 1].symbol
    cdef Event* event = emit(core, EVENT_TRADE, REASON_AUCTION, symbol, SIDE_BUY, buyer_id, price, qty,
                             open_qty(core, buyer) - qty)
    event.maker_id = seller_id
    event.maker_leaves = open_qty(core, seller) - qty
    settle(core, symbol, SIDE_BUY, buyer_id, seller_id, price, qty,
           core.cold[buyer - 1].position if core.pool.orders[buyer - 1].owner else 0,
           core.cold[seller - 1].position if core.pool.orders[seller - 1].owner else 0)
    take(core, market, buyer, qty)
    take(core, market, seller, qty)


cdef void take(Core* core, Market* market, uint32_t link, int64_t qty) noexcept nogil:
    """Take lots from an order in its place: what it shows first, then what it hides."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef int64_t left = open_qty(core, link) - qty
    cdef int64_t shown = order.leaves - qty
    if left == 0:
        remove_order(core, link)
        return
    if shown <= 0:
        shown = core.cold[link - 1].display if core.cold[link - 1].display < left else left
    if order.flags & TRAIT_ICEBERG:
        core.hidden[link - 1] = left - shown
    level_change(queues_at(market, order.place), order, shown)


# --- what is left ----------------------------------------------------------------------------------------------------

cdef void uncross(Core* core, Market* market) noexcept nogil:
    cdef int64_t volume = 0
    cdef int32_t price = uncross_price(core, market, &volume)
    cdef uint8_t side
    if price:
        trade_all(core, market, price, volume)
    for side in range(2):
        expire_market_orders(core, market, side)
    for side in range(2):
        join_book(core, market, side)


cdef void expire_market_orders(Core* core, Market* market, uint8_t side) noexcept nogil:
    cdef uint32_t link = first_at(market, PLACE_CALL + side, edge_of(market, side))
    cdef uint32_t following
    while link:
        following = core.pool.orders[link - 1].after
        if core.pool.orders[link - 1].flags & TRAIT_MARKET_IN_CALL:
            expire_order(core, link, REASON_NO_LIQUIDITY, 0)
        link = following


cdef void join_book(Core* core, Market* market, uint8_t side) noexcept nogil:
    """The call's orders of a side go to the ends of their levels in lit and dark, in priority."""
    cdef int32_t lit, dark, empty = 0 if side == SIDE_BUY else market.lit.limit
    cdef uint8_t place
    cdef uint32_t link
    while True:
        lit = market.sides[PLACE_CALL + side - PLACE_DARK].best
        dark = market.sides[PLACE_CALL_DARK + side - PLACE_DARK].best
        if lit == empty and dark == empty:
            return
        place = PLACE_CALL + side
        if dark > lit if side == SIDE_BUY else dark < lit:
            place = PLACE_CALL_DARK + side
            lit = dark
        link = first_at(market, place, lit)
        join(core, market, link)


cdef void join(Core* core, Market* market, uint32_t link) noexcept nogil:
    """One order of the call goes to the book, with what it shows as it is; without a page it expires."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef uint8_t place = (PLACE_DARK if order.flags & FLAG_HIDDEN else PLACE_LIT) + order.side
    leave_place(core, link)
    if room_at(core, market, place, order.price):
        stand_in(core, link, place)
        return
    emit(core, EVENT_EXPIRED, REASON_LEVELS_FULL, order.symbol, order.side, core.ids[link - 1], order.price, open_qty(core, link), 0)
    give_slot(core, link)
