"""Events of the USD-M core, queued in the order in which they happened; units as in ``engine.sim.usdm.api``.

Public trades, aggregate trades, level changes and the top of the book are spot's classes (``engine.sim.events``). An
update id belongs to one level change; the wire gathers them to ``U``, ``u`` and links batches by ``pu``.
"""

from __future__ import annotations

import msgspec

from engine.sim.events import AggTrade, BookDelta, TopOfBook, Trade
from engine.sim.usdm.records import AlgoOrder, ExecutionType, MarginType, PositionSide, UsdmOrder


class OrderTradeUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """ORDER_TRADE_UPDATE; ``order`` is the order's state just after. TRADE_LITE follows from those of type TRADE."""

    account_id: int
    event_ns: int  # E and T
    order: UsdmOrder  # s c S o f q p ap sp X i z ot ps cp R wt AP cr pP V pm gtd er
    execution_type: ExecutionType  # x
    last_qty_e8: int = 0  # l
    last_price_e8: int = 0  # L
    commission_e8: int = 0  # n, only with a trade
    commission_asset: str = ""  # N, only with a trade
    trade_id: int = 0  # t
    is_maker: bool = False  # m
    realized_pnl_e8: int = 0  # rp
    bid_notional_e8: int = 0  # b
    ask_notional_e8: int = 0  # a
    modify_id: int | None = None  # M, only with AMENDMENT


class BalanceChange(msgspec.Struct, frozen=True):
    """A row of ACCOUNT_UPDATE ``B``. ``change_e8`` leaves out profit and fees."""

    asset: str  # a
    wallet_e8: int  # wb
    cross_wallet_e8: int  # cw
    change_e8: int  # bc


class PositionChange(msgspec.Struct, frozen=True):
    """A row of ACCOUNT_UPDATE ``P``. The wire writes ``margin_type`` as cross or isolated."""

    symbol: str  # s
    qty_e8: int  # pa
    entry_price_e8: int  # ep
    break_even_price_e8: int  # bep
    realized_e8: int  # cr, accumulated before fees
    unrealized_e8: int  # up
    margin_type: MarginType  # mt
    isolated_wallet_e8: int  # iw
    position_side: PositionSide  # ps


class AccountUpdate(msgspec.Struct, frozen=True):
    """ACCOUNT_UPDATE: only what changed. ``reason`` is the wire's ``m``; ``symbol`` (``S``) only with FUNDING_FEE."""

    account_id: int
    event_ns: int
    reason: str
    balances: tuple[BalanceChange, ...]
    positions: tuple[PositionChange, ...]
    symbol: str = ""


class AlgoUpdate(msgspec.Struct, frozen=True):
    """ALGO_UPDATE; ``algo`` is the conditional order's state just after."""

    account_id: int
    event_ns: int
    algo: AlgoOrder


class AccountConfigUpdate(msgspec.Struct, frozen=True):
    """ACCOUNT_CONFIG_UPDATE after a change of leverage."""

    account_id: int
    event_ns: int
    symbol: str
    leverage: int


class MarginCallPosition(msgspec.Struct, frozen=True):
    """A row of MARGIN_CALL ``p``."""

    symbol: str  # s
    position_side: PositionSide  # ps
    qty_e8: int  # pa
    margin_type: MarginType  # mt
    isolated_wallet_e8: int  # iw
    mark_price_e8: int  # mp
    unrealized_e8: int  # up
    maint_margin_e8: int  # mm


class MarginCall(msgspec.Struct, frozen=True):
    """MARGIN_CALL: the margin of these positions is nearly used up. ``cross_wallet_e8`` only for crossed ones."""

    account_id: int
    event_ns: int
    cross_wallet_e8: int  # cw
    positions: tuple[MarginCallPosition, ...]


class MarkPriceUpdate(msgspec.Struct, frozen=True):
    """markPriceUpdate, once a second and symbol."""

    symbol: str
    event_ns: int
    mark_price_e8: int  # p
    average_mark_price_e8: int  # ap
    index_price_e8: int  # i
    settle_price_e8: int  # P
    funding_rate_e8: int  # r
    next_funding_ns: int  # T


class ForceOrder(msgspec.Struct, frozen=True):
    """forceOrder: a liquidation order had its fills; ``order`` is its state just after."""

    event_ns: int
    order: UsdmOrder  # S o f q p ap X z
    last_qty_e8: int  # l


class ContractInfo(msgspec.Struct, frozen=True):
    """contractInfo: a contract's status changed."""

    symbol: str
    event_ns: int
    status: str


UsdmEvent = (
    Trade
    | AggTrade
    | BookDelta
    | TopOfBook
    | OrderTradeUpdate
    | AccountUpdate
    | AlgoUpdate
    | AccountConfigUpdate
    | MarginCall
    | MarkPriceUpdate
    | ForceOrder
    | ContractInfo
)
