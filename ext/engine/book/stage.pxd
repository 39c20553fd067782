"""The book stage: market records in; tables, book states and conflated market events out."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from engine.book.ladder cimport LadderSide, PagePool
from engine.journal.journal cimport Journal
from engine.model.bookreader cimport BookReader
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport (DepthPayload, FeedStatePayload, InstrumentUpdatePayload, Level, MarkPricePayload, TickerPayload,
                                   TradePayload)
from engine.model.tables cimport INSTRUMENT_CAPACITY, MarketState, Tables
from engine.runtime.actor cimport Actor
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef enum PhaseCode:
    PHASE_IDLE = 0         # no diff seen since the connection stands
    PHASE_BUFFERING = 1    # diffs are kept until a snapshot comes
    PHASE_LINKING = 2      # the snapshot stands, the first diff behind it has not come yet
    PHASE_LIVE = 3

cdef struct HeldTicker:
    uint64_t update_id
    int64_t bid_ticks
    int64_t bid_lots
    int64_t ask_ticks
    int64_t ask_lots

cdef enum EarlierVerdict:
    EARLIER_UNKNOWN = 0    # it came after the update that covers it
    EARLIER_ALLOWED = 1
    EARLIER_REFUSED = 2

cdef struct TickerCandidate:
    bint is_set
    int earlier                  # what it is worth if a later ticker within the same update takes its place
    uint64_t until_id            # the update that covers it ends here
    HeldTicker ticker
    HeldTicker expected          # top of the book after that update

cdef struct Book:
    LadderSide bids
    LadderSide asks
    uint8_t phase
    uint8_t resync_wanted
    uint8_t is_dirty
    uint8_t counts_previous_id   # a derivative: diffs are chained by `pu`, as the instrument's kind says
    uint32_t instrument_id
    uint64_t update_id           # of the ladders; the tables' may be a ticker's, newer
    uint64_t sessions            # bit: session that feeds this book
    char* pending                # diffs kept while waiting for a snapshot, back to back
    uint64_t pending_bytes
    uint64_t pending_capacity
    uint64_t pending_last_id
    HeldTicker* held             # ring of HELD_TICKERS
    uint64_t held_head
    uint64_t held_tail
    uint64_t previous_id         # last id of the update before the latest
    TickerCandidate candidate    # the last ticker of an update, until a later one shows that it is the last
    int64_t doubled_mid_ticks    # of the last good update; 0 = none to compare with
    int64_t locked_since_mono_ns
    uint64_t far_levels          # outside the ladder's range, not kept
    Descriptor latest            # what the strategies will be told

cdef struct TouchedPrices:
    uint64_t* keys
    uint32_t* marks
    uint32_t generation

cdef inline const LadderSide* depth_side(Book** books, uint32_t instrument_id, int side) noexcept nogil:
    """Of an instrument's book; NULL where it has none."""
    cdef const Book* book = books[instrument_id] if instrument_id < INSTRUMENT_CAPACITY else NULL
    if book == NULL:
        return NULL
    return &book.asks if side else &book.bids

cdef class DepthReader(BookReader):
    cdef Book** books

cdef class BookStage(Actor):
    cdef readonly DepthReader reader
    cdef Journal journal
    cdef Tables tables
    cdef Counters counters
    cdef uint64_t* counts
    cdef Clock clock
    cdef Ring inbound
    cdef Ring events
    cdef Ring watched             # to the execution stage: instruments whose `is_watched` is set; None without one
    cdef bint has_watched
    cdef Book** books
    cdef PagePool pool
    cdef TouchedPrices touched
    cdef uint32_t* dirty
    cdef uint32_t dirty_count
    cdef readonly int64_t jump_bps_max
    cdef readonly int64_t locked_ns_max
    cdef readonly uint64_t duplicates
    cdef readonly uint64_t tickers_late
    cdef readonly uint64_t tickers_different
    cdef readonly uint64_t events_lost       # market statistics that found no room in the ring
    cdef bint refresh_wanted
    cdef Book* open_book(self, uint32_t instrument_id) noexcept nogil
    cdef void on_record(self, const Descriptor* item) noexcept nogil
    cdef void on_diff(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil
    cdef void on_snapshot(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil
    cdef bint apply_diff(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil
    cdef bint apply_levels(self, Book* book, const Descriptor* item, const DepthPayload* depth, int64_t qty_min) noexcept nogil
    cdef bint is_sane(self, Book* book, const Descriptor* item) noexcept nogil
    cdef bint mid_is_near(self, Book* book, int64_t doubled_mid_ticks) noexcept nogil
    cdef void replay_pending(self, Book* book, const Descriptor* item) noexcept nogil
    cdef void on_ticker(self, Book* book, const Descriptor* item, const TickerPayload* ticker) noexcept nogil
    cdef void on_trade(self, Book* book, const Descriptor* item, const TradePayload* trade) noexcept nogil
    cdef void on_statistics(self, const Descriptor* item) noexcept nogil
    cdef void on_mark(self, MarketState* market, const MarkPricePayload* mark) noexcept nogil
    cdef void on_instrument(self, const Descriptor* item, const InstrumentUpdatePayload* update) noexcept nogil
    cdef void on_feed_state(self, const Descriptor* item, const FeedStatePayload* payload) noexcept nogil
    cdef void on_tick(self, const Descriptor* item) noexcept nogil
    cdef uint64_t covered_tickers(self, Book* book, uint64_t update_id) noexcept nogil
    cdef void check_within(self, Book* book, const Descriptor* item, const DepthPayload* depth, uint64_t count) noexcept nogil
    cdef void on_late_ticker(self, Book* book, const Descriptor* item, const HeldTicker* ticker) noexcept nogil
    cdef void settle_candidate(self, Book* book, const Descriptor* item, bint superseded) noexcept nogil
    cdef void count_ticker(self, Book* book, const Descriptor* item, uint64_t update_id, bint equal) noexcept nogil
    cdef bint follow_ticker(self, Book* book, const Descriptor* item, const TickerPayload* ticker) noexcept nogil
    cdef void keep_pending(self, Book* book, const Descriptor* item, const DepthPayload* depth) noexcept nogil
    cdef void want_snapshot(self, Book* book) noexcept nogil
    cdef void invalidate(self, Book* book, const Descriptor* item, int state, int reason, int alarm, const char* text,
                         int64_t detail) noexcept nogil
    cdef void set_state(self, Book* book, const Descriptor* item, int state, int reason, const char* text, int64_t detail) noexcept nogil
    cdef void write_state(self, int kind, Book* book, const Descriptor* item, int state, int previous, int reason, const char* text,
                          int64_t detail) noexcept nogil
    cdef void publish_book(self, Book* book, const Descriptor* item, int64_t event_ns) noexcept nogil
    cdef void refresh(self, Book* book, const Descriptor* item, int64_t event_ns) noexcept nogil
    cdef void mark_dirty(self, Book* book, const Descriptor* item, int kind) noexcept nogil
    cdef void tell_watched(self, uint32_t instrument_id, const Descriptor* item) noexcept nogil
    cdef int flush_dirty(self) noexcept nogil
