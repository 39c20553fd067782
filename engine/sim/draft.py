"""From a request to a draft: form, filters, the book's units and what of the balance the order needs.

Funds: a buying order needs its whole cost in the quote asset, a selling one its quantity. A buying order that takes any
price is reckoned at what it would cost now, one that waits for its stop at the stop price (at the last price where it
trails without one); it is reckoned anew when it becomes due.
"""

from __future__ import annotations

from engine.sim.accounts import AccountBook, Working
from engine.sim.api import OrderRequest
from engine.sim.floor import BUY, SELL, Floor, Listing
from engine.sim.order_form import CONDITIONAL, MARKET_KINDS, check_form
from engine.sim.reject import filter_failure, new_order_rejected
from engine.sim.rules import (
    check_grid,
    check_iceberg,
    check_notional,
    check_price,
    check_qty,
    check_trailing_delta,
)
from engine.sim.triggers import sits_above

WOULD_TRIGGER = "Order would trigger immediately."


class Draft:
    """A request that passed form and filters, in the book's units; fields as in ``Working``."""

    __slots__ = ("display_lots", "lock_e8", "lock_ticks", "lots", "price_ticks", "request", "side", "stop_ticks")

    def __init__(self, request: OrderRequest, side: int, price_ticks: int, lots: int, lock_e8: int) -> None:
        self.request = request
        self.side = side
        self.price_ticks = price_ticks
        self.lots = lots
        self.lock_e8 = lock_e8
        self.lock_ticks = price_ticks
        self.stop_ticks = 0
        self.display_lots = 0

    @property
    def is_conditional(self) -> bool:
        """Whether the order waits for the last price."""
        return self.request.type in CONDITIONAL

    def apply(self, working: Working) -> None:
        """Write what was reckoned into an order."""
        working.price_ticks, working.stop_ticks, working.lock_ticks = self.price_ticks, self.stop_ticks, self.lock_ticks
        working.lots, working.display_lots, working.needs_e8 = self.lots, self.display_lots, self.lock_e8


