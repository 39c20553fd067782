"""Modification of open limit orders (PUT order).

Less quantity at the same price keeps the place in the queue; anything else loses it and may trade. What is filled
already counts: an order whose new quantity is not above it is cancelled, and so is a GTX order that would now take.
"""

from __future__ import annotations

import msgspec

from engine.sim.reject import VenueReject
from engine.sim.usdm.draft import Drafter
from engine.sim.usdm.entry import OrderEntry
from engine.sim.usdm.form import is_matched
from engine.sim.usdm.holdings import UsdmBook, Working, snapshot
from engine.sim.usdm.records import Amendment, ModifyRequest, UsdmOrder
from engine.sim.usdm.rejects import missing, surplus
from engine.sim.usdm.reports import Reporter

MODIFICATIONS_MAX = 10_000


class Amender:
    """Checks and carries out modifications."""

    def __init__(self, entry: OrderEntry, drafter: Drafter, reporter: Reporter) -> None:
        self._entry = entry
        self._drafter = drafter
        self._reporter = reporter
        self._next_id = 1

    def modify(self, book: UsdmBook, working: Working, request: ModifyRequest, now_ns: int) -> UsdmOrder:
        """Change an open order; its state after that."""
        changed = self._changed(working, request)
        order = working.order
        if changed.qty_e8 <= order.executed_e8:
            return self._entry.cancel(book, working, now_ns)
        listing = self._entry.floor.listings[working.listing_index]
        self._drafter.check_filters(self._entry.rules[order.symbol], listing, changed)
        lots, held_back = self._drafter.book_lots(book, listing, changed)
        is_kept = changed.price_e8 == order.price_e8 and lots <= working.leaves_lots
        if not is_kept or changed.qty_e8 > order.qty_e8:
            self._drafter.check_margin(book, listing, changed, skip=working)
        self._remember(book, order, changed, working, now_ns)
        order.price_e8, order.qty_e8, order.price_match = changed.price_e8, changed.qty_e8, changed.price_match
        order.updated_ns = now_ns
        working.held_back_lots = held_back
        if is_kept:
            if lots < working.leaves_lots:
                self._entry.shrink(book, working, lots, now_ns)
            self._reporter.order(book, working, "AMENDMENT", now_ns, modify_id=request.modify_id)
        else:
            working.leaves_lots = lots
            self._entry.move(book, working, request.modify_id, now_ns)
        return snapshot(order)

    def _changed(self, working: Working, request: ModifyRequest) -> UsdmOrder:
        """The order as it would be; refuses what cannot be changed so."""
        order = working.order
        if self._entry.rules[order.symbol].status != "TRADING":
            raise VenueReject(-5024, "Symbol is not in trading status. Order amendment is not permitted.")
        if order.type != "LIMIT":
            raise VenueReject(-5025, "Only limit order is supported.")
        if working.modify_count >= MODIFICATIONS_MAX:
            raise VenueReject(-5026, "Exceed maximum modify order limit.")
        if request.side != order.side:
            raise VenueReject(-1117, "Invalid side.")
        if request.quantity_e8 is None:
            raise missing("quantity")
        price_e8 = self._price_e8(working, request)
        if price_e8 == order.price_e8 and request.quantity_e8 == order.qty_e8:
            raise VenueReject(-5027, "No need to modify the order.")
        match = request.price_match or "NONE"
        return msgspec.structs.replace(order, price_e8=price_e8, qty_e8=request.quantity_e8, price_match=match)

    def _price_e8(self, working: Working, request: ModifyRequest) -> int:
        if is_matched(request.price_match):
            if request.price_e8 is not None:
                raise surplus("price")
            listing = self._entry.floor.listings[working.listing_index]
            return self._drafter.matched_price_e8(listing, request.side, request.price_match or "")
        if request.price_e8 is None:
            raise missing("price")
        return request.price_e8

    def _remember(self, book: UsdmBook, order: UsdmOrder, changed: UsdmOrder, working: Working, now_ns: int) -> None:
        working.modify_count += 1
        book.amendments.append(
            Amendment(
                amendment_id=self._next_id,
                symbol=order.symbol,
                order_id=order.order_id,
                client_order_id=order.client_order_id,
                time_ns=now_ns,
                price_before_e8=order.price_e8,
                price_after_e8=changed.price_e8,
                qty_before_e8=order.qty_e8,
                qty_after_e8=changed.qty_e8,
                count=working.modify_count,
            )
        )
        self._next_id += 1
