"""Accounts and positions as answers."""

from __future__ import annotations

from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.holdings import Holding, UsdmBook
from engine.sim.usdm.liquidation import Liquidator
from engine.sim.usdm.margin import Margins
from engine.sim.usdm.records import Position, SymbolSettings, UsdmAccount
from engine.sim.usdm.reports import ASSET


class AccountViews:
    """Builds them from the books and the present mark prices."""

    def __init__(self, config: UsdmConfig, margins: Margins, liquidator: Liquidator) -> None:
        self._config = config
        self._margins = margins
        self._liquidator = liquidator

    def account(self, book: UsdmBook) -> UsdmAccount:
        """The whole account."""
        totals = self._margins.totals(book)
        sides = ("LONG", "SHORT") if book.dual_side else ("BOTH",)
        return UsdmAccount(
            account_id=book.account_id,
            name=book.name,
            can_trade=book.can_trade,
            dual_side=book.dual_side,
            maker_fee_e6=self._config.maker_fee_e6,
            taker_fee_e6=self._config.taker_fee_e6,
            asset=ASSET,
            wallet_e8=book.wallet_e8,
            unrealized_e8=totals.unrealized_e8,
            margin_balance_e8=book.wallet_e8 + totals.unrealized_e8,
            maint_margin_e8=totals.maint_e8,
            initial_margin_e8=totals.position_margin_e8 + totals.order_margin_e8,
            position_initial_margin_e8=totals.position_margin_e8,
            open_order_initial_margin_e8=totals.order_margin_e8,
            cross_wallet_e8=book.cross_wallet_e8(),
            cross_unrealized_e8=totals.cross_unrealized_e8,
            available_e8=max(0, totals.free_e8),
            max_withdraw_e8=self._margins.withdrawable_e8(book),
            update_ns=book.update_ns,
            positions=tuple(self.position(book, h) for h in book.holdings.values() if h.position_side in sides),
        )

    def position(self, book: UsdmBook, holding: Holding) -> Position:
        """One position."""
        margins, settings = self._margins, book.settings[holding.symbol]
        mark_e8 = margins.marks[holding.symbol]
        bid_e8, ask_e8 = margins.order_notionals(book, holding)
        need = margins.need(book, holding, bid_e8, ask_e8)
        size_e8, profit_e8 = holding.notional_e8(mark_e8), margins.unrealized_e8(holding)
        return Position(
            symbol=holding.symbol,
            position_side=holding.position_side,
            qty_e8=holding.qty_e8,
            entry_price_e8=holding.entry_price_e8(),
            break_even_price_e8=holding.break_even_price_e8(),
            mark_price_e8=mark_e8,
            unrealized_e8=profit_e8,
            liquidation_price_e8=margins.liquidation_price_e8(book, holding),
            leverage=settings.leverage,
            margin_type=settings.margin_type,
            isolated_margin_e8=holding.isolated_wallet_e8 + profit_e8 if book.is_isolated(holding) else 0,
            isolated_wallet_e8=holding.isolated_wallet_e8,
            notional_e8=size_e8 if holding.qty_e8 >= 0 else -size_e8,
            max_notional_e8=margins.tables[holding.symbol].notional_max_e8(settings.leverage),
            initial_margin_e8=need.position_e8 + need.orders_e8,
            maint_margin_e8=margins.maintenance_e8(holding),
            position_initial_margin_e8=need.position_e8,
            open_order_initial_margin_e8=need.orders_e8,
            bid_notional_e8=bid_e8,
            ask_notional_e8=ask_e8,
            realized_e8=holding.realized_e8,
            adl=self._liquidator.quantile(holding),
            update_ns=holding.update_ns,
            has_open_orders=any(book.holding_of(w.order) is holding for w in book.open.values()),
        )

    def settings(self, book: UsdmBook, symbol: str) -> SymbolSettings:
        """What the account chose for a contract."""
        row = book.settings[symbol]
        return SymbolSettings(
            symbol, row.margin_type, row.leverage, self._margins.tables[symbol].notional_max_e8(row.leverage)
        )
