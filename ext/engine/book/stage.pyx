"""The book stage: market records in; tables, book states and conflated market events out.

A book is VALID from the diff that links to its snapshot until the first doubt: a gap, a crossed or long locked book, a level
that is not positive, an absurd jump, a refused frame, a lost connection. The doubt makes it INVALID (or CROSSED) in the same
event, before any strategy runs, and asks for a new snapshot (`take_resyncs`, polled by the feed). Silence makes it STALE until the next update.

Synchronisation follows the exchange's own rule (Binance, "How to manage a local order book correctly"): spot chains U to the
last u, USD-M chains `pu`. Quantities are absolute, so a diff that overlaps what is known already (a second connection during
rotation) is applied; one that ends at or before it is a duplicate.

While LIVE each bookTicker is held until a diff covers its update id and then compared with the ladders: the last one covered must
equal the best levels exactly; an earlier one must not contradict what the diff left untouched. Which one is the last is known
when a ticker beyond the diff has come, since a ticker may come after the diff that covers it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset, strlen

from engine.book.ladder cimport (LADDER_TICKS, LadderSide, PagePool, pool_free, pool_init, side_apply, side_best, side_clear, side_free, side_init,
                                 side_next, side_qty, side_read, side_walk)
from engine.journal.journal cimport Journal
from engine.model.bookreader cimport LEVELS_WALKED, BookReader, tw_wide_sum
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport (DepthPayload, FeedStatePayload, InstrumentUpdatePayload, Level, MarkPricePayload, RecordHeader,
                                   StatePayload, TickerPayload, TimerPayload, TradePayload)
from engine.model.tables cimport INSTRUMENT_CAPACITY, Instrument, MarketState, Tables
from engine.runtime.actor cimport Actor
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef enum:
    BATCH_MAX = 256
    HELD_TICKERS = 2048
    PENDING_BYTES_MAX = 16777216
    TOUCHED_SLOTS = 16384
    EDGE_TICKS = 65536
    LEVELS_READ_MAX = 5000

cdef uint64_t ONE = 1


cdef inline const char* payload_of(const Descriptor* item) noexcept nogil:
    return <const char*> item.record + sizeof(RecordHeader)


cdef inline const Level* levels_of(const DepthPayload* depth) noexcept nogil:
    return <const Level*> (<const char*> depth + sizeof(DepthPayload))


cdef inline uint64_t depth_bytes(const DepthPayload* depth) noexcept nogil:
    return sizeof(DepthPayload) + (<uint64_t> depth.bid_count + depth.ask_count) * sizeof(Level)


cdef inline bint is_old(const Book* book, const DepthPayload* depth) noexcept nogil:
    """Nothing in it that the ladders do not hold. USD-M wants the diff that contains the snapshot's id itself."""
    if book.counts_previous_id and book.phase == PHASE_LINKING:
        return depth.last_update_id < book.update_id
    return depth.last_update_id <= book.update_id


cdef inline bint follows(const Book* book, const DepthPayload* depth) noexcept nogil:
    if not book.counts_previous_id:
        return depth.first_update_id <= book.update_id + 1
    if book.phase == PHASE_LINKING and depth.first_update_id <= book.update_id:
        return True
    return depth.previous_update_id <= book.update_id


cdef bint levels_are_positive(const Level* levels, uint32_t count, int64_t qty_min) noexcept nogil:
    cdef uint32_t i
    cdef int64_t bad = 0
    for i in range(count):
        bad |= (levels[i].price_ticks - 1) | (levels[i].qty_lots - qty_min)
    return bad >= 0


cdef int touched_init(TouchedPrices* touched) except -1:
    touched.keys = <uint64_t*> calloc(TOUCHED_SLOTS, sizeof(uint64_t))
    touched.marks = <uint32_t*> calloc(TOUCHED_SLOTS, sizeof(uint32_t))
    if touched.keys == NULL or touched.marks == NULL:
        raise MemoryError("touched prices")
    return 0


cdef inline uint32_t touched_slot(const TouchedPrices* touched, uint64_t key) noexcept nogil:
    """Where the key stands, or would stand."""
    cdef uint32_t slot = <uint32_t> ((key * 0x9E3779B97F4A7C15ULL) >> 50)
    while touched.marks[slot] == touched.generation and touched.keys[slot] != key:
        slot = (slot + 1) & (TOUCHED_SLOTS - 1)
    return slot


cdef inline uint64_t touched_key(int64_t price_ticks, bint is_ask) noexcept nogil:
    return (<uint64_t> price_ticks << 1) | is_ask


cdef bint touched_fill(TouchedPrices* touched, const DepthPayload* depth) noexcept nogil:
    """Remember the prices of a diff; False where it has too many (its earlier tickers are then not checked)."""
    cdef const Level* levels = levels_of(depth)
    cdef uint32_t i, slot, count = depth.bid_count + depth.ask_count
    cdef uint64_t key
    if count > TOUCHED_SLOTS / 2:
        return False
    touched.generation += 1
    if touched.generation == 0:
        memset(touched.marks, 0, TOUCHED_SLOTS * sizeof(uint32_t))
        touched.generation = 1
    for i in range(count):
        key = touched_key(levels[i].price_ticks, i >= depth.bid_count)
        slot = touched_slot(touched, key)
        touched.keys[slot] = key
        touched.marks[slot] = touched.generation
    return True


cdef inline bint is_touched(const TouchedPrices* touched, int64_t price_ticks, bint is_ask) noexcept nogil:
    return touched.marks[touched_slot(touched, touched_key(price_ticks, is_ask))] == touched.generation


