# cython: language_level=3
"""Entering, trading and cancelling: what every operation of continuous trading runs through."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.book.matching_state cimport (
    BPS_MAX, EVENT_ACCEPTED, EVENT_CANCELED, EVENT_EXPIRED, EVENT_PREVENTED, EVENT_TRADE, EVENT_TRIGGERED, FLAG_HIDDEN, FLAG_POST_ONLY,
    FLAG_POST_ONLY_REPRICE, FLAG_REDUCE_ONLY, FLAG_TRAIL_BPS, FLAGS_KEPT, ICEBERG_PARTS_MAX, OP_CANCEL, OP_NEW, PHASE_AUCTION, PHASE_CONTINUOUS,
    PHASE_HALTED, PLACE_CALL, PLACE_CALL_DARK, PLACE_DARK, PLACE_FREE, PLACE_LIT, PLACE_QUEUE, REASON_AUCTION,
    REASON_BAD_DISPLAY, REASON_BAD_EXPIRY, REASON_BAD_OWNER, REASON_BAD_PRICE, REASON_BAD_QTY, REASON_BAD_SIDE,
    REASON_BAD_TRIGGER, REASON_CLOSED, REASON_DUPLICATE_ORDER_ID, REASON_FOK_UNFILLED, REASON_HALTED, REASON_IOC_REMAINDER,
    REASON_LEVELS_FULL, REASON_NO_LIQUIDITY, REASON_NONE, REASON_NOT_OWNER, REASON_ORDERS_FULL, REASON_POSITIONS_FULL,
    REASON_PRICE_BAND, REASON_REDUCE_ONLY, REASON_REPRICED, REASON_SELF_TRADE, REASON_UNKNOWN_ORDER, REASON_UNKNOWN_SYMBOL,
    REASON_UNSUPPORTED, REASON_WOULD_CROSS, SIDE_BUY, SIDE_SELL, STP_DECREMENT, STP_EXPIRE_BOTH, STP_EXPIRE_MAKER, STP_NONE,
    TIF_DAY, TIF_FOK, TIF_GTC, TIF_GTD, TIF_IOC, TRAIT_ICEBERG, TRAIT_MARKET_IN_CALL, TW_ANY, TYPE_LIMIT,
    TYPE_LIMIT_IF_TOUCHED, TYPE_MARKET, TYPE_MARKET_IF_TOUCHED, TYPE_STOP, TYPE_STOP_LIMIT, TYPE_TRAILING_STOP, ColdOrder,
    Core, Event, Market, Op, Taker, cancel_order, emit, expire_order, expire_reducing, expiry_add, expiry_room, find_order,
    give_slot, hide_parts, lit_append, lit_unlink, open_qty, position_find, position_make, reducible, refresh, refuse, remove_order, room_at, settle,
    stand_in,
)
from engine.book.matching_triggers cimport begin_to_wait, has_waiting, look_at_trades, queue_pop, waiting_place
from engine.book.queues cimport (
    Level, QueuedOrder, Queues, SideBook, has_room, id_hash, level_at, next_above, next_below, pool_give, pool_take, side_worse,
    table_add, table_find, table_put, table_remove_at, table_seek, tw_rarely,
)

cdef extern from *:
    """
    /* What is written inline here is meant: gcc goes by size, and calls what every operation of a run passes through. */
    #undef CYTHON_INLINE
    #define CYTHON_INLINE inline __attribute__((always_inline))
    /* An operation's first word: bits that no plain new order has (its own pad and the lowest bits of side, tif and stp left out). */
    #define NOT_PLAIN 0x00F8FFFFFEFFFEFFull
    #define STP_BEYOND (3ull << 48)
    /* A resting order's last word: its symbol, and bits that none has which only stands in lit. A tif of GTD has one of the lowest two. */
    #define ORDER_SYMBOL 0x000000000000FFFFull
    #define NOT_QUICK (0xFEull << 24 | 3ull << 40 | (8ull | 64ull) << 48)
    #ifdef __x86_64__
    /* Not the builtin: gcc takes a function that does nothing but prefetch for one without effect, and drops its calls. */
    #define tw_prefetch(address) __asm__ volatile ("prefetcht0 %0" :: "m" (*(const char *)(address)))
    #else
    #define tw_prefetch(address) __builtin_prefetch(address)
    #endif
    """
    void tw_prefetch(const void* address) noexcept nogil
    const uint64_t NOT_PLAIN, STP_BEYOND, ORDER_SYMBOL, NOT_QUICK

cdef enum:
    FETCH_ID = 16             # how many operations of a batch ahead of its turn an id's place in the table is asked for
    IDS_BESIDE = 8            # as many ids that follow one another have one cache line of the table



# --- what a new order must be ----------------------------------------------------------------------------------------

cdef bint is_bad_price(const Core* core, uint8_t type, int64_t price) noexcept nogil:
    if type == TYPE_MARKET or type == TYPE_STOP or type == TYPE_MARKET_IF_TOUCHED:
        return False
    if type == TYPE_TRAILING_STOP and price == 0:
        return False
    return price < 1 or price >= core.price_limit


cdef bint has_limit(const Op* op) noexcept nogil:
    """Whether an order has a limit price: by its type, or, a trailing stop, because it gives one."""
    if op.type == TYPE_TRAILING_STOP:
        return op.price != 0
    return op.type == TYPE_LIMIT or op.type == TYPE_STOP_LIMIT or op.type == TYPE_LIMIT_IF_TOUCHED


cdef bint is_unsupported(const Op* op) noexcept nogil:
    """Combinations that no order can have (NEW 3)."""
    cdef bint limited = has_limit(op)
    cdef bint is_iceberg = op.display != 0 and op.type != TYPE_TRAILING_STOP
    cdef uint16_t post_only = op.flags & (FLAG_POST_ONLY | FLAG_POST_ONLY_REPRICE)
    if op.type > TYPE_TRAILING_STOP or op.tif > TIF_DAY or op.stp > STP_DECREMENT or op.flags & ~<uint16_t>FLAGS_KEPT:
        return True
    if op.flags & FLAG_TRAIL_BPS and op.type != TYPE_TRAILING_STOP:
        return True
    if post_only == (FLAG_POST_ONLY | FLAG_POST_ONLY_REPRICE):
        return True
    if (post_only or op.flags & FLAG_HIDDEN or is_iceberg) and not (limited and op.tif != TIF_IOC and op.tif != TIF_FOK):
        return True
    if op.flags & FLAG_HIDDEN and is_iceberg:
        return True
    if op.trigger and op.type <= TYPE_MARKET:
        return True
    if op.expire_ns and op.tif != TIF_GTD:
        return True
    if op.type == TYPE_MARKET:
        return op.tif > TIF_IOC
    return not limited and (op.tif == TIF_IOC or op.tif == TIF_FOK)


cdef uint16_t refusal_of_form(const Core* core, const Op* op) noexcept nogil:
    """NEW 2 to 9: what is wrong with an order whatever the books are."""
    cdef int64_t trigger_min = 0 if op.type == TYPE_TRAILING_STOP else 1
    if op.side > SIDE_SELL:
        return REASON_BAD_SIDE
    if is_unsupported(op):
        return REASON_UNSUPPORTED
    if op.owner == TW_ANY:
        return REASON_BAD_OWNER
    if op.qty < 1 or op.qty > core.qty_max:
        return REASON_BAD_QTY
    if is_bad_price(core, op.type, op.price):
        return REASON_BAD_PRICE
    if op.type == TYPE_TRAILING_STOP:
        if op.display < 1 or op.display > (BPS_MAX if op.flags & FLAG_TRAIL_BPS else core.price_limit - 1):
            return REASON_BAD_DISPLAY
    elif op.display < 0 or (op.display and (op.qty - 1) // op.display >= ICEBERG_PARTS_MAX):
        return REASON_BAD_DISPLAY
    if op.type >= TYPE_STOP and (op.trigger < trigger_min or op.trigger >= core.price_limit):
        return REASON_BAD_TRIGGER
    if op.tif == TIF_GTD and op.expire_ns <= core.now_ns:
        return REASON_BAD_EXPIRY
    return REASON_NONE


cdef uint16_t refusal_of_phase(const Market* market, const Op* op) noexcept nogil:
    """NEW 11."""
    if market.phase == PHASE_CONTINUOUS:
        return REASON_NONE
    if market.phase != PHASE_AUCTION:
        return REASON_HALTED if market.phase == PHASE_HALTED else REASON_CLOSED
    if op.type < TYPE_STOP and (op.tif == TIF_IOC or op.tif == TIF_FOK
                                or op.flags & (FLAG_POST_ONLY | FLAG_POST_ONLY_REPRICE | FLAG_REDUCE_ONLY)):
        return REASON_AUCTION
    return REASON_NONE


cdef bint is_outside_band(const Market* market, int64_t price) noexcept nogil:
    return market.band_high != 0 and (price < market.band_low or price > market.band_high)


cdef bint crosses(const Market* market, uint8_t side, int64_t price) noexcept nogil:
    if side == SIDE_BUY:
        return market.best_ask <= price or market.sides[1].best <= price
    return market.best_bid >= price or market.sides[0].best >= price


cdef int32_t passive_price(const Market* market, uint8_t side) noexcept nogil:
    cdef int32_t lit = market.best_ask if side == SIDE_BUY else market.best_bid
    cdef int32_t dark = market.sides[1 - side].best
    cdef int32_t price
    if side == SIDE_BUY:
        price = (dark if dark < lit else lit) - 1
    else:
        price = (dark if dark > lit else lit) + 1
    if price < 1 or price >= market.lit.limit or is_outside_band(market, price):
        return 0
    return price


cdef uint16_t refusal_of_entry(Core* core, Market* market, Taker* taker) noexcept nogil:
    """NEW 12 to 14 of a taker, which REDUCE_ONLY may cut and POST_ONLY_REPRICE move."""
    cdef uint64_t allowed
    if taker.type == TYPE_LIMIT and is_outside_band(market, taker.price):
        return REASON_PRICE_BAND
    if taker.flags & FLAG_REDUCE_ONLY:
        allowed = reducible(core, taker.position, taker.side)
        if allowed == 0:
            return REASON_REDUCE_ONLY
        if allowed < <uint64_t>taker.leaves:
            taker.leaves = <int64_t>allowed
    if taker.flags & (FLAG_POST_ONLY | FLAG_POST_ONLY_REPRICE) and crosses(market, taker.side, taker.price):
        if taker.flags & FLAG_POST_ONLY:
            return REASON_WOULD_CROSS
        if passive_price(market, taker.side) == 0:
            return REASON_WOULD_CROSS
        taker.price = passive_price(market, taker.side)
        taker.worst = taker.price
        taker.is_repriced = 1
    return REASON_NONE


cdef inline bint may_rest(const Taker* taker) noexcept nogil:
    return taker.type == TYPE_LIMIT and taker.tif != TIF_IOC and taker.tif != TIF_FOK


cdef inline uint8_t book_place(uint8_t flags, uint8_t side) noexcept nogil:
    return (PLACE_DARK if flags & FLAG_HIDDEN else PLACE_LIT) + side


# --- NEW -------------------------------------------------------------------------------------------------------------

cdef void apply_new(Core* core, const Op* op) noexcept nogil:
    enter(core, op)
    if not core.own_handles:
        tw_prefetch(&core.table.slots[id_hash(op.order_id + IDS_BESIDE) & core.table.mask])  # ids often follow one another


cdef inline bint is_plain(const Op* op) noexcept nogil:
    """A limit order, GTC or IOC, with a side and a mode of self-trade prevention that there are, and nothing else: by one branch."""
    cdef uint64_t form = (<const uint64_t*>op)[0]
    form |= form + STP_BEYOND  # a mode from 5 on now has a bit that none up to STP_DECREMENT has
    return ((form & NOT_PLAIN) | <uint64_t>op.display | <uint64_t>op.trigger | <uint64_t>op.expire_ns) == 0


cdef inline void enter(Core* core, const Op* op) noexcept nogil:
    cdef Market* market
    if op.symbol >= core.symbol_count:
        refuse(core, op, REASON_UNKNOWN_SYMBOL)
        return
    market = &core.markets[op.symbol]
    if market.is_plain and is_plain(op):
        enter_plain(core, market, op)
    else:
        enter_any(core, market, op)


cdef inline uint16_t refusal_of_plain(Core* core, Market* market, const Op* op, uint64_t tag, uint64_t* at) noexcept nogil:
    """NEW 4 to 16 of a limit order, GTC or IOC, without anything else, in continuous trading without a band; ``at``: where its id goes."""
    if tw_rarely(op.owner == TW_ANY):
        return REASON_BAD_OWNER
    if tw_rarely(<uint64_t>(op.qty - 1) >= <uint64_t>core.qty_max):
        return REASON_BAD_QTY
    if tw_rarely(<uint64_t>(op.price - 1) >= <uint64_t>(core.price_limit - 1)):
        return REASON_BAD_PRICE
    if not core.own_handles and tw_rarely(table_seek(&core.table, core.ids, op.order_id, tag, at) != 0):
        return REASON_DUPLICATE_ORDER_ID
    if op.tif == TIF_GTC:
        if tw_rarely(core.pool.first_free == 0):
            return REASON_ORDERS_FULL
        if tw_rarely(not has_room(&core.pages, &market.lit, <int32_t>op.price)):
            return REASON_LEVELS_FULL
    return REASON_NONE


cdef inline void enter_plain(Core* core, Market* market, const Op* op) noexcept nogil:
    cdef uint64_t at = 0
    cdef uint64_t tag = id_hash(op.order_id)
    cdef uint16_t reason = refusal_of_plain(core, market, op, tag, &at)
    cdef uint32_t position = 0
    cdef uint32_t link = 0
    cdef uint64_t order_id = op.order_id
    cdef Taker taker
    if tw_rarely(op.owner != 0) and reason == REASON_NONE:
        position = position_make(core, op.owner, op.symbol)
        if position == 0:
            reason = REASON_POSITIONS_FULL
    if tw_rarely(reason != REASON_NONE):
        refuse(core, op, reason)
        return
    if op.tif == TIF_GTC:
        link = pool_take(&core.pool)
        fill_plain(core, link, op)
        if position:
            core.cold[link - 1].position = position
    if tw_rarely(core.own_handles):
        order_id = handle_of(core, link)
    emit(core, EVENT_ACCEPTED, REASON_NONE, op.symbol, op.side, order_id, op.price, op.qty, op.qty)
    if link and not crosses(market, op.side, op.price):
        if not core.own_handles:
            core.ids[link - 1] = order_id
            table_put(&core.table, at, tag, link)
        lit_append(core, market, link)
        return
    taker.order_id = order_id
    taker.leaves = op.qty
    taker.display = 0
    taker.price = <int32_t>op.price
    taker.worst = <int32_t>op.price
    taker.owner = op.owner
    taker.position = position
    taker.link = link
    taker.guarded = op.owner if op.stp != STP_NONE and op.owner else TW_ANY
    taker.symbol = op.symbol
    taker.side = op.side
    taker.type = TYPE_LIMIT
    taker.tif = op.tif
    taker.stp = op.stp
    taker.flags = 0
    taker.is_known = 0
    cross(core, market, &taker)


cdef inline void fill_plain(Core* core, uint32_t link, const Op* op) noexcept nogil:
    """What a slot keeps of an order that nothing is special about."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    order.leaves = op.qty
    order.price = <int32_t>op.price
    order.owner = op.owner
    (<uint64_t*>&order.symbol)[0] = (op.symbol | <uint64_t>op.side << 16 | <uint64_t>(PLACE_LIT + op.side) << 24
                                     | <uint64_t>op.tif << 40 | <uint64_t>op.stp << 56)  # one store; type and flags are 0


