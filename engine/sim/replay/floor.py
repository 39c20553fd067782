"""The trading floor of a replayed market: own orders are matched and reported, the recording is published as it is.

Own trades have numbers of their own, from ``OWN_TRADE_ID_MIN`` up, and stand neither on the public tape nor in any stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

from engine.book.matching import EventKind, KindOfOrder, MatchingEngine, OpKind, StpKind, TifKind
from engine.sim.api import BookTicker, DepthSnapshot, Trade
from engine.sim.config import VenueConfig
from engine.sim.floor import BUY, SELL, Floor, Listing, Row
from engine.sim.replay.book import RecordedBook
from engine.sim.replay.frames import Event, PublicTrade, Snapshot, Ticker
from engine.sim.replay.matching import RecordedMarket, RecordedMatching

OWN_TRADE_ID_MIN = 1_000_000_000_000
UNUSED_BOOK_ORDERS = 64
_TRADE = int(EventKind.EVENT_TRADE)
_REJECTED = int(EventKind.EVENT_REJECTED)
_NEW = int(OpKind.OP_NEW)
_CANCEL = int(OpKind.OP_CANCEL)
_AMEND = int(OpKind.OP_AMEND)
_LIMIT = int(KindOfOrder.TYPE_LIMIT)
_GTC = int(TifKind.TIF_GTC)
_EXPIRE_MAKER = int(StpKind.STP_EXPIRE_MAKER)


class RecordedFloor(Floor):
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
        self._untold: list[tuple[Listing, Trade]] = []
        self.prices_awaited: Callable[[], bool] = (
            bool  # whether somebody without an order in ``watched`` waits for a price
        )

    # --- own orders ----------------------------------------------------------------------------------------------

    def new(
        self,
        listing: Listing,
        owner: int,
        order_id: int,
        side: int,
        price: int,
        qty: int,
        now_ns: int,
        *,
        kind: int = _LIMIT,
        tif: int = _GTC,
        flags: int = 0,
        stp: int = _EXPIRE_MAKER,
        display: int = 0,
    ) -> list[Row]:
        """Enter an order; prices in ticks, quantities in lots."""
        self.recorded.submit(_NEW, side, kind, tif, listing.index, owner, order_id, price, qty, flags, stp, display)
        return self.tell_accounts(listing, now_ns)

    def shrink(self, listing: Listing, owner: int, order_id: int, price: int, qty: int, now_ns: int) -> list[Row]:
        """Leave ``qty`` lots, which must be fewer, open of a resting order; it keeps its place."""
        self.recorded.submit(_AMEND, 0, _LIMIT, _GTC, listing.index, owner, order_id, price, qty)
        return self.tell_accounts(listing, now_ns)

    def cancel(self, listing: Listing, owner: int, order_id: int, now_ns: int) -> list[Row]:
        """Take an order out."""
        self.recorded.submit(_CANCEL, 0, 0, 0, listing.index, owner, order_id, 0, 0)
        return self.tell_accounts(listing, now_ns)

    def tell_accounts(self, listing: Listing, now_ns: int) -> list[Row]:
        """Let the accounts have the rows of the last operation; the public sees nothing of own orders."""
        rows = self.recorded.events()
        listener = self.listener
        for row in rows if listener is not None else ():
            if row[0] == _TRADE:
                self.print_trade(listing, row, now_ns)
            elif row[0] != _REJECTED and listener is not None:
                listener.on_row(row, now_ns)
        if self.after_operation is not None:
            self.after_operation(now_ns)
        return rows

    def print_trade(self, listing: Listing, row: Row, now_ns: int) -> None:
        """Number an own trade and tell the listener."""
        side, order_id, maker_id, price, qty = row[1], row[5], row[6], row[7], row[8]
        is_buyer_maker = side == SELL
        price_e8, qty_e8 = price * listing.tick_e8, qty * listing.step_e8
        buyer, seller = (maker_id, order_id) if is_buyer_maker else (order_id, maker_id)
        trade_id = self._next_own_trade_id
        self._next_own_trade_id += 1
        trade = Trade(listing.symbol, trade_id, price_e8, qty_e8, now_ns, is_buyer_maker, buyer, seller)
        if self.listener is not None:
            self.listener.on_trade(row, trade, now_ns)

    def resume_trade_ids(self, next_id: int) -> None:
        """Go on numbering own trades where an earlier run ended."""
        self._next_own_trade_id = max(OWN_TRADE_ID_MIN, next_id)

    # --- the recording -------------------------------------------------------------------------------------------

    def play(self, symbol: str, event: Event, now_ns: int) -> None:
        """One recorded event."""
        listing = self.by_symbol[symbol]
        market = self.recorded.markets[listing.index]
        if isinstance(event, Ticker):
            if market.book.note_ticker(event):
                self.recorded.on_ticker(market)
        elif isinstance(event, PublicTrade):
            if event.is_of_book:
                self._play_trade(listing, market, event, now_ns)
        elif market.book.apply(event):
            listing.update_id = market.book.update_id
            self.recorded.on_diff(market, event)
        if self.recorded.rows:
            self.tell_accounts(listing, now_ns)

    def _play_trade(self, listing: Listing, market: RecordedMarket, event: PublicTrade, now_ns: int) -> None:
        """To who waits at its price, to conditional orders, and, when there is time, onto the tape."""
        price_e8, qty_e8, time_ns = event.price_e8, event.qty_e8, event.time_ns + self._shift_ns
        trade = Trade(listing.symbol, event.trade_id, price_e8, qty_e8, time_ns, event.is_buyer_maker, 0, 0)
        self._untold.append((listing, trade))
        if not self.watched and not self.prices_awaited():
            return
        self.tell_trades()
        price, lots = price_e8 // listing.tick_e8, qty_e8 // listing.step_e8
        self.recorded.on_trade(market, BUY if event.is_buyer_maker else SELL, price, lots)
        self.tell_accounts(listing, now_ns)
        if self.listener is not None:
            taker_side = SELL if event.is_buyer_maker else BUY
            self.listener.on_trade((_TRADE, taker_side, 0, listing.index, 0, 0, 0, price, lots, 0, 0), trade, now_ns)
        if self.after_operation is not None:
            self.after_operation(now_ns)

    def mend(self, symbol: str, snapshot: Snapshot) -> None:
        """A recorded snapshot: a book that a hole in the recording made doubtful begins again from it."""
        listing = self.by_symbol[symbol]
        market = self.recorded.markets[listing.index]
        if market.book.gaps and snapshot.update_id >= market.book.update_id:
            market.book = RecordedBook(snapshot.update_id, snapshot.bids, snapshot.asks)
            listing.update_id = snapshot.update_id

    def tell_trades(self) -> None:
        """Bring trades into candles and tickers. It is done when somebody looks, or when there is time."""
        for listing, trade in self._untold:
            quote_e8 = listing.quote_e8(trade.price_e8 // listing.tick_e8, trade.qty_e8 // listing.step_e8)
            closed = listing.tape.add(trade, quote_e8)
            if closed is not None:
                self.events.append(closed)
        self._untold.clear()

    def listing(self, symbol: str) -> Listing:
        """Find a symbol, its tape up to date; -1121 when there is none."""
        if self._untold:
            self.tell_trades()
        return super().listing(symbol)

    def show_tops(self) -> None:
        """Let the listings know the best recorded prices, for those who look there."""
        for listing in self.listings:
            recorded = self.recorded
            listing.best = (*recorded.best(listing.index, BUY), *recorded.best(listing.index, SELL))

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
