"""On a recorded market paper fills what the replay venue fills: the same orders at the same places of the recording."""

from __future__ import annotations

import gzip
import random
from collections import deque
from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.codes import OrderState, OrderType, Side, TimeInForce
from engine.sim.replay.build import build_replay
from engine.sim.replay.player import ReplayOptions, State
from engine.simulation import START_NS, Simulation
from engine.strategy.api import FillView, OrderView, Strategy, TradeView
from tests.recorded import recordings
from tests.recording_writer import RecordingWriter
from tests.sim.stages import configure, credentials
from tests.venue_harness import CONFIG

LINES = 1_000
AT_ONCE = "to_venue_us = 0\nfrom_venue_us = 0\njitter_us = 0\n"
TRADES_BETWEEN = 3
ORDERS_MAX = 60
END_LIMIT_S = 400.0


class OnTrades(Strategy):
    """Acts on every few trades by its own dice, which know nothing of what became of earlier orders."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(4)
        self.trades = self.made = 0
        self.working: deque[int] = deque()
        self.names: dict[int, int] = {}
        self.fills: list[tuple[int, Decimal, Decimal, bool]] = []
        self.ends: dict[int, OrderState] = {}

    def on_trade(self, trade: TradeView) -> None:
        """Every few trades an order near the market, and now and then the oldest is cancelled."""
        self.trades += 1
        book = self.book(trade.symbol)
        if self.trades % TRADES_BETWEEN or not book.is_valid or self.made >= ORDERS_MAX:
            return
        side = self.dice.choice([Side.BUY, Side.SELL])
        form, away = self.dice.randrange(5), self.dice.randrange(3)
        cancels = self.dice.random() < 0.3
        best = book.best_bid_ticks if side == Side.BUY else book.best_ask_ticks
        far = book.best_ask_ticks if side == Side.BUY else book.best_bid_ticks
        price = best - away if side == Side.BUY else best + away
        lots = self.instrument(trade.symbol).qty_lots("0.002")
        row = self.instrument(trade.symbol).instrument_id
        if form == 0:
            handle = self.submit_ticks(row, side, 0, lots, OrderType.MARKET)
        elif form == 1:
            handle = self.submit_ticks(row, side, far, lots, OrderType.LIMIT, TimeInForce.IOC)
        else:
            handle = self.submit_ticks(row, side, price, lots)
            self.working.append(handle)
        self.names[handle] = self.made
        self.made += 1
        if cancels and self.working:
            self.cancel(self.working.popleft())

    def on_order(self, order: OrderView) -> None:
        """How it ended."""
        if order.is_ended:
            self.ends[self.names[order.handle]] = OrderState(order.state)

    def on_fill(self, fill: FillView) -> None:
        """A fill."""
        self.fills.append((self.names[fill.handle], fill.price, fill.qty, fill.is_maker))


def synthetic(path: Path, family: str) -> Path:
    """A wandering market: levels come and go, trades at and through the best prices."""
    dice = random.Random(9)
    writer = RecordingWriter("BTCUSDT", family)
    middle = 6_000_000
    bids = {middle - 10 - 10 * step: 40 + dice.randrange(90) for step in range(8)}
    asks = {middle + 10 + 10 * step: 40 + dice.randrange(90) for step in range(8)}

    def rows(levels: dict[int, int]) -> list[tuple[str, str]]:
        return [(f"{ticks / 100:.2f}", f"{lots / 1000:.3f}") for ticks, lots in levels.items()]

    writer.snapshot(rows(dict(sorted(bids.items(), reverse=True))), rows(asks))
    for _ in range(LINES):
        levels, is_bid = dice.choice([(bids, True), (asks, False)])
        best = max(levels) if is_bid else min(levels)
        what = dice.random()
        if what < 0.4:
            sold = min(levels[best], 1 + dice.randrange(40))
            writer.trade(f"{best / 100:.2f}", f"{sold / 1000:.3f}", is_bid)
            levels[best] -= sold
        else:
            ticks = best + dice.choice([-20, -10, 0, 10]) * (1 if is_bid else -1)
            if not (min(asks) > ticks if is_bid else max(bids) < ticks):
                continue
            levels[ticks] = dice.randrange(120)
            best = ticks
        change = {best: levels[best]}
        if not levels[best] and len(levels) > 3:
            del levels[best]
        else:
            levels[best] = change[best] = max(1, levels[best])
        writer.diff(*((rows(change), []) if is_bid else ([], rows(change))))
    return writer.write(path)


def beginning(path: Path, to: Path) -> Path:
    """The first lines of a recorded file."""
    with gzip.open(path) as source, to.open("wb") as target:
        for _, line in zip(range(LINES * 3), source, strict=False):
            target.write(line)
    return to


def play(root: Path, recording: Path, kind: str, mode: str) -> OnTrades:
    """The strategy on the recording, its orders at the replay venue ("sim") or on paper beside it."""
    root.mkdir(exist_ok=True)
    replay = build_replay(CONFIG, [recording], ReplayOptions(speed=1.0), START_NS)
    strategy = OnTrades()
    loaded = configure(root, kind, mode, paper=AT_ONCE)
    key = None if mode == "paper" else credentials()
    with Simulation(loaded, replay.shell, strategies={"scripted": strategy}, credentials=key) as simulation:
        simulation.start()
        simulation.run_while(lambda: replay.player.state is not State.ENDED, END_LIMIT_S)
        simulation.run_for(0.2)
        if mode == "paper":
            assert replay.shell.orders == 0
    return strategy


def both(folder: Path, recording: Path, kind: str) -> tuple[OnTrades, OnTrades]:
    """The strategy after both runs: with its orders on paper, and at the replay venue."""
    replayed = play(folder / "replay", recording, kind, "sim")
    on_paper = play(folder / "paper", recording, kind, "paper")
    assert replayed.trades == on_paper.trades > 0
    assert replayed.made == on_paper.made > 5
    assert [fill for fill in replayed.fills if fill[3]], "no resting order filled: nothing is shown"
    return on_paper, replayed


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_on_a_made_recording(tmp_path: Path, family: str) -> None:
    on_paper, replayed = both(tmp_path, synthetic(tmp_path / "made.raw", family), f"binance-{family}")
    assert on_paper.fills == replayed.fills
    assert on_paper.ends == replayed.ends


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_on_a_recorded_day(tmp_path: Path, family: str) -> None:
    found = [row for row in recordings() if row.market == family and row.symbol == "BTCUSDT"]
    if not found:
        pytest.skip("no recorded data on this machine")
    recording = beginning(found[0].paths[0], tmp_path / "day.raw")
    on_paper, replayed = both(tmp_path, recording, f"binance-{family}")
    assert on_paper.fills == replayed.fills
    assert on_paper.ends == replayed.ends
