"""What the recorder's tables must hold: folded from the ledger record by record, by the generic decoder, without batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from engine.control.catalog import InstrumentRow
from engine.desk.ledger import Catalog
from engine.desk.profit import Profits
from engine.desk.recorder.database import Database
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.tables import metadata
from engine.journal import decode
from engine.journal.cursor import Record
from engine.journal.decode import enum_name
from engine.journal.reader import JournalReader, read_marks
from engine.model.codes import Lane, PositionSide, RecordKind

Rows = dict[str, list[dict[str, Any]]]
TABLE_OF = {
    RecordKind.ORDER_STATE: "order_states",
    RecordKind.HELD_ORDER: "order_states",
    RecordKind.FILL: "fills",
    RecordKind.POSITION: "position_states",
    RecordKind.ACCOUNT: "account_states",
    RecordKind.FUNDING_PAYMENT: "funding",
    RecordKind.INTENT: "intents",
    RecordKind.VERDICT: "verdicts",
    RecordKind.PARENT_STATE: "parent_states",
    RecordKind.COMMAND: "commands",
    RecordKind.ALARM: "alarms",
    RecordKind.ACCOUNT_WARNING: "alarms",
    RecordKind.RISK_STATE: "risk_states",
}
EVENTS = (
    *(RecordKind.START, RecordKind.STOP, RecordKind.RECOVERED, RecordKind.CUT, RecordKind.TRADING_STATE),
    *(RecordKind.STRATEGY_STATE, RecordKind.SESSION_STATE, RecordKind.RECONCILE_BEGIN, RecordKind.RECONCILE_END),
    *(RecordKind.VENUE_HEALTH, RecordKind.LIMITS, RecordKind.INSTRUCTION, RecordKind.OPERATOR),
)
# told apart by nothing but time
UNCOMPARED = ("journals", "offsets", "names")


class Reference:
    """`rows`: table to rows, of everything below the watermark."""

    def __init__(self, data_dir: Path, journal: int = 1) -> None:
        self.journal = journal
        self.rows: Rows = {name: [] for name in TABLES}
        self._numbers: dict[int, int] = {}
        self._terms: dict[int, Any] = {}
        self._parents: dict[int, int] = {}
        self._roots: dict[int, int] = {}
        self._latest: dict[str, dict[Any, dict[str, Any]]] = {name: {} for name in TABLES}
        self._catalog, self._profits = Catalog(), Profits()
        self._earned: dict[Any, Record] = {}
        last = read_marks(data_dir)[Lane.LEDGER].seq
        for record in JournalReader(data_dir).records(Lane.LEDGER, to_seq=last):
            self._take(record)
        self._add_profits()
        for name, rows in self._latest.items():
            self.rows[name] += rows.values()

    def _take(self, record: Record) -> None:
        kind = RecordKind(record.kind)
        if kind is RecordKind.INSTRUMENT:
            self._instrument(record)
        elif kind in TABLE_OF:
            self._plain(record, TABLE_OF[kind])
        elif kind in EVENTS:
            self._plain(record, "events")
            if kind in (RecordKind.START, RecordKind.STOP):
                self._run(record)
        elif kind is RecordKind.BALANCE:
            self._balances(record)
        elif kind is RecordKind.BALANCE_UPDATE:
            self._transfers(record)

    def _fields(self, record: Record) -> dict[str, Any]:
        """Everything that the record says, by the tables' names."""
        body = decode.payload(record)
        kind = RecordKind(record.kind)
        fields: dict[str, Any] = {name: getattr(record, name) for name in HEADER}
        fields |= {"journal": self.journal, "position_side": PositionSide(record.position_side).name}
        fields |= {"instrument": self._numbers.get(record.instrument_id, 0), "kind": kind.name, **body}
        if isinstance(fields["position_side"], int):
            fields["position_side"] = enum_name(PositionSide, fields["position_side"])
        text = clean(body.get("text", body.get("raw", "")))
        fields |= {"text": text, "detail": body.get("detail", ""), "code": body.get("state", "")}
        if kind is RecordKind.COMMAND:
            fields |= {"command": body["command_kind"], "reason": text, "detail": clean(body.get("detail", ""))}
        if kind in TEXT_KINDS:
            fields |= {"state": "", "previous_state": "", "reason": "", "detail": 0, "text": raw_text(record)}
        elif kind in EVENTS or kind in (RecordKind.ALARM, RecordKind.ACCOUNT_WARNING):
            fields["detail"] = body["detail"]
        if kind is RecordKind.INTENT:
            fields["parent_handle"] = body.get("parent_handle", 0)
        fields["is_held"] = kind is RecordKind.HELD_ORDER
        return fields

    def _plain(self, record: Record, table: str) -> None:
        fields = self._fields(record)
        kind, handle = RecordKind(record.kind), record.order_handle
        if kind is RecordKind.HELD_ORDER:
            self._parents.setdefault(handle, 0 if fields["venue_order_id"] == handle else fields["venue_order_id"])
            fields["venue_order_id"] = 0
        self.rows[table].append(shaped(table, fields))
        if table == "order_states":
            self._order(fields)
        elif kind is RecordKind.POSITION:
            self._keep("positions", fields)
        elif kind is RecordKind.ACCOUNT:
            self._keep("accounts", fields)
            for number, row in enumerate(fields["rows"]):
                side = {"position_side": PositionSide(row["position_side"]).name}
                own = {"row_number": number, "instrument": self._numbers.get(row["instrument_id"], 0)}
                self.rows["account_positions"].append(shaped("account_positions", fields | row | side | own))
        elif kind is RecordKind.FILL:
            self._fill(record)
        elif kind is RecordKind.INTENT and fields["parent_handle"] not in (0, handle):
            self._parents[handle] = fields["parent_handle"]
        self._effect(record, fields)

    def _order(self, fields: dict[str, Any]) -> None:
        handle = fields["order_handle"]
        former = self._latest["orders"].get(handle)
        parent = self._parents.pop(handle, 0)
        first = {"first_epoch": fields["epoch"], "first_seq": fields["seq"], "first_wall_ns": fields["wall_ns"]}
        kept = first | {"parent_handle": parent, "changes": 1}
        if former is not None:
            kept = {name: former[name] for name in (*first, "parent_handle")} | {"changes": former["changes"] + 1}
        self._latest["orders"][handle] = shaped("orders", fields | kept)

    def _keep(self, table: str, fields: dict[str, Any]) -> None:
        row = shaped(table, fields)
        self._latest[table][tuple(row[name] for name in TABLES[table].key)] = row

    def _effect(self, record: Record, fields: dict[str, Any]) -> None:
        kind = RecordKind(record.kind)
        if kind is RecordKind.START:
            self._roots.clear()
            self._parents.clear()
        if kind is RecordKind.COMMAND:
            self._roots[record.seq] = record.seq
        elif record.cause_seq in self._roots and kind in OUTCOMES:
            name = OUTCOMES[kind]
            outcome = fields[name] if name else ""
            if kind is RecordKind.VERDICT:
                outcome = "APPROVED" if fields["approved"] else fields["reason"]
            root = self._roots[record.seq] = self._roots[record.cause_seq]
            row = fields | {"kind": effect_kind(kind), "command_seq": root, "outcome": str(outcome)}
            if kind is RecordKind.RISK_STATE:
                row["order_handle"] = 0
            self.rows["command_effects"].append(shaped("command_effects", row))

    def _fill(self, record: Record) -> None:
        self._profits.take(self._catalog, record)
        row = self._catalog.instruments[record.instrument_id]
        side = PositionSide(record.position_side)
        self._earned[record.strategy_id, record.account_id, record.venue_id, row.symbol, int(side)] = record

    def _add_profits(self) -> None:
        for key, holding in self._profits.holdings.items():
            record = self._earned[key]
            strategy_id, account_id, venue_id, symbol, side = key
            self.rows["profits"].append(
                {
                    **dict(zip(TABLES["profits"].names, (1, strategy_id, account_id, venue_id, symbol), strict=False)),
                    "position_side": PositionSide(side).name,
                    "epoch": record.epoch,
                    "seq": record.seq,
                    "qty_e8": str(holding.qty_e8),
                    "basis_cost_e16": str(holding.basis_cost_e16),
                    "fees_e16": str(holding.fees_e16),
                    "fills": holding.fills,
                }
            )

    def _instrument(self, record: Record) -> None:
        self._catalog.take(record)
        row: InstrumentRow | None = self._catalog.instruments.get(record.instrument_id)
        if row is None or record.instrument_id == 0 or self._terms.get(record.instrument_id) == row:
            return
        self._terms[record.instrument_id] = row
        number = self._numbers[record.instrument_id] = len(self.rows["instruments"]) + 1
        fields = msgspec.structs.asdict(row) | {name: getattr(record, name) for name in ("epoch", "seq", "wall_ns")}
        own = {"journal": self.journal, "instrument": number, "inverse": bool(row.inverse)}
        self.rows["instruments"].append(shaped("instruments", fields | own))

    def _balances(self, record: Record) -> None:
        body = decode.payload(record)
        head = {name: getattr(record, name) for name in HEADER}
        head |= {"journal": self.journal, "is_complete": body["is_complete"]}
        told = list(body["balances"])
        if body["is_complete"]:
            named = {row["asset_id"] for row in told}
            for (_, account_id, asset_id), row in self._latest["balances"].items():
                if account_id == record.account_id and asset_id not in named and (row["free_e8"] or row["locked_e8"]):
                    told.append({"asset_id": asset_id, "free_e8": 0, "locked_e8": 0})
        for row in told:
            self.rows["balance_states"].append(shaped("balance_states", head | row))
            self._keep("balances", head | row)
        if not told:
            nothing = {"asset_id": 0, "free_e8": 0, "locked_e8": 0}
            self.rows["balance_states"].append(shaped("balance_states", head | nothing))

    def _transfers(self, record: Record) -> None:
        body = decode.payload(record)
        head = {name: getattr(record, name) for name in HEADER}
        head |= {"journal": self.journal, "event_ns": body["event_ns"]}
        for number, row in enumerate(body["balances"]):
            own = {"row_number": number, "asset_id": row["asset_id"], "change_e8": row["free_e8"]}
            self.rows["transfers"].append(shaped("transfers", head | own))

    def _run(self, record: Record) -> None:
        facts, runs = decode.payload(record), self._latest["runs"]
        if record.kind == RecordKind.START:
            begun = {
                "journal": self.journal,
                "epoch": record.epoch,
                "start_seq": record.seq,
                "start_wall_ns": record.wall_ns,
            }
            told = {"build": facts["build"], "config_hash": facts["config_hash"]}
            runs[record.epoch] = begun | told | dict.fromkeys(("stop_seq", "stop_wall_ns", "stop_reason"))
        else:
            ended = {"stop_seq": record.seq, "stop_wall_ns": record.wall_ns, "stop_reason": facts["reason"]}
            runs[record.epoch] = runs[record.epoch] | ended


