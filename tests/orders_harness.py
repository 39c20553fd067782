"""Gate, OMS and a journal in memory wired as in the engine, with a market and a venue played by the test."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from engine.journal import layout
from engine.journal.cursor import Record, parse
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.model.approval import ApprovalRegister
from engine.model.codes import (
    BookState,
    CommandKind,
    ExecType,
    IntentAction,
    OrderState,
    OrderType,
    RecordKind,
    SessionState,
    Side,
    TimerKind,
)
from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.oms.oms import Oms
from engine.risk.gate import RiskGate
from engine.risk.rehearsal import FixedBook, offer_intent, set_market, set_strategy
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring

SUBMIT, CANCEL, REPLACE, QUERY, CANCEL_ALL = 0, 1, 2, 3, 4
RECONCILE_BEGIN, OPEN_ORDERS, TRADES, ACCOUNT, RECONCILE_END = 5, 6, 7, 8, 9
SECOND_NS = 1_000_000_000
RINGS = (
    *("own", "control", "market", "book", "oms", "strategy", "intents", "manual"),
    *("approvals", "refusals", "outbound", "events", "feed", "children", "child_refusals"),
)
FORMATS = {kind: layout.payload_format(kind) for kind in layout.PAYLOADS}


def payload(kind: RecordKind, **fields: Any) -> bytes:
    """The fixed part of a payload; fields not named are 0."""
    form, names = FORMATS[kind]
    defaults: dict[str, Any] = {name: b"" if name.endswith("client_order_id") else 0 for name in names}
    return form.pack(*(defaults | fields).values())


def decoded(record: Record) -> dict[str, Any]:
    """The fixed part of a record's payload by name."""
    form, names = FORMATS[RecordKind(record.kind)]
    return dict(zip(names, form.unpack_from(record.payload), strict=True))


