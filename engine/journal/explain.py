"""Why an order came to be and what became of it, from the cause sequences: frame -> signal -> verdict -> state ->
bytes -> ack, fills.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.decode import as_dict, kind_name
from engine.journal.reader import JournalReader
from engine.model.codes import Lane, RecordKind

STEP_NAMES = {
    RecordKind.INTENT: "signal",
    RecordKind.VERDICT: "verdict",
    RecordKind.ORDER_STATE: "state",
    RecordKind.ORDER_BYTES: "bytes",
    RecordKind.ORDER_REPLY: "ack",
    RecordKind.EXECUTION_REPORT: "report",
    RecordKind.ORDER_STATUS: "status",
    RecordKind.OWN_TRADE: "trade",
    RecordKind.FILL: "fill",
    RecordKind.POSITION: "position",
    RecordKind.TIMER: "timer",
    RecordKind.COMMAND: "command",
    RecordKind.INSTRUCTION: "asked",
    RecordKind.HELD_ORDER: "held",
    RecordKind.PARENT_STATE: "parent",
}
CAUSE_DEPTH_MAX = 16
# of a parent, what its child's chain shows: not the chains of the other children
PARENT_KINDS = frozenset({RecordKind.COMMAND, RecordKind.INSTRUCTION, RecordKind.PARENT_STATE})

_CLIENT_ID = slice(0, 24)
# conditions stand behind an intent that says so; their first field is the parent
_INTENT_SIZE, _HAS_CONDITIONS = layout.payload_format(RecordKind.INTENT)[0].size, 7
_STATE_FORMAT, _STATE_NAMES = layout.payload_format(RecordKind.ORDER_STATE)
_STATE_VENUE_ID = _STATE_NAMES.index("venue_order_id")


class Step(msgspec.Struct, frozen=True):
    """One record of the chain. `after_cause_ns`: time since the record that caused it; `since_start_ns`: since the first.

    All records of one turn carry the time of the turn's input: the first is 0 within a turn, the second says when the turn was.
    """

    name: str
    seq: int
    cause_seq: int
    after_cause_ns: int
    since_start_ns: int
    record: dict[str, Any]


class Explanation(msgspec.Struct, frozen=True):
    """The chain of one order, in sequence order."""

    order_handle: int
    client_order_id: str
    venue_order_id: int
    steps: list[Step]


def find_order(reader: JournalReader, order: str) -> int:
    """Handle of an order named by client order id, handle or venue order id; 0 where the ledger does not know it."""
    text = order.encode()
    number = int(order) if order.isdecimal() else -1
    for record in reader.records(Lane.LEDGER):
        if record.order_handle == 0:
            continue
        if record.order_handle == number:
            return record.order_handle
        if record.kind == RecordKind.ORDER_STATE and _is_named(record.payload, text, number):
            return record.order_handle
    return 0


def _is_named(payload: bytes, client_order_id: bytes, venue_order_id: int) -> bool:
    if payload[_CLIENT_ID].rstrip(b"\0") == client_order_id:
        return True
    return venue_order_id > 0 and _STATE_FORMAT.unpack_from(payload)[_STATE_VENUE_ID] == venue_order_id


def explain(reader: JournalReader, order: str) -> Explanation | None:
    """The chain of an order; None where the ledger does not know it."""
    handle = find_order(reader, order)
    if not handle:
        return None
    parent, children = _family(reader, handle)
    chain = _descendants(reader, frozenset((handle, *children)))
    if parent:
        chain |= _instruction(reader, parent)
    for record in _ancestors(reader, chain):
        chain[record.seq] = record
    steps = _steps([chain[seq] for seq in sorted(chain)])
    states = [step.record["payload"] for step in steps if step.record["kind"] == "ORDER_STATE"]
    client_id = next((state["client_order_id"] for state in states if state.get("client_order_id")), "")
    venue_id = next((state["venue_order_id"] for state in reversed(states) if state.get("venue_order_id")), 0)
    return Explanation(handle, client_id, venue_id, steps)


def _family(reader: JournalReader, handle: int) -> tuple[int, list[int]]:
    """The parent of an order (0 = none), and the orders of which it is the parent, by what their intents say."""
    parent, children = 0, []
    for record in reader.records(Lane.LEDGER):
        if record.kind != RecordKind.INTENT or record.order_handle == 0:
            continue
        named = parent_named(record.payload)
        if record.order_handle == handle and named != handle:
            parent = named or parent
        elif named == handle and record.order_handle not in children:
            children.append(record.order_handle)
    return parent, children


def parent_named(payload: bytes) -> int:
    """The parent that an INTENT names; 0 for none."""
    if len(payload) < _INTENT_SIZE + 8 or not payload[_HAS_CONDITIONS]:
        return 0
    return int.from_bytes(payload[_INTENT_SIZE : _INTENT_SIZE + 8], "little")


def _instruction(reader: JournalReader, parent: int) -> dict[int, Record]:
    """Why a child came to be: what its parent was asked, and how it went."""
    found = [record for record in reader.records(Lane.LEDGER) if record.order_handle == parent]
    return {record.seq: record for record in found if record.kind in PARENT_KINDS}


def _descendants(reader: JournalReader, handles: frozenset[int]) -> dict[int, Record]:
    """Ledger records that name one of the orders, and the outputs that those caused."""
    chain: dict[int, Record] = {}
    for record in reader.records(Lane.LEDGER):
        is_output = RecordKind.INTENT <= record.kind < RecordKind.START
        is_caused = is_output and not record.order_handle and record.cause_seq in chain
        if record.order_handle in handles or is_caused or _targets(record, handles):
            chain[record.seq] = record
    return chain


def _targets(record: Record, handles: frozenset[int]) -> bool:
    if record.kind != RecordKind.INTENT:
        return False
    payload = record.payload
    return len(payload) >= 48 and int.from_bytes(payload[40:48], "little") in handles


def _ancestors(reader: JournalReader, chain: dict[int, Record]) -> list[Record]:
    """What caused the chain from outside: market frame, timer, command - and what caused that."""
    found: dict[int, Record] = {}
    wanted = {record.cause_seq for record in chain.values()} - chain.keys() - {0}
    for _ in range(CAUSE_DEPTH_MAX):
        records = [record for seq in sorted(wanted) for record in reader.records(from_seq=seq, to_seq=seq)]
        found.update((record.seq, record) for record in records)
        wanted = {record.cause_seq for record in records} - found.keys() - chain.keys() - {0}
        if not wanted:
            break
    return list(found.values())


def _steps(records: list[Record]) -> list[Step]:
    by_seq = {record.seq: record for record in records}
    return [
        Step(
            _step_name(record),
            record.seq,
            record.cause_seq,
            _elapsed_ns(by_seq.get(record.cause_seq, record), record),
            _elapsed_ns(records[0], record),
            as_dict(record),
        )
        for record in records
    ]


def _elapsed_ns(earlier: Record, later: Record) -> int:
    """Monotonic time between two records; the wall's between two runs, since the machine may have started again."""
    if earlier.epoch == later.epoch:
        return later.mono_ns - earlier.mono_ns
    return later.wall_ns - earlier.wall_ns


def _step_name(record: Record) -> str:
    if record.lane == Lane.TAPE:
        return "frame"
    try:
        return STEP_NAMES[RecordKind(record.kind)]
    except (KeyError, ValueError):
        return kind_name(record.kind).lower()