HEADER = (
    *("epoch", "seq", "wall_ns", "cause_seq", "venue_id", "account_id", "strategy_id", "instrument_id"),
    *("order_handle", "session_id"),
)
TEXT_KINDS = (
    *(RecordKind.START, RecordKind.STOP, RecordKind.RECOVERED, RecordKind.CUT),
    *(RecordKind.LIMITS, RecordKind.INSTRUCTION, RecordKind.OPERATOR),
)
OUTCOMES = {
    RecordKind.ORDER_STATE: "state",
    RecordKind.HELD_ORDER: "state",
    RecordKind.INTENT: "action",
    RecordKind.VERDICT: "reason",
    RecordKind.PARENT_STATE: "state",
    RecordKind.ALARM: "code",
    RecordKind.ACCOUNT_WARNING: "code",
    RecordKind.RISK_STATE: "risk_mode",
    RecordKind.TRADING_STATE: "state",
    RecordKind.STRATEGY_STATE: "state",
    RecordKind.SESSION_STATE: "state",
    RecordKind.RECONCILE_BEGIN: "state",
    RecordKind.RECONCILE_END: "state",
    RecordKind.VENUE_HEALTH: "state",
    RecordKind.LIMITS: "",
    RecordKind.INSTRUCTION: "",
}


def effect_kind(kind: RecordKind) -> str:
    """What an effect is called: held orders are orders, warnings alarms."""
    same = {RecordKind.HELD_ORDER: RecordKind.ORDER_STATE, RecordKind.ACCOUNT_WARNING: RecordKind.ALARM}
    return same.get(kind, kind).name


