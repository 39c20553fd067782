"""What the venue core takes and gives: requests, results, events and the ``Venue`` interface that the shell codes to.

Units: every price, quantity and amount is an integer of 1e-8 (``_e8``; ``engine.sim.decimals`` formats and parses
it); every time is Unix nanoseconds (``_ns``). Enumerations are the exchange's own words. Text of refusals is in
``VenueReject``. A returned ``Order`` is a snapshot: it does not change when the order later does.
"""

from __future__ import annotations

from typing import Protocol

from engine.sim.config import KeyConfig
from engine.sim.events import (
    AccountPosition,
    AggTrade,
    BalanceUpdate,
    BookDelta,
    ExecutionReport,
    TopOfBook,
    Trade,
    VenueEvent,
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

__all__ = [
    "NO_TRADE_ID",
    "Account",
    "AccountPosition",
    "AccountTrade",
    "AggTrade",
    "AvgPrice",
    "Balance",
    "BalanceUpdate",
    "BookDelta",
    "BookTicker",
    "CancelReplaceMode",
    "CancelReplaceResult",
    "CancelRestriction",
    "CancelResult",
    "DepthSnapshot",
    "ExecutionReport",
    "ExecutionType",
    "Fill",
    "Interval",
    "Kline",
    "Order",
    "OrderRequest",
    "OrderResult",
    "OrderStatus",
    "OrderType",
    "Outcome",
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

    def cancel_all(self, account_id: int, symbol: str, now_ns: int) -> list[CancelResult]:
        """Cancel every open order on the symbol; -2011 when there is none."""

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
