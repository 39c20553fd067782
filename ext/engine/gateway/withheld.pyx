"""What may stand in the way of an approved order between its approval and its bytes: the gate's questions about state, asked again."""
from libc.stdint cimport int64_t

from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.codes cimport *
from engine.model.tables cimport INSTRUMENT_CAPACITY, LINE_CAPACITY, POSITION_SIDES, Exposure, LineState, MarketState, Tables

cdef enum:
    CANCEL_WANTED = 2      # in ApprovedOrder.is_busy, as OMS sets it


cdef int withheld(Tables tables, ApprovalRegister register, Journal journal, const ApprovedOrder* terms, int64_t mono_ns) noexcept nogil:
    """Why an approved new order may not follow any more: what the gate asks about state, asked again; REASON_NONE = it may."""
    cdef const LineState* line = &tables.lines[terms.venue_id & (LINE_CAPACITY - 1)]
    if tables.control.kill or line.is_killed or tables.control.stopping:
        return REASON_HALTED
    if line.trading_state != TRADING_STATE_ACTIVE and line.trading_state != TRADING_STATE_REDUCING:
        return REASON_HALTED
    if tables.control.journal_reserve or journal.nearly_full():
        return REASON_JOURNAL_FULL
    if terms.strategy_id != 0:
        if not tables.strategies[terms.strategy_id].enabled or register.strategy_halts[terms.strategy_id]:
            return REASON_STRATEGY_DISABLED
        if tables.strategies[terms.strategy_id].paused:
            return REASON_STRATEGY_PAUSED
    if not tables.instruments[terms.instrument_id].is_trading:
        return REASON_INSTRUMENT_NOT_TRADING
    if register.instrument_halts[terms.instrument_id]:
        return REASON_HALTED
    # who wants the order gone that is being replaced wants no other in its place
    if is_cancel_wanted(register, terms):
        return REASON_ORDER_NOT_OPEN
    return _withheld_by_market(tables, terms, mono_ns)


cdef bint is_cancel_wanted(ApprovalRegister register, const ApprovedOrder* terms) noexcept nogil:
    cdef const ApprovedOrder* old = register.find(terms.target_handle)
    return terms.is_busy & CANCEL_WANTED != 0 or (old != NULL and old.is_busy & CANCEL_WANTED != 0)


cdef int _withheld_by_market(Tables tables, const ApprovedOrder* terms, int64_t mono_ns) noexcept nogil:
    """The book, and in REDUCING the position: without reduce-only nothing but us keeps the order from turning it."""
    cdef const MarketState* market = &tables.markets[terms.instrument_id]
    cdef const Exposure* exposure = &tables.exposures[terms.position_side % POSITION_SIDES * INSTRUMENT_CAPACITY + <int> terms.instrument_id]
    cdef int64_t open_lots = exposure.position_lots, working_lots = exposure.working_sell_lots
    if market.book_state == BOOK_STATE_STALE:
        return REASON_STALE
    if market.book_state != BOOK_STATE_VALID:
        return REASON_BOOK_INVALID
    if mono_ns - market.last_mono_ns > tables.engine_limits.stale_after_ns:
        return REASON_STALE
    if tables.lines[terms.venue_id & (LINE_CAPACITY - 1)].trading_state == TRADING_STATE_ACTIVE or terms.flags & ORDER_FLAG_REDUCE_ONLY:
        return REASON_NONE
    if terms.side == SIDE_BUY:
        open_lots = -open_lots
        working_lots = exposure.working_buy_lots
    return REASON_NONE if working_lots <= open_lots else REASON_REDUCING_ONLY
