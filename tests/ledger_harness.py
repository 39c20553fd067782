"""A journal on disk with the catalog of one engine, appended to record by record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.control.catalog import names_of, write_catalog
from engine.journal import layout
from engine.journal.journal import Journal
from engine.journal.settings import JournalConfig
from engine.model.codes import Lane, OrderState, Reason, RecordKind, Side
from engine.model.tables import Tables
from engine.runtime.world import World
from tests.control_harness import BTCUSDT


def body(kind: RecordKind, /, **fields: int | bytes) -> bytes:
    """A payload of `kind` with these fields, the rest zero."""
    form, names = layout.payload_format(kind)
    codes = [code for part in layout.PAYLOADS[kind].split() if not (code := part.split(":")[1]).endswith("x")]
    values = [fields.pop(name, b"" if code.endswith("s") else 0) for name, code in zip(names, codes, strict=True)]
    assert not fields
    return form.pack(*values)


class Ledger:
    """Write with `add` and `order`; `journal.flush()` makes it readable."""

    def __init__(self, root: Path) -> None:
        self.data_dir, self.runtime_dir = root / "data", root / "runtime"
        self.tables = Tables()
        self.tables.add_instrument(BTCUSDT)
        self.journal = self.open()

    def open(self) -> Journal:
        config = JournalConfig(
            data_dir=self.data_dir,
            runtime_dir=self.runtime_dir,
            engine_id=7,
            ledger_front_bytes=1 << 20,
            tape_front_bytes=1 << 20,
        )
        journal = Journal.open(config, World.live(), build="test", config_hash="x")
        write_catalog(journal, self.tables, names_of("test", "sim", self.tables, {"sim": 1}, {"maker": 1}))
        return journal

    def restart(self) -> None:
        self.journal.close(reason="test")
        self.journal = self.open()

    def add(self, kind: RecordKind, payload: bytes, **header: Any) -> int:
        return int(self.journal.append(Lane.LEDGER, kind, payload, **header))

    def order(self, handle: int, state: OrderState, filled: int = 0, reason: Reason = Reason.NONE) -> int:
        payload = body(
            RecordKind.ORDER_STATE,
            client_order_id=b"07c%d" % handle,
            price_ticks=3_000_001,
            qty_lots=50_000,
            cum_qty_lots=filled,
            leaves_qty_lots=50_000 - filled,
            state=state,
            side=Side.SELL,
            reason=reason,
        )
        header = {"order_handle": handle, "instrument_id": 1, "venue_id": 1, "strategy_id": 1}
        return self.add(RecordKind.ORDER_STATE, payload, **header)
