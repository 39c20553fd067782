"""The test port and each fault it arms."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import websockets

from engine.runtime.clock import Clock
from engine.runtime.crc32c import crc32c
from engine.sim.wire.admin import AdminSession
from engine.sim.wire.server import Ports, VenueServer
from tests.venue_harness import ED_KEY, FAR_BUY, KEY, RunningVenue, api, make_shell, play, receive

DEEP = 100_000
TOO_DEEP = "Invalid JSON: nested too deeply"


def admin(venue: RunningVenue, **command: Any) -> dict[str, Any]:
    """One admin command, without its socket."""
    line = json.dumps(command).encode() + b"\n"
    reply: dict[str, Any] = json.loads(AdminSession(venue.shell).on_bytes(line, int(venue.clock.time_ns())))
    return reply


@pytest.mark.invariant("R14")
def test_a_dropped_reply_leaves_the_order_at_the_venue() -> None:
    async def scenario(venue: RunningVenue) -> None:
        assert admin(venue, cmd="drop_order_responses", count=2)["ok"]
        async with api(venue) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.signed("order.place", {**FAR_BUY, "newClientOrderId": "lost"})
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await venue.signed("POST", "order", {**FAR_BUY, "newClientOrderId": "gone"})
            rows = (await client.signed("openOrders.status"))["result"]
            assert {row["clientOrderId"] for row in rows} == {"lost", "gone"}
            assert (await client.signed("order.place", FAR_BUY))["status"] == 200

    play(scenario)


@pytest.mark.invariant("R14")
@pytest.mark.parametrize(("executed", "orders"), [(True, 1), (False, 0)])
def test_an_unknown_outcome_is_told_whether_or_not_the_order_was_placed(executed: bool, orders: int) -> None:
    async def scenario(venue: RunningVenue) -> None:
        admin(venue, cmd="order_error", count=1, code=-1007, executed=executed)
        status, body, _ = await venue.signed("POST", "order", FAR_BUY)
        assert (status, body["code"]) == (504, -1007)
        assert len((await venue.signed("GET", "openOrders"))[1]) == orders
        assert (await venue.signed("POST", "order", FAR_BUY))[0] == 200

    play(scenario)


def test_delayed_replies_keep_their_order_and_the_events_overtake_them() -> None:
    async def scenario(venue: RunningVenue) -> None:
        admin(venue, cmd="delay", ms=1_000, orders_only=True)
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            begin_ms = venue.now_ms()
            reply = await client.signed("order.place", FAR_BUY)
            assert reply["status"] == 200
            assert venue.now_ms() - begin_ms >= 1_000
            assert client.events[0]["event"]["x"] == "NEW"
            begin_ms = venue.now_ms()
            await client.call("ping")
            assert venue.now_ms() - begin_ms < 1_000

    play(scenario)


def test_events_come_first_when_asked() -> None:
    async def scenario(venue: RunningVenue) -> None:
        admin(venue, cmd="events_first")
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            await client.signed("order.place", FAR_BUY)
            assert [event["event"]["e"] for event in client.events] == ["executionReport", "outboundAccountPosition"]

    play(scenario)


@pytest.mark.invariant("R11")
def test_user_events_can_be_lost_and_doubled() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            admin(venue, cmd="mute_user_events", count=2)
            await client.signed("order.place", FAR_BUY)
            admin(venue, cmd="duplicate_user_events")
            await client.signed("order.place", FAR_BUY)
            events = [await client.event() for _ in range(4)]
            assert events[0] == events[1]
            assert events[0]["event"]["x"] == "NEW"
            assert events[2] == events[3]

    play(scenario)


@pytest.mark.invariant("R08")
def test_a_gap_is_a_hole_in_the_update_ids() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws/btcusdt@depth@100ms") as socket:
            before = (await receive(socket, 2))[-1]
            admin(venue, cmd="gap", symbol="BTCUSDT")
            events = [before, *await receive(socket, 4)]
        holes = [late["U"] - early["u"] - 1 for early, late in itertools.pairwise(events)]
        assert sum(hole > 0 for hole in holes) == 1
        assert min(holes) == 0

    play(scenario, make_shell(activity=10.0))


@pytest.mark.invariant("R07")
def test_the_clock_can_be_set_off_and_the_timestamp_refused() -> None:
    async def scenario(venue: RunningVenue) -> None:
        admin(venue, cmd="timestamp_errors", count=1)
        assert (await venue.signed("GET", "account"))[1]["code"] == -1021
        assert (await venue.signed("GET", "account"))[0] == 200
        admin(venue, cmd="clock_offset", ms=-3_000)
        _, body = await venue.get("time")
        assert abs(body["serverTime"] - (venue.now_ms() - 3_000)) < 1_000
        assert (await venue.signed("GET", "account"))[1]["msg"].endswith("ahead of the server's time.")
        admin(venue, cmd="reset")
        assert (await venue.signed("GET", "account"))[0] == 200

    play(scenario)


@pytest.mark.parametrize("abrupt", [False, True])
def test_connections_of_a_kind_can_be_cut(abrupt: bool) -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws") as market, api(venue) as client:
            await client.call("ping")
            assert admin(venue, cmd="disconnect", kind="stream", abrupt=abrupt)["closed"] == 1
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(market.recv(), 5)
            assert (closed.value.rcvd is None) is abrupt
            assert (await client.call("ping"))["status"] == 200
            assert admin(venue, cmd="status")["connections"]["ws-api"] == 1
            admin(venue, cmd="disconnect", kind="all")
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(client.socket.recv(), 5)

    play(scenario)


def test_a_ban_answers_418_to_everything() -> None:
    async def scenario(venue: RunningVenue) -> None:
        admin(venue, cmd="ban", seconds=60)
        assert (await venue.get("ping"))[0] == 418
        async with api(venue) as client:
            assert client.socket.state.name in ("OPEN", "CLOSING", "CLOSED")
            with pytest.raises(websockets.ConnectionClosed):
                await client.call("ping")

    play(scenario)


def test_a_deposit_and_a_revoked_key_reach_the_account() -> None:
    async def scenario(venue: RunningVenue) -> None:
        account_id = venue.shell.keys.find(KEY).account_id
        assert admin(venue, cmd="deposit", account=account_id, asset="USDT", amount="-1.5")["ok"]
        shown = admin(venue, cmd="account", account=account_id)
        usdt = next(row for row in shown["account"]["balances"] if row["asset"] == "USDT")
        assert usdt["free"] == "249998.50000000"
        admin(venue, cmd="revoke", api_key=ED_KEY)
        status, body, _ = await venue.raw("GET", "account", "timestamp=1&signature=x", key=ED_KEY)
        assert (status, body["code"]) == (401, -2015)

    play(scenario)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"nonsense", "malformed"),
        (b'{"cmd":"dance"}', "cmd must be one of status, disconnect"),
        (b'{"cmd":"delay"}', "missing required field `ms`"),
        (b'{"cmd":"gap","symbol":"NOPE"}', "Invalid symbol"),
        (b'{"cmd":"account","account":99}', "no account has the id 99; they are numbered from 1"),
        (b'{"cmd":"usdm_account","account":0}', "no account has the id 0;"),
        (b'{"cmd":"deposit","account":-1,"asset":"USDT","amount":"1"}', "no account has the id -1;"),
        (b'{"cmd":"deposit","account":99,"asset":"USDT","amount":"1","at_s":5}', "no account has the id 99;"),
        (
            b'{"cmd":"deposit","account":1,"asset":"USDT","amount":"-9000000000.5"}',
            "not 9000000000.50000000 to withdraw",
        ),
        (b'{"cmd":"deposit","account":1,"asset":"NOPE","amount":"1"}', "no asset NOPE"),
        (b'{"cmd":"revoke","api_key":"nokey"}', "has the key 'nokey'"),
        pytest.param(b"[" * DEEP, TOO_DEEP, id="deep"),
        pytest.param(b'{"cmd":"status","more":' + b"[" * DEEP + b"]" * DEEP + b"}", TOO_DEEP, id="deep-field"),
        pytest.param(
            b'{"cmd":"ban","seconds":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", TOO_DEEP, id="deep-value"
        ),
    ],
)
def test_a_wrong_command_is_refused_with_its_reason(line: bytes, text: str) -> None:
    reply = json.loads(AdminSession(make_shell()).on_bytes(line + b"\n", 1))
    assert reply["ok"] is False
    assert text in reply["error"]


def test_the_admin_socket_is_private_and_speaks_lines(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "admin.sock"
        server = VenueServer(make_shell(), Clock())
        await server.start("127.0.0.1", Ports(), None, path)
        assert path.stat().st_mode & 0o077 == 0
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"cmd":"status"}\n{"cmd":"fra')
        writer.write(b'mes"}\n')
        replies = [json.loads(await asyncio.wait_for(reader.readline(), 5)) for _ in range(2)]
        assert [reply["ok"] for reply in replies] == [True, True]
        assert replies[1]["frames"] == 0
        writer.close()
        await writer.wait_closed()
        await server.stop()

    asyncio.run(scenario())


def test_a_market_that_fails_ends_the_venue(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(venue: RunningVenue) -> None:
        def broken() -> None:
            raise ArithmeticError("the market broke")

        venue.shell.later(int(venue.clock.time_ns()), broken)
        await asyncio.wait_for(venue.server.ended.wait(), 5)
        assert venue.server.has_failed

    play(scenario)
    assert "the market broke" in caplog.text


def test_the_frame_log_has_a_row_for_every_text_frame(tmp_path: Path) -> None:
    path = tmp_path / "frames.bin"
    received: dict[int, list[bytes]] = {1: [], 2: []}

    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws/btcusdt@bookTicker/btcusdt@trade") as market:
            await asyncio.sleep(0.05)
            async with api(venue) as client:
                await client.socket.send('{"id":1,"method":"ping"}')
                received[2].append(str(await client.socket.recv()).encode())
            admin(venue, cmd="disconnect", kind="stream")
            received[1] += [str(frame).encode() async for frame in market]

    play(scenario, make_shell(activity=20.0, frame_log=path))
    rows = np.fromfile(path, "<u4").reshape(-1, 4)
    for number, kind in ((1, 0), (2, 1)):
        mine = rows[rows[:, 0] == number]
        assert set(mine[:, 1].tolist()) == {kind}
        assert mine[:, 2].tolist() == [len(frame) for frame in received[number]]
        assert mine[:, 3].tolist() == [crc32c(frame) for frame in received[number]]
    assert len(received[1]) > 0
