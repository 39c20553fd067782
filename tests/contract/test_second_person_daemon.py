"""A running engine whose orders wait for the disk, and whose limits and kill only two people loosen; what its ledger tells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.demo.processes import Child
from engine.model.codes import Counter, HaltReason, TradingState
from tests.fault.market import PROJECT, Market

RESTING = "tests.fault.resting_maker:RestingMaker"
OTHER_UID = 65534
SETTINGS = f"""
[journal]
durability = "order"

[control]
operators = [{OTHER_UID}]
second_person = ["limits", "arm"]
"""
APPROVE = """
import os, sys
from engine.control.client import ControlClient
from engine.control.messages import Accepted, Approve
os.setgroups([])
os.setuid(int(sys.argv[3]))
with ControlClient(sys.argv[1], timeout_ms=10_000) as client:
    reply = client.request(Approve(proposal=int(sys.argv[2]), reason="agreed"))
assert isinstance(reply, Accepted), reply
print(reply.sequence)
"""


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue, and an engine at level `order` with orders at rest."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    root = Path(tempfile.mkdtemp(prefix="tradewind-two-"))
    found = Market(root)
    try:
        start(found, root)
        yield found
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)


def start(market: Market, root: Path, settings: str = SETTINGS) -> None:
    """At level `order`, with four orders at rest."""
    market.write_config(strategy=RESTING, params={"levels": 2})
    text = market.place.engine_config.read_text()
    market.place.engine_config.write_text(text + settings)
    market.start()
    market.wait_active()
    for folder in (root, market.place.runtime_dir):
        folder.chmod(0o750)
    market.wait_for(lambda: len(market.witness.open_orders()) == 4, "4 orders at the venue")


def answer(market: Market, *words: str, code: int = 0) -> dict[str, Any]:
    done = market.ctl(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def tradewind(market: Market, *words: str, config: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", *words]
    command += ["--config", str(market.place.engine_config)] if config else []
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def approve_as_another(market: Market, number: int) -> int:
    """Another user's process approves; the sequence of the command."""
    socket = market.place.runtime_dir / "control.sock"
    done = subprocess.run(
        [sys.executable, "-c", APPROVE, str(socket), str(number), str(OTHER_UID)],
        capture_output=True, text=True, timeout=60, check=False, cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def only_proposal(market: Market) -> int:
    (row,) = answer(market, "proposals")["proposals"]
    return int(row["proposal"])


@pytest.mark.invariant("R02")
@pytest.mark.invariant("R28")
def test_orders_wait_for_the_disk_and_two_people_loosen_what_one_may_tighten(market: Market) -> None:
    status = answer(market, "status")
    assert (status["durability"], status["durable_waiting"], status["durable_refused"]) == ("order", 0, 0)
    assert status["durable_waits"] >= 4
    assert market.counters()[Counter.DURABLE_WAITS.name.lower()] >= 4

    found = answer(market, "limits", "set", "max_open_orders=900", "--loosen", "--reason", "more room", code=3)
    assert "nothing has changed" in found["note"]
    number = only_proposal(market)
    assert found["proposal"] == number
    done = market.ctl("approve", str(number))
    assert done.returncode == 77, (done.stdout, done.stderr)
    assert "your own" in done.stderr
    assert approve_as_another(market, number) > 0
    rows = [row for row in answer(market, "limits", "get")["limits"] if row["limit"] == "max_open_orders"]
    assert "900" in [row["value"] for row in rows]
    answer(market, "limits", "set", "max_open_orders=800", "--reason", "less")

    answer(market, "kill", "--reason", "drill")
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
    answer(market, "arm", "--reason", "over", code=3)
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
    approve_as_another(market, only_proposal(market))
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE)
    answer(market, "limits", "set", "max_open_orders=900", "--loosen", "--reason", "too late", code=3)
    assert_told(market)


def test_a_proposal_that_nobody_asks_about_is_told_as_expired_while_the_engine_runs() -> None:
    root = Path(tempfile.mkdtemp(prefix="tradewind-late-"))
    found = Market(root)
    try:
        start(found, root, SETTINGS + "second_person_expiry_s = 1\n")
        answer(found, "limits", "set", "max_open_orders=900", "--loosen", "--reason", "more room", code=3)
        found.wait_for(lambda: len(outcomes(found)) > 1, "a second note of the proposal")
        assert outcomes(found) == ["proposed", "expired"]
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)


def outcomes(market: Market) -> list[str]:
    """Of what people asked for, as `audit` tells it."""
    done = tradewind(market, "audit", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["outcome"] for line in done.stdout.splitlines()]


def assert_told(market: Market) -> None:
    """All of it stands in the ledger, and the journal is whole."""
    assert isinstance(market.engine, Child)
    answer(market, "stop", "--reason", "enough")
    assert market.wait_dead() == 0
    done = tradewind(market, "audit", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    told = [(row["action"], row["outcome"], row["reason"]) for row in rows if row["pid"]]
    assert told == [
        ("setlimits", "proposed", "more room"),
        ("approve", "refused", ""),
        ("setlimits", "approved", "more room"),
        ("setlimits", "done", "less"),
        ("kill", "done", "drill"),
        ("arm", "proposed", "over"),
        ("arm", "approved", "over"),
        ("setlimits", "proposed", "too late"),
        ("stop", "done", "enough"),
        ("setlimits", "expired", "too late"),
    ]
    approved = [row for row in rows if row["outcome"] == "approved"]
    assert all((row["uid"], row["approver_uid"]) == (os.getuid(), OTHER_UID) and row["sequence"] for row in approved)
    done = tradewind(market, "journal", "verify", "--audit")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "no bound block was altered" in done.stdout
    # that orders left later than they were approved is no decision of the core
    done = tradewind(market, "replay", str(market.place.data_dir), "--quiet", config=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "equal, record by record and byte by byte" in done.stdout
