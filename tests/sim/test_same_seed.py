"""The whole engine beside a venue in one process is a function of its seed: journals are equal byte for byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.model.codes import Counter
from engine.simulation import Simulation
from tests.sim.worlds import demo_config, journal_bytes, lively_venue, simulate
from tests.venue_harness import REPOSITORY

KINDS = ["binance-spot", "binance-usdm"]
MODES = ["sim", "paper"]
SECONDS = 5.0


def run(root: Path, kind: str, mode: str, seed: int) -> dict[str, bytes]:
    """One run from nothing; the journal it left."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with simulate(demo_config(root, kind, mode), lively_venue(seed), seed) as simulation:
        simulation.start()
        simulation.run_for(SECONDS)
        assert simulation.engine.counters.get(Counter.FILLS) > 0
        assert simulation.stop()
    return journal_bytes(root)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_journal_and_another_seed_another(tmp_path: Path, kind: str, mode: str) -> None:
    root = tmp_path / "one"
    first = run(root, kind, mode, 11)
    assert len(first) == (3 if mode == "paper" else 2)
    assert run(root, kind, mode, 11) == first
    assert run(root, kind, mode, 12) != first


def test_another_process_with_other_hashes_writes_the_same_journal(tmp_path: Path) -> None:
    root = tmp_path / "one"
    first = digests(run(root, "binance-spot", "paper", 11))
    call = f"digests(run(Path({str(root)!r}), 'binance-spot', 'paper', 11))"
    code = f"from pathlib import Path; from tests.sim.test_same_seed import digests, run; print({call})"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == repr(first)


def digests(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Names and SHA-256, in order."""
    return [(name, hashlib.sha256(files[name]).hexdigest()) for name in sorted(files)]


def test_time_that_is_run_in_pieces_is_the_same_time(tmp_path: Path) -> None:
    def play(root: Path, pieces: int) -> dict[str, bytes]:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        with simulate(demo_config(root), lively_venue(5), 5) as simulation:
            simulation.start()
            begin_ns = simulation.clock.time_ns()
            for piece in range(1, pieces + 1):
                simulation.run_until(begin_ns + 4_000_000_000 * piece // pieces)
        return journal_bytes(root)

    assert play(tmp_path / "one", 1) == play(tmp_path / "one", 37)


def test_a_crash_and_a_new_start_are_part_of_the_same_world(tmp_path: Path) -> None:
    shell = lively_venue(5)
    loaded = demo_config(tmp_path)
    fills = 0
    for number in range(3):
        simulation: Simulation = simulate(loaded, shell, 5 + number)
        simulation.start()
        simulation.run_for(4.0)
        fills += simulation.engine.counters.get(Counter.FILLS)
        assert simulation.engine.counters.get(Counter.ILLEGAL_TRANSITIONS) == 0
        if number < 2:
            simulation.crash()
        else:
            assert simulation.stop()
    assert fills > 0
    assert shell.core.open_orders(1) == []
