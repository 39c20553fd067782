"""The pure simulated venue: ``VenueCore(config, seed, start_ns)`` implements ``engine.sim.api.Venue``.

It has no clock, no input or output and no random but its own seeded generator: the same configuration, seed and calls
give the same events and answers. The book is full at construction.
"""

from __future__ import annotations

import msgspec

from engine.sim.accounts import snapshot
from engine.sim.amends import amend
from engine.sim.api import (
    Account,
    AccountTrade,
    AggTrade,
    Amendment,
    AmendResult,
    AvgPrice,
    BookTicker,
    CancelReplaceResult,
    CancelResult,
    DepthSnapshot,
    Kline,
    Order,
    OrderList,
    OrderListCancel,
    OrderListRequest,
    OrderListResult,
    OrderRequest,
    OrderResult,
    Outcome,
    PreventedMatch,
    Refusal,
    SymbolRules,
    Ticker24h,
    Trade,
    Venue,
    VenueEvent,
)
from engine.sim.candles import DAY_NS
from engine.sim.config import KeyConfig, VenueConfig
from engine.sim.decimals import config_e8
from engine.sim.floor import Floor, Listing
from engine.sim.market import GeneratedMarket
from engine.sim.order_entry import OrderEntry
from engine.sim.reject import VenueReject, amend_rejected, cancel_rejected, neither, order_does_not_exist
from engine.sim.seeded import SeededRandom

DEPTH_LEVELS_MAX = 5000
CANCEL_REPLACE_MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
_ALL_FAILED = Refusal(-2022, "Order cancel-replace failed.")
_PARTLY_FAILED = Refusal(-2021, "Order cancel-replace partially failed.")
_RESTRICTIONS = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


