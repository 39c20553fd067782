"""How what rows are worth, and the scopes' sums of it, move: inlined into the tables."""
from libc.stdint cimport int64_t
from engine.model.tables cimport Exposure, ScopeState, Worth, tw_magnitude


cdef inline void shift(ScopeState* scope, const Worth* change, int64_t positions) noexcept nogil:
    scope.gross_e8 += change.gross_e8
    scope.net_e8 += change.net_e8
    scope.net_if_bought_e8 += change.net_if_bought_e8
    scope.net_if_sold_e8 += change.net_if_sold_e8
    scope.positions += positions


cdef inline void less(Worth* change, const Worth* after) noexcept nogil:
    """What has changed: `change` holds what was."""
    change.gross_e8 = after.gross_e8 - change.gross_e8
    change.net_e8 = after.net_e8 - change.net_e8
    change.net_if_bought_e8 = after.net_if_bought_e8 - change.net_if_bought_e8
    change.net_if_sold_e8 = after.net_if_sold_e8 - change.net_if_sold_e8


cdef inline void shift_side(ScopeState* scope, bint is_buy, int64_t gross_e8, int64_t side_e8, int64_t positions, int64_t orders) noexcept nogil:
    """The same where only what works on one side has changed."""
    cdef int64_t* side = &scope.net_if_bought_e8 if is_buy else &scope.net_if_sold_e8
    scope.gross_e8 += gross_e8
    side[0] += side_e8
    scope.positions += positions
    scope.open_orders += orders


cdef inline void less_side(Worth* worth, bint is_buy, int64_t after_e8, int64_t* gross_e8, int64_t* side_e8) noexcept nogil:
    """One side's worst case becomes `after_e8`; by how much it and the gross exposure change."""
    cdef int64_t other_e8 = worth.net_if_sold_e8 if is_buy else worth.net_if_bought_e8
    cdef int64_t after_gross_e8 = max(tw_magnitude(after_e8), tw_magnitude(other_e8))
    side_e8[0] = after_e8 - (worth.net_if_bought_e8 if is_buy else worth.net_if_sold_e8)
    gross_e8[0] = after_gross_e8 - worth.gross_e8
    worth.gross_e8 = after_gross_e8
    if is_buy:
        worth.net_if_bought_e8 = after_e8
    else:
        worth.net_if_sold_e8 = after_e8


cdef inline void move_side(Worth* worth, bint is_buy, int64_t gross_e8, int64_t side_e8) noexcept nogil:
    """The same of a row that is alike."""
    cdef int64_t* side = &worth.net_if_bought_e8 if is_buy else &worth.net_if_sold_e8
    worth.gross_e8 += gross_e8
    side[0] += side_e8


cdef inline bint is_open(const Exposure* row) noexcept nogil:
    return (row.position_lots | row.working_buy_lots | row.working_sell_lots) != 0
