"""What a killed engine left in its fronts belongs to its own session: not to another run, another lane or another engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.exit_codes import CommandError, ExitCode
from engine.journal import layout
from engine.journal.places import LANE_NAMES, Front, segments
from engine.journal.scan import checksum
from engine.model.codes import Lane
from engine.replay.recording import front_part, open_session
from tests.journal_harness import append_numbered, memory_folder, open_stepped, small_config


@pytest.fixture
def folder() -> Iterator[Path]:
    """A journal whose first half is on disk and whose second half stands in the fronts; `data` and `run` beneath it."""
    with memory_folder() as made:
        journal = open_stepped(small_config(made))
        for number in range(20):
            append_numbered(journal, number)
            if number == 9:
                journal.flush()
        journal.crash()
        yield made


def front_of(runtime_dir: Path, lane: int) -> Front:
    """The header of a lane's front."""
    found = Front.parse((runtime_dir / f"{LANE_NAMES[lane]}.front").read_bytes())
    assert found is not None
    return found


def test_only_the_sessions_own_front_is_taken(folder: Path) -> None:
    runtime_dir = Path(small_config(folder).runtime_dir)
    front = front_of(runtime_dir, Lane.LEDGER)
    (own,) = front_part(runtime_dir, Lane.LEDGER, front.epoch, front.journal_id)
    assert len(own) > layout.RECORD_HEADER_BYTES
    assert front_part(runtime_dir, Lane.LEDGER, front.epoch + 1, front.journal_id) == []
    assert front_part(runtime_dir, Lane.LEDGER, front.epoch, bytes(16)) == []
    shutil.copy(runtime_dir / f"{LANE_NAMES[Lane.LEDGER]}.front", runtime_dir / f"{LANE_NAMES[Lane.TAPE]}.front")
    assert front_part(runtime_dir, Lane.TAPE, front.epoch, front.journal_id) == []


@pytest.mark.parametrize("lane", [Lane.LEDGER, Lane.TAPE])
def test_a_session_of_another_record_layout_is_refused(folder: Path, lane: Lane) -> None:
    config = small_config(folder)
    data_dir, epoch = Path(config.data_dir), front_of(Path(config.runtime_dir), Lane.LEDGER).epoch
    open_session(data_dir, epoch)
    _, path = segments(data_dir, lane)[-1]
    data = bytearray(path.read_bytes())
    fields = list(layout.SEGMENT_HEADER.unpack(data[: layout.SEGMENT_HEADER_BYTES]))
    fields[10] ^= 1
    head = layout.SEGMENT_HEADER.pack(*fields)[:-4]
    data[: layout.SEGMENT_HEADER_BYTES] = head + checksum(head).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with pytest.raises(CommandError, match="another record layout") as refused:
        open_session(data_dir, epoch)
    assert refused.value.code is ExitCode.DATA_ERROR
