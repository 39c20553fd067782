"""Accounts: exact balances, open and past orders, own trades. Sums are integers of 1e-8 and always add up."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from engine.sim.api import (
    Account,
    AccountTrade,
    Amendment,
    Balance,
    Fill,
    Order,
    OrderRequest,
    PreventedMatch,
)
from engine.sim.config import AccountConfig, VenueConfig
from engine.sim.decimals import config_e8
from engine.sim.reject import VenueReject, cancel_rejected, neither, new_order_rejected

if TYPE_CHECKING:
    from engine.sim.list_work import ListWork

INSUFFICIENT_BALANCE = "Account has insufficient balance for requested action."


class Holding:
    """One asset of one account."""

    __slots__ = ("free_e8", "locked_e8")

    def __init__(self, free_e8: int) -> None:
        self.free_e8 = free_e8
        self.locked_e8 = 0


class Working:
    """An open order: its public state, its request in the book's units, what of the balance it still holds.

    ``lock_ticks`` is the price at which the lock of a buying order is reckoned; ``price_ticks`` is 0 where the order
    takes any price, ``stop_ticks`` where it has no stop, ``display_lots`` where it shows itself whole.
    ``lock_e8`` may be less than ``needs_e8``: the orders of an OCO share one lock, a pending order has none yet.
    """

    __slots__ = (
        *("amend_count", "display_lots", "fills", "group", "listing_index", "lock_asset", "lock_e8", "lock_ticks"),
        *("lots", "needs_e8", "order", "price_ticks", "request", "stop_ticks"),
    )

    def __init__(self, order: Order, request: OrderRequest, listing_index: int, lock_asset: str) -> None:
        self.order = order
        self.request = request
        self.listing_index = listing_index
        self.lock_asset = lock_asset
        self.lock_e8 = 0
        self.needs_e8 = 0
        self.price_ticks = 0
        self.stop_ticks = 0
        self.lock_ticks = 0
        self.lots = 0
        self.display_lots = 0
        self.amend_count = 0
        self.group: ListWork | None = None
        self.fills: list[Fill] = []


class OrderHistory:
    """An account's orders on one symbol by ascending id; the oldest closed ones are forgotten beyond a bound."""

    def __init__(self, orders_max: int) -> None:
        self.orders_max = orders_max
        self.orders: dict[int, Order] = {}
        self.newest_by_client: dict[str, int] = {}
        self.trades: deque[AccountTrade] = deque(maxlen=orders_max)
        self.amendments: deque[Amendment] = deque(maxlen=orders_max)
        self.prevented: deque[PreventedMatch] = deque(maxlen=orders_max)

    def add(self, order: Order, open_ids: dict[int, Working]) -> None:
        """Remember a new order."""
        self.orders[order.order_id] = order
        self.newest_by_client[order.client_order_id] = order.order_id
        if len(self.orders) > self.orders_max:
            self._forget_oldest(open_ids)

    def _forget_oldest(self, open_ids: dict[int, Working]) -> None:
        oldest = next((order for order_id, order in self.orders.items() if order_id not in open_ids), None)
        if oldest is None:
            return
        del self.orders[oldest.order_id]
        if self.newest_by_client.get(oldest.client_order_id) == oldest.order_id:
            del self.newest_by_client[oldest.client_order_id]

    def rename(self, order: Order, client_order_id: str) -> None:
        """Give an order another client id."""
        if self.newest_by_client.get(order.client_order_id) == order.order_id:
            del self.newest_by_client[order.client_order_id]
        order.client_order_id = client_order_id
        self.newest_by_client[client_order_id] = order.order_id

    def find(self, order_id: int | None, client_order_id: str | None) -> Order | None:
        """The order with an id, or the newest that had a client id."""
        if order_id is None:
            order_id = self.newest_by_client.get(client_order_id or "", -1)
        return self.orders.get(order_id)


