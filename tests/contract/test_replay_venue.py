"""A venue that replays, over real sockets: frames byte for byte, snapshots at their place, own orders against the recorded flow."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import websockets
from yarl import URL

from engine.runtime.clock import Clock
from engine.sim.replay.build import Replay, build_replay
from engine.sim.replay.player import ReplayOptions
from engine.sim.wire.server import Ports, VenueServer
from tests.recorded import recordings
from tests.recording_writer import RecordingWriter
from tests.venue_harness import CONFIG, KEY, REPOSITORY, RunningVenue, api, hmac_hex

ABSENT = "no recorded data: set TRADEWIND_DATA to the folder that holds binance_raw"
SLICE_LINES = 2_500
DEPTH_PATH = {"spot": "/api/v3/depth", "usdm": "/fapi/v1/depth"}
STREAM_PATH = {"spot": "/stream", "usdm": "/public/stream"}

Scenario = Callable[[RunningVenue, Replay], Awaitable[None]]


def replayed(paths: list[Path], scenario: Scenario, **options: Any) -> None:
    """Run ``scenario`` against a venue that replays ``paths``."""
    asyncio.run(_replayed(paths, scenario, ReplayOptions(**({"speed": None} | options))))


async def _replayed(paths: list[Path], scenario: Scenario, options: ReplayOptions) -> None:
    clock = Clock()
    replay = build_replay(CONFIG, paths, options, int(clock.time_ns()))
    server = VenueServer(replay.shell, clock)
    await server.start("127.0.0.1", Ports(), None, None)
    try:
        async with aiohttp.ClientSession() as http:
            await scenario(RunningVenue(replay.shell, server, http), replay)
    finally:
        await server.stop()


def engine(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command that is to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "engine", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )


async def frames_of(socket: websockets.ClientConnection, count: int) -> list[bytes]:
    """The next ``count`` frames as they are."""
    return [str(await asyncio.wait_for(socket.recv(), 20)).encode() for _ in range(count)]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def market(family: str = "spot") -> RecordingWriter:
    """A quiet market: a diff, the snapshot, then twenty diffs, tickers and trades."""
    writer = RecordingWriter("BTCUSDT", family)
    bids, asks = [("100.00", "5.000"), ("99.00", "9.000")], [("101.00", "4.000"), ("102.00", "8.000")]
    writer.diff(bids=bids, asks=asks)
    writer.snapshot(bids, asks)
    for count in range(20):
        writer.diff(bids=[("99.00", f"{count + 1}.000")])
        writer.ticker(("100.00", "5.000"), ("101.00", "4.000"))
        writer.trade("100.00", "0.500", True)
    return writer


def frames(path: Path) -> list[bytes]:
    """The frames of a recording, without its snapshots."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    texts = [line.split(b" ", 1)[1] for line in content.splitlines()]
    return [text for text in texts if text.startswith(b'{"stream"')]


def names(path: str, family: str = "spot") -> str:
    """The URL tail that subscribes to everything recorded."""
    depth = "depth@0ms" if family == "usdm" else "depth@100ms"
    return f"{path}?streams=btcusdt@{depth}/btcusdt@bookTicker/btcusdt@trade"


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_a_combined_connection_gets_every_frame_byte_for_byte(tmp_path: Path, family: str) -> None:
    path = market(family).write(tmp_path / "btcusdt_1.gz")
    wanted = frames(path)

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        async with websockets.connect(venue.ws_url + names(STREAM_PATH[family], family)) as socket:
            assert await frames_of(socket, len(wanted)) == wanted
        assert replay.player.status()["state"] == "ended"

    replayed([path], scenario, snapshot_wait_ms=0)


def test_a_raw_connection_gets_the_events_as_recorded(tmp_path: Path) -> None:
    path = market().write(tmp_path / "btcusdt_1.gz")
    wanted = [text.split(b'"data":', 1)[1][:-1] for text in frames(path) if b"@depth" in text]

    async def scenario(venue: RunningVenue, _replay: Replay) -> None:
        async with websockets.connect(venue.ws_url + "/ws/btcusdt@depth") as socket:
            assert await frames_of(socket, len(wanted)) == wanted

    replayed([path], scenario, snapshot_wait_ms=0)


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_the_snapshot_is_given_at_its_place_and_waited_for_there(tmp_path: Path, family: str) -> None:
    path = market(family).write(tmp_path / "btcusdt_1.gz")

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        async with websockets.connect(venue.ws_url + names(STREAM_PATH[family], family)) as socket:
            first = json.loads((await frames_of(socket, 1))[0])
            await asyncio.sleep(0.1)
            assert replay.player.frames == 1
            url = f"{venue.rest_url.removesuffix('/api/v3')}{DEPTH_PATH[family]}?symbol=BTCUSDT&limit=1000"
            async with venue.http.get(url) as reply:
                book = await reply.json()
            assert book["lastUpdateId"] == first["data"]["u"]
            assert [float(value) for value in book["bids"][0]] == [100.0, 5.0]
            await frames_of(socket, len(frames(path)) - 1)

    replayed([path], scenario, snapshot_wait_ms=20_000)


