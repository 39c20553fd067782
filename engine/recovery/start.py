"""A start: what earlier runs left, into the stages of an engine that has not begun."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from engine.execution.rebuild import Ledger
from engine.journal.errors import JournalFull
from engine.model.codes import Counter, RecordKind
from engine.recovery.earlier import EarlierRuns, Recovered
from engine.recovery.grid import grid_of
from engine.recovery.ledger_fold import LedgerFold
from engine.recovery.shadow import Shadow, check_snapshot
from engine.recovery.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.config import LoadedConfig
    from engine.execution.stage import ExecutionStage
    from engine.journal.journal import Journal
    from engine.model.approval import ApprovalRegister
    from engine.model.tables import Tables
    from engine.oms.oms import Oms
    from engine.risk.monitor import RiskMonitor
    from engine.runtime.counters import Counters
    from engine.runtime.world import World


class LineParts(Protocol):
    """One venue and account."""

    @property
    def oms(self) -> Oms: ...


class EngineParts(Protocol):
    """The stages that rebuild state from the ledger, and what they share."""

    @property
    def loaded(self) -> LoadedConfig: ...
    @property
    def world(self) -> World: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def tables(self) -> Tables: ...
    @property
    def register(self) -> ApprovalRegister: ...
    @property
    def lines(self) -> Sequence[LineParts]: ...
    @property
    def monitor(self) -> RiskMonitor: ...
    @property
    def execution(self) -> ExecutionStage: ...
    @property
    def venue_ids(self) -> Mapping[str, int]: ...


def recover(engine: EngineParts, runs: EarlierRuns) -> Recovered:
    """Fold the earlier runs, finish, and say what was taken. Raises what `EarlierRuns.fold_into` raises."""
    begun_ns = engine.world.clock.monotonic_ns()
    config = engine.loaded.config
    grid = grid_of(engine.tables, config.portfolio.currency)

    def check(snapshot: Snapshot) -> None:
        check_snapshot(snapshot, grid)
        # tried on stages that are thrown away: what cannot be read leaves the engine's untouched
        Shadow(config, engine.loaded.data_dir / "names.json").load(snapshot)

    ledger = Ledger(engine.execution.parents)
    lines = [line.oms for line in engine.lines]
    fold = LedgerFold(engine.tables, engine.register, lines, engine.monitor, ledger)
    recovered = runs.fold_into(fold, check)
    fold.finish()
    engine.execution.revive(ledger)
    tell(engine, recovered, engine.world.clock.monotonic_ns() - begun_ns)
    return recovered


def tell(engine: EngineParts, recovered: Recovered, took_ns: int) -> None:
    """In the counters for `ctl status` and the doctor; in the ledger where snapshots had a part in it."""
    engine.counters.set(Counter.RECOVERY_RECORDS, recovered.records)
    engine.counters.set(Counter.RECOVERY_US, took_ns // 1000)
    engine.counters.set(Counter.SNAPSHOT_SEQ, recovered.snapshot_seq)
    if not recovered.has_news:
        return
    try:
        engine.journal.append_text(RecordKind.RECOVERED, json.dumps(asdict(recovered) | {"took_us": took_ns // 1000}))
    except JournalFull:
        return
