"""Two accounts of one venue in one engine: two keys, two locks, and neither sees the other's orders as its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo import workspace
from engine.model.codes import TradingState
from engine.runtime.account_lock import AccountLocked, lock_account
from tests.contract.lines_market import (
    SPOT,
    LinesMarket,
    account_text,
    limits_of,
    lines_market,
    second_account,
    strategy_of,
)


def fresh_keys(folder: Path) -> tuple[workspace.Key, workspace.Key]:
    """An engine's and an observer's key of another account."""
    place = workspace.create(folder)
    return place.engine_key, place.observer_key


@pytest.fixture(scope="module")
def market() -> Iterator[LinesMarket]:
    """One spot venue with two accounts, a strategy on each."""
    with lines_market("accounts-") as found:
        own, observer = fresh_keys(found.root / "keys")
        text = account_text("second", own, observer, SPOT.balances)
        first = found.add_venue("first", SPOT, accounts=text)
        found.venues["second"] = second_account(found, first, "second", own, observer)
        strategies = "".join(
            strategy_of(name, [f"{name}:BTCUSDT"], "tests.contract.both_venues:BothVenues", qty="0.010")
            for name in ("first", "second")
        )
        found.write_config(strategies, limits_of("BTCUSDT"))
        found.trade()
        yield found


def open_at(market: LinesMarket, line: str) -> list[str]:
    """Client order ids open in a line's account, by the venue's word."""
    return [row["clientOrderId"] for row in market.open_orders(line)]


def test_each_account_has_its_own_orders_and_sees_no_foreign_ones(market: LinesMarket) -> None:
    for line in ("first", "second"):
        market.until(lambda line=line: len(open_at(market, line)) == 4, f"orders rest in {line}")  # type: ignore[misc]
    assert not set(open_at(market, "first")) & set(open_at(market, "second"))
    assert market.counters()["reconcile_mismatches"] == 0
    assert {row["account"] for row in market.lines().values()} == {1, 2}


def test_a_kill_of_one_account_leaves_the_other_alone(market: LinesMarket) -> None:
    market.until(lambda: len(open_at(market, "second")) == 4, "orders rest")
    assert market.ctl("kill", "--account", "2").returncode == 0
    market.until(lambda: not open_at(market, "second"), "nothing open in the second account")
    assert len(open_at(market, "first")) == 4
    assert market.ctl("arm", "--account", "2").returncode == 0
    market.until(lambda: len(open_at(market, "second")) == 4, "orders rest again")


@pytest.mark.invariant("R27")
def test_each_account_is_locked_on_this_host(market: LinesMarket) -> None:
    market.wait_all_active()
    for line in ("first", "second"):
        with pytest.raises(AccountLocked):
            lock_account((market.credentials / f"{line}.key").read_text())


def test_two_sections_with_one_key_are_refused(market: LinesMarket, tmp_path: Path) -> None:
    text = market.config.read_text().replace('credential = "second"', 'credential = "first"')
    (tmp_path / "bad.toml").write_text(text)
    command = [sys.executable, "-m", "engine", "config", "check", str(tmp_path / "bad.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 78
    assert "a section is one account" in done.stderr


@pytest.mark.invariant("R28")
def test_sessions_of_two_accounts_replay_equal_signatures_too(market: LinesMarket) -> None:
    market.start()
    market.wait_lines(first=TradingState.ACTIVE.name)
    # the kill of a try before this one stands over the restart
    assert market.ctl("arm", "--account", "2").returncode == 0
    market.wait_all_active()
    market.until(lambda: len(open_at(market, "second")) == 4, "orders rest")
    assert market.ctl("kill", "--account", "2").returncode == 0
    market.until(lambda: not open_at(market, "second"), "nothing open in the second account")
    assert market.engine is not None
    assert market.engine.stop() == 0, market.engine.tail()
    outcomes = market.replayed()
    assert [(outcome["state"], outcome["notes"]) for outcome in outcomes] == [("equal", [])] * len(outcomes)
    assert outcomes[-1]["counts"]["requests"] >= 8  # those before it may have been other tests', which asked for little
