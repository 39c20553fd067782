"""Records and state of the matching engine, and what every part of it does to an order: the C side of docs/matching.md.

Users need ``Op``, ``Event`` and the enums; the rest is what the parts of the engine share. Orders are named by links (slot + 1).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.book.queues cimport (
    IdTable, OrderPool, Pages, QueuedOrder, Queues, SideBook, has_room, level_at, next_above, next_below, pool_give,
    queues_append, queues_unlink, side_append, side_unlink, table_find, table_remove, tw_rarely,
)

cdef extern from *:
    """
    #define TW_ANY 0xFFFFFFFFu
    """
    const uint32_t TW_ANY


cpdef enum OpKind:
    OP_NEW = 0
    OP_CANCEL = 1
    OP_AMEND = 2
    OP_MASS_CANCEL = 3
    OP_ADVANCE = 4
    OP_PHASE = 5
    OP_BAND = 6
    OP_BUST = 7


cpdef enum BookSide:
    SIDE_BUY = 0
    SIDE_SELL = 1


cpdef enum KindOfOrder:
    TYPE_LIMIT = 0
    TYPE_MARKET = 1
    TYPE_STOP = 2
    TYPE_STOP_LIMIT = 3
    TYPE_MARKET_IF_TOUCHED = 4
    TYPE_LIMIT_IF_TOUCHED = 5
    TYPE_TRAILING_STOP = 6


cpdef enum TifKind:
    TIF_GTC = 0
    TIF_IOC = 1
    TIF_FOK = 2
    TIF_GTD = 3
    TIF_DAY = 4


cpdef enum OpFlag:
    FLAG_POST_ONLY = 1
    FLAG_POST_ONLY_REPRICE = 2
    FLAG_HIDDEN = 4
    FLAG_REDUCE_ONLY = 8
    FLAG_AMEND_LOSES_PLACE = 16
    FLAG_TRAIL_BPS = 32


cpdef enum StpKind:
    STP_NONE = 0
    STP_EXPIRE_MAKER = 1
    STP_EXPIRE_TAKER = 2
    STP_EXPIRE_BOTH = 3
    STP_DECREMENT = 4


cpdef enum TradingPhase:
    PHASE_CONTINUOUS = 0
    PHASE_HALTED = 1
    PHASE_AUCTION = 2
    PHASE_CLOSED = 3


cpdef enum EventKind:
    EVENT_ACCEPTED = 0
    EVENT_TRADE = 1
    EVENT_CANCELED = 2
    EVENT_REJECTED = 3
    EVENT_AMENDED = 4
    EVENT_TRIGGERED = 5
    EVENT_EXPIRED = 6
    EVENT_REFRESHED = 7
    EVENT_BUSTED = 8
    EVENT_PREVENTED = 9
    EVENT_CONTROL = 10


cpdef enum Reason:
    REASON_NONE = 0
    REASON_UNSUPPORTED = 1
    REASON_UNKNOWN_SYMBOL = 2
    REASON_UNKNOWN_ORDER = 3
    REASON_DUPLICATE_ORDER_ID = 4
    REASON_BAD_SIDE = 5
    REASON_BAD_PRICE = 6
    REASON_BAD_QTY = 7
    REASON_WOULD_CROSS = 8
    REASON_FOK_UNFILLED = 9
    REASON_IOC_REMAINDER = 10
    REASON_NO_LIQUIDITY = 11
    REASON_SELF_TRADE = 12
    REASON_ORDERS_FULL = 13
    REASON_LEVELS_FULL = 14
    REASON_NOT_OWNER = 15
    REASON_NOTHING_TO_CANCEL = 16
    REASON_BAD_OWNER = 17
    REASON_BAD_DISPLAY = 18
    REASON_BAD_TRIGGER = 19
    REASON_BAD_EXPIRY = 20
    REASON_PRICE_BAND = 21
    REASON_HALTED = 22
    REASON_AUCTION = 23
    REASON_CLOSED = 24
    REASON_REDUCE_ONLY = 25
    REASON_REPRICED = 26
    REASON_TIME_EXPIRED = 27
    REASON_END_OF_DAY = 28
    REASON_UNKNOWN_TRADE = 29
    REASON_POSITIONS_FULL = 30
    REASON_BAD_PHASE = 31
    REASON_BAD_BAND = 32
    REASON_CLOCK_BACKWARDS = 33
    REASON_NOTHING_CHANGED = 34


cdef enum Place:          # where a live order stands; even places up to 6 are bids
    PLACE_LIT = 0
    PLACE_DARK = 2
    PLACE_CALL = 4
    PLACE_CALL_DARK = 6
    PLACE_RISING = 8
    PLACE_FALLING = 9
    PLACE_TRAILING = 10
    PLACES = 11
    PLACE_QUEUE = 11      # triggered, in the operation's queue, or a taker that holds its slot
    PLACE_FREE = 12

cdef enum Trait:          # in the flags of a queued order, beside the OpFlags that it keeps
    TRAIT_ICEBERG = 64
    TRAIT_MARKET_IN_CALL = 128
    FLAGS_KEPT = 47

cdef enum:
    ICEBERG_PARTS_MAX = 1024
    BPS_MAX = 9999
    EXTREME_INACTIVE = -1


cdef packed struct Op:
    uint8_t op
    uint8_t side
    uint8_t type
    uint8_t tif
    uint16_t flags
    uint8_t stp
    uint8_t pad
    uint32_t symbol
    uint32_t owner
    uint64_t order_id
    int64_t price
    int64_t qty
    int64_t display
    int64_t trigger
    int64_t expire_ns


cdef packed struct Event:
    uint8_t kind
    uint8_t side
    uint16_t reason
    uint32_t symbol
    uint64_t op_index
    uint64_t order_id
    uint64_t maker_id
    int64_t price
    int64_t qty
    int64_t leaves
    int64_t maker_leaves


cdef struct ColdOrder:        # 32 bytes; what few orders have
    int64_t display           # iceberg: lots shown at a time; waiting trailing stop: its distance
    int32_t limit_price       # of a waiting order, 0 has none; `price` of the queued record is its trigger
    int32_t extreme           # trailing stop: see EXTREME_INACTIVE, 0 is none yet; in the operation's queue: the price that met it
    uint32_t position         # index + 1 of its owner's position, where the owner is not 0
    uint32_t reduce_before    # neighbours among the owner's resting REDUCE_ONLY orders
    uint32_t reduce_after
    uint32_t expiry_at        # GTD: index in the heap of expiries


cdef struct Position:         # 32 bytes
    int64_t lots
    uint32_t owner
    uint32_t symbol
    uint32_t reduce_head      # links: the owner's resting REDUCE_ONLY orders, oldest first
    uint32_t reduce_tail
    uint32_t changed_next     # index + 1 of the next position that the step changed
    uint32_t is_changed


cdef struct Expiry:
    int64_t expire_ns
    uint64_t accepted         # the operation that entered the order
    uint32_t link


cdef struct KeptTrade:
    uint64_t order_id
    uint64_t maker_id
    int64_t qty
    uint32_t order_position   # index + 1, 0 is none
    uint32_t maker_position
    int32_t price
    uint16_t symbol
    uint8_t side
    uint8_t is_busted


cdef struct Market:           # one symbol
    Queues lit                # both sides: every level up to best_bid is a bid, from best_ask up an ask
    int32_t best_bid
    int32_t best_ask
    uint8_t phase
    uint8_t is_plain          # CONTINUOUS and without a band
    uint8_t pad[2]
    int32_t band_low
    int32_t band_high
    int32_t last_price
    uint32_t trailing_head
    uint32_t trailing_tail
    SideBook sides[8]         # places 2 .. 9; their trees are there from the first use on


cdef struct Taker:
    uint64_t order_id
    int64_t leaves
    int64_t display
    int32_t price             # as rows say it: 0 has none
    int32_t worst             # how far it may trade
    uint32_t owner
    uint32_t position         # index + 1
    uint32_t link             # the slot that it holds; 0: it never rests
    uint32_t guarded          # the owner whose orders self-trade prevention looks for; ANY is no owner
    uint32_t symbol
    uint8_t side
    uint8_t type              # LIMIT or MARKET: what it is now
    uint8_t tif
    uint8_t stp
    uint8_t flags             # OpFlags and TRAIT_ICEBERG
    uint8_t is_known          # its slot is filled and its id entered
    uint8_t is_repriced


cdef struct Core:
    Market* markets
    OrderPool pool
    uint64_t* ids
    IdTable table
    Pages pages
    Event* rows
    uint64_t row_count
    uint64_t row_max
    uint64_t op_index
    uint64_t trade_count
    int64_t qty_max
    uint32_t symbol_count
    uint32_t own_handles
    ColdOrder* cold
    int64_t* hidden           # what an iceberg hides
    int64_t now_ns
    # positions
    Position* positions
    uint32_t* position_table
    uint64_t position_mask
    uint32_t position_count
    uint32_t positions_max
    uint32_t changed_head     # index + 1
    uint32_t changed_tail
    # triggered orders of the operation
    uint32_t queue_head
    uint32_t queue_tail
    # trades kept for BUST
    KeptTrade* trades
    uint32_t trades_kept
    uint32_t trade_at
    # GTD
    Expiry* expiries
    uint32_t expiry_count
    uint32_t expiry_max
    uint32_t price_bits
    int32_t price_limit
    uint32_t unslotted        # accepted orders that never take a slot
    # rows
    Event* own_rows           # the engine's own room for rows
    uint64_t own_max
    Event* spilt_rows         # made when a borrowed array was too small
    uint32_t is_spoilt        # rows were lost that later steps read: nothing is done any more


cdef int core_open(Core* core) noexcept nogil
cdef void core_close(Core* core) noexcept nogil
cdef bint side_open(Core* core, SideBook* side) noexcept nogil
cdef void more_rows(Core* core) noexcept nogil
cdef void refuse(Core* core, const Op* op, uint16_t reason) noexcept nogil
cdef uint32_t position_find(const Core* core, uint32_t owner, uint32_t symbol) noexcept nogil
cdef uint32_t position_make(Core* core, uint32_t owner, uint32_t symbol) noexcept nogil
cdef void reduce_append(Core* core, uint32_t link) noexcept nogil
cdef void reduce_unlink(Core* core, uint32_t link) noexcept nogil
cdef void expire_reducing(Core* core) noexcept nogil
cdef bint expiry_room(Core* core) noexcept nogil
cdef void expiry_add(Core* core, uint32_t link, int64_t expire_ns, uint64_t accepted) noexcept nogil
cdef void expiry_remove(Core* core, uint32_t link) noexcept nogil
cdef void leave_other_place(Core* core, uint32_t link) noexcept nogil
cdef void stand_in_other(Core* core, uint32_t link, uint8_t place) noexcept nogil
cdef bint room_elsewhere(Core* core, Market* market, uint8_t place, int32_t price) noexcept nogil
cdef void refresh(Core* core, uint32_t link) noexcept nogil
cdef void hide_parts(Core* core, uint32_t link) noexcept nogil
cdef void expire_order(Core* core, uint32_t link, uint16_t reason, uint64_t other_id) noexcept nogil
cdef void cancel_order(Core* core, uint32_t link) noexcept nogil

# --- rows ------------------------------------------------------------------------------------------------------------

cdef inline Event* emit(Core* core, uint8_t kind, uint16_t reason, uint32_t symbol, uint8_t side, uint64_t order_id,
                        int64_t price, int64_t qty, int64_t leaves) noexcept nogil:
    cdef Event* event
    if tw_rarely(core.row_count == core.row_max):
        more_rows(core)
    event = &core.rows[core.row_count]
    core.row_count += 1
    (<uint64_t*>event)[0] = kind | <uint64_t>side << 8 | <uint64_t>reason << 16 | <uint64_t>symbol << 32  # one store for four fields
    event.op_index = core.op_index
    event.order_id = order_id
    event.maker_id = 0
    event.price = price
    event.qty = qty
    event.leaves = leaves
    event.maker_leaves = 0
    return event

# --- orders ----------------------------------------------------------------------------------------------------------

cdef inline uint32_t find_order(const Core* core, uint64_t order_id) noexcept nogil:
    """The link of a live order, 0 when there is none."""
    cdef uint32_t slot
    if tw_rarely(core.own_handles):
        slot = <uint32_t>order_id
        if slot >= core.pool.orders_max or core.ids[slot] != order_id or core.pool.orders[slot].place == PLACE_FREE:
            return 0
        return slot + 1
    return table_find(&core.table, core.ids, order_id)


cdef inline int64_t open_qty(const Core* core, uint32_t link) noexcept nogil:
    """What is open of an order, shown and hidden."""
    if tw_rarely(core.pool.orders[link - 1].flags & TRAIT_ICEBERG):
        return core.pool.orders[link - 1].leaves + core.hidden[link - 1]
    return core.pool.orders[link - 1].leaves


cdef inline int32_t row_price(const Core* core, uint32_t link) noexcept nogil:
    """An order's limit, 0 when it has none."""
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    if order.place >= PLACE_RISING:
        return core.cold[link - 1].limit_price
    return 0 if order.flags & TRAIT_MARKET_IN_CALL else order.price


