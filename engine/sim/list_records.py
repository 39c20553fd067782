"""Order lists, amendments and prevented matches as the venue core takes and tells them; units as in ``engine.sim.api``."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.sim.records import CancelResult, Order, OrderRequest, OrderResult

ListKind = Literal["OCO", "OTO", "OTOCO", "OPO", "OPOCO"]
ContingencyType = Literal["OCO", "OTO"]
ListStatusType = Literal["RESPONSE", "EXEC_STARTED", "UPDATED", "ALL_DONE"]
ListOrderStatus = Literal["EXECUTING", "ALL_DONE", "REJECT"]


class OrderListRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A new order list.

    ``legs``: (above, below) of an OCO; (working, pending) of an OTO or OPO; (working, above, below) of an OTOCO or
    OPOCO. The pending legs of an OPO or OPOCO have no quantity: what the working order brings in is theirs.
    """

    kind: ListKind
    symbol: str
    legs: tuple[OrderRequest, ...]
    list_client_order_id: str | None = None


class ListedOrder(msgspec.Struct, frozen=True):
    """An order of a list."""

    symbol: str
    order_id: int
    client_order_id: str


class OrderList(msgspec.Struct, frozen=True, kw_only=True):
    """An order list as queries and the listStatus event tell it."""

    account_id: int
    order_list_id: int
    contingency_type: ContingencyType
    list_status_type: ListStatusType
    list_order_status: ListOrderStatus
    list_client_order_id: str
    transact_ns: int
    symbol: str
    orders: tuple[ListedOrder, ...]


class OrderListResult(msgspec.Struct, frozen=True):
    """The answer to a new list: the list, and each of its orders as placed."""

    order_list: OrderList
    reports: tuple[OrderResult, ...]


class OrderListCancel(msgspec.Struct, frozen=True):
    """The answer to the cancel of a whole list: only the orders that were still open."""

    order_list: OrderList
    reports: tuple[CancelResult, ...]


class AmendResult(msgspec.Struct, frozen=True):
    """The answer to an amend: the order afterwards, and its list where it is of one."""

    order: Order
    orig_client_order_id: str
    execution_id: int
    transact_ns: int
    order_list: OrderList | None


class Amendment(msgspec.Struct, frozen=True):
    """One past change of an order's quantity."""

    symbol: str
    order_id: int
    execution_id: int
    orig_client_order_id: str
    new_client_order_id: str
    orig_qty_e8: int
    new_qty_e8: int
    time_ns: int


class PreventedMatch(msgspec.Struct, kw_only=True):
    """A trade that self-trade prevention stopped; a quantity is None where the mode left that order alone."""

    symbol: str
    prevented_match_id: int
    taker_order_id: int
    maker_order_id: int
    trade_group_id: int
    stp_mode: str
    price_e8: int
    time_ns: int
    taker_prevented_e8: int | None = None
    maker_prevented_e8: int | None = None
