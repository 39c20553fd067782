"""Requests and answers of the USD-M core. Units as in ``engine.sim.usdm.api``."""

from __future__ import annotations

from typing import Literal

import msgspec

Side = Literal["BUY", "SELL"]
PositionSide = Literal["BOTH", "LONG", "SHORT"]
OrderType = Literal[
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"
]
TimeInForce = Literal["GTC", "IOC", "FOK", "GTX", "GTD"]
StpMode = Literal["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"]
OrderStatus = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"]
ExecutionType = Literal["NEW", "CANCELED", "CALCULATED", "EXPIRED", "TRADE", "AMENDMENT"]
WorkingType = Literal["MARK_PRICE", "CONTRACT_PRICE"]
MarginType = Literal["CROSSED", "ISOLATED"]
AlgoStatus = Literal["NEW", "CANCELED", "TRIGGERING", "TRIGGERED", "FINISHED", "REJECTED", "EXPIRED"]
RatioKind = Literal["GLOBAL_ACCOUNT", "TOP_ACCOUNT", "TOP_POSITION"]

NO_TRADE_ID = 0


class UsdmOrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A new order as sent to POST order; ``None`` is "not sent". The core checks which fields the type needs.

    Only LIMIT and MARKET are orders; the conditional types answer -4120 (``AlgoRequest`` is for them).
    ``good_till_ns`` is the GTD deadline, cut to whole seconds by the core.
    """

    symbol: str
    side: str
    type: str
    position_side: str | None = None
    time_in_force: str | None = None
    quantity_e8: int | None = None
    price_e8: int | None = None
    reduce_only: bool | None = None
    client_order_id: str | None = None
    price_match: str | None = None
    stp_mode: str | None = None
    good_till_ns: int | None = None


class ModifyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """PUT order. The order is named by ``order_id`` or ``orig_client_order_id``."""

    symbol: str
    side: str
    quantity_e8: int | None = None
    price_e8: int | None = None
    price_match: str | None = None
    order_id: int | None = None
    orig_client_order_id: str | None = None
    modify_id: int | None = None


class UsdmOrder(msgspec.Struct, kw_only=True):
    """One order's state, with all that REST and the user stream tell of it; ``price_e8`` of MARKET is 0."""

    account_id: int
    symbol: str
    order_id: int
    client_order_id: str
    side: Side
    position_side: PositionSide
    type: OrderType
    orig_type: OrderType
    time_in_force: TimeInForce
    price_e8: int
    qty_e8: int
    status: OrderStatus
    reduce_only: bool
    close_position: bool
    stp_mode: StpMode
    created_ns: int
    updated_ns: int
    executed_e8: int = 0
    cum_quote_e8: int = 0
    price_match: str = "NONE"
    good_till_ns: int = 0
    working_type: WorkingType = "CONTRACT_PRICE"
    price_protect: bool = False
    stop_price_e8: int = 0
    activate_price_e8: int = 0
    callback_rate_e8: int = 0  # in percent: 1 % is 1.0 is 100000000
    expiry_reason: str = "0"  # er
    algo_id: int = 0  # the conditional order that placed it

    @property
    def avg_price_e8(self) -> int:
        """Mean price of the fills, rounded half up; 0 before the first."""
        if not self.executed_e8:
            return 0
        return (2 * self.cum_quote_e8 * 100_000_000 + self.executed_e8) // (2 * self.executed_e8)


class Refusal(msgspec.Struct, frozen=True):
    """An error inside a batch reply."""

    code: int
    msg: str


class UserTrade(msgspec.Struct, frozen=True):
    """A row of userTrades."""

    symbol: str
    trade_id: int
    order_id: int
    side: Side
    position_side: PositionSide
    price_e8: int
    qty_e8: int
    quote_e8: int
    commission_e8: int
    commission_asset: str
    realized_pnl_e8: int
    time_ns: int
    is_buyer: bool
    is_maker: bool


