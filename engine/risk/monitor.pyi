from typing import Any, final

from engine.journal.journal import Journal
from engine.model.limits import LimitBook
from engine.model.tables import Tables
from engine.risk.settings import RiskSettings
from engine.runtime.actor import Actor
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring

@final
class RiskMonitor(Actor):
    """What is measured by scope, and the limits in force: see ``monitor.pyx``."""

    @property
    def limits(self) -> LimitBook: ...
    @property
    def refused_changes(self) -> int: ...
    def __init__(
        self,
        name: str,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        settings: RiskSettings,
        *,
        to_risk: Ring,
        risk_events: Ring,
    ) -> None: ...
    def set_limit(self, scope: int, scope_id: int, field: str, value: int) -> None: ...
    def lot_e8(self, instrument_id: int) -> int: ...
    def base_row(self, scope: int, scope_id: int) -> dict[str, int]: ...
    def measured(self, scope: int, scope_id: int) -> dict[str, Any]: ...
    def breaker(self, venue_id: int) -> int: ...
