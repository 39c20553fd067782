"""A simulation with a still market, an operator's control port and a strategy that asks for one algorithm."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from engine.control.commands import EngineControl, EngineNames, OperatorCommand
from engine.control.messages import Accepted
from engine.control.outcomes import Outcomes
from engine.control.server import Caller
from engine.desk.ledger import LedgerState
from engine.journal import decode
from engine.model.codes import BookState, CommandKind, Lane, RecordKind
from engine.simulation import START_NS, Latency, Simulation
from engine.strategy.api import BookView, Strategy, TimerView
from tests.sim.replaying import replay, told
from tests.sim.scenario import Step
from tests.sim.stages import NUDGES_MAX, WIDE_LIMITS, configure, credentials, nudge, prices_of, still_venue, trade

SYMBOL = "BTCUSDT"


class Patient(Strategy):
    """Asks for one algorithm when it is told to."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__()
        self.words, self.more = words, more
        self.sees_market = False
        self.parent = 0
        self.heard: list[int] = []

    def on_start(self) -> None:
        """Look now and again."""
        self.set_timer(50_000_000)

    def on_book(self, book: BookView) -> None:
        """The market is there."""
        self.sees_market = self.sees_market or book.is_valid

    def on_timer(self, timer: TimerView) -> None:
        """Ask once trading is allowed and the market is there."""
        if self.words and self.sees_market and not self.parent:
            self.parent = self.execute(SYMBOL, *self.words, **self.more)
        self.set_timer(50_000_000)

    def on_parent(self, parent: Any) -> None:
        """How it goes."""
        self.heard.append(parent.state)


class Stage:
    """A simulation with a still market, an operator's control port, and its ledger."""

    def __init__(
        self, root: Path, kind: str, mode: str, strategy: Strategy, shell: Any = None, limits: str = WIDE_LIMITS
    ) -> None:
        self.kind, self.strategy = kind, strategy
        # False where the test changes the engine behind its back, which no record tells
        self.is_pure = True
        self.shell = shell or still_venue(START_NS)
        self.prices = prices_of(self.shell, kind)
        self.loaded = configure(root, kind, mode, limits=limits)
        key = None if mode == "paper" else credentials()
        self.simulation = Simulation(
            self.loaded, self.shell, strategies={"scripted": strategy}, latency=Latency(300, 300, 100), credentials=key
        )
        engine = self.simulation.engine
        names = EngineNames(
            "test", 1, mode, "0", {"sim": 1}, {"scripted": 1}, lambda _: 0, engine.sequencer.take_handles
        )
        outcomes = Outcomes(engine, self.loaded.config.portfolio.currency)
        self.control = EngineControl(
            names, engine.tables, engine.counters, self.simulation.clock, self.submit, outcomes=outcomes
        )

    def __enter__(self) -> Stage:
        self.simulation.start()
        for _ in range(NUDGES_MAX):
            if self.simulation.engine.tables.market(1)["book_state"] == BookState.VALID:
                break
            self.simulation.inject(lambda venue, now_ns: nudge(venue, self.kind, self.prices, now_ns))
            self.simulation.run_for(0.2)
        return self

    def __exit__(self, *error: Any) -> None:
        self.simulation.__exit__(*error)
        if error[0] is None and self.is_pure and isinstance(self.strategy, Patient):
            self.replay()

    def replay(self) -> None:
        """Whatever was asked for and commanded: its session replays equal, from the journal alone."""
        assert isinstance(self.strategy, Patient)
        again = {"scripted": Patient(*self.strategy.words, **self.strategy.more)}
        keys = {} if self.loaded.config.engine.mode == "paper" else {"sim": credentials()}
        epoch = self.simulation.journal.epoch
        outcome = replay(self.loaded.data_dir, epoch, strategies=again, credentials=keys)
        assert outcome.state == "equal", told(outcome)

    def submit(self, command: OperatorCommand) -> int:
        """What the daemon does with an operator's command."""
        fields = msgspec.structs.asdict(command)
        return self.simulation.command(CommandKind(fields.pop("kind")), **fields)

    def ask(self, request: Any) -> int:
        """A request by the control port; the handle that it got."""
        reply = self.control(request, Caller(0, 1))
        assert isinstance(reply, Accepted), reply
        return reply.order_handle

    def ledger(self) -> LedgerState:
        """The desk's fold of the journal so far."""
        state = LedgerState()
        for record in self.simulation.records(Lane.LEDGER):
            state.take(record)
        return state

    def sell_into(self, qty: str, price: str = "bid-5") -> None:
        """The other account sells into what rests."""
        step = Step(do="market", side="SELL", qty=qty)
        limit = self.prices.of(price)
        assert limit is not None
        self.simulation.inject(lambda venue, now_ns: trade(venue, self.kind, step, limit, now_ns))
        self.simulation.run_for(0.3)

    def filled(self) -> Decimal:
        """What our fills sum up to."""
        lot_e8 = int(self.simulation.engine.tables.instrument(1)["lot_size_e8"])
        lots = [
            decode.payload(record)["qty_lots"]
            for record in self.simulation.records(Lane.LEDGER)
            if record.kind == RecordKind.FILL
        ]
        return Decimal(sum(lots) * lot_e8).scaleb(-8)
