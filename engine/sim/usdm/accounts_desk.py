"""Accounts of the USD-M core: views, transfers, settings, margin of isolated positions, income."""

from __future__ import annotations

from typing import cast

from engine.sim.reject import VenueReject
from engine.sim.usdm.account_views import AccountViews
from engine.sim.usdm.assembly import Assembly
from engine.sim.usdm.form import check_position_side
from engine.sim.usdm.holdings import Holding, UsdmBook
from engine.sim.usdm.queries import in_window
from engine.sim.usdm.records import (
    AdlQuantile,
    Bracket,
    Income,
    MarginChange,
    MarginType,
    Position,
    PositionSide,
    SymbolSettings,
    UsdmAccount,
)
from engine.sim.usdm.rejects import invalid
from engine.sim.usdm.reports import ASSET

MARGIN_TYPES: dict[str, MarginType] = {"ISOLATED": "ISOLATED", "CROSSED": "CROSSED"}
ADD, REDUCE = 1, 2


class AccountsDesk(Assembly):
    """Methods are documented in ``UsdmVenue``."""

    @property
    def _views(self) -> AccountViews:
        return AccountViews(self.config, self._margins, self._liquidator)

    def account(self, account_id: int) -> UsdmAccount:
        return self._views.account(self._entry.account(account_id))

    def positions(self, account_id: int, symbol: str | None = None) -> list[Position]:
        book = self._entry.account(account_id)
        if symbol is not None:
            self._floor.listing(symbol)
        sides = ("BOTH", "LONG", "SHORT") if book.dual_side else ("BOTH",)
        return [
            self._views.position(book, holding)
            for holding in book.holdings.values()
            if holding.position_side in sides and symbol in (None, holding.symbol)
        ]

    def deposit(self, account_id: int, amount_e8: int, now_ns: int) -> None:
        self.advance(now_ns)
        book = self._entry.account(account_id)
        if amount_e8 < 0 and -amount_e8 > self._margins.withdrawable_e8(book):
            raise VenueReject(-2018, "Balance is insufficient.")
        book.wallet_e8 += amount_e8
        self._ledger.deposits_e8 += amount_e8
        self._reporter.income(book, "", "TRANSFER", amount_e8, self._now_ns)
        reason = "DEPOSIT" if amount_e8 >= 0 else "WITHDRAW"
        self._reporter.account(book, reason, [], self._now_ns, change_e8=amount_e8)

    # --- settings ------------------------------------------------------------------------------------------------

    def set_leverage(self, account_id: int, symbol: str, leverage: int, now_ns: int) -> SymbolSettings:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._entry.account(account_id)
        self._margins.check_leverage(book, symbol, leverage)
        if leverage != book.settings[symbol].leverage:
            book.settings[symbol].leverage = leverage
            self._reporter.leverage(book, symbol, self._now_ns)
        return self._views.settings(book, symbol)

    def set_margin_type(self, account_id: int, symbol: str, margin_type: str, now_ns: int) -> None:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._entry.account(account_id)
        if margin_type not in MARGIN_TYPES:
            raise invalid("marginType")
        if book.settings[symbol].margin_type == margin_type:
            raise VenueReject(-4046, "No need to change margin type.")
        if book.open_on(symbol) or any(algo.symbol == symbol for algo in book.algos.values()):
            raise VenueReject(-4047, "Margin type cannot be changed if there exists open orders.")
        if book.held(symbol):
            raise VenueReject(-4048, "Margin type cannot be changed if there exists position.")
        book.settings[symbol].margin_type = MARGIN_TYPES[margin_type]
        holdings = [book.holdings[(symbol, side)] for side in _sides(book)]
        self._reporter.account(book, "MARGIN_TYPE_CHANGE", holdings, self._now_ns, with_balance=False)

    def position_mode(self, account_id: int) -> bool:
        return self._entry.account(account_id).dual_side

    def set_position_mode(self, account_id: int, dual_side: bool, now_ns: int) -> None:
        self.advance(now_ns)
        book = self._entry.account(account_id)
        if book.dual_side == dual_side:
            raise VenueReject(-4059, "No need to change position side.")
        if book.open or book.algos:
            raise VenueReject(-4067, "Position side cannot be changed if there exists open orders.")
        if book.held():
            raise VenueReject(-4068, "Position side cannot be changed if there exists position.")
        book.dual_side = dual_side

    def symbol_settings(self, account_id: int, symbol: str | None = None) -> list[SymbolSettings]:
        book = self._entry.account(account_id)
        if symbol is not None:
            self._floor.listing(symbol)
        return [self._views.settings(book, name) for name in book.settings if symbol in (None, name)]

    def leverage_brackets(self, symbol: str) -> tuple[Bracket, ...]:
        self._floor.listing(symbol)
        return self._tables[symbol].brackets

    # --- isolated margin -----------------------------------------------------------------------------------------

    def change_position_margin(
        self, account_id: int, symbol: str, position_side: str | None, kind: int, amount_e8: int, now_ns: int
    ) -> MarginChange:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._entry.account(account_id)
        check_position_side(book, position_side, None)
        holding = book.holdings[(symbol, cast(PositionSide, position_side or "BOTH"))]
        if kind not in (ADD, REDUCE):
            raise invalid("type")
        if amount_e8 <= 0:
            raise VenueReject(-4055, "Amount must be positive.")
        if not book.is_isolated(holding) or not holding.qty_e8:
            raise VenueReject(-4054, "Cannot add position margin: position is 0.")
        self._check_margin_change(book, holding, kind, amount_e8)
        delta_e8 = amount_e8 if kind == ADD else -amount_e8
        holding.isolated_wallet_e8 += delta_e8
        holding.update_ns = self._now_ns
        row = MarginChange(symbol, kind, delta_e8, ASSET, holding.position_side, self._now_ns, True)
        book.margin_changes.append(row)
        self._reporter.account(book, "MARGIN_TRANSFER", [holding], self._now_ns)
        return row

    def _check_margin_change(self, book: UsdmBook, holding: Holding, kind: int, amount_e8: int) -> None:
        """Adding takes what could be withdrawn; reducing leaves the initial margin, a loss not counted to it."""
        if kind == ADD:
            if amount_e8 > self._margins.withdrawable_e8(book):
                raise VenueReject(-4050, "Cross balance insufficient.")
            return
        need_e8 = self._margins.need(book, holding, 0, 0).position_e8
        left_e8 = holding.isolated_wallet_e8 + min(0, self._margins.unrealized_e8(holding)) - amount_e8
        if left_e8 < need_e8:
            raise VenueReject(-4051, "Isolated balance insufficient.")

    def position_margin_history(
        self,
        account_id: int,
        symbol: str,
        *,
        kind: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[MarginChange]:
        self._floor.listing(symbol)
        rows = [row for row in self._entry.account(account_id).margin_changes if row.symbol == symbol]
        chosen = [row for row in rows if kind in (None, row.kind)]
        return in_window(chosen, lambda row: row.time_ns, start_ns, end_ns, limit)

    # --- income and ranking --------------------------------------------------------------------------------------

    def income(
        self,
        account_id: int,
        symbol: str | None = None,
        *,
        kind: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 100,
    ) -> list[Income]:
        rows = self._entry.account(account_id).income
        chosen = [row for row in rows if symbol in (None, row.symbol) and kind in (None, row.kind)]
        return in_window(chosen, lambda row: row.time_ns, start_ns, end_ns, limit)

    def adl_quantiles(self, account_id: int, symbol: str | None = None) -> list[AdlQuantile]:
        book = self._entry.account(account_id)
        if symbol is not None:
            self._floor.listing(symbol)
        names = [name for name in self._rules if symbol in (None, name)]
        rows = [self._liquidator.quantiles(book, name) for name in names]
        return [row for row in rows if row is not None]

    def insurance_balance(self) -> int:
        return self._ledger.insurance_e8


def _sides(book: UsdmBook) -> tuple[PositionSide, ...]:
    return ("LONG", "SHORT") if book.dual_side else ("BOTH",)
