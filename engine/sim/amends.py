"""Amends that keep an order's place in the queue: the quantity may only become less (Binance spot, amend FAQ)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.sim.accounts import AccountBook, Working, snapshot
from engine.sim.api import Amendment, AmendResult
from engine.sim.floor import Listing
from engine.sim.order_lists import open_need_e8, share_lock
from engine.sim.reject import amend_rejected
from engine.sim.rules import check_notional, check_qty

if TYPE_CHECKING:
    from engine.sim.order_entry import OrderEntry

INCREASE = "Order amend (quantity increase) is not supported."
NO_CHANGE = "The requested action would change no state; rejecting."
TOO_MANY = "Filter failure: MAX_NUM_ORDER_AMENDS"
UNSIZED = "A pending OPO order may not be amended."


def amend(
    entry: OrderEntry,
    book: AccountBook,
    listing: Listing,
    working: Working,
    new_qty_e8: int,
    client_id: str | None,
    now_ns: int,
) -> AmendResult:
    """Reduce an open order; both legs of an OCO are reduced together. Refuses -2038 and the lot and notional filters.

    An order that has already lost or filled ``new_qty_e8`` has nothing left and expires.
    """
    order, group = working.order, working.group
    old_id = order.client_order_id
    new_id = client_id or entry.new_name()
    _check(book, listing, working, new_qty_e8, new_id)
    sibling = group.sibling(working) if group is not None else None
    rows = [working]
    if sibling is not None and sibling.order.order_id in book.open:
        rows.append(sibling)
    old_qty_e8 = order.qty_e8
    new_qty_e8 = max(new_qty_e8, order.executed_e8 + order.prevented_e8)
    for row in rows:
        _reduce(entry, listing, row, new_qty_e8, now_ns)
    _return_funds(entry, book, listing, rows)
    if new_id != old_id:
        book.rename(working, new_id)
    working.amend_count += 1
    execution_id = _report(entry, book, rows, old_id, old_qty_e8, now_ns)
    if group is not None and new_id != old_id:
        entry.reporter.list_status(group.view("UPDATED"), now_ns)
    if order.qty_e8 == order.executed_e8 + order.prevented_e8:
        entry.expire(book, working, "EXCHANGE_CANCELED", now_ns)
    order_list = group.view() if group is not None else None
    return AmendResult(snapshot(order), old_id, execution_id, now_ns, order_list)


def _check(book: AccountBook, listing: Listing, working: Working, new_qty_e8: int, new_id: str) -> None:
    order, group, rules = working.order, working.group, listing.rules
    if group is not None and group.sized_by_fill and order.status == "PENDING_NEW":
        raise amend_rejected(UNSIZED)
    if new_qty_e8 > order.qty_e8:
        raise amend_rejected(INCREASE)
    if new_qty_e8 == order.qty_e8:
        raise amend_rejected(NO_CHANGE)
    if working.amend_count >= rules.max_num_order_amends:
        raise amend_rejected(TOO_MANY)
    if new_id != order.client_order_id and (order.symbol, new_id) in book.open_by_client:
        raise amend_rejected("Duplicate order sent.")
    check_qty(rules, new_qty_e8, is_market=False)
    if working.lock_ticks:
        check_notional(rules, listing.quote_e8(working.lock_ticks, new_qty_e8 // listing.step_e8), is_market=False)


def _reduce(entry: OrderEntry, listing: Listing, row: Working, new_qty_e8: int, now_ns: int) -> None:
    order = row.order
    row.lots = new_qty_e8 // listing.step_e8
    order.qty_e8, order.updated_ns = new_qty_e8, now_ns
    open_lots = row.lots - (order.executed_e8 + order.prevented_e8) // listing.step_e8
    if order.is_working and open_lots:
        entry.floor.shrink(listing, order.account_id, order.order_id, row.price_ticks, open_lots, now_ns)


def _return_funds(entry: OrderEntry, book: AccountBook, listing: Listing, rows: list[Working]) -> None:
    """Free what the reduced orders no longer need."""
    for row in rows:
        row.needs_e8 = open_need_e8(listing, row)
    holder = max(rows, key=lambda row: row.lock_e8)
    surplus_e8 = sum(row.lock_e8 for row in rows) - max(row.needs_e8 for row in rows)
    if surplus_e8 <= 0:  # a pending order holds nothing yet
        return
    if len(rows) > 1 and rows[0].group is not None:
        for row in rows:  # gather the shared lock in one leg, so that it can be cut
            if row is not holder:
                holder.lock_e8, row.lock_e8 = holder.lock_e8 + row.lock_e8, 0
        entry.unlock(book, holder, surplus_e8)
        share_lock(rows[0].group)
        return
    entry.unlock(book, holder, surplus_e8)


def _report(
    entry: OrderEntry, book: AccountBook, rows: list[Working], old_id: str, old_qty_e8: int, now_ns: int
) -> int:
    """Tell of each reduced order; gives the execution id of the first."""
    executions = []
    for number, row in enumerate(rows):
        order = row.order
        before = order.client_order_id if number else old_id
        execution_id = entry.reporter.replaced(order, before, now_ns)
        executions.append(execution_id)
        book.history(order.symbol).amendments.append(
            Amendment(
                order.symbol,
                order.order_id,
                execution_id,
                before,
                order.client_order_id,
                old_qty_e8,
                order.qty_e8,
                now_ns,
            )
        )
    entry.report_position(book, rows[0], now_ns)
    return executions[0]
