"""How a record becomes a row: one unpacking of header and payload, the wanted fields in the table's order, codes by name."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from engine.desk.recorder.schema import TableSpec
from engine.desk.recorder.words import COLUMN_WORDS
from engine.journal import layout
from engine.model.codes import RecordKind

Row = list[Any]
MakeRow = Callable[[bytes], Row]


def record_format(kind: RecordKind) -> tuple[struct.Struct, list[str]]:
    """Header and payload of a kind in one. Unsigned numbers of 64 bits are read as signed ones: SQL has no others."""
    header, names = layout.HEADER.format, list(layout.HEADER_FIELDS)
    if kind in layout.PAYLOADS:
        payload, more = layout.payload_format(kind)
        # a payload may have names that the header has too: its own count
        names = [f"header.{name}" if name in more else name for name in names] + more
        header += payload.format.removeprefix("<")
    return struct.Struct(header.replace("Q", "q")), names


def plan(
    kind: RecordKind,
    spec: TableSpec,
    journal: int,
    *,
    also: Mapping[str, str] | None = None,
    words: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
) -> MakeRow:
    """Make rows of `spec` out of records of `kind`; the first column is the journal.

    `also`: field by column where they are not named alike. `words`: mappings of this plan's own by column. `without`: the last
    columns, which the caller appends. struct.error for a payload that is shorter than its kind's.
    """
    form, names = record_format(kind)
    chosen = spec.names[1 : len(spec.names) - len(without)]
    fields, own = also or {}, words or {}
    meanings: dict[str, Any] = {"unpack": form.unpack_from, "journal": journal}
    parts = ["journal"]
    for column in chosen:
        part = f"fields[{names.index(fields.get(column, column))}]"
        meaning = own.get(column, COLUMN_WORDS.get(column))
        if meaning is not None:
            meanings[f"{column}_words"] = meaning
            part = f"{column}_words[{part}]"
        parts.append(part)
    # one expression, as `namedtuple` makes its own: a loop over the columns takes twice the time
    text = f"def make(data):\n    fields = unpack(data)\n    return [{', '.join(parts)}]\n"
    exec(text, meanings)
    made: MakeRow = meanings["make"]
    return made
