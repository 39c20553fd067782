"""The compiled shell: which market events trigger, what is written and pushed, what an instrument without anything held costs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from engine.book.stage import BookStage
from engine.execution.parents import saved_of
from engine.execution.stage import ExecutionStage
from engine.model.bookreader import BookReader
from engine.model.codes import BookState, OrderType, ParentState, RecordKind, Side, TriggerSource
from engine.model.instructions import Held, OrderTerms
from engine.runtime.actor import Pipeline
from engine.runtime.ring import Ring
from engine.runtime.timers import TimerQueue
from tests.feed_harness import STALE_AFTER_NS, FeedHarness
from tests.unit.test_book_stage import OTHER, SPEC, diff, snapshot, ticker, trade

NAMES = (
    "instructions",
    "watched",
    "execution_events",
    "to_execution",
    "child_intents",
    "child_refusals",
    "parent_events",
)


class StageRig(FeedHarness):
    """Feed, books and the execution stage; a VALID book of 100.00 against 101.00."""

    def __init__(self) -> None:
        super().__init__(SPEC, OTHER)
        self.rings = {name: Ring(name, 4096) for name in NAMES}
        self.book = BookStage(
            "book",
            self.journal,
            self.tables,
            self.counters,
            self.to_book,
            self.market_events,
            watched=self.rings["watched"],
        )
        self.timers = TimerQueue()
        self.stage = ExecutionStage(
            "execution",
            self.journal,
            self.tables,
            self.counters,
            **self.rings,  # type: ignore[arg-type]
            timers=self.timers,
            reader=BookReader(),
            entry_price=lambda *_: 0,
        )
        self.pipeline = Pipeline([self.sequencer, self.book, self.stage])
        self.frame(diff(5, 9))
        self.book.take_resyncs()
        self.snapshot(snapshot(9))
        self.frame(diff(10, 10))

    def hold(self, trigger: int, source: int = TriggerSource.LAST, handle: int = 7, instrument_id: int = 1) -> None:
        """A sell stop of strategy 3."""
        terms = OrderTerms(
            side=Side.SELL, order_type=OrderType.STOP, qty_lots=5, trigger_ticks=trigger, trigger_source=source
        )
        self.stage.parents.begin(Held(instrument_id=instrument_id, order=terms), handle, 3)

    def pushed(self, ring: str) -> list[dict[str, Any]]:
        """Descriptors that wait in a ring."""
        found = []
        while event := self.rings[ring].poll():
            found.append(event)
        return found


@pytest.fixture
def rig() -> StageRig:
    made = StageRig()
    assert made.state() == BookState.VALID
    return made


def test_a_trade_at_the_trigger_releases_the_order_to_the_gate(rig: StageRig) -> None:
    rig.hold(10_020)
    rig.frame(trade(1, "100.21"))
    assert rig.pushed("child_intents") == []
    rig.frame(trade(2, "100.20"))
    (intent,) = rig.pushed("child_intents")
    assert (intent["kind"], intent["order_handle"], intent["strategy_id"]) == (RecordKind.INTENT, 7, 3)
    kinds = [event["kind"] for event in rig.pushed("parent_events")]
    assert kinds[:2] == [RecordKind.HELD_ORDER, RecordKind.PARENT_STATE]
    assert rig.stage.triggered == 1


def test_a_ticker_and_a_diff_are_the_best_bid_of_their_moment(rig: StageRig) -> None:
    rig.hold(9_950, TriggerSource.BID_ASK)
    rig.frame(trade(1, "99.00"))
    rig.frame(ticker(11, bid="99.51"))
    assert rig.stage.triggered == 0
    rig.frame(ticker(12, bid="99.50"))
    assert rig.stage.triggered == 1
    rig.hold(9_900, TriggerSource.BID_ASK, handle=8)
    rig.frame(diff(11, 13, bids=[("100.00", "0"), ("99.00", "1.00")]))
    assert rig.stage.triggered == 2


def test_every_event_of_a_batch_is_seen_and_not_only_the_last(rig: StageRig) -> None:
    rig.hold(9_000)
    now = rig.clock.monotonic_ns(), rig.clock.time_ns()
    for number, price in enumerate(("100.50", "90.00", "100.50"), 1):
        rig.session.feed(trade(number, price), *now)
    rig.run()
    assert rig.stage.triggered == 1


def test_nothing_fires_on_a_book_that_is_not_valid(rig: StageRig) -> None:
    rig.hold(10_020)
    rig.frame(diff(20, 21))
    assert rig.state() == BookState.INVALID
    rig.frame(trade(1, "50.00"))
    assert rig.stage.triggered == 0
    rig.snapshot(snapshot(21))
    rig.frame(diff(22, 22))
    assert rig.state() == BookState.VALID
    assert rig.stage.triggered == 0
    rig.frame(trade(2, "50.00"))
    assert rig.stage.triggered == 1


def test_nothing_fires_on_a_book_that_became_invalid_behind_the_event(rig: StageRig) -> None:
    rig.hold(10_020)
    now = rig.clock.monotonic_ns(), rig.clock.time_ns()
    rig.session.feed(trade(1, "50.00"), *now)
    rig.session.feed(diff(20, 21), *now)
    rig.run()
    assert rig.stage.triggered == 0


def test_nothing_fires_on_stale_data(rig: StageRig) -> None:
    rig.hold(10_020)
    rig.clock.advance(STALE_AFTER_NS + 1)
    rig.frame(trade(1, "50.00"))
    assert rig.stage.triggered == 0
    rig.frame(ticker(11))
    rig.frame(trade(2, "50.00"))
    assert rig.stage.triggered == 1


def test_an_instrument_that_holds_nothing_is_not_passed_on(rig: StageRig) -> None:
    rig.frame(trade(1))
    assert rig.stage.events_seen == 0
    rig.hold(9_000, instrument_id=2)
    rig.frame(trade(2))
    assert rig.stage.events_seen == 0


def test_the_flag_goes_with_the_last_parent(rig: StageRig) -> None:
    rig.hold(9_000)
    rig.frame(trade(1))
    assert rig.stage.events_seen == 1
    rig.stage.parents.sweep(is_kill=True)
    rig.frame(trade(2))
    assert rig.stage.events_seen == 1


def test_parent_state_carries_everything_that_a_restart_needs(rig: StageRig) -> None:
    rig.hold(9_000)
    parent = rig.stage.parents.parents[7]
    assert parent.status == ParentState.WORKING
    saved = json.loads(msgspec.json.encode(saved_of(parent, 0)))
    assert saved["instruction"]["kind"] == "held"
    assert saved["own"]["trigger_ticks"] == 9_000
    assert saved["children"] == []


def fill(ring: Ring) -> None:
    """With descriptors that name nothing."""
    while ring.offer(0):
        pass


def test_without_room_to_the_gate_an_order_is_tried_again(rig: StageRig) -> None:
    rig.hold(10_020)
    fill(rig.rings["child_intents"])
    rig.frame(trade(1, "100.00"))
    assert rig.stage.triggered == 1
    rig.pushed("child_intents")
    due = rig.timers.pop_due(rig.clock.monotonic_ns() + 1_000_000_000)
    assert due is not None
    rig.stage.parents.on_timer(due[0])
    assert [event["order_handle"] for event in rig.pushed("child_intents")] == [7]


def test_without_room_to_strategies_nothing_is_taken(rig: StageRig) -> None:
    rig.hold(10_020)
    fill(rig.rings["parent_events"])
    rig.frame(trade(1, "100.00"))
    assert rig.stage.triggered == 0
    rig.pushed("parent_events")
    rig.run()
    assert rig.stage.triggered == 1
