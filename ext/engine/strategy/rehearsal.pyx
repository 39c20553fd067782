"""A rehearsal: strategies on a real runner, journal and rings, with the market, the gate and the venue played by a script.

For authors' tests and ours. Nothing happens by itself: the script says what the book is, which orders are accepted, refused
or filled, how time passes - and `run` lets the runner work until it is idle.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.journal.journal import Journal as JournalClass
from engine.model.subscriptions import parse_subscription
from engine.journal.journal cimport Journal
from engine.model.bookreader cimport BookReader
from engine.model.codes cimport (
    BOOK_STATE_VALID, INTENT_ACTION_AMEND, INTENT_ACTION_CANCEL, LANE_LEDGER, LANE_TAPE, ORDER_STATE_CANCELED, ORDER_STATE_FILLED,
    ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_NEW, RECORD_KIND_COMMAND, RECORD_KIND_DEPTH_DIFF,
    RECORD_KIND_FILL, RECORD_KIND_INSTRUMENT_UPDATE, RECORD_KIND_ORDER_STATE, RECORD_KIND_TIMER, RECORD_KIND_TRADE, RECORD_KIND_VERDICT,
    TRADING_STATE_ACTIVE,
)
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport (
    CommandPayload, DepthPayload, FillPayload, IntentPayload, Level, OrderStatePayload, RecordHeader, TimerPayload,
    TradePayload, VerdictPayload,
)
from engine.model.tables cimport MarketState, Tables
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring
from engine.runtime.timers cimport TimerEntry, TimerQueue
from engine.runtime.watchdog cimport Watchdog
from engine.strategy.runner cimport StrategyRunner


cdef class ScriptedBook(BookReader):
    """Depth as the script set it."""
    cdef dict _levels

    def __cinit__(self):
        self._levels = {}

    cdef int read_levels(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept nogil:
        with gil:
            return self._copy(instrument_id, side, depth, out)

    cdef int _copy(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept:
        cdef list levels = self._levels.get((instrument_id, side), [])[:depth]
        cdef int i
        for i in range(len(levels)):
            out[i].price_ticks, out[i].qty_lots = levels[i]
        return len(levels)


cdef class Rehearsal:
    """One runner with `strategies` (a list; ids count from 1, names are "s1", "s2", ...) on `specs` (InstrumentSpec list).

    Every strategy is given every symbol and every one of `subscriptions` (words, as in a configuration). `turn_ms_max` starts a watchdog (stop it with `close`). Time is virtual.
    """
    cdef readonly Journal journal
    cdef readonly Tables tables
    cdef readonly Counters counters
    cdef readonly Clock clock
    cdef readonly TimerQueue timers
    cdef readonly StrategyRunner runner
    cdef readonly Watchdog watchdog
    cdef readonly Ring intent_ring
    cdef readonly dict asked             # handle -> dict of the INTENT, of orders that were asked for and have not ended
    cdef ScriptedBook _book
    cdef Ring _order_events
    cdef Ring _refusals
    cdef Ring _market
    cdef Ring _control
    cdef uint64_t _update_id
    cdef uint64_t _trade_id
    cdef uint64_t _cause_seq             # what the next order events are told to come from

    def __init__(self, strategies, specs, *, Journal journal=None, int turn_ms_max=0, int abort_after_ms=0, int intent_capacity=1024,
                 int ring_bytes=1 << 22, object after_hang=None, int64_t bar_delay_ns=0,
                 uint32_t orders_per_input_max=1000, uint32_t executions_per_10s_max=1000, subscriptions=()):
        self.journal = journal if journal is not None else JournalClass.in_memory(ring_bytes=ring_bytes)
        self.tables = Tables()
        self.counters = Counters()
        self.clock = Clock.virtual()
        self.timers = TimerQueue()
        self.asked = {}
        self._book = ScriptedBook()
        self._order_events = Ring("order_events", 4096)
        self._refusals = Ring("refusals", 4096)
        self._market = Ring("market_events", 4096)
        self._control = Ring("to_strategy", 4096)
        self.intent_ring = Ring("intents", intent_capacity)
        symbols = [spec.symbol for spec in specs]
        for spec in specs:
            self.tables.add_instrument(spec)
        self.tables.set_epoch(1)
        self.tables.set_control(trading_state=TRADING_STATE_ACTIVE)
        self.watchdog = Watchdog(turn_ms_max, abort_after_ms) if turn_ms_max else None
        self.runner = StrategyRunner(
            "strategies", self.journal, self.tables, self.counters, order_events=self._order_events,
            refusals=self._refusals, market_events=self._market, to_strategy=self._control, intents=self.intent_ring,
            timers=self.timers, clock=self.clock, reader=self._book, watchdog=self.watchdog, after_hang=after_hang,
            bar_delay_ns=bar_delay_ns, orders_per_input_max=orders_per_input_max,
            executions_per_10s_max=executions_per_10s_max)
        rows = [parse_subscription(word) for word in subscriptions]
        for number, strategy in enumerate(strategies, 1):
            self.runner.attach(strategy, f"s{number}", number, symbols, specs[0].venue_id, rows)
        self._stamp()
        if self.watchdog is not None:
            self.watchdog.start()

    def close(self) -> None:
        """Stop the watchdog."""
        if self.watchdog is not None:
            self.watchdog.stop()

    # -- time ---------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Let the runner work until it is idle; returns the work done."""
        cdef int done, total = 0
        while True:
            done = self.runner.do_work()
            total += done
            if done == 0:
                return total

    def advance(self, int64_t delta_ns) -> None:
        """Move the clock; timers that come due fire on the way, in order, each run to completion."""
        cdef int64_t end_ns = self.clock.mono_ns() + delta_ns, due_ns
        cdef TimerEntry entry
        while self.timers.next_deadline() <= end_ns:
            due_ns = self.timers.next_deadline()
            self.clock.advance(max(due_ns - self.clock.mono_ns(), 0))
            self._stamp()
            self.timers.pop(due_ns, &entry)
            self.fire(entry.timer_id, entry.deadline_mono_ns, entry.kind, entry.strategy_id, entry.data)
            self.run()
        self.clock.advance(end_ns - self.clock.mono_ns())
        self._stamp()

    def fire(self, uint64_t timer_id, int64_t deadline_mono_ns, int kind, int strategy_id, int64_t data) -> int:
        """Bring a TIMER record, as the application does for a due timer; its sequence."""
        cdef RecordHeader* record = self._record(RECORD_KIND_TIMER, sizeof(TimerPayload), 0, strategy_id, 0)
        (<TimerPayload*> (record + 1))[0] = TimerPayload(timer_id, deadline_mono_ns, kind, [0, 0, 0, 0, 0, 0], data)
        return self._commit(record, self._control)

    def command(self, int command_kind, int strategy_id=0) -> int:
        """Bring a COMMAND; 0 = all strategies."""
        cdef RecordHeader* record = self._record(RECORD_KIND_COMMAND, sizeof(CommandPayload), 0, strategy_id, 0)
        memset(record + 1, 0, sizeof(CommandPayload))
        (<CommandPayload*> (record + 1)).command_kind = command_kind
        return self._commit(record, self._control)

    # -- the market ---------------------------------------------------------------------------------------------------

    def book(self, str symbol, list bids, list asks, int state=BOOK_STATE_VALID) -> int:
        """The book is now this: (price_ticks, qty_lots) lists, best first."""
        cdef uint32_t instrument_id = self._instrument(symbol)
        cdef MarketState* market = &self.tables.markets[instrument_id]
        cdef RecordHeader* record = self._record(RECORD_KIND_DEPTH_DIFF, sizeof(DepthPayload), instrument_id, 0, 0)
        self._update_id += 1
        (<DepthPayload*> (record + 1))[0] = DepthPayload(self._update_id, self._update_id, 0, self.clock.wall_ns(), 0, 0)
        market.best_bid_ticks, market.best_bid_lots = bids[0] if bids else (0, 0)
        market.best_ask_ticks, market.best_ask_lots = asks[0] if asks else (0, 0)
        market.book_state = state
        market.update_id = self._update_id
        market.generation += 1
        market.last_mono_ns = self.clock.mono_ns()
        self._book._levels[(instrument_id, 0)] = list(bids)
        self._book._levels[(instrument_id, 1)] = list(asks)
        market.last_seq = self._commit(record, self._market)
        return market.last_seq

    def trade(self, str symbol, int64_t price_ticks, int64_t qty_lots, int side=0, trade_ns=None) -> int:
        """A public trade."""
        cdef uint32_t instrument_id = self._instrument(symbol)
        cdef RecordHeader* record = self._record(RECORD_KIND_TRADE, sizeof(TradePayload), instrument_id, 0, 0)
        cdef int64_t when = self.clock.wall_ns() if trade_ns is None else trade_ns
        self._trade_id += 1
        (<TradePayload*> (record + 1))[0] = TradePayload(self._trade_id, when, when, price_ticks, qty_lots, side, 0,
                                                         [0, 0, 0, 0, 0, 0])
        self.tables.markets[instrument_id].last_trade_ticks = price_ticks
        return self._commit(record, self._market)

    def event(self, int kind, str symbol, const unsigned char[::1] payload) -> int:
        """Any other record of the market (`RecordKind` of KLINE and so on) with this payload; "" = of no one symbol."""
        cdef uint32_t instrument_id = self._instrument(symbol) if symbol else 0
        cdef RecordHeader* record = self._record(kind, <int> payload.shape[0], instrument_id, 0, 0)
        memcpy(record + 1, &payload[0], payload.shape[0])
        return self._commit(record, self._control if kind == RECORD_KIND_INSTRUMENT_UPDATE else self._market)

    # -- gate and venue -----------------------------------------------------------------------------------------------

    def intents(self) -> list:
        """Take what the strategies asked for, as dicts; orders are remembered in `asked` for the calls below."""
        cdef Descriptor* item
        cdef IntentPayload* wish
        found = []
        while True:
            item = self.intent_ring.peek()
            if item == NULL:
                return found
            wish = <IntentPayload*> (item.record + 1)
            intent = dict(wish[0], handle=item.order_handle, seq=item.record.seq, cause_seq=item.record.cause_seq,
                          strategy_id=item.strategy_id, instrument_id=item.instrument_id, cum_qty_lots=0)
            self.intent_ring.release()
            found.append(intent)
            if intent["action"] != INTENT_ACTION_CANCEL:
                self.asked[intent["handle"]] = intent

    def refuse(self, uint64_t handle, int reason, *, bint is_new_input=True) -> int:
        """The gate refuses an order, or the amend of one: in a later turn, or (not `is_new_input`) while the same input is handled."""
        cdef dict intent = self.asked.pop(handle)
        cdef RecordHeader* record = self._record(
            RECORD_KIND_VERDICT, sizeof(VerdictPayload), intent["instrument_id"], intent["strategy_id"], handle)
        memset(record + 1, 0, sizeof(VerdictPayload))
        (<VerdictPayload*> (record + 1)).reason = reason
        record.cause_seq = intent["seq"]
        input_seq = self.journal.input_seq
        seq = self._commit(record, self._refusals, 1 if intent["action"] == INTENT_ACTION_AMEND else 0)
        if not is_new_input:
            self.journal.input_seq = input_seq
        return seq

    def order_state(self, uint64_t handle, int state, int reason=0) -> int:
        """The OMS says that an order's state is this (`OrderState`)."""
        cdef dict intent = self.asked[handle] if state < ORDER_STATE_FILLED else self.asked.pop(handle)
        cdef RecordHeader* record = self._record(
            RECORD_KIND_ORDER_STATE, sizeof(OrderStatePayload), intent["instrument_id"], intent["strategy_id"], handle)
        cdef OrderStatePayload* payload = <OrderStatePayload*> (record + 1)
        memset(payload, 0, sizeof(OrderStatePayload))
        payload.state = state
        payload.previous_state = intent.get("state", 0)
        payload.reason = reason
        payload.side = intent["side"]
        payload.order_type = intent["order_type"]
        payload.time_in_force = intent["time_in_force"]
        payload.price_ticks = intent["price_ticks"]
        payload.qty_lots = intent["qty_lots"]
        payload.cum_qty_lots = intent["cum_qty_lots"]
        payload.leaves_qty_lots = payload.qty_lots - payload.cum_qty_lots if state < ORDER_STATE_FILLED else 0
        intent["state"] = state
        return self._commit(record, self._order_events)

    def accept(self, uint64_t handle) -> int:
        """The order is sent and the venue takes it."""
        self.order_state(handle, ORDER_STATE_PENDING_NEW)
        return self.order_state(handle, ORDER_STATE_NEW)

    def cancel(self, uint64_t handle) -> int:
        """The venue has cancelled the order."""
        return self.order_state(handle, ORDER_STATE_CANCELED)

    def fill(self, uint64_t handle, int64_t qty_lots, price_ticks=None, *, bint fill_first=False) -> int:
        """An execution: position, then state, then fill. `fill_first` tells the fill before the state (an OMS out of order)."""
        cdef dict intent = self.asked[handle]
        cdef int64_t price = intent["price_ticks"] if price_ticks is None else price_ticks
        cdef uint64_t seq
        cdef int state
        self._cause_seq = self.journal.last_seq
        intent["cum_qty_lots"] += qty_lots
        state = ORDER_STATE_FILLED if intent["cum_qty_lots"] >= intent["qty_lots"] else ORDER_STATE_PARTIALLY_FILLED
        self.tables.move_position(intent["instrument_id"], 0, -qty_lots if intent["side"] else qty_lots)
        if fill_first:
            seq = self._fill(handle, intent, qty_lots, price)
            self.order_state(handle, state)
            return seq
        self.order_state(handle, state)
        return self._fill(handle, intent, qty_lots, price)

    cdef uint64_t _fill(self, uint64_t handle, dict intent, int64_t qty_lots, int64_t price_ticks) except 0:
        cdef RecordHeader* record = self._record(
            RECORD_KIND_FILL, sizeof(FillPayload), intent["instrument_id"], intent["strategy_id"], handle)
        cdef FillPayload* payload = <FillPayload*> (record + 1)
        memset(payload, 0, sizeof(FillPayload))
        self._trade_id += 1
        payload.trade_id = self._trade_id
        payload.price_ticks = price_ticks
        payload.qty_lots = qty_lots
        payload.position_lots = self.tables.exposures[record.instrument_id].position_lots
        payload.side = intent["side"]
        payload.is_maker = 1
        return self._commit(record, self._order_events)

    # -- records and rings --------------------------------------------------------------------------------------------

    cdef void _stamp(self):
        self.journal.now_wall_ns = self.clock.wall_ns()
        self.journal.now_mono_ns = self.clock.mono_ns()

    cdef uint32_t _instrument(self, str symbol) except 0:
        cdef uint32_t instrument_id
        for instrument_id in range(1, self.tables.instrument_count + 1):
            if self.tables.symbol(instrument_id) == symbol:
                return instrument_id
        raise KeyError(symbol)

    cdef RecordHeader* _record(self, int kind, int size, uint32_t instrument_id, int strategy_id, uint64_t handle) except NULL:
        cdef int lane = LANE_TAPE if kind < 32 else LANE_LEDGER
        cdef RecordHeader* record = self.journal.claim(lane, kind, sizeof(RecordHeader) + size, True)
        if record == NULL:
            raise MemoryError("the rehearsal's journal is full: give it more ring_bytes")
        record.cause_seq = self._cause_seq
        record.instrument_id = instrument_id
        record.strategy_id = strategy_id
        record.order_handle = handle
        return record

    cdef uint64_t _commit(self, RecordHeader* record, Ring ring, uint16_t flags=0) except 0:
        cdef Descriptor item
        cdef uint64_t seq = self.journal.commit(record)
        self.journal.input_seq = seq
        item = Descriptor(record.kind, record.venue_id, record.account_id, record.strategy_id, record.instrument_id, 0, 0,
                          seq, seq, record.wall_ns, record.mono_ns, record.order_handle, record)
        item.flags = flags
        if not ring.push(&item):
            raise BufferError(f"ring {ring.name} is full: call run() more often")
        return seq
