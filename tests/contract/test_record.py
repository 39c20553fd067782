"""`tradewind record`: what a venue sent stands in the file, and a replay of the file sends it again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.demo.frames import sent_frames
from engine.feed.capture import CaptureCounts, CaptureFile, CapturePlan, CaptureWriter
from engine.runtime.crc32c import crc32c
from engine.sim.replay.frames import read_lines
from engine.sim.replay.recording import survey
from tests.venue_harness import CONFIG, REPOSITORY

PLAN = CapturePlan("ws://127.0.0.1:1/stream", ("btcusdt@trade",), ())


def command(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def venue(folder: Path, *arguments: object) -> Iterator[dict[str, int]]:
    """A venue process; gives its ports."""
    ready = folder / f"ready-{len(list(folder.iterdir()))}.json"
    process = command("venue", "--ready-file", ready, *arguments)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield json.loads(ready.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def record(ports: dict[str, int], out: Path, frames: int, symbol: str = "BTCUSDT") -> str:
    """Record until the file has at least so many frames, then end in order; returns what was printed."""
    where = ("--url", f"ws://127.0.0.1:{ports['ws']}", "--rest-url", f"http://127.0.0.1:{ports['rest']}")
    process = command("record", *where, "--symbols", symbol, "--out", out)
    part = out.with_name(out.name + ".part")
    deadline = time.monotonic() + 90
    while not part.exists() or sum(1 for _ in read_lines(part)) < frames:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    return printed


def texts(path: Path) -> list[bytes]:
    return [text for _, text in read_lines(path) if text.startswith(b'{"stream"')]


def test_a_recording_of_a_venue_replays_as_the_same_bytes(tmp_path: Path) -> None:
    first, log = tmp_path / "first.gz", tmp_path / "frames.bin"
    with venue(tmp_path, "--config", CONFIG, "--frame-log", log, "--activity", 3) as ports:
        printed = record(ports, first, 300)
    assert "1 snapshots" in printed
    assert not first.with_name("first.gz.part").exists()
    recorded = texts(first)
    sent = {row for rows in sent_frames(log).values() for row in rows}
    assert all((len(text), crc32c(text)) in sent for text in recorded)
    found = survey((first,))
    assert (found.family, found.symbols) == ("spot", ("BTCUSDT",))
    assert found.markets["BTCUSDT"].snapshot is not None

    second = tmp_path / "second.gz"
    with venue(tmp_path, "--config", CONFIG, "--replay", first, "--speed", "max") as ports:
        record(ports, second, len(recorded) + 1)
    assert texts(second) == recorded


def test_nothing_is_written_over(tmp_path: Path) -> None:
    out = tmp_path / "a.gz"
    out.write_bytes(b"precious")
    process = command(
        "record", "--url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1", "--symbols", "A", "--out", out
    )
    printed, _ = process.communicate(timeout=60)
    assert (process.returncode, out.read_bytes()) == (73, b"precious"), printed


def test_a_venue_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    where = ("--url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1", "--symbols", "BTCUSDT")
    process = command("record", *where, "--seconds", 1, "--out", tmp_path / "a.gz")
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 69
    assert "nothing listens there" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_recording_without_a_frame_fails_and_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with venue(tmp_path, "--config", CONFIG) as ports:
        where = ("--url", f"ws://127.0.0.1:{ports['ws']}", "--rest-url", f"http://127.0.0.1:{ports['rest']}")
        process = command("record", *where, "--symbols", "NOPE", "--seconds", 2, "--out", out / "a.gz")
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 66
    assert "no market frame came" in printed
    assert list(out.iterdir()) == []


def test_what_was_flushed_survives_a_kill(tmp_path: Path) -> None:
    file = CaptureFile(tmp_path / "a.gz")
    for number in range(100):
        file.write(number, b'{"stream":"a@trade","data":{}}')
    file.flush()
    file.write(100, b'{"stream":"a@trade","data":{"late":1}}')
    lines = list(read_lines(tmp_path / "a.gz.part"))
    assert [stamp for stamp, _ in lines] == list(range(100))
    file.finish()
    assert len(list(read_lines(tmp_path / "a.gz"))) == 101


@pytest.mark.parametrize("plan", [{"rotate_bytes": 2_000}, {"rotate_s": 1.0}])
def test_rotation_numbers_whole_files_without_losing_a_line(tmp_path: Path, plan: dict[str, float]) -> None:
    counts = CaptureCounts()
    chosen = CapturePlan(PLAN.url, PLAN.streams, PLAN.book_symbols, **plan)  # type: ignore[arg-type]
    writer = CaptureWriter(tmp_path / "cap.gz", chosen, counts)
    for number in range(200):
        writer.write(number * 50_000_000, b'{"stream":"a@trade","data":{"n":%d}}' % number)
    writer.finish()
    assert [path.name for path in counts.files][:2] == ["cap_0001.gz", "cap_0002.gz"]
    assert len(counts.files) > 3
    lines = [line for path in counts.files for line in read_lines(path)]
    assert [stamp for stamp, _ in lines] == [number * 50_000_000 for number in range(200)]


def test_an_uncompressed_file_stays_plain(tmp_path: Path) -> None:
    file = CaptureFile(tmp_path / "a.txt")
    file.write(7, b'{"stream":"a@trade",\n"data":{}}')
    file.finish()
    assert (tmp_path / "a.txt").read_bytes() == b'7 {"stream":"a@trade", "data":{}}\n'
    with pytest.raises(FileExistsError):
        CaptureFile(tmp_path / "a.txt")
