"""The sequencer: the journal's order is the order of application, and nothing is lost where there is no room."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.journal.decode import payload
from engine.journal.journal import Claim, Journal
from engine.journal.layout import payload_format
from engine.journal.sequencer import Sequencer
from engine.model.codes import CommandKind, Counter, Lane, RecordKind, TimerKind
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring


@dataclass
class Desk:
    """A sequencer with its rings."""

    sequencer: Sequencer
    journal: Journal
    counters: Counters
    clock: Clock
    own: Ring
    control: Ring
    market: Ring
    book: Ring
    oms: Ring
    strategy: Ring

    def arrives(self, ring: Ring, kind: RecordKind, mono_ns: int = 0) -> Claim:
        """A session's input: claimed, filled, pushed, not committed."""
        lane = Lane.TAPE if kind <= RecordKind.FEED_STATE else Lane.LEDGER
        claim = Claim(self.journal, lane, kind, 200)
        claim.fill(bytes(100))
        assert claim.push(ring)
        return claim

    def committed(self) -> list[int]:
        return [record.kind for record in self.journal.records()]


def make_desk(capacity: int = 8) -> Desk:
    own, control, market = Ring("own", capacity), Ring("control", capacity), Ring("market", capacity)
    book, oms, strategy = Ring("book", capacity), Ring("oms", capacity), Ring("strategy", capacity)
    journal, counters, clock = Journal.in_memory(), Counters(), Clock.virtual()
    sequencer = Sequencer("sequencer", journal, None, counters, own, control, market, book, oms, strategy, clock)
    return Desk(sequencer, journal, counters, clock, own, control, market, book, oms, strategy)


def drained(ring: Ring) -> list[int]:
    kinds = []
    while (item := ring.poll()) is not None:
        kinds.append(item["kind"])
    return kinds


def test_own_events_come_before_control_and_control_before_market() -> None:
    desk = make_desk()
    desk.arrives(desk.market, RecordKind.TRADE)
    desk.sequencer.submit_command(CommandKind.KILL)
    desk.arrives(desk.own, RecordKind.EXECUTION_REPORT)
    assert desk.sequencer.step() == 1
    assert desk.sequencer.step() == 1
    assert desk.sequencer.step() == 1
    assert desk.sequencer.step() == 0
    assert desk.committed() == [RecordKind.EXECUTION_REPORT, RecordKind.COMMAND, RecordKind.TRADE]


def test_own_and_control_inputs_are_taken_one_by_one_and_market_in_batches() -> None:
    desk = make_desk(1024)
    for _ in range(3):
        desk.arrives(desk.own, RecordKind.ORDER_REPLY)
    for _ in range(300):
        desk.arrives(desk.market, RecordKind.TRADE)
    assert [desk.sequencer.step() for _ in range(5)] == [1, 1, 1, 256, 44]


@pytest.mark.parametrize(
    ("kind", "to_book", "to_oms", "to_strategy"),
    [
        (RecordKind.DEPTH_DIFF, 1, 0, 0),
        (RecordKind.FEED_STATE, 1, 0, 0),
        (RecordKind.EXECUTION_REPORT, 0, 1, 0),
        (RecordKind.SESSION_STATE, 0, 1, 0),
        (RecordKind.RECONCILE_END, 0, 1, 0),
        (RecordKind.OWN_TRADE, 0, 1, 0),
        (RecordKind.INSTRUMENT, 0, 1, 0),
        (RecordKind.TIME_SYNC, 0, 1, 0),
    ],
)
def test_inputs_go_to_those_who_need_them(kind: RecordKind, to_book: int, to_oms: int, to_strategy: int) -> None:
    desk = make_desk()
    desk.arrives(desk.market if kind <= RecordKind.FEED_STATE else desk.own, kind)
    desk.sequencer.step()
    assert (len(desk.book), len(desk.oms), len(desk.strategy)) == (to_book, to_oms, to_strategy)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (TimerKind.TICK, (1, 1, 1)),
        (TimerKind.STRATEGY, (0, 0, 1)),
        (TimerKind.BAR, (0, 0, 1)),
        (TimerKind.RECONCILE, (0, 1, 0)),
        (TimerKind.SESSION, (0, 1, 0)),
    ],
)
def test_timers_go_by_their_kind(kind: TimerKind, expected: tuple[int, int, int]) -> None:
    desk = make_desk()
    desk.sequencer.submit_timer(kind, timer_id=3, deadline_mono_ns=4, data=5, strategy_id=6)
    desk.sequencer.step()
    assert (len(desk.book), len(desk.oms), len(desk.strategy)) == expected
    (record,) = desk.journal.records()
    fields = payload(record)
    assert fields == {"timer_id": 3, "deadline_mono_ns": 4, "timer_kind": kind.name, "data": 5}
    assert record.strategy_id == 6


