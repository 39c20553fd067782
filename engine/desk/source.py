"""Where records of the past come from: a ledger's segments, or whatever gives the same records in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from engine.journal.cursor import Record
from engine.journal.places import segments
from engine.journal.reader import JournalReader
from engine.model.codes import Lane, RecordKind

# what numbers are called: given whatever was asked for
NAMING = frozenset({RecordKind.INSTRUMENT, RecordKind.ASSET})
# later than any record
UNNAMED_NS = (1 << 63) - 1


class Source(Protocol):
    """Gives at least the records of `kinds` in the time, in the ledger's order, and before each what its numbers are called."""

    def records(self, kinds: Iterable[RecordKind], from_ns: int, to_ns: int) -> Iterator[Record]:
        """May give others too, and such of another time."""
        ...


class Past(Source, Protocol):
    """One that knows how far it reaches."""

    def span_ns(self) -> tuple[int, int]:
        """Wall clock of its first and its last record, in their order; (0, 0) where there is none."""
        ...

    @property
    def where(self) -> str:
        """What it is, for a person."""
        ...


class LedgerSource:
    """A journal's ledger, all that is there of it. JournalError where there is none, or where it is damaged."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def records(self, kinds: Iterable[RecordKind], from_ns: int, to_ns: int) -> Iterator[Record]:
        """Those alone."""
        wanted = frozenset(kinds)
        for record in JournalReader(self.data_dir).records(Lane.LEDGER):
            if record.kind in NAMING or (record.kind in wanted and from_ns <= record.wall_ns < to_ns):
                yield record

    def begins_ns(self) -> int:
        """From when on it says everything: 0 where its first segment is there, else the first time that a run named its numbers.

        A run names them when it starts: of one whose beginning is gone, amounts and symbols are not known.
        """
        found = segments(self.data_dir, Lane.LEDGER)
        if not found or found[0][0] == 1:
            return 0
        for record in JournalReader(self.data_dir).records(Lane.LEDGER):
            if record.kind == RecordKind.INSTRUMENT and record.instrument_id == 0:
                return record.wall_ns
        return UNNAMED_NS

    @property
    def where(self) -> str:
        """The journal's directory."""
        return f"the ledger in {self.data_dir}"

    def span_ns(self) -> tuple[int, int]:
        """Of the records that are there, whatever their kind."""
        reader = JournalReader(self.data_dir)
        first = next(reader.records(Lane.LEDGER), None)
        if first is None:
            return 0, 0
        last_ns = first.wall_ns
        for record in reader.records(Lane.LEDGER, from_seq=reader.last_seq(Lane.LEDGER)):
            last_ns = record.wall_ns
        return first.wall_ns, last_ns


def holds(source: Past, kinds: Iterable[RecordKind], from_ns: int, to_ns: int) -> bool:
    """Does a time touch what a source reaches from and to, or is a record of these kinds in it: a clock may have been put back."""
    first_ns, last_ns = source.span_ns()
    if first_ns < to_ns and from_ns <= last_ns:
        return True
    wanted = frozenset(kinds)
    found = (record for record in source.records(wanted, from_ns, to_ns) if record.kind in wanted)
    return any(from_ns <= record.wall_ns < to_ns for record in found)
