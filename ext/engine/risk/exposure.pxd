"""What an order adds to its scopes' exposure, compared with their limits: inlined into the gate.

`room_left` is the quick look at one scope; where it finds anything `is_beyond` knows exactly, and the gate names the limit.
"""
from libc.stdint cimport INT64_MAX, int64_t
from engine.model.tables cimport TW_WORTH_MAX_E8, Exposure, LimitRow, ScopeState, Worth, tw_magnitude
from engine.risk.terms cimport Addition, ScopeTerms

cdef extern from "arithmetic.h" nogil:
    int64_t tw_leverage_room(int64_t, int64_t) noexcept
    int tw_product_above(int64_t, int64_t, int64_t, int64_t) noexcept

cdef extern from *:
    bint unlikely(bint) noexcept nogil

cdef enum:
    # half of what 64 bits hold: differences of such limits and any measure wrap to what refuses at most. No gross exposure grows
    # beyond: what is no larger for each position may be, in sum, and below 0 it has wrapped
    HALF_RANGE = 0x4000000000000000


cdef inline bint above_leverage(const LimitRow* limits, const ScopeState* state, int64_t gross_e8) noexcept nogil:
    """More than so many times the equity; without equity anything is."""
    return limits.max_leverage_e4 != INT64_MAX and (
        state.equity_e8 <= 0 or tw_product_above(gross_e8, 10000, limits.max_leverage_e4, state.equity_e8))


cdef inline bint limits_money(const LimitRow* row) noexcept nogil:
    """Money that only a rate makes comparable."""
    return (row.max_order_notional_e8 & row.max_position_notional_e8 & row.max_gross_exposure_e8 & row.max_net_exposure_e8
            & row.max_leverage_e4 & row.capital_budget_e8) != INT64_MAX


cdef inline int64_t burst_of(const LimitRow* row) noexcept nogil:
    """A rate without a burst allows a second's worth at once."""
    return row.message_burst if row.message_burst != INT64_MAX else max(row.message_rate_per_s, <int64_t> 1)


cdef inline bint is_alike(const Exposure* row, const Exposure* own) noexcept nogil:
    """The same lots, valued by the same price and rate: worth the same."""
    return ((row.position_lots ^ own.position_lots) | (row.working_buy_lots ^ own.working_buy_lots)
            | (row.working_sell_lots ^ own.working_sell_lots) | (row.reference_ticks ^ own.reference_ticks)
            | (row.rate_e8 ^ own.rate_e8) | (row.is_counted ^ own.is_counted)) == 0


cdef inline bint is_uncounted(int64_t gross_e8, const Addition* added) noexcept nogil:
    """More than is counted exactly, or already wrapped. Gross bounds net: where it does not grow beyond, net does not either."""
    return (added.gross_e8 > 0) & ((gross_e8 < 0) | (gross_e8 > <int64_t> HALF_RANGE))


cdef inline bint is_beyond(const LimitRow* limits, const ScopeState* state, const Addition* added, bint is_buy) noexcept nogil:
    """Some limit of a scope would be broken. What does not grow by the order does not refuse it: who is above a limit may come down."""
    cdef int64_t gross_e8 = state.gross_e8 + added.gross_e8
    cdef int64_t net_e8 = (state.net_if_bought_e8 if is_buy else -state.net_if_sold_e8) + added.net_e8
    return ((added.order_e8 > limits.max_order_notional_e8) | (added.reach_e8 > limits.max_position_notional_e8)
            | (net_e8 > limits.max_net_exposure_e8) | (added.is_new & (state.positions >= limits.max_positions))
            | (added.reach_e8 >= TW_WORTH_MAX_E8) | is_uncounted(gross_e8, added)
            | ((added.gross_e8 > 0) & ((gross_e8 > limits.max_gross_exposure_e8) | (gross_e8 > limits.capital_budget_e8)
                                       | above_leverage(limits, state, gross_e8))))


cdef inline void put_terms(ScopeTerms* terms, ScopeState* state, const LimitRow* row) noexcept nogil:
    """One scope's limits side by side; a row that is not set limits nothing."""
    terms.state = state
    terms.reach_e8 = terms.net_e8 = terms.gross_e8 = terms.leverage_room_e8 = HALF_RANGE
    terms.positions = terms.open_orders = terms.leverage_e4 = INT64_MAX
    terms.drawdown_e8 = terms.drawdown_bps = INT64_MAX
    terms.least_day_pnl_e8 = -<int64_t> HALF_RANGE
    if not row.is_set:
        return
    terms.reach_e8 = min(row.max_position_notional_e8, TW_WORTH_MAX_E8 - 1)
    terms.net_e8 = min(row.max_net_exposure_e8, <int64_t> HALF_RANGE)
    terms.gross_e8 = min(row.max_gross_exposure_e8, row.capital_budget_e8, <int64_t> HALF_RANGE)
    terms.positions = row.max_positions
    terms.open_orders = row.max_open_orders
    terms.least_day_pnl_e8 = -min(row.max_daily_loss_e8, <int64_t> HALF_RANGE)
    terms.drawdown_e8 = row.max_drawdown_e8
    terms.drawdown_bps = row.max_drawdown_bps
    terms.leverage_e4 = row.max_leverage_e4
    take_equity(terms)


cdef inline void take_equity(ScopeTerms* terms) noexcept nogil:
    """What may be held at the equity that the scope has now."""
    terms.equity_e8 = terms.state.equity_e8
    if terms.leverage_e4 != INT64_MAX:
        terms.leverage_room_e8 = tw_leverage_room(terms.leverage_e4, terms.equity_e8)


cdef inline int64_t room_left(ScopeTerms* terms, int64_t gross_e8, int64_t net_e8, bint is_buy) noexcept nogil:
    """Not below 0: growing by so much breaks no limit of net, gross exposure and leverage of the scope; else `is_beyond` knows.

    Limits are within half of the range, so that a difference which wraps is below 0; so is a sum which has.
    """
    cdef const ScopeState* state = terms.state
    gross_e8 += state.gross_e8
    net_e8 += state.net_if_bought_e8 if is_buy else -state.net_if_sold_e8
    if unlikely(state.equity_e8 != terms.equity_e8):
        take_equity(terms)
    return gross_e8 | (terms.net_e8 - net_e8) | (terms.gross_e8 - gross_e8) | (terms.leverage_room_e8 - gross_e8)


cdef inline void add_to(Addition* addition, const Worth* before, int64_t after_e8, bint is_buy) noexcept nogil:
    """What the side's worst case becomes, and by how much it and the gross exposure grow."""
    cdef int64_t other_e8 = before.net_if_sold_e8 if is_buy else before.net_if_bought_e8
    addition.reach_e8 = after_e8 if is_buy else -after_e8
    addition.net_e8 = addition.reach_e8 - (before.net_if_bought_e8 if is_buy else -before.net_if_sold_e8)
    addition.gross_e8 = max(tw_magnitude(after_e8), tw_magnitude(other_e8)) - before.gross_e8
