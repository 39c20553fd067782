"""A ledger of one spot line as an engine writes it, of any length: orders that are placed, filled or cancelled, over several runs.

Every record goes through the journal's own writer. Eleven records an order: intent, verdict, state, bytes, reply, report, state,
then a report with its fill and state, or a cancel's bytes and state. A thousand orders are open at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.journal import layout
from engine.journal.journal import Journal
from engine.journal.settings import JournalConfig
from engine.model.codes import IntentAction, Lane, OrderState, RecordKind
from engine.model.instruments import E8, InstrumentSpec
from engine.model.tables import Tables
from engine.runtime.disk import Disk
from engine.runtime.registry import Registry
from engine.runtime.world import World

SYMBOL = "BTCUSDT"
OPEN_ORDERS = 1000
RECORDS_PER_ORDER = 11
FLUSH_EVERY = 20_000


def spec() -> InstrumentSpec:
    """What is traded."""
    return InstrumentSpec(
        venue_id=1, symbol=SYMBOL, base_asset="BTC", quote_asset="USDT", settle_asset="USDT", tick_size_e8=E8 // 100,
        lot_size_e8=1000,
    )  # fmt: skip


class Payloads:
    """Payloads with the fields that matter; the rest is zero."""

    def __init__(self) -> None:
        self.state = bytearray(layout.payload_format(RecordKind.ORDER_STATE)[0].size)
        self.fill = bytearray(layout.payload_format(RecordKind.FILL)[0].size)
        self.bytes = bytes(360)
        self.report = bytes(layout.payload_format(RecordKind.EXECUTION_REPORT)[0].size)
        self.reply = bytes(layout.payload_format(RecordKind.ORDER_REPLY)[0].size)

    def intent(self, side: int, price: int, qty: int) -> bytes:
        """INTENT SUBMIT of a limit order."""
        return struct.pack("<BBBBHBBqqqqQ", IntentAction.SUBMIT, side, 0, 0, 0, 0, 0, price, qty, 0, 0, 0)

    def order(self, state: int, side: int, price: int, qty: int, filled: int) -> bytes:
        """ORDER_STATE."""
        leaves = 0 if state == OrderState.CANCELED else qty - filled
        struct.pack_into("<qqqqqq", self.state, 24, 77, price, qty, filled, leaves, price)
        struct.pack_into("<HHiBBBBBB", self.state, 72, 0, 0, 0, state, 0, side, 0, 0, 0)
        return bytes(self.state)

    def trade(self, trade_id: int, side: int, price: int, qty: int) -> bytes:
        """FILL."""
        struct.pack_into("<qqqqqqq", self.fill, 24, trade_id, price, qty, 10, 0, 0, 0)
        struct.pack_into("<HBBB", self.fill, 80, 2, side, 1, 0)
        return bytes(self.fill)


def write_ledger(root: Path, records: int, *, runs: int = 4, segment_bytes: int = 64 << 20) -> int:
    """Write about so many records below `root`/data; returns how many there are. `names.json` is left as an engine leaves it."""
    data_dir = root / "data"
    data_dir.mkdir(parents=True, exist_ok=True)
    registry = Registry(data_dir / "names.json", Disk())
    registry.venue_id("sim")
    registry.strategy_id("maker")
    registry.fill(Tables(), [spec()])
    registry.save()
    config = JournalConfig(
        data_dir=data_dir, runtime_dir=root / "runtime", engine_id=7, ledger_front_bytes=64 << 20,
        tape_front_bytes=1 << 20, segment_bytes=segment_bytes,
    )  # fmt: skip
    written = 0
    for run in range(runs):
        journal = Journal.open(config, World.live(), build="bench", config_hash="bench")
        written += write_run(journal, records // runs, first_trade=run * records)
        journal.close(reason="bench")
    return written


def write_run(journal: Journal, records: int, first_trade: int) -> int:
    """One run's; how many."""
    written = 0
    alive: list[Iterator[None]] = []
    orders = records // RECORDS_PER_ORDER
    for number in range(orders):
        order = life(journal, Payloads(), number, first_trade + number)
        next(order)
        alive.append(order)
        if len(alive) > OPEN_ORDERS:
            for _ in alive.pop(0):
                pass
        written += RECORDS_PER_ORDER
        if number % (FLUSH_EVERY // RECORDS_PER_ORDER) == 0:
            journal.flush()
    for order in alive[: len(alive) // 2]:
        for _ in order:
            pass
    return written


def life(journal: Journal, make: Payloads, number: int, trade_id: int) -> Iterator[None]:
    """An order: placed and acknowledged, then filled, or every third cancelled."""
    handle, side = (journal.epoch << 32) + number + 1, number & 1
    price, qty = 3_000_000 + number % 997, 100 + number % 13
    who: dict[str, Any] = {"venue_id": 1, "account_id": 1, "strategy_id": 1, "instrument_id": 1, "order_handle": handle}

    def put(kind: RecordKind, payload: bytes, cause_seq: int = 0) -> int:
        return journal.append(Lane.LEDGER, kind, payload, cause_seq=cause_seq, **who)

    intent = put(RecordKind.INTENT, make.intent(side, price, qty))
    put(RecordKind.VERDICT, struct.pack("<HBB4xQqq", 0, 1, 0, 5, price, 0), intent)
    put(RecordKind.ORDER_STATE, make.order(OrderState.PENDING_NEW, side, price, qty, 0))
    put(RecordKind.ORDER_BYTES, make.bytes)
    put(RecordKind.ORDER_REPLY, make.reply)
    put(RecordKind.EXECUTION_REPORT, make.report)
    put(RecordKind.ORDER_STATE, make.order(OrderState.NEW, side, price, qty, 0))
    yield
    put(RecordKind.EXECUTION_REPORT, make.report)
    if number % 3:
        put(RecordKind.FILL, make.trade(trade_id + 1, side, price, qty))
        put(RecordKind.ORDER_STATE, make.order(OrderState.FILLED, side, price, qty, qty))
    else:
        put(RecordKind.ORDER_BYTES, make.bytes)
        put(RecordKind.ORDER_STATE, make.order(OrderState.CANCELED, side, price, qty, 0))
    put(RecordKind.POSITION, bytes(56))
