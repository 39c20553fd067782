"""What the venue core takes and gives: requests, results, events and the ``Venue`` interface that the shell codes to.

Units: every price, quantity and amount is an integer of 1e-8 (``_e8``; ``engine.sim.decimals`` formats and parses
it); every time is Unix nanoseconds (``_ns``). Enumerations are the exchange's own words. Text of refusals is in
``VenueReject``. A returned ``Order`` is a snapshot: it does not change when the order later does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.sim.config import KeyConfig
from engine.sim.events import (
    AccountPosition,
    AggTrade,
    BalanceUpdate,
    BookDelta,
    ExecutionReport,
    ListStatus,
    TopOfBook,
    Trade,
    VenueEvent,
)
from engine.sim.list_records import (
    Amendment,
    AmendResult,
    ContingencyType,
    ListedOrder,
    ListKind,
    ListOrderStatus,
    ListStatusType,
    OrderList,
    OrderListCancel,
    OrderListRequest,
    OrderListResult,
    PreventedMatch,
)
from engine.sim.records import (
    NO_TRADE_ID,
    Account,
    AccountTrade,
    AvgPrice,
    Balance,
    BookTicker,
    CancelReplaceMode,
    CancelReplaceResult,
    CancelRestriction,
    CancelResult,
    DepthSnapshot,
    ExecutionType,
    Fill,
    Interval,
    Kline,
    Order,
    OrderRequest,
    OrderResult,
    OrderStatus,
    OrderType,
    Outcome,
    Refusal,
    Side,
    StpMode,
    SymbolRules,
    Ticker24h,
    TimeInForce,
)
from engine.sim.reject import VenueReject

__all__ = [
    "NO_TRADE_ID",
    "Account",
    "AccountPosition",
    "AccountTrade",
    "AggTrade",
    "AmendResult",
    "Amendment",
    "AvgPrice",
    "Balance",
    "BalanceUpdate",
    "BookDelta",
    "BookTicker",
    "CancelReplaceMode",
    "CancelReplaceResult",
    "CancelRestriction",
    "CancelResult",
    "ContingencyType",
    "DepthSnapshot",
    "ExecutionReport",
    "ExecutionType",
    "Fill",
    "Interval",
    "Kline",
    "ListKind",
    "ListOrderStatus",
    "ListStatus",
    "ListStatusType",
    "ListedOrder",
    "Order",
    "OrderList",
    "OrderListCancel",
    "OrderListRequest",
    "OrderListResult",
    "OrderRequest",
    "OrderResult",
    "OrderStatus",
    "OrderType",
    "Outcome",
    "PreventedMatch",
    "Refusal",
    "Side",
    "StpMode",
    "SymbolRules",
    "Ticker24h",
    "TimeInForce",
    "TopOfBook",
    "Trade",
    "Venue",
    "VenueEvent",
]


class Venue(Protocol):
    """The pure venue (``engine.sim.core.VenueCore``). Every call with ``now_ns`` first runs the market up to it.

    ``now_ns`` must not run backwards: an earlier one counts as the latest seen. Calls that change orders put events
    in the queue that ``drain`` empties. An order is given by ``order_id`` or ``orig_client_order_id`` or both (-1102
    when neither, -2039 when they disagree).
    """

    def advance(self, now_ns: int) -> None:
        """Let the generated market act up to ``now_ns``."""

    def drain(self) -> list[VenueEvent]:
        """Take all events since the last call, oldest first."""

    def next_wake_ns(self) -> int:
        """When the market acts next (Unix ns), so that a shell can sleep till then."""

    # accounts and keys
    def key(self, api_key: str) -> tuple[int, KeyConfig] | None:
        """The account id and key of ``api_key``, or None when nobody has it."""

    def account(self, account_id: int) -> Account:
        """Balances and fees, every asset of the venue in it."""

    def deposit(self, account_id: int, asset: str, amount_e8: int, now_ns: int) -> None:
        """Add to (or, when negative, take from) a free balance; gives BalanceUpdate and AccountPosition."""

    # orders
    def place(self, account_id: int, request: OrderRequest, now_ns: int) -> OrderResult:
        """Place a new order; raises ``VenueReject``."""

    def check(self, account_id: int, request: OrderRequest, now_ns: int) -> None:
        """order/test: raise the refusal that ``place`` would give for its form and filters; change nothing."""

    def cancel(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
        new_client_order_id: str | None = None,
        restriction: str | None = None,
    ) -> CancelResult:
        """Cancel one open order; -2011 when it is not open."""

    def cancel_all(self, account_id: int, symbol: str, now_ns: int) -> Sequence[CancelResult | OrderListCancel]:
        """Cancel every open order on the symbol, a list as one; -2011 when there is none."""

    def cancel_replace(
        self,
        account_id: int,
        request: OrderRequest,
        now_ns: int,
        *,
        mode: str,
        cancel_order_id: int | None = None,
        cancel_orig_client_order_id: str | None = None,
        cancel_new_client_order_id: str | None = None,
        restriction: str | None = None,
    ) -> CancelReplaceResult:
        """Cancel an order and place another; a malformed or filtered new order raises before anything is done."""

    def order_status(
        self, account_id: int, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> Order:
        """One order, open or closed; a client id finds the newest order that had it; -2013 when there is none."""

    def open_orders(self, account_id: int, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first; of every symbol when None."""

    def all_orders(
        self,
        account_id: int,
        symbol: str,
        *,
        order_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Order]:
        """Orders ascending by id: from ``order_id`` up, or created in the window, or the newest ``limit``."""

    def my_trades(
        self,
        account_id: int,
        symbol: str,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AccountTrade]:
        """The account's fills ascending by trade id; the newest ``limit`` unless a start is given."""

    # order lists, amends, prevented matches: a venue that has them overrides these
    def place_list(self, account_id: int, request: OrderListRequest, now_ns: int) -> OrderListResult:
        """Place an order list; raises ``VenueReject``."""
        raise _unsupported(account_id, request, now_ns)

    def cancel_list(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        list_id: int | None = None,
        list_client_order_id: str | None = None,
        new_client_order_id: str | None = None,
    ) -> OrderListCancel:
        """Cancel an open list, the id first where both are given; -2011 when it is not open."""
        raise _unsupported(account_id, symbol, now_ns, list_id, list_client_order_id, new_client_order_id)

    def list_status(
        self, account_id: int, *, list_id: int | None = None, list_client_order_id: str | None = None
    ) -> OrderList:
        """One list, open or done; a client id finds the newest that had it; -2013 when there is none."""
        raise _unsupported(account_id, list_id, list_client_order_id)

    def open_lists(self, account_id: int) -> list[OrderList]:
        """Open lists, oldest first."""
        raise _unsupported(account_id)

    def all_lists(
        self,
        account_id: int,
        *,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[OrderList]:
        """Lists ascending by id: from ``from_id`` up, or made in the window, or the newest ``limit``."""
        raise _unsupported(account_id, from_id, start_ns, end_ns, limit)

    def amend(
        self,
        account_id: int,
        symbol: str,
        new_qty_e8: int,
        now_ns: int,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
        new_client_order_id: str | None = None,
    ) -> AmendResult:
        """Reduce an open order's quantity; it keeps its place in the queue. Refuses -2038."""
        raise _unsupported(account_id, symbol, new_qty_e8, now_ns, order_id, orig_client_order_id, new_client_order_id)

    def amendments(
        self, account_id: int, symbol: str, order_id: int, *, from_execution_id: int | None = None, limit: int = 500
    ) -> list[Amendment]:
        """Past amendments of an order, ascending."""
        raise _unsupported(account_id, symbol, order_id, from_execution_id, limit)

    def prevented_matches(
        self,
        account_id: int,
        symbol: str,
        *,
        match_id: int | None = None,
        order_id: int | None = None,
        from_match_id: int | None = None,
        limit: int = 500,
    ) -> list[PreventedMatch]:
        """Trades that self-trade prevention stopped, ascending."""
        raise _unsupported(account_id, symbol, match_id, order_id, from_match_id, limit)

    # market data; symbols are checked (-1121)
    def symbols(self) -> tuple[str, ...]:
        """Every symbol, in configuration order."""

    def exchange_info(self) -> tuple[SymbolRules, ...]:
        """Rules of every symbol."""

    def rules(self, symbol: str) -> SymbolRules:
        """Rules of one symbol."""

    def depth(self, symbol: str, limit: int = 100) -> DepthSnapshot:
        """The best ``limit`` levels a side."""

    def book_ticker(self, symbol: str) -> BookTicker:
        """Best bid and ask."""

    def recent_trades(self, symbol: str, limit: int = 500, from_id: int | None = None) -> list[Trade]:
        """The newest trades, or those from a trade id up; ascending."""

    def agg_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AggTrade]:
        """Aggregate trades ascending; times are inclusive."""

    def klines(
        self,
        symbol: str,
        interval: str,
        now_ns: int,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Kline]:
        """Candles ascending by opening time, the running one last; -1120 for an unknown interval."""

    def current_kline(self, symbol: str, interval: str, now_ns: int) -> Kline:
        """The running candle (for the kline stream)."""

    def ticker_24h(self, symbol: str, now_ns: int) -> Ticker24h:
        """Rolling 24 hours."""

    def ticker_window(self, symbol: str, window_ns: int, now_ns: int) -> Ticker24h:
        """Rolling statistics of another window (the ``ticker`` endpoint), in whole minutes."""

    def avg_price(self, symbol: str, now_ns: int) -> AvgPrice:
        """Average price as the filters use it."""


def _unsupported(*_asked: object) -> VenueReject:
    """What a venue without the feature answers, whatever was asked."""
    return VenueReject(-1020, "This operation is not supported.")
