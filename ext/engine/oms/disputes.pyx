"""Fills that stand between the venue's word and the books: what is told of them, and how a person has them booked.

Two kinds. A trade whose id stands for another one: the venue began its ids anew under this ledger (testnets are reset), or it is another
venue. And fills that the venue has counted of an order without telling of them, however often it is asked. Neither is guessed at: the
symbol is halted, and the venue's word is taken over when a person says so.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from engine.model.approval cimport OUTBOUND_TRADES, SLOT_NONE, ApprovedOrder
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport OrderReplyPayload
from engine.model.tables cimport Instrument
from engine.model.unnamed cimport NO_TRADE_ID
from engine.oms.lifecycle cimport OrderLifecycle
from engine.oms.orders cimport DISPUTE_MISSING, DISPUTE_RESTORED, DISPUTE_TRADE, Order
from engine.oms.positions cimport tw_divide_half_even, tw_wide
from engine.oms.scribe cimport FillFacts
from engine.oms.trades cimport FOREIGN_CAPACITY, TAKEN_BACK, ForeignFill, TradeSet


cdef enum:
    # a question for an order's fills that was answered without them counts as eight to which no answer came: four answers tell a
    # person, or three times as long as an answer is waited for when messages are lost
    FETCH_ASKED = 1
    FETCH_ANSWERED = 8
    FETCHES_MAX = 4 * (FETCH_ASKED + FETCH_ANSWERED)
    # who adopts by name waits for one answer, or for as many questions to which none came
    FETCHES_TOLD = FETCH_ASKED + FETCH_ANSWERED


cdef inline bint _is_claim(const ForeignFill* note, const ApprovedOrder* terms) noexcept nogil:
    """Does a note name a trade that this order was told of while it stood as another's? (`TradeSet._note_others`)"""
    return (note.order_tag >> 31 and note.trade_id != NO_TRADE_ID and note.named_id == <int64_t> terms.order_handle
            and note.instrument_id == terms.instrument_id)


cdef inline void _facts_of_note(const ForeignFill* note, const ApprovedOrder* terms, FillFacts* facts) noexcept nogil:
    memset(facts, 0, sizeof(FillFacts))
    facts.trade_id = note.trade_id
    facts.price_ticks = note.cum_lots
    facts.qty_lots = note.qty_lots
    facts.instrument_id = terms.instrument_id
    facts.side = terms.side
    facts.position_side = terms.position_side