cdef inline void lit_append(Core* core, Market* market, uint32_t link) noexcept nogil:
    """Put an order whose place is lit at the end of its level; the caller asked for room."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if queues_append(&core.pages, &market.lit, core.pool.orders, link):
        if order.place & 1:
            if order.price < market.best_ask:
                market.best_ask = order.price
        elif order.price > market.best_bid:
            market.best_bid = order.price


cdef inline void lit_unlink(Core* core, Market* market, uint32_t link) noexcept nogil:
    cdef int32_t price = core.pool.orders[link - 1].price
    if queues_unlink(&core.pages, &market.lit, core.pool.orders, link):
        if price == market.best_bid:
            market.best_bid = next_below(&market.lit, price)
        elif price == market.best_ask:
            market.best_ask = next_above(&market.lit, price)


cdef inline bint room_at(Core* core, Market* market, uint8_t place, int32_t price) noexcept nogil:
    """Whether an order can be put there."""
    if place <= 1:
        return has_room(&core.pages, &market.lit, price)
    return room_elsewhere(core, market, place, price)


cdef inline void stand_in(Core* core, uint32_t link, uint8_t place) noexcept nogil:
    """Put an order at the end of its price's queue in a place."""
    if place <= 1:
        core.pool.orders[link - 1].place = place
        lit_append(core, &core.markets[core.pool.orders[link - 1].symbol], link)
        if tw_rarely(core.pool.orders[link - 1].flags & FLAG_REDUCE_ONLY):
            reduce_append(core, link)
    else:
        stand_in_other(core, link, place)


