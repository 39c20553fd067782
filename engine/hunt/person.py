"""The people of a hunt: what they command, by the engine's own control core, and how they put right what a storm has left."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.control.commands import EngineControl, EngineNames
from engine.control.messages import (
    Accepted,
    Amend,
    AnyReply,
    AnyRequest,
    Approve,
    ExitsText,
    Hedge,
    Order,
    Protect,
    Reconcile,
    RefusalCode,
    Refused,
    Reject,
    ResetLimits,
    Resume,
    Scope,
    ScopeKind,
    SetLimits,
    Stop,
)
from engine.control.operators import Operators
from engine.control.outcomes import Outcomes
from engine.control.second_person import SecondPerson
from engine.control.server import Caller
from engine.control.venue_word import VenueWord
from engine.hedging import Hedging
from engine.hunt.check import Check, Violation
from engine.hunt.outside import Outside
from engine.model import clientid
from engine.model.codes import CommandKind, HaltReason, Lane, RecordKind, TradingState
from engine.venue_health import limit_desk

if TYPE_CHECKING:
    from engine.hunt.life import Life

FIRST, SECOND = Caller(uid=1_000, pid=1), Caller(uid=1_001, pid=2)
SECOND_PERSON_EXPIRY_S = 30
RUNNING = 1
# of a symbol's configured limit, in percent; only what was tightened is loosened again
TIGHTER = {"BTCUSDT": "0.03", "ETHUSDT": "0.6"}
QUANTITY = {"BTCUSDT": "0.01", "ETHUSDT": "0.2"}


def control_of(life: Life) -> Operators:
    """The control port's handler as the daemon makes it, with two people needed for what loosens a limit."""
    engine, clock = life.engine, life.clock
    outcomes = Outcomes(engine, life.loaded.config.portfolio.currency)
    life.hedging = Hedging(engine, life.submit, outcomes)
    config = life.loaded.config.engine
    names = EngineNames(
        engine=config.name, engine_id=config.id, mode=config.mode, version="hunt", venues=engine.venue_ids,
        strategies=engine.strategy_ids, handle_of=clientid.decode, take_handle=engine.sequencer.take_handles,
        accounts=frozenset(engine.venue_ids.values()), durability=engine.journal.durability_level,
    )  # fmt: skip
    assert life.closing is not None
    control = EngineControl(
        names, engine.tables, engine.counters, clock, life.submit, engine.register.halts, str, limit_desk(engine),
        life.closing.state, life.hedging, outcomes, VenueWord.of(engine),
    )  # fmt: skip

    def write(text: bytes, cause_seq: int) -> None:
        engine.journal.append(Lane.LEDGER, RecordKind.OPERATOR, text, cause_seq=cause_seq, reserve=True)

    return Operators(control, SecondPerson(frozenset({"limits"}), SECOND_PERSON_EXPIRY_S, clock), write)


