"""What a run began with, in records: CORE_START (facts as JSON) and an INSTRUMENT_ROW for each instrument.

START says who wrote a run; these say all that the core was given before its first input, so that the journal's directory
is enough to play the run again. The JSON may be longer than one claim of a small front: it stands in as many CORE_START
records as it takes, one behind the other, each with the length of the whole in `frame_length`.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.journal.cursor import Record
from engine.model.codes import Lane, RecordKind
from engine.model.instrument_rows import row_bytes

if TYPE_CHECKING:
    from engine.journal.journal import Journal
    from engine.model.tables import Tables

PACKAGE = Path(__file__).resolve().parents[1]
PART_BYTES = 6 * 1024
# an ELF note of 20 bytes, type 3, of owner GNU; it stands in the first page
BUILD_ID_NOTE = struct.pack("<III4s", 4, 20, 3, b"GNU\0")
NOTES_BYTES = 8192


class CoreStart(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a run. `config`: the resolved configuration as JSON text, its tables in the file's order, that of the lines' turns.

    `modules`: SHA-256 over the build ids of the compiled modules, which other compiler flags change too. `strategies`:
    SHA-256 of each strategy's source file by the strategy's name.
    """

    config: str
    stays_down: bool
    modules: str
    python: str
    strategies: dict[str, str]


def facts_of(config: Any, strategies: Mapping[str, object], *, stays_down: bool) -> CoreStart:
    """The facts of this process; `config` is an engine.config.Config, `strategies` objects by name."""
    return CoreStart(
        config=msgspec.json.encode(config).decode(),
        stays_down=stays_down,
        modules=compiled_hash(),
        python=sys.version,
        strategies={name: source_hash(strategy) for name, strategy in sorted(strategies.items())},
    )


@cache
def compiled_hash() -> str:
    """One hash of every compiled module of the package, by their linkers' build ids; compiler's flags change those too."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.so")):
        found.update(f"{path.relative_to(PACKAGE)} {build_id(path)}\n".encode())
    return found.hexdigest()


def build_id(path: Path) -> str:
    """The id that the linker made of a shared object's content; a hash of the file where it has none."""
    with path.open("rb") as file:
        head = file.read(NOTES_BYTES)
    at = head.find(BUILD_ID_NOTE)
    return head[at + 16 : at + 36].hex() if at >= 0 else file_hash(path)


def source_hash(strategy: object) -> str:
    """The hash of the file that a strategy's class stands in; empty where it stands in none."""
    module = sys.modules.get(type(strategy).__module__)
    path = getattr(module, "__file__", None)
    return file_hash(Path(path)) if path else ""


def file_hash(path: Path) -> str:
    """SHA-256 of a file, empty where it is gone."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def write_core_start(journal: Journal, facts: CoreStart) -> None:
    """Behind START, before the catalog. JournalFull where the front has no room."""
    text = msgspec.json.encode(facts)
    for at in range(0, len(text), PART_BYTES):
        journal.append(Lane.LEDGER, RecordKind.CORE_START, text[at : at + PART_BYTES], frame_length=len(text))


def write_instrument_rows(journal: Journal, tables: Tables) -> None:
    """Every row of the table as it lies in memory. JournalFull where the front has no room."""
    for instrument_id in range(1, tables.instrument_count + 1):
        row = row_bytes(tables, instrument_id)
        venue_id = tables.instrument(instrument_id)["venue_id"]
        journal.append(Lane.LEDGER, RecordKind.INSTRUMENT_ROW, row, venue_id=venue_id, instrument_id=instrument_id)


def read_core_start(records: Iterable[Record]) -> CoreStart | None:
    """The facts from a run's records, None where they are not (all) there: a run of a build before them."""
    text = bytearray()
    for record in records:
        if record.kind != RecordKind.CORE_START:
            continue
        text += record.payload
        if len(text) >= record.frame_length:
            return msgspec.json.decode(text[: record.frame_length], type=CoreStart)
    return None
