"""The end of a contract: in status SETTLING its orders expire (reason 7) and its positions close at the mark price.

The price is the mark price rounded down to the tick; the street is everybody's counterparty, without commission. The
client ids of the closing orders begin with ``settlement_autoclose-``, as at the exchange.
"""

from __future__ import annotations

from engine.sim.floor import Listing
from engine.sim.usdm.algos import AlgoService
from engine.sim.usdm.entry import OrderEntry
from engine.sim.usdm.forced import forced_order, handed_over
from engine.sim.usdm.holdings import Holding, UsdmBook

ER_DELISTED = "7"


class Settlement:
    """Ends contracts."""

    def __init__(self, entry: OrderEntry, algos: AlgoService) -> None:
        self._entry = entry
        self._algos = algos
        self._number = 0

    def settle(self, symbol: str, now_ns: int) -> None:
        """Expire every order and close every position of a contract."""
        listing = self._entry.floor.listing(symbol)
        price_e8 = max(1, self._entry.margins.marks[symbol] // listing.tick_e8) * listing.tick_e8
        for book in self._entry.books:
            for working in book.open_on(symbol):
                if working.order.order_id in book.open:
                    self._entry.expire(book, working, ER_DELISTED, now_ns)
            self._algos.expire_all(book, symbol, now_ns)
        for book in self._entry.books:
            for holding in book.held(symbol):
                self._close(book, listing, holding, price_e8, now_ns)
        self._close_fund(listing, price_e8)
        self._entry.follow_up(now_ns)

    def _close(self, book: UsdmBook, listing: Listing, holding: Holding, price_e8: int, now_ns: int) -> None:
        self._number += 1
        qty_e8 = abs(holding.qty_e8)
        self._entry.floor.street.take_over(listing, holding.qty_e8 // listing.step_e8, price_e8)
        name = f"settlement_autoclose-{self._number}"
        working = forced_order(book, listing, holding, qty_e8, price_e8, name, now_ns)
        working.auto_close = "SETTLEMENT"
        working.order.order_id = self._entry.floor.take_order_id()
        fill = handed_over(holding.symbol, price_e8, qty_e8, now_ns)
        self._entry.settle(working, fill, 0, False, now_ns, "CALCULATED")

    def _close_fund(self, listing: Listing, price_e8: int) -> None:
        qty_e8 = self._entry.fund.holdings[listing.symbol].qty_e8
        if qty_e8:
            self._entry.floor.street.take_over(listing, qty_e8 // listing.step_e8, price_e8)
            self._entry.fund.take_over(listing.symbol, -qty_e8, price_e8)