cdef inline void enter_id(Core* core, uint32_t link, uint64_t order_id) noexcept nogil:
    if not core.own_handles:
        core.ids[link - 1] = order_id
        table_add(&core.table, order_id, link)


cdef uint64_t handle_of(Core* core, uint32_t link) noexcept nogil:
    """The own handle of a slot, or the next one of an order without a slot."""
    if link:
        return core.ids[link - 1]
    core.unslotted += 1
    return <uint64_t>TW_ANY << 32 | (core.unslotted - 1)


cdef void cross(Core* core, Market* market, Taker* taker) noexcept nogil:
    """A plain taker's step and all that follows."""
    cdef uint64_t first_row = core.row_count
    match(core, market, taker)
    end_taker(core, market, taker)
    finish(core, market, first_row)


cdef void taker_of_op(const Core* core, const Market* market, const Op* op, Taker* taker) noexcept nogil:
    cdef bint limited = has_limit(op)
    taker.leaves = op.qty
    taker.display = op.display if op.type != TYPE_TRAILING_STOP else 0
    taker.price = <int32_t>op.price if limited else 0
    taker.owner = op.owner
    taker.position = 0
    taker.link = 0
    taker.guarded = op.owner if op.stp != STP_NONE and op.owner else TW_ANY
    taker.symbol = op.symbol
    taker.side = op.side
    taker.type = TYPE_LIMIT if limited else TYPE_MARKET
    taker.tif = op.tif
    taker.stp = op.stp
    taker.flags = <uint8_t>op.flags | (TRAIT_ICEBERG if taker.display else 0)
    taker.is_known = 1
    taker.is_repriced = 0
    taker.worst = taker.price if limited else edge(market, op.side)


