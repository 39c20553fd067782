"""A market made by hand and a mouth for intents: benches and differential tests drive the gate with them, at C speed.

Nothing here can approve: an intent offered here goes through a gate like any other. What is spent here is not sent.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.bookreader cimport BookReader, tw_wide_sum
from engine.model.codes cimport LANE_LEDGER, RECORD_KIND_INTENT
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport Conditions, IntentPayload, Level, RecordHeader
from engine.model.tables cimport Exposure, MarketState, Tables
from engine.risk.gate cimport RiskGate
from engine.runtime.ring cimport Ring


cdef class FixedBook(BookReader):
    """The same levels for every instrument: `levels[side]` is a list of (price_ticks, qty_lots), best first."""
    cdef Level[2][16] _levels
    cdef int[2] _counts

    def set_side(self, int side, levels) -> None:
        """Replace one side (0 bid, 1 ask); at most 16 levels."""
        if side not in (0, 1) or len(levels) > 16:
            raise ValueError("side 0 or 1, at most 16 levels")
        self._counts[side] = len(levels)
        for i, (price_ticks, qty_lots) in enumerate(levels):
            self._levels[side][<int> i].price_ticks = price_ticks
            self._levels[side][<int> i].qty_lots = qty_lots

    cdef int read_levels(self, uint32_t instrument_id, int side, int depth, Level* out) noexcept nogil:
        cdef int i, count = min(depth, self._counts[side])
        for i in range(count):
            out[i] = self._levels[side][i]
        return count


def walk(BookReader reader not None, uint32_t instrument_id, int side, int64_t qty_lots) -> tuple:
    """Take lots as the gate does, of a book whose sum is below 2^64: (ticks x lots, lots not held, last price reached or 0)."""
    cdef int64_t worst_ticks = 0
    cdef tw_wide_sum value = reader.walk(instrument_id, side, &qty_lots, &worst_ticks)
    return <uint64_t> value, qty_lots, worst_ticks


def set_market(Tables tables not None, uint32_t instrument_id, *, int book_state, int64_t bid_ticks, int64_t ask_ticks,
               int64_t bid_lots=1, int64_t ask_lots=1, int64_t last_ticks=0, int64_t last_mono_ns=0, int64_t mark_e8=0,
               int64_t index_e8=0) -> None:
    """Write one row of market state, as the book stage would."""
    tables._check(instrument_id)
    cdef MarketState* row = &tables.markets[instrument_id]
    row.book_state = book_state
    row.best_bid_ticks = bid_ticks
    row.best_bid_lots = bid_lots
    row.best_ask_ticks = ask_ticks
    row.best_ask_lots = ask_lots
    row.last_trade_ticks = last_ticks
    row.last_mono_ns = last_mono_ns
    row.mark_e8 = mark_e8
    row.index_e8 = index_e8
    row.generation += 1
    tables.note_market(instrument_id)


def offer_record(Journal journal not None, Ring ring not None, int kind, bytes payload, *, int venue_id=1, int account_id=1,
                 int strategy_id=0, uint32_t instrument_id=0, uint64_t order_handle=0) -> bool:
    """Commit a ledger record and push its descriptor, as the stage before would."""
    cdef Descriptor item
    cdef uint32_t size = sizeof(RecordHeader) + <uint32_t> len(payload)
    cdef RecordHeader* record = journal.claim(LANE_LEDGER, kind, size + 8, True)
    if record == NULL:
        raise MemoryError("the journal is full")
    memcpy(<char*> (record + 1), <const char*> payload, len(payload))
    journal.shrink(record, size)
    record.venue_id, record.account_id, record.strategy_id, record.instrument_id = venue_id, account_id, strategy_id, instrument_id
    record.order_handle = order_handle
    journal.commit(record)
    memset(&item, 0, sizeof(Descriptor))
    item.kind = kind
    item.venue_id, item.account_id, item.strategy_id, item.instrument_id = venue_id, account_id, strategy_id, instrument_id
    item.order_handle = order_handle
    item.record = record
    item.seq = item.cause_seq = record.seq
    return ring.push(&item)


def set_exposure(Tables tables not None, uint32_t instrument_id, *, int64_t position_lots=0, int64_t working_buy_lots=0,
                 int64_t working_sell_lots=0, int open_orders=0, int position_side=0) -> None:
    """Write one row of exposure: differential tests of the gate alone."""
    tables._check(instrument_id)
    cdef Exposure* row = tables.exposure_row(instrument_id, position_side)
    row.position_lots = position_lots
    row.working_buy_lots = working_buy_lots
    row.working_sell_lots = working_sell_lots
    tables.touch_exposure(instrument_id, position_side)
    tables.move_open_orders(instrument_id, position_side, 0, open_orders - row.open_orders)


def set_strategy(Tables tables not None, uint16_t strategy_id, *, bint enabled=True, bint paused=False) -> None:
    """Write one strategy's switches."""
    if not 0 < strategy_id < 64:
        raise IndexError(strategy_id)
    tables.strategies[strategy_id].enabled = enabled
    tables.strategies[strategy_id].paused = paused


