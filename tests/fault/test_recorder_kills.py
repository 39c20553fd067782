"""The recorder and its database are killed in the midst of writing: no row is lost, none is there twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from engine.desk.recorder.address import resolve
from engine.desk.recorder.database import Database
from engine.desk.recorder.faults import DatabaseDown
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.recorder.tables import metadata
from engine.journal.reader import JournalReader, read_marks
from engine.model.codes import Lane
from engine.runtime.clock import Clock
from tests.journal_harness import memory_folder
from tests.postgres_server import PostgresServer
from tests.recorder_victim import Victims
from tests.reference_rows import Reference, database_rows, differences
from tests.varied_ledger import VariedLedger

KILLS = 100 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 6
DEATH_S_MAX = 60.0


@pytest.fixture(name="victims", scope="module")
def fixture_victims() -> Iterator[Victims]:
    victims = Victims()
    yield victims
    victims.close()


def record_rest(recorder: Recorder) -> None:
    """Everything there is; a server that a kill has sent into recovery is waited for."""
    deadline = time.monotonic() + 60
    while True:
        try:
            while recorder.step():
                pass
            return
        except DatabaseDown:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Killing:
    """A ledger that grows, a recorder that dies again and again, and what is in the database at the end."""

    def __init__(self, folder: Path, victims: Victims, seed: int, url: Callable[[Path], str]) -> None:
        self.dice = random.Random(seed)
        self.ledger = VariedLedger(folder, seed)
        self.victims = victims
        self.url = resolve(url(self.ledger.data_dir), self.ledger.data_dir)
        self.killed = {"by itself": 0, "by us": 0}

    def grow(self) -> None:
        self.ledger.write(self.dice.randrange(20, 400))
        if self.dice.random() < 0.2:
            self.ledger.restart()

    def kill_a_recorder(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Start one, let the ledger grow beside it, let it die by itself in a transaction or kill it at any moment."""
        dice = self.dice
        is_suicide = dice.random() < 0.6
        seed = dice.randrange(1, 1 << 30) if is_suicide else 0
        self.grow()
        pid = self.victims.start(self.ledger.data_dir, self.url, dice.choice((7, 60, 500)), seed)
        if meanwhile is not None:
            time.sleep(dice.random() * 0.2)
            meanwhile()
        deadline = time.monotonic() + (DEATH_S_MAX if is_suicide else dice.random() * 0.3)
        while self.victims.is_alive(pid) and time.monotonic() < deadline:
            if is_suicide:
                self.ledger.write(20)
            time.sleep(0.01)
        self.killed["by us" if self.victims.is_alive(pid) else "by itself"] += 1
        self.victims.kill(pid)

    def must_agree(self) -> None:
        """Record the rest, and compare everything with a fold of the ledger."""
        ledger = self.ledger
        ledger.write(10)
        recorder = Recorder(RecorderPlan(ledger.data_dir, self.url), Clock())
        record_rest(recorder)
        try:
            assert differences(database_rows(recorder.database), Reference(ledger.data_dir).rows) == []
            records = JournalReader(ledger.data_dir).records(
                Lane.LEDGER, to_seq=read_marks(ledger.data_dir)[Lane.LEDGER].seq
            )
            assert counted(recorder.database) == (sum(1 for _ in records), 0)
        finally:
            recorder.close()
            ledger.journal.close()


def counted(database: Database) -> tuple[int, int]:
    """Records that the offset has passed, and the difference between changes counted and changes written."""
    tables = metadata().tables
    with database.transaction() as connection:
        records = connection.execute(select(tables["offsets"].c.records)).scalar_one()
        changes = connection.execute(select(func.sum(tables["orders"].c.changes))).scalar_one()
        states = connection.execute(select(func.count()).select_from(tables["order_states"])).scalar_one()
    return int(records), int(changes) - int(states)


def test_a_recorder_killed_anywhere_loses_and_doubles_nothing_in_sqlite(victims: Victims) -> None:
    with memory_folder() as folder:
        killing = Killing(folder, victims, 1, lambda _: "sqlite")
        for _ in range(KILLS):
            killing.kill_a_recorder()
        killing.must_agree()
        assert sum(killing.killed.values()) == KILLS


def test_a_recorder_killed_anywhere_loses_and_doubles_nothing_in_postgresql(
    victims: Victims, server: PostgresServer
) -> None:
    with memory_folder() as folder:
        killing = Killing(folder, victims, 2, lambda _: server.database())
        for _ in range(KILLS):
            killing.kill_a_recorder()
        killing.must_agree()
        assert sum(killing.killed.values()) == KILLS


def test_a_database_killed_in_the_midst_of_writing_loses_and_doubles_nothing(
    victims: Victims, server: PostgresServer
) -> None:
    """The server, or the processes that serve the recorder, which goes on trying, and is killed itself now and then."""
    with memory_folder() as folder:
        killing = Killing(folder, victims, 3, lambda _: server.database())
        pid = victims.start(killing.ledger.data_dir, killing.url, 60, 0)
        for _ in range(KILLS):
            killing.grow()
            time.sleep(killing.dice.random() * 0.2)
            if killing.dice.random() < 0.5:
                server.kill()
            else:
                server.kill_backends()
            server.start()
            if killing.dice.random() < 0.3:
                victims.kill(pid)
                pid = victims.start(killing.ledger.data_dir, killing.url, killing.dice.choice((7, 60, 500)), 0)
        victims.kill(pid)
        killing.must_agree()
