# distutils: extra_compile_args = --param=max-inline-insns-auto=300 --param=inline-unit-growth=300 --param=large-function-growth=2000
"""What an order says of itself, and the market that it meets: type, size, prices, value. The first half of the gate's checks.

Prices are whole ticks and quantities whole lots by their types, so nothing off the venue's grid can be said; what is left to compare are
its coarser steps and its ranges.
"""
cimport cython
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.approval cimport SLOT_CLOSED, SLOT_FREE, ApprovedOrder
from engine.model.bookreader cimport tw_wide_sum
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.native cimport is_conditional, is_priced, is_trailing, native_reason
from engine.model.records cimport Conditions, IntentPayload
from engine.model.tables cimport (ACCOUNT_ROWS, ENGINE_ROW, INSTRUMENT_ROWS, PERMISSION_NO_BUY, PERMISSION_NO_SELL, PERMISSION_RESTRICTED,
                                  VENUE_ROWS, Instrument, LimitRow, MarketState)

cdef extern from "arithmetic.h" nogil:
    int64_t tw_distance_bps(int64_t, int64_t, int64_t) noexcept
    int tw_within_bps(int64_t, int64_t, int64_t, int64_t) noexcept
    int64_t tw_scaled(int64_t, int64_t) noexcept
    int tw_within_slippage(tw_wide_sum, int64_t, int64_t, int64_t, int, int64_t) noexcept
    int64_t tw_slippage_bps(tw_wide_sum, int64_t, int64_t, int64_t, int) noexcept

cdef enum:
    LIST_LEGS = 3
    FLAGS_KNOWN = 15              # every OrderFlag
    FOR_PERSON = 1                # data of an intent that the OMS offers for a person (ext/engine/oms/commands.pyx)