cdef int32_t edge(const Market* market, uint8_t side) noexcept nogil:
    """How far a market order may trade, and where it stands in a call."""
    if side == SIDE_BUY:
        return market.band_high if market.band_high else market.lit.limit - 1
    return market.band_low if market.band_low else 1


cdef void enter_any(Core* core, Market* market, const Op* op) noexcept nogil:
    """A new order of any kind."""
    cdef Taker taker
    cdef bint waits = op.type >= TYPE_STOP
    cdef uint16_t reason = refusal_of_form(core, op)
    if reason == REASON_NONE and not core.own_handles and table_find(&core.table, core.ids, op.order_id):
        reason = REASON_DUPLICATE_ORDER_ID
    if reason == REASON_NONE:
        reason = refusal_of_phase(market, op)
    if reason == REASON_NONE:
        taker_of_op(core, market, op, &taker)
        if not waits:
            if op.owner and op.flags & FLAG_REDUCE_ONLY:
                taker.position = position_find(core, op.owner, op.symbol)
            reason = refusal_of_entry(core, market, &taker)
    if reason == REASON_NONE:
        reason = refusal_of_room(core, market, op, &taker)
    if reason == REASON_NONE and op.owner:
        taker.position = position_make(core, op.owner, op.symbol)
        if taker.position == 0:
            reason = REASON_POSITIONS_FULL
    if reason != REASON_NONE:
        refuse(core, op, reason)
        return
    accept(core, market, op, &taker)


