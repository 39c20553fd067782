"""The order side against the simulated venue, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from engine.model.codes import CommandKind, IntentAction, OrderFlag, OrderType, RecordKind, Side
from tests.order_venue import LiveRig, VenueProcess, running_venue
from tests.orders_harness import decoded


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with running_venue(tmp_path_factory.mktemp("venue")) as process:
        yield process


@pytest.mark.parametrize("ed25519", [False, True])
def test_an_order_is_placed_acknowledged_and_cancelled(venue: VenueProcess, ed25519: bool) -> None:
    async def scenario() -> None:
        rig = LiveRig(venue, ed25519=ed25519)
        await rig.connect()
        await rig.until_active()
        bid, _ = rig.look()
        handle = rig.intend(price_ticks=bid - 1000, qty_lots=10_000)
        await rig.until(lambda: rig.state(handle) == "NEW")
        order = rig.oms.order(handle)
        assert order is not None
        assert order["venue_order_id"] > 0
        rig.cancel(handle)
        await rig.until(lambda: rig.state(handle) == "CANCELED")
        assert rig.exposure()["working_buy_lots"] == 0
        await rig.connection.close()

    asyncio.run(scenario())


def test_a_market_order_fills_and_positions_and_balances_equal_the_venues(venue: VenueProcess) -> None:
    async def scenario() -> None:
        rig = LiveRig(venue)
        await rig.connect()
        await rig.until_active()
        rig.look()
        before = {row["asset"]: row["free_e8"] + row["locked_e8"] for row in rig.oms.balances()}
        handle = rig.market_order(qty_lots=1_000)
        await rig.until(lambda: rig.state(handle) == "FILLED")
        back = rig.market_order(qty_lots=400, side=int(Side.SELL))
        await rig.until(lambda: rig.state(back) == "FILLED")
        await asyncio.sleep(0.1)
        rig.command(CommandKind.RECONCILE)
        await rig.until(lambda: rig.oms.phase == 0)
        row = rig.oms.positions()[0]
        assert row["position_lots"] == 600
        after = {row["asset"]: row["free_e8"] + row["locked_e8"] for row in rig.oms.balances()}
        lot = rig.tables.instrument(1)["lot_size_e8"]
        fees = rig.oms.positions_book.fees()
        btc = rig.tables.asset_id("BTC")
        assert after["BTC"] - before["BTC"] == 600 * lot - fees.get(btc, 0)
        fills = [decoded(r) for r in rig.records(RecordKind.FILL)]
        assert sum(f["qty_lots"] for f in fills) == 1_400
        await rig.connection.close()

    asyncio.run(scenario())


def test_a_replace_moves_an_order_and_a_post_only_that_crosses_is_rejected(venue: VenueProcess) -> None:
    async def scenario() -> None:
        rig = LiveRig(venue)
        await rig.connect()
        await rig.until_active()
        bid, ask = rig.look()
        old = rig.intend(price_ticks=bid - 1000, qty_lots=10_000)
        await rig.until(lambda: rig.state(old) == "NEW")
        new = rig.intend(action=int(IntentAction.REPLACE), target_handle=old, price_ticks=bid - 900, qty_lots=12_000)
        await rig.until(lambda: rig.state(new) == "NEW" and rig.state(old) == "CANCELED")
        assert rig.exposure()["working_buy_lots"] == 12_000
        rig.set_market(1, bid_ticks=bid, ask_ticks=ask + 500)
        crossing = rig.intend(price_ticks=ask + 10, qty_lots=10_000, flags=int(OrderFlag.POST_ONLY))
        await rig.until(lambda: rig.state(crossing) == "REJECTED")
        order = rig.oms.order(crossing)
        assert order is not None
        assert order["venue_code"] == -2010
        rig.command(CommandKind.KILL)
        await rig.until(lambda: rig.oms.orders() == [])
        assert rig.intend(price_ticks=bid - 1000, qty_lots=10_000)
        assert rig.verdict()["approved"] == 0
        await rig.connection.close()

    asyncio.run(scenario())


def test_a_reconnect_finds_the_orders_again_and_books_what_was_missed_once(venue: VenueProcess) -> None:
    async def scenario() -> None:
        rig = LiveRig(venue)
        await rig.connect()
        await rig.until_active()
        bid, _ = rig.look()
        handle = rig.intend(price_ticks=bid - 1000, qty_lots=10_000)
        await rig.until(lambda: rig.state(handle) == "NEW")
        await rig.connection.close()
        rig.pipeline.run_to_completion()
        assert rig.tables.control_state()["trading_state"] == 0
        await rig.connect()
        await rig.until_active()
        assert rig.state(handle) == "NEW"
        rig.command(CommandKind.STOP)
        await rig.until(lambda: rig.oms.quiet)
        await rig.connection.close()

    asyncio.run(scenario())


def test_every_request_is_in_the_journal_without_a_whole_key(venue: VenueProcess) -> None:
    async def scenario() -> None:
        rig = LiveRig(venue)
        await rig.connect()
        await rig.until_active()
        bid, _ = rig.look()
        handle = rig.intend(price_ticks=bid - 1000, qty_lots=10_000, order_type=int(OrderType.LIMIT))
        await rig.until(lambda: rig.state(handle) == "NEW")
        rig.cancel(handle)
        await rig.until(lambda: rig.state(handle) == "CANCELED")
        sent = list(rig.records(RecordKind.ORDER_BYTES))
        assert [r for r in sent if r.order_handle == handle]
        assert all(b"SimKeyForDocsOnly" not in r.payload and b"sim0KeyForDocsOnly" not in r.payload for r in sent)
        state = next(r for r in rig.records(RecordKind.ORDER_STATE) if r.order_handle == handle)
        placed = next(r for r in sent if r.order_handle == handle)
        assert placed.cause_seq == state.seq
        await rig.connection.close()

    asyncio.run(scenario())
