"""R25 by venue and of everything: 504 orders rest in two lines, half of each rate budget is spent; one line is killed, then all.

How long it took is told, by the venue's stamps against the journal's stamp of the command, and not asserted: this machine does
other work (`test_kill_switch.py` asserts it). What is asserted: all of the scope's orders go and none of the others', and a kill
holds over a `kill -9` and a restart. A venue takes 200 open orders a symbol, so that 504 need two symbols in each line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.model.codes import RecordKind
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, lines_market, strategy_of

SYMBOLS = ("BTCUSDT", "ETHUSDT")
LEVELS = 63
RESTING = 2 * LEVELS * len(SYMBOLS)
BUDGET = 1_000_000
STAMP_NS = 1_000_000


@pytest.fixture
def market() -> Iterator[LinesMarket]:
    """252 orders at a spot venue, 252 at a futures venue."""
    with lines_market("kill-lines-") as found:
        for name, traded in (("spot", SPOT), ("futures", USDM)):
            found.add_venue(name, traded, symbols=SYMBOLS)
        symbols = [f"{line}:{symbol}" for line in found.venues for symbol in SYMBOLS]
        strategy = strategy_of("both", symbols, "tests.contract.both_venues:BothVenues", qty="0.010", levels=LEVELS)
        found.write_config(strategy, "".join(limits_of(symbol, position="20") for symbol in SYMBOLS))
        found.trade()
        yield found


def wait_open(market: LinesMarket, **counts: int) -> None:
    """Until so many orders are open at each line's venue."""
    market.until(
        lambda: {line: len(market.open_orders(line)) for line in counts} == counts, f"open orders: {counts}", 60
    )


def cancelled_ms(market: LinesMarket) -> list[float]:
    """Milliseconds from the kill to the venue's stamp of each cancellation after it, never too few: stamps are cut to ms."""
    command = market.ledger(RecordKind.COMMAND)[-1]
    reports = [row for row in market.ledger(RecordKind.EXECUTION_REPORT) if row["seq"] > command["seq"]]
    stamps = [row["payload"]["transact_ns"] for row in reports if row["payload"]["order_state"] == "CANCELED"]
    return sorted((stamp + STAMP_NS - command["wall_ns"]) / 1e6 for stamp in stamps)


def kill(market: LinesMarket, note: Callable[[str, object], None], *scope: str, **left: int) -> None:
    """Kill with half of the budgets spent; what is open afterwards, and how long it took."""
    for venue in market.venues.values():
        venue.fault("limits", weight_used=BUDGET // 2)
    assert market.ctl("kill", *scope, "--reason", "drill").returncode == 0
    wait_open(market, **left)
    market.until(lambda: len(cancelled_ms(market)) >= RESTING, "the reports on disk", 60)
    times_ms = cancelled_ms(market)
    told = f"{len(times_ms)} cancelled {times_ms[0]:.1f} to {times_ms[-1]:.1f} ms after it"
    note(f"kill_by_{scope[0][2:] if scope else 'nothing'}", told)


def restart(market: LinesMarket) -> None:
    """`kill -9`, and the next run on the same journal."""
    assert market.engine is not None
    market.engine.process.kill()
    market.engine.process.wait()
    market.start()


def halts(market: LinesMarket) -> dict[str, Any]:
    """Each line's halt reason."""
    return {name: row["halt_reason"] for name, row in market.lines().items()}


@pytest.mark.invariant("R25")
@pytest.mark.timeout(240)
def test_500_orders_in_two_lines_one_line_is_killed_and_then_everything(
    market: LinesMarket, record_property: Callable[[str, object], None]
) -> None:
    wait_open(market, spot=RESTING, futures=RESTING)
    kill(market, record_property, "--venue", "futures", futures=0, spot=RESTING)
    assert len(market.open_orders("spot")) == RESTING
    restart(market)
    market.wait_lines(futures="HALTED", spot="ACTIVE")
    assert halts(market) == {"futures": "KILL", "spot": "NONE"}
    wait_open(market, spot=RESTING, futures=0)
    kill(market, record_property, spot=0, futures=0)
    restart(market)
    market.wait_lines(futures="HALTED", spot="HALTED")
    market.until(lambda: halts(market) == {"futures": "KILL", "spot": "KILL"}, "the kill holds")
    assert (len(market.open_orders("spot")), len(market.open_orders("futures"))) == (0, 0)
