"""Who commanded an engine, when, why and with what outcome: COMMAND and OPERATOR records of the ledger, joined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from engine.journal.cursor import Record
from engine.journal.decode import header, payload
from engine.journal.reader import JournalReader
from engine.model.codes import Lane, RecordKind

# an OPERATOR record follows its COMMAND within the same turn of the engine's loop; what has none by then came without the port
PENDING_MAX = 256
SCOPE_FIELDS = ("venue_id", "account_id", "instrument_id", "strategy_id", "order_handle")


class OperatorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One command. `sequence`: of its COMMAND record, 0 where nothing was journaled but the attempt. `pid` 0 and `outcome` "done":
    it came without the control port (a signal, the guard, a step of a close). `record_seq`: of the record that tells of it."""

    record_seq: int
    sequence: int
    epoch: int
    wall_ns: int
    uid: int
    pid: int
    action: str
    reason: str
    outcome: str
    scope: dict[str, Any] = {}
    words: dict[str, Any] = {}
    code: str = ""
    text: str = ""
    proposal: int = 0
    approver_uid: int = -1


def operator_rows(
    reader: JournalReader, *, from_ns: int = 0, to_ns: int | None = None, uid: int | None = None
) -> Iterator[OperatorRow]:
    """Commands between two wall clocks, of one uid (proposer or approver) or all, in the order of the records that tell of them."""
    for row in _rows(reader):
        if row.wall_ns < from_ns or (to_ns is not None and row.wall_ns > to_ns):
            continue
        if uid is None or uid in (row.uid, row.approver_uid):
            yield row


def _rows(reader: JournalReader) -> Iterator[OperatorRow]:
    pending: dict[int, Record] = {}
    for record in reader.records(Lane.LEDGER):
        if record.kind == RecordKind.COMMAND:
            pending[record.seq] = record
            if len(pending) > PENDING_MAX:
                yield bare_row(pending.pop(min(pending)))
        elif record.kind == RecordKind.OPERATOR:
            pending.pop(record.cause_seq, None)
            yield noted_row(record)
        elif record.kind == RecordKind.START:
            yield from (bare_row(pending.pop(seq)) for seq in sorted(pending))
    yield from (bare_row(pending[seq]) for seq in sorted(pending))


def noted_row(record: Record) -> OperatorRow:
    """Of an OPERATOR record."""
    fields = payload(record)
    known: dict[str, Any] = {name: fields[name] for name in OperatorRow.__struct_fields__ if name in fields}
    place: dict[str, Any] = {
        "record_seq": record.seq,
        "sequence": record.cause_seq,
        "epoch": record.epoch,
        "wall_ns": record.wall_ns,
    }
    defaults: dict[str, Any] = {"uid": -1, "pid": 0, "action": "", "reason": "", "outcome": ""}
    return OperatorRow(**(defaults | known | place))


def bare_row(record: Record) -> OperatorRow:
    """Of a COMMAND that no OPERATOR record tells of."""
    fields, head = payload(record), header(record)
    return OperatorRow(
        record_seq=record.seq,
        sequence=record.seq,
        epoch=record.epoch,
        wall_ns=record.wall_ns,
        uid=fields.get("uid", -1),
        pid=0,
        action=str(fields.get("command_kind", "")).lower(),
        reason=fields.get("text", ""),
        outcome="done",
        scope={name: head[name] for name in SCOPE_FIELDS if name in head},
    )
