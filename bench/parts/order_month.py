"""A month of orders as a ledger: of each order what an engine writes from the strategy's intent to the fill or the cancel."""

from __future__ import annotations

import random
from pathlib import Path

from engine.control.catalog import names_of, write_catalog
from engine.journal import layout
from engine.journal.journal import Journal
from engine.journal.settings import JournalConfig
from engine.model.codes import IntentAction, Lane, OrderState, RecordKind, Side
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.runtime.world import World

MONTH_NS = 30 * 86_400_000_000_000
FIRST_WALL_NS = 1_790_000_000_000_000_000
FLUSHED_ORDERS = 200


class OrderMonth:
    """Writes `orders` orders, spread over a month, into a journal below `folder`; `records` counts what was written."""

    def __init__(self, folder: Path, instruments: list[InstrumentSpec], orders: int) -> None:
        self.data_dir = folder / "data"
        self.records = 0
        self._orders = orders
        self._dice = random.Random(1)
        config = JournalConfig(data_dir=self.data_dir, runtime_dir=folder / "run", engine_id=7)
        tables = Tables()
        for instrument in instruments:
            tables.add_instrument(instrument)
        self._count = len(instruments)
        self._journal = Journal.open(config, World.live(), build="bench", config_hash="0")
        names = names_of("bench", "sim", tables, {"sim": 1}, {"maker": 1, "taker": 2})
        self.records += write_catalog(self._journal, tables, names)
        self._forms = {kind: layout.payload_format(kind) for kind in layout.PAYLOADS}
        self._lots = [0] * (self._count + 1)
        self._wall_ns = FIRST_WALL_NS

    def write(self) -> None:
        """Write all of it and end the run."""
        step_ns = MONTH_NS // self._orders
        for number in range(1, self._orders + 1):
            self._wall_ns += step_ns
            self._order(self._journal.epoch << 32 | number)
            if number % FLUSHED_ORDERS == 0:
                self._journal.flush()
        self._journal.close(reason="the month is over")

    def _body(self, kind: RecordKind, **fields: int | bytes) -> bytes:
        form, names = self._forms[kind]
        text = "client_order_id"
        return form.pack(*[fields.get(name, b"" if name in (text, f"orig_{text}") else 0) for name in names])

    def _add(self, kind: RecordKind, handle: int, payload: bytes, cause: int, instrument: int) -> int:
        self.records += 1
        return self._journal.append(
            Lane.LEDGER, kind, payload, cause_seq=cause, wall_ns=self._wall_ns, mono_ns=1, venue_id=1, account_id=1,
            strategy_id=1 + handle % 2, instrument_id=instrument, order_handle=handle,
        )  # fmt: skip

    def _order(self, handle: int) -> None:
        dice, instrument = self._dice, 1 + handle % self._count
        side = dice.choice((Side.BUY, Side.SELL))
        price, lots = dice.randrange(2_900_000, 3_100_000), dice.randrange(1, 5000)
        terms: dict[str, int | bytes] = {"price_ticks": price, "qty_lots": lots, "side": side}
        intent = self._add(RecordKind.INTENT, handle, self._body(RecordKind.INTENT, **terms), 0, instrument)
        self._decided(handle, intent, instrument, terms, OrderState.NONE, OrderState.PENDING_NEW)
        reply = self._add(RecordKind.ORDER_REPLY, handle, self._body(RecordKind.ORDER_REPLY, status=200), 0, instrument)
        self._state(handle, reply, instrument, terms, OrderState.PENDING_NEW, OrderState.NEW)
        if dice.random() < 0.4:
            self._fill(handle, instrument, terms, lots if side == Side.BUY else -lots)
        else:
            self._cancel(handle, instrument, terms)

    def _decided(
        self,
        handle: int,
        intent: int,
        instrument: int,
        terms: dict[str, int | bytes],
        before: OrderState,
        now: OrderState,
    ) -> None:
        verdict = self._add(RecordKind.VERDICT, handle, self._body(RecordKind.VERDICT, approved=1), intent, instrument)
        self._state(handle, verdict, instrument, terms, before, now)
        payload = self._body(RecordKind.ORDER_BYTES, byte_count=240) + b"x" * 240
        self._add(RecordKind.ORDER_BYTES, handle, payload, verdict, instrument)

    def _state(
        self,
        handle: int,
        cause: int,
        instrument: int,
        terms: dict[str, int | bytes],
        before: OrderState,
        now: OrderState,
    ) -> int:
        filled = (
            {"cum_qty_lots": terms["qty_lots"]} if now is OrderState.FILLED else {"leaves_qty_lots": terms["qty_lots"]}
        )
        payload = self._body(
            RecordKind.ORDER_STATE, client_order_id=b"07b%020d" % handle, venue_order_id=handle, state=now,
            previous_state=before, **terms, **filled,
        )  # fmt: skip
        return self._add(RecordKind.ORDER_STATE, handle, payload, cause, instrument)

    def _fill(self, handle: int, instrument: int, terms: dict[str, int | bytes], lots: int) -> None:
        self._lots[instrument] += lots
        position = {"position_lots": self._lots[instrument], "position_cost_e8": self._lots[instrument] * 30_000_000}
        payload = self._body(RecordKind.EXECUTION_REPORT, trade_id=handle, **terms)
        report = self._add(RecordKind.EXECUTION_REPORT, handle, payload, 0, instrument)
        payload = self._body(
            RecordKind.FILL, client_order_id=b"07b%020d" % handle, trade_id=handle, commission_e8=123_456,
            commission_asset_id=2, **terms, **position,
        )  # fmt: skip
        fill = self._add(RecordKind.FILL, handle, payload, report, instrument)
        self._state(handle, fill, instrument, terms, OrderState.NEW, OrderState.FILLED)
        self._add(RecordKind.POSITION, 0, self._body(RecordKind.POSITION, **position), fill, instrument)

    def _cancel(self, handle: int, instrument: int, terms: dict[str, int | bytes]) -> None:
        payload = self._body(RecordKind.INTENT, action=IntentAction.CANCEL, target_handle=handle)
        intent = self._add(RecordKind.INTENT, handle, payload, 0, instrument)
        self._decided(handle, intent, instrument, terms, OrderState.NEW, OrderState.PENDING_CANCEL)
        payload = self._body(RecordKind.EXECUTION_REPORT, order_state=OrderState.CANCELED, **terms)
        report = self._add(RecordKind.EXECUTION_REPORT, handle, payload, 0, instrument)
        self._state(handle, report, instrument, terms, OrderState.PENDING_CANCEL, OrderState.CANCELED)
