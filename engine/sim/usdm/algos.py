"""The algo service: conditional orders that wait outside the book until their price comes.

An order waits as NEW. When its price (mark or last, by workingType) reaches the trigger it is TRIGGERING, places a
real order, is TRIGGERED, and FINISHED when that order is done; REJECTED when the real order was refused, EXPIRED when
there was nothing to close or its time was over. Prices are looked at after every operation on a book (last price) and
every second (mark price). With priceProtect it does not trigger while mark and last price are too far apart.
Margin is checked when the real order is placed, not before.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from engine.sim.decimals import E8
from engine.sim.reject import VenueReject
from engine.sim.seeded import SeededRandom
from engine.sim.usdm.entry import OrderEntry
from engine.sim.usdm.form import (
    PRICED_CONDITIONAL_TYPES,
    SECOND_NS,
    as_position_side,
    as_side,
    as_stp,
    as_tif,
    as_type,
    as_working_type,
    check_algo_form,
)
from engine.sim.usdm.holdings import Holding, UsdmBook
from engine.sim.usdm.records import AlgoOrder, AlgoRequest, AlgoStatus, UsdmOrder, UsdmOrderRequest
from engine.sim.usdm.rejects import would_trigger
from engine.sim.usdm.reports import Reporter
from engine.sim.usdm.rules import check_price, check_qty
from engine.sim.usdm.timers import Timers

OPEN_MAX = 200
_PERCENT_E8 = 100 * E8


class AlgoService:
    """Conditional orders of all accounts."""

    def __init__(self, entry: OrderEntry, reporter: Reporter, timers: Timers, dice: SeededRandom) -> None:
        self._entry = entry
        self._reporter = reporter
        self._timers = timers
        self._dice = dice
        self._next_id = 1
        self._open: dict[str, dict[int, AlgoOrder]] = {symbol: {} for symbol in entry.rules}
        self._extreme_e8: dict[int, int] = {}
        self._seen_last_e8: dict[str, int] = dict.fromkeys(entry.rules, 0)
        entry.on_done = self._on_order_done

    # --- placing and cancelling ----------------------------------------------------------------------------------

    def place(self, book: UsdmBook, request: AlgoRequest, now_ns: int) -> AlgoOrder:
        """Check and keep a conditional order."""
        listing = self._entry.floor.listing(request.symbol)
        if not book.can_trade:
            raise VenueReject(-4088, "User can not place order currently.")
        check_algo_form(book, request, now_ns)
        rules = self._entry.rules[listing.symbol]
        if rules.status != "TRADING":
            raise VenueReject(-1122, "Invalid symbol status.")
        for price_e8 in (request.price_e8, request.trigger_price_e8, request.activate_price_e8):
            if price_e8 is not None:
                check_price(rules, price_e8)
        if request.quantity_e8 is not None:
            check_qty(rules, request.quantity_e8, request.type not in PRICED_CONDITIONAL_TYPES)
        self._check_room(book, request)
        algo = self._new(book, request, now_ns)
        self._check_trigger(algo)
        self._keep(book, algo, now_ns)
        return algo

    def _check_room(self, book: UsdmBook, request: AlgoRequest) -> None:
        if len(book.algos) >= OPEN_MAX:
            raise VenueReject(-4045, "Reach max stop order limit.")
        if request.client_algo_id and any(a.client_algo_id == request.client_algo_id for a in book.algos.values()):
            raise VenueReject(-4116, "ClientOrderId is duplicated.")
        if not request.close_position:
            return
        if not book.held(request.symbol) and not book.open_on(request.symbol):
            raise VenueReject(-4509, "Time in Force (TIF) GTE can only be used with open positions or open orders.")
        key = (request.symbol, request.side, as_position_side(request.position_side), request.type)
        if any(a.close_position and (a.symbol, a.side, a.position_side, a.type) == key for a in book.algos.values()):
            raise VenueReject(
                -4130, "An open stop or take profit order with GTE and closePosition in the direction is existing."
            )

    def _new(self, book: UsdmBook, request: AlgoRequest, now_ns: int) -> AlgoOrder:
        self._next_id += 1
        return AlgoOrder(
            account_id=book.account_id,
            algo_id=self._next_id - 1,
            client_algo_id=request.client_algo_id or self._dice.name(22),
            symbol=request.symbol,
            side=as_side(request.side),
            position_side=as_position_side(request.position_side),
            type=as_type(request.type),
            time_in_force=as_tif(request.time_in_force),
            qty_e8=request.quantity_e8 or 0,
            price_e8=request.price_e8 or 0,
            trigger_price_e8=request.trigger_price_e8 or 0,
            working_type=as_working_type(request.working_type),
            price_match=request.price_match or "NONE",
            close_position=bool(request.close_position),
            price_protect=bool(request.price_protect),
            reduce_only=bool(request.reduce_only),
            stp_mode=as_stp(request.stp_mode),
            status="NEW",
            created_ns=now_ns,
            updated_ns=now_ns,
            good_till_ns=(request.good_till_ns or 0) // SECOND_NS * SECOND_NS,
            activate_price_e8=request.activate_price_e8 or 0,
            callback_rate_e8=request.callback_rate_e8 or 0,
        )

    def _check_trigger(self, algo: AlgoOrder) -> None:
        price_e8 = self._price_e8(algo)
        if algo.type != "TRAILING_STOP_MARKET":
            if _is_reached(algo, price_e8):
                raise would_trigger()
            return
        activate_e8 = algo.activate_price_e8
        if activate_e8 and (activate_e8 <= price_e8 if algo.side == "SELL" else activate_e8 >= price_e8):
            raise would_trigger()

    def _keep(self, book: UsdmBook, algo: AlgoOrder, now_ns: int) -> None:
        book.remember_algo(algo)
        self._open[algo.symbol][algo.algo_id] = algo
        self._reporter.algo(algo, now_ns)
        if algo.good_till_ns:
            self._timers.at(algo.good_till_ns, lambda due_ns: self._end_of_time(book, algo, due_ns))
        if algo.type == "TRAILING_STOP_MARKET" and not algo.activate_price_e8:
            self._activate(algo, self._price_e8(algo), now_ns)

    def resume(self, book: UsdmBook, algos: Iterable[AlgoOrder], now_ns: int) -> None:
        """Take up conditional orders that an earlier run knew; a trailing one that was active follows from its last trigger on."""
        for algo in algos:
            self._next_id = max(self._next_id, algo.algo_id + 1)
            book.algo_history[algo.algo_id] = algo
            if algo.status != "NEW":
                continue
            book.algos[algo.algo_id] = self._open[algo.symbol][algo.algo_id] = algo
            if algo.is_activated:
                self._extreme_e8[algo.algo_id] = _extreme_of(algo)
            if algo.good_till_ns:
                self._timers.at(max(algo.good_till_ns, now_ns), partial(self._end_of_time, book, algo))

    def _end_of_time(self, book: UsdmBook, algo: AlgoOrder, now_ns: int) -> None:
        if algo.algo_id in book.algos:
            self._end(book, algo, "EXPIRED", now_ns)

    def cancel(self, book: UsdmBook, algo: AlgoOrder, now_ns: int) -> None:
        """Cancel a waiting conditional order."""
        self._end(book, algo, "CANCELED", now_ns)

    def _end(self, book: UsdmBook, algo: AlgoOrder, status: AlgoStatus, now_ns: int) -> None:
        self._take_out(book, algo)
        algo.status = status
        self._reporter.algo(algo, now_ns)

    def _take_out(self, book: UsdmBook, algo: AlgoOrder) -> None:
        del book.algos[algo.algo_id]
        del self._open[algo.symbol][algo.algo_id]
        self._extreme_e8.pop(algo.algo_id, None)

    def expire_closers(self, book: UsdmBook, holding: Holding, now_ns: int) -> None:
        """A position is gone: so are the orders that were to close it, unless others may open it again."""
        if holding.qty_e8 or book.open_on(holding.symbol):
            return
        key = (holding.symbol, holding.position_side)
        gone = [a for a in book.algos.values() if a.close_position and (a.symbol, a.position_side) == key]
        for algo in gone:
            self._end(book, algo, "EXPIRED", now_ns)

    def expire_all(self, book: UsdmBook, symbol: str, now_ns: int) -> None:
        """The contract is at its end."""
        for algo in [algo for algo in book.algos.values() if algo.symbol == symbol]:
            self._end(book, algo, "EXPIRED", now_ns)

    # --- prices --------------------------------------------------------------------------------------------------

    def is_waiting(self) -> bool:
        """Whether a conditional order of any account waits for a price."""
        return any(self._open.values())

    def _price_e8(self, algo: AlgoOrder) -> int:
        if algo.working_type == "MARK_PRICE":
            return self._entry.margins.marks[algo.symbol]
        return self._entry.floor.by_symbol[algo.symbol].tape.last_price_e8

    def on_last_prices(self, now_ns: int) -> bool:
        """Look at the contracts whose last price changed; True when there was one."""
        changed = False
        for symbol, seen_e8 in self._seen_last_e8.items():
            last_e8 = self._entry.floor.by_symbol[symbol].tape.last_price_e8
            if last_e8 != seen_e8:
                self._seen_last_e8[symbol] = last_e8
                changed = True
                self._look(symbol, "CONTRACT_PRICE", last_e8, now_ns)
        return changed

    def on_mark_price(self, symbol: str, now_ns: int) -> None:
        """Look at the orders that wait for a mark price."""
        self._look(symbol, "MARK_PRICE", self._entry.margins.marks[symbol], now_ns)

    def _look(self, symbol: str, working_type: str, price_e8: int, now_ns: int) -> None:
        for algo in list(self._open[symbol].values()):
            if algo.working_type != working_type or algo.algo_id not in self._open[symbol]:
                continue
            if algo.type == "TRAILING_STOP_MARKET":
                self._trail(algo, price_e8, now_ns)
            if _is_reached(algo, price_e8) and not (algo.price_protect and self._is_apart(symbol)):
                self._trigger(self._entry.account(algo.account_id), algo, now_ns)

    def _is_apart(self, symbol: str) -> bool:
        """Whether mark and last price differ by more than triggerProtect."""
        mark_e8 = self._entry.margins.marks[symbol]
        last_e8 = self._entry.floor.by_symbol[symbol].tape.last_price_e8
        return abs(mark_e8 - last_e8) * E8 > mark_e8 * self._entry.rules[symbol].trigger_protect_e8

    def _activate(self, algo: AlgoOrder, price_e8: int, now_ns: int) -> None:
        algo.is_activated = True
        self._extreme_e8[algo.algo_id] = price_e8
        _follow(algo, price_e8)
        self._reporter.algo(algo, now_ns)

    def _trail(self, algo: AlgoOrder, price_e8: int, now_ns: int) -> None:
        """Activate a trailing order, or draw its trigger after the best price since."""
        is_sell = algo.side == "SELL"
        if not algo.is_activated:
            if price_e8 >= algo.activate_price_e8 if is_sell else price_e8 <= algo.activate_price_e8:
                self._activate(algo, price_e8, now_ns)
            return
        extreme_e8 = self._extreme_e8[algo.algo_id]
        if price_e8 > extreme_e8 if is_sell else price_e8 < extreme_e8:
            self._extreme_e8[algo.algo_id] = price_e8
            _follow(algo, price_e8)

    # --- triggering ----------------------------------------------------------------------------------------------

    def _trigger(self, book: UsdmBook, algo: AlgoOrder, now_ns: int) -> None:
        self._take_out(book, algo)
        algo.status, algo.trigger_ns = "TRIGGERING", now_ns
        self._reporter.algo(algo, now_ns)
        holding = book.holdings[(algo.symbol, algo.position_side)]
        if algo.close_position and holding.closing_side() != algo.side:
            algo.status = "EXPIRED"
            self._reporter.algo(algo, now_ns)
            return
        try:
            working = self._entry.place(book, self._request(book, algo, holding), now_ns, algo)
        except VenueReject as reject:
            algo.status, algo.reject_reason = "REJECTED", reject.msg
            self._reporter.algo(algo, now_ns)
            return
        order = working.order
        algo.status, algo.actual_order_id, algo.actual_type = "TRIGGERED", order.order_id, order.type
        self._reporter.algo(algo, now_ns)
        if order.order_id not in book.open:
            self._finish(algo, order, now_ns)

    def _request(self, book: UsdmBook, algo: AlgoOrder, holding: Holding) -> UsdmOrderRequest:
        is_limit = algo.type in PRICED_CONDITIONAL_TYPES
        is_taken = (algo.symbol, algo.client_algo_id) in book.open_by_client
        wants_reduce = algo.reduce_only or algo.close_position
        return UsdmOrderRequest(
            symbol=algo.symbol,
            side=algo.side,
            type="LIMIT" if is_limit else "MARKET",
            position_side=algo.position_side if book.dual_side else None,
            time_in_force=algo.time_in_force if is_limit else None,
            quantity_e8=abs(holding.qty_e8) if algo.close_position else algo.qty_e8,
            price_e8=algo.price_e8 if is_limit and algo.price_match == "NONE" else None,
            price_match=algo.price_match if is_limit else None,
            reduce_only=True if wants_reduce and not book.dual_side else None,
            client_order_id=None if is_taken else algo.client_algo_id,
            stp_mode=algo.stp_mode,
            good_till_ns=algo.good_till_ns or None if is_limit else None,
        )

    def _on_order_done(self, book: UsdmBook, order: UsdmOrder, now_ns: int) -> None:
        algo = book.algo_history.get(order.algo_id)
        if algo is not None and algo.status == "TRIGGERED":
            self._finish(algo, order, now_ns)

    def _finish(self, algo: AlgoOrder, order: UsdmOrder, now_ns: int) -> None:
        algo.status = "FINISHED"
        algo.actual_price_e8, algo.actual_qty_e8 = order.avg_price_e8, order.executed_e8
        self._reporter.algo(algo, now_ns)


def _is_reached(algo: AlgoOrder, price_e8: int) -> bool:
    """Whether the condition holds: stops above for a buyer and below for a seller, profits the other way."""
    if algo.type == "TRAILING_STOP_MARKET" and not algo.is_activated:
        return False
    is_above = (algo.side == "BUY") == (algo.type not in ("TAKE_PROFIT", "TAKE_PROFIT_MARKET"))
    return price_e8 >= algo.trigger_price_e8 if is_above else price_e8 <= algo.trigger_price_e8


def _extreme_of(algo: AlgoOrder) -> int:
    """The best price that a trailing trigger was drawn from, within the rounding of `_follow`."""
    share_e8 = _PERCENT_E8 - algo.callback_rate_e8 if algo.side == "SELL" else _PERCENT_E8 + algo.callback_rate_e8
    return algo.trigger_price_e8 * _PERCENT_E8 // share_e8


def _follow(algo: AlgoOrder, extreme_e8: int) -> None:
    """Set a trailing trigger callbackRate away from the best price."""
    span_e8 = extreme_e8 * algo.callback_rate_e8 // _PERCENT_E8
    algo.trigger_price_e8 = extreme_e8 - span_e8 if algo.side == "SELL" else extreme_e8 + span_e8
