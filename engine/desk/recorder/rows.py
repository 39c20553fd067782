"""Records to rows. The same records in the ledger's order make the same rows, however they are cut into batches."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.control.catalog import InstrumentRow, Names
from engine.desk.profit import Holding
from engine.desk.recorder import words
from engine.desk.recorder.memory import INSTRUMENT_FIELDS, Memory, ProfitKey, profit_row
from engine.desk.recorder.plans import MakeRow, Row, plan
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.words import Words, text_of
from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.decode import StrategyStatus
from engine.model import codes
from engine.model.codes import RecordKind

HEADER_BYTES = layout.RECORD_HEADER_BYTES
STATE_WORDS: dict[RecordKind, dict[str, Any]] = {
    RecordKind.TRADING_STATE: {"state": codes.TradingState, "reason": codes.HaltReason},
    RecordKind.STRATEGY_STATE: {"state": StrategyStatus, "reason": codes.AlarmCode},
    RecordKind.SESSION_STATE: {"state": codes.SessionState, "reason": codes.Reason},
    RecordKind.RECONCILE_BEGIN: {},
    RecordKind.RECONCILE_END: {},
    RecordKind.VENUE_HEALTH: {"state": codes.BreakerState},
}
TEXT_EVENTS = (
    *(RecordKind.START, RecordKind.STOP, RecordKind.RECOVERED, RecordKind.CUT),
    *(RecordKind.LIMITS, RecordKind.INSTRUCTION, RecordKind.OPERATOR),
)
_INTENT_BYTES = HEADER_BYTES + layout.payload_format(RecordKind.INTENT)[0].size
_HAS_CONDITIONS = HEADER_BYTES + 7
_COMMAND_BYTES = HEADER_BYTES + layout.payload_format(RecordKind.COMMAND)[0].size
_STATE_BYTES = HEADER_BYTES + layout.payload_format(RecordKind.ALARM)[0].size
_DETAIL_SIZE = struct.Struct("<I")


def at(table: str, column: str) -> int:
    """Where a column stands in a row of its table."""
    return TABLES[table].names.index(column)


_ORDER_FIRST, _STATE_HANDLE = at("orders", "first_epoch"), at("order_states", "order_handle")
_ORDER_PARENT, _ORDER_VENUE_ID = at("orders", "parent_handle"), at("orders", "venue_order_id")
_STATE_VENUE_ID, _STATE_INSTRUMENT = at("order_states", "venue_order_id"), at("order_states", "instrument")
_ORDER_INSTRUMENT = at("orders", "instrument")
_STATE = at("order_states", "state")
_CAUSE = 4


@dataclass
class Batch:
    """Rows to write: of every record, and the last state of each key."""

    rows: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in TABLES if not TABLES[name].latest})
    latest: dict[str, dict[Any, Any]] = field(
        default_factory=lambda: {name: {} for name, spec in TABLES.items() if spec.latest}
    )
    engine: tuple[str, str] | None = None
    skipped: int = 0

    def tables(self) -> list[tuple[str, list[Any]]]:
        """(table, rows) of everything there is."""
        found = [(name, rows) for name, rows in self.rows.items() if rows]
        return found + [(name, list(rows.values())) for name, rows in self.latest.items() if rows]

    def count(self) -> int:
        """How many rows."""
        return sum(len(rows) for _, rows in self.tables())


@dataclass(slots=True)
class _Changed:
    """An order in a batch: the record of its last state, where its first one stands, how many there were."""

    kind: RecordKind
    data: bytes
    instrument: int
    first: list[int]
    parent: int
    count: int = 1


class RowMaker:
    """Makes rows of the records of one journal, which has number `journal` in the database."""

    def __init__(self, journal: int, memory: Memory) -> None:
        self.journal = journal
        self.memory = memory
        self._batch = Batch()
        # the fills' holdings of the batch: written once each
        self._earned: dict[ProfitKey, tuple[int, int, int]] = {}
        self._changed: dict[int, _Changed] = {}
        self._plans = self._make_plans()
        # those of which there are most
        self._order_state_row = self._plans[RecordKind.ORDER_STATE, "order_states"]
        self._intent_row = self._plans[RecordKind.INTENT, "intents"]
        self._verdict_row = self._plans[RecordKind.VERDICT, "verdicts"]
        self._actions: dict[int, Callable[[Record], None]] = {
            RecordKind.ORDER_STATE: self._order_state,
            RecordKind.HELD_ORDER: self._held_order,
            RecordKind.FILL: self._fill,
            RecordKind.POSITION: self._position,
            RecordKind.BALANCE: self._balances,
            RecordKind.BALANCE_UPDATE: self._transfers,
            RecordKind.ACCOUNT: self._account,
            RecordKind.FUNDING_PAYMENT: self._funding,
            RecordKind.INTENT: self._intent,
            RecordKind.VERDICT: self._verdict,
            RecordKind.PARENT_STATE: self._parent_state,
            RecordKind.COMMAND: self._command,
            RecordKind.ALARM: self._alarm,
            RecordKind.ACCOUNT_WARNING: self._alarm,
            RecordKind.RISK_STATE: self._risk_state,
            RecordKind.INSTRUMENT: self._catalog,
            RecordKind.ASSET: self._asset,
            **dict.fromkeys(STATE_WORDS, self._state_event),
            **dict.fromkeys(TEXT_EVENTS, self._text_event),
        }

    def make(self, records: Iterable[Record]) -> Batch:
        """The rows of these records, which follow those of the last call. One that its kind's layout does not fit is counted."""
        self._batch, self._earned, self._changed = Batch(), {}, {}
        actions = self._actions
        for record in records:
            action = actions.get(record.kind)
            if action is not None:
                try:
                    action(record)
                except struct.error:
                    self._batch.skipped += 1
        self._write_orders()
        self._write_profits()
        return self._batch

    def _make_plans(self) -> dict[Any, MakeRow]:
        """Every way in which a record becomes a row, by kind or (kind, table)."""
        journal, number = self.journal, {"instrument": "instrument_id"}
        own = {"instrument": self.memory.numbers}
        found: dict[Any, MakeRow] = {}

        def add(kind: RecordKind, table: str, *, without: tuple[str, ...] = (), **fields: str) -> None:
            meanings = own | KIND_WORDS.get(kind, {})
            spec = TABLES[table]
            found[kind, table] = plan(kind, spec, journal, also=number | fields, words=meanings, without=without)

        for kind in (RecordKind.ORDER_STATE, RecordKind.HELD_ORDER):
            add(kind, "order_states", is_held="kind")
            found[kind, "orders"] = plan(
                kind,
                TABLES["orders"],
                journal,
                also=number
                | {"first_epoch": "epoch", "first_seq": "seq", "first_wall_ns": "wall_ns", "parent_handle": "seq"},
                words=own | KIND_WORDS[kind],
                without=("changes",),
            )
        add(RecordKind.FILL, "fills")
        add(RecordKind.POSITION, "position_states")
        add(RecordKind.POSITION, "positions")
        add(RecordKind.ACCOUNT, "account_states")
        add(RecordKind.ACCOUNT, "accounts")
        add(RecordKind.FUNDING_PAYMENT, "funding")
        add(RecordKind.INTENT, "intents", without=("parent_handle",))
        add(RecordKind.VERDICT, "verdicts")
        add(RecordKind.PARENT_STATE, "parent_states")
        add(RecordKind.COMMAND, "commands", without=("detail", "reason"), command="command_kind")
        for kind in (RecordKind.ALARM, RecordKind.ACCOUNT_WARNING):
            add(kind, "alarms", without=("text",), code="state")
        for kind in STATE_WORDS:
            add(kind, "events", without=("text",))
        for kind in TEXT_EVENTS:
            rest = ("state", "previous_state", "reason", "detail", "text")
            add(kind, "events", without=rest)
        add(RecordKind.RISK_STATE, "risk_states")
        return found

    # --- orders

    def _order_state(self, record: Record) -> None:
        data = record.data
        self._order(self._order_state_row(data), RecordKind.ORDER_STATE, data, 0)

    def _held_order(self, record: Record) -> None:
        """The engine holds it: its record names the parent where an order at the venue has the venue's number."""
        data = record.data
        state = self._plans[RecordKind.HELD_ORDER, "order_states"](data)
        parent = state[_STATE_VENUE_ID]
        state[_STATE_VENUE_ID] = 0
        self._order(state, RecordKind.HELD_ORDER, data, 0 if parent == record.order_handle else parent)

    def _order(self, state: Row, kind: RecordKind, data: bytes, parent: int) -> None:
        handle = state[_STATE_HANDLE]
        self._batch.rows["order_states"].append(state)
        if state[_CAUSE] in self.memory.roots:
            self._effect(state, RecordKind.ORDER_STATE, handle, state[_STATE])
        parent = self.memory.parents.pop(handle, 0) or parent
        changed = self._changed.get(handle)
        if changed is None:
            self._changed[handle] = _Changed(kind, data, state[_STATE_INSTRUMENT], state[1:4], parent)
        else:
            changed.kind, changed.data, changed.instrument = kind, data, state[_STATE_INSTRUMENT]
            changed.count += 1

    def _write_orders(self) -> None:
        """The last state of each order that changed: one row, however often it did."""
        rows = self._batch.latest["orders"]
        for handle, changed in self._changed.items():
            row = self._plans[changed.kind, "orders"](changed.data)
            row[_ORDER_FIRST : _ORDER_FIRST + 3] = changed.first
            row[_ORDER_PARENT], row[_ORDER_INSTRUMENT] = changed.parent, changed.instrument
            if changed.kind is RecordKind.HELD_ORDER:
                row[_ORDER_VENUE_ID] = 0
            row.append(changed.count)
            rows[handle] = row

    # --- fills and what they come to

    def _fill(self, record: Record) -> None:
        row = self._plans[RecordKind.FILL, "fills"](record.data)
        self._batch.rows["fills"].append(row)
        terms = self.memory.terms.get(record.instrument_id)
        if terms is None:
            return
        fields = dict(zip(FILL_NAMES, row, strict=True))
        key = (fields["strategy_id"], fields["account_id"], fields["venue_id"], terms.symbol, fields["position_side"])
        held = self.memory.holdings.get(key)
        if held is None:
            held = self.memory.holdings[key] = Holding(terms)
        held.take(terms, fields)
        self._earned.pop(key, None)
        self._earned[key] = (fields["epoch"], fields["seq"], fields["wall_ns"])

    def _write_profits(self) -> None:
        rows = self._batch.latest["profits"]
        for key, when in self._earned.items():
            held = self.memory.holdings[key]
            rows[key] = profit_row(self.journal, key, when, self.memory.numbers[held.row.instrument_id], held)

    def _position(self, record: Record) -> None:
        data = record.data
        batch = self._batch
        batch.rows["position_states"].append(self._plans[RecordKind.POSITION, "position_states"](data))
        row = self._plans[RecordKind.POSITION, "positions"](data)
        batch.latest["positions"][tuple(row[1:4])] = row

    # --- money

    def _balances(self, record: Record) -> None:
        data = record.data
        form = layout.payload_format(RecordKind.BALANCE)[0]
        _, _, count, is_complete = form.unpack_from(data, HEADER_BYTES)
        first, is_complete = HEADER_BYTES + form.size, bool(is_complete)
        told = [layout.BALANCE_ROW.unpack_from(data, first + at * layout.BALANCE_ROW.size) for at in range(count)]
        account_id, venue_id = record.account_id, record.venue_id
        if is_complete:
            # what a complete list does not name is gone
            named = {asset_id for asset_id, _, _ in told}
            told += [(asset, 0, 0) for asset in sorted(self.memory.held.get(account_id, {}).keys() - named)]
        front = (self.journal, record.epoch, record.seq, record.wall_ns)
        if not told:
            # that nothing is held is said by a row of no asset
            self._batch.rows["balance_states"].append((*front, 0, venue_id, account_id, 0, 0, is_complete))
        for asset_id, free_e8, locked_e8 in told:
            about = (venue_id, account_id, free_e8, locked_e8)
            self._batch.rows["balance_states"].append((*front, asset_id, *about, is_complete))
            row = (self.journal, account_id, asset_id, *front[1:], venue_id, free_e8, locked_e8)
            self._batch.latest["balances"][account_id, asset_id] = row
            self.memory.tell_balance(account_id, asset_id, venue_id, is_held=bool(free_e8 or locked_e8))

    def _transfers(self, record: Record) -> None:
        """The venue tells that a balance changed without a trade: where an amount free would stand, the change does."""
        data = record.data
        form = layout.payload_format(RecordKind.BALANCE_UPDATE)[0]
        event_ns, _, count, _ = form.unpack_from(data, HEADER_BYTES)
        front = (self.journal, record.epoch, record.seq, record.wall_ns)
        for number in range(count):
            place = HEADER_BYTES + form.size + number * layout.BALANCE_ROW.size
            asset_id, change_e8, _ = layout.BALANCE_ROW.unpack_from(data, place)
            about = (record.venue_id, record.account_id, asset_id)
            self._batch.rows["transfers"].append((*front, number, *about, change_e8, event_ns))

    def _account(self, record: Record) -> None:
        data = record.data
        batch = self._batch
        state = self._plans[RecordKind.ACCOUNT, "account_states"](data)
        batch.rows["account_states"].append(state)
        row = self._plans[RecordKind.ACCOUNT, "accounts"](data)
        batch.latest["accounts"][tuple(row[1:4])] = row
        form = layout.payload_format(RecordKind.ACCOUNT)[0]
        each, names = layout.row_format(RecordKind.ACCOUNT)
        count = form.unpack_from(data, HEADER_BYTES)[ACCOUNT_COUNT]
        first = HEADER_BYTES + form.size
        for number in range(count):
            fields = dict(zip(names, each.unpack_from(data, first + number * each.size), strict=True))
            fields["instrument"] = self.memory.numbers[fields["instrument_id"]]
            fields["position_side"] = words.SIDES[fields["position_side"]]
            fields["is_isolated"] = bool(fields["is_isolated"])
            rest = tuple(fields[name] for name in ACCOUNT_POSITION_REST)
            batch.rows["account_positions"].append((*state[:4], number, *state[4:7], *rest))

    def _funding(self, record: Record) -> None:
        self._batch.rows["funding"].append(self._plans[RecordKind.FUNDING_PAYMENT, "funding"](record.data))

    def _risk_state(self, record: Record) -> None:
        row = self._plans[RecordKind.RISK_STATE, "risk_states"](record.data)
        self._batch.rows["risk_states"].append(row)
        if row[_CAUSE] in self.memory.roots:
            self._effect(row, RecordKind.RISK_STATE, 0, row[RISK_MODE])

    # --- decisions

    def _intent(self, record: Record) -> None:
        data = record.data
        row = self._intent_row(data)
        parent = 0
        if data[_HAS_CONDITIONS] and len(data) >= _INTENT_BYTES + 8:
            parent = int.from_bytes(data[_INTENT_BYTES : _INTENT_BYTES + 8], "little", signed=True)
        row.append(parent)
        self._batch.rows["intents"].append(row)
        handle = record.order_handle
        if parent and parent != handle:
            self.memory.parents[handle] = parent
        if row[_CAUSE] in self.memory.roots:
            self._effect(row, RecordKind.INTENT, handle, row[INTENT_ACTION])

    def _verdict(self, record: Record) -> None:
        row = self._verdict_row(record.data)
        self._batch.rows["verdicts"].append(row)
        if row[_CAUSE] in self.memory.roots:
            outcome = "APPROVED" if row[VERDICT_APPROVED] else row[VERDICT_APPROVED + 1]
            self._effect(row, RecordKind.VERDICT, record.order_handle, outcome)

    def _parent_state(self, record: Record) -> None:
        row = self._plans[RecordKind.PARENT_STATE, "parent_states"](record.data)
        self._batch.rows["parent_states"].append(row)
        if row[_CAUSE] in self.memory.roots:
            self._effect(row, RecordKind.PARENT_STATE, record.order_handle, row[PARENT_STATE])

    # --- people, alarms, states

    def _command(self, record: Record) -> None:
        data = record.data
        row = self._plans[RecordKind.COMMAND, "commands"](data)
        (size,) = _DETAIL_SIZE.unpack_from(data, _COMMAND_BYTES - 4)
        row.append(text_of(data[_COMMAND_BYTES : _COMMAND_BYTES + size]))
        row.append(text_of(data[_COMMAND_BYTES + size :]))
        self._batch.rows["commands"].append(row)
        self.memory.begin(record.seq, record.seq)

    def _effect(self, row: Row, kind: RecordKind, handle: int, outcome: str) -> None:
        """A record came of a command."""
        command_seq = self.memory.roots[row[_CAUSE]]
        self.memory.begin(row[2], command_seq)
        self._batch.rows["command_effects"].append((*row[:5], command_seq, kind.name, handle, outcome))

    def _alarm(self, record: Record) -> None:
        data = record.data
        row = self._plans[RecordKind(record.kind), "alarms"](data)
        row.append(text_of(data[_STATE_BYTES:]))
        self._batch.rows["alarms"].append(row)
        if row[_CAUSE] in self.memory.roots:
            self._effect(row, RecordKind.ALARM, record.order_handle, row[ALARM_CODE])

    def _state_event(self, record: Record) -> None:
        data = record.data
        kind = RecordKind(record.kind)
        row = self._plans[kind, "events"](data)
        row.append(text_of(data[_STATE_BYTES:]))
        self._batch.rows["events"].append(row)
        if row[_CAUSE] in self.memory.roots:
            self._effect(row, kind, record.order_handle, row[EVENT_STATE])

    def _text_event(self, record: Record) -> None:
        data = record.data
        kind = RecordKind(record.kind)
        text = text_of(data[HEADER_BYTES:])
        row = self._plans[kind, "events"](data)
        row += ["", "", "", 0, text]
        self._batch.rows["events"].append(row)
        if kind in (RecordKind.START, RecordKind.STOP):
            self._run(kind, row, text)
        elif kind is not RecordKind.OPERATOR and row[_CAUSE] in self.memory.roots:
            # who commanded is no effect of the command
            self._effect(row, kind, record.order_handle, "")

    def _run(self, kind: RecordKind, row: Row, text: str) -> None:
        """A run begins or ends in order."""
        facts = facts_of(text)
        if kind is RecordKind.START:
            self.memory.roots.clear()
            self.memory.parents.clear()
            told = (str(facts.get("build", "")), str(facts.get("config_hash", "")))
            self.memory.run = [self.journal, *row[1:4], *told, None, None, None]
        elif self.memory.run:
            self.memory.run = [*self.memory.run[:6], row[2], row[3], str(facts.get("reason", ""))]
        if self.memory.run:
            self._batch.latest["runs"][self.memory.run[1]] = self.memory.run

    def _catalog(self, record: Record) -> None:
        """What numbers are called, and the terms of an instrument."""
        text = record.data[HEADER_BYTES:].rstrip(b"\0")
        try:
            if record.instrument_id == 0:
                self._names(msgspec.json.decode(text, type=Names))
            else:
                self._instrument(record, msgspec.json.decode(text, type=InstrumentRow))
        except msgspec.DecodeError:
            self._batch.skipped += 1

    def _asset(self, record: Record) -> None:
        """An asset's number is given out, after the names were written."""
        form = layout.payload_format(RecordKind.ASSET)[0]
        data = record.data
        (asset_id,) = form.unpack_from(data, HEADER_BYTES)
        name = text_of(data[HEADER_BYTES + form.size :])
        self._batch.latest["names"]["asset", asset_id] = (self.journal, "asset", asset_id, name)

    def _names(self, names: Names) -> None:
        self._batch.engine = (names.engine, names.mode)
        for kind, table in (("venue", names.venues), ("strategy", names.strategies), ("asset", names.assets)):
            for number, name in table.items():
                self._batch.latest["names"][kind, number] = (self.journal, kind, number, name)

    def _instrument(self, record: Record, row: InstrumentRow) -> None:
        if self.memory.know(row):
            fields = {name: getattr(row, name) for name in INSTRUMENT_FIELDS} | {"inverse": bool(row.inverse)}
            front = (self.journal, self.memory.instruments, row.instrument_id, record.epoch, record.seq, record.wall_ns)
            rest = TABLES["instruments"].names[len(front) :]
            self._batch.rows["instruments"].append(front + tuple(fields[name] for name in rest))


