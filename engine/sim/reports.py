"""Builds the user-stream events of accounts: executionReport and outboundAccountPosition."""

from __future__ import annotations

from collections.abc import Callable

from engine.sim.accounts import AccountBook
from engine.sim.api import (
    NO_TRADE_ID,
    AccountPosition,
    ExecutionReport,
    ExecutionType,
    ListStatus,
    Order,
    OrderList,
    Trade,
    VenueEvent,
)


class Reporter:
    """Numbers executions and queues their reports."""

    def __init__(self, sink: Callable[[VenueEvent], None]) -> None:
        self.sink = sink
        self._next_execution_id = 1

    def new(self, order: Order, now_ns: int) -> None:
        """The order was accepted."""
        self.sink(self._report(order, "NEW", now_ns))

    def rejected(self, order: Order, reason: str, now_ns: int) -> None:
        """The order was refused after its cancel-replace had cancelled another."""
        self.sink(self._report(order, "REJECTED", now_ns, reject_reason=reason))

    def canceled(self, order: Order, cancel_id: str, now_ns: int) -> None:
        """The order was cancelled: the wire's ``c`` is the cancel, ``C`` the order."""
        self.sink(self._report(order, "CANCELED", now_ns, cancel_id=cancel_id))

    def replaced(self, order: Order, orig_client_id: str, now_ns: int) -> int:
        """The order's quantity was reduced: ``c`` is its id from now on, ``C`` the one before; gives the execution id."""
        report = self._report(order, "REPLACED", now_ns, orig_client_id=orig_client_id)
        self.sink(report)
        return report.execution_id

    def list_status(self, order_list: OrderList, now_ns: int) -> None:
        """An order list began, changed or ended."""
        self.sink(ListStatus(order_list.account_id, now_ns, order_list))

    def expired(self, order: Order, now_ns: int) -> None:
        """What was left of the order expired."""
        self.sink(self._report(order, "EXPIRED", now_ns))

    def prevented(self, order: Order, prevented_e8: int, counter_order_id: int, price_e8: int, now_ns: int) -> None:
        """The order lost ``prevented_e8``, which would have traded with its own account at ``price_e8``."""
        self.sink(
            self._report(
                order,
                "TRADE_PREVENTION",
                now_ns,
                prevented_e8=prevented_e8,
                prevented_price_e8=price_e8,
                counter_order_id=counter_order_id,
            )
        )

    def trade(
        self, order: Order, trade: Trade, quote_e8: int, commission_e8: int, commission_asset: str, is_maker: bool
    ) -> None:
        """The order was filled in part or whole."""
        self.sink(
            self._report(
                order,
                "TRADE",
                trade.time_ns,
                trade=trade,
                quote_e8=quote_e8,
                commission_e8=commission_e8,
                commission_asset=commission_asset,
                is_maker=is_maker,
            )
        )

    def position(self, book: AccountBook, assets: tuple[str, ...], now_ns: int) -> None:
        """Balances may have changed."""
        balances = tuple(book.balance(asset) for asset in assets)
        self.sink(AccountPosition(book.account_id, now_ns, book.update_ns, balances))

    def _report(
        self,
        order: Order,
        execution_type: ExecutionType,
        now_ns: int,
        *,
        reject_reason: str = "NONE",
        cancel_id: str = "",
        orig_client_id: str = "",
        trade: Trade | None = None,
        quote_e8: int = 0,
        commission_e8: int = 0,
        commission_asset: str | None = None,
        is_maker: bool = False,
        prevented_e8: int = 0,
        prevented_price_e8: int = 0,
        counter_order_id: int = -1,
    ) -> ExecutionReport:
        execution_id = self._next_execution_id
        self._next_execution_id += 1
        is_prevented = counter_order_id >= 0
        return ExecutionReport(
            account_id=order.account_id,
            event_ns=now_ns,
            symbol=order.symbol,
            client_order_id=cancel_id or order.client_order_id,
            orig_client_order_id=order.client_order_id if cancel_id else orig_client_id,
            side=order.side,
            type=order.type,
            time_in_force=order.time_in_force,
            qty_e8=order.qty_e8,
            price_e8=order.price_e8,
            execution_type=execution_type,
            status=order.status,
            reject_reason=reject_reason,
            order_id=order.order_id,
            last_qty_e8=trade.qty_e8 if trade else 0,
            cum_qty_e8=order.executed_e8,
            last_price_e8=trade.price_e8 if trade else 0,
            commission_e8=commission_e8,
            commission_asset=commission_asset,
            transact_ns=now_ns,
            trade_id=trade.trade_id if trade else NO_TRADE_ID,
            execution_id=execution_id,
            is_working=order.is_working,
            is_maker=is_maker,
            created_ns=order.created_ns,
            cum_quote_e8=order.cum_quote_e8,
            last_quote_e8=quote_e8,
            quote_order_qty_e8=order.quote_order_qty_e8,
            stp_mode=order.stp_mode,
            working_ns=order.working_ns,
            expiry_reason=order.expiry_reason,
            order_list_id=order.order_list_id,
            strategy_id=order.strategy_id,
            strategy_type=order.strategy_type,
            prevented_match_id=order.prevented_match_id if is_prevented else -1,
            prevented_qty_e8=order.prevented_e8,
            last_prevented_qty_e8=prevented_e8,
            trade_group_id=order.account_id if is_prevented else -1,
            counter_order_id=counter_order_id,
            prevented_price_e8=prevented_price_e8,
            counter_symbol=order.symbol if is_prevented else "",
            stop_price_e8=order.stop_price_e8,
            iceberg_e8=order.iceberg_e8,
            trailing_delta=order.trailing_delta,
            trailing_ns=order.trailing_ns,
        )
