"""Reference data that changes while the engine runs: refused at once, told, cancelled, and back when the venue says so."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.feed.instruments import DELISTED, InstrumentKeeper, replaced
from engine.journal.decode import as_dict
from engine.model.codes import AlarmCode, CommandKind, Counter, Lane
from engine.model.instruments import InstrumentSpec
from engine.venues.binance.reference import UnknownSymbolError
from engine.venues.binance.rest_market import RestMarket, VenueError
from tests.feed_harness import FeedHarness

BTC = InstrumentSpec(
    venue_id=1,
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size_e8=10_000_000,
    lot_size_e8=100_000,
    status="TRADING",
)
NOTICE = b'{"e":"contractInfo","E":1,"s":"BTCUSDT","ps":"BTCUSDT","ct":"PERPETUAL","dt":2,"ot":3,"cs":"SETTLING"}'
ETH = replaced(BTC, symbol="ETHUSDT", base_asset="ETH")


class Desk:
    """A keeper over a feed harness; `listed` is what the venue says next."""

    def __init__(self) -> None:
        self.harness = FeedHarness(BTC, ETH)
        self.listed: dict[str, InstrumentSpec] = {"BTCUSDT": BTC, "ETHUSDT": ETH}
        self.fetched = 0
        self.keeper = InstrumentKeeper(
            sequencer=self.harness.sequencer, pipeline=self.harness.pipeline, tables=self.harness.tables, books=self.harness.book,
            specs=[BTC, ETH], fetch=self.fetch, interval_s=900.0, expected=(VenueError,),
        )  # fmt: skip

    async def fetch(self, symbols: list[str]) -> dict[str, InstrumentSpec]:
        self.fetched += 1
        return self.listed

    def refresh(self) -> list[dict[str, Any]]:
        """One look; the records that it brought."""
        before = max([record.seq for record in self.harness.journal.records()], default=0)
        asyncio.run(self.keeper.refresh())
        return [
            as_dict(record)
            for record in self.harness.journal.records()
            if record.lane == Lane.LEDGER and record.seq > before
        ]

    def row(self, instrument_id: int = 1) -> dict[str, Any]:
        return self.harness.tables.instrument(instrument_id)


def test_nothing_is_told_where_nothing_changed() -> None:
    assert Desk().refresh() == []


def test_a_symbol_that_stops_trading_is_refused_at_once_its_orders_cancelled_and_comes_back() -> None:
    desk = Desk()
    desk.listed["BTCUSDT"] = replaced(BTC, is_trading=False, status="BREAK")
    records = desk.refresh()
    assert [record["kind"] for record in records if record["kind"] != "ALARM"] == ["INSTRUMENT_UPDATE", "COMMAND"]
    update, command = (record for record in records if record["kind"] != "ALARM")
    assert (update["instrument_id"], update["payload"]["is_trading"], update["payload"]["text"]) == (1, 0, "BREAK")
    assert command["payload"]["command_kind"] == CommandKind.CANCEL.name
    assert (command["instrument_id"], command["payload"]["text"]) == (1, "BTCUSDT: BREAK")
    assert [record["payload"]["state"] for record in records if record["kind"] == "ALARM"] == [
        AlarmCode.INSTRUMENT_CHANGED.name
    ]
    assert desk.row()["is_trading"] == 0
    assert desk.row(2)["is_trading"] == 1
    assert desk.refresh() == []
    desk.listed["BTCUSDT"] = BTC
    assert [record["kind"] for record in desk.refresh()] == ["INSTRUMENT_UPDATE"]
    assert desk.row()["is_trading"] == 1


def test_a_symbol_that_is_listed_no_more_stops_trading() -> None:
    desk = Desk()
    del desk.listed["ETHUSDT"]
    update = desk.refresh()[0]
    assert (update["instrument_id"], update["payload"]["text"]) == (2, DELISTED)
    assert desk.row(2)["is_trading"] == 0


def test_a_tick_that_changes_leaves_the_grid_and_stops_the_symbol_until_a_restart() -> None:
    desk = Desk()
    version = desk.row()["version"]
    desk.listed["BTCUSDT"] = replaced(BTC, tick_size_e8=1_000_000, max_qty_lots=7)
    assert desk.refresh()[0]["payload"]["is_grid_changed"] == 1
    row = desk.row()
    assert (row["tick_size_e8"], row["is_trading"], row["version"]) == (BTC.tick_size_e8, 0, version + 1)
    assert row["max_qty_lots"] == BTC.max_qty_lots
    desk.listed["BTCUSDT"] = replaced(BTC, tick_size_e8=1_000_000, max_qty_lots=8)
    desk.refresh()
    assert desk.row()["is_trading"] == 0


def test_a_limit_that_changes_is_the_gates_from_then_on() -> None:
    desk = Desk()
    desk.listed["BTCUSDT"] = replaced(BTC, max_qty_lots=7, min_notional_e8=5)
    assert [record["kind"] for record in desk.refresh()] == ["INSTRUMENT_UPDATE"]
    assert (desk.row()["max_qty_lots"], desk.row()["min_notional_e8"], desk.row()["is_trading"]) == (7, 5, 1)


def test_a_symbol_that_is_not_configured_is_ignored() -> None:
    desk = Desk()
    desk.listed["NEWUSDT"] = replaced(BTC, symbol="NEWUSDT")
    assert desk.refresh() == []


def test_the_venues_own_notice_brings_a_look_at_once() -> None:
    desk = Desk()

    async def scenario() -> None:
        task = asyncio.create_task(desk.keeper.run())
        await asyncio.sleep(0.05)
        assert desk.fetched == 0
        desk.harness.frame(NOTICE)
        async with asyncio.timeout(20):
            while desk.fetched == 0:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert desk.harness.count(Counter.ALARMS) == 0


def test_what_the_venue_lists_no_more_is_found_out_one_by_one() -> None:
    class Rest(RestMarket):
        async def exchange_info(self, venue_id: int, symbols: Any = None) -> list[InstrumentSpec]:
            wanted = list(symbols)
            if "OLDUSDT" in wanted:
                raise VenueError("/exchangeInfo", 400, -1121, "Invalid symbol.", None)
            if "GONEUSDT" in wanted:
                raise UnknownSymbolError(["GONEUSDT"])
            return [replaced(BTC, symbol=symbol) for symbol in wanted]

    rest = Rest(None, None)  # type: ignore[arg-type]
    assert list(asyncio.run(rest.listed(1, ["BTCUSDT", "GONEUSDT"]))) == ["BTCUSDT"]
    assert list(asyncio.run(rest.listed(1, ["BTCUSDT", "OLDUSDT", "ETHUSDT"]))) == ["BTCUSDT", "ETHUSDT"]