cdef int64_t _others_lots(TradeSet trades, const ApprovedOrder* terms) noexcept nogil:
    """What of the order's trades stands as another's, and was not taken back already without telling which."""
    cdef uint64_t i
    cdef FillFacts facts
    cdef const ForeignFill* untold = trades.untold_of(terms.instrument_id, terms.order_handle)
    cdef int64_t lots = 0
    for i in range(min(trades.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
        if _is_claim(&trades.foreign[i], terms):
            _facts_of_note(&trades.foreign[i], terms, &facts)
            if trades.stands_as_others(&facts):
                lots += facts.qty_lots
    return max(lots - untold.qty_lots, <int64_t> 0) if untold != NULL else lots


cdef inline bint _may_be_asked(const Order* order, bint is_told) noexcept nogil:
    """Disputed in an earlier run, and not in vain again in this one: what of it is another's is not known yet. A person who says so of
    its fills (`is_told`) waits for one list of them, or for some questions that nobody answers."""
    if not order.dispute & DISPUTE_RESTORED or order.dispute & DISPUTE_MISSING or (is_told and order.fetches >= FETCHES_TOLD):
        return False
    return order.venue_order_id > 0 or not order.ended


cdef inline bint _is_count_final(const Order* order, const ApprovedOrder* terms) noexcept nogil:
    """The venue counts no more of it: it ended there, or all of it is filled."""
    return (order.ended and order.ended != ORDER_STATE_ABSENT) or order.venue_cum_lots >= terms.qty_lots


cdef class Disputes(OrderLifecycle):
    """What lifecycle cannot book; a base of `Oms`."""

    cdef void fetch_fills(self, Order* order, uint64_t cause_seq) noexcept nogil:
        """The venue has counted fills that nobody told: asked for by its order, and disputed when that did not help."""
        order.deadline_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
        if order.fetches < FETCHES_MAX:
            order.fetches += FETCH_ASKED
            self.send_bare(OUTBOUND_TRADES, self.pool.terms(order).instrument_id, <uint64_t> order.venue_order_id, 1)
        elif not order.dispute & DISPUTE_MISSING:
            self._dispute_order(order, cause_seq)

    cdef void on_reply(self, const Descriptor* item) noexcept nogil:
        """Beside what lifecycle asks: an order's fills have been listed, and the rows stand before this in the journal."""
        cdef const OrderReplyPayload* reply = <const OrderReplyPayload*> (item.record + 1)
        cdef uint32_t slot = self.pool.first_open
        cdef Order* order
        if reply.action != OUTBOUND_TRADES:
            OrderLifecycle.on_reply(self, item)
            return
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            slot = order.next_open
            if (order.venue_order_id == reply.venue_order_id and order.fetches < FETCHES_MAX
                    and self.pool.terms(order).instrument_id == item.instrument_id):
                order.fetches += FETCH_ANSWERED

    cdef void dispute_trade(self, Order* order, const FillFacts* facts, uint64_t order_handle, int64_t venue_order_id,
                            uint64_t cause_seq) noexcept nogil:
        """Kept, told once, and its symbol stands still."""
        if order != NULL:
            order.dispute |= DISPUTE_TRADE
        if self._is_disputed(facts, order_handle, venue_order_id):
            return
        if self.disputed_count < DISPUTED_CAPACITY:
            self.disputed_trades[self.disputed_count].facts = facts[0]
            self.disputed_trades[self.disputed_count].order_handle = order_handle
            self.disputed_trades[self.disputed_count].venue_order_id = venue_order_id
            self.disputed_count += 1
        else:
            self.disputes_lost += 1
        self.halt_instrument(facts.instrument_id, HALT_REASON_MISMATCH)
        self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] = self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] + 1
        self.scribe.alarm(ALARM_CODE_TRADE_ID_CONFLICT, facts.instrument_id, order_handle, facts.trade_id,
                          b"a fill under the id of another trade is not booked: symbol halted, reconcile --adopt or arm books it", cause_seq)

    cdef bint _is_disputed(self, const FillFacts* facts, uint64_t order_handle, int64_t venue_order_id) noexcept nogil:
        cdef uint32_t i
        cdef const DisputedTrade* trade
        for i in range(self.disputed_count):
            trade = &self.disputed_trades[i]
            if (trade.facts.trade_id == facts.trade_id and trade.facts.instrument_id == facts.instrument_id
                    and trade.facts.qty_lots == facts.qty_lots and trade.facts.price_ticks == facts.price_ticks
                    and trade.facts.side == facts.side
                    and (trade.order_handle == order_handle or trade.venue_order_id == venue_order_id)):
                return True
        return False

    cdef void _dispute_order(self, Order* order, uint64_t cause_seq) noexcept nogil:
        """The venue has counted more than it tells. What disputed trades explain has been told already."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef int64_t missing_lots = order.venue_cum_lots - order.booked_lots, explained_lots = 0
        cdef uint32_t i
        order.dispute |= DISPUTE_MISSING
        for i in range(self.disputed_count):
            if self.disputed_trades[i].order_handle == order.order_handle:
                explained_lots += self.disputed_trades[i].facts.qty_lots
        if explained_lots >= missing_lots:
            return
        self.halt_instrument(terms.instrument_id, HALT_REASON_MISMATCH)
        self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] = self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] + 1
        self.scribe.alarm(ALARM_CODE_FILL_MISSING, terms.instrument_id, order.order_handle, missing_lots,
                          b"the venue counts fills of this order that it does not tell: symbol halted, reconcile --adopt or arm books them",
                          cause_seq)

    # --- a person has looked ---

    cdef void adopt_trades(self, uint32_t instrument_id, uint64_t cause_seq) noexcept nogil:
        """Of a symbol (0: of all), in the order in which they were told."""
        cdef uint32_t i, kept = 0, count = self.disputed_count
        cdef DisputedTrade trade
        for i in range(count):
            trade = self.disputed_trades[i]
            if instrument_id == 0 or trade.facts.instrument_id == instrument_id:
                self._adopt_trade(&trade, cause_seq)
            else:
                self.disputed_trades[kept] = trade
                kept += 1
        self.disputed_count = kept

    cdef void _adopt_trade(self, DisputedTrade* trade, uint64_t cause_seq) noexcept nogil:
        """Booked under its id, which is its own from now on."""
        cdef Order* order = self.pool.find(trade.order_handle)
        cdef bint is_anew = self.trades.replace(&trade.facts, trade.order_handle, self.tables.control.next_handle)
        if order != NULL:
            order.dispute &= ~DISPUTE_TRADE
            self.book_whole(order, &trade.facts, cause_seq)
        else:
            self._book_external(NULL, &trade.facts, ALARM_CODE_UNKNOWN_FILL, cause_seq)
        self.scribe.alarm(ALARM_CODE_POSITION_ADOPTED, trade.facts.instrument_id, trade.order_handle, trade.facts.trade_id,
                          b"adopted: the venue's trade ids began anew, and this one is booked" if is_anew
                          else b"adopted: the trade is booked, and its id is its own from now on", cause_seq)

    cdef void adopt_orders(self, uint32_t instrument_id, bint is_told, uint64_t cause_seq) noexcept nogil:
        """Orders of which the venue has counted what it does not tell."""
        cdef uint32_t slot = self.pool.first_open, following
        while slot != SLOT_NONE:
            following = self.pool.orders[slot].next_open
            if (self.pool.orders[slot].dispute & (DISPUTE_MISSING | DISPUTE_RESTORED)
                    and (instrument_id == 0 or self.register.slots[slot].instrument_id == instrument_id)):
                self._adopt_order(&self.pool.orders[slot], is_told, cause_seq)
            slot = following

    cdef void _adopt_order(self, Order* order, bint is_told, uint64_t cause_seq) noexcept nogil:
        """Trades of it that were booked as another's are taken back first: where the ledger ends between the two, the order misses its
        fills still, and is disputed again. Where they are more than an open order's count, the count is behind: nothing is booked, unless
        a person says so. Where the count is final, it is the order's, whatever was booked as another's."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef int64_t missing_lots = order.venue_cum_lots - order.booked_lots, others_lots
        if missing_lots > 0 and _may_be_asked(order, is_told):
            self._stay_disputed(order, b"not adopted: the venue is asked again first for what it counts of this order: symbol stays halted",
                                cause_seq)
            return
        order.dispute = 0
        if missing_lots <= 0:
            return
        others_lots = _others_lots(self.trades, terms)
        if others_lots > missing_lots:
            if not is_told and not _is_count_final(order, terms):
                order.dispute = DISPUTE_MISSING
                self._stay_disputed(order, b"not adopted: more of this order is listed than counted: halted until its count comes or it ends,"
                                    b" or reconcile --adopt", cause_seq)
                return
            self.scribe.alarm(ALARM_CODE_POSITION_ADOPTED, terms.instrument_id, order.order_handle, others_lots - missing_lots,
                              b"adopted: more of this order was booked as another's than the venue counts: its count is booked instead",
                              cause_seq)
        self._take_back_others(order, cause_seq)
        self._book_untold(order, cause_seq)

    cdef void _stay_disputed(self, const Order* order, const char* text, uint64_t cause_seq) noexcept nogil:
        cdef uint32_t instrument_id = self.pool.terms(order).instrument_id
        self.halt_instrument(instrument_id, HALT_REASON_MISMATCH)
        self.scribe.alarm(ALARM_CODE_FILL_MISSING, instrument_id, order.order_handle, order.venue_cum_lots - order.booked_lots, text, cause_seq)

    cdef void _book_untold(self, Order* order, uint64_t cause_seq) noexcept nogil:
        """What is missing is booked as one fill without a trade, of which no fee is known."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef FillFacts facts
        memset(&facts, 0, sizeof(FillFacts))
        facts.trade_id = NO_TRADE_ID
        facts.qty_lots = order.venue_cum_lots - order.booked_lots
        facts.price_ticks = self._untold_price_ticks(order)
        facts.side = terms.side
        facts.position_side = terms.position_side
        facts.strategy_id = terms.strategy_id
        facts.account_id = self.account_id
        facts.venue_id = self.venue_id
        facts.instrument_id = terms.instrument_id
        self.book_whole(order, &facts, cause_seq)
        self.scribe.alarm(ALARM_CODE_POSITION_ADOPTED, terms.instrument_id, order.order_handle, facts.qty_lots,
                          b"adopted: what the venue counts of this order is booked at its average price, without a trade and without a fee",
                          cause_seq)

    cdef void _take_back_others(self, const Order* order, uint64_t cause_seq) noexcept nogil:
        """Each of the order's trades that stands as another's; the oldest are those that an earlier build took back without telling which."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef ForeignFill* untold = self.trades.untold_of(terms.instrument_id, order.order_handle)
        cdef FillFacts facts
        cdef int64_t taken_lots
        cdef uint64_t i
        for i in range(min(self.trades.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
            if not _is_claim(&self.trades.foreign[i], terms):
                continue
            _facts_of_note(&self.trades.foreign[i], terms, &facts)
            memset(&self.trades.foreign[i], 0, sizeof(ForeignFill))
            if not self.trades.stands_as_others(&facts):
                continue  # another order has claimed it
            self.trades.mark_taken(&facts)
            if untold != NULL:
                taken_lots = min(untold.qty_lots, facts.qty_lots)
                untold.qty_lots -= taken_lots
                facts.qty_lots -= taken_lots
            if facts.qty_lots > 0:
                self._take_back(&facts, order.order_handle, cause_seq)

    cdef void _take_back(self, FillFacts* facts, uint64_t order_handle, uint64_t cause_seq) noexcept nogil:
        """A trade of the order that was booked as another's before its number was known: an external fill against it, under its id and at
        its price, so that the position has moved once, and a restart knows which trade was taken back."""
        facts.side = SIDE_SELL if facts.side == SIDE_BUY else SIDE_BUY
        facts.account_id = self.account_id
        facts.venue_id = self.venue_id
        facts.is_external = TAKEN_BACK
        self._move_position(facts)
        self.scribe.fill(NULL, facts, cause_seq)
        self.scribe.position(facts.account_id, facts.venue_id, facts.instrument_id, facts.position_side, cause_seq)
        self.scribe.alarm(ALARM_CODE_POSITION_ADOPTED, facts.instrument_id, order_handle, facts.qty_lots,
                          b"adopted: what had been booked of this order as another's is taken back", cause_seq)

    cdef int64_t _untold_price_ticks(self, const Order* order) noexcept nogil:
        """The mean price of what is missing, of the venue's own sum; without one the limit price, else the last trade's."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef const Instrument* instrument = &self.tables.instruments[terms.instrument_id]
        cdef tw_wide left_e16 = <tw_wide> order.venue_value_e8 * 100000000 - order.filled_value_e16
        cdef tw_wide tick_e16 = <tw_wide> instrument.tick_size_e8 * instrument.lot_size_e8 * (order.venue_cum_lots - order.booked_lots)
        cdef int64_t ticks = 0
        if order.venue_value_e8 > 0 and left_e16 > 0 and tick_e16 > 0:
            ticks = <int64_t> tw_divide_half_even(left_e16, tick_e16)
        if ticks <= 0:
            ticks = terms.price_ticks
        if ticks <= 0:
            ticks = self.tables.markets[terms.instrument_id].last_trade_ticks
        return max(ticks, <int64_t> 1)

    def disputed_fills(self) -> list:
        """Dicts of `kind` "trade" (told under another's id) and "order" (counted and not told), in lots."""
        cdef uint32_t i, slot = self.pool.first_open
        cdef DisputedTrade* trade
        rows = []
        for i in range(self.disputed_count):
            trade = &self.disputed_trades[i]
            rows.append({
                "kind": "trade", "instrument_id": trade.facts.instrument_id, "position_side": trade.facts.position_side,
                "order_handle": trade.order_handle, "trade_id": trade.facts.trade_id, "booked_lots": 0,
                "venue_lots": trade.facts.qty_lots if trade.facts.side == SIDE_BUY else -trade.facts.qty_lots,
                "price_ticks": trade.facts.price_ticks, "is_anew": bool(self.trades.began_anew(&trade.facts, trade.order_handle))})
        while slot != SLOT_NONE:
            if self.pool.orders[slot].dispute:
                rows.append({
                    "kind": "order", "instrument_id": self.register.slots[slot].instrument_id,
                    "position_side": self.register.slots[slot].position_side, "order_handle": self.pool.orders[slot].order_handle,
                    "trade_id": NO_TRADE_ID, "booked_lots": self.pool.orders[slot].booked_lots,
                    "venue_lots": self.pool.orders[slot].venue_cum_lots, "price_ticks": 0, "is_anew": False})
            slot = self.pool.orders[slot].next_open
        return rows
