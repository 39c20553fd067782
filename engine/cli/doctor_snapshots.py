"""The doctor's look at the snapshots: would the next start be short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.cli.doctor_checks import Check, ok, warn
from engine.cli.snapshot import rows
from engine.config import LoadedConfig
from engine.journal.places import segments
from engine.model.codes import Lane

# folded in less than a second without any snapshot
BYTES_WITHOUT = 256 << 20


def snapshots(loaded: LoadedConfig) -> Iterator[Check]:
    """The newest that a start would take, and what the last start took."""
    found = rows(loaded.data_dir)
    taken = [row for row in found if not row["fault"]]
    there = sum(path.stat().st_size for _, path in segments(loaded.data_dir, Lane.LEDGER))
    if taken:
        yield ok(
            "snapshots", f"{len(taken)}, the newest up to sequence {taken[0]['seq']}{last_start(loaded.counters_path)}"
        )
    elif there > BYTES_WITHOUT:
        why = f"{found[0]['name']}: {found[0]['fault']}" if found else "there is none"
        mend = "let `tradewind desk` run beside the engine, or run `tradewind snapshot`"
        yield warn("snapshots", f"a start reads all {there >> 20} MiB of the ledger ({why})", mend)
    else:
        yield ok("snapshots", f"none needed: the ledger has {there >> 20} MiB{last_start(loaded.counters_path)}")


def last_start(counters: Path) -> str:
    """What the engine that runs, or ran last, told of its start."""
    from engine.runtime.counters_reader import CountersError, CountersReader

    try:
        told = CountersReader(counters).snapshot()["counters"]
    except (CountersError, OSError):
        return ""
    return f"; the last start read {told['recovery_records']} records in {told['recovery_us'] / 1000:.0f} ms"