cdef bint takes_slot(const Market* market, const Op* op, const Taker* taker) noexcept nogil:
    return op.type >= TYPE_STOP or may_rest(taker) or market.phase == PHASE_AUCTION


cdef uint16_t refusal_of_room(Core* core, Market* market, const Op* op, const Taker* taker) noexcept nogil:
    """NEW 15 and 16."""
    cdef uint8_t place = book_place(taker.flags, op.side)
    cdef int32_t price = taker.worst
    if not takes_slot(market, op, taker):
        return REASON_NONE
    if core.pool.first_free == 0 or (op.tif == TIF_GTD and not expiry_room(core)):
        return REASON_ORDERS_FULL
    if op.type >= TYPE_STOP:
        place = waiting_place(op.type, op.side)
        price = <int32_t>op.trigger
    elif market.phase == PHASE_AUCTION:
        place += PLACE_CALL
        if taker.flags & FLAG_HIDDEN:
            place = PLACE_CALL_DARK + op.side
    return REASON_NONE if room_at(core, market, place, price) else REASON_LEVELS_FULL


cdef void accept(Core* core, Market* market, const Op* op, Taker* taker) noexcept nogil:
    """ACCEPTED, and the order's first step."""
    cdef uint64_t first_row
    taker.order_id = op.order_id
    if takes_slot(market, op, taker):
        taker.link = pool_take(&core.pool)
    if core.own_handles:
        taker.order_id = handle_of(core, taker.link)
    if taker.link:
        fill_order(core, op, taker)
    emit(core, EVENT_ACCEPTED, REASON_REPRICED if taker.is_repriced else REASON_NONE, op.symbol, op.side, taker.order_id,
         taker.price, op.qty, taker.leaves)
    first_row = core.row_count
    if op.type >= TYPE_STOP:
        begin_to_wait(core, market, taker.link, waiting_place(op.type, op.side))
    elif market.phase == PHASE_AUCTION:
        stand_in_call(core, taker.link)
        return
    else:
        step(core, market, taker)
    finish(core, market, first_row)