class Amendment(msgspec.Struct, frozen=True):
    """A row of orderAmendment."""

    amendment_id: int
    symbol: str
    order_id: int
    client_order_id: str
    time_ns: int
    price_before_e8: int
    price_after_e8: int
    qty_before_e8: int
    qty_after_e8: int
    count: int


class AlgoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conditional order as sent to POST algoOrder. ``callback_rate_e8`` is in percent times 1e8 (1 is 1 %)."""

    symbol: str
    side: str
    type: str
    algo_type: str = "CONDITIONAL"
    position_side: str | None = None
    time_in_force: str | None = None
    quantity_e8: int | None = None
    price_e8: int | None = None
    trigger_price_e8: int | None = None
    working_type: str | None = None
    price_match: str | None = None
    close_position: bool | None = None
    price_protect: bool | None = None
    reduce_only: bool | None = None
    activate_price_e8: int | None = None
    callback_rate_e8: int | None = None
    client_algo_id: str | None = None
    stp_mode: str | None = None
    good_till_ns: int | None = None


class AlgoOrder(msgspec.Struct, kw_only=True):
    """One conditional order. ``actual_*`` tell of the order that it placed ("" and 0 before the trigger)."""

    account_id: int
    algo_id: int
    client_algo_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    type: OrderType
    time_in_force: TimeInForce
    qty_e8: int
    price_e8: int
    trigger_price_e8: int
    working_type: WorkingType
    price_match: str
    close_position: bool
    price_protect: bool
    reduce_only: bool
    stp_mode: StpMode
    status: AlgoStatus
    created_ns: int
    updated_ns: int
    trigger_ns: int = 0
    good_till_ns: int = 0
    activate_price_e8: int = 0
    callback_rate_e8: int = 0
    is_activated: bool = False
    actual_order_id: int = 0
    actual_type: str = ""
    actual_price_e8: int = 0  # average price of the placed order
    actual_qty_e8: int = 0  # its executed quantity
    reject_reason: str = ""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One position, also an empty one. ``qty_e8`` is negative when short; ``notional_e8`` has its sign.

    ``liquidation_price_e8`` is 0 when there is none. ``max_notional_e8`` is the most at the present leverage.
    ``isolated_margin_e8`` is the isolated wallet with the unrealised profit. ``adl`` is the quantile 0..4.
    """

    symbol: str
    position_side: PositionSide
    qty_e8: int
    entry_price_e8: int
    break_even_price_e8: int
    mark_price_e8: int
    unrealized_e8: int
    liquidation_price_e8: int
    leverage: int
    margin_type: MarginType
    isolated_margin_e8: int
    isolated_wallet_e8: int
    notional_e8: int
    max_notional_e8: int
    initial_margin_e8: int
    maint_margin_e8: int
    position_initial_margin_e8: int
    open_order_initial_margin_e8: int
    bid_notional_e8: int
    ask_notional_e8: int
    realized_e8: int
    adl: int
    update_ns: int
    has_open_orders: bool


class UsdmAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account's USDT margin (the only margin asset) and its positions, empty ones included."""

    account_id: int
    name: str
    can_trade: bool
    dual_side: bool
    maker_fee_e6: int
    taker_fee_e6: int
    asset: str
    wallet_e8: int
    unrealized_e8: int
    margin_balance_e8: int
    maint_margin_e8: int
    initial_margin_e8: int
    position_initial_margin_e8: int
    open_order_initial_margin_e8: int
    cross_wallet_e8: int
    cross_unrealized_e8: int
    available_e8: int
    max_withdraw_e8: int
    update_ns: int
    positions: tuple[Position, ...]


class SymbolSettings(msgspec.Struct, frozen=True):
    """A row of symbolConfig; also the answer to POST leverage."""

    symbol: str
    margin_type: MarginType
    leverage: int
    max_notional_e8: int


class MarginChange(msgspec.Struct, frozen=True):
    """A row of positionMargin/history. ``kind`` 1 adds, 2 reduces."""

    symbol: str
    kind: int
    delta_e8: int
    asset: str
    position_side: PositionSide
    time_ns: int
    is_by_user: bool


