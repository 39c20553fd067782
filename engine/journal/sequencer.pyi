from collections.abc import Mapping
from typing import final

from typing_extensions import Buffer, disjoint_base

from engine.journal.journal import Journal
from engine.journal.replayed import RecordedSession
from engine.runtime.actor import Actor, Pipeline
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring

@disjoint_base
@final
class Sequencer(Actor):
    inputs: int
    lost: int
    waits: int
    def __init__(
        self,
        name: str,
        journal: Journal,
        tables: object,
        counters: Counters,
        inbound_own: Ring,
        inbound_control: Ring,
        inbound_market: Ring,
        to_book: Ring,
        to_oms: Ring | Mapping[int, Ring],
        to_strategy: Ring,
        clock: Clock,
        *,
        to_risk: Ring | None = None,
        to_execution: Ring | None = None,
    ) -> None: ...
    def follow(self, source: RecordedSession) -> None: ...
    def attach(self, pipeline: Pipeline) -> None: ...
    def submit_command(
        self,
        command_kind: int,
        *,
        uid: int = 0,
        reason: str = "",
        scope_kind: int = 0,
        venue_id: int = 0,
        account_id: int = 0,
        strategy_id: int = 0,
        instrument_id: int = 0,
        order_handle: int = 0,
        side: int = 0,
        price_ticks: int = 0,
        qty_lots: int = 0,
        order_type: int = 0,
        time_in_force: int = 0,
        flags: int = 0,
        position_side: int = 0,
        detail: bytes = b"",
    ) -> int: ...
    def execute_command(self, command_kind: int, **fields: int | str | bytes) -> int: ...
    def take_handles(self, count: int = 1) -> int: ...
    def submit_timer(
        self,
        timer_kind: int,
        *,
        timer_id: int = 0,
        deadline_mono_ns: int = 0,
        data: int = 0,
        strategy_id: int = 0,
        instrument_id: int = 0,
        session_id: int = 0,
    ) -> None: ...
    def submit_record(
        self,
        kind: int,
        payload: Buffer = ...,
        *,
        venue_id: int = 0,
        account_id: int = 0,
        strategy_id: int = 0,
        instrument_id: int = 0,
        order_handle: int = 0,
        session_id: int = 0,
        frame_length: int = 0,
        frame_crc32c: int = 0,
    ) -> None: ...
