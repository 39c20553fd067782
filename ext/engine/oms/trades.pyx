"""The set of booked trades: open addressing over a bounded queue.

A venue's trade ids grow per symbol, so once the oldest are dropped every id at or below the highest dropped one is taken as seen.
A trade has two sides, and both can be ours: each is booked once, the second with another order than the first. It is the same only
where all that is known of it is: under one id another price or quantity, or another order of ours on a booked side, is a contradiction,
and so is an old id of an order that is younger than the trades it would have come before: the venue has begun its ids anew.
Fills without an id of the venue's (engine.model.unnamed) are kept apart, bounded too; no id is below or above them.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from engine.model.codes cimport SIDE_BUY
from engine.model.unnamed cimport NO_TRADE_ID, is_unnamed, order_tag, unnamed_cum_lots, unnamed_order_tag, unnamed_trade_id
from engine.oms.scribe cimport FillFacts

cdef extern from *:
    """
    /* zeroed memory that the system gives at its first use is used at once: no page is asked for while an order waits */
    static void tw_touch(void *place, size_t size) { for (size_t at = 0; at < size; at += 4096) ((volatile char *) place)[at] = 0; }
    """
    void tw_touch(void*, size_t) noexcept nogil


cdef enum:
    OTHERS_TAG = 2   # a side that is not known to be of an order of ours; tags of handles are odd
    TAKEN_TAG = 4    # a side that was booked as another's and taken back, since it is of an order of ours whose fills were adopted

cdef uint32_t OURS_BIT = 0x80000000   # tags of the venue's numbers have 30 bits


cdef inline uint32_t _home(uint32_t instrument_id, int64_t trade_id, uint32_t mask) noexcept nogil:
    return <uint32_t> (((<uint64_t> trade_id * 31 + instrument_id) * <uint64_t> 0x9E3779B97F4A7C15) >> 32) & mask


cdef inline uint32_t _mix(uint64_t number) noexcept nogil:
    return <uint32_t> ((number * <uint64_t> 0x9E3779B97F4A7C15) >> 32)


cdef inline uint32_t _terms_tag(const FillFacts* facts) noexcept nogil:
    """Of what both sides of one trade have alike, whoever tells it."""
    return _mix(<uint64_t> facts.price_ticks * 31 + <uint64_t> facts.qty_lots) | 1


cdef inline uint32_t _owner_tag(uint64_t order_handle) noexcept nogil:
    return _mix(order_handle) | 1 if order_handle else OTHERS_TAG


cdef inline void _book_side(TradeKey* key, const FillFacts* facts, uint64_t order_handle) noexcept nogil:
    if facts.side == SIDE_BUY:
        key.buyer_tag = _owner_tag(order_handle)
    else:
        key.seller_tag = _owner_tag(order_handle)


cdef class TradeSet:
    """Remembers the last `capacity` trades (a power of two)."""

    def __cinit__(self, uint32_t capacity=65536):
        if capacity < 2 or capacity & (capacity - 1):
            raise ValueError(f"trade set: capacity {capacity} is not a power of two above 1")
        self.capacity = capacity
        self.mask = capacity * 2 - 1
        self.table = <TradeKey*> calloc(capacity * 2, sizeof(TradeKey))
        self.queue = <TradeKey*> calloc(capacity, sizeof(TradeKey))
        if not (self.table and self.queue):
            raise MemoryError("trade set")
        tw_touch(self.table, <size_t> capacity * 2 * sizeof(TradeKey))
        tw_touch(self.queue, <size_t> capacity * sizeof(TradeKey))

    def __dealloc__(self):
        free(self.table)
        free(self.queue)

    cdef int judge(self, const FillFacts* facts, uint64_t order_handle) noexcept nogil:
        """Is it booked, or does its id stand for another trade."""
        cdef const TradeKey* key
        if is_unnamed(facts.trade_id):
            return TRADE_REPEATED if self._has_unnamed(facts.instrument_id, facts.trade_id) else TRADE_NEW
        key = &self.table[self._place(facts.instrument_id, facts.trade_id)]
        if key.terms_tag:
            return TRADE_CONTRADICTED if key.terms_tag != _terms_tag(facts) else self._judge_side(key, facts, order_handle)
        if facts.trade_id <= self.forgotten_max[facts.instrument_id % 512] and self.tail > 0:
            return TRADE_CONTRADICTED if self.began_anew(facts, order_handle) else TRADE_REPEATED
        return TRADE_NEW

    cdef int _judge_side(self, const TradeKey* key, const FillFacts* facts, uint64_t order_handle) noexcept nogil:
        """Of a trade whose price and quantity are known. The side that is still free is of another order, which was there at the time."""
        cdef uint32_t owner = _owner_tag(order_handle)
        cdef uint32_t same = key.buyer_tag if facts.side == SIDE_BUY else key.seller_tag
        cdef uint32_t opposite = key.seller_tag if facts.side == SIDE_BUY else key.buyer_tag
        if same:
            return TRADE_REPEATED if owner == same or owner == OTHERS_TAG or same & 1 == 0 else TRADE_CONTRADICTED
        if owner != OTHERS_TAG and (owner == opposite or self.began_anew(facts, order_handle)):
            return TRADE_CONTRADICTED
        return TRADE_NEW

    cdef bint began_anew(self, const FillFacts* facts, uint64_t order_handle) noexcept nogil:
        """A trade of an order that was not there yet when a trade of a higher id was booked."""
        cdef uint32_t row = facts.instrument_id % 512
        return order_handle > self.newest_handle[row] > 0 and facts.trade_id <= self.newest[row]

    cdef int add(self, const FillFacts* facts, uint64_t order_handle, uint64_t youngest_handle) noexcept nogil:
        """Added where it is TRADE_NEW."""
        cdef TradeKey key
        cdef TradeKey* known
        cdef uint32_t row = facts.instrument_id % 512
        cdef int verdict = self.judge(facts, order_handle)
        if verdict == TRADE_REPEATED and order_handle and not is_unnamed(facts.trade_id):
            self._note_others(facts, order_handle)
        if verdict != TRADE_NEW:
            return verdict
        if is_unnamed(facts.trade_id):
            self._note(facts.instrument_id, unnamed_order_tag(facts.trade_id), facts.trade_id, facts.qty_lots,
                       unnamed_cum_lots(facts.trade_id))
            return TRADE_NEW
        known = &self.table[self._place(facts.instrument_id, facts.trade_id)]
        if known.terms_tag:
            _book_side(known, facts, order_handle)
            return TRADE_NEW
        memset(&key, 0, sizeof(TradeKey))
        key.trade_id = facts.trade_id
        key.instrument_id = facts.instrument_id
        key.terms_tag = _terms_tag(facts)
        _book_side(&key, facts, order_handle)
        self._put(&key)
        if facts.trade_id > self.newest[row]:
            self.newest[row] = facts.trade_id
            self.newest_handle[row] = youngest_handle
        return TRADE_NEW

    cdef void _put(self, const TradeKey* key) noexcept nogil:
        """At the queue's end; the oldest makes room."""
        if self.head - self.tail == self.capacity:
            self._drop(&self.queue[self.tail & (self.capacity - 1)])
            self.tail += 1
        self.table[self._place(key.instrument_id, key.trade_id)] = key[0]
        self.queue[self.head & (self.capacity - 1)] = key[0]
        self.head += 1

    cdef bint replace(self, const FillFacts* facts, uint64_t order_handle, uint64_t youngest_handle) noexcept nogil:
        cdef bint is_anew = self.began_anew(facts, order_handle)
        cdef TradeKey* key
        if is_anew:
            self.forget(facts.instrument_id)
        if self.add(facts, order_handle, youngest_handle) == TRADE_CONTRADICTED:
            key = &self.table[self._place(facts.instrument_id, facts.trade_id)]
            if key.terms_tag != _terms_tag(facts):
                key.buyer_tag = key.seller_tag = 0
            key.terms_tag = _terms_tag(facts)
            _book_side(key, facts, order_handle)
        return is_anew

    cdef void forget(self, uint32_t instrument_id) noexcept nogil:
        """All of an instrument: a walk over everything, once when a venue was reset."""
        cdef uint64_t i, first = self.tail, last = self.head
        cdef TradeKey key
        for i in range(first, last):
            key = self.queue[i & (self.capacity - 1)]
            # as it is now: its other side, or another trade, may have come later
            self.queue[i & (self.capacity - 1)] = self.table[self._place(key.instrument_id, key.trade_id)]
        memset(self.table, 0, <size_t> self.capacity * 2 * sizeof(TradeKey))
        self.head = first
        for i in range(first, last):
            key = self.queue[i & (self.capacity - 1)]
            if key.instrument_id != instrument_id:
                self._put(&key)
        self.newest[instrument_id % 512] = self.forgotten_max[instrument_id % 512] = 0
        self.newest_handle[instrument_id % 512] = 0
        for i in range(FOREIGN_CAPACITY):
            if self.foreign[i].instrument_id == instrument_id:
                memset(&self.foreign[i], 0, sizeof(ForeignFill))

    cdef bint stands_as_others(self, const FillFacts* facts) noexcept nogil:
        cdef const TradeKey* key = &self.table[self._place(facts.instrument_id, facts.trade_id)]
        return key.terms_tag == _terms_tag(facts) and (key.buyer_tag if facts.side == SIDE_BUY else key.seller_tag) == OTHERS_TAG

    cdef void mark_taken(self, const FillFacts* facts) noexcept nogil:
        cdef TradeKey* key = &self.table[self._place(facts.instrument_id, facts.trade_id)]
        if not key.terms_tag:
            return
        if facts.side == SIDE_BUY and key.buyer_tag == OTHERS_TAG:
            key.buyer_tag = TAKEN_TAG
        elif facts.side != SIDE_BUY and key.seller_tag == OTHERS_TAG:
            key.seller_tag = TAKEN_TAG

    cdef void _note_others(self, const FillFacts* facts, uint64_t order_handle) noexcept nogil:
        """A trade of an order of ours that stands booked as another's; told as often as it is, noted once for each order that claims it:
        both sides of it can be ours.

        `cum_lots` of the note is the trade's price in ticks, `named_id` the order's handle.
        """
        cdef uint64_t i
        if not self.stands_as_others(facts):
            return
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            if (self.foreign[i].order_tag & OURS_BIT and self.foreign[i].trade_id == facts.trade_id
                    and self.foreign[i].named_id == <int64_t> order_handle and self.foreign[i].instrument_id == facts.instrument_id):
                return
        self._note(facts.instrument_id, _owner_tag(order_handle) | OURS_BIT, facts.trade_id, facts.qty_lots, facts.price_ticks)
        self.foreign[(self.foreign_count - 1) & (FOREIGN_CAPACITY - 1)].named_id = <int64_t> order_handle

    cdef ForeignFill* untold_of(self, uint32_t instrument_id, uint64_t order_handle) noexcept nogil:
        cdef uint64_t i
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            if (self.foreign[i].order_tag & OURS_BIT and self.foreign[i].trade_id == NO_TRADE_ID
                    and self.foreign[i].named_id == <int64_t> order_handle and self.foreign[i].instrument_id == instrument_id):
                return &self.foreign[i]
        return NULL

    cdef void note_untold(self, uint32_t instrument_id, int64_t qty_lots) noexcept nogil:
        """A ledger's external fill without an id and without an order: the next word about it says whose it is."""
        self._note(instrument_id, OURS_BIT, NO_TRADE_ID, qty_lots, 0)

    cdef void claim_untold(self, uint32_t instrument_id, int64_t qty_lots, uint64_t order_handle) noexcept nogil:
        """The latest such fill was of this order. 0, or another symbol or quantity: it was not, and is forgotten."""
        cdef ForeignFill* last = &self.foreign[(self.foreign_count - 1) & (FOREIGN_CAPACITY - 1)]
        cdef ForeignFill* known
        if self.foreign_count == 0 or last.order_tag != OURS_BIT:
            return
        if order_handle and last.instrument_id == instrument_id and last.qty_lots == qty_lots:
            known = self.untold_of(instrument_id, order_handle)
            if known == NULL:
                last.order_tag = _owner_tag(order_handle) | OURS_BIT
                last.named_id = <int64_t> order_handle
                return
            known.qty_lots += qty_lots
        memset(last, 0, sizeof(ForeignFill))
        self.foreign_count -= 1

    cdef int add_foreign(self, const FillFacts* facts, int64_t venue_order_id, int64_t cum_lots, uint64_t order_handle,
                         uint64_t youngest_handle) noexcept nogil:
        """`add` for an order that we do not keep: TRADE_REPEATED too where the fill was booked under another id, once without and once
        with one.

        `cum_lots`: the order's filled quantity after it, 0 where a list tells of it. It decides where one of the order's fills had no id:
        no more is booked than the venue has counted.
        """
        cdef uint32_t tag = order_tag(venue_order_id)
        cdef int verdict = self.judge(facts, order_handle)
        if verdict != TRADE_NEW:
            return verdict
        if cum_lots == 0 and self._is_named_again(facts.instrument_id, tag, facts.trade_id, facts.qty_lots):
            return TRADE_REPEATED
        if self._is_covered(facts.instrument_id, tag, facts.qty_lots, cum_lots, is_unnamed(facts.trade_id)):
            return TRADE_REPEATED
        self.add(facts, order_handle, youngest_handle)
        if not is_unnamed(facts.trade_id):
            self._note(facts.instrument_id, tag, facts.trade_id, facts.qty_lots, cum_lots)
        return TRADE_NEW

    cdef bint _is_named_again(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots) noexcept nogil:
        """A list names a fill that came without an id: one of the order's, as large, that no other id has been found for."""
        cdef uint64_t i
        cdef ForeignFill* fill
        cdef ForeignFill* match = NULL
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            fill = &self.foreign[i]
            if fill.instrument_id != instrument_id or fill.order_tag != tag or not is_unnamed(fill.trade_id):
                continue
            if fill.named_id == trade_id and trade_id > 0:
                return True
            if match == NULL and fill.named_id == 0 and fill.qty_lots == qty_lots:
                match = fill
        if match == NULL:
            return False
        match.named_id = trade_id
        return True

    cdef bint _is_covered(self, uint32_t instrument_id, uint32_t tag, int64_t qty_lots, int64_t cum_lots, bint has_unnamed) noexcept nogil:
        """All that the venue has counted of the order is booked; only of orders with a fill without an id."""
        cdef uint64_t i
        cdef const ForeignFill* fill
        cdef int64_t booked_lots = 0
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            fill = &self.foreign[i]
            if fill.instrument_id != instrument_id or fill.order_tag != tag:
                continue
            booked_lots += fill.qty_lots
            cum_lots = max(cum_lots, fill.cum_lots)
            has_unnamed = has_unnamed or is_unnamed(fill.trade_id)
        return has_unnamed and booked_lots > 0 and booked_lots + qty_lots > cum_lots

    cdef bint _has_unnamed(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil:
        cdef uint64_t i
        for i in range(min(self.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            if self.foreign[i].trade_id == trade_id and self.foreign[i].instrument_id == instrument_id:
                return True
        return False

    cdef void _note(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots, int64_t cum_lots) noexcept nogil:
        cdef ForeignFill* fill = &self.foreign[self.foreign_count & (FOREIGN_CAPACITY - 1)]
        fill.trade_id = trade_id
        fill.qty_lots = qty_lots
        fill.cum_lots = cum_lots
        fill.named_id = 0
        fill.instrument_id = instrument_id
        fill.order_tag = tag
        self.foreign_count += 1

    cdef uint32_t _place(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil:
        cdef uint32_t place = _home(instrument_id, trade_id, self.mask)
        while self.table[place].terms_tag and not (
                self.table[place].trade_id == trade_id and self.table[place].instrument_id == instrument_id):
            place = (place + 1) & self.mask
        return place

    cdef void _drop(self, const TradeKey* key) noexcept nogil:
        cdef uint32_t hole = self._place(key.instrument_id, key.trade_id), place = hole, home
        cdef uint32_t row = key.instrument_id % 512
        if key.trade_id > self.forgotten_max[row]:
            self.forgotten_max[row] = key.trade_id
        while True:
            place = (place + 1) & self.mask
            if not self.table[place].terms_tag:
                break
            home = _home(self.table[place].instrument_id, self.table[place].trade_id, self.mask)
            if ((place - home) & self.mask) >= ((place - hole) & self.mask):
                self.table[hole] = self.table[place]
                hole = place
        self.table[hole].terms_tag = 0

    def book(self, int instrument_id, int64_t trade_id, int64_t qty_lots=1, *, uint64_t order_handle=0, uint64_t youngest_handle=0,
             int64_t price_ticks=1, int side=0) -> bool:
        """Add one from Python (tests): False where it was there. Raises ValueError where its id stands for another trade."""
        cdef FillFacts facts = _facts(instrument_id, trade_id, qty_lots, price_ticks, side)
        cdef int verdict = self.add(&facts, order_handle, youngest_handle)
        if verdict == TRADE_CONTRADICTED:
            raise ValueError(f"trade {trade_id} is another one")
        return verdict == TRADE_NEW

    def rebook(self, int instrument_id, int64_t trade_id, int64_t qty_lots=1, *, uint64_t order_handle=0,
               uint64_t youngest_handle=0, int64_t price_ticks=1, int side=0) -> bool:
        """`replace` from Python (tests): True where the ids began anew."""
        cdef FillFacts facts = _facts(instrument_id, trade_id, qty_lots, price_ticks, side)
        return self.replace(&facts, order_handle, youngest_handle)

    def book_foreign(self, int instrument_id, int64_t venue_order_id, int64_t qty_lots, *, trade_id=None, cum_qty_lots=0) -> bool:
        """Add one of an order that is not ours (tests); without `trade_id` the venue gave none, `cum_qty_lots` 0: a list's."""
        cdef int64_t number = unnamed_trade_id(venue_order_id, cum_qty_lots) if trade_id is None else trade_id
        cdef FillFacts facts = _facts(instrument_id, number, qty_lots, 1, 0)
        return self.add_foreign(&facts, venue_order_id, cum_qty_lots, 0, 0) == TRADE_NEW


cdef FillFacts _facts(uint32_t instrument_id, int64_t trade_id, int64_t qty_lots, int64_t price_ticks, int side):
    cdef FillFacts facts
    memset(&facts, 0, sizeof(FillFacts))
    facts.instrument_id = instrument_id
    facts.trade_id = trade_id
    facts.qty_lots = qty_lots
    facts.price_ticks = price_ticks
    facts.side = <uint8_t> side
    return facts
