"""From the configuration to an open journal, and what lets orders go that waited for its disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from engine.config import LoadedConfig
from engine.journal.journal import Journal
from engine.journal.settings import JournalConfig
from engine.runtime.actor import Pipeline


def journal_settings(loaded: LoadedConfig) -> JournalConfig:
    """What `[engine]` and `[journal]` say of it."""
    engine, journal = loaded.config.engine, loaded.config.journal
    return JournalConfig(
        data_dir=Path(engine.data_dir),
        runtime_dir=Path(engine.runtime_dir),
        engine_id=engine.id,
        ledger_front_bytes=journal.ledger_front_bytes,
        tape_front_bytes=journal.tape_front_bytes,
        segment_bytes=journal.segment_bytes,
        sync_interval_ms=journal.sync_interval_ms,
        durability=journal.durability,
    )


class DurableRelease:
    """Wakes the loop when the ledger's watermark has moved past what an order waits for (level `order`; else it never fires).

    A run of the pipeline without an input: the order sessions look at what waits. The same in block and in spin mode, whose loop
    looks at its descriptors at every turn.
    """

    def __init__(self, journal: Journal, pipeline: Pipeline, on_fatal: Callable[[BaseException], None]) -> None:
        self._journal = journal
        self._pipeline = pipeline
        self._on_fatal = on_fatal
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm = -1

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the journal's alarm."""
        self._loop = loop
        self._alarm = self._journal.open_alarm()
        loop.add_reader(self._alarm, self._on_synced)

    def stop(self) -> None:
        """Look away, before the journal closes."""
        if self._loop is not None:
            self._loop.remove_reader(self._alarm)
            self._loop = None

    def _on_synced(self) -> None:
        try:
            self._journal.acknowledge()
            self._pipeline.run_to_completion()
        except BaseException as error:  # noqa: BLE001 - the impossible ends the process by one door
            self._on_fatal(error)
