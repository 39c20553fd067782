from engine.gateway.budget import RateBudget
from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.tables import Tables
from engine.runtime.actor import Actor
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from engine.runtime.session import Session

class OrderSession(Session):
    @property
    def is_ready(self) -> bool: ...
    @property
    def refused_approvals(self) -> int: ...
    @property
    def orders_sent(self) -> int: ...
    @property
    def orders_waiting(self) -> int: ...
    def set_wait_max(self, wait_ns: int) -> None: ...
    @property
    def dropped_inputs(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
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
        *,
        outbound: Ring,
        inbound: Ring,
        venue_id: int = ...,
        account_id: int = ...,
    ) -> None: ...
    @property
    def is_dead(self) -> bool: ...
    def quiet_ns(self) -> int: ...
    def keep_quiet(self, duration_ns: int, status: int) -> None: ...
    def take_weight(self, weight: int) -> bool: ...
    def on_send_error(self, error: BaseException) -> None: ...

class GatewayActor(Actor):
    def __init__(self, name: str, session: OrderSession) -> None: ...
