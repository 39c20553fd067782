"""One account's futures: wallet, positions, settings, open and past orders. Money is exact integers of 1e-8.

``wallet_e8`` is all the account has, the wallets of its isolated positions included. A position keeps what it was
bought for (``cost_e8``, with the sign of ``qty_e8``), not an average price, so that realised profit adds up exactly:
a part closed takes its share of the cost, rounded towards zero, and the rest keeps the remainder.
"""

from __future__ import annotations

from collections import deque

import msgspec

from engine.sim.decimals import E8
from engine.sim.usdm.records import (
    AlgoOrder,
    Amendment,
    ForcedOrder,
    Income,
    MarginChange,
    MarginType,
    PositionSide,
    Side,
    UsdmOrder,
    UserTrade,
)

POSITION_SIDES: tuple[PositionSide, ...] = ("BOTH", "LONG", "SHORT")


class Holding:
    """A position of one account; ``fees_e8`` is the commission of what is still open (for the break-even price)."""

    __slots__ = (
        "cost_e8",
        "fees_e8",
        "isolated_wallet_e8",
        "position_side",
        "qty_e8",
        "realized_e8",
        "symbol",
        "update_ns",
    )

    def __init__(self, symbol: str, position_side: PositionSide) -> None:
        self.symbol = symbol
        self.position_side: PositionSide = position_side
        self.qty_e8 = 0
        self.cost_e8 = 0
        self.fees_e8 = 0
        self.realized_e8 = 0
        self.isolated_wallet_e8 = 0
        self.update_ns = 0

    def unrealized_e8(self, mark_price_e8: int) -> int:
        """Profit at the mark price, rounded down."""
        return self.qty_e8 * mark_price_e8 // E8 - self.cost_e8

    def notional_e8(self, mark_price_e8: int) -> int:
        """Absolute worth at the mark price, rounded up."""
        return -(-abs(self.qty_e8) * mark_price_e8 // E8)

    def entry_price_e8(self) -> int:
        """Average entry price, rounded half up."""
        return _per_unit(abs(self.cost_e8), abs(self.qty_e8))

    def break_even_price_e8(self) -> int:
        """The entry price with its commission."""
        signed = self.fees_e8 if self.qty_e8 > 0 else -self.fees_e8
        return _per_unit(abs(self.cost_e8) + signed, abs(self.qty_e8))

    def closing_side(self) -> Side | None:
        """The side of an order that makes it smaller; None without a position."""
        if not self.qty_e8:
            return None
        return "SELL" if self.qty_e8 > 0 else "BUY"

    def add(self, delta_e8: int, price_e8: int, fee_e8: int) -> int:
        """Take a fill (``delta_e8`` negative for a sale); returns the realised profit before fees.

        A fill that turns the position round closes it and opens the rest. Prices are on the tick and quantities on
        the step, so that quote amounts are whole numbers of 1e-8.
        """
        closing_e8 = min(abs(delta_e8), abs(self.qty_e8)) if delta_e8 * self.qty_e8 < 0 else 0
        profit_e8 = self._close(closing_e8, price_e8) if closing_e8 else 0
        opening_e8 = abs(delta_e8) - closing_e8
        if opening_e8:
            signed_e8 = opening_e8 if delta_e8 > 0 else -opening_e8
            self.qty_e8 += signed_e8
            self.cost_e8 += signed_e8 * price_e8 // E8
            self.fees_e8 += fee_e8 * opening_e8 // abs(delta_e8)
        self.realized_e8 += profit_e8
        return profit_e8

    def _close(self, closing_e8: int, price_e8: int) -> int:
        held_e8 = abs(self.qty_e8)
        sign = 1 if self.qty_e8 > 0 else -1
        cost_part_e8 = sign * (abs(self.cost_e8) * closing_e8 // held_e8)
        self.fees_e8 -= self.fees_e8 * closing_e8 // held_e8
        self.cost_e8 -= cost_part_e8
        self.qty_e8 -= sign * closing_e8
        return sign * (closing_e8 * price_e8 // E8) - cost_part_e8


def _per_unit(amount_e8: int, qty_e8: int) -> int:
    return (2 * amount_e8 * E8 + qty_e8) // (2 * qty_e8) if qty_e8 else 0


class Settings:
    """What an account chose for one contract."""

    __slots__ = ("leverage", "margin_type")

    def __init__(self, leverage: int) -> None:
        self.leverage = leverage
        self.margin_type: MarginType = "CROSSED"


class Working:
    """An open order and its place in the book. ``held_back_lots`` of a reduce-only order are not in the book,
    because the position is smaller than the order."""

    __slots__ = (
        "auto_close",
        "expire_as",
        "held_back_lots",
        "is_moving",
        "is_new",
        "is_refused",
        "leaves_lots",
        "listing_index",
        "modify_count",
        "order",
    )

    def __init__(self, order: UsdmOrder, listing_index: int, leaves_lots: int, held_back_lots: int = 0) -> None:
        self.order = order
        self.listing_index = listing_index
        self.leaves_lots = leaves_lots
        self.held_back_lots = held_back_lots
        self.auto_close = ""  # LIQUIDATION for a forced order
        self.expire_as: str | None = None  # the expiry reason, when the venue is about to take it out
        self.is_new = True
        self.is_moving = False
        self.is_refused = False
        self.modify_count = 0


class OrderHistory:
    """An account's orders on one contract by ascending id; the oldest closed ones are forgotten beyond a bound."""

    def __init__(self, orders_max: int) -> None:
        self.orders_max = orders_max
        self.orders: dict[int, UsdmOrder] = {}
        self.newest_by_client: dict[str, int] = {}

    def add(self, order: UsdmOrder, open_ids: dict[int, Working]) -> None:
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

    def find(self, order_id: int | None, client_order_id: str | None) -> UsdmOrder | None:
        """The order with an id, or the newest that had a client id."""
        if order_id is None:
            order_id = self.newest_by_client.get(client_order_id or "", -1)
        return self.orders.get(order_id)


class UsdmBook:
    """One account of the futures venue."""

    def __init__(
        self, account_id: int, name: str, can_trade: bool, wallet_e8: int, orders_max: int, income_max: int
    ) -> None:
        self.account_id = account_id
        self.name = name
        self.can_trade = can_trade
        self.wallet_e8 = wallet_e8
        self.dual_side = False
        self.update_ns = 0
        self.holdings: dict[tuple[str, PositionSide], Holding] = {}
        self.settings: dict[str, Settings] = {}
        self.open: dict[int, Working] = {}
        self.open_by_client: dict[tuple[str, str], int] = {}
        self.algos: dict[int, AlgoOrder] = {}
        self.countdowns: dict[str, int] = {}
        self.warned: set[tuple[str, PositionSide] | None] = set()  # who was sent MARGIN_CALL; None is crossed margin
        self._orders_max = orders_max
        self._history: dict[str, OrderHistory] = {}
        self.trades: deque[UserTrade] = deque(maxlen=orders_max)
        self.income: deque[Income] = deque(maxlen=income_max)
        self.margin_changes: deque[MarginChange] = deque(maxlen=orders_max)
        self.amendments: deque[Amendment] = deque(maxlen=orders_max)
        self.forced: deque[ForcedOrder] = deque(maxlen=orders_max)
        self.algo_history: dict[int, AlgoOrder] = {}

    def list_contract(self, symbol: str, leverage: int) -> None:
        """Make room for positions in a contract."""
        self.settings[symbol] = Settings(leverage)
        for side in POSITION_SIDES:
            self.holdings[(symbol, side)] = Holding(symbol, side)

    def is_isolated(self, holding: Holding) -> bool:
        """Whether a position has a wallet of its own."""
        return self.settings[holding.symbol].margin_type == "ISOLATED"

    def cross_wallet_e8(self) -> int:
        """The wallet without those of isolated positions."""
        return self.wallet_e8 - sum(holding.isolated_wallet_e8 for holding in self.holdings.values())

    def held(self, symbol: str | None = None) -> list[Holding]:
        """Positions that are not empty."""
        return [h for h in self.holdings.values() if h.qty_e8 and (symbol is None or h.symbol == symbol)]

    def holding_of(self, order: UsdmOrder) -> Holding:
        """The position that an order changes."""
        return self.holdings[(order.symbol, order.position_side)]

    def fill(self, holding: Holding, delta_e8: int, price_e8: int, fee_e8: int, now_ns: int) -> int:
        """Settle a fill into the position and the wallet; returns the realised profit.

        An isolated position takes notional / leverage (rounded up) of what it opens into its own wallet, gives back
        its share of it for what it closes, and pays a loss beyond that share from what is left in it.
        """
        held_before_e8 = abs(holding.qty_e8)
        closing_e8 = min(abs(delta_e8), held_before_e8) if delta_e8 * holding.qty_e8 < 0 else 0
        profit_e8 = holding.add(delta_e8, price_e8, fee_e8)
        self.wallet_e8 += profit_e8 - fee_e8
        if self.is_isolated(holding):
            if closing_e8:
                self._release(holding, closing_e8, held_before_e8, profit_e8)
            opening_e8 = (abs(delta_e8) - closing_e8) * price_e8 // E8
            holding.isolated_wallet_e8 += -(-opening_e8 // self.settings[holding.symbol].leverage)
        holding.update_ns = self.update_ns = now_ns
        return profit_e8

    @staticmethod
    def _release(holding: Holding, closing_e8: int, held_before_e8: int, profit_e8: int) -> None:
        share_e8 = holding.isolated_wallet_e8 * closing_e8 // held_before_e8
        holding.isolated_wallet_e8 -= share_e8
        beyond_e8 = max(0, -profit_e8 - share_e8)
        holding.isolated_wallet_e8 -= min(beyond_e8, holding.isolated_wallet_e8)

    # --- orders --------------------------------------------------------------------------------------------------

    def history(self, symbol: str) -> OrderHistory:
        """Everything past on one contract."""
        history = self._history.get(symbol)
        if history is None:
            history = self._history[symbol] = OrderHistory(self._orders_max)
        return history

    def add(self, working: Working) -> None:
        """Take an order that the book accepted."""
        order = working.order
        working.is_new = False
        self.open[order.order_id] = working
        self.open_by_client[(order.symbol, order.client_order_id)] = order.order_id
        self.history(order.symbol).add(order, self.open)

    def close(self, working: Working) -> None:
        """An order is done; its client id is free again."""
        order = working.order
        del self.open[order.order_id]
        del self.open_by_client[(order.symbol, order.client_order_id)]

    def open_on(self, symbol: str) -> list[Working]:
        """Open orders on a contract, oldest first."""
        return [working for working in self.open.values() if working.order.symbol == symbol]

    def reducing(self, holding: Holding) -> list[Working]:
        """Resting reduce-only orders of a position."""
        return [w for w in self.resting(holding) if w.order.reduce_only]

    def resting(self, holding: Holding) -> list[Working]:
        """Orders of a position that are in the book."""
        workings = (w for w in self.open.values() if not w.is_moving and not w.auto_close)
        return [w for w in workings if self.holding_of(w.order) is holding]

    def remember_algo(self, algo: AlgoOrder) -> None:
        """Keep a new conditional order, for queries also when it is done."""
        self.algos[algo.algo_id] = algo
        self.algo_history[algo.algo_id] = algo
        if len(self.algo_history) > self._orders_max:
            oldest = next((number for number in self.algo_history if number not in self.algos), None)
            if oldest is not None:
                del self.algo_history[oldest]


def snapshot(order: UsdmOrder) -> UsdmOrder:
    """A copy that later events do not change."""
    return msgspec.structs.replace(order)
