"""The recorder: takes what the ledger has beyond its offset, writes rows and offset in one transaction, and begins again.

Whatever goes wrong, everything in memory is given up, and the next step begins with what the database says: a batch is there whole
or not at all, so no row is lost or doubled. The engine knows nothing of it.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from engine.desk.recorder.database import Database
from engine.desk.recorder.expiry import DAY_NS, expire_rows
from engine.desk.recorder.rows import RowMaker
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.recorder.store import read_memory, read_offset, register, write
from engine.journal.tailing import RECORDER, Offset, ReaderState, TailingReader, journal_identity, save_state
from engine.model.codes import Lane
from engine.runtime.clock import Clock

EXPIRY_INTERVAL_NS = 3_600_000_000_000
STATE_INTERVAL_NS = 1_000_000_000


class Recorder:
    """Single-threaded; every method but `close` raises RecorderFault or JournalError and has then given its connection up."""

    def __init__(self, plan: RecorderPlan, clock: Clock) -> None:
        self.plan = plan
        self.database = Database(plan.url)
        self.records = self.rows = self.skipped = 0
        self.tail: TailingReader | None = None
        self._clock = clock
        self._maker: RowMaker | None = None
        self._expiry_due_ns = self._state_due_ns = 0
        self._shown: Offset | None = None

    @property
    def journal(self) -> int:
        """The journal's number in the database; 0 before the first step."""
        return self._maker.journal if self._maker is not None else 0

    def open(self) -> TailingReader:
        """Bring the schema up and begin where the database says. Does nothing where it is open."""
        if self.tail is not None:
            return self.tail
        journal_id, engine_id = journal_identity(self.plan.data_dir)
        self.database.migrate()
        with self.database.transaction() as connection:
            journal = register(connection, journal_id, engine_id, Lane.LEDGER)
            offset = read_offset(connection, journal, journal_id)
            memory = read_memory(connection, journal, offset)
        self._maker = RowMaker(journal, memory)
        self.tail = TailingReader(self.plan.data_dir, Lane.LEDGER, offset)
        return self.tail

    def step(self) -> int:
        """Record one batch; returns how many records it had, 0 = nothing is there (yet)."""
        try:
            return self._step()
        except BaseException:
            self.close()
            raise

    def _step(self) -> int:
        tail = self.open()
        # also where nothing is to be written for hours
        self.database.require_file()
        former = tail.offset
        records = tail.take(self.plan.batch_records)
        if not records or self._maker is None:
            return 0
        now_ns = self._clock.time_ns()
        with no_collections():
            batch = self._maker.make(records)
            with self.database.transaction() as connection:
                rows = write(connection, self._maker.journal, batch, former, tail.offset, len(records), now_ns)
        self.records += len(records)
        self.rows += rows
        self.skipped += batch.skipped
        return len(records)

    def expire(self, *, now: bool = False) -> dict[str, int]:
        """Once an hour: delete one batch of old rows of each table that has a limit; returns how many by table.

        Called between steps. Where a batch was full the next one is due at once, so that recording goes on meanwhile.
        """
        if not self.plan.keep_days or not (now or self._clock.monotonic_ns() >= self._expiry_due_ns):
            return {}
        try:
            self.open()
            gone = {name: self._expire(name, days) for name, days in self.plan.keep_days.items()}
        except BaseException:
            self.close()
            raise
        if not any(gone.values()):
            self._expiry_due_ns = self._clock.monotonic_ns() + EXPIRY_INTERVAL_NS
        return {name: count for name, count in gone.items() if count}

    def _expire(self, table: str, days: int) -> int:
        horizon_ns = self._clock.time_ns() - days * DAY_NS
        with self.database.transaction() as connection:
            return expire_rows(connection, table, self.journal, horizon_ns)

    def show(self, note: str = "", *, now: bool = False) -> None:
        """Leave a file for `tradewind readers`, once a second at most: the offset that counts is the database's."""
        due = now or self._clock.monotonic_ns() >= self._state_due_ns
        if self.tail is None or not due or (self.tail.offset == self._shown and not note):
            return
        self._shown = self.tail.offset
        self._state_due_ns = self._clock.monotonic_ns() + STATE_INTERVAL_NS
        state = ReaderState(
            name=RECORDER,
            offset=self.tail.offset,
            kept=self.database.shown,
            updated_wall_ns=self._clock.time_ns(),
            note=note,
        )
        try:
            save_state(self.plan.data_dir, state, is_durable=False)
        except OSError:
            # only what is shown of it is missing
            return

    def skip_expired(self) -> None:
        """Go on behind records that were deleted before they were recorded. The offset moves with the next batch."""
        self.open().skip_expired()

    def close(self) -> None:
        """Give everything up; the next step begins with what the database says."""
        self.database.close()
        if self.tail is not None:
            self.tail.close()
        self.tail = self._maker = None


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Without Python's search for cycles: a batch is very many small things and has none; it takes a fifth longer with it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