def raw_text(record: Record) -> str:
    """A payload that is text throughout."""
    return clean(bytes(record.payload).rstrip(b"\0").decode("utf-8", "backslashreplace"))


def clean(text: str) -> str:
    """Text as every database takes it."""
    return text.replace("\0", "\\0")


def shaped(table: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A row of a table: its columns, typed; numbers without a sign as the database has them."""
    row = {}
    for name, kind in TABLES[table].columns:
        value = fields[name]
        if kind == "b":
            value = bool(value)
        elif kind == "t":
            value = str(value)
        elif value is not None and value > (1 << 63) - 1:
            value -= 1 << 64
        row[name] = value
    return row


def database_rows(database: Database) -> Rows:
    """Everything that the database holds."""
    found: Rows = {}
    with database.transaction() as connection:
        for name, own in metadata().tables.items():
            found[name] = [dict(row) for row in connection.execute(select(own).order_by(*own.primary_key)).mappings()]
    return found


def differences(found: Rows, expected: Rows) -> list[str]:
    """What of the expected is missing, doubled or otherwise; empty where all is as it must be."""
    told = []
    for name, rows in expected.items():
        if name in UNCOMPARED:
            continue
        key = TABLES[name].key
        wanted = sorted(rows, key=lambda row: tuple(row[column] for column in key))
        have = sorted(found[name], key=lambda row: tuple(row[column] for column in key))
        if len(wanted) != len(have):
            told.append(f"{name}: {len(have)} rows, {len(wanted)} expected")
        for one, other in zip(have, wanted, strict=False):
            wrong = {column: (one[column], value) for column, value in other.items() if one[column] != value}
            if wrong:
                told.append(f"{name} {[one[column] for column in key]}: {wrong}")
                break
    return told
