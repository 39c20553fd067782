"""Events of the venue core, queued in the order in which they happened; units as in ``engine.sim.api``."""

from __future__ import annotations

import msgspec

from engine.sim.list_records import OrderList
from engine.sim.records import Balance, ExecutionType, OrderStatus, OrderType, Side, StpMode, TimeInForce


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One match. ``buyer_order_id`` and ``seller_order_id`` are the venue's order ids."""

    symbol: str
    trade_id: int
    price_e8: int
    qty_e8: int
    time_ns: int
    is_buyer_maker: bool
    buyer_order_id: int
    seller_order_id: int


class AggTrade(msgspec.Struct, frozen=True, gc=False):
    """The fills of one taker at one price; follows the trades that it sums."""

    symbol: str
    agg_id: int
    price_e8: int
    qty_e8: int
    first_trade_id: int
    last_trade_id: int
    time_ns: int
    is_buyer_maker: bool


class BookDelta(msgspec.Struct, frozen=True, gc=False):
    """A level's new total quantity (0: gone). Update ids of a symbol run without a hole, one a delta."""

    symbol: str
    update_id: int
    is_bid: bool
    price_e8: int
    qty_e8: int
    time_ns: int


class TopOfBook(msgspec.Struct, frozen=True, gc=False):
    """Best price or its quantity changed; follows the deltas of the same operation and has the last one's id."""

    symbol: str
    update_id: int
    bid_price_e8: int
    bid_qty_e8: int
    ask_price_e8: int
    ask_qty_e8: int
    time_ns: int


class ExecutionReport(msgspec.Struct, frozen=True, kw_only=True):
    """The user stream's executionReport; wire keys in comments where the name does not tell."""

    account_id: int
    event_ns: int  # E
    symbol: str  # s
    client_order_id: str  # c; on a cancel the cancel's own id
    orig_client_order_id: str  # C; "" but on a cancel or an amend
    side: Side  # S
    type: OrderType  # o
    time_in_force: TimeInForce  # f
    qty_e8: int  # q
    price_e8: int  # p
    execution_type: ExecutionType  # x
    status: OrderStatus  # X
    reject_reason: str  # r
    order_id: int  # i
    last_qty_e8: int  # l
    cum_qty_e8: int  # z
    last_price_e8: int  # L
    commission_e8: int  # n
    commission_asset: str | None  # N
    transact_ns: int  # T
    trade_id: int  # t; -1 when no trade
    execution_id: int  # I
    is_working: bool  # w
    is_maker: bool  # m
    created_ns: int  # O
    cum_quote_e8: int  # Z
    last_quote_e8: int  # Y
    quote_order_qty_e8: int  # Q
    stp_mode: StpMode  # V
    working_ns: int  # W; only sent when > 0
    expiry_reason: str  # eR; only sent when not ""
    order_list_id: int = -1  # g
    strategy_id: int | None = None  # j
    strategy_type: int | None = None  # J
    prevented_match_id: int = -1  # v; this and the next six only sent when >= 0
    prevented_qty_e8: int = 0  # A
    last_prevented_qty_e8: int = 0  # B
    trade_group_id: int = -1  # u
    counter_order_id: int = -1  # U
    prevented_price_e8: int = 0  # pL (pl is last_prevented_qty_e8, pY their product)
    counter_symbol: str = ""  # Cs
    stop_price_e8: int = 0  # P
    iceberg_e8: int = 0  # F
    trailing_delta: int | None = None  # d
    trailing_ns: int = -1  # D; sent with d


class AccountPosition(msgspec.Struct, frozen=True):
    """outboundAccountPosition: the balances that may have changed."""

    account_id: int
    event_ns: int
    update_ns: int
    balances: tuple[Balance, ...]


class BalanceUpdate(msgspec.Struct, frozen=True):
    """balanceUpdate: a deposit or withdrawal of ``delta_e8``."""

    account_id: int
    event_ns: int
    asset: str
    delta_e8: int


class ListStatus(msgspec.Struct, frozen=True):
    """listStatus: an order list began, changed or ended; ``reject_reason`` is the wire's ``r``."""

    account_id: int
    event_ns: int
    order_list: OrderList
    reject_reason: str = "NONE"


VenueEvent = Trade | AggTrade | BookDelta | TopOfBook | ExecutionReport | AccountPosition | BalanceUpdate | ListStatus
