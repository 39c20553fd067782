"""The order under test, and the checks of its own terms. Every check is a method that returns 1 to pass; 0 refuses."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.bookreader cimport BookReader
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport Conditions, IntentPayload
from engine.model.tables cimport Exposure, Instrument, InstrumentLimits, LineState, MarketState, ScopeState, SideWorth, Tables
from engine.risk.recent cimport ReferencePrices
from engine.runtime.actor cimport Actor

cdef enum:
    SCOPES = 5                   # engine, account, venue, strategy, instrument: the numbers of LimitScope
    LEGS_KEPT = 16

cdef struct ScopeTerms:
    # what one scope compares with every order, side by side; INT64_MAX where it is not limited
    ScopeState* state
    int64_t equity_e8            # of which `leverage_room_e8` was made
    int64_t leverage_room_e8     # the largest gross exposure within the leverage at that equity
    int64_t gross_e8             # gross exposure or budget, the lesser
    int64_t net_e8
    int64_t open_orders
    int64_t least_day_pnl_e8     # at least -2^62, and the next two at least 0: differences of them never wrap to what passes
    int64_t drawdown_e8
    int64_t drawdown_bps
    int64_t reach_e8             # position notional, within what is counted exactly
    int64_t positions
    int64_t leverage_e4

cdef struct Tightest:
    # the limits of one instrument's and strategy's scopes, the tightest of all; read again when any limit has changed
    uint64_t generation          # tables.limits_generation when they were read; 0 = never
    uint32_t instrument_id
    uint32_t permissions
    int64_t order_qty_lots
    int64_t position_lots
    int64_t collar_bps
    int64_t slippage_bps
    int64_t collar_period_bps    # of the nearest scope that names a period
    int64_t collar_period_ns
    int64_t duplicate_window_ns
    # of the scopes that value an order alike: engine, account, venue, and of the order's own value the strategy
    int64_t order_e8
    int64_t reach_e8
    int64_t instrument_order_e8  # in the quote asset
    int64_t refilled_mono_ns     # the turn in which the rated scopes' buckets were filled last; below 0 = never
    ScopeTerms[5] scopes
    ScopeState* buckets[5]       # of the rated scopes
    uint16_t strategy_id
    uint16_t[5] rows             # of limit_rows, by scope
    uint8_t[5] limited           # scopes whose rows limit something
    uint8_t[5] rated             # those that limit messages
    uint8_t limited_count
    uint8_t rated_count
    uint8_t has_own              # the strategy's row is among them
    uint8_t needs_rate           # one limits money in the reporting currency

cdef struct Check:
    # the intent under test and every row that a check reads
    const IntentPayload* intent
    const Conditions* conditions # NULL: none
    const Instrument* instrument
    const MarketState* market
    const InstrumentLimits* limits
    const LineState* line        # of the instrument's venue and account; of all together where there is no such instrument
    void* approvals              # the line's ring
    Exposure* exposure           # of the order's position side
    ApprovedOrder* target        # REPLACE: the order that goes, else NULL
    ApprovedOrder* sibling       # the leg of the same list that this one excludes, else NULL
    void* refusals               # the ring that a refusal goes to
    uint64_t handle
    int64_t qty_lots             # as asked, or the position that is closed
    int64_t added_lots           # what `working` grows by: the quantity, less what a sibling holds already; 0 of what closes a position
    int64_t price_ticks          # dearest price: the limit, the trigger, or the last level a market order reaches
    int64_t cheap_ticks          # the lower of limit and trigger
    int64_t notional_e8
    int64_t promise_e8           # what the order may spend, in full
    int64_t rate_e8              # of the quote asset in the reporting currency
    Tightest* tight              # what its scopes limit
    Exposure* own_exposure       # the strategy's share
    SideWorth after              # what the side will be worth with the order
    uint8_t is_valued            # `after` holds: the rows are valued by the present price and rate
    int64_t reduce_value         # what the verdict says with `reduce_reason`
    int64_t reduce_limit
    uint32_t recent_bucket       # of orders alike
    uint16_t reduce_reason       # Reason for which only what reduces passes; 0 = none
    uint16_t promise_asset_id
    uint16_t strategy_id
    uint8_t reduce_scope
    uint8_t is_child             # of the execution stage
    uint8_t is_panic             # a person closes: passes a kill, a halt of risk, its own symbol's halt; it may only reduce
    uint8_t is_pending           # leg of a list whose first order must fill before it exists at the venue

cdef struct Addition:
    # what an order adds to an instrument's worth, in one currency, 10^-8
    int64_t order_e8
    int64_t reach_e8             # the position with all of its side filled, counted in the order's direction
    int64_t net_e8               # by how much that grows
    int64_t gross_e8             # by how much the larger of the two worst cases grows
    int64_t is_new               # 1: there is no position yet

cdef struct Leg:
    uint64_t list_handle
    uint64_t order_handle
    uint8_t list_index

cdef class TermsCheck(Actor):
    cdef Journal journal
    cdef Tables tables
    cdef ApprovalRegister register
    cdef BookReader books
    cdef ReferencePrices references
    cdef Leg[16] legs            # of lists, the latest
    cdef uint32_t leg_count
    # outcome of the last check
    cdef uint16_t reason
    cdef uint8_t scope           # 1 + LimitScope of the limit; 0 = none
    cdef int64_t value
    cdef int64_t limit_value
    # the latest refusal of what a person asked for, as VERDICT has it, and the record that it came of: a command's mostly
    cdef readonly uint64_t operator_refused_handle
    cdef readonly uint64_t operator_refused_cause
    cdef readonly uint16_t operator_refused_reason
    cdef readonly uint8_t operator_refused_scope
    cdef readonly int64_t operator_refused_value
    cdef readonly int64_t operator_refused_limit
    @cython.final
    cdef void _note_operators(self, const Descriptor* item) noexcept nogil
    @cython.final
    cdef int64_t _collar_period_ns(self, uint32_t instrument_id, int64_t* most_bps) noexcept nogil
    @cython.final
    cdef int _check_terms(self, const Descriptor* item, Check* check) noexcept nogil
    @cython.final
    cdef int _refuse(self, uint16_t reason, int64_t value, int64_t limit_value) noexcept nogil
    @cython.final
    cdef int _refuse_in(self, int scope, uint16_t reason, int64_t value, int64_t limit_value) noexcept nogil
    @cython.final
    cdef void _only_reducing(self, Check* check, uint16_t reason, int scope, int64_t value, int64_t limit_value) noexcept nogil
    @cython.final
    cdef int _check_type(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_list(self, Check* check) noexcept nogil
    @cython.final
    cdef bint _is_of_one_list(self, const Check* check, const ApprovedOrder* leg) noexcept nogil
    @cython.final
    cdef ApprovedOrder* _leg(self, uint64_t list_handle, int list_index) noexcept nogil
    @cython.final
    cdef int _check_permissions(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_size(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_remainder(self, const Check* check) noexcept nogil
    @cython.final
    cdef int _check_market_size(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_book(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_price(self, Check* check) noexcept nogil
    @cython.final
    cdef int _on_grid(self, Check* check, int64_t price_ticks, uint16_t outside) noexcept nogil
    @cython.final
    cdef int _check_market_price(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_depth(self, Check* check, uint16_t too_thin) noexcept nogil
    @cython.final
    cdef int _check_conditional(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_trigger_side(self, Check* check, int64_t trigger_ticks) noexcept nogil
    @cython.final
    cdef int64_t _trigger_market_e8(self, Check* check) noexcept nogil
    @cython.final
    cdef int _within_collar(self, Check* check, int64_t price_ticks) noexcept nogil
    @cython.final
    cdef int _within_period_collar(self, Check* check, int64_t price_ticks) noexcept nogil
    @cython.final
    cdef int _scope_of_collar(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_notional(self, Check* check) noexcept nogil
    @cython.final
    cdef int _check_venue_room(self, const Check* check) noexcept nogil
    @cython.final
    cdef int _check_waiting_room(self, const Check* check) noexcept nogil
    @cython.final
    cdef int _check_listed_room(self, const Check* check) noexcept nogil
