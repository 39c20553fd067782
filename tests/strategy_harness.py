"""What the strategy tests share: a rehearsal with two symbols, and a strategy that notes what it is told."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.model.codes import RecordKind
from engine.model.instruments import InstrumentSpec
from engine.strategy.api import BarView, BookView, FillView, OrderView, Strategy, TimerView, TradeView
from engine.strategy.rehearsal import Rehearsal

BTC = InstrumentSpec(
    venue_id=1,
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size_e8=1_000_000,
    lot_size_e8=1_000,
)
ETH = InstrumentSpec(
    venue_id=1,
    symbol="ETHUSDT",
    base_asset="ETH",
    quote_asset="USDT",
    tick_size_e8=1_000_000,
    lot_size_e8=10_000,
)
SECOND_NS = 1_000_000_000
HEADER_BYTES = 80
BIDS = [(100, 10), (99, 20)]
ASKS = [(102, 10), (103, 20)]


class Noting(Strategy):
    """Notes every callback as a tuple that begins with its name."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.heard: list[tuple[Any, ...]] = []

    def on_start(self) -> None:
        self.heard.append(("start",))

    def on_stop(self) -> None:
        self.heard.append(("stop",))

    def on_book(self, book: BookView) -> None:
        self.heard.append(("book", book.seq, book.symbol, book.best_bid_ticks))

    def on_trade(self, trade: TradeView) -> None:
        self.heard.append(("trade", trade.seq, trade.price_ticks))

    def on_bar(self, bar: BarView) -> None:
        self.heard.append(("bar", bar.open_wall_ns, bar.open_ticks, bar.close_ticks, bar.count))

    def on_order(self, order: OrderView) -> None:
        self.heard.append(("order", order.handle, order.state, order.reason))

    def on_fill(self, fill: FillView) -> None:
        self.heard.append(("fill", fill.handle, fill.qty_lots, fill.price_ticks))

    def on_timer(self, timer: TimerView) -> None:
        self.heard.append(("timer", timer.data))

    def names(self) -> list[str]:
        return [entry[0] for entry in self.heard]


@contextmanager
def rehearsal(*strategies: Strategy, **options: Any) -> Iterator[Rehearsal]:
    """A rehearsal on BTCUSDT and ETHUSDT whose watchdog, if any, is stopped at the end."""
    stage = Rehearsal(list(strategies), [BTC, ETH], **options)
    try:
        yield stage
    finally:
        stage.close()


def records(stage: Rehearsal, kind: RecordKind) -> list[dict[str, Any]]:
    """The ledger's records of one kind: header fields, and the payload's bytes."""
    found: list[dict[str, Any]] = []
    data = stage.journal.front_bytes(0)
    offset = 0
    while offset < len(data):
        length, _, seq, cause_seq, _, _, record_kind = struct.unpack_from("<IIQQqqH", data, offset)
        (strategy_id,) = struct.unpack_from("<H", data, offset + 46)
        (handle,) = struct.unpack_from("<Q", data, offset + 56)
        if record_kind == kind:
            payload = data[offset + HEADER_BYTES : offset + length]
            found.append(
                {"seq": seq, "cause_seq": cause_seq, "strategy_id": strategy_id, "handle": handle, "payload": payload}
            )
        offset += length
    return found


def states(stage: Rehearsal) -> list[tuple[int, int, int, str]]:
    """STRATEGY_STATE records as (strategy_id, state, reason, text)."""
    rows = []
    for record in records(stage, RecordKind.STRATEGY_STATE):
        state, _, reason = struct.unpack_from("<HHH", record["payload"])
        rows.append((record["strategy_id"], state, reason, record["payload"][16:].rstrip(b"\0").decode()))
    return rows
