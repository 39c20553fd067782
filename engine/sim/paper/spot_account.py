"""A spot paper account to rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.book.matching import OpKind
from engine.sim.accounts import AccountBook, Working
from engine.sim.draft import Draft
from engine.sim.events import BalanceUpdate, ExecutionReport
from engine.sim.floor import BUY, SELL
from engine.sim.order_form import BOOK_FORM, BOOK_STP, CONDITIONAL
from engine.sim.paper.core import PaperCore
from engine.sim.paper.rows import Row, SpotBalances, SpotOrder, SpotTrade
from engine.sim.records import Order, OrderRequest
from engine.sim.reject import VenueReject

OPEN = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_NEW"})
ENDED_BY_RESTART = "RESTART"


class SpotAccount:
    """The one account of a paper venue for spot."""

    market = "spot"

    def __init__(self, core: PaperCore) -> None:
        self._core = core
        self._book: AccountBook = core.entry.account(1)

    def rows_of(self, events: Sequence[object]) -> list[Row]:
        """What events changed."""
        rows: list[Row] = []
        for event in events:
            if isinstance(event, ExecutionReport):
                history = self._book.history(event.symbol)
                order = history.orders.get(event.order_id)
                if order is not None:
                    rows.append(SpotOrder(order))
                if event.trade_id >= 0:
                    rows += [SpotTrade(row) for row in history.trades if row.trade_id == event.trade_id]
        if rows or any(isinstance(event, BalanceUpdate) for event in events):
            rows.append(self._balances())
        return rows

    def _balances(self) -> SpotBalances:
        return SpotBalances({name: row.free_e8 + row.locked_e8 for name, row in self._book.holdings.items()})

    def image(self) -> Iterator[Row]:
        """Everything that is known of the account."""
        for listing in self._core.paper_floor.listings:
            history = self._book.history(listing.symbol)
            yield from (SpotTrade(trade) for trade in history.trades)
            yield from (SpotOrder(order) for order in history.orders.values())
        yield self._balances()

    def restore(self, rows: Iterable[Row], now_ns: int) -> None:
        """Make the account what the rows say. Orders of lists, whose other legs cannot be taken up again, end expired."""
        orders: dict[int, Order] = {}
        trade_id = 0
        for row in rows:
            if isinstance(row, SpotOrder):
                orders[row.order.order_id] = row.order
            elif isinstance(row, SpotTrade):
                trade_id = max(trade_id, row.trade.trade_id)
                if row.trade.symbol in self._core.paper_floor.by_symbol:
                    self._book.history(row.trade.symbol).trades.append(row.trade)
            elif isinstance(row, SpotBalances):
                for asset, total_e8 in row.totals_e8.items():
                    if asset in self._book.holdings:
                        self._book.holdings[asset].free_e8 = total_e8
        floor = self._core.paper_floor
        floor.next_order_id = max(orders, default=0) + 1
        floor.resume_trade_ids(trade_id + 1)
        for order in sorted(orders.values(), key=lambda row: row.order_id):
            if order.symbol in floor.by_symbol:
                self._take_up(order, now_ns)

    def _take_up(self, order: Order, now_ns: int) -> None:
        history = self._book.history(order.symbol)
        if order.status in OPEN:
            if order.order_list_id == -1 and self._resume(order, now_ns):
                return
            order.status, order.expiry_reason, order.updated_ns = "EXPIRED", ENDED_BY_RESTART, now_ns
        history.orders[order.order_id] = order
        history.newest_by_client[order.client_order_id] = order.order_id

    def _resume(self, order: Order, now_ns: int) -> bool:
        """Let an order stand as it stood, at the end of its queue; False where it cannot."""
        entry, floor = self._core.entry, self._core.paper_floor
        listing = floor.by_symbol[order.symbol]
        lots = (order.qty_e8 - order.executed_e8 - order.prevented_e8) // listing.step_e8
        price_ticks = order.price_e8 // listing.tick_e8
        is_buy = order.side == "BUY"
        lock_ticks = price_ticks or (order.stop_price_e8 or listing.tape.last_price_e8) // listing.tick_e8
        lock_e8 = listing.quote_e8(lock_ticks, lots) if is_buy else lots * listing.step_e8
        working = Working(
            order, request_of(order), listing.index, listing.rules.quote if is_buy else listing.rules.base
        )
        draft = Draft(working.request, BUY if is_buy else SELL, price_ticks, lots, lock_e8)
        draft.lock_ticks, draft.stop_ticks = lock_ticks, order.stop_price_e8 // listing.tick_e8
        draft.display_lots = order.iceberg_e8 // listing.step_e8
        draft.apply(working)
        try:
            entry.lock(self._book, working, lock_e8)
        except VenueReject:
            return False
        floor.watched[order.order_id] = working
        self._book.add(working)
        if order.type in CONDITIONAL and not order.is_working:
            entry.triggers[listing.index].add(working, listing.tape.last_price_e8 // listing.tick_e8, now_ns)
            return True
        kind, tif, flags = BOOK_FORM[(order.type, order.time_in_force)]
        floor.recorded.submit(
            int(OpKind.OP_NEW), BUY if is_buy else SELL, kind, tif, listing.index, order.account_id, order.order_id,
            price_ticks, lots, flags, BOOK_STP[order.stp_mode],
        )  # fmt: skip
        floor.recorded.events()
        return True


def request_of(order: Order) -> OrderRequest:
    """The request of an order that is known."""
    return OrderRequest(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        quantity_e8=order.qty_e8,
        price_e8=order.price_e8 or None,
        client_order_id=order.client_order_id,
        stop_price_e8=order.stop_price_e8 or None,
        trailing_delta=order.trailing_delta,
        iceberg_qty_e8=order.iceberg_e8 or None,
        stp_mode=order.stp_mode,
        strategy_id=order.strategy_id,
        strategy_type=order.strategy_type,
    )
