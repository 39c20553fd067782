"""R25 by venue: 500 orders rest in two lines, half of each rate budget is spent, and one line is killed.

How long it took is told, by the venue's stamps against the journal's stamp of the command, and not asserted: this machine does
other work. What is asserted: all of the line's orders go, none of the other's, and the kill holds over a `kill -9` and a restart.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.model.codes import RecordKind
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, strategy_of

LEVELS = 125
RESTING = 2 * LEVELS
BUDGET = 1_000_000
STAMP_NS = 1_000_000


@pytest.fixture
def market() -> Iterator[LinesMarket]:
    """250 orders at a spot venue, 250 at a futures venue."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-kill-lines-", dir=memory if memory.is_dir() else None))
    found = LinesMarket(root)
    try:
        for name, traded in (("spot", SPOT), ("futures", USDM)):
            found.add_venue(name, traded)
        symbols = ["spot:BTCUSDT", "futures:BTCUSDT"]
        strategy = strategy_of("both", symbols, "tests.contract.both_venues:BothVenues", qty="0.010", levels=LEVELS)
        found.write_config(strategy, limits_of("BTCUSDT", position="20"))
        found.start()
        found.wait_all_active()
        yield found
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)


def open_at(market: LinesMarket, line: str) -> int:
    """Orders open at a line's venue, by the venue's word."""
    return len(market.venues[line].witness.open_orders())


def cancelled_ms(market: LinesMarket) -> list[float]:
    """Milliseconds from the kill to the venue's stamp of each cancellation after it, never too few: stamps are cut to ms."""
    command = market.ledger(RecordKind.COMMAND)[-1]
    reports = [row for row in market.ledger(RecordKind.EXECUTION_REPORT) if row["seq"] > command["seq"]]
    stamps = [row["payload"]["transact_ns"] for row in reports if row["payload"]["order_state"] == "CANCELED"]
    return sorted((stamp + STAMP_NS - command["wall_ns"]) / 1e6 for stamp in stamps)


@pytest.mark.invariant("R25")
@pytest.mark.timeout(240)
def test_500_orders_in_two_lines_and_one_line_is_killed(
    market: LinesMarket, record_property: Callable[[str, object], None]
) -> None:
    for line, venue in market.venues.items():
        market.until(lambda line=line: open_at(market, line) == RESTING, f"orders rest at {line}", 90)  # type: ignore[misc]
        venue.fault("limits", weight_used=BUDGET // 2)
    assert market.ctl("kill", "--venue", "futures", "--reason", "drill").returncode == 0
    market.until(lambda: open_at(market, "futures") == 0, "nothing open at futures", 60)
    assert open_at(market, "spot") == RESTING
    market.until(lambda: len(cancelled_ms(market)) >= RESTING, "the reports on disk", 60)
    times_ms = cancelled_ms(market)
    record_property("kill_by_venue", f"{len(times_ms)} cancelled {times_ms[0]:.1f} to {times_ms[-1]:.1f} ms after it")
    assert market.engine is not None
    market.engine.process.kill()
    market.engine.process.wait()
    market.start()
    market.wait_lines(futures="HALTED", spot="ACTIVE")
    assert market.lines()["futures"]["halt_reason"] == "KILL"
    assert open_at(market, "futures") == 0
