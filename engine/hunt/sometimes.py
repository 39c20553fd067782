"""The rare states that a hunt must reach to be worth anything (R35): each with the invariant that it is about."""

from __future__ import annotations

from typing import Any, ClassVar

from engine.hunt.check import Check
from engine.hunt.ledger import Entry
from engine.hunt.wire import Request
from engine.model.codes import Counter, Reason, RecordKind

SOMETIMES: dict[str, str] = {
    "crash at any instant": "R01",
    "crash before send": "R01",
    "crash after send": "R01",
    "crash after answer": "R01",
    "records recovered from the front": "R01",
    "start from a snapshot": "R01",
    "order waited for the disk": "R02",
    "order given up since the disk stalled": "R02",
    "power cut": "R02",
    "power cut tears a journal": "R02",
    "torn tail cut": "R03",
    "journal disk failed": "R05",
    "short write": "R05",
    "restart after a failed disk": "R05",
    "wall clock set by an hour": "R06",
    "wall clock set back": "R06",
    "engine stalled": "R06",
    "timestamp refused": "R07",
    "halted for the clock": "R07",
    "book gap": "R08",
    "book built anew": "R08",
    "book crossed": "R09",
    "book shown locked": "R09",
    "book shown with a price of zero": "R09",
    "book shown with a negative price": "R09",
    "book shown with a negative quantity": "R09",
    "book shown far away": "R09",
    "book stale": "R10",
    "report twice": "R11",
    "reports in another order": "R11",
    "report before its answer": "R11",
    "cancel lost to a fill": "R12",
    "fill of an order that is not ours": "R13",
    "UNKNOWN became NEW": "R14",
    "UNKNOWN became FILLED": "R14",
    "UNKNOWN became CANCELED": "R14",
    "UNKNOWN became ABSENT": "R14",
    "UNKNOWN became REJECTED": "R14",
    "own events lost": "R15",
    "halted for the venue": "R15",
    "connection ended by its age": "R15",
    "user stream ended without a drop": "R15",
    "request inside a venue's restart": "R15",
    "dead-man switch ran out": "R16",
    "rate limited": "R17",
    "banned": "R17",
    "kill during a ban": "R17",
    "reader falls behind": "R18",
    "reader stalled": "R18",
    "recorder stalled": "R18",
    "snapshots stalled": "R18",
    "reader killed in a batch": "R18",
    "recorder killed in a batch": "R18",
    "records deleted before they were read": "R18",
    "position limit refuses": "R21",
    "open orders limit refuses": "R21",
    "message rate refuses": "R21",
    "limit tightened": "R21",
    "limit loosened by two people": "R21",
    "own approval refused": "R21",
    "proposal rejected": "R21",
    "proposal expired": "R21",
    "runaway disabled": "R22",
    "strategy raised": "R23",
    "kill with orders open": "R25",
    "kill of a symbol": "R25",
    "kill of a strategy": "R25",
    "start under a kill": "R25",
    "position closed by a person": "R25",
    "crash loop: stays down": "R26",
    "start failed": "R26",
    "orderly stop ends flat": "R26",
    "frame quarantined": "R30",
    "receiver slow": "R33",
    "receiver fails": "R33",
    "receiver refuses": "R33",
    "receiver lost": "R33",
    "receiver answer lost": "R33",
    "alarm told again under its id": "R33",
    "alarms put together": "R33",
    "alarm repeated until acknowledged": "R33",
    "alarm acknowledged": "R33",
    "notifier lost": "R33",
    "desk killed while an alarm was on its way": "R33",
    "mismatch found": "R34",
    "a person arms": "R34",
}
# what is too seldom for the few seeds of every run, if anything is: the long run must reach it
LONG: frozenset[str] = frozenset()
# what no hunt reaches, and what shows it instead
ELSEWHERE: dict[str, str] = {
    "R04": "what was synced does not rot by itself; every bit of 1,000 records is flipped: `fault/test_journal_recovery.py`",
    "R19": "a hunt has one configuration; each class of fault on each key: `unit/test_config_every_key.py`",
    "R20": "numbers of all kinds against Python's integers: `property/test_gate_arithmetic_is_exact.py`",
    "R24": "the checker `judged by the gate` looks at each order; forged approvals: `unit/test_approval.py`",
    "R27": "one process: a second engine is `contract/test_start_refusals.py`",
    "R28": "every session of every run is replayed from its journal and compared, whatever it met; the fixed seeds' bytes are "
    "compared between processes: `sim/test_hunt.py`, `sim/test_replayed_worlds.py`",
    "R29": "virtual time has no load: `fault/test_peak_load.py`",
    "R31": "the checker `nothing leaks` counts records and slots; bytes of real processes: `fault/test_peak_load.py`",
    "R32": "one build: `unit/test_journal_schemas.py`",
    "R35": "this table",
}
# events of a schedule that are a rare state by themselves
HAPPENED: dict[str, str] = {
    "crashes.now": "crash at any instant",
    "reports.reorder_user_events": "reports in another order",
    "reports.events_first": "report before its answer",
    "links.session_cap": "connection ended by its age",
    "links.end_user_streams": "user stream ended without a drop",
    "commands.kill_symbol": "kill of a symbol",
    "commands.kill_strategy": "kill of a strategy",
}
FLAWS: dict[str, str] = {
    "locked": "book shown locked",
    "zero-price": "book shown with a price of zero",
    "negative-price": "book shown with a negative price",
    "negative-qty": "book shown with a negative quantity",
    "jump": "book shown far away",
}


