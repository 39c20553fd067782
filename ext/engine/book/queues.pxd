"""Queues of orders under a tree of ticks: the substrate of the matching engine and of order-by-order books.

What there is
- ``QueuedOrder``: a 32-byte pooled record. Orders are named by links: slot + 1, 0 is none. ``leaves``, ``before``, ``after`` and
  ``price`` belong to the functions below; ``owner``, ``symbol`` and the bytes behind it are the user's.
- ``OrderPool``: the records and their free list, last freed first; a fresh pool gives slots from 0 up.
- ``Pages``: the pool of level pages (64 levels of 16 bytes) that all books share. A book holds a page while one of its 64 ticks
  has an order.
- ``Queues``: one set of levels by price with a bitmap tree above it; prices are 1 .. limit - 1, limit = 2^price_bits. It knows
  no sides: ``queues_append`` tells when a level is new, ``queues_unlink`` when one went, and the user keeps his best prices by
  ``next_above`` and ``next_below``. One Queues holds both sides of a book that never crosses.
- ``SideBook``: a Queues of one side that keeps ``best``; books whose sides may cross use two of them over one pool.
- ``IdTable``: from foreign 64-bit ids to links; open addressing, no tombstones; a tag is ``id_hash`` of an id. Entries of one cluster stand in the order of
  their homes, so that a search ends where an entry is nearer to its home than the one looked for would be, and a removal at
  the first that is at home.

Rules
- Before ``queues_append`` ask ``has_room`` for the price: append itself takes a page without asking.
- An order's price is not changed while it stands in a queue; its ``leaves`` only by ``level_change``.
- Everything is nogil and allocates nothing after its ``_open``. Opened memory of pools is touched at once, that of trees is not.
- Structs are freed with their ``_close``, which a zeroed struct bears.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef TW_QUEUES_BITS
    #define TW_QUEUES_BITS
    static inline int tw_lowest_bit(unsigned long long word) { return __builtin_ctzll(word); }
    static inline int tw_highest_bit(unsigned long long word) { return 63 - __builtin_clzll(word); }
    #define tw_rarely(condition) __builtin_expect(!!(condition), 0)
    static inline unsigned int tw_scattered(unsigned long long word) {
    #ifdef __SSE4_2__
        return (unsigned int)__builtin_ia32_crc32di(0xFFFFFFFFull, word);  /* a third of the instructions */
    #else
        return (unsigned int)(((word ^ (word >> 32)) * 0x9E3779B97F4A7C15ull) >> 32);
    #endif
    }
    #endif
    """
    int tw_lowest_bit(uint64_t word) noexcept nogil
    int tw_highest_bit(uint64_t word) noexcept nogil
    bint tw_rarely(bint condition) noexcept nogil
    uint32_t tw_scattered(uint64_t word) noexcept nogil  # a hash of 32 bits

cdef enum:
    QUEUE_TIERS = 4

cdef struct QueuedOrder:   # 32 bytes
    int64_t leaves         # counted in its level's qty
    uint32_t before        # links of the neighbours in the queue
    uint32_t after         # while free: the next free slot
    int32_t price
    uint32_t owner
    uint16_t symbol
    uint8_t side
    uint8_t place
    uint8_t type
    uint8_t tif
    uint8_t flags
    uint8_t stp

cdef struct Level:         # 16 bytes
    int64_t qty
    uint32_t head
    uint32_t tail

cdef struct PageSlot:      # 16 bytes: `levels` counts only while a tick is marked
    uint64_t ticks
    Level* levels

cdef struct Pages:
    Level* levels
    Level** free_list
    uint32_t free_count
    uint32_t pages_max

cdef struct OrderPool:
    QueuedOrder* orders
    uint32_t first_free    # link
    uint32_t live_count
    uint32_t orders_max

cdef struct Queues:
    PageSlot* slots        # one for 64 ticks
    uint64_t* tier[4]      # bits: page in use, word of the tier before not 0, ...
    int32_t limit

cdef struct SideBook:
    Queues queues
    int32_t best           # is_bid: 0 = empty, else limit = empty
    bint is_bid

cdef struct IdTable:
    uint64_t* slots        # hash << 32 | link, 0 is empty
    uint64_t mask

