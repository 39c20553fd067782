# cython: language_level=3
"""The state of the matching engine as a whole: walked in priority, hashed, saved and restored.

A saved image is: header, markets, orders by place and priority, positions, REDUCE_ONLY orders by position and age, free slots
in the order in which they will be given, kept trades oldest first, CRC-32 of all that.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from engine.book.matching_state cimport (
    BPS_MAX, EXTREME_INACTIVE, FLAG_HIDDEN, FLAG_POST_ONLY, FLAG_POST_ONLY_REPRICE, FLAG_REDUCE_ONLY, FLAG_TRAIL_BPS, FLAGS_KEPT,
    PHASE_AUCTION, PHASE_CLOSED, PHASE_CONTINUOUS, PHASE_HALTED, PLACE_CALL, PLACE_CALL_DARK, PLACE_DARK, PLACE_FALLING, PLACE_FREE, PLACE_QUEUE,
    PLACE_RISING, PLACE_TRAILING, PLACES, SIDE_BUY, SIDE_SELL, STP_DECREMENT, TIF_DAY, TIF_FOK, TIF_GTC, TIF_GTD, TIF_IOC, TRAIT_ICEBERG,
    TRAIT_MARKET_IN_CALL, TW_ANY, TYPE_LIMIT, TYPE_MARKET, TYPE_MARKET_IF_TOUCHED, TYPE_STOP, TYPE_STOP_LIMIT, TYPE_TRAILING_STOP, ColdOrder, Core, KeptTrade, Market, Position, expiry_add, expiry_room,
    find_order, open_qty, position_find, position_make, reduce_append, reducible,
    room_at, stand_in,
)
from engine.book.matching_triggers cimport waiting_place
from engine.book.queues cimport QueuedOrder, Queues, level_at, next_above, next_below, table_add

from zlib import crc32

cdef enum:
    ORDER_WORDS = 11
    AMEND_ONLY = 16           # a flag that no order keeps

cdef uint64_t IMAGE_MAGIC = 0x4748435441575400
cdef uint32_t IMAGE_VERSION = 1

cdef packed struct Header:
    uint64_t magic
    uint32_t version
    uint32_t symbol_count
    uint32_t orders_max
    uint32_t pages_max
    uint32_t price_bits
    uint32_t positions_max
    uint32_t trades_kept
    uint32_t own_handles
    uint64_t total
    uint64_t op_index
    uint64_t trade_count
    int64_t now_ns
    uint32_t live
    uint32_t positions
    uint32_t reducing
    uint32_t trades
    uint32_t unslotted
    uint32_t pad

cdef packed struct SavedMarket:
    int32_t phase
    int32_t band_low
    int32_t band_high
    int32_t last_price

cdef packed struct SavedOrder:
    QueuedOrder queued
    ColdOrder cold
    int64_t hidden
    uint64_t order_id
    int64_t expire_ns
    uint64_t accepted
    uint32_t link
    uint32_t pad

cdef packed struct SavedFree:
    uint32_t link
    uint32_t generation


# --- the walk --------------------------------------------------------------------------------------------------------

cdef bint falls(uint8_t place) noexcept nogil:
    return place == PLACE_FALLING or (place < PLACE_RISING and place % 2 == SIDE_BUY)


cdef const Queues* queues_at(const Core* core, uint32_t symbol, uint8_t place) noexcept nogil:
    cdef const Market* market = &core.markets[symbol]
    return &market.lit if place <= 1 else &market.sides[place - PLACE_DARK].queues


cdef int32_t first_price(const Core* core, uint32_t symbol, uint8_t place) noexcept nogil:
    cdef const Market* market = &core.markets[symbol]
    cdef int32_t price
    if place <= 1:
        price = market.best_ask if place == SIDE_SELL else market.best_bid
    else:
        price = market.sides[place - PLACE_DARK].best
    return 0 if price == market.lit.limit else price


cdef int32_t price_behind(const Core* core, uint32_t symbol, uint8_t place, int32_t price) noexcept nogil:
    cdef const Queues* queues = queues_at(core, symbol, place)
    if falls(place):
        return next_below(queues, price)
    price = next_above(queues, price)
    return 0 if price == queues.limit else price


cdef uint32_t first_order(const Core* core, uint32_t symbol, uint8_t place, int32_t price) noexcept nogil:
    return level_at(queues_at(core, symbol, place), price).head


cdef struct Walk:
    uint32_t link
    int32_t price


cdef void walk_begin(const Core* core, uint32_t symbol, uint8_t place, Walk* walk) noexcept nogil:
    """The first order of a place; link 0 when it is empty."""
    walk.price = 0
    if place == PLACE_TRAILING:
        walk.link = core.markets[symbol].trailing_head
        return
    walk.price = first_price(core, symbol, place)
    walk.link = first_order(core, symbol, place, walk.price) if walk.price else 0


cdef void walk_on(const Core* core, uint32_t symbol, uint8_t place, Walk* walk) noexcept nogil:
    """The next order; link 0 at the end."""
    walk.link = core.pool.orders[walk.link - 1].after
    if walk.link or place == PLACE_TRAILING:
        return
    walk.price = price_behind(core, symbol, place, walk.price)
    walk.link = first_order(core, symbol, place, walk.price) if walk.price else 0


# --- hash and rows of a container ------------------------------------------------------------------------------------

cdef void words_of(const Core* core, uint32_t link, uint64_t* words) noexcept nogil:
    """What the state hash knows of an order."""
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    cdef const ColdOrder* cold = &core.cold[link - 1]
    cdef bint waits = order.place >= PLACE_RISING
    cdef bint trails = order.place == PLACE_TRAILING
    words[0] = core.ids[link - 1]
    words[1] = order.owner
    words[2] = <uint64_t>(cold.limit_price if waits else order.price)
    words[3] = <uint64_t>(order.leaves if waits else open_qty(core, link))
    words[4] = <uint64_t>order.leaves
    words[5] = (order.side | <uint64_t>order.type << 8 | <uint64_t>order.tif << 16 | <uint64_t>(order.flags & FLAGS_KEPT) << 24
                | <uint64_t>order.stp << 40 | <uint64_t>((order.flags & TRAIT_MARKET_IN_CALL) != 0) << 48)
    words[6] = <uint64_t>cold.display if trails or order.flags & TRAIT_ICEBERG else 0
    words[7] = <uint64_t>order.price if waits else 0
    words[8] = <uint64_t>cold.extreme if trails and cold.extreme > 0 else 0
    words[9] = trails and cold.extreme >= 0
    words[10] = <uint64_t>core.expiries[cold.expiry_at].expire_ns if order.tif == TIF_GTD else 0


cdef inline uint64_t mixed(uint64_t h, uint64_t word) noexcept nogil:
    h = (h ^ word) * <uint64_t>0x100000001B3
    return h ^ (h >> 29)


cdef uint64_t hash_container(const Core* core, uint32_t symbol, uint8_t place, uint64_t h) noexcept nogil:
    cdef uint64_t words[ORDER_WORDS]
    cdef uint64_t count = 0
    cdef int index
    cdef Walk walk
    walk_begin(core, symbol, place, &walk)
    while walk.link:
        count += 1
        walk_on(core, symbol, place, &walk)
    h = mixed(mixed(h, place), count)
    walk_begin(core, symbol, place, &walk)
    while walk.link:
        words_of(core, walk.link, words)
        for index in range(ORDER_WORDS):
            h = mixed(h, words[index])
        walk_on(core, symbol, place, &walk)
    return h


cdef int by_symbol_and_owner(const void* one, const void* other) noexcept nogil:
    cdef const Position* a = <const Position*>one
    cdef const Position* b = <const Position*>other
    if a.symbol != b.symbol:
        return -1 if a.symbol < b.symbol else 1
    return -1 if a.owner < b.owner else 1


cdef uint64_t hash_of(Core* core) except? 0:
    cdef uint64_t h = <uint64_t>0x9E3779B97F4A7C15
    cdef uint32_t symbol, index
    cdef uint8_t place
    cdef Market* market
    cdef Position* sorted_positions = <Position*>malloc((<size_t>core.position_count + 1) * sizeof(Position))
    if sorted_positions == NULL:
        raise MemoryError("no memory to sort positions")
    with nogil:
        h = mixed(mixed(mixed(h, core.op_index), <uint64_t>core.now_ns), core.trade_count)
        for symbol in range(core.symbol_count):
            market = &core.markets[symbol]
            h = mixed(mixed(h, market.phase), <uint64_t>market.band_low)
            h = mixed(mixed(h, <uint64_t>market.band_high), <uint64_t>market.last_price)
            for place in range(PLACES):
                h = hash_container(core, symbol, place, h)
        memcpy(sorted_positions, core.positions, core.position_count * sizeof(Position))
        qsort(sorted_positions, core.position_count, sizeof(Position), by_symbol_and_owner)
        for index in range(core.position_count):
            if sorted_positions[index].lots:
                h = mixed(mixed(h, sorted_positions[index].symbol), sorted_positions[index].owner)
                h = mixed(h, <uint64_t>sorted_positions[index].lots)
    free(sorted_positions)
    return h


cdef list orders_of(Core* core, uint32_t symbol, uint8_t container):
    cdef uint64_t words[ORDER_WORDS]
    cdef uint64_t packed_word
    cdef list rows = []
    cdef Walk walk
    walk_begin(core, symbol, container, &walk)
    while walk.link:
        words_of(core, walk.link, words)
        packed_word = words[5]
        rows.append((
            words[0], words[1], <int64_t>words[2], <int64_t>words[3], <int64_t>words[4], packed_word & 255, packed_word >> 8 & 255,
            packed_word >> 16 & 255, packed_word >> 24 & 0xFFFF, packed_word >> 40 & 255, packed_word >> 48, <int64_t>words[6],
            <int64_t>words[7], <int64_t>words[8], words[9], <int64_t>words[10],
        ))
        walk_on(core, symbol, container, &walk)
    return rows


# --- save ------------------------------------------------------------------------------------------------------------

cdef uint32_t reducing_count(const Core* core) noexcept nogil:
    """How many REDUCE_ONLY orders rest."""
    cdef uint32_t index, link
    cdef uint32_t count = 0
    for index in range(core.position_count):
        link = core.positions[index].reduce_head
        while link:
            count += 1
            link = core.cold[link - 1].reduce_after
    return count


cdef uint64_t image_size(const Header* header) noexcept nogil:
    return (sizeof(Header) + <uint64_t>header.symbol_count * sizeof(SavedMarket) + <uint64_t>header.live * sizeof(SavedOrder)
            + <uint64_t>header.positions * sizeof(Position) + <uint64_t>header.reducing * sizeof(uint32_t)
            + (<uint64_t>header.orders_max - header.live) * sizeof(SavedFree) + <uint64_t>header.trades * sizeof(KeptTrade) + 4)


cdef void fill_header(const Core* core, Header* header) noexcept nogil:
    memset(header, 0, sizeof(Header))
    header.magic = IMAGE_MAGIC
    header.version = IMAGE_VERSION
    header.symbol_count = core.symbol_count
    header.orders_max = core.pool.orders_max
    header.pages_max = core.pages.pages_max
    header.price_bits = core.price_bits
    header.positions_max = core.positions_max
    header.trades_kept = core.trades_kept
    header.own_handles = core.own_handles
    header.op_index = core.op_index
    header.trade_count = core.trade_count
    header.now_ns = core.now_ns
    header.live = core.pool.live_count
    header.positions = core.position_count
    header.reducing = reducing_count(core)
    header.trades = <uint32_t>core.trade_count if core.trade_count < core.trades_kept else core.trades_kept
    header.unslotted = core.unslotted
    header.total = image_size(header)


cdef bytes image_of(Core* core):
    cdef Header header
    fill_header(core, &header)
    cdef bytes image = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>header.total)
    cdef char* start = PyBytes_AS_STRING(image)
    cdef char* at = start
    cdef uint32_t check
    with nogil:
        memcpy(at, &header, sizeof(Header))
        at = save_orders(core, save_markets(core, at + sizeof(Header)))
        at = save_trades(core, &header, save_free(core, save_positions(core, at)))
    check = crc32(memoryview(image)[: header.total - 4])
    memcpy(at, &check, 4)
    return image


cdef char* save_markets(const Core* core, char* at) noexcept nogil:
    cdef SavedMarket saved
    cdef uint32_t symbol
    for symbol in range(core.symbol_count):
        saved.phase = core.markets[symbol].phase
        saved.band_low = core.markets[symbol].band_low
        saved.band_high = core.markets[symbol].band_high
        saved.last_price = core.markets[symbol].last_price
        memcpy(at, &saved, sizeof(SavedMarket))
        at += sizeof(SavedMarket)
    return at


cdef void save_cold(const Core* core, uint32_t link, ColdOrder* saved) noexcept nogil:
    """Of the cold part only what the order has: a slot keeps old things."""
    cdef const QueuedOrder* order = &core.pool.orders[link - 1]
    memset(saved, 0, sizeof(ColdOrder))
    if order.owner:
        saved.position = core.cold[link - 1].position
    if order.flags & TRAIT_ICEBERG or order.place == PLACE_TRAILING:
        saved.display = core.cold[link - 1].display
    if order.place >= PLACE_RISING:
        saved.limit_price = core.cold[link - 1].limit_price
    if order.place == PLACE_TRAILING:
        saved.extreme = core.cold[link - 1].extreme


cdef char* save_orders(const Core* core, char* at) noexcept nogil:
    cdef SavedOrder saved
    cdef uint32_t symbol
    cdef uint8_t place
    cdef Walk walk
    memset(&saved, 0, sizeof(SavedOrder))
    for symbol in range(core.symbol_count):
        for place in range(PLACES):
            walk_begin(core, symbol, place, &walk)
            while walk.link:
                saved.queued = core.pool.orders[walk.link - 1]
                saved.queued.before = saved.queued.after = 0
                save_cold(core, walk.link, &saved.cold)
                saved.hidden = core.hidden[walk.link - 1] if saved.queued.flags & TRAIT_ICEBERG else 0
                saved.order_id = core.ids[walk.link - 1]
                saved.expire_ns = saved.accepted = 0
                if saved.queued.tif == TIF_GTD:
                    saved.expire_ns = core.expiries[core.cold[walk.link - 1].expiry_at].expire_ns
                    saved.accepted = core.expiries[core.cold[walk.link - 1].expiry_at].accepted
                saved.link = walk.link
                memcpy(at, &saved, sizeof(SavedOrder))
                at += sizeof(SavedOrder)
                walk_on(core, symbol, place, &walk)
    return at


cdef char* save_positions(const Core* core, char* at) noexcept nogil:
    cdef uint32_t index, link
    cdef Position saved
    memset(&saved, 0, sizeof(Position))
    for index in range(core.position_count):
        saved.lots = core.positions[index].lots
        saved.owner = core.positions[index].owner
        saved.symbol = core.positions[index].symbol
        memcpy(at, &saved, sizeof(Position))
        at += sizeof(Position)
    for index in range(core.position_count):
        link = core.positions[index].reduce_head
        while link:
            memcpy(at, &link, sizeof(uint32_t))
            at += sizeof(uint32_t)
            link = core.cold[link - 1].reduce_after
    return at


cdef char* save_free(const Core* core, char* at) noexcept nogil:
    cdef SavedFree saved
    saved.link = core.pool.first_free
    while saved.link:
        saved.generation = <uint32_t>(core.ids[saved.link - 1] >> 32) if core.own_handles else 0
        memcpy(at, &saved, sizeof(SavedFree))
        at += sizeof(SavedFree)
        saved.link = core.pool.orders[saved.link - 1].after
    return at


cdef char* save_trades(const Core* core, const Header* header, char* at) noexcept nogil:
    cdef uint32_t index
    cdef uint32_t first = core.trade_at if header.trades == core.trades_kept else 0
    for index in range(header.trades):
        memcpy(at, &core.trades[(first + index) % core.trades_kept], sizeof(KeptTrade))
        at += sizeof(KeptTrade)
    return at


# --- restore ---------------------------------------------------------------------------------------------------------

cdef Header header_of(bytes image) except *:
    """The header of an image that is whole."""
    cdef Header header
    cdef uint32_t check
    memset(&header, 0, sizeof(Header))
    if len(image) < <Py_ssize_t>sizeof(Header) + 4:
        raise ValueError(f"a saved matching engine has more than {len(image)} bytes")
    memcpy(&header, PyBytes_AS_STRING(image), sizeof(Header))
    if header.magic != IMAGE_MAGIC:
        raise ValueError("not a saved matching engine")
    if header.version != IMAGE_VERSION:
        raise ValueError(f"saved by version {header.version} of the format, not {IMAGE_VERSION}")
    if header.live > header.orders_max or header.total != image_size(&header) or header.total != <uint64_t>len(image):
        raise ValueError(f"truncated or damaged: {len(image)} bytes where {header.total} were saved")
    memcpy(&check, PyBytes_AS_STRING(image) + header.total - 4, 4)
    if check != crc32(memoryview(image)[: header.total - 4]):
        raise ValueError("damaged: the checksum does not match")
    return header


cdef tuple sizes_of(bytes image):
    cdef Header header = header_of(image)
    return (header.symbol_count, header.orders_max, header.pages_max, header.price_bits, header.positions_max, header.trades_kept,
            header.own_handles != 0)


cdef int restore_into(Core* core, bytes image) except -1:
    cdef Header header = header_of(image)
    cdef const char* at = PyBytes_AS_STRING(image)
    core.op_index = header.op_index
    core.trade_count = header.trade_count
    core.now_ns = header.now_ns
    core.unslotted = header.unslotted
    at = restore_markets(core, at + sizeof(Header))
    if at == NULL:
        raise ValueError("a market's phase, band or price cannot be")
    if header.positions > core.positions_max or header.reducing > header.live or header.own_handles > 1 or header.now_ns < 0:
        raise ValueError("more positions or REDUCE_ONLY orders than there can be, or a time that cannot be")
    if header.trades != (header.trade_count if header.trade_count < core.trades_kept else core.trades_kept):
        raise ValueError(f"{header.trades} trades are kept of {header.trade_count}")
    core.position_count = 0
    at = restore_orders(core, &header, at)
    if at == NULL:
        raise ValueError("an order cannot stand where it was saved")
    at = restore_free(core, &header, at)
    if at == NULL:
        raise ValueError("the free slots are not those without an order")
    return restore_trades(core, &header, at)


cdef const char* restore_markets(Core* core, const char* at) noexcept nogil:
    cdef SavedMarket saved
    cdef Market* market
    cdef uint32_t symbol
    for symbol in range(core.symbol_count):
        memcpy(&saved, at, sizeof(SavedMarket))
        at += sizeof(SavedMarket)
        if not (0 <= saved.phase <= PHASE_CLOSED and 0 <= saved.last_price < core.price_limit
                and 0 <= saved.band_low <= saved.band_high < core.price_limit and (saved.band_low == 0) == (saved.band_high == 0)):
            return NULL
        market = &core.markets[symbol]
        market.phase = <uint8_t>saved.phase
        market.band_low = saved.band_low
        market.band_high = saved.band_high
        market.last_price = saved.last_price
        market.is_plain = market.phase == PHASE_CONTINUOUS and market.band_high == 0
    return at


cdef const char* restore_orders(Core* core, const Header* header, const char* at) noexcept nogil:
    """Orders, positions and the age of REDUCE_ONLY orders."""
    cdef const char* positions = at + <size_t>header.live * sizeof(SavedOrder)
    cdef SavedOrder saved
    cdef Position position
    cdef uint32_t index, link
    cdef uint32_t reducing = 0
    for index in range(header.positions):
        memcpy(&position, positions + index * sizeof(Position), sizeof(Position))
        if position.owner == 0 or position.owner == TW_ANY or position.symbol >= core.symbol_count:
            return NULL
        if position_make(core, position.owner, position.symbol) != index + 1:
            return NULL
        core.positions[index].lots = position.lots
    for index in range(header.live):
        memcpy(&saved, at, sizeof(SavedOrder))
        at += sizeof(SavedOrder)
        if not is_sound(core, &saved) or not restore_order(core, &saved):
            return NULL
        if rests_reducing(&core.pool.orders[saved.link - 1]):
            core.cold[saved.link - 1].reduce_before = TW_ANY  # until it is named below
            reducing += 1
    if reducing != header.reducing:
        return NULL
    for index in range(header.positions):
        core.positions[index].reduce_head = core.positions[index].reduce_tail = 0
    at += header.positions * sizeof(Position)
    for index in range(header.reducing):
        memcpy(&link, at, sizeof(uint32_t))
        at += sizeof(uint32_t)
        if link < 1 or link > core.pool.orders_max or not rests_reducing(&core.pool.orders[link - 1]):
            return NULL
        if core.cold[link - 1].reduce_before != TW_ANY:
            return NULL
        reduce_append(core, link)
    return at


cdef bint rests_reducing(const QueuedOrder* order) noexcept nogil:
    return order.place < PLACE_CALL and order.flags & FLAG_REDUCE_ONLY


cdef bint is_sound(Core* core, const SavedOrder* saved) noexcept nogil:
    """Whether an order can be, and can stand where it says beside those that stand already."""
    cdef const QueuedOrder* order = &saved.queued
    if saved.link < 1 or saved.link > core.pool.orders_max or core.pool.orders[saved.link - 1].place != PLACE_FREE:
        return False
    if order.symbol >= core.symbol_count or order.place >= PLACES or order.side > SIDE_SELL or order.owner == TW_ANY:
        return False
    if order.type > TYPE_TRAILING_STOP or order.tif > TIF_DAY or order.stp > STP_DECREMENT:
        return False
    if order.leaves < 1 or order.leaves > core.qty_max or saved.hidden < 0 or saved.hidden > core.qty_max - order.leaves:
        return False
    if not flags_agree(saved) or not position_agrees(core, saved) or not expiry_agrees(core, saved):
        return False
    if not (can_wait(core, saved) if order.place >= PLACE_RISING else can_rest(core, saved)):
        return False
    if core.own_handles:
        return <uint32_t>saved.order_id == saved.link - 1 and is_generation(<uint32_t>(saved.order_id >> 32))
    return find_order(core, saved.order_id) == 0


cdef bint is_generation(uint32_t generation) noexcept nogil:
    return generation != 0 and generation != TW_ANY


cdef bint flags_agree(const SavedOrder* saved) noexcept nogil:
    """Flags that go together, and an iceberg's parts."""
    cdef const QueuedOrder* order = &saved.queued
    if order.flags & FLAG_POST_ONLY and order.flags & FLAG_POST_ONLY_REPRICE:
        return False
    if order.flags & FLAG_TRAIL_BPS and order.type != TYPE_TRAILING_STOP:
        return False
    if ((order.flags & TRAIT_MARKET_IN_CALL) != 0) != (order.type == TYPE_MARKET) or order.flags & AMEND_ONLY:
        return False
    if not order.flags & TRAIT_ICEBERG:
        return saved.hidden == 0
    return saved.cold.display >= 1 and not order.flags & FLAG_HIDDEN and order.type != TYPE_TRAILING_STOP and order.type != TYPE_MARKET


