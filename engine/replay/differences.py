"""Where a replay differs from what was recorded: the record, its fields by the layout, and what had caused it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from engine.journal import layout
from engine.journal.cursor import parse
from engine.journal.decode import as_dict, kind_name
from engine.journal.errors import JournalError
from engine.journal.reader import JournalReader
from engine.journal.replayed import RecordedSession
from engine.model.codes import RecordKind

CAUSES_MAX = 16
# of two records that differ in something else too, these say nothing more
FOLLOWS = frozenset({"crc32c"})
MEANINGS = {
    "different": "the core wrote another record than was recorded",
    "not made": "recorded, and the core came to rest without it",
    "not recorded": "the core wrote one more record than was recorded before the next input",
    "other bytes": "the same request, other bytes",
    "not sent": "recorded, and the core does not send it",
    "other turn": "the recorded turn of this input cannot be played: its poll is not reached",
    "no room": "a ring that had room for this input is full",
    "damaged": "its checksum does not match: the journal was altered or is damaged",
    "other number": "a request's number does not follow the one before it",
}


class Field(msgspec.Struct, frozen=True):
    """One field that differs; None: it is not there."""

    name: str
    recorded: Any
    made: Any


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first difference of a run. `made_kind` is empty where nothing was made."""

    seq: int
    finding: str
    meaning: str
    recorded_kind: str
    made_kind: str
    wall_ns: int
    fields: list[Field]
    recorded: dict[str, Any]
    made: dict[str, Any]
    causes: list[str]


def describe(session: RecordedSession, data_dir: Path, sent: bytes = b"", sections: Sequence[str] = ()) -> Difference:
    """What the session stands at. `sent` (bytes that a gateway encoded), `sections` (of the state): where they differ."""
    recorded, made = session.recorded, session.made
    old, new = (parse(data)[0] if whole(data) else None for data in (recorded, made))
    head = dict(zip(layout.HEADER_FIELDS, layout.HEADER.unpack_from(recorded), strict=True)) if recorded else {}
    fields = compare(recorded, made) if recorded and made and session.finding == "different" else []
    if session.finding == "other bytes":
        fields = [Field("bytes", text_of_request(recorded), sent.decode("utf-8", "backslashreplace"))]
    if sections:
        fields = [Field("state", "the hash of " + name, "another hash") for name in sections]
    cause = head.get("cause_seq", 0) or (new.cause_seq if new is not None else 0)
    return Difference(
        seq=head.get("seq", session.passed_seq + 1),
        finding=session.finding,
        meaning=MEANINGS[session.finding],
        recorded_kind=kind_name(head["kind"]) if head else "",
        made_kind=kind_name(new.kind) if new is not None else "",
        wall_ns=head.get("wall_ns", session.wall_ns),
        fields=fields,
        recorded=as_dict(old) if old is not None else {},
        made=as_dict(new) if new is not None else {},
        causes=list(chain(data_dir, cause)),
    )


def whole(data: bytes) -> bool:
    """Can it be taken apart: there, and with a checksum that matches."""
    return bool(data) and bool(parse(data))


def text_of_request(data: bytes) -> str:
    """The text of an ORDER_BYTES record."""
    size = int.from_bytes(data[92:96], "little")
    return data[96 : 96 + size].decode("utf-8", "backslashreplace")


def compare(recorded: bytes, made: bytes) -> list[Field]:
    """Every field that differs, by its name in the layout; what stands behind the fixed part as hexadecimal."""
    return [
        Field(name, old, new)
        for (name, old), (_, new) in pairs(named(recorded), named(made))
        if old != new and name not in FOLLOWS
    ]


def pairs(left: dict[str, Any], right: dict[str, Any]) -> Iterator[tuple[tuple[str, Any], tuple[str, Any]]]:
    """The same names side by side."""
    for name in dict.fromkeys((*left, *right)):
        yield (name, left.get(name)), (name, right.get(name))


def named(data: bytes) -> dict[str, Any]:
    """Header and fixed part by field, rows one by one, the rest as text or hexadecimal."""
    fields: dict[str, Any] = dict(zip(layout.HEADER_FIELDS, layout.HEADER.unpack_from(data), strict=True))
    body = data[layout.RECORD_HEADER_BYTES : fields["length"]]
    kind = RecordKind(fields["kind"]) if fields["kind"] in RecordKind._value2member_map_ else None
    if kind is not None and kind in layout.PAYLOADS:
        form, names = layout.payload_format(kind)
        if len(body) >= form.size:
            fields |= zip(names, form.unpack_from(body), strict=True)
            body = body[form.size :]
    if body:
        fields["rest"] = body.hex()
    return fields


def chain(data_dir: Path, seq: int) -> Iterator[str]:
    """The records that led to one, from the nearest to the input that began it, in words."""
    reader = JournalReader(data_dir)
    for _ in range(CAUSES_MAX):
        try:
            found = next(reader.records(from_seq=seq, to_seq=seq), None) if seq else None
        except JournalError as error:
            yield f"{seq}: {error}"
            return
        if found is None:
            return
        row = as_dict(found)
        text = " ".join(f"{name}={value}" for name, value in row["payload"].items() if value not in ("", [], 0))
        yield f"{seq} {row['kind']} {text}"[:200]
        if found.cause_seq == seq:
            return
        seq = found.cause_seq


def lines(difference: Difference) -> Iterator[str]:
    """For a person."""
    yield f"at sequence {difference.seq}: {difference.finding}: {difference.meaning}"
    kinds = zip_longest(("recorded", "made"), (difference.recorded_kind, difference.made_kind))
    yield "  " + ", ".join(f"{what} {kind or 'nothing'}" for what, kind in kinds)
    for field in difference.fields:
        yield f"  {field.name}: recorded {field.recorded!r}, made {field.made!r}"
    if not difference.fields:
        for what, row in (("recorded", difference.recorded), ("made", difference.made)):
            if row:
                yield f"  {what}: {row['payload']}"[:400]
    for number, cause in enumerate(difference.causes):
        yield f"  {'caused by' if number == 0 else '  caused by'} {cause}"


__all__ = ["Difference", "Field", "compare", "describe", "lines"]
