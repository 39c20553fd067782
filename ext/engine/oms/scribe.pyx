"""OMS's pen: every decision becomes a ledger record at once, from the reserve if need be, and what strategies must know is pushed."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strlen
from engine.journal.journal cimport CLEARED_BYTES, Journal
from engine.model.approval cimport ApprovedOrder
from engine.model.clientid cimport CLIENT_ID_LENGTH, encode_client_id
from engine.model.codes cimport *
from engine.model.described cimport describe
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport (BalancesPayload, Conditions, FillPayload, IntentPayload, OrderStatePayload, PositionPayload, RecordHeader,
                                   StatePayload, VerdictPayload)
from engine.model.tables cimport Instrument, LineState, Tables
from engine.oms.orders cimport Order, OrderPool
from engine.oms.positions cimport PositionBook, tw_divide_half_even, tw_wide
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring


cdef class Scribe:
    """Writes ORDER_STATE, FILL, POSITION, BALANCE, TRADING_STATE, ALARM and the operators' INTENT records."""

    def __init__(self, Journal journal not None, Tables tables not None, Counters counters not None, OrderPool pool not None,
                 PositionBook positions not None, Ring order_events not None, Ring risk_events=None, uint16_t venue_id=1,
                 Ring execution_events=None):
        self.journal = journal
        self.venue_id = venue_id
        self.tables = tables
        self.counters = counters
        self.pool = pool
        self.positions = positions
        self.order_events = order_events
        self.risk_events = risk_events
        self.has_risk = risk_events is not None
        self.execution_events = execution_events
        self.has_execution = execution_events is not None

    cdef RecordHeader* _claim(self, int kind, uint32_t payload_size) noexcept nogil:
        cdef RecordHeader* record = self.journal.claim(LANE_LEDGER, kind, sizeof(RecordHeader) + payload_size, True)
        if record == NULL:
            # what cannot be written down must not go on: no new orders until a person has looked
            self.lost_records += 1
            self.tables.control.journal_reserve = 1
            return NULL
        # a claim is zeroed in its first bytes and its last word: larger ones are copied or written over in full
        if payload_size > CLEARED_BYTES - sizeof(RecordHeader):
            memset(record + 1, 0, payload_size)
        return record

    cdef void _push(self, RecordHeader* record, uint64_t order_handle, uint16_t flags) noexcept nogil:
        """`flags`: `_family`, since a strategy's cancel of everything leaves children to their parent."""
        cdef Descriptor event
        describe(&event, record)
        event.seq = event.cause_seq = record.seq
        event.wall_ns = self.journal.now_wall_ns
        event.mono_ns = self.journal.now_mono_ns
        event.order_handle = order_handle
        event.flags = flags
        self.order_events.push(&event)
        if self.has_risk:
            self.risk_events.push(&event)
        if self.has_execution:
            self.execution_events.push(&event)

    cdef uint16_t _family(self, const Order* order) noexcept nogil:
        """0: an order by itself; 1: of an instruction; 2: one that was held, under its own handle."""
        cdef uint64_t parent_handle = 0
        if self.pool.terms(order).has_conditions:
            parent_handle = self.pool.register.conditions[self.pool.slot_of(order)].parent_handle
        if parent_handle == 0:
            return 0
        return 2 if parent_handle == order.order_handle else 1

    cdef RecordHeader* order_state(self, Order* order, uint8_t previous_state, uint64_t cause_seq) noexcept nogil:
        """ORDER_STATE, and the strategy is told. NULL where the journal took no record."""
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        cdef const Instrument* instrument = &self.tables.instruments[terms.instrument_id]
        cdef OrderStatePayload* out
        cdef RecordHeader* record = self._claim(RECORD_KIND_ORDER_STATE, sizeof(OrderStatePayload))
        if record == NULL:
            return NULL
        out = <OrderStatePayload*> (record + 1)
        if order.client_order_id[0] == 0:
            encode_client_id(self.journal.engine_id, order.order_handle, order.client_order_id)
        memcpy(out.client_order_id, order.client_order_id, CLIENT_ID_LENGTH)
        out.venue_order_id = order.venue_order_id
        out.price_ticks = terms.price_ticks
        out.qty_lots = terms.qty_lots
        out.cum_qty_lots = order.booked_lots
        out.leaves_qty_lots = self.pool.leaves_lots(order)
        if order.booked_lots > 0:
            # value is 10^-16 and quantity lots of 10^-8: their ratio is the price in 10^-8
            out.average_price_e8 = <int64_t> tw_divide_half_even(
                order.filled_value_e16, <tw_wide> order.booked_lots * instrument.lot_size_e8)
        out.reason = order.reason
        out.venue_code = order.venue_code
        out.state = order.state
        out.previous_state = previous_state
        out.side = terms.side
        out.order_type = terms.order_type
        out.time_in_force = terms.time_in_force
        out.flags = terms.flags
        out.is_triggered = order.is_triggered
        out.trigger_ticks = terms.trigger_ticks
        record.position_side = terms.position_side
        record.cause_seq = cause_seq
        record.venue_id = terms.venue_id
        record.account_id = terms.account_id
        record.strategy_id = terms.strategy_id
        record.instrument_id = terms.instrument_id
        record.order_handle = order.order_handle
        order.last_seq = self.journal.commit(record)
        self._push(record, order.order_handle, self._family(order))
        return record

    cdef void fill(self, const Order* order, const FillFacts* facts, uint64_t cause_seq) noexcept nogil:
        """FILL after the position has been moved; `order` is NULL for a fill that is none of ours."""
        cdef FillPayload* out
        cdef PositionPayload position
        cdef RecordHeader* record = self._claim(RECORD_KIND_FILL, sizeof(FillPayload))
        self.counters.values[<int> COUNTER_FILLS] = self.counters.values[<int> COUNTER_FILLS] + 1
        if facts.is_external:
            self.counters.values[<int> COUNTER_EXTERNAL_FILLS] = self.counters.values[<int> COUNTER_EXTERNAL_FILLS] + 1
        if record == NULL:
            return
        out = <FillPayload*> (record + 1)
        self.positions.describe(facts.account_id, facts.instrument_id, facts.position_side, &position)
        out.trade_id = facts.trade_id
        out.price_ticks = facts.price_ticks
        out.qty_lots = facts.qty_lots
        out.commission_e8 = facts.commission_e8
        out.position_lots = position.position_lots
        out.position_cost_e8 = position.position_cost_e8
        out.realised_pnl_e8 = position.realised_pnl_e8
        out.commission_asset_id = facts.commission_asset_id
        out.side = facts.side
        out.is_maker = facts.is_maker
        out.is_external = facts.is_external
        record.cause_seq = cause_seq
        record.venue_id = facts.venue_id
        record.account_id = facts.account_id
        record.instrument_id = facts.instrument_id
        record.position_side = facts.position_side
        if order != NULL:
            record.strategy_id = self.pool.terms(order).strategy_id
            record.order_handle = order.order_handle
            if order.client_order_id[0]:
                memcpy(out.client_order_id, order.client_order_id, CLIENT_ID_LENGTH)
            else:
                encode_client_id(self.journal.engine_id, order.order_handle, out.client_order_id)
        self.journal.commit(record)
        self._push(record, record.order_handle, 0)

    cdef void position(self, uint16_t account_id, uint16_t venue_id, uint32_t instrument_id, int position_side, uint64_t cause_seq) noexcept nogil:
        cdef RecordHeader* record = self._claim(RECORD_KIND_POSITION, sizeof(PositionPayload))
        if record == NULL:
            return
        self.positions.describe(account_id, instrument_id, position_side, <PositionPayload*> (record + 1))
        record.position_side = <uint8_t> position_side
        record.cause_seq = cause_seq
        record.account_id = account_id
        record.venue_id = venue_id
        record.instrument_id = instrument_id
        self.journal.commit(record)

    cdef void balances(self, const RecordHeader* source) noexcept nogil:
        """BALANCE: what the venue said, as the engine took it over."""
        cdef uint32_t size = source.length - sizeof(RecordHeader)
        cdef RecordHeader* record = self._claim(RECORD_KIND_BALANCE, size)
        if record == NULL:
            return
        memcpy(record + 1, source + 1, size)
        record.cause_seq = source.seq
        record.account_id = source.account_id
        record.venue_id = source.venue_id
        self.journal.commit(record)

    cdef void trading_state(self, uint16_t previous, uint64_t cause_seq) noexcept nogil:
        cdef RecordHeader* record = self._claim(RECORD_KIND_TRADING_STATE, sizeof(StatePayload))
        cdef StatePayload* out
        cdef const LineState* line = &self.tables.lines[self.venue_id]
        self.counters.values[<int> COUNTER_TRADING_STATE] = self.tables.lines[0].trading_state
        self.counters.values[<int> COUNTER_HALT_REASON] = self.tables.lines[0].halt_reason
        if record == NULL:
            return
        out = <StatePayload*> (record + 1)
        out.state = line.trading_state
        out.previous_state = previous
        out.reason = line.halt_reason
        record.cause_seq = cause_seq
        record.venue_id = record.account_id = self.venue_id
        self.journal.commit(record)

    cdef void alarm(self, uint16_t code, uint32_t instrument_id, uint64_t order_handle, int64_t detail,
                    const char* text, uint64_t cause_seq) noexcept nogil:
        cdef uint32_t size = <uint32_t> strlen(text)
        cdef RecordHeader* record = self._claim(RECORD_KIND_ALARM, (sizeof(StatePayload) + size + 7) & ~<uint32_t> 7)
        cdef StatePayload* out
        self.counters.values[<int> COUNTER_ALARMS] = self.counters.values[<int> COUNTER_ALARMS] + 1
        if record == NULL:
            return
        out = <StatePayload*> (record + 1)
        out.state = code
        out.reason = code
        out.detail = detail
        memcpy(out + 1, text, size)
        record.cause_seq = cause_seq
        record.venue_id = self.venue_id
        record.instrument_id = instrument_id
        record.order_handle = order_handle
        self.journal.commit(record)

    cdef RecordHeader* intent(self, const IntentPayload* wanted, const Conditions* conditions, uint16_t account_id, uint16_t venue_id,
                              uint32_t instrument_id, uint16_t strategy_id, uint64_t order_handle, uint64_t cause_seq) noexcept nogil:
        """An operator's intent, on its way to the gate like any other."""
        cdef IntentPayload* out
        cdef RecordHeader* record = self._claim(RECORD_KIND_INTENT, sizeof(IntentPayload) + (sizeof(Conditions) if conditions != NULL else 0))
        if record == NULL:
            return NULL
        out = <IntentPayload*> (record + 1)
        out[0] = wanted[0]
        out.has_conditions = conditions != NULL
        if conditions != NULL:
            (<Conditions*> (out + 1))[0] = conditions[0]
        record.strategy_id = strategy_id
        record.position_side = wanted.position_side
        record.cause_seq = cause_seq
        record.account_id = account_id
        record.venue_id = venue_id
        record.instrument_id = instrument_id
        record.order_handle = order_handle
        self.journal.commit(record)
        return record

    cdef void refusal(self, const RecordHeader* intent, uint16_t reason) noexcept nogil:
        """The verdict on an operator's intent that never reached the gate."""
        cdef RecordHeader* record = self._claim(RECORD_KIND_VERDICT, sizeof(VerdictPayload))
        self.counters.values[<int> COUNTER_REFUSED] = self.counters.values[<int> COUNTER_REFUSED] + 1
        if record == NULL:
            return
        (<VerdictPayload*> (record + 1)).reason = reason
        record.cause_seq = intent.seq
        record.account_id = intent.account_id
        record.venue_id = intent.venue_id
        record.instrument_id = intent.instrument_id
        record.order_handle = intent.order_handle
        self.journal.commit(record)
