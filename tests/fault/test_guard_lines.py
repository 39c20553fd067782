"""R25 by line, with a guard: a kill of one line of a hung engine cancels that line alone, and the engine is told of it.

An `arm` of the other line does not end it, nor does a restart.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from engine.demo.processes import Child
from engine.guard.kills import KillOrder, Kills
from engine.model.codes import RecordKind
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, lines_market, strategy_of
from tests.guard_turns import turn_of_another

GUARD = "\n[guard]\nheartbeat_ms_max = 60000\n"


@pytest.fixture
def without_guard() -> Iterator[LinesMarket]:
    """A spot line and a futures line of the same symbol; neither engine nor guard runs yet."""
    with lines_market("guard-lines-") as found:
        for name, traded in (("spot", SPOT), ("futures", USDM)):
            found.add_venue(name, traded)
        strategy = strategy_of(
            "both", ["spot:BTCUSDT", "futures:BTCUSDT"], "tests.contract.both_venues:BothVenues", qty="0.010"
        )
        found.write_config(strategy, limits_of("BTCUSDT", position="20") + GUARD)
        yield found


@pytest.fixture
def market(without_guard: LinesMarket) -> Iterator[LinesMarket]:
    """Two orders rest in either line; a guard beside the engine."""
    found = without_guard
    found.trade()
    env = {"CREDENTIALS_DIRECTORY": str(found.credentials)}
    guard = Child("guard", ["guard", "--config", str(found.config)], found.root, env)
    try:
        found.until(lambda: guard_status(found).get("may_cancel", False), "the guard may cancel")
        yield found
    finally:
        guard.stop()


def guard_status(market: LinesMarket) -> dict[str, Any]:
    """`ctl guard status`; empty while no guard answers."""
    done = market.ctl("guard", "status")
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def reasons(market: LinesMarket) -> dict[str, str]:
    """Each line's halt reason."""
    return {name: row["halt_reason"] for name, row in market.lines().items()}


@pytest.mark.invariant("R25")
@pytest.mark.timeout(240)
def test_a_kill_of_one_line_of_a_hung_engine_is_that_lines_alone_and_stands_when_the_other_is_armed(
    market: LinesMarket,
) -> None:
    market.until(lambda: all(market.open_orders(line) for line in market.venues), "orders rest in both lines")
    assert market.engine is not None
    os.kill(market.engine.process.pid, signal.SIGSTOP)
    resting = len(market.open_orders("spot"))
    killed = market.ctl("kill", "--venue", "futures", "--timeout", "0.5", "--reason", "drill")
    answer = json.loads(killed.stdout)
    assert (killed.returncode, answer["guard"]) == (0, "cancelling"), killed.stderr
    assert "of the rest only the engine could tell" in answer["note"]
    market.until(lambda: not market.open_orders("futures"), "the killed line's orders are gone")
    assert len(market.open_orders("spot")) == resting
    os.kill(market.engine.process.pid, signal.SIGCONT)
    market.until(
        lambda: reasons(market) == {"futures": "KILL", "spot": "NONE"}, "the engine was told of its line's kill"
    )
    why = f"the guard was told by uid {os.getuid()} to kill futures: drill"
    market.until(lambda: why in str(market.ledger(RecordKind.OPERATOR)), "the ledger says who told the guard, and why")

    assert market.ctl("arm", "--venue", "spot").returncode == 0
    assert guard_status(market)["killed"] == ["futures"]
    market.engine.process.kill()
    market.engine.process.wait()
    market.start()
    market.wait_lines(futures="HALTED", spot="ACTIVE")
    assert reasons(market) == {"futures": "KILL", "spot": "NONE"}

    assert market.ctl("arm", "--venue", "futures").returncode == 0
    assert Kills(market.root / "data").read() == []
    market.wait_all_active()


@pytest.mark.invariant("R25")
@pytest.mark.timeout(240)
def test_an_arm_that_cannot_clear_the_file_yet_is_done_and_told_and_the_file_is_cleared_later(
    without_guard: LinesMarket,
) -> None:
    market, data_dir = without_guard, without_guard.root / "data"
    data_dir.mkdir(exist_ok=True)
    guard = Kills(data_dir)
    guard.add(*(KillOrder("", os.getuid(), "drill", 1, line) for line in ("futures", "gone")))
    assert guard.settle()
    market.start()
    market.until(lambda: reasons(market).get("futures") == "KILL", "the engine has obeyed what was kept")
    # a line that nobody knows is a kill of everything
    assert market.ctl("arm").returncode == 0
    guard.add(KillOrder("", os.getuid(), "drill", 2, "futures"))
    assert guard.settle()
    with turn_of_another(data_dir):
        armed = market.ctl("arm", "--venue", "futures")
        assert armed.returncode == 0, armed.stderr
        assert "guard-kills.json still has the kill" in market.status()["troubles"]
        assert [kill.venue for kill in Kills(data_dir).read()] == ["futures"]
    market.until(lambda: Kills(data_dir).read() == [], "the file is cleared")
    market.until(lambda: "the kill" not in market.status().get("troubles", "the kill"), "nothing is left to tell")
    # named by a line that is configured no more, which no guard here keeps a kill of
    gone = market.ctl("arm", "--venue", "gone")
    assert (gone.returncode, "unknown venue" in gone.stderr) == (1, True)
