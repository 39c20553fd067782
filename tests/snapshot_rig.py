"""Ledgers of simulated worlds, and folds of them: whole, cut, and through snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import Config, LoadedConfig
from engine.journal.reader import JournalReader
from engine.model.codes import CommandKind, Lane, LimitScope, RecordKind, Side
from engine.model.limits import LimitChange, encode
from engine.recovery.shadow import Shadow
from engine.recovery.snapshot import Place, Snapshot, parse
from engine.simulation import Simulation
from tests.sim.operated import Patient, Stage
from tests.sim.worlds import demo_config, lively_venue, simulate

# what changes no state: a cut behind it is the cut before it
IDLE = frozenset(
    {
        *(RecordKind.TIMER, RecordKind.ORDER_BYTES, RecordKind.ORDER_REPLY, RecordKind.EXECUTION_REPORT),
        *(
            RecordKind.POSITION,
            RecordKind.BALANCE,
            RecordKind.ACCOUNT,
            RecordKind.ACCOUNT_POSITION,
            RecordKind.INSTRUMENT,
        ),
        *(RecordKind.TIME_SYNC, RecordKind.BOOK_STATE, RecordKind.ORDER_STATUS, RecordKind.SESSION_STATE),
    }
)


@dataclass
class Told:
    """A ledger on disk, its records, and what a fold of it needs."""

    config: Config
    data_dir: Path
    records: Sequence[Any]

    @property
    def names(self) -> Path:
        return self.data_dir / "names.json"

    def shadow(self) -> Shadow:
        return Shadow(self.config, self.names)

    def cuts(self) -> list[int]:
        """Numbers of records that a prefix may have: behind each record that says something."""
        return [number + 1 for number, record in enumerate(self.records) if record.kind not in IDLE]

    def folded(self, upto: int) -> Shadow:
        shadow = self.shadow()
        shadow.fold.fold(self.records[:upto])
        return shadow

    def again(self, shadow: Shadow) -> Shadow:
        """Another one that begins with its snapshot, through the file's bytes."""
        fold, other = shadow.fold, self.shadow()
        other.load(parse(snapshot_of(shadow).pack()))
        assert (other.fold.last_seq, other.fold.last_epoch) == (fold.last_seq, fold.last_epoch)
        return other


def snapshot_of(shadow: Shadow) -> Snapshot:
    fold = shadow.fold
    place = Place(fold.last_epoch, fold.last_seq, fold.last_crc32c, 1, 128)
    return Snapshot(7, bytes(16), place, fold.records, 0, tuple(shadow.sections()))


def told(loaded: LoadedConfig) -> Told:
    """What stands below its data directory."""
    return Told(loaded.config, loaded.data_dir, list(JournalReader(loaded.data_dir).records(Lane.LEDGER)))


def finished(shadow: Shadow) -> dict[str, Any]:
    """Everything that a start begins with, as far as stages show it. The shadow can fold nothing after it."""
    shadow.fold.finish()
    tables, count = shadow.tables, shadow.tables.instrument_count
    scopes = [(LimitScope.ENGINE, 0), *[(LimitScope(kind), number) for kind in (1, 2, 3) for number in range(4)]]
    scopes += [(LimitScope.INSTRUMENT, number) for number in range(1, count + 1)]
    return {
        "orders": [line.orders() for line in shadow.lines],
        "fees": [line.positions_book.fees() for line in shadow.lines],
        "positions": [
            line.positions_book.wide(line_id, number, side)
            for line, line_id in zip(shadow.lines, shadow.line_ids, strict=True)
            for number in range(1, count + 1)
            for side in range(3)
        ],
        "exposures": [tables.exposure(number) for number in range(1, count + 1)],
        "halts": shadow.register.halts(),
        "waiting": [shadow.register.waiting(number) for number in range(1, count + 1)],
        "promised": [shadow.register.promised(asset) for asset in range(1, max(2, tables.asset_count))],
        "control": tables.control_state(),
        "scopes": [tables.scope(*scope) for scope in scopes],
        "measured": [shadow.monitor.measured(*scope) for scope in scopes],
        "rows": [shadow.monitor.base_row(*scope) for scope in scopes],
        "execution": shadow.execution.image(),
        "sections": shadow.sections(),
    }


# --- worlds ------------------------------------------------------------------------------------------------------------


def lively(root: Path, kind: str, seed: int = 5) -> Told:
    """A market maker on a lively market through two crashes and an orderly stop, with limits, kills and arms by a person."""
    shell = lively_venue(seed)
    loaded = demo_config(root, kind)
    for number in range(3):
        simulation = simulate(loaded, shell, seed + number)
        simulation.start()
        simulation.run_for(1.5)
        command(simulation, number)
        simulation.run_for(1.0)
        simulation.crash() if number < 2 else simulation.stop()
    return told(loaded)


def command(simulation: Simulation, number: int) -> None:
    """A person's words: of a strategy, of a symbol, of all."""
    change: dict[str, int | None] = {"max_open_orders": 40 + number, "max_daily_loss": (1 + number) * 10**12}
    values = LimitChange(scope=LimitScope.ENGINE, scope_id=0, values=change, loosen=True)
    simulation.command(CommandKind.LIMITS, detail=encode(values), reason="a person")
    if number == 0:
        simulation.command(CommandKind.KILL, strategy_id=1, reason="look")
    elif number == 1:
        simulation.command(CommandKind.ARM, strategy_id=1, reason="seen")
        simulation.command(CommandKind.KILL, instrument_id=1, reason="look")
    else:
        simulation.command(CommandKind.ARM, reason="go")


def sliced(root: Path, kind: str) -> Told:
    """An algorithm whose child orders fill, cut by a crash."""
    with Stage(root, kind, "sim", Patient(Side.BUY, "0.04", "twap", duration="20s", slices=4, at_end="cross")) as stage:
        stage.simulation.run_for(11.0)
        stage.simulation.crash()
    return told(stage.loaded)
