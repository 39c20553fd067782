"""Orders of futures accounts: checked, margined, entered into the book, settled from its events, and reported.

Reduce-only orders never turn a position round. One reaches the book with no more than the position, the rest is held
back; resting ones together with resting plain orders of the closing side never exceed it. When a position shrinks they
are cut, the farthest from the market first, and one that has no room left expires (reason 4). Orders of the closing
side in hedge mode are reduce-only by nature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.book.matching import EventKind, Reason
from engine.sim.events import Trade
from engine.sim.floor import Listing, Row
from engine.sim.reject import VenueReject
from engine.sim.usdm.draft import Drafter
from engine.sim.usdm.events import ForceOrder
from engine.sim.usdm.floor import UsdmFloor
from engine.sim.usdm.form import BOOK_LIMIT, BOOK_SIDES, BOOK_STP, BOOK_TIF
from engine.sim.usdm.holdings import Holding, UsdmBook, Working, snapshot
from engine.sim.usdm.insurance import InsuranceFund
from engine.sim.usdm.margin import FEE_E6, Margins
from engine.sim.usdm.money import Ledger
from engine.sim.usdm.records import AlgoOrder, ExecutionType, OrderStatus, UsdmOrder, UsdmOrderRequest, UsdmSymbolRules
from engine.sim.usdm.rejects import overloaded
from engine.sim.usdm.reports import Reporter
from engine.sim.usdm.timers import Timers

ER_STP, ER_IOC, ER_KNOCKED_OUT, ER_LIQUIDATION, ER_MARKET = "1", "2", "4", "5", "9"
_ACCEPTED = int(EventKind.EVENT_ACCEPTED)
_CANCELED = int(EventKind.EVENT_CANCELED)
_EXPIRED = int(EventKind.EVENT_EXPIRED)
_REJECTED = int(EventKind.EVENT_REJECTED)
_AMENDED = int(EventKind.EVENT_AMENDED)
_SELF_TRADE = int(Reason.REASON_SELF_TRADE)
_WOULD_CROSS = int(Reason.REASON_WOULD_CROSS)
_FOK_UNFILLED = int(Reason.REASON_FOK_UNFILLED)
_POST_ONLY_TEXT = "Due to the order could not be executed as maker, the Post Only order will be rejected."
_FOK_TEXT = "Due to the order could not be filled immediately, the FOK order has been rejected."


class OrderEntry:
    """The accounts' way to the floor; also its listener, which settles every fill."""

    def __init__(
        self,
        floor: UsdmFloor,
        rules: Mapping[str, UsdmSymbolRules],
        margins: Margins,
        books: list[UsdmBook],
        drafter: Drafter,
        reporter: Reporter,
        ledger: Ledger,
        fund: InsuranceFund,
        timers: Timers,
    ) -> None:
        self.floor = floor
        self.rules = rules
        self.margins = margins
        self.books = books
        self.drafter = drafter
        self.reporter = reporter
        self.ledger = ledger
        self.fund = fund
        self._timers = timers
        self.on_done: Callable[[UsdmBook, UsdmOrder, int], None] | None = None
        self.dirty: dict[tuple[int, str, str], Holding] = {}
        self._working: dict[int, Working] = {}
        floor.listener = self
        floor.watched = self._working  # type: ignore[assignment]

    def account(self, account_id: int) -> UsdmBook:
        """The account with an id from ``UsdmVenue.key``; raises ``KeyError`` for another id."""
        if not 1 <= account_id <= len(self.books):
            raise KeyError(f"no account has the id {account_id}")
        return self.books[account_id - 1]

    # --- new orders ----------------------------------------------------------------------------------------------

    def place(self, book: UsdmBook, request: UsdmOrderRequest, now_ns: int, algo: AlgoOrder | None = None) -> Working:
        """Check and enter an order, also one that a conditional order places; -5021 and -5022 leave no record."""
        listing = self.floor.listing(request.symbol)
        draft = self.drafter.draft(book, listing, request, now_ns)
        if algo is not None:
            _mark_triggered(draft.working.order, algo)
        working = draft.working
        self.enter(book, listing, working, draft.price_ticks, now_ns)
        self.watch_time(book, working)
        return working

    def watch_time(self, book: UsdmBook, working: Working) -> None:
        """Let an open order end when its time is over, where it has one."""
        if working.order.good_till_ns and working.order.order_id in book.open:
            self._timers.at(working.order.good_till_ns, lambda due_ns: self._end_good_till(book, working, due_ns))

    def _end_good_till(self, book: UsdmBook, working: Working, now_ns: int) -> None:
        if working.order.order_id in book.open:
            self.expire(book, working, "0", now_ns)

    def enter(self, book: UsdmBook, listing: Listing, working: Working, price_ticks: int, now_ns: int) -> None:
        """Send a checked order to the book."""
        order = working.order
        order.order_id = self.floor.take_order_id()
        self._working[order.order_id] = working
        refusal = self._send(book, listing, working, price_ticks, now_ns)
        if refusal is None and not working.is_refused:
            return
        del self._working[order.order_id]
        if working.is_refused:
            raise VenueReject(-5021, _FOK_TEXT)
        raise VenueReject(-5022, _POST_ONLY_TEXT) if refusal == _WOULD_CROSS else overloaded()

    def _send(self, book: UsdmBook, listing: Listing, working: Working, price_ticks: int, now_ns: int) -> int | None:
        """Returns why the book refused, None when it did not."""
        order = working.order
        tif, flags = BOOK_TIF["IOC" if order.type == "MARKET" else order.time_in_force]
        rows = self.floor.new(
            listing,
            book.account_id,
            order.order_id,
            BOOK_SIDES[order.side],
            price_ticks,
            working.leaves_lots,
            now_ns,
            kind=BOOK_LIMIT,
            tif=tif,
            flags=flags,
            stp=BOOK_STP[order.stp_mode],
        )
        return rows[0][2] if rows[0][0] == _REJECTED else None

    # --- changes -------------------------------------------------------------------------------------------------

    def cancel(self, book: UsdmBook, working: Working, now_ns: int) -> UsdmOrder:
        """Take an open order out of the book."""
        self.floor.cancel(self.floor.listings[working.listing_index], book.account_id, working.order.order_id, now_ns)
        return snapshot(working.order)

    def expire(self, book: UsdmBook, working: Working, reason: str, now_ns: int) -> None:
        """Take an open order out of the book on the venue's behalf."""
        working.expire_as = reason
        self.cancel(book, working, now_ns)

    def shrink(self, book: UsdmBook, working: Working, lots: int, now_ns: int) -> None:
        """Make what is in the book of an order smaller; it keeps its place."""
        listing = self.floor.listings[working.listing_index]
        ticks = working.order.price_e8 // listing.tick_e8
        self.floor.shrink(listing, book.account_id, working.order.order_id, ticks, lots, now_ns)

    def move(self, book: UsdmBook, working: Working, modify_id: int | None, now_ns: int) -> None:
        """Put a changed order into the book anew; one that the book does not take back is cancelled.

        The caller set the order's new price and quantity. Leaving and entering are two operations, so that the
        published levels never cross in between.
        """
        listing = self.floor.listings[working.listing_index]
        order = working.order
        working.is_moving = True
        self.floor.cancel(listing, book.account_id, order.order_id, now_ns)
        working.is_moving = False
        self._touch(book, working)
        self.reporter.order(book, working, "AMENDMENT", now_ns, modify_id=modify_id)
        if self._send(book, listing, working, order.price_e8 // listing.tick_e8, now_ns) is not None:
            self._close(book, working, "CANCELED", now_ns)
            self.reporter.order(book, working, "CANCELED", now_ns)

    def trim(self, book: UsdmBook, holding: Holding, now_ns: int) -> None:
        """Cut resting reduce-only orders to the position."""
        step_e8 = self.rules[holding.symbol].step_e8
        room = abs(holding.qty_e8) // step_e8 - self.drafter.plain_closing_lots(book, holding)
        closing = holding.closing_side()
        near_first = sorted(book.reducing(holding), key=lambda w: w.order.price_e8, reverse=closing == "BUY")
        for working in near_first:
            keep = min(working.leaves_lots, max(0, room)) if working.order.side == closing else 0
            room -= keep
            if keep == 0:
                self.expire(book, working, ER_KNOCKED_OUT, now_ns)
            elif keep < working.leaves_lots:
                working.held_back_lots += working.leaves_lots - keep
                self.shrink(book, working, keep, now_ns)

    def follow_up(self, now_ns: int) -> None:
        """Do what follows an operation on a book after a change of positions that was none."""
        if self.floor.after_operation is not None:
            self.floor.after_operation(now_ns)

    # --- the floor's listener ------------------------------------------------------------------------------------

    def on_row(self, row: Row, now_ns: int) -> None:
        """Take an acceptance, a cancel, a cut or an expiry of an account's order."""
        working = self._working.get(row[5])
        if working is None:
            return
        book = self.account(working.order.account_id)
        kind = row[0]
        if kind == _ACCEPTED:
            if working.is_new and working.order.time_in_force != "FOK":
                self._accept(book, working, now_ns)
        elif kind == _CANCELED:
            self._canceled(book, working, now_ns)
        elif kind == _EXPIRED:
            self._expired(book, working, row, now_ns)
        elif kind == _AMENDED:
            working.leaves_lots = row[9]

    def _accept(self, book: UsdmBook, working: Working, now_ns: int) -> None:
        book.add(working)
        self._touch(book, working)
        self.reporter.order(book, working, "NEW", now_ns)

    def _canceled(self, book: UsdmBook, working: Working, now_ns: int) -> None:
        if working.is_moving:
            return
        if working.expire_as is None:
            self._close(book, working, "CANCELED", now_ns)
            self.reporter.order(book, working, "CANCELED", now_ns)
        else:
            self._finish_expired(book, working, working.expire_as, now_ns)

    def _expired(self, book: UsdmBook, working: Working, row: Row, now_ns: int) -> None:
        reason = row[2]
        if reason == _FOK_UNFILLED:
            working.is_refused = True
        elif reason == _SELF_TRADE:
            working.order.expiry_reason = ER_STP
            self._close(book, working, "EXPIRED_IN_MATCH", now_ns)
            self.reporter.order(book, working, "EXPIRED", now_ns)
        elif working.auto_close:
            working.leaves_lots = row[8]  # the liquidation hands the rest to the fund or to deleveraging
        else:
            is_market = working.order.type == "MARKET"
            self._finish_expired(book, working, ER_MARKET if is_market else ER_IOC, now_ns)

    def _finish_expired(self, book: UsdmBook, working: Working, reason: str, now_ns: int) -> None:
        working.order.expiry_reason = reason
        self._close(book, working, "EXPIRED", now_ns)
        self.reporter.order(book, working, "EXPIRED", now_ns)

    def on_trade(self, row: Row, trade: Trade, now_ns: int) -> None:
        """Settle both sides of a trade that are accounts' or the fund's."""
        for order_id, leaves, is_maker in ((row[5], row[9], False), (row[6], row[10], True)):
            working = self._working.get(order_id)
            if working is not None:
                self.settle(working, trade, leaves, is_maker, now_ns)
            else:
                self.fund.trade(order_id, trade)

    def settle(
        self,
        working: Working,
        trade: Trade,
        leaves: int,
        is_maker: bool,
        now_ns: int,
        execution_type: ExecutionType = "TRADE",
    ) -> None:
        """Book one fill of an order: position, wallet, fee, income, events. Forced orders pay no commission."""
        order = working.order
        book = self.account(order.account_id)
        if working.is_new:
            self._accept(book, working, now_ns)
        holding = book.holding_of(order)
        quote_e8 = trade.price_e8 * trade.qty_e8 // 100_000_000
        fee_e6 = 0 if working.auto_close else self.drafter.fee_e6(is_maker)
        fee_e8 = quote_e8 * fee_e6 // FEE_E6
        delta_e8 = trade.qty_e8 if order.side == "BUY" else -trade.qty_e8
        profit_e8 = book.fill(holding, delta_e8, trade.price_e8, fee_e8, now_ns)
        self.ledger.fees_e8 += fee_e8
        order.executed_e8 += trade.qty_e8
        order.cum_quote_e8 += quote_e8
        order.updated_ns = now_ns
        working.leaves_lots = leaves
        self._touch(book, working)
        row = self.reporter.fill(book, working, trade, fee_e8, profit_e8, is_maker)
        self.reporter.account(book, "ORDER", [holding], now_ns)
        is_done = leaves == 0
        if is_done and not working.held_back_lots:
            self._close(book, working, "FILLED", now_ns)
        else:
            order.status = "PARTIALLY_FILLED"
        self.reporter.order(book, working, execution_type, now_ns, trade=row)
        if working.auto_close == "LIQUIDATION":
            self.reporter.sink(ForceOrder(now_ns, snapshot(order), trade.qty_e8))
        elif is_done and working.held_back_lots:
            self._finish_expired(book, working, ER_KNOCKED_OUT, now_ns)

    def _touch(self, book: UsdmBook, working: Working) -> None:
        holding = book.holding_of(working.order)
        self.dirty[(book.account_id, holding.symbol, holding.position_side)] = holding

    def _close(self, book: UsdmBook, working: Working, status: OrderStatus, now_ns: int) -> None:
        order = working.order
        order.status, order.updated_ns = status, now_ns
        working.leaves_lots = 0
        self._working.pop(order.order_id, None)
        book.close(working)
        self._touch(book, working)
        if self.on_done is not None and order.algo_id:
            self.on_done(book, order, now_ns)


def _mark_triggered(order: UsdmOrder, algo: AlgoOrder) -> None:
    """Let an order tell of the conditional order that placed it."""
    order.algo_id = algo.algo_id
    order.orig_type = algo.type
    order.close_position = algo.close_position
    order.stop_price_e8 = algo.trigger_price_e8
    order.working_type = algo.working_type
    order.price_protect = algo.price_protect
    order.activate_price_e8 = algo.activate_price_e8
    order.callback_rate_e8 = algo.callback_rate_e8