def test_a_command_carries_who_and_why_and_its_sequence_comes_back() -> None:
    desk = make_desk()
    desk.sequencer.attach(Pipeline([desk.sequencer]))
    seq = desk.sequencer.execute_command(
        CommandKind.ORDER, uid=1000, reason="hedge by hand", price_ticks=-5, instrument_id=2
    )
    (record,) = desk.journal.records()
    fields = payload(record)
    assert seq == record.seq == 1
    assert (fields["uid"], fields["text"], fields["command_kind"]) == (1000, "hedge by hand", "ORDER")
    assert (fields["price_ticks"], record.instrument_id) == (-5, 2)
    assert drained(desk.oms) == drained(desk.strategy) == [RecordKind.COMMAND]
    assert desk.counters.get(Counter.COMMANDS) == 1


def test_a_long_reason_is_cut_and_a_wrong_kind_refused() -> None:
    desk = make_desk()
    desk.sequencer.submit_command(CommandKind.PAUSE, reason="x" * 5000)
    desk.sequencer.step()
    assert len(payload(desk.journal.records()[0])["text"]) == 512
    with pytest.raises(ValueError, match="no command kind"):
        desk.sequencer.submit_command(0)


def test_an_own_input_waits_where_its_reader_has_no_room() -> None:
    desk = make_desk(2)
    for _ in range(2):
        desk.arrives(desk.own, RecordKind.EXECUTION_REPORT)
        assert desk.sequencer.step() == 1
    desk.arrives(desk.own, RecordKind.EXECUTION_REPORT)
    assert desk.sequencer.step() == 0
    assert desk.sequencer.waits == 1
    assert len(desk.own) == 1
    assert len(desk.journal.records()) == 2
    desk.oms.poll()
    assert desk.sequencer.step() == 1
    assert len(desk.journal.records()) == 3


def test_a_command_needs_room_with_everyone_it_goes_to() -> None:
    desk = make_desk(2)
    for _ in range(2):
        desk.sequencer.submit_timer(TimerKind.BAR)
        desk.sequencer.step()
    desk.sequencer.submit_command(CommandKind.KILL)
    assert desk.sequencer.step() == 0
    assert len(desk.oms) == 0
    drained(desk.strategy)
    assert desk.sequencer.step() == 1


def test_a_waiting_input_is_not_lost_when_a_later_ledger_record_passes_it() -> None:
    desk = make_desk()
    desk.arrives(desk.own, RecordKind.EXECUTION_REPORT)
    desk.journal.append(Lane.LEDGER, RecordKind.ALARM, b"an output in between")
    assert desk.sequencer.step() == 1
    assert desk.committed() == [RecordKind.ALARM, RecordKind.EXECUTION_REPORT]
    item = desk.oms.poll()
    assert item is not None
    assert item["seq"] == 2
    assert desk.sequencer.lost == 0


def test_now_is_the_stamp_of_the_input_and_never_goes_back() -> None:
    desk = make_desk()
    desk.clock.advance(1_000)
    desk.sequencer.submit_timer(TimerKind.BAR)
    desk.sequencer.step()
    later = desk.journal.now_ns
    assert later == (desk.clock.time_ns(), desk.clock.monotonic_ns())
    desk.arrives(desk.market, RecordKind.TRADE)  # received with mono_ns 0, long before
    desk.sequencer.step()
    assert desk.journal.now_ns == later


def test_any_other_input_goes_through_submit_record() -> None:
    desk = make_desk()
    form, _ = payload_format(RecordKind.RECONCILE_BEGIN)
    desk.sequencer.submit_record(RecordKind.RECONCILE_BEGIN, form.pack(1, 0, 0, 7) + b"start", venue_id=3)
    desk.sequencer.step()
    (record,) = desk.journal.records()
    assert record.venue_id == 3
    assert payload(record)["text"] == "start"
    assert drained(desk.oms) == [RecordKind.RECONCILE_BEGIN]


def test_a_tick_publishes_the_journals_totals() -> None:
    desk = make_desk()
    for _ in range(4):
        desk.journal.append(Lane.TAPE, RecordKind.TRADE, bytes(48))
    desk.sequencer.submit_timer(TimerKind.TICK)
    desk.sequencer.step()
    assert desk.counters.get(Counter.JOURNAL_RECORDS) == 5
    assert desk.counters.get(Counter.JOURNAL_LAST_SEQ) == 5
    assert desk.counters.get(Counter.JOURNAL_BYTES) == 4 * 128 + 112
    assert desk.counters.get(Counter.TIMERS) == 1
