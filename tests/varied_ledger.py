"""A ledger of everything that is recorded, drawn by a seed: every kind, odd texts, extreme numbers, codes that nobody knows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec

from engine.control.catalog import names_of, write_catalog
from engine.journal import layout
from engine.journal.journal import Journal
from engine.journal.settings import JournalConfig
from engine.model import codes
from engine.model.codes import Lane, RecordKind
from engine.model.tables import Tables
from engine.runtime.world import World
from tests.control_harness import BTCUSDT

INT64 = (1 << 63) - 1
KINDS = (
    *((RecordKind.INTENT,) * 4 + (RecordKind.VERDICT,) * 4 + (RecordKind.ORDER_STATE,) * 8 + (RecordKind.FILL,) * 4),
    *(
        RecordKind.POSITION,
        RecordKind.BALANCE,
        RecordKind.BALANCE_UPDATE,
        RecordKind.ACCOUNT,
        RecordKind.FUNDING_PAYMENT,
        RecordKind.HELD_ORDER,
    ),
    *(RecordKind.PARENT_STATE, RecordKind.COMMAND, RecordKind.ALARM, RecordKind.ACCOUNT_WARNING, RecordKind.RISK_STATE),
    *(RecordKind.TRADING_STATE, RecordKind.STRATEGY_STATE, RecordKind.SESSION_STATE, RecordKind.RECONCILE_BEGIN),
    *(RecordKind.RECONCILE_END, RecordKind.VENUE_HEALTH, RecordKind.LIMITS, RecordKind.INSTRUCTION),
    RecordKind.OPERATOR,
    *(RecordKind.EXECUTION_REPORT, RecordKind.ORDER_REPLY, RecordKind.ORDER_BYTES, RecordKind.TIMER),
)
TEXTS = ("", "why not", "grün und 火", "a\0b", "\udc80".encode("utf-8", "surrogateescape").decode("latin-1"), "x" * 500)
WORDS: dict[str, type[Any]] = {
    "side": codes.Side,
    "order_type": codes.OrderType,
    "time_in_force": codes.TimeInForce,
    "action": codes.IntentAction,
    "reason": codes.Reason,
    "state": codes.OrderState,
    "previous_state": codes.OrderState,
    "command_kind": codes.CommandKind,
    "kind": codes.InstructionKind,
    "risk_mode": codes.RiskMode,
    "scope": codes.LimitScope,
}
# what the profit's arithmetic takes; a fill that the engine writes has nothing else
SANE = frozenset({RecordKind.FILL})
# later than what a run writes at its start by the machine's own clock
FIRST_WALL_NS = 4_000_000_000_000_000_000


class VariedLedger:
    """`write` appends records and makes them durable; `restart` ends the run or kills it, and begins another."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        segment_bytes: int = 1 << 18,
        is_plausible: bool = False,
        data_dir: Path | None = None,
    ) -> None:
        self.data_dir = data_dir or folder / "data"
        self.written = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        # amounts as an engine writes them, and no codes that nobody knows
        self._is_plausible = is_plausible
        self._dice = random.Random(seed)
        self._tick_e8 = 1_000_000
        self._commands: list[int] = []
        self.journal = self._open()

    def _open(self) -> Journal:
        config = JournalConfig(
            data_dir=self.data_dir,
            runtime_dir=self._folder / "run",
            engine_id=7,
            ledger_front_bytes=1 << 20,
            tape_front_bytes=1 << 16,
            segment_bytes=self._segment_bytes,
        )
        tables = Tables()
        tables.add_instrument(msgspec.structs.replace(BTCUSDT, tick_size_e8=self._tick_e8))
        tables.add_instrument(msgspec.structs.replace(BTCUSDT, symbol="ETHBTC", base_asset="ETH", quote_asset="BTC"))
        journal = Journal.open(config, World.live(), build="test", config_hash="x")
        write_catalog(journal, tables, names_of("varied", "sim", tables, {"sim": 1}, {"maker": 1, "taker": 2}))
        return journal

    def restart(self) -> None:
        """Another run; the instrument may have another tick in it."""
        if self._dice.random() < 0.5:
            self.journal.crash()
        else:
            self.journal.close(reason="test")
        self._tick_e8 = self._dice.choice((1_000_000, 500_000))
        self._commands.clear()
        self.journal = self._open()

    def write(self, count: int) -> None:
        """Append `count` records of any kind."""
        for _ in range(count):
            self._append(self._dice.choice(KINDS))
        self.written += count
        self.journal.flush()

    def _append(self, kind: RecordKind) -> None:
        dice = self._dice
        payload = self._payload(kind)
        cause = dice.choice(self._commands) if self._commands and dice.random() < 0.1 else self.journal.sequence
        is_nobodys = self._is_plausible and kind is RecordKind.FUNDING_PAYMENT
        seq = self.journal.append(
            Lane.LEDGER, kind, payload, cause_seq=cause, wall_ns=FIRST_WALL_NS + self.journal.sequence * 1_000_000_000,
            mono_ns=1, venue_id=1, account_id=dice.choice((1, 2)), strategy_id=0 if is_nobodys else dice.randrange(3),
            instrument_id=dice.choice((0, 1, 1, 2)) if kind not in SANE else dice.choice((1, 2)),
            order_handle=0 if is_nobodys else self.journal.epoch << 32 | dice.randrange(1, 60),
        )  # fmt: skip
        if kind is RecordKind.COMMAND:
            self._commands.append(seq)

    def _payload(self, kind: RecordKind) -> bytes:
        if kind not in layout.PAYLOADS:
            return self._dice.choice((b'{"max": 1}', b"{", b"\xff\xfe", b""))
        form, names = layout.payload_format(kind)
        fields = {name: self._value(kind, name, code) for name, code in zip(names, payload_codes(kind), strict=True)}
        rest = self._rest(kind, fields)
        return form.pack(*(fields[name] for name in names)) + rest

    def _value(self, kind: RecordKind, name: str, code: str) -> Any:
        dice = self._dice
        if code.endswith("s"):
            return b"07v%d" % dice.randrange(10**9)
        if name.startswith("is_") or name in ("approved", "has_conditions"):
            return dice.randrange(2)
        if name in WORDS:
            known = [int(member) for member in WORDS[name]]
            is_known = kind in SANE or name == "scope" or self._is_plausible or dice.random() < 0.95
            return dice.choice(known) if is_known else 99
        if name.endswith("asset_id"):
            return dice.randrange(1, 4)
        if kind in SANE or code in "BH":
            return dice.randrange(1, 200)
        if code in "iI":
            return dice.randrange(1 << 31)
        if self._is_plausible:
            return dice.choice((0, 1, dice.randrange(10**9)))
        return dice.choice((0, 1, dice.randrange(10**12), INT64))

    def _rest(self, kind: RecordKind, fields: dict[str, Any]) -> bytes:
        dice = self._dice
        text = dice.choice(TEXTS).encode("utf-8", "replace")
        if kind is RecordKind.INTENT:
            form, names = layout.conditions_format()
            return form.pack(*(dice.randrange(1, 60) for _ in names)) if fields["has_conditions"] else b""
        if kind is RecordKind.COMMAND:
            detail = dice.choice((b"", b'{"a":1}'))
            fields["detail_size"] = len(detail)
            return detail + text
        if kind in (RecordKind.BALANCE, RecordKind.BALANCE_UPDATE):
            fields["count"] = dice.randrange(4)
            return b"".join(layout.BALANCE_ROW.pack(1 + at, dice.randrange(10**9), 0) for at in range(fields["count"]))
        if kind is RecordKind.ACCOUNT:
            fields["count"] = dice.randrange(3)
            form, names = layout.row_format(kind)
            return b"".join(form.pack(*(dice.randrange(1, 3) for _ in names)) for _ in range(fields["count"]))
        if kind is RecordKind.ORDER_BYTES:
            fields["byte_count"] = len(text)
        return text if kind not in (RecordKind.FILL, RecordKind.VERDICT) else b""


def payload_codes(kind: RecordKind) -> list[str]:
    """The struct code of each named field."""
    return [code for part in layout.PAYLOADS[kind].split() if not (code := part.split(":")[1]).endswith("x")]
