"""Numbers that are in neither lane: what a power cut may have left so, and what it cannot.

Both lanes count with one counter, and each is a prefix of what its run wrote: a power cut takes a lane's end, above its
watermark, and nothing from the midst. So a missing number was taken by a power cut only where one of the lanes ends before
it, in that run, with its watermark. Behind anything else records were removed, or lost below the watermark.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from engine.journal.cursor import Record
from engine.journal.decode import payload
from engine.journal.places import LANE_NAMES, Mark
from engine.journal.reader import JournalReader, read_marks
from engine.model.codes import RecordKind

LOOKED_AT_MAX = 50_000


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What a power cut may have taken of one run's lane: `numbers` of them between first_seq and last_seq are in neither lane.

    `synced_seq`: up to here the lane was synced. `durability`: the run's level, empty in a journal of an earlier build.
    `is_recovered`: a later run has begun behind it; else more may still come of a front, or of the running engine.
    """

    epoch: int
    lane: str
    first_seq: int
    last_seq: int
    numbers: int
    synced_seq: int
    durability: str
    is_recovered: bool

    def __str__(self) -> str:
        level = f" at level {self.durability}" if self.durability else ""
        state = "" if self.is_recovered else "; a start takes what a front still holds of them"
        return (
            f"run {self.epoch}{level}: {self.numbers} numbers from {self.first_seq} to {self.last_seq} are in neither lane; the "
            f"{self.lane} ends before them, synced up to {self.synced_seq}: what a power cut takes{state}"
        )


class Gap(msgspec.Struct, frozen=True):
    """Missing numbers, both ends included, in front of a record of run `epoch`."""

    first: int
    last: int
    epoch: int


class RunFacts:
    """What the records of all runs say of where each lane ends. `marks`: the watermarks as they stand in the file now."""

    def __init__(self, marks: dict[int, Mark]) -> None:
        self._marks = marks
        # (run, lane): the last number
        self._ends: dict[tuple[int, int], int] = {}
        self._levels: dict[int, str] = {}
        # the run that begins: where each lane's watermark stood when it did
        self._found: dict[int, dict[str, int]] = {}
        self.last_epoch = 0

    def note(self, record: Record) -> None:
        """Each record in the order of the numbers."""
        self._ends[record.epoch, record.lane] = record.seq
        self.last_epoch = max(self.last_epoch, record.epoch)
        if record.kind == RecordKind.START:
            facts = payload(record)
            self._levels[record.epoch] = str(facts.get("durability", ""))
            self._found[record.epoch] = facts.get("synced", {})

    def synced_seq(self, epoch: int, lane: int) -> int:
        """How far a lane was synced when the run was over: as the next run found it, or as the file says of the last one.

        0 where the next run is of a build that did not note it.
        """
        following = min((found for found in self._found if found > epoch), default=0)
        if following:
            return int(self._found[following].get(LANE_NAMES[lane], 0))
        return self._marks[lane].seq if lane in self._marks else 0

    def loss(self, gap: Gap) -> Loss | None:
        """The gap as what a power cut may have taken; None where none can have."""
        for lane, name in enumerate(LANE_NAMES):
            synced_seq = self.synced_seq(gap.epoch, lane)
            if gap.first > max(self._ends.get((gap.epoch, lane), 0), synced_seq):
                return Loss(
                    epoch=gap.epoch,
                    lane=name,
                    first_seq=gap.first,
                    last_seq=gap.last,
                    numbers=gap.last - gap.first + 1,
                    synced_seq=synced_seq,
                    durability=self._levels.get(gap.epoch, ""),
                    is_recovered=gap.epoch < self.last_epoch,
                )
        return None


def sorted_out(gaps: Iterable[Gap], facts: RunFacts) -> tuple[list[Loss], list[Gap]]:
    """What power cuts may have taken, one for each run, and the gaps that none can have left."""
    losses: dict[int, Loss] = {}
    unexplained = []
    for gap in gaps:
        loss = facts.loss(gap)
        if loss is None:
            unexplained.append(gap)
        else:
            losses[gap.epoch] = together(losses[gap.epoch], loss) if gap.epoch in losses else loss
    return list(losses.values()), unexplained


def together(earlier: Loss, later: Loss) -> Loss:
    """Two gaps of one run: the other lane goes on behind both, so they are of the same lane."""
    return msgspec.structs.replace(earlier, last_seq=later.last_seq, numbers=earlier.numbers + later.numbers)


def lost_before(data_dir: Path, start: Record) -> list[Loss]:
    """What a power cut took of the run before this START: numbers behind where it found the lanes synced.

    Looked at are the last LOOKED_AT_MAX numbers before it: what comes within seconds of an end. Of a loss that reaches further back
    those are counted.
    """
    synced_seq = min(payload(start).get("synced", {}).values(), default=start.seq)
    facts = RunFacts(read_marks(data_dir))
    gaps: list[Gap] = []
    first = max(1, synced_seq, start.seq - LOOKED_AT_MAX)
    expected = first if first > synced_seq else 0
    for record in JournalReader(data_dir).records(from_seq=first, to_seq=start.seq):
        facts.note(record)
        if 0 < expected < record.seq:
            gaps.append(Gap(expected, record.seq - 1, record.epoch))
        expected = record.seq + 1
    return sorted_out(gaps, facts)[0]
