"""A compiled strategy that answers book events with orders: the shortest way from a frame to an order, to measure the path by.

Also the example of how a strategy is written in Cython: subclass `StrategyBase`, override `handle_*`, name them in `wants`.
"""
from engine.model.codes cimport BOOK_STATE_VALID, SIDE_BUY, TIME_IN_FORCE_GTC, TIME_IN_FORCE_IOC
from engine.model.tables cimport MarketState
from engine.strategy.base cimport CALLBACK_BOOK
from engine.strategy.views cimport BookView


cdef class Responder(StrategyBase):
    """Bids `behind_ticks` below the best bid at every `every`-th book event, and cancels its last bid before that.

    `time_in_force`: IOC bids never rest, so none is cancelled.
    """

    def __init__(self, int64_t qty_lots, int64_t behind_ticks=0, uint32_t every=1, uint8_t time_in_force=TIME_IN_FORCE_GTC):
        if qty_lots <= 0 or behind_ticks < 0 or every == 0:
            raise ValueError("qty_lots and every must be positive, behind_ticks not negative")
        self.qty_lots = qty_lots
        self.behind_ticks = behind_ticks
        self.every = every
        self.time_in_force = time_in_force
        self.wants = 1 << <int> CALLBACK_BOOK

    cdef int handle_book(self, BookView book) except -1:
        cdef MarketState* market = &self._tables.markets[book._instrument_id]
        cdef int64_t price_ticks = market.best_bid_ticks - self.behind_ticks
        self._events += 1
        if self._events % self.every or market.book_state != BOOK_STATE_VALID or price_ticks <= 0:
            return 0
        if self._handle and self.time_in_force != TIME_IN_FORCE_IOC:
            self._desk.cancel(self.strategy_id, self._handle)
        self._handle = self.ask(book._instrument_id, SIDE_BUY, price_ticks, self.qty_lots, 0, self.time_in_force, 0)
        self.answered += 1
        return 0
