"""The account as the venue sees it: reconciliation of orders, trades and positions, and the funding that it paid or took.

The session reads the account; what the venue did not name of our open orders is asked for one by one; positions of futures are compared
with what our fills make. A settlement is booked once, whoever tells of it: the stream, the answer, or the ledger of an earlier run.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from engine.model.codes cimport *
from engine.model.approval cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.funding cimport FundingBook
from engine.model.native cimport is_conditional
from engine.model.records cimport Conditions, FundingPaymentPayload, StatePayload, VenuePositionPayload
from engine.model.tables cimport INSTRUMENT_CAPACITY, POSITION_SIDES
from engine.oms.accounts cimport AccountBook
from engine.oms.disputes cimport Disputes
from engine.oms.orders cimport DISPUTE_MISSING, DISPUTE_RESTORED, Order
from engine.oms.scribe cimport FillFacts
from engine.oms.valuation cimport Valuation

cdef enum:
    # so many readings in a row must disagree: one may have been overtaken by a fill on its way
    POSITION_MISSES_MAX = 3

cdef int64_t RECONCILE_RETRY_NS = 1_000_000_000
cdef int64_t POSITION_RETRY_NS = 200_000_000
# longer than any order's time-out and the two questions behind it
cdef int64_t DEFERRED_PATIENCE_NS = 60_000_000_000
cdef int64_t ANSWER_AGE_NS_MAX = 60_000_000_000
cdef int64_t DAY_NS = 86_400_000_000_000


cdef inline bint _is_asked_for(const Order* order) noexcept nogil:
    """The venue counts fills of it that are not booked, and they are asked for still: booked, or disputed (anew), before long."""
    return order.venue_cum_lots > order.booked_lots and (
        not order.dispute or (order.dispute == DISPUTE_RESTORED and order.venue_order_id > 0))


cdef bint _misses_fills(Reconciliation oms, uint32_t instrument_id, int side) noexcept nogil:
    """Has an order of this position fills that the venue counts and that are not booked yet, whether they are disputed or asked for?"""
    cdef uint32_t slot = oms.pool.first_open
    cdef const Order* order
    while slot != SLOT_NONE:
        order = &oms.pool.orders[slot]
        if (oms.register.slots[slot].instrument_id == instrument_id and oms.register.slots[slot].position_side == side
                and order.venue_cum_lots > order.booked_lots and (order.dispute or order.venue_order_id > 0)):
            return True
        slot = order.next_open
    return False


cdef class Reconciliation(Disputes):
    """What is known of the account, held against what the venue says of it; a base of `Oms`, whose options these are."""

    def __init__(self, *wiring, bint cancel_on_start=False, bint stop_keeps_protection=True, str reporting_currency="USDT", int64_t liquidation_near_bps=1000, **options):
        Disputes.__init__(self, *wiring, **options)
        self.accounts = AccountBook(self.journal, self.tables, self.book_of_positions, self.scribe,
                                    Valuation(self.tables, reporting_currency), account_id=self.account_id, venue_id=self.venue_id,
                                    near_bps=liquidation_near_bps)
        self.book_of_funding = FundingBook()
        self.accounts.funding_e8 = self.book_of_funding.paid_e8
        self.cancel_on_start = cancel_on_start
        self.stop_keeps_protection = stop_keeps_protection

    cdef bint _is_ours(self, uint32_t instrument_id) noexcept nogil:
        return self.tables.instruments[instrument_id].venue_id == self.venue_id

    # --- futures: positions and funding ---

    cdef void _on_venue_position(self, const Descriptor* item) noexcept nogil:
        """The latest word stands, whichever way it came."""
        cdef const VenuePositionPayload* told = <const VenuePositionPayload*> (item.record + 1)
        cdef int side = item.record.position_side % POSITION_SIDES
        cdef int place = side * INSTRUMENT_CAPACITY + <int> (item.instrument_id % INSTRUMENT_CAPACITY)
        cdef VenuePosition* row = &self.venue_positions[place]
        # no question is open for a minute: an answer from further back means that a clock was set, and stands
        if told.as_of_ns >= row.as_of_ns or (told.is_answer and row.as_of_ns - told.as_of_ns > ANSWER_AGE_NS_MAX):
            row.position_lots = told.position_lots
            row.entry_price_e8 = told.entry_price_e8
            row.as_of_ns = told.as_of_ns
            self.tables.margin_rows[place].isolated_wallet_e8 = told.isolated_wallet_e8
            self.tables.touch_margin(item.instrument_id % INSTRUMENT_CAPACITY)
        if told.is_answer:
            row.is_answered = 1
            row.fills_then = self.book_of_positions.row(self.account_id, item.instrument_id, side).fills

    cdef void _on_funding(self, const Descriptor* item) noexcept nogil:
        """The record is the booking: it stands in the ledger, totals are kept by instrument."""
        cdef int64_t unnamed_e8
        self.book_of_funding.take(item.instrument_id, <const FundingPaymentPayload*> (item.record + 1), &unnamed_e8)

    cdef int64_t _funding_since_ns(self) noexcept nogil:
        """From when on settlements are asked for: a day before the latest known, not before our first fill; 0 = none can be missed."""
        if self.first_fill_ns == 0:
            return 0
        return max(self.first_fill_ns, self.book_of_funding.newest_ns - DAY_NS)

    cdef bint _positions_agree(self, uint64_t cause_seq) noexcept nogil:
        """Compare what the venue answered with our fills; False while a difference may still be one of timing."""
        cdef bint agree = True
        cdef uint32_t i
        cdef int side
        for i in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES):
                if self.tables.instruments[i].kind != 0 and self._is_ours(i) and not self._position_agrees(i, side, cause_seq):
                    agree = False
        return agree

    cdef bint _position_agrees(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil:
        cdef int place = side * INSTRUMENT_CAPACITY + <int> instrument_id
        cdef VenuePosition* row = &self.venue_positions[place]
        if not row.is_answered:
            return True
        row.is_answered = 0
        if row.position_lots == self.tables.exposures[place].position_lots:
            row.misses = 0
            row.is_disputed = 0
            return True
        if row.is_disputed:
            return True  # told already, and the symbol stands still
        if row.fills_then == self.book_of_positions.row(self.account_id, instrument_id, side).fills:
            row.misses += 1
        if row.misses < POSITION_MISSES_MAX:
            return False
        row.misses = 0
        row.is_disputed = 1
        self.halt_instrument(instrument_id, HALT_REASON_MISMATCH)
        self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] = self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] + 1
        self.scribe.alarm(ALARM_CODE_RECONCILE_MISMATCH, instrument_id, 0, row.position_lots,
                          b"the venue's position is not what our fills make: symbol halted, arm takes the venue's over", cause_seq)
        return True

    cdef void _adopt(self, uint32_t instrument_id, bint is_told, uint64_t cause_seq) noexcept nogil:
        """A person has looked at what is disputed of a symbol (0: of all), and the venue's word counts. Fills first: positions follow them."""
        self.adopt_trades(instrument_id, cause_seq)
        self.adopt_orders(instrument_id, is_told, cause_seq)
        self._adopt_positions(instrument_id, cause_seq)

    cdef void _adopt_positions(self, uint32_t instrument_id, uint64_t cause_seq) noexcept nogil:
        """Of each position that is disputed what the venue says. While an order of it misses fills it stays disputed: they are a part of
        the difference, and would move the position again when they come, or are adopted."""
        cdef uint32_t i
        cdef int side
        cdef VenuePosition* row
        for i in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES):
                row = &self.venue_positions[side * INSTRUMENT_CAPACITY + <int> i]
                if not row.is_disputed or not self._is_ours(i) or (instrument_id != 0 and instrument_id != i):
                    continue
                if _misses_fills(self, i, side):
                    self.halt_instrument(i, HALT_REASON_MISMATCH)
                    self.scribe.alarm(ALARM_CODE_RECONCILE_MISMATCH, i, 0, row.position_lots,
                                      b"not adopted: fills of an order of this position are missing, and come first: symbol stays halted",
                                      cause_seq)
                else:
                    self._adopt_position(i, side, cause_seq)
                    row.is_disputed = 0

    cdef void _adopt_position(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil:
        """The difference becomes an external fill without a trade, at the venue's entry price, so that a restart finds it."""
        cdef int place = side * INSTRUMENT_CAPACITY + <int> instrument_id
        cdef const VenuePosition* row = &self.venue_positions[place]
        cdef int64_t missing_lots = row.position_lots - self.tables.exposures[place].position_lots
        cdef FillFacts facts
        if missing_lots == 0:
            return
        memset(&facts, 0, sizeof(FillFacts))
        facts.trade_id = -1
        facts.qty_lots = missing_lots if missing_lots > 0 else -missing_lots
        facts.side = SIDE_BUY if missing_lots > 0 else SIDE_SELL
        facts.position_side = <uint8_t> side
        facts.price_ticks = row.entry_price_e8 // self.tables.instruments[instrument_id].tick_size_e8
        if facts.price_ticks <= 0:
            facts.price_ticks = max(self.tables.markets[instrument_id].last_trade_ticks, <int64_t> 1)
        facts.account_id = self.account_id
        facts.venue_id = self.venue_id
        facts.instrument_id = instrument_id
        facts.is_external = 1
        self._move_position(&facts)
        self.scribe.fill(NULL, &facts, cause_seq)
        self.scribe.position(self.account_id, self.venue_id, instrument_id, side, cause_seq)
        self.scribe.alarm(ALARM_CODE_POSITION_ADOPTED, instrument_id, 0, missing_lots,
                          b"armed: the venue's position was taken over, the difference booked as an external fill", cause_seq)

    def is_reading(self) -> bool:
        """Is the account being read and compared, or about to be read again since it disagreed, or has an order to be asked for once more."""
        cdef uint32_t slot = self.pool.first_open
        if self.phase != RECONCILE_IDLE or self.is_recheck_wanted:
            return True
        while slot != SLOT_NONE:
            if self.pool.orders[slot].is_unknown and not self.pool.orders[slot].ended:
                return True
            slot = self.pool.orders[slot].next_open
        return False

    def differences(self) -> list:
        """What of the venue's word is not what we have booked, for a person: dicts of `kind` trade, order, unknown or position, with ids and lots."""
        rows = self.disputed_fills() + self._unknown_orders()
        for place in range(POSITION_SIDES * INSTRUMENT_CAPACITY):
            if self.venue_positions[place].is_disputed:
                rows.append({
                    "kind": "position", "instrument_id": place % INSTRUMENT_CAPACITY, "position_side": place // INSTRUMENT_CAPACITY,
                    "order_handle": 0, "trade_id": -1, "booked_lots": self.tables.exposures[place].position_lots,
                    "venue_lots": self.venue_positions[place].position_lots, "price_ticks": 0, "is_anew": False})
        return rows

    def _unknown_orders(self) -> list:
        """Orders that the venue has not named, or not answered for: what of them is booked."""
        cdef uint32_t slot = self.pool.first_open
        cdef Order* order
        rows = []
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            if order.is_unknown and not order.ended and not order.dispute:
                rows.append({
                    "kind": "unknown", "instrument_id": self.pool.terms(order).instrument_id,
                    "position_side": self.pool.terms(order).position_side, "order_handle": order.order_handle, "trade_id": -1,
                    "booked_lots": order.booked_lots, "venue_lots": order.venue_cum_lots, "price_ticks": 0, "is_anew": False})
            slot = order.next_open
        return rows

    # --- what an orderly stop leaves ---

    cdef bint stays(self, const Order* order) noexcept nogil:
        """Left standing by an orderly stop, and by the start after it: what protects a position, and the other way out of such a pair."""
        cdef const Order* rival = self.pool.rival(order)
        return self.stop_keeps_protection and (self._protects(order) or (rival != NULL and not rival.ended and self._protects(rival)))

    cdef bint _protects(self, const Order* order) noexcept nogil:
        """Can only close, and waits at the venue for its price, or is a bracket's or a protection's exit."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef const Conditions* conditions = self.pool.conditions(order)
        cdef const Order* opening
        cdef bint reduces = (terms.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION)) != 0
        if order.ended or order.cancel_wanted or order.is_list_waiting:
            return False
        if terms.position_side:
            reduces = (terms.side == SIDE_BUY) == (terms.position_side == POSITION_SIDE_SHORT)
        elif self.tables.instruments[terms.instrument_id].kind == 0 and terms.side == SIDE_SELL:
            reduces = True  # of what is there
        if conditions != NULL and conditions.list_size > 1 and conditions.list_index > 0 and conditions.contingency != CONTINGENCY_OCO:
            opening = self.pool.find(conditions.list_handle)
            if opening != NULL and opening.is_listed:
                return False  # goes with the order that would open the position
        return reduces and (is_conditional(terms.order_type)
                            or (conditions != NULL and conditions.is_exit and terms.order_type == ORDER_TYPE_LIMIT))

    # --- reading the account ---

    cdef void _start_reconcile(self) noexcept nogil:
        """Ask the session to read the account: open orders, trades since the last known one, balances."""
        cdef uint32_t slot = self.pool.first_open, instrument_id
        cdef int side
        cdef uint64_t room = self.outbound.capacity - self.outbound.depth()
        if (self.phase != RECONCILE_IDLE or not self.session_ready or not self.line.user_stream_ready
                or room < self.tables.instrument_count + 4):
            return
        self.phase = RECONCILE_COLLECTING
        self.phase_mono_ns = self.listing_mono_ns = self.journal.now_mono_ns
        self.next_reconcile_mono_ns = self.journal.now_mono_ns + RECONCILE_RETRY_NS
        self.deferred_count = 0
        self.is_recheck_wanted = False
        for instrument_id in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES):
                self.venue_positions[side * INSTRUMENT_CAPACITY + <int> instrument_id].is_answered = 0
        while slot != SLOT_NONE:
            self.pool.orders[slot].is_seen = 0
            if not self.pool.orders[slot].dispute or self.pool.orders[slot].dispute & DISPUTE_MISSING:
                # disputed in an earlier run: it is to be asked in vain some day, however often the account is read
                self.pool.orders[slot].fetches = 0
            slot = self.pool.orders[slot].next_open
        self.send_bare(OUTBOUND_RECONCILE_BEGIN, 0, 0, 0)
        self.send_bare(OUTBOUND_OPEN_ORDERS, 0, 0, 0)
        for instrument_id in range(1, self.tables.instrument_count + 1):
            # without a trade of ours there is nothing that could be missing but of orders that are asked for one by one
            if self.trades.newest[instrument_id % 512] > 0:
                # the newest again: its other side may be an order of ours, too
                self.send_bare(OUTBOUND_TRADES, instrument_id, <uint64_t> self.trades.newest[instrument_id % 512], 0)
        self.send_bare(OUTBOUND_ACCOUNT, 0, <uint64_t> self._funding_since_ns(), 0)
        self.send_bare(OUTBOUND_RECONCILE_END, 0, 0, 0)

    cdef void _end_reconcile(self, const Descriptor* item) noexcept nogil:
        """The account has been read: what we think open and the venue did not name is asked for."""
        cdef const StatePayload* state = <const StatePayload*> (item.record + 1)
        cdef uint32_t slot = self.pool.first_open
        cdef Order* order
        if self.phase != RECONCILE_COLLECTING:
            return
        if state.state != 0:
            self.phase = RECONCILE_IDLE
            self.deferred_count = 0
            return
        self.phase = RECONCILE_RESOLVING
        self._drop_unlisted()
        self.deferred_before_handle = 0
        self.line.reconciles += 1
        self.counters.values[<int> COUNTER_RECONCILES] = self.counters.values[<int> COUNTER_RECONCILES] + 1
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            self.deferred_before_handle = max(self.deferred_before_handle, order.order_handle + 1)
            # one in flight has its own time-out; the venue may simply not have had it yet when it was asked
            if order.is_seen == 0 and not order.ended and (order.is_acked or order.is_unknown or order.is_restored):
                order.query_wanted = 1
            if self.cancel_on_start and not self.has_started and not self.stays(order):
                self.want_cancel(order, 0)
            slot = order.next_open
        self._start_sweep(item.seq)

    cdef void _drop_unlisted(self) noexcept nogil:
        """What is not ours and was not in the list that was just read is open no more: its end came while nobody listened. One that was
        told a moment before the reading began may not have been in the list yet."""
        cdef uint32_t i = self.external_count
        while i > 0:
            i -= 1
            if self.external_orders[i].seen_mono_ns < self.begun_mono_ns - self.order_timeout_ns:
                self.drop_external(i)

    cdef bint _promise_late(self, Order* order) noexcept nogil:
        """A market order of a ledger that tells no price of its promise is promised by today's; False while there is none: nothing is
        traded on money that it may take."""
        cdef ApprovedOrder* terms = self.pool.terms(order)
        cdef int64_t ticks
        if terms.promise_price_ticks > 0 or terms.order_type != ORDER_TYPE_MARKET or self.pool.leaves_lots(order) == 0:
            return True
        ticks = max(self.pool.exposure(terms).reference_ticks, self.tables.markets[terms.instrument_id].last_trade_ticks)
        ticks = max(ticks, self.tables.markets[terms.instrument_id].best_ask_ticks)
        if ticks <= 0:
            return False
        terms.promise_price_ticks = ticks
        self.pool.reserve(order)
        return True

    cdef bint _may_still_be_ours(self) noexcept nogil:
        """Was a trade listed whose order we do not know by number, and an order of ours sent by then of which no number is known: its
        answer, or the question that its time-out asks, tells whose the trade is. Booked as another's, it would be booked again as ours."""
        cdef uint32_t i, slot = self.pool.first_open
        cdef const Order* order
        cdef const ApprovedOrder* terms
        if self.deferred_count == 0 or self.journal.now_mono_ns - self.phase_mono_ns > DEFERRED_PATIENCE_NS:
            return False
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            slot = order.next_open
            if (order.venue_order_id or order.venue_algo_id or order.ended or order.is_list_waiting
                    or order.order_handle >= self.deferred_before_handle):
                continue
            terms = self.pool.terms(order)
            for i in range(self.deferred_count):
                if (self.deferred[i].facts.instrument_id == terms.instrument_id and self.deferred[i].facts.side == terms.side
                        and self.pool.by_venue_id(terms.instrument_id, self.deferred[i].venue_order_id) == NULL):
                    return True
        return False

    cdef void _resolve(self, uint64_t cause_seq) noexcept nogil:
        """RECONCILED once nothing is left to ask: an order not found once is UNKNOWN and counts in full, which is known enough."""
        cdef uint32_t slot = self.pool.first_open
        cdef Order* order
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            if not self._promise_late(order):
                return
            if order.is_seen != 2:
                if order.query_wanted or order.query_in_flight or (order.is_unknown and order.misses == 0):
                    return
                if _is_asked_for(order):
                    return
                if self.cancel_on_start and not self.has_started and not order.is_unknown and not self.stays(order):
                    return
            slot = order.next_open
        if self._may_still_be_ours():
            return
        self.settle_deferred(cause_seq)
        self.phase = RECONCILE_IDLE
        if not self._positions_agree(cause_seq):
            # read again soon; who was not trading yet goes on waiting
            self.is_recheck_wanted = True
            self.next_reconcile_mono_ns = self.journal.now_mono_ns + POSITION_RETRY_NS
            if not self.line.reconciled:
                return
        self.has_started = True
        self.line.reconciled = 1
        self.tables.sum_lines()
        self.counters.values[<int> COUNTER_RECONCILED] = self.tables.lines[0].reconciled
