"""See triggers.pxd. A row fires once and is gone with it: a gap through its level triggers once, however far it went.

Trailing: from the activation price on (at once where there is none) the best price is remembered; the level stands at the distance from
it and only ever moves towards the price. With a fixed level too, the one that fires sooner counts.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from engine.model.codes cimport TRAIL_KIND_BPS, TRAIL_KIND_NONE

cdef extern from "triggers.h" nogil:
    int64_t tw_trail_below(int64_t extreme, int64_t bps)
    int64_t tw_trail_above(int64_t extreme, int64_t bps)

cdef enum:
    INDEX_BITS = 12
    INDEX_MASK = 4095


cdef inline int64_t trail_level_of(const Trigger* row) noexcept nogil:
    if row.trail_kind == TRAIL_KIND_BPS:
        return tw_trail_above(row.extreme, row.trail_amount) if row.is_above else tw_trail_below(row.extreme, row.trail_amount)
    return row.extreme + row.trail_amount if row.is_above else row.extreme - row.trail_amount


cdef inline bint is_better(const Trigger* row, int64_t price) noexcept nogil:
    """Has the price gone further away from the level than ever."""
    return row.extreme == 0 or (price < row.extreme if row.is_above else price > row.extreme)


cdef inline bint starts_at(const Trigger* row, int64_t price) noexcept nogil:
    return row.activation == 0 or (price <= row.activation if row.is_above else price >= row.activation)


cdef inline int64_t firing_level(const Trigger* row) noexcept nogil:
    if row.trail_level == 0 or row.level == 0:
        return row.level or row.trail_level
    return min(row.level, row.trail_level) if row.is_above else max(row.level, row.trail_level)


cdef inline bint fires(const Trigger* row, int64_t price) noexcept nogil:
    cdef int64_t level = firing_level(row)
    return level != 0 and (price >= level if row.is_above else price <= level)


cdef bint trails(Trigger* row, int64_t price) noexcept nogil:
    """Take a price in; True where the level moved."""
    cdef int64_t before = row.trail_level
    if row.extreme == 0 and not starts_at(row, price):
        return False
    if is_better(row, price):
        row.extreme = price
        row.trail_level = trail_level_of(row)
    return row.trail_level != before


cdef class TriggerTable:
    """Up to 4,096 triggers, in lists by instrument."""

    def __cinit__(self):
        cdef uint32_t i
        self.rows = <Trigger*> calloc(TRIGGER_CAPACITY, sizeof(Trigger))
        self.happenings = <Happening*> calloc(TRIGGER_CAPACITY, sizeof(Happening))
        if self.rows == NULL or self.happenings == NULL:
            raise MemoryError("triggers")
        for i in range(TRIGGER_CAPACITY - 1):
            self.rows[i].next = i + 2
        self.free_first = 1

    def __dealloc__(self):
        free(self.rows)
        free(self.happenings)

    cdef uint32_t add_row(self, const Trigger* terms) noexcept nogil:
        """The new trigger's id, never 0; 0 = the table is full."""
        cdef uint32_t index = self.free_first - 1, generation
        cdef Trigger* row
        if self.free_first == 0 or terms.instrument_id >= TRIGGER_INSTRUMENTS:
            return 0
        row = &self.rows[index]
        generation = row.generation + 1
        self.free_first = row.next
        row[0] = terms[0]
        row.generation = generation & 0xFFFFF or 1
        row.is_used = 1
        if row.trail_kind != TRAIL_KIND_NONE and row.extreme != 0:
            row.trail_level = trail_level_of(row)
        row.next = self.first[row.instrument_id]
        self.first[row.instrument_id] = index + 1
        self.count += 1
        return row.generation << <uint32_t> INDEX_BITS | index

    cdef Trigger* find(self, uint32_t trigger_id) noexcept nogil:
        cdef Trigger* row = &self.rows[trigger_id & <uint32_t> INDEX_MASK]
        return row if row.is_used and row.generation == trigger_id >> <uint32_t> INDEX_BITS else NULL

    cdef bint drop_row(self, uint32_t trigger_id) noexcept nogil:
        cdef Trigger* row = self.find(trigger_id)
        cdef uint32_t* link
        cdef uint32_t index = trigger_id & <uint32_t> INDEX_MASK
        if row == NULL:
            return False
        link = &self.first[row.instrument_id]
        while link[0] != index + 1:
            link = &self.rows[link[0] - 1].next
        link[0] = row.next
        row.is_used = 0
        row.next = self.free_first
        self.free_first = index + 1
        self.count -= 1
        return True

    cdef void clear_happenings(self) noexcept nogil:
        self.happened = 0

    cdef void see(self, uint32_t instrument_id, int source, int64_t bid, int64_t ask) noexcept nogil:
        cdef uint32_t place = self.first[instrument_id], following, trigger_id
        cdef Trigger* row
        cdef int64_t price
        cdef bint moved
        while place:
            row = &self.rows[place - 1]
            following = row.next
            price = ask if row.is_ask else bid
            if row.source == source and price > 0:
                trigger_id = row.generation << <uint32_t> INDEX_BITS | (place - 1)
                moved = row.trail_kind != TRAIL_KIND_NONE and trails(row, price)
                if fires(row, price):
                    self._note(trigger_id, price, 1)
                    self.drop_row(trigger_id)
                elif moved:
                    self._note(trigger_id, firing_level(row), 0)
            place = following

    cdef void _note(self, uint32_t trigger_id, int64_t price, uint32_t has_fired) noexcept nogil:
        cdef Happening* happening
        if self.happened < TRIGGER_CAPACITY:
            happening = &self.happenings[self.happened]
            happening.trigger_id = trigger_id
            happening.price = price
            happening.has_fired = has_fired
            self.happened += 1

    # --- cold ---

    def add(self, uint32_t instrument_id, *, bint is_above, bint is_ask=False, int source=0, int64_t level=0, int trail_kind=0,
            int64_t trail_amount=0, int64_t activation=0, int64_t extreme=0) -> int:
        """Watch for a price; the trigger's id, 0 where the table is full."""
        cdef Trigger terms
        memset(&terms, 0, sizeof(Trigger))
        terms.instrument_id = instrument_id
        terms.is_above, terms.is_ask, terms.source = is_above, is_ask, <uint8_t> source
        terms.level, terms.trail_kind, terms.trail_amount = level, <uint8_t> trail_kind, trail_amount
        terms.activation, terms.extreme = activation, extreme
        return self.add_row(&terms)

    def drop(self, uint32_t trigger_id) -> bool:
        """Watch no longer; False where it has fired or is none."""
        return self.drop_row(trigger_id)

    def extreme(self, uint32_t trigger_id) -> int:
        """The best price that a trailing one has seen; 0 = none yet, or it is gone."""
        cdef Trigger* row = self.find(trigger_id)
        return 0 if row == NULL else row.extreme

    def level(self, uint32_t trigger_id) -> int:
        """Where it fires now; 0 = nowhere yet."""
        cdef Trigger* row = self.find(trigger_id)
        return 0 if row == NULL else firing_level(row)

    def watches(self, uint32_t instrument_id) -> bool:
        """Is anything waited for there."""
        return instrument_id < TRIGGER_INSTRUMENTS and self.first[instrument_id] != 0

    def look(self, uint32_t instrument_id, int source, int64_t bid, int64_t ask) -> list:
        """One event's price: (trigger id, price or level, has fired) of those that fired or moved."""
        self.clear_happenings()
        if instrument_id < TRIGGER_INSTRUMENTS:
            self.see(instrument_id, source, bid, ask)
        return [(self.happenings[i].trigger_id, self.happenings[i].price, bool(self.happenings[i].has_fired))
                for i in range(self.happened)]