cdef void fill_order(Core* core, const Op* op, const Taker* taker) noexcept nogil:
    """What a slot keeps of any order."""
    cdef QueuedOrder* order = &core.pool.orders[taker.link - 1]
    cdef ColdOrder* cold = &core.cold[taker.link - 1]
    order.leaves = taker.leaves
    order.price = taker.worst
    order.owner = op.owner
    order.symbol = <uint16_t>op.symbol
    order.side = op.side
    order.place = PLACE_QUEUE
    order.type = op.type
    order.tif = op.tif
    order.flags = taker.flags
    order.stp = op.stp
    cold.position = taker.position
    cold.display = op.display
    core.hidden[taker.link - 1] = 0  # an iceberg hides nothing until it stands in a book
    if op.type >= TYPE_STOP:
        order.price = <int32_t>op.trigger
        cold.limit_price = taker.price
    elif op.type == TYPE_MARKET:
        order.flags |= TRAIT_MARKET_IN_CALL
    enter_id(core, taker.link, taker.order_id)
    if op.tif == TIF_GTD:
        expiry_add(core, taker.link, op.expire_ns, core.op_index)






cdef void stand_in_call(Core* core, uint32_t link) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if order.flags & TRAIT_ICEBERG:
        hide_parts(core, link)
    stand_in(core, link, (PLACE_CALL_DARK if order.flags & FLAG_HIDDEN else PLACE_CALL) + order.side)


cdef void stand_in_book(Core* core, uint32_t link) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if order.flags & TRAIT_ICEBERG:
        hide_parts(core, link)
    stand_in(core, link, book_place(order.flags, order.side))


# --- a taker's step --------------------------------------------------------------------------------------------------

