"""Accounts: exact balances, open and past orders, own trades. Sums are integers of 1e-8 and always add up."""

from __future__ import annotations

from collections import deque

import msgspec

from engine.sim.api import Account, AccountTrade, Balance, Fill, Order
from engine.sim.config import AccountConfig, VenueConfig
from engine.sim.decimals import config_e8
from engine.sim.reject import new_order_rejected

INSUFFICIENT_BALANCE = "Account has insufficient balance for requested action."


class Holding:
    """One asset of one account."""

    __slots__ = ("free_e8", "locked_e8")

    def __init__(self, free_e8: int) -> None:
        self.free_e8 = free_e8
        self.locked_e8 = 0


class Working:
    """An open order: its public state, what of the balance it still holds, and the fills of its placement."""

    __slots__ = ("fills", "listing_index", "lock_asset", "lock_e8", "order", "price_ticks")

    def __init__(self, order: Order, listing_index: int, price_ticks: int, lock_asset: str, lock_e8: int) -> None:
        self.order = order
        self.listing_index = listing_index
        self.price_ticks = price_ticks
        self.lock_asset = lock_asset
        self.lock_e8 = lock_e8
        self.fills: list[Fill] = []


class OrderHistory:
    """An account's orders on one symbol by ascending id; the oldest closed ones are forgotten beyond a bound."""

    def __init__(self, orders_max: int) -> None:
        self.orders_max = orders_max
        self.orders: dict[int, Order] = {}
        self.newest_by_client: dict[str, int] = {}
        self.trades: deque[AccountTrade] = deque(maxlen=orders_max)

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

    def open_count(self, symbol: str) -> int:
        """How many orders rest on a symbol."""
        return sum(1 for working in self.open.values() if working.order.symbol == symbol)

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
