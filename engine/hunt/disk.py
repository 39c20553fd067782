"""What a power cut leaves of a journal: all that was synced, and of the last writes any of their sectors.

The journal's writer is asked for one more flush, its operations are noted, and the cut falls somewhere among them: synced bytes
stay, an unsynced sector is there, or zeroes, or the file ends before it; a file whose directory was not synced may be gone; the
watermark file is as before where its last write was not synced. The fronts, which are memory, are gone in any case.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from engine.journal.chain import chain_files
from engine.journal.journal import Journal
from engine.journal.places import LANE_NAMES, segments
from engine.model.codes import Lane

SECTOR = 512
TRACED_MAX = 256
Place = tuple[int, int]


@dataclass
class PowerCut:
    """One cut. `torn` says whether it fell among unsynced writes."""

    data_dir: Path
    dice: random.Random
    durable: dict[Place, int] = field(default_factory=dict)
    pending: dict[Place, list[tuple[int, int]]] = field(default_factory=dict)
    unnamed: set[Place] = field(default_factory=set)
    # the files of chain entries: how much of each is there at the cut
    entries: dict[Place, int] = field(default_factory=dict)
    marks: bytes = b""
    torn: int = 0

    def strike(self, journal: Journal) -> None:
        """End the journal's run as a power cut does."""
        for lane in (Lane.LEDGER, Lane.TAPE):
            for number, path in segments(self.data_dir, lane):
                self.durable[lane, number] = path.stat().st_size
            for number, path in chain_files(self.data_dir, lane):
                self.entries[lane, number] = path.stat().st_size
        self.marks = (self.data_dir / "synced").read_bytes()
        journal.trace(TRACED_MAX)
        journal.flush()
        traced = journal.traced()
        journal.crash()
        writes = [place + 1 for place, row in enumerate(traced) if row[0] == "write"]
        until = self.dice.choice(writes) if writes and self.dice.random() < 0.7 else self.dice.randint(0, len(traced))
        for operation, code, number, offset, length, _ in traced[:until]:
            self._apply(operation, (code, number), offset, length)
        reached = {(code, number) for _, code, number, *_ in traced[:until]}
        self._leave(reached)
        self._mark([(offset, mark[3]) for operation, *_, offset, _, mark in traced[:until] if operation == "watermark"])

    def _apply(self, operation: str, place: Place, offset: int, length: int) -> None:
        if operation == "chain":
            self.entries[place] = self.dice.choice((offset, offset + length))
        elif operation == "open" and length == 0:  # with a length it is the file of chain entries
            self.unnamed.add(place)
            self.durable[place] = 0
        elif operation == "write":
            self.pending.setdefault(place, []).append((offset, length))
        elif operation == "sync":
            ends = [at + size for at, size in self.pending.pop(place, [])]
            self.durable[place] = max([self.durable.get(place, 0), *ends])
        elif operation == "sync directory":
            self.unnamed.discard(place)

    def _mark(self, written: list[tuple[int, bytes]]) -> None:
        """The watermark file: it is synced only now and then, so each of its latest writes is there or is not."""
        data = bytearray(self.marks)
        for offset, mark in written:
            if self.dice.random() < 0.5:
                data[offset : offset + len(mark)] = mark
        (self.data_dir / "synced").write_bytes(data)

    def _leave(self, reached: set[Place]) -> None:
        for code in range(len(LANE_NAMES)):
            for number, path in segments(self.data_dir, code):
                place = (code, number)
                if place not in self.durable or (place in self.unnamed and self.dice.random() < 0.5):
                    path.unlink()
                else:
                    whole = path.read_bytes()
                    if place in reached:
                        path.write_bytes(self._torn(place, whole))
                    elif len(whole) > self.durable[place]:
                        path.write_bytes(whole[: self.durable[place]])
            for number, path in chain_files(self.data_dir, code):
                path.write_bytes(path.read_bytes()[: self.entries.get((code, number), 0)])

    def _torn(self, place: Place, whole: bytes) -> bytes:
        """Durable bytes, then of what was pending any of its sectors."""
        durable = self.durable[place]
        data = bytearray(whole[:durable])
        for offset, length in self.pending.get(place, []):
            at = max(offset, durable)
            while at < offset + length:
                until = min(at // SECTOR * SECTOR + SECTOR, offset + length)
                data.extend(bytes(max(0, until - len(data))))
                if self.dice.random() < 0.7:
                    data[at:until] = whole[at:until]
                else:
                    self.torn += 1
                at = until
        end = self.dice.randint(durable, len(data)) if self.dice.random() < 0.5 else len(data)
        self.torn += end < len(data)
        return bytes(data[:end])