def table() -> list[str]:
    """The rows of docs/simulation.md: each invariant with its rare states, or with what shows it instead."""
    rows = ["| Id | Rare states that the hunt reaches |", "|---|---|"]
    for number in range(1, 36):
        invariant = f"R{number:02d}"
        states = [
            f"{state} (long run)" if state in LONG else state for state, id_ in SOMETIMES.items() if id_ == invariant
        ]
        rows.append(f"| {invariant} | {'; '.join(states) or 'none: ' + ELSEWHERE[invariant]} |")
    return rows


COUNTED = {
    Counter.DURABLE_WAITS: "order waited for the disk",
    Counter.DURABLE_REFUSED: "order given up since the disk stalled",
    Counter.BOOK_GAPS: "book gap",
    Counter.BOOK_RESYNCS: "book built anew",
    Counter.BOOK_CROSSED: "book crossed",
    Counter.BOOK_STALE: "book stale",
    Counter.DUPLICATE_REPORTS: "report twice",
    Counter.EXTERNAL_FILLS: "fill of an order that is not ours",
    Counter.RATE_LIMITED: "rate limited",
    Counter.MALFORMED_FRAMES: "frame quarantined",
    Counter.RECONCILE_MISMATCHES: "mismatch found",
}
REFUSED = {
    Reason.POSITION_LIMIT: "position limit refuses",
    Reason.OPEN_ORDERS_LIMIT: "open orders limit refuses",
    Reason.MESSAGE_RATE: "message rate refuses",
}
HALTS = {"CLOCK": "halted for the clock", "VENUE": "halted for the venue"}
HOUR_MS = 3_600_000


class Situations(Check):
    """Counts the rare states; violates nothing."""

    invariants: ClassVar[tuple[str, ...]] = ("R35",)
    name = "situations"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.had_own_events = False
        for state in SOMETIMES:
            hunt.counts[state] += 0

    def on_start(self) -> None:
        life = self.hunt.life
        assert life is not None
        engine = life.engine
        self.hunt.reached("start from a snapshot", int(engine.counters.get(Counter.SNAPSHOT_SEQ) > 0))
        self.hunt.reached("start under a kill", int(engine.tables.control_state()["kill"]))

    def on_entry(self, entry: Entry) -> None:
        if entry.kind == RecordKind.VERDICT:
            state = REFUSED.get(entry.body["reason"])
            if state is not None:
                self.hunt.reached(state)
        elif entry.kind == RecordKind.CUT:
            self.hunt.reached("torn tail cut")
        elif entry.kind == RecordKind.SESSION_STATE and entry.body.get("reason") == Reason.RATE_BUDGET.name:
            self.hunt.reached("banned")
        elif entry.kind == RecordKind.TRADING_STATE:
            state = HALTS.get(str(entry.body.get("reason", "")))
            if state is not None:
                self.hunt.reached(state)

    def on_command(self, what: str, sequence: int, fields: dict[str, Any]) -> None:
        if what == "flatten" and sequence:
            self.hunt.reached("position closed by a person")

    def on_request(self, request: Request) -> None:
        if self.hunt.refuses_all():
            self.hunt.reached("request inside a venue's restart")

    def each_second(self) -> None:
        life = self.hunt.life
        if life is None or "engine" not in vars(life):
            return
        if life.journal.error:
            self.hunt.reached("journal disk failed")
        has_own = bool(life.engine.tables.control_state()["user_stream_ready"])
        if self.had_own_events and not has_own:
            self.hunt.reached("own events lost")
        self.had_own_events = has_own

    def on_end(self, why: str) -> None:
        if why.startswith("power"):
            self.hunt.reached("power cut")
        self._count()

    def at_end(self) -> None:
        self._count()
        for event, state in HAPPENED.items():
            self.hunt.reached(state, self.hunt.counts[event])
        for flaw, state in FLAWS.items():
            self.hunt.reached(state, self.hunt.counts[f"flaw {flaw}"])
        strikes: Any = self.hunt.shell.faults.status(self.hunt.shell.now_ns)["strikes"]
        self.hunt.reached("timestamp refused", int(strikes.get("timestamp_errors", 0)))

    def _count(self) -> None:
        life = self.hunt.life
        if life is not None and "engine" in vars(life):
            for counter, state in COUNTED.items():
                self.hunt.reached(state, int(life.engine.counters.get(counter)))