class VenueCore(Venue):
    """A spot venue. Methods are documented in ``Venue``; raises ``ValueError`` for an unusable configuration."""

    def __init__(self, config: VenueConfig, seed: int, start_ns: int) -> None:
        self.config = config
        self._now_ns = start_ns
        self._floor = Floor(config, start_ns)
        dice = SeededRandom(seed)
        self._backfill(dice, start_ns)
        self._orders = OrderEntry(config, self._floor, SeededRandom(dice.bits64()))
        self._market = GeneratedMarket(self._floor, config.activity, dice.bits64(), start_ns)
        self._keys = _key_table(config)
        self._floor.drain()

    def _backfill(self, dice: SeededRandom, start_ns: int) -> None:
        for listing in self._floor.listings:
            symbol = listing.config
            mean_qty_e8 = config_e8(symbol.mean_order_qty)
            listing.tape.backfill(
                self.config.backfill_minutes, start_ns, symbol.volatility_bps_minute, mean_qty_e8, dice.bits64()
            )

    def advance(self, now_ns: int) -> None:
        if now_ns > self._now_ns:
            self._now_ns = now_ns
            self._market.run(now_ns)

    def drain(self) -> list[VenueEvent]:
        return self._floor.drain()

    def next_wake_ns(self) -> int:
        return self._market.next_wake_ns()

    # --- accounts ------------------------------------------------------------------------------------------------

    def key(self, api_key: str) -> tuple[int, KeyConfig] | None:
        return self._keys.get(api_key)

    def account(self, account_id: int) -> Account:
        return self._orders.account(account_id).view()

    def deposit(self, account_id: int, asset: str, amount_e8: int, now_ns: int) -> None:
        self.advance(now_ns)
        self._orders.deposit(self._orders.account(account_id), asset, amount_e8, self._now_ns)

    # --- orders --------------------------------------------------------------------------------------------------

    def place(self, account_id: int, request: OrderRequest, now_ns: int) -> OrderResult:
        self.advance(now_ns)
        book, listing = self._orders.account(account_id), self._floor.listing(request.symbol)
        draft = self._orders.drafter.draft(book, listing, request, self._now_ns)
        with self._orders.turn(self._now_ns):
            return self._orders.enter(book, listing, draft, self._now_ns)

    def check(self, account_id: int, request: OrderRequest, now_ns: int) -> None:
        self.advance(now_ns)
        book, listing = self._orders.account(account_id), self._floor.listing(request.symbol)
        self._orders.drafter.draft(book, listing, request, self._now_ns)

    def cancel(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
        new_client_order_id: str | None = None,
        restriction: str | None = None,
    ) -> CancelResult:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._orders.account(account_id)
        working = book.find_open(symbol, order_id, orig_client_order_id)
        _check_restriction(restriction, working.order.status)
        with self._orders.turn(self._now_ns):
            return self._orders.cancel(book, working, new_client_order_id, self._now_ns)

    def cancel_all(self, account_id: int, symbol: str, now_ns: int) -> list[CancelResult | OrderListCancel]:
        self.advance(now_ns)
        self._floor.listing(symbol)
        with self._orders.turn(self._now_ns):
            return self._orders.cancel_all(self._orders.account(account_id), symbol, self._now_ns)

    def cancel_replace(
        self,
        account_id: int,
        request: OrderRequest,
        now_ns: int,
        *,
        mode: str,
        cancel_order_id: int | None = None,
        cancel_orig_client_order_id: str | None = None,
        cancel_new_client_order_id: str | None = None,
        restriction: str | None = None,
    ) -> CancelReplaceResult:
        self.advance(now_ns)
        if mode not in CANCEL_REPLACE_MODES:
            raise VenueReject(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")
        if cancel_order_id is None and not cancel_orig_client_order_id:
            raise neither("cancelOrderId", "cancelOrigClientOrderId")
        book, listing = self._orders.account(account_id), self._floor.listing(request.symbol)
        draft = self._orders.drafter.draft(book, listing, request, self._now_ns)
        canceled: CancelResult | Refusal
        try:
            canceled = self.cancel(
                account_id,
                request.symbol,
                now_ns,
                order_id=cancel_order_id,
                orig_client_order_id=cancel_orig_client_order_id,
                new_client_order_id=cancel_new_client_order_id,
                restriction=restriction,
            )
        except VenueReject as reject:
            canceled = Refusal(reject.code, reject.msg)
            if mode == "STOP_ON_FAILURE":
                return CancelReplaceResult("FAILURE", "NOT_ATTEMPTED", canceled, None, _ALL_FAILED)
        placed: OrderResult | Refusal
        try:
            with self._orders.turn(self._now_ns):
                placed = self._orders.enter(book, listing, draft, self._now_ns)
        except VenueReject as reject:
            placed = Refusal(reject.code, reject.msg)
            if isinstance(canceled, CancelResult):
                self._orders.report_rejected(book, listing, draft, reject, self._now_ns)
        return _both(canceled, placed)

    def order_status(
        self, account_id: int, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> Order:
        self._floor.listing(symbol)
        if order_id is None and not orig_client_order_id:
            raise neither("orderId", "origClientOrderId")
        order = self._orders.account(account_id).history(symbol).find(order_id, orig_client_order_id)
        if order is None:
            raise order_does_not_exist()
        if orig_client_order_id and order.client_order_id != orig_client_order_id:
            raise VenueReject(-2039, "Client order ID is not correct for this order ID.")
        return snapshot(order)

    def open_orders(self, account_id: int, symbol: str | None = None) -> list[Order]:
        if symbol is not None:
            self._floor.listing(symbol)
        orders = (working.order for working in self._orders.account(account_id).open.values())
        return [snapshot(order) for order in orders if symbol is None or order.symbol == symbol]

    def all_orders(
        self,
        account_id: int,
        symbol: str,
        *,
        order_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Order]:
        self._floor.listing(symbol)
        rows = [
            order
            for order in self._orders.account(account_id).history(symbol).orders.values()
            if (order_id is None or order.order_id >= order_id)
            and (start_ns is None or order.created_ns >= start_ns)
            and (end_ns is None or order.created_ns <= end_ns)
        ]
        newest_first = order_id is None and start_ns is None
        return [snapshot(order) for order in (rows[-limit:] if newest_first else rows[:limit])]

    def my_trades(
        self,
        account_id: int,
        symbol: str,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AccountTrade]:
        self._floor.listing(symbol)
        rows = [
            trade
            for trade in self._orders.account(account_id).history(symbol).trades
            if (order_id is None or trade.order_id == order_id)
            and (from_id is None or trade.trade_id >= from_id)
            and (start_ns is None or trade.time_ns >= start_ns)
            and (end_ns is None or trade.time_ns <= end_ns)
        ]
        newest_first = from_id is None and start_ns is None
        return rows[-limit:] if newest_first else rows[:limit]

    # --- order lists, amends, prevented matches --------------------------------------------------------------------

    def place_list(self, account_id: int, request: OrderListRequest, now_ns: int) -> OrderListResult:
        self.advance(now_ns)
        book, listing = self._orders.account(account_id), self._floor.listing(request.symbol)
        with self._orders.turn(self._now_ns):
            return self._orders.lists.place(book, listing, request, self._now_ns)

    def cancel_list(
        self,
        account_id: int,
        symbol: str,
        now_ns: int,
        *,
        list_id: int | None = None,
        list_client_order_id: str | None = None,
        new_client_order_id: str | None = None,
    ) -> OrderListCancel:
        self.advance(now_ns)
        self._floor.listing(symbol)
        book = self._orders.account(account_id)
        group = book.find_list(list_id, list_client_order_id)
        if group is None or group.symbol != symbol or group.order_status == "ALL_DONE":
            raise cancel_rejected("Unknown order list sent.")
        with self._orders.turn(self._now_ns):
            cancel_id = new_client_order_id or self._orders.new_name()
            return self._orders.lists.cancel(book, group, cancel_id, self._now_ns)

    def list_status(
        self, account_id: int, *, list_id: int | None = None, list_client_order_id: str | None = None
    ) -> OrderList:
        group = self._orders.account(account_id).find_list(list_id, list_client_order_id)
        if group is None:
            raise VenueReject(-2013, "Order list does not exist.")
        return group.view()

    def open_lists(self, account_id: int) -> list[OrderList]:
        book = self._orders.account(account_id)
        return [book.lists[list_id].view() for list_id in sorted(book.open_lists.values())]

    def all_lists(
        self,
        account_id: int,
        *,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[OrderList]:
        rows = [
            group.view()
            for group in self._orders.account(account_id).lists.values()
            if (from_id is None or group.list_id >= from_id)
            and (start_ns is None or group.created_ns >= start_ns)
            and (end_ns is None or group.created_ns <= end_ns)
        ]
        newest_first = from_id is None and start_ns is None
        return rows[-limit:] if newest_first else rows[:limit]

    def amend(
        self,
        account_id: int,
        symbol: str,
        new_qty_e8: int,
        now_ns: int,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
        new_client_order_id: str | None = None,
    ) -> AmendResult:
        self.advance(now_ns)
        book, listing = self._orders.account(account_id), self._floor.listing(symbol)
        try:
            working = book.find_open(symbol, order_id, orig_client_order_id)
        except VenueReject as reject:
            raise amend_rejected(reject.msg) if reject.code == -2011 else reject from None
        with self._orders.turn(self._now_ns):
            return amend(self._orders, book, listing, working, new_qty_e8, new_client_order_id, self._now_ns)

    def amendments(
        self, account_id: int, symbol: str, order_id: int, *, from_execution_id: int | None = None, limit: int = 500
    ) -> list[Amendment]:
        self._floor.listing(symbol)
        rows = [
            row
            for row in self._orders.account(account_id).history(symbol).amendments
            if row.order_id == order_id and (from_execution_id is None or row.execution_id >= from_execution_id)
        ]
        return rows[-limit:] if from_execution_id is None else rows[:limit]

    def prevented_matches(
        self,
        account_id: int,
        symbol: str,
        *,
        match_id: int | None = None,
        order_id: int | None = None,
        from_match_id: int | None = None,
        limit: int = 500,
    ) -> list[PreventedMatch]:
        self._floor.listing(symbol)
        rows = [
            msgspec.structs.replace(row)
            for row in self._orders.account(account_id).history(symbol).prevented
            if (match_id is None or row.prevented_match_id == match_id)
            and (order_id is None or order_id in (row.taker_order_id, row.maker_order_id))
            and (from_match_id is None or row.prevented_match_id >= from_match_id)
        ]
        return rows[:limit]

    # --- market data ---------------------------------------------------------------------------------------------

    def symbols(self) -> tuple[str, ...]:
        return tuple(self._floor.by_symbol)

    def exchange_info(self) -> tuple[SymbolRules, ...]:
        return tuple(listing.rules for listing in self._floor.listings)

    def rules(self, symbol: str) -> SymbolRules:
        return self._listing(symbol).rules

    def depth(self, symbol: str, limit: int = 100) -> DepthSnapshot:
        return self._floor.depth(self._listing(symbol), max(1, min(limit, DEPTH_LEVELS_MAX)))

    def book_ticker(self, symbol: str) -> BookTicker:
        return self._floor.book_ticker(self._listing(symbol))

    def recent_trades(self, symbol: str, limit: int = 500, from_id: int | None = None) -> list[Trade]:
        return self._listing(symbol).tape.recent(limit, from_id)

    def agg_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AggTrade]:
        return self._listing(symbol).tape.aggregates(from_id, start_ns, end_ns, limit)

    def klines(
        self,
        symbol: str,
        interval: str,
        now_ns: int,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Kline]:
        return self._listing(symbol).tape.klines(interval, now_ns, start_ns, end_ns, limit)

    def current_kline(self, symbol: str, interval: str, now_ns: int) -> Kline:
        return self._listing(symbol).tape.running(interval, now_ns)

    def ticker_24h(self, symbol: str, now_ns: int) -> Ticker24h:
        return self.ticker_window(symbol, DAY_NS, now_ns)

    def ticker_window(self, symbol: str, window_ns: int, now_ns: int) -> Ticker24h:
        listing = self._listing(symbol)
        return listing.tape.ticker(window_ns, now_ns, self._floor.book_ticker(listing))

    def avg_price(self, symbol: str, now_ns: int) -> AvgPrice:
        return self._listing(symbol).tape.avg_price(now_ns)

    def _listing(self, symbol: str) -> Listing:
        return self._floor.listing(symbol)


def _key_table(config: VenueConfig) -> dict[str, tuple[int, KeyConfig]]:
    table: dict[str, tuple[int, KeyConfig]] = {}
    for account_id, account in enumerate(config.accounts, start=1):
        for key in account.keys:
            if key.api_key in table:
                raise ValueError(f"account {account.name}: its API key is already another one's")
            table[key.api_key] = (account_id, key)
    return table


def _check_restriction(restriction: str | None, status: str) -> None:
    if restriction is None:
        return
    if restriction not in _RESTRICTIONS:
        raise VenueReject(-1145, "Invalid cancelRestrictions.")
    if _RESTRICTIONS[restriction] != status:
        raise cancel_rejected("Order was not canceled due to cancel restrictions.")


def _both(canceled: CancelResult | Refusal, placed: OrderResult | Refusal) -> CancelReplaceResult:
    """Put both halves of an attempted cancel-replace together."""
    cancel_outcome: Outcome = "FAILURE" if isinstance(canceled, Refusal) else "SUCCESS"
    new_outcome: Outcome = "FAILURE" if isinstance(placed, Refusal) else "SUCCESS"
    error = None
    if cancel_outcome == new_outcome == "FAILURE":
        error = _ALL_FAILED
    elif "FAILURE" in (cancel_outcome, new_outcome):
        error = _PARTLY_FAILED
    return CancelReplaceResult(cancel_outcome, new_outcome, canceled, placed, error)
