from collections.abc import Mapping
from typing import final

from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.bookreader import BookReader
from engine.model.tables import Tables
from engine.risk.terms import TermsCheck
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring

@final
class RiskGate(TermsCheck):
    @property
    def approved_count(self) -> int: ...
    @property
    def refused_count(self) -> int: ...
    def __init__(
        self,
        name: str,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        register: ApprovalRegister,
        books: BookReader,
        clock: Clock,
        *,
        intents: Ring,
        manual_intents: Ring,
        approvals: Ring | Mapping[int, Ring],
        refusals: Ring,
        child_intents: Ring | None = None,
        child_refusals: Ring | None = None,
    ) -> None: ...