cdef bint side_allows(const TouchedPrices* touched, const LadderSide* side, int64_t price_ticks, int64_t qty_lots) noexcept nogil:
    """May `price_ticks` x `qty_lots` have been the best at some moment within the diff that is about to be applied to `side`?"""
    cdef bint is_ask = not side.is_bid
    cdef int64_t price = side_best(side)
    if price_ticks <= 0:
        return True
    while price >= 0 and (price < price_ticks if is_ask else price > price_ticks):
        if not is_touched(touched, price, is_ask):
            return False
        price = side_next(side, price)
    return is_touched(touched, price_ticks, is_ask) or side_qty(side, price_ticks) == qty_lots


cdef void read_top(const Book* book, HeldTicker* top) noexcept nogil:
    """The best levels as a ticker would tell them: zeros for an empty side."""
    cdef int64_t bid = side_best(&book.bids), ask = side_best(&book.asks)
    top.update_id = book.update_id
    top.bid_ticks = bid if bid > 0 else 0
    top.bid_lots = side_qty(&book.bids, bid) if bid > 0 else 0
    top.ask_ticks = ask if ask > 0 else 0
    top.ask_lots = side_qty(&book.asks, ask) if ask > 0 else 0


cdef inline bint tops_are_equal(const HeldTicker* one, const HeldTicker* other) noexcept nogil:
    return (one.bid_ticks == other.bid_ticks and one.bid_lots == other.bid_lots
            and one.ask_ticks == other.ask_ticks and one.ask_lots == other.ask_lots)