@dataclass
class Deed:
    """One thing that a person does at the control port, on one symbol."""

    hunt: Person
    dice: random.Random
    symbol: str

    @property
    def scope(self) -> Scope:
        """The symbol."""
        return Scope(symbol=self.symbol)

    def ask(self, request: AnyRequest, caller: Caller = FIRST) -> AnyReply | None:
        """The port's reply; None where there is no engine (any more)."""
        life = self.hunt.life
        if life is None or not life.is_wired or life.is_dead:
            return None
        return life.asked_by_person(request, caller)

    def asked(self, what: str, request: AnyRequest) -> None:
        """Ask, and count whether it was done."""
        reply = self.ask(request)
        done = isinstance(reply, Accepted) and reply.sequence > 0
        self.hunt.counts[f"{what} done" if done else f"{what} refused"] += 1

    # --- limits, with a second person for what loosens ---

    def limits(self) -> None:
        """Tighten a limit; later it is loosened again, which needs two."""
        values = {"max_order_qty": TIGHTER[self.symbol]}
        reply = self.ask(SetLimits(scope=self.scope, values=values, reason="hunt"))
        if isinstance(reply, Accepted) and reply.sequence:
            self.hunt.counts["limit tightened"] += 1
            self.hunt.in_a_while(self.dice.uniform(1, 20), self.loosen)

    def loosen(self) -> None:
        """Proposed, refused to its own maker, and then approved, rejected or left to expire."""
        reply = self.ask(ResetLimits(scope=self.scope, loosen=True, reason="hunt"))
        if not isinstance(reply, Accepted):
            return
        if reply.sequence and not reply.proposal:
            if "loosens" not in reply.note and self.hunt.counts["limit tightened"]:
                return  # a power cut took the tightening: nothing is loosened
            raise Violation("R21", "second person", f"a limit was loosened by one: {reply.note}")
        own = self.ask(Approve(proposal=reply.proposal))
        if not (isinstance(own, Refused) and own.code == RefusalCode.FORBIDDEN) and own is not None:
            raise Violation("R21", "second person", f"the proposer's own approval is answered with {own}")
        self.hunt.counts["own approval refused"] += own is not None
        settle = self.dice.choice((self.approve, self.approve, self.reject, self.forget))
        self.hunt.in_a_while(self.dice.uniform(0.1, 10), lambda: settle(reply.proposal))

    def approve(self, number: int) -> None:
        """The second person."""
        reply = self.ask(Approve(proposal=number), SECOND)
        self.hunt.counts["limit loosened by two people"] += isinstance(reply, Accepted) and reply.sequence > 0

    def reject(self, number: int) -> None:
        """The second person does not want it."""
        self.hunt.counts["proposal rejected"] += isinstance(self.ask(Reject(proposal=number), SECOND), Accepted)

    def forget(self, number: int) -> None:
        """Nobody answers, until it is too late."""

        def late() -> None:
            self.hunt.counts["proposal expired"] += isinstance(self.ask(Approve(proposal=number), SECOND), Refused)

        self.hunt.in_a_while(SECOND_PERSON_EXPIRY_S + 1, late)

    # --- orders and parents ---

    def hedge(self) -> None:
        """Offset the symbol's exposure in the other one."""
        other = next((name for name in self.hunt.schedule.symbols if name != self.symbol), "")
        if other:
            self.asked("hedge", Hedge(scope=self.scope, with_symbol=other, ratio="0.1", reason="hunt"))

    def protect(self) -> None:
        """Exits for whatever position there is."""
        exits = ExitsText(stop_loss="80bps", take_profits=("80bps",))
        self.asked("protect", Protect(scope=self.scope, exits=exits, reason="hunt"))

    def instruct(self) -> None:
        """A parent order."""
        words = {"duration": f"{self.dice.randint(5, 30)}s"}
        side: Literal["buy", "sell"] = "buy" if self.dice.random() < 0.5 else "sell"
        order = Order(
            scope=self.scope, side=side, qty=QUANTITY[self.symbol], order_type="market", algo="twap", algo_words=words,
            reason="hunt",
        )  # fmt: skip
        self.asked("instruct", order)

    def amend(self) -> None:
        """Less of one of the orders that are open."""
        life = self.hunt.life
        rows = [] if life is None or not life.is_wired else life.engine.lines[0].oms.orders(open_only=True)
        rows = [row for row in rows if row["state"] == "NEW" and row["qty_lots"] > 4]
        if rows:
            row = self.dice.choice(rows)
            tables = life.engine.tables  # type: ignore[union-attr]
            lots = row["qty_lots"] // 2 * tables.instrument(row["instrument_id"])["lot_size_e8"]
            qty = f"{lots // 100_000_000}.{lots % 100_000_000:08d}"
            self.asked("amend", Amend(scope=Scope(order=row["client_order_id"]), qty=qty, reason="hunt"))

    def adopt(self) -> None:
        """Book what is disputed as the venue says."""
        self.asked("reconcile with adoption", Reconcile(scope=self.scope, adopt=True, reason="hunt"))

    def resume(self) -> None:
        """Undo a pause, whether there is one or not."""
        self.asked("resume", Resume(scope=Scope(strategy="trader"), reason="hunt"))

    def stop(self) -> None:
        """End the engine in order; its supervisor starts it again."""
        life = self.hunt.life
        if life is not None and life.is_wired and not life.stopping.has_begun:
            self.asked("orderly stop", Stop(reason="hunt"))


class Person(Outside):
    """A base of the hunt: people."""

    checks: list[Check]
    schedule: Any
    guard: Any
    in_a_while: Callable[[float, Callable[[], object]], None]
    say: Callable[[str], None]
    kill: Callable[[str, float, int], None]
    desk: Any

    def deed(self, what: str, roll: int) -> None:
        """A person at the control port."""
        dice = random.Random(roll)
        getattr(Deed(self, dice, dice.choice(self.schedule.symbols)), what)()

    def told(self, what: str, sequence: int, fields: dict[str, Any]) -> None:
        """A person's command was journaled."""
        for check in self.checks:
            check.on_command(what, sequence, fields)

    def person_says(self, kind: CommandKind, fields: dict[str, Any]) -> None:
        """A command, if there is an engine to take it."""
        if self.life is not None and self.life.is_wired and not self.life.is_dead:
            self.told(kind.name.lower(), self.life.submit_by_person(kind, **fields), fields)

    def _heal(self) -> None:
        """What a person does after the storm: looks, accepts the venue's word where it differs, and arms."""
        life = self.life
        if life is None:
            return
        self.desk.acknowledge()
        state = life.engine.tables.control_state()
        reason = HaltReason(state["halt_reason"])
        waits = (HaltReason.STARTING, HaltReason.VENUE, HaltReason.STOPPING)
        if life.journal.error:
            self.kill("now", 0.5, 1)
            self._until_dead()
            return
        halted = state["trading_state"] != TradingState.ACTIVE and reason not in waits
        if halted or self.stopped_parts():
            self.counts["a person arms"] += 1
            self.say(f"a person arms: {TradingState(state['trading_state']).name} {reason.name} {self.stopped_parts()}")
            self.person_says(CommandKind.ARM, {})
            for number in life.engine.strategy_ids.values():
                scope = {"strategy_id": number, "scope_kind": ScopeKind.STRATEGY}
                life.submit_by_person(CommandKind.ARM, **scope)
                life.submit_by_person(CommandKind.RESUME, **scope)
            self.guard.clear()

    @abstractmethod
    def _until_dead(self) -> None:
        """The engine is run until its process is gone."""

    def stopped_parts(self) -> list[str]:
        """Strategies and symbols that do not trade."""
        life = self.life
        if life is None:
            return ["engine"]
        halts = [f"{scope} {number}" for scope, rows in life.engine.register.halts().items() for number in rows]
        return halts + [name for name, strategy in life.strategies.items() if strategy.status != RUNNING]

    def gateway_error(self) -> str:
        """Why the order connection does not stand."""
        return "" if self.life is None else str(self.life._gateway.last_error)
