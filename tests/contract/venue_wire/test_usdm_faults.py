"""The test port reaches USD-M sessions too, and has commands of its own for futures."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import websockets

from engine.sim.config import VenueConfig
from engine.sim.core import VenueCore
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.admin import AdminSession
from engine.sim.wire.build import build_shell
from engine.sim.wire.config import WireConfig
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from tests.usdm_harness import (
    FAR_BUY,
    MARKET_BUY,
    SYMBOL,
    RunningUsdm,
    fapi,
    make_usdm_shell,
    own_events,
    play_usdm,
    until,
)
from tests.venue_harness import CONFIG, receive, venue_file

ONE = {"symbol": SYMBOL}


def ask(venue: RunningUsdm, **command: object) -> dict[str, Any]:
    """Speak to the test port, as its socket would."""
    reply = AdminSession(venue.shell).on_bytes(json.dumps(command).encode() + b"\n", venue.server.now_ns())
    told: dict[str, Any] = json.loads(reply)
    return told


def test_a_lost_user_event_leaves_the_order_where_it_is() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            assert ask(venue, cmd="mute_user_events", count=1)["ok"]
            placed = await venue.done("POST", "v1/order", FAR_BUY)
            await venue.done("DELETE", "v1/order", {**ONE, "orderId": placed["orderId"]})
            assert (await until(socket, "ORDER_TRADE_UPDATE"))["o"]["x"] == "CANCELED"

    play_usdm(scenario)


def test_a_doubled_user_event_comes_twice() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            assert ask(venue, cmd="duplicate_user_events", count=1)["ok"]
            await venue.done("POST", "v1/order", FAR_BUY)
            first, second = await receive(socket, 2)
            assert first == second

    play_usdm(scenario)


def test_user_streams_end_with_listen_key_expired_and_stay_connected() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            assert ask(venue, cmd="end_user_streams")["ended"] == 1
            assert (await receive(socket, 1))[0]["e"] == "listenKeyExpired"
            await venue.done("POST", "v1/order", FAR_BUY)
            await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
            assert (await receive(socket, 1))[0]["id"] == 1
            assert (await venue.listen_key("PUT"))[1]["code"] == -1125

    play_usdm(scenario)


def test_a_vanished_depth_event_breaks_the_pu_link_once() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with websockets.connect(f"{venue.ws_url}/public/ws/btcusdt@depth@100ms") as socket:
            # the event before the hole may be one that had come already
            events = await receive(socket, 2)
            assert ask(venue, cmd="gap", symbol=SYMBOL, count=1)["ok"]
            events += await receive(socket, 8)
            broken = [late["U"] for early, late in itertools.pairwise(events) if late["pu"] != early["u"]]
            assert len(broken) == 1
            strikes = ask(venue, cmd="status")["faults"]["strikes"]
            assert strikes["gap"] == 1

    play_usdm(scenario, make_usdm_shell(activity=10.0))


def test_a_crossed_book_is_shown_and_put_right_again() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with websockets.connect(f"{venue.ws_url}/public/ws/btcusdt@depth@100ms") as socket:
            await receive(socket, 1)
            assert ask(venue, cmd="bad_book", symbol=SYMBOL, flaw="negative-price", count=1)["ok"]
            shown: list[str] = []
            async with asyncio.timeout(10):
                while not shown:
                    shown = [price for price, _qty in (await receive(socket, 1))[0]["b"] if price.startswith("-")]
            healed = dict((await receive(socket, 1))[0]["b"])
            assert float(healed[shown[0]]) == 0

    play_usdm(scenario, make_usdm_shell(activity=10.0))


def test_an_unknown_outcome_is_408_here_and_the_order_stands() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        assert ask(venue, cmd="order_error", count=1, code=-1007, executed=True)["ok"]
        assert await venue.refused("POST", "v1/order", FAR_BUY) == (408, -1007)
        assert len(await venue.done("GET", "v1/openOrders", ONE)) == 1
        async with fapi(venue) as api:
            assert ask(venue, cmd="order_error", count=1, code=-1007, executed=False)["ok"]
            reply = await api.signed("order.place", FAR_BUY)
            assert (reply["status"], reply["error"]["code"]) == (408, -1007)
        assert len(await venue.done("GET", "v1/openOrders", ONE)) == 1

    play_usdm(scenario)


def test_limits_bans_and_disconnects_reach_futures() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            assert ask(venue, cmd="status")["connections"]["user"] == 1
            assert ask(venue, cmd="disconnect", kind="user")["closed"] == 1
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 5)
        ask(venue, cmd="limits", weight_used=2_400)
        status, body = await venue.get("fapi/v1/ping")
        assert (status, body["code"]) == (429, -1003)
        ask(venue, cmd="limits", weight_used=0)
        ask(venue, cmd="limited", status=429, retry_after_s=60, kind="rest")
        assert (await venue.get("fapi/v1/ping"))[0] == 429
        ask(venue, cmd="ban", seconds=60)
        assert (await venue.get("fapi/v1/ping"))[0] == 418

    play_usdm(scenario)


def test_wallets_contracts_and_accounts_by_the_test_port() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket, websockets.connect(f"{venue.ws_url}/market/ws/!contractInfo") as info:
            assert ask(venue, cmd="usdm_deposit", account=1, amount="-500.5") == {"ok": True}
            update = await until(socket, "ACCOUNT_UPDATE")
            assert (update["a"]["B"][0]["wb"], update["a"]["B"][0]["bc"]) == ("99499.5", "-500.5")
            await venue.done("POST", "v1/order", MARKET_BUY)
            await venue.done("POST", "v1/order", FAR_BUY)
            told = ask(venue, cmd="usdm_account", account=1)
            assert [row["symbol"] for row in told["account"]["positions"]] == [SYMBOL]
            assert [row["price"] for row in told["open_orders"]] == ["62000.00"]
            assert ask(venue, cmd="usdm_status", symbol=SYMBOL, status="SETTLING")["ok"]
            event = (await receive(info, 1))[0]
            assert (event["e"], event["cs"], event["ct"], event["bks"][0]["bs"]) == (
                "contractInfo", "SETTLING", "PERPETUAL", 1,
            )  # fmt: skip
            symbols = (await venue.seen("fapi/v1/exchangeInfo"))["symbols"]
            assert symbols[0]["status"] == "SETTLING"
            assert (await venue.refused("POST", "v1/order", FAR_BUY))[0] == 400
            assert not ask(venue, cmd="usdm_status", symbol="NOPE", status="TRADING")["ok"]

    play_usdm(scenario)


def test_a_venue_without_futures_has_no_such_paths() -> None:
    config = VenueConfig(accounts=venue_file().venue.accounts, activity=0.0, backfill_minutes=1)
    shell = VenueShell(VenueCore(config, 1, 10**18), WireConfig(), LimitsConfig(), 10**18)
    told = json.loads(AdminSession(shell).on_bytes(b'{"cmd":"usdm_account","account":1}\n', 10**18))
    assert told == {"ok": False, "error": "this venue has no USD-M futures"}

    async def scenario(venue: RunningUsdm) -> None:
        assert (await venue.get("fapi/v1/ping"))[0] == 404
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"{venue.ws_url}/public/ws").__aenter__()

    play_usdm(scenario, shell)


def test_a_venue_may_have_futures_alone() -> None:
    accounts, start_ns = venue_file().venue.accounts, 1_795_000_000 * 10**9
    shell = VenueShell(
        VenueCore(VenueConfig(symbols=(), accounts=accounts), 1, start_ns), WireConfig(), LimitsConfig(), start_ns
    )
    core = UsdmCore(UsdmConfig(activity=0.0, backfill_minutes=1), accounts, 1, start_ns)
    shell.add_usdm(core, UsdmLimitsConfig(), UsdmWireConfig(), start_ns)

    async def scenario(venue: RunningUsdm) -> None:
        assert (await venue.seen("api/v3/exchangeInfo"))["symbols"] == []
        assert len((await venue.seen("fapi/v1/exchangeInfo"))["symbols"]) == 3

    play_usdm(scenario, shell)


def test_the_shipped_configuration_trades_futures(tmp_path: Path) -> None:
    shell = build_shell(CONFIG, 1, 0.0, 1_795_000_000 * 10**9)
    assert shell.usdm is not None
    assert shell.usdm.core.account(1).wallet_e8 == 100_000 * 10**8
    changed = tmp_path / "venue.toml"
    changed.write_text(CONFIG.read_text().replace("[usdm_wire]\n", "[usdm_wire]\nnonsense = 1\n"))
    with pytest.raises(ValueError, match="nonsense"):
        build_shell(changed, 1, 0.0, 1_795_000_000 * 10**9)