class Bracket(msgspec.Struct, frozen=True):
    """One leverage bracket; ``maint_ratio_e8`` of 0.4 % is 400000. ``cum_e8`` makes the margin continuous."""

    number: int
    initial_leverage: int
    notional_floor_e8: int
    notional_cap_e8: int
    maint_ratio_e8: int
    cum_e8: int


class Income(msgspec.Struct, frozen=True):
    """A row of income. ``kind``: TRANSFER, REALIZED_PNL, FUNDING_FEE, COMMISSION or INSURANCE_CLEAR."""

    symbol: str
    kind: str
    amount_e8: int
    asset: str
    info: str
    time_ns: int
    tran_id: int
    trade_id: int  # 0 when it is of no trade


class ForcedOrder(msgspec.Struct, frozen=True):
    """A row of forceOrders. ``auto_close_type``: LIQUIDATION or ADL."""

    order: UsdmOrder
    auto_close_type: str


class AdlQuantile(msgspec.Struct, frozen=True):
    """A row of adlQuantile: 0..4 by position side (BOTH in one-way mode; LONG and SHORT in hedge mode)."""

    symbol: str
    quantiles: dict[str, int]


# --- market data -------------------------------------------------------------------------------------------------


class UsdmSymbolRules(msgspec.Struct, frozen=True, kw_only=True):
    """All that exchangeInfo says of a contract."""

    symbol: str
    pair: str
    base: str
    quote: str
    margin_asset: str
    contract_type: str
    status: str
    delivery_ms: int
    onboard_ms: int
    price_precision: int
    quantity_precision: int
    tick_e8: int
    min_price_e8: int
    max_price_e8: int
    step_e8: int
    min_qty_e8: int
    max_qty_e8: int
    market_max_qty_e8: int
    min_notional_e8: int
    multiplier_up_e8: int
    multiplier_down_e8: int
    max_num_orders: int
    market_take_bound_e8: int
    trigger_protect_e8: int
    liquidation_fee_e8: int
    maint_margin_percent_e8: int
    required_margin_percent_e8: int
    funding_interval_hours: int
    funding_rate_cap_e8: int
    order_types: tuple[str, ...]
    times_in_force: tuple[str, ...]

    def filters(self) -> list[dict[str, object]]:
        """The ``filters`` array of exchangeInfo, in wire form."""
        from engine.sim.usdm.rules import wire_filters

        return wire_filters(self)


class PremiumIndex(msgspec.Struct, frozen=True):
    """Mark and index price now, and funding: ``last_funding_rate_e8`` is the rate that the next settlement would use."""

    symbol: str
    mark_price_e8: int
    index_price_e8: int
    average_mark_price_e8: int
    settle_price_e8: int
    last_funding_rate_e8: int
    interest_rate_e8: int
    next_funding_ns: int
    time_ns: int


class FundingRate(msgspec.Struct, frozen=True):
    """One settled funding (a row of fundingRate)."""

    symbol: str
    rate_e8: int
    time_ns: int
    mark_price_e8: int


class OpenInterest(msgspec.Struct, frozen=True):
    """Open contracts (each once) and their worth at the mark price."""

    symbol: str
    qty_e8: int
    value_e8: int
    time_ns: int


class LongShortRatio(msgspec.Struct, frozen=True):
    """Shares of the long and the short side (0.55 is 55000000) and long by short."""

    symbol: str
    ratio_e8: int
    long_e8: int
    short_e8: int
    time_ns: int


class TakerVolume(msgspec.Struct, frozen=True):
    """What takers bought and sold in one period."""

    symbol: str
    ratio_e8: int
    buy_e8: int
    sell_e8: int
    time_ns: int


class Basis(msgspec.Struct, frozen=True):
    """Futures less index price at the end of a period."""

    pair: str
    index_price_e8: int
    futures_price_e8: int
    basis_e8: int
    basis_rate_e8: int
    time_ns: int