class Drafter:
    """Checks requests and reckons drafts; changes nothing."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor

    def draft(self, book: AccountBook, listing: Listing, request: OrderRequest, now_ns: int) -> Draft:
        """Check everything that is known before the order is entered."""
        self.check_account(book)
        draft = self.reckon(book, listing, request, now_ns)
        if request.type != "MARKET":
            check_counts(book, listing, (request,))
        if draft.is_conditional:
            check_trigger(listing, draft)
        return draft

    def check_account(self, book: AccountBook) -> None:
        """Refuse an account that may not trade."""
        if not book.can_trade:
            raise new_order_rejected("This action is disabled on this account.")

    def reckon(self, book: AccountBook, listing: Listing, request: OrderRequest, now_ns: int) -> Draft:
        """Check form and filters of one order by itself."""
        check_form(request, listing.rules.stp_modes)
        side = BUY if request.side == "BUY" else SELL
        average_e8 = listing.tape.average_e8(now_ns)
        if request.type == "MARKET":
            return self._market(book, listing, request, side, average_e8)
        if request.type in MARKET_KINDS:
            draft = self._conditional_market(listing, request, side)
        else:
            draft = self._limit(listing, request, side, average_e8)
        if request.type in CONDITIONAL:
            self._read_trigger(listing, draft)
        if request.iceberg_qty_e8:
            check_iceberg(listing.rules, request.quantity_e8 or 0, request.iceberg_qty_e8)
            draft.display_lots = request.iceberg_qty_e8 // listing.step_e8
        return draft

    def _limit(self, listing: Listing, request: OrderRequest, side: int, average_e8: int) -> Draft:
        price_e8, qty_e8 = request.price_e8 or 0, request.quantity_e8 or 0
        check_price(listing.rules, side == BUY, price_e8, average_e8)
        check_qty(listing.rules, qty_e8, is_market=False)
        price_ticks, lots = price_e8 // listing.tick_e8, qty_e8 // listing.step_e8
        notional_e8 = listing.quote_e8(price_ticks, lots)
        check_notional(listing.rules, notional_e8, is_market=False)
        return Draft(request, side, price_ticks, lots, notional_e8 if side == BUY else qty_e8)

    def _conditional_market(self, listing: Listing, request: OrderRequest, side: int) -> Draft:
        qty_e8 = request.quantity_e8 or 0
        check_qty(listing.rules, qty_e8, is_market=True)
        lots = qty_e8 // listing.step_e8
        lock_ticks = (request.stop_price_e8 or listing.tape.last_price_e8) // listing.tick_e8
        notional_e8 = listing.quote_e8(lock_ticks, lots)
        check_notional(listing.rules, notional_e8, is_market=True)
        draft = Draft(request, side, 0, lots, notional_e8 if side == BUY else qty_e8)
        draft.lock_ticks = lock_ticks
        return draft

    def _read_trigger(self, listing: Listing, draft: Draft) -> None:
        request = draft.request
        if request.stop_price_e8 is not None:
            check_grid(listing.rules, request.stop_price_e8)
            draft.stop_ticks = request.stop_price_e8 // listing.tick_e8
        if request.trailing_delta is not None:
            check_trailing_delta(listing.rules, sits_above(request.type, request.side), request.trailing_delta)

    def _market(self, book: AccountBook, listing: Listing, request: OrderRequest, side: int, average_e8: int) -> Draft:
        if request.quote_order_qty_e8 is not None:
            return self._by_quote(book, listing, request, side)
        qty_e8 = request.quantity_e8 or 0
        check_qty(listing.rules, qty_e8, is_market=True)
        lots = qty_e8 // listing.step_e8
        check_notional(listing.rules, listing.quote_e8(1, lots) * average_e8 // listing.tick_e8, is_market=True)
        lock_e8 = qty_e8
        if side == BUY:
            lock_e8 = self.cost_e8(listing, lots, book.account_id, request.stp_mode or listing.rules.default_stp_mode)
        return Draft(request, side, 0, lots, lock_e8)

    def _by_quote(self, book: AccountBook, listing: Listing, request: OrderRequest, side: int) -> Draft:
        """Size a market order by what it shall spend or bring, from the book as it stands."""
        quote_e8 = request.quote_order_qty_e8 or 0
        check_notional(listing.rules, quote_e8, is_market=True)
        cost = quote_e8 // listing.quote_e8(1, 1)
        owner = _skipped_owner(book.account_id, request.stp_mode or listing.rules.default_stp_mode)
        lots = self.floor.engine.lots_for_cost(listing.index, side, cost, owner)
        check_qty(listing.rules, lots * listing.step_e8, is_market=True)
        return Draft(request, side, 0, lots, quote_e8 if side == BUY else lots * listing.step_e8)

    def cost_e8(self, listing: Listing, lots: int, account_id: int, stp_mode: str) -> int:
        """The most that buying ``lots`` at any price costs now."""
        _, cost = self.floor.engine.takeable(listing.index, BUY, lots, _skipped_owner(account_id, stp_mode))
        return listing.quote_e8(1, cost)


def check_counts(book: AccountBook, listing: Listing, requests: tuple[OrderRequest, ...]) -> None:
    """MAX_NUM_ORDERS, MAX_NUM_ALGO_ORDERS and MAX_NUM_ICEBERG_ORDERS with ``requests`` added."""
    rules, present = listing.rules, book.open_on(listing.symbol)
    if len(present) + len(requests) > rules.max_num_orders:
        raise filter_failure("MAX_NUM_ORDERS")
    algo_new = sum(request.type in CONDITIONAL for request in requests)
    if algo_new and sum(order.type in CONDITIONAL for order in present) + algo_new > rules.max_num_algo_orders:
        raise filter_failure("MAX_NUM_ALGO_ORDERS")
    iceberg_new = sum(bool(request.iceberg_qty_e8) for request in requests)
    if iceberg_new and sum(order.iceberg_e8 > 0 for order in present) + iceberg_new > rules.max_num_iceberg_orders:
        raise filter_failure("MAX_NUM_ICEBERG_ORDERS")


def check_trigger(listing: Listing, draft: Draft) -> None:
    """Refuse a stop that the last price has reached already (-2010)."""
    request, last_e8 = draft.request, listing.tape.last_price_e8
    if request.stop_price_e8 is None:
        return
    is_above = sits_above(request.type, request.side)
    if request.stop_price_e8 <= last_e8 if is_above else request.stop_price_e8 >= last_e8:
        raise new_order_rejected(WOULD_TRIGGER)


def _skipped_owner(account_id: int, stp_mode: str) -> int:
    """Whose resting orders a market order passes over (0: nobody's), so that its cost is never underrated."""
    return 0 if stp_mode == "NONE" else account_id
