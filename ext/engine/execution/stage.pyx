"""The stage's shell: rings, records and the trigger table; what is decided stands in `engine.execution` (Python, pure).

Rings in: `execution_events` (ORDER_STATE and FILL, as strategies get them), `child_refusals` (the gate's verdicts), `watched` (trades, best
prices and mark prices of instruments whose `is_watched` is set, in order and only of VALID books), `instructions` (INSTRUCTION records
of strategies), `to_execution` (commands, execution timers, ticks). Rings out: `child_intents` to the gate, `parent_events` (HELD_ORDER,
PARENT_STATE) to strategies. An instrument that nobody holds anything in costs one look at a flag; a watched event is compared in C, and
Python runs only when a price is met, a trail moves, or a parent listens to the market.
"""
from libc.string cimport memcpy, memset
from engine.model.clientid cimport encode_client_id
from engine.model.codes cimport *
from engine.model.described cimport describe
from engine.model.records cimport (
    CommandPayload, Conditions, IntentPayload, Level, MarkPricePayload, OrderStatePayload, FillPayload, ParentStatePayload, RecordHeader,
    StatePayload, TimerPayload, TradePayload, VerdictPayload,
)
from engine.execution.triggers cimport Happening
from engine.model.approval cimport SLOT_ISSUED, SLOT_SPENT, ApprovedOrder
from engine.model.tables cimport INSTRUMENT_CAPACITY, LINE_CAPACITY, POSITION_SIDES, Exposure, Instrument, LineState

import msgspec

from engine.execution.native_lists import is_of_one_request, native_terms
from engine.execution.parent import ChildTerms, FillFact, InstrumentFacts, MarketView, Parent
from engine.execution.parents import OrderNews, Parents
from engine.execution.rebuild import Ledger
from engine.execution.terms import ClosingOrder
from engine.model.codes import AlarmCode, OrderState, Reason
from engine.model.instructions import Change, Held, OrderList, decode, encode
from engine.model.native import is_native

cdef enum:
    EVENTS_PER_POLL = 1024
    LEVELS_MAX = 100
    TEXT_MAX = 1000
    ROOM_NEEDED = 1024          # of `parent_events`
    FLATTEN_RELEASE = 2         # a flag of FLATTEN: see engine/flatten.py

cdef int64_t NS_PER_DAY = 86_400_000_000_000


