"""The registry of a data directory, held against the ledger: a number that the ledger uses is never given to another name.

Each run begins by writing its catalog (`engine.control.catalog`) into the ledger. A registry that is missing, older than that, or
of another directory would put one instrument's position under another's name: the start is refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.control.catalog import InstrumentRow, Names
from engine.journal.places import segments
from engine.journal.reader import JournalReader, LaneFollower, read_header
from engine.model.codes import Lane, RecordKind
from engine.model.instruments import InstrumentSpec
from engine.runtime.disk import Disk
from engine.runtime.registry import Registry, RegistryError

NAMES_FILE = "names.json"
RESTORE = "restore the file from the newest backup of this data directory"
APPEND = "; where that is older than the name, append the name to its list in the copy, in the order of the numbers"
# catalogs that a start reads: one tells all instruments and assets, the venues and strategies of its run only
RUNS_MAX = 100
LOOKS_MAX = 3
LOOK_PAUSE_S = 0.02
# a catalog stands within the first records of its run
OPENING = frozenset({RecordKind.START, RecordKind.CUT, RecordKind.CORE_START, RecordKind.INSTRUMENT})


def open_registry(data_dir: Path, disk: Disk) -> Registry:
    """The registry. Raises RegistryError where the ledger counts by numbers that it does not give, or gives to other names."""
    path = data_dir / NAMES_FILE
    if not path.exists():
        require_unused(data_dir, path)
    registry = Registry(path, disk)
    for epoch, segment in newest_runs(data_dir).items():
        for number, known, told in contradictions(registry, opening_of(data_dir, segment)):
            raise RegistryError(
                f"{path}: number {number} is {known or 'nothing'} here and {told} in the ledger (run {epoch}): positions would "
                f"change their names; {RESTORE}{'' if known else APPEND}"
            )
    return registry


def refusal_of_names(data_dir: Path) -> str:
    """What a start would say of the registry; empty where it would take it. Raises JournalError where the ledger cannot be read.

    Looked at again where it is refused: beside a start, the ledger may be read a moment after the file.
    """
    text = ""
    for _ in range(LOOKS_MAX):
        try:
            open_registry(data_dir, Disk())
        except RegistryError as error:
            text = str(error)
            time.sleep(LOOK_PAUSE_S)
        else:
            return ""
    return text


def require_unused(data_dir: Path, path: Path) -> None:
    """Without the file nothing may have been written that counts by it."""
    for record in JournalReader(data_dir).records(Lane.LEDGER):
        if record.kind == RecordKind.INSTRUMENT:
            text = f"the ledger counts by its numbers (record {record.seq} of run {record.epoch})"
            raise RegistryError(f"{path} is missing, and {text}; {RESTORE}")


def newest_runs(data_dir: Path) -> dict[int, int]:
    """Epoch to the number of its oldest segment, newest first."""
    found: dict[int, int] = {}
    for number, path in reversed(segments(data_dir, Lane.LEDGER)):
        header = read_header(path)
        if header is None:
            continue
        if header.epoch not in found and len(found) == RUNS_MAX:
            break
        found[header.epoch] = number
    return found


def opening_of(data_dir: Path, segment: int) -> Iterator[Names | InstrumentRow]:
    """A run's catalog; nothing where its first segment is gone, or it ended before it wrote one."""
    follower = LaneFollower(data_dir, Lane.LEDGER)
    try:
        follower.seek(segment)
        while (record := follower.next_record()) is not None and record.kind in OPENING:
            if record.kind == RecordKind.INSTRUMENT:
                text = bytes(record.payload).rstrip(b"\0")
                kind: type[Names] | type[InstrumentRow] = InstrumentRow if record.instrument_id else Names
                yield msgspec.json.decode(text, type=kind)
    finally:
        follower.close()


def contradictions(registry: Registry, told: Iterator[Names | InstrumentRow]) -> Iterator[tuple[str, str, str]]:
    """(number, its name in the registry, its name in the ledger) of each that differ."""
    names = registry.names
    for row in told:
        if isinstance(row, InstrumentRow):
            yield from of_instrument(names.instruments, row)
            continue
        yield from of_names("venues", names.venues, row.venues)
        yield from of_names("strategies", names.strategies, row.strategies)
        lines = row.asset_lines
        # a catalog of one line names none, and an earlier build's of several did not
        known = names.assets if lines else [name.rpartition(":")[2] for name in names.assets]
        assets = {n: f"{lines[n]}:{name}" if lines.get(n, 1) != 1 else name for n, name in row.assets.items()}
        yield from of_names("assets", known, assets)


def of_names(what: str, known: list[str], told: dict[int, str]) -> Iterator[tuple[str, str, str]]:
    """Of a list of names: its position, plus one, is the number."""
    for number, name in told.items():
        here = known[number - 1] if number <= len(known) else ""
        if here != name:
            yield f"{number} of {what}", here, name


def of_instrument(known: list[InstrumentSpec], row: InstrumentRow) -> Iterator[tuple[str, str, str]]:
    """Of an instrument: its tick and lot too, for positions count in them."""
    spec = known[row.instrument_id - 1] if row.instrument_id <= len(known) else None
    told = f"{row.symbol} of venue {row.venue_id}, tick {row.tick_size_e8}e-8, lot {row.lot_size_e8}e-8"
    here = ""
    if spec is not None:
        here = f"{spec.symbol} of venue {spec.venue_id}, tick {spec.tick_size_e8}e-8, lot {spec.lot_size_e8}e-8"
    if here != told:
        yield f"{row.instrument_id} of instruments", here, told


__all__ = ["NAMES_FILE", "open_registry", "refusal_of_names"]
