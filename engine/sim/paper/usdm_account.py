"""A USD-M paper account to rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from engine.book.matching import OpKind
from engine.sim.paper.core import PaperUsdmCore
from engine.sim.paper.rows import ConditionalOrder, FuturesOrder, FuturesTrade, HoldingRow, Row, UsdmWallet
from engine.sim.reject import VenueReject
from engine.sim.usdm.events import AccountConfigUpdate, AccountUpdate, AlgoUpdate, OrderTradeUpdate
from engine.sim.usdm.form import BOOK_LIMIT, BOOK_SIDES, BOOK_STP, BOOK_TIF
from engine.sim.usdm.holdings import UsdmBook, Working
from engine.sim.usdm.records import AlgoOrder, MarginType, PositionSide, UsdmOrder

OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
OWN_EVENTS = (OrderTradeUpdate, AccountUpdate, AlgoUpdate, AccountConfigUpdate)


class UsdmAccount:
    """The one account of a paper venue for USD-M futures."""

    market = "usdm"

    def __init__(self, core: PaperUsdmCore) -> None:
        self._core = core
        self._book: UsdmBook = core.entry.account(1)

    def rows_of(self, events: Sequence[object]) -> list[Row]:
        """What events changed."""
        rows: list[Row] = []
        for event in events:
            if isinstance(event, OrderTradeUpdate):
                rows.append(FuturesOrder(event.order))
                if event.execution_type == "TRADE":
                    rows += [FuturesTrade(row) for row in self._book.trades if row.trade_id == event.trade_id]
            elif isinstance(event, AlgoUpdate):
                rows.append(ConditionalOrder(event.algo))
        if any(isinstance(event, OWN_EVENTS) for event in events):
            rows.append(self._wallet())
        return rows

    def _wallet(self) -> UsdmWallet:
        holdings = [
            HoldingRow(
                row.symbol,
                row.position_side,
                row.qty_e8,
                row.cost_e8,
                row.fees_e8,
                row.realized_e8,
                row.isolated_wallet_e8,
            )
            for row in self._book.holdings.values()
            if row.qty_e8 or row.realized_e8 or row.isolated_wallet_e8
        ]
        settings = {symbol: (row.leverage, str(row.margin_type)) for symbol, row in self._book.settings.items()}
        return UsdmWallet(self._book.wallet_e8, self._book.dual_side, holdings, settings)

    def image(self) -> Iterator[Row]:
        """Everything that is known of the account."""
        yield from (FuturesTrade(trade) for trade in self._book.trades)
        for symbol in self._core.paper_floor.by_symbol:
            yield from (FuturesOrder(order) for order in self._book.history(symbol).orders.values())
        yield from (ConditionalOrder(algo) for algo in self._book.algo_history.values())
        yield self._wallet()

    def restore(self, rows: Iterable[Row], now_ns: int) -> None:
        """Make the account what the rows say."""
        orders: dict[int, UsdmOrder] = {}
        algos: dict[int, AlgoOrder] = {}
        trade_id = 0
        for row in rows:
            if isinstance(row, FuturesOrder):
                orders[row.order.order_id] = row.order
            elif isinstance(row, ConditionalOrder):
                algos[row.algo.algo_id] = row.algo
            elif isinstance(row, FuturesTrade):
                trade_id = max(trade_id, row.trade.trade_id)
                self._book.trades.append(row.trade)
            elif isinstance(row, UsdmWallet):
                self._take_wallet(row)
        floor = self._core.paper_floor
        floor.next_order_id = max(orders, default=0) + 1
        floor.resume_trade_ids(trade_id + 1)
        for order in sorted(orders.values(), key=lambda row: row.order_id):
            if order.symbol in floor.by_symbol:
                self._take_up(order, now_ns)
        self._core.algo_service.resume(
            self._book, [algo for algo in algos.values() if algo.symbol in floor.by_symbol], now_ns
        )

    def _take_wallet(self, row: UsdmWallet) -> None:
        book = self._book
        book.wallet_e8, book.dual_side = row.wallet_e8, row.dual_side
        for holding in book.holdings.values():
            holding.qty_e8 = holding.cost_e8 = holding.fees_e8 = holding.realized_e8 = holding.isolated_wallet_e8 = 0
        for held in row.holdings:
            found = book.holdings.get((held.symbol, cast(PositionSide, held.position_side)))
            if found is not None:
                found.qty_e8, found.cost_e8, found.fees_e8 = held.qty_e8, held.cost_e8, held.fees_e8
                found.realized_e8, found.isolated_wallet_e8 = held.realized_e8, held.isolated_wallet_e8
        for symbol, (leverage, margin_type) in row.settings.items():
            if symbol in book.settings:
                book.settings[symbol].leverage = leverage
                book.settings[symbol].margin_type = cast(MarginType, margin_type)

    def _take_up(self, order: UsdmOrder, now_ns: int) -> None:
        if order.status in OPEN:
            if self._resume(order):
                return
            order.status, order.updated_ns = "EXPIRED", now_ns
        history = self._book.history(order.symbol)
        history.orders[order.order_id] = order
        history.newest_by_client[order.client_order_id] = order.order_id

    def _resume(self, order: UsdmOrder) -> bool:
        """Let an order stand as it stood, at the end of its queue; False where it has nothing to reduce any more."""
        core, floor = self._core, self._core.paper_floor
        listing = floor.by_symbol[order.symbol]
        try:
            lots, held_back = core.drafter.book_lots(self._book, listing, order)
        except VenueReject:
            return False
        working = Working(order, listing.index, lots, held_back)
        floor.watched[order.order_id] = working
        self._book.add(working)
        tif, flags = BOOK_TIF[order.time_in_force]
        floor.recorded.submit(
            int(OpKind.OP_NEW), BOOK_SIDES[order.side], BOOK_LIMIT, tif, listing.index, order.account_id, order.order_id,
            order.price_e8 // listing.tick_e8, lots, flags, BOOK_STP[order.stp_mode],
        )  # fmt: skip
        floor.recorded.events()
        core.entry.watch_time(self._book, working)
        return True
