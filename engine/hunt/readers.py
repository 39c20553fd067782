"""Readers of a hunt: tailing readers with what they made of the records, and the recorder; each can be killed in its midst.

What a reader makes of records outlives it (`kept`), as a database of its own would; what it had not committed is given again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from engine.desk.recorder.database import Database
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.journal.cursor import Record
from engine.journal.places import segments
from engine.journal.reader import read_header
from engine.journal.retention import DAY_NS, expire
from engine.journal.tailing import NamedReader, NoJournalYet, RecordsExpired
from engine.model.codes import Lane
from engine.runtime.clock import Clock

NS_PER_S = 1_000_000_000
BATCH = 5_000
Key = tuple[int, int]


class DeskDied(Exception):
    """The process was killed at this very place."""


@dataclass
class HuntReader:
    """`kept`: (epoch, sequence) of every record as it was first given; `holes`: told as lost; `faults`: what may not be."""

    data_dir: Path
    name: str
    lane: Lane
    batch: int = BATCH
    batch_until_ns: int = 0
    kept: list[Key] = field(default_factory=list)
    holes: list[tuple[int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    expired: int = 0
    again: int = 0
    dies_before_commit: int = 0
    deaths_in_batch: int = 0
    _reader: NamedReader | None = None
    _uncommitted: set[Key] = field(default_factory=set)

    def step(self) -> int:
        """One batch: taken, made use of, committed; returns how many records."""
        try:
            return self._step()
        except NoJournalYet:
            return 0
        except RecordsExpired as hole:
            self.holes.append((hole.after_seq, hole.next_seq))
            self._told(hole)
            assert self._reader is not None
            self._reader.tail.skip_expired()
            self._reader.commit()
            return 1

    def _step(self) -> int:
        if self._reader is None:
            self._reader = NamedReader(self.data_dir, self.name, self.lane)
        found = self._reader.take(self.batch)
        if not found:
            return 0
        self._use(found)
        if self.dies_before_commit:
            self.dies_before_commit -= 1
            self.deaths_in_batch += 1
            self.die()
            return 0
        self._reader.commit()
        self._uncommitted.difference_update((record.epoch, record.seq) for record in found)
        return len(found)

    def _use(self, found: list[Record]) -> None:
        """Exactly once: what was made use of and not committed is known again, whatever else comes twice is a fault."""
        for record in found:
            key = (record.epoch, record.seq)
            if key in self._uncommitted:
                self.again += 1
            elif self.kept and key <= self.kept[-1]:
                self.faults.append(f"{self.name}: {key} is given after {self.kept[-1]}")
            else:
                self.kept.append(key)
                self._uncommitted.add(key)

    def _told(self, hole: RecordsExpired) -> None:
        """A hole begins behind the last record that was given, and ends with the first that is there."""
        last = next((seq for epoch, seq in reversed(self.kept) if (epoch, seq) not in self._uncommitted), 0)
        if hole.after_seq != last:
            self.faults.append(
                f"{self.name}: the hole is told to begin at {hole.after_seq}, the last one given is {last}"
            )
        first = next((read_header(path) for _, path in segments(self.data_dir, self.lane)), None)
        if first is None or first.first_seq != hole.next_seq:
            self.faults.append(
                f"{self.name}: the hole is told to end at {hole.next_seq}, the first one there is {first}"
            )

    def drain(self) -> None:
        """All that is there."""
        while self.step():
            pass

    def die(self) -> None:
        """Killed: what was not committed is given again."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None


class MortalDatabase(Database):
    """One whose process can be killed before or after its next commit."""

    dies = ""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As ever, to its end or not."""
        with super().transaction() as connection:
            yield connection
            if self.dies == "before commit":
                self.dies = ""
                raise DeskDied
        if self.dies == "after commit":
            self.dies = ""
            raise DeskDied


@dataclass
class HuntRecorder:
    """The recorder with a SQLite file in the data directory."""

    data_dir: Path
    clock: Clock
    dies: str = ""
    deaths_in_batch: int = 0
    recorder: Recorder | None = None

    def step(self) -> int:
        """One batch; killed within it where that was asked for."""
        try:
            recorder = self._living()
            database = recorder.database
            assert isinstance(database, MortalDatabase)
            if recorder.tail is not None and self.dies:
                database.dies, self.dies = self.dies, ""
            return recorder.step()
        except NoJournalYet:
            return 0
        except DeskDied:
            self.deaths_in_batch += 1
            self.die()
            return 1

    def _living(self) -> Recorder:
        if self.recorder is None:
            url = f"sqlite:///{self.data_dir / 'recorder.sqlite'}"
            self.recorder = Recorder(RecorderPlan(self.data_dir, url), self.clock)
            self.recorder.database = MortalDatabase(url)
        return self.recorder

    def drain(self) -> None:
        """All that is there."""
        while self.step():
            pass

    def die(self) -> None:
        """Killed: a transaction that was open is rolled back."""
        if self.recorder is not None:
            self.recorder.close()
        self.recorder = None


def expire_tape(data_dir: Path, keep_s: float, now_wall_ns: int) -> int:
    """Delete old tape as desk does, by seconds instead of days; returns how many segments."""
    return len(expire(data_dir, Lane.TAPE, keep_s * NS_PER_S / DAY_NS, now_wall_ns))
