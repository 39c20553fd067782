"""Rows to records: what a database holds read back as the ledger had it, so that whatever reads a ledger reads a database too.

What no row keeps is 0 in such a record: times by the monotonic clock, sessions, and a few fields that no report uses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from engine.control.catalog import InstrumentRow, Names
from engine.desk.recorder.memory import instrument_of
from engine.desk.recorder.plans import record_format
from engine.desk.recorder.rows import KIND_WORDS
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.words import COLUMN_WORDS, SIDES, Texts, Truth, Words
from engine.journal import layout
from engine.journal.scan import checksum
from engine.model.codes import RecordKind

MakeRecord = Callable[[Sequence[Any]], bytes]
Columns = Mapping[str, Any]
# a field of another name than its column
FIELDS = {
    RecordKind.ALARM: {"code": "state"},
    RecordKind.COMMAND: {"command": "command_kind"},
}
_FRONT = struct.Struct("<II")
_HEADER = struct.Struct(layout.HEADER.format.replace("Q", "q"))
_ALIGNMENT = 8


class Codes(dict[str, int]):
    """Name to number; a number that had no name stood as itself."""

    @classmethod
    def of(cls, words: Words) -> Codes:
        """The other way round."""
        return cls((name, number) for number, name in words.items())

    def __missing__(self, name: str) -> int:
        return int(name) if name.isdecimal() else 0


class Bits:
    """Truth to 0 and 1."""

    def __getitem__(self, value: object) -> int:
        return 1 if value else 0


class TextBytes:
    """Text to bytes."""

    def __getitem__(self, text: str) -> bytes:
        return text.encode()


def meaning_of(kind: RecordKind, column: str, ids: Mapping[int, int]) -> Any:
    """What turns a column's value back into its field's; None where it stands as it is."""
    if column == "instrument":
        return ids
    words = KIND_WORDS.get(kind, {}).get(column, COLUMN_WORDS.get(column))
    if isinstance(words, Words):
        return Codes.of(words)
    if isinstance(words, Texts):
        return TextBytes()
    return Bits() if isinstance(words, Truth) else None


def reverse_plan(kind: RecordKind, table: str, ids: Mapping[int, int], behind: tuple[str, ...] = ()) -> MakeRecord:
    """Make header and fixed payload of `kind` out of rows of `table`; `ids`: an instrument's id by its number in the database.

    `behind`: fields that the caller gives behind each row's columns.
    """
    form, names = record_format(kind)
    also = {"instrument": "instrument_id"} | FIELDS.get(kind, {})
    own = (*TABLES[table].names, *behind)
    # a column of the field's very name comes first: `funding` has the instrument's id and its number
    columns = {also.get(column, column): place for place, column in enumerate(own)}
    columns |= {column: place for place, column in enumerate(own) if column not in also}
    columns.pop("kind", None)
    meanings: dict[str, Any] = {"pack": form.pack}
    parts = []
    for number, (name, code) in enumerate(zip(names, field_codes(form), strict=True)):
        place = columns.get(name)
        if place is None:
            constant = kind.value if name.removeprefix("header.") == "kind" else b"" if code == "s" else 0
            parts.append(repr(constant))
            continue
        meaning = meaning_of(kind, own[place], ids)
        if meaning is None:
            parts.append(f"row[{place}]")
            continue
        meanings[f"m{number}"] = meaning
        parts.append(f"m{number}[row[{place}]]")
    exec(f"def make(row):\n    return pack({', '.join(parts)})\n", meanings)
    made: MakeRecord = meanings["make"]
    return made


def field_codes(form: struct.Struct) -> list[str]:
    """The struct code of each field, without padding."""
    found, count = [], ""
    for code in form.format.removeprefix("<"):
        if code.isdecimal():
            count += code
            continue
        if code == "s":
            found.append("s")
        elif code != "x":
            found += [code] * int(count or 1)
        count = ""
    return found


def sealed(data: bytes, rest: bytes = b"") -> bytes:
    """A record as a segment has it: with its length, padded, and with its checksum."""
    size = len(data) + len(rest)
    padding = bytes(-size % _ALIGNMENT)
    content = b"".join((_FRONT.pack(size + len(padding), 0), data[_FRONT.size :], rest, padding))
    return _FRONT.pack(len(content), checksum(memoryview(content)[_FRONT.size :])) + content[_FRONT.size :]


def header_bytes(kind: RecordKind, **fields: int) -> bytes:
    """A header alone."""
    return _HEADER.pack(*(kind.value if name == "kind" else fields.get(name, 0) for name in layout.HEADER_FIELDS))


def balance_record(kind: RecordKind, rows: Sequence[Columns]) -> bytes:
    """A BALANCE or BALANCE_UPDATE out of the rows of one record, as `asset_id`, `free_e8`, `locked_e8`."""
    first = rows[0]
    form, names = layout.payload_format(kind)
    held = [row for row in rows if row["asset_id"]]
    fields = {"event_ns": first.get("event_ns", 0), "count": len(held), "is_complete": int(first.get("is_complete", 0))}
    payload = form.pack(*(fields.get(name, 0) for name in names))
    payload += b"".join(layout.BALANCE_ROW.pack(row["asset_id"], row["free_e8"], row["locked_e8"]) for row in held)
    about = {name: first[name] for name in ("epoch", "seq", "wall_ns", "venue_id", "account_id")}
    return sealed(header_bytes(kind, **about), payload)


def account_rest(rows: Sequence[Columns], ids: Mapping[int, int]) -> bytes:
    """The positions behind an ACCOUNT's fixed part."""
    form, names = layout.row_format(RecordKind.ACCOUNT)
    sides = Codes.of(SIDES)
    packed = []
    for row in rows:
        own = {"instrument_id": ids[row["instrument"]], "position_side": sides[row["position_side"]]}
        fields = dict(row) | own | {"is_isolated": int(row["is_isolated"])}
        packed.append(form.pack(*(fields[name] for name in names)))
    return b"".join(packed)


def instrument_record(row: Columns) -> bytes:
    """An instrument's terms, as the catalog has them."""
    terms: InstrumentRow = instrument_of(dict(row))
    about = {name: row[name] for name in ("epoch", "seq", "wall_ns", "venue_id", "instrument_id")}
    return sealed(header_bytes(RecordKind.INSTRUMENT, **about), msgspec.json.encode(terms))


def names_record(engine: str, mode: str, rows: Sequence[Columns]) -> bytes:
    """All names, as the catalog has them: before every other record."""
    found: dict[str, dict[int, str]] = {"venue": {}, "strategy": {}, "asset": {}}
    for row in rows:
        found[row["kind"]][row["number"]] = row["name"]
    names = Names(engine=engine, mode=mode, venues=found["venue"], strategies=found["strategy"], assets=found["asset"])
    return sealed(header_bytes(RecordKind.INSTRUMENT), msgspec.json.encode(names))
