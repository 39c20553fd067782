"""Which callbacks run, and in what order, against a list sorted by sequence - over random events and random polls."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.codes import CommandKind
from engine.strategy.api import BookView, Strategy, TimerView, TradeView
from engine.strategy.rehearsal import Rehearsal
from tests.strategy_harness import BTC, ETH

EVENTS = ("book BTCUSDT", "book ETHUSDT", "trade BTCUSDT", "trade ETHUSDT", "pause", "resume", "run")


class Sequencing(Strategy):
    """Notes kind and sequence of what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, int]] = []

    def on_book(self, book: BookView) -> None:
        self.heard.append((f"book {book.symbol}", book.seq))

    def on_trade(self, trade: TradeView) -> None:
        self.heard.append((f"trade {trade.symbol}", trade.seq))

    def on_timer(self, timer: TimerView) -> None:
        raise AssertionError("no timer was set")


def expected_of(batch: list[tuple[str, int]], paused: bool) -> tuple[list[tuple[str, int]], bool, int]:
    """What one poll tells of the events that came in before it; whether it ends paused; how many books were conflated."""
    last_book = {name: seq for name, seq in batch if name.startswith("book")}
    told, conflated = [], 0
    for name, seq in batch:
        if name in ("pause", "resume"):
            paused = name == "pause"
        elif name.startswith("book") and last_book[name] != seq:
            conflated += 1
        elif not paused:
            told.append((name, seq))
    return told, paused, conflated


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_callbacks_come_in_sequence_with_books_conflated(events: list[str]) -> None:
    strategy = Sequencing()
    stage = Rehearsal([strategy], [BTC, ETH], ring_bytes=1 << 17)
    batch: list[tuple[str, int]] = []
    expected: list[tuple[str, int]] = []
    paused, conflated = False, 0
    for event in [*events, "run"]:
        if event == "run":
            told, paused, skipped = expected_of(batch, paused)
            expected += told
            conflated += skipped
            batch.clear()
            stage.run()
            assert strategy.heard == expected
            assert stage.runner.conflated == conflated
            continue
        kind, _, symbol = event.partition(" ")
        if kind == "book":
            seq = stage.book(symbol, [(100, 1)], [(101, 1)])
        elif kind == "trade":
            seq = stage.trade(symbol, 100, 1)
        else:
            seq = stage.command(CommandKind.PAUSE if kind == "pause" else CommandKind.RESUME)
        batch.append((event, seq))