class AccountBook:
    """One account of the venue."""

    def __init__(self, account_id: int, account: AccountConfig, config: VenueConfig, assets: list[str]) -> None:
        self.account_id = account_id
        self.name = account.name
        self.can_trade = account.can_trade
        self.maker_bps = config.maker_bps if account.maker_bps is None else account.maker_bps
        self.taker_bps = config.taker_bps if account.taker_bps is None else account.taker_bps
        self.update_ns = 0
        self.open: dict[int, Working] = {}
        self.open_by_client: dict[tuple[str, str], int] = {}
        self.lists: dict[int, ListWork] = {}
        self.open_lists: dict[str, int] = {}
        self._orders_max = config.history_orders_max
        self._history: dict[str, OrderHistory] = {}
        self.holdings = {asset: Holding(0) for asset in [*assets, *account.balances]}
        for asset, amount in account.balances.items():
            self.holdings[asset].free_e8 = config_e8(amount)

    # --- balances ------------------------------------------------------------------------------------------------

    def lock(self, asset: str, amount_e8: int) -> None:
        """Set an amount aside; -2010 when it is not free."""
        holding = self.holdings[asset]
        if holding.free_e8 < amount_e8:
            raise new_order_rejected(INSUFFICIENT_BALANCE)
        holding.free_e8 -= amount_e8
        holding.locked_e8 += amount_e8

    def unlock(self, asset: str, amount_e8: int) -> None:
        """Make a locked amount free again."""
        holding = self.holdings[asset]
        holding.locked_e8 -= amount_e8
        holding.free_e8 += amount_e8

    def balance(self, asset: str) -> Balance:
        """One holding as an answer."""
        holding = self.holdings[asset]
        return Balance(asset, holding.free_e8, holding.locked_e8)

    def view(self) -> Account:
        """The whole account as an answer."""
        return Account(
            self.account_id,
            self.name,
            self.maker_bps,
            self.taker_bps,
            self.can_trade,
            self.update_ns,
            tuple(self.balance(asset) for asset in self.holdings),
        )

    # --- orders --------------------------------------------------------------------------------------------------

    def history(self, symbol: str) -> OrderHistory:
        """Everything past on one symbol."""
        history = self._history.get(symbol)
        if history is None:
            history = self._history[symbol] = OrderHistory(self._orders_max)
        return history

    def add(self, working: Working) -> None:
        """Take an order that the book accepted."""
        order = working.order
        self.open[order.order_id] = working
        self.open_by_client[(order.symbol, order.client_order_id)] = order.order_id
        self.history(order.symbol).add(order, self.open)

    def close(self, working: Working) -> None:
        """Free what an order that is done still holds, and its client id for another order."""
        order = working.order
        del self.open[order.order_id]
        del self.open_by_client[(order.symbol, order.client_order_id)]
        if working.lock_e8:
            self.unlock(working.lock_asset, working.lock_e8)
            working.lock_e8 = 0

    def rename(self, working: Working, client_order_id: str) -> None:
        """Give an open order another client id."""
        order = working.order
        del self.open_by_client[(order.symbol, order.client_order_id)]
        self.history(order.symbol).rename(order, client_order_id)
        self.open_by_client[(order.symbol, client_order_id)] = order.order_id

    def open_on(self, symbol: str) -> list[Order]:
        """The open orders of a symbol, those that wait for their price or another order among them."""
        return [working.order for working in self.open.values() if working.order.symbol == symbol]

    def add_list(self, group: ListWork) -> None:
        """Remember a new order list; the oldest that is done is forgotten beyond the bound."""
        self.lists[group.list_id] = group
        self.open_lists[group.client_id] = group.list_id
        if len(self.lists) > self._orders_max:
            open_ids = set(self.open_lists.values())
            oldest = next((list_id for list_id in self.lists if list_id not in open_ids), None)
            if oldest is not None:
                del self.lists[oldest]

    def find_open(self, symbol: str, order_id: int | None, orig_client_order_id: str | None) -> Working:
        """The open order that a cancel names; -1102, -2011 or -2039."""
        if order_id is None and not orig_client_order_id:
            raise neither("orderId", "origClientOrderId")
        if order_id is None:
            order_id = self.open_by_client.get((symbol, orig_client_order_id or ""), -1)
        working = self.open.get(order_id)
        if working is None or working.order.symbol != symbol:
            raise cancel_rejected()
        if orig_client_order_id and working.order.client_order_id != orig_client_order_id:
            raise VenueReject(-2039, "Client order ID is not correct for this order ID.")
        return working

    def find_list(self, list_id: int | None, client_id: str | None) -> ListWork | None:
        """The list with an id, or the newest that had a client id."""
        if list_id is not None:
            return self.lists.get(list_id)
        if not client_id:
            raise neither("orderListId", "listClientOrderId")
        return next((group for group in reversed(self.lists.values()) if group.client_id == client_id), None)

    def settle(self, working: Working, spent_asset: str, spent_e8: int, lock_used_e8: int) -> None:
        """Pay ``spent_e8`` out of the order's lock, of which ``lock_used_e8`` was held for it; the rest is free."""
        holding = self.holdings[spent_asset]
        working.lock_e8 -= lock_used_e8
        holding.locked_e8 -= lock_used_e8
        holding.free_e8 += lock_used_e8 - spent_e8

    def receive(self, asset: str, amount_e8: int) -> None:
        """Credit an amount."""
        self.holdings[asset].free_e8 += amount_e8


def snapshot(order: Order) -> Order:
    """A copy that later events do not change."""
    return msgspec.structs.replace(order)
