"""Liquidation: what happens when margin no longer covers maintenance, looked at with every mark price (once a second).

Model: crossed positions share the cross wallet, each isolated one has its own. When margin (wallet + profit at the
mark price) is at or below maintenance margin, open orders of the positions concerned expire (reason 5). Then whole
positions are closed, the one with the largest maintenance margin first, until the rest is covered: by an IOC limit
order (client id ``autoclose-...``) at the bankruptcy price, where the account would have nothing left. What the book
does not take goes at that price to the insurance fund, or, when the fund could not bear the loss at the mark price, to
the most profitable and most leveraged accounts of the other side (auto-deleveraging, ``adl_autoclose``), and only when
there are none to the fund all the same. A closed account pays the clearance fee as far as it has something left.
A cross wallet below 0 without a crossed position is made good by the fund (INSURANCE_CLEAR).
"""

from __future__ import annotations

from engine.sim.decimals import E8
from engine.sim.floor import Listing
from engine.sim.usdm.entry import ER_LIQUIDATION, OrderEntry
from engine.sim.usdm.forced import forced_order, handed_over
from engine.sim.usdm.holdings import Holding, UsdmBook, Working, snapshot
from engine.sim.usdm.insurance import InsuranceFund
from engine.sim.usdm.margin import Margins, divide_up
from engine.sim.usdm.money import Ledger
from engine.sim.usdm.records import AdlQuantile, ForcedOrder
from engine.sim.usdm.reports import Reporter

ADL_CLIENT_ID = "adl_autoclose"