cdef class DepthReader(BookReader):
    """Depth of the book stage's books for stages that must not know it."""

    cdef int read_levels(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept nogil:
        cdef const LadderSide* found = depth_side(self.books, instrument_id, side)
        return 0 if found == NULL or depth <= 0 else side_read(found, depth, out)

    cdef tw_wide_sum walk(self, uint32_t instrument_id, int side, int64_t* lots, int64_t* worst_ticks) noexcept nogil:
        cdef const LadderSide* found = depth_side(self.books, instrument_id, side)
        if found == NULL:
            worst_ticks[0] = 0
            return 0
        return side_walk(found, LEVELS_WALKED, lots, worst_ticks)


cdef class BookStage(Actor):
    """Books of every instrument; `reader` is its BookReader.

    inbound: descriptors of market records, FEED_STATE and TICK timers, in sequence order. events: one descriptor per instrument and
    turn for book changes (the latest; kind is the record's, or BOOK_STATE where no market record caused it), one for each trade.
    `clock` is asked for the latency histogram BOOK_APPLIED alone (once a turn); without one there is none.
    `jump_bps_max`: a move of the mid by more than this in one update is not believed until a snapshot says the same.
    """

    def __cinit__(self, *args, **kwargs):
        self.books = <Book**> calloc(INSTRUMENT_CAPACITY, sizeof(Book*))
        self.dirty = <uint32_t*> calloc(INSTRUMENT_CAPACITY, sizeof(uint32_t))
        if self.books == NULL or self.dirty == NULL:
            raise MemoryError("books")
        touched_init(&self.touched)

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None,
                 Ring inbound not None, Ring events not None, *, int64_t jump_bps_max=2000, int64_t locked_ns_max=1_000_000_000,
                 uint32_t pages_max=262144, Clock clock=None, Ring watched=None):
        Actor.__init__(self, name)
        pool_init(&self.pool, pages_max)
        self.journal = journal
        self.tables = tables
        self.counters = counters
        self.counts = counters.values
        self.inbound = inbound
        self.events = events
        self.watched, self.has_watched = watched, watched is not None
        self.clock = clock
        self.jump_bps_max = jump_bps_max
        self.locked_ns_max = locked_ns_max
        self.reader = DepthReader()
        self.reader.books = self.books

    def __dealloc__(self):
        cdef uint32_t i
        if self.books != NULL:
            for i in range(INSTRUMENT_CAPACITY):
                book_free(self.books[i])
        free(self.books)
        free(self.dirty)
        free(self.touched.keys)
        free(self.touched.marks)
        pool_free(&self.pool)

    cdef int do_work(self) except -1:
        cdef Descriptor* item
        cdef int64_t received_mono_ns = 0
        cdef int done = 0
        while done < BATCH_MAX:
            item = self.inbound.peek()
            if item == NULL:
                break
            self.on_record(item)
            received_mono_ns = item.mono_ns
            self.inbound.release()
            done += 1
        if done and self.clock is not None:
            self.counters.record(STAGE_BOOK_APPLIED, self.clock.lap_ns() - received_mono_ns)
        return done + self.flush_dirty()

    def prepare(self, uint32_t instrument_id) -> None:
        """Allocate a book before its first record comes."""
        self.tables._check(instrument_id)
        if self.open_book(instrument_id) == NULL:
            raise MemoryError(f"book of instrument {instrument_id}")

    cdef Book* open_book(self, uint32_t instrument_id) noexcept nogil:
        if instrument_id == 0 or instrument_id > self.tables.instrument_count:
            return NULL
        if self.books[instrument_id] == NULL:
            self.books[instrument_id] = book_new(&self.pool, instrument_id)
            if self.books[instrument_id] != NULL:
                self.books[instrument_id].counts_previous_id = self.tables.instruments[instrument_id].kind != 0
        return self.books[instrument_id]

    cdef void on_record(self, const Descriptor* item) noexcept nogil:
        cdef Book* book = NULL
        cdef const char* payload = payload_of(item)
        if item.record == NULL:
            return
        if item.kind == RECORD_KIND_TIMER:
            if (<const TimerPayload*> payload).timer_kind == TIMER_KIND_TICK:
                self.on_tick(item)
            return
        if item.kind == RECORD_KIND_FEED_STATE:
            self.on_feed_state(item, <const FeedStatePayload*> payload)
            return
        if item.kind == RECORD_KIND_INSTRUMENT_UPDATE:
            self.on_instrument(item, <const InstrumentUpdatePayload*> payload)
            return
        if RECORD_KIND_KLINE <= item.kind <= RECORD_KIND_CONTRACT_INFO:
            self.on_statistics(item)
            return
        book = self.open_book(item.instrument_id)
        if book == NULL:
            return
        if item.kind == RECORD_KIND_DEPTH_DIFF:
            if item.record.session_id:
                book.sessions |= ONE << (item.record.session_id & 63)
            self.on_diff(book, item, <const DepthPayload*> payload)
        elif item.kind == RECORD_KIND_BOOK_TICKER:
            self.on_ticker(book, item, <const TickerPayload*> payload)
        elif item.kind == RECORD_KIND_TRADE or item.kind == RECORD_KIND_AGG_TRADE:
            self.on_trade(book, item, <const TradePayload*> payload)
        elif item.kind == RECORD_KIND_DEPTH_SNAPSHOT:
            self.on_snapshot(book, item, <const DepthPayload*> payload)
        elif item.kind == RECORD_KIND_MARKET_FRAME_MALFORMED:
            self.invalidate(book, item, BOOK_STATE_INVALID, REASON_BOOK_INVALID, ALARM_CODE_MALFORMED_FRAME, b"frame refused", 0)

    # --- diffs and snapshots -------------------------------------------------------------------------------------------

    cdef void on_diff(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil:
        if book.phase == PHASE_IDLE or book.phase == PHASE_BUFFERING:
            # levels that nobody believes: thousands of pages go here, not in the gap's turn (cancels), nor in the snapshot's (quotes)
            side_clear(&book.bids, 0)
            side_clear(&book.asks, 0)
            self.keep_pending(book, item, depth)
            return
        if is_old(book, depth):
            self.duplicates += 1
            return
        if not follows(book, depth):
            self.counts[<int> COUNTER_BOOK_GAPS] += 1
            self.invalidate(book, item, BOOK_STATE_INVALID, REASON_BOOK_INVALID, ALARM_CODE_BOOK_GAP, b"gap before update",
                            <int64_t> depth.first_update_id)
            self.keep_pending(book, item, depth)
            return
        if self.apply_diff(book, item, depth):
            self.publish_book(book, item, depth.event_ns)

    cdef bint apply_diff(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil:
        """Apply a diff that links; False where the book became INVALID by it."""
        cdef uint64_t covered = 0
        if book.phase == PHASE_LIVE:
            covered = self.covered_tickers(book, depth.last_update_id)
            if covered:
                self.check_within(book, item, depth, covered)
        if not self.apply_levels(book, item, depth, 0):
            return False
        book.previous_id = book.update_id
        book.update_id = depth.last_update_id
        book.phase = PHASE_LIVE
        if not self.is_sane(book, item):
            return False
        if covered:
            book.candidate.until_id = book.update_id
            read_top(book, &book.candidate.expected)
        self.counts[<int> COUNTER_BOOK_UPDATES] += 1
        return True

    cdef bint apply_levels(self, Book* book, const Descriptor* item, const DepthPayload* depth, int64_t qty_min) noexcept nogil:
        cdef const Level* levels = levels_of(depth)
        cdef int64_t far_bids, far_asks
        if not levels_are_positive(levels, depth.bid_count + depth.ask_count, qty_min):
            self.invalidate(book, item, BOOK_STATE_INVALID, REASON_BOOK_INVALID, ALARM_CODE_MALFORMED_FRAME,
                            b"level that is not positive", 0)
            return False
        far_bids = side_apply(&book.bids, levels, depth.bid_count)
        far_asks = side_apply(&book.asks, levels + depth.bid_count, depth.ask_count)
        if far_bids < 0 or far_asks < 0:
            self.invalidate(book, item, BOOK_STATE_INVALID, REASON_BOOK_INVALID, ALARM_CODE_BOOK_GAP, b"page pool used up", 0)
            return False
        book.far_levels += <uint64_t> (far_bids + far_asks)
        return True

    cdef bint is_sane(self, Book* book, const Descriptor* item) noexcept nogil:
        """After a whole update: not crossed, not jumped, not at the edge of the ladder."""
        cdef int64_t bid = side_best(&book.bids), ask = side_best(&book.asks)
        if bid < 0 or ask < 0:
            return True
        if bid > ask:
            self.counts[<int> COUNTER_BOOK_CROSSED] += 1
            self.invalidate(book, item, BOOK_STATE_CROSSED, REASON_BOOK_INVALID, ALARM_CODE_BOOK_CROSSED, b"crossed", bid - ask)
            return False
        if not self.mid_is_near(book, bid + ask):
            self.invalidate(book, item, BOOK_STATE_INVALID, REASON_BOOK_INVALID, ALARM_CODE_BOOK_GAP, b"absurd jump", bid + ask)
            return False
        if book.far_levels and (ask - book.asks.base_ticks > LADDER_TICKS - EDGE_TICKS
                                or (book.bids.base_ticks and bid - book.bids.base_ticks < EDGE_TICKS)):
            self.invalidate(book, item, BOOK_STATE_INVALID, REASON_BOOK_INVALID, ALARM_CODE_BOOK_GAP, b"at the ladder's edge", bid)
            return False
        book.doubled_mid_ticks = bid + ask
        if bid < ask:
            book.locked_since_mono_ns = 0
        elif book.locked_since_mono_ns == 0:
            book.locked_since_mono_ns = self.journal.now_mono_ns or 1
        return True

    cdef bint mid_is_near(self, Book* book, int64_t doubled_mid_ticks) noexcept nogil:
        cdef int64_t before = book.doubled_mid_ticks
        cdef double move
        if before == 0:
            return True
        move = <double> (doubled_mid_ticks - before) / <double> before
        return -<double> self.jump_bps_max <= move * 10000.0 <= <double> self.jump_bps_max

    cdef void on_snapshot(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil:
        cdef const DepthPayload* first
        cdef int64_t middle = 0
        if book.phase == PHASE_LIVE:
            return
        book.resync_wanted = 0
        book.phase = PHASE_LINKING
        book.update_id = depth.last_update_id
        book.held_tail = book.held_head
        book.candidate.is_set = False
        book.doubled_mid_ticks = 0
        book.locked_since_mono_ns = 0
        book.far_levels = 0
        first = first_pending(book)
        if first != NULL and not follows(book, first):
            # taken before the first diff that we hold: a newer one will reach into them
            book.phase = PHASE_BUFFERING
            self.want_snapshot(book)
            return
        if depth.bid_count:
            middle = levels_of(depth)[0].price_ticks
        elif depth.ask_count:
            middle = levels_of(depth)[depth.bid_count].price_ticks
        side_clear(&book.bids, middle - LADDER_TICKS / 2)
        side_clear(&book.asks, middle - LADDER_TICKS / 2)
        if not self.apply_levels(book, item, depth, 1) or not self.is_sane(book, item):
            return
        if self.tables.markets[book.instrument_id].book_state == BOOK_STATE_EMPTY:
            self.set_state(book, item, BOOK_STATE_SYNCING, REASON_NONE, b"snapshot", <int64_t> depth.last_update_id)
        self.replay_pending(book, item)

    cdef void replay_pending(self, Book* book, const Descriptor* item) noexcept nogil:
        """Apply what was kept while waiting; the book is VALID when at least one diff linked."""
        cdef uint64_t at = 0, end = book.pending_bytes
        cdef const DepthPayload* depth
        cdef int64_t event_ns = 0
        book.pending_bytes = 0
        while at < end:
            depth = <const DepthPayload*> (book.pending + at)
            at += depth_bytes(depth)
            if is_old(book, depth):
                continue
            if not self.apply_diff(book, item, depth):
                return
            event_ns = depth.event_ns
        if book.phase == PHASE_LIVE:
            self.publish_book(book, item, event_ns)

    cdef void keep_pending(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil:
        """Copy a diff (the journal's front will wrap) until a snapshot comes."""
        cdef uint64_t size = depth_bytes(depth)
        if book.pending_bytes and depth.last_update_id <= book.pending_last_id:
            self.duplicates += 1
            return
        if (book.pending_bytes and not pending_links(book, depth)) or not pending_reserve(book, size):
            book.pending_bytes = 0
            if not pending_reserve(book, size):
                return
        memcpy(book.pending + book.pending_bytes, depth, size)
        book.pending_bytes += size
        book.pending_last_id = depth.last_update_id
        if book.phase == PHASE_IDLE:
            book.phase = PHASE_BUFFERING
            self.want_snapshot(book)
            if self.tables.markets[book.instrument_id].book_state == BOOK_STATE_EMPTY:
                self.set_state(book, item, BOOK_STATE_SYNCING, REASON_NONE, b"first update", <int64_t> depth.first_update_id)

    cdef void want_snapshot(self, Book* book) noexcept nogil:
        book.resync_wanted = 1
        self.counts[<int> COUNTER_BOOK_RESYNCS] += 1

    # --- tickers and trades --------------------------------------------------------------------------------------------

    cdef void on_ticker(self, Book* book, const Descriptor* item, const TickerPayload* ticker) noexcept nogil:
        cdef HeldTicker held
        if book.phase != PHASE_LIVE:
            return
        self.counts[<int> COUNTER_TICKERS_SEEN] += 1
        held.update_id = ticker.update_id
        held.bid_ticks, held.bid_lots = ticker.bid_price_ticks, ticker.bid_qty_lots
        held.ask_ticks, held.ask_lots = ticker.ask_price_ticks, ticker.ask_qty_lots
        if ticker.update_id <= book.update_id:
            self.on_late_ticker(book, item, &held)
            return
        self.settle_candidate(book, item, False)
        if book.held_head - book.held_tail < HELD_TICKERS:
            book.held[book.held_head & (HELD_TICKERS - 1)] = held
            book.held_head += 1
        if self.follow_ticker(book, item, ticker):
            self.refresh(book, item, ticker.event_ns)

    cdef bint follow_ticker(self, Book* book, const Descriptor* item, const TickerPayload* ticker) noexcept nogil:
        """The top of the book from a ticker that is newer than the tables; False where it is not, or not to be believed."""
        cdef MarketState* market = &self.tables.markets[book.instrument_id]
        if ticker.update_id <= market.update_id:
            return False
        if ticker.bid_price_ticks > 0 and ticker.ask_price_ticks > 0:
            if ticker.bid_price_ticks > ticker.ask_price_ticks:
                self.counts[<int> COUNTER_BOOK_CROSSED] += 1
                self.invalidate(book, item, BOOK_STATE_CROSSED, REASON_BOOK_INVALID, ALARM_CODE_BOOK_CROSSED, b"ticker crossed",
                                ticker.bid_price_ticks - ticker.ask_price_ticks)
                return False
            if not self.mid_is_near(book, ticker.bid_price_ticks + ticker.ask_price_ticks):
                self.invalidate(book, item, BOOK_STATE_INVALID, REASON_BOOK_INVALID, ALARM_CODE_BOOK_GAP,
                                b"absurd jump of the ticker", ticker.bid_price_ticks + ticker.ask_price_ticks)
                return False
        market.update_id = ticker.update_id
        market.best_bid_ticks, market.best_bid_lots = ticker.bid_price_ticks, ticker.bid_qty_lots
        market.best_ask_ticks, market.best_ask_lots = ticker.ask_price_ticks, ticker.ask_qty_lots
        return True

    cdef void on_trade(self, Book* book, const Descriptor* item, const TradePayload* trade) noexcept nogil:
        cdef MarketState* market = &self.tables.markets[book.instrument_id]
        if trade.trade_class != TRADE_CLASS_MARKET or trade.price_ticks <= 0 or trade.qty_lots <= 0:
            return  # USD-M: the insurance fund's, or none at all ("NA", with zeros); not made in the book
        market.last_trade_ticks = trade.price_ticks
        market.last_trade_lots = trade.qty_lots
        market.generation += 1
        if market.is_watched:
            self.tell_watched(book.instrument_id, item)
        self.flush_dirty()
        if not self.events.push(item):
            self.counts[<int> COUNTER_STRATEGY_CONFLATED] += 1

    cdef uint64_t covered_tickers(self, Book* book, uint64_t update_id) noexcept nogil:
        """How many held tickers, oldest first, an update up to `update_id` covers."""
        cdef uint64_t at = book.held_tail
        while at != book.held_head and book.held[at & (HELD_TICKERS - 1)].update_id <= update_id:
            at += 1
        return at - book.held_tail

    cdef void check_within(self, Book* book, const Descriptor* item, const DepthPayload* depth, uint64_t count) noexcept nogil:
        """Before the diff is applied: tickers within it must not contradict the levels that it leaves alone. The last of them is
        the candidate for the top of the book behind it."""
        cdef uint64_t i
        cdef bint can_check = touched_fill(&self.touched, depth), allowed = False
        cdef const HeldTicker* held
        self.settle_candidate(book, item, False)
        for i in range(count):
            held = &book.held[book.held_tail & (HELD_TICKERS - 1)]
            book.held_tail += 1
            if can_check:
                allowed = (side_allows(&self.touched, &book.bids, held.bid_ticks, held.bid_lots)
                           and side_allows(&self.touched, &book.asks, held.ask_ticks, held.ask_lots))
            if i + 1 < count:
                if can_check:
                    self.count_ticker(book, item, held.update_id, allowed)
                continue
            book.candidate.is_set = True
            book.candidate.ticker = held[0]
            book.candidate.earlier = EARLIER_UNKNOWN
            if can_check:
                book.candidate.earlier = EARLIER_ALLOWED if allowed else EARLIER_REFUSED

    cdef void on_late_ticker(self, Book* book, const Descriptor* item, const HeldTicker* ticker) noexcept nogil:
        """A ticker behind the diff that covers it: the last of that diff after all, or too late to be compared with anything."""
        cdef TickerCandidate* candidate = &book.candidate
        if candidate.is_set and ticker.update_id <= candidate.until_id:
            if ticker.update_id <= candidate.ticker.update_id:
                self.tickers_late += 1
                return
            self.settle_candidate(book, item, True)
        else:
            self.settle_candidate(book, item, False)
            if ticker.update_id <= book.previous_id:
                self.tickers_late += 1
                return
            candidate.until_id = book.update_id
            read_top(book, &candidate.expected)
        candidate.is_set = True
        candidate.ticker = ticker[0]
        candidate.earlier = EARLIER_UNKNOWN

    cdef void settle_candidate(self, Book* book, const Descriptor* item, bint superseded) noexcept nogil:
        """Count the candidate: as the top of the book, or, superseded, by what was seen before the diff was applied."""
        cdef TickerCandidate* candidate = &book.candidate
        if not candidate.is_set:
            return
        candidate.is_set = False
        if not superseded:
            self.count_ticker(book, item, candidate.ticker.update_id, tops_are_equal(&candidate.ticker, &candidate.expected))
        elif candidate.earlier != EARLIER_UNKNOWN:
            self.count_ticker(book, item, candidate.ticker.update_id, candidate.earlier == EARLIER_ALLOWED)
        else:
            self.tickers_late += 1

    cdef void count_ticker(self, Book* book, const Descriptor* item, uint64_t update_id, bint equal) noexcept nogil:
        self.counts[<int> COUNTER_TICKERS_CHECKED] += 1
        if equal:
            self.counts[<int> COUNTER_TICKERS_EQUAL] += 1
            return
        self.tickers_different += 1
        self.counts[<int> COUNTER_ALARMS] += 1
        self.write_state(RECORD_KIND_ALARM, book, item, ALARM_CODE_BOOK_GAP, ALARM_CODE_NONE, REASON_NONE,
                         b"ticker and book differ", <int64_t> update_id)

    # --- market statistics and reference data ----------------------------------------------------------------------------

    cdef void on_statistics(self, const Descriptor* item) noexcept nogil:
        """Candles, tickers, mark prices and the like go to the strategies as they came, in sequence with the book changes."""
        if item.kind == RECORD_KIND_CONTRACT_INFO:
            self.refresh_wanted = True  # the venue says that a contract changed: ask what it is now
            return
        if item.kind == RECORD_KIND_MARK_PRICE and 0 < item.instrument_id <= self.tables.instrument_count:
            self.on_mark(&self.tables.markets[item.instrument_id], <const MarkPricePayload*> payload_of(item))
        if item.kind == RECORD_KIND_MARK_PRICE and self.tables.markets[item.instrument_id % INSTRUMENT_CAPACITY].is_watched:
            self.tell_watched(item.instrument_id % INSTRUMENT_CAPACITY, item)
        self.flush_dirty()
        if not self.events.push(item):
            self.events_lost += 1
            self.counts[<int> COUNTER_STRATEGY_CONFLATED] += 1

    cdef void on_mark(self, MarketState* market, const MarkPricePayload* mark) noexcept nogil:
        """What positions are valued at, and what the next funding would be."""
        market.mark_e8 = mark.mark_e8
        market.index_e8 = mark.index_e8
        market.funding_rate_e8 = mark.funding_rate_e8
        market.next_funding_ns = mark.next_funding_ns

    cdef void on_instrument(self, const Descriptor* item, const InstrumentUpdatePayload* update) noexcept nogil:
        """New reference data, before anyone else sees it. A tick or lot that changed leaves the row on the grid of the start, and
        the symbol untradable until a restart gives it a row of the new one."""
        cdef Instrument* row
        cdef Book* book
        if item.instrument_id == 0 or item.instrument_id > self.tables.instrument_count:
            return
        row = &self.tables.instruments[item.instrument_id]
        row.is_trading = update.is_trading and not update.is_grid_changed
        if not update.is_grid_changed:
            row.min_qty_lots, row.max_qty_lots = update.min_qty_lots, update.max_qty_lots
            row.min_price_ticks, row.max_price_ticks = update.min_price_ticks, update.max_price_ticks
            row.min_notional_e8, row.max_notional_e8 = update.min_notional_e8, update.max_notional_e8
        row.version += 1
        book = self.open_book(item.instrument_id)
        if book == NULL or row.is_trading:
            return
        self.counts[<int> COUNTER_ALARMS] += 1
        self.write_state(
            RECORD_KIND_ALARM, book, item, ALARM_CODE_INSTRUMENT_CHANGED, ALARM_CODE_NONE, REASON_INSTRUMENT_NOT_TRADING,
            b"tick or lot changed: not tradable until a restart" if update.is_grid_changed else b"no longer trading", 0)

    # --- connection and time -------------------------------------------------------------------------------------------

    cdef void on_feed_state(self, const Descriptor* item, const FeedStatePayload* payload) noexcept nogil:
        """A session that is DOWN takes its books with it unless another feeds them. With an instrument: READY says that the session
        feeds it, anything else that one of its updates was lost."""
        cdef uint64_t bit = ONE << (item.record.session_id & 63)
        cdef uint32_t i
        cdef Book* book
        if item.instrument_id:
            book = self.open_book(item.instrument_id)
            if book == NULL:
                return
            if payload.session_state == SESSION_STATE_READY and payload.reason == REASON_NONE:
                book.sessions |= bit
            else:
                self.invalidate(book, item, BOOK_STATE_INVALID, payload.reason, ALARM_CODE_BOOK_GAP,
                                b"update lost before the book", 0)
            return
        if payload.session_state != SESSION_STATE_DOWN:
            return
        for i in range(1, self.tables.instrument_count + 1):
            book = self.books[i]
            # sessions are numbered within a line: another's bit may be the same
            if book == NULL or not book.sessions & bit or (
                    item.record.venue_id and self.tables.instruments[i].venue_id != item.record.venue_id):
                continue
            book.sessions &= ~bit
            if book.sessions == 0:
                self.invalidate(book, item, BOOK_STATE_INVALID, REASON_SESSION_DOWN, ALARM_CODE_SESSION_LOST, b"connection lost", 0)
                book.phase = PHASE_IDLE
                book.resync_wanted = 0

    cdef void on_tick(self, const Descriptor* item) noexcept nogil:
        cdef int64_t now_mono_ns = self.journal.now_mono_ns, stale_after_ns = self.tables.engine_limits.stale_after_ns
        cdef uint32_t i
        cdef Book* book
        cdef MarketState* market
        for i in range(1, self.tables.instrument_count + 1):
            book = self.books[i]
            market = &self.tables.markets[i]
            if book == NULL or market.book_state != BOOK_STATE_VALID:
                continue
            if book.locked_since_mono_ns and now_mono_ns - book.locked_since_mono_ns > self.locked_ns_max:
                self.counts[<int> COUNTER_BOOK_CROSSED] += 1
                self.invalidate(book, item, BOOK_STATE_CROSSED, REASON_BOOK_INVALID, ALARM_CODE_BOOK_CROSSED,
                                b"locked for too long", now_mono_ns - book.locked_since_mono_ns)
            elif stale_after_ns > 0 and now_mono_ns - market.last_mono_ns > stale_after_ns:
                self.counts[<int> COUNTER_BOOK_STALE] += 1
                self.counts[<int> COUNTER_ALARMS] += 1
                self.set_state(book, item, BOOK_STATE_STALE, REASON_STALE, b"no update", now_mono_ns - market.last_mono_ns)
                self.write_state(RECORD_KIND_ALARM, book, item, ALARM_CODE_FEED_STALE, ALARM_CODE_NONE, REASON_STALE, b"no update",
                                 now_mono_ns - market.last_mono_ns)

    # --- states, tables, events ----------------------------------------------------------------------------------------

    cdef void invalidate(self, Book* book, const Descriptor* item, int state, int reason, int alarm, const char* text,
                         int64_t detail) noexcept nogil:
        """Doubt: not tradable from this event on; a new snapshot is wanted."""
        cdef bint was_synchronised = book.phase == PHASE_LIVE or book.phase == PHASE_LINKING
        book.pending_bytes = 0
        book.held_tail = book.held_head
        book.candidate.is_set = False
        book.locked_since_mono_ns = 0
        if book.phase == PHASE_IDLE:
            return
        book.phase = PHASE_BUFFERING
        if was_synchronised or not book.resync_wanted:
            self.want_snapshot(book)
        if not was_synchronised and self.tables.markets[book.instrument_id].book_state != BOOK_STATE_SYNCING:
            return
        self.set_state(book, item, state, reason, text, detail)
        if self.tables.control.stopping:
            return  # the engine hangs up itself
        self.counts[<int> COUNTER_ALARMS] += 1
        self.write_state(RECORD_KIND_ALARM, book, item, alarm, ALARM_CODE_NONE, reason, text, detail)

    cdef void set_state(self, Book* book, const Descriptor* item, int state, int reason, const char* text,
                        int64_t detail) noexcept nogil:
        cdef MarketState* market = &self.tables.markets[book.instrument_id]
        cdef int previous = market.book_state
        if previous == state:
            return
        market.book_state = state
        market.last_seq = item.seq
        market.generation += 1
        self.write_state(RECORD_KIND_BOOK_STATE, book, item, state, previous, reason, text, detail)
        self.mark_dirty(book, item, RECORD_KIND_BOOK_STATE)

    cdef void write_state(self, int kind, Book* book, const Descriptor* item, int state, int previous, int reason, const char* text,
                          int64_t detail) noexcept nogil:
        """A BOOK_STATE or ALARM record in the ledger, caused by the record that is being applied."""
        cdef uint32_t text_size = <uint32_t> strlen(text)
        cdef RecordHeader* record = self.journal.claim(
            LANE_LEDGER, kind, <uint32_t> (sizeof(RecordHeader) + sizeof(StatePayload)) + text_size, False)
        cdef StatePayload* payload
        if record == NULL:
            return
        payload = <StatePayload*> (<char*> record + sizeof(RecordHeader))
        memset(payload, 0, sizeof(StatePayload))
        record.cause_seq = item.seq
        record.venue_id = self.tables.instruments[book.instrument_id].venue_id
        record.instrument_id = book.instrument_id
        payload.state = state
        payload.previous_state = previous
        payload.reason = reason
        payload.detail = detail
        memcpy(<char*> payload + sizeof(StatePayload), text, text_size)
        self.journal.shrink(record, <uint32_t> (sizeof(RecordHeader) + sizeof(StatePayload)) + text_size)
        self.journal.commit(record)

    cdef void publish_book(self, Book* book, const Descriptor* item, int64_t event_ns) noexcept nogil:
        """The tables after a good update. A ticker newer than the ladders keeps the top that it gave."""
        cdef MarketState* market = &self.tables.markets[book.instrument_id]
        cdef HeldTicker top
        if market.book_state == BOOK_STATE_VALID and market.update_id > book.update_id:
            self.refresh(book, item, event_ns)
            return
        read_top(book, &top)
        market.update_id = book.update_id
        market.best_bid_ticks, market.best_bid_lots = top.bid_ticks, top.bid_lots
        market.best_ask_ticks, market.best_ask_lots = top.ask_ticks, top.ask_lots
        self.refresh(book, item, event_ns)

    cdef void refresh(self, Book* book, const Descriptor* item, int64_t event_ns) noexcept nogil:
        """Stamps and state of a book that just proved to be alive."""
        cdef MarketState* market = &self.tables.markets[book.instrument_id]
        market.last_seq = item.seq
        market.last_mono_ns = self.journal.now_mono_ns
        if event_ns:
            market.last_venue_event_ns = event_ns
        market.generation += 1
        self.tables.note_market(book.instrument_id)
        if market.book_state != BOOK_STATE_VALID:
            self.set_state(book, item, BOOK_STATE_VALID, REASON_NONE, b"synchronised", <int64_t> book.update_id)
        if market.is_watched:
            self.tell_watched(book.instrument_id, item)
        self.mark_dirty(book, item, item.kind)

    cdef void mark_dirty(self, Book* book, const Descriptor* item, int kind) noexcept nogil:
        """Tell the strategies at the end of the turn; what they were not told yet is replaced by this."""
        cdef uint32_t i
        if book.is_dirty and book.latest.seq != item.seq:
            self.counts[<int> COUNTER_STRATEGY_CONFLATED] += 1
        memcpy(&book.latest, item, sizeof(Descriptor))
        book.latest.kind = kind
        book.latest.instrument_id = book.instrument_id
        book.latest.cause_seq = item.seq
        if book.is_dirty:
            if self.dirty[self.dirty_count - 1] == book.instrument_id:
                return
            for i in range(self.dirty_count):
                if self.dirty[i] == book.instrument_id:
                    break
            while i + 1 < self.dirty_count:
                self.dirty[i] = self.dirty[i + 1]
                i += 1
            self.dirty_count -= 1
        book.is_dirty = 1
        self.dirty[self.dirty_count] = book.instrument_id
        self.dirty_count += 1

    cdef void tell_watched(self, uint32_t instrument_id, const Descriptor* item) noexcept nogil:
        """In order, of a VALID book alone. A change of the book has its best bid and ask in `order_handle` and `cause_seq`."""
        cdef Descriptor event = item[0]
        if self.has_watched and self.tables.markets[instrument_id].book_state == BOOK_STATE_VALID:
            if item.kind < RECORD_KIND_TRADE:
                event.kind = RECORD_KIND_BOOK_TICKER
                event.order_handle = <uint64_t> self.tables.markets[instrument_id].best_bid_ticks
                event.cause_seq = <uint64_t> self.tables.markets[instrument_id].best_ask_ticks
            self.events_lost += not self.watched.push(&event)

    cdef int flush_dirty(self) noexcept nogil:
        """Push what is dirty, oldest first; what finds no room stays dirty and is merged with what comes."""
        cdef uint32_t i, done = 0
        cdef Book* book
        while done < self.dirty_count:
            book = self.books[self.dirty[done]]
            if not self.events.push(&book.latest):
                break
            book.is_dirty = 0
            done += 1
        if done:
            self.dirty_count -= done
            for i in range(self.dirty_count):
                self.dirty[i] = self.dirty[i + done]
        return <int> done

    # --- cold ----------------------------------------------------------------------------------------------------------

    def take_resyncs(self) -> list:
        """Instrument ids that want a depth snapshot, each told once; the stage asks again where one did not help."""
        cdef uint32_t i
        cdef list wanted = []
        for i in range(1, self.tables.instrument_count + 1):
            if self.books[i] != NULL and self.books[i].resync_wanted:
                self.books[i].resync_wanted = 0
                wanted.append(i)
        return wanted

    def take_refresh(self) -> bool:
        """Did the venue say, since the last call, that reference data changed?"""
        cdef bint wanted = self.refresh_wanted
        self.refresh_wanted = False
        return wanted

    def depth(self, uint32_t instrument_id, int depth=20) -> dict:
        """Levels (price_ticks, qty_lots) of both sides, best first, with phase and update id: control port, tests."""
        cdef Book* book
        self.tables._check(instrument_id)
        book = self.books[instrument_id]
        if book == NULL:
            return {"bids": [], "asks": [], "update_id": 0, "phase": PHASE_IDLE, "far_levels": 0, "pending_bytes": 0}
        return {
            "bids": side_list(&book.bids, depth), "asks": side_list(&book.asks, depth), "update_id": book.update_id,
            "phase": book.phase, "far_levels": book.far_levels, "pending_bytes": book.pending_bytes,
        }

    @property
    def pages_used(self) -> int:
        return self.pool.pages_used


cdef list side_list(const LadderSide* side, int depth):
    cdef list found = []
    cdef int64_t price_ticks = side_best(side)
    while price_ticks >= 0 and len(found) < depth:
        found.append((price_ticks, side_qty(side, price_ticks)))
        price_ticks = side_next(side, price_ticks)
    return found


cdef Book* book_new(PagePool* pool, uint32_t instrument_id) noexcept nogil:
    """A book, or NULL without memory. Once per instrument, at start or at its first record."""
    cdef Book* book = <Book*> calloc(1, sizeof(Book))
    if book == NULL:
        return NULL
    book.instrument_id = instrument_id
    book.held = <HeldTicker*> calloc(HELD_TICKERS, sizeof(HeldTicker))
    if book.held == NULL or not open_sides(book, pool):
        book_free(book)
        return NULL
    return book


cdef bint open_sides(Book* book, PagePool* pool) noexcept nogil:
    with gil:
        try:
            side_init(&book.bids, pool, True)
            side_init(&book.asks, pool, False)
        except MemoryError:
            return False
    return True


cdef void book_free(Book* book) noexcept nogil:
    if book == NULL:
        return
    with gil:
        side_free(&book.bids)
        side_free(&book.asks)
    free(book.held)
    free(book.pending)
    free(book)


cdef const DepthPayload* first_pending(const Book* book) noexcept nogil:
    """The first kept diff that is not older than the snapshot just taken, or NULL."""
    cdef uint64_t at = 0
    cdef const DepthPayload* depth
    while at < book.pending_bytes:
        depth = <const DepthPayload*> (book.pending + at)
        if not is_old(book, depth):
            return depth
        at += depth_bytes(depth)
    return NULL


cdef bint pending_links(const Book* book, const DepthPayload* depth) noexcept nogil:
    if book.counts_previous_id:
        return depth.previous_update_id <= book.pending_last_id
    return depth.first_update_id <= book.pending_last_id + 1


cdef bint pending_reserve(Book* book, uint64_t size) noexcept nogil:
    cdef uint64_t capacity = book.pending_capacity or 65536
    cdef char* grown
    if book.pending_bytes + size > PENDING_BYTES_MAX:
        return False
    while capacity < book.pending_bytes + size:
        capacity *= 2
    if capacity != book.pending_capacity:
        grown = <char*> realloc(book.pending, capacity)
        if grown == NULL:
            return False
        book.pending = grown
        book.pending_capacity = capacity
    return True