cdef void step(Core* core, Market* market, Taker* taker) noexcept nogil:
    if taker.tif == TIF_FOK and not fills_whole(core, market, taker):
        emit(core, EVENT_EXPIRED, REASON_FOK_UNFILLED, taker.symbol, taker.side, taker.order_id, taker.price, taker.leaves, 0)
        taker.leaves = 0
    else:
        match(core, market, taker)
    end_taker(core, market, taker)


cdef void match(Core* core, Market* market, Taker* taker) noexcept nogil:
    """Trade against the other side as far as the taker may."""
    cdef bint is_buy = taker.side == SIDE_BUY
    cdef SideBook* dark = &market.sides[1 - taker.side]
    cdef Queues* queues
    cdef int32_t price
    cdef uint32_t link
    while taker.leaves:
        queues = &market.lit
        if is_buy:
            price = market.best_ask
            if tw_rarely(dark.best < price):
                price = dark.best
                queues = &dark.queues
            if price > taker.worst:
                return
        else:
            price = market.best_bid
            if tw_rarely(dark.best > price):
                price = dark.best
                queues = &dark.queues
            if price < taker.worst:
                return
        link = level_at(queues, price).head
        if tw_rarely(core.pool.orders[link - 1].owner == taker.guarded):
            meet_own(core, taker, link)
        elif tw_rarely(core.pool.orders[link - 1].flags & FLAG_REDUCE_ONLY):
            meet_reducing(core, taker, link)
        else:
            trade(core, market, taker, link, core.pool.orders[link - 1].leaves)


cdef inline void trade(Core* core, Market* market, Taker* taker, uint32_t link, int64_t qty) noexcept nogil:
    """A trade of at most ``qty`` lots with the order that comes first."""
    cdef QueuedOrder* maker = &core.pool.orders[link - 1]
    cdef uint64_t maker_id = core.ids[link - 1]
    cdef Event* event
    if taker.leaves < qty:
        qty = taker.leaves
    taker.leaves -= qty
    event = emit(core, EVENT_TRADE, REASON_NONE, taker.symbol, taker.side, taker.order_id, maker.price, qty, taker.leaves)
    event.maker_id = maker_id
    event.maker_leaves = open_qty(core, link) - qty
    settle(core, taker.symbol, taker.side, taker.order_id, maker_id, maker.price, qty, taker.position,
           core.cold[link - 1].position if maker.owner else 0)
    take(core, link, qty)


cdef inline void take(Core* core, uint32_t link, int64_t qty) noexcept nogil:
    """Reduce what a resting order shows; an order with nothing left goes."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if qty < order.leaves:
        level_at(queues_of(core, order), order.price).qty -= qty
        order.leaves -= qty
    elif tw_rarely(order.flags & TRAIT_ICEBERG) and core.hidden[link - 1]:
        refresh(core, link)
    else:
        remove_order(core, link)


cdef inline Queues* queues_of(Core* core, const QueuedOrder* order) noexcept nogil:
    if order.place <= 1:
        return &core.markets[order.symbol].lit
    return &core.markets[order.symbol].sides[order.place - PLACE_DARK].queues


cdef void meet_reducing(Core* core, Taker* taker, uint32_t link) noexcept nogil:
    """A REDUCE_ONLY maker trades no more than its owner's position."""
    cdef QueuedOrder* maker = &core.pool.orders[link - 1]
    cdef uint32_t position = core.cold[link - 1].position
    cdef uint64_t allowed = reducible(core, position, maker.side)
    cdef bint is_cut = allowed < <uint64_t>maker.leaves and allowed < <uint64_t>taker.leaves
    if allowed == 0:
        expire_order(core, link, REASON_REDUCE_ONLY, 0)
        return
    trade(core, &core.markets[maker.symbol], taker, link, <int64_t>allowed if is_cut else maker.leaves)
    if is_cut and core.positions[position - 1].lots == 0:
        expire_order(core, link, REASON_REDUCE_ONLY, 0)


cdef void meet_own(Core* core, Taker* taker, uint32_t link) noexcept nogil:
    """Self-trade prevention by the taker's mode."""
    cdef uint64_t maker_id = core.ids[link - 1]
    cdef Event* event
    if taker.stp == STP_DECREMENT:
        decrement(core, taker, link)
        return
    if taker.stp == STP_EXPIRE_MAKER or taker.stp == STP_EXPIRE_BOTH:
        expire_order(core, link, REASON_SELF_TRADE, taker.order_id)
    if taker.stp == STP_EXPIRE_MAKER:
        return
    event = emit(core, EVENT_EXPIRED, REASON_SELF_TRADE, taker.symbol, taker.side, taker.order_id, taker.price, taker.leaves, 0)
    event.maker_id = maker_id
    taker.leaves = 0


