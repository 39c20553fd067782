from typing import Any

from engine.journal.journal import Journal
from engine.model.bookreader import BookReader
from engine.model.tables import Tables
from engine.runtime.actor import Actor
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring

class DepthReader(BookReader): ...

class BookStage(Actor):
    reader: DepthReader
    jump_bps_max: int
    locked_ns_max: int
    duplicates: int
    tickers_late: int
    tickers_different: int
    events_lost: int
    def __init__(
        self,
        name: str,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        inbound: Ring,
        events: Ring,
        *,
        jump_bps_max: int = 2000,
        locked_ns_max: int = 1_000_000_000,
        pages_max: int = 262144,
        clock: Clock | None = None,
        watched: Ring | None = None,
    ) -> None: ...
    def prepare(self, instrument_id: int) -> None: ...
    def take_resyncs(self) -> list[int]: ...
    def take_refresh(self) -> bool: ...
    def depth(self, instrument_id: int, depth: int = 20) -> dict[str, Any]: ...
    @property
    def pages_used(self) -> int: ...