def test_who_comes_late_gets_the_book_of_that_moment(tmp_path: Path) -> None:
    path = market().write(tmp_path / "btcusdt_1.gz")
    last = json.loads([text for text in frames(path) if b"@depth" in text][-1])["data"]

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        await until(lambda: replay.player.status()["state"] == "ended")
        _, book = await venue.get("depth", symbol="BTCUSDT", limit=100)
        assert book["lastUpdateId"] == last["u"]
        assert book["bids"] == [["100.00000000", "5.00000000"], ["99.00000000", "20.00000000"]]

    replayed([path], scenario, start="at-once")


def test_files_in_order_continue_one_another(tmp_path: Path) -> None:
    first = market()
    paths = [first.write(tmp_path / "btcusdt_1.gz")]
    second = RecordingWriter("BTCUSDT", first_id=first.update_id)
    second.stamp_ns = first.stamp_ns
    second.diff(bids=[("100.00", "7.000")])
    paths.append(second.write(tmp_path / "btcusdt_2.gz"))

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        await until(lambda: replay.player.status()["state"] == "ended")
        _, book = await venue.get("depth", symbol="BTCUSDT", limit=5)
        assert book["bids"][0] == ["100.00000000", "7.00000000"]

    replayed(paths, scenario, start="at-once")


