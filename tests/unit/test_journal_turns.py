"""Every input says how it was taken, so that a session can be played again; what was outside the records is in them."""

from __future__ import annotations

import contextlib

import pytest

from engine.journal.errors import JournalFull
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.journal.turn import POLL_MAX, Turn
from engine.model.codes import CommandKind, Lane, RecordKind, TimerKind
from engine.model.tables import Tables
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from tests.unit.test_journal_sequencer import Desk, drained, make_desk

pytestmark = pytest.mark.invariant("R28")


def piped(desk: Desk) -> Pipeline:
    pipeline = Pipeline([desk.sequencer])
    desk.sequencer.attach(pipeline)
    return pipeline


def turns(desk: Desk) -> list[Turn]:
    return [Turn.of(record.turn) for record in desk.journal.records()]


def test_a_run_and_its_polls_are_read_off_the_inputs() -> None:
    desk = make_desk(1024)
    pipeline = piped(desk)
    for kind, ring in ((RecordKind.ORDER_REPLY, desk.own), (RecordKind.ORDER_REPLY, desk.own)):
        desk.arrives(ring, kind)
    for _ in range(300):
        desk.arrives(desk.market, RecordKind.TRADE)
    pipeline.run_to_completion()
    desk.arrives(desk.own, RecordKind.ORDER_REPLY)
    pipeline.run_to_completion()
    found = [(turn.poll, turn.is_first_of_poll, turn.is_first_of_run) for turn in turns(desk)]
    assert found[:2] == [(0, True, True), (1, True, False)]
    assert found[2:4] == [(2, True, False), (2, False, False)]
    assert found[257:260] == [(2, False, False), (3, True, False), (3, False, False)]
    assert found[302] == (0, True, True)
    assert pipeline.runs == 2


def test_a_run_without_an_input_leaves_no_mark() -> None:
    desk = make_desk()
    pipeline = piped(desk)
    pipeline.run_to_completion()
    pipeline.run_to_completion()
    desk.arrives(desk.own, RecordKind.ORDER_REPLY)
    pipeline.run_to_completion()
    assert [(turn.poll, turn.is_first_of_run) for turn in turns(desk)] == [(0, True)]


def test_an_input_that_waited_for_room_is_marked_when_it_is_taken() -> None:
    desk = make_desk(2)
    pipeline = piped(desk)
    for _ in range(2):
        desk.arrives(desk.own, RecordKind.ORDER_REPLY)
    pipeline.run_to_completion()
    desk.arrives(desk.own, RecordKind.ORDER_REPLY)
    pipeline.run_to_completion()
    assert len(turns(desk)) == 2
    drained(desk.oms)
    pipeline.run_to_completion()
    assert turns(desk)[2] == Turn(0, True, True, False, False)


def test_an_input_that_was_passed_over_keeps_the_mark_of_its_turn() -> None:
    desk = make_desk()
    desk.arrives(desk.own, RecordKind.EXECUTION_REPORT)
    desk.journal.append(Lane.LEDGER, RecordKind.ALARM, bytes(16))
    desk.sequencer.step()
    alarm, report = desk.journal.records()
    assert (alarm.turn, Turn.of(report.turn).is_first_of_poll) == (0, True)


def test_the_session_number_stands_beside_the_mark() -> None:
    desk = make_desk()
    desk.sequencer.submit_timer(TimerKind.BAR, session_id=15_300)
    desk.sequencer.step()
    (record,) = desk.journal.records()
    assert record.session_id == 15_300
    assert Turn.of(record.turn) == Turn(0, True, True, False, False)


def test_pressure_holds_for_a_whole_turn_and_stands_in_its_input() -> None:
    desk = make_desk(64)
    journal = Journal.in_memory(ring_bytes=1 << 16)
    tables, rings = Tables(), [Ring(name, 64) for name in ("own", "control", "market", "book", "oms", "strategy")]
    own, control, market, book, oms, strategy = rings
    sequencer = Sequencer(
        "sequencer", journal, tables, Counters(), own, control, market, book, oms, strategy, Clock.virtual()
    )
    sequencer.submit_timer(TimerKind.BAR)
    sequencer.step()
    assert not journal.is_pressed
    while not journal.is_nearly_full:
        journal.append(Lane.LEDGER, RecordKind.OWN_FRAME_OTHER, bytes(1000))
    assert not journal.is_pressed, "the turn in which the front filled goes on as it began"
    sequencer.submit_timer(TimerKind.BAR)
    sequencer.step()
    assert journal.is_pressed
    timers = [record for record in journal.records() if record.kind == RecordKind.TIMER]
    assert [Turn.of(record.turn).is_pressed for record in timers] == [False, True]
    assert desk.journal.is_pressed is False