cdef inline void leave_place(Core* core, uint32_t link) noexcept nogil:
    """Take an order out of where it stands; it keeps its slot."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if order.place <= 1:
        if tw_rarely(order.flags & FLAG_REDUCE_ONLY):
            reduce_unlink(core, link)
        lit_unlink(core, &core.markets[order.symbol], link)
    else:
        leave_other_place(core, link)


cdef inline void give_slot(Core* core, uint32_t link) noexcept nogil:
    """Free the slot of an order that stands nowhere."""
    cdef QueuedOrder* order = &core.pool.orders[link - 1]
    if tw_rarely(order.tif == TIF_GTD):
        expiry_remove(core, link)
    if tw_rarely(core.own_handles):
        core.ids[link - 1] += <uint64_t>1 << 32
        if core.ids[link - 1] >> 32 == TW_ANY:
            core.ids[link - 1] = <uint64_t>1 << 32 | (link - 1)
    else:
        table_remove(&core.table, core.ids[link - 1], link)
    order.place = PLACE_FREE
    pool_give(&core.pool, link)


cdef inline void remove_order(Core* core, uint32_t link) noexcept nogil:
    """Take a live order out of everything."""
    leave_place(core, link)
    give_slot(core, link)

# --- positions -------------------------------------------------------------------------------------------------------

cdef inline void move_position(Core* core, uint32_t index, uint64_t lots) noexcept nogil:
    """Add lots (modulo 2^64) to the position ``index`` - 1, and note that the step changed it."""
    cdef Position* position = &core.positions[index - 1]
    position.lots = <int64_t>(<uint64_t>position.lots + lots)
    if not position.is_changed:
        position.is_changed = 1
        position.changed_next = 0
        if core.changed_tail:
            core.positions[core.changed_tail - 1].changed_next = index
        else:
            core.changed_head = index
        core.changed_tail = index


cdef inline uint64_t reducible(const Core* core, uint32_t index, uint8_t side) noexcept nogil:
    """How many lots an order on ``side`` can take off the position ``index`` - 1; 0: nothing."""
    cdef int64_t lots = core.positions[index - 1].lots if index else 0
    if side == SIDE_SELL:
        return <uint64_t>lots if lots > 0 else 0
    return -<uint64_t>lots if lots < 0 else 0


cdef inline void keep_trade(Core* core, uint32_t symbol, uint8_t side, uint64_t order_id, uint64_t maker_id, int32_t price,
                            int64_t qty, uint32_t position, uint32_t maker_position) noexcept nogil:
    """Number a trade and keep it for BUST."""
    cdef KeptTrade* kept = &core.trades[core.trade_at]
    core.trade_at = core.trade_at + 1 if core.trade_at + 1 < core.trades_kept else 0
    core.trade_count += 1
    kept.order_id = order_id
    kept.maker_id = maker_id
    kept.qty = qty
    kept.order_position = position
    kept.maker_position = maker_position
    kept.price = price
    kept.symbol = <uint16_t>symbol
    kept.side = side
    kept.is_busted = 0


cdef inline void settle(Core* core, uint32_t symbol, uint8_t side, uint64_t order_id, uint64_t maker_id, int32_t price,
                        int64_t qty, uint32_t position, uint32_t maker_position) noexcept nogil:
    """Positions, last price and log of a trade; ``side`` is that of ``order_id``."""
    core.markets[symbol].last_price = price
    keep_trade(core, symbol, side, order_id, maker_id, price, qty, position, maker_position)
    if tw_rarely(position != maker_position):
        if position:
            move_position(core, position, <uint64_t>qty if side == SIDE_BUY else -<uint64_t>qty)
        if maker_position:
            move_position(core, maker_position, -<uint64_t>qty if side == SIDE_BUY else <uint64_t>qty)