cdef void decrement(Core* core, Taker* taker, uint32_t link) noexcept nogil:
    """Take what would have traded from both orders of one owner."""
    cdef QueuedOrder* maker = &core.pool.orders[link - 1]
    cdef int64_t qty = maker.leaves if maker.leaves < taker.leaves else taker.leaves
    cdef Event* event
    taker.leaves -= qty
    event = emit(core, EVENT_PREVENTED, REASON_SELF_TRADE, taker.symbol, taker.side, taker.order_id, maker.price, qty, taker.leaves)
    event.maker_id = core.ids[link - 1]
    event.maker_leaves = open_qty(core, link) - qty
    take(core, link, qty)


cdef bint fills_whole(Core* core, Market* market, const Taker* taker) noexcept nogil:
    """Whether all of a FOK order can trade at once."""
    cdef SideBook* dark = &market.sides[1 - taker.side]
    cdef bint is_buy = taker.side == SIDE_BUY
    cdef int32_t lit_price = market.best_ask if is_buy else market.best_bid
    cdef int32_t dark_price = dark.best
    cdef int64_t need = taker.leaves
    while True:
        if dark_price < lit_price if is_buy else dark_price > lit_price:
            if dark_price > taker.worst if is_buy else dark_price < taker.worst:
                return False
            need = need_behind(core, taker, level_at(&dark.queues, dark_price).head, need)
            dark_price = side_worse(dark, dark_price)
        else:
            if lit_price > taker.worst if is_buy else lit_price < taker.worst:
                return False
            need = need_behind(core, taker, level_at(&market.lit, lit_price).head, need)
            lit_price = next_above(&market.lit, lit_price) if is_buy else next_below(&market.lit, lit_price)
        if need <= 0:
            return need == 0


cdef int64_t need_behind(Core* core, const Taker* taker, uint32_t link, int64_t need) noexcept nogil:
    """What a FOK order still needs behind a level: 0 nothing, -1 it met an order of its own that makes it unfilled."""
    cdef QueuedOrder* maker
    while link:
        maker = &core.pool.orders[link - 1]
        if maker.owner == taker.guarded:
            if taker.stp != STP_EXPIRE_MAKER:
                return -1
        elif not maker.flags & FLAG_REDUCE_ONLY:
            if open_qty(core, link) >= need:
                return 0
            need -= open_qty(core, link)
        link = maker.after
    return need


cdef inline void end_taker(Core* core, Market* market, Taker* taker) noexcept nogil:
    """What is left of a taker rests or expires."""
    if taker.leaves:
        if taker.link and may_rest(taker):
            rest(core, market, taker)
            return
        expire_rest(core, market, taker)
    if taker.link:
        if taker.is_known:
            give_slot(core, taker.link)
        else:
            give_fresh_slot(core, taker.link)


cdef void expire_rest(Core* core, Market* market, const Taker* taker) noexcept nogil:
    cdef uint16_t reason = REASON_IOC_REMAINDER
    if taker.type == TYPE_MARKET:
        reason = REASON_NO_LIQUIDITY
        if crosses(market, taker.side, market.lit.limit - 1 if taker.side == SIDE_BUY else 1):
            reason = REASON_PRICE_BAND
    emit(core, EVENT_EXPIRED, reason, taker.symbol, taker.side, taker.order_id, taker.price, taker.leaves, 0)


cdef void give_fresh_slot(Core* core, uint32_t link) noexcept nogil:
    """Free the slot of an order whose id was never entered."""
    if core.own_handles:
        give_slot(core, link)
        return
    core.pool.orders[link - 1].place = PLACE_FREE
    pool_give(&core.pool, link)


cdef void rest(Core* core, Market* market, Taker* taker) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[taker.link - 1]
    order.leaves = taker.leaves
    order.price = taker.price
    if not taker.is_known:
        enter_id(core, taker.link, taker.order_id)
    stand_in_book(core, taker.link)


# --- what follows from a step ----------------------------------------------------------------------------------------

cdef void finish(Core* core, Market* market, uint64_t first_row) noexcept nogil:
    """REDUCE_ONLY orders that can reduce no more, then triggers, then the queue of the triggered."""
    cdef uint32_t link
    while True:
        if core.changed_head:
            expire_reducing(core)
        if has_waiting(market):
            look_at_trades(core, market, first_row, core.row_count)
        link = queue_pop(core)
        if link == 0:
            return
        first_row = core.row_count
        take_triggered(core, market, link)


