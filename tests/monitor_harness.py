"""A risk monitor over real tables and a journal in memory, fed record by record under a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.journal import decode, layout
from engine.journal.cursor import Record
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.model.codes import (
    BookState,
    CommandKind,
    LimitScope,
    OrderState,
    RecordKind,
    RiskMode,
    Side,
    TimerKind,
    TradingState,
)
from engine.model.instruments import InstrumentSpec
from engine.model.limits import LimitChange, encode
from engine.model.tables import Tables
from engine.risk.monitor import RiskMonitor
from engine.risk.monitor_fold import restore
from engine.risk.rehearsal import offer_record, set_market
from engine.risk.settings import ModeTerms, RiskSettings
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from tests.control_harness import BTCUSDT
from tests.ledger_harness import body

E8 = 10**8
S = 1_000_000_000
ENGINE = (LimitScope.ENGINE, 0)
BTC = (LimitScope.INSTRUMENT, 1)
MAKER = (LimitScope.STRATEGY, 1)
VENUE = (LimitScope.VENUE, 1)
SETTINGS = RiskSettings(
    calm_ns=10 * S,
    breaker_failures=3,
    modes=(
        ModeTerms(mode=RiskMode.ELEVATED, drawdown_e8=100 * E8, percent=50),
        ModeTerms(mode=RiskMode.HIGH, drawdown_e8=200 * E8, percent=25, state=TradingState.REDUCING),
        ModeTerms(mode=RiskMode.CRITICAL, drawdown_e8=300 * E8, percent=10, state=TradingState.HALTED, until_arm=True),
    ),
)


class MonitorRig:
    """BTCUSDT: tick 0.01, lot 0.00001. `tick` moves the clock; the reporting currency is USDT."""

    def __init__(
        self,
        settings: RiskSettings = SETTINGS,
        ledger: Iterable[Record] = (),
        clock: Clock | None = None,
        spec: InstrumentSpec = BTCUSDT,
    ) -> None:
        self.clock = clock or Clock.virtual()
        self.journal = Journal.in_memory()
        self.tables = Tables()
        self.tables.add_instrument(spec)
        self.tables.set_rate(self.tables.asset_id("USDT"), E8)
        self.tables.asset_id("BNB")
        self.counters = Counters()
        rings = {
            name: Ring(name, 1024)
            for name in ("own", "control", "market", "to_book", "to_oms", "to_strategy", "to_risk", "events")
        }
        self.rings = rings
        self.monitor = RiskMonitor(
            "risk", self.journal, self.tables, self.counters, settings, to_risk=rings["to_risk"],
            risk_events=rings["events"],
        )  # fmt: skip
        self.sequencer = Sequencer(
            "sequencer", self.journal, self.tables, self.counters, rings["own"], rings["control"], rings["market"],
            rings["to_book"], rings["to_oms"], rings["to_strategy"], self.clock, to_risk=rings["to_risk"],
        )  # fmt: skip
        self.pipeline = Pipeline([self.sequencer, self.monitor])
        self.sequencer.attach(self.pipeline)
        self.journal.set_now(self.clock.time_ns(), self.clock.monotonic_ns())
        self.used = restore(self.monitor, ledger)

    def run(self) -> None:
        """Everything through; who else would listen is not here."""
        self.pipeline.run_to_completion()
        for name in ("to_book", "to_oms", "to_strategy"):
            while self.rings[name].poll() is not None:
                pass

    def tick(self, seconds: float = 0.05) -> None:
        self.clock.advance(int(seconds * S))
        self.sequencer.submit_timer(TimerKind.TICK)
        self.run()

    def price(self, units: float) -> None:
        """A valid book with this mid, one tick around it."""
        mid = round(units * 100)
        set_market(self.tables, 1, book_state=BookState.VALID, bid_ticks=mid - 1, ask_ticks=mid + 1)
        self.run()

    def fill(self, side: Side, qty: float, price: float, strategy: int = 1, **fields: int) -> None:
        """One execution of ours, as OMS tells it."""
        payload = body(
            RecordKind.FILL, side=side, price_ticks=round(price * 100), qty_lots=round(qty * 100_000), **fields
        )
        self.push("events", RecordKind.FILL, payload, strategy_id=strategy)

    def order(self, state: OrderState, previous: OrderState, venue_code: int = 0) -> None:
        """An order's state, as OMS tells it."""
        payload = body(RecordKind.ORDER_STATE, state=state, previous_state=previous, venue_code=venue_code)
        self.push("events", RecordKind.ORDER_STATE, payload)

    def push(self, ring: str, kind: RecordKind, payload: bytes, strategy_id: int = 0) -> None:
        offer_record(self.journal, self.rings[ring], kind, payload, strategy_id=strategy_id, instrument_id=1)
        self.run()

    def command(self, kind: CommandKind, **fields: Any) -> int:
        sequence = self.sequencer.execute_command(kind, **fields)
        self.run()
        return sequence

    def change(self, scope: tuple[LimitScope, int], loosen: bool = False, **values: int | None) -> None:
        """COMMAND LIMITS as the control port makes it."""
        detail = encode(LimitChange(scope=scope[0], scope_id=scope[1], values=values, loosen=loosen))
        self.command(CommandKind.LIMITS, uid=7, reason="test", detail=detail)

    def scope(self, scope: tuple[LimitScope, int]) -> dict[str, Any]:
        return self.tables.scope(*scope)

    def told(self, kind: RecordKind) -> list[dict[str, Any]]:
        return [decode.payload(record) for record in self.journal.records() if record.kind == kind]

    def ledger(self) -> list[Record]:
        """What a restart would read."""
        return [record for record in self.journal.records() if record.kind >= RecordKind.EXECUTION_REPORT]


def sizes() -> int:
    """Bytes of a RISK_STATE payload."""
    return layout.payload_format(RecordKind.RISK_STATE)[0].size