class Liquidator:
    """Watches every account."""

    def __init__(
        self,
        entry: OrderEntry,
        margins: Margins,
        reporter: Reporter,
        ledger: Ledger,
        fund: InsuranceFund,
        call_percent: int,
    ) -> None:
        self._entry = entry
        self._margins = margins
        self._reporter = reporter
        self._ledger = ledger
        self._fund = fund
        self._call_percent = call_percent
        self._number = 0

    def watch(self, now_ns: int) -> None:
        """Look at all accounts once."""
        for book in self._entry.books:
            for holding in book.held():
                if book.is_isolated(holding) and holding.qty_e8:
                    self._watch_isolated(book, holding, now_ns)
            self._watch_crossed(book, now_ns)
            if book.cross_wallet_e8() < 0 and not self._crossed(book):
                self._make_good(book, now_ns)

    def _crossed(self, book: UsdmBook) -> list[Holding]:
        return [holding for holding in book.held() if not book.is_isolated(holding)]

    def _watch_isolated(self, book: UsdmBook, holding: Holding, now_ns: int) -> None:
        margin_e8 = holding.isolated_wallet_e8 + self._margins.unrealized_e8(holding)
        maint_e8 = self._margins.maintenance_e8(holding)
        key = (holding.symbol, holding.position_side)
        if margin_e8 <= maint_e8:
            book.warned.discard(key)
            self._expire_orders(book, {holding.symbol}, now_ns)
            self._close_out(book, holding, margin_e8, now_ns)
        elif not self._is_near(margin_e8, maint_e8):
            book.warned.discard(key)
        elif key not in book.warned:
            book.warned.add(key)
            self._reporter.margin_call(book, [holding], now_ns)

    def _watch_crossed(self, book: UsdmBook, now_ns: int) -> None:
        crossed = self._crossed(book)
        if not crossed:
            book.warned.discard(None)
            return
        margin_e8, maint_e8 = self._cross_margin(book)
        if margin_e8 <= maint_e8:
            book.warned.discard(None)
            self._liquidate_crossed(book, now_ns)
        elif not self._is_near(margin_e8, maint_e8):
            book.warned.discard(None)
        elif None not in book.warned:
            book.warned.add(None)
            self._reporter.margin_call(book, crossed, now_ns)

    def _is_near(self, margin_e8: int, maint_e8: int) -> bool:
        return maint_e8 * 100 >= margin_e8 * self._call_percent

    def _cross_margin(self, book: UsdmBook) -> tuple[int, int]:
        crossed = self._crossed(book)
        profit_e8 = sum(self._margins.unrealized_e8(holding) for holding in crossed)
        maint_e8 = sum(self._margins.maintenance_e8(holding) for holding in crossed)
        return book.cross_wallet_e8() + profit_e8, maint_e8

    def _liquidate_crossed(self, book: UsdmBook, now_ns: int) -> None:
        crossed = {symbol for symbol, row in book.settings.items() if row.margin_type == "CROSSED"}
        self._expire_orders(book, crossed, now_ns)
        while held := self._crossed(book):
            margin_e8, maint_e8 = self._cross_margin(book)
            if margin_e8 > maint_e8:
                return
            worst = max(held, key=self._margins.maintenance_e8)
            self._close_out(book, worst, margin_e8, now_ns)

    def _expire_orders(self, book: UsdmBook, symbols: set[str], now_ns: int) -> None:
        for working in list(book.open.values()):
            if working.order.symbol in symbols and working.order.order_id in book.open:
                self._entry.expire(book, working, ER_LIQUIDATION, now_ns)

    # --- closing -------------------------------------------------------------------------------------------------

    def _close_out(self, book: UsdmBook, holding: Holding, margin_e8: int, now_ns: int) -> None:
        """Close a whole position whose margin (also with others, when crossed) is ``margin_e8``."""
        listing = self._entry.floor.by_symbol[holding.symbol]
        rules = self._entry.rules[holding.symbol]
        price_e8 = self._margins.bankruptcy_price_e8(holding, margin_e8, rules.tick_e8, rules.max_price_e8)
        size_e8, wallet_before_e8 = abs(holding.qty_e8), book.wallet_e8
        isolated_before_e8 = holding.isolated_wallet_e8 if book.is_isolated(holding) else None
        self._number += 1
        working = forced_order(book, listing, holding, size_e8, price_e8, f"autoclose-{self._number}", now_ns)
        working.auto_close = "LIQUIDATION"
        self._entry.enter(book, listing, working, price_e8 // rules.tick_e8, now_ns)
        if working.leaves_lots:
            self._hand_over(book, holding, working, listing, price_e8, now_ns)
        book.forced.append(ForcedOrder(snapshot(working.order), "LIQUIDATION"))
        if isolated_before_e8 is None:
            left_e8 = self._cross_margin(book)[0]
        else:
            left_e8 = isolated_before_e8 + book.wallet_e8 - wallet_before_e8
        self._charge(book, holding.symbol, working.order.cum_quote_e8, left_e8, now_ns)
        self._entry.follow_up(now_ns)

    def _hand_over(
        self, book: UsdmBook, holding: Holding, working: Working, listing: Listing, price_e8: int, now_ns: int
    ) -> None:
        """Pass what the book did not take to the fund or to deleveraged accounts, at the bankruptcy price."""
        rest_e8 = working.leaves_lots * listing.step_e8
        signed_e8 = rest_e8 if holding.qty_e8 > 0 else -rest_e8
        mark_e8 = self._margins.marks[holding.symbol]
        loss_e8 = divide_up(signed_e8 * (price_e8 - mark_e8), E8)
        if loss_e8 > self._ledger.insurance_e8:
            for other, opposite in self._ranked(holding.symbol, is_long=signed_e8 < 0):
                taken_e8 = min(abs(signed_e8), abs(opposite.qty_e8))
                if other is not book and taken_e8:
                    self._deleverage(other, opposite, taken_e8, price_e8, now_ns)
                    signed_e8 -= taken_e8 if signed_e8 > 0 else -taken_e8
        if signed_e8:
            self._fund.take_over(holding.symbol, signed_e8, price_e8)
        self._entry.settle(
            working, handed_over(holding.symbol, price_e8, rest_e8, now_ns), 0, False, now_ns, "CALCULATED"
        )

    def _deleverage(self, book: UsdmBook, holding: Holding, qty_e8: int, price_e8: int, now_ns: int) -> None:
        listing = self._entry.floor.by_symbol[holding.symbol]
        working = forced_order(book, listing, holding, qty_e8, price_e8, ADL_CLIENT_ID, now_ns)
        working.auto_close = "ADL"
        working.order.order_id = self._entry.floor.take_order_id()
        self._entry.settle(working, handed_over(holding.symbol, price_e8, qty_e8, now_ns), 0, False, now_ns)
        book.forced.append(ForcedOrder(snapshot(working.order), "ADL"))

    def _charge(self, book: UsdmBook, symbol: str, quote_e8: int, left_e8: int, now_ns: int) -> None:
        """Take the clearance fee for the fund, as far as there is something left."""
        fee_e8 = min(quote_e8 * self._entry.rules[symbol].liquidation_fee_e8 // E8, max(0, left_e8))
        if fee_e8:
            self._move(book, symbol, -fee_e8, now_ns)

    def _make_good(self, book: UsdmBook, now_ns: int) -> None:
        self._move(book, "", -book.cross_wallet_e8(), now_ns)

    def _move(self, book: UsdmBook, symbol: str, amount_e8: int, now_ns: int) -> None:
        """Move money from the fund to a wallet (or, when negative, the other way)."""
        book.wallet_e8 += amount_e8
        self._ledger.insurance_e8 -= amount_e8
        self._reporter.income(book, symbol, "INSURANCE_CLEAR", amount_e8, now_ns)
        self._reporter.account(book, "INSURANCE_CLEAR", [], now_ns, change_e8=amount_e8)

    # --- auto-deleveraging ---------------------------------------------------------------------------------------

    def _ranked(self, symbol: str, *, is_long: bool) -> list[tuple[UsdmBook, Holding]]:
        """Profitable positions of a side, the first to be deleveraged first."""
        rows = self._by_score(symbol, is_long=is_long)
        return [(book, holding) for book, holding in rows if self._margins.unrealized_e8(holding) > 0]

    def _by_score(self, symbol: str, *, is_long: bool) -> list[tuple[UsdmBook, Holding]]:
        rows = [
            (book, holding)
            for book in self._entry.books
            for holding in book.held(symbol)
            if (holding.qty_e8 > 0) == is_long
        ]
        return sorted(rows, key=lambda row: self._score(*row), reverse=True)

    def _score(self, book: UsdmBook, holding: Holding) -> int:
        """Return on the entry times effective leverage when in profit, by it when in loss (1e-8).

        Source: the exchange's auto-deleveraging ranking.
        """
        profit_e8 = self._margins.unrealized_e8(holding)
        worth_e8 = holding.notional_e8(self._margins.marks[holding.symbol])
        own_e8 = holding.isolated_wallet_e8 + profit_e8 if book.is_isolated(holding) else self._cross_margin(book)[0]
        leverage_e8 = worth_e8 * E8 // max(1, own_e8)
        return_e8 = profit_e8 * E8 // max(1, abs(holding.cost_e8))
        return return_e8 * leverage_e8 // E8 if profit_e8 > 0 else return_e8 * E8 // max(1, leverage_e8)

    def quantile(self, holding: Holding) -> int:
        """Which fifth of its side's ranking a position is in: 4 is deleveraged first; 0 without a position."""
        if not holding.qty_e8:
            return 0
        rows = [row[1] for row in self._by_score(holding.symbol, is_long=holding.qty_e8 > 0)]
        return 4 - 5 * rows.index(holding) // len(rows)

    def quantiles(self, book: UsdmBook, symbol: str) -> AdlQuantile | None:
        """The quantiles of an account's positions; None when it has none."""
        if not book.held(symbol):
            return None
        sides = ("LONG", "SHORT") if book.dual_side else ("BOTH",)
        holdings = {side: book.holdings[(symbol, side)] for side in sides}  # type: ignore[index]
        return AdlQuantile(symbol, {side: self.quantile(holding) for side, holding in holdings.items()})
