from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.tables import Tables
from engine.runtime.actor import Actor
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring

class OrderLifecycle(Actor):
    @property
    def external_count(self) -> int: ...
    @property
    def cancels_ignored(self) -> int: ...
    @property
    def misrouted(self) -> int: ...
    @property
    def amends_ignored(self) -> int: ...
    def __init__(
        self,
        name: str,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        register: ApprovalRegister,
        *,
        to_oms: Ring,
        approvals: Ring,
        outbound: Ring,
        order_events: Ring,
        manual_intents: Ring,
        order_timeout_ns: int,
        recv_window_ns: int,
        venue_delay_ns_max: int,
        account_id: int = ...,
        venue_id: int = ...,
        trade_capacity: int = ...,
        risk_events: Ring | None = ...,
        execution_events: Ring | None = ...,
    ) -> None: ...