def test_files_in_the_wrong_order_are_refused_before_anything_starts(tmp_path: Path) -> None:
    first = market()
    second = RecordingWriter("BTCUSDT", first_id=first.update_id)
    second.stamp_ns = first.stamp_ns
    second.diff(bids=[("100.00", "7.000")])
    files = (second.write(tmp_path / "btcusdt_2.gz"), first.write(tmp_path / "btcusdt_1.gz"))
    for verb, code in (("venue", 78), ("demo", 2)):
        done = engine(verb, "--replay", *files)
        assert (done.returncode, done.stdout) == (code, "")
        assert "btcusdt_1.gz does not continue" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("venue", "--speed", "max"), 78),
        (("venue", "--repeat", "2"), 78),
        (("venue", "--start", "at-once"), 78),
        (("venue", "--server-time", "present"), 78),
        (("venue", "--exit-at-end"), 78),
        (("demo", "--speed", "2"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_how_to_replay_without_what_to_replay_is_refused(arguments: tuple[str, ...], code: int) -> None:
    done = engine(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"{arguments[1]}: only with --replay FILE" in done.stderr


def test_a_snapshot_behind_a_hole_in_the_recording_mends_the_book(tmp_path: Path) -> None:
    writer = market()
    writer.update_id += 5  # a reconnect: updates were missed
    writer.diff(bids=[("100.00", "1.000")])
    writer.snapshot([("99.50", "3.000")], [("101.00", "2.000")])
    path = writer.write(tmp_path / "btcusdt_1.gz")

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        await until(lambda: replay.player.status()["state"] == "ended")
        _, book = await venue.get("depth", symbol="BTCUSDT", limit=5)
        assert book["bids"] == [["99.50000000", "3.00000000"]]

    replayed([path], scenario, start="at-once")


def test_a_second_pass_asks_clients_to_come_again_and_sends_the_same(tmp_path: Path) -> None:
    path = market().write(tmp_path / "btcusdt_1.gz")
    wanted = frames(path)

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        for passes in (1, 2):
            async with websockets.connect(venue.ws_url + names("/stream")) as socket:
                assert await frames_of(socket, len(wanted)) == wanted
                if passes == 1:
                    with pytest.raises(websockets.ConnectionClosed):
                        await asyncio.wait_for(socket.recv(), 10)
        assert replay.player.passes == 2

    replayed([path], scenario, repeat=2, snapshot_wait_ms=0, complete_after_ms=50)


def test_who_does_not_read_holds_the_recording_back_and_loses_nothing(tmp_path: Path) -> None:
    writer = market()
    for count in range(60_000):
        writer.trade("100.00", f"{count % 9 + 1}.500", count % 2 == 0)
    path = writer.write(tmp_path / "btcusdt_1.txt")
    wanted = frames(path)

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        url = venue.ws_url + names("/stream")
        async with websockets.connect(url, max_queue=4, ping_interval=None) as socket:
            await until(lambda: replay.player.blocked > 5)
            assert replay.player.frames < len(wanted)
            assert await frames_of(socket, len(wanted)) == wanted

    replayed([path], scenario, snapshot_wait_ms=0)


def test_own_orders_fill_against_the_recorded_flow_in_the_recordings_time(tmp_path: Path) -> None:
    writer = market()
    path = writer.write(tmp_path / "btcusdt_1.gz")

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        buy = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100"}
        async with api(venue) as user:
            await user.signed("userDataStream.subscribe.signature")
            _, placed, _ = await venue.signed("POST", "order", buy | {"quantity": "2"})
            assert placed["status"] == "NEW"
            replay.player.begin_on_command()
            await until(lambda: replay.player.status()["state"] == "ended")
            reports = [(await user.event())["event"] for _ in range(4)]
        _, order, _ = await venue.signed("GET", "order", {"symbol": "BTCUSDT", "orderId": placed["orderId"]})
        # ten trades of half a coin take the five ahead, four more fill the two
        assert (order["status"], order["executedQty"]) == ("FILLED", "2.00000000")
        begin_ms, end_ms = (replay.survey.first_ns // 1_000_000, replay.survey.last_ns // 1_000_000)
        assert begin_ms - 100 <= placed["transactTime"] <= end_ms + 100
        assert all(begin_ms - 100 <= event["E"] <= end_ms + 100 for event in reports)
        _, now = await venue.get("time")
        assert abs(now["serverTime"] - venue.now_ms()) < 5_000
        _, trades, _ = await venue.signed("GET", "myTrades", {"symbol": "BTCUSDT"})
        assert [(row["price"], row["isMaker"]) for row in trades] == [("100.00000000", True)] * 4

    replayed([path], scenario, start="on-command")


def test_published_trades_and_books_know_nothing_of_own_orders(tmp_path: Path) -> None:
    path = market().write(tmp_path / "btcusdt_1.gz")

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        take = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "5"}
        _, taken, _ = await venue.signed("POST", "order", take | {"newOrderRespType": "FULL"})
        assert [(row["price"], row["qty"]) for row in taken["fills"]] == [
            ("101.00000000", "4.00000000"),
            ("102.00000000", "1.00000000"),
        ]
        _, book = await venue.get("depth", symbol="BTCUSDT", limit=5)
        assert book["asks"] == [["101.00000000", "4.00000000"], ["102.00000000", "8.00000000"]]
        _, trades = await venue.get("trades", symbol="BTCUSDT")
        assert trades == []
        replay.player.begin_on_command()
        await until(lambda: replay.player.status()["state"] == "ended")
        _, trades = await venue.get("trades", symbol="BTCUSDT")
        assert [row["id"] for row in trades] == list(range(1, 21))

    replayed([path], scenario, start="on-command")


async def futures(venue: RunningVenue, method: str, path: str, **params: Any) -> Any:
    """A signed USD-M request."""
    text = urlencode({**params, "timestamp": venue.now_ms()})
    url = f"{venue.rest_url.removesuffix('/api/v3')}/fapi/{path}?{text}&signature={hmac_hex(text)}"
    async with venue.http.request(method, URL(url, encoded=True), headers={"X-MBX-APIKEY": KEY}) as reply:
        return await reply.json()


def test_recorded_futures_trade_through_the_futures_interface(tmp_path: Path) -> None:
    path = market("usdm").write(tmp_path / "btcusdt_1.gz")

    async def scenario(venue: RunningVenue, replay: Replay) -> None:
        usdm = venue.shell.usdm
        assert usdm is not None
        usdm.core.deposit(venue.shell.keys.find(KEY).account_id, 10**13, venue.server.now_ns())
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100"}
        placed = await futures(venue, "POST", "v1/order", **order, quantity="2")
        assert placed["status"] == "NEW"
        await futures(venue, "POST", "v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=60_000)
        replay.player.begin_on_command()
        await until(lambda: replay.player.status()["state"] == "ended")
        (position,) = [row for row in await futures(venue, "GET", "v3/positionRisk") if row["symbol"] == "BTCUSDT"]
        assert (float(position["positionAmt"]), float(position["entryPrice"])) == (2.0, 100.0)
        trades = await futures(venue, "GET", "v1/userTrades", symbol="BTCUSDT")
        assert [float(row["qty"]) for row in trades] == [0.5] * 4
        assert float(position["markPrice"]) == pytest.approx(100.5, abs=1)

    replayed([path], scenario, start="on-command")


@pytest.mark.parametrize("recording", recordings() or [None], ids=str)
def test_real_recordings_are_sent_byte_for_byte(recording: Any, tmp_path: Path) -> None:
    if recording is None:
        pytest.skip(ABSENT)
    path = tmp_path / recording.paths[0].name
    with gzip.open(recording.paths[0]) as file, gzip.open(path, "wb") as cut:
        for _ in range(SLICE_LINES):
            cut.write(file.readline())
    wanted, symbol = frames(path), recording.symbol.lower()
    streams = sorted({json.loads(text)["stream"] for text in wanted})

    async def scenario(venue: RunningVenue, _replay: Replay) -> None:
        url = f"{venue.ws_url}{STREAM_PATH[recording.market]}?streams={'/'.join(streams)}"
        async with websockets.connect(url, max_queue=None) as socket:
            assert await frames_of(socket, len(wanted)) == wanted
        assert streams[0].startswith(symbol)

    replayed([path], scenario, snapshot_wait_ms=0)