cdef bint position_agrees(const Core* core, const SavedOrder* saved) noexcept nogil:
    """Whether an order's position is its owner's, which a REDUCE_ONLY order in the book can reduce."""
    cdef const QueuedOrder* order = &saved.queued
    cdef uint32_t index = saved.cold.position
    if order.owner == 0:
        return index == 0 and (order.place >= PLACE_RISING or not order.flags & FLAG_REDUCE_ONLY)
    if index < 1 or index > core.position_count:
        return False
    if core.positions[index - 1].owner != order.owner or core.positions[index - 1].symbol != order.symbol:
        return False
    return not rests_reducing(order) or reducible(core, index, order.side) != 0


cdef bint expiry_agrees(const Core* core, const SavedOrder* saved) noexcept nogil:
    if saved.queued.tif == TIF_GTD:
        return saved.expire_ns > core.now_ns and saved.accepted < core.op_index
    return saved.expire_ns == 0 and saved.accepted == 0


cdef bint can_rest(const Core* core, const SavedOrder* saved) noexcept nogil:
    """Of an order in lit, dark or a call: its price, and that lit never crosses."""
    cdef const QueuedOrder* order = &saved.queued
    cdef const Market* market = &core.markets[order.symbol]
    if order.place % 2 != order.side or order.price < 1 or order.price >= core.price_limit:
        return False
    if market.band_high and not market.band_low <= order.price <= market.band_high:
        return False
    if ((order.flags & FLAG_HIDDEN) != 0) != (order.place // 2 % 2 == 1) or order.tif == TIF_IOC or order.tif == TIF_FOK:
        return False
    if order.place >= PLACE_CALL and market.phase != PHASE_AUCTION and market.phase != PHASE_HALTED:
        return False
    if order.type == TYPE_MARKET:
        return order.tif == TIF_GTC and order.place >= PLACE_CALL and order.price == call_edge(core, market, order.side)
    if order.type == TYPE_STOP or order.type == TYPE_MARKET_IF_TOUCHED:
        return False
    if order.place > SIDE_SELL:
        return True
    return order.price > market.best_bid if order.side == SIDE_SELL else order.price < market.best_ask


cdef int32_t call_edge(const Core* core, const Market* market, uint8_t side) noexcept nogil:
    """Where market orders stand in a call."""
    if side == SIDE_BUY:
        return market.band_high if market.band_high else core.price_limit - 1
    return market.band_low if market.band_low else 1


cdef bint can_wait(const Core* core, const SavedOrder* saved) noexcept nogil:
    """Of an order that waits: its container, its trigger, its limit and what trails."""
    cdef const QueuedOrder* order = &saved.queued
    cdef const ColdOrder* cold = &saved.cold
    cdef bint trails = order.place == PLACE_TRAILING
    if order.type < TYPE_STOP or order.place != waiting_place(order.type, order.side) or saved.hidden:
        return False
    if order.price < (0 if trails else 1) or order.price >= core.price_limit:
        return False
    if cold.limit_price < 0 or cold.limit_price >= core.price_limit:
        return False
    if not trails:
        return (cold.limit_price == 0) == (order.type == TYPE_STOP or order.type == TYPE_MARKET_IF_TOUCHED)
    if cold.display < 1 or cold.display > (BPS_MAX if order.flags & FLAG_TRAIL_BPS else core.price_limit - 1):
        return False
    return EXTREME_INACTIVE <= cold.extreme < core.price_limit


cdef bint restore_order(Core* core, const SavedOrder* saved) noexcept nogil:
    cdef QueuedOrder* order = &core.pool.orders[saved.link - 1]
    cdef uint8_t place = saved.queued.place
    order[0] = saved.queued
    order.place = PLACE_QUEUE
    core.cold[saved.link - 1] = saved.cold
    core.hidden[saved.link - 1] = saved.hidden
    core.ids[saved.link - 1] = saved.order_id
    if not core.own_handles:
        table_add(&core.table, saved.order_id, saved.link)
    if order.tif == TIF_GTD:
        if not expiry_room(core):
            return False
        expiry_add(core, saved.link, saved.expire_ns, saved.accepted)
    if not room_at(core, &core.markets[order.symbol], place, order.price):
        return False
    stand_in(core, saved.link, place)
    return True


cdef const char* restore_free(Core* core, const Header* header, const char* at) noexcept nogil:
    cdef SavedFree saved
    cdef uint32_t count = core.pool.orders_max - header.live
    cdef uint32_t before = 0
    cdef uint32_t index
    core.pool.first_free = 0
    core.pool.live_count = header.live
    for index in range(count):
        memcpy(&saved, at, sizeof(SavedFree))
        at += sizeof(SavedFree)
        if saved.link < 1 or saved.link > core.pool.orders_max or core.pool.orders[saved.link - 1].place != PLACE_FREE:
            return NULL
        core.pool.orders[saved.link - 1].place = PLACE_QUEUE  # so that none is free twice
        if core.own_handles:
            if not is_generation(saved.generation):
                return NULL
            core.ids[saved.link - 1] = <uint64_t>saved.generation << 32 | (saved.link - 1)
        if before:
            core.pool.orders[before - 1].after = saved.link
        else:
            core.pool.first_free = saved.link
        core.pool.orders[saved.link - 1].after = 0
        before = saved.link
    index = core.pool.first_free
    while index:
        core.pool.orders[index - 1].place = PLACE_FREE
        index = core.pool.orders[index - 1].after
    return at


cdef int restore_trades(Core* core, const Header* header, const char* at) except -1:
    cdef uint32_t index
    memcpy(core.trades, at, header.trades * sizeof(KeptTrade))
    core.trade_at = header.trades % core.trades_kept
    for index in range(header.trades):
        if not is_sound_trade(core, &core.trades[index]):
            raise ValueError("a kept trade cannot have been, or belongs to no position")
    return 0


cdef bint is_sound_trade(const Core* core, const KeptTrade* trade) noexcept nogil:
    if trade.symbol >= core.symbol_count or trade.side > SIDE_SELL or trade.is_busted > 1:
        return False
    if trade.price < 1 or trade.price >= core.price_limit or trade.qty < 1 or trade.qty > core.qty_max:
        return False
    return is_position_in(core, trade.order_position, trade.symbol) and is_position_in(core, trade.maker_position, trade.symbol)


cdef bint is_position_in(const Core* core, uint32_t index, uint32_t symbol) noexcept nogil:
    """Whether an index + 1 is a position's of a symbol, or 0: nobody's."""
    return index == 0 or (index <= core.position_count and core.positions[index - 1].symbol == symbol)
