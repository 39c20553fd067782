"""The risk gate: the only maker of approvals.

Checks run from the cheapest and most general to the dearest. Each returns 1 to pass and 0 to refuse, so that a fault which
swallows a return value refuses. Quantities in lots, prices in ticks, money in 10^-8 of the quote asset; sums that could pass
64 bits are made in 128.

Exposure is counted at once: an approval adds its size to `working_*_lots`, its order to the open orders and its cost to what is
promised before the next intent is looked at. A replace counts in full beside what is left of the old order: the two never work side by
side (cancelReplaceMode STOP_ON_FAILURE), but the old one may fill before it is cancelled, and the new one then fills as well. Only
the money promised counts once: a spot venue takes no order that its balance does not cover.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from engine.journal.journal cimport Journal
from engine.model.approval cimport SLOT_CLOSED, SLOT_FREE, ApprovalRegister, ApprovedOrder
from engine.model.bookreader cimport BookReader
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.native cimport is_conditional, is_priced, native_reason
from engine.model.records cimport Conditions, IntentPayload, Level, RecordHeader, VerdictPayload
from engine.model.tables cimport Exposure, Instrument, InstrumentLimits, MarketState, Tables
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef extern from *:
    """
    typedef __int128 tw_wide;
    /* a + b + c compared with a limit, exactly */
    static inline int tw_sum_above(int64_t a, int64_t b, int64_t c, int64_t limit) {
        return (tw_wide)a + b + c > (tw_wide)limit;
    }
    static inline int64_t tw_sum_clamped(int64_t a, int64_t b, int64_t c) {
        tw_wide sum = (tw_wide)a + b + c;
        if (sum > INT64_MAX) return INT64_MAX;
        if (sum < -INT64_MAX) return -INT64_MAX;
        return (int64_t)sum;
    }
    /* |2 price - (bid + ask)| in basis points of (bid + ask), rounded up, clamped */
    static inline int64_t tw_distance_bps(int64_t price, int64_t bid, int64_t ask) {
        tw_wide twice = (tw_wide)bid + ask, gap = 2 * (tw_wide)price - twice, bps;
        if (twice <= 0) return INT64_MAX;
        if (gap < 0) gap = -gap;
        if (twice < (int64_t)1 << 62 && gap < (int64_t)1 << 48) return ((int64_t)gap * 10000 + (int64_t)twice - 1) / (int64_t)twice;
        bps = (gap * 10000 + twice - 1) / twice;
        return bps > INT64_MAX ? INT64_MAX : (int64_t)bps;
    }
    static inline int64_t tw_scaled(int64_t count, int64_t size) {
        tw_wide product = (tw_wide)count * size;
        return product > INT64_MAX ? INT64_MAX : (int64_t)product;
    }
    /* tokens (x 10^9) after dt nanoseconds at `rate` a second, at most `burst` whole ones */
    static inline int64_t tw_refill(int64_t tokens_e9, int64_t dt_ns, int64_t rate_per_s, int64_t burst) {
        tw_wide sum = (tw_wide)tokens_e9 + (tw_wide)dt_ns * rate_per_s, most = (tw_wide)burst * 1000000000;
        if (sum > most) sum = most;
        return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
    }
    """
    int tw_sum_above(int64_t, int64_t, int64_t, int64_t) noexcept nogil
    int64_t tw_sum_clamped(int64_t, int64_t, int64_t) noexcept nogil
    int64_t tw_distance_bps(int64_t, int64_t, int64_t) noexcept nogil
    int64_t tw_scaled(int64_t, int64_t) noexcept nogil
    int64_t tw_refill(int64_t, int64_t, int64_t, int64_t) noexcept nogil

cdef enum:
    INTENTS_PER_POLL = 64
    LEVELS_WALKED = 10
    TOKEN_E9 = 1000000000


cdef class RiskGate(Actor):
    """Intents in; approvals (to OMS) and refusals (to strategies) out.

    `books` gives depth for market orders. One gate per register: a second one raises RuntimeError.
    """

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None,
                 ApprovalRegister register not None, BookReader books not None, Clock clock not None, *,
                 Ring intents not None, Ring manual_intents not None, Ring approvals not None, Ring refusals not None,
                 Ring child_intents=None, Ring child_refusals=None):
        super().__init__(name)
        register.take_issuer()
        self.journal = journal
        self.tables = tables
        self.counters = counters
        self.register = register
        self.books = books
        self.clock = clock
        self.intents = intents
        self.manual_intents = manual_intents
        self.approvals = approvals
        self.refusals = refusals
        self.child_intents = child_intents if child_intents is not None else Ring(f"{name}.child_intents", 2)
        self.child_refusals = child_refusals if child_refusals is not None else Ring(f"{name}.child_refusals", 2)

    cdef int do_work(self) except -1:
        # operators first: a flatten is not to wait behind a runaway strategy; then what protects and works parents' orders
        return (self._drain(<void*> self.manual_intents, <void*> self.refusals, 0)
                + self._drain(<void*> self.child_intents, <void*> self.child_refusals, 1)
                + self._drain(<void*> self.intents, <void*> self.refusals, 0))

    cdef int _drain(self, void* ring, void* refusals, uint8_t is_child) noexcept nogil:
        """Answer what waits in one of our rings, which are handed on without counting a reference."""
        cdef int done = 0
        cdef Descriptor* item
        while done < INTENTS_PER_POLL:
            item = (<Ring> ring).peek()
            # no answer may be lost: without room for it the intent waits where it is
            if item == NULL or (<Ring> refusals).depth() >= (<Ring> refusals).capacity:
                break
            if not self._decide(item, refusals, is_child):
                break
            (<Ring> ring).release()
            done += 1
        return done

    cdef int _decide(self, const Descriptor* item, void* refusals, uint8_t is_child) noexcept nogil:
        """1: answered; 0: no room for the answer, try again."""
        cdef Check check
        cdef RecordHeader* record
        cdef const IntentPayload* intent = <const IntentPayload*> (item.record + 1)
        if item.record == NULL or item.kind != RECORD_KIND_INTENT:
            return 1  # nothing that could be sent: a descriptor without an intent is dropped
        if intent.action == INTENT_ACTION_CANCEL or intent.action == INTENT_ACTION_AMEND:
            return self._forward_cancel(item)
        self.counters.values[<int> COUNTER_INTENTS] = self.counters.values[<int> COUNTER_INTENTS] + 1
        memset(&check, 0, sizeof(Check))
        check.intent = intent
        check.handle = item.order_handle
        check.strategy_id = item.strategy_id
        check.is_child = is_child
        check.refusals = refusals
        self.reason = REASON_INTERNAL
        self.value = 0
        self.limit_value = 0
        if self._check(item, &check):
            record = self.journal.claim(LANE_LEDGER, RECORD_KIND_VERDICT, sizeof(RecordHeader) + sizeof(VerdictPayload), False)
            if record != NULL:
                self._approve(item, &check, record)
                return 1
            self._refuse(REASON_JOURNAL_FULL, 0, 0)
        self._reject(item, refusals)
        return 1

    cdef int _forward_cancel(self, const Descriptor* item) noexcept nogil:
        """Cancels need neither approval nor rate token: they pass with data = 0."""
        cdef Descriptor forward = item[0]
        cdef const IntentPayload* intent = <const IntentPayload*> (item.record + 1)
        forward.data = 0
        if intent.target_handle:
            forward.order_handle = intent.target_handle
        return 1 if self.approvals.push(&forward) else 0

    cdef int _refuse(self, uint16_t reason, int64_t value, int64_t limit_value) noexcept nogil:
        self.reason = reason
        self.value = value
        self.limit_value = limit_value
        return 0

    cdef int _check(self, const Descriptor* item, Check* check) noexcept nogil:
        """Every check in its order; the first that refuses names the reason."""
        if not self._check_engine():
            return 0
        if not self._check_strategy(check):
            return 0
        if not self._check_instrument(item, check):
            return 0
        if not self._check_target(item, check):
            return 0
        if not self._check_type(check):
            return 0
        if not self._check_size(check):
            return 0
        if not self._check_book(check):
            return 0
        if not self._check_price(check):
            return 0
        if not self._check_notional(check):
            return 0
        if not self._check_reducing(check):
            return 0
        if not self._check_position(check):
            return 0
        if not self._check_open_orders(check):
            return 0
        if not self._check_balance(check):
            return 0
        return self._check_rate()

    cdef int _check_engine(self) noexcept nogil:
        if self.tables.control.kill:
            return self._refuse(REASON_HALTED, HALT_REASON_KILL, 0)
        if self.tables.control.stopping:
            return self._refuse(REASON_HALTED, HALT_REASON_STOPPING, 0)
        if self.tables.control.trading_state != TRADING_STATE_ACTIVE and self.tables.control.trading_state != TRADING_STATE_REDUCING:
            return self._refuse(REASON_HALTED, self.tables.control.halt_reason, 0)
        if self.tables.control.journal_reserve or self.journal.nearly_full():
            return self._refuse(REASON_JOURNAL_FULL, 0, 0)
        if self.approvals.depth() >= self.approvals.capacity:
            return self._refuse(REASON_RING_FULL, <int64_t> self.approvals.depth(), <int64_t> self.approvals.capacity)
        if not self.register.has_room():
            return self._refuse(REASON_ORDER_POOL_FULL, self.register.open_orders, self.register.capacity)
        return 1

    cdef int _check_strategy(self, Check* check) noexcept nogil:
        # strategy 0 is the operator
        if check.strategy_id == 0:
            return 1
        if check.strategy_id >= 64:
            return self._refuse(REASON_STRATEGY_DISABLED, check.strategy_id, 63)
        if not self.tables.strategies[check.strategy_id].enabled or self.register.strategy_halts[check.strategy_id]:
            return self._refuse(REASON_STRATEGY_DISABLED, check.strategy_id, 0)
        if self.tables.strategies[check.strategy_id].paused:
            return self._refuse(REASON_STRATEGY_PAUSED, check.strategy_id, 0)
        return 1

    cdef int _check_instrument(self, const Descriptor* item, Check* check) noexcept nogil:
        cdef uint32_t row = item.instrument_id
        if row == 0 or row > self.tables.instrument_count:
            return self._refuse(REASON_UNKNOWN_INSTRUMENT, row, self.tables.instrument_count)
        check.instrument = &self.tables.instruments[row]
        check.market = &self.tables.markets[row]
        if check.intent.position_side > 2:
            return self._refuse(REASON_POSITION_SIDE, check.intent.position_side, 2)
        check.exposure = &self.tables.exposures[<uint32_t> check.intent.position_side * 512 + row]
        check.limits = &self.tables.limits[row]
        if not check.instrument.is_trading:
            return self._refuse(REASON_INSTRUMENT_NOT_TRADING, row, 0)
        if self.register.instrument_halts[row]:
            return self._refuse(REASON_HALTED, self.register.instrument_halts[row], row)
        if not check.limits.is_set:
            # there are no default limits: an instrument without them is not armed
            return self._refuse(REASON_NOT_ARMED, row, 0)
        return 1

    cdef int _check_target(self, const Descriptor* item, Check* check) noexcept nogil:
        cdef ApprovedOrder* target
        if check.handle == 0 or self.register.find(check.handle) != NULL:
            return self._refuse(REASON_DUPLICATE, <uint32_t> check.handle, 0)
        if check.intent.action == INTENT_ACTION_SUBMIT:
            return 1
        if check.intent.action != INTENT_ACTION_REPLACE:
            return self._refuse(REASON_UNSUPPORTED, check.intent.action, 0)
        target = self.register.find(check.intent.target_handle)
        if target == NULL:
            return self._refuse(REASON_UNKNOWN_ORDER, <uint32_t> check.intent.target_handle, 0)
        if target.state == SLOT_FREE or target.state == SLOT_CLOSED or target.is_busy:
            return self._refuse(REASON_ORDER_NOT_OPEN, target.state, 0)
        if target.instrument_id != item.instrument_id or target.side != check.intent.side:
            return self._refuse(REASON_UNKNOWN_ORDER, target.instrument_id, item.instrument_id)
        if check.strategy_id != 0 and target.strategy_id != check.strategy_id:
            return self._refuse(REASON_UNKNOWN_ORDER, target.strategy_id, check.strategy_id)
        check.target = target
        return 1

    cdef int _check_type(self, Check* check) noexcept nogil:
        cdef const IntentPayload* intent = check.intent
        cdef bint post_only = (intent.flags & ORDER_FLAG_POST_ONLY) != 0
        if intent.side > SIDE_SELL:
            return self._refuse(REASON_UNSUPPORTED, intent.side, SIDE_SELL)
        if native_reason(check.instrument, intent, <const Conditions*> (intent + 1) if intent.has_conditions else NULL, self.journal.now_wall_ns):
            return self._refuse(REASON_UNSUPPORTED, intent.order_type, check.instrument.native_order_types)
        if intent.flags & ~(ORDER_FLAG_POST_ONLY | ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION):
            return self._refuse(REASON_UNSUPPORTED, intent.flags, ORDER_FLAG_POST_ONLY | ORDER_FLAG_REDUCE_ONLY)
        if is_conditional(intent.order_type) and intent.trigger_ticks <= 0 and not intent.has_conditions:
            return self._refuse(REASON_TRIGGER_PRICE, intent.trigger_ticks, 0)
        if post_only and (intent.order_type != ORDER_TYPE_LIMIT or (intent.time_in_force != TIME_IN_FORCE_GTC and intent.time_in_force != TIME_IN_FORCE_GTD)):
            return self._refuse(REASON_UNSUPPORTED, intent.flags, 0)
        if check.target != NULL and intent.order_type == ORDER_TYPE_MARKET:
            return self._refuse(REASON_UNSUPPORTED, intent.order_type, 0)
        return 1

    cdef int _check_size(self, Check* check) noexcept nogil:
        cdef int64_t qty_lots = check.intent.qty_lots
        if check.intent.flags & ORDER_FLAG_CLOSE_POSITION:
            return 1 if qty_lots == 0 else self._refuse(REASON_QTY_ABOVE_MAX, qty_lots, 0)
        if qty_lots <= 0:
            return self._refuse(REASON_QTY_NOT_POSITIVE, qty_lots, 0)
        if qty_lots < check.instrument.min_qty_lots:
            return self._refuse(REASON_QTY_BELOW_MIN, qty_lots, check.instrument.min_qty_lots)
        if qty_lots > check.instrument.max_qty_lots:
            return self._refuse(REASON_QTY_ABOVE_MAX, qty_lots, check.instrument.max_qty_lots)
        if qty_lots > check.limits.max_order_qty_lots:
            return self._refuse(REASON_QTY_ABOVE_MAX, qty_lots, check.limits.max_order_qty_lots)
        check.added_lots = qty_lots
        return 1

    cdef int _check_book(self, Check* check) noexcept nogil:
        cdef int64_t age_ns = self.journal.now_mono_ns - check.market.last_mono_ns
        if check.market.book_state == BOOK_STATE_STALE:
            return self._refuse(REASON_STALE, age_ns, self.tables.engine_limits.stale_after_ns)
        if check.market.book_state != BOOK_STATE_VALID:
            return self._refuse(REASON_BOOK_INVALID, check.market.book_state, BOOK_STATE_VALID)
        if not age_ns <= self.tables.engine_limits.stale_after_ns:
            return self._refuse(REASON_STALE, age_ns, self.tables.engine_limits.stale_after_ns)
        return 1

    cdef int _check_price(self, Check* check) noexcept nogil:
        cdef int64_t price_ticks = check.intent.price_ticks
        if check.intent.order_type == ORDER_TYPE_MARKET:
            return self._check_market_price(check)
        if is_conditional(check.intent.order_type):
            check.price_ticks = max(check.intent.trigger_ticks, price_ticks)
            if check.price_ticks <= 0:
                check.price_ticks = check.market.best_ask_ticks
            return 1
        if price_ticks <= 0:
            return self._refuse(REASON_PRICE_NOT_POSITIVE, price_ticks, 0)
        if price_ticks < check.instrument.min_price_ticks:
            return self._refuse(REASON_PRICE_COLLAR, price_ticks, check.instrument.min_price_ticks)
        if price_ticks > check.instrument.max_price_ticks:
            return self._refuse(REASON_PRICE_COLLAR, price_ticks, check.instrument.max_price_ticks)
        check.price_ticks = price_ticks
        if check.intent.flags & ORDER_FLAG_POST_ONLY:
            if check.intent.side == SIDE_BUY and 0 < check.market.best_ask_ticks <= price_ticks:
                return self._refuse(REASON_WOULD_CROSS, price_ticks, check.market.best_ask_ticks)
            if check.intent.side == SIDE_SELL and price_ticks <= check.market.best_bid_ticks:
                return self._refuse(REASON_WOULD_CROSS, price_ticks, check.market.best_bid_ticks)
        return self._within_collar(check, price_ticks)

    cdef int _check_market_price(self, Check* check) noexcept nogil:
        """The worst of the first ten levels that the order reaches must lie within the collar, and they must hold it all."""
        cdef Level[LEVELS_WALKED] levels
        cdef int64_t left_lots = check.intent.qty_lots
        cdef int i, count, opposite = 1 if check.intent.side == SIDE_BUY else 0
        count = self.books.read_levels(check.instrument.instrument_id, opposite, LEVELS_WALKED, levels)
        for i in range(count):
            check.price_ticks = levels[i].price_ticks
            left_lots -= min(left_lots, levels[i].qty_lots)
            if left_lots == 0:
                break
        if left_lots > 0 or check.price_ticks <= 0:
            return self._refuse(REASON_PRICE_COLLAR, left_lots, 0)
        return self._within_collar(check, check.price_ticks)

    cdef int _within_collar(self, Check* check, int64_t price_ticks) noexcept nogil:
        """Distance from the mid, or from the last trade where a side is empty, in basis points rounded up."""
        cdef int64_t bid_ticks = check.market.best_bid_ticks
        cdef int64_t ask_ticks = check.market.best_ask_ticks
        cdef int64_t distance_bps
        if bid_ticks <= 0 or ask_ticks <= 0:
            bid_ticks = ask_ticks = check.market.last_trade_ticks
        check.exposure.reference_ticks = bid_ticks + (ask_ticks - bid_ticks) // 2
        distance_bps = tw_distance_bps(price_ticks, bid_ticks, ask_ticks)
        # INT64_MAX: no reference price, or a distance that does not fit - no collar admits it
        if distance_bps == INT64_MAX or distance_bps > check.limits.price_collar_bps:
            return self._refuse(REASON_PRICE_COLLAR, distance_bps, check.limits.price_collar_bps)
        return 1

    cdef int _check_notional(self, Check* check) noexcept nogil:
        cdef int64_t notional_e8 = self.tables.notional_e8(check.instrument.instrument_id, check.price_ticks, check.intent.qty_lots)
        check.notional_e8 = notional_e8
        if check.intent.flags & ORDER_FLAG_CLOSE_POSITION:
            return 1
        # futures: the venue lets a reduce-only order be as small as the position it closes
        if notional_e8 < check.instrument.min_notional_e8 and not (
                check.instrument.kind != 0 and check.intent.flags & ORDER_FLAG_REDUCE_ONLY):
            return self._refuse(REASON_NOTIONAL_BELOW_MIN, notional_e8, check.instrument.min_notional_e8)
        # INT64_MAX stands for "does not fit": no limit admits it
        if notional_e8 == INT64_MAX or notional_e8 > check.instrument.max_notional_e8:
            return self._refuse(REASON_NOTIONAL_ABOVE_MAX, notional_e8, check.instrument.max_notional_e8)
        if notional_e8 > check.limits.max_order_notional_e8:
            return self._refuse(REASON_NOTIONAL_ABOVE_MAX, notional_e8, check.limits.max_order_notional_e8)
        return 1

    cdef int _check_reducing(self, Check* check) noexcept nogil:
        """REDUCING and reduce-only: with all that works on its side the order may close the position, not turn it."""
        cdef int64_t open_lots = check.exposure.position_lots
        cdef int64_t working_lots = check.exposure.working_sell_lots
        cdef int64_t replaced_lots = 0
        if self.tables.control.trading_state == TRADING_STATE_ACTIVE and not check.intent.flags & ORDER_FLAG_REDUCE_ONLY:
            return 1
        if check.intent.side == SIDE_BUY:
            open_lots = -open_lots
            working_lots = check.exposure.working_buy_lots
        if check.target != NULL and check.instrument.kind != 0 and check.intent.flags & ORDER_FLAG_REDUCE_ONLY:
            # the venue cuts a reduce-only order to the position that is left: both in full cannot turn it
            replaced_lots = min(check.target.reserved_lots, check.added_lots)
        if open_lots <= 0 or tw_sum_above(working_lots, check.added_lots, -replaced_lots, open_lots):
            return self._refuse(REASON_REDUCING_ONLY, tw_sum_clamped(working_lots, check.added_lots, -replaced_lots), open_lots)
        return 1

    cdef int _check_position(self, Check* check) noexcept nogil:
        """The position if everything working on this side filled, UNKNOWN orders at full size."""
        cdef int64_t position_lots = check.exposure.position_lots
        cdef int64_t working_lots = check.exposure.working_buy_lots
        if check.intent.side == SIDE_SELL:
            position_lots = -position_lots
            working_lots = check.exposure.working_sell_lots
        if tw_sum_above(position_lots, working_lots, check.added_lots, check.limits.max_position_lots):
            return self._refuse(REASON_POSITION_LIMIT, tw_sum_clamped(position_lots, working_lots, check.added_lots),
                                check.limits.max_position_lots)
        return 1

    cdef int _check_open_orders(self, Check* check) noexcept nogil:
        cdef int added = 0 if check.target != NULL else 1
        if check.exposure.open_orders + added > check.limits.max_open_orders:
            return self._refuse(REASON_OPEN_ORDERS_LIMIT, check.exposure.open_orders + added, check.limits.max_open_orders)
        if self.register.open_orders + added > self.tables.engine_limits.max_open_orders:
            return self._refuse(REASON_OPEN_ORDERS_LIMIT, self.register.open_orders + added,
                                self.tables.engine_limits.max_open_orders)
        return 1

    cdef int _check_balance(self, Check* check) noexcept nogil:
        """Spot: what the order may spend, with all that is promised already, must be there (free and locked at the venue)."""
        cdef uint16_t asset_id = check.instrument.quote_asset_id
        cdef int64_t cost_e8 = check.notional_e8
        cdef int64_t added_e8, owned_e8
        if check.instrument.kind != 0:
            return 1
        if check.intent.side == SIDE_SELL:
            asset_id = check.instrument.base_asset_id
            cost_e8 = tw_scaled(check.intent.qty_lots, check.instrument.lot_size_e8)
        elif cost_e8 < INT64_MAX - 1:
            cost_e8 += 1  # the notional is rounded down
        added_e8 = cost_e8
        if check.target != NULL:
            added_e8 = max(cost_e8 - check.target.promised_e8, <int64_t> 0)
        owned_e8 = tw_sum_clamped(self.tables.control.balance_free_e8[asset_id], self.tables.control.balance_locked_e8[asset_id], 0)
        if tw_sum_above(self.register.promised_e8[asset_id], added_e8, 0, owned_e8):
            return self._refuse(REASON_INSUFFICIENT_BALANCE,
                                tw_sum_clamped(self.register.promised_e8[asset_id], added_e8, 0), owned_e8)
        check.promise_e8 = added_e8
        check.promise_asset_id = asset_id
        return 1

    cdef int _check_rate(self) noexcept nogil:
        """Token bucket on the turn's monotonic stamp; the last check, so that only what leaves takes a token."""
        cdef int64_t elapsed_ns = self.journal.now_mono_ns - self.refilled_mono_ns
        cdef int64_t burst = self.tables.engine_limits.message_burst
        if elapsed_ns > 0:
            self.tokens_e9 = tw_refill(self.tokens_e9, elapsed_ns, self.tables.engine_limits.message_rate_per_s, burst)
            self.refilled_mono_ns = self.journal.now_mono_ns
        if self.tokens_e9 < TOKEN_E9:
            return self._refuse(REASON_MESSAGE_RATE, burst, self.tables.engine_limits.message_rate_per_s)
        self.tokens_e9 -= TOKEN_E9
        return 1

    cdef void _approve(self, const Descriptor* item, Check* check, RecordHeader* record) noexcept nogil:
        cdef ApprovedOrder* slot = self.register.issue(check.handle)
        cdef Descriptor approval
        if slot == NULL:
            self.journal.abandon(record)
            self._refuse(REASON_ORDER_POOL_FULL, self.register.open_orders, self.register.capacity)
            self._reject(item, check.refusals)
            return
        slot.action = check.intent.action
        slot.side = check.intent.side
        slot.order_type = check.intent.order_type
        slot.time_in_force = check.intent.time_in_force
        slot.flags = check.intent.flags
        slot.price_ticks = check.intent.price_ticks if is_priced(check.intent.order_type) else 0
        slot.trigger_ticks = check.intent.trigger_ticks
        slot.expire_ns = check.intent.expire_ns
        slot.position_side = check.intent.position_side
        slot.has_conditions = check.intent.has_conditions
        if slot.has_conditions:
            self.register.conditions[self.register.index_of(slot)] = (<const Conditions*> (check.intent + 1))[0]
        slot.qty_lots = check.intent.qty_lots
        slot.target_handle = check.intent.target_handle if check.target != NULL else 0
        slot.instrument_id = item.instrument_id
        slot.venue_id = check.instrument.venue_id
        slot.account_id = item.account_id
        slot.strategy_id = item.strategy_id
        slot.reserved_lots = check.added_lots
        slot.promised_e8 = check.promise_e8
        slot.promised_asset_id = check.promise_asset_id
        slot.promise_price_ticks = check.price_ticks
        if check.target != NULL:
            check.target.is_busy = 1
        slot.position_side = check.intent.position_side
        self.register.rest(self.register.index_of(slot))
        self.tables.move_working(slot.instrument_id, slot.position_side, slot.strategy_id, slot.side, check.added_lots)
        self.tables.move_open_orders(slot.instrument_id, slot.position_side, slot.strategy_id, 1)
        self.register.promised_e8[check.promise_asset_id] = self.register.promised_e8[check.promise_asset_id] + check.promise_e8
        self.reason = REASON_NONE
        slot.verdict_seq = self._write_verdict(record, item, slot.nonce)
        approval = item[0]
        approval.kind = RECORD_KIND_VERDICT
        approval.data = <uint16_t> (self.register.index_of(slot) + 1)
        approval.seq = approval.cause_seq = slot.verdict_seq
        approval.record = record
        self.approvals.push(&approval)
        self.approved_count += 1
        self.counters.values[<int> COUNTER_APPROVED] = self.counters.values[<int> COUNTER_APPROVED] + 1
        self.counters.record(STAGE_GATE_DONE, self.clock.lap_ns() - self.journal.now_mono_ns)

    cdef void _reject(self, const Descriptor* item, void* refusals) noexcept nogil:
        """Journal the refusal (from the reserve if need be) and tell the strategy."""
        cdef uint32_t size = sizeof(RecordHeader) + sizeof(VerdictPayload)
        cdef RecordHeader* record = self.journal.claim(LANE_LEDGER, RECORD_KIND_VERDICT, size, False)
        cdef Descriptor refusal = item[0]
        if record == NULL:
            record = self.journal.claim(LANE_LEDGER, RECORD_KIND_VERDICT, size, True)
        refusal.kind = RECORD_KIND_VERDICT
        refusal.data = self.reason
        refusal.record = record
        if record != NULL:
            refusal.seq = refusal.cause_seq = self._write_verdict(record, item, 0)
        (<Ring> refusals).push(&refusal)
        self.refused_count += 1
        self.counters.values[<int> COUNTER_REFUSED] = self.counters.values[<int> COUNTER_REFUSED] + 1

    cdef uint64_t _write_verdict(self, RecordHeader* record, const Descriptor* item, uint64_t nonce) noexcept nogil:
        # the claim is zeroed so far
        cdef VerdictPayload* verdict = <VerdictPayload*> (record + 1)
        verdict.reason = self.reason
        verdict.approved = 1 if nonce else 0
        verdict.nonce = nonce
        verdict.value = self.value
        verdict.limit_value = self.limit_value
        record.cause_seq = item.record.seq
        record.venue_id = item.venue_id
        record.account_id = item.account_id
        record.strategy_id = item.strategy_id
        record.instrument_id = item.instrument_id
        record.order_handle = item.order_handle
        return self.journal.commit(record)
