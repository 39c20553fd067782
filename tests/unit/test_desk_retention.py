"""The desk lets go of what the configuration no longer keeps: each lane for itself, once an hour, and tells it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.desk.retention import INTERVAL_NS, Retention
from engine.journal.places import segments
from engine.journal.retention import DAY_NS
from engine.model.codes import Lane, RecordKind
from engine.runtime.clock import Clock
from tests.journal_harness import memory_folder, open_stepped, small_config
from tests.unit.test_journal_retention import daily


@pytest.fixture(name="data_dir")
def fixture_data_dir() -> Iterator[Path]:
    """Ten days of both lanes in small segments."""
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder, segment_bytes=1 << 12))
        daily(journal, 10)
        for _ in range(80):
            journal.append(Lane.LEDGER, RecordKind.ALARM, bytes(120), wall_ns=10 * DAY_NS, mono_ns=10)
        journal.close()
        yield folder / "data"


def clock_on_day(day: int) -> Clock:
    return Clock.virtual(wall_ns=day * DAY_NS)


def test_each_lane_is_kept_for_its_own_days_and_what_went_is_told(data_dir: Path) -> None:
    ledger, tape = segments(data_dir, Lane.LEDGER), segments(data_dir, Lane.TAPE)
    (told,) = Retention(data_dir, {Lane.LEDGER: 36500, Lane.TAPE: 3}, clock_on_day(10)).poll()
    left = segments(data_dir, Lane.TAPE)
    assert segments(data_dir, Lane.LEDGER) == ledger
    assert left == tape[-len(left) :]
    assert told.startswith(f"{len(tape) - len(left)} segments of the tape older than 3 days deleted")


def test_it_looks_once_an_hour(data_dir: Path) -> None:
    clock = clock_on_day(3)
    retention = Retention(data_dir, {Lane.TAPE: 3}, clock)
    assert list(retention.poll()) == []
    clock.step_wall(7 * DAY_NS)
    clock.advance(INTERVAL_NS - 1)
    assert list(retention.poll()) == []
    clock.advance(1)
    assert len(list(retention.poll())) == 1


def test_what_cannot_be_deleted_is_told_and_the_other_lane_goes_on(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refuse_ledger(path: Path, missing_ok: bool = False) -> None:
        if "ledger" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    before = len(segments(data_dir, Lane.TAPE))
    monkeypatch.setattr(Path, "unlink", refuse_ledger)
    told = list(Retention(data_dir, {Lane.LEDGER: 3, Lane.TAPE: 3}, clock_on_day(1000)).poll())
    assert [text.split(" of the ")[1].split()[0] for text in told] == ["ledger", "tape"]
    assert "Permission denied" in told[0]
    assert len(segments(data_dir, Lane.TAPE)) < before
