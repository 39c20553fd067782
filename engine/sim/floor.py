"""The trading floor: applies operations to the matching book and publishes what the public sees of them.

Everything that reaches the book, from accounts and from the generated market alike, passes ``Floor.execute``. It
numbers trades and book changes, and tells one listener of every event row, so that accounts can be settled; when all
of an operation is published it calls ``after_operation``, which may operate in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.book.matching import (
    BookSide,
    KindOfOrder,
    MatchingEngine,
    OpKind,
    StpKind,
    TifKind,
)
from engine.sim.api import BookTicker, DepthSnapshot, SymbolRules, Trade, VenueEvent
from engine.sim.config import SymbolConfig, VenueConfig
from engine.sim.decimals import E8, config_e8
from engine.sim.publication import publish
from engine.sim.reject import invalid_symbol
from engine.sim.rules import rules_from_config
from engine.sim.tape import Tape

# kind, side, reason, symbol, op_index, order_id, maker_id, price, qty, leaves, maker_leaves
Row = tuple[int, int, int, int, int, int, int, int, int, int, int]

BUY = int(BookSide.SIDE_BUY)
SELL = int(BookSide.SIDE_SELL)
_NEW = int(OpKind.OP_NEW)
_CANCEL = int(OpKind.OP_CANCEL)
_AMEND = int(OpKind.OP_AMEND)
_LIMIT = int(KindOfOrder.TYPE_LIMIT)
_GTC = int(TifKind.TIF_GTC)
_EXPIRE_MAKER = int(StpKind.STP_EXPIRE_MAKER)


class Listener(Protocol):
    """Who settles accounts: told of each event row of an order in ``Floor.watched``, of each trade with the public trade."""

    def on_row(self, row: Row, now_ns: int) -> None:
        """Take an event of a watched order that is no trade."""

    def on_trade(self, row: Row, trade: Trade, now_ns: int) -> None:
        """Take a trade."""


class Listing:
    """One symbol on the floor: its rules, its tape and what was last published of its book."""

    def __init__(self, index: int, symbol_config: SymbolConfig, config: VenueConfig, start_ns: int) -> None:
        self.index = index
        self.config = symbol_config
        self.rules: SymbolRules = rules_from_config(symbol_config)
        self.symbol = symbol_config.symbol
        self.tick_e8 = self.rules.tick_e8
        self.step_e8 = self.rules.step_e8
        start_e8 = config_e8(symbol_config.start_price) // self.tick_e8 * self.tick_e8
        self.tape = Tape(self.rules, config, start_ns, start_e8)
        self.update_id = 1
        self.published: dict[int, int] = {}  # price_ticks << 1 | side: lots
        self.best = (0, 0, 0, 0)

    def quote_e8(self, price_ticks: int, qty_lots: int) -> int:
        """The exact amount in the quote asset."""
        return price_ticks * qty_lots * (self.tick_e8 * self.step_e8 // E8)


class Floor:
    """All symbols over one matching engine, and the queue of events that the shell drains."""

    def __init__(self, config: VenueConfig, start_ns: int) -> None:
        self.listings = [Listing(index, row, config, start_ns) for index, row in enumerate(config.symbols)]
        self.by_symbol = {listing.symbol: listing for listing in self.listings}
        if len(self.by_symbol) != len(self.listings):
            raise ValueError("a symbol is configured twice")
        self.engine = MatchingEngine(max(1, len(self.listings)), config.orders_resting_max, 16384, trades_kept=1)
        self.events: list[VenueEvent] = []
        self.listener: Listener | None = None
        self.watched: dict[int, object] = {}  # the listener is told of the events of these orders; its own table
        self.after_operation: Callable[[int], None] | None = None
        self.next_order_id = 1

    def listing(self, symbol: str) -> Listing:
        """Find a symbol; -1121 when there is none."""
        listing = self.by_symbol.get(symbol)
        if listing is None:
            raise invalid_symbol()
        return listing

    def take_order_id(self) -> int:
        """Number a new order."""
        self.next_order_id += 1
        return self.next_order_id - 1

    def drain(self) -> list[VenueEvent]:
        """Take the queue."""
        events = self.events.copy()  # the list itself stays: others hold on to its append
        self.events.clear()
        return events

    # --- operations ----------------------------------------------------------------------------------------------

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
        self.engine.submit(_NEW, side, kind, tif, listing.index, owner, order_id, price, qty, flags, stp, display)
        return publish(self, listing, side, price, now_ns)

    def shrink(self, listing: Listing, owner: int, order_id: int, price: int, qty: int, now_ns: int) -> list[Row]:
        """Leave ``qty`` lots, which must be fewer, open of a resting order; it keeps its place."""
        self.engine.submit(_AMEND, 0, _LIMIT, _GTC, listing.index, owner, order_id, price, qty)
        return publish(self, listing, 0, 0, now_ns)

    def cancel(self, listing: Listing, owner: int, order_id: int, now_ns: int) -> list[Row]:
        """Take an order out."""
        self.engine.submit(_CANCEL, 0, 0, 0, listing.index, owner, order_id, 0, 0)
        return publish(self, listing, 0, 0, now_ns)

    def print_trade(self, listing: Listing, row: Row, now_ns: int) -> None:
        """Number a trade, tell the tape and the listener, queue it."""
        side, order_id, maker_id, price, qty = row[1], row[5], row[6], row[7], row[8]
        is_buyer_maker = side == SELL
        trade = Trade(
            listing.symbol,
            listing.tape.next_trade_id,
            price * listing.tick_e8,
            qty * listing.step_e8,
            now_ns,
            is_buyer_maker,
            maker_id if is_buyer_maker else order_id,
            order_id if is_buyer_maker else maker_id,
        )
        closed = listing.tape.add(trade, listing.quote_e8(price, qty))
        if self.listener is not None:
            self.listener.on_trade(row, trade, now_ns)
        if closed is not None:
            self.events.append(closed)
        self.events.append(trade)

    def end_aggregate(self, listing: Listing) -> None:
        """Queue the aggregate of a taker that is done."""
        closed = listing.tape.close_aggregate()
        if closed is not None:
            self.events.append(closed)

    # --- views ---------------------------------------------------------------------------------------------------

    def book_ticker(self, listing: Listing) -> BookTicker:
        """The best prices as last published."""
        bid, bid_qty, ask, ask_qty = listing.best
        tick_e8, step_e8 = listing.tick_e8, listing.step_e8
        return BookTicker(
            listing.symbol, listing.update_id, bid * tick_e8, bid_qty * step_e8, ask * tick_e8, ask_qty * step_e8
        )

    def depth(self, listing: Listing, limit: int) -> DepthSnapshot:
        """The best levels of both sides at the listing's update id."""
        tick_e8, step_e8 = listing.tick_e8, listing.step_e8
        sides = [
            [(price * tick_e8, qty * step_e8) for price, qty in self.engine.depth(listing.index, side, limit)]
            for side in (BUY, SELL)
        ]
        return DepthSnapshot(listing.symbol, listing.update_id, sides[0], sides[1])
