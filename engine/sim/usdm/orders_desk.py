"""Orders of the USD-M core: single, in batches, conditional, on a countdown; and what is known of past ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from engine.sim.reject import VenueReject
from engine.sim.usdm.assembly import Assembly
from engine.sim.usdm.holdings import UsdmBook, Working, snapshot
from engine.sim.usdm.queries import in_window
from engine.sim.usdm.records import (
    AlgoOrder,
    AlgoRequest,
    Amendment,
    ForcedOrder,
    ModifyRequest,
    Refusal,
    UsdmOrder,
    UsdmOrderRequest,
    UserTrade,
)
from engine.sim.usdm.rejects import neither, no_order, unknown_order
from engine.sim.usdm.reports import algo_snapshot

T = TypeVar("T")


class OrdersDesk(Assembly):
    """Methods are documented in ``UsdmVenue``."""

    # --- one order -----------------------------------------------------------------------------------------------

    def place(self, account_id: int, request: UsdmOrderRequest, now_ns: int) -> UsdmOrder:
        self.advance(now_ns)
        book = self._entry.account(account_id)
        return snapshot(self._entry.place(book, request, self._now_ns).order)

    def check(self, account_id: int, request: UsdmOrderRequest, now_ns: int) -> UsdmOrder:
        self.advance(now_ns)
        listing = self._floor.listing(request.symbol)
        return self._drafter.draft(self._entry.account(account_id), listing, request, self._now_ns).working.order

    def modify(self, account_id: int, request: ModifyRequest, now_ns: int) -> UsdmOrder:
        self.advance(now_ns)
        book = self._entry.account(account_id)
        self._floor.listing(request.symbol)
        working = _find(book, request.symbol, request.order_id, request.orig_client_order_id)
        if working is None:
            raise no_order()
        return self._amender.modify(book, working, request, self._now_ns)

    def cancel(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
    ) -> UsdmOrder:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._entry.account(account_id)
        working = _find(book, symbol, order_id, orig_client_order_id)
        if working is None:
            raise unknown_order()
        return self._entry.cancel(book, working, self._now_ns)

    def cancel_all(self, account_id: int, symbol: str, now_ns: int) -> list[UsdmOrder]:
        self.advance(now_ns)
        self._floor.listing(symbol)
        return self._cancel_all(self._entry.account(account_id), symbol, self._now_ns)

    def _cancel_all(self, book: UsdmBook, symbol: str, now_ns: int) -> list[UsdmOrder]:
        return [
            self._entry.cancel(book, working, now_ns)
            for working in book.open_on(symbol)
            if working.order.order_id in book.open  # a reduce-only order may expire when another is cancelled
        ]

    # --- several -------------------------------------------------------------------------------------------------

    def place_batch(
        self, account_id: int, requests: Sequence[UsdmOrderRequest], now_ns: int
    ) -> list[UsdmOrder | Refusal]:
        return _each(requests, lambda request: self.place(account_id, request, now_ns))

    def modify_batch(
        self, account_id: int, requests: Sequence[ModifyRequest], now_ns: int
    ) -> list[UsdmOrder | Refusal]:
        return _each(requests, lambda request: self.modify(account_id, request, now_ns))

    def cancel_batch(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        order_ids: Sequence[int] = (),
        orig_client_order_ids: Sequence[str] = (),
    ) -> list[UsdmOrder | Refusal]:
        if order_ids:
            return _each(order_ids, lambda number: self.cancel(account_id, symbol, now_ns, order_id=number))
        return _each(
            orig_client_order_ids, lambda name: self.cancel(account_id, symbol, now_ns, orig_client_order_id=name)
        )

    def countdown_cancel_all(self, account_id: int, symbol: str, countdown_ns: int, now_ns: int) -> None:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._entry.account(account_id)
        book.countdowns.pop(symbol, None)
        if countdown_ns > 0:
            deadline_ns = self._now_ns + countdown_ns
            book.countdowns[symbol] = deadline_ns
            self._timers.at(deadline_ns, lambda due_ns: self._end_countdown(book, symbol, due_ns))

    def _end_countdown(self, book: UsdmBook, symbol: str, now_ns: int) -> None:
        """Cancel all, unless a later call moved or stopped this countdown."""
        if book.countdowns.get(symbol) == now_ns:
            del book.countdowns[symbol]
            self._cancel_all(book, symbol, now_ns)

    # --- what is known of orders ---------------------------------------------------------------------------------

    def order_status(
        self, account_id: int, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> UsdmOrder:
        self._floor.listing(symbol)
        if order_id is None and not orig_client_order_id:
            raise neither("orderId", "origClientOrderId")
        order = self._entry.account(account_id).history(symbol).find(order_id, orig_client_order_id)
        if order is None:
            raise no_order()
        return snapshot(order)

    def open_order(
        self, account_id: int, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> UsdmOrder:
        self._floor.listing(symbol)
        working = _find(self._entry.account(account_id), symbol, order_id, orig_client_order_id)
        if working is None:
            raise no_order()
        return snapshot(working.order)

    def open_orders(self, account_id: int, symbol: str | None = None) -> list[UsdmOrder]:
        if symbol is not None:
            self._floor.listing(symbol)
        orders = [working.order for working in self._entry.account(account_id).open.values()]
        return [snapshot(order) for order in orders if symbol in (None, order.symbol)]

    def all_orders(
        self,
        account_id: int,
        symbol: str,
        *,
        order_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[UsdmOrder]:
        self._floor.listing(symbol)
        rows = self._entry.account(account_id).history(symbol).orders.values()
        if order_id is not None:
            return [snapshot(order) for order in rows if order.order_id >= order_id][:limit]
        return [snapshot(order) for order in in_window(rows, lambda row: row.created_ns, start_ns, end_ns, limit)]

    def user_trades(
        self,
        account_id: int,
        symbol: str | None = None,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[UserTrade]:
        if symbol is not None:
            self._floor.listing(symbol)
        rows = [
            row
            for row in self._entry.account(account_id).trades
            if symbol in (None, row.symbol) and order_id in (None, row.order_id)
        ]
        if from_id is not None:
            return [row for row in rows if row.trade_id >= from_id][:limit]
        return in_window(rows, lambda row: row.time_ns, start_ns, end_ns, limit)

    def force_orders(
        self,
        account_id: int,
        symbol: str | None = None,
        *,
        auto_close_type: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 50,
    ) -> list[ForcedOrder]:
        rows = [
            row
            for row in self._entry.account(account_id).forced
            if symbol in (None, row.order.symbol) and auto_close_type in (None, row.auto_close_type)
        ]
        return in_window(rows, lambda row: row.order.created_ns, start_ns, end_ns, limit)

    def amendments(
        self,
        account_id: int,
        symbol: str,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 50,
    ) -> list[Amendment]:
        self._floor.listing(symbol)
        rows = [
            row
            for row in self._entry.account(account_id).amendments
            if row.symbol == symbol
            and order_id in (None, row.order_id)
            and orig_client_order_id in (None, row.client_order_id)
        ]
        return in_window(rows, lambda row: row.time_ns, start_ns, end_ns, limit)

    # --- conditional orders --------------------------------------------------------------------------------------

    def place_algo(self, account_id: int, request: AlgoRequest, now_ns: int) -> AlgoOrder:
        self.advance(now_ns)
        return algo_snapshot(self._algos.place(self._entry.account(account_id), request, self._now_ns))

    def cancel_algo(
        self, account_id: int, now_ns: int, *, algo_id: int | None = None, client_algo_id: str | None = None
    ) -> AlgoOrder:
        self.advance(now_ns)
        book = self._entry.account(account_id)
        algo = _find_algo(book.algos.values(), algo_id, client_algo_id)
        if algo is None:
            raise unknown_order()
        self._algos.cancel(book, algo, self._now_ns)
        return algo_snapshot(algo)

    def cancel_all_algos(self, account_id: int, symbol: str, now_ns: int) -> list[AlgoOrder]:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._entry.account(account_id)
        algos = [algo for algo in book.algos.values() if algo.symbol == symbol]
        for algo in algos:
            self._algos.cancel(book, algo, self._now_ns)
        return [algo_snapshot(algo) for algo in algos]

    def algo_order(
        self, account_id: int, *, algo_id: int | None = None, client_algo_id: str | None = None
    ) -> AlgoOrder:
        newest_first = reversed(self._entry.account(account_id).algo_history.values())
        algo = _find_algo(newest_first, algo_id, client_algo_id)
        if algo is None:
            raise no_order()
        return algo_snapshot(algo)

    def open_algo_orders(self, account_id: int, symbol: str | None = None) -> list[AlgoOrder]:
        if symbol is not None:
            self._floor.listing(symbol)
        algos = self._entry.account(account_id).algos.values()
        return [algo_snapshot(algo) for algo in algos if symbol in (None, algo.symbol)]

    def all_algo_orders(
        self,
        account_id: int,
        symbol: str,
        *,
        algo_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AlgoOrder]:
        self._floor.listing(symbol)
        rows = [algo for algo in self._entry.account(account_id).algo_history.values() if algo.symbol == symbol]
        if algo_id is not None:
            return [algo_snapshot(algo) for algo in rows if algo.algo_id >= algo_id][:limit]
        return [algo_snapshot(algo) for algo in in_window(rows, lambda row: row.created_ns, start_ns, end_ns, limit)]


def _find(book: UsdmBook, symbol: str, order_id: int | None, client_order_id: str | None) -> Working | None:
    """An open order by its id, or by its client id when no id is given; -1102 when neither is."""
    if order_id is None and not client_order_id:
        raise neither("orderId", "origClientOrderId")
    if order_id is None:
        order_id = book.open_by_client.get((symbol, client_order_id or ""), -1)
    working = book.open.get(order_id)
    return working if working is not None and working.order.symbol == symbol else None


def _find_algo(algos: Iterable[AlgoOrder], algo_id: int | None, client_algo_id: str | None) -> AlgoOrder | None:
    if algo_id is None and not client_algo_id:
        raise neither("algoId", "clientAlgoId")
    if algo_id is not None:
        return next((algo for algo in algos if algo.algo_id == algo_id), None)
    return next((algo for algo in algos if algo.client_algo_id == client_algo_id), None)


def _each(items: Iterable[T], act: Callable[[T], UsdmOrder]) -> list[UsdmOrder | Refusal]:
    """Do each on its own; a refusal stands where its answer would."""
    answers: list[UsdmOrder | Refusal] = []
    for item in items:
        try:
            answers.append(act(item))
        except VenueReject as reject:
            answers.append(Refusal(reject.code, reject.msg))
    return answers
