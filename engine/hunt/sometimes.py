"""The rare states that a hunt must reach to be worth anything (R35): each with the invariant that it is about."""

from __future__ import annotations

from typing import Any, ClassVar

from engine.hunt.check import Check
from engine.hunt.ledger import Entry
from engine.hunt.wire import Request
from engine.model.codes import Counter, Reason, RecordKind

SOMETIMES: dict[str, str] = {
    "crash before send": "R01",
    "crash after send": "R01",
    "crash after answer": "R01",
    "records recovered from the front": "R01",
    "power cut": "R02",
    "power cut tears a journal": "R02",
    "torn tail cut": "R03",
    "journal disk failed": "R05",
    "short write": "R05",
    "restart after a failed disk": "R05",
    "wall clock set by an hour": "R06",
    "engine stalled": "R06",
    "timestamp refused": "R07",
    "halted for the clock": "R07",
    "book gap": "R08",
    "book built anew": "R08",
    "book crossed": "R09",
    "book stale": "R10",
    "report twice": "R11",
    "cancel lost to a fill": "R12",
    "fill of an order that is not ours": "R13",
    "UNKNOWN became NEW": "R14",
    "UNKNOWN became FILLED": "R14",
    "UNKNOWN became CANCELED": "R14",
    "UNKNOWN became ABSENT": "R14",
    "own events lost": "R15",
    "halted for the venue": "R15",
    "dead-man switch ran out": "R16",
    "rate limited": "R17",
    "kill during a ban": "R17",
    "position limit refuses": "R21",
    "open orders limit refuses": "R21",
    "message rate refuses": "R21",
    "runaway disabled": "R22",
    "strategy raised": "R23",
    "kill with orders open": "R25",
    "position closed by a person": "R25",
    "crash loop: stays down": "R26",
    "start failed": "R26",
    "frame quarantined": "R30",
    "request inside a venue's restart": "R15",
    "mismatch found": "R34",
    "a person arms": "R34",
}
COUNTED = {
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

    def on_entry(self, entry: Entry) -> None:
        if entry.kind == RecordKind.VERDICT:
            state = REFUSED.get(entry.body["reason"])
            if state is not None:
                self.hunt.reached(state)
        elif entry.kind == RecordKind.CUT:
            self.hunt.reached("torn tail cut")
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
        strikes: Any = self.hunt.shell.faults.status(self.hunt.shell.now_ns)["strikes"]
        self.hunt.reached("timestamp refused", int(strikes.get("timestamp_errors", 0)))

    def _count(self) -> None:
        life = self.hunt.life
        if life is not None and "engine" in vars(life):
            for counter, state in COUNTED.items():
                self.hunt.reached(state, int(life.engine.counters.get(counter)))
