"""What a guard's repeat asks each simulated venue before it cancels: which symbols have something open, and what that weighs."""

from __future__ import annotations

import asyncio

import pytest

from engine.config import load
from engine.credentials import load_credentials
from engine.guard.main import make_venue
from engine.runtime.clock import Clock
from engine.runtime.net import LiveNet
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, lines_market, strategy_of

STRATEGY = strategy_of(
    "both", ["spot:BTCUSDT", "futures:BTCUSDT"], "tests.contract.both_venues:BothVenues", qty="0.010"
)


@pytest.mark.invariant("R25")
def test_a_look_at_all_symbols_finds_what_rests_and_a_cancel_of_it_finds_it_once() -> None:
    with lines_market("guard-looks-") as market:
        for name, table in (("spot", SPOT), ("futures", USDM)):
            market.add_venue(name, table)
        market.write_config(STRATEGY, limits_of("BTCUSDT", position="20"))
        market.start()
        market.until(lambda: all(market.open_orders(name) for name in ("spot", "futures")), "orders rest")
        assert market.engine is not None
        market.engine.process.kill()
        market.engine.process.wait()
        asyncio.run(look_and_cancel(market))


async def look_and_cancel(market: LinesMarket) -> None:
    """Nothing changes there any more but by this hand, and by what was under way when the engine ended."""
    for name, venue in load(market.config).config.venue.items():
        key = load_credentials(venue.credential, venue.key_type, market.credentials)
        guarded, close = make_venue(name, venue, key, LiveNet(), Clock())
        canceller = guarded.canceller
        await canceller.measure_time()
        assert await canceller.open_symbols() == {"BTCUSDT"}
        # 80 of 1,500, or 600, a minute
        assert canceller.rest_s > 2
        assert await canceller.cancel_open("BTCUSDT") > 0
        async with asyncio.timeout(60):
            while await canceller.cancel_open("BTCUSDT"):
                await asyncio.sleep(0.05)
        assert await canceller.open_symbols() == set()
        await close()