# Zeroed memory whose pages are all there, huge ones where it is large; NULL without memory. To be freed.
cdef void* touched(size_t size) noexcept nogil
# Each returns 0, or -1 when there is no memory.
cdef int pages_open(Pages* pages, uint32_t pages_max) noexcept nogil
cdef void pages_close(Pages* pages) noexcept nogil
cdef int pool_open(OrderPool* pool, uint32_t orders_max) noexcept nogil
cdef void pool_close(OrderPool* pool) noexcept nogil
cdef int queues_open(Queues* queues, int price_bits) noexcept nogil
cdef void queues_close(Queues* queues) noexcept nogil
cdef int table_open(IdTable* table, uint32_t ids_max) noexcept nogil
cdef void table_close(IdTable* table) noexcept nogil

# --- tree of ticks ---------------------------------------------------------------------------------------------------

cdef inline void page_mark(Queues* queues, uint32_t page) noexcept nogil:
    cdef int tier
    cdef uint64_t word
    for tier in range(QUEUE_TIERS):
        word = queues.tier[tier][page >> 6]
        queues.tier[tier][page >> 6] = word | (<uint64_t>1 << (page & 63))
        if word:
            return
        page >>= 6


cdef inline void page_unmark(Queues* queues, uint32_t page) noexcept nogil:
    cdef int tier
    for tier in range(QUEUE_TIERS):
        queues.tier[tier][page >> 6] &= ~(<uint64_t>1 << (page & 63))
        if queues.tier[tier][page >> 6]:
            return
        page >>= 6


cdef inline int32_t tree_above(const Queues* queues, uint32_t page) noexcept nogil:
    cdef int tier
    cdef uint64_t word
    for tier in range(QUEUE_TIERS):
        word = (queues.tier[tier][page >> 6] >> (page & 63)) >> 1
        if word:
            page += 1 + <uint32_t>tw_lowest_bit(word)
            while tier:
                tier -= 1
                page = (page << 6) | <uint32_t>tw_lowest_bit(queues.tier[tier][page])
            return <int32_t>((page << 6) | <uint32_t>tw_lowest_bit(queues.slots[page].ticks))
        page >>= 6
    return queues.limit


cdef inline int32_t tree_below(const Queues* queues, uint32_t page) noexcept nogil:
    cdef int tier
    cdef uint64_t word
    for tier in range(QUEUE_TIERS):
        word = queues.tier[tier][page >> 6] & ((<uint64_t>1 << (page & 63)) - 1)
        if word:
            page = (page & ~<uint32_t>63) | <uint32_t>tw_highest_bit(word)
            while tier:
                tier -= 1
                page = (page << 6) | <uint32_t>tw_highest_bit(queues.tier[tier][page])
            return <int32_t>((page << 6) | <uint32_t>tw_highest_bit(queues.slots[page].ticks))
        page >>= 6
    return 0


cdef inline int32_t next_above(const Queues* queues, int32_t price) noexcept nogil:
    """The lowest price above ``price`` that has orders, limit when there is none; ``price`` 0 .. limit - 1."""
    cdef uint64_t word = (queues.slots[price >> 6].ticks >> (price & 63)) >> 1
    if word:
        return price + 1 + tw_lowest_bit(word)
    return tree_above(queues, <uint32_t>price >> 6)


cdef inline int32_t next_below(const Queues* queues, int32_t price) noexcept nogil:
    """The highest price below ``price`` that has orders, 0 when there is none; ``price`` 1 .. limit - 1."""
    cdef uint64_t word = queues.slots[price >> 6].ticks & ((<uint64_t>1 << (price & 63)) - 1)
    if word:
        return (price & ~63) | tw_highest_bit(word)
    return tree_below(queues, <uint32_t>price >> 6)


cdef inline int32_t highest_price(const Queues* queues) noexcept nogil:
    """The highest price that has orders, 0 when there is none; also of a Queues that was never opened."""
    if queues.slots == NULL:
        return 0
    if queues.slots[(queues.limit - 1) >> 6].ticks >> 63:
        return queues.limit - 1
    return next_below(queues, queues.limit - 1)


cdef inline int32_t lowest_price(const Queues* queues) noexcept nogil:
    """The lowest price that has orders, limit when there is none; also of a Queues that was never opened."""
    return queues.limit if queues.slots == NULL else next_above(queues, 0)

