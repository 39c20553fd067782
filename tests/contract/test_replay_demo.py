"""`tradewind demo --replay`: the whole daemon on recorded markets, every frame accounted for."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import Recording, recordings
from tests.venue_harness import REPOSITORY

ABSENT = "no recorded data: set TRADEWIND_DATA to the folder that holds binance_raw"
SLICE_LINES = 12_000


def one_of_each() -> list[Recording | None]:
    """One recording of each family, or None, which skips."""
    by_market = {recording.market: recording for recording in recordings()}
    return list(by_market.values()) or [None]


def demo(path: Path, speed: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "engine", "demo", "--replay", str(path), "--speed", speed, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("recording", one_of_each(), ids=str)
def test_a_recorded_market_runs_through_the_whole_daemon(recording: Recording | None, tmp_path: Path) -> None:
    if recording is None:
        pytest.skip(ABSENT)
    path = tmp_path / recording.paths[0].name
    with gzip.open(recording.paths[0]) as file, gzip.open(path, "wb", compresslevel=1) as cut:
        for _ in range(SLICE_LINES):
            cut.write(file.readline())
    summary = demo(path, "max")
    frames, replay = summary["frames"], summary["replay"]
    assert summary["book_gaps"] == 0
    assert summary["book_checked"] >= 0.95 * summary["book_seen"] > 1_000
    assert summary["book_checked"] >= 0.95 * sum(replay["tickers_recorded"].values()) > 1_000
    assert replay["tickers_synchronised"].keys() == replay["tickers_recorded"].keys()
    if recording.market == "usdm":
        assert summary["book_equal"] == summary["book_checked"]
    else:
        assert summary["book_equal"] > 0.999 * summary["book_checked"]
    assert summary["positions_engine"] == summary["positions_venue"]
    assert frames["missing"] == frames["extra"] == frames["unread_at_close"] == 0
    assert frames["sent"] == frames["journaled"] > replay["frames_recorded"]
    assert replay["family"] == recording.market


def test_a_file_that_is_no_recording_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    command = [sys.executable, "-m", "engine", "demo", "--replay", str(path), "--speed", "max"]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "notes.txt, line 1" in done.stderr
