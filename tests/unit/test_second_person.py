"""Who commanded what and why stands in the ledger; what loosens may wait for another person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.control.commands import EngineControl
from engine.control.exact import RefusedCommandError
from engine.control.messages import (
    Accepted,
    AnyReply,
    Approve,
    Arm,
    Cancel,
    EngineStatus,
    Kill,
    Ping,
    Pong,
    Proposals,
    ProposalTable,
    RefusalCode,
    Refused,
    Reject,
    ResetLimits,
    Resume,
    Scope,
    SetLimits,
    Status,
)
from engine.control.operators import OperatorNote, Operators
from engine.control.second_person import PROPOSALS_MAX, SecondPerson
from engine.control.server import Caller
from engine.journal.journal import Journal
from engine.journal.operators import OperatorRow, operator_rows
from engine.journal.reader import JournalReader
from engine.model.codes import CommandKind, Lane, LimitScope, RecordKind
from engine.model.limits import LimitRefusedError
from engine.runtime.clock import Clock
from tests.control_harness import FakeEngine
from tests.journal_harness import open_stepped, small_config

ALICE, BOB = Caller(1001, 11), Caller(1002, 22)
SECOND_NS = 1_000_000_000
EXPIRY_S = 60


class OneLimit:
    """A limit desk of one limit, which stands at 10, and in the configuration higher: more loosens, and so does a reset."""

    def change(
        self, scope: LimitScope, scope_id: int, values: Mapping[str, str], *, loosen: bool, reset: Iterable[str] | None
    ) -> bytes:
        if reset is not None:
            if not loosen:
                raise LimitRefusedError("this loosens max_positions")
            return b"{}"
        if int(values["max_positions"]) > 100:
            raise LimitRefusedError("max_positions: out of range")
        if int(values["max_positions"]) > 10 and not loosen:
            raise LimitRefusedError("this loosens max_positions")
        return b"{}"


class Port:
    """A control port without a socket, its notes in a list."""

    def __init__(self, *actions: str) -> None:
        self.engine = FakeEngine()
        self.clock = Clock.virtual()
        names: Any = self.engine.control._names
        limits: Any = OneLimit()
        control = EngineControl(
            names, self.engine.tables, self.engine.counters, self.clock, self.engine.submit, limits=limits
        )
        self.notes: list[tuple[OperatorNote, int]] = []
        second = SecondPerson(frozenset(actions), EXPIRY_S, self.clock)
        self.handle = Operators(control, second, self.write)

    def write(self, text: bytes, cause_seq: int) -> None:
        self.notes.append((msgspec.json.decode(text, type=OperatorNote), cause_seq))

    def note(self) -> OperatorNote:
        return self.notes[-1][0]

    def waiting(self) -> ProposalTable:
        reply = self.handle(Proposals(), ALICE)
        assert isinstance(reply, ProposalTable)
        return reply

    def kinds(self) -> list[int]:
        return [command.kind for command in self.engine.submitted]


def proposed(reply: AnyReply) -> int:
    assert isinstance(reply, Accepted)
    assert reply.sequence == 0
    return reply.proposal


def refused(reply: AnyReply) -> Refused:
    assert isinstance(reply, Refused)
    return reply


# --- notes ---


def test_every_command_leaves_who_whence_why_and_its_outcome() -> None:
    port = Port()
    port.handle(Kill(reason="drill", scope=Scope(symbol="BTCUSDT")), ALICE)
    note, cause = port.notes[-1]
    assert (note.action, note.uid, note.pid, note.reason, note.outcome) == ("kill", 1001, 11, "drill", "done")
    assert note.scope == {"symbol": "BTCUSDT"}
    assert cause == note.sequence == 101
    assert refused(port.handle(Cancel(scope=Scope(symbol="NONE")), BOB)).code == RefusalCode.UNKNOWN_NAME
    note, cause = port.notes[-1]
    assert (note.action, note.uid, note.outcome, note.code, cause) == ("cancel", 1002, "refused", "UNKNOWN_NAME", 0)
    assert "NONE" in note.text


def test_questions_leave_nothing() -> None:
    port = Port()
    assert isinstance(port.handle(Ping(), ALICE), Pong)
    assert isinstance(port.handle(Status(), ALICE), EngineStatus)
    assert port.notes == []


def test_a_command_for_which_the_journal_has_no_room_is_noted_as_refused() -> None:
    port = Port()
    port.engine.has_room = False
    assert refused(port.handle(Kill(), ALICE)).code == RefusalCode.JOURNAL_FULL
    assert (port.note().outcome, port.note().code) == ("refused", "JOURNAL_FULL")


def test_the_listing_joins_commands_and_notes_and_finds_those_of_a_person_or_a_time(tmp_path: Path) -> None:
    journal: Journal = open_stepped(small_config(tmp_path))
    port = Port()

    def write(text: bytes, cause_seq: int) -> None:
        journal.append(Lane.LEDGER, RecordKind.OPERATOR, text, cause_seq=cause_seq, wall_ns=5 * SECOND_NS)

    port.handle = Operators(port.handle._control, port.handle._second, write)
    port.handle(Kill(reason="why"), ALICE)
    port.handle(Cancel(scope=Scope(symbol="NONE")), BOB)
    journal.close()
    rows = list(operator_rows(JournalReader(tmp_path / "data")))
    assert [(row.uid, row.action, row.outcome) for row in rows] == [(1001, "kill", "done"), (1002, "cancel", "refused")]
    assert rows[0].reason == "why"
    assert rows[0].wall_ns == 5 * SECOND_NS
    assert [row.uid for row in operator_rows(JournalReader(tmp_path / "data"), uid=1002)] == [1002]
    assert list(operator_rows(JournalReader(tmp_path / "data"), from_ns=6 * SECOND_NS)) == []
    assert isinstance(rows[0], OperatorRow)


# --- the second person ---


@pytest.mark.parametrize(
    ("action", "request_", "kind"),
    [
        ("arm", Arm(reason="all well"), CommandKind.ARM),
        ("resume", Resume(reason="all well", scope=Scope(strategy="maker")), CommandKind.RESUME),
        ("limits", SetLimits(reason="all well", values={"max_positions": "20"}, loosen=True), CommandKind.LIMITS),
        ("limits", ResetLimits(reason="all well", loosen=True), CommandKind.LIMITS),
    ],
)
def test_what_loosens_takes_effect_only_when_another_person_approves(action: str, request_: Any, kind: int) -> None:
    port = Port(action)
    number = proposed(port.handle(request_, ALICE))
    assert port.kinds() == []
    assert (port.note().outcome, port.note().proposal, port.notes[-1][1]) == ("proposed", number, 0)
    (row,) = port.waiting().rows
    assert (row.proposal, row.action, row.uid, row.reason) == (number, action, 1001, "all well")
    reply = port.handle(Approve(proposal=number, reason="agreed"), BOB)
    assert isinstance(reply, Accepted)
    assert reply.sequence > 0
    assert port.kinds() == [kind]
    assert port.engine.submitted[0].uid == 1001
    note = port.note()
    assert (note.outcome, note.uid, note.approver_uid, note.proposal) == ("approved", 1001, 1002, number)
    assert "agreed" in note.text
    assert port.waiting().rows == ()


def test_nobody_approves_his_own_proposal_from_whichever_process() -> None:
    port = Port("arm")
    number = proposed(port.handle(Arm(), ALICE))
    reply = refused(port.handle(Approve(proposal=number), Caller(ALICE.uid, 999)))
    assert reply.code == RefusalCode.FORBIDDEN
    assert port.kinds() == []
    assert (port.note().action, port.note().outcome, port.note().code) == ("approve", "refused", "FORBIDDEN")
    assert len(port.waiting().rows) == 1


def test_what_tightens_never_waits() -> None:
    port = Port("limits", "arm", "resume")
    port.handle(SetLimits(values={"max_positions": "5"}, loosen=True), ALICE)
    port.handle(SetLimits(values={"max_positions": "5"}), ALICE)
    port.handle(Kill(), ALICE)
    assert port.kinds() == [CommandKind.LIMITS, CommandKind.LIMITS, CommandKind.KILL]
    assert port.waiting().rows == ()


def test_without_being_asked_for_nothing_waits() -> None:
    port = Port()
    port.handle(Arm(), ALICE)
    port.handle(SetLimits(values={"max_positions": "20"}, loosen=True), ALICE)
    assert port.kinds() == [CommandKind.ARM, CommandKind.LIMITS]


def test_what_would_be_refused_is_refused_when_it_is_proposed() -> None:
    port = Port("limits", "arm")
    assert "loosens" in refused(port.handle(SetLimits(values={"max_positions": "20"}), ALICE)).text
    assert "range" in refused(port.handle(SetLimits(values={"max_positions": "200"}, loosen=True), ALICE)).text
    assert refused(port.handle(Arm(scope=Scope(symbol="NONE")), ALICE)).code == RefusalCode.UNKNOWN_NAME
    assert port.waiting().rows == ()


def test_a_proposal_expires_and_says_so() -> None:
    port = Port("arm")
    number = proposed(port.handle(Arm(), ALICE))
    port.clock.advance((EXPIRY_S - 1) * SECOND_NS)
    assert len(port.waiting().rows) == 1
    port.clock.advance(SECOND_NS)
    assert "has expired" in refused(port.handle(Approve(proposal=number), BOB)).text
    assert [note.outcome for note, _ in port.notes] == ["proposed", "expired", "refused"]
    assert port.kinds() == []


def test_a_proposal_that_nobody_asks_about_is_noted_when_it_expires() -> None:
    port = Port("arm")
    number = proposed(port.handle(Arm(reason="all well"), ALICE))
    port.clock.advance((EXPIRY_S - 1) * SECOND_NS)
    port.handle.note_expired()
    assert port.note().outcome == "proposed"
    port.clock.advance(SECOND_NS)
    port.handle.note_expired()
    port.handle.note_expired()
    assert [note.outcome for note, _ in port.notes] == ["proposed", "expired"]
    assert (port.note().action, port.note().uid, port.note().proposal) == ("arm", ALICE.uid, number)


def test_what_waits_when_the_engine_ends_is_noted_too() -> None:
    port = Port("arm")
    number = proposed(port.handle(Arm(), ALICE))
    port.handle.end()
    assert (port.note().outcome, port.note().proposal) == ("expired", number)
    assert "the engine ended" in port.note().text


def test_what_has_expired_is_neither_found_nor_shown_before_it_is_noted() -> None:
    clock = Clock.virtual()
    second = SecondPerson(frozenset({"arm"}), EXPIRY_S, clock)
    number = second.propose("arm", Arm(), ALICE, "").number
    clock.advance(EXPIRY_S * SECOND_NS)
    assert second.rows() == ()
    with pytest.raises(RefusedCommandError, match="has expired"):
        second.approve(number, BOB)
    with pytest.raises(RefusedCommandError, match="has expired"):
        second.reject(number)
    assert [item.number for item in second.expire()] == [number]


def test_a_proposal_does_not_outlive_the_process_and_its_approver_is_told() -> None:
    number = proposed(Port("arm").handle(Arm(), ALICE))
    assert "restarted since" in refused(Port("arm").handle(Approve(proposal=number), BOB)).text


def test_anybody_may_reject_and_then_nobody_can_approve() -> None:
    port = Port("arm")
    number = proposed(port.handle(Arm(), ALICE))
    assert isinstance(port.handle(Reject(proposal=number, reason="no"), ALICE), Accepted)
    assert (port.note().outcome, port.note().proposal) == ("rejected", number)
    refused(port.handle(Approve(proposal=number), BOB))
    assert port.kinds() == []


def test_proposals_are_bounded_and_the_status_counts_them() -> None:
    port = Port("arm")
    for _ in range(PROPOSALS_MAX):
        proposed(port.handle(Arm(), ALICE))
    assert "wait already" in refused(port.handle(Arm(), ALICE)).text
    status = port.handle(Status(), ALICE)
    assert isinstance(status, EngineStatus)
    assert status.proposals == PROPOSALS_MAX