cdef class TermsCheck(Actor):
    """The checks of an order's terms. The gate is built on it; it makes no approval."""

    @cython.final
    cdef int64_t _collar_period_ns(self, uint32_t instrument_id, int64_t* most_bps) noexcept nogil:
        """The period of the instrument's row, or its venue's, account's or the engine's: the nearest that has one; 0 = none."""
        cdef uint16_t line = self.tables.instruments[instrument_id].venue_id & 15
        cdef uint32_t[4] rows
        cdef const LimitRow* limits
        cdef int i
        rows[0], rows[1], rows[2], rows[3] = INSTRUMENT_ROWS + instrument_id, VENUE_ROWS + line, ACCOUNT_ROWS + line, ENGINE_ROW
        for i in range(4):
            limits = &self.tables.limit_rows[rows[i]]
            if limits.is_set and limits.price_collar_period_ns > 0 and limits.price_collar_period_bps != INT64_MAX:
                most_bps[0] = limits.price_collar_period_bps
                return limits.price_collar_period_ns
        return 0

    @cython.final
    cdef int _refuse(self, uint16_t reason, int64_t value, int64_t limit_value) noexcept nogil:
        self.reason = reason
        self.value = value
        self.limit_value = limit_value
        return 0

    @cython.final
    cdef int _refuse_in(self, int scope, uint16_t reason, int64_t value, int64_t limit_value) noexcept nogil:
        """Refuse by the limit of one scope (LimitScope)."""
        self.scope = 1 + scope
        return self._refuse(reason, value, limit_value)

    @cython.final
    cdef void _note_operators(self, const Descriptor* item) noexcept nogil:
        """So that the answer to a command can say why: of strategy 0, or offered by the OMS for a person, on behalf of whose order it is."""
        if item.strategy_id != 0 and item.data != FOR_PERSON:
            return
        self.operator_refused_handle = item.order_handle
        self.operator_refused_cause = item.record.cause_seq
        self.operator_refused_reason, self.operator_refused_scope = self.reason, self.scope
        self.operator_refused_value, self.operator_refused_limit = self.value, self.limit_value

    @cython.final
    cdef void _only_reducing(self, Check* check, uint16_t reason, int scope, int64_t value, int64_t limit_value) noexcept nogil:
        """What reduces a position may pass, all else is refused for this reason (`_check_reducing`); the first reason stands."""
        cdef const ScopeState* state
        cdef const LimitRow* row
        if check.reduce_reason != REASON_NONE:
            return
        check.reduce_reason = reason
        check.reduce_scope = 1 + scope
        check.reduce_value = value
        check.reduce_limit = limit_value
        if reason == REASON_DAILY_LOSS or reason == REASON_DRAWDOWN:
            # held there since: the numbers are the scope's own
            state, row = &self.tables.scopes[check.tight.rows[scope]], &self.tables.limit_rows[check.tight.rows[scope]]
            if reason == REASON_DAILY_LOSS:
                check.reduce_value, check.reduce_limit = state.day_pnl_e8, -row.max_daily_loss_e8
            elif row.max_drawdown_e8 != INT64_MAX:
                check.reduce_value, check.reduce_limit = state.drawdown_e8, row.max_drawdown_e8
            else:
                check.reduce_value, check.reduce_limit = state.drawdown_bps, row.max_drawdown_bps

    @cython.final
    cdef int _check_terms(self, const Descriptor* item, Check* check) noexcept nogil:
        """What the order says of itself, and the market that it meets."""
        if not self._check_type(check):
            return 0
        if not self._check_list(check):
            return 0
        if not self._check_permissions(check):
            return 0
        if not self._check_size(check):
            return 0
        if not self._check_book(check):
            return 0
        if not self._check_price(check):
            return 0
        return self._check_notional(check)

    @cython.final
    cdef int _check_type(self, Check* check) noexcept nogil:
        """What the venue carries out by itself; the rest is the execution stage's, whose releases come here as plain orders."""
        cdef const IntentPayload* intent = check.intent
        cdef uint16_t reason
        if intent.side > SIDE_SELL:
            return self._refuse(REASON_UNSUPPORTED, intent.side, SIDE_SELL)
        if intent.has_conditions and check.conditions == NULL:
            return self._refuse(REASON_UNSUPPORTED, intent.has_conditions, 0)  # the record ends before what it says to hold
        if intent.flags & ~(FLAGS_KNOWN | (ORDER_FLAG_PANIC if check.is_panic else 0)):
            return self._refuse(REASON_UNSUPPORTED, intent.flags, FLAGS_KNOWN)
        if (intent.time_in_force == TIME_IN_FORCE_GTD and intent.expire_ns <= self.journal.now_wall_ns
                and check.instrument.native_order_types & NATIVE_FEATURE_GTD):
            return self._refuse(REASON_EXPIRE_TIME, intent.expire_ns, self.journal.now_wall_ns)
        reason = native_reason(check.instrument, intent, check.conditions, self.journal.now_wall_ns)
        if reason:
            return self._refuse(reason, intent.order_type, check.instrument.native_order_types)
        if intent.flags & ORDER_FLAG_POST_ONLY and (intent.order_type != ORDER_TYPE_LIMIT or (
                intent.time_in_force != TIME_IN_FORCE_GTC and intent.time_in_force != TIME_IN_FORCE_GTD)):
            return self._refuse(REASON_UNSUPPORTED, intent.flags, 0)
        if check.target != NULL and intent.order_type == ORDER_TYPE_MARKET:
            return self._refuse(REASON_UNSUPPORTED, intent.order_type, 0)
        return 1

    @cython.final
    cdef int _check_list(self, Check* check) noexcept nogil:
        """Legs that exclude one another count once: the later one finds the earlier. Legs that wait for the first one are pending."""
        cdef const Conditions* conditions = check.conditions
        cdef const ApprovedOrder* leg
        cdef int exclusive = 0, i  # exclusive: index of the first of the two
        if conditions == NULL or conditions.list_size == 0:
            return 1
        for i in range(LIST_LEGS):
            # what says that it is of a list must be one with all of it that is under way; no place of it is taken twice
            leg = self._leg(conditions.list_handle, i)
            if leg != NULL and leg != check.target and (i == conditions.list_index or not self._is_of_one_list(check, leg)):
                return self._refuse(REASON_UNSUPPORTED, conditions.list_index, i)
        if conditions.contingency == CONTINGENCY_OTOCO:
            exclusive = 1
        check.is_pending = conditions.list_index > 0 and conditions.contingency != CONTINGENCY_OCO
        if conditions.contingency != CONTINGENCY_OTO and conditions.list_index == exclusive + 1:
            check.sibling = self._leg(conditions.list_handle, exclusive)
            if check.sibling != NULL and (check.sibling.side != check.intent.side or check.sibling.position_side != check.intent.position_side
                                          or check.sibling.instrument_id != check.instrument.instrument_id):
                check.sibling = NULL  # not two ways out of one position: both count
        return 1

    @cython.final
    cdef bint _is_of_one_list(self, const Check* check, const ApprovedOrder* leg) noexcept nogil:
        """The same contingency and size; the same strategy's, on the same instrument of the same account."""
        cdef const Conditions* other = &self.register.conditions[self.register.index_of(leg)]
        return (leg.has_conditions != 0 and other.contingency == check.conditions.contingency and other.list_size == check.conditions.list_size
                and leg.strategy_id == check.strategy_id and leg.instrument_id == check.instrument.instrument_id
                and leg.venue_id == check.instrument.venue_id)

    @cython.final
    cdef ApprovedOrder* _leg(self, uint64_t list_handle, int list_index) noexcept nogil:
        """A leg of a list, approved a moment ago and still under way; NULL where it is not."""
        cdef ApprovedOrder* found
        cdef int i
        for i in range(LEGS_KEPT):
            if self.legs[i].list_handle == list_handle and self.legs[i].list_index == list_index:
                found = self.register.find(self.legs[i].order_handle)
                if found != NULL and found.state != SLOT_FREE and found.state != SLOT_CLOSED:
                    return found
        return NULL

    @cython.final
    cdef int _check_permissions(self, Check* check) noexcept nogil:
        """What a scope may not do at all; what closes a position may always leave."""
        if check.tight.permissions == 0:
            return 1
        if check.tight.permissions & (PERMISSION_RESTRICTED | (PERMISSION_NO_BUY if check.intent.side == SIDE_BUY else PERMISSION_NO_SELL)):
            self._only_reducing(check, REASON_RESTRICTED, -1, check.intent.side, check.tight.permissions)
        return 1

    @cython.final
    cdef int _check_size(self, Check* check) noexcept nogil:
        cdef int64_t qty_lots = check.intent.qty_lots
        if check.intent.flags & ORDER_FLAG_CLOSE_POSITION:
            # whatever the position is when its price comes: the venue takes no quantity. What it is now is valued; beside the
            # position nothing is added, for it can never turn it
            if qty_lots != 0:
                return self._refuse(REASON_QTY_ABOVE_MAX, qty_lots, 0)
            qty_lots = -check.exposure.position_lots if check.intent.side == SIDE_BUY else check.exposure.position_lots
            if qty_lots <= 0:
                return self._refuse(REASON_REDUCING_ONLY, 0, check.exposure.position_lots)
        elif qty_lots <= 0:
            return self._refuse(REASON_QTY_NOT_POSITIVE, qty_lots, 0)
        elif qty_lots < check.instrument.min_qty_lots:
            return self._refuse(REASON_QTY_BELOW_MIN, qty_lots, check.instrument.min_qty_lots)
        elif qty_lots > check.instrument.max_qty_lots:
            return self._refuse(REASON_QTY_ABOVE_MAX, qty_lots, check.instrument.max_qty_lots)
        elif check.instrument.qty_step_lots > 1 and qty_lots % check.instrument.qty_step_lots:
            return self._refuse(REASON_QTY_STEP, qty_lots, check.instrument.qty_step_lots)
        check.qty_lots = check.added_lots = qty_lots
        if check.intent.flags & ORDER_FLAG_CLOSE_POSITION:
            check.added_lots = 0
        else:
            if not self._check_market_size(check):
                return 0
            if qty_lots > check.tight.order_qty_lots:
                return self._refuse_in(LIMIT_SCOPE_INSTRUMENT, REASON_QTY_ABOVE_MAX, qty_lots, check.tight.order_qty_lots)
        if check.conditions != NULL and check.conditions.display_lots != 0 and (
                not check.instrument.min_qty_lots <= check.conditions.display_lots < qty_lots or check.conditions.display_lots <= 0):
            return self._refuse(REASON_DISPLAY_QTY, check.conditions.display_lots, qty_lots)
        if check.sibling != NULL:
            check.added_lots = max(qty_lots - check.sibling.reserved_lots, <int64_t> 0)
        return 1

    @cython.final
    cdef int _check_remainder(self, const Check* check) noexcept nogil:
        """Fewer lots than there are, in the venue's steps; what is left to fill of them is no smaller than the venue lets an order be."""
        cdef const ApprovedOrder* target = check.target
        cdef const Instrument* instrument = check.instrument
        cdef int64_t qty_lots = check.intent.qty_lots, left_lots, left_e8
        if target.state == SLOT_FREE or target.state == SLOT_CLOSED or target.is_busy:
            return self._refuse(REASON_ORDER_NOT_OPEN, target.state, 0)
        if target.has_conditions and self.register.conditions[self.register.index_of(target)].list_size > 1:
            return self._refuse(REASON_UNSUPPORTED, INTENT_ACTION_AMEND, 0)  # one order of a list is not made smaller alone
        if qty_lots >= target.qty_lots:
            return self._refuse(REASON_QTY_ABOVE_MAX, qty_lots, target.qty_lots - 1)
        left_lots = qty_lots - (target.qty_lots - target.reserved_lots)
        if qty_lots <= 0 or left_lots <= 0:
            return self._refuse(REASON_QTY_NOT_POSITIVE, left_lots, 0)
        if instrument.qty_step_lots > 1 and qty_lots % instrument.qty_step_lots:
            return self._refuse(REASON_QTY_STEP, qty_lots, instrument.qty_step_lots)
        if left_lots < instrument.min_qty_lots:
            return self._refuse(REASON_QTY_BELOW_MIN, left_lots, instrument.min_qty_lots)
        if instrument.kind != 0 and target.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION):
            return 1
        left_e8 = self.tables.notional_e8(instrument.instrument_id, target.price_ticks if target.price_ticks else target.promise_price_ticks,
                                          left_lots)
        if left_e8 < instrument.min_notional_e8:
            return self._refuse(REASON_NOTIONAL_BELOW_MIN, left_e8, instrument.min_notional_e8)
        return 1

    @cython.final
    cdef int _check_market_size(self, Check* check) noexcept nogil:
        """What the venue asks of orders that take the market's price, at once or on a trigger."""
        cdef const Instrument* instrument = check.instrument
        cdef int64_t qty_lots = check.qty_lots
        if is_priced(check.intent.order_type):
            return 1
        if qty_lots < instrument.market_min_qty_lots:
            return self._refuse(REASON_QTY_BELOW_MIN, qty_lots, instrument.market_min_qty_lots)
        if instrument.market_max_qty_lots > 0 and qty_lots > instrument.market_max_qty_lots:
            return self._refuse(REASON_QTY_ABOVE_MAX, qty_lots, instrument.market_max_qty_lots)
        if instrument.market_qty_step_lots > 1 and qty_lots % instrument.market_qty_step_lots:
            return self._refuse(REASON_QTY_STEP, qty_lots, instrument.market_qty_step_lots)
        return 1

    @cython.final
    cdef int _check_book(self, Check* check) noexcept nogil:
        cdef int64_t age_ns = self.journal.now_mono_ns - check.market.last_mono_ns
        if check.market.book_state == BOOK_STATE_STALE:
            return self._refuse(REASON_STALE, age_ns, self.tables.engine_limits.stale_after_ns)
        if check.market.book_state != BOOK_STATE_VALID:
            return self._refuse(REASON_BOOK_INVALID, check.market.book_state, BOOK_STATE_VALID)
        if not age_ns <= self.tables.engine_limits.stale_after_ns:
            return self._refuse(REASON_STALE, age_ns, self.tables.engine_limits.stale_after_ns)
        return 1

    @cython.final
    cdef int _check_price(self, Check* check) noexcept nogil:
        cdef int64_t price_ticks = check.intent.price_ticks
        if check.intent.order_type == ORDER_TYPE_MARKET:
            return self._check_market_price(check)
        if check.intent.order_type != ORDER_TYPE_LIMIT:
            return self._check_conditional(check)
        if price_ticks <= 0:
            return self._refuse(REASON_PRICE_NOT_POSITIVE, price_ticks, 0)
        if not self._on_grid(check, price_ticks, REASON_PRICE_COLLAR):
            return 0
        check.price_ticks = check.cheap_ticks = price_ticks
        if check.intent.flags & ORDER_FLAG_POST_ONLY:
            if check.intent.side == SIDE_BUY and 0 < check.market.best_ask_ticks <= price_ticks:
                return self._refuse(REASON_WOULD_CROSS, price_ticks, check.market.best_ask_ticks)
            if check.intent.side == SIDE_SELL and price_ticks <= check.market.best_bid_ticks:
                return self._refuse(REASON_WOULD_CROSS, price_ticks, check.market.best_bid_ticks)
        return self._within_collar(check, price_ticks)

    @cython.final
    cdef int _on_grid(self, Check* check, int64_t price_ticks, uint16_t outside) noexcept nogil:
        """Prices are whole ticks by their type; the venue's range and its coarser step remain."""
        if price_ticks < check.instrument.min_price_ticks:
            return self._refuse(outside, price_ticks, check.instrument.min_price_ticks)
        if price_ticks > check.instrument.max_price_ticks:
            return self._refuse(outside, price_ticks, check.instrument.max_price_ticks)
        if check.instrument.price_step_ticks > 1 and price_ticks % check.instrument.price_step_ticks:
            return self._refuse(REASON_PRICE_STEP, price_ticks, check.instrument.price_step_ticks)
        return 1

    @cython.final
    cdef int _check_market_price(self, Check* check) noexcept nogil:
        """The worst of the first ten levels that the order reaches must lie within the collar, and they must hold it all."""
        if not self._check_depth(check, REASON_PRICE_COLLAR):
            return 0
        check.cheap_ticks = check.price_ticks
        return self._within_collar(check, check.price_ticks)

    @cython.final
    cdef int _check_depth(self, Check* check, uint16_t too_thin) noexcept nogil:
        """Walk the other side of the book; the average paid may lie so far from the mid. The last level's price is the order's."""
        cdef int64_t left_lots = check.qty_lots, slippage_bps
        cdef int opposite = 1 if check.intent.side == SIDE_BUY else 0
        cdef tw_wide_sum value = self.books.walk(check.instrument.instrument_id, opposite, &left_lots, &check.price_ticks)
        if left_lots > 0 or check.price_ticks <= 0:
            return self._refuse(too_thin, left_lots, 0)
        if check.tight.slippage_bps == INT64_MAX:
            return 1
        if tw_within_slippage(value, check.qty_lots, check.market.best_bid_ticks, check.market.best_ask_ticks,
                              check.intent.side == SIDE_BUY, check.tight.slippage_bps):
            return 1
        slippage_bps = tw_slippage_bps(value, check.qty_lots, check.market.best_bid_ticks, check.market.best_ask_ticks,
                                       check.intent.side == SIDE_BUY)
        if slippage_bps > check.tight.slippage_bps:
            return self._refuse(REASON_SLIPPAGE, slippage_bps, check.tight.slippage_bps)
        return 1

    @cython.final
    cdef int _check_conditional(self, Check* check) noexcept nogil:
        """Orders that wait for a price: valued at the trigger, or the limit beyond it. How far the trigger lies off is the strategy's affair."""
        cdef const Conditions* conditions = check.conditions
        cdef int64_t trigger_ticks = check.intent.trigger_ticks, limit_ticks = check.intent.price_ticks, distance_bps
        if is_trailing(check.intent.order_type):
            if conditions == NULL or conditions.trail_kind == TRAIL_KIND_NONE or conditions.trail_amount <= 0:
                return self._refuse(REASON_TRIGGER_PRICE, 0 if conditions == NULL else conditions.trail_amount, 1)
            if trigger_ticks == 0:
                trigger_ticks = conditions.activation_ticks if conditions.activation_ticks else self.tables.reference_ticks(check.instrument.instrument_id)
        if trigger_ticks <= 0:
            return self._refuse(REASON_TRIGGER_PRICE, trigger_ticks, 0)
        if not self._on_grid(check, trigger_ticks, REASON_TRIGGER_PRICE):
            return 0
        if check.intent.trigger_ticks and not self._check_trigger_side(check, trigger_ticks):
            return 0
        if not is_priced(check.intent.order_type):
            if check.tight.slippage_bps != INT64_MAX and not self._check_depth(check, REASON_SLIPPAGE):
                return 0
            check.price_ticks = check.cheap_ticks = trigger_ticks
            return 1
        if limit_ticks <= 0:
            return self._refuse(REASON_PRICE_NOT_POSITIVE, limit_ticks, 0)
        if not self._on_grid(check, limit_ticks, REASON_PRICE_COLLAR):
            return 0
        distance_bps = tw_distance_bps(limit_ticks, trigger_ticks, trigger_ticks)
        if distance_bps > check.tight.collar_bps:
            return self._refuse_in(self._scope_of_collar(check), REASON_PRICE_COLLAR, distance_bps, check.tight.collar_bps)
        check.price_ticks = max(limit_ticks, trigger_ticks)
        check.cheap_ticks = min(limit_ticks, trigger_ticks)
        return 1

    @cython.final
    cdef int _check_trigger_side(self, Check* check, int64_t trigger_ticks) noexcept nogil:
        """A trigger that the market has reached already would send the order at once: that is another order than the one asked for."""
        cdef int64_t market_e8 = self._trigger_market_e8(check)
        cdef int64_t trigger_e8 = tw_scaled(trigger_ticks, check.instrument.tick_size_e8)
        cdef bint touched = (check.intent.order_type == ORDER_TYPE_MARKET_IF_TOUCHED
                             or check.intent.order_type == ORDER_TYPE_LIMIT_IF_TOUCHED)
        if market_e8 <= 0:
            return self._refuse(REASON_STALE, 0, 0)  # nobody has told the price that it waits for
        if (trigger_e8 > market_e8) if (check.intent.side == SIDE_BUY) != touched else (trigger_e8 < market_e8):
            return 1
        return self._refuse(REASON_TRIGGERED_AT_ONCE, trigger_e8, market_e8)

    @cython.final
    cdef int64_t _trigger_market_e8(self, Check* check) noexcept nogil:
        """The price that the trigger waits for, in 10^-8; 0 = not known."""
        cdef const MarketState* market = check.market
        cdef uint8_t source = TRIGGER_SOURCE_LAST if check.conditions == NULL else check.conditions.trigger_source
        cdef int64_t ticks = market.last_trade_ticks
        if source == TRIGGER_SOURCE_MARK:
            return market.mark_e8
        if source == TRIGGER_SOURCE_INDEX:
            return market.index_e8
        if source == TRIGGER_SOURCE_BID_ASK:
            ticks = market.best_ask_ticks if check.intent.side == SIDE_BUY else market.best_bid_ticks
        if ticks <= 0:
            ticks = self.tables.reference_ticks(check.instrument.instrument_id)
        return tw_scaled(ticks, check.instrument.tick_size_e8)

    @cython.final
    cdef int _within_collar(self, Check* check, int64_t price_ticks) noexcept nogil:
        """Distance from the mid, or from the last trade where a side is empty, in basis points rounded up."""
        cdef int64_t bid_ticks = check.market.best_bid_ticks
        cdef int64_t ask_ticks = check.market.best_ask_ticks
        cdef int64_t distance_bps
        if bid_ticks <= 0 or ask_ticks <= 0:
            bid_ticks = ask_ticks = check.market.last_trade_ticks
        if tw_within_bps(price_ticks, bid_ticks, ask_ticks, check.tight.collar_bps):
            return self._within_period_collar(check, price_ticks) if check.tight.collar_period_ns else 1
        distance_bps = tw_distance_bps(price_ticks, bid_ticks, ask_ticks)
        # INT64_MAX: no reference price, or a distance that does not fit - no collar admits it
        if distance_bps == INT64_MAX or distance_bps > check.tight.collar_bps:
            return self._refuse_in(self._scope_of_collar(check), REASON_PRICE_COLLAR, distance_bps, check.tight.collar_bps)
        return self._within_period_collar(check, price_ticks) if check.tight.collar_period_ns else 1

    @cython.final
    cdef int _within_period_collar(self, Check* check, int64_t price_ticks) noexcept nogil:
        """Distance from the reference of one period ago; while none is remembered the collar against the present one stands alone."""
        cdef int64_t most_bps = check.tight.collar_period_bps, distance_bps, ago_ticks
        ago_ticks = self.references.period_ago(check.instrument.instrument_id)
        if ago_ticks <= 0 or tw_within_bps(price_ticks, ago_ticks, ago_ticks, most_bps):
            return 1
        distance_bps = tw_distance_bps(price_ticks, ago_ticks, ago_ticks)
        if distance_bps > most_bps:
            return self._refuse(REASON_COLLAR_PERIOD, distance_bps, most_bps)
        return 1

    @cython.final
    cdef int _scope_of_collar(self, Check* check) noexcept nogil:
        """Whose collar is the tightest."""
        cdef int i
        for i in range(check.tight.limited_count):
            if self.tables.limit_rows[check.tight.rows[check.tight.limited[i]]].price_collar_bps == check.tight.collar_bps:
                return check.tight.limited[i]
        return LIMIT_SCOPE_INSTRUMENT

    @cython.final
    cdef int _check_notional(self, Check* check) noexcept nogil:
        cdef int64_t notional_e8 = self.tables.notional_e8(check.instrument.instrument_id, check.price_ticks, check.qty_lots)
        cdef int64_t least_e8 = notional_e8
        check.notional_e8 = notional_e8
        if check.cheap_ticks != check.price_ticks:
            least_e8 = self.tables.notional_e8(check.instrument.instrument_id, check.cheap_ticks, check.qty_lots)
        # futures: the venue lets a reduce-only order be as small as the position it closes
        if least_e8 < check.instrument.min_notional_e8 and not (
                check.instrument.kind != 0 and check.intent.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION)):
            return self._refuse(REASON_NOTIONAL_BELOW_MIN, least_e8, check.instrument.min_notional_e8)
        # INT64_MAX stands for "does not fit": no limit admits it
        if notional_e8 == INT64_MAX or notional_e8 > check.instrument.max_notional_e8:
            return self._refuse(REASON_NOTIONAL_ABOVE_MAX, notional_e8, check.instrument.max_notional_e8)
        if notional_e8 > check.limits.max_order_notional_e8:
            return self._refuse_in(LIMIT_SCOPE_INSTRUMENT, REASON_NOTIONAL_ABOVE_MAX, notional_e8, check.limits.max_order_notional_e8)
        return 1

    @cython.final
    cdef int _check_venue_room(self, const Check* check) noexcept nogil:
        """How many orders the venue lets be open: what may rest or wait there, in flight and UNKNOWN ones too. A replaced order makes room."""
        cdef const Instrument* instrument = check.instrument
        cdef const ApprovedOrder* target = check.target
        cdef int32_t open_orders
        cdef bint waits = is_conditional(check.intent.order_type)
        # spot counts what waits for its price among the rest, futures apart; what takes the market at once leaves nothing open
        if instrument.max_orders and (waits and instrument.kind == 0 or check.intent.order_type == ORDER_TYPE_LIMIT and (
                check.intent.time_in_force != TIME_IN_FORCE_IOC and check.intent.time_in_force != TIME_IN_FORCE_FOK)):
            open_orders = <int32_t> check.tight.scopes[<int> LIMIT_SCOPE_INSTRUMENT].state.open_orders
            if instrument.kind != 0:
                open_orders -= self.register.conditional_orders[instrument.instrument_id]
            if target != NULL and (instrument.kind == 0 or not target.is_waiting):
                open_orders -= 1
            if open_orders >= instrument.max_orders:
                return self._refuse(REASON_VENUE_ORDERS, open_orders + 1, instrument.max_orders)
        if waits and not self._check_waiting_room(check):
            return 0
        return 1 if check.conditions == NULL else self._check_listed_room(check)

    @cython.final
    cdef int _check_waiting_room(self, const Check* check) noexcept nogil:
        """Conditional orders of the symbol and of the account; and one of a kind at most that closes the whole position."""
        cdef const Instrument* instrument = check.instrument
        cdef const IntentPayload* intent = check.intent
        cdef const ApprovedOrder* closing
        cdef int32_t replaced = 1 if check.target != NULL and check.target.is_waiting else 0
        cdef int32_t waiting = self.register.conditional_orders[instrument.instrument_id] - replaced
        if instrument.max_conditional_orders and waiting >= instrument.max_conditional_orders:
            return self._refuse(REASON_VENUE_CONDITIONAL_ORDERS, waiting + 1, instrument.max_conditional_orders)
        waiting = self.register.line_conditional_orders[instrument.venue_id & 15] - replaced
        if instrument.max_account_conditional_orders and waiting >= instrument.max_account_conditional_orders:
            return self._refuse(REASON_VENUE_CONDITIONAL_ORDERS, waiting + 1, instrument.max_account_conditional_orders)
        if intent.flags & ORDER_FLAG_CLOSE_POSITION:
            closing = self.register.closing_like(instrument.instrument_id, intent.side, intent.position_side, intent.order_type)
            if closing != NULL and closing != check.target:
                return self._refuse(REASON_CLOSE_POSITION_TWICE, <uint32_t> closing.order_handle, 0)
        return 1

    @cython.final
    cdef int _check_listed_room(self, const Check* check) noexcept nogil:
        """Icebergs and lists of the symbol; the legs of a list that is open already are no other list."""
        cdef const Instrument* instrument = check.instrument
        cdef const Conditions* conditions = check.conditions
        cdef int32_t count = self.register.iceberg_orders[instrument.instrument_id]
        if conditions.display_lots and instrument.max_iceberg_orders:
            count -= 1 if check.target != NULL and check.target.is_iceberg else 0
            if count >= instrument.max_iceberg_orders:
                return self._refuse(REASON_VENUE_ICEBERG_ORDERS, count + 1, instrument.max_iceberg_orders)
        count = self.register.order_lists[instrument.instrument_id]
        if (conditions.list_size and instrument.max_order_lists and count >= instrument.max_order_lists
                and not self.register.has_list(instrument.instrument_id, conditions.list_handle)):
            return self._refuse(REASON_VENUE_ORDER_LISTS, count + 1, instrument.max_order_lists)
        return 1
