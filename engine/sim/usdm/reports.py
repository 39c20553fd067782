"""Builds the user-stream events of futures accounts and keeps what accounts can query of the past."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.sim.events import Trade
from engine.sim.usdm.events import (
    AccountConfigUpdate,
    AccountUpdate,
    AlgoUpdate,
    BalanceChange,
    MarginCall,
    MarginCallPosition,
    OrderTradeUpdate,
    PositionChange,
    UsdmEvent,
)
from engine.sim.usdm.holdings import Holding, UsdmBook, Working, snapshot
from engine.sim.usdm.margin import Margins
from engine.sim.usdm.records import AlgoOrder, ExecutionType, Income, UserTrade

ASSET = "USDT"


class Reporter:
    """Queues events and numbers income."""

    def __init__(self, sink: Callable[[UsdmEvent], None], margins: Margins) -> None:
        self.sink = sink
        self._margins = margins
        self._next_tran_id = 1

    # --- orders --------------------------------------------------------------------------------------------------

    def order(
        self,
        book: UsdmBook,
        working: Working,
        execution_type: ExecutionType,
        now_ns: int,
        *,
        trade: UserTrade | None = None,
        modify_id: int | None = None,
    ) -> None:
        """ORDER_TRADE_UPDATE of an order's present state."""
        holding = book.holding_of(working.order)
        bid_e8, ask_e8 = self._margins.order_notionals(book, holding)
        self.sink(
            OrderTradeUpdate(
                account_id=book.account_id,
                event_ns=now_ns,
                order=snapshot(working.order),
                execution_type=execution_type,
                last_qty_e8=trade.qty_e8 if trade else 0,
                last_price_e8=trade.price_e8 if trade else 0,
                commission_e8=trade.commission_e8 if trade else 0,
                commission_asset=ASSET if trade else "",
                trade_id=trade.trade_id if trade else 0,
                is_maker=trade.is_maker if trade else False,
                realized_pnl_e8=trade.realized_pnl_e8 if trade else 0,
                bid_notional_e8=bid_e8,
                ask_notional_e8=ask_e8,
                modify_id=modify_id,
            )
        )

    def algo(self, algo: AlgoOrder, now_ns: int) -> None:
        """ALGO_UPDATE of a conditional order's present state."""
        algo.updated_ns = now_ns
        self.sink(AlgoUpdate(algo.account_id, now_ns, algo_snapshot(algo)))

    def fill(
        self, book: UsdmBook, working: Working, trade: Trade, fee_e8: int, profit_e8: int, is_maker: bool
    ) -> UserTrade:
        """Keep a fill for userTrades and income; returns the row."""
        order = working.order
        row = UserTrade(
            symbol=order.symbol,
            trade_id=trade.trade_id,
            order_id=order.order_id,
            side=order.side,
            position_side=order.position_side,
            price_e8=trade.price_e8,
            qty_e8=trade.qty_e8,
            quote_e8=trade.price_e8 * trade.qty_e8 // 100_000_000,
            commission_e8=fee_e8,
            commission_asset=ASSET,
            realized_pnl_e8=profit_e8,
            time_ns=trade.time_ns,
            is_buyer=order.side == "BUY",
            is_maker=is_maker,
        )
        book.trades.append(row)
        if fee_e8:
            self.income(book, order.symbol, "COMMISSION", -fee_e8, trade.time_ns, trade.trade_id)
        if profit_e8:
            self.income(book, order.symbol, "REALIZED_PNL", profit_e8, trade.time_ns, trade.trade_id)
        return row

    # --- accounts ------------------------------------------------------------------------------------------------

    def account(
        self,
        book: UsdmBook,
        reason: str,
        holdings: list[Holding],
        now_ns: int,
        *,
        change_e8: int = 0,
        symbol: str = "",
        with_balance: bool = True,
    ) -> None:
        """ACCOUNT_UPDATE of the balance and of these positions."""
        balances = (BalanceChange(ASSET, book.wallet_e8, book.cross_wallet_e8(), change_e8),) if with_balance else ()
        positions = tuple(self._position(book, holding) for holding in holdings)
        book.update_ns = now_ns
        self.sink(AccountUpdate(book.account_id, now_ns, reason, balances, positions, symbol))

    def _position(self, book: UsdmBook, holding: Holding) -> PositionChange:
        return PositionChange(
            symbol=holding.symbol,
            qty_e8=holding.qty_e8,
            entry_price_e8=holding.entry_price_e8(),
            break_even_price_e8=holding.break_even_price_e8(),
            realized_e8=holding.realized_e8,
            unrealized_e8=self._margins.unrealized_e8(holding),
            margin_type=book.settings[holding.symbol].margin_type,
            isolated_wallet_e8=holding.isolated_wallet_e8,
            position_side=holding.position_side,
        )

    def leverage(self, book: UsdmBook, symbol: str, now_ns: int) -> None:
        """ACCOUNT_CONFIG_UPDATE."""
        self.sink(AccountConfigUpdate(book.account_id, now_ns, symbol, book.settings[symbol].leverage))

    def margin_call(self, book: UsdmBook, holdings: list[Holding], now_ns: int) -> None:
        """MARGIN_CALL of crossed positions together, or of one isolated position."""
        rows = tuple(
            MarginCallPosition(
                symbol=holding.symbol,
                position_side=holding.position_side,
                qty_e8=holding.qty_e8,
                margin_type=book.settings[holding.symbol].margin_type,
                isolated_wallet_e8=holding.isolated_wallet_e8,
                mark_price_e8=self._margins.marks[holding.symbol],
                unrealized_e8=self._margins.unrealized_e8(holding),
                maint_margin_e8=self._margins.maintenance_e8(holding),
            )
            for holding in holdings
        )
        self.sink(MarginCall(book.account_id, now_ns, book.cross_wallet_e8(), rows))

    def income(
        self, book: UsdmBook, symbol: str, kind: str, amount_e8: int, now_ns: int, trade_id: int = 0, info: str = ""
    ) -> None:
        """Keep a row of income."""
        text = info or (str(trade_id) if trade_id else kind)
        book.income.append(Income(symbol, kind, amount_e8, ASSET, text, now_ns, self._next_tran_id, trade_id))
        self._next_tran_id += 1


def algo_snapshot(algo: AlgoOrder) -> AlgoOrder:
    """A copy that later events do not change."""
    return msgspec.structs.replace(algo)
