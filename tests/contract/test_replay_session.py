"""A session of the real daemon, over sockets against the venue's process, replays equal from its journal alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = "600" if os.environ.get("TRADEWIND_AMOUNT") == "long" else "8"


def traded(market: str) -> Path:
    """A demo's folder, its engine stopped in order."""
    command = [sys.executable, "-m", "engine", "demo", "--seconds", SECONDS, "--keep", "--market", market]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"folder (\S+)", done.stdout + done.stderr)
    assert found, done.stdout + done.stderr
    return Path(found[1])


def replayed(data_dir: Path, hash_seed: str) -> dict[str, object]:
    """What `tradewind replay` says of the session."""
    command = [sys.executable, "-m", "engine", "replay", str(data_dir), "--json", "--quiet"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_a_session_of_the_daemon_replays_equal_with_two_hash_seeds(market: str) -> None:
    folder = traded(market)
    try:
        (data_dir,) = {path.parent for path in folder.rglob("ledger")}
        first, second = replayed(data_dir, "1"), replayed(data_dir, "77")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert first["state"] == second["state"] == "equal"
    assert first["counts"] == second["counts"]
    assert first["counts"]["outputs"] > 100  # type: ignore[index]
    assert first["counts"]["beyond"] == 0  # type: ignore[index]
