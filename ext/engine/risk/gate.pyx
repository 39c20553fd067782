# distutils: extra_compile_args = --param=max-inline-insns-auto=300 --param=inline-unit-growth=300 --param=large-function-growth=2000
"""The risk gate: the only maker of approvals.

Checks run from the cheapest and most general to the dearest. Each returns 1 to pass and 0 to refuse, so that a fault which swallows a
return value refuses. Quantities in lots, prices in ticks, money in 10^-8 of the quote asset; sums are made in 128 bits.

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
from engine.model.native cimport is_conditional, is_priced
from engine.model.records cimport Conditions, IntentPayload, RecordHeader, VerdictPayload
from engine.model.tables cimport (ACCOUNT_ROWS, ENGINE_ROW, INSTRUMENT_ROWS, LINE_CAPACITY, PERMISSION_NO_SELF_TRADE, PERMISSION_NO_SHORT,
                                  STRATEGY_ROWS, TW_WORTH_MAX_E8, VENUE_ROWS, Exposure, Instrument, LimitRow, MarginAccount, MarginTerms, ScopeState, Tables, Worth,
                                  tw_converted, tw_magnitude, tw_value_lots)
from engine.risk.exposure cimport HALF_RANGE, above_leverage, add_to, burst_of, is_alike, is_beyond, is_uncounted, limits_money, put_terms, room_left, unlikely
from engine.risk.recent cimport RecentOrders, ReferencePrices
from engine.risk.terms cimport LEGS_KEPT, SCOPES, Addition, Check, Leg, ScopeTerms, TermsCheck, Tightest
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef extern from "engine/model/zero.h" nogil:
    void tw_zero(void*, size_t) noexcept

cdef extern from "arithmetic.h" nogil:
    int64_t tw_either(int64_t, int64_t) noexcept
    int tw_sum_above(int64_t, int64_t, int64_t, int64_t) noexcept
    int64_t tw_sum_clamped(int64_t, int64_t, int64_t) noexcept
    int64_t tw_scaled(int64_t, int64_t) noexcept
    int tw_is_beyond(int64_t, int64_t) noexcept
    int tw_product_above(int64_t, int64_t, int64_t, int64_t) noexcept
    int64_t tw_refill(int64_t, int64_t, int64_t, int64_t) noexcept

cdef enum:
    INTENTS_PER_POLL = 64
    TOKEN_E9 = 1000000000
    TIGHTEST_KEPT = 128
    SAMPLE_NS = 10000000          # reference prices are looked at so often at most
    SCOPE_MARKS = 0xFF0000FF      # of the word in ScopeState that begins with `trading_state`: that, and `tripped`


cdef class RiskGate(TermsCheck):
    """Intents in; approvals (to OMS) and refusals (to strategies) out.

    `books` gives depth for market orders. `approvals`: one ring, or one for each line by its venue id: what is approved goes to the OMS
    of its instrument's line and to no other. One gate per register: a second one raises RuntimeError.
    """

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None,
                 ApprovalRegister register not None, BookReader books not None, Clock clock not None, *,
                 Ring intents not None, Ring manual_intents not None, approvals not None, Ring refusals not None,
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
        self._approvals_by_line = {line: approvals for line in range(LINE_CAPACITY)} if isinstance(approvals, Ring) else dict(approvals)
        self._bind_lines()
        self.refusals = refusals
        self.recent = RecentOrders()
        self.references = ReferencePrices()
        self.child_intents = child_intents if child_intents is not None else Ring(f"{name}.child_intents", 2)
        self.child_refusals = child_refusals if child_refusals is not None else Ring(f"{name}.child_refusals", 2)

    def _bind_lines(self) -> None:
        """The approvals rings as the hot path reads them."""
        cdef Ring ring
        for line, ring in self._approvals_by_line.items():
            if not 0 <= line < LINE_CAPACITY:
                raise ValueError(f"line {line} is outside 1..{LINE_CAPACITY - 1}")
            self._approval_rings[<int> line] = <void*> ring
        self.approvals = next(iter(self._approvals_by_line.values()))

    cdef void* _approvals_of(self, int venue_id) noexcept nogil:
        """The ring to the line's OMS; an instrument of a line that is not traded here gets the first's, and no approval."""
        cdef void* ring = self._approval_rings[venue_id & (LINE_CAPACITY - 1)]
        return ring if ring != NULL else <void*> self.approvals

    cdef int do_work(self) except -1:
        cdef uint64_t approved_before = self.approved_count
        cdef int done
        if self.journal.now_mono_ns >= self.sample_due_mono_ns:
            self._sample_references()
        # operators first: a flatten is not to wait behind a runaway strategy; then what protects and works parents' orders
        done = (self._drain(<void*> self.manual_intents, <void*> self.refusals, 0)
                + self._drain(<void*> self.child_intents, <void*> self.child_refusals, 1)
                + self._drain(<void*> self.intents, <void*> self.refusals, 0))
        if self.approved_count != approved_before:
            self._note_done(self.approved_count - approved_before)
        return done

    cdef void _note_done(self, uint64_t orders) noexcept nogil:
        """The stage's end of every order that it approved in this turn: none of them leaves before it."""
        cdef int64_t age_ns = self.clock.lap_ns() - self.journal.now_mono_ns
        cdef uint64_t i
        for i in range(orders):
            self.counters.record(STAGE_GATE_DONE, age_ns)

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
        if intent.action == INTENT_ACTION_CANCEL:
            return self._forward_cancel(item)
        if intent.action == INTENT_ACTION_AMEND:
            return self._decide_amend(item, refusals, is_child)
        self.counters.values[<int> COUNTER_INTENTS] = self.counters.values[<int> COUNTER_INTENTS] + 1
        tw_zero(&check, sizeof(Check))
        check.intent = intent
        if intent.has_conditions and item.record.length >= sizeof(RecordHeader) + sizeof(IntentPayload) + sizeof(Conditions):
            check.conditions = <const Conditions*> (intent + 1)
        check.handle = item.order_handle
        check.strategy_id = item.strategy_id
        check.is_child = is_child
        check.refusals = refusals
        self.reason = REASON_INTERNAL
        self.scope = 0
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
        cdef const ApprovedOrder* target
        forward.data = 0
        forward.flags = 0
        if intent.target_handle:
            forward.order_handle = intent.target_handle
        target = self.register.find(forward.order_handle)
        return 1 if (<Ring> self._approvals_of(target.venue_id if target != NULL else item.venue_id)).push(&forward) else 0

    cdef int _decide_amend(self, const Descriptor* item, void* refusals, uint8_t is_child) noexcept nogil:
        """Less of an open order, in its place: passed on with data = 0 and flags = 1, or refused, and then the order stays as it is.

        It takes risk away, so no limit of exposure is asked and nothing is approved; all else is asked as of an order.
        """
        cdef Check check
        cdef Descriptor forward = item[0]
        cdef IntentPayload asked = (<const IntentPayload*> (item.record + 1))[0]
        cdef ApprovedOrder* target = self.register.find(asked.target_handle if asked.target_handle else item.order_handle)
        memset(&check, 0, sizeof(Check))
        check.approvals = self._approvals_of(target.venue_id if target != NULL else item.venue_id)
        if (<Ring> check.approvals).depth() >= (<Ring> check.approvals).capacity:
            return 0
        check.intent = &asked
        check.target = target
        check.strategy_id = item.strategy_id
        check.is_child = is_child
        self.scope = 0
        if not self._check_amend(item, &check, &asked):
            self._reject(item, refusals)
            return 1
        forward.data, forward.flags = 0, 1
        forward.order_handle = target.order_handle
        return 1 if (<Ring> check.approvals).push(&forward) else 0

    cdef int _check_amend(self, const Descriptor* item, Check* check, IntentPayload* asked) noexcept nogil:
        """Whose order it is, what holds its senders and its instrument up, what would remain of it, and the rate."""
        cdef const ApprovedOrder* target = check.target
        if target == NULL:
            return self._refuse(REASON_UNKNOWN_ORDER, <uint32_t> asked.target_handle, 0)
        if target.instrument_id != item.instrument_id:
            return self._refuse(REASON_UNKNOWN_ORDER, target.instrument_id, item.instrument_id)
        if check.strategy_id != 0 and target.strategy_id != check.strategy_id:
            return self._refuse(REASON_UNKNOWN_ORDER, target.strategy_id, check.strategy_id)
        # of an amend only the quantity is its own
        asked.side = target.side
        asked.flags = target.flags
        asked.position_side = target.position_side
        check.line = &self.tables.lines[target.venue_id & (LINE_CAPACITY - 1)]
        if not self._check_halts(check):
            return 0
        if not self._check_strategy(check):
            return 0
        if not self._check_instrument(item, check):
            return 0
        if not self._check_scopes(check):
            return 0
        if not self._check_remainder(check):
            return 0
        return self._check_rate(check)

    cdef void _sample_references(self) noexcept nogil:
        """Remember what the collar per period compares with: instruments that have one, while their books are valid."""
        cdef uint32_t row
        cdef int64_t period_ns, most_bps
        self.sample_due_mono_ns = self.journal.now_mono_ns + SAMPLE_NS
        for row in range(1, self.tables.instrument_count + 1):
            period_ns = self._collar_period_ns(row, &most_bps)
            if period_ns > 0 and self.tables.markets[row].book_state == BOOK_STATE_VALID:
                self.references.sample(row, self.tables.reference_ticks(row), period_ns, self.journal.now_mono_ns)

    cdef int _check(self, const Descriptor* item, Check* check) noexcept nogil:
        """Every check in its order; the first that refuses names the reason."""
        if not self._check_engine(item, check):
            return 0
        if not self._check_strategy(check):
            return 0
        if not self._check_instrument(item, check):
            return 0
        if not self._check_scopes(check):
            return 0
        if not self._check_target(item, check):
            return 0
        if not self._check_terms(item, check):
            return 0
        return self._check_limits(check)

    cdef int _check_limits(self, Check* check) noexcept nogil:
        """What it would add to what there is."""
        if not self._check_reducing(check):
            return 0
        if not self._check_position(check):
            return 0
        if not self._check_open_orders(check):
            return 0
        if not self._check_venue_room(check):
            return 0
        if not self._check_exposure(check):
            return 0
        if not self._check_balance(check):
            return 0
        if not self._check_margin(check):
            return 0
        if not self._check_self_trade(check):
            return 0
        if not self._check_duplicate(check):
            return 0
        return self._check_rate(check)

    cdef int _check_engine(self, const Descriptor* item, Check* check) noexcept nogil:
        cdef uint32_t row = item.instrument_id if item.instrument_id <= self.tables.instrument_count else 0
        cdef int venue_id = self.tables.instruments[row].venue_id & (LINE_CAPACITY - 1)
        check.line = &self.tables.lines[venue_id]
        check.approvals = self._approvals_of(venue_id)
        check.is_panic = check.intent.flags & ORDER_FLAG_PANIC and check.strategy_id == 0 and not check.is_child
        if not (self._check_panic(check) if check.is_panic else self._check_halts(check)):
            return 0
        if self.tables.control.journal_reserve or self.journal.is_pressed:
            return self._refuse(REASON_JOURNAL_FULL, 0, 0)
        if (<Ring> check.approvals).depth() >= (<Ring> check.approvals).capacity:
            return self._refuse(REASON_RING_FULL, <int64_t> (<Ring> check.approvals).depth(), <int64_t> (<Ring> check.approvals).capacity)
        if not self.register.has_room():
            return self._refuse(REASON_ORDER_POOL_FULL, self.register.open_orders, self.register.capacity)
        return 1

    cdef int _check_halts(self, Check* check) noexcept nogil:
        cdef uint8_t state = check.line.trading_state
        if self.tables.control.kill or check.line.is_killed:
            return self._refuse(REASON_HALTED, HALT_REASON_KILL, 0)
        if self.tables.control.stopping:
            return self._refuse(REASON_HALTED, HALT_REASON_STOPPING, 0)
        if state != TRADING_STATE_ACTIVE and state != TRADING_STATE_REDUCING:
            return self._refuse(REASON_HALTED, check.line.halt_reason, 0)
        if state == TRADING_STATE_REDUCING and self.tables.scopes[ENGINE_ROW].trading_state != state:  # that scope names the cause
            self._only_reducing(check, REASON_REDUCING_ONLY, -1, 0, 0)
        return 1

    cdef int _check_panic(self, Check* check) noexcept nogil:
        """A person closes a position: not held up by a kill, nor by what risk or a crash loop halted, but by all that makes the
        position or the venue doubtful."""
        cdef uint8_t reason = check.line.halt_reason
        self._only_reducing(check, REASON_REDUCING_ONLY, -1, 0, 0)
        if self.tables.control.stopping:
            return self._refuse(REASON_HALTED, HALT_REASON_STOPPING, 0)
        if not (check.line.gateway_ready and check.line.user_stream_ready and check.line.reconciled):
            return self._refuse(REASON_HALTED, HALT_REASON_VENUE, 0)
        if check.line.trading_state != TRADING_STATE_HALTED or (
                reason == HALT_REASON_KILL or reason == HALT_REASON_RISK or reason == HALT_REASON_CRASH_LOOP):
            return 1
        return self._refuse(REASON_HALTED, reason, 0)

    cdef int _check_strategy(self, Check* check) noexcept nogil:
        """Strategy 0 is the operator. What the execution stage holds for a strategy that stands still may yet protect its position."""
        cdef bint protects = check.is_child and check.intent.flags & ORDER_FLAG_REDUCE_ONLY
        if check.strategy_id == 0:
            return 1
        if check.strategy_id >= 64:
            return self._refuse(REASON_STRATEGY_DISABLED, check.strategy_id, 63)
        if self.register.strategy_halts[check.strategy_id]:
            return self._refuse(REASON_STRATEGY_DISABLED, check.strategy_id, 0)
        if not self.tables.strategies[check.strategy_id].enabled and not protects:
            return self._refuse(REASON_STRATEGY_DISABLED, check.strategy_id, 0)
        if self.tables.strategies[check.strategy_id].paused and not protects:
            return self._refuse(REASON_STRATEGY_PAUSED, check.strategy_id, 0)
        return 1

    cdef int _check_instrument(self, const Descriptor* item, Check* check) noexcept nogil:
        cdef uint32_t row = item.instrument_id
        cdef uint8_t side = check.intent.position_side
        if row == 0 or row > self.tables.instrument_count:
            return self._refuse(REASON_UNKNOWN_INSTRUMENT, row, self.tables.instrument_count)
        check.instrument = &self.tables.instruments[row]
        check.market = &self.tables.markets[row]
        check.limits = &self.tables.limits[row]
        if not check.instrument.is_trading:
            return self._refuse(REASON_INSTRUMENT_NOT_TRADING, row, 0)
        if self.register.instrument_halts[row] and not (
                check.is_panic and self.register.instrument_halts[row] != HALT_REASON_MISMATCH):
            return self._refuse(REASON_HALTED, self.register.instrument_halts[row], row)
        if not check.limits.is_set:
            # there are no default limits: an instrument without them is not armed
            return self._refuse(REASON_NOT_ARMED, row, 0)
        # an account that keeps LONG and SHORT apart wants one of them, every other account neither
        if side > POSITION_SIDE_SHORT or (side != POSITION_SIDE_BOTH) != (self.tables.hedges[check.instrument.venue_id & 15] != 0):
            return self._refuse(REASON_POSITION_SIDE, side, self.tables.hedges[check.instrument.venue_id & 15])
        check.exposure = self.tables.exposure_row(row, side)
        check.rate_e8 = self.tables.rates_e8[check.instrument.quote_asset_id]
        return 1

    cdef int _check_scopes(self, Check* check) noexcept nogil:
        """The state of every scope that the order lies in: nothing but free, and within its limits of loss, needs no second look."""
        cdef uint32_t instrument_id = check.instrument.instrument_id
        cdef Tightest* tight = &self.tightest[(instrument_id * 8 + check.strategy_id) & (TIGHTEST_KEPT - 1)]
        cdef int64_t now_ns = self.journal.now_mono_ns
        cdef int64_t less = 0  # below 0: some difference is
        cdef uint32_t marks = 0
        cdef const ScopeTerms* terms
        cdef const ScopeState* state
        cdef int i
        if unlikely(tight.generation != self.tables.limits_generation or tight.instrument_id != instrument_id
                    or tight.strategy_id != check.strategy_id):
            self._read_rows(check, tight)
        check.tight = tight
        if tight.duplicate_window_ns:
            check.recent_bucket = self.recent.bucket(check.intent, instrument_id, check.strategy_id)
            self.recent.fetch(check.recent_bucket)
        for i in range(SCOPES):
            terms = &tight.scopes[i]
            state = terms.state
            marks |= (<const uint32_t*> &state.trading_state)[0] ^ <uint32_t> TRADING_STATE_ACTIVE
            less = tw_either(less, (now_ns - state.cooldown_until_mono_ns) | (now_ns - state.pause_until_mono_ns)
                             | (state.day_pnl_e8 - terms.least_day_pnl_e8) | (terms.drawdown_e8 - state.drawdown_e8)
                             | (terms.drawdown_bps - state.drawdown_bps))
        less |= -<int64_t> (marks & SCOPE_MARKS) | -<int64_t> ((check.rate_e8 == 0) & tight.needs_rate)
        return self._tell_scopes(check) if unlikely(less < 0) else 1

    cdef int _tell_scopes(self, Check* check) noexcept nogil:
        """Which scope holds the order up, and why."""
        cdef int64_t now_ns = self.journal.now_mono_ns
        cdef const ScopeState* state
        cdef const LimitRow* row
        cdef int i
        for i in range(SCOPES):
            state = &self.tables.scopes[check.tight.rows[i]]
            row = &self.tables.limit_rows[check.tight.rows[i]]
            if ((state.trading_state != TRADING_STATE_ACTIVE) | (state.tripped != 0) | (now_ns < state.cooldown_until_mono_ns)
                    | (now_ns < state.pause_until_mono_ns)):
                if not self._check_scope_state(check, i, state):
                    return 0
            if row.is_set:
                self._read_losses(check, i, row, state)
                if check.rate_e8 == 0 and i != LIMIT_SCOPE_INSTRUMENT and limits_money(row):
                    self._only_reducing(check, REASON_NOT_VALUED, i, check.instrument.quote_asset_id, 0)
        return 1

    cdef int _check_scope_state(self, Check* check, int scope, const ScopeState* state) noexcept nogil:
        """HALTED refuses; the rest lets pass what reduces."""
        cdef uint16_t reason = state.reason
        if state.trading_state != TRADING_STATE_ACTIVE and state.trading_state != TRADING_STATE_REDUCING and not check.is_panic:
            return self._refuse_in(scope, reason if reason else REASON_HALTED, state.trading_state, TRADING_STATE_ACTIVE)
        if state.tripped and check.strategy_id and not check.is_child:
            # a strategy that repeats itself sends nothing at all until a person has looked
            return self._refuse_in(scope, REASON_REPEATED_EXECUTION, self.tables.limit_rows[check.tight.rows[scope]].max_executions,
                                   self.tables.limit_rows[check.tight.rows[scope]].max_executions)
        if state.trading_state == TRADING_STATE_REDUCING:
            self._only_reducing(check, reason if reason else REASON_REDUCING_ONLY, scope, state.trading_state, TRADING_STATE_ACTIVE)
        if state.tripped:
            self._only_reducing(check, REASON_REPEATED_EXECUTION, scope, 0, self.tables.limit_rows[check.tight.rows[scope]].max_executions)
        if self.journal.now_mono_ns < state.cooldown_until_mono_ns:
            self._only_reducing(check, REASON_LOSS_STREAK, scope, state.loss_streak, self.tables.limit_rows[check.tight.rows[scope]].max_loss_streak)
        if self.journal.now_mono_ns < state.pause_until_mono_ns:
            self._only_reducing(check, REASON_PRICE_MOVE, scope, state.price_move_bps,
                                self.tables.limit_rows[check.tight.rows[scope]].max_price_move_bps)
        return 1

    cdef void _read_rows(self, const Check* check, Tightest* tight) noexcept nogil:
        """What is compared with the order is the tightest of all rows."""
        cdef uint16_t line = check.instrument.venue_id & 15
        cdef int i
        memset(tight, 0, sizeof(Tightest))
        tight.generation = self.tables.limits_generation
        tight.instrument_id = check.instrument.instrument_id
        tight.strategy_id = check.strategy_id
        tight.rows[0] = ENGINE_ROW
        tight.rows[1] = ACCOUNT_ROWS + line
        tight.rows[2] = VENUE_ROWS + line
        tight.rows[3] = STRATEGY_ROWS + check.strategy_id
        tight.rows[4] = <uint16_t> (INSTRUMENT_ROWS + tight.instrument_id)
        tight.order_qty_lots = check.limits.max_order_qty_lots
        tight.position_lots = check.limits.max_position_lots
        tight.collar_bps = check.limits.price_collar_bps
        tight.slippage_bps = tight.collar_period_bps = INT64_MAX
        tight.order_e8 = tight.instrument_order_e8 = HALF_RANGE
        tight.reach_e8 = TW_WORTH_MAX_E8 - 1
        tight.refilled_mono_ns = -1
        tight.collar_period_ns = self._collar_period_ns(tight.instrument_id, &tight.collar_period_bps)
        for i in range(SCOPES):
            put_terms(&tight.scopes[i], &self.tables.scopes[tight.rows[i]], &self.tables.limit_rows[tight.rows[i]])
            if self.tables.limit_rows[tight.rows[i]].is_set:
                self._read_limits(tight, i, &self.tables.limit_rows[tight.rows[i]])

    cdef void _read_limits(self, Tightest* tight, int scope, const LimitRow* row) noexcept nogil:
        """One row that limits something."""
        tight.limited[tight.limited_count] = scope
        tight.limited_count += 1
        if row.message_rate_per_s != INT64_MAX:
            tight.rated[tight.rated_count] = scope
            tight.buckets[tight.rated_count] = tight.scopes[scope].state
            tight.rated_count += 1
        tight.has_own |= scope == LIMIT_SCOPE_STRATEGY
        if scope == LIMIT_SCOPE_INSTRUMENT:
            tight.instrument_order_e8 = min(row.max_order_notional_e8, <int64_t> HALF_RANGE)
        else:
            tight.order_e8 = min(tight.order_e8, row.max_order_notional_e8)
        if scope != LIMIT_SCOPE_INSTRUMENT and scope != LIMIT_SCOPE_STRATEGY:
            tight.reach_e8 = min(tight.reach_e8, row.max_position_notional_e8)
        tight.needs_rate |= scope != LIMIT_SCOPE_INSTRUMENT and limits_money(row)
        tight.order_qty_lots = min(tight.order_qty_lots, row.max_order_qty_lots)
        tight.position_lots = min(tight.position_lots, row.max_position_lots)
        tight.collar_bps = min(tight.collar_bps, row.price_collar_bps)
        tight.slippage_bps = min(tight.slippage_bps, row.max_slippage_bps)
        tight.duplicate_window_ns = max(tight.duplicate_window_ns, row.duplicate_window_ns)
        tight.permissions |= row.permissions

    cdef void _read_losses(self, Check* check, int scope, const LimitRow* row, const ScopeState* state) noexcept nogil:
        if state.day_pnl_e8 < -row.max_daily_loss_e8:
            self._only_reducing(check, REASON_DAILY_LOSS, scope, state.day_pnl_e8, -row.max_daily_loss_e8)
        elif state.drawdown_e8 > row.max_drawdown_e8:
            self._only_reducing(check, REASON_DRAWDOWN, scope, state.drawdown_e8, row.max_drawdown_e8)
        elif state.drawdown_bps > row.max_drawdown_bps:
            self._only_reducing(check, REASON_DRAWDOWN, scope, state.drawdown_bps, row.max_drawdown_bps)

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
        if target.position_side != check.intent.position_side:
            return self._refuse(REASON_POSITION_SIDE, check.intent.position_side, target.position_side)
        if check.strategy_id != 0 and target.strategy_id != check.strategy_id:
            return self._refuse(REASON_UNKNOWN_ORDER, target.strategy_id, check.strategy_id)
        check.target = target
        return 1

    cdef int _check_reducing(self, Check* check) noexcept nogil:
        """Reduce-only, and where only what reduces passes: with all that works on its side the order may close the position, not turn it."""
        cdef int64_t open_lots = check.exposure.position_lots
        cdef int64_t working_lots = check.exposure.working_sell_lots
        cdef int64_t replaced_lots = 0
        cdef uint8_t side = check.intent.position_side
        # the two sides of a hedged position: never more may be closed than is open
        cdef bint closes = (side == POSITION_SIDE_LONG and check.intent.side == SIDE_SELL) or (
            side == POSITION_SIDE_SHORT and check.intent.side == SIDE_BUY)
        cdef bint is_flagged = (check.intent.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION)) != 0
        cdef bint is_cut = check.instrument.kind != 0 and (is_flagged or closes)  # by the venue, to the position there is when it takes
        if check.reduce_reason == REASON_NONE and not is_flagged and not closes:
            return 1
        if check.intent.side == SIDE_BUY:
            open_lots = -open_lots
            working_lots = check.exposure.working_buy_lots
        if is_cut and (is_conditional(check.intent.order_type) or (check.is_child and check.intent.order_type == ORDER_TYPE_MARKET)):
            working_lots = 0  # beside others it cannot turn the position
        elif is_cut and check.target != NULL:
            replaced_lots = min(check.target.reserved_lots, check.added_lots)  # nor can both in full
        if open_lots > 0 and not tw_sum_above(working_lots, check.added_lots, -replaced_lots, open_lots):
            return 1
        if check.reduce_reason != REASON_NONE and check.reduce_reason != REASON_REDUCING_ONLY:
            self.scope = check.reduce_scope
            return self._refuse(check.reduce_reason, check.reduce_value, check.reduce_limit)
        return self._refuse(REASON_REDUCING_ONLY, tw_sum_clamped(working_lots, check.added_lots, -replaced_lots), open_lots)

    cdef int _check_position(self, Check* check) noexcept nogil:
        """The position if everything working on this side filled, UNKNOWN orders at full size."""
        cdef int64_t position_lots = check.exposure.position_lots
        cdef int64_t working_lots = check.exposure.working_buy_lots
        if check.intent.side == SIDE_SELL:
            position_lots = -position_lots
            working_lots = check.exposure.working_sell_lots
            if check.tight.permissions & PERMISSION_NO_SHORT and check.instrument.kind != 0 and (
                    check.intent.position_side == POSITION_SIDE_SHORT or tw_sum_above(position_lots, working_lots, check.added_lots, 0)):
                return self._refuse(REASON_SHORT_BANNED, tw_sum_clamped(position_lots, working_lots, check.added_lots), 0)
        if tw_sum_above(position_lots, working_lots, check.added_lots, check.tight.position_lots):
            return self._refuse_in(LIMIT_SCOPE_INSTRUMENT, REASON_POSITION_LIMIT,
                                   tw_sum_clamped(position_lots, working_lots, check.added_lots), check.tight.position_lots)
        return 1

    cdef int _check_open_orders(self, Check* check) noexcept nogil:
        cdef int added = 0 if check.target != NULL else 1
        cdef const Tightest* tight = check.tight
        cdef int64_t left = 0
        cdef int i
        if check.exposure.open_orders + added > check.limits.max_open_orders:
            return self._refuse_in(LIMIT_SCOPE_INSTRUMENT, REASON_OPEN_ORDERS_LIMIT, check.exposure.open_orders + added,
                                   check.limits.max_open_orders)
        if self.register.open_orders + added > self.tables.engine_limits.max_open_orders:
            return self._refuse_in(LIMIT_SCOPE_ENGINE, REASON_OPEN_ORDERS_LIMIT, self.register.open_orders + added,
                                   self.tables.engine_limits.max_open_orders)
        for i in range(SCOPES):
            left |= tight.scopes[i].open_orders - tight.scopes[i].state.open_orders - added  # counts: what wraps is below 0
        if unlikely(left < 0):
            for i in range(SCOPES):
                if tight.scopes[i].state.open_orders + added > tight.scopes[i].open_orders:
                    return self._refuse_in(i, REASON_OPEN_ORDERS_LIMIT, tight.scopes[i].state.open_orders + added, tight.scopes[i].open_orders)
        return 1

    cdef int _check_exposure(self, Check* check) noexcept nogil:
        """Order, position, gross and net exposure, leverage, number of positions and budget of every scope, at the present price."""
        cdef uint32_t instrument_id = check.instrument.instrument_id
        cdef uint8_t side = check.intent.position_side
        cdef Tightest* tight = check.tight
        cdef bint is_buy = check.intent.side == SIDE_BUY, is_alone
        cdef int i
        cdef int64_t price_ticks, left
        cdef Addition quoted, valued, own_quoted, own
        cdef Exposure* row = check.exposure
        cdef Exposure* own_row
        if tight.limited_count == 0:
            return 1
        own_row = self.tables.strategy_row(instrument_id, side, check.strategy_id)
        price_ticks = self.tables.reference_ticks(instrument_id)
        if unlikely(price_ticks != row.reference_ticks):
            self.tables.touch_exposure(instrument_id, side)  # who moves lots has done so; what may have moved since is the price
        if unlikely(price_ticks != own_row.reference_ticks):
            self.tables.touch_strategy(instrument_id, side, check.strategy_id)
        is_alone = is_alike(row, own_row)
        self._value_addition(check, row, &quoted, &valued)
        check.after.quoted_e8 = check.after.own_quoted_e8 = quoted.reach_e8 if is_buy else -quoted.reach_e8
        check.after.valued_e8 = check.after.own_valued_e8 = valued.reach_e8 if is_buy else -valued.reach_e8
        quoted.order_e8 = check.notional_e8
        valued.order_e8 = tw_converted(check.notional_e8, check.rate_e8)
        own = valued
        if not is_alone:
            self._value_addition(check, own_row, &own_quoted, &own)
            check.after.own_quoted_e8 = own_quoted.reach_e8 if is_buy else -own_quoted.reach_e8
            check.after.own_valued_e8 = own.reach_e8 if is_buy else -own.reach_e8
            own.order_e8 = valued.order_e8
        check.after.is_alone = is_alone
        check.own_exposure = own_row
        check.is_valued = ((row.reference_ticks ^ price_ticks) | (own_row.reference_ticks ^ price_ticks) | (row.rate_e8 ^ check.rate_e8)
                           | (own_row.rate_e8 ^ check.rate_e8)) == 0
        # what limits nothing is half of the range, and each difference below 0 is looked at exactly
        left = ((tight.order_e8 - valued.order_e8) | (tight.reach_e8 - valued.reach_e8) | (tight.scopes[3].reach_e8 - own.reach_e8)
                | (tight.instrument_order_e8 - quoted.order_e8) | (tight.scopes[4].reach_e8 - quoted.reach_e8))
        left = tw_either(left, room_left(&tight.scopes[0], valued.gross_e8, valued.net_e8, is_buy))
        left = tw_either(left, room_left(&tight.scopes[1], valued.gross_e8, valued.net_e8, is_buy))
        left = tw_either(left, room_left(&tight.scopes[2], valued.gross_e8, valued.net_e8, is_buy))
        left = tw_either(left, room_left(&tight.scopes[3], own.gross_e8, own.net_e8, is_buy))
        left = tw_either(left, room_left(&tight.scopes[4], quoted.gross_e8, quoted.net_e8, is_buy))
        if valued.is_new | own.is_new:
            for i in range(SCOPES):
                left |= -<int64_t> (tight.scopes[i].state.positions >= tight.scopes[i].positions)
        return self._name_exposure(check, &quoted, &valued, &own) if unlikely(left < 0) else 1

    cdef int _name_exposure(self, Check* check, const Addition* quoted, const Addition* valued, const Addition* own) noexcept nogil:
        """The first scope whose limits the order would break."""
        cdef const Tightest* tight = check.tight
        cdef int i, scope
        for i in range(tight.limited_count):
            scope = tight.limited[i]
            if not self._check_worth(check, scope, quoted if scope == LIMIT_SCOPE_INSTRUMENT else own if scope == LIMIT_SCOPE_STRATEGY else valued):
                return 0
        return 1

    cdef void _value_addition(self, Check* check, const Exposure* row, Addition* quoted, Addition* valued) noexcept nogil:
        """What a row would be worth with the order among what works."""
        cdef const Instrument* instrument = check.instrument
        cdef bint is_buy = check.intent.side == SIDE_BUY
        cdef int64_t lots, quoted_e8, valued_e8
        if is_buy:
            lots = tw_sum_clamped(row.position_lots, row.working_buy_lots, check.added_lots)
        else:
            lots = tw_sum_clamped(row.position_lots, -row.working_sell_lots, -check.added_lots)
        tw_value_lots(row.reference_ticks, lots, instrument.tick_lot_value_numerator, instrument.tick_lot_value_denominator, check.rate_e8,
                      &quoted_e8, &valued_e8)
        add_to(quoted, &row.quoted, quoted_e8, is_buy)
        add_to(valued, &row.worth, valued_e8, is_buy)
        quoted.is_new = valued.is_new = row.is_counted == 0

    cdef int _check_worth(self, Check* check, int scope, const Addition* added) noexcept nogil:
        """One scope."""
        cdef const ScopeState* state = &self.tables.scopes[check.tight.rows[scope]]
        cdef bint is_buy = check.intent.side == SIDE_BUY
        if not is_beyond(&self.tables.limit_rows[check.tight.rows[scope]], state, added, is_buy):
            return 1
        return self._name_breach(check, scope, added, state.gross_e8 + added.gross_e8,
                                 (state.net_if_bought_e8 if is_buy else -state.net_if_sold_e8) + added.net_e8)

    cdef int _name_breach(self, Check* check, int scope, const Addition* added, int64_t gross_e8, int64_t net_e8) noexcept nogil:
        """Which of a scope's limits it was."""
        cdef const LimitRow* limits = &self.tables.limit_rows[check.tight.rows[scope]]
        cdef const ScopeState* state = &self.tables.scopes[check.tight.rows[scope]]
        cdef bint grows = added.gross_e8 > 0
        if added.reach_e8 >= TW_WORTH_MAX_E8:
            return self._refuse_in(scope, REASON_NOT_VALUED, added.reach_e8, TW_WORTH_MAX_E8)
        if is_uncounted(gross_e8, added):
            return self._refuse_in(scope, REASON_NOT_VALUED, gross_e8 if gross_e8 > 0 else INT64_MAX, HALF_RANGE)
        if added.order_e8 > limits.max_order_notional_e8:
            return self._refuse_in(scope, REASON_NOTIONAL_ABOVE_MAX, added.order_e8, limits.max_order_notional_e8)
        if added.reach_e8 > limits.max_position_notional_e8:
            return self._refuse_in(scope, REASON_POSITION_NOTIONAL, added.reach_e8, limits.max_position_notional_e8)
        if grows and gross_e8 > limits.max_gross_exposure_e8:
            return self._refuse_in(scope, REASON_GROSS_EXPOSURE, gross_e8, limits.max_gross_exposure_e8)
        if net_e8 > limits.max_net_exposure_e8:
            return self._refuse_in(scope, REASON_NET_EXPOSURE, net_e8, limits.max_net_exposure_e8)
        if grows and above_leverage(limits, state, gross_e8):
            return self._refuse_in(scope, REASON_LEVERAGE, gross_e8, state.equity_e8)
        if added.is_new and state.positions >= limits.max_positions:
            return self._refuse_in(scope, REASON_POSITIONS_LIMIT, state.positions + 1, limits.max_positions)
        return self._refuse_in(scope, REASON_CAPITAL_BUDGET, gross_e8, limits.capital_budget_e8)

    cdef int _check_balance(self, Check* check) noexcept nogil:
        """Spot: what the order may spend, with all that is promised already, must be there (free and locked at the venue)."""
        cdef uint16_t asset_id = check.instrument.quote_asset_id
        cdef int64_t cost_e8 = check.notional_e8
        cdef int64_t added_e8, owned_e8
        if check.instrument.kind != 0 or check.is_pending:
            return 1  # the venue takes nothing for a leg that waits: what it sells is bought by the one before it
        if check.intent.side == SIDE_SELL:
            asset_id = check.instrument.base_asset_id
            cost_e8 = tw_scaled(check.qty_lots, check.instrument.lot_size_e8)
        elif cost_e8 < INT64_MAX:
            cost_e8 += 1  # the notional is rounded down
        added_e8 = cost_e8
        if check.target != NULL:
            added_e8 = max(cost_e8 - check.target.promised_e8, <int64_t> 0)
        elif check.sibling != NULL:
            added_e8 = max(cost_e8 - check.sibling.promised_e8, <int64_t> 0)
        owned_e8 = tw_sum_clamped(self.tables.control.balance_free_e8[asset_id], self.tables.control.balance_locked_e8[asset_id], 0)
        if (tw_sum_above(self.register.promised_e8[asset_id], added_e8, 0, owned_e8)
                or (cost_e8 == INT64_MAX and check.intent.side == SIDE_SELL and tw_is_beyond(check.qty_lots, check.instrument.lot_size_e8))):
            return self._refuse(REASON_INSUFFICIENT_BALANCE,
                                tw_sum_clamped(self.register.promised_e8[asset_id], added_e8, 0), owned_e8)
        check.promise_e8 = added_e8
        check.promise_asset_id = asset_id
        return 1

    cdef int _check_margin(self, Check* check) noexcept nogil:
        """Futures: what the order opens beyond the larger of the two worst cases has its initial margin in what is available."""
        cdef uint32_t instrument_id = check.instrument.instrument_id
        cdef const MarginTerms* terms = &self.tables.margin_terms[instrument_id]
        cdef const MarginAccount* account = &self.tables.margins[check.instrument.settle_asset_id]
        cdef const Exposure* row = check.exposure
        cdef int64_t up_lots, down_lots, before_lots, opened_lots, price_ticks, value_e8
        if check.instrument.kind == 0 or not account.is_margin:
            return 1
        up_lots = tw_sum_clamped(row.position_lots, row.working_buy_lots, 0)
        down_lots = tw_sum_clamped(row.position_lots, -row.working_sell_lots, 0)
        before_lots = max(tw_magnitude(up_lots), tw_magnitude(down_lots))
        if check.intent.side == SIDE_BUY:
            up_lots = tw_sum_clamped(up_lots, check.added_lots, 0)
        else:
            down_lots = tw_sum_clamped(down_lots, -check.added_lots, 0)
        opened_lots = max(tw_magnitude(up_lots), tw_magnitude(down_lots)) - before_lots
        if opened_lots <= 0:
            return 1
        if terms.leverage <= 0:
            return self._refuse(REASON_MARGIN, 0, 0)  # the account's settings were never told
        price_ticks = max(check.price_ticks, self.tables.reference_ticks(instrument_id))
        value_e8 = self.tables.settle_value_e8(instrument_id, price_ticks, before_lots + opened_lots)
        if value_e8 > terms.notional_cap_e8:
            return self._refuse(REASON_MARGIN, value_e8, terms.notional_cap_e8)
        value_e8 = self.tables.settle_value_e8(instrument_id, price_ticks, opened_lots)
        if tw_product_above(value_e8, 1, account.available_e8, terms.leverage):
            return self._refuse(REASON_MARGIN, value_e8, account.available_e8)
        return 1

    cdef void _promise_margin(self, ApprovedOrder* slot, const Check* check) noexcept nogil:
        """What the order may open stands among the account's orders before the next intent is looked at."""
        cdef bint closes = slot.position_side != POSITION_SIDE_BOTH and (slot.side == SIDE_BUY) != (slot.position_side == POSITION_SIDE_LONG)
        cdef int64_t value_e8 = 0
        if not closes and not slot.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION):
            value_e8 = self.tables.settle_value_e8(slot.instrument_id, slot.promise_price_ticks, check.added_lots)
        self.tables.value_order(slot.instrument_id, slot.position_side, slot.side, &slot.valued_e8, value_e8)
        self.tables.touch_margin(slot.instrument_id)

    cdef int _check_self_trade(self, Check* check) noexcept nogil:
        """Limit orders at their price, market orders at the last level they reach. What waits for a trigger rests nowhere yet."""
        cdef const ApprovedOrder* own
        if not check.tight.permissions & PERMISSION_NO_SELF_TRADE or is_conditional(check.intent.order_type):
            return 1
        own = self.register.reached(check.instrument.instrument_id, check.intent.side, check.price_ticks)
        if own != NULL:
            return self._refuse(REASON_SELF_TRADE, check.price_ticks, own.price_ticks)
        return 1

    cdef int _check_duplicate(self, Check* check) noexcept nogil:
        """The same again within the window. Children of a parent are alike by design, and bounded by its quantity."""
        cdef int64_t age_ns
        if check.tight.duplicate_window_ns == 0 or check.is_child:
            return 1
        age_ns = self.recent.age_ns(check.recent_bucket, check.intent, check.instrument.instrument_id, check.strategy_id, self.journal.now_mono_ns,
                                    check.tight.duplicate_window_ns)
        if age_ns >= 0:
            return self._refuse(REASON_DUPLICATE, age_ns, check.tight.duplicate_window_ns)
        return 1

    cdef int _check_rate(self, Check* check) noexcept nogil:
        """Token buckets on the turn's monotonic stamp; the last check, so that only what leaves takes tokens, and of every bucket."""
        cdef int64_t now_ns = self.journal.now_mono_ns, elapsed_ns = now_ns - self.refilled_mono_ns
        cdef int64_t burst = self.tables.engine_limits.message_burst
        cdef Tightest* tight = check.tight
        cdef int64_t fewest = 0
        cdef int i
        if elapsed_ns > 0:
            self.tokens_e9 = tw_refill(self.tokens_e9, elapsed_ns, self.tables.engine_limits.message_rate_per_s, burst)
            self.refilled_mono_ns = now_ns
        if unlikely(self.tokens_e9 < TOKEN_E9):
            return self._refuse_in(LIMIT_SCOPE_ENGINE, REASON_MESSAGE_RATE, burst, self.tables.engine_limits.message_rate_per_s)
        if tight.refilled_mono_ns != now_ns:
            for i in range(tight.rated_count):
                self._refill(&self.tables.limit_rows[tight.rows[tight.rated[i]]], tight.buckets[i], now_ns)
            tight.refilled_mono_ns = now_ns
        for i in range(tight.rated_count):
            tight.buckets[i].tokens_e9 -= TOKEN_E9
            fewest |= tight.buckets[i].tokens_e9
        if unlikely(fewest < 0):
            return self._give_back(check)
        self.tokens_e9 -= TOKEN_E9
        return 1

    cdef int _give_back(self, Check* check) noexcept nogil:
        """Some bucket held less than a token: none loses any."""
        cdef const Tightest* tight = check.tight
        cdef const LimitRow* row
        cdef int i, scope = -1
        for i in range(tight.rated_count):
            tight.buckets[i].tokens_e9 += TOKEN_E9
            if scope < 0 and tight.buckets[i].tokens_e9 < TOKEN_E9:
                scope = tight.rated[i]
        row = &self.tables.limit_rows[tight.rows[scope]]
        return self._refuse_in(scope, REASON_MESSAGE_RATE, burst_of(row), row.message_rate_per_s)

    cdef void _refill(self, const LimitRow* row, ScopeState* state, int64_t now_ns) noexcept nogil:
        """What a scope's bucket holds by now; the first time it is full."""
        if state.refilled_mono_ns == 0:
            state.tokens_e9 = tw_refill(INT64_MAX, 0, 0, burst_of(row))
        elif now_ns <= state.refilled_mono_ns:
            return
        else:
            state.tokens_e9 = tw_refill(state.tokens_e9, now_ns - state.refilled_mono_ns, row.message_rate_per_s, burst_of(row))
        state.refilled_mono_ns = now_ns

    cdef void _approve(self, const Descriptor* item, Check* check, RecordHeader* record) noexcept nogil:
        cdef ApprovedOrder* slot = self.register.issue(check.handle)
        cdef Descriptor* approval
        if slot == NULL:
            self.journal.abandon(record)
            self._refuse(REASON_ORDER_POOL_FULL, self.register.open_orders, self.register.capacity)
            self._reject(item, check.refusals)
            return
        self._fill_slot(slot, item, check)
        self.register.enter(self.register.index_of(slot))
        if check.is_valued:
            self.tables.put_order(check.exposure, check.own_exposure, slot.instrument_id, slot.strategy_id, slot.side == SIDE_BUY,
                                  check.added_lots, &check.after, 1)
        else:
            self.tables.move_order(slot.instrument_id, slot.position_side, slot.strategy_id, slot.side, check.added_lots, 1)
        if check.instrument.kind != 0:
            self._promise_margin(slot, check)
        self.register.promised_e8[check.promise_asset_id] = self.register.promised_e8[check.promise_asset_id] + check.promise_e8
        if check.tight.duplicate_window_ns:
            self.recent.note(check.recent_bucket, check.intent, slot.instrument_id, slot.strategy_id, self.journal.now_mono_ns)
        self.reason = REASON_NONE
        self.scope = 0
        self.value = slot.promise_price_ticks  # a restart promises the order's money by it again
        slot.verdict_seq = self._write_verdict(record, item, slot.nonce)
        approval = (<Ring> check.approvals).claim()  # there is room: `_check_engine`
        if approval != NULL:
            approval[0] = item[0]
            approval.kind = RECORD_KIND_VERDICT
            approval.data = <uint16_t> (self.register.index_of(slot) + 1)
            approval.seq = approval.cause_seq = slot.verdict_seq
            approval.record = record
            (<Ring> check.approvals).publish()
        self.approved_count += 1
        self.counters.values[<int> COUNTER_APPROVED] = self.counters.values[<int> COUNTER_APPROVED] + 1

    cdef void _fill_slot(self, ApprovedOrder* slot, const Descriptor* item, Check* check) noexcept nogil:
        """The order as it will be sent."""
        cdef const Conditions* conditions = check.conditions
        cdef Leg* leg
        slot.action = check.intent.action
        slot.side = check.intent.side
        slot.order_type = check.intent.order_type
        slot.time_in_force = check.intent.time_in_force
        slot.flags = check.intent.flags
        slot.position_side = check.intent.position_side
        slot.price_ticks = check.intent.price_ticks if is_priced(check.intent.order_type) else 0
        slot.trigger_ticks = check.intent.trigger_ticks if is_conditional(check.intent.order_type) else 0
        slot.expire_ns = check.intent.expire_ns
        slot.qty_lots = check.intent.qty_lots
        slot.target_handle = check.intent.target_handle if check.target != NULL else 0
        slot.instrument_id = item.instrument_id
        slot.venue_id = check.instrument.venue_id
        slot.account_id = check.instrument.venue_id  # a line has one account, which has its number
        slot.strategy_id = item.strategy_id
        slot.reserved_lots = check.added_lots
        slot.promised_e8 = check.promise_e8
        slot.promised_asset_id = check.promise_asset_id
        slot.promise_price_ticks = check.price_ticks
        if check.target != NULL:
            check.target.is_busy = 1
        if conditions != NULL:
            slot.has_conditions = 1
            self.register.conditions[self.register.index_of(slot)] = conditions[0]
            if conditions.list_size:
                leg = &self.legs[self.leg_count & (LEGS_KEPT - 1)]
                leg.list_handle = conditions.list_handle
                leg.order_handle = check.handle
                leg.list_index = conditions.list_index
                self.leg_count += 1

    cdef void _reject(self, const Descriptor* item, void* refusals) noexcept nogil:
        """Journal the refusal (from the reserve if need be) and tell the strategy."""
        cdef uint32_t size = sizeof(RecordHeader) + sizeof(VerdictPayload)
        cdef RecordHeader* record = self.journal.claim(LANE_LEDGER, RECORD_KIND_VERDICT, size, False)
        cdef Descriptor refusal = item[0]
        if record == NULL:
            record = self.journal.claim(LANE_LEDGER, RECORD_KIND_VERDICT, size, True)
        refusal.kind = RECORD_KIND_VERDICT
        refusal.data = self.reason
        # 1: a change of an order was refused, and not the order
        refusal.flags = 1 if (<const IntentPayload*> (item.record + 1)).action == INTENT_ACTION_AMEND else 0
        refusal.record = record
        if record != NULL:
            refusal.seq = refusal.cause_seq = self._write_verdict(record, item, 0)
        (<Ring> refusals).push(&refusal)
        self.refused_count += 1
        self._note_operators(item)
        self.counters.values[<int> COUNTER_REFUSED] = self.counters.values[<int> COUNTER_REFUSED] + 1

    cdef uint64_t _write_verdict(self, RecordHeader* record, const Descriptor* item, uint64_t nonce) noexcept nogil:
        # the claim is zeroed so far. Words that are put together of fields are written whole: the checksum reads words, and one that
        # was written in pieces is late in coming back
        cdef VerdictPayload* verdict = <VerdictPayload*> (record + 1)
        (<uint64_t*> verdict)[0] = self.reason | <uint64_t> (1 if nonce else 0) << 16 | <uint64_t> self.scope << 24
        verdict.nonce = nonce
        verdict.value = self.value
        verdict.limit_value = self.limit_value
        record.cause_seq = item.record.seq
        (<uint64_t*> &record.kind)[0] = RECORD_KIND_VERDICT | <uint64_t> item.venue_id << 16 | <uint64_t> item.account_id << 32 | (
            <uint64_t> item.strategy_id << 48)
        (<uint64_t*> &record.instrument_id)[0] |= item.instrument_id
        record.order_handle = item.order_handle
        return self.journal.commit(record)
