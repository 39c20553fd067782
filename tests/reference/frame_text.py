"""The busiest spot stream frames, written the obvious way: the slow twin of ``engine.sim.frame_text``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

E8 = 100_000_000
TRUTH = ("false", "true")


class Top(Protocol):
    """The best of both sides."""

    @property
    def symbol(self) -> str: ...
    @property
    def update_id(self) -> int: ...
    @property
    def bid_price_e8(self) -> int: ...
    @property
    def bid_qty_e8(self) -> int: ...
    @property
    def ask_price_e8(self) -> int: ...
    @property
    def ask_qty_e8(self) -> int: ...


class Print(Protocol):
    """What trades and aggregates have in common."""

    @property
    def symbol(self) -> str: ...
    @property
    def price_e8(self) -> int: ...
    @property
    def qty_e8(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def is_buyer_maker(self) -> bool: ...


class Trade(Print, Protocol):
    """One trade."""

    @property
    def trade_id(self) -> int: ...


class AggTrade(Print, Protocol):
    """Trades of one taker at one price."""

    @property
    def agg_id(self) -> int: ...
    @property
    def first_trade_id(self) -> int: ...
    @property
    def last_trade_id(self) -> int: ...


def e8(value: int) -> str:
    """Units of 1e-8 as text with eight decimals."""
    return f"-{e8(-value)}" if value < 0 else f"{value // E8}.{value % E8:08d}"


def levels(rows: Iterable[tuple[int, int]]) -> str:
    """Levels as ``["price","qty"]`` pairs."""
    return ",".join(f'["{e8(price)}","{e8(qty)}"]' for price, qty in rows)


def depth_update(
    symbol: str, first_id: int, last_id: int, bids: dict[int, int], asks: dict[int, int], event_ns: int, unit_ns: int
) -> bytes:
    """A diff depth event: levels changed in the update ids ``first_id`` to ``last_id``."""
    return (
        f'{{"e":"depthUpdate","E":{event_ns // unit_ns},"s":"{symbol}","U":{first_id},"u":{last_id},'
        f'"b":[{levels(bids.items())}],"a":[{levels(asks.items())}]}}'
    ).encode()


def book_ticker_event(top: Top) -> bytes:
    """The bookTicker stream's payload (it has neither ``e`` nor ``E``)."""
    return (
        f'{{"u":{top.update_id},"s":"{top.symbol}","b":"{e8(top.bid_price_e8)}","B":"{e8(top.bid_qty_e8)}",'
        f'"a":"{e8(top.ask_price_e8)}","A":"{e8(top.ask_qty_e8)}"}}'
    ).encode()


def trade_event(trade: Trade, unit_ns: int) -> bytes:
    """The trade stream's payload."""
    stamp = trade.time_ns // unit_ns
    return (
        f'{{"e":"trade","E":{stamp},"s":"{trade.symbol}","t":{trade.trade_id},"p":"{e8(trade.price_e8)}",'
        f'"q":"{e8(trade.qty_e8)}","T":{stamp},"m":{TRUTH[trade.is_buyer_maker]},"M":true}}'
    ).encode()


def agg_trade_event(trade: AggTrade, unit_ns: int) -> bytes:
    """The aggTrade stream's payload."""
    stamp = trade.time_ns // unit_ns
    return (
        f'{{"e":"aggTrade","E":{stamp},"s":"{trade.symbol}","a":{trade.agg_id},"p":"{e8(trade.price_e8)}",'
        f'"q":"{e8(trade.qty_e8)}","f":{trade.first_trade_id},"l":{trade.last_trade_id},"T":{stamp},'
        f'"m":{TRUTH[trade.is_buyer_maker]},"M":true}}'
    ).encode()
