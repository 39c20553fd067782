"""Orders of accounts: funded, entered into the book or set waiting, settled from the book's events, and reported.

Money: what an order needs is locked before it is entered; each fill is paid out of the lock, what a better price saved
and what a closed order still held becomes free at once. Commission is taken from what is received, rounded down to
1e-8.

What the events of one operation cause in turn (stops reached, pending orders of a list) is put off in ``due`` until
that operation is published, and, in a call of an account, until its answer is made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

from engine.book.matching import EventKind, Reason
from engine.sim.accounts import INSUFFICIENT_BALANCE, AccountBook, Working, snapshot
from engine.sim.api import (
    AccountTrade,
    BalanceUpdate,
    CancelResult,
    Fill,
    Order,
    OrderListCancel,
    OrderResult,
    OrderStatus,
    TimeInForce,
    Trade,
)
from engine.sim.config import VenueConfig
from engine.sim.decimals import format_e8
from engine.sim.draft import Draft, Drafter
from engine.sim.floor import BUY, Floor, Listing, Row
from engine.sim.order_form import BOOK_FORM, BOOK_STP, CONDITIONAL, SIDES, STP, TYPES
from engine.sim.order_lists import OrderLists
from engine.sim.preventions import Preventions
from engine.sim.reject import VenueReject, cancel_rejected, new_order_rejected
from engine.sim.reports import Reporter
from engine.sim.seeded import SeededRandom
from engine.sim.triggers import TriggerBook

BPS = 10_000
WOULD_MATCH = "Order would immediately match and take."
_ACCEPTED = int(EventKind.EVENT_ACCEPTED)
_CANCELED = int(EventKind.EVENT_CANCELED)
_EXPIRED = int(EventKind.EVENT_EXPIRED)
_PREVENTED = int(EventKind.EVENT_PREVENTED)
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


class OrderEntry:
    """The accounts' way to the floor; also its listener, which settles every fill of an account's order."""

    def __init__(self, config: VenueConfig, floor: Floor, dice: SeededRandom) -> None:
        assets = list(dict.fromkeys(asset for row in config.symbols for asset in (row.base, row.quote)))
        self.accounts = [
            AccountBook(number, account, config, assets) for number, account in enumerate(config.accounts, start=1)
        ]
        self.floor = floor
        self.drafter = Drafter(floor)
        self.reporter = Reporter(floor.events.append)
        self.lists = OrderLists(self)
        self.triggers = [TriggerBook() for _ in floor.listings]
        self.due: deque[Callable[[int], None]] = deque()
        self._depth = 0
        self._dice = dice
        self._working: dict[int, Working] = {}
        self._cancel_id = ""
        self._exit_reason = ""
        self.preventions = Preventions()
        floor.listener = self
        floor.watched = self._working  # type: ignore[assignment]
        floor.after_operation = self.run_due

    def account(self, account_id: int) -> AccountBook:
        """The account with an id from ``Venue.key``; raises ``KeyError`` for another id."""
        if not 1 <= account_id <= len(self.accounts):
            raise KeyError(f"no account has the id {account_id}")
        return self.accounts[account_id - 1]

    # --- what is put off -----------------------------------------------------------------------------------------

    @contextmanager
    def turn(self, now_ns: int) -> Iterator[None]:
        """Put off what the account's operations cause until the block is left."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self.run_due(now_ns)

    def run_due(self, now_ns: int) -> None:
        """Do what was put off, and what that causes, in order; nothing inside a turn."""
        if self._depth or not self.due:
            return
        self._depth += 1
        try:
            while self.due:
                self.due.popleft()(now_ns)
        finally:
            self._depth -= 1

    # --- new orders ----------------------------------------------------------------------------------------------

    def enter(self, book: AccountBook, listing: Listing, draft: Draft, now_ns: int) -> OrderResult:
        """Fund a draft, send it to the book or set it waiting, and answer with its state after matching."""
        working = self.new_working(book, listing, draft, now_ns)
        self.refuse_duplicate(book, working.order)
        self.lock(book, working, draft.lock_e8)
        working.order.order_id = self.floor.take_order_id()
        try:
            self.start(book, listing, working, now_ns)
        except VenueReject:
            self.release(book, working)
            raise
        return OrderResult(snapshot(working.order), tuple(working.fills), now_ns)

    def refuse_duplicate(self, book: AccountBook, order: Order) -> None:
        """Refuse a client id that an open order of the symbol has."""
        if (order.symbol, order.client_order_id) in book.open_by_client:
            raise new_order_rejected("Duplicate order sent.")

    def start(self, book: AccountBook, listing: Listing, working: Working, now_ns: int) -> None:
        """Send an order to the book, or let it wait for its price; raises ``VenueReject`` where the book refuses."""
        if working.order.type in CONDITIONAL:
            self.wait(book, working, now_ns)
        else:
            self._send(listing, working, now_ns)

    def wait(self, book: AccountBook, working: Working, now_ns: int) -> None:
        """Take an order that waits for the last price."""
        order, listing = working.order, self.floor.listings[working.listing_index]
        order.status, order.is_working, order.working_ns = "NEW", False, -1
        last_ticks = listing.tape.last_price_e8 // listing.tick_e8
        self.triggers[listing.index].add(working, last_ticks, now_ns)
        is_first = working.group is not None and self.lists.open(book, working.group, now_ns)
        self.admit(book, working, now_ns)
        if is_first and working.group is not None:
            self.lists.introduce(book, working.group, now_ns)

    def admit(self, book: AccountBook, working: Working, now_ns: int) -> None:
        """Count an order among the open ones, and tell of it."""
        order = working.order
        order.updated_ns = now_ns
        self._working[order.order_id] = working
        if order.order_id not in book.open:
            book.add(working)
        self.reporter.new(order, now_ns)
        self.report_position(book, working, now_ns)

    def _send(self, listing: Listing, working: Working, now_ns: int) -> None:
        order = working.order
        self._working[order.order_id] = working
        self.preventions.begin(order.order_id)
        kind, tif, flags = BOOK_FORM[(order.type, order.time_in_force)]
        rows = self.floor.new(
            listing,
            order.account_id,
            order.order_id,
            BUY if order.side == "BUY" else 1 - BUY,
            working.price_ticks,
            working.lots,
            now_ns,
            kind=kind,
            tif=tif,
            flags=flags,
            stp=BOOK_STP[order.stp_mode],
            display=working.display_lots if working.display_lots < working.lots else 0,
        )
        if rows[0][0] == _REJECTED:
            raise _book_refusal(rows[0][2])

    def release(self, book: AccountBook, working: Working) -> None:
        """Forget an order that was not taken."""
        self._working.pop(working.order.order_id, None)
        self.unlock(book, working, working.lock_e8)

    def lock(self, book: AccountBook, working: Working, amount_e8: int) -> None:
        """Set funds aside for an order; -2010 when they are not free."""
        book.lock(working.lock_asset, amount_e8)
        working.lock_e8 += amount_e8

    def unlock(self, book: AccountBook, working: Working, amount_e8: int) -> None:
        """Make funds of an order free again."""
        book.unlock(working.lock_asset, amount_e8)
        working.lock_e8 -= amount_e8

    def new_name(self) -> str:
        """A client id for who sent none."""
        return self._dice.name(22)

    def new_working(self, book: AccountBook, listing: Listing, draft: Draft, now_ns: int) -> Working:
        """An order without id or funds from a draft."""
        order = self._new_order(book, listing, draft, now_ns)
        lock_asset = listing.rules.quote if draft.side == BUY else listing.rules.base
        working = Working(order, draft.request, listing.index, lock_asset)
        draft.apply(working)
        return working

    def _new_order(self, book: AccountBook, listing: Listing, draft: Draft, now_ns: int) -> Order:
        request = draft.request
        return Order(
            account_id=book.account_id,
            symbol=listing.symbol,
            order_id=0,
            client_order_id=request.client_order_id or self.new_name(),
            side=SIDES[request.side],
            type=TYPES[request.type],
            time_in_force=cast(TimeInForce, request.time_in_force or "GTC"),
            price_e8=draft.price_ticks * listing.tick_e8,
            qty_e8=draft.lots * listing.step_e8,
            quote_order_qty_e8=request.quote_order_qty_e8 or 0,
            stp_mode=STP[request.stp_mode or listing.rules.default_stp_mode],
            status="NEW",
            executed_e8=0,
            cum_quote_e8=0,
            created_ns=now_ns,
            updated_ns=now_ns,
            working_ns=now_ns,
            is_working=True,
            strategy_id=request.strategy_id,
            strategy_type=request.strategy_type,
            stop_price_e8=request.stop_price_e8 or 0,
            iceberg_e8=request.iceberg_qty_e8 or 0,
            trailing_delta=request.trailing_delta,
        )

    # --- stops ---------------------------------------------------------------------------------------------------

    def _trigger(self, working: Working, now_ns: int) -> None:
        """The last price reached an order's stop: it goes to the book, or expires where it cannot."""
        order, listing = working.order, self.floor.listings[working.listing_index]
        if order.order_id not in self._working:
            return
        book = self.account(order.account_id)
        self.lists.make_way(book, working, now_ns)
        try:
            if not working.price_ticks and order.side == "BUY":
                cost_e8 = self.drafter.cost_e8(listing, working.lots, book.account_id, order.stp_mode)
                self.lock(book, working, max(0, cost_e8 - working.lock_e8))
            self._send(listing, working, now_ns)
        except VenueReject:
            self.expire(book, working, "REJECTED", now_ns)

    # --- cancels -------------------------------------------------------------------------------------------------

    def cancel(self, book: AccountBook, working: Working, cancel_id: str | None, now_ns: int) -> CancelResult:
        """Take an open order out, and with it the whole list that it is of."""
        cancel_id = cancel_id or self.new_name()
        if working.group is not None:
            self.lists.cancel(book, working.group, cancel_id, now_ns)
        else:
            self.remove(book, working, cancel_id, now_ns)
        return CancelResult(snapshot(working.order), cancel_id, now_ns)

    def cancel_all(self, book: AccountBook, symbol: str, now_ns: int) -> list[CancelResult | OrderListCancel]:
        """Cancel all on a symbol under one cancel id; a list gives one row."""
        rows = [working for working in book.open.values() if working.order.symbol == symbol]
        if not rows:
            raise cancel_rejected()
        cancel_id = self.new_name()
        results: list[CancelResult | OrderListCancel] = []
        for working in rows:
            if working.group is None:
                results.append(self.cancel(book, working, cancel_id, now_ns))
            elif not working.group.is_ending:
                results.append(self.lists.cancel(book, working.group, cancel_id, now_ns))
        return results

    def remove(self, book: AccountBook, working: Working, cancel_id: str, now_ns: int) -> None:
        """Cancel one order, in the book or not."""
        self._cancel_id = cancel_id
        if working.order.is_working:
            listing = self.floor.listings[working.listing_index]
            self.floor.cancel(listing, book.account_id, working.order.order_id, now_ns)
        else:
            self._leave(book, working, now_ns)

    def expire(self, book: AccountBook, working: Working, reason: str, now_ns: int) -> None:
        """End one order, in the book or not, for a reason of the venue's own."""
        self._exit_reason = reason
        self.remove(book, working, "", now_ns)
        self._exit_reason = ""

    def expire_soon(self, book: AccountBook, working: Working, reason: str, now_ns: int) -> None:
        """The same from amid an operation: an order in the book ends after it."""
        if working.order.is_working:
            self.due.append(partial(self._expire_open, book, working, reason))
        else:
            self.expire(book, working, reason, now_ns)

    def _expire_open(self, book: AccountBook, working: Working, reason: str, now_ns: int) -> None:
        if working.order.order_id in book.open:
            self.expire(book, working, reason, now_ns)

    def _leave(self, book: AccountBook, working: Working, now_ns: int) -> None:
        if self._exit_reason:
            working.order.expiry_reason = self._exit_reason
            self._close(book, working, "EXPIRED", now_ns)
            self.reporter.expired(working.order, now_ns)
        else:
            self._close(book, working, "CANCELED", now_ns)
            self.reporter.canceled(working.order, self._cancel_id, now_ns)
        self._after(book, working, now_ns)

    def _after(self, book: AccountBook, working: Working, now_ns: int) -> None:
        """Tell the balances, and go on with the order's list."""
        self.report_position(book, working, now_ns)
        self.lists.follow(book, working, now_ns)

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
        """Take what the book says of an account's order, but for trades."""
        working = self._working.get(row[5])
        if working is None:
            return
        book = self.account(working.order.account_id)
        kind = row[0]
        if kind == _ACCEPTED:
            self._accept(book, working, now_ns)
        elif kind == _CANCELED:
            self._leave(book, working, now_ns)
        elif kind == _EXPIRED:
            self._expire(book, working, row, now_ns)
        elif kind == _PREVENTED:
            self._decrement(row, now_ns)

    def _accept(self, book: AccountBook, working: Working, now_ns: int) -> None:
        order, group = working.order, working.group
        order.status, order.is_working, order.working_ns = "NEW", True, now_ns
        is_first = group is not None and self.lists.open(book, group, now_ns)
        self.admit(book, working, now_ns)
        if is_first and group is not None:
            self.lists.introduce(book, group, now_ns)

    def _expire(self, book: AccountBook, working: Working, row: Row, now_ns: int) -> None:
        order = working.order
        if row[2] != _SELF_TRADE:
            order.expiry_reason = _EXPIRY_REASONS.get(row[2], "EXCHANGE_CANCELED")
            self._close(book, working, "EXPIRED", now_ns)
            self.reporter.expired(order, now_ns)
        else:
            self._prevent(book, working, row[6], row[8], closes=True, now_ns=now_ns)
        self._after(book, working, now_ns)

    def _decrement(self, row: Row, now_ns: int) -> None:
        """Both orders of an account lose what would have traded between them."""
        pair = ((row[5], row[6], row[9]), (row[6], row[5], row[10]))
        found = [(self._working[own], other, leaves) for own, other, leaves in pair]
        for working, other, leaves in found:
            book = self.account(working.order.account_id)
            listing = self.floor.listings[working.listing_index]
            if working.order.side == "SELL":
                book.settle(working, working.lock_asset, 0, row[8] * listing.step_e8)
            elif working.price_ticks:
                book.settle(working, working.lock_asset, 0, listing.quote_e8(working.price_ticks, row[8]))
            self._prevent(book, working, other, row[8], closes=leaves == 0, now_ns=now_ns)
            self._after(book, working, now_ns)

    def _prevent(
        self, book: AccountBook, working: Working, counter_id: int, lots: int, *, closes: bool, now_ns: int
    ) -> None:
        """Book and report what self-trade prevention took from one order."""
        order, listing = working.order, self.floor.listings[working.listing_index]
        prevented_e8 = lots * listing.step_e8
        match = self.preventions.note(book, order, counter_id, prevented_e8, now_ns)
        order.prevented_e8 += prevented_e8
        order.prevented_match_id = match.prevented_match_id
        if closes:
            self._close(book, working, "EXPIRED_IN_MATCH", now_ns)
        else:
            order.updated_ns = now_ns
        self.reporter.prevented(order, prevented_e8, counter_id, match.price_e8, now_ns)

    def on_trade(self, row: Row, trade: Trade, now_ns: int) -> None:
        """Settle both sides of a trade that are accounts."""
        taker = self._working.get(row[5])
        if taker is not None:
            self._settle(taker, row, trade, row[9], False, now_ns)
        maker = self._working.get(row[6])
        if maker is not None:
            self._settle(maker, row, trade, row[10], True, now_ns)
        triggers = self.triggers[row[3]]
        if triggers.waiting:
            self.due.extend(partial(self._trigger, working) for working in triggers.on_price(row[7], now_ns))

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
        self.lists.keep_received(book, working, asset, gross_e8)
        order.executed_e8 += trade.qty_e8
        order.cum_quote_e8 += quote_e8
        self._record_fill(book, working, trade, quote_e8, fee_e8, asset, is_maker)
        if leaves == 0:
            self._close(book, working, "FILLED", now_ns)
        else:
            order.status, order.updated_ns = "PARTIALLY_FILLED", now_ns
        self.reporter.trade(order, trade, quote_e8, fee_e8, asset, is_maker)
        self._after(book, working, now_ns)

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
                order.order_list_id,
            )
        )

    def _close(self, book: AccountBook, working: Working, status: OrderStatus, now_ns: int) -> None:
        order = working.order
        order.status, order.updated_ns, order.is_working = status, now_ns, False
        del self._working[order.order_id]
        self.triggers[working.listing_index].remove(order.order_id)
        book.close(working)

    def report_position(self, book: AccountBook, working: Working, now_ns: int) -> None:
        """Tell the balances of an order's two assets."""
        rules = self.floor.listings[working.listing_index].rules
        book.update_ns = now_ns
        self.reporter.position(book, (rules.base, rules.quote), now_ns)

    def deposit(self, book: AccountBook, asset: str, amount_e8: int, now_ns: int) -> None:
        """Move funds in, or out when negative; refuses what is not there."""
        holding = book.holdings.get(asset)
        if holding is None:
            raise VenueReject(-4026, f"The venue has no asset {asset}.")
        if holding.free_e8 + amount_e8 < 0:
            free, asked = format_e8(holding.free_e8), format_e8(-amount_e8)
            raise VenueReject(-4026, f"The account has {free} {asset} free, not {asked} to withdraw.")
        holding.free_e8 += amount_e8
        book.update_ns = now_ns
        self.floor.events.append(BalanceUpdate(book.account_id, now_ns, asset, amount_e8))
        self.reporter.position(book, (asset,), now_ns)


def _book_refusal(reason: int) -> VenueReject:
    """The exchange's words for a refusal of the matching book."""
    if reason == _WOULD_CROSS:
        return new_order_rejected(WOULD_MATCH)
    return VenueReject(-1008, _OVERLOADED)
