"""Stages that fold a ledger and do nothing else: no connection, no strategy, no limit, no journal of their own.

Desk makes snapshots with one, a start tries a snapshot on one before it takes it. Everything that the fold depends on beside the
records stands in the registry of names (instruments, lines) and in the configuration (the reporting currency).
"""

from __future__ import annotations

from pathlib import Path

from engine.config import Config
from engine.execution.rebuild import Ledger
from engine.journal.errors import ImageError
from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.tables import Tables
from engine.oms.oms import Oms
from engine.recovery.grid import Grid, check_grid, grid_of, grid_section
from engine.recovery.ledger_fold import LedgerFold
from engine.recovery.sections import Section, SectionKind
from engine.recovery.snapshot import Snapshot
from engine.risk.monitor import RiskMonitor
from engine.risk_wiring import set_currency, settings_of
from engine.runtime.counters import Counters
from engine.runtime.disk import Disk
from engine.runtime.registry import Registry
from engine.runtime.ring import Ring

RING_SLOTS = 2
ORDER_NS = 1_000_000_000


class Shadow:
    """One fold with stages of its own."""

    def __init__(self, config: Config, names_path: Path) -> None:
        registry = Registry(names_path, Disk())
        known = {name: registry.venue_id(name) for name in config.venue}
        self.tables = Tables()
        for number in known.values():
            self.tables.use_line(number)
        registry.fill(self.tables, [])
        set_currency(self.tables, config.portfolio.currency)
        self.grid: Grid = grid_of(self.tables, config.portfolio.currency)
        self.journal, self.counters = Journal.in_memory(ring_bytes=1 << 16, discards=True), Counters()
        self.register = ApprovalRegister()
        self.line_ids = list(known.values())
        self.lines = [self._oms(self.register, number) for number in self.line_ids]
        self.monitor = RiskMonitor(
            "risk", self.journal, self.tables, self.counters, settings_of(config), to_risk=Ring("to_risk", RING_SLOTS),
            risk_events=Ring("risk_events", RING_SLOTS),
        )  # fmt: skip
        self.execution = Ledger()
        self.fold = LedgerFold(self.tables, self.register, self.lines, self.monitor, self.execution)

    def _oms(self, register: ApprovalRegister, number: int) -> Oms:
        return Oms(
            f"oms.{number}", self.journal, self.tables, self.counters, register, order_timeout_ns=ORDER_NS,
            recv_window_ns=ORDER_NS, venue_delay_ns_max=0, account_id=number, venue_id=number,
            to_oms=Ring("to_oms", RING_SLOTS), approvals=Ring("approvals", RING_SLOTS), outbound=Ring("outbound", RING_SLOTS),
            order_events=Ring("order_events", RING_SLOTS), manual_intents=Ring("manual_intents", RING_SLOTS),
        )  # fmt: skip

    def sections(self) -> list[Section]:
        """All of a snapshot's."""
        return [grid_section(self.grid), *self.fold.sections()]

    def load(self, snapshot: Snapshot) -> None:
        """Begin with it. Raises ImageError, and the shadow is spoilt then."""
        check_snapshot(snapshot, self.grid)
        place = snapshot.place
        self.fold.load(snapshot.sections, seq=place.seq, epoch=place.epoch, crc32c=place.crc32c)


def check_snapshot(snapshot: Snapshot, grid: Grid) -> None:
    """Raises ImageError where its numbers mean something else here."""
    for part in snapshot.sections:
        if part.kind == SectionKind.GRID:
            check_grid(part, grid)
            return
    raise ImageError("it does not say which instruments it counts in")
