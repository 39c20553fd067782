"""Order lists of accounts: placed, followed from order to order, cancelled.

An OCO: what happens first to one leg (a fill, a prevented one, or its stop) ends the other. An OTO: the pending orders
are placed when the working one is wholly filled, and end with it otherwise. Both legs of a pair share one lock, as large
as the needier leg's; a pending order has none until it is placed (Binance spot, order lists and OPO FAQ).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from engine.sim.accounts import AccountBook, Working, snapshot
from engine.sim.api import CancelResult, OrderListCancel, OrderListRequest, OrderListResult, OrderResult
from engine.sim.draft import Draft, check_counts, check_trigger
from engine.sim.floor import Listing
from engine.sim.list_form import check_list_form, check_pair_prices
from engine.sim.list_work import ListWork
from engine.sim.reject import VenueReject, filter_failure, new_order_rejected

if TYPE_CHECKING:
    from engine.sim.order_entry import OrderEntry


class OrderLists:
    """The lists of every account."""

    def __init__(self, entry: OrderEntry) -> None:
        self.entry = entry
        self._next_list_id = 1

    # --- placing -------------------------------------------------------------------------------------------------

    def place(self, book: AccountBook, listing: Listing, request: OrderListRequest, now_ns: int) -> OrderListResult:
        """Check, fund and enter a new list; refuses it whole."""
        check_list_form(request)
        self.entry.drafter.check_account(book)
        drafts = self._drafts(book, listing, request, now_ns)
        self._check_list(book, listing, request, drafts)
        if request.kind == "OCO":
            check_pair_prices(listing, drafts[0], drafts[1])
        group = self._build(book, listing, request, drafts, now_ns)
        first = group.leader or group.base
        self._fund(book, group)
        try:
            self.entry.start(book, listing, first, now_ns)
        except VenueReject:
            for working in group.orders:
                self.entry.release(book, working)
            raise
        reports = tuple(OrderResult(snapshot(row.order), tuple(row.fills), now_ns) for row in group.orders)
        return OrderListResult(group.view(), reports)

    def _drafts(self, book: AccountBook, listing: Listing, request: OrderListRequest, now_ns: int) -> tuple[Draft, ...]:
        legs = list(request.legs)
        if request.kind in ("OPO", "OPOCO"):  # sized when the leader is filled; till then only their form is checked
            legs[1:] = [msgspec.structs.replace(leg, quantity_e8=legs[0].quantity_e8) for leg in legs[1:]]
        return tuple(self.entry.drafter.reckon(book, listing, leg, now_ns) for leg in legs)

    def _check_list(
        self, book: AccountBook, listing: Listing, request: OrderListRequest, drafts: tuple[Draft, ...]
    ) -> None:
        check_counts(book, listing, tuple(draft.request for draft in drafts))
        open_here = sum(book.lists[list_id].symbol == listing.symbol for list_id in book.open_lists.values())
        if open_here >= listing.rules.max_num_order_lists:
            raise filter_failure("MAX_NUM_ORDER_LISTS")
        if request.list_client_order_id in book.open_lists:
            raise new_order_rejected("Duplicate order sent.")

    def _build(
        self,
        book: AccountBook,
        listing: Listing,
        request: OrderListRequest,
        drafts: tuple[Draft, ...],
        now_ns: int,
    ) -> ListWork:
        if request.kind == "OCO" and not drafts[0].is_conditional:
            drafts = (drafts[1], drafts[0])  # the contingent leg has the first id
        rows = [self.entry.new_working(book, listing, draft, now_ns) for draft in drafts]
        names = [row.order.client_order_id for row in rows]
        for row in rows:
            self.entry.refuse_duplicate(book, row.order)
        if len(set(names)) < len(names):
            raise new_order_rejected("Duplicate order sent.")
        leader = None if request.kind == "OCO" else rows[0]
        for row in rows:
            row.order.order_id = self.entry.floor.take_order_id()
            if leader is not None and row is not leader:
                row.order.status, row.order.is_working, row.order.working_ns = "PENDING_NEW", False, -1
        client_id = request.list_client_order_id or self.entry.new_name()
        sized_by_fill = request.kind in ("OPO", "OPOCO")
        if sized_by_fill:
            for row in rows[1:]:
                row.lots, row.order.qty_e8 = 0, 0
        self._next_list_id += 1
        return ListWork(self._next_list_id - 1, client_id, tuple(rows), leader, sized_by_fill, now_ns)

    def _fund(self, book: AccountBook, group: ListWork) -> None:
        if group.leader is not None:
            self.entry.lock(book, group.leader, group.leader.needs_e8)
            return
        self.entry.lock(book, group.base, max(row.needs_e8 for row in group.pair))
        share_lock(group)

    # --- what the entry tells ------------------------------------------------------------------------------------

    def open(self, book: AccountBook, group: ListWork, now_ns: int) -> bool:
        """The first order of a list was accepted: tell of the list before its orders. True the first time only."""
        if group.is_open:
            return False
        group.is_open = True
        book.add_list(group)
        self.entry.reporter.list_status(group.view(), now_ns)
        return True

    def introduce(self, book: AccountBook, group: ListWork, now_ns: int) -> None:
        """Tell of the other orders of a list after its first."""
        for row in group.orders:
            if row.order.order_id in book.open or row is group.leader:
                continue
            if group.leader is None:
                self.entry.wait(book, row, now_ns)
            else:
                self.entry.admit(book, row, now_ns)

    def follow(self, book: AccountBook, working: Working, now_ns: int) -> None:
        """Do what an order's fill or end means for the rest of its list."""
        group = working.group
        if group is None or group.is_ending:
            return
        is_closed = working.order.order_id not in book.open
        if working is group.leader:
            if is_closed:
                self._follow_leader(book, group, now_ns)
        elif is_closed or working.order.executed_e8 or working.order.prevented_e8:
            sibling = group.sibling(working)
            if sibling is not None and sibling.order.order_id in book.open and not group.is_decided:
                group.is_decided = True
                self.entry.expire_soon(book, sibling, "OCO_TRIGGER", now_ns)
        self._finish(book, group, now_ns)

    def _follow_leader(self, book: AccountBook, group: ListWork, now_ns: int) -> None:
        assert group.leader is not None
        if group.leader.order.status == "FILLED":
            self.entry.due.append(partial(self._place_pending, book, group))
            return
        group.is_decided = True
        for row in group.pair:
            if row.order.order_id in book.open:
                self.entry.expire(book, row, "OTO_PHASE_ONE_EXPIRED", now_ns)

    def _finish(self, book: AccountBook, group: ListWork, now_ns: int) -> None:
        if group.order_status == "ALL_DONE" or any(row.order.order_id in book.open for row in group.orders):
            return
        group.status_type = group.order_status = "ALL_DONE"
        group.transact_ns = now_ns
        del book.open_lists[group.client_id]
        self.entry.reporter.list_status(group.view(), now_ns)

    def keep_received(self, book: AccountBook, working: Working, asset: str, gross_e8: int) -> None:
        """Lock what the leader of an OPO brought in, as far as it is free, for the pending orders."""
        group = working.group
        if group is None or not group.sized_by_fill or working is not group.leader:
            return
        self.entry.lock(book, group.base, min(gross_e8, book.holdings[asset].free_e8))

    def make_way(self, book: AccountBook, working: Working, now_ns: int) -> None:
        """A leg's stop was reached: its sibling ends, and leaves it the lock that both shared."""
        group = working.group
        sibling = group.sibling(working) if group is not None else None
        if group is None or sibling is None or sibling.order.order_id not in book.open:
            return
        group.is_decided = True
        moved_e8 = min(max(0, working.needs_e8 - working.lock_e8), sibling.lock_e8)
        sibling.lock_e8 -= moved_e8
        working.lock_e8 += moved_e8
        self.entry.expire(book, sibling, "OCO_TRIGGER", now_ns)

    # --- pending orders ------------------------------------------------------------------------------------------

    def _place_pending(self, book: AccountBook, group: ListWork, now_ns: int) -> None:
        listing = self.entry.floor.listing(group.symbol)
        rows = [row for row in group.pair if row.order.order_id in book.open]
        try:
            self._size_pending(book, listing, group, rows, now_ns)
        except VenueReject:
            group.is_decided = True
            for row in rows:
                self.entry.expire(book, row, "REJECTED", now_ns)
            return
        rows.sort(key=lambda row: row is not group.base)
        for row in rows:
            if row.order.order_id not in book.open:
                continue
            try:
                self.entry.start(book, listing, row, now_ns)
            except VenueReject:
                self.entry.expire(book, row, "REJECTED", now_ns)

    def _size_pending(
        self, book: AccountBook, listing: Listing, group: ListWork, rows: list[Working], now_ns: int
    ) -> None:
        """Check the pending orders anew and lock what they need."""
        qty_e8 = rows[0].order.qty_e8
        if group.sized_by_fill:
            rules, held_e8 = listing.rules, group.base.lock_e8
            qty_e8 = min(held_e8 // rules.step_e8 * rules.step_e8, rules.max_qty_e8)
        drafts = []
        for row in rows:
            request = msgspec.structs.replace(row.request, quantity_e8=qty_e8)
            draft = self.entry.drafter.reckon(book, listing, request, now_ns)
            if draft.is_conditional:
                check_trigger(listing, draft)
            drafts.append(draft)
        needs_e8 = max(draft.lock_e8 for draft in drafts)
        short_e8 = needs_e8 - group.base.lock_e8
        if short_e8 > 0:
            self.entry.lock(book, group.base, short_e8)
        else:
            self.entry.unlock(book, group.base, -short_e8)
        for row, draft in zip(rows, drafts, strict=True):
            draft.apply(row)
            row.order.qty_e8 = qty_e8
        if len(rows) > 1:
            share_lock(group)

    # --- cancelling ----------------------------------------------------------------------------------------------

    def cancel(self, book: AccountBook, group: ListWork, cancel_id: str, now_ns: int) -> OrderListCancel:
        """Cancel every open order of a list under one cancel id."""
        group.is_ending = True
        rows = [row for row in group.orders if row.order.order_id in book.open]
        for row in rows:
            self.entry.remove(book, row, cancel_id, now_ns)
        self._finish(book, group, now_ns)
        reports = tuple(CancelResult(snapshot(row.order), cancel_id, now_ns) for row in rows)
        return OrderListCancel(group.view(), reports)


def share_lock(group: ListWork) -> None:
    """Divide the lock of a pair: the base holds what it needs itself, the other leg what it needs beyond."""
    total_e8 = sum(row.lock_e8 for row in group.pair)
    sibling = group.sibling(group.base)
    if sibling is not None:
        group.base.lock_e8 = group.base.needs_e8
        sibling.lock_e8 = total_e8 - group.base.needs_e8


def open_need_e8(listing: Listing, working: Working) -> int:
    """What an order needs for the quantity that is still open of it."""
    order = working.order
    lots = working.lots - (order.executed_e8 + order.prevented_e8) // listing.step_e8
    return listing.quote_e8(working.lock_ticks, lots) if order.side == "BUY" else lots * listing.step_e8
