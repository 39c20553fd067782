from collections.abc import Callable
from typing import Any

from engine.gateway.budget import RateBudget
from engine.gateway.order_session import OrderSession
from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.tables import Tables
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from engine.venues.binance.order_codec import OrderCodec

class BinanceOrderSession(OrderSession):
    @property
    def step(self) -> int: ...
    @property
    def failure(self) -> str: ...
    @property
    def is_key_refused(self) -> bool: ...
    @property
    def time_error_ns(self) -> int: ...
    @property
    def time_syncs(self) -> int: ...
    @property
    def malformed_frames(self) -> int: ...
    @property
    def shutdown_announced(self) -> bool: ...
    @property
    def offset_ns(self) -> int: ...
    def __init__(
        self,
        name: str,
        session_id: int,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        register: ApprovalRegister,
        clock: Clock,
        budget: RateBudget,
        codec: OrderCodec,
        *,
        outbound: Ring,
        inbound: Ring,
        venue_id: int = ...,
        account_id: int = ...,
        log_on_signer: Callable[[bytes], bytes] | None = ...,
        time_interval_s: float = ...,
    ) -> None: ...
    def give_up(self, reason: str) -> int: ...
    def fault_counts(self) -> dict[int, int]: ...
    def usage(self) -> dict[str, Any]: ...
