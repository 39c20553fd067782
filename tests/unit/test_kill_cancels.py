"""A kill on USD-M futures sends cancel-all by symbol over REST, for no more than what was killed."""

from __future__ import annotations

import asyncio

import pytest

from engine.control.messages import ScopeKind
from engine.kill_cancels import KillCancels
from engine.runtime.net import NetError

SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Venue:
    """Notes the symbols; `fault` is raised afterwards."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.cancelled: list[str] = []
        self.fault = fault

    async def cancel_all(self, symbol: str) -> None:
        self.cancelled.append(symbol)
        if self.fault is not None:
            raise self.fault


def told(scope_kind: int, instrument_id: int = 0, fault: Exception | None = None) -> tuple[list[str], str]:
    """Symbols that the venue was told to cancel, and the error kept."""
    venue = Venue(fault)

    async def scene() -> str:
        cancels = KillCancels(venue, SYMBOLS, lambda row: SYMBOLS[row - 1])
        cancels.begin(scope_kind, instrument_id)
        for _ in range(5):
            await asyncio.sleep(0)
        return cancels.last_error

    error = asyncio.run(scene())
    return venue.cancelled, error


@pytest.mark.invariant("R25")
def test_a_kill_cancels_all_of_each_symbol_in_its_scope_and_of_no_other() -> None:
    for scope in (ScopeKind.ALL, ScopeKind.VENUE, ScopeKind.ACCOUNT):
        assert told(scope) == (["BTCUSDT", "ETHUSDT"], "")
    assert told(ScopeKind.INSTRUMENT, 2) == (["ETHUSDT"], "")
    assert told(ScopeKind.STRATEGY) == ([], "")


def test_a_venue_that_is_away_is_told_and_ends_nothing() -> None:
    assert told(ScopeKind.INSTRUMENT, 1, NetError("down")) == (["BTCUSDT"], "BTCUSDT: down")
