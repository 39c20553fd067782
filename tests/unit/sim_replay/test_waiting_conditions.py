"""Conditional orders over a recording: recorded trades trigger them, whatever else is open."""

from __future__ import annotations

from pathlib import Path

from engine.sim.api import OrderRequest, Venue
from engine.sim.replay.build import Replay, build_replay
from engine.sim.replay.player import ReplayOptions, State
from engine.sim.usdm.api import UsdmVenue
from engine.sim.usdm.records import AlgoRequest
from tests.recording_writer import START_NS, RecordingWriter
from tests.venue_harness import CONFIG

E8 = 10**8
TURN_NS = 1_000_000
OPTIONS = ReplayOptions(speed=None, start="on-command")


def climb(folder: Path, family: str) -> Replay:
    """A market whose trades go from 100 to 104 and whose book stands; not begun, with one trade told."""
    writer = RecordingWriter("BTCUSDT", family)
    bids, asks = [("100.00", "50.000")], [("105.00", "50.000")]
    writer.diff(bids=bids, asks=asks)
    writer.snapshot(bids, asks)
    writer.ticker(bids[0], asks[0])
    for price in ("100.00", "101.00", "102.00", "103.00", "104.00"):
        writer.trade(price, "0.500", False)
    path = writer.write(folder / "btcusdt_1.gz")
    return build_replay(CONFIG, [path], OPTIONS, START_NS)


def _stop(side: str, price: int) -> AlgoRequest:
    return AlgoRequest(
        symbol="BTCUSDT",
        side=side,
        type="STOP_MARKET",
        quantity_e8=E8,
        trigger_price_e8=price * E8,
        working_type="CONTRACT_PRICE",
    )


def _play(replay: Replay, core: Venue | UsdmVenue) -> None:
    """From the first frame to the last."""
    replay.player.begin_on_command()
    for turn in range(1, 20):
        core.advance(START_NS + turn * TURN_NS)
        core.drain()
    assert replay.player.state is State.ENDED


def test_a_futures_stop_triggers_with_no_other_order_open(tmp_path: Path) -> None:
    replay = climb(tmp_path, "usdm")
    assert replay.shell.usdm is not None
    core = replay.shell.usdm.core
    core.deposit(1, 10**6 * E8, START_NS)
    stop = core.place_algo(1, _stop("BUY", 103), START_NS)
    far = core.place_algo(1, _stop("BUY", 200), START_NS)
    _play(replay, core)
    assert core.algo_order(1, algo_id=stop.algo_id).status == "FINISHED"
    assert core.algo_order(1, algo_id=far.algo_id).status == "NEW"
    assert [(row.symbol, row.qty_e8) for row in core.positions(1) if row.qty_e8] == [("BTCUSDT", E8)]


def test_a_trailing_stop_follows_every_recorded_trade_with_no_other_order_open(tmp_path: Path) -> None:
    replay = climb(tmp_path, "usdm")
    assert replay.shell.usdm is not None
    core = replay.shell.usdm.core
    trailing = AlgoRequest(
        symbol="BTCUSDT",
        side="SELL",
        type="TRAILING_STOP_MARKET",
        quantity_e8=E8,
        activate_price_e8=102 * E8,
        callback_rate_e8=5 * E8,
        working_type="CONTRACT_PRICE",
    )
    placed = core.place_algo(1, trailing, START_NS)
    _play(replay, core)
    found = core.algo_order(1, algo_id=placed.algo_id)
    assert (found.status, found.is_activated, found.trigger_price_e8) == ("NEW", True, 104 * E8 * 95 // 100)


def test_a_spot_stop_triggers_with_no_other_order_open(tmp_path: Path) -> None:
    replay = climb(tmp_path, "spot")
    core = replay.shell.core
    request = OrderRequest(symbol="BTCUSDT", side="BUY", type="STOP_LOSS", quantity_e8=E8, stop_price_e8=103 * E8)
    placed = core.place(1, request, START_NS)
    _play(replay, core)
    assert core.order_status(1, "BTCUSDT", order_id=placed.order.order_id).status == "FILLED"
