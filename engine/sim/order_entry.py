"""Orders of accounts: checked, funded, entered into the book, settled from its events, and reported.

Money: the whole cost of an order is locked before it reaches the book; each fill is paid out of the lock, what a
better price saved and what a closed order still held becomes free at once. Commission is taken from what is received,
rounded down to 1e-8.
"""

from __future__ import annotations

from typing import cast

from engine.sim.accounts import INSUFFICIENT_BALANCE, AccountBook, Working, snapshot
from engine.sim.api import (
    AccountTrade,
    BalanceUpdate,
    CancelResult,
    Fill,
    Order,
    OrderRequest,
    OrderResult,
    OrderStatus,
    TimeInForce,
    Trade,
)
from engine.sim.config import VenueConfig
from engine.sim.floor import BUY, SELL, Floor, Listing, Row
from engine.sim.matching import EventKind, Reason
from engine.sim.order_form import BOOK_FORM, BOOK_STP, DEFAULT_STP, SIDES, STP, TYPES, check_form, neither
from engine.sim.reject import VenueReject, cancel_rejected, filter_failure, new_order_rejected
from engine.sim.reports import Reporter
from engine.sim.rules import check_notional, check_price, check_qty
from engine.sim.seeded import SeededRandom

BPS = 10_000
WOULD_MATCH = "Order would immediately match and take."
_ACCEPTED = int(EventKind.EVENT_ACCEPTED)
_CANCELED = int(EventKind.EVENT_CANCELED)
_EXPIRED = int(EventKind.EVENT_EXPIRED)
_REJECTED = int(EventKind.EVENT_REJECTED)
_SELF_TRADE = int(Reason.REASON_SELF_TRADE)
_WOULD_CROSS = int(Reason.REASON_WOULD_CROSS)
_EXPIRY_REASONS = {
    int(Reason.REASON_NO_LIQUIDITY): "INSUFFICIENT_LIQUIDITY",
    int(Reason.REASON_IOC_REMAINDER): "UNFILLED_IOC_QUANTITY_EXPIRED",
    int(Reason.REASON_FOK_UNFILLED): "UNFILLED_FOK_ORDER_EXPIRED",
}
_REPORT_REASONS = {WOULD_MATCH: "WOULD_MATCH_IMMEDIATELY", INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES"}
_OVERLOADED = "Server is currently overloaded with other requests. Please try again in a few minutes."


class Draft:
    """A request that passed form and filters, in the book's units."""

    __slots__ = ("lock_e8", "lots", "price_ticks", "request", "side")

    def __init__(self, request: OrderRequest, side: int, price_ticks: int, lots: int, lock_e8: int) -> None:
        self.request = request
        self.side = side
        self.price_ticks = price_ticks
        self.lots = lots
        self.lock_e8 = lock_e8


class OrderEntry:
    """The accounts' way to the floor; also its listener, which settles every fill of an account's order."""

    def __init__(self, config: VenueConfig, floor: Floor, dice: SeededRandom) -> None:
        assets = list(dict.fromkeys(asset for row in config.symbols for asset in (row.base, row.quote)))
        self.accounts = [
            AccountBook(number, account, config, assets) for number, account in enumerate(config.accounts, start=1)
        ]
        self.floor = floor
        self.reporter = Reporter(floor.events.append)
        self._dice = dice
        self._working: dict[int, Working] = {}
        self._cancel_id = ""
        self._prevented_id = 0
        floor.listener = self
        floor.watched = self._working  # type: ignore[assignment]

    def account(self, account_id: int) -> AccountBook:
        """The account with an id from ``Venue.key``; raises ``KeyError`` for another id."""
        if not 1 <= account_id <= len(self.accounts):
            raise KeyError(f"no account has the id {account_id}")
        return self.accounts[account_id - 1]

    # --- new orders ----------------------------------------------------------------------------------------------

    def draft(self, book: AccountBook, listing: Listing, request: OrderRequest, now_ns: int) -> Draft:
        """Check form and filters; changes nothing."""
        if not book.can_trade:
            raise new_order_rejected("This action is disabled on this account.")
        check_form(request)
        side = BUY if request.side == "BUY" else SELL
        average_e8 = listing.tape.average_e8(now_ns)
        if request.type == "MARKET":
            return self._draft_market(book, listing, request, side, average_e8)
        if book.open_count(listing.symbol) >= listing.rules.max_num_orders:
            raise filter_failure("MAX_NUM_ORDERS")
        return self._draft_limit(listing, request, side, average_e8)

    def _draft_limit(self, listing: Listing, request: OrderRequest, side: int, average_e8: int) -> Draft:
        price_e8, qty_e8 = request.price_e8 or 0, request.quantity_e8 or 0
        check_price(listing.rules, side == BUY, price_e8, average_e8)
        check_qty(listing.rules, qty_e8, is_market=False)
        price_ticks, lots = price_e8 // listing.tick_e8, qty_e8 // listing.step_e8
        notional_e8 = listing.quote_e8(price_ticks, lots)
        check_notional(listing.rules, notional_e8, is_market=False)
        return Draft(request, side, price_ticks, lots, notional_e8 if side == BUY else qty_e8)

    def _draft_market(
        self, book: AccountBook, listing: Listing, request: OrderRequest, side: int, average_e8: int
    ) -> Draft:
        if request.quote_order_qty_e8 is not None:
            return self._draft_by_quote(book, listing, request, side)
        qty_e8 = request.quantity_e8 or 0
        check_qty(listing.rules, qty_e8, is_market=True)
        lots = qty_e8 // listing.step_e8
        check_notional(listing.rules, listing.quote_e8(1, lots) * average_e8 // listing.tick_e8, is_market=True)
        lock_e8 = qty_e8
        if side == BUY:
            _, cost = self.floor.engine.takeable(listing.index, side, lots, _skipped_owner(book, request))
            lock_e8 = listing.quote_e8(1, cost)
        return Draft(request, side, 0, lots, lock_e8)

    def _draft_by_quote(self, book: AccountBook, listing: Listing, request: OrderRequest, side: int) -> Draft:
        """Size a market order by what it shall spend or bring, from the book as it stands."""
        quote_e8 = request.quote_order_qty_e8 or 0
        check_notional(listing.rules, quote_e8, is_market=True)
        cost = quote_e8 // listing.quote_e8(1, 1)
        lots = self.floor.engine.lots_for_cost(listing.index, side, cost, _skipped_owner(book, request))
        check_qty(listing.rules, lots * listing.step_e8, is_market=True)
        return Draft(request, side, 0, lots, quote_e8 if side == BUY else lots * listing.step_e8)

    def enter(self, book: AccountBook, listing: Listing, draft: Draft, now_ns: int) -> OrderResult:
        """Fund a draft, send it to the book and answer with its state after matching."""
        order = self._new_order(book, listing, draft, now_ns)
        if (order.symbol, order.client_order_id) in book.open_by_client:
            raise new_order_rejected("Duplicate order sent.")
        lock_asset = listing.rules.quote if draft.side == BUY else listing.rules.base
        book.lock(lock_asset, draft.lock_e8)
        order.order_id = self.floor.take_order_id()
        working = Working(order, listing.index, draft.price_ticks, lock_asset, draft.lock_e8)
        self._working[order.order_id] = working
        kind, tif, flags = BOOK_FORM[(order.type, order.time_in_force)]
        rows = self.floor.new(
            listing,
            book.account_id,
            order.order_id,
            draft.side,
            draft.price_ticks,
            draft.lots,
            now_ns,
            kind=kind,
            tif=tif,
            flags=flags,
            stp=BOOK_STP[order.stp_mode],
        )
        if rows[0][0] == _REJECTED:
            self._undo(book, working)
            raise _book_refusal(rows[0][2])
        return OrderResult(snapshot(order), tuple(working.fills), now_ns)

    def _undo(self, book: AccountBook, working: Working) -> None:
        """Forget an order that the book did not take."""
        del self._working[working.order.order_id]
        book.unlock(working.lock_asset, working.lock_e8)

    def _new_order(self, book: AccountBook, listing: Listing, draft: Draft, now_ns: int) -> Order:
        request = draft.request
        return Order(
            account_id=book.account_id,
            symbol=listing.symbol,
            order_id=0,
            client_order_id=request.client_order_id or self._dice.name(22),
            side=SIDES[request.side],
            type=TYPES[request.type],
            time_in_force=cast(TimeInForce, request.time_in_force or "GTC"),
            price_e8=draft.price_ticks * listing.tick_e8,
            qty_e8=draft.lots * listing.step_e8,
            quote_order_qty_e8=request.quote_order_qty_e8 or 0,
            stp_mode=STP[request.stp_mode or DEFAULT_STP],
            status="NEW",
            executed_e8=0,
            cum_quote_e8=0,
            created_ns=now_ns,
            updated_ns=now_ns,
            working_ns=now_ns,
            is_working=True,
            strategy_id=request.strategy_id,
            strategy_type=request.strategy_type,
        )

    # --- cancels -------------------------------------------------------------------------------------------------

    def find_open(
        self, book: AccountBook, symbol: str, order_id: int | None, orig_client_order_id: str | None
    ) -> Working:
        """The open order that a cancel names; -1102, -2011 or -2039."""
        if order_id is None and not orig_client_order_id:
            raise neither("orderId", "origClientOrderId")
        if order_id is None:
            order_id = book.open_by_client.get((symbol, orig_client_order_id or ""), -1)
        working = book.open.get(order_id)
        if working is None or working.order.symbol != symbol:
            raise cancel_rejected()
        if orig_client_order_id and working.order.client_order_id != orig_client_order_id:
            raise VenueReject(-2039, "Client order ID is not correct for this order ID.")
        return working

    def cancel(self, book: AccountBook, working: Working, cancel_id: str | None, now_ns: int) -> CancelResult:
        """Take an open order out of the book."""
        order = working.order
        self._cancel_id = cancel_id or self._dice.name(22)
        self.floor.cancel(self.floor.listings[working.listing_index], book.account_id, order.order_id, now_ns)
        return CancelResult(snapshot(order), self._cancel_id, now_ns)

    def cancel_all(self, book: AccountBook, symbol: str, now_ns: int) -> list[CancelResult]:
        """Cancel all on a symbol under one cancel id."""
        rows = [working for working in book.open.values() if working.order.symbol == symbol]
        if not rows:
            raise cancel_rejected()
        cancel_id = self._dice.name(22)
        return [self.cancel(book, working, cancel_id, now_ns) for working in rows]

    def report_rejected(
        self, book: AccountBook, listing: Listing, draft: Draft, reject: VenueReject, now_ns: int
    ) -> None:
        """Tell the user stream of a new order that failed after its cancel-replace had cancelled."""
        order = self._new_order(book, listing, draft, now_ns)
        order.order_id = self.floor.take_order_id()
        order.status, order.is_working, order.working_ns = "REJECTED", False, -1
        self.reporter.rejected(order, _REPORT_REASONS.get(reject.msg, "NONE"), now_ns)

    # --- the floor's listener ------------------------------------------------------------------------------------

    def on_row(self, row: Row, now_ns: int) -> None:
        """Take an acceptance, a cancel or an expiry of an account's order."""
        working = self._working.get(row[5])
        if working is None:
            return
        book = self.account(working.order.account_id)
        kind = row[0]
        if kind == _ACCEPTED:
            book.add(working)
            self.reporter.new(working.order, now_ns)
        elif kind == _CANCELED:
            self._close(book, working, "CANCELED", now_ns)
            self.reporter.canceled(working.order, self._cancel_id, now_ns)
        elif kind == _EXPIRED:
            self._expire(book, working, row, now_ns)
        self._report_position(book, working, now_ns)

    def _expire(self, book: AccountBook, working: Working, row: Row, now_ns: int) -> None:
        order = working.order
        if row[2] != _SELF_TRADE:
            order.expiry_reason = _EXPIRY_REASONS.get(row[2], "EXCHANGE_CANCELED")
            self._close(book, working, "EXPIRED", now_ns)
            self.reporter.expired(order, now_ns)
            return
        prevented_e8 = row[8] * self.floor.listings[working.listing_index].step_e8
        self._prevented_id += 1
        order.prevented_e8 += prevented_e8
        order.prevented_match_id = self._prevented_id
        counter = book.history(order.symbol).orders[row[6]]
        resting = min(order, counter, key=lambda either: either.order_id)  # ids count up: the older one was the maker
        self._close(book, working, "EXPIRED_IN_MATCH", now_ns)
        self.reporter.prevented(order, prevented_e8, counter.order_id, resting.price_e8, now_ns)

    def on_trade(self, row: Row, trade: Trade, now_ns: int) -> None:
        """Settle both sides of a trade that are accounts."""
        taker = self._working.get(row[5])
        if taker is not None:
            self._settle(taker, row, trade, row[9], False, now_ns)
        maker = self._working.get(row[6])
        if maker is not None:
            self._settle(maker, row, trade, row[10], True, now_ns)

    def _settle(self, working: Working, row: Row, trade: Trade, leaves: int, is_maker: bool, now_ns: int) -> None:
        order, listing = working.order, self.floor.listings[working.listing_index]
        book = self.account(order.account_id)
        quote_e8 = listing.quote_e8(row[7], row[8])
        if order.side == "BUY":
            held_e8 = listing.quote_e8(working.price_ticks, row[8]) if working.price_ticks else quote_e8
            book.settle(working, listing.rules.quote, quote_e8, held_e8)
            asset, gross_e8 = listing.rules.base, trade.qty_e8
        else:
            book.settle(working, listing.rules.base, trade.qty_e8, trade.qty_e8)
            asset, gross_e8 = listing.rules.quote, quote_e8
        fee_e8 = gross_e8 * (book.maker_bps if is_maker else book.taker_bps) // BPS
        book.receive(asset, gross_e8 - fee_e8)
        order.executed_e8 += trade.qty_e8
        order.cum_quote_e8 += quote_e8
        self._record_fill(book, working, trade, quote_e8, fee_e8, asset, is_maker)
        if leaves == 0:
            self._close(book, working, "FILLED", now_ns)
        else:
            order.status, order.updated_ns = "PARTIALLY_FILLED", now_ns
        self.reporter.trade(order, trade, quote_e8, fee_e8, asset, is_maker)
        self._report_position(book, working, now_ns)

    def _record_fill(
        self,
        book: AccountBook,
        working: Working,
        trade: Trade,
        quote_e8: int,
        fee_e8: int,
        fee_asset: str,
        is_maker: bool,
    ) -> None:
        order = working.order
        if not is_maker:
            working.fills.append(Fill(trade.price_e8, trade.qty_e8, fee_e8, fee_asset, trade.trade_id))
        book.history(order.symbol).trades.append(
            AccountTrade(
                order.symbol,
                trade.trade_id,
                order.order_id,
                trade.price_e8,
                trade.qty_e8,
                quote_e8,
                fee_e8,
                fee_asset,
                trade.time_ns,
                order.side == "BUY",
                is_maker,
            )
        )

    def _close(self, book: AccountBook, working: Working, status: OrderStatus, now_ns: int) -> None:
        order = working.order
        order.status, order.updated_ns, order.is_working = status, now_ns, False
        del self._working[order.order_id]
        book.close(working)

    def _report_position(self, book: AccountBook, working: Working, now_ns: int) -> None:
        rules = self.floor.listings[working.listing_index].rules
        book.update_ns = now_ns
        self.reporter.position(book, (rules.base, rules.quote), now_ns)

    def deposit(self, book: AccountBook, asset: str, amount_e8: int, now_ns: int) -> None:
        """Move funds in, or out when negative; refuses what is not there."""
        holding = book.holdings.get(asset)
        if holding is None or holding.free_e8 + amount_e8 < 0:
            raise VenueReject(-4026, f"The account has no {-amount_e8} units of {asset} to withdraw.")
        holding.free_e8 += amount_e8
        book.update_ns = now_ns
        self.floor.events.append(BalanceUpdate(book.account_id, now_ns, asset, amount_e8))
        self.reporter.position(book, (asset,), now_ns)


def _skipped_owner(book: AccountBook, request: OrderRequest) -> int:
    """Whose resting orders a market order passes over (0: nobody's), so that its cost is never underrated."""
    return 0 if request.stp_mode == "NONE" else book.account_id


def _book_refusal(reason: int) -> VenueReject:
    """The exchange's words for a refusal of the matching book."""
    if reason == _WOULD_CROSS:
        return new_order_rejected(WOULD_MATCH)
    return VenueReject(-1008, _OVERLOADED)
