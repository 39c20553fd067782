"""An operator who is not the engine's user kills a hung engine by its guard; to forget a kill takes two people there, too."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fault.guarded import GuardedMarket
from tests.fault.market import PROJECT

OTHER_UID = 65534
PEOPLE = f'\n[control]\noperators = [{OTHER_UID}]\nsecond_person = ["arm"]\n'
ASK = """
import os, sys
from engine.control import messages
from engine.control.client import ControlClient
os.setgroups([])
os.setuid(int(sys.argv[3]))
with ControlClient(sys.argv[1], timeout_ms=10_000) as client:
    reply = client.request(getattr(messages, sys.argv[2])(reason="a drill"))
print(type(reply).__name__, getattr(reply, "text", ""))
"""


class SharedMarket(GuardedMarket):
    """Its engine has an operator beside its own user."""

    def write_config(self, *args: Any, **options: Any) -> None:
        super().write_config(*args, **options)
        path = self.place.engine_config
        path.write_text(path.read_text() + PEOPLE)

    def asked(self, socket: str, kind: str, uid: int = OTHER_UID) -> str:
        """What a process of that user is answered."""
        command = [sys.executable, "-c", ASK, str(self.place.runtime_dir / socket), kind, str(uid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=PROJECT)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def market() -> Iterator[SharedMarket]:
    """Twelve orders rest; the folders are open to their group."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    root = Path(tempfile.mkdtemp(prefix="tradewind-shared-"))
    found = SharedMarket(root)
    try:
        found.rest(levels=2)
        for folder in (root, found.place.runtime_dir):
            folder.chmod(0o750)
        yield found
    finally:
        if found.engine is not None and found.engine.process.poll() is None:
            found.engine.process.send_signal(signal.SIGCONT)
        found.close()
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.invariant("R25")
def test_an_operator_kills_a_hung_engine_by_its_guard_which_nobody_arms_alone(market: SharedMarket) -> None:
    assert market.engine is not None
    market.engine.process.send_signal(signal.SIGSTOP)
    assert market.asked("guard.sock", "Kill").startswith("Accepted")
    market.until(lambda: market.resting() == 0, "nothing rests at the venue")
    for uid in (OTHER_UID, os.geteuid()):
        assert market.asked("guard.sock", "Arm", uid).startswith("Refused two people arm this engine")
    assert market.guard_status()["killed"] == ["ALL"]
    assert [row["uid"] for row in market.log("killed")] == [OTHER_UID]
    stranger = market.asked("guard.sock", "Kill", OTHER_UID - 1)
    assert stranger == f"Refused uid {OTHER_UID - 1} may not command this engine"
