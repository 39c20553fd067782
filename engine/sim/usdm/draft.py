"""From a request to an order that the book may take: words, price, filters, reduce-only, brackets and margin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.sim.decimals import E8
from engine.sim.floor import BUY, SELL, Listing
from engine.sim.reject import VenueReject
from engine.sim.seeded import SeededRandom
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.floor import UsdmFloor
from engine.sim.usdm.form import (
    BOOK_SIDES,
    SECOND_NS,
    as_position_side,
    as_side,
    as_stp,
    as_tif,
    as_type,
    check_form,
    is_matched,
)
from engine.sim.usdm.holdings import Holding, UsdmBook, Working
from engine.sim.usdm.margin import Margins, divide_up
from engine.sim.usdm.records import UsdmOrder, UsdmOrderRequest, UsdmSymbolRules
from engine.sim.usdm.rejects import reduce_only_rejected
from engine.sim.usdm.rules import check_counterparty, check_notional, check_percent, check_price, check_qty


class Draft(NamedTuple):
    """A checked order and the price in ticks that it goes to the book with (of MARKET: its bound)."""

    working: Working
    price_ticks: int


class Drafter:
    """Checks requests; changes nothing."""

    def __init__(
        self,
        config: UsdmConfig,
        floor: UsdmFloor,
        rules: Mapping[str, UsdmSymbolRules],
        margins: Margins,
        dice: SeededRandom,
    ) -> None:
        self._config = config
        self._floor = floor
        self._rules = rules
        self._margins = margins
        self._dice = dice

    def fee_e6(self, is_maker: bool) -> int:
        """The commission rate of a fill."""
        return self._config.maker_fee_e6 if is_maker else self._config.taker_fee_e6

    def draft(self, book: UsdmBook, listing: Listing, request: UsdmOrderRequest, now_ns: int) -> Draft:
        """Check a new order in the exchange's sequence: account, form, status, filters, limits, margin."""
        if not book.can_trade:
            raise VenueReject(-4088, "User can not place order currently.")
        check_form(book, request, now_ns)
        rules = self._rules[listing.symbol]
        if rules.status != "TRADING":
            raise VenueReject(-1122, "Invalid symbol status.")
        order = self._order(book, listing, request, now_ns)
        self.check_filters(rules, listing, order)
        if (order.symbol, order.client_order_id) in book.open_by_client:
            raise VenueReject(-4116, "ClientOrderId is duplicated.")
        if len(book.open_on(listing.symbol)) >= rules.max_num_orders:
            raise VenueReject(-2025, "Reach max open order limit.")
        lots, held_back = self.book_lots(book, listing, order)
        working = Working(order, listing.index, lots, held_back)
        self.check_margin(book, listing, order)
        return Draft(working, self._bound_ticks(listing, order) if order.type == "MARKET" else self._ticks(order))

    def _ticks(self, order: UsdmOrder) -> int:
        return order.price_e8 // self._rules[order.symbol].tick_e8

    def _order(self, book: UsdmBook, listing: Listing, request: UsdmOrderRequest, now_ns: int) -> UsdmOrder:
        position_side = as_position_side(request.position_side)
        closing = {"LONG": "SELL", "SHORT": "BUY"}.get(position_side)
        price_e8 = request.price_e8 or 0
        if is_matched(request.price_match):
            price_e8 = self.matched_price_e8(listing, request.side, request.price_match or "")
        order_type = as_type(request.type)
        return UsdmOrder(
            account_id=book.account_id,
            symbol=listing.symbol,
            order_id=0,
            client_order_id=request.client_order_id or self._dice.name(22),
            side=as_side(request.side),
            position_side=position_side,
            type=order_type,
            orig_type=order_type,
            time_in_force=as_tif(request.time_in_force),
            price_e8=price_e8,
            qty_e8=request.quantity_e8 or 0,
            status="NEW",
            reduce_only=bool(request.reduce_only) or request.side == closing,
            close_position=False,
            stp_mode=as_stp(request.stp_mode),
            created_ns=now_ns,
            updated_ns=now_ns,
            price_match=request.price_match or "NONE",
            good_till_ns=(request.good_till_ns or 0) // SECOND_NS * SECOND_NS,
        )

    # --- price ---------------------------------------------------------------------------------------------------

    def matched_price_e8(self, listing: Listing, side: str, match: str) -> int:
        """The price of a priceMatch order: the n-th level of the other side (OPPONENT) or of its own (QUEUE)."""
        where, _, level = match.partition("_")
        own = BOOK_SIDES[side]
        book_side = own if where == "QUEUE" else 1 - own
        number = int(level or 1)
        levels = self._floor.engine.depth(listing.index, book_side, number)
        if len(levels) < number:
            raise VenueReject(-5041, "No depth matches this BBO order")
        return levels[-1][0] * listing.tick_e8

    def _bound_ticks(self, listing: Listing, order: UsdmOrder) -> int:
        """How far a market order may trade: marketTakeBound away from the mark price."""
        rules, mark_e8 = self._rules[order.symbol], self._margins.marks[order.symbol]
        span_e8 = mark_e8 * rules.market_take_bound_e8 // E8
        if order.side == "BUY":
            return min(rules.max_price_e8, mark_e8 + span_e8) // listing.tick_e8
        return max(1, divide_up(mark_e8 - span_e8, listing.tick_e8))

    def check_filters(self, rules: UsdmSymbolRules, listing: Listing, order: UsdmOrder) -> None:
        """Price, quantity and notional filters of a new or changed order."""
        is_buy, mark_e8 = order.side == "BUY", self._margins.marks[order.symbol]
        if order.type == "LIMIT":
            check_price(rules, order.price_e8)
        check_qty(rules, order.qty_e8, order.type == "MARKET")
        if not order.reduce_only:
            check_notional(rules, order.price_e8 if order.type == "LIMIT" else mark_e8, order.qty_e8)
        if order.type == "LIMIT":
            check_percent(rules, is_buy, order.price_e8, mark_e8)
        else:
            best = listing.best[2] if is_buy else listing.best[0]
            check_counterparty(rules, is_buy, best * listing.tick_e8, mark_e8)

    # --- size ----------------------------------------------------------------------------------------------------

    def plain_closing_lots(self, book: UsdmBook, holding: Holding) -> int:
        """Lots of resting orders that close the position without being reduce-only."""
        closing = holding.closing_side()
        resting = book.resting(holding)
        return sum(w.leaves_lots for w in resting if not w.order.reduce_only and w.order.side == closing)

    def book_lots(self, book: UsdmBook, listing: Listing, order: UsdmOrder) -> tuple[int, int]:
        """Lots for the book and lots held back of what is open of an order; -2022 when a reduce-only one cannot
        reduce."""
        wanted = (order.qty_e8 - order.executed_e8) // listing.step_e8
        if not order.reduce_only:
            return wanted, 0
        holding = book.holding_of(order)
        if order.side != holding.closing_side():
            raise reduce_only_rejected()
        room = abs(holding.qty_e8) // listing.step_e8
        if order.type == "LIMIT" and order.time_in_force not in ("IOC", "FOK"):
            room -= self.plain_closing_lots(book, holding)
        if room <= 0 or (order.time_in_force == "FOK" and room < wanted):
            raise reduce_only_rejected()
        return min(wanted, room), max(0, wanted - room)

    def check_margin(self, book: UsdmBook, listing: Listing, order: UsdmOrder, skip: Working | None = None) -> None:
        """Brackets and free balance; a reduce-only order needs neither."""
        if order.reduce_only:
            return
        qty_e8, price_e8 = self._worst(book, listing, order)
        if qty_e8:
            is_buy = order.side == "BUY"
            self._margins.check_order(
                book, book.holding_of(order), is_buy, qty_e8, price_e8, self._config.taker_fee_e6, skip
            )

    def _worst(self, book: UsdmBook, listing: Listing, order: UsdmOrder) -> tuple[int, int]:
        """Quantity and price that a fill may need margin for: a seller's better price makes a larger position."""
        open_e8 = order.qty_e8 - order.executed_e8
        if order.type == "LIMIT":
            best_bid_e8 = listing.best[0] * listing.tick_e8
            return open_e8, order.price_e8 if order.side == "BUY" else max(order.price_e8, best_bid_e8)
        side = BUY if order.side == "BUY" else SELL
        owner = 0 if order.stp_mode == "NONE" else book.account_id
        lots, cost = self._floor.engine.takeable(listing.index, side, open_e8 // listing.step_e8, owner)
        if not lots:
            return 0, 0
        return lots * listing.step_e8, divide_up(listing.quote_e8(1, cost) * E8, lots * listing.step_e8)