def set_trading(Tables tables not None, uint32_t instrument_id, bint is_trading) -> None:
    """Switch an instrument's trading status, as reference data would."""
    tables._check(instrument_id)
    tables.instruments[instrument_id].is_trading = is_trading


def offer_intent(Journal journal not None, Ring ring not None, *, uint64_t order_handle, uint32_t instrument_id, int action=0,
                 int side=0, int64_t price_ticks=0, int64_t qty_lots=0, int order_type=0, int time_in_force=0, int flags=0,
                 uint64_t target_handle=0, int strategy_id=1, int account_id=1, int venue_id=1, int64_t trigger_ticks=0,
                 int64_t expire_ns=0, int position_side=0, **conditions) -> int:
    """Journal an intent and push it, as a strategy's runner does; returns its sequence. RuntimeError where there is no room.

    `conditions`: fields of Conditions; with any of them they stand behind the intent.
    """
    cdef IntentPayload wish = IntentPayload(action, side, order_type, time_in_force, flags, position_side, len(conditions) != 0,
                                            price_ticks, qty_lots, trigger_ticks, expire_ns, target_handle)
    cdef Conditions more
    memset(&more, 0, sizeof(Conditions))
    if conditions:
        more.parent_handle = conditions.pop("parent_handle", 0)
        more.list_handle = conditions.pop("list_handle", 0)
        more.display_lots = conditions.pop("display_lots", 0)
        more.activation_ticks = conditions.pop("activation_ticks", 0)
        more.trail_amount = conditions.pop("trail_amount", 0)
        more.limit_offset_ticks = conditions.pop("limit_offset_ticks", 0)
        more.trail_kind = conditions.pop("trail_kind", 0)
        more.trigger_source = conditions.pop("trigger_source", 0)
        more.contingency = conditions.pop("contingency", 0)
        more.list_size = conditions.pop("list_size", 0)
        more.list_index = conditions.pop("list_index", 0)
        more.is_exit = conditions.pop("is_exit", 0)
    if conditions:
        raise TypeError(f"an intent has no {', '.join(conditions)}")
    return offer(journal, ring, &wish, &more if wish.has_conditions else NULL, order_handle, instrument_id, strategy_id, account_id, venue_id)


cdef uint64_t offer(Journal journal, Ring ring, const IntentPayload* wish, const Conditions* more, uint64_t order_handle, uint32_t instrument_id,
                    uint16_t strategy_id, uint16_t account_id, uint16_t venue_id) except 0:
    cdef Descriptor item
    cdef RecordHeader* record = journal.claim(LANE_LEDGER, RECORD_KIND_INTENT, sizeof(RecordHeader) + sizeof(IntentPayload) + (
        sizeof(Conditions) if more != NULL else 0), True)
    if record == NULL:
        raise RuntimeError("the ledger's front has no room")
    (<IntentPayload*> (record + 1))[0] = wish[0]
    if more != NULL:
        (<Conditions*> (<IntentPayload*> (record + 1) + 1))[0] = more[0]
    record.cause_seq = journal.input_seq
    record.venue_id = venue_id
    record.account_id = account_id
    record.strategy_id = strategy_id
    record.instrument_id = instrument_id
    record.order_handle = order_handle
    journal.commit(record)
    memset(&item, 0, sizeof(Descriptor))
    item.kind = RECORD_KIND_INTENT
    item.venue_id = venue_id
    item.account_id = account_id
    item.strategy_id = strategy_id
    item.instrument_id = instrument_id
    item.seq = item.cause_seq = record.seq
    item.wall_ns = journal.now_wall_ns
    item.mono_ns = journal.now_mono_ns
    item.order_handle = order_handle
    item.record = record
    if not ring.push(&item):
        raise RuntimeError(f"ring {ring.name} is full")
    return record.seq


def spend(ApprovalRegister register not None, uint32_t slot, uint64_t nonce, uint64_t order_handle) -> bool:
    """Try to spend an approval as an order session would, without sending anything; was it the one that was issued, and unspent."""
    return register.consume(slot, nonce, order_handle) == 1


