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
from engine.sim.replay.frames import DEPTH, MS_NS, TICKER, TRADE, DepthEvent, TickerEvent, TradeEvent, to_e8
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

    def _on_diff(self, listing: Listing, diff: DepthEvent, now_ns: int) -> None:
        """A recorded diff."""
        market = self.recorded.markets[listing.index]
        if market.book.apply(diff):
            listing.update_id = market.book.update_id
            self.recorded.on_diff(market, diff)
            self._book_fills(listing, now_ns)

    def _on_ticker(self, listing: Listing, ticker: TickerEvent, now_ns: int) -> None:
        """A recorded bookTicker."""
        market = self.recorded.markets[listing.index]
        if market.book.note_ticker(ticker):
            self.recorded.on_ticker(market, ticker)
            self._book_fills(listing, now_ns)

    def _on_trade(self, listing: Listing, event: TradeEvent, now_ns: int) -> None:
        """A recorded trade: onto the tape, then to who waits at its price."""
        price_e8, qty_e8 = to_e8(event.p), to_e8(event.q)
        if event.X not in ("MARKET", "NA", "") or not price_e8 or not qty_e8:
            return
        trade = Trade(listing.symbol, event.t, price_e8, qty_e8, event.T * MS_NS + self._shift_ns, event.m, 0, 0)
        price, lots = price_e8 // listing.tick_e8, qty_e8 // listing.step_e8
        closed = listing.tape.add(trade, listing.quote_e8(price, lots))
        if closed is not None:
            self.events.append(closed)
        market = self.recorded.markets[listing.index]
        self.recorded.on_trade(market, BUY if event.m else SELL, price, lots)
        self._book_fills(listing, now_ns)

    def _book_fills(self, listing: Listing, now_ns: int) -> None:
        if self.recorded.rows:
            self._publish(listing, 0, 0, now_ns)

    def play_frame(self, kind: str, symbol: str, event: bytes, now_ns: int) -> None:
        """One recorded event; kinds that are none of the book are passed over."""
        listing = self.by_symbol.get(symbol)
        if listing is None:
            return
        if kind == "depth":
            self._on_diff(listing, DEPTH.decode(event), now_ns)
        elif kind == "bookTicker":
            self._on_ticker(listing, TICKER.decode(event), now_ns)
        elif kind == "trade":
            self._on_trade(listing, TRADE.decode(event), now_ns)

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