# --- levels ----------------------------------------------------------------------------------------------------------

cdef inline Level* level_at(const Queues* queues, int32_t price) noexcept nogil:
    """The level of a price that has orders."""
    return queues.slots[price >> 6].levels + (price & 63)


cdef inline bint has_level(const Queues* queues, int32_t price) noexcept nogil:
    """Whether a price has orders."""
    return queues.slots != NULL and (queues.slots[price >> 6].ticks >> (price & 63)) & 1


cdef inline bint has_room(const Pages* pages, const Queues* queues, int32_t price) noexcept nogil:
    """Whether an order can be appended at a price: its page is there, or one is free."""
    return pages.free_count != 0 or queues.slots[price >> 6].ticks != 0


cdef inline void level_change(const Queues* queues, QueuedOrder* order, int64_t leaves) noexcept nogil:
    """Change what an order in its queue counts; it keeps its place."""
    level_at(queues, order.price).qty += leaves - order.leaves
    order.leaves = leaves


cdef inline bint queues_append(Pages* pages, Queues* queues, QueuedOrder* orders, uint32_t link) noexcept nogil:
    """Put an order at the end of the queue of its price; returns whether the level is new."""
    cdef QueuedOrder* order = &orders[link - 1]
    cdef PageSlot* slot = &queues.slots[order.price >> 6]
    cdef Level* level
    if tw_rarely(slot.ticks == 0):
        pages.free_count -= 1
        slot.levels = pages.free_list[pages.free_count]
        page_mark(queues, <uint32_t>order.price >> 6)
    level = slot.levels + (order.price & 63)
    order.before = level.tail
    order.after = 0
    level.qty += order.leaves
    if level.tail:
        orders[level.tail - 1].after = link
        level.tail = link
        return False
    level.head = link
    level.tail = link
    slot.ticks |= <uint64_t>1 << (order.price & 63)
    return True


cdef inline void drop_level(Pages* pages, Queues* queues, int32_t price) noexcept nogil:
    """Take an empty level out of the tree, and give its page back with the last one."""
    cdef PageSlot* slot = &queues.slots[price >> 6]
    slot.ticks &= ~(<uint64_t>1 << (price & 63))
    if tw_rarely(slot.ticks == 0):
        pages.free_list[pages.free_count] = slot.levels
        pages.free_count += 1
        page_unmark(queues, <uint32_t>price >> 6)


cdef inline bint queues_unlink(Pages* pages, Queues* queues, QueuedOrder* orders, uint32_t link) noexcept nogil:
    """Take an order out of its queue; returns whether its level went with it."""
    cdef QueuedOrder* order = &orders[link - 1]
    cdef Level* level = level_at(queues, order.price)
    level.qty -= order.leaves
    if order.before:
        orders[order.before - 1].after = order.after
    else:
        level.head = order.after
    if order.after:
        orders[order.after - 1].before = order.before
    else:
        level.tail = order.before
    if level.head:
        return False
    drop_level(pages, queues, order.price)
    return True

# --- one side --------------------------------------------------------------------------------------------------------

cdef inline void side_append(Pages* pages, SideBook* side, QueuedOrder* orders, uint32_t link) noexcept nogil:
    """Put an order at the end of its price's queue and keep ``best``."""
    cdef int32_t price = orders[link - 1].price
    if queues_append(pages, &side.queues, orders, link) and (price > side.best if side.is_bid else price < side.best):
        side.best = price


cdef inline void side_unlink(Pages* pages, SideBook* side, QueuedOrder* orders, uint32_t link) noexcept nogil:
    """Take an order out of its queue and keep ``best``."""
    cdef int32_t price = orders[link - 1].price
    if queues_unlink(pages, &side.queues, orders, link) and price == side.best:
        side.best = next_below(&side.queues, price) if side.is_bid else next_above(&side.queues, price)


cdef inline int32_t side_worse(const SideBook* side, int32_t price) noexcept nogil:
    """The next price behind ``price``; 0 (bids) or limit (asks) when there is none."""
    return next_below(&side.queues, price) if side.is_bid else next_above(&side.queues, price)