def facts_of(text: str) -> dict[str, Any]:
    """The JSON of a START or STOP; empty where it is none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


KIND = Words.of(RecordKind)
KIND_WORDS: dict[RecordKind, dict[str, Any]] = {
    RecordKind.ORDER_STATE: {
        "state": Words.of(codes.OrderState),
        "previous_state": Words.of(codes.OrderState),
        "is_held": {RecordKind.ORDER_STATE.value: False},
    },
    RecordKind.HELD_ORDER: {
        "state": Words.of(codes.OrderState),
        "previous_state": Words.of(codes.OrderState),
        "is_held": {RecordKind.HELD_ORDER.value: True},
    },
    RecordKind.PARENT_STATE: {
        "kind": Words.of(codes.InstructionKind),
        "state": Words.of(codes.ParentState),
        "previous_state": Words.of(codes.ParentState),
    },
    RecordKind.VERDICT: {"scope": words.SCOPES},
    RecordKind.COMMAND: {"command": Words.of(codes.CommandKind)},
    RecordKind.RISK_STATE: {"scope": Words.of(codes.LimitScope)},
    **{
        kind: {"kind": KIND, "code": Words.of(codes.AlarmCode)}
        for kind in (RecordKind.ALARM, RecordKind.ACCOUNT_WARNING)
    },
    **{
        kind: {
            "kind": KIND,
            "state": Words.of(enums["state"]) if "state" in enums else Words(),
            "previous_state": Words.of(enums["state"]) if "state" in enums else Words(),
            "reason": Words.of(enums.get("reason", codes.Reason)),
        }
        for kind, enums in STATE_WORDS.items()
    },
    **{kind: {"kind": KIND} for kind in TEXT_EVENTS},
}
FILL_NAMES = TABLES["fills"].names
ACCOUNT_COUNT = layout.payload_format(RecordKind.ACCOUNT)[1].index("count")
ACCOUNT_POSITION_REST = TABLES["account_positions"].names[at("account_positions", "instrument") :]
RISK_MODE = at("risk_states", "risk_mode")
INTENT_ACTION = at("intents", "action")
VERDICT_APPROVED = at("verdicts", "approved")
PARENT_STATE = at("parent_states", "state")
ALARM_CODE = at("alarms", "code")
EVENT_STATE = at("events", "state")
