"""Prevented matches: which two orders of one account met, and what self-trade prevention took from each."""

from __future__ import annotations

from engine.sim.accounts import AccountBook
from engine.sim.api import Order, PreventedMatch


class Preventions:
    """Numbers the prevented matches; both halves of one come one after the other from the same operation."""

    def __init__(self) -> None:
        self._taker_id = 0
        self._match: PreventedMatch | None = None
        self._next_match_id = 1

    def begin(self, taker_id: int) -> None:
        """An order goes to the book: it is the taker of every match to come."""
        self._taker_id, self._match = taker_id, None

    def note(self, book: AccountBook, order: Order, counter_id: int, prevented_e8: int, now_ns: int) -> PreventedMatch:
        """Book what one order lost; gives the match, new or begun by the counter order."""
        is_taker = order.order_id == self._taker_id
        maker_id = counter_id if is_taker else order.order_id
        match = self._match
        if match is None or match.maker_order_id != maker_id or _half(match, is_taker) is not None:
            match = self._match = self._open(book, order.symbol, maker_id, now_ns)
        if is_taker:
            match.taker_prevented_e8 = prevented_e8
        else:
            match.maker_prevented_e8 = prevented_e8
        return match

    def _open(self, book: AccountBook, symbol: str, maker_id: int, now_ns: int) -> PreventedMatch:
        history = book.history(symbol)
        match = PreventedMatch(
            symbol=symbol,
            prevented_match_id=self._next_match_id,
            taker_order_id=self._taker_id,
            maker_order_id=maker_id,
            trade_group_id=book.account_id,
            stp_mode=history.orders[self._taker_id].stp_mode,
            price_e8=history.orders[maker_id].price_e8,
            time_ns=now_ns,
        )
        self._next_match_id += 1
        history.prevented.append(match)
        return match


def _half(match: PreventedMatch, is_taker: bool) -> int | None:
    return match.taker_prevented_e8 if is_taker else match.maker_prevented_e8