def time_gate(RiskGate gate not None, *, uint64_t order_handle, uint32_t instrument_id, int side, int64_t price_ticks, int64_t qty_lots,
              int order_type=0, int time_in_force=0, int strategy_id=1, int rounds=1, int intents=32) -> list:
    """Nanoseconds an intent, one number a round: `intents` wait, each a lot smaller, and the gate answers them all (benchmarks).

    Between rounds every approved order ends, as if it had never left. RuntimeError where one is refused: the path was another one.
    """
    cdef IntentPayload wish = IntentPayload(0, side, order_type, time_in_force, 0, 0, 0, price_ticks, qty_lots, 0, 0, 0)
    cdef int64_t began_ns, ended_ns
    cdef int i
    found = []
    for _ in range(rounds):
        gate.journal.now_mono_ns = gate.clock.begin_ns()
        gate.tables.markets[instrument_id].last_mono_ns = gate.journal.now_mono_ns
        for i in range(intents):
            wish.qty_lots = qty_lots - i
            offer(gate.journal, gate.intents, &wish, NULL, order_handle, instrument_id, strategy_id, 1, 1)
            order_handle += 1
        began_ns = gate.clock.mono_ns()
        gate.do_work()
        ended_ns = gate.clock.mono_ns()
        if end_approved(gate) != intents:
            raise RuntimeError(f"the gate refused: reason {gate.reason}, value {gate.value}, limit {gate.limit_value}")
        found.append((ended_ns - began_ns) / intents)
    return found


cdef int end_approved(RiskGate gate) noexcept:
    """Take the approvals from the ring and undo what they reserved; how many there were."""
    cdef ApprovalRegister register = gate.register
    cdef const ApprovedOrder* order
    cdef int done = 0
    while gate.approvals.peek() != NULL:
        order = register.find(gate.approvals.peek().order_handle)
        gate.tables.move_working(order.instrument_id, order.position_side, order.strategy_id, order.side, -order.reserved_lots)
        gate.tables.move_open_orders(order.instrument_id, order.position_side, order.strategy_id, -1)
        register.promised_e8[order.promised_asset_id] = register.promised_e8[order.promised_asset_id] - order.promised_e8
        register.close(register.index_of(order))
        gate.approvals.release()
        done += 1
    return done


def decide(RiskGate gate not None, *, uint64_t order_handle, uint32_t instrument_id, int side, int64_t price_ticks, int64_t qty_lots,
           int order_type=0, int flags=0, int strategy_id=1) -> int:
    """The gate's answer to one intent, as a Reason; what it approved stays reserved and the rings are left empty (differential tests)."""
    cdef IntentPayload wish = IntentPayload(0, side, order_type, 0, flags, 0, 0, price_ticks, qty_lots, 0, 0, 0)
    offer(gate.journal, gate.intents, &wish, NULL, order_handle, instrument_id, strategy_id, 1, 1)
    return answer(gate)


def answer(RiskGate gate not None) -> int:
    """The gate's answer to the one intent that waits, whoever's, as a Reason; else as `decide`."""
    if gate.do_work() != 1:
        raise RuntimeError("not one intent waits")
    empty(gate.approvals)
    empty(gate.refusals)
    empty(gate.child_refusals)
    return gate.reason


def empty(Ring ring not None) -> int:
    """Take what waits in a ring; how much it was."""
    cdef int done = 0
    while ring.peek() != NULL:
        ring.release()
        done += 1
    return done


def end_order(RiskGate gate not None, uint64_t order_handle, int64_t filled_lots=0) -> None:
    """An approved order ends after so many lots, as OMS would have it: what it reserved is free again, what filled is a position."""
    cdef ApprovedOrder* order = gate.register.find(order_handle)
    cdef int64_t signed_lots
    if order == NULL:
        raise KeyError(order_handle)
    signed_lots = filled_lots if order.side == 0 else -filled_lots
    gate.tables.move_working(order.instrument_id, order.position_side, order.strategy_id, order.side, -order.reserved_lots)
    gate.tables.move_open_orders(order.instrument_id, order.position_side, order.strategy_id, -1)
    gate.register.promised_e8[order.promised_asset_id] = gate.register.promised_e8[order.promised_asset_id] - order.promised_e8
    if filled_lots:
        gate.tables.move_position(order.instrument_id, order.position_side, signed_lots)
        gate.tables.move_strategy_position(order.instrument_id, order.position_side, order.strategy_id, signed_lots)
        gate.tables.note_execution(order.instrument_id, order.strategy_id, gate.journal.now_mono_ns)
    gate.register.close(gate.register.index_of(order))
