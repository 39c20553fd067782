"""Ledgers that no engine wrote: records of every kind that a start reads, drawn at random, over two lines and a changed tick.

More states in less space than a simulated world has: trades told twice or under another's id, orders of lists and successors, halts
and arms of every scope, funding told and listed, parents with events behind them, runs that end in the middle.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from engine.config import Config, load
from engine.model.codes import (
    AlarmCode,
    CommandKind,
    Contingency,
    HaltReason,
    IntentAction,
    OrderState,
    OrderType,
    ParentState,
    RecordKind,
    TradingState,
)
from engine.model.instruments import E8, InstrumentSpec
from engine.model.limits import LimitsChanged
from engine.model.tables import Tables
from engine.runtime.disk import Disk
from engine.runtime.registry import Registry
from tests.ledger_harness import body
from tests.snapshot_rig import Told
from tests.venue_harness import REPOSITORY

LINES = {"sim": 1, "other": 2}
INSTRUMENTS = {1: 1, 2: 1, 3: 2, 4: 2}
ENDED = (OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED, OrderState.ABSENT)
LIVE = (OrderState.NEW, OrderState.UNKNOWN, OrderState.PENDING_CANCEL, OrderState.PARTIALLY_FILLED)


def specs() -> list[InstrumentSpec]:
    """Spot under two ticks, a linear and an inverse contract."""
    common: dict[str, Any] = {"quote_asset": "USDT", "base_asset": "BTC", "lot_size_e8": 1000}
    return [
        InstrumentSpec(venue_id=1, symbol="BTCUSDT", tick_size_e8=E8 // 100, settle_asset="USDT", **common),
        InstrumentSpec(venue_id=1, symbol="BTCUSDT", tick_size_e8=E8 // 10, settle_asset="USDT", **common),
        InstrumentSpec(venue_id=2, symbol="BTCUSDT", tick_size_e8=E8 // 10, settle_asset="USDT", kind=1, **common),
        InstrumentSpec(
            venue_id=2, symbol="BTCUSD", tick_size_e8=E8, settle_asset="BTC", kind=1, inverse=True, **common
        ),
    ]


def two_lines() -> Config:
    """A configuration with both."""
    config = load(REPOSITORY / "config" / "demo.toml").config
    (venue,) = config.venue.values()
    return msgspec.structs.replace(config, venue=dict.fromkeys(LINES, venue))


class Writer:
    """Makes records."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.records: list[SimpleNamespace] = []
        self.orders: dict[int, tuple[int, int, int]] = {}
        self.parents: list[int] = []
        self.child_of: dict[int, int] = {}
        self.counter = 0

    def put(self, kind: RecordKind, payload: bytes, **header: Any) -> int:
        seq = len(self.records) + 1
        facts = {"kind": int(kind), "seq": seq, "epoch": 1, "wall_ns": seq * 10**6, "payload": payload}
        self.records.append(SimpleNamespace(**facts, **header))
        return seq

    def whose(self, instrument_id: int) -> dict[str, int]:
        line = INSTRUMENTS[instrument_id]
        side = self.dice.choice((0, 0, 1, 2)) if line == 2 else 0
        strategy = self.dice.randrange(4)
        return {
            "venue_id": line, "account_id": line, "instrument_id": instrument_id, "strategy_id": strategy, "position_side": side,
        }  # fmt: skip

    # --- orders

    def order(self) -> None:
        """Asked for, judged, and perhaps met: alone, as a successor, or as legs of a list."""
        dice, instrument_id = self.dice, self.dice.choice(list(INSTRUMENTS))
        who, legs = self.whose(instrument_id), dice.choice((1, 1, 1, 2, 3))
        contingency = Contingency.OCO if legs == 2 else Contingency.OTOCO
        first, side = self.counter + 1 + (1 << 32), dice.randrange(2)
        for index in range(legs):
            self.counter += 1
            handle, qty, price = (1 << 32) + self.counter, dice.randrange(1, 50), dice.randrange(1, 10**6)
            kind = dice.choice((OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT))
            target = dice.choice(list(self.orders)) if self.orders and legs == 1 and dice.random() < 0.2 else 0
            text = body(
                RecordKind.INTENT, action=IntentAction.REPLACE if target else IntentAction.SUBMIT, side=side, order_type=kind,
                has_conditions=int(legs > 1), price_ticks=price, qty_lots=qty, target_handle=target, expire_ns=dice.randrange(99),
            )  # fmt: skip
            if legs > 1:
                text += conditions(first, dice, contingency, legs, index)
            intent = self.put(RecordKind.INTENT, text, order_handle=handle, **who)
            if dice.random() < 0.1:
                continue  # the run ended here
            approved = int(dice.random() < 0.8)
            verdict = body(RecordKind.VERDICT, approved=approved, value=price + dice.randrange(9))
            self.put(RecordKind.VERDICT, verdict, order_handle=handle, cause_seq=intent, **who)
            if approved:
                self.orders[handle] = (instrument_id, qty, price)
                self.state(handle, OrderState.PENDING_NEW, side=side, order_type=kind, who=who)

    def state(self, handle: int, state: OrderState, *, side: int = 0, order_type: int = 0, who: Any = None) -> None:
        """ORDER_STATE."""
        instrument_id, qty, price = self.orders[handle]
        filled = self.dice.randrange(qty + 1) if state in ENDED else 0
        payload = body(
            RecordKind.ORDER_STATE, state=state, side=side, order_type=order_type, price_ticks=price, qty_lots=qty,
            cum_qty_lots=filled, leaves_qty_lots=self.dice.choice((0, 0, 1)) if state in ENDED else qty,
            venue_order_id=self.dice.choice((0, handle % 1000)), reason=self.dice.randrange(5), venue_code=-self.dice.randrange(3),
            is_triggered=int(self.dice.random() < 0.2), trigger_ticks=self.dice.randrange(100), flags=self.dice.choice((0, 2)),
        )  # fmt: skip
        self.put(RecordKind.ORDER_STATE, payload, order_handle=handle, **(who or self.whose(instrument_id)))

    def move(self) -> None:
        """A further word about an order."""
        if self.orders:
            handle = self.dice.choice(list(self.orders))
            self.state(handle, self.dice.choice((*LIVE, *ENDED)))

    def fill(self) -> None:
        """A trade: of an order, of nobody's, again, or under another's id; fees in any asset."""
        dice = self.dice
        handle = dice.choice(list(self.orders)) if self.orders and dice.random() < 0.8 else 0
        instrument_id = self.orders[handle][0] if handle else dice.choice(list(INSTRUMENTS))
        trade = dice.choice((0, dice.randrange(1, 60), 10_000 + self.counter, -(1 << 62) + dice.randrange(1 << 40)))
        payload = body(
            RecordKind.FILL, trade_id=trade, price_ticks=dice.randrange(1, 5), qty_lots=dice.randrange(1, 9),
            side=dice.randrange(2),
            commission_e8=dice.randrange(-5, 99), commission_asset_id=dice.randrange(12),
            is_external=max(dice.randrange(20) - 17, 0),
            position_cost_e8=dice.randrange(10**6),
        )  # fmt: skip
        self.put(RecordKind.FILL, payload, order_handle=handle, **self.whose(instrument_id))

    # --- the rest

    def funding(self) -> None:
        """Told by the stream or listed."""
        instrument_id = self.dice.choice((0, 3, 4))
        payload = body(
            RecordKind.FUNDING_PAYMENT, event_ns=self.dice.randrange(6) * 3_600_000_000_000, amount_e8=self.dice.choice((-5, 7)),
            asset_id=self.dice.choice((1, 2)), is_answer=self.dice.randrange(2), payments=self.dice.randrange(3),
        )  # fmt: skip
        self.put(RecordKind.FUNDING_PAYMENT, payload, venue_id=2, account_id=2, instrument_id=instrument_id)

    def tiers(self) -> None:
        """Leverage and tiers of a contract."""
        rows = self.dice.randrange(4)
        payload = struct.pack("<iB3xI4x", self.dice.randrange(1, 126), self.dice.randrange(2), rows)
        payload += b"".join(struct.pack("<qqqqi4x", i, i + 10, i * 4, i, 20) for i in range(rows))
        self.put(RecordKind.MARGIN_TIERS, payload, venue_id=2, account_id=2, instrument_id=self.dice.choice((3, 4)))

    def command(self) -> None:
        """KILL or ARM of any scope."""
        scope: dict[str, int] = self.dice.choice(
            (
                {},
                {"venue_id": 1, "account_id": 1},
                {"venue_id": 2},
                {"account_id": 2},
                {"strategy_id": 2},
                {"instrument_id": 3},
            )
        )
        kind = self.dice.choice((CommandKind.KILL, CommandKind.ARM))
        self.put(RecordKind.COMMAND, body(RecordKind.COMMAND, command_kind=kind), **scope)

    def halt(self) -> None:
        """What halts until a person arms."""
        line = self.dice.choice((1, 2))
        if self.orders and self.dice.random() < 0.3:
            self.dispute()
            return
        if self.dice.random() < 0.5:
            payload = body(RecordKind.ALARM, state=self.dice.choice((AlarmCode.OVERFILL, AlarmCode.UNKNOWN_FILL)))
            self.put(RecordKind.ALARM, payload, venue_id=line, account_id=line, instrument_id=1 if line == 1 else 3)
            return
        reason = self.dice.choice((HaltReason.MISMATCH, HaltReason.CRASH_LOOP))
        payload = body(RecordKind.TRADING_STATE, state=TradingState.HALTED, reason=reason)
        self.put(RecordKind.TRADING_STATE, payload, venue_id=line, account_id=line)

    def dispute(self) -> None:
        """Fills of an order that the venue counted and did not tell, or an adoption: of it, or of a position."""
        handle = self.dice.choice(list(self.orders))
        who = self.whose(self.orders[handle][0])
        lots = self.dice.randrange(1, 9)
        if self.dice.random() < 0.5:
            payload = body(RecordKind.ALARM, state=AlarmCode.FILL_MISSING, detail=lots)
            self.put(RecordKind.ALARM, payload, order_handle=handle, **who)
            return
        untold = body(
            RecordKind.FILL, trade_id=-1, price_ticks=3, qty_lots=lots, side=self.dice.randrange(2), is_external=1
        )
        self.put(RecordKind.FILL, untold, **who)
        payload = body(RecordKind.ALARM, state=AlarmCode.POSITION_ADOPTED, detail=lots + self.dice.choice((0, 0, 1)))
        self.put(RecordKind.ALARM, payload, order_handle=self.dice.choice((0, handle)), **who)

    def risk(self) -> None:
        """A scope as it stood."""
        dice = self.dice
        payload = body(
            RecordKind.RISK_STATE, scope=dice.randrange(5), peak_pnl_e8=dice.randrange(999), day_start_pnl_e8=dice.randrange(999),
            day=dice.randrange(9), latches=dice.randrange(8), loss_streak=dice.randrange(4), risk_mode=dice.randrange(4),
            cooldown_until_ns=dice.choice((0, 10**18, (1 << 63) - 1)), pause_until_ns=dice.choice((0, 10**18)),
        )  # fmt: skip
        ids = {"account_id": 1, "venue_id": 2, "strategy_id": 3, "instrument_id": 4}
        self.put(RecordKind.RISK_STATE, payload, **ids)

    def limits(self) -> None:
        """A command about limits, or its end."""
        names = self.dice.sample(("max_open_orders", "max_daily_loss", "no_buy"), self.dice.randrange(1, 4))
        changed = LimitsChanged(
            scope=self.dice.choice((0, 3)), scope_id=0, new={name: self.dice.randrange(2) for name in names},
            old={name: self.dice.choice((None, 0, 1)) for name in names}, commanded=self.dice.random() < 0.7, uid=3, reason="so",
        )  # fmt: skip
        self.put(RecordKind.LIMITS, msgspec.json.encode(changed))

    def parent(self) -> None:
        """An instruction, and what became of it."""
        self.counter += 1
        handle = (
            self.dice.choice(self.parents) if self.parents and self.dice.random() < 0.7 else (1 << 32) + self.counter
        )
        if handle not in self.parents:
            self.parents.append(handle)
            self.put(RecordKind.INSTRUCTION, b'{"type":"x"}   ', order_handle=handle, strategy_id=2)
            return
        free = [
            order
            for order in self.dice.sample(list(self.orders), min(4, len(self.orders)))
            if self.child_of.setdefault(order, handle) == handle
        ]
        children = [{"handle": child} for child in self.dice.sample(free, min(2, len(free)))]
        status = self.dice.choice((ParentState.WORKING, ParentState.WORKING, ParentState.DONE))
        upto = len(self.records) - self.dice.randrange(40)
        text = msgspec.json.encode({"status": status, "upto_seq": max(upto, 0), "children": children, "own": [1]})
        self.put(RecordKind.PARENT_STATE, bytes(48) + text, order_handle=handle, strategy_id=2)

    def step(self) -> None:
        """One thing more."""
        acts = [self.order] * 6 + [self.move] * 8 + [self.fill] * 8 + [self.parent] * 3
        acts += [self.funding, self.tiers, self.command, self.halt, self.risk, self.limits]
        self.dice.choice(acts)()


def conditions(first: int, dice: random.Random, contingency: int, legs: int, index: int) -> bytes:
    """A leg's."""
    numbers = (dice.choice((0, first)), first, dice.choice((0, 3)), 5, 6, 7)
    return struct.pack("<QQqqqqBBBBBB2x", *numbers, 1, 1, contingency, legs, index, dice.randrange(2))


def random_ledger(root: Path, seed: int, steps: int) -> Told:
    """A ledger and the names that it is read with."""
    root.mkdir(parents=True, exist_ok=True)
    registry = Registry(root / "names.json", Disk())
    for name in LINES:
        registry.venue_id(name)
    registry.fill(Tables(), specs())
    registry.save()
    writer = Writer(random.Random(seed))
    for _ in range(steps):
        writer.step()
    return Told(two_lines(), root, writer.records)