cdef void take_triggered(Core* core, Market* market, uint32_t link) noexcept nogil:
    """TRIGGERED, and the step of an order that waited."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    cdef int32_t price = core.cold[link - 1].limit_price
    cdef uint16_t reason
    cdef Taker taker
    emit(core, EVENT_TRIGGERED, REASON_NONE, order.symbol, order.side, core.ids[link - 1], core.cold[link - 1].extreme,
         order.leaves, order.leaves)
    taker_of_order(core, market, link, TYPE_LIMIT if price else TYPE_MARKET, price, order.leaves, &taker)
    reason = refusal_of_entry(core, market, &taker)
    if reason == REASON_NONE and may_rest(&taker) and not room_at(core, market, book_place(taker.flags, taker.side), taker.price):
        reason = REASON_LEVELS_FULL
    if reason == REASON_NONE:
        step(core, market, &taker)
        return
    emit(core, EVENT_EXPIRED, reason, taker.symbol, taker.side, taker.order_id, taker.price, taker.leaves, 0)
    give_slot(core, link)


cdef void taker_of_order(Core* core, Market* market, uint32_t link, uint8_t type, int32_t price, int64_t leaves,
                         Taker* taker) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    order.place = PLACE_QUEUE
    taker.order_id = core.ids[link - 1]
    taker.leaves = leaves
    taker.display = 0
    taker.price = price
    taker.worst = price if type == TYPE_LIMIT else edge(market, order.side)
    taker.owner = order.owner
    taker.position = core.cold[link - 1].position if order.owner else 0
    taker.link = link
    taker.guarded = order.owner if order.stp != STP_NONE and order.owner else TW_ANY
    taker.symbol = order.symbol
    taker.side = order.side
    taker.type = type
    taker.tif = order.tif
    taker.stp = order.stp
    taker.flags = order.flags
    taker.is_known = 1
    taker.is_repriced = 0


# --- CANCEL ----------------------------------------------------------------------------------------------------------

cdef uint32_t named_order(Core* core, const Op* op) noexcept nogil:
    cdef uint32_t link
    if op.symbol >= core.symbol_count:
        refuse(core, op, REASON_UNKNOWN_SYMBOL)
        return 0
    link = find_order(core, op.order_id)
    if link == 0 or core.pool.orders[link - 1].symbol != op.symbol:
        refuse(core, op, REASON_UNKNOWN_ORDER)
        return 0
    if core.pool.orders[link - 1].owner != op.owner:
        refuse(core, op, REASON_NOT_OWNER)
        return 0
    return link


cdef void apply_cancel(Core* core, const Op* op) noexcept nogil:
    withdraw(core, op)


cdef inline bint is_quick(const QueuedOrder* order, const Op* op) noexcept nogil:
    """Of the symbol and owner that a cancel says, in lit, no iceberg, neither REDUCE_ONLY nor GTD: by one branch."""
    cdef uint64_t form = (<const uint64_t*>&order.symbol)[0]
    return (((form & (ORDER_SYMBOL | NOT_QUICK)) ^ op.symbol) | (order.owner ^ op.owner)) == 0


cdef inline void withdraw(Core* core, const Op* op) noexcept nogil:
    """A cancel: quick for what stands in lit and has nothing that others must know of."""
    cdef uint64_t at = 0
    cdef uint32_t link
    cdef QueuedOrder* order
    if core.own_handles:
        link = find_order(core, op.order_id)
    else:
        link = table_seek(&core.table, core.ids, op.order_id, id_hash(op.order_id), &at)
    if tw_rarely(link == 0):
        withdraw_any(core, op)
        return
    order = &core.pool.orders[link - 1]
    if tw_rarely(not is_quick(order, op)):
        withdraw_any(core, op)
        return
    emit(core, EVENT_CANCELED, REASON_NONE, op.symbol, order.side, op.order_id, order.price, order.leaves, 0)
    lit_unlink(core, &core.markets[op.symbol], link)
    if core.own_handles:
        give_slot(core, link)
        return
    table_remove_at(&core.table, at)
    order.place = PLACE_FREE
    pool_give(&core.pool, link)


cdef void withdraw_any(Core* core, const Op* op) noexcept nogil:
    cdef uint32_t link = named_order(core, op)
    if link:
        cancel_order(core, link)


cdef Py_ssize_t apply_run(Core* core, const Op* ops, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t index
    cdef Py_ssize_t fetched = 0 if core.own_handles else count - FETCH_ID
    for index in range(count):
        if index < fetched:
            tw_prefetch(&core.table.slots[id_hash(ops[index + FETCH_ID].order_id) & core.table.mask])
        if ops[index].op == OP_NEW:
            enter(core, &ops[index])
        elif ops[index].op == OP_CANCEL:
            withdraw(core, &ops[index])
        else:
            return index
        core.op_index += 1
    return count
