"""What the USD-M core takes and gives: the ``UsdmVenue`` interface that the shell codes to, and its value types.

Units: every price, quantity, amount and rate is an integer of 1e-8 (``_e8``; a rate of 0.01 % is 10000, percentages as
callbackRate are percent times 1e8); every time is Unix nanoseconds (``_ns``). Enumerations are the exchange's own
words. Refusals are ``engine.sim.reject.VenueReject``. A returned order is a snapshot: it does not change later.

Single-asset mode only: USDT is the one margin asset. Account ids are spot's: ``VenueConfig.accounts`` in order, from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.sim.config import KeyConfig
from engine.sim.events import AggTrade, BookDelta, TopOfBook, Trade
from engine.sim.records import BookTicker, DepthSnapshot, Kline, Ticker24h
from engine.sim.usdm.events import (
    AccountConfigUpdate,
    AccountUpdate,
    AlgoUpdate,
    BalanceChange,
    ContractInfo,
    ForceOrder,
    MarginCall,
    MarginCallPosition,
    MarkPriceUpdate,
    OrderTradeUpdate,
    PositionChange,
    UsdmEvent,
)
from engine.sim.usdm.records import (
    NO_TRADE_ID,
    AdlQuantile,
    AlgoOrder,
    AlgoRequest,
    AlgoStatus,
    Amendment,
    Basis,
    Bracket,
    ExecutionType,
    ForcedOrder,
    FundingRate,
    Income,
    LongShortRatio,
    MarginChange,
    MarginType,
    ModifyRequest,
    OpenInterest,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    PremiumIndex,
    RatioKind,
    Refusal,
    Side,
    StpMode,
    SymbolSettings,
    TakerVolume,
    TimeInForce,
    UsdmAccount,
    UsdmOrder,
    UsdmOrderRequest,
    UsdmSymbolRules,
    UserTrade,
    WorkingType,
)

__all__ = [
    "NO_TRADE_ID",
    "AccountConfigUpdate",
    "AccountUpdate",
    "AdlQuantile",
    "AggTrade",
    "AlgoOrder",
    "AlgoRequest",
    "AlgoStatus",
    "AlgoUpdate",
    "Amendment",
    "BalanceChange",
    "Basis",
    "BookDelta",
    "BookTicker",
    "Bracket",
    "ContractInfo",
    "DepthSnapshot",
    "ExecutionType",
    "ForceOrder",
    "ForcedOrder",
    "FundingRate",
    "Income",
    "Kline",
    "LongShortRatio",
    "MarginCall",
    "MarginCallPosition",
    "MarginChange",
    "MarginType",
    "MarkPriceUpdate",
    "ModifyRequest",
    "OpenInterest",
    "OrderStatus",
    "OrderTradeUpdate",
    "OrderType",
    "Position",
    "PositionChange",
    "PositionSide",
    "PremiumIndex",
    "RatioKind",
    "Refusal",
    "Side",
    "StpMode",
    "SymbolSettings",
    "TakerVolume",
    "Ticker24h",
    "TimeInForce",
    "TopOfBook",
    "Trade",
    "UsdmAccount",
    "UsdmEvent",
    "UsdmOrder",
    "UsdmOrderRequest",
    "UsdmSymbolRules",
    "UsdmVenue",
    "UserTrade",
    "WorkingType",
]


class UsdmVenue(Protocol):
    """The pure USD-M venue. Calls with ``now_ns`` first run the market up to it.

    The generated one is ``engine.sim.usdm.core.UsdmCore(config: UsdmConfig, accounts: tuple[AccountConfig, ...],
    seed: int, start_ns: int)`` with spot's accounts.

    ``now_ns`` must not run backwards: an earlier one counts as the latest seen. Calls that change something put
    events in the queue that ``drain`` empties. An order is given by ``order_id`` or ``orig_client_order_id`` (the id
    rules when both are sent; -1102 when neither).
    """

    def advance(self, now_ns: int) -> None:
        """Let the market, the mark price, funding, liquidation, triggers and timers act up to ``now_ns``."""

    def drain(self) -> list[UsdmEvent]:
        """Take all events since the last call, oldest first."""

    def next_wake_ns(self) -> int:
        """When something acts next (Unix ns), so that a shell can sleep till then."""

    # accounts and keys
    def key(self, api_key: str) -> tuple[int, KeyConfig] | None:
        """The account id and key of ``api_key``, or None when nobody has it."""

    def account(self, account_id: int) -> UsdmAccount:
        """Wallet, margins and positions of every symbol (in hedge mode LONG and SHORT, else BOTH)."""

    def positions(self, account_id: int, symbol: str | None = None) -> list[Position]:
        """Positions, empty ones too; in hedge mode BOTH (always empty), LONG and SHORT of each symbol."""

    def deposit(self, account_id: int, amount_e8: int, now_ns: int) -> None:
        """Transfer into (or, when negative, out of) the USDT wallet; -2018 when more than can be withdrawn."""

    # orders
    def place(self, account_id: int, request: UsdmOrderRequest, now_ns: int) -> UsdmOrder:
        """Place a new order; its state after matching."""

    def check(self, account_id: int, request: UsdmOrderRequest, now_ns: int) -> UsdmOrder:
        """order/test: raise the refusal that ``place`` would give before the book; the order it would be (id 0)."""

    def modify(self, account_id: int, request: ModifyRequest, now_ns: int) -> UsdmOrder:
        """Change price or quantity; -5027 when nothing changes. Less quantity at the same price keeps its place.

        An order whose new quantity is filled already, or whose GTX would cross, is cancelled; so is the answer.
        """

    def cancel(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
    ) -> UsdmOrder:
        """Cancel one open order; -2011 when it is not open."""

    def cancel_all(self, account_id: int, symbol: str, now_ns: int) -> list[UsdmOrder]:
        """Cancel every open order on the symbol; an empty list when there is none."""

    def place_batch(
        self, account_id: int, requests: Sequence[UsdmOrderRequest], now_ns: int
    ) -> list[UsdmOrder | Refusal]:
        """Place several, each on its own: a refusal stands in its place."""

    def modify_batch(
        self, account_id: int, requests: Sequence[ModifyRequest], now_ns: int
    ) -> list[UsdmOrder | Refusal]:
        """Modify several, each on its own."""

    def cancel_batch(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        order_ids: Sequence[int] = (),
        orig_client_order_ids: Sequence[str] = (),
    ) -> list[UsdmOrder | Refusal]:
        """Cancel several by ids, or by client ids when no id is given."""

    def countdown_cancel_all(self, account_id: int, symbol: str, countdown_ns: int, now_ns: int) -> None:
        """Cancel all on the symbol when ``countdown_ns`` have passed without another call; 0 disarms."""

    def order_status(
        self, account_id: int, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> UsdmOrder:
        """One order, open or closed; a client id finds the newest that had it; -2013 when there is none."""

    def open_order(
        self, account_id: int, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> UsdmOrder:
        """One open order; -2013 when it is not open."""

    def open_orders(self, account_id: int, symbol: str | None = None) -> list[UsdmOrder]:
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
    ) -> list[UsdmOrder]:
        """Orders ascending by id: from ``order_id`` up, or created in the window, or the newest ``limit``."""

    def user_trades(
        self,
        account_id: int,
        symbol: str | None = None,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[UserTrade]:
        """The account's fills in time order; the newest ``limit`` unless a start is given."""

    def force_orders(
        self,
        account_id: int,
        symbol: str | None = None,
        *,
        auto_close_type: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 50,
    ) -> list[ForcedOrder]:
        """The account's liquidation and ADL orders, oldest first."""

    def amendments(
        self,
        account_id: int,
        symbol: str,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 50,
    ) -> list[Amendment]:
        """Modifications of the account's orders, newest last."""

    # conditional orders
    def place_algo(self, account_id: int, request: AlgoRequest, now_ns: int) -> AlgoOrder:
        """Place a conditional order; -2021 when its condition already holds."""

    def cancel_algo(
        self, account_id: int, now_ns: int, *, algo_id: int | None = None, client_algo_id: str | None = None
    ) -> AlgoOrder:
        """Cancel a conditional order that has not triggered; -2011 otherwise."""

    def cancel_all_algos(self, account_id: int, symbol: str, now_ns: int) -> list[AlgoOrder]:
        """Cancel every untriggered conditional order on the symbol; an empty list when there is none."""

    def algo_order(
        self, account_id: int, *, algo_id: int | None = None, client_algo_id: str | None = None
    ) -> AlgoOrder:
        """One conditional order; -2013 when there is none."""

    def open_algo_orders(self, account_id: int, symbol: str | None = None) -> list[AlgoOrder]:
        """Untriggered conditional orders, oldest first."""

    def all_algo_orders(
        self,
        account_id: int,
        symbol: str,
        *,
        algo_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AlgoOrder]:
        """Conditional orders ascending by id, as ``all_orders``."""

    # settings of accounts
    def set_leverage(self, account_id: int, symbol: str, leverage: int, now_ns: int) -> SymbolSettings:
        """Change the initial leverage; -4028 not allowed, -2027 position too large for it, -2019, -4161."""

    def set_margin_type(self, account_id: int, symbol: str, margin_type: str, now_ns: int) -> None:
        """ISOLATED or CROSSED; -4046 unchanged, -4047 open orders, -4048 position."""

    def position_mode(self, account_id: int) -> bool:
        """True in hedge mode."""

    def set_position_mode(self, account_id: int, dual_side: bool, now_ns: int) -> None:
        """Hedge mode on or off; -4059 unchanged, -4067 open orders, -4068 position."""

    def change_position_margin(
        self, account_id: int, symbol: str, position_side: str | None, kind: int, amount_e8: int, now_ns: int
    ) -> MarginChange:
        """Add (kind 1) or take (kind 2) margin of an isolated position."""

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
        """Changes of isolated margin, oldest first."""

    def symbol_settings(self, account_id: int, symbol: str | None = None) -> list[SymbolSettings]:
        """Margin type and leverage of one or every symbol."""

    def leverage_brackets(self, symbol: str) -> tuple[Bracket, ...]:
        """The symbol's brackets, from the smallest notional up."""

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
        """Everything that moved the wallet, oldest first; the newest ``limit`` unless a start is given."""

    def adl_quantiles(self, account_id: int, symbol: str | None = None) -> list[AdlQuantile]:
        """How near each open position is to auto-deleveraging: 4 is next."""

    # market data; symbols are checked (-1121)
    def symbols(self) -> tuple[str, ...]:
        """Every symbol, in configuration order."""

    def exchange_info(self) -> tuple[UsdmSymbolRules, ...]:
        """Rules of every symbol."""

    def rules(self, symbol: str) -> UsdmSymbolRules:
        """Rules of one symbol."""

    def set_status(self, symbol: str, status: str, now_ns: int) -> None:
        """The operator changes a contract's status; orders are taken only in TRADING, SETTLING ends them all."""

    def depth(self, symbol: str, limit: int = 500) -> DepthSnapshot:
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
        price: str = "CONTRACT",
    ) -> list[Kline]:
        """Candles ascending, the running one last; -1120. ``price``: CONTRACT, MARK, INDEX or PREMIUM.

        Candles of the last three count samples (one a second) and have no volume; premiums may be negative.
        """

    def current_kline(self, symbol: str, interval: str, now_ns: int, price: str = "CONTRACT") -> Kline:
        """The running candle (for the kline streams)."""

    def ticker_24h(self, symbol: str, now_ns: int) -> Ticker24h:
        """Rolling 24 hours."""

    def last_price(self, symbol: str) -> tuple[int, int]:
        """Price (1e-8) and time (Unix ns) of the last trade (ticker/price)."""

    def premium_index(self, symbol: str) -> PremiumIndex:
        """Mark price, index price and funding."""

    def funding_history(
        self, symbol: str | None = None, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 100
    ) -> list[FundingRate]:
        """Settled funding rates ascending by time; the newest ``limit`` unless a start is given."""

    def open_interest(self, symbol: str) -> OpenInterest:
        """Open contracts now."""

    def open_interest_history(
        self, symbol: str, period: str, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 30
    ) -> list[OpenInterest]:
        """Open contracts at the start of each period (5m ... 1d) ascending; -1130 for an unknown one."""

    def long_short_history(
        self,
        symbol: str,
        kind: RatioKind,
        period: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 30,
    ) -> list[LongShortRatio]:
        """Long/short ratios ascending: of holders, of the top holders, or of the top holders' positions."""

    def taker_volume_history(
        self, symbol: str, period: str, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 30
    ) -> list[TakerVolume]:
        """takerlongshortRatio ascending."""

    def basis_history(
        self, symbol: str, period: str, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 30
    ) -> list[Basis]:
        """Basis at the end of each period ascending."""

    def insurance_balance(self) -> int:
        """The insurance fund in USDT (1e-8)."""
