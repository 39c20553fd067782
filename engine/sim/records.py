"""Requests, answers and market data of the venue core; units as in ``engine.sim.api``."""

from __future__ import annotations

from typing import Literal

import msgspec

Side = Literal["BUY", "SELL"]
OrderType = Literal[
    "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"
]
TimeInForce = Literal["GTC", "IOC", "FOK"]
StpMode = Literal["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"]
OrderStatus = Literal[
    "NEW", "PENDING_NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"
]
ExecutionType = Literal["NEW", "CANCELED", "REPLACED", "REJECTED", "TRADE", "EXPIRED", "TRADE_PREVENTION"]
CancelReplaceMode = Literal["STOP_ON_FAILURE", "ALLOW_FAILURE"]
CancelRestriction = Literal["ONLY_NEW", "ONLY_PARTIALLY_FILLED"]
Outcome = Literal["SUCCESS", "FAILURE", "NOT_ATTEMPTED"]
Interval = Literal["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]

NO_TRADE_ID = -1


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A new order as sent. The core checks which fields the type needs (-1102, -1106) and all filters.

    ``None`` means "not sent". ``client_order_id`` empty or None: the core makes one.
    """

    symbol: str
    side: str
    type: str
    time_in_force: str | None = None
    quantity_e8: int | None = None
    quote_order_qty_e8: int | None = None
    price_e8: int | None = None
    client_order_id: str | None = None
    stop_price_e8: int | None = None
    trailing_delta: int | None = None
    iceberg_qty_e8: int | None = None
    stp_mode: str | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None


class Order(msgspec.Struct, kw_only=True):
    """One order's state, with all that REST and the user stream tell of it.

    ``working_ns`` is -1 while the order is not in the book; ``trailing_ns`` -1 until a trailing order follows prices.
    """

    account_id: int
    symbol: str
    order_id: int
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price_e8: int
    qty_e8: int
    quote_order_qty_e8: int
    stp_mode: StpMode
    status: OrderStatus
    executed_e8: int
    cum_quote_e8: int
    created_ns: int
    updated_ns: int
    working_ns: int
    is_working: bool
    order_list_id: int = -1
    prevented_e8: int = 0
    prevented_match_id: int = -1
    expiry_reason: str = ""
    strategy_id: int | None = None
    strategy_type: int | None = None
    stop_price_e8: int = 0
    iceberg_e8: int = 0
    trailing_delta: int | None = None
    trailing_ns: int = -1


class Fill(msgspec.Struct, frozen=True):
    """One fill of an order at placement (the ``fills`` of a FULL reply)."""

    price_e8: int
    qty_e8: int
    commission_e8: int
    commission_asset: str
    trade_id: int


class OrderResult(msgspec.Struct, frozen=True):
    """The answer to a new order: its state after matching and the fills that it took at once."""

    order: Order
    fills: tuple[Fill, ...]
    transact_ns: int


class CancelResult(msgspec.Struct, frozen=True):
    """The answer to a cancel: ``order.client_order_id`` is wire ``origClientOrderId``,
    ``cancel_client_order_id`` is wire ``clientOrderId``."""

    order: Order
    cancel_client_order_id: str
    transact_ns: int


class Refusal(msgspec.Struct, frozen=True):
    """An error inside a larger answer."""

    code: int
    msg: str


class CancelReplaceResult(msgspec.Struct, frozen=True):
    """Both halves of a cancel-replace. ``error`` is None when both succeeded, else the exchange's outer error:
    -2022 (HTTP 400) when nothing was done, -2021 (HTTP 409) when one half was."""

    cancel_outcome: Outcome
    new_outcome: Outcome
    cancel: CancelResult | Refusal | None
    new: OrderResult | Refusal | None
    error: Refusal | None


class Balance(msgspec.Struct, frozen=True):
    """An account's holding of one asset."""

    asset: str
    free_e8: int
    locked_e8: int


class Account(msgspec.Struct, frozen=True):
    """An account as GET account tells it. Fees in basis points."""

    account_id: int
    name: str
    maker_bps: int
    taker_bps: int
    can_trade: bool
    update_ns: int
    balances: tuple[Balance, ...]


class AccountTrade(msgspec.Struct, frozen=True):
    """One fill in an account's trade history (a row of myTrades)."""

    symbol: str
    trade_id: int
    order_id: int
    price_e8: int
    qty_e8: int
    quote_e8: int
    commission_e8: int
    commission_asset: str
    time_ns: int
    is_buyer: bool
    is_maker: bool
    order_list_id: int = -1


# --- market data -----------------------------------------------------------------------------------------------


class DepthSnapshot(msgspec.Struct, frozen=True):
    """Levels best first as (price_e8, qty_e8)."""

    symbol: str
    last_update_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class BookTicker(msgspec.Struct, frozen=True):
    """Best prices; 0 price and quantity for an empty side."""

    symbol: str
    update_id: int
    bid_price_e8: int
    bid_qty_e8: int
    ask_price_e8: int
    ask_qty_e8: int


class Kline(msgspec.Struct):
    """One candle. ``first_trade_id`` and ``last_trade_id`` are -1 without a trade."""

    open_ns: int
    close_ns: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int
    quote_volume_e8: int
    trade_count: int
    taker_base_e8: int
    taker_quote_e8: int
    first_trade_id: int
    last_trade_id: int


class Ticker24h(msgspec.Struct, frozen=True):
    """Rolling statistics over the last 24 hours. ``weighted_avg_e8`` is rounded down."""

    symbol: str
    open_e8: int
    high_e8: int
    low_e8: int
    last_e8: int
    last_qty_e8: int
    prev_close_e8: int
    weighted_avg_e8: int
    volume_e8: int
    quote_volume_e8: int
    bid_price_e8: int
    bid_qty_e8: int
    ask_price_e8: int
    ask_qty_e8: int
    open_ns: int
    close_ns: int
    first_trade_id: int
    last_trade_id: int
    trade_count: int

    @property
    def change_e8(self) -> int:
        """Last price less the opening price."""
        return self.last_e8 - self.open_e8

    @property
    def change_percent_milli(self) -> int:
        """The change in thousandths of a percent (the wire shows three decimals)."""
        return 0 if self.open_e8 == 0 else round(self.change_e8 * 100_000 / self.open_e8)


class AvgPrice(msgspec.Struct, frozen=True):
    """Volume-weighted price of the last ``mins`` minutes; the last price when nothing traded."""

    symbol: str
    mins: int
    price_e8: int
    last_trade_ns: int


class SymbolRules(msgspec.Struct, frozen=True):
    """All that exchangeInfo says of a symbol."""

    symbol: str
    base: str
    quote: str
    status: str
    tick_e8: int
    min_price_e8: int
    max_price_e8: int
    step_e8: int
    min_qty_e8: int
    max_qty_e8: int
    market_max_qty_e8: int
    min_notional_e8: int
    max_notional_e8: int
    bid_multiplier_up_e8: int
    bid_multiplier_down_e8: int
    ask_multiplier_up_e8: int
    ask_multiplier_down_e8: int
    avg_price_mins: int
    max_num_orders: int
    order_types: tuple[str, ...]
    stp_modes: tuple[str, ...]
    default_stp_mode: str = "EXPIRE_MAKER"
    max_num_algo_orders: int = 5
    max_num_iceberg_orders: int = 10
    iceberg_parts_max: int = 100
    max_num_order_lists: int = 20
    max_num_order_amends: int = 10
    trailing_above_min_bps: int = 10
    trailing_above_max_bps: int = 2000
    trailing_below_min_bps: int = 10
    trailing_below_max_bps: int = 2000

    def filters(self) -> list[dict[str, object]]:
        """The ``filters`` array of exchangeInfo, in wire form."""
        from engine.sim.rules import wire_filters

        return wire_filters(self)