def test_a_claim_that_was_refused_is_told_by_the_next_input() -> None:
    desk = make_desk()
    with pytest.raises(JournalFull):
        desk.journal.append(Lane.LEDGER, RecordKind.ALARM, bytes(1 << 24))
    desk.sequencer.submit_timer(TimerKind.BAR)
    desk.sequencer.step()
    desk.sequencer.submit_timer(TimerKind.BAR)
    desk.sequencer.step()
    assert [turn.was_claim_refused for turn in turns(desk)] == [True, False]


def test_polls_are_counted_up_to_a_last_number() -> None:
    assert Turn.of(0xFFFF) == Turn(POLL_MAX, True, True, True, True)
    assert Turn.of(0) == Turn(0, False, False, False, False)


def test_ticks_stand_on_the_tape_and_other_timers_in_the_ledger() -> None:
    desk = make_desk()
    desk.sequencer.submit_timer(TimerKind.TICK)
    desk.sequencer.submit_timer(TimerKind.BAR)
    desk.sequencer.step()
    desk.sequencer.step()
    assert [record.lane for record in desk.journal.records()] == [Lane.TAPE, Lane.LEDGER]


def fill_tape(desk: Desk, payload_bytes: int) -> None:
    """Until no record of that size finds room."""
    with contextlib.suppress(JournalFull):
        while desk.journal.append(Lane.TAPE, RecordKind.MARKET_FRAME_OTHER, bytes(payload_bytes)):
            pass


def test_a_tick_comes_where_the_tape_has_no_room() -> None:
    desk = make_desk()
    fill_tape(desk, 1 << 20)
    fill_tape(desk, 8)
    desk.sequencer.submit_timer(TimerKind.TICK)
    desk.sequencer.step()
    (tick,) = desk.journal.records(Lane.LEDGER)
    assert tick.kind == RecordKind.TIMER


def test_a_tick_passes_no_waiting_market_frame_over() -> None:
    desk = make_desk()
    desk.arrives(desk.market, RecordKind.TRADE)
    desk.sequencer.submit_timer(TimerKind.TICK)
    desk.sequencer.step()
    desk.sequencer.step()
    assert desk.journal.tape.status()["bypassed"] == 0
    assert desk.committed() == [RecordKind.TIMER, RecordKind.TRADE]


def test_an_operators_order_number_is_an_input() -> None:
    tables = Tables()
    tables.set_epoch(3)
    desk = make_desk()
    own, control, market = desk.own, desk.control, desk.market
    desk.sequencer = Sequencer(
        "s", desk.journal, tables, desk.counters, own, control, market, desk.book, desk.oms, desk.strategy, desk.clock
    )
    piped(desk)
    first = desk.sequencer.take_handles()
    pair = desk.sequencer.take_handles(2)
    desk.sequencer.execute_command(CommandKind.ORDER, order_handle=first)
    assert (first, pair, desk.sequencer.take_handles()) == (3 << 32 | 1, 3 << 32 | 2, 3 << 32 | 4)
    numbers = [record for record in desk.journal.records() if record.kind == RecordKind.HANDLES]
    assert [int.from_bytes(record.payload[:8], "little") for record in numbers] == [first, pair, 3 << 32 | 4]
    assert [turn.is_first_of_run for turn in turns(desk)] == [True] * 4


def test_no_room_gives_no_number() -> None:
    desk = make_desk(2)
    desk.sequencer = Sequencer(
        "s", desk.journal, Tables(), desk.counters, desk.own, desk.control, desk.market, desk.book, desk.oms,
        desk.strategy, desk.clock,
    )  # fmt: skip
    piped(desk)
    for _ in range(2):
        desk.arrives(desk.own, RecordKind.ORDER_REPLY)
    desk.sequencer.step()
    desk.sequencer.step()
    desk.arrives(desk.own, RecordKind.ORDER_REPLY)
    assert desk.sequencer.take_handles() == 0