cdef class ExecutionStage(Actor):
    """See the module. `entry_price(instrument_id, position_side)`: average price of the position in ticks, 0 where it is flat.
    `register`: the orders of the engine, of which a fired stop takes back what holds its position; None: it takes back none.
    `makers`: parents by type of instruction beside the stage's own. `day_end_ns`: end of a session after midnight UTC, for DAY orders.
    """

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None, *,
                 Ring instructions not None, Ring watched not None, Ring execution_events not None, Ring to_execution not None,
                 Ring child_intents not None, Ring child_refusals not None, Ring parent_events not None, TimerQueue timers not None,
                 BookReader reader not None, object entry_price, ApprovalRegister register=None, int account_id=0, dict makers=None,
                 int64_t day_end_ns=0):
        Actor.__init__(self, name)
        if not 0 <= day_end_ns < NS_PER_DAY:
            raise ValueError(f"a session cannot end {day_end_ns} ns after midnight")
        self.journal, self.tables, self.counters = journal, tables, counters
        self.instructions, self.watched, self.execution_events = instructions, watched, execution_events
        self.to_execution, self.child_intents, self.child_refusals = to_execution, child_intents, child_refusals
        self.parent_events = parent_events
        self.timers, self.reader, self.register = timers, reader, register
        self.triggers = TriggerTable()
        self._entry_price = entry_price
        self._account_id = account_id
        self.parents = Parents(self, makers, day_end_ns)

    cdef int do_work(self) except -1:
        cdef int done
        if self.parent_events.depth() + ROOM_NEEDED > self.parent_events.capacity:
            return 0  # nobody is to miss what became of an order
        if (self.execution_events.peek() == NULL and self.child_refusals.peek() == NULL and self.watched.peek() == NULL
                and self.instructions.peek() == NULL and self.to_execution.peek() == NULL):
            return 0
        # what happened to orders first: who is asked next decides by it
        done = self._drain_order_events()
        done += self._drain_refusals()
        done += self._drain_watched()
        done += self._drain_instructions()
        return done + self._drain_inputs()

    # --- events in ---

    cdef int _drain_order_events(self) except -1:
        cdef Descriptor event
        cdef int done = 0
        while done < EVENTS_PER_POLL and self.execution_events.peek() != NULL:
            event = self.execution_events.peek()[0]
            self.execution_events.release()
            if event.record != NULL and self._knows[event.instrument_id % INSTRUMENT_CAPACITY]:
                self._on_order_event(&event)
            done += 1
        return done

    cdef int _on_order_event(self, const Descriptor* event) except -1:
        cdef const OrderStatePayload* state = <const OrderStatePayload*> (event.record + 1)
        cdef const FillPayload* fill = <const FillPayload*> (event.record + 1)
        self._cause_seq = event.seq
        self.parents.order_seq = event.seq
        if event.kind == RECORD_KIND_ORDER_STATE:
            self.parents.on_order_state(event.order_handle, OrderNews(
                state=state.state, reason=state.reason, price_ticks=state.price_ticks, qty_lots=state.qty_lots,
                cum_lots=state.cum_qty_lots, leaves_lots=state.leaves_qty_lots), event.instrument_id)
        elif event.kind == RECORD_KIND_FILL:
            self.parents.on_fill(
                event.order_handle,
                FillFact(price_ticks=fill.price_ticks, qty_lots=fill.qty_lots, side=fill.side, is_maker=bool(fill.is_maker)),
                event.instrument_id, event.record.position_side)
        return 0

    cdef int _drain_refusals(self) except -1:
        cdef Descriptor event
        cdef int done = 0
        cdef uint16_t reason
        while done < EVENTS_PER_POLL and self.child_refusals.peek() != NULL:
            event = self.child_refusals.peek()[0]
            self.child_refusals.release()
            reason = event.data
            if event.record != NULL:
                reason = (<const VerdictPayload*> (event.record + 1)).reason
            self._cause_seq = event.seq or event.cause_seq
            self.parents.on_refusal(event.order_handle, reason)
            done += 1
        return done

    cdef int _drain_watched(self) except -1:
        cdef Descriptor event
        cdef int done = 0
        while done < EVENTS_PER_POLL and self.watched.peek() != NULL:
            event = self.watched.peek()[0]
            self.watched.release()
            done += 1
            if event.instrument_id >= INSTRUMENT_CAPACITY:
                continue
            self.events_seen += 1
            self._cause_seq = event.seq
            if self._see(&event):
                self._tell_happenings()
            if self._listens[event.instrument_id]:
                self._tell_market(&event)
        return done

    cdef bint _is_fresh(self, const MarketState* market) noexcept nogil:
        cdef int64_t stale_after_ns = self.tables.engine_limits.stale_after_ns
        if market.book_state != BOOK_STATE_VALID:
            return False
        return stale_after_ns <= 0 or self.journal.now_mono_ns - market.last_mono_ns <= stale_after_ns

    cdef bint _see(self, const Descriptor* event) noexcept nogil:
        """Compare one event with what waits for it; True where something was met or moved. Never on a book that is not VALID, or stale."""
        cdef const TradePayload* trade
        cdef const MarkPricePayload* mark
        self.triggers.clear_happenings()
        if self.triggers.first[event.instrument_id] == 0 or not self._is_fresh(&self.tables.markets[event.instrument_id]):
            return False
        if event.kind == RECORD_KIND_TRADE or event.kind == RECORD_KIND_AGG_TRADE:
            trade = <const TradePayload*> (event.record + 1)
            self.triggers.see(event.instrument_id, TRIGGER_SOURCE_LAST, trade.price_ticks, trade.price_ticks)
        elif event.kind == RECORD_KIND_MARK_PRICE:
            mark = <const MarkPricePayload*> (event.record + 1)
            self.triggers.see(event.instrument_id, TRIGGER_SOURCE_MARK, mark.mark_e8, mark.mark_e8)
            self.triggers.see(event.instrument_id, TRIGGER_SOURCE_INDEX, mark.index_e8, mark.index_e8)
        else:
            # best bid and ask as the book stage saw them: see `watched` there
            self.triggers.see(event.instrument_id, TRIGGER_SOURCE_BID_ASK, <int64_t> event.order_handle, <int64_t> event.cause_seq)
        return self.triggers.happened != 0

    cdef int _tell_happenings(self) except -1:
        """Copied first: what is told may arm and disarm others."""
        cdef uint32_t i
        cdef const Happening* happening
        cdef list found = []
        for i in range(self.triggers.happened):
            happening = &self.triggers.happenings[i]
            found.append((happening.trigger_id, happening.price, happening.has_fired))
        for trigger_id, price, has_fired in found:
            if has_fired:
                self.triggered += 1
                self.parents.on_trigger(trigger_id, price)
            else:
                self.parents.on_trail(trigger_id, price)
        return 0

    cdef int _tell_market(self, const Descriptor* event) except -1:
        cdef const TradePayload* trade = <const TradePayload*> (event.record + 1)
        if event.kind == RECORD_KIND_AGG_TRADE:
            return 0  # the same trades once more
        if event.kind != RECORD_KIND_TRADE:
            self.parents.on_market(self.market(event.instrument_id))
        else:
            self.parents.on_market(msgspec.structs.replace(
                self.market(event.instrument_id), trade_ticks=trade.price_ticks, trade_lots=trade.qty_lots,
                trade_side=trade.aggressor_side, event_ns=trade.trade_ns))
        return 0

    cdef int _drain_instructions(self) except -1:
        cdef Descriptor event
        cdef int done = 0
        while done < EVENTS_PER_POLL and self.instructions.peek() != NULL:
            event = self.instructions.peek()[0]
            self.instructions.release()
            done += 1
            if event.record != NULL:
                self._cause_seq = event.seq
                self._instruct((<const char*> (event.record + 1))[:event.record.length - sizeof(RecordHeader)], event.order_handle,
                               event.strategy_id, True)
        return done

    cdef int _instruct(self, bytes text, uint64_t handle, uint16_t strategy_id, bint is_written) except -1:
        """An instruction or a change, of a strategy or a person (0); what cannot be read is refused with an alarm. Why nothing could be
        done, as a Reason."""
        try:
            wish = decode(text)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            self.write_alarm(AlarmCode.PARENT_FAILED, 0, handle, f"instruction refused: {error}".encode())
            return REASON_UNSUPPORTED
        if isinstance(wish, Change):
            return self.parents.change(wish, strategy_id)
        if not 0 < wish.instrument_id <= self.tables.instrument_count:
            self.write_alarm(AlarmCode.PARENT_FAILED, 0, handle, f"no instrument has the id {wish.instrument_id}".encode())
            return REASON_UNKNOWN_INSTRUMENT
        handle = handle or wish.handle or self.tables.next_handle()
        if not is_written:
            if self._pass_native(wish, handle):
                return REASON_NONE
            self.write_instruction(handle, strategy_id, wish.instrument_id, encode(wish))
        return self.parents.begin(wish, handle, strategy_id).reason

    def _pass_native(self, object wish, uint64_t handle) -> bool:
        """What a person asks for and the venue carries out as it is, one order or a list in one request: intents like any other."""
        cdef list terms
        if isinstance(wish, Held):
            if not self._is_native(wish.instrument_id, wish.order):
                return False
            terms = [ChildTerms(**{name: getattr(wish.order, name) for name in wish.order.__struct_fields__ if name != "handle"}, handle=handle)]
        elif isinstance(wish, OrderList) and is_of_one_request(wish, handle):
            if not all(self._is_native(wish.instrument_id, order, wish.contingency, len(wish.orders)) for order in wish.orders):
                return False
            terms = native_terms(wish, handle)
        else:
            return False
        if self.child_intents.depth() + <uint64_t> len(terms) > self.child_intents.capacity:
            return False  # all of a list or none of it
        parent = Parent(wish, 0, 0)
        # one of a list that the ledger has no room for ends them all: the order management waits for each
        return any([self.write_intent(INTENT_ACTION_SUBMIT, parent, order.handle, 0, order) for order in terms])

    def _is_native(self, uint32_t instrument_id, object order, int contingency=0, int list_size=0) -> bool:
        return is_native(
            self.tables, instrument_id, order_type=order.order_type, time_in_force=order.time_in_force, flags=order.flags,
            position_side=order.position_side, price_ticks=order.price_ticks, expire_ns=order.expire_ns,
            now_wall_ns=self.journal.now_wall_ns, display_lots=order.display_lots, trail_kind=order.trail_kind,
            trail_amount=order.trail_amount, limit_offset_ticks=order.limit_offset_ticks, trigger_source=order.trigger_source,
            contingency=contingency, list_size=list_size)

    cdef int _drain_inputs(self) except -1:
        cdef Descriptor event
        cdef const TimerPayload* timer
        cdef int done = 0
        while done < EVENTS_PER_POLL and self.to_execution.peek() != NULL:
            event = self.to_execution.peek()[0]
            self.to_execution.release()
            done += 1
            if event.record == NULL:
                continue
            self._cause_seq = event.seq
            if event.kind == RECORD_KIND_COMMAND:
                self._on_command(&event)
            elif event.kind == RECORD_KIND_TIMER:
                timer = <const TimerPayload*> (event.record + 1)
                if timer.timer_kind == TIMER_KIND_EXECUTION:
                    # a replay brings the record while the timer still waits here
                    self.timers.drop(timer.timer_id)
                    self.parents.on_timer(timer.timer_id)
                elif self._waits_for_account and self.tables.control_state()["reconciled"]:
                    self._waits_for_account = False
                    self.parents.take_up()
                elif timer.timer_kind == TIMER_KIND_TICK and not self._waits_for_account and self.parents.waiting:
                    self.parents.on_tick()
        return done

    cdef int _on_command(self, const Descriptor* event) except -1:
        cdef const CommandPayload* command = <const CommandPayload*> (event.record + 1)
        cdef uint16_t kind = command.command_kind
        cdef bytes detail = (<const char*> command + sizeof(CommandPayload))[:command.detail_size]
        cdef uint64_t handle = event.record.order_handle
        if kind == COMMAND_KIND_INSTRUCT or (kind == COMMAND_KIND_AMEND and detail):
            self._answer(event.seq, self._instruct(detail, handle, 0, False))
        elif kind == COMMAND_KIND_STOP:
            self.parents.stop()
        elif handle and kind in (COMMAND_KIND_CANCEL, COMMAND_KIND_PAUSE, COMMAND_KIND_RESUME):
            action = {COMMAND_KIND_CANCEL: "cancel", COMMAND_KIND_PAUSE: "pause", COMMAND_KIND_RESUME: "resume"}[kind]
            self._answer(event.seq, self.parents.change(Change(handle=handle, action=action), 0))
        elif kind == COMMAND_KIND_KILL or kind == COMMAND_KIND_CANCEL or (
                kind == COMMAND_KIND_FLATTEN and not command.flags & FLATTEN_RELEASE):
            self.parents.sweep(is_kill=kind == COMMAND_KIND_KILL, venue_instruments=self._instruments_of(event.record.venue_id),
                               strategy_id=event.record.strategy_id, instrument_id=event.record.instrument_id)
        elif kind == COMMAND_KIND_ARM:
            self.parents.on_armed()
        return 0

    cdef void _answer(self, uint64_t command_seq, int reason) noexcept:
        self.answered_seq, self.answered_reason = command_seq, <uint16_t> reason

    def _instruments_of(self, int venue_id) -> object:
        """The venue's instruments; None = all."""
        if venue_id == 0:
            return None
        return {i for i in range(1, self.tables.instrument_count + 1) if self.tables.instruments[i].venue_id == venue_id}

    # --- restart ---

    def restore(self, records) -> int:
        """Rebuild what earlier runs held from their ledger records (objects as `Oms.restore` takes them); how many parents are alive.

        Nothing is sent: they are taken up once the account has been read again, and wait for the first valid book then."""
        ledger = Ledger(self.parents)
        for record in records:
            ledger.take(record)
        return self.revive(ledger)

    def revive(self, ledger) -> int:
        """What a `Ledger` of these parents has folded (see `restore`)."""
        ledger.revive()
        self.parents.is_running = False
        self._waits_for_account = True
        return len(self.parents.parents)

    # --- what the parents ask for ---

    @property
    def now_wall_ns(self) -> int:
        return self.journal.now_wall_ns

    @property
    def now_mono_ns(self) -> int:
        return self.journal.now_mono_ns

    def next_handle(self) -> int:
        return self.tables.next_handle()

    cdef RecordHeader* _claim(self, int kind, uint32_t payload_size, bint reserve) noexcept nogil:
        cdef RecordHeader* record = self.journal.claim(LANE_LEDGER, kind, <uint32_t> sizeof(RecordHeader) + payload_size, reserve)
        if record != NULL:
            memset(record + 1, 0, record.length - sizeof(RecordHeader))
            record.cause_seq = self._cause_seq
        return record

    cdef void _commit(self, RecordHeader* record, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle) noexcept nogil:
        record.venue_id = self.tables.instruments[instrument_id].venue_id
        record.account_id = self._account_id or record.venue_id
        record.strategy_id = strategy_id
        record.instrument_id = instrument_id
        record.order_handle = handle
        self.journal.commit(record)

    cdef void _push(self, Ring ring, RecordHeader* record, uint16_t data) noexcept:
        cdef Descriptor event
        describe(&event, record)
        event.data = data
        event.seq = event.cause_seq = record.seq
        event.wall_ns = self.journal.now_wall_ns
        event.mono_ns = self.journal.now_mono_ns
        ring.push(&event)

    def write_intent(self, int action, object parent, uint64_t handle, uint64_t target_handle, object terms) -> bool:
        """INTENT to the gate, of a child; False where ring or ledger has no room. What closes may use the ledger's reserve."""
        cdef IntentPayload* intent
        cdef Conditions* conditions
        cdef bint is_safe = action == INTENT_ACTION_CANCEL or (terms.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION)) != 0
        cdef RecordHeader* record
        if self.child_intents.depth() >= self.child_intents.capacity:
            return False
        record = self._claim(RECORD_KIND_INTENT, sizeof(IntentPayload) + sizeof(Conditions), is_safe)
        if record == NULL:
            return False
        intent = <IntentPayload*> (record + 1)
        intent.action, intent.side, intent.order_type = action, terms.side, terms.order_type
        intent.time_in_force, intent.flags = terms.time_in_force, terms.flags
        intent.position_side, intent.has_conditions = terms.position_side, 1
        intent.price_ticks, intent.qty_lots = terms.price_ticks, terms.qty_lots
        intent.trigger_ticks, intent.expire_ns = terms.trigger_ticks, terms.expire_ns
        intent.target_handle = target_handle
        conditions = <Conditions*> (intent + 1)
        conditions.parent_handle, conditions.list_handle = parent.handle, terms.list_handle
        conditions.display_lots, conditions.activation_ticks = terms.display_lots, terms.activation_ticks
        conditions.trail_amount, conditions.limit_offset_ticks = terms.trail_amount, terms.limit_offset_ticks
        conditions.trail_kind, conditions.trigger_source = terms.trail_kind, terms.trigger_source
        conditions.contingency, conditions.list_size, conditions.list_index = terms.contingency, terms.list_size, terms.list_index
        conditions.is_exit = parent.is_protective and (terms.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION)) != 0
        record.position_side = terms.position_side
        self._commit(record, parent.strategy_id, parent.instrument_id, handle)
        self._push(self.child_intents, record, action)
        return True

    def write_instruction(self, uint64_t handle, uint16_t strategy_id, uint32_t instrument_id, bytes text) -> None:
        """INSTRUCTION, of a person."""
        cdef RecordHeader* record = self._claim(RECORD_KIND_INSTRUCTION, len(text), True)
        if record != NULL:
            memcpy(record + 1, <const char*> text, len(text))
            self._commit(record, strategy_id, instrument_id, handle)

    def write_parent(self, object news) -> None:
        """PARENT_STATE, and the strategy is told."""
        cdef bytes text = news.text
        cdef ParentStatePayload* state
        cdef RecordHeader* record = self._claim(RECORD_KIND_PARENT_STATE, sizeof(ParentStatePayload) + len(text), True)
        cdef const Instrument* instrument = &self.tables.instruments[<uint32_t> news.instrument_id]
        if record == NULL:
            # what cannot be written down must not go on: no new orders until a person has looked
            self.tables.control.journal_reserve = 1
            return
        state = <ParentStatePayload*> (record + 1)
        state.qty_lots, state.filled_lots, state.working_lots = news.qty_lots, news.filled_lots, news.working_lots
        if news.valued_lots:
            state.average_price_e8 = (2 * news.filled_value * instrument.tick_size_e8 + news.valued_lots) // (2 * news.valued_lots)
        state.children, state.reason, state.kind = news.children, news.reason, news.kind
        state.state, state.previous_state, state.side = news.status, news.previous_status, news.side
        memcpy(state + 1, <const char*> text, len(text))
        record.position_side = news.position_side
        self._commit(record, news.strategy_id, news.instrument_id, news.handle)
        if news.strategy_id:
            self._push(self.parent_events, record, 0)

    def write_held(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t parent_handle, object news) -> None:
        """HELD_ORDER, and the strategy is told: `venue_order_id` is the parent's handle, `trigger_ticks` where it would fire now."""
        cdef OrderStatePayload* state
        cdef RecordHeader* record = self._claim(RECORD_KIND_HELD_ORDER, sizeof(OrderStatePayload), True)
        if record == NULL:
            self.tables.control.journal_reserve = 1
            return
        state = <OrderStatePayload*> (record + 1)
        encode_client_id(self.journal.engine_id, news.handle, state.client_order_id)
        state.price_ticks, state.qty_lots, state.cum_qty_lots = news.price_ticks, news.qty_lots, news.filled_lots
        state.leaves_qty_lots = news.qty_lots - news.filled_lots if news.state == ORDER_STATE_HELD else 0
        state.reason, state.state, state.side = news.reason, news.state, news.side
        state.venue_order_id = parent_handle
        state.order_type, state.time_in_force = news.order_type, news.time_in_force
        state.trigger_ticks = news.trigger_ticks
        self._commit(record, strategy_id, instrument_id, news.handle)
        if strategy_id:
            self._push(self.parent_events, record, 0)

    def write_alarm(self, int code, uint32_t instrument_id, uint64_t handle, bytes text) -> None:
        """ALARM."""
        cdef size_t size = min(len(text), TEXT_MAX)
        cdef RecordHeader* record = self._claim(RECORD_KIND_ALARM, <uint32_t> (sizeof(StatePayload) + size), True)
        cdef StatePayload* state
        self.counters.values[<int> COUNTER_ALARMS] = self.counters.values[<int> COUNTER_ALARMS] + 1
        if record == NULL:
            return
        state = <StatePayload*> (record + 1)
        state.state = state.reason = code
        memcpy(state + 1, <const char*> text, size)
        self._commit(record, 0, instrument_id, handle)

    def add_watch(self, object row) -> int:
        """A row of the trigger table; 0 where it is full."""
        cdef uint32_t instrument_id = row.instrument_id
        trigger_id = self.triggers.add(
            instrument_id, is_above=row.is_above, is_ask=row.is_ask, source=row.trigger_source, level=row.level,
            trail_kind=row.trail_kind, trail_amount=row.trail_amount, activation=row.activation, extreme=row.extreme)
        self._update_watch(instrument_id)
        return trigger_id

    def drop_watch(self, uint32_t watch_id) -> None:
        """Off the table."""
        self.triggers.drop(watch_id)

    def watch_extreme(self, uint32_t watch_id) -> int:
        """How far a trailing watch has come."""
        return self.triggers.extreme(watch_id)

    cdef void _update_watch(self, uint32_t instrument_id) noexcept nogil:
        self.tables.markets[instrument_id].is_watched = self._holds[instrument_id] or self._listens[instrument_id]

    def set_holding(self, uint32_t instrument_id, bint holds) -> None:
        """A parent is there: order events and prices of the instrument are looked at."""
        self._holds[instrument_id % INSTRUMENT_CAPACITY] = holds
        self._knows[instrument_id % INSTRUMENT_CAPACITY] = True
        self._update_watch(instrument_id % INSTRUMENT_CAPACITY)

    def set_listening(self, uint32_t instrument_id, bint listens) -> None:
        """A parent wants the whole market of the instrument."""
        self._listens[instrument_id % INSTRUMENT_CAPACITY] = listens
        self._update_watch(instrument_id % INSTRUMENT_CAPACITY)

    def schedule(self, int64_t deadline_mono_ns, int64_t data) -> int:
        """An execution timer; 0 where there are too many."""
        cdef uint64_t timer_id = self.timers.add(deadline_mono_ns, TIMER_KIND_EXECUTION, 0, data)
        return timer_id

    def drop_timer(self, uint64_t timer_id) -> None:
        """Take it back."""
        self.timers.drop(timer_id)

    # --- what the parents look at ---

    def market(self, uint32_t instrument_id) -> object:
        """The market as it stands."""
        cdef const MarketState* market = &self.tables.markets[instrument_id % INSTRUMENT_CAPACITY]
        return MarketView(
            instrument_id=instrument_id, is_valid=self._is_fresh(market), best_bid_ticks=market.best_bid_ticks,
            best_bid_lots=market.best_bid_lots, best_ask_ticks=market.best_ask_ticks, best_ask_lots=market.best_ask_lots,
            last_trade_ticks=market.last_trade_ticks, mark_e8=market.mark_e8, index_e8=market.index_e8,
            event_ns=market.last_venue_event_ns)

    def levels(self, uint32_t instrument_id, int side, int depth) -> list:
        """Levels of the book, best first."""
        cdef Level[LEVELS_MAX] found
        cdef int i, count = self.reader.read_levels(instrument_id, side, min(depth, LEVELS_MAX), found)
        return [(found[i].price_ticks, found[i].qty_lots) for i in range(count)]

    def position_lots(self, uint32_t instrument_id, uint32_t position_side) -> int:
        """Signed lots of the account."""
        return self.tables.exposures[position_side % POSITION_SIDES * INSTRUMENT_CAPACITY + instrument_id].position_lots

    def strategy_lots(self, uint32_t strategy_id, uint32_t instrument_id, uint32_t position_side) -> int:
        """Signed lots of a strategy's own fills."""
        return self.tables.strategy_row(instrument_id, position_side % POSITION_SIDES, strategy_id).position_lots

    def entry_price_ticks(self, int instrument_id, int position_side) -> int:
        """Average price of the position."""
        return self._entry_price(instrument_id, position_side)

    def working_lots(self, uint32_t instrument_id, uint32_t position_side, int side) -> int:
        """Approved, in flight, open and UNKNOWN lots of one side, whoever's."""
        cdef const Exposure* row = &self.tables.exposures[position_side % POSITION_SIDES * INSTRUMENT_CAPACITY + instrument_id]
        return row.working_buy_lots if side == SIDE_BUY else row.working_sell_lots

    def held_lots(self, uint32_t instrument_id) -> int:
        """Spot: whole lots of the base asset that the account has, locked ones included."""
        cdef const Instrument* row = &self.tables.instruments[instrument_id]
        return (self.tables.control.balance_free_e8[row.base_asset_id] + self.tables.control.balance_locked_e8[row.base_asset_id]) // (
            row.lot_size_e8)

    def closing_orders(self, uint32_t instrument_id, uint32_t position_side, int side) -> list:
        """Orders of one side that may still be filled, whoever's: those of the register that reserve lots."""
        cdef uint32_t i
        cdef const ApprovedOrder* order
        cdef list found = []
        for i in range(self.register.capacity if self.register is not None else 0):
            order = &self.register.slots[i]
            if (order.state != SLOT_ISSUED and order.state != SLOT_SPENT) or order.instrument_id != instrument_id:
                continue
            if order.side == side and order.position_side == position_side and order.reserved_lots > 0:
                found.append(ClosingOrder(
                    handle=order.order_handle, strategy_id=order.strategy_id, order_type=order.order_type,
                    time_in_force=order.time_in_force, price_ticks=order.price_ticks, lots=order.reserved_lots))
        return found

    def is_open(self, uint32_t instrument_id) -> bool:
        """Would neither book, session nor trading state refuse an order that closes."""
        cdef const LineState* line = &self.tables.lines[self.tables.instruments[instrument_id].venue_id & (LINE_CAPACITY - 1)]
        if self.tables.control.kill or self.tables.control.stopping or line.is_killed or line.trading_state == TRADING_STATE_HALTED:
            return False
        if not (line.gateway_ready and line.user_stream_ready and line.reconciled):
            return False
        return self._is_fresh(&self.tables.markets[instrument_id])

    def instrument(self, uint32_t instrument_id) -> object:
        """Reference data."""
        cdef const Instrument* row = &self.tables.instruments[instrument_id % INSTRUMENT_CAPACITY]
        return InstrumentFacts(
            instrument_id=instrument_id, kind=row.kind, tick_size_e8=row.tick_size_e8, lot_size_e8=row.lot_size_e8,
            min_qty_lots=row.min_qty_lots, max_qty_lots=row.max_qty_lots, min_price_ticks=row.min_price_ticks,
            max_price_ticks=row.max_price_ticks, min_notional_e8=row.min_notional_e8, native_order_types=row.native_order_types,
            base_asset_id=row.base_asset_id, quote_asset_id=row.quote_asset_id,
            qty_step_lots=max(row.qty_step_lots, 1), price_step_ticks=max(row.price_step_ticks, 1),
            market_min_qty_lots=row.market_min_qty_lots, market_max_qty_lots=row.market_max_qty_lots,
            market_qty_step_lots=max(row.market_qty_step_lots, 1))
