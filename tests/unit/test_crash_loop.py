"""R26: how often an engine was started is not forgotten without a person's word."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.crash_loop import CrashLoopGuard, StartsError

MINUTE_NS = 60_000_000_000
NOW_NS = 1_763_800_000_000_000_000


def guard_of(data_dir: Path) -> CrashLoopGuard:
    return CrashLoopGuard(data_dir, 3, 2)


@pytest.mark.invariant("R26")
def test_the_fourth_start_within_the_minutes_stays_down_until_the_count_begins_anew(tmp_path: Path) -> None:
    assert [guard_of(tmp_path).note_start(NOW_NS + turn) for turn in range(4)] == [False, False, False, True]
    assert guard_of(tmp_path).note_start(NOW_NS + MINUTE_NS)
    guard_of(tmp_path).clear()
    assert not guard_of(tmp_path).note_start(NOW_NS + MINUTE_NS)
    assert not guard_of(tmp_path).note_start(NOW_NS + 10 * MINUTE_NS)


@pytest.mark.invariant("R26")
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"1763800000000000000\n17638x\n", "\u00b2\n".encode(), b"-5\n"])
def test_a_damaged_count_refuses_each_start_until_a_person_moves_it_away(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "starts"
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StartsError, match=r"starts: damaged: .* move it away; the count begins anew"):
            guard_of(tmp_path).note_start(NOW_NS)
    assert path.read_bytes() == content
    path.rename(tmp_path / "aside")
    assert not guard_of(tmp_path).note_start(NOW_NS)


@pytest.mark.invariant("R26")
def test_a_start_that_cannot_be_counted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = guard_of(tmp_path)
    guard.note_start(NOW_NS)
    kept = (tmp_path / "starts").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StartsError, match="starts: No space left on device; no start goes uncounted"):
        guard.note_start(NOW_NS)
    assert (tmp_path / "starts").read_bytes() == kept