cdef inline bint side_is_empty(const SideBook* side) noexcept nogil:
    """Whether a side has no orders."""
    return side.best == (0 if side.is_bid else side.queues.limit)

# --- pool and ids ----------------------------------------------------------------------------------------------------

cdef inline uint32_t pool_take(OrderPool* pool) noexcept nogil:
    """A free slot's link, 0 when there is none."""
    cdef uint32_t link = pool.first_free
    if link:
        pool.first_free = pool.orders[link - 1].after
        pool.live_count += 1
    return link


cdef inline void pool_give(OrderPool* pool, uint32_t link) noexcept nogil:
    """Free a slot; the order stands in no queue any more."""
    pool.orders[link - 1].after = pool.first_free
    pool.first_free = link
    pool.live_count -= 1


cdef inline uint64_t id_hash(uint64_t order_id) noexcept nogil:
    """32 bits of an id: eight ids that follow one another stand side by side, in one cache line, and such groups are spread."""
    return <uint32_t>(tw_scattered(order_id >> 3) << 3 | <uint32_t>(order_id & 7))


cdef inline uint64_t way_from_home(const IdTable* table, uint64_t at, uint64_t entry) noexcept nogil:
    return (at - (entry >> 32)) & table.mask


cdef inline uint32_t table_seek(const IdTable* table, const uint64_t* ids, uint64_t order_id, uint64_t tag,
                                uint64_t* at) noexcept nogil:
    """The link whose ``ids[link - 1]`` is the id, 0: none; ``at`` is where it stands, or belongs until the table changes."""
    cdef uint64_t slot = tag & table.mask
    cdef uint64_t entry = table.slots[slot]
    cdef uint64_t way = 0
    while entry and (entry >> 32 != tag or ids[<uint32_t>entry - 1] != order_id):
        if way_from_home(table, slot, entry) < way:
            at[0] = slot
            return 0
        way += 1
        slot = (slot + 1) & table.mask
        entry = table.slots[slot]
    at[0] = slot
    return <uint32_t>entry


cdef inline uint32_t table_find(const IdTable* table, const uint64_t* ids, uint64_t order_id) noexcept nogil:
    """The link whose ``ids[link - 1]`` is the id, 0 when there is none."""
    cdef uint64_t at = 0
    return table_seek(table, ids, order_id, id_hash(order_id), &at)


cdef inline void table_put(IdTable* table, uint64_t at, uint64_t tag, uint32_t link) noexcept nogil:
    """Enter an id where ``table_seek`` said; what stands there and behind it moves on."""
    cdef uint64_t entry = tag << 32 | link
    cdef uint64_t moved = table.slots[at]
    table.slots[at] = entry
    while tw_rarely(moved != 0):
        at = (at + 1) & table.mask
        entry = moved
        moved = table.slots[at]
        table.slots[at] = entry


cdef inline void table_add(IdTable* table, uint64_t order_id, uint32_t link) noexcept nogil:
    """Enter an id that is not there; the user sets ``ids[link - 1]``."""
    cdef uint64_t tag = id_hash(order_id)
    cdef uint64_t at = tag & table.mask
    cdef uint64_t way = 0
    while table.slots[at] and way_from_home(table, at, table.slots[at]) >= way:
        way += 1
        at = (at + 1) & table.mask
    table_put(table, at, tag, link)


cdef inline void table_remove_at(IdTable* table, uint64_t hole) noexcept nogil:
    """Take the id at a place of the table out; those behind it that are not at home move back."""
    cdef uint64_t at = (hole + 1) & table.mask
    cdef uint64_t entry = table.slots[at]
    while tw_rarely((entry != 0) & (way_from_home(table, at, entry) != 0)):  # one branch, which can be foreseen
        table.slots[hole] = entry
        hole = at
        at = (at + 1) & table.mask
        entry = table.slots[at]
    table.slots[hole] = 0


cdef inline void table_remove(IdTable* table, uint64_t order_id, uint32_t link) noexcept nogil:
    """Take an id out."""
    cdef uint64_t tag = id_hash(order_id)
    cdef uint64_t entry = tag << 32 | link
    cdef uint64_t hole = tag & table.mask
    while table.slots[hole] != entry:
        hole = (hole + 1) & table.mask
    table_remove_at(table, hole)
