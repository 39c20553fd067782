"""The trading floor of a replayed spot market: own orders are matched and reported, the recording is published as it is.

Own trades have numbers of their own, from ``OWN_TRADE_ID_MIN`` up, and stand neither on the public tape nor in any stream.
"""

from __future__ import annotations

from typing import cast

import msgspec

from engine.sim.api import BookTicker, DepthSnapshot, Trade
from engine.sim.config import VenueConfig
from engine.sim.floor import BUY, SELL, Floor, Listing, Row
from engine.sim.matching import EventKind, MatchingEngine
from engine.sim.replay.book import RecordedBook
from engine.sim.replay.frames import Event, PublicTrade, Ticker
from engine.sim.replay.matching import RecordedMarket, RecordedMatching

OWN_TRADE_ID_MIN = 1_000_000_000_000
UNUSED_BOOK_ORDERS = 64
_TRADE = int(EventKind.EVENT_TRADE)
_REJECTED = int(EventKind.EVENT_REJECTED)


class ReplayFloor(Floor):
    """Symbols over one recorded matching book; ``books`` are the recorded books by symbol."""

    def __init__(self, config: VenueConfig, start_ns: int, books: dict[str, RecordedBook]) -> None:
        super().__init__(msgspec.structs.replace(config, orders_resting_max=UNUSED_BOOK_ORDERS), start_ns)
        self._first_books = books
        self.recorded = RecordedMatching(config.orders_resting_max)
        for listing in self.listings:
            book = books[listing.symbol].copy()
            market = RecordedMarket(listing.index, book, listing.tick_e8, listing.step_e8)
            self.recorded.markets.append(market)
        self.engine = cast(MatchingEngine, self.recorded)  # it has the same operations, rows and views
        self._next_own_trade_id = OWN_TRADE_ID_MIN
        self._shift_ns = 0
        self._untold: list[tuple[Listing, PublicTrade, int]] = []

    # --- own orders ----------------------------------------------------------------------------------------------

    def _publish(self, listing: Listing, side: int, price: int, now_ns: int) -> list[Row]:  # noqa: ARG002
        """Tell the accounts; the public sees nothing of own orders."""
        rows = self.recorded.events()
        for row in rows:
            if row[0] == _TRADE:
                self._print_trade(listing, row, now_ns)
            elif row[0] != _REJECTED and self.listener is not None:
                self.listener.on_row(row, now_ns)
        return rows

    def _print_trade(self, listing: Listing, row: Row, now_ns: int) -> None:
        side, order_id, maker_id, price, qty = row[1], row[5], row[6], row[7], row[8]
        is_buyer_maker = side == SELL
        price_e8, qty_e8 = price * listing.tick_e8, qty * listing.step_e8
        buyer, seller = (maker_id, order_id) if is_buyer_maker else (order_id, maker_id)
        trade = Trade(listing.symbol, self._next_own_trade_id, price_e8, qty_e8, now_ns, is_buyer_maker, buyer, seller)
        self._next_own_trade_id += 1
        if self.listener is not None:
            self.listener.on_trade(row, trade, now_ns)

    # --- the recording -------------------------------------------------------------------------------------------

    def play(self, symbol: str, event: Event, now_ns: int) -> None:
        """One recorded event."""
        listing = self.by_symbol[symbol]
        market = self.recorded.markets[listing.index]
        if isinstance(event, Ticker):
            if market.book.note_ticker(event):
                self.recorded.on_ticker(market)
        elif isinstance(event, PublicTrade):
            self._play_trade(listing, market, event)
        elif market.book.apply(event):
            listing.update_id = market.book.update_id
            self.recorded.on_diff(market, event)
        if self.recorded.rows:
            self._publish(listing, 0, 0, now_ns)

    def _play_trade(self, listing: Listing, market: RecordedMarket, trade: PublicTrade) -> None:
        """Onto the tape, then to who waits at its price. USD-M also tells deals that no resting order gave."""
        if trade.is_of_book:
            self._untold.append((listing, trade, self._shift_ns))
            price, lots = trade.price_e8 // listing.tick_e8, trade.qty_e8 // listing.step_e8
            self.recorded.on_trade(market, BUY if trade.is_buyer_maker else SELL, price, lots)

    def tell_trades(self) -> None:
        """Bring trades into candles and tickers. It is done when somebody looks, or when there is time."""
        for listing, trade, shift_ns in self._untold:
            price_e8, qty_e8, time_ns = trade.price_e8, trade.qty_e8, trade.time_ns + shift_ns
            quote_e8 = listing.quote_e8(price_e8 // listing.tick_e8, qty_e8 // listing.step_e8)
            row = Trade(listing.symbol, trade.trade_id, price_e8, qty_e8, time_ns, trade.is_buyer_maker, 0, 0)
            closed = listing.tape.add(row, quote_e8)
            if closed is not None:
                self.events.append(closed)
        self._untold.clear()

    def listing(self, symbol: str) -> Listing:
        """Find a symbol, its tape up to date; -1121 when there is none."""
        if self._untold:
            self.tell_trades()
        return super().listing(symbol)

    def begin_pass(self, shift_ns: int) -> None:
        """The recording begins (again): its first books; own orders stand at the end of their queues."""
        self._shift_ns = shift_ns
        for listing in self.listings:
            market = self.recorded.markets[listing.index]
            market.book = self._first_books[listing.symbol].copy()
            listing.update_id = market.book.update_id
            self.recorded.restart(market)

    # --- views ---------------------------------------------------------------------------------------------------

    def book_ticker(self, listing: Listing) -> BookTicker:
        """The best recorded prices."""
        book = self.recorded.markets[listing.index].book
        return BookTicker(listing.symbol, max(book.top_id, book.update_id), *book.tops())

    def depth(self, listing: Listing, limit: int) -> DepthSnapshot:
        """The recorded book at its last diff."""
        book = self.recorded.markets[listing.index].book
        return DepthSnapshot(listing.symbol, book.update_id, *book.snapshot(limit))
