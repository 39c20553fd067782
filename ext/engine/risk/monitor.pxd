"""The risk monitor: profit, drawdown, streaks, price moves, volatility and venue health by scope; risk modes; the limits in force."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport CommandPayload, FillPayload, FundingPaymentPayload, OrderStatePayload, RiskStatePayload, StatePayload
from engine.model.tables cimport LimitRow, Tables
from engine.model.funding cimport FundingBook
from engine.risk.measures cimport Breaker, BreakerTerms, LossWindow, PriceWindow, Trade, TradeRow, Volatility
from engine.runtime.actor cimport Actor
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

cdef struct ModeRule:
    # thresholds; INT64_MAX = none. A mode begins when one is reached.
    int64_t drawdown_e8
    int64_t drawdown_bps
    int64_t window_loss_e8
    int64_t volatility_bps
    uint8_t venue_health        # BreakerState; 0 = none
    uint8_t percent             # what is left of the limits
    uint8_t state               # TradingState that is forced; ACTIVE = none
    uint8_t until_arm
    uint8_t is_set

cdef struct Measure:
    # one a scope, beside its ScopeState: what the next measuring needs
    int64_t pnl_e8              # reporting currency; quote asset in instrument rows
    int64_t day_start_e8
    int64_t peak_e8
    int64_t equity_base_e8      # equity when balances were valued last, and the profit then
    int64_t pnl_then_e8
    int64_t day
    int64_t calm_since_ns       # the mode's cause is gone since; 0 = it is there
    int64_t volatility_bps
    int64_t window_loss_e8
    int64_t told_peak_e8        # of the latest RISK_STATE
    int64_t cooldown_until_wall_ns # of the latest RISK_STATE of an earlier run; by the wall clock
    int64_t pause_until_wall_ns
    uint8_t has_begun           # peak and day start stand
    uint8_t latches
    uint8_t is_alarmed          # RiskLatch bits already told

@cython.final
cdef class RiskMonitor(Actor):
    cdef Journal journal
    cdef Tables tables
    cdef Counters counters
    cdef Ring to_risk
    cdef Ring risk_events
    cdef readonly object limits          # LimitBook
    cdef LimitRow* base                  # as configured and commanded, before a mode scales them
    cdef Measure* measures
    cdef TradeRow* positions             # [side * INSTRUMENT_CAPACITY + instrument]
    cdef TradeRow* strategies            # [strategy * INSTRUMENT_CAPACITY + instrument]
    cdef int64_t* position_values_e8     # profit in the reporting currency as it stands in the sums
    cdef int64_t* position_costs_e8      # of the open lots, as OMS booked them
    cdef int64_t* strategy_values_e8
    cdef uint64_t[512] strategies_in     # bit = strategy that ever traded the instrument
    cdef uint16_t[512] account_of
    cdef uint8_t[512] is_traded
    cdef int64_t[512] marks_e8
    cdef PriceWindow* windows
    cdef Volatility* volatilities
    cdef Breaker[16] breakers            # of order requests, by venue
    cdef uint8_t[16] rest_health         # worst BreakerState of the other requests
    cdef BreakerTerms breaker_terms
    cdef ModeRule[4] rules
    cdef LossWindow losses
    cdef uint16_t currency_id
    cdef int64_t day_offset_ns
    cdef int64_t today
    cdef int64_t loss_window_ns
    cdef int64_t volatility_halflife_s
    cdef int64_t calm_ns
    cdef int64_t next_second_ns
    cdef int64_t first_tick_ns
    cdef FundingBook book_of_funding
    cdef bint is_ready                   # every held instrument has been seen in the market
    cdef readonly uint64_t refused_changes
    cdef object commanded                # CommandedLimits: those of earlier runs, while their ledger is read
    cdef int64_t _mark_e8(self, uint32_t instrument_id) noexcept nogil
    cdef void _revalue(self, uint32_t instrument_id) noexcept nogil
    cdef void _add(self, int row, int64_t change_e8) noexcept nogil
    cdef int _work_events(self) noexcept nogil
    cdef int _work_markets(self) noexcept nogil
    cdef void _on_fill(self, const Descriptor* item) noexcept nogil
    cdef void _book_fill(self, uint32_t instrument_id, uint16_t venue_id, uint16_t account_id, uint16_t strategy_id, int side,
                         const FillPayload* fill, bint is_live) noexcept nogil
    cdef void _take_funding(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil
    cdef void _book_funding(self, uint32_t instrument_id, uint16_t asset_id, int64_t amount_e8) noexcept nogil
    cdef void _count_trip(self, int row, int result, bint is_live) noexcept nogil
    cdef void _on_order(self, const Descriptor* item) noexcept nogil
    cdef void _on_health(self, const Descriptor* item) noexcept nogil
    cdef void _tend_breaker(self, uint32_t venue_id, uint8_t before) noexcept nogil
    cdef void _on_market(self, uint32_t instrument_id) noexcept nogil
    cdef void _watch_move(self, uint32_t instrument_id, int64_t mid) noexcept nogil
    cdef void _on_tick(self) noexcept nogil
    cdef void _on_second(self) noexcept nogil
    cdef void _tell_peaks(self) noexcept nogil
    cdef int64_t _unrealised_e8(self, uint32_t instrument_id) noexcept nogil
    cdef bint _awaits_value(self) noexcept nogil
    cdef void _value_balances(self) noexcept nogil
    cdef bint _all_marked(self) noexcept nogil
    cdef void _measure_all(self) noexcept nogil
    cdef void _measure_holders(self, uint32_t instrument_id) noexcept nogil
    cdef void _note_loss(self) noexcept nogil
    cdef void _measure(self, int row) noexcept nogil
    cdef void _publish(self) noexcept nogil
    cdef void _roll_day(self, int row, int64_t day) noexcept nogil
    cdef void _latch(self, int row) noexcept nogil
    cdef int _wanted_mode(self, int row) noexcept nogil
    cdef void _judge_mode(self, int row) noexcept nogil
    cdef void _set_mode(self, int row, int mode) noexcept nogil
    cdef void _set_state(self, int row) noexcept nogil
    cdef int _percent_of(self, int row) noexcept nogil
    cdef void _apply_row(self, int row) noexcept nogil
    cdef void _apply_all(self) noexcept nogil
    cdef void _arm(self, const Descriptor* item) noexcept nogil
    cdef void _arm_row(self, int row) noexcept nogil
    cdef int64_t _day_of(self, int64_t wall_ns) noexcept nogil
    cdef int64_t _wall_of(self, int64_t mono_ns) noexcept nogil
    cdef void _tell(self, int row, uint8_t previous_mode) noexcept nogil
    cdef void _alarm(self, int row, int code, int64_t detail, const char* text) noexcept nogil
    cdef void _address(self, int row, uint8_t* scope, uint16_t* venue_id, uint16_t* account_id, uint16_t* strategy_id,
                       uint32_t* instrument_id) noexcept nogil
    cdef void _on_command(self, const Descriptor* item) noexcept
    cdef int _change_limits(self, const Descriptor* item, const CommandPayload* command) except -1