class Rig:
    """One instrument row per symbol: BTCUSDT (id 1) and ETHUSDT (id 2), tick 0.01, lot 0.001, a valid book at 99.99 / 100.01."""

    def __init__(
        self,
        *,
        active: bool = True,
        capacity: int = 64,
        engine_orders: int = 1000,
        clock: Clock | None = None,
        register: ApprovalRegister | None = None,
        ring_bytes: int = 1 << 22,
        discards: bool = False,
        journal: Journal | None = None,
        **oms_options: Any,
    ) -> None:
        self.journal = journal or Journal.in_memory(engine_id=7, epoch=3, ring_bytes=ring_bytes, discards=discards)
        self.clock = clock or Clock.virtual()
        self.journal.set_now(self.clock.time_ns(), self.clock.monotonic_ns())
        self.tables = Tables()
        self.tables.set_epoch(3)
        self.counters = Counters()
        self.register = register or ApprovalRegister(capacity, nonce_seed=42)
        self.rings = {name: Ring(name, 1024) for name in RINGS}
        self.books = FixedBook()
        self._fill_tables(engine_orders)
        r = self.rings
        self.sequencer = self._sequencer("sequencer", r["oms"])
        # a second one whose "oms" ring is the gate's: it is the mouth of the strategies
        self.gate = RiskGate(
            "gate",
            self.journal,
            self.tables,
            self.counters,
            self.register,
            self.books,
            self.clock,
            intents=r["intents"],
            manual_intents=r["manual"],
            approvals=self.gate_approvals(),
            refusals=r["refusals"],
            child_intents=r["children"],
            child_refusals=r["child_refusals"],
        )
        self.gate_children = r["children"]
        options: dict[str, Any] = {
            "order_timeout_ns": SECOND_NS,
            "recv_window_ns": 5 * SECOND_NS,
            "venue_delay_ns_max": 10 * SECOND_NS,
        }
        self.oms = Oms(
            "oms",
            self.journal,
            self.tables,
            self.counters,
            self.register,
            to_oms=r["oms"],
            approvals=r["approvals"],
            outbound=r["outbound"],
            order_events=r["events"],
            manual_intents=r["manual"],
            **(options | oms_options),
        )
        self.pipeline = Pipeline([self.sequencer, self.oms, self.gate])
        self._last_seq = 0
        self._trade_id = 100
        if active:
            self.go_active()

    def gate_approvals(self) -> Any:
        """Where the gate's approvals go: one ring, or one for each line."""
        return self.rings["approvals"]

    def _sequencer(self, name: str, to_oms: Ring) -> Sequencer:
        r = self.rings
        return Sequencer(
            name, self.journal, self.tables, self.counters, r["own"], r["control"], r["market"], r["book"], to_oms,
            r["strategy"], self.clock,
        )  # fmt: skip

    def _fill_tables(self, engine_orders: int) -> None:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            spec = InstrumentSpec(
                venue_id=1,
                symbol=symbol,
                base_asset=symbol[:3],
                quote_asset="USDT",
                tick_size_e8=to_e8(Decimal("0.01")),
                lot_size_e8=to_e8(Decimal("0.001")),
                max_qty_lots=10_000_000,
                max_price_ticks=10_000_000,
                min_notional_e8=to_e8("0.5"),
                max_notional_e8=to_e8("9000000"),
            )
            row = self.tables.add_instrument(spec)
            self.tables.set_limits(
                row,
                max_order_qty_lots=100_000,
                max_order_notional_e8=to_e8("20000"),
                max_position_lots=500_000,
                price_collar_bps=500,
                max_open_orders=50,
            )
            self.set_market(row)
            self.tables.set_balance(self.tables.asset_id(symbol[:3]), to_e8("1000"), 0)
        self.tables.set_balance(self.tables.asset_id("USDT"), to_e8("1000000"), 0)
        self.tables.set_engine_limits(
            max_open_orders=engine_orders,
            message_burst=1_000_000,
            message_rate_per_s=1_000_000,
            stale_after_ns=SECOND_NS,
            clock_drift_ns_max=SECOND_NS,
        )
        for strategy_id in (1, 2):
            set_strategy(self.tables, strategy_id)
        self.books.set_side(0, [(9_999, 1_000_000)])
        self.books.set_side(1, [(10_001, 1_000_000)])

    def set_market(self, row: int = 1, **fields: Any) -> None:
        defaults = {
            "book_state": int(BookState.VALID),
            "bid_ticks": 9_999,
            "ask_ticks": 10_001,
            "last_ticks": 10_000,
            "last_mono_ns": self.clock.monotonic_ns(),
        }
        set_market(self.tables, row, **(defaults | fields))

    def freshen(self, row: int) -> None:
        """The market as it is, seen just now."""
        market = self.tables.market(row)
        names = {"bid_ticks": "best_bid_ticks", "ask_ticks": "best_ask_ticks", "mark_e8": "mark_e8"}
        self.set_market(row, **{name: market[field] for name, field in names.items()})

    # --- what the venue's session would put in ---

    def give(self, kind: RecordKind, data: bytes = b"", **header: Any) -> None:
        header = {"venue_id": 1, "account_id": 1} | header
        self.sequencer.submit_record(int(kind), data, **header)
        self.pipeline.run_to_completion()

    def session_is(self, state: SessionState, halves: int = 3, reason: int = 0) -> None:
        data = payload(RecordKind.SESSION_STATE, state=int(state), detail=halves, reason=reason)
        self.give(RecordKind.SESSION_STATE, data)

    def go_active(self) -> None:
        """Session up, account read, RECONCILED."""
        self.session_is(SessionState.READY)
        self.finish_reconcile()

    def finish_reconcile(self, state: int = 0) -> None:
        self.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
        self.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END, state=state))
        self.sent()

    def report(
        self, handle: int, kind: RecordKind = RecordKind.EXECUTION_REPORT, *, row: int = 1, **fields: Any
    ) -> None:
        fields = {"trade_id": -1, "venue_order_id": 900 + (handle & 0xFFFF)} | fields
        self.give(kind, payload(kind, **fields), instrument_id=row, order_handle=handle)

    def accepted(self, handle: int, **fields: Any) -> None:
        self.report(handle, exec_type=int(ExecType.NEW), order_state=int(OrderState.NEW), **fields)

    def trade(self, handle: int, qty_lots: int, cum_lots: int, price_ticks: int = 10_000, **fields: Any) -> None:
        """One fill; a plain trade report unless `kind` says otherwise."""
        self._trade_id += 1
        trade: dict[str, Any] = {
            "trade_id": self._trade_id,
            "exec_type": int(ExecType.TRADE),
            "order_state": int(OrderState.PARTIALLY_FILLED),
            "last_qty_lots": qty_lots,
            "last_price_ticks": price_ticks,
            "cum_qty_lots": cum_lots,
        }
        self.report(handle, **(trade | fields))

    def canceled(self, handle: int, cum_lots: int = 0, **fields: Any) -> None:
        self.report(
            handle,
            exec_type=int(ExecType.CANCELED),
            order_state=int(OrderState.CANCELED),
            cum_qty_lots=cum_lots,
            **fields,
        )

    def reply(self, handle: int, action: int, status: int = 200, error_code: int = 0, **fields: Any) -> None:
        row = fields.pop("row", 1)
        data = payload(RecordKind.ORDER_REPLY, action=action, status=status, error_code=error_code, **fields)
        self.give(RecordKind.ORDER_REPLY, data, instrument_id=row, order_handle=handle)

    def tick(self, delta_ns: int = 0) -> None:
        """Move time and let it be told; the market stays fresh."""
        if delta_ns:
            self.clock.advance(delta_ns)
        for row in (1, 2):
            self.freshen(row)
        self.sequencer.submit_timer(int(TimerKind.TICK))
        self.pipeline.run_to_completion()

    def command(self, kind: CommandKind, **fields: Any) -> None:
        self.sequencer.submit_command(int(kind), reason="test", **fields)
        self.pipeline.run_to_completion()

    # --- what strategies do ---

    def intend(self, **fields: Any) -> int:
        """Offer an intent and run: its handle. Defaults: buy 10 lots at 100.00, limit, GTC, strategy 1."""
        handle = fields.pop("order_handle", None) or self.next_handle()
        defaults = {"side": int(Side.BUY), "price_ticks": 10_000, "qty_lots": 10, "instrument_id": 1}
        offer_intent(self.journal, self.rings["intents"], order_handle=handle, **(defaults | fields))
        self.pipeline.run_to_completion()
        return int(handle)

    def next_handle(self) -> int:
        self._handles = getattr(self, "_handles", (3 << 32) + 1000) + 1
        return self._handles

    def cancel(self, handle: int, strategy_id: int = 1) -> None:
        offer_intent(
            self.journal,
            self.rings["intents"],
            order_handle=handle,
            target_handle=handle,
            instrument_id=1,
            action=int(IntentAction.CANCEL),
            strategy_id=strategy_id,
        )
        self.pipeline.run_to_completion()

    def open_order(self, **fields: Any) -> int:
        """An order that the venue has accepted."""
        handle = self.intend(**fields)
        self.accepted(handle, row=fields.get("instrument_id", 1))
        self.sent()
        return handle

    def market_order(self, **fields: Any) -> int:
        return self.intend(order_type=int(OrderType.MARKET), price_ticks=0, **fields)

    # --- what came out ---

    def drain(self, ring: str) -> list[dict[str, Any]]:
        items = []
        while (item := self.rings[ring].poll()) is not None:
            items.append(item)
        return items

    def sent(self) -> list[tuple[int, int]]:
        """(action, order handle or instrument id) of every request on its way to the session."""
        return [(i["data"], i["order_handle"] or i["instrument_id"]) for i in self.drain("outbound")]

    def records(self, *kinds: RecordKind) -> Iterator[Record]:
        """Ledger records since the last call of `forget`."""
        for record in parse(self.journal.front_bytes(0)):
            if record.seq > self._last_seq and (not kinds or record.kind in kinds):
                yield record

    def forget(self) -> None:
        for record in self.records():
            self._last_seq = max(self._last_seq, record.seq)

    def verdict(self) -> dict[str, Any]:
        """The latest verdict."""
        return [decoded(record) for record in self.records(RecordKind.VERDICT)][-1]

    def states(self, handle: int) -> list[str]:
        """Every state written for an order, in order."""
        return [
            OrderState(decoded(r)["state"]).name
            for r in self.records(RecordKind.ORDER_STATE)
            if r.order_handle == handle
        ]

    def alarms(self) -> list[int]:
        return [decoded(r)["state"] for r in self.records(RecordKind.ALARM)]

    def state(self, handle: int) -> str:
        order = self.oms.order(handle)
        assert order is not None
        return str(order["state"])

    def exposure(self, row: int = 1) -> dict[str, int]:
        return dict(self.tables.exposure(row))


def u16(value: int) -> bytes:
    return struct.pack("<H", value)
